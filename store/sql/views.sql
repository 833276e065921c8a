-- Views: made anew whenever a store is opened for writing by a tracekeep that has others.

-- These need no extension.
DROP VIEW IF EXISTS ingests;
CREATE VIEW ingests AS
  SELECT id, source, format, started_at, finished_at, complete, offset AS bytes, records, spans_new,
         spans_duplicate, spans_conflicting, rejected, issues
  FROM tk_ingest;

DROP VIEW IF EXISTS validation_issues;
CREATE VIEW validation_issues AS
  SELECT i.id, 'ingest' AS source, i.rule AS type,
         CASE i.severity WHEN 0 THEN 'info' WHEN 1 THEN 'warn' ELSE 'error' END AS severity,
         coalesce(a.text, nullif(lower(hex(i.trace_id)), '')) AS trace_id,
         nullif(lower(hex(i.span_id)), '') AS span_id,
         i.message, n.source AS path, i.line, i.offset, i.raw
  FROM tk_issue i JOIN tk_ingest n ON n.id = i.ingest_id
       LEFT JOIN tk_trace_alias a ON a.trace_id = i.trace_id;
