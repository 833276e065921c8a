/* What tracestate says of sampling: OpenTelemetry's consistent probability sampling,
 * `ot=th:c;rv:c7494c1131926e`, and its older form, `ot=p:8;r:62`.
 *
 * `th` is the rejection threshold T: 1 to 14 lower-case hexadecimal digits, read as if zeros
 * followed up to 14, so 56 bits. `rv` is the randomness R, exactly 14 digits; without it R is the
 * last 56 bits of the trace id. A span is kept if R >= T, so a kept one stands for 2^56 / (2^56 -
 * T) spans. (OpenTelemetry specification, "TraceState: Probability Sampling".)
 *
 * `p` says that the probability was 2^-p (63: zero), and the span was kept if p <= r. It has
 * nothing to do with `th`. */
#ifndef TK_SQLEXT_SAMPLING_CONSISTENT_SAMPLING_H
#define TK_SQLEXT_SAMPLING_CONSISTENT_SAMPLING_H

#include <stdbool.h>
#include <stdint.h>

#include "tracekeep/span.h"

/** A field of the `ot` member. */
struct tk_ot_field {
  bool is_there, is_valid; /**< is_there and not is_valid: malformed, or twice */
  uint64_t value;          /**< th, rv: 56 bits; p, r: 0 to 63 */
};

struct tk_ot_member {
  struct tk_text text; /**< behind `ot=`; data NULL: there is none */
  struct tk_ot_field th, rv, p, r;
};

/** The value of the first member with this key, trimmed; data NULL: there is none. */
struct tk_text tk_trace_state_member(struct tk_text trace_state, const char *key);
/** The value of the first member whose key ends in `@system`. */
struct tk_text tk_trace_state_tenant(struct tk_text trace_state, const char *system);
/** Reads the `ot` member; false: there is none. */
bool tk_ot_member_read(struct tk_text trace_state, struct tk_ot_member *out);

/** Reads what stands behind `ot=`. */
void tk_ot_value_read(struct tk_text value, struct tk_ot_member *out);

/** Takes the part before the next `separator` off the front of *rest; false at the end. */
bool tk_next_part(struct tk_text *rest, char separator, struct tk_text *part);
struct tk_text tk_trim(struct tk_text text);

/** A threshold as `th` writes it. */
bool tk_ot_read_threshold(struct tk_text digits, uint64_t *threshold_out);
/** Exactly 14 digits. */
bool tk_ot_read_randomness(struct tk_text digits, uint64_t *randomness_out);
/** The last 56 bits. */
uint64_t tk_trace_randomness(const uint8_t trace_id[16]);

#endif
