#!/usr/bin/python3
"""Prints every span of a store as a line of JSON: a reader of stores that shares nothing with the C
program. It was written from docs/segment-format.md alone and checks all that the page says must hold.

    read_store.py STORE

Spans come segment by segment in the order of rows. Fields are those of struct tk_span; see
store_segment.py for their names, store_values.py for values."""
import collections
import json
import sqlite3
import sys

import store_values as values
from store_bytes import Damaged, require, xxh64
from store_segment import Segment

APPLICATION_ID = 0x54524B50
SCHEMA_VERSION = 1
SEGMENT_FORMAT = 1
SPLIT, OPEN = 1, 2


class Store:
    """An open store: its small tables in memory, its segments on demand. `seen` counts which parts
    of the format occurred."""

    def __init__(self, path):
        self.database = sqlite3.connect(f'file:{path}?mode=ro', uri=True)
        self.database.text_factory = values.decode_text
        self.seen = collections.Counter()
        [[application]] = self.database.execute('PRAGMA application_id')
        [[version]] = self.database.execute('PRAGMA user_version')
        require(application == APPLICATION_ID, f'{path} is not a store: application id {application:#x}')
        require(1 <= version <= SCHEMA_VERSION, f'{path} has schema version {version}')
        self.resources = self.contents('tk_resource', values.read_resource)
        self.scopes = self.contents('tk_scope', values.read_scope)
        self.aliases = dict(self.database.execute('SELECT trace_id, text FROM tk_trace_alias'))
        for trace_id, text in self.aliases.items():
            require(trace_id == trace_id_of_text(text.encode('utf-8', 'surrogateescape')), f'trace alias {text!r}: wrong id')

    def contents(self, table, read):
        found, known = {}, set()
        for number, content_hash, content in self.database.execute(f'SELECT id, hash, content FROM {table}'):
            require(xxh64(content) == content_hash & (1 << 64) - 1, f'{table} {number}: its hash is wrong')
            require(content not in known, f'{table} {number}: the same content again')
            known.add(content)
            found[number] = read(content)
        return found

    def blobs(self, table, segment):
        rows = self.database.execute(f'SELECT id, data FROM {table} WHERE id BETWEEN ? AND ?', (segment << 16, segment << 16 | 65535))
        return {number & 65535: data for number, data in rows}

    def rows(self):
        cursor = self.database.execute('SELECT * FROM tk_segment ORDER BY id')
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row)) for row in cursor]

    def segment(self, row):
        number = row['id']
        require(0 < number < 1 << 47 and row['format'] == SEGMENT_FORMAT, f'segment {number} of format {row["format"]}')
        require(row['flags'] & ~(SPLIT | OPEN) == 0, f'segment {number}: flags {row["flags"]}')
        try:
            return Segment(row, self.blobs('tk_chunk', number), self.blobs('tk_filter', number), self.resources, self.scopes, self.seen)
        except Damaged as error:
            raise Damaged(f'segment {number}: {error}') from error

    def spans(self):
        """All spans. Checks afterwards what concerns several segments."""
        rows = self.rows()
        segments_of_trace, keys = collections.defaultdict(set), set()
        for row in rows:
            segment = self.segment(row)
            yield from segment.spans
            for trace_id in segment.column(0):
                segments_of_trace[trace_id].add(row['id'])
            for trace, text in segment.sparse[27].items():
                require(self.aliases.get(segment.column(0)[trace]) == values.decode_text(text), f'tk_trace_alias does not have {text!r}')
            keys |= {(c.scope, values.decode_text(c.key), c.type) for c in segment.directory.columns if c.is_attribute()}
        self.check_splits(rows, segments_of_trace)
        self.check_keys(keys)
        self.check_orphans(rows)

    def check_splits(self, rows, segments_of_trace):
        stored = set(self.database.execute('SELECT trace_id, segment_id FROM tk_split'))
        needed = {(trace_id, number) for trace_id, numbers in segments_of_trace.items() if len(numbers) > 1 for number in numbers}
        require(stored == needed, f'tk_split has {len(stored)} rows, {len(needed)} were needed')
        split = {number for _, number in needed}
        for row in rows:
            require(bool(row['flags'] & SPLIT) == (row['id'] in split), f'segment {row["id"]}: flag of split traces')
        self.seen['split traces'] += len({trace_id for trace_id, _ in needed})

    def check_keys(self, keys):
        for scope, stored in ((3, self.resources), (4, self.scopes)):
            for content in stored.values():
                keys |= {(scope, key, values.TYPES.index(next(iter(value)))) for key, value in content['attributes']}
        stored = set(self.database.execute('SELECT scope, key, type FROM tk_attribute_key'))
        require(keys <= stored, f'tk_attribute_key does not have {sorted(keys - stored)[:3]}')

    def check_orphans(self, rows):
        numbers = {row['id'] for row in rows}
        for table in ('tk_chunk', 'tk_filter'):
            for (number,) in self.database.execute(f'SELECT DISTINCT id >> 16 FROM {table}'):
                require(number in numbers, f'{table} has rows of segment {number}, which is not there')
        [[following]] = self.database.execute("SELECT value FROM tk_meta WHERE key = 'next_segment_id'")
        require(all(number < following for number in numbers), 'next_segment_id is in use')


def trace_id_of_text(text):
    return xxh64(text).to_bytes(8, 'little') + xxh64(text + b'\x01').to_bytes(8, 'little')


def line_of(span):
    return json.dumps(span, ensure_ascii=True, separators=(',', ':'))


def main():
    if len(sys.argv) != 2:
        sys.exit('usage: read_store.py STORE')
    try:
        for span in Store(sys.argv[1]).spans():
            print(line_of(span))
    except (Damaged, sqlite3.Error) as error:
        sys.exit(f'read_store.py: {sys.argv[1]}: {error}')


if __name__ == '__main__':
    main()
