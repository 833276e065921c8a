# SPDX-License-Identifier: MIT
"""Sampling decisions, worked out from OTLP JSON a second time.

Written from the description of the samplers, not from the C. Traces are lists of spans as OTLP JSON has
them, each with its resource and scope; configurations are the dictionaries that are dumped as JSON for
the program. `Decision` says what a configuration decides about a trace.
"""
import collections
import fractions
import hashlib
import itertools
import json
import math
import re
import struct

M64 = (1 << 64) - 1
NEVER = 1 << 56


# ---- hashes and scores


def fnv1a(data, bits):
    h, prime = (0x811C9DC5, 0x01000193) if bits == 32 else (0xCBF29CE484222325, 0x100000001B3)
    for byte in data:
        h = ((h ^ byte) * prime) & ((1 << bits) - 1)
    return h


def hash_seed(trace_id, seed):
    """(hash, bucket, rv) of probabilistic_sampler."""
    h = fnv1a(struct.pack('<I', seed) + trace_id, 32)
    bucket = h & 0x3FFF
    u = h >> 18
    return h, bucket, ((16383 - bucket) << 42) | ((u ^ (u << 10)) << 14) | bucket


def float32(x):
    return struct.unpack('<f', struct.pack('<f', x))[0]


def scaled_buckets(percentage):
    # The product of two single precision numbers is exact in double precision, so rounding it is what
    # a single precision multiplication does.
    return int(float32(float32(min(percentage, 100)) * float32(163.84)))


def tail_hash(salt, trace_id):
    return fnv1a((salt or 'default-hash-seed').encode() + trace_id, 64)


def tail_threshold(percentage):
    if percentage <= 0:
        return 0
    return min(M64, int(fractions.Fraction(percentage / 100) * M64))


def threshold(probability, precision):
    """T of a probability, rounded half up to so many digits behind idle ones."""
    if probability <= 0:
        return NEVER
    if probability >= 1:
        return 0
    probability = max(probability, 2.0**-56)
    digits = precision
    for p in (probability, 1 - probability):
        digits = max(digits, precision + max(0, math.trunc(math.frexp(p)[1] / -4)))
    exact = NEVER - round(fractions.Fraction(probability) * NEVER)
    if precision <= 0 or digits >= 14:
        return exact
    unit = 16**(14 - digits)
    rounded = (exact + unit // 2) // unit * unit
    return exact if rounded >= NEVER else rounded


def kept_by(t):
    return (NEVER - t) / NEVER if t < NEVER else 0.0


def randomness(trace_id):
    return int.from_bytes(trace_id[9:], 'big')


def sdk_keeps(sdk, trace_id, ratio):
    if not ratio > 0:
        return False
    if ratio >= 1:
        return True
    high, low = (int.from_bytes(trace_id[i:i + 8], 'big') for i in (0, 8))
    if sdk in ('go', 'rust'):
        return low >> 1 < int(ratio * 2**63)
    if sdk == 'go1.11':
        return high >> 1 < int(ratio * 2**63)
    if sdk == 'python':
        return low < round(ratio * 2**64)
    if sdk in ('java', 'dotnet'):
        signed = low - (1 << 64) if low >> 63 else low
        return (signed if signed == -(1 << 63) else abs(signed)) < int(ratio * 2**63)
    words = struct.unpack('>4I', trace_id)
    return words[0] ^ words[1] ^ words[2] ^ words[3] < math.floor(ratio * 0xFFFFFFFF)


def jaeger_keeps(trace_id, probability):
    return probability >= 1 or (probability > 0 and
                                int.from_bytes(trace_id[8:], 'big') & (1 << 63) - 1 <= int(probability * 2**63))


def refinery_head(trace_id):
    return int.from_bytes(hashlib.sha1(trace_id.hex().encode() + b'5VQ8l2jE5aJLPVqk').digest()[:4], 'big')


# ---- reading OTLP JSON


def value_of(any_value):
    """A value as (type, value)."""
    for kind, read in (('stringValue', str), ('boolValue', bool), ('intValue', int), ('doubleValue', float),
                       ('bytesValue', str)):
        if kind in any_value:
            return kind[:-5], read(any_value[kind])
    if 'arrayValue' in any_value:
        return 'array', [value_of(v) for v in any_value['arrayValue'].get('values', [])]
    if 'kvlistValue' in any_value:
        return 'kvlist', [(m['key'], value_of(m.get('value', {}))) for m in any_value['kvlistValue'].get('values', [])]
    return 'empty', None


class Span:
    def __init__(self, raw, resource, scope):
        self.raw, self.resource, self.scope = raw, resource, scope
        self.trace_id = bytes.fromhex(raw['traceId'].rjust(32, '0'))
        self.start, self.end = int(raw.get('startTimeUnixNano', 0)), int(raw.get('endTimeUnixNano', 0))
        self.status = int(raw.get('status', {}).get('code', 0))
        self.kind = int(raw.get('kind', 0))
        self.trace_state = raw.get('traceState', '')
        self.flags = int(raw.get('flags', 0))
        self.is_root = not raw.get('parentSpanId')

    @staticmethod
    def attributes(owner):
        found = {}
        for item in owner.get('attributes', []):
            found.setdefault(item['key'], value_of(item.get('value', {})))
        return found

    def get(self, key):
        return self.attributes(self.raw).get(key)


def read_traces(lines):
    """Lists of spans by trace id, in the order given."""
    traces = collections.OrderedDict()
    for line in lines:
        if not line.strip():
            continue
        for resource_spans in json.loads(line)['resourceSpans']:
            for scope_spans in resource_spans.get('scopeSpans', []):
                for raw in scope_spans.get('spans', []):
                    span = Span(raw, resource_spans, scope_spans)
                    traces.setdefault(span.trace_id, []).append(span)
    return traces


# ---- sizes, by making the protobuf


def varint(number):
    number &= M64
    out = b''
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def text(number, string):
    return field(number, string.encode()) if string else b''


def count(number, amount):
    return varint(number << 3) + varint(int(amount)) if int(amount) else b''


def fixed64(number, amount):
    return varint(number << 3 | 1) + struct.pack('<Q', amount & M64) if amount else b''


def any_bytes(raw):
    kind, value = value_of(raw)
    if kind == 'string':
        return field(1, value.encode())
    if kind == 'bool':
        return varint(2 << 3) + varint(value)
    if kind == 'int':
        return varint(3 << 3) + varint(value)
    if kind == 'double':
        return varint(4 << 3 | 1) + struct.pack('<d', value)
    if kind == 'array':
        return field(5, b''.join(field(1, any_bytes(v)) for v in raw['arrayValue'].get('values', [])))
    if kind == 'kvlist':
        return field(6, attributes_bytes(1, raw['kvlistValue'].get('values', [])))
    if kind == 'bytes':
        import base64
        return field(7, base64.b64decode(value))
    return b''


def attributes_bytes(number, items):
    return b''.join(field(number, text(1, i['key']) + field(2, any_bytes(i.get('value', {})))) for i in items)


def span_bytes(span):
    raw = span.raw
    out = field(1, span.trace_id) + field(2, bytes.fromhex(raw['spanId'])) + text(3, span.trace_state)
    if not span.is_root:
        out += field(4, bytes.fromhex(raw['parentSpanId']))
    out += text(5, raw.get('name', '')) + count(6, span.kind) + fixed64(7, span.start) + fixed64(8, span.end)
    out += attributes_bytes(9, raw.get('attributes', [])) + count(10, raw.get('droppedAttributesCount', 0))
    for event in raw.get('events', []):
        # The time is always counted, as most producers write it.
        out += field(11, b'\x09' + struct.pack('<Q', int(event.get('timeUnixNano', 0))) + text(2, event.get('name', '')) +
                     attributes_bytes(3, event.get('attributes', [])) + count(4, event.get('droppedAttributesCount', 0)))
    out += count(12, raw.get('droppedEventsCount', 0))
    for link in raw.get('links', []):
        flags = int(link.get('flags', 0))
        out += field(13, field(1, bytes.fromhex(link['traceId'])) + field(2, bytes.fromhex(link['spanId'])) +
                     text(3, link.get('traceState', '')) + attributes_bytes(4, link.get('attributes', [])) +
                     count(5, link.get('droppedAttributesCount', 0)) + (b'12345' if flags else b''))
    out += count(14, raw.get('droppedLinksCount', 0))
    status = raw.get('status', {})
    inner = text(2, status.get('message', '')) + count(3, span.status)
    out += field(15, inner) if inner else b''
    out += b'123456' if span.flags else b''
    return out


def trace_size(spans):
    total, resources, pairs = 0, set(), set()
    for span in spans:
        total += len(field(2, span_bytes(span)))
        resource = span.resource.get('resource')
        scope = span.scope.get('scope')
        resource_key = json.dumps([resource, span.resource.get('schemaUrl')], sort_keys=True)
        scope_key = json.dumps([scope, span.scope.get('schemaUrl')], sort_keys=True)
        if resource_key not in resources:
            resources.add(resource_key)
            total += 4 + len(text(3, span.resource.get('schemaUrl', '')))
            if resource is not None:
                total += len(field(1, attributes_bytes(1, resource.get('attributes', [])) +
                                   count(2, resource.get('droppedAttributesCount', 0))))
        if (resource_key, scope_key) not in pairs:
            pairs.add((resource_key, scope_key))
            total += 4 + len(text(3, span.scope.get('schemaUrl', '')))
            if scope is not None:
                total += len(field(1, text(1, scope.get('name', '')) + text(2, scope.get('version', '')) +
                                   attributes_bytes(3, scope.get('attributes', [])) +
                                   count(4, scope.get('droppedAttributesCount', 0))))
    return total


# ---- conditions


class OttlError(Exception):
    pass


class Trace:
    def __init__(self, trace_id, spans):
        self.trace_id, self.spans = trace_id, spans
        self.start, self.end = min(s.start for s in spans), max(s.end for s in spans)
        self.duration_ms = int((self.end - self.start) / 1e6) if self.end >= self.start else -((self.start - self.end) // 10**6)
        self.duration_ms = abs(self.end - self.start) // 10**6 * (1 if self.end >= self.start else -1)
        roots = [s for s in spans if s.is_root]
        self.root = min(roots, key=lambda s: s.start) if roots else None
        self._size = None

    @property
    def size(self):
        if self._size is None:
            self._size = trace_size(self.spans)
        return self._size


def member_values(state):
    """Members of a tracestate, or None if it is malformed."""
    found = {}
    for member in state.split(','):
        member = member.strip(' \t')
        if not member:
            continue
        if not re.fullmatch(r'[a-z0-9_\-*/@]{1,256}=[\x20-<>-\x7e]{1,256}', member) or len(found) == 32:
            return None
        key, value = member.split('=', 1)
        if key in found:
            return None
        found[key] = value
    return found


def milliseconds_within(ms, options, exclusive):
    low, high = options.get('threshold_ms', 0), options.get('upper_threshold_ms', 0)
    if high:
        return low < ms <= high
    return ms > low if exclusive else ms >= low


# ---- outcomes of tail policies

SAMPLED, NOT_SAMPLED, INVERT_SAMPLED, INVERT_NOT_SAMPLED, DROPPED, ERROR = range(6)


class Bucket:
    """Tokens in billionths, full at the start; time is integer nanoseconds."""

    def __init__(self, rate, burst):
        self.rate, self.burst, self.tokens, self.last = rate, burst, burst * 10**9, None

    def take(self, now, amount):
        if self.last is not None:
            self.tokens = min(self.burst * 10**9, self.tokens + (now - self.last) * self.rate)
        self.last = now
        if amount * 10**9 > self.tokens:
            return False
        self.tokens -= amount * 10**9
        return True


class Tail:
    """One tail_sampling, with the state of its limiters. `conditions` gives a function of a span (or of
    an event and its span) for each text of an ottl_condition."""

    def __init__(self, config, minor, conditions):
        self.config, self.minor, self.conditions = config, minor, conditions
        self.state = {}
        self.first_match = config.get('sample_on_first_match', False)

    # What limiters say when it is not known: a set of outcomes, one at a time.
    def outcome(self, policy, trace, draws=None, limits=None):
        kind = policy['type']
        options = policy.get(kind, {})
        plain = lambda truth: SAMPLED if truth else NOT_SAMPLED
        if kind == 'always_sample':
            return SAMPLED
        if kind == 'latency':
            return plain(self.latency(options, trace))
        if kind in ('numeric_attribute', 'string_attribute', 'boolean_attribute'):
            hit = self.attribute(kind, options, trace)
            if options.get('invert_match'):
                return INVERT_NOT_SAMPLED if hit else INVERT_SAMPLED
            return plain(hit)
        if kind == 'probabilistic':
            salt = options.get('hash_salt') or 'default-hash-seed'
            drawn = tail_hash(salt, trace.trace_id) if draws is None else draws[salt]
            return plain(drawn <= tail_threshold(options.get('sampling_percentage', 0)))
        if kind == 'status_code':
            wanted = {('UNSET', 'OK', 'ERROR').index(c) for c in options['status_codes']}
            return plain(any(s.status in wanted for s in trace.spans))
        if kind == 'trace_state':
            values = {v for v in options['values'] if v and len(options['key']) + len(v) < 256}
            return plain(any((member_values(s.trace_state) or {}).get(options['key']) in values for s in trace.spans))
        if kind == 'trace_flags':
            return plain(any(s.flags & 1 for s in trace.spans))
        if kind == 'span_count':
            low, high = options.get('min_spans', 0), options.get('max_spans', 0)
            return plain(len(trace.spans) >= low and (not high or len(trace.spans) <= high))
        if kind in ('rate_limiting', 'bytes_limiting'):
            return plain(self.limit(policy, kind, options, trace, limits))
        if kind == 'ottl_condition':
            return self.ottl(options, trace)
        if kind in ('and', 'drop'):
            for child in options[kind + '_sub_policy']:
                result = self.outcome(child, trace, draws, limits)
                if result == ERROR:
                    return ERROR
                if result in (NOT_SAMPLED, INVERT_NOT_SAMPLED):
                    return NOT_SAMPLED
            return SAMPLED if kind == 'and' else DROPPED
        if kind == 'not':
            result = self.outcome(options['not_sub_policy'], trace, draws, limits)
            return {SAMPLED: NOT_SAMPLED, NOT_SAMPLED: SAMPLED}.get(result, result)
        assert kind == 'composite', kind
        return self.composite(policy, options, trace, draws, limits)

    def latency(self, options, trace):
        if self.minor >= 157 or not options.get('upper_threshold_ms'):
            return milliseconds_within(trace.duration_ms, options, self.minor >= 157)
        low = high = None
        for span in sorted(trace.spans, key=lambda s: (s.end, s.start)):
            low = span.start if low is None else min(low, span.start)
            high = span.end if high is None else max(high, span.end)
            if milliseconds_within((high - low) // 10**6 if high >= low else -((low - high) // 10**6), options, False):
                return True
        return False

    def attribute(self, kind, options, trace):
        def matches(value, of_span):
            if value is None:
                return False
            type_, value = value
            if kind == 'numeric_attribute':
                low, high = options.get('min_value', 0), options.get('max_value', 0)
                return type_ == 'int' and (not low or value >= low) and (not high or value <= high)
            if kind == 'boolean_attribute':
                return type_ == 'bool' and value == options.get('value', False)
            if type_ != 'string' or (of_span and value == ''):
                return False
            if options.get('enabled_regex_matching'):
                return any(re.search(v, value) for v in options['values'])
            return value != '' and value in options['values']

        key = options['key']
        return any(matches(Span.attributes(s.resource.get('resource', {})).get(key), False) or matches(s.get(key), True)
                   for s in trace.spans)

    def ottl(self, options, trace):
        tolerant = options.get('error_mode', 'propagate') != 'propagate'

        def first(conditions, *arguments):
            for condition in conditions:
                try:
                    if self.conditions[condition, len(arguments) > 1](*arguments):
                        return True
                except OttlError:
                    if not tolerant:
                        raise
            return False

        try:
            for span in trace.spans:
                if first(options.get('span', []), span):
                    return SAMPLED
                for number, event in enumerate(span.raw.get('events', [])):
                    if first(options.get('spanevent', []), span, event, number):
                        return SAMPLED
        except OttlError:
            return ERROR
        return NOT_SAMPLED

    def limit(self, policy, kind, options, trace, limits):
        by_bytes = kind == 'bytes_limiting'
        amount = trace.size if by_bytes else len(trace.spans)
        rate = options['bytes_per_second' if by_bytes else 'spans_per_second']
        if by_bytes or self.minor >= 153:
            burst = options.get('burst_capacity') or 2 * rate
            if amount > burst:
                return False
            if limits is not None:
                return limits(policy)
            return self.state.setdefault(id(policy), Bucket(rate, burst)).take(trace.end, amount)
        if amount >= rate:
            return False
        if limits is not None:
            return limits(policy)
        second, used = self.state.get(id(policy), (None, 0))
        if second != trace.end // 10**9:
            second, used = trace.end // 10**9, 0
        fits = used + amount < rate
        self.state[id(policy)] = second, used + (amount if fits else 0)
        return fits

    def composite(self, policy, options, trace, draws, limits):
        total = options['max_total_spans_per_second']
        children = options['composite_sub_policy']
        shares = {}
        for item in options.get('rate_allocation', []):
            percent = item.get('percent', 0)
            shares[item['policy']] = int(percent / 100 * total) if percent > 0 else int(total / len(children))
        for child in children:
            result = self.outcome(child, trace, draws, limits)
            if result == ERROR:
                return ERROR
            if result not in (SAMPLED, INVERT_SAMPLED):
                continue
            share, amount = shares.get(child['name'], 0), len(trace.spans)
            if amount > share or amount > total:
                return NOT_SAMPLED
            if limits is not None:
                return SAMPLED if limits(child, 'share') else NOT_SAMPLED
            second, used = self.state.get((id(child), 'share'), (None, 0))
            if second != trace.end // 10**9:
                second, used = trace.end // 10**9, 0
            fits = used + amount <= share and used + amount <= total
            self.state[id(child), 'share'] = second, used + (amount if fits else 0)
            if fits:
                self.sub_policy = child['name']
            return SAMPLED if fits else NOT_SAMPLED
        return NOT_SAMPLED

    def final(self, trace, draws=None, limits=None):
        """(kept, policy, sub_policy)"""
        policies = sorted(self.config['policies'], key=lambda p: p['type'] != 'drop')
        first = {}
        for policy in policies:
            self.sub_policy = None
            result = self.outcome(policy, trace, draws, limits)
            first.setdefault(result, (policy['name'], self.sub_policy))
            if result == DROPPED or (self.first_match and result == SAMPLED):
                break
        if DROPPED in first:
            return False, first[DROPPED][0], None
        if INVERT_NOT_SAMPLED in first:
            return False, first[INVERT_NOT_SAMPLED][0], None
        if SAMPLED in first:
            return True, *first[SAMPLED]
        if INVERT_SAMPLED in first and NOT_SAMPLED not in first:
            return True, first[INVERT_SAMPLED][0], None
        return False, None, None

    # -- probability

    def salts(self, policies):
        for policy in policies:
            options = policy.get(policy['type'], {})
            if policy['type'] == 'probabilistic':
                yield options.get('hash_salt') or 'default-hash-seed', options.get('sampling_percentage', 0)
            for key in ('and_sub_policy', 'drop_sub_policy', 'composite_sub_policy'):
                yield from self.salts(options.get(key, []))
            if 'not_sub_policy' in options:
                yield from self.salts([options['not_sub_policy']])

    def probability(self, trace):
        """Over all that the hashes and the limiters could have been; None: it depends on a limiter."""
        levels = collections.defaultdict(dict)
        for salt, percentage in self.salts(self.config['policies']):
            levels[salt][tail_threshold(percentage)] = min(max(percentage / 100, 0), 1)
        axes = []
        for salt, marks in levels.items():
            points, below = [], 0.0
            for mark in sorted(marks):
                points.append((salt, mark, marks[mark] - below))
                below = marks[mark]
            points.append((salt, M64 + 1, 1 - below))
            axes.append(points)
        total = 0.0
        for cell in itertools.product(*axes):
            weight = math.prod(part for _, _, part in cell)
            if weight <= 0:
                continue
            draws = {salt: mark for salt, mark, _ in cell}
            kept = self.any_way(trace, draws)
            if kept is None:
                return None
            total += weight if kept else 0
        return min(total, 1.0)

    def any_way(self, trace, draws):
        """What is decided whatever the limiters say, or None: tried for all that they may say."""
        asked = []

        def limits(answers):
            def answer(policy, what='limit'):
                key = id(policy), what
                if key not in answers:
                    if key not in asked:
                        asked.append(key)
                    return True
                return answers[key]
            return answer

        results = {self.final(trace, draws, limits({}))[0]}
        done = 0
        while done < len(asked):
            done = len(asked)
            for combination in itertools.product((False, True), repeat=len(asked)):
                results.add(self.final(trace, draws, limits(dict(zip(list(asked), combination))))[0])
        return results.pop() if len(results) == 1 else None


# ---- probabilistic_sampler


def ot_fields(state):
    """th and rv of a tracestate: None absent, 'bad' malformed."""
    for member in state.split(','):
        member = member.strip(' \t')
        if not member.startswith('ot='):
            continue
        found = {}
        for part in member[3:].split(';'):
            name, _, value = part.partition(':')
            if name in ('th', 'rv'):
                width = len(value)
                ok = re.fullmatch('[0-9a-f]{1,14}' if name == 'th' else '[0-9a-f]{14}', value)
                bad = not ok or name in found
                found[name] = 'bad' if bad else int(value, 16) << 4 * (14 - width)
        return found.get('th'), found.get('rv')
    return None, None


def sampling_priority(span):
    value = span.get('sampling.priority')
    if value is None or value[0] not in ('int', 'double', 'string'):
        return None
    number = value[1]
    if value[0] == 'string':
        if not re.fullmatch(r'-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?', number):
            return None
        number = float(number)
    return 'drop' if number == 0 else 'keep' if number > 0 else None


def span_sampler(options, span):
    """(whether the span is kept, the T that it is asked to reach or None, whether its weight is unknown)"""
    mode = options.get('mode', 'hash_seed')
    percentage = float32(options.get('sampling_percentage', 0))
    priority = sampling_priority(span)
    th, rv = ot_fields(span.trace_state)
    r = randomness(span.trace_id)
    wrong = 'bad' in (th, rv)
    if priority == 'drop':
        return False, None, False
    if mode == 'hash_seed':
        r = hash_seed(span.trace_id, options.get('hash_seed', 0))[2]
        wrong |= th is not None or rv is not None
    elif isinstance(rv, int):
        r = rv
    wrong |= isinstance(th, int) and r < th
    if wrong:
        if options.get('fail_closed', True) and priority != 'keep':
            return False, None, False
        return True, None, True
    before = th or 0
    if priority == 'keep':
        t = before
    elif mode == 'hash_seed':
        buckets = scaled_buckets(percentage)
        t = max(before, (16384 - buckets) << 42 if buckets else NEVER)
    elif mode == 'equalizing':
        t = max(before, threshold(percentage / 100, options.get('sampling_precision', 4)))
    else:
        t = threshold(kept_by(before) * min(percentage / 100, 1), options.get('sampling_precision', 4)) if percentage > 0 else NEVER
    return r >= t, t if t < NEVER else None, False


# ---- samplers that decide once for a trace


class Refinery:
    """RulesBasedSampler and DeterministicSampler: (kept, name of the rule or None, probability)."""

    NUMBERS = ('int', 'double')

    def __init__(self, sampler):
        self.sampler = sampler

    @staticmethod
    def fields(span, name):
        """Candidates for a field, the first that is there counts."""
        yield span.get(name)
        yield Span.attributes(span.scope.get('scope') or {}).get(name)
        yield Span.attributes(span.resource.get('resource', {})).get(name)
        if name == 'name':
            yield 'string', span.raw.get('name', '')
        if name == 'duration_ms':
            yield 'double', (span.end - span.start) / 1e6
        if name == 'status_code':
            yield 'int', span.status
        if name == 'error' and span.status == 2:
            yield 'bool', True

    def value(self, span, names):
        for name in names:
            for value in self.fields(span, name):
                if value is not None and value[0] != 'empty':
                    return value
        return None

    def holds(self, condition, value):
        op, wanted, datatype = condition['Operator'], condition.get('Value'), condition.get('Datatype')
        if op in ('exists', 'not-exists'):
            return (value is not None) == (op == 'exists')
        if value is None or value[0] in ('array', 'kvlist'):
            return op == 'not-in' and value is not None
        found = value[1]
        if op in ('starts-with', 'contains', 'does-not-contain'):
            text, part = self.text(found), self.text(wanted)
            return {'starts-with': text.startswith(part), 'contains': part in text, 'does-not-contain': part not in text}[op]
        if op in ('in', 'not-in'):
            return any(self.compare(found, w, '=', datatype) for w in wanted) == (op == 'in')
        return self.compare(found, wanted, op, datatype)

    @staticmethod
    def text(value):
        if isinstance(value, bool):
            return 'true' if value else 'false'
        return format(value, '.15g') if isinstance(value, float) else str(value)

    def compare(self, found, wanted, op, datatype):
        try:
            if datatype:
                convert = {'string': self.text, 'int': int, 'float': float}[datatype]
                found, wanted = convert(found), convert(wanted)
        except ValueError:
            return False
        kinds = {bool: 'b', int: 'n', float: 'n', str: 's'}
        if kinds[type(found)] != kinds[type(wanted)]:
            return False
        return {'=': found == wanted, '!=': found != wanted, '>': found > wanted, '>=': found >= wanted, '<': found < wanted,
                '<=': found <= wanted}[op]

    def rule_matches(self, rule, trace):
        one_span = []
        for condition in rule.get('Conditions', []):
            if condition['Operator'] == 'has-root-span':
                if (trace.root is not None) != condition['Value']:
                    return False
                continue
            names = condition.get('Fields') or [condition['Field']]
            if names[0].startswith('root.'):
                names = [name[5:] for name in names]
                if trace.root is None or not self.holds(condition, self.value(trace.root, names)):
                    return False
            elif rule.get('Scope') == 'span':
                one_span.append((condition, names))
            elif not any(self.holds(condition, self.value(s, names)) for s in trace.spans):
                return False
        return not one_span or any(all(self.holds(c, self.value(s, n)) for c, n in one_span) for s in trace.spans)

    @staticmethod
    def one_in(rate, trace):
        return rate <= 1 or refinery_head(trace.trace_id) <= 0xFFFFFFFF // rate, 1 / max(rate, 1)

    def decide(self, trace):
        if 'DeterministicSampler' in self.sampler:
            kept, probability = self.one_in(self.sampler['DeterministicSampler']['SampleRate'], trace)
            return kept, '__default__', probability
        for rule in self.sampler['RulesBasedSampler']['Rules']:
            if not self.rule_matches(rule, trace):
                continue
            if rule.get('Drop'):
                return False, rule['Name'], 0.0
            kept, probability = self.one_in(rule.get('SampleRate', 1), trace)
            return kept, rule['Name'], probability
        return True, None, 1.0


def service_of(span):
    value = Span.attributes(span.resource.get('resource', {})).get('service.name')
    return value[1] if value and value[0] == 'string' else ''
