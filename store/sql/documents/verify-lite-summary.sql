INSERT INTO tk_verify_step
SELECT :id, row_number() OVER () - 1, s.key, text_at(s, '$.status'), text_at(s, '$.notes'),
       flag_at(s, '$.retried'), NULL, NULL, NULL, NULL, NULL,
       text_at(:text, '$.metadata.gitCommit'), text_at(:text, '$.metadata.branch')
FROM members_at(:text, '$.steps') s;
INSERT OR IGNORE INTO tk_document_trace
SELECT tk_trace_id(t.atom), :id FROM items_at(:text, '$.trace.traceIds') t WHERE t.type = 'text';
