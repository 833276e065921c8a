/* Documents of a store (tk_document): reading their bytes back.
 *
 * A document is kept in parts, each small enough to be decoded on its own; kinds made of lines
 * (events, recorded decisions) are cut between lines, so that a reader of records goes part by
 * part. What is stored is untrusted: every size is checked before it is believed. */
#ifndef TK_STORE_DOCUMENT_H
#define TK_STORE_DOCUMENT_H

#include <stddef.h>
#include <stdint.h>

#include "store/sqlite_api.h"
#include "tracekeep/document.h"
#include "tracekeep/status.h"

/** Longest part, in bytes before compression, that a reader accepts. */
#define TK_DOCUMENT_PART_LIMIT ((size_t)64 << 20)

/** One part, decoded. The memory belongs to the reader and is good until its next call. */
struct tk_document_part {
  const char *text; /**< not terminated; lines end with LF, CRLF, or the document */
  size_t size;
  uint64_t first_ordinal; /**< of its first record within the document, from 0 */
  uint64_t record_count;
  const struct tk_record_origin *origins; /**< record_count of them; NULL: these were no spans */
};

struct tk_document_reader;

/** Reads the parts of document `id` of the attached database `schema` ("main"). */
enum tk_status tk_document_reader_open(sqlite3 *db, const char *schema, int64_t id,
                                       struct tk_document_reader **reader_out,
                                       struct tk_error *error);
/** *part_out is NULL after the last part. TK_CORRUPT: a part is damaged, and the text says which.
 */
enum tk_status tk_document_reader_next(struct tk_document_reader *reader,
                                       const struct tk_document_part **part_out,
                                       struct tk_error *error);
/** Begins anew with document `id` of the same store. */
void tk_document_reader_rewind(struct tk_document_reader *reader, int64_t id);
/** Goes on with part `number`, of which `first_ordinal` is known. */
void tk_document_reader_seek(struct tk_document_reader *reader, int64_t number,
                             uint64_t first_ordinal);
void tk_document_reader_close(struct tk_document_reader *reader);

/** All bytes of a document, followed by NUL, in memory the caller frees (sqlite3_free). A longer
 * document than `limit` bytes is refused with TK_UNSUPPORTED. */
enum tk_status tk_document_read(sqlite3 *db, const char *schema, int64_t id, size_t limit,
                                char **text_out, size_t *size_out, struct tk_error *error);

#endif
