/* SPDX-License-Identifier: MIT
 * Building the document of a configuration: nodes are placed as they are read, lists and maps grow
 * while they are open. The limits on depth and weight are enforced here, and so are YAML's merge
 * keys (`<<`), by which a map takes the members of others that it does not have itself. */
#include "sqlext/sampling/config_document.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum tk_status tk_config_refuse(const struct tk_config_document *document, uint32_t line,
                                uint32_t column, struct tk_error *error, const char *format, ...) {
  char what[sizeof error->message];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  if (document->name[0] == '\0') {
    return tk_fail(error, TK_INVALID, "line %u, column %u: %s", line, column, what);
  }
  return tk_fail(error, TK_INVALID, "%s:%u:%u: %s", document->name, line, column, what);
}

struct tk_config_node *tk_config_make(struct tk_config_builder *builder, enum tk_config_kind kind,
                                      uint32_t line, uint32_t column) {
  struct tk_config_node *node = tk_arena_alloc(&builder->document->arena, sizeof *node);
  if (!node) return NULL;
  *node = (struct tk_config_node){.kind = kind, .line = line, .column = column, .weight = 1};
  return node;
}

bool tk_config_set_text(struct tk_config_builder *builder, struct tk_config_node *node,
                        const char *text, size_t size) {
  char *copy = tk_arena_alloc_bytes(&builder->document->arena, size + 1);
  if (!copy) return false;
  if (size > 0) memcpy(copy, text, size);
  copy[size] = '\0';
  node->text = (struct tk_text){copy, (uint32_t)size};
  return true;
}

/* ---- growing ---- */

static bool grow(struct tk_arena *arena, const struct tk_config_node ***array, uint32_t count,
                 uint32_t capacity) {
  const struct tk_config_node **longer = tk_arena_alloc(arena, capacity * sizeof **array);
  if (!longer) return false;
  if (count > 0) memcpy(longer, *array, count * sizeof **array);
  *array = longer;
  return true;
}

static enum tk_status refuse_depth(struct tk_config_builder *builder,
                                   const struct tk_config_node *at) {
  return tk_config_refuse(builder->document, at->line, at->column, builder->error,
                          "expected lists and maps to nest at most %d deep, found one more",
                          TK_CONFIG_DEPTH_LIMIT);
}

static enum tk_status append(struct tk_config_builder *builder, struct tk_config_open *open,
                             const struct tk_config_node *key, const struct tk_config_node *item) {
  struct tk_config_node *node = open->node;
  struct tk_arena *arena = &builder->document->arena;
  if (node->kind == TK_CONFIG_MAP && node->count == TK_CONFIG_MEMBER_LIMIT) {
    return tk_config_refuse(builder->document, item->line, item->column, builder->error,
                            "expected at most %d keys in a map, found more",
                            TK_CONFIG_MEMBER_LIMIT);
  }
  if (node->count == open->capacity) {
    const uint32_t capacity = open->capacity == 0 ? 4 : 2 * open->capacity;
    if (!grow(arena, &node->items, node->count, capacity) ||
        (node->kind == TK_CONFIG_MAP && !grow(arena, &node->keys, node->count, capacity))) {
      return tk_nomem(builder->error);
    }
    open->capacity = capacity;
  }
  node->items[node->count] = item;
  if (node->kind == TK_CONFIG_MAP) node->keys[node->count] = key;
  node->count++;
  node->weight += item->weight + (key ? 1 : 0);
  if (item->height >= node->height) node->height = item->height + 1;
  if (node->height > TK_CONFIG_DEPTH_LIMIT) return refuse_depth(builder, item);
  if (node->weight > TK_CONFIG_WEIGHT_LIMIT) {
    return tk_config_refuse(builder->document, item->line, item->column, builder->error,
                            "expected at most %d values, aliases counted each time, found more",
                            TK_CONFIG_WEIGHT_LIMIT);
  }
  return TK_OK;
}

static bool same_text(struct tk_text a, struct tk_text b) {
  return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static bool has_key(const struct tk_config_node *map, struct tk_text key) {
  for (uint32_t i = 0; i < map->count; i++) {
    if (same_text(map->keys[i]->text, key)) return true;
  }
  return false;
}

static enum tk_status place_in_map(struct tk_config_builder *builder, struct tk_config_open *open,
                                   const struct tk_config_node *node) {
  if (open->key) {
    const struct tk_config_node *key = open->key;
    open->key = NULL;
    return append(builder, open, key, node);
  }
  if (node->kind != TK_CONFIG_SCALAR) {
    return tk_config_refuse(builder->document, node->line, node->column, builder->error,
                            "expected a key to be text, found a %s",
                            node->kind == TK_CONFIG_LIST ? "list" : "map");
  }
  if (has_key(open->node, node->text)) {
    return tk_config_refuse(builder->document, node->line, node->column, builder->error,
                            "expected each key once, found '%.60s' a second time", node->text.data);
  }
  open->key = node;
  return TK_OK;
}

enum tk_status tk_config_place(struct tk_config_builder *builder,
                               const struct tk_config_node *node) {
  if (builder->depth == 0) {
    builder->document->root = node;
    return TK_OK;
  }
  struct tk_config_open *open = &builder->open[builder->depth - 1];
  if (open->node->kind == TK_CONFIG_MAP) return place_in_map(builder, open, node);
  return append(builder, open, NULL, node);
}

enum tk_status tk_config_begin(struct tk_config_builder *builder, struct tk_config_node *node) {
  if (builder->depth == TK_CONFIG_DEPTH_LIMIT) return refuse_depth(builder, node);
  builder->open[builder->depth++] = (struct tk_config_open){.node = node};
  return TK_OK;
}

/* ---- merge keys ---- */

static enum tk_status merge_map(struct tk_config_builder *builder, struct tk_config_open *open,
                                const struct tk_config_node *from) {
  enum tk_status status = TK_OK;
  if (from->kind != TK_CONFIG_MAP) {
    return tk_config_refuse(builder->document, from->line, from->column, builder->error,
                            "expected << to name a map or a list of maps");
  }
  for (uint32_t i = 0; i < from->count && status == TK_OK; i++) {
    if (has_key(open->node, from->keys[i]->text)) continue;
    status = append(builder, open, from->keys[i], from->items[i]);
  }
  return status;
}

/* A map's own members go before what it merges, an earlier merged map before a later one. */
static enum tk_status merge(struct tk_config_builder *builder, struct tk_config_open *open) {
  struct tk_config_node *map = open->node;
  enum tk_status status = TK_OK;
  uint32_t at = 0;
  while (at < map->count &&
         (map->keys[at]->is_quoted || strcmp(map->keys[at]->text.data, "<<") != 0)) {
    at++;
  }
  if (at == map->count) return TK_OK;
  const struct tk_config_node *from = map->items[at];
  map->count--;
  memmove(map->keys + at, map->keys + at + 1, (map->count - at) * sizeof *map->keys);
  memmove(map->items + at, map->items + at + 1, (map->count - at) * sizeof *map->items);
  if (from->kind != TK_CONFIG_LIST) return merge_map(builder, open, from);
  for (uint32_t i = 0; i < from->count && status == TK_OK; i++) {
    status = merge_map(builder, open, from->items[i]);
  }
  return status;
}

enum tk_status tk_config_end(struct tk_config_builder *builder) {
  struct tk_config_open *open = &builder->open[builder->depth - 1];
  enum tk_status status = TK_OK;
  if (open->node->kind == TK_CONFIG_MAP && !builder->document->is_json) {
    status = merge(builder, open);
  }
  builder->depth--;
  return status == TK_OK ? tk_config_place(builder, open->node) : status;
}
