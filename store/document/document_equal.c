/* SPDX-License-Identifier: MIT
 * Reads what is stored and compares. A whole document is read at once, which its size allows; lines
 * may be of any length, and no more than a part of each is held. */
#include "store/document/document_equal.h"

#include <string.h>

#include "store/document/document.h"

enum tk_status tk_document_compare_whole(sqlite3 *db, int64_t id, struct tk_text trimmed,
                                         bool *equal_out, struct tk_error *error) {
  char *text = NULL;
  size_t size = 0;
  *equal_out = false;
  const enum tk_status status =
      tk_document_read(db, "main", id, TK_DOCUMENT_PART_LIMIT, &text, &size, error);
  if (status != TK_OK) return status;
  const struct tk_text other = tk_document_trim(text, size);
  *equal_out = other.size == trimmed.size && memcmp(other.data, trimmed.data, other.size) == 0;
  sqlite3_free(text);
  return TK_OK;
}

enum tk_status tk_document_compare_lines(sqlite3 *db, int64_t left, int64_t right, bool *equal_out,
                                         struct tk_error *error) {
  struct tk_document_reader *readers[2] = {NULL, NULL};
  const struct tk_document_part *parts[2] = {NULL, NULL};
  const int64_t ids[2] = {left, right};
  enum tk_status status = TK_OK;
  *equal_out = true;
  for (int i = 0; i < 2 && status == TK_OK; i++) {
    status = tk_document_reader_open(db, "main", ids[i], &readers[i], error);
  }
  while (status == TK_OK && *equal_out) {
    for (int i = 0; i < 2 && status == TK_OK; i++) {
      status = tk_document_reader_next(readers[i], &parts[i], error);
    }
    if (status != TK_OK || (!parts[0] && !parts[1])) break;
    *equal_out = parts[0] && parts[1] && parts[0]->size == parts[1]->size &&
                 memcmp(parts[0]->text, parts[1]->text, parts[0]->size) == 0;
  }
  tk_document_reader_close(readers[0]);
  tk_document_reader_close(readers[1]);
  return status;
}
