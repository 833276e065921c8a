/* SPDX-License-Identifier: MIT
 * service_graph(mode, since, until): which services call which.
 *
 *     SELECT client, server, calls, failed, server_p95_ns FROM service_graph()
 *
 * CREATE TABLE service_graph(client, server, connection_type, calls, failed, server_p50_ns,
 *   server_p95_ns, server_p99_ns, client_p50_ns, client_p95_ns, client_p99_ns,
 *   mode HIDDEN, since HIDDEN, until HIDDEN)
 *
 * mode 'parent_child' (the default): a call is a span whose parent is in another service. mode
 * 'pairs': a call is a client span with its server span; see service_graph.h. since and until are
 * times in nanoseconds: calls whose receiving span starts in [since, until).
 * idxNum: bits, which arguments are given; 8 if quantiles are read. SQLite evaluates what else is
 * asked. */
#include <math.h>
#include <string.h>

#include "sqlext/metrics/service_graph.h"
#include "sqlext/spans/spans_table.h"
#include "sqlext/tables/tables.h"
#include "sqlext/vtab_support.h"

enum column {
  COLUMN_CLIENT,
  COLUMN_SERVER,
  COLUMN_TYPE,
  COLUMN_CALLS,
  COLUMN_FAILED,
  COLUMN_SERVER_P50,
  COLUMN_CLIENT_P50 = COLUMN_SERVER_P50 + TK_EDGE_QUANTILES,
  COLUMN_MODE = COLUMN_CLIENT_P50 + TK_EDGE_QUANTILES,
  COLUMN_SINCE,
  COLUMN_UNTIL
};

static const char declaration[] =
    "CREATE TABLE x(client TEXT, server TEXT, connection_type TEXT, calls INTEGER, failed INTEGER,"
    " server_p50_ns REAL, server_p95_ns REAL, server_p99_ns REAL,"
    " client_p50_ns REAL, client_p95_ns REAL, client_p99_ns REAL,"
    " mode HIDDEN, since HIDDEN, until HIDDEN)";

#define ARGUMENTS 3
#define WANTS_QUANTILES (1 << ARGUMENTS)

struct graph_cursor {
  sqlite3_vtab_cursor base;
  struct tk_service_graph graph;
  sqlite3_value *arguments[ARGUMENTS];
  uint32_t row;
};

/* ---- the table ---- */

static char *declare(struct spans_table *table, void *context, uint32_t column_limit) {
  (void)table, (void)context, (void)column_limit;
  return sqlite3_mprintf("%s", declaration);
}

static int connect_table(sqlite3 *db, void *context, int argc, const char *const *argv,
                         sqlite3_vtab **vtab_out, char **message_out) {
  static const struct spans_table_kind kind = {"service_graph", sizeof(struct spans_table),
                                               declare};
  return tk_spans_table_connect(&kind, db, context, argc, argv, vtab_out, message_out);
}

/* Not the same function as xConnect: the table exists only where it was created. */
static int create_table(sqlite3 *db, void *context, int argc, const char *const *argv,
                        sqlite3_vtab **vtab_out, char **message_out) {
  return connect_table(db, context, argc, argv, vtab_out, message_out);
}

static int plan_scan(sqlite3_vtab *vtab, sqlite3_index_info *info) {
  const struct spans_table *table = (const struct spans_table *)vtab;
  sqlite3_uint64 quantile_columns = (((sqlite3_uint64)1 << 2 * TK_EDGE_QUANTILES) - 1)
                                    << COLUMN_SERVER_P50;
  int count = 0;
  double spans = 0;

  info->idxNum = info->colUsed & quantile_columns ? WANTS_QUANTILES : 0;
  for (int argument = 0; argument < ARGUMENTS; argument++) {
    for (int i = 0; i < info->nConstraint; i++) {
      if (info->aConstraint[i].iColumn != COLUMN_MODE + argument ||
          info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ || info->idxNum >> argument & 1) {
        continue;
      }
      if (!info->aConstraint[i].usable) return SQLITE_CONSTRAINT;
      info->idxNum |= 1 << argument;
      info->aConstraintUsage[i].argvIndex = ++count;
      info->aConstraintUsage[i].omit = 1;
    }
  }
  for (uint32_t i = 0; i < table->reader->segment_count; i++) {
    spans += table->reader->segments[i].span_count;
  }
  info->estimatedCost = 1000 + spans / 10;
  info->estimatedRows = 100;
  return SQLITE_OK;
}

/* ---- arguments ---- */

static enum tk_status read_mode(sqlite3_value *value, bool *by_pairs, struct tk_error *error) {
  const char *mode = value && sqlite3_value_type(value) != SQLITE_NULL
                         ? (const char *)sqlite3_value_text(value)
                         : "parent_child";
  if (!mode) return tk_nomem(error);
  *by_pairs = sqlite3_stricmp(mode, "pairs") == 0;
  if (*by_pairs || sqlite3_stricmp(mode, "parent_child") == 0) return TK_OK;
  return tk_fail(error, TK_INVALID,
                 "service_graph: expected mode 'parent_child' or 'pairs', found '%s'", mode);
}

static enum tk_status read_time(sqlite3_value *value, const char *name, uint64_t *time,
                                struct tk_error *error) {
  if (!value || sqlite3_value_type(value) == SQLITE_NULL) return TK_OK;
  if (sqlite3_value_numeric_type(value) != SQLITE_INTEGER) {
    return tk_fail(error, TK_INVALID,
                   "service_graph: %s: expected nanoseconds, for example parse_time('-1h')", name);
  }
  sqlite3_int64 ns = sqlite3_value_int64(value);
  *time = ns < 0 ? 0 : (uint64_t)ns;
  return TK_OK;
}

static void forget(struct graph_cursor *cursor) {
  tk_service_graph_reset(&cursor->graph);
  cursor->row = 0;
  for (int i = 0; i < ARGUMENTS; i++) {
    sqlite3_value_free(cursor->arguments[i]);
    cursor->arguments[i] = NULL;
  }
}

static enum tk_status draw(struct graph_cursor *cursor, int plan, sqlite3_value **values,
                           struct tk_error *error) {
  struct spans_table *table = (struct spans_table *)cursor->base.pVtab;
  struct tk_service_graph_options options = {.wants_quantiles = plan & WANTS_QUANTILES,
                                             .until = UINT64_MAX};
  enum tk_status status;

  for (int i = 0, at = 0; i < ARGUMENTS; i++) {
    if (!(plan >> i & 1)) continue;
    cursor->arguments[i] = sqlite3_value_dup(values[at++]);
    if (!cursor->arguments[i]) return tk_nomem(error);
  }
  if ((status = read_mode(cursor->arguments[0], &options.by_pairs, error)) != TK_OK ||
      (status = read_time(cursor->arguments[1], "since", &options.since, error)) != TK_OK ||
      (status = read_time(cursor->arguments[2], "until", &options.until, error)) != TK_OK ||
      (status = tk_reader_refresh(table->reader, error)) != TK_OK) {
    return status;
  }
  return tk_service_graph_draw(&cursor->graph, table->reader, &table->columns, &options, error);
}

/* ---- the cursor ---- */

static int open_cursor(sqlite3_vtab *vtab, sqlite3_vtab_cursor **cursor_out) {
  struct graph_cursor *cursor = sqlite3_malloc64(sizeof *cursor);
  (void)vtab;
  if (!cursor) return SQLITE_NOMEM;
  memset(cursor, 0, sizeof *cursor);
  *cursor_out = &cursor->base;
  return SQLITE_OK;
}

static int close_cursor(sqlite3_vtab_cursor *base) {
  forget((struct graph_cursor *)base);
  sqlite3_free(base);
  return SQLITE_OK;
}

static int filter_rows(sqlite3_vtab_cursor *base, int plan_number, const char *plan_text, int argc,
                       sqlite3_value **argv) {
  struct graph_cursor *cursor = (struct graph_cursor *)base;
  struct tk_error error = {{0}};
  (void)plan_text, (void)argc;
  forget(cursor);
  return tk_vtab_fail(base->pVtab, draw(cursor, plan_number, argv, &error), &error);
}

static int next_row(sqlite3_vtab_cursor *base) {
  ((struct graph_cursor *)base)->row++;
  return SQLITE_OK;
}

static int at_end(sqlite3_vtab_cursor *base) {
  const struct graph_cursor *cursor = (const struct graph_cursor *)base;
  return cursor->row >= cursor->graph.edge_count;
}

static void give_name(sqlite3_context *context, const struct tk_service_graph *graph,
                      uint32_t number) {
  if (number != TK_NO_NODE) tk_result_text(context, graph->names.items[number]);
}

static int give_value(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
  static const char *const types[] = {"", "messaging_system", "database", "virtual_node",
                                      "unpaired"};
  const struct graph_cursor *cursor = (const struct graph_cursor *)base;
  const struct tk_service_graph *graph = &cursor->graph;
  const struct tk_edge *edge = &graph->edges[cursor->row];
  size_t first = (size_t)cursor->row * TK_EDGE_QUANTILES;

  if (column == COLUMN_CLIENT) {
    give_name(context, graph, edge->client);
  } else if (column == COLUMN_SERVER) {
    give_name(context, graph, edge->server);
  } else if (column == COLUMN_TYPE) {
    sqlite3_result_text(context, types[edge->type], -1, SQLITE_STATIC);
  } else if (column == COLUMN_CALLS) {
    sqlite3_result_int64(context, (sqlite3_int64)edge->calls);
  } else if (column == COLUMN_FAILED) {
    sqlite3_result_int64(context, (sqlite3_int64)edge->failed);
  } else if (column >= COLUMN_MODE) {
    sqlite3_value *argument = cursor->arguments[column - COLUMN_MODE];
    if (argument) sqlite3_result_value(context, argument);
  } else if (column >= COLUMN_CLIENT_P50) {
    sqlite3_result_double(
        context,
        graph->client_quantiles[first + (size_t)column - COLUMN_CLIENT_P50]); /* NaN: NULL */
  } else {
    sqlite3_result_double(context,
                          graph->server_quantiles[first + (size_t)column - COLUMN_SERVER_P50]);
  }
  return SQLITE_OK;
}

static int give_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid) {
  *rowid = (sqlite3_int64)((const struct graph_cursor *)base)->row + 1;
  return SQLITE_OK;
}

int tk_register_service_graph(sqlite3 *db) {
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
  return sqlite3_create_module_v2(db, "tracekeep_service_graph", &module, NULL, NULL);
}
