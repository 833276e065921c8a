-- base: ../v1/tiny.sql
-- expect: 1 tk_resource 2 has the content of another
INSERT INTO tk_resource SELECT id + 1, hash, service, content FROM tk_resource;
