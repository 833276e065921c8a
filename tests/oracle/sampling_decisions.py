# SPDX-License-Identifier: MIT
"""Random spans with sampling facts of random dialects, well-formed and not, and what ../../docs/sampling.md says they mean,
worked out here once more: sampling_decisions, adjusted_count of spans and traces, and sampling_issues must say the same.

Usage: sampling_decisions.py TRACEKEEP MAKE_STORE EXTENSION [--seed N] [--traces N]"""

import argparse
import collections
import json
import math
import pathlib
import random
import re
import sqlite3
import subprocess
import sys
import tempfile

NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")
RANGE = 1 << 56
RANKS = ["threshold", "honeycomb", "datadog", "jaeger", "probability", "power", "sentry", "elastic", "record", "head"]
MECHANISMS = ["default", "agent_rate", "remote_auto", "local_rule", "manual", "appsec", "remote_user", "remote_datadog",
              "span_rule", "otlp_probabilistic", "data_jobs", "remote_user_rule", "remote_dynamic_rule"]


# ---- values ----

def number(value):
    """As a finite float, or None. A truth value is no number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return float(value)
    if isinstance(value, str):
        value = value.strip(" \t")
        value = float(value) if NUMBER.match(value) else math.nan
    return value if isinstance(value, float) and math.isfinite(value) else None


def truth(value):
    if isinstance(value, bool):
        return value
    if value in ("true", "True"):
        return True
    if value in ("false", "False"):
        return False
    value = number(value)
    return bool(value) if value in (0.0, 1.0) else None


def text(value):
    return value if isinstance(value, str) else None


Fact = collections.namedtuple("Fact", "source stage mechanism policy decision probability threshold randomness count consistent "
                              "dry_run wide rank forced", defaults=("", "head", None, None, "unknown", None, None, None, None, None,
                                                                    0, False, None, False))


def in_unit(value):
    return value is not None and 0 < value <= 1


# ---- dialects ----

def hash_seed_made(randomness):
    bucket, high, middle = randomness & 0x3FFF, randomness >> 42, (randomness >> 14) & 0xFFFFFFF
    return high == 16383 - bucket and any(middle == upper ^ (upper << 10) for upper in [next(
        (u for u in range(1 << 14) if u ^ (u << 10) == middle), -1)] if upper >= 0)


def members(state):
    return [part.strip(" \t") for part in state.split(",") if part]


def member(state, key):
    for part in members(state):
        if part.startswith(key + "="):
            return part[len(key) + 1:]
    return None


def fields(value, name):
    return [part[len(name) + 1:] for part in value.split(";") if part.startswith(name + ":")]


def once(values, pattern, convert, limit=None):
    """(there, valid, value) of a field."""
    if not values:
        return False, False, None
    if len(values) > 1 or not re.fullmatch(pattern, values[0]):
        return True, False, None
    value = convert(values[0])
    return (True, True, value) if limit is None or value <= limit else (True, False, None)


def ot_facts(span):
    value = member(span["state"], "ot")
    if value is None:
        return
    th = once(fields(value, "th"), "[0-9a-f]{1,14}", lambda digits: int(digits.ljust(14, "0"), 16))
    rv = once(fields(value, "rv"), "[0-9a-f]{14}", lambda digits: int(digits, 16))
    p = once(fields(value, "p"), "[0-9]{1,2}", int, 63)
    r = once(fields(value, "r"), "[0-9]{1,2}", int, 62)
    if th[0] or (rv[0] and not p[0]):
        fact = Fact("otel.tracestate", mechanism="threshold")
        known = not rv[0] or rv[1]
        if known:
            fact = fact._replace(randomness=rv[2] if rv[0] else int(span["trace"][-14:], 16))
        if rv[1] and hash_seed_made(rv[2]):
            fact = fact._replace(mechanism="hash_seed", stage="collector")
        if th[1]:
            fact = fact._replace(threshold=th[2], probability=(RANGE - th[2]) / RANGE)
            if known:
                kept = fact.randomness >= th[2]
                fact = fact._replace(decision="keep", consistent=int(kept))
                if kept:
                    fact = fact._replace(count=RANGE / (RANGE - th[2]), rank="threshold")
        yield fact
    if p[0]:
        fact = Fact("otel.tracestate", mechanism="power_of_two")
        if p[1]:
            fact = fact._replace(probability=0.0 if p[2] == 63 else 2.0 ** -p[2])
            if not r[0] or r[1]:
                kept = p[2] == 63 or not r[0] or p[2] <= r[2]
                fact = fact._replace(decision="keep", consistent=int(kept) if r[0] and p[2] != 63 else None)
                if kept:
                    fact = fact._replace(count=0.0 if p[2] == 63 else 2.0 ** p[2], rank=None if th[0] else "power")
        yield fact


def flag_facts(span):
    if span["flags"]:
        yield Fact("otel.flags", mechanism="sampled_flag", decision="keep" if span["flags"] & 1 else "drop",
                   randomness=int(span["trace"][-14:], 16) if span["flags"] & 2 else None)


def jaeger_facts(span):
    have = span["have"]
    if "sampler.type" not in have and "sampler.param" not in have:
        return
    kind, param = text(have.get("sampler.type")), have.get("sampler.param")
    fact = Fact("jaeger", mechanism=kind, wide=span["root"])
    if kind == "probabilistic" and in_unit(number(param)):
        fact = fact._replace(probability=number(param), count=1 / number(param), decision="keep")
    elif kind == "const" and truth(param) is not None:
        fact = fact._replace(probability=float(truth(param)), count=1.0 if truth(param) else None,
                             decision="keep" if truth(param) else "drop")
    elif kind in ("ratelimiting", "lowerbound", "remote"):
        fact = fact._replace(decision="keep")
    if span["root"] and fact.count is not None:
        fact = fact._replace(rank="jaeger")
    yield fact


def priority_decision(value):
    return {1.0: "keep", 2.0: "forced", 0.0: "drop", -1.0: "drop"}.get(value, "unknown")


def mechanism_name(value):
    value = number(value)
    if value is None or value != math.floor(value) or abs(value) >= len(MECHANISMS):
        return None
    return MECHANISMS[int(abs(value))]


def state_number(state, name):
    found = member(state, "dd")
    values = fields(found, name) if found is not None else []
    values = [value for value in values if value] if values and not values[0] else values
    return number(values[0]) if values else None


def datadog_facts(span):
    have = span["have"]
    if any(key in have for key in ("_sampling_priority_v1", "_dd.p.dm", "_dd.agent_psr", "_dd.rule_psr", "_dd.limit_psr",
                                   "_dd.p.ksr")):
        priority = number(have["_sampling_priority_v1"]) if "_sampling_priority_v1" in have else state_number(span["state"], "s")
        decision = priority_decision(priority)
        rate = None
        if "_dd.rule_psr" in have:
            limit = number(have.get("_dd.limit_psr", 1.0))
            if in_unit(number(have["_dd.rule_psr"])) and in_unit(limit):
                rate = number(have["_dd.rule_psr"]) * limit
        else:
            rate = number(have.get("_dd.agent_psr")) if number(have.get("_dd.agent_psr")) is not None else number(have.get("_dd.p.ksr"))
        rate = rate if in_unit(rate) else None
        weighs = rate is not None and decision == "keep"
        yield Fact("datadog", mechanism=mechanism_name(have.get("_dd.p.dm")), decision=decision, probability=rate, wide=True,
                   count=1 / rate if weighs else None, rank="datadog" if weighs else None, forced=decision == "forced")
    for key, name in (("_sample_rate", "client_rate"), ("_dd.tracer_kr", "tracer_keep_rate"), ("_dd1.sr.eausr", "analytics_rate")):
        if key in have:
            rate = number(have[key]) if in_unit(number(have[key])) else None
            yield Fact("datadog", mechanism=name, probability=rate, count=1 / rate if rate else None)
    prefix = "_dd.span_sampling."
    if any(prefix + key in have for key in ("mechanism", "rule_rate", "max_per_second")):
        rate = number(have.get(prefix + "rule_rate"))
        rate = rate if in_unit(rate) else None
        yield Fact("datadog", mechanism="span_rule", decision="keep" if number(have.get(prefix + "mechanism")) == 8 else "unknown",
                   probability=rate, count=1 / rate if rate and prefix + "max_per_second" not in have else None)
    if member(span["state"], "dd") is not None:
        decision = priority_decision(state_number(span["state"], "s"))
        yield Fact("datadog", mechanism=mechanism_name(state_number(span["state"], "t.dm")), decision=decision,
                   forced=decision == "forced")


def one_in(value):
    value = number(value)
    return value if value is not None and 1 <= value <= 2 ** 53 and value == math.floor(value) else None


def honeycomb_facts(span):
    have = span["have"]
    dry = [key for key in have if key.startswith("meta.dryrun.")]
    refinery = [key for key in have if key.startswith("meta.refinery.")] + (["meta.stressed"] if "meta.stressed" in have else [])
    rates = [key for key in ("meta.refinery.final_sample_rate", "SampleRate", "sampleRate") if key in have]
    if not dry and not refinery and not rates:
        return
    if "meta.refinery.original_sample_rate" in have:
        rate = one_in(have["meta.refinery.original_sample_rate"])
        yield Fact("honeycomb", mechanism="sample_rate", wide=True, decision="keep" if rate else "unknown",
                   probability=1 / rate if rate else None, count=rate)
    fact = Fact("honeycomb", mechanism="sample_rate")
    if dry or refinery:
        fact = fact._replace(stage="tail", mechanism="refinery", wide=True)
    reason = text(have.get("meta.refinery.reason"))
    if reason is not None:
        found = re.match(r"rules/(?:trace|span)/(.+)\Z", reason, re.S)
        if found:
            name = found.group(1)
            reason = name.split(":")[0] or name
        fact = fact._replace(policy=reason)
    rate = one_in(have[rates[0]]) if rates else None
    if dry:
        rate = one_in(have.get("meta.dryrun.sample_rate")) or rate
        kept = truth(have.get("meta.dryrun.kept"))
        fact = fact._replace(dry_run=1, probability=1 / rate if rate else None,
                             decision="unknown" if kept is None else "keep" if kept else "drop")
    elif rate:
        fact = fact._replace(decision="keep", probability=1 / rate, count=rate, rank="honeycomb")
    elif not rates:
        fact = fact._replace(decision="keep")
    yield fact


def tail_facts(span):
    have = span["have"]
    if any(key in have for key in ("tailsampling.policy", "tailsampling.composite_policy", "tailsampling.cached_decision")):
        cached = truth(have.get("tailsampling.cached_decision")) is True
        policy = text(have.get("tailsampling.policy"))
        yield Fact("collector.tail_sampling", "tail", wide=True, policy=policy,
                   mechanism="decision_cache" if cached else "composite" if "tailsampling.composite_policy" in have else "policy",
                   decision="keep" if cached or policy is not None else "unknown")


def xray_facts(span):
    have = span["have"]
    if "aws.xray.sampling_rule_name" in have:
        policy = text(have["aws.xray.sampling_rule_name"])
        yield Fact("xray", mechanism="rule", policy=policy, wide=True, decision="unknown" if policy is None else "keep")
    if "X-Amzn-Trace-Id" in have:
        found = re.search(r"(?:^|;)[ \t]*Sampled=([^;]*)", text(have["X-Amzn-Trace-Id"]) or "")
        yield Fact("xray", mechanism="header", decision={"1": "keep", "0": "drop"}.get(found and found.group(1).strip(), "unknown"))


def sentry_facts(span):
    have = span["have"]
    if not any("sentry.dsc." + key in have for key in ("sample_rate", "sample_rand", "sampled")):
        return
    rate, rand = number(have.get("sentry.dsc.sample_rate")), number(have.get("sentry.dsc.sample_rand"))
    sampled = truth(have.get("sentry.dsc.sampled"))
    fact = Fact("sentry", mechanism="dsc", wide=True, decision={True: "keep", False: "drop", None: "unknown"}[sampled])
    if in_unit(rate):
        consistent = int(rand < rate) if rand is not None and 0 <= rand < 1 else None
        good = sampled is not False and consistent != 0
        fact = fact._replace(probability=rate, consistent=consistent, decision="keep" if sampled is None else fact.decision,
                             count=1 / rate if good else None, rank="sentry" if good else None)
    yield fact


def elastic_fact(rate, sampled):
    fact = Fact("elastic", mechanism="sample_rate")
    if sampled is False or rate == 0:
        fact = fact._replace(decision="drop")
    elif sampled:
        fact = fact._replace(decision="keep")
    if rate == 0:
        fact = fact._replace(probability=0.0)
    if in_unit(rate):
        fact = fact._replace(probability=rate)
        if sampled is not False:
            fact = fact._replace(decision="keep", count=1 / rate, rank="elastic")
    return fact


def elastic_facts(span):
    have = span["have"]
    if "transaction.sample_rate" in have or "transaction.sampled" in have:
        yield elastic_fact(number(have.get("transaction.sample_rate")), truth(have.get("transaction.sampled")))
    state = member(span["state"], "es")
    if state is not None:
        rates = [part[2:] for part in state.split(";") if part.startswith("s:") and len(part) > 2]
        yield elastic_fact(number(rates[-1]) if rates else None, None)


def other_facts(span):
    have = span["have"]
    if truth(have.get("sampled")) is not None and number(have.get("priority")) is not None:
        yield Fact("newrelic", mechanism="priority", decision="keep" if truth(have["sampled"]) else "drop")
    if "b3" in have:
        header = text(have["b3"])
        parts = header.split("-") if header is not None else []
        state = header if header is not None and len(header) == 1 else parts[2] if len(parts) > 2 else ""
        decision = {"d": "forced", "1": "keep", "0": "drop"}.get(state, "unknown")
        yield Fact("b3", mechanism="header", decision=decision, forced=decision == "forced")
    if "sampling.priority" in have:
        value = number(have["sampling.priority"])
        forced = value is not None and value > 0
        yield Fact("attribute", mechanism="sampling.priority", forced=forced,
                   decision="forced" if forced else "drop" if value == 0 else "unknown")
    if "sampling.probability" in have:
        value = number(have["sampling.probability"])
        good = in_unit(value)
        yield Fact("attribute", mechanism="sampling.probability", decision="keep" if good else "unknown",
                   probability=value if good else None, count=1 / value if good else None, rank="probability" if good else None)


def facts_of(span):
    found = []
    for dialect in (ot_facts, flag_facts, jaeger_facts, datadog_facts, honeycomb_facts, tail_facts, xray_facts, sentry_facts,
                    elastic_facts, other_facts):
        found += dialect(span)
    return found


# ---- random spans ----

WORDS = ["", "abc", "0", "1", "2", "0.5", " 0.25 ", "1e-2", "-1", "true", "false", "NaN", "10"]


def odd_value(rng):
    return rng.choice([rng.choice(WORDS), rng.choice([True, False]), rng.randint(-2, 30), rng.choice([0.5, 0.0, -0.5, 1.0, 2.5, 3.0]),
                       rng.random()])


def rate_value(rng):
    good = rng.choice([1.0, 0.5, 0.25, 0.1, 0.05, 0.01, rng.random()])
    return rng.choice([good, good, good, repr(good), odd_value(rng)])


def count_value(rng):
    good = rng.choice([1, 2, 4, 10, 20, 1000])
    return rng.choice([good, good, float(good), str(good), odd_value(rng)])


def random_state(rng):
    digits = "0123456789abcdef"
    th = rng.choice(["0", "8", "c", "08", "e668", "fd70a4", "ffbe77", "".join(rng.choices(digits, k=rng.randint(1, 14)))])
    parts = [f"th:{th}"] if rng.random() < 0.8 else []
    if rng.random() < 0.3:
        parts.append("rv:" + rng.choice(["fdc80d0b42008d", "ffffffffffffff", "".join(rng.choices(digits, k=14))]))
    if rng.random() < 0.15:
        parts += [f"p:{rng.choice([0, 3, 8, 62, 63, 64])}"] + ([f"r:{rng.randint(0, 64)}"] if rng.random() < 0.6 else [])
    if rng.random() < 0.1:
        parts.append(rng.choice(["th:C", "th:", "th:0123456789abcde", "rv:123", "rv:FFFFFFFFFFFFFF", "x:y", "th:8", "p:x"]))
    rng.shuffle(parts)
    found = ["ot=" + ";".join(parts)] if parts else []
    if rng.random() < 0.15:
        found.append(rng.choice(["dd=s:1;o:rum", "dd=s:2;t.dm:-4", "dd=s:-1;t.dm:-3", "dd=o:x", "dd=s:x"]))
    if rng.random() < 0.15:
        found.append(rng.choice(["es=s:0.2", "es=s:0", "es=s:x", "es=x:1", "es=s:1.0"]))
    if rng.random() < 0.3:
        found.append("vendor=1")
    rng.shuffle(found)
    return rng.choice([",", ", ", " , "]).join(found)


def random_keys(rng):
    """Attributes of one dialect."""
    def some(choices):
        return {key: make(rng) for key, make in choices.items() if rng.random() < 0.6}
    return rng.choice([
        lambda: some({"sampler.type": lambda r: r.choice(["probabilistic", "probabilistic", "const", "ratelimiting", "lowerbound",
                                                          "remote", "odd", 3]),
                      "sampler.param": rate_value}),
        lambda: some({"sampling.priority": lambda r: r.choice([0, 1, 2, -1, "1", odd_value(r)])}),
        lambda: some({"sampling.probability": rate_value}),
        lambda: some({"SampleRate": count_value, "sampleRate": count_value}),
        lambda: some({"meta.refinery.reason": lambda r: r.choice(["deterministic/chance", "rules/trace/slow", "rules/span/a:dyn", "",
                                                                  "rules/trace/", "rules/span/:x", 7]),
                      "meta.refinery.final_sample_rate": count_value, "meta.refinery.original_sample_rate": count_value,
                      "SampleRate": count_value}),
        lambda: some({"meta.dryrun.kept": odd_value, "SampleRate": count_value, "meta.dryrun.sample_rate": count_value}),
        lambda: some({"_sampling_priority_v1": lambda r: r.choice([1, 1, 2, 0, -1, 1.0, odd_value(r)]),
                      "_dd.p.dm": lambda r: r.choice(["-0", "-1", "-3", "-4", "-12", "-13", -3, odd_value(r)]),
                      "_dd.rule_psr": rate_value, "_dd.limit_psr": rate_value}),
        lambda: some({"_sampling_priority_v1": lambda r: 1, "_dd.agent_psr": rate_value, "_dd.p.ksr": rate_value}),
        lambda: some({"_dd.span_sampling.mechanism": lambda r: 8, "_dd.span_sampling.rule_rate": rate_value,
                      "_dd.span_sampling.max_per_second": rate_value, "_sample_rate": rate_value, "_dd1.sr.eausr": rate_value}),
        lambda: some({"tailsampling.policy": lambda r: r.choice(["errors", "slow", "p5", 5]),
                      "tailsampling.composite_policy": lambda r: "sub", "tailsampling.cached_decision": odd_value}),
        lambda: some({"aws.xray.sampling_rule_name": lambda r: r.choice(["Default", "checkout", 5]),
                      "X-Amzn-Trace-Id": lambda r: r.choice(["Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1", "Sampled=0",
                                                             "Root=1-x;Sampled=?", "", "Root=1"])}),
        lambda: some({"sentry.dsc.sample_rate": rate_value, "sentry.dsc.sample_rand": rate_value, "sentry.dsc.sampled": odd_value}),
        lambda: some({"transaction.sample_rate": rate_value, "transaction.sampled": odd_value}),
        lambda: some({"priority": odd_value, "sampled": odd_value}),
        lambda: some({"b3": lambda r: r.choice(["0", "d", "1", "80f198ee-e457-1-05e3", "80f198ee-e457-d", "80f198ee-e457", "", "a-b-x"])}),
        lambda: {"unrelated": 1},
    ])()


def random_trace(rng, number_of_trace):
    trace = f"{rng.getrandbits(128):032x}"
    trace_keys, trace_state, spans = random_keys(rng), random_state(rng), []
    for i in range(rng.choice([1, 2, 3, 8])):
        keys = {"span": {}, "scope": {}, "resource": {}}
        if rng.random() < 0.5:
            keys[rng.choice(["span", "span", "span", "scope", "resource"])].update(trace_keys if rng.random() < 0.7 else random_keys(rng))
        state = ""
        if rng.random() < 0.4:
            state = trace_state if rng.random() < 0.7 else random_state(rng)
        spans.append({"trace": trace, "id": f"{number_of_trace * 100 + i + 1:016x}", "keys": keys, "state": state,
                      "parent": spans[rng.randrange(len(spans))]["id"] if spans else None,
                      "flags": rng.choice([0, 0, 0, 1, 3, 256, 257]), "service": rng.choice(["a", "b", "c"]),
                      "start": 1795179600000000000 + number_of_trace * 1000000 + i * 1000})
    for span in spans:
        span["have"] = {**span["keys"]["resource"], **span["keys"]["scope"], **span["keys"]["span"]}
        span["root"] = span["parent"] is None
    if rng.random() < 0.1 and len(spans) > 1:
        del spans[0]
    return spans


def any_value(value):
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": value}


def attributes(values):
    return [{"key": key, "value": any_value(value)} for key, value in values.items()]


def line_of(span):
    record = {"traceId": span["trace"], "spanId": span["id"], "name": "op", "kind": 2, "startTimeUnixNano": str(span["start"]),
              "endTimeUnixNano": str(span["start"] + 500), "attributes": attributes(span["keys"]["span"])}
    for key, value in (("parentSpanId", span["parent"]), ("traceState", span["state"]), ("flags", span["flags"])):
        if value:
            record[key] = value
    return json.dumps({"resourceSpans": [{
        "resource": {"attributes": attributes({"service.name": span["service"], **span["keys"]["resource"]})},
        "scopeSpans": [{"scope": {"name": "lib", "attributes": attributes(span["keys"]["scope"])}, "spans": [record]}]}]}) + "\n"


def random_record(rng, traces):
    """A recorded decision, its row and what it weighs."""
    spans = rng.choice(traces)
    stored = rng.random() < 0.7
    trace = spans[0]["trace"] if stored else f"{rng.getrandbits(128):032x}"
    record = {"type": "sampling_decision", "traceId": rng.choice([trace, trace.upper()])}
    span = rng.choice(spans)["id"] if stored and rng.random() < 0.3 else None
    if span:
        record["spanId"] = span
    decision = rng.choice(["keep", "keep", "keep", "drop", "forced", "odd"])
    record["decision"] = decision
    probability = rng.choice([None, 0.5, 0.05, 0.0, 1.5, 1])
    if probability is not None:
        record["probability"] = probability
    if rng.random() < 0.2:
        record["dryRun"] = True
    if rng.random() < 0.5:
        record.update(stage="tail", policy=rng.choice(["errors", "slow"]))
    good = probability is not None and 0 <= probability <= 1
    fact = Fact("record", record.get("stage"), policy=record.get("policy"), decision=decision if decision != "odd" else "unknown",
                probability=float(probability) if good else None, dry_run=int("dryRun" in record), forced=decision == "forced")
    if good and probability > 0 and decision == "keep" and "dryRun" not in record:
        fact = fact._replace(count=1 / probability, rank="record")
    return json.dumps(record) + "\n", trace, span, fact


# ---- expectations ----

def rounded(value):
    return float(f"{value:.12g}") if isinstance(value, float) else value


def row_of(trace, span, fact):
    return (trace, span, fact.source, fact.stage, fact.mechanism, fact.policy, fact.decision, rounded(fact.probability),
            fact.threshold, fact.randomness, rounded(fact.count), fact.consistent, fact.dry_run)


def expected_rows(traces, records):
    rows = []
    for spans in traces:
        wide = set()
        for span in spans:
            for fact in facts_of(span):
                if not fact.wide:
                    rows.append(row_of(span["trace"], span["id"], fact))
                else:
                    wide.add(row_of(span["trace"], None, fact))
        rows += wide
    rows += [row_of(trace, span, fact) for _, trace, span, fact in records]
    return collections.Counter(rows)


def better(first, second):
    """Of two (rank, source, count), or None: the higher rank, of the same the least count."""
    if first is None or second is None:
        return first or second
    return min(first, second, key=lambda weight: (RANKS.index(weight[0]), weight[2]))


def expected_weights(traces, records, ratios):
    weights, of_traces = {}, {}
    recorded = {}
    for _, trace, span, fact in records:
        if fact.rank or fact.forced:
            recorded.setdefault((trace, span), fact)
    for spans in traces:
        all_facts = {span["id"]: facts_of(span) for span in spans}
        trace = spans[0]["trace"]
        shared, forced = None, False
        for found in all_facts.values():
            for fact in found:
                forced |= fact.forced
                if fact.wide and fact.rank and fact.rank != "honeycomb":
                    shared = better(shared, (fact.rank, fact.source, fact.count))
        from_record = recorded.get((trace, None))
        if from_record:
            forced |= from_record.forced
            if from_record.rank:
                shared = better(shared, ("record", "record", from_record.count))
        for span in spans:
            best = None
            for fact in all_facts[span["id"]]:
                if fact.rank:
                    best = better(best, (fact.rank, fact.source, fact.count))
            if shared and (best is None or RANKS.index(shared[0]) < RANKS.index(best[0])):
                best = shared
            own = recorded.get((trace, span["id"]))
            if own and own.rank and (best is None or best[0] == "record"):
                best = ("record", "record", own.count)
            if forced and (best is None or best[0] not in ("threshold", "honeycomb")):
                best = ("forced", None, None)
            if best is None and span["service"] in ratios:
                best = ("head", "head_sampling", 1 / ratios[span["service"]])
            weights[span["id"]] = (rounded(best[2]), best[1]) if best else (None, None)
        roots = [span for span in spans if span["root"]]
        if roots:
            of_traces[trace] = weights[roots[0]["id"]]
        else:
            known = [weights[span["id"]] for span in spans]
            of_traces[trace] = (None, None) if any(count is None for count, _ in known) else (max(count for count, _ in known), ...)
    return weights, of_traces


def malformed(span):
    """Fields of the ot member that are there and not well-formed."""
    value = member(span["state"], "ot") or ""
    patterns = {"th": "[0-9a-f]{1,14}", "rv": "[0-9a-f]{14}", "p": "[0-9]|[1-5][0-9]|6[0-3]|0[0-9]", "r": "[0-9]|[1-5][0-9]|6[0-2]|0[0-9]"}
    return {name for name, pattern in patterns.items()
            if fields(value, name) and (len(fields(value, name)) > 1 or not re.fullmatch(pattern, fields(value, name)[0]))}


def expected_issues(traces, records):
    """(type, trace, span) of what is wrong with spans; of disagreements (type, trace, sources)."""
    found = collections.Counter()
    stored = {spans[0]["trace"] for spans in traces}
    for spans in traces:
        trace, wide, weights = spans[0]["trace"], {}, {}
        facts = [(span, fact) for span in spans for fact in facts_of(span)]
        for span, fact in facts:
            if fact.source == "otel.tracestate" and fact.consistent == 0:
                found["sampling.inconsistent", trace, span["id"]] += 1
            if fact.source == "jaeger" and not fact.wide:
                found["sampling.off_root", trace, span["id"]] += 1
            if fact.source == "honeycomb" and fact.decision == "unknown" and not fact.dry_run and not fact.wide:
                found["sampling.sample_rate", trace, span["id"]] += 1
            if fact.mechanism == "sampling.probability" and fact.probability is None:
                found["sampling.probability", trace, span["id"]] += 1
            if fact.rank and fact.count > 0:
                (wide if fact.wide else weights.setdefault(span["id"], {}))[fact.source, fact.count] = None
        for span in spans:
            names = malformed(span)
            for name, kind in (("th", "threshold"), ("rv", "randomness")):
                found[f"sampling.{kind}_malformed", trace, span["id"]] += name in names
            found["sampling.power_malformed", trace, span["id"]] += bool(names & {"p", "r"})
            has_threshold = any(fact.source == "otel.tracestate" and fact.threshold is not None for fact in facts_of(span))
            found["sampling.flag_threshold", trace, span["id"]] += has_threshold and span["flags"] != 0 and not span["flags"] & 1
        pairs = set()
        for row in [weights.get(span["id"], {}) for span in spans] + [{}]:
            both = list(row) + list(wide)
            pairs |= {frozenset((a, b)) for a, n in both for b, m in both if a != b and abs(n - m) > 0.01 * max(n, m)}
        for pair in pairs:
            found["sampling.disagreement", trace, pair] += 1
        has_rule = any(fact.mechanism == "span_rule" and fact.source == "datadog" for _, fact in facts)
        for source in {fact.source for _, fact in facts if fact.decision == "drop" and not fact.dry_run}:
            if source not in ("otel.flags", "elastic") and not (source == "datadog" and has_rule):
                found["sampling.stored_reject", trace, source] += 1
    for _, trace, span, fact in records:
        if fact.decision == "drop" and not fact.dry_run and not span and trace in stored:
            found["sampling.stored_reject", trace, "record"] += 1
    return +found


def found_issues(db, kinds):
    found = collections.Counter()
    for kind, trace, span, context in db.execute("SELECT type, trace_id, span_id, context FROM sampling_issues"):
        if kind not in kinds:
            continue
        context = json.loads(context)
        if kind == "sampling.disagreement":
            found[kind, trace, frozenset(context)] += 1
        elif kind == "sampling.stored_reject":
            found[kind, trace, context["source"]] += 1
        elif kind != "sampling.sample_rate" or "meta." not in context["raw"]:  # those of Refinery are about the trace
            found[kind, trace, span] += kind != "sampling.probability" or context["source"] == "attribute"
    return +found


# ---- comparing ----

def differences(found, expected, limit=6):
    for row in list((found - expected).keys())[:limit]:
        print("# only found   ", row)
    for row in list((expected - found).keys())[:limit]:
        print("# only expected", row)


def check(number_of_test, name, good):
    print("ok" if good else "not ok", number_of_test, "-", name)
    return good


def check_schema(number_of_test, records):
    """Records are what docs/sampling-decision.schema.json says, but those made to be wrong."""
    try:
        import jsonschema
    except ImportError:
        print("ok", number_of_test, "- records conform to their schema # SKIP no jsonschema")
        return True
    path = pathlib.Path(__file__).parent.parent.parent / "docs/sampling-decision.schema.json"
    validator = jsonschema.Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))
    jsonschema.Draft202012Validator.check_schema(validator.schema)
    good = len(records) > 10
    for line, *_ in records:
        record = json.loads(line)
        is_right = record["decision"] != "odd" and record.get("probability") != 1.5
        good = good and validator.is_valid(record) == is_right
    return check(number_of_test, "records conform to their schema", good)


def run(options, folder):
    rng = random.Random(options.seed)
    folder = pathlib.Path(folder)
    traces = [random_trace(rng, i) for i in range(options.traces)]
    records = [random_record(rng, traces) for _ in range(options.traces // 4)]
    spans = [span for trace in traces for span in trace]
    late = [span for span in spans if rng.random() < 0.2]
    late_ids = {span["id"] for span in late}
    (folder / "spans.jsonl").write_text("".join(line_of(span) for span in spans if span["id"] not in late_ids), encoding="utf-8")
    (folder / "late.jsonl").write_text("".join(line_of(span) for span in late), encoding="utf-8")
    (folder / "decisions.jsonl").write_text("".join(record[0] for record in records), encoding="utf-8")
    store = folder / "store.db"
    subprocess.run([options.make_store, "-s", "64", store, folder / "spans.jsonl", folder / "late.jsonl"], check=True)
    subprocess.run([options.tracekeep, "ingest", "--quiet", store, folder / "decisions.jsonl"], check=True)
    db = sqlite3.connect(store)
    db.enable_load_extension(True)
    db.load_extension(options.extension)
    db.execute("INSERT INTO tk_head_sampling VALUES ('c', 0.125, NULL)")
    db.commit()

    columns = "trace_id, span_id, source, stage, mechanism, policy, decision, probability, threshold, randomness, adjusted_count, " \
              "consistent, dry_run"
    expected = expected_rows(traces, records)
    found = collections.Counter(tuple(map(rounded, row)) for row in db.execute(f"SELECT {columns} FROM sampling_decisions"))
    failures = not check(1, f"{sum(expected.values())} decisions are as the spans say", found == expected and sum(expected.values()) > 100)
    differences(found, expected)

    good = True
    for spans_of_trace in rng.sample(traces, min(40, len(traces))):
        trace = spans_of_trace[0]["trace"]
        rows = collections.Counter(tuple(map(rounded, row)) for row in db.execute(
            f"SELECT {columns} FROM sampling_decisions WHERE trace_id = ?", (trace,)))
        good = good and rows == collections.Counter({row: n for row, n in expected.items() if row[0] == trace})
    failures += not check(2, "the decisions of one trace are found by its id", good)
    good = True
    for (source,) in db.execute("SELECT DISTINCT source FROM sampling_decisions").fetchall():
        rows = collections.Counter(tuple(map(rounded, row)) for row in db.execute(
            f"SELECT {columns} FROM sampling_decisions WHERE source = ?", (source,)))
        good = good and rows == collections.Counter({row: n for row, n in expected.items() if row[2] == source})
    failures += not check(3, "the decisions of one source are found by it", good)

    weights, of_traces = expected_weights(traces, records, {"c": 0.125})
    found = {row[0]: (rounded(row[1]), row[2]) for row in db.execute("SELECT span_id, adjusted_count, adjusted_count_source FROM spans")}
    bad = [(key, found.get(key), weights[key]) for key in weights if found.get(key) != weights[key]]
    failures += not check(4, f"weights of {len(weights)} spans", not bad and len(found) == len(weights))
    for line in bad[:6]:
        print("#", line)
    found = {row[0]: (rounded(row[1]), row[2]) for row in db.execute("SELECT trace_id, adjusted_count, adjusted_count_source FROM traces")}
    bad = [(key, found.get(key), value) for key, value in of_traces.items()
           if not found.get(key) or found[key][0] != value[0] or value[1] not in (..., found[key][1])]
    failures += not check(5, f"weights of {len(of_traces)} traces", not bad and len(found) == len(of_traces))
    for line in bad[:6]:
        print("#", line)
    plain = db.execute("SELECT trace_id, adjusted_count FROM traces").fetchall()
    sorted_ones = db.execute("SELECT trace_id, adjusted_count FROM traces ORDER BY start_ns DESC").fetchall()
    single = [db.execute("SELECT trace_id, adjusted_count FROM traces WHERE trace_id = ?", row[:1]).fetchone() for row in plain[::17]]
    failures += not check(6, "weights of traces do not depend on the plan", dict(plain) == dict(sorted_ones) and single == plain[::17])
    known = [count for count, _ in weights.values() if count is not None]
    total, share = db.execute("SELECT weighted_count(adjusted_count), unknown_weight_share(adjusted_count) FROM spans").fetchone()
    failures += not check(7, "weighted_count and the unknown share", math.isclose(total, math.fsum(known), rel_tol=1e-12)
                          and math.isclose(share, 1 - len(known) / len(weights)))
    expected = expected_issues(traces, records)
    kinds = {kind for kind, _, _ in expected}
    found = found_issues(db, kinds)
    failures += not check(8, f"{sum(expected.values())} issues of {len(kinds)} types", found == expected and len(kinds) > 6)
    differences(found, expected)
    db.close()
    failures += not check_schema(9, records)
    print("1..9")
    return failures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tracekeep")
    parser.add_argument("make_store")
    parser.add_argument("extension")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--traces", type=int, default=600)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(run(options, folder) > 0)


main()
