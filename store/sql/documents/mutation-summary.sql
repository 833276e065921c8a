INSERT INTO tk_mutation_summary
SELECT :id, integer_at(:text, '$.totalMutants'), integer_at(:text, '$.killed'),
       integer_at(:text, '$.survived'), integer_at(:text, '$.timedOut'),
       integer_at(:text, '$.noCoverage'), integer_at(:text, '$.ignored'),
       integer_at(:text, '$.runtimeErrors'), integer_at(:text, '$.compileErrors'),
       number_at(:text, '$.mutationScore');
