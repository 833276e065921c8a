"""Values, attributes, resources and scopes: docs/segment-format.md, "Values".

A value is a dict of one member, its type, such as {'int': 5}; an attribute is a list of key and
value. Texts become str (bytes that are not UTF-8 become lone surrogates), bytes hexadecimal."""
import math
import struct

from store_bytes import ByteReader, require

TYPES = ['empty', 'string', 'bool', 'int', 'double', 'array', 'kvlist', 'bytes']
EMPTY, STRING, BOOL, INT, DOUBLE, ARRAY, KVLIST, BYTES = range(8)
MAX_LEVEL = 128
MAX_COUNT = (1 << 32) - 1
RESIDUALS = ['none', 'json', 'protobuf']


def decode_text(data):
    return data.decode('utf-8', 'surrogateescape')


def double_of(bits):
    """A double as text that says which one: its shortest decimal form; a NaN's bits if they are unusual."""
    number = struct.unpack('<d', struct.pack('<Q', bits))[0]
    if math.isnan(number):
        return 'NaN' if bits == 0x7FF8000000000000 else f'NaN {bits:016x}'
    return repr(number)


def scalar(kind, content):
    """The value of a type whose content is already a number or bytes."""
    if kind == STRING:
        return {'string': decode_text(content)}
    if kind == BYTES:
        return {'bytes': content.hex()}
    if kind == BOOL:
        require(content in (0, 1), f'bool {content}')
        return {'bool': bool(content)}
    if kind == DOUBLE:
        return {'double': double_of(content & (1 << 64) - 1)}
    return {'int': content} if kind == INT else {'empty': None}


def read_value(reader, level=1):
    require(level <= MAX_LEVEL, 'value too deep')
    kind = reader.u8(7)
    if kind in (STRING, BYTES):
        return scalar(kind, reader.text())
    if kind == BOOL:
        return scalar(kind, reader.u8(1))
    if kind == INT:
        return scalar(kind, reader.zigzag())
    if kind == DOUBLE:
        return scalar(kind, reader.u64())
    if kind == ARRAY:
        return {'array': [read_value(reader, level + 1) for _ in range(reader.varint(min(MAX_COUNT, reader.left())))]}
    if kind == KVLIST:
        return {'kvlist': [read_attribute(reader, level + 1) for _ in range(reader.varint(min(MAX_COUNT, reader.left())))]}
    return scalar(EMPTY, None)


def read_attribute(reader, level=1):
    return [decode_text(reader.text()), read_value(reader, level)]


def read_attributes(reader):
    found = [read_attribute(reader) for _ in range(reader.varint(min(MAX_COUNT, reader.left())))]
    return {'attributes': found, 'dropped_attributes_count': reader.varint(MAX_COUNT)}


def read_extras(data):
    """A dict of position to attribute."""
    reader, extras = ByteReader(data, 'extras'), {}
    while reader.left():
        position = reader.varint(MAX_COUNT)
        require(not extras or position > max(extras), 'positions of extras do not ascend')
        extras[position] = read_attribute(reader)
    require(extras, 'extras without any')
    return extras


def residual_of(kind, text):
    require(kind in (1, 2) and text, f'residual of format {kind}, {len(text)} bytes')
    return {RESIDUALS[kind]: decode_text(text) if kind == 1 else text.hex()}


def read_residual(reader):
    kind = reader.u8(2)
    return residual_of(kind, reader.text()) if kind else None


def read_resource(content):
    reader = ByteReader(content, 'resource')
    require(reader.u8() == 1, 'resource of an unknown version')
    found = {'absent': bool(reader.u8(1)), **read_attributes(reader), 'schema_url': decode_text(reader.text()),
             'residual': read_residual(reader), 'outer_residual': read_residual(reader)}
    reader.end()
    return found


def read_scope(content):
    reader = ByteReader(content, 'scope')
    require(reader.u8() == 1, 'scope of an unknown version')
    found = {'absent': bool(reader.u8(1)), 'name': decode_text(reader.text()), 'version': decode_text(reader.text()),
             **read_attributes(reader), 'schema_url': decode_text(reader.text()),
             'residual': read_residual(reader), 'outer_residual': read_residual(reader)}
    reader.end()
    return found
