/* SPDX-License-Identifier: MIT
 * Rows of `spans` sorted by columns of few values: GROUP BY, DISTINCT, ORDER BY.
 *
 * Everything that matches is looked through once. Each combination of values of the grouped columns
 * is a group (spans_numbers.h), and rows are kept as references under their group: a counting sort.
 * Groups come out in the order of their values, so that the rows are sorted in SQLite's sense
 * whatever the query asked for (a GROUP BY with the same ORDER BY relies on it). */
#include <stdlib.h>
#include <string.h>

#include "sqlext/spans/spans_cursor.h"
#include "sqlext/spans/spans_numbers.h"

struct group {
  uint32_t row_count;
  uint32_t first; /* into the sorted references */
};

enum { ROWS_AHEAD = 8 };

struct reference {
  uint32_t opened, row;
};

struct spans_groups {
  struct tk_arena arena;
  struct spans_numbers numbers;
  bool descending[SPANS_GROUPED_MAX];
  uint32_t *ranks[SPANS_GROUPED_MAX]; /* place of each value in the order asked for */
  struct group *groups;
  uint32_t group_count, group_capacity;

  struct spans_opened **opened;
  uint32_t opened_count;
  struct reference *references, *sorted;
  uint32_t *group_of; /* of each reference */
  uint64_t count, capacity, at;

  uint32_t *order;                                       /* groups as they come out */
  uint32_t order_at;                                     /* the one the cursor is in */
  uint64_t order_end;                                    /* its last row + 1 */
  const struct tk_sql_value *current[SPANS_GROUPED_MAX]; /* its values; NULL: ask the row */
};

/* ---- rows into groups ---- */

static enum tk_status reserve_references(struct spans_groups *groups, uint32_t more,
                                         struct tk_error *error) {
  if (groups->count + more <= groups->capacity) return TK_OK;
  uint64_t grown = groups->capacity ? 2 * groups->capacity : UINT64_C(2) * SPANS_BATCH_ROWS;
  struct reference *references = sqlite3_realloc64(groups->references, grown * sizeof *references);
  if (references) groups->references = references;
  uint32_t *group_of = sqlite3_realloc64(groups->group_of, grown * sizeof *group_of);
  if (group_of) groups->group_of = group_of;
  if (!references || !group_of) return tk_nomem(error);
  groups->capacity = grown;
  return TK_OK;
}

static enum tk_status reserve_groups(struct spans_groups *groups, struct tk_error *error) {
  uint32_t count = tk_spans_numbers_count(&groups->numbers);

  if (count > groups->group_capacity) {
    uint32_t grown = groups->group_capacity ? groups->group_capacity : 64;
    while (grown < count) grown *= 2;
    struct group *list = sqlite3_realloc64(groups->groups, grown * sizeof *list);
    if (!list) return tk_nomem(error);
    groups->groups = list;
    groups->group_capacity = grown;
  }
  for (; groups->group_count < count; groups->group_count++) {
    groups->groups[groups->group_count] = (struct group){0};
  }
  return TK_OK;
}

static enum tk_status add_batch(struct spans_cursor *cursor, uint32_t opened_index,
                                const uint32_t *rows, uint32_t count, struct tk_error *error) {
  struct spans_groups *groups = cursor->groups;
  struct spans_opened *opened = groups->opened[opened_index];
  uint32_t group[SPANS_BATCH_ROWS];
  enum tk_status status = reserve_references(groups, count, error);

  if (status == TK_OK) {
    status = tk_spans_numbers_batch(&groups->numbers, opened->segment, rows, count,
                                    &cursor->scratch, group, error);
  }
  if (status == TK_OK) status = reserve_groups(groups, error);
  for (uint32_t i = 0; i < count && status == TK_OK; i++) {
    if (cursor->plan.distinct && groups->groups[group[i]].row_count > 0) continue;
    groups->groups[group[i]].row_count++;
    groups->references[groups->count] = (struct reference){opened_index, rows[i]};
    groups->group_of[groups->count++] = group[i];
  }
  return status;
}

static enum tk_status add_job(struct spans_cursor *cursor, const struct spans_range *job,
                              struct tk_error *error) {
  struct spans_groups *groups = cursor->groups;
  struct spans_opened *opened;
  uint32_t count = 0;
  uint64_t before = groups->count;
  enum tk_status status = tk_spans_cursor_open(cursor, job, &opened, error);

  if (status != TK_OK || !opened->possible) return status;
  tk_spans_ahead_await(&cursor->ahead, opened);
  tk_spans_numbers_enter_segment(&groups->numbers);
  uint32_t rows = opened->segment->segment->summary.span_count, row = job->first;
  uint32_t end = job->count < rows - row ? row + job->count : rows;
  groups->opened[groups->opened_count++] = opened;
  opened->pins++;
  while (row < end && status == TK_OK) {
    status = tk_spans_cursor_batch(opened, &row, end, cursor->batch, &count, error);
    if (status == TK_OK && count > 0) {
      status = add_batch(cursor, groups->opened_count - 1, cursor->batch, count, error);
    }
  }
  /* Rows will be read group by group, from all over the segment. */
  opened->segment->whole = groups->count - before > rows / 16;
  return status;
}

/* ---- sorting ---- */

struct value_order {
  const struct tk_sql_value *values;
  bool descending;
  bool nocase; /* trace ids: texts that differ in case alone are one group to SQLite */
};

static int compare_nocase(struct tk_text a, struct tk_text b) {
  uint32_t common = a.size < b.size ? a.size : b.size;
  int result = common ? sqlite3_strnicmp(a.data, b.data, (int)common) : 0;
  return result ? result : (a.size > b.size) - (a.size < b.size);
}

static int compare_values(const void *left, const void *right, void *context) {
  const struct value_order *order = context;
  const struct tk_sql_value *a = &order->values[*(const uint32_t *)left];
  const struct tk_sql_value *b = &order->values[*(const uint32_t *)right];
  bool nocase = order->nocase && a->type == TK_SQL_TEXT && b->type == TK_SQL_TEXT;
  int result = nocase ? compare_nocase(a->as.text, b->as.text) : tk_sql_compare(a, b);
  return order->descending ? -result : result;
}

static enum tk_status rank_values(struct spans_groups *groups, uint32_t level,
                                  struct tk_error *error) {
  const struct spans_numbered *column = &groups->numbers.columns[level];
  uint32_t count = column->count;
  struct value_order order = {column->values, groups->descending[level],
                              column->column == SPANS_trace_id};
  uint32_t rank = 0;
  uint32_t *numbers = tk_arena_alloc(&groups->arena, count * sizeof *numbers);
  uint32_t *ranks = tk_arena_alloc(&groups->arena, count * sizeof *ranks);

  if (!numbers || !ranks) return tk_nomem(error);
  for (uint32_t i = 0; i < count; i++) numbers[i] = i;
  if (count > 0) qsort_r(numbers, count, sizeof *numbers, compare_values, &order);
  for (uint32_t i = 0; i < count; i++) {
    if (i > 0 && compare_values(&numbers[i - 1], &numbers[i], &order) != 0) rank = i;
    ranks[numbers[i]] = rank;
  }
  groups->ranks[level] = ranks;
  return TK_OK;
}

static int compare_groups(const void *left, const void *right, void *context) {
  const struct spans_groups *groups = context;
  uint32_t a[SPANS_NUMBERED_MAX] = {0}, b[SPANS_NUMBERED_MAX] = {0};

  tk_spans_numbers_of_group(&groups->numbers, *(const uint32_t *)left, a);
  tk_spans_numbers_of_group(&groups->numbers, *(const uint32_t *)right, b);
  for (uint32_t i = 0; i < groups->numbers.column_count; i++) {
    uint32_t rank_a = groups->ranks[i][a[i]], rank_b = groups->ranks[i][b[i]];
    if (rank_a != rank_b) return rank_a < rank_b ? -1 : 1;
  }
  return 0;
}

static enum tk_status sort_references(struct spans_groups *groups, struct tk_error *error) {
  uint32_t count = groups->group_count;
  uint32_t *order = groups->order = tk_arena_alloc(&groups->arena, count * sizeof *order);
  enum tk_status status = TK_OK;
  uint64_t first = 0;

  groups->sorted = sqlite3_malloc64(groups->count * sizeof *groups->sorted + 1);
  if (!order || !groups->sorted) return tk_nomem(error);
  for (uint32_t i = 0; i < groups->numbers.column_count && status == TK_OK; i++) {
    status = rank_values(groups, i, error);
  }
  if (status != TK_OK) return status;
  for (uint32_t i = 0; i < count; i++) order[i] = i;
  if (count > 0) qsort_r(order, count, sizeof *order, compare_groups, groups);
  for (uint32_t i = 0; i < count; i++) {
    struct group *group = &groups->groups[order[i]];
    group->first = (uint32_t)first;
    first += group->row_count;
  }
  for (uint64_t i = 0; i < groups->count; i++) {
    struct group *group = &groups->groups[groups->group_of[i]];
    groups->sorted[group->first++] = groups->references[i];
  }
  return TK_OK;
}

/* ---- the order ---- */

/* Rows of a group have equal values, but a 1 may be equal to a 1.0: not so texts, and not the
 * columns that are always integers. */
static void enter_group(struct spans_groups *groups, uint32_t number) {
  uint32_t values[SPANS_NUMBERED_MAX];

  tk_spans_numbers_of_group(&groups->numbers, number, values);
  for (uint32_t i = 0; i < groups->numbers.column_count; i++) {
    const struct spans_numbered *column = &groups->numbers.columns[i];
    const struct tk_sql_value *value = &column->values[values[i]];
    bool is_same = value->type == TK_SQL_TEXT || value->type == TK_SQL_NULL ||
                   (value->type == TK_SQL_INT && column->column < SPANS_FIRST_ATTRIBUTE &&
                    column->column != SPANS_http_status);
    groups->current[i] = is_same ? value : NULL;
  }
}

static void point_at_row(struct spans_cursor *cursor) {
  struct spans_groups *groups = cursor->groups;

  cursor->current = NULL;
  if (groups->at == groups->count) return;
  cursor->current = groups->opened[groups->sorted[groups->at].opened];
  cursor->row = groups->sorted[groups->at].row;
  while (groups->at >= groups->order_end) {
    uint32_t number = groups->order[groups->order_at++];
    /* After the counting sort `first` is where the next group begins. */
    groups->order_end = groups->groups[number].first;
    enter_group(groups, number);
  }
}

const struct tk_sql_value *tk_spans_groups_value(const struct spans_cursor *cursor,
                                                 uint32_t column) {
  const struct spans_groups *groups = cursor->groups;
  for (uint32_t i = 0; i < groups->numbers.column_count; i++) {
    if (groups->numbers.columns[i].column == column) return groups->current[i];
  }
  return NULL;
}

void tk_spans_groups_fetch(const struct spans_cursor *cursor, struct tk_ints ints) {
  const struct spans_groups *groups = cursor->groups;
  if (groups->at + ROWS_AHEAD >= groups->count || ints.width == 0) return;
  const struct reference *reference = &groups->sorted[groups->at + ROWS_AHEAD];
  if (reference->opened != groups->sorted[groups->at].opened) return;
#if defined(__GNUC__)
  __builtin_prefetch((const char *)ints.values + (size_t)reference->row * ints.width);
#endif
}

enum tk_status tk_spans_groups_begin(struct spans_cursor *cursor, struct tk_error *error) {
  struct spans_groups *groups = sqlite3_malloc64(sizeof *groups);
  enum tk_status status = TK_OK;

  if (!groups) return tk_nomem(error);
  memset(groups, 0, sizeof *groups);
  cursor->groups = groups;
  for (uint32_t i = 0; i < cursor->plan.grouped_count; i++) {
    tk_spans_numbers_add(&groups->numbers, cursor->plan.grouped[i].column, 0);
    groups->descending[i] = cursor->plan.grouped[i].descending;
  }
  groups->opened =
      tk_arena_alloc(&groups->arena, cursor->job_count * sizeof(struct spans_opened *));
  if (!groups->opened) return tk_nomem(error);
  for (uint32_t i = 0; i < cursor->job_count && status == TK_OK; i++) {
    const uint32_t count = groups->opened_count;
    tk_spans_ahead_run(cursor, i, count > 0 ? groups->opened[count - 1] : NULL);
    status = add_job(cursor, &cursor->jobs[i], error);
  }
  tk_spans_ahead_end(&cursor->ahead);
  if (status == TK_OK) status = sort_references(groups, error);
  if (status == TK_OK) point_at_row(cursor);
  return status;
}

void tk_spans_groups_next(struct spans_cursor *cursor) {
  cursor->groups->at++;
  point_at_row(cursor);
}

enum tk_status tk_spans_groups_keep_all(struct spans_cursor *cursor, struct tk_error *error) {
  const uint32_t place = cursor->groups->order_at - 1;
  enum tk_status status;

  tk_spans_groups_end(cursor);
  cursor->current = NULL;
  cursor->plan.distinct = false;
  if ((status = tk_spans_groups_begin(cursor, error)) != TK_OK) return status;
  struct spans_groups *groups = cursor->groups; /* the same groups, in the same order */
  groups->order_at = place;
  groups->order_end = place > 0 ? groups->groups[groups->order[place - 1]].first : 0;
  groups->at = groups->order_end;
  point_at_row(cursor);
  return TK_OK;
}

void tk_spans_groups_end(struct spans_cursor *cursor) {
  struct spans_groups *groups = cursor->groups;

  if (!groups) return;
  for (uint32_t i = 0; i < groups->opened_count; i++) groups->opened[i]->pins--;
  tk_spans_numbers_reset(&groups->numbers);
  sqlite3_free(groups->groups);
  sqlite3_free(groups->references);
  sqlite3_free(groups->sorted);
  sqlite3_free(groups->group_of);
  tk_arena_reset(&groups->arena);
  sqlite3_free(groups);
  cursor->groups = NULL;
}
