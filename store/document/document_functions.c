/* SPDX-License-Identifier: MIT
 * Trace ids as they stand in documents and in the links of trace viewers. */
#include "store/document/document_functions.h"
#include "tracekeep/json.h"

#include <string.h>

bool tk_normal_trace_id(struct tk_text text, char normal[33]) {
  static const char digits[] = "0123456789abcdef";
  if (text.size != 32 && text.size != 16) return false;
  memset(normal, '0', 32);
  normal[32] = '\0';
  for (uint32_t i = 0; i < text.size; i++) {
    const int value = tk_hex_digit(text.data[i]);
    if (value < 0) return false;
    normal[32 - text.size + i] = digits[value];
  }
  return true;
}

static void trace_id(sqlite3_context *context, int argc, sqlite3_value **argv) {
  char normal[33];
  (void)argc;
  if (sqlite3_value_type(argv[0]) != SQLITE_TEXT) return;
  const char *data = (const char *)sqlite3_value_text(argv[0]);
  if (!data) {
    sqlite3_result_error_nomem(context);
    return;
  }
  const struct tk_text text = {data, (uint32_t)sqlite3_value_bytes(argv[0])};
  if (tk_normal_trace_id(text, normal)) {
    sqlite3_result_text(context, normal, 32, SQLITE_TRANSIENT);
  } else {
    sqlite3_result_value(context, argv[0]);
  }
}

/* Behind `name=` as a parameter of the URL, or behind `/name/`; NULL: it has none. */
static const char *find_after(const char *url, const char *name, const char *before, char after) {
  const size_t size = strlen(name);
  for (const char *at = url + 1; *at; at++) {
    if (strchr(before, at[-1]) && sqlite3_strnicmp(at, name, (int)size) == 0 && at[size] == after) {
      return at + size + 1;
    }
  }
  return NULL;
}

static void trace_of_url(sqlite3_context *context, int argc, sqlite3_value **argv) {
  static const char *const parameters[] = {"traceId", "trace_id", "trace-id"};
  static const char *const folders[] = {"trace", "traces"};
  const char *url = (const char *)sqlite3_value_text(argv[0]);
  const char *id = NULL;
  (void)argc;
  if (!url || !*url) return;
  for (size_t i = 0; i < sizeof parameters / sizeof parameters[0] && !id; i++) {
    id = find_after(url, parameters[i], "?&#;", '=');
  }
  for (size_t i = 0; i < sizeof folders / sizeof folders[0] && !id; i++) {
    id = find_after(url, folders[i], "/", '/');
  }
  const size_t size = id ? strcspn(id, "&#;?/") : 0;
  if (size == 0) return;
  char *decoded = sqlite3_malloc64(size + 1);
  size_t length = 0;
  if (!decoded) {
    sqlite3_result_error_nomem(context);
    return;
  }
  for (size_t i = 0; i < size; i++) {
    const int high = id[i] == '%' && size - i > 2 ? tk_hex_digit(id[i + 1]) : -1;
    const int low = high >= 0 ? tk_hex_digit(id[i + 2]) : -1;
    decoded[length++] = low >= 0 ? (char)(high * 16 + low) : id[i];
    if (low >= 0) i += 2;
  }
  sqlite3_result_text(context, decoded, (int)length, sqlite3_free);
}

int tk_register_document_functions(sqlite3 *db) {
  const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
  const int rc = sqlite3_create_function(db, "tk_trace_id", 1, flags, NULL, trace_id, NULL, NULL);
  if (rc != SQLITE_OK) return rc;
  return sqlite3_create_function(db, "tk_trace_of_url", 1, flags, NULL, trace_of_url, NULL, NULL);
}
