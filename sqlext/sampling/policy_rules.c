/* SPDX-License-Identifier: MIT
 * Rules that are not written as conditions: those of SDK samplers, and X-Ray's. See policy_rules.h.
 * NULL is out of memory throughout, and passed on. */
#include "sqlext/sampling/policy_rules.h"

#include <string.h>

static struct tk_expression *combine(struct tk_expression_pool *pool, enum tk_node node, int op,
                                     const struct tk_expression *a, const struct tk_expression *b) {
  struct tk_expression *made = tk_expression_new(pool, node);
  const struct tk_expression **children = tk_arena_alloc(&pool->arena, 2 * sizeof *children);
  if (!made || !children || !a) return NULL;
  children[0] = a;
  children[1] = b;
  made->children = children;
  made->child_count = b ? 2 : 1;
  made->op = op;
  return made;
}

struct tk_expression *tk_expression_list(struct tk_expression_pool *pool, enum tk_node node,
                                         uint32_t count, const struct tk_expression ***children) {
  struct tk_expression *made = tk_expression_new(pool, node);
  *children = tk_arena_alloc(&pool->arena, (count + (size_t)1) * sizeof **children);
  if (!made || !*children) return NULL;
  made->children = *children;
  made->child_count = count;
  made->is_condition = true;
  return made;
}

static struct tk_expression *text_literal(struct tk_expression_pool *pool, struct tk_text text) {
  struct tk_expression *made = tk_expression_new(pool, TK_NODE_LITERAL);
  if (!made) return NULL;
  made->literal = (struct tk_value){
      .type = TK_VALUE_STRING, .size = text.size, .as.text = text.data ? text.data : ""};
  return made;
}

static struct tk_expression *bool_literal(struct tk_expression_pool *pool, bool truth) {
  struct tk_expression *made = tk_expression_new(pool, TK_NODE_LITERAL);
  if (made) made->literal = (struct tk_value){.type = TK_VALUE_BOOL, .as.integer = truth};
  return made;
}

static struct tk_expression *both(struct tk_expression_pool *pool, struct tk_expression *a,
                                  struct tk_expression *b) {
  return a && b ? combine(pool, TK_NODE_AND, 0, a, b) : NULL;
}

static struct tk_expression *either(struct tk_expression_pool *pool, struct tk_expression *a,
                                    struct tk_expression *b) {
  return a && b ? combine(pool, TK_NODE_OR, 0, a, b) : NULL;
}

static struct tk_expression *field(struct tk_expression_pool *pool, enum tk_field which,
                                   struct tk_text key) {
  return tk_expression_field(pool, which, key);
}

static struct tk_expression *wildcard(struct tk_expression_pool *pool, struct tk_expression *target,
                                      struct tk_text pattern, bool fold) {
  struct tk_expression *wanted = text_literal(pool, pattern);
  if (!target || !wanted) return NULL;
  return combine(pool, TK_NODE_CALL, fold ? TK_CALL_WILDCARD_CASE : TK_CALL_WILDCARD, target,
                 wanted);
}

/* ---- rules of SDK samplers ---- */

/* A rule may have thousands of values: one node with many children, not a chain of nodes. */
static struct tk_expression *rule_values(struct tk_expression_pool *pool,
                                         const struct tk_sampling_rule *rule) {
  const struct tk_expression **children;
  struct tk_expression *any = tk_expression_list(pool, TK_NODE_OR, rule->values.count, &children);
  struct tk_expression *target = field(pool, TK_FIELD_ATTRIBUTE, rule->values_key);
  struct tk_expression *text =
      target ? combine(pool, TK_NODE_CALL, TK_CALL_STRING, target, NULL) : NULL;
  for (uint32_t i = 0; i < rule->values.count && any; i++) {
    struct tk_expression *wanted = text_literal(pool, rule->values.items[i]);
    children[i] = text && wanted ? combine(pool, TK_NODE_COMPARE, TK_EQ, text, wanted) : NULL;
    if (!children[i]) return NULL;
  }
  return any;
}

static struct tk_expression *any_pattern(struct tk_expression_pool *pool,
                                         const struct tk_sampling_rule *rule,
                                         const struct tk_sampling_texts *patterns) {
  const struct tk_expression **children;
  struct tk_expression *any = tk_expression_list(pool, TK_NODE_OR, patterns->count, &children);
  struct tk_expression *target = field(pool, TK_FIELD_ATTRIBUTE, rule->patterns_key);
  for (uint32_t i = 0; i < patterns->count && any; i++) {
    if (!(children[i] = wildcard(pool, target, patterns->items[i], false))) return NULL;
  }
  return any;
}

/* The attribute is there, is one of the included (all, if there are none), none of the excluded. */
static struct tk_expression *rule_patterns(struct tk_expression_pool *pool,
                                           const struct tk_sampling_rule *rule) {
  struct tk_expression *nothing = tk_expression_new(pool, TK_NODE_LITERAL);
  struct tk_expression *target = field(pool, TK_FIELD_ATTRIBUTE, rule->patterns_key);
  if (!nothing || !target) return NULL;
  struct tk_expression *all = combine(pool, TK_NODE_COMPARE, TK_NE, target, nothing);
  if (rule->included.count > 0) all = both(pool, all, any_pattern(pool, rule, &rule->included));
  if (rule->excluded.count > 0 && all) {
    struct tk_expression *excluded = any_pattern(pool, rule, &rule->excluded);
    all = excluded ? both(pool, all, combine(pool, TK_NODE_NOT, 0, excluded, NULL)) : NULL;
  }
  return all;
}

static struct tk_expression *rule_kinds(struct tk_expression_pool *pool, uint32_t kinds) {
  struct tk_expression *any = bool_literal(pool, false);
  for (int64_t kind = 0; kind < 32 && any; kind++) {
    if (!(kinds >> kind & 1)) continue;
    struct tk_expression *target = field(pool, TK_FIELD_KIND, (struct tk_text){"", 0});
    struct tk_expression *wanted = tk_expression_new(pool, TK_NODE_LITERAL);
    if (!target || !wanted) return NULL;
    wanted->literal = (struct tk_value){.type = TK_VALUE_INT, .as.integer = kind};
    any = either(pool, any, combine(pool, TK_NODE_COMPARE, TK_EQ, target, wanted));
  }
  return any;
}

const struct tk_expression *tk_rule_expression(struct tk_expression_pool *pool,
                                               const struct tk_sampling_rule *rule) {
  /* Decided at the root, which has no parent. */
  struct tk_expression *all =
      bool_literal(pool, rule->parents == 0 || rule->parents & TK_PARENT_NONE);
  if (rule->has_values) all = both(pool, all, rule_values(pool, rule));
  if (rule->has_patterns) all = both(pool, all, rule_patterns(pool, rule));
  if (rule->kinds != 0) all = both(pool, all, rule_kinds(pool, rule->kinds));
  return all;
}

/* ---- rules of X-Ray ---- */

/* One of up to three attributes has the pattern; a pattern that is not given matches all. */
static struct tk_expression *xray_pattern(struct tk_expression_pool *pool,
                                          struct tk_expression *all, struct tk_text pattern,
                                          const char *const *keys) {
  struct tk_expression *any = bool_literal(pool, false);
  if (pattern.size == 0 || (pattern.size == 1 && pattern.data[0] == '*')) return all;
  for (; *keys && any; keys++) {
    const struct tk_text key = {*keys, (uint32_t)strlen(*keys)};
    any = either(pool, any, wildcard(pool, field(pool, TK_FIELD_ATTRIBUTE, key), pattern, true));
  }
  return both(pool, all, any);
}

static struct tk_expression *xray_attributes(struct tk_expression_pool *pool,
                                             const struct tk_sampling_xray *rule) {
  const struct tk_expression **children;
  struct tk_expression *all =
      tk_expression_list(pool, TK_NODE_AND, rule->attribute_count, &children);
  for (uint32_t i = 0; i < rule->attribute_count && all; i++) {
    const struct tk_attribute *attribute = &rule->attributes[i];
    const struct tk_text pattern = {attribute->value.as.text, attribute->value.size};
    children[i] = wildcard(pool, field(pool, TK_FIELD_ATTRIBUTE, attribute->key), pattern, true);
    if (!children[i]) return NULL;
  }
  return all;
}

const struct tk_expression *tk_xray_expression(struct tk_expression_pool *pool,
                                               const struct tk_sampling_policy *policy) {
  static const char *const hosts[] = {"http.host", "server.address", "net.host.name", NULL};
  static const char *const methods[] = {"http.request.method", "http.method", NULL};
  static const char *const paths[] = {"url.path", "http.target", NULL};
  static const char *const service_keys[] = {"service.name"};
  const struct tk_sampling_xray *rule = &policy->as.xray;
  struct tk_expression *all = bool_literal(pool, true);
  if (!rule->is_default) {
    all = xray_pattern(pool, all, rule->host, hosts);
    all = xray_pattern(pool, all, rule->http_method, methods);
    all = xray_pattern(pool, all, rule->url_path, paths);
    if (policy->service.size > 0) {
      const struct tk_text key = {service_keys[0], (uint32_t)strlen(service_keys[0])};
      all = both(
          pool, all,
          wildcard(pool, field(pool, TK_FIELD_RESOURCE_ATTRIBUTE, key), policy->service, true));
    }
    all = both(pool, all, xray_attributes(pool, rule));
  }
  return all;
}
