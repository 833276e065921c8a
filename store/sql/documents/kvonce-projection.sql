-- Events of a type the projection does not know are its notes. The rest is recomputed from events.
INSERT INTO tk_document_issue(document_id, ordinal, source, stage, key, type, severity, message,
                              event_ordinal)
SELECT :id, n.key, 'kvonce', 'projection', text_at(n, '$.key'), text_at(n, '$.issue'), 'info',
       'event of type ' || text_at(n, '$.type'), integer_at(n, '$.index')
FROM items_at(:text, '$.notes') n WHERE n.type = 'object';
INSERT OR IGNORE INTO tk_document_trace
SELECT tk_trace_id(text_at(e, '$.traceId')), :id FROM items_at(:text, '$.events') e
WHERE text_at(e, '$.traceId') IS NOT NULL;
