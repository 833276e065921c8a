# SPDX-License-Identifier: MIT
"""Spans that are awkward on purpose, as OTLP JSON lines and as plain Python records.

Orphans, cycles of parents, spans that are their own parents, one id for a client and a server, spans
that begin before their parents or end before they begin, traces without a root or with several, trace
ids that are text, resources without service.name, keys that occur twice, every type of value."""

import json
import random

KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"]
STATUSES = ["unset", "ok", "error"]
BASE = 1_760_000_000_000_000_000
SERVICES = ["front", "cart", "böse", "Front", "a\"b", None]
NAMES = ["GET /", "get /", "charge", "", "query", "poll ünï", "a,b"]
KEYS = ["http.route", "user.id", "Http.Route", "n", "flag", "ratio", "list", "map", "raw", "none", "mixed"]


def value_of(rng, key):
    """(OTLP AnyValue, type, value as SQL shows it)"""
    if key == "mixed":
        key = rng.choice(["n", "user.id", "ratio", "flag"])
    if key in ("http.route", "Http.Route"):
        text = rng.choice(["/", "/cart", "/cart/{id}", ""])
    elif key == "user.id":
        text = f"u{rng.randrange(40)}"
    elif key == "n":
        number = rng.choice([0, 1, -1, 7, 2**53 + 1, -2**63, 2**63 - 1, rng.randrange(1000)])
        return {"intValue": str(number)}, "int", number
    elif key == "flag":
        flag = rng.random() < .5
        return {"boolValue": flag}, "bool", int(flag)
    elif key == "ratio":
        real = rng.choice([0.0, 0.5, -1.25, 1e300, rng.random()])
        return {"doubleValue": real}, "double", real
    elif key == "list":
        items = [rng.randrange(5) for _ in range(rng.randrange(3))]
        return ({"arrayValue": {"values": [{"intValue": str(i)} for i in items]}}, "array",
                json.dumps(items, separators=(",", ":")))
    elif key == "map":
        return ({"kvlistValue": {"values": [{"key": "k", "value": {"stringValue": "v"}}]}}, "kvlist",
                '{"k":"v"}')
    elif key == "raw":
        return {"bytesValue": "AQI="}, "bytes", b"\x01\x02"
    elif key == "none":
        return {}, "empty", None
    else:
        text = f"{key} {rng.randrange(5)}"
    return {"stringValue": text}, "string", text


def attributes_of(rng, most, rare=None):
    """(OTLP list, [(key, type, value)])"""
    otlp, plain = [], []
    keys = [rng.choice(KEYS) for _ in range(rng.randrange(most + 1))]
    if rare:
        keys.append(rare)
    for key in keys:
        any_value, kind, value = value_of(rng, key)
        otlp.append({"key": key, "value": any_value})
        plain.append((key, kind, value))
    return otlp, plain


class Generator:
    def __init__(self, seed, rare_keys=False):
        self.rng = random.Random(seed)
        self.rare_keys = rare_keys
        self.spans = []  # plain records
        self.resources = [self.resource(i) for i in range(9)]
        self.scopes = [("", ""), ("lib", ""), ("lib", "1.0"), ("other", "2")]

    def resource(self, number):
        otlp, plain = attributes_of(self.rng, 3)
        service = SERVICES[number % len(SERVICES)]
        if service is not None:
            otlp.insert(0, {"key": "service.name", "value": {"stringValue": service}})
            plain.insert(0, ("service.name", "string", service))
        otlp.append({"key": "number", "value": {"intValue": str(number)}})
        plain.append(("number", "int", number))
        return {"otlp": otlp, "attributes": plain, "service": service}

    def trace_id(self, number):
        if number % 11 == 5:
            return f"text-trace-{number:04d}"
        return f"{self.rng.getrandbits(128) or 1:032x}"

    def span(self, trace_id, ids, start):
        rng = self.rng
        span_id = f"{rng.getrandbits(64) or 1:016x}"
        kind = rng.randrange(6)
        if ids and rng.random() < .05:
            span_id = rng.choice(ids)  # one id, two spans; of different kinds, or one is a duplicate
        parent = None
        chance = rng.random()
        if ids and chance < .75:
            parent = rng.choice(ids[-6:])
        elif chance > .93:
            parent = f"{rng.getrandbits(64) or 1:016x}"  # an orphan
        elif chance > .91:
            parent = span_id
        begin = start + rng.choice([0, 0, 1, 999, rng.randrange(10**9), -rng.randrange(10**6)])
        duration = rng.choice([0, 1, rng.randrange(10**6), rng.randrange(10**10), -5])
        record = {
            "trace_id": trace_id, "span_id": span_id, "parent": parent, "kind": kind,
            "name": rng.choice(NAMES), "start": begin, "end": begin + duration,
            "status": rng.choices([0, 1, 2], [8, 1, 1])[0],
            "resource": rng.randrange(len(self.resources)), "scope": rng.randrange(len(self.scopes)),
            "events": [], "links": [],
        }
        rare = f"rare.{len(self.spans)}" if self.rare_keys and rng.random() < .002 else None
        record["otlp_attributes"], record["attributes"] = attributes_of(rng, 6, rare)
        for _ in range(rng.choice([0, 0, 0, 1, 2, 5])):
            otlp, plain = attributes_of(rng, 3, f"rare.event.{len(self.spans)}" if rare else None)
            record["events"].append({
                "time": begin + rng.choice([0, 5, -7, rng.randrange(10**9)]),
                "name": rng.choice(["exception", "log", "", "retry"]), "otlp": otlp, "attributes": plain})
        for _ in range(rng.choice([0, 0, 0, 0, 1, 2])):
            otlp, plain = attributes_of(rng, 2)
            record["links"].append({
                "trace_id": f"{rng.getrandbits(128):032x}", "span_id": f"{rng.getrandbits(64):016x}",
                "trace_state": rng.choice(["", "a=1"]), "flags": rng.choice([0, 1]),
                "otlp": otlp, "attributes": plain})
        return record

    def make(self, trace_count):
        for number in range(trace_count):
            trace_id = self.trace_id(number)
            start = BASE + self.rng.randrange(10**12)
            ids, seen = [], set()
            size = self.rng.choice([1, 1, 2, 3, 8, 20, 60])
            for _ in range(size):
                span = self.span(trace_id, ids, start)
                if (span["span_id"], span["kind"]) in seen:
                    continue
                seen.add((span["span_id"], span["kind"]))
                ids.append(span["span_id"])
                self.spans.append(span)
            if size > 3 and self.rng.random() < .3:  # a cycle of two
                members = [s for s in self.spans[-size:] if s["trace_id"] == trace_id][:2]
                if len(members) == 2:
                    members[0]["parent"], members[1]["parent"] = (
                        members[1]["span_id"], members[0]["span_id"])
        self.rng.shuffle(self.spans)
        return self

    def otlp(self, span):
        return {
            "traceId": span["trace_id"], "spanId": span["span_id"],
            **({"parentSpanId": span["parent"]} if span["parent"] else {}),
            "name": span["name"], "kind": span["kind"], "startTimeUnixNano": str(span["start"]),
            "endTimeUnixNano": str(span["end"]), "attributes": span["otlp_attributes"],
            "status": {"code": span["status"]},
            "events": [{"timeUnixNano": str(e["time"]), "name": e["name"], "attributes": e["otlp"]}
                       for e in span["events"]],
            "links": [{"traceId": link["trace_id"], "spanId": link["span_id"],
                       "traceState": link["trace_state"], "flags": link["flags"],
                       "attributes": link["otlp"]} for link in span["links"]],
        }

    def write(self, paths):
        """Spreads the spans over files, so that traces are in several of them."""
        share = -(-len(self.spans) // len(paths))
        for i, path in enumerate(paths):
            with open(path, "w", encoding="utf-8") as file:
                for span in self.spans[i * share:(i + 1) * share]:
                    name, version = self.scopes[span["scope"]]
                    file.write(json.dumps({"resourceSpans": [{
                        "resource": {"attributes": self.resources[span["resource"]]["otlp"]},
                        "scopeSpans": [{"scope": {"name": name, "version": version},
                                        "spans": [self.otlp(span)]}]}]}) + "\n")
