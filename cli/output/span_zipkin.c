/* SPDX-License-Identifier: MIT
 * Zipkin's JSON, version 2: one list of spans. What the reader of this format made attributes of
 * becomes endpoints again, and what it left in the residual ("zipkin") goes back to its place. All
 * tags are text; attributes of a resource are tags like others: docs/formats.md. */
#include <string.h>

#include "cli/output/residual.h"
#include "cli/output/span_json.h"
#include "cli/output/trace_format.h"

/* Attributes that are endpoints, not tags, if they are of the right type. */
struct endpoints {
  struct tk_text local_v4, local_v6, remote_service, remote_v4, remote_v6;
  int64_t local_port, remote_port;
};

static struct tk_text text_of(const char *text) {
  return (struct tk_text){text, (uint32_t)strlen(text)};
}

static bool take_address(struct tk_text *v4, struct tk_text *v6, struct tk_text text) {
  struct tk_text *field = memchr(text.data, ':', text.size) ? v6 : v4;
  if (field->size > 0) return false;
  *field = text;
  return true;
}

/* True: the attribute is part of an endpoint. */
static bool take_endpoint(struct endpoints *endpoints, const struct tk_attribute *attribute) {
  const struct tk_text key = attribute->key;
  const struct tk_value *value = &attribute->value;
  if (key.size < 11) return false;
  if (value->type == TK_VALUE_INT && value->as.integer > 0) {
    int64_t *port = tk_text_is(key, "net.host.port")   ? &endpoints->local_port
                    : tk_text_is(key, "net.peer.port") ? &endpoints->remote_port
                                                       : NULL;
    if (!port || *port != 0) return false;
    *port = value->as.integer;
    return true;
  }
  if (value->type != TK_VALUE_STRING || value->size == 0) return false;
  const struct tk_text text = {value->as.text, value->size};
  if (tk_text_is(key, "net.host.ip") || tk_text_is(key, "net.host.ip6")) {
    return take_address(&endpoints->local_v4, &endpoints->local_v6, text);
  }
  if (tk_text_is(key, "net.peer.ip") || tk_text_is(key, "net.peer.ip6")) {
    return take_address(&endpoints->remote_v4, &endpoints->remote_v6, text);
  }
  if (!tk_text_is(key, "peer.service") || endpoints->remote_service.size > 0) return false;
  endpoints->remote_service = text;
  return true;
}

static void add_endpoint(struct tk_text_buffer *out, const char *key, struct tk_text service,
                         struct tk_text v4, struct tk_text v6, int64_t port) {
  if (service.size == 0 && v4.size == 0 && v6.size == 0 && port == 0) return;
  tk_json_add_key(out, key);
  tk_text_buffer_add_char(out, '{');
  tk_json_add_text_member(out, "serviceName", service);
  tk_json_add_text_member(out, "ipv4", v4);
  tk_json_add_text_member(out, "ipv6", v6);
  tk_json_add_uint_member(out, "port", (uint64_t)port);
  tk_text_buffer_add_char(out, '}');
}

/* ---- tags ---- */

/* The value of a tag is text, rendered aside to be quoted. */
static void add_tag(struct tk_text_buffer *out, struct tk_text key, const struct tk_value *value) {
  struct tk_text_buffer text = {0};
  if (out->size > 0 && out->data[out->size - 1] != '{') tk_text_buffer_add_char(out, ',');
  tk_json_add_text(out, key);
  tk_text_buffer_add_char(out, ':');
  tk_add_value_text(&text, value);
  tk_text_buffer_add_json_string(out, text.data ? text.data : "", text.size);
  if (text.failed) out->failed = true;
  tk_text_buffer_reset(&text);
}

static void add_text_tag(struct tk_text_buffer *out, const char *key, struct tk_text text) {
  const struct tk_value value = {.type = TK_VALUE_STRING, .size = text.size, .as.text = text.data};
  if (text.size > 0) add_tag(out, text_of(key), &value);
}

static void add_status_tags(struct tk_text_buffer *out, const struct tk_span *span,
                            struct tk_text kept) {
  static const char *const names[] = {"UNSET", "OK", "ERROR"};
  const struct tk_text from = tk_find_json_member(kept, "statusFrom");
  const bool only_error = tk_text_is(from, "\"error\"");
  const bool only_code = tk_text_is(from, "\"otel\"");
  const int32_t code = span->status_code;
  const struct tk_value *tag = tk_find_value(&span->attributes, "error");
  const bool has_tag = tag != NULL;
  const bool tag_has_message = tag && tag->type == TK_VALUE_STRING &&
                               tag->size == span->status_message.size && tag->size > 0 &&
                               memcmp(tag->as.text, span->status_message.data, tag->size) == 0;
  if (code == TK_STATUS_ERROR && !only_code && !has_tag) {
    add_text_tag(out, "error", span->status_message.size ? span->status_message : text_of("true"));
  }
  if (!only_error && (only_code || code != 0) && code >= 0 && code <= 2) {
    add_text_tag(out, "otel.status_code", text_of(names[code]));
  }
  if (!tag_has_message) {
    add_text_tag(out, "otel.status_description", span->status_message);
  }
}

/* `trace|span|state|{attributes}|dropped` */
static void add_link_tag(struct tk_text_buffer *out, const struct tk_link *link, uint32_t index) {
  struct tk_text_buffer key = {0};
  struct tk_text_buffer text = {0};
  tk_text_buffer_add(&key, "otlp.link.");
  tk_text_buffer_add_uint(&key, index);
  if (!tk_residual_add_id_text(&text, &link->residual, "traceId", 1)) {
    tk_text_buffer_add_hex(&text, link->trace_id, 16);
  }
  tk_text_buffer_add_char(&text, '|');
  if (!tk_residual_add_id_text(&text, &link->residual, "spanId", 2)) {
    tk_text_buffer_add_hex(&text, link->span_id, 8);
  }
  tk_text_buffer_add_char(&text, '|');
  tk_text_buffer_append(&text, link->trace_state.data, link->trace_state.size);
  tk_text_buffer_add_char(&text, '|');
  tk_json_add_plain_attributes(&text, &link->attributes);
  tk_text_buffer_add_char(&text, '|');
  tk_text_buffer_add_uint(&text, link->attributes.dropped_count);
  if (key.failed || text.failed || text.size > UINT32_MAX) {
    out->failed = true;
  } else {
    const struct tk_value value = {
        .type = TK_VALUE_STRING, .size = (uint32_t)text.size, .as.text = text.data};
    add_tag(out, (struct tk_text){key.data, (uint32_t)key.size}, &value);
  }
  tk_text_buffer_reset(&key);
  tk_text_buffer_reset(&text);
}

static void add_tags(struct tk_text_buffer *out, const struct tk_span *span, struct tk_text kept) {
  struct endpoints ignored = {0};
  const struct tk_attributes *resource = &span->resource->attributes;
  const struct tk_value *service = tk_find_value(resource, "service.name");
  const bool named = service && service->type == TK_VALUE_STRING;
  tk_json_add_key(out, "tags");
  tk_text_buffer_add_char(out, '{');
  for (uint32_t i = 0; i < resource->count; i++) {
    const struct tk_attribute *item = &resource->items[i];
    if (!(named && &item->value == service)) add_tag(out, item->key, &item->value);
  }
  for (uint32_t i = 0; i < span->attributes.count; i++) {
    const struct tk_attribute *item = &span->attributes.items[i];
    if (!take_endpoint(&ignored, item)) add_tag(out, item->key, &item->value);
  }
  if (span->kind == TK_KIND_INTERNAL) add_text_tag(out, "span.kind", text_of("internal"));
  add_status_tags(out, span, kept);
  add_text_tag(out, "otel.scope.name", span->scope->name);
  add_text_tag(out, "otel.scope.version", span->scope->version);
  add_text_tag(out, "w3c.tracestate", span->trace_state);
  for (uint32_t i = 0; i < span->link_count; i++) add_link_tag(out, &span->links[i], i);
  if (!out->failed && out->data[out->size - 1] == '{') {
    out->size -= sizeof ",\"tags\":{" - 1; /* a span has an id before its tags */
  } else {
    tk_text_buffer_add_char(out, '}');
  }
}

/* ---- spans ---- */

static void add_annotations(struct tk_text_buffer *out, const struct tk_span *span) {
  struct tk_text_buffer text = {0};
  if (span->event_count == 0) return;
  tk_json_add_key(out, "annotations");
  for (uint32_t i = 0; i < span->event_count; i++) {
    const struct tk_event *event = &span->events[i];
    tk_text_buffer_clear(&text);
    tk_text_buffer_append(&text, event->name.data, event->name.size);
    if (event->attributes.count > 0 || event->attributes.dropped_count > 0) {
      tk_text_buffer_add_char(&text, '|');
      tk_json_add_plain_attributes(&text, &event->attributes);
      tk_text_buffer_add_char(&text, '|');
      tk_text_buffer_add_uint(&text, event->attributes.dropped_count);
    }
    tk_text_buffer_add(out, i > 0 ? ",{\"timestamp\":" : "[{\"timestamp\":");
    tk_text_buffer_add_uint(out, event->time_unix_ns / 1000);
    tk_text_buffer_add(out, ",\"value\":");
    tk_text_buffer_add_json_string(out, text.data ? text.data : "", text.size);
    tk_text_buffer_add_char(out, '}');
  }
  tk_text_buffer_add_char(out, ']');
  if (text.failed) out->failed = true;
  tk_text_buffer_reset(&text);
}

static void add_ids(struct tk_text_buffer *out, const struct tk_span *span, struct tk_text kept) {
  if (!tk_json_add_kept(out, kept, "traceId")) tk_json_add_trace_id(out, "traceId", span);
  if ((span->presence & TK_SPAN_HAS_PARENT) && !tk_json_add_kept(out, kept, "parentId") &&
      !tk_residual_add_id(out, "parentId", &span->residual, "parentSpanId", 4)) {
    tk_json_add_hex_member(out, "parentId", span->parent_span_id, 8);
  }
  if (!tk_json_add_kept(out, kept, "id") &&
      !tk_residual_add_id(out, "id", &span->residual, "spanId", 2)) {
    tk_json_add_hex_member(out, "id", span->span_id, 8);
  }
}

/* Zipkin rounds up what is shorter than its unit. */
static void add_times(struct tk_text_buffer *out, const struct tk_span *span, struct tk_text kept) {
  tk_json_add_uint_member(out, "timestamp", span->start_unix_ns / 1000);
  if (tk_json_add_kept(out, kept, "duration") || span->start_unix_ns == 0 ||
      span->end_unix_ns == 0 || span->end_unix_ns < span->start_unix_ns) {
    return;
  }
  const uint64_t ns = span->end_unix_ns - span->start_unix_ns;
  tk_json_add_key(out, "duration");
  tk_text_buffer_add_uint(out, ns > 0 && ns < 1000 ? 1 : ns / 1000);
}

static void add_span(struct tk_text_buffer *out, const struct tk_span *span) {
  static const char *const kinds[] = {[TK_KIND_SERVER] = "SERVER",
                                      [TK_KIND_CLIENT] = "CLIENT",
                                      [TK_KIND_PRODUCER] = "PRODUCER",
                                      [TK_KIND_CONSUMER] = "CONSUMER"};
  static const char *const handled[] = {"traceId",  "parentId",   "id",
                                        "duration", "statusFrom", NULL};
  const struct tk_text kept = tk_residual_members(&span->residual, "zipkin");
  struct endpoints endpoints = {0};
  for (uint32_t i = 0; i < span->attributes.count; i++) {
    take_endpoint(&endpoints, &span->attributes.items[i]);
  }
  tk_text_buffer_add_char(out, '{');
  add_ids(out, span, kept);
  if (span->kind >= TK_KIND_SERVER && span->kind <= TK_KIND_CONSUMER) {
    tk_json_add_text_member(out, "kind", text_of(kinds[span->kind]));
  }
  tk_json_add_text_member(out, "name", span->name);
  add_times(out, span, kept);
  add_endpoint(out, "localEndpoint", tk_service_of(span), endpoints.local_v4, endpoints.local_v6,
               endpoints.local_port);
  add_endpoint(out, "remoteEndpoint", endpoints.remote_service, endpoints.remote_v4,
               endpoints.remote_v6, endpoints.remote_port);
  add_annotations(out, span);
  add_tags(out, span, kept);
  tk_json_add_members_but(out, kept, handled);
  tk_text_buffer_add_char(out, '}');
}

/* ---- documents ---- */

static void begin_document(struct tk_text_buffer *out) {
  tk_text_buffer_add(out, "[\n");
}

static void add_trace(struct tk_text_buffer *out, const struct tk_span *spans, uint32_t span_count,
                      bool first) {
  for (uint32_t i = 0; i < span_count; i++) {
    if (!first || i > 0) tk_text_buffer_add(out, ",\n");
    add_span(out, &spans[i]);
  }
}

static void end_document(struct tk_text_buffer *out) {
  tk_text_buffer_add(out, "\n]\n");
}

const struct tk_trace_format tk_trace_zipkin = {"zipkin", begin_document, add_trace, end_document};
