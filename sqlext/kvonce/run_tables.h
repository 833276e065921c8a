/* The families of tables over the events of runs; registration.c registers them all. */
#ifndef TK_SQLEXT_KVONCE_RUN_TABLES_H
#define TK_SQLEXT_KVONCE_RUN_TABLES_H

#include "store/sqlite_api.h"

int tk_register_kvonce_events(sqlite3 *db);
int tk_register_kvonce_functions(sqlite3 *db);
int tk_register_inventory_functions(sqlite3 *db); /* and those of observability events */
int tk_register_kvonce_issues(sqlite3 *db);

#endif
