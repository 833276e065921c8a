-- base: ../v1/tiny.sql
-- expect: 1 segment 1: its trace filter does not know trace 0
UPDATE tk_filter SET data = joined(hash_bytes(zeroblob(32)), zeroblob(32));
