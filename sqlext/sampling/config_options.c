/* SPDX-License-Identifier: MIT
 * Policies in columns: their options as JSON, and the few numbers that many of them have. */
#include "sqlext/sampling/config_options.h"

#include <stdio.h>
#include <string.h>

#include "sqlext/sampling/sampler_math.h"
#include "sqlext/vtab_support.h"

/* ---- JSON ---- */

struct object {
  struct tk_byte_writer *out;
  bool has_members;
};

static void begin_member(struct object *object, const char *name) {
  tk_json_literal(object->out, object->has_members ? ",\"" : "\"");
  tk_json_literal(object->out, name);
  tk_json_literal(object->out, "\":");
  object->has_members = true;
}

static void append_text(struct object *object, const char *name, struct tk_text text) {
  begin_member(object, name);
  tk_json_text(object->out, text);
}

static void append_word(struct object *object, const char *name, const char *word) {
  append_text(object, name, (struct tk_text){word, (uint32_t)strlen(word)});
}

static void append_integer(struct object *object, const char *name, int64_t value) {
  char text[24];
  begin_member(object, name);
  snprintf(text, sizeof text, "%lld", (long long)value);
  tk_json_literal(object->out, text);
}

static void append_boolean(struct object *object, const char *name, bool value) {
  begin_member(object, name);
  tk_json_literal(object->out, value ? "true" : "false");
}

static void append_real(struct object *object, const char *name, double value) {
  const struct tk_value real = {.type = TK_VALUE_DOUBLE, .as = {.real = value}};
  begin_member(object, name);
  tk_json_value(object->out, &real);
}

static void append_texts(struct object *object, const char *name, struct tk_sampling_texts texts) {
  begin_member(object, name);
  tk_json_literal(object->out, "[");
  for (uint32_t i = 0; i < texts.count; i++) {
    if (i > 0) tk_json_literal(object->out, ",");
    tk_json_text(object->out, texts.items[i]);
  }
  tk_json_literal(object->out, "]");
}

/* Words whose bits are set, the first for bit `first`. */
static void append_bits(struct object *object, const char *name, uint32_t bits,
                        const char *const *words, int first) {
  bool is_first = true;
  begin_member(object, name);
  tk_json_literal(object->out, "[");
  for (int i = 0; words[i]; i++) {
    if (!(bits >> (i + first) & 1)) continue;
    tk_json_literal(object->out, is_first ? "\"" : ",\"");
    tk_json_literal(object->out, words[i]);
    tk_json_literal(object->out, "\"");
    is_first = false;
  }
  tk_json_literal(object->out, "]");
}

/* Only if it was written: "left out" may mean something else than any value. */
static void append_written(struct object *object, const char *name,
                           struct tk_sampling_integer integer) {
  if (integer.written) append_integer(object, name, integer.value);
}

/* ---- the collector ---- */

static void describe_probabilistic_sampler(
    struct object *object, const struct tk_sampling_probabilistic_sampler *sampler) {
  static const char *const modes[] = {"hash_seed", "proportional", "equalizing"};
  append_real(object, "sampling_percentage", sampler->percentage.value);
  append_word(object, "mode", modes[sampler->mode]);
  append_integer(object, "hash_seed", sampler->hash_seed);
  append_boolean(object, "fail_closed", sampler->fail_closed);
  append_integer(object, "sampling_precision", sampler->precision);
}

static void describe_tail(struct object *object, const struct tk_sampling_tail *tail) {
  append_integer(object, "decision_wait_ns", tail->decision_wait_ns);
  append_integer(object, "decision_wait_after_root_received_ns", tail->decision_wait_after_root_ns);
  append_integer(object, "num_traces", (int64_t)tail->trace_limit);
  append_integer(object, "sampled_cache_size", (int64_t)tail->sampled_cache_size);
  append_integer(object, "non_sampled_cache_size", (int64_t)tail->non_sampled_cache_size);
  append_integer(object, "maximum_trace_size_bytes", (int64_t)tail->trace_size_limit);
  append_boolean(object, "sample_on_first_match", tail->sample_on_first_match);
  append_word(object, "sampling_strategy",
              tail->strategy == TK_TAIL_SPAN_INGEST ? "span-ingest" : "trace-complete");
}

static void describe_numeric(struct object *object,
                             const struct tk_sampling_numeric_attribute *numeric) {
  append_text(object, "key", numeric->key);
  append_written(object, "min_value", numeric->min);
  append_written(object, "max_value", numeric->max);
  append_boolean(object, "invert_match", numeric->invert_match);
}

static void describe_string(struct object *object,
                            const struct tk_sampling_string_attribute *string) {
  append_text(object, "key", string->key);
  append_texts(object, "values", string->values);
  append_boolean(object, "enabled_regex_matching", string->is_regex);
  append_boolean(object, "invert_match", string->invert_match);
}

static void describe_ottl(struct object *object, const struct tk_sampling_ottl_condition *ottl) {
  static const char *const modes[] = {"propagate", "ignore", "silent"};
  append_word(object, "error_mode", modes[ottl->error_mode]);
  append_texts(object, "span", ottl->span);
  append_texts(object, "spanevent", ottl->span_events);
}

static void describe_composite(struct object *object, const struct tk_sampling_policy *policy) {
  const struct tk_sampling_composite *composite = &policy->as.composite;
  append_integer(object, "max_total_spans_per_second", composite->max_spans_per_second);
  begin_member(object, "policy_order");
  tk_json_literal(object->out, "[");
  for (uint32_t i = 0; i < composite->order_count; i++) {
    if (i > 0) tk_json_literal(object->out, ",");
    tk_json_text(object->out, policy->children[composite->order[i]].name);
  }
  tk_json_literal(object->out, "]");
  begin_member(object, "rate_allocation");
  struct object shares = {object->out, false};
  tk_json_literal(object->out, "[");
  for (uint32_t i = 0; i < policy->child_count; i++) {
    if (!composite->shares[i].allocated) continue;
    tk_json_literal(object->out, shares.has_members ? ",{" : "{");
    shares.has_members = false;
    append_text(&shares, "policy", policy->children[i].name);
    append_integer(&shares, "percent", composite->shares[i].percent);
    append_integer(&shares, "spans_per_second", composite->shares[i].spans_per_second);
    tk_json_literal(object->out, "}");
  }
  tk_json_literal(object->out, "]");
}

static void describe_collector(struct object *object, const struct tk_sampling_policy *policy) {
  static const char *const codes[] = {"UNSET", "OK", "ERROR", NULL};
  switch ((int)policy->type) {
    case TK_SAMPLING_PROBABILISTIC_SAMPLER:
      describe_probabilistic_sampler(object, &policy->as.probabilistic_sampler);
      break;
    case TK_SAMPLING_TAIL:
      describe_tail(object, &policy->as.tail);
      break;
    case TK_SAMPLING_LATENCY:
      append_integer(object, "threshold_ms", policy->as.latency.threshold_ns / 1000000);
      append_integer(object, "upper_threshold_ms", policy->as.latency.upper_threshold_ns / 1000000);
      break;
    case TK_SAMPLING_NUMERIC_ATTRIBUTE:
      describe_numeric(object, &policy->as.numeric_attribute);
      break;
    case TK_SAMPLING_PROBABILISTIC:
      append_real(object, "sampling_percentage", policy->as.probabilistic.percentage.value);
      append_text(object, "hash_salt", policy->as.probabilistic.hash_salt);
      break;
    case TK_SAMPLING_STATUS_CODE:
      append_bits(object, "status_codes", policy->as.status_code.codes, codes, 0);
      break;
    case TK_SAMPLING_STRING_ATTRIBUTE:
      describe_string(object, &policy->as.string_attribute);
      break;
    case TK_SAMPLING_BOOLEAN_ATTRIBUTE:
      append_text(object, "key", policy->as.boolean_attribute.key);
      append_boolean(object, "value", policy->as.boolean_attribute.value);
      append_boolean(object, "invert_match", policy->as.boolean_attribute.invert_match);
      break;
    case TK_SAMPLING_TRACE_STATE:
      append_text(object, "key", policy->as.trace_state.key);
      append_texts(object, "values", policy->as.trace_state.values);
      break;
    case TK_SAMPLING_RATE_LIMITING:
    case TK_SAMPLING_BYTES_LIMITING:
      append_integer(
          object,
          policy->type == TK_SAMPLING_RATE_LIMITING ? "spans_per_second" : "bytes_per_second",
          policy->as.limit.per_second);
      append_integer(object, "burst_capacity", policy->as.limit.burst.value);
      break;
    case TK_SAMPLING_SPAN_COUNT:
      append_integer(object, "min_spans", policy->as.span_count.min);
      append_integer(object, "max_spans", policy->as.span_count.max);
      break;
    case TK_SAMPLING_OTTL_CONDITION:
      describe_ottl(object, &policy->as.ottl_condition);
      break;
    case TK_SAMPLING_COMPOSITE:
      describe_composite(object, policy);
      break;
    default:
      break;
  }
}

/* ---- Jaeger and Refinery ---- */

static void describe_jaeger(struct object *object, const struct tk_sampling_policy *policy) {
  const struct tk_sampling_jaeger *jaeger = &policy->as.jaeger;
  if (policy->type == TK_SAMPLING_JAEGER_PROBABILISTIC) {
    append_real(object, "param", jaeger->probability.value);
  } else if (policy->type == TK_SAMPLING_JAEGER_RATE_LIMITING) {
    append_integer(object, "param", jaeger->traces_per_second);
  }
  if (jaeger->has_operations) {
    append_real(object, "defaultSamplingProbability", jaeger->default_probability.value);
    append_real(object, "defaultLowerBoundTracesPerSecond", jaeger->lower_bound);
    append_real(object, "defaultUpperBoundTracesPerSecond", jaeger->upper_bound);
  }
  if (policy->operation.size > 0) append_boolean(object, "inherited", jaeger->inherited);
}

static void describe_dynamic(struct object *object, const struct tk_sampling_policy *policy) {
  const struct tk_sampling_refinery_dynamic *dynamic = &policy->as.refinery_dynamic;
  if (policy->type == TK_SAMPLING_REFINERY_DYNAMIC) {
    append_integer(object, "SampleRate", dynamic->goal_rate);
  } else if (policy->type == TK_SAMPLING_REFINERY_EMA_DYNAMIC) {
    append_integer(object, "GoalSampleRate", dynamic->goal_rate);
  } else {
    append_integer(object, "GoalThroughputPerSec", dynamic->goal_throughput);
    append_boolean(object, "UseClusterSize", dynamic->use_cluster_size);
  }
  if (policy->type == TK_SAMPLING_REFINERY_EMA_THROUGHPUT) {
    append_integer(object, "InitialSampleRate", dynamic->initial_rate);
  }
  append_integer(object, "interval_ns", dynamic->interval_ns);
  append_texts(object, "FieldList", dynamic->fields);
  append_integer(object, "MaxKeys", dynamic->key_limit);
  append_boolean(object, "UseTraceLength", dynamic->use_trace_length);
}

static void describe_condition(struct tk_byte_writer *out,
                               const struct tk_refinery_condition *condition) {
  static const char *const operators[] = {"=",           "!=",         ">",
                                          ">=",          "<",          "<=",
                                          "starts-with", "contains",   "does-not-contain",
                                          "exists",      "not-exists", "has-root-span",
                                          "matches",     "in",         "not-in"};
  static const char *const datatypes[] = {"", "string", "int", "float", "bool"};
  struct object object = {out, false};
  tk_json_literal(out, "{");
  append_texts(&object, "Fields", condition->fields);
  append_word(&object, "Operator", operators[condition->op]);
  if (condition->value_count > 0) {
    begin_member(&object, "Value");
    const struct tk_value list = {
        .type = TK_VALUE_ARRAY, .size = condition->value_count, .as = {.items = condition->values}};
    const bool is_list = condition->op == TK_REFINERY_IN || condition->op == TK_REFINERY_NOT_IN;
    tk_json_value(out, is_list ? &list : condition->values);
  }
  if (condition->datatype != TK_REFINERY_BY_FIELD) {
    append_word(&object, "Datatype", datatypes[condition->datatype]);
  }
  tk_json_literal(out, "}");
}

static void describe_refinery_rule(struct object *object,
                                   const struct tk_sampling_refinery_rule *rule) {
  append_boolean(object, "Drop", rule->drop);
  append_integer(object, "SampleRate", rule->rate);
  append_word(object, "Scope", rule->by_span ? "span" : "trace");
  begin_member(object, "Conditions");
  tk_json_literal(object->out, "[");
  for (uint32_t i = 0; i < rule->condition_count; i++) {
    if (i > 0) tk_json_literal(object->out, ",");
    describe_condition(object->out, &rule->conditions[i]);
  }
  tk_json_literal(object->out, "]");
}

/* ---- SDKs and X-Ray ---- */

static void describe_rule(struct object *object, const struct tk_sampling_rule *rule) {
  static const char *const kinds[] = {"internal", "server", "client", "producer", "consumer", NULL};
  static const char *const parents[] = {"none", "remote", "local", NULL};
  if (rule->has_values) {
    append_text(object, "attribute_values_key", rule->values_key);
    append_texts(object, "attribute_values", rule->values);
  }
  if (rule->has_patterns) {
    append_text(object, "attribute_patterns_key", rule->patterns_key);
    append_texts(object, "included", rule->included);
    append_texts(object, "excluded", rule->excluded);
  }
  if (rule->kinds) append_bits(object, "span_kinds", rule->kinds, kinds, TK_KIND_INTERNAL);
  if (rule->parents) append_bits(object, "parent", rule->parents, parents, 0);
}

static void describe_xray(struct object *object, const struct tk_sampling_policy *policy) {
  const struct tk_sampling_xray *xray = &policy->as.xray;
  const struct tk_attributes attributes = {xray->attributes, xray->attribute_count, 0};
  append_integer(object, "Priority", xray->priority);
  append_real(object, "FixedRate", xray->rate.value);
  append_integer(object, "ReservoirSize", xray->reservoir_per_second);
  append_text(object, "ServiceName", policy->service);
  append_text(object, "ServiceType", xray->service_type);
  append_text(object, "Host", xray->host);
  append_text(object, "HTTPMethod", xray->http_method);
  append_text(object, "URLPath", xray->url_path);
  append_text(object, "ResourceARN", xray->resource_arn);
  begin_member(object, "Attributes");
  tk_json_attributes(object->out, &attributes);
}

static void describe_others(struct object *object, const struct tk_sampling_policy *policy) {
  switch ((int)policy->type) {
    case TK_SAMPLING_REFINERY_DETERMINISTIC:
      append_integer(object, "SampleRate", policy->as.refinery_deterministic.rate);
      break;
    case TK_SAMPLING_REFINERY_RULES:
      append_boolean(object, "CheckNestedFields", policy->as.refinery_rules.check_nested_fields);
      break;
    case TK_SAMPLING_REFINERY_RULE:
      describe_refinery_rule(object, &policy->as.refinery_rule);
      break;
    case TK_SAMPLING_TRACE_ID_RATIO:
    case TK_SAMPLING_PROBABILITY:
      append_real(object, "ratio", policy->as.ratio.ratio.value);
      break;
    case TK_SAMPLING_JAEGER_REMOTE:
    case TK_SAMPLING_XRAY_REMOTE:
      append_text(object, "endpoint", policy->as.remote.endpoint);
      append_integer(object, "interval_ns", policy->as.remote.interval_ns);
      break;
    case TK_SAMPLING_RULE:
      describe_rule(object, &policy->as.rule);
      break;
    case TK_SAMPLING_XRAY_RULE:
      describe_xray(object, policy);
      break;
    default:
      break;
  }
}

void tk_sampling_options_json(struct tk_byte_writer *out, const struct tk_sampling_policy *policy) {
  struct object object = {out, false};
  tk_json_literal(out, "{");
  if (policy->type <= TK_SAMPLING_COMPOSITE) {
    describe_collector(&object, policy);
  } else if (policy->type <= TK_SAMPLING_JAEGER_REMAINING) {
    describe_jaeger(&object, policy);
  } else if (policy->type >= TK_SAMPLING_REFINERY_DYNAMIC &&
             policy->type <= TK_SAMPLING_REFINERY_TOTAL_THROUGHPUT) {
    describe_dynamic(&object, policy);
  } else {
    describe_others(&object, policy);
  }
  tk_json_literal(out, "}");
}

/* ---- numbers ---- */

static double share_of_percentage(double percentage) {
  return percentage >= 100 ? 1 : percentage / 100;
}

bool tk_sampling_policy_probability(const struct tk_sampling_policy *policy, double *out) {
  switch ((int)policy->type) {
    case TK_SAMPLING_PROBABILISTIC_SAMPLER:
      *out = share_of_percentage(policy->as.probabilistic_sampler.percentage.value);
      return true;
    case TK_SAMPLING_PROBABILISTIC:
      *out = share_of_percentage(policy->as.probabilistic.percentage.value);
      return true;
    case TK_SAMPLING_JAEGER_PROBABILISTIC:
      *out = policy->as.jaeger.probability.value;
      return true;
    case TK_SAMPLING_REFINERY_DETERMINISTIC:
      *out = 1 / (double)policy->as.refinery_deterministic.rate;
      return true;
    case TK_SAMPLING_REFINERY_RULE:
      if (policy->child_count > 0) return false;
      *out = policy->as.refinery_rule.drop || policy->as.refinery_rule.rate == 0
                 ? 0
                 : 1 / (double)policy->as.refinery_rule.rate;
      return true;
    case TK_SAMPLING_TRACE_ID_RATIO:
    case TK_SAMPLING_PROBABILITY:
      *out = policy->as.ratio.ratio.value;
      return true;
    case TK_SAMPLING_XRAY_RULE:
      *out = policy->as.xray.rate.value;
      return true;
    case TK_SAMPLING_ALWAYS_SAMPLE:
    case TK_SAMPLING_ALWAYS_ON:
      *out = 1;
      return true;
    case TK_SAMPLING_ALWAYS_OFF:
      *out = 0;
      return true;
    default:
      return false;
  }
}

bool tk_sampling_policy_rate(const struct tk_sampling_policy *policy, int64_t *out) {
  switch ((int)policy->type) {
    case TK_SAMPLING_RATE_LIMITING:
    case TK_SAMPLING_BYTES_LIMITING:
      *out = policy->as.limit.per_second;
      return true;
    case TK_SAMPLING_COMPOSITE:
      *out = policy->as.composite.max_spans_per_second;
      return true;
    case TK_SAMPLING_JAEGER_RATE_LIMITING:
      *out = policy->as.jaeger.traces_per_second;
      return true;
    case TK_SAMPLING_REFINERY_EMA_THROUGHPUT:
    case TK_SAMPLING_REFINERY_WINDOWED_THROUGHPUT:
    case TK_SAMPLING_REFINERY_TOTAL_THROUGHPUT:
      *out = policy->as.refinery_dynamic.goal_throughput;
      return true;
    case TK_SAMPLING_XRAY_RULE:
      *out = policy->as.xray.reservoir_per_second;
      return true;
    default:
      return false;
  }
}

bool tk_sampling_policy_threshold(const struct tk_sampling_policy *policy, uint64_t *out) {
  if (policy->type == TK_SAMPLING_PROBABILITY) {
    *out = tk_threshold_of_probability(policy->as.ratio.ratio.value, 4);
    return *out < TK_THRESHOLD_NEVER;
  }
  if (policy->type != TK_SAMPLING_PROBABILISTIC_SAMPLER) return false;
  const struct tk_sampling_probabilistic_sampler *sampler = &policy->as.probabilistic_sampler;
  const float percentage = (float)sampler->percentage.value;
  if (sampler->mode == TK_MODE_HASH_SEED) {
    *out = (uint64_t)(16384 - tk_seeded_buckets(percentage)) << 42;
  } else {
    *out = tk_threshold_of_probability((double)percentage / 100, (int)sampler->precision);
  }
  return *out < TK_THRESHOLD_NEVER;
}
