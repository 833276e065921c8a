"""A segment as spans: docs/segment-format.md, "Rows and granules" and "Start times"."""
import store_values as values
from store_bytes import MASK, ByteReader, require, xxh64
from store_chunks import FIXED, INT, TEXT, decode_chunk
from store_directory import COLUMNS, HAS_FILTER, IN_EXTRAS, SCOPES, SPARSE_PAIRS, Directory

HAS_STATUS, ZERO_PARENT, SHORT_TRACE_ID, TEXT_TRACE_ID, MADE_TRACE_ID, MADE_SPAN_ID = 2, 4, 8, 16, 32, 64
PRESENCE = {HAS_STATUS: 'has_status', ZERO_PARENT: 'zero_parent', SHORT_TRACE_ID: 'short_trace_id', TEXT_TRACE_ID: 'text_trace_id',
            MADE_TRACE_ID: 'made_trace_id', MADE_SPAN_ID: 'made_span_id'}
VALUES_A_GRANULE = 512
MAX_DESCRIBED = 16384
SALTS = [0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31]


class Segment:
    """Decodes everything at once. `chunks` and `filters` are dicts of column number to bytes,
    `resources` and `scopes` what the store has under each id."""

    def __init__(self, row, chunks, filters, resources, scopes, seen):
        self.row, self.chunks, self.filters, self.seen = row, chunks, filters, seen
        require(xxh64(row['resources'] + row['scopes'] + row['directory']) == row['hash'] & MASK, 'the hash of the row is wrong')
        self.directory = Directory(row['directory'], row, seen)
        self.resources = self.look_up(row['resources'], resources, self.directory.resource_count, 'resource')
        self.scopes = self.look_up(row['scopes'], scopes, self.directory.scope_count, 'scope')
        self.columns = {column.number: column for column in self.directory.columns}
        require(len({(c.scope, c.type, c.key) for c in self.directory.columns if c.is_attribute()})
                == sum(c.is_attribute() for c in self.directory.columns), 'two columns of one attribute')
        seen[f'start model {self.directory.start_model}'] += 1
        seen['several granules'] += len(self.directory.granules) > 1
        self.data = {}
        for column in self.directory.columns:
            self.data[column.number] = self.decode(column)
        require(not chunks.keys() - {c.number for c in self.directory.columns if c.has_chunk()}, 'a chunk of no column')
        self.check_filters()
        self.sparse = {first: self.read_sparse(first, of) for first, of in SPARSE_PAIRS.items()}
        self.spans = self.make_spans()
        self.check_counts()

    @staticmethod
    def look_up(codes, stored, count, name):
        reader, found = ByteReader(codes, name + ' ids'), []
        while reader.left():
            number = reader.varint()
            require(number in stored, f'no {name} {number}')
            found.append(stored[number])
        require(len(found) == count, f'{len(found)} {name}s in the row, {count} in the directory')
        return found

    # ---- columns ----

    def granule_counts(self, column):
        """How many values each granule of the column has."""
        if column.per == 'span':
            if not column.is_attribute():
                return [g.end_row - g.first_row for g in self.directory.granules]
        elif column.per == 'trace':
            return [g.end_trace - g.first_trace for g in self.directory.granules]
        full, rest = divmod(column.count, VALUES_A_GRANULE)
        return [VALUES_A_GRANULE] * full + [rest] * bool(rest)

    def decode(self, column):
        name = f'column {column.number}'
        if not column.has_chunk():
            return [None] * column.count if not column.has(IN_EXTRAS) else []
        require(column.number in self.chunks, f'{name} has no chunk')
        data = self.chunks[column.number]
        require(len(data) == column.chunk_size, f'{name}: {len(data)} bytes, the directory says {column.chunk_size}')
        require(xxh64(data) == column.chunk_hash, f'{name}: the hash of its chunk is wrong')
        found = decode_chunk(data, column.kind, self.granule_counts(column), self.seen, column.width, name)
        if column.kind == INT and found:
            require((min(found), max(found)) == (column.least, column.greatest), f'{name}: least or greatest value is wrong')
        if column.kind == TEXT and data[0] == 0x28:
            require(len(set(found)) == column.distinct, f'{name}: distinct count is wrong')
        return found

    def column(self, number):
        """Values of a column of the fixed ones, or the default where it was left out."""
        if number in self.data:
            return self.data[number]
        kind, per, _ = COLUMNS[number]
        return [{INT: 0, TEXT: b'', FIXED: b''}[kind]] * getattr(self.directory, f'{per}_count')

    def check_filters(self):
        claimed = {number for number, column in self.columns.items() if column.has(HAS_FILTER)}
        require(0 in claimed, 'the trace ids have no filter')
        require(claimed == set(self.filters), f'filters {sorted(self.filters)}, the directory says {sorted(claimed)}')
        for number in claimed:
            require(self.columns[number].kind in (TEXT, FIXED), f'column {number} has a filter')
            blocks = read_filter(self.filters[number], f'filter {number}')
            for value in set(self.data[number]):
                require(may_contain(blocks, xxh64(value)), f'filter {number} does not contain {value!r}')
                self.seen['filter lookups'] += 1

    def read_sparse(self, first, of):
        """A dict of item to value."""
        if first not in self.data:
            return {}
        items, found = self.data[first], self.data[first + 1]
        require(all(a < b for a, b in zip(items, items[1:])), f'column {first} does not ascend')
        require(not items or items[0] >= 0 and items[-1] < getattr(self.directory, f'{of}_count'), f'column {first}: no such {of}')
        return dict(zip(items, found))

    # ---- rows ----

    def make_spans(self):
        traces = self.traces_of_rows()
        parents = self.parents_of_rows(traces)
        starts = self.starts_of_rows(traces, parents)
        event_rows, link_rows = self.column(19), self.column(20)
        require(min(event_rows) >= 0 and sum(event_rows) == self.directory.event_count, 'events do not add up')
        require(min(link_rows) >= 0 and sum(link_rows) == self.directory.link_count, 'links do not add up')
        first_events, first_links = sums(event_rows), sums(link_rows)
        granules = self.directory.granules
        attributes = self.attributes_of(0, self.column(14), self.sparse[23], [g.first_row for g in granules])
        events = self.events([first_events[g.first_row] for g in granules])
        links = self.links([first_links[g.first_row] for g in granules])
        for number, ends in ((32, first_events), (48, first_links)):  # positions of per-event and per-link columns
            for column in self.directory.columns:
                if not column.is_attribute() and column.positions and number <= column.number < number + 16:
                    require(column.positions == [ends[g.first_row] for g in granules], f'column {column.number}: wrong positions')
        spans = []
        for row in range(self.directory.span_count):
            span = self.span_at(row, traces[row], parents[row], starts[row])
            span['attributes'] = attributes[row]
            span['events'] = events[first_events[row]:first_events[row + 1]]
            for event in span['events']:
                event['time_unix_ns'] = event['time_unix_ns'] + starts[row] & MASK
            span['links'] = links[first_links[row]:first_links[row + 1]]
            spans.append(span)
        return spans

    def traces_of_rows(self):
        """The trace of each row; checks that granules hold whole traces."""
        counts = self.column(1)
        require(min(counts) >= 1 and sum(counts) == self.directory.span_count, 'spans of the traces do not add up')
        require(len(set(self.column(0))) == len(counts), 'a trace occurs twice')
        first = sums(counts)
        for granule in self.directory.granules:
            require(first[granule.first_trace] == granule.first_row, 'granules do not hold whole traces')
        return [trace for trace, count in enumerate(counts) for _ in range(count)]

    def parents_of_rows(self, traces):
        """The row of each row's parent, None at depth 0."""
        parents, path = [], []
        for row, depth in enumerate(self.column(3)):
            if row == 0 or traces[row] != traces[row - 1]:
                path = []
            require(0 <= depth <= len(path), f'row {row}: depth {depth}')
            del path[depth:]
            parents.append(path[-1] if path else None)
            path.append(row)
        return parents

    def starts_of_rows(self, traces, parents):
        differences, durations, starts = self.column(4), self.column(5), []
        ends = {}  # of the latest child of a parent; of the latest row of depth 0 under None
        model, before_trace, before_root = self.directory.start_model, None, None
        for granule in self.directory.granules:
            for row in range(granule.first_row, granule.end_row):
                parent = parents[row]
                if row == granule.first_row:
                    reference, ends = granule.earliest, {}
                elif traces[row] != traces[row - 1]:
                    reference, ends = before_trace, {}
                elif model == 0:
                    reference = starts[row - 1]
                elif model == 1:
                    reference = before_root if parent is None else starts[parent]
                else:
                    reference = ends[parent] if parent in ends else starts[parent]
                starts.append(reference + differences[row] & MASK)
                if row == granule.first_row or traces[row] != traces[row - 1]:
                    before_trace = starts[row]
                if parent is None:
                    before_root = starts[row]
                ends[parent] = starts[row] + durations[row] & MASK
            mine = starts[granule.first_row:granule.end_row]
            require((min(mine), max(mine)) == (granule.earliest, granule.latest), 'earliest or latest start of a granule is wrong')
        return starts

    def span_at(self, row, trace, parent, start):
        presence = self.column(15)[row]
        require(presence & ~sum(PRESENCE) == 0, f'row {row}: presence {presence}')
        parent_id = self.sparse[21].get(row) if parent is None else self.column(2)[parent]
        require(parent is None or row not in self.sparse[21], f'row {row} has two parents')
        alias = self.sparse[27].get(trace)
        require((alias is not None) == bool(presence & TEXT_TRACE_ID), f'row {row}: a text as trace id, or not?')
        resource, scope = self.column(12)[row], self.column(13)[row]
        require(0 <= resource < len(self.resources) and 0 <= scope < len(self.scopes), f'row {row}: no such resource or scope')
        message, trace_state = self.column(9)[row], self.column(10)[row]
        return {
            'trace_id': self.column(0)[trace].hex(),
            'trace_id_text': values.decode_text(alias) if alias is not None else None,
            'span_id': self.column(2)[row].hex(),
            'parent_span_id': parent_id.hex() if parent_id is not None else None,
            'presence': [name for bit, name in PRESENCE.items() if presence & bit],
            'name': values.decode_text(self.column(6)[row]),
            'kind': self.column(7)[row],
            'start_unix_ns': start,
            'end_unix_ns': start + self.column(5)[row] & MASK,
            'status_code': self.column(8)[row],
            'status_message': values.decode_text(message),
            'trace_state': values.decode_text(trace_state),
            'flags': self.column(11)[row],
            'dropped_attributes_count': self.column(16)[row],
            'dropped_events_count': self.column(17)[row],
            'dropped_links_count': self.column(18)[row],
            'residual': self.residual(25, row),
            'resource': self.resources[resource],
            'scope': self.scopes[scope],
        }

    def residual(self, column, item):
        data = self.sparse[column].get(item)
        return None if data is None else values.residual_of(data[0] if data else 0, data[1:])

    def events(self, granule_begins):
        attributes = self.attributes_of(1, self.column(34), self.sparse[36], granule_begins)
        return [{'time_unix_ns': time, 'name': values.decode_text(name), 'attributes': attributes[item],
                 'dropped_attributes_count': dropped, 'residual': self.residual(38, item)}
                for item, (time, name, dropped) in enumerate(zip(self.column(32), self.column(33), self.column(35)))]

    def links(self, granule_begins):
        attributes = self.attributes_of(2, self.column(52), self.sparse[54], granule_begins)
        return [{'trace_id': trace.hex(), 'span_id': span.hex(), 'trace_state': values.decode_text(state), 'flags': flags,
                 'attributes': attributes[item], 'dropped_attributes_count': dropped, 'residual': self.residual(56, item)}
                for item, (trace, span, state, flags, dropped) in enumerate(zip(
                    self.column(48), self.column(49), self.column(50), self.column(51), self.column(53)))]

    # ---- attributes ----

    def attributes_of(self, scope, keyset_of_item, extras, granule_begins):
        """The attributes of all spans, events or links, in order."""
        keysets, columns = self.directory.keysets[scope], self.directory.columns
        at = {index: 0 for index, column in enumerate(columns) if column.is_attribute() and column.scope == scope}
        granule, found = 0, []
        for item in range(len(keyset_of_item) + 1):
            while granule < len(granule_begins) and granule_begins[granule] == item:
                for index, position in at.items():
                    if columns[index].positions:
                        require(position == columns[index].positions[granule], f'column {columns[index].number}: wrong position')
                granule += 1
            if item == len(keyset_of_item):
                break
            code = keyset_of_item[item]
            require(0 <= code < max(len(keysets), 1), f'no keyset {code} of {SCOPES[scope]}s')
            named = []
            for index in keysets[code] if keysets else []:
                named.append(self.attribute(columns[index], at[index]))
                at[index] += 1
            found.append(merge(named, values.read_extras(extras[item]) if item in extras else {}))
            self.seen['items with extras'] += item in extras
        for index, position in at.items():
            if not columns[index].has(IN_EXTRAS):
                require(position == columns[index].count, f'column {columns[index].number}: values left over')
        self.check_extras(scope, [values.read_extras(data).values() for data in extras.values()])
        return found

    def attribute(self, column, position):
        require(position < column.count, f'column {column.number}: too few values')
        content = self.data[column.number][position]
        self.seen['attribute ' + values.TYPES[column.type]] += 1
        if column.type in (values.ARRAY, values.KVLIST):
            reader = ByteReader(content, f'column {column.number}')
            require(content[:1] == bytes([column.type]), f'column {column.number}: value of another type')
            value = values.read_value(reader)
            reader.end()
        else:
            value = values.scalar(column.type, content)
        return [values.decode_text(column.key), value]

    def check_extras(self, scope, all_extras):
        """A column flagged "in extras" counts the items that have it."""
        items, known = {}, set()
        for extras in all_extras:
            for identity in {(key, next(iter(value))) for key, value in extras}:
                items[identity] = items.get(identity, 0) + 1
        for column in self.directory.columns:
            if not column.is_attribute() or column.scope != scope:
                continue
            identity = (values.decode_text(column.key), values.TYPES[column.type])
            known.add(identity)
            if column.has(IN_EXTRAS):
                require(items.get(identity) == column.count, f'column {column.number}: {items.get(identity)} items have it, not {column.count}')
                self.seen['columns in extras'] += 1
        if len(known) < MAX_DESCRIBED:
            require(not items.keys() - known, f'extras of no column: {list(items.keys() - known)[:3]}')

    # ---- what the directory says of all rows ----

    def check_counts(self):
        head = self.directory
        starts = [span['start_unix_ns'] for span in self.spans]
        ends = [span['end_unix_ns'] for span in self.spans]
        durations = self.column(5)
        require((min(starts), max(starts), max(ends)) == (head.start_min_ns, head.start_max_ns, head.end_max_ns), 'times of the head are wrong')
        first = sums(self.column(1))
        order = [(min(starts[a:b]), trace_id) for a, b, trace_id in zip(first, first[1:], self.column(0))]
        require(order == sorted(order), 'traces are not in order')
        require((min(durations), max(durations)) == (head.duration_min_ns, head.duration_max_ns), 'durations of the head are wrong')
        require(self.column(8).count(2) == head.error_count, 'error count is wrong')


def sums(numbers):
    """Sums of the numbers before each, and of all."""
    found = [0]
    for number in numbers:
        found.append(found[-1] + number)
    return found


def merge(named, extras):
    """The complete list: extras at their positions, the others between them."""
    named, merged = iter(named), []
    for attribute in named:
        while len(merged) in extras:
            merged.append(extras[len(merged)])
        merged.append(attribute)
    while len(merged) in extras:
        merged.append(extras[len(merged)])
    require(not extras or max(extras) < len(merged), 'an extra beyond the list of attributes')
    return merged


# ---- filters ----

def read_filter(data, name):
    require(len(data) >= 40 and len(data) % 32 == 8, f'{name}: {len(data)} bytes')
    require(xxh64(data[8:]) == int.from_bytes(data[:8], 'little'), f'{name}: its hash is wrong')
    words = [int.from_bytes(data[i:i + 4], 'little') for i in range(8, len(data), 4)]
    return [words[i:i + 8] for i in range(0, len(words), 8)]


def may_contain(blocks, number):
    block = blocks[(number >> 32) * len(blocks) >> 32]
    low = number & 0xFFFFFFFF
    return all(word >> ((low * salt & 0xFFFFFFFF) >> 27) & 1 for word, salt in zip(block, SALTS))
