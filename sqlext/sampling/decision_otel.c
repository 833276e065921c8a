/* SPDX-License-Identifier: MIT
 * Decoders of what OpenTelemetry and its collector write: tracestate, flags, the policies of
 * tail_sampling, and attributes of old proposals. */
#include "sqlext/sampling/decision_decoders.h"
#include "sqlext/sampling/sampler_math.h"
#include "store/sqlite_api.h"

/* Whether R was made by the collector's probabilistic_sampler in mode hash_seed, which writes a
 * 32-bit hash into its 56 bits: bucket, mixed rest, and what the bucket leaves of 16383. */
static bool is_seeded_hash(uint64_t randomness) {
  const uint64_t bucket = randomness & 0x3fff, mixed = randomness >> 14 & 0xfffffff;
  const uint64_t rest = (mixed & 0x3ff) | ((mixed >> 10 & 0xf) ^ (mixed & 0xf)) << 10;
  return randomness >> 42 == 16383 - bucket && mixed == (rest ^ rest << 10);
}

static void decode_threshold(const struct tk_decision_input *input,
                             const struct tk_ot_member *member, struct tk_decision *decision) {
  const bool has_randomness = !member->rv.is_there || member->rv.is_valid;
  decision->mechanism = tk_literal("threshold");
  decision->stage = TK_STAGE_HEAD;
  if (has_randomness) {
    decision->randomness =
        (int64_t)(member->rv.is_there ? member->rv.value : tk_trace_randomness(input->trace_id));
  }
  if (member->rv.is_valid && is_seeded_hash(member->rv.value)) {
    decision->mechanism = tk_literal("hash_seed");
    decision->stage = TK_STAGE_COLLECTOR;
  }
  if (!member->th.is_valid) return;
  decision->threshold = (int64_t)member->th.value;
  decision->probability = tk_threshold_probability(member->th.value);
  if (!has_randomness) return;
  decision->verdict = TK_VERDICT_KEEP;
  decision->consistent = decision->randomness >= decision->threshold;
  if (!decision->consistent) return; /* the count is not known then */
  decision->adjusted_count = tk_threshold_count(member->th.value);
  decision->rank = TK_RANK_THRESHOLD;
}

static void decode_power(const struct tk_ot_member *member, struct tk_decision *decision) {
  decision->mechanism = tk_literal("power_of_two");
  decision->stage = TK_STAGE_HEAD;
  if (!member->p.is_valid) return;
  decision->probability = member->p.value == 63 ? 0 : ldexp(1, -(int)member->p.value);
  if (member->r.is_there && !member->r.is_valid) return;
  decision->verdict = TK_VERDICT_KEEP;
  if (member->r.is_valid && member->p.value != 63) {
    decision->consistent = member->p.value <= member->r.value;
  }
  if (decision->consistent == 0) return;
  decision->adjusted_count = member->p.value == 63 ? 0 : ldexp(1, (int)member->p.value);
  if (!member->th.is_there) decision->rank = TK_RANK_POWER;
}

void tk_decode_ot(const struct tk_decision_input *input, struct tk_decision_list *list) {
  struct tk_ot_member member;
  struct tk_decision *decision;

  if (!tk_ot_member_read(input->trace_state, &member)) return;
  if (member.th.is_there || (member.rv.is_there && !member.p.is_there)) {
    if (!(decision = tk_decision_list_add(list))) return;
    decision->source = TK_SOURCE_TRACE_STATE;
    decode_threshold(input, &member, decision);
    tk_decision_set_raw_text(list, decision, member.text);
  }
  if (member.p.is_there) {
    if (!(decision = tk_decision_list_add(list))) return;
    decision->source = TK_SOURCE_TRACE_STATE;
    decode_power(&member, decision);
    tk_decision_set_raw_text(list, decision, member.text);
  }
}

/* Bit 0 of the W3C flags is what was propagated, not a weight. 0 altogether says nothing: producers
 * before OTLP 1.1 send that. */
void tk_decode_flags(const struct tk_decision_input *input, struct tk_decision_list *list) {
  char text[24];
  struct tk_decision *decision = tk_decision_list_add(list);
  if (!decision) return;
  decision->source = TK_SOURCE_FLAGS;
  decision->stage = TK_STAGE_HEAD;
  decision->mechanism = tk_literal("sampled_flag");
  decision->verdict = input->flags & 1 ? TK_VERDICT_KEEP : TK_VERDICT_DROP;
  if (input->flags & 2) decision->randomness = (int64_t)tk_trace_randomness(input->trace_id);
  sqlite3_snprintf(sizeof text, text, "%lld", (long long)input->flags);
  tk_decision_set_raw_text(list, decision, tk_literal(text));
}

/* Which policy of tail_sampling kept the trace. The collector writes it on the scope of every span
 * of the trace; late spans of a remembered decision say so. */
void tk_decode_tail(const struct tk_decision_input *input, struct tk_decision_list *list) {
  struct tk_decision *decision = tk_decision_list_add(list);
  if (!decision) return;
  const int cached = tk_sampling_truth(input, TK_SAMPLING_TAIL_CACHED);
  decision->source = TK_SOURCE_TAIL;
  decision->stage = TK_STAGE_TAIL;
  decision->trace_wide = true;
  decision->policy = tk_sampling_text(input, TK_SAMPLING_TAIL_POLICY);
  decision->mechanism = tk_literal(cached == 1 ? "decision_cache"
                                   : tk_has_key(input, TK_SAMPLING_TAIL_COMPOSITE) ? "composite"
                                                                                   : "policy");
  if (decision->policy.data || cached == 1) decision->verdict = TK_VERDICT_KEEP;
  tk_decision_set_raw(
      list, decision, input,
      TK_KEY_BIT(TAIL_POLICY) | TK_KEY_BIT(TAIL_COMPOSITE) | TK_KEY_BIT(TAIL_CACHED));
}

/* OpenTracing's: above 0 keep whatever the sampler says, 0 drop. */
void tk_decode_priority(const struct tk_decision_input *input, struct tk_decision_list *list) {
  double priority;
  struct tk_decision *decision = tk_decision_list_add(list);
  if (!decision) return;
  decision->source = TK_SOURCE_ATTRIBUTE;
  decision->stage = TK_STAGE_HEAD;
  decision->mechanism = tk_literal("sampling.priority");
  if (tk_sampling_key_number(input, TK_SAMPLING_PRIORITY, &priority)) {
    decision->verdict = priority > 0    ? TK_VERDICT_FORCED
                        : priority == 0 ? TK_VERDICT_DROP
                                        : TK_VERDICT_UNKNOWN;
    decision->is_forced = priority > 0;
  }
  tk_decision_set_raw(list, decision, input, TK_KEY_BIT(PRIORITY));
}

void tk_decode_probability(const struct tk_decision_input *input, struct tk_decision_list *list) {
  double probability;
  struct tk_decision *decision = tk_decision_list_add(list);
  if (!decision) return;
  decision->source = TK_SOURCE_ATTRIBUTE;
  decision->stage = TK_STAGE_HEAD;
  decision->mechanism = tk_literal("sampling.probability");
  if (tk_sampling_key_number(input, TK_SAMPLING_PROBABILITY, &probability) &&
      tk_decision_set_probability(decision, probability)) {
    decision->verdict = TK_VERDICT_KEEP;
    decision->rank = TK_RANK_PROBABILITY;
  }
  tk_decision_set_raw(list, decision, input, TK_KEY_BIT(PROBABILITY));
}

/* What probabilistic_sampler writes on log records, where bridges put it on spans. */
void tk_decode_log_sampling(const struct tk_decision_input *input, struct tk_decision_list *list) {
  const struct tk_text th = tk_sampling_text(input, TK_SAMPLING_THRESHOLD);
  const struct tk_text rv = tk_sampling_text(input, TK_SAMPLING_RANDOMNESS);
  uint64_t threshold, randomness;
  struct tk_decision *decision = tk_decision_list_add(list);
  if (!decision) return;
  decision->source = TK_SOURCE_ATTRIBUTE;
  decision->stage = TK_STAGE_COLLECTOR;
  decision->mechanism = tk_literal("sampling.threshold");
  if (rv.data && tk_ot_read_randomness(rv, &randomness)) decision->randomness = (int64_t)randomness;
  if (th.data && tk_ot_read_threshold(th, &threshold)) {
    decision->threshold = (int64_t)threshold;
    decision->probability = tk_threshold_probability(threshold);
    decision->verdict = TK_VERDICT_KEEP;
    if (decision->randomness >= 0) {
      decision->consistent = decision->randomness >= decision->threshold;
    }
    if (decision->consistent != 0) decision->adjusted_count = tk_threshold_count(threshold);
  }
  tk_decision_set_raw(list, decision, input, TK_KEY_BIT(THRESHOLD) | TK_KEY_BIT(RANDOMNESS));
}
