/* SPDX-License-Identifier: MIT
 * Column encodings: decodes arbitrary chunks, and sends arbitrary values through a chunk and back.
 *
 * Input: mode (0 to 2: a chunk of kind mode + 1; 3 integers, 4 texts), u16 number of values (of a
 * chunk), granule size / 16, and then the chunk, or 8 bytes an integer, or a length byte a text. */
#include <stdlib.h>
#include <string.h>

#include "store/codec/column_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MODE_INTS = 3, MODE_TEXTS = 4, HEAD_SIZE = 4, GRANULES_MAX = 4100 };

static uint32_t granule_ends[GRANULES_MAX];

static struct tk_granules make_granules(uint32_t count, uint8_t size) {
  struct tk_granules granules = {.ends = granule_ends};
  uint32_t step = 16 * (size + 1u);
  for (uint32_t end = 0; end < count; granules.count++) {
    end = count - end < step ? count : end + step;
    granule_ends[granules.count] = end;
  }
  return granules;
}

static void require(int condition) {
  if (!condition) abort();
}

static uint64_t read_all(const struct tk_column *column) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < column->value_count; i++) {
    if (column->kind == TK_COLUMN_INT) {
      sum += (uint64_t)tk_ints_at(column->ints, i);
    } else if (column->kind == TK_COLUMN_TEXT) {
      struct tk_text text = tk_column_text(column, i);
      if (text.size) sum += (uint8_t)text.data[0] + (uint8_t)text.data[text.size - 1];
    }
  }
  return sum;
}

static void decode(const uint8_t *chunk, size_t size, enum tk_column_kind kind, uint32_t count,
                   const struct tk_granules *granules) {
  struct tk_column column;
  struct tk_error error = {{0}};
  enum tk_status status = tk_column_open(&column, chunk, size, kind, count, granules, NULL, &error);
  if (status == TK_OK) status = tk_column_decode_all(&column, &error);
  if (status == TK_OK) {
    volatile uint64_t sum = read_all(&column);
    (void)sum;
  }
  require(status == TK_OK || status == TK_NOMEM || status == TK_CORRUPT);
  require(status == TK_OK || error.message[0]);
  tk_column_close(&column);
}

static void round_trip(const int64_t *ints, const struct tk_text *texts, uint32_t count,
                       const struct tk_granules *granules) {
  struct tk_byte_writer chunks[2] = {{0}, {0}};
  struct tk_column column;
  for (int i = 0; i < 2; i++) {
    if (ints) {
      tk_column_encode_ints(&chunks[i], ints, count, granules, NULL);
    } else {
      tk_column_encode_texts(&chunks[i], texts, count, granules, NULL);
    }
    require(!chunks[i].failed);
  }
  require(chunks[0].size == chunks[1].size &&
          memcmp(chunks[0].data, chunks[1].data, chunks[0].size) == 0);
  require(tk_column_open(&column, chunks[0].data, chunks[0].size,
                         ints ? TK_COLUMN_INT : TK_COLUMN_TEXT, count, granules, NULL,
                         NULL) == TK_OK);
  require(tk_column_decode_all(&column, NULL) == TK_OK);
  for (uint32_t i = 0; i < count; i++) {
    if (ints) {
      require(tk_ints_at(column.ints, i) == ints[i]);
      continue;
    }
    struct tk_text text = tk_column_text(&column, i);
    require(text.size == texts[i].size &&
            (!text.size || memcmp(text.data, texts[i].data, text.size) == 0));
  }
  tk_column_close(&column);
  tk_byte_writer_reset(&chunks[0]);
  tk_byte_writer_reset(&chunks[1]);
}

static void round_trip_ints(const uint8_t *data, size_t size, uint8_t granule_size) {
  static int64_t values[4096];
  uint32_t count = 0;
  for (; count < 4096 && size - 8 * (size_t)count >= 8; count++) {
    memcpy(&values[count], data + 8 * (size_t)count, 8);
  }
  struct tk_granules granules = make_granules(count, granule_size);
  round_trip(values, NULL, count, &granules);
}

static void round_trip_texts(const uint8_t *data, size_t size, uint8_t granule_size) {
  static struct tk_text values[4096];
  uint32_t count = 0;
  for (size_t at = 0; at < size && count < 4096; count++) {
    size_t length = data[at++];
    if (length > size - at) length = size - at;
    values[count] = (struct tk_text){(const char *)data + at, (uint32_t)length};
    at += length;
  }
  struct tk_granules granules = make_granules(count, granule_size);
  round_trip(NULL, values, count, &granules);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < HEAD_SIZE || data[0] > MODE_TEXTS) return 0;
  uint32_t count = data[1] | (uint32_t)data[2] << 8;
  if (data[0] == MODE_INTS) {
    round_trip_ints(data + HEAD_SIZE, size - HEAD_SIZE, data[3]);
  } else if (data[0] == MODE_TEXTS) {
    round_trip_texts(data + HEAD_SIZE, size - HEAD_SIZE, data[3]);
  } else {
    struct tk_granules granules = make_granules(count, data[3]);
    decode(data + HEAD_SIZE, size - HEAD_SIZE, (enum tk_column_kind)(data[0] + 1), count,
           &granules);
  }
  return 0;
}
