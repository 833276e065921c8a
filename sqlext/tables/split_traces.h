/* Traces whose spans are in several segments: which, and where their parts are. */
#ifndef TK_SQLEXT_SPLIT_TRACES_H
#define TK_SQLEXT_SPLIT_TRACES_H

#include <stdint.h>

#include "store/segment/segment.h"

struct tk_split_part {
  uint32_t split;         /**< number of the split trace */
  uint32_t segment_index; /**< into tk_reader.segments */
  uint32_t trace_index;   /**< in that segment */
};

struct tk_split_traces {
  struct tk_split_part *by_segment; /**< ascending segment_index, trace_index */
  struct tk_split_part *by_trace;   /**< ascending split, segment_index */
  uint32_t part_count;
  uint32_t *first_part; /**< of each split trace in by_trace; count + 1 entries */
  uint32_t count;
};

#define TK_NOT_SPLIT UINT32_MAX

/** As of the reader's last refresh. On failure *split is zeroed. */
enum tk_status tk_split_traces_load(struct tk_split_traces *split, struct tk_reader *reader,
                                    struct tk_error *error);
void tk_split_traces_reset(struct tk_split_traces *split);

/** Number of the split trace that trace `trace_index` of segment `segment_index` is a part of, or
 * TK_NOT_SPLIT. */
uint32_t tk_split_traces_find(const struct tk_split_traces *split, uint32_t segment_index,
                              uint32_t trace_index);

#endif
