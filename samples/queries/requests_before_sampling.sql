-- How many requests were there really? The storefront keeps one browsing trace in two and one
-- health check in sixteen; adjusted_count says how many each kept span stands for.
SELECT
  name,
  max(trace_state) AS sampled_by,
  count(*) AS kept,
  sum(adjusted_count) AS estimated
FROM spans
WHERE is_root AND kind = 'server' AND service = 'storefront'
GROUP BY name
ORDER BY kept DESC, name;
