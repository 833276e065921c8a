/* SPDX-License-Identifier: MIT
 * Any bytes through the reader of protobuf: every batch must be sound, two threads must give what
 * one gives, and a span that is written again must be read as the same span. The first byte chooses
 * the limits. */
#include <stdio.h>
#include <string.h>

#include "cli/output/otlp_protobuf.h"
#include "store/segment/span_copy.h"
#include "tests/fuzz/write_otlp.h"

static const struct tk_span *expected_span;

/* Not what a made-up id was made from, nor that a trace id was short. */
static void compare_span(const struct tk_batch *batch) {
  REQUIRE(batch->span_count == 1 && batch->rejected_count == 0);
  struct tk_span expected = *expected_span;
  expected.presence &= ~(uint32_t)TK_SPAN_SHORT_TRACE_ID;
  const char *difference = tk_span_difference(&expected, &batch->spans[0]);
  if (difference) fprintf(stderr, "written and read again, %s differs\n", difference);
  REQUIRE(!difference);
}

static void write_and_read(const struct tk_batch *batch) {
  const struct tk_input_options options = {.format = "otlp-proto"};
  const uint32_t made_up =
      TK_SPAN_TEXT_TRACE_ID | TK_SPAN_SYNTHETIC_TRACE_ID | TK_SPAN_SYNTHETIC_SPAN_ID;
  for (uint32_t i = 0; i < batch->span_count; i++) {
    struct tk_span_groups message = {0};
    struct tk_text_buffer out = {0};
    expected_span = &batch->spans[i];
    /* Framed JSON is this reader's too, and its members are lost. */
    if ((expected_span->presence & made_up) || tk_otlp_protobuf_loses_members(expected_span)) {
      continue;
    }
    tk_otlp_protobuf_add(&message, expected_span, 1);
    tk_otlp_protobuf_finish(&message, &out);
    REQUIRE(!out.failed);
    read_soundly((const uint8_t *)out.data, out.size, 0, &options, compare_span);
    tk_text_buffer_reset(&out);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  struct tk_input_options options = {.batch_bytes = data[0] & 1 ? 64 : 0,
                                     .line_limit = data[0] & 2 ? 16 : 0,
                                     .record_limit = data[0] & 16 ? 4096 : 1 << 20,
                                     .format = "otlp-proto"};
  /* Fields in which residuals keep what belongs inside values mean something to the writer. */
  static const char path_tag[] = "\x82\xf0\xff\xff\x0f";
  const bool has_paths = memmem(data, size, path_tag, sizeof path_tag - 1) != NULL;
  const uint64_t expected =
      read_soundly(data + 1, size - 1, 0, &options, has_paths ? write_as_otlp : write_and_read);
  options.thread_count = data[0] & 4 ? 2 : 1;
  REQUIRE(read_soundly(data + 1, size - 1, data[0] & 8 ? 1 : 100, &options, NULL) == expected);
  return 0;
}
