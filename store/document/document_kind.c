/* SPDX-License-Identifier: MIT
 * What TK_DOCUMENT_KINDS says of each kind of document, as a table. */
#include <string.h>

#include "tracekeep/document.h"

static const struct {
  const char *name;
  int is_lines;
} kinds[TK_DOCUMENT_KIND_COUNT] = {
#define TK_DOCUMENT_ROW(suffix, name, lines) {name, lines},
    TK_DOCUMENT_KINDS(TK_DOCUMENT_ROW)
#undef TK_DOCUMENT_ROW
};

const char *tk_document_kind_name(enum tk_document_kind kind) {
  return (unsigned)kind < TK_DOCUMENT_KIND_COUNT ? kinds[kind].name : "white space";
}

int tk_document_kind_is_lines(enum tk_document_kind kind) {
  return (unsigned)kind < TK_DOCUMENT_KIND_COUNT && kinds[kind].is_lines;
}

enum tk_document_kind tk_document_kind_find(const char *name) {
  int kind = 0;
  while (kind < TK_DOCUMENT_KIND_COUNT && !(name && strcmp(kinds[kind].name, name) == 0)) kind++;
  return (enum tk_document_kind)kind;
}
