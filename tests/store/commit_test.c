/* SPDX-License-Identifier: MIT
 * tk_ingest_commit: however often, and wherever an ingest is left, the store ends with the same
 * spans, and with about as many segments. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/check.h"
#include "tests/support/fault_memory.h"
#include "tests/support/scripted_ingest.h"
#include "tests/support/span_builder.h"
#include "tests/support/store_compare.h"

static const char path[] = "commit_test.db";
static const char clean_path[] = "commit_test_clean.db";

static const struct script scripts[] = {
    {.name = "first", .seed = 3, .batch_count = 150, .spans_per_batch = 11, .trace_spans = 9},
    {.name = "second",
     .seed = 3,
     .batch_count = 60,
     .spans_per_batch = 23,
     .trace_spans = 9,
     .first_span = 1200},
};
enum { SCRIPTS = sizeof scripts / sizeof scripts[0], TARGET = 256 };

static struct tk_ingest_counts ingest(const char *into, const struct script_run *run) {
  struct tk_ingest_counts counts = {0};
  struct tk_error error = {{0}};
  CHECK(ingest_scripts_into(into, scripts, SCRIPTS, run, &counts, &error) == TK_OK);
  if (error.message[0]) printf("# %s\n", error.message);
  return counts;
}

static struct tk_store_info info_of(const char *of) {
  struct tk_store *store = NULL;
  struct tk_store_info info = {0};
  CHECK(tk_store_open(of, TK_OPEN_READ, &store, NULL) == TK_OK);
  CHECK(store && tk_store_info(store, &info, NULL) == TK_OK);
  tk_store_close(store);
  return info;
}

static void make_clean(void) {
  remove_store(clean_path);
  ingest(clean_path, &(struct script_run){.threads = 2, .spans_per_segment = TARGET});
}

static void commits_change_nothing_but_where_segments_end(void) {
  static const uint32_t every[] = {1, 2, 7, 40};
  make_clean();
  const struct tk_store_info clean = info_of(clean_path);
  for (size_t i = 0; i < sizeof every / sizeof every[0]; i++) {
    remove_store(path);
    const struct script_run run = {
        .threads = 2, .spans_per_segment = TARGET, .commit_every = every[i]};
    const struct tk_ingest_counts counts = ingest(path, &run);
    const struct tk_store_info info = info_of(path);
    CHECK(counts.spans_new == clean.spans && info.spans == clean.spans);
    CHECK(info.segments <= clean.spans / TARGET + 2);
    CHECK(counts.segments_written == info.segments);
    CHECK(stores_have_equal_content(path, clean_path));
    CHECK(store_is_sound(path));
  }
}

/* After every commit as many segments as there may be, and the spans so far. */
static void open_segments_are_few(void) {
  const uint32_t batches = 300;
  const struct script script = {.name = "slow",
                                .seed = 8,
                                .batch_count = batches,
                                .spans_per_batch = 5,
                                .trace_spans = 7,
                                .plain = true};
  const struct tk_ingest_options options = {.thread_count = 1, .spans_per_segment = 1024};
  struct tk_store *store = NULL;
  struct tk_ingest *ingest = NULL;
  uint64_t most = 0;
  remove_store(path);
  CHECK(tk_store_open(path, TK_OPEN_CREATE, &store, NULL) == TK_OK);
  CHECK(tk_ingest_begin(store, &options, &ingest, NULL) == TK_OK);
  CHECK(tk_ingest_source_begin(ingest, "slow", "script", 1, NULL, NULL) == TK_OK);
  for (uint32_t i = 0; i < batches; i++) {
    CHECK(tk_ingest_append(ingest, script_batch(&script, i), NULL) == TK_OK);
    CHECK(tk_ingest_commit(ingest, NULL) == TK_OK);
    const struct tk_store_info info = info_of(path);
    CHECK(info.spans == (i + 1) * script.spans_per_batch);
    const uint64_t closed = info.spans / 1024;
    if (info.segments - closed > most) most = info.segments - closed;
  }
  printf("# at most %llu open segments\n", (unsigned long long)most);
  CHECK(most <= 7);
  CHECK(tk_ingest_finish(ingest, NULL, NULL) == TK_OK);
  tk_store_close(store);
  CHECK(info_of(path).segments <= 3);
  CHECK(store_is_sound(path));
}

static void an_ingest_left_after_commits_continues(void) {
  make_clean();
  for (uint32_t stop = 10; stop < 200; stop += 37) {
    remove_store(path);
    struct script_run run = {
        .threads = 1, .spans_per_segment = TARGET, .commit_every = 3, .stop_after = stop};
    ingest(path, &run); /* what was committed stays */
    CHECK(store_is_sound(path));
    run.stop_after = stop / 2;
    ingest(path, &run);
    run.stop_after = 0;
    ingest(path, &run);
    CHECK(stores_have_equal_content(path, clean_path));
    CHECK(store_is_sound(path));
  }
}

/* Any allocation may fail: what was committed stays, and the next ingest completes it. */
static void failing_memory_does_no_harm(void) {
  static const struct script small[] = {
      {.name = "one", .seed = 5, .batch_count = 4, .spans_per_batch = 12, .trace_spans = 7},
      {.name = "two",
       .seed = 5,
       .batch_count = 3,
       .spans_per_batch = 10,
       .trace_spans = 7,
       .first_span = 30}};
  const struct script_run run = {.threads = 1, .spans_per_segment = 32, .commit_every = 1};
  int failures = 0;
  remove_store(clean_path);
  CHECK(ingest_scripts_into(clean_path, small, 2, &run, NULL, NULL) == TK_OK);
  for (int n = 1, hits = 1; hits > 0; n += 1 + n / 12) {
    remove_store(path);
    fault_memory_fail_at(n);
    const enum tk_status status = ingest_scripts_into(path, small, 2, &run, NULL, NULL);
    hits = fault_memory_hits();
    fault_memory_fail_at(0);
    failures += status != TK_OK;
    CHECK(status == TK_OK || status == TK_NOMEM);
    CHECK(ingest_scripts_into(path, small, 2, &run, NULL, NULL) == TK_OK);
    CHECK(stores_have_equal_content(path, clean_path));
    CHECK(store_is_sound(path));
  }
  printf("# %d failures\n", failures);
  CHECK(failures > 20);
}

/* The next commit leaves the tier with these spans as it is. */
static void a_trace_of_which_only_a_duplicate_comes_is_not_split(void) {
  enum { SPANS = 1000, SAME_TRACE = 7 };
  const struct tk_ingest_options options = {.thread_count = 1, .spans_per_segment = 4096};
  struct tk_batch *first = build_batch(SPANS, 0), *second = build_batch(2, 0);
  struct tk_store *store = NULL;
  struct tk_ingest *ingest = NULL;
  for (uint64_t i = 1; i <= SPANS; i++) build_span(first, i, i, 0, i * 100);
  build_span(second, SAME_TRACE, SAME_TRACE, 0, SAME_TRACE * 100);
  build_span(second, SPANS + 1, SPANS + 1, 0, SPANS * 100);
  remove_store(path);
  CHECK(tk_store_open(path, TK_OPEN_CREATE, &store, NULL) == TK_OK);
  CHECK(tk_ingest_begin(store, &options, &ingest, NULL) == TK_OK);
  CHECK(tk_ingest_source_begin(ingest, "again", "script", 1, NULL, NULL) == TK_OK);
  CHECK(tk_ingest_append(ingest, first, NULL) == TK_OK);
  CHECK(tk_ingest_commit(ingest, NULL) == TK_OK);
  CHECK(tk_ingest_append(ingest, second, NULL) == TK_OK);
  CHECK(tk_ingest_commit(ingest, NULL) == TK_OK);
  tk_ingest_abort(ingest);
  const struct tk_store_info info = info_of(path);
  CHECK(info.spans == SPANS + 1 && info.segments == 2);
  sqlite3_stmt *statement = NULL;
  CHECK(sqlite3_prepare_v2(tk_store_database(store), "SELECT count(*) FROM tk_split", -1,
                           &statement, NULL) == SQLITE_OK);
  CHECK(sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_int(statement, 0) == 0);
  sqlite3_finalize(statement);
  tk_store_close(store);
  CHECK(store_is_sound(path));
}

static void without_anything_new_nothing_is_written(void) {
  struct tk_store *store = NULL;
  struct tk_ingest *ingest = NULL;
  remove_store(path);
  CHECK(tk_store_open(path, TK_OPEN_CREATE, &store, NULL) == TK_OK);
  CHECK(tk_ingest_begin(store, NULL, &ingest, NULL) == TK_OK);
  const int before = sqlite3_total_changes(tk_store_database(store));
  for (int i = 0; i < 3; i++) CHECK(tk_ingest_commit(ingest, NULL) == TK_OK);
  CHECK(sqlite3_total_changes(tk_store_database(store)) == before);
  CHECK(tk_ingest_finish(ingest, NULL, NULL) == TK_OK);
  tk_store_close(store);
}

int main(void) {
  static const struct check_case cases[] = {
      CASE(commits_change_nothing_but_where_segments_end),
      CASE(open_segments_are_few),
      CASE(an_ingest_left_after_commits_continues),
      CASE(failing_memory_does_no_harm),
      CASE(a_trace_of_which_only_a_duplicate_comes_is_not_split),
      CASE(without_anything_new_nothing_is_written)};
  fault_memory_install();
  return check_run(cases, (int)(sizeof cases / sizeof cases[0]));
}
