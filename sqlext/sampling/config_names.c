/* SPDX-License-Identifier: MIT
 * What the parts of a configuration are called, in their own dialect's words where it has some. */
#include "tracekeep/sampling_config.h"

const char *tk_sampling_dialect_name(enum tk_sampling_dialect dialect) {
  static const char *const names[] = {[TK_DIALECT_COLLECTOR] = "collector",
                                      [TK_DIALECT_JAEGER_STRATEGIES] = "jaeger-strategies",
                                      [TK_DIALECT_JAEGER_ANSWER] = "jaeger-answer",
                                      [TK_DIALECT_REFINERY] = "refinery",
                                      [TK_DIALECT_DECLARATIVE] = "declarative",
                                      [TK_DIALECT_ENVIRONMENT] = "environment",
                                      [TK_DIALECT_XRAY] = "xray"};
  return names[dialect];
}

const char *tk_sampling_type_name(enum tk_sampling_type type) {
  static const char *const names[TK_SAMPLING_TYPE_COUNT] = {
      [TK_SAMPLING_PROBABILISTIC_SAMPLER] = "probabilistic_sampler",
      [TK_SAMPLING_TAIL] = "tail_sampling",
      [TK_SAMPLING_ALWAYS_SAMPLE] = "always_sample",
      [TK_SAMPLING_LATENCY] = "latency",
      [TK_SAMPLING_NUMERIC_ATTRIBUTE] = "numeric_attribute",
      [TK_SAMPLING_PROBABILISTIC] = "probabilistic",
      [TK_SAMPLING_STATUS_CODE] = "status_code",
      [TK_SAMPLING_STRING_ATTRIBUTE] = "string_attribute",
      [TK_SAMPLING_BOOLEAN_ATTRIBUTE] = "boolean_attribute",
      [TK_SAMPLING_TRACE_STATE] = "trace_state",
      [TK_SAMPLING_TRACE_FLAGS] = "trace_flags",
      [TK_SAMPLING_RATE_LIMITING] = "rate_limiting",
      [TK_SAMPLING_BYTES_LIMITING] = "bytes_limiting",
      [TK_SAMPLING_SPAN_COUNT] = "span_count",
      [TK_SAMPLING_OTTL_CONDITION] = "ottl_condition",
      [TK_SAMPLING_AND] = "and",
      [TK_SAMPLING_NOT] = "not",
      [TK_SAMPLING_DROP] = "drop",
      [TK_SAMPLING_COMPOSITE] = "composite",
      [TK_SAMPLING_JAEGER_PROBABILISTIC] = "probabilistic",
      [TK_SAMPLING_JAEGER_RATE_LIMITING] = "ratelimiting",
      [TK_SAMPLING_JAEGER_REMAINING] = "per-operation",
      [TK_SAMPLING_REFINERY_DETERMINISTIC] = "DeterministicSampler",
      [TK_SAMPLING_REFINERY_DYNAMIC] = "DynamicSampler",
      [TK_SAMPLING_REFINERY_EMA_DYNAMIC] = "EMADynamicSampler",
      [TK_SAMPLING_REFINERY_EMA_THROUGHPUT] = "EMAThroughputSampler",
      [TK_SAMPLING_REFINERY_WINDOWED_THROUGHPUT] = "WindowedThroughputSampler",
      [TK_SAMPLING_REFINERY_TOTAL_THROUGHPUT] = "TotalThroughputSampler",
      [TK_SAMPLING_REFINERY_RULES] = "RulesBasedSampler",
      [TK_SAMPLING_REFINERY_RULE] = "rule",
      [TK_SAMPLING_ALWAYS_ON] = "always_on",
      [TK_SAMPLING_ALWAYS_OFF] = "always_off",
      [TK_SAMPLING_ALWAYS_RECORD] = "always_record",
      [TK_SAMPLING_TRACE_ID_RATIO] = "trace_id_ratio_based",
      [TK_SAMPLING_PROBABILITY] = "probability",
      [TK_SAMPLING_PARENT_BASED] = "parent_based",
      [TK_SAMPLING_JAEGER_REMOTE] = "jaeger_remote",
      [TK_SAMPLING_XRAY_REMOTE] = "xray_remote",
      [TK_SAMPLING_COMPOSABLE] = "composite/development",
      [TK_SAMPLING_PARENT_THRESHOLD] = "parent_threshold",
      [TK_SAMPLING_RULE_BASED] = "rule_based",
      [TK_SAMPLING_RULE] = "rule",
      [TK_SAMPLING_XRAY_RULE] = "xray_rule"};
  return names[type];
}

const char *tk_sampling_role_name(enum tk_sampling_role role) {
  static const char *const names[] = {
      [TK_ROLE_NONE] = NULL,
      [TK_ROLE_ROOT] = "root",
      [TK_ROLE_REMOTE_PARENT_SAMPLED] = "remote_parent_sampled",
      [TK_ROLE_REMOTE_PARENT_NOT_SAMPLED] = "remote_parent_not_sampled",
      [TK_ROLE_LOCAL_PARENT_SAMPLED] = "local_parent_sampled",
      [TK_ROLE_LOCAL_PARENT_NOT_SAMPLED] = "local_parent_not_sampled",
      [TK_ROLE_INITIAL] = "initial_sampler"};
  return names[role];
}
