/* SPDX-License-Identifier: MIT
 * Lists of texts: the layouts PLAIN and FRONT, and the choice between them and TEMPLATE, which is
 * template_codec.c. A block of a list decodes into one allocation of bytes and one of ends. */
#include "store/codec/text_codec.h"

#include <string.h>

#include "store/codec/compression.h"
#include "store/codec/template_codec.h"
#include "store/sqlite_api.h"

enum {
  LARGE_LIST = 1024 * 1024, /* bytes from which on trials are not made in full */
  SAMPLE_BYTES = 256 * 1024 /* of such a list, enough for an estimate */
};

/* ---- blocks of bytes ---- */

void tk_write_blocks(struct tk_byte_writer *out, const struct tk_byte_writer *payload,
                     const uint32_t *ends, uint32_t block_count) {
  for (uint32_t i = 0; i < block_count; i++) {
    tk_byte_writer_append_varint(out, ends[i] - (i ? ends[i - 1] : 0));
  }
  tk_byte_writer_append(out, payload->data, payload->size);
  out->failed |= payload->failed || payload->size > UINT32_MAX;
}

enum tk_status tk_read_blocks(struct tk_byte_reader *reader, uint32_t block_count,
                              const uint8_t **payload, uint32_t **ends, struct tk_error *error) {
  uint64_t end = 0;
  if (block_count > tk_byte_reader_remaining(reader)) {
    return tk_corrupt(error, "block sizes end early");
  }
  uint32_t *read = sqlite3_malloc64((block_count + (sqlite3_uint64)1) * sizeof *read);
  if (!read) return tk_nomem(error);
  *ends = read;
  for (uint32_t i = 0; i < block_count; i++) {
    end += tk_byte_reader_varint_max(reader, tk_byte_reader_remaining(reader));
    if (end > UINT32_MAX) return tk_corrupt(error, "blocks are too large");
    read[i] = (uint32_t)end;
  }
  *payload = tk_byte_reader_bytes(reader, (size_t)end);
  return *payload ? TK_OK : tk_corrupt(error, "blocks end early");
}

/* ---- encoding ---- */

/* Bytes two neighbours have in common at the beginning. */
static uint32_t shared_prefix(struct tk_text a, struct tk_text b) {
  uint32_t limit = a.size < b.size ? a.size : b.size;
  uint32_t shared = 0;
  while (shared < limit && a.data[shared] == b.data[shared]) shared++;
  return shared;
}

/* PLAIN and FRONT differ only in what of each text is written. */
struct list_encoder {
  const struct tk_text *texts;
  const struct tk_granules *blocks;
  int64_t *lengths;
  int64_t *shared;
  uint32_t *ends;
};

static void split_texts(const struct list_encoder *encoder, bool front) {
  for (uint32_t block = 0, i = 0; block < encoder->blocks->count; block++) {
    for (uint32_t begin = i; i < encoder->blocks->ends[block]; i++) {
      uint32_t shared =
          front && i > begin ? shared_prefix(encoder->texts[i - 1], encoder->texts[i]) : 0;
      encoder->shared[i] = shared;
      encoder->lengths[i] = (int64_t)encoder->texts[i].size - shared;
    }
  }
}

static void pack_texts(const struct list_encoder *encoder, struct tk_byte_writer *payload) {
  struct tk_byte_writer joined = {0};
  for (uint32_t block = 0, i = 0; block < encoder->blocks->count; block++) {
    joined.size = 0;
    for (; i < encoder->blocks->ends[block]; i++) {
      if (encoder->lengths[i] == 0) continue;
      tk_byte_writer_append(&joined, encoder->texts[i].data + encoder->shared[i],
                            (size_t)encoder->lengths[i]);
    }
    if (!joined.failed) tk_pack_bytes(payload, joined.data, joined.size, TK_LEVEL_TEXT);
    encoder->ends[block] = (uint32_t)payload->size;
  }
  payload->failed |= joined.failed || payload->size > UINT32_MAX;
  tk_byte_writer_reset(&joined);
}

static void encode_bytes(struct tk_byte_writer *out, const struct tk_text *texts,
                         const struct tk_granules *blocks, bool front) {
  uint32_t count = blocks->count ? blocks->ends[blocks->count - 1] : 0;
  struct list_encoder encoder = {.texts = texts, .blocks = blocks};
  struct tk_byte_writer payload = {0};

  encoder.lengths = sqlite3_malloc64((count + (sqlite3_uint64)1) * sizeof *encoder.lengths);
  encoder.shared = sqlite3_malloc64((count + (sqlite3_uint64)1) * sizeof *encoder.shared);
  encoder.ends = sqlite3_malloc64((blocks->count + (sqlite3_uint64)1) * sizeof *encoder.ends);
  if (!encoder.lengths || !encoder.shared || !encoder.ends) {
    out->failed = true;
    goto done;
  }
  split_texts(&encoder, front);
  pack_texts(&encoder, &payload);
  tk_byte_writer_append_u8(out, front ? TK_TEXT_FRONT : TK_TEXT_PLAIN);
  tk_int_stream_encode(out, encoder.lengths, blocks);
  if (front) tk_int_stream_encode(out, encoder.shared, blocks);
  tk_write_blocks(out, &payload, encoder.ends, blocks->count);

done:
  sqlite3_free(encoder.lengths);
  sqlite3_free(encoder.shared);
  sqlite3_free(encoder.ends);
  tk_byte_writer_reset(&payload);
}

static uint64_t total_size(const struct tk_text *texts, uint32_t count) {
  uint64_t size = 0;
  for (uint32_t i = 0; i < count; i++) size += texts[i].size;
  return size;
}

/* Size of the list without templates, in bytes: estimated from a few blocks in the middle. */
static uint64_t estimate_bytes(const struct tk_text *texts, const struct tk_granules *blocks,
                               uint64_t size, bool *failed) {
  struct tk_byte_writer trial = {0};
  uint32_t block = blocks->count / 2;
  uint32_t begin = block ? blocks->ends[block - 1] : 0;
  uint32_t end = begin;
  uint64_t sampled = 0;
  for (; sampled < SAMPLE_BYTES && block < blocks->count; block++) {
    sampled += total_size(texts + end, blocks->ends[block] - end);
    end = blocks->ends[block];
  }
  uint32_t count = end - begin;
  encode_bytes(&trial, texts + begin, &(struct tk_granules){&count, 1}, false);
  *failed |= trial.failed;
  uint64_t estimate = sampled ? trial.size * size / sampled : trial.size;
  tk_byte_writer_reset(&trial);
  return estimate;
}

void tk_text_list_encode(struct tk_byte_writer *out, const struct tk_text *texts,
                         const struct tk_granules *blocks, bool sorted) {
  struct tk_byte_writer bytes = {0};
  struct tk_byte_writer templates = {0};
  uint64_t size = total_size(texts, blocks->count ? blocks->ends[blocks->count - 1] : 0);
  bool use_templates = tk_template_list_encode(&templates, texts, blocks);
  bool certain = false; /* that a trial in full would tell nothing new */
  if (use_templates && size > LARGE_LIST) {
    uint64_t estimate = estimate_bytes(texts, blocks, size, &bytes.failed);
    certain = templates.size < estimate - estimate / 8;
  }
  if (!certain) {
    encode_bytes(&bytes, texts, blocks, sorted);
    use_templates &= templates.size < bytes.size;
  }
  const struct tk_byte_writer *smaller = use_templates ? &templates : &bytes;
  out->failed |= bytes.failed || templates.failed;
  tk_byte_writer_append(out, smaller->data, smaller->size);
  tk_byte_writer_reset(&bytes);
  tk_byte_writer_reset(&templates);
}

/* ---- decoding ---- */

enum tk_status tk_text_list_open(struct tk_text_list *list, struct tk_byte_reader *reader,
                                 uint32_t block_count, struct tk_error *error) {
  struct tk_text_list opened = {.block_count = block_count};
  enum tk_status status = TK_OK;
  uint8_t layout = tk_byte_reader_u8(reader);

  *list = (struct tk_text_list){0};
  if (layout == 0 || layout >= TK_TEXT_LAYOUTS) {
    return tk_corrupt(error, "unknown text layout %u", layout);
  }
  opened.layout = (enum tk_text_layout)layout;
  if (opened.layout == TK_TEXT_TEMPLATE) {
    status =
        tk_template_list_open(&opened.templates, reader, block_count, &opened.memory_bytes, error);
  } else {
    status = tk_int_stream_open(&opened.lengths, reader, block_count, error);
    if (status == TK_OK && opened.layout == TK_TEXT_FRONT) {
      status = tk_int_stream_open(&opened.shared, reader, block_count, error);
    }
    if (status == TK_OK) {
      status = tk_read_blocks(reader, block_count, &opened.payload, &opened.block_ends, error);
    }
    opened.memory_bytes = opened.lengths.memory_bytes + opened.shared.memory_bytes +
                          (block_count + (size_t)1) * sizeof *opened.block_ends;
  }
  if (status == TK_OK) {
    *list = opened;
    opened = (struct tk_text_list){0};
  }
  tk_text_list_close(&opened);
  return status;
}

void tk_text_list_close(struct tk_text_list *list) {
  tk_int_stream_close(&list->lengths);
  tk_int_stream_close(&list->shared);
  sqlite3_free(list->block_ends);
  tk_template_list_close(list->templates);
  *list = (struct tk_text_list){0};
}

void tk_text_block_reset(struct tk_text_block *block) {
  sqlite3_free(block->bytes);
  sqlite3_free(block->ends);
  *block = (struct tk_text_block){0};
}

/* Sum of `count` values if it stays within `limit`; else UINT64_MAX. */
static uint64_t bounded_sum(const uint64_t *values, uint32_t count, uint64_t limit) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (values[i] > limit - sum) return UINT64_MAX;
    sum += values[i];
  }
  return sum;
}

static enum tk_status unpack_block(const struct tk_text_list *list, uint32_t block, uint8_t *bytes,
                                   size_t size, struct tk_error *error) {
  struct tk_byte_reader reader;
  uint32_t begin = block ? list->block_ends[block - 1] : 0;
  tk_byte_reader_init(&reader, list->payload + begin, list->block_ends[block] - begin);
  enum tk_status status = tk_unpack_bytes(&reader, bytes, size, error);
  if (status == TK_OK && !tk_byte_reader_finished(&reader)) {
    status = tk_corrupt(error, "text block has a wrong size");
  }
  return status;
}

static enum tk_status decode_plain(const struct tk_text_list *list, uint32_t block, uint32_t count,
                                   size_t limit, uint64_t *lengths, struct tk_text_block *decoded,
                                   struct tk_error *error) {
  enum tk_status status = tk_int_stream_decode(&list->lengths, block, count, lengths, error);
  if (status != TK_OK) return status;
  uint64_t size = bounded_sum(lengths, count, limit);
  if (size == UINT64_MAX) return tk_corrupt(error, "texts are too long");
  decoded->bytes = sqlite3_malloc64(size + 1);
  if (!decoded->bytes) return tk_nomem(error);
  decoded->size = (size_t)size;
  for (uint32_t i = 0, end = 0; i < count; i++) decoded->ends[i] = end += (uint32_t)lengths[i];
  return unpack_block(list, block, decoded->bytes, decoded->size, error);
}

static enum tk_status join_front(const uint64_t *lengths, const uint64_t *shared, uint32_t count,
                                 const uint8_t *suffixes, struct tk_text_block *decoded,
                                 struct tk_error *error) {
  uint64_t previous_size = 0;
  uint8_t *at = decoded->bytes;
  for (uint32_t i = 0; i < count; i++) {
    if (shared[i] > previous_size) return tk_corrupt(error, "bad shared prefix");
    if (shared[i]) memcpy(at, at - previous_size, (size_t)shared[i]);
    if (lengths[i]) memcpy(at + shared[i], suffixes, (size_t)lengths[i]);
    suffixes += lengths[i];
    previous_size = shared[i] + lengths[i];
    at += previous_size;
    decoded->ends[i] = (uint32_t)(at - decoded->bytes);
  }
  return TK_OK;
}

/* `lengths` has room for twice `count`: the second half is for the shared lengths. */
static enum tk_status decode_front(const struct tk_text_list *list, uint32_t block, uint32_t count,
                                   size_t limit, uint64_t *lengths, struct tk_text_block *decoded,
                                   struct tk_error *error) {
  uint64_t *shared = lengths + count;
  uint8_t *suffixes = NULL;
  enum tk_status status = tk_int_stream_decode(&list->lengths, block, count, lengths, error);
  if (status != TK_OK) return status;
  status = tk_int_stream_decode(&list->shared, block, count, shared, error);
  if (status != TK_OK) return status;
  uint64_t suffix_size = bounded_sum(lengths, count, limit);
  uint64_t size = bounded_sum(lengths, 2 * count, limit);
  if (size == UINT64_MAX) return tk_corrupt(error, "texts are too long");

  suffixes = sqlite3_malloc64(suffix_size + 1);
  decoded->bytes = sqlite3_malloc64(size + 1);
  decoded->size = (size_t)size;
  if (!suffixes || !decoded->bytes) status = tk_nomem(error);
  if (status == TK_OK) {
    status = unpack_block(list, block, suffixes, (size_t)suffix_size, error);
  }
  if (status == TK_OK) status = join_front(lengths, shared, count, suffixes, decoded, error);
  sqlite3_free(suffixes);
  return status;
}

enum tk_status tk_text_list_decode(const struct tk_text_list *list, uint32_t block, uint32_t count,
                                   size_t limit, struct tk_text_block *decoded,
                                   struct tk_error *error) {
  struct tk_text_block built = {0};
  enum tk_status status = TK_NOMEM;
  uint64_t *lengths = NULL;

  *decoded = built;
  if (block >= list->block_count) return tk_corrupt(error, "no block %u", block);
  if (limit > UINT32_MAX) limit = UINT32_MAX;
  built.ends = sqlite3_malloc64((count + (sqlite3_uint64)1) * sizeof *built.ends);
  if (!built.ends) return tk_nomem(error);
  if (list->layout == TK_TEXT_TEMPLATE) {
    status = tk_template_list_decode(list->templates, block, count, limit, &built, error);
  } else {
    lengths = sqlite3_malloc64((count + (sqlite3_uint64)1) * 2 * sizeof *lengths);
    if (!lengths) {
      status = tk_nomem(error);
    } else if (list->layout == TK_TEXT_FRONT) {
      status = decode_front(list, block, count, limit, lengths, &built, error);
    } else {
      status = decode_plain(list, block, count, limit, lengths, &built, error);
    }
  }
  sqlite3_free(lengths);
  if (status == TK_OK) {
    *decoded = built;
  } else {
    tk_text_block_reset(&built);
  }
  return status;
}
