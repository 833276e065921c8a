/* Recorded decisions (decision_records) by the trace they are about: where they stand, and the
 * weights they give. */
#ifndef TK_SQLEXT_SAMPLING_WEIGHT_RECORDS_H
#define TK_SQLEXT_SAMPLING_WEIGHT_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "sqlext/sampling/decision_records.h"
#include "store/sqlite_api.h"
#include "tracekeep/status.h"

struct tk_recorded_weight {
  uint8_t trace_id[16];
  uint8_t span_id[8];
  bool has_span;
  bool is_forced;
  double count; /**< NaN: none */
  struct tk_record_place place;
};

/** Zero-initialise. */
struct tk_recorded_weights {
  struct tk_recorded_weight *items; /**< by trace, trace-wide ones first, then span; of equals first
                                         those that say anything, then by place */
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

/** The places of all records about these traces (ids ascending), in the order of the documents.
 * *places_out is freed with sqlite3_free. */
enum tk_status tk_recorded_places(const struct tk_recorded_weights *weights,
                                  const uint8_t (*ids)[16], uint32_t id_count,
                                  struct tk_record_place **places_out, uint32_t *count_out,
                                  struct tk_error *error);

#endif
