/* Integers that belong to groups, kept for exact quantiles: 8 bytes each. */
#ifndef TK_SQLEXT_GROUP_SAMPLES_H
#define TK_SQLEXT_GROUP_SAMPLES_H

#include <stdbool.h>
#include <stdint.h>

#include "tracekeep/arena.h"

struct tk_sample_chunk;

/** The values of one group: chunks, of which the latest has room from `next` to `end`. */
struct tk_group_sample {
  int64_t *next, *end;
  struct tk_sample_chunk *latest;
};

/** Zero-initialise. */
struct tk_group_samples {
  struct tk_arena arena;
  struct tk_group_sample *groups;
  uint32_t group_capacity;
};

/** Groups [0, count) may have values from now on. False: out of memory. */
bool tk_group_samples_reserve(struct tk_group_samples *samples, uint32_t count);

/** Gives a group room for at least one more value. False: out of memory. */
bool tk_group_samples_extend(struct tk_group_samples *samples, uint32_t group);

/** `group` is below what was reserved. False: out of memory. */
static inline bool tk_group_samples_add(struct tk_group_samples *samples, uint32_t group,
                                        int64_t value) {
  struct tk_group_sample *sample = &samples->groups[group];
  if (sample->next == sample->end && !tk_group_samples_extend(samples, group)) return false;
  *sample->next++ = value;
  return true;
}

void tk_group_samples_reset(struct tk_group_samples *samples);

/** quantiles_out[g * count + i]: quantile qs[i] of group g, NaN if it has no values. `qs` ascend.
 * `quantiles_out` has group_count * quantile_count entries. False: out of memory. */
bool tk_group_samples_quantiles(const struct tk_group_samples *samples, uint32_t group_count,
                                const double *qs, uint32_t quantile_count, double *quantiles_out);

#endif
