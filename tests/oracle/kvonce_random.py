#!/usr/bin/python3
"""Random runs: files of events as bytes, with everything in them that the checks tell apart."""
import json
import random

KEYS = ['alpha', 'beta', 'order-1', 'Order-1', 'order-10', 'order-2', '0', '1', '2', '10', '01', '4294967294',
        '4294967295', '-1', '1.5', 'unknown', '__proto__', 'constructor', 'caf\u00e9', '\u9375', '\U0001f511',
        'a"b\\c', 'line\nbreak', 'tab\t', '', 'inventory', 'order_1', 'ORDER-2', 'toString']
TYPES = ['success', 'retry', 'failure']
ODD_TYPES = ['weird', 'SUCCESS', '', None, 7, True, ['retry'], {'a': 1}, 'Failure']
REASONS = ['duplicate', 'Duplicate', 'DUPLICATE', 'timeout', 'transient', 'max_retries', '', 'dupl\u0131cate', 'b\u00e9ta']
VALUES = ['v1', 'v2', '', 0, 1, -1, 1.5, True, False, None, [], [1, [2]], {}, {'b': 1, '2': 2, '1': [{'z': 0, '0': 1}]},
          'quote " and \\', '\u20ac', '\u0001']
NUMBERS = ['0', '1', '2', '3', '4', '-1', '1.0', '2.0', '1e0', '10e-1', '1.5', '1e21', '1E400', '-0', '0.1', '1e-7',
           '123456789012345678901', '9007199254740993', '5e-324', '0.000001', '1.7976931348623157e308', '100', '2.50']
TRACES = ['t0', 't1', 't2', 'T1', '', ' t1', 'caf\u00e9', 'q"', '4BF92F3577B34DA6', '4bf92f3577b34da6', 5, None,
          '00000000000000004bf92f3577b34dA6', '4bf92f3577b34da6a3ce929d0e0e4736']
TIMES = ['2025-10-04T06:00:%02d.%03dZ', '2025-10-04T06:00:%02d.%03d+02:00']


class Raw(str):
    """JSON that stands as it is."""


def write(value, rng):
    """JSON with now and then another way to say the same."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=rng.random() < 0.3)
        return text.replace('/', '\\/') if rng.random() < 0.1 else text
    if isinstance(value, dict):
        space = ' ' if rng.random() < 0.2 else ''
        return '{' + ','.join(space + json.dumps(k, ensure_ascii=rng.random() < 0.5) + space + ':' +
                              write(v, rng) for k, v in value.items()) + space + '}'
    if isinstance(value, list):
        return '[' + ','.join(write(v, rng) for v in value) + ']'
    return json.dumps(value)


def number(rng):
    return Raw(rng.choice(NUMBERS))


def attempt_context(rng, attempt):
    if rng.random() < 0.15:
        attempt = number(rng)
    kind = rng.randrange(4)
    if kind == 0:
        return attempt
    if kind == 1:
        return {'attempt': attempt}
    if kind == 2:
        return {'attempts': attempt, 'note': 'x'}
    return {'attempt': rng.choice(['1', None, attempt]), 'attempts': attempt}


def context(rng, attempt):
    if rng.random() < 0.6:
        return attempt_context(rng, attempt)
    return rng.choice([None, 'x', '', True, [], [1], {}, {'attempt': 'one'}, {'10': 1, '9': 2, 'b': {'1': 0, 'a': 1, '0': 2}},
                       number(rng), {'attempt': number(rng)}])


def duplicate_members(line, rng):
    """The same name twice: the last value counts, in the place of the first."""
    extra = rng.choice(['"key":"beta"', '"type":"retry"', '"context":{"attempt":1,"attempt":2}',
                        '"\\u006bey":"alpha"', '"value":null', '"timestamp":""', '"reason":"duplicate"'])
    return line[:-1] + (',' if line != '{}' else '') + extra + '}'


def kvonce_event(rng, keys, attempts, clock):
    event = {}
    if rng.random() < 0.7:
        event['traceId'] = rng.choice(TRACES)
    if rng.random() < 0.85:
        event['timestamp'] = rng.choice(TIMES) % (clock % 60, rng.randrange(1000))
    elif rng.random() < 0.5:
        event['timestamp'] = rng.choice(['', None, 'yesterday', 5, 0, True])
    type_ = rng.choices(TYPES, (3, 5, 3))[0] if rng.random() < 0.95 else rng.choice(ODD_TYPES)
    if rng.random() < 0.97:
        event['type'] = type_
    key = rng.choice(keys) if rng.random() < 0.97 else rng.choice([None, 1, 1.0, True, 10, -0.0])
    if rng.random() < 0.97:
        event['key'] = key
    name = str(key)
    if type_ == 'success' and rng.random() < 0.8:
        event['value'] = rng.choice(VALUES)
    if type_ == 'failure' and rng.random() < 0.85:
        event['reason'] = rng.choice(REASONS + [None])
    if rng.random() < 0.55:
        if type_ == 'retry':
            attempts[name] = attempts.get(name, 0) + 1
        attempt = attempts.get(name, 0) + (type_ == 'success')
        event['context'] = context(rng, max(1, attempt))
    if rng.random() < 0.3:
        event['actor'] = rng.choice(['client', 'worker', None])
    if rng.random() < 0.1:
        event['extra'] = rng.choice(VALUES)
        event[rng.choice(['7', '3', 'zz'])] = number(rng)
    return event


ODD_LINES = ['5', '"text"', '[]', '[1,2]', 'true', '{}', 'null', '{"type":"success"', 'not json', '{"a":01}', '{"a":.5}',
             "{'a':1}", '{"a":1,}', '{"key":"\\ud83d","type":"success"}', '{"key":"a","type":"retry","context":"\\u00zz"}',
             '{"key":"\\ud83d\\ude00","type":"failure"}', '{"type":"success"} x', 'NaN', '\x00']


def assemble(lines, rng):
    """Bytes of a file: line ends, blank lines, white space, and what is no UTF-8."""
    out = b''
    for line in lines:
        data = line.encode('utf-8', 'surrogatepass')
        if rng.random() < 0.02:
            data = data.replace(b'alpha', b'al\xffpha').replace(b'v1', b'\xe2\x82').replace(b'beta', b'\xf0\x9f\x92x')
        if rng.random() < 0.05:
            data = rng.choice([b' ', b'\t', '\u00a0'.encode(), '\ufeff'.encode()]) + data + rng.choice([b'  ', b'\r'])
        out += data + rng.choice([b'\n', b'\n', b'\n', b'\r\n'])
        if rng.random() < 0.03:
            out += rng.choice([b'\n', b'  \n', b'\r\n'])
    return out[:-1] if out and rng.random() < 0.3 else out


def kvonce_run(rng, longest):
    count = min(longest, rng.choice([0, 1, 2, 3, 5, 8, 8, 16, 16, 24, 40]) if rng.random() < 0.95 else 80)
    keys = rng.sample(KEYS, rng.randint(1, 3 if longest < 20 else 6))
    attempts, lines = {}, []
    for clock in range(count):
        line = write(kvonce_event(rng, keys, attempts, clock), rng)
        if rng.random() < 0.04:
            line = duplicate_members(line, rng)
        if rng.random() < 0.02:
            lines.append(rng.choice(ODD_LINES))
        lines.append(line)
    return assemble(lines, rng) or b'\n'


# ---- inventory ----

QUANTITIES = [0, 1, 2, 5, 10, 50, 0.1, 0.2, 0.30000000000000004, -3, 1e-10, Raw('1e308'), Raw('1e400'), Raw('-0'), '5', None,
              True, Raw('12345678901234567890'), 2.5]
DELTAS = [{'allocated': 5}, {'allocated': -3}, 4, -2, {'allocated': '7'}, {'allocated': ' 0x10 '}, {'allocated': ''},
          {'allocated': True}, {'allocated': None}, {'allocated': []}, {'allocated': ['3']}, {'allocated': [1, 2]},
          {'allocated': {}}, {'allocated': '1e3'}, {'allocated': '.5'}, {'allocated': '5.'}, {'allocated': '+2'},
          {'allocated': '-1.5'}, {'allocated': 'x'}, {'allocated': 'Infinity'}, {'allocated': '0b101'},
          {'allocated': '007'}, {'allocated': '.'}, {'allocated': '1_0'}, None, 'x', [], {}, Raw('1e400'), 0.1, 0.2,
          {'allocated': Raw('1e308')}, {'allocated': '--1'}, {'allocated': '-0x1'}, {'allocated': '1e'}]
CHECKS = [{'allocated_le_onhand': True, 'onhand_min': True}, {'onhand_min': False}, {'b': False, '2': False, '1': False},
          {}, None, [], [False, True, False], 'x', {'caf\u00e9': False, 'q"uote': False}, {'a': 0, 'b': None}]


def inventory_event(rng, keys, clock):
    event = {}
    if rng.random() < 0.9:
        event['traceId'] = rng.choice(['inv-1', 'inv-2', '', None, 3])
    if rng.random() < 0.9:
        event['timestamp'] = rng.choice(TIMES) % (clock % 60, rng.randrange(1000)) if rng.random() < 0.9 else rng.choice(['', None])
    type_ = rng.choices(['projection', 'allocation', 'release', 'validation', 'weird', None], (2, 4, 3, 2, 0.3, 0.2))[0]
    if rng.random() < 0.98:
        event['type'] = type_
    if rng.random() < 0.95:
        event['key'] = rng.choice(keys) if type_ in ('allocation', 'release') else 'inventory'
    if rng.random() < (0.9 if type_ in ('projection', 'validation') else 0.25):
        event['state'] = {n: rng.choice(QUANTITIES) for n in ('onHand', 'allocated', 'available') if rng.random() < 0.85}
        if rng.random() < 0.05:
            event['state'] = rng.choice([None, [], 'x', 5])
    if type_ in ('allocation', 'release') and rng.random() < 0.9:
        event['delta'] = rng.choice(DELTAS)
    if type_ == 'validation':
        if rng.random() < 0.9:
            event['result'] = rng.choice(['pass', 'pass', 'PASS', 'fail', 'Fail', None, ''])
        if rng.random() < 0.9:
            event['checks'] = rng.choice(CHECKS)
    if rng.random() < 0.2:
        event['context'] = rng.choice(VALUES)
    return event


def inventory_run(rng):
    keys = rng.sample([k for k in KEYS if k.isascii()], rng.randint(1, 6))
    lines = []
    for clock in range(rng.choice([0, 1, 2, 4, 8, 12, 20])):
        lines.append(write(inventory_event(rng, keys, clock), rng))
        if rng.random() < 0.02:
            lines.append(rng.choice(ODD_LINES))
    return assemble(lines, rng) or b'\n'


# ---- observability ----

STAMPS = ['2026-02-03T00:00:00Z', '2026-02-30T00:00:00Z', '2024-02-29T23:59:60Z', '2026-02-03T00:00:00', '2026-02-03 01:02:03.5+01:00',
          '2026-02-03t01:02:03z', '2026-02-03T24:00:00Z', '2026-02-03T01:02:03+0130', '2026-02-03T01:02:03-25:00', 'now', '',
          '2026-13-01T00:00:00Z', '2026-02-03T00:59:60+01:00', '2026-02-03T01:02:03.Z', '2026-1-03T01:02:03Z', 5, None,
          '2026-02-03T01:02:03+05', '2026-02-03T22:59:60-01:00']


def observability_event(rng):
    event = {}
    for name, values in (('traceId', ['o1', 'o2', '', 7, None]), ('timestamp', STAMPS), ('actor', ['svc', None, 1]),
                         ('event', ['Placed', [], '']), ('action', ['Do', 4]), ('details', [{}, {'a': 1}, [], 'x', None]),
                         ('outcome', ['success', 'failure', 'timeout', 'skipped', 'other', 3, None, 'Success'])):
        required = name in ('traceId', 'timestamp', 'actor', 'event')
        if rng.random() < (0.9 if required else 0.5):
            event[name] = values[0] if rng.random() < 0.6 else rng.choice(values)
    if rng.random() < 0.7:
        event['state'] = {n: rng.choice(QUANTITIES) for n in ('onHand', 'allocated') if rng.random() < 0.9}
        if rng.random() < 0.1:
            event['state'] = rng.choice([None, [], 'x', 5, {'items': 3}])
    return event


def observability_run(rng):
    """Returns the kind of document, and its bytes."""
    items = [write(observability_event(rng), rng) for _ in range(rng.randint(1, 8))]
    if rng.random() < 0.2:
        items.insert(rng.randrange(len(items)), rng.choice(['null', '5', '[]', '"x"', '{}']))
    if rng.random() < 0.5:
        return 'observability-array', ('[' + ',\n'.join(items) + rng.choice([']', ']\n', '\n]\n'])).encode()
    return 'observability-events', ('\n'.join(items) + '\n').encode()


def generator(seed):
    return random.Random(seed)
