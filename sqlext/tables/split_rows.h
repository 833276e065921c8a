/* Rows of traces that lie in several segments, collected segment by segment and then put together
 * to whole trees. See split_traces.h for which traces those are. */
#ifndef TK_SQLEXT_SPLIT_ROWS_H
#define TK_SQLEXT_SPLIT_ROWS_H

#include "store/segment/segment.h"

struct tk_split_row {
  uint32_t split;   /**< number of the trace in tk_split_traces */
  uint32_t payload; /**< the caller's */
  uint8_t span_id[8], parent_span_id[8];
  bool has_parent; /**< a parent id, whether or not that span is stored */
  int32_t kind;
  uint64_t start, end;
};

/** Zero-initialise. */
struct tk_split_rows {
  struct tk_split_row *items;
  uint32_t count, capacity;
};

void tk_split_rows_reset(struct tk_split_rows *rows);

/** Adds rows [begin, end) of a segment, a part of trace `split`. Their payloads count up from
 * `payload`. */
enum tk_status tk_split_rows_add(struct tk_split_rows *rows, struct tk_reader *reader,
                                 const struct tk_segment *segment, uint32_t split, uint32_t begin,
                                 uint32_t end, uint32_t payload, struct tk_error *error);

/** A whole trace in tree order: parents before their children. */
struct tk_whole_trace {
  const struct tk_split_row *const *rows;
  const uint32_t *parents; /**< index into rows, or UINT32_MAX */
  uint32_t count;
};

/** Calls `take` for each trace, in the order of their numbers; stops at the first failure. */
enum tk_status tk_split_rows_each(struct tk_split_rows *rows,
                                  enum tk_status (*take)(void *context,
                                                         const struct tk_whole_trace *trace,
                                                         struct tk_error *error),
                                  void *context, struct tk_error *error);

#endif
