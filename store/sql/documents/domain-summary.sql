INSERT INTO tk_domain
SELECT :id, 0, text_at(:text, '$.key'), text_at(:text, '$.label'), text_at(:text, '$.status'),
       coalesce(integer_at(:text, '$.issues'), count_at(:text, '$.issues')),
       integer_at(:text, '$.metrics.eventCount'), text_at(:text, '$.artifacts.validationPath'),
       text_at(:text, '$.artifacts.projectionPath'), text_at(:text, '$.artifacts.stateSequencePath'),
       text_at(:text, '$.artifacts.ndjsonPath'), json_at(:text, '$.metrics'), 0, NULL;
INSERT OR IGNORE INTO tk_document_trace
SELECT tk_trace_id(t.atom), :id FROM items_at(:text, '$.traceIds') t WHERE t.type = 'text';
INSERT OR IGNORE INTO tk_tempo_link
SELECT :id, l.atom, tk_trace_id(tk_trace_of_url(l.atom)) FROM items_at(:text, '$.tempoLinks') l
WHERE l.type = 'text';
