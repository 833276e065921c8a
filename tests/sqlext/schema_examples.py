# SPDX-License-Identifier: MIT
"""Runs every ```sql block of docs/schema.md and docs/sampling.md with the stock sqlite3 shell and the extension, on a store made from
samples/dumps. A block fails on an error, or without a row unless it says `-- may be empty`.

Usage: schema_examples.py MAKE_STORE EXTENSION SOURCE_ROOT"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile


def columns_said(text, heading):
    """Names in the table behind a heading."""
    part = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    names = []
    for row in re.findall(r"^\| ([^|]*) \|", part, re.M):
        names += re.findall(r"[a-z_0-9]+", row.replace("*hidden:*", "")) if "`" not in row else []
    return [name for name in names if name not in ("column", "hidden")]


def main():
    make_store, extension, root = sys.argv[1:4]
    shell = shutil.which("sqlite3")
    if not shell:
        print("1..0 # SKIP no sqlite3 shell")
        return 0
    root = pathlib.Path(root)
    text = (root / "docs/schema.md").read_text(encoding="utf-8")
    sampling = (root / "docs/sampling.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sql\n(.*?)^```", text + "\n" + sampling, re.M | re.S)
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        store = pathlib.Path(folder) / "samples.db"
        dumps = sorted((root / "samples/dumps").glob("webshop*.jsonl"), reverse=True)
        subprocess.run([make_store, store, *dumps], check=True)

        def ask(sql):
            return subprocess.run([shell, "-batch", "-bail", store, "-cmd", f".load {extension}"], input=sql,
                                  capture_output=True, text=True, check=False)

        for number, block in enumerate(blocks, 1):
            result = ask(block)
            good = result.returncode == 0 and not result.stderr
            if "-- may be empty" not in block:
                good = good and result.stdout.strip() != ""
            failures += not good
            first = next(line for line in block.splitlines() if not line.startswith("--"))
            print("ok" if good else "not ok", number, "-", first[:90].replace("#", ""))
            if not good:
                print("# " + (result.stderr or "no rows").replace("\n", "\n# "))
        number = len(blocks)
        for page, table in ((text, "spans"), (text, "traces"), (text, "span_events"), (text, "span_links"), (text, "span_attributes"),
                            (sampling, "sampling_decisions")):
            number += 1
            said = columns_said(page, table)
            found = ask(f"SELECT name FROM pragma_table_xinfo('{table}') WHERE name NOT LIKE '%.%'").stdout.split()
            good = len(said) > 5 and said == found
            failures += not good
            print("ok" if good else "not ok", number, "- columns of", table, "are those of the table")
            if not good:
                print("#", set(said) ^ set(found) or (said, found))
        for table in ("resources", "scopes", "services", "operations", "attribute_keys", "segments", "segment_columns",
                      "ingests", "ingest_issues"):
            number += 1
            part = re.search(rf"^\*\*{table}\*\*: (.*?)\n\n", text, re.M | re.S)
            found = ask(f"SELECT name FROM pragma_table_xinfo('{table}')").stdout.split()
            missing = [name for name in found if not part or not re.search(rf"\b{name}\b", part.group(1))]
            failures += bool(missing or not found)
            print("not ok" if missing or not found else "ok", number, "- columns of", table, "are all named")
            if missing:
                print("#", missing)
    number += 1
    rules = re.findall(r'X\([A-Z0-9_]+, "([a-z0-9_.]+)", ([A-Z]+),',
                       (root / "cli/input/issue_rules.h").read_text(encoding="utf-8"))
    unknown = [name for name, severity in rules
               if not re.search(rf"^\| [^|]*(?<![\w.]){re.escape(name)}(?![\w.])[^|]* \| {severity.lower()} \|", text, re.M)]
    failures += bool(unknown or not rules)
    print("not ok" if unknown or not rules else "ok", number, "- every rule of the readers is listed, with its severity")
    if unknown:
        print("#", unknown)
    print(f"1..{number}")
    return failures > 0 or not blocks


sys.exit(main())
