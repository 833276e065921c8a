-- base: ../v1/tiny.sql
-- expect: 1 segment 1: column 65: tk_attribute_key does not have its key `items`
DELETE FROM tk_attribute_key WHERE key = 'items';
