/* SPDX-License-Identifier: MIT
 * Values to chunks. Decides how many granules make a block, and whether a text column gets a
 * dictionary; how integers and lists of texts are laid out is decided below, in int_encoder.c,
 * text_codec.c and template_codec.c. */
#include "store/codec/column_codec.h"

#include <stdlib.h>
#include <string.h>

#include "store/codec/column_format.h"
#include "store/codec/int_codec.h"
#include "store/codec/text_codec.h"
#include "store/sqlite_api.h"
#include "tracekeep/hash.h"

enum {
  BLOCK_VALUES = 4096,      /* small granules are joined up to about this size... */
  BLOCK_BYTES = 1024 * 1024 /* ...unless their texts are long */
};

/* ---- blocks ---- */

struct blocks {
  uint32_t *ends;
  uint32_t count;
  uint32_t joined; /* granules a block */
};

/* `bytes`: of all values together. False if out of memory. */
static bool make_blocks(struct blocks *blocks, const struct tk_granules *granules, uint32_t count,
                        uint64_t bytes) {
  uint64_t joined = ((uint64_t)BLOCK_VALUES * granules->count + count / 2) / count;
  uint64_t by_bytes = bytes ? (uint64_t)BLOCK_BYTES * granules->count / bytes : joined;
  if (by_bytes < joined) joined = by_bytes;
  if (joined > granules->count) joined = granules->count;
  blocks->joined = joined ? (uint32_t)joined : 1;
  blocks->count = tk_block_count(granules->count, blocks->joined);
  blocks->ends = sqlite3_malloc64(blocks->count * (sqlite3_uint64)sizeof *blocks->ends);
  if (!blocks->ends) return false;
  for (uint32_t i = 0; i < blocks->count; i++) {
    uint32_t last = (i + 1) * blocks->joined - 1;
    blocks->ends[i] = granules->ends[last < granules->count ? last : granules->count - 1];
  }
  return true;
}

static void write_head(struct tk_byte_writer *out, uint8_t encoding, uint32_t count) {
  tk_byte_writer_append_u8(out, encoding);
  tk_byte_writer_append_varint(out, count);
}

/* Granules that do not cover the values are a caller's mistake that must not become bad data. */
static bool granules_cover(const struct tk_granules *granules, uint32_t count) {
  return granules->count > 0 && granules->ends[granules->count - 1] == count &&
         count <= TK_MAX_COLUMN_VALUES;
}

/* ---- integers ---- */

void tk_column_encode_ints(struct tk_byte_writer *out, const int64_t *values, uint32_t count,
                           const struct tk_granules *granules, struct tk_column_summary *summary) {
  struct blocks blocks = {0};
  size_t begin = out->size;
  struct tk_column_summary learnt = {.encoding = TK_ENCODING_INT};

  write_head(out, TK_ENCODING_INT, count);
  if (count > 0) {
    if (!granules_cover(granules, count) || !make_blocks(&blocks, granules, count, 0)) {
      out->failed = true;
      return;
    }
    tk_byte_writer_append_varint(out, blocks.joined);
    size_t stream = out->size;
    tk_int_stream_encode(out, values, &(struct tk_granules){blocks.ends, blocks.count});
    sqlite3_free(blocks.ends);
    if (!out->failed) learnt.encoding = out->data[begin] |= out->data[stream];

    learnt.int_min = learnt.int_max = values[0];
    for (uint32_t i = 0; i < count; i++) {
      learnt.int_min = values[i] < learnt.int_min ? values[i] : learnt.int_min;
      learnt.int_max = values[i] > learnt.int_max ? values[i] : learnt.int_max;
    }
  }
  if (summary) *summary = learnt;
}

/* ---- texts ---- */

/* A text of the column's dictionary while that is built. `prefix` is its first eight bytes as a
 * big-endian number, so that most comparisons do not touch the text. */
struct entry {
  uint64_t prefix;
  struct tk_text text;
  uint32_t index; /* by first appearance */
};

struct dictionary {
  struct entry *entries;
  uint32_t count;
  uint32_t *indexes; /* of each value: entry by first appearance */
};

static uint64_t text_prefix(struct tk_text text) {
  uint64_t prefix = 0;
  for (uint32_t i = 0; i < 8; i++) {
    prefix = prefix << 8 | (i < text.size ? (unsigned char)text.data[i] : 0);
  }
  return prefix;
}

static int compare_texts(struct tk_text a, struct tk_text b) {
  uint32_t shared = a.size < b.size ? a.size : b.size;
  int order = shared ? memcmp(a.data, b.data, shared) : 0;
  return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_entries(const void *a, const void *b) {
  const struct entry *left = a;
  const struct entry *right = b;
  if (left->prefix != right->prefix) return left->prefix < right->prefix ? -1 : 1;
  return compare_texts(left->text, right->text);
}

static bool same_text(struct tk_text a, struct tk_text b) {
  return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Open addressing over `slots`, a power of two of them: entry + 1, or 0. */
static void intern_all(struct dictionary *dictionary, const struct tk_text *values, uint32_t count,
                       uint32_t *slots, uint32_t slot_count) {
  for (uint32_t i = 0; i < count; i++) {
    if (i > 0 && same_text(values[i], values[i - 1])) {
      dictionary->indexes[i] = dictionary->indexes[i - 1];
      continue;
    }
    uint32_t slot = (uint32_t)tk_hash64(values[i].data, values[i].size) & (slot_count - 1);
    while (slots[slot] && !same_text(dictionary->entries[slots[slot] - 1].text, values[i])) {
      slot = (slot + 1) & (slot_count - 1);
    }
    if (!slots[slot]) {
      dictionary->entries[dictionary->count] = (struct entry){
          .text = values[i], .prefix = text_prefix(values[i]), .index = dictionary->count};
      slots[slot] = ++dictionary->count;
    }
    dictionary->indexes[i] = slots[slot] - 1;
  }
}

static bool build_dictionary(struct dictionary *dictionary, const struct tk_text *values,
                             uint32_t count) {
  uint32_t slot_count = 64;
  while (slot_count < count + count / 2) slot_count *= 2;
  uint32_t *slots = sqlite3_malloc64(slot_count * (sqlite3_uint64)sizeof *slots);
  dictionary->entries = sqlite3_malloc64(count * (sqlite3_uint64)sizeof *dictionary->entries);
  dictionary->indexes = sqlite3_malloc64(count * (sqlite3_uint64)sizeof *dictionary->indexes);
  bool built = slots && dictionary->entries && dictionary->indexes;
  if (built) {
    memset(slots, 0, slot_count * sizeof *slots);
    intern_all(dictionary, values, count, slots, slot_count);
  }
  sqlite3_free(slots);
  return built;
}

static void free_dictionary(struct dictionary *dictionary) {
  sqlite3_free(dictionary->entries);
  sqlite3_free(dictionary->indexes);
}

/* Sorts the entries, and writes them and the codes of all values. */
static void write_dictionary(struct tk_byte_writer *out, struct dictionary *dictionary,
                             uint32_t count, const struct tk_granules *blocks) {
  struct tk_text *texts = sqlite3_malloc64(dictionary->count * (sqlite3_uint64)sizeof *texts);
  uint32_t *ranks = sqlite3_malloc64(dictionary->count * (sqlite3_uint64)sizeof *ranks);
  int64_t *codes = sqlite3_malloc64(count * (sqlite3_uint64)sizeof *codes);
  if (!texts || !ranks || !codes) {
    out->failed = true;
    goto done;
  }
  qsort(dictionary->entries, dictionary->count, sizeof *dictionary->entries, compare_entries);
  for (uint32_t i = 0; i < dictionary->count; i++) {
    texts[i] = dictionary->entries[i].text;
    ranks[dictionary->entries[i].index] = i;
  }
  for (uint32_t i = 0; i < count; i++) codes[i] = ranks[dictionary->indexes[i]];
  tk_byte_writer_append_varint(out, dictionary->count);
  tk_text_list_encode(out, texts, &(struct tk_granules){&dictionary->count, 1}, true);
  tk_int_stream_encode(out, codes, blocks);

done:
  sqlite3_free(texts);
  sqlite3_free(ranks);
  sqlite3_free(codes);
}

/* Few enough distinct texts to take a dictionary without a trial. */
static bool repeats(const struct dictionary *dictionary, uint32_t count) {
  return dictionary->count <= count / 8 + 1;
}

/* With few distinct texts a dictionary is taken without a trial, with hardly any repetition none is
 * tried. Between them the sizes decide: in favour of the dictionary, which answers queries faster,
 * or, if most texts are distinct, against it, since all of it is read to see any value. */
static uint8_t write_texts(struct tk_byte_writer *out, struct dictionary *dictionary,
                           const struct tk_text *values, uint32_t count,
                           const struct tk_granules *blocks) {
  struct tk_byte_writer with_dictionary = {0};
  struct tk_byte_writer without = {0};
  bool few = repeats(dictionary, count);
  bool many = !few && dictionary->count > count - count / 4;
  uint8_t encoding = TK_ENCODING_DICTIONARY;

  if (!many) write_dictionary(&with_dictionary, dictionary, count, blocks);
  if (!few) tk_text_list_encode(&without, values, blocks, false);
  out->failed |= with_dictionary.failed || without.failed;
  size_t limit = with_dictionary.size - with_dictionary.size / 8;
  if (dictionary->count > count / 2) limit = with_dictionary.size + with_dictionary.size / 4;
  if (many || (!few && without.size < limit)) {
    if (without.size) encoding = TK_ENCODING_TEXT | without.data[0];
    tk_byte_writer_append(out, without.data, without.size);
  } else {
    tk_byte_writer_append(out, with_dictionary.data, with_dictionary.size);
  }
  tk_byte_writer_reset(&with_dictionary);
  tk_byte_writer_reset(&without);
  return encoding;
}

void tk_column_encode_texts(struct tk_byte_writer *out, const struct tk_text *values,
                            uint32_t count, const struct tk_granules *granules,
                            struct tk_column_summary *summary) {
  struct tk_column_summary learnt = {.encoding = TK_ENCODING_TEXT | TK_TEXT_PLAIN};
  struct dictionary dictionary = {0};
  struct blocks blocks = {0};
  size_t begin = out->size;
  uint64_t bytes = 0;

  for (uint32_t i = 0; i < count; i++) bytes += values[i].size;
  write_head(out, learnt.encoding, count);
  if (count > 0) {
    if (granules_cover(granules, count) && bytes <= TK_MAX_DECODED_BYTES &&
        build_dictionary(&dictionary, values, count) &&
        make_blocks(&blocks, granules, count, repeats(&dictionary, count) ? 0 : bytes)) {
      tk_byte_writer_append_varint(out, blocks.joined);
      learnt.distinct_count = dictionary.count;
      learnt.encoding = write_texts(out, &dictionary, values, count,
                                    &(struct tk_granules){blocks.ends, blocks.count});
      if (!out->failed) out->data[begin] = learnt.encoding;
    } else {
      out->failed = true;
    }
    sqlite3_free(blocks.ends);
    free_dictionary(&dictionary);
  }
  if (summary) *summary = learnt;
}

/* ---- fixed width ---- */

void tk_column_encode_fixed(struct tk_byte_writer *out, const uint8_t *values, uint32_t width,
                            uint32_t count) {
  write_head(out, TK_ENCODING_FIXED, count);
  tk_byte_writer_append_varint(out, width);
  tk_byte_writer_append(out, values, (size_t)width * count);
}
