-- Every dialect as rows, recorded decisions among them, and what is pushed down.
SELECT substr(trace_id, -4) AS trace, substr(span_id, -2) AS span, service, source, stage, mechanism, policy, decision, round(probability, 6) AS p,
       round(adjusted_count, 6) AS n, consistent AS c, dry_run AS d, run_id AS run FROM sampling_decisions;
SELECT printf('%014x', threshold) AS t, printf('%014x', randomness) AS r, raw FROM sampling_decisions WHERE threshold IS NOT NULL;
SELECT source, raw, time_ns FROM sampling_decisions WHERE trace_id = '4bf92f3577b34da6a3ce929d0e0e4736';
SELECT trace_id, source, decision FROM sampling_decisions WHERE trace_id IN ('kvonce-trace-001', '5B8EFFF798038103D269B633813FC60C');
SELECT policy, count(*) AS facts FROM sampling_decisions WHERE policy IN ('errors', 'p5') GROUP BY policy;
SELECT count(*) AS carts FROM sampling_decisions WHERE service = 'cart';
SELECT count(*) AS either FROM sampling_decisions WHERE source = 'jaeger' OR trace_id = '4bf92f3577b34da6a3ce929d0e0e4736';
EXPLAIN QUERY PLAN SELECT * FROM sampling_decisions WHERE trace_id = 'x' AND source = 'record' AND decision = 'drop';
