/* SPDX-License-Identifier: MIT
 * Documents through an ingest: what becomes of lines that come in pieces, of documents that come
 * twice, of interruptions, of damage, and of memory that runs out. */
#include <sqlite3.h>
#include <stdlib.h>
#include <time.h>

#include "store/document/document.h"
#include "store/document/document_sql.h"
#include "store/segment/segment.h"
#include "tests/support/check.h"
#include "tests/support/fault_memory.h"
#include "tests/support/store_compare.h"
#include "tracekeep/hash.h"
#include "tracekeep/store.h"

static const char path[] = "document_test.db";
static const char other_path[] = "document_test_other.db";

/* ---- batches ---- */

/* What fails in a test of memory is not the making of its input. */
static struct tk_batch *new_batch(uint64_t begin, size_t size) {
  fault_memory_suspend();
  struct tk_batch *batch = tk_batch_create();
  fault_memory_resume();
  if (!batch) abort();
  batch->begin_offset = begin;
  batch->end_offset = begin + size;
  batch->end_hash = batch->end_offset * 7919;
  batch->record_count = 1;
  return batch;
}

static char *copy(struct tk_batch *batch, const char *text, size_t size) {
  fault_memory_suspend();
  char *bytes = tk_arena_alloc(&batch->arena, size + 1);
  fault_memory_resume();
  if (!bytes) abort();
  memcpy(bytes, text, size);
  bytes[size] = '\0';
  return bytes;
}

static struct tk_document *add(struct tk_batch *batch, enum tk_document_kind kind, const char *text,
                               size_t size) {
  fault_memory_suspend();
  struct tk_document *documents =
      tk_arena_alloc(&batch->arena, (batch->document_count + 1) * sizeof *documents);
  fault_memory_resume();
  if (!documents) abort();
  if (batch->document_count > 0) {
    memcpy(documents, batch->documents, batch->document_count * sizeof *documents);
  }
  struct tk_document *added = &documents[batch->document_count++];
  *added = (struct tk_document){
      .kind = kind, .record_count = 1, .text = copy(batch, text, size), .size = size};
  batch->documents = documents;
  return added;
}

static struct tk_document *add_text(struct tk_batch *batch, enum tk_document_kind kind,
                                    const char *text) {
  return add(batch, kind, text, strlen(text));
}

/* ---- sources ---- */

/* Lines that depend only on their number; about half a MiB a batch, so that there are parts. */
enum { LINES = 5000, BATCHES = 9 };

static struct tk_batch *line_batch(uint32_t index) {
  static char text[LINES * 128];
  size_t size = 0;
  for (int i = 0; i < LINES; i++) {
    const unsigned number = index * LINES + (unsigned)i;
    size += (size_t)snprintf(text + size, sizeof text - size,
                             "{\"type\":\"success\",\"key\":\"key-%u\",\"value\":\"%08x\"}%s",
                             number, number * 2654435761u,
                             index == BATCHES - 1 && i == LINES - 1 ? "" : "\r\n");
  }
  struct tk_batch *batch = new_batch(index * 1000, 1000);
  add(batch, TK_DOCUMENT_KVONCE_EVENTS, text, size)->record_count = LINES;
  return batch;
}

static struct tk_store *open_store(const char *name) {
  struct tk_store *store = NULL;
  struct tk_error error = {{0}};
  CHECK(tk_store_open(name, TK_OPEN_CREATE, &store, &error) == TK_OK);
  return store;
}

static int64_t integer(struct tk_store *store, const char *sql) {
  sqlite3_stmt *statement = NULL;
  int64_t value = -1;
  CHECK(sqlite3_prepare_v2(tk_store_database(store), sql, -1, &statement, NULL) == SQLITE_OK);
  if (sqlite3_step(statement) == SQLITE_ROW) value = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  return value;
}

static bool text_is(struct tk_store *store, const char *sql, const char *expected) {
  sqlite3_stmt *statement = NULL;
  CHECK(sqlite3_prepare_v2(tk_store_database(store), sql, -1, &statement, NULL) == SQLITE_OK);
  const bool row = sqlite3_step(statement) == SQLITE_ROW;
  const char *text = row ? (const char *)sqlite3_column_text(statement, 0) : NULL;
  const bool equal = text && expected ? strcmp(text, expected) == 0 : !text && !expected;
  if (!equal) printf("# %s: found %s\n", sql, text ? text : "NULL");
  sqlite3_finalize(statement);
  return row && equal;
}

static void execute(struct tk_store *store, const char *sql) {
  CHECK(sqlite3_exec(tk_store_database(store), sql, NULL, NULL, NULL) == SQLITE_OK);
}

/* Ingests one batch as a source of its own; takes it over. */
static enum tk_status ingest(struct tk_store *store, const char *name,
                             const struct tk_source_context *context, struct tk_batch *batch,
                             struct tk_ingest_counts *counts, struct tk_error *error) {
  const struct tk_ingest_options options = {.thread_count = 1};
  struct tk_ingest *ingest = NULL;
  enum tk_status status = tk_ingest_begin(store, &options, &ingest, error);
  if (status == TK_OK) {
    status = tk_ingest_source_begin(ingest, name, "documents", batch->end_hash, NULL, error);
  }
  if (status == TK_OK && context) status = tk_ingest_source_context(ingest, context, error);
  if (status == TK_OK) {
    status = tk_ingest_append(ingest, batch, error);
    batch = NULL;
  }
  tk_batch_free(batch);
  if (status == TK_OK) status = tk_ingest_source_end(ingest, error);
  if (status == TK_OK) return tk_ingest_finish(ingest, counts, error);
  tk_ingest_abort(ingest);
  return status;
}

static void must_ingest(struct tk_store *store, const char *name,
                        const struct tk_source_context *context, struct tk_batch *batch) {
  struct tk_error error = {{0}};
  CHECK(ingest(store, name, context, batch, NULL, &error) == TK_OK);
  if (error.message[0]) printf("# %s: %s\n", name, error.message);
}

/* Batches [first, end) of the source of lines, committing after each `commit_every`. */
static void ingest_lines(struct tk_store *store, uint32_t first, uint32_t end,
                         uint32_t commit_every, bool finish) {
  const struct tk_progress reached = {first * 1000, first * 1000 * 7919};
  const struct tk_ingest_options options = {.thread_count = 1};
  struct tk_ingest *ingest = NULL;
  CHECK(tk_ingest_begin(store, &options, &ingest, NULL) == TK_OK);
  CHECK(tk_ingest_source_begin(ingest, "lines", "kvonce-events", 5, first ? &reached : NULL,
                               NULL) == TK_OK);
  for (uint32_t i = first; i < end; i++) {
    CHECK(tk_ingest_append(ingest, line_batch(i), NULL) == TK_OK);
    if (commit_every && i % commit_every == 0) CHECK(tk_ingest_commit(ingest, NULL) == TK_OK);
  }
  if (finish) {
    CHECK(tk_ingest_source_end(ingest, NULL) == TK_OK);
    CHECK(tk_ingest_finish(ingest, NULL, NULL) == TK_OK);
  } else {
    CHECK(tk_ingest_commit(ingest, NULL) == TK_OK);
    tk_ingest_abort(ingest);
  }
}

/* A hash of all rows of all documents' tables, but for the times. */
static uint64_t digest(struct tk_store *store) {
  static const char *const queries[] = {
      "SELECT id, kind, hash, size, record_count, complete, run_id, path, sha256 FROM tk_document",
      "SELECT * FROM tk_document_part",
      "SELECT * FROM tk_document_trace",
      "SELECT * FROM tk_document_state",
      "SELECT * FROM tk_envelope",
      "SELECT * FROM tk_envelope_file",
      "SELECT * FROM tk_envelope_document",
      "SELECT * FROM tk_document_issue"};
  struct tk_hash hash;
  tk_hash_init(&hash);
  for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
    sqlite3_stmt *rows = NULL;
    CHECK(sqlite3_prepare_v2(tk_store_database(store), queries[i], -1, &rows, NULL) == SQLITE_OK);
    while (sqlite3_step(rows) == SQLITE_ROW) {
      for (int c = 0; c < sqlite3_column_count(rows); c++) {
        tk_hash_update(&hash, sqlite3_column_blob(rows, c), (size_t)sqlite3_column_bytes(rows, c));
        tk_hash_update(&hash, "|", 1);
      }
    }
    sqlite3_finalize(rows);
  }
  return tk_hash_digest(&hash);
}

static uint64_t count_faults(struct tk_store *store) {
  struct tk_check_counts counts = {0};
  struct tk_error error = {{0}};
  CHECK(tk_store_check(store, NULL, NULL, &counts, &error) == TK_OK);
  return counts.faults;
}

/* ---- lines ---- */

static void lines_of_a_source_are_one_document_however_often_it_commits(void) {
  uint64_t expected = 0;
  for (uint32_t commit_every = 0; commit_every < 4; commit_every++) {
    remove_store(path);
    struct tk_store *store = open_store(path);
    ingest_lines(store, 0, BATCHES, commit_every, true);
    if (commit_every == 0) expected = digest(store);
    CHECK(digest(store) == expected);
    CHECK(integer(store, "SELECT count(*) FROM tk_document WHERE complete") == 1);
    CHECK(integer(store, "SELECT record_count FROM tk_document") == LINES * BATCHES);
    CHECK(integer(store, "SELECT count(*) FROM tk_document_part") > 2);
    CHECK(integer(store, "SELECT max(size) FROM tk_document_part") <= 1 << 20);
    CHECK(count_faults(store) == 0);
    tk_store_close(store);
  }
}

static void an_interrupted_source_ends_as_a_clean_one(void) {
  remove_store(other_path);
  struct tk_store *clean = open_store(other_path);
  ingest_lines(clean, 0, BATCHES, 0, true);
  const uint64_t expected = digest(clean);
  tk_store_close(clean);
  for (uint32_t stop = 1; stop < BATCHES; stop++) {
    remove_store(path);
    struct tk_store *store = open_store(path);
    ingest_lines(store, 0, stop, 1, false);
    CHECK(integer(store, "SELECT count(*) FROM tk_document WHERE NOT complete") == 1);
    CHECK(count_faults(store) == 0);
    tk_store_close(store);
    store = open_store(path);
    ingest_lines(store, stop, BATCHES, 0, true);
    CHECK(digest(store) == expected);
    tk_store_close(store);
  }
}

struct collected {
  struct tk_hash hash;
  size_t size;
};

static bool collect(void *context, const char *bytes, size_t size) {
  struct collected *collected = context;
  tk_hash_update(&collected->hash, bytes, size);
  collected->size += size;
  return true;
}

static void every_byte_comes_back(void) {
  struct tk_hash expected;
  struct collected collected = {.size = 0};
  remove_store(path);
  struct tk_store *store = open_store(path);
  ingest_lines(store, 0, BATCHES, 2, true);
  tk_hash_init(&expected);
  tk_hash_init(&collected.hash);
  for (uint32_t i = 0; i < BATCHES; i++) {
    struct tk_batch *batch = line_batch(i);
    tk_hash_update(&expected, batch->documents[0].text, batch->documents[0].size);
    tk_batch_free(batch);
  }
  CHECK(tk_store_read_document(store, 1, collect, &collected, NULL) == TK_OK);
  CHECK(tk_hash_digest(&collected.hash) == tk_hash_digest(&expected));
  CHECK(integer(store, "SELECT size FROM tk_document") == (int64_t)collected.size);
  CHECK(tk_store_read_document(store, 2, collect, &collected, NULL) == TK_INVALID);
  tk_store_close(store);
}

static void lines_that_cannot_be_continued_are_not_stored_twice(void) {
  remove_store(path);
  struct tk_store *store = open_store(path);
  for (int i = 0; i < 2; i++) {
    struct tk_batch *batch = new_batch(0, 10 + (size_t)i); /* as if nothing were known of it */
    add_text(batch, TK_DOCUMENT_KVONCE_EVENTS, "{\"type\":\"retry\",\"key\":\"a\"}\n");
    must_ingest(store, i == 0 ? "one" : "-", NULL, batch);
  }
  CHECK(integer(store, "SELECT count(*) FROM tk_document") == 1);
  CHECK(integer(store, "SELECT count(*) FROM tk_document_part") == 1);
  CHECK(count_faults(store) == 0);
  tk_store_close(store);
}

static void lines_that_lack_a_line_end_stay_lines(void) {
  remove_store(path);
  struct tk_store *store = open_store(path);
  struct tk_batch *batch = new_batch(0, 10);
  add_text(batch, TK_DOCUMENT_KVONCE_EVENTS, "{\"a\":1}");
  add_text(batch, TK_DOCUMENT_KVONCE_EVENTS, "{\"a\":2}");
  add_text(batch, TK_DOCUMENT_KVONCE_EVENTS, "\r\n{\"a\":3}");
  add_text(batch, TK_DOCUMENT_SPACE, "\n\n");
  must_ingest(store, "lines", NULL, batch);
  struct collected collected = {.size = 0};
  tk_hash_init(&collected.hash);
  static const char expected[] = "{\"a\":1}\n{\"a\":2}\r\n{\"a\":3}\n\n";
  CHECK(tk_store_read_document(store, 1, collect, &collected, NULL) == TK_OK);
  CHECK(tk_hash_digest(&collected.hash) == tk_hash64(expected, sizeof expected - 1));
  tk_store_close(store);
}

static void origins_of_events_that_were_spans_come_back(void) {
  static const struct tk_record_origin origins[2] = {
      {.trace_id = {1, 2, 3}, .span_id = {4, 5}, .start_unix_ns = 1760000001500999999},
      {.trace_id = {6}, .span_id = {7}, .start_unix_ns = 2}};
  struct tk_document_reader *reader = NULL;
  const struct tk_document_part *part = NULL;
  remove_store(path);
  struct tk_store *store = open_store(path);
  struct tk_batch *batch = new_batch(0, 10);
  struct tk_document *document =
      add_text(batch, TK_DOCUMENT_KVONCE_EVENTS, "{\"a\":1}\n{\"a\":2}\n");
  document->record_count = 2;
  document->origins = origins;
  add_text(batch, TK_DOCUMENT_KVONCE_EVENTS, "{\"a\":3}\n"); /* was none */
  must_ingest(store, "spans", NULL, batch);
  CHECK(tk_document_reader_open(tk_store_database(store), "main", 1, &reader, NULL) == TK_OK);
  CHECK(tk_document_reader_next(reader, &part, NULL) == TK_OK && part);
  CHECK(part && part->record_count == 2 && part->origins);
  if (part && part->origins) CHECK(memcmp(part->origins, origins, sizeof origins) == 0);
  CHECK(tk_document_reader_next(reader, &part, NULL) == TK_OK && part && !part->origins);
  CHECK(part && part->first_ordinal == 2 && part->record_count == 1);
  tk_document_reader_close(reader);
  tk_store_close(store);
}

/* ---- whole documents ---- */

static void the_same_document_is_kept_once(void) {
  static const char *const texts[] = {"{\"valid\":true,\"issues\":[]}",
                                      "\n{\"valid\":true,\"issues\":[]}\r\n",
                                      "\xEF\xBB\xBF{\"valid\":true,\"issues\":[]}"};
  struct tk_ingest_counts counts = {0};
  remove_store(path);
  struct tk_store *store = open_store(path);
  for (size_t i = 0; i < 3; i++) {
    struct tk_batch *batch = new_batch(0, 50 + i);
    add_text(batch, TK_DOCUMENT_KVONCE_VALIDATION, texts[i]);
    CHECK(ingest(store, "validation", NULL, batch, &counts, NULL) == TK_OK);
    CHECK(counts.documents_new == (i == 0) && counts.documents_duplicate == (i > 0));
  }
  CHECK(integer(store, "SELECT count(*) FROM tk_document") == 1);
  CHECK(integer(store, "SELECT count(*) FROM tk_validation") == 1);
  tk_store_close(store);
}

static void a_long_document_is_cut_between_characters(void) {
  enum { SIZE = 3 << 20 };
  char *text = malloc(SIZE + 100);
  size_t size = (size_t)sprintf(text, "{\"mappings\":[],\"x\":\"");
  while (size < SIZE) size += (size_t)sprintf(text + size, "\xE2\x82\xAC");
  size += (size_t)sprintf(text + size, "\"}");
  remove_store(path);
  struct tk_store *store = open_store(path);
  struct tk_batch *batch = new_batch(0, size);
  add(batch, TK_DOCUMENT_TRACE_MAP, text, size);
  must_ingest(store, "map", NULL, batch);
  CHECK(integer(store, "SELECT count(*) FROM tk_document_part") == 4);
  CHECK(integer(store, "SELECT sum(record_count) FROM tk_document_part") == 1);
  struct collected collected = {.size = 0};
  tk_hash_init(&collected.hash);
  CHECK(tk_store_read_document(store, 1, collect, &collected, NULL) == TK_OK);
  CHECK(collected.size == size && tk_hash_digest(&collected.hash) == tk_hash64(text, size));
  CHECK(count_faults(store) == 0);
  tk_store_close(store);
  free(text);
}

/* ---- runs ---- */

#define CHECKSUM "sha256:abababababababababababababababababababababababababababababababab"
static const char envelope_text[] =
    "{\"source\":\"s\",\"generatedAt\":\"2026-01-01T00:00:00Z\",\"correlation\":{\"runId\":\"run-"
    "1\","
    "\"traceIds\":[\"5B8EFFF798038103D269B633813FC60C\",\"t\"]},\"summary\":{},\"artifacts\":[{"
    "\"type\":"
    "\"application/json\",\"path\":\"x/kvonce-validation.json\",\"checksum\":\"" CHECKSUM "\"}]}";
static const char validation_text[] =
    "{\"valid\":false,\"issues\":[{\"type\":\"multiple-success\",\"key\":\"k\",\"message\":\"m\"}]"
    "}";

static struct tk_batch *envelope_batch(void) {
  struct tk_batch *batch = new_batch(0, 300);
  add_text(batch, TK_DOCUMENT_ENVELOPE, envelope_text);
  return batch;
}

static struct tk_batch *validation_batch(void) {
  struct tk_batch *batch = new_batch(0, 100);
  struct tk_document *document = add_text(batch, TK_DOCUMENT_KVONCE_VALIDATION, validation_text);
  memset(document->sha256, 0xAB, sizeof document->sha256);
  document->has_sha256 = 1;
  return batch;
}

static void an_issue_knows_its_run_whichever_came_first(void) {
  for (int order = 0; order < 2; order++) {
    remove_store(path);
    struct tk_store *store = open_store(path);
    must_ingest(store, "first", NULL, order ? envelope_batch() : validation_batch());
    must_ingest(store, "second", NULL, order ? validation_batch() : envelope_batch());
    CHECK(text_is(store, "SELECT run_id FROM document_issues", "run-1"));
    CHECK(integer(store, "SELECT count(*) FROM document_issues") == 1);
    CHECK(integer(store, "SELECT count(*) FROM run_documents WHERE run_id = 'run-1'") == 2);
    CHECK(integer(store, "SELECT checksum_ok FROM envelope_artifacts") == 1);
    CHECK(text_is(store, "SELECT role FROM envelope_artifacts", "validation"));
    CHECK(text_is(store, "SELECT trace_id FROM envelope_traces ORDER BY 1",
                  "5b8efff798038103d269b633813fc60c"));
    tk_store_close(store);
  }
}

static void a_file_that_was_found_is_the_artifact_whatever_its_checksum(void) {
  char found[300];
  const uint64_t hash = tk_hash64(validation_text, strlen(validation_text));
  snprintf(found, sizeof found,
           "{\"x/kvonce-validation.json\":{\"hash\":%lld,\"trimmed_hash\":%lld,\"sha256\":"
           "\"sha256:00\"},\"a\\\"b\":3}",
           (long long)hash, (long long)hash);
  const struct tk_source_context context = {.found = found};
  remove_store(path);
  struct tk_store *store = open_store(path);
  struct tk_batch *batch = new_batch(0, 100);
  add_text(batch, TK_DOCUMENT_KVONCE_VALIDATION, validation_text);
  must_ingest(store, "validation", NULL, batch);
  must_ingest(store, "envelope", &context, envelope_batch());
  CHECK(integer(store, "SELECT checksum_ok FROM envelope_artifacts") == 0);
  CHECK(integer(store, "SELECT document_id FROM envelope_artifacts") == 1);
  CHECK(text_is(store, "SELECT run_id FROM document_issues", "run-1"));
  tk_store_close(store);
}

static void runs_are_named_by_the_text_the_caller_or_the_content(void) {
  const struct tk_source_context context = {.run_id = "given"};
  static const char line[] = "{\"type\":\"retry\",\"key\":\"a\"}\n";
  char expected[40];
  remove_store(path);
  struct tk_store *store = open_store(path);
  struct tk_batch *batch = new_batch(0, 10);
  add_text(batch, TK_DOCUMENT_KVONCE_EVENTS, line);
  must_ingest(store, "content", NULL, batch);
  snprintf(expected, sizeof expected, "content-%016llx",
           (unsigned long long)tk_hash64(line, strlen(line)));
  CHECK(text_is(store, "SELECT run_id FROM tk_document WHERE id = 1", expected));
  batch = new_batch(0, 11);
  add_text(batch, TK_DOCUMENT_KVONCE_EVENTS, "{\"type\":\"retry\",\"key\":\"b\"}\n");
  must_ingest(store, "given", &context, batch);
  CHECK(text_is(store, "SELECT run_id FROM tk_document WHERE id = 2", "given"));
  batch = new_batch(0, 12);
  add_text(batch, TK_DOCUMENT_RUN_LOG, "{\"runId\":\"own\"}\n")->run_id =
      (struct tk_text){"own", 3};
  must_ingest(store, "own", &context, batch);
  CHECK(text_is(store, "SELECT run_id FROM tk_document WHERE id = 3", "own"));
  batch = new_batch(0, 13);
  add_text(batch, TK_DOCUMENT_ENVELOPE, envelope_text);
  must_ingest(store, "envelope", &context, batch);
  CHECK(text_is(store, "SELECT run_id FROM tk_envelope", "run-1"));
  tk_store_close(store);
}

/* ---- types that are wrong ---- */

static void what_has_the_wrong_type_is_null_and_never_an_error(void) {
  static const char *const values[] = {"null", "true", "7",    "-1.5e300", "\"x\"",
                                       "[]",   "{}",   "[[]]", "[\"x\"]",  "[{\"path\":[]}]"};
  static const char *const members[] = {
      "correlation", "summary",  "artifacts", "notes",   "tempoLinks", "valid",
      "issues",      "rules",    "steps",     "cases",   "trace",      "perKey",
      "violations",  "metadata", "run",       "events",  "grouping",   "traceIds",
      "details",     "orders",   "counts",    "sampling"};
  uint64_t size = 1000;
  remove_store(path);
  struct tk_store *store = open_store(path);
  struct tk_batch *batch = new_batch(0, size);
  for (int kind = 0; kind < TK_DOCUMENT_KIND_COUNT; kind++) {
    if (tk_document_kind_is_lines((enum tk_document_kind)kind)) continue;
    for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
      char text[4000] = "{\"kind\":";
      snprintf(text, sizeof text, "{\"kind\":%d", kind);
      for (size_t m = 0; m < sizeof members / sizeof members[0]; m++) {
        const size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, ",\"%s\":%s", members[m], values[v]);
      }
      strcat(text, ",\"summary\":");
      strcat(text, values[v]);
      strcat(text, "}");
      add_text(batch, (enum tk_document_kind)kind, text);
    }
  }
  struct tk_error error = {{0}};
  CHECK(ingest(store, "odd", NULL, batch, NULL, &error) == TK_OK);
  if (error.message[0]) printf("# %s\n", error.message);
  CHECK(integer(store, "SELECT count(*) FROM tk_document") > 200);
  CHECK(integer(store, "SELECT count(*) FROM tk_envelope WHERE source IS NOT NULL") == 0);
  CHECK(integer(store, "SELECT count(*) FROM runs") >= 0);
  CHECK(integer(store, "SELECT count(*) FROM document_issues") >= 0);
  CHECK(count_faults(store) == 0);
  tk_store_close(store);
}

/* ---- plans ---- */

static void check_plan(struct tk_store *store, const char *kind, sqlite3_stmt *step) {
  sqlite3_stmt *plan = NULL;
  char *sql = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sqlite3_sql(step));
  CHECK(sqlite3_prepare_v2(tk_store_database(store), sql, -1, &plan, NULL) == SQLITE_OK);
  while (sqlite3_step(plan) == SQLITE_ROW) {
    const char *detail = (const char *)sqlite3_column_text(plan, 3);
    const bool scans = strncmp(detail, "SCAN d", 6) == 0 || strncmp(detail, "SCAN f", 6) == 0 ||
                       strncmp(detail, "SCAN tk_", 8) == 0;
    const bool of_json = strstr(detail, "VIRTUAL TABLE") != NULL;
    CHECK(!scans || of_json);
    if (scans && !of_json) printf("# %s: %s\n", kind, detail);
  }
  sqlite3_finalize(plan);
  sqlite3_free(sql);
}

static void no_script_reads_through_a_table(void) {
  int count = 0;
  remove_store(path);
  struct tk_store *store = open_store(path);
  must_ingest(store, "validation", NULL, validation_batch()); /* registers the functions */
  for (const struct tk_document_sql *script = tk_document_sql; script->kind; script++) {
    const char *sql = script->sql;
    for (;; count++) {
      sqlite3_stmt *step = NULL;
      CHECK(sqlite3_prepare_v2(tk_store_database(store), sql, -1, &step, &sql) == SQLITE_OK);
      if (!step) break;
      check_plan(store, script->kind, step);
      sqlite3_finalize(step);
    }
  }
  CHECK(count > 50);
  tk_store_close(store);
}

/* ---- damage ---- */

static void the_check_finds_what_is_damaged(void) {
  static const char *const damages[] = {
      "UPDATE tk_document_part SET data = zeroblob(length(data)) WHERE id & 1 = 1",
      "UPDATE tk_document_part SET hash = hash + 1",
      "UPDATE tk_document_part SET record_count = record_count + 1 WHERE first_ordinal > 0",
      "UPDATE tk_document_part SET size = size - 1",
      "DELETE FROM tk_document_part WHERE id & 1048575 = 1",
      "UPDATE tk_document SET size = size + 1",
      "UPDATE tk_document SET record_count = record_count + 1",
      "UPDATE tk_document SET hash = hash + 1",
      "DELETE FROM tk_document WHERE id = 1",
      "INSERT INTO tk_document_trace VALUES ('t', 99)",
      "INSERT INTO tk_verify_step(document_id, ordinal) VALUES (99, 0)"};
  for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
    remove_store(path);
    struct tk_store *store = open_store(path);
    ingest_lines(store, 0, 4, 0, true);
    must_ingest(store, "validation", NULL, validation_batch());
    CHECK(count_faults(store) == 0);
    execute(store, damages[i]);
    CHECK(count_faults(store) > 0);
    if (count_faults(store) == 0) printf("# not found: %s\n", damages[i]);
    tk_store_close(store);
  }
}

/* ---- memory ---- */

static enum tk_status play(struct tk_error *error) {
  static const char found[] = "{\"x/kvonce-validation.json\":{\"hash\":1,\"trimmed_hash\":2}}";
  const struct tk_source_context context = {.run_id = "given", .found = found};
  struct tk_store *store = NULL;
  struct tk_check_counts counts = {0};
  struct collected collected = {.size = 0};
  enum tk_status status = tk_store_open(path, TK_OPEN_WRITE, &store, error);
  struct tk_batch *batch = new_batch(0, 20);
  const struct tk_text trace = {"t", 1};
  struct tk_document *lines =
      add_text(batch, TK_DOCUMENT_KVONCE_EVENTS, "{\"type\":\"retry\",\"key\":\"a\"}\n");
  lines->trace_ids = &trace;
  lines->trace_id_count = 1;
  if (status == TK_OK) {
    status = ingest(store, "lines", &context, batch, NULL, error);
  } else {
    tk_batch_free(batch);
  }
  if (status == TK_OK) {
    status = ingest(store, "validation", NULL, validation_batch(), NULL, error);
  }
  if (status == TK_OK) status = ingest(store, "envelope", &context, envelope_batch(), NULL, error);
  if (status == TK_OK) status = tk_store_read_document(store, 1, collect, &collected, error);
  if (status == TK_OK) status = tk_store_check(store, NULL, NULL, &counts, error);
  CHECK(counts.faults == 0);
  tk_store_close(store);
  return status;
}

static void one_failed_allocation_does_no_harm(void) {
  const time_t started = time(NULL);
  uint64_t expected;
  int n = 1, failures = 0;
  remove_store(other_path);
  tk_store_close(open_store(other_path));
  remove_store(path);
  CHECK(copy_store(other_path, path));
  CHECK(play(NULL) == TK_OK);
  struct tk_store *store = open_store(path);
  expected = digest(store);
  tk_store_close(store);
  for (;; n += n < 60 ? 1 : 1 + n / 60) {
    const int before = check_failures;
    struct tk_error error = {{0}};
    remove_store(path);
    CHECK(copy_store(other_path, path));
    fault_memory_fail_at(n);
    const enum tk_status status = play(&error);
    const int hits = fault_memory_hits();
    fault_memory_fail_at(0);
    if (hits == 0) break;
    failures += status != TK_OK;
    CHECK(status == TK_OK || status == TK_NOMEM);
    CHECK(play(&error) == TK_OK);
    store = open_store(path);
    CHECK(digest(store) == expected && count_faults(store) == 0);
    tk_store_close(store);
    tk_segment_cache_clear();
    CHECK(sqlite3_memory_used() == 0);
    if (check_failures != before) printf("# allocation %d: %s\n", n, error.message);
    if (check_failures > before + 5 || time(NULL) - started > 40) break;
  }
  printf("# about %d allocations, %d failures\n", n, failures);
  CHECK(failures > 20);
}

int main(void) {
  const struct check_case cases[] = {
      CASE(lines_of_a_source_are_one_document_however_often_it_commits),
      CASE(an_interrupted_source_ends_as_a_clean_one),
      CASE(every_byte_comes_back),
      CASE(lines_that_cannot_be_continued_are_not_stored_twice),
      CASE(lines_that_lack_a_line_end_stay_lines),
      CASE(origins_of_events_that_were_spans_come_back),
      CASE(the_same_document_is_kept_once),
      CASE(a_long_document_is_cut_between_characters),
      CASE(an_issue_knows_its_run_whichever_came_first),
      CASE(a_file_that_was_found_is_the_artifact_whatever_its_checksum),
      CASE(runs_are_named_by_the_text_the_caller_or_the_content),
      CASE(what_has_the_wrong_type_is_null_and_never_an_error),
      CASE(no_script_reads_through_a_table),
      CASE(the_check_finds_what_is_damaged),
      CASE(one_failed_allocation_does_no_harm),
  };
  fault_memory_install();
  return check_run(cases, (int)(sizeof cases / sizeof cases[0]));
}
