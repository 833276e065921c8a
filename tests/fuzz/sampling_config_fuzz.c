/* SPDX-License-Identifier: MIT
 * Any bytes as a sampling configuration: refused with a place, or a tree that holds together and
 * whose options, shown as JSON, are JSON. The probe may say what it likes, but must end. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "sqlext/sampling/config_options.h"
#include "store/sqlite_api.h"
#include "tracekeep/json.h"
#include "tracekeep/sampling_config.h"

#define REQUIRE(condition)     \
  do {                         \
    if (!(condition)) abort(); \
  } while (0)

static void check_text(struct tk_text text) {
  REQUIRE(text.data != NULL && text.data[text.size] == '\0');
}

static void check_options(const struct tk_sampling_policy *policy) {
  struct tk_byte_writer writer = {0};
  struct tk_json json;
  tk_sampling_options_json(&writer, policy);
  const size_t size = writer.size;
  char *text = calloc(1, size + TK_JSON_PADDING);
  REQUIRE(text && !writer.failed && size > 0);
  memcpy(text, writer.data, size);
  tk_json_init(&json, text, size);
  tk_json_skip(&json);
  REQUIRE(!json.expected && tk_json_at_end(&json));
  free(text);
  tk_byte_writer_reset(&writer);
}

static void check_numbers(const struct tk_sampling_policy *policy) {
  double probability;
  int64_t rate;
  uint64_t threshold;
  if (tk_sampling_policy_probability(policy, &probability)) {
    REQUIRE(probability >= 0 && probability <= 1);
  }
  if (tk_sampling_policy_rate(policy, &rate)) REQUIRE(rate >= 0);
  if (tk_sampling_policy_threshold(policy, &threshold)) REQUIRE(threshold >> 56 == 0);
}

static void check_tree(const struct tk_sampling_config *config) {
  const struct tk_sampling_policy *policy = NULL;
  uint32_t count = 0;
  while ((policy = tk_sampling_config_next(config, policy))) {
    REQUIRE(policy->ordinal == count++);
    REQUIRE(policy->line > 0 && policy->column > 0);
    REQUIRE(tk_sampling_type_name(policy->type));
    if (policy->parent) {
      REQUIRE(policy >= policy->parent->children &&
              policy < policy->parent->children + policy->parent->child_count);
    }
    check_text(policy->name);
    check_text(policy->service);
    check_text(policy->operation);
    check_options(policy);
    check_numbers(policy);
  }
  REQUIRE(count == config->policy_count && count > 0);
  for (uint32_t i = 0; i < config->pipeline_count; i++) {
    for (uint32_t k = 0; k < config->pipelines[i].stage_count; k++) {
      const struct tk_sampling_policy *stage = config->pipelines[i].stages[k];
      REQUIRE(stage >= config->roots && stage < config->roots + config->root_count);
      REQUIRE(!stage->unused);
    }
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct tk_sampling_config *config = NULL;
  char summary[64];
  struct tk_error error = {{0}};
  const char *text = size > 0 ? (const char *)data : "";
  tk_sampling_config_probe(text, size);
  const enum tk_status status = tk_sampling_config_parse(text, size, "fuzz", &config, &error);
  REQUIRE((status == TK_OK) == (config != NULL));
  if (status == TK_INVALID) REQUIRE(strncmp(error.message, "fuzz:", 5) == 0);
  if (status == TK_OK) {
    check_tree(config);
    tk_sampling_config_summary(config, summary, sizeof summary);
    REQUIRE(summary[0] != '\0' && strlen(summary) < sizeof summary);
  }
  tk_sampling_config_free(config);
  return 0;
}
