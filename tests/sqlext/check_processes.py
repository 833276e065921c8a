# SPDX-License-Identifier: MIT
"""Reads a store in this process while another one ingests into it: every transaction sees whole commits, the same in all
tables, never less than before, and the keys that came with them as columns.

Usage: check_processes.py MAKE_STORE EXTENSION"""

import json
import pathlib
import sqlite3
import subprocess
import sys
import tempfile

FILES, SPANS = 8, 60
BASE = 1_760_000_000_000_000_000


def write(path, number):
    with open(path, "w", encoding="utf-8") as file:
        for i in range(SPANS):
            span = number * SPANS + i
            file.write(json.dumps({"resourceSpans": [{
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": f"s{i % 3}"}}]},
                "scopeSpans": [{"spans": [{
                    "traceId": f"{span // 6 + 1:032x}", "spanId": f"{span + 1:016x}", "name": f"op {i % 5}", "kind": 2,
                    "startTimeUnixNano": str(BASE + span * 1000), "endTimeUnixNano": str(BASE + span * 1000 + 500),
                    "attributes": [{"key": f"key.{number}", "value": {"intValue": str(span)}}],
                    "events": [{"timeUnixNano": str(BASE), "name": "e",
                                "attributes": [{"key": f"event.key.{number}", "value": {"intValue": "1"}}]}]}]}]}]}) + "\n")


def read(db):
    db.execute("BEGIN")
    spans, = db.execute("SELECT count(*) FROM spans").fetchone()
    others = [db.execute(sql).fetchone()[0] or 0 for sql in (
        "SELECT sum(span_count) FROM traces", "SELECT sum(span_count) FROM services",
        "SELECT sum(span_count) FROM operations", "SELECT count(*) FROM span_events", "SELECT sum(span_count) FROM segments",
        "SELECT count(*) FROM span_attributes WHERE scope = 'span'",
        "SELECT sum(value_count) FROM attribute_keys WHERE scope = 'event'")]
    keys = db.execute("SELECT scope, column_name, value_count FROM attribute_keys WHERE scope IN ('span', 'event')").fetchall()
    shown = [db.execute(f"SELECT count([{column}]) FROM {'spans' if scope == 'span' else 'span_events'}").fetchone()[0]
             for scope, column, _ in keys]
    db.execute("COMMIT")
    return spans, others, [count for _, _, count in keys] == shown


def main():
    make_store, extension = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as folder:
        files = [pathlib.Path(folder) / f"{i}.jsonl" for i in range(FILES)]
        for number, path in enumerate(files):
            write(path, number)
        store = pathlib.Path(folder) / "store.db"
        subprocess.run([make_store, "-s", "32", store, files[0]], check=True)
        db = sqlite3.connect(store, isolation_level=None, timeout=10)
        db.enable_load_extension(True)
        db.load_extension(extension)
        db.execute("CREATE TEMP VIEW slow AS SELECT * FROM traces WHERE duration_ns > 0")
        writers = subprocess.Popen([make_store, "-s", "32", "-d", "1", store, *files[1:5]])
        last = rounds = 0
        wrong = []
        sizes = set()
        while True:
            running = writers.poll() is None
            spans, others, same = read(db)
            rounds += 1
            sizes.add(spans)
            if spans < last or any(other != spans for other in others) or not same:
                wrong.append((last, spans, others, same))
            last = spans
            if not running:
                break
        good = not wrong and last == 5 * SPANS and writers.returncode == 0 and len(sizes) > 2
        print("ok" if good else "not ok", f"1 - {rounds} transactions saw {len(sizes)} states, each whole")
        if not good:
            print("#", wrong[:3], last, sizes)
        # Two at once: the later one gets its turn, or says that the store is busy.
        both = [subprocess.Popen([make_store, "-s", "32", store, path], stderr=subprocess.PIPE) for path in files[5:7]]
        for process in both:
            process.communicate()
        for path in files[5:]:
            subprocess.run([make_store, "-s", "32", store, path], check=True)
        spans, others, same = read(db)
        good = spans == FILES * SPANS and all(other == spans for other in others) and same
        print("ok" if good else "not ok", "2 - what two writers fought over is there once")
        if not good:
            print("#", spans, others, same)
        views, = db.execute("SELECT count(*) FROM slow").fetchone()
        print("ok" if views == FILES * SPANS // 6 else "not ok", "3 - views follow")
        db.close()
    print("1..3")


main()
