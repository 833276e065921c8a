/* SPDX-License-Identifier: MIT
 * Quantiles of many groups at once: a counting sort by group, then selection in each. */
#include "sqlext/group_samples.h"

#include <math.h>
#include <string.h>

#include "sqlext/selection.h"
#include "store/sqlite_api.h"

bool tk_group_samples_reserve(struct tk_group_samples *samples, uint32_t more) {
  if (samples->count + more <= samples->capacity) return true;
  uint64_t grown = samples->capacity ? samples->capacity * 2 : 4096;
  while (grown < samples->count + more) grown *= 2;
  int64_t *values = sqlite3_realloc64(samples->values, grown * sizeof *values);
  if (values) samples->values = values;
  uint32_t *groups = sqlite3_realloc64(samples->groups, grown * sizeof *groups);
  if (groups) samples->groups = groups;
  if (!values || !groups) return false;
  samples->capacity = grown;
  return true;
}

bool tk_group_samples_add(struct tk_group_samples *samples, uint32_t group, int64_t value) {
  if (!tk_group_samples_reserve(samples, 1)) return false;
  samples->values[samples->count] = value;
  samples->groups[samples->count++] = group;
  return true;
}

void tk_group_samples_reset(struct tk_group_samples *samples) {
  sqlite3_free(samples->values);
  sqlite3_free(samples->groups);
  *samples = (struct tk_group_samples){0};
}

/* Sorts by group: group g is sorted[ends[g - 1], ends[g]). */
static void sort_by_group(const struct tk_group_samples *samples, uint32_t group_count,
                          uint64_t *ends, int64_t *sorted) {
  uint64_t first = 0;

  memset(ends, 0, group_count * sizeof *ends);
  for (uint64_t i = 0; i < samples->count; i++) ends[samples->groups[i]]++;
  for (uint32_t g = 0; g < group_count; g++) {
    uint64_t count = ends[g];
    ends[g] = first;
    first += count;
  }
  for (uint64_t i = 0; i < samples->count; i++) {
    sorted[ends[samples->groups[i]]++] = samples->values[i];
  }
}

bool tk_group_samples_quantiles(const struct tk_group_samples *samples, uint32_t group_count,
                                const double *qs, uint32_t quantile_count, double *quantiles_out) {
  uint64_t *ends = sqlite3_malloc64(group_count * sizeof *ends + 1);
  int64_t *sorted = sqlite3_malloc64(samples->count * sizeof *sorted + 1);
  bool done = ends && sorted;

  if (done) sort_by_group(samples, group_count, ends, sorted);
  for (uint32_t g = 0; done && g < group_count; g++) {
    uint64_t first = g > 0 ? ends[g - 1] : 0;
    size_t count = ends[g] - first, begin = 0;
    for (uint32_t i = 0; i < quantile_count; i++) {
      quantiles_out[(uint64_t)g * quantile_count + i] =
          count > 0 ? tk_select_quantile(sorted + first, count, qs[i], &begin) : NAN;
    }
  }
  sqlite3_free(ends);
  sqlite3_free(sorted);
  return done;
}
