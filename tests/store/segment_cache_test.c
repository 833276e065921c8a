/* The cache of opened segments: sharing, eviction, threads. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/segment/segment_state.h"
#include "tests/support/check.h"
#include "tests/support/read_everything.h"
#include "tests/support/segment_builder.h"
#include "tracekeep/hash.h"

enum { SEGMENTS = 6, THREADS = 4 };

static char path[] = "segment_cache_test.XXXXXX"; /* in the working directory */

static void make_store(void) {
  close(mkstemp(path));
  sqlite3 *db = sample_store_create(path);
  for (uint32_t i = 0; i < SEGMENTS; i++) {
    struct sample_spans samples;
    sample_spans_make(
        &samples, &(struct sample_options){.seed = 40 + i, .trace_count = 60, .largest_trace = 60});
    sample_store_add(db, samples.pointers, samples.count);
    sample_spans_reset(&samples);
  }
  sqlite3_close(db);
}

static sqlite3 *open_store(void) {
  sqlite3 *db = NULL;
  CHECK(sqlite3_open(path, &db) == SQLITE_OK);
  return db;
}

static uint64_t read_store(void) {
  uint64_t digest = 0;
  struct tk_error error = {{0}};
  sqlite3 *db = open_store();
  enum tk_status status = read_everything(db, &digest, &error);
  if (status != TK_OK) printf("# %s\n", error.message);
  CHECK(status == TK_OK);
  sqlite3_close(db);
  return digest;
}

static void connections_share_what_is_open(void) {
  struct tk_reader *readers[2];
  const struct tk_segment *segments[2];
  sqlite3 *dbs[2];
  for (int i = 0; i < 2; i++) {
    dbs[i] = open_store();
    CHECK(tk_reader_open(dbs[i], "main", &readers[i], NULL) == TK_OK);
    CHECK(tk_reader_segment(readers[i], 2, &segments[i], NULL) == TK_OK);
  }
  CHECK(segments[0] == segments[1]);
  for (int i = 0; i < 2; i++) {
    tk_segment_release(segments[i]);
    tk_reader_close(readers[i]);
    sqlite3_close(dbs[i]);
  }
}

static void a_store_that_is_attached_is_read_by_its_name(void) {
  sqlite3 *db = NULL;
  struct tk_reader *reader;
  char sql[100];
  CHECK(sqlite3_open(":memory:", &db) == SQLITE_OK);
  snprintf(sql, sizeof sql, "ATTACH '%s' AS \"an \"\"odd\"\" name\"", path);
  sample_store_run(db, sql);
  CHECK(tk_reader_open(db, "an \"odd\" name", &reader, NULL) == TK_OK);
  CHECK(reader && reader->segment_count == SEGMENTS);
  tk_reader_close(reader);
  sqlite3_close(db);
}

static void a_small_budget_evicts_but_not_what_is_in_use(void) {
  const uint64_t expected = read_store();
  CHECK(tk_segment_cache_used() > 0);
  tk_segment_cache_set_budget(1);
  CHECK(tk_segment_cache_used() == 0);
  CHECK(read_store() == expected);
  CHECK(tk_segment_cache_used() == 0);

  const struct tk_segment *segment;
  struct tk_reader *reader;
  const int64_t *starts, *again;
  sqlite3 *db = open_store();
  CHECK(tk_reader_open(db, "main", &reader, NULL) == TK_OK);
  CHECK(tk_reader_segment(reader, 0, &segment, NULL) == TK_OK);
  CHECK(tk_reader_starts(reader, segment, TK_ALL, &starts, NULL) == TK_OK);
  const uint64_t used = tk_segment_cache_used();
  CHECK(used > 0);
  CHECK(read_store() == expected);
  tk_segment_cache_clear();
  CHECK(tk_segment_cache_used() >= used);
  CHECK(tk_reader_starts(reader, segment, 0, &again, NULL) == TK_OK && again == starts);
  tk_segment_release(segment);
  CHECK(tk_segment_cache_used() == 0);
  tk_reader_close(reader);
  sqlite3_close(db);
  tk_segment_cache_set_budget(256u << 20);
}

static void what_was_used_again_stays(void) {
  struct tk_reader *reader;
  const struct tk_segment *segments[SEGMENTS];
  sqlite3 *db = open_store();
  tk_segment_cache_clear();
  CHECK(tk_reader_open(db, "main", &reader, NULL) == TK_OK);
  for (uint32_t i = 0; i < SEGMENTS; i++) {
    CHECK(tk_reader_segment(reader, i, &segments[i], NULL) == TK_OK);
  }
  for (uint32_t i = 0; i < SEGMENTS; i++) tk_segment_release(segments[i]);
  CHECK(tk_reader_segment(reader, 0, &segments[0], NULL) == TK_OK);
  tk_segment_release(segments[0]);
  const uint64_t used = tk_segment_cache_used();
  tk_segment_cache_set_budget(used / 2);
  const struct tk_segment *first;
  const uint64_t kept = tk_segment_cache_used();
  CHECK(kept > 0 && kept <= used / 2);
  CHECK(tk_reader_segment(reader, 0, &first, NULL) == TK_OK);
  CHECK(first == segments[0] && tk_segment_cache_used() == kept);
  tk_segment_release(first);
  tk_reader_close(reader);
  sqlite3_close(db);
  tk_segment_cache_set_budget(256u << 20);
  tk_segment_cache_clear();
  CHECK(tk_segment_cache_used() == 0);
}

/* Scans that do not fit find a part of it at least. */
static void a_scan_of_too_much_leaves_something_for_the_next(void) {
  struct tk_reader *reader;
  sqlite3 *db = open_store();
  uint32_t found = 0;
  tk_segment_cache_clear();
  CHECK(tk_reader_open(db, "main", &reader, NULL) == TK_OK);
  read_store();
  tk_segment_cache_set_budget(tk_segment_cache_used() / 2);
  for (int round = 0; round < 20; round++) {
    for (uint32_t i = 0; i < SEGMENTS; i++) {
      const struct tk_segment *segment;
      const int64_t *starts;
      CHECK(tk_reader_segment(reader, i, &segment, NULL) == TK_OK);
      const uint64_t used = tk_segment_cache_used();
      CHECK(tk_reader_starts(reader, segment, TK_ALL, &starts, NULL) == TK_OK);
      found += tk_segment_cache_used() == used;
      tk_segment_release(segment);
    }
  }
  CHECK(found > 20);
  tk_reader_close(reader);
  sqlite3_close(db);
  tk_segment_cache_set_budget(256u << 20);
  tk_segment_cache_clear();
}

static atomic_int wrong;
static uint64_t expected_digest;

static void *read_often(void *context) {
  sqlite3 *db = NULL;
  if (sqlite3_open(path, &db) != SQLITE_OK) atomic_fetch_add(&wrong, 1);
  for (int i = 0; i < *(const int *)context; i++) {
    uint64_t digest = 0;
    struct tk_error error = {{0}};
    if (read_everything(db, &digest, &error) != TK_OK || digest != expected_digest) {
      atomic_fetch_add(&wrong, 1);
    }
  }
  sqlite3_close(db);
  return NULL;
}

static void run_threads(int rounds) {
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) {
    CHECK(pthread_create(&threads[i], NULL, read_often, &rounds) == 0);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

static void threads_read_the_same_segments_at_once(void) {
  expected_digest = read_store();
  tk_segment_cache_clear();
  run_threads(1);
  tk_segment_cache_set_budget(200000); /* some segments come and go all the time */
  run_threads(3);
  CHECK(atomic_load(&wrong) == 0);
  tk_segment_cache_set_budget(256u << 20);
  tk_segment_cache_clear();
  CHECK(tk_segment_cache_used() == 0);
}

int main(void) {
  static const struct check_case cases[] = {
      CASE(connections_share_what_is_open),
      CASE(a_store_that_is_attached_is_read_by_its_name),
      CASE(a_small_budget_evicts_but_not_what_is_in_use),
      CASE(what_was_used_again_stays),
      CASE(a_scan_of_too_much_leaves_something_for_the_next),
      CASE(threads_read_the_same_segments_at_once),
  };
  make_store();
  int failed = check_run(cases, (int)(sizeof cases / sizeof cases[0]));
  unlink(path);
  return failed;
}
