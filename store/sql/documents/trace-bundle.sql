INSERT INTO tk_trace_bundle
SELECT :id, text_at(:text, '$.source.environment'), text_at(:text, '$.source.service'),
       text_at(:text, '$.source.buildId'), text_at(:text, '$.source.gitSha'),
       text_at(:text, '$.source.input.path'), text_at(:text, '$.source.input.format'),
       text_at(:text, '$.source.timeWindow.start'), text_at(:text, '$.source.timeWindow.end'),
       integer_at(:text, '$.summary.rawEventCount'), integer_at(:text, '$.summary.validEventCount'),
       integer_at(:text, '$.summary.invalidEventCount'),
       integer_at(:text, '$.summary.sampledOutCount'),
       integer_at(:text, '$.summary.emittedEventCount'),
       integer_at(:text, '$.grouping.traceCount'),
       integer_at(:text, '$.redaction.redactedFieldCount'), NULL, NULL;
INSERT OR IGNORE INTO tk_document_trace
SELECT tk_trace_id(text_at(t, '$.traceId')), :id FROM items_at(:text, '$.grouping.traces') t
WHERE text_at(t, '$.traceId') IS NOT NULL;
