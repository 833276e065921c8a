/* The rows that rules about spans look at, and what is known of their segment. */
#ifndef TK_SQLEXT_QUALITY_SPAN_ROWS_H
#define TK_SQLEXT_QUALITY_SPAN_ROWS_H

#include "sqlext/quality/quality.h"

enum { HTTP_STATUS_COUNT = 4, RENAMED_COUNT = 17 };

/** The same attribute by its new and by its old name, where the values did not change. */
struct renamed_attribute {
  const char *name, *old_name;
};
extern const struct renamed_attribute tk_renamed_attributes[RENAMED_COUNT];

/** The columns that may have an HTTP status, in the order in which they are asked. */
struct http_status_column {
  const char *key;
  enum tk_value_type type;
};
extern const struct http_status_column tk_http_status_columns[HTTP_STATUS_COUNT];

/** Whether a column has values that are too long. */
enum long_state { LONG_UNKNOWN, NO_LONG, SOME_LONG };

struct quality_lookup {
  uint32_t segment_index;
  uint32_t http[HTTP_STATUS_COUNT]; /**< columns, or TK_NO_COLUMN */
  struct {
    uint32_t pair, column, old_column;
  } pairs[4 * RENAMED_COUNT];
  uint32_t pair_count;
  uint8_t *long_states, *used; /**< by column */
  uint32_t long_capacity, used_capacity;
  uint32_t *used_list;
  uint32_t used_list_capacity;
  struct tk_arena arena;
};

/** Rows [begin, end) of a granule, and columns of them. */
struct span_rows {
  struct quality *quality;
  const struct tk_segment *segment;
  uint32_t segment_index, granule, begin, end;
  const uint32_t *traces;
  struct tk_ints resources, durations, kinds, statuses;
  const int64_t *starts;
};

/** Makes rows->quality->lookup that of the segment. */
enum tk_status tk_span_rows_look_up(struct span_rows *rows, struct tk_error *error);

/** Adds a finding about the span at `row`; false if it is not wanted. */
bool tk_span_rows_report(const struct span_rows *rows, enum quality_rule rule, uint32_t row);

/** The items of a scope that the rows have: [*begin, *end), none if they are equal. *first_out is
 * as tk_reader_first_items gives it; NULL: the items are the rows. */
enum tk_status tk_span_rows_items(const struct span_rows *rows, enum tk_attribute_scope scope,
                                  const uint32_t **first_out, uint32_t *begin, uint32_t *end,
                                  struct tk_error *error);

/** The row of an item, given that of an earlier one. */
static inline uint32_t span_row_of_item(const uint32_t *first, uint32_t item, uint32_t row) {
  if (!first) return item;
  while (first[row + 1] <= item) row++;
  return row;
}

/** A column over all events or links as integers; zeroed where it is not stored. */
enum tk_status tk_span_rows_item_ints(const struct span_rows *rows, enum tk_column_number number,
                                      uint32_t begin, uint32_t end, struct tk_ints *values_out,
                                      struct tk_error *error);

/* attribute_rules.c */
enum tk_status tk_check_attributes(const struct span_rows *rows, struct tk_error *error);
enum tk_status tk_check_attribute_counts(const struct span_rows *rows, struct tk_error *error);
enum tk_status tk_check_old_names(const struct span_rows *rows, struct tk_error *error);

#endif
