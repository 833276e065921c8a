/* SPDX-License-Identifier: MIT
 * FNV-1a and Knuth's multiplicative hash are a few lines; SHA-1 is libcrypto's. */
#include "sqlext/sampling/hash_functions.h"

#ifdef TK_HAVE_CRYPTO
#include <openssl/evp.h>
#endif

uint32_t tk_fnv1a_32(uint32_t hash, const void *bytes, size_t size) {
  const uint8_t *at = bytes;
  for (size_t i = 0; i < size; i++) hash = (hash ^ at[i]) * UINT32_C(0x01000193);
  return hash;
}

uint64_t tk_fnv1a_64(uint64_t hash, const void *bytes, size_t size) {
  const uint8_t *at = bytes;
  for (size_t i = 0; i < size; i++) hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
  return hash;
}

uint64_t tk_knuth_hash(uint64_t value) {
  return value * UINT64_C(1111111111111111111);
}

enum tk_status tk_sha1_head(const void *bytes, size_t size, uint32_t *head_out,
                            struct tk_error *error) {
#ifdef TK_HAVE_CRYPTO
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned digest_size = 0;
  if (EVP_Digest(bytes, size, digest, &digest_size, EVP_sha1(), NULL) != 1 || digest_size < 4) {
    return tk_fail(error, TK_UNSUPPORTED, "libcrypto has no SHA-1 here");
  }
  *head_out = (uint32_t)(tk_big_endian_64(digest) >> 32);
  return TK_OK;
#else
  (void)bytes;
  (void)size;
  (void)head_out;
  return tk_fail(error, TK_UNSUPPORTED,
                 "Refinery's deterministic sampler takes SHA-1: install libssl-dev and build "
                 "tracekeep with -Dchecksums=enabled");
#endif
}
