#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""span_metrics, latency_histogram, service_graph, span_relations, ancestors and descendants against a
plain table of the same spans and what the documentation says of them, written down a second time.

    metrics_oracle.py TRACEKEEP EXTENSION [--queries N] [--seed N] [--spans-per-segment N] [DUMP...]

Without dumps: those of make_adversarial.py, and calls between services made here.
"""
import argparse
import bisect
import collections
import json
import pathlib
import random
import sqlite3
import subprocess
import sys
import tempfile

from differential import GROUP_COLUMNS, ID_COLUMNS, Data, find_parent, literal, normal, quote

HERE = pathlib.Path(__file__).parent
JSON_COLUMNS = ('attributes', 'resource', 'events', 'links', 'scope', 'adjusted_count', 'adjusted_count_source')
QUANTILES = {'p50': 0.5, 'p90': 0.9, 'p95': 0.95, 'p99': 0.99}
failures = []


def fail(text):
    failures.append(text)
    print('#', text[:1500])


# ---- calls between services, as a dump


def make_calls(path, late, rng):
    services = ['shop', 'cart', 'pay', 'mail', None]
    keys = {'peer.service': ['bank', 'cart', ''], 'server.address': ['db1', ''], 'network.peer.address': ['10.0.0.1'],
            'network.peer.port': [5432, '80'], 'db.system': ['mysql', 5], 'db.name': ['orders', ''],
            'db.namespace': ['n'], 'db.system.name': ['postgresql']}
    traces = []
    for _ in range(250):
        trace, spans = f'{rng.getrandbits(128):032x}', []
        for i in range(rng.choice([1, 2, 4, 9, 20])):
            above = rng.choice(spans) if spans and rng.random() < 0.93 else None
            start = 1767225600000000000 + rng.randrange(3600) * 10**9
            kind = rng.choice([1, 2, 2, 3, 3, 4, 5])
            if above and above['kind'] in (3, 4) and rng.random() < 0.7:
                kind = above['kind'] - 1 if above['kind'] == 3 else 5
            span = {'traceId': trace, 'spanId': f'{rng.getrandbits(64):016x}', 'name': f'op{rng.randrange(5)}', 'kind': kind,
                    'startTimeUnixNano': str(start), 'endTimeUnixNano': str(start + rng.randrange(10**9)),
                    'status': {'code': rng.choice([0, 0, 1, 2])}, 'attributes': []}
            if above:
                span['parentSpanId'] = above['spanId']
            elif rng.random() < 0.1:
                span['parentSpanId'] = f'{rng.getrandbits(64):016x}'
            if above and above['kind'] == 3 and kind == 2 and rng.random() < 0.2:  # Zipkin's way
                span['spanId'] = above['spanId']
                span.pop('parentSpanId')
                if 'parentSpanId' in above:
                    span['parentSpanId'] = above['parentSpanId']
            for key, values in keys.items():
                if rng.random() < 0.12:
                    value = rng.choice(values)
                    span['attributes'].append({'key': key, 'value': {'stringValue': value} if isinstance(value, str)
                                               else {'intValue': str(value)}})
            span['service'] = rng.choice(services)
            spans.append(span)
        traces.append(spans)
    everything = [span for spans in traces for span in spans]
    split = [rng.random() < 0.3 for _ in everything]
    for target, wanted in ((path, False), (late, True)):
        with open(target, 'w', encoding='utf-8') as out:
            for span, is_late in zip(everything, split):
                if is_late != wanted:
                    continue
                service = span['service']
                attributes = [{'key': 'service.name', 'value': {'stringValue': service}}] if service else []
                body = {key: value for key, value in span.items() if key != 'service'}
                out.write(json.dumps({'resourceSpans': [{'resource': {'attributes': attributes}, 'scopeSpans': [
                    {'spans': [body]}]}]}) + '\n')


# ---- conditions


class Conditions:
    """Comparisons that may stand on a column of spans, with the values of a plain table."""

    def __init__(self, data, rng):
        self.data, self.rng = data, rng
        names = [n for n in data.columns if n not in JSON_COLUMNS]
        self.types = dict(data.db.execute("SELECT name, type FROM pragma_table_xinfo('spans')"))
        self.columns = names
        self.real = {n for n in names if any(isinstance(v, float) for v in data.values[n])}

    def term(self, prefix=''):
        rng = self.rng
        column = rng.choice(('service', 'kind', 'status', 'name', 'start_ns', 'duration_ns')) if rng.random() < 0.5 \
            else rng.choice(self.columns)
        value = lambda: literal(self.data.value(column))
        name = quote(prefix + column)
        if column in ID_COLUMNS:
            if column == 'parent_span_id' and rng.random() < 0.5:
                return column, '{C} IS NULL'.replace('{C}', name)
            found = [v for v in (self.data.rng.choice(self.data.values[column]) for _ in range(3)) if v is not None]
            items = ','.join(literal(v) for v in found) or "'x'"
            return column, f'{name} IN ({items})'
        shape = rng.randrange(10)
        if shape < 4:
            return column, f'{name} {rng.choice(["=", "=", "<>", "<", "<=", ">", ">="])} {value()}'
        if shape == 4:
            return column, f'{name} IS {rng.choice(["", "NOT "])}{value()}'
        if shape == 5:
            return column, f'{name} IS {rng.choice(["", "NOT "])}NULL'
        if shape == 6 and self.types[column] != 'INTEGER' and column != 'started_at' and column not in self.real:
            text = str(self.data.value(column))[:20]
            at = rng.randrange(len(text) + 1)
            pattern = rng.choice([text[:at] + '%', '%' + text[at:], '%' + text[at:at + 3] + '%', text.upper()])
            return column, f'{name} LIKE {literal(pattern)}'
        if shape == 7:
            return column, f'{name} BETWEEN {value()} AND {value()}'
        return column, f'{name} IN ({",".join(value() for _ in range(rng.randrange(1, 5)))})'

    def where(self, most=3):
        """Each column of trace ids at most once."""
        terms, seen = [], set()
        for _ in range(self.rng.randrange(most + 1)):
            column, text = self.term()
            if column == 'trace_id' and column in seen:
                continue
            seen.add(column)
            terms.append(text)
        return ' WHERE ' + ' AND '.join(terms) if terms else ''


# ---- metrics


def quantile(values, q):
    position = q * (len(values) - 1)
    low = int(position)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (position - low), max(abs(values[low]), abs(values[high]))


def bucket_of(start, size):
    if not size:
        return None
    start %= 1 << 64
    start -= start % size
    return start - (1 << 64) if start >= 1 << 63 else start


def groups_of(db, columns, bucket, where):
    """Lists of (duration, status) by the values of columns and the bucket."""
    names = ''.join(quote(c) + ',' for c in columns)
    groups = collections.defaultdict(list)
    for *key, start, duration, status in db.execute(f'SELECT {names} start_ns, duration_ns, status FROM plain{where}'):
        groups[tuple(normal(v) for v in key) + (bucket_of(start, bucket),)].append((duration, status))
    return groups


def pick_groups(conditions):
    rng = conditions.rng
    columns = []
    for _ in range(rng.choice([0, 1, 1, 2, 2, 3])):
        column = rng.choice(GROUP_COLUMNS) if rng.random() < 0.7 else rng.choice(conditions.columns)
        if column not in ID_COLUMNS and column not in columns:
            columns.append(column)
    text = ', '.join(quote(c) if rng.random() < 0.5 or ',' in c or '"' in c else c for c in columns)
    bucket, size = rng.choice([(None, None)] * 2 + [('1m', 60 * 10**9), (3600 * 10**9, 3600 * 10**9), ('1d', 86400 * 10**9)])
    return columns, text, bucket, size


def close(a, b, scale):
    return a is not None and b is not None and abs(a - b) <= 1e-9 * max(abs(scale), 1)


def check_metrics(db, conditions):
    columns, text, bucket, size = pick_groups(conditions)
    where = conditions.where()
    names = ''.join(quote(c) + ',' for c in columns)
    computed = ('count, errors, sum_ns, min_ns, max_ns, avg_ns, ' + ', '.join(f'{q}_ns' for q in QUANTILES) + ', '
                + ', '.join(f'{q}_approx_ns' for q in QUANTILES))
    sql = f'SELECT {names} bucket_ns, {computed} FROM span_metrics(?, ?){where}'
    width = len(columns) + 1
    found = {}
    for row in db.execute(sql, (text, bucket)):
        key = tuple(normal(v) for v in row[:width])
        if key in found:
            fail(f'{sql} {text!r}: the group {key} twice')
        found[key] = row[width:]
    expected = groups_of(db, columns, size, where)
    if set(found) != set(expected):
        fail(f'{sql} {text!r} {bucket}: {len(found)} groups, expected {len(expected)}: '
             f'{list(set(found) ^ set(expected))[:3]}')
        return
    for key, spans in expected.items():
        durations = sorted(d for d, _ in spans)
        count, errors, total, low, high, mean, *quantiles = found[key]
        exact = (len(spans), sum(s == 'error' for _, s in spans), sum(durations), durations[0], durations[-1])
        if (count, errors, total, low, high) != exact or not close(mean, sum(durations) / len(spans), mean):
            fail(f'{sql} {text!r} {bucket} {key}: {found[key][:6]}, expected {exact}')
        for i, q in enumerate(QUANTILES.values()):
            wanted, scale = quantile(durations, q)
            if not close(quantiles[i], wanted, scale):
                fail(f'{sql} {text!r} {key}: quantile {q} is {quantiles[i]}, expected {wanted}')
            if abs(quantiles[4 + i] - wanted) > 0.01 * scale:
                fail(f'{sql} {text!r} {key}: quantile {q} is about {quantiles[4 + i]}, expected {wanted}')
    few = conditions.rng.sample(['count', 'errors', 'p99_ns', 'p50_approx_ns', 'p90_ns', 'max_ns'], 2)
    again = db.execute(f'SELECT {",".join(few)} FROM span_metrics(?, ?){where}', (text, bucket)).fetchall()
    whole = db.execute(f'SELECT {computed} FROM span_metrics(?, ?){where}', (text, bucket))
    names = [d[0] for d in whole.description]
    if again != [tuple(row[names.index(n)] for n in few) for row in whole]:
        fail(f'{sql} {text!r}: {few} differ when read alone')


def check_order(db, conditions):
    """Groups in an order that the table may take over, against SQLite's own sorting and grouping."""
    rng = conditions.rng
    columns, text, bucket, _ = pick_groups(conditions)
    where = conditions.where()
    table = f"{rng.choice(['span_metrics(%s, %s)', 'latency_histogram(%s, NULL, %s)'])}" % (literal(text), literal(bucket))
    keys = [quote(c) for c in columns] + ['bucket_ns']
    terms = [(key, rng.choice(['', ' DESC'])) for key in rng.sample(keys, rng.randrange(1, len(keys) + 1))]
    shown = ', '.join(key for key, _ in terms)
    pushed = ', '.join(key + way for key, way in terms)
    sorted_by_sqlite = ', '.join(f'+{key}{way}' for key, way in terms)
    first = db.execute(f'SELECT {shown} FROM {table}{where} ORDER BY {pushed}').fetchall()
    if first != db.execute(f'SELECT {shown} FROM {table}{where} ORDER BY {sorted_by_sqlite}').fetchall():
        fail(f'{table}{where} ORDER BY {pushed}: not in order')
    sums = collections.Counter()
    for *key, count in db.execute(f'SELECT {shown}, count FROM {table}{where}'):
        sums[tuple(key)] += count
    distinct = db.execute(f'SELECT DISTINCT {shown} FROM {table}{where}').fetchall()
    if sorted(map(repr, distinct)) != sorted(map(repr, sums)):
        fail(f'SELECT DISTINCT {shown} FROM {table}{where}: {len(distinct)} rows, expected {len(sums)}')
    grouped = {tuple(key): count for *key, count in
               db.execute(f'SELECT {shown}, sum(count) FROM {table}{where} GROUP BY {shown}')}
    if grouped != sums:
        fail(f'{table}{where} GROUP BY {shown}: {list(set(grouped.items()) ^ set(sums.items()))[:3]}')


def bins_of(bounds):
    if bounds is None:
        return [(None, 0), (0, 1)] + [(1 << i, 1 << i + 1 if i < 62 else None) for i in range(63)]
    return list(zip([None] + bounds, bounds + [None]))


def check_histogram(db, conditions):
    columns, text, bucket, size = pick_groups(conditions)
    where = conditions.where()
    names = ''.join(quote(c) + ',' for c in columns)
    spec, bounds = conditions.rng.choice([(None, None), ('log2', None), ('1us, 5ms,10ms,1s', [1000, 5000000, 10000000, 10**9]),
                                          ('0s', [0]), ('-1s,1ms', [-10**9, 10**6])])
    sql = f'SELECT {names} bucket_ns, lower_ns, upper_ns, count, cumulative_count FROM latency_histogram(?, ?, ?){where}'
    found = collections.Counter()
    for row in db.execute(sql, (text, spec, bucket)):
        found[tuple(normal(v) for v in row)] += 1
    expected = collections.Counter()
    bins = bins_of(bounds)
    for key, spans in groups_of(db, columns, size, where).items():
        counts = [0] * len(bins)
        for duration, _ in spans:
            if bounds is None:
                counts[0 if duration < 0 else 1 if duration == 0 else duration.bit_length() + 1] += 1
            else:
                counts[bisect.bisect_left(bounds, duration)] += 1
        total = 0
        for (low, high), count in zip(bins, counts):
            total += count
            if count or bounds is not None:
                expected[key + (low, high, count, total)] += 1
    if found != expected:
        fail(f'{sql} {text!r} {spec} {bucket}: missing {list((expected - found))[:3]}, extra {list((found - expected))[:3]}')


# ---- trees


class Span:
    pass


def load_traces(db):
    columns = {name for name, in db.execute("SELECT name FROM pragma_table_xinfo('spans')")}
    keys = ['peer.service', 'server.address', 'network.peer.address', 'network.peer.port', 'db.namespace', 'db.name',
            'db.system', 'db.system.name']
    found = ','.join(f'"span.{key}"' if f'span.{key}' in columns else 'NULL' for key in keys)
    traces = collections.defaultdict(list)
    for row in db.execute(f'SELECT rid, trace_id, span_id, parent_span_id, service, kind, status, start_ns, duration_ns, {found} '
                          'FROM plain'):
        span = Span()
        (span.rid, span.trace, span.id, span.parent_id, span.service, span.kind, span.status, span.start, span.duration) = row[:9]
        span.start_u = span.start % (1 << 64)
        span.keys = dict(zip(keys, row[9:]))
        traces[span.trace].append(span)
    for spans in traces.values():
        find_parents(spans)
    return traces


def find_parents(spans):
    numbers = {'unspecified': 0, 'internal': 1, 'server': 2, 'client': 3, 'producer': 4, 'consumer': 5}
    by_id, made = collections.defaultdict(list), {}
    for span in spans:
        kind = numbers[span.kind] if span.kind in numbers else int(span.kind)
        span.order = (span.start_u, span.id, kind)
        made[span.rid] = {'parent_span_id': span.parent_id, 'kind': span.kind, 'order': span.order, 'span': span}
        by_id[span.id].append(made[span.rid])
    for span in spans:
        above = find_parent(made[span.rid], by_id) if span.parent_id else None
        span.parent = above['span'] if above else None
    for span in spans:  # a cycle is entered at its earliest span
        seen, at = [], span
        while at and at not in seen:
            seen.append(at)
            at = at.parent
        if at:
            cycle = seen[seen.index(at):]
            min(cycle, key=lambda s: s.order).parent = None


def ancestors(span):
    above = []
    while span.parent:
        span = span.parent
        above.append(span)
    return above


# ---- the graph of services


def first_text(span, *keys):
    for key in keys:
        value = span.keys[key]
        if isinstance(value, str) and value:
            return value
    return None


def database_of(span):
    fallback = first_text(span, 'db.namespace', 'db.name', 'db.system', 'db.system.name')
    if not fallback:
        return None
    address, port = first_text(span, 'network.peer.address'), span.keys['network.peer.port']
    if address and port is not None and port != '' and isinstance(port, (str, int)):
        address = f'{address}:{port}'
    return first_text(span, 'peer.service', 'server.address') or address or fallback


def calls_by_parent(spans):
    for span in spans:
        above = span.parent
        if above and above.service is not None and span.service is not None and above.service != span.service:
            yield above.service, span.service, '', above, span


def calls_by_pairs(spans):
    clients = [s for s in spans if s.kind in ('client', 'producer') and s.service is not None]
    servers = [s for s in spans if s.kind in ('server', 'consumer') and s.service is not None]
    partner = {}
    for span in clients:
        if span.kind == 'client' and database_of(span):
            partner[span.rid] = 'database'
            yield span.service, database_of(span), 'database', span, None
    left = []
    for span in servers:
        above = span.parent
        if above and above in clients and partner.get(above.rid) != 'database':
            partner[above.rid] = partner[span.rid] = 'pair'
            yield pair(above, span)
        else:
            left.append(span)
    for span in sorted(left, key=lambda s: s.place):
        same = [c for c in sorted(clients, key=lambda s: s.place) if c.rid not in partner and c.id == span.id]
        if same:
            partner[same[0].rid] = partner[span.rid] = 'pair'
            yield pair(same[0], span)
    for span in servers:
        if span.rid not in partner:
            peer = None if span.parent_id else first_text(span, 'peer.service', 'db.name', 'db.system', 'db.system.name') or 'user'
            yield peer, span.service, 'virtual_node' if peer else 'unpaired', None, span
    for span in clients:
        if span.rid not in partner:
            peer = first_text(span, 'peer.service', 'db.name', 'db.system', 'db.system.name')
            yield span.service, peer, 'virtual_node' if peer else 'unpaired', span, None


def pair(client, server):
    messaging = client.kind == 'producer' or server.kind == 'consumer'
    return client.service, server.service, 'messaging_system' if messaging else '', client, server


def check_graph(db, traces, mode, since, until):
    edges = collections.defaultdict(list)
    for spans in traces.values():
        for client, server, kind, client_span, server_span in (calls_by_pairs if mode == 'pairs' else calls_by_parent)(spans):
            receiving = server_span or client_span
            if (since is None or receiving.start_u >= since) and (until is None or receiving.start_u < until):
                edges[client, server, kind].append((client_span, server_span))
    sql = ('SELECT client, server, connection_type, calls, failed, server_p50_ns, server_p95_ns, server_p99_ns, client_p50_ns,'
           ' client_p95_ns, client_p99_ns FROM service_graph(?, ?, ?)')
    found = {row[:3]: row[3:] for row in db.execute(sql, (mode, since, until))}
    if set(found) != set(edges):
        fail(f'service_graph({mode}, {since}, {until}): missing {list(set(edges) - set(found))[:4]}, '
             f'extra {list(set(found) - set(edges))[:4]}')
        return 0
    for edge, calls in edges.items():
        sides = [[s for _, s in calls if s], [c for c, _ in calls if c]]
        failed = sum(any(s and s.status == 'error' for s in ((c, s) if mode == 'pairs' else (s,))) for c, s in calls)
        if found[edge][:2] != (len(calls), failed):
            fail(f'service_graph({mode}): {edge}: {found[edge][:2]}, expected {(len(calls), failed)}')
        for side, begin in zip(sides, (2, 5)):
            durations = sorted(s.duration for s in side)
            for i, q in enumerate((0.5, 0.95, 0.99)):
                value = found[edge][begin + i]
                if not durations:
                    if value is not None:
                        fail(f'service_graph({mode}): {edge}: {value} of no spans')
                elif not close(value, *quantile(durations, q)):
                    fail(f'service_graph({mode}): {edge}: quantile {q} is {value}, expected {quantile(durations, q)[0]}')
    few = db.execute('SELECT calls FROM service_graph(?, ?, ?)', (mode, since, until)).fetchall()
    if sorted(few) != sorted((len(calls),) for calls in edges.values()):
        fail(f'service_graph({mode}): calls differ when read alone')
    return len(edges)


# ---- relations and lineage


def check_relations(db, conditions, traces):
    rng = conditions.rng
    relation = rng.choice(['child', 'descendant', None])
    sides, texts = {}, []
    for side in ('upper', 'lower'):
        terms = [conditions.term() for _ in range(rng.randrange(3))]
        plain = ' AND '.join(text for _, text in terms)
        sides[side] = {rid for rid, in db.execute('SELECT rid FROM plain' + (f' WHERE {plain}' if plain else ''))}
        texts += [quote(f'{side}_{column}') + text[len(quote(column)):] for column, text in terms]
    expected = collections.Counter()
    for spans in traces.values():
        for span in spans:
            if span.rid not in sides['lower']:
                continue
            above = ancestors(span)
            for distance, upper in enumerate(above[:1] if relation == 'child' else above, 1):
                if upper.rid in sides['upper']:
                    expected[span.trace, distance, upper.id, upper.kind, upper.start, span.id, span.kind, span.start,
                             span.service] += 1
    where = ' WHERE ' + ' AND '.join(texts) if texts else ''
    sql = ('SELECT trace_id, distance, upper_span_id, upper_kind, upper_start_ns, lower_span_id, lower_kind, lower_start_ns,'
           f' lower_service FROM span_relations(?){where}')
    found = collections.Counter(db.execute(sql, (relation,)).fetchall())
    if found != expected:
        fail(f'{sql} {relation}: {sum(found.values())} rows, expected {sum(expected.values())}: missing '
             f'{list(expected - found)[:2]}, extra {list(found - expected)[:2]}')
    return len(expected)


def check_lineage(db, traces, rng):
    rows = 0
    for trace in rng.sample(sorted(traces), min(len(traces), 40)):
        spans = traces[trace]
        span = rng.choice(spans)
        same = [s for s in spans if s.id == span.id]
        above, below = {}, {}
        for other in same:
            for distance, upper in enumerate(ancestors(other), 1):
                above.setdefault(upper.rid, upper)
        for other in spans:
            for distance, upper in enumerate(ancestors(other), 1):
                if upper in same:
                    below[other.rid] = (distance, other)
                    break
        found = db.execute('SELECT span_id, kind, start_ns, distance FROM ancestors(?, ?)', (trace, span.id.upper())).fetchall()
        if sorted(f[:3] for f in found) != sorted((s.id, s.kind, s.start) for s in above.values()):
            fail(f'ancestors({trace}, {span.id}): {found}')
        if len(same) == 1 and [f[0] for f in found] != [s.id for s in ancestors(span)]:
            fail(f'ancestors({trace}, {span.id}): not from the parent up')
        found = db.execute('SELECT span_id, kind, start_ns, distance FROM descendants(?, ?)', (trace, span.id)).fetchall()
        if sorted(found) != sorted((s.id, s.kind, s.start, d) for d, s in below.values()):
            fail(f'descendants({trace}, {span.id}): {found}')
        rows += len(above) + len(below)
    return rows


# ---- statements that must fail, and odd ones


def check_errors(db):
    for sql, text in (("SELECT * FROM span_metrics('nobody')", 'found "nobody"'),
                      ("SELECT * FROM span_metrics('service', 'soon')", ''),
                      ("SELECT * FROM span_metrics('service', 0)", 'bucket'),
                      ("SELECT * FROM span_metrics('service') WHERE name = 'x' COLLATE NOCASE", 'cannot choose spans'),
                      ("SELECT * FROM latency_histogram('service', '10ms, 5ms')", 'ascending'),
                      ("SELECT * FROM latency_histogram('service', '')", 'bounds'),
                      ("SELECT * FROM service_graph('sideways')", 'sideways'),
                      ("SELECT * FROM service_graph('pairs', 'yesterday')", 'nanoseconds'),
                      ("SELECT * FROM span_relations('cousin')", 'cousin'),
                      ("SELECT * FROM ancestors('x')", 'span id')):
        try:
            db.execute(sql).fetchall()
            fail(f'{sql}: no error')
        except sqlite3.OperationalError as error:
            if text not in str(error):
                fail(f'{sql}: {error}')


def check_joins(db):
    wanted = db.execute("SELECT service, kind, count(*) FROM plain WHERE service IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2").fetchall()
    for sql in ("SELECT s.service, m.kind, m.count FROM services s JOIN span_metrics('kind') m ON m.service = s.service"
                " ORDER BY 1, 2",
                "SELECT a.service, a.kind, b.count FROM span_metrics('service, kind') a JOIN span_metrics('service, kind') b"
                " ON a.service = b.service AND a.kind = b.kind ORDER BY 1, 2",
                "SELECT service, kind, count FROM span_metrics('service, kind') WHERE count > 0 AND service IS NOT NULL"
                " ORDER BY 1, 2"):
        found = db.execute(sql).fetchall()
        if found != wanted:
            fail(f'{sql}: {found[:3]}, expected {wanted[:3]}')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('tracekeep')
    parser.add_argument('extension')
    parser.add_argument('dumps', nargs='*')
    parser.add_argument('--queries', type=int, default=300)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--spans-per-segment', default='300')
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        store, dumps = f'{folder}/store.db', arguments.dumps
        if not dumps:
            dumps = [f'{folder}/first.jsonl', f'{folder}/calls.jsonl', f'{folder}/late.jsonl', f'{folder}/late_calls.jsonl']
            subprocess.run(['/usr/bin/python3', HERE / 'make_adversarial.py', dumps[0], dumps[2]], check=True)
            make_calls(dumps[1], dumps[3], rng)
        for dump in dumps:
            done = subprocess.run([arguments.tracekeep, 'ingest', '--spans-per-segment', arguments.spans_per_segment, store,
                                   dump], capture_output=True, text=True)
            assert done.returncode in (0, 1), done.stderr
        db = sqlite3.connect(store)
        db.enable_load_extension(True)
        db.load_extension(arguments.extension)
        db.text_factory = lambda raw: raw.decode('utf-8', 'surrogateescape')
        data = Data(db, rng)
        conditions, traces = Conditions(data, rng), load_traces(db)
        order = {rid: i for i, (rid,) in enumerate(db.execute('SELECT rid FROM plain'))}
        for spans in traces.values():
            tree = db.execute('SELECT span_id, kind, start_ns FROM trace_tree(?)', (spans[0].trace,)).fetchall()
            places = {key: i for i, key in enumerate(tree)}
            for span in spans:
                span.place = places.get((span.id, span.kind, span.start), order[span.rid])
        counted = collections.Counter()
        for mode in ('parent_child', 'pairs'):
            starts = sorted(s.start_u for spans in traces.values() for s in spans if s.start_u < 1 << 63)
            for since, until in ((None, None), (starts[len(starts) // 3], None), (starts[len(starts) // 4], starts[-5])):
                counted['edges'] += check_graph(db, traces, mode, since, until)
        counted['lineage'] += check_lineage(db, traces, rng)
        check_errors(db)
        check_joins(db)
        for _ in range(arguments.queries):
            if len(failures) > 10:
                break
            db.execute(f'PRAGMA case_sensitive_like = {rng.randrange(2)}')
            check_metrics(db, conditions)
            check_histogram(db, conditions)
            check_order(db, conditions)
            counted['pairs'] += check_relations(db, conditions, traces)
        split = db.execute('SELECT count(DISTINCT trace_id) FROM tk_split').fetchone()[0]
        print(f'{data.count} spans, {split} split traces, {dict(counted)}, {len(failures)} failures')
        assert counted['edges'] > 0 and counted['lineage'] > 0 and counted['pairs'] > 0, 'hardly anything was compared'
        db.close()
        return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
