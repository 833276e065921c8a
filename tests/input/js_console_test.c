/* SPDX-License-Identifier: MIT
 * What becomes of what the JavaScript SDK's ConsoleSpanExporter prints. */
#include "cli/input/js_console.h"

#include <math.h>
#include <stdio.h>

#include "cli/input/js_inspect.h"
#include "tests/input/foreign_support.h"

#define TRACE "65ea72b857dd68a023ece223722a9e0c"
#define SPAN "0875bcb35e50ca48"
#define IDS "  traceId: '" TRACE "',\n  id: '" SPAN "',\n"
#define TIMES "  timestamp: 1795202082391000,\n  duration: 426.667,\n"

static const char whole[] =
    "{\n"
    "  resource: {\n"
    "    attributes: {\n"
    "      'service.name': \"shop's\",\n"
    "      'process.command_args': [ 'node', '/srv/app.js' ]\n"
    "    }\n"
    "  },\n"
    "  instrumentationScope: { name: 'shop', version: '0.1.0', schemaUrl: undefined },\n"
    "  traceId: '" TRACE
    "',\n"
    "  parentSpanContext: {\n"
    "    traceId: '" TRACE
    "',\n"
    "    spanId: '5be9fe0662786ee4',\n"
    "    traceFlags: 1,\n"
    "    isRemote: true,\n"
    "    traceState: TraceStateImpl {\n"
    "      _internalState: Map(2) { 'b' => '2', 'a' => '1' }\n"
    "    }\n"
    "  },\n"
    "  traceState: 'a=1,b=2',\n"
    "  name: 'SELECT cart',\n"
    "  id: '" SPAN
    "',\n"
    "  kind: 2,\n" TIMES
    "  attributes: { ratio: 0.25, big: 1e+21, whole: 3, ok: true, text: `it's \"q\"\\n`, long: "
    "'a\\n' "
    "+\n"
    "    'b' },\n"
    "  status: { code: 2, message: 'failed' },\n"
    "  events: [\n"
    "    {\n"
    "      name: 'cache miss',\n"
    "      attributes: { key: 'c1', nested: [Object] },\n"
    "      time: [ 1795202082, 391120921 ],\n"
    "      droppedAttributesCount: 3\n"
    "    }\n"
    "  ],\n"
    "  links: [\n"
    "    {\n"
    "      context: {\n"
    "        traceId: '11111111111111111111111111111111',\n"
    "        spanId: '2222222222222222',\n"
    "        traceFlags: 1\n"
    "      },\n"
    "      attributes: { why: 'batch' }\n"
    "    }\n"
    "  ],\n"
    "  novelty: { a: [ 1 ] }\n"
    "}\n";

static void a_span_has_everything_that_was_printed(void) {
  struct tk_batch *batch = parse_text(whole);
  CHECK(strcmp(recognise(whole), "js-console") == 0);
  CHECK(batch->span_count == 1 && batch->record_count == 1 && batch->issue_count == 0);
  const struct tk_span *span = &batch->spans[0];
  CHECK(hex_is(span->trace_id, TRACE) && hex_is(span->span_id, SPAN));
  CHECK(hex_is(span->parent_span_id, "5be9fe0662786ee4") && span->flags == 0x300);
  CHECK(span->kind == TK_KIND_CLIENT && text_is(span->name, "SELECT cart"));
  CHECK(span->start_unix_ns == 1795202082391000000 && span->end_unix_ns == 1795202082391426667);
  CHECK(text_is(span->trace_state, "a=1,b=2") && text_is(span->scope->version, "0.1.0"));
  CHECK(value_is(find_value(span->resource->attributes, "service.name"), "shop's"));
  CHECK(find_value(span->resource->attributes, "process.command_args").size == 2);
  CHECK(find_value(span->attributes, "whole").as.integer == 3);
  CHECK(find_value(span->attributes, "big").as.real == 1e21);
  CHECK(value_is(find_value(span->attributes, "text"), "it's \"q\"\n"));
  CHECK(value_is(find_value(span->attributes, "long"), "a\nb"));
  CHECK(span->status_code == TK_STATUS_ERROR && text_is(span->status_message, "failed"));
  CHECK(span->event_count == 1 && span->events[0].time_unix_ns == 1795202082391120921);
  CHECK(span->events[0].attributes.dropped_count == 3);
  CHECK(value_is(find_value(span->events[0].attributes, "nested"), "[Object]"));
  CHECK(span->link_count == 1 && span->links[0].flags == 1);
  CHECK(residual_is(span->residual, "\"js\":{\"novelty\":{\"a\":[1]}}"));
  tk_batch_free(batch);
}

static void older_versions_name_the_parent_by_its_id(void) {
  struct tk_batch *batch =
      parse_text("{\n" IDS "  parentId: '5be9fe0662786ee4',\n  kind: 0,\n" TIMES
                 "}\n"
                 "{\n" IDS "  parentId: undefined,\n  kind: 4,\n" TIMES "}\n");
  CHECK(batch->span_count == 2 && batch->issue_count == 0);
  CHECK(batch->spans[0].presence == TK_SPAN_HAS_PARENT && batch->spans[0].kind == 1);
  CHECK(batch->spans[1].presence == 0 && batch->spans[1].kind == TK_KIND_CONSUMER);
  CHECK(batch->spans[0].resource->absent && batch->spans[0].scope->absent);
  tk_batch_free(batch);
}

static void what_stands_between_objects_costs_nothing_else(void) {
  struct tk_batch *batch = parse_text("{\n" IDS TIMES "}\nlistening on 8080\nready\n\n{\n" IDS
                                      "  kind: 1,\nout of memory\n{\n" IDS "  kind: 2,\n" TIMES
                                      "}\n{ other: [ 'object' ] }\n{\n" IDS "  name: 'x\n}\n{\n" IDS
                                      "  kind: 3,\n" TIMES "}\r\n{\n  traceId: '" TRACE "',\n");
  CHECK(batch->span_count == 3 && batch->record_count == 8 && batch->rejected_count == 5);
  CHECK(count_issues(batch, "record.unknown") == 2 && count_issues(batch, "json.syntax") == 1);
  CHECK(count_issues(batch, "record.truncated") == 2);
  CHECK(find_issue(batch, "record.unknown")->line == 7);
  CHECK(text_is(find_issue(batch, "record.unknown")->raw, "listening on 8080\nready\n\n"));
  tk_batch_free(batch);
}

static bool becomes(const char *text, const char *expected) {
  struct tk_batch_builder builder = {0};
  struct tk_js_fault fault = {0};
  tk_batch_builder_begin(&builder);
  const bool converted =
      tk_js_inspect_to_json(&builder, (struct tk_text){text, (uint32_t)strlen(text)}, &fault);
  const bool same =
      converted &&
      text_is((struct tk_text){builder.residual.data, builder.residual.count}, expected);
  if (!same) {
    printf("# %s\n#   expected %s\n#   found    %.*s\n", text, expected,
           (int)builder.residual.count, builder.residual.data);
  }
  CHECK(converted == !fault.expected);
  tk_batch_builder_reset(&builder);
  return same;
}

static void values_are_read_as_they_are_printed(void) {
  CHECK(becomes("{}", "{}"));
  CHECK(becomes("{ a: 1, 'b-c': -0, d$: 12n, e: +Infinity }",
                "{\"a\":1,\"b-c\":-0,\"d$\":12,\"e\":\"+Infinity\"}"));
  CHECK(becomes("[ NaN, -Infinity, undefined, null, true ]",
                "[{\"$double\":\"NaN\"},{\"$double\":\"-Infinity\"},null,null,true]"));
  CHECK(becomes("'\\'\\x07\\u00e9\\\\\\v\"'", "\"'\\u0007\\u00e9\\\\\\u000b\\\"\""));
  CHECK(becomes("'a' +\n  'b' +\n \"c\"", "\"abc\""));
  CHECK(becomes("[ 1, 2, ... 98 more items ]", "[1,2]"));
  CHECK(becomes("[ <2 empty items>, 3 ]", "[\"<2 empty items>\",3]"));
  CHECK(becomes("{ f: [Function: f], g: [Array], h: [Object: null prototype] { i: 1 } }",
                "{\"f\":\"[Function: f]\",\"g\":\"[Array]\",\"h\":{\"i\":1}}"));
  CHECK(becomes("<ref *1> Foo { self: [Circular *1], [Symbol(k)]: Bar {} }",
                "{\"self\":\"[Circular *1]\",\"[Symbol(k)]\":{}}"));
  CHECK(becomes("Map(1) { 'k' => Set(2) { 1, 'x' } }", "{\"k\":[1,\"x\"]}"));
  CHECK(becomes(
      "{ d: 2020-01-01T00:00:00.000Z, s: Symbol(x y), b: <Buffer 01>, t: Int8Array(1) [ 1 ] }",
      "{\"d\":\"2020-01-01T00:00:00.000Z\",\"s\":\"Symbol(x y)\",\"b\":\"<Buffer 01>\","
      "\"t\":[1]}"));
}

static void what_is_no_such_value_is_refused(void) {
  static const char *const texts[] = {"",        "{",          "{ a }",    "{ a: }",    "[ 1 2 ]",
                                      "'a",      "'a\\",       "{ a: 1 ]", "[Function", "{} {}",
                                      "<Buffer", "{ a: 1,, }", "Map(1 {"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    struct tk_batch_builder builder = {0};
    struct tk_js_fault fault = {0};
    tk_batch_builder_begin(&builder);
    const struct tk_text text = {texts[i], (uint32_t)strlen(texts[i])};
    CHECK(!tk_js_inspect_to_json(&builder, text, &fault) && fault.expected != NULL);
    CHECK(fault.at >= texts[i] && fault.at <= texts[i] + text.size);
    tk_batch_builder_reset(&builder);
  }
}

static void memory_may_run_out_anywhere(void) {
  check_out_of_memory(whole, "js-console");
}

FAULTY_MAIN(CASE(a_span_has_everything_that_was_printed),
            CASE(older_versions_name_the_parent_by_its_id),
            CASE(what_stands_between_objects_costs_nothing_else),
            CASE(values_are_read_as_they_are_printed), CASE(what_is_no_such_value_is_refused),
            CASE(memory_may_run_out_anywhere))
