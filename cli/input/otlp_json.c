/* SPDX-License-Identifier: MIT
 * OTLP/JSON as specified, and as written by others: Tempo and Grafana (`batches`, `trace`, base64
 * ids, enum names), Jaeger's API v3 (`result`), the Java exporter (bare ResourceSpans), protobuf
 * libraries (snake_case), and files from before OTLP 0.15 (instrumentation libraries).
 *
 * Each message is a table of keys and a function with a switch over them. Keys mostly come in the
 * same order, so the search for a key begins behind the one found last. What no table knows is kept
 * verbatim in the residual of its message. */
#include "cli/input/otlp_json.h"

#include <math.h>
#include <string.h>

#include "cli/input/id_text.h"
#include "tracekeep/hash.h"

enum key_style { STYLE_PLAIN, STYLE_SNAKE, STYLE_LEGACY };

struct key_name {
  const char *text;
  uint8_t size;
  uint8_t field;
  uint8_t style; /* enum key_style */
};

enum key_table_id {
  KEYS_DOCUMENT,
  KEYS_RESOURCE_SPANS,
  KEYS_RESOURCE,
  KEYS_SCOPE_SPANS,
  KEYS_SCOPE,
  KEYS_SPAN,
  KEYS_STATUS,
  KEYS_EVENT,
  KEYS_LINK,
  KEYS_KEY_VALUE,
  KEYS_ANY_VALUE,
  KEYS_LIST,
  KEY_TABLE_COUNT
};

enum field {
  FIELD_UNKNOWN,
  FIELD_KEPT, /* known to OTLP, kept in the residual all the same */
  FIELD_ATTRIBUTES,
  FIELD_DROPPED_ATTRIBUTES,
  FIELD_NAME,
  FIELD_SCHEMA_URL,
  FIELD_RESOURCE_SPANS,
  FIELD_WRAPPER,
  FIELD_OTHER_SIGNAL,
  FIELD_RESOURCE,
  FIELD_SCOPE_SPANS,
  FIELD_SCOPE,
  FIELD_SPANS,
  FIELD_VERSION,
  FIELD_TRACE_ID,
  FIELD_SPAN_ID,
  FIELD_PARENT_SPAN_ID,
  FIELD_TRACE_STATE,
  FIELD_FLAGS,
  FIELD_KIND,
  FIELD_START,
  FIELD_END,
  FIELD_EVENTS,
  FIELD_DROPPED_EVENTS,
  FIELD_LINKS,
  FIELD_DROPPED_LINKS,
  FIELD_STATUS,
  FIELD_MESSAGE,
  FIELD_CODE,
  FIELD_DEPRECATED_CODE,
  FIELD_TIME,
  FIELD_KEY,
  FIELD_VALUE,
  FIELD_STRING,
  FIELD_BOOL,
  FIELD_INT,
  FIELD_DOUBLE,
  FIELD_ARRAY,
  FIELD_KVLIST,
  FIELD_BYTES,
  FIELD_VALUES
};

#define KEY(text, field) \
  { text, sizeof(text) - 1, field, STYLE_PLAIN }
#define SNAKE(text, field) \
  { text, sizeof(text) - 1, field, STYLE_SNAKE }
#define LEGACY(text, field) \
  { text, sizeof(text) - 1, field, STYLE_LEGACY }

static const struct key_name document_keys[] = {
    KEY("resourceSpans", FIELD_RESOURCE_SPANS),
    SNAKE("resource_spans", FIELD_RESOURCE_SPANS),
    LEGACY("batches", FIELD_RESOURCE_SPANS),
    KEY("trace", FIELD_WRAPPER),
    KEY("result", FIELD_WRAPPER),
    KEY("resource", FIELD_RESOURCE),
    KEY("scopeSpans", FIELD_RESOURCE),
    SNAKE("scope_spans", FIELD_RESOURCE),
    LEGACY("instrumentationLibrarySpans", FIELD_RESOURCE),
    LEGACY("instrumentation_library_spans", FIELD_RESOURCE),
    LEGACY("deprecatedScopeSpans", FIELD_RESOURCE),
    KEY("resourceMetrics", FIELD_OTHER_SIGNAL),
    SNAKE("resource_metrics", FIELD_OTHER_SIGNAL),
    KEY("resourceLogs", FIELD_OTHER_SIGNAL),
    SNAKE("resource_logs", FIELD_OTHER_SIGNAL),
    KEY("resourceProfiles", FIELD_OTHER_SIGNAL),
};
static const struct key_name resource_spans_keys[] = {
    KEY("resource", FIELD_RESOURCE),
    KEY("scopeSpans", FIELD_SCOPE_SPANS),
    KEY("schemaUrl", FIELD_SCHEMA_URL),
    SNAKE("scope_spans", FIELD_SCOPE_SPANS),
    SNAKE("schema_url", FIELD_SCHEMA_URL),
    LEGACY("instrumentationLibrarySpans", FIELD_SCOPE_SPANS),
    LEGACY("instrumentation_library_spans", FIELD_SCOPE_SPANS),
    LEGACY("deprecatedScopeSpans", FIELD_SCOPE_SPANS),
};
static const struct key_name resource_keys[] = {
    KEY("attributes", FIELD_ATTRIBUTES),
    KEY("droppedAttributesCount", FIELD_DROPPED_ATTRIBUTES),
    SNAKE("dropped_attributes_count", FIELD_DROPPED_ATTRIBUTES),
    KEY("entityRefs", FIELD_KEPT),
    SNAKE("entity_refs", FIELD_KEPT),
};
static const struct key_name scope_spans_keys[] = {
    KEY("scope", FIELD_SCOPE),
    KEY("spans", FIELD_SPANS),
    KEY("schemaUrl", FIELD_SCHEMA_URL),
    SNAKE("schema_url", FIELD_SCHEMA_URL),
    LEGACY("instrumentationLibrary", FIELD_SCOPE),
    LEGACY("instrumentation_library", FIELD_SCOPE),
};
static const struct key_name scope_keys[] = {
    KEY("name", FIELD_NAME),
    KEY("version", FIELD_VERSION),
    KEY("attributes", FIELD_ATTRIBUTES),
    KEY("droppedAttributesCount", FIELD_DROPPED_ATTRIBUTES),
    SNAKE("dropped_attributes_count", FIELD_DROPPED_ATTRIBUTES),
};
static const struct key_name span_keys[] = {
    KEY("traceId", FIELD_TRACE_ID),
    KEY("spanId", FIELD_SPAN_ID),
    KEY("traceState", FIELD_TRACE_STATE),
    KEY("parentSpanId", FIELD_PARENT_SPAN_ID),
    KEY("flags", FIELD_FLAGS),
    KEY("name", FIELD_NAME),
    KEY("kind", FIELD_KIND),
    KEY("startTimeUnixNano", FIELD_START),
    KEY("endTimeUnixNano", FIELD_END),
    KEY("attributes", FIELD_ATTRIBUTES),
    KEY("droppedAttributesCount", FIELD_DROPPED_ATTRIBUTES),
    KEY("events", FIELD_EVENTS),
    KEY("droppedEventsCount", FIELD_DROPPED_EVENTS),
    KEY("links", FIELD_LINKS),
    KEY("droppedLinksCount", FIELD_DROPPED_LINKS),
    KEY("status", FIELD_STATUS),
    SNAKE("trace_id", FIELD_TRACE_ID),
    SNAKE("span_id", FIELD_SPAN_ID),
    SNAKE("trace_state", FIELD_TRACE_STATE),
    SNAKE("parent_span_id", FIELD_PARENT_SPAN_ID),
    SNAKE("start_time_unix_nano", FIELD_START),
    SNAKE("end_time_unix_nano", FIELD_END),
    SNAKE("dropped_attributes_count", FIELD_DROPPED_ATTRIBUTES),
    SNAKE("dropped_events_count", FIELD_DROPPED_EVENTS),
    SNAKE("dropped_links_count", FIELD_DROPPED_LINKS),
};
static const struct key_name status_keys[] = {
    KEY("code", FIELD_CODE),
    KEY("message", FIELD_MESSAGE),
    LEGACY("deprecatedCode", FIELD_DEPRECATED_CODE),
    LEGACY("deprecated_code", FIELD_DEPRECATED_CODE),
};
static const struct key_name event_keys[] = {
    KEY("timeUnixNano", FIELD_TIME),
    KEY("name", FIELD_NAME),
    KEY("attributes", FIELD_ATTRIBUTES),
    KEY("droppedAttributesCount", FIELD_DROPPED_ATTRIBUTES),
    SNAKE("time_unix_nano", FIELD_TIME),
    SNAKE("dropped_attributes_count", FIELD_DROPPED_ATTRIBUTES),
};
static const struct key_name link_keys[] = {
    KEY("traceId", FIELD_TRACE_ID),
    KEY("spanId", FIELD_SPAN_ID),
    KEY("traceState", FIELD_TRACE_STATE),
    KEY("attributes", FIELD_ATTRIBUTES),
    KEY("droppedAttributesCount", FIELD_DROPPED_ATTRIBUTES),
    KEY("flags", FIELD_FLAGS),
    SNAKE("trace_id", FIELD_TRACE_ID),
    SNAKE("span_id", FIELD_SPAN_ID),
    SNAKE("trace_state", FIELD_TRACE_STATE),
    SNAKE("dropped_attributes_count", FIELD_DROPPED_ATTRIBUTES),
};
static const struct key_name key_value_keys[] = {
    KEY("key", FIELD_KEY),
    KEY("value", FIELD_VALUE),
};
static const struct key_name any_value_keys[] = {
    KEY("stringValue", FIELD_STRING),    KEY("intValue", FIELD_INT),
    KEY("boolValue", FIELD_BOOL),        KEY("doubleValue", FIELD_DOUBLE),
    KEY("arrayValue", FIELD_ARRAY),      KEY("kvlistValue", FIELD_KVLIST),
    KEY("bytesValue", FIELD_BYTES),      SNAKE("string_value", FIELD_STRING),
    SNAKE("int_value", FIELD_INT),       SNAKE("bool_value", FIELD_BOOL),
    SNAKE("double_value", FIELD_DOUBLE), SNAKE("array_value", FIELD_ARRAY),
    SNAKE("kvlist_value", FIELD_KVLIST), SNAKE("bytes_value", FIELD_BYTES),
};
static const struct key_name list_keys[] = {
    KEY("values", FIELD_VALUES),
};

#define TABLE(keys) \
  { keys, sizeof(keys) / sizeof((keys)[0]) }
static const struct {
  const struct key_name *keys;
  uint32_t count;
} tables[KEY_TABLE_COUNT] = {
    [KEYS_DOCUMENT] = TABLE(document_keys),   [KEYS_RESOURCE_SPANS] = TABLE(resource_spans_keys),
    [KEYS_RESOURCE] = TABLE(resource_keys),   [KEYS_SCOPE_SPANS] = TABLE(scope_spans_keys),
    [KEYS_SCOPE] = TABLE(scope_keys),         [KEYS_SPAN] = TABLE(span_keys),
    [KEYS_STATUS] = TABLE(status_keys),       [KEYS_EVENT] = TABLE(event_keys),
    [KEYS_LINK] = TABLE(link_keys),           [KEYS_KEY_VALUE] = TABLE(key_value_keys),
    [KEYS_ANY_VALUE] = TABLE(any_value_keys), [KEYS_LIST] = TABLE(list_keys),
};

static const char *const kind_names[] = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL",
                                         "SPAN_KIND_SERVER",      "SPAN_KIND_CLIENT",
                                         "SPAN_KIND_PRODUCER",    "SPAN_KIND_CONSUMER"};
static const char *const status_names[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK",
                                           "STATUS_CODE_ERROR"};

struct enum_names {
  const char *what;
  const char *const *names;
  uint32_t prefix_size; /* may be left out: "SERVER" */
  int32_t count;
};
static const struct enum_names kind_enum = {"a span kind", kind_names, 10, 6};
static const struct enum_names status_enum = {"a status code", status_names, 12, 3};

struct parser {
  struct tk_json json;
  struct tk_batch_builder *builder;
  uint32_t span_index;                /* in the record */
  uint32_t next_key[KEY_TABLE_COUNT]; /* where the next search in a table begins */
};

/* ---- keys ---- */

static struct tk_text raw_of(struct tk_json_string string) {
  return (struct tk_text){string.data, string.size};
}

static void report_key_style(struct parser *parser, struct tk_json_string key, uint8_t style) {
  if (style == STYLE_SNAKE) {
    tk_builder_issue(parser->builder, TK_RULE_JSON_SNAKE_CASE, raw_of(key),
                     "key in snake_case; read as its lowerCamelCase form");
  } else if (style == STYLE_LEGACY) {
    tk_builder_issue(parser->builder, TK_RULE_JSON_LEGACY_KEY, raw_of(key),
                     "key of an older or another format; read as its OTLP equivalent");
  }
}

/* Field of the key, FIELD_UNKNOWN if the table has none such. */
static enum field find_field(struct parser *parser, enum key_table_id table,
                             struct tk_json_string key) {
  const struct key_name *keys = tables[table].keys;
  const uint32_t count = tables[table].count;
  uint32_t i = parser->next_key[table];
  char unescaped[64];
  struct tk_json_string wanted = key;
  if (key.escaped && key.size <= sizeof unescaped) {
    bool broken;
    wanted.size = tk_json_unescape(key, unescaped, &broken);
    wanted.data = unescaped;
  }
  for (uint32_t tried = 0; tried < count; tried++, i++) {
    if (i >= count) i = 0;
    if (keys[i].size != wanted.size || memcmp(keys[i].text, wanted.data, wanted.size) != 0) {
      continue;
    }
    parser->next_key[table] = i + 1;
    if (keys[i].style != STYLE_PLAIN) report_key_style(parser, key, keys[i].style);
    return keys[i].field;
  }
  return FIELD_UNKNOWN;
}

/* Takes the value of a member no field has room for, and remembers the member as it is. */
static void keep_member(struct parser *parser, enum field field, struct tk_json_string key,
                        uint32_t residual_begin) {
  tk_json_skip(&parser->json);
  if (parser->json.expected) return;
  const char *begin = key.data - 1;
  const struct tk_text member = {begin, (uint32_t)(parser->json.at - begin)};
  if (parser->builder->residual.count > residual_begin) {
    tk_builder_push_bytes(parser->builder, ",", 1);
  }
  tk_builder_push_bytes(parser->builder, member.data, member.size);
  if (field == FIELD_UNKNOWN) {
    tk_builder_issue(parser->builder, TK_RULE_JSON_UNKNOWN_FIELD, member,
                     "OTLP has no such field here; kept as it is");
  }
}

static struct tk_residual take_residual(struct parser *parser, uint32_t begin) {
  struct tk_residual residual = {.size = parser->builder->residual.count - begin};
  residual.data = tk_builder_take(parser->builder, &parser->builder->residual, begin, 1);
  if (residual.size > 0) residual.format = TK_RESIDUAL_JSON;
  return residual;
}

/* ---- scalars ---- */

static void report_type(struct parser *parser, const char *expected, struct tk_text raw) {
  tk_builder_issue(parser->builder, TK_RULE_JSON_TYPE, raw, "expected %s, found `%.*s`", expected,
                   (int)(raw.size < 40 ? raw.size : 40), raw.data);
}

static void report_range(struct parser *parser, const char *expected, struct tk_text raw) {
  tk_builder_issue(parser->builder, TK_RULE_JSON_RANGE, raw, "expected %s, found %.*s", expected,
                   (int)(raw.size < 40 ? raw.size : 40), raw.data);
}

/* Takes a value that should be an object or array of the given type; false: it was something else,
 * has been skipped, and if it was not null, reported. */
static bool expect_container(struct parser *parser, enum tk_json_type wanted) {
  const enum tk_json_type type = tk_json_peek(&parser->json);
  if (type == wanted) return true;
  const struct tk_text raw = tk_json_skip(&parser->json);
  if (type != TK_JSON_NULL && raw.size > 0) {
    report_type(parser, wanted == TK_JSON_OBJECT ? "an object" : "an array", raw);
  }
  return false;
}

/* Text of a number, or of a string that should hold one. Size 0: null, or reported. */
static struct tk_text read_numeral(struct parser *parser, const char *expected) {
  const enum tk_json_type type = tk_json_peek(&parser->json);
  if (type == TK_JSON_NUMBER) return tk_json_number(&parser->json);
  if (type == TK_JSON_STRING) {
    const struct tk_json_string string = tk_json_string(&parser->json);
    if (string.size == 0 && !parser->json.expected) report_type(parser, expected, raw_of(string));
    return raw_of(string);
  }
  const struct tk_text raw = tk_json_skip(&parser->json);
  if (type != TK_JSON_NULL && raw.size > 0) report_type(parser, expected, raw);
  return (struct tk_text){0};
}

static uint64_t read_uint64(struct parser *parser, const char *expected, uint64_t limit) {
  const struct tk_text text = read_numeral(parser, expected);
  uint64_t value = 0;
  if (text.size == 0) return 0;
  const enum tk_number result = tk_parse_uint64(text.data, text.size, &value);
  if (result == TK_NUMBER_SYNTAX || result == TK_NUMBER_FRACTION) {
    report_type(parser, expected, text);
  } else if (result == TK_NUMBER_RANGE || value > limit) {
    report_range(parser, expected, text);
  }
  return value > limit ? limit : value;
}

static uint32_t read_uint32(struct parser *parser) {
  return (uint32_t)read_uint64(parser, "an integer from 0 to 4294967295", UINT32_MAX);
}

static uint64_t read_time(struct parser *parser) {
  static const char expected[] = "nanoseconds since 1970 as an integer";
  const struct tk_text text = read_numeral(parser, expected);
  uint64_t value = 0;
  if (text.size == 0) return 0;
  switch (tk_parse_uint64(text.data, text.size, &value)) {
    case TK_NUMBER_OK:
      break;
    case TK_NUMBER_FRACTION:
      tk_builder_issue(parser->builder, TK_RULE_JSON_FLOAT_TIME, text,
                       "a time with a fraction of a nanosecond; dropped the fraction");
      break;
    case TK_NUMBER_RANGE:
      report_range(parser, expected, text);
      break;
    case TK_NUMBER_SYNTAX:
      report_type(parser, expected, text);
      break;
  }
  return value;
}

static struct tk_text read_text(struct parser *parser) {
  const enum tk_json_type type = tk_json_peek(&parser->json);
  if (type == TK_JSON_STRING) {
    return tk_builder_string(parser->builder, tk_json_string(&parser->json));
  }
  const struct tk_text raw = tk_json_skip(&parser->json);
  if (type == TK_JSON_NULL || raw.size == 0) return (struct tk_text){"", 0};
  report_type(parser, "a string", raw);
  return tk_builder_copy(parser->builder, raw.data, raw.size);
}

/* As read_text, but a view of the input where possible: ids are decoded, not kept. */
static struct tk_text read_id(struct parser *parser) {
  if (tk_json_peek(&parser->json) != TK_JSON_STRING) return read_text(parser);
  const struct tk_json_string string = tk_json_string(&parser->json);
  return string.escaped ? tk_builder_string(parser->builder, string) : raw_of(string);
}

static bool name_matches(const char *name, const struct tk_text text) {
  return strlen(name) == text.size && strncasecmp(name, text.data, text.size) == 0;
}

static int32_t find_enum_name(const struct enum_names *names, struct tk_text text) {
  for (int32_t i = 0; i < names->count; i++) {
    if (name_matches(names->names[i], text) ||
        name_matches(names->names[i] + names->prefix_size, text)) {
      return i;
    }
  }
  return -1;
}

static int32_t read_enum(struct parser *parser, const struct enum_names *names) {
  const bool quoted = tk_json_peek(&parser->json) == TK_JSON_STRING;
  const struct tk_text text = read_numeral(parser, names->what);
  int64_t value = 0;
  if (text.size == 0) return 0;
  const enum tk_number result = tk_parse_int64(text.data, text.size, &value);
  if (result == TK_NUMBER_SYNTAX && quoted) {
    const int32_t named = find_enum_name(names, text);
    if (named >= 0) {
      tk_builder_issue(parser->builder, TK_RULE_JSON_ENUM_NAME, text,
                       "%s by name; OTLP/JSON wants the number", names->what);
      return named;
    }
    tk_builder_issue(parser->builder, TK_RULE_JSON_ENUM_UNKNOWN, text,
                     "expected %s, found `%.*s`; stored as 0", names->what,
                     (int)(text.size < 40 ? text.size : 40), text.data);
    return 0;
  }
  if (result == TK_NUMBER_SYNTAX || result == TK_NUMBER_FRACTION) {
    report_type(parser, names->what, text);
  } else if (result == TK_NUMBER_RANGE || value < INT32_MIN || value > INT32_MAX) {
    report_range(parser, names->what, text);
    return 0;
  }
  return (int32_t)value;
}

/* ---- attribute values ---- */

static struct tk_value parse_any_value(struct parser *parser);

static struct tk_value string_value(struct tk_text text) {
  return (struct tk_value){.type = TK_VALUE_STRING, .size = text.size, .as.text = text.data};
}

static struct tk_value real_value(double real) {
  return (struct tk_value){.type = TK_VALUE_DOUBLE, .as.real = real};
}

/* A value that its own type has no room for is kept as its text. */
static struct tk_value numeral_as_text(struct parser *parser, struct tk_text text) {
  return string_value(tk_builder_copy(parser->builder, text.data, text.size));
}

static struct tk_value parse_int(struct parser *parser) {
  struct tk_value value = {.type = TK_VALUE_INT};
  const struct tk_text text = read_numeral(parser, "an integer");
  if (text.size == 0) return (struct tk_value){0};
  switch (tk_parse_int64(text.data, text.size, &value.as.integer)) {
    case TK_NUMBER_OK:
      return value;
    case TK_NUMBER_FRACTION:
      report_type(parser, "an integer", text);
      value.type = TK_VALUE_DOUBLE;
      tk_parse_double(text.data, text.size, &value.as.real);
      return value;
    case TK_NUMBER_RANGE:
      report_range(parser, "an integer of 64 bits", text);
      break;
    case TK_NUMBER_SYNTAX:
      report_type(parser, "an integer", text);
      break;
  }
  return numeral_as_text(parser, text);
}

static struct tk_value parse_double(struct parser *parser) {
  double real;
  const struct tk_text text = read_numeral(parser, "a number");
  if (text.size == 0) return (struct tk_value){0};
  if (text.size == 3 && memcmp(text.data, "NaN", 3) == 0) return real_value((double)NAN);
  if (text.size == 8 && memcmp(text.data, "Infinity", 8) == 0) return real_value(HUGE_VAL);
  if (text.size == 9 && memcmp(text.data, "-Infinity", 9) == 0) return real_value(-HUGE_VAL);
  switch (tk_parse_double(text.data, text.size, &real)) {
    case TK_NUMBER_OK:
    case TK_NUMBER_FRACTION:
      return real_value(real);
    case TK_NUMBER_RANGE:
      report_range(parser, "a number a double can hold", text);
      break;
    case TK_NUMBER_SYNTAX:
      report_type(parser, "a number", text);
      break;
  }
  return numeral_as_text(parser, text);
}

static struct tk_value parse_bool(struct parser *parser) {
  struct tk_value value = {.type = TK_VALUE_BOOL};
  const enum tk_json_type type = tk_json_peek(&parser->json);
  const struct tk_text raw = tk_json_skip(&parser->json);
  if (type == TK_JSON_NULL || parser->json.expected) return (struct tk_value){0};
  value.as.integer = type == TK_JSON_TRUE;
  if (type == TK_JSON_TRUE || type == TK_JSON_FALSE) return value;
  if (raw.size == 6 && memcmp(raw.data, "\"true\"", 6) == 0) {
    value.as.integer = 1;
  } else if (raw.size != 7 || memcmp(raw.data, "\"false\"", 7) != 0) {
    report_type(parser, "true or false", raw);
    return numeral_as_text(parser, raw);
  }
  return value;
}

static struct tk_value parse_bytes(struct parser *parser) {
  if (tk_json_peek(&parser->json) != TK_JSON_STRING) {
    const struct tk_text text = read_text(parser);
    return text.size ? string_value(text) : (struct tk_value){0};
  }
  const struct tk_json_string string = tk_json_string(&parser->json);
  struct tk_text text = raw_of(string);
  /* "\/" is the one escape that occurs in base64. */
  if (string.escaped) text = tk_builder_string(parser->builder, string);
  uint8_t *bytes = tk_arena_alloc(&parser->builder->batch->arena, (size_t)text.size / 4 * 3 + 2);
  if (!bytes) {
    parser->builder->out_of_memory = true;
    return (struct tk_value){0};
  }
  const int64_t size = tk_base64_decode(text.data, text.size, bytes);
  if (size < 0) {
    report_type(parser, "base64", text);
    return numeral_as_text(parser, text);
  }
  return (struct tk_value){
      .type = TK_VALUE_BYTES, .size = (uint32_t)size, .as.text = (const char *)bytes};
}

/* An item of an array, or member of a list, that should be an object. */
static struct tk_value parse_array_items(struct parser *parser) {
  struct tk_stack *stack = &parser->builder->values;
  const uint32_t begin = stack->count;
  struct tk_value array = {.type = TK_VALUE_ARRAY};
  if (!expect_container(parser, TK_JSON_ARRAY)) return array;
  for (bool more = tk_json_enter_array(&parser->json); more;
       more = tk_json_next_item(&parser->json)) {
    const struct tk_value value = parse_any_value(parser);
    struct tk_value *item = tk_builder_push(parser->builder, stack, sizeof value);
    if (item) *item = value;
  }
  array.size = stack->count - begin;
  array.as.items = tk_builder_take(parser->builder, stack, begin, sizeof(struct tk_value));
  return array;
}

static struct tk_attribute parse_key_value(struct parser *parser, uint32_t list);

/* `list`: see tk_builder_key; 0: repeated keys are of no interest. */
static struct tk_attributes parse_key_values(struct parser *parser, uint32_t list) {
  struct tk_stack *stack = &parser->builder->attributes;
  const uint32_t begin = stack->count;
  struct tk_attributes attributes = {0};
  if (!expect_container(parser, TK_JSON_ARRAY)) return attributes;
  for (bool more = tk_json_enter_array(&parser->json); more;
       more = tk_json_next_item(&parser->json)) {
    if (!expect_container(parser, TK_JSON_OBJECT)) continue;
    const struct tk_attribute attribute = parse_key_value(parser, list);
    struct tk_attribute *item = tk_builder_push(parser->builder, stack, sizeof attribute);
    if (item) *item = attribute;
  }
  attributes.count = stack->count - begin;
  attributes.items = tk_builder_take(parser->builder, stack, begin, sizeof(struct tk_attribute));
  return attributes;
}

static struct tk_attributes parse_attributes(struct parser *parser, uint32_t dropped_count) {
  struct tk_attributes attributes =
      parse_key_values(parser, tk_builder_begin_keys(parser->builder));
  attributes.dropped_count = dropped_count;
  return attributes;
}

static struct tk_value kvlist_value(struct tk_attributes members) {
  return (struct tk_value){
      .type = TK_VALUE_KVLIST, .size = members.count, .as.members = members.items};
}

/* {"values": [...]} of an arrayValue or kvlistValue. */
static struct tk_value parse_list(struct parser *parser, enum field field) {
  struct tk_value list = {.type = field == FIELD_ARRAY ? TK_VALUE_ARRAY : TK_VALUE_KVLIST};
  if (tk_json_peek(&parser->json) == TK_JSON_NULL) {
    tk_json_skip(&parser->json);
    return (struct tk_value){0};
  }
  if (!expect_container(parser, TK_JSON_OBJECT)) return list;
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    if (find_field(parser, KEYS_LIST, key) != FIELD_VALUES) {
      const struct tk_text raw = tk_json_skip(&parser->json);
      tk_builder_issue(parser->builder, TK_RULE_JSON_UNKNOWN_FIELD, raw,
                       "OTLP has no such field in a list; ignored");
    } else if (field == FIELD_ARRAY) {
      list = parse_array_items(parser);
    } else {
      list = kvlist_value(parse_key_values(parser, 0));
    }
  }
  return list;
}

/* Plain JSON where an AnyValue belongs. */
static struct tk_value parse_plain_value(struct parser *parser, enum tk_json_type type) {
  const char *begin = parser->json.at;
  struct tk_value value = {0};
  if (type == TK_JSON_NULL) {
    tk_json_skip(&parser->json);
    return value;
  }
  if (type == TK_JSON_TRUE || type == TK_JSON_FALSE) {
    value = parse_bool(parser);
  } else if (type == TK_JSON_NUMBER) {
    const struct tk_text text = tk_json_number(&parser->json);
    value.type = TK_VALUE_INT;
    if (memchr(text.data, '.', text.size) ||
        tk_parse_int64(text.data, text.size, &value.as.integer) != TK_NUMBER_OK) {
      value.type = TK_VALUE_DOUBLE;
      tk_parse_double(text.data, text.size, &value.as.real);
    }
  } else {
    value = string_value(type == TK_JSON_STRING
                             ? tk_builder_string(parser->builder, tk_json_string(&parser->json))
                             : tk_json_skip(&parser->json));
    if (type != TK_JSON_STRING) {
      value = numeral_as_text(parser, (struct tk_text){value.as.text, value.size});
    }
  }
  if (!parser->json.expected) {
    report_type(parser, "an object that names the value's type",
                (struct tk_text){begin, (uint32_t)(parser->json.at - begin)});
  }
  return value;
}

/* Takes the member of an AnyValue whose key was `field`. */
static struct tk_value parse_value_member(struct parser *parser, enum field field) {
  switch ((int)field) {
    case FIELD_STRING:
      if (tk_json_peek(&parser->json) == TK_JSON_NULL) break;
      return string_value(read_text(parser));
    case FIELD_INT:
      return parse_int(parser);
    case FIELD_BOOL:
      return parse_bool(parser);
    case FIELD_DOUBLE:
      return parse_double(parser);
    case FIELD_ARRAY:
    case FIELD_KVLIST:
      return parse_list(parser, field);
    case FIELD_BYTES:
      return parse_bytes(parser);
    default:
      break;
  }
  tk_json_skip(&parser->json);
  return (struct tk_value){0};
}

static struct tk_value parse_any_value(struct parser *parser) {
  struct tk_value value = {0};
  const enum tk_json_type type = tk_json_peek(&parser->json);
  if (type != TK_JSON_OBJECT) return parse_plain_value(parser, type);
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    const enum field field = find_field(parser, KEYS_ANY_VALUE, key);
    const struct tk_value member = parse_value_member(parser, field);
    if (field == FIELD_UNKNOWN && !parser->json.expected) {
      tk_builder_issue(parser->builder, TK_RULE_JSON_UNKNOWN_FIELD, raw_of(key),
                       "OTLP has no such kind of value; ignored");
    }
    /* null is the same as not there, so it must not undo an earlier member. */
    if (member.type != TK_VALUE_EMPTY) value = member;
  }
  return value;
}

static struct tk_text parse_key(struct parser *parser, uint32_t list) {
  bool repeated;
  if (tk_json_peek(&parser->json) != TK_JSON_STRING || list == 0) return read_text(parser);
  const struct tk_json_string key = tk_json_string(&parser->json);
  const struct tk_text text = tk_builder_key(parser->builder, key, list, &repeated);
  if (repeated) {
    tk_builder_issue(parser->builder, TK_RULE_ATTR_DUPLICATE_KEY, raw_of(key),
                     "the key `%.*s` occurs twice in one list of attributes; kept both",
                     (int)(text.size < 80 ? text.size : 80), text.data);
  }
  return text;
}

static struct tk_attribute parse_key_value(struct parser *parser, uint32_t list) {
  struct tk_attribute attribute = {.key.data = ""};
  const char *begin = parser->json.at;
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    switch ((int)find_field(parser, KEYS_KEY_VALUE, key)) {
      case FIELD_KEY:
        attribute.key = parse_key(parser, list);
        break;
      case FIELD_VALUE:
        attribute.value = parse_any_value(parser);
        break;
      default:
        tk_json_skip(&parser->json);
        tk_builder_issue(parser->builder, TK_RULE_JSON_UNKNOWN_FIELD, raw_of(key),
                         "OTLP has no such field in an attribute; ignored");
        break;
    }
  }
  if (attribute.key.size == 0 && !parser->json.expected) {
    tk_builder_issue(parser->builder, TK_RULE_ATTR_EMPTY_KEY,
                     (struct tk_text){begin, (uint32_t)(parser->json.at - begin)},
                     "expected an attribute with a key");
  }
  return attribute;
}

/* ---- ids ---- */

static void report_id_form(struct parser *parser, struct tk_text text, uint32_t form,
                           enum tk_rule length_rule) {
  if (form & TK_ID_BASE64) {
    tk_builder_issue(parser->builder, TK_RULE_ID_BASE64, text, "id in base64; decoded");
  }
  if (form & TK_ID_UPPERCASE) {
    tk_builder_issue(parser->builder, TK_RULE_ID_UPPERCASE, text, "id in upper case");
  }
  if (form & TK_ID_SHORT) {
    tk_builder_issue(parser->builder, TK_RULE_ID_SHORT64, text,
                     "trace id of 64 bits; padded with zeros on the left");
  }
  if (form & TK_ID_PADDED) {
    tk_builder_issue(parser->builder, length_rule, text,
                     "id of %u characters; padded with zeros on the left", (unsigned)text.size);
  }
}

static void synthesise(struct parser *parser, struct tk_text raw, char role, uint8_t *id,
                       uint32_t size) {
  uint8_t salt[5] = {(uint8_t)role};
  struct tk_hash hash;
  for (int i = 0; i < 4; i++) salt[i + 1] = (uint8_t)(parser->span_index >> (8 * i));
  tk_hash_init(&hash);
  tk_hash_update(&hash, raw.data, raw.size);
  for (uint32_t done = 0; done < size; done += 8) {
    tk_hash_update(&hash, salt, sizeof salt);
    const uint64_t digest = tk_hash_digest(&hash);
    for (uint32_t i = 0; i < 8; i++) id[done + i] = (uint8_t)(digest >> (8 * i));
  }
}

static void set_issue_ids(struct tk_issue *issue, const struct tk_span *span) {
  if (!issue) return;
  memcpy(issue->trace_id, span->trace_id, sizeof issue->trace_id);
  memcpy(issue->span_id, span->span_id, sizeof issue->span_id);
  issue->has_trace = issue->has_span = 1;
}

static void resolve_trace_id(struct parser *parser, struct tk_span *span, struct tk_text text,
                             struct tk_text raw) {
  const uint32_t form = tk_trace_id_read(text, span->trace_id);
  if (form & (TK_ID_EMPTY | TK_ID_ZERO)) {
    synthesise(parser, raw, 'T', span->trace_id, sizeof span->trace_id);
    span->presence |= TK_SPAN_SYNTHETIC_TRACE_ID;
    return;
  }
  if (form & TK_ID_TEXT) {
    span->trace_id_text = tk_builder_intern(parser->builder, text.data, text.size);
    span->presence |= TK_SPAN_TEXT_TRACE_ID;
    tk_builder_issue(parser->builder, TK_RULE_TRACE_ID_TEXT, text,
                     "trace id is neither hexadecimal nor base64; kept as text");
  } else if (form & TK_ID_SHORT) {
    span->presence |= TK_SPAN_SHORT_TRACE_ID;
  }
  if (form) report_id_form(parser, text, form, TK_RULE_TRACE_ID_LENGTH);
}

static void resolve_span_id(struct parser *parser, struct tk_span *span, struct tk_text text,
                            struct tk_text raw) {
  const uint32_t form = tk_span_id_read(text, span->span_id);
  if (form & (TK_ID_EMPTY | TK_ID_ZERO)) {
    synthesise(parser, raw, 'S', span->span_id, sizeof span->span_id);
    span->presence |= TK_SPAN_SYNTHETIC_SPAN_ID;
  } else if (form & TK_ID_TEXT) {
    /* Made from the text alone, so that parent ids and links of the same text still meet it. */
    span->presence |= TK_SPAN_SYNTHETIC_SPAN_ID;
    tk_builder_issue(parser->builder, TK_RULE_SPAN_ID_LENGTH, text,
                     "expected a span id of 16 hexadecimal digits, found `%.*s`; stored its hash",
                     (int)(text.size < 40 ? text.size : 40), text.data);
  } else if (form) {
    report_id_form(parser, text, form, TK_RULE_SPAN_ID_LENGTH);
  }
}

static void resolve_parent_id(struct parser *parser, struct tk_span *span, struct tk_text text) {
  if (text.size == 0) return;
  const uint32_t form = tk_span_id_read(text, span->parent_span_id);
  if (form & TK_ID_ZERO) {
    span->presence |= TK_SPAN_ZERO_PARENT;
    return;
  }
  span->presence |= TK_SPAN_HAS_PARENT;
  if (form & TK_ID_TEXT) {
    tk_builder_issue(parser->builder, TK_RULE_PARENT_ID_LENGTH, text,
                     "expected a span id of 16 hexadecimal digits, found `%.*s`; stored its hash",
                     (int)(text.size < 40 ? text.size : 40), text.data);
  } else if (form) {
    report_id_form(parser, text, form, TK_RULE_PARENT_ID_LENGTH);
  }
}

/* Once both ids are known, so that the issue can name the span. */
static void report_made_up_ids(struct parser *parser, const struct tk_span *span,
                               struct tk_text trace, struct tk_text id, struct tk_text raw) {
  if (span->presence & TK_SPAN_SYNTHETIC_TRACE_ID) {
    set_issue_ids(tk_builder_issue(parser->builder,
                                   trace.size ? TK_RULE_TRACE_ID_ZERO : TK_RULE_TRACE_ID_MISSING,
                                   raw, "span without a trace id; stored under a made-up one"),
                  span);
  }
  if (span->presence & TK_SPAN_SYNTHETIC_SPAN_ID) {
    uint8_t ignored[8];
    if (tk_span_id_read(id, ignored) & TK_ID_TEXT) return;
    set_issue_ids(
        tk_builder_issue(parser->builder, id.size ? TK_RULE_SPAN_ID_ZERO : TK_RULE_SPAN_ID_MISSING,
                         raw, "span without a span id; stored under a made-up one"),
        span);
  }
}

/* ---- events, links, status ---- */

static struct tk_event parse_event(struct parser *parser) {
  struct tk_event event = {.name.data = ""};
  const uint32_t residual = parser->builder->residual.count;
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    const enum field field = find_field(parser, KEYS_EVENT, key);
    switch ((int)field) {
      case FIELD_TIME:
        event.time_unix_ns = read_time(parser);
        break;
      case FIELD_NAME:
        event.name = read_text(parser);
        break;
      case FIELD_ATTRIBUTES:
        event.attributes = parse_attributes(parser, event.attributes.dropped_count);
        break;
      case FIELD_DROPPED_ATTRIBUTES:
        event.attributes.dropped_count = read_uint32(parser);
        break;
      default:
        keep_member(parser, field, key, residual);
        break;
    }
  }
  event.residual = take_residual(parser, residual);
  return event;
}

static void parse_events(struct parser *parser, struct tk_span *span) {
  struct tk_stack *stack = &parser->builder->events;
  const uint32_t begin = stack->count;
  if (!expect_container(parser, TK_JSON_ARRAY)) return;
  for (bool more = tk_json_enter_array(&parser->json); more;
       more = tk_json_next_item(&parser->json)) {
    if (!expect_container(parser, TK_JSON_OBJECT)) continue;
    const struct tk_event event = parse_event(parser);
    struct tk_event *item = tk_builder_push(parser->builder, stack, sizeof event);
    if (item) *item = event;
  }
  span->event_count = stack->count - begin;
  span->events = tk_builder_take(parser->builder, stack, begin, sizeof(struct tk_event));
}

static void resolve_link_ids(struct parser *parser, struct tk_link *link, struct tk_text trace,
                             struct tk_text span) {
  const uint32_t trace_form = tk_trace_id_read(trace, link->trace_id);
  const uint32_t span_form = tk_span_id_read(span, link->span_id);
  if ((trace_form | span_form) & (TK_ID_EMPTY | TK_ID_ZERO)) {
    tk_builder_issue(parser->builder, TK_RULE_LINK_ID_MISSING, trace.size ? trace : span,
                     "a link without a trace id or span id; kept with zeros");
  }
  if (trace_form & TK_ID_TEXT) {
    tk_builder_issue(parser->builder, TK_RULE_TRACE_ID_TEXT, trace,
                     "a link's trace id is neither hexadecimal nor base64; stored its hash");
  }
  if (span_form & TK_ID_TEXT) {
    tk_builder_issue(parser->builder, TK_RULE_SPAN_ID_LENGTH, span,
                     "a link's span id is not 16 hexadecimal digits; stored its hash");
  }
  if (trace_form) report_id_form(parser, trace, trace_form, TK_RULE_TRACE_ID_LENGTH);
  if (span_form) report_id_form(parser, span, span_form, TK_RULE_SPAN_ID_LENGTH);
}

static struct tk_link parse_link(struct parser *parser) {
  struct tk_link link = {.trace_state.data = ""};
  struct tk_text trace = {"", 0}, span = {"", 0};
  const uint32_t residual = parser->builder->residual.count;
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    const enum field field = find_field(parser, KEYS_LINK, key);
    switch ((int)field) {
      case FIELD_TRACE_ID:
        trace = read_id(parser);
        break;
      case FIELD_SPAN_ID:
        span = read_id(parser);
        break;
      case FIELD_TRACE_STATE:
        link.trace_state = read_text(parser);
        break;
      case FIELD_ATTRIBUTES:
        link.attributes = parse_attributes(parser, link.attributes.dropped_count);
        break;
      case FIELD_DROPPED_ATTRIBUTES:
        link.attributes.dropped_count = read_uint32(parser);
        break;
      case FIELD_FLAGS:
        link.flags = read_uint32(parser);
        break;
      default:
        keep_member(parser, field, key, residual);
        break;
    }
  }
  link.residual = take_residual(parser, residual);
  if (!parser->json.expected) resolve_link_ids(parser, &link, trace, span);
  return link;
}

static void parse_links(struct parser *parser, struct tk_span *span) {
  struct tk_stack *stack = &parser->builder->links;
  const uint32_t begin = stack->count;
  if (!expect_container(parser, TK_JSON_ARRAY)) return;
  for (bool more = tk_json_enter_array(&parser->json); more;
       more = tk_json_next_item(&parser->json)) {
    if (!expect_container(parser, TK_JSON_OBJECT)) continue;
    const struct tk_link link = parse_link(parser);
    struct tk_link *item = tk_builder_push(parser->builder, stack, sizeof link);
    if (item) *item = link;
  }
  span->link_count = stack->count - begin;
  span->links = tk_builder_take(parser->builder, stack, begin, sizeof(struct tk_link));
}

/* Unknown members of a status have no residual of their own: they are only reported. */
static void parse_status(struct parser *parser, struct tk_span *span) {
  int32_t deprecated_code = 0;
  if (!expect_container(parser, TK_JSON_OBJECT)) return;
  span->presence |= TK_SPAN_HAS_STATUS;
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    switch ((int)find_field(parser, KEYS_STATUS, key)) {
      case FIELD_CODE:
        span->status_code = read_enum(parser, &status_enum);
        break;
      case FIELD_MESSAGE:
        span->status_message = read_text(parser);
        break;
      case FIELD_DEPRECATED_CODE:
        deprecated_code = (int32_t)(read_uint32(parser) != 0);
        break;
      default:
        tk_json_skip(&parser->json);
        tk_builder_issue(parser->builder, TK_RULE_JSON_UNKNOWN_FIELD, raw_of(key),
                         "OTLP has no such field in a status; ignored");
        break;
    }
  }
  if (span->status_code == 0 && deprecated_code != 0) span->status_code = TK_STATUS_ERROR;
}

/* ---- spans ---- */

static void report_span_time(struct parser *parser, const struct tk_span *span, enum tk_rule rule,
                             struct tk_text raw, const char *what) {
  set_issue_ids(tk_builder_issue(parser->builder, rule, raw, "%s (start %llu, end %llu)", what,
                                 (unsigned long long)span->start_unix_ns,
                                 (unsigned long long)span->end_unix_ns),
                span);
}

static void check_times(struct parser *parser, const struct tk_span *span, struct tk_text raw) {
  const uint64_t smallest_plausible_ns = 100000000000000000u; /* 1973; in microseconds, year 5138 */
  if (span->start_unix_ns == 0) {
    report_span_time(parser, span, TK_RULE_TIME_START_ZERO, raw, "span without a start time");
  } else if (span->start_unix_ns < smallest_plausible_ns) {
    report_span_time(parser, span, TK_RULE_TIME_UNIT, raw,
                     "start time looks like seconds, milli- or microseconds; stored as it is");
  }
  if (span->end_unix_ns == 0) {
    report_span_time(parser, span, TK_RULE_TIME_END_ZERO, raw, "span without an end time");
  } else if (span->end_unix_ns < span->start_unix_ns) {
    report_span_time(parser, span, TK_RULE_TIME_END_BEFORE_START, raw,
                     "span ends before it starts; stored as it is");
  }
}

struct span_ids {
  struct tk_text trace, span, parent;
};

static void parse_span_member(struct parser *parser, struct tk_span *span, struct span_ids *ids,
                              enum field field) {
  switch ((int)field) {
    case FIELD_TRACE_ID:
      ids->trace = read_id(parser);
      break;
    case FIELD_SPAN_ID:
      ids->span = read_id(parser);
      break;
    case FIELD_PARENT_SPAN_ID:
      ids->parent = read_id(parser);
      break;
    case FIELD_TRACE_STATE:
      span->trace_state = read_text(parser);
      break;
    case FIELD_FLAGS:
      span->flags = read_uint32(parser);
      break;
    case FIELD_NAME:
      span->name = read_text(parser);
      break;
    case FIELD_KIND:
      span->kind = read_enum(parser, &kind_enum);
      break;
    case FIELD_START:
      span->start_unix_ns = read_time(parser);
      break;
    case FIELD_END:
      span->end_unix_ns = read_time(parser);
      break;
    case FIELD_ATTRIBUTES:
      span->attributes = parse_attributes(parser, span->attributes.dropped_count);
      break;
    case FIELD_DROPPED_ATTRIBUTES:
      span->attributes.dropped_count = read_uint32(parser);
      break;
    case FIELD_EVENTS:
      parse_events(parser, span);
      break;
    case FIELD_DROPPED_EVENTS:
      span->dropped_events_count = read_uint32(parser);
      break;
    case FIELD_LINKS:
      parse_links(parser, span);
      break;
    case FIELD_DROPPED_LINKS:
      span->dropped_links_count = read_uint32(parser);
      break;
    case FIELD_STATUS:
      parse_status(parser, span);
      break;
    default:
      break;
  }
}

static void parse_span(struct parser *parser, const struct tk_resource *resource,
                       const struct tk_scope *scope) {
  struct tk_span span = {.name.data = "", .resource = resource, .scope = scope};
  struct span_ids ids = {{"", 0}, {"", 0}, {"", 0}};
  const uint32_t residual = parser->builder->residual.count;
  const char *begin = parser->json.at;
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    const enum field field = find_field(parser, KEYS_SPAN, key);
    if (field == FIELD_UNKNOWN) {
      keep_member(parser, field, key, residual);
    } else {
      parse_span_member(parser, &span, &ids, field);
    }
  }
  if (parser->json.expected) return;
  const struct tk_text raw = {begin, (uint32_t)(parser->json.at - begin)};
  span.residual = take_residual(parser, residual);
  resolve_trace_id(parser, &span, ids.trace, raw);
  resolve_span_id(parser, &span, ids.span, raw);
  resolve_parent_id(parser, &span, ids.parent);
  if (span.presence & (TK_SPAN_SYNTHETIC_TRACE_ID | TK_SPAN_SYNTHETIC_SPAN_ID)) {
    report_made_up_ids(parser, &span, ids.trace, ids.span, raw);
  }
  check_times(parser, &span, raw);
  parser->span_index++;

  struct tk_span *item = tk_builder_push(parser->builder, &parser->builder->spans, sizeof span);
  if (item) *item = span;
  if (parser->builder->out_of_memory) tk_json_fail(&parser->json, "memory");
}

static void parse_spans(struct parser *parser, const struct tk_resource *resource,
                        const struct tk_scope *scope) {
  if (!expect_container(parser, TK_JSON_ARRAY)) return;
  for (bool more = tk_json_enter_array(&parser->json); more;
       more = tk_json_next_item(&parser->json)) {
    if (expect_container(parser, TK_JSON_OBJECT)) {
      parse_span(parser, resource, scope);
    } else {
      parser->builder->batch->rejected_count++;
    }
  }
}

/* ---- scopes and resources ---- */

static void parse_scope(struct parser *parser, struct tk_scope *scope) {
  const uint32_t residual = parser->builder->residual.count;
  if (!expect_container(parser, TK_JSON_OBJECT)) return;
  scope->absent = 0;
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    const enum field field = find_field(parser, KEYS_SCOPE, key);
    switch ((int)field) {
      case FIELD_NAME:
        scope->name = read_text(parser);
        break;
      case FIELD_VERSION:
        scope->version = read_text(parser);
        break;
      case FIELD_ATTRIBUTES:
        scope->attributes = parse_attributes(parser, scope->attributes.dropped_count);
        break;
      case FIELD_DROPPED_ATTRIBUTES:
        scope->attributes.dropped_count = read_uint32(parser);
        break;
      default:
        keep_member(parser, field, key, residual);
        break;
    }
  }
  scope->residual = take_residual(parser, residual);
}

static void *allocate(struct parser *parser, size_t size) {
  void *memory = tk_arena_alloc(&parser->builder->batch->arena, size);
  if (!memory) {
    parser->builder->out_of_memory = true;
    tk_json_fail(&parser->json, "memory");
  }
  return memory;
}

/* The scope is allocated before its spans and filled whenever its turn comes: keys have no order.
 */
static void parse_scope_spans(struct parser *parser, const struct tk_resource *resource) {
  const uint32_t residual = parser->builder->residual.count;
  struct tk_scope *scope = allocate(parser, sizeof *scope);
  if (!scope) return;
  *scope = (struct tk_scope){.absent = 1};
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    const enum field field = find_field(parser, KEYS_SCOPE_SPANS, key);
    switch ((int)field) {
      case FIELD_SCOPE:
        parse_scope(parser, scope);
        break;
      case FIELD_SPANS:
        parse_spans(parser, resource, scope);
        break;
      case FIELD_SCHEMA_URL:
        scope->schema_url = read_text(parser);
        break;
      default:
        keep_member(parser, field, key, residual);
        break;
    }
  }
  scope->outer_residual = take_residual(parser, residual);
}

static void parse_resource(struct parser *parser, struct tk_resource *resource) {
  const uint32_t residual = parser->builder->residual.count;
  if (!expect_container(parser, TK_JSON_OBJECT)) return;
  resource->absent = 0;
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    const enum field field = find_field(parser, KEYS_RESOURCE, key);
    switch ((int)field) {
      case FIELD_ATTRIBUTES:
        resource->attributes = parse_attributes(parser, resource->attributes.dropped_count);
        break;
      case FIELD_DROPPED_ATTRIBUTES:
        resource->attributes.dropped_count = read_uint32(parser);
        break;
      default:
        keep_member(parser, field, key, residual);
        break;
    }
  }
  resource->residual = take_residual(parser, residual);
}

static void parse_scope_spans_list(struct parser *parser, const struct tk_resource *resource) {
  if (!expect_container(parser, TK_JSON_ARRAY)) return;
  for (bool more = tk_json_enter_array(&parser->json); more;
       more = tk_json_next_item(&parser->json)) {
    if (expect_container(parser, TK_JSON_OBJECT)) parse_scope_spans(parser, resource);
  }
}

static void parse_resource_spans(struct parser *parser) {
  const uint32_t residual = parser->builder->residual.count;
  struct tk_resource *resource = allocate(parser, sizeof *resource);
  if (!resource) return;
  *resource = (struct tk_resource){.absent = 1};
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    const enum field field = find_field(parser, KEYS_RESOURCE_SPANS, key);
    switch ((int)field) {
      case FIELD_RESOURCE:
        parse_resource(parser, resource);
        break;
      case FIELD_SCOPE_SPANS:
        parse_scope_spans_list(parser, resource);
        break;
      case FIELD_SCHEMA_URL:
        resource->schema_url = read_text(parser);
        break;
      default:
        keep_member(parser, field, key, residual);
        break;
    }
  }
  resource->outer_residual = take_residual(parser, residual);
}

static void parse_resource_spans_list(struct parser *parser) {
  if (!expect_container(parser, TK_JSON_ARRAY)) return;
  for (bool more = tk_json_enter_array(&parser->json); more;
       more = tk_json_next_item(&parser->json)) {
    if (expect_container(parser, TK_JSON_OBJECT)) parse_resource_spans(parser);
  }
}

/* ---- documents ---- */

static void report_other_signal(struct parser *parser, struct tk_json_string key) {
  tk_builder_issue(parser->builder, TK_RULE_RECORD_NOT_TRACE, raw_of(key),
                   "a record of %.*s holds no spans", (int)key.size, key.data);
}

static void report_extra_member(struct parser *parser, struct tk_json_string key) {
  tk_builder_issue(parser->builder, TK_RULE_JSON_UNKNOWN_FIELD, raw_of(key),
                   "a document of spans has no such field; not stored");
}

/* What is known of a document's keys. */
struct document {
  bool known;
  bool has_members;
};

static void parse_document_members(struct parser *parser, struct document *document);

/* A member whose key says what the document is. True: the object is a ResourceSpans itself. */
static bool parse_document_member(struct parser *parser, struct document *document,
                                  struct tk_json_string key, enum field field) {
  switch ((int)field) {
    case FIELD_RESOURCE_SPANS:
      parse_resource_spans_list(parser);
      document->known = true;
      return false;
    case FIELD_WRAPPER:
      if (tk_json_peek(&parser->json) == TK_JSON_OBJECT) {
        parse_document_members(parser, document);
      } else {
        tk_json_skip(&parser->json);
      }
      return false;
    case FIELD_OTHER_SIGNAL:
      tk_json_skip(&parser->json);
      if (!parser->json.expected) report_other_signal(parser, key);
      document->known = true;
      return false;
    case FIELD_RESOURCE:
      document->known = true;
      return true;
    default:
      tk_json_skip(&parser->json);
      if (!parser->json.expected) report_extra_member(parser, key);
      return false;
  }
}

static void parse_document_members(struct parser *parser, struct document *document) {
  const struct tk_json begin = parser->json;
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    const enum field field = find_field(parser, KEYS_DOCUMENT, key);
    document->has_members = true;
    if (parse_document_member(parser, document, key, field)) {
      parser->json = begin;
      parse_resource_spans(parser);
      return;
    }
  }
}

static void parse_document(struct parser *parser) {
  struct document document = {0};
  struct tk_builder_mark mark;
  const enum tk_json_type type = tk_json_peek(&parser->json);
  const char *begin = parser->json.at;
  if (type == TK_JSON_ARRAY) {
    for (bool more = tk_json_enter_array(&parser->json); more;
         more = tk_json_next_item(&parser->json)) {
      parse_document(parser);
    }
    return;
  }
  tk_batch_builder_mark(parser->builder, &mark);
  parser->builder->batch->record_count++;
  if (type == TK_JSON_OBJECT) {
    parse_document_members(parser, &document);
    if (document.known || !document.has_members) return;
  } else {
    tk_json_skip(&parser->json);
  }
  if (parser->json.expected) return;
  tk_batch_builder_roll_back(parser->builder, &mark);
  parser->builder->batch->record_count++;
  parser->builder->batch->rejected_count++;
  tk_builder_issue(parser->builder, TK_RULE_RECORD_UNKNOWN,
                   (struct tk_text){begin, (uint32_t)(parser->json.at - begin)},
                   "expected OTLP traces (resourceSpans), found other JSON; skipped it");
}

/* Members of a split document, known to be wanted by nobody. */
static void parse_outer_members(struct parser *parser) {
  while (!tk_json_at_end(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    tk_json_skip(&parser->json);
    if (parser->json.expected) return;
    if (find_field(parser, KEYS_DOCUMENT, key) == FIELD_OTHER_SIGNAL) {
      report_other_signal(parser, key);
    } else {
      report_extra_member(parser, key);
    }
    tk_json_skip_space(&parser->json);
    if (*parser->json.at == ',') parser->json.at++;
  }
}

void tk_otlp_json_parse(struct tk_batch_builder *builder, const struct tk_record *record) {
  struct parser parser = {.builder = builder};
  struct tk_builder_mark mark;
  if (builder->out_of_memory) return;
  tk_batch_builder_mark(builder, &mark);
  builder->place = (struct tk_record_place){.text = record->text,
                                            .size = record->size,
                                            .offset = record->begin_offset,
                                            .line = record->line};
  tk_json_init(&parser.json, record->text, record->size);
  if (record->kind == TK_RECORD_END) {
    builder->batch->record_count++;
  } else if (record->kind == TK_RECORD_MEMBERS) {
    parse_outer_members(&parser);
  } else if (record->kind == TK_RECORD_ELEMENT) {
    if (expect_container(&parser, TK_JSON_OBJECT)) parse_resource_spans(&parser);
  } else {
    while (!tk_json_at_end(&parser.json)) parse_document(&parser);
  }
  if (!tk_json_at_end(&parser.json)) tk_json_fail(&parser.json, "the end of the record");
  if (!parser.json.expected || builder->out_of_memory) return;
  tk_batch_builder_roll_back(builder, &mark);
  if (record->kind == TK_RECORD_WHOLE) builder->batch->record_count++;
  builder->batch->rejected_count++;
  tk_builder_json_issue(builder, &parser.json);
}
