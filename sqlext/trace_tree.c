/* SPDX-License-Identifier: MIT
 * trace_tree(): a trace in tree order. */
#include "sqlext/registration.h"

int tk_register_trace_tree(sqlite3 *db) {
  (void)db;
  return SQLITE_OK;
}
