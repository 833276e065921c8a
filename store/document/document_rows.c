/* SPDX-License-Identifier: MIT
 * Owns the statements on tk_document and the tables beside it, each prepared when it is first used,
 * and the form in which parts and the state of a hash are stored. A part's id is its document's,
 * shifted by 20 bits, and its number: a document's parts are a range of ids. */
#include "store/document/document_rows.h"

#include <stdio.h>
#include <string.h>

#include "store/codec/byte_reader.h"
#include "store/codec/compression.h"
#include "store/database.h"
#include "store/document/document_equal.h"
#include "store/document/document_functions.h"

enum { RUN_NAME_SIZE = 32 };

enum statement_id {
  INSERT_DOCUMENT,
  UPDATE_DOCUMENT,
  DELETE_DOCUMENT,
  PUT_PART,
  DELETE_PARTS,
  ADD_TRACE,
  COPY_TRACES,
  DELETE_TRACES,
  TAKE_RUN,
  ADD_RUN,
  LACK_RUN,
  DELETE_RUNS,
  FIND_EQUAL,
  FIND_LINES,
  FIND_SAME_BYTES,
  FIND_ABANDONED,
  PUT_PROGRESS,
  GET_PROGRESS,
  DELETE_PROGRESS,
  STATEMENT_COUNT
};

/* Documents of an ingest, or one, that do not name their run themselves. */
#define OF_SOURCE                                                                         \
  "id IN (SELECT id FROM tk_document WHERE ingest_id = ?1 UNION ALL SELECT ?2) AND kind " \
  "NOT IN ('envelope', 'run-log', 'automation-report', 'grafana-variables', "             \
  "'conformance-verify-result')"

/* A run that was made of a document's content, not named by anybody (tk_document_rows_update). */
#define HAS_NO_NAMED_RUN "(run_id IS NULL OR run_id GLOB 'content-[0-9a-f]*')"

#define ITS_PARTS "id >= ?1 << 20 AND id < (?1 + 1) << 20"

static const char *const rows_sql[STATEMENT_COUNT] = {
    [INSERT_DOCUMENT] =
        "INSERT INTO tk_document(kind, hash, size, record_count, complete, run_id, path, sha256,"
        " ingest_id, ingested_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"
        " strftime('%Y-%m-%dT%H:%M:%fZ','now'))",
    [UPDATE_DOCUMENT] =
        "UPDATE tk_document SET hash = ?2, size = ?3, record_count = ?4,"
        " complete = ?5, run_id = CASE WHEN ?6 IS NOT NULL THEN ?6"
        " WHEN " HAS_NO_NAMED_RUN
        " THEN ?7 ELSE run_id END, sha256 = ?8"
        " WHERE id = ?1",
    [DELETE_DOCUMENT] = "DELETE FROM tk_document WHERE id = ?1",
    [PUT_PART] =
        "INSERT OR REPLACE INTO tk_document_part VALUES (?1 << 20 | ?8, ?2, ?3, ?4, ?5, ?6, ?7)",
    [DELETE_PARTS] = "DELETE FROM tk_document_part WHERE " ITS_PARTS,
    [ADD_TRACE] = "INSERT OR IGNORE INTO tk_document_trace VALUES (?1, ?2)",
    [COPY_TRACES] =
        "INSERT OR IGNORE INTO tk_document_trace"
        " SELECT trace_id, ?2 FROM tk_document_trace WHERE document_id = ?1",
    [DELETE_TRACES] = "DELETE FROM tk_document_trace WHERE document_id = ?1",
    [TAKE_RUN] = "UPDATE tk_document SET run_id = ?3 WHERE " OF_SOURCE " AND " HAS_NO_NAMED_RUN,
    [ADD_RUN] =
        "INSERT OR IGNORE INTO tk_run_document SELECT id, ?3 FROM tk_document WHERE " OF_SOURCE
        " AND run_id <> ?3",
    [LACK_RUN] = "SELECT 1 FROM tk_document d WHERE " OF_SOURCE
                 " AND d.run_id IS NOT ?3 AND NOT EXISTS (SELECT 1 FROM tk_run_document r"
                 " WHERE r.document_id = d.id AND r.run_id = ?3)",
    [DELETE_RUNS] = "DELETE FROM tk_run_document WHERE document_id = ?1",
    [FIND_EQUAL] =
        "SELECT id FROM tk_document WHERE hash = ?1 AND kind = ?2 AND complete AND id <> ?3",
    [FIND_LINES] = "SELECT id, kind FROM tk_document WHERE ingest_id = ?1 AND id > ?2 ORDER BY id",
    [FIND_SAME_BYTES] = "SELECT id, kind FROM tk_document WHERE hash = ?1 AND size = ?2",
    [FIND_ABANDONED] =
        "SELECT d.id FROM tk_ingest i JOIN tk_document d ON d.ingest_id = i.id"
        " WHERE i.head_hash = ?1 AND i.id <> ?2 AND NOT d.complete AND NOT i.complete"
        " AND i.source = ?3",
    [PUT_PROGRESS] = "INSERT OR REPLACE INTO tk_document_state VALUES (?1, ?2)",
    [GET_PROGRESS] =
        "SELECT s.state, d.size, d.record_count, p.id & 1048575, p.first_ordinal"
        " FROM tk_document_state s JOIN tk_document d ON d.id = s.document_id"
        " JOIN tk_document_part p ON p.id = (SELECT max(id) FROM tk_document_part"
        " WHERE " ITS_PARTS ") WHERE s.document_id = ?1",
    [DELETE_PROGRESS] = "DELETE FROM tk_document_state WHERE document_id = ?1",
};

struct tk_document_rows {
  sqlite3 *db;
  sqlite3_stmt *statements[STATEMENT_COUNT];
  struct tk_byte_writer packed, packed_origins; /* reused by every part */
  uint64_t bytes_stored;
};

/* ---- statements ---- */

enum tk_status tk_document_rows_open(sqlite3 *db, struct tk_document_rows **rows_out,
                                     struct tk_error *error) {
  struct tk_document_rows *rows = sqlite3_malloc64(sizeof *rows);
  *rows_out = rows;
  if (!rows) return tk_nomem(error);
  *rows = (struct tk_document_rows){.db = db};
  return TK_OK;
}

void tk_document_rows_close(struct tk_document_rows *rows) {
  if (!rows) return;
  for (int i = 0; i < STATEMENT_COUNT; i++) sqlite3_finalize(rows->statements[i]);
  tk_byte_writer_reset(&rows->packed);
  tk_byte_writer_reset(&rows->packed_origins);
  sqlite3_free(rows);
}

uint64_t tk_document_rows_bytes_stored(const struct tk_document_rows *rows) {
  return rows->bytes_stored;
}

static enum tk_status failed(const struct tk_document_rows *rows, struct tk_error *error) {
  return tk_database_error(rows->db, "store a document", error);
}

static enum tk_status get_statement(struct tk_document_rows *rows, enum statement_id id,
                                    sqlite3_stmt **statement_out, struct tk_error *error) {
  sqlite3_stmt **kept = &rows->statements[id];
  const int rc =
      *kept ? SQLITE_OK
            : sqlite3_prepare_v3(rows->db, rows_sql[id], -1, SQLITE_PREPARE_PERSISTENT, kept, NULL);
  *statement_out = *kept;
  return rc == SQLITE_OK ? TK_OK : failed(rows, error);
}

/* NULL becomes NULL. */
static void bind_text(sqlite3_stmt *statement, int parameter, const char *text) {
  sqlite3_bind_text(statement, parameter, text, -1, SQLITE_STATIC);
}

/* Steps to the next row. After a query that is left before its end, and after its last row, the
 * caller calls `finish`. */
static enum tk_status next_row(const struct tk_document_rows *rows, sqlite3_stmt *query,
                               bool *is_row, struct tk_error *error) {
  const int rc = sqlite3_step(query);
  *is_row = rc == SQLITE_ROW;
  return rc == SQLITE_ROW || rc == SQLITE_DONE ? TK_OK : failed(rows, error);
}

static void finish(sqlite3_stmt *statement) {
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
}

static enum tk_status run(const struct tk_document_rows *rows, sqlite3_stmt *statement,
                          struct tk_error *error) {
  bool is_row;
  const enum tk_status status = next_row(rows, statement, &is_row, error);
  finish(statement);
  return status;
}

/* ---- documents ---- */

enum tk_status tk_document_rows_insert(struct tk_document_rows *rows,
                                       const struct tk_document_row *row, int64_t *id_out,
                                       struct tk_error *error) {
  sqlite3_stmt *statement;
  enum tk_status status = get_statement(rows, INSERT_DOCUMENT, &statement, error);
  if (status != TK_OK) return status;
  bind_text(statement, 1, tk_document_kind_name(row->kind));
  sqlite3_bind_int64(statement, 2, (int64_t)row->hash);
  sqlite3_bind_int64(statement, 3, (int64_t)row->size);
  sqlite3_bind_int64(statement, 4, (int64_t)row->record_count);
  sqlite3_bind_int(statement, 5, row->complete);
  bind_text(statement, 6, row->run_id);
  bind_text(statement, 7, row->path);
  if (row->sha256) sqlite3_bind_blob(statement, 8, row->sha256, 32, SQLITE_STATIC);
  sqlite3_bind_int64(statement, 9, row->ingest_id);
  status = run(rows, statement, error);
  *id_out = sqlite3_last_insert_rowid(rows->db);
  return status;
}

enum tk_status tk_document_rows_update(struct tk_document_rows *rows, int64_t id,
                                       const struct tk_document_row *row, struct tk_error *error) {
  char made_of_content[RUN_NAME_SIZE];
  sqlite3_stmt *statement;
  const enum tk_status status = get_statement(rows, UPDATE_DOCUMENT, &statement, error);
  if (status != TK_OK) return status;
  snprintf(made_of_content, sizeof made_of_content, "content-%016llx",
           (unsigned long long)row->hash);
  sqlite3_bind_int64(statement, 1, id);
  sqlite3_bind_int64(statement, 2, (int64_t)row->hash);
  sqlite3_bind_int64(statement, 3, (int64_t)row->size);
  sqlite3_bind_int64(statement, 4, (int64_t)row->record_count);
  sqlite3_bind_int(statement, 5, row->complete);
  bind_text(statement, 6, row->run_id);
  if (row->kind != TK_DOCUMENT_SAMPLING_DECISIONS) bind_text(statement, 7, made_of_content);
  if (row->sha256) sqlite3_bind_blob(statement, 8, row->sha256, 32, SQLITE_STATIC);
  return run(rows, statement, error);
}

enum tk_status tk_document_rows_delete(struct tk_document_rows *rows, int64_t id,
                                       struct tk_error *error) {
  static const enum statement_id steps[] = {DELETE_TRACES, DELETE_PARTS, DELETE_PROGRESS,
                                            DELETE_RUNS, DELETE_DOCUMENT};
  enum tk_status status = TK_OK;
  for (size_t i = 0; i < sizeof steps / sizeof steps[0] && status == TK_OK; i++) {
    sqlite3_stmt *statement;
    status = get_statement(rows, steps[i], &statement, error);
    if (status != TK_OK) return status;
    sqlite3_bind_int64(statement, 1, id);
    status = run(rows, statement, error);
  }
  return status;
}

enum tk_status tk_document_rows_delete_abandoned(struct tk_document_rows *rows, int64_t ingest_id,
                                                 const char *path, uint64_t head_hash,
                                                 struct tk_error *error) {
  sqlite3_stmt *query;
  bool is_row = true;
  enum tk_status status = get_statement(rows, FIND_ABANDONED, &query, error);
  while (status == TK_OK && is_row) {
    sqlite3_bind_int64(query, 1, (int64_t)head_hash);
    sqlite3_bind_int64(query, 2, ingest_id);
    bind_text(query, 3, path);
    status = next_row(rows, query, &is_row, error);
    const int64_t id = is_row ? sqlite3_column_int64(query, 0) : 0;
    finish(query);
    if (is_row) status = tk_document_rows_delete(rows, id, error);
  }
  return status;
}

/* ---- parts ---- */

static enum tk_status pack_part(struct tk_document_rows *rows,
                                const struct tk_document_part_row *part, struct tk_error *error) {
  rows->packed.size = rows->packed_origins.size = 0;
  tk_pack_bytes(&rows->packed, part->text, part->size, TK_LEVEL_TEXT);
  if (part->origins) {
    tk_pack_bytes(&rows->packed_origins, part->origins->data, part->origins->size, TK_LEVEL_TEXT);
  }
  return rows->packed.failed || rows->packed_origins.failed ? tk_nomem(error) : TK_OK;
}

static void bind_bytes(sqlite3_stmt *statement, int parameter, const struct tk_byte_writer *bytes) {
  sqlite3_bind_blob64(statement, parameter, bytes->size ? (const void *)bytes->data : "",
                      bytes->size, SQLITE_STATIC);
}

enum tk_status tk_document_rows_put_part(struct tk_document_rows *rows,
                                         const struct tk_document_part_row *part,
                                         struct tk_error *error) {
  const struct tk_byte_writer *packed = &rows->packed, *origins = &rows->packed_origins;
  sqlite3_stmt *statement;
  struct tk_hash hash;
  enum tk_status status = pack_part(rows, part, error);
  if (status == TK_OK) status = get_statement(rows, PUT_PART, &statement, error);
  if (status != TK_OK) return status;
  tk_hash_init(&hash);
  tk_hash_update(&hash, packed->data, packed->size);
  tk_hash_update(&hash, origins->data, origins->size);
  sqlite3_bind_int64(statement, 1, part->document_id);
  sqlite3_bind_int64(statement, 2, (int64_t)part->first_ordinal);
  sqlite3_bind_int64(statement, 3, (int64_t)part->record_count);
  sqlite3_bind_int64(statement, 4, (int64_t)part->size);
  sqlite3_bind_int64(statement, 5, (int64_t)tk_hash_digest(&hash));
  bind_bytes(statement, 6, packed);
  if (part->origins) bind_bytes(statement, 7, origins);
  sqlite3_bind_int64(statement, 8, part->number);
  status = run(rows, statement, error);
  rows->bytes_stored += packed->size + origins->size;
  return status;
}

/* ---- traces ---- */

enum tk_status tk_document_rows_add_traces(struct tk_document_rows *rows, int64_t id,
                                           const struct tk_text *trace_ids, uint32_t count,
                                           struct tk_error *error) {
  struct tk_text before = {NULL, 0};
  sqlite3_stmt *statement;
  enum tk_status status = get_statement(rows, ADD_TRACE, &statement, error);
  for (uint32_t i = 0; i < count && status == TK_OK; i++) {
    const struct tk_text trace = trace_ids[i];
    char normal[33];
    if (before.data && before.size == trace.size &&
        memcmp(before.data, trace.data, trace.size) == 0) {
      continue;
    }
    before = trace;
    if (tk_normal_trace_id(trace, normal)) {
      sqlite3_bind_text(statement, 1, normal, 32, SQLITE_STATIC);
    } else {
      sqlite3_bind_text(statement, 1, trace.data, (int)trace.size, SQLITE_STATIC);
    }
    sqlite3_bind_int64(statement, 2, id);
    status = run(rows, statement, error);
  }
  return status;
}

enum tk_status tk_document_rows_copy_traces(struct tk_document_rows *rows, int64_t from, int64_t to,
                                            struct tk_error *error) {
  sqlite3_stmt *statement;
  const enum tk_status status = get_statement(rows, COPY_TRACES, &statement, error);
  if (status != TK_OK) return status;
  sqlite3_bind_int64(statement, 1, from);
  sqlite3_bind_int64(statement, 2, to);
  return run(rows, statement, error);
}

/* ---- runs ---- */

static void bind_run(sqlite3_stmt *statement, int64_t ingest_id, int64_t id, const char *run_id) {
  sqlite3_bind_int64(statement, 1, ingest_id);
  sqlite3_bind_int64(statement, 2, id);
  bind_text(statement, 3, run_id);
}

enum tk_status tk_document_rows_add_run(struct tk_document_rows *rows, int64_t ingest_id,
                                        int64_t id, const char *run_id, struct tk_error *error) {
  static const enum statement_id steps[] = {TAKE_RUN, ADD_RUN};
  enum tk_status status = TK_OK;
  if (!run_id) return TK_OK;
  for (size_t i = 0; i < sizeof steps / sizeof steps[0] && status == TK_OK; i++) {
    sqlite3_stmt *statement;
    status = get_statement(rows, steps[i], &statement, error);
    if (status != TK_OK) return status;
    bind_run(statement, ingest_id, id, run_id);
    status = run(rows, statement, error);
  }
  return status;
}

enum tk_status tk_document_rows_lack_run(struct tk_document_rows *rows, int64_t ingest_id,
                                         const char *run_id, bool *lack_out,
                                         struct tk_error *error) {
  sqlite3_stmt *query;
  *lack_out = false;
  enum tk_status status = get_statement(rows, LACK_RUN, &query, error);
  if (status != TK_OK) return status;
  bind_run(query, ingest_id, 0, run_id);
  status = next_row(rows, query, lack_out, error);
  finish(query);
  return status;
}

/* ---- finding documents ---- */

/* `trimmed` is the substance of a whole document; NULL: of lines, document `id` is compared. */
static enum tk_status find_equal(struct tk_document_rows *rows, enum tk_document_kind kind,
                                 uint64_t hash, int64_t id, const struct tk_text *trimmed,
                                 int64_t *id_out, struct tk_error *error) {
  sqlite3_stmt *query;
  bool is_row = true;
  *id_out = 0;
  enum tk_status status = get_statement(rows, FIND_EQUAL, &query, error);
  if (status != TK_OK) return status;
  sqlite3_bind_int64(query, 1, (int64_t)hash);
  bind_text(query, 2, tk_document_kind_name(kind));
  sqlite3_bind_int64(query, 3, id);
  while (*id_out == 0) {
    status = next_row(rows, query, &is_row, error);
    if (status != TK_OK || !is_row) break;
    const int64_t other = sqlite3_column_int64(query, 0);
    bool equal = false;
    status = trimmed ? tk_document_compare_whole(rows->db, other, *trimmed, &equal, error)
                     : tk_document_compare_lines(rows->db, id, other, &equal, error);
    if (status != TK_OK) break;
    if (equal) *id_out = other;
  }
  finish(query);
  return status;
}

enum tk_status tk_document_rows_find_whole(struct tk_document_rows *rows,
                                           enum tk_document_kind kind, uint64_t hash,
                                           struct tk_text trimmed, int64_t *id_out,
                                           struct tk_error *error) {
  return find_equal(rows, kind, hash, 0, &trimmed, id_out, error);
}

enum tk_status tk_document_rows_find_equal_lines(struct tk_document_rows *rows,
                                                 enum tk_document_kind kind, uint64_t hash,
                                                 int64_t id, int64_t *id_out,
                                                 struct tk_error *error) {
  return find_equal(rows, kind, hash, id, NULL, id_out, error);
}

/* The first row of a query for (id, kind) that is lines. */
static enum tk_status first_lines(const struct tk_document_rows *rows, sqlite3_stmt *query,
                                  int64_t *id_out, enum tk_document_kind *kind_out,
                                  struct tk_error *error) {
  bool is_row = true;
  enum tk_status status = TK_OK;
  *id_out = 0;
  while (*id_out == 0) {
    status = next_row(rows, query, &is_row, error);
    if (status != TK_OK || !is_row) break;
    *kind_out = tk_document_kind_find((const char *)sqlite3_column_text(query, 1));
    if (tk_document_kind_is_lines(*kind_out)) *id_out = sqlite3_column_int64(query, 0);
  }
  finish(query);
  return status;
}

enum tk_status tk_document_rows_find_lines(struct tk_document_rows *rows, int64_t ingest_id,
                                           int64_t after, int64_t *id_out,
                                           enum tk_document_kind *kind_out,
                                           struct tk_error *error) {
  sqlite3_stmt *query;
  const enum tk_status status = get_statement(rows, FIND_LINES, &query, error);
  if (status != TK_OK) return status;
  sqlite3_bind_int64(query, 1, ingest_id);
  sqlite3_bind_int64(query, 2, after);
  return first_lines(rows, query, id_out, kind_out, error);
}

enum tk_status tk_document_rows_find_same_bytes(struct tk_document_rows *rows, uint64_t hash,
                                                uint64_t size, int64_t *id_out,
                                                enum tk_document_kind *kind_out,
                                                struct tk_error *error) {
  sqlite3_stmt *query;
  const enum tk_status status = get_statement(rows, FIND_SAME_BYTES, &query, error);
  if (status != TK_OK) return status;
  sqlite3_bind_int64(query, 1, (int64_t)hash);
  sqlite3_bind_int64(query, 2, (int64_t)size);
  return first_lines(rows, query, id_out, kind_out, error);
}

/* ---- how far a document has come ---- */

/* The state of a hash is stored in the order of its members, little-endian. */
enum { LANES = 4, STATE_SIZE = 8 * (LANES + 1) + 32 };

enum tk_status tk_document_rows_put_progress(struct tk_document_rows *rows, int64_t id,
                                             const struct tk_hash *hash, struct tk_error *error) {
  struct tk_byte_writer *state = &rows->packed;
  sqlite3_stmt *statement;
  const enum tk_status status = get_statement(rows, PUT_PROGRESS, &statement, error);
  if (status != TK_OK) return status;
  state->size = 0;
  for (int i = 0; i < LANES; i++) tk_byte_writer_append_u64(state, hash->lanes[i]);
  tk_byte_writer_append_u64(state, hash->total_bytes);
  tk_byte_writer_append(state, hash->pending, sizeof hash->pending);
  if (state->failed) return tk_nomem(error);
  sqlite3_bind_int64(statement, 1, id);
  bind_bytes(statement, 2, state);
  return run(rows, statement, error);
}

static void read_state(const void *state, struct tk_hash *hash_out) {
  struct tk_byte_reader bytes;
  tk_byte_reader_init(&bytes, state, STATE_SIZE);
  for (int i = 0; i < LANES; i++) hash_out->lanes[i] = tk_byte_reader_u64(&bytes);
  hash_out->total_bytes = tk_byte_reader_u64(&bytes);
  memcpy(hash_out->pending, tk_byte_reader_bytes(&bytes, sizeof hash_out->pending),
         sizeof hash_out->pending);
}

enum tk_status tk_document_rows_get_progress(struct tk_document_rows *rows, int64_t id,
                                             struct tk_document_progress *progress_out,
                                             struct tk_error *error) {
  sqlite3_stmt *query;
  bool is_row;
  *progress_out = (struct tk_document_progress){.last_part = 0};
  enum tk_status status = get_statement(rows, GET_PROGRESS, &query, error);
  if (status != TK_OK) return status;
  sqlite3_bind_int64(query, 1, id);
  status = next_row(rows, query, &is_row, error);
  if (is_row && sqlite3_column_bytes(query, 0) == STATE_SIZE) {
    read_state(sqlite3_column_blob(query, 0), &progress_out->hash);
    progress_out->size = (uint64_t)sqlite3_column_int64(query, 1);
    progress_out->record_count = (uint64_t)sqlite3_column_int64(query, 2);
    progress_out->last_part = sqlite3_column_int64(query, 3);
    progress_out->first_ordinal = (uint64_t)sqlite3_column_int64(query, 4);
  }
  finish(query);
  return status;
}
