/* SPDX-License-Identifier: MIT
 * Decoding of integer streams. The encoder, and the choice of a layout, are int_encoder.c.
 *
 *   stream    layout:u8 transform:u8 base:zigzag step:varint head block-sizes blocks
 *   value     base + step * u, where u comes from the layout; or of deltas (transform)
 *
 * Arithmetic is modulo 2^64 throughout, so no stored number can overflow anything. */
#include "store/codec/int_codec.h"

#include <string.h>

#include "store/codec/bit_packing.h"
#include "store/codec/compression.h"
#include "store/codec/int_format.h"
#include "store/sqlite_api.h"

/* ---- opening ---- */

static enum tk_status allocate_table(struct tk_int_stream *stream, uint32_t count,
                                     struct tk_error *error) {
  stream->table = sqlite3_malloc64((sqlite3_uint64)count * sizeof *stream->table);
  if (!stream->table) return tk_nomem(error);
  stream->memory_bytes += count * sizeof *stream->table;
  stream->table_count = count;
  return TK_OK;
}

/* Frequent values in ascending order, then the ranges that tk_range_of numbers. */
static enum tk_status read_symbols(struct tk_int_stream *stream, struct tk_byte_reader *reader,
                                   struct tk_error *error) {
  uint32_t exact = (uint32_t)tk_byte_reader_varint_max(reader, 256);
  unsigned top_bits = (unsigned)tk_byte_reader_varint_max(reader, TK_RANGE_TOP_BITS_MAX);
  uint32_t first = (uint32_t)tk_byte_reader_varint_max(reader, TK_RANGES_MAX);
  uint32_t ranges = (uint32_t)tk_byte_reader_varint_max(reader, 256);
  uint64_t value = 0;

  if (reader->failed || exact + ranges == 0 || exact + ranges > 256 ||
      first + ranges > tk_range_count(top_bits)) {
    return tk_corrupt(error, "bad symbol table");
  }
  enum tk_status status = allocate_table(stream, exact + ranges, error);
  if (status != TK_OK) return status;
  for (uint32_t i = 0; i < exact; i++) {
    value += tk_byte_reader_varint(reader);
    stream->table[i] = value;
    stream->symbol_bits[i] = 0;
  }
  for (uint32_t i = 0; i < ranges; i++) {
    unsigned bits = 0;
    stream->table[exact + i] = tk_range_begin(first + i, top_bits, &bits);
    stream->symbol_bits[exact + i] = (uint8_t)bits;
  }
  return TK_OK;
}

static enum tk_status read_distinct(struct tk_int_stream *stream, struct tk_byte_reader *reader,
                                    struct tk_error *error) {
  /* Every value takes at least a byte, which bounds the allocation. */
  uint32_t count = (uint32_t)tk_byte_reader_varint_max(
      reader, tk_byte_reader_remaining(reader) < UINT32_MAX / 8 ? tk_byte_reader_remaining(reader)
                                                                : UINT32_MAX / 8);
  uint64_t value = 0;
  if (count == 0) return tk_corrupt(error, "bad table of distinct values");
  enum tk_status status = allocate_table(stream, count, error);
  if (status != TK_OK) return status;
  for (uint32_t i = 0; i < count; i++) {
    value += tk_byte_reader_varint(reader);
    stream->table[i] = value;
  }

  stream->indexes = sqlite3_malloc64(sizeof *stream->indexes);
  if (!stream->indexes) return tk_nomem(error);
  *stream->indexes = (struct tk_int_stream){0};
  struct tk_byte_reader peek = *reader;
  if (tk_byte_reader_u8(&peek) == TK_INT_DISTINCT) {
    return tk_corrupt(error, "nested tables of distinct values");
  }
  status = tk_int_stream_open(stream->indexes, reader, stream->block_count, error);
  stream->memory_bytes += sizeof *stream->indexes + stream->indexes->memory_bytes;
  return status;
}

static enum tk_status read_layout_head(struct tk_int_stream *stream, struct tk_byte_reader *reader,
                                       struct tk_error *error) {
  switch (stream->layout) {
    case TK_INT_CONSTANT:
    case TK_INT_RUNS:
    case TK_INT_PACKED:
      return TK_OK;
    case TK_INT_PLANES:
    case TK_INT_WORDS:
      stream->byte_count = tk_byte_reader_u8(reader);
      if (stream->byte_count >= 1 && stream->byte_count <= 8) return TK_OK;
      return tk_corrupt(error, "expected 1 to 8 byte planes, found %u", stream->byte_count);
    case TK_INT_SYMBOLS:
      return read_symbols(stream, reader, error);
    case TK_INT_DISTINCT:
      return read_distinct(stream, reader, error);
    case TK_INT_LAYOUTS:
      break;
  }
  return tk_corrupt(error, "unknown integer layout %u", (unsigned)stream->layout);
}

static bool has_payload(const struct tk_int_stream *stream) {
  return (stream->transform & TK_TRANSFORM_DELTA) ||
         (stream->layout != TK_INT_CONSTANT && stream->layout != TK_INT_DISTINCT);
}

static enum tk_status read_block_sizes(struct tk_int_stream *stream, struct tk_byte_reader *reader,
                                       struct tk_error *error) {
  uint64_t end = 0;
  if (!has_payload(stream) || stream->block_count == 0) return TK_OK;
  if (stream->block_count > tk_byte_reader_remaining(reader)) {
    return tk_corrupt(error, "block sizes end early");
  }
  stream->block_ends =
      sqlite3_malloc64((sqlite3_uint64)stream->block_count * sizeof *stream->block_ends);
  if (!stream->block_ends) return tk_nomem(error);
  stream->memory_bytes += stream->block_count * sizeof *stream->block_ends;
  for (uint32_t i = 0; i < stream->block_count; i++) {
    end += tk_byte_reader_varint_max(reader, tk_byte_reader_remaining(reader));
    if (end > UINT32_MAX) return tk_corrupt(error, "blocks are too large");
    stream->block_ends[i] = (uint32_t)end;
  }
  stream->payload = tk_byte_reader_bytes(reader, (size_t)end);
  return stream->payload ? TK_OK : tk_corrupt(error, "blocks end early");
}

enum tk_status tk_int_stream_open(struct tk_int_stream *stream, struct tk_byte_reader *reader,
                                  uint32_t block_count, struct tk_error *error) {
  struct tk_int_stream opened = {.block_count = block_count};
  uint8_t layout = tk_byte_reader_u8(reader);
  enum tk_status status;

  *stream = (struct tk_int_stream){0};
  opened.layout = layout < TK_INT_LAYOUTS ? (enum tk_int_layout)layout : TK_INT_LAYOUTS;
  opened.transform = tk_byte_reader_u8(reader);
  opened.base = (uint64_t)tk_byte_reader_zigzag(reader);
  opened.step = tk_byte_reader_varint(reader);
  if (reader->failed || opened.transform > (TK_TRANSFORM_ZIGZAG | TK_TRANSFORM_DELTA)) {
    return tk_corrupt(error, "bad head of an integer stream");
  }
  if ((status = read_layout_head(&opened, reader, error)) != TK_OK) goto done;
  if ((status = read_block_sizes(&opened, reader, error)) != TK_OK) goto done;
  if (reader->failed) {
    status = tk_corrupt(error, "an integer stream ends early");
    goto done;
  }
  *stream = opened;
  opened = (struct tk_int_stream){0};

done:
  tk_int_stream_close(&opened);
  return status;
}

void tk_int_stream_close(struct tk_int_stream *stream) {
  sqlite3_free(stream->block_ends);
  sqlite3_free(stream->table);
  if (stream->indexes) tk_int_stream_close(stream->indexes);
  sqlite3_free(stream->indexes);
  *stream = (struct tk_int_stream){0};
}

/* ---- layouts: the bytes of one block to normalised values ---- */

static enum tk_status decode_runs(struct tk_byte_reader *reader, uint32_t count, uint64_t *values,
                                  struct tk_error *error) {
  uint32_t done = 0;
  while (done < count) {
    uint64_t value = tk_byte_reader_varint(reader);
    uint32_t length = (uint32_t)tk_byte_reader_varint_max(reader, count - done);
    if (length == 0) return tk_corrupt(error, "bad run");
    for (uint32_t i = 0; i < length; i++) values[done + i] = value;
    done += length;
  }
  return TK_OK;
}

static enum tk_status decode_packed(struct tk_byte_reader *reader, uint32_t count, uint64_t *values,
                                    struct tk_error *error) {
  unsigned width = tk_byte_reader_u8(reader);
  uint64_t reference = tk_byte_reader_varint(reader);
  const uint8_t *bits =
      width <= 64 ? tk_byte_reader_bytes(reader, (size_t)tk_packed_size(count, width)) : NULL;
  if (!bits) return tk_corrupt(error, "bad bit-packed block");
  tk_unpack_bits(bits, count, width, values);
  if (reference == 0) return TK_OK;
  for (uint32_t i = 0; i < count; i++) values[i] += reference;
  return TK_OK;
}

static void merge_plane(const uint8_t *plane, uint32_t count, unsigned shift, uint64_t *values) {
  for (uint32_t i = 0; i < count; i++) values[i] |= (uint64_t)plane[i] << shift;
}

static enum tk_status decode_planes(const struct tk_int_stream *stream,
                                    struct tk_byte_reader *reader, uint32_t count, uint8_t *scratch,
                                    uint64_t *values, struct tk_error *error) {
  for (unsigned plane = 0; plane < stream->byte_count; plane++) {
    enum tk_status status = tk_unpack_bytes(reader, scratch, count, error);
    if (status != TK_OK) return status;
    if (plane == 0) {
      for (uint32_t i = 0; i < count; i++) values[i] = scratch[i];
    } else {
      merge_plane(scratch, count, 8 * plane, values);
    }
  }
  return TK_OK;
}

static bool symbols_are_known(const uint8_t *symbols, uint32_t count, uint32_t known) {
  uint8_t largest = 0;
  for (uint32_t i = 0; i < count; i++) largest = symbols[i] > largest ? symbols[i] : largest;
  return count == 0 || largest < known;
}

static uint64_t count_symbol_bits(const uint8_t *widths, const uint8_t *symbols, uint32_t count) {
  uint64_t total = 0;
  for (uint32_t i = 0; i < count; i++) total += widths[symbols[i]];
  return total;
}

/* Values of a run of symbols, whose bits are at `position` and end before the last 16 bytes that
 * may be read. Gives the position after them. */
static uint64_t add_symbol_bits(const struct tk_int_stream *stream, const uint8_t *symbols,
                                uint32_t count, const uint8_t *bits, uint64_t position,
                                uint64_t *values) {
  const uint8_t *widths = stream->symbol_bits;
  const uint64_t *table = stream->table;
  for (uint32_t i = 0; i < count; i++) {
    unsigned width = widths[symbols[i]];
    const uint8_t *at = bits + (position >> 3);
    uint64_t low = tk_load_u64(at) >> (position & 7);
    if (width > 56) low |= tk_load_u64(at + 7) >> (position & 7) << 56;
    values[i] = table[symbols[i]] + (low & (((uint64_t)1 << width) - 1));
    position += width;
  }
  return position;
}

/* Runs of this many symbols are checked at once: usually there are enough bits for the widest. */
enum { SYMBOL_RUN = 64, BITS_SLACK = 16 };

static enum tk_status add_bits(const struct tk_int_stream *stream, struct tk_byte_reader *reader,
                               const uint8_t *symbols, uint32_t count, uint64_t *values,
                               struct tk_error *error) {
  size_t size = tk_byte_reader_remaining(reader);
  const uint8_t *packed = tk_byte_reader_bytes(reader, size);
  uint64_t bits = (uint64_t)size * 8;
  uint64_t position = 0;
  enum tk_status status = TK_OK;
  uint8_t *padded = sqlite3_malloc64((sqlite3_uint64)size + BITS_SLACK);
  if (!padded) return tk_nomem(error);
  memcpy(padded, packed, size);
  memset(padded + size, 0, BITS_SLACK);
  for (uint32_t i = 0; i < count; i += SYMBOL_RUN) {
    uint32_t run = count - i < SYMBOL_RUN ? count - i : SYMBOL_RUN;
    if (bits - position < (uint64_t)SYMBOL_RUN * 64 &&
        count_symbol_bits(stream->symbol_bits, symbols + i, run) > bits - position) {
      status = tk_corrupt(error, "bits of symbols end early");
      break;
    }
    position = add_symbol_bits(stream, symbols + i, run, padded, position, values + i);
  }
  sqlite3_free(padded);
  if (status == TK_OK && (position + 7) / 8 != size) {
    status = tk_corrupt(error, "block has a wrong size");
  }
  return status;
}

static enum tk_status decode_symbols(const struct tk_int_stream *stream,
                                     struct tk_byte_reader *reader, uint32_t count,
                                     uint8_t *scratch, uint64_t *values, struct tk_error *error) {
  enum tk_status status = tk_unpack_bytes(reader, scratch, count, error);
  if (status != TK_OK) return status;
  if (!symbols_are_known(scratch, count, stream->table_count)) {
    return tk_corrupt(error, "unknown symbol");
  }
  if (tk_byte_reader_remaining(reader) > 0) {
    return add_bits(stream, reader, scratch, count, values, error);
  }
  if (count_symbol_bits(stream->symbol_bits, scratch, count) > 0) {
    return tk_corrupt(error, "bits of symbols end early");
  }
  for (uint32_t i = 0; i < count; i++) values[i] = stream->table[scratch[i]];
  return TK_OK;
}

static enum tk_status decode_distinct(const struct tk_int_stream *stream, uint32_t block,
                                      uint32_t count, uint64_t *values, struct tk_error *error) {
  enum tk_status status = tk_int_stream_decode(stream->indexes, block, count, values, error);
  if (status != TK_OK) return status;
  for (uint32_t i = 0; i < count; i++) {
    if (values[i] >= stream->table_count) return tk_corrupt(error, "unknown distinct value");
    values[i] = stream->table[values[i]];
  }
  return TK_OK;
}

static enum tk_status decode_with_scratch(const struct tk_int_stream *stream,
                                          struct tk_byte_reader *reader, uint32_t count,
                                          uint64_t *values, struct tk_error *error) {
  size_t size = stream->layout == TK_INT_WORDS ? (size_t)count * stream->byte_count : count;
  uint8_t *scratch = sqlite3_malloc64(size ? size : 1);
  enum tk_status status = TK_OK;
  if (!scratch) return tk_nomem(error);
  if (stream->layout == TK_INT_PLANES) {
    status = decode_planes(stream, reader, count, scratch, values, error);
  } else if (stream->layout == TK_INT_SYMBOLS) {
    status = decode_symbols(stream, reader, count, scratch, values, error);
  } else if ((status = tk_unpack_bytes(reader, scratch, size, error)) == TK_OK) {
    tk_unpack_bits(scratch, count, 8u * stream->byte_count, values);
  }
  sqlite3_free(scratch);
  return status;
}

static enum tk_status decode_layout(const struct tk_int_stream *stream,
                                    struct tk_byte_reader *reader, uint32_t block, uint32_t count,
                                    uint64_t *values, struct tk_error *error) {
  switch (stream->layout) {
    case TK_INT_CONSTANT:
      memset(values, 0, count * sizeof *values);
      return TK_OK;
    case TK_INT_RUNS:
      return decode_runs(reader, count, values, error);
    case TK_INT_PACKED:
      return decode_packed(reader, count, values, error);
    case TK_INT_DISTINCT:
      return decode_distinct(stream, block, count, values, error);
    case TK_INT_PLANES:
    case TK_INT_WORDS:
    case TK_INT_SYMBOLS:
      return decode_with_scratch(stream, reader, count, values, error);
    case TK_INT_LAYOUTS:
      break;
  }
  return tk_corrupt(error, "unknown integer layout");
}

/* ---- transforms: normalised values to values ---- */

static void undo_zigzag(uint32_t count, uint64_t *values) {
  for (uint32_t i = 0; i < count; i++) values[i] = (values[i] >> 1) ^ (0 - (values[i] & 1));
}

static void undo_offset(uint64_t base, uint64_t step, uint32_t count, uint64_t *values) {
  if (step == 1 && base == 0) return;
  if (step == 1) {
    for (uint32_t i = 0; i < count; i++) values[i] += base;
    return;
  }
  for (uint32_t i = 0; i < count; i++) values[i] = base + step * values[i];
}

/* values[0] was stored as zero difference; the block's first value stands in its place. */
static void undo_delta(uint64_t first, uint32_t count, uint64_t *values) {
  values[0] = first;
  for (uint32_t i = 1; i < count; i++) values[i] += values[i - 1];
}

static struct tk_byte_reader block_reader(const struct tk_int_stream *stream, uint32_t block) {
  struct tk_byte_reader reader;
  tk_byte_reader_init(&reader, NULL, 0);
  if (stream->block_ends) {
    uint32_t begin = block ? stream->block_ends[block - 1] : 0;
    tk_byte_reader_init(&reader, stream->payload + begin, stream->block_ends[block] - begin);
  }
  return reader;
}

enum tk_status tk_int_stream_decode(const struct tk_int_stream *stream, uint32_t block,
                                    uint32_t count, uint64_t *values, struct tk_error *error) {
  uint64_t first = 0;

  if (block >= stream->block_count) return tk_corrupt(error, "no block %u", block);
  if (count == 0) return TK_OK;
  struct tk_byte_reader reader = block_reader(stream, block);
  if (stream->transform & TK_TRANSFORM_DELTA) {
    first = (uint64_t)tk_byte_reader_zigzag(&reader);
  }
  enum tk_status status = decode_layout(stream, &reader, block, count, values, error);
  if (status != TK_OK) return status;
  if (!tk_byte_reader_finished(&reader)) return tk_corrupt(error, "block has a wrong size");

  if (stream->transform & TK_TRANSFORM_ZIGZAG) undo_zigzag(count, values);
  undo_offset(stream->base, stream->step, count, values);
  if (stream->transform & TK_TRANSFORM_DELTA) undo_delta(first, count, values);
  return TK_OK;
}

/* ---- narrow arrays ---- */

/* Whether a block is one byte plane that can be the array, but for `*shift` to be added. */
static bool is_narrow_plane(const struct tk_int_stream *stream, const struct tk_ints *ints,
                            struct tk_int_range range, uint64_t *shift) {
  *shift = stream->base - (uint64_t)range.min;
  return stream->layout == TK_INT_PLANES && stream->transform == 0 && stream->step == 1 &&
         stream->byte_count == 1 && ints->width == 1 && *shift <= UINT8_MAX;
}

/* False if a value is not in the range. */
static bool shift_plane(uint8_t *values, uint32_t count, uint32_t shift, uint32_t span) {
  uint32_t seen = 0;
  if (shift == 0) {
    uint8_t most = 0;
    for (uint32_t i = 0; i < count; i++) most = values[i] > most ? values[i] : most;
    return most <= span;
  }
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t offset = values[i] + shift;
    seen |= span - offset; /* the highest bit: offset is greater */
    values[i] = (uint8_t)offset;
  }
  return seen >> 31 == 0;
}

static enum tk_status decode_plane(const struct tk_int_stream *stream, uint32_t block,
                                   uint32_t count, uint8_t *values, struct tk_error *error) {
  struct tk_byte_reader reader = block_reader(stream, block);
  enum tk_status status = tk_unpack_bytes(&reader, values, count, error);
  if (status != TK_OK || tk_byte_reader_finished(&reader)) return status;
  return tk_corrupt(error, "block has a wrong size");
}

enum tk_status tk_int_stream_decode_to(const struct tk_int_stream *stream, uint32_t block,
                                       uint32_t count, const struct tk_ints *ints,
                                       struct tk_int_range range, uint32_t begin, const char *fault,
                                       struct tk_error *error) {
  enum tk_status status;
  uint64_t shift;
  bool within = true;

  if (block >= stream->block_count) return tk_corrupt(error, "no block %u", block);
  if (count == 0) return TK_OK;
  if (ints->width == 8) { /* an int64_t may be written through its unsigned counterpart */
    uint64_t *values = (uint64_t *)ints->values + begin;
    status = tk_int_stream_decode(stream, block, count, values, error);
    within = status != TK_OK || tk_ints_are_within(range, (const int64_t *)values, count);
  } else if (is_narrow_plane(stream, ints, range, &shift)) {
    uint8_t *values = (uint8_t *)ints->values + begin;
    status = decode_plane(stream, block, count, values, error);
    within = status != TK_OK ||
             shift_plane(values, count, (uint32_t)shift, (uint32_t)(range.max - range.min));
  } else {
    uint64_t *wide = sqlite3_malloc64((sqlite3_uint64)count * sizeof *wide);
    if (!wide) return tk_nomem(error);
    status = tk_int_stream_decode(stream, block, count, wide, error);
    within = status != TK_OK || tk_ints_store(ints, range, begin, (const int64_t *)wide, count);
    sqlite3_free(wide);
  }
  if (within) return status;
  return tk_corrupt(error, "%s: not from %lld to %lld", fault, (long long)range.min,
                    (long long)range.max);
}
