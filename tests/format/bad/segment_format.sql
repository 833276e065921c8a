-- base: ../v1/tiny.sql
-- expect: 1 segment 1: format 2 is newer than this build reads (1)
UPDATE tk_segment SET format = 2;
