/* SPDX-License-Identifier: MIT
 * Writers of traces: residuals that are not what readers leave there, and memory that runs out.
 * What they write of good spans is formats.py's business. */
#include "cli/output/trace_format.h"

#include <string.h>

#include "cli/output/residual.h"
#include "cli/output/span_json.h"
#include "tests/support/check.h"
#include "tests/support/fault_memory.h"
#include "tests/support/span_builder.h"

static const struct tk_trace_format *const formats[] = {&tk_trace_jaeger, &tk_trace_zipkin,
                                                        &tk_trace_ndjson, &tk_trace_csv};
enum { FORMAT_COUNT = sizeof formats / sizeof formats[0] };

static void render(const struct tk_trace_format *format, const struct tk_batch *batch,
                   struct tk_text_buffer *out) {
  format->begin(out);
  format->add(out, batch->spans, batch->span_count, true);
  format->end(out);
}

static bool contains(const struct tk_text_buffer *out, const char *text) {
  return memmem(out->data, out->size, text, strlen(text)) != NULL;
}

static struct tk_residual residual_of(struct tk_batch *batch, const char *text) {
  const struct tk_text copy = build_text(batch, "%s", text);
  return (struct tk_residual){copy.data, copy.size, TK_RESIDUAL_JSON};
}

static struct tk_batch *make_batch(void) {
  struct tk_batch *batch = build_batch(4, 0);
  struct tk_span *span = build_span(batch, 1, 2, 0, 1000);
  const struct tk_value items[] = {value_int(1), value_text(build_text(batch, "x"))};
  build_attribute(batch, &span->attributes, "list", value_array(batch, items, 2));
  build_attribute(batch, &span->attributes, "real", value_double(0.5));
  build_attribute(batch, &span->attributes, "bytes", value_bytes(build_text(batch, "ab")));
  build_attribute(batch, &span->attributes, "peer.service", value_text(build_text(batch, "db")));
  struct tk_event *event = build_events(batch, span, 1);
  event->name = build_text(batch, "e");
  build_attribute(batch, &event->attributes, "k", value_bool(1));
  build_links(batch, span, 1);
  span->status_code = TK_STATUS_ERROR;
  span->presence |= TK_SPAN_HAS_STATUS;
  span->residual = residual_of(batch, "\"jaeger\":{\"processID\":\"web\",\"w\":[1,{}]}");
  span = build_span(batch, 1, 3, 2, 2000);
  span->resource = build_resource(batch, "other");
  return batch;
}

static void members_are_found_in_residuals_however_broken(void) {
  static const struct {
    const char *residual, *key, *value;
  } cases[] = {
      {"\"jaeger\":{\"a\":1,\"b\":\"x,}\"}", "b", "\"x,}\""},
      {"\"x\":[1,{\"jaeger\":2}], \"jaeger\" : { \"a\" : {\"b\":[]} , \"c\":null }", "c", "null"},
      {"\"jaeger\":{\"a\":\"\\\"\",\"b\":true}", "b", "true"},
      {"\"jaeger\":{}", "a", ""},
      {"\"jaeger\":7", "a", ""},
      {"\"jaeger\":{\"a\":1", "a", ""},
      {"\"jaeger\":{\"a\"}", "a", ""},
      {"\"jaeger\":{\"a\":}", "a", ""},
      {"\"jaeger", "a", ""},
      {"}{", "a", ""},
      {"", "a", ""}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const struct tk_residual residual = {cases[i].residual, (uint32_t)strlen(cases[i].residual),
                                         TK_RESIDUAL_JSON};
    const struct tk_text members = tk_residual_members(&residual, "jaeger");
    const struct tk_text value = tk_find_json_member(members, cases[i].key);
    if (!tk_text_is(value, cases[i].value)) printf("# %s\n", cases[i].residual);
    CHECK(tk_text_is(value, cases[i].value));
  }
}

static void what_a_reader_left_goes_back_to_its_place(void) {
  struct tk_batch *batch = make_batch();
  struct tk_text_buffer out = {0};
  render(&tk_trace_jaeger, batch, &out);
  CHECK(contains(&out, "\"processID\":\"web\",\"w\":[1,{}]}"));
  CHECK(contains(&out, "\"processes\":{\"web\":{") &&
        contains(&out, "\"p2\":{\"serviceName\":\"other\""));
  CHECK(contains(&out, "{\"key\":\"list\",\"type\":\"string\",\"value\":\"[1,\\\"x\\\"]\"}"));
  tk_text_buffer_clear(&out);
  render(&tk_trace_zipkin, batch, &out);
  CHECK(!contains(&out, "jaeger") && contains(&out, "\"remoteEndpoint\":{\"serviceName\":\"db\"}"));
  tk_text_buffer_reset(&out);
  tk_batch_free(batch);
}

static void memory_may_run_out_anywhere(void) {
  struct tk_batch *batch = make_batch();
  for (int i = 0; i < FORMAT_COUNT; i++) {
    int n = 1;
    for (;; n++) {
      struct tk_text_buffer out = {0};
      fault_memory_fail_at(n);
      render(formats[i], batch, &out);
      const int hits = fault_memory_hits();
      fault_memory_fail_at(0);
      CHECK(out.failed == (hits > 0) && tk_trace_format_find(formats[i]->name) == formats[i]);
      tk_text_buffer_reset(&out);
      if (!hits) break;
    }
    CHECK(n > 2);
  }
  tk_batch_free(batch);
}

int main(void) {
  const struct check_case cases[] = {CASE(members_are_found_in_residuals_however_broken),
                                     CASE(what_a_reader_left_goes_back_to_its_place),
                                     CASE(memory_may_run_out_anywhere)};
  fault_memory_install();
  return check_run(cases, (int)(sizeof cases / sizeof cases[0]));
}
