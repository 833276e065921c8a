#!/usr/bin/python3
"""replay: what arrives at a receiver is what is stored; what is tried again, when, and what is not;
where a replay that ended goes on. And --where, which export has as well."""
import json
import os
import signal
import subprocess
import tempfile
import time

from otlp_sink import Answer, Sink, http_date, spans_of_json
from support import FIXTURES, PROGRAM, Run, make_dump, query, run_tests

FAST = ('--first-wait', 20)


def make_store(folder, spans=1200, seed=1):
    store = folder / 'a.db'
    make_dump(folder / 'a.jsonl', seed, spans)
    Run('ingest', '--quiet', '--spans-per-segment', 400, store, folder / 'a.jsonl')
    return store


def replay(store, url, *options, expect=0):
    run = Run('replay', '--output-format', 'json', *FAST, *options, store, url, expect=expect)
    return json.loads(run.stdout), run


def sort_spans(spans):
    return sorted((json.dumps(span, sort_keys=True) for span in spans))


def stored(folder):
    """The spans of the dump, read without tracekeep."""
    return [span for line in (folder / 'a.jsonl').read_bytes().splitlines() for span in spans_of_json(line)]


def traces_of(spans):
    return {span['trace'] for span in spans}


def check_all_arrived(folder, sink):
    expected = sort_spans(stored(folder))
    assert len(expected) > 100 and sort_spans(sink.spans()) == expected, f'{len(sink.spans())} spans arrived, {len(expected)} are stored'


def what_arrives_is_what_is_stored(folder):
    store = make_store(folder)
    for options in ((), ('--json',), ('--compress', 'none'), ('--json', '--compress', 'none')):
        with Sink() as sink:
            summary, _ = replay(store, sink.url, '--batch-bytes', 20000, *options)
            check_all_arrived(folder, sink)
            request = sink.requests[0]
        assert request['path'] == '/v1/traces' and request['headers']['User-Agent'].startswith('tracekeep/'), request
        assert ('Content-Encoding' in request['headers']) == ('none' not in options), request
        assert summary['spans'] == len(stored(folder)) and summary['traces'] == len(traces_of(stored(folder))), summary
        assert summary['requests'] == len(sink.requests) > 5 and summary['retries'] == 0, summary
        assert summary['bytes_sent'] == sum(r['size'] for r in sink.requests) and summary['bytes'] == sum(r['plain_size'] for r in sink.requests), summary
        whole = [traces_of(message) for message in sink.accepted]
        assert sum(map(len, whole)) == summary['traces'], 'a trace was cut'


def requests_are_bounded(folder):
    store = make_store(folder)
    with Sink() as sink:
        replay(store, sink.url, '--batch-bytes', 5000, '--json')
        check_all_arrived(folder, sink)
    assert max(r['plain_size'] for r in sink.requests) < 5000 + 30 * 1000, sink.requests  # one trace more
    one = {'resourceSpans': [{'scopeSpans': [{'spans': [
        {'traceId': 'ab' * 16, 'spanId': f'{i + 1:016x}', 'name': f'n{i}', 'startTimeUnixNano': '1', 'endTimeUnixNano': '2'} for i in range(3000)]}]}]}
    (folder / 'giant.jsonl').write_text(json.dumps(one) + '\n')
    Run('ingest', '--quiet', folder / 'giant.db', folder / 'giant.jsonl')
    with Sink() as sink:
        summary, _ = replay(folder / 'giant.db', sink.url, '--batch-bytes', 10000)
    assert len({span['span'] for span in sink.spans()}) == 3000 and summary['requests'] > 5, summary
    assert max(r['plain_size'] for r in sink.requests) < 20000


def the_address_is_completed_and_headers_are_sent(folder):
    store = make_store(folder, 100)
    for suffix, path in (('', '/v1/traces'), ('/', '/v1/traces'), ('/otlp/v1/traces', '/otlp/v1/traces')):
        with Sink() as sink:
            summary, _ = replay(store, sink.url + suffix, '--header', 'Authorization: Bearer x', '-H', 'X-Scope-OrgID: one')
        assert sink.requests[0]['path'] == path and summary['url'] == sink.url + path, summary
        assert sink.requests[0]['headers']['Authorization'] == 'Bearer x' and sink.requests[0]['headers']['X-Scope-OrgID'] == 'one'
    with Sink() as sink:
        summary, run = replay(store, sink.url.replace('http://', 'http://me:secret@'))
    assert 'secret' not in json.dumps(summary) and b'secret' not in run.stderr and 'Authorization' in sink.requests[0]['headers']


def what_is_temporary_is_tried_again(folder):
    store = make_store(folder, 300)
    answers = [Answer(503), Answer(502, plain=True, message='bad gateway'), Answer(504), Answer(drop=True), Answer(), Answer(429), Answer(drop=True)]
    with Sink(answers) as sink:
        summary, run = replay(store, sink.url, '--batch-bytes', 8000)
        check_all_arrived(folder, sink)
    assert len(sink.requests) == summary['requests'] + 6, 'not every answer was met by another attempt'
    # A connection that was kept and is dropped is tried again by libcurl itself.
    assert 4 <= summary['retries'] <= 6 and summary['requests_refused'] == 0 and not run.stderr, (summary, run.stderr)


def waits_grow_and_retry_after_is_kept(folder):
    store = make_store(folder, 100)
    with Sink([Answer(503)] * 5) as sink:
        replay(store, sink.url, '--first-wait', 60)
    times = [r['time'] for r in sink.requests]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert all(gap >= 0.03 * 2 ** i for i, gap in enumerate(gaps)), gaps
    for retry_after in (lambda: 1, lambda: http_date(3)):
        with Sink([Answer(429, retry_after=retry_after())]) as sink:
            summary, _ = replay(store, sink.url)
            assert summary['retries'] == 1 and sink.requests[1]['time'] - sink.requests[0]['time'] >= 0.9, sink.requests
    with Sink([Answer(503, retry_after=3600)]) as sink:
        summary, run = replay(store, sink.url, expect=3)  # longer than --retry-for
    assert len(sink.requests) == 1 and b'gave up' in run.stderr, run.stderr


def nobody_there_is_given_up_in_time(folder):
    store = make_store(folder, 100)
    with Sink() as sink:
        pass
    begin = time.monotonic()
    summary, run = replay(store, sink.url, '--retry-for', '300ms', expect=3)
    assert time.monotonic() - begin < 20 and summary['spans'] == 0 and summary['spans_refused'] > 0, summary
    assert b'gave up' in run.stderr, run.stderr


def other_refusals_end_it(folder):
    store = make_store(folder, 400)
    for status in (400, 401, 404, 413, 500, 301):
        with Sink([Answer(), Answer(status, message='not like this')]) as sink:
            summary, run = replay(store, sink.url, '--batch-bytes', 10000, *(['--json'] if status == 400 else []), expect=3)
        assert len(sink.requests) == 2 and summary['requests_refused'] == 1 and summary['retries'] == 0, summary
        assert f'HTTP {status}: not like this'.encode() in run.stderr, run.stderr
    with Sink([Answer(), Answer(415, plain=True, message='unsupported')]) as sink:
        summary, run = replay(store, sink.url, '--batch-bytes', 10000, '--keep-going', expect=3)
    assert len(sink.requests) == summary['requests'] > 2 and len(sink.spans()) == summary['spans'], summary
    assert summary['spans'] + summary['spans_refused'] == len(stored(folder)) and b'HTTP 415: unsupported\n' in run.stderr, run.stderr


def partial_success_is_reported_and_not_sent_again(folder):
    store = make_store(folder, 300)
    for options in ((), ('--json',)):
        with Sink([Answer(rejected=3, message='too old'), Answer(message='slow down')]) as sink:
            summary, run = replay(store, sink.url, '--batch-bytes', 20000, *options, expect=1)
            check_all_arrived(folder, sink)
        assert summary['spans_rejected'] == 3 and summary['retries'] == 0 and summary['requests'] == len(sink.requests), summary
        assert b'3 of' in run.stderr and b'too old' in run.stderr and b'slow down' in run.stderr, run.stderr


def the_rate_is_kept(folder):
    store = make_store(folder, 400)
    with Sink() as sink:
        summary, _ = replay(store, sink.url, '--rate', 200)
        check_all_arrived(folder, sink)
    begin = sink.requests[0]['time']
    sent = 0
    for request, message in zip(sink.requests, sink.accepted):
        assert sent <= 200 * (request['time'] - begin) + 30, f'{sent} spans after {request["time"] - begin} s'
        sent += len(message)
        assert len(message) <= 200 + 30, len(message)  # the rest of a trace
    assert summary['seconds'] > 0.9, summary


def a_replay_that_ended_goes_on(folder):
    store, done = make_store(folder, 600), folder / 'done.txt'
    done.write_text('# sent to the new backend\n' + 'ab' * 7)  # cut, as by a full disk
    with Sink([Answer()] * 3 + [Answer(401, message='no')]) as sink:
        first, _ = replay(store, sink.url, '--batch-bytes', 10000, '--resume', done, expect=3)
        dry, _ = replay(store, sink.url, '--resume', done, '--dry-run')
        second, _ = replay(store, sink.url, '--batch-bytes', 10000, '--resume', done)
        check_all_arrived(folder, sink)
        third, _ = replay(store, sink.url, '--resume', done)
    assert 0 < second['traces_skipped'] < first['traces'] and second['traces_skipped'] == dry['traces_skipped'], (first, second, dry)
    assert third['requests'] == 0 and third['traces_skipped'] == len(traces_of(stored(folder))), third
    assert set(done.read_text().split('\n')) >= traces_of(stored(folder))


def killed_at_any_instant_it_goes_on(folder):
    store, done = make_store(folder, 1500), folder / 'done.txt'
    arguments = [PROGRAM, 'replay', '--quiet', '--batch-bytes', '8000', '--resume', str(done), str(store)]
    with Sink(delay=0.01) as sink:
        for number in range(6):
            process = subprocess.Popen([*arguments, sink.url], stderr=subprocess.PIPE)
            before = len(sink.requests)
            deadline = time.monotonic() + 20
            while len(sink.requests) < before + 3 + number and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL if number % 2 else signal.SIGTERM)
            process.communicate()
            assert process.returncode in (-signal.SIGKILL, 130, 0), process.returncode
        sink.delay = 0
        Run(*arguments[1:], sink.url)
        time.sleep(0.1)
        arrived = sort_spans(sink.spans())
    expected = sort_spans(stored(folder))
    assert sorted(set(arrived)) == expected, f'{len(set(arrived))} of {len(expected)} spans arrived'
    assert len(arrived) - len(expected) < 6 * 100, 'more than the request under way was repeated'


def a_dry_run_sends_nothing(folder):
    store = make_store(folder, 300)
    with Sink() as sink:
        would, _ = replay(store, sink.url, '--dry-run', '--batch-bytes', 20000)
        assert not sink.requests
        does, _ = replay(store, sink.url, '--batch-bytes', 20000)
    for key in ('traces', 'spans', 'requests', 'bytes', 'bytes_sent'):
        assert would[key] == does[key] > 0, (key, would, does)
    assert would['dry_run'] and not does['dry_run']
    text = Run('replay', '-n', store, 'http://localhost:1').stdout.decode()
    assert 'would send' in text and 'http://localhost:1/v1/traces' in text, text


def traces_are_selected(folder):
    store = make_store(folder)
    spans = stored(folder)
    slow = {span['trace'] for span in spans if span['end'] - span['start'] > 90_000_000}
    cases = [(('--where', 'duration_ns > 90000000'), slow),
             (('--where', "[span.item] LIKE 'item 1%' AND (kind = 'server' OR name = 'GET /pay') -- a comment"),
              {s['trace'] for s in spans if dict(s['attributes'])['item'].startswith('item 1') and (s['kind'] == 2 or s['name'] == 'GET /pay')}),
             (('--where', "trace_id IN (SELECT trace_id FROM spans WHERE name = 'a ) b') OR name = ')'"), set())]
    named = sorted(slow)[0]
    cases.append((('--where', 'duration_ns > 90000000', '--trace', named, '--trace', 'ff' * 16), {named}))
    assert len(slow) > 5
    for options, expected in cases:
        with Sink() as sink:
            summary, _ = replay(store, sink.url, *options)
        assert traces_of(sink.spans()) == expected and summary['traces'] == len(expected), (options, summary)
        assert sort_spans(sink.spans()) == sort_spans(s for s in spans if s['trace'] in expected), options  # whole traces
        exported = Run('export', *options, store).stdout.splitlines()
        assert traces_of(span for line in exported for span in spans_of_json(line)) == expected, options
    start = min(span['start'] for span in spans)
    with Sink() as sink:
        replay(store, sink.url, '--until', start + 1)
    assert traces_of(sink.spans()) == {span['trace'] for span in spans if span['start'] == start}
    with Sink() as sink:
        _, run = replay(store, sink.url, '--trace', 'ff' * 16, expect=1)
    assert b'1 of 1 traces are not in' in run.stderr and not sink.requests


def expressions_that_are_none_are_refused(folder):
    store = make_store(folder, 50)
    for command, more in (('export', []), ('replay', ['http://127.0.0.1:1', '-n'])):
        for expression in ('', '1) OR (1', '1; DROP TABLE spans', '1) UNION SELECT (2', "name = 'x", 'no_such_column = 1', '1 /* open', '(1', 'name = :name', '1 --)', '1, 2'):
            run = Run(command, '--where', expression, store, *more, expect=None)
            assert expression == '1 --)' or (run.code == 2 and b'--where' in run.stderr), (command, expression, run.code, run.stderr)
    for arguments in (['ftp://x'], ['http://'], ['http://x', '--header', 'no colon'], ['http://x', '--retry-for', 'long'], ['http://x', '--rate', 'fast']):
        assert Run('replay', store, *arguments, expect=2).stderr, arguments


def text_ids_and_other_members_are_said_to_be_lost(folder):
    span = {'traceId': 'kvonce-trace-001', 'spanId': '00000000000000ab', 'name': 'n', 'startTimeUnixNano': '5', 'endTimeUnixNano': '9', 'vendorField': 1}
    (folder / 'a.jsonl').write_text(json.dumps({'resourceSpans': [{'scopeSpans': [{'spans': [span]}]}]}) + '\n')
    Run('ingest', '--quiet', folder / 'a.db', folder / 'a.jsonl', expect=None)
    with Sink() as sink:
        summary, run = replay(folder / 'a.db', sink.url)
        assert len(sink.spans()) == 1 and len(sink.spans()[0]['trace']) == 32, sink.spans()
        assert summary['traces_with_text_ids'] == 1 and summary['spans_losing_members'] == 1 and b'--json' in run.stderr, (summary, run.stderr)
        replay(folder / 'a.db', sink.url, '--json')
    assert sink.spans()[1]['trace'] == 'kvonce-trace-001'


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as folder:
        Run('ingest', '--quiet', f'{folder}/a.db', FIXTURES / 'shop.jsonl')
        probe = Run('replay', '--dry-run', f'{folder}/a.db', 'http://x', expect=None)
    if b'without libcurl' in probe.stderr:
        print('1..0 # SKIP built without libcurl')
        raise SystemExit(0)
    run_tests([what_arrives_is_what_is_stored, requests_are_bounded, the_address_is_completed_and_headers_are_sent, what_is_temporary_is_tried_again,
               waits_grow_and_retry_after_is_kept, nobody_there_is_given_up_in_time, other_refusals_end_it, partial_success_is_reported_and_not_sent_again, the_rate_is_kept,
               a_replay_that_ended_goes_on, killed_at_any_instant_it_goes_on, a_dry_run_sends_nothing, traces_are_selected, expressions_that_are_none_are_refused,
               text_ids_and_other_members_are_said_to_be_lost])
