/* SPDX-License-Identifier: MIT
 * Sampling: why a trace is here, and how many it stands for. */
#include "sqlext/registration.h"

#include <stddef.h>

#include "sqlext/sampling/sampling_tables.h"

int tk_register_sampling(sqlite3 *db) {
  static int (*const registrations[])(sqlite3 *) = {
      tk_register_sampling_configs, tk_register_sampling_decisions, tk_register_sampling_issues,
      tk_register_sampling_replay,  tk_register_weighted_functions, tk_register_weighted_quantile,
  };
  int rc = SQLITE_OK;
  for (size_t i = 0; rc == SQLITE_OK && i < sizeof registrations / sizeof registrations[0]; i++) {
    rc = registrations[i](db);
  }
  return rc;
}
