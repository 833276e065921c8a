/* SPDX-License-Identifier: MIT
 * Connecting and disconnecting tables that read spans. */
#include "sqlext/spans/spans_table.h"

#include <string.h>

#include "sqlext/vtab_support.h"

static int declare_table(const struct spans_table_kind *kind, sqlite3 *db,
                         struct spans_table *table, void *context, char **message_out) {
  const int limit = sqlite3_limit(db, SQLITE_LIMIT_COLUMN, -1);
  char *declaration = kind->declare(table, context, (uint32_t)limit);
  if (!declaration) return SQLITE_NOMEM;
  const int rc = sqlite3_declare_vtab(db, declaration);
  sqlite3_free(declaration);
  if (rc != SQLITE_OK) {
    *message_out = sqlite3_mprintf("%s: %s", kind->name, sqlite3_errmsg(db));
    return rc;
  }
  return sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
}

int tk_spans_table_connect(const struct spans_table_kind *kind, sqlite3 *db, void *context,
                           int argc, const char *const *argv, sqlite3_vtab **vtab_out,
                           char **message_out) {
  struct spans_table *table = sqlite3_malloc64(kind->size);
  const char *schema = tk_vtab_schema(argc, argv);
  struct tk_error error = {{0}};
  int rc = SQLITE_OK;

  if (!table) return SQLITE_NOMEM;
  memset(table, 0, kind->size);
  enum tk_status status = tk_shared_reader_acquire(db, schema, &table->reader, &error);
  if (status == TK_OK) status = tk_spans_columns_load(db, schema, &table->columns, &error);
  if (status != TK_OK) {
    rc = tk_connect_fail(message_out, status, &error);
  } else {
    rc = declare_table(kind, db, table, context, message_out);
  }
  if (rc == SQLITE_OK) {
    *vtab_out = &table->base;
  } else {
    tk_spans_table_disconnect(&table->base);
  }
  return rc;
}

int tk_spans_table_disconnect(sqlite3_vtab *vtab) {
  struct spans_table *table = (struct spans_table *)vtab;
  tk_spans_columns_reset(&table->columns);
  tk_shared_reader_release(table->reader);
  sqlite3_free(table);
  return SQLITE_OK;
}
