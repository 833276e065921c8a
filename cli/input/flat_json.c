/* SPDX-License-Identifier: MIT
 * Spans as flat objects. The names of the fields are those of many tools, folded: letter case and
 * punctuation do not count, so trace_id, traceId, TraceID and "trace.id" are one name. What has no
 * known name is an attribute of the span.
 *
 * The writer of this format (cli/output/span_ndjson.c) uses the same names, and gives every field
 * of a span a place, so that reading what it wrote gives the same spans. */
#include "cli/input/flat_json.h"

#include <string.h>

#include "cli/input/console_json.h"
#include "cli/input/flat_names.h"
#include "cli/input/flat_time.h"
#include "cli/input/plain_json.h"

/* ---- values of fields ---- */

static bool parse_time(struct tk_plain *plain, int unit, uint64_t *unix_ns, int *unit_used) {
  const struct tk_text text = tk_plain_view(plain);
  if (text.size == 0) return false;
  if (tk_flat_time(text, unit, unix_ns, unit_used)) return true;
  if (!plain->json.expected) tk_plain_report_type(plain, "a time", text);
  return false;
}

/* Unknown members of `residual` objects: the text between the braces; of strings: protobuf. */
static struct tk_residual read_residual(struct tk_plain *plain) {
  struct tk_residual residual = {0};
  struct tk_batch_builder *builder = plain->builder;
  const uint32_t begin = builder->residual.count;
  if (tk_json_peek(&plain->json) == TK_JSON_STRING) {
    const struct tk_text text = tk_plain_view(plain);
    uint8_t *bytes = tk_arena_alloc(&builder->batch->arena, (size_t)text.size / 4 * 3 + 2);
    if (!bytes) {
      builder->out_of_memory = true;
      return residual;
    }
    const int64_t size = tk_base64_decode(text.data, text.size, bytes);
    if (size <= 0) return residual;
    return (struct tk_residual){(const char *)bytes, (uint32_t)size, TK_RESIDUAL_PROTOBUF};
  }
  if (!tk_plain_expect(plain, TK_JSON_OBJECT)) return residual;
  tk_json_skip_space(&plain->json);
  const struct tk_text raw = tk_json_skip(&plain->json);
  if (plain->json.expected || raw.size < 2) return residual;
  if (memchr(raw.data, '\n', raw.size)) {
    tk_push_residual_json(builder, (struct tk_text){raw.data + 1, raw.size - 2});
  } else {
    tk_builder_push_bytes(builder, raw.data + 1, raw.size - 2);
  }
  const uint32_t size = builder->residual.count - begin;
  const char *data = builder->residual.data + begin;
  builder->residual.count = begin;
  if (size == 0) return residual;
  return (struct tk_residual){tk_builder_copy(builder, data, size).data, size, TK_RESIDUAL_JSON};
}

static int32_t find_enum(struct tk_text text, const char *prefix, const char *const *list,
                         int32_t count) {
  const uint32_t size = (uint32_t)strlen(prefix);
  if (text.size > size && memcmp(text.data, prefix, size) == 0) {
    text.data += size;
    text.size -= size;
  }
  for (int32_t i = 0; i < count; i++) {
    if (tk_text_equals_nocase(text, list[i])) return i;
  }
  return -1;
}

/* Takes a number or a name. False: neither; *text is what it was. */
static bool read_enum(struct tk_plain *plain, const char *prefix, const char *const *list,
                      int32_t count, struct tk_text *text, int32_t *value) {
  int64_t number;
  *text = tk_plain_view(plain);
  if (tk_parse_int64(text->data, text->size, &number) == TK_NUMBER_OK && number >= INT32_MIN &&
      number <= INT32_MAX) {
    *value = (int32_t)number;
    return true;
  }
  const int32_t named = find_enum(*text, prefix, list, count);
  if (named >= 0) *value = named;
  return named >= 0;
}

static const char *const status_names[] = {"UNSET", "OK", "ERROR"};
static const char *const kind_names[] = {"UNSPECIFIED", "INTERNAL", "SERVER",
                                         "CLIENT",      "PRODUCER", "CONSUMER"};

static void report_enum(struct tk_plain *plain, const char *what, struct tk_text text) {
  if (text.size == 0 || plain->json.expected) return;
  tk_builder_issue(plain->builder, TK_RULE_JSON_ENUM_UNKNOWN, text,
                   "expected %s, found `%.*s`; kept as an attribute", what,
                   (int)(text.size < 40 ? text.size : 40), text.data);
}

static void push_copy(struct tk_plain *plain, const char *key, struct tk_text text) {
  if (text.size == 0) return;
  tk_push_text(plain->builder, key, tk_builder_copy(plain->builder, text.data, text.size));
}

static void read_kind(struct tk_plain *plain, struct tk_span *span) {
  struct tk_text text;
  if (read_enum(plain, "SPAN_KIND_", kind_names, 6, &text, &span->kind)) return;
  /* Python's spelling. */
  const int32_t named = find_enum(text, "SpanKind.", kind_names, 6);
  if (named >= 0) {
    span->kind = named;
    return;
  }
  report_enum(plain, "a span kind", text);
  push_copy(plain, "kind", text);
}

/* {"code","message"}, or either of them alone; a number that is no code is some other status. */
static void read_status(struct tk_plain *plain, struct tk_span *span, bool nested) {
  struct tk_text text;
  int32_t code = 0;
  if (tk_json_peek(&plain->json) == TK_JSON_NULL) {
    tk_json_skip(&plain->json);
    return;
  }
  if (!nested && tk_json_peek(&plain->json) == TK_JSON_OBJECT) {
    span->presence |= TK_SPAN_HAS_STATUS;
    for (bool more = tk_json_enter_object(&plain->json); more;
         more = tk_json_next_member(&plain->json)) {
      const struct tk_text key = tk_raw_text(tk_json_key(&plain->json));
      if (tk_text_equals(key, "message") || tk_text_equals_nocase(key, "description")) {
        span->status_message = tk_plain_text(plain);
      } else if (tk_text_equals_nocase(key, "code") || tk_text_equals(key, "status_code")) {
        read_status(plain, span, true);
      } else {
        tk_json_skip(&plain->json);
      }
    }
    return;
  }
  if (read_enum(plain, "STATUS_CODE_", status_names, 3, &text, &code) &&
      (nested || (code >= 0 && code <= 2))) {
    span->status_code = code;
    span->presence |= TK_SPAN_HAS_STATUS;
  } else {
    report_enum(plain, "a status (unset, ok, error)", text);
    push_copy(plain, "status", text);
  }
}

/* An object; or Go's list of pairs. */
static void push_attributes(struct tk_plain *plain) {
  if (tk_json_peek(&plain->json) == TK_JSON_ARRAY) {
    tk_console_push_pairs(plain);
  } else {
    tk_plain_push_members(plain);
  }
}

/* ---- events, links ---- */

static struct tk_event read_event(struct tk_plain *plain, void *context) {
  (void)context;
  struct tk_event event = {.name.data = ""};
  const uint32_t begin = plain->builder->attributes.count;
  uint32_t dropped = 0;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_json_string key = tk_json_key(&plain->json);
    int unit;
    const enum tk_flat_field field = tk_flat_find_field(tk_raw_text(key), &unit);
    if (field == TK_FLAT_START) {
      parse_time(plain, unit, &event.time_unix_ns, NULL);
    } else if (field == TK_FLAT_NAME) {
      event.name = tk_plain_text(plain);
    } else if (field == TK_FLAT_ATTRIBUTES) {
      push_attributes(plain);
    } else if (field == TK_FLAT_DROPPED_ATTRIBUTES) {
      dropped = tk_plain_uint32(plain);
    } else if (field == TK_FLAT_RESIDUAL) {
      event.residual = read_residual(plain);
    } else {
      const struct tk_text name = tk_builder_string(plain->builder, key);
      tk_push_attribute(plain->builder, name, tk_plain_value(plain));
    }
  }
  event.attributes = tk_take_attributes(plain->builder, begin);
  event.attributes.dropped_count = dropped;
  return event;
}

static void read_link(struct tk_plain *plain, struct tk_link *link, struct tk_plain_ids *ids) {
  const uint32_t begin = plain->builder->attributes.count;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_json_string key = tk_json_key(&plain->json);
    int unit;
    const enum tk_flat_field field = tk_flat_find_field(tk_raw_text(key), &unit);
    if (field == TK_FLAT_TRACE_ID) {
      ids->trace = tk_plain_view(plain);
    } else if (field == TK_FLAT_SPAN_ID) {
      ids->span = tk_plain_view(plain);
    } else if (field == TK_FLAT_TRACE_STATE) {
      link->trace_state = tk_plain_text(plain);
    } else if (field == TK_FLAT_FLAGS) {
      link->flags = tk_plain_uint32(plain);
    } else if (field == TK_FLAT_ATTRIBUTES) {
      push_attributes(plain);
    } else if (field == TK_FLAT_DROPPED_ATTRIBUTES) {
      link->attributes.dropped_count = tk_plain_uint32(plain);
    } else if (field == TK_FLAT_RESIDUAL) {
      link->residual = read_residual(plain);
    } else if (field == TK_FLAT_CONTEXT && tk_json_peek(&plain->json) == TK_JSON_OBJECT) {
      struct tk_span_context context;
      tk_console_context(plain, &context);
      *ids = (struct tk_plain_ids){context.trace, context.span, {"", 0}};
      link->trace_state = context.trace_state;
      link->flags = context.trace_flags;
    } else {
      const struct tk_text name = tk_builder_string(plain->builder, key);
      tk_push_attribute(plain->builder, name, tk_plain_value(plain));
    }
  }
  const uint32_t dropped = link->attributes.dropped_count;
  link->attributes = tk_take_attributes(plain->builder, begin);
  link->attributes.dropped_count = dropped;
}

/* ---- resource, scope ---- */

struct reading {
  struct tk_span span;
  struct tk_plain_ids ids;
  struct tk_resource resource;
  struct tk_scope scope;
  struct tk_text service, duration;
  int duration_unit, start_unit;
  uint32_t made_up; /* presence bits */
  bool has_ids, has_service, has_resource, has_scope, error;
  bool has_start, has_end, prefixed;
};

/* {"attributes":{...},"schema_url":...}, or the attributes themselves. */
static void read_resource(struct tk_plain *plain, struct reading *reading) {
  struct tk_json look = plain->json;
  bool structured = false;
  const bool is_list = tk_json_peek(&plain->json) == TK_JSON_ARRAY;
  if (!is_list && !tk_plain_expect(plain, TK_JSON_OBJECT)) return;
  reading->has_resource = true;
  for (bool more = !is_list && tk_json_enter_object(&look); more;
       more = tk_json_next_member(&look)) {
    const struct tk_text key = tk_raw_text(tk_json_key(&look));
    structured |= tk_text_equals(key, "attributes") && tk_json_peek(&look) == TK_JSON_OBJECT;
    tk_json_skip(&look);
  }
  const uint32_t begin = plain->builder->attributes.count;
  if (!structured) {
    push_attributes(plain);
  } else {
    for (bool more = tk_json_enter_object(&plain->json); more;
         more = tk_json_next_member(&plain->json)) {
      const struct tk_json_string key = tk_json_key(&plain->json);
      if (tk_text_equals(tk_raw_text(key), "attributes")) {
        tk_plain_push_members(plain);
      } else if (tk_text_equals(tk_raw_text(key), "schema_url")) {
        reading->resource.schema_url = tk_plain_text(plain);
      } else {
        const struct tk_text name = tk_builder_string(plain->builder, key);
        tk_push_attribute(plain->builder, name, tk_plain_value(plain));
      }
    }
  }
  const uint32_t dropped = reading->resource.attributes.dropped_count;
  reading->resource.attributes = tk_take_attributes(plain->builder, begin);
  reading->resource.attributes.dropped_count = dropped;
}

/* A name, or an object with one. */
static void read_scope(struct tk_plain *plain, struct reading *reading) {
  struct tk_scope *scope = &reading->scope;
  if (tk_json_peek(&plain->json) != TK_JSON_OBJECT) {
    scope->name = tk_plain_text(plain);
    reading->has_scope |= scope->name.size > 0;
    return;
  }
  const uint32_t begin = plain->builder->attributes.count;
  uint32_t dropped = 0;
  reading->has_scope = true;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_json_string key = tk_json_key(&plain->json);
    int unit;
    const enum tk_flat_field field = tk_flat_find_field(tk_raw_text(key), &unit);
    if (field == TK_FLAT_NAME) {
      scope->name = tk_plain_text(plain);
    } else if (field == TK_FLAT_SCOPE_VERSION) {
      scope->version = tk_plain_text(plain);
    } else if (field == TK_FLAT_SCHEMA_URL) {
      scope->schema_url = tk_plain_text(plain);
    } else if (field == TK_FLAT_ATTRIBUTES) {
      push_attributes(plain);
    } else if (field == TK_FLAT_DROPPED_ATTRIBUTES) {
      dropped = tk_plain_uint32(plain);
    } else if (field == TK_FLAT_RESIDUAL) {
      scope->residual = read_residual(plain);
    } else if (field == TK_FLAT_OUTER_RESIDUAL) {
      scope->outer_residual = read_residual(plain);
    } else if (tk_text_equals(tk_raw_text(key), "absent")) {
      reading->has_scope = !tk_plain_bool(plain);
    } else {
      const struct tk_text name = tk_builder_string(plain->builder, key);
      tk_push_attribute(plain->builder, name, tk_plain_value(plain));
    }
  }
  scope->attributes = tk_take_attributes(plain->builder, begin);
  scope->attributes.dropped_count = dropped;
}

static const char resource_prefix[] = "resource.";
enum { PREFIX_SIZE = sizeof resource_prefix - 1 };

static bool is_resource_member(struct tk_text key) {
  return key.size > PREFIX_SIZE && memcmp(key.data, resource_prefix, PREFIX_SIZE) == 0;
}

/* service.name first if it is not in the list already, then the list, then "resource.x" members of
 * the span, which `begin` is the beginning of. */
static void complete_resource(struct tk_plain *plain, struct reading *reading,
                              struct tk_json begin) {
  struct tk_attributes *attributes = &reading->resource.attributes;
  const struct tk_attributes listed = *attributes;
  const bool named = tk_find_attribute(listed.items, listed.count, "service.name") != NULL;
  const bool adds_service = reading->has_service && !named;
  reading->resource.absent = !reading->has_resource && !adds_service && !reading->prefixed;
  if (!adds_service && !reading->prefixed) return;
  const uint32_t stack = plain->builder->attributes.count;
  if (adds_service) tk_push_text(plain->builder, "service.name", reading->service);
  for (uint32_t i = 0; i < listed.count; i++) {
    tk_push_attribute(plain->builder, listed.items[i].key, listed.items[i].value);
  }
  struct tk_plain inner = {.builder = plain->builder, .json = begin};
  for (bool more = reading->prefixed && tk_json_enter_object(&inner.json); more;
       more = tk_json_next_member(&inner.json)) {
    int unit;
    const struct tk_json_string key = tk_json_key(&inner.json);
    if (!is_resource_member(tk_raw_text(key)) ||
        tk_flat_find_field(tk_raw_text(key), &unit) != TK_FLAT_UNKNOWN) {
      tk_json_skip(&inner.json);
      continue;
    }
    const struct tk_text name = tk_builder_string(plain->builder, key);
    tk_push_attribute(plain->builder,
                      (struct tk_text){name.data + PREFIX_SIZE, name.size - PREFIX_SIZE},
                      tk_plain_value(&inner));
  }
  *attributes = tk_take_attributes(plain->builder, stack);
  attributes->dropped_count = listed.dropped_count;
}

/* ---- spans ---- */

static void read_made_up(struct tk_plain *plain, struct reading *reading) {
  if (!tk_plain_expect(plain, TK_JSON_ARRAY)) return;
  for (bool more = tk_json_enter_array(&plain->json); more;
       more = tk_json_next_item(&plain->json)) {
    const struct tk_text name = tk_plain_view(plain);
    if (tk_text_equals(name, "trace_id")) reading->made_up |= TK_SPAN_SYNTHETIC_TRACE_ID;
    if (tk_text_equals(name, "span_id")) reading->made_up |= TK_SPAN_SYNTHETIC_SPAN_ID;
  }
}

/* An id, or Go's context of the parent, which also says whether that was remote. */
static void read_parent(struct tk_plain *plain, struct reading *reading) {
  struct tk_span_context context;
  if (tk_json_peek(&plain->json) != TK_JSON_OBJECT) {
    reading->ids.parent = tk_plain_view(plain);
    return;
  }
  tk_console_context(plain, &context);
  reading->ids.parent = context.span;
  if (context.span.size > 0) reading->span.flags |= context.remote ? 0x300 : 0x100;
}

static void read_context(struct tk_plain *plain, struct reading *reading,
                         struct tk_json_string key) {
  struct tk_span_context context;
  if (tk_json_peek(&plain->json) != TK_JSON_OBJECT) {
    const struct tk_text name = tk_builder_string(plain->builder, key);
    tk_push_attribute(plain->builder, name, tk_plain_value(plain));
    return;
  }
  tk_console_context(plain, &context);
  reading->has_ids = true;
  reading->ids.trace = context.trace;
  reading->ids.span = context.span;
  reading->span.trace_state = context.trace_state;
  reading->span.flags |= context.trace_flags;
}

/* `true` is a status as well; whatever it is, it stays an attribute. */
static void read_error(struct tk_plain *plain, struct reading *reading, struct tk_json_string key) {
  const struct tk_text name = tk_builder_string(plain->builder, key);
  const struct tk_value value = tk_plain_value(plain);
  reading->error |= value.type == TK_VALUE_BOOL && value.as.integer;
  if (value.type != TK_VALUE_EMPTY) tk_push_attribute(plain->builder, name, value);
}

static void read_attributes(struct tk_plain *plain, struct tk_json_string key) {
  if (tk_json_peek(&plain->json) == TK_JSON_OBJECT || tk_json_peek(&plain->json) == TK_JSON_NULL) {
    tk_plain_push_members(plain);
    return;
  }
  if (tk_json_peek(&plain->json) == TK_JSON_ARRAY &&
      tk_text_equals(tk_raw_text(key), "Attributes")) {
    tk_console_push_pairs(plain);
    return;
  }
  /* A list of tags, say: somebody's attribute. */
  const struct tk_text name = tk_builder_string(plain->builder, key);
  tk_push_attribute(plain->builder, name, tk_plain_value(plain));
}

static void read_unknown(struct tk_plain *plain, struct reading *reading,
                         struct tk_json_string key) {
  if (is_resource_member(tk_raw_text(key))) {
    reading->prefixed = true;
    tk_json_skip(&plain->json);
    return;
  }
  const bool is_null = tk_json_peek(&plain->json) == TK_JSON_NULL;
  const struct tk_text name = tk_builder_string(plain->builder, key);
  const struct tk_value value = tk_plain_value(plain);
  if (!is_null) tk_push_attribute(plain->builder, name, value);
}

static void read_duration(struct tk_plain *plain, struct reading *reading, int unit) {
  reading->duration = tk_plain_view(plain);
  reading->duration_unit = unit;
}

/* Fields of the resource and the scope; false: none of these. */
static bool read_outer_member(struct tk_plain *plain, struct reading *reading,
                              enum tk_flat_field field) {
  switch ((int)field) {
    case TK_FLAT_SERVICE:
      reading->has_service = tk_json_peek(&plain->json) == TK_JSON_STRING;
      reading->service = tk_plain_text(plain);
      return true;
    case TK_FLAT_RESOURCE:
      read_resource(plain, reading);
      return true;
    case TK_FLAT_RESOURCE_SCHEMA:
      reading->resource.schema_url = tk_plain_text(plain);
      return true;
    case TK_FLAT_RESOURCE_DROPPED:
      reading->resource.attributes.dropped_count = tk_plain_uint32(plain);
      return true;
    case TK_FLAT_RESOURCE_RESIDUAL:
      reading->resource.residual = read_residual(plain);
      return true;
    case TK_FLAT_RESOURCE_OUTER:
      reading->resource.outer_residual = read_residual(plain);
      return true;
    case TK_FLAT_SCOPE:
      read_scope(plain, reading);
      return true;
    case TK_FLAT_SCOPE_VERSION:
      reading->scope.version = tk_plain_text(plain);
      reading->has_scope |= reading->scope.version.size > 0;
      return true;
    default:
      return false;
  }
}

static void read_member(struct tk_plain *plain, struct reading *reading,
                        struct tk_json_string key) {
  struct tk_span *span = &reading->span;
  int unit;
  const enum tk_flat_field field = tk_flat_find_field(tk_raw_text(key), &unit);
  if (read_outer_member(plain, reading, field)) return;
  switch ((int)field) {
    case TK_FLAT_TRACE_ID:
      reading->ids.trace = tk_plain_view(plain);
      reading->has_ids = true;
      break;
    case TK_FLAT_SPAN_ID:
      reading->ids.span = tk_plain_view(plain);
      reading->has_ids = true;
      break;
    case TK_FLAT_PARENT:
      read_parent(plain, reading);
      break;
    case TK_FLAT_CONTEXT:
      read_context(plain, reading, key);
      break;
    case TK_FLAT_TRACE_STATE:
      span->trace_state = tk_plain_text(plain);
      break;
    case TK_FLAT_FLAGS:
      span->flags = tk_plain_uint32(plain);
      break;
    case TK_FLAT_NAME:
      span->name = tk_plain_text(plain);
      break;
    case TK_FLAT_KIND:
      read_kind(plain, span);
      break;
    case TK_FLAT_START:
      reading->has_start = parse_time(plain, unit, &span->start_unix_ns, &reading->start_unit);
      break;
    case TK_FLAT_END:
      reading->has_end = parse_time(plain, unit, &span->end_unix_ns, NULL);
      break;
    case TK_FLAT_DURATION:
      read_duration(plain, reading, unit);
      break;
    case TK_FLAT_STATUS:
      read_status(plain, span, false);
      break;
    case TK_FLAT_STATUS_MESSAGE:
      span->status_message = tk_plain_text(plain);
      break;
    case TK_FLAT_ERROR:
      read_error(plain, reading, key);
      break;
    case TK_FLAT_ATTRIBUTES:
      read_attributes(plain, key);
      break;
    case TK_FLAT_EVENTS:
      tk_plain_events(plain, span, read_event, NULL);
      break;
    case TK_FLAT_LINKS:
      tk_plain_links(plain, span, read_link);
      break;
    case TK_FLAT_DROPPED_ATTRIBUTES:
      span->attributes.dropped_count = tk_plain_uint32(plain);
      break;
    case TK_FLAT_DROPPED_EVENTS:
      span->dropped_events_count = tk_plain_uint32(plain);
      break;
    case TK_FLAT_DROPPED_LINKS:
      span->dropped_links_count = tk_plain_uint32(plain);
      break;
    case TK_FLAT_RESIDUAL:
      span->residual = read_residual(plain);
      break;
    case TK_FLAT_MADE_UP:
      read_made_up(plain, reading);
      break;
    default:
      read_unknown(plain, reading, key);
      break;
  }
}

/* The time that is not said follows from the other and the duration. */
static void resolve_times(struct tk_plain *plain, struct reading *reading) {
  struct tk_span *span = &reading->span;
  uint64_t duration;
  if (reading->duration.size == 0 || (reading->has_start && reading->has_end)) return;
  int unit = reading->duration_unit;
  if (unit == TK_UNIT_GUESS && reading->has_start) unit = reading->start_unit;
  if (!tk_flat_duration(reading->duration, unit, &duration)) {
    tk_plain_report_type(plain, "a duration", reading->duration);
    return;
  }
  if (reading->has_start && span->start_unix_ns > 0) {
    if (duration <= UINT64_MAX - span->start_unix_ns) {
      span->end_unix_ns = span->start_unix_ns + duration;
    }
  } else if (reading->has_end && duration <= span->end_unix_ns) {
    span->start_unix_ns = span->end_unix_ns - duration;
  }
}

static void add_span(struct tk_plain *plain, struct reading *reading, uint32_t attributes_begin,
                     struct tk_json begin) {
  struct tk_span *span = &reading->span;
  const struct tk_text raw = {begin.at, (uint32_t)(plain->json.at - begin.at)};
  const uint32_t dropped = span->attributes.dropped_count;
  span->attributes = tk_take_attributes(plain->builder, attributes_begin);
  span->attributes.dropped_count = dropped;
  resolve_times(plain, reading);
  if (reading->error && !(span->presence & TK_SPAN_HAS_STATUS)) {
    span->status_code = TK_STATUS_ERROR;
    span->presence |= TK_SPAN_HAS_STATUS;
  }
  if (span->status_message.size > 0) span->presence |= TK_SPAN_HAS_STATUS;
  complete_resource(plain, reading, begin);
  reading->scope.absent = !reading->has_scope;
  span->resource = tk_share_resource(plain->builder, &reading->resource);
  span->scope = tk_share_scope(plain->builder, &reading->scope);
  const uint32_t index = plain->builder->spans.count;
  struct tk_span_ids readings;
  tk_plain_read_ids(&reading->ids, span, &readings);
  tk_plain_add_span(plain, span, &readings, raw);
  /* Only now: it is nothing to report again. */
  if (reading->made_up && plain->builder->spans.count > index) {
    struct tk_span *added = (struct tk_span *)(void *)plain->builder->spans.data + index;
    added->presence |= reading->made_up;
  }
}

static bool take_span(struct tk_plain *plain) {
  struct reading reading = {
      .span = {.name.data = ""}, .ids = {{"", 0}, {"", 0}, {"", 0}}, .start_unit = TK_UNIT_GUESS};
  const uint32_t attributes_begin = plain->builder->attributes.count;
  const struct tk_json begin = plain->json;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    read_member(plain, &reading, tk_json_key(&plain->json));
  }
  if (plain->json.expected) return true;
  if (!reading.has_ids) return false;
  add_span(plain, &reading, attributes_begin, begin);
  return true;
}

void tk_flat_json_parse(struct tk_batch_builder *builder, const struct tk_record *record) {
  tk_plain_parse(builder, record, take_span, "a span as one object, with a trace or span id");
}

/* A quoted name that folds to a trace id and another that folds to a span id. */
bool tk_flat_json_probe(const char *head, size_t size) {
  const char *end = head + size;
  bool trace = false;
  bool span = false;
  for (const char *at = head; (at = memchr(at, '"', (size_t)(end - at)));) {
    const char *close = memchr(at + 1, '"', (size_t)(end - at - 1));
    if (!close) break;
    char folded[TK_FLAT_NAME_LIMIT];
    if (tk_flat_fold_name((struct tk_text){at + 1, (uint32_t)(close - at - 1)}, folded)) {
      trace |= strcmp(folded, "traceid") == 0;
      span |= strcmp(folded, "spanid") == 0;
    }
    at = close; /* which may open the next string, if this was between two */
  }
  return trace && span;
}
