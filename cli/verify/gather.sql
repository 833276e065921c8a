-- Gathers, in temporary tables, what is stored of run ?1 and what follows from its events.

CREATE TEMP TABLE run_envelope AS
  SELECT e.id, e.generated_at, e.source, e.status, e.valid, e.event_count, e.issue_count, e.summary, d.path
  FROM envelopes e JOIN documents d ON d.id = e.document_id
  WHERE e.run_id = ?1;

CREATE TEMP TABLE run_events AS
  SELECT document_id, file, dialect, count(*) AS events, count(DISTINCT coalesce(key, 'unknown')) AS keys
  FROM kvonce_events WHERE run_id = ?1
  GROUP BY document_id;

CREATE TEMP TABLE recomputed AS
  SELECT document_id, domain, key, type, severity, message, ordinal FROM kvonce_issues WHERE run_id = ?1;

CREATE TEMP TABLE stored AS
  SELECT DISTINCT key, type, severity, message FROM document_issues
  WHERE run_id = ?1 AND source IN ('kvonce', 'inventory', 'envelope case', 'conformance')
    AND stage <> 'projection'; -- notes of the projection are no findings

-- Whether anything that is stored says what the checks found, and how many issues that were. Summaries
-- list ten of them at most, or only count them.
CREATE TEMP TABLE was_checked AS
  SELECT EXISTS (SELECT 1 FROM run_envelope WHERE valid IS NOT NULL)
         OR EXISTS (SELECT 1 FROM run_documents x JOIN documents d ON d.id = x.document_id
                    WHERE x.run_id = ?1 AND d.kind IN ('kvonce-validation', 'inventory-validation')) AS yes,
         (SELECT issues FROM runs WHERE run_id = ?1) AS counted,
         (SELECT count(*) FROM stored) AS listed,
         (SELECT count(*) FROM (SELECT DISTINCT key, type, message FROM recomputed)) AS recomputed;

-- Only what both sides could know: without events nothing is recomputed, without results nothing was stored,
-- and of a list that is shorter than its count the count is all there is to compare.
CREATE TEMP TABLE difference AS
  SELECT 'stored' AS only_in, * FROM (SELECT key, type, message FROM stored EXCEPT SELECT key, type, message FROM recomputed)
  WHERE EXISTS (SELECT 1 FROM run_events)
  UNION ALL
  SELECT 'recomputed', * FROM (SELECT key, type, message FROM recomputed EXCEPT SELECT key, type, message FROM stored)
  WHERE (SELECT yes AND coalesce(counted <= listed, 1) FROM was_checked)
  UNION ALL
  SELECT 'stored', NULL, 'issue count', counted || ', of which ' || listed || ' are listed; recomputed: ' || recomputed
  FROM was_checked
  WHERE yes AND counted > listed AND counted <> recomputed AND EXISTS (SELECT 1 FROM run_events)
    -- Issues of other domains are in the count, and their lists and events need not be stored.
    AND NOT EXISTS (SELECT 1 FROM envelope_domains d JOIN run_envelope e ON e.id = d.envelope_id
                    WHERE NOT d.is_case AND d.key IS NOT 'kvonce' AND d.issue_count > 0);

CREATE TEMP TABLE verdict AS
  SELECT CASE
    WHEN EXISTS (SELECT 1 FROM runs WHERE run_id = ?1 AND valid = 0)
         OR EXISTS (SELECT 1 FROM recomputed WHERE severity = 'error')
         OR EXISTS (SELECT 1 FROM stored WHERE coalesce(severity, 'error') = 'error') THEN 'invalid'
    WHEN EXISTS (SELECT 1 FROM difference) THEN 'differs'
    WHEN EXISTS (SELECT 1 FROM run_events) OR (SELECT yes FROM was_checked) THEN 'valid'
    ELSE 'unknown'
  END AS verdict;
