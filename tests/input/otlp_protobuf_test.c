/* SPDX-License-Identifier: MIT
 * What protobuf allows, what producers send, and what damage does: message by message. */
#include "cli/input/otlp_protobuf.h"

#include <stdlib.h>
#include <string.h>

#include "cli/input/wire_format.h"
#include "store/segment/span_copy.h"
#include "tests/input/parse_support.h"
#include "tests/input/wire_builder.h"
#include "tests/support/check.h"

static const uint8_t trace_bytes[16] = {0x5b, 0x8e, 0xff, 0xf7, 0x98, 0x03, 0x81, 0x03,
                                        0xd2, 0x69, 0xb6, 0x33, 0x81, 0x3f, 0xc6, 0x0c};
static const uint8_t span_bytes[8] = {0xee, 0xe1, 0x9b, 0x7e, 0xc3, 0xc1, 0xb1, 0x74};

static struct wire_bytes out;
static size_t levels[4]; /* of an open message: resource_spans, scope_spans, span */

static void begin_spans(void) {
  out.size = 0;
  levels[0] = wire_begin(&out, 1);
  levels[1] = wire_begin(&out, 2);
}

static void add_ids_and_times(void) {
  wire_field(&out, 1, trace_bytes, sizeof trace_bytes);
  wire_field(&out, 2, span_bytes, sizeof span_bytes);
  wire_fixed64(&out, 7, 1544712660000000000u);
  wire_fixed64(&out, 8, 1544712661000000000u);
}

/* A span whose other fields are written next. */
static void begin_span(void) {
  begin_spans();
  levels[2] = wire_begin(&out, 2);
  add_ids_and_times();
}

static struct tk_batch *parse_bytes(const void *bytes, size_t size) {
  const struct tk_input_options options = {.format = "otlp-proto", .batch_bytes = SIZE_MAX};
  struct tk_byte_source *source;
  struct tk_input *reader;
  struct tk_batch *batch = NULL;
  if (tk_byte_source_open_memory("memory", bytes, size, 0, &source, NULL) != TK_OK ||
      tk_input_open_source(source, &options, &reader, NULL) != TK_OK ||
      tk_input_next(reader, &batch, NULL) != TK_OK || !batch) {
    abort();
  }
  tk_input_close(reader);
  return batch;
}

static struct tk_batch *end_spans(void) {
  wire_end(&out, levels[1]);
  wire_end(&out, levels[0]);
  return parse_bytes(out.data, out.size);
}

static struct tk_batch *end_span(void) {
  wire_end(&out, levels[2]);
  return end_spans();
}

/* ---- the wire format ---- */

static bool fails(const char *bytes, size_t size) {
  struct tk_wire wire = tk_wire_of(bytes, (uint32_t)size);
  struct tk_wire_field field;
  while (tk_wire_next(&wire, &field)) {
  }
  return wire.expected != NULL;
}

#define FAILS(bytes) fails(bytes, sizeof(bytes) - 1)

static void fields_of_every_type_are_told_apart(void) {
  static const char bytes[] =
      "\x08\x96\x01"                                /* 1: 150 */
      "\x11\1\2\3\4\5\6\7\x88"                      /* 2: fixed64 */
      "\x1a\2hi"                                    /* 3: "hi" */
      "\x23\x08\1\x2b\x2c\x24"                      /* 4: group with a field and a group */
      "\x85\1\1\0\0\x80"                            /* 16: fixed32 */
      "\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"; /* 6: -1 */
  struct tk_wire wire = tk_wire_of(bytes, sizeof bytes - 1);
  struct tk_wire_field field;
  CHECK(tk_wire_next(&wire, &field) && field.number == 1 && field.value == 150);
  CHECK(tk_wire_next(&wire, &field) && field.number == 2 && field.value == 0x8807060504030201u);
  CHECK(tk_wire_next(&wire, &field) && field.size == 2 && memcmp(field.data, "hi", 2) == 0);
  CHECK(tk_wire_next(&wire, &field) && field.type == TK_WIRE_GROUP && field.size == 4);
  CHECK(wire.at - field.begin == 6);
  CHECK(tk_wire_next(&wire, &field) && field.number == 16 && field.value == 0x80000001u);
  CHECK(tk_wire_next(&wire, &field) && field.number == 6 && (int64_t)field.value == -1);
  CHECK(!tk_wire_next(&wire, &field) && !wire.expected);
}

static void every_cut_of_a_field_is_noticed(void) {
  static const char bytes[] =
      "\x85\1\1\0\0\x80\x23\x08\1\x2b\x2c\x24\x1a\3abc\x11\1\2\3\4\5\6\7\x88";
  static const size_t ends[] = {0, 6, 12, 17, 26};
  for (size_t size = 0; size < sizeof bytes; size++) {
    bool whole = false;
    for (size_t i = 0; i < 5; i++) whole |= ends[i] == size;
    char *exact = malloc(size + 1); /* an address sanitizer sees what reads beyond */
    if (!exact) abort();
    memcpy(exact, bytes, size);
    exact = realloc(exact, size ? size : 1);
    CHECK(fails(exact, size) == !whole);
    free(exact);
  }
}

static void bytes_that_are_no_fields_are_refused(void) {
  char groups[200];
  CHECK(FAILS("\0\0") && FAILS("\x06") && FAILS("\x0f") && FAILS("\x0c"));
  CHECK(FAILS("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"));
  CHECK(FAILS("\xff\xff\xff\xff\xff\1\1") && FAILS("\x0b\x14") && FAILS("\x0b\x0f\x0c"));
  CHECK(FAILS("\x0a\xff\xff\xff\xff\x0f") && FAILS("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"));
  memset(groups, 0x0b, 100);
  memset(groups + 100, 0x0c, 100);
  CHECK(fails(groups, sizeof groups) && !fails(groups + 40, 120));
}

/* ---- messages ---- */

static void a_resource_may_come_last_and_in_parts(void) {
  begin_span();
  wire_end(&out, levels[2]);
  wire_text(&out, 3, "scope schema");
  size_t scope = wire_begin(&out, 1);
  wire_text(&out, 1, "lost");
  wire_end(&out, scope);
  scope = wire_begin(&out, 1);
  wire_text(&out, 2, "1.0");
  wire_text(&out, 1, "scope");
  wire_end(&out, scope);
  wire_end(&out, levels[1]);
  for (uint64_t part = 1; part <= 2; part++) {
    const size_t resource = wire_begin(&out, 1);
    wire_int(&out, 2, part);
    const size_t attribute = wire_begin(&out, 1);
    wire_text(&out, 1, part == 1 ? "a" : "b");
    const size_t value = wire_begin(&out, 2);
    wire_int(&out, 3, part);
    wire_end(&out, value);
    wire_end(&out, attribute);
    wire_int(&out, 99, part);
    wire_end(&out, resource);
    wire_int(&out, 98, part);
  }
  wire_end(&out, levels[0]);
  struct tk_batch *batch = parse_bytes(out.data, out.size);
  CHECK(batch->span_count == 1 && batch->record_count == 1 && batch->rejected_count == 0);
  const struct tk_span *span = &batch->spans[0];
  CHECK(!span->resource->absent && !span->scope->absent);
  CHECK(span->resource->attributes.count == 2 && span->resource->attributes.dropped_count == 2);
  CHECK(find_value(span->resource->attributes, "a").as.integer == 1);
  CHECK(find_value(span->resource->attributes, "b").as.integer == 2);
  CHECK(span->resource->residual.size == 6 && span->resource->outer_residual.size == 6);
  CHECK(memcmp(span->resource->residual.data, "\x98\6\1\x98\6\2", 6) == 0);
  CHECK(text_is(span->scope->name, "scope") && text_is(span->scope->version, "1.0"));
  CHECK(text_is(span->scope->schema_url, "scope schema"));
  tk_batch_free(batch);
}

/* The value of an attribute whose AnyValue has these bytes. */
static struct tk_batch *parse_value(const void *bytes, size_t size, struct tk_value *value) {
  begin_span();
  const size_t attribute = wire_begin(&out, 9);
  wire_text(&out, 1, "k");
  wire_field(&out, 2, bytes, size);
  wire_end(&out, attribute);
  struct tk_batch *batch = end_span();
  *value = batch->span_count ? find_value(batch->spans[0].attributes, "k") : (struct tk_value){0};
  return batch;
}

#define VALUE(bytes) parse_value(bytes, sizeof(bytes) - 1, &value)

static void the_last_member_of_a_value_wins(void) {
  struct tk_value value;
  struct tk_batch *batch = VALUE("\x0a\1x\x18\7");
  CHECK(value.type == TK_VALUE_INT && value.as.integer == 7);
  tk_batch_free(batch);
  batch = VALUE("\x2a\4\x0a\2\x18\1\x0a\0");
  CHECK(value.type == TK_VALUE_STRING && value.size == 0);
  tk_batch_free(batch);
  batch = VALUE("\x2a\4\x0a\2\x18\1\x2a\4\x0a\2\x18\2"); /* two arrays are one */
  CHECK(value.type == TK_VALUE_ARRAY && value.size == 2 && value.as.items[1].as.integer == 2);
  tk_batch_free(batch);
  batch = VALUE("\x2a\4\x0a\2\x18\1\x10\1\x2a\4\x0a\2\x18\2"); /* unless something is between */
  CHECK(value.type == TK_VALUE_ARRAY && value.size == 1 && value.as.items[0].as.integer == 2);
  tk_batch_free(batch);
  batch = VALUE("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\1");
  CHECK(value.type == TK_VALUE_INT && value.as.integer == -1);
  tk_batch_free(batch);
  batch = VALUE("\x40\5");
  CHECK(value.type == TK_VALUE_EMPTY && find_issue(batch, "protobuf.unknown_field"));
  tk_batch_free(batch);
}

static void values_nest_only_so_deep(void) {
  for (int depth = TK_PROTOBUF_VALUE_DEPTH_LIMIT; depth <= 4 * TK_PROTOBUF_VALUE_DEPTH_LIMIT;
       depth += 3 * TK_PROTOBUF_VALUE_DEPTH_LIMIT / 2) {
    static struct wire_bytes value;
    size_t begins[2 * 4 * TK_PROTOBUF_VALUE_DEPTH_LIMIT];
    value.size = 0;
    for (int i = 0; i < depth; i++) {
      begins[2 * i] = wire_begin(&value, 5);
      begins[2 * i + 1] = wire_begin(&value, 1);
    }
    for (int i = 2 * depth - 1; i >= 0; i--) wire_end(&value, begins[i]);
    struct tk_value found;
    struct tk_batch *batch = parse_value(value.data, value.size, &found);
    const bool fits = depth <= TK_PROTOBUF_VALUE_DEPTH_LIMIT;
    CHECK(batch->span_count == fits && batch->rejected_count == !fits);
    CHECK(fits == !find_issue(batch, "protobuf.syntax"));
    tk_batch_free(batch);
  }
}

static void unknown_fields_of_a_status_stay_with_the_span(void) {
  begin_span();
  const size_t status = wire_begin(&out, 15);
  wire_int(&out, 3, 2);
  wire_int(&out, 77, 5);
  wire_end(&out, status);
  struct tk_batch *batch = end_span();
  const struct tk_span *span = &batch->spans[0];
  CHECK(span->status_code == TK_STATUS_ERROR && (span->presence & TK_SPAN_HAS_STATUS));
  CHECK(span->residual.format == TK_RESIDUAL_PROTOBUF && span->residual.size == 9);
  CHECK(memcmp(span->residual.data, "\x7a\x83\x80\x80\x80\0\xe8\4\5", 9) == 0);
  tk_batch_free(batch);
}

static void the_former_status_code_meant_an_error(void) {
  for (uint64_t code = 0; code <= 2; code++) {
    begin_span();
    const size_t status = wire_begin(&out, 15);
    wire_int(&out, 1, 13);
    if (code) wire_int(&out, 3, code);
    wire_end(&out, status);
    struct tk_batch *batch = end_span();
    CHECK(batch->spans[0].status_code == (code == 1 ? TK_STATUS_OK : TK_STATUS_ERROR));
    tk_batch_free(batch);
  }
}

static void former_scope_spans_count_where_there_are_no_others(void) {
  for (int both = 0; both <= 1; both++) {
    out.size = 0;
    levels[0] = wire_begin(&out, 1);
    for (int i = 0; i <= both; i++) {
      levels[1] = wire_begin(&out, i ? 2 : 1000);
      levels[2] = wire_begin(&out, 2);
      add_ids_and_times();
      wire_text(&out, 5, i ? "new" : "old");
      wire_end(&out, levels[2]);
      wire_end(&out, levels[1]);
    }
    wire_end(&out, levels[0]);
    struct tk_batch *batch = parse_bytes(out.data, out.size);
    CHECK(batch->span_count == 1 && text_is(batch->spans[0].name, both ? "new" : "old"));
    CHECK((find_issue(batch, "protobuf.legacy_field") != NULL) == !both);
    CHECK((batch->spans[0].resource->outer_residual.size > 0) == both);
    tk_batch_free(batch);
  }
}

static void enums_may_be_negative_and_flags_have_two_bytes_of_tag(void) {
  begin_span();
  wire_int(&out, 6, (uint64_t)-5);
  wire_fixed32(&out, 16, 0x301);
  wire_int(&out, 10, UINT64_MAX);
  struct tk_batch *batch = end_span();
  CHECK(batch->spans[0].kind == -5 && batch->spans[0].flags == 0x301);
  CHECK(batch->spans[0].attributes.dropped_count == UINT32_MAX && batch->issue_count == 0);
  tk_batch_free(batch);
}

static void entity_refs_are_kept_without_a_word(void) {
  begin_span();
  wire_end(&out, levels[2]);
  wire_end(&out, levels[1]);
  const size_t resource = wire_begin(&out, 1);
  wire_field(&out, 3, "\x12\1s", 3);
  wire_end(&out, resource);
  wire_end(&out, levels[0]);
  struct tk_batch *batch = parse_bytes(out.data, out.size);
  CHECK(batch->issue_count == 0 && batch->spans[0].resource->residual.size == 5);
  CHECK(batch->spans[0].resource->residual.format == TK_RESIDUAL_PROTOBUF);
  tk_batch_free(batch);
}

/* ---- ids ---- */

static struct tk_batch *parse_ids(const void *trace, size_t trace_size, const void *span,
                                  size_t span_size) {
  begin_spans();
  levels[2] = wire_begin(&out, 2);
  wire_fixed64(&out, 7, 1544712660000000000u);
  wire_fixed64(&out, 8, 1544712661000000000u);
  wire_field(&out, 1, trace, trace_size);
  wire_field(&out, 2, span, span_size);
  return end_span();
}

static void hexadecimal_digits_that_were_taken_for_base64_are_found(void) {
  uint8_t trace[26], span[14];
  CHECK(tk_base64_decode("5b8efff798038103d269b633813fc60c", 32, trace) == 24);
  CHECK(tk_base64_decode("EEE19B7EC3C1B174", 16, span) == 12);
  struct tk_batch *batch = parse_ids(trace, 24, span, 12);
  CHECK(hex_is(batch->spans[0].trace_id, "5b8efff798038103d269b633813fc60c"));
  CHECK(hex_is(batch->spans[0].span_id, "eee19b7ec3c1b174") && batch->spans[0].presence == 0);
  CHECK(count_issues(batch, "id.hex_as_base64") >= 1 && find_issue(batch, "id.uppercase"));
  tk_batch_free(batch);
}

static void ids_of_other_lengths_are_read_as_text(void) {
  struct tk_batch *batch = parse_ids("\1\2\3\4\5\6\7\x08", 8, "eee19b7ec3c1b174", 16);
  CHECK(hex_is(batch->spans[0].trace_id, "00000000000000000102030405060708"));
  CHECK(batch->spans[0].presence == TK_SPAN_SHORT_TRACE_ID && find_issue(batch, "id.short64"));
  CHECK(hex_is(batch->spans[0].span_id, "eee19b7ec3c1b174"));
  tk_batch_free(batch);
  batch = parse_ids("a trace of mine!!", 17, "\1\2\3", 3);
  CHECK(batch->spans[0].presence == (TK_SPAN_TEXT_TRACE_ID | TK_SPAN_SYNTHETIC_SPAN_ID));
  CHECK(text_is(batch->spans[0].trace_id_text, "a trace of mine!!"));
  CHECK(find_issue(batch, "id.trace.text") && find_issue(batch, "id.span.length"));
  tk_batch_free(batch);
  batch = parse_ids("\1\2\3\4\5\6\7\x08\x09\x0a", 10, span_bytes, 8);
  CHECK(hex_is(batch->spans[0].trace_id, "0000000000000102030405060708090a"));
  CHECK(find_issue(batch, "id.trace.length"));
  tk_batch_free(batch);
}

static void spans_without_ids_get_stable_ones(void) {
  static const uint8_t zero[16];
  struct tk_batch *first = parse_ids("", 0, zero, 8);
  struct tk_batch *second = parse_ids("", 0, zero, 8);
  const struct tk_issue *issue = find_issue(first, "id.trace.missing");
  CHECK(issue && issue->has_trace && find_issue(first, "id.span.zero"));
  CHECK(memcmp(first->spans[0].trace_id, zero, 16) != 0);
  CHECK(!tk_span_difference(&first->spans[0], &second->spans[0]));
  CHECK(first->spans[0].presence == (TK_SPAN_SYNTHETIC_TRACE_ID | TK_SPAN_SYNTHETIC_SPAN_ID));
  tk_batch_free(first);
  tk_batch_free(second);
}

static void broken_utf8_is_kept_and_reported(void) {
  begin_span();
  wire_text(&out, 5, "caf\xe9");
  struct tk_batch *batch = end_span();
  CHECK(text_is(batch->spans[0].name, "caf\xe9") && find_issue(batch, "utf8.invalid"));
  tk_batch_free(batch);
}

/* ---- damage and other things ---- */

static void a_damaged_span_does_not_take_others_along(void) {
  begin_spans();
  for (int i = 0; i < 3; i++) {
    levels[2] = wire_begin(&out, 2);
    add_ids_and_times();
    if (i == 1) wire_raw(&out, "\x4a\x7f", 2); /* an attribute longer than the span */
    wire_end(&out, levels[2]);
  }
  wire_end(&out, levels[1]);
  wire_end(&out, levels[0]);
  const size_t fault = out.size;
  struct tk_batch *batch = parse_bytes(out.data, out.size);
  const struct tk_issue *issue = find_issue(batch, "protobuf.syntax");
  CHECK(batch->span_count == 2 && batch->rejected_count == 1 && batch->issue_count == 1);
  CHECK(issue && issue->offset > 50 && issue->offset < fault && issue->line == 0);
  CHECK(strncmp(issue->raw.data, "0a10", 4) == 0); /* binary is quoted in hexadecimal */
  CHECK(memcmp(issue->message.data, "Span, byte ", 11) == 0);
  tk_batch_free(batch);
}

static void logs_and_metrics_are_no_spans(void) {
  begin_spans();
  size_t other = wire_begin(&out, 2); /* a log record */
  wire_fixed64(&out, 1, 1544712660000000000u);
  wire_int(&out, 2, 9);
  wire_text(&out, 3, "INFO");
  wire_end(&out, other);
  other = wire_begin(&out, 2); /* a metric */
  wire_text(&out, 1, "http.server.duration");
  wire_text(&out, 2, "how long");
  wire_text(&out, 7, "\x12");
  wire_end(&out, other);
  struct tk_batch *batch = end_spans();
  CHECK(batch->span_count == 0 && count_issues(batch, "record.not_trace") == 2);
  tk_batch_free(batch);
}

static void json_and_protobuf_give_equal_spans(void) {
  struct tk_batch *json = parse_text(
      "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{"
      "\"stringValue\":\"a\"}}],\"droppedAttributesCount\":1},\"scopeSpans\":[{\"scope\":{\"name\":"
      "\"s\"},\"spans\":[{\"traceId\":\"5b8efff798038103d269b633813fc60c\",\"spanId\":"
      "\"eee19b7ec3c1b174\",\"parentSpanId\":\"0000000000000000\",\"name\":\"n\",\"kind\":2,"
      "\"startTimeUnixNano\":\"1544712660000000000\",\"endTimeUnixNano\":\"1544712661000000000\","
      "\"attributes\":[{\"key\":\"b\",\"value\":{\"bytesValue\":\"AP8=\"}},{\"key\":\"m\","
      "\"value\":{"
      "\"kvlistValue\":{\"values\":[{\"key\":\"x\",\"value\":{\"doubleValue\":1.5}}]}}}],"
      "\"events\":[{"
      "\"timeUnixNano\":\"5\",\"name\":\"e\",\"droppedAttributesCount\":2}],\"links\":[{"
      "\"traceId\":"
      "\"5b8efff798038103d269b633813fc60c\",\"spanId\":\"eee19b7ec3c1b174\",\"flags\":257}],"
      "\"status\":{\"code\":1,\"message\":\"m\"},\"flags\":1}]}]}]}\n");
  begin_span();
  wire_field(&out, 4, "\0\0\0\0\0\0\0\0", 8);
  wire_text(&out, 5, "n");
  wire_int(&out, 6, 2);
  wire_field(&out, 9, "\x0a\1b\x12\4\x3a\2\0\xff", 9);
  wire_field(&out, 9, "\x0a\1m\x12\x12\x32\x10\x0a\x0e\x0a\1x\x12\x09\x21\0\0\0\0\0\0\xf8\x3f", 23);
  wire_field(&out, 11, "\x09\5\0\0\0\0\0\0\0\x12\1e\x20\2", 14);
  const size_t link = wire_begin(&out, 13);
  wire_field(&out, 1, trace_bytes, 16);
  wire_field(&out, 2, span_bytes, 8);
  wire_fixed32(&out, 6, 257);
  wire_end(&out, link);
  wire_field(&out, 15, "\x18\1\x12\1m", 5);
  wire_fixed32(&out, 16, 1);
  wire_end(&out, levels[2]);
  wire_field(&out, 1, "\x0a\1s", 3);
  wire_end(&out, levels[1]);
  wire_field(&out, 1, "\x0a\x13\x0a\x0cservice.name\x12\3\x0a\1a\x10\1", 23);
  wire_end(&out, levels[0]);
  struct tk_batch *protobuf = parse_bytes(out.data, out.size);
  CHECK(json->span_count == 1 && protobuf->span_count == 1 && protobuf->issue_count == 0);
  const char *difference = tk_span_difference(&json->spans[0], &protobuf->spans[0]);
  if (difference) printf("# %s\n", difference);
  CHECK(!difference);
  tk_batch_free(json);
  tk_batch_free(protobuf);
}

/* Any byte of a message changed, or the message cut anywhere: never more than the damage. */
static void no_change_of_a_byte_does_harm(void) {
  begin_span();
  wire_field(&out, 9, "\x0a\1m\x12\x12\x32\x10\x0a\x0e\x0a\1x\x12\x09\x21\0\0\0\0\0\0\xf8\x3f", 23);
  wire_field(&out, 11, "\x09\5\0\0\0\0\0\0\0\x12\1e\x20\2", 14);
  wire_field(&out, 15, "\x18\1\x12\1m", 5);
  tk_batch_free(end_span());
  const size_t size = out.size;
  for (size_t i = 0; i < size; i++) {
    const uint8_t original = out.data[i];
    for (int value = 0; value < 256; value += i < 8 ? 1 : 17) {
      out.data[i] = (uint8_t)value;
      struct tk_batch *batch = parse_bytes(out.data, size);
      CHECK(batch->span_count <= 1 && batch->span_count + batch->issue_count > 0);
      tk_batch_free(batch);
    }
    out.data[i] = original;
  }
  for (size_t cut = 1; cut < size; cut++) {
    struct tk_batch *batch = parse_bytes(out.data, cut);
    CHECK(batch->span_count == 0 && find_issue(batch, "record.truncated"));
    tk_batch_free(batch);
  }
}

int main(void) {
  const struct check_case cases[] = {
      CASE(fields_of_every_type_are_told_apart),
      CASE(every_cut_of_a_field_is_noticed),
      CASE(bytes_that_are_no_fields_are_refused),
      CASE(a_resource_may_come_last_and_in_parts),
      CASE(the_last_member_of_a_value_wins),
      CASE(values_nest_only_so_deep),
      CASE(unknown_fields_of_a_status_stay_with_the_span),
      CASE(the_former_status_code_meant_an_error),
      CASE(former_scope_spans_count_where_there_are_no_others),
      CASE(enums_may_be_negative_and_flags_have_two_bytes_of_tag),
      CASE(entity_refs_are_kept_without_a_word),
      CASE(hexadecimal_digits_that_were_taken_for_base64_are_found),
      CASE(ids_of_other_lengths_are_read_as_text),
      CASE(spans_without_ids_get_stable_ones),
      CASE(broken_utf8_is_kept_and_reported),
      CASE(a_damaged_span_does_not_take_others_along),
      CASE(logs_and_metrics_are_no_spans),
      CASE(json_and_protobuf_give_equal_spans),
      CASE(no_change_of_a_byte_does_harm),
  };
  return check_run(cases, (int)(sizeof cases / sizeof cases[0]));
}
