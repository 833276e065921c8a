/* SPDX-License-Identifier: MIT
 * Owns struct tk_line_document: of each kind of lines in a source, the document that grows, with
 * its last part in memory. The rest of it is in the store; to go on with it takes that part and the
 * state of its hash (struct tk_document_progress), or all parts of a document that has only one. */
#include "store/document/document_lines.h"

#include "store/document/document.h"

struct tk_line_document {
  struct tk_line_document *next;
  enum tk_document_kind kind;
  int64_t id;
  bool was_committed; /* its row was there before this source was taken up, or this commit */
  bool dirty;
  bool last; /* of its source's documents, the one that was added to last */
  bool ends_line;
  uint64_t size, record_count, new_records;
  struct tk_hash hash;
  char *run_id;      /* that its own text names */
  struct open_part { /* the one that is not full yet */
    int64_t number;
    uint64_t first_ordinal, record_count;
    bool has_origins;
    struct tk_byte_writer text, origins;
  } part;
};

static struct tk_line_document *new_lines(struct tk_document_source *source,
                                          enum tk_document_kind kind) {
  struct tk_line_document *lines = sqlite3_malloc64(sizeof *lines);
  if (!lines) return NULL;
  *lines = (struct tk_line_document){.kind = kind, .next = source->lines, .ends_line = true};
  tk_hash_init(&lines->hash);
  source->lines = lines;
  return lines;
}

void tk_document_lines_free(struct tk_line_document *lines) {
  while (lines) {
    struct tk_line_document *next = lines->next;
    tk_byte_writer_reset(&lines->part.text);
    tk_byte_writer_reset(&lines->part.origins);
    sqlite3_free(lines->run_id);
    sqlite3_free(lines);
    lines = next;
  }
}

/* ---- the open part ---- */

static enum tk_status put_open_part(struct tk_document_writer *writer,
                                    const struct tk_line_document *lines, struct tk_error *error) {
  const struct open_part *open = &lines->part;
  if (open->text.failed || open->origins.failed) return tk_nomem(error);
  const struct tk_document_part_row part = {.document_id = lines->id,
                                            .number = open->number,
                                            .first_ordinal = open->first_ordinal,
                                            .record_count = open->record_count,
                                            .text = open->text.data,
                                            .size = open->text.size,
                                            .origins = open->has_origins ? &open->origins : NULL};
  return tk_document_rows_put_part(writer->rows, &part, error);
}

/* Starts the next part, unless there is nothing in this one. */
static enum tk_status close_part(struct tk_document_writer *writer, struct tk_line_document *lines,
                                 struct tk_error *error) {
  struct open_part *open = &lines->part;
  if (open->text.size == 0) return TK_OK;
  const enum tk_status status = put_open_part(writer, lines, error);
  open->number++;
  open->first_ordinal += open->record_count;
  open->record_count = 0;
  open->text.size = open->origins.size = 0;
  if (status == TK_OK && open->number >= TK_DOCUMENT_PART_COUNT) {
    return tk_fail(error, TK_UNSUPPORTED, "a document has more than %lld parts",
                   (long long)TK_DOCUMENT_PART_COUNT);
  }
  return status;
}

static void append_text(struct tk_line_document *lines, const char *text, size_t size) {
  if (size == 0) return;
  tk_byte_writer_append(&lines->part.text, text, size);
  tk_hash_update(&lines->hash, text, size);
  lines->size += size;
  lines->ends_line = text[size - 1] == '\n';
  lines->dirty = true;
}

static void append_origins(struct open_part *open, const struct tk_record_origin *origins,
                           uint64_t count) {
  open->has_origins = origins != NULL;
  for (uint64_t i = 0; origins && i < count; i++) {
    tk_byte_writer_append(&open->origins, origins[i].trace_id, sizeof origins[i].trace_id);
    tk_byte_writer_append(&open->origins, origins[i].span_id, sizeof origins[i].span_id);
    tk_byte_writer_append_u64(&open->origins, origins[i].start_unix_ns);
  }
}

static void append_records(struct tk_line_document *lines, const struct tk_record_origin *origins,
                           uint64_t count) {
  append_origins(&lines->part, origins, count);
  lines->part.record_count += count;
  lines->record_count += count;
}

/* ---- resuming ---- */

/* Takes a stored part as the open one. */
static void take_part(struct tk_line_document *lines, const struct tk_document_part *part,
                      int64_t number) {
  struct open_part *open = &lines->part;
  open->number = number;
  open->first_ordinal = part->first_ordinal;
  open->record_count = part->record_count;
  open->text.size = open->origins.size = 0;
  tk_byte_writer_append(&open->text, part->text, part->size);
  append_origins(open, part->origins, part->record_count);
  if (part->size > 0) lines->ends_line = part->text[part->size - 1] == '\n';
}

/* Of a document whose progress is known only the last part is read. */
static enum tk_status read_parts(struct tk_document_writer *writer, struct tk_line_document *lines,
                                 const struct tk_document_progress *progress,
                                 struct tk_error *error) {
  struct tk_document_reader *reader = NULL;
  const struct tk_document_part *part = NULL;
  const bool is_known = progress->last_part > 0;
  enum tk_status status = tk_document_reader_open(writer->db, "main", lines->id, &reader, error);
  if (status == TK_OK && is_known) {
    tk_document_reader_seek(reader, progress->last_part, progress->first_ordinal);
    lines->hash = progress->hash;
    lines->size = progress->size;
    lines->record_count = progress->record_count;
  }
  for (int64_t number = progress->last_part; status == TK_OK; number++) {
    status = tk_document_reader_next(reader, &part, error);
    if (status != TK_OK || !part) break;
    take_part(lines, part, number);
    if (is_known) continue;
    tk_hash_update(&lines->hash, part->text, part->size);
    lines->size += part->size;
    lines->record_count += part->record_count;
  }
  tk_document_reader_close(reader);
  if (lines->part.text.failed || lines->part.origins.failed) return tk_nomem(error);
  return status;
}

static enum tk_status resume_document(struct tk_document_writer *writer,
                                      struct tk_document_source *source, int64_t id,
                                      enum tk_document_kind kind, struct tk_error *error) {
  struct tk_document_progress progress;
  struct tk_line_document *lines = new_lines(source, kind);
  if (!lines) return tk_nomem(error);
  lines->id = id;
  lines->was_committed = true;
  enum tk_status status = tk_document_rows_get_progress(writer->rows, id, &progress, error);
  if (status == TK_OK) status = read_parts(writer, lines, &progress, error);
  return status;
}

static enum tk_status insert_row(struct tk_document_writer *writer,
                                 const struct tk_document_source *source,
                                 struct tk_line_document *lines, struct tk_error *error) {
  const struct tk_document_row row = {.kind = lines->kind,
                                      .run_id = source->run_id,
                                      .ingest_id = source->ingest_id,
                                      .path = source->path};
  return tk_document_rows_insert(writer->rows, &row, &lines->id, error);
}

/* Begins a document with all that document `id` has. */
static enum tk_status copy_document(struct tk_document_writer *writer,
                                    struct tk_document_source *source, int64_t id,
                                    enum tk_document_kind kind, struct tk_error *error) {
  struct tk_document_reader *reader = NULL;
  const struct tk_document_part *part = NULL;
  struct tk_line_document *lines = new_lines(source, kind);
  if (!lines) return tk_nomem(error);
  enum tk_status status = insert_row(writer, source, lines, error);
  if (status == TK_OK) status = tk_document_reader_open(writer->db, "main", id, &reader, error);
  while (status == TK_OK) {
    status = tk_document_reader_next(reader, &part, error);
    if (status != TK_OK || !part) break;
    status = close_part(writer, lines, error);
    append_text(lines, part->text, part->size);
    append_records(lines, part->origins, part->record_count);
  }
  tk_document_reader_close(reader);
  if (status != TK_OK) return status;
  return tk_document_rows_copy_traces(writer->rows, id, lines->id, error);
}

/* The source's document was not kept, because there was one with the same bytes; now that there are
 * more, they are two. */
static enum tk_status part_from_same(struct tk_document_writer *writer,
                                     struct tk_document_source *source, struct tk_error *error) {
  enum tk_document_kind kind;
  int64_t id = 0;
  const enum tk_status status = tk_document_rows_find_same_bytes(
      writer->rows, source->begin_hash, source->begin_offset, &id, &kind, error);
  if (status != TK_OK || id == 0) return status;
  return copy_document(writer, source, id, kind, error);
}

/* The documents that an earlier ingest of this source began. */
static enum tk_status resume(struct tk_document_writer *writer, struct tk_document_source *source,
                             struct tk_error *error) {
  enum tk_document_kind kind;
  enum tk_status status = TK_OK;
  int64_t id = 0;
  if (!source->continued || source->resumed) return TK_OK;
  do {
    status = tk_document_rows_find_lines(writer->rows, source->ingest_id, id, &id, &kind, error);
    if (status == TK_OK && id != 0) status = resume_document(writer, source, id, kind, error);
  } while (status == TK_OK && id != 0);
  source->resumed = true;
  if (status == TK_OK && !source->lines && source->begin_offset > 0) {
    status = part_from_same(writer, source, error);
  }
  return status;
}

/* ---- growing ---- */

static enum tk_status begin_document(struct tk_document_writer *writer,
                                     struct tk_document_source *source, enum tk_document_kind kind,
                                     struct tk_line_document **lines_out, struct tk_error *error) {
  enum tk_status status = TK_OK;
  /* Input that cannot be read twice starts over after a crash, and with it what was begun. */
  if (!source->continued && !source->resumed) {
    status = tk_document_rows_delete_abandoned(writer->rows, source->ingest_id, source->path,
                                               source->head_hash, error);
  }
  source->resumed = true;
  if (status != TK_OK) return status;
  *lines_out = new_lines(source, kind);
  return *lines_out ? insert_row(writer, source, *lines_out, error) : tk_nomem(error);
}

/* The source's document of this kind, which becomes its last. */
static enum tk_status find_document(struct tk_document_writer *writer,
                                    struct tk_document_source *source, enum tk_document_kind kind,
                                    struct tk_line_document **lines_out, struct tk_error *error) {
  enum tk_status status = resume(writer, source, error);
  struct tk_line_document *lines = source->lines;
  for (struct tk_line_document *each = lines; each; each = each->next) each->last = false;
  while (lines && lines->kind != kind) lines = lines->next;
  if (status == TK_OK && !lines) status = begin_document(writer, source, kind, &lines, error);
  if (status == TK_OK) lines->last = true;
  *lines_out = lines;
  return status;
}

static bool is_space(char byte) {
  return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

/* Whether a line end comes before anything else. */
static bool begins_line(const char *text, size_t size) {
  for (size_t i = 0; i < size && is_space(text[i]); i++) {
    if (text[i] == '\n') return true;
  }
  return false;
}

/* Whether these lines need a part of their own: they do not fit, or spans and plain lines meet,
 * since a part has origins or it has none. */
static bool needs_new_part(const struct open_part *open, const struct tk_document *document) {
  return open->text.size > 0 && (open->text.size + document->size > TK_DOCUMENT_PART_SIZE ||
                                 open->has_origins != (document->origins != NULL));
}

enum tk_status tk_document_lines_put(struct tk_document_writer *writer,
                                     struct tk_document_source *source,
                                     const struct tk_document *document, struct tk_error *error) {
  struct tk_line_document *lines = NULL;
  enum tk_status status = find_document(writer, source, document->kind, &lines, error);
  if (status == TK_OK && needs_new_part(&lines->part, document)) {
    status = close_part(writer, lines, error);
  }
  if (status != TK_OK) return status;
  if (!lines->ends_line && !begins_line(document->text, document->size)) {
    append_text(lines, "\n", 1);
  }
  append_text(lines, document->text, document->size);
  append_records(lines, document->origins, document->record_count);
  lines->new_records += document->record_count;
  if (!lines->run_id && document->run_id.size > 0) {
    lines->run_id = sqlite3_mprintf("%.*s", (int)document->run_id.size, document->run_id.data);
    if (!lines->run_id) return tk_nomem(error);
  }
  return tk_document_rows_add_traces(writer->rows, lines->id, document->trace_ids,
                                     document->trace_id_count, error);
}

enum tk_status tk_document_lines_put_space(struct tk_document_writer *writer,
                                           struct tk_document_source *source,
                                           const struct tk_document *document,
                                           struct tk_error *error) {
  const enum tk_status status = resume(writer, source, error);
  struct tk_line_document *lines = source->lines;
  while (lines && !lines->last && lines->next) lines = lines->next;
  if (lines) append_text(lines, document->text, document->size);
  return status;
}

/* ---- flushing ---- */

static enum tk_status update_row(struct tk_document_writer *writer,
                                 const struct tk_document_source *source,
                                 const struct tk_line_document *lines, bool complete,
                                 struct tk_error *error) {
  /* The digest is the source's: it is this document's if that is all there is in it. */
  const bool is_all = complete && !lines->part.has_origins && !source->lines->next;
  const struct tk_document_row row = {
      .kind = lines->kind,
      .hash = tk_hash_digest(&lines->hash),
      .size = lines->size,
      .record_count = lines->record_count,
      .complete = complete,
      .run_id = lines->run_id,
      .sha256 = is_all && source->has_sha256 ? source->sha256 : NULL};
  return tk_document_rows_update(writer->rows, lines->id, &row, error);
}

/* Keeps a document to which nothing will be added, or its equal that was there before. */
static enum tk_status complete_document(struct tk_document_writer *writer,
                                        const struct tk_document_source *source,
                                        const struct tk_line_document *lines, bool *kept,
                                        struct tk_error *error) {
  int64_t equal = 0;
  enum tk_status status = tk_document_rows_find_equal_lines(
      writer->rows, lines->kind, tk_hash_digest(&lines->hash), lines->id, &equal, error);
  *kept = equal == 0;
  if (status != TK_OK) return status;
  if (equal == 0) {
    const struct tk_document_arguments arguments = {
        .id = lines->id, .text = "", .run_id = source->run_id, .found = source->found};
    return tk_document_scripts_link(writer->scripts, &arguments, error);
  }
  writer->counts.documents_duplicate++;
  status = tk_document_rows_delete(writer->rows, lines->id, error);
  if (status != TK_OK) return status;
  return tk_document_rows_add_run(writer->rows, 0, equal, source->run_id, error);
}

static enum tk_status flush_document(struct tk_document_writer *writer,
                                     const struct tk_document_source *source,
                                     struct tk_line_document *lines, bool complete,
                                     struct tk_error *error) {
  enum tk_status status = TK_OK;
  bool kept = true;
  if (!lines->dirty && !complete) return TK_OK;
  if (lines->dirty) status = put_open_part(writer, lines, error);
  if (status == TK_OK && lines->dirty && lines->part.number > 0) {
    status = tk_document_rows_put_progress(writer->rows, lines->id, &lines->hash, error);
  }
  if (status == TK_OK) status = update_row(writer, source, lines, complete, error);
  if (status == TK_OK && complete) {
    status = complete_document(writer, source, lines, &kept, error);
  }
  if (status != TK_OK || !kept) return status;
  writer->counts.documents_new += !lines->was_committed;
  writer->counts.records += lines->new_records;
  lines->was_committed = true;
  lines->new_records = 0;
  lines->dirty = false;
  return TK_OK;
}

enum tk_status tk_document_lines_flush(struct tk_document_writer *writer,
                                       struct tk_document_source *source, bool complete,
                                       struct tk_error *error) {
  enum tk_status status = complete ? resume(writer, source, error) : TK_OK;
  struct tk_line_document *lines = source->lines;
  for (; lines && status == TK_OK; lines = lines->next) {
    status = flush_document(writer, source, lines, complete, error);
  }
  return status;
}
