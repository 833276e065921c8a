-- Every check of a span or trace. Those over all traces of a service: tests/oracle/sampling_decisions_checks.py.
SELECT type, severity, substr(trace_id, -4) AS trace, substr(span_id, -2) AS span, service, message FROM sampling_issues;
SELECT type, context FROM sampling_issues WHERE type IN ('sampling.disagreement', 'sampling.parent_threshold', 'sampling.unweighted_policy');
SELECT type, stage FROM sampling_issues WHERE trace_id = '4bf92f3577b34da6a3ce929d0e0e0003';
SELECT count(*) AS errors FROM sampling_issues WHERE severity = 'error';
SELECT count(*) AS none FROM sampling_issues WHERE stage = 'ingest';
