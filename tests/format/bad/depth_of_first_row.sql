-- base: ../v1/tiny.sql
-- expect: 1 segment 1: row 0 is deeper than its place allows
UPDATE tk_segment SET directory = with_hash_of(directory, (SELECT data FROM tk_chunk WHERE id = 65539),
  with_bytes((SELECT data FROM tk_chunk WHERE id = 65539), 10, X'05'));
UPDATE tk_chunk SET data = with_bytes(data, 10, X'05') WHERE id = 65539;
UPDATE tk_segment SET hash = signed_hash(resources, scopes, directory);
