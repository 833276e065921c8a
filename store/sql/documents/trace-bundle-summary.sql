INSERT INTO tk_trace_bundle
SELECT :id, NULL, NULL, NULL, NULL, text_at(:text, '$.input.path'), text_at(:text, '$.input.format'),
       NULL, NULL, integer_at(:text, '$.counts.rawEventCount'),
       integer_at(:text, '$.counts.validEventCount'),
       integer_at(:text, '$.counts.invalidEventCount'),
       integer_at(:text, '$.counts.sampledOutCount'),
       integer_at(:text, '$.counts.emittedEventCount'), integer_at(:text, '$.counts.traceCount'),
       integer_at(:text, '$.counts.redactedFieldCount'), number_at(:text, '$.sampling.sampleRate'),
       integer_at(:text, '$.sampling.maxEvents');
