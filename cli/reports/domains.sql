-- Domains of every run: status, issues, events, traces
-- What is also listed as a case of the same envelope is left out, so that nothing counts twice.
-- Parameters: run: only this one; domain: only this one.
SELECT e.run_id, e.branch_name AS branch, d.key AS domain, d.status, d.issue_count AS issues,
       d.event_count AS events,
       (SELECT count(DISTINCT trace_id) FROM envelope_traces t
        WHERE t.envelope_id = e.id AND t.route = 'domain' AND t.key = d.key) AS traces,
       d.discovery, coalesce(strftime('%Y-%m-%d %H:%M', e.generated_at), e.generated_at) AS generated_at -- UTC
FROM envelope_domains d JOIN envelopes e ON e.id = d.envelope_id
WHERE NOT d.is_case
  AND (:run IS NULL OR e.run_id = CAST(:run AS TEXT)) AND (:domain IS NULL OR d.key = :domain)
ORDER BY julianday(e.generated_at) DESC, e.id, d.key;
