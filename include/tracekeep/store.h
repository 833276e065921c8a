/** @file store.h  A store: one SQLite file that keeps spans. Opening, ingesting, checking.
 *
 * A `tk_store` belongs to one thread at a time. Several processes and threads may each open the
 * same file; one of them at a time can ingest (the others get TK_BUSY), readers never wait. */
#ifndef TRACEKEEP_STORE_H
#define TRACEKEEP_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracekeep/span.h"
#include "tracekeep/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sqlite3;
struct tk_store;

enum tk_open_mode {
  TK_OPEN_READ,  /**< the file must be a store; nothing is ever written */
  TK_OPEN_WRITE, /**< the file must be a store */
  TK_OPEN_CREATE /**< as TK_OPEN_WRITE, and made first where there is no file (or an empty one) */
};

/** Opens `path`. TK_INVALID: not a store, or missing; TK_UNSUPPORTED: written by a newer tracekeep,
 * or SQLite older than 3.38; TK_BUSY, TK_IO, TK_NOMEM. On failure *store_out is NULL. */
enum tk_status tk_store_open(const char *path, enum tk_open_mode mode, struct tk_store **store_out,
                             struct tk_error *error);
void tk_store_close(struct tk_store *store);

/** The store's own connection, borrowed; valid until tk_store_close. */
struct sqlite3 *tk_store_database(struct tk_store *store);

/* ---- ingest ----
 *
 * An ingest takes batches from one source after another and commits whenever a segment is full.
 * What a commit holds is exact: everything up to the sources' progress offsets is in the store and
 * nothing beyond. After a crash, or tk_ingest_abort, at any instant, doing the same again (asking
 * tk_ingest_find_progress where to continue) ends with the store one clean run would have made.
 * Handing in spans that are stored already adds nothing: identity is (trace id, span id, kind). */

struct tk_ingest;

struct tk_ingest_options {
  unsigned thread_count;      /**< threads that may encode, this one included; 0: one per core. The
                                   stored result is the same for every number */
  uint32_t spans_per_segment; /**< 0: the default, 65536. For tests; 8 to 65536 */
};

/** Counts since tk_ingest_begin. Those of one source are in its row of `ingests`. */
struct tk_ingest_counts {
  uint64_t records;
  uint64_t spans_new;
  uint64_t spans_duplicate;   /**< already stored, with the same content */
  uint64_t spans_conflicting; /**< already stored, with other content; the first one is kept and an
                                   issue `dup.conflict` is recorded */
  uint64_t rejected;
  uint64_t issues;
  uint64_t bytes_in;     /**< of decoded input */
  uint64_t bytes_stored; /**< of segments, as written */
  uint64_t segments_written;
  uint64_t documents_new;       /**< as far as they are committed; likewise the next two */
  uint64_t documents_duplicate; /**< already stored, with the same content */
  uint64_t document_records;    /**< new ones, of documents that are lines: events, decisions */
};

/** How far a source of this content was already ingested. */
struct tk_progress {
  uint64_t offset; /**< bytes of decoded input that are in the store */
  uint64_t hash;   /**< tk_hash64 of those bytes */
};

/** Takes the write lock of the store for the length of the ingest's commits, not in between.
 * `options` may be NULL. */
enum tk_status tk_ingest_begin(struct tk_store *store, const struct tk_ingest_options *options,
                               struct tk_ingest **ingest_out, struct tk_error *error);

/** Earlier progress that a source may be a continuation of: of sources with the same name, and of
 * sources that began with the same bytes. `head_hash` is tk_hash64 of the first
 * min(TK_SOURCE_HEAD_SIZE, all) bytes of decoded input. The caller verifies a candidate by hashing
 * its own first `offset` bytes. Newest first; at most `capacity`. */
enum tk_status tk_ingest_find_progress(struct tk_ingest *ingest, const char *source_name,
                                       uint64_t head_hash, struct tk_progress *progress,
                                       size_t capacity, size_t *count_out, struct tk_error *error);
#define TK_SOURCE_HEAD_SIZE 4096

/** Starts the next source. `continued` is the verified candidate, or NULL to start at offset 0.
 * `source_name` is what `ingests.source` will show. `format` is a reader's name: "otlp-json". */
enum tk_status tk_ingest_source_begin(struct tk_ingest *ingest, const char *source_name,
                                      const char *format, uint64_t head_hash,
                                      const struct tk_progress *continued, struct tk_error *error);

/** What is known of a source beside its bytes; members may be NULL. May be called several times
 * between source_begin and source_end, each time with what has become known; texts are copied. */
struct tk_source_context {
  const char *run_id; /**< the run of documents that do not name one */
  /** Files that envelopes of the source name, where they were found: a JSON object by the path as
   * it is written there, of {"sha256":"sha256:<64 digits>","hash":N,"trimmed_hash":N} (XXH64). */
  const char *found;
  const uint8_t *sha256; /**< of all decoded bytes: 32 bytes. Known at the end */
};
enum tk_status tk_ingest_source_context(struct tk_ingest *ingest,
                                        const struct tk_source_context *context,
                                        struct tk_error *error);

/** Takes ownership of `batch`, also on failure. Batches of a source come in input order, without
 * gaps. May commit. */
enum tk_status tk_ingest_append(struct tk_ingest *ingest, struct tk_batch *batch,
                                struct tk_error *error);

/** Ends the source: it was read to its end. */
enum tk_status tk_ingest_source_end(struct tk_ingest *ingest, struct tk_error *error);

/** Commits what is buffered, and the ingest goes on, within a source or between two: for input that
 * arrives slowly and must not wait until a segment is full. Nothing is written for good early: what
 * is not enough for a segment goes into open segments, few of them, that later commits take up
 * again, each time larger ones less often. So the store ends with the same spans and about as many
 * segments whether there were no such commits or thousands; only where they are cut depends on it.
 * Without anything new, nothing is written. After a failure only tk_ingest_abort makes sense. */
enum tk_status tk_ingest_commit(struct tk_ingest *ingest, struct tk_error *error);

/** Commits what is buffered, and frees the ingest whatever it returns. `counts_out` may be NULL. */
enum tk_status tk_ingest_finish(struct tk_ingest *ingest, struct tk_ingest_counts *counts_out,
                                struct tk_error *error);

/** Frees the ingest without committing what is buffered. NULL does nothing. */
void tk_ingest_abort(struct tk_ingest *ingest);

/** Counts so far. Spans that are buffered count as new until they are compared with the store. */
void tk_ingest_counts(const struct tk_ingest *ingest, struct tk_ingest_counts *counts_out);

/* ---- check ---- */

/** Called for every fault found; `message` says where (segment, column) and what. */
typedef void tk_check_report(void *context, const char *message);

struct tk_check_counts {
  uint64_t segments;
  uint64_t chunks;
  uint64_t spans;
  uint64_t documents;
  uint64_t faults;
};

/** Reads everything: SQLite's own integrity check, every checksum, every encoded value, every
 * count, and that every chunk belongs to a segment. TK_OK when it could run, whatever it found. */
enum tk_status tk_store_check(struct tk_store *store, tk_check_report *report, void *context,
                              struct tk_check_counts *counts_out, struct tk_error *error);

/* ---- what is in it ---- */

struct tk_store_info {
  uint64_t file_bytes;
  uint64_t segments;
  uint64_t spans;
  uint64_t traces; /**< traces in several segments count once */
  uint64_t events;
  uint64_t links;
  uint64_t errors;            /**< spans with status ERROR */
  uint64_t raw_bytes;         /**< estimated size as OTLP JSON of what is stored */
  uint64_t start_min_unix_ns; /**< 0 when there are no spans */
  uint64_t end_max_unix_ns;
  uint32_t schema_version;
};

enum tk_status tk_store_info(struct tk_store *store, struct tk_store_info *info_out,
                             struct tk_error *error);

#ifdef __cplusplus
}
#endif
#endif
