/* First byte of a chunk, and how granules are joined into blocks. Change docs/segment-format.md
 * too. */
#ifndef TK_STORE_COLUMN_FORMAT_H
#define TK_STORE_COLUMN_FORMAT_H

#include <stdint.h>

/* The low four bits of INT chunks are the layout of their stream, those of text lists the layout
 * of the list. */
enum {
  TK_ENCODING_INT = 0x10,
  TK_ENCODING_TEXT = 0x20,
  TK_ENCODING_DICTIONARY = 0x28,
  TK_ENCODING_FIXED = 0x30
};

/* Values of a chunk that would decode to more than TK_MAX_DECODED_BYTES anyway. */
#define TK_MAX_COLUMN_VALUES ((uint32_t)1 << 26)

/* Blocks a column with `granule_count` granules has, `joined` (not 0) granules each. */
static inline uint32_t tk_block_count(uint32_t granule_count, uint32_t joined) {
  return granule_count / joined + (granule_count % joined != 0);
}

#endif
