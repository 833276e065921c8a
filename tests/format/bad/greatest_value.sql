-- base: ../v1/tiny.sql
-- expect: 1 segment 1: column 65 ("items"): a value is out of range: not from 2 to 299
UPDATE tk_segment SET directory = with_bytes(directory, 156, X'a9');
UPDATE tk_segment SET hash = signed_hash(resources, scopes, directory);
