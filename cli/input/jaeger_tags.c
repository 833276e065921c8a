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

static struct tk_value binary_value(struct tk_plain *plain, struct tk_text text, bool hex) {
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
                                   bool hex) {
  struct tk_value value = {.type = TK_VALUE_INT};
  if (tk_text_equals(type, "binary")) return binary_value(plain, text, hex);
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

/* `raw` is the value's JSON. */
static struct tk_value read_tag_value(struct tk_plain *plain, struct tk_text type,
                                      struct tk_text raw, bool hex) {
  struct tk_plain inner = {.builder = plain->builder};
  inner.json = plain->json; /* for the text's end, and its errors */
  inner.json.at = raw.data;
  const bool typed = tk_text_equals(type, "bool") || tk_text_equals(type, "int64") ||
                     tk_text_equals(type, "float64") || tk_text_equals(type, "binary");
  const enum tk_json_type found = tk_json_peek(&inner.json);
  if (found == TK_JSON_STRING && typed) {
    return convert_tag(plain, type, tk_plain_view(&inner), hex);
  }
  const struct tk_value value = tk_plain_value(&inner);
  const bool integral = value.type == TK_VALUE_INT;
  if (!typed || (integral && tk_text_equals(type, "int64"))) return value;
  if (value.type == TK_VALUE_BOOL && tk_text_equals(type, "bool")) return value;
  if (value.type == TK_VALUE_DOUBLE && tk_text_equals(type, "float64")) return value;
  return value.type == TK_VALUE_EMPTY ? value : convert_tag(plain, type, raw, hex);
}

/* {"key","type","value"}: key and type may come behind the value. */
bool tk_jaeger_read_tag(struct tk_plain *plain, struct tk_attribute *tag, bool hex) {
  struct tk_text type = {"", 0};
  struct tk_text raw = {"", 0};
  *tag = (struct tk_attribute){.key.data = ""};
  if (!tk_plain_expect(plain, TK_JSON_OBJECT)) return false;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_text key = tk_raw_text(tk_json_key(&plain->json));
    if (tk_text_equals(key, "key")) {
      tag->key = tk_plain_text(plain);
    } else if (tk_text_equals(key, "type")) {
      type = tk_plain_view(plain);
    } else if (tk_text_equals(key, "value")) {
      tk_json_skip_space(&plain->json);
      raw = tk_json_skip(&plain->json);
    } else {
      tk_json_skip(&plain->json);
    }
  }
  if (plain->json.expected) return false;
  if (tag->key.size == 0) {
    tk_builder_issue(plain->builder, TK_RULE_ATTR_EMPTY_KEY, raw, "expected a tag with a key");
  }
  if (raw.size > 0) tag->value = read_tag_value(plain, type, raw, hex);
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
