/* One column of a segment, as bytes: the encodings and their trial, and decoding.
 *
 * A *chunk* is one encoded column. It holds `value_count` values in granules, runs of values that
 * decode together and independently of other granules. Where granules end is not in the chunk: it
 * is either given by the caller (row granules of the segment) or follows from
 * TK_VALUES_PER_GRANULE. docs/segment-format.md, "Chunks", is normative.
 *
 * Three kinds of column exist. Each has encodings of its own, tried on the column's data by the
 * encoder, smallest wins, with a penalty for slow decoding:
 *   INT    64-bit integers (signed; unsigned values are cast): constant, run length,
 *          frame-of-reference bit packing (with gcd), byte-split planes (each raw or zstd),
 *          symbols and low bits, differences, distinct values
 *   TEXT   byte strings: sorted dictionary + codes, plain zstd, template (constant parts and
 *          variables), hex and UUID as binary, decimal as integer
 *   FIXED  byte strings of one fixed width, stored raw (ids)
 * All functions allocate with sqlite3_malloc64 only, and are thread-safe on distinct objects. */
#ifndef TK_STORE_COLUMN_CODEC_H
#define TK_STORE_COLUMN_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/codec/byte_writer.h"
#include "store/codec/ints.h"
#include "tracekeep/span.h"
#include "tracekeep/status.h"

enum tk_column_kind { TK_COLUMN_INT = 1, TK_COLUMN_TEXT = 2, TK_COLUMN_FIXED = 3 };

/** Where granules end: granule g holds values [g ? ends[g-1] : 0, ends[g]). */
struct tk_granules {
  const uint32_t *ends; /**< ascending; the last is the number of values. Empty column: count 0 */
  uint32_t count;
};

/** Granule size of columns whose granules are not the segment's row granules. */
#define TK_VALUES_PER_GRANULE 512

/* ---- encoding: appends one chunk to `out` (sticky failure: check out->failed) ---- */

/** What encoding learnt about a column; the segment writer puts it into the directory. */
struct tk_column_summary {
  int64_t int_min, int_max; /**< INT, count > 0 */
  uint32_t distinct_count;  /**< TEXT: exact */
  uint8_t encoding;         /**< first byte of the chunk */
};

void tk_column_encode_ints(struct tk_byte_writer *out, const int64_t *values, uint32_t count,
                           const struct tk_granules *granules, struct tk_column_summary *summary);
void tk_column_encode_texts(struct tk_byte_writer *out, const struct tk_text *values,
                            uint32_t count, const struct tk_granules *granules,
                            struct tk_column_summary *summary);
void tk_column_encode_fixed(struct tk_byte_writer *out, const uint8_t *values, uint32_t width,
                            uint32_t count);

/* ---- decoding ---- */

/** A chunk opened for reading. `open` validates the header and the dictionary; granules are decoded
 * on demand into arrays that keep every granule decoded so far, and never move. Bytes from disk are
 * untrusted: whatever they are, the result is TK_OK or TK_CORRUPT, within bounded memory (at most
 * TK_MAX_DECODED_BYTES a column) and without undefined behaviour.
 *
 * INT:   tk_ints_at(ints, i).
 * TEXT:  with a dictionary (has_dictionary): tk_ints_at(codes, i) indexes it; entry c is
 *        dictionary_bytes[dictionary_ends[c-1] .. dictionary_ends[c]) (0 for c == 0), entries are
 *        distinct and sorted by memcmp then length, so that codes compare as the texts do.
 *        Otherwise texts[i] are views into the column's own memory.
 * FIXED: fixed + i * width; always decoded. */
struct tk_column {
  enum tk_column_kind kind;
  uint8_t encoding;
  bool has_dictionary;
  uint32_t value_count;
  uint32_t width; /**< FIXED: bytes per value */
  struct tk_ints ints;
  struct tk_ints codes;
  struct tk_text *texts;
  uint32_t dictionary_count;
  uint32_t *dictionary_ends;
  uint8_t *dictionary_bytes;
  const uint8_t *fixed;
  uint64_t *decoded_granules;    /**< bitmap */
  size_t memory_bytes;           /**< what this column has allocated so far */
  struct tk_column_state *state; /**< private to column_codec.c */
};

#define TK_MAX_DECODED_BYTES ((size_t)1 << 30)

/** `chunk` stays borrowed until tk_column_close. `granules` is copied. `expected_kind`,
 * `expected_count`, `range` (INT; NULL: any): what the directory says; a chunk that disagrees is
 * corrupt, if about the range then when that is found while decoding. On failure *column is zeroed.
 * Error texts name no segment: the caller prefixes it. */
enum tk_status tk_column_open(struct tk_column *column, const uint8_t *chunk, size_t chunk_size,
                              enum tk_column_kind expected_kind, uint32_t expected_count,
                              const struct tk_granules *granules, const struct tk_int_range *range,
                              struct tk_error *error);

/** Makes granule `granule` readable, and perhaps neighbours that are stored together with it; does
 * nothing if it is already. */
enum tk_status tk_column_decode_granule(struct tk_column *column, uint32_t granule,
                                        struct tk_error *error);

/** Makes all values readable. */
enum tk_status tk_column_decode_all(struct tk_column *column, struct tk_error *error);

/** Whether the chunk is not needed any more, all values having been decoded: lets go of it then. */
bool tk_column_release_chunk(struct tk_column *column);

/** Frees; a zeroed column is fine. */
void tk_column_close(struct tk_column *column);

static inline struct tk_text tk_column_dictionary_entry(const struct tk_column *column,
                                                        uint32_t code) {
  uint32_t begin = code ? column->dictionary_ends[code - 1] : 0;
  struct tk_text entry = {(const char *)column->dictionary_bytes + begin,
                          column->dictionary_ends[code] - begin};
  return entry;
}

/** Code of value `i` of a column with a dictionary. */
static inline uint32_t tk_column_code(const struct tk_column *column, uint32_t i) {
  return (uint32_t)tk_ints_at(column->codes, i);
}

/** Text of value `i`, whose granule must have been decoded. */
static inline struct tk_text tk_column_text(const struct tk_column *column, uint32_t i) {
  return column->has_dictionary ? tk_column_dictionary_entry(column, tk_column_code(column, i))
                                : column->texts[i];
}

/** Code of `text` in the dictionary, or UINT32_MAX. Binary search. */
uint32_t tk_column_find_code(const struct tk_column *column, struct tk_text text);

#endif
