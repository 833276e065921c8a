/* SPDX-License-Identifier: MIT
 * Entry point: registers the SQL surface with a connection.
 *
 * Built into tracekeep.so, where SQLite is the host's and reached through its function table, and
 * into a static library for programs that link SQLite themselves. */
#include "tracekeep/extension.h"

#ifdef TK_LOADABLE_EXTENSION
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT1
#endif

#include "sqlext/registration.h"

#define OLDEST_SQLITE 3038000 /* the first with sqlite3_vtab_in() */

__attribute__((visibility("default"))) int sqlite3_tracekeep_init(
    sqlite3 *db, char **message_out, const struct sqlite3_api_routines *api) {
  int rc;

#ifdef TK_LOADABLE_EXTENSION
  SQLITE_EXTENSION_INIT2(api);
#else
  (void)api;
#endif
  if (sqlite3_libversion_number() < OLDEST_SQLITE) {
    if (message_out) {
      *message_out = sqlite3_mprintf("tracekeep needs SQLite 3.38 or newer; this program has %s",
                                     sqlite3_libversion());
    }
    return SQLITE_ERROR;
  }
  if ((rc = tk_register_functions(db)) != SQLITE_OK) return rc;
  if ((rc = tk_register_tables(db)) != SQLITE_OK) return rc;
  if ((rc = tk_register_spans(db)) != SQLITE_OK) return rc;
  if ((rc = tk_register_trace_tree(db)) != SQLITE_OK) return rc;
  if ((rc = tk_register_kvonce(db)) != SQLITE_OK) return rc;
  if ((rc = tk_register_quality(db)) != SQLITE_OK) return rc;
  return tk_register_sampling(db);
}
