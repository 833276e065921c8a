# SPDX-License-Identifier: MIT
"""Checks of sampling_issues that look at all traces of a service, on services whose sampling is known: every kind of sampler is
told, and healthy services are left alone.

Usage: sampling_decisions_checks.py MAKE_STORE EXTENSION [--seed N]"""

import argparse
import json
import pathlib
import random
import sqlite3
import subprocess
import sys
import tempfile

RANGE = 1 << 56
LEFT = 400  # traces that are left of each service


def low(number):
    return number & (1 << 64) - 1


def signed(number):
    return number - (1 << 64) if number >> 63 else number


def words(number):
    value = 0
    for shift in (0, 32, 64, 96):
        value ^= number >> shift & 0xFFFFFFFF
    return value


# service -> (which ids are kept, tracestate or attributes of one, the issue that is expected, what its context must hold)
SERVICES = {
    "everything": (lambda n: True, lambda n: "", None, None),
    "consistent": (lambda n: n % RANGE >= 0xC0000000000000, lambda n: "ot=th:c", None, None),
    "consistent, mixed": (lambda n: n % RANGE >= (0xE0000000000000 if n >> 100 & 1 else 0x80000000000000),
                          lambda n: "ot=th:e" if n >> 100 & 1 else "ot=th:8", None, None),
    "explicit randomness": (lambda n: True, lambda n: f"ot=th:8;rv:{0x80000000000000 | n >> 60 & (1 << 55) - 1:014x}", None, None),
    "kept less than said": (lambda n: n % RANGE >= 0xE0000000000000, lambda n: "ot=th:c", "sampling.distribution", None),
    "not applied to": (lambda n: 0xC0000000000000 <= n % RANGE < 0xE0000000000000, lambda n: "ot=th:c", "sampling.distribution", None),
    "consistent, untold": (lambda n: n % RANGE >= 0xE6660000000000, lambda n: "", "sampling.ratio_sampler", ("consistent probability", 0.1)),
    "go": (lambda n: low(n) >> 1 < int(0.1 * 2 ** 63), lambda n: "", "sampling.ratio_sampler", ("go, rust or python", 0.1)),
    "old go": (lambda n: n >> 65 < int(0.2 * 2 ** 63), lambda n: "", "sampling.ratio_sampler", ("go before 1.12", 0.2)),
    "java": (lambda n: abs(signed(low(n))) < int(0.25 * (2 ** 63 - 1)), lambda n: "", "sampling.ratio_sampler", ("java or dotnet", 0.25)),
    "js": (lambda n: words(n) < int(0.05 * 0xFFFFFFFF), lambda n: "", "sampling.ratio_sampler", ("js", 0.05)),
    "jaeger, as said": (lambda n: (low(n) & (1 << 63) - 1) <= 0.1 * 2 ** 63, lambda n: {"sampler.type": "probabilistic", "sampler.param": 0.1},
                        None, None),
    "jaeger, half of it": (lambda n: (low(n) & (1 << 63) - 1) <= 0.1 * 2 ** 63,
                           lambda n: {"sampler.type": "probabilistic", "sampler.param": 0.2}, "sampling.distribution", ("jaeger client", 0.1)),
    "datadog, as said": (lambda n: low(n) * 1111111111111111111 % 2 ** 64 <= 0.1 * 2 ** 64,
                         lambda n: {"_sampling_priority_v1": 1, "_dd.agent_psr": 0.1}, None, None),
    "datadog, more": (lambda n: low(n) * 1111111111111111111 % 2 ** 64 <= 0.2 * 2 ** 64,
                      lambda n: {"_sampling_priority_v1": 1, "_dd.agent_psr": 0.1}, "sampling.distribution", ("datadog", 0.2)),
    "dice": (lambda n: True, lambda n: {"sampling.probability": 0.1}, None, None),
    "counted": (None, lambda n: "", "sampling.distribution", None),
}


def ids_of(rng, keep):
    if keep is None:
        return [0x4BF92F3577B34DA600000000 << 32 | i for i in range(1, LEFT + 1)]
    found = []
    while len(found) < LEFT:
        number = rng.getrandbits(128)
        if keep(number):
            found.append(number)
    return found


def line_of(number, service, state, start):
    span = {"traceId": f"{number:032x}", "spanId": f"{low(number) or 1:016x}", "name": "op", "kind": 2, "startTimeUnixNano": str(start),
            "endTimeUnixNano": str(start + 1000)}
    if isinstance(state, dict):
        span["attributes"] = [{"key": key, "value": {"stringValue": str(value)}} for key, value in state.items()]
    elif state:
        span["traceState"] = state
    return json.dumps({"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
                                          "scopeSpans": [{"spans": [span]}]}]}) + "\n"


def open_store(options, folder, name, lines):
    path = pathlib.Path(folder) / name
    path.with_suffix(".jsonl").write_text("".join(lines), encoding="utf-8")
    subprocess.run([options.make_store, "-s", "2000", path, path.with_suffix(".jsonl")], check=True)
    db = sqlite3.connect(path)
    db.enable_load_extension(True)
    db.load_extension(str(pathlib.Path(options.extension).resolve()))
    return db


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("make_store")
    parser.add_argument("extension")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        lines, start = [], 1795179600000000000
        for service, (keep, state, _, _) in SERVICES.items():
            for number in ids_of(rng, keep):
                start += 1000
                lines.append(line_of(number, service, state(number), start))
        rng.shuffle(lines)
        db = open_store(options, folder, "kinds.db", lines)
        found = {}
        for service, kind, context in db.execute("SELECT service, type, context FROM sampling_issues"):
            found.setdefault(service, []).append((kind, json.loads(context)))
        db.close()
        for test, (service, (_, _, expected, detail)) in enumerate(SERVICES.items(), 1):
            issues = found.get(service, [])
            good = [kind for kind, _ in issues] == ([expected] if expected else [])
            if good and detail:
                good = issues[0][1]["sampler"] == detail[0] and abs(issues[0][1]["ratio"] / detail[1] - 1) < 0.05
            failures += not good
            print("ok" if good else "not ok", test, "-", service, "" if good else issues)

        services, traces = 150, 120
        lines = [line_of(rng.getrandbits(128), f"healthy {i}", "", start + i * traces + k) for i in range(services) for k in range(traces)]
        db = open_store(options, folder, "healthy.db", lines)
        suspected = db.execute("SELECT count(*) FROM sampling_issues").fetchone()[0]
        db.close()
        failures += suspected > 0
        print("ok" if suspected == 0 else "not ok", len(SERVICES) + 1, f"- of {services} healthy services {suspected} are suspected")
    print(f"1..{len(SERVICES) + 1}")
    sys.exit(failures > 0)


main()
