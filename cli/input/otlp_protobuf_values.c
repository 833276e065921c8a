/* SPDX-License-Identifier: MIT
 * Text and attribute values of OTLP protobuf, which most of a message consists of: decoded by hand,
 * where spans and what holds them go by tables. What a value or attribute does not know is kept
 * with the message that owns the attribute. */
#include <string.h>

#include "cli/input/otlp_protobuf.h"
#include "cli/input/otlp_protobuf_decoder.h"
#include "cli/input/residual_bytes.h"

bool tk_protobuf_fail(struct tk_protobuf_decoder *decoder, const char *expected,
                      const uint8_t *at) {
  if (!decoder->expected) {
    decoder->expected = expected;
    decoder->error_at = at;
  }
  return false;
}

bool tk_protobuf_finish(struct tk_protobuf_decoder *decoder, const struct tk_wire *wire) {
  return wire->expected ? tk_protobuf_fail(decoder, wire->expected, wire->error_at) : true;
}

void tk_protobuf_report_unknown(struct tk_protobuf_decoder *decoder, const struct tk_wire *wire,
                                const struct tk_wire_field *field, const char *message, bool kept) {
  const struct tk_text raw = {(const char *)field->begin, (uint32_t)(wire->at - field->begin)};
  tk_builder_issue(decoder->builder, TK_RULE_PROTOBUF_UNKNOWN_FIELD, raw,
                   "%s has no field %u of wire type %u; %s", message, (unsigned)field->number,
                   (unsigned)field->type, kept ? "kept as it is" : "not stored");
}

/* ---- text ---- */

static bool is_ascii(const uint8_t *bytes, uint32_t size) {
  uint64_t word, seen = 0;
  uint32_t i = 0;
  for (; i + 8 <= size; i += 8) {
    memcpy(&word, bytes + i, 8);
    seen |= word;
  }
  for (; i < size; i++) seen |= (uint64_t)bytes[i];
  return (seen & 0x8080808080808080u) == 0;
}

static struct tk_json_string string_of(const struct tk_wire_field *field) {
  return (struct tk_json_string){.data = (const char *)field->data,
                                 .size = field->size,
                                 .non_ascii = !is_ascii(field->data, field->size)};
}

struct tk_text tk_protobuf_text(struct tk_protobuf_decoder *decoder,
                                const struct tk_wire_field *field) {
  return tk_builder_string(decoder->builder, string_of(field));
}

/* ---- values ---- */

enum { ANY_STRING = 1, ANY_BOOL, ANY_INT, ANY_DOUBLE, ANY_ARRAY, ANY_KVLIST, ANY_BYTES };

static bool decode_any_value(struct tk_protobuf_decoder *decoder, const struct tk_wire_field *whole,
                             uint32_t inner_begin, struct tk_value *value);

/* Keeps a field that OTLP does not have, of the attribute or value at hand. */
static void keep_inner(struct tk_protobuf_decoder *decoder, const struct tk_wire *wire,
                       const struct tk_wire_field *field, enum tk_path_end end,
                       const char *message) {
  char path[TK_VALUE_PATH_TEXT];
  const uint32_t path_size = tk_value_path_write(&decoder->path, end, path);
  tk_protobuf_report_unknown(decoder, wire, field, message, path_size > 0);
  if (path_size == 0) return;
  const struct tk_text content = {(const char *)field->begin, (uint32_t)(wire->at - field->begin)};
  tk_builder_keep_inner(decoder->builder, (struct tk_text){path, path_size}, content);
}

/* `begin`: of the list on the builder's values. */
static bool decode_array_items(struct tk_protobuf_decoder *decoder,
                               const struct tk_wire_field *whole, uint32_t begin) {
  struct tk_wire wire = tk_wire_of(whole->data, whole->size);
  struct tk_wire_field field;
  while (tk_wire_next(&wire, &field)) {
    struct tk_value value = {0};
    if (field.number != 1 || field.type != TK_WIRE_BYTES) {
      tk_value_path_leave(&decoder->path);
      keep_inner(decoder, &wire, &field, TK_PATH_AT_ARRAY, "ArrayValue");
      tk_value_path_enter(&decoder->path, TK_PATH_ITEM);
      continue;
    }
    tk_value_path_at(&decoder->path, decoder->builder->values.count - begin);
    if (!decode_any_value(decoder, &field, decoder->builder->inner.count, &value)) return false;
    struct tk_value *item =
        tk_builder_push(decoder->builder, &decoder->builder->values, sizeof value);
    if (item) *item = value;
  }
  return tk_protobuf_finish(decoder, &wire);
}

/* `begin`: of the list on the builder's attributes. */
static bool decode_members(struct tk_protobuf_decoder *decoder, const struct tk_wire_field *whole,
                           uint32_t begin) {
  struct tk_wire wire = tk_wire_of(whole->data, whole->size);
  struct tk_wire_field field;
  while (tk_wire_next(&wire, &field)) {
    if (field.number != 1 || field.type != TK_WIRE_BYTES) {
      tk_value_path_leave(&decoder->path);
      keep_inner(decoder, &wire, &field, TK_PATH_AT_KVLIST, "KeyValueList");
      tk_value_path_enter(&decoder->path, TK_PATH_MEMBER);
      continue;
    }
    tk_value_path_at(&decoder->path, decoder->builder->attributes.count - begin);
    if (!tk_protobuf_attribute(decoder, &field, 0)) return false;
  }
  return tk_protobuf_finish(decoder, &wire);
}

/* A list's items stay on the stacks until the AnyValue ends: another occurrence adds to them. */
static bool decode_list(struct tk_protobuf_decoder *decoder, const struct tk_wire_field *field,
                        uint32_t begin) {
  const bool array = field->number == ANY_ARRAY;
  if (decoder->value_depth >= TK_PROTOBUF_VALUE_DEPTH_LIMIT) {
    return tk_protobuf_fail(decoder, "attribute values nested less deeply", field->begin);
  }
  decoder->value_depth++;
  tk_value_path_enter(&decoder->path, array ? TK_PATH_ITEM : TK_PATH_MEMBER);
  const bool decoded =
      array ? decode_array_items(decoder, field, begin) : decode_members(decoder, field, begin);
  tk_value_path_leave(&decoder->path);
  decoder->value_depth--;
  return decoded;
}

static struct tk_value decode_scalar(struct tk_protobuf_decoder *decoder,
                                     const struct tk_wire_field *field) {
  struct tk_value value = {0};
  struct tk_text text;
  switch (field->number) {
    case ANY_STRING:
      text = tk_protobuf_text(decoder, field);
      return (struct tk_value){.type = TK_VALUE_STRING, .size = text.size, .as.text = text.data};
    case ANY_BYTES:
      text = tk_builder_copy(decoder->builder, (const char *)field->data, field->size);
      return (struct tk_value){.type = TK_VALUE_BYTES, .size = text.size, .as.text = text.data};
    case ANY_BOOL:
      return (struct tk_value){.type = TK_VALUE_BOOL, .as.integer = field->value != 0};
    case ANY_INT:
      return (struct tk_value){.type = TK_VALUE_INT, .as.integer = (int64_t)field->value};
    case ANY_DOUBLE:
      value.type = TK_VALUE_DOUBLE;
      memcpy(&value.as.real, &field->value, sizeof value.as.real);
      return value;
    default:
      return value;
  }
}

static bool is_value_member(const struct tk_wire_field *field) {
  static const uint8_t types[] = {
      [ANY_STRING] = TK_WIRE_BYTES,   [ANY_BOOL] = TK_WIRE_VARINT, [ANY_INT] = TK_WIRE_VARINT,
      [ANY_DOUBLE] = TK_WIRE_FIXED64, [ANY_ARRAY] = TK_WIRE_BYTES, [ANY_KVLIST] = TK_WIRE_BYTES,
      [ANY_BYTES] = TK_WIRE_BYTES};
  return field->number < sizeof types && types[field->number] == field->type;
}

static bool is_list(const struct tk_value *value) {
  return value->type == TK_VALUE_ARRAY || value->type == TK_VALUE_KVLIST;
}

/* The last member wins; only a list that follows one of its kind is merged with it. What has been
 * kept of the value stands on `inner` from `inner_begin` on. */
static bool decode_any_value(struct tk_protobuf_decoder *decoder, const struct tk_wire_field *whole,
                             uint32_t inner_begin, struct tk_value *value) {
  struct tk_batch_builder *builder = decoder->builder;
  bool inherited = is_list(value); /* from an earlier occurrence of the whole value */
  const uint32_t values = builder->values.count, attributes = builder->attributes.count;
  struct tk_wire wire = tk_wire_of(whole->data, whole->size);
  struct tk_wire_field field;
  while (tk_wire_next(&wire, &field)) {
    if (!is_value_member(&field)) {
      keep_inner(decoder, &wire, &field, TK_PATH_AT_VALUE, "AnyValue");
      continue;
    }
    const uint32_t list_type = field.number == ANY_ARRAY    ? TK_VALUE_ARRAY
                               : field.number == ANY_KVLIST ? TK_VALUE_KVLIST
                                                            : TK_VALUE_EMPTY;
    if (list_type == TK_VALUE_EMPTY || value->type != list_type) {
      builder->values.count = values;
      builder->attributes.count = attributes;
      inherited |= is_list(value);
    }
    /* With a list goes what was kept of its items. */
    if (inherited) builder->inner.count = inner_begin;
    inherited = false;
    if (list_type == TK_VALUE_EMPTY) {
      *value = decode_scalar(decoder, &field);
    } else {
      *value = (struct tk_value){.type = list_type};
      if (!decode_list(decoder, &field, list_type == TK_VALUE_ARRAY ? values : attributes)) {
        builder->values.count = values;
        builder->attributes.count = attributes;
        return false;
      }
    }
  }
  if (value->type == TK_VALUE_ARRAY) {
    value->size = builder->values.count - values;
    value->as.items = tk_builder_take(builder, &builder->values, values, sizeof(struct tk_value));
  } else if (value->type == TK_VALUE_KVLIST) {
    value->size = builder->attributes.count - attributes;
    value->as.members =
        tk_builder_take(builder, &builder->attributes, attributes, sizeof(struct tk_attribute));
  }
  return tk_protobuf_finish(decoder, &wire);
}

static struct tk_text decode_key(struct tk_protobuf_decoder *decoder,
                                 const struct tk_wire_field *field, uint32_t list) {
  const struct tk_json_string key = string_of(field);
  bool repeated;
  if (list == 0) return tk_builder_string(decoder->builder, key);
  const struct tk_text text = tk_builder_key(decoder->builder, key, list, &repeated);
  if (repeated) {
    tk_builder_issue(decoder->builder, TK_RULE_ATTR_DUPLICATE_KEY, tk_protobuf_raw(field),
                     "the key `%.*s` occurs twice in one list of attributes; kept both",
                     (int)(text.size < 80 ? text.size : 80), text.data);
  }
  return text;
}

bool tk_protobuf_attribute(struct tk_protobuf_decoder *decoder, const struct tk_wire_field *whole,
                           uint32_t list) {
  struct tk_attribute attribute = {.key.data = ""};
  const uint32_t inner_begin = decoder->builder->inner.count;
  struct tk_wire wire = tk_wire_of(whole->data, whole->size);
  struct tk_wire_field field;
  while (tk_wire_next(&wire, &field)) {
    if (field.number == 1 && field.type == TK_WIRE_BYTES) {
      attribute.key = decode_key(decoder, &field, list);
    } else if (field.number == 2 && field.type == TK_WIRE_BYTES) {
      if (!decode_any_value(decoder, &field, inner_begin, &attribute.value)) return false;
    } else {
      keep_inner(decoder, &wire, &field, TK_PATH_AT_KEY_VALUE, "KeyValue");
    }
  }
  if (attribute.key.size == 0) {
    tk_builder_issue(decoder->builder, TK_RULE_ATTR_EMPTY_KEY, tk_protobuf_raw(whole),
                     "expected an attribute with a key");
  }
  struct tk_attribute *item =
      tk_builder_push(decoder->builder, &decoder->builder->attributes, sizeof attribute);
  if (item) *item = attribute;
  return tk_protobuf_finish(decoder, &wire);
}
