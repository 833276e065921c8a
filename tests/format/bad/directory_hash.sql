-- base: ../v1/tiny.sql
-- expect: 1 segment 1: checksum of the directory does not match
UPDATE tk_segment SET directory = with_bytes(directory, 5, X'04');
