# SPDX-License-Identifier: MIT
"""docs/validation.md says what quality_rules says, and its examples run.

Usage: quality_documents.py MAKE_STORE EXTENSION SOURCE_ROOT"""

import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile

failures = tests = 0


def check(name, good, detail=""):
    global failures, tests
    tests += 1
    failures += not good
    print("ok" if good else "not ok", tests, "-", name)
    if not good:
        print("# " + str(detail).replace("\n", "\n# "))


def catalogue(text):
    part = text.split("\n## Catalogue\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("| ")]
    return {row[0]: row[1:] for row in rows[1:] if not row[0].startswith("-")}


def main():
    make_store, extension, root = sys.argv[1:4]
    root = pathlib.Path(root)
    text = (root / "docs/validation.md").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        store = pathlib.Path(folder) / "samples.db"
        dumps = sorted((root / "samples/dumps").glob("webshop*.jsonl"), reverse=True)
        subprocess.run([make_store, store, *dumps], check=True)
        db = sqlite3.connect(store)
        db.enable_load_extension(True)
        db.load_extension(extension)
        said = catalogue(text)
        found = {}
        for row in db.execute("SELECT id, stage, severity, default_threshold, unit, source, description, default_enabled FROM quality_rules"):
            found[row[0]] = [row[1], row[2], "" if row[3] is None else f"{row[3]} {row[4]}", row[5],
                             row[6] + ("" if row[7] else ". **Off** unless switched on")]
        check("every rule is in the catalogue, and no other", said.keys() == found.keys() and found, set(said) ^ set(found))
        for rule in found:
            shown = said.get(rule, [])
            check(f"{rule} as it is", shown[:2] + shown[3:] == found[rule], f"said {shown}\nfound {found[rule]}")
        for block in re.findall(r"^```sql\n(.*?)^```", text, re.M | re.S):
            first = next(line for line in block.splitlines() if not line.startswith("--"))
            try:
                rows = db.execute(block).fetchall()
                check(first, rows or "-- may be empty" in block, "no rows")
            except sqlite3.Error as error:
                check(first, False, error)
        for table in ("quality_issues", "instrumentation_score"):
            part = text.split(f"\n## {table}\n")[1].split("\n## ")[0]
            names = [n for row in re.findall(r"^\| ([a-z_, ]+) \|", part, re.M) for n in row.split(", ") if n != "column"]
            columns = [row[0] for row in db.execute(f"SELECT name FROM pragma_table_info('{table}')")]
            check(f"columns of {table}", names == columns, f"{names}\n{columns}")
    print(f"1..{tests}")
    return failures > 0 or tests < 40


sys.exit(main())
