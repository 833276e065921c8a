/* What the fuzz targets of formats other than OTLP do with their input. */
#ifndef TK_TESTS_FUZZ_READ_FOREIGN_H
#define TK_TESTS_FUZZ_READ_FOREIGN_H

#include "cli/output/trace_format.h"
#include "tests/fuzz/read_soundly.h"
#include "tests/fuzz/write_otlp.h"

static void write_in_every_format(const struct tk_batch *batch) {
  const struct tk_trace_format *const formats[] = {&tk_trace_jaeger, &tk_trace_zipkin,
                                                   &tk_trace_ndjson, &tk_trace_csv};
  for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
    struct tk_text_buffer out = {0};
    formats[i]->begin(&out);
    formats[i]->add(&out, batch->spans, batch->span_count, true);
    formats[i]->end(&out);
    REQUIRE(!out.failed && (out.size > 0 || batch->span_count == 0));
    tk_text_buffer_reset(&out);
  }
  write_as_otlp(batch);
}

static int read_foreign(const char *format, const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  struct tk_input_options options = {
      .format = format, .batch_bytes = data[0] & 1 ? 64 : 0, .line_limit = data[0] & 2 ? 16 : 0};
  const uint64_t expected = read_soundly(data + 1, size - 1, 0, &options, write_in_every_format);
  options.thread_count = data[0] & 4 ? 2 : 1;
  REQUIRE(read_soundly(data + 1, size - 1, data[0] & 8 ? 1 : 100, &options, NULL) == expected);
  return 0;
}

#endif
