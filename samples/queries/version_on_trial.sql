-- Is the new version of the catalog as good as the old one? A resource attribute tells them apart.
SELECT
  [resource.service.version] AS version,
  http_route,
  count(*) AS requests,
  sum(status = 'error') AS errors,
  format_duration(quantile(duration_ns, 0.5)) AS p50,
  format_duration(quantile(duration_ns, 0.95)) AS p95
FROM spans
WHERE service = 'catalog' AND kind = 'server'
GROUP BY version, http_route
ORDER BY http_route, version;
