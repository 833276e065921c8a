-- A finding is about what is stored now: two of four parents came later, in dumps of their own.
SELECT type, severity, trace_id, span_id, service, message, context FROM quality_issues WHERE stage = 'trace' ORDER BY type, span_id;
SELECT trace_id, segment_count FROM traces ORDER BY trace_id;
