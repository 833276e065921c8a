/* SPDX-License-Identifier: MIT
 * Sends each document where it is written: whole ones here, each as soon as it comes; lines to
 * document_lines.c, which collects them until a flush. */
#include "store/document/document_writer.h"

#include "store/document/document_lines.h"

/* ---- opening ---- */

enum tk_status tk_document_writer_open(sqlite3 *db, struct tk_document_writer **writer_out,
                                       struct tk_error *error) {
  struct tk_document_writer *writer = sqlite3_malloc64(sizeof *writer);
  *writer_out = NULL;
  if (!writer) return tk_nomem(error);
  *writer = (struct tk_document_writer){.db = db};
  enum tk_status status = tk_document_rows_open(db, &writer->rows, error);
  if (status == TK_OK) status = tk_document_scripts_open(db, &writer->scripts, error);
  if (status != TK_OK) {
    tk_document_writer_close(writer);
    return status;
  }
  *writer_out = writer;
  return TK_OK;
}

void tk_document_writer_close(struct tk_document_writer *writer) {
  if (!writer) return;
  tk_document_scripts_close(writer->scripts);
  tk_document_rows_close(writer->rows);
  sqlite3_free(writer);
}

void tk_document_source_reset(struct tk_document_source *source) {
  tk_document_lines_free(source->lines);
  *source = (struct tk_document_source){.ingest_id = 0};
}

/* ---- whole documents ---- */

/* Where to cut after at most `limit` bytes without cutting a character. */
static size_t find_cut(const char *text, size_t size, size_t limit) {
  if (size <= limit) return size;
  size_t cut = limit;
  while (cut > limit - 4 && ((unsigned char)text[cut] & 0xC0) == 0x80) cut--;
  return cut;
}

/* A whole document is one record, which the first part counts. */
static enum tk_status put_parts(struct tk_document_writer *writer, int64_t id,
                                const struct tk_document *document, struct tk_error *error) {
  enum tk_status status = TK_OK;
  int64_t number = 0;
  for (size_t at = 0; at < document->size && status == TK_OK; number++) {
    const size_t size = find_cut(document->text + at, document->size - at, TK_DOCUMENT_PART_SIZE);
    const struct tk_document_part_row part = {.document_id = id,
                                              .number = number,
                                              .first_ordinal = number > 0,
                                              .record_count = number == 0,
                                              .text = document->text + at,
                                              .size = size};
    status = tk_document_rows_put_part(writer->rows, &part, error);
    at += size;
  }
  return status;
}

static enum tk_status put_whole(struct tk_document_writer *writer,
                                const struct tk_document_source *source,
                                const struct tk_document *document, struct tk_error *error) {
  const struct tk_text trimmed = tk_document_trim(document->text, document->size);
  const struct tk_document_row row = {.kind = document->kind,
                                      .hash = tk_hash64(trimmed.data, trimmed.size),
                                      .size = document->size,
                                      .record_count = 1,
                                      .complete = true,
                                      .run_id = source->run_id,
                                      .sha256 = document->has_sha256 ? document->sha256 : NULL,
                                      .ingest_id = source->ingest_id,
                                      .path = source->path};
  int64_t id = 0;
  enum tk_status status =
      tk_document_rows_find_whole(writer->rows, row.kind, row.hash, trimmed, &id, error);
  if (status != TK_OK) return status;
  if (id != 0) {
    writer->counts.documents_duplicate++;
    return tk_document_rows_add_run(writer->rows, 0, id, source->run_id, error);
  }
  status = tk_document_rows_insert(writer->rows, &row, &id, error);
  if (status == TK_OK) status = put_parts(writer, id, document, error);
  const struct tk_document_arguments arguments = {.id = id,
                                                  .text = trimmed.data,
                                                  .size = trimmed.size,
                                                  .run_id = source->run_id,
                                                  .found = source->found};
  if (status == TK_OK) {
    status = tk_document_scripts_run(writer->scripts, row.kind, &arguments, error);
  }
  if (status == TK_OK) status = tk_document_scripts_link(writer->scripts, &arguments, error);
  writer->counts.documents_new++;
  return status;
}

/* ---- documents of a source ---- */

enum tk_status tk_document_writer_put(struct tk_document_writer *writer,
                                      struct tk_document_source *source,
                                      const struct tk_document *document, struct tk_error *error) {
  if (document->kind == TK_DOCUMENT_SPACE) {
    return tk_document_lines_put_space(writer, source, document, error);
  }
  if (tk_document_kind_is_lines(document->kind)) {
    return tk_document_lines_put(writer, source, document, error);
  }
  return put_whole(writer, source, document, error);
}

enum tk_status tk_document_writer_flush(struct tk_document_writer *writer,
                                        struct tk_document_source *source, bool complete,
                                        struct tk_error *error) {
  const enum tk_status status = tk_document_lines_flush(writer, source, complete, error);
  if (status != TK_OK || !complete || !source->continued) return status;
  return tk_document_rows_add_run(writer->rows, source->ingest_id, 0, source->run_id, error);
}

enum tk_status tk_document_writer_lacks_run(struct tk_document_writer *writer, int64_t ingest_id,
                                            const char *run_id, bool *lacks,
                                            struct tk_error *error) {
  return tk_document_rows_lack_run(writer->rows, ingest_id, run_id, lacks, error);
}

void tk_document_writer_counts(const struct tk_document_writer *writer,
                               struct tk_document_counts *counts_out) {
  *counts_out = writer->counts;
  counts_out->bytes_stored = tk_document_rows_bytes_stored(writer->rows);
}
