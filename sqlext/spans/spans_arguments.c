/* SPDX-License-Identifier: MIT
 * The values of a statement's constraints: copied out of xFilter's arguments, brought to the
 * column's affinity, and turned into rows to look at where they name traces or rowids.
 *
 * What cannot be decided here without knowing more about the other side (see spans_plan.c) is
 * widened, never narrowed: SQLite compares again. */
#include <stdlib.h>
#include <string.h>

#include "sqlext/spans/spans_filter.h"
#include "sqlext/vtab_support.h"

/* ---- values ---- */

static bool copy_bytes(struct tk_arena *arena, const void *bytes, int size, struct tk_text *text) {
  char *copy = tk_arena_alloc_bytes(arena, (size_t)size + 1);
  if (!copy) return false;
  if (size > 0) memcpy(copy, bytes, (size_t)size);
  copy[size] = 0;
  *text = (struct tk_text){copy, (uint32_t)size};
  return true;
}

static bool copy_value(struct tk_arena *arena, sqlite3_value *from, bool numeric,
                       struct tk_sql_value *to) {
  const void *bytes;

  switch (numeric ? sqlite3_value_numeric_type(from) : sqlite3_value_type(from)) {
    case SQLITE_INTEGER:
      to->type = TK_SQL_INT;
      to->as.integer = sqlite3_value_int64(from);
      return true;
    case SQLITE_FLOAT:
      to->type = TK_SQL_REAL;
      to->as.real = sqlite3_value_double(from);
      return true;
    case SQLITE_TEXT:
      to->type = TK_SQL_TEXT;
      bytes = sqlite3_value_text(from);
      return bytes && copy_bytes(arena, bytes, sqlite3_value_bytes(from), &to->as.text);
    case SQLITE_BLOB:
      to->type = TK_SQL_BLOB;
      bytes = sqlite3_value_blob(from);
      return copy_bytes(arena, bytes, sqlite3_value_bytes(from), &to->as.text);
    default:
      to->type = TK_SQL_NULL;
      return true;
  }
}

/* What the other side is brought to before it is compared. */
enum conversion { CONVERT_NOTHING, CONVERT_TO_NUMBER, CONVERT_TO_TEXT };

static bool is_number(const struct tk_sql_value *value) {
  return value->type == TK_SQL_INT || value->type == TK_SQL_REAL;
}

static bool convert_value(struct tk_arena *arena, sqlite3_value *from, enum conversion conversion,
                          struct tk_sql_value *to) {
  if (!copy_value(arena, from, conversion == CONVERT_TO_NUMBER, to)) return false;
  if (conversion != CONVERT_TO_TEXT || !is_number(to)) return true;
  const void *text = sqlite3_value_text(from);
  to->type = TK_SQL_TEXT;
  return text && copy_bytes(arena, text, sqlite3_value_bytes(from), &to->as.text);
}

static bool add_value(struct tk_arena *arena, sqlite3_value *from, enum conversion conversion,
                      struct tk_predicate *predicate, uint32_t *capacity) {
  if (predicate->count == *capacity) {
    uint32_t grown = *capacity ? *capacity * 2 : 4;
    struct tk_sql_value *values = tk_arena_alloc(arena, grown * sizeof *values);
    if (!values) return false;
    if (predicate->count > 0) memcpy(values, predicate->values, predicate->count * sizeof *values);
    predicate->values = values;
    *capacity = grown;
  }
  struct tk_sql_value *to = &predicate->values[predicate->count];
  *to = (struct tk_sql_value){.type = TK_SQL_NULL};
  if (!convert_value(arena, from, conversion, to)) return false;
  predicate->count++;
  return true;
}

static enum tk_status take_values(struct tk_arena *arena, sqlite3_value *argument,
                                  enum conversion conversion, struct tk_predicate *predicate,
                                  struct tk_error *error) {
  uint32_t capacity = 0;
  sqlite3_value *item = NULL;
  int rc;

  if (predicate->op != TK_PREDICATE_IN) {
    if (!add_value(arena, argument, conversion, predicate, &capacity)) return tk_nomem(error);
    return TK_OK;
  }
  for (rc = sqlite3_vtab_in_first(argument, &item); rc == SQLITE_OK && item;
       rc = sqlite3_vtab_in_next(argument, &item)) {
    if (!add_value(arena, item, conversion, predicate, &capacity)) return tk_nomem(error);
  }
  if (rc == SQLITE_NOMEM) return tk_nomem(error);
  if (rc != SQLITE_OK && rc != SQLITE_DONE) {
    return tk_fail(error, TK_INVALID, "cannot read the values of an IN");
  }
  tk_predicate_normalise(predicate);
  return TK_OK;
}

/* A pattern is text whatever it was given as. */
static bool take_pattern(struct tk_arena *arena, sqlite3_value *argument,
                         struct tk_predicate *predicate) {
  struct tk_sql_value *value = predicate->values;
  if (value->type == TK_SQL_NULL || value->type == TK_SQL_TEXT) return true;
  const void *text = sqlite3_value_text(argument);
  value->type = TK_SQL_TEXT;
  return text && copy_bytes(arena, text, sqlite3_value_bytes(argument), &value->as.text);
}

/* LIKE that distinguishes letters by case is GLOB with other wildcards. */
static bool make_glob(struct tk_arena *arena, struct tk_predicate *predicate) {
  const struct tk_text from = predicate->values[0].as.text;
  char *to = tk_arena_alloc_bytes(arena, 3 * (size_t)from.size + 1);
  uint32_t size = 0;

  if (!to) return false;
  for (uint32_t i = 0; i < from.size; i++) {
    const char c = from.data[i];
    const bool special = c == '*' || c == '?' || c == '[';
    if (special) to[size++] = '[';
    to[size++] = (char)(c == '%' ? '*' : c == '_' ? '?' : c);
    if (special) to[size++] = ']';
  }
  to[size] = 0;
  predicate->values[0].as.text = (struct tk_text){to, size};
  predicate->op = TK_PREDICATE_GLOB;
  return true;
}

/* ---- started_at ---- */

/* Smallest time whose text is not less than `text` (with `above`: greater than it). False: none. */
static bool find_time(struct tk_text text, bool above, uint64_t *time_out) {
  uint64_t low = 0, high = UINT64_MAX;
  char made[TK_INSTANT_TEXT_SIZE];
  struct tk_sql_value limit = {.type = TK_SQL_TEXT, .as.text = text};
  struct tk_sql_value value = {.type = TK_SQL_TEXT, .as.text = {made, sizeof made}};

  for (;;) {
    uint64_t middle = low + (high - low) / 2;
    tk_instant_text(middle, made);
    int order = tk_sql_compare(&value, &limit);
    bool reached = above ? order > 0 : order >= 0;
    if (low == high) {
      *time_out = low;
      return reached;
    }
    if (reached) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
}

/* Texts of this form compare as the times do, so a comparison with any text is a range of times. */
static void make_start_range(struct spans_condition *condition, bool *impossible) {
  enum tk_predicate_op op = condition->predicate.op;
  struct tk_text text = condition->predicate.values->as.text;
  uint64_t from = 0, above = 0;
  bool has_from = find_time(text, false, &from), has_above = find_time(text, true, &above);

  condition->is_start_range = true;
  condition->start_low = 0;
  condition->start_high = UINT64_MAX;
  if (op == TK_PREDICATE_GE || op == TK_PREDICATE_EQ || op == TK_PREDICATE_IS) {
    condition->start_low = from;
    *impossible |= !has_from;
  } else if (op == TK_PREDICATE_GT) {
    condition->start_low = above;
    *impossible |= !has_above;
  }
  bool below_from = op == TK_PREDICATE_LT;
  bool below_above = op == TK_PREDICATE_LE || op == TK_PREDICATE_EQ || op == TK_PREDICATE_IS;
  if ((below_from && has_from && from == 0) || (below_above && has_above && above == 0)) {
    *impossible = true;
  } else if (below_from && has_from) {
    condition->start_high = from - 1;
  } else if (below_above && has_above) {
    condition->start_high = above - 1;
  }
  if (condition->start_low > condition->start_high) *impossible = true;
}

/* A pattern that begins with literal characters: the range of texts that begin so. SQLite compares
 * again. False: it does not, or could not be made. */
static bool make_prefix_range(struct tk_arena *arena, struct spans_condition *condition) {
  const struct tk_predicate *predicate = &condition->predicate;
  struct tk_text pattern = predicate->values->as.text;
  const char *wildcards = predicate->op == TK_PREDICATE_LIKE ? "%_" : "*?[";
  uint32_t size = 0;
  uint64_t above;

  char *prefix = tk_arena_alloc_bytes(arena, (size_t)pattern.size + 1);
  if (!prefix || predicate->values->type != TK_SQL_TEXT) return false;
  for (; size < pattern.size && pattern.data[size] && !strchr(wildcards, pattern.data[size]);
       size++) {
    char c = pattern.data[size];
    bool fold = predicate->op == TK_PREDICATE_LIKE && c >= 'a' && c <= 'z';
    prefix[size] = (char)(fold ? c - 'a' + 'A' : c);
  }
  prefix[size] = (char)0xFF; /* after any text that goes on behind the prefix */
  condition->is_start_range = true;
  condition->start_high = UINT64_MAX;
  if (find_time((struct tk_text){prefix, size + 1}, true, &above)) {
    condition->start_high = above > 0 ? above - 1 : 0;
  }
  if (!find_time((struct tk_text){prefix, size}, false, &condition->start_low)) {
    condition->start_low = UINT64_MAX;
  }
  return size > 0;
}

/* ---- ids ---- */

static int compare_ids(const void *a, const void *b) {
  return memcmp(a, b, 8);
}

/* Texts that are not 16 digits match nothing; a number may equal an id that looks like one. */
static enum tk_status take_ids(struct tk_arena *arena, struct spans_condition *condition,
                               bool *keep, struct tk_error *error) {
  const struct tk_predicate *predicate = &condition->predicate;

  for (uint32_t i = 0; i < predicate->count; i++) {
    if (is_number(&predicate->values[i])) *keep = false;
    if (predicate->op == TK_PREDICATE_IS && predicate->values[i].type == TK_SQL_NULL) {
      *keep = false;
    }
  }
  if (!*keep) return TK_OK;
  condition->ids = tk_arena_alloc(arena, predicate->count * sizeof *condition->ids);
  if (!condition->ids) return tk_nomem(error);
  for (uint32_t i = 0; i < predicate->count; i++) {
    const struct tk_sql_value *value = &predicate->values[i];
    if (value->type == TK_SQL_TEXT &&
        tk_hex_parse(value->as.text, condition->ids[condition->id_count], 8)) {
      condition->id_count++;
    }
  }
  qsort(condition->ids, condition->id_count, sizeof *condition->ids, compare_ids);
  return TK_OK;
}

/* ---- ranges ---- */

struct range_list {
  struct spans_range *items;
  uint32_t count, capacity;
};

static enum tk_status add_range(struct range_list *list, const struct tk_reader *reader,
                                uint32_t segment_index, uint32_t first, uint32_t count,
                                struct tk_error *error) {
  if (list->count == list->capacity) {
    uint32_t grown = list->capacity ? list->capacity * 2 : 8;
    struct spans_range *items = sqlite3_realloc64(list->items, grown * sizeof *items);
    if (!items) return tk_nomem(error);
    list->items = items;
    list->capacity = grown;
  }
  list->items[list->count++] =
      (struct spans_range){.segment_id = reader->segments[segment_index].id,
                           .segment_index = segment_index,
                           .first = first,
                           .count = count};
  return TK_OK;
}

static enum tk_status add_trace(struct range_list *list, struct tk_reader *reader,
                                const uint8_t trace_id[16], struct tk_error *error) {
  struct tk_trace_place *places = NULL;
  uint32_t count = 0;
  enum tk_status status = tk_reader_find_trace(reader, trace_id, &places, &count, error);

  for (uint32_t i = 0; status == TK_OK && i < count; i++) {
    status = add_range(list, reader, places[i].segment_index, places[i].first_row,
                       places[i].row_count, error);
  }
  sqlite3_free(places);
  return status;
}

/* A text id in any letter case; different ids may differ in case alone. */
static enum tk_status add_text_trace(struct range_list *list, struct tk_reader *reader,
                                     struct tk_text text, struct tk_error *error) {
  sqlite3_stmt *statement = NULL;
  enum tk_status status = TK_OK;
  char *sql = sqlite3_mprintf(
      "SELECT trace_id FROM \"%w\".tk_trace_alias WHERE text = ? COLLATE NOCASE", reader->schema);
  if (!sql) return tk_nomem(error);
  int rc = sqlite3_prepare_v2(reader->db, sql, -1, &statement, NULL);
  if (rc == SQLITE_OK) {
    rc = sqlite3_bind_text(statement, 1, text.data, (int)text.size, SQLITE_STATIC);
  }
  while (rc == SQLITE_OK && status == TK_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
    rc = SQLITE_OK;
    if (sqlite3_column_bytes(statement, 0) != 16) continue;
    status = add_trace(list, reader, sqlite3_column_blob(statement, 0), error);
  }
  if (status == TK_OK && rc != SQLITE_DONE) {
    status = rc == SQLITE_NOMEM ? tk_nomem(error)
                                : tk_fail(error, TK_IO, "cannot read the trace aliases: %s",
                                          sqlite3_errmsg(reader->db));
  }
  sqlite3_finalize(statement);
  sqlite3_free(sql);
  return status;
}

static enum tk_status add_traces(struct range_list *list, struct tk_reader *reader,
                                 const struct tk_predicate *predicate, struct tk_error *error) {
  enum tk_status status = TK_OK;
  uint8_t id[16];

  for (uint32_t i = 0; i < predicate->count && status == TK_OK; i++) {
    const struct tk_sql_value *value = &predicate->values[i];
    if (value->type != TK_SQL_TEXT) continue;
    status = tk_hex_parse(value->as.text, id, sizeof id)
                 ? add_trace(list, reader, id, error)
                 : add_text_trace(list, reader, value->as.text, error);
  }
  return status;
}

static enum tk_status add_rowids(struct range_list *list, const struct tk_reader *reader,
                                 const struct tk_predicate *predicate, struct tk_error *error) {
  for (uint32_t i = 0; i < predicate->count; i++) {
    const struct tk_sql_value *value = &predicate->values[i];
    int64_t rowid = value->as.integer;
    if (value->type == TK_SQL_REAL && value->as.real >= 0 && value->as.real < 9.2e18) {
      rowid = (int64_t)value->as.real;
    } else if (value->type != TK_SQL_INT) {
      continue;
    }
    for (uint32_t j = 0; j < reader->segment_count; j++) {
      uint32_t row = (uint32_t)(rowid & UINT32_MAX);
      if (reader->segments[j].id != rowid >> 32 || row >= reader->segments[j].span_count) continue;
      enum tk_status status = add_range(list, reader, j, row, 1, error);
      if (status != TK_OK) return status;
    }
  }
  return TK_OK;
}

static int compare_ranges(const void *left, const void *right) {
  const struct spans_range *a = left, *b = right;
  if (a->segment_index != b->segment_index) return a->segment_index < b->segment_index ? -1 : 1;
  return (a->first > b->first) - (a->first < b->first);
}

/* Ranges of distinct traces or rows do not overlap; equal ones came from equal values. */
static enum tk_status keep_ranges(struct spans_filter *filter, struct range_list *list,
                                  struct tk_error *error) {
  uint32_t kept = 0;

  if (list->count > 0) qsort(list->items, list->count, sizeof *list->items, compare_ranges);
  for (uint32_t i = 0; i < list->count; i++) {
    if (kept > 0 && compare_ranges(&list->items[kept - 1], &list->items[i]) == 0) continue;
    list->items[kept++] = list->items[i];
  }
  filter->ranges = tk_arena_alloc(&filter->arena, kept * sizeof *filter->ranges);
  if (!filter->ranges) return tk_nomem(error);
  if (kept > 0) memcpy(filter->ranges, list->items, kept * sizeof *list->items);
  filter->range_count = kept;
  filter->has_ranges = true;
  return TK_OK;
}

static bool names_traces(const struct tk_predicate *predicate) {
  for (uint32_t i = 0; i < predicate->count; i++) {
    if (is_number(&predicate->values[i])) return false; /* may equal an id of digits */
  }
  return true;
}

static enum tk_status find_ranges(struct spans_filter *filter, struct tk_reader *reader,
                                  const struct tk_predicate *predicate, bool are_rowids,
                                  struct tk_error *error) {
  struct range_list list = {0};
  enum tk_status status;

  if (!are_rowids && !names_traces(predicate)) return TK_OK;
  status = are_rowids ? add_rowids(&list, reader, predicate, error)
                      : add_traces(&list, reader, predicate, error);
  if (status == TK_OK) status = keep_ranges(filter, &list, error);
  sqlite3_free(list.items);
  return status;
}

/* ---- a constraint ---- */

static bool has_number(const struct tk_predicate *predicate) {
  for (uint32_t i = 0; i < predicate->count; i++) {
    if (is_number(&predicate->values[i])) return true;
  }
  return false;
}

/* TEXT and attribute columns compared with a number, or with something that may have numeric
 * affinity: see spans_plan.c. False: tests nothing. */
static bool widen(struct tk_predicate *predicate, enum spans_affinity affinity, bool is_constant) {
  bool is_below = predicate->op == TK_PREDICATE_LT || predicate->op == TK_PREDICATE_LE;

  if (affinity == AFFINITY_INTEGER) return true;
  predicate->loose = has_number(predicate) || (is_below && !is_constant);
  if (!has_number(predicate)) return true;
  if (affinity == AFFINITY_NONE) return true;
  if (predicate->op == TK_PREDICATE_IS_NOT) return false;
  if (predicate->op != TK_PREDICATE_EQ && predicate->op != TK_PREDICATE_IS &&
      predicate->op != TK_PREDICATE_IN) {
    predicate->op = TK_PREDICATE_IS_NOT_NULL;
  }
  return true;
}

static enum tk_status add_condition(struct spans_filter *filter, struct tk_reader *reader,
                                    const struct spans_columns *columns,
                                    const struct spans_plan *plan,
                                    const struct spans_constraint *constraint,
                                    sqlite3_value *argument, struct tk_error *error) {
  const bool is_final = plan->is_final;
  bool is_rowid = constraint->column == SPANS_ROWID, keep = true;
  const struct spans_column *column = is_rowid ? NULL : &columns->items[constraint->column];
  struct spans_condition condition = {.column = constraint->column,
                                      .predicate = {.op = constraint->op}};
  struct tk_predicate *predicate = &condition.predicate;
  enum conversion conversion = is_rowid || column->affinity == AFFINITY_INTEGER ? CONVERT_TO_NUMBER
                               : is_final && column->affinity == AFFINITY_TEXT  ? CONVERT_TO_TEXT
                                                                                : CONVERT_NOTHING;
  enum tk_status status = take_values(&filter->arena, argument, conversion, predicate, error);

  if (status != TK_OK) return status;
  if (is_final && predicate->op == TK_PREDICATE_IS && predicate->values[0].type == TK_SQL_NULL) {
    predicate->op = TK_PREDICATE_IS_NULL;
  }
  if (is_rowid || column->source == SOURCE_TRACE_ID) {
    if (filter->has_ranges && is_final) {
      return tk_fail(error, TK_INVALID, "expected one condition on trace_id, found two");
    }
    if (filter->has_ranges && !is_rowid) return TK_OK; /* SQLite compares again */
    return find_ranges(filter, reader, predicate, is_rowid, error);
  }
  if (predicate->op == TK_PREDICATE_IS_NULL || predicate->op == TK_PREDICATE_IS_NOT_NULL) {
    keep = true;
  } else if (column->source == SOURCE_SPAN_ID || column->source == SOURCE_PARENT_ID) {
    status = take_ids(&filter->arena, &condition, &keep, error);
    if (keep && condition.id_count == 0) filter->impossible = true;
  } else if (predicate->op == TK_PREDICATE_LIKE || predicate->op == TK_PREDICATE_GLOB) {
    if (!take_pattern(&filter->arena, argument, predicate)) return tk_nomem(error);
    if (plan->like_has_case && predicate->op == TK_PREDICATE_LIKE &&
        predicate->values[0].type == TK_SQL_TEXT && !make_glob(&filter->arena, predicate)) {
      return tk_nomem(error);
    }
    if (column->source == SOURCE_STARTED_AT) keep = make_prefix_range(&filter->arena, &condition);
  } else {
    keep = is_final || widen(predicate, column->affinity, constraint->is_constant);
    bool is_range = predicate->op != TK_PREDICATE_IN && predicate->op != TK_PREDICATE_NE &&
                    predicate->op != TK_PREDICATE_IS_NOT &&
                    predicate->op != TK_PREDICATE_IS_NOT_NULL;
    if (keep && is_range && column->source == SOURCE_STARTED_AT &&
        predicate->values[0].type == TK_SQL_TEXT) {
      make_start_range(&condition, &filter->impossible);
    }
  }
  if (status == TK_OK && keep) filter->conditions[filter->condition_count++] = condition;
  return status;
}

enum tk_status tk_spans_filter_init(struct spans_filter *filter, const struct spans_plan *plan,
                                    const struct spans_columns *columns, struct tk_reader *reader,
                                    sqlite3_value **values, struct tk_error *error) {
  enum tk_status status = TK_OK;

  *filter = (struct spans_filter){0};
  for (uint32_t i = 0; i < plan->constraint_count && status == TK_OK; i++) {
    status = add_condition(filter, reader, columns, plan, &plan->constraints[i], values[i], error);
  }
  if (status != TK_OK) tk_spans_filter_reset(filter);
  return status;
}

void tk_spans_filter_reset(struct spans_filter *filter) {
  tk_arena_reset(&filter->arena);
  *filter = (struct spans_filter){0};
}
