/* SPDX-License-Identifier: MIT
 * Encoding of integer streams: normalise (offset, zigzag, delta, gcd), then try the layouts on a
 * sample of blocks and write the smallest. Layouts that decode through zstd pay a small penalty. */
#include <stdlib.h>
#include <string.h>

#include "store/codec/bit_packing.h"
#include "store/codec/compression.h"
#include "store/codec/int_codec.h"
#include "store/codec/int_format.h"
#include "store/sqlite_api.h"

enum {
  SAMPLE_VALUES = 4096,      /* enough for a trial */
  COUNT_SLOTS = 8192,        /* of the hash table that counts values of the sample */
  FREQUENT_VALUES_MAX = 160, /* that get a symbol of their own; the rest is left to ranges */
  LARGEST_DISTINCT_TABLE = 1 << 16
};

/* One way to write a stream, and everything its steps share. */
struct encoder {
  struct tk_byte_writer *out;
  const struct tk_granules *blocks;
  uint64_t *values; /* a copy of the caller's, normalised in place */
  uint64_t *firsts; /* DELTA: first value of each block */
  uint32_t count;
  uint32_t sample_first, sample_last; /* blocks, inclusive */
  uint32_t sample_begin, sample_end;  /* values */
  uint64_t largest;                   /* of the normalised values */
  uint8_t transform;
  uint64_t base, step;
  bool nested; /* indexes of a DISTINCT stream: no further nesting */
};

/* The symbols that the SYMBOLS layout would use. */
struct symbols {
  uint64_t exact[FREQUENT_VALUES_MAX];
  uint32_t exact_count;
  unsigned top_bits;
  uint32_t first_range, range_count;
};

static void encode_stream(struct encoder *encoder);

static uint32_t block_begin(const struct encoder *encoder, uint32_t block) {
  return block ? encoder->blocks->ends[block - 1] : 0;
}

static uint64_t zigzag(uint64_t value) {
  return value << 1 ^ (0 - (value >> 63));
}

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b) {
  while (b) {
    uint64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/* ---- normalising ---- */

/* Bits needed for all values of the sample under each transform, a rough guide to their sizes. */
static void measure_transforms(const struct encoder *encoder, uint64_t base, uint64_t bits[4]) {
  uint64_t previous = encoder->values[encoder->sample_begin];
  memset(bits, 0, 4 * sizeof *bits);
  for (uint32_t i = encoder->sample_begin; i < encoder->sample_end; i++) {
    uint64_t value = encoder->values[i];
    bits[0] += tk_bit_length(value - base);
    bits[TK_TRANSFORM_ZIGZAG] += tk_bit_length(zigzag(value));
    bits[TK_TRANSFORM_DELTA] += tk_bit_length(zigzag(value - previous));
    previous = value;
  }
}

static void take_differences(struct encoder *encoder) {
  for (uint32_t block = 0; block < encoder->blocks->count; block++) {
    uint32_t begin = block_begin(encoder, block);
    uint32_t end = encoder->blocks->ends[block];
    if (begin == end) continue;
    encoder->firsts[block] = encoder->values[begin];
    for (uint32_t i = end - 1; i > begin; i--) encoder->values[i] -= encoder->values[i - 1];
    /* Any value that costs nothing: one that occurs. */
    encoder->values[begin] = end - begin > 1 ? encoder->values[begin + 1] : 0;
  }
}

static void find_extremes(const struct encoder *encoder, int64_t *smallest, int64_t *largest) {
  *smallest = INT64_MAX;
  *largest = INT64_MIN;
  for (uint32_t i = 0; i < encoder->count; i++) {
    int64_t value = (int64_t)encoder->values[i];
    *smallest = value < *smallest ? value : *smallest;
    *largest = value > *largest ? value : *largest;
  }
}

/* Decides on offset or zigzag for what is in `values`, and applies it with the step. */
static void normalise(struct encoder *encoder, int64_t smallest, bool use_zigzag) {
  uint64_t step = 0;
  uint64_t base = use_zigzag ? 0 : (uint64_t)smallest;
  for (uint32_t i = 0; i < encoder->count && step != 1; i++) {
    uint64_t value = encoder->values[i] - base;
    if (use_zigzag && (int64_t)value < 0) value = 0 - value;
    if (step == 0 || value % step != 0) step = greatest_common_divisor(value, step);
  }
  if (step == 0 || (use_zigzag && step > INT64_MAX)) step = 1;
  encoder->base = base;
  encoder->step = step;
  encoder->largest = 0;
  for (uint32_t i = 0; i < encoder->count; i++) {
    uint64_t value = encoder->values[i] - base;
    if (use_zigzag) {
      if (step != 1) value = (uint64_t)((int64_t)value / (int64_t)step);
      value = zigzag(value);
    } else if (step != 1) {
      value /= step;
    }
    encoder->values[i] = value;
    encoder->largest = value > encoder->largest ? value : encoder->largest;
  }
}

/* Turns `values` into normalised ones, as differences or not. */
static void normalise_values(struct encoder *encoder, bool delta) {
  int64_t smallest = 0;
  int64_t largest = 0;
  uint64_t bits[4];

  encoder->transform = delta ? TK_TRANSFORM_DELTA : 0;
  encoder->base = 0;
  encoder->step = 1;
  if (encoder->count == 0) return;
  if (delta) take_differences(encoder);
  find_extremes(encoder, &smallest, &largest);
  measure_transforms(encoder, (uint64_t)smallest, bits);
  bool use_zigzag = smallest < 0 && largest > 0 && (delta || bits[TK_TRANSFORM_ZIGZAG] < bits[0]);
  if (use_zigzag) encoder->transform |= TK_TRANSFORM_ZIGZAG;
  normalise(encoder, smallest, use_zigzag);
}

/* Whether differences look smaller than values, so that they are worth a trial. */
static bool differences_look_small(const struct encoder *encoder) {
  int64_t smallest = 0;
  int64_t largest = 0;
  uint64_t bits[4];
  if (encoder->count == 0) return false;
  find_extremes(encoder, &smallest, &largest);
  measure_transforms(encoder, (uint64_t)smallest, bits);
  uint64_t best = bits[0];
  if (smallest < 0 && bits[TK_TRANSFORM_ZIGZAG] < best) best = bits[TK_TRANSFORM_ZIGZAG];
  return bits[TK_TRANSFORM_DELTA] < best;
}

/* ---- layouts: one block of normalised values to bytes ---- */

static void write_runs(struct tk_byte_writer *out, const uint64_t *values, uint32_t count) {
  for (uint32_t begin = 0, end = 0; begin < count; begin = end) {
    while (end < count && values[end] == values[begin]) end++;
    tk_byte_writer_append_varint(out, values[begin]);
    tk_byte_writer_append_varint(out, end - begin);
  }
}

static void write_packed(struct tk_byte_writer *out, const uint64_t *values, uint32_t count) {
  uint64_t smallest = UINT64_MAX;
  uint64_t largest = 0;
  for (uint32_t i = 0; i < count; i++) {
    smallest = values[i] < smallest ? values[i] : smallest;
    largest = values[i] > largest ? values[i] : largest;
  }
  unsigned width = tk_bit_length(largest - smallest);
  if (tk_bit_length(largest) == width) smallest = 0;
  struct tk_bit_writer bits = {.out = out};
  tk_byte_writer_append_u8(out, (uint8_t)width);
  tk_byte_writer_append_varint(out, smallest);
  for (uint32_t i = 0; i < count; i++) tk_bit_writer_append(&bits, values[i] - smallest, width);
  tk_bit_writer_finish(&bits);
}

static void write_planes(struct tk_byte_writer *out, const uint64_t *values, uint32_t count,
                         unsigned byte_count, uint8_t *scratch) {
  for (unsigned plane = 0; plane < byte_count; plane++) {
    for (uint32_t i = 0; i < count; i++) scratch[i] = (uint8_t)(values[i] >> (8 * plane));
    tk_pack_bytes(out, scratch, count, TK_LEVEL_CODES);
  }
}

static void write_words(struct tk_byte_writer *out, const uint64_t *values, uint32_t count,
                        unsigned byte_count, uint8_t *scratch) {
  uint8_t *at = scratch;
  for (uint32_t i = 0; i < count; i++) {
    for (unsigned byte = 0; byte < byte_count; byte++) *at++ = (uint8_t)(values[i] >> (8 * byte));
  }
  tk_pack_bytes(out, scratch, (size_t)count * byte_count, TK_LEVEL_CODES);
}

/* Index of `value` among the frequent values, or their number. */
static uint32_t find_exact(const struct symbols *symbols, uint64_t value) {
  uint32_t low = 0;
  uint32_t high = symbols->exact_count;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (symbols->exact[middle] < value) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  bool found = low < symbols->exact_count && symbols->exact[low] == value;
  return found ? low : symbols->exact_count;
}

static uint8_t symbol_of(const struct symbols *symbols, uint64_t value, unsigned *low_bits) {
  uint32_t symbol = find_exact(symbols, value);
  *low_bits = 0;
  if (symbol == symbols->exact_count) {
    symbol += tk_range_of(value, symbols->top_bits, low_bits) - symbols->first_range;
  }
  return (uint8_t)symbol;
}

static void write_symbols(struct tk_byte_writer *out, const uint64_t *values, uint32_t count,
                          const struct symbols *symbols, uint8_t *scratch) {
  struct tk_byte_writer low = {0};
  struct tk_bit_writer bits = {.out = &low};
  for (uint32_t i = 0; i < count; i++) {
    unsigned width = 0;
    scratch[i] = symbol_of(symbols, values[i], &width);
    tk_bit_writer_append(&bits, values[i] & tk_low_bits(width), width);
  }
  tk_bit_writer_finish(&bits);
  tk_pack_bytes(out, scratch, count, TK_LEVEL_CODES);
  tk_byte_writer_append(out, low.data, low.size);
  out->failed |= low.failed;
  tk_byte_writer_reset(&low);
}

/* A layout with what it needs to write blocks. */
struct plan {
  enum tk_int_layout layout;
  unsigned byte_count;
  const struct symbols *symbols;
  uint8_t *scratch; /* 8 bytes a value of the largest block */
};

static void write_block(struct tk_byte_writer *out, const struct encoder *encoder,
                        const struct plan *plan, uint32_t block) {
  uint32_t begin = block_begin(encoder, block);
  uint32_t count = encoder->blocks->ends[block] - begin;
  const uint64_t *values = encoder->values + begin;
  if (count == 0) return;
  switch (plan->layout) {
    case TK_INT_RUNS:
      write_runs(out, values, count);
      break;
    case TK_INT_PACKED:
      write_packed(out, values, count);
      break;
    case TK_INT_PLANES:
      write_planes(out, values, count, plan->byte_count, plan->scratch);
      break;
    case TK_INT_WORDS:
      write_words(out, values, count, plan->byte_count, plan->scratch);
      break;
    case TK_INT_SYMBOLS:
      write_symbols(out, values, count, plan->symbols, plan->scratch);
      break;
    case TK_INT_CONSTANT:
    case TK_INT_DISTINCT:
    case TK_INT_LAYOUTS:
      break;
  }
}

/* ---- choosing symbols ---- */

struct counted {
  uint64_t value;
  uint32_t count;
};

static void count_values(const struct encoder *encoder, struct counted *slots) {
  uint32_t end = encoder->sample_end;
  if (end - encoder->sample_begin > COUNT_SLOTS / 2) end = encoder->sample_begin + COUNT_SLOTS / 2;
  memset(slots, 0, COUNT_SLOTS * sizeof *slots);
  for (uint32_t i = encoder->sample_begin; i < end; i++) {
    uint64_t value = encoder->values[i];
    uint32_t slot = (uint32_t)((value * 0x9E3779B97F4A7C15u) >> 40) % COUNT_SLOTS;
    while (slots[slot].count && slots[slot].value != value) slot = (slot + 1) % COUNT_SLOTS;
    slots[slot].value = value;
    slots[slot].count++;
  }
}

/* log2 with 8 fractional bits, to about 1 %. */
static uint32_t log2_of(uint32_t value) {
  unsigned whole = tk_bit_length(value) - 1;
  uint32_t fraction = (uint32_t)(((uint64_t)value << 8) >> whole) - 256;
  return (whole << 8) + fraction + ((fraction * (256 - fraction)) * 88 >> 16);
}

static int compare_u64(const void *a, const void *b) {
  uint64_t left, right;
  memcpy(&left, a, sizeof left);
  memcpy(&right, b, sizeof right);
  return left < right ? -1 : left > right;
}

/* At most FREQUENT_VALUES_MAX values. */
static void insertion_sort(uint64_t *values, uint32_t count) {
  for (uint32_t i = 1; i < count; i++) {
    uint64_t value = values[i];
    uint32_t j = i;
    for (; j > 0 && values[j - 1] > value; j--) values[j] = values[j - 1];
    values[j] = value;
  }
}

/* Values that occur often enough to be worth a symbol of their own. */
static void pick_frequent(const struct counted *slots, uint32_t sampled, struct symbols *symbols) {
  uint32_t threshold = sampled / 256 > 3 ? sampled / 256 : 3;
  symbols->exact_count = 0;
  for (uint32_t i = 0; i < COUNT_SLOTS; i++) {
    if (slots[i].count < threshold || symbols->exact_count == FREQUENT_VALUES_MAX) continue;
    symbols->exact[symbols->exact_count++] = slots[i].value;
  }
  insertion_sort(symbols->exact, symbols->exact_count);
}

/* Smallest and largest of the values that are not frequent; false if all are. */
static bool find_rare_extremes(const struct encoder *encoder, const struct symbols *symbols,
                               uint64_t extremes[2]) {
  extremes[0] = UINT64_MAX;
  extremes[1] = 0;
  for (uint32_t i = 0; i < encoder->count; i++) {
    uint64_t value = encoder->values[i];
    if (value >= extremes[0] && value <= extremes[1]) continue;
    if (find_exact(symbols, value) < symbols->exact_count) continue;
    extremes[0] = value < extremes[0] ? value : extremes[0];
    extremes[1] = value > extremes[1] ? value : extremes[1];
  }
  return extremes[0] <= extremes[1];
}

/* The ranges between the extremes. False if there are too many for a byte. */
static bool pick_ranges(const uint64_t extremes[2], struct symbols *symbols) {
  unsigned low_bits = 0;
  symbols->first_range = tk_range_of(extremes[0], symbols->top_bits, &low_bits);
  symbols->range_count =
      tk_range_of(extremes[1], symbols->top_bits, &low_bits) - symbols->first_range + 1;
  return symbols->exact_count + symbols->range_count <= 256;
}

/* Bits (with 8 fractional ones) of the counted sample under `symbols`: entropy and low bits. */
static uint64_t estimate_symbols(const struct counted *slots, const struct symbols *symbols) {
  uint32_t counts[256] = {0};
  uint32_t total = 0;
  uint64_t bits = 0;
  for (uint32_t i = 0; i < COUNT_SLOTS; i++) {
    unsigned low_bits = 0;
    if (!slots[i].count) continue;
    counts[symbol_of(symbols, slots[i].value, &low_bits)] += slots[i].count;
    bits += (uint64_t)slots[i].count * low_bits << 8;
    total += slots[i].count;
  }
  for (uint32_t i = 0; i < 256; i++) {
    if (!counts[i]) continue;
    bits += (uint64_t)counts[i] * (log2_of(total) - log2_of(counts[i]));
    bits += 4 << 8; /* its place in the entropy table */
  }
  return bits;
}

static bool choose_symbols(const struct encoder *encoder, struct symbols *best) {
  struct counted *slots = sqlite3_malloc64(COUNT_SLOTS * sizeof *slots);
  uint64_t best_bits = UINT64_MAX;
  uint64_t extremes[2] = {0, 0};
  struct symbols tried = {0};
  if (!slots) {
    encoder->out->failed = true;
    return false;
  }
  count_values(encoder, slots);
  pick_frequent(slots, encoder->sample_end - encoder->sample_begin, &tried);
  bool has_rare = find_rare_extremes(encoder, &tried, extremes);
  for (tried.top_bits = 0; tried.top_bits <= TK_RANGE_TOP_BITS_MAX; tried.top_bits++) {
    if (has_rare && !pick_ranges(extremes, &tried)) break;
    uint64_t bits = estimate_symbols(slots, &tried);
    if (bits < best_bits) {
      best_bits = bits;
      *best = tried;
    }
  }
  sqlite3_free(slots);
  return best_bits != UINT64_MAX;
}

static void write_symbol_table(struct tk_byte_writer *out, const struct symbols *symbols) {
  uint64_t previous = 0;
  tk_byte_writer_append_varint(out, symbols->exact_count);
  tk_byte_writer_append_varint(out, symbols->top_bits);
  tk_byte_writer_append_varint(out, symbols->first_range);
  tk_byte_writer_append_varint(out, symbols->range_count);
  for (uint32_t i = 0; i < symbols->exact_count; i++) {
    tk_byte_writer_append_varint(out, symbols->exact[i] - previous);
    previous = symbols->exact[i];
  }
}

/* ---- DISTINCT ---- */

/* Whether a table of distinct values looks promising from the sample. */
static bool values_repeat(const struct encoder *encoder) {
  struct counted *slots = sqlite3_malloc64(COUNT_SLOTS * sizeof *slots);
  uint32_t distinct = 0;
  if (!slots) {
    encoder->out->failed = true;
    return false;
  }
  count_values(encoder, slots);
  for (uint32_t i = 0; i < COUNT_SLOTS; i++) distinct += slots[i].count > 0;
  sqlite3_free(slots);
  uint32_t sampled = encoder->sample_end - encoder->sample_begin;
  if (sampled > COUNT_SLOTS / 2) sampled = COUNT_SLOTS / 2;
  return distinct < sampled - sampled / 4;
}

static uint32_t index_of(const uint64_t *table, uint32_t count, uint64_t value) {
  uint32_t low = 0;
  uint32_t high = count;
  while (high - low > 1) {
    uint32_t middle = (low + high) / 2;
    if (table[middle] <= value) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

/* Replaces nothing in `encoder`; writes head and blocks of the layout to `out`. */
static void write_distinct(struct tk_byte_writer *out, const struct encoder *encoder) {
  size_t size = encoder->count * sizeof(uint64_t);
  uint64_t *table = sqlite3_malloc64(size);
  uint64_t *indexes = sqlite3_malloc64(size);
  uint32_t count = 0;
  uint64_t previous = 0;
  if (!table || !indexes) {
    out->failed = true;
    goto done;
  }
  memcpy(table, encoder->values, size);
  qsort(table, encoder->count, sizeof *table, compare_u64);
  for (uint32_t i = 0; i < encoder->count; i++) {
    if (count == 0 || table[count - 1] != table[i]) table[count++] = table[i];
  }
  tk_byte_writer_append_varint(out, count);
  for (uint32_t i = 0; i < count; i++) {
    tk_byte_writer_append_varint(out, table[i] - previous);
    previous = table[i];
  }
  for (uint32_t i = 0; i < encoder->count; i++) {
    indexes[i] = index_of(table, count, encoder->values[i]);
  }
  struct encoder nested = *encoder;
  nested.out = out;
  nested.values = indexes;
  nested.nested = true;
  encode_stream(&nested);

done:
  sqlite3_free(table);
  sqlite3_free(indexes);
}

/* ---- the trial ---- */

/* Size of the whole stream in bytes, from blocks spread over it. */
static uint64_t estimate_size(const struct encoder *encoder, const struct plan *plan) {
  struct tk_byte_writer trial = {0};
  uint64_t blocks = encoder->blocks->count;
  uint64_t step = encoder->count / (2 * SAMPLE_VALUES);
  uint64_t sampled = 0;
  if (step > blocks) step = blocks;
  if (step == 0) step = 1;
  for (uint64_t block = step / 2; block < blocks; block += step) {
    write_block(&trial, encoder, plan, (uint32_t)block);
    sampled += encoder->blocks->ends[block] - block_begin(encoder, (uint32_t)block);
  }
  uint64_t size = sampled ? trial.size * encoder->count / sampled : trial.size;
  encoder->out->failed |= trial.failed;
  tk_byte_writer_reset(&trial);
  return size;
}

/* Sizes are estimates in bytes; those of zstd layouts are raised by a thirty-second. */
static struct plan choose_layout(const struct encoder *encoder, struct symbols *symbols,
                                 uint8_t *scratch, uint64_t *best_size) {
  unsigned width = tk_bit_length(encoder->largest);
  struct plan plans[5] = {{.layout = TK_INT_PACKED}, {.layout = TK_INT_RUNS}};
  uint32_t plan_count = 2;
  struct plan best = {.layout = TK_INT_CONSTANT};

  *best_size = 0;
  if (encoder->largest == 0) return best;
  plans[plan_count++] = (struct plan){.layout = TK_INT_PLANES, .byte_count = (width + 7) / 8};
  if (width > 8) {
    plans[plan_count++] = (struct plan){.layout = TK_INT_WORDS, .byte_count = (width + 7) / 8};
    if (encoder->count >= 64 && choose_symbols(encoder, symbols)) {
      plans[plan_count++] = (struct plan){.layout = TK_INT_SYMBOLS, .symbols = symbols};
    }
  }
  *best_size = UINT64_MAX;
  for (uint32_t i = 0; i < plan_count; i++) {
    plans[i].scratch = scratch;
    uint64_t size = estimate_size(encoder, &plans[i]);
    if (plans[i].layout >= TK_INT_PLANES) size += size / 32 + 4;
    if (plans[i].layout == TK_INT_SYMBOLS) size += 8 + 2 * symbols->exact_count;
    if (size >= *best_size) continue;
    *best_size = size;
    best = plans[i];
  }
  return best;
}

static void choose_sample(struct encoder *encoder) {
  uint32_t count = encoder->blocks->count;
  encoder->sample_first = count / 2;
  encoder->sample_last = count / 2;
  if (count == 0) return;
  while (encoder->sample_last + 1 < count || encoder->sample_first > 0) {
    uint32_t sampled =
        encoder->blocks->ends[encoder->sample_last] - block_begin(encoder, encoder->sample_first);
    if (sampled >= SAMPLE_VALUES) break;
    if (encoder->sample_last + 1 < count) {
      encoder->sample_last++;
    } else {
      encoder->sample_first--;
    }
  }
  encoder->sample_begin = block_begin(encoder, encoder->sample_first);
  encoder->sample_end = encoder->blocks->ends[encoder->sample_last];
}

static uint8_t *allocate_scratch(const struct encoder *encoder) {
  uint32_t largest = 1;
  for (uint32_t block = 0; block < encoder->blocks->count; block++) {
    uint32_t count = encoder->blocks->ends[block] - block_begin(encoder, block);
    largest = count > largest ? count : largest;
  }
  return sqlite3_malloc64((sqlite3_uint64)largest * 8);
}

static void write_blocks(const struct encoder *encoder, const struct plan *plan) {
  struct tk_byte_writer payload = {0};
  bool is_delta = (encoder->transform & TK_TRANSFORM_DELTA) != 0;
  if (!is_delta && plan->layout == TK_INT_CONSTANT) return;
  for (uint32_t block = 0; block < encoder->blocks->count; block++) {
    size_t before = payload.size;
    if (is_delta && block_begin(encoder, block) < encoder->blocks->ends[block]) {
      tk_byte_writer_append_zigzag(&payload, (int64_t)encoder->firsts[block]);
    }
    write_block(&payload, encoder, plan, block);
    tk_byte_writer_append_varint(encoder->out, payload.size - before);
  }
  tk_byte_writer_append(encoder->out, payload.data, payload.size);
  encoder->out->failed |= payload.failed;
  tk_byte_writer_reset(&payload);
}

static void write_head(const struct encoder *encoder, enum tk_int_layout layout) {
  tk_byte_writer_append_u8(encoder->out, (uint8_t)layout);
  tk_byte_writer_append_u8(encoder->out, encoder->transform);
  tk_byte_writer_append_zigzag(encoder->out, (int64_t)encoder->base);
  tk_byte_writer_append_varint(encoder->out, encoder->step);
}

/* Tries DISTINCT in full, since a sample does not show how large the table gets. Values that are
 * dense, as codes are, would only be numbered again. */
static bool encode_as_distinct(const struct encoder *encoder, uint64_t best_size) {
  struct tk_byte_writer trial = {0};
  if (encoder->nested || encoder->count < 64 || encoder->largest / 2 < encoder->count) return false;
  if (!values_repeat(encoder)) return false;
  write_distinct(&trial, encoder);
  bool smaller = !trial.failed && trial.size < best_size;
  if (smaller) {
    write_head(encoder, TK_INT_DISTINCT);
    tk_byte_writer_append(encoder->out, trial.data, trial.size);
  }
  encoder->out->failed |= trial.failed;
  tk_byte_writer_reset(&trial);
  return smaller;
}

static void write_stream(const struct encoder *encoder, const struct plan *plan) {
  write_head(encoder, plan->layout);
  if (plan->layout == TK_INT_PLANES || plan->layout == TK_INT_WORDS) {
    tk_byte_writer_append_u8(encoder->out, (uint8_t)plan->byte_count);
  }
  if (plan->layout == TK_INT_SYMBOLS) write_symbol_table(encoder->out, plan->symbols);
  write_blocks(encoder, plan);
}

static uint64_t *copy_values(const struct encoder *encoder) {
  size_t size = encoder->count * sizeof *encoder->values;
  uint64_t *copy = sqlite3_malloc64((sqlite3_uint64)size + 1);
  if (copy && size) memcpy(copy, encoder->values, size);
  return copy;
}

/* Tries values, then perhaps differences; `encoder->values` are the caller's values still. */
static void encode_stream(struct encoder *encoder) {
  struct symbols symbols[2] = {{.exact_count = 0}, {.exact_count = 0}};
  struct encoder differences = *encoder;
  struct plan difference_plan;
  uint64_t size = 0;
  uint64_t difference_size = UINT64_MAX;
  bool try_differences = !encoder->nested && differences_look_small(encoder);
  uint8_t *scratch = allocate_scratch(encoder);

  differences.firsts = NULL;
  differences.values = NULL;
  if (try_differences) {
    differences.values = copy_values(encoder);
    differences.firsts =
        sqlite3_malloc64((encoder->blocks->count + (sqlite3_uint64)1) * sizeof(uint64_t));
  }
  if (!scratch || (try_differences && (!differences.values || !differences.firsts))) {
    encoder->out->failed = true;
    goto done;
  }
  normalise_values(encoder, false);
  struct plan plan = choose_layout(encoder, &symbols[0], scratch, &size);
  if (try_differences) {
    normalise_values(&differences, true);
    difference_plan = choose_layout(&differences, &symbols[1], scratch, &difference_size);
    difference_size += 4 * (uint64_t)encoder->blocks->count;
  }
  if (encode_as_distinct(encoder, size < difference_size ? size : difference_size)) goto done;
  if (difference_size < size) {
    write_stream(&differences, &difference_plan);
  } else {
    write_stream(encoder, &plan);
  }

done:
  sqlite3_free(differences.values);
  sqlite3_free(differences.firsts);
  sqlite3_free(scratch);
}

void tk_int_stream_encode(struct tk_byte_writer *out, const int64_t *values,
                          const struct tk_granules *blocks) {
  struct encoder encoder = {.out = out, .blocks = blocks, .largest = 0};
  encoder.count = blocks->count ? blocks->ends[blocks->count - 1] : 0;
  encoder.values = sqlite3_malloc64((encoder.count + (sqlite3_uint64)1) * sizeof *encoder.values);
  if (!encoder.values) {
    out->failed = true;
    return;
  }
  if (encoder.count) memcpy(encoder.values, values, encoder.count * sizeof *values);
  choose_sample(&encoder);
  encode_stream(&encoder);
  sqlite3_free(encoder.values);
}
