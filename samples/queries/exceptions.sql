-- What was thrown, and by whom? Exceptions are span events; span_attributes has their attributes
-- with scope 'event'.
SELECT
  spans.service,
  thrown.value AS exception_type,
  count(*) AS times,
  min(spans.trace_id) AS example_trace
FROM span_attributes AS thrown
JOIN spans ON spans.trace_id = thrown.trace_id AND spans.span_id = thrown.span_id
WHERE thrown.scope = 'event' AND thrown.key = 'exception.type'
GROUP BY spans.service, thrown.value
ORDER BY times DESC, spans.service, thrown.value;
