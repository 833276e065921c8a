/* Writing documents (tk_document): their bytes, and the rows that follow from what they say. All of
 * it happens inside a transaction of the catalog.
 *
 * Of a source, what is lines of one kind becomes one document, however many batches and commits
 * bring it; a whole document is a document, kept once by its content. */
#ifndef TK_STORE_DOCUMENT_WRITER_H
#define TK_STORE_DOCUMENT_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "store/sqlite_api.h"
#include "tracekeep/document.h"
#include "tracekeep/status.h"

struct tk_document_writer;
struct tk_line_document;

/** What documents of a source have in common. Zero-initialise. */
struct tk_document_source {
  int64_t ingest_id; /**< of its row in tk_ingest */
  const char *path;
  const char *run_id; /**< of documents that do not name one; NULL: none */
  const char *found;  /**< JSON: what was found of the files an envelope names; NULL: {} */
  uint8_t sha256[32]; /**< of all of its bytes, if has_sha256 */
  bool has_sha256;
  bool continued;     /**< some of it was ingested before */
  bool resumed;       /**< its lines from before have been looked up */
  uint64_t head_hash; /**< of the beginning of its bytes, as in its row in tk_ingest */
  uint64_t begin_offset, begin_hash; /**< of its bytes that were ingested before */
  struct tk_line_document *lines;    /**< of each kind, the one that grows */
};

/** What documents came to. */
struct tk_document_counts {
  uint64_t documents_new, documents_duplicate;
  uint64_t records; /* of documents that are lines: those that are new */
  uint64_t bytes_stored;
};

enum tk_status tk_document_writer_open(sqlite3 *db, struct tk_document_writer **writer_out,
                                       struct tk_error *error);
void tk_document_writer_close(struct tk_document_writer *writer);

/** Stores a whole document, or takes lines up for the next flush. */
enum tk_status tk_document_writer_put(struct tk_document_writer *writer,
                                      struct tk_document_source *source,
                                      const struct tk_document *document, struct tk_error *error);
/** Before each commit: stores what was taken up. `complete`: nothing follows. */
enum tk_status tk_document_writer_flush(struct tk_document_writer *writer,
                                        struct tk_document_source *source, bool complete,
                                        struct tk_error *error);
/** Whether documents of this ingest, which names none, are not yet known to be of the run. Reads;
 * needs no transaction. */
enum tk_status tk_document_writer_lacks_run(struct tk_document_writer *writer, int64_t ingest_id,
                                            const char *run_id, bool *lacks,
                                            struct tk_error *error);
void tk_document_source_reset(struct tk_document_source *source);

void tk_document_writer_counts(const struct tk_document_writer *writer,
                               struct tk_document_counts *counts_out);

#endif
