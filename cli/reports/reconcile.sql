-- Error spans without an issue, and issues without an error span
-- Of the traces that envelopes name: where the checks and the traces do not say the same.
-- Parameters: run: only this one; limit: rows, default 50.
WITH linked AS (
  SELECT DISTINCT t.trace_id, e.run_id FROM envelope_traces t JOIN envelopes e ON e.id = t.envelope_id
  WHERE :run IS NULL OR e.run_id = CAST(:run AS TEXT)
),
found AS (
  SELECT DISTINCT trace_id, run_id, type, key, message FROM validation_issues
  WHERE source NOT IN ('ingest', 'trace quality', 'sampling') AND trace_id IS NOT NULL
),
failed AS (
  SELECT l.run_id, s.trace_id, s.service, s.name, s.status_message
  FROM linked l JOIN spans s ON s.trace_id = l.trace_id AND s.status = 'error'
)
SELECT 'error span without an issue' AS difference, f.run_id, f.trace_id,
       f.service || ': ' || f.name || coalesce(' (' || f.status_message || ')', '') AS detail
FROM failed f WHERE NOT EXISTS (SELECT 1 FROM found i WHERE i.trace_id = f.trace_id COLLATE NOCASE)
UNION ALL
SELECT 'issue without an error span', i.run_id, i.trace_id, coalesce('[' || i.key || '] ', '') || i.type || ': ' || i.message
FROM found i
WHERE (:run IS NULL OR i.run_id = CAST(:run AS TEXT))
  AND NOT EXISTS (SELECT 1 FROM spans s WHERE s.trace_id = i.trace_id AND s.status = 'error')
ORDER BY 1, 2, 3, 4
LIMIT coalesce(:limit, 50);
