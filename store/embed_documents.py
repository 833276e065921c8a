#!/usr/bin/env python3
"""Emit a C source with the SQL of every kind of document, by kind, macros expanded.

The macros say what type is expected of a member of a JSON text; another type gives NULL:
    text_at(x, '$.path')     a string                     name_at      a string or an integer, as text
    integer_at, number_at    a number                     flag_at      true or false, as 1 or 0
    json_at                  an object or an array        count_at     items of an array
    items_at, members_at     rows of json_each: an array's items, an object's members
x is a parameter, or the alias of an items_at, whose value it then stands for."""
import os
import re
import sys

ONE = {
    'text': "iif(json_type({x}, {p}) = 'text', json_extract({x}, {p}), NULL)",
    'name': "iif(json_type({x}, {p}) IN ('text', 'integer'), CAST(json_extract({x}, {p}) AS TEXT), NULL)",
    'integer': "iif(json_type({x}, {p}) = 'integer', json_extract({x}, {p}), NULL)",
    'number': "iif(json_type({x}, {p}) IN ('integer', 'real'), json_extract({x}, {p}), NULL)",
    'flag': "CASE json_type({x}, {p}) WHEN 'true' THEN 1 WHEN 'false' THEN 0 END",
    'json': "iif(json_type({x}, {p}) IN ('object', 'array'), json_extract({x}, {p}), NULL)",
    'count': "iif(json_type({x}, {p}) = 'array', json_array_length({x}, {p}), NULL)",
    'items': "json_each(iif(json_type({x}, {p}) = 'array', {x}, '[]'), {p})",
    'members': "json_each(iif(json_type({x}, {p}) = 'object', {x}, '[]'), {p})",
}
CALL = re.compile(r"\b(%s)_at\((:?\w+), ('[^']*')\)" % '|'.join(ONE))


def expand(match):
    name, x, path = match.groups()
    if not x.startswith(':'):
        x = f"iif({x}.type IN ('object', 'array'), {x}.value, '[]')"
    return ONE[name].format(x=x, p=path)


c_path, *sql_paths = sys.argv[1:]
with open(c_path, 'w', encoding='ascii') as out:
    out.write('#include "store/document/document_sql.h"\n')
    names = []
    for path in sql_paths:
        name = os.path.splitext(os.path.basename(path))[0]
        with open(path, encoding='ascii') as sql:
            lines = [line for line in sql.read().split('\n') if not line.lstrip().startswith('--')]
        text = CALL.sub(expand, '\n'.join(lines)).encode('ascii') + b'\0'
        if b'_at(' in text:
            sys.exit(f'{path}: a macro is not of the form it should have')
        symbol = 'sql_' + name.replace('-', '_')
        names.append((name, symbol))
        out.write(f'static const char {symbol}[] = {{\n')
        for begin in range(0, len(text), 24):
            out.write('  ' + ''.join(f'{byte},' for byte in text[begin:begin + 24]) + '\n')
        out.write('};\n')
    out.write('const struct tk_document_sql tk_document_sql[] = {\n')
    out.writelines(f'  {{"{name}", {symbol}}},\n' for name, symbol in names)
    out.write('  {0, 0}};\n')
