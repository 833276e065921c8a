-- Sampling policies: which kept what
-- One row a policy and what it decided: stored traces, those with errors, how long they took, and
-- what they stand for; not_stored: traces that only a recorded decision tells of.
-- Parameters: source: only this one, such as collector.tail_sampling or record.
WITH
  decided AS MATERIALIZED (
    SELECT DISTINCT source, stage, policy, decision, dry_run, trace_id FROM sampling_decisions
    WHERE policy IS NOT NULL AND (:source IS NULL OR source = :source)),
  stored AS MATERIALIZED (
    SELECT trace_id, span_count, error_count, duration_ns, adjusted_count FROM traces
    WHERE EXISTS (SELECT 1 FROM decided))
SELECT d.source, d.stage, d.policy, iif(d.dry_run, 'would ' || d.decision, d.decision) AS decision,
       count(s.trace_id) AS traces, count(*) - count(s.trace_id) AS not_stored,
       coalesce(sum(s.span_count), 0) AS spans, coalesce(sum(s.error_count > 0), 0) AS with_errors,
       format_duration(quantile(s.duration_ns, 0.5)) AS p50,
       format_duration(max(s.duration_ns)) AS longest,
       round(weighted_count(s.adjusted_count) FILTER (WHERE s.trace_id IS NOT NULL)) AS estimated,
       round(100 * unknown_weight_share(s.adjusted_count) FILTER (WHERE s.trace_id IS NOT NULL), 2) AS unknown_percent
FROM decided d LEFT JOIN stored s ON s.trace_id = d.trace_id
GROUP BY d.source, d.stage, d.policy, d.decision, d.dry_run
ORDER BY traces DESC, d.source, d.policy, d.decision;
