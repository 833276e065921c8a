/* SPDX-License-Identifier: MIT
 * The keys of OTLP/JSON, message by message.
 *
 * Keys mostly come in the same order, so the search for a key begins behind the one found last. */
#include <string.h>

#include "cli/input/otlp_json_parser.h"

enum key_style { STYLE_PLAIN, STYLE_SNAKE, STYLE_LEGACY };

struct key_name {
  const char *text;
  uint8_t size;
  uint8_t field;
  uint8_t style; /* enum key_style */
};

#define KEY(text, field) \
  { text, sizeof(text) - 1, field, STYLE_PLAIN }
#define SNAKE(text, field) \
  { text, sizeof(text) - 1, field, STYLE_SNAKE }
#define LEGACY(text, field) \
  { text, sizeof(text) - 1, field, STYLE_LEGACY }

static const struct key_name document_keys[] = {
    KEY("resourceSpans", TK_OTLP_RESOURCE_SPANS),
    SNAKE("resource_spans", TK_OTLP_RESOURCE_SPANS),
    LEGACY("batches", TK_OTLP_RESOURCE_SPANS),
    KEY("trace", TK_OTLP_WRAPPER),
    KEY("result", TK_OTLP_WRAPPER),
    KEY("resource", TK_OTLP_RESOURCE),
    KEY("scopeSpans", TK_OTLP_RESOURCE),
    SNAKE("scope_spans", TK_OTLP_RESOURCE),
    LEGACY("instrumentationLibrarySpans", TK_OTLP_RESOURCE),
    LEGACY("instrumentation_library_spans", TK_OTLP_RESOURCE),
    LEGACY("deprecatedScopeSpans", TK_OTLP_RESOURCE),
    KEY("resourceMetrics", TK_OTLP_OTHER_SIGNAL),
    SNAKE("resource_metrics", TK_OTLP_OTHER_SIGNAL),
    KEY("resourceLogs", TK_OTLP_OTHER_SIGNAL),
    SNAKE("resource_logs", TK_OTLP_OTHER_SIGNAL),
    KEY("resourceProfiles", TK_OTLP_OTHER_SIGNAL),
};
static const struct key_name resource_spans_keys[] = {
    KEY("resource", TK_OTLP_RESOURCE),
    KEY("scopeSpans", TK_OTLP_SCOPE_SPANS),
    KEY("schemaUrl", TK_OTLP_SCHEMA_URL),
    SNAKE("scope_spans", TK_OTLP_SCOPE_SPANS),
    SNAKE("schema_url", TK_OTLP_SCHEMA_URL),
    LEGACY("instrumentationLibrarySpans", TK_OTLP_SCOPE_SPANS),
    LEGACY("instrumentation_library_spans", TK_OTLP_SCOPE_SPANS),
    LEGACY("deprecatedScopeSpans", TK_OTLP_SCOPE_SPANS),
};
static const struct key_name resource_keys[] = {
    KEY("attributes", TK_OTLP_ATTRIBUTES),
    KEY("droppedAttributesCount", TK_OTLP_DROPPED_ATTRIBUTES),
    SNAKE("dropped_attributes_count", TK_OTLP_DROPPED_ATTRIBUTES),
    KEY("entityRefs", TK_OTLP_KEPT),
    SNAKE("entity_refs", TK_OTLP_KEPT),
};
static const struct key_name scope_spans_keys[] = {
    KEY("scope", TK_OTLP_SCOPE),
    KEY("spans", TK_OTLP_SPANS),
    KEY("schemaUrl", TK_OTLP_SCHEMA_URL),
    SNAKE("schema_url", TK_OTLP_SCHEMA_URL),
    LEGACY("instrumentationLibrary", TK_OTLP_SCOPE),
    LEGACY("instrumentation_library", TK_OTLP_SCOPE),
};
static const struct key_name scope_keys[] = {
    KEY("name", TK_OTLP_NAME),
    KEY("version", TK_OTLP_VERSION),
    KEY("attributes", TK_OTLP_ATTRIBUTES),
    KEY("droppedAttributesCount", TK_OTLP_DROPPED_ATTRIBUTES),
    SNAKE("dropped_attributes_count", TK_OTLP_DROPPED_ATTRIBUTES),
};
static const struct key_name span_keys[] = {
    KEY("traceId", TK_OTLP_TRACE_ID),
    KEY("spanId", TK_OTLP_SPAN_ID),
    KEY("traceState", TK_OTLP_TRACE_STATE),
    KEY("parentSpanId", TK_OTLP_PARENT_SPAN_ID),
    KEY("flags", TK_OTLP_FLAGS),
    KEY("name", TK_OTLP_NAME),
    KEY("kind", TK_OTLP_KIND),
    KEY("startTimeUnixNano", TK_OTLP_START),
    KEY("endTimeUnixNano", TK_OTLP_END),
    KEY("attributes", TK_OTLP_ATTRIBUTES),
    KEY("droppedAttributesCount", TK_OTLP_DROPPED_ATTRIBUTES),
    KEY("events", TK_OTLP_EVENTS),
    KEY("droppedEventsCount", TK_OTLP_DROPPED_EVENTS),
    KEY("links", TK_OTLP_LINKS),
    KEY("droppedLinksCount", TK_OTLP_DROPPED_LINKS),
    KEY("status", TK_OTLP_STATUS),
    SNAKE("trace_id", TK_OTLP_TRACE_ID),
    SNAKE("span_id", TK_OTLP_SPAN_ID),
    SNAKE("trace_state", TK_OTLP_TRACE_STATE),
    SNAKE("parent_span_id", TK_OTLP_PARENT_SPAN_ID),
    SNAKE("start_time_unix_nano", TK_OTLP_START),
    SNAKE("end_time_unix_nano", TK_OTLP_END),
    SNAKE("dropped_attributes_count", TK_OTLP_DROPPED_ATTRIBUTES),
    SNAKE("dropped_events_count", TK_OTLP_DROPPED_EVENTS),
    SNAKE("dropped_links_count", TK_OTLP_DROPPED_LINKS),
};
static const struct key_name status_keys[] = {
    KEY("code", TK_OTLP_CODE),
    KEY("message", TK_OTLP_MESSAGE),
    LEGACY("deprecatedCode", TK_OTLP_DEPRECATED_CODE),
    LEGACY("deprecated_code", TK_OTLP_DEPRECATED_CODE),
};
static const struct key_name event_keys[] = {
    KEY("timeUnixNano", TK_OTLP_TIME),
    KEY("name", TK_OTLP_NAME),
    KEY("attributes", TK_OTLP_ATTRIBUTES),
    KEY("droppedAttributesCount", TK_OTLP_DROPPED_ATTRIBUTES),
    SNAKE("time_unix_nano", TK_OTLP_TIME),
    SNAKE("dropped_attributes_count", TK_OTLP_DROPPED_ATTRIBUTES),
};
static const struct key_name link_keys[] = {
    KEY("traceId", TK_OTLP_TRACE_ID),
    KEY("spanId", TK_OTLP_SPAN_ID),
    KEY("traceState", TK_OTLP_TRACE_STATE),
    KEY("attributes", TK_OTLP_ATTRIBUTES),
    KEY("droppedAttributesCount", TK_OTLP_DROPPED_ATTRIBUTES),
    KEY("flags", TK_OTLP_FLAGS),
    SNAKE("trace_id", TK_OTLP_TRACE_ID),
    SNAKE("span_id", TK_OTLP_SPAN_ID),
    SNAKE("trace_state", TK_OTLP_TRACE_STATE),
    SNAKE("dropped_attributes_count", TK_OTLP_DROPPED_ATTRIBUTES),
};
static const struct key_name key_value_keys[] = {
    KEY("key", TK_OTLP_KEY),
    KEY("value", TK_OTLP_VALUE),
};
static const struct key_name any_value_keys[] = {
    KEY("stringValue", TK_OTLP_STRING),    KEY("intValue", TK_OTLP_INT),
    KEY("boolValue", TK_OTLP_BOOL),        KEY("doubleValue", TK_OTLP_DOUBLE),
    KEY("arrayValue", TK_OTLP_ARRAY),      KEY("kvlistValue", TK_OTLP_KVLIST),
    KEY("bytesValue", TK_OTLP_BYTES),      SNAKE("string_value", TK_OTLP_STRING),
    SNAKE("int_value", TK_OTLP_INT),       SNAKE("bool_value", TK_OTLP_BOOL),
    SNAKE("double_value", TK_OTLP_DOUBLE), SNAKE("array_value", TK_OTLP_ARRAY),
    SNAKE("kvlist_value", TK_OTLP_KVLIST), SNAKE("bytes_value", TK_OTLP_BYTES),
};
static const struct key_name list_keys[] = {
    KEY("values", TK_OTLP_VALUES),
};

#define TABLE(keys) \
  { keys, sizeof(keys) / sizeof((keys)[0]) }
static const struct {
  const struct key_name *keys;
  uint32_t count;
} tables[TK_KEYS_COUNT] = {
    [TK_KEYS_DOCUMENT] = TABLE(document_keys),
    [TK_KEYS_RESOURCE_SPANS] = TABLE(resource_spans_keys),
    [TK_KEYS_RESOURCE] = TABLE(resource_keys),
    [TK_KEYS_SCOPE_SPANS] = TABLE(scope_spans_keys),
    [TK_KEYS_SCOPE] = TABLE(scope_keys),
    [TK_KEYS_SPAN] = TABLE(span_keys),
    [TK_KEYS_STATUS] = TABLE(status_keys),
    [TK_KEYS_EVENT] = TABLE(event_keys),
    [TK_KEYS_LINK] = TABLE(link_keys),
    [TK_KEYS_KEY_VALUE] = TABLE(key_value_keys),
    [TK_KEYS_ANY_VALUE] = TABLE(any_value_keys),
    [TK_KEYS_LIST] = TABLE(list_keys),
};

static void report_key_style(struct tk_otlp_json_parser *parser, struct tk_json_string key,
                             uint8_t style) {
  if (style == STYLE_SNAKE) {
    tk_builder_issue(parser->builder, TK_RULE_JSON_SNAKE_CASE, tk_otlp_json_raw(key),
                     "key in snake_case; read as its lowerCamelCase form");
  } else if (style == STYLE_LEGACY) {
    tk_builder_issue(parser->builder, TK_RULE_JSON_LEGACY_KEY, tk_otlp_json_raw(key),
                     "key of an older or another format; read as its OTLP equivalent");
  }
}

/* Field of the key, TK_OTLP_UNKNOWN if the table has none such. */
enum tk_otlp_field tk_otlp_json_find_field(struct tk_otlp_json_parser *parser,
                                           enum tk_otlp_keys table, struct tk_json_string key) {
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
  return TK_OTLP_UNKNOWN;
}
