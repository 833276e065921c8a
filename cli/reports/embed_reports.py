#!/usr/bin/env python3
"""Emit the table of reports: name, title, description and SQL of every file.

A report's leading comment lines are its documentation: the first is the title, the rest the
description."""
import pathlib
import sys


def leading_comment(sql):
    lines = []
    for line in sql.splitlines():
        if not line.startswith('--'):
            break
        lines.append(line[2:].strip())
    return lines


def c_array(symbol, text):
    data = text.encode('utf-8') + b'\0'
    # As numbers: a string literal may not be longer than 4,095 characters in portable C.
    rows = (''.join(f'{byte},' for byte in data[at:at + 24]) for at in range(0, len(data), 24))
    return f'static const char {symbol}[] = {{\n  ' + '\n  '.join(rows) + '\n};\n'


c_path, *sql_paths = sys.argv[1:]
arrays, rows = [], []
for path in sorted(map(pathlib.Path, sql_paths)):
    sql = path.read_text(encoding='utf-8')
    comment = leading_comment(sql)
    if not comment:
        sys.exit(f'{path}: a report begins with a comment line that is its title')
    symbol = 'report_' + path.stem.replace('-', '_')
    arrays += [c_array(symbol + '_title', comment[0].rstrip('.')), c_array(symbol + '_description', '\n'.join(comment[1:])),
               c_array(symbol + '_sql', sql)]
    rows.append(f'  {{"{path.stem}", {symbol}_title, {symbol}_description, {symbol}_sql}},\n')
with open(c_path, 'w', encoding='ascii') as out:
    out.write('#include "cli/reports/reports.h"\n\n' + '\n'.join(arrays) +
              '\nconst struct tk_report tk_reports[] = {\n' + ''.join(rows) + '  {0}};\n')
