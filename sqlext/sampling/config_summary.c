/* SPDX-License-Identifier: MIT
 * A configuration in one line: what samples, and how much it keeps. */
#include <stdarg.h>
#include <stdio.h>

#include "sqlext/sampling/config_options.h"

/* What there is room for is written; the rest is dropped. */
struct line {
  char *text;
  size_t size, used;
};

static void TK_PRINTF(2, 3) append(struct line *line, const char *format, ...) {
  va_list arguments;
  if (line->used >= line->size) return;
  va_start(arguments, format);
  const int wrote = vsnprintf(line->text + line->used, line->size - line->used, format, arguments);
  va_end(arguments);
  if (wrote > 0) line->used += (size_t)wrote;
}

static void append_policy(struct line *line, const struct tk_sampling_policy *policy) {
  const bool is_word =
      policy->type == TK_SAMPLING_ALWAYS_ON || policy->type == TK_SAMPLING_ALWAYS_OFF;
  double probability;
  int64_t rate;
  append(line, "%s", tk_sampling_type_name(policy->type));
  if (!is_word && tk_sampling_policy_probability(policy, &probability)) {
    append(line, " %.6g %%", probability * 100);
  }
  if (policy->type == TK_SAMPLING_JAEGER_RATE_LIMITING && tk_sampling_policy_rate(policy, &rate)) {
    append(line, " %lld/s", (long long)rate);
  }
}

static void append_count(struct line *line, uint32_t count, const char *one, const char *many) {
  append(line, "%u %s", count, count == 1 ? one : many);
}

static void append_collector(struct line *line, const struct tk_sampling_config *config) {
  for (uint32_t i = 0; i < config->root_count; i++) {
    const struct tk_sampling_policy *root = &config->roots[i];
    if (i > 0) append(line, ", ");
    append_policy(line, root);
    if (root->type == TK_SAMPLING_TAIL) {
      append(line, " (");
      append_count(line, root->child_count, "policy)", "policies)");
    }
    if (root->unused) append(line, " (unused)");
  }
}

/* What decides for a span without a parent. */
static void append_sdk(struct line *line, const struct tk_sampling_policy *policy) {
  while (policy->child_count > 0 && policy->type != TK_SAMPLING_RULE_BASED) {
    append(line, "%s: ", tk_sampling_type_name(policy->type));
    policy = policy->children;
  }
  append_policy(line, policy);
  if (policy->type == TK_SAMPLING_RULE_BASED) {
    append(line, " (");
    append_count(line, policy->child_count, "rule)", "rules)");
  }
}

void tk_sampling_config_summary(const struct tk_sampling_config *config, char *out, size_t size) {
  struct line line = {out, size, 0};
  if (size > 0) out[0] = '\0';
  switch (config->dialect) {
    case TK_DIALECT_COLLECTOR:
      append_collector(&line, config);
      break;
    case TK_DIALECT_JAEGER_STRATEGIES:
      append_policy(&line, config->roots);
      append(&line, ", ");
      append_count(&line, config->root_count - 1, "service", "services");
      break;
    case TK_DIALECT_JAEGER_ANSWER:
      append_policy(&line, config->roots);
      append(&line, ", ");
      append_count(&line, config->roots->child_count, "operation", "operations");
      break;
    case TK_DIALECT_REFINERY:
      append_count(&line, config->root_count, "target", "targets");
      break;
    case TK_DIALECT_XRAY:
      append_count(&line, config->root_count, "rule", "rules");
      break;
    case TK_DIALECT_DECLARATIVE:
    case TK_DIALECT_ENVIRONMENT:
      append_sdk(&line, config->roots);
      break;
  }
}
