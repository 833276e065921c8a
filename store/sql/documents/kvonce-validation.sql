-- {generatedAt, valid, issues: [{key, type, message}]}
INSERT INTO tk_validation
SELECT :id, text_at(:text, '$.generatedAt'), flag_at(:text, '$.valid'),
       coalesce(count_at(:text, '$.issues'), integer_at(:text, '$.issues'), 0),
       coalesce(count_at(:text, '$.issues'), integer_at(:text, '$.issues'), 0), NULL, NULL;
INSERT INTO tk_document_issue(document_id, ordinal, source, stage, key, type, severity, message,
                              event_ordinal, trace_id)
SELECT :id, i.key, 'kvonce', 'validation', text_at(i, '$.key'), text_at(i, '$.type'),
       text_at(i, '$.severity'), text_at(i, '$.message'), integer_at(i, '$.index'),
       tk_trace_id(text_at(i, '$.traceId'))
FROM items_at(:text, '$.issues') i WHERE i.type = 'object';
