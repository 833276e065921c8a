-- What did the checks of a run find, and what happened there? Issues of validation reports with the
-- run they belong to and the failed spans of their traces. samples/run/report-envelope.json has some.
SELECT
  i.run_id,
  r.branch_name AS branch,
  i.key,
  i.type,
  i.message,
  i.trace_id,
  s.service,
  s.name AS span,
  s.status_message
FROM validation_issues AS i
JOIN runs AS r USING (run_id)
LEFT JOIN spans AS s ON s.trace_id = i.trace_id AND s.status = 'error'
ORDER BY r.last_seen DESC, i.run_id, i.key, i.type, s.start_ns, s.span_id;
