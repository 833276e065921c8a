-- What is pushed down, as SQLite sees it. (The text is the plan the tables make: see table_support.h.)
EXPLAIN QUERY PLAN SELECT * FROM traces WHERE trace_id = 'a';
EXPLAIN QUERY PLAN SELECT * FROM traces WHERE trace_id IN ('a', 'b') AND start_ns > 5;
EXPLAIN QUERY PLAN SELECT trace_id FROM traces WHERE root_service = 'shop' ORDER BY duration_ns DESC LIMIT 5;
EXPLAIN QUERY PLAN SELECT * FROM traces WHERE services = '[]';
EXPLAIN QUERY PLAN SELECT * FROM span_events WHERE name LIKE 'exc%' AND [event.k] = 'v';
EXPLAIN QUERY PLAN SELECT * FROM span_attributes WHERE key = 'k' AND value = 'v' AND scope IN ('span', 'event');
EXPLAIN QUERY PLAN SELECT * FROM traces t JOIN span_events e ON e.trace_id = t.trace_id WHERE t.status = 'error';
