/* A sampling configuration in a few columns: what the tables show of a policy. */
#ifndef TK_SAMPLING_CONFIG_OPTIONS_H
#define TK_SAMPLING_CONFIG_OPTIONS_H

#include "store/codec/byte_writer.h"
#include "tracekeep/sampling_config.h"

/** The options as a JSON object, defaults included, named as in the dialect. */
void tk_sampling_options_json(struct tk_byte_writer *out, const struct tk_sampling_policy *policy);

/** The share of what the policy is asked about that it keeps, where that is one number. */
bool tk_sampling_policy_probability(const struct tk_sampling_policy *policy, double *out);
/** How much it lets pass a second, of whatever it counts: spans, bytes, traces, events, requests.
 */
bool tk_sampling_policy_rate(const struct tk_sampling_policy *policy, int64_t *out);
/** The threshold of consistent sampling that it compares with; false: it does not. */
bool tk_sampling_policy_threshold(const struct tk_sampling_policy *policy, uint64_t *out);

#endif
