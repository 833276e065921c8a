"""Stores as SQL text, so that they can be kept in the tree and read in a diff.

    golden_store.py dump STORE      prints the SQL text of a store
    golden_store.py make PROGRAM    makes those stores of v1/ that are missing, with `PROGRAM`
    golden_store.py load SQL STORE  makes a store of a text, also of one of bad/

A text has everything but the virtual tables, which the program makes anew. Stores in v1/ are never
made again: they are what version 1 of the format once was, and stay readable."""
import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile

import make_dump
from make_dump import integer, text
from read_store import Store, line_of
from store_bytes import signed, xxh64

HERE = pathlib.Path(__file__).parent
GOLDEN = HERE / 'v1'


def literal(value):
    if value is None:
        return 'NULL'
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


def dump(path):
    """The SQL text of a store."""
    database = sqlite3.connect(path)
    lines = ['PRAGMA page_size = 16384;'] + [
        f'PRAGMA {name} = {database.execute(f"PRAGMA {name}").fetchone()[0]};' for name in ('auto_vacuum', 'application_id', 'user_version')]
    schema = database.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql NOT NULL AND name NOT LIKE 'sqlite%' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY rowid")
    for kind, name, sql in schema.fetchall():
        lines.append(sql + ';')
        if kind == 'table':
            rows = database.execute(f"SELECT * FROM {name}{' WHERE key <> ' + literal('surface') if name == 'tk_meta' else ''}")
            rows = ['(' + ', '.join(literal(value) for value in row) + ')' for row in rows]
            lines += [f'INSERT INTO {name} VALUES'] + [row + ',' for row in rows[:-1]] + [rows[-1] + ';'] if rows else []
    return '\n'.join(lines) + '\n'


# ---- loading, and damaging ----

def signed_hash(*parts):
    """The hash of blobs, one behind the other (in SQL || makes them text)."""
    return signed(xxh64(b''.join(parts)))


def joined(*parts):
    return b''.join(parts)


def hash_bytes(data):
    return xxh64(data).to_bytes(8, 'little')


def with_bytes(data, at, replacement):
    """`data` with other bytes at an offset."""
    assert at + len(replacement) <= len(data) and data[at:at + len(replacement)] != replacement, 'nothing would change'
    return data[:at] + replacement + data[at + len(replacement):]


def with_hash_of(directory, old, new):
    """A directory (stored raw) that says a chunk has the hash of `new` where it said that of `old`."""
    parts = directory.split(hash_bytes(old), 1)  # columns may be equal: the first
    assert len(parts) >= 2, 'no such chunk'
    return hash_bytes(new).join(parts)


def load(source, path):
    """Makes a store of a text. One that begins with `-- base: NAME` is changes to another."""
    script = source.read_text(encoding='utf-8')
    base = re.match(r'-- base: (\S+)\n', script)
    if base:
        load(source.parent / base[1], path)
    database = sqlite3.connect(path)
    for function in (signed_hash, hash_bytes, joined, with_bytes, with_hash_of):
        database.create_function(function.__name__, -1, function)
    changes = database.total_changes
    database.executescript(script)
    assert database.total_changes > changes or 'PRAGMA' in script, f'{source} changes nothing'
    database.close()


# ---- the golden stores ----

def tiny():
    """The example of docs/segment-format.md."""
    def span(number, name, start, duration, **more):
        start += 1_795_188_750_000_000_000
        found = {'traceId': '0af7651916cd43dd8448eb211c80319c', 'spanId': f'b7ad6b716920333{number}', 'name': name,
                 'startTimeUnixNano': str(start), 'endTimeUnixNano': str(start + duration)}
        return {**found, **({'parentSpanId': 'b7ad6b7169203331'} if number > 1 else {}), **more}

    items = lambda n: ('items', integer(n))
    return make_dump.document([
        span(1, 'GET /cart', 503_000_000, 17_000_000, kind=2, attributes=make_dump.attributes([('http.route', text('/cart')), items(2)])),
        span(2, 'SELECT', 504_000_000, 5_000_000, kind=3, attributes=make_dump.attributes([items(300)]), status={'code': 2, 'message': 'timeout'},
             events=[{'timeUnixNano': '1795188750508000000', 'name': 'retry'}]),
        span(3, 'SELECT', 510_000_000, 9_000_000, kind=3, attributes=make_dump.attributes([items(7)]))], scope={'name': 'demo'})


def split():
    """Two dumps; traces of the first go on in the second."""
    lines = make_dump.shapes(60).splitlines(keepends=True)
    documents = [make_dump.json.loads(line) for line in lines]
    spans = [span for document in documents for span in document['resourceSpans'][0]['scopeSpans'][0]['spans']]
    for span in spans:
        span['attributes'] = span['attributes'][:3]
    return make_dump.document(spans[::2]), make_dump.document(spans[1::2])


def sources():
    fixture = (HERE.parent / 'cli/fixtures/every_field.json').read_text(encoding='utf-8')
    return {'tiny': [tiny()], 'every_field': [fixture], 'extremes': [make_dump.extremes()], 'shapes': [make_dump.shapes(50)],
            'extras': [make_dump.many_keys(12, 100)], 'split': list(split()), 'protobuf': [make_dump.protobuf()]}


def ingest(program, folder, dumps, *options):
    """A store of some dumps, in the folder."""
    for number, content in enumerate(dumps, 1):
        name = f'dump-{number}' + ('.json' if isinstance(content, str) else '.pb')
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        done = subprocess.run([program, 'ingest', '--quiet', *options, 'store.db', name], cwd=folder, capture_output=True, check=False)
        assert done.returncode in (0, 1), done.stderr.decode()
    return folder / 'store.db'


def make(program):
    GOLDEN.mkdir(exist_ok=True)
    for name, dumps in sources().items():
        if (GOLDEN / f'{name}.sql').exists():
            continue
        with tempfile.TemporaryDirectory() as folder:
            store = ingest(program, pathlib.Path(folder), dumps, '--spans-per-segment', '16' if name == 'split' else '65536')
            lines = [line_of(span) + '\n' for span in Store(store).spans()]
            (GOLDEN / f'{name}.sql').write_text(dump(store), encoding='utf-8')
            (GOLDEN / f'{name}.jsonl').write_text(''.join(lines), encoding='utf-8')
            print(f'{name}: {len(lines)} spans')


def main():
    if sys.argv[1:2] == ['dump']:
        sys.stdout.write(dump(sys.argv[2]))
    elif sys.argv[1:2] == ['make']:
        make(str(pathlib.Path(sys.argv[2]).resolve()))
    elif sys.argv[1:2] == ['load']:
        load(pathlib.Path(sys.argv[2]), sys.argv[3])
    else:
        sys.exit(__doc__)


if __name__ == '__main__':
    main()
