/* How the program speaks of failure: to stderr, and by its exit code. */
#ifndef TK_CLI_MESSAGES_H
#define TK_CLI_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/exit_codes.h"
#include "tracekeep/status.h"

struct sqlite3;

/** One line on stderr: `tracekeep: ...`. Clears a progress bar that is in the way. Control
 * characters of what is quoted are shown as escapes. */
void tk_complain(const char *format, ...) TK_PRINTF(1, 2);

/** Whether tk_complain was called. */
bool tk_has_complained(void);

/** The exit code of a failure of the library. */
int tk_exit_code_of(enum tk_status status);
/** Complains with the error's text, after `what` (a file, usually), and gives the exit code. */
int tk_complain_status(const char *what, enum tk_status status, const struct tk_error *error);
/** The same for a failure of SQLite on `db`. */
int tk_complain_sqlite(const char *what, struct sqlite3 *db, int rc);

/** Gives `memory` back, or says that there is none and ends the program. For a program this is the
 * right answer: stores survive being left at any instant. */
void *tk_need_memory(void *memory);

#endif
