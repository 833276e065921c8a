/* SPDX-License-Identifier: MIT
 * Is this a sampling configuration? Told by the keys of the two outermost levels, which are found
 * without parsing: JSON by its quotes and brackets, YAML by its lines and their indentation. Inside
 * `config` or `spec.config`, as manifests have a collector's, the outermost level is the one below.
 *
 * Only words that nothing but these configurations uses decide, so that traces, envelopes and
 * answers of trace APIs are never taken for one. */
#include <string.h>

#include "sqlext/sampling/config_reader.h"

/** A document that did not show what it is until here is something else. */
#define PROBE_LIMIT ((size_t)256 << 10)

enum top_key {
  TOP_OTHER,
  TOP_SPEC,
  TOP_PROCESSORS,
  TOP_POLICIES,
  TOP_PROVIDER,
  TOP_SAMPLER,
  TOP_DEFAULT
};

struct probe {
  enum top_key top; /* the outermost key that was seen last */
  bool has_provider, has_file_format;
  bool found;
};

static bool equals(struct tk_text text, const char *word) {
  return text.size == strlen(word) && memcmp(text.data, word, text.size) == 0;
}

static bool is_one_of(struct tk_text text, const char *const *words) {
  while (*words && !equals(text, *words)) words++;
  return *words != NULL;
}

static bool is_processor(struct tk_text key) {
  return tk_config_is_component(key, "tail_sampling") ||
         tk_config_is_component(key, "probabilistic_sampler");
}

/* Keys that alone tell what a document is. */
static bool is_telling(struct tk_text key) {
  static const char *const words[] = {"default_strategy",
                                      "service_strategies",
                                      "strategyType",
                                      "probabilisticSampling",
                                      "rateLimitingSampling",
                                      "operationSampling",
                                      "RulesVersion",
                                      "SamplingRuleRecords",
                                      "SamplingRule",
                                      "parent_based",
                                      "trace_id_ratio_based",
                                      "composite/development",
                                      NULL};
  return is_one_of(key, words) || is_processor(key);
}

static void see_top(struct probe *probe, struct tk_text key) {
  probe->top = equals(key, "spec")              ? TOP_SPEC
               : equals(key, "processors")      ? TOP_PROCESSORS
               : equals(key, "policies")        ? TOP_POLICIES
               : equals(key, "tracer_provider") ? TOP_PROVIDER
               : equals(key, "sampler")         ? TOP_SAMPLER
               : equals(key, "default")         ? TOP_DEFAULT
                                                : TOP_OTHER;
  probe->has_provider |= probe->top == TOP_PROVIDER;
  probe->has_file_format |= equals(key, "file_format");
  probe->found |= is_telling(key) || (probe->has_provider && probe->has_file_format);
}

static void see_second(struct probe *probe, struct tk_text key) {
  switch (probe->top) {
    case TOP_PROCESSORS:
      probe->found |= is_processor(key);
      break;
    case TOP_PROVIDER:
      probe->found |= equals(key, "sampler");
      break;
    case TOP_SAMPLER:
      probe->found |= tk_config_is_sampler_name(key);
      break;
    case TOP_DEFAULT:
      probe->found |= equals(key, "fixed_target");
      break;
    case TOP_SPEC:
    case TOP_POLICIES:
    case TOP_OTHER:
      break;
  }
}

/* Whether a collector's configuration may be the value of this key. */
static bool is_wrapper(const struct probe *probe, struct tk_text key, bool is_outermost) {
  return equals(key, "config") && (is_outermost || probe->top == TOP_SPEC);
}

/* The value of `type` somewhere below `policies`. */
static void see_policy_type(struct probe *probe, struct tk_text type) {
  static const char *const types[] = {"always_sample",     "latency",        "numeric_attribute",
                                      "probabilistic",     "status_code",    "string_attribute",
                                      "boolean_attribute", "trace_state",    "trace_flags",
                                      "rate_limiting",     "bytes_limiting", "span_count",
                                      "ottl_condition",    "composite",      NULL};
  if (probe->top == TOP_POLICIES) probe->found |= is_one_of(type, types);
}

/* ---- JSON ---- */

struct json_probe {
  struct probe probe;
  int depth;    /* from 1 */
  int base;     /* the depth of the manifest's key whose value is looked at; 0: there is none */
  bool is_type; /* the key before was `type` */
};

static const char *find_quote(const char *at, const char *end) {
  while (at < end && *at != '"') at += *at == '\\' ? 2 : 1;
  return at < end ? at : end;
}

static void see_string(struct json_probe *json, struct tk_text text, bool is_key) {
  if (!is_key) {
    if (json->is_type) see_policy_type(&json->probe, text);
    json->is_type = false;
    return;
  }
  json->is_type = equals(text, "type");
  if (json->depth <= json->base) json->base = 0;
  if (json->base == 0 && json->depth <= 2 && is_wrapper(&json->probe, text, json->depth == 1)) {
    json->base = json->depth;
    json->probe.top = TOP_OTHER;
    return;
  }
  if (json->depth == json->base + 1) see_top(&json->probe, text);
  if (json->depth == json->base + 2) see_second(&json->probe, text);
}

static bool probe_json(const char *at, const char *end) {
  struct json_probe json = {.depth = 0};
  for (; at < end && !json.probe.found; at++) {
    if (*at == '{' || *at == '[') json.depth++;
    if (*at == '}' || *at == ']') json.depth--;
    if (json.depth <= 0) break;
    if (*at != '"') continue;
    const char *close = find_quote(at + 1, end);
    const char *after = close < end ? close + 1 : end;
    while (after < end && strchr(" \t\r\n", *after) && *after) after++;
    see_string(&json, (struct tk_text){at + 1, (uint32_t)(close - at - 1)},
               after < end && *after == ':');
    at = close;
  }
  return json.probe.found;
}

/* ---- YAML ---- */

struct yaml_probe {
  struct probe probe;
  uint32_t indent; /* of the second level below the outermost key; 0: not known yet */
  uint32_t base;   /* of the outermost level: more than 0 inside a manifest */
  uint32_t around; /* of the manifest's key that is looked into */
  bool is_inside;  /* of that key */
};

/* Goes into the value of a manifest's key, whose first line this is, or out of it. */
static void follow_manifest(struct yaml_probe *yaml, uint32_t indent) {
  if (!yaml->is_inside) return;
  if (indent <= yaml->around) {
    yaml->is_inside = false;
    yaml->base = 0;
  } else if (yaml->base == 0) {
    yaml->base = indent;
  }
}

/* The key a line begins with, quotes taken off; empty: it begins with none. */
static struct tk_text key_of(struct tk_text line) {
  const char *at = line.data, *end = line.data + line.size;
  const char quote = at < end && (*at == '"' || *at == '\'') ? *at : '\0';
  const char *begin = at + (quote != '\0');
  const char *stop = begin;
  while (stop < end && (quote ? *stop != quote : *stop != ':')) stop++;
  const char *colon = stop + (quote != '\0');
  if (stop >= end || colon >= end || *colon != ':') return (struct tk_text){"", 0};
  if (colon + 1 < end && !strchr(" \t\r", colon[1])) return (struct tk_text){"", 0};
  return (struct tk_text){begin, (uint32_t)(stop - begin)};
}

/* `type: word` anywhere in a line, as policies are often written in one. */
static void find_type(struct probe *probe, struct tk_text line) {
  const char *end = line.data + line.size;
  const char *at = line.data;
  while ((at = memmem(at, (size_t)(end - at), "type:", 5))) {
    const bool is_word = at == line.data || strchr(" {,-\t", at[-1]);
    at += 5;
    while (at < end && strchr(" \t\"'", *at)) at++;
    const char *stop = at;
    while (stop < end && ((*stop >= 'a' && *stop <= 'z') || *stop == '_')) stop++;
    if (is_word) see_policy_type(probe, (struct tk_text){at, (uint32_t)(stop - at)});
  }
}

static void see_line(struct yaml_probe *yaml, struct tk_text line) {
  uint32_t indent = 0;
  while (indent < line.size && line.data[indent] == ' ') indent++;
  struct tk_text rest = {line.data + indent, line.size - indent};
  if (rest.size == 0 || strchr("#\r", rest.data[0])) return;
  if (yaml->probe.top == TOP_POLICIES) find_type(&yaml->probe, rest);
  const struct tk_text key = key_of(rest);
  if (key.size == 0) return;
  follow_manifest(yaml, indent);
  if (indent < yaml->base) return;
  if (indent == yaml->base) {
    see_top(&yaml->probe, key);
    yaml->indent = 0;
  } else if (yaml->indent == 0) {
    yaml->indent = indent;
  }
  const bool is_second = indent > yaml->base && indent == yaml->indent;
  if (!yaml->is_inside && (indent == 0 || is_second) &&
      is_wrapper(&yaml->probe, key, indent == 0)) {
    yaml->is_inside = true;
    yaml->around = indent;
  } else if (is_second) {
    see_second(&yaml->probe, key);
  }
}

static bool probe_yaml(const char *at, const char *end) {
  struct yaml_probe yaml = {.indent = 0};
  while (at < end && !yaml.probe.found) {
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    if (!stop) stop = end;
    see_line(&yaml, (struct tk_text){at, (uint32_t)(stop - at)});
    at = stop < end ? stop + 1 : end;
  }
  return yaml.probe.found;
}

bool tk_sampling_config_probe(const char *text, size_t size) {
  if (size > TK_SAMPLING_CONFIG_LIMIT) return false;
  if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) text += 3, size -= 3;
  const char *end = text + (size < PROBE_LIMIT ? size : PROBE_LIMIT);
  const char *at = text;
  if (memchr(text, '\0', (size_t)(end - text))) return false;
  while (at < end && strchr(" \t\r\n", *at)) at++;
  if (at == end || *at == '[') return false;
  if (*at == '{') return probe_json(at, end);
  return tk_config_is_environment(text, (size_t)(end - text)) || probe_yaml(text, end);
}
