UPDATE tk_document SET run_id = name_at(:text, '$.metadata.runId')
WHERE id = :id AND name_at(:text, '$.metadata.runId') IS NOT NULL;
INSERT OR IGNORE INTO tk_document_trace
SELECT tk_trace_id(t.atom), :id FROM items_at(:text, '$.trace.traceIds') t WHERE t.type = 'text';
