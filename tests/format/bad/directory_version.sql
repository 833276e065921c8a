-- base: ../v1/tiny.sql
-- expect: 1 segment 1: directory: version 2, expected 1
UPDATE tk_segment SET directory = with_bytes(directory, 0, X'02');
UPDATE tk_segment SET hash = signed_hash(resources, scopes, directory);
