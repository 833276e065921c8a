-- Error spans without an issue, and issues without an error span
-- Of the traces that envelopes name: where the checks and the traces do not say the same. An issue is
-- of all traces that its events are of.
-- Parameters: run: only this one; limit: rows, default 50.
WITH linked AS (
  SELECT DISTINCT t.trace_id, e.run_id FROM envelope_traces t JOIN envelopes e ON e.id = t.envelope_id
  WHERE :run IS NULL OR e.run_id = CAST(:run AS TEXT)
),
found AS (
  SELECT i.run_id, i.type, i.key, i.message, i.ordinal, t.value AS trace_id
  FROM validation_issues i, json_each(coalesce(i.context -> '$.trace_ids', json_array(i.trace_id))) t
  WHERE i.source NOT IN ('ingest', 'trace quality', 'sampling') AND i.trace_id IS NOT NULL
),
failed AS (
  SELECT l.run_id, s.trace_id, s.service, s.name, s.status_message
  FROM linked l JOIN spans s ON s.trace_id = l.trace_id AND s.status = 'error'
)
SELECT 'error span without an issue' AS difference, f.run_id, f.trace_id,
       coalesce(f.service || ': ', '') || f.name || coalesce(' (' || f.status_message || ')', '') AS detail
FROM failed f WHERE NOT EXISTS (SELECT 1 FROM found i WHERE i.trace_id = f.trace_id COLLATE NOCASE)
UNION ALL
SELECT 'issue without an error span', run_id, min(trace_id), coalesce('[' || key || '] ', '') || type || coalesce(': ' || message, '')
FROM found i
WHERE :run IS NULL OR run_id = CAST(:run AS TEXT)
GROUP BY run_id, type, key, message, ordinal
HAVING NOT max(EXISTS (SELECT 1 FROM spans s WHERE s.trace_id = i.trace_id AND s.status = 'error'))
ORDER BY 1, 2, 3, 4
LIMIT coalesce(:limit, 50);
