-- base: ../v1/tiny.sql
-- expect: 1 segment 1: directory: malformed granules
UPDATE tk_segment SET directory = with_bytes(directory, 39, X'02');
UPDATE tk_segment SET hash = signed_hash(resources, scopes, directory);
