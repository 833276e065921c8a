-- base: ../v1/tiny.sql
-- expect: 1 tk_resource 1: resource: 1 bytes too many
UPDATE tk_resource SET content = joined(content, X'00'), hash = signed_hash(content, X'00');
