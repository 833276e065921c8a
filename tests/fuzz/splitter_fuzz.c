/* SPDX-License-Identifier: MIT
 * Any bytes through the splitter: records are in order, within the input, hashed right, and the
 * same however the bytes arrive. The first byte chooses limits and pieces. */
#include <stdlib.h>
#include <string.h>

#include "cli/input/format.h"
#include "cli/input/splitter.h"

#define REQUIRE(condition)     \
  do {                         \
    if (!(condition)) abort(); \
  } while (0)

/* A hash of everything about all records; checks each on the way. */
static uint64_t split(const char *data, size_t size, size_t piece,
                      const struct tk_splitter_options *options) {
  struct tk_byte_source *source;
  struct tk_splitter *splitter;
  struct tk_record record;
  struct tk_hash hash;
  bool found = true;
  uint64_t end = 0, line = 1;
  tk_hash_init(&hash);
  REQUIRE(tk_byte_source_open_memory("fuzz", data, size, piece, &source, NULL) == TK_OK);
  REQUIRE(tk_splitter_create(source, options, &splitter, NULL) == TK_OK);
  tk_splitter_set_keys(splitter, &tk_input_format_find("otlp-json")->split_keys);
  while (tk_splitter_next(splitter, &record, &found, NULL) == TK_OK && found) {
    REQUIRE(record.begin_offset >= end && record.end_offset >= record.begin_offset);
    REQUIRE(record.end_offset <= size && record.line >= line);
    if (record.kind != TK_RECORD_END) {
      REQUIRE(record.begin_offset + record.size <= size);
      REQUIRE(memcmp(record.text, data + record.begin_offset, record.size) == 0);
    }
    end = record.end_offset;
    line = record.line;
    REQUIRE(tk_splitter_offset(splitter) == end);
    REQUIRE(tk_splitter_hash(splitter) == tk_hash64(data, (size_t)end));
    tk_hash_update(&hash, &record.kind, sizeof record.kind);
    tk_hash_update(&hash, &end, sizeof end);
    tk_hash_update(&hash, record.text, record.size);
    if (record.kind == TK_RECORD_FAULT)
      tk_hash_update(&hash, record.message, strlen(record.message));
  }
  tk_splitter_free(splitter);
  tk_byte_source_close(source);
  return tk_hash_digest(&hash);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const size_t line_limits[] = {0, 4, 16, 64};
  static const size_t record_limits[] = {0, 8, 32, 128};
  if (size < 5) return 0;
  const struct tk_splitter_options options = {.line_limit = line_limits[data[0] & 3],
                                              .record_limit = record_limits[data[0] >> 2 & 3]};
  const char *text = (const char *)data + 1;
  /* Compressed input is other input. */
  const bool skippable = (text[0] & 0xF0) == 0x50 && memcmp(text + 1, "\x2A\x4D\x18", 3) == 0;
  if (memcmp(text, "\x28\xB5\x2F\xFD", 4) == 0 || memcmp(text, "\x1F\x8B", 2) == 0) return 0;
  if (skippable) return 0;
  const uint64_t expected = split(text, size - 1, 0, &options);
  REQUIRE(split(text, size - 1, 1 + (data[0] >> 4), &options) == expected);
  return 0;
}
