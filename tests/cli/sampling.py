#!/usr/bin/python3
"""tracekeep sampling: what-if and replay, their errors, and populations that a replay recovers."""
import csv
import io
import json
import random

from support import Run, query, run_tests

SECOND = 10**9
BEGIN = 1767225600 * SECOND

TAIL = '''processors:
  tail_sampling:
    policies:
      - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
      - {name: slow, type: latency, latency: {threshold_ms: 900}}
      - {name: shop, type: and, and: {and_sub_policy: [
          {name: is-shop, type: string_attribute, string_attribute: {key: service.name, values: [shop]}},
          {name: half, type: probabilistic, probabilistic: {sampling_percentage: 50, hash_salt: shop}}]}}
      - {name: rest, type: probabilistic, probabilistic: {sampling_percentage: 10}}
'''


def make_dump(path, count, seed=1):
    """Traces of two spans each, as lines; which of them failed by trace id."""
    rng = random.Random(seed)
    lines, failed = {}, {}
    for number in range(count):
        trace_id = f'{rng.getrandbits(128):032x}'
        start = BEGIN + number * 50 * 10**6
        service = rng.choice(['shop', 'cart', 'cart'])
        failed[trace_id] = rng.random() < 0.05
        spans = []
        for i in range(2):
            span = {'traceId': trace_id, 'spanId': f'{number * 2 + i + 1:016x}', 'name': f'op{rng.randrange(3)}', 'kind': 2 + i,
                    'startTimeUnixNano': str(start + i), 'endTimeUnixNano': str(start + rng.randrange(SECOND)),
                    'status': {'code': 2} if failed[trace_id] and i == 0 else {}}
            if i:
                span['parentSpanId'] = spans[0]['spanId']
            spans.append(span)
        lines[trace_id] = json.dumps({'resourceSpans': [{'resource': {'attributes': [
            {'key': 'service.name', 'value': {'stringValue': service}}]}, 'scopeSpans': [{'spans': spans}]}]})
    path.write_text('\n'.join(lines.values()) + '\n', encoding='utf-8')
    return lines, failed


def make_store(folder, count=2000, config=TAIL):
    lines, failed = make_dump(folder / 'dump.jsonl', count)
    Run('ingest', '-q', folder / 'traces.db', folder / 'dump.jsonl')
    path = folder / 'collector.yaml'
    path.write_text(config, encoding='utf-8')
    if b'libyaml' in Run('sampling', 'replay', folder / 'traces.db', '-c', path, expect=None).stderr:
        return None
    return folder / 'traces.db', path, lines, failed


def rows_of(run):
    return list(csv.DictReader(io.StringIO(run.stdout.decode())))


def what_if_says_what_is_kept_and_lost(folder):
    made = make_store(folder)
    if not made:
        return 'built without libyaml'
    store, config, lines, failed = made
    answer = json.loads(Run('sampling', 'what-if', store, '--config', config, '--format', 'json', '--examples', '3').stdout)
    assert set(answer) == {'policies', 'totals', 'lost'}, answer.keys()
    replayed = rows_of(Run('sampling', 'replay', store, '-c', config, '--format', 'csv'))
    assert len(replayed) == len(lines) == 2000
    kept = [row for row in replayed if row['decision'] == 'keep']
    totals = {row['measure']: row for row in answer['totals']}
    assert (totals['traces']['before'], totals['traces']['kept']) == (2000, len(kept))
    assert totals['spans']['kept'] == 2 * len(kept)
    assert totals['error traces']['before'] == totals['error traces']['kept'] == sum(failed.values())
    assert totals['error traces']['kept_percent'] == 100
    assert totals['bytes a day']['before'] > totals['bytes a day']['kept'] > 0
    assert totals['traces of unknown weight'] == {'measure': 'traces of unknown weight', 'before': 2000, 'kept': 0,
                                                  'kept_percent': None, 'estimated': None, 'recorded': None, 'recorded_kept': None}
    assert abs(totals['traces']['estimated'] / 2000 - 1) < 0.15, totals['traces']
    # 100 seconds of traces, one every 50 ms.
    assert abs(totals['traces a second']['before'] - 20) < 0.3, totals['traces a second']
    by_policy = {row['policy']: row for row in answer['policies'] if row['decision'] == 'keep'}
    assert set(by_policy) == {'errors', 'slow', 'shop', 'rest'}
    assert sum(row['traces'] for row in by_policy.values()) == len(kept)
    assert by_policy['errors']['percent_of_errors'] == 100 and by_policy['slow']['percent_of_errors'] == 0
    assert by_policy['errors']['error_traces'] == by_policy['errors']['traces'] == sum(failed.values())
    lost = answer['lost']
    assert len(lost) == 3 and all(row['service'] in ('shop', 'cart') and row['root'].startswith('op') for row in lost), lost
    ids = {row['trace_id']: row['decision'] for row in replayed}
    assert all(ids[row['trace_id']] == 'drop' for row in lost)
    table = Run('sampling', 'what-if', store, '-c', config, '-f', 'table').stdout.decode()
    for heading in ('Policies', 'In total', 'What would be lost'):
        assert heading in table


def a_range_of_time_and_another_threshold(folder):
    made = make_store(folder, 400)
    if not made:
        return 'built without libyaml'
    store, config, _, _ = made
    since, until = BEGIN + 5 * SECOND, BEGIN + 10 * SECOND
    arguments = ['sampling', 'what-if', store, '-c', config, '-f', 'json', '--since', since, '--until', until]
    totals = {row['measure']: row for row in json.loads(Run(*arguments, '--slow', '500ms').stdout)['totals']}
    assert totals['traces']['before'] == 100
    slow = query(store, f'SELECT count(*) FROM traces WHERE start_ns >= {since} AND start_ns < {until} AND duration_ns > 500000000')
    assert totals['slow traces']['before'] == slow[0][0] > 0
    assert len(rows_of(Run('sampling', 'replay', store, '-c', config, '-f', 'csv', '--since', since, '--until', until))) == 100
    assert 'lost' not in json.loads(Run(*arguments, '--examples', '0').stdout)


def errors_name_file_line_and_reason(folder):
    make_dump(folder / 'dump.jsonl', 5)
    store, path = folder / 'traces.db', folder / 'bad.json'
    Run('ingest', '-q', store, folder / 'dump.jsonl')
    cases = [
        ('{"policies": [\n {"name": "a", "type": "sometimes"}]}', 2, 'bad.json:2:', b'sometimes'),
        ('{"policies": [\n {"name": "a", "type": "span_count", "span_count": {"min_spans": "many"}}]}', 2, 'bad.json:2:', b'many'),
        ('{"policies": [\n\n {"name": "a", "type": "ottl_condition", "ottl_condition": {"span": ["name == Foo(1)"]}}]}', 2,
         'bad.json:3:', b"ottl_condition 'a': span condition 1: OTTL, character 9: the function Foo is not supported"),
        ('{"policies": [{"name": "c", "type": "composite", "composite": {"max_total_spans_per_second": 5, "policy_order": ["c"],'
         ' "composite_sub_policy": [{"name": "d", "type": "always_sample"}]}}]}', 2, 'bad.json:1:', b'the composite itself'),
        ('', 2, 'bad.json', b''),
    ]
    before = (store.stat().st_size, query(store, 'SELECT count(*) FROM spans'))
    for text, code, place, reason in cases:
        path.write_text(text, encoding='utf-8')
        for what in ('what-if', 'replay'):
            run = Run('sampling', what, store, '--config', path, expect=code)
            assert place.encode() in run.stderr and reason in run.stderr and not run.stdout, (text, run.stderr)
    path.write_text('{"policies": [{"name": "a", "type": "always_sample"}]}', encoding='utf-8')
    for arguments, code in ((['--semantics', 'v9'], 2), (['--head', '2'], 2), (['--since', 'soon'], 2), (['--slow', 'very'], 2)):
        assert Run('sampling', 'what-if', store, '-c', path, *arguments, expect=code).stderr
    assert Run('sampling', 'what-if', store, expect=2).stderr
    assert Run('sampling', 'guess', store, '-c', path, expect=2).stderr
    assert Run('sampling', 'replay', store, '-c', folder / 'none.yaml', expect=3).stderr
    assert Run('sampling', 'replay', folder / 'none.db', '-c', path, expect=3).stderr
    assert (store.stat().st_size, query(store, 'SELECT count(*) FROM spans')) == before


def a_replay_gives_the_weights_of_what_was_kept(folder):
    """Tail sampling of a known population; what is left is stored without any weight; the
    configuration that was in force gives the counts back."""
    made = make_store(folder, 6000)
    if not made:
        return 'built without libyaml'
    store, config, lines, failed = made
    kept = [row['trace_id'] for row in rows_of(Run('sampling', 'replay', store, '-c', config, '-f', 'csv')) if row['decision'] == 'keep']
    assert len(kept) < 3000
    (folder / 'kept.jsonl').write_text('\n'.join(lines[trace] for trace in kept) + '\n', encoding='utf-8')
    left = folder / 'left.db'
    Run('ingest', '-q', left, folder / 'kept.jsonl')
    assert query(left, 'SELECT count(adjusted_count) FROM traces') == [[0]]
    sql = ("SELECT has_error, weighted_count_low(adjusted_count), weighted_count(adjusted_count), weighted_count_high(adjusted_count),"
           " unknown_weight_share(adjusted_count), sum(decision <> 'keep') FROM sampling_replay('" + TAIL.replace("'", "''") + "')"
           ' GROUP BY has_error ORDER BY has_error')
    succeeded, broken = query(left, sql)
    assert broken == [1] + 3 * [float(sum(failed.values()))] + [0, 0], broken  # all were kept: exactly
    truth = 6000 - sum(failed.values())
    assert succeeded[4:] == [0, 0]
    assert abs(succeeded[2] - truth) < 2.5 * (succeeded[3] - succeeded[2]) and succeeded[1] < succeeded[2], succeeded
    services = query(left, "SELECT s.value, weighted_count(adjusted_count) FROM sampling_replay('" + TAIL.replace("'", "''") +
                     "') AS r, json_each(r.services) AS s GROUP BY 1 ORDER BY 1")
    true_counts = dict(query(store, 'SELECT root_service, count(*) FROM traces GROUP BY 1'))
    assert len(services) == 2
    for service, estimated in services:
        assert abs(estimated / true_counts[service] - 1) < 0.15, (service, estimated, true_counts)


def a_configuration_is_taken_out_of_what_deploys_it(folder):
    made = make_store(folder, 50)
    if not made:
        return 'built without libyaml'
    store, plain, _, _ = made
    body = plain.read_text(encoding='utf-8')
    indented = ''.join('    ' + line for line in body.splitlines(keepends=True))
    resource = 'apiVersion: opentelemetry.io/v1beta1\nkind: OpenTelemetryCollector\nspec:\n  mode: x\n  config:'
    expected = Run('sampling', 'replay', store, '-c', plain, '-f', 'csv').stdout
    for name, text in (('map.yaml', resource + '\n' + indented), ('text.yaml', resource + ' |\n' + indented),
                       ('values.yaml', 'mode: daemonset\nconfig:\n' + indented + 'resources: {}\n')):
        (folder / name).write_text(text, encoding='utf-8')
        Run('ingest', '-q', store, folder / name)
        assert Run('sampling', 'replay', store, '-c', folder / name, '-f', 'csv').stdout == expected, name
        assert query(store, f"SELECT dialect, policy_count FROM sampling_configs WHERE name LIKE '%{name}'") == [['collector', 7]]
    (folder / 'bad.yaml').write_text(resource + ' |\n' + indented.replace('900', 'long'), encoding='utf-8')
    assert b'bad.yaml:10: error: column' in Run('ingest', '-q', store, folder / 'bad.yaml', expect=1).stderr


def an_estimate_of_one_instant_has_no_rate(folder):
    span = {'traceId': '4bf92f3577b34da6a3ce929d0e0e4736', 'spanId': '00f067aa0ba902b7', 'name': 'a', 'kind': 2, 'traceState': 'ot=th:8',
            'startTimeUnixNano': str(BEGIN), 'endTimeUnixNano': str(BEGIN + 5)}
    (folder / 'one.json').write_text(json.dumps({'resourceSpans': [{'scopeSpans': [{'spans': [span]}]}]}), encoding='utf-8')
    Run('ingest', '-q', folder / 'one.db', folder / 'one.json')
    row, = rows_of(Run('report', folder / 'one.db', 'sampling-estimates', '-f', 'csv'))
    assert (row['requests'], row['per_second']) == ('2.0', ''), row


if __name__ == '__main__':
    run_tests([a_configuration_is_taken_out_of_what_deploys_it, an_estimate_of_one_instant_has_no_rate,
               what_if_says_what_is_kept_and_lost, a_range_of_time_and_another_threshold, errors_name_file_line_and_reason,
               a_replay_gives_the_weights_of_what_was_kept])
