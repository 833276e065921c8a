/* SPDX-License-Identifier: MIT
 * Packing integers into bits and back. Reading takes one unaligned 64-bit load a value, which
 * covers widths up to 57 bits; wider values take a second load. */
#include "store/codec/bit_packing.h"

static void flush(struct tk_bit_writer *writer) {
  uint8_t bytes[8] = {0};
  size_t size = writer->pending_bits / 8;
  for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(writer->pending >> (8 * i));
  tk_byte_writer_append(writer->out, bytes, size);
  writer->pending = size == 8 ? 0 : writer->pending >> (8 * size);
  writer->pending_bits -= (unsigned)(8 * size);
}

void tk_bit_writer_append(struct tk_bit_writer *writer, uint64_t value, unsigned width) {
  if (width > 32) {
    tk_bit_writer_append(writer, value & tk_low_bits(32), 32);
    value >>= 32;
    width -= 32;
  }
  if (writer->pending_bits + width > 64) flush(writer);
  writer->pending |= width ? value << writer->pending_bits : 0;
  writer->pending_bits += width;
  if (writer->pending_bits == 64) flush(writer);
}

void tk_bit_writer_finish(struct tk_bit_writer *writer) {
  writer->pending_bits = (writer->pending_bits + 7) & ~7u;
  flush(writer);
}

/* Any width, never reading past `size`. */
static uint64_t read_careful(const uint8_t *bytes, size_t size, uint64_t position, unsigned width) {
  uint8_t window[16] = {0};
  size_t begin = (size_t)(position >> 3);
  unsigned shift = (unsigned)(position & 7);
  memcpy(window, bytes + begin, size - begin < 16 ? size - begin : 16);
  uint64_t value = tk_load_u64(window) >> shift;
  if (shift + width > 64) value |= tk_load_u64(window + 8) << (64 - shift);
  return value & tk_low_bits(width);
}

static void unpack_bytes(const uint8_t *bytes, uint32_t count, uint64_t *values) {
  for (uint32_t i = 0; i < count; i++) values[i] = bytes[i];
}

static void unpack_pairs(const uint8_t *bytes, uint32_t count, uint64_t *values) {
  for (uint32_t i = 0; i < count; i++) {
    values[i] = (uint64_t)bytes[2 * (size_t)i] | (uint64_t)bytes[2 * (size_t)i + 1] << 8;
  }
}

void tk_unpack_bits(const uint8_t *bytes, uint32_t count, unsigned width, uint64_t *values) {
  size_t size = (size_t)tk_packed_size(count, width);
  uint64_t mask = tk_low_bits(width);
  uint32_t i = 0;

  if (count == 0) return;
  if (width == 0) {
    memset(values, 0, count * sizeof *values);
    return;
  }
  if (width == 8) {
    unpack_bytes(bytes, count, values);
    return;
  }
  if (width == 16) {
    unpack_pairs(bytes, count, values);
    return;
  }
  if (width <= 57 && size >= 8) {
    uint64_t safe_bits = (uint64_t)(size - 8) * 8 + 8; /* the load may begin before this */
    uint64_t safe = (safe_bits + width - 1) / width;
    uint32_t end = safe < count ? (uint32_t)safe : count;
    uint64_t position = 0;
    for (; i < end; i++, position += width) {
      values[i] = (tk_load_u64(bytes + (position >> 3)) >> (position & 7)) & mask;
    }
  }
  for (; i < count; i++) values[i] = read_careful(bytes, size, (uint64_t)i * width, width);
}
