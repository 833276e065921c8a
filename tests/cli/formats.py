#!/usr/bin/python3
"""Dumps in the formats of others: what goes in comes out, in the same format and as flat objects; and
the same spans in several formats answer alike, as far as each format can say.

The dumps of $TK_SHARED_DATA are read in part where they are large; without it these tests skip."""
import json
import os
import pathlib
import subprocess

from support import FIXTURES, HERE, Run, run_tests

FOREIGN = FIXTURES / 'foreign'
SAMPLES = HERE.parent.parent / 'samples/dumps'
SHARED = pathlib.Path(os.environ.get('TK_SHARED_DATA', '/nowhere'))
MICROSECOND = 1000


def ingested(folder, name, *sources, text=None):
    store = folder / f'{name}.db'
    done = Run('ingest', '--quiet', store, *(sources or ['-']), stdin=text or b'', expect=None)
    assert done.code in (0, 1), done.stderr
    return store


def exported(store, form):
    return Run('export', store, '--format', form).stdout


def spans_of(store):
    """Every span as the lossless flat form says it, by identity."""
    spans = {}
    for line in exported(store, 'ndjson').decode().splitlines():
        span = json.loads(line)
        spans[span['trace_id'], span['span_id'], span.get('kind')] = span
    assert spans
    return spans


# ---- in and out ----

def whole_store(store):
    return exported(store, 'otlp-json')


def check_round_trip(folder, path, form):
    first = ingested(folder, 'first', path)
    text = exported(first, form)
    second = ingested(folder, 'second', text=text)
    assert whole_store(first) == whole_store(second) and len(whole_store(first)) > 100, f'{path.name} as {form}'
    first.unlink()
    second.unlink()
    return text


def fixtures_of(*names):
    found = sorted(path for path in FOREIGN.iterdir() if path.name.startswith(names))
    assert found, names
    return found


def every_dump_comes_back_in_its_own_format(folder):
    for path in fixtures_of('jaeger'):
        check_round_trip(folder, path, 'jaeger')
    for path in fixtures_of('zipkin'):
        check_round_trip(folder, path, 'zipkin')


def every_dump_comes_back_as_flat_objects(folder):
    for path in fixtures_of('') + [FIXTURES / 'every_field.json', FIXTURES / 'shop.jsonl']:
        check_round_trip(folder, path, 'ndjson')


def text_ids_come_back_from_every_format(folder):
    """Ids that are neither hexadecimal nor base64 keep their text, and parents their children."""
    times = {'startTimeUnixNano': '1795000000000000000', 'endTimeUnixNano': '1795000000000001000'}
    spans = [dict(times, traceId='1' * 32, spanId='the root', name='a', links=[{'traceId': 'run-1', 'spanId': 'step 9'}]), dict(times, traceId='1' * 32, spanId='step "2"', parentSpanId='the root', name='b')]
    (folder / 'in.json').write_text(json.dumps({'resourceSpans': [{'scopeSpans': [{'spans': spans}]}]}), encoding='utf-8')
    first = ingested(folder, 'first', folder / 'in.json')
    for form in ('otlp-json', 'jaeger', 'zipkin', 'ndjson'):
        second = ingested(folder, form, text=exported(first, form))
        back = [span for line in whole_store(second).decode().splitlines() for one in json.loads(line)['resourceSpans'] for scope in one['scopeSpans'] for span in scope['spans']]
        assert sorted((span['name'], span['spanId'], span.get('parentSpanId')) for span in back) == [('a', 'the root', None), ('b', 'step "2"', 'the root')], (form, back)
        links = [(link['traceId'], link['spanId']) for span in back for link in span.get('links', [])]
        assert links == [('run-1', 'step 9')], (form, links)


def jaeger_spans(text):
    spans = {}
    for trace in json.loads(text)['data']:
        for span in trace['spans']:
            process = trace['processes'].get(span.pop('processID', None))
            for fields in [span['tags'], process['tags']] + [log['fields'] for log in span['logs']]:
                fields.sort(key=lambda tag: tag['key'])
            span['process'] = process
            span['references'].sort(key=json.dumps)
            if not span.get('warnings'):
                span.pop('warnings', None)
            spans[span['traceID'], span['spanID']] = span
    assert spans
    return spans


def jaegers_members_all_come_back(folder):
    path = FOREIGN / 'jaeger_api.json'
    assert jaeger_spans(check_round_trip(folder, path, 'jaeger')) == jaeger_spans(path.read_bytes())
    labels = [set(trace['processes']) for trace in json.loads(check_round_trip(folder, path, 'jaeger'))['data']]
    assert {'p1', 'web'} in labels, labels


def zipkins_members_all_come_back(folder):
    path = FOREIGN / 'zipkin_v2.json'
    before = [span for trace in json.loads(path.read_bytes()) for span in trace]
    after = json.loads(check_round_trip(folder, path, 'zipkin'))
    key = json.dumps
    assert sorted(before, key=key) != [] and sorted(map(normal, before)) == sorted(map(normal, after))


def normal(span):
    return json.dumps(span, sort_keys=True)


def csv_has_a_row_for_every_span(folder):
    import csv
    import io
    store = ingested(folder, 'csv', FIXTURES / 'every_field.json')
    rows = list(csv.DictReader(io.StringIO(exported(store, 'csv').decode(), newline='')))
    spans = spans_of(store)
    assert len(rows) == len(spans) > 3
    for row in rows:
        span = spans[row['trace_id'], row['span_id'], None if row['kind'] == 'unspecified' else
                     int(row['kind']) if row['kind'].isdigit() else row['kind']]
        assert row['name'] == span['name'] and int(row['start_ns'] or 0) == span.get('start_ns', 0)
        assert json.loads(row['attributes']) == span.get('attributes', {}), row
        assert json.loads(row['resource']) == span.get('resource', {}), row


# ---- the same spans in several formats ----

def coarse(span):
    """What every format can say of a span, times in microseconds."""
    start, end = span.get('start_ns', 0), span.get('end_ns', 0)
    return (span['name'], span.get('service'), span.get('parent_span_id'), start // MICROSECOND,
            max(1, (end - start) // MICROSECOND) if end else None, span.get('status') == 'error',
            len(span.get('events', [])))


def compare(left, right, kinds=True):
    by_id = {key[:2]: span for key, span in right.items()}
    assert len(left) == len(right), (len(left), len(right))
    for key, span in left.items():
        other = by_id[key[:2]]
        assert coarse(span) == coarse(other), (coarse(span), coarse(other))
        if kinds:
            assert span.get('kind') == other.get('kind'), key


def zipkin_says_what_the_recording_in_otlp_says(folder):
    otlp = spans_of(ingested(folder, 'otlp', SAMPLES / 'webshop.otlp.jsonl'))
    zipkin = spans_of(ingested(folder, 'zipkin', SAMPLES / 'webshop.zipkin.json.zst'))
    # Its exporter writes neither the kind internal nor what it cannot know; durations are rounded.
    assert len(otlp) == len(zipkin) > 10
    by_id = {key[:2]: span for key, span in zipkin.items()}
    for key, span in otlp.items():
        other = by_id[key[:2]]
        for member in ('name', 'service', 'parent_span_id'):
            assert span.get(member) == other.get(member), (member, span, other)
        assert abs(span['start_ns'] - other['start_ns']) <= MICROSECOND, (span, other)
        assert abs(span['end_ns'] - other['end_ns']) <= 2 * MICROSECOND, (span, other)
        assert (span.get('status') == 'error') == (other.get('status') == 'error')
        if span['kind'] != 'internal':
            assert span['kind'] == other['kind']


def head_of(path, lines):
    """The beginning of a compressed dump of lines."""
    decoder = subprocess.Popen(['zstd', '-dc', str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    text = b''.join(next(decoder.stdout) for _ in range(lines))
    decoder.stdout.close()
    decoder.kill()
    decoder.wait()
    return text


def shared(name):
    path = SHARED / name
    return path if path.exists() else None


NO_DATA = 'TK_SHARED_DATA names no folder with these dumps'


def the_same_traces_in_flat_objects_and_otlp_are_equal(folder):
    """Flat objects say nanoseconds and types: nothing is lost."""
    otlp, flat = shared('trainticket/trainticket.otlp.jsonl.zst'), shared('trainticket/trainticket.ndjson.zst')
    if not otlp:
        return NO_DATA
    few = spans_of(ingested(folder, 'flat', text=head_of(flat, 3000)))
    traces = {key[0] for key in few}
    whole = spans_of(ingested(folder, 'whole', text=head_of(otlp, 60)))
    compared = 0
    for key, span in few.items():
        if key in whole:
            other = dict(whole[key])
            assert {k: v for k, v in span.items() if k != 'scope'} == {k: v for k, v in other.items() if k != 'scope'}, (span, other)
            compared += 1
    assert compared > 1000 and traces, compared
    return None


def the_same_traces_in_jaeger_and_zipkin_are_alike(folder):
    """Exported from part of the OTLP dump, since the Jaeger and Zipkin dumps are one line each."""
    otlp = shared('trainticket/trainticket.otlp.jsonl.zst')
    if not otlp:
        return NO_DATA
    store = ingested(folder, 'few', text=head_of(otlp, 40))
    spans = spans_of(store)
    jaeger = spans_of(ingested(folder, 'jaeger', text=exported(store, 'jaeger')))
    zipkin = spans_of(ingested(folder, 'zipkin', text=exported(store, 'zipkin')))
    compare(spans, jaeger)
    compare(spans, zipkin)
    return None


def counts_of_real_dumps_are_those_of_their_sources(folder):
    if not shared('traces/jaeger/hotrod.jaeger.json'):
        return NO_DATA
    for name, spans, traces in [('jaeger/hotrod.jaeger.json', 379, 14), ('jaeger/otlp2jaeger/otlp2jaeger-out.json', 2, 1),
                                ('jaeger/jaeger-ui/TraceGraph_testTrace.json', 11, 1), ('zipkin/v2/netflix.json', 8, 1),
                                ('zipkin/v2/yelp.json', 16, 1), ('zipkin/v2/messaging-kafka.json', 28, 1), ('zipkin/v1/span-rpc.json', 2, 1)]:
        done = Run('inspect', '--output-format', 'json', SHARED / 'traces' / name)
        found = json.loads(done.stdout)
        assert done.code == 0 and (found['spans'], found['traces'], found['rejected']) == (spans, traces, 0), (name, found)
        assert found['format'] == name.split('/')[0], name
    return None


def jaeger_dumps_of_otlp_give_the_same_spans(folder):
    """Pairs that Jaeger's own tests contain: OTLP in, Jaeger out."""
    if not shared('traces/jaeger/otlp2jaeger/otlp2jaeger-in.json'):
        return NO_DATA
    otlp = spans_of(ingested(folder, 'in', SHARED / 'traces/jaeger/otlp2jaeger/otlp2jaeger-in.json'))
    jaeger = spans_of(ingested(folder, 'out', SHARED / 'traces/jaeger/otlp2jaeger/otlp2jaeger-out.json'))
    by_id = {key[:2]: span for key, span in jaeger.items()}
    for key, span in otlp.items():
        other = by_id[key[:2]]
        assert span['name'] == other['name'] and span.get('kind') == other.get('kind'), (span, other)
        assert span['service'] == other['service'] and span['start_ns'] // MICROSECOND == other['start_ns'] // MICROSECOND
    return None


if __name__ == '__main__':
    run_tests([every_dump_comes_back_in_its_own_format, every_dump_comes_back_as_flat_objects, text_ids_come_back_from_every_format, jaegers_members_all_come_back,
               zipkins_members_all_come_back, csv_has_a_row_for_every_span, zipkin_says_what_the_recording_in_otlp_says,
               the_same_traces_in_flat_objects_and_otlp_are_equal, the_same_traces_in_jaeger_and_zipkin_are_alike,
               counts_of_real_dumps_are_those_of_their_sources, jaeger_dumps_of_otlp_give_the_same_spans])
