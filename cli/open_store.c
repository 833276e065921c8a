/* SPDX-License-Identifier: MIT
 * Opens stores, with the extension that is linked into the program. */
#include "cli/open_store.h"

#include <sqlite3.h>

#include "cli/messages.h"
#include "tracekeep/extension.h"

int tk_open_store_for_reading(const char *path, struct tk_store **store_out) {
  struct tk_error error = {0};
  struct tk_store *store = NULL;
  *store_out = NULL;
  enum tk_status status = tk_store_open(path, TK_OPEN_READ, &store, &error);
  if (status != TK_OK) return tk_complain_status(path, status, &error);

  char *message = NULL;
  int rc = sqlite3_tracekeep_init(tk_store_database(store), &message, NULL);
  if (rc != SQLITE_OK) {
    tk_complain("%s: SQL functions: %s", path, message ? message : sqlite3_errstr(rc));
    sqlite3_free(message);
    tk_store_close(store);
    return TK_EXIT_IO;
  }
  *store_out = store;
  return TK_EXIT_OK;
}
