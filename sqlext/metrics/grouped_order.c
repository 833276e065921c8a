/* SPDX-License-Identifier: MIT
 * Sorting rows of groups. The distinct values of a column are few next to the rows, so these are
 * compared, once, and ranked; rows are then distributed by rank, one column after another from the
 * last to the first, which keeps the order of the columns done before. */
#include "sqlext/metrics/grouped_order.h"

#include <stdlib.h>
#include <string.h>

#include "store/sqlite_api.h"

static int compare_numbered(const void *left, const void *right, void *context) {
  const struct tk_sql_value *values = context;
  const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
  return tk_sql_compare(&values[a], &values[b]);
}

/* ranks[number] of the values of a column; NULL: out of memory. */
static uint32_t *rank_values(const struct spans_numbered *column, bool descending) {
  const uint64_t size = (uint64_t)column->count * sizeof(uint32_t) + 1;
  uint32_t *sorted = sqlite3_malloc64(size), *ranks = sqlite3_malloc64(size);

  if (!sorted || !ranks) {
    sqlite3_free(sorted);
    sqlite3_free(ranks);
    return NULL;
  }
  for (uint32_t i = 0; i < column->count; i++) sorted[i] = i;
  qsort_r(sorted, column->count, sizeof *sorted, compare_numbered, column->values);
  for (uint32_t i = 0; i < column->count; i++) {
    ranks[sorted[i]] = descending ? column->count - 1 - i : i;
  }
  sqlite3_free(sorted);
  return ranks;
}

struct distribution {
  uint64_t *order, *sorted;
  uint32_t *keys;   /* by row */
  uint64_t *begins; /* by rank */
};

static void distribute(struct distribution *work, uint64_t row_count, uint32_t rank_count) {
  memset(work->begins, 0, ((uint64_t)rank_count + 1) * sizeof *work->begins);
  for (uint64_t row = 0; row < row_count; row++) work->begins[work->keys[row] + 1]++;
  for (uint32_t rank = 0; rank < rank_count; rank++) work->begins[rank + 1] += work->begins[rank];
  for (uint64_t i = 0; i < row_count; i++) {
    const uint64_t row = work->order[i];
    work->sorted[work->begins[work->keys[row]]++] = row;
  }
  uint64_t *sorted = work->sorted;
  work->sorted = work->order;
  work->order = sorted;
}

static bool allocate(struct distribution *work, const struct spans_numbers *numbers,
                     uint64_t row_count) {
  uint64_t most = 0;
  for (uint32_t i = 0; i < numbers->column_count; i++) {
    if (numbers->columns[i].count > most) most = numbers->columns[i].count;
  }
  work->order = sqlite3_malloc64(row_count * sizeof *work->order + 1);
  work->sorted = sqlite3_malloc64(row_count * sizeof *work->sorted + 1);
  work->keys = sqlite3_malloc64(row_count * sizeof *work->keys + 1);
  work->begins = sqlite3_malloc64((most + 1) * sizeof *work->begins);
  return work->order && work->sorted && work->keys && work->begins;
}

enum tk_status tk_grouped_order_sort(const struct spans_numbers *numbers,
                                     const struct grouped_order_term *terms, uint32_t term_count,
                                     uint32_t (*group_of_row)(const void *state, uint64_t row),
                                     const void *state, uint64_t row_count, uint64_t **order_out,
                                     struct tk_error *error) {
  struct distribution work = {0};
  uint32_t values[SPANS_NUMBERED_MAX];
  bool complete = allocate(&work, numbers, row_count);

  for (uint64_t row = 0; row < row_count && complete; row++) work.order[row] = row;
  for (uint32_t i = term_count; i-- > 0 && complete && row_count > 0;) {
    const struct spans_numbered *column = &numbers->columns[terms[i].level];
    uint32_t *ranks = rank_values(column, terms[i].descending);
    complete = ranks != NULL;
    for (uint64_t row = 0; row < row_count && complete; row++) {
      tk_spans_numbers_of_group(numbers, group_of_row(state, row), values);
      work.keys[row] = ranks[values[terms[i].level]];
    }
    if (complete) distribute(&work, row_count, column->count);
    sqlite3_free(ranks);
  }
  if (complete) {
    *order_out = work.order;
    work.order = NULL;
  }
  sqlite3_free(work.order);
  sqlite3_free(work.sorted);
  sqlite3_free(work.keys);
  sqlite3_free(work.begins);
  return complete ? TK_OK : tk_nomem(error);
}
