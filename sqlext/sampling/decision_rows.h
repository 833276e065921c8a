/* What the spans of a segment carry that has to do with sampling, row by row: the input of
 * decision.h. Segments in which nothing of it can be are known at once, by their columns. */
#ifndef TK_SQLEXT_SAMPLING_DECISION_ROWS_H
#define TK_SQLEXT_SAMPLING_DECISION_ROWS_H

#include "sqlext/sampling/decision.h"
#include "store/segment/segment.h"

/** A stored column of a known key. */
struct tk_key_part {
  enum tk_sampling_key key;
  uint32_t column;
  const uint32_t *value_index;
  const struct tk_column *values;
};

/** The known keys of a resource or scope. */
struct tk_code_keys {
  uint64_t present;
  struct tk_attribute *items; /* by number of the set bit */
};

struct tk_decision_rows {
  struct tk_reader *reader;
  const struct tk_segment *segment; /**< borrowed */
  struct tk_arena arena, scratch;
  uint32_t sources;
  bool any; /**< false: no row says anything to these sources */
  struct tk_key_part *parts;
  uint32_t part_count;
  struct tk_code_keys *resources, *scopes; /**< by code; NULL: none has a known key */
  bool uses_states, uses_residuals, uses_flags;
  uint32_t granule; /**< the one prepared last; see tk_decision_rows_prepare */
  bool is_prepared;
  const struct tk_column *states;
  uint8_t *state_notes; /**< by code: 0 not looked at, 1 of no use, 2 to be decoded */
  struct tk_ints flags, resource_codes, scope_codes, depths;
  const uint32_t *traces;
  const struct tk_column *trace_ids;
  const struct tk_column *residual_rows;
};

/** Looks at columns, resources and scopes alone. To be closed, whatever this returns. */
enum tk_status tk_decision_rows_open(struct tk_decision_rows *rows, struct tk_reader *reader,
                                     const struct tk_segment *segment, uint32_t sources,
                                     struct tk_error *error);
void tk_decision_rows_close(struct tk_decision_rows *rows);

/** Makes the rows of a granule (or TK_ALL) readable. */
enum tk_status tk_decision_rows_prepare(struct tk_decision_rows *rows, uint32_t granule,
                                        struct tk_error *error);

/** What a prepared row carries; *any_out is false, and the input incomplete, if that is nothing.
 * Good until the next call. */
enum tk_status tk_decision_rows_read(struct tk_decision_rows *rows, uint32_t row,
                                     struct tk_decision_input *input, bool *any_out,
                                     struct tk_error *error);

#endif
