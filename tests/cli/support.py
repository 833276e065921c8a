"""What the Python tests of the program share: running it, and making dumps for it.

The program is the first argument of every test. Tests print TAP and exit non-zero on failure."""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE / 'fixtures'
PROGRAM = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else ''


class Run:
    """One finished run of the program."""

    def __init__(self, *arguments, stdin=b'', cwd=None, expect=0):
        command = [PROGRAM, *[str(argument) for argument in arguments]]
        done = subprocess.run(command, input=stdin, cwd=cwd, capture_output=True, check=False)
        self.code, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr
        if expect is not None and self.code != expect:
            raise AssertionError(f'{command}: exit {self.code}, expected {expect}\n'
                                 f'{self.stdout[-2000:].decode(errors="replace")}\n{self.stderr[-2000:].decode(errors="replace")}')


def query(store, sql):
    """Rows of a query, as lists of Python values."""
    rows = []
    for line in Run('query', store, '--format', 'ndjson', sql).stdout.splitlines():
        rows.append(list(json.loads(line).values()))
    return rows


# Everything a store says, in an order that does not depend on how it got there.
CONTENT = {
    'spans': 'SELECT * FROM spans ORDER BY trace_id, span_id, kind',
    'events': 'SELECT * FROM span_events ORDER BY 1, 2, 3, 4, 5',
    'links': 'SELECT * FROM span_links ORDER BY 1, 2, 3, 4, 5',
    'attributes': 'SELECT * FROM span_attributes ORDER BY 1, 2, 3, 4, 5, 6',
    'issues': 'SELECT type, severity, trace_id, span_id, message, path, line, offset, raw FROM ingest_issues ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9',
    'ingests': 'SELECT source, format, complete, bytes, records, spans_new, spans_duplicate, spans_conflicting, rejected, issues FROM ingests ORDER BY 1, 2, 3, 4',
    'keys': 'SELECT scope, key, type, value_count, first_seen_ns, last_seen_ns FROM attribute_keys ORDER BY 1, 2, 3',
}


def content(store, without=()):
    """The answers to CONTENT by name. Fails on a store without spans: nothing to compare."""
    answers = {name: Run('query', store, '--format', 'csv', sql).stdout
               for name, sql in CONTENT.items() if name not in without}
    if answers['spans'].count(b'\n') < 2:
        raise AssertionError(f'{store} holds no spans')
    return answers


def differences(first, second):
    """Names of the answers that differ, with the first line that does."""
    found = []
    for name in first:
        if first[name] == second[name]:
            continue
        a, b = first[name].splitlines(), second[name].splitlines()
        line = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
        found.append(f'{name}: {len(a)} and {len(b)} lines, first difference in line {line + 1}:\n'
                     f'    {a[line][:300] if line < len(a) else "(none)"}\n    {b[line][:300] if line < len(b) else "(none)"}')
    return found


# ---- dumps ----

def string(text):
    return {'stringValue': text}


def attributes(**values):
    return [{'key': key.replace('__', '.'), 'value': value} for key, value in values.items()]


def make_trace(rng, number, start_ns, span_count):
    """One trace of a small shop, as a list of (service, span)."""
    services = ['storefront', 'checkout', 'payment', 'stock']
    trace_id = f'{rng.getrandbits(128):032x}'
    spans, ids = [], []
    for i in range(span_count):
        parent = rng.choice(ids) if ids else None
        span = {'traceId': trace_id, 'spanId': f'{rng.getrandbits(64) | 1:016x}', 'name': f'{rng.choice(["GET", "POST"])} /{rng.choice(["cart", "pay", "item"])}',
                'kind': rng.randint(1, 5), 'startTimeUnixNano': str(start_ns + i * 1000), 'endTimeUnixNano': str(start_ns + i * 1000 + rng.randint(1, 10**8)),
                'attributes': attributes(http__response__status_code={'intValue': str(rng.choice([200, 404, 500]))}, item=string(f'item {rng.randint(1, 500)}')),
                'status': {'code': 2, 'message': 'declined'} if rng.random() < 0.05 else {}}
        if parent:
            span['parentSpanId'] = parent
        if rng.random() < 0.2:
            span['events'] = [{'timeUnixNano': str(start_ns + i * 1000 + 7), 'name': 'retry', 'attributes': attributes(attempt={'intValue': str(i)})}]
        if rng.random() < 0.1:
            span['links'] = [{'traceId': f'{rng.getrandbits(128) | 1:032x}', 'spanId': f'{rng.getrandbits(64) | 1:016x}'}]
        ids.append(span['spanId'])
        spans.append((services[(number + i) % len(services)], span))
    return spans


def make_dump(path, seed, span_count, broken_every=0):
    """A dump of JSON lines; now and then a line that is not JSON, and spans of one trace in several lines."""
    rng = random.Random(seed)
    written, number, lines = 0, 0, 0
    start = 1_795_000_000_000_000_000 + seed * 10**15
    with open(path, 'w', encoding='utf-8') as out:
        while written < span_count:
            trace = make_trace(rng, number, start + number * 10**7, rng.randint(1, 30))
            cut = rng.randint(1, len(trace))
            for part in (trace[:cut], trace[cut:]):
                if part:
                    out.write(json.dumps(document(part)) + '\n')
                    lines += 1
                    if broken_every and lines % broken_every == 0:
                        out.write('{"resourceSpans": [ oops %d\n' % lines)
            written += len(trace)
            number += 1
    return path


def document(spans):
    by_service = {}
    for service, span in spans:
        by_service.setdefault(service, []).append(span)
    return {'resourceSpans': [{'resource': {'attributes': attributes(service__name=string(service))},
                               'scopeSpans': [{'scope': {'name': 'shop'}, 'spans': own}]} for service, own in by_service.items()]}


# ---- running tests ----

def run_tests(tests):
    """Runs functions that take a folder of their own; prints TAP."""
    failed = 0
    print(f'1..{len(tests)}')
    for number, test in enumerate(tests, 1):
        with tempfile.TemporaryDirectory(prefix='tracekeep-') as folder:
            try:
                skipped = test(pathlib.Path(folder))
                print(f'ok {number} - {test.__name__}' + (f' # SKIP {skipped}' if skipped else ''))
            except AssertionError as error:
                failed += 1
                print('\n'.join('# ' + line for line in str(error).splitlines()))
                print(f'not ok {number} - {test.__name__}')
        sys.stdout.flush()
    sys.exit(bool(failed))
