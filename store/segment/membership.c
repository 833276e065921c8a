/* SPDX-License-Identifier: MIT
 * Split-block Bloom filter as the Apache Parquet format defines it: blocks of 256 bits, in each of
 * which a value sets one bit in each of eight 32-bit words, so a probe touches one cache line.
 * The blob is XXH64 of the blocks, then the blocks; their number follows from its size. */
#include "store/segment/membership.h"

#include <string.h>

#include "store/codec/byte_reader.h"
#include "tracekeep/hash.h"

enum { HASH_SIZE = 8, WORDS = 8, BLOCK_SIZE = WORDS * 4, BLOCK_BITS = BLOCK_SIZE * 8 };

/* Odd multipliers given by the Parquet specification. */
static const uint32_t salts[WORDS] = {0x47b6137bu, 0x44974d91u, 0x8824ad5bu, 0xa2b7289du,
                                      0x705495c7u, 0x2df1424bu, 0x9efc4947u, 0x5c6bfb31u};

/* The upper half of the hash chooses the block, the lower the bits in it. */
static size_t block_of(uint64_t hash, size_t block_count) {
  return (size_t)(((hash >> 32) * block_count) >> 32);
}

/* 21 bits for two values: with 8 bits set a value that gives 1 % false positives. */
static size_t blocks_for(uint32_t count) {
  uint64_t bits = ((uint64_t)count * 21 + 1) / 2;
  return bits ? (size_t)((bits + BLOCK_BITS - 1) / BLOCK_BITS) : 1;
}

/* Words are little-endian: bit b of a word is bit b % 8 of its byte b / 8. */
static void set_bits(uint8_t *block, uint32_t key) {
  for (int i = 0; i < WORDS; i++) {
    uint32_t bit = (key * salts[i]) >> 27;
    block[i * 4 + bit / 8] |= (uint8_t)(1u << bit % 8);
  }
}

void tk_membership_encode(struct tk_byte_writer *out, const uint64_t *hashes, uint32_t count) {
  size_t block_count = blocks_for(count);
  size_t size = HASH_SIZE + block_count * BLOCK_SIZE;
  uint8_t *blob = tk_byte_writer_reserve(out, size);
  if (!blob) return;

  uint8_t *blocks = blob + HASH_SIZE;
  memset(blocks, 0, block_count * BLOCK_SIZE);
  for (uint32_t i = 0; i < count; i++) {
    set_bits(blocks + block_of(hashes[i], block_count) * BLOCK_SIZE, (uint32_t)hashes[i]);
  }
  uint64_t checksum = tk_hash64(blocks, block_count * BLOCK_SIZE);
  for (int i = 0; i < HASH_SIZE; i++) blob[i] = (uint8_t)(checksum >> (8 * i));
  tk_byte_writer_claim(out, size);
}

enum tk_status tk_membership_verify(const uint8_t *blob, size_t size, struct tk_error *error) {
  struct tk_byte_reader reader;
  tk_byte_reader_init(&reader, blob, size);
  uint64_t expected = tk_byte_reader_u64(&reader);
  size_t blocks_size = tk_byte_reader_remaining(&reader);

  if (blocks_size == 0 || blocks_size % BLOCK_SIZE || blocks_size / BLOCK_SIZE > UINT32_MAX) {
    return tk_corrupt(error, "filter: %zu bytes are not a number of blocks", size);
  }
  if (tk_hash64(reader.at, blocks_size) != expected) {
    return tk_corrupt(error, "filter: checksum does not match");
  }
  return TK_OK;
}

bool tk_membership_may_contain(const uint8_t *blob, size_t size, uint64_t hash) {
  size_t block_count = size < HASH_SIZE ? 0 : (size - HASH_SIZE) / BLOCK_SIZE;
  if (block_count == 0) return true;
  const uint8_t *block = blob + HASH_SIZE + block_of(hash, block_count) * BLOCK_SIZE;
  unsigned found = 1;
  for (int i = 0; i < WORDS; i++) {
    uint32_t bit = ((uint32_t)hash * salts[i]) >> 27;
    found &= (unsigned)block[i * 4 + bit / 8] >> bit % 8;
  }
  return found;
}
