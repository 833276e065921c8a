-- base: ../v1/tiny.sql
-- expect: 1 segment 1: column 3: expected a column of kind 1, found encoding 0x22
UPDATE tk_segment SET directory = with_hash_of(directory, (SELECT data FROM tk_chunk WHERE id = 65539),
  with_bytes((SELECT data FROM tk_chunk WHERE id = 65539), 0, X'22'));
UPDATE tk_chunk SET data = with_bytes(data, 0, X'22') WHERE id = 65539;
UPDATE tk_segment SET hash = signed_hash(resources, scopes, directory);
