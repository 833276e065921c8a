/* SPDX-License-Identifier: MIT
 * Thresholds and scores. Whatever decides is compared as an integer; where the original computes a
 * bound in floating point, so does this, in the same precision. */
#include "sqlext/sampling/sampler_math.h"

#include <math.h>
#include <string.h>

#include "sqlext/sampling/hash_functions.h"

__extension__ typedef unsigned __int128 wide;

/* ---- thresholds ---- */

double tk_threshold_probability(uint64_t threshold) {
  if (threshold >= TK_THRESHOLD_RANGE) return 0;
  return (double)(TK_THRESHOLD_RANGE - threshold) / (double)TK_THRESHOLD_RANGE;
}

double tk_threshold_count(uint64_t threshold) {
  return (double)TK_THRESHOLD_RANGE / (double)(TK_THRESHOLD_RANGE - threshold);
}

/* How many leading digits a probability has that say nothing: zeros, or (of 1 - p) `f`s. */
static int idle_digits(double probability) {
  int exponent;
  frexp(probability, &exponent);
  return exponent < 0 ? -exponent / 4 : 0;
}

uint64_t tk_threshold_of_probability(double probability, int precision) {
  if (!(probability > 0)) return TK_THRESHOLD_NEVER;
  if (probability >= 1) return 0;
  if (probability < 0x1p-56) probability = 0x1p-56;
  const uint64_t kept = (uint64_t)round(probability * 0x1p56);
  const uint64_t threshold = TK_THRESHOLD_RANGE - kept;
  int digits = idle_digits(probability), others = idle_digits(1 - probability);
  digits = precision + (others > digits ? others : digits);
  if (precision <= 0 || digits >= 14) return threshold;
  const int shift = 4 * (14 - digits);
  const uint64_t rounded = (threshold + (UINT64_C(1) << (shift - 1))) >> shift << shift;
  /* Never is not a threshold: what rounds up to it keeps as little as can be said. */
  return rounded >= TK_THRESHOLD_RANGE ? threshold : rounded;
}

void tk_threshold_text(uint64_t threshold, char text[15]) {
  static const char digits[] = "0123456789abcdef";
  int size = 14;
  for (int i = 0; i < 14; i++) text[i] = digits[threshold >> (52 - 4 * i) & 15];
  while (size > 1 && text[size - 1] == '0') size--;
  text[size] = 0;
}

/* ---- hash_seed ---- */

void tk_seeded_hash(const uint8_t trace_id[16], uint32_t seed, struct tk_seeded_hash *out) {
  const uint8_t bytes[4] = {(uint8_t)seed, (uint8_t)(seed >> 8), (uint8_t)(seed >> 16),
                            (uint8_t)(seed >> 24)};
  out->hash = tk_fnv1a_32(TK_FNV1A_32_START, bytes, sizeof bytes);
  out->hash = tk_fnv1a_32(out->hash, trace_id, 16);
  out->bucket = out->hash & 0x3fff;
  const uint64_t unused = out->hash >> 18;
  out->randomness = (uint64_t)(0x3fff - out->bucket) << 42 | (unused ^ unused << 10) << 14 |
                    (uint64_t)out->bucket;
}

uint32_t tk_seeded_buckets(float percentage) {
  if (!(percentage > 0)) return 0;
  if (percentage > 100) percentage = 100;
  const volatile float scaled = percentage * 163.84f; /* volatile: no wider than float */
  return (uint32_t)scaled;
}

/* ---- tail sampling ---- */

uint64_t tk_tail_hash(struct tk_text salt, const uint8_t trace_id[16]) {
  if (salt.size == 0) salt = (struct tk_text){TK_TAIL_SALT, sizeof TK_TAIL_SALT - 1};
  return tk_fnv1a_64(tk_fnv1a_64(TK_FNV1A_64_START, salt.data, salt.size), trace_id, 16);
}

/* (2^64 - 1) * ratio, with the 64 bits of precision that the collector has for it: the mantissa of
 * a double times 2^64 - 1 is exact in 117 bits. */
uint64_t tk_tail_threshold(double percentage) {
  const double ratio = percentage / 100;
  int exponent;
  if (!(ratio > 0)) return 0;
  if (ratio >= 1) return UINT64_MAX;
  const uint64_t mantissa = (uint64_t)ldexp(frexp(ratio, &exponent), 53);
  wide product = (wide)UINT64_MAX * mantissa;
  int shift = 53 - exponent; /* of what is right of the point */
  int excess = 0;
  while (product >> (64 + excess) != 0) excess++;
  if (excess > 0) {
    const wide half = (wide)1 << (excess - 1);
    const wide rest = product & (half * 2 - 1);
    product >>= excess;
    product += rest > half || (rest == half && product & 1);
    shift -= excess;
  }
  return shift >= 128 ? 0 : (uint64_t)(product >> shift);
}

/* ---- SDKs ---- */

bool tk_sdk_find(struct tk_text name, enum tk_sdk *sdk_out) {
  static const struct {
    const char *name;
    enum tk_sdk sdk;
  } names[] = {{"go", TK_SDK_GO},         {"rust", TK_SDK_GO},   {"go1.11", TK_SDK_GO_OLD},
               {"python", TK_SDK_PYTHON}, {"java", TK_SDK_JAVA}, {"dotnet", TK_SDK_JAVA},
               {"js", TK_SDK_JS},         {"nodejs", TK_SDK_JS}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strlen(names[i].name) != name.size || memcmp(names[i].name, name.data, name.size) != 0) {
      continue;
    }
    *sdk_out = names[i].sdk;
    return true;
  }
  return false;
}

const char *tk_sdk_name(enum tk_sdk sdk) {
  static const char *const names[TK_SDK_COUNT] = {[TK_SDK_GO] = "go",
                                                  [TK_SDK_GO_OLD] = "go1.11",
                                                  [TK_SDK_PYTHON] = "python",
                                                  [TK_SDK_JAVA] = "java",
                                                  [TK_SDK_JS] = "js"};
  return names[sdk];
}

static uint32_t xor_of_words(const uint8_t trace_id[16]) {
  const uint64_t both = tk_big_endian_64(trace_id) ^ tk_big_endian_64(trace_id + 8);
  return (uint32_t)(both >> 32) ^ (uint32_t)both;
}

/* Math.abs of 64 bits: of the least integer it is itself, which is below every bound. */
static int64_t absolute(uint64_t bits) {
  const int64_t value = (int64_t)bits;
  return value < 0 && value != INT64_MIN ? -value : value;
}

double tk_sdk_score(enum tk_sdk sdk, const uint8_t trace_id[16]) {
  switch (sdk) {
    case TK_SDK_GO:
      return (double)(tk_big_endian_64(trace_id + 8) >> 1) / 0x1p63;
    case TK_SDK_GO_OLD:
      return (double)(tk_big_endian_64(trace_id) >> 1) / 0x1p63;
    case TK_SDK_PYTHON:
      return (double)tk_big_endian_64(trace_id + 8) / 0x1p64;
    case TK_SDK_JAVA:
      return (double)absolute(tk_big_endian_64(trace_id + 8)) / 0x1p63;
    case TK_SDK_JS:
      return (double)xor_of_words(trace_id) / 4294967295.0;
    case TK_SDK_COUNT:
    default:
      return 0;
  }
}

bool tk_sdk_keeps(enum tk_sdk sdk, const uint8_t trace_id[16], double ratio) {
  if (!(ratio > 0)) return false;
  if (ratio >= 1) return true;
  switch (sdk) {
    case TK_SDK_GO:
      return tk_big_endian_64(trace_id + 8) >> 1 < (uint64_t)(ratio * 0x1p63);
    case TK_SDK_GO_OLD:
      return tk_big_endian_64(trace_id) >> 1 < (uint64_t)(ratio * 0x1p63);
    case TK_SDK_PYTHON:
      return tk_big_endian_64(trace_id + 8) < (uint64_t)nearbyint(ratio * 0x1p64);
    case TK_SDK_JAVA:
      return absolute(tk_big_endian_64(trace_id + 8)) < (int64_t)(ratio * 0x1p63);
    case TK_SDK_JS:
      return xor_of_words(trace_id) < (uint32_t)floor(ratio * 4294967295.0);
    case TK_SDK_COUNT:
    default:
      return false;
  }
}

/* ---- others ---- */

bool tk_jaeger_keeps(const uint8_t trace_id[16], double probability) {
  if (!(probability > 0)) return false;
  if (probability >= 1) return true;
  return (tk_big_endian_64(trace_id + 8) & INT64_MAX) <= (uint64_t)(probability * 0x1p63);
}

bool tk_datadog_keeps(const uint8_t trace_id[16], double rate) {
  if (!(rate > 0)) return false;
  if (rate >= 1) return true;
  return tk_knuth_hash(tk_big_endian_64(trace_id + 8)) <= (uint64_t)(rate * 0x1p64);
}

bool tk_refinery_keeps(uint32_t head, uint64_t sample_rate) {
  return sample_rate <= 1 || head <= UINT32_MAX / sample_rate;
}
