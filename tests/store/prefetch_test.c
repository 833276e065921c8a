/* Decoding ahead in a second thread: what is read does not depend on it. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/segment/prefetch.h"
#include "store/segment/segment_state.h"
#include "tests/support/check.h"
#include "tests/support/read_everything.h"
#include "tests/support/segment_builder.h"

enum { SEGMENTS = 6 };

static char path[] = "prefetch_test.XXXXXX"; /* in the working directory */

static void make_store(void) {
  close(mkstemp(path));
  sqlite3 *db = sample_store_create(path);
  for (uint32_t i = 0; i < SEGMENTS; i++) {
    struct sample_spans samples;
    sample_spans_make(
        &samples, &(struct sample_options){.seed = 70 + i, .trace_count = 60, .largest_trace = 60});
    sample_store_add(db, samples.pointers, samples.count);
    sample_spans_reset(&samples);
  }
  sqlite3_close(db);
}

static uint64_t read_all(sqlite3 *db) {
  uint64_t digest = 0;
  struct tk_error error = {{0}};
  enum tk_status status = read_everything(db, &digest, &error);
  if (status != TK_OK) printf("# %s\n", error.message);
  CHECK(status == TK_OK);
  return digest;
}

/* Everything that can be made ahead of a segment. */
static uint32_t list_items(const struct tk_segment *segment, struct tk_prefetch_item *items) {
  uint32_t count = 0;
  items[count++] = (struct tk_prefetch_item){TK_PREFETCH_STARTS, 0};
  items[count++] = (struct tk_prefetch_item){TK_PREFETCH_PARENTS, 0};
  items[count++] = (struct tk_prefetch_item){TK_PREFETCH_TRACES, 0};
  for (uint32_t i = 0; i < segment->column_count && count < TK_PREFETCH_ITEMS_MAX; i++) {
    const struct tk_segment_column *column = &segment->columns[i];
    if (column->chunk_size == 0) continue;
    items[count++] = (struct tk_prefetch_item){TK_PREFETCH_COLUMN, i};
    if (column->number < TK_COL_FIRST_ATTRIBUTE || column->scope != TK_SCOPE_SPAN) continue;
    if (count == TK_PREFETCH_ITEMS_MAX) break;
    items[count++] = (struct tk_prefetch_item){TK_PREFETCH_VALUE_INDEX, i};
  }
  return count;
}

struct scan {
  sqlite3 *db;
  struct tk_reader *reader;
  const struct tk_segment *segments[SEGMENTS];
  struct tk_prefetch *prefetch;
};

static void open_scan(struct scan *scan) {
  tk_segment_cache_clear();
  CHECK(sqlite3_open(path, &scan->db) == SQLITE_OK);
  CHECK(tk_reader_open(scan->db, "main", &scan->reader, NULL) == TK_OK);
  CHECK(scan->reader->segment_count == SEGMENTS);
  for (uint32_t i = 0; i < SEGMENTS; i++) {
    CHECK(tk_reader_segment(scan->reader, i, &scan->segments[i], NULL) == TK_OK);
  }
  scan->prefetch = tk_prefetch_create();
  CHECK(scan->prefetch != NULL);
}

static void close_scan(struct scan *scan) {
  tk_prefetch_free(scan->prefetch);
  for (uint32_t i = 0; i < SEGMENTS; i++) tk_segment_release(scan->segments[i]);
  tk_reader_close(scan->reader);
  sqlite3_close(scan->db);
}

static void start(struct scan *scan, uint32_t segment) {
  struct tk_prefetch_item items[TK_PREFETCH_ITEMS_MAX];
  const uint32_t count = list_items(scan->segments[segment], items);
  tk_prefetch_start(scan->prefetch, scan->reader, scan->segments[segment], items, count);
}

static void segments_decoded_ahead_read_the_same(void) {
  struct scan scan;
  open_scan(&scan);
  const uint64_t expected = read_all(scan.db);
  close_scan(&scan);
  for (int round = 0; round < 20; round++) {
    open_scan(&scan);
    for (uint32_t i = 0; i < SEGMENTS; i++) {
      for (uint32_t next = i; next < SEGMENTS && tk_prefetch_has_room(scan.prefetch); next++) {
        start(&scan, next);
      }
      tk_prefetch_await(scan.prefetch, scan.segments[i]);
    }
    CHECK(read_all(scan.db) == expected);
    close_scan(&scan);
  }
}

static void what_was_handed_over_becomes_ready(void) {
  struct tk_prefetch_item items[TK_PREFETCH_ITEMS_MAX];
  struct scan scan;
  uint32_t ready = 0;
  open_scan(&scan);
  const uint32_t count = list_items(scan.segments[0], items);
  for (uint32_t i = 0; i < count; i++) ready += tk_prefetch_is_ready(scan.segments[0], items[i]);
  CHECK(ready < count);
  start(&scan, 0);
  for (int i = 0; i < 1000 && !tk_prefetch_is_ready(scan.segments[0], items[count - 1]); i++) {
    usleep(1000); /* nobody awaits it, so that the thread has to do it */
  }
  tk_prefetch_await(scan.prefetch, scan.segments[0]);
  for (uint32_t i = 0; i < count; i++) CHECK(tk_prefetch_is_ready(scan.segments[0], items[i]));
  close_scan(&scan);
}

static void a_scan_may_stop_at_any_time(void) {
  for (int round = 0; round < 60; round++) {
    struct scan scan;
    open_scan(&scan);
    for (uint32_t i = 0; i < (uint32_t)round % SEGMENTS; i++) start(&scan, i);
    if (round % 3 == 1) tk_prefetch_await(scan.prefetch, scan.segments[0]);
    close_scan(&scan);
  }
}

static void reading_alone_and_ahead_at_once_agree(void) {
  struct scan scan;
  open_scan(&scan);
  const uint64_t expected = read_all(scan.db);
  close_scan(&scan);
  for (int round = 0; round < 20; round++) {
    open_scan(&scan);
    for (uint32_t i = SEGMENTS; i-- > 0;) start(&scan, i);
    CHECK(read_all(scan.db) == expected);
    close_scan(&scan);
  }
}

int main(void) {
  static const struct check_case cases[] = {
      CASE(segments_decoded_ahead_read_the_same), CASE(what_was_handed_over_becomes_ready),
      CASE(a_scan_may_stop_at_any_time), CASE(reading_alone_and_ahead_at_once_agree)};
  make_store();
  const int failed = check_run(cases, (int)(sizeof cases / sizeof cases[0]));
  unlink(path);
  return failed;
}
