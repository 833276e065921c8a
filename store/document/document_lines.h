/* Documents made of lines, as they grow: what is behind struct tk_document_writer as far as
 * document_lines.c and document_writer.c share it, nobody else's business.
 *
 * Parts are filled up to a size and cut where pieces of lines meet, which depends on the input
 * alone: a part that is not full is written again by the commit that adds to it, so that the store
 * ends the same however often there were commits. */
#ifndef TK_STORE_DOCUMENT_LINES_H
#define TK_STORE_DOCUMENT_LINES_H

#include <stdbool.h>

#include "store/document/document_rows.h"
#include "store/document/document_scripts.h"
#include "store/document/document_writer.h"

struct tk_document_writer {
  sqlite3 *db;
  struct tk_document_rows *rows;
  struct tk_document_scripts *scripts;
  struct tk_document_counts counts; /* but for bytes_stored, which `rows` counts */
};

/** Takes lines up: adds them to the source's document of their kind, which begins, or is resumed,
 * with the first of them. */
enum tk_status tk_document_lines_put(struct tk_document_writer *writer,
                                     struct tk_document_source *source,
                                     const struct tk_document *document, struct tk_error *error);
/** Takes up the white space that follows the lines put last. */
enum tk_status tk_document_lines_put_space(struct tk_document_writer *writer,
                                           struct tk_document_source *source,
                                           const struct tk_document *document,
                                           struct tk_error *error);

/** Stores what was taken up of all documents of the source. `complete`: nothing follows, so that
 * one that there was already is let go of. */
enum tk_status tk_document_lines_flush(struct tk_document_writer *writer,
                                       struct tk_document_source *source, bool complete,
                                       struct tk_error *error);

/** Frees a list of them. What was taken up and not flushed is lost. */
void tk_document_lines_free(struct tk_line_document *lines);

#endif
