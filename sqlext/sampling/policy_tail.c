/* SPDX-License-Identifier: MIT
 * The decision of tail_sampling about a trace once its leaves are known, and its probability.
 *
 * A policy's outcome is a set of bits. Deciding, it has exactly one. For the probability with
 * which a trace like this is kept, the same policies run once for each combination of what the
 * hashes could have been, and a rate limiter's outcome is both: where the decision depends on one,
 * the probability is unknown. */
#include <string.h>

#include "sqlext/sampling/policy_compiled.h"
#include "sqlext/sampling/sampler_math.h"

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

struct run {
  struct tk_program *program;
  const struct tk_replay_facts *facts;
  const uint32_t *cell; /* what is drawn; NULL: what the trace id says, and limiters count */
  const struct tk_sampling_policy *sub_policy;
};

/* ---- limiters ---- */

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
  int64_t *used = tk_second_used(&compiled->second, facts->end);
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
  int64_t *used = tk_second_used(&run->program->policies[policy->ordinal].share, run->facts->end);
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
double tk_tail_probability(struct tk_program *program, const struct tk_sampling_policy *tail,
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
  decision_out->stage = TK_REPLAY_TAIL;
  decision_out->verdict = TK_REPLAY_DROP;
  if (said.drops) {
    decision_out->policy = said.drops;
  } else if (said.refused) {
    decision_out->policy = said.refused;
  } else if (said.sampled) {
    decision_out->verdict = TK_REPLAY_KEEP;
    decision_out->policy = said.sampled;
    decision_out->sub_policy = said.sub_policy;
  } else if (said.inverted && !said.not_sampled) {
    decision_out->verdict = TK_REPLAY_KEEP;
    decision_out->policy = said.inverted;
  }
  decision_out->probability = wants_probability ? tk_tail_probability(program, tail, facts) : -1;
  return TK_OK;
}
