/* SPDX-License-Identifier: MIT
 * Makes a program of a configuration: which stages there are, which leaves they ask for, how full
 * their limiters are. See policy_program.h. Everything that cannot be replayed is refused here,
 * with the place where it is written. */
#include "sqlext/sampling/policy_program.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqlext/consistent_sampling.h"
#include "sqlext/sampling/hash_functions.h"
#include "sqlext/sampling/policy_compiled.h"
#include "sqlext/sampling/policy_ottl.h"
#include "sqlext/sampling/policy_refinery.h"
#include "store/sqlite_api.h"

enum {
  NEWEST = 157,        /* semantics without a version */
  NOT_SINCE = 154,     /* the policy `not` */
  BUCKETS_SINCE = 153, /* rate_limiting by token bucket */
  LEAF_LIMIT = 4096
};

#define MILLION INT64_C(1000000)

/* ---- semantics ---- */

static bool take_option(struct tk_text word, const char *name, struct tk_text *value) {
  const size_t size = strlen(name);
  if (word.size <= size || memcmp(word.data, name, size) != 0) return false;
  *value = (struct tk_text){word.data + size, word.size - (uint32_t)size};
  return true;
}

/* `v0.157`, `0.157.1` */
static bool read_version(struct tk_text word, uint32_t *minor) {
  uint32_t at = word.data[0] == 'v', number = 0, digits = 0;
  if (word.size < at + 3 || memcmp(word.data + at, "0.", 2) != 0) return false;
  for (at += 2; at < word.size && word.data[at] >= '0' && word.data[at] <= '9'; at++, digits++) {
    if (digits < 6) number = number * 10 + (uint32_t)(word.data[at] - '0');
  }
  *minor = number;
  if (digits == 0 || digits > 6) return false;
  if (at == word.size) return true;
  for (at++; at < word.size; at++) {
    if (word.data[at] < '0' || word.data[at] > '9') return false;
  }
  return true;
}

static enum tk_status read_word(struct tk_text word, struct tk_semantics *semantics,
                                struct tk_error *error) {
  struct tk_text value;
  if (take_option(word, "sdk=", &value)) {
    if (tk_sdk_find(value, &semantics->sdk)) return TK_OK;
    return tk_fail(error, TK_INVALID,
                   "semantics: expected sdk=go, go1.11, rust, python, java, dotnet or js, found "
                   "'%.*s'",
                   (int)word.size, word.data);
  }
  if (take_option(word, "pipeline=", &semantics->pipeline)) return TK_OK;
  if (take_option(word, "target=", &semantics->target)) return TK_OK;
  if (word.size == 6 && memcmp(word.data, "latest", 6) == 0) return TK_OK;
  if (read_version(word, &semantics->minor)) return TK_OK;
  return tk_fail(error, TK_INVALID,
                 "semantics: expected a version such as v0.150, sdk=, pipeline= or target=, found "
                 "'%.*s'",
                 (int)(word.size < 60 ? word.size : 60), word.data);
}

enum tk_status tk_semantics_parse(struct tk_text text, struct tk_semantics *semantics_out,
                                  struct tk_error *error) {
  struct tk_semantics semantics = {.minor = NEWEST};
  enum tk_status status = TK_OK;
  for (uint32_t at = 0; at < text.size && status == TK_OK;) {
    uint32_t end = at;
    while (end < text.size && text.data[end] != ' ' && text.data[end] != ',') end++;
    if (end > at) {
      status = read_word((struct tk_text){text.data + at, end - at}, &semantics, error);
    }
    at = end + 1;
  }
  if (status == TK_OK) *semantics_out = semantics;
  return status;
}

/* ---- refusing ---- */

static enum tk_status refuse(const struct tk_program *program,
                             const struct tk_sampling_policy *policy, uint32_t line,
                             enum tk_status status, struct tk_error *error, const char *format, ...)
    TK_PRINTF(6, 7);

static enum tk_status refuse(const struct tk_program *program,
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

/* ---- leaves ---- */

static struct tk_compiled_policy *compiled_of(const struct tk_program *program,
                                              const struct tk_sampling_policy *policy) {
  return &program->policies[policy->ordinal];
}

static enum tk_status add_leaf(struct tk_program *program, const struct tk_sampling_policy *policy,
                               enum tk_leaf_kind kind, struct tk_leaf **leaf_out,
                               struct tk_error *error) {
  struct tk_compiled_policy *compiled = compiled_of(program, policy);
  if (program->leaf_count == LEAF_LIMIT) {
    return refuse(program, policy, 0, TK_UNSUPPORTED, error, "more than %d conditions", LEAF_LIMIT);
  }
  if (program->leaf_count == program->leaf_capacity) {
    const uint32_t capacity = program->leaf_capacity ? program->leaf_capacity * 2 : 16;
    void *larger = sqlite3_realloc64(program->leaves, (uint64_t)capacity * sizeof *program->leaves);
    if (!larger) return tk_nomem(error);
    program->leaves = larger;
    program->leaf_capacity = capacity;
  }
  if (compiled->leaf_count++ == 0) compiled->first_leaf = program->leaf_count;
  *leaf_out = &program->leaves[program->leaf_count++];
  **leaf_out = (struct tk_leaf){.kind = kind, .policy = policy};
  program->needs_root |= kind == TK_LEAF_ROOT || kind == TK_LEAF_HAS_ROOT;
  program->needs_spans_in_order |= kind == TK_LEAF_LATENCY_IN_ORDER;
  return TK_OK;
}

static enum tk_status add_simple_leaf(struct tk_program *program,
                                      const struct tk_sampling_policy *policy,
                                      enum tk_leaf_kind kind, struct tk_error *error) {
  struct tk_leaf *leaf;
  return add_leaf(program, policy, kind, &leaf, error);
}

static enum tk_status add_string_leaf(struct tk_program *program,
                                      const struct tk_sampling_policy *policy,
                                      struct tk_error *error) {
  const struct tk_sampling_string_attribute *attribute = &policy->as.string_attribute;
  struct tk_error inner = {{0}};
  struct tk_leaf *leaf;
  enum tk_status status = add_leaf(program, policy, TK_LEAF_STRING, &leaf, error);
  if (status != TK_OK || !attribute->is_regex) return status;
  leaf->regexes = tk_arena_alloc(&program->pool.arena, attribute->values.count * sizeof(void *));
  if (!leaf->regexes) return tk_nomem(error);
  for (uint32_t i = 0; i < attribute->values.count && status == TK_OK; i++) {
    status =
        tk_expression_regex(&program->pool, attribute->values.items[i], &leaf->regexes[i], &inner);
  }
  if (status == TK_NOMEM) return tk_nomem(error);
  return status == TK_OK ? TK_OK : refuse(program, policy, 0, status, error, "%s", inner.message);
}

static enum tk_status parse_conditions(struct tk_program *program,
                                       const struct tk_sampling_policy *policy,
                                       const struct tk_sampling_texts *texts,
                                       enum tk_ottl_context context,
                                       const struct tk_expression ***list_out,
                                       struct tk_error *error) {
  struct tk_error inner = {{0}};
  const struct tk_expression **list =
      tk_arena_alloc(&program->pool.arena, texts->count * sizeof *list);
  if (!list) return tk_nomem(error);
  for (uint32_t i = 0; i < texts->count; i++) {
    const enum tk_status status =
        tk_ottl_parse(texts->items[i], context, &program->pool, &list[i], &inner);
    if (status == TK_NOMEM) return tk_nomem(error);
    if (status != TK_OK) {
      return refuse(program, policy, 0, status, error, "%s condition %u: %s",
                    context == TK_OTTL_SPAN ? "span" : "spanevent", (unsigned)i + 1, inner.message);
    }
  }
  *list_out = list;
  return TK_OK;
}

static enum tk_status add_ottl_leaf(struct tk_program *program,
                                    const struct tk_sampling_policy *policy,
                                    struct tk_error *error) {
  const struct tk_sampling_ottl_condition *ottl = &policy->as.ottl_condition;
  const struct tk_expression **spans, **events;
  struct tk_leaf *leaf;
  enum tk_status status =
      parse_conditions(program, policy, &ottl->span, TK_OTTL_SPAN, &spans, error);
  if (status != TK_OK) return status;
  status =
      parse_conditions(program, policy, &ottl->span_events, TK_OTTL_SPAN_EVENT, &events, error);
  if (status != TK_OK) return status;
  if ((status = add_leaf(program, policy, TK_LEAF_CONDITION, &leaf, error)) != TK_OK) return status;
  leaf->conditions = spans;
  leaf->condition_count = ottl->span.count;
  leaf->event_conditions = events;
  leaf->event_condition_count = ottl->span_events.count;
  leaf->errors_count = ottl->error_mode == TK_OTTL_PROPAGATE;
  return TK_OK;
}

/* One expression, of any span or of the root. */
static enum tk_status add_expression_leaf(struct tk_program *program,
                                          const struct tk_sampling_policy *policy,
                                          enum tk_leaf_kind kind,
                                          const struct tk_expression *expression,
                                          struct tk_error *error) {
  struct tk_leaf *leaf;
  const struct tk_expression **list = tk_arena_alloc(&program->pool.arena, sizeof *list);
  enum tk_status status = add_leaf(program, policy, kind, &leaf, error);
  if (status != TK_OK) return status;
  if (!list) return tk_nomem(error);
  list[0] = expression;
  leaf->conditions = list;
  leaf->condition_count = 1;
  return TK_OK;
}

/* ---- expressions of rules; NULL is out of memory throughout ---- */

static struct tk_expression *combine(struct tk_program *program, enum tk_node node, int op,
                                     const struct tk_expression *a, const struct tk_expression *b) {
  struct tk_expression *made = tk_expression_new(&program->pool, node);
  const struct tk_expression **children =
      tk_arena_alloc(&program->pool.arena, 2 * sizeof *children);
  if (!made || !children || !a) return NULL;
  children[0] = a;
  children[1] = b;
  made->children = children;
  made->child_count = b ? 2 : 1;
  made->op = op;
  return made;
}

static struct tk_expression *text_literal(struct tk_program *program, struct tk_text text) {
  struct tk_expression *made = tk_expression_new(&program->pool, TK_NODE_LITERAL);
  if (!made) return NULL;
  made->literal = (struct tk_value){
      .type = TK_VALUE_STRING, .size = text.size, .as.text = text.data ? text.data : ""};
  return made;
}

static struct tk_expression *bool_literal(struct tk_program *program, bool truth) {
  struct tk_expression *made = tk_expression_new(&program->pool, TK_NODE_LITERAL);
  if (made) made->literal = (struct tk_value){.type = TK_VALUE_BOOL, .as.integer = truth};
  return made;
}

static struct tk_expression *both(struct tk_program *program, struct tk_expression *a,
                                  struct tk_expression *b) {
  return a && b ? combine(program, TK_NODE_AND, 0, a, b) : NULL;
}

static struct tk_expression *either(struct tk_program *program, struct tk_expression *a,
                                    struct tk_expression *b) {
  return a && b ? combine(program, TK_NODE_OR, 0, a, b) : NULL;
}

static struct tk_expression *field(struct tk_program *program, enum tk_field which,
                                   struct tk_text key) {
  return tk_expression_field(&program->pool, which, key);
}

static struct tk_expression *wildcard(struct tk_program *program, struct tk_expression *target,
                                      struct tk_text pattern, bool fold) {
  struct tk_expression *wanted = text_literal(program, pattern);
  if (!target || !wanted) return NULL;
  return combine(program, TK_NODE_CALL, fold ? TK_CALL_WILDCARD_CASE : TK_CALL_WILDCARD, target,
                 wanted);
}

/* ---- rules of SDK samplers ---- */

static struct tk_expression *rule_values(struct tk_program *program,
                                         const struct tk_sampling_rule *rule) {
  struct tk_expression *any = bool_literal(program, false);
  for (uint32_t i = 0; i < rule->values.count && any; i++) {
    struct tk_expression *target = field(program, TK_FIELD_ATTRIBUTE, rule->values_key);
    struct tk_expression *text =
        target ? combine(program, TK_NODE_CALL, TK_CALL_STRING, target, NULL) : NULL;
    struct tk_expression *wanted = text_literal(program, rule->values.items[i]);
    if (!text || !wanted) return NULL;
    any = either(program, any, combine(program, TK_NODE_COMPARE, TK_EQ, text, wanted));
  }
  return any;
}

static struct tk_expression *any_pattern(struct tk_program *program,
                                         const struct tk_sampling_rule *rule,
                                         const struct tk_sampling_texts *patterns) {
  struct tk_expression *any = bool_literal(program, false);
  for (uint32_t i = 0; i < patterns->count && any; i++) {
    any = either(program, any,
                 wildcard(program, field(program, TK_FIELD_ATTRIBUTE, rule->patterns_key),
                          patterns->items[i], false));
  }
  return any;
}

/* The attribute is there, is one of the included (all, if there are none), none of the excluded. */
static struct tk_expression *rule_patterns(struct tk_program *program,
                                           const struct tk_sampling_rule *rule) {
  struct tk_expression *nothing = tk_expression_new(&program->pool, TK_NODE_LITERAL);
  struct tk_expression *target = field(program, TK_FIELD_ATTRIBUTE, rule->patterns_key);
  if (!nothing || !target) return NULL;
  struct tk_expression *all = combine(program, TK_NODE_COMPARE, TK_NE, target, nothing);
  if (rule->included.count > 0)
    all = both(program, all, any_pattern(program, rule, &rule->included));
  if (rule->excluded.count > 0 && all) {
    struct tk_expression *excluded = any_pattern(program, rule, &rule->excluded);
    all = excluded ? both(program, all, combine(program, TK_NODE_NOT, 0, excluded, NULL)) : NULL;
  }
  return all;
}

static struct tk_expression *rule_kinds(struct tk_program *program, uint32_t kinds) {
  struct tk_expression *any = bool_literal(program, false);
  for (int64_t kind = 0; kind < 32 && any; kind++) {
    if (!(kinds >> kind & 1)) continue;
    struct tk_expression *target = field(program, TK_FIELD_KIND, (struct tk_text){"", 0});
    struct tk_expression *wanted = tk_expression_new(&program->pool, TK_NODE_LITERAL);
    if (!target || !wanted) return NULL;
    wanted->literal = (struct tk_value){.type = TK_VALUE_INT, .as.integer = kind};
    any = either(program, any, combine(program, TK_NODE_COMPARE, TK_EQ, target, wanted));
  }
  return any;
}

static enum tk_status add_rule_leaf(struct tk_program *program,
                                    const struct tk_sampling_policy *policy,
                                    struct tk_error *error) {
  const struct tk_sampling_rule *rule = &policy->as.rule;
  /* Decided at the root, which has no parent. */
  struct tk_expression *all =
      bool_literal(program, rule->parents == 0 || rule->parents & TK_PARENT_NONE);
  if (rule->has_values) all = both(program, all, rule_values(program, rule));
  if (rule->has_patterns) all = both(program, all, rule_patterns(program, rule));
  if (rule->kinds != 0) all = both(program, all, rule_kinds(program, rule->kinds));
  if (!all) return tk_nomem(error);
  return add_expression_leaf(program, policy, TK_LEAF_ROOT, all, error);
}

/* ---- rules of X-Ray ---- */

/* One of up to three attributes has the pattern; a pattern that is not given matches all. */
static struct tk_expression *xray_pattern(struct tk_program *program, struct tk_expression *all,
                                          struct tk_text pattern, const char *const *keys) {
  struct tk_expression *any = bool_literal(program, false);
  if (pattern.size == 0 || (pattern.size == 1 && pattern.data[0] == '*')) return all;
  for (; *keys && any; keys++) {
    const struct tk_text key = {*keys, (uint32_t)strlen(*keys)};
    any = either(program, any,
                 wildcard(program, field(program, TK_FIELD_ATTRIBUTE, key), pattern, true));
  }
  return both(program, all, any);
}

static enum tk_status add_xray_leaf(struct tk_program *program,
                                    const struct tk_sampling_policy *policy,
                                    struct tk_error *error) {
  static const char *const hosts[] = {"http.host", "server.address", "net.host.name", NULL};
  static const char *const methods[] = {"http.request.method", "http.method", NULL};
  static const char *const paths[] = {"url.path", "http.target", NULL};
  static const char *const service_keys[] = {"service.name"};
  const struct tk_sampling_xray *rule = &policy->as.xray;
  struct tk_expression *all = bool_literal(program, true);
  if ((rule->service_type.size > 0 && rule->service_type.data[0] != '*') ||
      (rule->resource_arn.size > 0 && rule->resource_arn.data[0] != '*')) {
    return refuse(program, policy, 0, TK_UNSUPPORTED, error,
                  "rules by ServiceType or ResourceARN are not supported");
  }
  if (!rule->is_default) {
    all = xray_pattern(program, all, rule->host, hosts);
    all = xray_pattern(program, all, rule->http_method, methods);
    all = xray_pattern(program, all, rule->url_path, paths);
    if (policy->service.size > 0) {
      const struct tk_text key = {service_keys[0], (uint32_t)strlen(service_keys[0])};
      all = both(program, all,
                 wildcard(program, field(program, TK_FIELD_RESOURCE_ATTRIBUTE, key),
                          policy->service, true));
    }
    for (uint32_t i = 0; i < rule->attribute_count && all; i++) {
      const struct tk_attribute *attribute = &rule->attributes[i];
      const struct tk_text pattern = {attribute->value.as.text, attribute->value.size};
      all = both(
          program, all,
          wildcard(program, field(program, TK_FIELD_ATTRIBUTE, attribute->key), pattern, true));
    }
  }
  if (!all) return tk_nomem(error);
  program->is_stateful |= rule->reservoir_per_second > 0;
  return add_expression_leaf(program, policy, TK_LEAF_ROOT, all, error);
}

/* ---- Refinery's rules ---- */

static enum tk_status check_sha1(const struct tk_program *program,
                                 const struct tk_sampling_policy *policy, struct tk_error *error) {
  struct tk_error inner = {{0}};
  uint32_t head;
  const enum tk_status status = tk_sha1_head("", 0, &head, &inner);
  return status == TK_OK ? TK_OK : refuse(program, policy, 0, status, error, "%s", inner.message);
}

static enum tk_status add_refinery_leaves(struct tk_program *program,
                                          const struct tk_sampling_policy *policy,
                                          struct tk_error *error) {
  const struct tk_sampling_refinery_rule *rule = &policy->as.refinery_rule;
  struct tk_expression *one_span = NULL; /* what a single span must meet, of Scope "span" */
  enum tk_status status = TK_OK;
  for (uint32_t i = 0; i < rule->condition_count && status == TK_OK; i++) {
    const struct tk_refinery_condition *condition = &rule->conditions[i];
    const struct tk_expression *expression = NULL;
    struct tk_error inner = {{0}};
    bool of_root = false;
    if (condition->op == TK_REFINERY_HAS_ROOT_SPAN) {
      status = add_simple_leaf(program, policy, TK_LEAF_HAS_ROOT, error);
      continue;
    }
    status = tk_refinery_compile(condition, &program->pool, &expression, &of_root, &inner);
    if (status == TK_NOMEM) return tk_nomem(error);
    if (status != TK_OK) {
      return refuse(program, policy, condition->line, status, error, "%s", inner.message);
    }
    if (rule->by_span && !of_root) {
      one_span = one_span ? combine(program, TK_NODE_AND, 0, one_span, expression)
                          : combine(program, TK_NODE_AND, 0, expression, NULL);
      if (!one_span) return tk_nomem(error);
      continue;
    }
    status = add_expression_leaf(program, policy, of_root ? TK_LEAF_ROOT : TK_LEAF_CONDITION,
                                 expression, error);
  }
  if (status == TK_OK && one_span) {
    status = add_expression_leaf(program, policy, TK_LEAF_CONDITION, one_span, error);
  }
  if (status == TK_OK && !rule->drop && policy->child_count == 0 && rule->rate > 1) {
    status = check_sha1(program, policy, error);
  }
  return status;
}

/* ---- limiters ---- */

static int64_t millionths(int64_t count) {
  if (count <= 0) return 0;
  return count < INT64_MAX / MILLION ? count * MILLION : INT64_MAX / 2;
}

static void set_limiter(struct tk_program *program, const struct tk_sampling_policy *policy) {
  const struct tk_sampling_limit *limit = &policy->as.limit;
  struct tk_limiter *limiter = &compiled_of(program, policy)->limiter;
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
  struct tk_limiter *limiter = &compiled_of(program, policy)->limiter;
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
  return add_simple_leaf(program, policy, in_order ? TK_LEAF_LATENCY_IN_ORDER : TK_LEAF_LATENCY,
                         error);
}

static enum tk_status compile_span_stage(struct tk_program *program,
                                         const struct tk_sampling_policy *policy,
                                         struct tk_error *error) {
  const struct tk_sampling_probabilistic_sampler *sampler = &policy->as.probabilistic_sampler;
  struct tk_compiled_policy *compiled = compiled_of(program, policy);
  const float percentage = (float)sampler->percentage.value;
  if (program->span_stage_count == TK_SPAN_STAGES) {
    return refuse(program, policy, 0, TK_UNSUPPORTED, error, "more than %d in a pipeline",
                  TK_SPAN_STAGES);
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

static enum tk_status refuse_remote(struct tk_program *program,
                                    const struct tk_sampling_policy *policy,
                                    struct tk_error *error) {
  if (policy->type == TK_SAMPLING_JAEGER_REMOTE && policy->child_count > 0) {
    return compile_children(program, policy, error);
  }
  return refuse(program, policy, 0, TK_UNSUPPORTED, error,
                "what a remote sampler answered is not in its configuration: replay the strategies "
                "themselves");
}

static enum tk_status compile_policy(struct tk_program *program,
                                     const struct tk_sampling_policy *policy,
                                     struct tk_error *error) {
  enum tk_status status = TK_OK;
  switch (policy->type) {
    case TK_SAMPLING_PROBABILISTIC_SAMPLER:
      return compile_span_stage(program, policy, error);
    case TK_SAMPLING_TAIL:
      if (policy->as.tail.strategy == TK_TAIL_SPAN_INGEST) {
        return refuse(program, policy, 0, TK_UNSUPPORTED, error,
                      "sampling_strategy span-ingest decides by batches, which are not stored");
      }
      break;
    case TK_SAMPLING_LATENCY:
      return compile_latency(program, policy, error);
    case TK_SAMPLING_NUMERIC_ATTRIBUTE:
      return add_simple_leaf(program, policy, TK_LEAF_NUMERIC, error);
    case TK_SAMPLING_STATUS_CODE:
      return add_simple_leaf(program, policy, TK_LEAF_STATUS, error);
    case TK_SAMPLING_STRING_ATTRIBUTE:
      return add_string_leaf(program, policy, error);
    case TK_SAMPLING_BOOLEAN_ATTRIBUTE:
      return add_simple_leaf(program, policy, TK_LEAF_BOOLEAN, error);
    case TK_SAMPLING_TRACE_STATE:
      return add_simple_leaf(program, policy, TK_LEAF_TRACE_STATE, error);
    case TK_SAMPLING_TRACE_FLAGS:
      return add_simple_leaf(program, policy, TK_LEAF_FLAGS, error);
    case TK_SAMPLING_SPAN_COUNT:
      return add_simple_leaf(program, policy, TK_LEAF_SPAN_COUNT, error);
    case TK_SAMPLING_OTTL_CONDITION:
      return add_ottl_leaf(program, policy, error);
    case TK_SAMPLING_RATE_LIMITING:
    case TK_SAMPLING_BYTES_LIMITING:
      set_limiter(program, policy);
      return TK_OK;
    case TK_SAMPLING_NOT:
      if (program->semantics.minor < NOT_SINCE) {
        return refuse(program, policy, 0, TK_INVALID, error,
                      "the collector has this policy from v0.%d on, and the semantics asked for is "
                      "v0.%u",
                      NOT_SINCE, (unsigned)program->semantics.minor);
      }
      break;
    case TK_SAMPLING_COMPOSITE:
      program->is_stateful = true;
      break;
    case TK_SAMPLING_JAEGER_PROBABILISTIC:
    case TK_SAMPLING_JAEGER_RATE_LIMITING:
    case TK_SAMPLING_JAEGER_REMAINING:
      program->needs_root = true;
      set_jaeger_limiter(program, policy);
      break;
    case TK_SAMPLING_REFINERY_DETERMINISTIC:
      if (policy->as.refinery_deterministic.rate > 1) return check_sha1(program, policy, error);
      break;
    case TK_SAMPLING_REFINERY_RULES:
      if (policy->as.refinery_rules.check_nested_fields) {
        return refuse(program, policy, 0, TK_UNSUPPORTED, error,
                      "CheckNestedFields is not supported");
      }
      break;
    case TK_SAMPLING_REFINERY_RULE:
      if ((status = add_refinery_leaves(program, policy, error)) != TK_OK) return status;
      break;
    case TK_SAMPLING_PROBABILITY:
      compiled_of(program, policy)->threshold =
          tk_threshold_of_probability(policy->as.ratio.ratio.value, 4);
      break;
    case TK_SAMPLING_JAEGER_REMOTE:
    case TK_SAMPLING_XRAY_REMOTE:
      return refuse_remote(program, policy, error);
    case TK_SAMPLING_RULE:
      if ((status = add_rule_leaf(program, policy, error)) != TK_OK) return status;
      break;
    case TK_SAMPLING_XRAY_RULE:
      return add_xray_leaf(program, policy, error);
    case TK_SAMPLING_PARENT_BASED: /* decided at the root: its other children never are */
      return compile_policy(program, &policy->children[0], error);
    case TK_SAMPLING_ALWAYS_SAMPLE:
    case TK_SAMPLING_PROBABILISTIC:
    case TK_SAMPLING_AND:
    case TK_SAMPLING_DROP:
    case TK_SAMPLING_REFINERY_DYNAMIC:
    case TK_SAMPLING_REFINERY_EMA_DYNAMIC:
    case TK_SAMPLING_REFINERY_EMA_THROUGHPUT:
    case TK_SAMPLING_REFINERY_WINDOWED_THROUGHPUT:
    case TK_SAMPLING_REFINERY_TOTAL_THROUGHPUT:
    case TK_SAMPLING_ALWAYS_ON:
    case TK_SAMPLING_ALWAYS_OFF:
    case TK_SAMPLING_ALWAYS_RECORD:
    case TK_SAMPLING_TRACE_ID_RATIO:
    case TK_SAMPLING_COMPOSABLE:
    case TK_SAMPLING_PARENT_THRESHOLD:
    case TK_SAMPLING_RULE_BASED:
    default:
      break;
  }
  return compile_children(program, policy, error);
}

/* ---- draws ---- */

static double probability_of(const struct tk_sampling_policy *policy) {
  const double ratio = policy->as.probabilistic.percentage.value / 100;
  return !(ratio > 0) ? 0 : ratio > 1 ? 1 : ratio;
}

static bool same_text(struct tk_text a, struct tk_text b) {
  return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static void add_level(struct tk_draw *draw, uint64_t threshold, double probability) {
  uint32_t at = 0;
  while (at < draw->level_count && draw->levels[at].threshold < threshold) at++;
  if (at < draw->level_count && draw->levels[at].threshold == threshold) return;
  memmove(draw->levels + at + 1, draw->levels + at,
          (draw->level_count - at) * sizeof *draw->levels);
  draw->levels[at] = (struct tk_level){threshold, probability};
  draw->level_count++;
}

/* The salts and thresholds of all probabilistic policies. */
static enum tk_status find_draws(struct tk_program *program, struct tk_error *error) {
  struct tk_arena *arena = &program->pool.arena;
  const struct tk_sampling_policy *policy = NULL;
  uint32_t most = 0;
  while ((policy = tk_sampling_config_next(program->config, policy)) != NULL) {
    most += policy->type == TK_SAMPLING_PROBABILISTIC;
  }
  struct tk_program_draws *draws = tk_arena_alloc(arena, sizeof *draws);
  if (!draws) return tk_nomem(error);
  *draws = (struct tk_program_draws){.items = tk_arena_alloc(arena, most * sizeof *draws->items),
                                     .cell = tk_arena_alloc(arena, most * sizeof *draws->cell)};
  if (!draws->items || !draws->cell) return tk_nomem(error);
  while ((policy = tk_sampling_config_next(program->config, policy)) != NULL) {
    if (policy->type != TK_SAMPLING_PROBABILISTIC) continue;
    uint32_t salt = 0;
    while (salt < draws->count &&
           !same_text(draws->items[salt].salt, policy->as.probabilistic.hash_salt)) {
      salt++;
    }
    struct tk_draw *draw = &draws->items[salt];
    if (salt == draws->count) {
      *draw = (struct tk_draw){.salt = policy->as.probabilistic.hash_salt,
                               .levels = tk_arena_alloc(arena, most * sizeof *draw->levels)};
      if (!draw->levels) return tk_nomem(error);
      draws->count++;
    }
    compiled_of(program, policy)->salt = salt;
    add_level(draw, tk_tail_threshold(policy->as.probabilistic.percentage.value),
              probability_of(policy));
  }
  while ((policy = tk_sampling_config_next(program->config, policy)) != NULL) {
    if (policy->type != TK_SAMPLING_PROBABILISTIC) continue;
    struct tk_compiled_policy *compiled = compiled_of(program, policy);
    const uint64_t threshold = tk_tail_threshold(policy->as.probabilistic.percentage.value);
    compiled->level = 0;
    while (draws->items[compiled->salt].levels[compiled->level].threshold != threshold) {
      compiled->level++;
    }
  }
  program->draws = draws;
  return TK_OK;
}

/* ---- stages ---- */

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
  return status == TK_OK ? find_draws(program, error) : status;
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
