/* SPDX-License-Identifier: MIT
 * What becomes of spans as flat objects, and of what consoles print. */
#include "cli/input/flat_json.h"

#include <math.h>
#include <stdio.h>

#include "cli/input/flat_time.h"
#include "tests/input/foreign_support.h"

#define TRACE "5b8efff798038103d269b633813fc60c"
#define SPAN "eee19b7ec3c1b174"
#define IDS "\"trace_id\":\"" TRACE "\",\"span_id\":\"" SPAN "\""
#define TIMES "\"start_ns\":1544712660000000001,\"duration_ns\":7"

static struct tk_batch *parse_members(const char *members) {
  char text[4096];
  snprintf(text, sizeof text, "{" IDS "," TIMES "%s}\n", members);
  struct tk_batch *batch = parse_text(text);
  CHECK(batch->span_count == 1 && batch->rejected_count == 0 && batch->record_count == 1);
  return batch;
}

static void names_are_folded(void) {
  static const char *const lines[] = {
      "{" IDS
      ",\"parent_span_id\":\"00f067aa0ba902b7\",\"service\":\"s\",\"name\":\"n\",\"kind\":3}",
      "{\"traceId\":\"" TRACE "\",\"spanId\":\"" SPAN
      "\",\"parentId\":\"00f067aa0ba902b7\","
      "\"serviceName\":\"s\",\"operationName\":\"n\",\"kind\":\"CLIENT\"}",
      "{\"trace.id\":\"" TRACE "\",\"span.id\":\"" SPAN
      "\",\"parent.id\":\"00f067aa0ba902b7\","
      "\"service.name\":\"s\",\"operation\":\"n\",\"span.kind\":\"client\"}",
      "{\"TraceId\":\"" TRACE "\",\"SpanId\":\"" SPAN
      "\",\"ParentSpanId\":\"00f067aa0ba902b7\","
      "\"ServiceName\":\"s\",\"SpanName\":\"n\",\"SpanKind\":\"SPAN_KIND_CLIENT\"}",
      "{\"traceID\":\"" TRACE "\",\"spanID\":\"" SPAN
      "\",\"parent\":\"00f067aa0ba902b7\","
      "\"resource.service.name\":\"s\",\"name\":\"n\",\"kind\":\"SpanKind.CLIENT\"}"};
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
    struct tk_batch *batch = parse_text(lines[i]);
    CHECK(strcmp(recognise(lines[i]), "ndjson") == 0 && batch->span_count == 1);
    if (batch->span_count == 1) {
      const struct tk_span *span = &batch->spans[0];
      CHECK(hex_is(span->trace_id, TRACE) && hex_is(span->span_id, SPAN));
      CHECK(hex_is(span->parent_span_id, "00f067aa0ba902b7") && text_is(span->name, "n"));
      CHECK(span->kind == TK_KIND_CLIENT && span->attributes.count == 0);
      CHECK(value_is(find_value(span->resource->attributes, "service.name"), "s"));
    }
    tk_batch_free(batch);
  }
}

static void units_are_named_or_guessed(void) {
  static const struct {
    const char *members;
    uint64_t start, end;
  } spans[] = {{"\"start_ns\":1544712660000000001,\"end_ns\":1544712660000000009", 1, 9},
               {"\"startTimeUnixNano\":\"1544712660000000001\",\"duration_ns\":8", 1, 9},
               {"\"start_us\":1544712660000000.001,\"duration_us\":0.5", 1, 501},
               {"\"timestamp\":1544712660000001,\"duration\":2", 1000, 3000},
               {"\"time\":1544712660001,\"duration_ms\":1.5", 1000000, 2500000},
               {"\"start\":1544712660.000000002,\"end\":1544712661", 2, 1000000000},
               {"\"start_time\":\"2018-12-13T14:51:00.000000001Z\",\"duration\":4", 1, 5},
               {"\"@timestamp\":\"2018-12-13T15:51:00+01:00\",\"duration\":\"1.5ms\"", 0, 1500000},
               {"\"Timestamp\":\"2018-12-13 14:51:00.000000003\",\"Duration\":4", 3, 7},
               {"\"end_time\":\"2018-12-13T14:51:00.000001Z\",\"duration_ns\":1000", 0, 1000},
               {"\"start_seconds\":1.54471266e9,\"elapsed\":\"2\xC2\xB5s\"", 0, 2000}};
  const uint64_t base = 1544712660000000000;
  for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
    char line[512];
    snprintf(line, sizeof line, "{" IDS ",%s}\n", spans[i].members);
    struct tk_batch *batch = parse_text(line);
    const bool good = batch->span_count == 1 && batch->issue_count == 0 &&
                      batch->spans[0].start_unix_ns == base + spans[i].start &&
                      batch->spans[0].end_unix_ns == base + spans[i].end;
    if (!good) printf("# %s: %llu\n", line, (unsigned long long)batch->spans[0].start_unix_ns);
    CHECK(good);
    tk_batch_free(batch);
  }
}

static void dates_are_checked(void) {
  static const char *const bad[] = {"",
                                    "2018-12-13",
                                    "2018-13-13T14:51:00Z",
                                    "2018-12-13T14:51:00+25:00",
                                    "2018-12-13T14:51:00Zx",
                                    "1969-12-31T23:59:59Z",
                                    "3000-01-01T00:00:00Z"};
  uint64_t ns;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    CHECK(!tk_parse_rfc3339((struct tk_text){bad[i], (uint32_t)strlen(bad[i])}, &ns));
  }
  CHECK(tk_parse_rfc3339((struct tk_text){"2000-02-29T00:00:00Z", 20}, &ns));
  CHECK(ns == 951782400000000000);
  CHECK(tk_parse_rfc3339((struct tk_text){"1970-01-01T00:00:00Z", 20}, &ns) && ns == 0);
}

static void attributes_keep_their_types(void) {
  struct tk_batch *batch = parse_members(
      ",\"attributes\":{\"s\":\"x\",\"i\":9223372036854775807,\"d\":3.0,\"b\":true,\"e\":null,"
      "\"a\":[1,\"x\",[]],\"o\":{\"k\":1},\"y\":{\"$bytes\":\"AP8=\"},\"n\":{\"$double\":\"NaN\"},"
      "\"m\":{\"$kvlist\":{\"$bytes\":\"AA==\"}},\"s\":\"again\"},\"further\":5,\"nothing\":null");
  const struct tk_attributes attributes = batch->spans[0].attributes;
  CHECK(attributes.count == 12 && find_value(attributes, "i").as.integer == INT64_MAX);
  CHECK(find_value(attributes, "d").type == TK_VALUE_DOUBLE);
  CHECK(find_value(attributes, "b").type == TK_VALUE_BOOL);
  CHECK(attributes.items[4].value.type == TK_VALUE_EMPTY);
  CHECK(find_value(attributes, "a").type == TK_VALUE_ARRAY &&
        find_value(attributes, "a").size == 3);
  CHECK(find_value(attributes, "o").type == TK_VALUE_KVLIST);
  CHECK(find_value(attributes, "y").type == TK_VALUE_BYTES &&
        find_value(attributes, "y").size == 2);
  CHECK(isnan(find_value(attributes, "n").as.real));
  CHECK(find_value(attributes, "m").type == TK_VALUE_KVLIST);
  CHECK(find_value(attributes, "m").as.members[0].value.type == TK_VALUE_STRING);
  CHECK(find_value(attributes, "further").as.integer == 5);
  tk_batch_free(batch);
}

static void status_has_many_spellings(void) {
  static const struct {
    const char *members;
    int32_t code;
    uint32_t presence;
  } spans[] = {
      {",\"status\":2", 2, TK_SPAN_HAS_STATUS},
      {",\"status\":\"ok\"", 1, TK_SPAN_HAS_STATUS},
      {",\"StatusCode\":\"STATUS_CODE_ERROR\"", 2, TK_SPAN_HAS_STATUS},
      {",\"status\":{\"status_code\":\"ERROR\",\"description\":\"no\"}", 2, TK_SPAN_HAS_STATUS},
      {",\"status\":{\"code\":7}", 7, TK_SPAN_HAS_STATUS},
      {",\"error\":true", 2, TK_SPAN_HAS_STATUS},
      {",\"error\":false", 0, 0},
      {",\"status\":null,\"status_message\":null", 0, 0},
      {",\"status\":200", 0, 0}};
  for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
    struct tk_batch *batch = parse_members(spans[i].members);
    if (batch->spans[0].status_code != spans[i].code) printf("# %s\n", spans[i].members);
    CHECK(batch->spans[0].status_code == spans[i].code);
    CHECK(batch->spans[0].presence == spans[i].presence);
    tk_batch_free(batch);
  }
}

static void resources_are_nested_flat_or_prefixed(void) {
  static const char *const members[] = {
      ",\"resource\":{\"service.name\":\"s\",\"host\":\"h\"},\"service\":\"s\"",
      ",\"service\":\"s\",\"resource\":{\"attributes\":{\"host\":\"h\"},\"schema_url\":\"\"}",
      ",\"resource.service.name\":\"s\",\"resource.host\":\"h\"",
      ",\"ServiceName\":\"s\",\"ResourceAttributes\":{\"host\":\"h\"}"};
  for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
    struct tk_batch *batch = parse_members(members[i]);
    const struct tk_attributes attributes = batch->spans[0].resource->attributes;
    CHECK(attributes.count == 2 && value_is(attributes.items[0].value, "s"));
    CHECK(value_is(find_value(attributes, "host"), "h") && batch->spans[0].attributes.count == 0);
    tk_batch_free(batch);
  }
  struct tk_batch *batch = parse_members("");
  CHECK(batch->spans[0].resource->absent && batch->spans[0].scope->absent);
  tk_batch_free(batch);
}

static void pythons_console_is_read(void) {
  static const char text[] =
      "{\n    \"name\": \"op\",\n    \"context\": {\n        \"trace_id\": \"0x" TRACE
      "\",\n"
      "        \"span_id\": \"0x" SPAN
      "\",\n        \"trace_state\": \"[]\"\n    },\n"
      "    \"kind\": \"SpanKind.SERVER\",\n    \"parent_id\": null,\n"
      "    \"start_time\": \"2018-12-13T14:51:00.000001Z\",\n"
      "    \"end_time\": \"2018-12-13T14:51:01.000000Z\",\n"
      "    \"status\": {\n        \"status_code\": \"UNSET\"\n    },\n"
      "    \"attributes\": {\"k\": 1},\n    \"events\": [{\"name\": \"e\", \"timestamp\": "
      "\"2018-12-13T14:51:00.500000Z\", \"attributes\": {}}],\n"
      "    \"links\": [{\"context\": {\"trace_id\": \"0x" TRACE
      "\", \"span_id\": \"0x00f067aa0ba902b7\"}, \"attributes\": {}}],\n"
      "    \"resource\": {\"attributes\": {\"service.name\": \"s\"}, \"schema_url\": \"u\"}\n}\n"
      "{\n    \"name\": \"next\",\n    \"context\": {\"trace_id\": \"0x" TRACE
      "\", \"span_id\": \"0x00f067aa0ba902b7\"},\n    \"parent_id\": \"0x" SPAN "\"\n}\n";
  struct tk_batch *batch = parse_text(text);
  CHECK(strcmp(recognise(text), "python-console") == 0);
  CHECK(batch->span_count == 2 && batch->rejected_count == 0);
  const struct tk_span *span = &batch->spans[0];
  CHECK(hex_is(span->trace_id, TRACE) && span->kind == TK_KIND_SERVER &&
        span->trace_state.size == 0);
  CHECK(span->start_unix_ns == 1544712660000001000 && span->end_unix_ns == 1544712661000000000);
  CHECK(span->event_count == 1 && span->events[0].time_unix_ns == 1544712660500000000);
  CHECK(span->link_count == 1 && hex_is(span->links[0].span_id, "00f067aa0ba902b7"));
  CHECK(text_is(span->resource->schema_url, "u") && !(span->presence & TK_SPAN_HAS_PARENT));
  CHECK(hex_is(batch->spans[1].parent_span_id, SPAN));
  tk_batch_free(batch);
}

static void gos_stdouttrace_is_read(void) {
  static const char text[] =
      "{\"Name\":\"op\",\"SpanContext\":{\"TraceID\":\"" TRACE "\",\"SpanID\":\"" SPAN
      "\",\"TraceFlags\":\"01\",\"TraceState\":\"a=1\",\"Remote\":false},\"Parent\":{\"TraceID\":"
      "\"" TRACE
      "\",\"SpanID\":\"00f067aa0ba902b7\",\"TraceFlags\":\"01\",\"TraceState\":\"\",\"Remote\":"
      "true},"
      "\"SpanKind\":2,\"StartTime\":\"2018-12-13T15:51:00.000000001+01:00\",\"EndTime\":"
      "\"2018-12-13T15:51:00.000000009+01:00\",\"Attributes\":[{\"Key\":\"i\",\"Value\":{\"Type\":"
      "\"INT64\",\"Value\":1}},{\"Key\":\"f\",\"Value\":{\"Type\":\"FLOAT64\",\"Value\":3}},{"
      "\"Key\":"
      "\"l\",\"Value\":{\"Type\":\"STRINGSLICE\",\"Value\":[\"x\"]}}],\"Events\":[{\"Name\":\"e\","
      "\"Attributes\":[{\"Key\":\"k\",\"Value\":{\"Type\":\"BOOL\",\"Value\":true}}],"
      "\"DroppedAttributeCount\":2,\"Time\":\"2018-12-13T14:51:00Z\"}],\"Links\":null,\"Status\":"
      "{\"Code\":\"Error\",\"Description\":\"no\"},\"DroppedAttributes\":1,\"DroppedEvents\":0,"
      "\"DroppedLinks\":3,\"ChildSpanCount\":4,\"Resource\":[{\"Key\":\"service.name\",\"Value\":"
      "{\"Type\":\"STRING\",\"Value\":\"s\"}}],\"InstrumentationScope\":{\"Name\":\"lib\","
      "\"Version\":"
      "\"1\",\"SchemaURL\":\"u\",\"Attributes\":null}}\n";
  struct tk_batch *batch = parse_text(text);
  CHECK(strcmp(recognise(text), "go-stdouttrace") == 0 && batch->span_count == 1);
  const struct tk_span *span = &batch->spans[0];
  CHECK(batch->issue_count == 0 && span->flags == 0x301 && text_is(span->trace_state, "a=1"));
  CHECK(span->start_unix_ns == 1544712660000000001 && span->end_unix_ns == 1544712660000000009);
  CHECK(find_value(span->attributes, "f").type == TK_VALUE_DOUBLE);
  CHECK(find_value(span->attributes, "l").type == TK_VALUE_ARRAY);
  CHECK(find_value(span->attributes, "ChildSpanCount").as.integer == 4);
  CHECK(span->events[0].attributes.count == 1 && span->events[0].attributes.dropped_count == 2);
  CHECK(span->status_code == TK_STATUS_ERROR && text_is(span->status_message, "no"));
  CHECK(span->attributes.dropped_count == 1 && span->dropped_links_count == 3);
  CHECK(value_is(span->resource->attributes.items[0].value, "s"));
  CHECK(text_is(span->scope->name, "lib") && text_is(span->scope->schema_url, "u"));
  tk_batch_free(batch);
}

static void faults_are_reported_and_the_rest_is_kept(void) {
  struct tk_batch *batch = parse_text(
      "{" IDS ",\"start\":\"soon\",\"duration\":\"-1\",\"kind\":\"WIZARD\"}\n{\"a\":1}\n{" IDS
      "\n"
      "{" IDS "," TIMES ",\"kind\":2}\n");
  CHECK(batch->span_count == 2 && batch->rejected_count == 2);
  CHECK(value_is(find_value(batch->spans[0].attributes, "kind"), "WIZARD"));
  CHECK(count_issues(batch, "json.type") == 2 && count_issues(batch, "json.enum_unknown") == 1);
  CHECK(count_issues(batch, "record.unknown") == 1 && count_issues(batch, "json.syntax") == 1);
  tk_batch_free(batch);
}

static void made_up_ids_stay_what_they_were(void) {
  struct tk_batch *batch = parse_members(",\"made_up_ids\":[\"span_id\"]");
  CHECK(batch->spans[0].presence == TK_SPAN_SYNTHETIC_SPAN_ID && batch->issue_count == 0);
  CHECK(hex_is(batch->spans[0].span_id, SPAN));
  tk_batch_free(batch);
}

static void memory_may_run_out_anywhere(void) {
  check_out_of_memory(
      "{" IDS "," TIMES
      ",\"service\":\"s\",\"resource\":{\"h\":\"\\u0041\"},"
      "\"attributes\":{\"a\":[1,{\"$bytes\":\"AA==\"}]},\"events\":[{\"name\":\"e\"}],"
      "\"links\":[{" IDS
      "}],\"scope\":{\"name\":\"l\"},\"residual\":{\"x\":1},"
      "\"resource_residual\":\"AAA=\",\"resource.p\":1}",
      "ndjson");
}

FAULTY_MAIN(CASE(names_are_folded), CASE(units_are_named_or_guessed), CASE(dates_are_checked),
            CASE(attributes_keep_their_types), CASE(status_has_many_spellings),
            CASE(resources_are_nested_flat_or_prefixed), CASE(pythons_console_is_read),
            CASE(gos_stdouttrace_is_read), CASE(faults_are_reported_and_the_rest_is_kept),
            CASE(made_up_ids_stay_what_they_were), CASE(memory_may_run_out_anywhere))
