/* SPDX-License-Identifier: MIT
 * Runs: KvOnce and inventory events, and what is recomputed from them. */
#include "sqlext/registration.h"

int tk_register_kvonce(sqlite3 *db) {
  (void)db;
  return SQLITE_OK;
}
