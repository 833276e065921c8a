#!/usr/bin/python3
"""What a run leaves beside its spans: ingested, joined, given back byte for byte. The real files, if
TK_SHARED_DATA names a folder that has them, give the rows that docs/runs.md lists."""
import gzip
import hashlib
import json
import os
import pathlib
import random
import re
import signal
import sqlite3
import subprocess
import threading
import time

from support import HERE, PROGRAM, Run, query, run_tests

DOCS = HERE.parent.parent / 'docs/runs.md'
SHARED = pathlib.Path(os.environ.get('TK_SHARED_DATA', '/nonexistent')) / 'kvonce'
# Times of ingest aside, and the ids of ingests, which count files that held nothing new too.
TABLES = ['tk_document', 'tk_document_part', 'tk_document_trace', 'tk_document_issue', 'tk_envelope', 'tk_envelope_artifact',
          'tk_run_document', 'tk_envelope_file', 'tk_envelope_document', 'tk_envelope_trace', 'tk_domain', 'tk_case', 'tk_tempo_link', 'tk_verify_step']


def tables(store):
    """Every row about documents, without ids that depend on the order of files."""
    db = sqlite3.connect(store)
    found = {}
    for table in TABLES:
        rows = db.execute(f'SELECT * FROM {table}').fetchall()
        if table == 'tk_document':
            rows = [row[:9] for row in rows]
        found[table] = sorted(map(repr, rows))
    db.close()
    assert found['tk_document'], f'{store} holds no documents'
    return found


def sha256(data):
    return 'sha256:' + hashlib.sha256(data).hexdigest()


def has_checksums(folder):
    (folder / 'probe.json').write_text('{"valid":true,"issues":[]}')
    Run('ingest', '-q', folder / 'probe.db', folder / 'probe.json')
    return query(folder / 'probe.db', 'SELECT sha256 FROM documents')[0][0] is not None


EVENTS = ('{"traceId":"t1","type":"success","key":"a","value":1}\r\n'
          '\r\n'
          '{"traceId":"t2","type":"failure","key":"b","reason":"duplicate"}\n'
          '  {"traceId":"t2","type":"weird"}').encode()
ISSUES = [{'type': 'multiple-success', 'key': f'k{i}', 'message': f'success appeared {i} times'} for i in range(12)]
VALIDATION = json.dumps({'generatedAt': '2026-01-01T00:00:00Z', 'valid': False, 'issues': ISSUES}, indent=2).encode()


def envelope(run='18268371063', artifacts=(), **members):
    return {'schemaVersion': '1.0.0', 'source': 'trace-conformance', 'generatedAt': '2026-01-02T03:04:05Z',
            'traceCorrelation': {'runId': run, 'workflow': 'CI', 'commit': 'abc', 'branch': 'refs/heads/main', 'traceIds': ['t1']},
            'summary': {'trace': {'status': 'invalid'}}, 'artifacts': list(artifacts), **members}


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


# ---- the real files ----

def listed_rows():
    """path -> (format, documents) of the table in docs/runs.md."""
    rows = {}
    for line in DOCS.read_text(encoding='utf-8').splitlines():
        match = re.match(r'\| `((?:ae-framework|generated)/[^`]+)` \| ([^|]+) \| ([^|]*)\|', line)
        if match:
            rows[match[1]] = (match[2].strip(), match[3].strip())
    assert len(rows) > 50, f'{len(rows)} rows'
    return rows


def every_real_file_gives_the_rows_that_are_listed(folder):
    if not SHARED.is_dir():
        return 'TK_SHARED_DATA names no folder with kvonce/'
    listed = listed_rows()
    real = {str(path.relative_to(SHARED)) for root in ('ae-framework', 'generated') for path in (SHARED / root).rglob('*') if path.is_file()}
    assert set(listed) == real, f'not listed: {sorted(real - set(listed))}; gone: {sorted(set(listed) - real)}'
    for number, (name, (_, expected)) in enumerate(sorted(listed.items())):
        store = folder / f'{number}.db'
        lone = write(folder / str(number) / name, (SHARED / name).read_bytes())  # without the files beside it
        run = Run('ingest', '-q', store, lone, expect=None)
        found = query(store, "SELECT kind || iif(record_count > 1 OR kind LIKE '%-events' OR kind = 'run-log', ' (' || record_count || ')', '') FROM documents ORDER BY id")
        spans = query(store, 'SELECT count(*) FROM spans')[0][0]
        text = ', '.join([f'{spans} span' + 's' * (spans > 1)] * (spans > 0) + [row[0] for row in found]) or 'refused'
        assert text == expected, f'{name}: listed {expected}, found {text}'
        assert run.code == (1 if expected == 'refused' else 0), f'{name}: exit {run.code}'
        if found and not spans:
            back = b''.join(Run('export', store, '--document', i + 1).stdout for i in range(len(found)))
            assert back == lone.read_bytes(), f'{name}: does not come back as it was'
    return None


def the_whole_folder_twice_is_the_same_and_sound(folder):
    if not SHARED.is_dir():
        return 'TK_SHARED_DATA names no folder with kvonce/'
    store = folder / 'all.db'
    Run('ingest', '-q', store, SHARED, expect=1)  # schemas are refused
    once = tables(store)
    Run('ingest', '-q', store, SHARED)
    assert tables(store) == once
    Run('check', store)
    sums = query(store, "SELECT count(*), sum(event_count), sum(issue_count) FROM envelopes WHERE run_id = '18268371063'")
    assert sums == [[10, 74, 24]], sums
    return None


# ---- bytes ----

def what_comes_in_goes_out(folder):
    store = folder / 's.db'
    samples = {'events.ndjson': EVENTS, 'validation.json': b'\xef\xbb\xbf\n' + VALIDATION + b'\r\n\n',
               'bundle.json': json.dumps({'schemaVersion': 'ae-trace-bundle/v1', 'events': [], 'grouping': {}}).encode()}
    for name, data in samples.items():
        Run('ingest', '-q', store, write(folder / name, data))
        Run('ingest', '-q', store, write(folder / f'{name}.gz', gzip.compress(data)))
    ids = dict(query(store, 'SELECT path, id FROM documents'))
    assert len(ids) == 3, ids
    for name, data in samples.items():
        assert Run('export', store, '--document', ids[str(folder / name)]).stdout == data, name
    text = query(store, f"SELECT document({ids[str(folder / 'validation.json')]}) = document FROM documents WHERE kind = 'kvonce-validation'")
    assert text == [[1]], text
    odd = query(store, "SELECT document(NULL) IS NULL AS a, document(99) IS NULL AS b, unpack_document(NULL, 5) IS NULL AS c, unpack_document('text', 5) IS NULL AS d")
    assert odd == [[1, 1, 1, 1]], odd
    for call in ("unpack_document(x'00', -1)", "unpack_document(x'ff', 5)", "unpack_document(x'', 5)", 'unpack_document(zeroblob(9), 1 << 40)'):
        assert b'unpack_document: ' in Run('query', store, f'SELECT {call}', expect=None).stderr, call
    out = folder / 'out.json'
    Run('export', store, '--document', ids[str(folder / 'events.ndjson')], '-o', out)
    assert out.read_bytes() == EVENTS
    assert b'is no envelope' in Run('export', store, '--envelope', 1, expect=1).stderr
    assert b'there is no document 99' in Run('export', store, '--document', 99, expect=1).stderr
    Run('export', store, '--document', 1, '--envelope', 1, expect=2)


def a_pipe_is_read_once(folder):
    store, pipe = folder / 's.db', folder / 'pipe'
    os.mkfifo(pipe)
    data = VALIDATION + json.dumps(envelope()).encode()
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    Run('ingest', '-q', store, pipe)
    writer.join()
    assert query(store, 'SELECT kind, size FROM documents') == [['kvonce-validation', len(VALIDATION)], ['envelope', len(data) - len(VALIDATION)]]


def an_attached_store_gives_its_own_documents(folder):
    for name, key in (('a', 'x'), ('b', 'y')):
        Run('ingest', '-q', folder / f'{name}.db', write(folder / f'{name}.json', {'valid': True, 'issues': [], 'key': key}))
    found = query(folder / 'a.db', f"ATTACH '{folder}/b.db' AS b; SELECT json_extract(document, '$.key') AS k FROM documents; "
                                   "SELECT json_extract(document, '$.key') AS k FROM b.documents")
    assert found == [['x'], ['y']], found


def documents_one_after_another_are_each_one(folder):
    store = folder / 's.db'
    data = (json.dumps(envelope('1')) + json.dumps(envelope('2'), indent=1) + '\n' + json.dumps([envelope('3'), [envelope('4')]])).encode()
    for _ in range(2):
        run = Run('ingest', '--output-format', 'json', store, '-', stdin=data)
    assert json.loads(run.stdout)['documents_duplicate'] == 4, run.stdout
    assert query(store, 'SELECT run_id FROM envelopes ORDER BY id') == [['1'], ['2'], ['3'], ['4']]


def what_is_broken_is_said_and_the_rest_is_kept(folder):
    store = folder / 's.db'
    data = b'{"type":"retry","key":"a"}\n{"type":"retry",\n{"type":"success","key":"a"}\nnonsense\n{"valid":1,"issues":[]}\n'
    run = Run('ingest', '--output-format', 'json', store, write(folder / 'x.ndjson', data), expect=1)
    summary = json.loads(run.stdout)
    assert (summary['documents_new'], summary['events_new'], summary['rejected']) == (2, 2, 2), summary
    assert b'x.ndjson:2: error:' in run.stderr and b'x.ndjson:4: error:' in run.stderr, run.stderr
    lines = query(store, "SELECT line FROM validation_issues WHERE source = 'ingest' ORDER BY 1")
    assert lines == [[2], [4]], lines
    run = Run('ingest', store, write(folder / 'schema.json', {'$schema': 'x', 'type': 'object'}), expect=1)
    assert b'found a JSON Schema' in run.stderr and b'a report envelope' in run.stderr, run.stderr


# ---- runs ----

def events_without_a_name_are_a_run_of_their_own(folder):
    store = folder / 's.db'
    Run('ingest', '-q', store, write(folder / 'a.ndjson', EVENTS))
    Run('ingest', '-q', '--run-id', '77', store, write(folder / 'b.ndjson', EVENTS + b'\n'))
    Run('ingest', '-q', folder / 't.db', folder / 'a.ndjson')
    runs = query(store, 'SELECT run_id, events, traces FROM runs ORDER BY run_id')
    assert runs[0] == ['77', 3, 2] and len(runs) == 2, runs
    assert re.fullmatch('content-[0-9a-f]{16}', runs[1][0]), runs
    assert query(folder / 't.db', 'SELECT run_id FROM runs') == [[runs[1][0]]]


def the_same_events_can_be_of_several_runs(folder):
    store, path = folder / 's.db', write(folder / 'a.ndjson', EVENTS)
    Run('ingest', '-q', store, path)
    for run in ('1', '2', '2'):
        Run('ingest', '-q', '--run-id', run, store, path)
    Run('ingest', '-q', '--run-id', '3', store, write(folder / 'copy.ndjson', EVENTS))
    Run('ingest', '-q', '--run-id', '4', store, '-', stdin=EVENTS)
    assert query(store, 'SELECT count(*) FROM documents') == [[1]]
    runs = query(store, 'SELECT run_id, documents, events, traces FROM runs ORDER BY 1')
    assert runs == [[str(run), 1, 3, 2] for run in range(1, 5)], runs
    once = Run('query', store, '--format', 'csv', 'SELECT * FROM ingests').stdout
    Run('ingest', '-q', '--run-id', '2', store, path)
    assert Run('query', store, '--format', 'csv', 'SELECT * FROM ingests').stdout == once
    Run('check', '-q', store)


def the_files_an_envelope_names_come_with_it(folder):
    checked = has_checksums(folder)
    artifacts = [{'path': 'artifacts/trace/kvonce-events.ndjson', 'checksum': sha256(EVENTS)},
                 {'path': 'artifacts/trace/kvonce-validation.json', 'checksum': sha256(b'another')},
                 {'path': 'elsewhere/lint-summary.json', 'checksum': None, 'description': 'Lint summary'},
                 {'path': 'artifacts/gone.json', 'checksum': sha256(b'')},
                 {'path': 'log.md', 'checksum': sha256(b'# log'), 'description': 'Lint log'}]
    root = folder / 'repo'
    write(root / 'artifacts/trace/kvonce-events.ndjson', EVENTS)
    write(root / 'artifacts/trace/kvonce-validation.json', VALIDATION)
    write(root / 'artifacts/lint-summary.json', {'total': 1, 'rules': [{'rule': 'r', 'level': 'error', 'count': 1}]})
    write(root / 'log.md', b'# log')
    path = write(root / 'artifacts/report-envelope.json', envelope(artifacts=artifacts))
    store = folder / 's.db'
    run = Run('ingest', store, path)
    assert not run.stderr or not checked, run.stderr
    found = query(store, 'SELECT path, role, checksum_ok, document_id IS NOT NULL AS stored FROM envelope_artifacts')
    yes, no = (1, 0) if checked else (None, None)
    assert found == [['artifacts/trace/kvonce-events.ndjson', 'events', yes, 1],
                     ['artifacts/trace/kvonce-validation.json', 'validation', no, 1],
                     ['elsewhere/lint-summary.json', 'lint-summary', None, 1],
                     ['artifacts/gone.json', None, None, 0], ['log.md', 'lint-log', yes, 0]], found
    assert query(store, 'SELECT DISTINCT run_id FROM documents') == [['18268371063']]
    assert query(store, 'SELECT run_id, commit_sha, rule FROM lint_rules') == [['18268371063', 'abc', 'r']]
    issues = query(store, "SELECT run_id, count(*) AS n FROM document_issues WHERE source = 'kvonce'")
    assert issues == [['18268371063', 12]], issues
    once = tables(store)
    Run('ingest', '-q', store, root)
    assert tables(store) == once
    if not checked:
        assert b'built without SHA-256' in run.stderr


def an_envelope_leads_nowhere_outside_its_folders(folder):
    secret = write(folder / 'secret/kvonce-validation.json', VALIDATION)
    root = folder / 'a/b/c/d/e/f'
    names = [str(secret), '../../../../../../secret/kvonce-validation.json', 'link/kvonce-validation.json']
    path = write(root / 'report-envelope.json', envelope(artifacts=[{'path': name} for name in names]))
    (root / 'link').symlink_to(folder / 'secret')
    store = folder / 's.db'
    Run('ingest', '-q', store, path)
    assert query(store, 'SELECT kind FROM documents') == [['envelope']]


def truncated_issues_are_completed_and_counted_once(folder):
    cases = [{'format': 'current', 'label': 'Current run', 'valid': False, 'issueCount': 12, 'issues': ISSUES[:10], 'validationPath': 'out/kvonce-validation.json'},
             {'format': 'otlp', 'label': 'OTLP', 'valid': False, 'issueCount': 12, 'issues': ISSUES[:10], 'validationPath': 'out/otlp/kvonce-validation.json'},
             {'format': 'ndjson', 'label': 'NDJSON', 'status': 'missing', 'issues': [], 'note': 'validation file missing'}]
    summary = {'cases': cases, 'trace': {'domains': [{'key': 'otlp', 'status': 'invalid', 'issues': 12}, {'key': 'inventory', 'status': 'invalid', 'issues': 1}]}}
    alone = folder / 'alone.db'
    text = json.dumps(envelope(summary=summary)).encode()
    Run('ingest', '-q', alone, '-', stdin=text)
    assert query(alone, 'SELECT source, count(*) AS n FROM document_issues GROUP BY 1') == [['envelope case', 10]]
    assert query(alone, 'SELECT key, status, issue_count FROM envelope_cases') == [['current', 'invalid', 12], ['otlp', 'invalid', 12], ['ndjson', 'missing', None]]
    assert query(alone, 'SELECT key, is_case FROM envelope_domains') == [['otlp', 1], ['inventory', 0]]
    root = folder / 'run'
    path = write(root / 'envelope.json', text)
    write(root / 'out/otlp/kvonce-validation.json', VALIDATION)
    both = folder / 'both.db'
    Run('ingest', '-q', both, path)
    found = query(both, 'SELECT source, run_id, domain, count(*) AS n FROM document_issues GROUP BY 1, 2, 3')
    assert found == [['kvonce', '18268371063', 'otlp', 12]], found


def attempts_of_a_run_are_envelopes_of_their_own(folder):
    store = folder / 's.db'
    first, second = envelope(), envelope(generatedAt='2026-01-03T00:00:00Z')
    second['summary']['trace']['status'] = 'valid'
    for text in (first, first, second):
        Run('ingest', '-q', store, '-', stdin=json.dumps(text).encode())
    assert query(store, 'SELECT count(*) FROM envelopes') == [[2]]
    runs = query(store, 'SELECT envelopes, status, valid, branch_name, first_seen, last_seen FROM runs')
    assert runs == [[2, 'valid', 1, 'main', '2026-01-02T03:04:05Z', '2026-01-03T00:00:00Z']], runs


def links_and_routes_of_traces_are_told(folder):
    store = folder / 's.db'
    text = envelope(tempoLinks=['https://t.example/explore?x=1&traceId=a%2Fb', 'https://t.example/trace/5B8EFFF798038103D269B633813FC60C?y', 'https://t.example/'],
                    notes=['Tempo: https://t.example/explore?traceId=noted', 'else'])
    text['summary'] = {'traceIds': ['s'], 'trace': {'status': 'valid', 'domains': [{'key': 'kvonce', 'traceIds': ['d', 7]}]}}
    Run('ingest', '-q', store, '-', stdin=json.dumps(text).encode())
    found = query(store, 'SELECT route, trace_id, key FROM envelope_traces ORDER BY 1, 2')
    assert found == [['correlation', 't1', None], ['domain', 'd', 'kvonce'], ['link', '5b8efff798038103d269b633813fc60c', None],
                     ['link', 'a/b', None], ['link', 'noted', None], ['summary', 's', None]], found
    assert query(store, 'SELECT count(*), count(trace_id) FROM tempo_links') == [[4, 3]]


# ---- interruptions and growth ----

def many_events(folder, files, lines):
    rng = random.Random(7)
    for number in range(files):
        text = ''.join(json.dumps({'traceId': f't{number}-{i // 9}', 'type': rng.choice(['success', 'retry', 'failure']), 'key': f'k{rng.randrange(9)}'}) + '\n'
                       for i in range(lines))
        write(folder / f'run-{number:04}.ndjson', text.encode())
    return folder


def killed_at_any_instant_it_continues(folder):
    source = many_events(folder / 'in', 40, 20000)
    clean = folder / 'clean.db'
    begin = time.monotonic()
    Run('ingest', '-q', clean, source)
    took = time.monotonic() - begin
    expected = tables(clean)
    rng = random.Random(3)
    partial = 0
    for number in range(12):
        store = folder / f'{number}.db'
        with subprocess.Popen([PROGRAM, 'ingest', '-q', store, source], stderr=subprocess.DEVNULL) as process:
            time.sleep(rng.uniform(0, took * 1.05))
            process.send_signal(signal.SIGKILL)
        if store.exists() and Run('check', '-q', store, expect=None).code == 0:
            partial += 0 < query(store, 'SELECT count(*) FROM documents')[0][0] < 40
        Run('ingest', '-q', store, source)
        Run('check', '-q', store)
        assert tables(store) == expected, f'kill {number}'
    print(f'# 12 kills in runs of {took:.2f} s; {partial} times there was a part')


def a_file_that_grows_is_continued(folder):
    store, path, whole = folder / 's.db', folder / 'x.ndjson', folder / 'w.db'
    rng = random.Random(5)
    data = b''
    for _ in range(30):
        data += b''.join(b'{"type":"retry","key":"%d"}\n' % rng.randrange(1000) for _ in range(rng.randrange(4000)))
        write(path, data)
        Run('ingest', '-q', store, path)
    assert Run('export', store, '--document', 1).stdout == data
    Run('ingest', '-q', whole, path)
    digest = query(store, 'SELECT sha256 FROM documents')[0][0]
    assert digest in (None, hashlib.sha256(data).hexdigest()), digest
    for table, rows in tables(whole).items():  # where parts are cut depends on where reading began
        assert table == 'tk_document_part' or tables(store)[table] == rows, table
    Run('check', '-q', store)


def files_that_begin_alike_are_runs_of_their_own(folder):
    store = folder / 's.db'
    line = b'{"type":"retry","key":"%d"}\n'
    first, second, third = (folder / f'{name}.ndjson' for name in 'abc')
    Run('ingest', '-q', store, write(first, line % 1 * 3))
    Run('ingest', '-q', store, write(second, line % 1 * 3))  # the same bytes: one document
    Run('ingest', '-q', store, write(third, line % 1 * 3 + line % 2))
    assert query(store, 'SELECT path, record_count FROM documents ORDER BY id') == [[str(first), 3], [str(third), 4]]
    write(second, line % 1 * 3 + line % 3)
    Run('ingest', '-q', store, second)
    write(first, line % 1 * 3 + line % 4)
    Run('ingest', '-q', store, folder)
    counts = dict(query(store, 'SELECT path, record_count FROM documents'))
    assert counts == {str(first): 4, str(second): 4, str(third): 4}, counts
    rotated = folder / 'rotated.db'
    long = write(folder / 'long.ndjson', line % 5 * 400)
    Run('ingest', '-q', rotated, long)
    renamed = long.rename(folder / 'long-1.ndjson')  # as logs are
    with renamed.open('ab') as file:
        file.write(line % 6)
    Run('ingest', '-q', rotated, renamed)
    assert query(rotated, 'SELECT record_count FROM documents') == [[401]]
    both = folder / 'both.db'
    alike = folder / 'alike'
    write(alike / 'a.ndjson', line % 1), write(alike / 'b.ndjson', line % 1)
    Run('ingest', '-q', both, alike)
    for number, name in enumerate('ab'):
        with (alike / f'{name}.ndjson').open('ab') as file:
            file.write(line % number)
    Run('ingest', '-q', both, alike)
    for number in (1, 2):
        found = query(both, f'SELECT path FROM documents WHERE id = {number}')[0][0]
        assert Run('export', both, '--document', number).stdout == pathlib.Path(found).read_bytes(), found
    assert query(both, 'SELECT count(*) FROM documents') == [[2]]
    Run('check', '-q', both)


def followed_events_arrive(folder):
    store, path = folder / 's.db', folder / 'x.ndjson'
    path.write_bytes(EVENTS)
    command = [PROGRAM, 'ingest', '-q', '--follow', '--commit-interval', '50ms', '--run-id', 'r', store, path]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        data = EVENTS
        for number in range(5):
            more = b'\n{"type":"retry","key":"%d"}' % number
            with path.open('ab') as file:
                file.write(more)
            data += more
            time.sleep(0.2)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if store.exists() and Run('export', store, '--document', 1, expect=None).stdout == data:
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        process.communicate()
    back = Run('export', store, '--document', 1).stdout
    assert back == data, f'{back}\n{data}'
    assert query(store, 'SELECT run_id, record_count FROM documents') == [['r', 8]]
    digest = query(store, 'SELECT sha256 FROM documents')[0][0]
    assert digest in (None, hashlib.sha256(data).hexdigest()), digest


# ---- spans that are events ----

def spans_with_events_are_both(folder):
    store = folder / 's.db'
    span = {'traceId': '5b8efff798038103d269b633813fc60c', 'spanId': 'eee19b7ec3c1b174', 'name': 'kvonce.retry', 'startTimeUnixNano': '1760000001500999999',
            'endTimeUnixNano': '1760000001600000000', 'attributes': [{'key': 'kvonce.event.type', 'value': {'stringValue': 'retry'}},
                                                                     {'key': 'kvonce.event.key', 'value': {'stringValue': 'beta'}},
                                                                     {'key': 'kvonce.event.context', 'value': {'kvlistValue': {'values': [{'key': 'attempt', 'value': {'intValue': '2'}}]}}}]}
    payload = {'resourceSpans': [{'resource': {'attributes': [{'key': 'service.name', 'value': {'stringValue': 'kv'}}]}, 'scopeSpans': [{'spans': [span]}]}]}
    Run('ingest', '-q', '--run-id', 'r', store, write(folder / 'otlp.json', payload))
    assert query(store, 'SELECT count(*) FROM spans') == [[1]]
    line = (b'{"traceId":"5b8efff798038103d269b633813fc60c","timestamp":"2025-10-09T08:53:21.500Z","actor":"kv","event":"retry","type":"retry","key":"beta",'
            b'"context":{"attempt":2}}\n')
    assert Run('export', store, '--document', 1).stdout == line
    joined = query(store, 'SELECT s.name, d.run_id FROM spans s JOIN tk_document_trace t ON t.trace_id = s.trace_id JOIN documents d ON d.id = t.document_id')
    assert joined == [['kvonce.retry', 'r']], joined


def inspect_says_what_a_document_is(folder):
    path = write(folder / 'x.json', json.dumps(envelope()).encode() + b'\n' + VALIDATION)
    found = json.loads(Run('inspect', '--output-format', 'json', path).stdout)
    words = {row['kind']: row['first'] for row in found['documents']}
    assert words == {'envelope': 'run 18268371063, from trace-conformance, refs/heads/main, invalid, 0 artifacts, 1 trace',
                     'kvonce-validation': 'not valid, 12 issues'}, words
    text = Run('inspect', write(folder / 'e.ndjson', EVENTS)).stdout.decode()
    assert re.search(r'kvonce-events +1 +3', text), text


if __name__ == '__main__':
    run_tests([every_real_file_gives_the_rows_that_are_listed, the_whole_folder_twice_is_the_same_and_sound, what_comes_in_goes_out,
               a_pipe_is_read_once, an_attached_store_gives_its_own_documents, documents_one_after_another_are_each_one, what_is_broken_is_said_and_the_rest_is_kept,
               events_without_a_name_are_a_run_of_their_own, the_same_events_can_be_of_several_runs, the_files_an_envelope_names_come_with_it, an_envelope_leads_nowhere_outside_its_folders,
               truncated_issues_are_completed_and_counted_once, attempts_of_a_run_are_envelopes_of_their_own, links_and_routes_of_traces_are_told,
               killed_at_any_instant_it_continues, a_file_that_grows_is_continued, files_that_begin_alike_are_runs_of_their_own, followed_events_arrive, spans_with_events_are_both,
               inspect_says_what_a_document_is])
