/* The traces of a store, one after another, and what a program wants to know of each. */
#ifndef TK_SQLEXT_SAMPLING_REPLAY_WALK_H
#define TK_SQLEXT_SAMPLING_REPLAY_WALK_H

#include "sqlext/sampling/replay_rows.h"
#include "sqlext/tables/split_traces.h"
#include "sqlext/tables/table_support.h"
#include "sqlext/tables/trace_facts.h"

struct tk_replay_span_time {
  int64_t start, end;
};

/** Zero-initialise but for `reader` and `program`. */
struct tk_replay_walk {
  struct tk_reader *reader;
  struct tk_program *program;
  bool wants_bytes;
  struct tk_segment_list segments;
  struct tk_split_traces split;
  struct tk_replay_segment **opened; /**< by segment index; NULL: not open */
  const uint8_t (*ids)[16];          /**< by_id: the caller's, ascending, distinct */
  uint32_t id_count, id_index;
  bool by_id;
  uint32_t segment_index, trace_index;
  struct tk_trace_facts trace;       /**< the current one, with its parts */
  struct tk_replay_span_time *times; /**< of its spans, where their order counts */
  uint32_t time_capacity;
};

/** From the first trace; the reader is up to date. `ids`: only these, in their order. */
enum tk_status tk_replay_walk_begin(struct tk_replay_walk *walk, bool by_id,
                                    const uint8_t (*ids)[16], uint32_t id_count,
                                    struct tk_error *error);
/** Again from the first, of the same segments. */
void tk_replay_walk_rewind(struct tk_replay_walk *walk);
/** The next trace, in walk->trace; *found_out is false at the end. */
enum tk_status tk_replay_walk_next(struct tk_replay_walk *walk, bool *found_out,
                                   struct tk_error *error);
/** What the program wants to know of the current trace. facts->hits and errors are set, and point
 * to arrays of the program's words. */
enum tk_status tk_replay_walk_facts(struct tk_replay_walk *walk, struct tk_replay_facts *facts,
                                    struct tk_error *error);
/** Estimated size of the current trace as OTLP protobuf. */
enum tk_status tk_replay_walk_bytes(struct tk_replay_walk *walk, uint64_t *bytes_out,
                                    struct tk_error *error);
void tk_replay_walk_reset(struct tk_replay_walk *walk);

#endif
