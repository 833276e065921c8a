#!/usr/bin/python3
"""OTLP protobuf in and out, with protoc as the judge: what protoc reads from an export is what it
reads from the input, whatever the framing; and what JSON says, protobuf says."""
import json
import os
import pathlib
import random
import subprocess

import otlp_model
import protobuf_model as pb
import round_trip
from protobuf_model import b, f32, f64, group, v
from support import FIXTURES, HERE, Run, content, differences, query, run_tests

ROUNDS = int(os.environ.get('TK_RANDOM_ROUNDS', '6'))
SHARED = os.environ.get('TK_SHARED_DATA')
DUMPS = HERE.parent.parent / 'samples/dumps'
FRAMINGS = ('length', 'varint', 'bare')


def ingest(store, source, *options, expect=None):
    for old in store.parent.glob(store.name + '*'):
        old.unlink()
    return Run('ingest', '--quiet', *options, store, source, expect=expect)


def export(store, framing='length'):
    """The export as one message: messages are merged by putting one behind the other."""
    data = Run('export', store, '--format', 'otlp-proto', '--framing', framing).stdout
    return b''.join(pb.messages(data, framing))


def compare(what, before, after):
    assert before, f'{what}: no spans'
    if before == after:
        return
    gone = [span for span in before if span not in set(after)]
    new = [span for span in after if span not in set(before)]
    text = f'{what}: {len(before)} spans came in, {len(after)} out; {len(gone)} missing, {len(new)} new'
    for old, other in zip(gone[:2] + [''], new[:2] + ['']):
        at = next((i for i, (x, y) in enumerate(zip(old, other)) if x != y), 0)
        text += f'\n  in:  ...{old[max(0, at - 100):at + 200]}\n  out: ...{other[max(0, at - 100):at + 200]}'
    raise AssertionError(text)


# ---- random messages in protoc's text format ----

TEXTS = ['', 'a', 'GET /cart/{id}', 'Grüße', '東京 🐟', 'tab\tquote"back\\slash', 'nul\0', 'x' * 300]
INTEGERS = [0, 1, -1, 2**53 + 1, 2**63 - 1, -2**63, 255]
REALS = ['0', '-0.0', '0.1', '1e300', '5e-324', 'nan', 'inf', '-inf', '123456789012345678']


def quote(value):
    data = value.encode() if isinstance(value, str) else value
    return '"' + ''.join(f'\\{byte:03o}' if byte < 32 or byte > 126 or byte in b'"\\' else chr(byte) for byte in data) + '"'


def any_value(rng, depth=0):
    kind = rng.randint(0, 7 if depth < 3 else 5)
    if kind == 6:
        return 'array_value { ' + ' '.join(f'values {{ {any_value(rng, depth + 1)} }}' for _ in range(rng.randint(0, 3))) + ' }'
    if kind == 7:
        return 'kvlist_value { ' + ' '.join(f'values {{ {key_value(rng, depth + 1)} }}' for _ in range(rng.randint(0, 3))) + ' }'
    return ['', f'string_value: {quote(rng.choice(TEXTS))}', f'bool_value: {rng.choice(["true", "false"])}', f'int_value: {rng.choice(INTEGERS)}',
            f'double_value: {rng.choice(REALS)}', f'bytes_value: {quote(rng.randbytes(rng.randint(0, 40)))}'][kind]


def key_value(rng, depth=0):
    return f'key: {quote(rng.choice(["http.route", "n", "Ключ", "k1", "k2", "service.name"]))} value {{ {any_value(rng, depth)} }}'


def attributes(rng):
    return ' '.join(f'attributes {{ {key_value(rng)} }}' for _ in range(rng.randint(0, 5)))


def fields(rng, *choices):
    """Each with even chances."""
    return ' '.join(choice for choice in choices if rng.random() < 0.5)


def trace_id(rng):
    return quote(rng.randbytes(15) + b'\1')


def event(rng):
    return 'events { ' + fields(rng, f'time_unix_nano: {rng.choice([1, 2**64 - 1])}', f'name: {quote(rng.choice(TEXTS))}', attributes(rng), 'dropped_attributes_count: 4294967295') + ' }'


def link(rng):
    return ('links { ' + f'trace_id: {trace_id(rng)} span_id: {quote(rng.randbytes(7) + bytes([1]))} '
            + fields(rng, 'trace_state: "a=1"', attributes(rng), 'dropped_attributes_count: 7', f'flags: {rng.choice([1, 257, 2**32 - 1])}') + ' }')


def span(rng):
    start = rng.choice([1_795_000_000_000_000_000 + rng.getrandbits(40), 5, 2**63 - 7])
    ids = f'trace_id: {trace_id(rng)} ' + (f'span_id: {quote(rng.randbytes(7) + bytes([1]))} ' if rng.random() < 0.95 else '')
    return ids + fields(
        rng, 'trace_state: "ot=th:8"', f'parent_span_id: {rng.choice([quote(rng.randbytes(7) + bytes([9])), quote(bytes(8))])}', f'name: {quote(rng.choice(TEXTS))}',
        f'kind: {rng.choice([1, 2, 3, 4, 5, 6, 77, -1, -2**31])}', f'end_time_unix_nano: {start + rng.randint(-1, 10**9)}', attributes(rng), 'dropped_attributes_count: 3',
        event(rng) + event(rng), 'dropped_events_count: 1', link(rng), 'dropped_links_count: 4294967295',
        rng.choice(['status {}', 'status { code: STATUS_CODE_ERROR message: "no" }', 'status { code: 9 }', 'status { message: "m" }']),
        f'flags: {rng.choice([1, 257, 769, 2**32 - 1])}', attributes(rng)) + f' start_time_unix_nano: {start}'


def resource_spans(rng):
    resource = fields(rng, attributes(rng), 'dropped_attributes_count: 2', 'entity_refs { schema_url: "u" type: "service" id_keys: "service.name" id_keys: "b" description_keys: "c" }')
    scope = fields(rng, f'name: {quote(rng.choice(TEXTS))}', 'version: "1.2"', attributes(rng), 'dropped_attributes_count: 1')
    spans = ' '.join(f'spans {{ {span(rng)} }}' for _ in range(rng.randint(0, 5)))
    scope_spans = fields(rng, f'scope {{ {scope} }}', 'schema_url: "https://opentelemetry.io/schemas/1.21.0"') + spans
    return 'resource_spans { ' + fields(rng, f'resource {{ {resource} }}', 'schema_url: "https://opentelemetry.io/schemas/1.26.0"') + f' scope_spans {{ {scope_spans} }} }}'


def every_field_comes_back(folder):
    total, text = 0, ''
    for seed in range(ROUNDS):
        rng = random.Random(seed)
        framing = FRAMINGS[seed % 3]
        texts = [' '.join(resource_spans(rng) for _ in range(rng.randint(1, 4))) for _ in range(20)]
        data = [pb.encode(message) for message in texts]
        source = folder / 'in.pb'
        source.write_bytes(b''.join(pb.frame(message, framing) for message in data if message))
        ingest(folder / 'a.db', source, expect=0)
        before = pb.spans_of(b''.join(data))
        compare(f'seed {seed}, {framing}', before, pb.spans_of(export(folder / 'a.db', FRAMINGS[seed // 3 % 3])))
        total += len(before)
        text += ' '.join(texts)
    assert total > 100, f'only {total} spans'
    proto = ''.join(path.read_text(encoding='utf-8') for path in pb.PROTOS.glob('opentelemetry/proto/[crt]*/v1/*.proto'))
    for name in ('events', 'links', 'entity_refs', 'bytes_value', 'kvlist_value', 'dropped_links_count', 'flags', 'schema_url'):
        assert name in text and name in proto, name


# ---- what only bytes can say ----

def shuffled(rng, chunks):
    """Fields in any order, those of one number as they were."""
    keys = [rng.random() for _ in chunks]
    numbers = {}
    for key, chunk in zip(keys, chunks):
        numbers.setdefault(chunk[:1] + (chunk[1:2] if chunk[0] & 128 else b''), []).append((key, chunk))
    placed = []
    for same in numbers.values():
        for key, chunk in zip(sorted(key for key, _ in same), [chunk for _, chunk in same]):
            placed.append((key, chunk))
    return b''.join(chunk for _, chunk in sorted(placed, key=lambda item: item[0]))


def unknown(rng):
    number = rng.choice([17, 99, 5000, 2**29 - 1])
    return [v(number, rng.getrandbits(64)), f64(number, rng.getrandbits(64)), b(number, rng.randbytes(rng.randint(0, 300))), f32(number, 7), group(number, v(3, 1) + group(4, b(1, 'x')) + f32(2, 9))][rng.randint(0, 4)]


def maybe(rng, *chunks):
    return [chunk for chunk in chunks if rng.random() < 0.5]


def raw_attribute(rng, number):
    value = rng.choice([b(1, 'x') + v(8, 3), b(5, b(1, b(1, 'x') + unknown(rng)) + unknown(rng)), b(6, v(3, 1) + b(1, b(1, 'k') + b(2, v(3, 1)) + v(3, 9))), unknown(rng),
                        b(1, 'text'), v(3, -5), f64(4, 2**62), v(2, 1), b(7, b'\0\xff'), b'', b(1, 'lost') + v(3, 7), b(5, b(1, b(1, 'x'))) + b(5, b(1, v(2, 1))), b(6, b(1, b(1, 'k') + b(2, v(3, 1))))])
    rest = b''.join(maybe(rng, v(3, 7), unknown(rng))) if rng.random() < 0.3 else b''
    return b(number, rest + (b(2, value) + b(1, rng.choice(['k1', 'k2', 'http.route'])) if rng.random() < 0.5 else b(1, 'k3') + b(2, value)))


def raw_span(rng):
    status = shuffled(rng, maybe(rng, b(2, 'message'), v(3, rng.choice([0, 1, 2, 2**64 - 1])), unknown(rng)))
    events = [b(11, shuffled(rng, maybe(rng, f64(1, 5), b(2, 'e'), raw_attribute(rng, 3), v(4, 1), unknown(rng)))) for _ in range(rng.randint(0, 2))]
    links = [b(13, shuffled(rng, [b(1, rng.randbytes(15) + b'\1'), b(2, b'\1' * 8)] + maybe(rng, b(3, 's'), raw_attribute(rng, 4), f32(6, 257), unknown(rng)))) for _ in range(rng.randint(0, 2))]
    chunks = [b(1, rng.randbytes(15) + b'\1'), b(2, rng.randbytes(7) + b'\1'), f64(7, 1_795_000_000_000_000_000)] + events + links
    chunks += maybe(rng, b(4, b''), b(5, 'first'), b(5, 'last'), v(6, 3), v(6, 2**64 - 3), raw_attribute(rng, 9), raw_attribute(rng, 9), b(15, status), b(15, b(2, 'again')), f32(16, 769), unknown(rng), v(5, 3), b(6, 'x'))
    return b(2, shuffled(rng, chunks))


def raw_resource_spans(rng):
    spans = [raw_span(rng) for _ in range(rng.randint(1, 4))]
    scope = [b(1, shuffled(rng, maybe(rng, b(1, 'scope'), b(2, '1'), raw_attribute(rng, 3), v(4, 1), unknown(rng)))) for _ in range(rng.randint(0, 2))]
    inner = [b(2, shuffled(rng, spans + scope + maybe(rng, b(3, 'u'), unknown(rng))))]
    resource = [b(1, shuffled(rng, maybe(rng, raw_attribute(rng, 1), v(2, 5), b(3, b(2, 'service') + b(3, 'id')), unknown(rng)))) for _ in range(rng.randint(0, 3))]
    return b(1, shuffled(rng, inner + resource + maybe(rng, b(3, 'v'), unknown(rng))))


def any_order_and_unknown_fields_come_back(folder):
    for seed in range(ROUNDS):
        rng = random.Random(1000 + seed)
        data = b''.join(raw_resource_spans(rng) for _ in range(60))
        (folder / 'in.pb').write_bytes(pb.frame(data, FRAMINGS[seed % 3]))
        ingest(folder / 'a.db', folder / 'in.pb', expect=0)
        before = pb.spans_of(data)
        assert any("('99'" in text for text in before), 'no unknown fields'
        compare(f'seed {seed}', before, pb.spans_of(export(folder / 'a.db')))
        # The way through JSON loses nothing either.
        Run('export', folder / 'a.db', '-o', folder / 'b.jsonl')
        ingest(folder / 'b.db', folder / 'b.jsonl', expect=0)
        compare(f'seed {seed}, by JSON', before, pb.spans_of(export(folder / 'b.db')))


def ids_of_the_wrong_length_come_back(folder):
    rng = random.Random(7)
    for seed in range(40):
        odd = lambda: rng.choice([b'abc', b'a text id', rng.randbytes(5) + b'\0', rng.randbytes(20)])
        links = [b(13, b(1, odd()) + b(2, odd()) + b(3, 's')), b(13, b(1, bytes(15) + b'\1') + b(2, odd()) + v(99, 1))]
        span = b(1, bytes(15) + b'\7') + b(2, odd() if seed % 2 else rng.randbytes(7) + b'\1') + b(4, odd()) + b(5, 'n') + f64(7, 1_795_000_000_000_000_000) + b''.join(maybe(rng, *links)) + (v(99, 3) if seed % 3 else b'')
        data = b(1, b(2, b(2, span)))
        (folder / 'in.pb').write_bytes(data)
        ingest(folder / 'a.db', folder / 'in.pb')
        compare(f'seed {seed}', pb.spans_of(data), pb.spans_of(export(folder / 'a.db')))


# ---- JSON to protobuf ----

def json_says_what_protobuf_says(folder):
    round_trip.add_unknown = lambda rng, target: None
    total = 0
    sources = [path.read_text(encoding='utf-8') for path in (FIXTURES / 'shop.jsonl', DUMPS / 'webshop.otlp.jsonl')]
    for seed in range(ROUNDS):
        rng = random.Random(2000 + seed)
        lines = []
        for _ in range(20):
            entry = json.loads(round_trip.dump({'resourceSpans': [round_trip.random_resource_spans(rng)]}))
            for spans in entry['resourceSpans'][0]['scopeSpans']:
                spans['spans'] = [one for one in spans['spans'] if not one['traceId'].startswith('run')]
                for one in spans['spans']:
                    one['traceId'] = one['traceId'].rjust(32, '0')
                    for place in [one] + one.get('links', []):
                        for name in ('traceId', 'spanId', 'parentSpanId'):
                            if set(place.get(name, '')) - set('0123456789abcdef'):
                                place[name] = '9' * (32 if name == 'traceId' else 16)
            lines.append(json.dumps(entry))
        sources.append('\n'.join(lines) + '\n')
    for text in sources:
        (folder / 'in.jsonl').write_text(text, encoding='utf-8')
        ingest(folder / 'a.db', folder / 'in.jsonl')
        back = pb.json_of(pb.tree(pb.decode(export(folder / 'a.db'))))
        before = otlp_model.spans_of(text)
        compare('JSON to protobuf', before, otlp_model.spans_of(json.dumps(back)))
        total += len(before)
    assert total > 1000, f'only {total} spans'


def what_protobuf_cannot_hold_is_counted(folder):
    document = {'resourceSpans': [{'scopeSpans': [{'spans': [
        {'traceId': 'run-1', 'spanId': '00000000000000a1', 'startTimeUnixNano': '1795000000000000000', 'endTimeUnixNano': '1795000000000000001'},
        {'traceId': '1' * 32, 'spanId': '00000000000000a2', 'startTimeUnixNano': '1795000000000000000', 'endTimeUnixNano': '1795000000000000001', 'vendor': 1}]}]}]}
    (folder / 'in.json').write_text(json.dumps(document), encoding='utf-8')
    ingest(folder / 'a.db', folder / 'in.json', expect=0)
    run = Run('export', folder / 'a.db', '--format', 'otlp-proto', '-o', folder / 'out.pb')
    assert run.stderr.count(b'\n') == 2 and b'1 spans have JSON members' in run.stderr and b'1 traces have ids that are text' in run.stderr, run.stderr
    assert not Run('export', folder / 'a.db').stderr


def spans_are_the_same_however_they_came(folder):
    """Ids that are missing, entity references: JSON and protobuf of them are one span. Ids that are text are ids in protobuf."""
    times = {'startTimeUnixNano': '1795000000000000000', 'endTimeUnixNano': '1795000000000000009'}
    twin = dict(times, name='twin', attributes=[{'key': 'n', 'value': {'doubleValue': 1.5}}])
    spans = [dict(times, name='no ids', events=[{'name': 'e', 'attributes': [{'key': 'l', 'value': {'arrayValue': {'values': [{'intValue': '1'}]}}}]}]), twin, twin,
             dict(times, traceId='1' * 32, name='no span id', links=[{'traceId': '2' * 32, 'spanId': 'a name'}]), dict(times, spanId='3' * 16, name='no trace id'),
             dict(times, traceId='1' * 32, spanId='step-one', name='text'), dict(times, traceId='1' * 32, spanId='4' * 16, parentSpanId='step 1', name='child')]
    resource = {'attributes': [{'key': 'service.name', 'value': {'stringValue': 'shop'}}], 'entityRefs': [{'type': 'service', 'idKeys': ['service.name']}]}
    (folder / 'in.json').write_text(json.dumps({'resourceSpans': [{'resource': resource, 'scopeSpans': [{'spans': spans}]}]}), encoding='utf-8')
    ingest(folder / 'a.db', folder / 'in.json')
    run = Run('export', folder / 'a.db', '--format', 'otlp-proto', '-o', folder / 'in.pb')
    assert run.stderr.count(b'\n') == 1 and b'3 spans have JSON members' in run.stderr, run.stderr
    again = json.loads(Run('ingest', '--output-format', 'json', folder / 'a.db', folder / 'in.pb', expect=None).stdout)
    assert (again['spans_new'], again['spans_conflicting']) == (0, 3), again
    ingest(folder / 'b.db', folder / 'in.pb')
    Run('export', folder / 'b.db', '-o', folder / 'back.json')
    back = json.loads((folder / 'back.json').read_text(encoding='utf-8'))['resourceSpans']
    assert [one['resource'] for one in back] == [resource], back
    names = {span['name']: span for one in back for scope in one['scopeSpans'] for span in scope['spans']}
    ids = {span['name']: span for span in map(json.loads, Run('export', folder / 'a.db', '--format', 'ndjson').stdout.splitlines())}
    assert all(len(span.get('spanId', '0' * 16)) == 16 for span in names.values()), names
    assert 'spanId' not in names['no ids'] and names['text']['spanId'] == ids['text']['span_id'] and len(names['child']['parentSpanId']) == 16, names
    assert sum(span['name'] == 'twin' for one in back for scope in one['scopeSpans'] for span in scope['spans']) == 2


# ---- files ----

def without_source(store):
    return Run('export', store).stdout


def the_sample_dumps_give_one_store(folder):
    ingest(folder / 'a.db', DUMPS / 'webshop.otlp.jsonl', expect=0)
    ingest(folder / 'b.db', DUMPS / 'webshop.otlp.be4.pb.zst', expect=0)
    assert query(folder / 'a.db', 'SELECT count(*) FROM spans') != [[0]]
    for table in ('spans', 'span_events', 'span_links', 'span_attributes'):
        a, b_rows = [query(folder / f'{name}.db', f'SELECT * FROM {table} ORDER BY 1, 2, 3, 4, 5, 6') for name in 'ab']
        assert a and a == b_rows, f'{table} differ'
    assert without_source(folder / 'a.db') == without_source(folder / 'b.db')


def zstd(data):
    return subprocess.run(['zstd', '-q', '-c'], input=data, capture_output=True, check=True).stdout


def every_framing_gives_one_store(folder):
    """Also one zstd frame per message, with protobuf or JSON inside, and compression around all."""
    ingest(folder / 'a.db', DUMPS / 'webshop.otlp.jsonl', expect=0)
    expected = without_source(folder / 'a.db')
    data = Run('export', folder / 'a.db', '--format', 'otlp-proto').stdout
    messages = pb.messages(data, 'length')
    assert len(messages) > 3
    lines = expected.splitlines()
    variants = {framing: b''.join(pb.frame(message, framing) for message in messages) for framing in FRAMINGS}
    variants['legacy'] = b''.join(pb.frame(zstd(message), 'length') for message in messages)
    variants['legacy json'] = b''.join(pb.frame(zstd(line), 'length') for line in lines)
    variants['json'] = b''.join(pb.frame(line, 'length') for line in lines)
    variants['mixed'] = b''.join(pb.frame(zstd(line) if i % 2 else message, 'length') for i, (line, message) in enumerate(zip(lines, messages)))
    variants['empty requests'] = bytes(8) + variants['length'] + bytes(4)
    for name, content in variants.items():
        for packed in (content, zstd(content)):
            (folder / 'in').write_bytes(packed)
            ingest(folder / 'b.db', folder / 'in', expect=0)
            assert without_source(folder / 'b.db') == expected, name
            assert query(folder / 'b.db', 'SELECT format FROM ingests') == [['otlp-proto']], name


def export_compresses(folder):
    ingest(folder / 'a.db', DUMPS / 'webshop.otlp.be4.pb.zst', expect=0)
    plain = Run('export', folder / 'a.db', '--format', 'otlp-proto').stdout
    Run('export', folder / 'a.db', '--format', 'otlp-proto', '-o', folder / 'x.pb.zst')
    packed = (folder / 'x.pb.zst').read_bytes()
    assert len(packed) < len(plain) / 2
    unpacked = subprocess.run(['zstd', '-dc'], input=packed, capture_output=True, check=True).stdout
    assert unpacked == plain
    assert Run('export', folder / 'a.db', '--format', 'otlp-proto', '--compress', 'none', '-o', folder / 'y.zst').code == 0
    assert (folder / 'y.zst').read_bytes() == plain


def indented_json_is_the_same_json(folder):
    ingest(folder / 'a.db', FIXTURES / 'every_field.json')
    plain = Run('export', folder / 'a.db').stdout.decode()
    pretty = Run('export', folder / 'a.db', '--format', 'otlp-json-pretty').stdout.decode()
    assert pretty.count('\n') > plain.count('\n') * 20
    assert otlp_model.spans_of(plain) == otlp_model.spans_of(pretty) != []
    assert json.loads(pretty.split('\n}\n')[0] + '\n}') == json.loads(plain.splitlines()[0])


def shared_protobuf_comes_back(folder):
    if not SHARED:
        return 'TK_SHARED_DATA is not set'
    total = 0
    for source in sorted(pathlib.Path(SHARED).glob('traces/otlp/**/*.p*b*')):
        if source.suffix not in ('.pb', '.protobuf-bin') or 'invalid' in source.parts:
            continue
        ingest(folder / 'a.db', source, expect=0)
        before = pb.spans_of(source.read_bytes())
        compare(source, before, pb.spans_of(export(folder / 'a.db')))
        total += len(before)
    assert total > 10, f'only {total} spans'
    whole = pathlib.Path(SHARED) / 'trainticket'
    ingest(folder / 'a.db', whole / 'trainticket.otlp.be4.pb.zst', expect=0)
    ingest(folder / 'b.db', whole / 'trainticket.otlp.jsonl.zst', expect=0)
    Run('export', folder / 'a.db', '--format', 'otlp-proto', '-o', folder / 'c.pb')
    ingest(folder / 'c.db', folder / 'c.pb', expect=0)
    expected = content(folder / 'a.db', without=('ingests', 'issues'))
    for name in 'bc':
        assert not differences(expected, content(folder / f'{name}.db', without=('ingests', 'issues'))), f'trainticket, {name}'
    return None


if __name__ == '__main__':
    if not pb.available():
        print('1..0 # SKIP protoc is not installed')
    else:
        run_tests([every_field_comes_back, any_order_and_unknown_fields_come_back, ids_of_the_wrong_length_come_back, json_says_what_protobuf_says, what_protobuf_cannot_hold_is_counted, spans_are_the_same_however_they_came, the_sample_dumps_give_one_store,
                   every_framing_gives_one_store, export_compresses, indented_json_is_the_same_json, shared_protobuf_comes_back])
