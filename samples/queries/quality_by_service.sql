-- Whose traces have which faults? Findings of the quality rules by service, the worst first;
-- NULL: of spans without a service.name, or of no service.
SELECT
  service,
  severity,
  type,
  count(*) AS findings,
  min(message) AS example
FROM quality_issues
GROUP BY service, severity, type
ORDER BY CASE severity WHEN 'error' THEN 0 WHEN 'warn' THEN 1 ELSE 2 END, findings DESC, service, type;
