-- base: ../v1/tiny.sql
-- expect: 1 segment 1: column 6: filter: it does not know value 0
INSERT INTO tk_filter SELECT id + 6, data FROM tk_filter;
