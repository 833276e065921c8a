-- base: ../v1/tiny.sql
-- expect: 1 segment 1: flags 4, of which this build knows 3: a newer tracekeep is needed
UPDATE tk_segment SET flags = 4;
