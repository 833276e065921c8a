-- spans per segment: 8
-- A trace whose second half came later is one trace, whatever segments hold it.
SELECT trace_id, span_count, depth, root_name, root_count, orphan_count, services, segment_count > 1 AS is_split
FROM traces ORDER BY trace_id;
SELECT trace_id, duration_ns FROM traces ORDER BY duration_ns DESC LIMIT 1;
SELECT trace_id FROM traces WHERE start_ns < 1795179600000000000 + 100 ORDER BY start_ns;
SELECT service, trace_count, span_count FROM services ORDER BY service;
SELECT count(*) AS segments, sum(has_split_traces) AS with_parts FROM segments;
