/* SPDX-License-Identifier: MIT
 * Chunks to values: opening, and decoding granule by granule. Granules are stored joined into
 * blocks, so decoding one may make its neighbours readable too. */
#include "store/codec/column_codec.h"

#include <string.h>

#include "store/codec/column_format.h"
#include "store/codec/int_codec.h"
#include "store/codec/text_codec.h"
#include "store/sqlite_api.h"

struct tk_column_state {
  uint32_t *granule_ends;
  uint32_t granule_count;
  uint32_t joined; /* granules a block */
  uint32_t block_count;
  struct tk_int_stream stream;       /* INT: values; dictionary: codes */
  struct tk_int_range range;         /* of these */
  struct tk_text_list list;          /* texts without a dictionary */
  struct tk_text_block *text_blocks; /* decoded ones of `list` */
  size_t decoded_bytes;              /* of texts, dictionary included */
};

/* ---- opening ---- */

static void *allocate(struct tk_column *column, uint64_t count, size_t size) {
  uint64_t bytes = count * size;
  void *memory = sqlite3_malloc64(bytes ? bytes : 1);
  if (memory) column->memory_bytes += (size_t)bytes;
  return memory;
}

static enum tk_status copy_granules(struct tk_column *column, const struct tk_granules *granules,
                                    struct tk_error *error) {
  struct tk_column_state *state = column->state;
  uint32_t end = 0;
  for (uint32_t i = 0; i < granules->count; i++) {
    if (granules->ends[i] < end) return tk_corrupt(error, "granules are not ascending");
    end = granules->ends[i];
  }
  if (end != column->value_count) {
    return tk_corrupt(error, "expected granules of %u values, found %u", column->value_count, end);
  }
  state->granule_count = granules->count;
  state->granule_ends = allocate(column, granules->count, sizeof *state->granule_ends);
  size_t words = (granules->count + (size_t)63) / 64;
  column->decoded_granules = allocate(column, words, sizeof *column->decoded_granules);
  if (!state->granule_ends || !column->decoded_granules) return tk_nomem(error);
  if (granules->count) {
    memcpy(state->granule_ends, granules->ends, granules->count * sizeof *granules->ends);
  }
  memset(column->decoded_granules, 0, words * sizeof *column->decoded_granules);
  return TK_OK;
}

static enum tk_status read_blocks(struct tk_column *column, struct tk_byte_reader *reader,
                                  struct tk_error *error) {
  struct tk_column_state *state = column->state;
  uint64_t joined = tk_byte_reader_varint_max(reader, state->granule_count);
  if (joined == 0) return tk_corrupt(error, "bad number of granules in a block");
  state->joined = (uint32_t)joined;
  state->block_count = tk_block_count(state->granule_count, state->joined);
  return TK_OK;
}

/* As many as the column has values, of the range in the state. */
static enum tk_status allocate_ints(struct tk_column *column, struct tk_ints *ints,
                                    struct tk_error *error) {
  struct tk_ints made = tk_ints_of_range(column->state->range);
  if (made.width > 0) made.values = allocate(column, column->value_count, made.width);
  if (made.width > 0 && !made.values) return tk_nomem(error);
  *ints = made;
  return TK_OK;
}

static enum tk_status open_ints(struct tk_column *column, struct tk_byte_reader *reader,
                                struct tk_error *error) {
  struct tk_column_state *state = column->state;
  enum tk_status status = tk_int_stream_open(&state->stream, reader, state->block_count, error);
  if (status != TK_OK) return status;
  if (column->encoding != (TK_ENCODING_INT | state->stream.layout)) {
    return tk_corrupt(error, "encoding and layout disagree");
  }
  column->memory_bytes += state->stream.memory_bytes;
  return allocate_ints(column, &column->ints, error);
}

static enum tk_status check_dictionary(const struct tk_column *column, struct tk_error *error) {
  for (uint32_t i = 1; i < column->dictionary_count; i++) {
    struct tk_text a = tk_column_dictionary_entry(column, i - 1);
    struct tk_text b = tk_column_dictionary_entry(column, i);
    uint32_t shared = a.size < b.size ? a.size : b.size;
    int order = shared ? memcmp(a.data, b.data, shared) : 0;
    if (order > 0 || (order == 0 && a.size >= b.size)) {
      return tk_corrupt(error, "dictionary entry %u is out of order", i);
    }
  }
  return TK_OK;
}

static enum tk_status read_dictionary(struct tk_column *column, struct tk_byte_reader *reader,
                                      struct tk_error *error) {
  struct tk_text_list list = {0};
  struct tk_text_block entries = {0};
  uint32_t count = (uint32_t)tk_byte_reader_varint_max(reader, column->value_count);

  if (count == 0) return tk_corrupt(error, "bad number of dictionary entries");
  enum tk_status status = tk_text_list_open(&list, reader, 1, error);
  if (status != TK_OK) return status;
  status = tk_text_list_decode(&list, 0, count, TK_MAX_DECODED_BYTES, &entries, error);
  tk_text_list_close(&list);
  if (status != TK_OK) return status;
  column->has_dictionary = true;
  column->dictionary_count = count;
  column->dictionary_bytes = entries.bytes;
  column->dictionary_ends = entries.ends;
  column->state->decoded_bytes += entries.size;
  column->memory_bytes += entries.size + count * sizeof *entries.ends;
  return check_dictionary(column, error);
}

static enum tk_status open_dictionary(struct tk_column *column, struct tk_byte_reader *reader,
                                      struct tk_error *error) {
  struct tk_column_state *state = column->state;
  enum tk_status status = read_dictionary(column, reader, error);
  if (status != TK_OK) return status;
  status = tk_int_stream_open(&state->stream, reader, state->block_count, error);
  if (status != TK_OK) return status;
  column->memory_bytes += state->stream.memory_bytes;
  state->range = (struct tk_int_range){0, (int64_t)column->dictionary_count - 1};
  return allocate_ints(column, &column->codes, error);
}

static enum tk_status open_list(struct tk_column *column, struct tk_byte_reader *reader,
                                struct tk_error *error) {
  struct tk_column_state *state = column->state;
  enum tk_status status = tk_text_list_open(&state->list, reader, state->block_count, error);
  if (status != TK_OK) return status;
  if (column->encoding != (TK_ENCODING_TEXT | state->list.layout)) {
    return tk_corrupt(error, "encoding and layout disagree");
  }
  column->memory_bytes += state->list.memory_bytes;
  column->texts = allocate(column, column->value_count, sizeof *column->texts);
  state->text_blocks = allocate(column, state->block_count, sizeof *state->text_blocks);
  if (state->text_blocks) {
    memset(state->text_blocks, 0, state->block_count * sizeof *state->text_blocks);
  }
  return column->texts && state->text_blocks ? TK_OK : tk_nomem(error);
}

static enum tk_status open_fixed(struct tk_column *column, struct tk_byte_reader *reader,
                                 struct tk_error *error) {
  column->width = (uint32_t)tk_byte_reader_varint_max(reader, UINT32_MAX);
  uint64_t size = (uint64_t)column->width * column->value_count;
  if (size > TK_MAX_DECODED_BYTES) return tk_corrupt(error, "values are too wide");
  column->fixed = tk_byte_reader_bytes(reader, (size_t)size);
  if (!column->fixed) return tk_corrupt(error, "values end early");
  for (uint32_t i = 0; i < column->state->granule_count; i++) {
    column->decoded_granules[i / 64] |= (uint64_t)1 << (i % 64);
  }
  return TK_OK;
}

static enum tk_column_kind kind_of(uint8_t encoding) {
  return (enum tk_column_kind)(encoding >> 4);
}

static enum tk_status read_head(struct tk_column *column, struct tk_byte_reader *reader,
                                enum tk_column_kind expected_kind, uint32_t expected_count,
                                struct tk_error *error) {
  column->encoding = tk_byte_reader_u8(reader);
  uint64_t count = tk_byte_reader_varint(reader);
  column->kind = expected_kind;
  if (reader->failed) return tk_corrupt(error, "chunk ends early");
  if (kind_of(column->encoding) != expected_kind) {
    return tk_corrupt(error, "expected a column of kind %d, found encoding 0x%02x",
                      (int)expected_kind, column->encoding);
  }
  if (count != expected_count || count > TK_MAX_COLUMN_VALUES) {
    return tk_corrupt(error, "expected %u values, found %llu", expected_count,
                      (unsigned long long)count);
  }
  column->value_count = (uint32_t)count;
  return TK_OK;
}

static enum tk_status open_body(struct tk_column *column, struct tk_byte_reader *reader,
                                struct tk_error *error) {
  if (column->kind == TK_COLUMN_FIXED) return open_fixed(column, reader, error);
  if (column->value_count == 0) return TK_OK;
  enum tk_status status = read_blocks(column, reader, error);
  if (status != TK_OK) return status;
  if (column->kind == TK_COLUMN_INT) return open_ints(column, reader, error);
  if (column->encoding == TK_ENCODING_DICTIONARY) return open_dictionary(column, reader, error);
  return open_list(column, reader, error);
}

enum tk_status tk_column_open(struct tk_column *column, const uint8_t *chunk, size_t chunk_size,
                              enum tk_column_kind expected_kind, uint32_t expected_count,
                              const struct tk_granules *granules, const struct tk_int_range *range,
                              struct tk_error *error) {
  static const struct tk_granules no_granules = {0};
  static const struct tk_int_range any = {INT64_MIN, INT64_MAX};
  struct tk_column opened = {0};
  struct tk_byte_reader reader;
  enum tk_status status;

  *column = opened;
  tk_byte_reader_init(&reader, chunk, chunk_size);
  opened.state = allocate(&opened, 1, sizeof *opened.state);
  if (!opened.state) return tk_nomem(error);
  *opened.state = (struct tk_column_state){.range = range ? *range : any};
  status = read_head(&opened, &reader, expected_kind, expected_count, error);
  if (status != TK_OK) goto done;
  status = copy_granules(&opened, granules ? granules : &no_granules, error);
  if (status != TK_OK) goto done;
  if ((status = open_body(&opened, &reader, error)) != TK_OK) goto done;
  if (!tk_byte_reader_finished(&reader)) {
    status = tk_corrupt(error, "chunk has a wrong size");
    goto done;
  }
  *column = opened;
  opened = (struct tk_column){0};

done:
  tk_column_close(&opened);
  return status;
}

void tk_column_close(struct tk_column *column) {
  struct tk_column_state *state = column->state;
  if (state) {
    for (uint32_t i = 0; state->text_blocks && i < state->block_count; i++) {
      tk_text_block_reset(&state->text_blocks[i]);
    }
    sqlite3_free(state->text_blocks);
    sqlite3_free(state->granule_ends);
    tk_int_stream_close(&state->stream);
    tk_text_list_close(&state->list);
    sqlite3_free(state);
  }
  sqlite3_free(column->ints.values);
  sqlite3_free(column->codes.values);
  sqlite3_free(column->texts);
  sqlite3_free(column->dictionary_ends);
  sqlite3_free(column->dictionary_bytes);
  sqlite3_free(column->decoded_granules);
  *column = (struct tk_column){0};
}

/* ---- decoding ---- */

static enum tk_status decode_texts(struct tk_column *column, uint32_t block, uint32_t begin,
                                   uint32_t count, struct tk_error *error) {
  struct tk_column_state *state = column->state;
  struct tk_text_block *decoded = &state->text_blocks[block];
  enum tk_status status = tk_text_list_decode(
      &state->list, block, count, TK_MAX_DECODED_BYTES - state->decoded_bytes, decoded, error);
  if (status != TK_OK) return status;
  state->decoded_bytes += decoded->size;
  column->memory_bytes += decoded->size + count * sizeof *decoded->ends;
  for (uint32_t i = 0, from = 0; i < count; i++) {
    column->texts[begin + i].data = (const char *)decoded->bytes + from;
    column->texts[begin + i].size = decoded->ends[i] - from;
    from = decoded->ends[i];
  }
  return TK_OK;
}

static bool is_decoded(const struct tk_column *column, uint32_t granule) {
  return column->decoded_granules[granule / 64] >> (granule % 64) & 1;
}

static enum tk_status decode_block(struct tk_column *column, uint32_t block,
                                   struct tk_error *error) {
  struct tk_column_state *state = column->state;
  uint32_t first = block * state->joined;
  uint32_t last = first + (state->joined - 1 < state->granule_count - first - 1
                               ? state->joined - 1
                               : state->granule_count - first - 1);
  uint32_t begin = first ? state->granule_ends[first - 1] : 0;
  uint32_t count = state->granule_ends[last] - begin;
  enum tk_status status = TK_OK;

  if (count > 0 && column->kind == TK_COLUMN_INT) {
    status = tk_int_stream_decode_to(&state->stream, block, count, &column->ints, state->range,
                                     begin, "a value is out of range", error);
  } else if (count > 0 && column->has_dictionary) {
    status = tk_int_stream_decode_to(&state->stream, block, count, &column->codes, state->range,
                                     begin, "code without an entry", error);
  } else if (count > 0) {
    status = decode_texts(column, block, begin, count, error);
  }
  for (uint32_t i = first; status == TK_OK && i <= last; i++) {
    column->decoded_granules[i / 64] |= (uint64_t)1 << (i % 64);
  }
  return status;
}

enum tk_status tk_column_decode_granule(struct tk_column *column, uint32_t granule,
                                        struct tk_error *error) {
  if (!column->state || granule >= column->state->granule_count) {
    return tk_fail(error, TK_INVALID, "no granule %u", granule);
  }
  if (column->value_count == 0 || is_decoded(column, granule)) return TK_OK;
  return decode_block(column, granule / column->state->joined, error);
}

enum tk_status tk_column_decode_all(struct tk_column *column, struct tk_error *error) {
  enum tk_status status = TK_OK;
  uint32_t count = column->state ? column->state->granule_count : 0;
  for (uint32_t i = 0; status == TK_OK && i < count; i++) {
    status = tk_column_decode_granule(column, i, error);
  }
  return status;
}

bool tk_column_release_chunk(struct tk_column *column) {
  struct tk_column_state *state = column->state;
  if (!state || column->kind == TK_COLUMN_FIXED) return false;
  for (uint32_t i = 0; i < state->granule_count; i++) {
    if (!is_decoded(column, i)) return false;
  }
  column->memory_bytes -= state->stream.memory_bytes + state->list.memory_bytes;
  tk_int_stream_close(&state->stream);
  tk_text_list_close(&state->list);
  return true;
}

uint32_t tk_column_find_code(const struct tk_column *column, struct tk_text text) {
  uint32_t low = 0;
  uint32_t high = column->dictionary_count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    struct tk_text entry = tk_column_dictionary_entry(column, middle);
    uint32_t shared = entry.size < text.size ? entry.size : text.size;
    int order = shared ? memcmp(entry.data, text.data, shared) : 0;
    if (order == 0) order = (entry.size > text.size) - (entry.size < text.size);
    if (order == 0) return middle;
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return UINT32_MAX;
}
