/* SPDX-License-Identifier: MIT
 * span_events and span_links: one row is an event, or a link, of a span.
 *
 * Both are items of their rows: stored one after the other in row order, with attributes of their
 * own. The scan goes by row granule: it decodes what the terms need, makes a list of the items that
 * pass, and hands them out; the other columns are read for these alone. Terms on trace_id find the
 * trace through the segments' filters (SQLite does not check them again); terms on span_id, time,
 * name, service and attributes drop items early, and SQLite checks again.
 *
 * Every attribute key of events (links) is a hidden column, `event.exception.type`, named as those
 * of `spans` are; exception_type and its like are short for them. Their declared type is BLOB:
 * values compare as they are, while a bare HIDDEN would count as a type and make them NUMERIC. */
#include <stdlib.h>
#include <string.h>

#include "sqlext/tables/table_support.h"
#include "sqlext/tables/tables.h"
#include "sqlext/vtab_support.h"

enum source {
  TRACE_ID,
  SPAN_ID,
  ORDINAL,
  TIME_NS,
  TIME_TEXT,
  NAME,
  LINKED_TRACE_ID,
  LINKED_SPAN_ID,
  TRACE_STATE,
  FLAGS,
  ATTRIBUTES,
  DROPPED_COUNT,
  SERVICE,
  SPAN_NAME,
  ATTRIBUTE /* of `key` */
};

struct fixed_column {
  const char *name, *type;
  enum source source;
  const char *key; /* ATTRIBUTE */
};

static const struct fixed_column event_columns[] = {
    {"trace_id", "TEXT COLLATE NOCASE", TRACE_ID, NULL},
    {"span_id", "TEXT COLLATE NOCASE", SPAN_ID, NULL},
    {"ordinal", "INTEGER", ORDINAL, NULL},
    {"time_ns", "INTEGER", TIME_NS, NULL},
    {"time_text", "TEXT", TIME_TEXT, NULL},
    {"name", "TEXT", NAME, NULL},
    {"attributes", "TEXT", ATTRIBUTES, NULL},
    {"dropped_attributes_count", "INTEGER", DROPPED_COUNT, NULL},
    {"service", "TEXT", SERVICE, NULL},
    {"span_name", "TEXT", SPAN_NAME, NULL},
    {"exception_type", "BLOB HIDDEN", ATTRIBUTE, "exception.type"},
    {"exception_message", "BLOB HIDDEN", ATTRIBUTE, "exception.message"},
    {"exception_stacktrace", "BLOB HIDDEN", ATTRIBUTE, "exception.stacktrace"},
    {NULL, NULL, ATTRIBUTE, NULL}};

static const struct fixed_column link_columns[] = {
    {"trace_id", "TEXT COLLATE NOCASE", TRACE_ID, NULL},
    {"span_id", "TEXT COLLATE NOCASE", SPAN_ID, NULL},
    {"ordinal", "INTEGER", ORDINAL, NULL},
    {"linked_trace_id", "TEXT COLLATE NOCASE", LINKED_TRACE_ID, NULL},
    {"linked_span_id", "TEXT COLLATE NOCASE", LINKED_SPAN_ID, NULL},
    {"trace_state", "TEXT", TRACE_STATE, NULL},
    {"flags", "INTEGER", FLAGS, NULL},
    {"attributes", "TEXT", ATTRIBUTES, NULL},
    {"dropped_attributes_count", "INTEGER", DROPPED_COUNT, NULL},
    {"service", "TEXT", SERVICE, NULL},
    {"span_name", "TEXT", SPAN_NAME, NULL},
    {NULL, NULL, ATTRIBUTE, NULL}};

/* What differs between events and links. */
struct item_kind {
  const char *module;
  const struct fixed_column *columns;
  enum tk_attribute_scope scope;
  const char *prefix; /* of attribute columns */
  enum tk_column_number dropped;
};

static const struct item_kind events = {"tracekeep_span_events", event_columns, TK_SCOPE_EVENT,
                                        "event.", TK_COL_EVENT_DROPPED_ATTRIBUTES};
static const struct item_kind links = {"tracekeep_span_links", link_columns, TK_SCOPE_LINK, "link.",
                                       TK_COL_LINK_DROPPED_ATTRIBUTES};

struct item_column {
  enum source source;
  struct tk_text key;
};

struct items_vtab {
  sqlite3_vtab base;
  const struct item_kind *kind;
  struct tk_reader *reader;
  struct tk_arena arena; /* keys */
  struct item_column *columns;
  int column_count, column_capacity;
};

/* The stored columns of an attribute key in the segment at hand, one for each type. */
struct binding {
  bool is_known;
  uint8_t count;
  uint32_t columns[TK_VALUE_BYTES + 1];
};

struct item {
  uint32_t row, index;
};

struct items_cursor {
  sqlite3_vtab_cursor base;
  struct tk_terms terms;
  struct tk_range_walk walk;
  const struct tk_segment *segment; /* of the current range; NULL: none */
  const uint32_t *first_items;
  uint32_t next_row, end_row;
  uint8_t *services;        /* by resource code, 1 if the terms accept it; NULL: no such terms */
  uint8_t *names;           /* by dictionary code of the item's name; NULL likewise */
  struct binding *bindings; /* by column of the table */
  struct item *items;
  uint32_t item_count, item_capacity, item_index;
  struct tk_arena arena; /* one value */
};

static struct items_vtab *vtab_of(const struct items_cursor *cursor) {
  return (struct items_vtab *)cursor->base.pVtab;
}

static struct tk_reader *reader_of(const struct items_cursor *cursor) {
  return vtab_of(cursor)->reader;
}

/* ---- values ---- */

static enum tk_status bind(struct items_cursor *cursor, int column, struct binding **binding_out,
                           struct tk_error *error) {
  const struct items_vtab *vtab = vtab_of(cursor);
  (void)error;
  *binding_out = &cursor->bindings[column];
  if ((*binding_out)->is_known) return TK_OK;
  **binding_out = (struct binding){.is_known = true};
  for (uint32_t type = 0; type <= TK_VALUE_BYTES; type++) {
    const uint32_t index = tk_segment_find_attribute(cursor->segment, vtab->kind->scope,
                                                     vtab->columns[column].key, type);
    if (index != TK_NO_COLUMN) (*binding_out)->columns[(*binding_out)->count++] = index;
  }
  return TK_OK;
}

static bool is_key(struct tk_text found, struct tk_text key) {
  return found.size == key.size && memcmp(found.data, key.data, key.size) == 0;
}

/* Of several values that an item has under a key, the first in the order received. */
static enum tk_status read_first(struct items_cursor *cursor, int column, uint32_t item,
                                 struct tk_value *value, struct tk_error *error) {
  const struct tk_text key = vtab_of(cursor)->columns[column].key;
  struct tk_attributes attributes;
  enum tk_status status =
      tk_reader_attributes(reader_of(cursor), cursor->segment, vtab_of(cursor)->kind->scope, item,
                           &cursor->arena, &attributes, error);

  for (uint32_t i = 0; status == TK_OK && i < attributes.count; i++) {
    const struct tk_attribute *attribute = &attributes.items[i];
    if (!is_key(attribute->key, key)) continue;
    *value = attribute->value;
    return TK_OK;
  }
  return status;
}

/* Whether the item has the key among the attributes that have no column. */
static enum tk_status has_extra(struct items_cursor *cursor, int column, uint32_t item, bool *has,
                                struct tk_error *error) {
  const struct tk_text key = vtab_of(cursor)->columns[column].key;
  struct tk_extra *extras;
  uint32_t count;
  enum tk_status status =
      tk_read_extras(reader_of(cursor), cursor->segment, vtab_of(cursor)->kind->scope, item,
                     &cursor->arena, &extras, &count, error);
  for (uint32_t i = 0; status == TK_OK && i < count && !*has; i++) {
    *has = is_key(extras[i].attribute.key, key);
  }
  return status;
}

/* The item's attribute of a column; *has_out is false if it has none. */
static enum tk_status read_attribute(struct items_cursor *cursor, int column, uint32_t item,
                                     struct tk_value *value, bool *has_out,
                                     struct tk_error *error) {
  struct binding *binding;
  enum tk_status status = bind(cursor, column, &binding, error);
  uint32_t found = TK_NO_COLUMN, at = 0;
  bool unnamed = false;

  *has_out = false;
  for (uint8_t i = 0; i < binding->count && status == TK_OK; i++) {
    const uint32_t *value_index;
    status = tk_reader_value_index(reader_of(cursor), cursor->segment, binding->columns[i], TK_ALL,
                                   &value_index, error);
    if (status != TK_OK || value_index[item] == UINT32_MAX) continue;
    *has_out = true;
    if (found != TK_NO_COLUMN) return read_first(cursor, column, item, value, error);
    found = binding->columns[i];
    at = value_index[item];
  }
  if (status == TK_OK && tk_has_unnamed_keys(cursor->segment, vtab_of(cursor)->kind->scope)) {
    status = has_extra(cursor, column, item, &unnamed, error);
  }
  if (status == TK_OK && unnamed) {
    *has_out = true;
    return read_first(cursor, column, item, value, error);
  }
  if (status != TK_OK || found == TK_NO_COLUMN) return status;
  return tk_attribute_value(reader_of(cursor), cursor->segment, found, at, &cursor->arena, value,
                            error);
}

static enum tk_status read_time(struct items_cursor *cursor, const struct item *item,
                                int64_t *time_out, struct tk_error *error) {
  const int64_t *starts;
  int64_t offset;
  enum tk_status status =
      tk_reader_starts(reader_of(cursor), cursor->segment,
                       tk_segment_granule_of_row(cursor->segment, item->row), &starts, error);
  if (status == TK_OK) {
    status = tk_int_value(reader_of(cursor), cursor->segment, TK_COL_EVENT_TIME, item->index,
                          &offset, error);
  }
  if (status == TK_OK) *time_out = (int64_t)((uint64_t)starts[item->row] + (uint64_t)offset);
  return status;
}

/* ---- what a segment can have ---- */

/* False: the segment has no item that passes the terms on attribute `column`. NULL passes none of
 * the operators there are. */
static enum tk_status may_have_attribute(struct items_cursor *cursor, const struct tk_term *term,
                                         bool *may_out, struct tk_error *error) {
  struct binding *binding;
  enum tk_status status = bind(cursor, term->column, &binding, error);
  if (status != TK_OK) return status;
  if (tk_has_unnamed_keys(cursor->segment, vtab_of(cursor)->kind->scope)) return TK_OK;
  if (binding->count == 0) *may_out = false;
  if (binding->count != 1 || term->predicate.op != TK_PREDICATE_EQ ||
      term->predicate.values[0].type != TK_SQL_TEXT ||
      cursor->segment->columns[binding->columns[0]].type != TK_VALUE_STRING) {
    return TK_OK;
  }
  return tk_reader_may_contain(reader_of(cursor), cursor->segment, binding->columns[0],
                               term->predicate.values[0].as.text, may_out, error);
}

/* Event times, from the times of the spans and the limits of the offsets to them. */
static bool may_have_time(const struct items_cursor *cursor, int column) {
  const struct tk_segment *segment = cursor->segment;
  const uint32_t index = segment->fixed[TK_COL_EVENT_TIME];
  int64_t offset_min = 0, offset_max = 0, min, max;

  if (segment->summary.start_max > (uint64_t)INT64_MAX) return true;
  if (index != TK_NO_COLUMN) {
    offset_min = segment->columns[index].int_min;
    offset_max = segment->columns[index].int_max;
  }
  if (__builtin_add_overflow((int64_t)segment->summary.start_min, offset_min, &min) ||
      __builtin_add_overflow((int64_t)segment->summary.start_max, offset_max, &max)) {
    return true;
  }
  return tk_terms_may_accept(&cursor->terms, column, min, max);
}

static enum tk_status accept_services(struct items_cursor *cursor, int column, bool *may_out,
                                      struct tk_error *error) {
  const struct tk_segment *segment = cursor->segment;
  cursor->services = sqlite3_malloc64((uint64_t)segment->resource_count + 1);
  if (!cursor->services) return tk_nomem(error);
  bool any = false;
  for (uint32_t i = 0; i < segment->resource_count; i++) {
    const struct tk_stored_resource *resource =
        tk_reader_resource(reader_of(cursor), segment->resources[i]);
    cursor->services[i] = resource && resource->service.data &&
                          tk_terms_accept_text(&cursor->terms, column, resource->service);
    any |= cursor->services[i];
  }
  if (!any) *may_out = false;
  return TK_OK;
}

/* The names of the dictionary that pass. */
static enum tk_status accept_names(struct items_cursor *cursor, int column, bool *may_out,
                                   struct tk_error *error) {
  const struct tk_segment *segment = cursor->segment;
  const uint32_t index = segment->fixed[TK_COL_EVENT_NAME];
  const struct tk_column *names;

  if (index == TK_NO_COLUMN) { /* all are "" */
    *may_out = tk_terms_accept_text(&cursor->terms, column, (struct tk_text){"", 0});
    return TK_OK;
  }
  enum tk_status status = tk_reader_column(reader_of(cursor), segment, index, &names, error);
  if (status != TK_OK || !names->has_dictionary) return status;
  cursor->names = sqlite3_malloc64((uint64_t)names->dictionary_count + 1);
  if (!cursor->names) return tk_nomem(error);
  bool any = false;
  for (uint32_t code = 0; code < names->dictionary_count; code++) {
    cursor->names[code] =
        tk_terms_accept_text(&cursor->terms, column, tk_column_dictionary_entry(names, code));
    any |= cursor->names[code];
  }
  if (!any) *may_out = false;
  return TK_OK;
}

/* Prepares the terms for the segment just opened; *may_out is false if nothing of it can pass. */
static enum tk_status prepare_terms(struct items_cursor *cursor, bool *may_out,
                                    struct tk_error *error) {
  const struct items_vtab *vtab = vtab_of(cursor);
  enum tk_status status = TK_OK;

  *may_out = true;
  for (uint32_t i = 0; i < cursor->terms.count && *may_out && status == TK_OK; i++) {
    const struct tk_term *term = &cursor->terms.items[i];
    switch ((int)vtab->columns[term->column].source) {
      case ATTRIBUTE:
        status = may_have_attribute(cursor, term, may_out, error);
        break;
      case TIME_NS:
        *may_out = may_have_time(cursor, term->column);
        break;
      case SERVICE:
        if (!cursor->services) status = accept_services(cursor, term->column, may_out, error);
        break;
      case NAME:
        if (!cursor->names) status = accept_names(cursor, term->column, may_out, error);
        break;
      default:
        break;
    }
  }
  return status;
}

/* ---- what an item has ---- */

static enum tk_status check_span_id(struct items_cursor *cursor, int column, uint32_t row,
                                    bool *passes, struct tk_error *error) {
  const uint8_t *id;
  enum tk_status status =
      tk_fixed_value(reader_of(cursor), cursor->segment, TK_COL_SPAN_ID, row, &id, error);
  if (status == TK_OK) *passes = tk_terms_accept_id(&cursor->terms, column, id, 8);
  return status;
}

static enum tk_status check_attribute(struct items_cursor *cursor, const struct tk_term *term,
                                      uint32_t item, bool *passes, struct tk_error *error) {
  struct tk_value value;
  struct tk_sql_value sql;
  enum tk_status status = read_attribute(cursor, term->column, item, &value, passes, error);
  if (status == TK_OK && *passes && tk_value_as_sql(&value, &sql)) {
    *passes = tk_predicate_matches(&term->predicate, &sql);
  }
  return status;
}

static enum tk_status check_name(struct items_cursor *cursor, int column, uint32_t item,
                                 bool *passes, struct tk_error *error) {
  const uint32_t index = cursor->segment->fixed[TK_COL_EVENT_NAME];
  const struct tk_column *names;
  if (index == TK_NO_COLUMN) return TK_OK; /* prepare_terms has seen to it */
  enum tk_status status =
      tk_reader_values(reader_of(cursor), cursor->segment, index, item, item + 1, &names, error);
  if (status != TK_OK) return status;
  *passes = cursor->names ? cursor->names[tk_column_code(names, item)] != 0
                          : tk_terms_accept_text(&cursor->terms, column, names->texts[item]);
  return TK_OK;
}

static enum tk_status check_service(struct items_cursor *cursor, uint32_t row, bool *passes,
                                    struct tk_error *error) {
  int64_t code;
  enum tk_status status =
      tk_int_value(reader_of(cursor), cursor->segment, TK_COL_RESOURCE, row, &code, error);
  if (status == TK_OK && (uint64_t)code < cursor->segment->resource_count) {
    *passes = cursor->services[code] != 0;
  }
  return status;
}

static enum tk_status check_item(struct items_cursor *cursor, const struct item *item, bool *passes,
                                 struct tk_error *error) {
  enum tk_status status = TK_OK;
  int64_t time;

  *passes = true;
  for (uint32_t i = 0; i < cursor->terms.count && *passes && status == TK_OK; i++) {
    const struct tk_term *term = &cursor->terms.items[i];
    switch ((int)vtab_of(cursor)->columns[term->column].source) {
      case SPAN_ID:
        status = check_span_id(cursor, term->column, item->row, passes, error);
        break;
      case TIME_NS:
        status = read_time(cursor, item, &time, error);
        if (status == TK_OK) *passes = tk_terms_accept_int(&cursor->terms, term->column, time);
        break;
      case NAME:
        status = check_name(cursor, term->column, item->index, passes, error);
        break;
      case SERVICE:
        status = check_service(cursor, item->row, passes, error);
        break;
      case ATTRIBUTE:
        status = check_attribute(cursor, term, item->index, passes, error);
        tk_arena_reset(&cursor->arena);
        break;
      default:
        break;
    }
  }
  return status;
}

/* ---- scanning ---- */

static void close_segment(struct items_cursor *cursor) {
  if (cursor->segment) tk_segment_release(cursor->segment);
  sqlite3_free(cursor->services);
  sqlite3_free(cursor->names);
  cursor->segment = NULL;
  cursor->services = NULL;
  cursor->names = NULL;
  cursor->next_row = cursor->end_row = 0;
}

/* Opens the next range; *more_out is false when there is none. A range in which nothing can pass is
 * opened as empty. */
static enum tk_status next_range(struct items_cursor *cursor, bool *more_out,
                                 struct tk_error *error) {
  struct tk_row_range range = {0};
  enum tk_status status;
  bool may;

  close_segment(cursor);
  status = tk_range_walk_next(&cursor->walk, reader_of(cursor), &range, &cursor->segment, error);
  *more_out = cursor->segment != NULL;
  if (status != TK_OK || !*more_out) return status;
  for (int i = 0; i < vtab_of(cursor)->column_count; i++) cursor->bindings[i].is_known = false;
  cursor->first_items = NULL;
  status = tk_reader_first_items(reader_of(cursor), cursor->segment, vtab_of(cursor)->kind->scope,
                                 &cursor->first_items, error);
  if (status != TK_OK || !cursor->first_items) return status;
  if ((status = prepare_terms(cursor, &may, error)) != TK_OK || !may) return status;
  cursor->next_row = range.begin;
  cursor->end_row = range.end;
  return TK_OK;
}

static enum tk_status add_item(struct items_cursor *cursor, struct item item,
                               struct tk_error *error) {
  if (cursor->item_count == cursor->item_capacity) {
    const uint32_t capacity = cursor->item_capacity ? cursor->item_capacity * 2 : 1024;
    void *items = sqlite3_realloc64(cursor->items, (uint64_t)capacity * sizeof item);
    if (!items) return tk_nomem(error);
    cursor->items = items;
    cursor->item_capacity = capacity;
  }
  cursor->items[cursor->item_count++] = item;
  return TK_OK;
}

/* Lists what passes of the next rows, at most to the end of their granule. */
static enum tk_status read_rows(struct items_cursor *cursor, struct tk_error *error) {
  const struct tk_segment *segment = cursor->segment;
  const uint32_t granule = tk_segment_granule_of_row(segment, cursor->next_row);
  uint32_t end = segment->rows.ends[granule];
  enum tk_status status = TK_OK;

  if (end > cursor->end_row) end = cursor->end_row;
  cursor->item_count = cursor->item_index = 0;
  for (uint32_t row = cursor->next_row; row < end && status == TK_OK; row++) {
    for (uint32_t i = cursor->first_items[row]; i < cursor->first_items[row + 1]; i++) {
      const struct item item = {row, i};
      bool passes;
      status = check_item(cursor, &item, &passes, error);
      if (status == TK_OK && passes) status = add_item(cursor, item, error);
      if (status != TK_OK) break;
    }
  }
  cursor->next_row = end;
  return status;
}

static enum tk_status fill(struct items_cursor *cursor, struct tk_error *error) {
  enum tk_status status = TK_OK;
  bool more = true;
  while (status == TK_OK && cursor->item_index >= cursor->item_count) {
    if (cursor->next_row < cursor->end_row) {
      status = read_rows(cursor, error);
      continue;
    }
    if ((status = next_range(cursor, &more, error)) != TK_OK || !more) break;
  }
  return status;
}

/* ---- the module ---- */

static bool add_column(struct items_vtab *vtab, enum source source, struct tk_text key) {
  if (vtab->column_count == vtab->column_capacity) {
    const int capacity = vtab->column_capacity ? vtab->column_capacity * 2 : 32;
    void *columns = sqlite3_realloc64(vtab->columns, (uint64_t)capacity * sizeof *vtab->columns);
    if (!columns) return false;
    vtab->columns = columns;
    vtab->column_capacity = capacity;
  }
  vtab->columns[vtab->column_count++] = (struct item_column){source, key};
  return true;
}

static int add_fixed_columns(struct items_vtab *vtab, sqlite3_str *sql) {
  for (const struct fixed_column *column = vtab->kind->columns; column->name; column++) {
    struct tk_text key = {column->key, column->key ? (uint32_t)strlen(column->key) : 0};
    sqlite3_str_appendf(sql, "%s%s %s", vtab->column_count ? ", " : "", column->name, column->type);
    if (!add_column(vtab, column->source, key)) return SQLITE_NOMEM;
  }
  return SQLITE_OK;
}

/* Keys with the number of each among those that differ in the case of letters alone. */
static const char keys_sql[] =
    "SELECT key, row_number() OVER (PARTITION BY lower(key) ORDER BY first)"
    " FROM (SELECT key, min(id) AS first FROM \"%w\".tk_attribute_key"
    "       WHERE scope = %d GROUP BY key)"
    " ORDER BY first LIMIT %d";

static int add_attribute_column(struct items_vtab *vtab, sqlite3_stmt *statement,
                                sqlite3_str *sql) {
  const char *text = (const char *)sqlite3_column_text(statement, 0);
  const size_t size = (size_t)sqlite3_column_bytes(statement, 0);
  const int same = sqlite3_column_int(statement, 1);
  char *key = text ? tk_arena_alloc_bytes(&vtab->arena, size + 1) : NULL;

  if (!key) return SQLITE_NOMEM;
  if (strlen(text) != size) return SQLITE_OK; /* a NUL in it: no column name can say this */
  memcpy(key, text, size);
  if (same > 1) {
    sqlite3_str_appendf(sql, ", \"%w%w (%d)\" BLOB HIDDEN", vtab->kind->prefix, text, same);
  } else {
    sqlite3_str_appendf(sql, ", \"%w%w\" BLOB HIDDEN", vtab->kind->prefix, text);
  }
  return add_column(vtab, ATTRIBUTE, (struct tk_text){key, (uint32_t)size}) ? SQLITE_OK
                                                                            : SQLITE_NOMEM;
}

static int declare_columns(sqlite3 *db, struct items_vtab *vtab, const char *schema) {
  sqlite3_str *sql = sqlite3_str_new(db);
  sqlite3_stmt *statement = NULL;
  sqlite3_str_appendall(sql, "CREATE TABLE x(");
  int rc = add_fixed_columns(vtab, sql);
  int limit = sqlite3_limit(db, SQLITE_LIMIT_COLUMN, -1) - vtab->column_count;
  char *keys = sqlite3_mprintf(keys_sql, schema, vtab->kind->scope, limit > 0 ? limit : 0);

  if (!keys) rc = SQLITE_NOMEM;
  if (rc == SQLITE_OK) rc = sqlite3_prepare_v2(db, keys, -1, &statement, NULL);
  while (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
    rc = add_attribute_column(vtab, statement, sql);
  }
  sqlite3_finalize(statement);
  sqlite3_free(keys);
  sqlite3_str_appendall(sql, ")");
  char *declaration = sqlite3_str_finish(sql);
  if (rc == SQLITE_DONE) rc = declaration ? sqlite3_declare_vtab(db, declaration) : SQLITE_NOMEM;
  sqlite3_free(declaration);
  return rc;
}

static int disconnect_table(sqlite3_vtab *base) {
  struct items_vtab *vtab = (struct items_vtab *)base;
  tk_shared_reader_release(vtab->reader);
  tk_arena_reset(&vtab->arena);
  sqlite3_free(vtab->columns);
  sqlite3_free(vtab);
  return SQLITE_OK;
}

static int connect_table(sqlite3 *db, void *context, int argc, const char *const *argv,
                         sqlite3_vtab **vtab_out, char **message_out) {
  struct tk_error error = {{0}};
  struct items_vtab *vtab = sqlite3_malloc64(sizeof *vtab);
  int rc;

  if (!vtab) return SQLITE_NOMEM;
  *vtab = (struct items_vtab){.kind = context};
  enum tk_status status =
      tk_shared_reader_acquire(db, tk_vtab_schema(argc, argv), &vtab->reader, &error);
  if (status != TK_OK) {
    disconnect_table(&vtab->base);
    return tk_connect_fail(message_out, status, &error);
  }
  if ((rc = declare_columns(db, vtab, vtab->reader->schema)) != SQLITE_OK ||
      (rc = sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS)) != SQLITE_OK) {
    if (rc != SQLITE_NOMEM) *message_out = sqlite3_mprintf("%s", sqlite3_errmsg(db));
    disconnect_table(&vtab->base);
    return rc;
  }
  *vtab_out = &vtab->base;
  return SQLITE_OK;
}

static bool take_constraint(const struct items_vtab *vtab, struct tk_plan *plan,
                            sqlite3_index_info *info, int index) {
  const struct sqlite3_index_constraint *constraint = &info->aConstraint[index];
  if (constraint->iColumn < 0) return false;
  switch ((int)vtab->columns[constraint->iColumn].source) {
    case TRACE_ID:
      return tk_plan_add_trace_id(plan, info, index);
    case SPAN_ID:
      return constraint->op == SQLITE_INDEX_CONSTRAINT_EQ &&
             tk_plan_add(plan, info, index, TK_TERM_ID);
    case TIME_NS:
      return tk_plan_add(plan, info, index, TK_TERM_INTEGER);
    case NAME:
    case SERVICE:
      return tk_plan_add(plan, info, index, TK_TERM_TEXT);
    case ATTRIBUTE:
      return strcmp(sqlite3_vtab_collation(info, index), "BINARY") == 0 &&
             tk_plan_add(plan, info, index, TK_TERM_NONE);
    default:
      return false;
  }
}

static int best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  const struct items_vtab *vtab = (struct items_vtab *)base;
  struct tk_plan plan = {.size = 0};
  double items = 10, spans = 10;

  for (uint32_t s = 0; s < vtab->reader->segment_count; s++) {
    const struct tk_segment_summary *summary = &vtab->reader->segments[s];
    items += vtab->kind->scope == TK_SCOPE_EVENT ? summary->event_count : summary->link_count;
    spans += summary->span_count;
  }
  for (int i = 0; i < info->nConstraint; i++) {
    if (take_constraint(vtab, &plan, info, i)) items /= 4;
  }
  info->estimatedRows = info->idxNum && items > 10 ? 10 : (sqlite3_int64)items + 1;
  info->estimatedCost = items + spans / 50;
  if (info->idxNum && info->estimatedCost > 30) info->estimatedCost = 30;
  return tk_plan_finish(&plan, info);
}

static int open_cursor(sqlite3_vtab *base, sqlite3_vtab_cursor **cursor_out) {
  const struct items_vtab *vtab = (struct items_vtab *)base;
  struct items_cursor *cursor = sqlite3_malloc64(sizeof *cursor);
  if (!cursor) return SQLITE_NOMEM;
  memset(cursor, 0, sizeof *cursor);
  const uint64_t size = (uint64_t)vtab->column_count * sizeof *cursor->bindings;
  if (!(cursor->bindings = sqlite3_malloc64(size))) {
    sqlite3_free(cursor);
    return SQLITE_NOMEM;
  }
  *cursor_out = &cursor->base;
  return SQLITE_OK;
}

static void reset_cursor(struct items_cursor *cursor) {
  close_segment(cursor);
  tk_terms_reset(&cursor->terms);
  tk_range_walk_reset(&cursor->walk);
  cursor->item_count = cursor->item_index = 0;
  tk_arena_reset(&cursor->arena);
}

static int close_cursor(sqlite3_vtab_cursor *base) {
  struct items_cursor *cursor = (struct items_cursor *)base;
  reset_cursor(cursor);
  sqlite3_free(cursor->bindings);
  sqlite3_free(cursor->items);
  sqlite3_free(cursor);
  return SQLITE_OK;
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                  sqlite3_value **argv) {
  struct items_cursor *cursor = (struct items_cursor *)base;
  struct tk_error error = {{0}};
  enum tk_status status;

  reset_cursor(cursor);
  status = tk_range_walk_begin(&cursor->walk, &cursor->terms, plan != 0, reader_of(cursor),
                               plan_text, argc, argv, &error);
  if (status == TK_OK) status = fill(cursor, &error);
  return tk_vtab_fail(base->pVtab, status, &error);
}

static int next_row(sqlite3_vtab_cursor *base) {
  struct items_cursor *cursor = (struct items_cursor *)base;
  struct tk_error error = {{0}};
  cursor->item_index++;
  return tk_vtab_fail(base->pVtab, fill(cursor, &error), &error);
}

static int at_end(sqlite3_vtab_cursor *base) {
  const struct items_cursor *cursor = (struct items_cursor *)base;
  return cursor->item_index >= cursor->item_count;
}

static int give_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid_out) {
  const struct items_cursor *cursor = (struct items_cursor *)base;
  const uint64_t segment_id = (uint64_t)cursor->segment->summary.id;
  *rowid_out = (sqlite3_int64)(segment_id << 28 | cursor->items[cursor->item_index].index);
  return SQLITE_OK;
}

/* ---- columns ---- */

static enum tk_status give_trace_id(struct items_cursor *cursor, sqlite3_context *context,
                                    uint32_t row, struct tk_error *error) {
  const uint32_t *traces;
  enum tk_status status =
      tk_reader_traces(reader_of(cursor), cursor->segment,
                       tk_segment_granule_of_row(cursor->segment, row), &traces, error);
  if (status != TK_OK) return status;
  return tk_give_trace_id(context, reader_of(cursor), cursor->segment, traces[row], error);
}

static enum tk_status give_hex(struct items_cursor *cursor, sqlite3_context *context,
                               enum tk_column_number number, uint32_t index, size_t size,
                               struct tk_error *error) {
  const uint8_t *bytes;
  enum tk_status status =
      tk_fixed_value(reader_of(cursor), cursor->segment, number, index, &bytes, error);
  if (status == TK_OK) tk_result_hex(context, bytes, size);
  return status;
}

static enum tk_status give_int(struct items_cursor *cursor, sqlite3_context *context,
                               enum tk_column_number number, uint32_t index,
                               struct tk_error *error) {
  int64_t value;
  enum tk_status status =
      tk_int_value(reader_of(cursor), cursor->segment, number, index, &value, error);
  if (status == TK_OK) sqlite3_result_int64(context, value);
  return status;
}

static enum tk_status give_text(struct items_cursor *cursor, sqlite3_context *context,
                                enum tk_column_number number, uint32_t index,
                                struct tk_error *error) {
  struct tk_text text;
  enum tk_status status =
      tk_text_value(reader_of(cursor), cursor->segment, number, index, &text, error);
  if (status == TK_OK) tk_result_text(context, text);
  return status;
}

/* As `spans` does: what is not there is NULL, not "". */
static enum tk_status give_text_if_any(struct items_cursor *cursor, sqlite3_context *context,
                                       enum tk_column_number number, uint32_t index,
                                       struct tk_error *error) {
  struct tk_text text;
  enum tk_status status =
      tk_text_value(reader_of(cursor), cursor->segment, number, index, &text, error);
  if (status == TK_OK && text.size > 0) tk_result_text(context, text);
  return status;
}

static enum tk_status give_time(struct items_cursor *cursor, sqlite3_context *context,
                                const struct item *item, enum source source,
                                struct tk_error *error) {
  int64_t time;
  enum tk_status status = read_time(cursor, item, &time, error);
  if (status != TK_OK) return status;
  if (source == TIME_NS) {
    sqlite3_result_int64(context, time);
  } else {
    tk_result_instant(context, (uint64_t)time);
  }
  return TK_OK;
}

static enum tk_status give_attributes(struct items_cursor *cursor, sqlite3_context *context,
                                      uint32_t item, struct tk_error *error) {
  struct tk_attributes attributes;
  struct tk_byte_writer json = {0};
  enum tk_status status =
      tk_reader_attributes(reader_of(cursor), cursor->segment, vtab_of(cursor)->kind->scope, item,
                           &cursor->arena, &attributes, error);
  if (status != TK_OK) return status;
  tk_json_attributes(&json, &attributes);
  tk_result_json(context, &json);
  tk_byte_writer_reset(&json);
  return TK_OK;
}

static enum tk_status give_attribute(struct items_cursor *cursor, sqlite3_context *context,
                                     int column, uint32_t item, struct tk_error *error) {
  struct tk_value value;
  bool has;
  enum tk_status status = read_attribute(cursor, column, item, &value, &has, error);
  if (status == TK_OK && has) tk_result_value(context, &value);
  return status;
}

static enum tk_status give_service(struct items_cursor *cursor, sqlite3_context *context,
                                   uint32_t row, struct tk_error *error) {
  struct tk_text service;
  enum tk_status status = tk_row_service(reader_of(cursor), cursor->segment, row, &service, error);
  if (status == TK_OK) tk_result_text(context, service);
  return status;
}

static enum tk_status give_value(struct items_cursor *cursor, sqlite3_context *context, int column,
                                 struct tk_error *error) {
  const struct items_vtab *vtab = vtab_of(cursor);
  const struct item *item = &cursor->items[cursor->item_index];
  const enum source source = vtab->columns[column].source;

  switch (source) {
    case TRACE_ID:
      return give_trace_id(cursor, context, item->row, error);
    case SPAN_ID:
      return give_hex(cursor, context, TK_COL_SPAN_ID, item->row, 8, error);
    case ORDINAL:
      sqlite3_result_int64(context, item->index - cursor->first_items[item->row]);
      return TK_OK;
    case TIME_NS:
    case TIME_TEXT:
      return give_time(cursor, context, item, source, error);
    case NAME:
      return give_text(cursor, context, TK_COL_EVENT_NAME, item->index, error);
    case LINKED_TRACE_ID:
      return give_hex(cursor, context, TK_COL_LINK_TRACE_ID, item->index, 16, error);
    case LINKED_SPAN_ID:
      return give_hex(cursor, context, TK_COL_LINK_SPAN_ID, item->index, 8, error);
    case TRACE_STATE:
      return give_text_if_any(cursor, context, TK_COL_LINK_TRACE_STATE, item->index, error);
    case FLAGS:
      return give_int(cursor, context, TK_COL_LINK_FLAGS, item->index, error);
    case ATTRIBUTES:
      return give_attributes(cursor, context, item->index, error);
    case DROPPED_COUNT:
      return give_int(cursor, context, vtab->kind->dropped, item->index, error);
    case SERVICE:
      return give_service(cursor, context, item->row, error);
    case SPAN_NAME:
      return give_text(cursor, context, TK_COL_NAME, item->row, error);
    case ATTRIBUTE:
    default:
      return give_attribute(cursor, context, column, item->index, error);
  }
}

static int give_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
  struct items_cursor *cursor = (struct items_cursor *)base;
  struct tk_error error = {{0}};
  enum tk_status status = give_value(cursor, context, column, &error);
  tk_arena_reset(&cursor->arena);
  if (status != TK_OK) tk_result_fail(context, status, &error);
  return SQLITE_OK;
}

static int register_kind(sqlite3 *db, const struct item_kind *kind) {
  static const sqlite3_module module = {
      .iVersion = 1,
      .xCreate = connect_table,
      .xConnect = connect_table,
      .xBestIndex = best_index,
      .xDisconnect = disconnect_table,
      .xDestroy = disconnect_table,
      .xOpen = open_cursor,
      .xClose = close_cursor,
      .xFilter = filter,
      .xNext = next_row,
      .xEof = at_end,
      .xColumn = give_column,
      .xRowid = give_rowid,
  };
  /* SQLite hands the pointer back as it is; nobody writes through it. */
  union {
    const struct item_kind *given;
    void *wanted;
  } context = {kind};
  return sqlite3_create_module_v2(db, kind->module, &module, context.wanted, NULL);
}

int tk_register_items(sqlite3 *db) {
  int rc = register_kind(db, &events);
  return rc == SQLITE_OK ? register_kind(db, &links) : rc;
}
