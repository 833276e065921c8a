-- base: ../v1/tiny.sql
-- expect: 1 segment 1: counts or times of the row differ from those of the directory
UPDATE tk_segment SET span_count = 4;
