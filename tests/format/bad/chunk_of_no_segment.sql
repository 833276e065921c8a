-- base: ../v1/tiny.sql
-- expect: 1 chunk 589824 belongs to no segment
INSERT INTO tk_chunk VALUES(9 << 16, X'00');
