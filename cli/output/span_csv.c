/* SPDX-License-Identifier: MIT
 * CSV (RFC 4180 with \n), one row a span: flat columns, and lists as JSON. Nothing at all is NULL
 * and so is an empty text. */
#include <string.h>

#include "cli/output/span_json.h"
#include "cli/output/trace_format.h"

static void begin_document(struct tk_text_buffer *out) {
  tk_text_buffer_add(out,
                     "trace_id,span_id,parent_span_id,service,name,kind,start_ns,end_ns,"
                     "duration_ns,status,status_message,scope_name,scope_version,trace_state,flags,"
                     "attributes,resource,events,links\n");
}

static void add_quoted(struct tk_text_buffer *out, const char *data, size_t size) {
  tk_text_buffer_add_char(out, '"');
  for (const char *end = data + size; data < end;) {
    const char *quote = memchr(data, '"', (size_t)(end - data));
    const char *stop = quote ? quote + 1 : end;
    tk_text_buffer_append(out, data, (size_t)(stop - data));
    if (quote) tk_text_buffer_add_char(out, '"');
    data = stop;
  }
  tk_text_buffer_add_char(out, '"');
}

static void add_text_field(struct tk_text_buffer *out, struct tk_text text) {
  bool plain = text.size > 0 && text.data[0] != ' ' && text.data[text.size - 1] != ' ';
  for (uint32_t i = 0; plain && i < text.size; i++) {
    plain =
        text.data[i] != '"' && text.data[i] != ',' && text.data[i] != '\n' && text.data[i] != '\r';
  }
  if (plain) {
    tk_text_buffer_append(out, text.data, text.size);
  } else if (text.size > 0) {
    add_quoted(out, text.data, text.size);
  }
  tk_text_buffer_add_char(out, ',');
}

static void add_uint_field(struct tk_text_buffer *out, uint64_t number, bool is_known) {
  if (is_known) tk_text_buffer_add_uint(out, number);
  tk_text_buffer_add_char(out, ',');
}

static void add_name_field(struct tk_text_buffer *out, const char *name, int32_t number) {
  if (name) {
    tk_text_buffer_add(out, name);
  } else {
    tk_text_buffer_add_int(out, number);
  }
  tk_text_buffer_add_char(out, ',');
}

static void add_ids(struct tk_text_buffer *out, const struct tk_span *span) {
  if (span->presence & TK_SPAN_TEXT_TRACE_ID) {
    add_text_field(out, span->trace_id_text);
  } else {
    const size_t skipped = span->presence & TK_SPAN_SHORT_TRACE_ID ? 8 : 0;
    tk_text_buffer_add_hex(out, span->trace_id + skipped, 16 - skipped);
    tk_text_buffer_add_char(out, ',');
  }
  tk_text_buffer_add_hex(out, span->span_id, 8);
  tk_text_buffer_add_char(out, ',');
  if (span->presence & TK_SPAN_HAS_PARENT) tk_text_buffer_add_hex(out, span->parent_span_id, 8);
  tk_text_buffer_add_char(out, ',');
}

static void render_events(struct tk_text_buffer *json, const struct tk_span *span) {
  for (uint32_t i = 0; i < span->event_count; i++) {
    tk_text_buffer_add(json, i > 0 ? ",{" : "[{");
    tk_json_add_uint_member(json, "time_ns", span->events[i].time_unix_ns);
    tk_json_add_text_member(json, "name", span->events[i].name);
    tk_json_add_key(json, "attributes");
    tk_json_add_plain_attributes(json, &span->events[i].attributes);
    tk_text_buffer_add_char(json, '}');
  }
  if (span->event_count > 0) tk_text_buffer_add_char(json, ']');
}

static void render_links(struct tk_text_buffer *json, const struct tk_span *span) {
  for (uint32_t i = 0; i < span->link_count; i++) {
    tk_text_buffer_add(json, i > 0 ? ",{" : "[{");
    tk_json_add_hex_member(json, "trace_id", span->links[i].trace_id, 16);
    tk_json_add_hex_member(json, "span_id", span->links[i].span_id, 8);
    tk_json_add_key(json, "attributes");
    tk_json_add_plain_attributes(json, &span->links[i].attributes);
    tk_text_buffer_add_char(json, '}');
  }
  if (span->link_count > 0) tk_text_buffer_add_char(json, ']');
}

/* What was rendered, as one field. */
static void quote_rendered(struct tk_text_buffer *out, struct tk_text_buffer *json, char end) {
  if (json->failed) out->failed = true;
  if (json->size > 0) add_quoted(out, json->data, json->size);
  tk_text_buffer_add_char(out, end);
  tk_text_buffer_clear(json);
}

static void add_lists(struct tk_text_buffer *out, const struct tk_span *span,
                      struct tk_text_buffer *json) {
  tk_json_add_plain_attributes(json, &span->attributes);
  quote_rendered(out, json, ',');
  tk_json_add_plain_attributes(json, &span->resource->attributes);
  quote_rendered(out, json, ',');
  render_events(json, span);
  quote_rendered(out, json, ',');
  render_links(json, span);
  quote_rendered(out, json, '\n');
}

static void add_row(struct tk_text_buffer *out, const struct tk_span *span,
                    struct tk_text_buffer *json) {
  const bool has_duration = span->start_unix_ns > 0 && span->end_unix_ns >= span->start_unix_ns;
  add_ids(out, span);
  add_text_field(out, tk_service_of(span));
  add_text_field(out, span->name);
  add_name_field(out, tk_json_kind_name(span->kind), span->kind);
  add_uint_field(out, span->start_unix_ns, span->start_unix_ns > 0);
  add_uint_field(out, span->end_unix_ns, span->end_unix_ns > 0);
  add_uint_field(out, span->end_unix_ns - span->start_unix_ns, has_duration);
  add_name_field(out, tk_json_status_name(span->status_code), span->status_code);
  add_text_field(out, span->status_message);
  add_text_field(out, span->scope->name);
  add_text_field(out, span->scope->version);
  add_text_field(out, span->trace_state);
  add_uint_field(out, span->flags, true);
  add_lists(out, span, json);
}

static void add_trace(struct tk_text_buffer *out, const struct tk_span *spans, uint32_t span_count,
                      bool first) {
  struct tk_text_buffer json = {0};
  (void)first;
  for (uint32_t i = 0; i < span_count; i++) add_row(out, &spans[i], &json);
  tk_text_buffer_reset(&json);
}

static void end_document(struct tk_text_buffer *out) {
  (void)out;
}

const struct tk_trace_format tk_trace_csv = {"csv", begin_document, add_trace, end_document};
