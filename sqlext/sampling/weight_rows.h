/* How many spans each stored one stands for, row by row of a segment, and which source says so.
 *
 * The first of enum tk_weight_rank that is known of the span: of its own decisions, of those about
 * its trace (Jaeger's tags of the root, Datadog's of a local root, Sentry's), of recorded ones, and
 * at last of what the user says of its service (tk_head_sampling). A trace that somebody forced to
 * be kept has no weight but by threshold or SampleRate, which take that into account themselves.
 * Unknown is NaN, never silently 1. */
#ifndef TK_SQLEXT_SAMPLING_WEIGHT_ROWS_H
#define TK_SQLEXT_SAMPLING_WEIGHT_ROWS_H

#include "sqlext/sampling/decision.h"
#include "store/segment/segment.h"

struct tk_weights;

/** `segment` is borrowed until the weights are closed. Cheap: nothing is decoded yet. */
enum tk_status tk_weights_open(struct tk_reader *reader, const struct tk_segment *segment,
                               struct tk_weights **weights_out, struct tk_error *error);
void tk_weights_close(struct tk_weights *weights);

/** Works out the rows of a granule (or TK_ALL). */
enum tk_status tk_weights_prepare(struct tk_weights *weights, uint32_t granule,
                                  struct tk_error *error);
/** Works out the rows of one trace of the segment. */
enum tk_status tk_weights_prepare_trace(struct tk_weights *weights, uint32_t trace_index,
                                        struct tk_error *error);

struct tk_weight {
  double count; /**< NaN: unknown */
  enum tk_decision_source source;
};

/** Of a row that was worked out. */
struct tk_weight tk_weights_at(const struct tk_weights *weights, uint32_t row);

#endif
