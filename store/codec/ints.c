/* SPDX-License-Identifier: MIT
 * Narrow integers: one loop a width, which compilers vectorise. */
#include "store/codec/ints.h"

#include <string.h>

uint32_t tk_ints_width(struct tk_int_range range) {
  const uint64_t span = (uint64_t)range.max - (uint64_t)range.min;
  if (range.max <= range.min) return 0;
  return span <= UINT8_MAX ? 1 : span <= UINT16_MAX ? 2 : span <= UINT32_MAX ? 4 : 8;
}

/* Without a comparison for each: the highest bit of `span - offset` is set if the offset is greater
 * (both being below 2^63), or else that of the offset itself. */
static bool are_within(uint64_t seen_bits) {
  return seen_bits >> 63 == 0;
}

bool tk_ints_are_within(struct tk_int_range range, const int64_t *values, uint32_t count) {
  bool outside = false;
  if (range.min == INT64_MIN && range.max == INT64_MAX) return true;
  for (uint32_t i = 0; i < count; i++) {
    outside |= (values[i] < range.min) | (values[i] > range.max);
  }
  return !outside;
}

bool tk_ints_store(const struct tk_ints *ints, struct tk_int_range range, uint32_t begin,
                   const int64_t *values, uint32_t count) {
  const uint64_t base = (uint64_t)range.min, span = (uint64_t)range.max - base;
  uint64_t seen = 0;

  if (ints->width == 8) {
    if (count > 0) memcpy((int64_t *)ints->values + begin, values, count * sizeof *values);
    return tk_ints_are_within(range, values, count);
  }
  if (ints->width == 0) return tk_ints_are_within(range, values, count);
  if (ints->width == 1) {
    uint8_t *out = (uint8_t *)ints->values + begin;
    for (uint32_t i = 0; i < count; i++) {
      const uint64_t offset = (uint64_t)values[i] - base;
      seen |= (span - offset) | offset;
      out[i] = (uint8_t)offset;
    }
  } else if (ints->width == 2) {
    uint16_t *out = (uint16_t *)ints->values + begin;
    for (uint32_t i = 0; i < count; i++) {
      const uint64_t offset = (uint64_t)values[i] - base;
      seen |= (span - offset) | offset;
      out[i] = (uint16_t)offset;
    }
  } else {
    uint32_t *out = (uint32_t *)ints->values + begin;
    for (uint32_t i = 0; i < count; i++) {
      const uint64_t offset = (uint64_t)values[i] - base;
      seen |= (span - offset) | offset;
      out[i] = (uint32_t)offset;
    }
  }
  return are_within(seen);
}

#define READ_AS(type)                                                          \
  do {                                                                         \
    const type *values = (const type *)ints.values + begin;                    \
    for (uint32_t i = 0; i < count; i++) out[i] = (int64_t)(base + values[i]); \
  } while (0)

void tk_ints_read(struct tk_ints ints, uint32_t begin, uint32_t count, int64_t *out) {
  const uint64_t base = (uint64_t)ints.base;
  switch (ints.width) {
    case 1:
      READ_AS(uint8_t);
      break;
    case 2:
      READ_AS(uint16_t);
      break;
    case 4:
      READ_AS(uint32_t);
      break;
    case 8:
      READ_AS(uint64_t);
      break;
    default:
      for (uint32_t i = 0; i < count; i++) out[i] = ints.base;
      break;
  }
}

static bool are_contiguous(const uint32_t *indexes, uint32_t count) {
  return count > 0 && indexes[count - 1] - indexes[0] == count - 1;
}

#define GATHER_AS(type)                                                                 \
  do {                                                                                  \
    const type *values = ints.values;                                                   \
    for (uint32_t i = 0; i < count; i++) out[i] = (int64_t)(base + values[indexes[i]]); \
  } while (0)

void tk_ints_gather(struct tk_ints ints, const uint32_t *indexes, uint32_t count, int64_t *out) {
  const uint64_t base = (uint64_t)ints.base;
  if (ints.width == 0 || are_contiguous(indexes, count)) {
    tk_ints_read(ints, count > 0 ? indexes[0] : 0, count, out);
  } else if (ints.width == 1) {
    GATHER_AS(uint8_t);
  } else if (ints.width == 2) {
    GATHER_AS(uint16_t);
  } else if (ints.width == 4) {
    GATHER_AS(uint32_t);
  } else {
    GATHER_AS(uint64_t);
  }
}

static uint32_t code_of(uint64_t offset, uint32_t limit) {
  return offset < limit ? (uint32_t)offset : limit;
}

#define CODES_AS(type, index)                                                            \
  do {                                                                                   \
    const type *values = ints.values;                                                    \
    for (uint32_t i = 0; i < count; i++) out[i] = code_of(shift + values[index], limit); \
  } while (0)

void tk_ints_gather_codes(struct tk_ints ints, const uint32_t *indexes, uint32_t count,
                          int64_t base, uint32_t limit, uint32_t *out) {
  const uint64_t shift = (uint64_t)ints.base - (uint64_t)base;
  const uint32_t first = count > 0 ? indexes[0] : 0;
  if (ints.width == 0) {
    for (uint32_t i = 0; i < count; i++) out[i] = code_of(shift, limit);
  } else if (ints.width == 1 && are_contiguous(indexes, count)) {
    CODES_AS(uint8_t, first + i);
  } else if (ints.width == 1) {
    CODES_AS(uint8_t, indexes[i]);
  } else if (ints.width == 2) {
    CODES_AS(uint16_t, indexes[i]);
  } else if (ints.width == 4) {
    CODES_AS(uint32_t, indexes[i]);
  } else {
    CODES_AS(uint64_t, indexes[i]);
  }
}
