/* SPDX-License-Identifier: MIT
 * What becomes of the segment documents of AWS X-Ray. */
#include "cli/input/xray_json.h"

#include <stdio.h>

#include "tests/input/foreign_support.h"

#define TRACE_ID "\"trace_id\":\"1-5759e988-bd862e3fe1be46a994272793\""
#define TRACE "5759e988bd862e3fe1be46a994272793"
#define IDS TRACE_ID ",\"id\":\"defdfd9912dc5a56\""
#define TIMES "\"start_time\":1461096053.37518,\"end_time\":1461096053.4042"

static struct tk_batch *parse_members(const char *members) {
  char text[4096];
  snprintf(text, sizeof text, "{" IDS ",\"name\":\"shop\"," TIMES "%s}", members);
  struct tk_batch *batch = parse_text(text);
  CHECK(batch->rejected_count == 0 && batch->record_count == 1 && batch->span_count > 0);
  CHECK(strcmp(recognise(text), "xray") == 0);
  return batch;
}

static void a_segment_has_exact_times_and_the_ids_of_its_trace(void) {
  struct tk_batch *batch = parse_members("");
  const struct tk_span *span = &batch->spans[0];
  CHECK(batch->span_count == 1 && batch->issue_count == 0);
  CHECK(hex_is(span->trace_id, TRACE) && hex_is(span->span_id, "defdfd9912dc5a56"));
  CHECK(span->start_unix_ns == 1461096053375180000 && span->end_unix_ns == 1461096053404200000);
  CHECK(span->kind == TK_KIND_SERVER && text_is(span->name, "shop") && span->presence == 0);
  CHECK(value_is(find_value(span->resource->attributes, "service.name"), "shop"));
  CHECK(residual_is(span->residual, "") && span->attributes.count == 0 && span->scope->absent);
  tk_batch_free(batch);
  batch = parse_text("{" IDS
                     ",\"name\":\"n\",\"start_time\":1.461096053375180001E9,\"end_time\":"
                     "\"1461096053.9999999999\"}");
  CHECK(batch->spans[0].start_unix_ns == 1461096053375180001);
  CHECK(batch->spans[0].end_unix_ns == 1461096053999999999);
  CHECK(count_issues(batch, "json.float_time") == 1);
  tk_batch_free(batch);
}

static void subsegments_are_spans_below_it(void) {
  struct tk_batch *batch = parse_text(
      "{" IDS "," TIMES ",\"subsegments\":[{\"id\":\"53995c3f42cd8ad8\",\"name\":\"db\"," TIMES
      ",\"subsegments\":[{\"id\":\"1111111111111111\",\"name\":\"row\"," TIMES
      "}]},"
      "{\"id\":\"2222222222222222\",\"name\":\"work\"," TIMES "},7,{\"x\":1}]}");
  CHECK(batch->span_count == 4 && batch->rejected_count == 1);
  CHECK(count_issues(batch, "json.type") == 1 && count_issues(batch, "record.unknown") == 1);
  tk_batch_free(batch);
}

static void parents_service_and_kinds_follow_from_nesting(void) {
  struct tk_batch *batch = parse_text(
      "{\"subsegments\":[{\"id\":\"53995c3f42cd8ad8\",\"name\":\"db\",\"namespace\":"
      "\"remote\"," TIMES ",\"subsegments\":[{\"id\":\"1111111111111111\",\"name\":\"row\"," TIMES
      "}]}],"
      "\"parent_id\":\"9999999999999999\",\"service\":{\"version\":\"1.2\",\"runtime\":\"go\"}," IDS
      ",\"name\":\"shop\"," TIMES "}");
  CHECK(batch->span_count == 3 && batch->issue_count == 0);
  const struct tk_span *spans = batch->spans;
  CHECK(hex_is(spans[0].parent_span_id, "9999999999999999"));
  CHECK(hex_is(spans[1].parent_span_id, "defdfd9912dc5a56") && hex_is(spans[1].trace_id, TRACE));
  CHECK(hex_is(spans[2].parent_span_id, "53995c3f42cd8ad8") && hex_is(spans[2].trace_id, TRACE));
  CHECK(spans[0].kind == TK_KIND_SERVER && spans[1].kind == TK_KIND_CLIENT &&
        spans[2].kind == TK_KIND_INTERNAL);
  CHECK(spans[1].resource == spans[0].resource && spans[2].resource == spans[0].resource);
  CHECK(value_is(find_value(spans[0].resource->attributes, "service.version"), "1.2"));
  CHECK(value_is(find_value(spans[0].attributes, "aws.xray.service.runtime"), "go"));
  CHECK(value_is(find_value(spans[1].attributes, "aws.xray.namespace"), "remote"));
  tk_batch_free(batch);
  batch = parse_text("{\"type\":\"subsegment\",\"parent_id\":\"9999999999999999\"," IDS
                     ",\"name\":\"later\"," TIMES "}");
  CHECK(batch->span_count == 1 && batch->spans[0].resource->absent);
  CHECK(batch->spans[0].kind == TK_KIND_INTERNAL);
  tk_batch_free(batch);
}

static void objects_become_attributes(void) {
  struct tk_batch *batch = parse_members(
      ",\"http\":{\"request\":{\"method\":\"GET\",\"url\":\"https://shop.example/\",\"client_ip\":"
      "\"10.0.0.1\",\"x_forwarded_for\":true},\"response\":{\"status\":503,\"content_length\":86}},"
      "\"aws\":{\"xray\":{\"sampling_rule_name\":\"Default\",\"sdk_version\":\"2.0\"},\"ecs\":"
      "{\"container\":\"c1\"},\"operation\":\"PutItem\",\"cloudwatch_logs\":[{\"log_group\":\"g\"}]"
      "},"
      "\"annotations\":{\"customer\":124,\"vip\":true},\"metadata\":{\"default\":{\"a\":[1,2.5]}},"
      "\"sql\":{\"sanitized_query\":\"SELECT ?\",\"database_type\":\"PostgreSQL\"},"
      "\"user\":\"u1\",\"origin\":\"AWS::EC2::Instance\",\"precursor_ids\":[\"a\"],\"other\":null");
  const struct tk_attributes attributes = batch->spans[0].attributes;
  CHECK(batch->issue_count == 0);
  CHECK(value_is(find_value(attributes, "http.request.method"), "GET"));
  CHECK(value_is(find_value(attributes, "url.full"), "https://shop.example/"));
  CHECK(value_is(find_value(attributes, "client.address"), "10.0.0.1"));
  CHECK(find_value(attributes, "http.response.status_code").as.integer == 503);
  CHECK(find_value(attributes, "http.request.x_forwarded_for").type == TK_VALUE_BOOL);
  CHECK(value_is(find_value(attributes, "aws.xray.sampling_rule_name"), "Default"));
  CHECK(value_is(find_value(attributes, "aws.ecs.container"), "c1"));
  CHECK(value_is(find_value(attributes, "aws.operation"), "PutItem"));
  CHECK(find_value(attributes, "aws.cloudwatch_logs").type == TK_VALUE_ARRAY);
  CHECK(find_value(attributes, "customer").as.integer == 124);
  CHECK(find_value(attributes, "vip").type == TK_VALUE_BOOL);
  CHECK(find_value(attributes, "aws.xray.metadata.default").type == TK_VALUE_KVLIST);
  CHECK(value_is(find_value(attributes, "db.query.text"), "SELECT ?"));
  CHECK(value_is(find_value(attributes, "enduser.id"), "u1"));
  CHECK(value_is(find_value(attributes, "aws.xray.origin"), "AWS::EC2::Instance"));
  CHECK(residual_is(batch->spans[0].residual, "\"xray\":{\"precursor_ids\":[\"a\"]}"));
  tk_batch_free(batch);
}

static void faults_have_exceptions_for_events(void) {
  struct tk_batch *batch = parse_members(
      ",\"fault\":true,\"error\":false,\"cause\":{\"working_directory\":\"/srv\",\"exceptions\":[{"
      "\"id\":\"e1\",\"type\":\"IOError\",\"message\":\"no "
      "\\\"disk\\\"\",\"stack\":[{\"path\":\"a.js\","
      "\"line\":7,\"label\":\"save\"}]},{}]},\"links\":[{\"trace_id\":"
      "\"1-5759e988-bd862e3fe1be46a994272793\",\"id\":\"1111111111111111\",\"attributes\":{\"k\":1}"
      "}]");
  const struct tk_span *span = &batch->spans[0];
  CHECK(span->status_code == TK_STATUS_ERROR && span->presence == TK_SPAN_HAS_STATUS);
  CHECK(find_value(span->attributes, "aws.xray.fault").as.integer == 1);
  CHECK(find_value(span->attributes, "aws.xray.error").type == TK_VALUE_EMPTY);
  CHECK(value_is(find_value(span->attributes, "aws.xray.cause.working_directory"), "/srv"));
  CHECK(span->event_count == 2 && text_is(span->events[0].name, "exception"));
  CHECK(span->events[0].time_unix_ns == span->end_unix_ns);
  CHECK(value_is(find_value(span->events[0].attributes, "exception.type"), "IOError"));
  CHECK(value_is(find_value(span->events[0].attributes, "exception.message"), "no \"disk\""));
  CHECK(value_is(find_value(span->events[0].attributes, "exception.stacktrace"),
                 "at save (a.js:7)\n"));
  CHECK(value_is(find_value(span->events[0].attributes, "aws.xray.exception.id"), "e1"));
  CHECK(span->link_count == 1 && hex_is(span->links[0].trace_id, TRACE));
  CHECK(find_value(span->links[0].attributes, "k").as.integer == 1);
  tk_batch_free(batch);
  batch = parse_text("{" IDS
                     ",\"name\":\"n\",\"start_time\":1461096053.5,\"in_progress\":true,"
                     "\"throttle\":true,\"cause\":\"ab12\"}");
  CHECK(batch->spans[0].status_code == TK_STATUS_ERROR && batch->spans[0].end_unix_ns == 0);
  CHECK(find_value(batch->spans[0].attributes, "aws.xray.in_progress").as.integer == 1);
  CHECK(value_is(find_value(batch->spans[0].attributes, "aws.xray.cause"), "ab12"));
  tk_batch_free(batch);
}

static void answers_hold_documents_as_text(void) {
  static const char answer[] =
      "{\n \"Traces\": [{\"Id\": \"1-5759e988-bd862e3fe1be46a994272793\", \"Duration\": 0.02,\n"
      " \"Segments\": [{\"Id\": \"defdfd9912dc5a56\", \"Document\": \"{\\\"trace_id\\\":"
      "\\\"1-5759e988-bd862e3fe1be46a994272793\\\",\\\"id\\\":\\\"defdfd9912dc5a56\\\","
      "\\\"name\\\":"
      "\\\"a \\\\\\\"b\\\\\\\"\\\",\\\"start_time\\\":1461096053.5,\\\"end_time\\\":1461096053.75,"
      "\\\"subsegments\\\":[{\\\"id\\\":\\\"1111111111111111\\\",\\\"name\\\":\\\"c\\\",\\\"start_"
      "time\\\":"
      "1461096053.5,\\\"end_time\\\":1461096053.75}]}\"},"
      "{\"Id\": \"x\", \"Document\": \"{\\\"id\\\":\"}, {\"Document\": \"[]\"}]}],\n"
      " \"UnprocessedTraceIds\": []\n}\n";
  struct tk_batch *batch = parse_text(answer);
  CHECK(strcmp(recognise(answer), "xray") == 0);
  CHECK(batch->span_count == 2 && batch->rejected_count == 2 && batch->record_count == 1);
  CHECK(text_is(batch->spans[0].name, "a \"b\"") && hex_is(batch->spans[0].trace_id, TRACE));
  CHECK(batch->spans[0].end_unix_ns == 1461096053750000000);
  CHECK(count_issues(batch, "json.syntax") == 1 && count_issues(batch, "record.unknown") == 1);
  tk_batch_free(batch);
}

static void what_the_daemon_is_sent_is_lines(void) {
  static const char lines[] = "{\"format\":\"json\",\"version\":1}\n{" IDS ",\"name\":\"a\"," TIMES
                              "}\n{\"format\":\"json\",\"version\":1}\n{" IDS
                              ",\"name\":\"b\"," TIMES "}\n{\"id\":1,\"start_time\":\n";
  struct tk_batch *batch = parse_text(lines);
  CHECK(strcmp(recognise(lines), "xray") == 0);
  CHECK(batch->span_count == 2 && batch->record_count == 5 && batch->rejected_count == 1);
  tk_batch_free(batch);
}

static void memory_may_run_out_anywhere(void) {
  check_out_of_memory(
      "{" IDS ",\"name\":\"n\"," TIMES
      ",\"aws\":{\"a\":{\"b\":[1]}},\"zzz\":1,\"cause\":"
      "{\"exceptions\":[{\"stack\":[{\"path\":\"p\"}]}]},\"links\":[{\"id\":\"text\"}],"
      "\"subsegments\":[{\"id\":\"1111111111111111\",\"start_time\":1461096053.5}]}",
      "xray");
  check_out_of_memory("{\"Traces\":[{\"Segments\":[{\"Document\":\"{\\\"id\\\":\\\"a\\\"}\"}]}]}",
                      "xray");
}

FAULTY_MAIN(CASE(a_segment_has_exact_times_and_the_ids_of_its_trace),
            CASE(subsegments_are_spans_below_it),
            CASE(parents_service_and_kinds_follow_from_nesting), CASE(objects_become_attributes),
            CASE(faults_have_exceptions_for_events), CASE(answers_hold_documents_as_text),
            CASE(what_the_daemon_is_sent_is_lines), CASE(memory_may_run_out_anywhere))
