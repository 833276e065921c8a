-- base: ../v1/every_field.sql
-- expect: 1 tk_trace_alias: `run-7/step-3` is stored with another trace id than its own
UPDATE tk_trace_alias SET text = 'run-7/step-3';
