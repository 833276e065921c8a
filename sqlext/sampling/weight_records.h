/* Weights of traces and spans from recorded decisions (decision_records), found by id. */
#ifndef TK_SQLEXT_SAMPLING_WEIGHT_RECORDS_H
#define TK_SQLEXT_SAMPLING_WEIGHT_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/sqlite_api.h"
#include "tracekeep/status.h"

struct tk_recorded_weight {
  uint8_t trace_id[16];
  uint8_t span_id[8];
  bool has_span;
  bool is_forced;
  double count; /**< NaN: none */
  uint32_t order;
};

/** Zero-initialise. */
struct tk_recorded_weights {
  struct tk_recorded_weight *items; /**< by trace, trace-wide ones first, then span, then order */
  uint32_t count, capacity;
  bool has_spans; /**< some are about single spans */
};

/** `weights` is to be reset, whatever this returns. */
enum tk_status tk_recorded_weights_load(struct tk_recorded_weights *weights, sqlite3 *db,
                                        const char *schema, struct tk_error *error);
void tk_recorded_weights_reset(struct tk_recorded_weights *weights);

/** The first that was recorded of a trace, or (span_id not NULL) of a span; NULL: none. */
const struct tk_recorded_weight *tk_recorded_weights_find(const struct tk_recorded_weights *weights,
                                                          const uint8_t trace_id[16],
                                                          const uint8_t *span_id);

#endif
