/* SPDX-License-Identifier: MIT
 * Registers the scalar and aggregate functions. */
#include "sqlext/functions/functions.h"

#include "sqlext/registration.h"

int tk_register_functions(sqlite3 *db) {
  int rc = tk_register_time_functions(db);
  if (rc == SQLITE_OK) rc = tk_register_attr_function(db);
  if (rc == SQLITE_OK) rc = tk_register_quantile_functions(db);
  if (rc == SQLITE_OK) rc = tk_register_document_function(db);
  return rc;
}
