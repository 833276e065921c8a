-- The summary of several cases, as an envelope of source trace-conformance wraps it.
INSERT INTO tk_case
SELECT :id, c.key, text_at(c, '$.format'), text_at(c, '$.label'),
       coalesce(text_at(c, '$.status'),
                CASE flag_at(c, '$.valid') WHEN 1 THEN 'valid' WHEN 0 THEN 'invalid' END),
       flag_at(c, '$.valid'), integer_at(c, '$.issueCount'),
       integer_at(c, '$.projectionStats.totalEvents'), text_at(c, '$.validationPath'),
       text_at(c, '$.projectionPath'), text_at(c, '$.stateSequencePath'),
       json_at(c, '$.projectionStats'), text_at(c, '$.note')
FROM items_at(:text, '$.cases') c;
INSERT INTO tk_domain
SELECT :id, d.key, text_at(d, '$.key'), text_at(d, '$.label'), text_at(d, '$.status'),
       coalesce(integer_at(d, '$.issues'), count_at(d, '$.issues')),
       integer_at(d, '$.metrics.eventCount'), text_at(d, '$.artifacts.validationPath'),
       text_at(d, '$.artifacts.projectionPath'), text_at(d, '$.artifacts.stateSequencePath'),
       text_at(d, '$.artifacts.ndjsonPath'), json_at(d, '$.metrics'),
       EXISTS (SELECT 1 FROM tk_case c
               WHERE c.document_id = :id AND c.key = text_at(d, '$.key')),
       (SELECT text_at(s, '$.discovery') FROM items_at(:text, '$.domainSummaries') s
        WHERE text_at(s, '$.key') = text_at(d, '$.key') LIMIT 1)
FROM items_at(:text, '$.trace.domains') d;
INSERT INTO tk_document_issue(document_id, ordinal, source, stage, domain, key, type, severity,
                              message, event_ordinal)
SELECT :id, row_number() OVER () - 1, 'envelope case', 'validation', text_at(c, '$.format'),
       text_at(i, '$.key'), text_at(i, '$.type'), text_at(i, '$.severity'),
       text_at(i, '$.message'), integer_at(i, '$.index')
FROM items_at(:text, '$.cases') c, items_at(c, '$.issues') i
WHERE i.type = 'object';
INSERT OR IGNORE INTO tk_document_trace
SELECT tk_trace_id(t.atom), :id FROM items_at(:text, '$.traceIds') t WHERE t.type = 'text';
INSERT OR IGNORE INTO tk_payload_metadata
SELECT :id, text_at(:text, '$.payloadMetadata.sourceType'),
       text_at(:text, '$.payloadMetadata.sourceDetail'),
       text_at(:text, '$.payloadMetadata.sha256'),
       integer_at(:text, '$.payloadMetadata.sizeBytes')
WHERE json_type(:text, '$.payloadMetadata.sourceType') = 'text';
