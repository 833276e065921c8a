/* SPDX-License-Identifier: MIT
 * Spans to OTLP protobuf: the bytes of a small one, lengths of more than a byte, and memory that
 * runs out. (That protoc reads the same as from the input is tested by protobuf.py.) */
#include "cli/output/otlp_protobuf.h"

#include <string.h>

#include "tests/support/check.h"
#include "tests/support/fault_memory.h"

static const struct tk_resource no_resource = {.absent = 1};
static const struct tk_scope no_scope = {.absent = 1};

static void write_spans(const struct tk_span *spans, uint32_t count, struct tk_text_buffer *out) {
  struct tk_span_groups message = {0};
  tk_otlp_protobuf_add(&message, spans, count);
  tk_otlp_protobuf_finish(&message, out);
  tk_span_groups_reset(&message);
}

static bool writes(const struct tk_span *span, const void *bytes, size_t size) {
  struct tk_text_buffer out = {0};
  write_spans(span, 1, &out);
  const bool equal = !out.failed && out.size == size && memcmp(out.data, bytes, size) == 0;
  tk_text_buffer_reset(&out);
  return equal;
}

static void only_what_is_there_is_written(void) {
  struct tk_span span = {.resource = &no_resource,
                         .scope = &no_scope,
                         .presence = TK_SPAN_SYNTHETIC_TRACE_ID | TK_SPAN_SYNTHETIC_SPAN_ID};
  CHECK(writes(&span, "\x0a\4\x12\2\x12\0", 6));
  span.kind = -1;
  span.flags = 0x101;
  span.presence |= TK_SPAN_HAS_STATUS;
  span.residual = (struct tk_residual){"\x98\6\1", 3, TK_RESIDUAL_PROTOBUF};
  CHECK(writes(&span,
               "\x0a\x1a\x12\x18\x12\x16\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\x7a\0"
               "\x85\1\1\1\0\0\x98\6\1",
               28));
  CHECK(!tk_otlp_protobuf_loses_members(&span));
  span.residual = (struct tk_residual){"\"a\":1", 5, TK_RESIDUAL_JSON};
  CHECK(tk_otlp_protobuf_loses_members(&span));
}

/* Lengths of one, two and three bytes, where the message has to move. */
static void long_messages_have_long_lengths(void) {
  static char name[70000];
  memset(name, 'x', sizeof name);
  static const uint32_t sizes[] = {1, 100, 127, 128, 16000, 16383, 16384, 70000};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    const struct tk_span span = {
        .name = {name, sizes[i]},
        .resource = &no_resource,
        .scope = &no_scope,
        .presence = TK_SPAN_SYNTHETIC_TRACE_ID | TK_SPAN_SYNTHETIC_SPAN_ID};
    struct tk_text_buffer out = {0}, expected = {0}, inner = {0};
    static const char tags[] = "\x2a\x12\x12\x0a"; /* name, span, scope_spans, resource_spans */
    tk_text_buffer_append(&inner, name, sizes[i]);
    for (int level = 0; level < 4; level++) {
      tk_text_buffer_clear(&expected);
      tk_text_buffer_append(&expected, tags + level, 1);
      tk_otlp_protobuf_add_varint(&expected, inner.size);
      tk_text_buffer_append(&expected, inner.data, inner.size);
      tk_text_buffer_clear(&inner);
      tk_text_buffer_append(&inner, expected.data, expected.size);
    }
    write_spans(&span, 1, &out);
    CHECK(out.size == expected.size && memcmp(out.data, expected.data, out.size) == 0);
    tk_text_buffer_reset(&out);
    tk_text_buffer_reset(&expected);
    tk_text_buffer_reset(&inner);
  }
}

static void running_out_of_memory_is_not_missed(void) {
  const struct tk_attribute attribute = {.key = {"key", 3},
                                         .value = {.type = TK_VALUE_INT, .as.integer = -7}};
  struct tk_resource resources[20] = {{.absent = 0}};
  struct tk_span spans[20];
  int n = 1;
  for (int i = 0; i < 20; i++) {
    resources[i].attributes.dropped_count = (uint32_t)i;
    spans[i] = (struct tk_span){.name = {"a name", 6},
                                .attributes = {.items = &attribute, .count = 1},
                                .resource = &resources[i],
                                .scope = &no_scope};
  }
  for (;; n++) {
    struct tk_text_buffer out = {0};
    fault_memory_fail_at(n);
    write_spans(spans, 20, &out);
    const int hits = fault_memory_hits();
    fault_memory_fail_at(0);
    CHECK(out.failed == (hits > 0));
    tk_text_buffer_reset(&out);
    if (!hits) break;
  }
  CHECK(n > 20);
}

int main(void) {
  fault_memory_install();
  const struct check_case cases[] = {
      CASE(only_what_is_there_is_written),
      CASE(long_messages_have_long_lengths),
      CASE(running_out_of_memory_is_not_missed),
  };
  return check_run(cases, (int)(sizeof cases / sizeof cases[0]));
}
