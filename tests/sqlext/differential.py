#!/usr/bin/python3
"""Random queries must give the same answers on `spans` and on a plain table of the same rows.

    differential.py TRACEKEEP EXTENSION [--queries N] [--seed N] [--verbose] [DUMP...]

Without dumps: the ones make_adversarial.py makes. Column types and collations of the plain table are
those `spans` declares, so that SQLite compares by the same rules; everything else is up to us.
"""
import argparse
import pathlib
import random
import sqlite3
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
ID_COLUMNS = ('trace_id', 'span_id', 'parent_span_id')
GROUP_COLUMNS = ('trace_id', 'service', 'name', 'kind', 'status', 'scope_name', 'http_method', 'http_status', 'minute_ns', 'hour_ns',
                 'day_ns', 'http_route', 'db_system', 'is_root', 'depth', 'child_count', 'scope_version', 'flags',
                 'event_count', 'status_message', 'resource_id', 'segment_id', 'rpc_method', 'error_type')


def quote(name):
    return '"' + name.replace('"', '""') + '"'


def literal(value):
    if value is None:
        return 'NULL'
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'" if '\0' not in value else "''"
    if isinstance(value, float):
        return '9e999' if value == float('inf') else '-9e999' if value == float('-inf') else repr(value)
    return str(value) if value != -(1 << 63) else '(-9223372036854775807-1)'


def normal(value):
    """1 and 1.0 are equal in SQL: which of them stands for a group depends on the order of rows."""
    if isinstance(value, float) and abs(value) < 2**53 and value == int(value):
        return int(value)
    return value


def row_key(row):
    return tuple((str(type(v)), str(v)) for v in row)


class Data:
    def __init__(self, db, rng):
        self.db, self.rng = db, rng
        info = db.execute("SELECT name, type, hidden FROM pragma_table_xinfo('spans')").fetchall()
        self.columns = [name for name, _, _ in info]
        self.hidden = [name for name, _, hidden in info if hidden]
        assert len(self.hidden) > 3, 'no attribute columns'
        db.execute("ATTACH ':memory:' AS copy")
        collation = {name: ' COLLATE NOCASE' if name in ID_COLUMNS else '' for name in self.columns}
        declared = ','.join(f'{quote(n)} {"" if t == "BLOB" else t}{collation[n]}' for n, t, _ in info)
        db.execute(f'CREATE TABLE copy.plain(rid INTEGER PRIMARY KEY,{declared})')
        names = ','.join(quote(n) for n in self.columns)
        db.execute(f'INSERT INTO copy.plain SELECT rowid,{names} FROM spans')
        self.count = db.execute('SELECT count(*) FROM plain').fetchone()[0]
        assert self.count > 100, 'too few spans'
        self.values = {name: [row[0] for row in db.execute(
            f'SELECT DISTINCT {quote(name)} FROM plain ORDER BY random() LIMIT 60')] for name in self.columns}
        db.execute('CREATE TABLE copy.untyped(x)')
        db.execute('CREATE TABLE copy.integers(x INTEGER)')
        db.execute('CREATE TABLE copy.texts(x TEXT)')
        for _ in range(60):
            value = self.value(rng.choice(self.columns))
            for table in ('untyped', 'integers', 'texts'):
                db.execute(f'INSERT INTO copy.{table} VALUES (?)', (value,))

    def value(self, column):
        rng = self.rng
        found = rng.choice(self.values[column])
        chance = rng.random()
        if chance < 0.6 or found is None:
            return found
        if chance < 0.7:
            return rng.choice(self.values[rng.choice(self.columns)])
        if isinstance(found, int):
            near = [found + 1, found - 1, float(found), found + 0.5, str(found), -found, found * 2]
            found = rng.choice(near)
            return float(found) if isinstance(found, int) and not -(1 << 63) <= found < (1 << 63) else found
        if isinstance(found, str):
            cut = rng.randrange(len(found) + 1)
            return rng.choice([found.upper(), found.lower(), found[:cut], found + 'x', ' ' + found, found.encode(),
                               found.swapcase()])
        if isinstance(found, float):
            return rng.choice([found + 1, -found, str(found)])
        return rng.choice([found + b'x', found[:1], found.decode('latin-1')])


class Queries:
    """Each method gives SQL with {T} for the table, the parameters, and whether the order counts."""

    def __init__(self, data):
        self.data, self.rng, self.parameters = data, data.rng, []

    def column(self):
        rng = self.rng
        return rng.choice(self.data.hidden if rng.random() < 0.35 else self.data.columns)

    def operand(self, column):
        value = self.data.value(column)
        if self.rng.random() < 0.25:
            self.parameters.append(value)
            return '?'
        return literal(value)

    def pattern(self, column):
        value = str(self.data.value(column))[:30]
        at = self.rng.randrange(len(value) + 1)
        return self.rng.choice([value[:at] + '%', '%' + value[at:], value, '%' + value[at:at + 3] + '%', '_' + value[1:],
                                value.upper()]), self.rng.choice([value[:at] + '*', '*' + value[at:], value])

    def term(self, alias):
        rng, column = self.rng, self.column()
        name = f'{alias}{quote(column)}'
        shape = rng.randrange(14)
        if shape < 5:
            operator = rng.choice(['=', '=', '=', '<>', '<', '<=', '>', '>='])
            collation = rng.choice([''] * 8 + [' COLLATE NOCASE', ' COLLATE BINARY', ' COLLATE RTRIM'])
            return f'{name} {operator} {self.operand(column)}{collation}'
        if shape == 5:
            return f'{name} IS {rng.choice(["", "NOT "])}{self.operand(column)}'
        if shape == 6:
            return f'{name} IS {rng.choice(["", "NOT "])}NULL'
        if shape in (7, 8):
            items = ','.join(self.operand(column) for _ in range(rng.randrange(6)))
            return f'{name} {rng.choice(["", "", "NOT "])}IN ({items})'
        if shape == 9:
            like, glob = self.pattern(column)
            return f'{name} LIKE {literal(like)}' if rng.random() < 0.6 else f'{name} GLOB {literal(glob)}'
        if shape == 10:
            return f'{name} {rng.choice(["", "NOT "])}BETWEEN {self.operand(column)} AND {self.operand(column)}'
        if shape == 11:
            table = rng.choice(['untyped', 'integers', 'texts'])
            return f'{name} IN (SELECT x FROM {table})'
        if shape == 12:
            return f'CAST({literal(self.data.value(column))} AS {rng.choice(["INTEGER", "TEXT", "REAL"])}) = {name}'
        return f'{name} {rng.choice(["=", "<", ">"])} {alias}{quote(self.column())}'

    def where(self, alias='', most=3):
        terms = [self.term(alias) for _ in range(self.rng.randrange(most + 1))]
        if not terms:
            return ''
        text = terms[0]
        for term in terms[1:]:
            text = self.rng.choice([f'({text}) AND ({term})'] * 3 + [f'({text}) OR ({term})', f'({text}) AND NOT ({term})'])
        return ' WHERE ' + text

    def plain_select(self):
        names = ','.join(quote(self.column()) for _ in range(self.rng.randrange(1, 5)))
        return f'SELECT rowid, {names} FROM {{T}}{self.where()}', False

    def count(self):
        return f'SELECT count(*), count({quote(self.column())}) FROM {{T}}{self.where()}', False

    def ordered(self):
        rng = self.rng
        start = rng.random() < 0.4
        columns = [rng.choice(['start_ns', 'started_at'])] if start else [
            rng.choice(GROUP_COLUMNS + ('duration_ns', 'end_ns', 'start_ns')) for _ in range(rng.randrange(1, 4))]
        order = ','.join(quote(c) + rng.choice(['', ' DESC', ' ASC']) for c in columns)
        tie = ', rowid' if rng.random() < 0.3 else ''
        limit = rng.choice(['', f' LIMIT {rng.randrange(50)}', f' LIMIT {rng.randrange(30)} OFFSET {rng.randrange(40)}'])
        names = ','.join(quote(c) for c in columns) + tie
        return f'SELECT {names} FROM {{T}}{self.where()} ORDER BY {order}{tie}{limit}', True

    def unordered_limit(self):
        limit = f'LIMIT {self.rng.randrange(40)} OFFSET {self.rng.randrange(40)}'
        return f'SELECT count(*) FROM (SELECT 1 FROM {{T}}{self.where()} {limit})', False

    def grouped(self):
        rng = self.rng
        columns = [quote(rng.choice(GROUP_COLUMNS) if rng.random() < 0.7 else self.column())
                   for _ in range(rng.randrange(1, 4))]
        names = ','.join(columns)
        having = rng.choice(['', '', f' HAVING count(*) > {rng.randrange(5)}'])
        order = rng.choice(['', '', f' ORDER BY {names}', ' ORDER BY count(*) DESC', f' ORDER BY {columns[0]} DESC'])
        measured = quote(self.column())
        aggregates = f'count(*), count({measured}), min({measured}), max(start_ns), sum(duration_ns % 1000)'
        return f'SELECT {names}, {aggregates} FROM {{T}}{self.where()} GROUP BY {names}{having}{order}', False

    def distinct(self):
        rng = self.rng
        columns = [quote(rng.choice(GROUP_COLUMNS) if rng.random() < 0.7 else self.column())
                   for _ in range(rng.randrange(1, 4))]
        names = ','.join(columns)
        order = rng.random() < 0.3
        tail = f' ORDER BY {names}' if order else ''
        return f'SELECT DISTINCT {names} FROM {{T}}{self.where()}{tail}', order

    def counted_distinct(self):
        return f'SELECT count(DISTINCT {quote(self.column())}) FROM {{T}}{self.where()}', False

    def extremes(self):
        name = self.rng.choice(['start_ns', 'end_ns', 'duration_ns', 'started_at', 'name', 'service', 'minute_ns'])
        function = self.rng.choice(['min', 'max'])
        return f'SELECT {function}({name}) FROM {{T}}{self.where()}', False

    def family(self):
        kind = self.rng.choice(['JOIN', 'LEFT JOIN'])
        on = 'c.trace_id = p.trace_id AND c.parent_span_id = p.span_id'
        where = self.where('p.', 2)
        return f'SELECT p.rowid, c.rowid, c.name FROM {{T}} p {kind} {{T}} c ON {on}{where}', False

    def joined(self):
        column = self.column()
        table = self.rng.choice(['untyped', 'integers', 'texts'])
        operator = self.rng.choice(['=', '=', '=', 'IS', '<', '>='])
        kind = self.rng.choice(['JOIN', 'LEFT JOIN', 'CROSS JOIN'])
        return (f'SELECT v.rowid, v.x, s.rowid FROM {table} v {kind} {{T}} s ON s.{quote(column)} {operator} v.x '
                f'WHERE v.rowid <= 12'), False

    def correlated(self):
        inner = self.rng.choice([
            'SELECT count(*) FROM {T} i WHERE i.trace_id = o.trace_id AND i.start_ns > o.start_ns',
            'SELECT max(i.duration_ns) FROM {T} i WHERE i.trace_id = o.trace_id',
            'SELECT i.name FROM {T} i WHERE i.trace_id = o.trace_id AND i.span_id = o.parent_span_id ORDER BY i.rowid',
            'SELECT count(*) FROM {T} i WHERE i.rowid = o.rowid'])
        return f'SELECT o.rowid, ({inner}) FROM {{T}} o{self.where("o.", 2)} ORDER BY o.rowid LIMIT 60', False

    def exists(self):
        negated = self.rng.choice(['', 'NOT '])
        return (f'SELECT o.rowid FROM {{T}} o WHERE {negated}EXISTS (SELECT 1 FROM {{T}} i WHERE i.trace_id = o.trace_id '
                f'AND i.parent_span_id = o.span_id AND i.kind = {literal(self.data.value("kind"))})'), False

    def compound(self):
        names = ','.join(quote(self.rng.choice(GROUP_COLUMNS)) for _ in range(2))
        first = f'SELECT {names} FROM {{T}}{self.where()}'
        operator = self.rng.choice(['UNION', 'UNION ALL', 'INTERSECT', 'EXCEPT'])
        return f'{first} {operator} SELECT {names} FROM {{T}}{self.where()}', False

    def by_rowid(self):
        rowids = [self.data.db.execute('SELECT rid FROM plain ORDER BY random() LIMIT 1').fetchone()[0]
                  for _ in range(3)] + [0, -1, 1 << 40]
        items = ','.join(str(self.rng.choice(rowids)) for _ in range(self.rng.randrange(1, 5)))
        return f'SELECT rowid, span_id FROM {{T}} WHERE rowid IN ({items})', False

    def windowed(self):
        return (f'SELECT rowid, row_number() OVER (PARTITION BY service ORDER BY start_ns, rowid) FROM {{T}}'
                f'{self.where()}'), False

    def make(self):
        self.parameters = []
        shapes = [self.plain_select] * 6 + [self.count] * 6 + [self.ordered] * 4 + [self.grouped] * 4 + [
            self.distinct, self.distinct, self.counted_distinct, self.extremes, self.family, self.joined, self.joined,
            self.correlated, self.exists, self.compound, self.by_rowid, self.unordered_limit, self.windowed]
        return self.rng.choice(shapes)()


def run(db, sql, parameters):
    try:
        return [tuple(normal(v) for v in row) for row in db.execute(sql, parameters)], None
    except sqlite3.Error as error:
        return None, str(error)


def same(db, query, parameters, ordered, problems):
    answers = []
    for table in ('plain', 'spans'):
        answers.append(run(db, query.replace('{T}', table), parameters))
    (expected, expected_error), (found, found_error) = answers
    if (expected is None) != (found is None):
        problems.append(f'{query}\n  {parameters}\n  plain: {expected_error}\n  spans: {found_error}')
        return
    if expected is None:
        return
    if not ordered:
        expected, found = sorted(expected, key=row_key), sorted(found, key=row_key)
    if expected != found:
        wrong = [(a, b) for a, b in zip(expected, found) if a != b][:1]
        problems.append(f'{query}\n  {parameters}\n  plain: {len(expected)} rows, spans: {len(found)} rows {wrong}')


def check_types(db, columns, problems):
    """The copy itself: that a second look at every value gives the same value and type."""
    for begin in range(0, len(columns), 20):
        names = ','.join(f'{quote(n)}, typeof({quote(n)})' for n in columns[begin:begin + 20])
        expected = db.execute(f'SELECT rid, {names} FROM plain ORDER BY rid').fetchall()
        found = db.execute(f'SELECT rowid, {names} FROM spans ORDER BY rowid').fetchall()
        if expected != found:
            wrong = next((a, b) for a, b in zip(expected, found) if a != b)
            problems.append(f'values of {columns[begin:begin + 20]} differ: {wrong}')


def find_parent(span, by_id):
    """A server or consumer among several spans with that id, then the earliest; never itself."""
    found = [other for other in by_id.get(span['parent_span_id'], []) if other is not span]
    return min(found, key=lambda o: (o['kind'] not in ('server', 'consumer'), o['order']), default=None)


def self_time(span, children):
    begin, end = span['start'], span['start'] + span['duration_ns']
    left, reached = max(end - begin, 0), begin
    for child in sorted(children, key=lambda c: c['order']):
        child_end = min(child['start'] + max(child['duration_ns'], 0), end)
        child_begin = max(child['start'], reached)
        if child['duration_ns'] > 0 and child_end > child_begin and span['duration_ns'] > 0:
            left -= child_end - child_begin
            reached = child_end
    return left


def check_trace(spans, problems):
    by_id, children = {}, {}
    for span in spans:
        span['start'] = span['start_ns'] % 2**64
        span['order'] = (span['start'], span['span_id'], span['kind'])
        by_id.setdefault(span['span_id'], []).append(span)
    for span in spans:
        span['parent'] = find_parent(span, by_id) if span['parent_span_id'] else None
    for span in spans:  # a cycle is entered at its earliest span: only count what is not on or below one
        above, at = 0, span
        while at['parent'] and above <= len(spans):
            above, at = above + 1, at['parent']
        span['expected_depth'] = above if above <= len(spans) else None
        if span['parent'] and span['expected_depth'] is not None:
            children.setdefault(id(span['parent']), []).append(span)
    checked = 0
    for span in spans:
        if span['expected_depth'] is None:
            continue
        below = children.get(id(span), [])
        expected = (span['expected_depth'], len(below), self_time(span, below), int(not span['parent_span_id']))
        found = (span['depth'], span['child_count'], span['self_time_ns'], span['is_root'])
        checked += 1
        if expected != found:
            problems.append(f'{span["trace_id"]} {span["span_id"]}: depth, child_count, self_time_ns, is_root are {found}, '
                            f'expected {expected}')
    return checked


def check_trees(db, problems):
    """depth, child_count, self_time_ns and is_root against a plain reading of what they mean."""
    names = ('trace_id', 'span_id', 'parent_span_id', 'kind', 'start_ns', 'duration_ns', 'depth', 'child_count',
             'self_time_ns', 'is_root')
    traces, checked = {}, 0
    for row in db.execute(f'SELECT {",".join(names)} FROM plain'):
        traces.setdefault(row[0], []).append(dict(zip(names, row)))
    for spans in traces.values():
        checked += check_trace(spans, problems)
    assert checked > 100, 'hardly any span has a tree'
    db.execute('CREATE TABLE copy.sums AS SELECT trace_id, count(*) AS n, sum(self_time_ns) AS own FROM plain '
               'GROUP BY trace_id COLLATE BINARY')
    for trace_id, count, own in db.execute('SELECT * FROM sums ORDER BY random() LIMIT 40').fetchall():
        found = db.execute('SELECT count(*), sum(self_time_ns) FROM trace_tree(?)', (trace_id,)).fetchone()
        if found != (count, own):
            problems.append(f'trace_tree({trace_id!r}): {found}, expected {(count, own)}')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('tracekeep')
    parser.add_argument('extension')
    parser.add_argument('dumps', nargs='*')
    parser.add_argument('--queries', type=int, default=1500)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--verbose', action='store_true')
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store, dumps = f'{folder}/store.db', arguments.dumps
        if not dumps:
            dumps = [f'{folder}/first.jsonl', f'{folder}/late.jsonl']
            subprocess.run(['/usr/bin/python3', HERE / 'make_adversarial.py', *dumps], check=True)
        for dump in dumps:
            done = subprocess.run([arguments.tracekeep, 'ingest', '--spans-per-segment', '300', store, dump],
                                  capture_output=True, text=True)
            assert done.returncode in (0, 1), done.stderr
        db = sqlite3.connect(store)
        db.enable_load_extension(True)
        db.load_extension(arguments.extension)
        db.text_factory = lambda raw: raw.decode('utf-8', 'surrogateescape')
        data = Data(db, random.Random(arguments.seed))
        queries, problems = Queries(data), []
        check_types(db, data.columns, problems)
        check_trees(db, problems)
        for number in range(arguments.queries):
            query, ordered = queries.make()
            if arguments.verbose:
                print(number, query, queries.parameters, flush=True)
            same(db, query, queries.parameters, ordered, problems)
            if len(problems) >= 10:
                break
        segments = db.execute('SELECT count(DISTINCT segment_id) FROM spans').fetchone()[0]
        print(f'{data.count} spans in {segments} segments, {number + 1} queries, {len(problems)} differ')
        print('\n'.join(problems))
        db.close()
        return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
