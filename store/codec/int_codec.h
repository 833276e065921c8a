/* Streams of 64-bit integers in blocks: the building stone of every chunk.
 *
 * A stream's values come in blocks, which decode independently. How many values a block has is
 * not part of the stream; the reader of a block says it. docs/segment-format.md, "Integer streams",
 * is normative. */
#ifndef TK_STORE_INT_CODEC_H
#define TK_STORE_INT_CODEC_H

#include <stdint.h>

#include "store/codec/byte_reader.h"
#include "store/codec/byte_writer.h"
#include "store/codec/column_codec.h"
#include "store/codec/ints.h"
#include "tracekeep/status.h"

/** How a stream's normalised values are laid out. Stored. */
enum tk_int_layout {
  TK_INT_CONSTANT = 0, /**< all zero; nothing per block */
  TK_INT_RUNS = 1,     /**< value, length pairs */
  TK_INT_PACKED = 2,   /**< frame of reference and bit packing */
  TK_INT_PLANES = 3,   /**< byte planes, each packed bytes */
  TK_INT_WORDS = 4,    /**< the same bytes, but value after value */
  TK_INT_SYMBOLS = 5, /**< a symbol byte (a frequent value, or a range) and bits inside the range */
  TK_INT_DISTINCT = 6, /**< sorted distinct values, and a stream of indexes into them */
  TK_INT_LAYOUTS
};

/** Appends the stream of `values`, the blocks ending at `blocks->ends` (of which some may be equal:
 * empty blocks). Allocation failure shows in out->failed. */
void tk_int_stream_encode(struct tk_byte_writer *out, const int64_t *values,
                          const struct tk_granules *blocks);

/** A stream opened for reading; the bytes read from stay borrowed. */
struct tk_int_stream {
  enum tk_int_layout layout;
  uint8_t transform;
  uint8_t byte_count; /**< PLANES, WORDS */
  uint64_t base, step;
  uint32_t block_count;
  const uint8_t *payload;
  uint32_t *block_ends; /**< in payload; NULL if there is none */
  uint64_t *table;      /**< SYMBOLS: first value of each; DISTINCT: the values */
  uint32_t table_count;
  uint8_t symbol_bits[256];      /**< SYMBOLS: bits after the symbol */
  struct tk_int_stream *indexes; /**< DISTINCT */
  size_t memory_bytes;           /**< allocated */
};

/** Reads the head of a stream, and skips its blocks. On failure *stream is zeroed. */
enum tk_status tk_int_stream_open(struct tk_int_stream *stream, struct tk_byte_reader *reader,
                                  uint32_t block_count, struct tk_error *error);

/** Decodes block `block`, which has `count` values, to `values`. */
enum tk_status tk_int_stream_decode(const struct tk_int_stream *stream, uint32_t block,
                                    uint32_t count, uint64_t *values, struct tk_error *error);

/** As tk_int_stream_decode, to `ints` from index `begin` on, which is as tk_ints_of_range(range)
 * says. `fault` is what is wrong with values that are not in the range. */
enum tk_status tk_int_stream_decode_to(const struct tk_int_stream *stream, uint32_t block,
                                       uint32_t count, const struct tk_ints *ints,
                                       struct tk_int_range range, uint32_t begin, const char *fault,
                                       struct tk_error *error);

void tk_int_stream_close(struct tk_int_stream *stream);

#endif
