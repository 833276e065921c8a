/* OpenTelemetry's consistent probability sampling, as tracestate carries it:
 * `ot=th:c;rv:c7494c1131926e`.
 *
 * `th` is the rejection threshold T: 1 to 14 lower-case hexadecimal digits, read as if zeros
 * followed up to 14, so 56 bits. `rv` is the randomness R, exactly 14 digits; without it R is the
 * last 56 bits of the trace id. A span is kept if R >= T, so a kept one stands for 2^56 / (2^56 -
 * T) spans. (OpenTelemetry specification, "TraceState: Probability Sampling".) */
#ifndef TK_SQLEXT_CONSISTENT_SAMPLING_H
#define TK_SQLEXT_CONSISTENT_SAMPLING_H

#include <stdbool.h>
#include <stdint.h>

#include "tracekeep/span.h"

struct tk_consistent_sampling {
  uint64_t threshold;  /* 56 bits */
  uint64_t randomness; /* 56 bits */
};

/** False: the tracestate has no threshold, or a malformed one; nothing is known then. */
bool tk_consistent_sampling_read(struct tk_text trace_state, const uint8_t trace_id[16],
                                 struct tk_consistent_sampling *out);

/** How many spans a kept one stands for; false when that is not known: no threshold, or one that
 * would have rejected the span (R < T). Never silently 1. */
bool tk_adjusted_count(struct tk_text trace_state, const uint8_t trace_id[16], double *count_out);

#endif
