/* SPDX-License-Identifier: MIT
 * AWS X-Ray: the rules that GetSamplingRules answers with (or one of them, as it is created), and
 * the local rules of an SDK (version 2, and 1, whose rules name services where 2 has hosts). */
#include <stdlib.h>
#include <string.h>

#include "sqlext/sampling/config_reader.h"

static const struct tk_config_range reservoir = {"a number of requests a second", 0, INT64_MAX};

static const char rate_what[] = "a rate from 0 to 1";

/* A pattern, `*` where there is none. */
static struct tk_text read_pattern(struct tk_config_reader *reader,
                                   const struct tk_config_node *node, const char *key) {
  const struct tk_text text = tk_config_text(reader, node, key);
  return text.size > 0 ? text : tk_config_constant("*");
}

/* ---- the service's rules ---- */

static void read_attributes(struct tk_config_reader *reader, struct tk_sampling_xray *xray,
                            const struct tk_config_node *node) {
  const struct tk_config_node *map = tk_config_map(reader, node, "Attributes");
  struct tk_attribute *attributes =
      map && map->count > 0 ? tk_config_allocate(reader, map->count, sizeof *attributes) : NULL;
  for (uint32_t i = 0; attributes && i < map->count && reader->status == TK_OK; i++) {
    const struct tk_text pattern = tk_config_copy(reader, map->items[i], "an attribute");
    attributes[i].key = tk_config_copy(reader, map->keys[i], "an attribute");
    attributes[i].value.type = TK_VALUE_STRING;
    attributes[i].value.size = pattern.size;
    attributes[i].value.as.text = pattern.data;
  }
  xray->attributes = attributes;
  xray->attribute_count = attributes ? map->count : 0;
}

static void read_rule(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                      const struct tk_config_node *node) {
  static const char *const keys[] = {
      "RuleName",    "RuleARN",           "ResourceARN", "Priority",   "FixedRate", "ReservoirSize",
      "ServiceName", "ServiceType",       "Host",        "HTTPMethod", "URLPath",   "Version",
      "Attributes",  "SamplingRateBoost", NULL};
  static const struct tk_config_range priority = {"the priority of the rule", 1, 10000};
  static const struct tk_config_range version = {"the version of the rule", 1, 1};
  struct tk_sampling_xray *xray = &policy->as.xray;
  policy->type = TK_SAMPLING_XRAY_RULE;
  if (!tk_config_check_map(reader, node, "SamplingRule")) return;
  policy->name = tk_config_text(reader, node, "RuleName");
  if (policy->name.size == 0) policy->name = tk_config_text(reader, node, "RuleARN");
  if (policy->name.size == 0) tk_config_need(reader, node, keys[0], "the name of the rule");
  if (reader->status != TK_OK) return;
  tk_config_where(reader, "rule '%.80s'", policy->name.data);
  tk_config_only(reader, node, "a sampling rule", keys);
  tk_config_integer(reader, node, "Version", &version, 1);
  xray->is_default = strcmp(policy->name.data, "Default") == 0;
  xray->priority = tk_config_integer_needed(reader, node, "Priority", &priority);
  tk_config_need(reader, node, "FixedRate", rate_what);
  xray->rate = tk_config_number(reader, node, "FixedRate", rate_what, 0, 1, 0);
  xray->reservoir_per_second = tk_config_integer_needed(reader, node, "ReservoirSize", &reservoir);
  policy->service = read_pattern(reader, node, "ServiceName");
  xray->service_type = read_pattern(reader, node, "ServiceType");
  xray->host = read_pattern(reader, node, "Host");
  xray->http_method = read_pattern(reader, node, "HTTPMethod");
  xray->url_path = read_pattern(reader, node, "URLPath");
  xray->resource_arn = read_pattern(reader, node, "ResourceARN");
  read_attributes(reader, xray, node);
  reader->where[0] = '\0';
}

/* By priority, then by name, as rules are evaluated. */
static int compare_rules(const void *left, const void *right) {
  const struct tk_sampling_policy *a = left, *b = right;
  if (a->as.xray.priority != b->as.xray.priority) {
    return a->as.xray.priority < b->as.xray.priority ? -1 : 1;
  }
  return strcmp(a->name.data, b->name.data);
}

static void check_names(struct tk_config_reader *reader, struct tk_sampling_policy *roots,
                        uint32_t count) {
  for (uint32_t i = 1; i < count && reader->status == TK_OK; i++) {
    if (compare_rules(&roots[i - 1], &roots[i]) != 0) continue;
    const struct tk_config_node at = {.line = roots[i].line, .column = roots[i].column};
    tk_config_fail(reader, &at, "expected rules to have different names, found '%.80s' again",
                   roots[i].name.data);
  }
}

static void read_records(struct tk_config_reader *reader, const struct tk_config_node *list) {
  static const char *const keys[] = {"SamplingRule", "CreatedAt", "ModifiedAt", NULL};
  struct tk_sampling_policy *roots = tk_config_policies(reader, NULL, list->count);
  for (uint32_t i = 0; roots && i < list->count && reader->status == TK_OK; i++) {
    const struct tk_config_node *record = list->items[i];
    tk_config_start(reader, &roots[i], NULL, TK_SAMPLING_XRAY_RULE, record);
    if (!tk_config_check_map(reader, record, "a record")) return;
    tk_config_only(reader, record, "a record", keys);
    const struct tk_config_node *rule =
        tk_config_need(reader, record, keys[0], "the rule of the record");
    if (rule) read_rule(reader, &roots[i], rule);
  }
  if (!roots || reader->status != TK_OK) return;
  qsort(roots, list->count, sizeof *roots, compare_rules);
  check_names(reader, roots, list->count);
  for (uint32_t i = 0; i < list->count; i++) roots[i].ordinal = i;
}

/* ---- local rules ---- */

static void read_local_rule(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                            const struct tk_config_node *node, bool is_default) {
  static const char *const keys[] = {"description", "host",         "service_name", "http_method",
                                     "url_path",    "fixed_target", "rate",         NULL};
  static const char *const default_keys[] = {"fixed_target", "rate", NULL};
  struct tk_sampling_xray *xray = &policy->as.xray;
  tk_config_start(reader, policy, NULL, TK_SAMPLING_XRAY_RULE, node);
  if (!tk_config_check_map(reader, node, "a rule")) return;
  tk_config_only(reader, node, is_default ? "default" : "a rule", is_default ? default_keys : keys);
  policy->name =
      is_default ? tk_config_constant("default") : tk_config_text(reader, node, "description");
  if (!is_default && policy->name.size > 0) {
    tk_config_where(reader, "rule '%.80s'", policy->name.data);
  }
  xray->is_default = is_default;
  xray->priority = (int64_t)policy->ordinal + 1;
  xray->reservoir_per_second = tk_config_integer_needed(reader, node, "fixed_target", &reservoir);
  tk_config_need(reader, node, "rate", rate_what);
  xray->rate = tk_config_number(reader, node, "rate", rate_what, 0, 1, 0);
  /* Version 1 says service_name, and means the host. */
  xray->host =
      read_pattern(reader, node, tk_config_get(node, "service_name") ? "service_name" : "host");
  xray->http_method = read_pattern(reader, node, "http_method");
  xray->url_path = read_pattern(reader, node, "url_path");
  xray->service_type = xray->resource_arn = policy->service = tk_config_constant("*");
  reader->where[0] = '\0';
}

static void read_local_rules(struct tk_config_reader *reader, const struct tk_config_node *root) {
  static const char *const keys[] = {"version", "rules", "default", NULL};
  static const struct tk_config_range version = {"the version of the rules", 1, 2};
  const struct tk_config_node *list = tk_config_list(reader, root, "rules");
  const struct tk_config_node *standard =
      tk_config_need(reader, root, "default", "what happens without a rule");
  const uint32_t count = list ? list->count : 0;
  tk_config_only(reader, root, "a rules document", keys);
  tk_config_integer_needed(reader, root, "version", &version);
  struct tk_sampling_policy *roots = standard ? tk_config_policies(reader, NULL, count + 1) : NULL;
  for (uint32_t i = 0; roots && i < count && reader->status == TK_OK; i++) {
    read_local_rule(reader, &roots[i], list->items[i], false);
  }
  if (roots && reader->status == TK_OK) read_local_rule(reader, &roots[count], standard, true);
}

void tk_config_read_xray(struct tk_config_reader *reader) {
  static const char *const keys[] = {"SamplingRuleRecords", "NextToken", NULL};
  const struct tk_config_node *root = reader->document->root;
  const struct tk_config_node *one = tk_config_get(root, "SamplingRule");
  if (tk_config_get(root, keys[0])) {
    const struct tk_config_node *list = tk_config_list(reader, root, keys[0]);
    tk_config_only(reader, root, "the answer", keys);
    if (list) read_records(reader, list);
  } else if (one) {
    struct tk_sampling_policy *policy = tk_config_policies(reader, NULL, 1);
    if (!policy) return;
    tk_config_start(reader, policy, NULL, TK_SAMPLING_XRAY_RULE, one);
    read_rule(reader, policy, one);
  } else {
    read_local_rules(reader, root);
  }
}
