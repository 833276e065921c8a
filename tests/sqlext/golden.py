# SPDX-License-Identifier: MIT
"""Golden SQL cases: tests/golden/<case>/ holds input.jsonl (and input-2.jsonl, ..., each an ingest of its own), query.sql and
expected.csv. Of query.sql every statement is run, its rows written as CSV below the names of its columns. A first line
`-- spans per segment: 4` makes segments that small.

Usage: golden.py MAKE_STORE EXTENSION FOLDER [--update]"""

import csv
import io
import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile


def statements(text):
    part = ""
    for line in text.splitlines(keepends=True):
        part += line
        if sqlite3.complete_statement(part):
            yield part
            part = ""
    if part.strip():
        raise ValueError("query.sql ends inside a statement")


def answer(make_store, extension, case, folder):
    query = (case / "query.sql").read_text(encoding="utf-8")
    inputs = sorted(case.glob("input*.jsonl"), key=lambda path: (len(path.name), path.name))
    size = re.match(r"-- spans per segment: (\d+)", query)
    store = pathlib.Path(folder) / f"{case.name}.db"
    if not inputs:
        raise ValueError("no input.jsonl")
    subprocess.run([make_store, "-s", size.group(1) if size else "0", store.name,
                    *[path.resolve() for path in inputs]], check=True, cwd=folder)
    db = sqlite3.connect(store)
    db.enable_load_extension(True)
    db.load_extension(extension)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for statement in statements(query):
        try:
            cursor = db.execute(statement)
            rows = cursor.fetchall()
        except sqlite3.Error as error:
            out.write(f"error: {error}\n\n")
            continue
        if cursor.description is None:
            continue  # a statement without a result
        writer.writerow([column[0] for column in cursor.description])
        writer.writerows([["NULL" if v is None else v.hex() if isinstance(v, bytes) else v for v in row] for row in rows])
        out.write("\n")
    db.close()
    return out.getvalue()


def main():
    make_store, extension, golden = sys.argv[1:4]
    update = "--update" in sys.argv
    make_store = str(pathlib.Path(make_store).resolve())
    cases = sorted(path.parent for path in pathlib.Path(golden).glob("*/query.sql"))
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(cases, 1):
            found = answer(make_store, extension, case, folder)
            path = case / "expected.csv"
            if update:
                path.write_text(found, encoding="utf-8")
            expected = path.read_text(encoding="utf-8") if path.exists() else ""
            good = found == expected and found.strip() != ""
            failures += not good
            print("ok" if good else "not ok", number, "-", case.name.replace("_", " "))
            if not good:
                for old, new in zip(expected.splitlines() + [""] * 1000, found.splitlines()):
                    if old != new:
                        print(f"# expected {old}\n# found    {new}")
                        break
    print(f"1..{len(cases)}")
    sys.exit(failures > 0 or not cases)


main()
