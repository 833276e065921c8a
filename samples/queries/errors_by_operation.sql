-- What fails, where, and why? An error passes through every span above it, so one failure is
-- counted once per service and operation it went through.
SELECT
  service,
  name,
  error_type,
  http_status,
  count(*) AS errors,
  count(DISTINCT trace_id) AS traces,
  min(started_at) AS first_seen,
  max(started_at) AS last_seen
FROM spans
WHERE status = 'error'
GROUP BY service, name, error_type, http_status
ORDER BY errors DESC, service, name, error_type, http_status;
