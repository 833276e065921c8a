/* SPDX-License-Identifier: MIT
 * What the writers of traces share: members, values as plain JSON, names. */
#include "cli/output/span_json.h"

#include <math.h>
#include <string.h>

/* ---- members ---- */

void tk_json_add_key(struct tk_text_buffer *out, const char *key) {
  if (out->size > 0 && out->data[out->size - 1] != '{') tk_text_buffer_add_char(out, ',');
  tk_text_buffer_add_char(out, '"');
  tk_text_buffer_add(out, key);
  tk_text_buffer_add(out, "\":");
}

void tk_json_add_text(struct tk_text_buffer *out, struct tk_text text) {
  tk_text_buffer_add_json_string(out, text.data, text.size);
}

void tk_json_add_text_member(struct tk_text_buffer *out, const char *key, struct tk_text text) {
  if (text.size == 0) return;
  tk_json_add_key(out, key);
  tk_json_add_text(out, text);
}

void tk_json_add_uint_member(struct tk_text_buffer *out, const char *key, uint64_t number) {
  if (number == 0) return;
  tk_json_add_key(out, key);
  tk_text_buffer_add_uint(out, number);
}

void tk_json_add_hex_member(struct tk_text_buffer *out, const char *key, const uint8_t *id,
                            size_t size) {
  tk_json_add_key(out, key);
  tk_text_buffer_add_char(out, '"');
  tk_text_buffer_add_hex(out, id, size);
  tk_text_buffer_add_char(out, '"');
}

void tk_json_add_trace_id(struct tk_text_buffer *out, const char *key, const struct tk_span *span) {
  if (span->presence & TK_SPAN_TEXT_TRACE_ID) {
    tk_json_add_key(out, key);
    tk_json_add_text(out, span->trace_id_text);
  } else if (span->presence & TK_SPAN_SHORT_TRACE_ID) {
    tk_json_add_hex_member(out, key, span->trace_id + 8, 8);
  } else {
    tk_json_add_hex_member(out, key, span->trace_id, 16);
  }
}

/* ---- values ---- */

static void add_double(struct tk_text_buffer *out, double real) {
  if (isnan(real)) {
    tk_text_buffer_add(out, "{\"$double\":\"NaN\"}");
  } else if (isinf(real)) {
    tk_text_buffer_add(out,
                       real < 0 ? "{\"$double\":\"-Infinity\"}" : "{\"$double\":\"Infinity\"}");
  } else {
    tk_text_buffer_add_real(out, real);
  }
}

static void add_members(struct tk_text_buffer *out, const struct tk_attribute *items,
                        uint32_t count) {
  tk_text_buffer_add_char(out, '{');
  for (uint32_t i = 0; i < count; i++) {
    if (i > 0) tk_text_buffer_add_char(out, ',');
    tk_json_add_text(out, items[i].key);
    tk_text_buffer_add_char(out, ':');
    tk_json_add_plain_value(out, &items[i].value);
  }
  tk_text_buffer_add_char(out, '}');
}

/* A list of one key that begins with '$' would be taken for a value that is marked. */
static void add_list(struct tk_text_buffer *out, const struct tk_value *value) {
  const struct tk_attribute *members = value->as.members;
  const bool marked = value->size == 1 && members[0].key.size > 0 && members[0].key.data[0] == '$';
  if (marked) tk_text_buffer_add(out, "{\"$kvlist\":");
  add_members(out, members, value->size);
  if (marked) tk_text_buffer_add_char(out, '}');
}

static void add_array(struct tk_text_buffer *out, const struct tk_value *value) {
  tk_text_buffer_add_char(out, '[');
  for (uint32_t i = 0; i < value->size; i++) {
    if (i > 0) tk_text_buffer_add_char(out, ',');
    tk_json_add_plain_value(out, &value->as.items[i]);
  }
  tk_text_buffer_add_char(out, ']');
}

/* Recursion is as deep as values nest, which readers and the store both limit. */
void tk_json_add_plain_value(struct tk_text_buffer *out, const struct tk_value *value) {
  switch ((enum tk_value_type)value->type) {
    case TK_VALUE_EMPTY:
      tk_text_buffer_add(out, "null");
      break;
    case TK_VALUE_STRING:
      tk_text_buffer_add_json_string(out, value->as.text, value->size);
      break;
    case TK_VALUE_BOOL:
      tk_text_buffer_add(out, value->as.integer ? "true" : "false");
      break;
    case TK_VALUE_INT:
      tk_text_buffer_add_int(out, value->as.integer);
      break;
    case TK_VALUE_DOUBLE:
      add_double(out, value->as.real);
      break;
    case TK_VALUE_ARRAY:
      add_array(out, value);
      break;
    case TK_VALUE_KVLIST:
      add_list(out, value);
      break;
    case TK_VALUE_BYTES:
      tk_text_buffer_add(out, "{\"$bytes\":\"");
      tk_text_buffer_add_base64(out, value->as.text, value->size);
      tk_text_buffer_add(out, "\"}");
      break;
  }
}

void tk_json_add_plain_attributes(struct tk_text_buffer *out,
                                  const struct tk_attributes *attributes) {
  add_members(out, attributes->items, attributes->count);
}

void tk_add_value_text(struct tk_text_buffer *out, const struct tk_value *value) {
  if (value->type == TK_VALUE_STRING) {
    tk_text_buffer_append(out, value->as.text, value->size);
  } else if (value->type == TK_VALUE_BYTES) {
    tk_text_buffer_add_base64(out, value->as.text, value->size);
  } else if (value->type == TK_VALUE_DOUBLE && !isfinite(value->as.real)) {
    tk_text_buffer_add(out, isnan(value->as.real) ? "NaN"
                            : value->as.real < 0  ? "-Infinity"
                                                  : "Infinity");
  } else if (value->type != TK_VALUE_EMPTY) {
    tk_json_add_plain_value(out, value);
  }
}

/* ---- names ---- */

bool tk_text_is(struct tk_text text, const char *expected) {
  return text.size == strlen(expected) && memcmp(text.data, expected, text.size) == 0;
}

const struct tk_value *tk_find_value(const struct tk_attributes *attributes, const char *key) {
  for (uint32_t i = 0; i < attributes->count; i++) {
    if (tk_text_is(attributes->items[i].key, key)) return &attributes->items[i].value;
  }
  return NULL;
}

struct tk_text tk_service_of(const struct tk_span *span) {
  const struct tk_value *value = tk_find_value(&span->resource->attributes, "service.name");
  if (!value || value->type != TK_VALUE_STRING) return (struct tk_text){"", 0};
  return (struct tk_text){value->as.text, value->size};
}

const char *tk_json_kind_name(int32_t kind) {
  static const char *const names[] = {"unspecified", "internal", "server",
                                      "client",      "producer", "consumer"};
  return kind >= 0 && kind <= TK_KIND_CONSUMER ? names[kind] : NULL;
}

const char *tk_json_status_name(int32_t code) {
  static const char *const names[] = {"unset", "ok", "error"};
  return code >= 0 && code <= TK_STATUS_ERROR ? names[code] : NULL;
}
