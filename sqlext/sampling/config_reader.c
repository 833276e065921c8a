/* SPDX-License-Identifier: MIT
 * Options of a document: looking them up, judging what they are, and refusing them in words. */
#include "sqlext/sampling/config_reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- refusing ---- */

void tk_config_where(struct tk_config_reader *reader, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(reader->where, sizeof reader->where, format, arguments);
  va_end(arguments);
}

void tk_config_nomem(struct tk_config_reader *reader) {
  if (reader->status == TK_OK) reader->status = tk_nomem(reader->error);
}

void tk_config_fail(struct tk_config_reader *reader, const struct tk_config_node *node,
                    const char *format, ...) {
  char what[sizeof reader->error->message];
  va_list arguments;
  if (reader->status != TK_OK) return;
  va_start(arguments, format);
  vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  reader->status =
      tk_config_refuse(reader->document, node ? node->line : 1, node ? node->column : 1,
                       reader->error, "%s%s%s", reader->where, reader->where[0] ? ": " : "", what);
}

/* Cuts a text to what a sentence can bear, not inside a character. */
static int shown_size(struct tk_text text) {
  const int most = 60;
  if (text.size <= (uint32_t)most) return (int)text.size;
  int size = most;
  while (size > 0 && ((unsigned char)text.data[size] & 0xC0) == 0x80) size--;
  return size;
}

static void describe(const struct tk_config_node *node, char *out, size_t size) {
  if (!node || tk_config_is_null(node)) {
    snprintf(out, size, "nothing");
  } else if (node->kind == TK_CONFIG_SCALAR) {
    const char *hint = strstr(node->text.data, "${")
                           ? ": the value of the environment variable has to be put there"
                           : "";
    const char *dots = node->text.size > (uint32_t)shown_size(node->text) ? "..." : "";
    snprintf(out, size, "'%.*s%s'%s", shown_size(node->text), node->text.data, dots, hint);
  } else {
    snprintf(out, size, node->kind == TK_CONFIG_LIST ? "a list" : "a map");
  }
}

void tk_config_expect(struct tk_config_reader *reader, const struct tk_config_node *node,
                      const char *format, ...) {
  char what[320], found[192];
  va_list arguments;
  if (reader->status != TK_OK) return;
  va_start(arguments, format);
  vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  describe(node, found, sizeof found);
  tk_config_fail(reader, node, "expected %s, found %s", what, found);
}

static void expect_option(struct tk_config_reader *reader, const struct tk_config_node *node,
                          const char *key, const char *what) {
  tk_config_expect(reader, node, "%s to be %s", key, what);
}

static void expect_key(struct tk_config_reader *reader, const struct tk_config_node *map,
                       const char *key, const char *what) {
  tk_config_fail(reader, map, "expected %s, %s, found no such option", key, what);
}

/* ---- finding ---- */

bool tk_config_is_text(const struct tk_config_node *node, const char *text) {
  return node && node->kind == TK_CONFIG_SCALAR && node->text.size == strlen(text) &&
         memcmp(node->text.data, text, node->text.size) == 0;
}

bool tk_config_is_null(const struct tk_config_node *node) {
  static const char *const words[] = {"", "~", "null", "Null", "NULL"};
  if (node->kind != TK_CONFIG_SCALAR || node->is_quoted) return false;
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (tk_config_is_text(node, words[i])) return true;
  }
  return false;
}

static uint32_t find(const struct tk_config_node *map, const char *key) {
  uint32_t at = 0;
  if (!map || map->kind != TK_CONFIG_MAP) return UINT32_MAX;
  while (at < map->count && !tk_config_is_text(map->keys[at], key)) at++;
  return at < map->count ? at : UINT32_MAX;
}

const struct tk_config_node *tk_config_get(const struct tk_config_node *map, const char *key) {
  const uint32_t at = find(map, key);
  if (at == UINT32_MAX || tk_config_is_null(map->items[at])) return NULL;
  return map->items[at];
}

const struct tk_config_node *tk_config_key(const struct tk_config_node *map, const char *key) {
  const uint32_t at = find(map, key);
  return at == UINT32_MAX ? NULL : map->keys[at];
}

const struct tk_config_node *tk_config_need(struct tk_config_reader *reader,
                                            const struct tk_config_node *map, const char *key,
                                            const char *what) {
  const struct tk_config_node *node = tk_config_get(map, key);
  if (!node) expect_key(reader, map, key, what);
  return node;
}

bool tk_config_check_map(struct tk_config_reader *reader, const struct tk_config_node *node,
                         const char *what) {
  if (node->kind == TK_CONFIG_MAP) return true;
  tk_config_expect(reader, node, "%s to be a map", what);
  return false;
}

bool tk_config_check_list(struct tk_config_reader *reader, const struct tk_config_node *node,
                          const char *what) {
  if (node->kind == TK_CONFIG_LIST) return true;
  tk_config_expect(reader, node, "%s to be a list", what);
  return false;
}

const struct tk_config_node *tk_config_map(struct tk_config_reader *reader,
                                           const struct tk_config_node *map, const char *key) {
  const struct tk_config_node *node = tk_config_get(map, key);
  return node && tk_config_check_map(reader, node, key) ? node : NULL;
}

const struct tk_config_node *tk_config_list(struct tk_config_reader *reader,
                                            const struct tk_config_node *map, const char *key) {
  const struct tk_config_node *node = tk_config_get(map, key);
  return node && tk_config_check_list(reader, node, key) ? node : NULL;
}

void tk_config_only(struct tk_config_reader *reader, const struct tk_config_node *map,
                    const char *owner, const char *const *keys) {
  for (uint32_t i = 0; i < map->count; i++) {
    const struct tk_config_node *key = map->keys[i];
    uint32_t at = 0;
    while (keys[at] && !tk_config_is_text(key, keys[at])) at++;
    if (keys[at]) continue;
    tk_config_fail(reader, key, "%s has no option '%.*s'", owner, shown_size(key->text),
                   key->text.data);
  }
}

/* ---- values ---- */

struct tk_sampling_integer tk_config_integer(struct tk_config_reader *reader,
                                             const struct tk_config_node *map, const char *key,
                                             const struct tk_config_range *range,
                                             int64_t fallback) {
  const struct tk_config_node *node = tk_config_get(map, key);
  int64_t value;
  if (reader->status != TK_OK || !node) return (struct tk_sampling_integer){fallback, false};
  if (tk_config_parse_integer(node, &value)) {
    if (value >= range->min && value <= range->max) {
      return (struct tk_sampling_integer){value, true};
    }
    if (range->max == range->min) {
      tk_config_expect(reader, node, "%s to be %lld", key, (long long)range->min);
    } else if (range->max == INT64_MAX) {
      tk_config_expect(reader, node, "%s to be %s, at least %lld", key, range->what,
                       (long long)range->min);
    } else {
      tk_config_expect(reader, node, "%s to be %s, %lld to %lld", key, range->what,
                       (long long)range->min, (long long)range->max);
    }
  }
  expect_option(reader, node, key, range->what);
  return (struct tk_sampling_integer){fallback, false};
}

int64_t tk_config_integer_needed(struct tk_config_reader *reader, const struct tk_config_node *map,
                                 const char *key, const struct tk_config_range *range) {
  const struct tk_sampling_integer integer = tk_config_integer(reader, map, key, range, range->min);
  if (!integer.written) expect_key(reader, map, key, range->what);
  return integer.value;
}

struct tk_sampling_number tk_config_number(struct tk_config_reader *reader,
                                           const struct tk_config_node *map, const char *key,
                                           const char *what, double min, double max,
                                           double fallback) {
  const struct tk_config_node *node = tk_config_get(map, key);
  struct tk_sampling_number number = {fallback, {"", 0}};
  double value;
  if (reader->status != TK_OK || !node) return number;
  if (!tk_config_parse_number(node, &value) || !(value >= min && value <= max)) {
    expect_option(reader, node, key, what);
    return number;
  }
  number.text = tk_config_copy(reader, node, key);
  number.value = value;
  return number;
}

bool tk_config_boolean(struct tk_config_reader *reader, const struct tk_config_node *map,
                       const char *key, bool fallback) {
  const struct tk_config_node *node = tk_config_get(map, key);
  struct tk_value value;
  if (reader->status != TK_OK || !node) return fallback;
  struct tk_config_node plain = *node;
  plain.is_quoted = node->is_string;
  tk_config_resolve(&plain, &value);
  if (node->kind == TK_CONFIG_SCALAR && value.type == TK_VALUE_BOOL) return value.as.integer != 0;
  expect_option(reader, node, key, "true or false");
  return fallback;
}

int64_t tk_config_duration(struct tk_config_reader *reader, const struct tk_config_node *map,
                           const char *key, bool allows_bare, int64_t fallback) {
  const struct tk_config_node *node = tk_config_get(map, key);
  int64_t ns;
  if (reader->status != TK_OK || !node) return fallback;
  if (node->kind == TK_CONFIG_SCALAR && tk_config_parse_duration(node->text, &ns) && ns >= 0) {
    return ns;
  }
  if (allows_bare && tk_config_parse_integer(node, &ns) && ns >= 0) return ns;
  expect_option(reader, node, key, "a duration such as 10s");
  return fallback;
}

/* `${env:NAME}`, `${NAME}`: a collector puts a value there that the file does not tell. */
static bool has_variable(const struct tk_config_node *node) {
  const char *at = node->text.data;
  while ((at = strstr(at, "${")) != NULL) {
    at += 2;
    const bool is_name = (*at >= 'A' && *at <= 'Z') || (*at >= 'a' && *at <= 'z') || *at == '_';
    if (is_name && strchr(at, '}')) return true;
  }
  return false;
}

struct tk_text tk_config_copy(struct tk_config_reader *reader, const struct tk_config_node *node,
                              const char *what) {
  const struct tk_text none = {"", 0};
  if (reader->status != TK_OK) return none;
  if (node->kind != TK_CONFIG_SCALAR || tk_config_is_null(node)) {
    expect_option(reader, node, what, "text");
    return none;
  }
  /* Compared as it stands, it would match nothing, and nobody would know why. */
  if (reader->config->dialect == TK_DIALECT_COLLECTOR && has_variable(node)) {
    expect_option(reader, node, what, "text that is known");
    return none;
  }
  char *copy = tk_arena_alloc_bytes(&reader->config->arena, (size_t)node->text.size + 1);
  if (!copy) {
    tk_config_nomem(reader);
    return none;
  }
  memcpy(copy, node->text.data, (size_t)node->text.size + 1);
  return (struct tk_text){copy, node->text.size};
}

struct tk_text tk_config_text(struct tk_config_reader *reader, const struct tk_config_node *map,
                              const char *key) {
  const struct tk_config_node *node = tk_config_get(map, key);
  return node ? tk_config_copy(reader, node, key) : (struct tk_text){"", 0};
}

struct tk_text tk_config_text_needed(struct tk_config_reader *reader,
                                     const struct tk_config_node *map, const char *key,
                                     const char *what) {
  const struct tk_config_node *node = tk_config_get(map, key);
  if (!node) {
    expect_key(reader, map, key, what);
    return (struct tk_text){"", 0};
  }
  const struct tk_text text = tk_config_copy(reader, node, key);
  if (text.size == 0) expect_option(reader, node, key, what);
  return text;
}

struct tk_sampling_texts tk_config_texts(struct tk_config_reader *reader,
                                         const struct tk_config_node *map, const char *key,
                                         const char *what, bool is_required) {
  const struct tk_sampling_texts none = {NULL, 0};
  const struct tk_config_node *node = tk_config_list(reader, map, key);
  if (reader->status != TK_OK) return none;
  if (!node && is_required) expect_key(reader, map, key, what);
  if (node && node->count == 0 && is_required) {
    tk_config_fail(reader, node, "expected %s to be %s, found an empty list", key, what);
  }
  if (!node || node->count == 0) return none;
  struct tk_text *items = tk_config_allocate(reader, node->count, sizeof *items);
  for (uint32_t i = 0; items && i < node->count; i++) {
    items[i] = tk_config_copy(reader, node->items[i], key);
  }
  return items ? (struct tk_sampling_texts){items, node->count} : none;
}

int tk_config_word(struct tk_config_reader *reader, const struct tk_config_node *node,
                   const char *what, const char *const *words) {
  char list[160] = "";
  int at = 0;
  while (words[at] && !tk_config_is_text(node, words[at])) at++;
  if (words[at]) return at;
  size_t used = 0;
  for (at = 0; words[at] && used < sizeof list; at++) {
    const char *before = at == 0 ? "" : words[at + 1] ? ", " : " or ";
    used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", before, words[at]);
  }
  expect_option(reader, node, what, list);
  return -1;
}

int tk_config_choice(struct tk_config_reader *reader, const struct tk_config_node *map,
                     const char *key, const char *const *words, int fallback) {
  const struct tk_config_node *node = tk_config_get(map, key);
  if (reader->status != TK_OK || !node) return fallback;
  const int choice = tk_config_word(reader, node, key, words);
  return choice < 0 ? fallback : choice;
}

/* ---- policies ---- */

void *tk_config_allocate(struct tk_config_reader *reader, size_t count, size_t size) {
  if (reader->status != TK_OK) return NULL;
  void *memory = tk_arena_alloc(&reader->config->arena, count * size);
  if (!memory) {
    tk_config_nomem(reader);
    return NULL;
  }
  memset(memory, 0, count * size);
  return memory;
}

struct tk_sampling_policy *tk_config_policies(struct tk_config_reader *reader,
                                              struct tk_sampling_policy *parent, uint32_t count) {
  struct tk_sampling_policy *policies;
  if (reader->status != TK_OK) return NULL;
  if (count > TK_CONFIG_POLICY_LIMIT - reader->config->policy_count) {
    tk_config_fail(reader, NULL, "expected at most %d samplers and policies, found more",
                   TK_CONFIG_POLICY_LIMIT);
    return NULL;
  }
  if (!(policies = tk_config_allocate(reader, count, sizeof *policies))) return NULL;
  if (parent) {
    parent->children = policies;
    parent->child_count = count;
  } else {
    reader->config->roots = policies;
    reader->config->root_count = count;
  }
  return policies;
}

void tk_config_start(struct tk_config_reader *reader, struct tk_sampling_policy *policy,
                     const struct tk_sampling_policy *parent, enum tk_sampling_type type,
                     const struct tk_config_node *node) {
  *policy = (struct tk_sampling_policy){.type = type,
                                        .parent = parent,
                                        .name = {"", 0},
                                        .service = {"", 0},
                                        .operation = {"", 0},
                                        .line = node ? node->line : 1,
                                        .column = node ? node->column : 1,
                                        .ordinal = reader->config->policy_count++};
}

struct tk_text tk_config_constant(const char *text) {
  return (struct tk_text){text, (uint32_t)strlen(text)};
}

bool tk_config_is_component(struct tk_text key, const char *name) {
  const size_t size = strlen(name);
  return key.size >= size && memcmp(key.data, name, size) == 0 &&
         (key.size == size || key.data[size] == '/');
}
