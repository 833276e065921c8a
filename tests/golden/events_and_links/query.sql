-- Events and links with their attributes.
SELECT span_name, ordinal, time_text, name, attributes FROM span_events ORDER BY span_id, ordinal;
SELECT exception_type, exception_message, [event.n] FROM span_events WHERE name = 'exception';
SELECT name FROM span_events WHERE [event.n] = 7;
SELECT name FROM span_events WHERE name LIKE 'EXC%';
SELECT count(*) AS found FROM span_events WHERE time_ns BETWEEN 1795179600000000200 AND 1795179600000000300;
SELECT ordinal, linked_trace_id, linked_span_id, trace_state, flags, [link.why] FROM span_links ORDER BY ordinal;
SELECT scope, key, value, item_ordinal FROM span_attributes WHERE scope IN ('event', 'link') ORDER BY scope, item_ordinal, ordinal;
