/* SPDX-License-Identifier: MIT
 * The table `spans`: one row is a span. Its columns are in spans_columns.h.
 *
 *   spans_columns.c    columns and their declaration, attribute keys included
 *   spans_plan.c       xBestIndex: what is pushed down, as idxStr
 *   spans_arguments.c  constraints with their values; traces and rowids as ranges of rows
 *   spans_filter.c     constraints on a segment: pruning, then rows
 *   spans_values.c     values of a row, decoded when needed
 *   spans_tree.c       depth, child_count, self_time_ns, is_root
 *   spans_cursor.c, spans_order.c, spans_group.c   rows as stored, by start, and grouped
 *
 * rowid is segment id << 32 | row: stable until compaction. trace_id, span_id and parent_span_id
 * are declared COLLATE NOCASE, so that ids are found in either letter case. */
#include <string.h>

#include "sqlext/registration.h"
#include "sqlext/spans/spans_cursor.h"
#include "sqlext/vtab_support.h"

static char *declare(struct spans_table *table, void *context, uint32_t column_limit) {
  (void)context, (void)column_limit; /* the columns keep within it */
  return tk_spans_columns_declare(&table->columns);
}

static int connect_table(sqlite3 *db, void *context, int argc, const char *const *argv,
                         sqlite3_vtab **vtab_out, char **message_out) {
  static const struct spans_table_kind kind = {"spans", sizeof(struct spans_table), declare};
  return tk_spans_table_connect(&kind, db, context, argc, argv, vtab_out, message_out);
}

/* Not the same function as xConnect: the table exists only where it was created. */
static int create_table(sqlite3 *db, void *context, int argc, const char *const *argv,
                        sqlite3_vtab **vtab_out, char **message_out) {
  return connect_table(db, context, argc, argv, vtab_out, message_out);
}

static int plan_scan(sqlite3_vtab *vtab, sqlite3_index_info *info) {
  struct spans_table *table = (struct spans_table *)vtab;
  struct spans_statistics statistics = {.segments = table->reader->segments,
                                        .segment_count = table->reader->segment_count};

  for (uint32_t i = 0; i < table->reader->segment_count; i++) {
    statistics.spans += table->reader->segments[i].span_count;
    statistics.traces += table->reader->segments[i].trace_count;
  }
  return tk_spans_plan(info, &table->columns, &statistics);
}

static int open_cursor(sqlite3_vtab *vtab, sqlite3_vtab_cursor **cursor_out) {
  struct spans_cursor *cursor = sqlite3_malloc64(sizeof *cursor);
  (void)vtab;
  if (!cursor) return SQLITE_NOMEM;
  memset(cursor, 0, sizeof *cursor);
  *cursor_out = &cursor->base;
  return SQLITE_OK;
}

static int close_cursor(sqlite3_vtab_cursor *base) {
  struct spans_cursor *cursor = (struct spans_cursor *)base;
  tk_spans_cursor_reset(cursor);
  sqlite3_free(cursor);
  return SQLITE_OK;
}

static int filter_rows(sqlite3_vtab_cursor *base, int plan_number, const char *plan_text, int argc,
                       sqlite3_value **argv) {
  struct tk_error error = {{0}};
  (void)plan_number;
  (void)argc;
  return tk_vtab_fail(base->pVtab,
                      tk_spans_cursor_filter((struct spans_cursor *)base, plan_text, argv, &error),
                      &error);
}

static int next_row(sqlite3_vtab_cursor *base) {
  struct tk_error error;
  enum tk_status status = tk_spans_cursor_next((struct spans_cursor *)base, &error);
  return status == TK_OK ? SQLITE_OK : tk_vtab_fail(base->pVtab, status, &error);
}

static int at_end(sqlite3_vtab_cursor *base) {
  return ((struct spans_cursor *)base)->current == NULL;
}

static int give_value(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
  struct tk_error error;
  struct tk_sql_value value = {.type = TK_SQL_NULL};
  enum tk_status status =
      tk_spans_cursor_value((struct spans_cursor *)base, (uint32_t)column, &value, &error);

  if (status != TK_OK) return tk_vtab_fail(base->pVtab, status, &error);
  tk_result_sql_value(context, &value);
  return SQLITE_OK;
}

/* SQLite does not count the rowid among the columns that a query looks at. So where one row of all
 * that are equal in these was enough, it no longer is: the others come, too, from here on. */
static int give_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid) {
  struct spans_cursor *cursor = (struct spans_cursor *)base;
  if (cursor->plan.distinct) {
    struct tk_error error = {{0}};
    enum tk_status status = TK_OK;
    cursor->plan.distinct = false;
    if (cursor->groups) status = tk_spans_groups_keep_all(cursor, &error);
    if (status != TK_OK) return tk_vtab_fail(base->pVtab, status, &error);
  }
  *rowid = (sqlite3_int64)((uint64_t)cursor->current->id << 32 | cursor->row);
  return SQLITE_OK;
}

int tk_register_spans(sqlite3 *db) {
  static const sqlite3_module module = {.iVersion = 0,
                                        .xCreate = create_table,
                                        .xConnect = connect_table,
                                        .xBestIndex = plan_scan,
                                        .xDisconnect = tk_spans_table_disconnect,
                                        .xDestroy = tk_spans_table_disconnect,
                                        .xOpen = open_cursor,
                                        .xClose = close_cursor,
                                        .xFilter = filter_rows,
                                        .xNext = next_row,
                                        .xEof = at_end,
                                        .xColumn = give_value,
                                        .xRowid = give_rowid};
  return sqlite3_create_module_v2(db, "tracekeep_spans", &module, NULL, NULL);
}
