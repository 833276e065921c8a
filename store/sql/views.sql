-- Views: made anew whenever a store is opened for writing by a tracekeep that has others.

-- These need no extension.
DROP VIEW IF EXISTS ingests;
CREATE VIEW ingests AS
  SELECT id, source, format, started_at, finished_at, complete, offset AS bytes, records, spans_new,
         spans_duplicate, spans_conflicting, rejected, issues
  FROM tk_ingest;

DROP VIEW IF EXISTS ingest_issues;
CREATE VIEW ingest_issues AS
  SELECT i.id, i.rule AS type,
         CASE i.severity WHEN 0 THEN 'info' WHEN 1 THEN 'warn' ELSE 'error' END AS severity,
         coalesce(a.text, nullif(lower(hex(i.trace_id)), '')) AS trace_id,
         nullif(lower(hex(i.span_id)), '') AS span_id,
         i.message, n.source AS path, i.line, i.offset, i.raw, n.started_at AS first_seen
  FROM tk_issue i JOIN tk_ingest n ON n.id = i.ingest_id
       LEFT JOIN tk_trace_alias a ON a.trace_id = i.trace_id;

-- What documents of runs say. These need no extension, but for the text of a document, which
-- unpack_document() gives.

DROP VIEW IF EXISTS documents;
CREATE VIEW documents AS
  SELECT d.id, d.kind, d.run_id, d.path, d.size, d.record_count, d.complete,
         lower(hex(d.sha256)) AS sha256, d.ingest_id, d.ingested_at,
         (SELECT group_concat(part, '') FROM
            (SELECT unpack_document(p.data, p.size) AS part FROM tk_document_part p
             WHERE p.id >= d.id << 20 AND p.id < (d.id + 1) << 20 ORDER BY p.id)) AS document
  FROM tk_document d;

-- Which documents are of which run, once each: by what they or --run-id say, and by the envelopes
-- that name them. A document with the same content in two runs is one document. Of a UNION ALL SQLite
-- reads only the run or document that is asked for, of a UNION everything.
DROP VIEW IF EXISTS run_documents;
CREATE VIEW run_documents AS
  SELECT run_id, id AS document_id FROM tk_document WHERE run_id IS NOT NULL
  UNION ALL
  SELECT DISTINCT e.run_id, l.document_id
  FROM tk_envelope e
       JOIN tk_envelope_document l ON l.envelope_id = e.id
       JOIN tk_document d ON d.id = l.document_id
  WHERE e.run_id IS NOT NULL AND e.run_id IS NOT d.run_id
  UNION ALL
  SELECT x.run_id, x.document_id
  FROM tk_run_document x JOIN tk_document d ON d.id = x.document_id
  WHERE x.run_id IS NOT d.run_id
    AND NOT EXISTS (SELECT 1 FROM tk_envelope e
                    JOIN tk_envelope_document l ON l.envelope_id = e.id
                    WHERE e.run_id = x.run_id AND l.document_id = x.document_id);

DROP VIEW IF EXISTS envelopes;
CREATE VIEW envelopes AS
  SELECT e.id, e.source, e.run_id, e.workflow, e.commit_sha, e.branch,
         e.branch_name, e.generated_at, e.summary_shape, e.status, e.valid, e.event_count, e.issue_count,
         (SELECT json_extract(ltrim(document, char(65279)), '$.summary') FROM documents
          WHERE id = e.id) AS summary,
         e.notes, e.id AS document_id,
         (SELECT document FROM documents WHERE id = e.id) AS document
  FROM tk_envelope e;

DROP VIEW IF EXISTS envelope_artifacts;
CREATE VIEW envelope_artifacts AS
  SELECT a.envelope_id, a.ordinal,
         CASE
           WHEN a.path LIKE '%projection.json' THEN 'projection'
           WHEN a.path LIKE '%validation.json' THEN 'validation'
           WHEN a.path LIKE '%state-sequence.json' THEN 'state-sequence'
           WHEN a.path LIKE '%.ndjson' THEN 'events'
           WHEN a.path LIKE '%payload-metadata.json' OR a.description LIKE 'payload metadata'
             THEN 'payload-metadata'
           WHEN a.path LIKE '%lint-summary.json' OR a.description LIKE 'lint summary'
             THEN 'lint-summary'
           WHEN a.description LIKE 'lint log' THEN 'lint-log'
           WHEN a.path LIKE '%survivors.json' OR a.description LIKE 'mutation survivors'
             THEN 'mutation-survivors'
           WHEN a.path LIKE '%mutation%summary.json' OR a.description LIKE 'mutation summary'
             THEN 'mutation-summary'
           WHEN a.path LIKE '%tla-summary.json' THEN 'tla-summary'
           WHEN a.path LIKE '%replay.json' THEN 'replay-summary'
           WHEN a.path LIKE '%domain-summary.json' THEN 'domain-summary'
           WHEN a.path LIKE '%verify-lite-run-summary.json' THEN 'verify-lite-summary'
           WHEN a.path LIKE '%trace-summary.json' THEN 'trace-summary'
           WHEN a.path LIKE '%conformance%' OR a.description LIKE 'conformance summary%'
             THEN 'conformance-summary'
           WHEN a.path LIKE '%envelope.json' THEN 'envelope'
           WHEN a.path LIKE '%otlp%.json' THEN 'payload'
           WHEN a.path LIKE '%summary.json' OR a.description LIKE 'raw%summary%' THEN 'summary'
         END AS role,
         a.path, a.type, a.checksum,
         CASE
           WHEN a.checksum IS NULL THEN NULL
           WHEN f.found_sha256 IS NOT NULL THEN f.found_sha256 = lower(a.checksum)
           WHEN EXISTS (SELECT 1 FROM tk_document d
                        WHERE 'sha256:' || lower(hex(d.sha256)) = +f.checksum) THEN 1
         END AS checksum_ok,
         a.description,
         (SELECT min(l.document_id) FROM tk_envelope_document l
          WHERE l.envelope_id = a.envelope_id AND l.path = a.path) AS document_id
  FROM tk_envelope_artifact a
       LEFT JOIN tk_envelope_file f ON f.envelope_id = a.envelope_id AND f.path = a.path;

DROP VIEW IF EXISTS envelope_traces;
CREATE VIEW envelope_traces AS
  SELECT envelope_id, trace_id, route, nullif(key, '') AS key FROM tk_envelope_trace;

-- envelope_id is NULL where a summary was ingested on its own.
DROP VIEW IF EXISTS envelope_domains;
CREATE VIEW envelope_domains AS
  SELECT e.id AS envelope_id, d.document_id, d.ordinal, d.key, d.label, d.status, d.issue_count,
         d.event_count, d.validation_path, d.projection_path, d.state_sequence_path, d.ndjson_path,
         d.metrics, d.is_case, d.discovery
  FROM tk_domain d LEFT JOIN tk_envelope e ON e.id = d.document_id;

DROP VIEW IF EXISTS envelope_cases;
CREATE VIEW envelope_cases AS
  SELECT e.id AS envelope_id, c.document_id, c.ordinal, c.key, c.label, c.status, c.valid,
         c.issue_count, c.event_count, c.validation_path, c.projection_path, c.state_sequence_path,
         c.stats, c.note
  FROM tk_case c LEFT JOIN tk_envelope e ON e.id = c.document_id;

DROP VIEW IF EXISTS tempo_links;
CREATE VIEW tempo_links AS
  SELECT e.id AS envelope_id, l.document_id, l.url, l.trace_id
  FROM tk_tempo_link l LEFT JOIN tk_envelope e ON e.id = l.document_id;

-- Of the envelopes of one run and source the last: that of the last attempt. Instants are compared as
-- numbers, because texts have several forms; none is before all others.
DROP VIEW IF EXISTS latest_envelopes;
CREATE VIEW latest_envelopes AS
  SELECT e.id, e.source, e.run_id, e.workflow, e.commit_sha, e.branch, e.branch_name,
         e.generated_at, e.summary_shape, e.status, e.valid, e.event_count, e.issue_count
  FROM tk_envelope e
  WHERE NOT EXISTS (SELECT 1 FROM tk_envelope o
                    WHERE o.run_id = e.run_id AND o.source IS e.source
                      AND (coalesce(julianday(o.generated_at), 0), o.id)
                          > (coalesce(julianday(e.generated_at), 0), e.id));

-- Of the envelopes of one run and source the latest counts: it is of the last attempt. Those of
-- several sources are of the same events, so that their numbers are not added up.
DROP VIEW IF EXISTS runs;
CREATE VIEW runs AS
  SELECT r.run_id,
         coalesce(
           (SELECT e.generated_at FROM tk_envelope e
            WHERE e.run_id = r.run_id AND e.generated_at IS NOT NULL
            ORDER BY julianday(e.generated_at), e.id LIMIT 1),
           (SELECT min(d.ingested_at) FROM run_documents x JOIN tk_document d ON d.id = x.document_id
            WHERE x.run_id = r.run_id)) AS first_seen,
         coalesce(
           (SELECT e.generated_at FROM tk_envelope e
            WHERE e.run_id = r.run_id AND e.generated_at IS NOT NULL
            ORDER BY julianday(e.generated_at) DESC, e.id DESC LIMIT 1),
           (SELECT max(d.ingested_at) FROM run_documents x JOIN tk_document d ON d.id = x.document_id
            WHERE x.run_id = r.run_id)) AS last_seen,
         (SELECT count(*) FROM tk_envelope e WHERE e.run_id = r.run_id) AS envelopes,
         (SELECT count(*) FROM run_documents x WHERE x.run_id = r.run_id) AS documents,
         (SELECT e.status FROM latest_envelopes e
          WHERE e.run_id = r.run_id AND e.status IS NOT NULL
          ORDER BY e.valid IS NULL, e.valid, julianday(e.generated_at) DESC, e.id DESC LIMIT 1) AS status,
         coalesce(
           (SELECT min(e.valid) FROM latest_envelopes e WHERE e.run_id = r.run_id),
           (SELECT min(v.valid) FROM run_documents x
            JOIN tk_validation v ON v.document_id = x.document_id WHERE x.run_id = r.run_id))
           AS valid,
         (SELECT count(*) FROM
            (SELECT t.trace_id FROM tk_envelope e
             JOIN tk_envelope_trace t ON t.envelope_id = e.id WHERE e.run_id = r.run_id
             UNION
             SELECT t.trace_id FROM run_documents x
             JOIN tk_document_trace t ON t.document_id = x.document_id
             WHERE x.run_id = r.run_id)) AS traces,
         coalesce(
           (SELECT max(e.issue_count) FROM latest_envelopes e WHERE e.run_id = r.run_id),
           (SELECT sum(v.issue_count) FROM run_documents x
            JOIN tk_validation v ON v.document_id = x.document_id WHERE x.run_id = r.run_id))
           AS issues,
         coalesce(
           (SELECT max(e.event_count) FROM latest_envelopes e WHERE e.run_id = r.run_id),
           (SELECT sum(d.record_count) FROM run_documents x JOIN tk_document d ON d.id = x.document_id
            WHERE x.run_id = r.run_id AND d.kind IN ('kvonce-events', 'inventory-events',
                                                     'observability-events'))) AS events,
         l.branch, l.branch_name, l.commit_sha, l.workflow
  FROM (SELECT run_id FROM tk_envelope WHERE run_id IS NOT NULL
        UNION SELECT run_id FROM tk_document WHERE run_id IS NOT NULL
        UNION SELECT run_id FROM tk_run_document) r
       LEFT JOIN tk_envelope l ON l.id =
         (SELECT e.id FROM tk_envelope e WHERE e.run_id = r.run_id
          ORDER BY julianday(e.generated_at) DESC, e.id DESC LIMIT 1);

-- Validation reports, whoever wrote them; one that several envelopes name is of each of them. So are
-- the lint rules and mutation summaries below.
DROP VIEW IF EXISTS validation_reports;
CREATE VIEW validation_reports AS
  SELECT v.document_id, d.kind, coalesce(e.run_id, d.run_id) AS run_id, e.id AS envelope_id,
         v.generated_at, v.valid, v.issue_count, v.error_count, v.config, v.metrics, d.path
  FROM tk_validation v
       JOIN tk_document d ON d.id = v.document_id
       LEFT JOIN tk_envelope e ON e.id IN
         (SELECT l.envelope_id FROM tk_envelope_document l WHERE l.document_id = d.id);

-- Every issue that a document lists, once. Left out: what an envelope repeats of a summary it
-- wraps; what a case repeats (ten at most) of its validation report, where that is stored; and what
-- a second case or report of the same envelope says in the same words. A report that runs share,
-- because they gave the same bytes, is of each of them.
DROP VIEW IF EXISTS document_issues;
CREATE VIEW document_issues AS
  SELECT i.source, i.stage, i.type, i.severity, i.message, i.trace_id, i.span_id,
         r.run_id, e.id AS envelope_id,
         coalesce(i.domain,
           (SELECT min(c.key) FROM tk_envelope_document l
            JOIN tk_case c ON c.document_id = l.envelope_id AND c.validation_path = l.path
            WHERE l.document_id = i.document_id AND l.envelope_id = e.id),
           (SELECT min(m.key) FROM tk_envelope_document l
            JOIN tk_domain m ON m.document_id = l.envelope_id AND m.validation_path = l.path
            WHERE l.document_id = i.document_id AND l.envelope_id = e.id)) AS domain,
         i.key, i.event_ordinal AS ordinal, i.path, i.context,
         coalesce(e.generated_at, v.generated_at, d.ingested_at) AS first_seen, i.document_id
  FROM tk_document_issue i
       JOIN tk_document d ON d.id = i.document_id
       LEFT JOIN run_documents r ON r.document_id = i.document_id
       LEFT JOIN tk_validation v ON v.document_id = d.id
       LEFT JOIN tk_envelope e ON e.id = CASE d.kind WHEN 'envelope' THEN d.id ELSE
         (SELECT min(n.id) FROM tk_envelope n
          CROSS JOIN tk_envelope_document l ON l.document_id = d.id AND l.envelope_id = n.id
          WHERE n.run_id = r.run_id) END
  WHERE NOT (d.kind IN ('kvonce-trace-summary', 'kvonce-conformance-summary')
             AND EXISTS (SELECT 1 FROM tk_envelope_document l WHERE l.document_id = d.id))
    AND NOT (i.source = 'envelope case'
             AND EXISTS (SELECT 1 FROM tk_case c
                         JOIN tk_envelope_document l
                           ON l.envelope_id = c.document_id AND l.path = c.validation_path
                         JOIN tk_validation r ON r.document_id = l.document_id
                         WHERE c.document_id = i.document_id AND c.key IS i.domain))
    AND NOT (i.source = 'envelope case'
             AND EXISTS (SELECT 1 FROM tk_document_issue j
                         WHERE j.document_id = i.document_id AND j.ordinal < i.ordinal
                           AND j.source = i.source AND j.domain IS NOT i.domain
                           AND j.key IS i.key AND j.type IS i.type AND j.message IS i.message))
    AND NOT (i.source = 'envelope case'
             AND EXISTS (SELECT 1 FROM tk_envelope_document l
                         JOIN tk_document_issue j ON j.document_id = l.document_id
                         WHERE l.envelope_id = i.document_id AND j.stage = i.stage
                           AND j.source <> i.source
                           AND j.key IS i.key AND j.type IS i.type AND j.message IS i.message))
    AND NOT (i.stage = 'validation'
             AND EXISTS (SELECT 1 FROM tk_envelope_document l
                         JOIN tk_envelope_document o ON o.envelope_id = l.envelope_id
                           AND o.document_id < l.document_id
                         JOIN tk_document_issue j ON j.document_id = o.document_id
                         WHERE l.document_id = i.document_id AND l.envelope_id = e.id
                           AND j.stage = i.stage AND j.source = i.source
                           AND j.key IS i.key AND j.type IS i.type AND j.message IS i.message));

-- Of a summary that an envelope wraps, the envelope's rows are shown.
DROP VIEW IF EXISTS verify_steps;
CREATE VIEW verify_steps AS
  SELECT s.document_id, e.id AS envelope_id, d.run_id, coalesce(s.commit_sha, e.commit_sha)
           AS commit_sha, coalesce(s.branch, e.branch) AS branch, s.ordinal, s.step, s.status,
         s.notes, s.retried, s.required, s.command, s.exit_code, s.duration_ms, s.reason
  FROM tk_verify_step s
       JOIN tk_document d ON d.id = s.document_id
       LEFT JOIN tk_envelope e ON e.id = s.document_id
  WHERE NOT EXISTS (SELECT 1 FROM tk_envelope_document l
                    JOIN tk_verify_step o ON o.document_id = l.envelope_id
                    WHERE l.document_id = s.document_id);

DROP VIEW IF EXISTS lint_rules;
CREATE VIEW lint_rules AS
  SELECT r.document_id, e.id AS envelope_id, coalesce(e.run_id, d.run_id) AS run_id, e.commit_sha,
         r.ordinal, r.rule, r.level, r.count, r.samples
  FROM tk_lint_rule r
       JOIN tk_document d ON d.id = r.document_id
       LEFT JOIN tk_envelope e ON e.id IN
         (SELECT l.envelope_id FROM tk_envelope_document l WHERE l.document_id = d.id);

DROP VIEW IF EXISTS mutation_summary;
CREATE VIEW mutation_summary AS
  SELECT m.document_id, e.id AS envelope_id, coalesce(e.run_id, d.run_id) AS run_id, e.commit_sha,
         m.total_mutants, m.killed, m.survived, m.timed_out, m.no_coverage, m.ignored, m.runtime_errors, m.compile_errors,
         m.score
  FROM tk_mutation_summary m
       JOIN tk_document d ON d.id = m.document_id
       LEFT JOIN tk_envelope e ON e.id IN
         (SELECT l.envelope_id FROM tk_envelope_document l WHERE l.document_id = d.id);

DROP VIEW IF EXISTS automation_reports;
CREATE VIEW automation_reports AS
  SELECT document_id, tool, status, reason, mode, pr_number, generated_at, workflow, event, run_id,
         attempt, url, repository, ref, commit_sha, metrics, data
  FROM tk_automation_report;

DROP VIEW IF EXISTS payload_metadata;
CREATE VIEW payload_metadata AS
  SELECT p.document_id, d.run_id, p.source_type, p.source_detail, p.sha256, p.size_bytes
  FROM tk_payload_metadata p JOIN tk_document d ON d.id = p.document_id
  WHERE d.kind = 'envelope'
     OR NOT EXISTS (SELECT 1 FROM tk_envelope_document l
                    JOIN tk_payload_metadata o ON o.document_id = l.envelope_id
                    WHERE l.document_id = p.document_id);

-- Events that a trace bundle was made of and does not hold: those sampled out, and those beyond its
-- maximum, which the bundle itself does not count.
DROP VIEW IF EXISTS trace_bundles;
CREATE VIEW trace_bundles AS
  SELECT b.document_id, d.kind, d.run_id, b.environment, b.service, b.build_id, b.commit_sha,
         b.input_path, b.input_format, b.window_start, b.window_end, b.raw_events, b.valid_events,
         b.invalid_events, b.sampled_out_events,
         b.valid_events - b.sampled_out_events - b.emitted_events AS cut_events, b.emitted_events,
         b.trace_count, b.redacted_fields, b.sample_rate, b.max_events
  FROM tk_trace_bundle b JOIN tk_document d ON d.id = b.document_id;

-- Every kind of issue as one relation. An issue that was stored and also follows from the stored events
-- of its run is one row: the recomputed one, which knows the events and so the traces. So is one that
-- follows from several files of the run: its spans, and the events that were converted from them.
--
-- Each arm names its `source`, so that a query which asks for one does not run the others. A column
-- has the same affinity in all arms, or SQLite would not take the arms apart, and a trace or run that
-- comes from a subquery or a join would be looked for among all issues there are.
DROP VIEW IF EXISTS validation_issues;
CREATE VIEW validation_issues AS
  SELECT CAST('ingest' AS TEXT) AS source, CAST('ingest' AS TEXT) AS stage, type, CAST(severity AS TEXT) AS severity,
         message, CAST(trace_id AS TEXT) AS trace_id, CAST(span_id AS TEXT) AS span_id, CAST(NULL AS TEXT) AS service,
         CAST(NULL AS TEXT) AS run_id, CAST(NULL AS INTEGER) AS envelope_id, CAST(NULL AS TEXT) AS domain,
         CAST(NULL AS TEXT) AS key, CAST(NULL AS INTEGER) AS ordinal, path, line, offset,
         CAST(NULL AS TEXT) AS context, CAST(first_seen AS TEXT) AS first_seen, raw
  FROM ingest_issues
  UNION ALL
  SELECT CAST('trace quality' AS TEXT), stage, type, severity, message, trace_id, span_id, service,
         CAST(NULL AS TEXT), CAST(NULL AS INTEGER), CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS INTEGER),
         CAST(NULL AS TEXT), CAST(NULL AS INTEGER), CAST(NULL AS INTEGER), context, CAST(NULL AS TEXT), CAST(NULL AS BLOB)
  FROM quality_issues
  UNION ALL
  SELECT CAST('sampling' AS TEXT), stage, type, severity, message, trace_id, span_id, service,
         CAST(NULL AS TEXT), CAST(NULL AS INTEGER), CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS INTEGER),
         CAST(NULL AS TEXT), CAST(NULL AS INTEGER), CAST(NULL AS INTEGER), context, CAST(NULL AS TEXT), CAST(NULL AS BLOB)
  FROM sampling_issues
  UNION ALL
  SELECT CAST(CASE k.domain WHEN 'observability' THEN 'conformance' ELSE k.domain END AS TEXT), CAST('recomputed' AS TEXT),
         k.type, CAST(iif(k.severity = 'warning', 'warn', k.severity) AS TEXT), k.message, k.trace_id,
         CAST(NULL AS TEXT), CAST(NULL AS TEXT), k.run_id,
         CAST((SELECT max(e.id) FROM tk_envelope e WHERE e.run_id = k.run_id) AS INTEGER), k.domain, k.key, k.ordinal,
         d.path, CAST(NULL AS INTEGER), CAST(NULL AS INTEGER),
         CAST(iif(k.trace_ids IS NULL, NULL, json_object('trace_ids', json(k.trace_ids))) AS TEXT),
         CAST(coalesce((SELECT min(e.generated_at) FROM tk_envelope e WHERE e.run_id = k.run_id), d.ingested_at) AS TEXT),
         CAST(NULL AS BLOB)
  FROM (SELECT *, row_number() OVER (PARTITION BY run_id, domain, key, type, message,
                                                  iif(domain = 'kvonce', NULL, ordinal)
                                     ORDER BY trace_id IS NULL, document_id) AS occurrence
        FROM kvonce_issues) k
       JOIN tk_document d ON d.id = k.document_id
  WHERE k.occurrence = 1
  UNION ALL
  SELECT i.source, i.stage, i.type,
         CAST(CASE i.severity WHEN 'warning' THEN 'warn' WHEN 'minor' THEN 'warn'
                              WHEN 'major' THEN 'error' WHEN 'critical' THEN 'error' ELSE i.severity END AS TEXT),
         i.message, i.trace_id, i.span_id, CAST(NULL AS TEXT), i.run_id, i.envelope_id, CAST(i.domain AS TEXT), i.key,
         i.ordinal, i.path, CAST(NULL AS INTEGER), CAST(NULL AS INTEGER), i.context, CAST(i.first_seen AS TEXT), CAST(NULL AS BLOB)
  FROM document_issues i
  WHERE NOT EXISTS (SELECT 1 FROM kvonce_issues k
                    WHERE k.run_id = i.run_id AND k.key IS i.key AND k.type = i.type
                      AND k.message IS i.message);
