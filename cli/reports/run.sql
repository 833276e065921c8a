-- One run: what its envelopes say, case by case and domain by domain
-- Parameters: run: its id, default: the latest.
WITH chosen AS (
  SELECT coalesce(CAST(:run AS TEXT), (SELECT run_id FROM runs ORDER BY envelopes > 0 DESC, julianday(last_seen) DESC, run_id LIMIT 1)) AS run_id
)
SELECT run_id, part, name, status, events, issues, traces,
       coalesce(strftime('%Y-%m-%d %H:%M:%S', generated_at), generated_at) AS generated_at -- UTC
FROM (
  SELECT e.run_id, 'envelope' AS part, e.source AS name, e.status, e.event_count AS events, e.issue_count AS issues,
         (SELECT count(DISTINCT trace_id) FROM envelope_traces t WHERE t.envelope_id = e.id) AS traces, e.generated_at
  FROM envelopes e JOIN chosen USING (run_id)
  UNION ALL
  SELECT e.run_id, 'case', c.key, c.status, c.event_count, c.issue_count,
         (SELECT count(DISTINCT trace_id) FROM envelope_traces t WHERE t.envelope_id = e.id AND t.route = 'case' AND t.key = c.key),
         e.generated_at
  FROM envelope_cases c JOIN envelopes e ON e.id = c.envelope_id JOIN chosen USING (run_id)
  UNION ALL
  SELECT e.run_id, 'domain', d.key, d.status, d.event_count, d.issue_count,
         (SELECT count(DISTINCT trace_id) FROM envelope_traces t WHERE t.envelope_id = e.id AND t.route = 'domain' AND t.key = d.key),
         e.generated_at
  FROM envelope_domains d JOIN envelopes e ON e.id = d.envelope_id JOIN chosen USING (run_id)
  WHERE NOT d.is_case
) p
ORDER BY julianday(p.generated_at), part = 'domain', part = 'case', name;
