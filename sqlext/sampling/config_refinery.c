/* SPDX-License-Identifier: MIT
 * Refinery's rules, RulesVersion 2: a sampler for each target, and for the rules-based one rules
 * with conditions. Of samplers whose rates vary with the traffic only the aims are read. */
#include <string.h>

#include "sqlext/sampling/config_reader.h"

static const struct tk_config_range sample_rate = {"a sample rate, one in so many", 1, INT64_MAX};
static const struct tk_config_range throughput = {"a number of events a second", 1, INT64_MAX};
static const struct tk_config_range counter = {"a whole number", 0, INT64_MAX};

/* ---- samplers without rules ---- */

static void read_deterministic(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                               const struct tk_config_node *node) {
  static const char *const keys[] = {"SampleRate", "SummarizeMode", NULL};
  tk_config_only(reader, node, "DeterministicSampler", keys);
  policy->as.refinery_deterministic.rate =
      tk_config_integer_needed(reader, node, "SampleRate", &sample_rate);
}

/* What the five samplers that adapt have in common. */
static void read_adaptive(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                          const struct tk_config_node *node, const char *interval_key,
                          int64_t interval_ns) {
  struct tk_sampling_refinery_dynamic *dynamic = &policy->as.refinery_dynamic;
  dynamic->interval_ns = tk_config_duration(reader, node, interval_key, false, interval_ns);
  dynamic->fields =
      tk_config_texts(reader, node, "FieldList", "a list of the names of fields", true);
  dynamic->key_limit = tk_config_integer(reader, node, "MaxKeys", &counter, 500).value;
  dynamic->use_trace_length = tk_config_boolean(reader, node, "UseTraceLength", false);
  dynamic->use_cluster_size = tk_config_boolean(reader, node, "UseClusterSize", false);
}

static void read_dynamic(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                         const struct tk_config_node *node) {
  static const char *const keys[] = {"SampleRate",     "ClearFrequency", "FieldList", "MaxKeys",
                                     "UseTraceLength", "SummarizeMode",  NULL};
  tk_config_only(reader, node, "DynamicSampler", keys);
  policy->as.refinery_dynamic.goal_rate =
      tk_config_integer_needed(reader, node, "SampleRate", &sample_rate);
  read_adaptive(reader, policy, node, "ClearFrequency", INT64_C(30000000000));
}

static void read_ema_dynamic(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                             const struct tk_config_node *node) {
  static const char *const keys[] = {
      "GoalSampleRate", "AdjustmentInterval",  "Weight",    "AgeOutValue",
      "BurstMultiple",  "BurstDetectionDelay", "FieldList", "MaxKeys",
      "UseTraceLength", "SummarizeMode",       NULL};
  tk_config_only(reader, node, "EMADynamicSampler", keys);
  policy->as.refinery_dynamic.goal_rate =
      tk_config_integer_needed(reader, node, "GoalSampleRate", &sample_rate);
  tk_config_number(reader, node, "Weight", "a number from 0 to 1", 0, 1, 0.5);
  read_adaptive(reader, policy, node, "AdjustmentInterval", INT64_C(15000000000));
}

static void read_ema_throughput(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                                const struct tk_config_node *node) {
  static const char *const keys[] = {"GoalThroughputPerSec",
                                     "UseClusterSize",
                                     "InitialSampleRate",
                                     "AdjustmentInterval",
                                     "Weight",
                                     "AgeOutValue",
                                     "BurstMultiple",
                                     "BurstDetectionDelay",
                                     "FieldList",
                                     "MaxKeys",
                                     "UseTraceLength",
                                     "SummarizeMode",
                                     NULL};
  tk_config_only(reader, node, "EMAThroughputSampler", keys);
  policy->as.refinery_dynamic.goal_throughput =
      tk_config_integer_needed(reader, node, "GoalThroughputPerSec", &throughput);
  policy->as.refinery_dynamic.initial_rate =
      tk_config_integer(reader, node, "InitialSampleRate", &sample_rate, 10).value;
  tk_config_number(reader, node, "Weight", "a number from 0 to 1", 0, 1, 0.5);
  read_adaptive(reader, policy, node, "AdjustmentInterval", INT64_C(15000000000));
}

static void read_windowed_throughput(struct tk_config_reader *reader,
                                     struct tk_sampling_policy *policy,
                                     const struct tk_config_node *node) {
  static const char *const keys[] = {"GoalThroughputPerSec", "UseClusterSize", "UpdateFrequency",
                                     "LookbackFrequency",    "FieldList",      "MaxKeys",
                                     "UseTraceLength",       "SummarizeMode",  NULL};
  tk_config_only(reader, node, "WindowedThroughputSampler", keys);
  policy->as.refinery_dynamic.goal_throughput =
      tk_config_integer_needed(reader, node, "GoalThroughputPerSec", &throughput);
  tk_config_duration(reader, node, "LookbackFrequency", false, 0);
  read_adaptive(reader, policy, node, "UpdateFrequency", INT64_C(1000000000));
}

static void read_total_throughput(struct tk_config_reader *reader,
                                  struct tk_sampling_policy *policy,
                                  const struct tk_config_node *node) {
  static const char *const keys[] = {"GoalThroughputPerSec",
                                     "UseClusterSize",
                                     "ClearFrequency",
                                     "FieldList",
                                     "MaxKeys",
                                     "UseTraceLength",
                                     "SummarizeMode",
                                     NULL};
  tk_config_only(reader, node, "TotalThroughputSampler", keys);
  policy->as.refinery_dynamic.goal_throughput =
      tk_config_integer_needed(reader, node, "GoalThroughputPerSec", &throughput);
  read_adaptive(reader, policy, node, "ClearFrequency", INT64_C(30000000000));
}

/* ---- conditions ---- */

static bool is_list_operator(enum tk_refinery_operator op) {
  return op == TK_REFINERY_IN || op == TK_REFINERY_NOT_IN;
}

static bool needs_value(enum tk_refinery_operator op) {
  return op != TK_REFINERY_EXISTS && op != TK_REFINERY_NOT_EXISTS;
}

static void read_value(struct tk_config_reader *reader, struct tk_value *value,
                       const struct tk_config_node *node) {
  tk_config_resolve(node, value);
  if (value->type == TK_VALUE_EMPTY) {
    tk_config_expect(reader, node, "Value to be text, a number, true or false");
  }
  if (value->type == TK_VALUE_STRING) {
    value->as.text = tk_config_copy(reader, node, "Value").data;
  }
}

/* What the datatype makes of the value has to be possible. */
static void check_datatype(struct tk_config_reader *reader, enum tk_refinery_datatype datatype,
                           const struct tk_config_node *node) {
  int64_t integer;
  double real;
  if (datatype == TK_REFINERY_INT && !tk_config_parse_integer(node, &integer)) {
    tk_config_expect(reader, node, "Value to be a whole number, as Datatype says");
  } else if (datatype == TK_REFINERY_FLOAT && !tk_config_parse_number(node, &real)) {
    tk_config_expect(reader, node, "Value to be a number, as Datatype says");
  }
}

static void read_values(struct tk_config_reader *reader, struct tk_refinery_condition *condition,
                        const struct tk_config_node *node) {
  const struct tk_config_node *value = tk_config_get(node, "Value");
  const bool is_list = value && value->kind == TK_CONFIG_LIST;
  if (!value && needs_value(condition->op)) {
    tk_config_need(reader, node, "Value", "what the field is compared with");
  }
  if (is_list && !is_list_operator(condition->op)) {
    tk_config_expect(reader, value, "Value to be text, a number, true or false");
  }
  const uint32_t count = !value ? 0 : is_list ? value->count : 1;
  struct tk_value *values = count > 0 ? tk_config_allocate(reader, count, sizeof *values) : NULL;
  for (uint32_t i = 0; values && i < count && reader->status == TK_OK; i++) {
    const struct tk_config_node *item = is_list ? value->items[i] : value;
    read_value(reader, &values[i], item);
    check_datatype(reader, condition->datatype, item);
  }
  condition->values = values;
  condition->value_count = values ? count : 0;
}

static void read_fields(struct tk_config_reader *reader, struct tk_refinery_condition *condition,
                        const struct tk_config_node *node) {
  const struct tk_config_node *one = tk_config_get(node, "Field");
  const struct tk_config_node *many = tk_config_get(node, "Fields");
  if (one && many) {
    tk_config_fail(reader, node, "expected Field or Fields, found both");
  } else if (one) {
    struct tk_text *field = tk_config_allocate(reader, 1, sizeof *field);
    if (!field) return;
    *field = tk_config_text_needed(reader, node, "Field", "the name of a field");
    condition->fields = (struct tk_sampling_texts){field, 1};
  } else if (many) {
    condition->fields = tk_config_texts(reader, node, "Fields", "a list of fields", true);
  } else if (condition->op != TK_REFINERY_HAS_ROOT_SPAN) {
    tk_config_need(reader, node, "Field", "the name of a field");
  }
}

static void read_condition(struct tk_config_reader *reader, struct tk_refinery_condition *condition,
                           const struct tk_config_node *node) {
  static const char *const keys[] = {"Field", "Fields", "Operator", "Value", "Datatype", NULL};
  static const char *const operators[] = {[TK_REFINERY_EQUAL] = "=",
                                          [TK_REFINERY_NOT_EQUAL] = "!=",
                                          [TK_REFINERY_GREATER] = ">",
                                          [TK_REFINERY_GREATER_OR_EQUAL] = ">=",
                                          [TK_REFINERY_LESS] = "<",
                                          [TK_REFINERY_LESS_OR_EQUAL] = "<=",
                                          [TK_REFINERY_STARTS_WITH] = "starts-with",
                                          [TK_REFINERY_CONTAINS] = "contains",
                                          [TK_REFINERY_DOES_NOT_CONTAIN] = "does-not-contain",
                                          [TK_REFINERY_EXISTS] = "exists",
                                          [TK_REFINERY_NOT_EXISTS] = "not-exists",
                                          [TK_REFINERY_HAS_ROOT_SPAN] = "has-root-span",
                                          [TK_REFINERY_MATCHES] = "matches",
                                          [TK_REFINERY_IN] = "in",
                                          [TK_REFINERY_NOT_IN] = "not-in",
                                          NULL};
  static const char *const datatypes[] = {"string", "int", "float", "bool", NULL};
  condition->line = node->line;
  if (!tk_config_check_map(reader, node, "a condition")) return;
  tk_config_only(reader, node, "a condition", keys);
  const struct tk_config_node *op =
      tk_config_need(reader, node, "Operator", "how the field is compared");
  if (!op) return;
  const int choice = tk_config_word(reader, op, "Operator", operators);
  if (choice < 0) return;
  condition->op = (enum tk_refinery_operator)choice;
  /* By field is the first, and has no word. */
  condition->datatype = (enum tk_refinery_datatype)(
      tk_config_choice(reader, node, "Datatype", datatypes, TK_REFINERY_BY_FIELD - 1) + 1);
  if (condition->datatype == TK_REFINERY_BOOL && is_list_operator(condition->op)) {
    tk_config_fail(reader, op, "expected no Datatype bool with Operator %s", operators[choice]);
  }
  read_fields(reader, condition, node);
  read_values(reader, condition, node);
}

/* ---- rules ---- */

static void read_sampler(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                         const struct tk_sampling_policy *parent, const struct tk_config_node *map,
                         const struct tk_config_node *at);

static void read_rule(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                      const struct tk_sampling_policy *parent, const struct tk_config_node *node) {
  static const char *const keys[] = {"Name",       "SampleRate", "Drop",      "Scope",
                                     "Conditions", "Sampler",    "Summarize", NULL};
  static const char *const scopes[] = {"trace", "span", NULL};
  struct tk_sampling_refinery_rule *rule = &policy->as.refinery_rule;
  tk_config_start(reader, policy, parent, TK_SAMPLING_REFINERY_RULE, node);
  if (!tk_config_check_map(reader, node, "a rule")) return;
  tk_config_only(reader, node, "a rule", keys);
  policy->name = tk_config_text(reader, node, "Name");
  if (reader->status != TK_OK) return;
  if (policy->name.size > 0) {
    tk_config_where(reader, "%.60s: rule '%.60s'", parent->name.data, policy->name.data);
  }
  rule->drop = tk_config_boolean(reader, node, "Drop", false);
  rule->by_span = tk_config_choice(reader, node, "Scope", scopes, 0) == 1;
  rule->rate = tk_config_integer(reader, node, "SampleRate", &counter, 0).value;
  const struct tk_config_node *list = tk_config_list(reader, node, "Conditions");
  const uint32_t count = list ? list->count : 0;
  struct tk_refinery_condition *conditions =
      count > 0 ? tk_config_allocate(reader, count, sizeof *conditions) : NULL;
  for (uint32_t i = 0; conditions && i < count && reader->status == TK_OK; i++) {
    read_condition(reader, &conditions[i], list->items[i]);
  }
  rule->conditions = conditions;
  rule->condition_count = conditions ? count : 0;
  const struct tk_config_node *sampler = tk_config_map(reader, node, "Sampler");
  struct tk_sampling_policy *child = sampler ? tk_config_policies(reader, policy, 1) : NULL;
  if (child) read_sampler(reader, child, policy, sampler, sampler);
}

static void read_rules(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                       const struct tk_config_node *node) {
  static const char *const keys[] = {"Rules", "CheckNestedFields", NULL};
  const struct tk_config_node *list = tk_config_list(reader, node, "Rules");
  tk_config_only(reader, node, "RulesBasedSampler", keys);
  policy->as.refinery_rules.check_nested_fields =
      tk_config_boolean(reader, node, "CheckNestedFields", false);
  struct tk_sampling_policy *rules =
      list && list->count > 0 ? tk_config_policies(reader, policy, list->count) : NULL;
  for (uint32_t i = 0; rules && i < list->count && reader->status == TK_OK; i++) {
    read_rule(reader, &rules[i], policy, list->items[i]);
  }
}

/* ---- one sampler ---- */

static const struct sampler_kind {
  const char *name;
  enum tk_sampling_type type;
  void (*read)(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
               const struct tk_config_node *node);
} sampler_kinds[] = {
    {"DeterministicSampler", TK_SAMPLING_REFINERY_DETERMINISTIC, read_deterministic},
    {"DynamicSampler", TK_SAMPLING_REFINERY_DYNAMIC, read_dynamic},
    {"EMADynamicSampler", TK_SAMPLING_REFINERY_EMA_DYNAMIC, read_ema_dynamic},
    {"EMAThroughputSampler", TK_SAMPLING_REFINERY_EMA_THROUGHPUT, read_ema_throughput},
    {"WindowedThroughputSampler", TK_SAMPLING_REFINERY_WINDOWED_THROUGHPUT,
     read_windowed_throughput},
    {"TotalThroughputSampler", TK_SAMPLING_REFINERY_TOTAL_THROUGHPUT, read_total_throughput},
    {"RulesBasedSampler", TK_SAMPLING_REFINERY_RULES, read_rules},
};

/* A map with one member, named after the kind of sampler. */
static void read_sampler(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                         const struct tk_sampling_policy *parent, const struct tk_config_node *map,
                         const struct tk_config_node *at) {
  size_t kind = 0;
  const struct tk_text name = policy->name;
  tk_config_start(reader, policy, parent, TK_SAMPLING_REFINERY_DETERMINISTIC, at);
  if (name.size > 0) policy->name = name;
  if (!tk_config_check_map(reader, map, "a sampler")) return;
  if (map->count != 1) {
    tk_config_fail(reader, map, "expected one sampler, found %u", map->count);
    return;
  }
  const size_t count = sizeof sampler_kinds / sizeof sampler_kinds[0] - (parent ? 1 : 0);
  while (kind < count && !tk_config_is_text(map->keys[0], sampler_kinds[kind].name)) kind++;
  if (kind == count) {
    tk_config_expect(reader, map->keys[0],
                     "a sampler: DeterministicSampler, DynamicSampler, EMADynamicSampler,"
                     " EMAThroughputSampler, WindowedThroughputSampler, TotalThroughputSampler%s",
                     parent ? "" : " or RulesBasedSampler");
    return;
  }
  policy->type = sampler_kinds[kind].type;
  if (!tk_config_check_map(reader, map->items[0], sampler_kinds[kind].name)) return;
  sampler_kinds[kind].read(reader, policy, map->items[0]);
}

void tk_config_read_refinery(struct tk_config_reader *reader) {
  static const char *const keys[] = {"RulesVersion", "Samplers", NULL};
  static const struct tk_config_range version = {"the version of the rules", 2, 2};
  const struct tk_config_node *root = reader->document->root;
  tk_config_only(reader, root, "a rules file", keys);
  tk_config_integer_needed(reader, root, "RulesVersion", &version);
  tk_config_need(reader, root, "Samplers", "a map of samplers");
  const struct tk_config_node *samplers = tk_config_map(reader, root, "Samplers");
  if (!samplers || reader->status != TK_OK) return;
  if (!tk_config_get(samplers, "__default__")) {
    tk_config_fail(reader, samplers, "expected a sampler for __default__, found none");
  }
  struct tk_sampling_policy *roots = tk_config_policies(reader, NULL, samplers->count);
  for (uint32_t i = 0; roots && i < samplers->count && reader->status == TK_OK; i++) {
    roots[i].name = tk_config_copy(reader, samplers->keys[i], "a target");
    if (reader->status != TK_OK) return;
    tk_config_where(reader, "%.80s", roots[i].name.data);
    read_sampler(reader, &roots[i], NULL, samplers->items[i], samplers->keys[i]);
    reader->where[0] = '\0';
  }
}
