/* SPDX-License-Identifier: MIT
 * Jaeger's JSON as its API gives it: {"data":[trace,...]}. What the reader of this format made
 * fields of becomes tags again, and what it left in the residual ("jaeger") goes back to its place.
 * Fields that only OpenTelemetry has, and Jaeger no tag for, are lost: docs/formats.md lists them.
 */
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "cli/output/residual.h"
#include "cli/output/span_json.h"
#include "cli/output/trace_format.h"

static const int64_t largest_exact = (int64_t)1 << 53; /* integers of JavaScript */

/* ---- tags ---- */

static void begin_tag(struct tk_text_buffer *out, struct tk_text key, const char *type) {
  if (out->size > 0 && out->data[out->size - 1] != '[') tk_text_buffer_add_char(out, ',');
  tk_text_buffer_add(out, "{\"key\":");
  tk_json_add_text(out, key);
  tk_text_buffer_add(out, ",\"type\":\"");
  tk_text_buffer_add(out, type);
  tk_text_buffer_add(out, "\",\"value\":");
}

static struct tk_text text_of(const char *text) {
  return (struct tk_text){text, (uint32_t)strlen(text)};
}

static void add_text_tag(struct tk_text_buffer *out, const char *key, struct tk_text text) {
  if (text.size == 0) return;
  begin_tag(out, text_of(key), "string");
  tk_json_add_text(out, text);
  tk_text_buffer_add_char(out, '}');
}

static void add_count_tag(struct tk_text_buffer *out, const char *key, uint32_t count) {
  if (count == 0) return;
  begin_tag(out, text_of(key), "int64");
  tk_text_buffer_add_uint(out, count);
  tk_text_buffer_add_char(out, '}');
}

static void add_integer(struct tk_text_buffer *out, int64_t integer) {
  const bool quoted = integer > largest_exact || integer < -largest_exact;
  if (quoted) tk_text_buffer_add_char(out, '"');
  tk_text_buffer_add_int(out, integer);
  if (quoted) tk_text_buffer_add_char(out, '"');
}

static void add_real(struct tk_text_buffer *out, double real) {
  if (isnan(real)) {
    tk_text_buffer_add(out, "\"NaN\"");
  } else if (isinf(real)) {
    tk_text_buffer_add(out, real < 0 ? "\"-Inf\"" : "\"+Inf\"");
  } else {
    tk_text_buffer_add_real(out, real);
  }
}

/* Lists are strings that hold JSON. */
static void add_list_text(struct tk_text_buffer *out, const struct tk_value *value) {
  struct tk_text_buffer json = {0};
  tk_json_add_plain_value(&json, value);
  tk_text_buffer_add_json_string(out, json.data, json.size);
  if (json.failed) out->failed = true;
  tk_text_buffer_reset(&json);
}

static void add_tag(struct tk_text_buffer *out, struct tk_text key, const struct tk_value *value) {
  static const char *const types[] = {
      [TK_VALUE_EMPTY] = "string",  [TK_VALUE_STRING] = "string",  [TK_VALUE_BOOL] = "bool",
      [TK_VALUE_INT] = "int64",     [TK_VALUE_DOUBLE] = "float64", [TK_VALUE_ARRAY] = "string",
      [TK_VALUE_KVLIST] = "string", [TK_VALUE_BYTES] = "binary"};
  begin_tag(out, key, value->type <= TK_VALUE_BYTES ? types[value->type] : "string");
  switch ((enum tk_value_type)value->type) {
    case TK_VALUE_EMPTY:
      tk_text_buffer_add(out, "\"\"");
      break;
    case TK_VALUE_STRING:
      tk_text_buffer_add_json_string(out, value->as.text, value->size);
      break;
    case TK_VALUE_BOOL:
      tk_text_buffer_add(out, value->as.integer ? "true" : "false");
      break;
    case TK_VALUE_INT:
      add_integer(out, value->as.integer);
      break;
    case TK_VALUE_DOUBLE:
      add_real(out, value->as.real);
      break;
    case TK_VALUE_ARRAY:
    case TK_VALUE_KVLIST:
      add_list_text(out, value);
      break;
    case TK_VALUE_BYTES:
      tk_text_buffer_add_char(out, '"');
      tk_text_buffer_add_base64(out, value->as.text, value->size);
      tk_text_buffer_add_char(out, '"');
      break;
  }
  tk_text_buffer_add_char(out, '}');
}

static void add_attribute_tags(struct tk_text_buffer *out, const struct tk_attributes *attributes) {
  for (uint32_t i = 0; i < attributes->count; i++) {
    add_tag(out, attributes->items[i].key, &attributes->items[i].value);
  }
}

/* ---- processes of a trace ---- */

struct process {
  const struct tk_resource *resource; /* where it was last seen */
  size_t begin, end;                  /* of its JSON in `texts` */
  char label[72];                     /* with quotes */
};

struct processes {
  struct process *items;
  uint32_t count, capacity;
  struct tk_text_buffer texts, scratch;
  bool failed;
};

static void render_process(struct tk_text_buffer *out, const struct tk_resource *resource) {
  struct tk_text service = text_of("OTLPResourceNoServiceName");
  const struct tk_value *value = tk_find_value(&resource->attributes, "service.name");
  const bool named = value && value->type == TK_VALUE_STRING;
  if (named) service = (struct tk_text){value->as.text, value->size};
  tk_text_buffer_add(out, "{\"serviceName\":");
  tk_json_add_text(out, service);
  tk_text_buffer_add(out, ",\"tags\":[");
  for (uint32_t i = 0; i < resource->attributes.count; i++) {
    const struct tk_attribute *item = &resource->attributes.items[i];
    if (!(named && &item->value == value)) add_tag(out, item->key, &item->value);
  }
  tk_text_buffer_add(out, "]}");
}

static bool same_text(const struct processes *processes, const struct process *process) {
  const size_t size = process->end - process->begin;
  return size == processes->scratch.size &&
         memcmp(processes->texts.data + process->begin, processes->scratch.data, size) == 0;
}

static struct process *append_process(struct processes *processes) {
  if (processes->count == processes->capacity) {
    const uint32_t capacity = processes->capacity ? processes->capacity * 2 : 8;
    struct process *grown = sqlite3_realloc64(processes->items, capacity * sizeof *grown);
    if (!grown) {
      processes->failed = true;
      return NULL;
    }
    processes->items = grown;
    processes->capacity = capacity;
  }
  return &processes->items[processes->count++];
}

static bool is_taken(const struct processes *processes, const char *label) {
  for (uint32_t i = 0; i + 1 < processes->count; i++) {
    if (strcmp(processes->items[i].label, label) == 0) return true;
  }
  return false;
}

/* The label it came with, if that is free, or p1, p2, ... */
static void choose_label(const struct processes *processes, struct process *process,
                         struct tk_text kept) {
  process->label[0] = '\0';
  if (kept.size > 2 && kept.size < sizeof process->label && kept.data[0] == '"') {
    memcpy(process->label, kept.data, kept.size);
    process->label[kept.size] = '\0';
  }
  if (process->label[0] == '\0' || is_taken(processes, process->label)) {
    snprintf(process->label, sizeof process->label, "\"p%u\"", (unsigned)processes->count);
  }
}

/* NULL: out of memory. */
static const struct process *find_process(struct processes *processes, const struct tk_span *span,
                                          struct tk_text kept_label) {
  for (uint32_t i = 0; i < processes->count; i++) {
    if (processes->items[i].resource == span->resource) return &processes->items[i];
  }
  tk_text_buffer_clear(&processes->scratch);
  render_process(&processes->scratch, span->resource);
  if (processes->scratch.failed) return NULL;
  for (uint32_t i = 0; i < processes->count; i++) {
    if (same_text(processes, &processes->items[i])) return &processes->items[i];
  }
  struct process *process = append_process(processes);
  if (!process) return NULL;
  process->resource = span->resource;
  process->begin = processes->texts.size;
  tk_text_buffer_append(&processes->texts, processes->scratch.data, processes->scratch.size);
  process->end = processes->texts.size;
  choose_label(processes, process, kept_label);
  return processes->texts.failed ? NULL : process;
}

static void reset_processes(struct processes *processes) {
  sqlite3_free(processes->items);
  tk_text_buffer_reset(&processes->texts);
  tk_text_buffer_reset(&processes->scratch);
}

/* ---- spans ---- */

static void add_trace_id(struct tk_text_buffer *out, const struct tk_span *span,
                         struct tk_text kept) {
  if (!tk_json_add_kept(out, kept, "traceID")) tk_json_add_trace_id(out, "traceID", span);
}

static void begin_reference(struct tk_text_buffer *out, const char *type) {
  if (out->data && out->data[out->size - 1] != '[') tk_text_buffer_add_char(out, ',');
  tk_text_buffer_add(out, "{\"refType\":\"");
  tk_text_buffer_add(out, type);
  tk_text_buffer_add_char(out, '"');
}

static void add_parent(struct tk_text_buffer *out, const struct tk_span *span,
                       struct tk_text kept) {
  const bool follows = tk_find_json_member(kept, "parentRef").size > 0;
  const struct tk_text id = tk_find_json_member(kept, "parentSpanID");
  if (!(span->presence & TK_SPAN_HAS_PARENT)) return;
  begin_reference(out, follows ? "FOLLOWS_FROM" : "CHILD_OF");
  add_trace_id(out, span, kept);
  if (id.size > 0) {
    tk_json_add_key(out, "spanID");
    tk_text_buffer_append(out, id.data, id.size);
  } else if (!tk_residual_add_id(out, "spanID", &span->residual, "parentSpanId", 4)) {
    tk_json_add_hex_member(out, "spanID", span->parent_span_id, 8);
  }
  tk_text_buffer_add_char(out, '}');
}

static void add_link(struct tk_text_buffer *out, const struct tk_link *link) {
  static const uint8_t zero[8];
  const struct tk_value *type = tk_find_value(&link->attributes, "opentracing.ref_type");
  const bool child = type && type->type == TK_VALUE_STRING &&
                     tk_text_is((struct tk_text){type->as.text, type->size}, "child_of");
  const size_t skipped = memcmp(link->trace_id, zero, 8) == 0 ? 8 : 0;
  begin_reference(out, child ? "CHILD_OF" : "FOLLOWS_FROM");
  if (!tk_residual_add_id(out, "traceID", &link->residual, "traceId", 1)) {
    tk_json_add_hex_member(out, "traceID", link->trace_id + skipped, 16 - skipped);
  }
  if (!tk_residual_add_id(out, "spanID", &link->residual, "spanId", 2)) {
    tk_json_add_hex_member(out, "spanID", link->span_id, 8);
  }
  tk_text_buffer_add_char(out, '}');
}

/* Both tags, as OpenTelemetry's exporters write them, unless it is known that there was one. */
static void add_status_tags(struct tk_text_buffer *out, const struct tk_span *span,
                            struct tk_text kept) {
  const struct tk_text from = tk_find_json_member(kept, "statusFrom");
  const bool only_error = tk_text_is(from, "\"error\"");
  const bool only_code = tk_text_is(from, "\"otel\"");
  if (!tk_text_is(from, "\"http\"")) {
    if (span->status_code == TK_STATUS_ERROR && !only_code &&
        !tk_find_value(&span->attributes, "error")) {
      begin_tag(out, text_of("error"), "bool");
      tk_text_buffer_add(out, "true}");
    }
    if (!only_error && (only_code || span->status_code != TK_STATUS_UNSET)) {
      static const char *const names[] = {"UNSET", "OK", "ERROR"};
      const int32_t code = span->status_code;
      if (code >= 0 && code <= 2) add_text_tag(out, "otel.status_code", text_of(names[code]));
    }
  }
  add_text_tag(out, "otel.status_description", span->status_message);
}

static void add_tags(struct tk_text_buffer *out, const struct tk_span *span, struct tk_text kept) {
  const char *kind = tk_json_kind_name(span->kind);
  tk_json_add_key(out, "tags");
  tk_text_buffer_add_char(out, '[');
  add_attribute_tags(out, &span->attributes);
  if (kind && span->kind != TK_KIND_UNSPECIFIED) add_text_tag(out, "span.kind", text_of(kind));
  add_status_tags(out, span, kept);
  add_text_tag(out, "otel.scope.name", span->scope->name);
  add_text_tag(out, "otel.scope.version", span->scope->version);
  add_text_tag(out, "w3c.tracestate", span->trace_state);
  add_count_tag(out, "otel.dropped_attributes_count", span->attributes.dropped_count);
  add_count_tag(out, "otel.dropped_events_count", span->dropped_events_count);
  add_count_tag(out, "otel.dropped_links_count", span->dropped_links_count);
  tk_text_buffer_add_char(out, ']');
}

static void add_logs(struct tk_text_buffer *out, const struct tk_span *span) {
  tk_json_add_key(out, "logs");
  tk_text_buffer_add_char(out, '[');
  for (uint32_t i = 0; i < span->event_count; i++) {
    const struct tk_event *event = &span->events[i];
    if (i > 0) tk_text_buffer_add_char(out, ',');
    tk_text_buffer_add(out, "{\"timestamp\":");
    tk_text_buffer_add_uint(out, event->time_unix_ns / 1000);
    tk_text_buffer_add(out, ",\"fields\":[");
    add_text_tag(out, "event", event->name);
    add_attribute_tags(out, &event->attributes);
    tk_text_buffer_add(out, "]}");
  }
  tk_text_buffer_add_char(out, ']');
}

static void add_times(struct tk_text_buffer *out, const struct tk_span *span) {
  const bool ends = span->end_unix_ns >= span->start_unix_ns;
  tk_json_add_key(out, "startTime");
  tk_text_buffer_add_uint(out, span->start_unix_ns / 1000);
  tk_json_add_key(out, "duration");
  tk_text_buffer_add_uint(out, ends ? (span->end_unix_ns - span->start_unix_ns) / 1000 : 0);
}

static void add_span(struct tk_text_buffer *out, const struct tk_span *span,
                     struct processes *processes) {
  static const char *const handled[] = {"traceID",    "spanID",    "parentSpanID", "flags",
                                        "statusFrom", "parentRef", "processID",    NULL};
  const struct tk_text kept = tk_residual_members(&span->residual, "jaeger");
  tk_text_buffer_add_char(out, '{');
  add_trace_id(out, span, kept);
  if (!tk_json_add_kept(out, kept, "spanID") &&
      !tk_residual_add_id(out, "spanID", &span->residual, "spanId", 2)) {
    tk_json_add_hex_member(out, "spanID", span->span_id, 8);
  }
  if (!tk_json_add_kept(out, kept, "flags")) tk_json_add_uint_member(out, "flags", span->flags & 1);
  tk_json_add_key(out, "operationName");
  tk_json_add_text(out, span->name);
  tk_json_add_key(out, "references");
  tk_text_buffer_add_char(out, '[');
  add_parent(out, span, kept);
  for (uint32_t i = 0; i < span->link_count; i++) add_link(out, &span->links[i]);
  tk_text_buffer_add_char(out, ']');
  add_times(out, span);
  add_tags(out, span, kept);
  add_logs(out, span);
  const struct process *process =
      find_process(processes, span, tk_find_json_member(kept, "processID"));
  tk_json_add_key(out, "processID");
  tk_text_buffer_add(out, process ? process->label : "\"\"");
  if (!process) out->failed = true;
  tk_json_add_members_but(out, kept, handled);
  tk_text_buffer_add_char(out, '}');
}

/* ---- documents ---- */

static void begin_document(struct tk_text_buffer *out) {
  tk_text_buffer_add(out, "{\"data\":[\n");
}

static void add_trace(struct tk_text_buffer *out, const struct tk_span *spans, uint32_t span_count,
                      bool first) {
  struct processes processes = {0};
  if (span_count == 0) return;
  tk_text_buffer_add(out, first ? "{" : ",\n{");
  add_trace_id(out, &spans[0], tk_residual_members(&spans[0].residual, "jaeger"));
  tk_json_add_key(out, "spans");
  for (uint32_t i = 0; i < span_count; i++) {
    tk_text_buffer_add_char(out, i > 0 ? ',' : '[');
    add_span(out, &spans[i], &processes);
  }
  if (processes.failed || processes.texts.failed) out->failed = true;
  tk_text_buffer_add(out, "],\"processes\":{");
  for (uint32_t i = 0; i < processes.count && !out->failed; i++) {
    const struct process *process = &processes.items[i];
    if (i > 0) tk_text_buffer_add_char(out, ',');
    tk_text_buffer_add(out, process->label);
    tk_text_buffer_add_char(out, ':');
    tk_text_buffer_append(out, processes.texts.data + process->begin,
                          process->end - process->begin);
  }
  tk_text_buffer_add(out, "},\"warnings\":null}");
  reset_processes(&processes);
}

static void end_document(struct tk_text_buffer *out) {
  tk_text_buffer_add(out, "\n],\"total\":0,\"limit\":0,\"offset\":0,\"errors\":null}\n");
}

const struct tk_trace_format tk_trace_jaeger = {"jaeger", begin_document, add_trace, end_document};
