#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs every ```sql block of docs/runs.md with the extension, on a store made from samples/run and samples/dumps. A
block fails on an error, or without a row unless it says `-- may be empty`. TAP.

Usage: run_examples.py TRACEKEEP EXTENSION SOURCE_ROOT"""
import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile


def said(text, function):
    """The columns that the table of functions names."""
    row = re.search(r'^\| `%s\([^`]*\)` \| (.*) \|$' % function, text, re.M)
    return set(re.findall(r'[a-z_]+', row[1])) if row else set()


def main():
    tracekeep, extension, root = sys.argv[1:4]
    root = pathlib.Path(root)
    text = (root / 'docs/runs.md').read_text(encoding='utf-8')
    blocks = re.findall(r'^```sql\n(.*?)^```', text, re.M | re.S)
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        store = pathlib.Path(folder) / 'run.db'
        subprocess.run([tracekeep, 'ingest', '--quiet', store, root / 'samples/run/report-envelope.json',
                        *sorted((root / 'samples/dumps').glob('webshop*.otlp.jsonl'))], check=True)
        db = sqlite3.connect(store)
        db.enable_load_extension(True)
        db.load_extension(extension)
        for number, block in enumerate(blocks, 1):
            problem = None
            try:
                if not db.execute(block).fetchall() and '-- may be empty' not in block:
                    problem = 'no rows'
            except (sqlite3.Error, sqlite3.Warning) as error:
                problem = str(error)
            failures += problem is not None
            first = next(line for line in block.splitlines() if not line.startswith('--'))
            print('not ok' if problem else 'ok', number, '-', first[:90].replace('#', ''))
            if problem:
                print('#', problem)
        number = len(blocks)
        for function in ('kvonce_projection', 'kvonce_keys', 'kvonce_state', 'kvonce_validate', 'inventory_projection',
                         'inventory_validate', 'observability_validate'):
            number += 1
            columns = [row[1] for row in db.execute("SELECT * FROM pragma_table_info('%s')" % function)]
            missing = [name for name in columns if name not in said(text, function)]
            failures += bool(missing or not columns)
            print('not ok' if missing or not columns else 'ok', number, '- columns of', function, 'are all named')
            if missing:
                print('#', missing)
        number += 1
        columns = [row[1] for row in db.execute("SELECT * FROM pragma_table_xinfo('kvonce_events')")]
        missing = [name for name in columns if not re.search(r'^\| [^|]*\b%s\b[^|]* \|' % name, text, re.M)]
        failures += bool(missing or not columns)
        print('not ok' if missing or not columns else 'ok', number, '- columns of kvonce_events are all described')
        if missing:
            print('#', missing)
    print('1..%d' % number)
    return 1 if failures or not blocks else 0


if __name__ == '__main__':
    sys.exit(main())
