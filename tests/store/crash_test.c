/* SPDX-License-Identifier: MIT
 * Processes that are killed while they ingest, and others that read meanwhile. */
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/segment/segment.h"
#include "tests/support/check.h"
#include "tests/support/scripted_ingest.h"
#include "tests/support/span_builder.h"
#include "tests/support/store_compare.h"
#include "tracekeep/scan.h"

static const char path[] = "crash_test.db";
static const char clean_path[] = "crash_test_clean.db";

static const struct script scripts[] = {
    {.name = "one", .seed = 31, .batch_count = 30, .spans_per_batch = 60, .trace_spans = 12},
    {.name = "two",
     .seed = 31,
     .batch_count = 20,
     .spans_per_batch = 50,
     .trace_spans = 12,
     .first_span = 1200}};
static const struct script_run run = {.threads = 3, .spans_per_segment = 64};

static void sleep_us(uint64_t us) {
  const struct timespec time = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
  nanosleep(&time, NULL);
}

static uint64_t now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

/* A child must not inherit what was not printed yet. */
static pid_t start_child(int (*work)(void)) {
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    const int result = work();
    fflush(stdout);
    _exit(result);
  }
  CHECK(child > 0);
  return child;
}

/* Exit code of the child, or -1 if it was killed. */
static int wait_for(pid_t child) {
  int status = 0;
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

static int ingest_all(void) {
  struct tk_error error = {{0}};
  const enum tk_status status = ingest_scripts_into(path, scripts, 2, &run, NULL, &error);
  if (status != TK_OK) printf("# ingest: %s: %s\n", tk_status_name(status), error.message);
  return status != TK_OK;
}

/* How long one ingest takes, as its children take it; makes clean_path on the way. */
static uint64_t measure_clean_run(void) {
  remove_store(path);
  remove_store(clean_path);
  const uint64_t begin = now_us();
  CHECK(wait_for(start_child(ingest_all)) == 0);
  const uint64_t duration = now_us() - begin;
  CHECK(copy_store(path, clean_path));
  CHECK(store_is_sound(clean_path));
  return duration;
}

static void a_killed_ingest_ends_like_a_clean_one_when_run_again(void) {
  const char *wanted = getenv("TK_KILL_ITERATIONS");
  const int iterations = wanted ? atoi(wanted) : 25;
  const uint64_t duration = measure_clean_run();
  uint64_t random = 5;
  int killed = 0, halfway = 0;
  for (int i = 0; i < iterations && check_failures == 0; i++) {
    remove_store(path);
    int result = -1;
    for (int kills = 0; kills < 1 + i % 3; kills++) {
      const pid_t child = start_child(ingest_all);
      sleep_us(next_random(&random) % (duration + 1));
      kill(child, SIGKILL);
      result = wait_for(child);
      killed += result == -1;
      if (access(path, F_OK) != 0) continue;
      struct tk_store *store = NULL;
      if (tk_store_open(path, TK_OPEN_READ, &store, NULL) != TK_OK) continue; /* not made yet */
      struct tk_store_info info = {0};
      CHECK(tk_store_info(store, &info, NULL) == TK_OK);
      halfway += info.spans > 0 && result == -1;
      tk_store_close(store);
      CHECK(store_is_sound(path));
    }
    CHECK(wait_for(start_child(ingest_all)) == 0);
    CHECK(store_is_sound(path));
    CHECK(stores_are_identical(path, clean_path));
    if (check_failures) printf("# in iteration %d\n", i);
  }
  printf("# %d ingests killed, %d of them halfway\n", killed, halfway);
  CHECK(killed > 0 && halfway > 0);
}

/* ---- reading meanwhile ---- */

/* What a reader finds. */
struct reader_state {
  uint64_t spans, traces;
};

static enum tk_status scan_counts(struct tk_store *store, struct reader_state *state,
                                  struct tk_error *error) {
  struct tk_scan *scan = NULL;
  const struct tk_trace *trace = NULL;
  *state = (struct reader_state){0};
  enum tk_status status = tk_scan_open(store, NULL, &scan, error);
  while (status == TK_OK && (status = tk_scan_next(scan, &trace, error)) == TK_OK && trace) {
    state->spans += trace->span_count;
    state->traces++;
  }
  tk_scan_close(scan);
  return status;
}

/* Sum of what the sources say is stored, in the same snapshot as the segments' own count. */
static bool counts_agree(sqlite3 *db) {
  sqlite3_stmt *statement = NULL;
  bool agree = false;
  if (sqlite3_prepare_v2(db,
                         "SELECT (SELECT coalesce(sum(spans_new), 0) FROM tk_ingest), "
                         "(SELECT coalesce(sum(span_count), 0) FROM tk_segment)",
                         -1, &statement, NULL) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW) {
    agree = sqlite3_column_int64(statement, 0) == sqlite3_column_int64(statement, 1);
  }
  sqlite3_finalize(statement);
  return agree;
}

/* Scans until all is there; each scan must see a whole commit, and never less than the one before.
 */
static int read_until_complete(void) {
  struct tk_store *store = NULL;
  struct tk_error error = {{0}};
  struct reader_state state = {0}, before = {0};
  struct tk_store_info info = {0};
  struct tk_store *clean = NULL;
  uint64_t scans = 0, changes = 0, wrong = 0;
  const uint64_t give_up = now_us() + 60000000;
  enum tk_status status = tk_store_open(clean_path, TK_OPEN_READ, &clean, &error);
  if (status == TK_OK) status = tk_store_info(clean, &info, &error);
  tk_store_close(clean);
  while (status == TK_OK && tk_store_open(path, TK_OPEN_READ, &store, &error) != TK_OK) {
    if (now_us() > give_up) return 3; /* not made yet */
    sleep_us(500);
  }
  error = (struct tk_error){{0}};
  while (status == TK_OK && state.spans < info.spans && now_us() < give_up) {
    status = scan_counts(store, &state, &error);
    if (status != TK_OK) break;
    wrong += state.spans < before.spans || state.traces < before.traces;
    wrong += !counts_agree(tk_store_database(store));
    changes += state.spans != before.spans;
    before = state;
    scans++;
  }
  tk_store_close(store);
  printf("# %llu scans saw %llu states\n", (unsigned long long)scans, (unsigned long long)changes);
  if (status != TK_OK) printf("# reader: %s: %s\n", tk_status_name(status), error.message);
  if (wrong) printf("# reader: %llu states were no commits\n", (unsigned long long)wrong);
  return status != TK_OK || wrong || state.spans != info.spans;
}

static void readers_see_whole_commits_while_an_ingest_runs(void) {
  measure_clean_run();
  for (int i = 0; i < 4; i++) {
    remove_store(path);
    const pid_t reader = start_child(read_until_complete);
    const pid_t other = start_child(read_until_complete);
    CHECK(wait_for(start_child(ingest_all)) == 0);
    CHECK(wait_for(reader) == 0);
    CHECK(wait_for(other) == 0);
    CHECK(stores_are_identical(path, clean_path));
  }
}

/* Whoever comes second is told to try again, and does. */
static int ingest_until_done(void) {
  struct tk_error error = {{0}};
  for (int attempt = 0; attempt < 1000; attempt++) {
    const enum tk_status status = ingest_scripts_into(path, scripts, 2, &run, NULL, &error);
    if (status == TK_OK) return 0;
    if (status != TK_BUSY) {
      printf("# ingest: %s: %s\n", tk_status_name(status), error.message);
      return 1;
    }
  }
  return 2;
}

static void ingests_at_once_end_with_the_same_content(void) {
  measure_clean_run();
  for (int i = 0; i < 4; i++) {
    remove_store(path);
    const pid_t one = start_child(ingest_until_done), two = start_child(ingest_until_done);
    CHECK(wait_for(one) == 0);
    CHECK(wait_for(two) == 0);
    CHECK(store_is_sound(path));
    CHECK(stores_have_equal_content(path, clean_path));
  }
  remove_store(path);
  remove_store(clean_path);
}

CHECK_MAIN(CASE(a_killed_ingest_ends_like_a_clean_one_when_run_again),
           CASE(readers_see_whole_commits_while_an_ingest_runs),
           CASE(ingests_at_once_end_with_the_same_content))
