/* SPDX-License-Identifier: MIT
 * Runs: KvOnce, inventory and observability events, and what is recomputed from them. */
#include "sqlext/registration.h"

#include "sqlext/kvonce/run_tables.h"

int tk_register_kvonce(sqlite3 *db) {
  int rc;
  if ((rc = tk_register_kvonce_events(db)) != SQLITE_OK) return rc;
  if ((rc = tk_register_kvonce_functions(db)) != SQLITE_OK) return rc;
  if ((rc = tk_register_inventory_functions(db)) != SQLITE_OK) return rc;
  return tk_register_kvonce_issues(db);
}
