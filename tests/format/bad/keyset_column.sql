-- base: ../v1/tiny.sql
-- expect: 1 segment 1: directory: keyset names a column that is not an attribute of its scope
UPDATE tk_segment SET directory = with_bytes(directory, 297, X'1c');
UPDATE tk_segment SET hash = signed_hash(resources, scopes, directory);
