/* SQL functions for the scripts in store/sql/documents/, on a connection that writes. */
#ifndef TK_STORE_DOCUMENT_FUNCTIONS_H
#define TK_STORE_DOCUMENT_FUNCTIONS_H

#include <stdbool.h>

#include "store/sqlite_api.h"
#include "tracekeep/span.h"

/** Registers tk_trace_id(text): the id as the tables of spans show it, and tk_trace_of_url(text):
 * the trace id that a link into a trace viewer names, or NULL. SQLite result code. */
int tk_register_document_functions(sqlite3 *db);

/** 32 or 16 hexadecimal digits of any case: 32 in lower case, and true. Other text stays as it is:
 * false. */
bool tk_normal_trace_id(struct tk_text text, char normal[33]);

#endif
