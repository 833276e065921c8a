-- base: ../v1/tiny.sql
-- expect: 1 segment 1: resource 1 is missing
DELETE FROM tk_resource;
