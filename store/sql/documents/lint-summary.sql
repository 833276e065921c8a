INSERT INTO tk_lint_rule
SELECT :id, r.key, text_at(r, '$.rule'), name_at(r, '$.level'), integer_at(r, '$.count'),
       json_at(r, '$.samples')
FROM items_at(:text, '$.rules') r;
