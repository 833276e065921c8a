/* SPDX-License-Identifier: MIT
 * See tree_sweep.h. Siblings come by start, so what they cover together is found by remembering how
 * far the earlier ones reached: one pass, no sorting. */
#include "sqlext/tables/tree_sweep.h"

#include <string.h>

#include "store/sqlite_api.h"

static int64_t duration_of(const struct tk_tree_sweep *sweep, uint32_t row) {
  return tk_ints_at(sweep->durations, row);
}

/* Takes from the parent's self time what `row` covers beyond its earlier siblings. `covered` is the
 * offset from the parent's start up to which siblings have covered it. */
static void subtract_child(const struct tk_tree_sweep *sweep, uint32_t row, uint32_t parent,
                           int64_t *covered) {
  int64_t length = duration_of(sweep, row), limit = duration_of(sweep, parent);
  int64_t from = (int64_t)((uint64_t)sweep->starts[row] - (uint64_t)sweep->starts[parent]);
  int64_t to;

  if (length <= 0 || limit <= 0) return;
  if (__builtin_add_overflow(from, length, &to) || to > limit) to = limit;
  if (from < *covered) from = *covered;
  if (to <= from) return;
  sweep->self_times[parent] -= to - from;
  *covered = to;
}

enum tk_status tk_tree_sweep_run(const struct tk_tree_sweep *sweep, struct tk_error *error) {
  uint32_t count = sweep->end - sweep->begin;
  int64_t *covered = sqlite3_malloc64(count * sizeof *covered + 1);

  if (!covered) return tk_nomem(error);
  memset(covered, 0, count * sizeof *covered);
  for (uint32_t row = sweep->begin; row < sweep->end; row++) {
    int64_t length = duration_of(sweep, row);
    sweep->child_counts[row] = 0;
    sweep->self_times[row] = length > 0 ? length : 0;
    uint32_t parent = sweep->parents[row];
    if (parent < sweep->begin || parent >= row) continue;
    sweep->child_counts[parent]++;
    subtract_child(sweep, row, parent, &covered[parent - sweep->begin]);
  }
  sqlite3_free(covered);
  return TK_OK;
}
