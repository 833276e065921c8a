/* SPDX-License-Identifier: MIT
 * The decision about a trace once its leaves are known. See policy_program.h.
 *
 * A tail policy's outcome is a set of bits. Deciding, it has exactly one. For the probability with
 * which a trace like this is kept, the same policies run once for each combination of what the
 * hashes could have been, and a rate limiter's outcome is both: where the decision depends on one,
 * the probability is unknown. */
#include <string.h>

#include "sqlext/consistent_sampling.h"
#include "sqlext/sampling/hash_functions.h"
#include "sqlext/sampling/policy_compiled.h"
#include "sqlext/text_forms.h"
#include "tracekeep/json.h"

enum outcome {
  SAMPLED = 1,
  NOT_SAMPLED = 2,
  INVERT_SAMPLED = 4,
  INVERT_NOT_SAMPLED = 8,
  DROPPED = 16,
  FAILED = 32
};
#define KEEPS (SAMPLED | INVERT_SAMPLED)
#define REFUSES (NOT_SAMPLED | INVERT_NOT_SAMPLED)

enum { CELL_LIMIT = 4096, BUCKETS_SINCE = 153 };
#define MILLION INT64_C(1000000)
#define SECOND INT64_C(1000000000)

struct run {
  struct tk_program *program;
  const struct tk_replay_facts *facts;
  const uint32_t *cell; /* what is drawn; NULL: what the trace id says, and limiters count */
  const struct tk_sampling_policy *sub_policy;
};

/* ---- limiters ---- */

bool tk_limiter_take(struct tk_limiter *limiter, int64_t now, int64_t count) {
  const tk_tokens full = (tk_tokens)limiter->burst * SECOND;
  const tk_tokens cost = (tk_tokens)count * MILLION * SECOND;
  if (!limiter->is_started) {
    limiter->is_started = true;
    limiter->tokens = full;
    limiter->last = now;
  }
  tk_tokens tokens = limiter->tokens;
  if (now > limiter->last) {
    tokens += (tk_tokens)((uint64_t)now - (uint64_t)limiter->last) * limiter->rate;
    limiter->last = now;
  }
  if (tokens > full) tokens = full;
  limiter->tokens = tokens;
  if (cost > tokens) return false;
  limiter->tokens -= cost;
  return true;
}

static int64_t second_of(int64_t ns) {
  const int64_t rest = ns % SECOND;
  return (ns - (rest < 0 ? rest + SECOND : rest)) / SECOND;
}

/* What was let through in the second of `now`; reset when it is another. */
static int64_t *used_in_second(struct tk_second *second, int64_t now) {
  const int64_t current = second_of(now);
  if (!second->is_started || second->second != current) {
    *second = (struct tk_second){.second = current, .is_started = true};
  }
  return &second->used;
}

static unsigned limit_rate(struct run *run, const struct tk_sampling_policy *policy) {
  struct tk_compiled_policy *compiled = &run->program->policies[policy->ordinal];
  const struct tk_replay_facts *facts = run->facts;
  const bool by_bytes = policy->type == TK_SAMPLING_BYTES_LIMITING;
  const int64_t count = by_bytes ? (int64_t)facts->bytes : facts->span_count;
  if (by_bytes || run->program->semantics.minor >= BUCKETS_SINCE) {
    if ((tk_tokens)count * MILLION > compiled->limiter.burst) return NOT_SAMPLED;
    if (run->cell) return SAMPLED | NOT_SAMPLED;
    return tk_limiter_take(&compiled->limiter, facts->end, count) ? SAMPLED : NOT_SAMPLED;
  }
  const int64_t most = policy->as.limit.per_second;
  if (count >= most) return NOT_SAMPLED;
  if (run->cell) return SAMPLED | NOT_SAMPLED;
  int64_t *used = used_in_second(&compiled->second, facts->end);
  if (*used + count >= most) return NOT_SAMPLED;
  *used += count;
  return SAMPLED;
}

/* ---- policies of tail_sampling ---- */

static unsigned evaluate(struct run *run, const struct tk_sampling_policy *policy);

static unsigned draw(struct run *run, const struct tk_sampling_policy *policy) {
  const struct tk_compiled_policy *compiled = &run->program->policies[policy->ordinal];
  const struct tk_draw *drawn = &run->program->draws->items[compiled->salt];
  if (run->cell) return run->cell[compiled->salt] <= compiled->level ? SAMPLED : NOT_SAMPLED;
  const uint64_t hash = tk_tail_hash(drawn->salt, run->facts->trace_id);
  return hash <= drawn->levels[compiled->level].threshold ? SAMPLED : NOT_SAMPLED;
}

static unsigned leaf_outcome(const struct run *run, const struct tk_sampling_policy *policy,
                             bool inverts) {
  const uint32_t leaf = run->program->policies[policy->ordinal].first_leaf;
  if (tk_leaf_errs(run->facts, leaf)) return FAILED;
  const bool hits = tk_leaf_hits(run->facts, leaf);
  if (inverts) return hits ? INVERT_NOT_SAMPLED : INVERT_SAMPLED;
  return hits ? SAMPLED : NOT_SAMPLED;
}

/* `all`: what it is when all children keep. */
static unsigned combine_all(struct run *run, const struct tk_sampling_policy *policy,
                            unsigned all) {
  unsigned possible = 0;
  for (uint32_t i = 0; i < policy->child_count; i++) {
    const unsigned outcome = evaluate(run, &policy->children[i]);
    possible |= outcome & FAILED;
    if (outcome & REFUSES) possible |= NOT_SAMPLED;
    if (!(outcome & (unsigned)~(FAILED | REFUSES))) return possible;
  }
  return possible | all;
}

static unsigned negate(unsigned outcome) {
  return (outcome & (unsigned)~(SAMPLED | NOT_SAMPLED)) | (outcome & SAMPLED ? NOT_SAMPLED : 0) |
         (outcome & NOT_SAMPLED ? SAMPLED : 0);
}

/* Whether a trace that a sub-policy wants fits into what is left of its share. */
static unsigned take_share(struct run *run, const struct tk_sampling_policy *composite,
                           uint32_t child) {
  const struct tk_sampling_policy *policy = &composite->children[child];
  const int64_t share = composite->as.composite.shares[child].spans_per_second;
  const int64_t most = composite->as.composite.max_spans_per_second;
  const int64_t count = run->facts->span_count;
  if (count > share || count > most) return NOT_SAMPLED;
  if (run->cell) return SAMPLED | NOT_SAMPLED;
  int64_t *used = used_in_second(&run->program->policies[policy->ordinal].share, run->facts->end);
  if (*used + count > share || *used + count > most) return NOT_SAMPLED;
  *used += count;
  run->sub_policy = policy;
  return SAMPLED;
}

/* The first sub-policy that wants the trace decides, by whether its share has room. */
static unsigned try_in_order(struct run *run, const struct tk_sampling_policy *policy) {
  unsigned possible = 0;
  for (uint32_t i = 0; i < policy->child_count; i++) {
    const unsigned outcome = evaluate(run, &policy->children[i]);
    possible |= outcome & FAILED;
    if (outcome & KEEPS) possible |= take_share(run, policy, i);
    if (!(outcome & (unsigned)~(FAILED | KEEPS))) return possible;
  }
  return possible | NOT_SAMPLED;
}

static unsigned evaluate(struct run *run, const struct tk_sampling_policy *policy) {
  switch ((int)policy->type) {
    case TK_SAMPLING_ALWAYS_SAMPLE:
      return SAMPLED;
    case TK_SAMPLING_PROBABILISTIC:
      return draw(run, policy);
    case TK_SAMPLING_NUMERIC_ATTRIBUTE:
      return leaf_outcome(run, policy, policy->as.numeric_attribute.invert_match);
    case TK_SAMPLING_STRING_ATTRIBUTE:
      return leaf_outcome(run, policy, policy->as.string_attribute.invert_match);
    case TK_SAMPLING_BOOLEAN_ATTRIBUTE:
      return leaf_outcome(run, policy, policy->as.boolean_attribute.invert_match);
    case TK_SAMPLING_RATE_LIMITING:
    case TK_SAMPLING_BYTES_LIMITING:
      return limit_rate(run, policy);
    case TK_SAMPLING_AND:
      return combine_all(run, policy, SAMPLED);
    case TK_SAMPLING_DROP:
      return combine_all(run, policy, DROPPED);
    case TK_SAMPLING_NOT:
      return negate(evaluate(run, &policy->children[0]));
    case TK_SAMPLING_COMPOSITE:
      return try_in_order(run, policy);
    default:
      return leaf_outcome(run, policy, false);
  }
}

/* ---- the processor ---- */

/* Who was the first to say what. */
struct said {
  const struct tk_sampling_policy *sampled, *inverted, *refused, *drops;
  const struct tk_sampling_policy *sub_policy; /* of `sampled` */
  bool not_sampled;
};

/* Drop policies come first, whatever the order in the file. */
static void ask_policies(struct run *run, const struct tk_sampling_policy *tail,
                         struct said *said) {
  for (int turn = 0; turn < 2; turn++) {
    for (uint32_t i = 0; i < tail->child_count; i++) {
      const struct tk_sampling_policy *policy = &tail->children[i];
      if ((policy->type == TK_SAMPLING_DROP) != (turn == 0)) continue;
      run->sub_policy = NULL;
      const unsigned outcome = evaluate(run, policy);
      if (outcome & DROPPED) {
        said->drops = policy;
        return;
      }
      if (outcome & SAMPLED && !said->sampled) {
        said->sampled = policy;
        said->sub_policy = run->sub_policy;
      }
      if (outcome & INVERT_SAMPLED && !said->inverted) said->inverted = policy;
      if (outcome & INVERT_NOT_SAMPLED && !said->refused) said->refused = policy;
      said->not_sampled |= (outcome & NOT_SAMPLED) != 0;
      if (tail->as.tail.sample_on_first_match && outcome & SAMPLED) return;
    }
  }
}

/* 1: such a trace is kept; 0: it is not; -1: it depends on a limiter. What else is said counts only
 * where nothing drops the trace, so it is looked at as if nothing did. */
static int foresee(struct run *run, const struct tk_sampling_policy *tail) {
  unsigned can = 0, must = 0; /* what can be said, and what is certainly said */
  bool may_drop = false, may_have_ended = false;
  for (int turn = 0; turn < 2; turn++) {
    for (uint32_t i = 0; i < tail->child_count; i++) {
      const struct tk_sampling_policy *policy = &tail->children[i];
      if ((policy->type == TK_SAMPLING_DROP) != (turn == 0)) continue;
      unsigned outcome = evaluate(run, policy);
      if (outcome == DROPPED) return 0;
      may_drop |= (outcome & DROPPED) != 0;
      outcome &= (unsigned)~DROPPED;
      const bool is_certain = (outcome & (outcome - 1)) == 0;
      can |= outcome;
      if (is_certain && !(may_have_ended && outcome == INVERT_NOT_SAMPLED)) must |= outcome;
      if (!tail->as.tail.sample_on_first_match) continue;
      if (outcome == SAMPLED) goto said;
      may_have_ended |= (outcome & SAMPLED) != 0;
    }
  }
said:
  if (must & INVERT_NOT_SAMPLED) return 0;
  if (!(can & SAMPLED) && (!(can & INVERT_SAMPLED) || must & NOT_SAMPLED)) return 0;
  if (may_drop || can & INVERT_NOT_SAMPLED) return -1;
  return must & SAMPLED || (must & INVERT_SAMPLED && !(can & NOT_SAMPLED)) ? 1 : -1;
}

/* The sum over all combinations of draws; negative: unknown. */
static double sum_of_draws(struct tk_program *program, const struct tk_sampling_policy *tail,
                           const struct tk_replay_facts *facts) {
  struct tk_program_draws *draws = program->draws;
  struct run run = {.program = program, .facts = facts, .cell = draws->cell};
  uint64_t cells = 1;
  double sum = 0;
  for (uint32_t i = 0; i < draws->count && cells <= CELL_LIMIT; i++) {
    cells *= draws->items[i].level_count + 1;
  }
  if (cells > CELL_LIMIT) return -1;
  memset(draws->cell, 0, draws->count * sizeof *draws->cell);
  for (uint64_t c = 0; c < cells; c++) {
    double probability = 1;
    for (uint32_t i = 0; i < draws->count; i++) {
      const struct tk_draw *draw_ = &draws->items[i];
      const uint32_t level = draws->cell[i];
      const double below = level > 0 ? draw_->levels[level - 1].probability : 0;
      const double upto = level < draw_->level_count ? draw_->levels[level].probability : 1;
      probability *= upto - below;
    }
    if (probability > 0) {
      const int kept = foresee(&run, tail);
      if (kept < 0) return -1;
      if (kept > 0) sum += probability;
    }
    for (uint32_t i = 0; i < draws->count; i++) {
      if (draws->cell[i]++ < draws->items[i].level_count) break;
      draws->cell[i] = 0;
    }
  }
  return sum > 1 ? 1 : sum;
}

/* The same, remembered. It depends on the leaves, and with limiters on the size of the trace. */
static double probability_of(struct tk_program *program, const struct tk_sampling_policy *tail,
                             const struct tk_replay_facts *facts) {
  struct tk_probability_memo *memo = &program->draws->memo;
  uint64_t *key = memo->key, hash = 0;
  for (uint32_t i = 0; i < program->words; i++) {
    key[i] = facts->hits[i];
    key[program->words + i] = facts->errors[i];
  }
  key[memo->width - 3] = tail->ordinal;
  key[memo->width - 2] = program->is_stateful ? facts->span_count : 0;
  key[memo->width - 1] = program->is_stateful ? facts->bytes : 0;
  for (uint32_t i = 0; i < memo->width; i++) {
    hash = (hash ^ key[i]) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 29;
  }
  const uint32_t slot = (uint32_t)(hash % TK_MEMO_SLOTS);
  uint64_t *known = memo->keys + (size_t)slot * memo->width;
  const size_t size = memo->width * sizeof *known;
  if (memo->values[slot] >= -1 && memcmp(known, key, size) == 0) return memo->values[slot];
  memcpy(known, key, size);
  return memo->values[slot] = sum_of_draws(program, tail, facts);
}

enum tk_status tk_decide_tail(struct tk_program *program, const struct tk_sampling_policy *tail,
                              const struct tk_replay_facts *facts, bool wants_probability,
                              struct tk_replay_decision *decision_out) {
  struct run run = {.program = program, .facts = facts};
  struct said said = {0};
  ask_policies(&run, tail, &said);
  decision_out->stage = TK_STAGE_TAIL;
  decision_out->verdict = TK_VERDICT_DROP;
  if (said.drops) {
    decision_out->policy = said.drops;
  } else if (said.refused) {
    decision_out->policy = said.refused;
  } else if (said.sampled) {
    decision_out->verdict = TK_VERDICT_KEEP;
    decision_out->policy = said.sampled;
    decision_out->sub_policy = said.sub_policy;
  } else if (said.inverted && !said.not_sampled) {
    decision_out->verdict = TK_VERDICT_KEEP;
    decision_out->policy = said.inverted;
  }
  decision_out->probability = wants_probability ? probability_of(program, tail, facts) : -1;
  return TK_OK;
}

/* ---- samplers that decide once for a trace, by its root ---- */

static void keep_if(struct tk_replay_decision *decision, bool keeps, double probability) {
  decision->verdict = keeps ? TK_VERDICT_KEEP : TK_VERDICT_DROP;
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
  decision->verdict = TK_VERDICT_UNKNOWN;
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
  if (in_any_case) decision->verdict = TK_VERDICT_KEEP;
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
    int64_t *used = used_in_second(&program->policies[rule->ordinal].second, facts->end);
    if (*used < reservoir) {
      ++*used;
      decision->verdict = TK_VERDICT_KEEP;
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
      decision->stage = TK_STAGE_TAIL;
      return one_in(sampler->as.refinery_deterministic.rate, facts, decision, error);
    case TK_SAMPLING_REFINERY_RULES:
      decision->stage = TK_STAGE_TAIL;
      return decide_refinery_rules(program, sampler, facts, decision, error);
    default: /* of Refinery: rates that vary with what else came in */
      decision->stage = TK_STAGE_TAIL;
      unknown(decision);
      return TK_OK;
  }
}

/* ---- probabilistic_sampler ---- */

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

static void decide_spans(const struct tk_program *program, const struct tk_sampling_policy *policy,
                         const struct tk_replay_facts *facts, struct tk_replay_decision *decision) {
  const struct tk_compiled_policy *compiled = &program->policies[policy->ordinal];
  const struct tk_span_stage *sum = &facts->stages[compiled->span_stage];
  struct tk_seeded_hash hashed;
  decision->stage = TK_STAGE_COLLECTOR;
  decision->policy = policy;
  decision->verdict = sum->kept > 0 ? TK_VERDICT_KEEP : TK_VERDICT_DROP;
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

/* ---- one stage after another ---- */

/* With which probability the stages from `stage` on keep a trace that does not come to them. */
static double go_on(struct tk_program *program, uint32_t stage, const struct tk_replay_facts *facts,
                    double probability) {
  for (; stage < program->stage_count && probability > 0; stage++) {
    const struct tk_sampling_policy *policy = program->stages[stage];
    const double next =
        policy->type == TK_SAMPLING_TAIL
            ? probability_of(program, policy, facts)
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
      decide_spans(program, stage, facts, &decision);
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
    if (decision.verdict == TK_VERDICT_KEEP) continue;
    if (wants_probability) decision_out->probability = go_on(program, i + 1, facts, probability);
    break;
  }
  if (decision_out->verdict != TK_VERDICT_KEEP) decision_out->kept_spans = 0;
  return TK_OK;
}
