/* Integers that belong to groups, kept for exact quantiles: 12 bytes each. */
#ifndef TK_SQLEXT_GROUP_SAMPLES_H
#define TK_SQLEXT_GROUP_SAMPLES_H

#include <stdbool.h>
#include <stdint.h>

/** Zero-initialise. */
struct tk_group_samples {
  int64_t *values;
  uint32_t *groups;
  uint64_t count, capacity;
};

/** Makes room for `more` at values + count and groups + count. False: out of memory. */
bool tk_group_samples_reserve(struct tk_group_samples *samples, uint32_t more);
bool tk_group_samples_add(struct tk_group_samples *samples, uint32_t group, int64_t value);
void tk_group_samples_reset(struct tk_group_samples *samples);

/** quantiles_out[g * count + i]: quantile qs[i] of group g, NaN if it has no values. `qs` ascend.
 * `quantiles_out` has group_count * quantile_count entries. False: out of memory. */
bool tk_group_samples_quantiles(const struct tk_group_samples *samples, uint32_t group_count,
                                const double *qs, uint32_t quantile_count, double *quantiles_out);

#endif
