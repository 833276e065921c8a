-- base: ../v1/every_field.sql
-- expect: 1 segment 1: tk_trace_alias does not have its trace `run-7/step-2`
DELETE FROM tk_trace_alias;
