/* SPDX-License-Identifier: MIT
 * The decisions of probabilistic_sampler, which decides span by span: what each span's randomness
 * is asked to reach, and what that makes of its trace. */
#include "sqlext/sampling/consistent_sampling.h"
#include "sqlext/sampling/hash_functions.h"
#include "sqlext/sampling/policy_compiled.h"
#include "sqlext/sampling/sampler_math.h"
#include "tracekeep/json.h"

enum priority { DEFER, MUST_KEEP, MUST_DROP };

static enum priority priority_of(const struct tk_value *value) {
  double number = 0;
  switch (value->type) {
    case TK_VALUE_INT:
      return value->as.integer == 0 ? MUST_DROP : value->as.integer > 0 ? MUST_KEEP : DEFER;
    case TK_VALUE_DOUBLE:
      number = value->as.real;
      break;
    case TK_VALUE_STRING:
      if (tk_parse_double(value->as.text, value->size, &number) != TK_NUMBER_OK) return DEFER;
      break;
    default:
      return DEFER;
  }
  return number == 0 ? MUST_DROP : number > 0 ? MUST_KEEP : DEFER;
}

struct span_decision {
  uint64_t threshold; /* what its randomness is asked to reach; TK_THRESHOLD_NEVER: it is refused */
  bool is_kept;
  bool is_unknown; /* kept, and nobody knows with which probability */
};

/* `ot.th` and `ot.rv` of a span, or what is wrong with them. */
static void decide_span(const struct tk_program *program, const struct tk_sampling_policy *policy,
                        struct tk_text trace_state, enum priority priority,
                        const uint8_t trace_id[16], struct span_decision *out) {
  const struct tk_sampling_probabilistic_sampler *sampler = &policy->as.probabilistic_sampler;
  uint64_t threshold = program->policies[policy->ordinal].threshold;
  uint64_t randomness = tk_trace_randomness(trace_id);
  struct tk_ot_member ot = {0};
  struct tk_seeded_hash hashed;
  bool is_wrong = tk_ot_member_read(trace_state, &ot) &&
                  ((ot.th.is_there && !ot.th.is_valid) || (ot.rv.is_there && !ot.rv.is_valid));

  *out = (struct span_decision){.threshold = TK_THRESHOLD_NEVER};
  if (priority == MUST_DROP) return;
  if (sampler->mode == TK_MODE_HASH_SEED) {
    tk_seeded_hash(trace_id, sampler->hash_seed, &hashed);
    randomness = hashed.randomness;
    is_wrong |= ot.th.is_there || ot.rv.is_there; /* in use already */
  } else if (ot.rv.is_there && ot.rv.is_valid) {
    randomness = ot.rv.value;
  }
  const bool has_threshold = ot.th.is_there && ot.th.is_valid;
  is_wrong |= has_threshold && randomness < ot.th.value;
  if (is_wrong) {
    if (sampler->fail_closed && priority != MUST_KEEP) return;
    *out = (struct span_decision){.is_kept = true, .is_unknown = true};
    return;
  }
  const uint64_t before = has_threshold ? ot.th.value : 0;
  if (priority == MUST_KEEP) {
    threshold = before;
  } else if (sampler->mode == TK_MODE_PROPORTIONAL && threshold < TK_THRESHOLD_NEVER) {
    const double ratio = (double)(float)sampler->percentage.value / 100;
    threshold = tk_threshold_of_probability(
        tk_threshold_probability(before) * (ratio > 1 ? 1 : ratio), (int)sampler->precision);
  } else if (before > threshold) {
    threshold = before;
  }
  out->threshold = threshold;
  out->is_kept = randomness >= threshold;
}

static const struct tk_sampling_policy *span_stage_of(const struct tk_program *program,
                                                      uint32_t stage) {
  for (uint32_t i = 0; i < program->stage_count; i++) {
    const struct tk_sampling_policy *policy = program->stages[i];
    if (policy->type == TK_SAMPLING_PROBABILISTIC_SAMPLER &&
        program->policies[policy->ordinal].span_stage == stage) {
      return policy;
    }
  }
  return NULL;
}

void tk_program_add_spans(const struct tk_program *program, uint32_t stage,
                          struct tk_text trace_state, const struct tk_value *priority,
                          uint32_t span_count, struct tk_replay_facts *facts) {
  const struct tk_sampling_policy *policy = span_stage_of(program, stage);
  struct tk_span_stage *sum = &facts->stages[stage];
  struct span_decision decision;
  if (!policy) return;
  decide_span(program, policy, trace_state, priority_of(priority), facts->trace_id, &decision);
  if (!decision.is_unknown && decision.threshold < TK_THRESHOLD_NEVER) {
    if (!sum->is_asked || decision.threshold < sum->least) sum->least = decision.threshold;
    sum->is_asked = true;
  }
  if (!decision.is_kept) return;
  sum->kept += span_count;
  sum->is_unknown |= decision.is_unknown;
  if (decision.threshold > sum->threshold) sum->threshold = decision.threshold;
}

void tk_decide_spans(const struct tk_program *program, const struct tk_sampling_policy *policy,
                     const struct tk_replay_facts *facts, struct tk_replay_decision *decision) {
  const struct tk_compiled_policy *compiled = &program->policies[policy->ordinal];
  const struct tk_span_stage *sum = &facts->stages[compiled->span_stage];
  struct tk_seeded_hash hashed;
  decision->stage = TK_REPLAY_COLLECTOR;
  decision->policy = policy;
  decision->verdict = sum->kept > 0 ? TK_REPLAY_KEEP : TK_REPLAY_DROP;
  decision->kept_spans = sum->kept;
  if (sum->kept == 0) {
    decision->probability = sum->is_asked ? tk_threshold_probability(sum->least) : 0;
  } else {
    decision->probability = sum->is_unknown ? -1 : tk_threshold_probability(sum->threshold);
  }
  if (policy->as.probabilistic_sampler.mode == TK_MODE_HASH_SEED) {
    tk_seeded_hash(facts->trace_id, policy->as.probabilistic_sampler.hash_seed, &hashed);
    decision->randomness = hashed.randomness;
  }
}
