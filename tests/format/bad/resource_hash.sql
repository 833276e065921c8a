-- base: ../v1/tiny.sql
-- expect: 1 tk_resource 1: its content does not have the stored hash
UPDATE tk_resource SET content = joined(content, X'00');
