"""The directory of a segment: docs/segment-format.md, "Directory" and "Columns"."""
from store_bytes import MASK, ByteReader, read_packed, require, signed
from store_chunks import FIXED, INT, TEXT
import store_values as values

MAX_BODY = 32 << 20
IN_EXTRAS, HAS_FILTER, HAS_POSITIONS = 1, 2, 4
FIRST_ATTRIBUTE = 64
SCOPES = ['span', 'event', 'link']

# Fixed columns: kind, what has a value each ("sparse" and what its rows are), bytes a value.
COLUMNS = {0: (FIXED, 'trace', 16), 1: (INT, 'trace', 0), 2: (FIXED, 'span', 8)}
COLUMNS.update({number: (TEXT if number in (6, 9, 10) else INT, 'span', 0) for number in range(3, 21)})
COLUMNS.update({21: (INT, 'sparse', 0), 22: (FIXED, 'sparse', 8), 32: (INT, 'event', 0), 33: (TEXT, 'event', 0),
                34: (INT, 'event', 0), 35: (INT, 'event', 0), 48: (FIXED, 'link', 16), 49: (FIXED, 'link', 8),
                50: (TEXT, 'link', 0), 51: (INT, 'link', 0), 52: (INT, 'link', 0), 53: (INT, 'link', 0)})
for pair in (23, 25, 27, 36, 38, 54, 56):
    COLUMNS[pair], COLUMNS[pair + 1] = (INT, 'sparse', 0), (TEXT, 'sparse', 0)
SPARSE_PAIRS = {21: 'span', 23: 'span', 25: 'span', 27: 'trace', 36: 'event', 38: 'event', 54: 'link', 56: 'link'}
KIND_OF_TYPE = {values.STRING: TEXT, values.BYTES: TEXT, values.ARRAY: TEXT, values.KVLIST: TEXT,
                values.INT: INT, values.BOOL: INT, values.DOUBLE: INT}
NAMES = {
    0: 'trace id', 1: 'spans of the trace', 2: 'span id', 3: 'depth', 4: 'start', 5: 'duration', 6: 'name', 7: 'kind', 8: 'status code',
    9: 'status message', 10: 'trace state', 11: 'flags', 12: 'resource', 13: 'scope', 14: 'keyset', 15: 'presence', 16: 'dropped attributes',
    17: 'dropped events', 18: 'dropped links', 19: 'number of events', 20: 'number of links', 21: 'rows with a parent elsewhere',
    22: 'their parent ids', 23: 'rows with extras', 24: 'their extras', 25: 'rows with a residual', 26: 'their residuals',
    27: 'traces with a text as id', 28: 'their texts', 32: 'time of events', 33: 'name of events', 34: 'keyset of events',
    35: 'dropped attributes of events', 36: 'events with extras', 37: 'their extras', 38: 'events with a residual', 39: 'their residuals',
    48: 'trace id of links', 49: 'span id of links', 50: 'trace state of links', 51: 'flags of links', 52: 'keyset of links',
    53: 'dropped attributes of links', 54: 'links with extras', 55: 'their extras', 56: 'links with a residual', 57: 'their residuals'}


class Granule:
    """Begin and end of its rows and traces, and its earliest and latest start."""


class Column:
    """One column as the directory describes it."""

    def __init__(self, number, flags):
        self.number, self.flags = number, flags
        self.scope = self.type = self.key = None
        self.distinct = self.least = self.greatest = None
        self.chunk_size = self.chunk_hash = None
        self.count, self.positions = 0, []
        self.kind, self.per, self.width = COLUMNS.get(number, (None, None, 0))

    def is_attribute(self):
        return self.number >= FIRST_ATTRIBUTE

    def has_chunk(self):
        return not self.flags & IN_EXTRAS and self.type != values.EMPTY

    def has(self, flag):
        return bool(self.flags & flag)

    def describe(self):
        if self.is_attribute():
            return f'{SCOPES[self.scope]} attribute {values.decode_text(self.key)!r}, {values.TYPES[self.type]}'
        return NAMES[self.number]


class Directory:
    """Head, granules, columns and keysets. `row` is the segment's row of tk_segment, a dict."""

    def __init__(self, data, row, seen, trace=None):
        outer = ByteReader(data, 'directory', trace)
        require(outer.u8() == 1, 'directory of an unknown version')
        outer.note(0, 'version')
        size = outer.varint(MAX_BODY)
        outer.note(1, f'body size: {size}')
        self.body = read_packed(outer, size, seen)
        outer.end()
        reader = ByteReader(self.body, 'body', trace)
        self.read_head(reader)
        self.compare_with(row)
        self.granules = self.read_granules(reader)
        self.columns = self.read_columns(reader)
        for column in self.columns:
            if column.has_chunk():
                begin = reader.at
                column.chunk_hash = reader.u64()
                reader.note(begin, f'hash of the chunk of column {column.number}')
        self.keysets = [self.read_keysets(reader, scope) for scope in range(3)]
        reader.end()

    def read_head(self, reader):
        def field(name, number, begin):
            reader.note(begin, f'{name}: {number}')
            return number

        def varint(name, least=0, limit=MASK):
            begin = reader.at
            return field(name, reader.varint(limit, least), begin)

        self.start_model = varint('start model', 0, 2)
        self.span_count = varint('span count', 1, 1 << 20)
        self.trace_count = varint('trace count', 1, self.span_count)
        self.event_count = varint('event count', 0, 1 << 26)
        self.link_count = varint('link count', 0, 1 << 26)
        self.error_count = varint('error count', 0, self.span_count)
        begin = reader.at
        self.start_min_ns = field('start_min', reader.u64(), begin)
        self.start_max_ns = self.start_min_ns + varint('start_max - start_min', 0, MASK - self.start_min_ns)
        self.end_max_ns = self.start_min_ns + varint('end_max - start_min, wrapping') & MASK
        begin = reader.at
        self.duration_min_ns = field('duration_min', reader.zigzag(), begin)
        self.duration_max_ns = self.duration_min_ns + varint('duration_max - duration_min', 0, (1 << 63) - 1 - self.duration_min_ns)
        self.raw_bytes = varint('raw bytes')
        self.resource_count = varint('resource count', 1, self.span_count)
        self.scope_count = varint('scope count', 1, self.span_count)

    def compare_with(self, row):
        for name in ('span_count', 'trace_count', 'event_count', 'link_count', 'error_count', 'start_min_ns', 'start_max_ns',
                     'end_max_ns', 'duration_min_ns', 'duration_max_ns', 'raw_bytes'):
            mine = getattr(self, name)
            stored = signed(mine) if mine >> 63 == 1 else mine
            require(stored == row[name], f'{name}: {stored} in the directory, {row[name]} in tk_segment')

    def read_granules(self, reader):
        begin = reader.at
        count = reader.varint(self.trace_count, 1)
        reader.note(begin, f'granules: {count}')
        granules = [Granule() for _ in range(count)]
        for name, total in (('row', self.span_count), ('trace', self.trace_count)):
            begin, end = reader.at, 0
            for granule in granules:
                setattr(granule, f'first_{name}', end)
                end += reader.varint(total, 1)
                setattr(granule, f'end_{name}', end)
            reader.note(begin, f'{name}s of each granule')
            require(end == total, f'{name}s of the granules do not add up')
        begin = reader.at
        for granule in granules:
            granule.earliest = self.start_min_ns + reader.varint()
            granule.latest = granule.earliest + reader.varint()
            require(granule.latest <= self.start_max_ns, 'granule beyond start_max')
        reader.note(begin, 'earliest and latest start of each granule')
        require(min(g.earliest for g in granules) == self.start_min_ns, 'no granule has start_min')
        require(max(g.latest for g in granules) == self.start_max_ns, 'no granule has start_max')
        return granules

    def read_columns(self, reader):
        begin = reader.at
        count = reader.varint(min(1 << 16, reader.left()))
        reader.note(begin, f'columns: {count}')
        columns, number = [], -1
        for _ in range(count):
            begin = reader.at
            number += 1 + reader.varint(65535)
            columns.append(self.read_column(reader, number))
            reader.note(begin, self.explain(columns[-1]))
        numbers = [column.number for column in columns]
        needed = {0, 1, 2} | ({48, 49} if self.link_count else set())
        require(not needed - set(numbers), f'columns {sorted(needed - set(numbers))} are not there')
        for first in SPARSE_PAIRS:
            pair = [column.count for column in columns if column.number in (first, first + 1)]
            require(not pair or len(pair) == 2 and pair[0] == pair[1], f'columns {first} and {first + 1} are no pair')
        return columns

    def read_column(self, reader, number):
        require(number <= 65535 and (number >= FIRST_ATTRIBUTE or number in COLUMNS), f'column {number}')
        column = Column(number, reader.u8(7))
        if column.is_attribute():
            column.scope, column.type, column.key = reader.u8(2), reader.u8(7), reader.text()
            column.kind, column.per = KIND_OF_TYPE.get(column.type), SCOPES[column.scope]
        require(column.is_attribute() or not column.has(IN_EXTRAS), f'column {number} in extras')
        require(not (column.has(IN_EXTRAS) and column.flags != IN_EXTRAS), f'column {number}: flags {column.flags}')
        if column.is_attribute() or column.per == 'sparse':
            column.count = reader.varint(1 << 26)
        else:
            column.count = getattr(self, f'{column.per}_count')
        if column.kind == TEXT:
            column.distinct = reader.varint(column.count, 1 if column.count else 0)
        if column.kind == INT and column.has_chunk() and column.count:
            column.least = reader.zigzag()
            column.greatest = column.least + reader.varint(MASK)
            require(column.greatest < 1 << 63, f'column {number}: greatest value beyond 63 bits')
        if column.has_chunk():
            column.chunk_size = reader.varint(MASK, 1)
        needs_positions = column.is_attribute() and not column.has(IN_EXTRAS)
        require(column.has(HAS_POSITIONS) or not needs_positions, f'column {number} has no positions')
        require(not column.has(HAS_POSITIONS) or needs_positions or column.per in ('event', 'link'), f'column {number} has positions')
        if column.has(HAS_POSITIONS):
            column.positions = [0]
            for _ in self.granules[1:]:
                column.positions.append(column.positions[-1] + reader.varint(column.count))
            require(column.positions[-1] <= column.count, f'column {number}: position beyond its values')
        return column

    @staticmethod
    def explain(column):
        text = f'column {column.number} ({column.describe()}), flags {column.flags}'
        for name in ('count', 'distinct', 'least', 'greatest', 'chunk_size'):
            if getattr(column, name) is not None and (name != 'count' or column.is_attribute() or column.per == 'sparse'):
                text += f', {name.replace("_", " ")} {getattr(column, name)}'
        return text

    def read_keysets(self, reader, scope):
        """Keysets as lists of indices of columns."""
        begin = reader.at
        keysets = []
        for _ in range(reader.varint(reader.left())):
            keyset, index = [], -1
            for _ in range(reader.varint(reader.left())):
                index += 1 + reader.zigzag()
                require(0 <= index < len(self.columns), f'keyset with column {index} of {len(self.columns)}')
                column = self.columns[index]
                require(column.is_attribute() and column.scope == scope and not column.has(IN_EXTRAS) and index not in keyset,
                        f'keyset of {SCOPES[scope]}s with column {column.number}')
                keyset.append(index)
            keysets.append(keyset)
        reader.note(begin, f'keysets of {SCOPES[scope]}s: ' + (', '.join(str(keyset) for keyset in keysets) or 'none'))
        return keysets
