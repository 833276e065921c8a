/* SPDX-License-Identifier: MIT
 * Jaeger's typed tags. A value is believed to be of the type its tag names, however it is spelt. */
#include "cli/input/jaeger_tags.h"

#include <string.h>

/* "binary" is hexadecimal in Elasticsearch's form, base64 elsewhere. */
static bool decode_hex(struct tk_text text, uint8_t *out) {
  for (uint32_t i = 0; i < text.size; i++) {
    const char c = text.data[i];
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return false;
    out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] << 4 | digit : digit);
  }
  return text.size % 2 == 0;
}

/* The process may come behind what is to be decoded by it: only its being there counts. */
static bool is_hex(struct tk_jaeger_place *place) {
  if (!place) return false;
  if (place->binary == TK_JAEGER_UNKNOWN) {
    struct tk_json json = place->span;
    place->binary = TK_JAEGER_BASE64;
    for (bool more = tk_json_enter_object(&json); more; more = tk_json_next_member(&json)) {
      if (tk_text_equals(tk_raw_text(tk_json_key(&json)), "process")) {
        place->binary = TK_JAEGER_HEX;
        break;
      }
      tk_json_skip(&json);
    }
  }
  return place->binary == TK_JAEGER_HEX;
}

static struct tk_value binary_value(struct tk_plain *plain, struct tk_text text,
                                    struct tk_jaeger_place *place) {
  const bool hex = is_hex(place);
  uint8_t *bytes = tk_arena_alloc(&plain->builder->batch->arena, (size_t)text.size + 2);
  int64_t size = -1;
  if (!bytes) {
    plain->builder->out_of_memory = true;
    return (struct tk_value){0};
  }
  if (hex && decode_hex(text, bytes)) size = text.size / 2;
  if (size < 0) size = tk_base64_decode(text.data, text.size, bytes);
  if (size < 0) {
    tk_plain_report_type(plain, hex ? "hexadecimal digits" : "base64", text);
    return tk_string_value(tk_builder_copy(plain->builder, text.data, text.size));
  }
  return (struct tk_value){
      .type = TK_VALUE_BYTES, .size = (uint32_t)size, .as.text = (const char *)bytes};
}

static struct tk_value boolean_value(bool truth) {
  return (struct tk_value){.type = TK_VALUE_BOOL, .as.integer = truth};
}

/* A value that came as text, or not of the type its tag names. */
static struct tk_value convert_tag(struct tk_plain *plain, struct tk_text type, struct tk_text text,
                                   struct tk_jaeger_place *place) {
  struct tk_value value = {.type = TK_VALUE_INT};
  if (tk_text_equals(type, "binary")) return binary_value(plain, text, place);
  if (tk_text_equals(type, "bool")) {
    if (tk_text_equals_nocase(text, "true")) return boolean_value(true);
    if (tk_text_equals_nocase(text, "false")) return boolean_value(false);
  }
  if (tk_text_equals(type, "int64") &&
      tk_parse_int64(text.data, text.size, &value.as.integer) == TK_NUMBER_OK) {
    return value;
  }
  if (tk_text_equals(type, "float64")) {
    value.type = TK_VALUE_DOUBLE;
    if (tk_parse_double(text.data, text.size, &value.as.real) != TK_NUMBER_SYNTAX) return value;
    if (tk_text_equals(text, "NaN")) {
      value.as.real = __builtin_nan("");
      return value;
    }
    if (tk_text_equals(text, "+Inf") || tk_text_equals(text, "-Inf")) {
      value.as.real = text.data[0] == '-' ? -__builtin_inf() : __builtin_inf();
      return value;
    }
  }
  tk_builder_issue(plain->builder, TK_RULE_JSON_TYPE, text,
                   "expected a tag of type %.*s, found `%.*s`; kept as text", (int)type.size,
                   type.data, (int)(text.size < 40 ? text.size : 40), text.data);
  return tk_string_value(tk_builder_copy(plain->builder, text.data, text.size));
}

/* Takes a value of the type that its tag names. */
static struct tk_value take_value(struct tk_plain *plain, struct tk_text type,
                                  struct tk_jaeger_place *place) {
  if (tk_text_equals(type, "string")) return tk_plain_value(plain);
  const bool typed = tk_text_equals(type, "bool") || tk_text_equals(type, "int64") ||
                     tk_text_equals(type, "float64") || tk_text_equals(type, "binary");
  const enum tk_json_type found = tk_json_peek(&plain->json);
  const char *begin = plain->json.at;
  if (found == TK_JSON_STRING && typed) {
    const struct tk_text text = tk_plain_view(plain);
    return plain->json.expected ? (struct tk_value){0} : convert_tag(plain, type, text, place);
  }
  const struct tk_value value = tk_plain_value(plain);
  if (!typed || plain->json.expected || value.type == TK_VALUE_EMPTY) return value;
  if (value.type == TK_VALUE_INT && tk_text_equals(type, "int64")) return value;
  if (value.type == TK_VALUE_BOOL && tk_text_equals(type, "bool")) return value;
  if (value.type == TK_VALUE_DOUBLE && tk_text_equals(type, "float64")) return value;
  const struct tk_text raw = {begin, (uint32_t)(plain->json.at - begin)};
  return convert_tag(plain, type, raw, place);
}

/* Members in any order, but the type mostly comes before the value: otherwise the value waits. */
bool tk_jaeger_read_tag(struct tk_plain *plain, struct tk_attribute *tag,
                        struct tk_jaeger_place *place) {
  struct tk_text type = {"", 0};
  struct tk_json waiting = {0};
  *tag = (struct tk_attribute){.key.data = ""};
  if (!tk_plain_expect(plain, TK_JSON_OBJECT)) return false;
  const char *begin = plain->json.at;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_text key = tk_raw_text(tk_json_key(&plain->json));
    if (tk_text_equals(key, "key")) {
      tag->key = tk_plain_text(plain);
    } else if (tk_text_equals(key, "type")) {
      type = tk_plain_view(plain);
    } else if (tk_text_equals(key, "value") && type.size > 0) {
      tag->value = take_value(plain, type, place);
      waiting.at = NULL;
    } else if (tk_text_equals(key, "value")) {
      waiting = plain->json;
      tk_json_skip(&plain->json);
    } else {
      tk_json_skip(&plain->json);
    }
  }
  if (plain->json.expected) return false;
  if (tag->key.size == 0) {
    tk_builder_issue(plain->builder, TK_RULE_ATTR_EMPTY_KEY,
                     (struct tk_text){begin, (uint32_t)(plain->json.at - begin)},
                     "expected a tag with a key");
  }
  if (waiting.at) {
    struct tk_plain inner = {.builder = plain->builder, .json = waiting};
    tag->value = take_value(&inner, type, place);
  }
  return true;
}

/* Elasticsearch's map of tags, where dots of keys became '@'. */
bool tk_jaeger_next_mapped_tag(struct tk_plain *plain, struct tk_attribute *tag) {
  const struct tk_text key = tk_builder_string(plain->builder, tk_json_key(&plain->json));
  char *dotted = tk_arena_alloc_bytes(&plain->builder->batch->arena, (size_t)key.size + 1);
  if (!dotted) {
    plain->builder->out_of_memory = true;
    return false;
  }
  for (uint32_t i = 0; i < key.size; i++) dotted[i] = key.data[i] == '@' ? '.' : key.data[i];
  tag->key = tk_builder_intern(plain->builder, dotted, key.size);
  tag->value = tk_plain_value(plain);
  return !plain->json.expected;
}
