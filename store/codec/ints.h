/* Arrays of integers in as few bytes as their range needs. */
#ifndef TK_STORE_INTS_H
#define TK_STORE_INTS_H

#include <stdbool.h>
#include <stdint.h>

/** Integers (or codes) as they are kept: how far they are from `base`, in `width` bytes each: 1, 2,
 * 4 or 8. With width 0 there is no array, and all are `base`; so zeroed, all are 0. */
struct tk_ints {
  void *values;
  int64_t base;
  uint32_t width;
};

/** The least and the greatest of some integers. */
struct tk_int_range {
  int64_t min, max;
};

static inline int64_t tk_ints_at(struct tk_ints ints, uint32_t i) {
  uint64_t offset = 0;
  switch (ints.width) {
    case 1:
      offset = ((const uint8_t *)ints.values)[i];
      break;
    case 2:
      offset = ((const uint16_t *)ints.values)[i];
      break;
    case 4:
      offset = ((const uint32_t *)ints.values)[i];
      break;
    case 8:
      offset = ((const uint64_t *)ints.values)[i];
      break;
    default:
      break;
  }
  return (int64_t)((uint64_t)ints.base + offset);
}

/** Bytes that an integer of this range takes; 0 if there is only one. */
uint32_t tk_ints_width(struct tk_int_range range);

/** What `ints` has to be for this range: everything but the array. */
static inline struct tk_ints tk_ints_of_range(struct tk_int_range range) {
  const uint32_t width = tk_ints_width(range);
  return (struct tk_ints){.base = width < 8 ? range.min : 0, .width = width};
}

bool tk_ints_are_within(struct tk_int_range range, const int64_t *values, uint32_t count);

/** Puts `values` into `ints`, which is as tk_ints_of_range says, from index `begin` on. False if
 * one is not in the range. */
bool tk_ints_store(const struct tk_ints *ints, struct tk_int_range range, uint32_t begin,
                   const int64_t *values, uint32_t count);

/** out[i] = value begin + i. */
void tk_ints_read(struct tk_ints ints, uint32_t begin, uint32_t count, int64_t *out);

/** out[i] = value indexes[i]. `indexes` ascend. */
void tk_ints_gather(struct tk_ints ints, const uint32_t *indexes, uint32_t count, int64_t *out);

/** out[i] = value indexes[i] - base, or `limit` where that is not below it. `indexes` ascend. */
void tk_ints_gather_codes(struct tk_ints ints, const uint32_t *indexes, uint32_t count,
                          int64_t base, uint32_t limit, uint32_t *out);

#endif
