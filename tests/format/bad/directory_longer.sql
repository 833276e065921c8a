-- base: ../v1/tiny.sql
-- expect: 1 segment 1: directory: bytes after its end
UPDATE tk_segment SET directory = joined(directory, X'00');
UPDATE tk_segment SET hash = signed_hash(resources, scopes, directory);
