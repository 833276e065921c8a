/* The decoders behind decision.h, and what they share. */
#ifndef TK_SQLEXT_SAMPLING_DECISION_DECODERS_H
#define TK_SQLEXT_SAMPLING_DECISION_DECODERS_H

#include <math.h>
#include <string.h>

#include "sqlext/sampling/decision.h"

#define TK_KEY_BIT(key) (UINT64_C(1) << TK_SAMPLING_##key)

typedef void tk_decoder(const struct tk_decision_input *input, struct tk_decision_list *list);

tk_decoder tk_decode_ot, tk_decode_flags, tk_decode_tail, tk_decode_priority, tk_decode_probability,
    tk_decode_log_sampling;
tk_decoder tk_decode_datadog, tk_decode_datadog_rates, tk_decode_datadog_span,
    tk_decode_datadog_state, tk_decode_honeycomb;
tk_decoder tk_decode_jaeger, tk_decode_jaeger_debug, tk_decode_zipkin_debug, tk_decode_xray,
    tk_decode_xray_header, tk_decode_sentry, tk_decode_baggage, tk_decode_elastic,
    tk_decode_elastic_state, tk_decode_new_relic, tk_decode_new_relic_state, tk_decode_b3,
    tk_decode_google;

static inline struct tk_text tk_literal(const char *text) {
  return (struct tk_text){text, (uint32_t)strlen(text)};
}
static inline bool tk_text_is(struct tk_text text, const char *literal) {
  const size_t size = strlen(literal);
  return text.size == size && memcmp(text.data, literal, size) == 0;
}
/** The text of a STRING value; data NULL for others, and where there is none. */
struct tk_text tk_sampling_text(const struct tk_decision_input *input, enum tk_sampling_key key);
/** The number of a key, where a text that is one counts; false: not there, not one, or not finite.
 */
bool tk_sampling_key_number(const struct tk_decision_input *input, enum tk_sampling_key key,
                            double *number_out);
/** 1 or 0 of a BOOL, a number that is one of these, or the texts true and false; -1. */
int tk_sampling_truth(const struct tk_decision_input *input, enum tk_sampling_key key);
/** As `raw`: what these keys hold, as a JSON object. Key bits as TK_KEY_BIT. */
void tk_decision_set_raw(struct tk_decision_list *list, struct tk_decision *decision,
                         const struct tk_decision_input *input, uint64_t keys);
/** As `raw`: a text, copied. */
void tk_decision_set_raw_text(struct tk_decision_list *list, struct tk_decision *decision,
                              struct tk_text text);
/** Probability in (0, 1] and the count that follows; false, and nothing is set, for others. */
bool tk_decision_set_probability(struct tk_decision *decision, double probability);
/** A decimal number that is all of the text. */
bool tk_sampling_parse(struct tk_text text, double *number_out);

#endif
