/* SPDX-License-Identifier: MIT
 * The collector's tail_sampling: its policies, each a type and a map of options under the type's
 * name. A table says which function reads which type; the sub-policies of and, not, drop and
 * composite are read by the same. */
#include <string.h>

#include "sqlext/sampling/config_reader.h"

#define HASH_SALT "default-hash-seed"

static const struct tk_config_range milliseconds = {"a number of milliseconds", 0,
                                                    INT64_MAX / 1000000};
static const struct tk_config_range any_integer = {"a whole number", INT64_MIN, INT64_MAX};
static const struct tk_config_range spans_per_second = {"a number of spans a second", 0, INT64_MAX};
static const struct tk_config_range bytes_per_second = {"a number of bytes a second", 0, INT64_MAX};
static const struct tk_config_range burst = {"a whole number", 0, INT64_MAX};
static const struct tk_config_range span_total = {"a number of spans", 0, INT32_MAX};
static const struct tk_config_range counter = {"a whole number", 0, INT64_MAX};

/* ---- policies of their own ---- */

static void read_latency(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                         const struct tk_config_node *options) {
  static const char *const keys[] = {"threshold_ms", "upper_threshold_ms", NULL};
  tk_config_only(reader, options, "latency", keys);
  if (!tk_config_get(options, keys[0]) && !tk_config_get(options, keys[1])) {
    tk_config_fail(reader, options,
                   "expected threshold_ms, a number of milliseconds, found no"
                   " such option");
  }
  policy->as.latency = (struct tk_sampling_latency){
      .threshold_ns = tk_config_integer(reader, options, keys[0], &milliseconds, 0).value * 1000000,
      .upper_threshold_ns =
          tk_config_integer(reader, options, keys[1], &milliseconds, 0).value * 1000000};
}

static void read_numeric_attribute(struct tk_config_reader *reader,
                                   struct tk_sampling_policy *policy,
                                   const struct tk_config_node *options) {
  static const char *const keys[] = {"key", "min_value", "max_value", "invert_match", NULL};
  tk_config_only(reader, options, "numeric_attribute", keys);
  policy->as.numeric_attribute = (struct tk_sampling_numeric_attribute){
      .key = tk_config_text_needed(reader, options, "key", "the key of an attribute"),
      .min = tk_config_integer(reader, options, "min_value", &any_integer, 0),
      .max = tk_config_integer(reader, options, "max_value", &any_integer, 0),
      .invert_match = tk_config_boolean(reader, options, "invert_match", false)};
}

static void read_probabilistic(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                               const struct tk_config_node *options) {
  static const char *const keys[] = {"sampling_percentage", "hash_salt", NULL};
  tk_config_only(reader, options, "probabilistic", keys);
  policy->as.probabilistic = (struct tk_sampling_probabilistic){
      .percentage = tk_config_number(reader, options, "sampling_percentage",
                                     "a percentage, at least 0", 0, 1e300, 0),
      .hash_salt = tk_config_text(reader, options, "hash_salt")};
  if (policy->as.probabilistic.hash_salt.size == 0) {
    policy->as.probabilistic.hash_salt = tk_config_constant(HASH_SALT);
  }
}

static void read_status_code(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                             const struct tk_config_node *options) {
  static const char *const keys[] = {"status_codes", NULL};
  static const char *const codes[] = {"UNSET", "OK", "ERROR", NULL}; /* enum tk_status_code */
  tk_config_only(reader, options, "status_code", keys);
  tk_config_texts(reader, options, "status_codes", "a list of OK, ERROR and UNSET", true);
  const struct tk_config_node *list = tk_config_get(options, "status_codes");
  for (uint32_t i = 0; reader->status == TK_OK && i < list->count; i++) {
    const int code = tk_config_word(reader, list->items[i], "a status code", codes);
    if (code >= 0) policy->as.status_code.codes |= 1u << code;
  }
}

static void read_string_attribute(struct tk_config_reader *reader,
                                  struct tk_sampling_policy *policy,
                                  const struct tk_config_node *options) {
  static const char *const keys[] = {"key",          "values",         "enabled_regex_matching",
                                     "invert_match", "cache_max_size", NULL};
  tk_config_only(reader, options, "string_attribute", keys);
  policy->as.string_attribute = (struct tk_sampling_string_attribute){
      .key = tk_config_text_needed(reader, options, "key", "the key of an attribute"),
      .values = tk_config_texts(reader, options, "values", "a list of values", true),
      .is_regex = tk_config_boolean(reader, options, "enabled_regex_matching", false),
      .invert_match = tk_config_boolean(reader, options, "invert_match", false)};
  tk_config_integer(reader, options, "cache_max_size", &counter, 0);
}

static void read_boolean_attribute(struct tk_config_reader *reader,
                                   struct tk_sampling_policy *policy,
                                   const struct tk_config_node *options) {
  static const char *const keys[] = {"key", "value", "invert_match", NULL};
  tk_config_only(reader, options, "boolean_attribute", keys);
  policy->as.boolean_attribute = (struct tk_sampling_boolean_attribute){
      .key = tk_config_text_needed(reader, options, "key", "the key of an attribute"),
      .value = tk_config_boolean(reader, options, "value", false),
      .invert_match = tk_config_boolean(reader, options, "invert_match", false)};
}

static void read_trace_state(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                             const struct tk_config_node *options) {
  static const char *const keys[] = {"key", "values", NULL};
  tk_config_only(reader, options, "trace_state", keys);
  policy->as.trace_state = (struct tk_sampling_trace_state){
      .key = tk_config_text_needed(reader, options, "key", "the key of a tracestate member"),
      .values = tk_config_texts(reader, options, "values", "a list of values", true)};
}

static void read_rate_limiting(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                               const struct tk_config_node *options) {
  static const char *const keys[] = {"spans_per_second", "burst_capacity", NULL};
  tk_config_only(reader, options, "rate_limiting", keys);
  policy->as.limit.per_second =
      tk_config_integer_needed(reader, options, "spans_per_second", &spans_per_second);
  policy->as.limit.burst = tk_config_integer(reader, options, "burst_capacity", &burst, 0);
}

static void read_bytes_limiting(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                                const struct tk_config_node *options) {
  static const char *const keys[] = {"bytes_per_second", "burst_capacity", NULL};
  tk_config_only(reader, options, "bytes_limiting", keys);
  policy->as.limit.per_second =
      tk_config_integer_needed(reader, options, "bytes_per_second", &bytes_per_second);
  policy->as.limit.burst = tk_config_integer(reader, options, "burst_capacity", &burst, 0);
}

/* What burst_capacity is when left out, once it is known what it is twice of. */
static void imply_burst(struct tk_sampling_limit *limit) {
  if (limit->burst.written && limit->burst.value > 0) return;
  limit->burst.value = limit->per_second > INT64_MAX / 2 ? INT64_MAX : 2 * limit->per_second;
}

static void read_span_count(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                            const struct tk_config_node *options) {
  static const char *const keys[] = {"min_spans", "max_spans", NULL};
  tk_config_only(reader, options, "span_count", keys);
  policy->as.span_count = (struct tk_sampling_span_count){
      .min = (int32_t)tk_config_integer(reader, options, "min_spans", &span_total, 0).value,
      .max = (int32_t)tk_config_integer(reader, options, "max_spans", &span_total, 0).value};
}

static void read_ottl_condition(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                                const struct tk_config_node *options) {
  static const char *const keys[] = {"error_mode", "span", "spanevent", NULL};
  static const char *const modes[] = {"propagate", "ignore", "silent", NULL};
  tk_config_only(reader, options, "ottl_condition", keys);
  policy->as.ottl_condition = (struct tk_sampling_ottl_condition){
      .error_mode = (enum tk_ottl_error_mode)tk_config_choice(reader, options, "error_mode", modes,
                                                              TK_OTTL_PROPAGATE),
      .span = tk_config_texts(reader, options, "span", "a list of conditions", false),
      .span_events = tk_config_texts(reader, options, "spanevent", "a list of conditions", false)};
  if (policy->as.ottl_condition.span.count + policy->as.ottl_condition.span_events.count == 0) {
    tk_config_fail(reader, options,
                   "expected span or spanevent, a list of conditions, found neither");
  }
}

/* ---- policies of policies ---- */

static void read_policy(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                        const struct tk_sampling_policy *parent, const struct tk_config_node *node);

static bool same(struct tk_text a, struct tk_text b) {
  return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

/* Policies that stand in one list have different names, where they have any. */
static void check_name(struct tk_config_reader *reader, const struct tk_sampling_policy *siblings,
                       uint32_t index, const struct tk_config_node *node) {
  const struct tk_text name = siblings[index].name;
  for (uint32_t i = 0; i < index && name.size > 0 && reader->status == TK_OK; i++) {
    if (!same(siblings[i].name, name)) continue;
    tk_config_fail(reader, tk_config_get(node, "name"),
                   "expected policies of one list to have different names, found '%.60s' again"
                   " (first on line %u)",
                   name.data, siblings[i].line);
  }
}

static void read_list(struct tk_config_reader *reader, struct tk_sampling_policy *parent,
                      const struct tk_config_node *list) {
  struct tk_sampling_policy *children = tk_config_policies(reader, parent, list->count);
  for (uint32_t i = 0; children && i < list->count && reader->status == TK_OK; i++) {
    read_policy(reader, &children[i], parent, list->items[i]);
    check_name(reader, children, i, list->items[i]);
  }
}

static void read_sub_policies(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                              const struct tk_config_node *options, const char *key) {
  char where[sizeof reader->where];
  if (!tk_config_need(reader, options, key, "a list of policies")) return;
  const struct tk_config_node *list = tk_config_list(reader, options, key);
  if (!list) return;
  if (list->count == 0) {
    tk_config_fail(reader, list, "expected %s to be a list of policies, found an empty list", key);
  }
  memcpy(where, reader->where, sizeof where);
  read_list(reader, policy, list);
  if (reader->status == TK_OK) memcpy(reader->where, where, sizeof where);
}

static void read_and(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                     const struct tk_config_node *options) {
  static const char *const keys[] = {"and_sub_policy", NULL};
  tk_config_only(reader, options, "and", keys);
  read_sub_policies(reader, policy, options, keys[0]);
}

static void read_drop(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                      const struct tk_config_node *options) {
  static const char *const keys[] = {"drop_sub_policy", NULL};
  tk_config_only(reader, options, "drop", keys);
  read_sub_policies(reader, policy, options, keys[0]);
}

static void read_not(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                     const struct tk_config_node *options) {
  static const char *const keys[] = {"not_sub_policy", NULL};
  tk_config_only(reader, options, "not", keys);
  if (!tk_config_need(reader, options, keys[0], "a policy")) return;
  const struct tk_config_node *node = tk_config_map(reader, options, keys[0]);
  struct tk_sampling_policy *child = node ? tk_config_policies(reader, policy, 1) : NULL;
  if (child) read_policy(reader, child, policy, node);
}

/* ---- composite ---- */

static uint32_t find_child(const struct tk_sampling_policy *policy,
                           const struct tk_config_node *name) {
  for (uint32_t i = 0; i < policy->child_count && name->kind == TK_CONFIG_SCALAR; i++) {
    if (same(policy->children[i].name, name->text)) return i;
  }
  return UINT32_MAX;
}

/* A name in policy_order or rate_allocation: the sub-policy that has it. */
static uint32_t resolve_child(struct tk_config_reader *reader,
                              const struct tk_sampling_policy *policy,
                              const struct tk_config_node *name, const char *key) {
  const uint32_t child = find_child(policy, name);
  if (child != UINT32_MAX || reader->status != TK_OK) return child;
  if (name->kind == TK_CONFIG_SCALAR && same(policy->name, name->text)) {
    tk_config_fail(reader, name,
                   "expected %s to name sub-policies, found '%.60s', the composite itself", key,
                   name->text.data);
  } else {
    tk_config_expect(reader, name, "%s to name a policy of composite_sub_policy", key);
  }
  return child;
}

static void read_order(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                       struct tk_sampling_share *shares, const struct tk_config_node *options) {
  const struct tk_config_node *list = tk_config_list(reader, options, "policy_order");
  uint32_t *order = list ? tk_config_allocate(reader, list->count + 1, sizeof *order) : NULL;
  if (!order) return;
  for (uint32_t i = 0; i < list->count && reader->status == TK_OK; i++) {
    const uint32_t child = resolve_child(reader, policy, list->items[i], "policy_order");
    if (child == UINT32_MAX) return;
    if (shares[child].order != UINT32_MAX) {
      tk_config_fail(reader, list->items[i],
                     "expected policy_order to name each policy once, found '%.60s' again",
                     list->items[i]->text.data);
    }
    shares[child].order = i;
    order[i] = child;
  }
  policy->as.composite.order = order;
  policy->as.composite.order_count = list->count;
}

/* Truncated as int64(percent / 100 * max) is in Go. */
static int64_t share_of(int64_t max, double fraction) {
  const double share = fraction * (double)max;
  return share >= 9223372036854775807.0 ? INT64_MAX : (int64_t)share;
}

static void read_allocation(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                            struct tk_sampling_share *shares,
                            const struct tk_config_node *options) {
  static const struct tk_config_range percentage = {"a percentage", 0, 100};
  static const char *const keys[] = {"policy", "percent", NULL};
  const struct tk_config_node *list = tk_config_list(reader, options, "rate_allocation");
  const int64_t max = policy->as.composite.max_spans_per_second;
  for (uint32_t i = 0; list && i < list->count && reader->status == TK_OK; i++) {
    const struct tk_config_node *item = list->items[i];
    if (!tk_config_check_map(reader, item, "rate_allocation")) return;
    tk_config_only(reader, item, "rate_allocation", keys);
    const struct tk_config_node *name =
        tk_config_need(reader, item, "policy", "the name of a policy");
    const uint32_t child = name ? resolve_child(reader, policy, name, "rate_allocation") : 0;
    if (reader->status != TK_OK) return;
    if (shares[child].allocated) {
      tk_config_fail(reader, name,
                     "expected rate_allocation to name each policy once, found '%.60s' again",
                     name->text.data);
    }
    const int64_t percent = tk_config_integer(reader, item, "percent", &percentage, 0).value;
    shares[child].allocated = true;
    shares[child].percent = percent;
    shares[child].spans_per_second = percent > 0
                                         ? share_of(max, (double)percent / 100)
                                         : (int64_t)((double)max / (double)policy->child_count);
  }
}

static void read_composite(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                           const struct tk_config_node *options) {
  static const char *const keys[] = {"max_total_spans_per_second", "policy_order",
                                     "composite_sub_policy", "rate_allocation", NULL};
  tk_config_only(reader, options, "composite", keys);
  policy->as.composite.max_spans_per_second =
      tk_config_integer_needed(reader, options, keys[0], &spans_per_second);
  read_sub_policies(reader, policy, options, "composite_sub_policy");
  struct tk_sampling_share *shares =
      tk_config_allocate(reader, policy->child_count, sizeof *shares);
  if (!shares) return;
  for (uint32_t i = 0; i < policy->child_count; i++) {
    shares[i].order = UINT32_MAX;
    if (policy->children[i].name.size > 0) continue;
    tk_config_fail(reader, tk_config_get(options, "composite_sub_policy")->items[i],
                   "expected every sub-policy of a composite to have a name");
  }
  policy->as.composite.shares = shares;
  read_order(reader, policy, shares, options);
  read_allocation(reader, policy, shares, options);
}

/* ---- one policy ---- */

struct policy_type {
  const char *name;
  enum tk_sampling_type type;
  /* NULL: it has no options. */
  void (*read)(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
               const struct tk_config_node *options);
};

static const struct policy_type policy_types[] = {
    {"always_sample", TK_SAMPLING_ALWAYS_SAMPLE, NULL},
    {"latency", TK_SAMPLING_LATENCY, read_latency},
    {"numeric_attribute", TK_SAMPLING_NUMERIC_ATTRIBUTE, read_numeric_attribute},
    {"probabilistic", TK_SAMPLING_PROBABILISTIC, read_probabilistic},
    {"status_code", TK_SAMPLING_STATUS_CODE, read_status_code},
    {"string_attribute", TK_SAMPLING_STRING_ATTRIBUTE, read_string_attribute},
    {"boolean_attribute", TK_SAMPLING_BOOLEAN_ATTRIBUTE, read_boolean_attribute},
    {"trace_state", TK_SAMPLING_TRACE_STATE, read_trace_state},
    {"trace_flags", TK_SAMPLING_TRACE_FLAGS, NULL},
    {"rate_limiting", TK_SAMPLING_RATE_LIMITING, read_rate_limiting},
    {"bytes_limiting", TK_SAMPLING_BYTES_LIMITING, read_bytes_limiting},
    {"span_count", TK_SAMPLING_SPAN_COUNT, read_span_count},
    {"ottl_condition", TK_SAMPLING_OTTL_CONDITION, read_ottl_condition},
    {"and", TK_SAMPLING_AND, read_and},
    {"not", TK_SAMPLING_NOT, read_not},
    {"drop", TK_SAMPLING_DROP, read_drop},
    {"composite", TK_SAMPLING_COMPOSITE, read_composite},
};
enum { POLICY_TYPE_COUNT = sizeof policy_types / sizeof policy_types[0] };

static const struct policy_type *find_type(const struct tk_config_node *node) {
  for (int i = 0; i < POLICY_TYPE_COUNT; i++) {
    if (tk_config_is_text(node, policy_types[i].name)) return &policy_types[i];
  }
  return NULL;
}

/* Beside name and type there may be options of any type; those of other types are not used. */
static void check_members(struct tk_config_reader *reader, const struct tk_config_node *node) {
  for (uint32_t i = 0; i < node->count; i++) {
    const struct tk_config_node *key = node->keys[i];
    if (tk_config_is_text(key, "name") || tk_config_is_text(key, "type") || find_type(key)) {
      continue;
    }
    tk_config_fail(reader, key, "a policy has no option '%.60s'", key->text.data);
  }
}

static void name_policy(struct tk_config_reader *reader, const struct tk_sampling_policy *parent,
                        struct tk_text name) {
  const struct tk_sampling_policy *processor = parent;
  while (processor && processor->parent) processor = processor->parent;
  const char *owner =
      processor && processor->name.size > 0 ? processor->name.data : "tail_sampling";
  if (name.size > 0) {
    tk_config_where(reader, "%.60s policy '%.60s'", owner, name.data);
  } else {
    tk_config_where(reader, "%.60s policy inside '%.60s'", owner, parent->name.data);
  }
}

static const struct policy_type *read_type(struct tk_config_reader *reader,
                                           const struct tk_sampling_policy *parent,
                                           const struct tk_config_node *node) {
  const struct tk_config_node *word =
      tk_config_need(reader, node, "type", "the type of the policy");
  const struct policy_type *type = word ? find_type(word) : NULL;
  if (!type && word) {
    tk_config_expect(reader, word,
                     "type to be one of always_sample, latency, numeric_attribute, probabilistic,"
                     " status_code, string_attribute, boolean_attribute, trace_state, trace_flags,"
                     " rate_limiting, bytes_limiting, span_count, ottl_condition, and, not, drop,"
                     " composite");
  }
  if (!type || parent->type == TK_SAMPLING_TAIL) return type;
  if (type->type != TK_SAMPLING_COMPOSITE && type->type != TK_SAMPLING_DROP) return type;
  tk_config_fail(reader, word, "expected no %s inside another policy", type->name);
  return NULL;
}

static void read_policy(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                        const struct tk_sampling_policy *parent,
                        const struct tk_config_node *node) {
  static const struct tk_config_node nothing = {.kind = TK_CONFIG_MAP};
  char where[sizeof reader->where];
  memcpy(where, reader->where, sizeof where);
  tk_config_start(reader, policy, parent, TK_SAMPLING_ALWAYS_SAMPLE, node);
  if (!tk_config_check_map(reader, node, "a policy")) return;
  if (parent->type == TK_SAMPLING_TAIL) {
    policy->name = tk_config_text_needed(reader, node, "name", "the name of the policy");
  } else {
    policy->name = tk_config_text(reader, node, "name");
  }
  if (reader->status != TK_OK) return;
  name_policy(reader, parent, policy->name);
  const struct policy_type *type = read_type(reader, parent, node);
  if (!type) return;
  policy->type = type->type;
  check_members(reader, node);
  const struct tk_config_node *options = tk_config_map(reader, node, type->name);
  if (type->read && options) {
    type->read(reader, policy, options);
  } else if (type->read && reader->status == TK_OK) {
    /* What is missing is said by the type, at the policy. */
    struct tk_config_node empty = nothing;
    empty.line = node->line;
    empty.column = node->column;
    type->read(reader, policy, &empty);
  }
  if (type->read == read_rate_limiting || type->read == read_bytes_limiting) {
    imply_burst(&policy->as.limit);
  }
  if (reader->status == TK_OK) memcpy(reader->where, where, sizeof where);
}

/* ---- the processor ---- */

void tk_config_read_tail(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                         const struct tk_config_node *node) {
  static const char *const keys[] = {"decision_wait",
                                     "decision_wait_after_root_received",
                                     "num_traces",
                                     "expected_new_traces_per_sec",
                                     "decision_cache",
                                     "sample_on_first_match",
                                     "drop_pending_traces_on_shutdown",
                                     "sampling_strategy",
                                     "block_on_overflow",
                                     "num_shards",
                                     "maximum_trace_size_bytes",
                                     "tail_storage",
                                     "policies",
                                     NULL};
  static const char *const caches[] = {"sampled_cache_size", "non_sampled_cache_size", NULL};
  static const char *const strategies[] = {"trace-complete", "span-ingest", NULL};
  const struct tk_config_node *cache = tk_config_map(reader, node, "decision_cache");
  tk_config_only(reader, node, "tail_sampling", keys);
  if (cache) tk_config_only(reader, cache, "decision_cache", caches);
  policy->as.tail = (struct tk_sampling_tail){
      .decision_wait_ns =
          tk_config_duration(reader, node, "decision_wait", true, INT64_C(30000000000)),
      .decision_wait_after_root_ns =
          tk_config_duration(reader, node, "decision_wait_after_root_received", true, 0),
      .trace_limit = (uint64_t)tk_config_integer(reader, node, "num_traces", &counter, 50000).value,
      .sampled_cache_size =
          (uint64_t)tk_config_integer(reader, cache, caches[0], &counter, 0).value,
      .non_sampled_cache_size =
          (uint64_t)tk_config_integer(reader, cache, caches[1], &counter, 0).value,
      .trace_size_limit =
          (uint64_t)tk_config_integer(reader, node, "maximum_trace_size_bytes", &counter, 0).value,
      .sample_on_first_match = tk_config_boolean(reader, node, "sample_on_first_match", false),
      .strategy = (enum tk_tail_strategy)tk_config_choice(reader, node, "sampling_strategy",
                                                          strategies, TK_TAIL_TRACE_COMPLETE)};
  if (!tk_config_need(reader, node, "policies", "a list of policies")) return;
  const struct tk_config_node *list = tk_config_list(reader, node, "policies");
  if (!list) return;
  if (list->count == 0) {
    tk_config_fail(reader, list, "expected policies to be a list of policies, found an empty list");
  }
  read_list(reader, policy, list);
}
