/* SPDX-License-Identifier: MIT
 * Fields of protobuf and strings of JSON, as readers put them into residuals. */
#include "cli/input/residual_bytes.h"

#include <stdio.h>

static void push_varint(struct tk_batch_builder *builder, uint32_t value) {
  char bytes[5];
  size_t size = 0;
  for (; value >= 0x80; value >>= 7) bytes[size++] = (char)(value | 0x80);
  bytes[size++] = (char)value;
  tk_builder_push_bytes(builder, bytes, size);
}

void tk_builder_push_field(struct tk_batch_builder *builder, uint32_t number, const char *data,
                           uint32_t size) {
  push_varint(builder, number << 3 | 2);
  push_varint(builder, size);
  tk_builder_push_bytes(builder, data, size);
}

void tk_builder_push_json_string(struct tk_batch_builder *builder, struct tk_text text) {
  char escape[8];
  uint32_t begin = 0;
  tk_builder_push_bytes(builder, "\"", 1);
  for (uint32_t i = 0; i < text.size; i++) {
    const unsigned char byte = (unsigned char)text.data[i];
    if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
    tk_builder_push_bytes(builder, text.data + begin, i - begin);
    snprintf(escape, sizeof escape, "\\u%04x", byte);
    tk_builder_push_bytes(builder, escape, 6);
    begin = i + 1;
  }
  tk_builder_push_bytes(builder, text.data + begin, text.size - begin);
  tk_builder_push_bytes(builder, "\"", 1);
}
