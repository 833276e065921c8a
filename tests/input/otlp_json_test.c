/* SPDX-License-Identifier: MIT
 * What becomes of OTLP/JSON that is not quite as specified. That every field of good input arrives
 * is check_against_json.py's business. */
#include "cli/input/otlp_json.h"

#include <math.h>
#include <stdlib.h>

#include "cli/input/id_text.h"
#include "tests/input/parse_support.h"
#include "tests/support/check.h"
#include "tests/support/fault_memory.h"

#define TRACE "5b8efff798038103d269b633813fc60c"
#define SPAN "eee19b7ec3c1b174"
#define IDS "\"traceId\":\"" TRACE "\",\"spanId\":\"" SPAN "\""
#define TIMES \
  "\"startTimeUnixNano\":\"1544712660000000000\",\"endTimeUnixNano\":\"1544712661000000000\""

static void a_good_span_raises_nothing(void) {
  struct tk_batch *batch = parse_span(IDS "," TIMES ",\"name\":\"op\",\"kind\":2,\"status\":{}");
  CHECK(batch->span_count == 1 && batch->issue_count == 0 && batch->record_count == 1);
  const struct tk_span *span = &batch->spans[0];
  CHECK(hex_is(span->trace_id, TRACE) && hex_is(span->span_id, SPAN));
  CHECK(span->start_unix_ns == 1544712660000000000 && span->end_unix_ns == 1544712661000000000);
  CHECK(text_is(span->name, "op") && span->kind == TK_KIND_SERVER);
  CHECK(span->presence == TK_SPAN_HAS_STATUS && !span->resource->absent && !span->scope->absent);
  tk_batch_free(batch);
}

static void ids_are_read_in_every_spelling(void) {
  static const struct {
    const char *text;
    uint32_t form;
    const char *digits;
  } traces[] = {
      {TRACE, 0, TRACE},
      {"5B8EFFF798038103D269B633813FC60C", TK_ID_UPPERCASE, TRACE},
      {"0x" TRACE, TK_ID_PREFIXED, TRACE},
      {"W47/95gDgQPSabYzgT/GDA==", TK_ID_BASE64, TRACE},
      {"W47/95gDgQPSabYzgT/GDA", TK_ID_BASE64, TRACE},
      {"W47_95gDgQPSabYzgT_GDA", TK_ID_BASE64, TRACE},
      {"d269b633813fc60c", TK_ID_SHORT, "0000000000000000d269b633813fc60c"},
      {"b8efff798038103d269b633813fc60c", TK_ID_PADDED, "0b8efff798038103d269b633813fc60c"},
      {"269b633813fc60c", TK_ID_SHORT | TK_ID_PADDED, "00000000000000000269b633813fc60c"},
      {"1-5759e988-bd862e3fe1be46a994272793", TK_ID_PREFIXED, "5759e988bd862e3fe1be46a994272793"},
      {"00000000000000000000000000000000", TK_ID_ZERO, "00000000000000000000000000000000"},
      {"", TK_ID_EMPTY, "00000000000000000000000000000000"},
      {"kvonce-trace-001", TK_ID_TEXT, ""},
      {"abc", TK_ID_TEXT, ""},
      {"kvonce-trace-000000001", TK_ID_TEXT, ""},
      {TRACE "00", TK_ID_TEXT, ""},
      {"0x", TK_ID_TEXT, ""}};
  for (size_t i = 0; i < sizeof traces / sizeof traces[0]; i++) {
    uint8_t id[16];
    const struct tk_text text = {traces[i].text, (uint32_t)strlen(traces[i].text)};
    const uint32_t form = tk_trace_id_read(text, id);
    if (form != traces[i].form) printf("# %s: form %u\n", traces[i].text, form);
    CHECK(form == traces[i].form && hex_is(id, traces[i].digits));
    if (form == TK_ID_TEXT) {
      uint8_t expected[16];
      tk_trace_id_from_text(text, expected);
      CHECK(memcmp(id, expected, sizeof id) == 0);
    }
  }
  uint8_t id[8];
  CHECK(tk_span_id_read((struct tk_text){SPAN, 16}, id) == 0 && hex_is(id, SPAN));
  CHECK(tk_span_id_read((struct tk_text){"7uGbfsPBsXQ=", 12}, id) == TK_ID_BASE64);
  CHECK(hex_is(id, SPAN));
  CHECK(tk_span_id_read((struct tk_text){"7uGbfsPBsXQ", 11}, id) == TK_ID_BASE64);
  CHECK(hex_is(id, SPAN));
  CHECK(tk_span_id_read((struct tk_text){"ee19b7ec3c1b174", 15}, id) == TK_ID_PADDED);
  CHECK(hex_is(id, "0ee19b7ec3c1b174"));
  CHECK(tk_span_id_read((struct tk_text){"INVALID==", 9}, id) == TK_ID_TEXT);
}

static void a_text_trace_id_is_kept_as_text(void) {
  struct tk_batch *batch =
      parse_span("\"traceId\":\"kvonce-trace-001\",\"spanId\":\"" SPAN "\"," TIMES);
  const struct tk_span *span = &batch->spans[0];
  CHECK(span->presence == TK_SPAN_TEXT_TRACE_ID &&
        text_is(span->trace_id_text, "kvonce-trace-001"));
  CHECK(count_issues(batch, "id.trace.text") == 1 && batch->issue_count == 1);
  tk_batch_free(batch);
}

static void spans_without_ids_get_stable_ones(void) {
  struct tk_batch *first = parse_span(TIMES ",\"name\":\"x\"");
  struct tk_batch *again = parse_span(TIMES ",\"name\":\"x\"");
  struct tk_batch *other = parse_span(TIMES ",\"name\":\"y\"");
  const struct tk_span *span = &first->spans[0];
  CHECK(first->span_count == 1 && first->rejected_count == 0);
  CHECK(span->presence == (TK_SPAN_SYNTHETIC_TRACE_ID | TK_SPAN_SYNTHETIC_SPAN_ID));
  CHECK(memcmp(span->trace_id, again->spans[0].trace_id, 16) == 0);
  CHECK(memcmp(span->span_id, again->spans[0].span_id, 8) == 0);
  CHECK(memcmp(span->trace_id, other->spans[0].trace_id, 16) != 0);
  CHECK(memcmp(span->trace_id, span->span_id, 8) != 0);
  const struct tk_issue *issue = find_issue(first, "id.trace.missing");
  CHECK(issue && issue->has_trace && memcmp(issue->trace_id, span->trace_id, 16) == 0);
  CHECK(count_issues(first, "id.span.missing") == 1);
  tk_batch_free(first);
  tk_batch_free(again);
  tk_batch_free(other);

  struct tk_batch *zero = parse_span(
      "\"traceId\":\"00000000000000000000000000000000\",\"spanId\":\"0000000000000000\"," TIMES);
  CHECK(count_issues(zero, "id.trace.zero") == 1 && count_issues(zero, "id.span.zero") == 1);
  CHECK(zero->spans[0].presence == (TK_SPAN_SYNTHETIC_TRACE_ID | TK_SPAN_SYNTHETIC_SPAN_ID));
  tk_batch_free(zero);
}

static void text_span_ids_still_meet_their_parents(void) {
  struct tk_batch *batch =
      parse_text("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"" TRACE
                 "\",\"spanId\":\"root\"," TIMES "},{\"traceId\":\"" TRACE
                 "\",\"spanId\":\"child\",\"parentSpanId\":\"root\"," TIMES "}]}]}]}");
  CHECK(batch->span_count == 2);
  CHECK(memcmp(batch->spans[1].parent_span_id, batch->spans[0].span_id, 8) == 0);
  CHECK(batch->spans[1].presence == (TK_SPAN_HAS_PARENT | TK_SPAN_SYNTHETIC_SPAN_ID));
  CHECK(count_issues(batch, "id.span.length") == 2);
  CHECK(count_issues(batch, "id.parent.length") == 1);
  CHECK(batch->spans[0].resource->absent && batch->spans[0].scope->absent);
  tk_batch_free(batch);
}

static uint32_t presence_of(const char *members) {
  struct tk_batch *batch = parse_span(IDS "," TIMES ",%s", members);
  const uint32_t presence = batch->spans[0].presence;
  CHECK(batch->issue_count == 0);
  tk_batch_free(batch);
  return presence;
}

static void parents_are_absent_zero_or_there(void) {
  CHECK(presence_of("\"parentSpanId\":\"\"") == 0);
  CHECK(presence_of("\"parentSpanId\":null") == 0);
  CHECK(presence_of("\"parentSpanId\":\"0000000000000000\"") == TK_SPAN_ZERO_PARENT);
  CHECK(presence_of("\"parentSpanId\":\"00f067aa0ba902b7\"") == TK_SPAN_HAS_PARENT);
  CHECK(presence_of("\"status\":{}") == TK_SPAN_HAS_STATUS);
  CHECK(presence_of("\"status\":null") == 0);
}

static int32_t kind_of(const char *value, const char *rule) {
  struct tk_batch *batch = parse_span(IDS "," TIMES ",\"kind\":%s", value);
  const int32_t kind = batch->span_count ? batch->spans[0].kind : -99;
  CHECK(batch->issue_count == (rule ? 1 : 0) && (!rule || count_issues(batch, rule) == 1));
  tk_batch_free(batch);
  return kind;
}

static void enums_are_numbers_names_or_numerals(void) {
  CHECK(kind_of("3", NULL) == TK_KIND_CLIENT);
  CHECK(kind_of("\"3\"", NULL) == TK_KIND_CLIENT);
  CHECK(kind_of("\"SPAN_KIND_CLIENT\"", "json.enum_name") == TK_KIND_CLIENT);
  CHECK(kind_of("\"client\"", "json.enum_name") == TK_KIND_CLIENT);
  CHECK(kind_of("99", NULL) == 99);
  CHECK(kind_of("null", NULL) == 0);
  CHECK(kind_of("\"SPAN_KIND_INVALID_TYPE\"", "json.enum_unknown") == 0);
  CHECK(kind_of("[1]", "json.type") == 0);
  CHECK(kind_of("99999999999", "json.range") == 0);
}

static uint64_t start_of(const char *value, const char *rule) {
  struct tk_batch *batch = parse_span(
      IDS ",\"startTimeUnixNano\":%s,\"endTimeUnixNano\":\"1999999999999999999\"", value);
  const uint64_t start = batch->spans[0].start_unix_ns;
  CHECK(batch->issue_count == (rule ? 1 : 0));
  if (rule && count_issues(batch, rule) != 1) {
    printf("# %s: %s\n", value, batch->issue_count ? batch->issues[0].rule : "nothing");
  }
  CHECK(!rule || count_issues(batch, rule) == 1);
  tk_batch_free(batch);
  return start;
}

static void times_are_exact(void) {
  CHECK(start_of("\"1544712660000000001\"", NULL) == 1544712660000000001);
  CHECK(start_of("1544712660000000001", NULL) == 1544712660000000001);
  CHECK(start_of("1.544712660e18", NULL) == 1544712660000000000);
  CHECK(start_of("1544712660000000001.5", "json.float_time") == 1544712660000000001);
  CHECK(start_of("0", "time.start_zero") == 0);
  CHECK(start_of("1544712660000000", "time.unit") == 1544712660000000);
}

static void impossible_times_are_stored_with_an_issue(void) {
  struct tk_batch *batch = parse_span(
      IDS
      ",\"startTimeUnixNano\":\"1544712661000000000\",\"endTimeUnixNano\":\"1544712660000000000\"");
  const struct tk_issue *issue = find_issue(batch, "time.end_before_start");
  CHECK(issue && issue->has_span && hex_is(issue->span_id, SPAN) && batch->issue_count == 1);
  CHECK(batch->spans[0].end_unix_ns == 1544712660000000000);
  tk_batch_free(batch);
  batch =
      parse_span(IDS ",\"startTimeUnixNano\":\"-5\",\"endTimeUnixNano\":\"18446744073709551616\"");
  CHECK(count_issues(batch, "json.range") == 2 && count_issues(batch, "time.start_zero") == 1);
  CHECK(batch->spans[0].end_unix_ns == UINT64_MAX);
  tk_batch_free(batch);
  batch = parse_span(IDS ",\"startTimeUnixNano\":\"soon\"");
  CHECK(count_issues(batch, "json.type") == 1 && count_issues(batch, "time.end_zero") == 1);
  tk_batch_free(batch);
}

static struct tk_value value_of(const char *any_value, const char *rule) {
  static struct tk_batch *batch; /* the last one stays for its texts */
  tk_batch_free(batch);
  batch = any_value ? parse_span(IDS "," TIMES ",\"attributes\":[{\"key\":\"k\",\"value\":%s}]",
                                 any_value)
                    : NULL;
  if (!batch) return (struct tk_value){0};
  CHECK(batch->span_count == 1 && batch->issue_count == (rule ? 1 : 0));
  CHECK(!rule || count_issues(batch, rule) == 1);
  return find_value(batch->spans[0].attributes, "k");
}

static bool is_string(struct tk_value value, const char *expected) {
  return value.type == TK_VALUE_STRING &&
         text_is((struct tk_text){value.as.text, value.size}, expected);
}

static bool is_int(struct tk_value value, int64_t expected) {
  return value.type == TK_VALUE_INT && value.as.integer == expected;
}

static void values_that_do_not_fit_their_type_are_kept(void) {
  CHECK(is_int(value_of("{\"intValue\":\"-9223372036854775808\"}", NULL), INT64_MIN));
  CHECK(is_int(value_of("{\"intValue\":1e3}", NULL), 1000));
  CHECK(is_string(value_of("{\"intValue\":\"18446744073709551615\"}", "json.range"),
                  "18446744073709551615"));
  CHECK(is_string(value_of("{\"intValue\":\"many\"}", "json.type"), "many"));
  struct tk_value value = value_of("{\"intValue\":1.5}", "json.type");
  CHECK(value.type == TK_VALUE_DOUBLE && value.as.real == 1.5);
  value = value_of("{\"doubleValue\":\"NaN\"}", NULL);
  CHECK(value.type == TK_VALUE_DOUBLE && isnan(value.as.real));
  value = value_of("{\"doubleValue\":\"-Infinity\"}", NULL);
  CHECK(value.type == TK_VALUE_DOUBLE && isinf(value.as.real) && value.as.real < 0);
  CHECK(is_string(value_of("{\"doubleValue\":1e999}", "json.range"), "1e999"));
  value = value_of("{\"boolValue\":\"true\"}", NULL);
  CHECK(value.type == TK_VALUE_BOOL && value.as.integer == 1);
  CHECK(value_of("{\"boolValue\":7}", "json.type").type == TK_VALUE_STRING);
  value = value_of("{\"bytesValue\":\"AQI\\/\"}", NULL);
  CHECK(value.type == TK_VALUE_BYTES && value.size == 3 &&
        memcmp(value.as.text, "\1\2\x3f", 3) == 0);
  CHECK(is_string(value_of("{\"bytesValue\":\"not base64!\"}", "json.type"), "not base64!"));
  CHECK(is_string(value_of("\"plain\"", "json.type"), "plain"));
  CHECK(is_int(value_of("12", "json.type"), 12));
  CHECK(value_of("{}", NULL).type == TK_VALUE_EMPTY);
  CHECK(value_of("null", NULL).type == TK_VALUE_EMPTY);
  CHECK(is_string(value_of("{\"stringValue\":\"\"}", NULL), ""));
  CHECK(is_int(value_of("{\"stringValue\":\"a\",\"intValue\":1}", NULL), 1));
  CHECK(is_int(value_of("{\"intValue\":1,\"stringValue\":null}", NULL), 1));
  CHECK(value_of("{\"stringValueStrindex\":1}", "json.unknown_field").type == TK_VALUE_EMPTY);
  value_of(NULL, NULL);
}

static void repeated_and_empty_keys_are_kept_with_an_issue(void) {
  struct tk_batch *batch = parse_span(
      IDS
      "," TIMES
      ",\"attributes\":[{\"key\":\"a\",\"value\":{\"intValue\":1}},"
      "{\"key\":\"b\",\"value\":{\"kvlistValue\":{\"values\":[{\"key\":\"a\"},{\"key\":\"a\"}]}}},"
      "{\"key\":\"a\",\"value\":{\"intValue\":2}},{\"value\":{\"intValue\":3}}],"
      "\"events\":[{\"attributes\":[{\"key\":\"a\"}]}]");
  CHECK(batch->spans[0].attributes.count == 4);
  CHECK(count_issues(batch, "attr.duplicate_key") == 1 &&
        count_issues(batch, "attr.empty_key") == 1);
  CHECK(batch->issue_count == 2);
  const struct tk_attribute *items = batch->spans[0].attributes.items;
  CHECK(items[0].key.data == items[2].key.data); /* interned */
  tk_batch_free(batch);
}

static void broken_utf8_is_kept_and_reported(void) {
  struct tk_batch *batch =
      parse_span(IDS "," TIMES ",\"name\":\"a\xff z\",\"traceState\":\"\\ud800\"");
  CHECK(text_is(batch->spans[0].name, "a\xff z"));
  CHECK(text_is(batch->spans[0].trace_state, "\xef\xbf\xbd"));
  CHECK(count_issues(batch, "utf8.invalid") == 2 && batch->issue_count == 2);
  tk_batch_free(batch);
}

static void unknown_members_are_kept_verbatim(void) {
  struct tk_batch *batch = parse_span(IDS ", \"x\" : [1, {\"y\":\"\\u0041\"}] ," TIMES
                                          ",\"z\":null,\"events\":[{\"e\":1}],\"last\":0");
  const struct tk_residual residual = batch->spans[0].residual;
  CHECK(residual.format == TK_RESIDUAL_JSON);
  CHECK(text_is((struct tk_text){residual.data, residual.size},
                "\"x\" : [1, {\"y\":\"\\u0041\"}],\"z\":null,\"last\":0"));
  CHECK(batch->spans[0].events[0].residual.size == 5);
  CHECK(count_issues(batch, "json.unknown_field") == 4);
  tk_batch_free(batch);
}

static bool residual_is(struct tk_residual residual, const char *expected) {
  return residual.format == TK_RESIDUAL_JSON &&
         text_is((struct tk_text){residual.data, residual.size}, expected);
}

static void unknown_members_of_values_and_status_are_kept_by_their_path(void) {
  struct tk_batch *batch = parse_span(
      IDS "," TIMES
          ",\"attributes\":[{\"key\":\"a\"},{\"key\":\"b\",\"note\":[1],\"value\":{\"intValue\":1,"
          "\"unit\":\"s\"}},"
          "{\"key\":\"c\",\"value\":{\"arrayValue\":{\"values\":[{},{\"kvlistValue\":{\"more\":2,"
          "\"values\":"
          "[{\"key\":\"d\",\"value\":{\"x\":null}}]}}]}}}],\"status\":{\"code\":1,\"cause\":{}},"
          "\"events\":[{\"attributes\":[{\"key\":\"e\",\"value\":{\"y\":1}}]}]");
  CHECK(residual_is(batch->spans[0].residual,
                    "\"attributes/1\":{\"note\":[1]},\"attributes/1/value\":{\"unit\":\"s\"},"
                    "\"attributes/2/value/arrayValue/values/1/kvlistValue\":{\"more\":2},"
                    "\"attributes/2/value/arrayValue/values/1/kvlistValue/values/0/value\":"
                    "{\"x\":null},\"status\":{\"cause\":{}}"));
  CHECK(residual_is(batch->spans[0].events[0].residual, "\"attributes/0/value\":{\"y\":1}"));
  CHECK(batch->spans[0].attributes.items[1].value.type == TK_VALUE_INT);
  CHECK(count_issues(batch, "json.unknown_field") == 6); /* five, and how many more */
  tk_batch_free(batch);
}

static void ids_that_are_no_ids_are_kept_as_text(void) {
  struct tk_batch *batch = parse_span(
      "\"traceId\":\"11111111111111111111111111111111\",\"spanId\":"
      "\"a \\\"b\\\"\",\"parentSpanId\":\"p\",\"x\":1," TIMES
      ",\"links\":[{\"traceId\":\"t\",\"spanId\":\"u\"}]");
  CHECK(residual_is(batch->spans[0].residual,
                    "\"x\":1,\"spanId\":\"a \\u0022b\\u0022\",\"parentSpanId\":\"p\""));
  CHECK(residual_is(batch->spans[0].links[0].residual, "\"traceId\":\"t\",\"spanId\":\"u\""));
  tk_batch_free(batch);
}

static void entity_references_are_what_they_are_in_protobuf(void) {
  struct tk_batch *batch = parse_text(
      "{\"resourceSpans\":[{\"resource\":{\"entityRefs\":[{\"id_keys\":[\"k\",\"l\"],"
      "\"type\":\"service\"}]},\"scopeSpans\":[{\"spans\":[{" IDS "," TIMES
      "}]}]},"
      "{\"resource\":{\"entityRefs\":[{\"kind\":1}]},\"scopeSpans\":[{\"spans\":[{" IDS "," TIMES
      "}]}]}]}");
  static const char fields[] = "\x1a\x0f\x12\x07service\x1a\x01k\x1a\x01l";
  CHECK(batch->span_count == 2 && batch->issue_count == 0);
  struct tk_residual residual = batch->spans[0].resource->residual;
  CHECK(residual.format == TK_RESIDUAL_PROTOBUF && residual.size == sizeof fields - 1 &&
        memcmp(residual.data, fields, residual.size) == 0);
  CHECK(residual_is(batch->spans[1].resource->residual, "\"entityRefs\":[{\"kind\":1}]"));
  tk_batch_free(batch);
}

static void other_signals_are_records_without_spans(void) {
  struct tk_batch *batch = parse_text(
      "{\"resourceMetrics\":[{}]}\n{\"resourceLogs\":[]}\n{\n\"resourceLogs\":[{}]}\n{}\n");
  CHECK(batch->record_count == 4 && batch->rejected_count == 0 && batch->span_count == 0);
  CHECK(count_issues(batch, "record.not_trace") == 3 && batch->issue_count == 3);
  CHECK(batch->issues[0].severity == TK_SEVERITY_INFO && batch->issues[2].line == 4);
  tk_batch_free(batch);
}

static void unknown_json_is_rejected_record_by_record(void) {
  struct tk_batch *batch = parse_text("{\"level\":\"info\"}\n[1,2]\n{\n\"a\":1}\n");
  CHECK(batch->record_count == 4 && batch->rejected_count == 4 && batch->span_count == 0);
  CHECK(count_issues(batch, "record.unknown") == 4);
  CHECK(batch->issues[1].line == 2 && batch->issues[3].line == 3);
  CHECK(text_is(batch->issues[0].raw, "{\"level\":\"info\"}"));
  tk_batch_free(batch);
}

#define GOOD_LINE(id)                                                                            \
  "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"" TRACE "\",\"spanId\":\"" id \
  "\"," TIMES "}]}]}]}\n"

static void a_broken_record_takes_nothing_else_with_it(void) {
  struct tk_batch *batch = parse_text(
      GOOD_LINE("0000000000000001") "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{" IDS
                                    "},{\"name\":tru}]}]}]}\n" GOOD_LINE("0000000000000002"));
  CHECK(batch->span_count == 2 && batch->record_count == 3 && batch->rejected_count == 1);
  CHECK(batch->issue_count == 1);
  const struct tk_issue *issue = find_issue(batch, "json.syntax");
  CHECK(issue && issue->line == 2 && issue->raw.size > 100);
  CHECK(issue && memmem(issue->message.data, issue->message.size, "expected a value", 16));
  CHECK(issue && memmem(issue->message.data, issue->message.size, "`tru}", 5));
  tk_batch_free(batch);
}

static void a_span_that_is_no_object_takes_nothing_else_with_it(void) {
  struct tk_batch *batch =
      parse_text("{\"resourceSpans\":[5,{\"scopeSpans\":[null,{\"spans\":[\"x\",{" IDS "," TIMES
                 ",\"attributes\":{\"a\":1},\"events\":[3],\"links\":\"no\",\"status\":[],"
                 "\"flags\":-1}]}]}]}");
  CHECK(batch->span_count == 1 && batch->rejected_count == 1);
  CHECK(count_issues(batch, "json.type") == 6 && count_issues(batch, "json.range") == 1);
  tk_batch_free(batch);
}

static void keys_may_be_escaped_and_repeated(void) {
  struct tk_batch *batch = parse_span(
      IDS "," TIMES ",\"\\u006eame\":\"first\",\"name\":\"second\",\"kind\":1,\"kind\":2");
  CHECK(text_is(batch->spans[0].name, "second") && batch->spans[0].kind == 2);
  CHECK(batch->issue_count == 0 && batch->spans[0].residual.size == 0);
  tk_batch_free(batch);
}

static void issues_of_a_kind_are_counted_beyond_a_limit(void) {
  static char text[200000];
  size_t used = 0;
  for (int i = 0; i < 100; i++) {
    used += (size_t)snprintf(text + used, sizeof text - used, "{\"bad\":%d\n", i);
  }
  struct tk_batch *batch = parse_text(text);
  CHECK(batch->issue_count <= 22 && batch->issue_count >= 20);
  const struct tk_issue *last = &batch->issues[batch->issue_count - 1];
  CHECK(memmem(last->message.data, last->message.size, "more of the kind", 16));
  CHECK(batch->rejected_count == 100);
  tk_batch_free(batch);
}

static void raw_text_of_issues_is_limited(void) {
  static char text[20000];
  memset(text, ' ', sizeof text - 1);
  memcpy(text, "{\"a\":\"", 6);
  memset(text + 6, 'x', 10000);
  memcpy(text + 10006, "\",\"b\":nope}\n", 12);
  text[10018] = '\0';
  struct tk_batch *batch = parse_text(text);
  CHECK(batch->issue_count == 1 && batch->issues[0].raw.size == TK_ISSUE_RAW_LIMIT);
  tk_batch_free(batch);
}

static void deep_values_are_read_or_refused_but_never_overflow(void) {
  char text[16384];
  for (int depth = 10; depth < 200; depth += 10) {
    size_t used = 0;
    for (int i = 0; i < depth; i++) {
      used += (size_t)snprintf(text + used, sizeof text - used, "{\"arrayValue\":{\"values\":[");
    }
    used += (size_t)snprintf(text + used, sizeof text - used, "{\"intValue\":1}");
    for (int i = 0; i < depth; i++)
      used += (size_t)snprintf(text + used, sizeof text - used, "]}}");
    struct tk_batch *batch =
        parse_span(IDS "," TIMES ",\"attributes\":[{\"key\":\"k\",\"value\":%s}]", text);
    CHECK(batch->span_count + batch->rejected_count == 1);
    CHECK((depth <= 80) == (batch->span_count == 1));
    tk_batch_free(batch);
  }
}

/* More texts than the interning table keeps from batch to batch. */
static void many_distinct_keys_are_all_kept(void) {
  enum { KEYS = 100000 };
  const size_t capacity = (size_t)KEYS * 24 + 1000;
  char *line = malloc(capacity);
  if (!line) abort();
  size_t used = (size_t)snprintf(line, capacity,
                                 "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{" IDS "," TIMES
                                 ",\"attributes\":[{\"key\":\"k0\"}");
  for (unsigned i = 0; i < KEYS; i++) {
    used += (size_t)snprintf(line + used, capacity - used, ",{\"key\":\"k%u\"}", i);
  }
  used += (size_t)snprintf(line + used, capacity - used, "]}]}]}]}\n");
  snprintf(line + used, capacity - used, GOOD_LINE("0000000000000002"));
  struct tk_batch *batch = parse_text(line);
  CHECK(batch->span_count == 2 && batch->spans[0].attributes.count == KEYS + 1);
  CHECK(count_issues(batch, "attr.duplicate_key") == 1 && batch->issue_count == 1);
  CHECK(text_is(batch->spans[0].attributes.items[KEYS].key, "k99999"));
  tk_batch_free(batch);
  free(line);
}

/* What a collector leaves that died in mid-line and appends after its restart. */
static void documents_after_a_cut_one_are_kept(void) {
#define LINE(id)                                                                             \
  "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":"                           \
  "\"0af7651916cd43dd8448eb211c80319c\",\"spanId\":\"b7ad6b716920333" id "\",\"name\":\"" id \
  "\",\"startTimeUnixNano\":\"1700000000000000000\",\"endTimeUnixNano\":"                    \
  "\"1700000000000000001\"}]}]}]}\n"
  struct tk_batch *batch = parse_text(LINE("1") "{\"resourceSpans\": [\n" LINE(
      "2") "{\"resour" LINE("3") LINE("4") "{\"resourceSpans\":[{\"scopeSp" LINE("5"));
#undef LINE
  CHECK(batch->span_count == 5);
  for (uint32_t i = 0; i < batch->span_count; i++) {
    CHECK(batch->spans[i].name.size == 1 && batch->spans[i].name.data[0] == (char)('1' + i));
  }
  CHECK(count_issues(batch, "record.truncated") == 1);
  CHECK(count_issues(batch, "json.syntax") == 2);
  tk_batch_free(batch);
}

CHECK_MAIN(CASE(a_good_span_raises_nothing), CASE(documents_after_a_cut_one_are_kept),
           CASE(ids_are_read_in_every_spelling), CASE(a_text_trace_id_is_kept_as_text),
           CASE(spans_without_ids_get_stable_ones), CASE(text_span_ids_still_meet_their_parents),
           CASE(parents_are_absent_zero_or_there), CASE(enums_are_numbers_names_or_numerals),
           CASE(times_are_exact), CASE(impossible_times_are_stored_with_an_issue),
           CASE(values_that_do_not_fit_their_type_are_kept),
           CASE(repeated_and_empty_keys_are_kept_with_an_issue),
           CASE(broken_utf8_is_kept_and_reported), CASE(unknown_members_are_kept_verbatim),
           CASE(unknown_members_of_values_and_status_are_kept_by_their_path),
           CASE(ids_that_are_no_ids_are_kept_as_text),
           CASE(entity_references_are_what_they_are_in_protobuf),
           CASE(other_signals_are_records_without_spans),
           CASE(unknown_json_is_rejected_record_by_record),
           CASE(a_broken_record_takes_nothing_else_with_it),
           CASE(a_span_that_is_no_object_takes_nothing_else_with_it),
           CASE(many_distinct_keys_are_all_kept), CASE(keys_may_be_escaped_and_repeated),
           CASE(issues_of_a_kind_are_counted_beyond_a_limit), CASE(raw_text_of_issues_is_limited),
           CASE(deep_values_are_read_or_refused_but_never_overflow))
