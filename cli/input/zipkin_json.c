/* SPDX-License-Identifier: MIT
 * Zipkin's JSON. Version 2 has a span's kind and its two endpoints; version 1 has annotations with
 * endpoints, from which kind and endpoints follow, and one of its spans may be two of ours: what
 * the client said of a call, and what the server said.
 *
 * Both are first collected into a `reading`, which is what version 2 says, and then made spans. Ids
 * that client and server share stay shared: kinds tell the spans apart. What has no place in a span
 * goes to its residual, as members of "zipkin", for the writer of this format to put back. */
#include "cli/input/zipkin_json.h"

#include <stdio.h>
#include <string.h>

#include "cli/input/describe.h"
#include "cli/input/plain_json.h"
#include "cli/input/zipkin_annotation.h"

struct endpoint {
  struct tk_text service, ipv4, ipv6;
  uint32_t port;
  bool is_set;
};

/* What a span of version 2 says; version 1 is brought into this form. */
struct reading {
  struct tk_plain_ids ids;
  struct tk_text name, raw;
  struct endpoint local, remote;
  struct tk_text message; /* of the status */
  struct tk_text error_text;
  struct tk_text trace_state;
  struct tk_scope scope;
  uint64_t timestamp_ns, duration_ns;
  uint32_t attributes_begin, events_begin, links_begin, residual_begin;
  int32_t kind;
  int32_t status; /* -1: the span says nothing */
  bool has_duration, debug, shared, error, has_scope;
  bool has_id, is_old; /* what the object turned out to be: a span; one of version 1 */
};

/* ---- endpoints ---- */

static void read_endpoint(struct tk_plain *plain, struct endpoint *endpoint) {
  *endpoint = (struct endpoint){{"", 0}, {"", 0}, {"", 0}, 0, false};
  if (!tk_plain_expect(plain, TK_JSON_OBJECT)) return;
  endpoint->is_set = true;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_text key = tk_raw_text(tk_json_key(&plain->json));
    if (tk_text_equals(key, "serviceName")) {
      endpoint->service = tk_plain_text(plain);
    } else if (tk_text_equals(key, "ipv4")) {
      endpoint->ipv4 = tk_plain_text(plain);
    } else if (tk_text_equals(key, "ipv6")) {
      endpoint->ipv6 = tk_plain_text(plain);
    } else if (tk_text_equals(key, "port")) {
      endpoint->port = tk_plain_uint32(plain);
    } else {
      tk_json_skip(&plain->json);
    }
  }
}

static void push_port(struct tk_plain *plain, const char *key, uint32_t port) {
  if (port == 0) return;
  tk_push_attribute(plain->builder, tk_builder_intern(plain->builder, key, (uint32_t)strlen(key)),
                    (struct tk_value){.type = TK_VALUE_INT, .as.integer = port});
}

static void push_address(struct tk_plain *plain, const char *key, struct tk_text text) {
  if (text.size > 0) tk_push_text(plain->builder, key, text);
}

/* The local one is the span's resource, less its addresses, which are the span's: they differ from
 * span to span where a service has several. */
static void push_local_endpoint(struct tk_plain *plain, const struct endpoint *local) {
  push_address(plain, "net.host.ip", local->ipv4);
  push_address(plain, local->ipv4.size ? "net.host.ip6" : "net.host.ip", local->ipv6);
  push_port(plain, "net.host.port", local->port);
}

static void push_remote_endpoint(struct tk_plain *plain, const struct endpoint *remote) {
  push_address(plain, "peer.service", remote->service);
  push_address(plain, "net.peer.ip", remote->ipv4);
  push_address(plain, remote->ipv4.size ? "net.peer.ip6" : "net.peer.ip", remote->ipv6);
  push_port(plain, "net.peer.port", remote->port);
}

static const struct tk_resource *make_resource(struct tk_plain *plain,
                                               const struct endpoint *local) {
  const struct tk_attribute service = {{"service.name", 12}, tk_string_value(local->service)};
  struct tk_resource resource = {.attributes = {&service, 1, 0}};
  if (local->service.size == 0) return &tk_no_resource;
  const struct tk_resource *known = tk_find_resource(plain->builder, &resource);
  if (known) return known;
  const uint32_t begin = plain->builder->attributes.count;
  tk_push_text(plain->builder, "service.name", local->service);
  resource.attributes = tk_take_attributes(plain->builder, begin);
  return tk_share_resource(plain->builder, &resource);
}

/* ---- tags ---- */

static bool take_text(struct tk_text *field, struct tk_text text) {
  if (field->size > 0 || text.size == 0) return false;
  *field = text;
  return true;
}

static bool take_status_tag(struct reading *reading, struct tk_text text) {
  static const char *const names[] = {"UNSET", "OK", "ERROR"};
  static const char prefix[] = "STATUS_CODE_";
  if (text.size > sizeof prefix - 1 && memcmp(text.data, prefix, sizeof prefix - 1) == 0) {
    text.data += sizeof prefix - 1;
    text.size -= (uint32_t)sizeof prefix - 1;
  }
  for (int32_t i = 0; i < 3 && reading->status < 0; i++) {
    if (tk_text_equals_nocase(text, names[i])) {
      reading->status = i;
      return true;
    }
  }
  return false;
}

/* True: the tag became a field of the span. An `error` always is one, whatever its value, and stays
 * a tag, since its value may be the message. */
static bool take_tag(struct tk_plain *plain, struct reading *reading, struct tk_text key,
                     struct tk_text value) {
  if (tk_text_equals(key, "span.kind") && reading->kind == 0) {
    if (!tk_text_equals(value, "internal")) return false;
    reading->kind = TK_KIND_INTERNAL;
    return true;
  }
  if (key.size > 10 && memcmp(key.data, "otlp.link.", 10) == 0) {
    return tk_zipkin_push_link(plain->builder, value);
  }
  if (tk_text_equals(key, "error")) {
    reading->error = true;
    reading->error_text = value;
    return false;
  }
  if (tk_text_equals(key, "w3c.tracestate")) return take_text(&reading->trace_state, value);
  if (key.size < 9 || memcmp(key.data, "otel.", 5) != 0) return false;
  if (tk_text_equals(key, "otel.status_code")) return take_status_tag(reading, value);
  if (tk_text_equals(key, "otel.status_description")) return take_text(&reading->message, value);
  if (tk_text_equals(key, "otel.scope.name") || tk_text_equals(key, "otel.library.name")) {
    reading->has_scope = true;
    return take_text(&reading->scope.name, value);
  }
  if (tk_text_equals(key, "otel.scope.version") || tk_text_equals(key, "otel.library.version")) {
    reading->has_scope = true;
    return take_text(&reading->scope.version, value);
  }
  return false;
}

static void read_tags(struct tk_plain *plain, struct reading *reading) {
  if (!tk_plain_expect(plain, TK_JSON_OBJECT)) return;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_text key = tk_builder_string(plain->builder, tk_json_key(&plain->json));
    const struct tk_value value = tk_plain_value(plain);
    const bool is_text = value.type == TK_VALUE_STRING;
    const struct tk_text text = {is_text ? value.as.text : "", is_text ? value.size : 0};
    if (take_tag(plain, reading, key, text)) continue;
    tk_push_attribute(plain->builder, key, value);
  }
}

/* ---- annotations ---- */

struct annotation {
  uint64_t time_ns;
  struct tk_text value;
  struct endpoint endpoint;
  bool has_endpoint; /* as in version 1, be it null */
};

static bool read_annotation(struct tk_plain *plain, struct annotation *annotation) {
  *annotation = (struct annotation){.value = {"", 0}};
  if (!tk_plain_expect(plain, TK_JSON_OBJECT)) return false;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_text key = tk_raw_text(tk_json_key(&plain->json));
    if (tk_text_equals(key, "timestamp")) {
      annotation->time_ns = tk_plain_micros(plain);
    } else if (tk_text_equals(key, "value")) {
      annotation->value = tk_plain_text(plain);
    } else if (tk_text_equals(key, "endpoint") || tk_text_equals(key, "host")) {
      annotation->has_endpoint = true;
      read_endpoint(plain, &annotation->endpoint);
    } else {
      tk_json_skip(&plain->json);
    }
  }
  return !plain->json.expected;
}

static void push_event(struct tk_plain *plain, const struct annotation *annotation) {
  struct tk_event event = {.time_unix_ns = annotation->time_ns, .name = annotation->value};
  tk_zipkin_split_annotation(plain->builder, &event);
  struct tk_event *item = tk_builder_push(plain->builder, &plain->builder->events, sizeof event);
  if (item) *item = event;
}

static void read_annotations(struct tk_plain *plain, struct reading *reading) {
  struct annotation annotation;
  if (!tk_plain_expect(plain, TK_JSON_ARRAY)) return;
  for (bool more = tk_json_enter_array(&plain->json); more;
       more = tk_json_next_item(&plain->json)) {
    if (!read_annotation(plain, &annotation)) continue;
    reading->is_old |= annotation.has_endpoint;
    push_event(plain, &annotation);
  }
}

/* ---- from a reading to a span ---- */

static void set_status(const struct reading *reading, struct tk_span *span) {
  if (reading->status > 0) span->status_code = reading->status;
  if (reading->error) span->status_code = TK_STATUS_ERROR;
  span->status_message = reading->message;
  /* The tag's value is a message unless it just says that there was an error. */
  if (reading->message.size == 0 && !tk_text_equals(reading->error_text, "true") &&
      !tk_text_equals(reading->error_text, "false")) {
    span->status_message = reading->error_text;
  }
  if (reading->status >= 0 || reading->error || reading->message.size > 0) {
    span->presence |= TK_SPAN_HAS_STATUS;
  }
}

static void push_flag(struct tk_plain *plain, uint32_t begin, const char *name) {
  tk_push_residual_key(plain->builder, begin, name);
  tk_builder_push_bytes(plain->builder, "true", 4);
}

static void keep_rest(struct tk_plain *plain, const struct reading *reading,
                      const struct tk_span_ids *ids, struct tk_span *span) {
  const uint32_t begin = reading->residual_begin;
  const uint32_t kept = TK_ID_PADDED | TK_ID_UPPERCASE;
  if (reading->debug) push_flag(plain, begin, "debug");
  if (reading->shared) push_flag(plain, begin, "shared");
  if (reading->error && reading->status != TK_STATUS_ERROR) {
    tk_push_residual_string(plain->builder, begin, "statusFrom", (struct tk_text){"error", 5});
  } else if (reading->status >= 0 && reading->status != TK_STATUS_OK && !reading->error) {
    tk_push_residual_string(plain->builder, begin, "statusFrom", (struct tk_text){"otel", 4});
  }
  /* The absence of a duration is not a duration of zero. */
  if (reading->timestamp_ns == 0 && reading->has_duration) {
    char digits[24];
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)(reading->duration_ns / 1000));
    tk_push_residual_key(plain->builder, begin, "duration");
    tk_builder_push_bytes(plain->builder, digits, strlen(digits));
  }
  if (ids->trace.form & kept) {
    tk_push_residual_string(plain->builder, begin, "traceId", ids->trace.text);
  }
  if (ids->span.form & kept) {
    tk_push_residual_string(plain->builder, begin, "id", ids->span.text);
  }
  if (ids->parent.form & kept) {
    tk_push_residual_string(plain->builder, begin, "parentId", ids->parent.text);
  }
  span->residual = tk_take_residual(plain->builder, begin, "zipkin");
}

/* Takes what has been pushed since the reading began. */
static void add_span(struct tk_plain *plain, struct reading *reading) {
  struct tk_batch_builder *builder = plain->builder;
  struct tk_span span = {.name = reading->name,
                         .kind = reading->kind,
                         .start_unix_ns = reading->timestamp_ns,
                         .trace_state = reading->trace_state};
  struct tk_plain_ids ids = reading->ids;
  struct tk_span_ids readings;
  if (plain->json.expected) return;
  push_local_endpoint(plain, &reading->local);
  push_remote_endpoint(plain, &reading->remote);
  span.attributes = tk_take_attributes(builder, reading->attributes_begin);
  span.event_count = builder->events.count - reading->events_begin;
  span.events =
      tk_builder_take(builder, &builder->events, reading->events_begin, sizeof(struct tk_event));
  span.link_count = builder->links.count - reading->links_begin;
  span.links =
      tk_builder_take(builder, &builder->links, reading->links_begin, sizeof(struct tk_link));
  if (span.start_unix_ns > 0 && reading->has_duration &&
      reading->duration_ns <= UINT64_MAX - span.start_unix_ns) {
    span.end_unix_ns = span.start_unix_ns + reading->duration_ns;
  }
  set_status(reading, &span);
  /* Old tracers wrote a root's own id for its parent. */
  if (ids.parent.size == ids.span.size &&
      memcmp(ids.parent.data, ids.span.data, ids.span.size) == 0)
    ids.parent = (struct tk_text){"", 0};
  tk_plain_read_ids(&ids, &span, &readings);
  keep_rest(plain, reading, &readings, &span);
  span.resource = make_resource(plain, &reading->local);
  span.scope = reading->has_scope ? tk_share_scope(builder, &reading->scope) : &tk_no_scope;
  tk_plain_add_span(plain, &span, &readings, reading->raw);
}

/* ---- version 1 ---- */

/* Annotations that say where in a call they were made, and what they make of a span. */
enum core { CORE_CS, CORE_CR, CORE_SR, CORE_SS, CORE_MS, CORE_MR, CORE_COUNT };

struct old_span {
  struct annotation core[CORE_COUNT];
  bool has_core[CORE_COUNT];
  struct endpoint first; /* of any annotation */
  struct endpoint client_address, server_address, message_address;
};

static int find_core(struct tk_text value) {
  static const char *const names[CORE_COUNT] = {"cs", "cr", "sr", "ss", "ms", "mr"};
  for (int i = 0; i < CORE_COUNT; i++) {
    if (tk_text_equals(value, names[i])) return i;
  }
  return -1;
}

static void read_old_annotations(struct tk_plain *plain, struct old_span *old) {
  struct annotation annotation;
  if (!tk_plain_expect(plain, TK_JSON_ARRAY)) return;
  for (bool more = tk_json_enter_array(&plain->json); more;
       more = tk_json_next_item(&plain->json)) {
    if (!read_annotation(plain, &annotation)) continue;
    const int core = find_core(annotation.value);
    if (!old->first.is_set) old->first = annotation.endpoint;
    if (core >= 0 && !old->has_core[core]) {
      old->core[core] = annotation;
      old->has_core[core] = true;
    } else {
      push_event(plain, &annotation);
    }
  }
}

struct binary_annotation {
  struct tk_text key;
  struct tk_value value;
  struct endpoint endpoint;
};

static bool read_binary_annotation(struct tk_plain *plain, struct binary_annotation *binary) {
  *binary = (struct binary_annotation){.key = {"", 0}};
  if (!tk_plain_expect(plain, TK_JSON_OBJECT)) return false;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_text key = tk_raw_text(tk_json_key(&plain->json));
    if (tk_text_equals(key, "key")) {
      binary->key = tk_plain_text(plain);
    } else if (tk_text_equals(key, "value")) {
      binary->value = tk_plain_value(plain);
    } else if (tk_text_equals(key, "endpoint") || tk_text_equals(key, "host")) {
      read_endpoint(plain, &binary->endpoint);
    } else {
      tk_json_skip(&plain->json);
    }
  }
  return !plain->json.expected;
}

static void read_binary_annotations(struct tk_plain *plain, struct reading *reading,
                                    struct old_span *old) {
  struct binary_annotation binary;
  if (!tk_plain_expect(plain, TK_JSON_ARRAY)) return;
  for (bool more = tk_json_enter_array(&plain->json); more;
       more = tk_json_next_item(&plain->json)) {
    if (!read_binary_annotation(plain, &binary)) continue;
    const bool address = binary.value.type == TK_VALUE_BOOL;
    struct endpoint *target = NULL;
    if (address && tk_text_equals(binary.key, "sa")) target = &old->server_address;
    if (address && tk_text_equals(binary.key, "ca")) target = &old->client_address;
    if (address && tk_text_equals(binary.key, "ma")) target = &old->message_address;
    if (target) {
      if (!target->is_set) *target = binary.endpoint;
      continue;
    }
    if (!old->first.is_set) old->first = binary.endpoint;
    const bool is_text = binary.value.type == TK_VALUE_STRING;
    const struct tk_text text = {is_text ? binary.value.as.text : "",
                                 is_text ? binary.value.size : 0};
    if (!take_tag(plain, reading, binary.key, text)) {
      tk_push_attribute(plain->builder, binary.key, binary.value);
    }
  }
}

/* The time from one core annotation to another, unless the span has times of its own. */
static void time_half(struct reading *half, const struct old_span *old, enum core begin,
                      enum core end, bool own_times) {
  if (!own_times || half->timestamp_ns == 0) {
    half->timestamp_ns = old->has_core[begin] ? old->core[begin].time_ns : 0;
  }
  if (own_times && half->has_duration) return;
  half->has_duration =
      half->timestamp_ns > 0 && old->has_core[end] && old->core[end].time_ns >= half->timestamp_ns;
  half->duration_ns = half->has_duration ? old->core[end].time_ns - half->timestamp_ns : 0;
}

/* A half of the span for the side whose annotations are `begin` and `end`. */
static void describe_half(struct reading *half, const struct old_span *old, int32_t kind,
                          enum core begin, enum core end, bool own_times) {
  half->kind = kind;
  half->local = old->has_core[begin] ? old->core[begin].endpoint : old->core[end].endpoint;
  if (kind == TK_KIND_SERVER) {
    half->remote = old->client_address;
  } else if (kind == TK_KIND_CLIENT) {
    half->remote = old->server_address;
  } else {
    half->remote = old->message_address;
  }
  time_half(half, old, begin, end, own_times);
}

/* Tags and events of a span that is two are the first one's, the client's. */
static void add_old_span(struct tk_plain *plain, struct reading *reading,
                         const struct old_span *old) {
  static const struct {
    int32_t kind;
    enum core begin, end;
  } sides[] = {{TK_KIND_CLIENT, CORE_CS, CORE_CR},
               {TK_KIND_SERVER, CORE_SR, CORE_SS},
               {TK_KIND_PRODUCER, CORE_MS, CORE_MS},
               {TK_KIND_CONSUMER, CORE_MR, CORE_MR}};
  const struct reading whole = *reading;
  bool any = false;
  for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
    if (!old->has_core[sides[i].begin] && !old->has_core[sides[i].end]) continue;
    struct reading half = whole;
    describe_half(&half, old, sides[i].kind, sides[i].begin, sides[i].end, !any);
    if (any) {
      half.shared = true;
      half.attributes_begin = plain->builder->attributes.count;
      half.events_begin = plain->builder->events.count;
      half.links_begin = plain->builder->links.count;
    }
    add_span(plain, &half);
    any = true;
  }
  if (any) return;
  reading->local = old->first;
  if (old->server_address.is_set) {
    reading->kind = TK_KIND_CLIENT;
    reading->remote = old->server_address;
  } else if (old->client_address.is_set) {
    reading->kind = TK_KIND_SERVER;
    reading->remote = old->client_address;
  }
  add_span(plain, reading);
}

/* ---- documents ---- */

static int32_t read_kind(struct tk_plain *plain) {
  static const char *const names[] = {"SERVER", "CLIENT", "PRODUCER", "CONSUMER"};
  const struct tk_text text = tk_plain_view(plain);
  for (int32_t i = 0; i < 4; i++) {
    if (tk_text_equals_nocase(text, names[i])) return i + TK_KIND_SERVER;
  }
  if (text.size > 0) {
    tk_builder_issue(plain->builder, TK_RULE_JSON_ENUM_UNKNOWN, text,
                     "expected a kind of Zipkin's, found `%.*s`; stored none",
                     (int)(text.size < 40 ? text.size : 40), text.data);
  }
  return TK_KIND_UNSPECIFIED;
}

static void read_rest(struct tk_plain *plain, struct reading *reading, struct tk_json_string key) {
  tk_json_skip_space(&plain->json);
  const struct tk_text raw = tk_json_skip(&plain->json);
  if (!plain->json.expected && !tk_text_equals(raw, "null")) {
    tk_push_residual_member(plain->builder, reading->residual_begin, key, raw);
  }
}

static void read_member(struct tk_plain *plain, struct reading *reading, struct old_span *old,
                        struct tk_json_string key) {
  const struct tk_text name = tk_raw_text(key);
  if (tk_text_equals(name, "traceId")) {
    reading->has_id = true;
    reading->ids.trace = tk_plain_view(plain);
  } else if (tk_text_equals(name, "id")) {
    reading->has_id = true;
    reading->ids.span = tk_plain_view(plain);
  } else if (tk_text_equals(name, "parentId")) {
    reading->ids.parent = tk_plain_view(plain);
  } else if (tk_text_equals(name, "name")) {
    reading->name = tk_plain_text(plain);
  } else if (tk_text_equals(name, "kind")) {
    reading->kind = read_kind(plain);
  } else if (tk_text_equals(name, "timestamp")) {
    reading->timestamp_ns = tk_plain_micros(plain);
  } else if (tk_text_equals(name, "duration")) {
    reading->has_duration = tk_json_peek(&plain->json) != TK_JSON_NULL;
    reading->duration_ns = tk_plain_micros(plain);
  } else if (tk_text_equals(name, "debug")) {
    reading->debug = tk_plain_bool(plain);
  } else if (tk_text_equals(name, "shared")) {
    reading->shared = tk_plain_bool(plain);
  } else if (tk_text_equals(name, "localEndpoint")) {
    read_endpoint(plain, &reading->local);
  } else if (tk_text_equals(name, "remoteEndpoint")) {
    read_endpoint(plain, &reading->remote);
  } else if (tk_text_equals(name, "tags")) {
    read_tags(plain, reading);
  } else if (tk_text_equals(name, "annotations") && old) {
    read_old_annotations(plain, old);
  } else if (tk_text_equals(name, "annotations")) {
    read_annotations(plain, reading);
  } else if (tk_text_equals(name, "binaryAnnotations") && old) {
    read_binary_annotations(plain, reading, old);
  } else {
    reading->is_old |= tk_text_equals(name, "binaryAnnotations");
    read_rest(plain, reading, key);
  }
}

/* `old`: by the rules of version 1; NULL: of version 2. */
static void read_span(struct tk_plain *plain, struct reading *reading, struct old_span *old) {
  *reading = (struct reading){.ids = {{"", 0}, {"", 0}, {"", 0}},
                              .name = {"", 0},
                              .status = -1,
                              .attributes_begin = plain->builder->attributes.count,
                              .events_begin = plain->builder->events.count,
                              .links_begin = plain->builder->links.count,
                              .residual_begin = plain->builder->residual.count};
  const char *begin = plain->json.at;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    read_member(plain, reading, old, tk_json_key(&plain->json));
  }
  reading->raw = (struct tk_text){begin, (uint32_t)(plain->json.at - begin)};
}

/* Version 1 shows in binaryAnnotations and in annotations with endpoints: what has been read as
 * version 2 until then is read again. */
static bool take_span(struct tk_plain *plain) {
  const struct tk_json begin = plain->json;
  struct reading reading;
  const uint32_t record_count = plain->builder->batch->record_count;
  read_span(plain, &reading, NULL);
  if (plain->json.expected) return true;
  if (!reading.has_id) return false;
  if (!reading.is_old) {
    add_span(plain, &reading);
    return true;
  }
  struct old_span old = {0};
  tk_batch_builder_roll_back(plain->builder, plain->mark);
  plain->builder->batch->record_count = record_count;
  plain->json = begin;
  read_span(plain, &reading, &old);
  if (!plain->json.expected) add_old_span(plain, &reading, &old);
  return true;
}

void tk_zipkin_json_parse(struct tk_batch_builder *builder, const struct tk_record *record) {
  tk_plain_parse(builder, record, take_span, "a Zipkin span (traceId, id)");
}

bool tk_zipkin_json_probe(const char *head, size_t size) {
  if (!tk_head_has_key(head, size, "traceId") || !tk_head_has_key(head, size, "id")) return false;
  if (tk_head_has_key(head, size, "spanId") || tk_head_has_key(head, size, "span_id")) return false;
  return tk_head_has_key(head, size, "localEndpoint") ||
         tk_head_has_key(head, size, "remoteEndpoint") ||
         tk_head_has_key(head, size, "binaryAnnotations") ||
         tk_head_has_key(head, size, "annotations") || tk_head_has_key(head, size, "timestamp") ||
         tk_head_has_key(head, size, "parentId");
}
