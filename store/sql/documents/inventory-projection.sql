INSERT INTO tk_document_issue(document_id, ordinal, source, stage, key, type, event_ordinal, context)
SELECT :id, i.key, 'inventory', 'projection', text_at(i, '$.key'), text_at(i, '$.type'),
       integer_at(i, '$.index'), json_at(i, '$.detail')
FROM items_at(:text, '$.issues') i WHERE i.type = 'object';
INSERT OR IGNORE INTO tk_document_trace
SELECT tk_trace_id(t.atom), :id FROM items_at(:text, '$.traceIds') t WHERE t.type = 'text';
