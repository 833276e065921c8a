/* SPDX-License-Identifier: MIT
 * Memory that runs out and disks that fail, at every call in turn: each time the error is returned,
 * nothing leaks, the store is sound, and doing the same again ends with the same store. */
#include <sqlite3.h>
#include <stdlib.h>
#include <time.h>

#include "store/segment/segment.h"
#include "tests/support/check.h"
#include "tests/support/fault_memory.h"
#include "tests/support/fault_vfs.h"
#include "tests/support/scripted_ingest.h"
#include "tests/support/store_compare.h"
#include "tracekeep/scan.h"

static const char path[] = "faults_test.db";
static const char clean_path[] = "faults_test_clean.db";
static const char base_path[] = "faults_test_base.db";

/* Two small sources with common traces; the second brings late spans and repetitions. */
static const struct script scripts[] = {
    {.name = "one", .seed = 3, .batch_count = 3, .spans_per_batch = 24, .trace_spans = 7},
    {.name = "two",
     .seed = 3,
     .batch_count = 3,
     .spans_per_batch = 16,
     .trace_spans = 7,
     .first_span = 50}};
static const struct script_run run = {.threads = 1, .spans_per_segment = 16};

static time_t started;
static int seconds = 20;          /* for each test; TK_FAULT_SECONDS */
static int samples_in_a_row = 80; /* TK_FAULT_SAMPLES */

static bool time_is_up(void) {
  return time(NULL) - started > seconds;
}

/* Every n up to a point, then larger and larger steps. */
static int next_n(int n) {
  return n < samples_in_a_row ? n + 1 : n + 1 + n / samples_in_a_row + rand() % 3;
}

static enum tk_status scan_everything(struct tk_store *store, struct tk_error *error) {
  struct tk_scan *scan = NULL;
  const struct tk_trace *trace = NULL;
  enum tk_status status = tk_scan_open(store, NULL, &scan, error);
  while (status == TK_OK && (status = tk_scan_next(scan, &trace, error)) == TK_OK && trace) {
  }
  tk_scan_close(scan);
  return status;
}

/* What is put under stress. Faults that the check reports count as its error. */
static enum tk_status play(uint64_t *faults, struct tk_error *error) {
  struct tk_store *store = NULL;
  struct tk_check_counts counts = {0};
  struct tk_store_info info;
  enum tk_status status = tk_store_open(path, TK_OPEN_CREATE, &store, error);
  for (uint32_t i = 0; i < 2 && status == TK_OK; i++) {
    status = ingest_scripts(store, &scripts[i], 1, &run, NULL, error);
  }
  if (status == TK_OK) status = scan_everything(store, error);
  if (status == TK_OK) status = tk_store_check(store, NULL, NULL, &counts, error);
  if (status == TK_OK) status = tk_store_info(store, &info, error);
  tk_store_close(store);
  *faults = counts.faults;
  return status;
}

static void make_clean_store(void) {
  uint64_t faults = 0;
  started = time(NULL);
  srand(1);
  remove_store(path);
  remove_store(clean_path);
  CHECK(play(&faults, NULL) == TK_OK && faults == 0);
  CHECK(copy_store(path, clean_path));
  CHECK(store_is_sound(clean_path));
}

/* After a fault: nothing is left of it. */
static void check_recovery(const char *what, int n, bool persistent) {
  const int before = check_failures;
  uint64_t faults = 0;
  struct tk_store *store = NULL;
  struct tk_error error = {{0}};
  /* Where the store was not even made there is nothing to check. */
  if (tk_store_open(path, TK_OPEN_READ, &store, NULL) == TK_OK) {
    tk_store_close(store);
    CHECK(store_is_sound(path));
  }
  CHECK(play(&faults, &error) == TK_OK && faults == 0);
  CHECK(stores_are_identical(path, clean_path));
  if (check_failures != before) {
    printf("# after %s %d%s: %s\n", what, n, persistent ? " and all that follow" : "",
           error.message);
  }
}

static void check_no_leak(const char *what, int n) {
  tk_segment_cache_clear();
  const sqlite3_int64 used = sqlite3_memory_used();
  CHECK(used == 0);
  if (used != 0) printf("# %s %d leaks %lld bytes\n", what, n, (long long)used);
}

static void starve(bool persistent) {
  int n = 1, played = 0, failed = 0;
  make_clean_store();
  check_no_leak("clean run", 0);
  for (;; n = next_n(n)) {
    uint64_t faults = 0;
    struct tk_error error = {{0}};
    const int before = check_failures;
    remove_store(path);
    if (persistent) {
      fault_memory_fail_from(n);
    } else {
      fault_memory_fail_at(n);
    }
    const enum tk_status status = play(&faults, &error);
    const int hits = fault_memory_hits();
    fault_memory_fail_at(0);
    if (hits == 0) break;
    played++;
    failed += status != TK_OK;
    /* SQLite does without some of its memory. */
    CHECK(status == TK_OK || status == TK_NOMEM);
    CHECK(faults == 0);
    if (persistent) CHECK(status != TK_OK);
    if (check_failures != before) {
      printf("# allocation %d: %s, %s, %llu faults\n", n, tk_status_name(status), error.message,
             (unsigned long long)faults);
    }
    check_no_leak("allocation", n);
    check_recovery("allocation", n, persistent);
    check_no_leak("recovery from allocation", n);
    if (check_failures > before + 5 || time_is_up()) break;
  }
  printf("# %d of about %d allocations, %d failures\n", played, n, failed);
  CHECK(failed > 100 || time_is_up());
}

static void one_failed_allocation_does_no_harm(void) {
  starve(false);
}

static void memory_that_stays_short_does_no_harm(void) {
  starve(true);
}

static void a_scan_closed_without_memory_ends_its_transaction(void) {
  struct tk_store *store = NULL;
  struct tk_scan *scan = NULL;
  const struct tk_trace *trace = NULL;
  make_clean_store();
  CHECK(tk_store_open(path, TK_OPEN_WRITE, &store, NULL) == TK_OK);
  CHECK(tk_scan_open(store, NULL, &scan, NULL) == TK_OK);
  CHECK(tk_scan_next(scan, &trace, NULL) == TK_OK && trace);
  fault_memory_fail_from(1);
  tk_scan_close(scan);
  fault_memory_fail_at(0);
  CHECK(sqlite3_get_autocommit(tk_store_database(store)));
  CHECK(ingest_scripts(store, scripts, 2, &run, NULL, NULL) == TK_OK);
  tk_store_close(store);
}

/* ---- disks ---- */

static bool is_expected(enum tk_status status, enum fault_call call) {
  if (status == TK_OK || status == TK_IO || status == TK_BUSY || status == TK_NOMEM) return true;
  /* Of a file that cannot be opened nobody knows what it is. */
  return (call == FAULT_OPEN || call == FAULT_READ) && status == TK_INVALID;
}

static void fail_call(enum fault_call call, bool persistent) {
  int n = 1, played = 0;
  for (; !time_is_up(); n = next_n(n)) {
    uint64_t faults = 0;
    struct tk_error error = {{0}};
    const int before = check_failures;
    remove_store(path);
    fault_vfs_arm(call, n, persistent);
    const enum tk_status status = play(&faults, &error);
    const int hits = fault_vfs_hits();
    fault_vfs_arm(call, 0, false);
    if (hits == 0) break;
    played++;
    CHECK(is_expected(status, call));
    if (check_failures != before) {
      printf("# %s %d: %s, %s\n", fault_call_name(call), n, tk_status_name(status), error.message);
    }
    check_no_leak(fault_call_name(call), n);
    check_recovery(fault_call_name(call), n, persistent);
    fault_vfs_forget();
    if (check_failures > before + 5) break;
  }
  printf("# %s: %d of about %d calls\n", fault_call_name(call), played, n);
  CHECK(played > 0 || call == FAULT_DELETE || call == FAULT_TRUNCATE || time_is_up());
}

static void fail_disk(bool persistent) {
  make_clean_store();
  for (int call = 0; call < FAULT_CALLS; call++) {
    started = time(NULL) - seconds * 4 / 5; /* for each of them a fifth */
    fail_call((enum fault_call)call, persistent);
  }
}

static void one_failed_call_of_the_disk_does_no_harm(void) {
  fail_disk(false);
}

static void a_disk_that_stays_broken_does_no_harm(void) {
  fail_disk(true);
}

/* ---- power ---- */

static void lose_power(unsigned torn) {
  int n = 1, played = 0;
  make_clean_store();
  for (; !time_is_up(); n = next_n(n)) {
    uint64_t faults = 0;
    const int before = check_failures;
    remove_store(path);
    fault_vfs_forget();
    fault_vfs_arm(FAULT_POWER, n, true);
    play(&faults, NULL);
    const int hits = fault_vfs_hits();
    fault_vfs_arm(FAULT_POWER, 0, false);
    if (hits == 0) break;
    fault_vfs_lose_power(torn ? torn + (unsigned)n : 0);
    tk_segment_cache_clear();
    played++;
    check_recovery("power lost at write", n, true);
    if (check_failures > before + 5) break;
  }
  printf("# %d of about %d writes\n", played, n);
  CHECK(played > 10);
}

static void power_lost_between_any_two_writes_does_no_harm(void) {
  lose_power(0);
}

static void writes_that_were_under_way_may_be_torn(void) {
  lose_power(77);
}

/* The second half of the work alone, on a store that is there: more of the time goes into it. */
static void power_lost_while_a_store_grows_loses_nothing_older(void) {
  int n = 1, played = 0;
  struct tk_error error = {{0}};
  make_clean_store();
  remove_store(path);
  CHECK(ingest_scripts_into(path, &scripts[0], 1, &run, NULL, &error) == TK_OK);
  CHECK(copy_store(path, base_path));
  char *base = store_dump(base_path);
  for (; !time_is_up(); n = next_n(n)) {
    CHECK(copy_store(base_path, path));
    fault_vfs_forget();
    fault_vfs_arm(FAULT_POWER, n, true);
    ingest_scripts_into(path, &scripts[1], 1, &run, NULL, NULL);
    const int hits = fault_vfs_hits();
    fault_vfs_arm(FAULT_POWER, 0, false);
    if (hits == 0) break;
    fault_vfs_lose_power(n % 2 ? (unsigned)n : 0);
    tk_segment_cache_clear();
    played++;
    CHECK(store_is_sound(path));
    char *dump = store_dump(path);
    CHECK(base && dump && strlen(dump) >= strlen(base));
    free(dump);
    check_recovery("power lost at write", n, true);
    if (check_failures > 5) break;
  }
  free(base);
  printf("# %d of about %d writes\n", played, n);
  CHECK(played > 10);
  remove_store(path);
  remove_store(clean_path);
  remove_store(base_path);
}

int main(void) {
  static const struct check_case cases[] = {
      CASE(one_failed_allocation_does_no_harm),
      CASE(memory_that_stays_short_does_no_harm),
      CASE(a_scan_closed_without_memory_ends_its_transaction),
      CASE(one_failed_call_of_the_disk_does_no_harm),
      CASE(a_disk_that_stays_broken_does_no_harm),
      CASE(power_lost_between_any_two_writes_does_no_harm),
      CASE(writes_that_were_under_way_may_be_torn),
      CASE(power_lost_while_a_store_grows_loses_nothing_older)};
  if (getenv("TK_FAULT_SECONDS")) seconds = atoi(getenv("TK_FAULT_SECONDS"));
  if (getenv("TK_FAULT_SAMPLES")) samples_in_a_row = atoi(getenv("TK_FAULT_SAMPLES"));
  fault_memory_install();
  fault_vfs_install();
  return check_run(cases, (int)(sizeof cases / sizeof cases[0]));
}
