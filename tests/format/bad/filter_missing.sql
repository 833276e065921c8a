-- base: ../v1/tiny.sql
-- expect: 1 segment 1: its trace filter is missing
DELETE FROM tk_filter;
