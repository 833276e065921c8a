#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Answer sheet of an OTLP JSON dump, computed without any of tracekeep's code.

    otlp_truth.py dump.jsonl[.zst] [more dumps]        prints JSON
    otlp_truth.py dump.jsonl --compare sheet.json      exit code 1 and a list where they differ

Several dumps are read as one. A span is identified by (trace id, span id, kind); the first of equal
ones counts, as in a store. What a key means:

  depth           1 at a root or orphan, otherwise one more than the parent's
  orphan          has a parent id, but no span of its trace has that id
  service edge    parent span and child span of different services
  p50, p95, p99   nearest rank: the ceil(n*q)-th smallest
  slowest traces  by the latest end minus the earliest start
  ties            are ordered by name or id, so that two sheets can be compared"""
import argparse
import collections
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sheet  # noqa: E402

TOP = 20


def read_text(path):
    if path.endswith(".zst"):
        return subprocess.run(["zstd", "-dc", path], check=True, capture_output=True).stdout.decode()
    with open(path, encoding="utf-8") as file:
        return file.read()


def read_documents(path):
    """The JSON documents of a dump, one per line, concatenated, or a single one over many lines."""
    text = read_text(path).lstrip("\ufeff")
    decoder = json.JSONDecoder()
    at = 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return
        document, at = decoder.raw_decode(text, at)
        yield document


def value_type(value):
    return next(iter(value), "empty")


class Dump:
    """Every occurrence is counted in `raw` and in the attribute counts; `spans` holds distinct ones."""

    def __init__(self):
        self.raw = collections.Counter()
        self.types = collections.Counter()
        self.keys = {scope: collections.Counter() for scope in sheet.SCOPES}
        self.scopes = collections.Counter()
        self.spans = {}

    def count_attributes(self, scope, holder):
        for attribute in holder.get("attributes") or []:
            self.types[f"{scope}:{value_type(attribute.get('value') or {})}"] += 1
            self.keys[scope][attribute["key"]] += 1

    def add_document(self, document):
        self.raw["lines"] += 1
        for resource_spans in document.get("resourceSpans") or []:
            self.raw["resource_spans"] += 1
            resource = resource_spans.get("resource") or {}
            self.count_attributes("resource", resource)
            service = ""
            for attribute in resource.get("attributes") or []:
                if attribute["key"] == "service.name":
                    service = attribute["value"].get("stringValue", "")
            for scope_spans in resource_spans.get("scopeSpans") or []:
                self.raw["scope_spans"] += 1
                self.add_scope_spans(service, scope_spans)

    def add_scope_spans(self, service, scope_spans):
        scope = scope_spans.get("scope") or {}
        self.count_attributes("scope", scope)
        for span in scope_spans.get("spans") or []:
            self.raw["spans"] += 1
            self.add_span(service, (scope.get("name", ""), scope.get("version", "")), span)

    def add_span(self, service, scope, span):
        kind = span.get("kind", 0)
        trace_id, span_id = span["traceId"].lower(), span["spanId"].lower()
        key = (trace_id, span_id, kind)
        if key in self.spans:
            return
        start = int(span["startTimeUnixNano"])
        events, links = span.get("events") or [], span.get("links") or []
        self.scopes[scope] += 1
        self.count_attributes("span", span)
        for event in events:
            self.count_attributes("event", event)
        for link in links:
            self.count_attributes("link", link)
        self.spans[key] = {
            "trace_id": trace_id, "span_id": span_id, "kind": kind,
            "parent": (span.get("parentSpanId") or "").lower().strip("0") and span["parentSpanId"].lower(),
            "service": service, "name": span.get("name", ""),
            "start": start, "end": int(span["endTimeUnixNano"]),
            "status": (span.get("status") or {}).get("code", 0),
            "events": [event.get("name", "") for event in events],
            "links": len(links), "tracestate": bool(span.get("traceState")),
        }


def place_in_trees(spans):
    """Gives every span its `depth`, and whether it is a root or an orphan; counts children and edges."""
    traces = collections.defaultdict(list)
    for span in spans:
        traces[span["trace_id"]].append(span)
    children, edges = collections.Counter(), collections.Counter()
    for members in traces.values():
        by_id = {span["span_id"]: span for span in members}
        for span in members:
            parent = by_id.get(span["parent"]) if span["parent"] else None
            span["is_root"] = not span["parent"]
            span["is_orphan"] = bool(span["parent"]) and parent is None
            if parent is not None:
                children[(span["trace_id"], span["parent"])] += 1
                if parent["service"] != span["service"]:
                    edges[(parent["service"], span["service"])] += 1
            span["depth"] = depth_of(span, by_id)
    return traces, children, edges


def depth_of(span, by_id):
    depth, seen = 1, {span["span_id"]}
    while span["parent"] in by_id and span["parent"] not in seen:
        span = by_id[span["parent"]]
        seen.add(span["span_id"])
        depth += 1
    return depth


def durations(spans):
    values = sorted(span["end"] - span["start"] for span in spans)
    errors = sum(span["status"] == 2 for span in spans)
    return sheet.duration_row(values, errors)


def group(spans, *names):
    groups = collections.defaultdict(list)
    for span in spans:
        groups[tuple(span[name] for name in names)].append(span)
    return groups


def answer_sheet(paths):
    dump = Dump()
    for path in paths:
        for document in read_documents(path):
            dump.add_document(document)
    spans = list(dump.spans.values())
    if not spans:
        sys.exit("otlp_truth.py: no spans in " + ", ".join(paths))
    traces, children, edges = place_in_trees(spans)
    roots_per_trace = [sum(span["is_root"] for span in members) for members in traces.values()]
    sizes = sorted(len(members) for members in traces.values())
    times = {trace: max(s["end"] for s in members) - min(s["start"] for s in members)
             for trace, members in traces.items()}
    operations = group(spans, "service", "name")
    depths = collections.Counter(span["depth"] for span in spans)
    return {
        "file": os.path.basename(paths[0]),
        "lines": dump.raw["lines"],
        "resource_spans": dump.raw["resource_spans"],
        "scope_spans": dump.raw["scope_spans"],
        "spans": dump.raw["spans"],
        "distinct_spans": len(spans),
        "duplicate_spans": dump.raw["spans"] - len(spans),
        "traces": len(traces),
        "roots": sum(roots_per_trace),
        "traces_without_root": roots_per_trace.count(0),
        "traces_with_many_roots": sum(roots > 1 for roots in roots_per_trace),
        "orphan_spans": sum(span["is_orphan"] for span in spans),
        "events": sum(len(span["events"]) for span in spans),
        "links": sum(span["links"] for span in spans),
        "tracestate": sum(span["tracestate"] for span in spans),
        "start_min_ns": min(span["start"] for span in spans),
        "end_max_ns": max(span["end"] for span in spans),
        "spans_per_trace": sheet.sizes_row(sizes),
        "max_depth": max(depths),
        "depth_histogram": {str(depth): depths[depth] for depth in sorted(depths)},
        "max_fanout": max(children.values(), default=0),
        "kinds": {str(k): n for k, n in collections.Counter(s["kind"] for s in spans).items()},
        "status": {str(k): n for k, n in collections.Counter(s["status"] for s in spans).items()},
        "services": len({span["service"] for span in spans}),
        "operations": len(operations),
        "event_names": sheet.ranked(collections.Counter(n for s in spans for n in s["events"])),
        "scopes": sheet.ranked(dump.scopes),
        "attribute_types": dict(dump.types),
        "attribute_keys": {scope: sheet.ranked(keys) for scope, keys in dump.keys.items()},
        "attribute_key_count": {scope: len(keys) for scope, keys in dump.keys.items()},
        "by_service": {key[0]: durations(members) for key, members in group(spans, "service").items()},
        "by_operation": sheet.ranked_operations(
            {"service": key[0], "operation": key[1], **durations(members)}
            for key, members in operations.items()),
        "service_edges": sheet.ranked(edges),
        "slowest_traces": sheet.ranked(times)[:TOP],
        "biggest_traces": sheet.ranked({trace: len(m) for trace, m in traces.items()})[:TOP],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dumps", nargs="+")
    parser.add_argument("--compare", metavar="SHEET", help="an answer sheet that must say the same")
    arguments = parser.parse_args()
    sheet.finish(answer_sheet(arguments.dumps), arguments.compare)


if __name__ == "__main__":
    main()
