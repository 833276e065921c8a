-- Requests, errors and latency of each service
-- One row a service: spans that were requests to it (server and consumer spans, and roots), how
-- many failed, and how long they took.
-- Parameters: since, until: times as in --since of other commands ('-1h', '2026-11-20T13:00:00Z').
SELECT service,
       count(*) AS requests,
       sum(status = 'error') AS errors,
       round(100.0 * sum(status = 'error') / count(*), 2) AS error_percent,
       format_duration(quantile(duration_ns, 0.5)) AS p50,
       format_duration(quantile(duration_ns, 0.95)) AS p95,
       format_duration(quantile(duration_ns, 0.99)) AS p99
FROM spans
WHERE (kind IN ('server', 'consumer') OR is_root)
  AND (:since IS NULL OR start_ns >= parse_time(:since))
  AND (:until IS NULL OR start_ns < parse_time(:until))
GROUP BY service
ORDER BY requests DESC, service;
