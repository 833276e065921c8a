/* Tables that read spans by the columns of `spans`: `spans` itself, and those made from it. */
#ifndef TK_SQLEXT_SPANS_TABLE_H
#define TK_SQLEXT_SPANS_TABLE_H

#include "sqlext/spans/spans_columns.h"
#include "store/segment/segment.h"
#include "store/sqlite_api.h"

/** First member of such a table's own struct. */
struct spans_table {
  sqlite3_vtab base;
  struct tk_reader *reader; /**< shared by all tables of the connection */
  struct spans_columns columns;
};

/** What tells one such table from another. */
struct spans_table_kind {
  const char *name; /**< what an error begins with */
  size_t size;      /**< of the table's own struct */
  /** The table as CREATE TABLE, freed with sqlite3_free; NULL: out of memory. Called when the
   * reader and the columns are there, and may fill the rest of the struct, which is zero. `context`
   * is xConnect's; a row of the table may have `column_limit` columns. */
  char *(*declare)(struct spans_table *table, void *context, uint32_t column_limit);
};

/** xConnect, but for the kind. */
int tk_spans_table_connect(const struct spans_table_kind *kind, sqlite3 *db, void *context,
                           int argc, const char *const *argv, sqlite3_vtab **vtab_out,
                           char **message_out);
/** xDisconnect and xDestroy. */
int tk_spans_table_disconnect(sqlite3_vtab *vtab);

#endif
