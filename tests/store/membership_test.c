#include "store/segment/membership.h"

#include "tests/support/check.h"
#include "tests/support/segment_builder.h"

enum { VALUES = 20000 };

static void what_was_added_is_found_and_little_else(void) {
  static const uint32_t counts[] = {1, 2, 10, 300, VALUES};
  for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
    static uint64_t hashes[VALUES];
    struct tk_byte_writer out = {0};
    uint64_t state = c;
    int found = 0;
    for (uint32_t i = 0; i < counts[c]; i++) hashes[i] = sample_next(&state);
    tk_membership_encode(&out, hashes, counts[c]);
    CHECK(tk_membership_verify(out.data, out.size, NULL) == TK_OK);
    CHECK(out.size <= 8 + 32 + counts[c] * 21 / 16);
    for (uint32_t i = 0; i < counts[c]; i++) {
      CHECK(tk_membership_may_contain(out.data, out.size, hashes[i]));
    }
    for (int i = 0; i < 100000; i++) {
      found += tk_membership_may_contain(out.data, out.size, sample_next(&state));
    }
    CHECK(found < 1600);
    tk_byte_writer_reset(&out);
  }
}

/* Bits of one value, computed by hand from the Parquet specification. */
static void bits_are_where_parquet_puts_them(void) {
  static const uint32_t salts[8] = {0x47b6137bu, 0x44974d91u, 0x8824ad5bu, 0xa2b7289du,
                                    0x705495c7u, 0x2df1424bu, 0x9efc4947u, 0x5c6bfb31u};
  const uint64_t hash = 0x123456789abcdef0u;
  struct tk_byte_writer out = {0};
  tk_membership_encode(&out, &hash, 1);
  CHECK(out.size == 40);
  for (int i = 0; i < 8; i++) {
    uint32_t word = 0;
    for (int b = 3; b >= 0; b--) word = word << 8 | out.data[8 + i * 4 + b];
    CHECK(word == (uint32_t)1 << (((uint32_t)hash * salts[i]) >> 27));
  }
  tk_byte_writer_reset(&out);
}

static void an_empty_filter_contains_nothing(void) {
  struct tk_byte_writer out = {0};
  tk_membership_encode(&out, NULL, 0);
  CHECK(tk_membership_verify(out.data, out.size, NULL) == TK_OK);
  CHECK(!tk_membership_may_contain(out.data, out.size, 5));
  tk_byte_writer_reset(&out);
}

static void damage_is_noticed_and_denies_nothing(void) {
  static uint64_t hashes[100];
  struct tk_byte_writer out = {0};
  struct tk_error error;
  uint64_t state = 3;
  for (int i = 0; i < 100; i++) hashes[i] = sample_next(&state);
  tk_membership_encode(&out, hashes, 100);
  for (size_t i = 0; i < out.size; i++) {
    out.data[i] ^= 4;
    CHECK(tk_membership_verify(out.data, out.size, &error) == TK_CORRUPT);
    out.data[i] ^= 4;
    CHECK(tk_membership_verify(out.data, i, &error) == TK_CORRUPT);
  }
  for (size_t size = 0; size < 40; size++) CHECK(tk_membership_may_contain(out.data, size, 9));
  tk_byte_writer_reset(&out);
}

CHECK_MAIN(CASE(what_was_added_is_found_and_little_else), CASE(bits_are_where_parquet_puts_them),
           CASE(an_empty_filter_contains_nothing), CASE(damage_is_noticed_and_denies_nothing))
