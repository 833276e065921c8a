/* SPDX-License-Identifier: MIT
 * Rows of `spans` in order of trace_id: GROUP BY trace_id and its kin.
 *
 * A trace is a run of rows in each segment that holds a part of it, so it is runs that are sorted,
 * not rows; what a run holds is looked at when the cursor comes to it. The order is that of the
 * ids as text in lower case (COLLATE NOCASE), which for ids that are bytes is the order of bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "sqlext/spans/spans_cursor.h"
#include "sqlext/vtab_support.h"

/* A trace in a segment. */
struct trace_run {
  uint8_t id[16];
  const char *text; /* NULL: the id is the bytes; else NUL-terminated, in lower case */
  uint32_t opened, first, count;
};

struct spans_trace_order {
  struct tk_arena arena; /* texts */
  struct spans_opened **opened;
  uint32_t opened_count;
  struct trace_run *runs;
  uint32_t count, capacity;
  uint32_t at; /* the run the cursor is in */
};

static int compare_ids(const struct trace_run *a, const struct trace_run *b) {
  char text_a[33], text_b[33];

  if (!a->text && !b->text) return memcmp(a->id, b->id, sizeof a->id);
  tk_hex_text(a->id, sizeof a->id, text_a);
  tk_hex_text(b->id, sizeof b->id, text_b);
  text_a[32] = text_b[32] = 0;
  return strcmp(a->text ? a->text : text_a, b->text ? b->text : text_b);
}

static int compare_runs(const void *left, const void *right, void *context) {
  const struct trace_run *a = left, *b = right;
  const bool *descending = context;
  int order = compare_ids(a, b);
  if (order != 0) return *descending ? -order : order;
  if (a->opened != b->opened) return a->opened < b->opened ? -1 : 1;
  return (a->first > b->first) - (a->first < b->first);
}

/* ---- collecting ---- */

static enum tk_status keep_text(struct spans_trace_order *order, struct tk_text text,
                                struct trace_run *run, struct tk_error *error) {
  char *copy = tk_arena_alloc_bytes(&order->arena, (size_t)text.size + 1);
  if (!copy) return tk_nomem(error);
  for (uint32_t i = 0; i < text.size; i++) {
    char c = text.data[i];
    copy[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  copy[text.size] = 0;
  run->text = copy;
  return TK_OK;
}

/* Gives the runs of a segment, which begin at `base`, the texts their traces have. */
static enum tk_status add_texts(struct spans_trace_order *order, struct spans_segment *segment,
                                uint32_t base, uint32_t first_trace, uint32_t end_trace,
                                struct tk_error *error) {
  const struct tk_segment *stored = segment->segment;
  uint32_t rows_index = stored->fixed[TK_COL_TRACE_TEXT_ROW];
  const struct tk_column *traces, *texts;
  enum tk_status status;

  if (rows_index == TK_NO_COLUMN) return TK_OK;
  uint32_t count = stored->columns[rows_index].value_count;
  status = tk_reader_values(segment->reader, stored, rows_index, 0, count, &traces, error);
  if (status != TK_OK) return status;
  status = tk_reader_values(segment->reader, stored, stored->fixed[TK_COL_TRACE_TEXT], 0, count,
                            &texts, error);
  for (uint32_t i = 0; i < count && status == TK_OK; i++) {
    const int64_t trace = tk_ints_at(traces->ints, i);
    if (trace < first_trace || trace >= end_trace) continue;
    struct trace_run *run = &order->runs[base + ((uint32_t)trace - first_trace)];
    status = keep_text(order, tk_column_text(texts, i), run, error);
  }
  return status;
}

static enum tk_status reserve_runs(struct spans_trace_order *order, uint32_t more,
                                   struct tk_error *error) {
  uint64_t grown = order->capacity ? order->capacity : 1024;
  if (order->count + more <= order->capacity) return TK_OK;
  while (grown < (uint64_t)order->count + more) grown *= 2;
  struct trace_run *runs = sqlite3_realloc64(order->runs, grown * sizeof *runs);
  if (!runs) return tk_nomem(error);
  order->runs = runs;
  order->capacity = (uint32_t)grown;
  return TK_OK;
}

/* Index of the trace that holds `row`. */
static uint32_t trace_of_row(const uint32_t *trace_rows, uint32_t trace_count, uint32_t row) {
  uint32_t low = 0, high = trace_count;
  while (high - low > 1) {
    uint32_t middle = low + (high - low) / 2;
    if (trace_rows[middle] <= row) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

static enum tk_status add_runs(struct spans_trace_order *order, struct spans_segment *segment,
                               uint32_t opened_index, uint32_t begin, uint32_t end,
                               struct tk_error *error) {
  const struct tk_segment *stored = segment->segment;
  uint32_t trace_count = stored->summary.trace_count, base = order->count;
  const uint32_t *trace_rows;
  const struct tk_column *ids;
  enum tk_status status = tk_reader_trace_rows(segment->reader, stored, &trace_rows, error);

  if (status == TK_OK) {
    status = tk_reader_values(segment->reader, stored, stored->fixed[TK_COL_TRACE_ID], 0,
                              trace_count, &ids, error);
  }
  if (status == TK_OK) status = reserve_runs(order, trace_count, error);
  if (status != TK_OK || begin >= end) return status;
  uint32_t first_trace = trace_of_row(trace_rows, trace_count, begin), trace = first_trace;
  for (; trace < trace_count && trace_rows[trace] < end; trace++) {
    uint32_t from = trace_rows[trace] > begin ? trace_rows[trace] : begin;
    uint32_t to = trace_rows[trace + 1] < end ? trace_rows[trace + 1] : end;
    struct trace_run *run = &order->runs[order->count++];
    *run = (struct trace_run){.opened = opened_index, .first = from, .count = to - from};
    memcpy(run->id, ids->fixed + (size_t)trace * sizeof run->id, sizeof run->id);
  }
  return add_texts(order, segment, base, first_trace, trace, error);
}

static enum tk_status add_job(struct spans_cursor *cursor, const struct spans_range *job,
                              struct tk_error *error) {
  struct spans_trace_order *order = cursor->trace_order;
  struct spans_opened *opened;
  enum tk_status status = tk_spans_cursor_open(cursor, job, &opened, error);

  if (status != TK_OK || !opened->possible) return status;
  uint32_t rows = opened->segment->segment->summary.span_count;
  uint32_t end = job->count < rows - job->first ? job->first + job->count : rows;
  order->opened[order->opened_count++] = opened;
  opened->pins++;
  return add_runs(order, opened->segment, order->opened_count - 1, job->first, end, error);
}

/* ---- the order ---- */

/* Leaves the run for the next one; where one row of a trace is enough, for the next trace. */
static void leave_run(struct spans_cursor *cursor, bool whole_trace) {
  struct spans_trace_order *order = cursor->trace_order;
  uint32_t left = order->at++;

  while (whole_trace && order->at < order->count &&
         compare_ids(&order->runs[left], &order->runs[order->at]) == 0) {
    order->at++;
  }
  cursor->batch_at = cursor->batch_count = 0;
  if (order->at < order->count) cursor->next_row = order->runs[order->at].first;
}

/* Finds the next row from cursor->next_row of the current run on. */
static enum tk_status settle(struct spans_cursor *cursor, struct tk_error *error) {
  struct spans_trace_order *order = cursor->trace_order;
  enum tk_status status = TK_OK;

  cursor->current = NULL;
  while (order->at < order->count && status == TK_OK) {
    const struct trace_run *run = &order->runs[order->at];
    struct spans_opened *opened = order->opened[run->opened];
    cursor->batch_at = cursor->batch_count = 0;
    while (status == TK_OK && cursor->batch_count == 0 &&
           cursor->next_row < run->first + run->count) {
      status = tk_spans_cursor_batch(opened, &cursor->next_row, run->first + run->count,
                                     cursor->batch, &cursor->batch_count, error);
    }
    if (status == TK_OK && cursor->batch_count > 0) {
      cursor->current = opened;
      cursor->row = cursor->batch[0];
      return TK_OK;
    }
    leave_run(cursor, false);
  }
  return status;
}

enum tk_status tk_spans_trace_order_begin(struct spans_cursor *cursor, struct tk_error *error) {
  struct spans_trace_order *order = sqlite3_malloc64(sizeof *order);
  enum tk_status status = TK_OK;

  if (!order) return tk_nomem(error);
  *order = (struct spans_trace_order){0};
  cursor->trace_order = order;
  order->opened = tk_arena_alloc(&order->arena, cursor->job_count * sizeof(struct spans_opened *));
  if (!order->opened) return tk_nomem(error);
  for (uint32_t i = 0; i < cursor->job_count && status == TK_OK; i++) {
    status = add_job(cursor, &cursor->jobs[i], error);
  }
  if (status != TK_OK || order->count == 0) return status;
  qsort_r(order->runs, order->count, sizeof *order->runs, compare_runs, &cursor->plan.descending);
  cursor->next_row = order->runs[0].first;
  return settle(cursor, error);
}

enum tk_status tk_spans_trace_order_next(struct spans_cursor *cursor, struct tk_error *error) {
  if (cursor->plan.distinct) {
    leave_run(cursor, true);
  } else if (++cursor->batch_at < cursor->batch_count) {
    cursor->row = cursor->batch[cursor->batch_at];
    return TK_OK;
  }
  return settle(cursor, error);
}

void tk_spans_trace_order_end(struct spans_cursor *cursor) {
  struct spans_trace_order *order = cursor->trace_order;

  if (!order) return;
  for (uint32_t i = 0; i < order->opened_count; i++) order->opened[i]->pins--;
  sqlite3_free(order->runs);
  tk_arena_reset(&order->arena);
  sqlite3_free(order);
  cursor->trace_order = NULL;
}
