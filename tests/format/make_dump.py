"""Dumps of OTLP JSON that make a store use every part of its format, always the same ones."""
import base64
import json
import random

T0 = 1_795_000_000_000_000_000
U64 = (1 << 64) - 1


def text(value):
    return {'stringValue': value}


def integer(value):
    return {'intValue': str(value)}


def real(value):
    return {'doubleValue': value}


def data(value):
    return {'bytesValue': base64.b64encode(value).decode()}


def attributes(pairs):
    return [{'key': key, 'value': value} for key, value in pairs]


class Dump:
    """Traces made with a random generator of its own."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.numbers = 0

    def identifier(self, size):
        return self.random.getrandbits(size * 8).to_bytes(size, 'big').hex()

    def trace(self, size, start, make, trace_id=None):
        """`size` spans with random parents; `make(number)` gives what is special about each."""
        trace_id, ids, spans = trace_id or self.identifier(16), [], []
        for i in range(size):
            ids.append(self.identifier(8))
            begin = start + i * 1000 + self.random.randrange(1000)
            span = {'traceId': trace_id, 'spanId': ids[-1], 'startTimeUnixNano': str(begin), 'endTimeUnixNano': str(begin + self.random.randrange(10 ** 7))}
            if i:
                span['parentSpanId'] = self.random.choice(ids[-9:-1] or ids[:1])
            span.update(make(self.numbers))
            self.numbers += 1
            spans.append(span)
        return spans


def document(spans, resource=None, scope=None):
    return json.dumps({'resourceSpans': [{'resource': resource or {'attributes': attributes([('service.name', text('shop'))])},
                                          'scopeSpans': [{'scope': scope or {'name': 'format'}, 'spans': spans}]}]}) + '\n'


def shapes(count):
    """Numbers and texts of many shapes, enough for several granules and blocks."""
    dump, rng = Dump(1), random.Random(2)
    word = lambda: ''.join(rng.choice('abcdefghij') for _ in range(rng.randrange(3, 30)))

    def make(n):
        pairs = [('const', integer(-7)), ('counter', integer(n * 1000)), ('wide', integer(rng.getrandbits(64) - (1 << 63))),
                 ('bucket', integer(int(rng.lognormvariate(8, 4)))), ('few', integer(rng.choice([3, 10 ** 6, -10 ** 12, 10 ** 17]))),
                 ('runs', integer(n // 700)), ('wobble', integer(5000 + rng.randrange(-9, 9))), ('flag', {'boolValue': n % 97 == 0}),
                 ('ratio', real(n / 8)), ('noise', real(rng.random())), ('word', text(word())), ('blob', data(rng.randbytes(5))),
                 ('path', text(f'/shop/{n // 40:05d}/item/{rng.randrange(10 ** 6)}')), ('hex', text('t-' + rng.randbytes(4).hex())),
                 ('HEX', text('T-' + rng.randbytes(6).hex().upper())), ('digits', text(f'order {rng.randrange(10 ** 4):04d} of {rng.randrange(10)}')),
                 ('uuid', text('-'.join(rng.randbytes(k).hex() for k in (4, 2, 2, 2, 6)))), ('zeros', text('n' + '0' * rng.randrange(3) + str(rng.randrange(90000)))),
                 ('front', text(f'https://shop.example/catalogue/{n:07d}/')), ('list', {'arrayValue': {'values': [integer(n % 50), {}]}})]
        found = {'name': rng.choice(['GET /item', 'POST /cart', f'job {n % 300}']), 'kind': n % 6, 'attributes': attributes(pairs)}
        if n % 5 == 0:
            found['events'] = [{'timeUnixNano': str(T0 + n), 'name': f'retry {n % 7}', 'attributes': attributes([('attempt', integer(n % 7))])}] * (1 + n % 3)
        if n % 11 == 0:
            found['links'] = [{'traceId': dump.identifier(16), 'spanId': dump.identifier(8), 'traceState': 'a=b', 'attributes': attributes([('why', text('retry'))])}]
        if n % 13 == 0:
            found['status'] = {'code': n % 3, 'message': f'failed after {n} ms'}
        return found

    lines = []
    while dump.numbers < count:
        lines.append(document(dump.trace(dump.random.choice([1, 2, 30, 120]), T0 + dump.numbers * 10 ** 6, make)))
    return ''.join(lines)


def uneven(count):
    """Texts that only some blocks have: empty ones at first, one without a template among thousands."""
    dump = Dump(6)

    def make(n):
        late = n > count * 3 // 4
        return {'name': 'x', 'attributes': attributes([
            ('number', text(f'item {dump.random.randrange(10 ** 6)} of {n}' if n != 9 else '\0')),
            ('nothing at first', text(str(dump.random.random()) if late else '')),
            ('numbers at the end', text(f'no {dump.random.randrange(10 ** 6)}/{n}' if late else ''))])}

    lines = []
    while dump.numbers < count:
        lines.append(document(dump.trace(40, T0 + dump.numbers * 10 ** 6, make)))
    return ''.join(lines)


def rare_keys(count):
    """Thousands of keys that one span, event or link has each; keys that come twice."""
    dump = Dump(3)

    def make(n):
        pairs = [('common', integer(n)), (f'rare.{n}', text(f'value {n}')), (f'rare.list.{n}', {'arrayValue': {'values': [data(b'\0'), real('NaN')]}}),
                 ('common', integer(-n)), ('common', text('another type')), ('', {}), (f'rare.none.{n}', {})]
        dump.random.shuffle(pairs)
        event = {'name': '', 'timeUnixNano': '0', 'attributes': attributes(pairs[:4]), 'droppedAttributesCount': 4294967295, 'unknown': [n, 1.50]}
        link = {'traceId': dump.identifier(16), 'spanId': dump.identifier(8), 'attributes': attributes(pairs[2:]), 'flags': 257, 'unknown': {'a': None}}
        return {'name': f'rare {n % 9}', 'attributes': attributes(pairs), 'events': [event] * (n % 3), 'links': [link] * (n % 2), 'unknown': f'{n}',
                'droppedAttributesCount': 1, 'droppedEventsCount': n, 'droppedLinksCount': 2, 'traceState': f'n={n % 4}', 'flags': 769}

    lines = []
    while dump.numbers < count:
        lines.append(document(dump.trace(dump.random.randrange(1, 9), T0 + dump.numbers * 10 ** 9, make)))
    return ''.join(lines)


def many_keys(count, keys):
    """Few spans, each with so many keys of its own that there cannot be a column for all."""
    dump = Dump(5)

    def make(n):
        pairs = [(f'k{n * keys + i}', [integer(i), text(f'v{i}'), {}, real(i / 2), {'boolValue': True}, data(b'b')][i % 6]) for i in range(keys)]
        third = len(pairs) // 3
        pairs.insert(n, ('all', integer(n)))
        return {'name': f'{n} of many', 'attributes': attributes(pairs),
                'events': [{'timeUnixNano': str(T0), 'name': 'e', 'attributes': attributes(pairs[:third])}] * (n % 2),
                'links': [{'traceId': dump.identifier(16), 'spanId': dump.identifier(8), 'attributes': attributes(pairs[-third:])}] * (n % 3 == 0)}

    return document(dump.trace(count, T0, make))


def extremes():
    """Few spans: ids of every sort, times at the ends of their range, cycles, every type of value."""
    dump = Dump(4)
    nested = integer(1)
    for _ in range(60):
        nested = {'arrayValue': {'values': [nested]}}
    pairs = [('string', text('\u6771\u4eac \0 \U0001F41F')), ('empty string', text('')), ('yes', {'boolValue': True}), ('least', integer(-(1 << 63))),
             ('most', integer((1 << 63) - 1)), ('minus zero', real(-0.0)), ('tiny', real(5e-324)), ('infinite', real('-Infinity')), ('nan', real('NaN')),
             ('bytes', data(bytes(range(256)))), ('no bytes', data(b'')), ('nothing', {}), ('deep', nested),
             ('map', {'kvlistValue': {'values': attributes([('k', integer(1)), ('k', text('2')), ('', {})])}})]
    times = [(0, 0), (0, U64), (U64, 0), (1 << 63, (1 << 63) - 1), (T0, T0 - 5), (T0, 0)]
    lines = []
    for n, (start, end) in enumerate(times):
        lines.append(document([{'traceId': ['short-id/%d', 'f%015x', '%032x'][n % 3] % (n + 1), 'spanId': f'{n + 1:016x}', 'name': '', 'startTimeUnixNano': str(start),
                                'endTimeUnixNano': str(end), 'attributes': attributes(pairs[n:] + pairs[:n]), 'kind': [0, -1, 2147483647][n % 3],
                                'parentSpanId': '0' * 16, 'status': {'code': -2147483648}}], scope={} if n % 2 else None))
    cycle = dump.trace(4, T0, lambda n: {'name': 'cycle'})
    for a, b in zip(cycle, cycle[1:] + cycle[:1]):
        a['parentSpanId'] = b['spanId']
    orphans = dump.trace(5, T0, lambda n: {'name': 'orphan', 'parentSpanId': dump.identifier(8), 'status': {}})
    twins = [{**cycle[0], 'kind': kind, 'name': 'twin'} for kind in (1, 2, 3)]
    lines.append(document(cycle + orphans + twins))
    lines.append(json.dumps({'resourceSpans': [{'scopeSpans': [{'spans': [{'name': 'nothing else'}]}], 'schemaUrl': 'u', 'unknown': [{}]}]}) + '\n')
    return ''.join(lines)


# ---- protobuf ----

def varint(number):
    found = b''
    while number > 127:
        found, number = found + bytes([number & 127 | 128]), number >> 7
    return found + bytes([number])


def field(number, value):
    """A field: a varint of an int, 8 bytes of a tuple (u64,), else its bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, tuple):
        return varint(number << 3 | 1) + value[0].to_bytes(8, 'little')
    return varint(number << 3 | 2) + varint(len(value)) + value


ODD_NAN = 0x7FF8_0000_0000_BEEF
NOT_UTF8 = b'caf\xe9'


def unknown(number):
    """Fields that OTLP does not have, different ones for every `number`."""
    return field(1000 + number, number) + field(2000, b'\xff' * number) + field(3000, (number,))


def protobuf():
    """One span that has unknown fields in every message, text that is not UTF-8, and an odd NaN."""
    attribute = field(1, b'nan') + field(2, field(4, (ODD_NAN,)))
    event = field(1, (T0 + 1,)) + field(2, b'event') + unknown(1)
    link = field(1, bytes(range(16))) + field(2, bytes(range(8))) + unknown(2)
    span = (field(1, bytes(range(1, 17))) + field(2, bytes(range(1, 9))) + field(5, NOT_UTF8) + field(7, (T0,)) + field(8, (T0 + 9,))
            + field(9, attribute) + field(11, event) + field(13, link) + unknown(3))
    other = field(1, bytes(range(1, 17))) + field(2, bytes(range(2, 10))) + field(4, bytes(range(1, 9))) + field(7, (T0 + 2,)) + field(8, (T0 + 3,))
    scope_spans = field(1, field(1, b'scope') + unknown(4)) + field(2, span) + field(2, other) + unknown(5)
    resource_spans = field(1, field(2, 3) + unknown(6)) + field(2, scope_spans) + unknown(7)
    return field(1, resource_spans)
