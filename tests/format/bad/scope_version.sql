-- base: ../v1/tiny.sql
-- expect: 1 tk_scope 1: scope: malformed
UPDATE tk_scope SET content = with_bytes(content, 0, X'02'), hash = signed_hash(with_bytes(content, 0, X'02'));
