/* SPDX-License-Identifier: MIT
 * Rows of `spans` sorted by columns of few values: GROUP BY, DISTINCT, ORDER BY.
 *
 * Everything that matches is looked through once. Each value gets a number, each combination of
 * values of the grouped columns is a group, and rows are kept as references under their group: a
 * counting sort. Groups come out in the order of their values, so that the rows are sorted in
 * SQLite's sense whatever the query asked for (a GROUP BY with the same ORDER BY relies on it).
 *
 * In a segment a value is looked up once for each dictionary entry, resource or scope. */
#include <stdlib.h>
#include <string.h>

#include "sqlext/spans_cursor.h"
#include "tracekeep/hash.h"

#define NOT_KNOWN UINT32_MAX

/* Open addressing; slots hold an index + 1. */
struct index_table {
  uint32_t *slots;
  uint32_t mask; /* slot count - 1; 0: no slots */
  uint32_t count;
};

/* The distinct values of a grouped column. */
struct group_column {
  uint32_t column;
  bool descending;
  struct tk_sql_value *values;
  uint64_t *hashes;
  uint32_t capacity;
  struct index_table table;
  uint32_t *ranks;  /* place of each value in the order asked for */
  int64_t last_int; /* most integers repeat */
  uint32_t last_int_number;
  /* Numbers of the codes of the segment being read. */
  uint32_t *by_code;
  uint32_t by_code_count;
};

struct group {
  uint64_t pair; /* number of the group of all columns but the last, and of the last value */
  uint32_t row_count;
  uint32_t first; /* into the sorted references */
};

struct reference {
  uint32_t opened, row;
};

struct spans_groups {
  struct tk_arena arena;
  struct group_column columns[SPANS_GROUPED_MAX];
  uint32_t column_count;
  struct index_table pairs[SPANS_GROUPED_MAX]; /* level i: groups of columns 0..i */
  struct group *levels[SPANS_GROUPED_MAX];
  uint32_t level_capacity[SPANS_GROUPED_MAX];

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

/* ---- numbering ---- */

static uint64_t mix(uint64_t x) {
  x ^= x >> 32;
  x *= 0xD6E8FEB86659FD93u;
  x ^= x >> 32;
  return x;
}

static enum tk_status grow_table(struct index_table *table, const uint64_t *hashes,
                                 const struct group *groups, struct tk_error *error) {
  uint32_t size = table->mask ? 2 * (table->mask + 1) : 64;
  uint32_t *slots = sqlite3_malloc64(size * sizeof *slots);
  if (!slots) return tk_nomem(error);
  memset(slots, 0, size * sizeof *slots);
  for (uint32_t i = 0; i < table->count; i++) {
    uint32_t at = (uint32_t)(hashes ? hashes[i] : mix(groups[i].pair)) & (size - 1);
    while (slots[at]) at = (at + 1) & (size - 1);
    slots[at] = i + 1;
  }
  sqlite3_free(table->slots);
  table->slots = slots;
  table->mask = size - 1;
  return TK_OK;
}

static bool is_full(const struct index_table *table) {
  return table->mask == 0 || table->count >= (table->mask + 1) / 2;
}

/* Equal values hash alike: an integer as the real it equals. */
static uint64_t hash_value(const struct tk_sql_value *value) {
  double real;
  switch (value->type) {
    case TK_SQL_INT:
      real = (double)value->as.integer;
      return tk_hash64(&real, sizeof real);
    case TK_SQL_REAL:
      real = value->as.real == 0 ? 0 : value->as.real;
      return tk_hash64(&real, sizeof real);
    case TK_SQL_TEXT:
    case TK_SQL_BLOB:
      return tk_hash64(value->as.text.data, value->as.text.size) + value->type;
    case TK_SQL_NULL:
    default:
      return 1;
  }
}

static enum tk_status add_value(struct spans_groups *groups, struct group_column *column,
                                const struct tk_sql_value *value, uint64_t hash,
                                struct tk_error *error) {
  uint32_t number = column->table.count;

  if (number == column->capacity) {
    uint32_t grown = column->capacity ? 2 * column->capacity : 64;
    struct tk_sql_value *values = sqlite3_realloc64(column->values, grown * sizeof *values);
    if (values) column->values = values;
    uint64_t *hashes = sqlite3_realloc64(column->hashes, grown * sizeof *hashes);
    if (hashes) column->hashes = hashes;
    if (!values || !hashes) return tk_nomem(error);
    column->capacity = grown;
  }
  column->values[number] = *value;
  column->hashes[number] = hash;
  if (value->type == TK_SQL_TEXT || value->type == TK_SQL_BLOB) {
    char *copy = tk_arena_alloc_bytes(&groups->arena, value->as.text.size);
    if (!copy) return tk_nomem(error);
    if (value->as.text.size > 0) memcpy(copy, value->as.text.data, value->as.text.size);
    column->values[number].as.text.data = copy;
  }
  column->table.count++;
  return TK_OK;
}

static enum tk_status number_value(struct spans_groups *groups, struct group_column *column,
                                   const struct tk_sql_value *value, uint32_t *number,
                                   struct tk_error *error) {
  uint64_t hash = hash_value(value);
  enum tk_status status;

  if (is_full(&column->table) &&
      (status = grow_table(&column->table, column->hashes, NULL, error)) != TK_OK) {
    return status;
  }
  uint32_t at = (uint32_t)hash & column->table.mask;
  for (; column->table.slots[at]; at = (at + 1) & column->table.mask) {
    *number = column->table.slots[at] - 1;
    if (column->hashes[*number] == hash && tk_sql_compare(&column->values[*number], value) == 0) {
      return TK_OK;
    }
  }
  *number = column->table.count;
  if ((status = add_value(groups, column, value, hash, error)) != TK_OK) return status;
  column->table.slots[at] = *number + 1;
  return TK_OK;
}

/* Number of a pair on a level; a new one if it was not seen before. */
static enum tk_status number_pair(struct spans_groups *groups, uint32_t level, uint64_t pair,
                                  uint32_t *number, struct tk_error *error) {
  struct index_table *table = &groups->pairs[level];
  enum tk_status status;

  if (is_full(table) && (status = grow_table(table, NULL, groups->levels[level], error)) != TK_OK) {
    return status;
  }
  uint32_t at = (uint32_t)mix(pair) & table->mask;
  for (; table->slots[at]; at = (at + 1) & table->mask) {
    *number = table->slots[at] - 1;
    if (groups->levels[level][*number].pair == pair) return TK_OK;
  }
  if (table->count == groups->level_capacity[level]) {
    uint32_t grown = table->count ? 2 * table->count : 64;
    struct group *list = sqlite3_realloc64(groups->levels[level], grown * sizeof *list);
    if (!list) return tk_nomem(error);
    groups->levels[level] = list;
    groups->level_capacity[level] = grown;
  }
  *number = table->count++;
  groups->levels[level][*number] = (struct group){.pair = pair};
  table->slots[at] = *number + 1;
  return TK_OK;
}

/* ---- the values of a batch ---- */

/* Codes of a row in its segment where the column has them: a dictionary, resources, scopes. */
struct coded {
  const uint32_t *codes; /* one of these two */
  const int64_t *int_codes;
  const uint32_t *index; /* attributes: where the value of a row is */
  uint32_t count;
};

static const struct spans_part *text_part(const struct spans_binding *binding) {
  const struct spans_part *only = NULL;
  uint32_t count = 0;

  if (binding->column->affinity == AFFINITY_INTEGER) return NULL;
  for (uint32_t i = 0; i < binding->attribute_count; i++) {
    count += binding->attributes[i].part_count;
    if (binding->attributes[i].part_count > 0) only = &binding->attributes[i].parts[0];
  }
  bool fits =
      count == 1 && only->type == TK_VALUE_STRING && only->values && only->values->has_dictionary;
  return fits ? only : NULL;
}

static bool find_codes(const struct spans_binding *binding, struct coded *coded) {
  enum spans_source source = binding->column->source;

  *coded = (struct coded){0};
  if (binding->code_count > 0) {
    coded->count = binding->code_count;
    if (binding->data) coded->int_codes = binding->data->ints;
    return binding->data != NULL;
  }
  if (source == SOURCE_ROW_TEXT && binding->data && binding->data->has_dictionary) {
    coded->codes = binding->data->codes;
    coded->count = binding->data->dictionary_count;
    return true;
  }
  if (source != SOURCE_SPAN_ATTRIBUTE && source != SOURCE_RESOLVED) return false;
  const struct spans_part *part = text_part(binding);
  if (!part) return false;
  coded->codes = part->values->codes;
  coded->index = part->value_index;
  coded->count = part->values->dictionary_count + 1; /* the last: no value */
  return true;
}

static enum tk_status number_row(struct spans_groups *groups, struct group_column *column,
                                 struct spans_opened *opened, struct spans_binding *binding,
                                 uint32_t row, struct spans_scratch *scratch, uint32_t *number,
                                 struct tk_error *error) {
  struct tk_sql_value value = {.type = TK_SQL_NULL};
  enum tk_status status = tk_spans_value(opened->segment, binding, row, scratch, &value, error);

  if (status != TK_OK) return status;
  if (value.type == TK_SQL_INT && column->last_int_number != NOT_KNOWN &&
      column->last_int == value.as.integer) {
    *number = column->last_int_number;
    return TK_OK;
  }
  status = number_value(groups, column, &value, number, error);
  if (status == TK_OK && value.type == TK_SQL_INT) {
    column->last_int = value.as.integer;
    column->last_int_number = *number;
  }
  return status;
}

static enum tk_status number_coded(struct spans_groups *groups, struct group_column *column,
                                   struct spans_opened *opened, struct spans_binding *binding,
                                   const struct coded *coded, const uint32_t *rows, uint32_t count,
                                   struct spans_scratch *scratch, uint32_t *numbers,
                                   struct tk_error *error) {
  for (uint32_t i = 0; i < count; i++) {
    uint32_t row = rows[i], value_at = coded->index ? coded->index[row] : row;
    uint64_t code = value_at == UINT32_MAX ? coded->count - 1
                    : coded->codes         ? coded->codes[value_at]
                                           : (uint64_t)coded->int_codes[row];
    if (code < coded->count && column->by_code[code] != NOT_KNOWN) {
      numbers[i] = column->by_code[code];
      continue;
    }
    enum tk_status status =
        number_row(groups, column, opened, binding, row, scratch, &numbers[i], error);
    if (status != TK_OK) return status;
    if (code < coded->count) column->by_code[code] = numbers[i];
  }
  return TK_OK;
}

/* Room for the numbers of a segment's codes; forgotten with every segment. */
static enum tk_status prepare_codes(struct group_column *column, uint32_t count,
                                    struct tk_error *error) {
  if (column->by_code_count == count) return TK_OK;
  uint32_t *by_code = sqlite3_realloc64(column->by_code, ((uint64_t)count + 1) * sizeof *by_code);
  if (!by_code) return tk_nomem(error);
  memset(by_code, 0xFF, count * sizeof *by_code);
  column->by_code = by_code;
  column->by_code_count = count;
  return TK_OK;
}

static enum tk_status number_batch(struct spans_groups *groups, struct group_column *column,
                                   struct spans_opened *opened, const uint32_t *rows,
                                   uint32_t count, struct spans_scratch *scratch, uint32_t *numbers,
                                   struct tk_error *error) {
  struct spans_binding *binding;
  struct coded coded;
  enum tk_status status = tk_spans_bind(opened->segment, column->column, &binding, error);

  if (status == TK_OK && (rows[0] < binding->ready_begin || rows[0] >= binding->ready_end)) {
    status = tk_spans_prepare(opened->segment, binding, rows[0], error);
  }
  if (status != TK_OK) return status;
  if (find_codes(binding, &coded)) {
    if ((status = prepare_codes(column, coded.count, error)) != TK_OK) return status;
    return number_coded(groups, column, opened, binding, &coded, rows, count, scratch, numbers,
                        error);
  }
  for (uint32_t i = 0; i < count && status == TK_OK; i++) {
    status = number_row(groups, column, opened, binding, rows[i], scratch, &numbers[i], error);
  }
  return status;
}

/* ---- rows into groups ---- */

static enum tk_status reserve_references(struct spans_groups *groups, uint32_t more,
                                         struct tk_error *error) {
  if (groups->count + more <= groups->capacity) return TK_OK;
  uint64_t grown = groups->capacity ? 2 * groups->capacity : 2 * SPANS_BATCH_ROWS;
  struct reference *references = sqlite3_realloc64(groups->references, grown * sizeof *references);
  if (references) groups->references = references;
  uint32_t *group_of = sqlite3_realloc64(groups->group_of, grown * sizeof *group_of);
  if (group_of) groups->group_of = group_of;
  if (!references || !group_of) return tk_nomem(error);
  groups->capacity = grown;
  return TK_OK;
}

static enum tk_status add_batch(struct spans_cursor *cursor, uint32_t opened_index,
                                const uint32_t *rows, uint32_t count, struct tk_error *error) {
  struct spans_groups *groups = cursor->groups;
  struct spans_opened *opened = groups->opened[opened_index];
  uint32_t numbers[SPANS_BATCH_ROWS], group[SPANS_BATCH_ROWS];
  enum tk_status status = reserve_references(groups, count, error);

  for (uint32_t level = 0; level < groups->column_count && status == TK_OK; level++) {
    uint64_t last_pair = UINT64_MAX;
    status = number_batch(groups, &groups->columns[level], opened, rows, count, &cursor->scratch,
                          numbers, error);
    for (uint32_t i = 0; i < count && status == TK_OK; i++) {
      uint64_t pair = (level > 0 ? (uint64_t)group[i] << 32 : 0) | numbers[i];
      if (pair == last_pair) {
        group[i] = group[i - 1];
        continue;
      }
      status = number_pair(groups, level, pair, &group[i], error);
      last_pair = pair;
    }
  }
  struct group *last_level = groups->levels[groups->column_count - 1];
  for (uint32_t i = 0; i < count && status == TK_OK; i++) {
    if (cursor->plan.distinct && last_level[group[i]].row_count > 0) continue;
    last_level[group[i]].row_count++;
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
  for (uint32_t i = 0; i < groups->column_count; i++) groups->columns[i].by_code_count = 0;
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
};

static int compare_values(const void *left, const void *right, void *context) {
  const struct value_order *order = context;
  int result = tk_sql_compare(&order->values[*(const uint32_t *)left],
                              &order->values[*(const uint32_t *)right]);
  return order->descending ? -result : result;
}

static enum tk_status rank_values(struct spans_groups *groups, struct group_column *column,
                                  struct tk_error *error) {
  uint32_t count = column->table.count;
  struct value_order order = {column->values, column->descending};
  uint32_t *numbers = tk_arena_alloc(&groups->arena, count * sizeof *numbers);

  column->ranks = tk_arena_alloc(&groups->arena, count * sizeof *column->ranks);
  if (!numbers || !column->ranks) return tk_nomem(error);
  for (uint32_t i = 0; i < count; i++) numbers[i] = i;
  if (count > 0) qsort_r(numbers, count, sizeof *numbers, compare_values, &order);
  for (uint32_t i = 0; i < count; i++) column->ranks[numbers[i]] = i;
  return TK_OK;
}

/* Ranks of a group's values, from the last level up. */
static void group_ranks(const struct spans_groups *groups, uint32_t number, uint32_t *ranks) {
  for (uint32_t level = groups->column_count; level-- > 0;) {
    uint64_t pair = groups->levels[level][number].pair;
    ranks[level] = groups->columns[level].ranks[(uint32_t)pair];
    number = (uint32_t)(pair >> 32);
  }
}

static int compare_groups(const void *left, const void *right, void *context) {
  const struct spans_groups *groups = context;
  uint32_t a[SPANS_GROUPED_MAX] = {0}, b[SPANS_GROUPED_MAX] = {0};

  group_ranks(groups, *(const uint32_t *)left, a);
  group_ranks(groups, *(const uint32_t *)right, b);
  for (uint32_t i = 0; i < groups->column_count; i++) {
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  }
  return 0;
}

static enum tk_status sort_references(struct spans_groups *groups, struct tk_error *error) {
  uint32_t level = groups->column_count - 1, count = groups->pairs[level].count;
  uint32_t *order = groups->order = tk_arena_alloc(&groups->arena, count * sizeof *order);
  enum tk_status status = TK_OK;
  uint64_t first = 0;

  groups->sorted = sqlite3_malloc64(groups->count * sizeof *groups->sorted + 1);
  if (!order || !groups->sorted) return tk_nomem(error);
  for (uint32_t i = 0; i <= level && status == TK_OK; i++) {
    status = rank_values(groups, &groups->columns[i], error);
  }
  if (status != TK_OK) return status;
  for (uint32_t i = 0; i < count; i++) order[i] = i;
  if (count > 0) qsort_r(order, count, sizeof *order, compare_groups, groups);
  for (uint32_t i = 0; i < count; i++) {
    struct group *group = &groups->levels[level][order[i]];
    group->first = (uint32_t)first;
    first += group->row_count;
  }
  for (uint64_t i = 0; i < groups->count; i++) {
    struct group *group = &groups->levels[level][groups->group_of[i]];
    groups->sorted[group->first++] = groups->references[i];
  }
  return TK_OK;
}

/* ---- the order ---- */

/* Rows of a group have equal values, but a 1 may be equal to a 1.0: not so texts, and not the
 * columns that are always integers. */
static void enter_group(struct spans_cursor *cursor, uint32_t number) {
  struct spans_groups *groups = cursor->groups;

  for (uint32_t level = groups->column_count; level-- > 0;) {
    uint64_t pair = groups->levels[level][number].pair;
    const struct tk_sql_value *value = &groups->columns[level].values[(uint32_t)pair];
    bool is_same =
        value->type == TK_SQL_TEXT || value->type == TK_SQL_NULL ||
        (value->type == TK_SQL_INT && groups->columns[level].column < SPANS_FIRST_ATTRIBUTE &&
         groups->columns[level].column != SPANS_http_status);
    groups->current[level] = is_same ? value : NULL;
    number = (uint32_t)(pair >> 32);
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
    groups->order_end = groups->levels[groups->column_count - 1][number].first;
    enter_group(cursor, number);
  }
}

const struct tk_sql_value *tk_spans_groups_value(const struct spans_cursor *cursor,
                                                 uint32_t column) {
  const struct spans_groups *groups = cursor->groups;
  for (uint32_t i = 0; i < groups->column_count; i++) {
    if (groups->columns[i].column == column) return groups->current[i];
  }
  return NULL;
}

enum tk_status tk_spans_groups_begin(struct spans_cursor *cursor, struct tk_error *error) {
  struct spans_groups *groups = sqlite3_malloc64(sizeof *groups);
  enum tk_status status = TK_OK;

  if (!groups) return tk_nomem(error);
  memset(groups, 0, sizeof *groups);
  cursor->groups = groups;
  groups->column_count = cursor->plan.grouped_count;
  for (uint32_t i = 0; i < groups->column_count; i++) {
    groups->columns[i] = (struct group_column){.column = cursor->plan.grouped[i].column,
                                               .descending = cursor->plan.grouped[i].descending,
                                               .last_int_number = NOT_KNOWN};
  }
  groups->opened =
      tk_arena_alloc(&groups->arena, cursor->job_count * sizeof(struct spans_opened *));
  if (!groups->opened) return tk_nomem(error);
  for (uint32_t i = 0; i < cursor->job_count && status == TK_OK; i++) {
    status = add_job(cursor, &cursor->jobs[i], error);
  }
  if (status == TK_OK) status = sort_references(groups, error);
  if (status == TK_OK) point_at_row(cursor);
  return status;
}

void tk_spans_groups_next(struct spans_cursor *cursor) {
  cursor->groups->at++;
  point_at_row(cursor);
}

void tk_spans_groups_end(struct spans_cursor *cursor) {
  struct spans_groups *groups = cursor->groups;

  if (!groups) return;
  for (uint32_t i = 0; i < groups->opened_count; i++) groups->opened[i]->pins--;
  for (uint32_t i = 0; i < SPANS_GROUPED_MAX; i++) {
    sqlite3_free(groups->columns[i].values);
    sqlite3_free(groups->columns[i].hashes);
    sqlite3_free(groups->columns[i].table.slots);
    sqlite3_free(groups->columns[i].by_code);
    sqlite3_free(groups->pairs[i].slots);
    sqlite3_free(groups->levels[i]);
  }
  sqlite3_free(groups->references);
  sqlite3_free(groups->sorted);
  sqlite3_free(groups->group_of);
  tk_arena_reset(&groups->arena);
  sqlite3_free(groups);
  cursor->groups = NULL;
}
