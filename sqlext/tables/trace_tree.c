/* SPDX-License-Identifier: MIT
 * trace_tree(trace_id [, schema]): the spans of one trace in tree order, ready to be read.
 *
 *     SELECT tree, service, format_duration(duration_ns) FROM trace_tree('4bf9...')
 *
 * CREATE TABLE trace_tree(depth, tree, service, kind, start_offset_ns, duration_ns, self_time_ns,
 *                         status, timeline, name, span_id, parent_span_id, status_message,
 *                         event_count, link_count, start_ns, trace_id HIDDEN, schema HIDDEN)
 *
 * `tree` is the name behind branches; a span whose parent is not stored is a root, marked with an
 * ellipsis. `timeline` is a bar of TIMELINE_CELLS cells for the length of the trace. The trace is
 * gathered from all segments that hold parts of it. The id is 32 digits in either letter case, 16
 * digits (padded), or exactly the text of a trace that has one; an unknown id gives no rows.
 *
 * ancestors(trace_id, span_id [, schema]) and descendants(trace_id, span_id [, schema]) show the
 * spans above one span, its parent first, and those below it, in tree order; with one more column,
 * `distance` from that span. Where several spans have the id, of all of them. */
#include <string.h>

#include "sqlext/registration.h"
#include "sqlext/tables/tree_sweep.h"
#include "sqlext/vtab_support.h"
#include "store/segment/span_order.h"
#include "tracekeep/scan.h"

#define TIMELINE_CELLS 40
#define LEVELS_SHOWN 48 /* deeper spans are indented no further */

enum column {
  COLUMN_DEPTH,
  COLUMN_TREE,
  COLUMN_SERVICE,
  COLUMN_KIND,
  COLUMN_START_OFFSET,
  COLUMN_DURATION,
  COLUMN_SELF_TIME,
  COLUMN_STATUS,
  COLUMN_TIMELINE,
  COLUMN_NAME,
  COLUMN_SPAN_ID,
  COLUMN_PARENT_ID,
  COLUMN_STATUS_MESSAGE,
  COLUMN_EVENT_COUNT,
  COLUMN_LINK_COUNT,
  COLUMN_START,
  COLUMN_TRACE_ID,
  COLUMN_OF_SPAN_ID, /* this and the last: not of trace_tree */
  COLUMN_SCHEMA,
  COLUMN_DISTANCE
};

#define TREE_COLUMNS                                                                           \
  "CREATE TABLE x(depth INTEGER, tree TEXT, service TEXT, kind TEXT, start_offset_ns INTEGER," \
  " duration_ns INTEGER, self_time_ns INTEGER, status TEXT, timeline TEXT, name TEXT,"         \
  " span_id TEXT COLLATE NOCASE, parent_span_id TEXT COLLATE NOCASE, status_message TEXT,"     \
  " event_count INTEGER, link_count INTEGER, start_ns INTEGER,"                                \
  " trace_id TEXT HIDDEN COLLATE NOCASE,"

struct tree_kind {
  const char *name, *declaration;
  enum { WHOLE_TREE, ANCESTORS, DESCENDANTS } shows;
};

static const struct tree_kind tree_kinds[] = {
    {"trace_tree", TREE_COLUMNS " schema TEXT HIDDEN)", WHOLE_TREE},
    {"ancestors",
     TREE_COLUMNS " of_span_id TEXT HIDDEN COLLATE NOCASE, schema TEXT HIDDEN, distance INTEGER)",
     ANCESTORS},
    {"descendants",
     TREE_COLUMNS " of_span_id TEXT HIDDEN COLLATE NOCASE, schema TEXT HIDDEN, distance INTEGER)",
     DESCENDANTS}};

struct tree_table {
  sqlite3_vtab base;
  sqlite3 *db;
  const struct tree_kind *kind;
};

struct tree_cursor {
  sqlite3_vtab_cursor base;
  struct tk_arena arena;
  struct tk_reader *reader;
  struct tk_span_order order;
  struct tk_span *spans;
  uint32_t count, row;
  uint32_t *shown; /* rows, not of trace_tree; NULL: all */
  uint32_t *distances;
  uint32_t shown_count, shown_at;
  uint8_t of_span_id[8];
  uint64_t start_min, end_max;
  int64_t *self_times;
  uint32_t *child_counts;
  uint8_t *is_last; /* no sibling comes after the row */
};

/* ---- gathering ---- */

static void forget_trace(struct tree_cursor *cursor) {
  tk_span_order_reset(&cursor->order);
  tk_arena_reset(&cursor->arena);
  cursor->count = cursor->row = 0;
  cursor->shown = cursor->distances = NULL;
  cursor->shown_count = cursor->shown_at = 0;
}

static enum tk_status read_places(struct tree_cursor *cursor, const struct tk_trace_place *places,
                                  uint32_t place_count, struct tk_error *error) {
  enum tk_status status = TK_OK;
  uint64_t total = 0;

  for (uint32_t i = 0; i < place_count; i++) total += places[i].row_count;
  cursor->spans = tk_arena_alloc(&cursor->arena, total * sizeof *cursor->spans);
  if (!cursor->spans) return tk_nomem(error);
  for (uint32_t i = 0; i < place_count && status == TK_OK; i++) {
    const struct tk_segment *segment = NULL;
    status = tk_reader_segment(cursor->reader, places[i].segment_index, &segment, error);
    if (status != TK_OK) break;
    status = tk_reader_spans(cursor->reader, segment, places[i].first_row, places[i].row_count,
                             &cursor->arena, cursor->spans + cursor->count, error);
    if (status == TK_OK) cursor->count += places[i].row_count;
    tk_segment_release(segment);
  }
  return status;
}

static void find_limits(struct tree_cursor *cursor) {
  cursor->start_min = UINT64_MAX;
  cursor->end_max = 0;
  for (uint32_t i = 0; i < cursor->count; i++) {
    const struct tk_span *span = &cursor->spans[i];
    if (span->start_unix_ns < cursor->start_min) cursor->start_min = span->start_unix_ns;
    if (span->end_unix_ns > cursor->end_max) cursor->end_max = span->end_unix_ns;
  }
}

static enum tk_status order_spans(struct tree_cursor *cursor, struct tk_error *error) {
  size_t count = cursor->count;
  const struct tk_span **list = tk_arena_alloc(&cursor->arena, count * sizeof *list);
  int64_t *starts = tk_arena_alloc(&cursor->arena, count * sizeof *starts);
  int64_t *durations = tk_arena_alloc(&cursor->arena, count * sizeof *durations);
  uint8_t *has_child = tk_arena_alloc(&cursor->arena, count);
  enum tk_status status;

  cursor->self_times = tk_arena_alloc(&cursor->arena, count * sizeof *cursor->self_times);
  cursor->child_counts = tk_arena_alloc(&cursor->arena, count * sizeof *cursor->child_counts);
  cursor->is_last = tk_arena_alloc(&cursor->arena, count);
  if (!list || !starts || !durations || !has_child || !cursor->self_times ||
      !cursor->child_counts || !cursor->is_last) {
    return tk_nomem(error);
  }
  for (size_t i = 0; i < count; i++) list[i] = &cursor->spans[i];
  status = tk_span_order_init(&cursor->order, list, cursor->count, error);
  if (status != TK_OK) return status;
  memset(has_child, 0, count);
  for (size_t i = count; i-- > 0;) {
    const struct tk_span *span = cursor->order.rows[i];
    uint32_t parent = cursor->order.parents[i];
    starts[i] = (int64_t)span->start_unix_ns;
    durations[i] = (int64_t)(span->end_unix_ns - span->start_unix_ns);
    cursor->is_last[i] = parent == TK_NO_PARENT || !has_child[parent];
    if (parent != TK_NO_PARENT) has_child[parent] = 1;
  }
  find_limits(cursor);
  return tk_tree_sweep_run(
      &(struct tk_tree_sweep){.starts = starts,
                              .durations = {.values = durations, .width = sizeof *durations},
                              .parents = cursor->order.parents,
                              .end = cursor->count,
                              .child_counts = cursor->child_counts,
                              .self_times = cursor->self_times},
      error);
}

static enum tk_status gather_trace(struct tree_cursor *cursor, struct tk_text id_text,
                                   struct tk_error *error) {
  struct tk_trace_place *places = NULL;
  uint32_t place_count = 0;
  uint8_t id[16];
  enum tk_status status;

  tk_trace_id_parse(id_text, id);
  if ((status = tk_reader_refresh(cursor->reader, error)) != TK_OK) return status;
  status = tk_reader_find_trace(cursor->reader, id, &places, &place_count, error);
  if (status == TK_OK) status = read_places(cursor, places, place_count, error);
  sqlite3_free(places);
  return status == TK_OK && cursor->count > 0 ? order_spans(cursor, error) : status;
}

/* ---- lineage ---- */

static bool is_the_span(const struct tree_cursor *cursor, uint32_t row) {
  return memcmp(cursor->order.rows[row]->span_id, cursor->of_span_id, 8) == 0;
}

/* Each row once, from the nearest up. */
static void show_ancestors(struct tree_cursor *cursor, uint8_t *is_shown) {
  for (uint32_t row = cursor->count; row-- > 0;) {
    uint32_t distance = 0;
    if (!is_the_span(cursor, row)) continue;
    for (uint32_t at = cursor->order.parents[row]; at != TK_NO_PARENT;
         at = cursor->order.parents[at]) {
      distance++;
      if (is_shown[at]) break;
      is_shown[at] = 1;
      cursor->shown[cursor->shown_count] = at;
      cursor->distances[cursor->shown_count++] = distance;
    }
  }
}

/* A row is below the span if its parent is, or is the span. */
static void show_descendants(struct tree_cursor *cursor, uint8_t *is_shown) {
  uint32_t *distances = cursor->distances + cursor->count; /* by row */
  for (uint32_t row = 0; row < cursor->count; row++) {
    uint32_t parent = cursor->order.parents[row];
    if (parent == TK_NO_PARENT) continue;
    if (is_the_span(cursor, parent)) {
      distances[row] = 1;
    } else if (is_shown[parent]) {
      distances[row] = distances[parent] + 1;
    } else {
      continue;
    }
    is_shown[row] = 1;
    cursor->shown[cursor->shown_count] = row;
    cursor->distances[cursor->shown_count++] = distances[row];
  }
}

static enum tk_status show_lineage(struct tree_cursor *cursor, struct tk_error *error) {
  const struct tree_table *table = (const struct tree_table *)cursor->base.pVtab;
  uint8_t *is_shown = tk_arena_alloc(&cursor->arena, cursor->count);

  cursor->shown = tk_arena_alloc(&cursor->arena, cursor->count * sizeof *cursor->shown);
  cursor->distances =
      tk_arena_alloc(&cursor->arena, 2 * (size_t)cursor->count * sizeof *cursor->distances);
  if (!is_shown || !cursor->shown || !cursor->distances) return tk_nomem(error);
  memset(is_shown, 0, cursor->count);
  if (table->kind->shows == ANCESTORS) {
    show_ancestors(cursor, is_shown);
  } else {
    show_descendants(cursor, is_shown);
  }
  if (cursor->shown_count > 0) cursor->row = cursor->shown[0];
  return TK_OK;
}

/* ---- texts ---- */

static void append_branches(struct tk_byte_writer *out, const struct tree_cursor *cursor,
                            uint32_t row) {
  uint32_t path[LEVELS_SHOWN], levels = 0;

  for (uint32_t at = row; cursor->order.depths[at] > 0; at = cursor->order.parents[at]) {
    if (levels == LEVELS_SHOWN) {
      tk_json_literal(out, "\u2026");
      break;
    }
    path[levels++] = at;
  }
  while (levels-- > 0) {
    bool is_last = cursor->is_last[path[levels]];
    if (levels == 0) {
      tk_json_literal(out, is_last ? "\u2514\u2500 " : "\u251C\u2500 ");
    } else {
      tk_json_literal(out, is_last ? "   " : "\u2502  ");
    }
  }
}

static void give_tree(sqlite3_context *context, const struct tree_cursor *cursor, uint32_t row) {
  const struct tk_span *span = cursor->order.rows[row];
  struct tk_byte_writer text = {0};

  append_branches(&text, cursor, row);
  if (cursor->order.depths[row] == 0 && (span->presence & TK_SPAN_HAS_PARENT)) {
    tk_json_literal(&text, "\u2026 ");
  }
  tk_byte_writer_append(&text, span->name.data ? span->name.data : "", span->name.size);
  tk_result_json(context, &text);
  tk_byte_writer_reset(&text);
}

static void give_timeline(sqlite3_context *context, const struct tree_cursor *cursor,
                          const struct tk_span *span) {
  double total =
      cursor->end_max > cursor->start_min ? (double)(cursor->end_max - cursor->start_min) : 1.0;
  double from = (double)(span->start_unix_ns - cursor->start_min) / total * TIMELINE_CELLS;
  double to = span->end_unix_ns > span->start_unix_ns
                  ? (double)(span->end_unix_ns - cursor->start_min) / total * TIMELINE_CELLS
                  : from;
  int first = from >= TIMELINE_CELLS ? TIMELINE_CELLS - 1 : (int)from;
  int last = (int)to;
  struct tk_byte_writer text = {0};

  for (int i = 0; i < first; i++) tk_byte_writer_append_u8(&text, ' ');
  if (last <= first) tk_json_literal(&text, to - from < 0.5 ? "\u258F" : "\u258C");
  for (int i = first; i < last && i < TIMELINE_CELLS; i++) tk_json_literal(&text, "\u2588");
  tk_result_json(context, &text);
  tk_byte_writer_reset(&text);
}

static void give_service(sqlite3_context *context, const struct tk_resource *resource) {
  static const char key[] = "service.name";
  for (uint32_t i = 0; i < resource->attributes.count; i++) {
    const struct tk_attribute *item = &resource->attributes.items[i];
    if (item->key.size != strlen(key) || memcmp(item->key.data, key, item->key.size) != 0) continue;
    if (item->value.type == TK_VALUE_STRING && item->value.size > 0) {
      tk_result_value(context, &item->value);
    }
    return;
  }
}

/* ---- the table ---- */

static int connect_table(sqlite3 *db, void *context, int argc, const char *const *argv,
                         sqlite3_vtab **vtab_out, char **message_out) {
  struct tree_table *table = sqlite3_malloc64(sizeof *table);
  int rc;

  (void)argc, (void)argv;
  if (!table) return SQLITE_NOMEM;
  *table = (struct tree_table){.db = db, .kind = context};
  if ((rc = sqlite3_declare_vtab(db, table->kind->declaration)) != SQLITE_OK) {
    *message_out = sqlite3_mprintf("%s: %s", table->kind->name, sqlite3_errmsg(db));
    sqlite3_free(table);
    return rc;
  }
  sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
  *vtab_out = &table->base;
  return SQLITE_OK;
}

static int disconnect_table(sqlite3_vtab *vtab) {
  sqlite3_free(vtab);
  return SQLITE_OK;
}

/* The column as the enum has it: trace_tree lacks one in the middle. */
static int column_of(const struct tree_table *table, int column) {
  return table->kind->shows == WHOLE_TREE && column > COLUMN_TRACE_ID ? column + 1 : column;
}

/* idxNum: 1 the trace id is argv[0], 2 the span id comes next, 4 the schema. */
static int plan_scan(sqlite3_vtab *vtab, sqlite3_index_info *info) {
  const struct tree_table *table = (const struct tree_table *)vtab;
  int found[3] = {-1, -1, -1}, next = 0;

  for (int i = 0; i < info->nConstraint; i++) {
    if (info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ) continue;
    int column = column_of(table, info->aConstraint[i].iColumn);
    if (column < COLUMN_TRACE_ID || column > COLUMN_SCHEMA) continue;
    if (!info->aConstraint[i].usable) return SQLITE_CONSTRAINT;
    found[column - COLUMN_TRACE_ID] = i;
  }
  info->idxNum = 0;
  for (int argument = 0; argument < 3; argument++) {
    if (found[argument] < 0) continue;
    info->idxNum |= 1 << argument;
    info->aConstraintUsage[found[argument]].argvIndex = ++next;
    info->aConstraintUsage[found[argument]].omit = 1;
  }
  info->estimatedCost = found[0] >= 0 ? 100 : 1e12;
  info->estimatedRows = found[0] >= 0 ? 50 : 1000000;
  return SQLITE_OK;
}

static int open_cursor(sqlite3_vtab *vtab, sqlite3_vtab_cursor **cursor_out) {
  struct tree_cursor *cursor = sqlite3_malloc64(sizeof *cursor);
  (void)vtab;
  if (!cursor) return SQLITE_NOMEM;
  memset(cursor, 0, sizeof *cursor);
  *cursor_out = &cursor->base;
  return SQLITE_OK;
}

static int close_cursor(sqlite3_vtab_cursor *base) {
  struct tree_cursor *cursor = (struct tree_cursor *)base;
  forget_trace(cursor);
  tk_shared_reader_release(cursor->reader);
  sqlite3_free(cursor);
  return SQLITE_OK;
}

static enum tk_status use_schema(struct tree_cursor *cursor, const char *schema,
                                 struct tk_error *error) {
  sqlite3 *db = ((struct tree_table *)cursor->base.pVtab)->db;

  if (cursor->reader && sqlite3_stricmp(cursor->reader->schema, schema) == 0) return TK_OK;
  tk_shared_reader_release(cursor->reader);
  cursor->reader = NULL;
  return tk_shared_reader_acquire(db, schema, &cursor->reader, error);
}

/* The span of a lineage; false: no span can have this id. */
static bool read_span_id(struct tree_cursor *cursor, sqlite3_value *value) {
  const char *text = (const char *)sqlite3_value_text(value);
  if (!text) return false;
  struct tk_text id = {text, (uint32_t)sqlite3_value_bytes(value)};
  return tk_hex_parse(id, cursor->of_span_id, sizeof cursor->of_span_id);
}

static enum tk_status show(struct tree_cursor *cursor, int plan, sqlite3_value **values,
                           struct tk_error *error) {
  const struct tree_kind *kind = ((const struct tree_table *)cursor->base.pVtab)->kind;
  int needed = kind->shows == WHOLE_TREE ? 1 : 3, at = 1;
  enum tk_status status;

  if ((plan & needed) != needed) {
    return tk_fail(error, TK_INVALID, "%s needs a trace id%s: SELECT * FROM %s('...'%s)",
                   kind->name, needed == 1 ? "" : " and a span id", kind->name,
                   needed == 1 ? "" : ", '...'");
  }
  const char *id = (const char *)sqlite3_value_text(values[0]);
  if (!id) return TK_OK;
  struct tk_text id_text = {id, (uint32_t)sqlite3_value_bytes(values[0])};
  if (needed == 3 && !read_span_id(cursor, values[at++])) return TK_OK;
  const char *schema = plan & 4 ? (const char *)sqlite3_value_text(values[at]) : "main";
  status = use_schema(cursor, schema ? schema : "main", error);
  if (status == TK_OK) status = gather_trace(cursor, id_text, error);
  if (status != TK_OK) return status;
  cursor->shown_count = cursor->count;
  if (kind->shows == WHOLE_TREE || cursor->count == 0) return TK_OK;
  cursor->shown_count = 0;
  return show_lineage(cursor, error);
}

static int filter_rows(sqlite3_vtab_cursor *base, int plan_number, const char *plan_text, int argc,
                       sqlite3_value **argv) {
  struct tree_cursor *cursor = (struct tree_cursor *)base;
  struct tk_error error = {{0}};

  (void)plan_text, (void)argc;
  forget_trace(cursor);
  enum tk_status status = show(cursor, plan_number, argv, &error);
  if (status != TK_OK) cursor->shown_count = 0;
  return tk_vtab_fail(base->pVtab, status, &error);
}

static int next_row(sqlite3_vtab_cursor *base) {
  struct tree_cursor *cursor = (struct tree_cursor *)base;
  uint32_t at = ++cursor->shown_at;
  if (at < cursor->shown_count) cursor->row = cursor->shown ? cursor->shown[at] : at;
  return SQLITE_OK;
}

static int at_end(sqlite3_vtab_cursor *base) {
  const struct tree_cursor *cursor = (const struct tree_cursor *)base;
  return cursor->shown_at >= cursor->shown_count;
}

static int give_value(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
  const struct tree_cursor *cursor = (const struct tree_cursor *)base;
  const struct tk_span *span = cursor->order.rows[cursor->row];
  uint64_t start = span->start_unix_ns;

  switch ((enum column)column_of((const struct tree_table *)base->pVtab, column)) {
    case COLUMN_DEPTH:
      sqlite3_result_int64(context, cursor->order.depths[cursor->row]);
      break;
    case COLUMN_TREE:
      give_tree(context, cursor, cursor->row);
      break;
    case COLUMN_SERVICE:
      give_service(context, span->resource);
      break;
    case COLUMN_KIND:
      tk_result_kind(context, span->kind);
      break;
    case COLUMN_START_OFFSET:
      sqlite3_result_int64(context, (int64_t)(start - cursor->start_min));
      break;
    case COLUMN_DURATION:
      sqlite3_result_int64(context, (int64_t)(span->end_unix_ns - start));
      break;
    case COLUMN_SELF_TIME:
      sqlite3_result_int64(context, cursor->self_times[cursor->row]);
      break;
    case COLUMN_STATUS:
      tk_result_status_code(context, span->status_code);
      break;
    case COLUMN_TIMELINE:
      give_timeline(context, cursor, span);
      break;
    case COLUMN_NAME:
      tk_result_text(context, span->name.data ? span->name : (struct tk_text){"", 0});
      break;
    case COLUMN_SPAN_ID:
      tk_result_hex(context, span->span_id, sizeof span->span_id);
      break;
    case COLUMN_PARENT_ID:
      if (span->presence & TK_SPAN_HAS_PARENT) {
        tk_result_hex(context, span->parent_span_id, sizeof span->parent_span_id);
      }
      break;
    case COLUMN_STATUS_MESSAGE:
      if (span->status_message.size > 0) tk_result_text(context, span->status_message);
      break;
    case COLUMN_EVENT_COUNT:
      sqlite3_result_int64(context, span->event_count);
      break;
    case COLUMN_LINK_COUNT:
      sqlite3_result_int64(context, span->link_count);
      break;
    case COLUMN_START:
      sqlite3_result_int64(context, (int64_t)start);
      break;
    case COLUMN_TRACE_ID:
      tk_result_trace_id(context, span->trace_id, span->trace_id_text);
      break;
    case COLUMN_OF_SPAN_ID:
      tk_result_hex(context, cursor->of_span_id, sizeof cursor->of_span_id);
      break;
    case COLUMN_DISTANCE:
      sqlite3_result_int64(context, cursor->distances[cursor->shown_at]);
      break;
    case COLUMN_SCHEMA:
      sqlite3_result_text(context, cursor->reader->schema, -1, SQLITE_TRANSIENT);
      break;
  }
  return SQLITE_OK;
}

static int give_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid) {
  *rowid = ((const struct tree_cursor *)base)->row;
  return SQLITE_OK;
}

int tk_register_trace_tree(sqlite3 *db) {
  static const sqlite3_module module = {.iVersion = 0,
                                        .xConnect = connect_table,
                                        .xBestIndex = plan_scan,
                                        .xDisconnect = disconnect_table,
                                        .xOpen = open_cursor,
                                        .xClose = close_cursor,
                                        .xFilter = filter_rows,
                                        .xNext = next_row,
                                        .xEof = at_end,
                                        .xColumn = give_value,
                                        .xRowid = give_rowid};
  int rc = SQLITE_OK;
  for (size_t i = 0; rc == SQLITE_OK && i < sizeof tree_kinds / sizeof tree_kinds[0]; i++) {
    /* SQLite hands the pointer back as it is; nobody writes through it. */
    union {
      const struct tree_kind *given;
      void *wanted;
    } context = {&tree_kinds[i]};
    rc = sqlite3_create_module_v2(db, tree_kinds[i].name, &module, context.wanted, NULL);
  }
  return rc;
}
