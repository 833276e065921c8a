/* SPDX-License-Identifier: MIT
 * Writes OTLP JSON. Default values are left out, as protobuf's JSON mapping does, except where
 * `presence` says that they were there. Members the model does not know (residuals) go back
 * verbatim to where they were. */
#include "cli/output/otlp_json.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "cli/output/residual.h"
#include "cli/output/span_json.h"

/* ---- members of an object ---- */

static void add_number_member(struct tk_text_buffer *out, const char *key, int64_t number) {
  if (number == 0) return;
  tk_json_add_key(out, key);
  tk_text_buffer_add_int(out, number);
}

static void add_time_member(struct tk_text_buffer *out, const char *key, uint64_t unix_ns) {
  if (unix_ns == 0) return;
  tk_json_add_key(out, key);
  tk_text_buffer_add_char(out, '"');
  tk_text_buffer_add_uint(out, unix_ns);
  tk_text_buffer_add_char(out, '"');
}

/* ---- values ---- */

static void add_value(struct tk_text_buffer *out, const struct tk_value *value,
                      struct tk_patches *patches);

/* `name`: of the list within its owner. */
static void add_key_values(struct tk_text_buffer *out, const struct tk_attribute *items,
                           uint32_t count, struct tk_patches *patches, const char *name) {
  tk_text_buffer_add_char(out, '[');
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t outer = tk_patches_enter_item(patches, name, i);
    if (i > 0) tk_text_buffer_add_char(out, ',');
    tk_text_buffer_add(out, "{\"key\":");
    tk_json_add_text(out, items[i].key);
    tk_text_buffer_add(out, ",\"value\":");
    const uint32_t back = tk_patches_enter(patches, "/value");
    add_value(out, &items[i].value, patches);
    tk_patches_leave(patches, back);
    tk_patches_add_json(out, patches);
    tk_text_buffer_add_char(out, '}');
    tk_patches_leave(patches, outer);
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

/* {"values":[...]} */
static void add_list(struct tk_text_buffer *out, const struct tk_value *value,
                     struct tk_patches *patches) {
  const bool array = value->type == TK_VALUE_ARRAY;
  const uint32_t outer = tk_patches_enter(patches, array ? "/arrayValue" : "/kvlistValue");
  tk_text_buffer_add(out, "{\"values\":");
  if (!array) add_key_values(out, value->as.members, value->size, patches, "/values");
  if (array) tk_text_buffer_add_char(out, '[');
  for (uint32_t i = 0; array && i < value->size; i++) {
    const uint32_t back = tk_patches_enter_item(patches, "/values", i);
    if (i > 0) tk_text_buffer_add_char(out, ',');
    add_value(out, &value->as.items[i], patches);
    tk_patches_leave(patches, back);
  }
  if (array) tk_text_buffer_add_char(out, ']');
  tk_patches_add_json(out, patches);
  tk_text_buffer_add_char(out, '}');
  tk_patches_leave(patches, outer);
}

/* Recursion is as deep as values nest, which readers and the store both limit. */
static void add_value(struct tk_text_buffer *out, const struct tk_value *value,
                      struct tk_patches *patches) {
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
      add_list(out, value, patches);
      break;
    case TK_VALUE_KVLIST:
      tk_text_buffer_add(out, "\"kvlistValue\":");
      add_list(out, value, patches);
      break;
    case TK_VALUE_BYTES:
      tk_text_buffer_add(out, "\"bytesValue\":\"");
      tk_text_buffer_add_base64(out, value->as.text, value->size);
      tk_text_buffer_add_char(out, '"');
      break;
  }
  tk_patches_add_json(out, patches);
  tk_text_buffer_add_char(out, '}');
}

void tk_otlp_json_add_value(struct tk_text_buffer *out, const struct tk_value *value) {
  add_value(out, value, NULL);
}

/* `residual`: of the message that has them. */
static void add_attributes(struct tk_text_buffer *out, const struct tk_attributes *attributes,
                           const struct tk_residual *residual) {
  struct tk_patches patches;
  if (attributes->count > 0) {
    tk_json_add_key(out, "attributes");
    add_key_values(out, attributes->items, attributes->count, tk_patches_of(&patches, residual),
                   "attributes");
  }
  add_number_member(out, "droppedAttributesCount", attributes->dropped_count);
}

/* ---- spans ---- */

static void add_event(struct tk_text_buffer *out, const struct tk_event *event) {
  tk_text_buffer_add_char(out, '{');
  add_time_member(out, "timeUnixNano", event->time_unix_ns);
  tk_json_add_text_member(out, "name", event->name);
  add_attributes(out, &event->attributes, &event->residual);
  tk_residual_add_json(out, &event->residual, TK_OWNER_EVENT);
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
  const struct tk_residual *residual = &link->residual;
  if (!is_zero(link->trace_id, 16) && !tk_residual_has_id(residual, "traceId", 1)) {
    tk_json_add_hex_member(out, "traceId", link->trace_id, 16);
  }
  if (!is_zero(link->span_id, 8) && !tk_residual_has_id(residual, "spanId", 2)) {
    tk_json_add_hex_member(out, "spanId", link->span_id, 8);
  }
  tk_json_add_text_member(out, "traceState", link->trace_state);
  add_attributes(out, &link->attributes, &link->residual);
  add_number_member(out, "flags", link->flags);
  tk_residual_add_json(out, &link->residual, TK_OWNER_LINK);
  tk_text_buffer_add_char(out, '}');
}

/* Ids that are text are written with what else was kept of the span. */
static void add_span_ids(struct tk_text_buffer *out, const struct tk_span *span) {
  if (!(span->presence & TK_SPAN_SYNTHETIC_TRACE_ID)) tk_json_add_trace_id(out, "traceId", span);
  if (!(span->presence & TK_SPAN_SYNTHETIC_SPAN_ID)) {
    tk_json_add_hex_member(out, "spanId", span->span_id, 8);
  }
  tk_json_add_text_member(out, "traceState", span->trace_state);
  if (span->presence & TK_SPAN_HAS_PARENT) {
    if (!tk_residual_has_id(&span->residual, "parentSpanId", 4)) {
      tk_json_add_hex_member(out, "parentSpanId", span->parent_span_id, 8);
    }
  } else if (span->presence & TK_SPAN_ZERO_PARENT) {
    tk_json_add_key(out, "parentSpanId");
    tk_text_buffer_add(out, "\"0000000000000000\"");
  }
}

static void add_events_and_links(struct tk_text_buffer *out, const struct tk_span *span) {
  if (span->event_count > 0) {
    tk_json_add_key(out, "events");
    for (uint32_t i = 0; i < span->event_count; i++) {
      tk_text_buffer_add_char(out, i > 0 ? ',' : '[');
      add_event(out, &span->events[i]);
    }
    tk_text_buffer_add_char(out, ']');
  }
  add_number_member(out, "droppedEventsCount", span->dropped_events_count);
  if (span->link_count > 0) {
    tk_json_add_key(out, "links");
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
  tk_json_add_text_member(out, "name", span->name);
  add_number_member(out, "kind", span->kind);
  add_time_member(out, "startTimeUnixNano", span->start_unix_ns);
  add_time_member(out, "endTimeUnixNano", span->end_unix_ns);
  add_attributes(out, &span->attributes, &span->residual);
  add_events_and_links(out, span);
  if (span->presence & TK_SPAN_HAS_STATUS) {
    tk_json_add_key(out, "status");
    tk_text_buffer_add_char(out, '{');
    tk_json_add_text_member(out, "message", span->status_message);
    add_number_member(out, "code", span->status_code);
    tk_residual_add_status(out, &span->residual);
    tk_text_buffer_add_char(out, '}');
  }
  tk_residual_add_json(out, &span->residual, TK_OWNER_SPAN);
  tk_text_buffer_add_char(out, '}');
}

/* ---- documents ---- */

static void add_resource_head(struct tk_text_buffer *out, const struct tk_resource *resource) {
  tk_text_buffer_add_char(out, '{');
  if (!resource->absent) {
    tk_json_add_key(out, "resource");
    tk_text_buffer_add_char(out, '{');
    add_attributes(out, &resource->attributes, &resource->residual);
    tk_residual_add_json(out, &resource->residual, TK_OWNER_RESOURCE);
    tk_text_buffer_add_char(out, '}');
  }
  tk_json_add_text_member(out, "schemaUrl", resource->schema_url);
  tk_residual_add_json(out, &resource->outer_residual, TK_OWNER_OTHER);
}

static void add_scope_head(struct tk_text_buffer *out, const struct tk_scope *scope) {
  tk_text_buffer_add_char(out, '{');
  if (!scope->absent) {
    tk_json_add_key(out, "scope");
    tk_text_buffer_add_char(out, '{');
    tk_json_add_text_member(out, "name", scope->name);
    tk_json_add_text_member(out, "version", scope->version);
    add_attributes(out, &scope->attributes, &scope->residual);
    tk_residual_add_json(out, &scope->residual, TK_OWNER_OTHER);
    tk_text_buffer_add_char(out, '}');
  }
  tk_json_add_text_member(out, "schemaUrl", scope->schema_url);
  tk_residual_add_json(out, &scope->outer_residual, TK_OWNER_OTHER);
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
  tk_json_add_key(out, array_key);
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
