/* SPDX-License-Identifier: MIT
 * Attribute values as text. OTLP's own spelling of them is in otlp_json.c. */
#include "cli/output/value_text.h"

#include <math.h>
#include <string.h>

static void add_plain_json(struct tk_text_buffer *out, const struct tk_value *value);

static void add_real(struct tk_text_buffer *out, double real) {
  if (isfinite(real)) {
    tk_text_buffer_add_real(out, real);
  } else {
    tk_text_buffer_add(out, isnan(real) ? "NaN" : real < 0 ? "-Infinity" : "Infinity");
  }
}

static void add_members(struct tk_text_buffer *out, const struct tk_value *value) {
  tk_text_buffer_add_char(out, '{');
  for (uint32_t i = 0; i < value->size; i++) {
    const struct tk_attribute *member = &value->as.members[i];
    if (i > 0) tk_text_buffer_add_char(out, ',');
    tk_text_buffer_add_json_string(out, member->key.data, member->key.size);
    tk_text_buffer_add_char(out, ':');
    add_plain_json(out, &member->value);
  }
  tk_text_buffer_add_char(out, '}');
}

static void add_items(struct tk_text_buffer *out, const struct tk_value *value) {
  tk_text_buffer_add_char(out, '[');
  for (uint32_t i = 0; i < value->size; i++) {
    if (i > 0) tk_text_buffer_add_char(out, ',');
    add_plain_json(out, &value->as.items[i]);
  }
  tk_text_buffer_add_char(out, ']');
}

static void add_plain_json(struct tk_text_buffer *out, const struct tk_value *value) {
  if (value->type == TK_VALUE_STRING) {
    tk_text_buffer_add_json_string(out, value->as.text, value->size);
  } else if (value->type == TK_VALUE_EMPTY) {
    tk_text_buffer_add(out, "null");
  } else {
    tk_value_append_text(out, value);
  }
}

void tk_value_append_text(struct tk_text_buffer *out, const struct tk_value *value) {
  switch ((enum tk_value_type)value->type) {
    case TK_VALUE_EMPTY:
      break;
    case TK_VALUE_STRING:
      tk_text_buffer_append(out, value->as.text, value->size);
      break;
    case TK_VALUE_BOOL:
      tk_text_buffer_add(out, value->as.integer ? "true" : "false");
      break;
    case TK_VALUE_INT:
      tk_text_buffer_add_int(out, value->as.integer);
      break;
    case TK_VALUE_DOUBLE:
      add_real(out, value->as.real);
      break;
    case TK_VALUE_ARRAY:
      add_items(out, value);
      break;
    case TK_VALUE_KVLIST:
      add_members(out, value);
      break;
    case TK_VALUE_BYTES:
      tk_text_buffer_add(out, "x'");
      tk_text_buffer_add_hex(out, value->as.text, value->size);
      tk_text_buffer_add_char(out, '\'');
      break;
  }
}

struct tk_text tk_attributes_find_text(const struct tk_attributes *attributes, const char *key) {
  size_t size = strlen(key);
  for (uint32_t i = 0; i < attributes->count; i++) {
    const struct tk_attribute *attribute = &attributes->items[i];
    if (attribute->key.size == size && memcmp(attribute->key.data, key, size) == 0 &&
        attribute->value.type == TK_VALUE_STRING) {
      return (struct tk_text){attribute->value.as.text, attribute->value.size};
    }
  }
  return (struct tk_text){0};
}
