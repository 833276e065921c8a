/* SPDX-License-Identifier: MIT
 * Columns through chunks and back, whole, by granule, damaged, and short of memory. */
#include "store/codec/column_codec.h"

#include <stdlib.h>

#include "tests/store/column_samples.h"
#include "tests/support/check.h"
#include "tests/support/fault_memory.h"

struct case_granules {
  struct tk_granules granules;
  uint32_t *ends;
};

/* Granules of `size` values, or of random sizes (some empty) if that is 0. */
static struct case_granules make_granules(uint32_t count, uint32_t size, uint64_t seed) {
  struct case_granules made = {.ends = calloc(3 * (size_t)count + 8, sizeof(uint32_t))};
  uint32_t end = 0;
  if (!made.ends) abort();
  while (end < count) {
    uint32_t step = size ? size : (uint32_t)(sample_random(&seed) % 400);
    if (!size && step % 3 == 0) step = 0;
    end = step < count - end ? end + step : count;
    made.ends[made.granules.count++] = end;
    if (made.granules.count == 3 * count) end = count;
  }
  if (count) made.ends[made.granules.count - 1] = count;
  made.granules.ends = made.ends;
  return made;
}

static void encode(const struct sample *sample, const struct sample_values *values, uint32_t count,
                   const struct tk_granules *granules, struct tk_byte_writer *chunk,
                   struct tk_column_summary *summary) {
  if (sample->kind == TK_COLUMN_INT) {
    tk_column_encode_ints(chunk, values->ints, count, granules, summary);
  } else {
    tk_column_encode_texts(chunk, values->texts, count, granules, summary);
  }
}

static int same_value(const struct tk_column *column, const struct sample_values *values,
                      uint32_t i) {
  if (column->kind == TK_COLUMN_INT) return tk_ints_at(column->ints, i) == values->ints[i];
  struct tk_text text = tk_column_text(column, i);
  return text.size == values->texts[i].size &&
         (!text.size || memcmp(text.data, values->texts[i].data, text.size) == 0);
}

static int same_values(const struct tk_column *column, const struct sample_values *values,
                       uint32_t begin, uint32_t end) {
  for (uint32_t i = begin; i < end; i++) {
    if (!same_value(column, values, i)) return 0;
  }
  return 1;
}

static void check_find_code(const struct tk_column *column) {
  struct tk_text absent = {"\xff\xff never there", 14};
  CHECK(tk_column_find_code(column, absent) == UINT32_MAX);
  for (uint32_t i = 0; i < column->dictionary_count; i++) {
    CHECK(tk_column_find_code(column, tk_column_dictionary_entry(column, i)) == i);
  }
}

static void check_whole(const struct sample *sample, const struct sample_values *values,
                        uint32_t count, const struct tk_granules *granules,
                        const struct tk_int_range *range, const struct tk_byte_writer *chunk) {
  struct tk_column column;
  struct tk_error error = {{0}};
  CHECK(tk_column_open(&column, chunk->data, chunk->size, sample->kind, count, granules, range,
                       &error) == TK_OK);
  CHECK(error.message[0] == '\0');
  CHECK(tk_column_decode_all(&column, &error) == TK_OK);
  CHECK(column.value_count == count && same_values(&column, values, 0, count));
  CHECK(column.memory_bytes > 0);
  if (column.has_dictionary) check_find_code(&column);
  tk_column_close(&column);
  CHECK(column.state == NULL);
}

static void check_by_granule(const struct sample *sample, const struct sample_values *values,
                             uint32_t count, const struct tk_granules *granules,
                             const struct tk_int_range *range, const struct tk_byte_writer *chunk) {
  struct tk_column column;
  uint64_t seed = count;
  CHECK(tk_column_open(&column, chunk->data, chunk->size, sample->kind, count, granules, range,
                       NULL) == TK_OK);
  for (uint32_t i = 0; i < 2 * granules->count; i++) {
    uint32_t granule = (uint32_t)(sample_random(&seed) % granules->count);
    CHECK(tk_column_decode_granule(&column, granule, NULL) == TK_OK);
    CHECK(column.decoded_granules[granule / 64] >> granule % 64 & 1);
    uint32_t begin = granule ? granules->ends[granule - 1] : 0;
    CHECK(same_values(&column, values, begin, granules->ends[granule]));
  }
  CHECK(tk_column_decode_granule(&column, granules->count, NULL) == TK_INVALID);
  tk_column_close(&column);
}

static enum tk_status decode_within(uint32_t count, const struct tk_granules *granules,
                                    struct tk_int_range range, const struct tk_byte_writer *chunk,
                                    uint32_t *width) {
  struct tk_column column;
  CHECK(tk_column_open(&column, chunk->data, chunk->size, TK_COLUMN_INT, count, granules, &range,
                       NULL) == TK_OK);
  *width = column.ints.width;
  const enum tk_status status = tk_column_decode_all(&column, NULL);
  tk_column_close(&column);
  return status;
}

static int seen_widths[9];

/* Values are found out if they are not in the range that was promised. */
static void check_range(uint32_t count, const struct tk_granules *granules,
                        struct tk_int_range range, const struct tk_byte_writer *chunk) {
  const uint64_t span = (uint64_t)range.max - (uint64_t)range.min;
  struct tk_int_range narrower = range;
  uint32_t width;
  CHECK(decode_within(count, granules, range, chunk, &width) == TK_OK);
  CHECK(width == (span == 0 ? 0u : span < 256 ? 1u : span < 65536 ? 2u : span >> 32 ? 8u : 4u));
  seen_widths[width] = 1;
  if (range.max > INT64_MIN) {
    narrower.max = range.max - 1;
    CHECK(decode_within(count, granules, narrower, chunk, &width) == TK_CORRUPT);
  }
  if (range.min < INT64_MAX) {
    narrower = (struct tk_int_range){range.min + 1, range.max};
    CHECK(decode_within(count, granules, narrower, chunk, &width) == TK_CORRUPT);
  }
  narrower = (struct tk_int_range){range.max, range.min};
  if (span > 0) CHECK(decode_within(count, granules, narrower, chunk, &width) == TK_CORRUPT);
}

static int seen_encodings[256];

static void check_round_trip(const struct sample *sample, uint32_t count, uint32_t granule_size,
                             uint64_t seed) {
  struct sample_values values;
  struct case_granules made = make_granules(count, granule_size, seed);
  struct tk_byte_writer chunk = {0};
  struct tk_byte_writer again = {0};
  struct tk_column_summary summary;
  sample_make(sample, count, seed, &values);
  encode(sample, &values, count, &made.granules, &chunk, &summary);
  encode(sample, &values, count, &made.granules, &again, NULL);
  CHECK(!chunk.failed && chunk.size > 0 && summary.encoding == chunk.data[0]);
  CHECK(chunk.size == again.size && memcmp(chunk.data, again.data, chunk.size) == 0);
  seen_encodings[chunk.data[0]] = 1;
  if (count == 9000 && granule_size && sample->encoding && summary.encoding != sample->encoding) {
    printf("# %s: expected encoding 0x%02x, found 0x%02x\n", sample->name, sample->encoding,
           summary.encoding);
    check_failures++;
  }
  int before = check_failures;
  const struct tk_int_range range = {summary.int_min, summary.int_max};
  const bool is_int = sample->kind == TK_COLUMN_INT;
  for (int narrow = 0; narrow <= (count && is_int); narrow++) {
    const struct tk_int_range *known = narrow ? &range : NULL;
    check_whole(sample, &values, count, &made.granules, known, &chunk);
    if (count) check_by_granule(sample, &values, count, &made.granules, known, &chunk);
  }
  if (count && is_int) check_range(count, &made.granules, range, &chunk);
  if (check_failures != before) {
    printf("# sample %s, %u values, granules of %u\n", sample->name, count, granule_size);
  }
  tk_byte_writer_reset(&chunk);
  tk_byte_writer_reset(&again);
  sample_free(&values);
  free(made.ends);
}

static void every_column_comes_back_as_it_was(void) {
  static const uint32_t counts[] = {0,   1,   2,   3,    7,    63,   64,  65,
                                    100, 255, 257, 1000, 4096, 4097, 9000};
  for (uint32_t s = 0; s < sample_count; s++) {
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
      check_round_trip(&samples[s], counts[i], TK_VALUES_PER_GRANULE, i + 1);
      check_round_trip(&samples[s], counts[i], 513, i + 2);
      check_round_trip(&samples[s], counts[i], 0, i + 3);
    }
  }
}

static void every_encoding_was_chosen_for_some_column(void) {
  static const uint8_t encodings[] = {0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x21, 0x23, 0x28};
  for (size_t i = 0; i < sizeof encodings; i++) CHECK(seen_encodings[encodings[i]]);
  CHECK(seen_widths[0] && seen_widths[1] && seen_widths[2] && seen_widths[4] && seen_widths[8]);
}

static void a_large_column_comes_back_as_it_was(void) {
  for (uint32_t s = 0; s < sample_count; s++) {
    check_round_trip(&samples[s], (1 << 16) + 1, s % 4 ? 2048 : 1 << 16, 6);
  }
}

static void integers_know_their_extremes(void) {
  const int64_t values[] = {5, INT64_MIN, 0, INT64_MAX, -1};
  const uint32_t ends[] = {5};
  struct tk_byte_writer chunk = {0};
  struct tk_column_summary summary;
  tk_column_encode_ints(&chunk, values, 5, &(struct tk_granules){ends, 1}, &summary);
  CHECK(!chunk.failed && summary.int_min == INT64_MIN && summary.int_max == INT64_MAX);
  tk_byte_writer_reset(&chunk);
}

static void a_constant_column_takes_a_few_bytes(void) {
  struct tk_text text = {"grpc", 4};
  const uint32_t ends[] = {3};
  const struct tk_text values[] = {text, text, text};
  const int64_t ints[] = {-9, -9, -9};
  struct tk_byte_writer chunk = {0};
  tk_column_encode_texts(&chunk, values, 3, &(struct tk_granules){ends, 1}, NULL);
  CHECK(!chunk.failed && chunk.size < 32);
  tk_byte_writer_reset(&chunk);
  tk_column_encode_ints(&chunk, ints, 3, &(struct tk_granules){ends, 1}, NULL);
  CHECK(!chunk.failed && chunk.size < 12);
  tk_byte_writer_reset(&chunk);
}

static void long_texts_and_odd_bytes_survive(void) {
  enum { COUNT = 40, SIZE = 70000 };
  char *bytes = malloc(COUNT * SIZE);
  struct sample_values values = {.texts = calloc(COUNT, sizeof *values.texts)};
  uint64_t seed = 3;
  if (!bytes || !values.texts) abort();
  for (uint32_t i = 0; i < COUNT; i++) {
    char *text = bytes + (size_t)i * SIZE;
    for (uint32_t at = 0; at < SIZE; at++) {
      text[at] = i % 3 == 0   ? (char)('0' + at % 10)
                 : i % 3 == 1 ? '\0'
                              : (char)sample_random(&seed);
    }
    values.texts[i] = (struct tk_text){text, SIZE - i};
  }
  struct case_granules made = make_granules(COUNT, 7, 1);
  const struct sample sample = {.name = "long", .kind = TK_COLUMN_TEXT};
  struct tk_byte_writer chunk = {0};
  encode(&sample, &values, COUNT, &made.granules, &chunk, NULL);
  CHECK(!chunk.failed);
  check_whole(&sample, &values, COUNT, &made.granules, NULL, &chunk);
  check_by_granule(&sample, &values, COUNT, &made.granules, NULL, &chunk);
  tk_byte_writer_reset(&chunk);
  free(values.texts);
  free(bytes);
  free(made.ends);
}

static void fixed_width_values_are_the_chunk_itself(void) {
  uint8_t ids[3 * 8];
  const uint32_t ends[] = {2, 3};
  const struct tk_granules granules = {ends, 2};
  struct tk_byte_writer chunk = {0};
  struct tk_column column;
  for (size_t i = 0; i < sizeof ids; i++) ids[i] = (uint8_t)(i * 37);
  tk_column_encode_fixed(&chunk, ids, 8, 3);
  CHECK(tk_column_open(&column, chunk.data, chunk.size, TK_COLUMN_FIXED, 3, &granules, NULL,
                       NULL) == TK_OK);
  CHECK(column.width == 8 && memcmp(column.fixed, ids, sizeof ids) == 0);
  CHECK(tk_column_decode_all(&column, NULL) == TK_OK);
  tk_column_close(&column);
  tk_byte_writer_reset(&chunk);
}

static void a_chunk_must_be_what_the_directory_says(void) {
  const int64_t values[] = {1, 2, 3};
  const uint32_t ends[] = {3};
  const uint32_t descending[] = {3, 2, 3};
  const struct tk_granules granules = {ends, 1};
  struct tk_byte_writer chunk = {0};
  struct tk_column column;
  struct tk_error error;
  tk_column_encode_ints(&chunk, values, 3, &granules, NULL);
  CHECK(tk_column_open(&column, chunk.data, chunk.size, TK_COLUMN_TEXT, 3, &granules, NULL,
                       &error) == TK_CORRUPT);
  CHECK(tk_column_open(&column, chunk.data, chunk.size, TK_COLUMN_INT, 4, &granules, NULL,
                       &error) == TK_CORRUPT);
  CHECK(tk_column_open(&column, chunk.data, chunk.size, TK_COLUMN_INT, 3,
                       &(struct tk_granules){descending, 3}, NULL, &error) == TK_CORRUPT);
  CHECK(column.state == NULL);
  tk_byte_writer_reset(&chunk);
}

/* ---- damage ---- */

/* Reads everything a successful decode promises, so that a sanitizer sees it. */
static uint64_t touch(const struct tk_column *column) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < column->value_count; i++) {
    if (column->kind == TK_COLUMN_INT) {
      sum += (uint64_t)tk_ints_at(column->ints, i);
    } else if (column->kind == TK_COLUMN_TEXT) {
      struct tk_text text = tk_column_text(column, i);
      for (uint32_t at = 0; at < text.size; at += 1 + text.size / 64) sum += (uint8_t)text.data[at];
    } else if (column->width) {
      sum += column->fixed[(size_t)i * column->width];
    }
  }
  return sum;
}

/* An exact copy, so that a sanitizer sees reads beyond it. */
static enum tk_status read_damaged(const uint8_t *bytes, size_t size, enum tk_column_kind kind,
                                   uint32_t count, const struct tk_granules *granules) {
  struct tk_column column;
  uint8_t *copy = malloc(size ? size : 1);
  if (!copy) abort();
  memcpy(copy, bytes, size);
  enum tk_status status = tk_column_open(&column, copy, size, kind, count, granules, NULL, NULL);
  if (status == TK_OK) status = tk_column_decode_all(&column, NULL);
  if (status == TK_OK) {
    volatile uint64_t sum = touch(&column);
    (void)sum;
  }
  tk_column_close(&column);
  free(copy);
  return status;
}

static void damage(struct tk_byte_writer *chunk, enum tk_column_kind kind, uint32_t count,
                   const struct tk_granules *granules) {
  int unexpected = 0;
  CHECK(chunk->size > 0);
  for (size_t size = 0; size < chunk->size; size++) {
    unexpected += read_damaged(chunk->data, size, kind, count, granules) != TK_CORRUPT;
  }
  size_t step = chunk->size > 3000 ? chunk->size / 3000 + 1 : 1;
  for (size_t at = 0; at < chunk->size; at += at < 400 ? 1 : step) {
    uint8_t before = chunk->data[at];
    static const uint8_t masks[] = {0x01, 0x02, 0x08, 0x20, 0x80, 0xFF};
    for (size_t i = 0; i < sizeof masks; i++) {
      chunk->data[at] = before ^ masks[i];
      enum tk_status status = read_damaged(chunk->data, chunk->size, kind, count, granules);
      unexpected += status != TK_OK && status != TK_CORRUPT;
    }
    chunk->data[at] = before;
  }
  CHECK(unexpected == 0);
}

static void damage_is_found_or_harmless(void) {
  static const uint32_t counts[] = {1, 20, 100, 300, 2000};
  uint32_t damaged = 0;
  for (uint32_t s = 0; s < sample_count; s++) {
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
      struct sample_values values;
      struct case_granules made = make_granules(counts[i], i % 2 ? 64 : 0, i);
      struct tk_byte_writer chunk = {0};
      sample_make(&samples[s], counts[i], s + i, &values);
      encode(&samples[s], &values, counts[i], &made.granules, &chunk, NULL);
      if (chunk.size < 2500) {
        damage(&chunk, samples[s].kind, counts[i], &made.granules);
        damaged++;
      }
      tk_byte_writer_reset(&chunk);
      sample_free(&values);
      free(made.ends);
    }
  }
  CHECK(damaged > sample_count);
}

static void damaged_fixed_width_is_found_or_harmless(void) {
  const uint8_t ids[6 * 16] = {1};
  const uint32_t ends[] = {6};
  const struct tk_granules granules = {ends, 1};
  struct tk_byte_writer chunk = {0};
  tk_column_encode_fixed(&chunk, ids, 16, 6);
  damage(&chunk, TK_COLUMN_FIXED, 6, &granules);
  tk_byte_writer_reset(&chunk);
}

/* ---- memory ---- */

/* One whole life of a column with the nth allocation failing. True if one did. */
static int live_without_memory(const struct sample *sample, const struct sample_values *values,
                               uint32_t count, const struct tk_granules *granules, int nth) {
  struct tk_byte_writer chunk = {0};
  struct tk_column column;
  fault_memory_fail_at(nth);
  encode(sample, values, count, granules, &chunk, NULL);
  int hits = fault_memory_hits();
  CHECK(chunk.failed == (hits > 0));
  if (!chunk.failed) {
    enum tk_status status =
        tk_column_open(&column, chunk.data, chunk.size, sample->kind, count, granules, NULL, NULL);
    if (status == TK_OK) status = tk_column_decode_all(&column, NULL);
    hits = fault_memory_hits();
    /* Some allocations are not vital: giving memory back early. */
    CHECK(status == TK_OK || (status == TK_NOMEM && hits > 0));
    fault_memory_fail_at(0);
    if (status == TK_OK) CHECK(same_values(&column, values, 0, count));
    tk_column_close(&column);
  }
  fault_memory_fail_at(0);
  tk_byte_writer_reset(&chunk);
  return hits;
}

static void every_failed_allocation_is_reported(void) {
  for (uint32_t s = 0; s < sample_count; s++) {
    enum { COUNT = 300 };
    struct sample_values values;
    struct case_granules made = make_granules(COUNT, 100, 1);
    int nth = 1;
    sample_make(&samples[s], COUNT, s, &values);
    while (nth < 5000 && live_without_memory(&samples[s], &values, COUNT, &made.granules, nth))
      nth++;
    CHECK(nth > 5 && nth < 5000);
    sample_free(&values);
    free(made.ends);
  }
}

int main(void) {
  static const struct check_case cases[] = {
      CASE(every_column_comes_back_as_it_was),
      CASE(every_encoding_was_chosen_for_some_column),
      CASE(a_large_column_comes_back_as_it_was),
      CASE(integers_know_their_extremes),
      CASE(a_constant_column_takes_a_few_bytes),
      CASE(long_texts_and_odd_bytes_survive),
      CASE(fixed_width_values_are_the_chunk_itself),
      CASE(a_chunk_must_be_what_the_directory_says),
      CASE(damage_is_found_or_harmless),
      CASE(damaged_fixed_width_is_found_or_harmless),
      CASE(every_failed_allocation_is_reported),
  };
  fault_memory_install();
  return check_run(cases, (int)(sizeof cases / sizeof cases[0]));
}
