/* The part of tk_store_check that reads documents. */
#ifndef TK_STORE_CHECK_DOCUMENTS_H
#define TK_STORE_CHECK_DOCUMENTS_H

#include <stdint.h>

#include "store/sqlite_api.h"
#include "tracekeep/store.h"

/** Reports every fault; a store without documents has none. *count_out: documents that were read.
 * A failure is one of memory or of a lock. */
enum tk_status tk_check_documents(sqlite3 *db, tk_check_report *report, void *context,
                                  uint64_t *count_out, struct tk_error *error);

#endif
