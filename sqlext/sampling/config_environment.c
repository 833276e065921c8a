/* SPDX-License-Identifier: MIT
 * The sampler an SDK takes from its environment: OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG in
 * lines NAME=VALUE, as in .env files and shell scripts (`export`, quotes, comments). The last
 * assignment of a name counts. */
#include <string.h>

#include "sqlext/sampling/config_reader.h"

#define SAMPLER "OTEL_TRACES_SAMPLER"
#define ARGUMENT "OTEL_TRACES_SAMPLER_ARG"

static struct tk_text trim(struct tk_text text) {
  while (text.size > 0 && strchr(" \t\r", text.data[text.size - 1])) text.size--;
  while (text.size > 0 && strchr(" \t", text.data[0])) {
    text.data++;
    text.size--;
  }
  return text;
}

static bool starts_with(struct tk_text text, const char *prefix) {
  const size_t size = strlen(prefix);
  return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

/* The value of `NAME=value` in a line; its data is NULL if the line is about something else. */
static struct tk_text value_of(struct tk_text line, const char *name) {
  const struct tk_text none = {NULL, 0};
  struct tk_text rest = trim(line);
  if (starts_with(rest, "export ") || starts_with(rest, "export\t")) {
    rest = trim((struct tk_text){rest.data + 7, rest.size - 7});
  }
  if (!starts_with(rest, name)) return none;
  const uint32_t size = (uint32_t)strlen(name);
  rest = trim((struct tk_text){rest.data + size, rest.size - size});
  if (rest.size == 0 || rest.data[0] != '=') return none;
  rest = trim((struct tk_text){rest.data + 1, rest.size - 1});
  const char quote = rest.size > 0 ? rest.data[0] : '\0';
  if (quote == '"' || quote == '\'') {
    const char *end = memchr(rest.data + 1, quote, rest.size - 1);
    if (end) return (struct tk_text){rest.data + 1, (uint32_t)(end - rest.data - 1)};
  }
  for (uint32_t i = 1; i < rest.size; i++) {
    if (rest.data[i] != '#' || !strchr(" \t", rest.data[i - 1])) continue;
    return trim((struct tk_text){rest.data, i});
  }
  return rest;
}

static bool next_line(const char **at, const char *end, struct tk_text *line) {
  if (*at == end) return false;
  const char *stop = memchr(*at, '\n', (size_t)(end - *at));
  *line = (struct tk_text){*at, (uint32_t)((stop ? stop : end) - *at)};
  *at = stop ? stop + 1 : end;
  return true;
}

bool tk_config_is_environment(const char *text, size_t size) {
  const char *at = text;
  struct tk_text line;
  while (next_line(&at, text + size, &line)) {
    if (value_of(line, SAMPLER).data) return true;
  }
  return false;
}

/* Text that ends with NUL, as that of nodes does. */
static struct tk_text keep(struct tk_config_reader *reader, struct tk_text text) {
  char *copy = tk_config_allocate(reader, (size_t)text.size + 1, 1);
  if (!copy) return (struct tk_text){"", 0};
  memcpy(copy, text.data, text.size);
  return (struct tk_text){copy, text.size};
}

/* A value and where it stands, as the node it would be in a document. */
static void assign(struct tk_config_reader *reader, struct tk_config_node *node,
                   struct tk_text line, struct tk_text value, uint32_t number) {
  *node = (struct tk_config_node){.kind = TK_CONFIG_SCALAR,
                                  .line = number,
                                  .column = (uint32_t)(value.data - line.data) + 1,
                                  .weight = 1,
                                  .text = keep(reader, value)};
}

/* ---- samplers ---- */

/* The argument as the one option of a map, to be read like any other. */
struct option {
  struct tk_config_node key, map;
  const struct tk_config_node *keys[1], *items[1];
};

static const struct tk_config_node *make_option(struct option *option, const char *name,
                                                const struct tk_config_node *value) {
  option->key = *value;
  option->key.text = tk_config_constant(name);
  option->keys[0] = &option->key;
  option->items[0] = value;
  option->map = (struct tk_config_node){.kind = TK_CONFIG_MAP,
                                        .line = value->line,
                                        .column = value->column,
                                        .count = 1,
                                        .items = option->items,
                                        .keys = option->keys};
  return &option->map;
}

static void read_ratio(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                       const struct tk_config_node *argument) {
  struct option option;
  policy->as.ratio.ratio = (struct tk_sampling_number){1, {"", 0}};
  policy->as.ratio.ratio = tk_config_number(reader, make_option(&option, ARGUMENT, argument),
                                            ARGUMENT, "a number from 0 to 1", 0, 1, 1);
}

/* One of `endpoint=...,pollingIntervalMs=...,initialSamplingRate=...`. */
static void read_remote_part(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                             struct tk_config_node *part, double *initial) {
  static const struct tk_config_range interval = {"a number of milliseconds", 0,
                                                  INT64_MAX / 1000000};
  static const char *const names[] = {"endpoint", "pollingIntervalMs", "initialSamplingRate"};
  struct option option;
  int name = 0;
  while (name < 3 &&
         !(starts_with(part->text, names[name]) && part->text.data[strlen(names[name])] == '=')) {
    name++;
  }
  if (name == 3) {
    tk_config_expect(reader, part,
                     ARGUMENT
                     " to consist of endpoint=, pollingIntervalMs= and initialSamplingRate=");
    return;
  }
  const uint32_t skipped = (uint32_t)strlen(names[name]) + 1;
  part->text = (struct tk_text){part->text.data + skipped, part->text.size - skipped};
  const struct tk_config_node *map = make_option(&option, names[name], part);
  if (name == 0) policy->as.remote.endpoint = tk_config_text(reader, map, names[name]);
  if (name == 1) {
    policy->as.remote.interval_ns =
        tk_config_integer(reader, map, names[name], &interval, 60000).value * 1000000;
  }
  if (name == 2) {
    *initial = tk_config_number(reader, map, names[name], "a number from 0 to 1", 0, 1, 1).value;
  }
}

static void read_remote(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                        const struct tk_config_node *argument) {
  struct tk_text rest = argument->text;
  double initial = -1;
  policy->as.remote = (struct tk_sampling_remote){{"", 0}, INT64_C(60000000000)};
  while (rest.size > 0 && reader->status == TK_OK) {
    const char *comma = memchr(rest.data, ',', rest.size);
    const uint32_t size = comma ? (uint32_t)(comma - rest.data) : rest.size;
    struct tk_config_node part = *argument;
    part.text = keep(reader, (struct tk_text){rest.data, size});
    part.column += (uint32_t)(rest.data - argument->text.data);
    if (reader->status == TK_OK) read_remote_part(reader, policy, &part, &initial);
    rest.data += size + (comma != NULL);
    rest.size -= size + (comma != NULL);
  }
  struct tk_sampling_policy *child = initial >= 0 ? tk_config_policies(reader, policy, 1) : NULL;
  if (!child) return;
  tk_config_start(reader, child, policy, TK_SAMPLING_TRACE_ID_RATIO, argument);
  child->role = TK_ROLE_INITIAL;
  child->as.ratio.ratio = (struct tk_sampling_number){initial, {"", 0}};
}

static const struct environment_sampler {
  const char *name;
  enum tk_sampling_type type;
  bool is_parent_based;
} samplers[] = {{"always_on", TK_SAMPLING_ALWAYS_ON, false},
                {"always_off", TK_SAMPLING_ALWAYS_OFF, false},
                {"traceidratio", TK_SAMPLING_TRACE_ID_RATIO, false},
                {"parentbased_always_on", TK_SAMPLING_ALWAYS_ON, true},
                {"parentbased_always_off", TK_SAMPLING_ALWAYS_OFF, true},
                {"parentbased_traceidratio", TK_SAMPLING_TRACE_ID_RATIO, true},
                {"jaeger_remote", TK_SAMPLING_JAEGER_REMOTE, false},
                {"parentbased_jaeger_remote", TK_SAMPLING_JAEGER_REMOTE, true},
                {"xray", TK_SAMPLING_XRAY_REMOTE, false}};
enum { SAMPLER_COUNT = sizeof samplers / sizeof samplers[0] };

struct choice {
  enum tk_sampling_type type;
  const struct tk_config_node *name, *argument;
};

static void read_choice(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                        const struct tk_sampling_policy *parent, const void *context) {
  const struct choice *choice = context;
  tk_config_start(reader, policy, parent, choice->type, choice->name);
  if (policy->type == TK_SAMPLING_TRACE_ID_RATIO) read_ratio(reader, policy, choice->argument);
  if (policy->type == TK_SAMPLING_JAEGER_REMOTE) read_remote(reader, policy, choice->argument);
  if (policy->type == TK_SAMPLING_XRAY_REMOTE) {
    policy->as.remote = (struct tk_sampling_remote){{"", 0}, INT64_C(300000000000)};
  }
}

static void read_sampler(struct tk_config_reader *reader, const struct tk_config_node *name,
                         const struct tk_config_node *argument) {
  int at = 0;
  if (reader->status != TK_OK) return;
  while (at < SAMPLER_COUNT && !tk_config_is_text(name, samplers[at].name)) at++;
  if (at == SAMPLER_COUNT) {
    tk_config_expect(reader, name,
                     SAMPLER
                     " to be always_on, always_off, traceidratio, parentbased_always_on,"
                     " parentbased_always_off, parentbased_traceidratio, jaeger_remote,"
                     " parentbased_jaeger_remote or xray");
    return;
  }
  struct tk_sampling_policy *policy = tk_config_policies(reader, NULL, 1);
  const struct choice choice = {samplers[at].type, name, argument};
  if (!policy) return;
  if (samplers[at].is_parent_based) {
    tk_config_imply_parent_based(reader, policy, name, read_choice, &choice);
  } else {
    read_choice(reader, policy, NULL, &choice);
  }
}

void tk_config_read_environment(struct tk_config_reader *reader, const char *text, size_t size) {
  struct tk_config_node name = {.line = 1, .column = 1, .text = {"", 0}}, argument = name;
  const char *at = text;
  struct tk_text line;
  for (uint32_t number = 1; next_line(&at, text + size, &line); number++) {
    struct tk_text value = value_of(line, SAMPLER);
    if (value.data) assign(reader, &name, line, value, number);
    value = value_of(line, ARGUMENT);
    if (value.data) assign(reader, &argument, line, value, number);
  }
  read_sampler(reader, &name, &argument);
}
