/* SPDX-License-Identifier: MIT
 * Trace-quality rules and the instrumentation score. */
#include "sqlext/registration.h"

int tk_register_quality(sqlite3 *db) {
  (void)db;
  return SQLITE_OK;
}
