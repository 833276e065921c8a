#!/usr/bin/python3
"""Writes two OTLP JSON dumps of spans that are hard to get right, always the same ones.

    make_adversarial.py FIRST.jsonl LATE.jsonl

LATE holds later spans of traces that FIRST began, so that ingesting both gives split traces.
"""
import base64
import json
import random
import sys

RANDOM = random.Random(20260101)
T0 = 1767225600000000000  # 2026-01-01
U64 = (1 << 64) - 1

TEXTS = ['', ' ', '0', '1', '5', '05', '5.0', '200', '2e2', ' 200', '200 ', '404', '500', '-1', '+7', '.5', '1e', '0x10',
         'a', 'A', 'ab', 'aB', 'abc', 'GET', 'get', 'POST', 'GET /cart', 'GET /cart/%', 'GET_', 'x' * 300, 'ä', 'Ä',
         '漢字', '\U0001F600', "it's", 'quo"te', 'line\nbreak', 'tab\t', '%', '_', '*', '[a-z]', '9223372036854775807',
         '9223372036854775808', '-9223372036854775808', '1.5', '1.50', 'NaN', 'Infinity', 'null', 'true', 'postgresql',
         'SELECT 1', '2026-01-01T00:00:00.000000000Z', '\u0001']
INTEGERS = [0, 1, 2, 5, 7, -1, 200, 404, 500, 503, 1 << 31, 1 << 53, (1 << 53) + 1, (1 << 63) - 1, -(1 << 63), 10**18]
DOUBLES = [0.0, -0.0, 1.0, 5.0, 0.5, 1.5, 200.0, 1e300, -1e-300, 9007199254740993.0, 9.223372036854775807e18, 'NaN',
           'Infinity', '-Infinity', 0.1]


def value_of(kind):
    if kind == 'string':
        return {'stringValue': RANDOM.choice(TEXTS)}
    if kind == 'int':
        return {'intValue': str(RANDOM.choice(INTEGERS))}
    if kind == 'double':
        return {'doubleValue': RANDOM.choice(DOUBLES)}
    if kind == 'bool':
        return {'boolValue': RANDOM.random() < 0.5}
    if kind == 'bytes':
        return {'bytesValue': base64.b64encode(RANDOM.choice([b'', b'a', b'200', b'\0\xff', b'abc'])).decode()}
    if kind == 'array':
        return {'arrayValue': {'values': [value_of('string') for _ in range(RANDOM.randrange(3))]}}
    if kind == 'kvlist':
        return {'kvlistValue': {'values': [{'key': 'k', 'value': value_of('int')}] * RANDOM.randrange(3)}}
    return {}


ALL_KINDS = ['string', 'int', 'double', 'bool', 'bytes', 'array', 'kvlist', 'empty']
KEYS = {  # key: kinds of value, how often
    'mixed': (ALL_KINDS, 0.6),
    'Mixed': (['string', 'int'], 0.1),
    'numbers': (['int', 'double'], 0.5),
    'text': (['string'], 0.5),
    'whole': (['int'], 0.4),
    'flag': (['bool'], 0.3),
    'real': (['double'], 0.3),
    'raw': (['bytes'], 0.2),
    'list': (['array', 'kvlist'], 0.2),
    'nothing': (['empty'], 0.2),
    'rare.text': (['string'], 0.004),
    'rare.mixed': (ALL_KINDS, 0.003),
    "odd 'key' [with] \"quotes\", 漢": (['string', 'int'], 0.1),
    'http.request.method': (['string'], 0.2),
    'http.method': (['string', 'int'], 0.2),
    'http.route': (['string'], 0.3),
    'http.response.status_code': (['int'], 0.2),
    'http.status_code': (['int', 'string', 'double', 'bool'], 0.2),
    'db.system.name': (['string'], 0.1),
    'db.system': (['string'], 0.2),
    'db.query.text': (['string'], 0.1),
    'db.statement': (['string'], 0.2),
    'rpc.method': (['string', 'int'], 0.2),
    'rpc.service': (['string'], 0.2),
    'messaging.destination.name': (['string'], 0.1),
    'messaging.destination': (['string', 'int'], 0.1),
    'error.type': (['string', 'double'], 0.2),
}


def attributes_of(keys):
    found = [{'key': key, 'value': value_of(RANDOM.choice(kinds))} for key, (kinds, share) in keys.items()
             if RANDOM.random() < share]
    RANDOM.shuffle(found)
    if found and RANDOM.random() < 0.05:  # a key twice, of another type perhaps
        found.append({'key': found[0]['key'], 'value': value_of(RANDOM.choice(ALL_KINDS))})
    return found


def resources():
    names = ['cart', 'Cart', 'checkout', '5', '200', '', 'ä', 'frontend-proxy']
    made = []
    for i in range(24):
        attributes = attributes_of({'service.version': (['string', 'int'], 0.5), 'mixed': (ALL_KINDS, 0.6),
                                    'host.name': (['string'], 0.5)})
        attributes = [a for a in attributes if a['key'] != 'service.name']
        if i % 7 != 0:
            attributes.append({'key': 'service.name', 'value': {'stringValue': names[i % len(names)]}})
        if i == 7:
            attributes.append({'key': 'service.name', 'value': {'intValue': '12'}})
        made.append({'attributes': attributes})
    return made


def scopes():
    made = [{}, {'name': ''}, {'name': 'lib', 'version': '1'}, {'name': 'lib', 'version': '2'}, {'name': 'Lib'},
            {'name': '200', 'version': '1.0'}]
    made.append({'name': 'attributed', 'attributes': [{'key': 'mixed', 'value': value_of(k)} for k in ('int',)]})
    made.append({'name': 'attributed', 'attributes': [{'key': 'mixed', 'value': value_of(k)} for k in ('string',)]})
    return made


def trace_ids(count):
    made = [f'{RANDOM.getrandbits(128):032x}' for _ in range(count)]
    made[0] = '0' * 31 + '1'
    made[1] = '12345678901234567890123456789012'
    made[2] = '1234567890123456789012345678e001'
    made[3] = f'{RANDOM.getrandbits(64):016x}'
    made[4:10] = ['kvonce-trace-001', 'KVONCE-trace-001', 'kvonce-trace-002', '42', '4.2e1', 'trace ä']
    return made


def span_ids(count):
    made = [f'{RANDOM.getrandbits(64):016x}' for _ in range(count)]
    if count > 4 and RANDOM.random() < 0.3:
        made[1] = '1234567890123456'
        made[2] = '00000000000000e5'
    return made


def duration():
    return RANDOM.choice([0, 1, 1000, RANDOM.randrange(10**9), RANDOM.randrange(10**6), -5, -10**9, 10**15,
                          RANDOM.randrange(10**7), RANDOM.randrange(10**8)])


def make_span(trace_id, span_id, parent, start, length):
    span = {'traceId': trace_id, 'spanId': span_id, 'name': RANDOM.choice(TEXTS + ['op%d' % RANDOM.randrange(6)] * 40),
            'kind': RANDOM.choice([0, 1, 1, 2, 2, 2, 3, 3, 4, 5, 9, -1]), 'startTimeUnixNano': str(start),
            'endTimeUnixNano': str((start + length) & U64), 'attributes': attributes_of(KEYS)}
    if parent:
        span['parentSpanId'] = parent
    if RANDOM.random() < 0.4:
        span['status'] = {'code': RANDOM.choice([0, 1, 2, 2, 7]), 'message': RANDOM.choice(['', 'boom', '200', 'ä'])}
    for name, share in (('droppedAttributesCount', 0.1), ('droppedEventsCount', 0.05), ('droppedLinksCount', 0.05)):
        if RANDOM.random() < share:
            span[name] = RANDOM.choice([1, 2, 4294967295])
    if RANDOM.random() < 0.1:
        span['flags'] = RANDOM.choice([1, 257, 769])
    if RANDOM.random() < 0.1:
        span['traceState'] = RANDOM.choice(['ot=th:0', 'a=b'])
    if RANDOM.random() < 0.2:
        span['events'] = [{'timeUnixNano': str(start + 5), 'name': RANDOM.choice(TEXTS),
                           'attributes': attributes_of({'mixed': (ALL_KINDS, 0.5)})}
                          for _ in range(RANDOM.randrange(1, 4))]
    if RANDOM.random() < 0.1:
        span['links'] = [{'traceId': f'{RANDOM.getrandbits(128):032x}', 'spanId': f'{RANDOM.getrandbits(64):016x}'}]
    return span


def start_of(index):
    if index == 20:
        return 0
    if index == 21:
        return 18446744073709551615 - 10**12  # beyond signed 64 bit
    if index == 22:
        return (1 << 63) - 10**9
    return T0 + RANDOM.randrange(3 * 86400) * 10**9 + RANDOM.randrange(10**9)


def make_trace(index, trace_id):
    count = RANDOM.choice([1, 1, 2, 3, 5, 8, 13, 40])
    start, ids, spans = start_of(index), span_ids(count), []
    for i, span_id in enumerate(ids):
        parent = ids[RANDOM.randrange(i)] if i else None
        chance = RANDOM.random()
        if i and chance < 0.05:
            parent = f'{RANDOM.getrandbits(64):016x}'  # an orphan
        elif i and chance < 0.08:
            parent = None
        elif chance < 0.1:
            parent = ids[RANDOM.randrange(count)]  # perhaps itself, perhaps a cycle
        spans.append(make_span(trace_id, span_id, parent, (start + RANDOM.randrange(10**8)) & U64, duration()))
        if RANDOM.random() < 0.05:  # the same id, another kind
            twin = make_span(trace_id, span_id, parent, start + 10, duration())
            if twin['kind'] != spans[-1]['kind']:
                spans.append(twin)
    return spans


def write(path, spans, all_resources, all_scopes):
    with open(path, 'w', encoding='utf-8') as out:
        for begin in range(0, len(spans), 50):
            groups = {}
            for span in spans[begin:begin + 50]:
                groups.setdefault((RANDOM.randrange(len(all_resources)), RANDOM.randrange(len(all_scopes))),
                                  []).append(span)
            document = {'resourceSpans': [{'resource': all_resources[r],
                                           'scopeSpans': [{'scope': all_scopes[s], 'spans': group}]}
                                          for (r, s), group in groups.items()]}
            out.write(json.dumps(document, ensure_ascii=False) + '\n')


def main():
    first, late = [], []
    for index, trace_id in enumerate(trace_ids(260)):
        spans = make_trace(index, trace_id)
        if index % 9 == 4 and len(spans) > 2:
            RANDOM.shuffle(spans)
            cut = len(spans) // 2
            late += spans[cut:]
            spans = spans[:cut]
        first += spans
    all_resources, all_scopes = resources(), scopes()
    write(sys.argv[1], first, all_resources, all_scopes)
    write(sys.argv[2], late, all_resources, all_scopes)


main()
