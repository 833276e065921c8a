/* SPDX-License-Identifier: MIT
 * Flat JSON, one object a span: the format "ndjson". Every field of a span has a place, under a
 * name that its reader knows; "service" and "duration_ns" say again what other fields say, for
 * tools. */
#include "cli/output/span_json.h"
#include "cli/output/trace_format.h"

/* JSON that was pretty-printed has line ends, outside its strings only. */
static void add_on_one_line(struct tk_text_buffer *out, const char *data, size_t size) {
  for (size_t i = 0; i < size; i++) {
    const bool line_end = data[i] == '\n' || data[i] == '\r';
    tk_text_buffer_add_char(out, line_end ? ' ' : data[i]);
  }
}

static void add_residual(struct tk_text_buffer *out, const char *key,
                         const struct tk_residual *residual) {
  if (residual->size == 0) return;
  tk_json_add_key(out, key);
  if (residual->format == TK_RESIDUAL_PROTOBUF) {
    tk_text_buffer_add_char(out, '"');
    tk_text_buffer_add_base64(out, residual->data, residual->size);
    tk_text_buffer_add_char(out, '"');
  } else {
    tk_text_buffer_add_char(out, '{');
    add_on_one_line(out, residual->data, residual->size);
    tk_text_buffer_add_char(out, '}');
  }
}

static void add_attributes(struct tk_text_buffer *out, const struct tk_attributes *attributes) {
  if (attributes->count > 0) {
    tk_json_add_key(out, "attributes");
    tk_json_add_plain_attributes(out, attributes);
  }
  tk_json_add_uint_member(out, "dropped_attributes_count", attributes->dropped_count);
}

static void add_ids(struct tk_text_buffer *out, const struct tk_span *span) {
  const uint32_t made_up = TK_SPAN_SYNTHETIC_TRACE_ID | TK_SPAN_SYNTHETIC_SPAN_ID;
  tk_json_add_trace_id(out, "trace_id", span);
  tk_json_add_hex_member(out, "span_id", span->span_id, 8);
  if (span->presence & (TK_SPAN_HAS_PARENT | TK_SPAN_ZERO_PARENT)) {
    tk_json_add_hex_member(out, "parent_span_id", span->parent_span_id, 8);
  }
  if (span->presence & made_up) {
    tk_json_add_key(out, "made_up_ids");
    tk_text_buffer_add(out, (span->presence & made_up) == made_up ? "[\"trace_id\",\"span_id\"]"
                            : (span->presence & TK_SPAN_SYNTHETIC_TRACE_ID) ? "[\"trace_id\"]"
                                                                            : "[\"span_id\"]");
  }
  tk_json_add_text_member(out, "trace_state", span->trace_state);
  tk_json_add_uint_member(out, "flags", span->flags);
}

static void add_status(struct tk_text_buffer *out, const struct tk_span *span) {
  const char *name = tk_json_status_name(span->status_code);
  if (!(span->presence & TK_SPAN_HAS_STATUS)) return;
  tk_json_add_key(out, "status");
  if (name) {
    tk_text_buffer_add_char(out, '"');
    tk_text_buffer_add(out, name);
    tk_text_buffer_add_char(out, '"');
  } else {
    tk_text_buffer_add(out, "{\"code\":");
    tk_text_buffer_add_int(out, span->status_code);
    tk_text_buffer_add_char(out, '}');
  }
  tk_json_add_text_member(out, "status_message", span->status_message);
}

static void add_kind(struct tk_text_buffer *out, int32_t kind) {
  const char *name = tk_json_kind_name(kind);
  if (kind == TK_KIND_UNSPECIFIED) return;
  tk_json_add_key(out, "kind");
  if (name) {
    tk_text_buffer_add_char(out, '"');
    tk_text_buffer_add(out, name);
    tk_text_buffer_add_char(out, '"');
  } else {
    tk_text_buffer_add_int(out, kind);
  }
}

static void add_events(struct tk_text_buffer *out, const struct tk_span *span) {
  if (span->event_count > 0) {
    tk_json_add_key(out, "events");
    for (uint32_t i = 0; i < span->event_count; i++) {
      const struct tk_event *event = &span->events[i];
      tk_text_buffer_add(out, i > 0 ? ",{" : "[{");
      tk_json_add_uint_member(out, "time_ns", event->time_unix_ns);
      tk_json_add_text_member(out, "name", event->name);
      add_attributes(out, &event->attributes);
      add_residual(out, "residual", &event->residual);
      tk_text_buffer_add_char(out, '}');
    }
    tk_text_buffer_add_char(out, ']');
  }
  tk_json_add_uint_member(out, "dropped_events_count", span->dropped_events_count);
}

static bool is_zero(const uint8_t *bytes, size_t size) {
  uint8_t any = 0;
  for (size_t i = 0; i < size; i++) any |= bytes[i];
  return any == 0;
}

static void add_links(struct tk_text_buffer *out, const struct tk_span *span) {
  if (span->link_count > 0) {
    tk_json_add_key(out, "links");
    for (uint32_t i = 0; i < span->link_count; i++) {
      const struct tk_link *link = &span->links[i];
      tk_text_buffer_add(out, i > 0 ? ",{" : "[{");
      if (!is_zero(link->trace_id, 16)) tk_json_add_hex_member(out, "trace_id", link->trace_id, 16);
      if (!is_zero(link->span_id, 8)) tk_json_add_hex_member(out, "span_id", link->span_id, 8);
      tk_json_add_text_member(out, "trace_state", link->trace_state);
      tk_json_add_uint_member(out, "flags", link->flags);
      add_attributes(out, &link->attributes);
      add_residual(out, "residual", &link->residual);
      tk_text_buffer_add_char(out, '}');
    }
    tk_text_buffer_add_char(out, ']');
  }
  tk_json_add_uint_member(out, "dropped_links_count", span->dropped_links_count);
}

/* The attributes themselves, unless one of them would make that look like the longer form. */
static void add_resource(struct tk_text_buffer *out, const struct tk_resource *resource) {
  const bool is_long = tk_find_value(&resource->attributes, "attributes") != NULL;
  if (!resource->absent) {
    tk_json_add_key(out, "resource");
    if (is_long) tk_text_buffer_add(out, "{\"attributes\":");
    tk_json_add_plain_attributes(out, &resource->attributes);
    if (is_long) tk_text_buffer_add_char(out, '}');
  }
  tk_json_add_uint_member(out, "resource_dropped_attributes_count",
                          resource->attributes.dropped_count);
  tk_json_add_text_member(out, "resource_schema_url", resource->schema_url);
  add_residual(out, "resource_residual", &resource->residual);
  add_residual(out, "resource_outer_residual", &resource->outer_residual);
}

static void add_scope(struct tk_text_buffer *out, const struct tk_scope *scope) {
  if (scope->absent && scope->schema_url.size == 0 && scope->outer_residual.size == 0) return;
  tk_json_add_key(out, "scope");
  tk_text_buffer_add_char(out, '{');
  tk_json_add_text_member(out, "name", scope->name);
  tk_json_add_text_member(out, "version", scope->version);
  tk_json_add_text_member(out, "schema_url", scope->schema_url);
  add_attributes(out, &scope->attributes);
  add_residual(out, "residual", &scope->residual);
  add_residual(out, "outer_residual", &scope->outer_residual);
  if (scope->absent) {
    tk_json_add_key(out, "absent");
    tk_text_buffer_add(out, "true");
  }
  tk_text_buffer_add_char(out, '}');
}

static void add_span(struct tk_text_buffer *out, const struct tk_span *span) {
  tk_text_buffer_add_char(out, '{');
  add_ids(out, span);
  tk_json_add_text_member(out, "service", tk_service_of(span));
  tk_json_add_text_member(out, "name", span->name);
  add_kind(out, span->kind);
  tk_json_add_uint_member(out, "start_ns", span->start_unix_ns);
  tk_json_add_uint_member(out, "end_ns", span->end_unix_ns);
  if (span->start_unix_ns > 0 && span->end_unix_ns >= span->start_unix_ns) {
    tk_json_add_key(out, "duration_ns");
    tk_text_buffer_add_uint(out, span->end_unix_ns - span->start_unix_ns);
  }
  add_status(out, span);
  add_attributes(out, &span->attributes);
  add_events(out, span);
  add_links(out, span);
  add_resource(out, span->resource);
  add_scope(out, span->scope);
  add_residual(out, "residual", &span->residual);
  tk_text_buffer_add(out, "}\n");
}

static void begin_or_end(struct tk_text_buffer *out) {
  (void)out;
}

static void add_trace(struct tk_text_buffer *out, const struct tk_span *spans, uint32_t span_count,
                      bool first) {
  (void)first;
  for (uint32_t i = 0; i < span_count; i++) add_span(out, &spans[i]);
}

const struct tk_trace_format tk_trace_ndjson = {"ndjson", begin_or_end, add_trace, begin_or_end};
