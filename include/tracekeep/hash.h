/** @file hash.h  XXH64, the checksum and content hash used throughout the store.
 *
 * The algorithm is the one of the xxHash specification ("XXH64 algorithm description"), always with
 * seed 0 here, so that any other implementation of it gives the same 64 bits. */
#ifndef TRACEKEEP_HASH_H
#define TRACEKEEP_HASH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Hash of bytes that arrive in pieces. Start with tk_hash_init. */
struct tk_hash {
  uint64_t lanes[4];
  uint64_t total_bytes;
  uint8_t pending[32];
};

uint64_t tk_hash64(const void *bytes, size_t size);

void tk_hash_init(struct tk_hash *hash);
void tk_hash_update(struct tk_hash *hash, const void *data, size_t size);
/** The hash of all bytes so far; more may follow. */
uint64_t tk_hash_digest(const struct tk_hash *hash);

#ifdef __cplusplus
}
#endif
#endif
