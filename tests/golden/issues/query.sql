-- What was wrong with the input, and what came of it.
SELECT type, severity, trace_id, span_id, line FROM ingest_issues ORDER BY line, type;
SELECT name, length(trace_id) AS trace_id_length, length(span_id) AS span_id_length FROM spans ORDER BY start_ns;
SELECT records, spans_new, spans_duplicate, spans_conflicting, rejected FROM ingests;
