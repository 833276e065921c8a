-- base: ../v1/tiny.sql
-- expect: 1 segment 1: column 2: checksum of the chunk does not match
UPDATE tk_chunk SET data = with_bytes(data, 5, X'aa') WHERE id = 65538;
