/* Table-valued functions that filter spans, group them, and show something about each group:
 * span_metrics and latency_histogram.
 *
 * Columns: the arguments (hidden, `group_by` first), the columns of `spans`, what the function
 * computes, then the attribute columns of `spans`. A constraint on a column of `spans` chooses
 * spans before they are grouped, and is not checked again: a column that is not grouped by shows
 * the value of one span of the group if it is constrained, else NULL. */
#ifndef TK_SQLEXT_GROUPED_TABLE_H
#define TK_SQLEXT_GROUPED_TABLE_H

#include "sqlext/spans/spans_cursor.h"
#include "sqlext/spans/spans_numbers.h"

#define GROUPED_ARGUMENTS_MAX 4

struct grouped_cursor {
  struct spans_cursor scan; /* first: its base is what SQLite has */
  struct spans_numbers numbers;
  uint32_t bucket_level; /* of numbers.columns; UINT32_MAX: no bucket */
  uint32_t group_count;
  uint64_t computed_used;                  /* bits: which computed columns the statement reads */
  uint32_t sampled[SPANS_CONSTRAINTS_MAX]; /* columns constrained but not grouped by */
  uint32_t sampled_count;
  struct tk_sql_value *samples;           /* of each group, sampled_count values */
  uint32_t sample_count, sample_capacity; /* groups */
  struct tk_arena arena;                  /* of this xFilter */
  sqlite3_value *arguments[GROUPED_ARGUMENTS_MAX];
  void *state; /* of the kind */
  uint64_t row, row_count;
  uint64_t *order; /* which row is shown as number `row`; NULL: that itself */
};

/* Rows of one segment that match, and their groups. */
struct grouped_batch {
  struct spans_opened *opened;
  const uint32_t *rows, *groups;
  uint32_t count;
  int64_t durations[SPANS_BATCH_ROWS], statuses[SPANS_BATCH_ROWS]; /* if they are read */
};

struct grouped_kind {
  const char *module, *name;
  const char *arguments; /* declaration of those after group_by, ", bucket HIDDEN" */
  int argument_count;    /* group_by included */
  int bucket_argument;   /* which of them is the bucket */
  const char *computed;  /* declaration, the first is bucket_ns */
  int computed_count;
  uint64_t duration_readers, status_readers; /* bits: computed columns that need those of spans */
  size_t state_size;
  /* `state` is zeroed. Arguments that were not given are NULL. */
  enum tk_status (*begin)(struct grouped_cursor *cursor, void *state, struct tk_error *error);
  /* cursor->group_count is up to date. */
  enum tk_status (*add)(struct grouped_cursor *cursor, void *state,
                        const struct grouped_batch *batch, struct tk_error *error);
  /* Sets cursor->row_count. */
  enum tk_status (*finish)(struct grouped_cursor *cursor, void *state, struct tk_error *error);
  uint32_t (*group_of_row)(const void *state, uint64_t row);
  void (*give)(sqlite3_context *context, const struct grouped_cursor *cursor, void *state,
               uint64_t row, int computed);
  void (*end)(void *state);
};

int tk_register_grouped_table(sqlite3 *db, const struct grouped_kind *kind);

#endif
