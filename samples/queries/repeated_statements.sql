-- Which requests ask the database again and again? db_statement covers the present semantic
-- conventions (db.query.text) and the old ones (db.statement).
SELECT
  parent.service,
  parent.name AS asked_by,
  parent.[resource.service.version] AS version,
  max(asked.queries) AS most_queries,
  count(*) AS times
FROM (
  SELECT trace_id, parent_span_id, count(*) AS queries
  FROM spans
  WHERE db_statement IS NOT NULL AND parent_span_id IS NOT NULL
  GROUP BY trace_id, parent_span_id
  HAVING count(*) >= 4
) AS asked
JOIN spans AS parent
  ON parent.trace_id = asked.trace_id AND parent.span_id = asked.parent_span_id
GROUP BY parent.service, parent.name, version
ORDER BY times DESC, parent.service, parent.name, version;
