/* SPDX-License-Identifier: MIT
 * The pipeline: batches are the same whatever the threads and reads, end where they say, and can be
 * continued. */
#include "cli/input/reader.h"

#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "tests/input/parse_support.h"
#include "tests/support/check.h"
#include "tests/support/fault_memory.h"
#include "tracekeep/hash.h"

enum { TEXT_SIZE = 1 << 20, MAX_BATCHES = 4096 };

static char text[TEXT_SIZE];
static char encoded[TEXT_SIZE];

/* Lines, pretty documents, garbage and ids of all kinds; the last line lacks its end. */
static size_t make_text(char *out, size_t capacity, unsigned records) {
  size_t used = 0;
  for (unsigned i = 0; i < records; i++) {
    const char *newline = i % 7 == 3 ? "\n" : "";
    used += (size_t)snprintf(
        out + used, capacity - used,
        "{%s\"resourceSpans\":[%s{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
        "\"value\":"
        "{\"stringValue\":\"service %u\"}}]},\"scopeSpans\":[{\"spans\":[{\"traceId\":\"%032x\","
        "\"spanId\":\"%016x\",\"name\":\"n%u\",\"startTimeUnixNano\":\"1544712660000000000\","
        "\"endTimeUnixNano\":\"1544712661000000000\"},{\"name\":\"no ids\"}]}]}%s]}\n",
        newline, newline, i % 5, i + 1, i + 1, i, newline);
    if (i % 11 == 5) used += (size_t)snprintf(out + used, capacity - used, "garbage %u\n\n", i);
  }
  return used - 1;
}

struct run {
  enum tk_status status;
  size_t count;
  uint64_t spans;
  uint64_t digests[MAX_BATCHES];
  struct tk_progress ends[MAX_BATCHES];
};

static struct tk_input *open_bytes(const char *bytes, size_t size, size_t piece, unsigned threads,
                                   enum tk_status *status) {
  const struct tk_input_options options = {.thread_count = threads, .batch_bytes = 3000};
  struct tk_byte_source *source;
  struct tk_input *reader = NULL;
  *status = tk_byte_source_open_memory("memory", bytes, size, piece, &source, NULL);
  if (*status == TK_OK) *status = tk_input_open_source(source, &options, &reader, NULL);
  return reader;
}

static void drain(struct tk_input *reader, const char *bytes, struct run *run) {
  uint64_t end = run->count ? run->ends[run->count - 1].offset : 0;
  struct tk_batch *batch;
  while ((run->status = tk_input_next(reader, &batch, NULL)) == TK_OK && batch) {
    if (run->count == MAX_BATCHES) abort();
    CHECK(batch->begin_offset == end);
    end = batch->end_offset;
    if (bytes) CHECK(batch->end_hash == tk_hash64(bytes, (size_t)end));
    run->digests[run->count] = digest_batch(batch);
    run->ends[run->count++] = (struct tk_progress){batch->end_offset, batch->end_hash};
    run->spans += batch->span_count;
    tk_batch_free(batch);
  }
}

static void read_bytes(const char *bytes, size_t size, size_t piece, unsigned threads,
                       const char *plain, struct run *run) {
  memset(run, 0, sizeof *run);
  struct tk_input *reader = open_bytes(bytes, size, piece, threads, &run->status);
  if (reader) drain(reader, plain, run);
  tk_input_close(reader);
}

static bool same_runs(const struct run *a, const struct run *b) {
  return a->count == b->count && a->spans == b->spans && a->status == b->status &&
         memcmp(a->digests, b->digests, a->count * sizeof a->digests[0]) == 0;
}

static struct run expected, found;

static void batches_do_not_depend_on_threads_or_reads(void) {
  static const unsigned threads[] = {1, 2, 4, 0};
  static const size_t pieces[] = {0, 1, 777};
  const size_t size = make_text(text, sizeof text, 600);
  read_bytes(text, size, 0, 1, text, &expected);
  CHECK(expected.status == TK_OK && expected.count > 50 && expected.spans == 1200);
  CHECK(expected.ends[expected.count - 1].offset == size);
  for (size_t i = 0; i < 4; i++) {
    for (size_t j = 0; j < 3; j++) {
      read_bytes(text, size, pieces[j], threads[i], text, &found);
      CHECK(same_runs(&expected, &found));
    }
  }
  const size_t packed = ZSTD_compress(encoded, sizeof encoded, text, size, 1);
  read_bytes(encoded, packed, 100, 2, text, &found);
  CHECK(same_runs(&expected, &found));
}

static void a_failure_comes_after_the_batches_before_it(void) {
  const size_t size = make_text(text, sizeof text, 600);
  const size_t packed = ZSTD_compress(encoded, sizeof encoded, text, size, 1);
  memcpy(encoded + packed, "garbage", 7);
  for (unsigned threads = 1; threads <= 2; threads++) {
    memset(&found, 0, sizeof found);
    struct tk_input *reader = open_bytes(encoded, packed + 7, 0, threads, &found.status);
    CHECK(reader != NULL);
    drain(reader, text, &found);
    CHECK(found.status == TK_CORRUPT && found.count > 40);
    struct tk_batch *batch;
    struct tk_error error = {""};
    CHECK(tk_input_next(reader, &batch, &error) == TK_CORRUPT && !batch);
    CHECK(strstr(error.message, "memory"));
    tk_input_close(reader);
  }
}

static void a_reader_can_be_closed_at_any_time(void) {
  const size_t size = make_text(text, sizeof text, 600);
  for (unsigned threads = 1; threads <= 4; threads++) {
    for (int batches = 0; batches < 4; batches++) {
      enum tk_status status;
      struct tk_input *reader = open_bytes(text, size, 0, threads, &status);
      for (int i = 0; i < batches; i++) {
        struct tk_batch *batch;
        CHECK(tk_input_next(reader, &batch, NULL) == TK_OK && batch);
        tk_batch_free(batch);
      }
      tk_input_close(reader);
    }
  }
}

/* Resumes at every earlier end, alone and among wrong candidates. */
static void reading_continues_at_the_largest_match(void) {
  const size_t size = make_text(text, sizeof text, 100);
  read_bytes(text, size, 0, 1, text, &expected);
  for (size_t i = 0; i < expected.count; i++) {
    const struct tk_progress candidates[] = {{size + 100, 1},
                                             {expected.ends[i].offset, expected.ends[i].hash},
                                             {size - 1, 12345},
                                             {expected.ends[0].offset, expected.ends[0].hash},
                                             {7, tk_hash64(text, 7)}};
    const struct tk_progress *matched;
    memset(&found, 0, sizeof found);
    struct tk_input *reader =
        open_bytes(text, size, i % 2 ? 100 : 0, 1 + (unsigned)(i % 3), &found.status);
    CHECK(tk_input_resume(reader, candidates, 5, &matched, NULL) == TK_OK);
    CHECK(matched && matched->offset == expected.ends[i].offset);
    memcpy(&found, &expected, sizeof found);
    found.count = i + 1;
    drain(reader, text, &found);
    CHECK(found.count == expected.count &&
          memcmp(found.digests, expected.digests, found.count * sizeof found.digests[0]) == 0);
    tk_input_close(reader);
  }
}

static void nothing_matching_starts_at_the_beginning(void) {
  const size_t size = make_text(text, sizeof text, 50);
  const struct tk_progress candidates[] = {{100, 1}, {7, tk_hash64(text, 7)}, {size * 2, 3}};
  const struct tk_progress *matched = candidates;
  read_bytes(text, size, 0, 1, text, &expected);
  memset(&found, 0, sizeof found);
  struct tk_input *reader = open_bytes(text, size, 0, 1, &found.status);
  CHECK(tk_input_resume(reader, candidates, 3, &matched, NULL) == TK_OK && !matched);
  drain(reader, text, &found);
  CHECK(same_runs(&expected, &found));
  tk_input_close(reader);
}

/* A file that is written while it is read: cut anywhere, read, grown, continued. */
static void a_grown_file_continues_wherever_it_was_cut(void) {
  const size_t size = make_text(text, sizeof text, 8);
  read_bytes(text, size, 0, 1, text, &expected);
  for (size_t cut = 0; cut < size; cut++) {
    const struct tk_progress *matched = NULL;
    enum tk_status status;
    read_bytes(text, cut, 0, 1, text, &found);
    CHECK(found.status == TK_OK);
    const uint64_t before = found.spans;
    if (found.count == 0) continue;
    const struct tk_progress end = found.ends[found.count - 1];
    struct tk_input *reader = open_bytes(text, size, 0, 1, &status);
    CHECK(tk_input_resume(reader, &end, 1, &matched, NULL) == TK_OK);
    if (end.offset > 0 && !matched)
      printf("# cut at %zu, end %llu\n", cut, (unsigned long long)end.offset);
    CHECK((matched != NULL) == (end.offset > 0));
    drain(reader, text, &found);
    CHECK(before + (found.spans - before) == expected.spans);
    tk_input_close(reader);
  }
}

/* As somebody who follows a file does: the same reader goes on, or another one resumes. */
static struct tk_input *continue_or_resume(struct tk_input *reader, const char *name,
                                           unsigned *resumed) {
  const struct tk_input_options options = {.thread_count = 1, .growing = true};
  const struct tk_progress *matched = NULL;
  if (tk_input_continue(reader)) return reader;
  tk_input_close(reader);
  CHECK(tk_input_open(name, &options, &reader, NULL) == TK_OK);
  if (found.count == 0) return reader;
  const struct tk_progress end = found.ends[found.count - 1];
  CHECK(tk_input_resume(reader, &end, 1, &matched, NULL) == TK_OK);
  CHECK((matched != NULL) == (end.offset > 0));
  ++*resumed;
  return reader;
}

static void a_reader_goes_on_when_its_file_grows(void) {
  static const char name[] = "reader_test_growing.jsonl";
  static const size_t steps[] = {1, 7, 100, 997, 3000, 20000};
  const struct tk_input_options options = {.thread_count = 1, .growing = true};
  const size_t size = make_text(text, sizeof text, 40);
  read_bytes(text, size, 0, 1, text, &expected);
  for (size_t s = 0; s < sizeof steps / sizeof steps[0]; s++) {
    FILE *file = fopen(name, "wb");
    unsigned resumed = 0, continued = 0;
    size_t written = steps[s] < 100 ? size - 50 * steps[s] : 0;
    CHECK(file && size > 6000);
    fwrite(text, 1, written, file);
    fflush(file);
    struct tk_input *reader = NULL;
    CHECK(tk_input_open(name, &options, &reader, NULL) == TK_OK);
    memset(&found, 0, sizeof found);
    drain(reader, NULL, &found);
    for (; written < size; continued++) {
      const size_t step = size - written < steps[s] ? size - written : steps[s];
      fwrite(text + written, 1, step, file);
      fflush(file);
      written += step;
      reader = continue_or_resume(reader, name, &resumed);
      drain(reader, text, &found);
    }
    CHECK(found.spans == expected.spans && found.count > 0);
    CHECK(found.ends[found.count - 1].offset == expected.ends[expected.count - 1].offset);
    printf("# %u of %u times resumed by another reader\n", resumed, continued);
    tk_input_close(reader);
    fclose(file);
  }
  remove(name);
}

/* Sends the text through standard input, as a pipe or as a file that was read from before. */
static void a_pipe_is_read_but_not_continued(void) {
  int ends[2];
  const size_t size = make_text(text, sizeof text, 20);
  const struct tk_progress *matched;
  struct tk_input *reader;
  struct tk_batch *batch;
  read_bytes(text, size, 0, 1, text, &expected);
  const int saved = dup(0);
  CHECK(saved >= 0 && pipe(ends) == 0 && write(ends[1], text, size) == (ssize_t)size);
  close(ends[1]);
  CHECK(dup2(ends[0], 0) == 0);
  close(ends[0]);
  CHECK(tk_input_open("-", NULL, &reader, NULL) == TK_OK);
  CHECK(tk_input_resume(reader, expected.ends, 1, &matched, NULL) == TK_OK && !matched);
  CHECK(tk_input_next(reader, &batch, NULL) == TK_OK && batch);
  CHECK(batch->begin_offset == 0 && batch->end_offset == size && batch->span_count == 40);
  tk_batch_free(batch);
  tk_input_close(reader);

  FILE *file = tmpfile();
  if (!file) abort();
  fwrite("skip this", 1, 9, file);
  fwrite(text, 1, size, file);
  fflush(file);
  CHECK(lseek(fileno(file), 9, SEEK_SET) == 9 && dup2(fileno(file), 0) == 0);
  CHECK(tk_input_open("-", NULL, &reader, NULL) == TK_OK && tk_input_size(reader) == size);
  CHECK(tk_input_resume(reader, expected.ends, 1, &matched, NULL) == TK_OK && matched);
  CHECK(tk_input_next(reader, &batch, NULL) == TK_OK && batch);
  CHECK(matched && batch->begin_offset == matched->offset && batch->end_offset == size);
  tk_batch_free(batch);
  tk_input_close(reader);
  fclose(file);
  dup2(saved, 0);
  close(saved);
}

static void the_head_is_hashed_and_the_format_named(void) {
  enum tk_status status;
  const size_t size = make_text(text, sizeof text, 50);
  struct tk_input *reader = open_bytes(text, size, 10, 1, &status);
  CHECK(tk_input_head_hash(reader) == tk_hash64(text, TK_SOURCE_HEAD_SIZE));
  CHECK(strcmp(tk_input_format_name(reader), "otlp-json") == 0);
  tk_input_close(reader);
  reader = open_bytes("{}", 2, 0, 1, &status);
  CHECK(tk_input_head_hash(reader) == tk_hash64("{}", 2) && tk_input_size(reader) == 2);
  tk_input_close(reader);

  const struct tk_input_options options = {.format = "morse"};
  struct tk_byte_source *source;
  struct tk_error error;
  CHECK(tk_byte_source_open_memory("m", "{}", 2, 0, &source, NULL) == TK_OK);
  CHECK(tk_input_open_source(source, &options, &reader, &error) == TK_INVALID && !reader);
  CHECK(strstr(error.message, "morse"));
}

static void empty_input_gives_no_batch(void) {
  static const char *const texts[] = {"", "\n\n", "\xEF\xBB\xBF"};
  for (size_t i = 0; i < 3; i++) {
    read_bytes(texts[i], strlen(texts[i]), 0, 1 + (unsigned)i, NULL, &found);
    CHECK(found.status == TK_OK && found.count == 0);
  }
}

static void out_of_memory_is_reported_at_every_allocation(void) {
  const size_t size = make_text(text, sizeof text, 60);
  read_bytes(text, size, 0, 1, text, &expected);
  for (unsigned threads = 1; threads <= 2; threads++) {
    int n = 1;
    for (;; n++) {
      fault_memory_fail_at(n);
      read_bytes(text, size, 0, threads, text, &found);
      const int hits = fault_memory_hits();
      fault_memory_fail_at(0);
      CHECK(found.status == (hits ? TK_NOMEM : TK_OK));
      CHECK(found.count <= expected.count &&
            memcmp(found.digests, expected.digests, found.count * sizeof found.digests[0]) == 0);
      if (!hits) break;
    }
    CHECK(n > 20 && same_runs(&expected, &found));
  }
}

static void resuming_survives_out_of_memory(void) {
  const size_t size = make_text(text, sizeof text, 30);
  read_bytes(text, size, 0, 1, text, &expected);
  const struct tk_progress end = expected.ends[expected.count / 2];
  for (int n = 1;; n++) {
    const struct tk_progress *matched;
    enum tk_status status;
    struct tk_input *reader = open_bytes(text, size, 0, 1, &status);
    fault_memory_fail_at(n);
    status = tk_input_resume(reader, &end, 1, &matched, NULL);
    const int hits = fault_memory_hits();
    fault_memory_fail_at(0);
    CHECK(status == (hits ? TK_NOMEM : TK_OK) && (matched != NULL) == !hits);
    tk_input_close(reader);
    if (!hits) break;
  }
}

int main(void) {
  fault_memory_install();
  const struct check_case cases[] = {
      CASE(batches_do_not_depend_on_threads_or_reads),
      CASE(a_failure_comes_after_the_batches_before_it),
      CASE(a_reader_can_be_closed_at_any_time),
      CASE(reading_continues_at_the_largest_match),
      CASE(nothing_matching_starts_at_the_beginning),
      CASE(a_grown_file_continues_wherever_it_was_cut),
      CASE(a_reader_goes_on_when_its_file_grows),
      CASE(a_pipe_is_read_but_not_continued),
      CASE(the_head_is_hashed_and_the_format_named),
      CASE(empty_input_gives_no_batch),
      CASE(out_of_memory_is_reported_at_every_allocation),
      CASE(resuming_survives_out_of_memory),
  };
  return check_run(cases, (int)(sizeof cases / sizeof cases[0]));
}
