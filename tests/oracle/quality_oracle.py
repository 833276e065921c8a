#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The trace-quality rules a second time, over OTLP JSON, written from docs/validation.md and the reference behind it.

    quality_oracle.py dump.jsonl [more dumps]        prints the findings as JSON lines

`findings(documents, thresholds)` gives tuples (rule, trace id, span id, service, details): ids are None where a rule is about
no span or no trace; `details` are the members of the context that say what was counted. Spans are taken as they are: a dump
exported from a store holds each once."""
import collections
import json
import re
import sys

THRESHOLDS = {"time.future": 3600, "time.ancient": 1262304000, "time.duration_extreme": 86400, "time.event_outside_span": 1000000,
              "tree.child_before_parent": 1000000, "tree.child_after_parent": 1000000, "skew.suspect": 1000000,
              "attr.too_long": 4096, "attr.too_many": 128, "name.high_cardinality": 10, "SPA-001": 10, "SPA-003": 10,
              "SPA-005": 20}
INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5
U64 = 1 << 64


def value_kind(value):
    for member, kind in (("stringValue", "string"), ("boolValue", "bool"), ("intValue", "int"), ("doubleValue", "double"),
                         ("arrayValue", "array"), ("kvlistValue", "kvlist"), ("bytesValue", "bytes")):
        if member in value:
            return kind
    return "empty"


def text_size(value):
    if "stringValue" in value:
        return len(value["stringValue"].encode("utf-8", "surrogatepass"))
    if "bytesValue" in value:
        text = value["bytesValue"]
        return len(text) // 4 * 3 - text[-2:].count("=")
    return 0


def first(attributes, key):
    return next((a["value"] if "value" in a else {} for a in attributes if a["key"] == key), None)


def text_of(attributes, key):
    value = first(attributes, key)
    return (value.get("stringValue") or None) if value else None


def trace_id(text):
    """As a store shows it."""
    return text.lower().zfill(32) if re.fullmatch("[0-9a-fA-F]{16}|[0-9a-fA-F]{32}", text) else text


class Resource:
    def __init__(self, content):
        self.content = content
        self.attributes = (content.get("resource") or {}).get("attributes") or []
        self.dropped = int((content.get("resource") or {}).get("droppedAttributesCount") or 0)
        self.service = text_of(self.attributes, "service.name")
        self.host = None
        for key in ("host.id", "host.ip", "host.name"):
            value = first(self.attributes, key) or {}
            items = (value.get("arrayValue") or {}).get("values") or []
            self.host = self.host or (items[0].get("stringValue") if items else value.get("stringValue")) or None
        self.spans = 0


class Span:
    def __init__(self, raw, resource):
        self.trace = trace_id(raw["traceId"])
        self.id, self.parent_id = raw["spanId"].lower(), (raw.get("parentSpanId") or "").lower()
        if not self.parent_id.strip("0"):
            self.parent_id = ""
        self.resource, self.raw, self.parent = resource, raw, None
        self.kind = int(raw.get("kind") or 0)
        self.status = int((raw.get("status") or {}).get("code") or 0)
        self.start, self.end = int(raw.get("startTimeUnixNano") or 0), int(raw.get("endTimeUnixNano") or 0)
        self.duration = (self.end - self.start + (1 << 63)) % U64 - (1 << 63)
        self.flags = int(raw.get("flags") or 0)
        self.attributes = raw.get("attributes") or []
        self.events, self.links = raw.get("events") or [], raw.get("links") or []

    @property
    def service(self):
        return self.resource.service


def read(documents):
    resources, spans = {}, []
    for document in documents:
        for group in document.get("resourceSpans") or []:
            content = {key: value for key, value in group.items() if key != "scopeSpans"}
            resource = resources.setdefault(json.dumps(content, sort_keys=True), Resource(content))
            for scope in group.get("scopeSpans") or []:
                for raw in scope.get("spans") or []:
                    resource.spans += 1
                    spans.append(Span(raw, resource))
    return [r for r in resources.values() if r.spans], spans


# ---- rules about one span

PAIRS = [("http.request.method", "http.method"), ("http.response.status_code", "http.status_code"), ("url.full", "http.url"),
         ("url.scheme", "http.scheme"), ("user_agent.original", "http.user_agent"), ("server.address", "net.host.name"),
         ("server.port", "net.host.port"), ("network.peer.address", "net.sock.peer.addr"),
         ("network.peer.port", "net.sock.peer.port"), ("db.query.text", "db.statement"), ("db.operation.name", "db.operation"),
         ("db.namespace", "db.name"), ("rpc.system.name", "rpc.system"), ("messaging.destination.name", "messaging.destination"),
         ("code.file.path", "code.filepath"), ("code.line.number", "code.lineno"),
         ("deployment.environment.name", "deployment.environment")]


def tracestate_is_valid(text):
    keys = []
    for member in text.split(","):
        member = member.strip(" \t")
        if not member:
            continue
        match = re.fullmatch(r"([a-z0-9][a-z0-9_*/@-]{0,255})=([\x20-\x2b\x2d-\x3c\x3e-\x7e]{1,256})", member)
        if not match or match[1] in keys or len(keys) == 32:
            return False
        keys.append(match[1])
    return True


def by_type(attributes):
    """The first value of each key and type."""
    found = {}
    for attribute in attributes:
        value = attribute.get("value") or {}
        found.setdefault((attribute["key"], value_kind(value)), value)
    return found


def http_status(span):
    values = by_type(span.attributes)
    for key in ("http.response.status_code", "http.status_code"):
        for kind, member in (("int", "intValue"), ("string", "stringValue")):
            value = values.get((key, kind))
            if value is None:
                continue
            text = str(value[member])
            code = int(text) if kind == "int" or re.fullmatch("[0-9]{3}", text) else 0
            if code:
                return code
    return 0


def check_times(span, limits, now, add):
    latest = max(span.start, span.end)
    if latest > now + limits["time.future"] * 10**9:
        add("time.future", span)
    if 10**17 <= span.start < limits["time.ancient"] * 10**9:
        add("time.ancient", span)
    if span.start and span.duration > limits["time.duration_extreme"] * 10**9:
        add("time.duration_extreme", span)
    if span.start and span.duration >= 0:
        outside = 0
        for event in span.events:
            offset = (int(event.get("timeUnixNano") or 0) - span.start + (1 << 63)) % U64 - (1 << 63)
            off = offset if offset < 0 else max(0, offset - span.duration)
            outside += abs(off) > limits["time.event_outside_span"]
        if outside:
            add("time.event_outside_span", span, events=outside)


def check_attributes(span, limits, add):
    scopes = [("span", span.attributes)]
    scopes += [("event", e.get("attributes") or []) for e in span.events]
    scopes += [("link", k.get("attributes") or []) for k in span.links]
    for scope, attributes in scopes:
        for attribute in attributes:
            value, key = attribute.get("value") or {}, attribute["key"]
            if value_kind(value) == "empty":
                add("attr.null_value", span, key=key, scope=scope)
            if key != "exception.stacktrace" and text_size(value) > limits["attr.too_long"]:
                add("attr.too_long", span, key=key, scope=scope, found=text_size(value))
    if len(span.attributes) > limits["attr.too_many"]:
        add("attr.too_many", span, found=len(span.attributes))
    raw = span.raw
    items = sum(int(i.get("droppedAttributesCount") or 0) for i in span.events + span.links)
    dropped = [int(raw.get(k) or 0) for k in ("droppedAttributesCount", "droppedEventsCount", "droppedLinksCount")]
    if any(dropped) or items:
        add("attr.dropped", span, attributes=dropped[0], events=dropped[1], links=dropped[2])
    values = by_type(span.attributes)
    for name, old in PAIRS:
        for new_kind, new_member in (("string", "stringValue"), ("int", "intValue")):
            for old_kind, old_member in (("string", "stringValue"), ("int", "intValue")):
                a, b = values.get((name, new_kind)), values.get((old, old_kind))
                if a is not None and b is not None and str(a[new_member]) != str(b[old_member]):
                    add("dup_names_disagree", span, key=name)


def check_span(span, limits, now, add):
    check_times(span, limits, now, add)
    check_attributes(span, limits, add)
    if not span.raw.get("name"):
        add("name.empty", span)
    if (span.raw.get("status") or {}).get("message") and span.status != 2:
        add("status.message_without_error", span)
    exceptions = sum(e.get("name") == "exception" for e in span.events)
    if span.status == 1 and exceptions:
        add("status.ok_with_exception", span, exceptions=exceptions)
    code = http_status(span)
    if (500 <= code <= 599 and span.status != 2) or (400 <= code <= 499 and span.status == 2 and span.kind == SERVER):
        add("status.http_mismatch", span, http_status=code)
    if any(trace_id(k["traceId"]) == span.trace and k["spanId"].lower() == span.id for k in span.links):
        add("link.self", span)
    if span.raw.get("traceState") and not tracestate_is_valid(span.raw["traceState"]):
        add("tracestate.invalid", span)


# ---- rules about a trace


def order(span):
    return (span.kind not in (SERVER, CONSUMER), span.start, span.kind)


def resolve(spans):
    by_id = collections.defaultdict(list)
    for span in spans:
        by_id[span.id].append(span)
    for members in by_id.values():
        members.sort(key=order)
    for span in spans:
        if span.parent_id:
            span.parent = next((s for s in by_id.get(span.parent_id, []) if s is not span), None)
    return by_id


def cycles(spans):
    """Each as the list of its spans."""
    found, done = [], set()
    for span in spans:
        path, seen = [], {}
        while span is not None and id(span) not in done:
            done.add(id(span))
            seen[id(span)] = len(path)
            path.append(span)
            span = span.parent
            if span is not None and id(span) in seen:
                found.append(path[seen[id(span)]:])
                break
    return found


def check_missing(spans, add):
    for span in spans:
        if not span.parent_id or span.parent:
            continue
        if span.parent_id == span.id:
            add("tree.self_parent", span)
        elif not span.flags & 0x100:
            add("tree.orphan", span)
        else:
            add("tree.parent_is_remote_but_missing" if span.flags & 0x200 else "tree.local_parent_missing", span)


def orphans_of(spans):
    return [s for s in spans if s.parent_id and not s.parent and s.parent_id != s.id]


def check_roots(spans, add):
    roots = [s for s in spans if not s.parent_id]
    earliest = lambda some: min(some, key=lambda s: (s.start, s.id, s.kind))
    if not roots:
        add("tree.no_root", earliest(spans), whole=True, orphans=len(orphans_of(spans)))
    if len({s.id for s in roots}) > 1:
        add("tree.multiple_roots", earliest(roots), whole=True, roots=len({s.id for s in roots}))
    for root in roots:
        if root.kind == CLIENT:
            add("tree.root_client", root)


def check_ids(by_id, add):
    for members in by_id.values():
        if len(members) < 2:
            continue
        kinds = sorted(s.kind for s in members)
        halves = kinds in ([SERVER, CLIENT], [PRODUCER, CONSUMER])
        add("dup.zipkin_shared" if halves else "dup.conflict", members[0], spans=len(members))


def check_clocks(spans, limits, add):
    for child in spans:
        parent = child.parent
        if parent is None or not child.start or not parent.start:
            continue
        same = child.resource is parent.resource or (child.resource.host and child.resource.host == parent.resource.host)
        rule = "tree.child_before_parent" if same else "skew.suspect"
        if parent.start - child.start > limits[rule]:
            add(rule, child, off_ns=parent.start - child.start)
        if (not same and parent.kind == CLIENT and child.kind == SERVER and parent.status != 2 and child.start >= parent.start
                and 0 <= child.duration <= parent.duration and child.end - parent.end > 10 * limits["skew.suspect"]):
            add("skew.suspect", child, off_ns=child.end - parent.end)
        if (parent.kind != PRODUCER and child.kind != CONSUMER and parent.duration >= 0
                and child.start - parent.end > limits["tree.child_after_parent"]):
            add("tree.child_after_parent", child, off_ns=child.start - parent.end)


def check_counts(spans, limits, add):
    services = collections.defaultdict(list)
    for span in spans:
        services[span.service].append(span)
    short = [s for s in spans if 0 <= s.duration < 5000000]
    for members in services.values():
        internal = sum(s.kind == INTERNAL for s in members)
        if internal > limits["SPA-001"]:
            add("SPA-001", members[0], whole=True, found=internal)
        orphans = len(orphans_of(members))
        if orphans:
            add("SPA-002", members[0], whole=True, orphans=orphans)
        clients = sum(not s.parent_id and s.kind == CLIENT for s in members)
        if clients:
            add("SPA-004", members[0], whole=True, roots=clients)
        of_service = sum(s in short for s in members) if len(short) > limits["SPA-005"] else 0
        if of_service:
            add("SPA-005", members[0], whole=True, found=len(short), of_service=of_service)


def check_trace(spans, limits, add):
    by_id = resolve(spans)
    check_missing(spans, add)
    check_roots(spans, add)
    for cycle in cycles(spans):
        add("tree.cycle", min(cycle, key=lambda s: (s.start, s.id, s.kind)), length=len(cycle))
    check_ids(by_id, add)
    check_clocks(spans, limits, add)
    check_counts(spans, limits, add)


# ---- rules about services


def is_value(run):
    digits, hexadecimal = sum(c.isdigit() for c in run), all(c in "0123456789abcdefABCDEF" for c in run)
    return digits == len(run) or (hexadecimal and len(run) >= 8 and digits > 0) or (len(run) >= 16 and digits >= 4)


def template(name):
    uuid = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![0-9A-Za-z])"
    found = []

    def replace(match):
        if re.fullmatch(uuid, match[0]) or is_value(match[0]):
            found.append(match[0])
            return "{}"
        return match[0]
    text = re.sub(uuid + "|[0-9A-Za-z]+", replace, name)
    return text if found else None


def check_names(spans, limits, add):
    names = collections.defaultdict(set)
    for span in spans:
        name = span.raw.get("name") or ""
        text = template(name)
        if text is not None:
            names[span.service, text].add(name)
    services = collections.defaultdict(list)
    for (service, text), members in names.items():
        if len(members) > limits["name.high_cardinality"]:
            add("name.high_cardinality", service, template=text, found=len(members))
        if len(members) > limits["SPA-003"]:
            services[service].append(len(members))
    for service, counts in services.items():
        add("SPA-003", service, names=sum(counts), templates=len(counts))


def check_resources(resources, add):
    services = collections.defaultdict(list)
    for resource in resources:
        services[resource.service].append(resource)
        if resource.service is None:
            add("RES-005", None, count=resource.spans)
    for service, members in services.items():
        lacks = {"RES-001": [r for r in members if first(r.attributes, "service.instance.id") is None],
                 "RES-003": [r for r in members if text_of(r.attributes, "k8s.pod.name")
                             and first(r.attributes, "k8s.pod.uid") is None],
                 "service.unknown": [r for r in members if (service or "").startswith("unknown_service")],
                 "attr.dropped": [r for r in members if r.dropped]}
        for rule, faulty in lacks.items():
            if faulty:
                add(rule, service, resources=len(faulty), count=sum(r.spans for r in faulty))
        check_instances(service, members, add)


def check_instances(service, members, add):
    instances = collections.defaultdict(list)
    for resource in members:
        instance = text_of(resource.attributes, "service.instance.id")
        if instance:
            instances[text_of(resource.attributes, "service.namespace"), instance].append(resource)
    for (_, instance), sharing in instances.items():
        if len(sharing) < 2:
            continue
        keys = [key for key in ("k8s.pod.uid", "k8s.pod.name", "host.id", "host.name", "container.id")
                if len({text_of(r.attributes, key) for r in sharing} - {None}) > 1]
        if keys:
            add("RES-002", service, **{"service.instance.id": instance, "key": keys[0], "resources": len(sharing)})
            continue
        values = collections.defaultdict(set)
        for resource in sharing:
            for attribute in {a["key"]: a for a in reversed(resource.attributes)}.values():
                value = attribute.get("value") or {}
                kind = value_kind(value)
                shown = json.dumps(value, sort_keys=True) if kind in ("string", "int", "bool") else kind
                values[attribute["key"]].add((kind, shown))
        conflicts = sorted((key for key in values if len(values[key]) > 1), key=lambda k: k.encode())
        if conflicts:
            add("resource.conflict", service, **{"service.instance.id": instance, "key": conflicts[0],
                                                 "resources": len(sharing)})


# ---- semantic conventions

TYPES = {"string": {"string"}, "enum": {"string"}, "int": {"int"}, "enum_int": {"int"}, "double": {"double", "int"},
         "boolean": {"bool"}, "string[]": {"array"}, "int[]": {"array"}, "template[string]": {"string"},
         "template[string[]]": {"array"}}
OF_RESOURCE = (re.compile(r"(service\.(name|namespace|version|instance\.id)|deployment\.environment(\.name)?|host\.(id|name)"
                          r"|container\.id|telemetry\.(sdk|distro)\..*|k8s\.(pod|namespace|deployment|node|cluster|container)\..*)",
                          re.S))
OF_SPAN = re.compile(r"(http|url|db|rpc|messaging|exception|net\.peer)\..*", re.S)
HTTP = ["http.request.method", "http.method"]
DB = ["db.system.name", "db.system", "db.query.text", "db.statement", "db.operation.name", "db.operation", "db.namespace",
      "db.name", "db.collection.name"]
RPC = ["rpc.system.name", "rpc.system", "rpc.method", "rpc.service", "rpc.grpc.status_code"]
MESSAGING = ["messaging.system", "messaging.operation.name", "messaging.operation.type", "messaging.operation",
             "messaging.destination.name"]
GEN_AI = ["gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.system", "gen_ai.request.model"]
# convention, kinds, what shows that it is meant (key, or key=value), required, what older conventions had instead
REQUIRED = [
    ("HTTP client", (3,), HTTP, "http.request.method", ["http.method"]),
    ("HTTP client", (3,), HTTP, "server.address", ["net.peer.name", "net.peer.ip", "http.host", "http.url", "http.server_name"]),
    ("HTTP client", (3,), HTTP, "server.port", ["net.peer.port", "http.host", "http.url"]),
    ("HTTP client", (3,), HTTP, "url.full", ["http.url", "http.target", "http.host"]),
    ("HTTP server", (2,), HTTP, "http.request.method", ["http.method"]),
    ("HTTP server", (2,), HTTP, "url.path", ["http.target", "http.path", "http.url"]),
    ("HTTP server", (2,), HTTP, "url.scheme", ["http.scheme", "http.url"]),
    ("database client", (3,), DB, "db.system.name", ["db.system"]),
    ("database client", (3,), ["db.system.name=" + s for s in ("mongodb", "elasticsearch", "redis", "hbase", "azure.cosmosdb")],
     "db.operation.name", ["db.operation"]),
    ("MongoDB client", (3,), ["db.system.name=mongodb"], "db.collection.name", ["db.mongodb.collection"]),
    ("Elasticsearch client", (3,), ["db.system.name=elasticsearch"], "http.request.method", ["http.method"]),
    ("Elasticsearch client", (3,), ["db.system.name=elasticsearch"], "url.full", ["http.url"]),
    ("RPC", (2, 3), RPC, "rpc.system.name", ["rpc.system"]),
    ("gRPC", (2, 3), ["rpc.system.name=grpc", "rpc.system=grpc"], "rpc.status_code",
     ["rpc.response.status_code", "rpc.grpc.status_code"]),
    ("messaging", (3, 4, 5), MESSAGING, "messaging.system", []),
    ("messaging", (3, 4, 5), MESSAGING, "messaging.operation.name",
     ["messaging.operation", "messaging.destination", "messaging.destination_kind"]),
    ("GenAI", None, GEN_AI, "gen_ai.operation.name", []),
    ("GenAI", None, GEN_AI, "gen_ai.provider.name", ["gen_ai.system"]),
]


class Conventions:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            rows = [line.rstrip("\n").split("\t") for line in file][1:]
        self.rows = {row[0]: row for row in rows}
        self.cache = {}

    def find(self, key):
        if key not in self.cache:
            row = self.rows.get(key)
            if row and row[1].startswith("template"):
                row = None
            elif not row:
                parts = key.split(".")
                prefixes = (".".join(parts[:n]) for n in range(len(parts) - 1, 0, -1))
                row = next((self.rows[p] for p in prefixes if p in self.rows), None)
                if row and not row[1].startswith("template"):
                    row = None
            self.cache[key] = row
        return self.cache[key]

    def faults(self, scope, key, kind, value):
        """(rule, details) of one attribute."""
        row = self.find(key)
        if row and row[2]:
            yield "deprecated", {}
        if row and kind != "empty" and row[1] != "any" and kind not in TYPES[row[1]]:
            yield "type_mismatch", {"found": kind}
        if (scope == "span" and OF_RESOURCE.fullmatch(key)) or (scope == "resource" and OF_SPAN.fullmatch(key)):
            yield "RES-004", {}
        if row and row[1] == "enum" and row[4] and kind == "string" and value["stringValue"] not in row[4].split("|"):
            yield "undefined_enum_variant", {"found": value["stringValue"]}


def check_semconv(resources, spans, conventions, add_count):
    def check(service, scope, attributes, weight):
        for (key, kind), value in by_type(attributes).items():
            for rule, details in conventions.faults(scope, key, kind, value):
                add_count(rule, service, weight, key=key, scope=scope, **details)
    for resource in resources:
        for attribute in resource.attributes:  # every occurrence
            check(resource.service, "resource", [attribute], resource.spans)
    for span in spans:
        check(span.service, "span", span.attributes, 1)
        for scope, items in (("event", span.events), ("link", span.links)):
            for item in items:
                check(span.service, scope, item.get("attributes") or [], 1)
        if span.kind == 0:
            add_count("kind.unspecified", span.service, 1)
        present = {a["key"] for a in span.attributes}
        present |= {f"{a['key']}={a['value']['stringValue']}" for a in span.attributes if "stringValue" in (a.get("value") or {})}
        for convention, kinds, when, key, instead in REQUIRED:
            if (kinds is None or span.kind in kinds) and present & set(when) and not present & {key, *instead}:
                add_count("required_attribute_not_present", span.service, 1, key=key, scope="span", convention=convention)


# ---- everything


def findings(documents, conventions, now, thresholds=None):
    limits = {**THRESHOLDS, **(thresholds or {})}
    resources, spans = read(documents)
    found = []

    def add(rule, span, whole=False, **details):
        found.append((rule, span.trace, None if whole else span.id, span.service, details))

    def add_service(rule, service, **details):
        found.append((rule, None, None, service, details))
    traces, ids = collections.defaultdict(list), collections.defaultdict(set)
    for span in spans:
        traces[span.trace].append(span)
        ids[span.id].add(span.trace)
        check_span(span, limits, now, add)
    for members in traces.values():
        check_trace(members, limits, add)
    for span in spans:
        if len(ids[span.id]) > 1:
            add("dup.across_traces", span, traces=len(ids[span.id]))
    check_names(spans, limits, add_service)
    check_resources(resources, add_service)
    counts = collections.Counter()
    check_semconv(resources, spans, conventions,
                  lambda rule, service, n, **details: counts.update({(rule, service, tuple(sorted(details.items()))): n}))
    found += [(rule, None, None, service, {**dict(details), "count": n}) for (rule, service, details), n in counts.items()]
    return found


# ---- the instrumentation score

WEIGHTS = {"RES-001": 20, "RES-002": 30, "RES-003": 30, "RES-004": 30, "RES-005": 40, "SPA-001": 20, "SPA-002": 20,
           "SPA-003": 30, "SPA-004": 30, "SPA-005": 30}


def scores(documents, conventions, since=None, until=None):
    """{service: (score, {rule: findings})}; of the traces, spans and resources of the window."""
    resources, spans = read(documents)
    newest = max(s.start for s in spans)
    until = newest + 1 if until is None else until
    since = max(0, until - 30 * 86400 * 10**9) if since is None else since
    inside = [s for s in spans if since <= s.start < until]
    for resource in resources:
        resource.spans = 0
    for span in inside:
        span.resource.spans += 1
    resources = [r for r in resources if r.spans]
    failed = {service: collections.Counter() for service in {s.service for s in inside}}

    def add_service(rule, service, **_):
        if rule in WEIGHTS and service in failed:
            failed[service][rule] += 1
    traces = collections.defaultdict(list)
    for span in spans:
        traces[span.trace].append(span)
    for members in traces.values():
        if since <= min(s.start for s in members) < until:
            resolve(members)
            check_counts(members, THRESHOLDS, lambda rule, span, **_: add_service(rule, span.service))
    check_names(inside, THRESHOLDS, add_service)
    check_resources(resources, add_service)
    levels = set()
    check_semconv(resources, inside, conventions, lambda rule, service, n, **d: levels.add(
        (rule, service, tuple(sorted(d.items())))))
    for rule, service, _ in levels:
        add_service(rule, service)
    total = sum(WEIGHTS.values())
    return {service: (100 * sum(w for rule, w in WEIGHTS.items() if not counts[rule]) / total, dict(counts))
            for service, counts in failed.items()}


def read_lines(path):
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return [json.loads(line) for line in file if line.strip()]


if __name__ == "__main__":
    import pathlib
    import time
    TABLE = pathlib.Path(__file__).parents[2] / "sqlext/quality/semconv_attributes.tsv"
    for path in sys.argv[1:]:
        for finding in findings(read_lines(path), Conventions(TABLE), time.time_ns()):
            print(json.dumps(finding))
