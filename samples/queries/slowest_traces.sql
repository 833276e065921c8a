-- Which customers waited longest? The ten slowest requests, by their root spans.
SELECT
  trace_id,
  started_at,
  name,
  format_duration(duration_ns) AS duration,
  status
FROM spans
WHERE is_root AND kind = 'server'
ORDER BY duration_ns DESC, trace_id
LIMIT 10;
