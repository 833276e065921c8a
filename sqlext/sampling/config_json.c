/* SPDX-License-Identifier: MIT
 * JSON to a document. A place is found by counting lines from the place before. */
#include <stdbool.h>

#include "sqlext/sampling/config_document.h"
#include "tracekeep/json.h"

struct json_reader {
  struct tk_config_builder builder;
  struct tk_json json;
  const char *counted; /* everything before this is counted */
  uint32_t line, column;
};

/* Columns count characters, as YAML's do: bytes that continue one do not count. */
static void count_to(struct json_reader *reader, const char *at) {
  for (; reader->counted < at; reader->counted++) {
    if (*reader->counted == '\n') {
      reader->line++;
      reader->column = 1;
    } else if (((unsigned char)*reader->counted & 0xC0) != 0x80) {
      reader->column++;
    }
  }
}

static struct tk_config_node *make(struct json_reader *reader, enum tk_config_kind kind) {
  tk_json_skip_space(&reader->json);
  count_to(reader, reader->json.at);
  return tk_config_make(&reader->builder, kind, reader->line, reader->column);
}

static enum tk_status take_string(struct json_reader *reader, bool is_key) {
  struct tk_config_builder *builder = &reader->builder;
  struct tk_config_node *node = make(reader, TK_CONFIG_SCALAR);
  if (!node) return tk_nomem(builder->error);
  const struct tk_json_string string =
      is_key ? tk_json_key(&reader->json) : tk_json_string(&reader->json);
  if (reader->json.expected) return TK_OK; /* said at the end */
  bool broken = false;
  char *text = tk_arena_alloc_bytes(&builder->document->arena, (size_t)string.size + 1);
  if (!text) return tk_nomem(builder->error);
  const uint32_t size = tk_json_unescape(string, text, &broken);
  text[size] = '\0';
  node->text = (struct tk_text){text, size};
  node->is_quoted = node->is_string = true;
  return tk_config_place(builder, node);
}

static enum tk_status take_literal(struct json_reader *reader) {
  struct tk_config_builder *builder = &reader->builder;
  struct tk_config_node *node = make(reader, TK_CONFIG_SCALAR);
  if (!node) return tk_nomem(builder->error);
  const struct tk_text text = tk_json_skip(&reader->json);
  if (reader->json.expected) return TK_OK;
  if (!tk_config_set_text(builder, node, text.data, text.size)) return tk_nomem(builder->error);
  return tk_config_place(builder, node);
}

static enum tk_status take_value(struct json_reader *reader);

static enum tk_status take_list(struct json_reader *reader) {
  struct tk_config_node *node = make(reader, TK_CONFIG_LIST);
  if (!node) return tk_nomem(reader->builder.error);
  enum tk_status status = tk_config_begin(&reader->builder, node);
  if (status != TK_OK) return status;
  for (bool more = tk_json_enter_array(&reader->json); more && status == TK_OK;
       more = status == TK_OK && tk_json_next_item(&reader->json)) {
    status = take_value(reader);
  }
  return status == TK_OK && !reader->json.expected ? tk_config_end(&reader->builder) : status;
}

static enum tk_status take_map(struct json_reader *reader) {
  struct tk_config_node *node = make(reader, TK_CONFIG_MAP);
  if (!node) return tk_nomem(reader->builder.error);
  enum tk_status status = tk_config_begin(&reader->builder, node);
  if (status != TK_OK) return status;
  for (bool more = tk_json_enter_object(&reader->json); more && status == TK_OK;
       more = status == TK_OK && tk_json_next_member(&reader->json)) {
    status = take_string(reader, true);
    if (status == TK_OK && !reader->json.expected) status = take_value(reader);
  }
  return status == TK_OK && !reader->json.expected ? tk_config_end(&reader->builder) : status;
}

static enum tk_status take_value(struct json_reader *reader) {
  switch (tk_json_peek(&reader->json)) {
    case TK_JSON_OBJECT:
      return take_map(reader);
    case TK_JSON_ARRAY:
      return take_list(reader);
    case TK_JSON_STRING:
      return take_string(reader, false);
    case TK_JSON_NUMBER:
    case TK_JSON_TRUE:
    case TK_JSON_FALSE:
    case TK_JSON_NULL:
    case TK_JSON_NOTHING:
      break;
  }
  return take_literal(reader);
}

enum tk_status tk_config_read_json(struct tk_config_document *document, const char *text,
                                   size_t size, struct tk_error *error) {
  struct json_reader reader = {
      .builder = {.document = document, .error = error}, .counted = text, .line = 1, .column = 1};
  document->is_json = true;
  tk_json_init(&reader.json, text, size);
  const enum tk_status status = take_value(&reader);
  if (status != TK_OK) return status;
  if (!reader.json.expected && !tk_json_at_end(&reader.json)) {
    tk_json_fail(&reader.json, "nothing behind the JSON value");
  }
  if (!reader.json.expected) return TK_OK;
  /* The fault may be before the last node that was counted. */
  reader.counted = text;
  reader.line = reader.column = 1;
  count_to(&reader, reader.json.error_at);
  return tk_config_refuse(document, reader.line, reader.column, error, "expected %s",
                          reader.json.expected);
}
