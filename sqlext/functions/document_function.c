/* SPDX-License-Identifier: MIT
 * document(id): the text of a stored document of the main database, as it was read. And
 * unpack_document(data, size): a part of one, which is what views use, so that they read the
 * database they are in. */
#include "sqlext/functions/functions.h"
#include "store/codec/compression.h"
#include "store/document/document.h"

static void report(sqlite3_context *context, enum tk_status status, const struct tk_error *error) {
  if (status == TK_NOMEM) {
    sqlite3_result_error_nomem(context);
  } else {
    sqlite3_result_error(context, error->message, -1);
  }
}

static void document(sqlite3_context *context, int argc, sqlite3_value **argv) {
  struct tk_error error = {{0}};
  char *text = NULL;
  size_t size = 0;
  (void)argc;
  if (sqlite3_value_type(argv[0]) == SQLITE_NULL) return;
  sqlite3 *db = sqlite3_context_db_handle(context);
  const int longest = sqlite3_limit(db, SQLITE_LIMIT_LENGTH, -1);
  const enum tk_status status = tk_document_read(db, "main", sqlite3_value_int64(argv[0]),
                                                 (size_t)longest, &text, &size, &error);
  if (status != TK_OK) {
    report(context, status, &error);
  } else if (size == 0) { /* there is no such document: none is empty */
    sqlite3_free(text);
  } else {
    sqlite3_result_text64(context, text, size, sqlite3_free, SQLITE_UTF8);
  }
}

static void unpack_document(sqlite3_context *context, int argc, sqlite3_value **argv) {
  struct tk_byte_reader data;
  const sqlite3_int64 size = sqlite3_value_int64(argv[1]);
  (void)argc;
  if (sqlite3_value_type(argv[0]) != SQLITE_BLOB) return;
  if (size < 0 || (uint64_t)size > TK_DOCUMENT_PART_LIMIT) {
    sqlite3_result_error(context, "unpack_document: the size is out of range", -1);
    return;
  }
  char *text = sqlite3_malloc64((sqlite3_uint64)size + 1);
  if (!text) {
    sqlite3_result_error_nomem(context);
    return;
  }
  tk_byte_reader_init(&data, sqlite3_value_blob(argv[0]), (size_t)sqlite3_value_bytes(argv[0]));
  const enum tk_status status = tk_unpack_bytes(&data, (uint8_t *)text, (size_t)size, NULL);
  if (status == TK_OK && tk_byte_reader_finished(&data)) {
    sqlite3_result_text64(context, text, (sqlite3_uint64)size, sqlite3_free, SQLITE_UTF8);
    return;
  }
  sqlite3_free(text);
  if (status == TK_NOMEM) {
    sqlite3_result_error_nomem(context);
  } else {
    sqlite3_result_error(context, "unpack_document: the part cannot be unpacked", -1);
  }
}

int tk_register_document_function(sqlite3 *db) {
  const int flags = SQLITE_UTF8 | SQLITE_INNOCUOUS;
  const int rc = sqlite3_create_function(db, "document", 1, flags, NULL, document, NULL, NULL);
  if (rc != SQLITE_OK) return rc;
  return sqlite3_create_function(db, "unpack_document", 2, flags | SQLITE_DETERMINISTIC, NULL,
                                 unpack_document, NULL, NULL);
}
