-- base: ../v1/tiny.sql
-- expect: 1 segment 1: expected 0 value filters, found 1
INSERT INTO tk_filter SELECT id + 6, data FROM tk_filter;
