-- Where time is spent: operations by the time in themselves
-- One row a service and span name, by the time spent in its spans and in none of their children.
-- Parameters: service: only this one; limit: rows, default 20.
SELECT service, name, kind,
       count(*) AS spans,
       sum(status = 'error') AS errors,
       format_duration(sum(self_time_ns)) AS self_time,
       format_duration(quantile(duration_ns, 0.5)) AS p50,
       format_duration(quantile(duration_ns, 0.99)) AS p99
FROM spans
WHERE :service IS NULL OR service = :service
GROUP BY service, name, kind
ORDER BY sum(self_time_ns) DESC, service, name
LIMIT coalesce(:limit, 20);
