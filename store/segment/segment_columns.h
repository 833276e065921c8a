/* Private to the segment writer: the columns of a segment as plain arrays, before they are encoded.
 */
#ifndef TK_STORE_SEGMENT_COLUMNS_H
#define TK_STORE_SEGMENT_COLUMNS_H

#include <stdbool.h>

#include "store/segment/attribute_shredder.h"
#include "store/segment/interner.h"
#include "store/segment/segment_writer.h"

/** Which granules a column has: those of the rows, of the traces, or TK_VALUES_PER_GRANULE each. */
enum tk_granulation { TK_BY_ROWS, TK_BY_TRACES, TK_UNIFORM };

/** One column to encode. */
struct tk_column_task {
  enum tk_granulation granulation;
  const int64_t *ints; /* one of the three */
  const struct tk_text *texts;
  const uint8_t *fixed;
  bool wants_filter;
  struct tk_segment_column column; /* becomes the directory's entry */
};

struct tk_segment_writer_state {
  struct tk_granules traces;    /* first traces as granule ends, for per-trace columns */
  struct tk_column_task *tasks; /* as chunks in the writer */
  uint32_t task_capacity;
  struct tk_segment_column *chunkless; /* attribute columns without a chunk of their own */
  uint32_t chunkless_count;
  struct tk_shredder shredders[3]; /* by enum tk_attribute_scope */
  struct tk_interner resources, scopes;
  bool failed;
};

/** Memory from the writer's arena; NULL, and the writer's failure, when there is none. */
void *tk_segment_writer_allocate(struct tk_segment_writer *writer, uint64_t count, size_t size);

/** Takes all spans of writer->order apart into state->tasks, state->chunkless, the shredders, and
 * writer->resources and scopes. Directory granules and summary must be there already. Out of
 * memory: state->failed. */
void tk_segment_columns_gather(struct tk_segment_writer *writer);

#endif
