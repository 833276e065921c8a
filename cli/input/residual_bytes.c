/* SPDX-License-Identifier: MIT
 * Fields of protobuf and strings of JSON, as readers put them into residuals. */
#include "cli/input/residual_bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- what belongs inside ---- */

struct inner {
  struct tk_text path, content;
  uint32_t number; /* in the order of reading */
};

void tk_builder_keep_inner(struct tk_batch_builder *builder, struct tk_text path,
                           struct tk_text content) {
  struct inner inner = {.number = builder->inner.count};
  inner.path = tk_builder_intern(builder, path.data, path.size);
  inner.content = tk_builder_copy(builder, content.data, content.size);
  struct inner *item = tk_builder_push(builder, &builder->inner, sizeof inner);
  if (item) *item = inner;
}

static int compare_inner(const void *a, const void *b) {
  const struct inner *left = a, *right = b;
  const uint32_t shorter = left->path.size < right->path.size ? left->path.size : right->path.size;
  const int order = memcmp(left->path.data, right->path.data, shorter);
  if (order != 0) return order;
  if (left->path.size != right->path.size) return left->path.size < right->path.size ? -1 : 1;
  return left->number < right->number ? -1 : 1;
}

/* The items since `begin`, sorted. */
static struct inner *sort_inner(struct tk_batch_builder *builder, uint32_t begin) {
  struct inner *items = (struct inner *)(void *)builder->inner.data;
  if (builder->inner.count <= begin) return NULL;
  qsort(items + begin, builder->inner.count - begin, sizeof *items, compare_inner);
  return items;
}

void tk_builder_take_inner_json(struct tk_batch_builder *builder, uint32_t begin) {
  const struct inner *items = sort_inner(builder, begin);
  for (uint32_t i = begin; items && i < builder->inner.count; i++) {
    tk_builder_push_bytes(builder, ",\"", 2);
    tk_builder_push_bytes(builder, items[i].path.data, items[i].path.size);
    tk_builder_push_bytes(builder, "\":{", 3);
    tk_builder_push_bytes(builder, items[i].content.data, items[i].content.size);
    tk_builder_push_bytes(builder, "}", 1);
  }
  builder->inner.count = begin;
}

void tk_builder_take_inner_fields(struct tk_batch_builder *builder, uint32_t begin) {
  const struct inner *items = sort_inner(builder, begin);
  for (uint32_t i = begin; items && i < builder->inner.count; i++) {
    const uint32_t field_begin = builder->residual.count;
    tk_builder_push_field(builder, 1, items[i].path.data, items[i].path.size);
    tk_builder_push_field(builder, 2, items[i].content.data, items[i].content.size);
    const uint32_t size = builder->residual.count - field_begin;
    const char *field = tk_builder_take(builder, &builder->residual, field_begin, 1);
    if (field) tk_builder_push_field(builder, TK_PROTOBUF_PATH_FIELD, field, size);
  }
  builder->inner.count = begin;
}
