-- base: ../v1/tiny.sql
-- expect: 1 segment 1: directory: malformed counts
UPDATE tk_segment SET directory = with_bytes(directory, 4, X'03');
UPDATE tk_segment SET hash = signed_hash(resources, scopes, directory);
