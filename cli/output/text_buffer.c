/* SPDX-License-Identifier: MIT
 * Growing text, and the spellings of numbers, bytes and strings that the writers share. Owns what
 * JSON and base64 look like; hides the growth policy (doubling). */
#include "cli/output/text_buffer.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/output/utf8.h"

void tk_text_buffer_reset(struct tk_text_buffer *buffer) {
  sqlite3_free(buffer->data);
  *buffer = (struct tk_text_buffer){0};
}

void tk_text_buffer_clear(struct tk_text_buffer *buffer) {
  buffer->size = 0;
}

static char *reserve(struct tk_text_buffer *buffer, size_t size) {
  if (buffer->failed) return NULL;
  if (size <= buffer->capacity - buffer->size) return buffer->data + buffer->size;
  size_t wanted = buffer->size + size;
  size_t capacity = buffer->capacity ? buffer->capacity : 256;
  while (capacity < wanted) capacity = capacity > SIZE_MAX / 2 ? wanted : capacity * 2;
  char *data = wanted < size ? NULL : sqlite3_realloc64(buffer->data, capacity);
  if (!data) {
    buffer->failed = true;
    return NULL;
  }
  buffer->data = data;
  buffer->capacity = capacity;
  return data + buffer->size;
}

void tk_text_buffer_append(struct tk_text_buffer *buffer, const void *bytes, size_t size) {
  if (size == 0) return;
  char *end = reserve(buffer, size);
  if (!end) return;
  memcpy(end, bytes, size);
  buffer->size += size;
}

void tk_text_buffer_add(struct tk_text_buffer *buffer, const char *text) {
  tk_text_buffer_append(buffer, text, strlen(text));
}

void tk_text_buffer_add_char(struct tk_text_buffer *buffer, char c) {
  tk_text_buffer_append(buffer, &c, 1);
}

void tk_text_buffer_repeat(struct tk_text_buffer *buffer, const char *text, size_t count) {
  while (count-- > 0) tk_text_buffer_add(buffer, text);
}

void tk_text_buffer_add_int(struct tk_text_buffer *buffer, int64_t value) {
  char digits[24];
  tk_text_buffer_append(buffer, digits,
                        (size_t)snprintf(digits, sizeof digits, "%lld", (long long)value));
}

void tk_text_buffer_add_uint(struct tk_text_buffer *buffer, uint64_t value) {
  char digits[24];
  tk_text_buffer_append(buffer, digits,
                        (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)value));
}

void tk_text_buffer_add_hex(struct tk_text_buffer *buffer, const void *bytes, size_t size) {
  static const char digits[] = "0123456789abcdef";
  if (size > SIZE_MAX / 2) {
    buffer->failed = true;
    return;
  }
  const uint8_t *from = bytes;
  char *to = reserve(buffer, size * 2);
  if (!to) return;
  for (size_t i = 0; i < size; i++) {
    to[2 * i] = digits[from[i] >> 4];
    to[2 * i + 1] = digits[from[i] & 15];
  }
  buffer->size += size * 2;
}

void tk_text_buffer_add_base64(struct tk_text_buffer *buffer, const void *bytes, size_t size) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const uint8_t *from = bytes;
  for (size_t i = 0; i < size; i += 3) {
    size_t left = size - i;
    uint32_t bits = (uint32_t)from[i] << 16;
    if (left > 1) bits |= (uint32_t)from[i + 1] << 8;
    if (left > 2) bits |= from[i + 2];
    char group[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
                     left > 1 ? digits[bits >> 6 & 63] : '=', left > 2 ? digits[bits & 63] : '='};
    tk_text_buffer_append(buffer, group, sizeof group);
  }
}

void tk_text_buffer_add_real(struct tk_text_buffer *buffer, double value) {
  char digits[40];
  for (int precision = 15; precision <= 17; precision++) {
    snprintf(digits, sizeof digits, "%.*g", precision, value);
    if (strtod(digits, NULL) == value) break;
  }
  tk_text_buffer_add(buffer, digits);
  if (isfinite(value) && !strpbrk(digits, ".e")) tk_text_buffer_add(buffer, ".0");
}

static void add_escaped_control(struct tk_text_buffer *buffer, unsigned char c) {
  char escape[8];
  switch (c) {
    case '"':
      tk_text_buffer_add(buffer, "\\\"");
      return;
    case '\\':
      tk_text_buffer_add(buffer, "\\\\");
      return;
    case '\n':
      tk_text_buffer_add(buffer, "\\n");
      return;
    case '\r':
      tk_text_buffer_add(buffer, "\\r");
      return;
    case '\t':
      tk_text_buffer_add(buffer, "\\t");
      return;
    default:
      snprintf(escape, sizeof escape, "\\u%04x", c);
      tk_text_buffer_add(buffer, escape);
  }
}

void tk_text_buffer_add_json_string(struct tk_text_buffer *buffer, const char *text, size_t size) {
  tk_text_buffer_add_char(buffer, '"');
  size_t copied = 0; /* text before this is in the buffer; what follows is plain up to `i` */
  for (size_t i = 0; i < size;) {
    unsigned char c = (unsigned char)text[i];
    if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
      i++;
      continue;
    }
    uint32_t code_point;
    bool valid;
    size_t length = tk_utf8_decode(text + i, size - i, &code_point, &valid);
    if (c >= 0x80 && valid) {
      i += length;
      continue;
    }
    tk_text_buffer_append(buffer, text + copied, i - copied);
    if (c < 0x80) {
      add_escaped_control(buffer, c);
    } else {
      tk_text_buffer_add(buffer, "\xef\xbf\xbd");
    }
    i += length;
    copied = i;
  }
  if (size > copied) tk_text_buffer_append(buffer, text + copied, size - copied);
  tk_text_buffer_add_char(buffer, '"');
}
