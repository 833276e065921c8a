/* Whether two documents are the same, by their bytes: a hash only says which to compare. */
#ifndef TK_STORE_DOCUMENT_EQUAL_H
#define TK_STORE_DOCUMENT_EQUAL_H

#include <stdbool.h>
#include <stdint.h>

#include "store/sqlite_api.h"
#include "tracekeep/span.h"
#include "tracekeep/status.h"

/** Compares the substance of a whole document of the store (tk_document_trim) with `trimmed`. */
enum tk_status tk_document_compare_whole(sqlite3 *db, int64_t id, struct tk_text trimmed,
                                         bool *equal_out, struct tk_error *error);

/** Compares two documents of the store that are lines, part by part: both were cut at the same
 * places, unless their texts differ. */
enum tk_status tk_document_compare_lines(sqlite3 *db, int64_t left, int64_t right, bool *equal_out,
                                         struct tk_error *error);

#endif
