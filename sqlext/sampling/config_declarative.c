/* SPDX-License-Identifier: MIT
 * OpenTelemetry's declarative configuration of an SDK: tracer_provider.sampler, a map of one
 * member that names the sampler. Names may end in /development, as the schema has them while a
 * sampler is experimental. */
#include <string.h>

#include "sqlext/sampling/config_reader.h"

static void read_nothing(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                         const struct tk_config_node *node) {
  static const char *const keys[] = {NULL};
  (void)policy;
  tk_config_only(reader, node, "the sampler", keys);
}

static void read_ratio(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                       const struct tk_config_node *node) {
  static const char *const keys[] = {"ratio", NULL};
  tk_config_only(reader, node, "the sampler", keys);
  policy->as.ratio.ratio = tk_config_number(reader, node, "ratio", "a number from 0 to 1", 0, 1, 1);
}

static void read_child(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                       const struct tk_config_node *node, const char *key,
                       enum tk_sampling_role role) {
  const struct tk_config_node *sampler = tk_config_need(reader, node, key, "a sampler");
  struct tk_sampling_policy *child = sampler ? tk_config_policies(reader, policy, 1) : NULL;
  if (!child) return;
  tk_config_read_sampler(reader, child, policy, sampler);
  child->role = role;
}

static void read_rooted(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                        const struct tk_config_node *node) {
  static const char *const keys[] = {"root", NULL};
  tk_config_only(reader, node, "the sampler", keys);
  read_child(reader, policy, node, "root", TK_ROLE_ROOT);
}

/* ---- parent_based ---- */

static const struct parent_case {
  const char *key;
  enum tk_sampling_role role;
  enum tk_sampling_type fallback;
} parent_cases[] = {
    {"root", TK_ROLE_ROOT, TK_SAMPLING_ALWAYS_ON},
    {"remote_parent_sampled", TK_ROLE_REMOTE_PARENT_SAMPLED, TK_SAMPLING_ALWAYS_ON},
    {"remote_parent_not_sampled", TK_ROLE_REMOTE_PARENT_NOT_SAMPLED, TK_SAMPLING_ALWAYS_OFF},
    {"local_parent_sampled", TK_ROLE_LOCAL_PARENT_SAMPLED, TK_SAMPLING_ALWAYS_ON},
    {"local_parent_not_sampled", TK_ROLE_LOCAL_PARENT_NOT_SAMPLED, TK_SAMPLING_ALWAYS_OFF},
};
enum { PARENT_CASES = sizeof parent_cases / sizeof parent_cases[0] };

static void imply_case(struct tk_config_reader *reader, struct tk_sampling_policy *child,
                       const struct tk_sampling_policy *parent, int number,
                       const struct tk_config_node *at) {
  tk_config_start(reader, child, parent, parent_cases[number].fallback, at);
  child->role = parent_cases[number].role;
  child->implied = true;
}

static void read_parent_based(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                              const struct tk_config_node *node) {
  static const char *const keys[] = {"root",
                                     "remote_parent_sampled",
                                     "remote_parent_not_sampled",
                                     "local_parent_sampled",
                                     "local_parent_not_sampled",
                                     NULL};
  struct tk_sampling_policy *children = tk_config_policies(reader, policy, PARENT_CASES);
  tk_config_only(reader, node, "the sampler", keys);
  for (int i = 0; children && i < PARENT_CASES && reader->status == TK_OK; i++) {
    const struct tk_config_node *sampler = tk_config_get(node, keys[i]);
    if (sampler) {
      tk_config_read_sampler(reader, &children[i], policy, sampler);
      children[i].role = parent_cases[i].role;
    } else {
      imply_case(reader, &children[i], policy, i, node);
    }
  }
}

void tk_config_imply_parent_based(struct tk_config_reader *reader,
                                  struct tk_sampling_policy *policy,
                                  const struct tk_config_node *at, tk_config_root *read_root,
                                  const void *context) {
  tk_config_start(reader, policy, NULL, TK_SAMPLING_PARENT_BASED, at);
  struct tk_sampling_policy *children = tk_config_policies(reader, policy, PARENT_CASES);
  for (int i = 0; children && i < PARENT_CASES && reader->status == TK_OK; i++) {
    if (i == 0 && read_root) {
      read_root(reader, &children[i], policy, context);
      children[i].role = TK_ROLE_ROOT;
    } else {
      imply_case(reader, &children[i], policy, i, at);
    }
  }
}

/* ---- others with options ---- */

static void read_remote(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                        const struct tk_config_node *node) {
  static const char *const keys[] = {"endpoint", "interval", "initial_sampler", NULL};
  static const struct tk_config_range interval = {"a number of milliseconds", 0,
                                                  INT64_MAX / 1000000};
  tk_config_only(reader, node, "the sampler", keys);
  policy->as.remote.endpoint =
      tk_config_text_needed(reader, node, "endpoint", "where strategies are asked for");
  policy->as.remote.interval_ns =
      tk_config_integer(reader, node, "interval", &interval, 60000).value * 1000000;
  read_child(reader, policy, node, "initial_sampler", TK_ROLE_INITIAL);
}

/* composite/development: what it holds is a sampler like the others. */
static void read_composable(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                            const struct tk_config_node *node) {
  struct tk_sampling_policy *child = tk_config_policies(reader, policy, 1);
  if (child) tk_config_read_sampler(reader, child, policy, node);
}

/* One bit for each word of the list under `key`, or of the one word there. */
static uint32_t read_words(struct tk_config_reader *reader, const struct tk_config_node *node,
                           const char *key, const char *const *words) {
  const struct tk_config_node *list = tk_config_get(node, key);
  uint32_t bits = 0;
  if (!list) return 0;
  const uint32_t count = list->kind == TK_CONFIG_LIST ? list->count : 1;
  for (uint32_t i = 0; i < count && reader->status == TK_OK; i++) {
    const struct tk_config_node *item = list->kind == TK_CONFIG_LIST ? list->items[i] : list;
    const int word = tk_config_word(reader, item, key, words);
    if (word >= 0) bits |= 1u << word;
  }
  return bits;
}

static void read_rule(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                      const struct tk_config_node *node) {
  static const char *const keys[] = {
      "attribute_values", "attribute_patterns", "span_kinds", "parent", "sampler", NULL};
  static const char *const value_keys[] = {"key", "values", NULL};
  static const char *const pattern_keys[] = {"key", "included", "excluded", NULL};
  static const char *const kinds[] = {"internal", "server", "client", "producer", "consumer", NULL};
  static const char *const parents[] = {"none", "remote", "local", NULL};
  static const char attribute[] = "the key of an attribute";
  struct tk_sampling_rule *rule = &policy->as.rule;
  if (!tk_config_check_map(reader, node, "a rule")) return;
  const struct tk_config_node *values = tk_config_map(reader, node, keys[0]);
  const struct tk_config_node *patterns = tk_config_map(reader, node, keys[1]);
  tk_config_only(reader, node, "a rule", keys);
  if ((rule->has_values = values != NULL)) {
    tk_config_only(reader, values, keys[0], value_keys);
    rule->values_key = tk_config_text_needed(reader, values, "key", attribute);
    rule->values = tk_config_texts(reader, values, "values", "a list of values", true);
  }
  if ((rule->has_patterns = patterns != NULL)) {
    tk_config_only(reader, patterns, keys[1], pattern_keys);
    rule->patterns_key = tk_config_text_needed(reader, patterns, "key", attribute);
    rule->included = tk_config_texts(reader, patterns, "included", "a list of patterns", false);
    rule->excluded = tk_config_texts(reader, patterns, "excluded", "a list of patterns", false);
  }
  rule->kinds = read_words(reader, node, "span_kinds", kinds) << TK_KIND_INTERNAL;
  rule->parents = read_words(reader, node, "parent", parents);
  read_child(reader, policy, node, "sampler", TK_ROLE_NONE);
}

static void read_rule_based(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                            const struct tk_config_node *node) {
  static const char *const keys[] = {"rules", NULL};
  const struct tk_config_node *list = tk_config_list(reader, node, "rules");
  tk_config_only(reader, node, "the sampler", keys);
  struct tk_sampling_policy *rules =
      list && list->count > 0 ? tk_config_policies(reader, policy, list->count) : NULL;
  for (uint32_t i = 0; rules && i < list->count && reader->status == TK_OK; i++) {
    tk_config_start(reader, &rules[i], policy, TK_SAMPLING_RULE, list->items[i]);
    read_rule(reader, &rules[i], list->items[i]);
  }
}

/* ---- one sampler ---- */

enum { ANYWHERE, NOT_COMPOSABLE, ONLY_COMPOSABLE };

static const struct sampler_kind {
  const char *name;
  enum tk_sampling_type type;
  int where;
  void (*read)(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
               const struct tk_config_node *node);
} sampler_kinds[] = {
    {"always_on", TK_SAMPLING_ALWAYS_ON, ANYWHERE, read_nothing},
    {"always_off", TK_SAMPLING_ALWAYS_OFF, ANYWHERE, read_nothing},
    {"always_record", TK_SAMPLING_ALWAYS_RECORD, NOT_COMPOSABLE, read_rooted},
    {"trace_id_ratio_based", TK_SAMPLING_TRACE_ID_RATIO, NOT_COMPOSABLE, read_ratio},
    {"probability", TK_SAMPLING_PROBABILITY, ANYWHERE, read_ratio},
    {"parent_based", TK_SAMPLING_PARENT_BASED, ANYWHERE, read_parent_based},
    {"jaeger_remote", TK_SAMPLING_JAEGER_REMOTE, NOT_COMPOSABLE, read_remote},
    {"composite", TK_SAMPLING_COMPOSABLE, NOT_COMPOSABLE, read_composable},
    {"parent_threshold", TK_SAMPLING_PARENT_THRESHOLD, ONLY_COMPOSABLE, read_rooted},
    {"rule_based", TK_SAMPLING_RULE_BASED, ONLY_COMPOSABLE, read_rule_based},
};
enum { KIND_COUNT = sizeof sampler_kinds / sizeof sampler_kinds[0] };

static const struct sampler_kind *find_kind(struct tk_text name) {
  static const char suffix[] = "/development";
  const uint32_t suffix_size = sizeof suffix - 1;
  if (name.size > suffix_size &&
      memcmp(name.data + name.size - suffix_size, suffix, suffix_size) == 0) {
    name.size -= suffix_size;
  }
  for (int i = 0; i < KIND_COUNT; i++) {
    if (name.size == strlen(sampler_kinds[i].name) &&
        memcmp(name.data, sampler_kinds[i].name, name.size) == 0) {
      return &sampler_kinds[i];
    }
  }
  return NULL;
}

bool tk_config_is_sampler_name(struct tk_text name) {
  const struct sampler_kind *kind = find_kind(name);
  return kind && kind->where != ONLY_COMPOSABLE;
}

static bool is_inside_composable(const struct tk_sampling_policy *policy) {
  while (policy && policy->type != TK_SAMPLING_COMPOSABLE) policy = policy->parent;
  return policy != NULL;
}

void tk_config_read_sampler(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                            const struct tk_sampling_policy *parent,
                            const struct tk_config_node *node) {
  const bool is_composable = is_inside_composable(parent);
  tk_config_start(reader, policy, parent, TK_SAMPLING_ALWAYS_ON, node);
  if (!tk_config_check_map(reader, node, "a sampler")) return;
  if (node->count != 1) {
    tk_config_fail(reader, node, "expected one sampler, found %u", node->count);
    return;
  }
  const struct tk_config_node *key = node->keys[0], *body = node->items[0];
  const struct sampler_kind *kind = find_kind(key->text);
  if (!kind || kind->where == (is_composable ? NOT_COMPOSABLE : ONLY_COMPOSABLE)) {
    tk_config_expect(reader, key,
                     is_composable
                         ? "always_on, always_off, probability, parent_threshold, parent_based or"
                           " rule_based"
                         : "always_on, always_off, always_record, trace_id_ratio_based,"
                           " probability/development, parent_based, jaeger_remote/development or"
                           " composite/development");
    return;
  }
  const struct tk_config_node nothing = {
      .kind = TK_CONFIG_MAP, .line = key->line, .column = key->column};
  policy->type = kind->type;
  policy->line = key->line;
  policy->column = key->column;
  if (tk_config_is_null(body)) body = &nothing;
  if (!tk_config_check_map(reader, body, kind->name)) return;
  tk_config_where(reader, "%s", kind->name);
  kind->read(reader, policy, body);
  if (reader->status == TK_OK) reader->where[0] = '\0';
}

/* A whole file, `sampler:` alone, or the map under it. */
void tk_config_read_declarative(struct tk_config_reader *reader) {
  const struct tk_config_node *root = reader->document->root;
  const struct tk_config_node *provider = tk_config_map(reader, root, "tracer_provider");
  const struct tk_config_node *holder = provider ? provider : root;
  const struct tk_config_node *sampler = tk_config_get(holder, "sampler");
  struct tk_sampling_policy *policy = tk_config_policies(reader, NULL, 1);
  if (!policy) return;
  if (sampler) {
    tk_config_read_sampler(reader, policy, NULL, sampler);
  } else if (provider) {
    tk_config_imply_parent_based(reader, policy, provider, NULL, NULL);
    policy->implied = true;
  } else {
    tk_config_read_sampler(reader, policy, NULL, root);
  }
}
