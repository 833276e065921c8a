INSERT INTO tk_document_issue(document_id, ordinal, source, stage, key, type, severity, message,
                              context, trace_id, span_id)
SELECT :id, v.key, 'conformance', 'rule', text_at(v, '$.category'), text_at(v, '$.ruleId'),
       text_at(v, '$.severity'), text_at(v, '$.message'), v.value,
       tk_trace_id(text_at(v, '$.context.traceId')), text_at(v, '$.context.spanId')
FROM items_at(:text, '$.violations') v WHERE v.type = 'object';
INSERT INTO tk_validation
SELECT :id, text_at(:text, '$.metadata.timestamp'),
       CASE text_at(:text, '$.overall') WHEN 'pass' THEN 1 WHEN 'fail' THEN 0 WHEN 'error' THEN 0
                                        WHEN 'timeout' THEN 0 END,
       coalesce(count_at(:text, '$.violations'), 0), coalesce(count_at(:text, '$.violations'), 0),
       NULL, json_at(:text, '$.summary');
INSERT OR IGNORE INTO tk_document_trace
SELECT trace_id, :id FROM tk_document_issue WHERE document_id = :id AND trace_id IS NOT NULL;
UPDATE tk_document SET run_id = name_at(:text, '$.metadata.executionId')
WHERE id = :id AND name_at(:text, '$.metadata.executionId') IS NOT NULL;
