-- base: ../v1/split.sql
-- expect: 1 trace c386bbc4cd613e30d8f16adf91b7584a is in several segments, and tk_split does not say so
DELETE FROM tk_split;
UPDATE tk_segment SET flags = flags & ~1;
