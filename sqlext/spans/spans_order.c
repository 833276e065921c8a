/* SPDX-License-Identifier: MIT
 * Rows of `spans` in order of start: segments overlap in time, and so do traces in a segment.
 *
 * One heap holds segments, granules and sorted runs of rows by the earliest row each may hold. The
 * first item is taken apart if it is a segment or granule, and gives a row if it is a run; so only
 * what overlaps in time is open at any moment, and a LIMIT reads little. */
#include <stdlib.h>
#include <string.h>

#include "sqlext/spans/spans_cursor.h"

struct run_row {
  int64_t key;
  uint32_t row;
};

struct run {
  struct spans_opened *opened;
  uint32_t count, at;
  struct run_row rows[];
};

enum item_kind { ITEM_JOB, ITEM_GRANULE, ITEM_RUN };

struct item {
  int64_t key; /* no row of the item has a smaller one */
  enum item_kind kind;
  uint32_t job, begin, end;
  struct spans_opened *opened;
  struct run *run;
};

struct spans_start_order {
  struct item *heap;
  uint32_t count, capacity;
};

/* Keys sort as the rows shall: descending is ascending by the complement. */
static int64_t key_of(const struct spans_plan *plan, uint64_t start) {
  int64_t key = (int64_t)(plan->by_unsigned_start ? start ^ (uint64_t)INT64_MIN : start);
  return plan->descending ? ~key : key;
}

static int64_t key_of_limits(const struct spans_plan *plan, uint64_t low, uint64_t high) {
  if (high < low || (high > INT64_MAX && !plan->by_unsigned_start)) return INT64_MIN;
  return key_of(plan, plan->descending ? high : low);
}

static void sift_down(struct spans_start_order *order, uint32_t at) {
  struct item moved = order->heap[at];
  for (;;) {
    uint32_t child = 2 * at + 1;
    if (child >= order->count) break;
    if (child + 1 < order->count && order->heap[child + 1].key < order->heap[child].key) child++;
    if (order->heap[child].key >= moved.key) break;
    order->heap[at] = order->heap[child];
    at = child;
  }
  order->heap[at] = moved;
}

static enum tk_status push(struct spans_start_order *order, struct item item,
                           struct tk_error *error) {
  if (order->count == order->capacity) {
    uint32_t grown = order->capacity ? order->capacity * 2 : 64;
    struct item *heap = sqlite3_realloc64(order->heap, grown * sizeof *heap);
    if (!heap) return tk_nomem(error);
    order->heap = heap;
    order->capacity = grown;
  }
  uint32_t at = order->count++;
  while (at > 0 && order->heap[(at - 1) / 2].key > item.key) {
    order->heap[at] = order->heap[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  order->heap[at] = item;
  return TK_OK;
}

static void pop(struct spans_start_order *order) {
  order->heap[0] = order->heap[--order->count];
  if (order->count > 0) sift_down(order, 0);
}

/* ---- taking apart ---- */

static enum tk_status split_job(struct spans_cursor *cursor, const struct item *item,
                                struct tk_error *error) {
  const struct spans_range *job = &cursor->jobs[item->job];
  struct spans_opened *opened;
  enum tk_status status = tk_spans_cursor_open(cursor, job, &opened, error);

  if (status != TK_OK || !opened->possible) return status;
  const struct tk_segment *stored = opened->segment->segment;
  uint32_t rows = stored->summary.span_count, begin = job->first;
  uint32_t end = job->count < rows - begin ? begin + job->count : rows;
  while (begin < end && status == TK_OK) {
    uint32_t granule = tk_segment_granule_of_row(stored, begin);
    uint32_t granule_end = stored->rows.ends[granule] < end ? stored->rows.ends[granule] : end;
    struct item part = {.kind = ITEM_GRANULE,
                        .begin = begin,
                        .end = granule_end,
                        .opened = opened,
                        .key = key_of_limits(&cursor->plan, stored->granule_start_min[granule],
                                             stored->granule_start_max[granule])};
    status = push(cursor->start_order, part, error);
    if (status == TK_OK) opened->pins++;
    begin = granule_end;
  }
  return status;
}

static int compare_rows(const void *left, const void *right) {
  const struct run_row *a = left, *b = right;
  if (a->key != b->key) return a->key < b->key ? -1 : 1;
  return (a->row > b->row) - (a->row < b->row);
}

/* Traces come by start, so rows are nearly sorted: insertion, unless that turns out to be slow. */
static void sort_rows(struct run_row *rows, uint32_t count, bool descending) {
  uint64_t budget = 16 * (uint64_t)count;

  if (descending) {
    for (uint32_t i = 0; i < count / 2; i++) {
      struct run_row swapped = rows[i];
      rows[i] = rows[count - 1 - i];
      rows[count - 1 - i] = swapped;
    }
  }
  for (uint32_t i = 1; i < count; i++) {
    struct run_row moved = rows[i];
    uint32_t at = i;
    while (at > 0 && rows[at - 1].key > moved.key) {
      rows[at] = rows[at - 1];
      at--;
    }
    rows[at] = moved;
    if (i - at > budget) {
      qsort(rows, count, sizeof *rows, compare_rows);
      return;
    }
    budget -= i - at;
  }
}

static enum tk_status select_rows(struct spans_cursor *cursor, const struct item *item,
                                  struct run *run, struct tk_error *error) {
  uint32_t row = item->begin, count = 0;
  uint32_t *rows = cursor->batch;
  const int64_t *starts;
  enum tk_status status = TK_OK;

  while (row < item->end && status == TK_OK) {
    status = tk_spans_cursor_batch(item->opened, &row, item->end, rows, &count, error);
    if (status != TK_OK || count == 0) continue;
    status = tk_reader_starts(item->opened->segment->reader, item->opened->segment->segment,
                              tk_segment_granule_of_row(item->opened->segment->segment, rows[0]),
                              &starts, error);
    for (uint32_t i = 0; i < count && status == TK_OK; i++) {
      run->rows[run->count++] =
          (struct run_row){key_of(&cursor->plan, (uint64_t)starts[rows[i]]), rows[i]};
    }
  }
  return status;
}

static enum tk_status split_granule(struct spans_cursor *cursor, const struct item *item,
                                    struct tk_error *error) {
  uint32_t room = item->end - item->begin;
  struct run *run = sqlite3_malloc64(sizeof *run + (uint64_t)room * sizeof run->rows[0]);

  if (!run) {
    item->opened->pins--;
    return tk_nomem(error);
  }
  *run = (struct run){.opened = item->opened};
  enum tk_status status = select_rows(cursor, item, run, error);
  if (status == TK_OK && run->count > 0) {
    sort_rows(run->rows, run->count, cursor->plan.descending);
    struct item sorted = {.kind = ITEM_RUN, .key = run->rows[0].key, .run = run};
    status = push(cursor->start_order, sorted, error);
    if (status == TK_OK) return TK_OK; /* the pin is the run's now */
  }
  item->opened->pins--;
  sqlite3_free(run);
  return status;
}

/* Takes apart what is on top until it is a run, and positions the cursor on its row. */
static enum tk_status settle(struct spans_cursor *cursor, struct tk_error *error) {
  struct spans_start_order *order = cursor->start_order;
  enum tk_status status = TK_OK;

  while (status == TK_OK && order->count > 0 && order->heap[0].kind != ITEM_RUN) {
    struct item item = order->heap[0];
    pop(order);
    status = item.kind == ITEM_JOB ? split_job(cursor, &item, error)
                                   : split_granule(cursor, &item, error);
  }
  cursor->current = NULL;
  if (status != TK_OK || order->count == 0) return status;
  struct run *run = order->heap[0].run;
  cursor->current = run->opened;
  cursor->row = run->rows[run->at].row;
  return TK_OK;
}

/* ---- the order ---- */

enum tk_status tk_spans_start_order_begin(struct spans_cursor *cursor, struct tk_error *error) {
  const struct spans_table *table = (const struct spans_table *)cursor->base.pVtab;
  struct spans_start_order *order = sqlite3_malloc64(sizeof *order);
  enum tk_status status = TK_OK;

  if (!order) return tk_nomem(error);
  *order = (struct spans_start_order){0};
  cursor->start_order = order;
  for (uint32_t i = 0; i < cursor->job_count && status == TK_OK; i++) {
    const struct tk_segment_summary *summary =
        &table->reader->segments[cursor->jobs[i].segment_index];
    struct item item = {
        .kind = ITEM_JOB,
        .job = i,
        .key = key_of_limits(&cursor->plan, summary->start_min, summary->start_max)};
    status = push(order, item, error);
  }
  return status == TK_OK ? settle(cursor, error) : status;
}

enum tk_status tk_spans_start_order_next(struct spans_cursor *cursor, struct tk_error *error) {
  struct spans_start_order *order = cursor->start_order;
  struct run *run = order->heap[0].run;

  if (++run->at < run->count) {
    order->heap[0].key = run->rows[run->at].key;
    sift_down(order, 0);
  } else {
    pop(order);
    run->opened->pins--;
    sqlite3_free(run);
  }
  return settle(cursor, error);
}

void tk_spans_start_order_end(struct spans_cursor *cursor) {
  struct spans_start_order *order = cursor->start_order;

  if (!order) return;
  for (uint32_t i = 0; i < order->count; i++) {
    struct item *item = &order->heap[i];
    if (item->kind == ITEM_GRANULE) item->opened->pins--;
    if (item->kind == ITEM_RUN) {
      item->run->opened->pins--;
      sqlite3_free(item->run);
    }
  }
  sqlite3_free(order->heap);
  sqlite3_free(order);
  cursor->start_order = NULL;
}
