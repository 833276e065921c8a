-- base: ../v1/every_field.sql
-- expect: 1 segment 1: zstd: 
UPDATE tk_segment SET directory = with_bytes(directory, 12, X'ffffffff');
UPDATE tk_segment SET hash = signed_hash(resources, scopes, directory);
