/* SPDX-License-Identifier: MIT
 * XXH64 with seed 0, written from the xxHash specification. */
#include "tracekeep/hash.h"

#include <string.h>

static const uint64_t prime1 = 0x9E3779B185EBCA87u;
static const uint64_t prime2 = 0xC2B2AE3D27D4EB4Fu;
static const uint64_t prime3 = 0x165667B19E3779F9u;
static const uint64_t prime4 = 0x85EBCA77C2B2AE63u;
static const uint64_t prime5 = 0x27D4EB2F165667C5u;

enum { STRIPE = 32 };

static uint64_t rotate_left(uint64_t value, int bits) {
  return value << bits | value >> (64 - bits);
}

/* Written out because compilers then make it one load. */
static uint64_t read_u64(const uint8_t *bytes) {
  return (uint64_t)bytes[0] | (uint64_t)bytes[1] << 8 | (uint64_t)bytes[2] << 16 |
         (uint64_t)bytes[3] << 24 | (uint64_t)bytes[4] << 32 | (uint64_t)bytes[5] << 40 |
         (uint64_t)bytes[6] << 48 | (uint64_t)bytes[7] << 56;
}

static uint32_t read_u32(const uint8_t *bytes) {
  return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
         (uint32_t)bytes[3] << 24;
}

static uint64_t round_lane(uint64_t lane, uint64_t input) {
  return rotate_left(lane + input * prime2, 31) * prime1;
}

static const uint8_t *consume_stripes(uint64_t lanes[4], const uint8_t *bytes, const uint8_t *end) {
  uint64_t a = lanes[0], b = lanes[1], c = lanes[2], d = lanes[3];
  for (; end - bytes >= STRIPE; bytes += STRIPE) {
    a = round_lane(a, read_u64(bytes));
    b = round_lane(b, read_u64(bytes + 8));
    c = round_lane(c, read_u64(bytes + 16));
    d = round_lane(d, read_u64(bytes + 24));
  }
  lanes[0] = a;
  lanes[1] = b;
  lanes[2] = c;
  lanes[3] = d;
  return bytes;
}

static uint64_t merge_lane(uint64_t hash, uint64_t lane) {
  return (hash ^ round_lane(0, lane)) * prime1 + prime4;
}

static uint64_t finish(uint64_t hash, const uint8_t *bytes, size_t size) {
  for (; size >= 8; bytes += 8, size -= 8) {
    hash = rotate_left(hash ^ round_lane(0, read_u64(bytes)), 27) * prime1 + prime4;
  }
  if (size >= 4) {
    hash = rotate_left(hash ^ read_u32(bytes) * prime1, 23) * prime2 + prime3;
    bytes += 4;
    size -= 4;
  }
  for (; size > 0; bytes++, size--) hash = rotate_left(hash ^ *bytes * prime5, 11) * prime1;
  hash = (hash ^ hash >> 33) * prime2;
  hash = (hash ^ hash >> 29) * prime3;
  return hash ^ hash >> 32;
}

void tk_hash_init(struct tk_hash *hash) {
  *hash = (struct tk_hash){.lanes = {prime1 + prime2, prime2, 0, 0 - prime1}};
}

void tk_hash_update(struct tk_hash *hash, const void *data, size_t size) {
  const uint8_t *bytes = data;
  const size_t pending = hash->total_bytes % STRIPE;
  if (size == 0) return;
  hash->total_bytes += size;
  if (pending + size < STRIPE) {
    memcpy(hash->pending + pending, bytes, size);
    return;
  }
  const uint8_t *end = bytes + size;
  if (pending > 0) {
    memcpy(hash->pending + pending, bytes, STRIPE - pending);
    consume_stripes(hash->lanes, hash->pending, hash->pending + STRIPE);
    bytes += STRIPE - pending;
  }
  bytes = consume_stripes(hash->lanes, bytes, end);
  if (bytes < end) memcpy(hash->pending, bytes, (size_t)(end - bytes));
}

uint64_t tk_hash_digest(const struct tk_hash *hash) {
  uint64_t value = prime5;
  if (hash->total_bytes >= STRIPE) {
    const uint64_t *lanes = hash->lanes;
    value = rotate_left(lanes[0], 1) + rotate_left(lanes[1], 7) + rotate_left(lanes[2], 12) +
            rotate_left(lanes[3], 18);
    for (int i = 0; i < 4; i++) value = merge_lane(value, lanes[i]);
  }
  return finish(value + hash->total_bytes, hash->pending, hash->total_bytes % STRIPE);
}

uint64_t tk_hash64(const void *bytes, size_t size) {
  struct tk_hash hash;
  tk_hash_init(&hash);
  tk_hash_update(&hash, bytes, size);
  return tk_hash_digest(&hash);
}
