/* SPDX-License-Identifier: MIT
 * OTLP/JSON as specified, and as written by others: Tempo and Grafana (`batches`, `trace`, base64
 * ids, enum names), Jaeger's API v3 (`result`), the Java exporter (bare ResourceSpans), protobuf
 * libraries (snake_case), and files from before OTLP 0.15 (instrumentation libraries).
 *
 * Each message is a table of keys (otlp_json_keys.c) and a function with a switch over them. */
#include "cli/input/otlp_json.h"

#include <string.h>

#include "cli/input/id_text.h"
#include "cli/input/otlp_json_parser.h"
#include "cli/input/span_repair.h"

/* ---- events, links, status ---- */

static struct tk_event parse_event(struct tk_otlp_json_parser *parser) {
  struct tk_event event = {.name.data = ""};
  struct tk_otlp_residual residual = tk_otlp_json_begin_residual(parser);
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    const enum tk_otlp_field field = tk_otlp_json_find_field(parser, TK_KEYS_EVENT, key);
    switch ((int)field) {
      case TK_OTLP_TIME:
        event.time_unix_ns = tk_otlp_json_read_time(parser);
        break;
      case TK_OTLP_NAME:
        event.name = tk_otlp_json_read_text(parser);
        break;
      case TK_OTLP_ATTRIBUTES:
        event.attributes = tk_otlp_json_attributes(parser, event.attributes.dropped_count);
        break;
      case TK_OTLP_DROPPED_ATTRIBUTES:
        event.attributes.dropped_count = tk_otlp_json_read_uint32(parser);
        break;
      default:
        tk_otlp_json_keep_member(parser, field, key, &residual);
        break;
    }
  }
  event.residual = tk_otlp_json_take_residual(parser, &residual);
  return event;
}

static void parse_events(struct tk_otlp_json_parser *parser, struct tk_span *span) {
  struct tk_stack *stack = &parser->builder->events;
  const uint32_t begin = stack->count;
  if (!tk_otlp_json_expect(parser, TK_JSON_ARRAY)) return;
  for (bool more = tk_json_enter_array(&parser->json); more;
       more = tk_json_next_item(&parser->json)) {
    if (!tk_otlp_json_expect(parser, TK_JSON_OBJECT)) continue;
    const struct tk_event event = parse_event(parser);
    struct tk_event *item = tk_builder_push(parser->builder, stack, sizeof event);
    if (item) *item = event;
  }
  span->event_count = stack->count - begin;
  span->events = tk_builder_take(parser->builder, stack, begin, sizeof(struct tk_event));
}

static struct tk_link parse_link(struct tk_otlp_json_parser *parser) {
  struct tk_link link = {.trace_state.data = ""};
  struct tk_text trace = {"", 0}, span = {"", 0};
  struct tk_otlp_residual residual = tk_otlp_json_begin_residual(parser);
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    const enum tk_otlp_field field = tk_otlp_json_find_field(parser, TK_KEYS_LINK, key);
    switch ((int)field) {
      case TK_OTLP_TRACE_ID:
        trace = tk_otlp_json_read_id(parser);
        break;
      case TK_OTLP_SPAN_ID:
        span = tk_otlp_json_read_id(parser);
        break;
      case TK_OTLP_TRACE_STATE:
        link.trace_state = tk_otlp_json_read_text(parser);
        break;
      case TK_OTLP_ATTRIBUTES:
        link.attributes = tk_otlp_json_attributes(parser, link.attributes.dropped_count);
        break;
      case TK_OTLP_DROPPED_ATTRIBUTES:
        link.attributes.dropped_count = tk_otlp_json_read_uint32(parser);
        break;
      case TK_OTLP_FLAGS:
        link.flags = tk_otlp_json_read_uint32(parser);
        break;
      default:
        tk_otlp_json_keep_member(parser, field, key, &residual);
        break;
    }
  }
  link.residual = tk_otlp_json_take_residual(parser, &residual);
  if (parser->json.expected) return link;
  const struct tk_id_reading trace_reading = {.text = trace,
                                              .form = tk_trace_id_read(trace, link.trace_id)};
  const struct tk_id_reading span_reading = {.text = span,
                                             .form = tk_span_id_read(span, link.span_id)};
  tk_repair_link(parser->builder, &link, trace_reading, span_reading);
  return link;
}

static void parse_links(struct tk_otlp_json_parser *parser, struct tk_span *span) {
  struct tk_stack *stack = &parser->builder->links;
  const uint32_t begin = stack->count;
  if (!tk_otlp_json_expect(parser, TK_JSON_ARRAY)) return;
  for (bool more = tk_json_enter_array(&parser->json); more;
       more = tk_json_next_item(&parser->json)) {
    if (!tk_otlp_json_expect(parser, TK_JSON_OBJECT)) continue;
    const struct tk_link link = parse_link(parser);
    struct tk_link *item = tk_builder_push(parser->builder, stack, sizeof link);
    if (item) *item = link;
  }
  span->link_count = stack->count - begin;
  span->links = tk_builder_take(parser->builder, stack, begin, sizeof(struct tk_link));
}

/* Unknown members of a status are kept with the span's. */
static void parse_status(struct tk_otlp_json_parser *parser, struct tk_span *span) {
  int32_t deprecated_code = 0;
  if (!tk_otlp_json_expect(parser, TK_JSON_OBJECT)) return;
  span->presence |= TK_SPAN_HAS_STATUS;
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    switch ((int)tk_otlp_json_find_field(parser, TK_KEYS_STATUS, key)) {
      case TK_OTLP_CODE:
        span->status_code = tk_otlp_json_read_status_code(parser);
        break;
      case TK_OTLP_MESSAGE:
        span->status_message = tk_otlp_json_read_text(parser);
        break;
      case TK_OTLP_DEPRECATED_CODE:
        deprecated_code = (int32_t)(tk_otlp_json_read_uint32(parser) != 0);
        break;
      default:
        tk_otlp_json_keep_inner(parser, "status", 6, key);
        break;
    }
  }
  if (span->status_code == 0 && deprecated_code != 0) span->status_code = TK_STATUS_ERROR;
}

/* ---- spans ---- */

struct id_texts {
  struct tk_text trace, span, parent;
};

static void parse_span_member(struct tk_otlp_json_parser *parser, struct tk_span *span,
                              struct id_texts *ids, enum tk_otlp_field field) {
  switch ((int)field) {
    case TK_OTLP_TRACE_ID:
      ids->trace = tk_otlp_json_read_id(parser);
      break;
    case TK_OTLP_SPAN_ID:
      ids->span = tk_otlp_json_read_id(parser);
      break;
    case TK_OTLP_PARENT_SPAN_ID:
      ids->parent = tk_otlp_json_read_id(parser);
      break;
    case TK_OTLP_TRACE_STATE:
      span->trace_state = tk_otlp_json_read_text(parser);
      break;
    case TK_OTLP_FLAGS:
      span->flags = tk_otlp_json_read_uint32(parser);
      break;
    case TK_OTLP_NAME:
      span->name = tk_otlp_json_read_text(parser);
      break;
    case TK_OTLP_KIND:
      span->kind = tk_otlp_json_read_kind(parser);
      break;
    case TK_OTLP_START:
      span->start_unix_ns = tk_otlp_json_read_time(parser);
      break;
    case TK_OTLP_END:
      span->end_unix_ns = tk_otlp_json_read_time(parser);
      break;
    case TK_OTLP_ATTRIBUTES:
      span->attributes = tk_otlp_json_attributes(parser, span->attributes.dropped_count);
      break;
    case TK_OTLP_DROPPED_ATTRIBUTES:
      span->attributes.dropped_count = tk_otlp_json_read_uint32(parser);
      break;
    case TK_OTLP_EVENTS:
      parse_events(parser, span);
      break;
    case TK_OTLP_DROPPED_EVENTS:
      span->dropped_events_count = tk_otlp_json_read_uint32(parser);
      break;
    case TK_OTLP_LINKS:
      parse_links(parser, span);
      break;
    case TK_OTLP_DROPPED_LINKS:
      span->dropped_links_count = tk_otlp_json_read_uint32(parser);
      break;
    case TK_OTLP_STATUS:
      parse_status(parser, span);
      break;
    default:
      break;
  }
}

static void parse_span(struct tk_otlp_json_parser *parser, const struct tk_resource *resource,
                       const struct tk_scope *scope) {
  struct tk_span span = {.name.data = "", .resource = resource, .scope = scope};
  struct id_texts ids = {{"", 0}, {"", 0}, {"", 0}};
  struct tk_otlp_residual residual = tk_otlp_json_begin_residual(parser);
  const char *begin = parser->json.at;
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    const enum tk_otlp_field field = tk_otlp_json_find_field(parser, TK_KEYS_SPAN, key);
    if (field == TK_OTLP_UNKNOWN) {
      tk_otlp_json_keep_member(parser, field, key, &residual);
    } else {
      parse_span_member(parser, &span, &ids, field);
    }
  }
  if (parser->json.expected) return;
  const struct tk_text raw = {begin, (uint32_t)(parser->json.at - begin)};
  span.residual = tk_otlp_json_take_residual(parser, &residual);
  const struct tk_span_ids readings = {
      .trace = {.text = ids.trace, .form = tk_trace_id_read(ids.trace, span.trace_id)},
      .span = {.text = ids.span, .form = tk_span_id_read(ids.span, span.span_id)},
      .parent = {.text = ids.parent, .form = tk_span_id_read(ids.parent, span.parent_span_id)},
  };
  tk_repair_span(parser->builder, &span, &readings, raw);
  struct tk_span *item = tk_builder_push(parser->builder, &parser->builder->spans, sizeof span);
  if (item) *item = span;
  if (parser->builder->out_of_memory) tk_json_fail(&parser->json, "memory");
}

static void parse_spans(struct tk_otlp_json_parser *parser, const struct tk_resource *resource,
                        const struct tk_scope *scope) {
  if (!tk_otlp_json_expect(parser, TK_JSON_ARRAY)) return;
  for (bool more = tk_json_enter_array(&parser->json); more;
       more = tk_json_next_item(&parser->json)) {
    if (tk_otlp_json_expect(parser, TK_JSON_OBJECT)) {
      parse_span(parser, resource, scope);
    } else {
      parser->builder->batch->rejected_count++;
    }
  }
}

/* ---- scopes and resources ---- */

static void parse_scope(struct tk_otlp_json_parser *parser, struct tk_scope *scope) {
  struct tk_otlp_residual residual = tk_otlp_json_begin_residual(parser);
  if (!tk_otlp_json_expect(parser, TK_JSON_OBJECT)) return;
  scope->absent = 0;
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    const enum tk_otlp_field field = tk_otlp_json_find_field(parser, TK_KEYS_SCOPE, key);
    switch ((int)field) {
      case TK_OTLP_NAME:
        scope->name = tk_otlp_json_read_text(parser);
        break;
      case TK_OTLP_VERSION:
        scope->version = tk_otlp_json_read_text(parser);
        break;
      case TK_OTLP_ATTRIBUTES:
        scope->attributes = tk_otlp_json_attributes(parser, scope->attributes.dropped_count);
        break;
      case TK_OTLP_DROPPED_ATTRIBUTES:
        scope->attributes.dropped_count = tk_otlp_json_read_uint32(parser);
        break;
      default:
        tk_otlp_json_keep_member(parser, field, key, &residual);
        break;
    }
  }
  scope->residual = tk_otlp_json_take_residual(parser, &residual);
}

static void *allocate(struct tk_otlp_json_parser *parser, size_t size) {
  void *memory = tk_arena_alloc(&parser->builder->batch->arena, size);
  if (!memory) {
    parser->builder->out_of_memory = true;
    tk_json_fail(&parser->json, "memory");
  }
  return memory;
}

/* The scope is allocated before its spans and filled whenever its turn comes: keys have no order.
 */
static void parse_scope_spans(struct tk_otlp_json_parser *parser,
                              const struct tk_resource *resource) {
  struct tk_otlp_residual residual = tk_otlp_json_begin_residual(parser);
  struct tk_scope *scope = allocate(parser, sizeof *scope);
  if (!scope) return;
  *scope = (struct tk_scope){.absent = 1};
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    const enum tk_otlp_field field = tk_otlp_json_find_field(parser, TK_KEYS_SCOPE_SPANS, key);
    switch ((int)field) {
      case TK_OTLP_SCOPE:
        parse_scope(parser, scope);
        break;
      case TK_OTLP_SPANS:
        parse_spans(parser, resource, scope);
        break;
      case TK_OTLP_SCHEMA_URL:
        scope->schema_url = tk_otlp_json_read_text(parser);
        break;
      default:
        tk_otlp_json_keep_member(parser, field, key, &residual);
        break;
    }
  }
  scope->outer_residual = tk_otlp_json_take_residual(parser, &residual);
}

static void parse_resource(struct tk_otlp_json_parser *parser, struct tk_resource *resource) {
  struct tk_otlp_residual residual = tk_otlp_json_begin_residual(parser);
  if (!tk_otlp_json_expect(parser, TK_JSON_OBJECT)) return;
  resource->absent = 0;
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    const enum tk_otlp_field field = tk_otlp_json_find_field(parser, TK_KEYS_RESOURCE, key);
    switch ((int)field) {
      case TK_OTLP_ATTRIBUTES:
        resource->attributes = tk_otlp_json_attributes(parser, resource->attributes.dropped_count);
        break;
      case TK_OTLP_DROPPED_ATTRIBUTES:
        resource->attributes.dropped_count = tk_otlp_json_read_uint32(parser);
        break;
      default:
        tk_otlp_json_keep_member(parser, field, key, &residual);
        break;
    }
  }
  resource->residual = tk_otlp_json_take_residual(parser, &residual);
}

static void parse_scope_spans_list(struct tk_otlp_json_parser *parser,
                                   const struct tk_resource *resource) {
  if (!tk_otlp_json_expect(parser, TK_JSON_ARRAY)) return;
  for (bool more = tk_json_enter_array(&parser->json); more;
       more = tk_json_next_item(&parser->json)) {
    if (tk_otlp_json_expect(parser, TK_JSON_OBJECT)) parse_scope_spans(parser, resource);
  }
}

static void parse_resource_spans(struct tk_otlp_json_parser *parser) {
  struct tk_otlp_residual residual = tk_otlp_json_begin_residual(parser);
  struct tk_resource *resource = allocate(parser, sizeof *resource);
  if (!resource) return;
  *resource = (struct tk_resource){.absent = 1};
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    const enum tk_otlp_field field = tk_otlp_json_find_field(parser, TK_KEYS_RESOURCE_SPANS, key);
    switch ((int)field) {
      case TK_OTLP_RESOURCE:
        parse_resource(parser, resource);
        break;
      case TK_OTLP_SCOPE_SPANS:
        parse_scope_spans_list(parser, resource);
        break;
      case TK_OTLP_SCHEMA_URL:
        resource->schema_url = tk_otlp_json_read_text(parser);
        break;
      default:
        tk_otlp_json_keep_member(parser, field, key, &residual);
        break;
    }
  }
  resource->outer_residual = tk_otlp_json_take_residual(parser, &residual);
}

static void parse_resource_spans_list(struct tk_otlp_json_parser *parser) {
  if (!tk_otlp_json_expect(parser, TK_JSON_ARRAY)) return;
  for (bool more = tk_json_enter_array(&parser->json); more;
       more = tk_json_next_item(&parser->json)) {
    if (tk_otlp_json_expect(parser, TK_JSON_OBJECT)) parse_resource_spans(parser);
  }
}

/* ---- documents ---- */

static void report_other_signal(struct tk_otlp_json_parser *parser, struct tk_json_string key) {
  tk_builder_issue(parser->builder, TK_RULE_RECORD_NOT_TRACE, tk_otlp_json_raw(key),
                   "a record of %.*s holds no spans", (int)key.size, key.data);
}

static void report_extra_member(struct tk_otlp_json_parser *parser, struct tk_json_string key) {
  tk_builder_issue(parser->builder, TK_RULE_JSON_UNKNOWN_FIELD, tk_otlp_json_raw(key),
                   "a document of spans has no such field; not stored");
}

/* What is known of a document's keys. */
struct document {
  bool known;
  bool has_members;
};

static void parse_document_members(struct tk_otlp_json_parser *parser, struct document *document);

/* A member whose key says what the document is. True: the object is a ResourceSpans itself. */
static bool parse_document_member(struct tk_otlp_json_parser *parser, struct document *document,
                                  struct tk_json_string key, enum tk_otlp_field field) {
  switch ((int)field) {
    case TK_OTLP_RESOURCE_SPANS:
      parse_resource_spans_list(parser);
      document->known = true;
      return false;
    case TK_OTLP_WRAPPER:
      if (tk_json_peek(&parser->json) == TK_JSON_OBJECT) {
        parse_document_members(parser, document);
      } else {
        tk_json_skip(&parser->json);
      }
      return false;
    case TK_OTLP_OTHER_SIGNAL:
      tk_json_skip(&parser->json);
      if (!parser->json.expected) report_other_signal(parser, key);
      document->known = true;
      return false;
    case TK_OTLP_RESOURCE:
      document->known = true;
      return true;
    default:
      tk_json_skip(&parser->json);
      if (!parser->json.expected) report_extra_member(parser, key);
      return false;
  }
}

static void parse_document_members(struct tk_otlp_json_parser *parser, struct document *document) {
  const struct tk_json begin = parser->json;
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    const enum tk_otlp_field field = tk_otlp_json_find_field(parser, TK_KEYS_DOCUMENT, key);
    document->has_members = true;
    if (parse_document_member(parser, document, key, field)) {
      parser->json = begin;
      parse_resource_spans(parser);
      return;
    }
  }
}

static void parse_document(struct tk_otlp_json_parser *parser) {
  struct document document = {0};
  struct tk_builder_mark mark;
  const enum tk_json_type type = tk_json_peek(&parser->json);
  const char *begin = parser->json.at;
  if (type == TK_JSON_ARRAY) {
    for (bool more = tk_json_enter_array(&parser->json); more;
         more = tk_json_next_item(&parser->json)) {
      parse_document(parser);
    }
    return;
  }
  tk_batch_builder_mark(parser->builder, &mark);
  parser->builder->batch->record_count++;
  if (type == TK_JSON_OBJECT) {
    parse_document_members(parser, &document);
    if (document.known || !document.has_members) return;
  } else {
    tk_json_skip(&parser->json);
  }
  if (parser->json.expected) return;
  tk_batch_builder_roll_back(parser->builder, &mark);
  parser->builder->batch->record_count++;
  parser->builder->batch->rejected_count++;
  tk_builder_issue(parser->builder, TK_RULE_RECORD_UNKNOWN,
                   (struct tk_text){begin, (uint32_t)(parser->json.at - begin)},
                   "expected OTLP traces (resourceSpans), found other JSON; skipped it");
}

/* Members of a split document, known to be wanted by nobody. */
static void parse_outer_members(struct tk_otlp_json_parser *parser) {
  while (!tk_json_at_end(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    tk_json_skip(&parser->json);
    if (parser->json.expected) return;
    if (tk_otlp_json_find_field(parser, TK_KEYS_DOCUMENT, key) == TK_OTLP_OTHER_SIGNAL) {
      report_other_signal(parser, key);
    } else {
      report_extra_member(parser, key);
    }
    tk_json_skip_space(&parser->json);
    if (*parser->json.at == ',') parser->json.at++;
  }
}

/* Where another document begins within a record that is broken, or NULL: a program that died while
 * it wrote a line, and then appended others, leaves two on one line. */
static const char *find_next_document(const struct tk_record *record) {
  static const char beginning[] = "{\"resourceSpans\":";
  if (record->kind != TK_RECORD_WHOLE || record->size < sizeof beginning) return NULL;
  return memmem(record->text + 1, record->size - 1, beginning, sizeof beginning - 1);
}

static void parse_record(struct tk_otlp_json_parser *parser, const struct tk_record *record) {
  tk_json_init(&parser->json, record->text, record->size);
  if (record->kind == TK_RECORD_END) {
    parser->builder->batch->record_count++;
  } else if (record->kind == TK_RECORD_MEMBERS) {
    parse_outer_members(parser);
  } else if (record->kind == TK_RECORD_ELEMENT) {
    if (tk_otlp_json_expect(parser, TK_JSON_OBJECT)) parse_resource_spans(parser);
  } else {
    while (!tk_json_at_end(&parser->json)) parse_document(parser);
  }
  if (!tk_json_at_end(&parser->json)) tk_json_fail(&parser->json, "the end of the record");
}

void tk_otlp_json_parse(struct tk_batch_builder *builder, const struct tk_record *record) {
  enum { ATTEMPTS = 16 }; /* so that hostile input is not read again and again */
  struct tk_record rest = *record;
  const char *next = record->text;
  for (int i = 0; i < ATTEMPTS && next; i++, next = find_next_document(&rest)) {
    struct tk_otlp_json_parser parser = {.builder = builder};
    struct tk_builder_mark mark;
    if (builder->out_of_memory) return;
    const size_t skipped = (size_t)(next - rest.text);
    rest.text += skipped;
    rest.size -= (uint32_t)skipped;
    rest.begin_offset += skipped;
    tk_batch_builder_mark(builder, &mark);
    builder->place = (struct tk_record_place){.text = rest.text,
                                              .size = rest.size,
                                              .offset = rest.begin_offset,
                                              .line = rest.line,
                                              .first_span = builder->spans.count,
                                              .compressed = rest.compressed};
    parse_record(&parser, &rest);
    if (!parser.json.expected || builder->out_of_memory) return;
    tk_batch_builder_roll_back(builder, &mark);
    if (rest.kind == TK_RECORD_WHOLE) builder->batch->record_count++;
    builder->batch->rejected_count++;
    tk_builder_json_issue(builder, &parser.json);
  }
}
