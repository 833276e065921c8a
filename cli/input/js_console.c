/* SPDX-License-Identifier: MIT
 * Spans as the JavaScript SDK prints them. The text is brought into JSON (js_inspect.h), and that
 * is read: times in microseconds with a fraction, times of events as [seconds, nanoseconds], kinds
 * counted from 0. What has no place in a span goes to its residual, as members of "js". */
#include "cli/input/js_console.h"

#include <string.h>

#include "cli/input/js_inspect.h"
#include "cli/input/plain_json.h"

enum { REMOTE_KNOWN = 0x100, REMOTE = 0x200 };

struct reading {
  struct tk_span span;
  struct tk_resource resource;
  struct tk_scope scope;
  struct tk_plain_ids ids;
  uint64_t duration_ns;
  uint32_t residual_begin;
  bool has_id, has_trace, has_resource, has_scope, has_duration;
};

/* What is null, as `undefined` is here, is taken and was not there. */
static bool take_null(struct tk_plain *plain) {
  if (tk_json_peek(&plain->json) != TK_JSON_NULL) return false;
  tk_json_skip(&plain->json);
  return true;
}

static void keep(struct tk_plain *plain, struct reading *reading, struct tk_json_string key) {
  if (take_null(plain)) return;
  tk_json_skip_space(&plain->json);
  const struct tk_text raw = tk_json_skip(&plain->json);
  if (!plain->json.expected) {
    tk_push_residual_member(plain->builder, reading->residual_begin, key, raw);
  }
}

/* ---- events, links ---- */

/* [seconds, nanoseconds] */
static uint64_t read_pair(struct tk_plain *plain) {
  uint64_t parts[2] = {0, 0};
  uint32_t count = 0;
  if (!tk_plain_expect(plain, TK_JSON_ARRAY)) return 0;
  for (bool more = tk_json_enter_array(&plain->json); more;
       more = tk_json_next_item(&plain->json)) {
    const struct tk_text text = tk_plain_numeral(plain, "seconds, or nanoseconds");
    uint64_t value = 0;
    if (text.size > 0 && tk_scale_decimal(text, count == 0 ? 9 : 0, &value) == TK_NUMBER_OK &&
        count < 2) {
      parts[count] = value;
    }
    count++;
  }
  return parts[1] <= UINT64_MAX - parts[0] ? parts[0] + parts[1] : parts[0];
}

static struct tk_event read_event(struct tk_plain *plain, void *nothing) {
  (void)nothing;
  struct tk_event event = {.name.data = ""};
  const uint32_t begin = plain->builder->attributes.count;
  uint32_t dropped = 0;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_text key = tk_raw_text(tk_json_key(&plain->json));
    if (tk_text_equals(key, "name")) {
      event.name = tk_plain_text(plain);
    } else if (tk_text_equals(key, "time")) {
      event.time_unix_ns = read_pair(plain);
    } else if (tk_text_equals(key, "attributes")) {
      tk_plain_push_members(plain);
    } else if (tk_text_equals(key, "droppedAttributesCount")) {
      dropped = tk_plain_uint32(plain);
    } else {
      tk_json_skip(&plain->json);
    }
  }
  event.attributes = tk_take_attributes(plain->builder, begin);
  event.attributes.dropped_count = dropped;
  return event;
}

struct context {
  struct tk_text trace, span, state;
  uint32_t flags;
  bool remote;
};

static void read_context(struct tk_plain *plain, struct context *context) {
  *context = (struct context){{"", 0}, {"", 0}, {"", 0}, 0, false};
  if (!tk_plain_expect(plain, TK_JSON_OBJECT)) return;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_text key = tk_raw_text(tk_json_key(&plain->json));
    if (tk_text_equals(key, "traceId")) {
      context->trace = tk_plain_view(plain);
    } else if (tk_text_equals(key, "spanId")) {
      context->span = tk_plain_view(plain);
    } else if (tk_text_equals(key, "traceFlags")) {
      context->flags = tk_plain_uint32(plain);
    } else if (tk_text_equals(key, "isRemote")) {
      context->remote = tk_plain_bool(plain);
    } else if (tk_text_equals(key, "traceState") && tk_json_peek(&plain->json) == TK_JSON_STRING) {
      context->state = tk_plain_text(plain);
    } else {
      tk_json_skip(&plain->json);
    }
  }
}

static void read_link(struct tk_plain *plain, struct tk_link *link, struct tk_plain_ids *ids) {
  struct context context = {{"", 0}, {"", 0}, {"", 0}, 0, false};
  const uint32_t begin = plain->builder->attributes.count;
  uint32_t dropped = 0;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_text key = tk_raw_text(tk_json_key(&plain->json));
    if (tk_text_equals(key, "context")) {
      read_context(plain, &context);
    } else if (tk_text_equals(key, "attributes")) {
      tk_plain_push_members(plain);
    } else if (tk_text_equals(key, "droppedAttributesCount")) {
      dropped = tk_plain_uint32(plain);
    } else {
      tk_json_skip(&plain->json);
    }
  }
  link->attributes = tk_take_attributes(plain->builder, begin);
  link->attributes.dropped_count = dropped;
  link->trace_state = context.state;
  link->flags = context.flags | (context.remote ? REMOTE_KNOWN | REMOTE : 0);
  *ids = (struct tk_plain_ids){context.trace, context.span, {"", 0}};
}

/* ---- resource, scope, status ---- */

static void read_resource(struct tk_plain *plain, struct reading *reading) {
  if (!tk_plain_expect(plain, TK_JSON_OBJECT)) return;
  reading->has_resource = true;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_text key = tk_raw_text(tk_json_key(&plain->json));
    if (tk_text_equals(key, "attributes")) {
      reading->resource.attributes = tk_plain_attributes(plain);
    } else {
      tk_json_skip(&plain->json);
    }
  }
}

static void read_scope(struct tk_plain *plain, struct reading *reading) {
  if (!tk_plain_expect(plain, TK_JSON_OBJECT)) return;
  reading->has_scope = true;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_text key = tk_raw_text(tk_json_key(&plain->json));
    if (tk_text_equals(key, "name")) {
      reading->scope.name = tk_plain_text(plain);
    } else if (tk_text_equals(key, "version")) {
      reading->scope.version = tk_plain_text(plain);
    } else if (tk_text_equals(key, "schemaUrl")) {
      reading->scope.schema_url = tk_plain_text(plain);
    } else if (tk_text_equals(key, "attributes")) {
      reading->scope.attributes = tk_plain_attributes(plain);
    } else {
      tk_json_skip(&plain->json);
    }
  }
}

static void read_status(struct tk_plain *plain, struct tk_span *span) {
  if (!tk_plain_expect(plain, TK_JSON_OBJECT)) return;
  span->presence |= TK_SPAN_HAS_STATUS;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_text key = tk_raw_text(tk_json_key(&plain->json));
    if (tk_text_equals(key, "code")) {
      span->status_code = (int32_t)(tk_plain_uint32(plain) & INT32_MAX);
    } else if (tk_text_equals(key, "message")) {
      span->status_message = tk_plain_text(plain);
    } else {
      tk_json_skip(&plain->json);
    }
  }
}

/* Counted from 0, internal, to 4, consumer. */
static int32_t read_kind(struct tk_plain *plain) {
  const uint32_t kind = tk_plain_uint32(plain);
  return kind < INT32_MAX ? (int32_t)kind + 1 : INT32_MAX;
}

static void read_parent(struct tk_plain *plain, struct reading *reading) {
  struct context context;
  read_context(plain, &context);
  reading->ids.parent = context.span;
  if (context.remote) reading->span.flags |= REMOTE_KNOWN | REMOTE;
}

/* ---- spans ---- */

static void read_member(struct tk_plain *plain, struct reading *reading,
                        struct tk_json_string key) {
  struct tk_span *span = &reading->span;
  const struct tk_text name = tk_raw_text(key);
  if (tk_text_equals(name, "traceId")) {
    reading->ids.trace = tk_plain_view(plain);
    reading->has_trace = true;
  } else if (tk_text_equals(name, "id")) {
    reading->ids.span = tk_plain_view(plain);
    reading->has_id = true;
  } else if (tk_text_equals(name, "parentSpanContext")) {
    read_parent(plain, reading);
  } else if (tk_text_equals(name, "parentId")) {
    reading->ids.parent = tk_plain_view(plain);
  } else if (tk_text_equals(name, "traceState")) {
    span->trace_state = tk_plain_text(plain);
  } else if (tk_text_equals(name, "name")) {
    span->name = tk_plain_text(plain);
  } else if (tk_text_equals(name, "kind")) {
    span->kind = read_kind(plain);
  } else if (tk_text_equals(name, "timestamp")) {
    span->start_unix_ns = tk_plain_micros(plain);
  } else if (tk_text_equals(name, "duration")) {
    reading->has_duration = tk_json_peek(&plain->json) != TK_JSON_NULL;
    reading->duration_ns = tk_plain_micros(plain);
  } else if (tk_text_equals(name, "attributes")) {
    span->attributes = tk_plain_attributes(plain);
  } else if (tk_text_equals(name, "status")) {
    read_status(plain, span);
  } else if (tk_text_equals(name, "events")) {
    tk_plain_events(plain, span, read_event, NULL);
  } else if (tk_text_equals(name, "links")) {
    tk_plain_links(plain, span, read_link);
  } else if (tk_text_equals(name, "resource")) {
    read_resource(plain, reading);
  } else if (tk_text_equals(name, "instrumentationScope") ||
             tk_text_equals(name, "instrumentationLibrary")) {
    read_scope(plain, reading);
  } else {
    keep(plain, reading, key);
  }
}

/* False: the object is no span. */
static bool take_span(struct tk_plain *plain, struct tk_text raw) {
  struct reading reading = {.span = {.name.data = ""},
                            .ids = {{"", 0}, {"", 0}, {"", 0}},
                            .residual_begin = plain->builder->residual.count};
  struct tk_span *span = &reading.span;
  struct tk_span_ids ids;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    read_member(plain, &reading, tk_json_key(&plain->json));
  }
  if (plain->json.expected || !reading.has_id || !reading.has_trace) {
    plain->builder->residual.count = reading.residual_begin;
    return false;
  }
  if (reading.has_duration && reading.duration_ns <= UINT64_MAX - span->start_unix_ns) {
    span->end_unix_ns = span->start_unix_ns + reading.duration_ns;
  }
  span->residual = tk_take_residual(plain->builder, reading.residual_begin, "js");
  span->resource =
      reading.has_resource ? tk_share_resource(plain->builder, &reading.resource) : &tk_no_resource;
  span->scope = reading.has_scope ? tk_share_scope(plain->builder, &reading.scope) : &tk_no_scope;
  tk_plain_read_ids(&reading.ids, span, &ids);
  tk_plain_add_span(plain, span, &ids, raw);
  return true;
}

static void reject(struct tk_batch_builder *builder, const struct tk_record *record,
                   const struct tk_js_fault *fault) {
  const struct tk_text raw = {record->text, record->size};
  builder->batch->rejected_count++;
  if (!fault->expected) {
    tk_builder_issue(builder, TK_RULE_RECORD_UNKNOWN, raw,
                     "expected a span as ConsoleSpanExporter prints it, found another object");
    return;
  }
  const size_t left = (size_t)(record->text + record->size - fault->at);
  tk_builder_issue(
      builder, TK_RULE_JSON_SYNTAX, raw, "byte %llu: expected %s, found `%.*s`; skipped the object",
      (unsigned long long)(record->begin_offset + (uint64_t)(fault->at - record->text)),
      fault->expected, (int)(left < 24 ? left : 24), fault->at);
}

/* The JSON is put into the arena: the batch keeps views of it. */
void tk_js_console_parse(struct tk_batch_builder *builder, const struct tk_record *record) {
  struct tk_js_fault fault = {0};
  struct tk_plain plain;
  struct tk_builder_mark mark;
  const struct tk_text raw = {record->text, record->size};
  const uint32_t begin = builder->residual.count;
  if (builder->out_of_memory) return;
  builder->place = (struct tk_record_place){.text = record->text,
                                            .size = record->size,
                                            .offset = record->begin_offset,
                                            .line = record->line,
                                            .first_span = builder->spans.count};
  builder->batch->record_count++;
  const bool converted = tk_js_inspect_to_json(builder, raw, &fault);
  const struct tk_text json = {builder->residual.data + begin, builder->residual.count - begin};
  builder->residual.count = begin;
  if (builder->out_of_memory) return;
  if (!converted) {
    reject(builder, record, &fault);
    return;
  }
  if (!tk_plain_begin_text(&plain, builder, json)) return;
  tk_batch_builder_mark(builder, &mark);
  if (take_span(&plain, raw)) return;
  tk_batch_builder_roll_back(builder, &mark);
  reject(builder, record, &fault);
}

static bool has(const char *head, size_t size, const char *text) {
  return memmem(head, size, text, strlen(text)) != NULL;
}

/* Members of an object that begins a line are indented by two blanks; the resource, where there is
 * one, comes first and may be long. */
bool tk_js_console_probe(const char *head, size_t size) {
  return (has(head, size, "\n  traceId: '") && has(head, size, "\n  id: '")) ||
         has(head, size, "{\n  resource: {\n    attributes: {");
}
