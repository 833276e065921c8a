/* A text of SQL statements, run on a store. */
#ifndef TK_CLI_SQL_SCRIPT_H
#define TK_CLI_SQL_SCRIPT_H

#include "cli/command.h"
#include "cli/output/writer.h"

struct sqlite3;

struct tk_sql_script {
  const char *command; /**< what complaints begin with */
  const char *sql;
  const struct tk_text_list *parameters; /**< NAME=VALUE: the value of :NAME; a number if it looks
                                              like one */
  bool parameters_optional; /**< those not given are NULL. Else refused: NULL by oversight hides
                                 rows */
};

/** Complains, and returns false, if one of them is not NAME=VALUE. */
bool tk_sql_parameters_valid(const char *command, const struct tk_text_list *parameters);

/** Runs the statements in turn, writes their rows, and closes the writer. Returns an exit code,
 * having complained about what went wrong. */
int tk_sql_script_run(const struct tk_sql_script *script, struct sqlite3 *db,
                      struct tk_writer *writer);

#endif
