/* Protobuf bytes, written by hand: right ones and wrong ones. */
#ifndef TK_TESTS_INPUT_WIRE_BUILDER_H
#define TK_TESTS_INPUT_WIRE_BUILDER_H

#include <stddef.h>
#include <stdint.h>

/** Zero-initialise. Running out of room ends the program. */
struct wire_bytes {
  uint8_t data[1 << 20];
  size_t size;
};

void wire_raw(struct wire_bytes *out, const void *bytes, size_t size);
void wire_varint(struct wire_bytes *out, uint64_t value);
void wire_int(struct wire_bytes *out, uint32_t number, uint64_t value);
void wire_fixed64(struct wire_bytes *out, uint32_t number, uint64_t value);
void wire_fixed32(struct wire_bytes *out, uint32_t number, uint32_t value);
void wire_field(struct wire_bytes *out, uint32_t number, const void *bytes, size_t size);
void wire_text(struct wire_bytes *out, uint32_t number, const char *text);

/** What is written between the two is the content of a field; they may nest. */
size_t wire_begin(struct wire_bytes *out, uint32_t number);
void wire_end(struct wire_bytes *out, size_t begin);

/** Four bytes, big-endian, before everything from `begin` on. */
void wire_prefix_length(struct wire_bytes *out, size_t begin);

#endif
