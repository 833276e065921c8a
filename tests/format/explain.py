#!/usr/bin/python3
"""The worked example of docs/segment-format.md: the bytes of a store and what each means.

    explain.py STORE [COLUMN...]

Prints, as a Markdown listing, the directory of the store's first segment and some of its chunks."""
import collections
import sys

from read_store import Store
from store_chunks import decode_chunk
from store_directory import Directory

EXAMPLE_COLUMNS = (3, 4, 6, 33)  # of v1/tiny.sql: what the page shows
BYTES_A_LINE = 12


def listing(title, notes):
    """Offset, bytes and meaning, indented as code. Of notes that overlap the innermost is shown."""
    lines = [title, '']
    for begin, data, meaning in notes:
        for i in range(0, len(data), BYTES_A_LINE):
            text = data[i:i + BYTES_A_LINE].hex(' ')
            lines.append(f'    {begin + i:3d}  {text:<36} {meaning if not i else ""}'.rstrip())
    return '\n'.join(lines) + '\n'


def innermost(notes, size):
    """Notes in order of their offsets, without those that only contain others."""
    kept = []
    for begin, data, meaning in sorted(notes, key=lambda note: (note[0], len(note[1]))):
        if data and (not kept or begin >= kept[-1][0] + len(kept[-1][1])):
            kept.append((begin, data, meaning))
    assert sum(len(data) for _, data, _ in kept) == size, 'bytes without a meaning'
    return kept


def example(path, numbers=EXAMPLE_COLUMNS):
    store = Store(path)
    row = store.rows()[0]
    segment = store.segment(row)
    trace = []
    directory = Directory(row['directory'], row, collections.Counter(), trace)
    outer = [(begin, data if 'packed' not in meaning else data[:1], meaning) for name, begin, data, meaning in trace if name == 'directory']
    parts = [listing('`tk_segment.directory`, before its body:', outer)]
    body = [(begin, data, meaning) for name, begin, data, meaning in trace if name == 'body']
    parts.append(listing('The body:', innermost(body, len(directory.body))))
    for number in numbers:
        column, trace = segment.columns[number], []
        name = f'column {number}'
        data = segment.chunks[number]
        decode_chunk(data, column.kind, segment.granule_counts(column), collections.Counter(), column.width, name, trace)
        notes = innermost([(begin, part, meaning) for of, begin, part, meaning in trace if of == name], len(data))
        parts.append(listing(f'`tk_chunk.data` of column {number} ({column.describe()}), id {row["id"] << 16 | number}:', notes))
    return '\n'.join(parts)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    print(example(sys.argv[1], [int(number) for number in sys.argv[2:]] or EXAMPLE_COLUMNS))


if __name__ == '__main__':
    main()
