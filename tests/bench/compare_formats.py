#!/usr/bin/python3
"""How fast each format is read: the same spans in all of them, exported from one store.

    tests/bench/compare_formats.py                       traces made by generate_traces
    tests/bench/compare_formats.py --size 4000           so many of them
    tests/bench/compare_formats.py dump.jsonl.zst ...    the spans of these dumps, in any format
    tests/bench/compare_formats.py --build DIR           a release build that exists

Prints a Markdown table: bytes, time (of the processor, the best of several, one thread, uncompressed
files in the page cache, spans read and thrown away), and the ratios to OTLP JSON by byte and by span. Fails if a
ratio is below what is promised: protobuf as fast by span, Jaeger and Zipkin half as fast by byte.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FORMATS = {'otlp-json': 'jsonl', 'otlp-proto': 'pb', 'jaeger': 'jaeger.json', 'zipkin': 'zipkin.json', 'ndjson': 'ndjson'}
PROMISED = {'otlp-proto': ('by span', 1.0), 'jaeger': ('by byte', 0.5), 'zipkin': ('by byte', 0.5)}


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], check=False, **options)
    if done.returncode not in (0, 1):
        sys.exit(f'compare_formats: {command[0]} ended with {done.returncode}')
    return done.stdout


def build(folder):
    if not (folder / 'build.ninja').exists():
        run('meson', 'setup', folder, ROOT, '--buildtype=release', '-Db_ndebug=true', stdout=subprocess.DEVNULL)
    run('ninja', '-C', folder, 'cli/tracekeep', 'tests/input/parse_bench', stdout=subprocess.DEVNULL)
    return folder / 'cli/tracekeep', folder / 'tests/input/parse_bench'


def generate(work, count):
    generator, dump = work / 'generate_traces', work / f'generated-{count}.jsonl'
    if not dump.exists():
        run(os.environ.get('CC', 'cc'), '-O2', '-o', generator, HERE / 'generate_traces.c', '-lm')
        run(generator, count, 42, dump, stdout=subprocess.DEVNULL)
    return dump


def export_all(tracekeep, work, dumps):
    store = work / 'formats.db'
    for old in work.glob('formats.db*'):
        old.unlink()
    run(tracekeep, 'ingest', '--quiet', store, *dumps)
    files = {}
    for name, ending in FORMATS.items():
        files[name] = work / f'formats.{ending}'
        run(tracekeep, 'export', store, '--format', name, '--compress', 'none', '-o', files[name])
    return files


def measure(bench, path):
    """Spans, bytes, seconds."""
    text = run(bench, path, stdout=subprocess.PIPE, text=True)
    spans = int(re.search(r': (\d+) spans', text)[1])
    return spans, path.stat().st_size, float(re.search(r'([\d.]+) of a processor', text)[1])


def best(bench, files, rounds):
    """Round by round, so that a disturbance does not hit one format alone."""
    results = {}
    for _ in range(rounds):
        for name, path in files.items():
            result = measure(bench, path)
            if name not in results or result[2] < results[name][2]:
                results[name] = result
    counts = {spans for spans, _, _ in results.values()}
    if len(counts) != 1 or not counts.pop():
        sys.exit(f'compare_formats: not the same spans in every format: {results}')
    return results


def report(results):
    spans, base_bytes, base_seconds = results['otlp-json']
    print(f'{spans} spans\n\n| format | MB | bytes a span | ms | MB/s | spans/s | speed by byte | speed by span |')
    print('|---|---|---|---|---|---|---|---|')
    failed = []
    for name, (_, size, seconds) in results.items():
        ratios = {'by byte': size / seconds / (base_bytes / base_seconds), 'by span': base_seconds / seconds}
        print(f'| {name} | {size / 1e6:.1f} | {size / spans:.0f} | {seconds * 1e3:.0f} | {size / 1e6 / seconds:.0f} | {spans / seconds / 1e6:.2f} M '
              f'| {ratios["by byte"]:.2f} | {ratios["by span"]:.2f} |')
        if name in PROMISED:
            kind, least = PROMISED[name]
            if ratios[kind] < least:
                failed.append(f'{name}: {ratios[kind]:.2f} times as fast as OTLP JSON {kind}, expected at least {least}')
    print()
    return failed


def main():
    parser = argparse.ArgumentParser(description='How fast each format is read.')
    parser.add_argument('dumps', nargs='*', type=pathlib.Path)
    parser.add_argument('--size', type=int, default=6000, help='traces to generate; default: 6000')
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--build', type=pathlib.Path, help='default: made in --work')
    parser.add_argument('--work', type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir()) / 'tracekeep-formats')
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    tracekeep, bench = build(arguments.build or arguments.work / 'build')
    dumps = [path.resolve() for path in arguments.dumps] or [generate(arguments.work, arguments.size)]
    failed = report(best(bench, export_all(tracekeep, arguments.work, dumps), arguments.rounds))
    for line in failed:
        print(f'compare_formats: {line}', file=sys.stderr)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
