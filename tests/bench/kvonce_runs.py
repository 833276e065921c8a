#!/usr/bin/python3
"""Ingests a million KvOnce events in 10,000 files, and the same number of OTLP spans, and compares.

usage: kvonce_runs.py TRACEKEEP [FILES [EVENTS_PER_FILE]]

The target: events take at most three times as long as spans. Files are made in a temporary folder;
TMPDIR says where. Prints one line a measurement, and fails when the target is missed."""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

TYPES = ['success', 'success', 'retry', 'failure']


def make_runs(folder, files, events):
    rng = random.Random(5)
    for number in range(files):
        path = folder / f'{number // 1000:03}' / f'run-{number:05}.ndjson'
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = []
        for i in range(events):
            kind = rng.choice(TYPES)
            event = {'traceId': f'trace-{number}-{i // 10}', 'timestamp': f'2026-03-04T06:{i // 60 % 60:02}:{i % 60:02}.{rng.randrange(1000):03}Z',
                     'actor': 'kvonce-client', 'event': kind, 'type': kind, 'key': f'key-{rng.randrange(20)}'}
            if kind == 'success':
                event['value'] = f'v{rng.randrange(10 ** 6)}'
            elif kind == 'retry':
                event['context'] = {'attempt': rng.randrange(4)}
            else:
                event['reason'] = rng.choice(['duplicate', 'timeout'])
            lines.append(json.dumps(event, separators=(',', ':')) + '\n')
        path.write_text(''.join(lines))
    return folder


def make_spans(path, count):
    rng = random.Random(6)
    with path.open('w') as out:
        for begin in range(0, count, 500):
            spans = [{'traceId': f'{begin + i - i % 10 + 1:032x}', 'spanId': f'{begin + i + 1:016x}', 'name': f'kvonce.{rng.choice(TYPES)}', 'kind': 3,
                      'startTimeUnixNano': str(1760000000000000000 + (begin + i) * 1000003), 'endTimeUnixNano': str(1760000000000000000 + (begin + i) * 1000003 + rng.randrange(10 ** 7)),
                      'attributes': [{'key': 'db.system', 'value': {'stringValue': 'kvonce'}}, {'key': 'db.operation', 'value': {'stringValue': rng.choice(TYPES)}},
                                     {'key': 'db.key', 'value': {'stringValue': f'key-{rng.randrange(20)}'}}],
                      'status': {}} for i in range(min(500, count - begin))]
            out.write(json.dumps({'resourceSpans': [{'resource': {'attributes': [{'key': 'service.name', 'value': {'stringValue': 'kvonce-client'}}]},
                                                     'scopeSpans': [{'scope': {'name': 'bench'}, 'spans': spans}]}]}, separators=(',', ':')) + '\n')
    return path


def ingest(program, store, source):
    begin = time.monotonic()
    out = subprocess.run([program, 'ingest', '--output-format', 'json', store, source], check=True, capture_output=True).stdout
    return time.monotonic() - begin, json.loads(out)


def main():
    program = os.path.abspath(sys.argv[1])
    files = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
    events = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        runs, dump = make_runs(folder / 'runs', files, events), make_spans(folder / 'dump.jsonl', files * events)
        span_seconds, spans = ingest(program, folder / 'spans.db', dump)
        event_seconds, summary = ingest(program, folder / 'runs.db', runs)
        assert (spans['spans_new'], summary['events_new'], summary['documents_new']) == (files * events, files * events, files), (spans, summary)
        again, _ = ingest(program, folder / 'runs.db', runs)
        run = subprocess.run([program, 'query', folder / 'runs.db', '--format', 'csv', '--no-headings', 'SELECT run_id FROM documents WHERE id = 1'], check=True, capture_output=True).stdout.decode().strip()
        begin = time.monotonic()
        subprocess.run([program, 'query', folder / 'runs.db', f"SELECT * FROM runs WHERE run_id = '{run}'"], check=True, capture_output=True)
        one_run = time.monotonic() - begin
        print(f'spans   {span_seconds:6.2f} s for {files * events} spans in one file, {spans["bytes_in"] / 1e6:.0f} MB')
        print(f'events  {event_seconds:6.2f} s for {files * events} events in {files} files, {summary["bytes_in"] / 1e6:.0f} MB; '
              f'{(folder / "runs.db").stat().st_size / 1e6:.1f} MB stored')
        print(f'again   {again:6.2f} s')
        print(f'a run   {one_run:6.2f} s, program start included')
        print(f'ratio   {event_seconds / span_seconds:6.2f} (target: at most 3)')
        sys.exit(event_seconds > 3 * span_seconds)


if __name__ == '__main__':
    main()
