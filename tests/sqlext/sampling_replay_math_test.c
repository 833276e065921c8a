/* SPDX-License-Identifier: MIT
 * The arithmetic of samplers, against numbers worked out elsewhere. */
#include <stdint.h>
#include <stdlib.h>

#include "sqlext/sampling/consistent_sampling.h"
#include "sqlext/sampling/hash_functions.h"
#include "sqlext/sampling/sampler_math.h"
#include "sqlext/text_forms.h"
#include "tests/support/check.h"

enum { ID_COUNT = 3 };
static const char *const id_texts[ID_COUNT] = {"4bf92f3577b34da6a3ce929d0e0e4736",
                                               "5b8efff798038103d269b633813fc60c",
                                               "0af7651916cd43dd8448eb211c80319c"};

static const uint8_t *id_of(int i) {
  static uint8_t id[16];
  CHECK(tk_hex_parse((struct tk_text){id_texts[i], 32}, id, 16));
  return id;
}

static struct tk_text text(const char *data) {
  return (struct tk_text){data, (uint32_t)strlen(data)};
}

static bool near_to(double a, double b, double tolerance) {
  return a - b <= tolerance && b - a <= tolerance;
}

static void fnv_hashes_of_published_vectors(void) {
  CHECK(tk_fnv1a_32(TK_FNV1A_32_START, "", 0) == 0x811c9dc5u);
  CHECK(tk_fnv1a_32(TK_FNV1A_32_START, "a", 1) == 0xe40c292cu);
  CHECK(tk_fnv1a_32(TK_FNV1A_32_START, "foobar", 6) == 0xbf9cf968u);
  CHECK(tk_fnv1a_64(TK_FNV1A_64_START, "", 0) == UINT64_C(0xcbf29ce484222325));
  CHECK(tk_fnv1a_64(TK_FNV1A_64_START, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
  CHECK(tk_fnv1a_64(TK_FNV1A_64_START, "foobar", 6) == UINT64_C(0x85944171f73967e8));
}

static void thresholds_mean_their_probabilities_and_counts(void) {
  static const struct {
    const char *th;
    double kept, count;
  } rows[] = {{"0", 1, 1},
              {"1", .9375, 1.0667},
              {"08", .96875, 1.03226},
              {"4", .75, 1.3333},
              {"8", .5, 2},
              {"c", .25, 4},
              {"f", .0625, 16},
              {"cccd", .1999969, 5.0000763},
              {"aaab", .3333282, 3.0000458},
              {"e666", .1000061, 9.9993897},
              {"e66", .1000977, 9.9902439},
              {"e668", .0999756, 10.0024420},
              {"f3333", .0500002, 19.9999237},
              {"fd70a", .0100002, 99.9977112},
              {"fd70a4", .00999999, 100.0000954},
              {"ffbe77", .00099999, 1000.0128748}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    uint64_t threshold = 1;
    char again[15];
    CHECK(tk_ot_read_threshold(text(rows[i].th), &threshold));
    CHECK(near_to(tk_threshold_probability(threshold), rows[i].kept, 6e-8));
    CHECK(near_to(1 / tk_threshold_probability(threshold), rows[i].count, 5e-5));
    tk_threshold_text(threshold, again);
    CHECK(strcmp(again, rows[i].th) == 0);
  }
}

static void probabilities_become_thresholds_of_four_digits(void) {
  static const struct {
    double probability;
    const char *th;
  } rows[] = {{0.1, "e666"}, {0.05, "f3333"},   {0.01, "fd70a"}, {0.001, "ffbe77"}, {0.99, "028f6"},
              {0.9, "199a"}, {1e-4, "fff9724"}, {0.75, "4"},     {1, "0"},          {0.5, "8"}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char found[15];
    tk_threshold_text(tk_threshold_of_probability(rows[i].probability, 4), found);
    CHECK(strcmp(found, rows[i].th) == 0);
  }
  CHECK(tk_threshold_of_probability(0, 4) == TK_THRESHOLD_NEVER);
  CHECK(tk_threshold_of_probability(-1, 4) == TK_THRESHOLD_NEVER);
  CHECK(tk_threshold_of_probability(2, 4) == 0);
  CHECK(tk_threshold_of_probability(0x1p-80, 14) == TK_THRESHOLD_RANGE - 1);
}

static void hash_seed_agrees_with_the_collector(void) {
  static const struct {
    int id;
    uint32_t seed, hash, bucket;
    uint64_t randomness; /* 0: not given */
    bool kept;           /* of 10 % */
  } rows[] = {{0, 0, 0x3420408d, 141, UINT64_C(0xfdc80d0b42008d), true},
              {0, 22, 0x5610306b, 12395, UINT64_C(0x3e50158161306b), false},
              {1, 0, 0x245dd6df, 5855, 0, false},
              {2, 0, 0x810d5de4, 7652, 0, false},
              {2, 22, 0x1032c19e, 414, 0, true}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct tk_seeded_hash found;
    tk_seeded_hash(id_of(rows[i].id), rows[i].seed, &found);
    CHECK(found.hash == rows[i].hash);
    CHECK(found.bucket == rows[i].bucket);
    CHECK(rows[i].randomness == 0 || found.randomness == rows[i].randomness);
    CHECK((found.bucket < tk_seeded_buckets(10)) == rows[i].kept);
  }
}

static void percentages_scale_in_single_precision(void) {
  static const struct {
    float percentage;
    uint32_t buckets;
    const char *th;
  } rows[] = {{100, 16384, "0"},  {50, 8192, "8"},   {25, 4096, "c"},   {15, 2457, NULL},
              {10, 1638, "e668"}, {5, 819, "f334"},  {1, 163, "fd74"},  {0.1f, 16, "ffc"},
              {0.01f, 1, NULL},   {0.005f, 0, NULL}, {150, 16384, "0"}, {0, 0, NULL}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char found[15];
    const uint32_t buckets = tk_seeded_buckets(rows[i].percentage);
    CHECK(buckets == rows[i].buckets);
    if (!rows[i].th) continue;
    tk_threshold_text((uint64_t)(16384 - buckets) << 42, found);
    CHECK(strcmp(found, rows[i].th) == 0);
  }
}

static void tail_hashes_agree_with_the_collector(void) {
  static const uint64_t hashes[ID_COUNT] = {
      UINT64_C(0xa54533ba2e4970b5), UINT64_C(0x95f176d291b1d3f7), UINT64_C(0x33bf83d45f51634c)};
  for (int i = 0; i < ID_COUNT; i++) {
    CHECK(tk_tail_hash(text(""), id_of(i)) == hashes[i]);
    CHECK(tk_tail_hash(text(TK_TAIL_SALT), id_of(i)) == hashes[i]);
  }
  CHECK(tk_tail_threshold(0) == 0);
  CHECK(tk_tail_threshold(100) == UINT64_MAX);
  CHECK(tk_tail_threshold(1000) == UINT64_MAX);
  CHECK(tk_tail_threshold(50) == UINT64_MAX / 2);
  CHECK(tk_tail_threshold(25) == UINT64_MAX / 4);
  CHECK(tk_tail_threshold(5) / 1000000 == 922337203685); /* about a twentieth */
  CHECK(tk_tail_threshold(1e-300) == 0);
  CHECK(tk_tail_hash(text(""), id_of(2)) <= tk_tail_threshold(25));
  CHECK(tk_tail_hash(text(""), id_of(2)) > tk_tail_threshold(20));
}

static void sdks_disagree_as_they_do(void) {
  static const struct {
    enum tk_sdk sdk;
    double score;
  } rows[] = {{TK_SDK_GO, .63987},
              {TK_SDK_PYTHON, .63987},
              {TK_SDK_GO_OLD, .29677},
              {TK_SDK_JAVA, .72026},
              {TK_SDK_JS, .56852}};
  enum tk_sdk sdk = TK_SDK_COUNT;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    CHECK(near_to(tk_sdk_score(rows[i].sdk, id_of(0)), rows[i].score, 6e-6));
    CHECK(tk_sdk_keeps(rows[i].sdk, id_of(0), rows[i].score + 1e-5));
    CHECK(!tk_sdk_keeps(rows[i].sdk, id_of(0), rows[i].score - 1e-5));
    CHECK(tk_sdk_keeps(rows[i].sdk, id_of(0), 1));
    CHECK(!tk_sdk_keeps(rows[i].sdk, id_of(0), 0));
    CHECK(tk_sdk_find(text(tk_sdk_name(rows[i].sdk)), &sdk) && sdk == rows[i].sdk);
  }
  CHECK(tk_sdk_find(text("rust"), &sdk) && sdk == TK_SDK_GO);
  CHECK(tk_sdk_find(text("dotnet"), &sdk) && sdk == TK_SDK_JAVA);
  CHECK(!tk_sdk_find(text("cobol"), &sdk));
  CHECK(near_to((double)tk_trace_randomness(id_of(0)) / 0x1p56, .80692, 6e-6));
}

static void knuth_hashes_agree_with_datadog(void) {
  static const uint64_t hashes[ID_COUNT] = {
      UINT64_C(0xfd8db340d1e030fa), UINT64_C(0x55decf32442e3f54), UINT64_C(0x1a1d2e00ecfc6c44)};
  static const double scores[ID_COUNT] = {.99044, .33543, .10201};
  for (int i = 0; i < ID_COUNT; i++) {
    CHECK(tk_knuth_hash(tk_big_endian_64(id_of(i) + 8)) == hashes[i]);
    CHECK(tk_datadog_keeps(id_of(i), scores[i] + 1e-5));
    CHECK(!tk_datadog_keeps(id_of(i), scores[i] - 1e-5));
  }
}

static void jaeger_compares_the_low_63_bits(void) {
  uint8_t id[16] = {0};
  id[8] = 0xC0; /* of 63 bits: a half */
  CHECK(tk_jaeger_keeps(id, 0.5));
  CHECK(!tk_jaeger_keeps(id, 0.4999999));
  CHECK(tk_jaeger_keeps(id, 1) && !tk_jaeger_keeps(id, 0));
}

static void sha1_heads_agree_with_refinery(void) {
  static const uint32_t heads[ID_COUNT] = {0x90fd5826, 0x3876ad85, 0x287a4c72};
  struct tk_error error = {{0}};
  uint32_t head = 0;
  for (int i = 0; i < ID_COUNT; i++) {
    char bytes[64];
    const int size = snprintf(bytes, sizeof bytes, "%s%s", id_texts[i], TK_REFINERY_SALT);
    const enum tk_status status = tk_sha1_head(bytes, (size_t)size, &head, &error);
    if (status == TK_UNSUPPORTED) { /* built without the library: it says which */
      CHECK(strstr(error.message, "libssl-dev") != NULL);
      continue;
    }
    CHECK(status == TK_OK);
    CHECK(head == heads[i]);
  }
  CHECK(tk_refinery_keeps(UINT32_MAX, 1));
  CHECK(tk_refinery_keeps(UINT32_MAX / 4, 4) && !tk_refinery_keeps(UINT32_MAX / 4 + 1, 4));
}

CHECK_MAIN(CASE(fnv_hashes_of_published_vectors),
           CASE(thresholds_mean_their_probabilities_and_counts),
           CASE(probabilities_become_thresholds_of_four_digits),
           CASE(hash_seed_agrees_with_the_collector), CASE(percentages_scale_in_single_precision),
           CASE(tail_hashes_agree_with_the_collector), CASE(sdks_disagree_as_they_do),
           CASE(knuth_hashes_agree_with_datadog), CASE(jaeger_compares_the_low_63_bits),
           CASE(sha1_heads_agree_with_refinery))
