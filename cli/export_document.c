/* SPDX-License-Identifier: MIT
 * Part by part, each as soon as its checksum was found right. */
#include "cli/export_document.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>

#include "cli/messages.h"
#include "cli/output/out_file.h"
#include "tracekeep/document.h"

struct writing {
  struct tk_out_file out;
  int reason; /* errno of the first failure */
};

static bool write_part(void *context, const char *text, size_t size) {
  struct writing *writing = context;
  if (tk_out_file_write(&writing->out, text, size)) return true;
  writing->reason = errno;
  return false;
}

/* Complains where the document is of no envelope. */
static bool check_kind(struct tk_store *store, const struct tk_document_export *options) {
  sqlite3 *db = tk_store_database(store);
  sqlite3_stmt *statement = NULL;
  bool fits = true;
  if (!options->must_be_envelope) return true;
  if (sqlite3_prepare_v2(db, "SELECT kind FROM tk_document WHERE id = ?1", -1, &statement, NULL) !=
      SQLITE_OK) {
    return true; /* a store without documents: reading says so */
  }
  sqlite3_bind_int64(statement, 1, options->id);
  if (sqlite3_step(statement) == SQLITE_ROW) {
    const char *kind = (const char *)sqlite3_column_text(statement, 0);
    fits = kind && strcmp(kind, "envelope") == 0;
    if (!fits) {
      tk_complain("%s: document %lld is no envelope, but a %s; --document gives it",
                  options->store_name, (long long)options->id, kind ? kind : "document");
    }
  }
  sqlite3_finalize(statement);
  return fits;
}

int tk_export_document(struct tk_store *store, const struct tk_document_export *options) {
  struct writing writing = {.reason = 0};
  struct tk_error error = {0};
  if (!check_kind(store, options)) return TK_EXIT_FINDINGS;
  if (!tk_out_file_open(&writing.out, options->file, options->zstd)) tk_need_memory(NULL);
  const enum tk_status status =
      tk_store_read_document(store, options->id, write_part, &writing, &error);
  const bool closed = tk_out_file_close(&writing.out);
  if (!closed && writing.reason == 0) writing.reason = errno;
  if (status == TK_INVALID) {
    tk_complain("%s: %s", options->store_name, error.message);
    return TK_EXIT_FINDINGS;
  }
  if (status != TK_OK) return tk_complain_status(options->store_name, status, &error);
  if (writing.reason != 0 || !closed) {
    tk_complain("%s: cannot write: %s", options->file_name, strerror(writing.reason));
    return TK_EXIT_IO;
  }
  return TK_EXIT_OK;
}
