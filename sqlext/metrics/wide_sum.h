/* The exact sum of any number of 64-bit integers. */
#ifndef TK_SQLEXT_WIDE_SUM_H
#define TK_SQLEXT_WIDE_SUM_H

#include <stdbool.h>
#include <stdint.h>

/** high * 2^64 + low. (Not __int128, whose alignment is more than the allocator gives.) */
struct tk_wide_sum {
  int64_t high;
  uint64_t low;
};

static inline void tk_wide_sum_add(struct tk_wide_sum *sum, int64_t value) {
  const uint64_t before = sum->low;
  sum->low += (uint64_t)value;
  sum->high += (sum->low < before) - (value < 0);
}

/** Whether it fits 64 bits, signed: then (int64_t)sum->low is the sum. */
static inline bool tk_wide_sum_is_narrow(const struct tk_wide_sum *sum) {
  return sum->high == -(int64_t)(sum->low >> 63);
}

static inline double tk_wide_sum_real(const struct tk_wide_sum *sum) {
  return tk_wide_sum_is_narrow(sum) ? (double)(int64_t)sum->low
                                    : (double)sum->high * 18446744073709551616.0 + (double)sum->low;
}

#endif
