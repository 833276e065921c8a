/* The tables of this folder: registration.c calls these. Each returns an SQLite result code. */
#ifndef TK_SQLEXT_QUALITY_TABLES_H
#define TK_SQLEXT_QUALITY_TABLES_H

#include "store/sqlite_api.h"

int tk_register_quality_issues(sqlite3 *db); /* tracekeep_quality_issues */
int tk_register_quality_rules(sqlite3 *db);  /* tracekeep_quality_rules */
int tk_register_score(sqlite3 *db);          /* tracekeep_instrumentation_score */

#endif
