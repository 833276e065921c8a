/* The families of SQL functions; functions.c registers them all. */
#ifndef TK_SQLEXT_FUNCTIONS_H
#define TK_SQLEXT_FUNCTIONS_H

#include "store/sqlite_api.h"

int tk_register_time_functions(sqlite3 *db);
int tk_register_attr_function(sqlite3 *db);
int tk_register_quantile_functions(sqlite3 *db);
int tk_register_document_function(sqlite3 *db);

#endif
