/* What the encoder and the decoder of integer streams agree on. Change docs/segment-format.md too.
 */
#ifndef TK_STORE_INT_FORMAT_H
#define TK_STORE_INT_FORMAT_H

#include <stdint.h>

#include "store/codec/bit_packing.h"

/* Bits of a stream's `transform`. */
enum {
  TK_TRANSFORM_ZIGZAG = 1, /* normalised values are zigzag: 0, -1, 1, -2, ... are 0, 1, 2, 3, ... */
  TK_TRANSFORM_DELTA = 2   /* values are differences to the previous value of the block */
};

/* Ranges of the SYMBOLS layout: numbers up to 2^(top_bits + 1) are ranges of their own; a longer
 * one belongs to the range given by its length and the `top_bits` bits after its leading one. */
enum { TK_RANGE_TOP_BITS_MAX = 5, TK_RANGES_MAX = 2048 };

static inline uint32_t tk_range_count(unsigned top_bits) {
  return (65 - top_bits) << top_bits;
}

static inline uint32_t tk_range_of(uint64_t value, unsigned top_bits, unsigned *low_bits) {
  unsigned length = tk_bit_length(value);
  unsigned low = length > top_bits + 1 ? length - top_bits - 1 : 0;
  *low_bits = low;
  return (low << top_bits) + (uint32_t)(value >> low);
}

/* First value of a range, which must be below tk_range_count. */
static inline uint64_t tk_range_begin(uint32_t range, unsigned top_bits, unsigned *low_bits) {
  uint32_t row = range >> top_bits;
  unsigned low = row > 1 ? row - 1 : 0;
  *low_bits = low;
  return (uint64_t)(range - (low << top_bits)) << low;
}

#endif
