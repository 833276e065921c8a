-- The health of the gathered run, as lines for people: first what its envelopes say, in the words of the
-- pipeline that wrote them, then what was recomputed, then where the two differ.
WITH
trace AS (
  SELECT id, json_extract(summary, '$.trace') AS t FROM run_envelope WHERE json_type(summary, '$.trace') = 'object'
),
files(rank, name, place) AS (VALUES
  (1, 'ndjson', '$.ndjson'), (2, 'projection', '$.projection.path'),
  (3, 'state sequence', '$.projection.stateSequence'), (4, 'validation', '$.validation.path')),
domain AS (
  SELECT * FROM envelope_domains WHERE NOT is_case AND envelope_id IN (SELECT id FROM run_envelope)
),
checked_case AS (
  SELECT * FROM envelope_cases WHERE envelope_id IN (SELECT id FROM run_envelope)
),
link AS (
  SELECT DISTINCT envelope_id, url FROM tempo_links WHERE envelope_id IN (SELECT id FROM run_envelope)
),
lines(id, rank, item, line) AS (
  SELECT id, 0, 0, '- envelope=' || path FROM run_envelope
  UNION ALL
  SELECT id, 1, 0, '- trace status=' || coalesce(t ->> '$.status', 'n/a') || ' (output=' || coalesce(t ->> '$.outputDir', 'n/a') || ')'
  FROM trace
  UNION ALL
  SELECT id, 2, 0, '- events: ' || coalesce(summary ->> '$.events', 'n/a') FROM run_envelope
  UNION ALL
  SELECT id, 3, 0, '- schema errors: ' || coalesce(summary ->> '$.schemaErrors', 'n/a') FROM run_envelope
  UNION ALL
  SELECT id, 4, 0, '- invariant violations: ' || coalesce(summary ->> '$.invariantViolations', 'n/a') FROM run_envelope
  UNION ALL
  SELECT DISTINCT id, 5, 0, '- trace:'
  FROM (SELECT id FROM trace UNION SELECT envelope_id FROM envelope_traces WHERE envelope_id IN (SELECT id FROM run_envelope))
  UNION ALL
  SELECT id, 6, 0, '  - status: ' || (t ->> '$.status') FROM trace WHERE t ->> '$.status' IS NOT NULL
  UNION ALL
  SELECT id, 7, 0, '  - validation: valid=' || coalesce(CASE t ->> '$.validation.valid' WHEN 1 THEN 'true' WHEN 0 THEN 'false' END, 'n/a')
                   || ' issues=' || coalesce(t ->> '$.validation.issues', 'n/a')
  FROM trace WHERE json_type(t, '$.validation') = 'object'
  UNION ALL
  SELECT id, 8, 0, '  - replay: ' || (t ->> '$.replay.status') FROM trace WHERE t ->> '$.replay.status' IS NOT NULL
  UNION ALL
  SELECT envelope_id, 9, 0, '  - trace ids: ' || group_concat(trace_id, ', ')
  FROM (SELECT DISTINCT envelope_id, trace_id FROM envelope_traces WHERE envelope_id IN (SELECT id FROM run_envelope))
  GROUP BY envelope_id
  UNION ALL
  SELECT DISTINCT envelope_id, 10, 0, '  - cases:' FROM checked_case
  UNION ALL
  SELECT envelope_id, 11, ordinal, '    - ' || coalesce(label, key, '?') || ': status=' || coalesce(status, 'n/a')
                                   || ' issues=' || coalesce(issue_count, 'n/a')
  FROM checked_case
  UNION ALL
  SELECT DISTINCT envelope_id, 12, 0, '  - domains:' FROM domain
  UNION ALL
  SELECT envelope_id, 13, ordinal,
         '    - ' || coalesce(label, key, '?') || ': status=' || coalesce(status, 'n/a') || ' issues=' || coalesce(issue_count, 'n/a')
         || coalesce(' (traceIds: ' || (SELECT group_concat(trace_id, ', ') FROM envelope_traces t
                                        WHERE t.envelope_id = domain.envelope_id AND t.route = 'domain' AND t.key = domain.key) || ')', '')
  FROM domain
  UNION ALL
  SELECT DISTINCT id, 14, 0, '  - artifacts:' FROM trace, files WHERE json_extract(t, place) IS NOT NULL
  UNION ALL
  SELECT id, 15, files.rank, '    - ' || name || ': ' || json_extract(t, place)
  FROM trace, files WHERE json_extract(t, place) IS NOT NULL
  UNION ALL
  SELECT DISTINCT envelope_id, 16, 0, '  - tempo links:' FROM link
  UNION ALL
  SELECT envelope_id, 17, row_number() OVER (PARTITION BY envelope_id ORDER BY url), '    - ' || url FROM link
)
SELECT line FROM lines JOIN run_envelope USING (id) ORDER BY generated_at, id, lines.rank, item;

SELECT 'No envelope of this run is stored.' WHERE NOT EXISTS (SELECT 1 FROM run_envelope);

WITH
lines(document_id, item, line) AS (
  SELECT document_id, -1, '- recomputed from ' || file || ': ' || events || ' ' || dialect || ' events, ' || keys || ' keys, '
                         || (SELECT count(*) FROM recomputed r WHERE r.document_id = e.document_id) || ' issues'
  FROM run_events e
  UNION ALL
  SELECT document_id, rowid, '    - ' || coalesce('[' || key || '] ', '') || type || ': ' || message FROM recomputed
)
SELECT line FROM lines ORDER BY document_id, item;

SELECT '- recomputed: nothing, because no events of this run are stored' WHERE NOT EXISTS (SELECT 1 FROM run_events);

WITH
lines(only_in, item, line) AS (
  SELECT DISTINCT only_in, '', '- only in what was ' || only_in || ':' FROM difference
  UNION ALL
  SELECT only_in, key || type || message, '    - ' || coalesce('[' || key || '] ', '') || type || ': ' || message FROM difference
)
SELECT line FROM lines ORDER BY only_in DESC, item;

SELECT CASE WHEN counted > listed AND counted <> recomputed
            THEN '- what was stored lists too few of its issues to be compared'
            ELSE '- what was stored and what was recomputed agree' END
FROM was_checked
WHERE yes AND EXISTS (SELECT 1 FROM run_events) AND NOT EXISTS (SELECT 1 FROM difference);
SELECT '- verdict: ' || verdict FROM verdict;
