#!/usr/bin/python3
"""export(ingest(x)) says what x says, for every field: over fixtures written by hand, random
messages, and, when TK_SHARED_DATA names a folder, every OTLP JSON file in it."""
import base64
import json
import os
import pathlib
import random

import otlp_model
from support import FIXTURES, Run, run_tests

SHARED = os.environ.get('TK_SHARED_DATA')


def check_round_trip(folder, source, expect_codes=(0,)):
    """Ingests `source`, exports it, and compares. Returns how many spans it had."""
    store, back = folder / 'store.db', folder / 'back.jsonl'
    for old in folder.glob('store.db*'):
        old.unlink()
    ingest = Run('ingest', '--quiet', store, source, expect=None)
    assert ingest.code in expect_codes, f'{source}: ingest ended with {ingest.code}: {ingest.stderr[-1000:].decode(errors="replace")}'
    Run('export', store, '-o', back)
    before = otlp_model.spans_of(pathlib.Path(source).read_text(encoding='utf-8', errors='replace'))
    after = otlp_model.spans_of(back.read_text(encoding='utf-8'))
    compare(source, before, after)
    return len(before)


def compare(source, before, after):
    missing, added = list(before), []
    counts = {}
    for span in before:
        counts[span] = counts.get(span, 0) + 1
    for span in after:
        if counts.get(span):
            counts[span] -= 1
        else:
            added.append(span)
    missing = [span for span, count in counts.items() for _ in range(count)]
    if not missing and not added:
        return
    text = f'{source}: {len(before)} spans came in, {len(after)} out; {len(missing)} missing, {len(added)} new'
    for gone, new in zip(missing[:2] + [''], added[:2] + ['']):
        at = next((i for i, (a, b) in enumerate(zip(gone, new)) if a != b), 0)
        text += f'\n  in:  ...{gone[max(0, at - 60):at + 200]}\n  out: ...{new[max(0, at - 60):at + 200]}'
    raise AssertionError(text)


def every_fixture_comes_back(folder):
    sources = sorted(FIXTURES.glob('*.json*'))
    assert sources, 'no fixtures'
    for source in sources:
        assert check_round_trip(folder, source, (0, 1)) > 0, f'{source} has no spans'


def every_member_is_used_by_the_fixtures(folder):
    text = ''.join(source.read_text(encoding='utf-8') for source in sorted(FIXTURES.glob('*.json*')))
    for member in ('traceId', 'spanId', 'traceState', 'parentSpanId', 'flags', 'name', 'kind', 'startTimeUnixNano', 'endTimeUnixNano', 'attributes', 'droppedAttributesCount', 'events',
                   'droppedEventsCount', 'links', 'droppedLinksCount', 'status', 'message', 'code', 'timeUnixNano', 'schemaUrl', 'entityRefs', 'scope', 'version', 'resource', 'stringValue',
                   'boolValue', 'intValue', 'doubleValue', 'arrayValue', 'kvlistValue', 'bytesValue'):
        assert f'"{member}"' in text, f'no fixture has {member}'


# ---- random messages ----

TEXTS = ['', 'a', 'GET /cart/{id}', 'Grüße', '東京 🐟', 'tab\tquote"back\\slash', 'nul\u0000', '\u007f\u0080\u2028', 'x' * 300, ' leading and trailing ', 'NULL', '0', 'null']
INTEGERS = [0, 1, -1, 2**53 + 1, 2**63 - 1, -2**63, 255, 1_795_000_000_000_000_001]
REALS = ['0.1', '3.0', '-0.0', '1e300', '5e-324', '0.30000000000000004', '"NaN"', '"Infinity"', '"-Infinity"', '123456789012345678.0', '1.7976931348623157e308']


class Literal(float):
    """A number that json.dumps writes exactly as given."""

    def __new__(cls, text):
        literal = super().__new__(cls, 0)
        literal.text = text
        return literal

    def __repr__(self):
        return self.text


def dump(value):
    """JSON with literal reals and, now and then, escapes for everything but ASCII."""
    marks = {}

    def swap(item):
        if isinstance(item, Literal):
            mark = f'@@{len(marks)}@@'
            marks[f'"{mark}"'] = item.text
            return mark
        if isinstance(item, dict):
            return {key: swap(member) for key, member in item.items()}
        if isinstance(item, list):
            return [swap(member) for member in item]
        return item

    text = json.dumps(swap(value), ensure_ascii=len(marks) % 2 == 0)
    for mark, number in marks.items():
        text = text.replace(mark, number)
    return text


def random_value(rng, depth=0):
    value = known_value(rng, depth)
    for name in ('arrayValue', 'kvlistValue'):
        if name in value:
            add_unknown(rng, value[name])
    add_unknown(rng, value)
    return value


def random_key_value(rng, keys, depth=0):
    attribute = {'key': rng.choice(keys), 'value': random_value(rng, depth)}
    add_unknown(rng, attribute)
    return attribute


def known_value(rng, depth):
    kind = rng.randint(0, 7 if depth < 3 else 5)
    if kind == 0:
        return {}
    if kind == 1:
        return {'stringValue': rng.choice(TEXTS)}
    if kind == 2:
        return {'boolValue': rng.random() < 0.5}
    if kind == 3:
        number = rng.choice(INTEGERS)
        return {'intValue': str(number) if rng.random() < 0.7 else number}
    if kind == 4:
        return {'doubleValue': Literal(rng.choice(REALS))}
    if kind == 5:
        return {'bytesValue': base64.b64encode(rng.randbytes(rng.randint(0, 9))).decode()}
    if kind == 6:
        return {'arrayValue': {'values': [random_value(rng, depth + 1) for _ in range(rng.randint(0, 4))]}}
    return {'kvlistValue': {'values': [random_key_value(rng, TEXTS, depth + 1) for _ in range(rng.randint(0, 3))]}}


def random_attributes(rng):
    keys = ['http.route', 'count', 'Ключ', 'with "quotes"', 'k1', 'k2', 'service.name']
    return [random_key_value(rng, keys) for _ in range(rng.randint(0, 5))]


def sometimes(rng, target, key, make, chance=0.5):
    if rng.random() < chance:
        target[key] = make()


def add_unknown(rng, target):
    sometimes(rng, target, 'vendorField', lambda: rng.choice([1, 'text', {'a': [1, {'b': None}]}, [], True, 2**60]), 0.1)


def random_span_id(rng):
    return f'{rng.getrandbits(64) | 1:016x}' if rng.random() < 0.9 else rng.choice(['span "77"', 'Ä', f'step-{rng.getrandbits(30)}'])


def random_span(rng):
    span = {'spanId': random_span_id(rng), 'startTimeUnixNano': str(rng.choice([1, 1_795_000_000_000_000_000 + rng.getrandbits(40), 2**63 - 5]))}
    trace = rng.random()
    span['traceId'] = f'{rng.getrandbits(128) | 1:032x}' if trace < 0.8 else f'{rng.getrandbits(64) | 1:016x}' if trace < 0.9 else f'run-{rng.getrandbits(40)}'
    sometimes(rng, span, 'endTimeUnixNano', lambda: str(int(span['startTimeUnixNano']) + rng.choice([0, 1, 10**9, -1, 86400 * 10**9])), 0.9)
    sometimes(rng, span, 'parentSpanId', lambda: rng.choice(['', '0' * 16, random_span_id(rng)]))
    sometimes(rng, span, 'name', lambda: rng.choice(TEXTS), 0.9)
    sometimes(rng, span, 'kind', lambda: rng.choice([0, 1, 2, 3, 4, 5, 6, 77]))
    sometimes(rng, span, 'traceState', lambda: rng.choice(['', 'a=1,b=2', 'ot=th:8']), 0.2)
    sometimes(rng, span, 'flags', lambda: rng.choice([0, 1, 257, 769, 2**32 - 1]), 0.3)
    sometimes(rng, span, 'attributes', lambda: random_attributes(rng), 0.8)
    for key in ('droppedAttributesCount', 'droppedEventsCount', 'droppedLinksCount'):
        sometimes(rng, span, key, lambda: rng.choice([0, 3, 2**32 - 1]), 0.1)
    sometimes(rng, span, 'events', lambda: [random_event(rng) for _ in range(rng.randint(0, 3))], 0.4)
    sometimes(rng, span, 'links', lambda: [random_link(rng) for _ in range(rng.randint(0, 3))], 0.3)
    sometimes(rng, span, 'status', lambda: rng.choice([{}, {'code': 0}, {'code': 1}, {'code': 2, 'message': 'no'}, {'message': ''}, {'code': 9, 'message': 'ü'}]), 0.7)
    if 'status' in span:
        span['status'] = dict(span['status'])
        add_unknown(rng, span['status'])
    add_unknown(rng, span)
    return span


def random_event(rng):
    event = {}
    sometimes(rng, event, 'timeUnixNano', lambda: str(rng.choice([0, 5, 2**64 - 1, 1_795_000_000_000_000_000])), 0.9)
    sometimes(rng, event, 'name', lambda: rng.choice(TEXTS), 0.9)
    sometimes(rng, event, 'attributes', lambda: random_attributes(rng))
    sometimes(rng, event, 'droppedAttributesCount', lambda: 4, 0.1)
    add_unknown(rng, event)
    return event


def random_link(rng):
    link = {'traceId': f'{rng.getrandbits(128) | 1:032x}' if rng.random() < 0.9 else 'run-1', 'spanId': random_span_id(rng)}
    sometimes(rng, link, 'traceState', lambda: 'a=1', 0.2)
    sometimes(rng, link, 'attributes', lambda: random_attributes(rng))
    sometimes(rng, link, 'flags', lambda: 769, 0.3)
    sometimes(rng, link, 'droppedAttributesCount', lambda: 4, 0.1)
    add_unknown(rng, link)
    return link


def random_resource_spans(rng):
    entry = {}
    resource, scope = {}, {}
    sometimes(rng, resource, 'attributes', lambda: random_attributes(rng), 0.9)
    sometimes(rng, resource, 'droppedAttributesCount', lambda: 2, 0.1)
    sometimes(rng, resource, 'entityRefs', lambda: [{'type': 'service', 'idKeys': ['service.name'], 'schemaUrl': 'u'}, {'type': 'host', 'descriptionKeys': ['a', 'b']}], 0.2)
    add_unknown(rng, resource)
    sometimes(rng, entry, 'resource', lambda: resource, 0.9)
    sometimes(rng, entry, 'schemaUrl', lambda: 'https://opentelemetry.io/schemas/1.26.0', 0.3)
    add_unknown(rng, entry)
    inner = {'spans': [random_span(rng) for _ in range(rng.randint(0, 6))]}
    sometimes(rng, scope, 'name', lambda: rng.choice(TEXTS), 0.8)
    sometimes(rng, scope, 'version', lambda: '1.2.3')
    sometimes(rng, scope, 'attributes', lambda: random_attributes(rng), 0.3)
    sometimes(rng, scope, 'droppedAttributesCount', lambda: 1, 0.1)
    add_unknown(rng, scope)
    sometimes(rng, inner, 'scope', lambda: scope, 0.9)
    sometimes(rng, inner, 'schemaUrl', lambda: 'https://opentelemetry.io/schemas/1.21.0', 0.3)
    add_unknown(rng, inner)
    entry['scopeSpans'] = [inner]
    return entry


def random_messages_come_back(folder):
    total = 0
    for seed in range(int(os.environ.get('TK_RANDOM_ROUNDS', '12'))):
        rng = random.Random(seed)
        source = folder / f'random-{seed}.jsonl'
        with open(source, 'w', encoding='utf-8') as out:
            for _ in range(40):
                out.write(dump({'resourceSpans': [random_resource_spans(rng) for _ in range(rng.randint(1, 3))]}) + '\n')
        total += check_round_trip(folder, source)
    assert total > 1000, f'only {total} random spans'


def exporting_twice_gives_the_same_bytes(folder):
    source = sorted(FIXTURES.glob('*.json*'))[0]
    Run('ingest', '--quiet', folder / 'a.db', source, expect=None)
    first = Run('export', folder / 'a.db').stdout
    (folder / 'a.jsonl').write_bytes(first)
    Run('ingest', '--quiet', folder / 'b.db', folder / 'a.jsonl', expect=None)
    assert first and first == Run('export', folder / 'b.db').stdout, 'the export of an export differs'


def is_otlp(text):
    if not any(key in text for key in ('"resourceSpans"', '"resource_spans"', '"batches"')):
        return False
    return any(True for document in otlp_model.documents(text) for _ in otlp_model.resource_spans(document))


# What the readers repair or refuse on purpose, so that it does not come back as it was.
KNOWN_DIFFERENT = {'invalid'}


def shared_dumps_come_back(folder):
    if not SHARED:
        return 'TK_SHARED_DATA is not set'
    total, wrong = 0, []
    for source in sorted(pathlib.Path(SHARED).rglob('*.json*')):
        if not source.is_file() or KNOWN_DIFFERENT & set(source.parts):
            continue
        if not is_otlp(source.read_text(encoding='utf-8', errors='replace')):
            continue
        try:
            total += check_round_trip(folder, source, (0, 1))
        except AssertionError as error:
            wrong.append(str(error))
    assert not wrong, '\n'.join(wrong)
    assert total > 0, 'no OTLP JSON in TK_SHARED_DATA'
    return None


if __name__ == '__main__':
    run_tests([every_fixture_comes_back, every_member_is_used_by_the_fixtures, random_messages_come_back, exporting_twice_gives_the_same_bytes, shared_dumps_come_back])
