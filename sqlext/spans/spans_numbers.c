/* SPDX-License-Identifier: MIT
 * Numbering values and groups of rows. See spans_numbers.h.
 *
 * In a segment a value is looked up once for each code: dictionary entries, resources, scopes, and
 * integers of a small range are codes, so that a row costs one access to a table. Other values are
 * found by hash, one by one. A group is a pair of the group of the columns before and a value;
 * pairs are found in a table of two dimensions as long as that is small, then by hash. */
#include "sqlext/spans/spans_numbers.h"

#include <string.h>

#include "tracekeep/hash.h"

#define NOT_KNOWN UINT32_MAX
#define SMALL_RANGE 4096        /* integers that are codes */
#define DIRECT_LIMIT (1u << 20) /* entries of a table of pairs */

void tk_spans_numbers_add(struct spans_numbers *numbers, uint32_t column, int64_t bucket_size) {
  numbers->columns[numbers->column_count++] = (struct spans_numbered){
      .column = column, .bucket_size = bucket_size, .last_int_number = NOT_KNOWN};
}

void tk_spans_numbers_reset(struct spans_numbers *numbers) {
  for (uint32_t i = 0; i < numbers->column_count; i++) {
    sqlite3_free(numbers->columns[i].values);
    sqlite3_free(numbers->columns[i].hashes);
    sqlite3_free(numbers->columns[i].table.slots);
    sqlite3_free(numbers->columns[i].by_code);
    sqlite3_free(numbers->levels[i].pairs);
    sqlite3_free(numbers->levels[i].direct);
    sqlite3_free(numbers->levels[i].table.slots);
  }
  tk_arena_reset(&numbers->arena);
  *numbers = (struct spans_numbers){0};
}

void tk_spans_numbers_enter_segment(struct spans_numbers *numbers) {
  for (uint32_t i = 0; i < numbers->column_count; i++) numbers->columns[i].by_code_count = 0;
}

uint32_t tk_spans_numbers_count(const struct spans_numbers *numbers) {
  return numbers->column_count > 0 ? numbers->levels[numbers->column_count - 1].count : 0;
}

void tk_spans_numbers_of_group(const struct spans_numbers *numbers, uint32_t group,
                               uint32_t *numbers_out) {
  for (uint32_t level = numbers->column_count; level-- > 1;) {
    uint64_t pair = numbers->levels[level].pairs[group];
    numbers_out[level] = (uint32_t)pair;
    group = (uint32_t)(pair >> 32);
  }
  if (numbers->column_count > 0) numbers_out[0] = group;
}

/* ---- hash tables ---- */

static uint64_t mix(uint64_t x) {
  x ^= x >> 32;
  x *= 0xD6E8FEB86659FD93u;
  x ^= x >> 32;
  return x;
}

static bool is_full(const struct spans_index *table, uint32_t count) {
  return table->mask == 0 || count >= (table->mask + 1) / 2;
}

/* Room for more than `count` items. The keys of those there are: hashes, or pairs. */
static enum tk_status grow_table(struct spans_index *table, uint32_t count, const uint64_t *hashes,
                                 const uint64_t *pairs, struct tk_error *error) {
  uint64_t size = 64;
  while (size / 2 <= count) size *= 2;
  uint32_t *slots = sqlite3_malloc64(size * sizeof *slots);
  if (!slots) return tk_nomem(error);
  memset(slots, 0, size * sizeof *slots);
  for (uint32_t i = 0; i < count; i++) {
    uint64_t at = (hashes ? hashes[i] : mix(pairs[i])) & (size - 1);
    while (slots[at]) at = (at + 1) & (size - 1);
    slots[at] = i + 1;
  }
  sqlite3_free(table->slots);
  table->slots = slots;
  table->mask = (uint32_t)(size - 1);
  return TK_OK;
}

/* ---- values ---- */

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

static enum tk_status add_value(struct spans_numbers *numbers, struct spans_numbered *column,
                                const struct tk_sql_value *value, uint64_t hash,
                                struct tk_error *error) {
  uint32_t number = column->count;

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
    char *copy = tk_arena_alloc_bytes(&numbers->arena, value->as.text.size);
    if (!copy) return tk_nomem(error);
    if (value->as.text.size > 0) memcpy(copy, value->as.text.data, value->as.text.size);
    column->values[number].as.text.data = copy;
  }
  column->count++;
  return TK_OK;
}

static enum tk_status number_value(struct spans_numbers *numbers, struct spans_numbered *column,
                                   const struct tk_sql_value *value, uint32_t *number,
                                   struct tk_error *error) {
  uint64_t hash = hash_value(value);
  enum tk_status status;

  if (is_full(&column->table, column->count) &&
      (status = grow_table(&column->table, column->count, column->hashes, NULL, error)) != TK_OK) {
    return status;
  }
  uint32_t at = (uint32_t)hash & column->table.mask;
  for (; column->table.slots[at]; at = (at + 1) & column->table.mask) {
    *number = column->table.slots[at] - 1;
    if (column->hashes[*number] == hash && tk_sql_compare(&column->values[*number], value) == 0) {
      return TK_OK;
    }
  }
  *number = column->count;
  if ((status = add_value(numbers, column, value, hash, error)) != TK_OK) return status;
  column->table.slots[at] = *number + 1;
  return TK_OK;
}

static enum tk_status number_row(struct spans_numbers *numbers, struct spans_numbered *column,
                                 struct spans_segment *segment, struct spans_binding *binding,
                                 uint32_t row, struct spans_scratch *scratch, uint32_t *number,
                                 struct tk_error *error) {
  struct tk_sql_value value = {.type = TK_SQL_NULL};
  enum tk_status status = tk_spans_value(segment, binding, row, scratch, &value, error);

  if (status != TK_OK) return status;
  if (value.type == TK_SQL_INT && column->last_int_number != NOT_KNOWN &&
      column->last_int == value.as.integer) {
    *number = column->last_int_number;
    return TK_OK;
  }
  status = number_value(numbers, column, &value, number, error);
  if (status == TK_OK && value.type == TK_SQL_INT) {
    column->last_int = value.as.integer;
    column->last_int_number = *number;
  }
  return status;
}

/* ---- codes ---- */

/* Codes of a row in its segment where the column has them. Code count - 1 means no value if there
 * is an index. */
struct coded {
  struct tk_ints codes;  /* less base */
  const uint32_t *index; /* attributes: where the value of a row is */
  int64_t base;
  uint32_t count; /* 0: no codes */
};

/* Integers in [low, high] as codes, if they are few. */
static void code_range(struct coded *coded, struct tk_ints ints, int64_t low, int64_t high) {
  if (high < low || (uint64_t)high - (uint64_t)low >= SMALL_RANGE) return;
  coded->codes = ints;
  coded->base = low;
  coded->count = (uint32_t)((uint64_t)high - (uint64_t)low) + 1;
}

static void find_row_codes(const struct spans_segment *segment, const struct spans_binding *binding,
                           struct coded *coded) {
  const struct tk_segment *stored = segment->segment;
  uint32_t index = stored->fixed[binding->column->argument];

  if (!binding->data || index == TK_NO_COLUMN) {
    coded->count = 1;
  } else if (binding->data->kind == TK_COLUMN_INT) {
    code_range(coded, binding->data->ints, stored->columns[index].int_min,
               stored->columns[index].int_max);
  } else if (binding->data->has_dictionary) {
    coded->codes = binding->data->codes;
    coded->count = binding->data->dictionary_count;
  }
}

static void find_attribute_codes(const struct spans_segment *segment,
                                 const struct spans_binding *binding, struct coded *coded) {
  const struct spans_part *only = NULL;
  uint32_t count = 0;

  for (uint32_t i = 0; i < binding->attribute_count; i++) {
    count += binding->attributes[i].part_count;
    if (binding->attributes[i].part_count > 0) only = &binding->attributes[i].parts[0];
  }
  if (binding->attributes[0].may_be_unnamed) return;
  if (count == 0) coded->count = 1;
  if (count != 1 || !only->values) return;
  const struct tk_segment_column *column = &segment->segment->columns[only->index];
  if (only->type == TK_VALUE_STRING && only->values->has_dictionary) {
    coded->codes = only->values->codes;
    coded->count = only->values->dictionary_count;
  } else if (only->type == TK_VALUE_INT || only->type == TK_VALUE_BOOL) {
    code_range(coded, only->values->ints, column->int_min, column->int_max);
  }
  if (coded->count == 0) return;
  coded->index = only->value_index;
  coded->count++;
}

static void find_codes(const struct spans_segment *segment, const struct spans_binding *binding,
                       struct coded *coded) {
  *coded = (struct coded){0};
  if (binding->code_count > 0) {
    coded->count = binding->data ? binding->code_count : 1;
    if (binding->data) coded->codes = binding->data->ints;
    return;
  }
  switch ((int)binding->column->source) {
    case SOURCE_KIND:
    case SOURCE_STATUS:
    case SOURCE_ROW_INT:
    case SOURCE_ROW_TEXT:
      find_row_codes(segment, binding, coded);
      return;
    case SOURCE_TRACE_ID:
      memcpy(&coded->codes.values, &segment->traces, sizeof segment->traces); /* only read */
      coded->codes.width = sizeof *segment->traces;
      coded->count = segment->segment->summary.trace_count;
      return;
    case SOURCE_SPAN_ATTRIBUTE:
    case SOURCE_RESOLVED:
      find_attribute_codes(segment, binding, coded);
      return;
    default:
      return;
  }
}

/* Codes of rows; coded->count where there should be none. */
static void read_codes(const struct coded *coded, const uint32_t *rows, uint32_t count,
                       uint32_t *codes) {
  if (coded->index) {
    uint32_t absent = coded->count - 1;
    for (uint32_t i = 0; i < count; i++) {
      uint32_t at = coded->index[rows[i]];
      uint64_t code = absent;
      if (at != UINT32_MAX) {
        code = (uint64_t)tk_ints_at(coded->codes, at) - (uint64_t)coded->base;
        if (code >= absent) code = coded->count;
      }
      codes[i] = (uint32_t)code;
    }
    return;
  }
  tk_ints_gather_codes(coded->codes, rows, count, coded->base, coded->count, codes);
}

/* Room for the numbers of a segment's codes, and one that stays unknown. */
static enum tk_status prepare_codes(struct spans_numbered *column, uint32_t count,
                                    struct tk_error *error) {
  if (column->by_code_count == count + 1) return TK_OK;
  uint64_t size = ((uint64_t)count + 1) * sizeof *column->by_code;
  uint32_t *by_code = sqlite3_realloc64(column->by_code, size);
  if (!by_code) return tk_nomem(error);
  memset(by_code, 0xFF, size);
  column->by_code = by_code;
  column->by_code_count = count + 1;
  return TK_OK;
}

static enum tk_status number_coded(struct spans_numbers *numbers, struct spans_numbered *column,
                                   struct spans_segment *segment, struct spans_binding *binding,
                                   const struct coded *coded, const uint32_t *rows, uint32_t count,
                                   struct spans_scratch *scratch, uint32_t *out,
                                   struct tk_error *error) {
  uint32_t codes[SPANS_BATCH_ROWS];
  enum tk_status status = prepare_codes(column, coded->count, error);

  if (status != TK_OK) return status;
  read_codes(coded, rows, count, codes);
  for (uint32_t i = 0; i < count; i++) {
    out[i] = column->by_code[codes[i]];
    if (out[i] != NOT_KNOWN) continue;
    status = number_row(numbers, column, segment, binding, rows[i], scratch, &out[i], error);
    if (status != TK_OK) return status;
    if (codes[i] < coded->count) column->by_code[codes[i]] = out[i];
  }
  return TK_OK;
}

/* Rows of a segment are mostly in the bucket of the row before. */
static enum tk_status number_buckets(struct spans_numbers *numbers, struct spans_numbered *column,
                                     const int64_t *starts, uint64_t size, const uint32_t *rows,
                                     uint32_t count, uint32_t *out, struct tk_error *error) {
  for (uint32_t i = 0; i < count; i++) {
    uint64_t start = (uint64_t)starts[rows[i]];
    if (column->last_int_number == NOT_KNOWN || start - column->bucket_begin >= size) {
      struct tk_sql_value value = {.type = TK_SQL_INT,
                                   .as.integer = (int64_t)(start - start % size)};
      enum tk_status status =
          number_value(numbers, column, &value, &column->last_int_number, error);
      if (status != TK_OK) return status;
      column->bucket_begin = start - start % size;
    }
    out[i] = column->last_int_number;
  }
  return TK_OK;
}

static enum tk_status number_column(struct spans_numbers *numbers, struct spans_numbered *column,
                                    struct spans_segment *segment, const uint32_t *rows,
                                    uint32_t count, struct spans_scratch *scratch, uint32_t *out,
                                    struct tk_error *error) {
  struct spans_binding *binding;
  struct coded coded;
  uint32_t bound = column->bucket_size > 0 ? (uint32_t)SPANS_start_ns : column->column;
  enum tk_status status = tk_spans_bind(segment, bound, &binding, error);

  if (status == TK_OK && (rows[0] < binding->ready_begin || rows[0] >= binding->ready_end)) {
    status = tk_spans_prepare(segment, binding, rows[0], error);
  }
  if (status != TK_OK) return status;
  if (column->bucket_size > 0 || binding->column->source == SOURCE_BUCKET) {
    int64_t size = column->bucket_size > 0 ? column->bucket_size : binding->column->argument;
    return number_buckets(numbers, column, segment->starts, (uint64_t)size, rows, count, out,
                          error);
  }
  find_codes(segment, binding, &coded);
  if (coded.count > 0) {
    return number_coded(numbers, column, segment, binding, &coded, rows, count, scratch, out,
                        error);
  }
  for (uint32_t i = 0; i < count && status == TK_OK; i++) {
    status = number_row(numbers, column, segment, binding, rows[i], scratch, &out[i], error);
  }
  return status;
}

/* ---- groups ---- */

/* Makes the table of pairs cover `rows` groups of the level before and `count` numbers, or gives it
 * up for a hash table. */
static enum tk_status cover_pairs(struct spans_level *level, uint32_t rows, uint32_t count,
                                  struct tk_error *error) {
  if (level->table.mask > 0) return TK_OK;
  if (level->direct && rows <= level->direct_rows && count <= 1u << level->direct_shift) {
    return TK_OK;
  }
  uint32_t shift = level->direct_shift, grown = level->direct_rows ? level->direct_rows : 16;
  while (shift < 31 && 1u << shift < count) shift++;
  while (grown < rows) grown *= 2;
  if (((uint64_t)grown << shift) > DIRECT_LIMIT) {
    sqlite3_free(level->direct);
    level->direct = NULL;
    return grow_table(&level->table, level->count, NULL, level->pairs, error);
  }
  uint64_t size = ((uint64_t)grown << shift) * sizeof *level->direct;
  uint32_t *direct = sqlite3_malloc64(size);
  if (!direct) return tk_nomem(error);
  memset(direct, 0xFF, size);
  for (uint32_t i = 0; i < level->count; i++) {
    direct[(level->pairs[i] >> 32) << shift | (uint32_t)level->pairs[i]] = i;
  }
  sqlite3_free(level->direct);
  level->direct = direct;
  level->direct_rows = grown;
  level->direct_shift = shift;
  return TK_OK;
}

static enum tk_status add_pair(struct spans_level *level, uint64_t pair, uint32_t *group,
                               struct tk_error *error) {
  if (level->count == level->capacity) {
    uint32_t grown = level->capacity ? 2 * level->capacity : 64;
    uint64_t *pairs = sqlite3_realloc64(level->pairs, grown * sizeof *pairs);
    if (!pairs) return tk_nomem(error);
    level->pairs = pairs;
    level->capacity = grown;
  }
  level->pairs[level->count] = pair;
  *group = level->count++;
  return TK_OK;
}

static enum tk_status find_pair(struct spans_level *level, uint64_t pair, uint32_t *group,
                                struct tk_error *error) {
  enum tk_status status;

  if (is_full(&level->table, level->count) &&
      (status = grow_table(&level->table, level->count, NULL, level->pairs, error)) != TK_OK) {
    return status;
  }
  uint32_t at = (uint32_t)mix(pair) & level->table.mask;
  for (; level->table.slots[at]; at = (at + 1) & level->table.mask) {
    *group = level->table.slots[at] - 1;
    if (level->pairs[*group] == pair) return TK_OK;
  }
  if ((status = add_pair(level, pair, group, error)) == TK_OK) level->table.slots[at] = *group + 1;
  return status;
}

static enum tk_status combine(struct spans_level *level, const uint32_t *values, uint32_t count,
                              uint32_t *groups, struct tk_error *error) {
  enum tk_status status = TK_OK;
  uint64_t last_pair = UINT64_MAX;
  uint32_t last = 0;

  if (level->direct) {
    for (uint32_t i = 0; i < count; i++) {
      uint32_t *known = &level->direct[(uint64_t)groups[i] << level->direct_shift | values[i]];
      if (*known == NOT_KNOWN) {
        status = add_pair(level, (uint64_t)groups[i] << 32 | values[i], known, error);
        if (status != TK_OK) return status;
      }
      groups[i] = *known;
    }
    return TK_OK;
  }
  for (uint32_t i = 0; i < count && status == TK_OK; i++) {
    uint64_t pair = (uint64_t)groups[i] << 32 | values[i];
    if (pair != last_pair) status = find_pair(level, pair, &last, error);
    last_pair = pair;
    groups[i] = last;
  }
  return status;
}

enum tk_status tk_spans_numbers_batch(struct spans_numbers *numbers, struct spans_segment *segment,
                                      const uint32_t *rows, uint32_t count,
                                      struct spans_scratch *scratch, uint32_t *groups,
                                      struct tk_error *error) {
  uint32_t values[SPANS_BATCH_ROWS];
  enum tk_status status;

  if (count == 0) return TK_OK;
  if (numbers->column_count == 0) {
    memset(groups, 0, count * sizeof *groups);
    return TK_OK;
  }
  status =
      number_column(numbers, &numbers->columns[0], segment, rows, count, scratch, groups, error);
  numbers->levels[0].count = numbers->columns[0].count;
  for (uint32_t i = 1; i < numbers->column_count && status == TK_OK; i++) {
    struct spans_numbered *column = &numbers->columns[i];
    status = number_column(numbers, column, segment, rows, count, scratch, values, error);
    if (status != TK_OK) break;
    status = cover_pairs(&numbers->levels[i], numbers->levels[i - 1].count, column->count, error);
    if (status == TK_OK) status = combine(&numbers->levels[i], values, count, groups, error);
  }
  return status;
}
