/* SPDX-License-Identifier: MIT
 * Appending integers and bytes to a growing buffer. Owns the growth policy (doubling) and the
 * sticky failure; what the bytes mean is the caller's business. */
#include "store/codec/byte_writer.h"

#include <string.h>

#include "store/sqlite_api.h"

void tk_byte_writer_reset(struct tk_byte_writer *writer) {
  sqlite3_free(writer->data);
  *writer = (struct tk_byte_writer){0};
}

static void grow(struct tk_byte_writer *writer, size_t extra) {
  size_t wanted = writer->size + extra;
  size_t capacity = writer->capacity ? writer->capacity : 64;
  if (wanted < extra) {
    writer->failed = true;
    return;
  }
  while (capacity < wanted) capacity = capacity > SIZE_MAX / 2 ? wanted : capacity * 2;

  uint8_t *data = sqlite3_realloc64(writer->data, capacity);
  if (!data) {
    writer->failed = true;
    return;
  }
  writer->data = data;
  writer->capacity = capacity;
}

uint8_t *tk_byte_writer_reserve(struct tk_byte_writer *writer, size_t size) {
  if (writer->failed) return NULL;
  if (!writer->data || size > writer->capacity - writer->size) grow(writer, size);
  return writer->failed ? NULL : writer->data + writer->size;
}

void tk_byte_writer_claim(struct tk_byte_writer *writer, size_t size) {
  if (!writer->failed) writer->size += size;
}

void tk_byte_writer_append(struct tk_byte_writer *writer, const void *bytes, size_t size) {
  if (size == 0) return;
  uint8_t *end = tk_byte_writer_reserve(writer, size);
  if (!end) return;
  memcpy(end, bytes, size);
  writer->size += size;
}

void tk_byte_writer_append_u8(struct tk_byte_writer *writer, uint8_t value) {
  tk_byte_writer_append(writer, &value, 1);
}

void tk_byte_writer_append_u64(struct tk_byte_writer *writer, uint64_t value) {
  uint8_t bytes[8];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(value >> (8 * i));
  tk_byte_writer_append(writer, bytes, sizeof bytes);
}

void tk_byte_writer_append_varint(struct tk_byte_writer *writer, uint64_t value) {
  uint8_t bytes[10];
  size_t size = 0;
  while (value >= 0x80) {
    bytes[size++] = (uint8_t)(value | 0x80);
    value >>= 7;
  }
  bytes[size++] = (uint8_t)value;
  tk_byte_writer_append(writer, bytes, size);
}

void tk_byte_writer_append_zigzag(struct tk_byte_writer *writer, int64_t value) {
  uint64_t bits = (uint64_t)value;
  tk_byte_writer_append_varint(writer, (bits << 1) ^ (value < 0 ? UINT64_MAX : 0));
}
