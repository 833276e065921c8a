/* SPDX-License-Identifier: MIT
 * Framings of protobuf: the same spans in any of them; damage costs one message; batches do not
 * depend on threads or reads, and can be continued. */
#include "cli/input/framing.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "tests/input/parse_support.h"
#include "tests/input/wire_builder.h"
#include "tests/support/check.h"
#include "tests/support/fault_memory.h"

enum { MAX_BATCHES = 4096 };

static struct wire_bytes stream, message;

static void add_span(unsigned number) {
  char name[64];
  uint8_t trace_id[16] = {1}, span_id[8] = {2};
  memcpy(trace_id + 8, &number, sizeof number);
  memcpy(span_id + 4, &number, sizeof number);
  snprintf(name, sizeof name, "span %04u", number);
  const size_t span = wire_begin(&message, 2);
  wire_field(&message, 1, trace_id, sizeof trace_id);
  wire_field(&message, 2, span_id, sizeof span_id);
  wire_text(&message, 5, name);
  wire_fixed64(&message, 7, 1544712660000000000u);
  wire_fixed64(&message, 8, 1544712661000000000u + number);
  wire_end(&message, span);
}

/* A message of two ResourceSpans with two spans each, into `message`. */
static void make_message(unsigned number) {
  message.size = 0;
  for (unsigned i = 0; i < 2; i++) {
    const size_t resource_spans = wire_begin(&message, 1);
    const size_t resource = wire_begin(&message, 1);
    wire_field(&message, 1, "\x0a\x0cservice.name\x12\3\x0a\1a", 19);
    wire_end(&message, resource);
    const size_t scope_spans = wire_begin(&message, 2);
    add_span(4 * number + 2 * i + 1);
    add_span(4 * number + 2 * i + 2);
    wire_end(&message, scope_spans);
    wire_end(&message, resource_spans);
  }
}

static void append_message(enum tk_framing_kind kind) {
  const size_t begin = stream.size;
  if (kind == TK_FRAMING_VARINT) wire_varint(&stream, message.size);
  wire_raw(&stream, message.data, message.size);
  if (kind == TK_FRAMING_LENGTH) wire_prefix_length(&stream, begin);
}

static void make_stream(enum tk_framing_kind kind, unsigned messages) {
  stream.size = 0;
  for (unsigned i = 0; i < messages; i++) {
    make_message(i);
    append_message(kind);
  }
}

struct run {
  enum tk_status status;
  size_t count;
  uint64_t spans, issues, rejected, records;
  const char *rule; /* of the last issue */
  uint64_t digests[MAX_BATCHES];
  struct tk_progress ends[MAX_BATCHES];
};

static struct tk_input *open_stream(const void *bytes, size_t size, size_t piece, unsigned threads,
                                    size_t line_limit, enum tk_status *status) {
  const struct tk_input_options options = {
      .thread_count = threads, .batch_bytes = 700, .line_limit = line_limit};
  struct tk_byte_source *source;
  struct tk_input *reader = NULL;
  *status = tk_byte_source_open_memory("memory", bytes, size, piece, &source, NULL);
  if (*status == TK_OK) *status = tk_input_open_source(source, &options, &reader, NULL);
  return reader;
}

static void drain(struct tk_input *reader, struct run *run) {
  struct tk_batch *batch;
  while ((run->status = tk_input_next(reader, &batch, NULL)) == TK_OK && batch) {
    if (run->count == MAX_BATCHES) abort();
    run->digests[run->count] = digest_batch(batch);
    run->ends[run->count++] = (struct tk_progress){batch->end_offset, batch->end_hash};
    run->spans += batch->span_count;
    run->issues += batch->issue_count;
    run->rejected += batch->rejected_count;
    run->records += batch->record_count;
    if (batch->issue_count) run->rule = batch->issues[batch->issue_count - 1].rule;
    tk_batch_free(batch);
  }
}

static void read_bytes(const void *bytes, size_t size, size_t piece, unsigned threads,
                       size_t line_limit, struct run *run) {
  memset(run, 0, sizeof *run);
  struct tk_input *reader = open_stream(bytes, size, piece, threads, line_limit, &run->status);
  if (reader) {
    if (run->status == TK_OK) CHECK(strcmp(tk_input_format_name(reader), "otlp-proto") == 0);
    drain(reader, run);
  }
  tk_input_close(reader);
}

static bool same_runs(const struct run *a, const struct run *b) {
  return a->count == b->count && a->spans == b->spans && a->status == b->status &&
         memcmp(a->digests, b->digests, a->count * sizeof a->digests[0]) == 0;
}

static struct run expected, found;

static bool rule_is(const char *rule) {
  return found.rule && strcmp(found.rule, rule) == 0;
}

static void framings_are_recognised(void) {
  static const enum tk_framing_kind kinds[] = {TK_FRAMING_BARE, TK_FRAMING_LENGTH,
                                               TK_FRAMING_VARINT};
  for (int i = 0; i < 3; i++) {
    make_stream(kinds[i], 3);
    CHECK(tk_framing_recognise((const char *)stream.data, stream.size) == kinds[i]);
    CHECK(tk_framing_recognise((const char *)stream.data, 30) == kinds[i]);
    read_bytes(stream.data, stream.size, 0, 1, 0, &found);
    CHECK(found.spans == 12 && found.issues == 0 && found.records == (i == 0 ? 1 : 3));
  }
}

static void text_is_not_taken_for_protobuf(void) {
  static const char *const texts[] = {"",
                                      "\n",
                                      "\n\n\n\n",
                                      "{\n  \"resourceSpans\": []}",
                                      "[\n  {\n",
                                      "\n\n\n\n{\"resourceSpans\":[]}",
                                      "\n \n\n{\"resourceSpans\":[]}",
                                      "\xEF\xBB\xBF{\"resourceSpans\":[]}",
                                      "2026-11-20 12:00:00 INFO something happened\n",
                                      "id,name\n1,2\n",
                                      "SQLite format 3",
                                      "\x7f\x45LF\2\1\1"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    CHECK(tk_framing_recognise(texts[i], strlen(texts[i])) == TK_FRAMING_UNKNOWN);
  }
  static const char zeros[4096];
  CHECK(tk_framing_recognise(zeros, sizeof zeros) == TK_FRAMING_UNKNOWN);
}

static void batches_do_not_depend_on_threads_or_reads(void) {
  static const enum tk_framing_kind kinds[] = {TK_FRAMING_BARE, TK_FRAMING_LENGTH,
                                               TK_FRAMING_VARINT};
  for (int kind = 0; kind < 3; kind++) {
    make_stream(kinds[kind], 60);
    for (size_t limit = 0; limit <= 100; limit += 100) { /* 100: messages are cut */
      read_bytes(stream.data, stream.size, 0, 1, limit, &expected);
      CHECK(expected.spans == 240 && expected.issues == 0 && expected.count > 10);
      CHECK(expected.records == (kind == 0 ? 1 : 60));
      for (unsigned threads = 0; threads <= 4; threads += 2) {
        read_bytes(stream.data, stream.size, threads == 2 ? 1 : 99, threads, limit, &found);
        CHECK(same_runs(&expected, &found));
      }
    }
  }
}

static void reading_continues_at_every_end(void) {
  make_stream(TK_FRAMING_LENGTH, 60);
  for (size_t limit = 0; limit <= 100; limit += 100) {
    read_bytes(stream.data, stream.size, 0, 1, limit, &expected);
    for (size_t i = 0; i < expected.count; i++) {
      const struct tk_progress *matched;
      enum tk_status status;
      struct tk_input *reader =
          open_stream(stream.data, stream.size, 50, 1 + i % 2, limit, &status);
      CHECK(tk_input_resume(reader, &expected.ends[i], 1, &matched, NULL) == TK_OK && matched);
      memcpy(&found, &expected, sizeof found);
      found.count = i + 1;
      drain(reader, &found);
      CHECK(found.count == expected.count &&
            memcmp(found.digests, expected.digests, found.count * sizeof found.digests[0]) == 0);
      tk_input_close(reader);
    }
  }
}

/* Every cut: what is complete is kept, and the rest is reported once. */
static void a_stream_may_be_cut_anywhere(void) {
  make_stream(TK_FRAMING_LENGTH, 4);
  const size_t message_size = stream.size / 4;
  for (size_t cut = 40; cut < stream.size; cut++) {
    read_bytes(stream.data, cut, 0, 1, 0, &found);
    const size_t whole = cut / message_size, rest = cut % message_size;
    const uint64_t half = rest >= 4 + (message_size - 4) / 2 ? 2 : 0;
    CHECK(found.status == TK_OK && found.spans == 4 * whole + half);
    CHECK(found.issues == (rest != 0) && found.rejected == found.issues);
    if (rest) CHECK(rule_is("record.truncated"));
  }
}

static void garbage_costs_one_message(void) {
  stream.size = 0;
  for (unsigned i = 0; i < 10; i++) {
    make_message(i);
    if (i == 4) wire_raw(&stream, "\xff\xff garbage \0\0\0\x40 between messages", 32);
    append_message(TK_FRAMING_LENGTH);
  }
  read_bytes(stream.data, stream.size, 0, 1, 0, &found);
  CHECK(found.spans == 40 && found.issues == 1 && rule_is("protobuf.syntax"));
}

static void a_wrong_length_costs_one_message(void) {
  make_stream(TK_FRAMING_LENGTH, 10);
  const size_t message_size = stream.size / 10;
  static const uint8_t lengths[][4] = {
      {0x7f, 0xff, 0xff, 0xff}, {0, 0, 0, 9}, {0xff, 0xff, 0xff, 0xff}, {0, 0x50, 0, 0}};
  for (size_t i = 0; i < 4; i++) {
    uint8_t saved[4];
    memcpy(saved, stream.data + 5 * message_size, 4);
    memcpy(stream.data + 5 * message_size, lengths[i], 4);
    read_bytes(stream.data, stream.size, i ? 7 : 0, 1, 0, &found);
    CHECK(found.status == TK_OK && found.spans >= 36 && found.issues >= 1);
    memcpy(stream.data + 5 * message_size, saved, 4);
  }
}

static void compressed_messages_are_decompressed(void) {
  static char packed[1 << 16];
  stream.size = 0;
  for (unsigned i = 0; i < 10; i++) {
    make_message(i);
    const size_t begin = stream.size;
    const size_t size = ZSTD_compress(packed, sizeof packed, message.data, message.size, 3);
    if (i == 3) packed[size / 2] ^= 0x55;
    wire_raw(&stream, packed, i == 5 ? size - 3 : size);
    wire_prefix_length(&stream, begin);
  }
  read_bytes(stream.data, stream.size, 3, 2, 0, &found);
  CHECK(found.spans >= 32 && found.spans <= 36 && found.records == 10 && found.issues >= 1);
  CHECK(rule_is("record.compression"));
}

static void a_bomb_is_stopped_at_the_record_limit(void) {
  static char zeros[1 << 20], packed[1 << 16];
  const struct tk_input_options options = {.record_limit = 100000};
  struct tk_byte_source *source;
  struct tk_input *reader;
  struct tk_batch *batch;
  stream.size = 0;
  const size_t size = ZSTD_compress(packed, sizeof packed, zeros, sizeof zeros, 3);
  wire_raw(&stream, packed, size);
  wire_prefix_length(&stream, 0);
  CHECK(tk_byte_source_open_memory("m", stream.data, stream.size, 0, &source, NULL) == TK_OK);
  CHECK(tk_input_open_source(source, &options, &reader, NULL) == TK_OK);
  CHECK(tk_input_next(reader, &batch, NULL) == TK_OK && batch);
  CHECK(batch->span_count == 0 && find_issue(batch, "record.compression"));
  tk_batch_free(batch);
  tk_input_close(reader);
}

static void what_is_too_long_is_skipped(void) {
  const struct tk_input_options options = {.record_limit = 120, .line_limit = 100};
  struct tk_byte_source *source;
  struct tk_input *reader;
  struct tk_batch *batch;
  make_stream(TK_FRAMING_BARE, 2); /* its ResourceSpans are longer than that */
  CHECK(tk_byte_source_open_memory("m", stream.data, stream.size, 9, &source, NULL) == TK_OK);
  CHECK(tk_input_open_source(source, &options, &reader, NULL) == TK_OK);
  CHECK(tk_input_next(reader, &batch, NULL) == TK_OK && batch);
  CHECK(batch->span_count == 0 && count_issues(batch, "record.too_long") == 4);
  tk_batch_free(batch);
  tk_input_close(reader);
}

static void unknown_fields_of_a_message_are_passed_over(void) {
  for (size_t limit = 0; limit <= 100; limit += 100) {
    stream.size = 0;
    make_message(0);
    wire_int(&message, 9, 77);
    wire_text(&message, 8, "what is this");
    wire_raw(&message, "\x3b\x08\1\x3c", 4);
    append_message(TK_FRAMING_LENGTH);
    make_message(1);
    append_message(TK_FRAMING_LENGTH);
    read_bytes(stream.data, stream.size, 0, 1, limit, &found);
    CHECK(found.spans == 8 && found.issues == 3 && found.rejected == 0 && found.records == 2);
    CHECK(rule_is("protobuf.unknown_field"));
  }
}

static void out_of_memory_is_reported_at_every_allocation(void) {
  static char packed[1 << 16];
  make_stream(TK_FRAMING_LENGTH, 8);
  make_message(8);
  const size_t begin = stream.size;
  wire_raw(&stream, packed, ZSTD_compress(packed, sizeof packed, message.data, message.size, 3));
  wire_prefix_length(&stream, begin);
  read_bytes(stream.data, stream.size, 0, 1, 0, &expected);
  CHECK(expected.spans == 36);
  for (unsigned threads = 1; threads <= 2; threads++) {
    int n = 1;
    for (;; n++) {
      fault_memory_fail_at(n);
      read_bytes(stream.data, stream.size, 0, threads, 0, &found);
      const int hits = fault_memory_hits();
      fault_memory_fail_at(0);
      CHECK(found.status == (hits ? TK_NOMEM : TK_OK));
      /* The last one may end where memory did. */
      const size_t sure = found.count > 0 && hits ? found.count - 1 : found.count;
      CHECK(found.count <= expected.count &&
            memcmp(found.digests, expected.digests, sure * sizeof found.digests[0]) == 0);
      if (!hits) break;
    }
    CHECK(n > 10 && same_runs(&expected, &found));
  }
}

int main(void) {
  fault_memory_install();
  const struct check_case cases[] = {
      CASE(framings_are_recognised),
      CASE(text_is_not_taken_for_protobuf),
      CASE(batches_do_not_depend_on_threads_or_reads),
      CASE(reading_continues_at_every_end),
      CASE(a_stream_may_be_cut_anywhere),
      CASE(garbage_costs_one_message),
      CASE(a_wrong_length_costs_one_message),
      CASE(compressed_messages_are_decompressed),
      CASE(a_bomb_is_stopped_at_the_record_limit),
      CASE(what_is_too_long_is_skipped),
      CASE(unknown_fields_of_a_message_are_passed_over),
      CASE(out_of_memory_is_reported_at_every_allocation),
  };
  return check_run(cases, (int)(sizeof cases / sizeof cases[0]));
}
