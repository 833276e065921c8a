-- base: ../v1/tiny.sql
-- expect: 1 segment 1: directory: empty chunk
UPDATE tk_segment SET directory = with_bytes(directory, 47, X'01');
UPDATE tk_segment SET hash = signed_hash(resources, scopes, directory);
