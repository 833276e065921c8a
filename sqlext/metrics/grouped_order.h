/* The order in which a table of grouped spans shows its rows. */
#ifndef TK_SQLEXT_GROUPED_ORDER_H
#define TK_SQLEXT_GROUPED_ORDER_H

#include "sqlext/spans/spans_numbers.h"

struct grouped_order_term {
  uint32_t level; /* of numbers->columns */
  bool descending;
};

/** Sorts rows by what their groups have in the columns that are numbered: order_out[i] is the row
 * to show as number i; sqlite3_free it. Rows that are equal in all terms stay as they were.
 * `group_of_row` is as in struct grouped_kind. */
enum tk_status tk_grouped_order_sort(const struct spans_numbers *numbers,
                                     const struct grouped_order_term *terms, uint32_t term_count,
                                     uint32_t (*group_of_row)(const void *state, uint64_t row),
                                     const void *state, uint64_t row_count, uint64_t **order_out,
                                     struct tk_error *error);

#endif
