-- Which pages meet failures, and where do these come from? Requests of the storefront with the
-- errors below them that have nothing below themselves, how far down, and how often the page
-- failed with them.
SELECT
  upper_name AS page,
  lower_service AS service,
  lower_name AS cause,
  min(distance) AS levels_down,
  count(DISTINCT trace_id) AS traces,
  count(DISTINCT CASE WHEN upper_status = 'error' THEN trace_id END) AS pages_failed
FROM span_relations('descendant')
WHERE upper_service = 'storefront' AND upper_kind = 'server'
  AND lower_status = 'error' AND lower_child_count = 0
GROUP BY page, service, cause
ORDER BY traces DESC, page, service, cause;
