-- How many requests did each service receive before sampling, and how sure is that? In 95 of 100
-- cases the truth is between low and high; spans of one trace were kept together, so the trace is
-- named. The estimate leaves out requests of unknown weight: unknown_share says how many those are.
SELECT
  service,
  count(*) AS kept,
  weighted_count(adjusted_count) AS estimated,
  round(weighted_count_low(adjusted_count, trace_id)) AS low,
  round(weighted_count_high(adjusted_count, trace_id)) AS high,
  round(unknown_weight_share(adjusted_count), 3) AS unknown_share
FROM spans
WHERE kind IN ('server', 'consumer')
GROUP BY service
ORDER BY kept DESC, service;
