-- How does each service do? Requests it received, failed ones, and how long they took.
-- Only SERVER and CONSUMER spans are requests; the others are steps within one.
SELECT
  service,
  count(*) AS requests,
  sum(status = 'error') AS errors,
  round(100.0 * sum(status = 'error') / count(*), 2) AS error_percent,
  format_duration(quantile(duration_ns, 0.5)) AS p50,
  format_duration(quantile(duration_ns, 0.95)) AS p95,
  format_duration(quantile(duration_ns, 0.99)) AS p99
FROM spans
WHERE kind IN ('server', 'consumer')
GROUP BY service
ORDER BY requests DESC, service;
