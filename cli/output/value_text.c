/* SPDX-License-Identifier: MIT
 * Attribute values as text. OTLP's own spelling of them is in otlp_json.c. */
#include "cli/output/value_text.h"

#include <string.h>

#include "cli/output/span_json.h"

void tk_value_append_text(struct tk_text_buffer *out, const struct tk_value *value) {
  if (value->type == TK_VALUE_BYTES) {
    tk_text_buffer_add(out, "x'");
    tk_text_buffer_add_hex(out, value->as.text, value->size);
    tk_text_buffer_add_char(out, '\'');
  } else {
    tk_add_value_text(out, value);
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
