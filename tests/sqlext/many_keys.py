#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Segments with more keys than a segment names (16,384 of each scope): columns of the further keys.

    many_keys.py TRACEKEEP EXTENSION
"""
import json
import pathlib
import sqlite3
import subprocess
import sys
import tempfile

KEYS = 17000
BASE = 1767225600000000000


def attribute(key, value):
    kind = 'stringValue' if isinstance(value, str) else 'intValue'
    return {'key': key, 'value': {kind: value if isinstance(value, str) else str(value)}}


def span(number, start, attributes, events=()):
    return {'traceId': f'{number:032x}', 'spanId': f'{number:016x}', 'name': f'span {number}',
            'startTimeUnixNano': str(BASE + start), 'endTimeUnixNano': str(BASE + start + 10), 'attributes': attributes,
            'events': [{'timeUnixNano': str(BASE + start), 'name': 'e', 'attributes': list(found)} for found in events]}


def write(path, spans):
    with open(path, 'w', encoding='utf-8') as out:
        for one in spans:
            json.dump({'resourceSpans': [{'resource': {}, 'scopeSpans': [{'spans': [one]}]}]}, out)
            out.write('\n')


def late_attributes(i):
    """What the spans after all those keys have: a text, an integer under the same key, or both."""
    return [[attribute('late', f'text {i % 7}')], [attribute('late', i)], [],
            [attribute('late', i), attribute('late', 'a second one')], [attribute('other', 1)]][i % 5]


def main():
    tracekeep, extension = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        store = folder / 'store.db'
        # The key has a column of the tables because it is stored before the others.
        write(folder / 'first.jsonl', [span(1 + i, i, [attribute('late', 'early')], [[attribute('late', 'early')]])
                                       for i in range(16)])
        keys = [attribute(f'key.{i}', i) for i in range(KEYS)]
        many = [span(1000 + i, 1000 + i, keys[i * 500:i * 500 + 500], [keys[i * 500:i * 500 + 500]])
                for i in range(KEYS // 500)]
        late = [span(2000 + i, 100000 + i, late_attributes(i), [late_attributes(i)]) for i in range(200)]
        write(folder / 'second.jsonl', many + late)
        for name, size in (('first', 8), ('second', 65536)):
            subprocess.run([tracekeep, 'ingest', '--quiet', f'--spans-per-segment={size}', store, folder / f'{name}.jsonl'],
                           check=True, stderr=subprocess.DEVNULL)
        db = sqlite3.connect(store)
        db.enable_load_extension(True)
        db.load_extension(extension)
        columns = max(n for n, in db.execute('SELECT count(*) FROM segment_columns GROUP BY segment_id'))
        check('a segment names as many keys as it can', columns >= 16384)
        check_columns(db, 'spans', 'span_id', 'span.late', {f'{2000 + i:016x}': late_attributes(i) for i in range(200)})
        check_columns(db, 'span_events', 'span_id', 'event.late',
                      {f'{2000 + i:016x}': late_attributes(i) for i in range(200)})
        metrics = dict(db.execute("SELECT [span.late], count FROM span_metrics('span.late')"))
        plain = dict(db.execute('SELECT [span.late], count(*) FROM (SELECT +[span.late] AS [span.late] FROM spans) GROUP BY 1'))
        check('span_metrics groups by it', metrics == plain and metrics['early'] == 16)
    print(f'1..{checks}')
    return failed


def first(attributes):
    return next((int(value) if kind == 'intValue' else value for one in attributes if one['key'] == 'late'
                 for kind, value in one['value'].items()), None)


def check_columns(db, table, id_column, column, expected):
    values = {i: first(attributes) for i, attributes in expected.items()}
    found = {i: value for i, value in db.execute(f'SELECT {id_column}, [{column}] FROM {table}') if i in expected}
    check(f'{table}: the column has the value', found == values)
    for condition, test in (("= 'text 3'", lambda v: v == 'text 3'), ('= 6', lambda v: v == 6),
                            ('IS NULL', lambda v: v is None), ('IS NOT NULL', lambda v: v is not None),
                            ("LIKE 'text%'", lambda v: isinstance(v, str) and v.startswith('text')),
                            ('IN (1, 11, 16)', lambda v: v in (1, 11, 16))):
        rows = {i for i, in db.execute(f'SELECT {id_column} FROM {table} WHERE [{column}] {condition}') if i in expected}
        wanted = {i for i, value in values.items() if test(value)}
        check(f'{table}: WHERE {column} {condition}', rows == wanted and wanted)


checks = failed = 0


def check(name, passed):
    global checks, failed
    checks += 1
    failed += not passed
    print('ok' if passed else 'not ok', checks, '-', name)


sys.exit(1 if main() else 0)
