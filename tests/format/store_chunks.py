"""Chunks, the encoded columns: docs/segment-format.md, "Chunks".

Every function that reads a stream or a list takes `counts`, the number of values of each block, and
gives a list of values for each block. `seen` counts which encodings occurred."""
from store_bytes import MASK, BitReader, ByteReader, read_packed, require, signed, unzigzag

MAX_VALUES = 1 << 26
MAX_TEXT_BYTES = 1 << 30
INT, TEXT, FIXED = 1, 2, 3
CONSTANT, RUNS, PACKED, PLANES, WORDS, SYMBOLS, DISTINCT = range(7)
LAYOUTS = ['CONSTANT', 'RUNS', 'PACKED', 'PLANES', 'WORDS', 'SYMBOLS', 'DISTINCT']
LISTS = [None, 'PLAIN', 'FRONT', 'TEMPLATE']
ZIGZAG, DELTA = 1, 2
DICTIONARY = 8


def decode_chunk(data, kind, granules, seen, width=0, name='chunk', trace=None):
    """All values of a chunk. `granules`: how many values each granule has, as known from outside."""
    reader, total = ByteReader(data, name, trace), sum(granules)
    encoding = reader.u8()
    require(encoding >> 4 == kind, f'{name}: encoding {encoding:#x} for a column of kind {kind}')
    reader.note(0, f'encoding: {describe(encoding)}')
    begin = reader.at
    require(reader.varint(MAX_VALUES) == total, f'{name}: not {total} values')
    reader.note(begin, f'count: {total}')
    if kind == FIXED:
        begin = reader.at
        require(encoding == 0x30 and reader.varint() == width, f'{name}: not of width {width}')
        reader.note(begin, f'width: {width}')
        begin = reader.at
        values = [reader.take(width) for _ in range(total)]
        reader.note(begin, 'the values: ' + ', '.join(value.hex() for value in values))
        seen['FIXED'] += 1
    elif not total:
        values = []
    else:
        begin = reader.at
        joined = reader.varint(len(granules), 1)
        reader.note(begin, f'joined: {joined}')
        seen['several blocks' if joined < len(granules) else 'one block'] += 1
        counts = [sum(granules[i:i + joined]) for i in range(0, len(granules), joined)]
        read = read_integers if kind == INT else read_texts
        values = [value for block in read(reader, encoding & 15, counts, seen) for value in block]
    reader.end()
    return values


def describe(encoding):
    if encoding >> 4 == INT:
        return 'INT, ' + LAYOUTS[encoding & 15]
    if encoding >> 4 == TEXT:
        return 'TEXT with a dictionary' if encoding & 15 == DICTIONARY else 'TEXT, ' + LISTS[encoding & 15]
    return 'FIXED'


def read_integers(reader, layout, counts, seen):
    require(reader.data[reader.at:reader.at + 1] == bytes([layout]), f'{reader.name}: another layout than its encoding says')
    return [[signed(value) for value in block] for block in read_stream(reader, counts, seen)]


def read_texts(reader, layout, counts, seen):
    if layout != DICTIONARY:
        require(reader.data[reader.at:reader.at + 1] == bytes([layout]), f'{reader.name}: another layout than its encoding says')
        return read_list(reader, counts, seen)
    seen['TEXT with a dictionary'] += 1
    begin = reader.at
    entries = reader.varint(sum(counts), 1)
    reader.note(begin, f'entries: {entries}')
    [dictionary] = read_list(reader, [entries], seen)
    require(all(a < b for a, b in zip(dictionary, dictionary[1:])), f'{reader.name}: dictionary not ascending')
    codes = read_stream(reader, counts, seen)
    require(all(code < entries for block in codes for code in block), f'{reader.name}: code beyond the dictionary')
    return [[dictionary[code] for code in block] for block in codes]


# ---- integer streams ----

def read_stream(reader, counts, seen, within_distinct=False):
    begin = reader.at
    layout = reader.u8(CONSTANT + 5 if within_distinct else DISTINCT)
    reader.note(begin, f'layout: {LAYOUTS[layout]}')
    begin = reader.at
    transform = reader.u8(3)
    reader.note(begin, 'transform: ' + (' and '.join(name for bit, name in ((1, 'ZIGZAG'), (2, 'DELTA')) if transform & bit) or 'none'))
    begin = reader.at
    base = reader.zigzag()
    reader.note(begin, f'base: {base}')
    begin = reader.at
    step = reader.varint()
    reader.note(begin, f'step: {step}')
    seen[LAYOUTS[layout]] += 1
    for bit, name in ((ZIGZAG, 'ZIGZAG'), (DELTA, 'DELTA')):
        seen[name] += bool(transform & bit)
    head = read_head(reader, layout, counts, seen)
    has_sizes = transform & DELTA or layout not in (CONSTANT, DISTINCT)
    sizes = read_sizes(reader, counts) if has_sizes else [0] * len(counts)
    blocks = []
    for number, (size, count) in enumerate(zip(sizes, counts)):
        begin = reader.at
        block = ByteReader(reader.take(size), f'{reader.name}, block {number}')
        blocks.append(read_block(block, layout, head, number, count, transform, base, step, seen) if count else [])
        block.end()
        shown = ', '.join(str(signed(v)) for v in blocks[-1][:12])
        reader.note(begin, f'block {number}: {shown}{", ..." if count > 12 else ""}')
    return blocks


def read_sizes(reader, counts, may_be_empty=True):
    begin = reader.at
    sizes = [reader.varint() for _ in counts]
    if may_be_empty:
        require(all(count or not size for size, count in zip(sizes, counts)), f'{reader.name}: bytes in a block without values')
    reader.note(begin, 'block sizes: ' + ', '.join(str(size) for size in sizes))
    return sizes


def read_head(reader, layout, counts, seen):
    begin, head = reader.at, None
    if layout in (PLANES, WORDS):
        head = reader.u8(8)
        require(head, f'{reader.name}: numbers of no bytes')
        reader.note(begin, f'bytes: {head}')
    elif layout == SYMBOLS:
        head = read_symbol_table(reader)
        reader.note(begin, 'exact, top_bits, first_range, ranges, and the exact values')
    elif layout == DISTINCT:
        values = ascending(reader, reader.varint(MAX_VALUES, 1))
        reader.note(begin, 'the distinct values: ' + ', '.join(str(value) for value in values))
        codes = read_stream(reader, counts, seen, within_distinct=True)
        require(all(code < len(values) for block in codes for code in block), f'{reader.name}: index beyond the distinct values')
        head = [[values[code] for code in block] for block in codes]
    return head


def ascending(reader, count):
    """Numbers as differences to the one before, the first to 0."""
    numbers, number = [], 0
    for i in range(count):
        difference = reader.varint()
        require(difference or not i, f'{reader.name}: values do not ascend')
        number += difference
        require(number <= MASK, f'{reader.name}: value beyond 64 bits')
        numbers.append(number)
    return numbers


def read_symbol_table(reader):
    """For each symbol, the number it begins with and how many low bits follow."""
    exact, top_bits, first, ranges = reader.varint(256), reader.varint(5), reader.varint(1 << 20), reader.varint(256)
    require(1 <= exact + ranges <= 256, f'{reader.name}: {exact} + {ranges} symbols')
    table = [(value, 0) for value in ascending(reader, exact)]
    for r in range(first, first + ranges):
        require(r < 65 - top_bits << top_bits, f'{reader.name}: range {r}')
        low = max((r >> top_bits) - 1, 0)
        table.append((r - (low << top_bits) << low, low))
    return table


def read_block(reader, layout, head, number, count, transform, base, step, seen):
    first = reader.zigzag() & MASK if transform & DELTA else None
    if layout == CONSTANT:
        units = [0] * count
    elif layout == DISTINCT:
        units = head[number]
    else:
        units = {RUNS: read_runs, PACKED: read_bits, PLANES: read_planes, WORDS: read_words,
                 SYMBOLS: read_symbols}[layout](reader, count, head, seen)
    values = [base + step * (unzigzag(u) if transform & ZIGZAG else u) & MASK for u in units]
    if first is not None:
        values[0] = first
        for i in range(1, count):
            values[i] = values[i] + values[i - 1] & MASK
    return values


def read_runs(reader, count, head, seen):
    units = []
    while len(units) < count:
        u = reader.varint()
        units += [u] * reader.varint(count - len(units), 1)
    return units


def read_bits(reader, count, head, seen):
    width, reference = reader.u8(64), reader.varint()
    bits = BitReader(reader.take((count * width + 7) // 8))
    units = [bits.take(width) + reference & MASK for _ in range(count)]
    bits.end()
    return units


def read_planes(reader, count, planes, seen):
    columns = [read_packed(reader, count, seen) for _ in range(planes)]
    return [int.from_bytes(column, 'little') for column in zip(*columns)]


def read_words(reader, count, size, seen):
    data = read_packed(reader, count * size, seen)
    return [int.from_bytes(data[i:i + size], 'little') for i in range(0, len(data), size)]


def read_symbols(reader, count, table, seen):
    symbols = read_packed(reader, count, seen)
    require(all(symbol < len(table) for symbol in symbols), f'{reader.name}: unknown symbol')
    bits = BitReader(reader.take((sum(table[symbol][1] for symbol in symbols) + 7) // 8))
    units = [table[symbol][0] + bits.take(table[symbol][1]) for symbol in symbols]
    bits.end()
    return units


# ---- text lists ----

def read_list(reader, counts, seen):
    begin = reader.at
    layout = reader.u8(3)
    require(layout, f'{reader.name}: text list of layout 0')
    reader.note(begin, f'layout of the list: {LISTS[layout]}')
    seen[LISTS[layout]] += 1
    if layout == 1:
        texts = read_plain(reader, counts, seen)
    elif layout == 2:
        texts = read_front(reader, counts, seen)
    else:
        texts = read_template(reader, counts, seen)
    require(sum(len(text) for block in texts for text in block) <= MAX_TEXT_BYTES, f'{reader.name}: too many bytes of text')
    return texts


def cut(data, lengths):
    pieces, at = [], 0
    for length in lengths:
        pieces.append(data[at:at + length])
        at += length
    return pieces


def read_text_blocks(reader, lengths, seen):
    """Block sizes and blocks: packed bytes that are pieces of the given lengths, joined. No pieces
    are packed bytes too, of size 0."""
    require(sum(sum(block) for block in lengths) <= MAX_TEXT_BYTES, f'{reader.name}: too many bytes of text')
    pieces = []
    for size, block in zip(read_sizes(reader, lengths, may_be_empty=False), lengths):
        begin = reader.at
        packed = ByteReader(reader.take(size), f'{reader.name}, texts')
        pieces.append(cut(read_packed(packed, sum(block), seen), block))
        packed.end()
        reader.note(begin, 'block: packed bytes: ' + ', '.join(repr(piece.decode(errors='replace')) for piece in pieces[-1]))
    return pieces


def read_plain(reader, counts, seen):
    return read_text_blocks(reader, read_stream(reader, counts, seen), seen)


def read_front(reader, counts, seen):
    suffix_lengths = read_stream(reader, counts, seen)
    prefix_lengths = read_stream(reader, counts, seen)
    suffixes = read_text_blocks(reader, suffix_lengths, seen)
    blocks = []
    for lengths, pieces in zip(prefix_lengths, suffixes):
        texts, before = [], b''
        for length, suffix in zip(lengths, pieces):
            require(length <= len(before), f'{reader.name}: prefix longer than the text before')
            before = before[:length] + suffix
            texts.append(before)
        blocks.append(texts)
    return blocks


class Template:
    """Constant parts, and slots (kind, group, base) between them."""

    def __init__(self, text, reader):
        self.parts = text.split(b'\0')
        require(len(self.parts) <= 65, 'more than 64 slots')
        self.slots = []
        self.reader = reader

    def read_slots(self):
        self.slots = [(self.reader.u8(), self.reader.varint(255), self.reader.varint()) for _ in self.parts[1:]]


def read_templates(reader, seen):
    count = reader.varint(1 << 14)
    texts = read_packed(reader, reader.varint(MAX_VALUES), seen)
    slots = ByteReader(read_packed(reader, reader.varint(MAX_VALUES), seen), f'{reader.name}, slots')
    sizes = [slots.varint(len(texts)) for _ in range(count)]
    require(sum(sizes) == len(texts), f'{reader.name}: the sizes of templates do not add up')
    templates = [Template(text, slots) for text in cut(texts, sizes)]
    for template in templates:
        template.read_slots()
    slots.end()
    return templates


def read_template(reader, counts, seen):
    templates = read_templates(reader, seen)
    codes = read_stream(reader, counts, seen)
    require(all(code < len(templates) for block in codes for code in block), f'{reader.name}: unknown template')
    groups = reader.varint(256)
    all_slots = [slot for template in templates for slot in template.slots]
    require(all(group < groups for _, group, _ in all_slots), f'{reader.name}: unknown group')
    numbers = []
    for number in range(groups):
        needs = [sum(group == number for _, group, _ in template.slots) for template in templates]
        numbers.append(read_stream(reader, [sum(needs[code] for code in block) for block in codes], seen))
    has_raw = reader.u8(1)
    require(has_raw == any(kind == 0 for kind, _, _ in all_slots), f'{reader.name}: has_raw does not fit the slots')
    filled = [fill_slots(templates, block, [iter(group[b]) for group in numbers], seen) for b, block in enumerate(codes)]
    raw = [[length for text in block for length in text if isinstance(length, int)] for block in filled]
    raw = read_text_blocks(reader, raw, seen) if has_raw else raw
    blocks = []
    for block, pieces in zip(filled, raw):
        pieces = iter(pieces)
        blocks.append([b''.join(next(pieces) if isinstance(part, int) else part for part in text) for text in block])
    return blocks


def fill_slots(templates, codes, numbers, seen):
    """Texts as lists of parts; a raw part is still its length."""
    texts = []
    for code in codes:
        template = templates[code]
        parts = [template.parts[0]]
        for (kind, group, base), constant in zip(template.slots, template.parts[1:]):
            parts += [write_number(kind, next(numbers[group]) + base & MASK, seen), constant]
        texts.append(parts)
    return texts


def write_number(kind, number, seen):
    digits = kind & 0x1F
    if kind == 0:
        seen['slot raw'] += 1
        return number
    if kind == 1:
        seen['slot decimal'] += 1
        return b'%d' % number
    if kind == 2:
        seen['slot enumerated'] += 1
        return enumerate_digits(number)
    require(digits and digits <= (19 if kind >> 5 == 1 else 16) and kind >> 5 in (1, 2, 3), f'slot of kind {kind:#x}')
    seen['slot ' + ['', 'digits', 'hex', 'HEX'][kind >> 5]] += 1
    text = b'%0*d' % (digits, number) if kind >> 5 == 1 else b'%0*x' % (digits, number)
    require(len(text) == digits, f'{number} does not have {digits} digits')
    return text.upper() if kind >> 5 == 3 else text


def enumerate_digits(number):
    digits = 1
    while number >= 10 ** digits:
        number -= 10 ** digits
        digits += 1
    require(digits <= 19, 'enumerated number of more than 19 digits')
    return b'%0*d' % (digits, number)
