/* SPDX-License-Identifier: MIT
 * What tables over whole segments share. See table_support.h. */
#include "sqlext/tables/table_support.h"

#include <stdlib.h>
#include <string.h>

#include "sqlext/vtab_support.h"
#include "store/codec/value_codec.h"
#include "tracekeep/scan.h"

enum { NAMED_KEYS = 16384 };

/* ---- values ---- */

enum tk_status tk_row_ints(struct tk_reader *reader, const struct tk_segment *segment,
                           enum tk_column_number number, uint32_t granule,
                           struct tk_ints *values_out, struct tk_error *error) {
  const struct tk_column *column;
  enum tk_status status = tk_reader_row_column(reader, segment, number, granule, &column, error);
  *values_out = status == TK_OK && column ? column->ints : (struct tk_ints){0};
  return status;
}

/* The column that holds value `index` of `number`; NULL when it is not stored. */
static enum tk_status column_of_value(struct tk_reader *reader, const struct tk_segment *segment,
                                      enum tk_column_number number, uint32_t index,
                                      const struct tk_column **column_out, struct tk_error *error) {
  *column_out = NULL;
  if (segment->fixed[number] == TK_NO_COLUMN) return TK_OK;
  return tk_reader_values(reader, segment, segment->fixed[number], index, index + 1, column_out,
                          error);
}

enum tk_status tk_int_value(struct tk_reader *reader, const struct tk_segment *segment,
                            enum tk_column_number number, uint32_t index, int64_t *value_out,
                            struct tk_error *error) {
  const struct tk_column *column;
  enum tk_status status = column_of_value(reader, segment, number, index, &column, error);
  *value_out = status == TK_OK && column ? tk_ints_at(column->ints, index) : 0;
  return status;
}

enum tk_status tk_text_value(struct tk_reader *reader, const struct tk_segment *segment,
                             enum tk_column_number number, uint32_t index, struct tk_text *text_out,
                             struct tk_error *error) {
  const struct tk_column *column;
  enum tk_status status = column_of_value(reader, segment, number, index, &column, error);
  *text_out = (struct tk_text){"", 0};
  if (status == TK_OK && column) *text_out = tk_column_text(column, index);
  if (!text_out->data) text_out->data = "";
  return status;
}

enum tk_status tk_fixed_value(struct tk_reader *reader, const struct tk_segment *segment,
                              enum tk_column_number number, uint32_t index,
                              const uint8_t **bytes_out, struct tk_error *error) {
  static const uint8_t zero[16];
  const struct tk_column *column;
  enum tk_status status = column_of_value(reader, segment, number, index, &column, error);
  *bytes_out = status == TK_OK && column ? column->fixed + (size_t)index * column->width : zero;
  return status;
}

enum tk_status tk_row_service(struct tk_reader *reader, const struct tk_segment *segment,
                              uint32_t row, struct tk_text *service_out, struct tk_error *error) {
  int64_t code;
  enum tk_status status = tk_int_value(reader, segment, TK_COL_RESOURCE, row, &code, error);
  *service_out = (struct tk_text){NULL, 0};
  if (status != TK_OK) return status;
  const struct tk_stored_resource *resource =
      (uint64_t)code < segment->resource_count
          ? tk_reader_resource(reader, segment->resources[code])
          : NULL;
  if (!resource) {
    return tk_corrupt(error, "segment %lld: row %u: no such resource",
                      (long long)segment->summary.id, (unsigned)row);
  }
  *service_out = resource->service;
  return TK_OK;
}

/* The text a trace id was sent as; size 0 if it was hex. */
static enum tk_status find_trace_text(struct tk_reader *reader, const struct tk_segment *segment,
                                      uint32_t trace_index, struct tk_text *text_out,
                                      struct tk_error *error) {
  const uint32_t index = segment->fixed[TK_COL_TRACE_TEXT_ROW];
  const struct tk_column *rows;
  enum tk_status status;

  *text_out = (struct tk_text){NULL, 0};
  if (index == TK_NO_COLUMN) return TK_OK;
  const uint32_t count = segment->columns[index].value_count;
  if ((status = tk_reader_values(reader, segment, index, 0, count, &rows, error)) != TK_OK) {
    return status;
  }
  uint32_t begin = 0, end = count;
  while (begin < end) {
    uint32_t middle = begin + (end - begin) / 2;
    if (tk_ints_at(rows->ints, middle) < trace_index) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  if (begin == count || tk_ints_at(rows->ints, begin) != trace_index) return TK_OK;
  return tk_text_value(reader, segment, TK_COL_TRACE_TEXT, begin, text_out, error);
}

enum tk_status tk_give_trace_id(sqlite3_context *context, struct tk_reader *reader,
                                const struct tk_segment *segment, uint32_t trace_index,
                                struct tk_error *error) {
  const uint8_t *id;
  struct tk_text text;
  enum tk_status status = tk_fixed_value(reader, segment, TK_COL_TRACE_ID, trace_index, &id, error);
  if (status == TK_OK) status = find_trace_text(reader, segment, trace_index, &text, error);
  if (status == TK_OK) tk_result_trace_id(context, id, text);
  return status;
}

const char *tk_attribute_scope_name(int64_t scope) {
  static const char *const names[] = {[TK_SCOPE_SPAN] = "span",
                                      [TK_SCOPE_EVENT] = "event",
                                      [TK_SCOPE_LINK] = "link",
                                      [TK_SCOPE_RESOURCE] = "resource",
                                      [TK_SCOPE_SCOPE] = "scope"};
  return scope >= 0 && scope <= TK_SCOPE_SCOPE ? names[scope] : NULL;
}

const char *tk_value_type_name(int64_t type) {
  static const char *const names[] = {
      [TK_VALUE_EMPTY] = "empty",   [TK_VALUE_STRING] = "string", [TK_VALUE_BOOL] = "bool",
      [TK_VALUE_INT] = "int",       [TK_VALUE_DOUBLE] = "double", [TK_VALUE_ARRAY] = "array",
      [TK_VALUE_KVLIST] = "kvlist", [TK_VALUE_BYTES] = "bytes"};
  return type >= 0 && type <= TK_VALUE_BYTES ? names[type] : NULL;
}

enum tk_status tk_attribute_value(struct tk_reader *reader, const struct tk_segment *segment,
                                  uint32_t index, uint32_t at, struct tk_arena *arena,
                                  struct tk_value *value_out, struct tk_error *error) {
  const uint8_t type = segment->columns[index].type;
  const struct tk_column *column;
  enum tk_status status;

  *value_out = (struct tk_value){.type = type};
  if (type == TK_VALUE_EMPTY) return TK_OK;
  status = tk_reader_values(reader, segment, index, at, at + 1, &column, error);
  if (status != TK_OK) return status;
  if (column->kind == TK_COLUMN_INT) {
    const int64_t integer = tk_ints_at(column->ints, at);
    if (type == TK_VALUE_DOUBLE) {
      memcpy(&value_out->as.real, &integer, sizeof value_out->as.real);
    } else {
      value_out->as.integer = integer;
    }
    return TK_OK;
  }
  const struct tk_text text = tk_column_text(column, at);
  if (type == TK_VALUE_ARRAY || type == TK_VALUE_KVLIST) {
    return tk_value_decode((const uint8_t *)text.data, text.size, arena, value_out, error);
  }
  value_out->size = text.size;
  value_out->as.text = text.data ? text.data : "";
  return TK_OK;
}

bool tk_value_as_sql(const struct tk_value *value, struct tk_sql_value *sql) {
  *sql = (struct tk_sql_value){.type = TK_SQL_NULL};
  switch (value->type) {
    case TK_VALUE_BOOL:
    case TK_VALUE_INT:
      *sql = (struct tk_sql_value){TK_SQL_INT, {.integer = value->as.integer}};
      return true;
    case TK_VALUE_DOUBLE:
      if (value->as.real == value->as.real) { /* not NaN, which is NULL */
        *sql = (struct tk_sql_value){TK_SQL_REAL, {.real = value->as.real}};
      }
      return true;
    case TK_VALUE_STRING:
    case TK_VALUE_BYTES:
      sql->type = value->type == TK_VALUE_STRING ? TK_SQL_TEXT : TK_SQL_BLOB;
      sql->as.text = (struct tk_text){value->as.text ? value->as.text : "", value->size};
      return true;
    case TK_VALUE_EMPTY:
      return true;
    default:
      return false;
  }
}

/* ---- parts of segments ---- */

static int compare_trace_ids(const void *left, const void *right) {
  return memcmp(left, right, 16);
}

enum tk_status tk_ids_of_terms(const struct tk_terms *terms, int column, uint8_t (**ids_out)[16],
                               uint32_t *count_out, struct tk_error *error) {
  const struct tk_predicate *wanted = NULL;
  uint32_t count = 0, distinct = 0;

  for (uint32_t i = 0; i < terms->count; i++) {
    if (terms->items[i].column == column) wanted = &terms->items[i].predicate;
  }
  const uint32_t limit = wanted ? wanted->count : 0; /* without: a value that no id equals */
  uint8_t(*ids)[16] = sqlite3_malloc64((uint64_t)limit * 16 + 1);
  if (!ids) return tk_nomem(error);
  for (uint32_t i = 0; i < limit; i++) {
    if (wanted->values[i].type == TK_SQL_TEXT) {
      tk_trace_id_parse(wanted->values[i].as.text, ids[count++]);
    }
  }
  if (count > 1) qsort(ids, count, 16, compare_trace_ids);
  for (uint32_t i = 0; i < count; i++) {
    if (distinct > 0 && memcmp(ids[distinct - 1], ids[i], 16) == 0) continue;
    memmove(ids[distinct++], ids[i], 16);
  }
  *ids_out = ids;
  *count_out = distinct;
  return TK_OK;
}

static enum tk_status append_places(const struct tk_segment_list *list,
                                    const struct tk_reader *reader,
                                    const struct tk_trace_place *places, uint32_t place_count,
                                    struct tk_row_range **ranges, uint32_t *count,
                                    struct tk_error *error) {
  if (place_count == 0) return TK_OK;
  const uint64_t wanted = (uint64_t)*count + place_count;
  struct tk_row_range *larger = sqlite3_realloc64(*ranges, wanted * sizeof *larger);
  if (!larger) return tk_nomem(error);
  *ranges = larger;
  for (uint32_t p = 0; p < place_count; p++) {
    const uint32_t index = tk_segment_list_find(list, reader, places[p].segment_index);
    if (index == UINT32_MAX) continue;
    larger[(*count)++] = (struct tk_row_range){index, places[p].first_row,
                                               places[p].first_row + places[p].row_count};
  }
  return TK_OK;
}

/* Where the traces are that the terms on `column` (TK_TERM_ID) name: each once. */
static enum tk_status find_ranges(const struct tk_terms *terms, int column,
                                  struct tk_reader *reader, const struct tk_segment_list *list,
                                  struct tk_row_range **ranges_out, uint32_t *count_out,
                                  struct tk_error *error) {
  struct tk_row_range *ranges = NULL;
  uint8_t(*ids)[16] = NULL;
  uint32_t id_count = 0, count = 0;
  enum tk_status status = tk_ids_of_terms(terms, column, &ids, &id_count, error);

  for (uint32_t i = 0; i < id_count && status == TK_OK; i++) {
    struct tk_trace_place *places = NULL;
    uint32_t place_count = 0;
    status = tk_reader_find_trace(reader, ids[i], &places, &place_count, error);
    if (status == TK_OK) {
      status = append_places(list, reader, places, place_count, &ranges, &count, error);
    }
    sqlite3_free(places);
  }
  sqlite3_free(ids);
  if (status != TK_OK) {
    sqlite3_free(ranges);
    return status;
  }
  *ranges_out = ranges;
  *count_out = count;
  return TK_OK;
}

/* ---- the segments of one statement ---- */

enum tk_status tk_segment_list_init(struct tk_segment_list *list, const struct tk_reader *reader,
                                    struct tk_error *error) {
  tk_segment_list_reset(list);
  list->ids = sqlite3_malloc64((uint64_t)reader->segment_count * sizeof *list->ids + 1);
  if (!list->ids) return tk_nomem(error);
  for (uint32_t s = 0; s < reader->segment_count; s++) list->ids[s] = reader->segments[s].id;
  list->count = reader->segment_count;
  list->generation = reader->generation;
  return TK_OK;
}

void tk_segment_list_reset(struct tk_segment_list *list) {
  sqlite3_free(list->ids);
  *list = (struct tk_segment_list){0};
}

uint32_t tk_segment_list_find(const struct tk_segment_list *list, const struct tk_reader *reader,
                              uint32_t reader_index) {
  const int64_t id = reader->segments[reader_index].id;
  if (list->generation == reader->generation) return reader_index;
  uint32_t index = 0;
  while (index < list->count && list->ids[index] != id) index++;
  return index < list->count ? index : UINT32_MAX;
}

enum tk_status tk_segment_list_open(const struct tk_segment_list *list, struct tk_reader *reader,
                                    uint32_t index, const struct tk_segment **segment_out,
                                    struct tk_error *error) {
  if (list->generation != reader->generation) {
    uint32_t wanted = index;
    index = 0;
    while (index < reader->segment_count && reader->segments[index].id != list->ids[wanted]) {
      index++;
    }
    if (index == reader->segment_count) {
      return tk_fail(error, TK_BUSY, "segment %lld was replaced while it was being read",
                     (long long)list->ids[wanted]);
    }
  }
  return tk_reader_segment(reader, index, segment_out, error);
}

/* ---- plans ---- */

static int operator_of(const struct sqlite3_index_constraint *constraint) {
  switch (constraint->op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
      return TK_PREDICATE_EQ;
    case SQLITE_INDEX_CONSTRAINT_LT:
      return TK_PREDICATE_LT;
    case SQLITE_INDEX_CONSTRAINT_LE:
      return TK_PREDICATE_LE;
    case SQLITE_INDEX_CONSTRAINT_GT:
      return TK_PREDICATE_GT;
    case SQLITE_INDEX_CONSTRAINT_GE:
      return TK_PREDICATE_GE;
    case SQLITE_INDEX_CONSTRAINT_LIKE:
      return TK_PREDICATE_LIKE;
    case SQLITE_INDEX_CONSTRAINT_GLOB:
      return TK_PREDICATE_GLOB;
    case SQLITE_INDEX_CONSTRAINT_ISNOTNULL:
      return TK_PREDICATE_IS_NOT_NULL;
    default:
      return -1;
  }
}

bool tk_plan_add(struct tk_plan *plan, sqlite3_index_info *info, int index,
                 enum tk_term_affinity affinity) {
  const struct sqlite3_index_constraint *constraint = &info->aConstraint[index];
  int op = operator_of(constraint);

  if (!constraint->usable || op < 0 || plan->size > (int)sizeof plan->text - 40) return false;
  if (affinity == TK_TERM_TEXT && op != TK_PREDICATE_LIKE && op != TK_PREDICATE_GLOB &&
      sqlite3_stricmp(sqlite3_vtab_collation(info, index), "BINARY") != 0) {
    return false;
  }
  if (op == TK_PREDICATE_EQ && sqlite3_vtab_in(info, index, 1)) op = TK_PREDICATE_IN;
  sqlite3_snprintf((int)sizeof plan->text - plan->size, plan->text + plan->size, "%d,%d,%c;",
                   constraint->iColumn, op, affinity);
  plan->size += (int)strlen(plan->text + plan->size);
  info->aConstraintUsage[index].argvIndex = ++plan->term_count;
  return true;
}

int tk_plan_finish(const struct tk_plan *plan, sqlite3_index_info *info) {
  info->idxStr = sqlite3_mprintf("%s", plan->text);
  info->needToFreeIdxStr = 1;
  return info->idxStr ? SQLITE_OK : SQLITE_NOMEM;
}

/* ---- terms ---- */

/* False: a value the term cannot use. */
static bool fits(enum tk_term_affinity affinity, enum tk_predicate_op op, sqlite3_value *value) {
  const int type = sqlite3_value_type(value);
  if (type == SQLITE_NULL) return true;
  if (op == TK_PREDICATE_LIKE || op == TK_PREDICATE_GLOB) return type == SQLITE_TEXT;
  if (affinity == TK_TERM_INTEGER) return type == SQLITE_INTEGER || type == SQLITE_FLOAT;
  return affinity == TK_TERM_NONE || type == SQLITE_TEXT;
}

static bool copy_value(struct tk_arena *arena, sqlite3_value *value, struct tk_sql_value *copy) {
  const void *bytes;
  switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
      *copy = (struct tk_sql_value){TK_SQL_INT, {.integer = sqlite3_value_int64(value)}};
      return true;
    case SQLITE_FLOAT:
      *copy = (struct tk_sql_value){TK_SQL_REAL, {.real = sqlite3_value_double(value)}};
      return true;
    case SQLITE_NULL:
      *copy = (struct tk_sql_value){.type = TK_SQL_NULL};
      return true;
    case SQLITE_TEXT:
      copy->type = TK_SQL_TEXT;
      bytes = sqlite3_value_text(value);
      break;
    default:
      copy->type = TK_SQL_BLOB;
      bytes = sqlite3_value_blob(value);
  }
  const uint32_t size = (uint32_t)sqlite3_value_bytes(value);
  char *text = tk_arena_alloc_bytes(arena, (size_t)size + 1);
  if (!text || (!bytes && size > 0)) return false;
  if (size > 0) memcpy(text, bytes, size);
  text[size] = '\0';
  copy->as.text = (struct tk_text){text, size};
  return true;
}

/* All values of an IN, or none (*fits_out false) if one of them is of no use. */
static enum tk_status copy_list(struct tk_terms *terms, enum tk_term_affinity affinity,
                                sqlite3_value *list, struct tk_predicate *predicate, bool *fits_out,
                                struct tk_error *error) {
  sqlite3_value *value;
  uint32_t count = 0;
  int rc;

  for (rc = sqlite3_vtab_in_first(list, &value); rc == SQLITE_OK && value;
       rc = sqlite3_vtab_in_next(list, &value)) {
    if (!fits(affinity, TK_PREDICATE_IN, value)) *fits_out = false;
    count++;
  }
  if (rc == SQLITE_NOMEM) return tk_nomem(error);
  predicate->values = tk_arena_alloc(&terms->arena, (count + 1) * sizeof *predicate->values);
  if (!predicate->values) return tk_nomem(error);
  if (!*fits_out) return TK_OK;
  for (rc = sqlite3_vtab_in_first(list, &value); rc == SQLITE_OK && value;
       rc = sqlite3_vtab_in_next(list, &value)) {
    if (predicate->count == count) break;
    if (!copy_value(&terms->arena, value, &predicate->values[predicate->count++])) {
      return tk_nomem(error);
    }
  }
  if (rc == SQLITE_NOMEM) return tk_nomem(error);
  tk_predicate_normalise(predicate);
  return TK_OK;
}

static enum tk_status add_term(struct tk_terms *terms, int column, enum tk_predicate_op op,
                               enum tk_term_affinity affinity, sqlite3_value *value,
                               struct tk_error *error) {
  struct tk_term term = {column, {.op = op, .loose = affinity == TK_TERM_NONE}};
  bool is_fit = true;
  if (op == TK_PREDICATE_IN) {
    enum tk_status status = copy_list(terms, affinity, value, &term.predicate, &is_fit, error);
    if (status != TK_OK) return status;
  } else {
    is_fit = fits(affinity, op, value);
    term.predicate.count = 1;
    term.predicate.values = tk_arena_alloc(&terms->arena, sizeof *term.predicate.values);
    if (!term.predicate.values ||
        (is_fit && !copy_value(&terms->arena, value, term.predicate.values))) {
      return tk_nomem(error);
    }
  }
  if (is_fit) terms->items[terms->count++] = term;
  return TK_OK;
}

enum tk_status tk_terms_init(struct tk_terms *terms, const char *plan, int value_count,
                             sqlite3_value **values, struct tk_error *error) {
  enum tk_status status = TK_OK;

  tk_terms_reset(terms);
  terms->items = tk_arena_alloc(&terms->arena, ((size_t)value_count + 1) * sizeof *terms->items);
  if (!terms->items) return tk_nomem(error);
  for (int i = 0; i < value_count && status == TK_OK; i++) {
    char *end;
    const long column = strtol(plan, &end, 10);
    const long op = strtol(end + 1, &end, 10);
    status = add_term(terms, (int)column, (enum tk_predicate_op)op, (enum tk_term_affinity)end[1],
                      values[i], error);
    plan = end + 3;
  }
  return status;
}

void tk_terms_reset(struct tk_terms *terms) {
  tk_arena_reset(&terms->arena);
  terms->items = NULL;
  terms->count = 0;
}

bool tk_terms_accept(const struct tk_terms *terms, int column, const struct tk_sql_value *value) {
  for (uint32_t i = 0; i < terms->count; i++) {
    if (terms->items[i].column == column &&
        !tk_predicate_matches(&terms->items[i].predicate, value)) {
      return false;
    }
  }
  return true;
}

bool tk_terms_accept_int(const struct tk_terms *terms, int column, int64_t value) {
  const struct tk_sql_value sql = {TK_SQL_INT, {.integer = value}};
  return tk_terms_accept(terms, column, &sql);
}

bool tk_terms_accept_text(const struct tk_terms *terms, int column, struct tk_text text) {
  struct tk_sql_value sql = {TK_SQL_TEXT, {.text = text}};
  if (!text.data) sql.as.text.data = "";
  return tk_terms_accept(terms, column, &sql);
}

bool tk_terms_accept_id(const struct tk_terms *terms, int column, const uint8_t *id, size_t size) {
  for (uint32_t i = 0; i < terms->count; i++) {
    const struct tk_predicate *predicate = &terms->items[i].predicate;
    bool accepted = terms->items[i].column != column;
    for (uint32_t v = 0; v < predicate->count && !accepted; v++) {
      const struct tk_sql_value *value = &predicate->values[v];
      uint8_t wanted[16];
      accepted = value->type == TK_SQL_TEXT && tk_hex_parse(value->as.text, wanted, size) &&
                 memcmp(wanted, id, size) == 0;
    }
    if (!accepted) return false;
  }
  return true;
}

bool tk_terms_may_accept(const struct tk_terms *terms, int column, int64_t low, int64_t high) {
  for (uint32_t i = 0; i < terms->count; i++) {
    if (terms->items[i].column == column &&
        !tk_predicate_may_match(&terms->items[i].predicate, low, high)) {
      return false;
    }
  }
  return true;
}

bool tk_terms_have(const struct tk_terms *terms, int column) {
  for (uint32_t i = 0; i < terms->count; i++) {
    if (terms->items[i].column == column) return true;
  }
  return false;
}

/* ---- what a statement walks through ---- */

enum { TRACE_ID_COLUMN = 0 };

enum tk_status tk_range_walk_begin(struct tk_range_walk *walk, struct tk_terms *terms, bool by_id,
                                   struct tk_reader *reader, const char *plan, int value_count,
                                   sqlite3_value **values, struct tk_error *error) {
  enum tk_status status;
  walk->by_id = by_id;
  if ((status = tk_reader_refresh(reader, error)) != TK_OK ||
      (status = tk_terms_init(terms, plan, value_count, values, error)) != TK_OK ||
      (status = tk_segment_list_init(&walk->segments, reader, error)) != TK_OK) {
    return status;
  }
  walk->count = walk->segments.count;
  if (!by_id) return TK_OK;
  return find_ranges(terms, TRACE_ID_COLUMN, reader, &walk->segments, &walk->ranges, &walk->count,
                     error);
}

enum tk_status tk_range_walk_next(struct tk_range_walk *walk, struct tk_reader *reader,
                                  struct tk_row_range *range_out,
                                  const struct tk_segment **segment_out, struct tk_error *error) {
  const struct tk_segment *segment = NULL;
  *segment_out = NULL;
  if (walk->index >= walk->count) return TK_OK;
  struct tk_row_range range = {.segment_index = walk->index};
  if (walk->by_id) range = walk->ranges[walk->index];
  walk->index++;
  enum tk_status status =
      tk_segment_list_open(&walk->segments, reader, range.segment_index, &segment, error);
  if (status != TK_OK) return status;
  if (!walk->by_id) range.end = segment->summary.span_count;
  *range_out = range;
  *segment_out = segment;
  return TK_OK;
}

void tk_range_walk_reset(struct tk_range_walk *walk) {
  tk_segment_list_reset(&walk->segments);
  sqlite3_free(walk->ranges);
  *walk = (struct tk_range_walk){.count = 0};
}

bool tk_plan_add_trace_id(struct tk_plan *plan, sqlite3_index_info *info, int index) {
  if (info->idxNum || info->aConstraint[index].op != SQLITE_INDEX_CONSTRAINT_EQ ||
      !tk_plan_add(plan, info, index, TK_TERM_ID)) {
    return false;
  }
  info->aConstraintUsage[index].omit = 1;
  info->idxNum = 1;
  return true;
}

/* ---- tables that hold a reader and nothing else ---- */

int tk_reader_table_connect(sqlite3 *db, const char *declaration, int argc, const char *const *argv,
                            sqlite3_vtab **vtab_out, char **message_out) {
  struct tk_error error = {{0}};
  struct tk_reader_table *table;
  int rc;

  if ((rc = sqlite3_declare_vtab(db, declaration)) != SQLITE_OK) return rc;
  if ((rc = sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS)) != SQLITE_OK) return rc;
  if (!(table = sqlite3_malloc64(sizeof *table))) return SQLITE_NOMEM;
  *table = (struct tk_reader_table){.reader = NULL};
  enum tk_status status =
      tk_shared_reader_acquire(db, tk_vtab_schema(argc, argv), &table->reader, &error);
  if (status != TK_OK) {
    sqlite3_free(table);
    return tk_connect_fail(message_out, status, &error);
  }
  *vtab_out = &table->base;
  return SQLITE_OK;
}

int tk_reader_table_disconnect(sqlite3_vtab *vtab) {
  tk_shared_reader_release(((struct tk_reader_table *)vtab)->reader);
  sqlite3_free(vtab);
  return SQLITE_OK;
}

/* ---- arrays ---- */

bool tk_has_unnamed_keys(const struct tk_segment *segment, enum tk_attribute_scope scope) {
  static const enum tk_column_number extras[] = {TK_COL_EXTRA, TK_COL_EVENT_EXTRA,
                                                 TK_COL_LINK_EXTRA};
  return segment->column_count >= NAMED_KEYS && segment->fixed[extras[scope]] != TK_NO_COLUMN;
}

enum tk_status tk_read_extras(struct tk_reader *reader, const struct tk_segment *segment,
                              enum tk_attribute_scope scope, uint32_t item, struct tk_arena *arena,
                              struct tk_extra **extras_out, uint32_t *count_out,
                              struct tk_error *error) {
  static const enum tk_column_number numbers[][2] = {{TK_COL_EXTRA_ROW, TK_COL_EXTRA},
                                                     {TK_COL_EVENT_EXTRA_ROW, TK_COL_EVENT_EXTRA},
                                                     {TK_COL_LINK_EXTRA_ROW, TK_COL_LINK_EXTRA}};
  const uint32_t index = segment->fixed[numbers[scope][0]];
  const struct tk_column *items;
  struct tk_text text;

  *count_out = 0;
  if (index == TK_NO_COLUMN) return TK_OK;
  const uint32_t count = segment->columns[index].value_count;
  enum tk_status status = tk_reader_values(reader, segment, index, 0, count, &items, error);
  if (status != TK_OK) return status;
  uint32_t begin = 0, end = count;
  while (begin < end) {
    const uint32_t middle = begin + (end - begin) / 2;
    if (tk_ints_at(items->ints, middle) < item) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  if (begin == count || tk_ints_at(items->ints, begin) != item) return TK_OK;
  status = tk_text_value(reader, segment, numbers[scope][1], begin, &text, error);
  if (status != TK_OK) return status;
  return tk_extras_decode((const uint8_t *)text.data, text.size, arena, extras_out, count_out,
                          error);
}

bool tk_grow_zeroed(void *array, uint32_t *capacity, uint32_t count, size_t size) {
  void *old, *larger;
  if (count <= *capacity) return true;
  uint64_t wanted = *capacity ? *capacity : 64;
  while (wanted < count) wanted *= 2;
  memcpy(&old, array, sizeof old);
  larger = sqlite3_realloc64(old, wanted * size);
  if (!larger) return false;
  memset((char *)larger + *capacity * size, 0, (wanted - *capacity) * size);
  memcpy(array, &larger, sizeof larger);
  *capacity = (uint32_t)wanted;
  return true;
}
