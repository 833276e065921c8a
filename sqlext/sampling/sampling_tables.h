/* The tables and functions of sampling/; registration.c registers them all. */
#ifndef TK_SQLEXT_SAMPLING_SAMPLING_TABLES_H
#define TK_SQLEXT_SAMPLING_SAMPLING_TABLES_H

#include "store/sqlite_api.h"

int tk_register_sampling_configs(sqlite3 *db);
int tk_register_sampling_decisions(sqlite3 *db);
int tk_register_sampling_issues(sqlite3 *db);
int tk_register_sampling_replay(sqlite3 *db);
int tk_register_weighted_functions(sqlite3 *db);
int tk_register_weighted_quantile(sqlite3 *db);

#endif
