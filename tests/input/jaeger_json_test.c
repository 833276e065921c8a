/* SPDX-License-Identifier: MIT
 * What becomes of Jaeger's JSON. */
#include "cli/input/jaeger_json.h"

#include <stdio.h>

#include "tests/input/foreign_support.h"

#define TRACE "5b8efff798038103d269b633813fc60c"
#define SPAN "eee19b7ec3c1b174"
#define PARENT "00f067aa0ba902b7"
#define IDS "\"traceID\":\"" TRACE "\",\"spanID\":\"" SPAN "\""
#define TIMES "\"startTime\":1544712660000123,\"duration\":456"
#define PROCESSES                                                                                  \
  "\"processes\":{\"p1\":{\"serviceName\":\"shop\",\"tags\":[{\"key\":\"ip\",\"value\":\"::1\"}]}" \
  "}"
#define REFERENCE(type, trace, span) \
  "{\"refType\":\"" type "\",\"traceID\":\"" trace "\",\"spanID\":\"" span "\"}"

/* One trace of one span with these members. */
static struct tk_batch *parse_members(const char *members) {
  char text[8192];
  snprintf(text, sizeof text,
           "{\"data\":[{\"traceID\":\"" TRACE "\",\"spans\":[{" IDS "," TIMES
           ",\"processID\":\"p1\",%s}]," PROCESSES "}],\"total\":0,\"errors\":null}",
           members);
  struct tk_batch *batch = parse_text(text);
  CHECK(batch->span_count == 1 && batch->rejected_count == 0 && batch->record_count == 1);
  return batch;
}

static void a_span_has_exact_times_its_service_and_no_rest(void) {
  struct tk_batch *batch = parse_members("\"operationName\":\"op\",\"flags\":1,\"warnings\":null");
  const struct tk_span *span = &batch->spans[0];
  CHECK(hex_is(span->trace_id, TRACE) && hex_is(span->span_id, SPAN) && batch->issue_count == 0);
  CHECK(span->start_unix_ns == 1544712660000123000 && span->end_unix_ns == 1544712660000579000);
  CHECK(text_is(span->name, "op") && span->flags == 1 && span->presence == 0);
  CHECK(residual_is(span->residual, "") && span->scope->absent);
  CHECK(value_is(span->resource->attributes.items[0].value, "shop"));
  CHECK(value_is(find_value(span->resource->attributes, "ip"), "::1"));
  tk_batch_free(batch);
}

static void every_wrapper_is_read(void) {
  static const char span[] = "{" IDS "," TIMES ",\"process\":{\"serviceName\":\"shop\"}}";
  static const char trace[] =
      "{\"spans\":[{" IDS "," TIMES ",\"processID\":\"p1\"}]," PROCESSES "}";
  static const char *const forms[] = {
      "{\"data\":[%s]}",
      "{\"data\":%s}",
      "%s",
      "[%s]",
      "[\n%s\n]\n",
      "{\"_index\":\"x\",\"_source\":%s}",
      "{\"took\":1,\"hits\":{\"total\":1,\"hits\":[{\"_source\":%s}]}}",
      "{\n\"data\":[\n%s\n],\"total\":1}\n"};
  for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
    for (int bare = 0; bare < 2; bare++) {
      char text[2048];
      int size = 0;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
      size = snprintf(text, sizeof text, forms[i], bare ? span : trace);
#pragma GCC diagnostic pop
      struct tk_batch *batch = parse_text(text);
      if (batch->span_count != 1) printf("# %.*s\n", size, text);
      CHECK(batch->span_count == 1 && batch->rejected_count == 0 && batch->record_count == 1);
      CHECK(batch->span_count == 1 &&
            value_is(batch->spans[0].resource->attributes.items[0].value, "shop"));
      tk_batch_free(batch);
    }
  }
}

static void tags_are_as_they_are_typed(void) {
  struct tk_batch *batch = parse_members(
      "\"tags\":[{\"key\":\"s\",\"type\":\"string\",\"value\":\"1\"},"
      "{\"key\":\"b\",\"type\":\"bool\",\"value\":true},"
      "{\"key\":\"i\",\"type\":\"int64\",\"value\":\"9223372036854775807\"},"
      "{\"key\":\"j\",\"type\":\"int64\",\"value\":-7},"
      "{\"value\":3,\"type\":\"float64\",\"key\":\"f\"},"
      "{\"key\":\"x\",\"type\":\"binary\",\"value\":\"AP8=\"},"
      "{\"key\":\"bad\",\"type\":\"int64\",\"value\":\"many\"}]");
  const struct tk_attributes tags = batch->spans[0].attributes;
  CHECK(tags.count == 7 && value_is(find_value(tags, "s"), "1"));
  CHECK(find_value(tags, "b").type == TK_VALUE_BOOL && find_value(tags, "b").as.integer == 1);
  CHECK(find_value(tags, "i").as.integer == INT64_MAX && find_value(tags, "j").as.integer == -7);
  CHECK(find_value(tags, "f").type == TK_VALUE_DOUBLE && find_value(tags, "f").as.real == 3.0);
  CHECK(find_value(tags, "x").type == TK_VALUE_BYTES && find_value(tags, "x").size == 2);
  CHECK(value_is(find_value(tags, "bad"), "many") && count_issues(batch, "json.type") == 1);
  tk_batch_free(batch);
}

static void elasticsearch_has_text_hexadecimal_and_maps(void) {
  struct tk_batch *batch =
      parse_text("{" IDS "," TIMES
                 ",\"startTimeMillis\":1544712660000,\"tags\":["
                 "{\"key\":\"b\",\"type\":\"bool\",\"value\":\"true\"},"
                 "{\"key\":\"f\",\"type\":\"float64\",\"value\":\"1.5\"},"
                 "{\"key\":\"x\",\"type\":\"binary\",\"value\":\"00ff10\"}],"
                 "\"tag\":{\"http@method\":\"GET\",\"span@kind\":\"client\"},"
                 "\"process\":{\"serviceName\":\"shop\",\"tag\":{\"host@name\":\"a\"}}}\n");
  const struct tk_span *span = &batch->spans[0];
  CHECK(batch->span_count == 1 && batch->issue_count == 0 && span->kind == TK_KIND_CLIENT);
  CHECK(find_value(span->attributes, "b").as.integer == 1);
  CHECK(find_value(span->attributes, "f").as.real == 1.5);
  CHECK(find_value(span->attributes, "x").size == 3);
  CHECK(value_is(find_value(span->attributes, "http.method"), "GET"));
  CHECK(value_is(find_value(span->resource->attributes, "host.name"), "a"));
  CHECK(residual_is(span->residual, ""));
  tk_batch_free(batch);
}

static void the_parent_is_the_first_child_of_in_this_trace(void) {
  struct tk_batch *batch = parse_members(
      "\"references\":[" REFERENCE("CHILD_OF", "aa", "1111111111111111") "," REFERENCE(
          "FOLLOWS_FROM", TRACE, "2222222222222222") "," REFERENCE("CHILD_OF", TRACE, PARENT) "]");
  const struct tk_span *span = &batch->spans[0];
  CHECK(hex_is(span->parent_span_id, PARENT) && (span->presence & TK_SPAN_HAS_PARENT));
  CHECK(span->link_count == 2 && hex_is(span->links[1].span_id, "2222222222222222"));
  CHECK(value_is(span->links[0].attributes.items[0].value, "child_of"));
  CHECK(value_is(span->links[1].attributes.items[0].value, "follows_from"));
  tk_batch_free(batch);

  batch = parse_members("\"references\":[" REFERENCE("FOLLOWS_FROM", TRACE, PARENT) "]");
  CHECK(hex_is(batch->spans[0].parent_span_id, PARENT) && batch->spans[0].link_count == 0);
  CHECK(residual_is(batch->spans[0].residual, "\"jaeger\":{\"parentRef\":\"FOLLOWS_FROM\"}"));
  tk_batch_free(batch);

  batch = parse_members("\"references\":null,\"parentSpanID\":\"" PARENT "\"");
  CHECK(hex_is(batch->spans[0].parent_span_id, PARENT));
  tk_batch_free(batch);
  batch = parse_members("\"references\":[],\"parentSpanID\":\"0\"");
  CHECK(batch->spans[0].presence == 0);
  tk_batch_free(batch);
}

static void check_status(const char *tags, int32_t code, const char *from) {
  char members[512];
  char residual[80] = "";
  snprintf(members, sizeof members, "\"tags\":[%s]", tags);
  if (from) {
    snprintf(residual, sizeof residual, "\"jaeger\":{\"statusFrom\":\"%s\"}", from);
  }
  struct tk_batch *batch = parse_members(members);
  if (batch->spans[0].status_code != code) printf("# %s\n", tags);
  CHECK(batch->spans[0].status_code == code && residual_is(batch->spans[0].residual, residual));
  tk_batch_free(batch);
}

static void status_comes_from_error_then_code_then_http(void) {
#define ERROR_TAG "{\"key\":\"error\",\"type\":\"bool\",\"value\":true}"
#define CODE_TAG(code) "{\"key\":\"otel.status_code\",\"type\":\"string\",\"value\":\"" code "\"}"
#define HTTP_TAG(code) "{\"key\":\"http.status_code\",\"type\":\"int64\",\"value\":" code "}"
#define KIND_TAG(kind) "{\"key\":\"span.kind\",\"type\":\"string\",\"value\":\"" kind "\"}"
  check_status("", TK_STATUS_UNSET, NULL);
  check_status(ERROR_TAG, TK_STATUS_ERROR, "error");
  check_status(ERROR_TAG "," CODE_TAG("ERROR"), TK_STATUS_ERROR, NULL);
  check_status(CODE_TAG("ERROR"), TK_STATUS_ERROR, "otel");
  check_status(CODE_TAG("OK"), TK_STATUS_OK, NULL);
  check_status(CODE_TAG("OK") "," HTTP_TAG("500"), TK_STATUS_OK, NULL);
  check_status(HTTP_TAG("500") "," KIND_TAG("server"), TK_STATUS_ERROR, "http");
  check_status(HTTP_TAG("404") "," KIND_TAG("server"), TK_STATUS_UNSET, NULL);
  check_status(HTTP_TAG("404") "," KIND_TAG("client"), TK_STATUS_ERROR, "http");
}

static void tags_of_opentelemetry_become_fields(void) {
  struct tk_batch *batch = parse_members("\"tags\":[" KIND_TAG(
      "consumer") ",{\"key\":\"w3c.tracestate\",\"value\":\"a=1\"},"
                  "{\"key\":\"otel.scope.name\",\"value\":\"lib\"},{\"key\":\"otel.library.name\","
                  "\"value\":"
                  "\"lib\"},{\"key\":\"otel.library.version\",\"value\":\"2\"},"
                  "{\"key\":\"otel.status_description\",\"value\":\"no\"}],"
                  "\"logs\":[{\"timestamp\":1544712660000200,\"fields\":[{\"key\":\"a\",\"type\":"
                  "\"int64\","
                  "\"value\":1},{\"key\":\"event\",\"type\":\"string\",\"value\":\"retry\"}]}]");
  const struct tk_span *span = &batch->spans[0];
  CHECK(span->kind == TK_KIND_CONSUMER && text_is(span->trace_state, "a=1"));
  CHECK(text_is(span->scope->name, "lib") && text_is(span->scope->version, "2"));
  CHECK(text_is(span->status_message, "no") && (span->presence & TK_SPAN_HAS_STATUS));
  CHECK(span->attributes.count == 0 && span->event_count == 1);
  CHECK(text_is(span->events[0].name, "retry") && span->events[0].attributes.count == 1);
  CHECK(span->events[0].time_unix_ns == 1544712660000200000);
  tk_batch_free(batch);
}

static void what_the_model_has_no_place_for_is_kept(void) {
  struct tk_batch *batch = parse_members("\"flags\":3,\"warnings\":[\"clock \\\"skew\\\"\" ]");
  CHECK(batch->spans[0].flags == 1);
  CHECK(residual_is(batch->spans[0].residual,
                    "\"jaeger\":{\"warnings\":[\"clock \\\"skew\\\"\"],\"flags\":3}"));
  tk_batch_free(batch);
  batch = parse_text("{\"spans\":[{\"traceID\":\"t \\\"1\\\"\",\"spanID\":\"abc\"," TIMES
                     ",\"processID\":\"web\"}],\"processes\":{\"web\":{\"serviceName\":\"x\"}}}");
  CHECK(batch->span_count == 1 && text_is(batch->spans[0].trace_id_text, "t \"1\""));
  CHECK(residual_is(batch->spans[0].residual,
                    "\"jaeger\":{\"processID\":\"web\"},\"spanId\":\"abc\""));
  tk_batch_free(batch);
}

static void faults_are_reported_and_the_rest_is_kept(void) {
  struct tk_batch *batch = parse_text("{\"data\":[{\"traceID\":\"" TRACE "\",\"spans\":[{" IDS
                                      "," TIMES ",\"processID\":\"p9\"},7,{\"spanID\":\"" PARENT
                                      "\",\"startTime\":-1}]," PROCESSES "},{\"other\":1}]}");
  CHECK(batch->span_count == 2 && batch->rejected_count == 2);
  CHECK(count_issues(batch, "jaeger.process.missing") == 1 && batch->spans[0].resource->absent);
  CHECK(hex_is(batch->spans[1].trace_id, TRACE)); /* the trace's own */
  CHECK(count_issues(batch, "json.range") == 1 && count_issues(batch, "record.unknown") == 1);
  tk_batch_free(batch);
  batch = parse_text("{\"traceID\":\"" TRACE "\",\"processes\":{},\"spans\":[{" IDS "\"x}]}\n{" IDS
                     ",\"process\":{}," TIMES "}\n");
  CHECK(batch->span_count == 1 && batch->rejected_count == 1);
  CHECK(count_issues(batch, "json.syntax") == 1);
  tk_batch_free(batch);
}

/* Processes may come before, behind, or between, in any order of members. */
static void spans_find_their_process_wherever_it_stands(void) {
  static const char *const texts[] = {
      "{\"traceID\":\"" TRACE "\",\"spans\":[{" IDS "," TIMES ",\"processID\":\"p2\"},{" IDS
      "," TIMES ",\"processID\":\"p1\"},{" IDS "," TIMES
      ",\"processID\":\"p2\"}],\"processes\":{\"p1\":"
      "{\"serviceName\":\"one\"},\"p2\":{\"serviceName\":\"two\"}}}",
      "{\"processes\":{\"p1\":{\"serviceName\":\"one\"},\"p2\":{\"serviceName\":\"two\"}},"
      "\"spans\":[{" IDS "," TIMES ",\"processID\":\"p2\"},{" IDS "," TIMES
      ",\"processID\":\"p1\"},{" IDS "," TIMES ",\"processID\":\"p2\"}],\"traceID\":\"" TRACE
      "\"}"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    struct tk_batch *batch = parse_text(texts[i]);
    CHECK(batch->span_count == 3 && batch->issue_count == 0);
    CHECK(value_is(find_value(batch->spans[0].resource->attributes, "service.name"), "two"));
    CHECK(value_is(find_value(batch->spans[1].resource->attributes, "service.name"), "one"));
    CHECK(batch->spans[2].resource == batch->spans[0].resource);
    tk_batch_free(batch);
  }
  /* The same label is another process in another trace; one that never comes is reported once. */
  struct tk_batch *batch =
      parse_text("{\"data\":[{\"traceID\":\"" TRACE "\",\"spans\":[{" IDS "," TIMES
                 ",\"processID\":\"p1\"}],"
                 "\"processes\":{\"p1\":{\"serviceName\":\"one\"}}},{\"traceID\":\"" TRACE
                 "\",\"spans\":[{" IDS "," TIMES ",\"processID\":\"p1\"},{" IDS "," TIMES
                 ",\"processID\":\"p7\"},{" IDS "," TIMES
                 ",\"processID\":\"p7\"}],\"processes\":{\"p1\":{\"serviceName\":\"other\"}}}]}");
  CHECK(batch->span_count == 4 && count_issues(batch, "jaeger.process.missing") == 1);
  CHECK(value_is(find_value(batch->spans[0].resource->attributes, "service.name"), "one"));
  CHECK(value_is(find_value(batch->spans[1].resource->attributes, "service.name"), "other"));
  CHECK(batch->spans[2].resource->absent == 1 && batch->spans[3].resource->absent == 1);
  tk_batch_free(batch);
}

static void an_answer_without_traces_is_no_fault(void) {
  struct tk_batch *batch =
      parse_text("{\"data\":[],\"total\":0,\"limit\":0,\"offset\":0,\"errors\":null}");
  CHECK(batch->span_count == 0 && batch->rejected_count == 0 && batch->issue_count == 0);
  tk_batch_free(batch);
}

static void only_keys_are_recognised(void) {
  CHECK(strcmp(recognise("{\"data\":[{\"spans\":[{" IDS ",\"tags\":[{\"key\":\"batches\",\"value\":"
                         "\"resourceSpans\"}]}]," PROCESSES "}]}"),
               "jaeger") == 0);
  CHECK(strcmp(recognise("{\"resourceSpans\" : [{\"traceID\":\"spans\"}]}"), "otlp-json") == 0);
}

static void memory_may_run_out_anywhere(void) {
  static const char text[] = "{\"data\":[{\"spans\":[{" IDS "," TIMES
                             ",\"flags\":2,\"tags\":[" ERROR_TAG "," KIND_TAG(
                                 "client") ",{\"key\":\"l\",\"value\":[1,{\"a\":\"\\u0041\"}]},"
                             "{\"key\":\"x\",\"type\":\"binary\",\"value\":\"AP8=\"}],"
                             "\"references\":[" REFERENCE("CHILD_OF", "aa", "bb") "],\"logs\":["
                             "{\"timestamp\":1,\"fields\":[{\"key\":\"event\",\"value\":\"e\"}]}],"
                             "\"processID\":\"p1\"}]," PROCESSES "}]}";
  check_out_of_memory(text, "jaeger");
}

FAULTY_MAIN(CASE(a_span_has_exact_times_its_service_and_no_rest), CASE(every_wrapper_is_read),
            CASE(tags_are_as_they_are_typed), CASE(elasticsearch_has_text_hexadecimal_and_maps),
            CASE(the_parent_is_the_first_child_of_in_this_trace),
            CASE(status_comes_from_error_then_code_then_http),
            CASE(tags_of_opentelemetry_become_fields),
            CASE(what_the_model_has_no_place_for_is_kept),
            CASE(faults_are_reported_and_the_rest_is_kept),
            CASE(spans_find_their_process_wherever_it_stands),
            CASE(an_answer_without_traces_is_no_fault), CASE(only_keys_are_recognised),
            CASE(memory_may_run_out_anywhere))
