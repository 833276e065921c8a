/* What fuzz targets do with batches of any format: write them as OTLP, in both syntaxes. */
#ifndef TK_TESTS_FUZZ_WRITE_OTLP_H
#define TK_TESTS_FUZZ_WRITE_OTLP_H

#include "cli/output/otlp_json.h"
#include "cli/output/otlp_protobuf.h"
#include "tests/fuzz/read_soundly.h"

static inline void write_as_otlp(const struct tk_batch *batch) {
  static const struct {
    void (*add)(struct tk_span_groups *groups, const struct tk_span *spans, uint32_t count);
    void (*finish)(struct tk_span_groups *groups, struct tk_text_buffer *out);
  } writers[] = {{tk_otlp_json_add, tk_otlp_json_finish},
                 {tk_otlp_protobuf_add, tk_otlp_protobuf_finish},
                 {tk_otlp_protobuf_add_valid, tk_otlp_protobuf_finish}};
  for (size_t i = 0; i < sizeof writers / sizeof writers[0]; i++) {
    struct tk_span_groups groups = {0};
    struct tk_text_buffer out = {0};
    writers[i].add(&groups, batch->spans, batch->span_count);
    writers[i].finish(&groups, &out);
    REQUIRE(!out.failed && (out.size > 0 || batch->span_count == 0));
    tk_text_buffer_reset(&out);
  }
}

#endif
