/* SPDX-License-Identifier: MIT
 * Writes OTLP JSON. Default values are left out, as protobuf's JSON mapping does, except where
 * `presence` says that they were there. Members the model does not know (residuals) go back
 * verbatim to where they were. */
#include "cli/output/otlp_json.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* ---- members of an object ---- */

/* Comma and key of the next member: the comma is due unless the object just opened. */
static void add_key(struct tk_text_buffer *out, const char *key) {
  if (out->size > 0 && out->data[out->size - 1] != '{') tk_text_buffer_add_char(out, ',');
  tk_text_buffer_add_char(out, '"');
  tk_text_buffer_add(out, key);
  tk_text_buffer_add(out, "\":");
}

static void add_json_text(struct tk_text_buffer *out, struct tk_text text) {
  tk_text_buffer_add_json_string(out, text.data, text.size);
}

static void add_text_member(struct tk_text_buffer *out, const char *key, struct tk_text text) {
  if (text.size == 0) return;
  add_key(out, key);
  add_json_text(out, text);
}

static void add_number_member(struct tk_text_buffer *out, const char *key, int64_t number) {
  if (number == 0) return;
  add_key(out, key);
  tk_text_buffer_add_int(out, number);
}

static void add_time_member(struct tk_text_buffer *out, const char *key, uint64_t unix_ns) {
  if (unix_ns == 0) return;
  add_key(out, key);
  tk_text_buffer_add_char(out, '"');
  tk_text_buffer_add_uint(out, unix_ns);
  tk_text_buffer_add_char(out, '"');
}

static void add_id_member(struct tk_text_buffer *out, const char *key, const uint8_t *id,
                          size_t size) {
  add_key(out, key);
  tk_text_buffer_add_char(out, '"');
  tk_text_buffer_add_hex(out, id, size);
  tk_text_buffer_add_char(out, '"');
}

static void add_residual(struct tk_text_buffer *out, const struct tk_residual *residual) {
  if (residual->size == 0) return;
  if (residual->format == TK_RESIDUAL_PROTOBUF) {
    add_key(out, TK_OTLP_JSON_PROTOBUF_MEMBER);
    tk_text_buffer_add_char(out, '"');
    tk_text_buffer_add_base64(out, residual->data, residual->size);
    tk_text_buffer_add_char(out, '"');
  } else {
    if (out->size > 0 && out->data[out->size - 1] != '{') tk_text_buffer_add_char(out, ',');
    tk_text_buffer_append(out, residual->data, residual->size);
  }
}

/* ---- values ---- */

static void add_key_values(struct tk_text_buffer *out, const struct tk_attribute *items,
                           uint32_t count) {
  tk_text_buffer_add_char(out, '[');
  for (uint32_t i = 0; i < count; i++) {
    if (i > 0) tk_text_buffer_add_char(out, ',');
    tk_text_buffer_add(out, "{\"key\":");
    add_json_text(out, items[i].key);
    tk_text_buffer_add(out, ",\"value\":");
    tk_otlp_json_add_value(out, &items[i].value);
    tk_text_buffer_add_char(out, '}');
  }
  tk_text_buffer_add_char(out, ']');
}

static void add_double(struct tk_text_buffer *out, double real) {
  if (isnan(real)) {
    tk_text_buffer_add(out, "\"NaN\"");
  } else if (isinf(real)) {
    tk_text_buffer_add(out, real < 0 ? "\"-Infinity\"" : "\"Infinity\"");
  } else {
    tk_text_buffer_add_real(out, real);
  }
}

static void add_array(struct tk_text_buffer *out, const struct tk_value *value) {
  tk_text_buffer_add(out, "{\"values\":[");
  for (uint32_t i = 0; i < value->size; i++) {
    if (i > 0) tk_text_buffer_add_char(out, ',');
    tk_otlp_json_add_value(out, &value->as.items[i]);
  }
  tk_text_buffer_add(out, "]}");
}

/* Recursion is as deep as values nest, which readers and the store both limit. */
void tk_otlp_json_add_value(struct tk_text_buffer *out, const struct tk_value *value) {
  tk_text_buffer_add_char(out, '{');
  switch ((enum tk_value_type)value->type) {
    case TK_VALUE_EMPTY:
      break;
    case TK_VALUE_STRING:
      tk_text_buffer_add(out, "\"stringValue\":");
      tk_text_buffer_add_json_string(out, value->as.text, value->size);
      break;
    case TK_VALUE_BOOL:
      tk_text_buffer_add(out, value->as.integer ? "\"boolValue\":true" : "\"boolValue\":false");
      break;
    case TK_VALUE_INT:
      tk_text_buffer_add(out, "\"intValue\":\"");
      tk_text_buffer_add_int(out, value->as.integer);
      tk_text_buffer_add_char(out, '"');
      break;
    case TK_VALUE_DOUBLE:
      tk_text_buffer_add(out, "\"doubleValue\":");
      add_double(out, value->as.real);
      break;
    case TK_VALUE_ARRAY:
      tk_text_buffer_add(out, "\"arrayValue\":");
      add_array(out, value);
      break;
    case TK_VALUE_KVLIST:
      tk_text_buffer_add(out, "\"kvlistValue\":{\"values\":");
      add_key_values(out, value->as.members, value->size);
      tk_text_buffer_add_char(out, '}');
      break;
    case TK_VALUE_BYTES:
      tk_text_buffer_add(out, "\"bytesValue\":\"");
      tk_text_buffer_add_base64(out, value->as.text, value->size);
      tk_text_buffer_add_char(out, '"');
      break;
  }
  tk_text_buffer_add_char(out, '}');
}

static void add_attributes(struct tk_text_buffer *out, const struct tk_attributes *attributes) {
  if (attributes->count > 0) {
    add_key(out, "attributes");
    add_key_values(out, attributes->items, attributes->count);
  }
  add_number_member(out, "droppedAttributesCount", attributes->dropped_count);
}

/* ---- spans ---- */

static void add_event(struct tk_text_buffer *out, const struct tk_event *event) {
  tk_text_buffer_add_char(out, '{');
  add_time_member(out, "timeUnixNano", event->time_unix_ns);
  add_text_member(out, "name", event->name);
  add_attributes(out, &event->attributes);
  add_residual(out, &event->residual);
  tk_text_buffer_add_char(out, '}');
}

static bool is_zero(const uint8_t *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (bytes[i] != 0) return false;
  }
  return true;
}

static void add_link(struct tk_text_buffer *out, const struct tk_link *link) {
  tk_text_buffer_add_char(out, '{');
  if (!is_zero(link->trace_id, 16)) add_id_member(out, "traceId", link->trace_id, 16);
  if (!is_zero(link->span_id, 8)) add_id_member(out, "spanId", link->span_id, 8);
  add_text_member(out, "traceState", link->trace_state);
  add_attributes(out, &link->attributes);
  add_number_member(out, "flags", link->flags);
  add_residual(out, &link->residual);
  tk_text_buffer_add_char(out, '}');
}

static void add_span_ids(struct tk_text_buffer *out, const struct tk_span *span) {
  if (span->presence & TK_SPAN_TEXT_TRACE_ID) {
    add_key(out, "traceId");
    add_json_text(out, span->trace_id_text);
  } else if (span->presence & TK_SPAN_SHORT_TRACE_ID) {
    add_id_member(out, "traceId", span->trace_id + 8, 8);
  } else if (!(span->presence & TK_SPAN_SYNTHETIC_TRACE_ID)) {
    add_id_member(out, "traceId", span->trace_id, 16);
  }
  if (!(span->presence & TK_SPAN_SYNTHETIC_SPAN_ID)) {
    add_id_member(out, "spanId", span->span_id, 8);
  }
  add_text_member(out, "traceState", span->trace_state);
  if (span->presence & TK_SPAN_HAS_PARENT) {
    add_id_member(out, "parentSpanId", span->parent_span_id, 8);
  } else if (span->presence & TK_SPAN_ZERO_PARENT) {
    add_key(out, "parentSpanId");
    tk_text_buffer_add(out, "\"0000000000000000\"");
  }
}

static void add_events_and_links(struct tk_text_buffer *out, const struct tk_span *span) {
  if (span->event_count > 0) {
    add_key(out, "events");
    for (uint32_t i = 0; i < span->event_count; i++) {
      tk_text_buffer_add_char(out, i > 0 ? ',' : '[');
      add_event(out, &span->events[i]);
    }
    tk_text_buffer_add_char(out, ']');
  }
  add_number_member(out, "droppedEventsCount", span->dropped_events_count);
  if (span->link_count > 0) {
    add_key(out, "links");
    for (uint32_t i = 0; i < span->link_count; i++) {
      tk_text_buffer_add_char(out, i > 0 ? ',' : '[');
      add_link(out, &span->links[i]);
    }
    tk_text_buffer_add_char(out, ']');
  }
  add_number_member(out, "droppedLinksCount", span->dropped_links_count);
}

static void add_span(struct tk_text_buffer *out, const struct tk_span *span) {
  tk_text_buffer_add_char(out, '{');
  add_span_ids(out, span);
  add_number_member(out, "flags", span->flags);
  add_text_member(out, "name", span->name);
  add_number_member(out, "kind", span->kind);
  add_time_member(out, "startTimeUnixNano", span->start_unix_ns);
  add_time_member(out, "endTimeUnixNano", span->end_unix_ns);
  add_attributes(out, &span->attributes);
  add_events_and_links(out, span);
  if (span->presence & TK_SPAN_HAS_STATUS) {
    add_key(out, "status");
    tk_text_buffer_add_char(out, '{');
    add_text_member(out, "message", span->status_message);
    add_number_member(out, "code", span->status_code);
    tk_text_buffer_add_char(out, '}');
  }
  add_residual(out, &span->residual);
  tk_text_buffer_add_char(out, '}');
}

/* ---- documents ---- */

static void add_resource_head(struct tk_text_buffer *out, const struct tk_resource *resource) {
  tk_text_buffer_add_char(out, '{');
  if (!resource->absent) {
    add_key(out, "resource");
    tk_text_buffer_add_char(out, '{');
    add_attributes(out, &resource->attributes);
    add_residual(out, &resource->residual);
    tk_text_buffer_add_char(out, '}');
  }
  add_text_member(out, "schemaUrl", resource->schema_url);
  add_residual(out, &resource->outer_residual);
}

static void add_scope_head(struct tk_text_buffer *out, const struct tk_scope *scope) {
  tk_text_buffer_add_char(out, '{');
  if (!scope->absent) {
    add_key(out, "scope");
    tk_text_buffer_add_char(out, '{');
    add_text_member(out, "name", scope->name);
    add_text_member(out, "version", scope->version);
    add_attributes(out, &scope->attributes);
    add_residual(out, &scope->residual);
    tk_text_buffer_add_char(out, '}');
  }
  add_text_member(out, "schemaUrl", scope->schema_url);
  add_residual(out, &scope->outer_residual);
}

static const struct tk_span_syntax json_syntax = {.add_resource = add_resource_head,
                                                  .add_scope = add_scope_head,
                                                  .add_span = add_span,
                                                  .separator = ","};

void tk_otlp_json_add(struct tk_span_groups *document, const struct tk_span *spans,
                      uint32_t span_count) {
  tk_span_groups_add(document, &json_syntax, spans, span_count);
}

/* An object that begins with `head` and goes on with an array, left open. */
static void open_with_head(struct tk_text_buffer *out, const struct tk_text_buffer *head,
                           const char *array_key) {
  tk_text_buffer_append(out, head->data, head->size);
  add_key(out, array_key);
  tk_text_buffer_add_char(out, '[');
}

/* All scopes of the resource of group `first`, which is the first one with that resource. */
static void write_resource(struct tk_span_groups *document, uint32_t first,
                           struct tk_text_buffer *out) {
  const struct tk_text_buffer *head = &document->groups[first].resource_head;
  open_with_head(out, head, "scopeSpans");
  for (uint32_t i = first; i < document->group_count; i++) {
    struct tk_span_group *group = &document->groups[i];
    if (group->is_written || !tk_span_groups_share_resource(group, &document->groups[first]))
      continue;
    if (i > first) tk_text_buffer_add_char(out, ',');
    open_with_head(out, &group->scope_head, "spans");
    tk_text_buffer_append(out, group->spans.data, group->spans.size);
    tk_text_buffer_add(out, "]}");
    group->is_written = true;
  }
  tk_text_buffer_add(out, "]}");
}

void tk_otlp_json_finish(struct tk_span_groups *document, struct tk_text_buffer *out) {
  bool first = true;
  tk_text_buffer_add(out, "{\"resourceSpans\":[");
  for (uint32_t i = 0; i < document->group_count; i++) {
    if (document->groups[i].is_written) continue;
    if (!first) tk_text_buffer_add_char(out, ',');
    first = false;
    write_resource(document, i, out);
  }
  tk_text_buffer_add(out, "]}");
  if (document->failed) out->failed = true;
  tk_span_groups_reset(document);
}

/* ---- indented ---- */

static void break_line(struct tk_text_buffer *out, size_t depth) {
  tk_text_buffer_add_char(out, '\n');
  tk_text_buffer_repeat(out, "  ", depth);
}

/* Size of the string that begins here, with its quotes. */
static size_t measure_string(const char *json, size_t size) {
  size_t i = 1;
  while (i < size && json[i] != '"') i += json[i] == '\\' ? 2 : 1;
  return i < size ? i + 1 : size;
}

void tk_otlp_json_indent(struct tk_text_buffer *out, const char *json, size_t size) {
  size_t depth = 0;
  bool opened = false; /* just now: a line is broken unless the container is empty */
  for (size_t i = 0; i < size; i++) {
    const char byte = json[i];
    if (byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t') continue; /* of a residual */
    const bool closes = byte == '}' || byte == ']';
    if (closes && depth > 0) depth--;
    if (opened != closes) break_line(out, depth);
    opened = byte == '{' || byte == '[';
    if (byte == '"') {
      const size_t length = measure_string(json + i, size - i);
      tk_text_buffer_append(out, json + i, length);
      i += length - 1;
      continue;
    }
    tk_text_buffer_add_char(out, byte);
    if (opened) depth++;
    if (byte == ':') tk_text_buffer_add_char(out, ' ');
    if (byte == ',') break_line(out, depth);
  }
}
