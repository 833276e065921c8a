/* Which rows of `spans` a statement asks for: the constraints with their values, and their tests on
 * one segment. */
#ifndef TK_SQLEXT_SPANS_FILTER_H
#define TK_SQLEXT_SPANS_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "sqlext/spans/spans_plan.h"
#include "sqlext/spans/spans_values.h"

#define SPANS_BATCH_ROWS 4096

/** A constraint with its value. */
struct spans_condition {
  uint32_t column;
  struct tk_predicate predicate;
  bool is_start_range; /* started_at compared with a text: start in [low, high] instead */
  uint64_t start_low, start_high;
  uint8_t (*ids)[8]; /* span_id, parent_span_id: ascending; NULL: not a test of ids */
  uint32_t id_count;
};

/** Rows [first, first + count) of a segment. */
struct spans_range {
  int64_t segment_id;
  uint32_t segment_index; /* when the range was made */
  uint32_t first, count;
};

struct spans_filter {
  struct tk_arena arena;
  struct spans_condition conditions[SPANS_CONSTRAINTS_MAX];
  uint32_t condition_count;
  bool impossible;            /* no row can match */
  bool has_ranges;            /* rowids or trace ids say where to look; else everywhere */
  struct spans_range *ranges; /* by segment_index, then first; they do not overlap */
  uint32_t range_count;
};

/** Takes the values of a plan's constraints from xFilter's arguments. The reader was refreshed. */
enum tk_status tk_spans_filter_init(struct spans_filter *filter, const struct spans_plan *plan,
                                    const struct spans_columns *columns, struct tk_reader *reader,
                                    sqlite3_value **values, struct tk_error *error);
void tk_spans_filter_reset(struct spans_filter *filter);

/** False: the segment's summary alone says that no row matches. */
bool tk_spans_filter_may_match(const struct spans_filter *filter,
                               const struct spans_columns *columns,
                               const struct tk_segment_summary *summary);

enum spans_test_kind {
  TEST_INTS,        /* an INT column by row */
  TEST_STARTS,      /* start_ns */
  TEST_START_RANGE, /* started_at */
  TEST_DERIVED,     /* end_ns and buckets */
  TEST_ROW_CODES,   /* a TEXT column by row, once for each dictionary entry */
  TEST_INT_CODES,   /* kind, status, and what depends on resource or scope */
  TEST_PART,        /* an attribute with one type here */
  TEST_IDS,         /* span_id */
  TEST_VALUES       /* anything, value by value */
};

struct spans_test {
  const struct spans_condition *condition;
  struct spans_binding *binding;
  enum spans_test_kind kind;
  const struct spans_part *part;
  uint8_t *accepted; /* by code: 0 no, 1 yes, 2 not known yet */
  uint32_t accepted_count;
  int64_t accepted_base; /* code of accepted[0] */
};

struct spans_tests {
  struct spans_segment *segment; /* not owned */
  struct spans_test items[SPANS_CONSTRAINTS_MAX];
  uint32_t count;
  struct spans_scratch scratch;
};

/** *possible_out is false if no row of the segment can match. */
enum tk_status tk_spans_tests_init(struct spans_tests *tests, const struct spans_filter *filter,
                                   struct spans_segment *segment, bool *possible_out,
                                   struct tk_error *error);
void tk_spans_tests_reset(struct spans_tests *tests);

bool tk_spans_tests_may_match(const struct spans_tests *tests, uint32_t granule);

/** Matching rows of [begin, end), which lies in one granule and is at most SPANS_BATCH_ROWS. */
enum tk_status tk_spans_tests_select(struct spans_tests *tests, uint32_t begin, uint32_t end,
                                     uint32_t *rows, uint32_t *count_out, struct tk_error *error);

#endif
