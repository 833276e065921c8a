/* The cursor of `spans`, shared by the files that make its orders of rows. */
#ifndef TK_SQLEXT_SPANS_CURSOR_H
#define TK_SQLEXT_SPANS_CURSOR_H

#include "sqlext/spans/spans_ahead.h"
#include "sqlext/spans/spans_filter.h"
#include "sqlext/spans/spans_plan.h"
#include "sqlext/spans/spans_table.h"
#include "sqlext/spans/spans_values.h"
#include "store/sqlite_api.h"

/** A segment the cursor has open. */
struct spans_opened {
  int64_t id;
  struct spans_segment *segment;
  struct spans_tests tests;
  uint64_t tests_of; /* number of the xFilter whose constraints `tests` are */
  bool possible;
  uint32_t pins; /* runs and groups that need it; 0: may be closed */
  uint64_t last_use;
};

struct spans_start_order; /* spans_order.c */
struct spans_trace_order; /* spans_trace_order.c */
struct spans_groups;      /* spans_group.c */

struct spans_cursor {
  sqlite3_vtab_cursor base;
  struct spans_plan plan;
  const char *plan_text; /* what `plan` was read from: SQLite gives the same pointer again */
  struct spans_filter filter;
  bool is_fresh; /* the reader was refreshed for this statement */
  uint64_t filter_number;

  struct spans_opened **opened;
  uint32_t opened_count, opened_capacity;
  uint64_t clock;

  struct spans_range *jobs; /* what to look through, in stored order */
  uint32_t job_count, next_job;
  struct tk_arena job_arena;

  struct spans_opened *current; /* NULL: at the end */
  uint32_t row;

  uint32_t batch[SPANS_BATCH_ROWS]; /* ORDER_STORED: rows of `current` */
  uint32_t batch_count, batch_at, next_row, job_end;
  struct spans_start_order *start_order;
  struct spans_trace_order *trace_order;
  struct spans_groups *groups;
  struct spans_ahead ahead;

  struct spans_scratch scratch;
};

enum tk_status tk_spans_cursor_filter(struct spans_cursor *cursor, const char *plan_text,
                                      sqlite3_value **values, struct tk_error *error);
enum tk_status tk_spans_cursor_next(struct spans_cursor *cursor, struct tk_error *error);
void tk_spans_cursor_reset(struct spans_cursor *cursor);

/** The first half of tk_spans_cursor_filter, for those that go through `jobs` themselves: takes
 * plan and values, lists jobs. */
enum tk_status tk_spans_cursor_start(struct spans_cursor *cursor, const char *plan_text,
                                     sqlite3_value **values, struct tk_error *error);

/** Value of the current row. */
enum tk_status tk_spans_cursor_value(struct spans_cursor *cursor, uint32_t column,
                                     struct tk_sql_value *value, struct tk_error *error);

/** Opens (or finds) the segment of a job with the tests of this xFilter; see `possible`. */
enum tk_status tk_spans_cursor_open(struct spans_cursor *cursor, const struct spans_range *job,
                                    struct spans_opened **opened_out, struct tk_error *error);

/** Matching rows from *row on, at most up to `end`: one batch, which may be empty; moves *row. */
enum tk_status tk_spans_cursor_batch(struct spans_opened *opened, uint32_t *row, uint32_t end,
                                     uint32_t *rows, uint32_t *count_out, struct tk_error *error);

/* The orders: begin positions on the first row, next moves on; at the end `current` is NULL. */
enum tk_status tk_spans_start_order_begin(struct spans_cursor *cursor, struct tk_error *error);
enum tk_status tk_spans_start_order_next(struct spans_cursor *cursor, struct tk_error *error);
void tk_spans_start_order_end(struct spans_cursor *cursor);
enum tk_status tk_spans_trace_order_begin(struct spans_cursor *cursor, struct tk_error *error);
enum tk_status tk_spans_trace_order_next(struct spans_cursor *cursor, struct tk_error *error);
void tk_spans_trace_order_end(struct spans_cursor *cursor);
enum tk_status tk_spans_groups_begin(struct spans_cursor *cursor, struct tk_error *error);
void tk_spans_groups_next(struct spans_cursor *cursor);
/** From the current row on, all rows of the groups rather than one of each. */
enum tk_status tk_spans_groups_keep_all(struct spans_cursor *cursor, struct tk_error *error);
/** The current row's value of a grouped column; NULL: not grouped, or not the same for all rows. */
const struct tk_sql_value *tk_spans_groups_value(const struct spans_cursor *cursor,
                                                 uint32_t column);
/** Integers are being read at the current row: has that of a row that comes soon fetched from
 * memory, where rows of a group are far from each other. */
void tk_spans_groups_fetch(const struct spans_cursor *cursor, struct tk_ints ints);
void tk_spans_groups_end(struct spans_cursor *cursor);

#endif
