-- A report envelope. Of the two names of its correlation, either or both may be there.

INSERT INTO tk_envelope
SELECT :id, text_at(:text, '$.source'),
       coalesce(name_at(:text, '$.correlation.runId'), name_at(:text, '$.traceCorrelation.runId'),
                :run),
       coalesce(text_at(:text, '$.correlation.workflow'), text_at(:text, '$.traceCorrelation.workflow')),
       coalesce(text_at(:text, '$.correlation.commit'), text_at(:text, '$.traceCorrelation.commit')),
       coalesce(text_at(:text, '$.correlation.branch'), text_at(:text, '$.traceCorrelation.branch')),
       NULL,
       text_at(:text, '$.generatedAt'),
       CASE
         WHEN json_type(:text, '$.summary') IS NOT 'object' THEN 'missing'
         WHEN json_type(:text, '$.summary.cases') = 'array' THEN 'cases'
         WHEN json_type(:text, '$.summary.profile') = 'text'
              AND json_type(:text, '$.summary.steps') = 'array' THEN 'verify-profile'
         WHEN json_type(:text, '$.summary.steps') = 'object' THEN 'verify-lite'
         WHEN json_type(:text, '$.summary.schemaErrors') IS NOT NULL
              OR json_type(:text, '$.summary.invariantViolations') IS NOT NULL
              OR json_type(:text, '$.summary.trace.validation') = 'object'
              OR json_type(:text, '$.summary.trace.projection') = 'object' THEN 'conformance'
         WHEN json_type(:text, '$.summary.trace.domains') = 'array' THEN 'domains'
         ELSE 'unknown'
       END,
       coalesce(text_at(:text, '$.summary.trace.status'), text_at(:text, '$.summary.status'),
                text_at(:text, '$.summary.overall_status')),
       NULL, NULL, NULL, json_at(:text, '$.notes');

UPDATE tk_envelope SET branch_name = CASE
    WHEN branch GLOB 'refs/heads/*' THEN substr(branch, 12)
    WHEN branch GLOB 'refs/tags/*' THEN substr(branch, 11)
    WHEN branch GLOB 'refs/pull/*/merge' THEN substr(branch, 6, length(branch) - 11)
    WHEN branch GLOB 'refs/*' THEN substr(branch, 6)
    ELSE branch
  END
WHERE id = :id;

-- Cases and domains first, because the rest counts them.
INSERT INTO tk_case
SELECT :id, c.key, text_at(c, '$.format'), text_at(c, '$.label'),
       coalesce(text_at(c, '$.status'),
                CASE flag_at(c, '$.valid') WHEN 1 THEN 'valid' WHEN 0 THEN 'invalid' END),
       flag_at(c, '$.valid'), integer_at(c, '$.issueCount'),
       integer_at(c, '$.projectionStats.totalEvents'), text_at(c, '$.validationPath'),
       text_at(c, '$.projectionPath'), text_at(c, '$.stateSequencePath'),
       json_at(c, '$.projectionStats'), text_at(c, '$.note')
FROM items_at(:text, '$.summary.cases') c;

INSERT INTO tk_domain
SELECT :id, d.key, text_at(d, '$.key'), text_at(d, '$.label'), text_at(d, '$.status'),
       coalesce(integer_at(d, '$.issues'), count_at(d, '$.issues')),
       integer_at(d, '$.metrics.eventCount'), text_at(d, '$.artifacts.validationPath'),
       text_at(d, '$.artifacts.projectionPath'), text_at(d, '$.artifacts.stateSequencePath'),
       text_at(d, '$.artifacts.ndjsonPath'), json_at(d, '$.metrics'),
       EXISTS (SELECT 1 FROM tk_case c
               WHERE c.document_id = :id AND c.key = text_at(d, '$.key')),
       (SELECT text_at(s, '$.discovery') FROM items_at(:text, '$.summary.domainSummaries') s
        WHERE text_at(s, '$.key') = text_at(d, '$.key') LIMIT 1)
FROM items_at(:text, '$.summary.trace.domains') d;

-- What is counted: the domains that are no case, and of cases that show the same numbers and issues
-- one, since they are the same events (`current`, `otlp` and `ndjson` of one run).
UPDATE tk_envelope SET
  event_count = coalesce(
    integer_at(:text, '$.summary.trace.projection.events'),
    (SELECT sum(events) FROM
       (SELECT DISTINCT integer_at(c, '$.projectionStats.totalEvents') AS events,
               json_at(c, '$.projectionStats'), integer_at(c, '$.issueCount'), json_at(c, '$.issues')
        FROM items_at(:text, '$.summary.cases') c)),
    (SELECT sum(event_count) FROM tk_domain WHERE document_id = :id)),
  issue_count = coalesce(
    integer_at(:text, '$.summary.trace.validation.issues'),
    count_at(:text, '$.summary.trace.validation.issues'),
    (SELECT sum(n) FROM (
       SELECT n FROM
         (SELECT DISTINCT integer_at(c, '$.issueCount') AS n, json_at(c, '$.projectionStats'),
                 json_at(c, '$.issues')
          FROM items_at(:text, '$.summary.cases') c)
       UNION ALL
       SELECT issue_count FROM tk_domain WHERE document_id = :id AND NOT is_case)),
    integer_at(:text, '$.summary.trace.aggregate.issues')),
  valid = coalesce(
    flag_at(:text, '$.summary.trace.validation.valid'),
    CASE status WHEN 'valid' THEN 1 WHEN 'pass' THEN 1 WHEN 'invalid' THEN 0 WHEN 'fail' THEN 0
                WHEN 'error' THEN 0 WHEN 'projection_failed' THEN 0
                WHEN 'validation_failed' THEN 0 END,
    (SELECT min(v) FROM (
       SELECT CASE status WHEN 'valid' THEN 1 WHEN 'invalid' THEN 0 WHEN 'error' THEN 0 END AS v
       FROM tk_case WHERE document_id = :id
       UNION ALL
       SELECT CASE status WHEN 'valid' THEN 1 WHEN 'invalid' THEN 0 WHEN 'error' THEN 0 END
       FROM tk_domain WHERE document_id = :id AND NOT is_case)))
WHERE id = :id;
UPDATE tk_envelope SET status = CASE valid WHEN 1 THEN 'valid' WHEN 0 THEN 'invalid' END
WHERE id = :id AND status IS NULL;

-- At most ten of each case are here; the view document_issues knows where the rest is.
INSERT INTO tk_document_issue(document_id, ordinal, source, stage, domain, key, type, severity,
                              message, event_ordinal)
SELECT :id, row_number() OVER () - 1, 'envelope case', 'validation', text_at(c, '$.format'),
       text_at(i, '$.key'), text_at(i, '$.type'), text_at(i, '$.severity'),
       text_at(i, '$.message'), integer_at(i, '$.index')
FROM items_at(:text, '$.summary.cases') c, items_at(c, '$.issues') i
WHERE i.type = 'object';

INSERT INTO tk_document_issue(document_id, ordinal, source, stage, type, severity, message,
                              event_ordinal, path, context)
SELECT :id, (SELECT count(*) FROM tk_document_issue WHERE document_id = :id)
            + row_number() OVER () - 1,
       'conformance', 'schema', 'schema', 'error', text_at(i, '$.message'),
       integer_at(i, '$.index'), text_at(i, '$.path'), i.value
FROM items_at(:text, '$.summary.details.schemaErrors') i WHERE i.type = 'object';
INSERT INTO tk_document_issue(document_id, ordinal, source, stage, type, severity, message,
                              event_ordinal, context)
SELECT :id, (SELECT count(*) FROM tk_document_issue WHERE document_id = :id)
            + row_number() OVER () - 1,
       'conformance', 'invariant', text_at(i, '$.type'), 'error', text_at(i, '$.invariant'),
       integer_at(i, '$.index'), i.value
FROM items_at(:text, '$.summary.details.invariantViolations') i WHERE i.type = 'object';

INSERT INTO tk_envelope_artifact
SELECT :id, a.key, text_at(a, '$.path'), text_at(a, '$.type'), text_at(a, '$.checksum'),
       text_at(a, '$.description')
FROM items_at(:text, '$.artifacts') a WHERE a.type = 'object';

-- The files: artifacts with their checksums, and what cases and domains name besides.
INSERT OR IGNORE INTO tk_envelope_file
SELECT :id, named.path,
       max(iif(lower(named.checksum) GLOB 'sha256:[0-9a-f]*' AND length(named.checksum) = 71,
               lower(named.checksum), NULL)),
       text_at(n, '$.sha256'), integer_at(n, '$.hash'), integer_at(n, '$.trimmed_hash')
FROM (SELECT path, checksum FROM tk_envelope_artifact WHERE envelope_id = :id
      UNION ALL
      SELECT p.value, NULL FROM tk_case t,
        json_each(json_array(t.validation_path, t.projection_path, t.state_sequence_path)) p
      WHERE t.document_id = :id
      UNION ALL
      SELECT p.value, NULL FROM tk_domain t,
        json_each(json_array(t.validation_path, t.projection_path, t.state_sequence_path,
                             t.ndjson_path)) p
      WHERE t.document_id = :id
      UNION ALL
      SELECT p.atom, NULL FROM json_each(json_array(
        text_at(:text, '$.summary.trace.validation.path'),
        text_at(:text, '$.summary.trace.projection.path'),
        text_at(:text, '$.summary.trace.projection.stateSequence'),
        text_at(:text, '$.summary.trace.ndjson'))) p) named
  LEFT JOIN json_each(:found) n ON n.key = named.path
WHERE named.path IS NOT NULL AND named.path <> ''
GROUP BY named.path;
INSERT OR IGNORE INTO tk_envelope_document
SELECT f.envelope_id, f.path, d.id FROM tk_envelope_file f CROSS JOIN tk_document d ON d.hash = f.found_hash
WHERE f.envelope_id = :id AND d.complete AND d.id <> :id
UNION
SELECT f.envelope_id, f.path, d.id
FROM tk_envelope_file f CROSS JOIN tk_document d ON d.hash = f.found_trimmed_hash
WHERE f.envelope_id = :id AND d.complete AND d.id <> :id
UNION
SELECT f.envelope_id, f.path, d.id
FROM tk_envelope_file f CROSS JOIN tk_document d ON 'sha256:' || lower(hex(d.sha256)) = +f.checksum
WHERE f.envelope_id = :id AND d.complete AND d.id <> :id;

-- Trace ids, and by which route they are named.
INSERT OR IGNORE INTO tk_envelope_trace
SELECT :id, tk_trace_id(t.atom), 'correlation', '' FROM
  (SELECT atom, type FROM items_at(:text, '$.correlation.traceIds')
   UNION ALL SELECT atom, type FROM items_at(:text, '$.traceCorrelation.traceIds')) t
WHERE t.type = 'text';
INSERT OR IGNORE INTO tk_envelope_trace
SELECT :id, tk_trace_id(t.atom), 'summary', '' FROM
  (SELECT atom, type FROM items_at(:text, '$.summary.traceIds')
   UNION ALL SELECT atom, type FROM items_at(:text, '$.summary.trace.traceIds')
   UNION ALL SELECT atom, type FROM items_at(:text, '$.summary.trace.trace.traceIds')
   UNION ALL SELECT atom, type FROM items_at(:text, '$.summary.trace.aggregate.traceIds')) t
WHERE t.type = 'text';
INSERT OR IGNORE INTO tk_envelope_trace
SELECT :id, tk_trace_id(t.atom), 'domain', coalesce(text_at(d, '$.key'), '')
FROM items_at(:text, '$.summary.trace.domains') d, items_at(d, '$.traceIds') t
WHERE t.type = 'text';
INSERT OR IGNORE INTO tk_envelope_trace
SELECT :id, tk_trace_id(t.atom), 'case', coalesce(text_at(c, '$.format'), '')
FROM items_at(:text, '$.summary.cases') c, items_at(c, '$.traceIds') t
WHERE t.type = 'text';

INSERT OR IGNORE INTO tk_tempo_link
SELECT :id, l.atom, tk_trace_id(tk_trace_of_url(l.atom)) FROM
  (SELECT atom, type FROM items_at(:text, '$.tempoLinks')
   UNION ALL SELECT atom, type FROM items_at(:text, '$.summary.tempoLinks')
   UNION ALL SELECT atom, type FROM items_at(:text, '$.summary.trace.tempoLinks')
   UNION ALL SELECT atom, type FROM items_at(:text, '$.summary.trace.trace.tempoLinks')
   UNION ALL SELECT atom, type FROM items_at(:text, '$.summary.trace.aggregate.tempoLinks')
   UNION ALL SELECT l.atom, l.type FROM items_at(:text, '$.summary.trace.domains') d,
                    items_at(d, '$.tempoLinks') l
   UNION ALL SELECT l.atom, l.type FROM items_at(:text, '$.summary.cases') c,
                    items_at(c, '$.tempoLinks') l
   UNION ALL SELECT substr(n.atom, 8), n.type FROM items_at(:text, '$.notes') n
             WHERE n.type = 'text' AND n.atom LIKE 'Tempo: %') l
WHERE l.type = 'text';
INSERT OR IGNORE INTO tk_envelope_trace
SELECT :id, trace_id, 'link', '' FROM tk_tempo_link WHERE document_id = :id AND trace_id IS NOT NULL;
INSERT OR IGNORE INTO tk_document_trace
SELECT trace_id, :id FROM tk_envelope_trace WHERE envelope_id = :id;

-- Steps, where what is wrapped is a summary of verify-lite or of a verify profile.
INSERT INTO tk_verify_step
SELECT :id, row_number() OVER () - 1, s.key, text_at(s, '$.status'), text_at(s, '$.notes'),
       flag_at(s, '$.retried'), NULL, NULL, NULL, NULL, NULL,
       text_at(:text, '$.summary.metadata.gitCommit'), text_at(:text, '$.summary.metadata.branch')
FROM members_at(:text, '$.summary.steps') s;
INSERT INTO tk_verify_step
SELECT :id, s.key, text_at(s, '$.name'), text_at(s, '$.status'), text_at(s, '$.error'), NULL,
       flag_at(s, '$.required'), text_at(s, '$.command'), integer_at(s, '$.exit_code'),
       integer_at(s, '$.duration_ms'), text_at(s, '$.reason'), NULL, NULL
FROM items_at(:text, '$.summary.steps') s;

INSERT OR IGNORE INTO tk_payload_metadata
SELECT :id, text_at(:text, '$.summary.payloadMetadata.sourceType'),
       text_at(:text, '$.summary.payloadMetadata.sourceDetail'),
       text_at(:text, '$.summary.payloadMetadata.sha256'),
       integer_at(:text, '$.summary.payloadMetadata.sizeBytes')
WHERE json_type(:text, '$.summary.payloadMetadata.sourceType') = 'text';

-- The documents of this run that do not name one themselves.
UPDATE tk_document SET run_id = (SELECT run_id FROM tk_envelope WHERE id = :id) WHERE id = :id;
UPDATE tk_document SET run_id = (SELECT run_id FROM tk_envelope WHERE id = :id)
WHERE id IN (SELECT document_id FROM tk_envelope_document WHERE envelope_id = :id)
  AND (run_id IS NULL OR run_id GLOB 'content-[0-9a-f]*')
  AND (SELECT run_id FROM tk_envelope WHERE id = :id) IS NOT NULL;
