#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Answer sheet of a store, asked in SQL only, to compare with the one otlp_truth.py gives of the dumps.

    sql_truth.py [--compare sheet.json] -- sqlite3 -json store.db -cmd '.load build/sqlext/tracekeep'

The words after `--` are a command that takes SQL as one more argument and prints JSON rows. What only
the file knows (lines, duplicates, how often a resource was repeated) is left out of the comparison.

Besides the sheet, `checks` asks the store for the same fact in two ways; every entry must be 0."""
import argparse
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sheet  # noqa: E402

KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"]
STATUSES = ["unset", "ok", "error"]
TYPES = {"string": "stringValue", "bool": "boolValue", "int": "intValue", "double": "doubleValue",
         "array": "arrayValue", "kvlist": "kvlistValue", "bytes": "bytesValue", "empty": "empty"}
STORED_SCOPES = ["span", "event", "link"]
FILE_ONLY = ["lines", "resource_spans", "scope_spans", "spans", "duplicate_spans"]

# Spans as plain rows, so that SQLite joins them by an index of its own and not through the tables
# under test; `ids` has a span id once even where client and server share it.
WITH_IDS = """
WITH RECURSIVE plain AS MATERIALIZED (
  SELECT trace_id, span_id, parent_span_id, service, depth FROM spans
), ids AS MATERIALIZED (
  SELECT trace_id, span_id, min(service) AS service FROM plain GROUP BY trace_id, span_id
)"""

# Roots and orphans first, then downwards; the limit ends a cycle of parents.
WITH_TREE = WITH_IDS + """, tree(trace_id, span_id, depth) AS (
  SELECT plain.trace_id, plain.span_id, 1
  FROM plain LEFT JOIN ids
    ON ids.trace_id = plain.trace_id AND ids.span_id = plain.parent_span_id
  WHERE ids.span_id IS NULL
  UNION ALL
  SELECT plain.trace_id, plain.span_id, tree.depth + 1
  FROM tree JOIN plain
    ON plain.trace_id = tree.trace_id AND plain.parent_span_id = tree.span_id
  WHERE tree.depth < 1000
)"""

TOTALS = """
SELECT count(*) AS distinct_spans,
       min(start_ns) AS start_min_ns,
       max(end_ns) AS end_max_ns,
       sum(parent_span_id IS NULL) AS roots,
       sum(coalesce(trace_state, '') <> '') AS tracestate,
       (SELECT count(*) FROM traces) AS traces,
       (SELECT count(*) FROM span_events) AS events,
       (SELECT count(*) FROM span_links) AS links
FROM spans"""

TRACE_ROOTS = """
SELECT coalesce(sum(roots = 0), 0) AS traces_without_root,
       coalesce(sum(roots > 1), 0) AS traces_with_many_roots
FROM (SELECT sum(parent_span_id IS NULL) AS roots FROM spans GROUP BY trace_id)"""

ORPHANS = WITH_IDS + """
SELECT count(*) AS orphan_spans
FROM plain LEFT JOIN ids ON ids.trace_id = plain.trace_id AND ids.span_id = plain.parent_span_id
WHERE plain.parent_span_id IS NOT NULL AND ids.span_id IS NULL"""

FANOUT = WITH_IDS + """
SELECT coalesce(max(children), 0) AS max_fanout
FROM (SELECT count(*) AS children
      FROM plain JOIN ids ON ids.trace_id = plain.trace_id AND ids.span_id = plain.parent_span_id
      GROUP BY ids.trace_id, ids.span_id)"""

EDGES = WITH_IDS + """
SELECT ids.service AS parent, plain.service AS child, count(*) AS n
FROM plain JOIN ids ON ids.trace_id = plain.trace_id AND ids.span_id = plain.parent_span_id
WHERE ids.service IS NOT plain.service
GROUP BY ids.service, plain.service"""

TRACE_SIZES = "SELECT count(*) AS n FROM spans GROUP BY trace_id ORDER BY n"


def durations_by(columns):
    """Durations with nearest-rank quantiles, by window functions rather than by quantile()."""
    return f"""
WITH ranked AS (
  SELECT {columns}, duration_ns, status = 'error' AS is_error,
         row_number() OVER (PARTITION BY {columns} ORDER BY duration_ns) AS rank,
         count(*) OVER (PARTITION BY {columns}) AS n
  FROM spans
)
SELECT {columns}, sum(is_error) AS errors, count(*) AS count, sum(duration_ns) AS sum_ns,
       min(duration_ns) AS min_ns, max(duration_ns) AS max_ns,
       max(CASE WHEN rank = (n * 50 + 99) / 100 THEN duration_ns END) AS p50_ns,
       max(CASE WHEN rank = (n * 95 + 99) / 100 THEN duration_ns END) AS p95_ns,
       max(CASE WHEN rank = (n * 99 + 99) / 100 THEN duration_ns END) AS p99_ns
FROM ranked GROUP BY {columns}"""


# Each counts contradictions between two ways to ask.
CHECKS = {
    "depth column is the recursive depth": """
SELECT (SELECT count(*) FROM (SELECT depth, count(*) FROM tree GROUP BY depth
        EXCEPT SELECT depth + 1, count(*) FROM spans GROUP BY depth))
     + (SELECT count(*) FROM plain) - (SELECT count(*) FROM tree) AS n""",
    "child_count is the number of children": """
SELECT (SELECT sum(child_count) FROM spans)
     - (SELECT count(*) FROM plain JOIN ids
        ON ids.trace_id = plain.trace_id AND ids.span_id = plain.parent_span_id) AS n""",
    "traces has every trace id once": """
SELECT (SELECT count(DISTINCT trace_id) FROM spans) - (SELECT count(*) FROM traces)
     + (SELECT count(*) FROM (SELECT trace_id FROM spans EXCEPT SELECT trace_id FROM traces)) AS n""",
    "duration is end minus start": """
SELECT count(*) AS n FROM spans WHERE duration_ns <> end_ns - start_ns""",
    "time buckets": """
SELECT count(*) AS n FROM spans WHERE minute_ns <> start_ns - start_ns % 60000000000
  OR hour_ns <> start_ns - start_ns % 3600000000000
  OR day_ns <> start_ns - start_ns % 86400000000000""",
    "event_count and span_events": """
SELECT (SELECT coalesce(sum(event_count), 0) FROM spans) - (SELECT count(*) FROM span_events) AS n""",
    "link_count and span_links": """
SELECT (SELECT coalesce(sum(link_count), 0) FROM spans) - (SELECT count(*) FROM span_links) AS n""",
    "ids are lower-case hex": """
SELECT count(*) AS n FROM spans
WHERE trace_id GLOB '*[^0-9a-f]*' OR length(trace_id) <> 32
   OR span_id GLOB '*[^0-9a-f]*' OR length(span_id) <> 16""",
}


class Store:
    def __init__(self, command):
        self.command = command

    def rows(self, sql):
        """Rows as dictionaries. (The shell prints nothing at all for no rows.)"""
        # The line break keeps a comment at the start from being taken for an option.
        done = subprocess.run([*self.command, "\n" + sql], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"sql_truth.py: {done.stderr.strip()}\nin:{sql}")
        return json.loads(done.stdout) if done.stdout.strip() else []

    def row(self, sql):
        return self.rows(sql)[0]

    def counts(self, sql):
        """{(all columns but the last): last}; a NULL name is an empty one."""
        result = {}
        for row in self.rows(sql):
            *key, count = row.values()
            result[tuple("" if part is None else part for part in key)] = count
        return result


def named_counts(store, column, names):
    counts = store.counts(f"SELECT {column}, count(*) AS n FROM spans GROUP BY {column}")
    return {str(names.index(name)): n for (name,), n in counts.items()}


def attribute_facts(store):
    types, keys = {}, {}
    for scope in sheet.SCOPES:
        where = f"FROM span_attributes WHERE scope = '{scope}'"
        if scope in STORED_SCOPES:
            keys[scope] = sheet.ranked(store.counts(f"SELECT key, count(*) AS n {where} GROUP BY key"))
            counts = store.counts(f"SELECT type, count(*) AS n {where} GROUP BY type")
            types |= {f"{scope}:{TYPES.get(kind, kind)}": n for (kind,), n in counts.items()}
        else:
            keys[scope] = [row["key"] for row in store.rows(f"SELECT DISTINCT key {where} ORDER BY key")]
    return {
        "attribute_types": types,
        "attribute_keys": keys,
        "attribute_key_count": {scope: len(names) for scope, names in keys.items()},
    }


def duration_facts(store):
    services = {row.pop("service") or "": row for row in store.rows(durations_by("service"))}
    operations = [{"service": row.pop("service") or "", "operation": row.pop("name"), **row}
                  for row in store.rows(durations_by("service, name"))]
    return {
        "services": len(services),
        "operations": len(operations),
        "by_service": services,
        "by_operation": sheet.ranked_operations(operations),
    }


def trace_facts(store):
    slowest = """SELECT trace_id, max(end_ns) - min(start_ns) AS ns FROM spans
GROUP BY trace_id ORDER BY ns DESC, trace_id LIMIT 20"""
    biggest = """SELECT trace_id, count(*) AS n FROM spans
GROUP BY trace_id ORDER BY n DESC, trace_id LIMIT 20"""
    depths = store.counts(WITH_TREE + "SELECT depth, count(*) AS n FROM tree GROUP BY depth")
    return {
        "spans_per_trace": sheet.sizes_row([row["n"] for row in store.rows(TRACE_SIZES)]),
        "max_depth": max(depth for (depth,) in depths),
        "depth_histogram": {str(depth): n for (depth,), n in depths.items()},
        "service_edges": sheet.ranked(store.counts(EDGES)),
        "slowest_traces": sheet.ranked(store.counts(slowest)),
        "biggest_traces": sheet.ranked(store.counts(biggest)),
    }


def answer_sheet(store):
    totals = store.row(TOTALS)
    if totals["distinct_spans"] == 0:
        sys.exit("sql_truth.py: the store has no spans")
    scopes = "SELECT scope_name, scope_version, count(*) AS n FROM spans GROUP BY scope_name, scope_version"
    events = "SELECT name, count(*) AS n FROM span_events GROUP BY name"
    return {
        **totals,
        **store.row(TRACE_ROOTS),
        **store.row(ORPHANS),
        **store.row(FANOUT),
        "kinds": named_counts(store, "kind", KINDS),
        "status": named_counts(store, "status", STATUSES),
        "event_names": sheet.ranked(store.counts(events)),
        "scopes": sheet.ranked(store.counts(scopes)),
        **attribute_facts(store),
        **duration_facts(store),
        **trace_facts(store),
        "checks": {name: store.row((WITH_TREE if "tree" in sql or "plain" in sql else "") + sql)["n"]
                   for name, sql in CHECKS.items()},
    }


def as_stored(expected):
    """The sheet of a dump, reduced to what a store can know of it."""
    reduced = {key: value for key, value in expected.items() if key not in FILE_ONLY}
    reduced["attribute_types"] = {key: n for key, n in expected["attribute_types"].items()
                                  if key.split(":")[0] in STORED_SCOPES}
    reduced["attribute_keys"] = {
        scope: rows if scope in STORED_SCOPES else sorted(row[0] for row in rows)
        for scope, rows in expected["attribute_keys"].items()}
    reduced["checks"] = dict.fromkeys(CHECKS, 0)
    return reduced


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compare", metavar="SHEET", help="an answer sheet that must say the same")
    parser.add_argument("command", nargs="+", help="program and arguments, SQL is added as the last")
    arguments = parser.parse_args()
    sheet.finish(answer_sheet(Store(arguments.command)), arguments.compare, as_stored)


if __name__ == "__main__":
    main()
