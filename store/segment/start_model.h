/* Start times as differences: to what, and which choice is smallest. See enum tk_start_model. */
#ifndef TK_STORE_START_MODEL_H
#define TK_STORE_START_MODEL_H

#include "store/codec/column_codec.h"
#include "store/segment/segment_format.h"
#include "store/segment/span_order.h"

/** Writes the differences of the model that needs the fewest bits to `best` and returns the model.
 * `scratch` and `last_children` are working memory, one entry a span. `granules` are row granules,
 * `granule_start_min` the earliest start in each. */
enum tk_start_model tk_start_model_choose(const struct tk_span_order *order,
                                          const struct tk_granules *granules,
                                          const uint64_t *granule_start_min, int64_t *best,
                                          int64_t *scratch, uint32_t *last_children);

#endif
