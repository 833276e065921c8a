INSERT INTO tk_document_issue(document_id, ordinal, source, stage, type, severity, message,
                              event_ordinal, path, context)
SELECT :id, i.key, 'conformance', 'schema', 'schema', 'error', text_at(i, '$.message'),
       integer_at(i, '$.index'), text_at(i, '$.path'), i.value
FROM items_at(:text, '$.details.schemaErrors') i WHERE i.type = 'object';
INSERT INTO tk_document_issue(document_id, ordinal, source, stage, type, severity, message,
                              event_ordinal, context)
SELECT :id, (SELECT count(*) FROM tk_document_issue WHERE document_id = :id)
            + row_number() OVER () - 1,
       'conformance', 'invariant', text_at(i, '$.type'), 'error', text_at(i, '$.invariant'),
       integer_at(i, '$.index'), i.value
FROM items_at(:text, '$.details.invariantViolations') i WHERE i.type = 'object';
INSERT INTO tk_domain
SELECT :id, d.key, text_at(d, '$.key'), text_at(d, '$.label'), text_at(d, '$.status'),
       coalesce(integer_at(d, '$.issues'), count_at(d, '$.issues')),
       integer_at(d, '$.metrics.eventCount'), text_at(d, '$.artifacts.validationPath'),
       text_at(d, '$.artifacts.projectionPath'), text_at(d, '$.artifacts.stateSequencePath'),
       text_at(d, '$.artifacts.ndjsonPath'), json_at(d, '$.metrics'), 0, NULL
FROM items_at(:text, '$.trace.domains') d;
INSERT OR IGNORE INTO tk_document_trace
SELECT tk_trace_id(t.atom), :id FROM items_at(:text, '$.trace.traceIds') t WHERE t.type = 'text';
