/* A sampling configuration, ready to decide: what to ask of the spans of a trace, and the decision
 * once it is known.
 *
 * Whatever depends on the spans alone is a *leaf*: true of a trace or not, or (OTTL) an error. The
 * decision takes the leaves of a trace, its id, its size, and the state of rate limiters; so it is
 * made in two steps, and the second can happen in another order than the first. */
#ifndef TK_SQLEXT_SAMPLING_POLICY_PROGRAM_H
#define TK_SQLEXT_SAMPLING_POLICY_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "sqlext/sampling/policy_expression.h"
#include "sqlext/sampling/sampler_math.h"
#include "tracekeep/sampling_config.h"

/** What a configuration does not say. */
struct tk_semantics {
  uint32_t minor;          /**< of the collector: 157 is v0.157 */
  enum tk_sdk sdk;         /**< whose ratio sampler */
  struct tk_text pipeline; /**< of several; empty: not said */
  struct tk_text target;   /**< of Refinery's rules; empty: not said */
};

/** "v0.150 sdk=java pipeline=traces/edge target=production", in any order, also with commas; "" and
 * "latest" are the newest known. Texts point into `text`. */
enum tk_status tk_semantics_parse(struct tk_text text, struct tk_semantics *semantics_out,
                                  struct tk_error *error);

/** From v0.157 on latency without an upper bound is greater than, before it was at least. */
#define TK_LATENCY_EXCLUSIVE_SINCE 157

enum tk_leaf_kind {
  TK_LEAF_STATUS,      /**< a span has one of the status codes */
  TK_LEAF_STRING,      /**< a span or resource has the attribute, as a text that matches */
  TK_LEAF_NUMERIC,     /**< ... as an integer in the range */
  TK_LEAF_BOOLEAN,     /**< ... as the truth value */
  TK_LEAF_TRACE_STATE, /**< a span's tracestate has the member */
  TK_LEAF_FLAGS,       /**< a span has the sampled flag */
  TK_LEAF_CONDITION,   /**< one of the expressions holds of a span, or an event */
  TK_LEAF_ROOT,        /**< the expression holds of the root; false without one */
  TK_LEAF_HAS_ROOT,    /**< whether it has a root, as `wants_root` says */
  TK_LEAF_LATENCY,
  TK_LEAF_LATENCY_IN_ORDER, /**< at some time, as spans came in (before v0.157) */
  TK_LEAF_SPAN_COUNT
};

struct tk_leaf {
  enum tk_leaf_kind kind;
  const struct tk_sampling_policy *policy;
  struct tk_regex **regexes; /**< STRING with regular expressions: one for each value */
  const struct tk_expression **conditions;
  const struct tk_expression **event_conditions;
  uint32_t condition_count, event_condition_count;
  bool wants_root;
  bool errors_count; /**< an error of a condition is an error of the policy */
};

/** What a stage that decides span by span did with the spans of one trace. */
struct tk_span_stage {
  uint64_t threshold; /**< the highest of those that were kept */
  uint64_t least;     /**< the lowest that a span was asked to reach */
  uint32_t kept;
  bool is_asked;   /**< a span was neither refused nor kept whatever its randomness is */
  bool is_unknown; /**< a span was kept for a reason that has no probability */
};

#define TK_SPAN_STAGES 4

/** Of one trace: all that a decision takes. */
struct tk_replay_facts {
  uint8_t trace_id[16];
  int64_t start, end; /**< unix nanoseconds */
  uint64_t bytes;
  uint64_t randomness; /**< 56 bits: rv of the root's tracestate, or of the id */
  uint32_t span_count, error_count;
  uint32_t choice; /**< ordinal of the rule or strategy that applies, or TK_NO_CHOICE */
  struct tk_span_stage stages[TK_SPAN_STAGES];
  uint64_t *hits, *errors; /**< a bit for each leaf: words of the program each */
};

#define TK_NO_CHOICE UINT32_MAX

enum tk_replay_verdict { TK_REPLAY_KEEP, TK_REPLAY_DROP, TK_REPLAY_UNKNOWN };
enum tk_replay_stage { TK_REPLAY_HEAD, TK_REPLAY_COLLECTOR, TK_REPLAY_TAIL };

struct tk_replay_decision {
  enum tk_replay_verdict verdict;
  enum tk_replay_stage stage;
  const struct tk_sampling_policy *policy;     /**< that decided; NULL: none matched */
  const struct tk_sampling_policy *sub_policy; /**< of a composite */
  double probability;                          /**< of being kept; negative: unknown */
  uint64_t randomness;
  uint32_t kept_spans;
};

struct tk_compiled_policy;

struct tk_program {
  const struct tk_sampling_config *config;
  struct tk_semantics semantics;
  const struct tk_sampling_policy *const *stages; /**< one after another */
  uint32_t stage_count;
  struct tk_expression_pool pool;
  struct tk_leaf *leaves;
  uint32_t leaf_count, leaf_capacity, words;
  struct tk_compiled_policy *policies; /**< by ordinal */
  uint32_t span_stage_count;
  const struct tk_expression *priority; /**< the attribute sampling.priority, with span stages */
  bool is_stateful; /**< has rate limiters: traces must come in order of their end */
  bool needs_bytes;
  bool needs_root; /**< to choose a rule, or for leaves of the root */
  bool needs_spans_in_order;
  struct tk_program_draws *draws;
};

/** `config` must outlive the program. TK_INVALID and TK_UNSUPPORTED: the message begins with the
 * place in the configuration. The program is to be reset, whatever this returns. */
enum tk_status tk_program_init(struct tk_program *program, const struct tk_sampling_config *config,
                               const struct tk_semantics *semantics, struct tk_error *error);
void tk_program_reset(struct tk_program *program);
/** Rate limiters as they are at the start. */
void tk_program_rewind(struct tk_program *program);

/** The strategy or rule of a head sampler for a trace with this root; sets facts->choice. */
void tk_program_choose(const struct tk_program *program, struct tk_text service,
                       struct tk_text operation, struct tk_replay_facts *facts);

/** What stage `stage` (of those that decide by span) does with one span, added to
 * facts->stages. `priority`: value of sampling.priority, EMPTY without. */
void tk_program_add_spans(const struct tk_program *program, uint32_t stage,
                          struct tk_text trace_state, const struct tk_value *priority,
                          uint32_t span_count, struct tk_replay_facts *facts);

/** `wants_probability`: it takes time of its own. */
enum tk_status tk_program_decide(struct tk_program *program, const struct tk_replay_facts *facts,
                                 bool wants_probability, struct tk_replay_decision *decision_out,
                                 struct tk_error *error);

#endif
