-- base: ../v1/tiny.sql
-- expect: 1 trace 0af7651916cd43dd8448eb211c80319c is noted as split, but only in segment 1
INSERT INTO tk_split VALUES(X'0af7651916cd43dd8448eb211c80319c', 1);
