/* SPDX-License-Identifier: MIT
 * Segment documents of AWS X-Ray. A segment is a span, and so is each of its subsegments, which
 * stand inside it and share its trace id and its service.
 *
 * What a document says in objects (`http`, `aws`, `sql`, `service`, ...) becomes attributes, by the
 * names of the semantic conventions where they have one (see `known_names`), and otherwise under
 * the path it has in the document. What has no place in a span goes to its residual, as members of
 * "xray". */
#include "cli/input/xray_json.h"

#include <string.h>

#include "cli/input/describe.h"
#include "cli/input/plain_json.h"

enum { NAME_LIMIT = 256, DEPTH_LIMIT = 64, SECONDS = 9 };

/* What a segment hands down to its subsegments. */
struct context {
  struct tk_text trace, parent;
  const struct tk_resource *resource;
  uint32_t depth;
};

/* What is collected of a segment before it is known how it fits together. */
struct reading {
  struct tk_span span;
  struct tk_plain_ids ids;
  struct tk_text version; /* of the service */
  struct tk_json subsegments, cause;
  uint32_t attributes_begin, residual_begin;
  bool has_id, has_start, is_subsegment, is_remote, failed;
  bool has_subsegments, has_cause;
};

/* ---- attributes ---- */

/* Paths that the semantic conventions have a name for. */
static const char *const known_names[][2] = {
    {"http.request.method", "http.request.method"},
    {"http.request.url", "url.full"},
    {"http.request.user_agent", "user_agent.original"},
    {"http.request.client_ip", "client.address"},
    {"http.response.status", "http.response.status_code"},
    {"http.response.content_length", "http.response.body.size"},
    {"sql.sanitized_query", "db.query.text"},
    {"sql.database_type", "db.system.name"},
    {"sql.user", "db.user"},
    {"user", "enduser.id"},
};

static struct tk_text attribute_name(const char *path, uint32_t size) {
  for (size_t i = 0; i < sizeof known_names / sizeof known_names[0]; i++) {
    if (tk_text_equals((struct tk_text){path, size}, known_names[i][0])) {
      return (struct tk_text){known_names[i][1], (uint32_t)strlen(known_names[i][1])};
    }
  }
  return (struct tk_text){path, size};
}

static void push_value(struct tk_plain *plain, const char *path, uint32_t size) {
  const struct tk_text name = attribute_name(path, size);
  const struct tk_text key = tk_builder_intern(plain->builder, name.data, name.size);
  const struct tk_value value = tk_plain_value(plain);
  if (value.type != TK_VALUE_EMPTY) tk_push_attribute(plain->builder, key, value);
}

/* Members of objects within objects, named by the path to them; where that grows too long, the rest
 * is one value. `path` has room for NAME_LIMIT bytes. */
static void push_tree(struct tk_plain *plain, char *path, uint32_t size, uint32_t depth) {
  if (tk_json_peek(&plain->json) != TK_JSON_OBJECT || depth == 0) {
    push_value(plain, path, size);
    return;
  }
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_text key = tk_builder_string(plain->builder, tk_json_key(&plain->json));
    if (key.size >= NAME_LIMIT - 1 - size) {
      tk_push_attribute(plain->builder, key, tk_plain_value(plain));
      continue;
    }
    path[size] = '.';
    memcpy(path + size + 1, key.data, key.size);
    push_tree(plain, path, size + 1 + key.size, depth - 1);
  }
}

static void push_object(struct tk_plain *plain, const char *name) {
  char path[NAME_LIMIT];
  const uint32_t size = (uint32_t)strlen(name);
  memcpy(path, name, size);
  push_tree(plain, path, size, 4);
}

/* {"namespace":{...}}: whatever somebody wanted to keep, as one value for each namespace. */
static void push_metadata(struct tk_plain *plain) {
  char path[NAME_LIMIT] = "aws.xray.metadata";
  push_tree(plain, path, (uint32_t)strlen(path), 1);
}

static void push_flag(struct tk_plain *plain, const char *name, bool *failed) {
  const bool truth = tk_plain_bool(plain);
  *failed |= truth;
  if (!truth) return;
  tk_push_attribute(plain->builder, tk_builder_intern(plain->builder, name, (uint32_t)strlen(name)),
                    (struct tk_value){.type = TK_VALUE_BOOL, .as.integer = 1});
}

/* ---- exceptions ---- */

/* [{"path","line","label"}] as lines of text. */
static struct tk_text read_stack(struct tk_plain *plain) {
  struct tk_batch_builder *builder = plain->builder;
  const uint32_t begin = builder->residual.count;
  if (!tk_plain_expect(plain, TK_JSON_ARRAY)) return (struct tk_text){"", 0};
  for (bool more = tk_json_enter_array(&plain->json); more;
       more = tk_json_next_item(&plain->json)) {
    struct tk_text path = {"", 0}, line = {"", 0}, label = {"", 0};
    if (!tk_plain_expect(plain, TK_JSON_OBJECT)) continue;
    for (bool member = tk_json_enter_object(&plain->json); member;
         member = tk_json_next_member(&plain->json)) {
      const struct tk_text key = tk_raw_text(tk_json_key(&plain->json));
      const struct tk_text text = tk_plain_view(plain);
      if (tk_text_equals(key, "path")) path = text;
      if (tk_text_equals(key, "line")) line = text;
      if (tk_text_equals(key, "label")) label = text;
    }
    tk_builder_push_bytes(builder, "at ", 3);
    tk_builder_push_bytes(builder, label.data, label.size);
    tk_builder_push_bytes(builder, " (", 2);
    tk_builder_push_bytes(builder, path.data, path.size);
    tk_builder_push_bytes(builder, ":", 1);
    tk_builder_push_bytes(builder, line.data, line.size);
    tk_builder_push_bytes(builder, ")\n", 2);
  }
  const uint32_t size = builder->residual.count - begin;
  const char *text = tk_builder_take(builder, &builder->residual, begin, 1);
  return text ? (struct tk_text){text, size} : (struct tk_text){"", 0};
}

static struct tk_event read_exception(struct tk_plain *plain, void *time_ns) {
  struct tk_event event = {.name = {"exception", 9}};
  const uint32_t begin = plain->builder->attributes.count;
  memcpy(&event.time_unix_ns, time_ns, sizeof event.time_unix_ns);
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_json_string key = tk_json_key(&plain->json);
    const struct tk_text name = tk_raw_text(key);
    if (tk_text_equals(name, "message")) {
      tk_push_text(plain->builder, "exception.message", tk_plain_text(plain));
    } else if (tk_text_equals(name, "type")) {
      tk_push_text(plain->builder, "exception.type", tk_plain_text(plain));
    } else if (tk_text_equals(name, "stack")) {
      tk_push_text(plain->builder, "exception.stacktrace", read_stack(plain));
    } else {
      char path[NAME_LIMIT] = "aws.xray.exception.";
      const uint32_t size = (uint32_t)strlen(path);
      const uint32_t room = NAME_LIMIT - size;
      if (name.size > 0) memcpy(path + size, name.data, name.size < room ? name.size : room);
      push_value(plain, path, size + (name.size < room ? name.size : room));
    }
  }
  event.attributes = tk_take_attributes(plain->builder, begin);
  return event;
}

/* {"exceptions":[...]}, or the id of an exception that another segment has. Exceptions have no time
 * of their own: they ended the segment. */
static void read_cause(struct tk_plain *plain, struct reading *reading) {
  struct tk_plain inner = {.builder = plain->builder, .json = reading->cause};
  uint64_t time_ns = reading->span.end_unix_ns;
  if (tk_json_peek(&inner.json) != TK_JSON_OBJECT) {
    push_object(&inner, "aws.xray.cause");
    return;
  }
  for (bool more = tk_json_enter_object(&inner.json); more;
       more = tk_json_next_member(&inner.json)) {
    const struct tk_text key = tk_raw_text(tk_json_key(&inner.json));
    if (tk_text_equals(key, "exceptions")) {
      tk_plain_events(&inner, &reading->span, read_exception, &time_ns);
    } else if (tk_text_equals(key, "working_directory")) {
      push_object(&inner, "aws.xray.cause.working_directory");
    } else if (tk_text_equals(key, "paths")) {
      push_object(&inner, "aws.xray.cause.paths");
    } else {
      push_object(&inner, "aws.xray.cause.other");
    }
  }
}

/* ---- links ---- */

static void read_link(struct tk_plain *plain, struct tk_link *link, struct tk_plain_ids *ids) {
  const uint32_t begin = plain->builder->attributes.count;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_json_string key = tk_json_key(&plain->json);
    const struct tk_text name = tk_raw_text(key);
    if (tk_text_equals(name, "trace_id")) {
      ids->trace = tk_plain_view(plain);
    } else if (tk_text_equals(name, "id") || tk_text_equals(name, "span_id")) {
      ids->span = tk_plain_view(plain);
    } else if (tk_text_equals(name, "attributes")) {
      tk_plain_push_members(plain);
    } else {
      tk_push_attribute(plain->builder, tk_builder_string(plain->builder, key),
                        tk_plain_value(plain));
    }
  }
  link->attributes = tk_take_attributes(plain->builder, begin);
}

/* ---- segments ---- */

/* Seconds with a fraction, by their digits: never through a double. */
static uint64_t read_seconds(struct tk_plain *plain) {
  static const char expected[] = "a number of seconds since 1970";
  const struct tk_text text = tk_plain_numeral(plain, expected);
  uint64_t ns = 0;
  if (text.size == 0) return 0;
  switch (tk_scale_decimal(text, SECONDS, &ns)) {
    case TK_NUMBER_OK:
      return ns;
    case TK_NUMBER_FRACTION:
      tk_builder_issue(plain->builder, TK_RULE_JSON_FLOAT_TIME, text,
                       "a time with a fraction of a nanosecond; dropped the fraction");
      return ns;
    case TK_NUMBER_RANGE:
    case TK_NUMBER_SYNTAX:
      break;
  }
  tk_plain_report_type(plain, expected, text);
  return 0;
}

/* {"version", ...}: the version is the resource's. */
static void read_service(struct tk_plain *plain, struct reading *reading) {
  if (tk_json_peek(&plain->json) != TK_JSON_OBJECT) {
    push_object(plain, "aws.xray.service");
    return;
  }
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_json_string key = tk_json_key(&plain->json);
    if (tk_text_equals(tk_raw_text(key), "version")) {
      reading->version = tk_plain_text(plain);
      continue;
    }
    char path[NAME_LIMIT] = "aws.xray.service";
    const uint32_t size = (uint32_t)strlen(path);
    const struct tk_text name = tk_raw_text(key);
    const uint32_t added = name.size < NAME_LIMIT - size - 1 ? name.size : NAME_LIMIT - size - 1;
    path[size] = '.';
    if (added > 0) memcpy(path + size + 1, name.data, added);
    push_tree(plain, path, size + 1 + added, 4);
  }
}

/* Takes a value for later, when everything else is known. */
static bool wait_for(struct tk_plain *plain, enum tk_json_type type, struct tk_json *place) {
  if (tk_json_peek(&plain->json) != type && type != TK_JSON_NOTHING) {
    return tk_plain_expect(plain, type);
  }
  *place = plain->json;
  const bool is_null = tk_json_peek(&plain->json) == TK_JSON_NULL;
  tk_json_skip(&plain->json);
  return !plain->json.expected && !is_null;
}

/* Members that say what the span is; false: none of these. */
static bool read_core_member(struct tk_plain *plain, struct reading *reading, struct tk_text name) {
  struct tk_span *span = &reading->span;
  if (tk_text_equals(name, "trace_id")) {
    reading->ids.trace = tk_plain_view(plain);
  } else if (tk_text_equals(name, "id")) {
    reading->ids.span = tk_plain_view(plain);
    reading->has_id = true;
  } else if (tk_text_equals(name, "parent_id")) {
    reading->ids.parent = tk_plain_view(plain);
  } else if (tk_text_equals(name, "name")) {
    span->name = tk_plain_text(plain);
  } else if (tk_text_equals(name, "start_time")) {
    reading->has_start = true;
    span->start_unix_ns = read_seconds(plain);
  } else if (tk_text_equals(name, "end_time")) {
    span->end_unix_ns = read_seconds(plain);
  } else if (tk_text_equals(name, "type")) {
    reading->is_subsegment |= tk_text_equals(tk_plain_view(plain), "subsegment");
  } else if (tk_text_equals(name, "subsegments")) {
    reading->has_subsegments = wait_for(plain, TK_JSON_ARRAY, &reading->subsegments);
  } else if (tk_text_equals(name, "links")) {
    tk_plain_links(plain, span, read_link);
  } else if (tk_text_equals(name, "cause")) {
    reading->has_cause = wait_for(plain, TK_JSON_NOTHING, &reading->cause);
  } else {
    return false;
  }
  return true;
}

static void read_member(struct tk_plain *plain, struct reading *reading,
                        struct tk_json_string key) {
  static const char *const objects[][2] = {{"http", "http"},
                                           {"aws", "aws"},
                                           {"sql", "sql"},
                                           {"user", "user"},
                                           {"origin", "aws.xray.origin"},
                                           {"resource_arn", "aws.xray.resource_arn"}};
  const struct tk_text name = tk_raw_text(key);
  bool in_progress = false;
  if (read_core_member(plain, reading, name)) return;
  for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++) {
    if (tk_text_equals(name, objects[i][0])) {
      push_object(plain, objects[i][1]);
      return;
    }
  }
  if (tk_text_equals(name, "fault")) {
    push_flag(plain, "aws.xray.fault", &reading->failed);
  } else if (tk_text_equals(name, "error")) {
    push_flag(plain, "aws.xray.error", &reading->failed);
  } else if (tk_text_equals(name, "throttle")) {
    push_flag(plain, "aws.xray.throttle", &reading->failed);
  } else if (tk_text_equals(name, "in_progress")) {
    push_flag(plain, "aws.xray.in_progress", &in_progress);
  } else if (tk_text_equals(name, "namespace")) {
    reading->is_remote = tk_json_peek(&plain->json) == TK_JSON_STRING;
    push_object(plain, "aws.xray.namespace");
  } else if (tk_text_equals(name, "annotations")) {
    tk_plain_push_members(plain);
  } else if (tk_text_equals(name, "metadata")) {
    push_metadata(plain);
  } else if (tk_text_equals(name, "service")) {
    read_service(plain, reading);
  } else {
    tk_json_skip_space(&plain->json);
    const struct tk_text raw = tk_json_skip(&plain->json);
    if (plain->json.expected || tk_text_equals(raw, "null")) return;
    tk_push_residual_member(plain->builder, reading->residual_begin, key, raw);
  }
}

/* A segment's name is that of its service. */
static const struct tk_resource *make_resource(struct tk_plain *plain,
                                               const struct reading *reading) {
  const uint32_t begin = plain->builder->attributes.count;
  struct tk_resource resource = {0};
  if (reading->span.name.size > 0) {
    tk_push_text(plain->builder, "service.name", reading->span.name);
  }
  if (reading->version.size > 0) tk_push_text(plain->builder, "service.version", reading->version);
  resource.attributes = tk_take_attributes(plain->builder, begin);
  if (resource.attributes.count == 0) return &tk_no_resource;
  return tk_share_resource(plain->builder, &resource);
}

static void finish_span(struct tk_plain *plain, struct reading *reading, struct tk_text raw,
                        const struct context *context) {
  struct tk_span *span = &reading->span;
  struct tk_span_ids readings;
  if (reading->has_cause) read_cause(plain, reading);
  span->attributes = tk_take_attributes(plain->builder, reading->attributes_begin);
  span->kind = !reading->is_subsegment ? TK_KIND_SERVER
               : reading->is_remote    ? TK_KIND_CLIENT
                                       : TK_KIND_INTERNAL;
  if (reading->failed) {
    span->status_code = TK_STATUS_ERROR;
    span->presence |= TK_SPAN_HAS_STATUS;
  }
  span->resource = context->resource        ? context->resource
                   : reading->is_subsegment ? &tk_no_resource
                                            : make_resource(plain, reading);
  span->scope = &tk_no_scope;
  tk_plain_read_ids(&reading->ids, span, &readings);
  span->residual = tk_take_residual(plain->builder, reading->residual_begin, "xray");
  tk_plain_add_span(plain, span, &readings, raw);
}

static bool read_segment(struct tk_plain *plain, const struct context *context);

static void read_subsegments(struct tk_plain *plain, const struct reading *reading,
                             const struct context *context) {
  const struct context inner = {.trace = reading->ids.trace,
                                .parent = reading->ids.span,
                                .resource = reading->span.resource,
                                .depth = context->depth + 1};
  struct tk_plain items = {.builder = plain->builder, .json = reading->subsegments};
  for (bool more = tk_json_enter_array(&items.json); more; more = tk_json_next_item(&items.json)) {
    const char *begin = items.json.at;
    if (!tk_plain_expect(&items, TK_JSON_OBJECT)) continue;
    if (inner.depth < DEPTH_LIMIT && read_segment(&items, &inner)) continue;
    if (inner.depth == DEPTH_LIMIT) tk_json_skip(&items.json);
    if (items.json.expected) break;
    plain->builder->batch->rejected_count++;
    tk_builder_issue(plain->builder, TK_RULE_RECORD_UNKNOWN,
                     (struct tk_text){begin, (uint32_t)(items.json.at - begin)},
                     inner.depth == DEPTH_LIMIT ? "subsegments nest too deeply; skipped this one"
                                                : "expected a subsegment, found another object");
  }
  if (items.json.expected) plain->json = items.json;
}

/* False: the object is no segment. */
static bool read_segment(struct tk_plain *plain, const struct context *context) {
  struct reading reading = {.span = {.name.data = ""},
                            .ids = {context->trace, {"", 0}, context->parent},
                            .is_subsegment = context->depth > 0,
                            .attributes_begin = plain->builder->attributes.count,
                            .residual_begin = plain->builder->residual.count};
  const char *begin = plain->json.at;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    read_member(plain, &reading, tk_json_key(&plain->json));
  }
  if (plain->json.expected) return true;
  if (!reading.has_id && !reading.has_start) {
    plain->builder->attributes.count = reading.attributes_begin;
    plain->builder->residual.count = reading.residual_begin;
    return false;
  }
  const struct tk_text raw = {begin, (uint32_t)(plain->json.at - begin)};
  finish_span(plain, &reading, raw, context);
  if (reading.has_subsegments) read_subsegments(plain, &reading, context);
  return true;
}

/* ---- documents ---- */

static const struct context outermost = {.trace = {"", 0}, .parent = {"", 0}};

/* The text of a segment document, which is JSON in a string of JSON. */
static void read_document_text(struct tk_plain *plain) {
  struct tk_plain inner;
  struct tk_builder_mark mark;
  struct tk_batch_builder *builder = plain->builder;
  const struct tk_text text = tk_plain_view(plain);
  if (plain->json.expected || !tk_plain_begin_text(&inner, builder, text)) return;
  tk_batch_builder_mark(builder, &mark);
  const bool known =
      tk_json_peek(&inner.json) == TK_JSON_OBJECT && read_segment(&inner, &outermost);
  if (known && !inner.json.expected && tk_json_at_end(&inner.json)) return;
  tk_batch_builder_roll_back(builder, &mark);
  builder->batch->rejected_count++;
  if (inner.json.expected) {
    tk_builder_issue(builder, TK_RULE_JSON_SYNTAX, text,
                     "expected %s at byte %u of a segment document; skipped it",
                     inner.json.expected, (unsigned)(inner.json.error_at - inner.json.begin));
  } else {
    tk_builder_issue(builder, TK_RULE_RECORD_UNKNOWN, text,
                     "expected a segment document, found other text; skipped it");
  }
}

static void read_answer_segments(struct tk_plain *plain) {
  if (!tk_plain_expect(plain, TK_JSON_ARRAY)) return;
  for (bool more = tk_json_enter_array(&plain->json); more;
       more = tk_json_next_item(&plain->json)) {
    if (!tk_plain_expect(plain, TK_JSON_OBJECT)) continue;
    for (bool member = tk_json_enter_object(&plain->json); member;
         member = tk_json_next_member(&plain->json)) {
      const struct tk_text key = tk_raw_text(tk_json_key(&plain->json));
      if (tk_text_equals(key, "Document") && tk_json_peek(&plain->json) == TK_JSON_STRING) {
        read_document_text(plain);
      } else {
        tk_json_skip(&plain->json); /* the id, which the document has, too */
      }
    }
  }
}

static bool take_object(struct tk_plain *plain);

static void read_traces(struct tk_plain *plain) {
  if (!tk_plain_expect(plain, TK_JSON_ARRAY)) return;
  for (bool more = tk_json_enter_array(&plain->json); more;
       more = tk_json_next_item(&plain->json)) {
    if (tk_plain_expect(plain, TK_JSON_OBJECT)) take_object(plain);
  }
}

/* What an object is, by the first key that says so. */
enum shape { SHAPE_UNKNOWN, SHAPE_SEGMENT, SHAPE_TRACE, SHAPE_ANSWER, SHAPE_HEADER };

static enum shape find_shape(struct tk_json json) {
  static const struct {
    const char *key;
    enum shape shape;
  } keys[] = {{"trace_id", SHAPE_SEGMENT}, {"start_time", SHAPE_SEGMENT}, {"id", SHAPE_SEGMENT},
              {"Segments", SHAPE_TRACE},   {"Traces", SHAPE_ANSWER},      {"format", SHAPE_HEADER}};
  for (bool more = tk_json_enter_object(&json); more; more = tk_json_next_member(&json)) {
    const struct tk_text key = tk_raw_text(tk_json_key(&json));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
      if (tk_text_equals(key, keys[i].key)) return keys[i].shape;
    }
    tk_json_skip(&json);
  }
  return SHAPE_UNKNOWN;
}

static void read_member_of(struct tk_plain *plain, const char *wanted,
                           void (*read)(struct tk_plain *)) {
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    if (tk_text_equals(tk_raw_text(tk_json_key(&plain->json)), wanted)) {
      read(plain);
    } else {
      tk_json_skip(&plain->json);
    }
  }
}

static bool take_object(struct tk_plain *plain) {
  switch (find_shape(plain->json)) {
    case SHAPE_SEGMENT:
      return read_segment(plain, &outermost);
    case SHAPE_TRACE:
      read_member_of(plain, "Segments", read_answer_segments);
      return true;
    case SHAPE_ANSWER:
      read_member_of(plain, "Traces", read_traces);
      return true;
    case SHAPE_HEADER: /* {"format":"json","version":1}, before what the daemon is sent */
      tk_json_skip(&plain->json);
      return true;
    case SHAPE_UNKNOWN:
      break;
  }
  tk_json_skip(&plain->json);
  return false;
}

void tk_xray_json_parse(struct tk_batch_builder *builder, const struct tk_record *record) {
  tk_plain_parse(builder, record, take_object, "an X-Ray segment (trace_id, id, start_time)");
}

/* A trace id such as "1-5759e988-bd862e3fe1be46a994272793". */
static bool has_trace_id(const char *head, size_t size) {
  const char *end = head + size;
  for (const char *at = head; (at = memmem(at, (size_t)(end - at), "\"1-", 3)); at++) {
    if (end - at > 36 && at[11] == '-' && at[36] == '"') return true;
  }
  return false;
}

bool tk_xray_json_probe(const char *head, size_t size) {
  if (tk_head_has_key(head, size, "Segments") && tk_head_has_key(head, size, "Document")) {
    return true;
  }
  return tk_head_has_key(head, size, "trace_id") && tk_head_has_key(head, size, "id") &&
         tk_head_has_key(head, size, "start_time") && has_trace_id(head, size);
}
