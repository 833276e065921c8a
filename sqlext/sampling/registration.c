/* SPDX-License-Identifier: MIT
 * Sampling: why a trace is here, and how many it stands for. */
#include "sqlext/registration.h"

int tk_register_sampling(sqlite3 *db) {
  (void)db;
  return SQLITE_OK;
}
