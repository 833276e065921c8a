# SPDX-License-Identifier: MIT
"""Random traces with every fault that the trace-quality rules know, as OTLP JSON dumps that cut traces apart.

`write(seed, paths)` spreads the spans over the files, in random order: each file ingested on its own makes segments of its own,
late spans and parts of traces everywhere. Lost parents, cycles, self parents, shared ids, ids of other traces, every
combination of the flags, clocks that differ, resources that contradict each other, attributes of old and new conventions."""
import json
import random

BASE = 1_760_000_000_000_000_000
FLAGS = [0, 1, 0x100, 0x101, 0x200, 0x201, 0x300, 0x301, 0xFFFFFFFF]
NAMES = ["GET /", "GET /cart/17", "GET /cart/18", "GET /cart/19", "GET /cart/20", "", "order 7f3a9c0de1", "order 7f3a9c0de2",
         "order 7f3a9c0de3", "step 1", "step 2", "v2 http2 call", "item 123e4567-e89b-12d3-a456-426614174000",
         "item 123e4567-e89b-12d3-a456-426614174001", "item 123e4567-e89b-12d3-a456-426614174002", "b1ünï 5 ",
         "job AbCdEfGhIjKlMn0123", "job AbCdEfGhIjKlMn0124", "job AbCdEfGhIjKlMn0125", "-12", "deadbeef", "deadbee1"]
STATES = ["", "", "", "ot=th:c", "a=1,b=2", "a=1,a=2", "A=1", "novalue", "k=", "k=v=w", " a=1 ,, b=2", "0t@v=x y", "=x", "k=é"]
TEXTS = ["", "x", "GET", "POST", "FETCH", "grpc", "redis", "mongodb", "postgresql", "elasticsearch", "200", "404", "500", "http",
         "long " * 12, "Bearer abcdefghijkl", "process", "publish", "tcp", "ip_tcp", "prod", "production"]
KEYS = ["http.request.method", "http.method", "http.response.status_code", "http.status_code", "url.full", "http.url", "url.path",
        "url.scheme", "http.scheme", "http.target", "server.address", "server.port", "net.peer.name", "net.peer.port",
        "net.host.name", "user_agent.original", "http.user_agent", "db.system.name", "db.system", "db.query.text", "db.statement",
        "db.operation.name", "db.operation", "db.collection.name", "db.namespace", "db.name", "rpc.system", "rpc.system.name",
        "rpc.method", "rpc.status_code", "rpc.grpc.status_code", "messaging.system", "messaging.operation.name",
        "messaging.operation.type", "messaging.operation", "messaging.destination.name", "messaging.destination_kind",
        "gen_ai.system", "gen_ai.request.model", "gen_ai.operation.name", "gen_ai.provider.name", "service.name", "k8s.pod.name",
        "telemetry.sdk.name", "http.request.header.x", "http.request.header", "k8s.pod.labels.app", "network.transport",
        "net.transport", "code.function", "peer.service", "error.type", "app.own", "exception.type", "exception.stacktrace",
        "exception.escaped", "deployment.environment.name", "password", "thread.id", "feature_flag.result.value", ""]


class Generator:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.resources = [self.resource() for _ in range(12)]
        for _ in range(4):  # another workload, or another version, that says it is the same instance
            copy = json.loads(json.dumps(self.rng.choice(self.resources)))
            attributes = [a for a in copy["resource"]["attributes"] if a["key"] not in ("service.version", "service.instance.id")]
            attributes += [{"key": "service.instance.id", "value": {"stringValue": "i-9"}},
                           {"key": "service.version", "value": {"stringValue": str(self.rng.randrange(100))}}]
            copy["resource"]["attributes"] = attributes
            self.resources.append(copy)
            self.resources.append(json.loads(json.dumps(copy)))
            self.resources[-1]["resource"]["attributes"].append({"key": "x", "value": {"intValue": "1"}})
            for attribute in self.resources[-1]["resource"]["attributes"]:
                if attribute["key"] in self.rng.choice([["host.name", "k8s.pod.name"], ["service.version"]]):
                    attribute["value"] = {"stringValue": "other"}
        self.other_ids = []

    def value(self):
        rng = self.rng
        kind = rng.choices(["text", "int", "bool", "double", "array", "kvlist", "bytes", "empty"], [12, 6, 1, 1, 1, 1, 1, 1])[0]
        if kind == "text":
            return {"stringValue": rng.choice(TEXTS)}
        if kind == "int":
            return {"intValue": str(rng.choice([0, 200, 399, 400, 404, 499, 500, 599, 600, 80, -1, 14]))}
        return {"bool": {"boolValue": True}, "double": {"doubleValue": 0.5}, "bytes": {"bytesValue": rng.choice(["", "AQI=", "eHh4" * 9])},
                "array": {"arrayValue": {"values": [{"stringValue": "a"}]}}, "kvlist": {"kvlistValue": {"values": []}},
                "empty": {}}[kind]

    def attributes(self, most):
        keys = [self.rng.choice(KEYS) for _ in range(self.rng.randrange(most + 1))]
        if self.rng.random() < .04:
            keys.append(f"rare.{self.rng.randrange(50)}")
        return [{"key": key, "value": self.value()} for key in keys]

    def resource(self):
        rng, attributes = self.rng, []

        def maybe(chance, key, values):
            if rng.random() < chance:
                value = rng.choice(values)
                attributes.append({"key": key, "value": value if isinstance(value, dict) else {"stringValue": value}})
        maybe(.9, "service.name", ["shop", "cart", "pay", "unknown_service:java", "", {"intValue": "5"}])
        maybe(.3, "service.namespace", ["eu", "us"])
        maybe(.6, "service.instance.id", ["i-1", "i-2", "i-3"])
        maybe(.3, "k8s.pod.name", ["pod-a", "pod-b"])
        maybe(.3, "k8s.pod.uid", ["u-a", "u-b"])
        maybe(.5, "host.name", ["h1", "h2"])
        maybe(.2, "host.id", ["id1", "id2"])
        maybe(.2, "host.ip", [{"arrayValue": {"values": [{"stringValue": "10.0.0.1"}]}}, {"arrayValue": {"values": []}}])
        maybe(.4, "service.version", ["1", "2", {"intValue": "2"}])
        maybe(.2, "http.route", ["/"])
        maybe(.2, "deployment.environment", ["prod"])
        maybe(.2, "telemetry.sdk.language", ["java", "cobol"])
        found = {"resource": {"attributes": attributes}}
        if rng.random() < .2:
            found["resource"]["droppedAttributesCount"] = 2
        if rng.random() < .2:
            found["schemaUrl"] = "https://opentelemetry.io/schemas/1.21.0"
        return found

    def time(self, start):
        rng = self.rng
        jump = rng.choices([0, 10**6, 10**6 + 1, 3 * 10**6, 10**9, -10**5, -2 * 10**6, -10**9], [8, 4, 4, 8, 8, 2, 2, 1])[0]
        return max(0, start + jump + rng.randrange(3))

    def span(self, trace, made, start):
        rng = self.rng
        span_id = f"{rng.getrandbits(64) or 1:016x}"
        chance = rng.random()
        if made and chance < .06:
            span_id = rng.choice(made)["spanId"]
        elif self.other_ids and chance < .1:
            span_id = rng.choice(self.other_ids)
        begin = self.time(start)
        end = max(0, begin + rng.choice([0, 1, 10**6, 4 * 10**6, 5 * 10**6, 10**8, 10**9, -3, 90000 * 10**9]))
        raw = {"traceId": trace, "spanId": span_id, "name": rng.choice(NAMES), "kind": rng.choice([0, 1, 1, 2, 2, 3, 3, 3, 4, 5, 9]),
               "startTimeUnixNano": str(begin), "endTimeUnixNano": str(end), "flags": rng.choice(FLAGS),
               "attributes": self.attributes(7), "status": {"code": rng.choice([0, 0, 1, 2])}}
        chance = rng.random()
        if made and chance < .78:
            raw["parentSpanId"] = rng.choice(made[-5:])["spanId"]
        elif chance > .9:
            raw["parentSpanId"] = rng.choice([f"{rng.getrandbits(64) or 1:016x}", span_id, "00" * 8])
        if rng.random() < .2:
            raw["status"]["message"] = rng.choice(["", "boom"])
        if rng.random() < .3:
            raw["traceState"] = rng.choice(STATES)
        for key, share in (("droppedAttributesCount", .05), ("droppedEventsCount", .03), ("droppedLinksCount", .03)):
            if rng.random() < share:
                raw[key] = rng.choice([1, 7])
        if rng.random() < .3:
            raw["events"] = [self.event(begin, end) for _ in range(rng.randrange(1, 4))]
        if rng.random() < .15:
            raw["links"] = [self.link(raw, made) for _ in range(rng.randrange(1, 3))]
        return raw

    def event(self, begin, end):
        rng = self.rng
        event = {"timeUnixNano": str(max(0, rng.choice([begin, end, begin - 5, end + 2 * 10**6, begin - 10**9, 0]))),
                 "name": rng.choice(["exception", "log", ""]), "attributes": self.attributes(3)}
        if rng.random() < .1:
            event["droppedAttributesCount"] = 3
        return event

    def link(self, raw, made):
        rng = self.rng
        link = {"traceId": raw["traceId"] if rng.random() < .6 else f"{rng.getrandbits(128) or 1:032x}",
                "spanId": raw["spanId"] if rng.random() < .5 or not made else rng.choice(made)["spanId"],
                "attributes": self.attributes(2)}
        if rng.random() < .1:
            link["droppedAttributesCount"] = 1
        return link

    def trace(self, number):
        rng = self.rng
        trace = f"quality-trace-{number}" if number % 17 == 3 else f"{rng.getrandbits(128) or 1:032x}"
        start = rng.choice([BASE, BASE, BASE, BASE + 10**15, 1_100_000_000_000_000_000, 10**15, 0, 5_000_000_000_000_000_000,
                            BASE - 40 * 86400 * 10**9]) + number * 1000
        made, seen = [], set()
        size = rng.choice([1, 1, 2, 3, 6, 12, 30, 45])
        for _ in range(size):
            raw = self.span(trace, made, start)
            if (raw["spanId"], raw["kind"]) not in seen:
                seen.add((raw["spanId"], raw["kind"]))
                made.append(raw)
        if len(made) > 2 and rng.random() < .25:  # a cycle of two or three
            ring = rng.sample(made, rng.choice([2, 3]))
            for span, above in zip(ring, ring[1:] + ring[:1]):
                span["parentSpanId"] = above["spanId"]
        self.other_ids += [raw["spanId"] for raw in made[:1]]
        mixed = rng.random() < .7
        own = rng.randrange(len(self.resources))
        return [(rng.randrange(len(self.resources)) if mixed else own, raw) for raw in made]


def write(seed, paths, traces=120):
    generator = Generator(seed)
    spans = [item for number in range(traces) for item in generator.trace(number)]
    generator.rng.shuffle(spans)
    for index, raw in generator.rng.sample(spans, len(spans) // 20):  # sent again, some with other content
        spans.append((index, raw if generator.rng.random() < .6 else {**raw, "name": "another", "attributes": []}))
    files = [[] for _ in paths]
    for item in spans:
        files[min(int(generator.rng.expovariate(.6)), len(paths) - 1)].append(item)
    for path, part in zip(paths, files):
        with open(path, "w", encoding="utf-8") as out:
            for at in range(0, max(1, len(part)), 20):
                groups = [{**generator.resources[index], "scopeSpans": [{"scope": {"name": "lib"}, "spans": [raw]}]}
                          for index, raw in part[at:at + 20]]
                out.write(json.dumps({"resourceSpans": groups}, ensure_ascii=False) + "\n")
    return len(spans)
