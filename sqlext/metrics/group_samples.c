/* SPDX-License-Identifier: MIT
 * Quantiles of many groups at once. Values are kept by group as they come, in chunks that double up
 * to CHUNK_MAX, so that they are written once; each group is then gathered in one place and the
 * quantiles are selected there. */
#include "sqlext/metrics/group_samples.h"

#include <math.h>
#include <string.h>

#include "sqlext/metrics/selection.h"
#include "sqlext/tables/table_support.h"
#include "store/sqlite_api.h"

#define CHUNK_MIN 14
#define CHUNK_MAX 1022

struct tk_sample_chunk {
  struct tk_sample_chunk *before; /* full */
  uint64_t capacity;
  int64_t values[];
};

bool tk_group_samples_reserve(struct tk_group_samples *samples, uint32_t count) {
  return tk_grow_zeroed(&samples->groups, &samples->group_capacity, count, sizeof *samples->groups);
}

bool tk_group_samples_extend(struct tk_group_samples *samples, uint32_t group) {
  struct tk_group_sample *sample = &samples->groups[group];
  uint64_t capacity = sample->latest ? 2 * sample->latest->capacity : CHUNK_MIN;
  if (capacity > CHUNK_MAX) capacity = CHUNK_MAX;
  struct tk_sample_chunk *chunk =
      tk_arena_alloc(&samples->arena, sizeof *chunk + capacity * sizeof *chunk->values);
  if (!chunk) return false;
  chunk->before = sample->latest;
  chunk->capacity = capacity;
  sample->latest = chunk;
  sample->next = chunk->values;
  sample->end = chunk->values + capacity;
  return true;
}

void tk_group_samples_reset(struct tk_group_samples *samples) {
  tk_arena_reset(&samples->arena);
  sqlite3_free(samples->groups);
  *samples = (struct tk_group_samples){0};
}

static uint64_t count_values(const struct tk_group_sample *sample) {
  if (!sample->latest) return 0;
  uint64_t count = (uint64_t)(sample->next - sample->latest->values);
  for (const struct tk_sample_chunk *chunk = sample->latest->before; chunk; chunk = chunk->before) {
    count += chunk->capacity;
  }
  return count;
}

static void gather_values(const struct tk_group_sample *sample, int64_t *values) {
  uint64_t count = sample->latest ? (uint64_t)(sample->next - sample->latest->values) : 0;
  for (const struct tk_sample_chunk *chunk = sample->latest; chunk; chunk = chunk->before) {
    memcpy(values, chunk->values, count * sizeof *values);
    values += count;
    if (chunk->before) count = chunk->before->capacity;
  }
}

bool tk_group_samples_quantiles(const struct tk_group_samples *samples, uint32_t group_count,
                                const double *qs, uint32_t quantile_count, double *quantiles_out) {
  uint64_t most = 0;
  for (uint32_t g = 0; g < group_count; g++) {
    uint64_t count = count_values(&samples->groups[g]);
    if (count > most) most = count;
  }
  int64_t *values = sqlite3_malloc64(most * sizeof *values + 1);
  if (!values) return false;
  for (uint32_t g = 0; g < group_count; g++) {
    size_t count = count_values(&samples->groups[g]), begin = 0;
    gather_values(&samples->groups[g], values);
    for (uint32_t i = 0; i < quantile_count; i++) {
      quantiles_out[(uint64_t)g * quantile_count + i] =
          count > 0 ? tk_select_quantile(values, count, qs[i], &begin) : NAN;
    }
  }
  sqlite3_free(values);
  return true;
}
