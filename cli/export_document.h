/* Giving a document back: the part of `export` for what is not spans. */
#ifndef TK_CLI_EXPORT_DOCUMENT_H
#define TK_CLI_EXPORT_DOCUMENT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "tracekeep/store.h"

struct tk_document_export {
  int64_t id;
  bool must_be_envelope;
  bool zstd;
  FILE *file;             /**< open, and stays the caller's */
  const char *file_name;  /**< for messages */
  const char *store_name; /**< likewise */
};

/** Writes exactly the bytes that came in. An exit code; complains. */
int tk_export_document(struct tk_store *store, const struct tk_document_export *options);

#endif
