-- Sampling stages: head and tail, where traces tell of both
-- One row a pair. head_one_in and one_in: how many traces one stands for behind the head, and in
-- all; tail_one_in: what the later stage did by itself. NULL: not recorded.
WITH
  facts AS MATERIALIZED (
    SELECT trace_id, source, stage, mechanism, policy, max(adjusted_count) AS one_in FROM sampling_decisions
    WHERE source <> 'otel.flags' AND NOT dry_run AND decision IN ('keep', 'forced')
    GROUP BY trace_id, source, stage, mechanism, policy),
  head AS MATERIALIZED (SELECT * FROM facts WHERE stage = 'head' AND one_in IS NOT NULL),
  later AS MATERIALIZED (SELECT * FROM facts WHERE stage IN ('collector', 'tail', 'backend'))
SELECT h.source AS head, h.mechanism, round(h.one_in, 4) AS head_one_in,
       l.source AS later, l.stage, coalesce(l.policy, l.mechanism) AS policy, round(l.one_in, 4) AS one_in,
       round(l.one_in / h.one_in, 4) AS tail_one_in, count(*) AS traces
FROM later l JOIN head h ON h.trace_id = l.trace_id
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
ORDER BY traces DESC, 1, 2, 3, 4, 5, 6, 7;
