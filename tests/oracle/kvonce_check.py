#!/usr/bin/python3
"""What kvonce_events, kvonce_projection(), kvonce_state() and their kin say, against kvonce_oracle.py.

    kvonce_check.py MAKE_DOCUMENTS EXTENSION [--runs N] [--longest EVENTS] [--seed N] [--generated FOLDER]

TAP. Random runs go into one store; each is compared in every answer, the projections byte for byte.
--generated is the folder of what the original pipeline wrote; it is ingested with --tracekeep. Without both
that test is skipped."""
import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile

import kvonce_oracle as oracle
import kvonce_random

KVONCE_TYPES = {'multiple-success', 'duplicate-without-success', 'retry-bound-exceeded', 'retry-context-missing',
                'retry-attempt-out-of-sequence', 'success-attempt-mismatch'}
INVENTORY_TYPES = {'allocated_le_onhand', 'onhand_min', 'available_consistency', 'order_net_negative',
                   'order_released_gt_allocated', 'validation_event_result', 'validation_event_failure'}


class Tap:
    def __init__(self):
        self.number = self.failures = 0

    def check(self, name, wrong, skip=None):
        """`wrong` lists what is: the first few are shown."""
        self.number += 1
        print('%s %d - %s%s' % ('not ok' if wrong else 'ok', self.number, name, ' # SKIP ' + skip if skip else ''))
        for line in wrong[:5]:
            print('# ' + str(line)[:3000].replace('\n', '\n# '))
        if len(wrong) > 5:
            print('# and %d more' % (len(wrong) - 5))
        self.failures += bool(wrong)

    def done(self):
        print('1..%d' % self.number)
        sys.exit(1 if self.failures or not self.number else 0)


def make_store(tool, path, documents, part_size):
    data = b''.join(b'%s\t%s\t%s\t%d\t%d\n%s' % (d['kind'].encode(), d['run'].encode(), d['path'].encode(), len(d['data']),
                                                d.get('spans', 0), d['data']) for d in documents)
    subprocess.run([tool, '-p', str(part_size), path], input=data, check=True)


def connect(path, extension):
    db = sqlite3.connect(path)
    db.enable_load_extension(True)
    db.load_extension(extension)
    db.text_factory = lambda data: data.decode('utf-8', 'surrogatepass')
    return db


def random_documents(seed, count, longest=80):
    rng = kvonce_random.generator(seed)
    documents = []
    for number in range(count):
        kind = 'kvonce-events'
        if number % 8 == 6:
            kind, data = 'inventory-events', kvonce_random.inventory_run(rng)
        elif number % 16 == 15:
            kind, data = kvonce_random.observability_run(rng)
        else:
            data = kvonce_random.kvonce_run(rng, longest)
        documents.append({'kind': kind, 'run': 'run-%d' % number, 'path': 'run-%d.ndjson' % number, 'data': data})
    return documents


def by_run(db, sql):
    rows = {}
    for run, *rest in db.execute(sql):
        rows.setdefault(run, []).append(tuple(rest))
    return rows


def compare(wrong, run, what, expected, found):
    if expected == found:
        return
    if isinstance(expected, str) and isinstance(found, str):
        at = next((i for i, (a, b) in enumerate(zip(expected, found)) if a != b), min(len(expected), len(found)))
        expected, found = expected[max(0, at - 80):at + 200], found[max(0, at - 80):at + 200]
    wrong.append('%s: %s\n  expected %r\n  found    %r' % (run, what, expected, found))


def plain(text):
    """As SQL has it: half a surrogate pair is U+FFFD."""
    return None if text is None else ''.join('\ufffd' if 0xd800 <= ord(c) <= 0xdfff else c for c in text)


def scalar(value):
    if value is oracle.MISSING or value is None:
        return None
    return plain(value if isinstance(value, str) else oracle.dump(value))


def json_or_null(value):
    return None if value is None else oracle.dump(value)


# ---- KvOnce ----

STATS = ('event_count, unique_keys, success_count, retry_count, failure_count, unknown_count, keys_with_success,'
         ' keys_with_retries, keys_with_failures, duplicate_failure_keys, success_rate, malformed_lines')


def stats_of(run):
    s, t = run.stats(), run.stats()['byType']
    return (s['totalEvents'], s['uniqueKeys'], t['success'], t['retry'], t['failure'], t['unknown'], s['keysWithSuccess'],
            s['keysWithRetries'], s['keysWithFailures'], s['duplicateFailureKeys'], s['successRate'], run.malformed)


def keys_of(run):
    traces = oracle.by_name((run.keys[i], (run.trace_ids[i], run.first[i], run.last[i])) for i in run.entries)
    entries = run.per_key()
    for key in oracle.object_order(entries):
        e, (ids, first, last) = entries[key], traces[key]
        yield (plain(key), e['successCount'], e['retries'], json_or_null(e['value']), oracle.dump(e['failureReasons']),
               oracle.dump(e['retryContexts']), oracle.dump(e['successContexts']), oracle.dump(e['failureContexts']),
               scalar(e['firstTimestamp']), scalar(e['lastTimestamp']), scalar(e['lastType']),
               scalar(e['lastFailureReason']), oracle.dump(ids), first, last)


def state_of(store):
    for key in oracle.object_order(store or {}):
        s = store[key]
        yield (plain(key), int(s['written']), json_or_null(s['value']), s['retries'], s['failures'],
               scalar(s['lastFailureReason']), scalar(s['lastSuccessAt']))


def issues_of(run):
    return [(plain(key), type_, message) for key, type_, message in run.validate()]


def check_kvonce(tap, db, documents, seed):
    runs = {d['run']: oracle.Kvonce(d['data']) for d in documents if d['kind'] == 'kvonce-events'}
    projections = by_run(db, 'SELECT run, projection, %s FROM kvonce_projection' % STATS)
    keys = by_run(db, 'SELECT run, key, success_count, retries, value, failure_reasons, retry_contexts, success_contexts,'
                  ' failure_contexts, first_timestamp, last_timestamp, last_type, last_failure_reason, trace_ids,'
                  ' first_ordinal, last_ordinal FROM kvonce_keys')
    states = by_run(db, 'SELECT run, key, written, value, retries, failures, last_failure_reason, last_success_at'
                    ' FROM kvonce_state')
    issues = by_run(db, 'SELECT run, key, type, message FROM kvonce_validate')
    tests = {'projections': [], 'counts': [], 'keys': [], 'final states': [], 'issues': []}
    types = set()
    for name, run in runs.items():
        found = projections.get(name, [(None,)])
        compare(tests['projections'], name, 'projection', oracle.dump(run.projection()), found[0][0])
        compare(tests['counts'], name, 'counts', [stats_of(run)], [row[1:] for row in found])
        compare(tests['keys'], name, 'keys', list(keys_of(run)), keys.get(name, []))
        compare(tests['final states'], name, 'state', list(state_of(run.state())), states.get(name, []))
        compare(tests['issues'], name, 'issues', issues_of(run), issues.get(name, []))
        types.update(type_ for _, type_, _ in issues_of(run))
    for name, wrong in tests.items():
        tap.check('KvOnce %s of %d runs' % (name, len(runs)), wrong)
    tap.check('all six types of issues occur', sorted(KVONCE_TYPES - types))
    check_steps(tap, db, runs, seed)
    check_issue_table(tap, db, runs)


def check_steps(tap, db, runs, seed):
    rng, wrong = kvonce_random.generator(seed + 1), []
    for name in rng.sample(sorted(runs), min(300, len(runs))):
        run = runs[name]
        count = len(run.events) + run.malformed
        ordinal = rng.randint(-1, count)
        expected = list(state_of(run.state(ordinal))) if 0 <= ordinal < count else []
        found = db.execute('SELECT key, written, value, retries, failures, last_failure_reason, last_success_at'
                           ' FROM kvonce_state(?, ?)', (name, ordinal)).fetchall()
        compare(wrong, name, 'state after %d' % ordinal, expected, found)
    tap.check('the state after any event', wrong)


def check_issue_table(tap, db, runs):
    rows = by_run(db, "SELECT run_id, key, type, message, severity, trace_id, trace_ids, ordinal FROM kvonce_issues"
                  " WHERE domain = 'kvonce'")
    wrong = []
    for name, run in runs.items():
        found = rows.get(name, [])
        compare(wrong, name, 'issues', issues_of(run), [row[:3] for row in found])
        ids = {plain(key): value for key, value in oracle.by_name((run.keys[i], run.trace_ids[i]) for i in run.entries).items()}
        events = {ordinal: event for ordinal, _, event in run.events}
        for key, type_, message, severity, trace_id, trace_ids, ordinal in found:
            expected = ids[key]
            compare(wrong, name, 'traces of ' + key,
                    ('error', plain(expected[0]) if expected else None, oracle.dump(expected) if expected else None),
                    (severity, trace_id, trace_ids))
            named = oracle.property_name(oracle.or_else(oracle.member(events[ordinal], 'key'), 'unknown'))
            compare(wrong, name, 'key of the event of an issue', key, plain(named))
            compare(wrong, name, 'first event of ' + type_, first_offender(run, key, type_), ordinal)
    tap.check('kvonce_issues knows traces and first events', wrong)


def first_offender(run, key, type_):
    """By taking events away from the end: the first one that the rule cannot do without."""
    of_key = [(o, e) for o, _, e in run.events
              if plain(oracle.property_name(oracle.or_else(oracle.member(e, 'key'), 'unknown'))) == key]
    last = oracle.identity(oracle.or_else(oracle.member(of_key[-1][1], 'key'), 'unknown'))
    names = {oracle.identity(oracle.or_else(oracle.member(e, 'key'), 'unknown')) for _, e in of_key}
    if len(names) > 1:  # 1 and "1": the one that came last counts
        order = [oracle.identity(oracle.or_else(oracle.member(e, 'key'), 'unknown')) for _, e in of_key]
        last = max(names, key=order.index)
    of_key = [(o, e) for o, e in of_key if oracle.identity(oracle.or_else(oracle.member(e, 'key'), 'unknown')) == last]
    successes = [(o, e) for o, e in of_key if oracle.member(e, 'type') == 'success']
    retries = [(o, e) for o, e in of_key if oracle.member(e, 'type') == 'retry']
    attempts = [(o, oracle.attempt_of(oracle.again(e['context']))) for o, e in retries if 'context' in e]
    if type_ == 'multiple-success':
        return successes[1][0]
    if type_ == 'duplicate-without-success':
        return next(o for o, e in of_key if oracle.member(e, 'type') == 'failure' and oracle.member(e, 'reason') == 'duplicate')
    if type_ == 'retry-bound-exceeded':
        return retries[3][0]
    if type_ == 'retry-context-missing':
        return next(o for o, attempt in attempts if attempt is None)
    if type_ == 'retry-attempt-out-of-sequence':
        return next(o for i, (o, attempt) in enumerate(attempts, 1) if attempt != i)
    return next(o for o, e in successes if 'context' in e and oracle.attempt_of(oracle.again(e['context'])) is not None)


# ---- events ----

def check_events(tap, db, documents):
    rows = by_run(db, 'SELECT run_id, ordinal, file, dialect, trace_id, timestamp, type, key, value, reason, context, actor, raw,'
                  ' span_trace_id FROM kvonce_events')
    wrong, total = [], 0
    for document in documents:
        if document['kind'].startswith('observability'):
            continue
        dialect = document['kind'].split('-')[0]
        found = rows.get(document['run'], [])
        events = oracle.read_events(document['data'])[0]
        total += len(events)
        compare(wrong, document['run'], 'raw', [raw for _, raw, _ in events], [row[11] for row in found])
        for (ordinal, _, event), row in zip(events, found):
            trace = trace_of(event)
            compare(wrong, document['run'], 'span_trace_id', trace and oracle.span_trace(trace), row[12])
            def get(name):
                return oracle.member(event, name)
            compare(wrong, document['run'], 'event',
                    (ordinal, document['path'], dialect, trace_of(event)) +
                    tuple(scalar(get(n)) for n in ('timestamp', 'type', 'key')) +
                    (scalar(get('reason')), scalar(get('actor'))),
                    row[:3] + tuple(plain_number(v) for v in row[3:7]) + (plain_number(row[8]), plain_number(row[10])))
            value = get('value') if dialect == 'kvonce' or get('value') is not oracle.MISSING else get('state')
            for name, expected, text in (('value', value, row[7]), ('context', get('context'), row[9])):
                compare(wrong, document['run'], name, None if expected is oracle.MISSING else oracle.dump(expected),
                        None if text is None else oracle.dump(oracle.parse(text)))
    if not total:
        wrong.append('no events')
    tap.check('kvonce_events of %d documents' % len(documents), wrong)
    check_constraints(tap, db, documents)


def trace_of(event):
    trace = oracle.member(event, 'traceId')
    return plain(trace) if isinstance(trace, str) and trace else None


def plain_number(text):
    """A number is shown as it was written."""
    try:
        value = oracle.parse(text) if text is not None else None
    except ValueError:
        return text
    return text if isinstance(value, (str, type(None))) else oracle.dump(value)


def check_constraints(tap, db, documents):
    wrong = []
    everything = db.execute('SELECT run_id, document_id, trace_id, dialect, ordinal FROM kvonce_events').fetchall()
    for column, values in ((0, ['run-1', 'run-6', 'run-15', 'none']), (1, [1, 7, 16, 10 ** 9]), (2, ['t1', 'inv-1', 'o1', 'T1', '', ' t1', 'caf\u00e9', '4BF92F3577B34DA6', '4bf92f3577b34da6', 'none']),
                           (3, ['kvonce', 'inventory', 'observability', 'other'])):
        name = ('run_id', 'document_id', 'trace_id', 'dialect')[column]
        for value in values:
            found = db.execute('SELECT run_id, document_id, trace_id, dialect, ordinal FROM kvonce_events WHERE %s = ?' % name,
                               (value,)).fetchall()
            compare(wrong, name, value, [row for row in everything if row[column] == value], found)
        found = db.execute('SELECT run_id, document_id, trace_id, dialect, ordinal FROM kvonce_events WHERE %s IN (?, ?)'
                           % name, values[:2]).fetchall()
        compare(wrong, name, 'IN', sorted((row for row in everything if row[column] in values[:2]), key=repr),
                sorted(found, key=repr))
    tap.check('constraints leave the rows they should', wrong)


# ---- inventory and observability ----

def check_inventory(tap, db, documents):
    runs = {d['run']: oracle.Inventory(d['data']) for d in documents if d['kind'] == 'inventory-events'}
    projections = by_run(db, 'SELECT run, projection, event_count, on_hand, allocated, available, order_count, malformed_lines,'
                         ' validation_passes, validation_failures FROM inventory_projection')
    issues = by_run(db, 'SELECT run, type, severity, message, [index], source FROM inventory_validate')
    stricter = by_run(db, "SELECT run, type, severity, message, [index], source FROM inventory_validate"
                      " WHERE onhand_min = 2.5 AND disabled = 'available_consistency, allocated_le_onhand'")
    table = by_run(db, "SELECT run_id, type, severity, message, ordinal FROM kvonce_issues WHERE domain = 'inventory'")
    tests = {'projections': [], 'issues': [], 'issues with other limits': [], 'issues in kvonce_issues': []}
    types = set()
    for name, run in runs.items():
        found = projections.get(name, [(None,)])
        compare(tests['projections'], name, 'projection', oracle.dump(run.projection()), found[0][0])
        expected = run.projection()
        compare(tests['projections'], name, 'counts',
                [(len(run.events), run.state['onHand'], run.state['allocated'], run.state['available'],
                  expected['stats']['orderCount'], run.malformed, expected['validation']['passes'], expected['validation']['failures'])],
                [row[1:] for row in found])
        expected = [tuple(map(plain_or_number, issue)) for issue in run.validate()]
        compare(tests['issues'], name, 'issues', expected, issues.get(name, []))
        compare(tests['issues in kvonce_issues'], name, 'issues', [i[:3] for i in expected if i[4] != 'finalState'],
                [row[:3] for row in table.get(name, [])])
        types.update(issue[0] for issue in expected)
        expected = [tuple(map(plain_or_number, issue)) for issue in run.validate(2.5)
                    if issue[0] not in ('available_consistency', 'allocated_le_onhand')]
        compare(tests['issues with other limits'], name, 'issues', expected, stricter.get(name, []))
    for name, wrong in tests.items():
        tap.check('inventory %s of %d runs' % (name, len(runs)), wrong)
    tap.check('all types of inventory issues occur', sorted(INVENTORY_TYPES - types))


def plain_or_number(value):
    return plain(value) if isinstance(value, str) else value


def check_observability(tap, db, documents):
    documents = [d for d in documents if d['kind'].startswith('observability')]
    wrong, total = [], 0
    for argument, onhand_min in (('', 0.0), (', 3.5', 3.5)):
        for document in documents:
            expected = oracle.validate_observability(document['data'], onhand_min)
            total += len(expected)
            found = db.execute('SELECT kind, type, path, message, actual, [index] FROM observability_validate(?%s)' % argument,
                               (document['run'],)).fetchall()
            compare(wrong, document['run'], 'issues', expected, found)
    found = db.execute("SELECT count(*) FROM kvonce_issues WHERE domain = 'observability'").fetchone()[0]
    compare(wrong, 'kvonce_issues', 'count', sum(len(oracle.validate_observability(d['data'])) for d in documents), found)
    if documents and not total:
        wrong.append('no issues at all')
    tap.check('checks of %d observability documents' % len(documents), wrong)


# ---- what the original pipeline wrote ----

def load(path):
    with open(path, 'rb') as file:
        return oracle.parse(file.read().decode())


def ingest(tracekeep, path, files):
    for run, file in files:
        subprocess.run([tracekeep, 'ingest', '--quiet', path, '--run-id', run, file], check=True, stderr=subprocess.DEVNULL)


def check_generated(tap, tracekeep, extension, folder, work):
    name = 'what the original pipeline wrote'
    if not tracekeep or not os.path.isdir(os.path.join(folder, 'generated')):
        tap.check(name, [], 'no folder of generated outputs, or no tracekeep')
        return
    seed, head = os.path.join(folder, 'generated/seed-f7356a53'), os.path.join(folder, 'generated/head-804a3419')
    cases = ['all-issues', 'ndjson', 'otlp']
    files = [(case, os.path.join(seed, case, 'kvonce-events.ndjson')) for case in cases]
    samples = os.path.join(folder, 'ae-framework/samples')
    files += [('spans', os.path.join(samples, 'trace/kvonce-otlp.json')),
              ('inventory', os.path.join(samples, 'trace/inventory/sample.ndjson')),
              ('observability', os.path.join(samples, 'conformance/sample-traces.json'))]
    ingest(tracekeep, os.path.join(work, 'generated.db'), files)
    db = connect(os.path.join(work, 'generated.db'), extension)
    wrong = []
    for case in cases:
        compare_generated(wrong, db, case, os.path.join(seed, case))
    expected = load(os.path.join(head, 'ci-trace-conformance/kvonce-projection.json'))
    compare_projection(wrong, db, 'spans', 'kvonce_projection', expected)
    # What was converted from these spans is the same document, hence in a store of its own.
    ingest(tracekeep, os.path.join(work, 'ci.db'), [('ci', os.path.join(head, 'ci-trace-conformance/kvonce-events.ndjson'))])
    compare_projection(wrong, connect(os.path.join(work, 'ci.db'), extension), 'ci', 'kvonce_projection', expected)
    found = db.execute("SELECT count(*), count(DISTINCT s.span_id), sum(e.time_ns = s.start_ns) FROM kvonce_events e JOIN spans s"
                       " ON s.trace_id = e.span_trace_id AND s.span_id = e.span_id WHERE e.run_id = 'spans'").fetchall()
    compare(wrong, 'spans', 'spans of events', [(4, 4, 4)], found)
    compare_projection(wrong, db, 'inventory', 'inventory_projection', load(os.path.join(head, 'inventory/inventory-projection.json')),
                       load(os.path.join(head, 'inventory/inventory-state-sequence.json')))
    expected = [(i['type'], i['severity'], i['message'], i.get('index'), i.get('source'))
                for i in load(os.path.join(head, 'inventory/inventory-validation.json'))['issues']]
    compare(wrong, 'inventory', 'issues', expected,
            db.execute("SELECT type, severity, message, [index], source FROM inventory_validate('inventory')").fetchall())
    compare(wrong, 'observability', 'issues', [], db.execute("SELECT * FROM observability_validate('observability')").fetchall())
    tap.check(name, wrong)


def compare_projection(wrong, db, run, function, expected, sequence=None):
    found = oracle.parse(db.execute('SELECT projection FROM %s(?)' % function, (run,)).fetchone()[0])
    expected = {k: v for k, v in expected.items() if k not in ('generatedAt', 'outputs')}
    if 'stateSequence' not in expected:
        states = found.pop('stateSequence')
        if sequence is not None:
            compare(wrong, run, 'state sequence', oracle.dump(sequence), oracle.dump(states))
    compare(wrong, run, function, oracle.dump(expected), oracle.dump(found))


def compare_generated(wrong, db, run, folder):
    compare_projection(wrong, db, run, 'kvonce_projection', load(os.path.join(folder, 'kvonce-projection.json')))
    expected = [(i['key'], i['type'], i['message']) for i in load(os.path.join(folder, 'kvonce-validation.json'))['issues']]
    compare(wrong, run, 'issues', expected, db.execute('SELECT key, type, message FROM kvonce_validate(?)', (run,)).fetchall())
    for step in load(os.path.join(folder, 'kvonce-state-sequence.json')):
        found = db.execute('SELECT key, written, value, retries, failures, last_failure_reason, last_success_at'
                           ' FROM kvonce_state(?, ?)', (run, int(step['index']))).fetchall()
        expected = [(k, int(s['written']), json_or_null(s['value']), int(s['retries']), int(s['failures']),
                     s['lastFailureReason'], s['lastSuccessAt']) for k, s in step['store'].items()]
        compare(wrong, run, 'state after %d' % step['index'], expected, found)


# ---- numbers ----

def check_rates(tap, tool, extension, work):
    """success / total to three digits, for every fraction with a small denominator."""
    documents, expected = [], {}
    for total in list(range(1, 65)) + [125, 160, 200, 400, 1000, 2000]:
        for successes in range(0, total + 1, 1 if total <= 64 else 7):
            run = '%d/%d' % (successes, total)
            expected[run] = oracle.to_fixed_3(successes, total)
            documents.append({'kind': 'kvonce-events', 'run': run, 'path': run,
                              'data': b'{"type":"success"}\n' * successes + b'{}\n' * (total - successes)})
    make_store(tool, os.path.join(work, 'rates.db'), documents, 1 << 20)
    db = connect(os.path.join(work, 'rates.db'), extension)
    found = dict(db.execute('SELECT run, success_rate FROM kvonce_projection'))
    tap.check('success rates are rounded as they should be',
              ['%s: expected %r, found %r' % (run, rate, found.get(run)) for run, rate in expected.items() if found.get(run) != rate])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('make_documents')
    parser.add_argument('extension')
    parser.add_argument('--runs', type=int, default=1000)
    parser.add_argument('--longest', type=int, default=80)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--part-size', type=int, default=700)
    parser.add_argument('--generated', default='')
    parser.add_argument('--tracekeep')
    arguments = parser.parse_args()
    tap = Tap()
    generated = os.path.expandvars(arguments.generated)
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, 'store.db')
        documents = random_documents(arguments.seed, arguments.runs, arguments.longest)
        make_store(arguments.make_documents, path, documents, arguments.part_size)
        db = connect(path, arguments.extension)
        check_events(tap, db, documents)
        check_kvonce(tap, db, documents, arguments.seed)
        check_inventory(tap, db, documents)
        check_observability(tap, db, documents)
        check_rates(tap, arguments.make_documents, arguments.extension, work)
        if arguments.generated:
            check_generated(tap, arguments.tracekeep, arguments.extension, generated, work)
    tap.done()


if __name__ == '__main__':
    main()
