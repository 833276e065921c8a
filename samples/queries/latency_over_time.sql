-- When did it get slow? Payments, minute by minute. time_bucket() gives the start of the minute,
-- in nanoseconds as all times are; format_time() makes it readable.
SELECT
  format_time(time_bucket(start_ns, '1m')) AS minute,
  count(*) AS requests,
  sum(status = 'error') AS errors,
  format_duration(quantile(duration_ns, 0.5)) AS p50,
  format_duration(quantile(duration_ns, 0.95)) AS p95
FROM spans
WHERE service = 'payment' AND kind = 'server'
GROUP BY time_bucket(start_ns, '1m')
ORDER BY time_bucket(start_ns, '1m');
