/* SPDX-License-Identifier: MIT
 * The decision about a trace once its leaves are known: samplers that decide by its root, and one
 * stage after another. See policy_program.h; policy_tail.c and policy_spans.c decide for the
 * collector's processors. */
#include <string.h>

#include "sqlext/sampling/hash_functions.h"
#include "sqlext/sampling/policy_compiled.h"
#include "sqlext/sampling/sampler_math.h"
#include "sqlext/text_forms.h"

/* ---- samplers that decide once for a trace, by its root ---- */

static void keep_if(struct tk_replay_decision *decision, bool keeps, double probability) {
  decision->verdict = keeps ? TK_REPLAY_KEEP : TK_REPLAY_DROP;
  decision->probability = probability < 0 ? 0 : probability > 1 ? 1 : probability;
}

static enum tk_status one_in(int64_t rate, const struct tk_replay_facts *facts,
                             struct tk_replay_decision *decision, struct tk_error *error) {
  char text[32 + sizeof TK_REFINERY_SALT - 1];
  uint32_t head = 0;
  if (rate > 1) {
    tk_hex_text(facts->trace_id, 16, text);
    memcpy(text + 32, TK_REFINERY_SALT, sizeof TK_REFINERY_SALT - 1);
    const enum tk_status status = tk_sha1_head(text, sizeof text, &head, error);
    if (status != TK_OK) return status;
  }
  keep_if(decision, tk_refinery_keeps(head, (uint64_t)(rate < 1 ? 1 : rate)),
          1 / (double)(rate < 1 ? 1 : rate));
  return TK_OK;
}

static void unknown(struct tk_replay_decision *decision) {
  decision->verdict = TK_REPLAY_UNKNOWN;
  decision->probability = -1;
}

static bool all_leaves_hit(const struct tk_program *program,
                           const struct tk_sampling_policy *policy,
                           const struct tk_replay_facts *facts) {
  const struct tk_compiled_policy *compiled = &program->policies[policy->ordinal];
  for (uint32_t i = 0; i < compiled->leaf_count; i++) {
    if (!tk_leaf_hits(facts, compiled->first_leaf + i)) return false;
  }
  return true;
}

static enum tk_status decide_refinery_rules(struct tk_program *program,
                                            const struct tk_sampling_policy *rules,
                                            const struct tk_replay_facts *facts,
                                            struct tk_replay_decision *decision,
                                            struct tk_error *error) {
  for (uint32_t i = 0; i < rules->child_count; i++) {
    const struct tk_sampling_policy *rule = &rules->children[i];
    if (!all_leaves_hit(program, rule, facts)) continue;
    decision->policy = rule;
    if (rule->child_count > 0) {
      const enum tk_status status =
          tk_decide_head(program, &rule->children[0], facts, decision, error);
      decision->policy = rule;
      return status;
    }
    if (rule->as.refinery_rule.drop || rule->as.refinery_rule.rate <= 0) {
      keep_if(decision, false, 0);
      return TK_OK;
    }
    return one_in(rule->as.refinery_rule.rate, facts, decision, error);
  }
  keep_if(decision, true, 1);
  decision->policy = NULL;
  return TK_OK;
}

/* ---- Jaeger ---- */

static const struct tk_sampling_policy *policy_of_ordinal(const struct tk_sampling_config *config,
                                                          uint32_t ordinal) {
  for (uint32_t i = 0; i < config->root_count; i++) {
    const struct tk_sampling_policy *root = &config->roots[i];
    if (root->ordinal == ordinal) return root;
    for (uint32_t j = 0; j < root->child_count; j++) {
      if (root->children[j].ordinal == ordinal) return &root->children[j];
    }
  }
  return NULL;
}

static bool same_text(struct tk_text a, struct tk_text b) {
  return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

void tk_program_choose(const struct tk_program *program, struct tk_text service,
                       struct tk_text operation, struct tk_replay_facts *facts) {
  const struct tk_sampling_config *config = program->config;
  const struct tk_sampling_policy *chosen = NULL;
  facts->choice = TK_NO_CHOICE;
  if (config->dialect != TK_DIALECT_JAEGER_STRATEGIES &&
      config->dialect != TK_DIALECT_JAEGER_ANSWER) {
    return;
  }
  for (uint32_t i = 0; i < config->root_count; i++) {
    const struct tk_sampling_policy *root = &config->roots[i];
    if (root->service.size == 0 ? !chosen : same_text(root->service, service)) chosen = root;
  }
  if (!chosen) return;
  facts->choice = chosen->ordinal;
  for (uint32_t j = 0; j < chosen->child_count; j++) {
    if (same_text(chosen->children[j].operation, operation)) {
      facts->choice = chosen->children[j].ordinal;
    }
  }
}

static void decide_jaeger(struct tk_program *program, const struct tk_replay_facts *facts,
                          struct tk_replay_decision *decision) {
  const struct tk_sampling_policy *policy = policy_of_ordinal(program->config, facts->choice);
  decision->policy = policy;
  if (!policy) {
    unknown(decision);
    return;
  }
  struct tk_compiled_policy *compiled = &program->policies[policy->ordinal];
  const struct tk_sampling_jaeger *jaeger = &policy->as.jaeger;
  const bool of_others = !policy->parent && jaeger->has_operations;
  if (policy->type == TK_SAMPLING_JAEGER_RATE_LIMITING && !of_others) {
    keep_if(decision, tk_limiter_take(&compiled->limiter, facts->end, 1), 0);
    decision->probability = -1;
    return;
  }
  const double probability =
      of_others ? jaeger->default_probability.value : jaeger->probability.value;
  keep_if(decision, tk_jaeger_keeps(facts->trace_id, probability), probability);
  if (compiled->limiter.rate == 0) return;
  /* So many a second are kept in any case, and all that are kept count. */
  const bool in_any_case = tk_limiter_take(&compiled->limiter, facts->end, 1);
  if (in_any_case) decision->verdict = TK_REPLAY_KEEP;
  if (probability < 1) decision->probability = -1;
}

/* ---- X-Ray ---- */

static void decide_xray(struct tk_program *program, const struct tk_replay_facts *facts,
                        struct tk_replay_decision *decision) {
  const struct tk_sampling_config *config = program->config;
  for (uint32_t i = 0; i < config->root_count; i++) {
    const struct tk_sampling_policy *rule = &config->roots[i];
    if (!all_leaves_hit(program, rule, facts)) continue;
    const int64_t reservoir = rule->as.xray.reservoir_per_second;
    const double rate = rule->as.xray.rate.value;
    decision->policy = rule;
    keep_if(decision, tk_sdk_keeps(TK_SDK_GO, facts->trace_id, rate), rate);
    if (reservoir <= 0) return;
    int64_t *used = tk_second_used(&program->policies[rule->ordinal].second, facts->end);
    if (*used < reservoir) {
      ++*used;
      decision->verdict = TK_REPLAY_KEEP;
    }
    if (rate < 1) decision->probability = -1;
    return;
  }
  decision->policy = NULL;
  unknown(decision);
}

/* ---- all of them ---- */

enum tk_status tk_decide_head(struct tk_program *program, const struct tk_sampling_policy *sampler,
                              const struct tk_replay_facts *facts,
                              struct tk_replay_decision *decision_out, struct tk_error *error) {
  struct tk_replay_decision *decision = decision_out;
  decision->policy = sampler;
  switch ((int)sampler->type) {
    case TK_SAMPLING_ALWAYS_ON:
      keep_if(decision, true, 1);
      return TK_OK;
    case TK_SAMPLING_ALWAYS_OFF:
      keep_if(decision, false, 0);
      return TK_OK;
    case TK_SAMPLING_TRACE_ID_RATIO:
      keep_if(decision,
              tk_sdk_keeps(program->semantics.sdk, facts->trace_id, sampler->as.ratio.ratio.value),
              sampler->as.ratio.ratio.value);
      return TK_OK;
    case TK_SAMPLING_PROBABILITY: {
      const uint64_t threshold = program->policies[sampler->ordinal].threshold;
      keep_if(decision, facts->randomness >= threshold, tk_threshold_probability(threshold));
      return TK_OK;
    }
    case TK_SAMPLING_ALWAYS_RECORD:
    case TK_SAMPLING_PARENT_BASED: /* the first child: of roots */
    case TK_SAMPLING_PARENT_THRESHOLD:
    case TK_SAMPLING_COMPOSABLE:
    case TK_SAMPLING_JAEGER_REMOTE:
      return tk_decide_head(program, &sampler->children[0], facts, decision, error);
    case TK_SAMPLING_RULE_BASED:
      for (uint32_t i = 0; i < sampler->child_count; i++) {
        if (!all_leaves_hit(program, &sampler->children[i], facts)) continue;
        return tk_decide_head(program, &sampler->children[i].children[0], facts, decision, error);
      }
      keep_if(decision, false, 0);
      decision->policy = NULL;
      return TK_OK;
    case TK_SAMPLING_JAEGER_PROBABILISTIC:
    case TK_SAMPLING_JAEGER_RATE_LIMITING:
    case TK_SAMPLING_JAEGER_REMAINING:
      decide_jaeger(program, facts, decision);
      return TK_OK;
    case TK_SAMPLING_XRAY_RULE:
      decide_xray(program, facts, decision);
      return TK_OK;
    case TK_SAMPLING_REFINERY_DETERMINISTIC:
      decision->stage = TK_REPLAY_TAIL;
      return one_in(sampler->as.refinery_deterministic.rate, facts, decision, error);
    case TK_SAMPLING_REFINERY_RULES:
      decision->stage = TK_REPLAY_TAIL;
      return decide_refinery_rules(program, sampler, facts, decision, error);
    default: /* of Refinery: rates that vary with what else came in */
      decision->stage = TK_REPLAY_TAIL;
      unknown(decision);
      return TK_OK;
  }
}

/* ---- one stage after another ---- */

/* With which probability the stages from `stage` on keep a trace that does not come to them. */
static double go_on(struct tk_program *program, uint32_t stage, const struct tk_replay_facts *facts,
                    double probability) {
  for (; stage < program->stage_count && probability > 0; stage++) {
    const struct tk_sampling_policy *policy = program->stages[stage];
    const double next =
        policy->type == TK_SAMPLING_TAIL
            ? tk_tail_probability(program, policy, facts)
            : tk_threshold_probability(program->policies[policy->ordinal].threshold);
    probability = next < 0 ? -1 : probability * next;
  }
  return probability;
}

enum tk_status tk_program_decide(struct tk_program *program, const struct tk_replay_facts *facts,
                                 bool wants_probability, struct tk_replay_decision *decision_out,
                                 struct tk_error *error) {
  double probability = 1;
  *decision_out = (struct tk_replay_decision){.randomness = facts->randomness};
  for (uint32_t i = 0; i < program->stage_count; i++) {
    const struct tk_sampling_policy *stage = program->stages[i];
    struct tk_replay_decision decision = {.randomness = decision_out->randomness,
                                          .kept_spans = facts->span_count};
    enum tk_status status = TK_OK;
    if (stage->type == TK_SAMPLING_PROBABILISTIC_SAMPLER) {
      tk_decide_spans(program, stage, facts, &decision);
    } else if (stage->type == TK_SAMPLING_TAIL) {
      status = tk_decide_tail(program, stage, facts, wants_probability, &decision);
    } else {
      status = tk_decide_head(program, stage, facts, &decision, error);
    }
    if (status != TK_OK) return status;
    probability =
        probability < 0 || decision.probability < 0 ? -1 : probability * decision.probability;
    decision.probability = probability;
    if (i > 0 && decision_out->kept_spans < decision.kept_spans) {
      decision.kept_spans = decision_out->kept_spans;
    }
    *decision_out = decision;
    if (decision.verdict == TK_REPLAY_KEEP) continue;
    if (wants_probability) decision_out->probability = go_on(program, i + 1, facts, probability);
    break;
  }
  if (decision_out->verdict != TK_REPLAY_KEEP) decision_out->kept_spans = 0;
  return TK_OK;
}
