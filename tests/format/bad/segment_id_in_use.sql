-- base: ../v1/tiny.sql
-- expect: 1 segment 1: its id is not below next_segment_id
UPDATE tk_meta SET value = 1 WHERE key = 'next_segment_id';
