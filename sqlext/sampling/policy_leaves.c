/* SPDX-License-Identifier: MIT
 * The leaves that a policy or a rule asks for: what has to be known of the spans of a trace before
 * it is decided about. */
#include <string.h>

#include "sqlext/sampling/hash_functions.h"
#include "sqlext/sampling/policy_compiled.h"
#include "sqlext/sampling/policy_ottl.h"
#include "sqlext/sampling/policy_refinery.h"
#include "sqlext/sampling/policy_rules.h"
#include "store/sqlite_api.h"

enum { LEAF_LIMIT = 4096 };

static enum tk_status add_leaf(struct tk_program *program, const struct tk_sampling_policy *policy,
                               enum tk_leaf_kind kind, struct tk_leaf **leaf_out,
                               struct tk_error *error) {
  struct tk_compiled_policy *compiled = tk_compiled_of(program, policy);
  if (program->leaf_count == LEAF_LIMIT) {
    return tk_program_refuse(program, policy, 0, TK_UNSUPPORTED, error, "more than %d conditions",
                             LEAF_LIMIT);
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

enum tk_status tk_add_simple_leaf(struct tk_program *program,
                                  const struct tk_sampling_policy *policy, enum tk_leaf_kind kind,
                                  struct tk_error *error) {
  struct tk_leaf *leaf;
  return add_leaf(program, policy, kind, &leaf, error);
}

enum tk_status tk_add_string_leaf(struct tk_program *program,
                                  const struct tk_sampling_policy *policy, struct tk_error *error) {
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
  return status == TK_OK
             ? TK_OK
             : tk_program_refuse(program, policy, 0, status, error, "%s", inner.message);
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
      return tk_program_refuse(program, policy, 0, status, error, "%s condition %u: %s",
                               context == TK_OTTL_SPAN ? "span" : "spanevent", (unsigned)i + 1,
                               inner.message);
    }
  }
  *list_out = list;
  return TK_OK;
}

enum tk_status tk_add_ottl_leaf(struct tk_program *program, const struct tk_sampling_policy *policy,
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

/* ---- rules of SDK samplers and of X-Ray ---- */

enum tk_status tk_add_rule_leaf(struct tk_program *program, const struct tk_sampling_policy *policy,
                                struct tk_error *error) {
  const struct tk_expression *all = tk_rule_expression(&program->pool, &policy->as.rule);
  if (!all) return tk_nomem(error);
  return add_expression_leaf(program, policy, TK_LEAF_ROOT, all, error);
}

enum tk_status tk_add_xray_leaf(struct tk_program *program, const struct tk_sampling_policy *policy,
                                struct tk_error *error) {
  const struct tk_sampling_xray *rule = &policy->as.xray;
  if ((rule->service_type.size > 0 && rule->service_type.data[0] != '*') ||
      (rule->resource_arn.size > 0 && rule->resource_arn.data[0] != '*')) {
    return tk_program_refuse(program, policy, 0, TK_UNSUPPORTED, error,
                             "rules by ServiceType or ResourceARN are not supported");
  }
  const struct tk_expression *all = tk_xray_expression(&program->pool, policy);
  if (!all) return tk_nomem(error);
  program->is_stateful |= rule->reservoir_per_second > 0;
  return add_expression_leaf(program, policy, TK_LEAF_ROOT, all, error);
}

/* ---- Refinery's rules ---- */

enum tk_status tk_check_sha1(const struct tk_program *program,
                             const struct tk_sampling_policy *policy, struct tk_error *error) {
  struct tk_error inner = {{0}};
  uint32_t head;
  const enum tk_status status = tk_sha1_head("", 0, &head, &inner);
  return status == TK_OK
             ? TK_OK
             : tk_program_refuse(program, policy, 0, status, error, "%s", inner.message);
}

static enum tk_status add_has_root_leaf(struct tk_program *program,
                                        const struct tk_sampling_policy *policy,
                                        const struct tk_refinery_condition *condition,
                                        struct tk_error *error) {
  const struct tk_value *value = condition->values;
  struct tk_leaf *leaf;
  const enum tk_status status = add_leaf(program, policy, TK_LEAF_HAS_ROOT, &leaf, error);
  if (status != TK_OK || condition->value_count == 0) return status;
  leaf->wants_root = value->type == TK_VALUE_STRING
                         ? value->size == 4 && memcmp(value->as.text, "true", 4) == 0
                         : value->as.integer != 0;
  return TK_OK;
}

/* Adds a condition: to what a single span must meet, of Scope "span", or as a leaf of its own. */
static enum tk_status add_refinery_condition(struct tk_program *program,
                                             const struct tk_sampling_policy *policy,
                                             const struct tk_refinery_condition *condition,
                                             struct tk_expression *one_span,
                                             const struct tk_expression **children,
                                             struct tk_error *error) {
  const struct tk_expression *expression = NULL;
  struct tk_error inner = {{0}};
  bool of_root = false;
  if (condition->op == TK_REFINERY_HAS_ROOT_SPAN) {
    return add_has_root_leaf(program, policy, condition, error);
  }
  const enum tk_status status =
      tk_refinery_compile(condition, &program->pool, &expression, &of_root, &inner);
  if (status == TK_NOMEM) return tk_nomem(error);
  if (status != TK_OK) {
    return tk_program_refuse(program, policy, condition->line, status, error, "%s", inner.message);
  }
  if (policy->as.refinery_rule.by_span && !of_root) {
    children[one_span->child_count++] = expression;
    return TK_OK;
  }
  return add_expression_leaf(program, policy, of_root ? TK_LEAF_ROOT : TK_LEAF_CONDITION,
                             expression, error);
}

enum tk_status tk_add_refinery_leaves(struct tk_program *program,
                                      const struct tk_sampling_policy *policy,
                                      struct tk_error *error) {
  const struct tk_sampling_refinery_rule *rule = &policy->as.refinery_rule;
  const struct tk_expression **children;
  struct tk_expression *one_span =
      tk_expression_list(&program->pool, TK_NODE_AND, rule->condition_count, &children);
  enum tk_status status = TK_OK;
  if (!one_span) return tk_nomem(error);
  one_span->child_count = 0;
  for (uint32_t i = 0; i < rule->condition_count && status == TK_OK; i++) {
    status =
        add_refinery_condition(program, policy, &rule->conditions[i], one_span, children, error);
  }
  if (status == TK_OK && one_span->child_count > 0) {
    status = add_expression_leaf(program, policy, TK_LEAF_CONDITION, one_span, error);
  }
  if (status == TK_OK && !rule->drop && policy->child_count == 0 && rule->rate > 1) {
    status = tk_check_sha1(program, policy, error);
  }
  return status;
}
