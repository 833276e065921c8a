/* SPDX-License-Identifier: MIT
 * From bytes to a sampling configuration: which notation, which dialect, and then the dialect's
 * reader. */
#include <stdio.h>
#include <string.h>

#include "sqlext/sampling/config_reader.h"
#include "store/sqlite_api.h"
#include "tracekeep/json.h"

/* ---- which notation ---- */

enum notation { NOTATION_YAML, NOTATION_JSON, NOTATION_ENVIRONMENT };

static size_t skip_space(const char *text, size_t size, size_t at) {
  while (at < size && strchr(" \t\r\n", text[at]) && text[at] != '\0') at++;
  return at;
}

/* What begins `{"` or `{}` is JSON; YAML's flow maps hardly ever quote their first key. */
static enum notation find_notation(const char *text, size_t size) {
  const size_t first = skip_space(text, size, 0);
  if (first < size && text[first] == '{') {
    const size_t second = skip_space(text, size, first + 1);
    if (second == size || text[second] == '"' || text[second] == '}') return NOTATION_JSON;
    return NOTATION_YAML;
  }
  return tk_config_is_environment(text, size) ? NOTATION_ENVIRONMENT : NOTATION_YAML;
}

/* ---- which dialect ---- */

static bool has(const struct tk_config_node *map, const char *key) {
  return tk_config_key(map, key) != NULL;
}

static bool has_any(const struct tk_config_node *map, const char *const *keys) {
  while (*keys && !has(map, *keys)) keys++;
  return *keys != NULL;
}

static bool has_collector_part(const struct tk_config_node *root) {
  for (uint32_t i = 0; i < root->count; i++) {
    if (tk_config_is_component(root->keys[i]->text, "tail_sampling") ||
        tk_config_is_component(root->keys[i]->text, "probabilistic_sampler")) {
      return true;
    }
  }
  return has(root, "processors") || has(root, "policies");
}

typedef void read_dialect(struct tk_config_reader *reader);

static read_dialect *find_dialect(const struct tk_config_node *root,
                                  enum tk_sampling_dialect *dialect_out) {
  static const char *const strategies[] = {"default_strategy", "service_strategies", NULL};
  static const char *const answer[] = {"strategyType", "probabilisticSampling",
                                       "rateLimitingSampling", "operationSampling", NULL};
  static const char *const refinery[] = {"RulesVersion", "Samplers", NULL};
  static const char *const xray[] = {"SamplingRuleRecords", "SamplingRule", NULL};
  if (has_any(root, strategies)) {
    *dialect_out = TK_DIALECT_JAEGER_STRATEGIES;
    return tk_config_read_jaeger_strategies;
  }
  if (has_any(root, answer)) {
    *dialect_out = TK_DIALECT_JAEGER_ANSWER;
    return tk_config_read_jaeger_answer;
  }
  if (has_any(root, refinery)) {
    *dialect_out = TK_DIALECT_REFINERY;
    return tk_config_read_refinery;
  }
  if (has_any(root, xray) || (has(root, "default") && has(root, "version"))) {
    *dialect_out = TK_DIALECT_XRAY;
    return tk_config_read_xray;
  }
  if (has(root, "tracer_provider") || has(root, "sampler") ||
      (root->count == 1 && tk_config_is_sampler_name(root->keys[0]->text))) {
    *dialect_out = TK_DIALECT_DECLARATIVE;
    return tk_config_read_declarative;
  }
  *dialect_out = TK_DIALECT_COLLECTOR;
  return has_collector_part(root) ? tk_config_read_collector : NULL;
}

/* As the file is, or as what it deploys is. */
static enum tk_status find_reader(struct tk_config_document *document, struct tk_text text,
                                  enum tk_sampling_dialect *dialect_out, read_dialect **read_out,
                                  struct tk_error *error) {
  *read_out = NULL;
  if (!document->root || document->root->kind != TK_CONFIG_MAP) return TK_OK;
  if ((*read_out = find_dialect(document->root, dialect_out))) return TK_OK;
  const enum tk_status status = tk_config_unwrap(document, text, error);
  if (status == TK_OK && document->root && document->root->kind == TK_CONFIG_MAP) {
    *read_out = find_dialect(document->root, dialect_out);
  }
  return status;
}

/* ---- parsing ---- */

static void read_document(struct tk_config_reader *reader, read_dialect *read) {
  const struct tk_config_node *root = reader->document->root;
  if (!root || tk_config_is_null(root)) {
    tk_config_fail(reader, NULL, "expected a sampling configuration, found nothing");
  } else if (read) {
    read(reader);
  } else {
    tk_config_fail(reader, root,
                   "expected a sampling configuration (a collector's with tail_sampling or"
                   " probabilistic_sampler, Jaeger strategies, Refinery or X-Ray rules,"
                   " OpenTelemetry SDK configuration), found something else");
  }
}

/* Cuts a path's beginning, not its end: the file's name is what tells. */
static void set_name(struct tk_config_document *document, const char *name) {
  const size_t size = name ? strlen(name) : 0;
  const char *from = size > TK_CONFIG_NAME_LIMIT ? name + size - TK_CONFIG_NAME_LIMIT : name;
  while (from && ((unsigned char)*from & 0xC0) == 0x80) from++;
  snprintf(document->name, sizeof document->name, "%s", from ? from : "");
}

static enum tk_status read_text(struct tk_config_document *document,
                                struct tk_sampling_config *config, const char *text, size_t size,
                                struct tk_error *error) {
  struct tk_config_reader reader = {.document = document, .config = config, .error = error};
  const enum notation notation = find_notation(text, size);
  read_dialect *read = NULL;
  enum tk_status status = TK_OK;
  if (notation == NOTATION_ENVIRONMENT) {
    config->dialect = TK_DIALECT_ENVIRONMENT;
    tk_config_read_environment(&reader, text, size);
    return reader.status;
  }
  status = notation == NOTATION_JSON ? tk_config_read_json(document, text, size, error)
                                     : tk_config_read_yaml(document, text, size, error);
  if (status == TK_OK) {
    status = find_reader(document, (struct tk_text){text, (uint32_t)size}, &config->dialect, &read,
                         error);
  }
  if (status == TK_OK) read_document(&reader, read);
  return status == TK_OK ? reader.status : status;
}

static struct tk_sampling_config *create_config(const char *name) {
  struct tk_sampling_config *config = sqlite3_malloc64(sizeof *config);
  const size_t size = name ? strlen(name) : 0;
  if (!config) return NULL;
  *config = (struct tk_sampling_config){.dialect = TK_DIALECT_COLLECTOR};
  char *copy = tk_arena_alloc_bytes(&config->arena, size + 1);
  if (!copy) {
    tk_sampling_config_free(config);
    return NULL;
  }
  memcpy(copy, name ? name : "", size + 1);
  config->name = (struct tk_text){copy, (uint32_t)size};
  return config;
}

enum tk_status tk_sampling_config_parse(const char *text, size_t size, const char *name,
                                        struct tk_sampling_config **config_out,
                                        struct tk_error *error) {
  struct tk_config_document document = {.root = NULL};
  struct tk_sampling_config *config = NULL;
  char *copy = NULL;
  struct tk_error ignored;
  enum tk_status status = TK_OK;
  *config_out = NULL;
  if (!error) error = &ignored;
  set_name(&document, name);
  if (size > TK_SAMPLING_CONFIG_LIMIT) {
    return tk_config_refuse(&document, 1, 1, error,
                            "expected a sampling configuration of at most %zu bytes, found %zu",
                            TK_SAMPLING_CONFIG_LIMIT, size);
  }
  if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) text += 3, size -= 3;
  copy = sqlite3_malloc64(size + TK_JSON_PADDING);
  config = create_config(name);
  if (!copy || !config) {
    status = tk_nomem(error);
    goto done;
  }
  memset(copy + size, 0, TK_JSON_PADDING);
  if (size > 0) memcpy(copy, text, size);
  if ((status = read_text(&document, config, copy, size, error)) != TK_OK) goto done;
  *config_out = config;
  config = NULL; /* moved */

done:
  tk_sampling_config_free(config);
  tk_arena_reset(&document.arena);
  sqlite3_free(copy);
  return status;
}

void tk_sampling_config_free(struct tk_sampling_config *config) {
  if (!config) return;
  tk_arena_reset(&config->arena);
  sqlite3_free(config);
}

const struct tk_sampling_policy *tk_sampling_config_next(const struct tk_sampling_config *config,
                                                         const struct tk_sampling_policy *policy) {
  if (!policy) return config->root_count > 0 ? config->roots : NULL;
  if (policy->child_count > 0) return policy->children;
  for (; policy; policy = policy->parent) {
    const struct tk_sampling_policy *siblings =
        policy->parent ? policy->parent->children : config->roots;
    const uint32_t count = policy->parent ? policy->parent->child_count : config->root_count;
    if (policy + 1 < siblings + count) return policy + 1;
  }
  return NULL;
}
