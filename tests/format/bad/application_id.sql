-- base: ../v1/tiny.sql
-- expect: 3 not a tracekeep store: expected application_id 1414679376, found 1414679377
PRAGMA application_id = 1414679377;
