/* SPDX-License-Identifier: MIT
 * See store_fixture.h. */
#include "tests/sqlext/store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/span_builder.h"
#include "tracekeep/extension.h"
#include "tracekeep/hash.h"
#include "tracekeep/store.h"

static char folder[] = "/tmp/tracekeep-test-XXXXXX";

static void fail(const char *what, const char *why) {
  printf("# %s: %s\nBail out!\n", what, why);
  exit(1);
}

static void remove_folder(void) {
  char command[64];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  if (system(command) != 0) printf("# cannot remove %s\n", folder);
}

const char *fixture_path(const char *name) {
  static char paths[8][96];
  static int next;
  if (next == 0) {
    if (!mkdtemp(folder)) fail("mkdtemp", folder);
    atexit(remove_folder);
  }
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

void fixture_ingest(const char *path, struct tk_batch *batch, uint32_t spans_per_segment) {
  static uint64_t source;
  struct tk_error error = {"?"};
  struct tk_store *store = NULL;
  struct tk_ingest *ingest = NULL;
  struct tk_ingest_options options = {.thread_count = 1, .spans_per_segment = spans_per_segment};
  char name[32];

  source++;
  snprintf(name, sizeof name, "source-%llu", (unsigned long long)source);
  batch->end_offset = 1000;
  batch->end_hash = source;
  if (tk_store_open(path, TK_OPEN_CREATE, &store, &error) ||
      tk_ingest_begin(store, &options, &ingest, &error) ||
      tk_ingest_source_begin(ingest, name, "otlp-json", tk_hash64(&source, sizeof source), NULL,
                             &error) ||
      tk_ingest_append(ingest, batch, &error) || tk_ingest_source_end(ingest, &error) ||
      tk_ingest_finish(ingest, NULL, &error)) {
    fail("ingest", error.message);
  }
  tk_store_close(store);
}

struct tk_batch *fixture_batch(uint32_t first, uint32_t count, const char *key) {
  static const char *const services[] = {"a", "b", "c"};
  struct tk_batch *batch = build_batch(count, 1);
  const struct tk_resource *resources[3];
  const struct tk_scope *scope = build_scope(batch, "library");

  for (int i = 0; i < 3; i++) resources[i] = build_resource(batch, services[i]);
  for (uint32_t i = first; i < first + count; i++) {
    struct tk_span *span = build_span(batch, 1000 + i / 5, i + 1, i % 5 ? i / 5 * 5 + 1 : 0,
                                      1000000000u + (uint64_t)i * 1000);
    span->end_unix_ns = span->start_unix_ns + i % 7 * 100;
    span->kind = (int32_t)(1 + i % 5);
    span->status_code = i % 11 == 0 ? TK_STATUS_ERROR : TK_STATUS_UNSET;
    span->name = build_text(batch, "op%u", i % 7);
    span->resource = resources[i % 3];
    span->scope = scope;
    build_attribute(batch, &span->attributes, "number", value_int(i));
    if (i % 3 == 0) {
      build_attribute(batch, &span->attributes, key, value_text(build_text(batch, "v%u", i % 4)));
    }
  }
  return batch;
}

sqlite3 *fixture_open(const char *path) {
  sqlite3 *db = NULL;
  char *message = NULL;
  if (sqlite3_open(path, &db) != SQLITE_OK) fail(path, sqlite3_errmsg(db));
  /* The first of several connections that open a store may have to recover its log. */
  sqlite3_busy_timeout(db, 30000);
  if (sqlite3_tracekeep_init(db, &message, NULL) != SQLITE_OK) fail("init", message);
  return db;
}

const char *fixture_query(sqlite3 *db, const char *sql) {
  static _Thread_local char text[1 << 16];
  sqlite3_stmt *statement = NULL;
  size_t used = 0;
  int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

  text[0] = 0;
  while (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
    for (int i = 0; i < sqlite3_column_count(statement); i++) {
      const char *value = (const char *)sqlite3_column_text(statement, i);
      used += (size_t)snprintf(text + used, sizeof text - used, "%s%s",
                               i      ? "|"
                               : used ? "\n"
                                      : "",
                               value ? value : "NULL");
      if (used >= sizeof text) used = sizeof text - 1;
    }
    rc = SQLITE_OK;
  }
  if (rc != SQLITE_DONE) snprintf(text, sizeof text, "%s", sqlite3_errmsg(db));
  sqlite3_finalize(statement);
  return text;
}

int64_t fixture_number(sqlite3 *db, const char *sql) {
  return strtoll(fixture_query(db, sql), NULL, 10);
}
