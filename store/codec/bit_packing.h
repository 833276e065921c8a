/* Unsigned integers of one width, lowest bit first, without gaps. */
#ifndef TK_STORE_BIT_PACKING_H
#define TK_STORE_BIT_PACKING_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "store/codec/byte_writer.h"

/** Bits needed for `value`: 0 for 0. */
static inline unsigned tk_bit_length(uint64_t value) {
#if defined(__GNUC__)
  return value ? 64u - (unsigned)__builtin_clzll(value) : 0;
#else
  unsigned length = 0;
  for (; value; value >>= 1) length++;
  return length;
#endif
}

static inline uint64_t tk_low_bits(unsigned width) {
  return width >= 64 ? UINT64_MAX : ((uint64_t)1 << width) - 1;
}

/** Eight bytes as a little-endian integer, from any address. */
static inline uint64_t tk_load_u64(const uint8_t *bytes) {
  uint64_t value;
  memcpy(&value, bytes, sizeof value);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  value = __builtin_bswap64(value);
#endif
  return value;
}

/** Bits appended one value after the other to a writer; finish pads with zero bits to a byte. */
struct tk_bit_writer {
  struct tk_byte_writer *out;
  uint64_t pending;
  unsigned pending_bits;
};

/** `value` must fit in `width` bits, width at most 64. */
void tk_bit_writer_append(struct tk_bit_writer *writer, uint64_t value, unsigned width);
void tk_bit_writer_finish(struct tk_bit_writer *writer);

static inline uint64_t tk_packed_size(uint64_t count, unsigned width) {
  return (count * width + 7) / 8;
}

/** Reads `count` values of `width` (0 to 64) bits; `bytes` holds tk_packed_size(count, width). */
void tk_unpack_bits(const uint8_t *bytes, uint32_t count, unsigned width, uint64_t *values);

#endif
