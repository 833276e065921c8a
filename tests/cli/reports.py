#!/usr/bin/python3
"""Views and reports over runs that are made to be counted wrong: the same bytes in several runs, attempts,
cases that hold the same events, lists cut off at ten, files that come before and after their envelope."""
import json
import sqlite3

from support import Run, query, run_tests

EVENTS = [{'traceId': f'trace-{i % 3}', 'timestamp': f'2026-01-01T00:00:{i:02}Z', 'type': 'success', 'key': f'k{i % 14:02}'} for i in range(28)]
ISSUES = [{'type': 'multiple-success', 'key': f'k{i:02}', 'message': 'success appeared 2 times'} for i in range(14)]
ISSUES_OF = "SELECT source, count(*), count(DISTINCT key) FROM validation_issues WHERE run_id = '{}' GROUP BY source"


def envelope(run, at, summary, paths=(), source='trace-conformance', traces=('trace-0',)):
    return {'schemaVersion': '1.0.0', 'source': source, 'generatedAt': at,
            'correlation': {'runId': run, 'workflow': 'CI', 'commit': 'c1', 'branch': 'refs/heads/main', 'traceIds': list(traces)},
            'summary': summary, 'artifacts': [{'type': 'application/json', 'path': path} for path in paths]}


def conformance(issues):
    return {'trace': {'status': 'valid' if issues == 0 else 'invalid', 'projection': {'events': len(EVENTS)}, 'validation': {'valid': issues == 0, 'issues': issues}}}


def three_cases():
    cases = [{'format': name, 'label': name, 'valid': False, 'issueCount': len(ISSUES), 'issues': ISSUES[:10], 'projectionStats': {'totalEvents': len(EVENTS)},
              'validationPath': f'{name}/kvonce-validation.json'} for name in ('current', 'otlp', 'ndjson')]
    domains = [{'key': case['format'], 'status': 'invalid', 'issues': case['issueCount']} for case in cases]
    return {'cases': cases, 'trace': {'domains': domains, 'aggregate': {'issues': 3 * len(ISSUES)}}}


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(map(json.dumps, content)) + '\n' if isinstance(content, list) else json.dumps(content), encoding='utf-8')
    return path


def validation(number=0):
    return {'generatedAt': f'2026-01-01T00:00:0{number}Z', 'valid': False, 'issues': ISSUES}


def report(store, name, *parameters):
    return json.loads(Run('report', store, name, '--format', 'json', *(part for pair in parameters for part in ('--param', pair))).stdout)


def runs_that_leave_the_same_bytes_each_have_them(folder):
    store = folder / 's.db'
    paths = ('kvonce-events.ndjson', 'kvonce-validation.json')
    for number, run in enumerate(('A', 'B', 'C')):
        write(folder / run / paths[0], EVENTS)
        write(folder / run / paths[1], validation())
        write(folder / run / 'report-envelope.json', envelope(run, f'2026-01-0{number + 1}T00:00:00Z', conformance(14), paths))
        Run('ingest', '-q', store, folder / run)
    for run in 'ABC':
        assert query(store, f"SELECT count(*) FROM kvonce_events WHERE run_id = '{run}'") == [[28]], run
        assert query(store, f"SELECT count(*), count(DISTINCT envelope_id) FROM document_issues WHERE run_id = '{run}'") == [[14, 1]], run
        assert query(store, ISSUES_OF.format(run)) == [['kvonce', 14, 14]], run
        assert 'agree' in Run('verify', store, '--run', run, expect=1).stdout.decode(), run
    assert query(store, 'SELECT run_id, issues, events, documents, envelopes FROM runs ORDER BY 1') == [[run, 14, 28, 3, 1] for run in 'ABC']
    assert query(store, "SELECT i.run_id FROM document_issues i JOIN envelopes e ON e.id = i.envelope_id AND e.run_id <> i.run_id") == []
    assert report(store, 'issues', 'limit=1') == [{'source': 'kvonce', 'type': 'multiple-success', 'key': 'k00', 'severity': 'error', 'issues': 3, 'runs': 3,
                                                    'first_run': 'A', 'first_seen': '2026-01-01 00:00', 'message': 'success appeared 2 times'}]


def cases_of_one_run_are_counted_once(folder):
    """With no file, some of the files or all of them; before the envelope, or with it."""
    validations = [f'{name}/kvonce-validation.json' for name in ('current', 'otlp', 'ndjson')]
    events = [f'{name}/kvonce-events.ndjson' for name in ('otlp', 'ndjson')]
    for case, files in {'none': [], 'one': validations[2:], 'all': validations, 'events': events[1:], 'both events': events, 'everything': validations + events}.items():
        source = folder / case
        lone = write(source / 'report-envelope.json', envelope('R', '2026-01-02T00:00:00Z', three_cases(), validations + events))
        for number, path in enumerate(files):
            # Spans, and the lines they were converted to, are not the same bytes.
            write(source / path, validation(number) if path in validations else [{**event, 'file': path} for event in EVENTS])
        for order in ('together', 'files first'):
            store = folder / f'{case} {order}.db'
            if order == 'files first':
                for path in reversed(files):
                    Run('ingest', '-q', store, source / path)
            Run('ingest', '-q', store, lone)
            listed = 14 if files else 10
            found = query(store, ISSUES_OF.format('R'))
            assert [row[1:] for row in found] == [[listed, listed]], f'{case}, {order}: {found}'
            assert query(store, "SELECT issues, events, status FROM runs WHERE run_id = 'R'") == [[14, 28, 'invalid']], f'{case}, {order}'
            said = Run('verify', store, '--run', 'R', expect=1).stdout.decode()
            assert 'only in' not in said, f'{case}, {order}: {said}'


def the_last_attempt_counts_whatever_its_time_looks_like(folder):
    store = folder / 's.db'
    times = ('2026-01-01T08:30:00+02:00', '2026-01-01T07:00:00Z', '2026-01-01T07:00:00.500Z')
    for number, at in enumerate(times):
        Run('ingest', '-q', store, write(folder / f'{number}.json', envelope('R', at, conformance(14 if number < 2 else 0))))
    Run('ingest', '-q', store, write(folder / 'no-time.json', {**envelope('R', None, conformance(5))}))
    assert query(store, 'SELECT issues, valid, status, first_seen, last_seen, envelopes FROM runs') == [[0, 1, 'valid', times[0], times[2], 4]]
    assert [row['generated_at'] for row in report(store, 'run', 'run=R')][-1] == '2026-01-01 07:00:00'


def a_count_that_the_events_contradict_is_said(folder):
    store = folder / 's.db'
    write(folder / 'kvonce-events.ndjson', EVENTS)
    Run('ingest', '-q', store, write(folder / 'report-envelope.json', envelope('R', '2026-01-01T00:00:00Z', conformance(16), ['kvonce-events.ndjson'])))
    said = Run('verify', store, '--run', 'R', expect=1).stdout.decode()
    assert 'issue count: 16, of which 0 are listed; recomputed: 14' in said, said
    assert json.loads(Run('verify', store, '--run', 'R', '--format', 'json', expect=1).stdout)['only_recomputed'] == []


def stores_that_cannot_be_written_and_stores_beside_others_answer(folder):
    store = folder / 's.db'
    write(folder / 'kvonce-events.ndjson', EVENTS)
    Run('ingest', '-q', store, write(folder / 'report-envelope.json', envelope('R', '2026-01-01T00:00:00Z', conformance(14), ['kvonce-events.ndjson'])))
    Run('ingest', '-q', folder / 'other.db', write(folder / 'lone.json', envelope('other', '2026-01-01T00:00:00Z', conformance(0))))
    store.chmod(0o444)
    for name in ('runs', 'run', 'issues', 'artifacts', 'domains', 'reconcile', 'verify-lite', 'gate'):
        assert json.loads(Run('report', store, name, '--format', 'json').stdout) or name == 'domains', name
    Run('verify', store, expect=1)
    attached = query(folder / 'other.db', f"ATTACH '{store}' AS o; SELECT run_id, count(*) FROM o.validation_issues WHERE run_id = 'R'")
    assert attached == [['R', 14]], attached
    db = sqlite3.connect(folder / 'other.db')
    assert db.execute('SELECT run_id, issues FROM runs').fetchall() == [('other', 0)], 'without the extension'
    db.close()


def traces_are_found_however_their_ids_are_written(folder):
    store = folder / 's.db'
    ids = ('0AF7651916CD43DD8448EB211C80319C', '463AC35C9F6413AD', 'Run-7/Step')
    events = [{'traceId': trace, 'type': 'success', 'key': 'k'} for trace in ids]
    write(folder / 'kvonce-events.ndjson', events)
    write(folder / 'report-envelope.json', envelope('R', '2026-01-01T00:00:00Z', conformance(1), ['kvonce-events.ndjson'], traces=ids))
    span = {'spanId': '00f067aa0ba902b7', 'name': 'put', 'kind': 3, 'startTimeUnixNano': '1767225600000000000', 'endTimeUnixNano': '1767225600000000001'}
    spans = [{**span, 'traceId': trace, 'status': {'code': 2} if number == 1 else {}} for number, trace in enumerate(ids)]
    write(folder / 'spans.json', {'resourceSpans': [{'resource': {'attributes': []}, 'scopeSpans': [{'spans': spans}]}]})
    Run('ingest', '-q', store, folder / 'report-envelope.json', folder / 'spans.json')
    normal = [['0af7651916cd43dd8448eb211c80319c'], ['0000000000000000463ac35c9f6413ad'], ['Run-7/Step']]
    assert sorted(query(store, 'SELECT trace_id FROM envelope_traces')) == sorted(normal)
    assert sorted(query(store, "SELECT trace_id FROM spans WHERE [kvonce.run_id] = 'R'")) == sorted(normal)
    joined = query(store, "SELECT count(*) FROM validation_issues i, json_each(i.context ->> '$.trace_ids') t JOIN spans s ON s.trace_id = t.value WHERE i.run_id = 'R'")
    assert joined == [[3]], joined
    # One of the three traces of the key has an error span, so that nothing is left to reconcile.
    assert report(store, 'reconcile') == [], report(store, 'reconcile')
    for trace in ids:
        assert [row['path'] for row in report(store, 'artifacts', f'trace={trace}')] == ['kvonce-events.ndjson'], trace


def a_trace_of_a_subquery_or_a_join_reaches_every_kind_of_issue(folder):
    store = folder / 's.db'
    Run('ingest', '-q', store, write(folder / 'report-envelope.json', envelope('R', '2026-01-01T00:00:00Z', conformance(0))))
    for condition in ("FROM validation_issues v WHERE trace_id = (SELECT 'trace-0')", "FROM (SELECT 'trace-0' AS id) t JOIN validation_issues v ON v.trace_id = t.id"):
        plan = [row[3] for row in query(store, f'EXPLAIN QUERY PLAN SELECT v.* {condition}')]
        for table in ('quality_issues', 'sampling_issues'):
            scans = [step for step in plan if f'SCAN {table} VIRTUAL TABLE INDEX' in step]
            assert scans and 'INDEX 0:' not in scans[0] and 'INDEX 2:' not in scans[0], f'{condition}: {scans}'


run_tests([runs_that_leave_the_same_bytes_each_have_them, cases_of_one_run_are_counted_once, the_last_attempt_counts_whatever_its_time_looks_like,
           a_count_that_the_events_contradict_is_said, stores_that_cannot_be_written_and_stores_beside_others_answer,
           traces_are_found_however_their_ids_are_written, a_trace_of_a_subquery_or_a_join_reaches_every_kind_of_issue])
