/* Bounds-checked reading of little-endian integers and LEB128 varints out of untrusted bytes. */
#ifndef TK_STORE_BYTE_READER_H
#define TK_STORE_BYTE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A cursor over borrowed bytes. The error is sticky: after a read past the end, or of a malformed
 * varint, `failed` is set and every read gives 0 (or NULL); check it once at the end, but before
 * using a value as a size or an index. */
struct tk_byte_reader {
  const uint8_t *at;
  const uint8_t *end;
  bool failed;
};

void tk_byte_reader_init(struct tk_byte_reader *reader, const void *bytes, size_t size);

/** Bytes not read yet; 0 when failed. */
size_t tk_byte_reader_remaining(const struct tk_byte_reader *reader);

uint8_t tk_byte_reader_u8(struct tk_byte_reader *reader);
uint64_t tk_byte_reader_u64(struct tk_byte_reader *reader);
/** Refuses more than 64 bits, and encodings longer than necessary. */
uint64_t tk_byte_reader_varint(struct tk_byte_reader *reader);
int64_t tk_byte_reader_zigzag(struct tk_byte_reader *reader);
/** A varint that must not exceed `limit`. */
uint64_t tk_byte_reader_varint_max(struct tk_byte_reader *reader, uint64_t limit);

/** The next `size` bytes, borrowed; NULL when fewer remain (also NULL, harmlessly, for a failed
 * reader and size 0). */
const uint8_t *tk_byte_reader_bytes(struct tk_byte_reader *reader, size_t size);

/** True if nothing failed and nothing is left. */
bool tk_byte_reader_finished(const struct tk_byte_reader *reader);

#endif
