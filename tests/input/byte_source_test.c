/* SPDX-License-Identifier: MIT
 * Plain, zstd and gzip streams: whole, concatenated, cut, damaged. */
#include "cli/input/byte_source.h"

#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>
#ifdef TK_HAVE_ZLIB
#include <zlib.h>
#endif

#include "tests/support/check.h"
#include "tests/support/fault_memory.h"

enum { SAMPLE_SIZE = 300000, BUFFER_SIZE = 1 << 20 };

static char sample[SAMPLE_SIZE];
static char encoded[BUFFER_SIZE];
static char decoded[BUFFER_SIZE];

static void make_sample(void) {
  uint32_t state = 1;
  for (size_t i = 0; i < sizeof sample; i++) {
    state = state * 1664525 + 1013904223;
    sample[i] = (char)('a' + (state >> 28));
  }
}

struct outcome {
  enum tk_status status;
  size_t size;
  bool truncated;
  enum tk_compression compression;
  struct tk_error error;
};

static struct outcome read_all(const char *bytes, size_t size, size_t piece, size_t capacity) {
  struct outcome outcome = {.status = TK_OK};
  struct tk_byte_source *source;
  outcome.status =
      tk_byte_source_open_memory("memory", bytes, size, piece, &source, &outcome.error);
  if (outcome.status != TK_OK) return outcome;
  for (;;) {
    size_t got;
    size_t room = sizeof decoded - outcome.size;
    if (capacity && room > capacity) room = capacity;
    outcome.status =
        tk_byte_source_read(source, decoded + outcome.size, room, &got, &outcome.error);
    outcome.size += got;
    if (outcome.status != TK_OK || got == 0) break;
  }
  outcome.truncated = tk_byte_source_truncated(source);
  outcome.compression = tk_byte_source_compression(source);
  if (outcome.status == TK_OK) CHECK(tk_byte_source_position(source) == size);
  CHECK(tk_byte_source_size(source) == size);
  tk_byte_source_close(source);
  return outcome;
}

static void check_whole(size_t size, enum tk_compression compression) {
  static const size_t pieces[] = {0, 1, 4096};
  for (size_t i = 0; i < 3; i++) {
    const struct outcome outcome = read_all(encoded, size, pieces[i], i == 1 ? 999 : 0);
    CHECK(outcome.status == TK_OK && !outcome.truncated && outcome.compression == compression);
    CHECK(outcome.size == sizeof sample && memcmp(decoded, sample, sizeof sample) == 0);
  }
}

static size_t add_zstd(size_t at, size_t begin, size_t end) {
  return at + ZSTD_compress(encoded + at, sizeof encoded - at, sample + begin, end - begin, 1);
}

static void plain_bytes_pass_through(void) {
  memcpy(encoded, sample, sizeof sample);
  check_whole(sizeof sample, TK_COMPRESSION_NONE);
  for (size_t size = 0; size < 6; size++) {
    const struct outcome outcome = read_all(sample, size, 1, 0);
    CHECK(outcome.status == TK_OK && outcome.size == size && !outcome.truncated);
  }
}

static void zstd_frames_are_one_stream(void) {
  check_whole(add_zstd(0, 0, sizeof sample), TK_COMPRESSION_ZSTD);
  size_t size = add_zstd(0, 0, 1000);
  size = add_zstd(size, 1000, 1000);
  size = add_zstd(size, 1000, sizeof sample);
  check_whole(size, TK_COMPRESSION_ZSTD);
}

static void a_skippable_zstd_frame_may_come_first(void) {
  memcpy(encoded, "\x5A\x2A\x4D\x18\x03\0\0\0abc", 11);
  check_whole(add_zstd(11, 0, sizeof sample), TK_COMPRESSION_ZSTD);
}

static void a_cut_zstd_frame_gives_what_is_there(void) {
  const size_t first = add_zstd(0, 0, 200000);
  const size_t size = add_zstd(first, 200000, sizeof sample);
  for (size_t cut = first + 1; cut < size; cut += 997) {
    const struct outcome outcome = read_all(encoded, cut, 0, 0);
    CHECK(outcome.status == TK_OK && outcome.truncated && outcome.size >= 200000);
    CHECK(memcmp(decoded, sample, outcome.size) == 0);
  }
  CHECK(!read_all(encoded, first, 0, 0).truncated);
}

static void damaged_zstd_is_corrupt_and_says_where(void) {
  const size_t size = add_zstd(0, 0, 1000);
  memcpy(encoded + size, "garbage behind it", 17);
  const struct outcome outcome = read_all(encoded, size + 17, 0, 0);
  CHECK(outcome.status == TK_CORRUPT && outcome.size == 1000);
  CHECK(strstr(outcome.error.message, "memory: byte "));
}

#ifdef TK_HAVE_ZLIB
static size_t add_gzip(size_t at, size_t begin, size_t end) {
  z_stream stream = {0};
  if (deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) abort();
  stream.next_in = (Bytef *)sample + begin;
  stream.avail_in = (uInt)(end - begin);
  stream.next_out = (Bytef *)encoded + at;
  stream.avail_out = (uInt)(sizeof encoded - at);
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) abort();
  const size_t size = stream.total_out;
  deflateEnd(&stream);
  return at + size;
}

static void gzip_members_are_one_stream(void) {
  check_whole(add_gzip(0, 0, sizeof sample), TK_COMPRESSION_GZIP);
  size_t size = add_gzip(0, 0, 1000);
  size = add_gzip(size, 1000, 1000);
  size = add_gzip(size, 1000, sizeof sample);
  check_whole(size, TK_COMPRESSION_GZIP);
  memset(encoded + size, 0, 512);
  check_whole(size + 512, TK_COMPRESSION_GZIP);
}

static void a_cut_gzip_member_gives_what_is_there(void) {
  const size_t first = add_gzip(0, 0, 200000);
  const size_t size = add_gzip(first, 200000, sizeof sample);
  for (size_t cut = first + 1; cut < size; cut += 997) {
    const struct outcome outcome = read_all(encoded, cut, 0, 0);
    CHECK(outcome.status == TK_OK && outcome.truncated && outcome.size >= 200000);
    CHECK(memcmp(decoded, sample, outcome.size) == 0);
  }
  CHECK(!read_all(encoded, first, 0, 0).truncated);
}

static void damaged_gzip_is_corrupt_and_says_where(void) {
  const size_t size = add_gzip(0, 0, 5000);
  encoded[size - 6] ^= 1; /* of the checksum */
  const struct outcome outcome = read_all(encoded, size, 0, 0);
  CHECK(outcome.status == TK_CORRUPT && strstr(outcome.error.message, "memory: byte "));
}
#endif

static void a_stream_can_start_over(void) {
  struct tk_byte_source *source;
  size_t first, second;
  const size_t size = add_zstd(0, 0, sizeof sample);
  CHECK(tk_byte_source_open_memory("m", encoded, size, 100, &source, NULL) == TK_OK);
  CHECK(tk_byte_source_read(source, decoded, 5000, &first, NULL) == TK_OK && first > 0);
  CHECK(tk_byte_source_rewind(source, NULL) == TK_OK);
  CHECK(tk_byte_source_read(source, decoded, 5000, &second, NULL) == TK_OK);
  CHECK(second > 0 && memcmp(decoded, sample, second) == 0);
  tk_byte_source_close(source);
}

static void files_are_read_and_missing_ones_named(void) {
  char path[] = "/tmp/byte_source_test_XXXXXX";
  struct tk_byte_source *source;
  struct tk_error error;
  size_t size;
  const int file = mkstemp(path);
  CHECK(file >= 0 && write(file, "hello", 5) == 5);
  close(file);
  CHECK(tk_byte_source_open(path, &source, &error) == TK_OK);
  CHECK(tk_byte_source_read(source, decoded, 100, &size, &error) == TK_OK && size == 5);
  CHECK(memcmp(decoded, "hello", 5) == 0 && tk_byte_source_size(source) == 5);
  CHECK(tk_byte_source_read(source, decoded, 100, &size, &error) == TK_OK && size == 0);
  tk_byte_source_close(source);
  unlink(path);
  CHECK(tk_byte_source_open(path, &source, &error) == TK_IO && !source);
  CHECK(strstr(error.message, path));
  CHECK(tk_byte_source_open("/", &source, &error) == TK_IO && !source);
}

static void out_of_memory_is_reported_at_every_allocation(void) {
  const size_t size = add_zstd(0, 0, 1000);
  int n = 1;
  for (;; n++) {
    fault_memory_fail_at(n);
    struct tk_byte_source *source;
    const enum tk_status status = tk_byte_source_open_memory("m", encoded, size, 0, &source, NULL);
    const int hits = fault_memory_hits();
    fault_memory_fail_at(0);
    CHECK(status == (hits ? TK_NOMEM : TK_OK));
    tk_byte_source_close(source);
    if (!hits) break;
  }
  CHECK(n > 2);
}

int main(void) {
  fault_memory_install();
  make_sample();
  const struct check_case cases[] = {
      CASE(plain_bytes_pass_through),
      CASE(zstd_frames_are_one_stream),
      CASE(a_skippable_zstd_frame_may_come_first),
      CASE(a_cut_zstd_frame_gives_what_is_there),
      CASE(damaged_zstd_is_corrupt_and_says_where),
#ifdef TK_HAVE_ZLIB
      CASE(gzip_members_are_one_stream),
      CASE(a_cut_gzip_member_gives_what_is_there),
      CASE(damaged_gzip_is_corrupt_and_says_where),
#endif
      CASE(a_stream_can_start_over),
      CASE(files_are_read_and_missing_ones_named),
      CASE(out_of_memory_is_reported_at_every_allocation),
  };
  return check_run(cases, (int)(sizeof cases / sizeof cases[0]));
}
