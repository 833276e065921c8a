#include "tests/input/wire_builder.h"

#include <stdlib.h>
#include <string.h>

void wire_raw(struct wire_bytes *out, const void *bytes, size_t size) {
  if (size > sizeof out->data - out->size) abort();
  if (size > 0) memcpy(out->data + out->size, bytes, size);
  out->size += size;
}

void wire_varint(struct wire_bytes *out, uint64_t value) {
  for (; value >= 128; value >>= 7) wire_raw(out, &(uint8_t){(uint8_t)(value | 128)}, 1);
  wire_raw(out, &(uint8_t){(uint8_t)value}, 1);
}

void wire_int(struct wire_bytes *out, uint32_t number, uint64_t value) {
  wire_varint(out, (uint64_t)number << 3);
  wire_varint(out, value);
}

static void add_fixed(struct wire_bytes *out, uint64_t value, int size) {
  for (int i = 0; i < size; i++) wire_raw(out, &(uint8_t){(uint8_t)(value >> (8 * i))}, 1);
}

void wire_fixed64(struct wire_bytes *out, uint32_t number, uint64_t value) {
  wire_varint(out, (uint64_t)number << 3 | 1);
  add_fixed(out, value, 8);
}

void wire_fixed32(struct wire_bytes *out, uint32_t number, uint32_t value) {
  wire_varint(out, (uint64_t)number << 3 | 5);
  add_fixed(out, value, 4);
}

void wire_field(struct wire_bytes *out, uint32_t number, const void *bytes, size_t size) {
  wire_varint(out, (uint64_t)number << 3 | 2);
  wire_varint(out, size);
  wire_raw(out, bytes, size);
}

void wire_text(struct wire_bytes *out, uint32_t number, const char *text) {
  wire_field(out, number, text, strlen(text));
}

size_t wire_begin(struct wire_bytes *out, uint32_t number) {
  wire_varint(out, (uint64_t)number << 3 | 2);
  return out->size;
}

/* Puts `prefix` before what was written from `begin` on. */
static void insert(struct wire_bytes *out, size_t begin, const struct wire_bytes *prefix) {
  const size_t size = out->size - begin;
  wire_raw(out, prefix->data, prefix->size); /* room */
  memmove(out->data + begin + prefix->size, out->data + begin, size);
  memcpy(out->data + begin, prefix->data, prefix->size);
}

void wire_end(struct wire_bytes *out, size_t begin) {
  static struct wire_bytes length;
  length.size = 0;
  wire_varint(&length, out->size - begin);
  insert(out, begin, &length);
}

void wire_prefix_length(struct wire_bytes *out, size_t begin) {
  static struct wire_bytes length;
  const size_t size = out->size - begin;
  length.size = 0;
  for (int shift = 24; shift >= 0; shift -= 8) {
    wire_raw(&length, &(uint8_t){(uint8_t)(size >> shift)}, 1);
  }
  insert(out, begin, &length);
}
