#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs a notebook over a store of the dumps given, without a browser.

    run_notebook.py build/cli/tracekeep build/sqlext/tracekeep.so first_look.ipynb dump.jsonl [more dumps]

Exit code 77: jupyter is not there."""
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile

if len(sys.argv) < 5:
    sys.exit(__doc__)
tracekeep, extension, notebook, *dumps = map(os.path.abspath, sys.argv[1:])
needed = ["ipykernel", "pandas", "matplotlib"]
missing = [name for name in needed if importlib.util.find_spec(name) is None]
if missing or not shutil.which("jupyter-nbconvert"):
    print("skipped, not there:", *missing or ["jupyter-nbconvert"])
    sys.exit(77)
with tempfile.TemporaryDirectory() as folder:
    store = os.path.join(folder, "store.db")
    subprocess.run([tracekeep, "ingest", store, *dumps], check=True)
    subprocess.run(
        ["jupyter-nbconvert", "--to", "notebook", "--execute", "--output-dir", folder, notebook],
        check=True, env={**os.environ, "TK_STORE": store, "TK_EXTENSION": extension})
