/* SPDX-License-Identifier: MIT
 * Members of OTLP/JSON that the model has no place for, verbatim.
 *
 * On the stack each member has a comma before it. Those of objects within the message, of its
 * status or of an attribute's value, become members named by the path to that object. Entity
 * references, and the member that the writer of JSON keeps protobuf fields in, are protobuf again
 * if nothing else is to be kept. */
#include <string.h>

#include "cli/input/otlp_json_parser.h"
#include "cli/input/residual_bytes.h"
#include "cli/input/wire_format.h"

static void push(struct tk_otlp_json_parser *parser, const char *bytes, size_t size) {
  tk_builder_push_bytes(parser->builder, bytes, size);
}

/* ---- members that protobuf has fields for ---- */

/* What cli/output calls TK_OTLP_JSON_PROTOBUF_MEMBER. */
static const char protobuf_member[] = "unknownProtobufFields";

static bool is_protobuf_member(struct tk_json_string key) {
  return key.size == sizeof protobuf_member - 1 && memcmp(key.data, protobuf_member, key.size) == 0;
}

/* Appends to `encoded` what has been pushed since `begin`. */
static void take_encoded(struct tk_otlp_json_parser *parser, struct tk_otlp_residual *residual,
                         uint32_t begin) {
  struct tk_stack *stack = &parser->builder->residual;
  const uint32_t added = stack->count - begin;
  if (residual->encoded.size > 0) {
    push(parser, residual->encoded.data, residual->encoded.size);
    if (parser->builder->out_of_memory) return;
    /* The older ones first. */
    char *at = stack->data + begin;
    memmove(at + residual->encoded.size, at, added);
    memcpy(at, residual->encoded.data, residual->encoded.size);
  }
  const uint32_t size = stack->count - begin;
  residual->encoded.data = tk_builder_take(parser->builder, stack, begin, 1);
  residual->encoded.size = residual->encoded.data ? size : 0;
}

/* Fields that export put into a member of JSON. False: they are none. */
static bool decode_fields(struct tk_otlp_json_parser *parser, struct tk_json json) {
  struct tk_wire_field field;
  if (tk_json_peek(&json) != TK_JSON_STRING) return false;
  const struct tk_json_string text = tk_json_string(&json);
  if (text.escaped || json.expected) return false;
  uint8_t *bytes = tk_arena_alloc(&parser->builder->batch->arena, (size_t)text.size / 4 * 3 + 2);
  if (!bytes) {
    parser->builder->out_of_memory = true;
    return false;
  }
  const int64_t size = tk_base64_decode(text.data, text.size, bytes);
  struct tk_wire wire = tk_wire_of(bytes, size > 0 ? (uint32_t)size : 0);
  while (tk_wire_next(&wire, &field)) {
  }
  if (size <= 0 || wire.expected) return false;
  push(parser, (const char *)bytes, (size_t)size);
  return true;
}

static bool encode_text(struct tk_otlp_json_parser *parser, struct tk_json *json, uint32_t number) {
  if (tk_json_peek(json) != TK_JSON_STRING) return false;
  const struct tk_json_string string = tk_json_string(json);
  if (json->expected) return false;
  const struct tk_text text = tk_builder_string(parser->builder, string);
  tk_builder_push_field(parser->builder, number, text.data, text.size);
  return true;
}

static const struct {
  const char *name, *snake_name;
  bool repeated;
} entity_fields[] = {{"schemaUrl", "schema_url", false},
                     {"type", "type", false},
                     {"idKeys", "id_keys", true},
                     {"descriptionKeys", "description_keys", true}};
enum { ENTITY_FIELDS = sizeof entity_fields / sizeof entity_fields[0] };

static uint32_t find_entity_field(struct tk_json_string key) {
  for (uint32_t i = 0; i < ENTITY_FIELDS; i++) {
    const char *name = entity_fields[i].name;
    if (key.size == strlen(name) && memcmp(key.data, name, key.size) == 0) return i;
    name = entity_fields[i].snake_name;
    if (key.size == strlen(name) && memcmp(key.data, name, key.size) == 0) return i;
  }
  return ENTITY_FIELDS;
}

/* The fields of one number, as protobuf's writers have them in order. */
static bool encode_entity_fields(struct tk_otlp_json_parser *parser, struct tk_json json,
                                 uint32_t wanted) {
  for (bool more = tk_json_enter_object(&json); more; more = tk_json_next_member(&json)) {
    const uint32_t index = find_entity_field(tk_json_key(&json));
    if (index == ENTITY_FIELDS) return false;
    if (index != wanted) {
      tk_json_skip(&json);
    } else if (!entity_fields[index].repeated) {
      if (!encode_text(parser, &json, index + 1)) return false;
    } else {
      if (tk_json_peek(&json) != TK_JSON_ARRAY) return false;
      for (bool item = tk_json_enter_array(&json); item; item = tk_json_next_item(&json)) {
        if (!encode_text(parser, &json, index + 1)) return false;
      }
    }
  }
  return !json.expected;
}

/* False: there is something in it that an EntityRef does not have. */
static bool encode_entity_refs(struct tk_otlp_json_parser *parser, struct tk_json json) {
  struct tk_stack *stack = &parser->builder->residual;
  if (tk_json_peek(&json) != TK_JSON_ARRAY) return false;
  for (bool more = tk_json_enter_array(&json); more; more = tk_json_next_item(&json)) {
    const uint32_t begin = stack->count;
    if (tk_json_peek(&json) != TK_JSON_OBJECT) return false;
    for (uint32_t i = 0; i < ENTITY_FIELDS; i++) {
      if (!encode_entity_fields(parser, json, i)) return false;
    }
    tk_json_skip(&json);
    const uint32_t size = stack->count - begin;
    const char *fields = tk_builder_take(parser->builder, stack, begin, 1);
    tk_builder_push_field(parser->builder, 3, fields, fields ? size : 0);
  }
  return !json.expected;
}

/* ---- members as they stand ---- */

void tk_otlp_json_keep_member(struct tk_otlp_json_parser *parser, enum tk_otlp_field field,
                              struct tk_json_string key, struct tk_otlp_residual *residual) {
  const struct tk_json value = parser->json;
  tk_json_skip(&parser->json);
  if (parser->json.expected) return;
  const char *begin = key.data - 1;
  const struct tk_text member = {begin, (uint32_t)(parser->json.at - begin)};
  const bool encodable = field == TK_OTLP_KEPT || is_protobuf_member(key);
  if (encodable) {
    const uint32_t count = parser->builder->residual.count;
    if (field == TK_OTLP_KEPT ? encode_entity_refs(parser, value) : decode_fields(parser, value)) {
      take_encoded(parser, residual, count);
      residual->encoded_size += member.size + 1;
    }
    parser->builder->residual.count = count;
  }
  push(parser, ",", 1);
  push(parser, member.data, member.size);
  if (!encodable) {
    tk_builder_issue(parser->builder, TK_RULE_JSON_UNKNOWN_FIELD, member,
                     "OTLP has no such field here; kept as it is");
  }
}

void tk_otlp_json_keep_inner(struct tk_otlp_json_parser *parser, const char *path,
                             uint32_t path_size, struct tk_json_string key) {
  tk_json_skip(&parser->json);
  if (parser->json.expected) return;
  const char *begin = key.data - 1;
  const struct tk_text member = {begin, (uint32_t)(parser->json.at - begin)};
  if (path_size > 0) {
    tk_builder_keep_inner(parser->builder, (struct tk_text){path, path_size}, member);
  }
  tk_builder_issue(parser->builder, TK_RULE_JSON_UNKNOWN_FIELD, member,
                   path_size > 0 ? "OTLP has no such field here; kept as it is"
                                 : "OTLP has no such field here; ignored, so deep in a value");
}

struct tk_residual tk_otlp_json_take_residual(struct tk_otlp_json_parser *parser,
                                              struct tk_otlp_residual *residual) {
  struct tk_stack *stack = &parser->builder->residual;
  tk_builder_take_inner_json(parser->builder, residual->inner_begin);
  const uint32_t size = stack->count - residual->begin;
  if (size <= 1) return (struct tk_residual){0};
  if (size == residual->encoded_size) {
    stack->count = residual->begin;
    if (residual->encoded.size == 0) return (struct tk_residual){0};
    return (struct tk_residual){residual->encoded.data, residual->encoded.size,
                                TK_RESIDUAL_PROTOBUF};
  }
  const char *data = tk_builder_take(parser->builder, stack, residual->begin, 1);
  if (!data) return (struct tk_residual){0};
  return (struct tk_residual){data + 1, size - 1, TK_RESIDUAL_JSON};
}
