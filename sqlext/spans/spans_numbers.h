/* Numbers for what rows of `spans` have in common: each value of a column gets a number, each
 * combination of values of several columns is a group. Grouped scans, span_metrics and
 * latency_histogram stand on it. */
#ifndef TK_SQLEXT_SPANS_NUMBERS_H
#define TK_SQLEXT_SPANS_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "sqlext/spans/spans_filter.h"
#include "sqlext/spans/spans_values.h"

#define SPANS_NUMBERED_MAX 16

/* Open addressing; slots hold an index + 1. */
struct spans_index {
  uint32_t *slots;
  uint32_t mask; /* slot count - 1; 0: no slots */
};

/* The distinct values of a column, in the order they first came. */
struct spans_numbered {
  uint32_t column;
  int64_t bucket_size; /* > 0: not a column, but start_ns rounded down to a multiple of this */
  struct tk_sql_value *values;
  uint64_t *hashes;
  uint32_t count, capacity;
  struct spans_index table;
  int64_t last_int; /* most integers repeat */
  uint32_t last_int_number;
  uint64_t bucket_begin; /* the bucket of the row before; last_int_number is its number */
  /* Numbers of the codes of the segment being read. */
  uint32_t *by_code;
  uint32_t by_code_count;
};

/* Groups of columns 0..i, as pairs of a group of the level before and a value of this one. */
struct spans_level {
  uint64_t *pairs; /* group of columns 0..i-1 << 32 | number of the value of column i */
  uint32_t count, capacity;
  uint32_t *direct; /* group by (group before, number) while that is a small table */
  uint32_t direct_rows, direct_shift;
  struct spans_index table; /* else */
};

struct spans_numbers {
  struct tk_arena arena; /* texts */
  struct spans_numbered columns[SPANS_NUMBERED_MAX];
  struct spans_level levels[SPANS_NUMBERED_MAX]; /* of level 0 only `count` is used */
  uint32_t column_count;
};

/** Adds a column (or a bucket of start_ns: `bucket_size` > 0). Zero-initialise `numbers`. */
void tk_spans_numbers_add(struct spans_numbers *numbers, uint32_t column, int64_t bucket_size);
void tk_spans_numbers_reset(struct spans_numbers *numbers);

/** The rows that follow are of another segment. */
void tk_spans_numbers_enter_segment(struct spans_numbers *numbers);

/** groups[i]: the group of rows[i]; rows of one granule, at most SPANS_BATCH_ROWS. Without columns
 * all rows are group 0. */
enum tk_status tk_spans_numbers_batch(struct spans_numbers *numbers, struct spans_segment *segment,
                                      const uint32_t *rows, uint32_t count,
                                      struct spans_scratch *scratch, uint32_t *groups,
                                      struct tk_error *error);

/** How many groups there are so far; 0 without columns. */
uint32_t tk_spans_numbers_count(const struct spans_numbers *numbers);

/** numbers_out[i]: of the value that column i has in `group`, into columns[i].values. */
void tk_spans_numbers_of_group(const struct spans_numbers *numbers, uint32_t group,
                               uint32_t *numbers_out);

#endif
