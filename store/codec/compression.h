/* Runs of bytes, packed: raw, one repeated byte, or a zstd frame. Wraps zstd. */
#ifndef TK_STORE_COMPRESSION_H
#define TK_STORE_COMPRESSION_H

#include <stddef.h>
#include <stdint.h>

#include "store/codec/byte_reader.h"
#include "store/codec/byte_writer.h"
#include "tracekeep/status.h"

/** Levels by what the bytes are. Formatted bytes differ, what can be read does not. */
enum { TK_LEVEL_CODES = 6, TK_LEVEL_TEXT = 5 };

/** Appends "packed bytes" (docs/segment-format.md) for `size` bytes, whichever method is smallest.
 */
void tk_pack_bytes(struct tk_byte_writer *out, const uint8_t *bytes, size_t size, int level);

/** Reads packed bytes whose unpacked size is known to be `size` into `bytes`. */
enum tk_status tk_unpack_bytes(struct tk_byte_reader *reader, uint8_t *bytes, size_t size,
                               struct tk_error *error);

#endif
