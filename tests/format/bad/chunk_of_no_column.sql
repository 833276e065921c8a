-- base: ../v1/tiny.sql
-- expect: 1 segment 1: expected 17 chunks, found 18
INSERT INTO tk_chunk VALUES(65536 + 99, X'00');
