/* The hashes by which samplers turn a trace id into a number. */
#ifndef TK_SQLEXT_SAMPLING_HASH_FUNCTIONS_H
#define TK_SQLEXT_SAMPLING_HASH_FUNCTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "tracekeep/status.h"

#define TK_FNV1A_32_START UINT32_C(0x811c9dc5)
#define TK_FNV1A_64_START UINT64_C(0xcbf29ce484222325)

/** Goes on from `hash`, so that pieces can be hashed one after another. */
uint32_t tk_fnv1a_32(uint32_t hash, const void *bytes, size_t size);
uint64_t tk_fnv1a_64(uint64_t hash, const void *bytes, size_t size);

/** Multiplicative hash of the low 64 bits of a trace id. */
uint64_t tk_knuth_hash(uint64_t value);

/** The first 32 bits, big-endian, of the SHA-1 of `bytes`. TK_UNSUPPORTED: built without the
 * library that has it, and the text says which. */
enum tk_status tk_sha1_head(const void *bytes, size_t size, uint32_t *head_out,
                            struct tk_error *error);

/** 64 bits, big-endian, from anywhere. */
static inline uint64_t tk_big_endian_64(const uint8_t *bytes) {
  uint64_t value = 0;
  for (int i = 0; i < 8; i++) value = value << 8 | bytes[i];
  return value;
}

#endif
