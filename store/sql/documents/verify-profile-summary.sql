INSERT INTO tk_verify_step
SELECT :id, s.key, text_at(s, '$.name'), text_at(s, '$.status'), text_at(s, '$.error'), NULL,
       flag_at(s, '$.required'), text_at(s, '$.command'), integer_at(s, '$.exit_code'),
       integer_at(s, '$.duration_ms'), text_at(s, '$.reason'), NULL, NULL
FROM items_at(:text, '$.steps') s;
