-- Which pages are asked for, and how do they answer? Every attribute key is a column of spans:
-- [span.<key>] or [resource.<key>], in square brackets.
SELECT
  [span.http.request.method] AS method,
  http_route,
  count(*) AS requests,
  sum([span.http.response.status_code] >= 500) AS server_errors,
  sum([span.http.response.status_code] BETWEEN 400 AND 499) AS client_errors,
  format_duration(quantile(duration_ns, 0.95)) AS p95
FROM spans
WHERE service = 'storefront' AND kind = 'server' AND http_route IS NOT NULL
GROUP BY method, http_route
ORDER BY requests DESC, method, http_route;
