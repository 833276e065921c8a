/* SPDX-License-Identifier: MIT
 * An ingest: batches go into the span buffer; a full buffer is cut; what was cut is encoded by the
 * pool while the next batches come in, and committed, with the progress of the sources, when that
 * is done, at the latest before the next cut. So at most one commit is under way, and a cut always
 * compares with all there is. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/catalog.h"
#include "store/database.h"
#include "store/document/document_writer.h"
#include "store/segment/encoder_pool.h"
#include "store/span_buffer.h"
#include "store/store.h"
#include "tracekeep/hash.h"

/* Documents are not cut as spans are: they go with the next commit, which comes when there are so
 * many bytes of them, or so many sources. */
enum {
  DOCUMENT_BYTES = 16 << 20,
  SOURCES_PER_COMMIT = 4096,
  WAITING_SHARE = 8,
  CONFLICTS_TOLD = 1000
};

/* A source of this ingest; its row of tk_ingest, and what the row does not know yet. */
struct source {
  struct tk_source_progress row;
  struct tk_progress reached; /* by the batches handed in so far */
  uint64_t records, rejected; /* of batches not yet in a commit */
  uint64_t conflicts_told;    /* conflicts before the next one, in all */
  bool ended, dirty;
  struct tk_document_source documents;
  char *run_id, *found; /* see tk_ingest_source_context */
};

/* Everything one transaction will write. */
struct commit {
  struct tk_cut cut;
  struct tk_encode_job job;
  struct source_snapshot {
    uint32_t source;
    struct tk_progress reached;
    uint64_t records, rejected;
    bool complete;
  } * snapshots;
  uint32_t snapshot_count;
  struct noted_batch {
    const struct tk_batch *batch; /* owned by the cut */
    uint32_t source;
  } * noted; /* those with issues or documents */
  uint32_t noted_count;
  bool pending;
};

struct tk_ingest {
  struct tk_store *store;
  struct tk_catalog *catalog;
  struct tk_document_writer *documents;
  struct tk_encoder_pool *pool;
  struct tk_span_buffer buffer;
  struct commit commit; /* the one under way */
  struct source *sources;
  uint32_t source_count, source_capacity;
  struct noted_batch *noted; /* in the buffer */
  uint32_t noted_count, noted_capacity;
  uint64_t document_bytes; /* in the buffer */
  uint32_t uncommitted_sources;
  struct tk_ingest_counts counts;
  uint32_t target;
  struct tk_transaction reading;
  int64_t generation; /* of the store, as this ingest left it */
  bool absorbed;
  bool failed; /* after an error only tk_ingest_abort and _finish make sense */
};

/* ---- begin ---- */

static unsigned default_threads(void) {
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  return cores < 1 ? 1 : (unsigned)cores;
}

enum tk_status tk_ingest_begin(struct tk_store *store, const struct tk_ingest_options *options,
                               struct tk_ingest **ingest_out, struct tk_error *error) {
  struct tk_ingest *ingest = sqlite3_malloc64(sizeof *ingest);
  *ingest_out = NULL;
  if (!ingest) return tk_nomem(error);
  memset(ingest, 0, sizeof *ingest);
  ingest->store = store;
  ingest->target =
      options && options->spans_per_segment ? options->spans_per_segment : TK_SPANS_PER_SEGMENT;
  const unsigned threads =
      options && options->thread_count ? options->thread_count : default_threads();

  enum tk_status status = TK_OK;
  if (ingest->target < 8 || ingest->target > TK_SPANS_PER_SEGMENT_MAX / 4) {
    status = tk_fail(error, TK_INVALID, "spans per segment: expected 8 to %d, found %u",
                     TK_SPANS_PER_SEGMENT_MAX / 4, ingest->target);
  }
  if (status == TK_OK) status = tk_catalog_open(store->db, &ingest->catalog, error);
  if (status == TK_OK) status = tk_document_writer_open(store->db, &ingest->documents, error);
  if (status == TK_OK) status = tk_encoder_pool_create(threads, &ingest->pool, error);
  if (status == TK_OK) status = tk_reader_refresh(store->reader, error);
  if (status != TK_OK) {
    tk_ingest_abort(ingest);
    return status;
  }
  ingest->generation = store->reader->generation;
  *ingest_out = ingest;
  return TK_OK;
}

/* ---- sources ---- */

enum tk_status tk_ingest_find_progress(struct tk_ingest *ingest, const char *source_name,
                                       uint64_t head_hash, struct tk_progress *progress,
                                       size_t capacity, size_t *count_out, struct tk_error *error) {
  return tk_catalog_find_progress(ingest->catalog, source_name, head_hash, progress, capacity,
                                  count_out, error);
}

static struct source *current_source(struct tk_ingest *ingest) {
  struct source *source = ingest->source_count ? &ingest->sources[ingest->source_count - 1] : NULL;
  return source && !source->ended ? source : NULL;
}

static void free_source(struct source *source) {
  tk_document_source_reset(&source->documents);
  sqlite3_free(source->run_id);
  sqlite3_free(source->found);
  sqlite3_free(source->row.name);
  sqlite3_free(source->row.format);
}

enum tk_status tk_ingest_source_begin(struct tk_ingest *ingest, const char *source_name,
                                      const char *format, uint64_t head_hash,
                                      const struct tk_progress *continued, struct tk_error *error) {
  const struct tk_progress start = {.offset = 0, .hash = tk_hash64("", 0)};
  struct source source = {.reached = continued ? *continued : start};
  enum tk_status status = TK_OK;
  if (ingest->failed || current_source(ingest)) {
    return tk_fail(error, TK_INVALID, "the source before has not ended");
  }
  if (ingest->source_count == ingest->source_capacity) {
    const uint32_t capacity = ingest->source_capacity ? ingest->source_capacity * 2 : 16;
    struct source *sources = sqlite3_realloc64(ingest->sources, capacity * sizeof *sources);
    if (!sources) return tk_nomem(error);
    ingest->sources = sources;
    ingest->source_capacity = capacity;
  }
  source.row.name = sqlite3_mprintf("%s", source_name);
  source.row.format = sqlite3_mprintf("%s", format);
  source.row.head_hash = head_hash;
  source.row.reached = source.reached;
  if (!source.row.name || !source.row.format) status = tk_nomem(error);
  if (status == TK_OK) {
    status = tk_catalog_find_source(ingest->catalog, &source.reached, &source.row, error);
    source.dirty = !source.row.complete; /* a source that is done already changes nothing */
  }
  if (status != TK_OK) {
    free_source(&source);
    return status;
  }
  source.documents.continued = source.row.id != 0;
  source.documents.head_hash = head_hash;
  source.documents.begin_offset = source.reached.offset;
  source.documents.begin_hash = source.reached.hash;
  ingest->sources[ingest->source_count++] = source;
  ingest->uncommitted_sources++;
  return TK_OK;
}

enum tk_status tk_ingest_source_context(struct tk_ingest *ingest,
                                        const struct tk_source_context *context,
                                        struct tk_error *error) {
  struct source *source = current_source(ingest);
  if (!source) return tk_fail(error, TK_INVALID, "no source has begun");
  if (context->run_id && !source->run_id) {
    bool lacks = false;
    source->run_id = sqlite3_mprintf("%s", context->run_id);
    if (!source->run_id) return tk_nomem(error);
    /* What is stored already may still be new to this run. */
    if (source->row.id != 0) {
      const enum tk_status status = tk_document_writer_lacks_run(ingest->documents, source->row.id,
                                                                 context->run_id, &lacks, error);
      if (status != TK_OK) return status;
    }
    source->dirty |= lacks;
  }
  if (context->found && !source->found) {
    source->found = sqlite3_mprintf("%s", context->found);
    if (!source->found) return tk_nomem(error);
  }
  if (context->sha256) {
    memcpy(source->documents.sha256, context->sha256, sizeof source->documents.sha256);
    source->documents.has_sha256 = true;
  }
  return TK_OK;
}

enum tk_status tk_ingest_source_end(struct tk_ingest *ingest, struct tk_error *error) {
  struct source *source = current_source(ingest);
  if (!source) return tk_fail(error, TK_INVALID, "no source has begun");
  source->ended = true;
  return TK_OK;
}

/* ---- commit ---- */

static void reset_commit(struct commit *commit) {
  for (uint32_t i = 0; i < commit->job.piece_count; i++) {
    tk_segment_writer_reset(&commit->job.pieces[i].writer);
  }
  sqlite3_free(commit->job.pieces);
  sqlite3_free(commit->snapshots);
  sqlite3_free(commit->noted);
  tk_cut_reset(&commit->cut);
  *commit = (struct commit){.pending = false};
}

static enum tk_status write_segments(struct tk_ingest *ingest, int64_t *ids,
                                     struct tk_error *error) {
  struct commit *commit = &ingest->commit;
  enum tk_status status = TK_OK;
  for (uint32_t i = 0; i < commit->cut.replaced_count && status == TK_OK; i++) {
    status = tk_catalog_delete_segment(ingest->catalog, commit->cut.replaced[i].segment_id, error);
  }
  for (uint32_t i = 0; i < commit->job.piece_count && status == TK_OK; i++) {
    const uint32_t flags = commit->cut.pieces[i].is_tail ? TK_SEGMENT_OPEN : 0;
    status = tk_catalog_insert_segment(ingest->catalog, &commit->job.pieces[i].writer, flags,
                                       &ids[i], error);
  }
  for (uint32_t i = 0; i < commit->cut.split_count && status == TK_OK; i++) {
    const struct tk_split_note *note = &commit->cut.splits[i];
    const int64_t id = note->segment_id ? note->segment_id : ids[note->piece];
    status = tk_catalog_add_split(ingest->catalog, note->trace_id, id, error);
  }
  return status;
}

/* Adds what the snapshot and the cut say to the source's row. */
static void update_row(struct source *source, const struct source_snapshot *snapshot,
                       const struct tk_source_tally *tally) {
  struct tk_ingest_counts *counts = &source->row.counts;
  source->conflicts_told = counts->spans_conflicting;
  counts->records += snapshot->records;
  counts->rejected += snapshot->rejected;
  counts->spans_new += tally->spans_new;
  counts->spans_duplicate += tally->spans_duplicate;
  counts->spans_conflicting += tally->spans_conflicting;
  source->row.reached = snapshot->reached;
  source->row.complete = snapshot->complete;
}

static enum tk_status write_sources(struct tk_ingest *ingest, struct tk_error *error) {
  enum tk_status status = TK_OK;
  for (uint32_t i = 0; i < ingest->commit.snapshot_count && status == TK_OK; i++) {
    const struct source_snapshot *snapshot = &ingest->commit.snapshots[i];
    struct source *source = &ingest->sources[snapshot->source];
    update_row(source, snapshot, &ingest->commit.cut.tallies[snapshot->source]);
    status = tk_catalog_put_source(ingest->catalog, &source->row, error);
  }
  return status;
}

static enum tk_status write_issue(struct tk_ingest *ingest, uint32_t source_index,
                                  const struct tk_issue *issue, struct tk_error *error) {
  struct source *source = &ingest->sources[source_index];
  bool is_new = false;
  enum tk_status status =
      tk_catalog_add_issue(ingest->catalog, source->row.id, issue, &is_new, error);
  source->row.counts.issues += is_new;
  ingest->counts.issues += is_new;
  return status;
}

/* The first CONFLICTS_TOLD of a source: the same spans in another format may all be conflicts, and
 * their rows would outweigh the spans. The source's row counts all of them. */
static enum tk_status write_conflict(struct tk_ingest *ingest, const struct tk_conflict *conflict,
                                     struct tk_error *error) {
  const struct tk_span *span = conflict->span;
  if (ingest->sources[conflict->source].conflicts_told++ >= CONFLICTS_TOLD) return TK_OK;
  char message[256];
  const int size = snprintf(message, sizeof message,
                            "expected the content stored under this trace id, span id and kind, "
                            "found another %s; the span stored first is kept",
                            conflict->field);
  struct tk_issue issue = {
      .rule = "dup.conflict",
      .severity = TK_SEVERITY_WARN,
      .message = {message, (uint32_t)size},
      .raw = {span->name.data,
              span->name.size < TK_ISSUE_RAW_LIMIT ? span->name.size : TK_ISSUE_RAW_LIMIT},
      .has_trace = 1,
      .has_span = 1};
  memcpy(issue.trace_id, span->trace_id, sizeof issue.trace_id);
  memcpy(issue.span_id, span->span_id, sizeof issue.span_id);
  return write_issue(ingest, conflict->source, &issue, error);
}

static enum tk_status write_issues(struct tk_ingest *ingest, struct tk_error *error) {
  const struct commit *commit = &ingest->commit;
  const uint64_t before = ingest->counts.issues;
  enum tk_status status = TK_OK;
  for (uint32_t b = 0; b < commit->noted_count && status == TK_OK; b++) {
    const struct tk_batch *batch = commit->noted[b].batch;
    for (uint32_t i = 0; i < batch->issue_count && status == TK_OK; i++) {
      status = write_issue(ingest, commit->noted[b].source, &batch->issues[i], error);
    }
  }
  for (uint32_t i = 0; i < commit->cut.conflict_count && status == TK_OK; i++) {
    status = write_conflict(ingest, &commit->cut.conflicts[i], error);
  }
  /* The rows are there already; now they also get the number of issues. */
  for (uint32_t i = 0; i < commit->snapshot_count && status == TK_OK; i++) {
    if (ingest->counts.issues == before) break;
    status = tk_catalog_put_source(ingest->catalog,
                                   &ingest->sources[commit->snapshots[i].source].row, error);
  }
  return status;
}

static struct tk_document_source *document_source(struct source *source) {
  source->documents.ingest_id = source->row.id;
  source->documents.path = source->row.name;
  source->documents.run_id = source->run_id;
  source->documents.found = source->found;
  return &source->documents;
}

static enum tk_status write_documents(struct tk_ingest *ingest, struct tk_error *error) {
  const struct commit *commit = &ingest->commit;
  enum tk_status status = TK_OK;
  for (uint32_t b = 0; b < commit->noted_count && status == TK_OK; b++) {
    const struct tk_batch *batch = commit->noted[b].batch;
    struct tk_document_source *source = document_source(&ingest->sources[commit->noted[b].source]);
    for (uint32_t i = 0; i < batch->document_count && status == TK_OK; i++) {
      status = tk_document_writer_put(ingest->documents, source, &batch->documents[i], error);
    }
  }
  for (uint32_t i = 0; i < commit->snapshot_count && status == TK_OK; i++) {
    const struct source_snapshot *snapshot = &commit->snapshots[i];
    struct tk_document_source *source = document_source(&ingest->sources[snapshot->source]);
    status = tk_document_writer_flush(ingest->documents, source, snapshot->complete, error);
    if (snapshot->complete) tk_document_source_reset(source);
  }
  return status;
}

/* A tail counts as written only while no later commit has replaced it: see tk_ingest_counts. */
static void count_segments(struct tk_ingest *ingest, const int64_t *ids) {
  const struct commit *commit = &ingest->commit;
  for (uint32_t i = 0; i < commit->job.piece_count; i++) {
    const uint64_t bytes = commit->job.pieces[i].writer.directory.summary.stored_bytes;
    if (commit->cut.pieces[i].is_tail && ingest->buffer.tier_count > 0) {
      struct tk_open_tier *tail = &ingest->buffer.tiers[ingest->buffer.tier_count - 1];
      tail->segment_id = ids[i];
      tail->bytes_written = bytes;
    } else {
      ingest->counts.bytes_stored += bytes;
      ingest->counts.segments_written++;
    }
  }
}

static enum tk_status write_commit(struct tk_ingest *ingest, struct tk_error *error) {
  struct commit *commit = &ingest->commit;
  int64_t *ids = sqlite3_malloc64(commit->job.piece_count * sizeof *ids + 1);
  if (!ids) return tk_nomem(error);
  enum tk_status status = tk_catalog_begin(ingest->catalog, ingest->generation, error);
  if (status == TK_OK) {
    status = write_segments(ingest, ids, error);
    if (status == TK_OK) status = write_sources(ingest, error);
    if (status == TK_OK) status = write_issues(ingest, error);
    if (status == TK_OK) status = write_documents(ingest, error);
    if (status == TK_OK) status = tk_catalog_commit(ingest->catalog, &ingest->generation, error);
    if (status != TK_OK) tk_catalog_rollback(ingest->catalog);
  }
  if (status == TK_OK && commit->job.piece_count > 0) count_segments(ingest, ids);
  sqlite3_free(ids);
  return status;
}

/* Waits for the commit under way, if any, and writes it. */
static enum tk_status complete_commit(struct tk_ingest *ingest, struct tk_error *error) {
  struct commit *commit = &ingest->commit;
  if (!commit->pending) return TK_OK;
  tk_encoder_pool_wait(ingest->pool);
  enum tk_status status = commit->job.status;
  if (status != TK_OK && error) *error = commit->job.error;
  if (status == TK_OK) status = write_commit(ingest, error);
  reset_commit(commit);
  if (status == TK_OK) status = tk_reader_refresh(ingest->store->reader, error);
  return status;
}

/* ---- cutting ---- */

static enum tk_status take_snapshots(struct tk_ingest *ingest, struct commit *commit,
                                     struct tk_error *error) {
  commit->snapshots = sqlite3_malloc64(ingest->source_count * sizeof *commit->snapshots + 1);
  if (!commit->snapshots) return tk_nomem(error);
  for (uint32_t i = 0; i < ingest->source_count; i++) {
    struct source *source = &ingest->sources[i];
    if (!source->dirty) continue;
    commit->snapshots[commit->snapshot_count++] =
        (struct source_snapshot){.source = i,
                                 .reached = source->reached,
                                 .records = source->records,
                                 .rejected = source->rejected,
                                 .complete = source->ended};
    source->records = source->rejected = 0;
    source->dirty = !source->ended;
  }
  commit->noted = ingest->noted;
  commit->noted_count = ingest->noted_count;
  ingest->noted = NULL;
  ingest->noted_count = ingest->noted_capacity = 0;
  ingest->document_bytes = 0;
  ingest->uncommitted_sources = 0;
  return TK_OK;
}

static enum tk_status start_job(struct tk_ingest *ingest, struct tk_error *error) {
  struct commit *commit = &ingest->commit;
  const uint64_t size = commit->cut.piece_count * sizeof *commit->job.pieces;
  commit->job.pieces = sqlite3_malloc64(size + 1);
  if (!commit->job.pieces) return tk_nomem(error);
  memset(commit->job.pieces, 0, size);
  commit->job.piece_count = commit->cut.piece_count;
  for (uint32_t i = 0; i < commit->cut.piece_count; i++) {
    commit->job.pieces[i].spans = commit->cut.pieces[i].spans;
    commit->job.pieces[i].span_count = commit->cut.pieces[i].span_count;
  }
  commit->pending = true;
  tk_encoder_pool_submit(ingest->pool, &commit->job);
  return TK_OK;
}

static void count_tallies(struct tk_ingest *ingest, const struct tk_cut *cut) {
  for (uint32_t i = 0; i < cut->source_count; i++) {
    ingest->counts.spans_new += cut->tallies[i].spans_new;
    ingest->counts.spans_duplicate += cut->tallies[i].spans_duplicate;
    ingest->counts.spans_conflicting += cut->tallies[i].spans_conflicting;
  }
}

/* What is read between this and the end of the transaction is one state of the store, the one this
 * ingest left: if somebody else has changed it, segments it knows of may be gone. */
static enum tk_status begin_reading(struct tk_ingest *ingest, struct tk_error *error) {
  enum tk_status status =
      tk_transaction_begin(&ingest->reading, ingest->store->db, "BEGIN", "begin to read", error);
  if (status != TK_OK) return status;
  status = tk_reader_refresh(ingest->store->reader, error);
  if (status == TK_OK && ingest->store->reader->generation != ingest->generation) {
    status = tk_catalog_overtaken(error);
  }
  if (status != TK_OK) tk_transaction_end(&ingest->reading);
  return status;
}

static enum tk_status cut(struct tk_ingest *ingest, enum tk_cut_kind kind, struct tk_error *error) {
  const struct tk_cut_options options = {
      .target = ingest->target, .source_count = ingest->source_count, .kind = kind};
  enum tk_status status = complete_commit(ingest, error);
  if (status == TK_OK) status = begin_reading(ingest, error);
  if (status == TK_OK) {
    status = tk_span_buffer_cut(&ingest->buffer, ingest->store->reader, &options,
                                &ingest->commit.cut, error);
    tk_transaction_end(&ingest->reading);
  }
  if (status == TK_OK) {
    count_tallies(ingest, &ingest->commit.cut);
    status = take_snapshots(ingest, &ingest->commit, error);
    if (status == TK_OK) status = start_job(ingest, error);
    if (status != TK_OK) reset_commit(&ingest->commit);
  }
  return status;
}

/* ---- append, finish, abort ---- */

static enum tk_status note_batch(struct tk_ingest *ingest, const struct tk_batch *batch,
                                 struct tk_error *error) {
  if (batch->issue_count == 0 && batch->document_count == 0) return TK_OK;
  if (ingest->noted_count == ingest->noted_capacity) {
    const uint32_t capacity = ingest->noted_capacity ? ingest->noted_capacity * 2 : 16;
    struct noted_batch *noted = sqlite3_realloc64(ingest->noted, capacity * sizeof *noted);
    if (!noted) return tk_nomem(error);
    ingest->noted = noted;
    ingest->noted_capacity = capacity;
  }
  ingest->noted[ingest->noted_count++] = (struct noted_batch){batch, ingest->source_count - 1};
  for (uint32_t i = 0; i < batch->document_count; i++) {
    ingest->document_bytes += batch->documents[i].size;
  }
  return TK_OK;
}

static void note_progress(struct tk_ingest *ingest, struct source *source,
                          const struct tk_batch *batch) {
  source->reached = (struct tk_progress){batch->end_offset, batch->end_hash};
  source->records += batch->record_count;
  source->rejected += batch->rejected_count;
  source->dirty = true;
  ingest->counts.records += batch->record_count;
  ingest->counts.rejected += batch->rejected_count;
  ingest->counts.bytes_in += batch->end_offset - batch->begin_offset;
}

/* Open segments are taken up only when there is something to add to them. */
static enum tk_status absorb_once(struct tk_ingest *ingest, struct tk_error *error) {
  if (ingest->absorbed) return TK_OK;
  ingest->absorbed = true;
  enum tk_status status = begin_reading(ingest, error);
  if (status != TK_OK) return status;
  status = tk_span_buffer_absorb(&ingest->buffer, ingest->store->reader, error);
  tk_transaction_end(&ingest->reading);
  return status;
}

static enum tk_status take_batch(struct tk_ingest *ingest, struct tk_batch *batch,
                                 struct tk_error *error) {
  struct source *source = current_source(ingest);
  enum tk_status status = TK_OK;
  if (ingest->failed || !source) {
    status = tk_fail(error, TK_INVALID, "a batch belongs to no source");
  } else if (batch->span_count > 0) {
    status = absorb_once(ingest, error);
  }
  if (status == TK_OK) status = note_batch(ingest, batch, error);
  if (status != TK_OK) {
    tk_batch_free(batch);
    return status;
  }
  note_progress(ingest, source, batch);
  return tk_span_buffer_add(&ingest->buffer, batch, ingest->source_count - 1, error);
}

/* A commit is completed as soon as it is encoded, so that the memory of its spans is free for the
 * next ones; and when there are some of these, this thread helps, rather than gather more. */
static bool has_waited_enough(const struct tk_ingest *ingest) {
  return ingest->buffer.count - ingest->buffer.settled_count > ingest->target / WAITING_SHARE;
}

enum tk_status tk_ingest_append(struct tk_ingest *ingest, struct tk_batch *batch,
                                struct tk_error *error) {
  enum tk_status status = take_batch(ingest, batch, error);
  if (status == TK_OK && tk_span_buffer_is_full(&ingest->buffer, ingest->target)) {
    status = cut(ingest, TK_CUT_QUIET, error);
  } else if (status == TK_OK && (ingest->document_bytes >= DOCUMENT_BYTES ||
                                 ingest->uncommitted_sources >= SOURCES_PER_COMMIT)) {
    status = cut(ingest, TK_CUT_TAIL, error);
  }
  if (status == TK_OK && ingest->commit.pending &&
      (has_waited_enough(ingest) || tk_encoder_pool_is_done(ingest->pool))) {
    status = complete_commit(ingest, error);
  }
  if (status != TK_OK) ingest->failed = true;
  return status;
}

static bool has_news(const struct tk_ingest *ingest) {
  if (ingest->buffer.batch_count > 0) return true;
  for (uint32_t i = 0; i < ingest->source_count; i++) {
    if (ingest->sources[i].dirty) return true;
  }
  return false;
}

/* Sources that have ended are in the store now, and nothing that is buffered is counted for them
 * any more: an ingest that follows files for months begins and ends very many. */
static void forget_sources(struct tk_ingest *ingest) {
  const struct source *current = current_source(ingest);
  const uint32_t ended = ingest->source_count - (current != NULL);
  for (uint32_t i = 0; i < ended; i++) free_source(&ingest->sources[i]);
  if (current) ingest->sources[0] = *current;
  ingest->source_count = current != NULL;
}

enum tk_status tk_ingest_commit(struct tk_ingest *ingest, struct tk_error *error) {
  enum tk_status status = TK_OK;
  if (ingest->failed) return tk_fail(error, TK_INVALID, "the ingest failed before");
  status = complete_commit(ingest, error);
  if (status == TK_OK && has_news(ingest)) {
    status = cut(ingest, TK_CUT_TAIL, error);
    if (status == TK_OK) status = complete_commit(ingest, error);
  }
  if (status == TK_OK) {
    forget_sources(ingest);
  } else {
    ingest->failed = true;
  }
  return status;
}

/* What is in the write-ahead log goes into the file, and both to the disk. Readers of an older
 * snapshot can keep the log from being emptied; that is no failure. */
static void checkpoint(struct tk_ingest *ingest) {
  sqlite3_wal_checkpoint_v2(ingest->store->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

enum tk_status tk_ingest_finish(struct tk_ingest *ingest, struct tk_ingest_counts *counts_out,
                                struct tk_error *error) {
  enum tk_status status = TK_OK;
  if (ingest->failed) status = tk_fail(error, TK_INVALID, "the ingest failed before");
  if (status == TK_OK) status = complete_commit(ingest, error);
  /* Several open segments are what commits in between have left. */
  if (status == TK_OK && (has_news(ingest) || ingest->buffer.tier_count > 1)) {
    status = cut(ingest, TK_CUT_FINAL, error);
    if (status == TK_OK) status = complete_commit(ingest, error);
    checkpoint(ingest);
  }
  if (counts_out) tk_ingest_counts(ingest, counts_out);
  tk_ingest_abort(ingest);
  return status;
}

void tk_ingest_abort(struct tk_ingest *ingest) {
  if (!ingest) return;
  tk_encoder_pool_free(ingest->pool);
  reset_commit(&ingest->commit);
  tk_span_buffer_reset(&ingest->buffer);
  tk_document_writer_close(ingest->documents);
  tk_catalog_close(ingest->catalog);
  for (uint32_t i = 0; i < ingest->source_count; i++) free_source(&ingest->sources[i]);
  sqlite3_free(ingest->sources);
  sqlite3_free(ingest->noted);
  sqlite3_free(ingest);
}

void tk_ingest_counts(const struct tk_ingest *ingest, struct tk_ingest_counts *counts_out) {
  *counts_out = ingest->counts;
  for (uint32_t i = 0; i < ingest->buffer.tier_count; i++) {
    counts_out->bytes_stored += ingest->buffer.tiers[i].bytes_written;
    counts_out->segments_written += ingest->buffer.tiers[i].bytes_written > 0;
  }
  counts_out->spans_new += ingest->buffer.count - ingest->buffer.settled_count;
  struct tk_document_counts documents;
  tk_document_writer_counts(ingest->documents, &documents);
  counts_out->documents_new = documents.documents_new;
  counts_out->documents_duplicate = documents.documents_duplicate;
  counts_out->document_records = documents.records;
  counts_out->bytes_stored += documents.bytes_stored;
}
