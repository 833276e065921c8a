#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A plain SQLite database with the tables of a store, made from OTLP JSON dumps without tracekeep.

    plain_store.py plain.db dump.jsonl[.zst] [more dumps]

What a query answers here it must answer on a store of the same dumps. Only columns whose value follows
from the dump alone are there; spans are inserted in the order of trace_tree(). Functions of the
extension that the sample queries use are defined by add_functions(), in their simplest form."""
import json
import math
import os
import sqlite3
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import otlp_truth  # noqa: E402

KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"]
STATUSES = ["unset", "ok", "error"]
TYPES = {"stringValue": "string", "boolValue": "bool", "intValue": "int", "doubleValue": "double",
         "arrayValue": "array", "kvlistValue": "kvlist", "bytesValue": "bytes", "empty": "empty"}
RESOLVED = {  # over present and old semantic conventions
    "http_method": ["http.request.method", "http.method"],
    "http_route": ["http.route"],
    "http_status": ["http.response.status_code", "http.status_code"],
    "db_system": ["db.system.name", "db.system"],
    "db_statement": ["db.query.text", "db.statement"],
    "messaging_destination": ["messaging.destination.name", "messaging.destination"],
    "error_type": ["error.type"],
}
BUCKETS = {"minute_ns": 60, "hour_ns": 3600, "day_ns": 86400}
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def value_of(value):
    """An attribute value as SQL has it."""
    kind = otlp_truth.value_type(value)
    plain = value.get(kind)
    if kind == "intValue":
        return int(plain)
    if kind == "boolValue":
        return int(plain)
    if kind == "doubleValue":
        return float(plain)
    if kind == "arrayValue":
        return json.dumps([value_of(item) for item in plain.get("values", [])])
    if kind == "kvlistValue":
        return json.dumps({item["key"]: value_of(item["value"]) for item in plain.get("values", [])})
    return plain


def attributes_of(holder):
    return {item["key"]: value_of(item.get("value") or {}) for item in holder.get("attributes") or []}


def adjusted_count(trace_state):
    """How many spans one stands for, by the threshold in `ot=th:`; None where there is none."""
    for member in (trace_state or "").split(","):
        vendor, _, fields = member.strip().partition("=")
        for field in fields.split(";") if vendor == "ot" else []:
            if field.startswith("th:"):
                return 2**56 / (2**56 - int(field[3:].ljust(14, "0"), 16))
    return None


def span_row(resource, scope, span):
    own, start, end = attributes_of(span), int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
    of_resource = attributes_of(resource)
    seconds, rest = divmod(start, 10**9)
    row = {
        "trace_id": span["traceId"].lower(), "span_id": span["spanId"].lower(),
        "parent_span_id": (span.get("parentSpanId") or "").lower() or None,
        "service": of_resource.get("service.name"), "name": span.get("name", ""),
        "kind": KINDS[span.get("kind", 0)], "start_ns": start, "end_ns": end, "duration_ns": end - start,
        "started_at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z",
        "status": STATUSES[(span.get("status") or {}).get("code", 0)],
        "scope_name": scope.get("name"), "scope_version": scope.get("version"),
        "event_count": len(span.get("events") or []), "link_count": len(span.get("links") or []),
        "is_root": int(not span.get("parentSpanId")), "depth": 0, "child_count": 0,
        "trace_state": span.get("traceState") or None,
        "adjusted_count": adjusted_count(span.get("traceState")),
    }
    row |= {name: start - start % (width * 10**9) for name, width in BUCKETS.items()}
    row |= {column: next((own[key] for key in keys if key in own), None)
            for column, keys in RESOLVED.items()}
    row |= {"span." + key: value for key, value in own.items()}
    row |= {"resource." + key: value for key, value in of_resource.items()}
    return row


class Rows:
    def __init__(self):
        self.spans, self.events, self.links, self.attributes = {}, [], [], []

    def add_attributes(self, span_ids, scope, holder):
        for item in holder.get("attributes") or []:
            value = item.get("value") or {}
            self.attributes.append((*span_ids, scope, item["key"], value_of(value),
                                    TYPES[otlp_truth.value_type(value)]))

    def add(self, resource, scope, span):
        row = span_row(resource, scope, span)
        ids = (row["trace_id"], row["span_id"])
        if (*ids, row["kind"]) in self.spans:
            return
        self.spans[(*ids, row["kind"])] = row
        self.add_attributes(ids, "resource", resource)
        self.add_attributes(ids, "scope", scope)
        self.add_attributes(ids, "span", span)
        for event in span.get("events") or []:
            self.events.append((*ids, event.get("name", "")))
            self.add_attributes(ids, "event", event)
        for link in span.get("links") or []:
            self.links.append(ids)
            self.add_attributes(ids, "link", link)

    def add_dump(self, path):
        for document in otlp_truth.read_documents(path):
            for resource_spans in document.get("resourceSpans") or []:
                for scope_spans in resource_spans.get("scopeSpans") or []:
                    for span in scope_spans.get("spans") or []:
                        self.add(resource_spans.get("resource") or {}, scope_spans.get("scope") or {}, span)


def in_tree_order(spans):
    """Traces by start; depth-first in each, siblings by start. Fills in depth and child_count."""
    ids = {(row["trace_id"], row["span_id"]) for row in spans}
    children, ordered = {}, []
    for row in sorted(spans, key=lambda row: (row["start_ns"], row["span_id"])):
        parent = (row["trace_id"], row["parent_span_id"])
        children.setdefault(parent if parent in ids else None, []).append(row)
    stack = [(row, 0) for row in reversed(children.get(None, []))]
    while stack:
        row, depth = stack.pop()
        below = children.get((row["trace_id"], row["span_id"]), [])
        row["depth"], row["child_count"] = depth, len(below)
        ordered.append(row)
        stack += [(child, depth + 1) for child in reversed(below)]
    return ordered


def build(database_path, dump_paths):
    """The database, open. `database_path` may be ':memory:'."""
    rows = Rows()
    for path in dump_paths:
        rows.add_dump(path)
    columns = {}  # by lower case, as SQLite compares column names
    for row in rows.spans.values():
        for name in row:
            columns.setdefault(name.lower(), name)
    database = sqlite3.connect(database_path)
    names, marks = ", ".join(f"[{name}]" for name in columns.values()), ", ".join("?" * len(columns))
    database.execute(f"CREATE TABLE spans ({names})")
    database.executemany(f"INSERT INTO spans VALUES ({marks})",
                         ([row.get(name) for name in columns.values()]
                          for row in in_tree_order(rows.spans.values())))
    database.execute("CREATE TABLE traces AS SELECT DISTINCT trace_id FROM spans")
    for table, names, content in [
            ("span_events", "trace_id, span_id, name", rows.events),
            ("span_links", "trace_id, span_id", rows.links),
            ("span_attributes", "trace_id, span_id, scope, key, value, type", rows.attributes)]:
        database.execute(f"CREATE TABLE {table} ({names})")
        marks = ", ".join("?" * len(names.split(",")))
        database.executemany(f"INSERT INTO {table} VALUES ({marks})", content)
    database.execute("CREATE INDEX by_id ON spans (trace_id, span_id)")
    database.commit()
    return database


class Quantile:
    """Linear between the two nearest values."""

    def __init__(self):
        self.values, self.q = [], None

    def step(self, value, q):
        self.q = q
        if value is not None:
            self.values.append(value)

    def finalize(self):
        if not self.values:
            return None
        self.values.sort()
        below, part = divmod(self.q * (len(self.values) - 1), 1)
        low = self.values[int(below)]
        high = self.values[min(int(below) + 1, len(self.values) - 1)]
        return low + part * (high - low)


class WeightedCount:
    """Horvitz and Thompson's estimate, or a limit of it; rows of a cluster were kept together."""
    limit = 0

    def __init__(self):
        self.rows, self.clusters = 0, {}

    def step(self, weight, cluster=None):
        if weight is not None:
            self.rows += 1
            total, greatest = self.clusters.get(cluster, (0, 0))
            self.clusters[cluster] = total + weight, max(greatest, weight)

    def finalize(self):
        if not self.clusters:
            return None
        estimate = float(sum(total for total, _ in self.clusters.values()))
        variance = sum(total**2 * (1 - 1 / greatest) for total, greatest in self.clusters.values())
        found = estimate + self.limit * math.sqrt(variance)
        return max(found, self.rows) if self.limit < 0 else found


class WeightedCountLow(WeightedCount):
    limit = -1.959963984540054


class WeightedCountHigh(WeightedCount):
    limit = 1.959963984540054


class UnknownWeightShare:
    def __init__(self):
        self.rows = self.unknown = 0

    def step(self, weight):
        self.rows += 1
        self.unknown += weight is None

    def finalize(self):
        return self.unknown / self.rows if self.rows else None


def time_bucket(ns, width):
    size = int(width[:-1]) * UNITS[width[-1]] * 10**9
    return ns - ns % size


def add_functions(database):
    database.create_aggregate("quantile", 2, Quantile)
    database.create_aggregate("weighted_count", 1, WeightedCount)
    database.create_aggregate("weighted_count_low", 2, WeightedCountLow)
    database.create_aggregate("weighted_count_high", 2, WeightedCountHigh)
    database.create_aggregate("unknown_weight_share", 1, UnknownWeightShare)
    database.create_function("time_bucket", 2, time_bucket, deterministic=True)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    build(sys.argv[1], sys.argv[2:]).close()
