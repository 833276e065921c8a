#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How long replaying a sampling configuration takes: decisions about every trace of a store.

    tests/bench/replay_sampling.py                    50 000 traces (1.09 million spans) of generate_traces
    tests/bench/replay_sampling.py --traces 5000      so many of them
    tests/bench/replay_sampling.py --store traces.db  a store that exists
    tests/bench/replay_sampling.py --build DIR        a release build that exists

Prints a Markdown table: seconds (wall clock, processor; the best of several, a new process each) and peak memory. Fails if the
five policies take longer than promised: five seconds for a million spans.
"""
import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROMISED = 5.0  # seconds for a million spans

FIVE = [{'name': 'errors', 'type': 'status_code', 'status_code': {'status_codes': ['ERROR']}},
        {'name': 'slow', 'type': 'latency', 'latency': {'threshold_ms': 1000}},
        {'name': 'route', 'type': 'string_attribute',
         'string_attribute': {'key': 'http.route', 'values': ['^/api/v[12]/admin', 'internal$'], 'enabled_regex_matching': True}},
        {'name': 'broken', 'type': 'numeric_attribute', 'numeric_attribute': {'key': 'http.response.status_code', 'min_value': 500, 'max_value': 599}},
        {'name': 'rest', 'type': 'probabilistic', 'probabilistic': {'sampling_percentage': 5}}]
OTTL = [{'name': 'condition', 'type': 'ottl_condition', 'ottl_condition': {'span': [
    'attributes["http.response.status_code"] >= 500 and kind == SPAN_KIND_SERVER', 'IsMatch(name, "^POST") and end_time - start_time > Duration("1s")']}}]
LIMITED = [{'name': 'shares', 'type': 'composite', 'composite': {
    'max_total_spans_per_second': 100, 'policy_order': ['large', 'all'],
    'composite_sub_policy': [{'name': 'large', 'type': 'span_count', 'span_count': {'min_spans': 30}}, {'name': 'all', 'type': 'always_sample'}],
    'rate_allocation': [{'policy': 'large', 'percent': 50}, {'policy': 'all', 'percent': 50}]}}]
BYTES = [{'name': 'bytes', 'type': 'bytes_limiting', 'bytes_limiting': {'bytes_per_second': 100000}}]
CASES = {'five policies': FIVE, 'five, and OTTL': FIVE + OTTL, 'five, and a composite': FIVE + LIMITED, 'five, and bytes_limiting': FIVE + BYTES}


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], check=False, **options)
    if done.returncode != 0:
        sys.exit(f'replay_sampling: {command[0]} ended with {done.returncode}')
    return done.stdout


def make_store(tracekeep, work, traces):
    generator, dump, store = work / 'generate_traces', work / f'generated-{traces}.jsonl', work / f'sampling-{traces}.db'
    if not store.exists():
        run(os.environ.get('CC', 'cc'), '-O2', '-o', generator, HERE / 'generate_traces.c', '-lm')
        run(generator, traces, 42, dump, stdout=subprocess.DEVNULL)
        run(tracekeep, 'ingest', '--quiet', store, dump)
        dump.unlink()
    return store


def measure(tracekeep, store, policies, repeats):
    """(decisions, wall, processor, MB) of the best run."""
    sql = 'SELECT decision, count(*), sum(adjusted_count) FROM sampling_replay(:config) GROUP BY decision ORDER BY 1'
    best = None
    for _ in range(repeats):
        read, write = os.pipe()
        began = time.perf_counter()
        child = os.fork()
        if child == 0:
            os.dup2(write, 1)
            os.close(read)
            os.execv(tracekeep, [str(tracekeep), 'query', str(store), '-f', 'csv', '-p', 'config=' + json.dumps({'policies': policies}), sql])
        os.close(write)
        with os.fdopen(read) as answer:
            text = answer.read()
        _, status, usage = os.wait4(child, 0)
        if status != 0:
            sys.exit('replay_sampling: the query failed')
        found = (time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text)
        best = min(best or found, found)
    return best


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--traces', type=int, default=50000)
    parser.add_argument('--store', type=pathlib.Path)
    parser.add_argument('--build', type=pathlib.Path)
    parser.add_argument('--work', type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir()) / 'tracekeep-bench')
    parser.add_argument('--repeats', type=int, default=3)
    arguments = parser.parse_args()
    arguments.work.mkdir(exist_ok=True)
    build = arguments.build or arguments.work / 'build'
    if not (build / 'build.ninja').exists():
        run('meson', 'setup', build, ROOT, '--buildtype=release', '-Db_ndebug=true', stdout=subprocess.DEVNULL)
    if not arguments.build:
        run('ninja', '-C', build, 'cli/tracekeep', stdout=subprocess.DEVNULL)
    tracekeep = build / 'cli/tracekeep'
    store = arguments.store or make_store(tracekeep, arguments.work, arguments.traces)
    spans, traces = map(int, run(tracekeep, 'query', store, '-f', 'csv', '--no-headings', 'SELECT sum(span_count), count(*) FROM traces', text=True,
                                 stdout=subprocess.PIPE).split(','))
    print(f'{spans} spans in {traces} traces\n\n| configuration | s | processor s | MB | kept |\n|---|---|---|---|---|')
    slowest = 0.0
    for name, policies in CASES.items():
        wall, processor, memory, text = measure(tracekeep, store, policies, arguments.repeats)
        kept = next((line.split(',')[1] for line in text.splitlines() if line.startswith('keep')), '0')
        print(f'| {name} | {wall:.2f} | {processor:.2f} | {memory:.0f} | {kept} |')
        if name == 'five policies':
            slowest = wall
    if slowest > PROMISED * max(spans, 10**6) / 10**6:
        sys.exit(f'five policies took {slowest:.1f} s')


if __name__ == '__main__':
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
