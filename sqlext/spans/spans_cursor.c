/* SPDX-License-Identifier: MIT
 * The cursor of `spans`: which segments to look through, and rows in the order they are stored.
 *
 * A cursor lives as long as a statement runs, but may be filtered again and again (correlated
 * subqueries, joins): the plan is read once, and the segments used last stay open with what was
 * decoded in them. */
#include "sqlext/spans/spans_cursor.h"

#include <string.h>

#include "sqlext/vtab_support.h"

/* Segments that stay open without being needed, so that repeated lookups find them open. */
#define OPENED_KEPT 8

/* ---- open segments ---- */

static void free_opened(struct spans_opened *opened) {
  tk_spans_tests_reset(&opened->tests);
  tk_spans_segment_free(opened->segment);
  sqlite3_free(opened);
}

static void close_oldest(struct spans_cursor *cursor) {
  uint32_t oldest = UINT32_MAX, unpinned = 0;

  for (uint32_t i = 0; i < cursor->opened_count; i++) {
    if (cursor->opened[i]->pins > 0 || cursor->opened[i] == cursor->current) continue;
    unpinned++;
    if (oldest == UINT32_MAX || cursor->opened[i]->last_use < cursor->opened[oldest]->last_use) {
      oldest = i;
    }
  }
  if (unpinned < OPENED_KEPT) return;
  free_opened(cursor->opened[oldest]);
  cursor->opened[oldest] = cursor->opened[--cursor->opened_count];
}

static bool find_segment(const struct tk_reader *reader, const struct spans_range *job,
                         uint32_t *index) {
  *index = job->segment_index;
  if (*index < reader->segment_count && reader->segments[*index].id == job->segment_id) return true;
  for (*index = 0; *index < reader->segment_count; ++*index) {
    if (reader->segments[*index].id == job->segment_id) return true;
  }
  return false;
}

static enum tk_status add_opened(struct spans_cursor *cursor, const struct spans_range *job,
                                 struct spans_opened **opened_out, struct tk_error *error) {
  struct spans_table *table = (struct spans_table *)cursor->base.pVtab;
  uint32_t index;

  close_oldest(cursor);
  if (cursor->opened_count == cursor->opened_capacity) {
    uint32_t grown = cursor->opened_capacity ? 2 * cursor->opened_capacity : 2 * OPENED_KEPT;
    struct spans_opened **list = sqlite3_realloc64(cursor->opened, grown * sizeof *list);
    if (!list) return tk_nomem(error);
    cursor->opened = list;
    cursor->opened_capacity = grown;
  }
  if (!find_segment(table->reader, job, &index)) {
    return tk_fail(error, TK_INVALID,
                   "segment %lld was removed by this connection while a query was reading it",
                   (long long)job->segment_id);
  }
  struct spans_opened *opened = sqlite3_malloc64(sizeof *opened);
  if (!opened) return tk_nomem(error);
  memset(opened, 0, sizeof *opened);
  opened->id = job->segment_id;
  enum tk_status status =
      tk_spans_segment_open(table->reader, &table->columns, index, &opened->segment, error);
  if (status != TK_OK) {
    sqlite3_free(opened);
    return status;
  }
  cursor->opened[cursor->opened_count++] = opened;
  *opened_out = opened;
  return TK_OK;
}

enum tk_status tk_spans_cursor_open(struct spans_cursor *cursor, const struct spans_range *job,
                                    struct spans_opened **opened_out, struct tk_error *error) {
  struct spans_opened *opened = NULL;
  enum tk_status status = TK_OK;

  for (uint32_t i = cursor->opened_count; i-- > 0 && !opened;) {
    if (cursor->opened[i]->id == job->segment_id) opened = cursor->opened[i];
  }
  if (!opened && (status = add_opened(cursor, job, &opened, error)) != TK_OK) return status;
  opened->last_use = ++cursor->clock;
  if (opened->tests_of != cursor->filter_number) {
    status = tk_spans_tests_init(&opened->tests, &cursor->filter, opened->segment,
                                 &opened->possible, error);
    opened->segment->whole = false;
    if (status == TK_OK) opened->tests_of = cursor->filter_number;
  }
  *opened_out = opened;
  return status;
}

/* ---- rows as they are stored ---- */

enum tk_status tk_spans_cursor_batch(struct spans_opened *opened, uint32_t *row, uint32_t end,
                                     uint32_t *rows, uint32_t *count_out, struct tk_error *error) {
  const struct tk_segment *stored = opened->segment->segment;
  uint32_t granule = tk_segment_granule_of_row(stored, *row), begin = *row;

  *count_out = 0;
  if (stored->rows.ends[granule] < end) end = stored->rows.ends[granule];
  if (!tk_spans_tests_may_match(&opened->tests, granule)) {
    *row = end;
    return TK_OK;
  }
  if (end - begin > SPANS_BATCH_ROWS) end = begin + SPANS_BATCH_ROWS;
  *row = end;
  return tk_spans_tests_select(&opened->tests, begin, end, rows, count_out, error);
}

static enum tk_status next_job(struct spans_cursor *cursor, struct tk_error *error) {
  const struct spans_range *job = &cursor->jobs[cursor->next_job];
  struct spans_opened *opened;
  tk_spans_ahead_run(cursor, cursor->next_job, cursor->current);
  enum tk_status status = tk_spans_cursor_open(cursor, job, &opened, error);

  cursor->next_job++;
  cursor->next_row = cursor->job_end = 0;
  if (status != TK_OK || !opened->possible) return status;
  tk_spans_ahead_await(&cursor->ahead, opened);
  uint32_t rows = opened->segment->segment->summary.span_count;
  cursor->current = opened;
  cursor->next_row = job->first;
  cursor->job_end = job->count < rows - job->first ? job->first + job->count : rows;
  return TK_OK;
}

static enum tk_status next_stored(struct spans_cursor *cursor, struct tk_error *error) {
  enum tk_status status = TK_OK;

  if (++cursor->batch_at < cursor->batch_count) {
    cursor->row = cursor->batch[cursor->batch_at];
    return TK_OK;
  }
  cursor->batch_at = cursor->batch_count = 0;
  while (status == TK_OK && cursor->batch_count == 0) {
    if (cursor->next_row < cursor->job_end) {
      status = tk_spans_cursor_batch(cursor->current, &cursor->next_row, cursor->job_end,
                                     cursor->batch, &cursor->batch_count, error);
    } else if (cursor->next_job < cursor->job_count) {
      status = next_job(cursor, error);
    } else {
      cursor->current = NULL;
      tk_spans_ahead_end(&cursor->ahead);
      return TK_OK;
    }
  }
  cursor->row = cursor->batch[0];
  return status;
}

/* ---- a statement ---- */

/* All segments whose summary allows a match, or the ranges that the constraints name. */
static enum tk_status list_jobs(struct spans_cursor *cursor, struct tk_error *error) {
  struct spans_table *table = (struct spans_table *)cursor->base.pVtab;
  const struct tk_reader *reader = table->reader;

  tk_arena_reset(&cursor->job_arena);
  cursor->jobs = cursor->filter.ranges;
  cursor->job_count = cursor->filter.range_count;
  cursor->next_job = 0;
  if (cursor->filter.impossible) cursor->job_count = 0;
  if (cursor->filter.impossible || cursor->filter.has_ranges) return TK_OK;
  cursor->jobs = tk_arena_alloc(&cursor->job_arena, reader->segment_count * sizeof *cursor->jobs);
  if (!cursor->jobs) return tk_nomem(error);
  for (uint32_t i = 0; i < reader->segment_count; i++) {
    const struct tk_segment_summary *summary = &reader->segments[i];
    if (!tk_spans_filter_may_match(&cursor->filter, &table->columns, summary)) continue;
    cursor->jobs[cursor->job_count++] =
        (struct spans_range){.segment_id = summary->id, .segment_index = i, .count = UINT32_MAX};
  }
  return TK_OK;
}

enum tk_status tk_spans_cursor_start(struct spans_cursor *cursor, const char *plan_text,
                                     sqlite3_value **values, struct tk_error *error) {
  struct spans_table *table = (struct spans_table *)cursor->base.pVtab;
  enum tk_status status;

  tk_spans_ahead_end(&cursor->ahead);
  if (!cursor->is_fresh) {
    if ((status = tk_reader_refresh(table->reader, error)) != TK_OK) return status;
    cursor->is_fresh = true;
  }
  if (cursor->plan_text != plan_text) {
    if (!tk_spans_plan_parse(plan_text, table->columns.count, &cursor->plan)) {
      return tk_fail(error, TK_INVALID, "spans: a plan that was not made here");
    }
    cursor->plan_text = plan_text;
  }
  tk_spans_filter_reset(&cursor->filter);
  cursor->filter_number++;
  status = tk_spans_filter_init(&cursor->filter, &cursor->plan, &table->columns, table->reader,
                                values, error);
  return status == TK_OK ? list_jobs(cursor, error) : status;
}

enum tk_status tk_spans_cursor_filter(struct spans_cursor *cursor, const char *plan_text,
                                      sqlite3_value **values, struct tk_error *error) {
  enum tk_status status;

  tk_spans_start_order_end(cursor);
  tk_spans_trace_order_end(cursor);
  tk_spans_groups_end(cursor);
  cursor->current = NULL;
  cursor->batch_count = cursor->batch_at = cursor->next_row = cursor->job_end = 0;
  if ((status = tk_spans_cursor_start(cursor, plan_text, values, error)) != TK_OK) return status;
  switch (cursor->plan.order) {
    case ORDER_START:
      return tk_spans_start_order_begin(cursor, error);
    case ORDER_TRACES:
      return tk_spans_trace_order_begin(cursor, error);
    case ORDER_GROUPED:
      return tk_spans_groups_begin(cursor, error);
    case ORDER_STORED:
    default:
      return next_stored(cursor, error);
  }
}

enum tk_status tk_spans_cursor_next(struct spans_cursor *cursor, struct tk_error *error) {
  switch (cursor->plan.order) {
    case ORDER_START:
      return tk_spans_start_order_next(cursor, error);
    case ORDER_TRACES:
      return tk_spans_trace_order_next(cursor, error);
    case ORDER_GROUPED:
      tk_spans_groups_next(cursor);
      return TK_OK;
    case ORDER_STORED:
    default:
      return next_stored(cursor, error);
  }
}

void tk_spans_cursor_reset(struct spans_cursor *cursor) {
  tk_spans_ahead_end(&cursor->ahead);
  tk_spans_start_order_end(cursor);
  tk_spans_trace_order_end(cursor);
  tk_spans_groups_end(cursor);
  for (uint32_t i = 0; i < cursor->opened_count; i++) free_opened(cursor->opened[i]);
  sqlite3_free(cursor->opened);
  tk_spans_filter_reset(&cursor->filter);
  tk_arena_reset(&cursor->job_arena);
  tk_spans_scratch_reset(&cursor->scratch);
}

enum tk_status tk_spans_cursor_value(struct spans_cursor *cursor, uint32_t column,
                                     struct tk_sql_value *value, struct tk_error *error) {
  struct spans_segment *segment = cursor->current->segment;
  struct spans_binding *binding = segment->bindings[column];
  enum tk_status status;

  if (cursor->groups) {
    const struct tk_sql_value *grouped = tk_spans_groups_value(cursor, column);
    if (grouped) {
      *value = *grouped;
      return TK_OK;
    }
  }
  if (!binding && (status = tk_spans_bind(segment, column, &binding, error)) != TK_OK) {
    return status;
  }
  if (cursor->row < binding->ready_begin || cursor->row >= binding->ready_end) {
    status = tk_spans_prepare(segment, binding, cursor->row, error);
    if (status != TK_OK) return status;
  }
  if (cursor->groups && binding->data && binding->data->kind == TK_COLUMN_INT) {
    tk_spans_groups_fetch(cursor, binding->data->ints);
  }
  return tk_spans_value(segment, binding, cursor->row, &cursor->scratch, value, error);
}
