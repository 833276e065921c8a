-- Ids that are not hexadecimal are shown, and found, as the text they were.
SELECT trace_id, span_count, root_name FROM traces ORDER BY trace_id;
SELECT name FROM spans WHERE trace_id = 'kvonce-trace-001';
SELECT count(*) AS found FROM traces WHERE trace_id = 'kvonce-trace-001';
SELECT count(*) AS found FROM span_attributes WHERE trace_id = 'kvonce-trace-001' AND key = 'n';
SELECT count(*) AS found FROM traces WHERE trace_id IN ('5B8EFFF798038103D269B633813FC601', 'no such', 'kvonce-trace-001');
SELECT count(*) AS found FROM traces WHERE trace_id = '463ac35c9f6413ad';
