"""Bytes of a store: docs/segment-format.md, "Conventions" and "Packed bytes", and XXH64.

Part of an independent reader of stores, written from that page alone; see read_store.py."""
import ctypes
import ctypes.util
import struct

MASK = (1 << 64) - 1


class Damaged(Exception):
    """The store is not what docs/segment-format.md says it is."""


def require(condition, text):
    if not condition:
        raise Damaged(text)


def signed(number):
    """The 64 bits of an unsigned number, read as signed."""
    return number - (1 << 64) if number >> 63 else number


def unzigzag(number):
    return number >> 1 ^ -(number & 1)


class ByteReader:
    """Reads fields from the front of `data`, never beyond its end."""

    def __init__(self, data, name, trace=None):
        self.data, self.name, self.at, self.trace = data, name, 0, trace

    def take(self, size):
        require(size <= len(self.data) - self.at, f'{self.name}: {size} bytes wanted at {self.at} of {len(self.data)}')
        self.at += size
        return self.data[self.at - size:self.at]

    def u8(self, limit=255):
        number = self.take(1)[0]
        require(number <= limit, f'{self.name}: {number} at {self.at - 1}, above {limit}')
        return number

    def u64(self):
        return int.from_bytes(self.take(8), 'little')

    def varint(self, limit=MASK, least=0):
        number, begin = 0, self.at
        for shift in range(0, 70, 7):
            byte = self.take(1)[0]
            number |= (byte & 127) << shift
            if byte < 128:
                require(byte or not shift, f'{self.name}: varint at {begin} is longer than needed')
                require(least <= number <= limit, f'{self.name}: {number} at {begin} is not in {least} to {limit}')
                return number
        raise Damaged(f'{self.name}: varint at {begin} is longer than ten bytes')

    def zigzag(self):
        return unzigzag(self.varint())

    def text(self):
        return self.take(self.varint())

    def left(self):
        return len(self.data) - self.at

    def end(self):
        require(not self.left(), f'{self.name}: {self.left()} bytes left over')

    def note(self, begin, meaning):
        """Remembers what the bytes since `begin` meant, where somebody asked (see explain.py)."""
        if self.trace is not None:
            self.trace.append((self.name, begin, self.data[begin:self.at], meaning))


class BitReader:
    """Bits packed from the lowest of the first byte upwards; the last byte is filled with zeros."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, width):
        begin, self.at = self.at, self.at + width
        require(self.at <= len(self.data) * 8, 'packed bits end too early')
        return int.from_bytes(self.data[begin >> 3:self.at + 7 >> 3], 'little') >> (begin & 7) & (1 << width) - 1

    def end(self):
        left = len(self.data) * 8 - self.at
        require(left < 8 and not self.take(left), 'bits left over')


# ---- packed bytes ----

ZSTD = ctypes.CDLL(ctypes.util.find_library('zstd') or 'libzstd.so.1')
ZSTD.ZSTD_decompress.restype = ZSTD.ZSTD_findFrameCompressedSize.restype = ctypes.c_size_t
ZSTD.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
ZSTD.ZSTD_findFrameCompressedSize.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
METHODS = ['raw', 'repeated', 'zstd']


def decompress(frame, size, name):
    out = ctypes.create_string_buffer(size + 1)
    require(ZSTD.ZSTD_findFrameCompressedSize(frame, len(frame)) == len(frame), f'{name}: not one zstd frame')
    require(ZSTD.ZSTD_decompress(out, size, frame, len(frame)) == size, f'{name}: the zstd frame does not give {size} bytes')
    return out.raw[:size]


def read_packed(reader, size, seen=None):
    """`size` bytes, unpacked. Counts in `seen` how they were packed."""
    begin, method = reader.at, reader.u8(2)
    if seen is not None:
        seen['packed ' + METHODS[method]] += 1
    if method == 0:
        data = reader.take(size)
    elif method == 1:
        data = reader.take(1) * size
    else:
        data = decompress(reader.take(reader.varint()), size, reader.name)
    reader.note(begin, f'packed bytes, {METHODS[method]}: {size} bytes')
    return data


# ---- XXH64 ----

P1, P2, P3, P4, P5 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5


def rotate(number, bits):
    return (number << bits | number >> 64 - bits) & MASK


def mix(lane, word):
    return rotate(lane + word * P2 & MASK, 31) * P1 & MASK


def xxh64(data):
    """XXH64 of `data` with seed 0."""
    size, at = len(data), 0
    if size >= 32:
        a, b, c, d = (P1 + P2) & MASK, P2, 0, -P1 & MASK
        at = size & ~31
        for w, x, y, z in struct.iter_unpack('<4Q', data[:at]):
            a, b, c, d = mix(a, w), mix(b, x), mix(c, y), mix(d, z)
        number = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18) & MASK
        for lane in (a, b, c, d):
            number = (number ^ mix(0, lane)) * P1 + P4 & MASK
    else:
        number = P5
    number = number + size & MASK
    for (word,) in struct.iter_unpack('<Q', data[at:at + (size - at & ~7)]):
        number = rotate(number ^ mix(0, word), 27) * P1 + P4 & MASK
    at += size - at & ~7
    if size - at >= 4:
        number = rotate(number ^ int.from_bytes(data[at:at + 4], 'little') * P1 & MASK, 23) * P2 + P3 & MASK
        at += 4
    for byte in data[at:]:
        number = rotate(number ^ byte * P5 & MASK, 11) * P1 & MASK
    number = (number ^ number >> 33) * P2 & MASK
    number = (number ^ number >> 29) * P3 & MASK
    return number ^ number >> 32
