#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""sampling_replay against sampling_model.py: random configurations on random traces.

    sampling_replay.py TRACEKEEP EXTENSION [--configs N] [--seed N] [--spans-per-segment N] [DUMP...]

Without dumps: traces made here, some in two parts. What the store exports is what the oracle reads.
"""
import argparse
import json
import os
import pathlib
import random
import sqlite3
import subprocess
import sys
import tempfile

import sampling_model as model

SECOND = 10**9
BEGIN = 1767225600 * SECOND
failures = []


def fail(message):
    failures.append(message)
    print('#', message[:3000])


# ---- traces


def any_value(value):
    if isinstance(value, bool):
        return {'boolValue': value}
    if isinstance(value, int):
        return {'intValue': str(value)}
    if isinstance(value, float):
        return {'doubleValue': value}
    if isinstance(value, list):
        return {'arrayValue': {'values': [any_value(v) for v in value]}}
    if isinstance(value, dict):
        return {'kvlistValue': {'values': [{'key': k, 'value': any_value(v)} for k, v in value.items()]}}
    return {'stringValue': value}


def attributes(values):
    return [{'key': k, 'value': any_value(v)} for k, v in values.items()]


VALUES = {
    'http.route': ['/api/cart', '/api/pay', '/health', '/', ''],
    'http.status_code': [200, 404, 500, 503, 0, -1],
    'retry': [True, False],
    'load': [0.5, 1.5, 2.0],
    'tenant': ['acme', 'umbrella', 7, True],
    'tags': [['a', 'b'], [1], []],
    'detail': [{'depth': 3, 'name': 'x'}, {}],
    'sampling.priority': [0, 1, '1', '0', 2.5, -1],
}
STATES = ['', '', '', 'ot=th:8', 'ot=th:c;rv:f0000000000001', 'ot=rv:80000000000000', 'vendor=a,ot=th:0', 'vendor=b',
          'bad', 'ot=th:8;rv:1', 'vendor=a,vendor=b', 'ot=th:G']


def make_traces(rng, count):
    """Two lists of documents: what comes first, and what comes late."""
    resources = [{'resource': {'attributes': attributes({'service.name': name, **extra})}} for name, extra in (
        ('shop', {'env': 'prod'}), ('cart', {'env': 'test', 'tenant': 'acme'}), ('pay', {'http.status_code': 500, 'retry': True}))]
    resources.append({})
    scopes = [{'scope': {'name': 'lib', 'version': '1.2', 'attributes': attributes({'team': 'a'})}}, {'scope': {}}, {}]
    documents = [], []
    for number in range(count):
        trace_id = f'{rng.getrandbits(128):032x}'
        start = BEGIN + rng.randrange(20) * SECOND // 2 + rng.randrange(SECOND)
        split = rng.random() < 0.2
        state = rng.choice(STATES)
        spans = []
        for i in range(rng.choice([1, 1, 2, 3, 5, 8, 12])):
            begin = start + rng.randrange(SECOND)
            # Whole milliseconds now and then, so that thresholds are met exactly.
            took = rng.choice([rng.randrange(2 * SECOND), 500 * 10**6, 10**9])
            span = {'traceId': trace_id, 'spanId': f'{rng.getrandbits(64) | 1:016x}', 'name': f'op{rng.randrange(4)}',
                    'kind': rng.randrange(6), 'startTimeUnixNano': str(begin), 'endTimeUnixNano': str(begin + took),
                    'status': rng.choice([{}, {}, {'code': 1}, {'code': 2, 'message': 'no'}]), 'flags': rng.choice([0, 0x100, 1, 0x101]),
                    'attributes': attributes({k: rng.choice(v) for k, v in VALUES.items() if rng.random() < 0.25})}
            if spans and rng.random() < 0.95:
                span['parentSpanId'] = rng.choice(spans)['spanId']
            elif not spans and rng.random() < 0.1:
                span['parentSpanId'] = f'{rng.getrandbits(64) | 1:016x}'
            if state and rng.random() < 0.9:
                span['traceState'] = state
            if rng.random() < 0.3:
                span['events'] = [{'timeUnixNano': str(begin + 5), 'name': rng.choice(['exception', 'log']),
                                   'attributes': attributes({'level': rng.choice(['warn', 'info']), 'n': rng.randrange(9)})}
                                  for _ in range(rng.randrange(1, 3))]
            if rng.random() < 0.1:
                span['links'] = [{'traceId': trace_id, 'spanId': '00000000000000ff', 'attributes': attributes({'why': 'x'})}]
            spans.append(span)
            resource, scope = rng.choice(resources), rng.choice(scopes)
            late = split and i % 2 == 1
            documents[late].append(json.dumps({'resourceSpans': [{**resource, 'scopeSpans': [{**scope, 'spans': [span]}]}]}))
    return documents


# ---- conditions: their text, and what they mean


class Conditions:
    """Random conditions; `meanings` gives the function for each text."""

    def __init__(self, rng, may_fail):
        self.rng, self.may_fail, self.meanings = rng, may_fail, {}

    def value(self, event):
        """(text, function of span, event, number) with values as (type, value); None is nil."""
        rng = self.rng
        key = rng.choice([k for k in VALUES if k != 'sampling.priority'] + ['missing'])
        prefix = 'span.' if event else rng.choice(['', '', 'span.'])
        choices = [
            (f'{prefix}attributes["{key}"]', lambda s, e, n: s.get(key)),
            (f'resource.attributes["{key}"]', lambda s, e, n: s.attributes(s.resource.get('resource', {})).get(key)),
            (f'{prefix}name', lambda s, e, n: ('string', s.raw.get('name', ''))),
            (f'{prefix}kind', lambda s, e, n: ('int', s.kind)),
            (f'{prefix}status.code', lambda s, e, n: ('int', s.status)),
            (f'{prefix}status.message', lambda s, e, n: ('string', s.raw.get('status', {}).get('message', ''))),
            (f'({prefix}end_time_unix_nano - {prefix}start_time_unix_nano)', lambda s, e, n: ('int', s.end - s.start)),
            (f'{prefix}kind.string', lambda s, e, n: (
                'string', ('Unspecified', 'Internal', 'Server', 'Client', 'Producer', 'Consumer')[s.kind])),
            ('instrumentation_scope.name', lambda s, e, n: ('string', (s.scope.get('scope') or {}).get('name', ''))),
            (f'Milliseconds({prefix}end_time - {prefix}start_time)', lambda s, e, n: ('int', (s.end - s.start) // 10**6)),
        ]
        if event:
            choices += [('name', lambda s, e, n: ('string', e.get('name', ''))),
                        ('attributes["level"]', lambda s, e, n: s.attributes(e).get('level')),
                        ('spanevent.attributes["n"]', lambda s, e, n: s.attributes(e).get('n')),
                        ('event_index', lambda s, e, n: ('int', n))]
        if self.may_fail:
            def added(s, e, n):
                value = s.get('http.status_code')
                if value is None or value[0] != 'int':
                    raise model.OttlError
                return 'int', value[1] + 1
            choices.append((f'({prefix}attributes["http.status_code"] + 1)', added))
        return rng.choice(choices)

    def literal(self):
        rng = self.rng
        return rng.choice([
            ('nil', None), ('"/api/pay"', ('string', '/api/pay')), ('"op1"', ('string', 'op1')), ('500', ('int', 500)),
            ('200', ('int', 200)), ('true', ('bool', True)), ('1.5', ('double', 1.5)), ('"Server"', ('string', 'Server')),
            ('STATUS_CODE_ERROR', ('int', 2)), ('SPAN_KIND_CLIENT', ('int', 3)), ('500000000', ('int', 500000000)),
            ('"warn"', ('string', 'warn')), ('"\\x61cme"', ('string', 'acme'))])

    @staticmethod
    def compare(a, b, op):
        if a is None and b is None:
            order = 0
        elif a is None or b is None:
            return op == '!='
        elif {a[0], b[0]} <= {'int', 'double'}:
            order = (a[1] > b[1]) - (a[1] < b[1])
        elif a[0] == b[0] and a[0] in ('string', 'bool'):
            x, y = (v[1].encode() if v[0] == 'string' else v[1] for v in (a, b))
            order = (x > y) - (x < y)
        else:
            return op == '!='
        return {'==': order == 0, '!=': order != 0, '<': order < 0, '<=': order <= 0, '>': order > 0, '>=': order >= 0}[op]

    def as_text(self, value):
        if value is None or value[0] in ('array', 'kvlist'):
            return None
        kind, v = value
        if kind == 'bool':
            return 'true' if v else 'false'
        if kind == 'double':
            return repr(v).removesuffix('.0')
        return str(v)

    def condition(self, event, depth):
        rng = self.rng
        shape = rng.randrange(8)
        if depth > 0 and shape < 3:
            (a, fa), (b, fb) = self.condition(event, depth - 1), self.condition(event, depth - 1)
            if shape == 0:
                return f'not ({a})', lambda *x: not fa(*x)
            word = ('and', 'or')[shape - 1]
            if word == 'and':
                return f'({a}) and ({b})', lambda *x: fa(*x) and fb(*x)
            return f'({a}) or ({b})', lambda *x: fa(*x) or fb(*x)
        text, get = self.value(event)
        if shape == 3:
            pattern = rng.choice(['^/api', 'p', '^[a-z]+$', '5..', '(?i)ACME', 'x|true'])
            def matches(*x):
                import re
                found = self.as_text(get(*x))
                return found is not None and re.search(pattern, found) is not None
            simple = [(t, g) for t, g in [(text, get)] if 'tags' not in t and 'detail' not in t]
            if simple:
                return f'IsMatch({text}, "{pattern}")', matches
        if shape == 4:
            return f'IsString({text})', lambda *x: (get(*x) or ('',))[0] == 'string'
        if shape == 5 and not event:
            return 'IsRootSpan()', lambda s, e, n: s.is_root
        literal, meant = self.literal()
        op = rng.choice(['==', '==', '!=', '<', '<=', '>', '>='])
        return f'{text} {op} {literal}', lambda *x: self.compare(get(*x), meant, op)

    def make(self, event):
        text, meaning = self.condition(event, 2)
        # The same text may mean another thing of an event.
        self.meanings[text, event] = meaning if event else lambda span: meaning(span, None, None)
        return text


# ---- configurations


class Configs:
    def __init__(self, rng, conditions):
        self.rng, self.conditions, self.names = rng, conditions, 0

    def policy(self, depth, minor, limits=True):
        rng = self.rng
        kinds = ['latency', 'numeric_attribute', 'probabilistic', 'probabilistic', 'status_code', 'string_attribute',
                 'boolean_attribute', 'trace_state', 'trace_flags', 'span_count', 'ottl_condition', 'always_sample']
        if limits:
            kinds += ['rate_limiting', 'bytes_limiting']
        if depth > 0:
            kinds += ['and', 'and'] + (['not'] if minor >= 154 else [])
        if depth == 2:  # at the top only
            kinds += ['composite', 'drop']
        kind = rng.choice(kinds)
        if kind == 'always_sample' and rng.random() < 0.7:
            kind = 'status_code'
        self.names += 1
        policy = {'name': f'{kind}-{self.names}', 'type': kind}
        options = getattr(self, kind)(depth, minor)
        if options is not None:
            policy[kind] = options
        return policy

    def children(self, depth, minor, most=3):
        return [self.policy(depth - 1, minor) for _ in range(self.rng.randrange(1, most + 1))]

    def always_sample(self, depth, minor):
        return None

    trace_flags = always_sample

    def latency(self, depth, minor):
        low = self.rng.choice([0, 500, 1000, 1500])
        return {'threshold_ms': low, **({'upper_threshold_ms': low + 700} if self.rng.random() < 0.4 else {})}

    def numeric_attribute(self, depth, minor):
        rng = self.rng
        return {'key': rng.choice(['http.status_code', 'tenant', 'nothing']), 'min_value': rng.choice([0, 400, 500]),
                'max_value': rng.choice([0, 499, 599]), **({'invert_match': True} if rng.random() < 0.2 else {})}

    def probabilistic(self, depth, minor):
        rng = self.rng
        return {'sampling_percentage': rng.choice([5, 25, 50, 0, 100, 33.3]),
                **({'hash_salt': rng.choice(['one', 'two'])} if rng.random() < 0.4 else {})}

    def status_code(self, depth, minor):
        return {'status_codes': self.rng.sample(['OK', 'ERROR', 'UNSET'], self.rng.choice([1, 1, 2]))}

    def string_attribute(self, depth, minor):
        rng = self.rng
        regex = rng.random() < 0.5
        values = [rng.choice(['^/api', 'health$', 'c.*e', '^$', 'prod|test'] if regex else ['/api/pay', 'acme', 'prod', '', '/'])
                  for _ in range(rng.randrange(1, 3))]
        return {'key': rng.choice(['http.route', 'tenant', 'env', 'nothing']), 'values': values,
                'enabled_regex_matching': regex, **({'invert_match': True} if rng.random() < 0.2 else {})}

    def boolean_attribute(self, depth, minor):
        return {'key': self.rng.choice(['retry', 'tenant']), 'value': self.rng.random() < 0.5,
                **({'invert_match': True} if self.rng.random() < 0.2 else {})}

    def trace_state(self, depth, minor):
        return {'key': self.rng.choice(['vendor', 'ot']), 'values': self.rng.choice([['a'], ['b', 'th:8']])}

    def rate_limiting(self, depth, minor):
        return {'spans_per_second': self.rng.choice([3, 10, 40]),
                **({'burst_capacity': self.rng.choice([5, 30])} if self.rng.random() < 0.3 else {})}

    def bytes_limiting(self, depth, minor):
        return {'bytes_per_second': self.rng.choice([500, 3000]),
                **({'burst_capacity': 1500} if self.rng.random() < 0.3 else {})}

    def span_count(self, depth, minor):
        low = self.rng.choice([0, 2, 5])
        return {'min_spans': low, **({'max_spans': low + 3} if self.rng.random() < 0.5 else {})}

    def ottl_condition(self, depth, minor):
        rng = self.rng
        options = {'error_mode': rng.choice(['propagate', 'ignore', 'silent']),
                   'span': [self.conditions.make(False) for _ in range(rng.randrange(1, 3))]}
        if rng.random() < 0.4:
            options['spanevent'] = [self.conditions.make(True)]
        return options

    def drop(self, depth, minor):
        return {'drop_sub_policy': self.children(depth, minor)}

    def composite(self, depth, minor):
        rng = self.rng
        children = self.children(depth, minor)
        allocation = [{'policy': c['name'], 'percent': rng.choice([50, 25, 0])} for c in children if rng.random() < 0.8]
        return {'max_total_spans_per_second': rng.choice([10, 40, 1000]), 'policy_order': [c['name'] for c in children],
                'composite_sub_policy': children, 'rate_allocation': allocation}

    def tail(self, minor):
        config = {'policies': [self.policy(2, minor) for _ in range(self.rng.randrange(1, 6))]}
        if self.rng.random() < 0.2:
            config['sample_on_first_match'] = True
        return config

    def spans(self):
        rng = self.rng
        return {'sampling_percentage': rng.choice([50, 10, 0.5, 150, 33.3, 99, 0]), 'mode': rng.choice(['hash_seed', 'proportional', 'equalizing']),
                **({'hash_seed': rng.choice([22, 3])} if rng.random() < 0.5 else {}),
                **({'sampling_precision': rng.choice([1, 4, 6, 14])} if rng.random() < 0.5 else {}),
                **({'fail_closed': False} if rng.random() < 0.4 else {})}


setattr(Configs, 'and', lambda self, depth, minor: {'and_sub_policy': self.children(depth, minor)})
setattr(Configs, 'not', lambda self, depth, minor: {'not_sub_policy': self.policy(depth - 1, minor)})


# ---- what is expected


def expect_all(traces, stage, decide):
    """`decide` gives (kept, policy, probability) of a trace; asked in the order of their ends."""
    expected = {}
    for trace in sorted(traces, key=lambda t: (t.end, t.trace_id)):
        kept, policy, probability = decide(trace)
        expected[trace.trace_id] = ('unknown' if kept is None else 'keep' if kept else 'drop', policy, None, stage, probability, len(trace.spans) if kept else 0)
    return expected


def ratio_sampler(rng, traces):
    sdk, ratio = rng.choice(['go', 'rust', 'go1.11', 'python', 'java', 'dotnet', 'js']), rng.choice([0.1, 0.5, 0.9, 1, 0])
    config = {'file_format': '1.1', 'tracer_provider': {'sampler': {'parent_based': {'root': {'trace_id_ratio_based': {'ratio': ratio}}}}}}
    return config, f'sdk={sdk}', expect_all(traces, 'head', lambda t: (model.sdk_keeps(sdk, t.trace_id, ratio), 'trace_id_ratio_based', ratio))


def root_randomness(trace):
    th, rv = model.ot_fields((trace.root or trace.spans[0]).trace_state)
    return rv if isinstance(rv, int) else model.randomness(trace.trace_id)


def probability_sampler(rng, traces):
    ratio = rng.choice([0.1, 0.5, 0.25, 0.9])
    t = model.threshold(ratio, 4)
    config = {'file_format': '1.1', 'tracer_provider': {'sampler': {'probability/development': {'ratio': ratio}}}}
    return config, None, expect_all(traces, 'head', lambda trace: (root_randomness(trace) >= t, 'probability', model.kept_by(t)))


def jaeger_strategies(rng, traces):
    shares = {service: rng.choice([0, 0.3, 0.7, 1]) for service in ('', 'shop', 'cart')}
    operations = {'shop': {f'op{i}': rng.choice([0, 0.5, 1]) for i in range(2)}}
    limit = rng.choice([None, 1, 3])
    bucket = model.Bucket(limit, max(limit, 1)) if limit else None
    config = {'default_strategy': {'type': 'probabilistic', 'param': shares['']}, 'service_strategies': [
        {'service': service, 'type': 'probabilistic', 'param': shares[service],
         'operation_strategies': [{'operation': o, 'type': 'probabilistic', 'param': p} for o, p in operations.get(service, {}).items()]}
        for service in ('shop', 'cart')]}
    if limit:
        config['service_strategies'].append({'service': 'pay', 'type': 'ratelimiting', 'param': limit})

    def decide(trace):
        service = model.service_of(trace.root) if trace.root else ''
        name = trace.root.raw.get('name', '') if trace.root else ''
        if limit and service == 'pay':
            return bucket.take(trace.end, 1), 'pay', None
        service = service if service in shares else ''
        probability = operations.get(service, {}).get(name, shares[service])
        policy = name if name in operations.get(service, {}) else service or 'probabilistic'
        return model.jaeger_keeps(trace.trace_id, probability), policy, probability

    return config, None, expect_all(traces, 'head', decide)


def xray_rules(rng, traces):
    """Traces whose root is stored; the others are asked about nothing."""
    rules = []
    for number in range(3):
        rules.append({'RuleName': f'rule {number}', 'Priority': 9 - number, 'FixedRate': rng.choice([0, 0.3, 1]), 'ReservoirSize': rng.choice([0, 0, 2]),
                      'ServiceName': rng.choice(['*', 'SH?P', 'c*']), 'ServiceType': '*', 'Host': '*', 'HTTPMethod': '*', 'URLPath': '*', 'ResourceARN': '*',
                      'Version': 1, 'Attributes': rng.choice([{}, {'tenant': 'a*e'}, {'http.route': '/api/*'}])})
    rules.append({**rules[0], 'RuleName': 'Default', 'Priority': 10000, 'ServiceName': '*', 'Attributes': {}})
    used = {}

    def wild(pattern, value):
        import fnmatch
        return fnmatch.fnmatchcase(value.lower(), pattern.lower())

    def text_of(value):
        return Conditions.as_text(None, value) or ''

    def decide(trace):
        if trace.root is None:
            return None, None, None
        for rule in sorted(rules, key=lambda r: r['Priority']):
            if not wild(rule['ServiceName'], model.service_of(trace.root)):
                continue
            if not all(wild(pattern, text_of(trace.root.get(key))) for key, pattern in rule['Attributes'].items()):
                continue
            kept, probability = model.sdk_keeps('go', trace.trace_id, rule['FixedRate']), rule['FixedRate']
            if rule['ReservoirSize']:
                key = rule['RuleName'], trace.end // SECOND
                kept |= used.setdefault(key, 0) < rule['ReservoirSize']
                if used[key] < rule['ReservoirSize']:
                    used[key] += 1
                probability = 1 if probability == 1 else None
            return kept, rule['RuleName'], probability
        raise AssertionError

    config = {'SamplingRuleRecords': [{'SamplingRule': rule} for rule in rules]}
    return config, None, expect_all(traces, 'head', decide)


def refinery_rules(rng, traces):
    def condition():
        prefix = rng.choice(['', '', 'root.'])
        return rng.choice([
            {'Field': prefix + 'http.status_code', 'Operator': rng.choice(['>=', '<', '=', '!=']), 'Value': 404, **rng.choice([{}, {'Datatype': 'int'}])},
            {'Field': prefix + 'name', 'Operator': rng.choice(['=', '!=', 'starts-with', 'contains', 'does-not-contain']), 'Value': rng.choice(['op1', 'op', '1'])},
            {'Fields': [prefix + 'tenant', prefix + 'env'], 'Operator': rng.choice(['exists', 'not-exists'])},
            {'Field': prefix + 'tenant', 'Operator': rng.choice(['in', 'not-in']), 'Value': ['acme', 'umbrella'], 'Datatype': 'string'},
            {'Field': 'duration_ms', 'Operator': '>', 'Value': 1500.5},
            {'Field': 'error', 'Operator': '=', 'Value': True},
            {'Operator': 'has-root-span', 'Value': rng.random() < 0.5}])

    rules = []
    for number in range(rng.randrange(1, 5)):
        scope = rng.choice([{}, {'Scope': 'span'}, {'Scope': 'trace'}])
        rules.append({'Name': f'rule {number}', 'Conditions': [condition() for _ in range(rng.randrange(1, 3))], **scope,
                      **rng.choice([{'Drop': True}, {'SampleRate': 1}, {'SampleRate': 3}])})
    sampler = rng.choice([{'RulesBasedSampler': {'Rules': rules}}] * 4 + [{'DeterministicSampler': {'SampleRate': 4}}])
    config = {'RulesVersion': 2, 'Samplers': {'__default__': sampler}}
    return config, None, expect_all(traces, 'tail', model.Refinery(sampler).decide)


def close(a, b):
    if a is None or b is None:
        return a is b
    return abs(a - b) <= 1e-9 * max(1, abs(a), abs(b))


def expect_tail(config, minor, traces, meanings):
    tail = model.Tail(config, minor, meanings)
    expected = {}
    for trace in sorted(traces, key=lambda t: (t.end, t.trace_id)):
        kept, policy, sub_policy = tail.final(trace)
        expected[trace.trace_id] = ('keep' if kept else 'drop', policy, sub_policy, 'tail', tail.probability(trace),
                                    len(trace.spans) if kept else 0)
    return expected


def expect_spans(options, traces):
    expected = {}
    for trace in traces:
        results = [model.span_sampler(options, s) for s in trace.spans]
        kept = [result for result in results if result[0]]
        asked = [t for _, t, _ in results if t is not None]
        if kept:
            probability = None if any(unknown for _, _, unknown in kept) else model.kept_by(max(t for _, t, _ in kept))
        else:
            probability = model.kept_by(min(asked)) if asked else 0.0
        expected[trace.trace_id] = ('keep' if kept else 'drop', 'probabilistic_sampler', None, 'collector', probability, len(kept))
    return expected


def check(db, config, semantics, expected, traces, what):
    sql = ('SELECT trace_id, decision, policy, sub_policy, stage, probability, spans_kept, adjusted_count, span_count, bytes,'
           ' duration_ns, has_error, start_ns FROM sampling_replay(?, ?)')
    text = json.dumps(config)
    try:
        rows = db.execute(sql, (text, semantics)).fetchall()
    except sqlite3.OperationalError as error:
        if 'libssl-dev' in str(error) or 'libpcre2-dev' in str(error):  # built without: says which
            return []
        raise
    if len(rows) != len(traces):
        fail(f'{what}: {len(rows)} rows, expected {len(traces)}')
    sizes = {t.trace_id: t for t in traces}
    for trace_id, *found in rows:
        id_bytes = bytes.fromhex(trace_id)
        wanted, trace = expected[id_bytes], sizes[id_bytes]
        same = tuple(found[:4]) == wanted[:4] and close(found[4], wanted[4]) and found[5] == wanted[5]
        weight = 1 / wanted[4] if wanted[4] and wanted[0] == 'keep' else None
        if not same or not close(found[6], weight):
            fail(f'{what} {semantics}: {trace_id} {found}, expected {wanted} in {text}')
            return rows
        facts = (len(trace.spans), trace.size, trace.end - trace.start, int(any(s.status == 2 for s in trace.spans)), trace.start)
        if tuple(found[7:]) != facts:
            fail(f'{what}: {trace_id} {found[7:]}, expected {facts}')
            return rows
    # One trace asked for by its id is decided as among all.
    trace_id, *found = rows[len(rows) // 2]
    if db.execute(sql + ' WHERE trace_id = ?', (text, semantics, trace_id)).fetchall() != [(trace_id, *found)]:
        fail(f'{what}: {trace_id} alone is decided differently in {text}')
    return rows


# ---- running

KINDS = ('unspecified', 'internal', 'server', 'client', 'producer', 'consumer')


def place_keys(span):
    return [(span.trace_id.hex(), span.raw['spanId'], KINDS[span.kind])]


def make_store(arguments, folder, rng):
    dumps = [os.path.expandvars(path) for path in arguments.dumps]
    if not all(os.path.exists(path) for path in dumps):
        print('a dump is not there')
        sys.exit(77)
    store = f'{folder}/store.db'
    if not dumps:
        first, late = make_traces(rng, 150)
        dumps = []
        for name, documents in (('first', first), ('late', late)):
            path = pathlib.Path(folder, f'{name}.jsonl')
            path.write_text('\n'.join(documents) + '\n', encoding='utf-8')
            dumps.append(str(path))
    for dump in dumps:
        extra = ['--spans-per-segment', str(arguments.spans_per_segment)] if arguments.spans_per_segment else []
        subprocess.run([arguments.tracekeep, 'ingest', '-q', *extra, store, dump], check=True)
    return store


def open_store(arguments, store):
    db = sqlite3.connect(store)
    db.enable_load_extension(True)
    db.load_extension(arguments.extension)
    return db


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('tracekeep')
    parser.add_argument('extension')
    parser.add_argument('dumps', nargs='*')
    parser.add_argument('--configs', type=int, default=120)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--spans-per-segment', type=int)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    decided = set()
    with tempfile.TemporaryDirectory() as folder:
        store = make_store(arguments, folder, rng)
        exported = subprocess.run([arguments.tracekeep, 'export', store], check=True, capture_output=True, text=True).stdout
        traces = [model.Trace(t, spans) for t, spans in model.read_traces(exported.splitlines()).items()]
        assert len(traces) > 10, 'too few traces to say anything'
        db = open_store(arguments, store)
        # Where a condition fails, the order of spans counts: it is the stored one.
        place = {row: i for i, row in enumerate(db.execute('SELECT trace_id, span_id, kind FROM spans ORDER BY rowid'))}
        for trace in traces:
            trace.spans.sort(key=lambda s: min(place[k] for k in place_keys(s) if k in place))
        split = db.execute('SELECT count(*) FROM traces WHERE segment_count > 1').fetchone()[0]
        conditions = Conditions(rng, may_fail=split == 0)
        configs = Configs(rng, conditions)
        for number in range(arguments.configs):
            if number % 10 == 8:
                make = rng.choice([ratio_sampler, probability_sampler, jaeger_strategies, jaeger_strategies, refinery_rules, refinery_rules, xray_rules, xray_rules])
                config, semantics, expected = make(rng, traces)
            elif number % 5 == 4:
                options = configs.spans()
                expected, semantics = expect_spans(options, traces), None
                config = {'processors': {'probabilistic_sampler': options}}
            else:
                minor = rng.choice([100, 150, 153, 154, 156, 157])
                tail = configs.tail(minor)
                expected, semantics = expect_tail(tail, minor, traces, conditions.meanings), f'v0.{minor}'
                config = {'processors': {'tail_sampling': tail}}
            rows = check(db, config, semantics, expected, traces, f'configuration {number}')
            decided.update(row[1] for row in rows)
            if len(failures) > 5:
                break
        db.close()
    assert decided >= {'keep', 'drop'}, decided
    print(f'{len(traces)} traces ({split} split), {arguments.configs} configurations, seed {arguments.seed}: '
          f'{len(failures)} failures')
    sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main()
