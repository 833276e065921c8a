/* The rows that a document is: of tk_document, its parts, its traces, its runs, and how far one
 * that grows has come. What follows from what it says is document_scripts.h.
 *
 * All that writes happens inside a transaction of the caller. */
#ifndef TK_STORE_DOCUMENT_ROWS_H
#define TK_STORE_DOCUMENT_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/codec/byte_writer.h"
#include "store/sqlite_api.h"
#include "tracekeep/document.h"
#include "tracekeep/hash.h"
#include "tracekeep/status.h"

/** Parts are filled up to this many bytes before compression. */
#define TK_DOCUMENT_PART_SIZE ((size_t)1 << 20)
/** A document has fewer parts than this. */
#define TK_DOCUMENT_PART_COUNT ((int64_t)1 << 20)

struct tk_document_rows;

enum tk_status tk_document_rows_open(sqlite3 *db, struct tk_document_rows **rows_out,
                                     struct tk_error *error);
void tk_document_rows_close(struct tk_document_rows *rows);

/** Bytes of all parts that were put so far, as they are stored. */
uint64_t tk_document_rows_bytes_stored(const struct tk_document_rows *rows);

/* ---- documents ---- */

struct tk_document_row {
  enum tk_document_kind kind;
  uint64_t hash, size, record_count;
  bool complete;
  const char *run_id;    /**< NULL: none */
  const uint8_t *sha256; /**< NULL: not known */
  int64_t ingest_id;
  const char *path;
};

enum tk_status tk_document_rows_insert(struct tk_document_rows *rows,
                                       const struct tk_document_row *row, int64_t *id_out,
                                       struct tk_error *error);
/** Writes what changes as document `id` grows: all of `row` up to sha256. Without a run_id a row
 * keeps its own; if it has none, or one that was made of its content, one is made of its hash,
 * except for decisions of samplers, which are nobody's run. */
enum tk_status tk_document_rows_update(struct tk_document_rows *rows, int64_t id,
                                       const struct tk_document_row *row, struct tk_error *error);
/** Deletes a document that no script was run for. */
enum tk_status tk_document_rows_delete(struct tk_document_rows *rows, int64_t id,
                                       struct tk_error *error);
/** Deletes what was begun by other ingests of the same input (its path, and the hash of its
 * beginning) and never completed. */
enum tk_status tk_document_rows_delete_abandoned(struct tk_document_rows *rows, int64_t ingest_id,
                                                 const char *path, uint64_t head_hash,
                                                 struct tk_error *error);

/* ---- parts ---- */

struct tk_document_part_row {
  int64_t document_id, number;
  uint64_t first_ordinal, record_count;
  const void *text;
  size_t size;
  const struct tk_byte_writer *origins; /**< as they are stored, uncompressed; NULL: none */
};

/** Puts a part, in place of the one with this number if there is one. */
enum tk_status tk_document_rows_put_part(struct tk_document_rows *rows,
                                         const struct tk_document_part_row *part,
                                         struct tk_error *error);

/* ---- traces ---- */

/** Notes that a document names these traces. The same id may come more than once. */
enum tk_status tk_document_rows_add_traces(struct tk_document_rows *rows, int64_t id,
                                           const struct tk_text *trace_ids, uint32_t count,
                                           struct tk_error *error);
/** Notes that document `to` names the traces that `from` names. */
enum tk_status tk_document_rows_copy_traces(struct tk_document_rows *rows, int64_t from, int64_t to,
                                            struct tk_error *error);

/* ---- runs ---- */

/** The documents that came with the ingest `ingest_id` (0: none), and document `id` (0: none), are
 * of the run, whatever other runs they are of; but not those that name their run themselves.
 * Nothing happens if `run_id` is NULL. */
enum tk_status tk_document_rows_add_run(struct tk_document_rows *rows, int64_t ingest_id,
                                        int64_t id, const char *run_id, struct tk_error *error);
/** Whether tk_document_rows_add_run would do anything. */
enum tk_status tk_document_rows_lack_run(struct tk_document_rows *rows, int64_t ingest_id,
                                         const char *run_id, bool *lack_out,
                                         struct tk_error *error);

/* ---- finding documents: *id_out is 0 if there is none ---- */

/** A complete one of this kind that has the substance `trimmed` (tk_document_trim), whose hash is
 * `hash`. */
enum tk_status tk_document_rows_find_whole(struct tk_document_rows *rows,
                                           enum tk_document_kind kind, uint64_t hash,
                                           struct tk_text trimmed, int64_t *id_out,
                                           struct tk_error *error);
/** A complete one of this kind with the bytes of document `id`, whose hash is `hash`; another one.
 */
enum tk_status tk_document_rows_find_equal_lines(struct tk_document_rows *rows,
                                                 enum tk_document_kind kind, uint64_t hash,
                                                 int64_t id, int64_t *id_out,
                                                 struct tk_error *error);
/** One that is lines and came with the ingest, the first whose id is above `after`. */
enum tk_status tk_document_rows_find_lines(struct tk_document_rows *rows, int64_t ingest_id,
                                           int64_t after, int64_t *id_out,
                                           enum tk_document_kind *kind_out, struct tk_error *error);
/** One that is lines, with this hash and size. */
enum tk_status tk_document_rows_find_same_bytes(struct tk_document_rows *rows, uint64_t hash,
                                                uint64_t size, int64_t *id_out,
                                                enum tk_document_kind *kind_out,
                                                struct tk_error *error);

/* ---- how far a document has come ---- */

/** So that one of many parts can grow without all of them being read. */
struct tk_document_progress {
  struct tk_hash hash; /**< of all of its bytes so far */
  uint64_t size, record_count;
  int64_t last_part;      /**< its number; 0: nothing of all this is known */
  uint64_t first_ordinal; /**< of the last part */
};

enum tk_status tk_document_rows_put_progress(struct tk_document_rows *rows, int64_t id,
                                             const struct tk_hash *hash, struct tk_error *error);
enum tk_status tk_document_rows_get_progress(struct tk_document_rows *rows, int64_t id,
                                             struct tk_document_progress *progress_out,
                                             struct tk_error *error);

#endif
