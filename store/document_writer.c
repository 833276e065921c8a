/* SPDX-License-Identifier: MIT
 * Parts are filled up to a size and cut where pieces of lines meet, which depends on the input
 * alone: a part that is not full is written again by the commit that adds to it, so that the store
 * ends the same however often there were commits.
 *
 * What documents say becomes rows by SQL, one script for each kind (store/sql/documents/): the text
 * is bound, and json_each and json_extract take it apart. */
#include "store/document_writer.h"

#include <stdio.h>
#include <string.h>

#include "store/byte_writer.h"
#include "store/compression.h"
#include "store/database.h"
#include "store/document.h"
#include "store/document_functions.h"
#include "store/document_sql.h"
#include "tracekeep/hash.h"

enum { PART_BITS = 20, PART_SIZE = 1 << 20, ORIGIN_SIZE = 32, STEP_LIMIT = 64, RUN_NAME_SIZE = 32 };

enum statement_id {
  INSERT_DOCUMENT,
  FINISH_DOCUMENT,
  DELETE_DOCUMENT,
  PUT_PART,
  DELETE_PARTS,
  ADD_TRACE,
  DELETE_TRACES,
  FIND_EQUAL,
  FIND_LINES,
  FIND_SAME_BYTES,
  COPY_TRACES,
  FIND_ABANDONED,
  TAKE_RUN,
  ADD_RUN,
  LACKS_RUN,
  PUT_STATE,
  GET_STATE,
  DELETE_STATE,
  DELETE_RUNS,
  STATEMENT_COUNT
};

/* Documents of a source, or one, that do not name their run themselves. */
#define OF_SOURCE                                                                         \
  "id IN (SELECT id FROM tk_document WHERE ingest_id = ?1 UNION ALL SELECT ?2) AND kind " \
  "NOT IN ('envelope', 'run-log', 'automation-report', 'grafana-variables', "             \
  "'conformance-verify-result')"

static const char *const writer_sql[STATEMENT_COUNT] = {
    [INSERT_DOCUMENT] =
        "INSERT INTO tk_document(kind, hash, size, record_count, complete, run_id, path, sha256,"
        " ingest_id, ingested_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"
        " strftime('%Y-%m-%dT%H:%M:%fZ','now'))",
    [FINISH_DOCUMENT] =
        "UPDATE tk_document SET hash = ?2, size = ?3, record_count = ?4, complete = ?5,"
        " run_id = CASE WHEN ?6 IS NOT NULL THEN ?6 WHEN run_id IS NULL OR"
        " run_id GLOB 'content-[0-9a-f]*' THEN ?7 ELSE run_id END, sha256 = ?8"
        " WHERE id = ?1",
    [TAKE_RUN] = "UPDATE tk_document SET run_id = ?3 WHERE " OF_SOURCE
                 " AND (run_id IS NULL OR run_id GLOB 'content-[0-9a-f]*')",
    [ADD_RUN] =
        "INSERT OR IGNORE INTO tk_run_document SELECT id, ?3 FROM tk_document WHERE " OF_SOURCE
        " AND run_id <> ?3",
    [LACKS_RUN] = "SELECT 1 FROM tk_document d WHERE " OF_SOURCE
                  " AND d.run_id IS NOT ?3 AND NOT EXISTS (SELECT 1 FROM tk_run_document r"
                  " WHERE r.document_id = d.id AND r.run_id = ?3)",
    [DELETE_DOCUMENT] = "DELETE FROM tk_document WHERE id = ?1",
    [PUT_PART] = "INSERT OR REPLACE INTO tk_document_part VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [DELETE_PARTS] = "DELETE FROM tk_document_part WHERE id >= ?1 << 20 AND id < (?1 + 1) << 20",
    [ADD_TRACE] = "INSERT OR IGNORE INTO tk_document_trace VALUES (?1, ?2)",
    [DELETE_TRACES] = "DELETE FROM tk_document_trace WHERE document_id = ?1",
    [FIND_EQUAL] =
        "SELECT id FROM tk_document WHERE hash = ?1 AND kind = ?2 AND complete AND id <> ?3",
    [FIND_LINES] = "SELECT id, kind FROM tk_document WHERE ingest_id = ?1",
    [FIND_SAME_BYTES] = "SELECT id, kind FROM tk_document WHERE hash = ?1 AND size = ?2",
    [COPY_TRACES] =
        "INSERT OR IGNORE INTO tk_document_trace"
        " SELECT trace_id, ?2 FROM tk_document_trace WHERE document_id = ?1",
    [FIND_ABANDONED] =
        "SELECT d.id FROM tk_ingest i JOIN tk_document d ON d.ingest_id = i.id"
        " WHERE i.head_hash = ?1 AND i.id <> ?2 AND NOT d.complete AND NOT i.complete"
        " AND i.source = ?3",
    [PUT_STATE] = "INSERT OR REPLACE INTO tk_document_state VALUES (?1, ?2)",
    [GET_STATE] =
        "SELECT s.state, d.size, d.record_count, p.id & 1048575, p.first_ordinal"
        " FROM tk_document_state s JOIN tk_document d ON d.id = s.document_id"
        " JOIN tk_document_part p ON p.id = (SELECT max(id) FROM tk_document_part"
        " WHERE id >= ?1 << 20 AND id < (?1 + 1) << 20) WHERE s.document_id = ?1",
    [DELETE_RUNS] = "DELETE FROM tk_run_document WHERE document_id = ?1",
    [DELETE_STATE] = "DELETE FROM tk_document_state WHERE document_id = ?1",
};

/* The statements of one script, prepared when it is first needed. */
struct script {
  sqlite3_stmt *steps[STEP_LIMIT];
  int step_count;
  bool prepared;
};

struct tk_document_writer {
  sqlite3 *db;
  sqlite3_stmt *statements[STATEMENT_COUNT];
  struct script scripts[TK_DOCUMENT_KIND_COUNT + 1]; /* the last: of every document */
  struct tk_byte_writer packed, origins, packed_origins;
  struct tk_document_counts counts;
};

/* A document of lines that may still grow. */
struct tk_line_document {
  struct tk_line_document *next;
  enum tk_document_kind kind;
  int64_t id;
  bool was_committed; /* its row was there before this source was taken up, or this commit */
  bool dirty;
  bool last; /* of its source's documents, the one that was added to last */
  bool ends_line;
  bool has_origins;
  uint64_t size, record_count, new_records;
  struct tk_hash hash;
  char *run_id; /* that its own text names */
  /* The part that is not full yet. */
  int64_t part_number;
  uint64_t part_first, part_records;
  struct tk_byte_writer text, part_origins;
};

/* ---- kinds ---- */

static const struct {
  const char *name;
  int is_lines;
} kinds[TK_DOCUMENT_KIND_COUNT] = {
#define TK_DOCUMENT_ROW(suffix, name, lines) {name, lines},
    TK_DOCUMENT_KINDS(TK_DOCUMENT_ROW)
#undef TK_DOCUMENT_ROW
};

const char *tk_document_kind_name(enum tk_document_kind kind) {
  return (unsigned)kind < TK_DOCUMENT_KIND_COUNT ? kinds[kind].name : "white space";
}

int tk_document_kind_is_lines(enum tk_document_kind kind) {
  return (unsigned)kind < TK_DOCUMENT_KIND_COUNT && kinds[kind].is_lines;
}

/* ---- statements ---- */

static enum tk_status failed(struct tk_document_writer *writer, struct tk_error *error) {
  return tk_database_error(writer->db, "store a document", error);
}

static enum tk_status get_statement(struct tk_document_writer *writer, enum statement_id id,
                                    sqlite3_stmt **statement_out, struct tk_error *error) {
  if (!writer->statements[id] &&
      sqlite3_prepare_v3(writer->db, writer_sql[id], -1, SQLITE_PREPARE_PERSISTENT,
                         &writer->statements[id], NULL) != SQLITE_OK) {
    return failed(writer, error);
  }
  *statement_out = writer->statements[id];
  return TK_OK;
}

static enum tk_status run(struct tk_document_writer *writer, sqlite3_stmt *statement,
                          struct tk_error *error) {
  const int rc = sqlite3_step(statement);
  const enum tk_status status =
      rc == SQLITE_DONE || rc == SQLITE_ROW ? TK_OK : failed(writer, error);
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  return status;
}

static enum tk_status run_with_id(struct tk_document_writer *writer, enum statement_id which,
                                  int64_t id, struct tk_error *error) {
  sqlite3_stmt *statement;
  const enum tk_status status = get_statement(writer, which, &statement, error);
  if (status != TK_OK) return status;
  sqlite3_bind_int64(statement, 1, id);
  return run(writer, statement, error);
}

static void bind_text(sqlite3_stmt *statement, int parameter, const char *text) {
  if (text) sqlite3_bind_text(statement, parameter, text, -1, SQLITE_STATIC);
}

/* ---- scripts ---- */

static enum tk_status prepare_script(struct tk_document_writer *writer, struct script *script,
                                     const char *name, struct tk_error *error) {
  const char *sql = "";
  for (const struct tk_document_sql *row = tk_document_sql; row->kind; row++) {
    if (strcmp(row->kind, name) == 0) sql = row->sql;
  }
  while (script->step_count < STEP_LIMIT) {
    sqlite3_stmt *step = NULL;
    if (sqlite3_prepare_v3(writer->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &step, &sql) !=
        SQLITE_OK) {
      return failed(writer, error);
    }
    if (!step) break;
    script->steps[script->step_count++] = step;
  }
  script->prepared = true;
  return TK_OK;
}

struct arguments {
  int64_t id;
  const char *text;
  size_t size;
  const struct tk_document_source *source;
};

static void bind_arguments(sqlite3_stmt *step, const struct arguments *arguments) {
  for (int i = sqlite3_bind_parameter_count(step); i > 0; i--) {
    const char *name = sqlite3_bind_parameter_name(step, i);
    if (strcmp(name, ":id") == 0) {
      sqlite3_bind_int64(step, i, arguments->id);
    } else if (strcmp(name, ":text") == 0) {
      sqlite3_bind_text64(step, i, arguments->text, arguments->size, SQLITE_STATIC, SQLITE_UTF8);
    } else if (strcmp(name, ":run") == 0) {
      bind_text(step, i, arguments->source->run_id);
    } else if (strcmp(name, ":found") == 0) {
      bind_text(step, i, arguments->source->found ? arguments->source->found : "{}");
    }
  }
}

/* `which` is a kind, or TK_DOCUMENT_KIND_COUNT. */
static enum tk_status run_script(struct tk_document_writer *writer, int which,
                                 const struct arguments *arguments, struct tk_error *error) {
  struct script *script = &writer->scripts[which];
  enum tk_status status = TK_OK;
  if (!script->prepared) {
    const char *name = which < TK_DOCUMENT_KIND_COUNT ? kinds[which].name : "linked";
    status = prepare_script(writer, script, name, error);
  }
  for (int i = 0; i < script->step_count && status == TK_OK; i++) {
    bind_arguments(script->steps[i], arguments);
    status = run(writer, script->steps[i], error);
  }
  return status;
}

/* ---- opening ---- */

enum tk_status tk_document_writer_open(sqlite3 *db, struct tk_document_writer **writer_out,
                                       struct tk_error *error) {
  struct tk_document_writer *writer = sqlite3_malloc64(sizeof *writer);
  *writer_out = NULL;
  if (!writer) return tk_nomem(error);
  memset(writer, 0, sizeof *writer);
  writer->db = db;
  if (tk_register_document_functions(db) != SQLITE_OK) {
    sqlite3_free(writer);
    return tk_nomem(error);
  }
  *writer_out = writer;
  return TK_OK;
}

void tk_document_writer_close(struct tk_document_writer *writer) {
  if (!writer) return;
  for (int i = 0; i < STATEMENT_COUNT; i++) sqlite3_finalize(writer->statements[i]);
  for (int i = 0; i <= TK_DOCUMENT_KIND_COUNT; i++) {
    for (int k = 0; k < writer->scripts[i].step_count; k++) {
      sqlite3_finalize(writer->scripts[i].steps[k]);
    }
  }
  tk_byte_writer_reset(&writer->packed);
  tk_byte_writer_reset(&writer->origins);
  tk_byte_writer_reset(&writer->packed_origins);
  sqlite3_free(writer);
}

void tk_document_writer_counts(const struct tk_document_writer *writer,
                               struct tk_document_counts *counts_out) {
  *counts_out = writer->counts;
}

/* ---- rows and parts ---- */

struct row {
  enum tk_document_kind kind;
  uint64_t hash, size, record_count;
  bool complete;
  const char *run_id;
  const uint8_t *sha256; /* NULL: not known */
};

static enum tk_status insert_document(struct tk_document_writer *writer,
                                      const struct tk_document_source *source,
                                      const struct row *row, int64_t *id_out,
                                      struct tk_error *error) {
  sqlite3_stmt *statement;
  enum tk_status status = get_statement(writer, INSERT_DOCUMENT, &statement, error);
  if (status != TK_OK) return status;
  sqlite3_bind_text(statement, 1, kinds[row->kind].name, -1, SQLITE_STATIC);
  sqlite3_bind_int64(statement, 2, (int64_t)row->hash);
  sqlite3_bind_int64(statement, 3, (int64_t)row->size);
  sqlite3_bind_int64(statement, 4, (int64_t)row->record_count);
  sqlite3_bind_int(statement, 5, row->complete);
  bind_text(statement, 6, row->run_id);
  bind_text(statement, 7, source->path);
  if (row->sha256) sqlite3_bind_blob(statement, 8, row->sha256, 32, SQLITE_STATIC);
  sqlite3_bind_int64(statement, 9, source->ingest_id);
  status = run(writer, statement, error);
  *id_out = sqlite3_last_insert_rowid(writer->db);
  return status;
}

struct part {
  int64_t id;
  uint64_t first_ordinal, record_count;
  const void *text;
  size_t size;
  const struct tk_byte_writer *origins; /* NULL: none */
};

static enum tk_status put_part(struct tk_document_writer *writer, const struct part *part,
                               struct tk_error *error) {
  struct tk_byte_writer *packed = &writer->packed;
  struct tk_byte_writer *origins = &writer->packed_origins;
  sqlite3_stmt *statement;
  struct tk_hash hash;
  packed->size = origins->size = 0;
  tk_pack_bytes(packed, part->text, part->size, TK_LEVEL_TEXT);
  if (part->origins) {
    tk_pack_bytes(origins, part->origins->data, part->origins->size, TK_LEVEL_TEXT);
  }
  if (packed->failed || origins->failed) return tk_nomem(error);
  enum tk_status status = get_statement(writer, PUT_PART, &statement, error);
  if (status != TK_OK) return status;
  tk_hash_init(&hash);
  tk_hash_update(&hash, packed->data, packed->size);
  tk_hash_update(&hash, origins->data, origins->size);
  sqlite3_bind_int64(statement, 1, part->id);
  sqlite3_bind_int64(statement, 2, (int64_t)part->first_ordinal);
  sqlite3_bind_int64(statement, 3, (int64_t)part->record_count);
  sqlite3_bind_int64(statement, 4, (int64_t)part->size);
  sqlite3_bind_int64(statement, 5, (int64_t)tk_hash_digest(&hash));
  sqlite3_bind_blob64(statement, 6, packed->size ? (const void *)packed->data : "", packed->size,
                      SQLITE_STATIC);
  if (part->origins) {
    sqlite3_bind_blob64(statement, 7, origins->size ? (const void *)origins->data : "",
                        origins->size, SQLITE_STATIC);
  }
  status = run(writer, statement, error);
  writer->counts.bytes_stored += packed->size + origins->size;
  return status;
}

static enum tk_status delete_document(struct tk_document_writer *writer, int64_t id,
                                      struct tk_error *error) {
  static const enum statement_id steps[] = {DELETE_TRACES, DELETE_PARTS, DELETE_STATE, DELETE_RUNS,
                                            DELETE_DOCUMENT};
  enum tk_status status = TK_OK;
  for (size_t i = 0; i < sizeof steps / sizeof steps[0] && status == TK_OK; i++) {
    status = run_with_id(writer, steps[i], id, error);
  }
  return status;
}

/* ---- equal documents ---- */

static bool is_space(char byte) {
  return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static enum tk_status compare_whole(struct tk_document_writer *writer, int64_t id,
                                    struct tk_text trimmed, bool *equal, struct tk_error *error) {
  char *text = NULL;
  size_t size = 0;
  *equal = false;
  const enum tk_status status =
      tk_document_read(writer->db, "main", id, TK_DOCUMENT_PART_LIMIT, &text, &size, error);
  if (status != TK_OK) return status;
  const struct tk_text other = tk_document_trim(text, size);
  *equal = other.size == trimmed.size && memcmp(other.data, trimmed.data, other.size) == 0;
  sqlite3_free(text);
  return TK_OK;
}

/* Part by part: both were cut at the same places, unless their texts differ. */
static enum tk_status compare_lines(struct tk_document_writer *writer, int64_t left, int64_t right,
                                    bool *equal, struct tk_error *error) {
  struct tk_document_reader *readers[2] = {NULL, NULL};
  const struct tk_document_part *parts[2] = {NULL, NULL};
  const int64_t ids[2] = {left, right};
  enum tk_status status = TK_OK;
  *equal = true;
  for (int i = 0; i < 2 && status == TK_OK; i++) {
    status = tk_document_reader_open(writer->db, "main", ids[i], &readers[i], error);
  }
  while (status == TK_OK && *equal) {
    for (int i = 0; i < 2 && status == TK_OK; i++) {
      status = tk_document_reader_next(readers[i], &parts[i], error);
    }
    if (status != TK_OK || (!parts[0] && !parts[1])) break;
    *equal = parts[0] && parts[1] && parts[0]->size == parts[1]->size &&
             memcmp(parts[0]->text, parts[1]->text, parts[0]->size) == 0;
  }
  tk_document_reader_close(readers[0]);
  tk_document_reader_close(readers[1]);
  return status;
}

/* *found_out is the id of a complete document with this content other than `id`, or 0. Of a whole
 * document `trimmed` is the substance; of lines it is NULL. */
static enum tk_status find_equal(struct tk_document_writer *writer, enum tk_document_kind kind,
                                 uint64_t hash, int64_t id, const struct tk_text *trimmed,
                                 int64_t *found_out, struct tk_error *error) {
  sqlite3_stmt *statement;
  int rc;
  *found_out = 0;
  enum tk_status status = get_statement(writer, FIND_EQUAL, &statement, error);
  if (status != TK_OK) return status;
  sqlite3_bind_int64(statement, 1, (int64_t)hash);
  sqlite3_bind_text(statement, 2, kinds[kind].name, -1, SQLITE_STATIC);
  sqlite3_bind_int64(statement, 3, id);
  while (status == TK_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
    const int64_t other = sqlite3_column_int64(statement, 0);
    bool equal = false;
    status = trimmed ? compare_whole(writer, other, *trimmed, &equal, error)
                     : compare_lines(writer, id, other, &equal, error);
    if (equal) {
      *found_out = other;
      break;
    }
  }
  if (status == TK_OK && rc != SQLITE_ROW && rc != SQLITE_DONE) status = failed(writer, error);
  sqlite3_reset(statement);
  return status;
}

/* ---- the same documents in another run ---- */

/* The documents that came with the ingest `ingest_id` (0: none), and document `id` (0: none), are
 * of the run the caller names, whatever other runs they are of. */
static enum tk_status add_run(struct tk_document_writer *writer, int64_t ingest_id, int64_t id,
                              const char *run_id, struct tk_error *error) {
  static const enum statement_id steps[] = {TAKE_RUN, ADD_RUN};
  enum tk_status status = TK_OK;
  for (size_t i = 0; i < sizeof steps / sizeof steps[0] && status == TK_OK && run_id; i++) {
    sqlite3_stmt *statement;
    status = get_statement(writer, steps[i], &statement, error);
    if (status != TK_OK) return status;
    sqlite3_bind_int64(statement, 1, ingest_id);
    sqlite3_bind_int64(statement, 2, id);
    bind_text(statement, 3, run_id);
    status = run(writer, statement, error);
  }
  return status;
}

enum tk_status tk_document_writer_lacks_run(struct tk_document_writer *writer, int64_t ingest_id,
                                            const char *run_id, bool *lacks,
                                            struct tk_error *error) {
  sqlite3_stmt *statement;
  enum tk_status status = get_statement(writer, LACKS_RUN, &statement, error);
  *lacks = false;
  if (status != TK_OK) return status;
  sqlite3_bind_int64(statement, 1, ingest_id);
  sqlite3_bind_int64(statement, 2, 0);
  bind_text(statement, 3, run_id);
  const int rc = sqlite3_step(statement);
  *lacks = rc == SQLITE_ROW;
  if (rc != SQLITE_ROW && rc != SQLITE_DONE) status = failed(writer, error);
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  return status;
}

/* ---- whole documents ---- */

/* Where to cut after at most `limit` bytes without cutting a character. */
static size_t find_cut(const char *text, size_t size, size_t limit) {
  if (size <= limit) return size;
  size_t cut = limit;
  while (cut > limit - 4 && ((unsigned char)text[cut] & 0xC0) == 0x80) cut--;
  return cut;
}

static enum tk_status put_whole_parts(struct tk_document_writer *writer, int64_t id,
                                      const struct tk_document *document, struct tk_error *error) {
  enum tk_status status = TK_OK;
  int64_t number = 0;
  for (size_t at = 0; at < document->size && status == TK_OK; number++) {
    const size_t size = find_cut(document->text + at, document->size - at, PART_SIZE);
    const struct part part = {.id = id << PART_BITS | number,
                              .first_ordinal = number > 0,
                              .record_count = number == 0,
                              .text = document->text + at,
                              .size = size};
    status = put_part(writer, &part, error);
    at += size;
  }
  return status;
}

static enum tk_status put_whole(struct tk_document_writer *writer,
                                const struct tk_document_source *source,
                                const struct tk_document *document, struct tk_error *error) {
  const struct tk_text trimmed = tk_document_trim(document->text, document->size);
  int64_t id = 0;
  const struct row row = {.kind = document->kind,
                          .hash = tk_hash64(trimmed.data, trimmed.size),
                          .size = document->size,
                          .record_count = 1,
                          .complete = true,
                          .run_id = source->run_id,
                          .sha256 = document->has_sha256 ? document->sha256 : NULL};
  enum tk_status status = find_equal(writer, row.kind, row.hash, 0, &trimmed, &id, error);
  if (status != TK_OK) return status;
  if (id != 0) {
    writer->counts.documents_duplicate++;
    return add_run(writer, 0, id, source->run_id, error);
  }
  status = insert_document(writer, source, &row, &id, error);
  if (status == TK_OK) status = put_whole_parts(writer, id, document, error);
  const struct arguments arguments = {
      .id = id, .text = trimmed.data, .size = trimmed.size, .source = source};
  if (status == TK_OK) status = run_script(writer, (int)document->kind, &arguments, error);
  if (status == TK_OK) status = run_script(writer, TK_DOCUMENT_KIND_COUNT, &arguments, error);
  writer->counts.documents_new++;
  return status;
}

/* ---- lines ---- */

static void free_lines(struct tk_line_document *lines) {
  tk_byte_writer_reset(&lines->text);
  tk_byte_writer_reset(&lines->part_origins);
  sqlite3_free(lines->run_id);
  sqlite3_free(lines);
}

void tk_document_source_reset(struct tk_document_source *source) {
  while (source->lines) {
    struct tk_line_document *lines = source->lines;
    source->lines = lines->next;
    free_lines(lines);
  }
  *source = (struct tk_document_source){.ingest_id = 0};
}

static struct tk_line_document *new_lines(struct tk_document_source *source,
                                          enum tk_document_kind kind) {
  struct tk_line_document *lines = sqlite3_malloc64(sizeof *lines);
  if (!lines) return NULL;
  *lines = (struct tk_line_document){.kind = kind, .next = source->lines, .ends_line = true};
  tk_hash_init(&lines->hash);
  source->lines = lines;
  return lines;
}

static void append_origins(struct tk_byte_writer *out, const struct tk_record_origin *origins,
                           uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    tk_byte_writer_append(out, origins[i].trace_id, sizeof origins[i].trace_id);
    tk_byte_writer_append(out, origins[i].span_id, sizeof origins[i].span_id);
    tk_byte_writer_append_u64(out, origins[i].start_unix_ns);
  }
}

/* Takes a stored part as the one that is not full. */
static void take_part(struct tk_line_document *lines, const struct tk_document_part *part,
                      int64_t number) {
  lines->part_number = number;
  lines->part_first = part->first_ordinal;
  lines->part_records = part->record_count;
  lines->text.size = lines->part_origins.size = 0;
  tk_byte_writer_append(&lines->text, part->text, part->size);
  if (part->size > 0) lines->ends_line = part->text[part->size - 1] == '\n';
  lines->has_origins = part->origins != NULL;
  if (part->origins) append_origins(&lines->part_origins, part->origins, part->record_count);
}

/* The state of a hash in the order of its members, little-endian. */
enum { LANES = 4, STATE_SIZE = 8 * (LANES + 1) + 32 };

static enum tk_status put_state(struct tk_document_writer *writer,
                                const struct tk_line_document *lines, struct tk_error *error) {
  struct tk_byte_writer *out = &writer->origins;
  sqlite3_stmt *statement;
  const enum tk_status status = get_statement(writer, PUT_STATE, &statement, error);
  if (status != TK_OK) return status;
  out->size = 0;
  for (int i = 0; i < LANES; i++) tk_byte_writer_append_u64(out, lines->hash.lanes[i]);
  tk_byte_writer_append_u64(out, lines->hash.total_bytes);
  tk_byte_writer_append(out, lines->hash.pending, sizeof lines->hash.pending);
  if (out->failed) return tk_nomem(error);
  sqlite3_bind_int64(statement, 1, lines->id);
  sqlite3_bind_blob64(statement, 2, out->data, out->size, SQLITE_STATIC);
  return run(writer, statement, error);
}

/* Of a long document only the last part is read, if its hash so far is there. *seek_to: that part;
 * 0: it is not. */
static enum tk_status get_state(struct tk_document_writer *writer, struct tk_line_document *lines,
                                int64_t *seek_to, uint64_t *first_ordinal, struct tk_error *error) {
  struct tk_byte_reader bytes;
  sqlite3_stmt *row = NULL;
  *seek_to = 0;
  enum tk_status status = get_statement(writer, GET_STATE, &row, error);
  if (status != TK_OK) return status;
  sqlite3_bind_int64(row, 1, lines->id);
  const int rc = sqlite3_step(row);
  if (rc == SQLITE_ROW && sqlite3_column_bytes(row, 0) == STATE_SIZE) {
    tk_byte_reader_init(&bytes, sqlite3_column_blob(row, 0), STATE_SIZE);
    for (int i = 0; i < LANES; i++) lines->hash.lanes[i] = tk_byte_reader_u64(&bytes);
    lines->hash.total_bytes = tk_byte_reader_u64(&bytes);
    memcpy(lines->hash.pending, tk_byte_reader_bytes(&bytes, sizeof lines->hash.pending),
           sizeof lines->hash.pending);
    lines->size = (uint64_t)sqlite3_column_int64(row, 1);
    lines->record_count = (uint64_t)sqlite3_column_int64(row, 2);
    *seek_to = sqlite3_column_int64(row, 3);
    *first_ordinal = (uint64_t)sqlite3_column_int64(row, 4);
  } else if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
    status = failed(writer, error);
  }
  sqlite3_reset(row);
  return status;
}

static enum tk_status resume_document(struct tk_document_writer *writer,
                                      struct tk_document_source *source, int64_t id,
                                      enum tk_document_kind kind, struct tk_error *error) {
  struct tk_document_reader *reader = NULL;
  const struct tk_document_part *part = NULL;
  struct tk_line_document *lines = new_lines(source, kind);
  if (!lines) return tk_nomem(error);
  lines->id = id;
  lines->was_committed = true;
  int64_t number = 0;
  uint64_t first_ordinal = 0;
  enum tk_status status = get_state(writer, lines, &number, &first_ordinal, error);
  if (status == TK_OK) status = tk_document_reader_open(writer->db, "main", id, &reader, error);
  const bool counted = number > 0;
  if (status == TK_OK && counted) tk_document_reader_seek(reader, number, first_ordinal);
  for (; status == TK_OK; number++) {
    status = tk_document_reader_next(reader, &part, error);
    if (status != TK_OK || !part) break;
    take_part(lines, part, number);
    if (counted) continue;
    tk_hash_update(&lines->hash, part->text, part->size);
    lines->size += part->size;
    lines->record_count += part->record_count;
  }
  tk_document_reader_close(reader);
  if (lines->text.failed || lines->part_origins.failed) return tk_nomem(error);
  return status;
}

static int find_lines_kind(const char *name) {
  for (int kind = 0; kind < TK_DOCUMENT_KIND_COUNT; kind++) {
    if (name && kinds[kind].is_lines && strcmp(kinds[kind].name, name) == 0) return kind;
  }
  return -1;
}

static enum tk_status close_part(struct tk_document_writer *writer, struct tk_line_document *lines,
                                 struct tk_error *error);
static void append_text(struct tk_line_document *lines, const char *text, size_t size);

/* Begins a document with all that document `id` has. */
static enum tk_status copy_document(struct tk_document_writer *writer,
                                    struct tk_document_source *source, int64_t id,
                                    enum tk_document_kind kind, struct tk_error *error) {
  const struct row row = {.kind = kind, .run_id = source->run_id};
  struct tk_document_reader *reader = NULL;
  const struct tk_document_part *part = NULL;
  sqlite3_stmt *traces;
  struct tk_line_document *lines = new_lines(source, kind);
  if (!lines) return tk_nomem(error);
  enum tk_status status = insert_document(writer, source, &row, &lines->id, error);
  if (status == TK_OK) status = tk_document_reader_open(writer->db, "main", id, &reader, error);
  while (status == TK_OK) {
    status = tk_document_reader_next(reader, &part, error);
    if (status != TK_OK || !part) break;
    status = close_part(writer, lines, error);
    append_text(lines, part->text, part->size);
    lines->has_origins = part->origins != NULL;
    if (part->origins) append_origins(&lines->part_origins, part->origins, part->record_count);
    lines->part_records = part->record_count;
    lines->record_count += part->record_count;
  }
  tk_document_reader_close(reader);
  if (status == TK_OK) status = get_statement(writer, COPY_TRACES, &traces, error);
  if (status != TK_OK) return status;
  sqlite3_bind_int64(traces, 1, id);
  sqlite3_bind_int64(traces, 2, lines->id);
  return run(writer, traces, error);
}

/* Its document was not kept, because there was one with the same bytes; now that there are more,
 * they are two. */
static enum tk_status take_up_same(struct tk_document_writer *writer,
                                   struct tk_document_source *source, struct tk_error *error) {
  sqlite3_stmt *statement;
  int64_t id = 0;
  int kind = -1;
  enum tk_status status = get_statement(writer, FIND_SAME_BYTES, &statement, error);
  if (status != TK_OK) return status;
  sqlite3_bind_int64(statement, 1, (int64_t)source->begin_hash);
  sqlite3_bind_int64(statement, 2, (int64_t)source->begin_offset);
  const int rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW) {
    id = sqlite3_column_int64(statement, 0);
    kind = find_lines_kind((const char *)sqlite3_column_text(statement, 1));
  } else if (rc != SQLITE_DONE) {
    status = failed(writer, error);
  }
  sqlite3_reset(statement);
  if (status != TK_OK || kind < 0) return status;
  return copy_document(writer, source, id, (enum tk_document_kind)kind, error);
}

/* The documents that an earlier ingest of this source began. */
static enum tk_status resume(struct tk_document_writer *writer, struct tk_document_source *source,
                             struct tk_error *error) {
  sqlite3_stmt *statement;
  int rc;
  if (!source->continued || source->resumed) return TK_OK;
  enum tk_status status = get_statement(writer, FIND_LINES, &statement, error);
  if (status != TK_OK) return status;
  sqlite3_bind_int64(statement, 1, source->ingest_id);
  while (status == TK_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
    const int kind = find_lines_kind((const char *)sqlite3_column_text(statement, 1));
    if (kind < 0) continue;
    status = resume_document(writer, source, sqlite3_column_int64(statement, 0),
                             (enum tk_document_kind)kind, error);
  }
  if (status == TK_OK && rc != SQLITE_DONE) status = failed(writer, error);
  sqlite3_reset(statement);
  source->resumed = true;
  if (status == TK_OK && !source->lines && source->begin_offset > 0) {
    status = take_up_same(writer, source, error);
  }
  return status;
}

/* Input that cannot be read twice starts over after a crash, and with it the document that was
 * begun. */
static enum tk_status drop_abandoned(struct tk_document_writer *writer,
                                     const struct tk_document_source *source,
                                     struct tk_error *error) {
  sqlite3_stmt *statement;
  int64_t id = 1;
  if (source->continued || source->resumed) return TK_OK;
  enum tk_status status = get_statement(writer, FIND_ABANDONED, &statement, error);
  while (status == TK_OK && id != 0) {
    sqlite3_bind_int64(statement, 1, (int64_t)source->head_hash);
    sqlite3_bind_int64(statement, 2, source->ingest_id);
    bind_text(statement, 3, source->path);
    const int rc = sqlite3_step(statement);
    id = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) status = failed(writer, error);
    sqlite3_reset(statement);
    if (id != 0) status = delete_document(writer, id, error);
  }
  return status;
}

static enum tk_status find_lines(struct tk_document_writer *writer,
                                 struct tk_document_source *source, enum tk_document_kind kind,
                                 struct tk_line_document **lines_out, struct tk_error *error) {
  enum tk_status status = resume(writer, source, error);
  struct tk_line_document *lines = source->lines;
  for (struct tk_line_document *each = lines; each; each = each->next) each->last = false;
  while (lines && lines->kind != kind) lines = lines->next;
  if (status == TK_OK && !lines) {
    const struct row row = {.kind = kind, .run_id = source->run_id};
    status = drop_abandoned(writer, source, error);
    source->resumed = true;
    if (status == TK_OK && !(lines = new_lines(source, kind))) status = tk_nomem(error);
    if (status == TK_OK) status = insert_document(writer, source, &row, &lines->id, error);
  }
  if (status == TK_OK) lines->last = true;
  *lines_out = lines;
  return status;
}

static enum tk_status put_open_part(struct tk_document_writer *writer,
                                    const struct tk_line_document *lines, struct tk_error *error) {
  if (lines->text.failed || lines->part_origins.failed) return tk_nomem(error);
  const struct part part = {.id = lines->id << PART_BITS | lines->part_number,
                            .first_ordinal = lines->part_first,
                            .record_count = lines->part_records,
                            .text = lines->text.data,
                            .size = lines->text.size,
                            .origins = lines->has_origins ? &lines->part_origins : NULL};
  return put_part(writer, &part, error);
}

/* Starts the next part. Also where spans and plain lines meet: a part has origins or it has none.
 */
static enum tk_status close_part(struct tk_document_writer *writer, struct tk_line_document *lines,
                                 struct tk_error *error) {
  if (lines->text.size == 0) return TK_OK;
  const enum tk_status status = put_open_part(writer, lines, error);
  lines->part_number++;
  lines->part_first += lines->part_records;
  lines->part_records = 0;
  lines->text.size = lines->part_origins.size = 0;
  if (status == TK_OK && lines->part_number >> PART_BITS != 0) {
    return tk_fail(error, TK_UNSUPPORTED, "a document has more than %d parts", 1 << PART_BITS);
  }
  return status;
}

static void append_text(struct tk_line_document *lines, const char *text, size_t size) {
  if (size == 0) return;
  tk_byte_writer_append(&lines->text, text, size);
  tk_hash_update(&lines->hash, text, size);
  lines->size += size;
  lines->ends_line = text[size - 1] == '\n';
  lines->dirty = true;
}

/* Whether a line end comes before anything else. */
static bool begins_line(const char *text, size_t size) {
  for (size_t i = 0; i < size && is_space(text[i]); i++) {
    if (text[i] == '\n') return true;
  }
  return false;
}

static enum tk_status add_traces(struct tk_document_writer *writer, int64_t id,
                                 const struct tk_document *document, struct tk_error *error) {
  struct tk_text before = {NULL, 0};
  sqlite3_stmt *statement;
  enum tk_status status = get_statement(writer, ADD_TRACE, &statement, error);
  for (uint32_t i = 0; i < document->trace_id_count && status == TK_OK; i++) {
    const struct tk_text trace = document->trace_ids[i];
    char normal[33];
    if (before.size == trace.size && before.data &&
        memcmp(before.data, trace.data, trace.size) == 0)
      continue;
    before = trace;
    if (tk_normal_trace_id(trace, normal)) {
      sqlite3_bind_text(statement, 1, normal, 32, SQLITE_STATIC);
    } else {
      sqlite3_bind_text(statement, 1, trace.data, (int)trace.size, SQLITE_STATIC);
    }
    sqlite3_bind_int64(statement, 2, id);
    status = run(writer, statement, error);
  }
  return status;
}

static enum tk_status put_lines(struct tk_document_writer *writer,
                                struct tk_document_source *source,
                                const struct tk_document *document, struct tk_error *error) {
  struct tk_line_document *lines = NULL;
  enum tk_status status = find_lines(writer, source, document->kind, &lines, error);
  if (status != TK_OK) return status;
  if (lines->text.size > 0 && (lines->text.size + document->size > PART_SIZE ||
                               lines->has_origins != (document->origins != NULL))) {
    status = close_part(writer, lines, error);
    if (status != TK_OK) return status;
  }
  if (lines->text.size == 0) lines->has_origins = document->origins != NULL;
  if (!lines->ends_line && !begins_line(document->text, document->size)) {
    append_text(lines, "\n", 1);
  }
  append_text(lines, document->text, document->size);
  if (document->origins) {
    append_origins(&lines->part_origins, document->origins, document->record_count);
  }
  lines->record_count += document->record_count;
  lines->part_records += document->record_count;
  lines->new_records += document->record_count;
  if (!lines->run_id && document->run_id.size > 0) {
    lines->run_id = sqlite3_mprintf("%.*s", (int)document->run_id.size, document->run_id.data);
    if (!lines->run_id) return tk_nomem(error);
  }
  return add_traces(writer, lines->id, document, error);
}

static enum tk_status put_space(struct tk_document_writer *writer,
                                struct tk_document_source *source,
                                const struct tk_document *document, struct tk_error *error) {
  const enum tk_status status = resume(writer, source, error);
  for (struct tk_line_document *lines = source->lines; lines; lines = lines->next) {
    if (lines->last || !lines->next) {
      append_text(lines, document->text, document->size);
      break;
    }
  }
  return status;
}

enum tk_status tk_document_writer_put(struct tk_document_writer *writer,
                                      struct tk_document_source *source,
                                      const struct tk_document *document, struct tk_error *error) {
  if (document->kind == TK_DOCUMENT_SPACE) return put_space(writer, source, document, error);
  if (tk_document_kind_is_lines(document->kind)) return put_lines(writer, source, document, error);
  return put_whole(writer, source, document, error);
}

/* ---- flushing ---- */

static bool names_runs(enum tk_document_kind kind) {
  return kind != TK_DOCUMENT_SAMPLING_DECISIONS;
}

static enum tk_status update_row(struct tk_document_writer *writer,
                                 const struct tk_document_source *source,
                                 const struct tk_line_document *lines, bool complete,
                                 struct tk_error *error) {
  char name[RUN_NAME_SIZE];
  sqlite3_stmt *statement;
  const enum tk_status status = get_statement(writer, FINISH_DOCUMENT, &statement, error);
  if (status != TK_OK) return status;
  const uint64_t hash = tk_hash_digest(&lines->hash);
  snprintf(name, sizeof name, "content-%016llx", (unsigned long long)hash);
  sqlite3_bind_int64(statement, 1, lines->id);
  sqlite3_bind_int64(statement, 2, (int64_t)hash);
  sqlite3_bind_int64(statement, 3, (int64_t)lines->size);
  sqlite3_bind_int64(statement, 4, (int64_t)lines->record_count);
  sqlite3_bind_int(statement, 5, complete);
  bind_text(statement, 6, lines->run_id);
  if (names_runs(lines->kind)) bind_text(statement, 7, name);
  /* The digest is the source's: it is this document's if that is all there is in it. */
  if (complete && source->has_sha256 && !lines->has_origins && !source->lines->next) {
    sqlite3_bind_blob(statement, 8, source->sha256, sizeof source->sha256, SQLITE_STATIC);
  }
  return run(writer, statement, error);
}

static enum tk_status flush_lines(struct tk_document_writer *writer,
                                  const struct tk_document_source *source,
                                  struct tk_line_document *lines, bool complete,
                                  struct tk_error *error) {
  enum tk_status status = TK_OK;
  int64_t equal = 0;
  if (!lines->dirty && !complete) return TK_OK;
  if (lines->dirty) status = put_open_part(writer, lines, error);
  if (status == TK_OK && lines->dirty && lines->part_number > 0) {
    status = put_state(writer, lines, error);
  }
  if (status == TK_OK) status = update_row(writer, source, lines, complete, error);
  if (status == TK_OK && complete) {
    status = find_equal(writer, lines->kind, tk_hash_digest(&lines->hash), lines->id, NULL, &equal,
                        error);
  }
  if (status != TK_OK) return status;
  if (equal != 0) {
    writer->counts.documents_duplicate++;
    status = delete_document(writer, lines->id, error);
    return status == TK_OK ? add_run(writer, 0, equal, source->run_id, error) : status;
  }
  if (complete) {
    const struct arguments arguments = {.id = lines->id, .text = "", .source = source};
    status = run_script(writer, TK_DOCUMENT_KIND_COUNT, &arguments, error);
  }
  writer->counts.documents_new += !lines->was_committed;
  writer->counts.records += lines->new_records;
  lines->was_committed = true;
  lines->new_records = 0;
  lines->dirty = false;
  return status;
}

enum tk_status tk_document_writer_flush(struct tk_document_writer *writer,
                                        struct tk_document_source *source, bool complete,
                                        struct tk_error *error) {
  enum tk_status status = complete ? resume(writer, source, error) : TK_OK;
  for (struct tk_line_document *lines = source->lines; lines && status == TK_OK;
       lines = lines->next) {
    status = flush_lines(writer, source, lines, complete, error);
  }
  if (status == TK_OK && complete && source->continued) {
    status = add_run(writer, source->ingest_id, 0, source->run_id, error);
  }
  return status;
}
