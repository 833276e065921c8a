/* SPDX-License-Identifier: MIT
 * Registers the tables but `spans`. */
#include "sqlext/tables/tables.h"

#include <stddef.h>

#include "sqlext/registration.h"

int tk_register_tables(sqlite3 *db) {
  static int (*const registrations[])(sqlite3 *) = {
      tk_register_dictionaries,  tk_register_attribute_keys,
      tk_register_segments,      tk_register_traces,
      tk_register_items,         tk_register_attributes,
      tk_register_span_metrics,  tk_register_latency_histogram,
      tk_register_service_graph, tk_register_span_relations,
  };
  int rc = SQLITE_OK;
  for (size_t i = 0; rc == SQLITE_OK && i < sizeof registrations / sizeof registrations[0]; i++) {
    rc = registrations[i](db);
  }
  return rc;
}
