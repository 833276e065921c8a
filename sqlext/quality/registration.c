/* SPDX-License-Identifier: MIT
 * Trace-quality rules and the instrumentation score. */
#include "sqlext/registration.h"

#include "sqlext/quality/tables.h"

int tk_register_quality(sqlite3 *db) {
  int rc = tk_register_quality_issues(db);
  if (rc == SQLITE_OK) rc = tk_register_quality_rules(db);
  return rc == SQLITE_OK ? tk_register_score(db) : rc;
}
