/* What policy_program.c (with policy_leaves.c and policy_draws.c) makes of a configuration, and
 * policy_decide.c, policy_tail.c and policy_spans.c decide by. */
#ifndef TK_SQLEXT_SAMPLING_POLICY_COMPILED_H
#define TK_SQLEXT_SAMPLING_POLICY_COMPILED_H

#include "sqlext/sampling/policy_program.h"

__extension__ typedef __int128 tk_tokens;

/** A bucket that fills at a rate and holds so many, both in millionths; full at the start. */
struct tk_limiter {
  int64_t rate, burst;
  tk_tokens tokens; /**< in 10^-15 */
  int64_t last;     /**< unix nanoseconds */
  bool is_started;
};

/** What was let through in one second. */
struct tk_second {
  int64_t second, used;
  bool is_started;
};

/** A policy by its ordinal. */
struct tk_compiled_policy {
  uint32_t first_leaf, leaf_count;
  uint32_t salt, level;      /**< PROBABILISTIC: which draw, and up to where it keeps */
  uint64_t threshold;        /**< PROBABILITY, probabilistic_sampler: 56 bits */
  uint32_t span_stage;       /**< probabilistic_sampler: index of facts->stages */
  struct tk_limiter limiter; /**< RATE_LIMITING, BYTES_LIMITING, Jaeger's */
  struct tk_second second;   /**< RATE_LIMITING before v0.153, X-Ray's reservoir */
  struct tk_second share;    /**< of a sub-policy of a composite */
};

/** All policies with one salt draw the same number. */
struct tk_draw {
  struct tk_text salt;
  struct tk_level {
    uint64_t threshold;
    double probability;
  } * levels; /**< ascending, distinct */
  uint32_t level_count;
};

/** Probabilities that were worked out, by what they depend on; many traces are alike. */
struct tk_probability_memo {
  uint64_t *keys; /**< `width` words for each slot, */
  uint64_t *key;  /**< and one to look for */
  double *values; /**< negative below -1: an empty slot */
  uint32_t width;
};
#define TK_MEMO_SLOTS 1024

struct tk_program_draws {
  struct tk_draw *items;
  uint32_t count;
  struct tk_probability_memo memo;
  uint32_t *cell; /**< for a walk through all combinations: a level (or level_count) of each */
};

static inline bool tk_leaf_hits(const struct tk_replay_facts *facts, uint32_t leaf) {
  return facts->hits[leaf / 64] >> (leaf % 64) & 1;
}
static inline bool tk_leaf_errs(const struct tk_replay_facts *facts, uint32_t leaf) {
  return facts->errors[leaf / 64] >> (leaf % 64) & 1;
}

static inline struct tk_compiled_policy *tk_compiled_of(const struct tk_program *program,
                                                        const struct tk_sampling_policy *policy) {
  return &program->policies[policy->ordinal];
}

/* ---- making ---- */

/** The message begins with the place of `policy`, or with `line` if that is not 0. */
enum tk_status tk_program_refuse(const struct tk_program *program,
                                 const struct tk_sampling_policy *policy, uint32_t line,
                                 enum tk_status status, struct tk_error *error, const char *format,
                                 ...) TK_PRINTF(6, 7);

/** Leaves of a policy by its type: one that depends on nothing else, or on its options. */
enum tk_status tk_add_simple_leaf(struct tk_program *program,
                                  const struct tk_sampling_policy *policy, enum tk_leaf_kind kind,
                                  struct tk_error *error);
enum tk_status tk_add_rule_leaf(struct tk_program *program, const struct tk_sampling_policy *policy,
                                struct tk_error *error);
enum tk_status tk_add_refinery_leaves(struct tk_program *program,
                                      const struct tk_sampling_policy *policy,
                                      struct tk_error *error);
enum tk_status tk_add_string_leaf(struct tk_program *program,
                                  const struct tk_sampling_policy *policy, struct tk_error *error);
enum tk_status tk_add_ottl_leaf(struct tk_program *program, const struct tk_sampling_policy *policy,
                                struct tk_error *error);
enum tk_status tk_add_xray_leaf(struct tk_program *program, const struct tk_sampling_policy *policy,
                                struct tk_error *error);
/** TK_UNSUPPORTED, refused: what Refinery hashes with is not built in. */
enum tk_status tk_check_sha1(const struct tk_program *program,
                             const struct tk_sampling_policy *policy, struct tk_error *error);

/** The salts and thresholds of all probabilistic policies. */
enum tk_status tk_find_draws(struct tk_program *program, struct tk_error *error);

/* ---- deciding ---- */

/** The decision of a tail_sampling, of samplers that decide once for a trace, and of a
 * probabilistic_sampler. */
enum tk_status tk_decide_tail(struct tk_program *program, const struct tk_sampling_policy *tail,
                              const struct tk_replay_facts *facts, bool wants_probability,
                              struct tk_replay_decision *decision_out);
enum tk_status tk_decide_head(struct tk_program *program, const struct tk_sampling_policy *sampler,
                              const struct tk_replay_facts *facts,
                              struct tk_replay_decision *decision_out, struct tk_error *error);

void tk_decide_spans(const struct tk_program *program, const struct tk_sampling_policy *policy,
                     const struct tk_replay_facts *facts, struct tk_replay_decision *decision_out);

/** With which probability a tail_sampling keeps a trace like this; negative: unknown. */
double tk_tail_probability(struct tk_program *program, const struct tk_sampling_policy *tail,
                           const struct tk_replay_facts *facts);

bool tk_limiter_take(struct tk_limiter *limiter, int64_t now, int64_t count);
/** What was let through in the second of `now`; 0 again when it is another. */
int64_t *tk_second_used(struct tk_second *second, int64_t now);

#endif
