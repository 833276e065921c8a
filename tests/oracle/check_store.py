#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Ingests OTLP JSON dumps with tracekeep and compares the store with what was computed without it.

    check_store.py --tracekeep build/cli/tracekeep --extension build/sqlext/tracekeep.so \\
                   [--queries samples/queries [--skip name.sql]] [--truth sheet.json] dump.jsonl [more dumps]

Compared are the answer sheet (otlp_truth.py against sql_truth.py; or `--truth` instead of the former) and
what each query of `--queries` answers on the store and on plain tables of the same dumps. Then the
dumps are ingested once more, and the sheet must still be the same. Exit code 1: something
differs; 77: a dump is not there, or the sqlite3 shell. Paths may name
environment variables, as $TK_SHARED_DATA/trainticket/trainticket.otlp.jsonl.zst."""
import argparse
import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import otlp_truth  # noqa: E402
import plain_store  # noqa: E402
import sheet  # noqa: E402
import sql_truth  # noqa: E402

SKIPPED = 77


def without_formatting(sql):
    """Formatted numbers would hide small differences, and are tested elsewhere."""
    return re.sub(r"\bformat_(duration|time)\(", "(", sql)


def on_plain_tables(sql):
    return re.sub(r"FROM trace_tree\(\((.*?)\)\)",
                  r"FROM (SELECT * FROM spans WHERE trace_id = (\1) ORDER BY rowid)", sql, flags=re.S)


def same_value(left, right):
    numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
    if numbers and (isinstance(left, float) or isinstance(right, float)):
        return math.isclose(left, right, rel_tol=1e-12)
    return left == right


def same_rows(left, right):
    return len(left) == len(right) and all(
        len(a) == len(b) and all(same_value(x, y) for x, y in zip(a, b)) for a, b in zip(left, right))


class Checker:
    def __init__(self):
        self.failed = False

    def say(self, good, what):
        print("ok" if good else "NOT ok", "-", what)
        self.failed |= not good

    def check_sheet(self, store, expected, what):
        found = sql_truth.answer_sheet(store)
        count, rows = sheet.compare(found, sql_truth.as_stored(expected))
        sheet.report(rows)
        self.say(count > 0 and not rows, f"{what}: {count} keys of the answer sheet")

    def check_query(self, store, plain, path):
        sql = without_formatting(path.read_text(encoding="utf-8")).strip().rstrip(";")
        store.rows(path.read_text(encoding="utf-8"))  # it must also run as it stands
        found = [list(row.values()) for row in store.rows(sql)]
        expected = [list(row) for row in plain.execute(on_plain_tables(sql))]
        good = same_rows(found, expected) and len(expected) > 0
        if not good:
            for row in found:
                print("  found   ", json.dumps(row))
            for row in expected:
                print("  expected", json.dumps(row))
        self.say(good, f"{path.name}: {len(found)} rows")


def ingest(arguments, database):
    done = subprocess.run([arguments.tracekeep, "ingest", database, *arguments.dumps],
                          capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"ingest ended with {done.returncode}: {done.stderr}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tracekeep", required=True)
    parser.add_argument("--extension", required=True)
    parser.add_argument("--queries", type=pathlib.Path)
    parser.add_argument("--skip", action="append", default=[], help="a query not to compare")
    parser.add_argument("--truth")
    parser.add_argument("dumps", nargs="+")
    arguments = parser.parse_args()
    arguments.dumps = [os.path.expandvars(path) for path in arguments.dumps]
    missing = [path for path in arguments.dumps if not os.path.exists(path)]
    if missing or not shutil.which("sqlite3"):
        print("skipped, not there:", *missing or ["sqlite3"])
        sys.exit(SKIPPED)

    if arguments.truth:
        expected = json.loads(pathlib.Path(os.path.expandvars(arguments.truth)).read_text(encoding="utf-8"))
    else:
        expected = otlp_truth.answer_sheet(arguments.dumps)
    checker = Checker()
    with tempfile.TemporaryDirectory() as folder:
        database = os.path.join(folder, "store.db")
        extension = os.path.splitext(os.path.abspath(arguments.extension))[0]
        store = sql_truth.Store(["sqlite3", "-json", database, "-cmd", f".load {extension}"])
        ingest(arguments, database)
        checker.check_sheet(store, expected, "ingested")
        if arguments.queries:
            plain = plain_store.build(":memory:", arguments.dumps)
            plain_store.add_functions(plain)
            for path in sorted(arguments.queries.glob("*.sql")):
                if path.name in arguments.skip:
                    print("skipped -", path.name)
                else:
                    checker.check_query(store, plain, path)
        ingest(arguments, database)
        checker.check_sheet(store, expected, "ingested again")
    sys.exit(1 if checker.failed else 0)


if __name__ == "__main__":
    main()
