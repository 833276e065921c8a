/* SPDX-License-Identifier: MIT
 * See document_fixture.h. */
#include "tests/sqlext/document_fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/codec/compression.h"
#include "store/document/document.h"
#include "store/document/document_functions.h"
#include "tracekeep/hash.h"
#include "tracekeep/json.h"
#include "tracekeep/store.h"

static sqlite3 *db;
static sqlite3_stmt *insert_document, *insert_part, *insert_trace;

static void must(int truth, const char *what) {
  if (truth) return;
  fprintf(stderr, "document fixture: %s: %s\n", what, db ? sqlite3_errmsg(db) : "");
  exit(1);
}

static void run(sqlite3_stmt *statement) {
  must(sqlite3_step(statement) == SQLITE_DONE, "insert");
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
}

void document_fixture_open(const char *path) {
  struct tk_error error = {"?"};
  struct tk_store *store = NULL;
  must(tk_store_open(path, TK_OPEN_CREATE, &store, &error) == TK_OK, error.message);
  tk_store_close(store);
  must(sqlite3_open(path, &db) == SQLITE_OK, path);
  must(
      sqlite3_prepare_v2(db,
                         "INSERT INTO tk_document(kind, hash, size, record_count, complete, run_id,"
                         " path, ingest_id, ingested_at)"
                         " VALUES(?1, ?2, ?3, ?4, 1, ?5, ?6, 1, '2026-01-01T00:00:00Z')",
                         -1, &insert_document, NULL) == SQLITE_OK &&
          sqlite3_prepare_v2(db, "INSERT INTO tk_document_part VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                             -1, &insert_part, NULL) == SQLITE_OK &&
          sqlite3_prepare_v2(db, "INSERT OR IGNORE INTO tk_document_trace VALUES(?1, ?2)", -1,
                             &insert_trace, NULL) == SQLITE_OK,
      "prepare");
  must(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK, "begin");
}

/* ---- records ---- */

static int is_blank(const char *line, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r' && line[i] != '\n') return 0;
  }
  return 1;
}

static void keep_trace(const char *line, int64_t document) {
  struct tk_json json;
  line += strcspn(line, "{[\""); /* past white space of any kind */
  tk_json_init(&json, line, strlen(line));
  if (tk_json_peek(&json) != TK_JSON_OBJECT) return;
  for (bool more = tk_json_enter_object(&json); more; more = tk_json_next_member(&json)) {
    struct tk_json_string key = tk_json_key(&json);
    if (key.size == 7 && memcmp(key.data, "traceId", 7) == 0 &&
        tk_json_peek(&json) == TK_JSON_STRING) {
      struct tk_json_string id = tk_json_string(&json);
      if (id.size == 0) continue;
      char *text = malloc((size_t)id.size + 1);
      bool broken = false;
      must(text != NULL, "memory");
      const struct tk_text plain = {text, tk_json_unescape(id, text, &broken)};
      char normal[33];
      if (tk_normal_trace_id(plain, normal)) {
        sqlite3_bind_text(insert_trace, 1, normal, 32, SQLITE_TRANSIENT);
      } else {
        sqlite3_bind_text(insert_trace, 1, text, (int)plain.size, SQLITE_TRANSIENT);
      }
      sqlite3_bind_int64(insert_trace, 2, document);
      run(insert_trace);
      free(text);
    } else {
      tk_json_skip(&json);
    }
  }
}

static void append_origins(struct tk_byte_writer *out, uint64_t first, uint64_t count) {
  struct tk_byte_writer plain = {0};
  for (uint64_t i = first; i < first + count; i++) {
    tk_byte_writer_append_u64(&plain, 0x1111111111111111u);
    tk_byte_writer_append_u64(&plain, i / 3);
    tk_byte_writer_append_u64(&plain, i + 1);
    tk_byte_writer_append_u64(&plain, 1760000000000000001u + i);
  }
  tk_pack_bytes(out, plain.data, plain.size, TK_LEVEL_TEXT);
  tk_byte_writer_reset(&plain);
}

/* ---- documents ---- */

static void write_part(int64_t id, uint64_t first, uint64_t count, const char *text, size_t size,
                       int spans) {
  struct tk_byte_writer data = {0}, origins = {0};
  struct tk_hash hash;
  tk_pack_bytes(&data, (const uint8_t *)text, size, TK_LEVEL_TEXT);
  if (spans) append_origins(&origins, first, count);
  must(!data.failed && !origins.failed, "memory");
  tk_hash_init(&hash);
  tk_hash_update(&hash, data.data, data.size);
  tk_hash_update(&hash, origins.data, origins.size);
  sqlite3_bind_int64(insert_part, 1, id);
  sqlite3_bind_int64(insert_part, 2, (sqlite3_int64)first);
  sqlite3_bind_int64(insert_part, 3, (sqlite3_int64)count);
  sqlite3_bind_int64(insert_part, 4, (sqlite3_int64)size);
  sqlite3_bind_int64(insert_part, 5, (sqlite3_int64)tk_hash_digest(&hash));
  sqlite3_bind_blob(insert_part, 6, data.data, (int)data.size, SQLITE_TRANSIENT);
  if (spans) sqlite3_bind_blob(insert_part, 7, origins.data, (int)origins.size, SQLITE_TRANSIENT);
  run(insert_part);
  tk_byte_writer_reset(&data);
  tk_byte_writer_reset(&origins);
}

/* Returns how many records there are. */
static uint64_t write_parts(int64_t document, char *text, size_t size, size_t part_size, int spans,
                            int is_lines) {
  uint64_t first = 0, count = 0;
  size_t begin = 0, at = 0;
  int64_t part = document << 20;
  while (at < size) {
    char *stop = memchr(text + at, '\n', size - at);
    size_t next = stop ? (size_t)(stop - text) + 1 : size;
    if (!is_lines) next = at + part_size < size ? at + part_size : size;
    if (is_lines && !is_blank(text + at, next - at)) {
      char *line = calloc(1, next - at + TK_JSON_PADDING);
      must(line != NULL, "memory");
      memcpy(line, text + at, next - at);
      keep_trace(line, document);
      free(line);
      count++;
    }
    at = next;
    if (at - begin < part_size && at < size) continue;
    if (!is_lines) count = first == 0 && at == size ? 1 : 0;
    write_part(part++, first, count, text + begin, at - begin, spans);
    first += count;
    count = 0;
    begin = at;
  }
  return first;
}

void document_fixture_add(const char *kind, const char *run_id, const char *path, char *text,
                          size_t size, size_t part_size, int spans) {
  const int is_lines = strcmp(kind, "observability-array") != 0;
  sqlite3_bind_text(insert_document, 1, kind, -1, SQLITE_STATIC);
  sqlite3_bind_int64(insert_document, 2, (sqlite3_int64)tk_hash64(text, size));
  sqlite3_bind_int64(insert_document, 3, (sqlite3_int64)size);
  sqlite3_bind_int64(insert_document, 4, 0);
  if (run_id) sqlite3_bind_text(insert_document, 5, run_id, -1, SQLITE_STATIC);
  sqlite3_bind_text(insert_document, 6, path, -1, SQLITE_STATIC);
  run(insert_document);
  const int64_t id = sqlite3_last_insert_rowid(db);
  const uint64_t count = write_parts(id, text, size, part_size, spans, is_lines);
  char sql[96];
  snprintf(sql, sizeof sql, "UPDATE tk_document SET record_count = %llu WHERE id = %lld",
           (unsigned long long)count, (long long)id);
  must(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "update");
}

void document_fixture_close(void) {
  must(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK, "commit");
  sqlite3_finalize(insert_document);
  sqlite3_finalize(insert_part);
  sqlite3_finalize(insert_trace);
  must(sqlite3_close(db) == SQLITE_OK, "close");
  db = NULL;
}
