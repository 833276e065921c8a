-- base: ../v1/tiny.sql
-- expect: 3 its schema version is 2, this build reads up to 1
PRAGMA user_version = 2;
