/* Size and speed of column encodings on columns from files; a measuring tool, not a test.
 *
 *   codec_bench [-g values per granule] column...
 *
 * A column file is a little-endian u32 count, then `count` int64 (name ends in .i) or `count` times
 * u32 length and bytes (.t). Prints bytes a value against zstd of the raw column (texts joined by
 * line ends, integers as 8 bytes), and the cost of encoding and decoding. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zstd.h>

#include "store/codec/column_codec.h"

struct input {
  uint8_t *bytes;
  size_t size;
  uint32_t count;
  bool is_text;
  int64_t *ints;
  struct tk_text *texts;
};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void fail(const char *what) {
  fprintf(stderr, "codec_bench: %s\n", what);
  exit(1);
}

static struct input load(const char *path) {
  struct input input = {.is_text = path[strlen(path) - 1] == 't'};
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END) != 0) fail(path);
  input.size = (size_t)ftell(file);
  rewind(file);
  input.bytes = malloc(input.size + 1);
  if (!input.bytes || fread(input.bytes, 1, input.size, file) != input.size) fail(path);
  fclose(file);
  memcpy(&input.count, input.bytes, 4);
  input.ints = calloc(input.count + (size_t)1, sizeof *input.ints);
  input.texts = calloc(input.count + (size_t)1, sizeof *input.texts);
  const uint8_t *at = input.bytes + 4;
  for (uint32_t i = 0; i < input.count; i++) {
    if (input.is_text) {
      memcpy(&input.texts[i].size, at, 4);
      input.texts[i].data = (const char *)at + 4;
      at += 4 + input.texts[i].size;
    } else {
      memcpy(&input.ints[i], at, 8);
      at += 8;
    }
  }
  return input;
}

static double raw_zstd(const struct input *input, int level) {
  uint8_t *raw = malloc(input->size + input->count + 1);
  size_t size = 0;
  for (uint32_t i = 0; i < input->count; i++) {
    if (input->is_text) {
      memcpy(raw + size, input->texts[i].data, input->texts[i].size);
      size += input->texts[i].size;
      raw[size++] = '\n';
    } else {
      memcpy(raw + size, &input->ints[i], 8);
      size += 8;
    }
  }
  size_t bound = ZSTD_compressBound(size);
  uint8_t *target = malloc(bound);
  size_t written = ZSTD_compress(target, bound, raw, size, level);
  free(raw);
  free(target);
  return (double)written;
}

static struct tk_granules make_granules(uint32_t count, uint32_t size) {
  struct tk_granules granules = {0};
  uint32_t *ends = calloc(count / size + 2, sizeof *ends);
  for (uint32_t end = 0; end < count;) {
    end = count - end < size ? count : end + size;
    ends[granules.count++] = end;
  }
  granules.ends = ends;
  return granules;
}

static void encode(struct tk_byte_writer *out, const struct input *input,
                   const struct tk_granules *granules, struct tk_column_summary *summary) {
  if (input->is_text) {
    tk_column_encode_texts(out, input->texts, input->count, granules, summary);
  } else {
    tk_column_encode_ints(out, input->ints, input->count, granules, summary);
  }
  if (out->failed) fail("encoding failed");
}

static void check(const struct tk_column *column, const struct input *input) {
  for (uint32_t i = 0; i < input->count; i++) {
    if (input->is_text) {
      struct tk_text text = tk_column_text(column, i);
      if (text.size == input->texts[i].size &&
          (!text.size || memcmp(text.data, input->texts[i].data, text.size) == 0)) {
        continue;
      }
    } else if (tk_ints_at(column->ints, i) == input->ints[i]) {
      continue;
    }
    fail("a value changed");
  }
}

static void open_column(struct tk_column *column, const struct tk_byte_writer *chunk,
                        const struct input *input, const struct tk_granules *granules) {
  struct tk_error error = {{0}};
  if (tk_column_open(column, chunk->data, chunk->size,
                     input->is_text ? TK_COLUMN_TEXT : TK_COLUMN_INT, input->count, granules, NULL,
                     &error) != TK_OK) {
    fail(error.message);
  }
}

static size_t measure(const char *path, uint32_t granule_size) {
  struct input input = load(path);
  struct tk_granules granules = make_granules(input.count, granule_size);
  struct tk_byte_writer chunk = {0};
  struct tk_column_summary summary;
  struct tk_column column;
  double times[5] = {1, 1, 1, 1, 1};

  for (int round = 0; round < 3; round++) {
    tk_byte_writer_reset(&chunk);
    double start = now();
    encode(&chunk, &input, &granules, &summary);
    times[0] = now() - start < times[0] ? now() - start : times[0];

    start = now();
    open_column(&column, &chunk, &input, &granules);
    times[1] = now() - start < times[1] ? now() - start : times[1];
    start = now();
    if (tk_column_decode_granule(&column, 0, NULL) != TK_OK) fail("decoding failed");
    times[2] = now() - start < times[2] ? now() - start : times[2];
    tk_column_close(&column);

    open_column(&column, &chunk, &input, &granules);
    start = now();
    if (tk_column_decode_all(&column, NULL) != TK_OK) fail("decoding failed");
    times[3] = now() - start < times[3] ? now() - start : times[3];
    check(&column, &input);
    tk_column_close(&column);
  }
  double count = input.count;
  const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
  printf("%-34s %7u 0x%02x %9zu %8.3f %8.3f %8.3f %7.2f %7.1f %7.1f %7.2f\n", name, input.count,
         summary.encoding, chunk.size, (double)chunk.size / count, raw_zstd(&input, 3) / count,
         raw_zstd(&input, 19) / count, 1e3 * times[0], 1e6 * times[1], 1e6 * times[2],
         1e9 * times[3] / count);
  size_t size = chunk.size;
  tk_byte_writer_reset(&chunk);
  free(input.bytes);
  free(input.ints);
  free(input.texts);
  free((void *)(uintptr_t)granules.ends);
  return size;
}

int main(int argc, char **argv) {
  uint32_t granule_size = TK_VALUES_PER_GRANULE;
  size_t total = 0;
  printf("%-34s %7s %4s %9s %8s %8s %8s %7s %7s %7s %7s\n", "column", "values", "enc", "bytes",
         "B/value", "zstd-3", "zstd-19", "enc ms", "open us", "gran us", "ns/val");
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "-g") == 0 && i + 1 < argc) {
      granule_size = (uint32_t)strtoul(argv[++i], NULL, 10);
      if (granule_size == 0) fail("-g wants a number");
      continue;
    }
    total += measure(argv[i], granule_size);
  }
  printf("total %zu bytes\n", total);
  return 0;
}
