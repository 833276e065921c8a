/* Damaged stores under every table. The input is a list of changes of four bytes: which column,
 * where in its chunk (two bytes), and what to XOR there. Every checksum on the way is repaired, so
 * that the damage reaches the decoders; every table is then read to its end, or to an error. */
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/segment/directory.h"
#include "tests/support/span_builder.h"
#include "tracekeep/extension.h"
#include "tracekeep/hash.h"
#include "tracekeep/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHANGE_SIZE = 4, MAX_CHANGES = 64, SPANS = 300 };

static sqlite3 *db;

static void must(int truth, const char *what) {
  if (truth) return;
  fprintf(stderr, "store_fuzz: %s: %s\n", what, db ? sqlite3_errmsg(db) : "");
  abort();
}

static void execute(const char *sql) {
  must(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, sql);
}

/* ---- the store, made once ---- */

static void decorate(struct tk_batch *batch, struct tk_span *span, uint32_t i) {
  struct tk_value items[2] = {value_int(i), value_text(build_text(batch, "item %u", i % 9))};
  build_attribute(batch, &span->attributes, "number", value_int((int64_t)i * 977 % 501));
  build_attribute(batch, &span->attributes, "user.id",
                  value_text(build_text(batch, "user-%08x", i * 2654435761u)));
  build_attribute(batch, &span->attributes, "url",
                  value_text(build_text(batch, "http://shop/item/%u?page=%u", i * 31, i % 5)));
  if (i % 3 == 0) build_attribute(batch, &span->attributes, "ratio", value_double(i / 7.0));
  if (i % 5 == 0) build_attribute(batch, &span->attributes, "list", value_array(batch, items, 2));
  if (i % 7 == 0) build_attribute(batch, &span->attributes, "number", value_bool(1));
  if (i % 50 == 0) build_attribute(batch, &span->attributes, "twice", value_int(1));
  if (i % 50 == 0) build_attribute(batch, &span->attributes, "twice", value_int(2));
  if (i % 4 == 0) {
    struct tk_event *event = build_events(batch, span, 2);
    build_attribute(batch, &event[1].attributes, "exception.message",
                    value_text(build_long_text(batch, 200, i)));
  }
  if (i % 11 == 0) {
    struct tk_link *link = build_links(batch, span, 1);
    build_attribute(batch, &link->attributes, "why", value_empty());
  }
}

static void make_store(const char *path) {
  struct tk_batch *batch = build_batch(SPANS, 0);
  struct tk_store *store;
  struct tk_ingest *ingest;
  struct tk_error error = {{0}};
  for (uint32_t i = 0; i < SPANS; i++) {
    const uint64_t trace = i / 10 + 1;
    struct tk_span *span =
        build_span(batch, trace, i + 1, i % 10 ? i : 0, 1700000000000000000u + i * 1013u);
    span->status_code = i % 17 == 0 ? TK_STATUS_ERROR : TK_STATUS_UNSET;
    decorate(batch, span, i);
  }
  must(tk_store_open(path, TK_OPEN_CREATE, &store, &error) == TK_OK, error.message);
  must(tk_ingest_begin(store, NULL, &ingest, &error) == TK_OK, error.message);
  must(tk_ingest_source_begin(ingest, "fuzz", "made", 0, NULL, &error) == TK_OK, error.message);
  must(tk_ingest_append(ingest, batch, &error) == TK_OK, error.message);
  must(tk_ingest_source_end(ingest, &error) == TK_OK, error.message);
  must(tk_ingest_finish(ingest, NULL, &error) == TK_OK, error.message);
  tk_store_close(store);
}

static void open_once(void) {
  char path[] = "/tmp/tracekeep-store-fuzz-XXXXXX";
  if (db) return;
  must(mkdtemp(path) != NULL, "a folder for the store");
  char *file = sqlite3_mprintf("%s/store.db", path);
  make_store(file);
  /* In memory from here on: the file is only how a store is made. */
  sqlite3 *made = NULL;
  must(sqlite3_open(file, &made) == SQLITE_OK, "open");
  must(sqlite3_open(":memory:", &db) == SQLITE_OK, "open");
  sqlite3_backup *backup = sqlite3_backup_init(db, "main", made, "main");
  must(backup && sqlite3_backup_step(backup, -1) == SQLITE_DONE, "copy the store");
  sqlite3_backup_finish(backup);
  sqlite3_close(made);
  remove(file);
  remove(path);
  sqlite3_free(file);
  must(sqlite3_tracekeep_init(db, NULL, NULL) == SQLITE_OK, "the SQL surface");
}

/* ---- damage ---- */

static void blob_of(const char *sql, int64_t id, struct tk_byte_writer *out) {
  sqlite3_stmt *statement;
  must(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK, sql);
  sqlite3_bind_int64(statement, 1, id);
  must(sqlite3_step(statement) == SQLITE_ROW, sql);
  tk_byte_writer_append(out, sqlite3_column_blob(statement, 0),
                        (size_t)sqlite3_column_bytes(statement, 0));
  sqlite3_finalize(statement);
}

static void set_blob(const char *sql, int64_t id, const struct tk_byte_writer *bytes,
                     int64_t number) {
  sqlite3_stmt *statement;
  must(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK, sql);
  sqlite3_bind_int64(statement, 1, id);
  sqlite3_bind_blob64(statement, 2, bytes->data, bytes->size, SQLITE_STATIC);
  sqlite3_bind_int64(statement, 3, number);
  must(sqlite3_step(statement) == SQLITE_DONE, sql);
  sqlite3_finalize(statement);
}

static void change_chunk(const struct tk_directory *directory, int64_t segment,
                         const uint8_t change[CHANGE_SIZE], struct tk_segment_column *columns) {
  struct tk_segment_column *column = &columns[change[0] % directory->column_count];
  struct tk_byte_writer chunk = {0};
  const int64_t id = segment << 16 | column->number;
  if (column->chunk_size == 0) return;
  blob_of("SELECT data FROM tk_chunk WHERE id = ?1", id, &chunk);
  chunk.data[(change[1] | (size_t)change[2] << 8) % chunk.size] ^= change[3];
  column->chunk_hash = tk_hash64(chunk.data, chunk.size);
  set_blob("UPDATE tk_chunk SET data = ?2 WHERE id = ?1 AND ?3 = 0", id, &chunk, 0);
  tk_byte_writer_reset(&chunk);
}

static void write_directory(const struct tk_directory *directory, int64_t segment) {
  struct tk_byte_writer bytes = {0}, hashed = {0};
  tk_directory_encode(&bytes, directory);
  must(!bytes.failed, "encode the directory");
  blob_of("SELECT CAST(resources AS BLOB) FROM tk_segment WHERE id = ?1", segment, &hashed);
  blob_of("SELECT CAST(scopes AS BLOB) FROM tk_segment WHERE id = ?1", segment, &hashed);
  tk_byte_writer_append(&hashed, bytes.data, bytes.size);
  set_blob("UPDATE tk_segment SET directory = ?2, hash = ?3 WHERE id = ?1", segment, &bytes,
           (int64_t)tk_hash64(hashed.data, hashed.size));
  execute("UPDATE tk_meta SET value = value + 1 WHERE key = 'generation'");
  tk_byte_writer_reset(&bytes);
  tk_byte_writer_reset(&hashed);
}

static void damage(const uint8_t *data, size_t size, int64_t segment) {
  struct tk_byte_writer stored = {0};
  struct tk_directory directory;
  struct tk_arena arena = {0};
  blob_of("SELECT directory FROM tk_segment WHERE id = ?1", segment, &stored);
  must(tk_directory_decode(stored.data, stored.size, &arena, &directory, NULL) == TK_OK,
       "decode the directory");
  const size_t bytes = directory.column_count * sizeof *directory.columns;
  struct tk_segment_column *columns = tk_arena_alloc(&arena, bytes);
  memcpy(columns, directory.columns, bytes);
  directory.columns = columns;
  for (size_t at = 0; at + CHANGE_SIZE <= size && at < MAX_CHANGES * CHANGE_SIZE;
       at += CHANGE_SIZE) {
    change_chunk(&directory, segment, data + at, columns);
  }
  write_directory(&directory, segment);
  tk_arena_reset(&arena);
  tk_byte_writer_reset(&stored);
}

/* ---- reading ---- */

static const char *const queries[] = {
    "SELECT *, [span.user.id], [span.number], [span.url], [span.ratio], [span.list] FROM spans",
    "SELECT count(*) FROM spans WHERE [span.user.id] = 'user-00000000' OR start_ns > 5",
    "SELECT name, service, [span.number], count(*) FROM spans GROUP BY 1, 2, 3",
    "SELECT * FROM spans WHERE trace_id = '00000000000000000000000000000003'",
    "SELECT * FROM traces",
    "SELECT * FROM span_events",
    "SELECT * FROM span_links",
    "SELECT * FROM span_attributes",
    "SELECT * FROM services",
    "SELECT * FROM operations",
    "SELECT * FROM attribute_keys",
    "SELECT * FROM segments",
    "SELECT * FROM trace_tree('00000000000000000000000000000003')",
    "SELECT * FROM quality_issues",
    "SELECT * FROM quality_issues WHERE trace_id = '00000000000000000000000000000003'",
    "SELECT * FROM instrumentation_score",
    "SELECT *, adjusted_count_source FROM traces ORDER BY start_ns",
    "SELECT *, adjusted_count_source FROM spans",
    "SELECT * FROM sampling_decisions",
    "SELECT * FROM sampling_issues",
    "SELECT * FROM sampling_replay('{\"policies\":[{\"name\":\"s\",\"type\":\"string_attribute\","
    "\"string_attribute\":{\"key\":\"user.id\",\"values\":[\"7$\"],\"enabled_regex_matching\":true}"
    "},"
    "{\"name\":\"n\",\"type\":\"numeric_attribute\",\"numeric_attribute\":{\"key\":\"number\","
    "\"min_value\":400}},{\"name\":\"o\",\"type\":\"ottl_condition\",\"ottl_condition\":{\"span\":"
    "[\"attributes[\\\"list\\\"][0] == attributes[\\\"ratio\\\"] or parent_span_id == span_id\"],"
    "\"spanevent\":[\"attributes[\\\"exception.message\\\"] == nil\"]}},{\"name\":\"b\",\"type\":"
    "\"bytes_limiting\",\"bytes_limiting\":{\"bytes_per_second\":5000}}]}')",
    "SELECT * FROM sampling_replay('{\"processors\":{\"probabilistic_sampler\":"
    "{\"sampling_percentage\":50}}}') WHERE trace_id = '00000000000000000000000000000003'",
};

static void read_everything(void) {
  for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, queries[i], -1, &statement, NULL) == SQLITE_OK) {
      while (sqlite3_step(statement) == SQLITE_ROW) {
        for (int c = 0; c < sqlite3_column_count(statement); c++) sqlite3_column_text(statement, c);
      }
    }
    sqlite3_finalize(statement);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  open_once();
  execute("SAVEPOINT damage");
  damage(data, size, 1);
  read_everything();
  execute("ROLLBACK TO damage; RELEASE damage");
  execute("UPDATE tk_meta SET value = value + 1 WHERE key = 'generation'");
  return 0;
}
