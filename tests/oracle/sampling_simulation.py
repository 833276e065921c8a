# SPDX-License-Identifier: MIT
"""A population of traces that is known, sampled by each sampler as its reference describes it, and what is left ingested: the
true counts must lie within the stated limits as often as stated. Many independent populations go into one store, each as a
service of its own.

Usage: sampling_simulation.py MAKE_STORE EXTENSION [--seed N] [--populations N] [--traces N] [--plot FILE]"""

import argparse
import hashlib
import json
import math
import pathlib
import random
import sqlite3
import struct
import subprocess
import sys
import tempfile

RANGE = 1 << 56
TAIL = {"processors": {"tail_sampling": {"policies": [
    {"name": "errors", "type": "status_code", "status_code": {"status_codes": ["ERROR"]}},
    {"name": "p10", "type": "probabilistic", "probabilistic": {"sampling_percentage": 10}}]}}}


# ---- hashes ----

def fnv32(data):
    value = 0x811C9DC5
    for byte in data:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def fnv64(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def single(value):
    return struct.unpack("f", struct.pack("f", value))[0]


# ---- samplers: what the root, and every span, of a kept trace carries; None: dropped ----

def consistent(trace):
    threshold = 0xE6660000000000
    return ({}, {}, "ot=th:e666") if int(trace["id"][-14:], 16) >= threshold else None


def consistent_root(trace):
    """An explicit randomness, as where trace ids are not random."""
    threshold = 0xF3333000000000
    rv = trace["rng"].getrandbits(56)
    return ({}, {}, f"ot=rv:{rv:014x};th:f3333") if rv >= threshold else None


def hash_seed(trace):
    h = fnv32(struct.pack("<I", 22) + bytes.fromhex(trace["id"]))
    bucket = h & 0x3FFF
    if bucket >= int(single(10) * single(163.84)):
        return None
    upper = h >> 18
    randomness = (16383 - bucket) << 42 | (upper ^ (upper << 10)) << 14 | bucket
    return {}, {}, f"ot=th:e668;rv:{randomness:014x}"


def tail(trace):
    kept = trace["error"] or fnv64(b"default-hash-seed" + bytes.fromhex(trace["id"])) <= int((2 ** 64 - 1) * 0.1)
    return ({}, {}, "") if kept else None


def refinery(trace):
    head = int.from_bytes(hashlib.sha1((trace["id"] + "5VQ8l2jE5aJLPVqk").encode()).digest()[:4], "big")
    every = {"SampleRate": 10, "meta.refinery.reason": "deterministic/chance", "meta.refinery.final_sample_rate": 10}
    return ({}, every, "") if head <= 0xFFFFFFFF // 10 else None


def jaeger(trace):
    kept = (int(trace["id"][16:], 16) & (1 << 63) - 1) <= int(2 ** 63 * 0.1)
    return ({"sampler.type": "probabilistic", "sampler.param": 0.1}, {}, "") if kept else None


def datadog(trace):
    kept = int(trace["id"][16:], 16) * 1111111111111111111 % 2 ** 64 <= int(0.1 * (2 ** 64 - 1))
    return ({"_sampling_priority_v1": 1, "_dd.p.dm": "-1", "_dd.agent_psr": 0.1}, {}, "") if kept else None


def go_ratio(trace):
    return ({}, {}, "") if int(trace["id"][16:], 16) >> 1 < int(0.1 * 2 ** 63) else None


SAMPLERS = {"consistent probability": consistent, "explicit randomness, 5 %": consistent_root, "collector, hash_seed": hash_seed,
            "collector, tail sampling": tail, "Refinery, deterministic": refinery, "Jaeger, probabilistic": jaeger,
            "Datadog, agent rate": datadog, "SDK ratio, said by hand": go_ratio}


# ---- populations ----

def population(rng, count):
    traces = []
    for _ in range(count):
        spans = rng.choice([1, 2, 2, 3, 5])
        traces.append({"id": f"{rng.getrandbits(128):032x}", "rng": rng, "spans": spans, "error": rng.random() < 0.2,
                       "duration": int(rng.lognormvariate(17, 0.5))})
    return traces


def truth(traces):
    return {"traces": len(traces), "spans": sum(trace["spans"] for trace in traces),
            "errors": sum(trace["error"] for trace in traces), "duration": sum(trace["duration"] for trace in traces)}


def any_value(value):
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": value}


def attributes(values):
    return [{"key": key, "value": any_value(value)} for key, value in values.items()]


def write_spans(out, number, traces, sampler):
    base = 1795179600000000000 + number * 10 ** 9
    for index, trace in enumerate(traces):
        kept = sampler(trace)
        if not kept:
            continue
        on_root, on_all, state = kept
        start = base + index * 1000
        spans = []
        for i in range(trace["spans"]):
            span = {"traceId": trace["id"], "spanId": f"{(number << 32) + index * 16 + i + 1:016x}", "name": "op", "kind": 2 if i == 0 else 1,
                    "startTimeUnixNano": str(start), "endTimeUnixNano": str(start + trace["duration"]),
                    "attributes": attributes({**on_all, **(on_root if i == 0 else {})})}
            if i > 0:
                span["parentSpanId"] = f"{(number << 32) + index * 16 + 1:016x}"
            elif trace["error"]:
                span["status"] = {"code": 2}
            if state:
                span["traceState"] = state
            spans.append(span)
        out.write(json.dumps({"resourceSpans": [{"resource": {"attributes": attributes({"service.name": f"population {number}"})},
                                                 "scopeSpans": [{"spans": spans}]}]}) + "\n")


# ---- estimates ----

ROOTS = """
SELECT root_service, weighted_count({w}), weighted_count_low({w}), weighted_count_high({w}),
       weighted_count({w}) FILTER (WHERE error_count > 0), weighted_count_low({w}) FILTER (WHERE error_count > 0),
       weighted_count_high({w}) FILTER (WHERE error_count > 0),
       weighted_sum(root_duration_ns, {w}), weighted_sum_low(root_duration_ns, {w}), weighted_sum_high(root_duration_ns, {w}),
       unknown_weight_share({w})
FROM {table} GROUP BY root_service"""
SPANS = """
SELECT service, weighted_count({w}), weighted_count_low({w}, trace_id), weighted_count_high({w}, trace_id), unknown_weight_share({w})
FROM {table} GROUP BY service"""


def estimates_of(db, name):
    """By population: metric -> (estimate, low, high); and the greatest unknown share."""
    roots, spans, weight = "traces", "spans", "adjusted_count"
    if name == "collector, tail sampling":
        db.execute("CREATE TEMP TABLE replayed AS SELECT trace_id, decision, adjusted_count AS weight FROM sampling_replay(?)",
                   (json.dumps(TAIL),))
        if db.execute("SELECT count(*) FROM replayed WHERE decision <> 'keep'").fetchone()[0]:
            raise ValueError("the replay drops what was kept")
        db.execute("CREATE INDEX temp.by_id ON replayed(trace_id)")
        roots, spans = "traces JOIN replayed USING (trace_id)", "spans JOIN replayed USING (trace_id)"
        weight = "weight"
    found, unknown = {}, 0
    for row in db.execute(ROOTS.format(w=weight, table=roots)):
        found[row[0]] = {"traces": row[1:4], "errors": row[4:7], "duration": row[7:10]}
        unknown = max(unknown, row[10])
    for row in db.execute(SPANS.format(w=weight, table=spans)):
        found[row[0]]["spans"] = row[1:4]
        unknown = max(unknown, row[4])
    return found, unknown


def simulate(options, folder, name, sampler, seed):
    rng = random.Random(seed)
    path = pathlib.Path(folder) / f"{seed}.jsonl"
    truths = {}
    with open(path, "w", encoding="utf-8") as out:
        for number in range(options.populations):
            traces = population(rng, options.traces)
            truths[f"population {number}"] = truth(traces)
            write_spans(out, number, traces, sampler)
    store = path.with_suffix(".db")
    subprocess.run([options.make_store, store, path], check=True)
    path.unlink()
    db = sqlite3.connect(store)
    db.enable_load_extension(True)
    db.load_extension(str(pathlib.Path(options.extension).resolve()))
    if sampler is go_ratio:
        db.execute("INSERT INTO tk_head_sampling SELECT service, 0.1, NULL FROM services")
        db.commit()
    found, unknown = estimates_of(db, name)
    db.close()
    return truths, found, unknown


def plot(path, results):
    """Estimates and limits of some populations, divided by the truth."""
    import matplotlib
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "tracekeep"
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(2, 4, figsize=(12, 5.5), sharey=True, sharex=True)
    for axis, (name, (truths, found, coverage)) in zip(axes.flat, results.items()):
        rows = sorted((found[key]["traces"][0] / truths[key]["traces"], found[key]["traces"][1] / truths[key]["traces"],
                       found[key]["traces"][2] / truths[key]["traces"]) for key in list(found)[:60])
        for i, (estimate, low, high) in enumerate(rows):
            missed = not low <= 1 <= high
            axis.plot([i, i], [low, high], color="#d62728" if missed else "#9ecae1", linewidth=1.4)
            axis.plot(i, estimate, ".", color="#d62728" if missed else "#08519c", markersize=2.5)
        axis.axhline(1, color="black", linewidth=0.7)
        axis.set_title(f"{name}: {100 * coverage:.0f} %", fontsize=9)
        axis.set_xticks([])
    for axis in axes[:, 0]:
        axis.set_ylabel("estimate / truth")
    figure.suptitle("Traces before sampling: estimates and limits of 95 % in 60 populations, and how often the truth is inside", fontsize=10)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else None, dpi=80)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("make_store")
    parser.add_argument("extension")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--populations", type=int, default=200)
    parser.add_argument("--traces", type=int, default=900)
    parser.add_argument("--plot")
    options = parser.parse_args()
    failures, number, results = 0, 0, {}
    # Of n intervals of 95 %, how many hold the truth is binomial; four standard deviations, and something for the normal
    # distribution not being exact with as few errors as are kept.
    slack = 4 * math.sqrt(0.95 * 0.05 / options.populations) + 0.02
    with tempfile.TemporaryDirectory() as folder:
        for name, sampler in SAMPLERS.items():
            truths, found, unknown = simulate(options, folder, name, sampler, options.seed * 1000 + number)
            for metric in ("traces", "spans", "errors", "duration"):
                number += 1
                inside = [bool(found[key][metric][1] <= truths[key][metric] <= found[key][metric][2]) for key in truths]
                ratio = [found[key][metric][0] / truths[key][metric] for key in truths]
                mean = sum(ratio) / len(ratio)
                deviation = math.sqrt(sum((value - mean) ** 2 for value in ratio) / (len(ratio) - 1) / len(ratio))
                coverage = sum(inside) / len(inside)
                exact = name == "collector, tail sampling" and metric == "errors"
                good = coverage == 1 if exact else abs(coverage - 0.95) <= slack
                # Off by what 4 standard errors allow, or by what the threshold's few digits are.
                good = good and abs(mean - 1) <= 4 * deviation + 0.002 and unknown == 0 and len(found) == options.populations
                failures += not good
                print("ok" if good else "not ok", number, f"- {name}: {metric}: {100 * coverage:.1f} % inside, mean {mean:.4f}")
                if metric == "traces":
                    results[name] = (truths, found, coverage)
    print(f"1..{number}")
    if options.plot:
        plot(options.plot, results)
    sys.exit(failures > 0)


main()
