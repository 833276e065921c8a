/* Rows of a statement, written out. */
#ifndef TK_CLI_SQL_RESULT_H
#define TK_CLI_SQL_RESULT_H

#include "cli/output/writer.h"

struct sqlite3_stmt;

/** Runs `statement` to its end and writes its rows, if it has columns. SQLITE_DONE, or what went
 * wrong; then the rows before it were written. */
int tk_sql_write_result(struct tk_writer *writer, struct sqlite3_stmt *statement);

#endif
