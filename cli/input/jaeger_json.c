/* SPDX-License-Identifier: MIT
 * Jaeger's JSON: what its API and UI give ({"data":[trace]}, one trace, lists of traces), and what
 * it keeps in Elasticsearch (one span a document, its process inside, values as strings).
 *
 * A trace's processes come after its spans, so they are read first. Tags that OpenTelemetry has
 * fields for become those fields, by the rules of the collector's translator; what has no place in
 * a span goes to its residual, as members of "jaeger", for the writer of this format to put back.
 */
#include "cli/input/jaeger_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/input/describe.h"
#include "cli/input/jaeger_tags.h"
#include "cli/input/plain_json.h"

enum { PROCESS_LIMIT = 4096 };

/* ---- processes ---- */

/* A process by its label. One that spans name before it comes is a promise: its place is taken by
 * `promised`, whose address says which process is meant, until the trace has been read. */
struct process {
  struct tk_text id;
  const struct tk_resource *resource; /* NULL: has not come */
  const struct promise *promised;     /* NULL: nobody has asked before it came */
};

struct promise {
  struct tk_resource resource; /* of no content: see is_promise */
  uint32_t process;
};

/* No reader gives a resource this. */
enum { PROMISED = 2 };

struct trace {
  struct process *processes;
  uint32_t process_count, process_capacity;
  uint32_t first_span; /* of the batch's */
};

static void push_process_tags(struct tk_plain *plain, bool mapped) {
  struct tk_attribute tag;
  if (!tk_plain_expect(plain, mapped ? TK_JSON_OBJECT : TK_JSON_ARRAY)) return;
  if (mapped) {
    for (bool more = tk_json_enter_object(&plain->json); more;
         more = tk_json_next_member(&plain->json)) {
      if (tk_jaeger_next_mapped_tag(plain, &tag))
        tk_push_attribute(plain->builder, tag.key, tag.value);
    }
    return;
  }
  for (bool more = tk_json_enter_array(&plain->json); more;
       more = tk_json_next_item(&plain->json)) {
    if (tk_jaeger_read_tag(plain, &tag, NULL))
      tk_push_attribute(plain->builder, tag.key, tag.value);
  }
}

static const struct tk_resource *read_process(struct tk_plain *plain) {
  const uint32_t begin = plain->builder->attributes.count;
  struct tk_resource resource = {0};
  if (!tk_plain_expect(plain, TK_JSON_OBJECT)) return NULL;
  /* The service is the first attribute wherever it stands. */
  tk_push_text(plain->builder, "service.name", (struct tk_text){"", 0});
  struct tk_text service = {"", 0};
  bool named = false;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_text key = tk_raw_text(tk_json_key(&plain->json));
    if (tk_text_equals(key, "serviceName")) {
      named = tk_json_peek(&plain->json) == TK_JSON_STRING;
      service = tk_plain_text(plain);
    } else if (tk_text_equals(key, "tags")) {
      push_process_tags(plain, false);
    } else if (tk_text_equals(key, "tag")) {
      push_process_tags(plain, true);
    } else {
      tk_json_skip(&plain->json);
    }
  }
  struct tk_attributes attributes = tk_take_attributes(plain->builder, begin);
  if (attributes.count == 0) return NULL;
  if (named && !tk_text_equals(service, "OTLPResourceNoServiceName")) {
    union {
      const struct tk_attribute *taken;
      struct tk_attribute *own; /* in the arena, and nobody has seen it yet */
    } first = {attributes.items};
    first.own->value = tk_string_value(service);
  } else {
    attributes.items++;
    attributes.count--;
  }
  resource.attributes = attributes;
  resource.absent = attributes.count == 0;
  return tk_share_resource(plain->builder, &resource);
}

static struct process *find_process(const struct trace *trace, struct tk_text id) {
  for (uint32_t i = 0; i < trace->process_count; i++) {
    const struct tk_text other = trace->processes[i].id;
    if (other.size == id.size && memcmp(other.data, id.data, id.size) == 0) {
      return &trace->processes[i];
    }
  }
  return NULL;
}

/* NULL: out of memory, or too many. */
static struct process *add_process(struct tk_plain *plain, struct trace *trace, struct tk_text id) {
  if (trace->process_count == PROCESS_LIMIT) return NULL;
  if (trace->process_count == trace->process_capacity) {
    const uint32_t capacity = trace->process_capacity ? trace->process_capacity * 2 : 8;
    struct process *grown = tk_arena_alloc(&plain->builder->batch->arena, capacity * sizeof *grown);
    if (!grown) {
      plain->builder->out_of_memory = true;
      tk_json_fail(&plain->json, "memory");
      return NULL;
    }
    if (trace->process_count) {
      memcpy(grown, trace->processes, trace->process_count * sizeof *grown);
    }
    trace->processes = grown;
    trace->process_capacity = capacity;
  }
  struct process *process = &trace->processes[trace->process_count++];
  *process = (struct process){.id = id};
  return process;
}

static void read_processes(struct tk_plain *plain, struct trace *trace) {
  if (!tk_plain_expect(plain, TK_JSON_OBJECT)) return;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_text id = tk_raw_text(tk_json_key(&plain->json));
    const struct tk_resource *resource = read_process(plain);
    struct process *process = find_process(trace, id);
    if (resource && !process) process = add_process(plain, trace, id);
    if (resource && process && !process->resource) process->resource = resource;
  }
}

static void report_missing(struct tk_plain *plain, struct tk_text id) {
  tk_builder_issue(plain->builder, TK_RULE_PROCESS_MISSING, id,
                   "the trace has no process `%.*s`; stored without a resource",
                   (int)(id.size < 40 ? id.size : 40), id.data);
}

/* The resource of a span that names this process, or the promise of one. */
static const struct tk_resource *use_process(struct tk_plain *plain, struct trace *trace,
                                             struct tk_text id) {
  if (id.size == 0) return &tk_no_resource;
  struct process *process = find_process(trace, id);
  if (!process) process = add_process(plain, trace, id);
  if (!process) {
    report_missing(plain, id);
    return &tk_no_resource;
  }
  if (process->resource) return process->resource;
  if (process->promised) return &process->promised->resource;
  struct promise *promise = tk_arena_alloc(&plain->builder->batch->arena, sizeof *promise);
  if (!promise) {
    plain->builder->out_of_memory = true;
    return &tk_no_resource;
  }
  *promise = (struct promise){.resource.absent = PROMISED,
                              .process = (uint32_t)(process - trace->processes)};
  process->promised = promise;
  return &promise->resource;
}

/* Once everything has come. */
static void keep_promises(struct tk_plain *plain, const struct trace *trace) {
  struct tk_span *spans = (struct tk_span *)(void *)plain->builder->spans.data;
  bool any = false;
  for (uint32_t i = 0; i < trace->process_count; i++) {
    any |= trace->processes[i].promised != NULL;
    if (!trace->processes[i].resource) report_missing(plain, trace->processes[i].id);
  }
  for (uint32_t i = trace->first_span; any && i < plain->builder->spans.count; i++) {
    if (spans[i].resource->absent != PROMISED) continue;
    const struct promise *promise = (const struct promise *)spans[i].resource;
    const struct tk_resource *resource = trace->processes[promise->process].resource;
    spans[i].resource = resource ? resource : &tk_no_resource;
  }
}

/* ---- spans ---- */

/* What is collected of a span before it is known how it fits together. */
struct reading {
  struct tk_span span;
  struct tk_scope scope;
  struct tk_plain_ids ids; /* the trace's, until the span says its own */
  struct tk_text process_id;
  const struct tk_resource *process; /* embedded */
  struct tk_text references;         /* JSON: they need the trace id, which may come later */
  struct tk_text old_parent;
  uint64_t duration_ns;
  int64_t http_status;
  uint32_t flags;
  uint32_t residual_begin;
  struct tk_jaeger_place place;
  bool has_duration, error_tag, status_tag, has_scope, has_trace_id;
};

static bool is_string(const struct tk_value *value) {
  return value->type == TK_VALUE_STRING;
}

static struct tk_text text_of(const struct tk_value *value) {
  return (struct tk_text){value->as.text, value->size};
}

int32_t tk_span_kind_from_name(struct tk_text name) {
  static const char *const names[] = {"internal", "server", "client", "producer", "consumer"};
  for (int32_t i = 0; i < 5; i++) {
    if (tk_text_equals_nocase(name, names[i])) return i + 1;
  }
  return -1;
}

static bool take_kind_tag(struct reading *reading, const struct tk_value *value) {
  const int32_t kind = is_string(value) ? tk_span_kind_from_name(text_of(value)) : -1;
  if (kind < 0 || reading->span.kind != 0) return false;
  reading->span.kind = kind;
  return true;
}

/* Only `true` itself is taken away: another spelling stays, so that it comes out as it came in. */
static bool take_error_tag(struct reading *reading, const struct tk_value *value) {
  const bool truth = value->type == TK_VALUE_BOOL && value->as.integer;
  if (truth || (is_string(value) && tk_text_equals_nocase(text_of(value), "true"))) {
    if (!reading->error_tag && !reading->status_tag) reading->span.status_code = 0;
    reading->error_tag = true;
  }
  return truth;
}

static bool take_status_tag(struct reading *reading, const struct tk_value *value) {
  static const char *const names[] = {"UNSET", "OK", "ERROR"};
  if (!is_string(value) || reading->status_tag) return false;
  for (int32_t i = 0; i < 3; i++) {
    if (tk_text_equals_nocase(text_of(value), names[i])) {
      reading->span.status_code = i;
      reading->status_tag = true;
      return true;
    }
  }
  return false;
}

static bool take_text(struct tk_text *field, const struct tk_value *value) {
  if (!is_string(value) || field->size > 0) return false;
  *field = text_of(value);
  return true;
}

static bool take_scope_text(struct reading *reading, struct tk_text *field,
                            const struct tk_value *value) {
  if (!is_string(value)) return false;
  const struct tk_text text = text_of(value);
  const bool same = field->size == text.size &&
                    (text.size == 0 || memcmp(field->data, text.data, text.size) == 0);
  if (field->size > 0 && !same) return false;
  *field = text;
  reading->has_scope = true;
  return true;
}

static bool take_count(uint32_t *field, const struct tk_value *value) {
  if (value->type != TK_VALUE_INT || value->as.integer <= 0 || value->as.integer > UINT32_MAX) {
    return false;
  }
  *field = (uint32_t)value->as.integer;
  return true;
}

/* True: the tag became a field of the span, and is no attribute. */
static bool take_span_tag(struct reading *reading, const struct tk_attribute *tag) {
  const struct tk_text key = tag->key;
  const struct tk_value *value = &tag->value;
  struct tk_span *span = &reading->span;
  if (tk_text_equals(key, "span.kind")) return take_kind_tag(reading, value);
  if (tk_text_equals(key, "error")) return take_error_tag(reading, value);
  if (tk_text_equals(key, "w3c.tracestate")) return take_text(&span->trace_state, value);
  if (tk_text_equals(key, "http.status_code") && value->type == TK_VALUE_INT) {
    reading->http_status = value->as.integer;
  }
  if (key.size < 9 || memcmp(key.data, "otel.", 5) != 0) return false;
  if (tk_text_equals(key, "otel.status_code")) return take_status_tag(reading, value);
  if (tk_text_equals(key, "otel.status_description")) {
    return take_text(&span->status_message, value);
  }
  if (tk_text_equals(key, "otel.scope.name") || tk_text_equals(key, "otel.library.name")) {
    return take_scope_text(reading, &reading->scope.name, value);
  }
  if (tk_text_equals(key, "otel.scope.version") || tk_text_equals(key, "otel.library.version")) {
    return take_scope_text(reading, &reading->scope.version, value);
  }
  if (tk_text_equals(key, "otel.dropped_attributes_count")) {
    return take_count(&span->attributes.dropped_count, value);
  }
  if (tk_text_equals(key, "otel.dropped_events_count")) {
    return take_count(&span->dropped_events_count, value);
  }
  if (tk_text_equals(key, "otel.dropped_links_count")) {
    return take_count(&span->dropped_links_count, value);
  }
  return false;
}

static void push_span_tags(struct tk_plain *plain, struct reading *reading, bool mapped) {
  struct tk_attribute tag;
  if (!tk_plain_expect(plain, mapped ? TK_JSON_OBJECT : TK_JSON_ARRAY)) return;
  bool more = mapped ? tk_json_enter_object(&plain->json) : tk_json_enter_array(&plain->json);
  while (more) {
    const bool read = mapped ? tk_jaeger_next_mapped_tag(plain, &tag)
                             : tk_jaeger_read_tag(plain, &tag, &reading->place);
    if (read && !take_span_tag(reading, &tag)) {
      tk_push_attribute(plain->builder, tag.key, tag.value);
    }
    more = mapped ? tk_json_next_member(&plain->json) : tk_json_next_item(&plain->json);
  }
}

/* ---- logs ---- */

static void read_log_fields(struct tk_plain *plain, struct tk_event *event,
                            struct tk_jaeger_place *place) {
  const uint32_t begin = plain->builder->attributes.count;
  struct tk_attribute field;
  if (!tk_plain_expect(plain, TK_JSON_ARRAY)) return;
  for (bool more = tk_json_enter_array(&plain->json); more;
       more = tk_json_next_item(&plain->json)) {
    if (!tk_jaeger_read_tag(plain, &field, place)) continue;
    if (tk_text_equals(field.key, "event") && take_text(&event->name, &field.value)) continue;
    tk_push_attribute(plain->builder, field.key, field.value);
  }
  event->attributes = tk_take_attributes(plain->builder, begin);
}

/* `context`: see struct tk_jaeger_place. */
static struct tk_event read_log(struct tk_plain *plain, void *context) {
  struct tk_event event = {.name.data = ""};
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_text key = tk_raw_text(tk_json_key(&plain->json));
    if (tk_text_equals(key, "timestamp")) {
      event.time_unix_ns = tk_plain_micros(plain);
    } else if (tk_text_equals(key, "fields")) {
      read_log_fields(plain, &event, context);
    } else {
      tk_json_skip(&plain->json);
    }
  }
  return event;
}

/* ---- references ---- */

struct reference {
  struct tk_text type, trace, span;
};

static bool read_reference(struct tk_plain *plain, struct reference *reference) {
  *reference = (struct reference){{"", 0}, {"", 0}, {"", 0}};
  if (!tk_plain_expect(plain, TK_JSON_OBJECT)) return false;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_text key = tk_raw_text(tk_json_key(&plain->json));
    if (tk_text_equals(key, "refType")) {
      reference->type = tk_plain_view(plain);
    } else if (tk_text_equals(key, "traceID")) {
      reference->trace = tk_plain_view(plain);
    } else if (tk_text_equals(key, "spanID")) {
      reference->span = tk_plain_view(plain);
    } else {
      tk_json_skip(&plain->json);
    }
  }
  return !plain->json.expected;
}

static bool same_trace(const struct reading *reading, struct tk_text trace) {
  uint8_t mine[16];
  uint8_t other[16];
  const struct tk_text text = reading->ids.trace;
  if (text.size == trace.size && memcmp(text.data, trace.data, text.size) == 0) return true;
  tk_trace_id_read(reading->ids.trace, mine);
  tk_trace_id_read(trace, other);
  return memcmp(mine, other, sizeof mine) == 0;
}

static void push_link(struct tk_plain *plain, const struct reference *reference) {
  struct tk_link link = {.trace_state.data = ""};
  const uint32_t begin = plain->builder->attributes.count;
  struct tk_text type = {"follows_from", 12};
  if (tk_text_equals(reference->type, "CHILD_OF")) type = (struct tk_text){"child_of", 8};
  tk_push_text(plain->builder, "opentracing.ref_type",
               tk_builder_intern(plain->builder, type.data, type.size));
  link.attributes = tk_take_attributes(plain->builder, begin);
  tk_plain_link_ids(plain, &link, reference->trace, reference->span);
  struct tk_link *item = tk_builder_push(plain->builder, &plain->builder->links, sizeof link);
  if (item) *item = link;
}

static struct tk_plain begin_references(const struct tk_plain *plain,
                                        const struct reading *reading) {
  struct tk_plain inner = {.builder = plain->builder, .json = plain->json};
  inner.json.at = reading->references.data;
  return inner;
}

/* Index of the reference that names the parent, -1: none does. */
static int64_t choose_parent(const struct tk_plain *plain, struct reading *reading) {
  struct tk_plain inner = begin_references(plain, reading);
  struct reference reference;
  struct tk_text child_of = {"", 0}, follows = {"", 0};
  int64_t child_of_at = -1;
  int64_t follows_at = -1;
  int64_t index = 0;
  for (bool more = tk_json_enter_array(&inner.json); more;
       more = tk_json_next_item(&inner.json), index++) {
    if (!read_reference(&inner, &reference) || !same_trace(reading, reference.trace)) continue;
    const bool is_child = tk_text_equals(reference.type, "CHILD_OF");
    if (is_child && child_of_at < 0) {
      child_of = reference.span;
      child_of_at = index;
    } else if (!is_child && follows_at < 0) {
      follows = reference.span;
      follows_at = index;
    }
  }
  if (child_of_at < 0 && reading->old_parent.size > 0) return -1;
  reading->ids.parent = child_of_at >= 0 ? child_of : follows;
  if (child_of_at < 0 && follows_at >= 0) {
    tk_push_residual_string(plain->builder, reading->residual_begin, "parentRef",
                            (struct tk_text){"FOLLOWS_FROM", 12});
  }
  return child_of_at >= 0 ? child_of_at : follows_at;
}

/* Takes the references. Mostly there is one at most, which names the parent; others wait until all
 * of the span is known. */
static void read_references(struct tk_plain *plain, struct reading *reading) {
  struct reference reference;
  struct tk_text parent = {"", 0};
  uint32_t count = 0;
  if (!tk_plain_expect(plain, TK_JSON_ARRAY)) return;
  const char *begin = plain->json.at;
  for (bool more = tk_json_enter_array(&plain->json); more;
       more = tk_json_next_item(&plain->json)) {
    count++;
    if (read_reference(plain, &reference) && reading->has_trace_id &&
        tk_text_equals(reference.type, "CHILD_OF") && same_trace(reading, reference.trace)) {
      parent = reference.span;
    }
  }
  if (count == 1 && parent.size > 0) {
    reading->ids.parent = parent;
  } else if (count > 0) {
    reading->references = (struct tk_text){begin, (uint32_t)(plain->json.at - begin)};
  }
}

static bool is_zeros(struct tk_text text) {
  for (uint32_t i = 0; i < text.size; i++) {
    if (text.data[i] != '0') return false;
  }
  return true;
}

static void resolve_references(struct tk_plain *plain, struct reading *reading) {
  struct tk_stack *stack = &plain->builder->links;
  const uint32_t begin = stack->count;
  int64_t index = 0;
  if (reading->references.size > 0) {
    const int64_t parent = choose_parent(plain, reading);
    struct tk_plain inner = begin_references(plain, reading);
    struct reference reference;
    for (bool more = tk_json_enter_array(&inner.json); more;
         more = tk_json_next_item(&inner.json), index++) {
      if (read_reference(&inner, &reference) && index != parent) push_link(plain, &reference);
    }
    reading->span.link_count = stack->count - begin;
    reading->span.links = tk_builder_take(plain->builder, stack, begin, sizeof(struct tk_link));
  }
  if (reading->ids.parent.size == 0) reading->ids.parent = reading->old_parent;
  if (is_zeros(reading->ids.parent)) reading->ids.parent = (struct tk_text){"", 0};
}

/* ---- putting a span together ---- */

/* Where the status comes from is noted unless both tags were there, as OpenTelemetry writes them.
 */
static void resolve_status(struct tk_plain *plain, struct reading *reading) {
  struct tk_span *span = &reading->span;
  const char *source = NULL;
  if (reading->error_tag) {
    if (span->status_code != TK_STATUS_ERROR) source = "error";
    span->status_code = TK_STATUS_ERROR;
  } else if (reading->status_tag) {
    if (span->status_code != TK_STATUS_OK) source = "otel";
  } else if (reading->http_status >= 500 ||
             (reading->http_status >= 400 && span->kind == TK_KIND_CLIENT)) {
    span->status_code = TK_STATUS_ERROR;
    source = "http";
  }
  if (span->status_code != 0 || span->status_message.size > 0 || reading->status_tag) {
    span->presence |= TK_SPAN_HAS_STATUS;
  }
  if (source) {
    tk_push_residual_string(plain->builder, reading->residual_begin, "statusFrom",
                            (struct tk_text){source, (uint32_t)strlen(source)});
  }
}

/* Ids that would not be written the way they were read. */
static void keep_odd_ids(struct tk_plain *plain, const struct reading *reading,
                         const struct tk_span_ids *ids) {
  const uint32_t begin = reading->residual_begin;
  const uint32_t kept = TK_ID_PADDED | TK_ID_UPPERCASE;
  if (ids->trace.form & kept) {
    tk_push_residual_string(plain->builder, begin, "traceID", ids->trace.text);
  }
  if (ids->span.form & kept) {
    tk_push_residual_string(plain->builder, begin, "spanID", ids->span.text);
  }
  if (ids->parent.form & kept) {
    tk_push_residual_string(plain->builder, begin, "parentSpanID", ids->parent.text);
  }
}

/* Labels such as p1 are made anew by whoever writes a trace. */
static bool is_usual_label(struct tk_text label) {
  if (label.size < 2 || label.data[0] != 'p') return label.size == 0;
  for (uint32_t i = 1; i < label.size; i++) {
    if (label.data[i] < '0' || label.data[i] > '9') return false;
  }
  return true;
}

static void finish_residual(struct tk_plain *plain, struct reading *reading,
                            const struct tk_span_ids *ids) {
  char digits[16];
  const uint32_t begin = reading->residual_begin;
  keep_odd_ids(plain, reading, ids);
  if (reading->flags > 1) {
    snprintf(digits, sizeof digits, "%u", (unsigned)reading->flags);
    tk_push_residual_key(plain->builder, begin, "flags");
    tk_builder_push_bytes(plain->builder, digits, strlen(digits));
  }
  if (!is_usual_label(reading->process_id)) {
    tk_push_residual_string(plain->builder, begin, "processID", reading->process_id);
  }
  reading->span.residual = tk_take_residual(plain->builder, begin, "jaeger");
}

static void read_span_member(struct tk_plain *plain, struct reading *reading,
                             struct tk_json_string key) {
  const struct tk_text name = tk_raw_text(key);
  struct tk_span *span = &reading->span;
  if (tk_text_equals(name, "traceID")) {
    reading->ids.trace = tk_plain_view(plain);
    reading->has_trace_id = true;
  } else if (tk_text_equals(name, "spanID")) {
    reading->ids.span = tk_plain_view(plain);
  } else if (tk_text_equals(name, "parentSpanID")) {
    reading->old_parent = tk_plain_view(plain);
  } else if (tk_text_equals(name, "flags")) {
    reading->flags = tk_plain_uint32(plain);
  } else if (tk_text_equals(name, "operationName")) {
    span->name = tk_plain_text(plain);
  } else if (tk_text_equals(name, "startTime")) {
    span->start_unix_ns = tk_plain_micros(plain);
  } else if (tk_text_equals(name, "duration")) {
    reading->has_duration = tk_json_peek(&plain->json) != TK_JSON_NULL;
    reading->duration_ns = tk_plain_micros(plain);
  } else if (tk_text_equals(name, "tags")) {
    push_span_tags(plain, reading, false);
  } else if (tk_text_equals(name, "tag")) {
    push_span_tags(plain, reading, true);
  } else if (tk_text_equals(name, "logs")) {
    tk_plain_events(plain, span, read_log, &reading->place);
  } else if (tk_text_equals(name, "references")) {
    read_references(plain, reading);
  } else if (tk_text_equals(name, "processID")) {
    reading->process_id = tk_plain_view(plain);
  } else if (tk_text_equals(name, "process")) {
    reading->process = read_process(plain);
  } else if (tk_text_equals(name, "startTimeMillis")) {
    tk_json_skip(&plain->json);
  } else {
    tk_json_skip_space(&plain->json);
    const struct tk_text raw = tk_json_skip(&plain->json);
    const bool empty = tk_text_equals(raw, "null") || tk_text_equals(raw, "[]");
    if (!plain->json.expected && !empty) {
      tk_push_residual_member(plain->builder, reading->residual_begin, key, raw);
    }
  }
}

static void read_span(struct tk_plain *plain, struct trace *trace, struct tk_text trace_id) {
  struct reading reading = {.span = {.name.data = ""},
                            .ids = {trace_id, {"", 0}, {"", 0}},
                            .residual_begin = plain->builder->residual.count,
                            .place.span = plain->json};
  const uint32_t attributes_begin = plain->builder->attributes.count;
  const char *begin = plain->json.at;
  struct tk_span_ids readings;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    read_span_member(plain, &reading, tk_json_key(&plain->json));
  }
  if (plain->json.expected) return;
  struct tk_span *span = &reading.span;
  const struct tk_text raw = {begin, (uint32_t)(plain->json.at - begin)};
  const uint32_t dropped = span->attributes.dropped_count;
  span->attributes = tk_take_attributes(plain->builder, attributes_begin);
  span->attributes.dropped_count = dropped;
  span->flags = reading.flags & 1;
  if (reading.has_duration && reading.duration_ns <= UINT64_MAX - span->start_unix_ns) {
    span->end_unix_ns = span->start_unix_ns + reading.duration_ns;
  }
  resolve_references(plain, &reading);
  resolve_status(plain, &reading);
  tk_plain_read_ids(&reading.ids, span, &readings);
  finish_residual(plain, &reading, &readings);
  span->resource =
      reading.process ? reading.process : use_process(plain, trace, reading.process_id);
  span->scope = reading.has_scope ? tk_share_scope(plain->builder, &reading.scope) : &tk_no_scope;
  tk_plain_add_span(plain, span, &readings, raw);
}

/* ---- documents ---- */

static bool take_document(struct tk_plain *plain);

static void take_documents(struct tk_plain *plain) {
  for (bool more = tk_json_enter_array(&plain->json); more;
       more = tk_json_next_item(&plain->json)) {
    if (tk_plain_expect(plain, TK_JSON_OBJECT) && !take_document(plain)) {
      plain->builder->batch->rejected_count++;
      tk_builder_issue(plain->builder, TK_RULE_RECORD_UNKNOWN, (struct tk_text){"", 0},
                       "expected a Jaeger trace or span, found another object; skipped it");
    }
  }
}

static void take_spans(struct tk_plain *plain, struct trace *trace, struct tk_text trace_id) {
  for (bool more = tk_json_enter_array(&plain->json); more;
       more = tk_json_next_item(&plain->json)) {
    if (tk_plain_expect(plain, TK_JSON_OBJECT)) {
      read_span(plain, trace, trace_id);
    } else {
      plain->builder->batch->rejected_count++;
    }
  }
}

/* What a document turns out to be as its members come. */
struct outline {
  struct tk_json spans, inner;
  struct tk_text trace_id;
  bool has_trace_id, has_spans, spans_wait, has_span_id, has_inner;
};

/* A member of a document. Spans are read at once unless the trace's id may still come, which they
 * may need; what an envelope holds is read when it is known to be one. */
static void read_document_member(struct tk_plain *plain, struct trace *trace,
                                 struct outline *outline) {
  const struct tk_text key = tk_raw_text(tk_json_key(&plain->json));
  const enum tk_json_type type = tk_json_peek(&plain->json);
  const bool holds = type == TK_JSON_ARRAY || type == TK_JSON_OBJECT;
  if (tk_text_equals(key, "traceID")) {
    outline->has_trace_id = true;
    outline->trace_id = tk_plain_view(plain);
    return;
  }
  if (tk_text_equals(key, "processes")) {
    read_processes(plain, trace);
    return;
  }
  if (tk_text_equals(key, "spans") && type == TK_JSON_ARRAY) {
    outline->has_spans = true;
    if (outline->has_trace_id) {
      take_spans(plain, trace, outline->trace_id);
      return;
    }
    outline->spans_wait = true;
    outline->spans = plain->json;
  } else if (tk_text_equals(key, "spanID")) {
    outline->has_span_id = true;
  } else if (holds && (tk_text_equals(key, "data") || tk_text_equals(key, "hits") ||
                       tk_text_equals(key, "_source"))) {
    outline->has_inner = true;
    outline->inner = plain->json;
  }
  tk_json_skip(&plain->json);
}

static bool take_inner(struct tk_plain *plain, const struct outline *outline) {
  bool known = true;
  const struct tk_json end = plain->json;
  plain->json = outline->inner;
  if (tk_json_peek(&plain->json) == TK_JSON_ARRAY) {
    take_documents(plain);
  } else {
    known = take_document(plain);
  }
  if (!plain->json.expected) plain->json = end;
  return known;
}

static bool take_document(struct tk_plain *plain) {
  struct outline outline = {.trace_id = {"", 0}};
  struct trace trace = {.first_span = plain->builder->spans.count};
  const struct tk_json begin = plain->json;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    read_document_member(plain, &trace, &outline);
    if (outline.has_span_id && !outline.has_spans) {
      plain->json = begin;
      read_span(plain, &trace, (struct tk_text){"", 0});
      outline.has_spans = true;
      break;
    }
  }
  if (outline.spans_wait && !plain->json.expected) {
    const struct tk_json end = plain->json;
    plain->json = outline.spans;
    take_spans(plain, &trace, outline.trace_id);
    if (!plain->json.expected) plain->json = end;
  }
  if (plain->json.expected) return true;
  keep_promises(plain, &trace);
  if (outline.has_spans) return true;
  return outline.has_inner && take_inner(plain, &outline);
}

void tk_jaeger_json_parse(struct tk_batch_builder *builder, const struct tk_record *record) {
  tk_plain_parse(builder, record, take_document, "a Jaeger trace (spans, processes) or span");
}

/* Spans in our own flat form may carry members of ours that are named as Jaeger's are. */
static bool begins_flat(const char *head, size_t size) {
  const char *flat = memmem(head, size, "\"trace_id\"", 10);
  return flat && !memmem(head, (size_t)(flat - head), "\"traceID\"", 9);
}

bool tk_jaeger_json_probe(const char *head, size_t size) {
  static const char *const typical[] = {"processID", "processes",  "process",
                                        "spans",     "references", "startTimeMillis"};
  if (begins_flat(head, size)) return false;
  if (tk_head_has_key(head, size, "processes") && tk_head_has_key(head, size, "serviceName"))
    return true;
  if (tk_head_has_key(head, size, "traceID")) {
    for (size_t i = 0; i < sizeof typical / sizeof typical[0]; i++) {
      if (tk_head_has_key(head, size, typical[i])) return true;
    }
  }
  /* The answer of a search that found nothing. */
  return tk_head_has_key(head, size, "data") && tk_head_has_key(head, size, "total") &&
         tk_head_has_key(head, size, "errors");
}
