/* SPDX-License-Identifier: MIT
 * Attributes, events and links as JSON text: the plain form that people and json_extract() read.
 * (Export writes OTLP's typed JSON; that is cli/output.) Nothing here loses a digit: integers are
 * written as they are, doubles with the fewest digits that read back the same. */
#include "sqlext/json_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqlext/text_forms.h"
#include "store/sqlite_api.h"

void tk_json_literal(struct tk_byte_writer *out, const char *text) {
  tk_byte_writer_append(out, text, strlen(text));
}

/* Length of the well-formed UTF-8 sequence at `at`, 0 if there is none. */
static size_t sequence_length(const uint8_t *at, size_t left) {
  static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  size_t length = at[0] < 0x80 ? 1 : at[0] < 0xC0 ? 0 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : 4;
  if (length == 0 || length > left || at[0] > 0xF4) return 0;
  if (length == 1) return 1;
  uint32_t code_point = at[0] & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; i++) {
    if ((at[i] & 0xC0) != 0x80) return 0;
    code_point = code_point << 6 | (at[i] & 0x3F);
  }
  bool surrogate = code_point >= 0xD800 && code_point < 0xE000;
  return code_point < smallest[length] || code_point > 0x10FFFF || surrogate ? 0 : length;
}

static void append_escaped(struct tk_byte_writer *out, uint8_t byte) {
  static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt";
  char text[8];
  for (size_t i = 0; i + 1 < sizeof named; i += 2) {
    if ((uint8_t)named[i] != byte) continue;
    tk_byte_writer_append_u8(out, '\\');
    tk_byte_writer_append_u8(out, (uint8_t)named[i + 1]);
    return;
  }
  snprintf(text, sizeof text, "\\u%04x", byte);
  tk_json_literal(out, text);
}

void tk_json_text(struct tk_byte_writer *out, struct tk_text text) {
  const uint8_t *bytes = (const uint8_t *)text.data;
  size_t done = 0, at = 0;

  tk_byte_writer_append_u8(out, '"');
  while (at < text.size) {
    if (bytes[at] >= 0x20 && bytes[at] < 0x80 && bytes[at] != '"' && bytes[at] != '\\') {
      at++;
      continue;
    }
    size_t length = sequence_length(bytes + at, text.size - at);
    if (length > 1) {
      at += length;
      continue;
    }
    tk_byte_writer_append(out, bytes + done, at - done);
    if (length == 1) {
      append_escaped(out, bytes[at]);
    } else {
      tk_json_literal(out, "\xEF\xBF\xBD");
    }
    done = ++at;
  }
  if (at > done) tk_byte_writer_append(out, bytes + done, at - done);
  tk_byte_writer_append_u8(out, '"');
}

static void append_base64(struct tk_byte_writer *out, const uint8_t *bytes, size_t size) {
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  tk_byte_writer_append_u8(out, '"');
  for (size_t i = 0; i < size; i += 3) {
    size_t left = size - i;
    uint32_t group = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                     (left > 2 ? bytes[i + 2] : 0u);
    char text[4] = {alphabet[group >> 18], alphabet[group >> 12 & 63],
                    left > 1 ? alphabet[group >> 6 & 63] : '=',
                    left > 2 ? alphabet[group & 63] : '='};
    tk_byte_writer_append(out, text, sizeof text);
  }
  tk_byte_writer_append_u8(out, '"');
}

static void append_integer(struct tk_byte_writer *out, int64_t value) {
  char text[24];
  sqlite3_snprintf(sizeof text, text, "%lld", (long long)value);
  tk_json_literal(out, text);
}

static void append_unsigned(struct tk_byte_writer *out, uint64_t value) {
  char text[24];
  sqlite3_snprintf(sizeof text, text, "%llu", (unsigned long long)value);
  tk_json_literal(out, text);
}

static void append_double(struct tk_byte_writer *out, double value) {
  char text[40];
  if (isnan(value)) {
    tk_json_literal(out, "\"NaN\"");
  } else if (isinf(value)) {
    tk_json_literal(out, value < 0 ? "\"-Infinity\"" : "\"Infinity\"");
  } else {
    for (int digits = 15; digits <= 17; digits++) {
      snprintf(text, sizeof text, "%.*g", digits, value);
      if (strtod(text, NULL) == value) break;
    }
    for (char *at = text; *at; at++) {
      if (*at == ',') *at = '.'; /* a host may have set a locale */
    }
    tk_json_literal(out, text);
    if (!strpbrk(text, ".e")) tk_json_literal(out, ".0");
  }
}

static void append_value(struct tk_byte_writer *out, const struct tk_value *value);

static bool occurs_before(const struct tk_attribute *items, uint32_t index) {
  for (uint32_t i = 0; i < index; i++) {
    if (items[i].key.size == items[index].key.size &&
        memcmp(items[i].key.data, items[index].key.data, items[i].key.size) == 0) {
      return true;
    }
  }
  return false;
}

static void append_members(struct tk_byte_writer *out, const struct tk_attribute *items,
                           uint32_t count) {
  bool first = true;
  tk_byte_writer_append_u8(out, '{');
  for (uint32_t i = 0; i < count && !out->failed; i++) {
    if (occurs_before(items, i)) continue;
    if (!first) tk_byte_writer_append_u8(out, ',');
    first = false;
    tk_json_text(out, items[i].key);
    tk_byte_writer_append_u8(out, ':');
    append_value(out, &items[i].value);
  }
  tk_byte_writer_append_u8(out, '}');
}

static void append_items(struct tk_byte_writer *out, const struct tk_value *items, uint32_t count) {
  tk_byte_writer_append_u8(out, '[');
  for (uint32_t i = 0; i < count && !out->failed; i++) {
    if (i > 0) tk_byte_writer_append_u8(out, ',');
    append_value(out, &items[i]);
  }
  tk_byte_writer_append_u8(out, ']');
}

/* Stored values are nested TK_VALUE_DEPTH_MAX deep at most: reading refuses more. */
static void append_value(struct tk_byte_writer *out, const struct tk_value *value) {
  switch ((enum tk_value_type)value->type) {
    case TK_VALUE_STRING:
      tk_json_text(out, (struct tk_text){value->as.text, value->size});
      break;
    case TK_VALUE_BOOL:
      tk_json_literal(out, value->as.integer ? "true" : "false");
      break;
    case TK_VALUE_INT:
      append_integer(out, value->as.integer);
      break;
    case TK_VALUE_DOUBLE:
      append_double(out, value->as.real);
      break;
    case TK_VALUE_ARRAY:
      append_items(out, value->as.items, value->size);
      break;
    case TK_VALUE_KVLIST:
      append_members(out, value->as.members, value->size);
      break;
    case TK_VALUE_BYTES:
      append_base64(out, (const uint8_t *)value->as.text, value->size);
      break;
    case TK_VALUE_EMPTY:
    default:
      tk_json_literal(out, "null");
      break;
  }
}

void tk_json_value(struct tk_byte_writer *out, const struct tk_value *value) {
  append_value(out, value);
}

void tk_json_attributes(struct tk_byte_writer *out, const struct tk_attributes *attributes) {
  append_members(out, attributes->items, attributes->count);
}

void tk_json_scope(struct tk_byte_writer *out, const struct tk_scope *scope) {
  tk_json_literal(out, "{\"name\":");
  tk_json_text(out, scope->name);
  if (scope->version.size > 0) {
    tk_json_literal(out, ",\"version\":");
    tk_json_text(out, scope->version);
  }
  if (scope->attributes.count > 0) {
    tk_json_literal(out, ",\"attributes\":");
    tk_json_attributes(out, &scope->attributes);
  }
  tk_byte_writer_append_u8(out, '}');
}

static void append_dropped(struct tk_byte_writer *out, uint32_t count) {
  if (count == 0) return;
  tk_json_literal(out, ",\"dropped_attributes_count\":");
  append_unsigned(out, count);
}

void tk_json_events(struct tk_byte_writer *out, const struct tk_event *events, uint32_t count) {
  char time[TK_INSTANT_TEXT_SIZE];

  tk_byte_writer_append_u8(out, '[');
  for (uint32_t i = 0; i < count && !out->failed; i++) {
    tk_json_literal(out, i ? ",{\"time_ns\":" : "{\"time_ns\":");
    append_unsigned(out, events[i].time_unix_ns);
    tk_json_literal(out, ",\"time\":");
    tk_instant_text(events[i].time_unix_ns, time);
    tk_json_text(out, (struct tk_text){time, sizeof time});
    tk_json_literal(out, ",\"name\":");
    tk_json_text(out, events[i].name);
    tk_json_literal(out, ",\"attributes\":");
    tk_json_attributes(out, &events[i].attributes);
    append_dropped(out, events[i].attributes.dropped_count);
    tk_byte_writer_append_u8(out, '}');
  }
  tk_byte_writer_append_u8(out, ']');
}

void tk_json_links(struct tk_byte_writer *out, const struct tk_link *links, uint32_t count) {
  char hex[32];

  tk_byte_writer_append_u8(out, '[');
  for (uint32_t i = 0; i < count && !out->failed; i++) {
    tk_json_literal(out, i ? ",{\"trace_id\":" : "{\"trace_id\":");
    tk_hex_text(links[i].trace_id, 16, hex);
    tk_json_text(out, (struct tk_text){hex, 32});
    tk_json_literal(out, ",\"span_id\":");
    tk_hex_text(links[i].span_id, 8, hex);
    tk_json_text(out, (struct tk_text){hex, 16});
    if (links[i].trace_state.size > 0) {
      tk_json_literal(out, ",\"trace_state\":");
      tk_json_text(out, links[i].trace_state);
    }
    if (links[i].flags > 0) {
      tk_json_literal(out, ",\"flags\":");
      append_unsigned(out, links[i].flags);
    }
    tk_json_literal(out, ",\"attributes\":");
    tk_json_attributes(out, &links[i].attributes);
    append_dropped(out, links[i].attributes.dropped_count);
    tk_byte_writer_append_u8(out, '}');
  }
  tk_byte_writer_append_u8(out, ']');
}
