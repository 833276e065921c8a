/* Writing the tables of a store: everything a commit of an ingest changes. The only SQL that
 * writes.
 *
 * Use: tk_catalog_begin, any number of changes, tk_catalog_commit (or tk_catalog_rollback, also
 * after any failure). */
#ifndef TK_STORE_CATALOG_H
#define TK_STORE_CATALOG_H

#include "store/segment/segment_writer.h"
#include "store/sqlite_api.h"
#include "tracekeep/store.h"

struct tk_catalog;

enum tk_status tk_catalog_open(sqlite3 *db, struct tk_catalog **catalog_out,
                               struct tk_error *error);
void tk_catalog_close(struct tk_catalog *catalog);

/** Takes the write lock. TK_BUSY also when the store is not at `expected_generation` any more,
 * that is when somebody else has ingested since it was read. */
enum tk_status tk_catalog_begin(struct tk_catalog *catalog, int64_t expected_generation,
                                struct tk_error *error);
/** TK_BUSY with the text for a store that is not at the expected generation. */
enum tk_status tk_catalog_overtaken(struct tk_error *error);
/** *generation_out is the new one. */
enum tk_status tk_catalog_commit(struct tk_catalog *catalog, int64_t *generation_out,
                                 struct tk_error *error);
void tk_catalog_rollback(struct tk_catalog *catalog);

/** Stores a finished segment under the next id. `flags`: enum tk_segment_flags. */
enum tk_status tk_catalog_insert_segment(struct tk_catalog *catalog,
                                         const struct tk_segment_writer *writer, uint32_t flags,
                                         int64_t *id_out, struct tk_error *error);
enum tk_status tk_catalog_delete_segment(struct tk_catalog *catalog, int64_t id,
                                         struct tk_error *error);

/** Notes that spans of the trace are in this segment and in others too; flags the segment. */
enum tk_status tk_catalog_add_split(struct tk_catalog *catalog, const uint8_t trace_id[16],
                                    int64_t segment_id, struct tk_error *error);

/** A row of tk_ingest. */
struct tk_source_progress {
  int64_t id; /**< 0: not in the table yet */
  char *name;
  char *format;
  uint64_t head_hash;
  struct tk_progress reached;
  bool complete;
  struct tk_ingest_counts counts; /**< of this source, over all its ingests */
};

/** Inserts (and sets id) or updates. */
enum tk_status tk_catalog_put_source(struct tk_catalog *catalog, struct tk_source_progress *source,
                                     struct tk_error *error);

/** The row of a source that was ingested exactly that far: the newest, but first one of its name
 * (found_out->name), and where nothing was read yet only that: empty sources are all alike.
 * found_out->id stays as it is if there is none. Only id, counts and complete are filled. Reads;
 * needs no transaction. */
enum tk_status tk_catalog_find_source(struct tk_catalog *catalog, const struct tk_progress *reached,
                                      struct tk_source_progress *found_out, struct tk_error *error);

/** Candidates for tk_ingest_find_progress. */
enum tk_status tk_catalog_find_progress(struct tk_catalog *catalog, const char *name,
                                        uint64_t head_hash, struct tk_progress *progress,
                                        size_t capacity, size_t *count_out, struct tk_error *error);

/** *is_new is false when the same fault is recorded already. */
enum tk_status tk_catalog_add_issue(struct tk_catalog *catalog, int64_t source_id,
                                    const struct tk_issue *issue, bool *is_new,
                                    struct tk_error *error);

#endif
