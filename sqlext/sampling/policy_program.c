/* SPDX-License-Identifier: MIT
 * Makes a program of a configuration: which stages there are, which leaves they ask for, how full
 * their limiters are. See policy_program.h. Everything that cannot be replayed is refused here,
 * and in policy_leaves.c, with the place where it is written. */
#include "sqlext/sampling/policy_program.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sqlext/sampling/policy_compiled.h"
#include "store/sqlite_api.h"

enum { NOT_SINCE = 154 /* the policy `not` */ };

#define MILLION INT64_C(1000000)

/* ---- refusing ---- */

enum tk_status tk_program_refuse(const struct tk_program *program,
                                 const struct tk_sampling_policy *policy, uint32_t line,
                                 enum tk_status status, struct tk_error *error, const char *format,
                                 ...) {
  const struct tk_text file = program->config->name;
  char message[400];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  const struct tk_text name = policy->name;
  return tk_fail(error, status, "%.*s%s%u:%u: %s%s%.*s%s: %s", (int)file.size,
                 file.data ? file.data : "", file.size > 0 ? ":" : "",
                 (unsigned)(line > 0 ? line : policy->line), (unsigned)policy->column,
                 tk_sampling_type_name(policy->type), name.size > 0 ? " '" : "", (int)name.size,
                 name.data ? name.data : "", name.size > 0 ? "'" : "", message);
}

/* ---- limiters ---- */

static int64_t millionths(int64_t count) {
  if (count <= 0) return 0;
  return count < INT64_MAX / MILLION ? count * MILLION : INT64_MAX / 2;
}

static void set_limiter(struct tk_program *program, const struct tk_sampling_policy *policy) {
  const struct tk_sampling_limit *limit = &policy->as.limit;
  struct tk_limiter *limiter = &tk_compiled_of(program, policy)->limiter;
  limiter->rate = millionths(limit->per_second);
  limiter->burst =
      limit->burst.written && limit->burst.value > 0
          ? millionths(limit->burst.value)
          : millionths(limit->per_second < INT64_MAX / 2 ? 2 * limit->per_second : INT64_MAX);
  program->is_stateful = true;
  program->needs_bytes |= policy->type == TK_SAMPLING_BYTES_LIMITING;
}

static void set_jaeger_limiter(struct tk_program *program,
                               const struct tk_sampling_policy *policy) {
  struct tk_limiter *limiter = &tk_compiled_of(program, policy)->limiter;
  const struct tk_sampling_policy *service = policy->parent ? policy->parent : policy;
  if (policy->type == TK_SAMPLING_JAEGER_RATE_LIMITING) {
    limiter->rate = millionths(policy->as.jaeger.traces_per_second);
  } else {
    const double bound = service->as.jaeger.lower_bound;
    if (!(bound > 0 && bound < 1e9)) return;
    limiter->rate = (int64_t)(bound * (double)MILLION + 0.5);
  }
  limiter->burst = limiter->rate > MILLION ? limiter->rate : MILLION;
  program->is_stateful = true;
}

/* ---- policies ---- */

static enum tk_status compile_policy(struct tk_program *program,
                                     const struct tk_sampling_policy *policy,
                                     struct tk_error *error);

static enum tk_status compile_children(struct tk_program *program,
                                       const struct tk_sampling_policy *policy,
                                       struct tk_error *error) {
  enum tk_status status = TK_OK;
  for (uint32_t i = 0; i < policy->child_count && status == TK_OK; i++) {
    status = compile_policy(program, &policy->children[i], error);
  }
  return status;
}

static enum tk_status compile_latency(struct tk_program *program,
                                      const struct tk_sampling_policy *policy,
                                      struct tk_error *error) {
  const bool in_order = program->semantics.minor < TK_LATENCY_EXCLUSIVE_SINCE &&
                        policy->as.latency.upper_threshold_ns != 0;
  return tk_add_simple_leaf(program, policy, in_order ? TK_LEAF_LATENCY_IN_ORDER : TK_LEAF_LATENCY,
                            error);
}

static enum tk_status compile_span_stage(struct tk_program *program,
                                         const struct tk_sampling_policy *policy,
                                         struct tk_error *error) {
  const struct tk_sampling_probabilistic_sampler *sampler = &policy->as.probabilistic_sampler;
  struct tk_compiled_policy *compiled = tk_compiled_of(program, policy);
  const float percentage = (float)sampler->percentage.value;
  if (program->span_stage_count == TK_SPAN_STAGES) {
    return tk_program_refuse(program, policy, 0, TK_UNSUPPORTED, error,
                             "more than %d in a pipeline", TK_SPAN_STAGES);
  }
  compiled->span_stage = program->span_stage_count++;
  program->priority = tk_expression_field(&program->pool, TK_FIELD_ATTRIBUTE,
                                          (struct tk_text){"sampling.priority", 17});
  if (!program->priority) return tk_nomem(error);
  if (sampler->mode == TK_MODE_HASH_SEED) {
    const uint32_t buckets = tk_seeded_buckets(percentage);
    compiled->threshold = buckets == 0 ? TK_THRESHOLD_NEVER : (uint64_t)(16384 - buckets) << 42;
  } else {
    compiled->threshold =
        tk_threshold_of_probability((double)percentage / 100, (int)sampler->precision);
  }
  return TK_OK;
}

static enum tk_status compile_remote(struct tk_program *program,
                                     const struct tk_sampling_policy *policy,
                                     struct tk_error *error) {
  if (policy->type == TK_SAMPLING_JAEGER_REMOTE && policy->child_count > 0) {
    return compile_children(program, policy, error);
  }
  return tk_program_refuse(
      program, policy, 0, TK_UNSUPPORTED, error,
      "what a remote sampler answered is not in its configuration: replay the strategies "
      "themselves");
}

static enum tk_status compile_tail(struct tk_program *program,
                                   const struct tk_sampling_policy *policy,
                                   struct tk_error *error) {
  if (policy->as.tail.strategy == TK_TAIL_SPAN_INGEST) {
    return tk_program_refuse(
        program, policy, 0, TK_UNSUPPORTED, error,
        "sampling_strategy span-ingest decides by batches, which are not stored");
  }
  return compile_children(program, policy, error);
}

static enum tk_status compile_not(struct tk_program *program,
                                  const struct tk_sampling_policy *policy, struct tk_error *error) {
  if (program->semantics.minor >= NOT_SINCE) return compile_children(program, policy, error);
  return tk_program_refuse(
      program, policy, 0, TK_INVALID, error,
      "the collector has this policy from v0.%d on, and the semantics asked for is v0.%u",
      NOT_SINCE, (unsigned)program->semantics.minor);
}

static enum tk_status compile_composite(struct tk_program *program,
                                        const struct tk_sampling_policy *policy,
                                        struct tk_error *error) {
  program->is_stateful = true;
  return compile_children(program, policy, error);
}

static enum tk_status compile_limit(struct tk_program *program,
                                    const struct tk_sampling_policy *policy,
                                    struct tk_error *error) {
  (void)error;
  set_limiter(program, policy);
  return TK_OK;
}

static enum tk_status compile_jaeger(struct tk_program *program,
                                     const struct tk_sampling_policy *policy,
                                     struct tk_error *error) {
  program->needs_root = true;
  set_jaeger_limiter(program, policy);
  return compile_children(program, policy, error);
}

static enum tk_status compile_refinery_deterministic(struct tk_program *program,
                                                     const struct tk_sampling_policy *policy,
                                                     struct tk_error *error) {
  return policy->as.refinery_deterministic.rate > 1 ? tk_check_sha1(program, policy, error) : TK_OK;
}

static enum tk_status compile_refinery_rules(struct tk_program *program,
                                             const struct tk_sampling_policy *policy,
                                             struct tk_error *error) {
  if (policy->as.refinery_rules.check_nested_fields) {
    return tk_program_refuse(program, policy, 0, TK_UNSUPPORTED, error,
                             "CheckNestedFields is not supported");
  }
  return compile_children(program, policy, error);
}

static enum tk_status compile_refinery_rule(struct tk_program *program,
                                            const struct tk_sampling_policy *policy,
                                            struct tk_error *error) {
  const enum tk_status status = tk_add_refinery_leaves(program, policy, error);
  return status == TK_OK ? compile_children(program, policy, error) : status;
}

static enum tk_status compile_probability(struct tk_program *program,
                                          const struct tk_sampling_policy *policy,
                                          struct tk_error *error) {
  (void)error;
  tk_compiled_of(program, policy)->threshold =
      tk_threshold_of_probability(policy->as.ratio.ratio.value, 4);
  return TK_OK;
}

static enum tk_status compile_rule(struct tk_program *program,
                                   const struct tk_sampling_policy *policy,
                                   struct tk_error *error) {
  const enum tk_status status = tk_add_rule_leaf(program, policy, error);
  return status == TK_OK ? compile_children(program, policy, error) : status;
}

/* Decided at the root: its other children never are asked. */
static enum tk_status compile_parent_based(struct tk_program *program,
                                           const struct tk_sampling_policy *policy,
                                           struct tk_error *error) {
  return compile_policy(program, &policy->children[0], error);
}

/* One leaf, which depends on nothing but the type. */
struct simple_leaf {
  bool is_one;
  enum tk_leaf_kind kind;
};

/* What has neither is done with when its children are. */
static enum tk_status compile_policy(struct tk_program *program,
                                     const struct tk_sampling_policy *policy,
                                     struct tk_error *error) {
  static enum tk_status (*const compilers[TK_SAMPLING_TYPE_COUNT])(
      struct tk_program *, const struct tk_sampling_policy *, struct tk_error *) = {
      [TK_SAMPLING_PROBABILISTIC_SAMPLER] = compile_span_stage,
      [TK_SAMPLING_TAIL] = compile_tail,
      [TK_SAMPLING_LATENCY] = compile_latency,
      [TK_SAMPLING_STRING_ATTRIBUTE] = tk_add_string_leaf,
      [TK_SAMPLING_OTTL_CONDITION] = tk_add_ottl_leaf,
      [TK_SAMPLING_RATE_LIMITING] = compile_limit,
      [TK_SAMPLING_BYTES_LIMITING] = compile_limit,
      [TK_SAMPLING_NOT] = compile_not,
      [TK_SAMPLING_COMPOSITE] = compile_composite,
      [TK_SAMPLING_JAEGER_PROBABILISTIC] = compile_jaeger,
      [TK_SAMPLING_JAEGER_RATE_LIMITING] = compile_jaeger,
      [TK_SAMPLING_JAEGER_REMAINING] = compile_jaeger,
      [TK_SAMPLING_REFINERY_DETERMINISTIC] = compile_refinery_deterministic,
      [TK_SAMPLING_REFINERY_RULES] = compile_refinery_rules,
      [TK_SAMPLING_REFINERY_RULE] = compile_refinery_rule,
      [TK_SAMPLING_PROBABILITY] = compile_probability,
      [TK_SAMPLING_JAEGER_REMOTE] = compile_remote,
      [TK_SAMPLING_XRAY_REMOTE] = compile_remote,
      [TK_SAMPLING_PARENT_BASED] = compile_parent_based,
      [TK_SAMPLING_RULE] = compile_rule,
      [TK_SAMPLING_XRAY_RULE] = tk_add_xray_leaf};
  static const struct simple_leaf leaves[TK_SAMPLING_TYPE_COUNT] = {
      [TK_SAMPLING_NUMERIC_ATTRIBUTE] = {true, TK_LEAF_NUMERIC},
      [TK_SAMPLING_STATUS_CODE] = {true, TK_LEAF_STATUS},
      [TK_SAMPLING_BOOLEAN_ATTRIBUTE] = {true, TK_LEAF_BOOLEAN},
      [TK_SAMPLING_TRACE_STATE] = {true, TK_LEAF_TRACE_STATE},
      [TK_SAMPLING_TRACE_FLAGS] = {true, TK_LEAF_FLAGS},
      [TK_SAMPLING_SPAN_COUNT] = {true, TK_LEAF_SPAN_COUNT}};
  if (leaves[policy->type].is_one) {
    return tk_add_simple_leaf(program, policy, leaves[policy->type].kind, error);
  }
  if (compilers[policy->type]) return compilers[policy->type](program, policy, error);
  return compile_children(program, policy, error);
}

/* ---- stages ---- */

static bool same_text(struct tk_text a, struct tk_text b) {
  return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static enum tk_status fail_config(const struct tk_program *program, struct tk_error *error,
                                  const char *format, ...) TK_PRINTF(3, 4);

static enum tk_status fail_config(const struct tk_program *program, struct tk_error *error,
                                  const char *format, ...) {
  const struct tk_text file = program->config->name;
  char message[400];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return tk_fail(error, TK_INVALID, "%.*s%s%s", (int)file.size, file.data ? file.data : "",
                 file.size > 0 ? ": " : "", message);
}

static enum tk_status choose_pipeline(struct tk_program *program, struct tk_error *error) {
  const struct tk_sampling_config *config = program->config;
  const struct tk_text wanted = program->semantics.pipeline;
  char names[200] = "";
  size_t size = 0;
  for (uint32_t i = 0; i < config->pipeline_count; i++) {
    const struct tk_sampling_pipeline *pipeline = &config->pipelines[i];
    if (same_text(pipeline->name, wanted) || (wanted.size == 0 && config->pipeline_count == 1)) {
      program->stages = pipeline->stages;
      program->stage_count = pipeline->stage_count;
      return TK_OK;
    }
    const int more = snprintf(names + size, sizeof names - size, "%s%.*s", i > 0 ? ", " : "",
                              (int)pipeline->name.size, pipeline->name.data);
    if (more > 0) size = size + (size_t)more < sizeof names ? size + (size_t)more : size;
  }
  if (wanted.size > 0) {
    return fail_config(program, error, "no traces pipeline is called '%.*s'; there are: %s",
                       (int)wanted.size, wanted.data, names);
  }
  return fail_config(program, error,
                     "several traces pipelines sample (%s): say which, semantics 'pipeline=NAME'",
                     names);
}

static enum tk_status choose_target(struct tk_program *program, struct tk_error *error) {
  static const struct tk_text fallback = {"__default__", 11};
  const struct tk_sampling_config *config = program->config;
  const struct tk_text wanted =
      program->semantics.target.size > 0 ? program->semantics.target : fallback;
  const struct tk_sampling_policy **stages = tk_arena_alloc(&program->pool.arena, sizeof *stages);
  if (!stages) return tk_nomem(error);
  program->stages = stages;
  program->stage_count = 1;
  for (uint32_t i = 0; i < config->root_count; i++) {
    stages[0] = &config->roots[i];
    if (same_text(stages[0]->name, wanted)) return TK_OK;
  }
  if (config->root_count == 1 && program->semantics.target.size == 0) return TK_OK;
  return fail_config(program, error, "no sampler for the target '%.*s'", (int)wanted.size,
                     wanted.data);
}

/* Rules and strategies of which one applies are one stage: the first stands for all. */
static enum tk_status choose_stages(struct tk_program *program, struct tk_error *error) {
  const struct tk_sampling_config *config = program->config;
  if (config->root_count == 0) return fail_config(program, error, "nothing that samples");
  if (config->dialect == TK_DIALECT_COLLECTOR && config->pipeline_count > 0) {
    return choose_pipeline(program, error);
  }
  if (config->dialect == TK_DIALECT_REFINERY) return choose_target(program, error);
  const uint32_t most = config->dialect == TK_DIALECT_COLLECTOR ? config->root_count : 1;
  const struct tk_sampling_policy **stages =
      tk_arena_alloc(&program->pool.arena, most * sizeof *stages);
  if (!stages) return tk_nomem(error);
  for (uint32_t i = 0; i < most; i++) {
    if (!config->roots[i].unused) stages[program->stage_count++] = &config->roots[i];
  }
  program->stages = stages;
  if (program->stage_count > 0) return TK_OK;
  return fail_config(program, error, "no traces pipeline uses a sampler");
}

static bool all_roots_count(const struct tk_sampling_config *config) {
  return config->dialect == TK_DIALECT_JAEGER_STRATEGIES ||
         config->dialect == TK_DIALECT_JAEGER_ANSWER || config->dialect == TK_DIALECT_XRAY;
}

enum tk_status tk_program_init(struct tk_program *program, const struct tk_sampling_config *config,
                               const struct tk_semantics *semantics, struct tk_error *error) {
  enum tk_status status;
  *program = (struct tk_program){.config = config, .semantics = *semantics};
  const size_t size = config->policy_count * sizeof *program->policies;
  program->policies = tk_arena_alloc(&program->pool.arena, size + 16);
  if (!program->policies) return tk_nomem(error);
  memset(program->policies, 0, size + 16);
  if ((status = choose_stages(program, error)) != TK_OK) return status;
  if (all_roots_count(config)) {
    for (uint32_t i = 0; i < config->root_count && status == TK_OK; i++) {
      status = compile_policy(program, &config->roots[i], error);
    }
  } else {
    for (uint32_t i = 0; i < program->stage_count && status == TK_OK; i++) {
      status = compile_policy(program, program->stages[i], error);
    }
  }
  program->words = (program->leaf_count + 63) / 64;
  if (program->words == 0) program->words = 1;
  return status == TK_OK ? tk_find_draws(program, error) : status;
}

void tk_program_reset(struct tk_program *program) {
  sqlite3_free(program->leaves);
  tk_expression_pool_reset(&program->pool);
  *program = (struct tk_program){0};
}

void tk_program_rewind(struct tk_program *program) {
  for (uint32_t i = 0; i < program->config->policy_count; i++) {
    program->policies[i].limiter.is_started = false;
    program->policies[i].second.is_started = false;
    program->policies[i].share.is_started = false;
  }
}
