-- base: ../v1/split.sql
-- expect: 1 trace c386bbc4cd613e30d8f16adf91b7584a is noted as split, but only in segment 3
DELETE FROM tk_split WHERE segment_id = 1;
