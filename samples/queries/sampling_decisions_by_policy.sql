-- Which policy kept or dropped what? Decisions as they were recorded: on spans, or one by one in a
-- file. Where only a flag or a threshold was recorded, policy is NULL.
SELECT
  source,
  stage,
  policy,
  decision,
  count(DISTINCT trace_id) AS traces,
  count(*) AS decisions,
  round(sum(adjusted_count)) AS stands_for
FROM sampling_decisions
WHERE NOT dry_run
GROUP BY source, stage, policy, decision
ORDER BY policy IS NULL, decisions DESC, source, stage, policy, decision;
