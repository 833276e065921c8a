/* SPDX-License-Identifier: MIT
 * From an SQLite statement to a row writer. */
#include "cli/sql_result.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "cli/messages.h"

static void read_cell(sqlite3_stmt *statement, int column, struct tk_cell *cell) {
  *cell = (struct tk_cell){.type = TK_CELL_NULL};
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
      cell->type = TK_CELL_INTEGER;
      cell->integer = sqlite3_column_int64(statement, column);
      break;
    case SQLITE_FLOAT:
      cell->type = TK_CELL_REAL;
      cell->real = sqlite3_column_double(statement, column);
      break;
    case SQLITE_TEXT:
      cell->type = TK_CELL_TEXT;
      cell->text = (const char *)sqlite3_column_text(statement, column);
      cell->size = (size_t)sqlite3_column_bytes(statement, column);
      break;
    case SQLITE_BLOB:
      cell->type = TK_CELL_BLOB;
      cell->text = sqlite3_column_blob(statement, column);
      cell->size = (size_t)sqlite3_column_bytes(statement, column);
      break;
    default:
      break;
  }
}

int tk_sql_write_result(struct tk_writer *writer, sqlite3_stmt *statement) {
  int column_count = sqlite3_column_count(statement);
  if (column_count == 0) {
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
    }
    return rc;
  }
  size_t count = (size_t)column_count;
  char **names = tk_need_memory(malloc(count * sizeof *names));
  struct tk_cell *cells = tk_need_memory(malloc(count * sizeof *cells));
  int rc = sqlite3_step(statement); /* first: an error then leaves no headings behind */
  for (int i = 0; i < column_count; i++) {
    const char *name = sqlite3_column_name(statement, i);
    names[i] = tk_need_memory(name ? strdup(name) : NULL);
  }
  if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
    tk_writer_begin(writer, (const char *const *)names, count);
    for (; rc == SQLITE_ROW; rc = sqlite3_step(statement)) {
      for (int i = 0; i < column_count; i++) read_cell(statement, i, &cells[i]);
      tk_writer_row(writer, cells);
    }
    tk_writer_end(writer);
  }
  for (int i = 0; i < column_count; i++) free(names[i]);
  free(names);
  free(cells);
  return rc;
}
