/* SPDX-License-Identifier: MIT
 * The only way integers leave stored bytes: every read is checked against the end, and a failed
 * reader stays failed and empty, so that loops over it end. */
#include "store/codec/byte_reader.h"

void tk_byte_reader_init(struct tk_byte_reader *reader, const void *bytes, size_t size) {
  static const uint8_t nothing[1] = {0};
  reader->at = size ? bytes : nothing;
  reader->end = reader->at + size;
  reader->failed = false;
}

size_t tk_byte_reader_remaining(const struct tk_byte_reader *reader) {
  return (size_t)(reader->end - reader->at);
}

static void fail(struct tk_byte_reader *reader) {
  reader->failed = true;
  reader->at = reader->end;
}

const uint8_t *tk_byte_reader_bytes(struct tk_byte_reader *reader, size_t size) {
  if (reader->failed || size > tk_byte_reader_remaining(reader)) {
    fail(reader);
    return NULL;
  }
  const uint8_t *bytes = reader->at;
  reader->at += size;
  return bytes;
}

static uint64_t read_little_endian(struct tk_byte_reader *reader, size_t size) {
  const uint8_t *bytes = tk_byte_reader_bytes(reader, size);
  uint64_t value = 0;
  for (size_t i = 0; bytes && i < size; i++) value |= (uint64_t)bytes[i] << (8 * i);
  return value;
}

uint8_t tk_byte_reader_u8(struct tk_byte_reader *reader) {
  return (uint8_t)read_little_endian(reader, 1);
}

uint64_t tk_byte_reader_u64(struct tk_byte_reader *reader) {
  return read_little_endian(reader, 8);
}

uint64_t tk_byte_reader_varint(struct tk_byte_reader *reader) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
    uint8_t byte = *reader->at++;
    value |= (uint64_t)(byte & 0x7F) << shift;
    if (byte & 0x80) continue;
    if ((byte == 0 && shift > 0) || (shift == 63 && byte > 1)) break;
    return value;
  }
  fail(reader);
  return 0;
}

int64_t tk_byte_reader_zigzag(struct tk_byte_reader *reader) {
  uint64_t bits = tk_byte_reader_varint(reader);
  uint64_t value = (bits >> 1) ^ (bits & 1 ? UINT64_MAX : 0);
  return value <= INT64_MAX ? (int64_t)value : -(int64_t)(UINT64_MAX - value) - 1;
}

uint64_t tk_byte_reader_varint_max(struct tk_byte_reader *reader, uint64_t limit) {
  uint64_t value = tk_byte_reader_varint(reader);
  if (value <= limit) return value;
  fail(reader);
  return 0;
}

bool tk_byte_reader_finished(const struct tk_byte_reader *reader) {
  return !reader->failed && reader->at == reader->end;
}
