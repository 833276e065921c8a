/* Going through the decisions of a store, trace by trace, over all segments that hold parts of one.
 */
#ifndef TK_SQLEXT_SAMPLING_DECISION_TRACES_H
#define TK_SQLEXT_SAMPLING_DECISION_TRACES_H

#include "sqlext/sampling/decision_rows.h"
#include "sqlext/tables/split_traces.h"
#include "sqlext/tables/table_support.h"

/** The spans of the current trace in one segment. */
struct tk_decision_part {
  const struct tk_segment *segment; /**< held by the walk */
  struct tk_decision_rows *rows;
  uint32_t segment_index, trace_index;
  uint32_t first_row, end_row;
};

/** Where decision i of the list was recorded. */
struct tk_decision_place {
  uint32_t part, row; /**< row of the part's segment */
  uint32_t number;    /**< among those of its source on that row */
};

struct tk_decision_walk {
  struct tk_reader *reader;
  uint32_t sources;
  struct tk_segment_list segments;
  struct tk_segment_summary *summaries;
  struct tk_split_traces split;
  struct tk_decision_rows **opened; /**< by segment index; NULL: not open */
  uint8_t (*ids)[16];               /**< by_id: ascending, distinct; owned by the walk */
  uint32_t id_count, id_index;
  bool by_id;
  uint32_t segment_index, trace_index;
  /** Asked for every segment that holds no parts of split traces; NULL: all of them. */
  bool (*accept)(const void *context, struct tk_reader *reader, const struct tk_segment *segment);
  const void *accept_context;

  struct tk_decision_part *parts; /**< of the current trace, ascending segments */
  uint32_t part_count, part_capacity;
  struct tk_arena arena; /**< texts of the current trace */
  struct tk_decision_list list;
  struct tk_decision_place *places;
  uint32_t place_capacity;
};

/** `ids` (owned by the walk from then on, whatever this returns) with by_id; else all traces. The
 * reader is up to date. To be reset, whatever this returns. */
enum tk_status tk_decision_walk_begin(struct tk_decision_walk *walk, struct tk_reader *reader,
                                      uint32_t sources, bool by_id, uint8_t (*ids)[16],
                                      uint32_t id_count, struct tk_error *error);
/** The next trace that has decisions: walk->list, places and parts; *found_out is false at the end.
 * A trace-wide fact that several spans say in the same words is listed once, where it is first. */
enum tk_status tk_decision_walk_next(struct tk_decision_walk *walk, bool *found_out,
                                     struct tk_error *error);
void tk_decision_walk_reset(struct tk_decision_walk *walk);

#endif
