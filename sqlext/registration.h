/* Who registers what: extension.c calls these, one for each family of the SQL surface. */
#ifndef TK_SQLEXT_REGISTRATION_H
#define TK_SQLEXT_REGISTRATION_H

#include "store/sqlite_api.h"

/* Each returns an SQLite result code. What was registered before a failure stays registered. */

int tk_register_functions(sqlite3 *db); /* scalar and aggregate functions */
int tk_register_tables(sqlite3 *db);    /* all tables and table-valued functions but the next two */
int tk_register_spans(sqlite3 *db);     /* tracekeep_spans */
int tk_register_trace_tree(sqlite3 *db); /* trace_tree(), ancestors(), descendants() */
int tk_register_kvonce(sqlite3 *db);   /* kvonce/: events of runs, and what follows from them */
int tk_register_quality(sqlite3 *db);  /* quality/: trace-quality rules */
int tk_register_sampling(sqlite3 *db); /* sampling/: decisions, weights, replay */

#endif
