INSERT OR IGNORE INTO tk_document_trace
SELECT tk_trace_id(text_at(e, '$.traceId')), :id FROM items_at(:text, '$') e
WHERE text_at(e, '$.traceId') IS NOT NULL;
