-- base: ../v1/tiny.sql
-- expect: 1 segment 1: filter: checksum does not match
UPDATE tk_filter SET data = with_bytes(data, 8, X'ff');
