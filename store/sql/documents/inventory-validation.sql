-- As kvonce-validation, but issues have a severity and an index, and no key.
INSERT INTO tk_validation
SELECT :id, text_at(:text, '$.generatedAt'), flag_at(:text, '$.valid'),
       coalesce(count_at(:text, '$.issues'), 0),
       (SELECT count(*) FROM items_at(:text, '$.issues') i WHERE text_at(i, '$.severity') = 'error'),
       json_at(:text, '$.config'), json_at(:text, '$.metrics');
INSERT INTO tk_document_issue(document_id, ordinal, source, stage, key, type, severity, message,
                              event_ordinal, path)
SELECT :id, i.key, 'inventory', 'validation', text_at(i, '$.key'), text_at(i, '$.type'),
       text_at(i, '$.severity'), text_at(i, '$.message'), integer_at(i, '$.index'),
       text_at(i, '$.source')
FROM items_at(:text, '$.issues') i WHERE i.type = 'object';
INSERT OR IGNORE INTO tk_document_trace
SELECT tk_trace_id(t.atom), :id FROM items_at(:text, '$.traceIds') t WHERE t.type = 'text';
