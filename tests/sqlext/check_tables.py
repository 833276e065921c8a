# SPDX-License-Identifier: MIT
"""Every table but `spans` against what it must say, on spans that are awkward on purpose.

traces, services, operations, resources and scopes against SQL over `spans`; events, links and
attributes against what was written; and every pushed-down WHERE against a plain copy of the table.

Usage: check_tables.py MAKE_STORE EXTENSION"""

import collections
import math
import pathlib
import random
import sqlite3
import subprocess
import sys
import tempfile

import adversarial

failures = 0
tests = 0


def check(name, good, detail=""):
    global failures, tests
    tests += 1
    if not good:
        failures += 1
        for line in str(detail).splitlines()[:12]:
            print("#", line[:400])
    print("ok" if good else "not ok", tests, "-", name)


def comparable(value):
    """NaN aside, values by type: 1, 1.0, '1' and b'1' are four values."""
    return (type(value).__name__, repr(value))


def compare(name, expected, found):
    a = collections.Counter(tuple(map(comparable, row)) for row in expected)
    b = collections.Counter(tuple(map(comparable, row)) for row in found)
    missing, extra = a - b, b - a
    check(name, a and not missing and not extra,
          f"{sum(a.values())} rows expected, {sum(b.values())} found\n"
          + "\n".join(f"missing {n}x {[v[1] for v in row]}" for row, n in list(missing.items())[:5]) + "\n"
          + "\n".join(f"extra {n}x {[v[1] for v in row]}" for row, n in list(extra.items())[:5]))


TRACES = """
WITH root AS (
  SELECT trace_id, service, name, span_id, duration_ns,
         row_number() OVER (PARTITION BY trace_id ORDER BY start_ns) AS place
  FROM spans WHERE parent_span_id IS NULL)
SELECT s.trace_id, min(start_ns), max(end_ns), max(end_ns) - min(start_ns), min(started_at),
       count(*), sum(status = 'error'), CASE WHEN sum(status = 'error') THEN 'error' ELSE 'ok' END,
       sum(event_count), sum(link_count), count(DISTINCT service), max(depth),
       sum(parent_span_id IS NULL),
       sum(parent_span_id IS NOT NULL AND (s.trace_id, s.parent_span_id) NOT IN
           (SELECT trace_id, span_id FROM spans)),
       (min(start_ns) / 60000000000) * 60000000000, count(DISTINCT segment_id)
FROM spans s GROUP BY s.trace_id"""
TRACES_FOUND = """
SELECT trace_id, start_ns, end_ns, duration_ns, started_at, span_count, error_count, status,
       event_count, link_count, service_count, depth, root_count, orphan_count, minute_ns,
       segment_count FROM traces"""

# Of roots that start at the same time any may be meant.
ROOTS = """
SELECT count(*) FROM traces t WHERE root_count > 0 AND NOT EXISTS (
  SELECT 1 FROM spans s WHERE s.trace_id = t.trace_id AND s.span_id = t.root_span_id
    AND s.parent_span_id IS NULL AND s.service IS t.root_service AND s.name = t.root_name
    AND s.duration_ns = t.root_duration_ns
    AND s.start_ns = (SELECT min(start_ns) FROM spans r
                      WHERE r.trace_id = t.trace_id AND r.parent_span_id IS NULL))
  OR root_count = 0 AND (root_span_id IS NOT NULL OR root_name IS NOT NULL)"""

SERVICES_OF_TRACES = """
SELECT trace_id, '[' || coalesce(group_concat(quoted, ','), '') || ']' FROM (
  SELECT trace_id, json_quote(service) AS quoted, min(start_ns) AS first, service
  FROM spans WHERE service IS NOT NULL GROUP BY trace_id, service ORDER BY trace_id, first, service)
GROUP BY trace_id"""

ORACLES = {
    "traces": (TRACES, TRACES_FOUND),
    "services of traces": (SERVICES_OF_TRACES,
                           "SELECT trace_id, services FROM traces WHERE service_count > 0"),
    "services": (
        """SELECT service, count(*), sum(status = 'error'), count(DISTINCT trace_id),
                  count(DISTINCT name || char(1) || kind), min(start_ns), max(start_ns)
           FROM spans GROUP BY service""",
        "SELECT * FROM services"),
    "operations": (
        """SELECT service, name, kind, count(*), sum(status = 'error'), min(duration_ns),
                  max(duration_ns), min(start_ns), max(start_ns)
           FROM spans GROUP BY service, name, kind""",
        """SELECT service, name, kind, span_count, error_count, duration_min_ns, duration_max_ns,
                  first_seen_ns, last_seen_ns FROM operations"""),
    "resources": (
        """SELECT resource_id, service, count(*), sum(status = 'error'), min(start_ns), max(start_ns),
                  resource FROM spans GROUP BY resource_id""",
        """SELECT id, service, span_count, error_count, first_seen_ns, last_seen_ns, attributes
           FROM resources WHERE span_count > 0"""),
    "scopes": (
        """SELECT scope_name, scope_version, count(*), min(start_ns),
                  max(start_ns) FROM spans GROUP BY 1, 2""",
        "SELECT name, version, span_count, first_seen_ns, last_seen_ns FROM scopes WHERE span_count > 0"),
    "segments": (
        """SELECT segment_id, count(*), count(DISTINCT trace_id), sum(event_count), sum(link_count),
                  sum(status = 'error'), min(start_ns), max(start_ns), min(duration_ns), max(duration_ns)
           FROM spans GROUP BY segment_id""",
        """SELECT id, span_count, trace_count, event_count, link_count, error_count, start_min_ns,
                  start_max_ns, duration_min_ns, duration_max_ns FROM segments"""),
}


def check_oracles(db, label):
    for name, (plain, table) in ORACLES.items():
        compare(f"{label}: {name} as computed from spans", db.execute(plain), db.execute(table))
    check(f"{label}: roots of traces are roots", db.execute(ROOTS).fetchone()[0] == 0)
    off = [row for row in db.execute(
        """SELECT o.service, o.name, o.duration_avg_ns, avg(s.duration_ns) AS mean
           FROM operations o JOIN spans s ON s.service IS o.service AND s.name = o.name AND s.kind = o.kind
           GROUP BY o.service, o.name, o.kind""") if not math.isclose(row[2], row[3], rel_tol=1e-12, abs_tol=1e-9)]
    check(f"{label}: averages of operations", not off, off)
    check(f"{label}: segment_columns add up",
          db.execute("""SELECT count(*) FROM segments s WHERE stored_bytes < (
                          SELECT sum(stored_bytes) FROM segment_columns WHERE segment_id = s.id)
                          OR column_count <> (SELECT count(*) FROM segment_columns
                                              WHERE segment_id = s.id)""").fetchone()[0] == 0)


def owners(truth, span):
    resource = truth.resources[span["resource"]]
    yield "span", None, span["attributes"]
    yield "resource", None, resource["attributes"]
    for i, event in enumerate(span["events"]):
        yield "event", i, event["attributes"]
    for i, link in enumerate(span["links"]):
        yield "link", i, link["attributes"]


def check_written(db, truth, label):
    compare(f"{label}: span_events as written",
            [(s["trace_id"], s["span_id"], i, e["time"], e["name"],
              truth.resources[s["resource"]]["service"], s["name"])
             for s in truth.spans for i, e in enumerate(s["events"])],
            db.execute("SELECT trace_id, span_id, ordinal, time_ns, name, service, span_name FROM span_events"))
    compare(f"{label}: span_links as written",
            [(s["trace_id"], s["span_id"], i, k["trace_id"], k["span_id"], k["trace_state"] or None, k["flags"])
             for s in truth.spans for i, k in enumerate(s["links"])],
            db.execute("""SELECT trace_id, span_id, ordinal, linked_trace_id, linked_span_id, trace_state,
                                 flags FROM span_links"""))
    written = [(s["trace_id"], s["span_id"], scope, key, value, kind, position, item)
               for s in truth.spans for scope, item, attributes in owners(truth, s)
               for position, (key, kind, value) in enumerate(attributes)]
    compare(f"{label}: span_attributes as written", written, db.execute("SELECT * FROM span_attributes"))
    ids = collections.Counter((s["trace_id"], s["span_id"]) for s in truth.spans)
    for scope, table, name in (("event", "span_events", "events"), ("link", "span_links", "links")):
        keys = {key for s in truth.spans for item in s[name] for key, _, _ in item["attributes"]}
        for key in sorted(keys)[:12]:
            column, = db.execute("SELECT DISTINCT column_name FROM attribute_keys WHERE scope = ? AND key = ?",
                                 (scope, key)).fetchone()
            # of an item that has the key twice it is not said here which value is shown
            single = {(s["trace_id"], s["span_id"], i): kinds[0][2]
                      for s in truth.spans if ids[s["trace_id"], s["span_id"]] == 1
                      for i, item in enumerate(s[name])
                      for kinds in [[a for a in item["attributes"] if a[0] == key]] if len(kinds) == 1}
            if not single:
                continue
            found = db.execute(f"SELECT trace_id, span_id, ordinal, [{column}] FROM {table}")
            compare(f"{label}: {table}.[{column}] as written", [(*k, v) for k, v in single.items()],
                    [row for row in found if row[:3] in single])
    totals = collections.Counter()
    for s in truth.spans:
        for scope, _, attributes in owners(truth, s):
            if scope != "resource":
                totals.update((scope, key, kind) for key, kind in {(k, t) for k, t, _ in attributes})
    counted = {row[:3]: row[3] for row in db.execute(
        "SELECT scope, key, type, value_count FROM attribute_keys WHERE scope IN ('span', 'event', 'link')")}
    check(f"{label}: attribute_keys counts", counted == dict(totals),
          set(counted.items()) ^ set(totals.items()))


def literal(rng, value):
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, str):
        value = value.upper() if rng.random() < .05 else value
        return "'" + value.replace("'", "''") + "'"
    if rng.random() < .1:
        return f"'{value}'"
    return "9e999" if value == math.inf else repr(value)


def condition(rng, column, samples):
    value = rng.choice(samples)
    name = f"[{column}]"
    operator = rng.choice(["=", "=", "=", "<", "<=", ">", ">=", "<>", "IN", "LIKE", "GLOB", "IS NULL",
                           "IS NOT NULL", "BETWEEN", "IS"])
    if operator in ("IS NULL", "IS NOT NULL"):
        return f"{name} {operator}"
    if operator == "IN":
        return f"{name} IN ({', '.join(literal(rng, rng.choice(samples)) for _ in range(rng.randrange(1, 5)))})"
    if operator == "BETWEEN":
        return f"{name} BETWEEN {literal(rng, value)} AND {literal(rng, rng.choice(samples))}"
    if operator in ("LIKE", "GLOB"):
        star = "%" if operator == "LIKE" else "*"
        return f"{name} {operator} {literal(rng, str(value)[:rng.randrange(5)] + star)}"
    return f"{name} {operator} {literal(rng, value)}"


def check_where(db, table, columns, label, rounds, rng):
    """Random conditions give the same rows on the table and on a plain copy of it."""
    declared = ", ".join(f"[{c}]" for c in columns)
    types = {row[1]: row[2] for row in db.execute(f"PRAGMA table_xinfo({table})")}
    nocase = {c for c in columns if c.endswith("_id")}
    db.execute(f"DROP TABLE IF EXISTS temp.plain_{table}")
    db.execute(f"CREATE TEMP TABLE plain_{table}(" + ", ".join(
        f"[{c}] {types.get(c, '')} {'COLLATE NOCASE' if c in nocase else ''}" for c in columns) + ")")
    db.execute(f"INSERT INTO temp.plain_{table} SELECT {declared} FROM {table}")
    rows = db.execute(f"SELECT * FROM temp.plain_{table} LIMIT 5000").fetchall()
    samples = {c: [row[i] for row in rows] for i, c in enumerate(columns)}
    wrong = []
    hits = 0
    for _ in range(rounds):
        where = condition(rng, *(lambda c: (c, samples[c]))(rng.choice(columns)))
        for _ in range(rng.choice([0, 0, 1, 1, 2])):
            where = f"{where} {rng.choice(['AND', 'AND', 'OR'])} " + condition(
                rng, *(lambda c: (c, samples[c]))(rng.choice(columns)))
        tail = ""
        if table == "traces":
            order = rng.choice(["", "", "start_ns", "duration_ns", "started_at DESC", "duration_ns DESC"])
            tail = f" ORDER BY {order}, trace_id" if order and rng.random() < .3 else ""
            if order and not tail:
                found = [r[0] for r in db.execute(
                    f"SELECT {order.split()[0]} FROM traces WHERE {where} ORDER BY {order} LIMIT 7")]
                plain = [r[0] for r in db.execute(
                    f"SELECT {order.split()[0]} FROM temp.plain_traces WHERE {where} ORDER BY {order} LIMIT 7")]
                if found != plain:
                    wrong.append(f"{where} ORDER BY {order} LIMIT 7")
        found = db.execute(f"SELECT {declared} FROM {table} WHERE {where}{tail}").fetchall()
        plain = db.execute(f"SELECT {declared} FROM temp.plain_{table} WHERE {where}{tail}").fetchall()
        hits += len(plain) > 0
        if not tail:
            found, plain = sorted(found, key=repr), sorted(plain, key=repr)
        if list(map(repr, found)) != list(map(repr, plain)):
            wrong.append(f"{where}{tail}: {len(plain)} expected, {len(found)} found")
    check(f"{label}: {table} WHERE ... as a plain table ({hits} of {rounds} found something)",
          not wrong and hits > 0, "\n".join(wrong))


def check_layout(db, label):
    """What the stores are made for: split traces, keys without a column."""
    split, = db.execute("SELECT count(*) FROM traces WHERE segment_count > 1").fetchone()
    extras, = db.execute("SELECT count(*) FROM segment_columns WHERE in_extras").fetchone()
    check(f"{label}: {split} split traces, {extras} keys in extras",
          (split > 20) == (label == "small segments") and (extras > 5) == (label == "rare keys"))


def check_store(store, extension, truth, label, rounds):
    db = sqlite3.connect(store)
    db.enable_load_extension(True)
    db.load_extension(extension)
    check(f"{label}: all spans are there",
          db.execute("SELECT count(*) FROM spans").fetchone()[0] == len(truth.spans),
          (len(truth.spans), db.execute("SELECT count(*) FROM spans").fetchone()))
    check_layout(db, label)
    check_oracles(db, label)
    check_written(db, truth, label)
    rng = random.Random(7)
    every = lambda table: [row[1] for row in db.execute(f"PRAGMA table_xinfo({table})")]
    for table in ("traces", "span_events", "span_links") if rounds < 50 else ("traces", "span_events", "span_links", "span_attributes", "services", "operations"):
        check_where(db, table, every(table)[:40], label, rounds, rng)
    db.close()


def main():
    make_store, extension = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for label, seed, traces, segment, parts, rounds in (
                ("small segments", 1, 150, 40, 5, 100),
                ("one segment", 2, 120, 0, 1, 60),
                ("rare keys", 3, 1500, 0, 1, 20)):
            truth = adversarial.Generator(seed, rare_keys=label == "rare keys").make(traces)
            files = [folder / f"{seed}-{i}.jsonl" for i in range(parts)]
            truth.write(files)
            store = folder / f"{seed}.db"
            subprocess.run([make_store, "-s", str(segment), store, *files], check=True)
            check_store(store, extension, truth, label, rounds)
    print(f"1..{tests}")
    sys.exit(failures > 0)


main()
