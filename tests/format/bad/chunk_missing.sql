-- base: ../v1/tiny.sql
-- expect: 1 segment 1: column 4: its chunk is missing
DELETE FROM tk_chunk WHERE id = 65540;
