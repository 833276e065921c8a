/* SPDX-License-Identifier: MIT
 * What becomes of Zipkin's JSON. */
#include "cli/input/zipkin_json.h"

#include <stdio.h>

#include "tests/input/foreign_support.h"

#define TRACE "5b8efff798038103d269b633813fc60c"
#define SPAN "eee19b7ec3c1b174"
#define IDS "\"traceId\":\"" TRACE "\",\"id\":\"" SPAN "\""
#define TIMES "\"timestamp\":1544712660000123,\"duration\":456"
#define LOCAL "\"localEndpoint\":{\"serviceName\":\"shop\"}"

static struct tk_batch *parse_members(const char *members) {
  char text[4096];
  snprintf(text, sizeof text, "[{" IDS "," TIMES "," LOCAL "%s}]", members);
  struct tk_batch *batch = parse_text(text);
  CHECK(batch->span_count == 1 && batch->rejected_count == 0 && batch->record_count == 1);
  return batch;
}

static void a_span_has_exact_times_kind_and_endpoints(void) {
  struct tk_batch *batch = parse_members(
      ",\"kind\":\"CLIENT\",\"name\":\"get\",\"parentId\":\"00f067aa0ba902b7\",\"remoteEndpoint\":"
      "{\"serviceName\":\"db\",\"ipv4\":\"10.0.0.1\",\"ipv6\":\"2001:db8::1\",\"port\":5432}");
  const struct tk_span *span = &batch->spans[0];
  CHECK(hex_is(span->trace_id, TRACE) && hex_is(span->span_id, SPAN) && batch->issue_count == 0);
  CHECK(span->start_unix_ns == 1544712660000123000 && span->end_unix_ns == 1544712660000579000);
  CHECK(span->kind == TK_KIND_CLIENT && text_is(span->name, "get"));
  CHECK(value_is(span->resource->attributes.items[0].value, "shop"));
  CHECK(value_is(find_value(span->attributes, "peer.service"), "db"));
  CHECK(value_is(find_value(span->attributes, "net.peer.ip"), "10.0.0.1"));
  CHECK(value_is(find_value(span->attributes, "net.peer.ip6"), "2001:db8::1"));
  CHECK(find_value(span->attributes, "net.peer.port").as.integer == 5432);
  CHECK(residual_is(span->residual, "") && span->presence == TK_SPAN_HAS_PARENT);
  tk_batch_free(batch);
}

static void lists_of_lists_and_lines_are_read(void) {
  static const char *const texts[] = {
      "[[{" IDS "," TIMES "},{" IDS ",\"kind\":\"SERVER\",\"shared\":true," TIMES "}],[]]",
      "{" IDS "," TIMES "," LOCAL "}\n{" IDS ",\"kind\":\"SERVER\",\"shared\":true," TIMES "}\n"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    struct tk_batch *batch = parse_text(texts[i]);
    CHECK(strcmp(recognise(texts[i]), "zipkin") == 0);
    CHECK(batch->span_count == 2 && batch->record_count == 2 && batch->issue_count == 0);
    CHECK(batch->spans[1].kind == TK_KIND_SERVER && hex_is(batch->spans[1].span_id, SPAN));
    CHECK(residual_is(batch->spans[1].residual, "\"zipkin\":{\"shared\":true}"));
    tk_batch_free(batch);
  }
}

static void times_that_are_missing_stay_unknown(void) {
  struct tk_batch *batch = parse_text("[{" IDS "," LOCAL "},{" IDS
                                      ",\"kind\":\"CLIENT\",\"timestamp\":1544712660000123}"
                                      ",{" IDS ",\"kind\":\"SERVER\",\"duration\":7}]");
  CHECK(batch->span_count == 3 && batch->spans[0].start_unix_ns == 0);
  CHECK(batch->spans[1].start_unix_ns == 1544712660000123000 && batch->spans[1].end_unix_ns == 0);
  CHECK(batch->spans[2].start_unix_ns == 0 && batch->spans[2].end_unix_ns == 0);
  CHECK(residual_is(batch->spans[2].residual, "\"zipkin\":{\"duration\":7}"));
  CHECK(count_issues(batch, "time.start_zero") == 2 && count_issues(batch, "time.end_zero") == 3);
  tk_batch_free(batch);
}

static void status_and_fields_come_from_tags(void) {
  struct tk_batch *batch = parse_members(
      ",\"tags\":{\"error\":\"\",\"n\":\"1\",\"otel.scope.name\":\"lib\",\"span.kind\":"
      "\"internal\","
      "\"w3c.tracestate\":\"a=1\",\"otlp.link.0\":\"" TRACE
      "|00f067aa0ba902b7|b=2|{\\\"k\\\":1}|3\"}");
  const struct tk_span *span = &batch->spans[0];
  CHECK(span->status_code == TK_STATUS_ERROR && span->kind == TK_KIND_INTERNAL);
  CHECK(value_is(find_value(span->attributes, "error"), "") && span->attributes.count == 2);
  CHECK(value_is(find_value(span->attributes, "n"), "1"));
  CHECK(text_is(span->scope->name, "lib") && text_is(span->trace_state, "a=1"));
  CHECK(residual_is(span->residual, "\"zipkin\":{\"statusFrom\":\"error\"}"));
  CHECK(span->link_count == 1 && hex_is(span->links[0].trace_id, TRACE));
  CHECK(text_is(span->links[0].trace_state, "b=2") && span->links[0].attributes.dropped_count == 3);
  tk_batch_free(batch);

  batch = parse_members(",\"tags\":{\"otel.status_code\":\"STATUS_CODE_OK\"}");
  CHECK(batch->spans[0].status_code == TK_STATUS_OK && batch->spans[0].attributes.count == 0);
  tk_batch_free(batch);
}

static void annotations_are_events_with_attributes_if_they_say_so(void) {
  static const struct {
    const char *value, *name;
    uint32_t count, dropped;
  } annotations[] = {{"plain", "plain", 0, 0},
                     {"e|{\\\"k\\\":1}|2", "e", 1, 2},
                     {"{\\\"e\\\":{\\\"k\\\":1,\\\"l\\\":[]}}", "e", 2, 0},
                     {"\\\"e\\\": {\\\"k\\\":1}", "e", 1, 0},
                     {"e|{broken}|2", "e|{broken}|2", 0, 0},
                     {"{\\\"e\\\":1}", "{\"e\":1}", 0, 0},
                     {"2|3", "2|3", 0, 0}};
  for (size_t i = 0; i < sizeof annotations / sizeof annotations[0]; i++) {
    char members[256];
    snprintf(members, sizeof members,
             ",\"annotations\":[{\"timestamp\":1544712660000200,\"value\":\"%s\"}]",
             annotations[i].value);
    struct tk_batch *batch = parse_members(members);
    const struct tk_event *event = &batch->spans[0].events[0];
    CHECK(batch->spans[0].event_count == 1 && event->time_unix_ns == 1544712660000200000);
    CHECK(text_is(event->name, annotations[i].name));
    CHECK(event->attributes.count == annotations[i].count);
    CHECK(event->attributes.dropped_count == annotations[i].dropped);
    tk_batch_free(batch);
  }
}

#define ENDPOINT(service) "\"endpoint\":{\"serviceName\":\"" service "\"}"
#define ANNOTATION(time, value, service) \
  "{\"timestamp\":" time ",\"value\":\"" value "\"," ENDPOINT(service) "}"

static void a_span_of_version_1_with_both_sides_is_two(void) {
  struct tk_batch *batch = parse_text(
      "{" IDS ",\"name\":\"get\",\"annotations\":[" ANNOTATION("1544712660000100", "cs", "web") ","
      ANNOTATION("1544712660000200", "sr", "api") "," ANNOTATION("1544712660000250", "x", "api") ","
      ANNOTATION("1544712660000300", "ss", "api") "," ANNOTATION("1544712660000400", "cr", "web")
      "],\"binaryAnnotations\":[{\"key\":\"k\",\"value\":\"v\"," ENDPOINT("web") "},{\"key\":\"sa\","
      "\"value\":true," ENDPOINT("api") "}]}");
  CHECK(batch->span_count == 2 && batch->record_count == 1 && batch->issue_count == 0);
  const struct tk_span *client = &batch->spans[0];
  const struct tk_span *server = &batch->spans[1];
  CHECK(client->kind == TK_KIND_CLIENT && server->kind == TK_KIND_SERVER);
  CHECK(client->start_unix_ns == 1544712660000100000 && client->end_unix_ns == 1544712660000400000);
  CHECK(server->start_unix_ns == 1544712660000200000 && server->end_unix_ns == 1544712660000300000);
  CHECK(value_is(client->resource->attributes.items[0].value, "web"));
  CHECK(value_is(server->resource->attributes.items[0].value, "api"));
  CHECK(value_is(find_value(client->attributes, "peer.service"), "api"));
  CHECK(value_is(find_value(client->attributes, "k"), "v") && client->event_count == 1);
  CHECK(server->attributes.count == 0 && server->event_count == 0);
  CHECK(residual_is(server->residual, "\"zipkin\":{\"shared\":true}"));
  tk_batch_free(batch);
}

static void a_local_span_of_version_1_is_one(void) {
  struct tk_batch *batch = parse_text("{" IDS "," TIMES ",\"parentId\":\"" SPAN
                                      "\",\"debug\":true,\"binaryAnnotations\":["
                                      "{\"key\":\"lc\",\"value\":\"x\"," ENDPOINT("web") "}]}");
  CHECK(batch->span_count == 1 && batch->spans[0].kind == 0 && batch->spans[0].presence == 0);
  CHECK(value_is(batch->spans[0].resource->attributes.items[0].value, "web"));
  CHECK(residual_is(batch->spans[0].residual, "\"zipkin\":{\"debug\":true}"));
  tk_batch_free(batch);
}

static void faults_are_reported_and_the_rest_is_kept(void) {
  struct tk_batch *batch = parse_text("[{" IDS "," TIMES
                                      ",\"kind\":\"WIZARD\",\"tags\":[1]},{\"a\":1}"
                                      ",7,null]");
  CHECK(batch->span_count == 1 && batch->rejected_count == 2);
  CHECK(count_issues(batch, "json.enum_unknown") == 1 && count_issues(batch, "json.type") == 1);
  CHECK(count_issues(batch, "record.unknown") == 2);
  tk_batch_free(batch);
}

/* What has been read as version 2 until an endpoint shows that it is not is read again, and nothing
 * is there twice. */
static void version_1_may_show_late(void) {
  struct tk_batch *batch = parse_text(
      "[{" IDS
      ",\"timestamp\":1544712660000123,\"duration\":\"x\",\"tags\":{\"a\":\"b\"},\"zzz\":1,"
      "\"annotations\":[{\"timestamp\":1544712660000200,\"value\":\"hit\"},{\"timestamp\":"
      "1544712660000123,\"value\":\"sr\",\"endpoint\":{\"serviceName\":\"shop\"}}]}]");
  const struct tk_span *span = &batch->spans[0];
  CHECK(batch->span_count == 1 && batch->record_count == 1 && batch->rejected_count == 0);
  CHECK(span->kind == TK_KIND_SERVER && span->event_count == 1 && span->attributes.count == 1);
  CHECK(value_is(find_value(span->resource->attributes, "service.name"), "shop"));
  CHECK(count_issues(batch, "json.type") == 1);
  tk_batch_free(batch);
}

static void memory_may_run_out_anywhere(void) {
  check_out_of_memory(
      "[{" IDS "," TIMES ",\"shared\":true," LOCAL
      ",\"annotations\":[{\"timestamp\":1,\"value\":\"e|{\\\"k\\\":\\\"v\\\"}|2\"}],"
      "\"tags\":{\"a\":\"\\u0041\",\"otlp.link.0\":\"" TRACE "|00f067aa0ba902b7||{}|0\"}}]",
      "zipkin");
  check_out_of_memory(
      "[{" IDS ",\"annotations\":[" ANNOTATION("1544712660000100", "cs", "web") "," ANNOTATION(
          "1544712660000200", "sr", "api") "]}]",
      "zipkin");
}

FAULTY_MAIN(CASE(a_span_has_exact_times_kind_and_endpoints),
            CASE(lists_of_lists_and_lines_are_read), CASE(times_that_are_missing_stay_unknown),
            CASE(status_and_fields_come_from_tags),
            CASE(annotations_are_events_with_attributes_if_they_say_so),
            CASE(a_span_of_version_1_with_both_sides_is_two),
            CASE(a_local_span_of_version_1_is_one), CASE(faults_are_reported_and_the_rest_is_kept),
            CASE(version_1_may_show_late), CASE(memory_may_run_out_anywhere))
