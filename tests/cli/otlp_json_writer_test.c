/* SPDX-License-Identifier: MIT
 * Spans to OTLP JSON: every field, and what is said by leaving a member out. (That reading it back
 * gives the same spans is tested by round_trip.py.) */
#include <math.h>

#include "cli/output/otlp_json.h"
#include "tests/support/check.h"

#define TEXT(literal) \
  { (literal), sizeof(literal) - 1 }

static const struct tk_resource no_resource = {.absent = 1};
static const struct tk_scope no_scope = {.absent = 1};

static bool writes(const struct tk_span *spans, uint32_t count, const char *expected) {
  struct tk_span_groups document = {0};
  struct tk_text_buffer out = {0};
  tk_otlp_json_add(&document, spans, count);
  tk_otlp_json_finish(&document, &out);
  bool equal =
      !out.failed && out.size == strlen(expected) && memcmp(out.data, expected, out.size) == 0;
  if (!equal) printf("# got:  %.*s\n# want: %s\n", (int)out.size, out.data, expected);
  tk_text_buffer_reset(&out);
  return equal;
}

/* The JSON of one span that has no resource and no scope. */
static bool span_is(const struct tk_span *span, const char *expected) {
  char document[1024];
  snprintf(document, sizeof document, "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[%s]}]}]}",
           expected);
  return writes(span, 1, document);
}

static void defaults_are_left_out(void) {
  struct tk_span span = {.resource = &no_resource,
                         .scope = &no_scope,
                         .presence = TK_SPAN_SYNTHETIC_TRACE_ID | TK_SPAN_SYNTHETIC_SPAN_ID};
  CHECK(span_is(&span, "{}"));
}

static void ids_come_back_as_they_were(void) {
  struct tk_span span = {.trace_id = {0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8},
                         .span_id = {0xee},
                         .resource = &no_resource,
                         .scope = &no_scope};
  CHECK(span_is(
      &span, "{\"traceId\":\"00000000000000000102030405060708\",\"spanId\":\"ee00000000000000\"}"));
  span.presence = TK_SPAN_SHORT_TRACE_ID;
  CHECK(span_is(&span, "{\"traceId\":\"0102030405060708\",\"spanId\":\"ee00000000000000\"}"));
  span.presence = TK_SPAN_TEXT_TRACE_ID | TK_SPAN_ZERO_PARENT;
  span.trace_id_text = (struct tk_text)TEXT("kvonce-trace-001");
  CHECK(span_is(&span,
                "{\"traceId\":\"kvonce-trace-001\",\"spanId\":\"ee00000000000000\","
                "\"parentSpanId\":\"0000000000000000\"}"));
  span.presence = TK_SPAN_SYNTHETIC_TRACE_ID | TK_SPAN_HAS_PARENT;
  span.parent_span_id[7] = 9;
  CHECK(span_is(&span, "{\"spanId\":\"ee00000000000000\",\"parentSpanId\":\"0000000000000009\"}"));
}

static void a_status_that_was_there_stays(void) {
  struct tk_span span = {
      .resource = &no_resource,
      .scope = &no_scope,
      .presence = TK_SPAN_SYNTHETIC_TRACE_ID | TK_SPAN_SYNTHETIC_SPAN_ID | TK_SPAN_HAS_STATUS};
  CHECK(span_is(&span, "{\"status\":{}}"));
  span.status_code = 7;
  span.status_message = (struct tk_text)TEXT("no");
  CHECK(span_is(&span, "{\"status\":{\"message\":\"no\",\"code\":7}}"));
}

static bool value_is(struct tk_value value, const char *expected) {
  struct tk_text_buffer out = {0};
  tk_otlp_json_add_value(&out, &value);
  bool equal = out.size == strlen(expected) && memcmp(out.data, expected, out.size) == 0;
  if (!equal) printf("# got: %.*s\n", (int)out.size, out.data);
  tk_text_buffer_reset(&out);
  return equal;
}

static void values_of_every_type(void) {
  struct tk_value items[] = {{.type = TK_VALUE_EMPTY},
                             {.type = TK_VALUE_INT, .as.integer = INT64_MIN}};
  struct tk_attribute members[] = {{TEXT("k"), {.type = TK_VALUE_BOOL, .as.integer = 1}}};
  CHECK(value_is((struct tk_value){.type = TK_VALUE_EMPTY}, "{}"));
  CHECK(value_is((struct tk_value){.type = TK_VALUE_STRING}, "{\"stringValue\":\"\"}"));
  CHECK(value_is((struct tk_value){.type = TK_VALUE_BOOL}, "{\"boolValue\":false}"));
  CHECK(
      value_is((struct tk_value){.type = TK_VALUE_DOUBLE, .as.real = 2}, "{\"doubleValue\":2.0}"));
  CHECK(value_is((struct tk_value){.type = TK_VALUE_DOUBLE, .as.real = NAN},
                 "{\"doubleValue\":\"NaN\"}"));
  CHECK(value_is((struct tk_value){.type = TK_VALUE_DOUBLE, .as.real = -INFINITY},
                 "{\"doubleValue\":\"-Infinity\"}"));
  CHECK(value_is((struct tk_value){.type = TK_VALUE_BYTES, .size = 3, .as.text = "\xff\xfe\xfd"},
                 "{\"bytesValue\":\"//79\"}"));
  CHECK(value_is((struct tk_value){.type = TK_VALUE_ARRAY}, "{\"arrayValue\":{\"values\":[]}}"));
  CHECK(value_is((struct tk_value){.type = TK_VALUE_ARRAY, .size = 2, .as.items = items},
                 "{\"arrayValue\":{\"values\":[{},{\"intValue\":\"-9223372036854775808\"}]}}"));
  CHECK(
      value_is((struct tk_value){.type = TK_VALUE_KVLIST, .size = 1, .as.members = members},
               "{\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":{\"boolValue\":true}}]}}"));
}

static void residuals_go_back_where_they_were(void) {
  struct tk_resource resource = {.residual = {"\"entityRefs\":[]", 15, TK_RESIDUAL_JSON},
                                 .outer_residual = {"\"a\":1", 5, TK_RESIDUAL_JSON},
                                 .schema_url = TEXT("u")};
  struct tk_scope scope = {.residual = {"\x08\x01", 2, TK_RESIDUAL_PROTOBUF}};
  struct tk_event event = {.residual = {"\"b\":2", 5, TK_RESIDUAL_JSON},
                           .time_unix_ns = UINT64_MAX};
  struct tk_link link = {.residual = {"\"c\":3", 5, TK_RESIDUAL_JSON}, .flags = UINT32_MAX};
  struct tk_span span = {.resource = &resource,
                         .scope = &scope,
                         .presence = TK_SPAN_SYNTHETIC_TRACE_ID | TK_SPAN_SYNTHETIC_SPAN_ID,
                         .residual = {"\"d\":4", 5, TK_RESIDUAL_JSON},
                         .events = &event,
                         .event_count = 1,
                         .links = &link,
                         .link_count = 1};
  CHECK(writes(&span, 1,
               "{\"resourceSpans\":[{\"resource\":{\"entityRefs\":[]},\"schemaUrl\":\"u\",\"a\":1,"
               "\"scopeSpans\":[{\"scope\":{\"" TK_OTLP_JSON_PROTOBUF_MEMBER
               "\":\"CAE=\"},\"spans\":["
               "{\"events\":[{\"timeUnixNano\":\"18446744073709551615\",\"b\":2}],"
               "\"links\":[{\"flags\":4294967295,\"c\":3}],\"d\":4}]}]}]}"));
}

static void equal_resources_are_one_group_whatever_memory_they_are_in(void) {
  struct tk_resource a = {.schema_url = TEXT("u")}, b = a, other = {0};
  struct tk_span spans[] = {{.resource = &a, .scope = &no_scope, .name = TEXT("1")},
                            {.resource = &other, .scope = &no_scope, .name = TEXT("2")},
                            {.resource = &b, .scope = &no_scope, .name = TEXT("3")}};
  for (size_t i = 0; i < 3; i++) {
    spans[i].presence = TK_SPAN_SYNTHETIC_TRACE_ID | TK_SPAN_SYNTHETIC_SPAN_ID;
  }
  CHECK(
      writes(spans, 3,
             "{\"resourceSpans\":[{\"resource\":{},\"schemaUrl\":\"u\",\"scopeSpans\":[{\"spans\":["
             "{\"name\":\"1\"},{\"name\":\"3\"}]}]},"
             "{\"resource\":{},\"scopeSpans\":[{\"spans\":[{\"name\":\"2\"}]}]}]}"));
}

CHECK_MAIN(CASE(defaults_are_left_out), CASE(ids_come_back_as_they_were),
           CASE(a_status_that_was_there_stays), CASE(values_of_every_type),
           CASE(residuals_go_back_where_they_were),
           CASE(equal_resources_are_one_group_whatever_memory_they_are_in))
