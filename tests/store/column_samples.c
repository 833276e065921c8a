/* SPDX-License-Identifier: MIT
 * Generators of columns. Everything follows from the seed. */
#include "tests/store/column_samples.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t sample_random(uint64_t *state) {
  uint64_t value = *state += 0x9E3779B97F4A7C15u;
  value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9u;
  value = (value ^ value >> 27) * 0x94D049BB133111EBu;
  return value ^ value >> 31;
}

static int64_t make_constant(uint64_t random, uint32_t i) {
  (void)random, (void)i;
  return INT64_MIN + 5;
}

static int64_t make_runs(uint64_t random, uint32_t i) {
  (void)random;
  return i / 700 % 3 * 100000;
}

static int64_t make_uniform(uint64_t random, uint32_t i) {
  (void)i;
  return (int64_t)(random >> 45) * 1000 - 77;
}

static int64_t make_any(uint64_t random, uint32_t i) {
  static const int64_t extremes[] = {INT64_MIN, INT64_MAX, 0, -1, 1};
  return i % 7 == 0 ? extremes[i / 7 % 5] : (int64_t)random;
}

static int64_t make_planes(uint64_t random, uint32_t i) {
  (void)i;
  return (int64_t)((random & 1023) + (random >> 60 == 0 ? (random >> 20 & 0xFFFF) << 40 : 0));
}

static int64_t make_skewed(uint64_t random, uint32_t i) {
  (void)i;
  unsigned zeros = 0;
  while (zeros < 60 && !(random >> (63 - zeros) & 1)) zeros++;
  return zeros;
}

/* Phrases of six numbers in random order. */
static int64_t make_phrases(uint64_t random, uint32_t i) {
  uint64_t state = i / 6;
  (void)random;
  state = sample_random(&state) % 900 * 6 + i % 6;
  return (int64_t)(sample_random(&state) >> 24);
}

static int64_t make_log_normal(uint64_t random, uint32_t i) {
  (void)i;
  unsigned shift = 30 + (unsigned)(random & 15) / 2 + (unsigned)(random >> 4 & 15) / 2;
  return (int64_t)(random >> shift);
}

static int64_t make_signed(uint64_t random, uint32_t i) {
  int64_t value = make_log_normal(random, i);
  return random >> 20 & 1 ? value : -value;
}

static int64_t make_distinct(uint64_t random, uint32_t i) {
  (void)i;
  uint64_t state = random % 500;
  return (int64_t)(sample_random(&state) >> 1);
}

static int64_t make_clock(uint64_t random, uint32_t i) {
  return (int64_t)(UINT64_C(1768435717194008733) + i * UINT64_C(1000000) + random % 5000);
}

static uint32_t print(char *text, const char *format, uint64_t a, uint64_t b) {
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#endif
  return (uint32_t)snprintf(text, SAMPLE_TEXT_SIZE, format, a, b);
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
}

static uint32_t make_same(uint64_t random, uint32_t i, char *text) {
  (void)random, (void)i;
  return print(text, "always the same", 0, 0);
}

static uint32_t make_empty(uint64_t random, uint32_t i, char *text) {
  (void)random, (void)i, (void)text;
  return 0;
}

static uint32_t make_word(uint64_t random, uint32_t i, char *text) {
  static const char *const words[] = {"", "a", "ab", "abc", "abd", "b", "GET", "\xff\xfe", "zz"};
  (void)i;
  return print(text, words[random % 9], 0, 0);
}

static uint32_t make_host(uint64_t random, uint32_t i, char *text) {
  (void)i;
  return print(text, "10.0.%" PRIu64 ".%" PRIu64, random % 16, random >> 8 & 15);
}

static uint32_t make_statement(uint64_t random, uint32_t i, char *text) {
  static const char *const statements[] = {
      "SELECT * FROM orders WHERE id = %" PRIu64 " LIMIT %" PRIu64,
      "GET cart:%" PRIu64 ":%03" PRIu64,
      "at %" PRIu64 ".%06" PRIu64 " s",
  };
  (void)i;
  return print(text, statements[random % 3], random >> 40, random >> 8 & 255);
}

static uint32_t make_uuid(uint64_t random, uint32_t i, char *text) {
  uint64_t other = random * 3 + 1;
  int size = snprintf(
      text, SAMPLE_TEXT_SIZE, i % 50 ? "%08x-%04x-4%03x-%04x-%012" PRIx64 : "%08X %X%X%X%" PRIX64,
      (unsigned)(random >> 32), (unsigned)random & 0xFFFF, (unsigned)(other & 0xFFF),
      0x8000 | ((unsigned)(other >> 12) & 0x3FFF), other >> 16);
  return (uint32_t)size;
}

/* Digits in every form that must not change on the way through a number. */
static uint32_t make_digits(uint64_t random, uint32_t i, char *text) {
  static const char *const forms[] = {
      "n %" PRIu64 " %03" PRIu64,
      "n %05" PRIu64 " %" PRIu64,
      "n 0%" PRIu64 " 00%" PRIu64,
      "n %020" PRIu64 " %" PRIX64,
      "n 99999999999999999999%" PRIu64 " x%" PRIx64,
      "n %016" PRIx64 " 0x%" PRIx64,
      "n 18446744073709551615 %" PRIu64 " 9999999999999999999 %" PRIu64,
      "n %" PRIx64 "abcdef%040" PRIx64,
  };
  (void)i;
  return print(text, forms[random % 8], random >> (random & 63), random >> 50);
}

static uint32_t make_noise(uint64_t random, uint32_t i, char *text) {
  uint32_t size = (uint32_t)(random % 40);
  (void)i;
  for (uint32_t at = 0; at < size; at++) text[at] = (char)(sample_random(&random) >> 17);
  return size;
}

static uint32_t make_mixture(uint64_t random, uint32_t i, char *text) {
  return random % 8 ? make_statement(random, i, text) : make_noise(random, i, text);
}

#define INT(name, layout) \
  { #name, TK_COLUMN_INT, layout, make_##name, NULL }
#define TEXT(name, encoding) \
  { #name, TK_COLUMN_TEXT, encoding, NULL, make_##name }

const struct sample samples[] = {
    INT(constant, 0x10), INT(runs, 0x11),     INT(uniform, 0x12), INT(any, 0),
    INT(planes, 0x13),   INT(skewed, 0x13),   INT(phrases, 0),    INT(log_normal, 0x15),
    INT(signed, 0x15),   INT(distinct, 0x16), INT(clock, 0),      TEXT(same, 0x28),
    TEXT(empty, 0x28),   TEXT(word, 0x28),    TEXT(host, 0x28),   TEXT(statement, 0x23),
    TEXT(uuid, 0x23),    TEXT(digits, 0x23),  TEXT(noise, 0x21),  TEXT(mixture, 0x23),
};
const uint32_t sample_count = sizeof samples / sizeof samples[0];

void sample_make(const struct sample *sample, uint32_t count, uint64_t seed,
                 struct sample_values *values) {
  *values = (struct sample_values){0};
  values->ints = calloc(count + (size_t)1, sizeof *values->ints);
  values->texts = calloc(count + (size_t)1, sizeof *values->texts);
  values->bytes = calloc(count + (size_t)1, SAMPLE_TEXT_SIZE);
  if (!values->ints || !values->texts || !values->bytes) abort();
  for (uint32_t i = 0; i < count; i++) {
    uint64_t random = sample_random(&seed);
    if (sample->make_int) {
      values->ints[i] = sample->make_int(random, i);
    } else {
      char *text = values->bytes + (size_t)i * SAMPLE_TEXT_SIZE;
      values->texts[i].data = text;
      values->texts[i].size = sample->make_text(random, i, text);
    }
  }
}

void sample_free(struct sample_values *values) {
  free(values->ints);
  free(values->texts);
  free(values->bytes);
  *values = (struct sample_values){0};
}
