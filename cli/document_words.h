/* What is in a document, in a few words. */
#ifndef TK_CLI_DOCUMENT_WORDS_H
#define TK_CLI_DOCUMENT_WORDS_H

#include <stddef.h>

#include "tracekeep/document.h"

/** Writes to `out`, always ended by NUL; empty where there is nothing to say. */
void tk_document_words(const struct tk_document *document, char *out, size_t room);

#endif
