/* SPDX-License-Identifier: MIT
 * A line has the members traceId, timestamp, actor, event, type, key, and where the span has the
 * attribute, value, reason and context, in this order. Unlike the converter, integers stay exact,
 * and key/value lists and bytes (as base64) are kept. */
#include "cli/input/kvonce_spans.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/input/document_builder.h"

enum { NUMBER_SIZE = 48, DEPTH_LIMIT = 64 };

static const char type_key[] = "kvonce.event.type";
static const char key_key[] = "kvonce.event.key";

/* ---- attributes ---- */

static const struct tk_value *find(const struct tk_attributes *attributes, const char *key) {
  const size_t size = strlen(key);
  for (uint32_t i = 0; i < attributes->count; i++) {
    const struct tk_attribute *item = &attributes->items[i];
    if (item->key.size == size && memcmp(item->key.data, key, size) == 0) return &item->value;
  }
  return NULL;
}

static bool is_blank(char byte) {
  return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static struct tk_text trim(struct tk_text text) {
  while (text.size > 0 && is_blank(text.data[text.size - 1])) text.size--;
  while (text.size > 0 && is_blank(*text.data)) {
    text.data++;
    text.size--;
  }
  return text;
}

/* As JavaScript writes it. */
static int format_real(double value, char out[NUMBER_SIZE]) {
  char digits[NUMBER_SIZE];
  int precision = 0;
  if (!isfinite(value)) return snprintf(out, NUMBER_SIZE, "null");
  if (value == 0) return snprintf(out, NUMBER_SIZE, "0");
  do snprintf(digits, sizeof digits, "%.*e", precision, value);
  while (strtod(digits, NULL) != value && ++precision < 17);
  const char *exponent_text = strchr(digits, 'e');
  const int exponent = atoi(exponent_text + 1);
  if (exponent >= 21 || exponent < -6) {
    return snprintf(out, NUMBER_SIZE, "%.*se%+d", (int)(exponent_text - digits), digits, exponent);
  }
  return snprintf(out, NUMBER_SIZE, "%.*f", precision > exponent ? precision - exponent : 0, value);
}

/* A string, number or bool as text without white space around it; empty: neither. */
static struct tk_text scalar_text(const struct tk_value *value, char buffer[NUMBER_SIZE]) {
  if (!value) return (struct tk_text){"", 0};
  switch ((enum tk_value_type)value->type) {
    case TK_VALUE_STRING:
      return trim((struct tk_text){value->as.text, value->size});
    case TK_VALUE_BOOL:
      return value->as.integer ? (struct tk_text){"true", 4} : (struct tk_text){"false", 5};
    case TK_VALUE_INT:
      return (struct tk_text){
          buffer, (uint32_t)snprintf(buffer, NUMBER_SIZE, "%lld", (long long)value->as.integer)};
    case TK_VALUE_DOUBLE:
      return (struct tk_text){buffer, (uint32_t)format_real(value->as.real, buffer)};
    case TK_VALUE_EMPTY:
    case TK_VALUE_ARRAY:
    case TK_VALUE_KVLIST:
    case TK_VALUE_BYTES:
      break;
  }
  return (struct tk_text){"", 0};
}

/* The first of `keys`, on the span and then on its resource, that has a text. */
static struct tk_text first_text(const struct tk_span *span, const char *const *keys,
                                 char buffer[NUMBER_SIZE]) {
  const struct tk_attributes *lists[] = {&span->attributes, &span->resource->attributes};
  for (int i = 0; i < 2; i++) {
    for (const char *const *key = keys; *key; key++) {
      const struct tk_text text = scalar_text(find(lists[i], *key), buffer);
      if (text.size > 0) return text;
    }
  }
  return (struct tk_text){"", 0};
}

/* ---- writing JSON ---- */

static void put(struct tk_batch_builder *builder, const char *text) {
  tk_builder_append(builder, &builder->documents.text, text, strlen(text));
}

static void put_string(struct tk_batch_builder *builder, struct tk_text text) {
  struct tk_stack *out = &builder->documents.text;
  uint32_t begin = 0;
  put(builder, "\"");
  for (uint32_t i = 0; i < text.size; i++) {
    static const char letters[] = "btnvfr";
    const unsigned char byte = (unsigned char)text.data[i];
    char escape[8] = {'\\', (char)byte, '\0'};
    if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
    if (byte >= '\b' && byte <= '\r' && byte != '\v') {
      escape[1] = letters[byte - '\b'];
    } else if (byte < 0x20) {
      snprintf(escape, sizeof escape, "\\u%04x", byte);
    }
    tk_builder_append(builder, out, text.data + begin, i - begin);
    put(builder, escape);
    begin = i + 1;
  }
  tk_builder_append(builder, out, text.data + begin, text.size - begin);
  put(builder, "\"");
}

static void put_base64(struct tk_batch_builder *builder, const char *data, uint32_t size) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  put(builder, "\"");
  for (uint32_t i = 0; i < size; i += 3) {
    uint32_t bits = 0;
    for (uint32_t k = 0; k < 3; k++) {
      bits = bits << 8 | (i + k < size ? (uint32_t)(unsigned char)data[i + k] : 0);
    }
    char group[5] = {digits[bits >> 18], digits[bits >> 12 & 63], digits[bits >> 6 & 63],
                     digits[bits & 63], '\0'};
    if (i + 1 >= size) group[2] = '=';
    if (i + 2 >= size) group[3] = '=';
    put(builder, group);
  }
  put(builder, "\"");
}

static void put_value(struct tk_batch_builder *builder, const struct tk_value *value,
                      uint32_t depth);

static void put_items(struct tk_batch_builder *builder, const struct tk_value *value,
                      uint32_t depth) {
  put(builder, "[");
  for (uint32_t i = 0; i < value->size; i++) {
    if (i > 0) put(builder, ",");
    put_value(builder, &value->as.items[i], depth + 1);
  }
  put(builder, "]");
}

static void put_members(struct tk_batch_builder *builder, const struct tk_value *value,
                        uint32_t depth) {
  bool first = true;
  put(builder, "{");
  for (uint32_t i = 0; i < value->size; i++) {
    const struct tk_attribute *member = &value->as.members[i];
    if (member->value.type == TK_VALUE_EMPTY) continue;
    if (!first) put(builder, ",");
    first = false;
    put_string(builder, member->key);
    put(builder, ":");
    put_value(builder, &member->value, depth + 1);
  }
  put(builder, "}");
}

static void put_value(struct tk_batch_builder *builder, const struct tk_value *value,
                      uint32_t depth) {
  char buffer[NUMBER_SIZE];
  if (depth > DEPTH_LIMIT) {
    put(builder, "null");
    return;
  }
  switch ((enum tk_value_type)value->type) {
    case TK_VALUE_STRING:
      put_string(builder, (struct tk_text){value->as.text, value->size});
      return;
    case TK_VALUE_BYTES:
      put_base64(builder, value->as.text, value->size);
      return;
    case TK_VALUE_ARRAY:
      put_items(builder, value, depth);
      return;
    case TK_VALUE_KVLIST:
      put_members(builder, value, depth);
      return;
    case TK_VALUE_BOOL:
    case TK_VALUE_INT:
    case TK_VALUE_DOUBLE: {
      const struct tk_text text = scalar_text(value, buffer);
      tk_builder_append(builder, &builder->documents.text, text.data, text.size);
      return;
    }
    case TK_VALUE_EMPTY:
      break;
  }
  put(builder, "null");
}

/* ---- lines ---- */

/* Which resource, scope and span of the input this is, for spans without a trace id. */
struct place {
  const struct tk_resource *resource;
  const struct tk_scope *scope;
  uint32_t resource_index, scope_index, span_index;
};

static void advance(struct place *place, const struct tk_span *span) {
  if (place->resource && span->resource == place->resource && span->scope == place->scope) {
    place->span_index++;
    return;
  }
  const bool same_resource = place->resource && span->resource == place->resource;
  place->scope_index = same_resource ? place->scope_index + 1 : 0;
  if (place->resource && !same_resource) place->resource_index++;
  place->span_index = 0;
  place->resource = span->resource;
  place->scope = span->scope;
}

static struct tk_text trace_id_text(struct tk_batch_builder *builder, const struct tk_span *span,
                                    const struct place *place) {
  static const char *const keys[] = {"traceId",         "trace_id",      "kvonce.traceId",
                                     "kvonce.trace_id", "otel.trace_id", NULL};
  static const char digits[] = "0123456789abcdef";
  char buffer[NUMBER_SIZE], text[64];
  if (span->presence & TK_SPAN_TEXT_TRACE_ID) return span->trace_id_text;
  if (span->presence & TK_SPAN_SYNTHETIC_TRACE_ID) {
    const struct tk_text found = first_text(span, keys, buffer);
    if (found.size > 0) return tk_builder_copy(builder, found.data, found.size);
    const int size = snprintf(text, sizeof text, "otlp-missing-traceid-r%u-s%u-p%u",
                              place->resource_index, place->scope_index, place->span_index);
    return tk_builder_copy(builder, text, (uint32_t)size);
  }
  const size_t first = span->presence & TK_SPAN_SHORT_TRACE_ID ? 8 : 0;
  uint32_t size = 0;
  for (size_t i = first; i < 16; i++) {
    text[size++] = digits[span->trace_id[i] >> 4];
    text[size++] = digits[span->trace_id[i] & 15];
  }
  return tk_builder_intern(builder, text, size);
}

static void put_time(struct tk_batch_builder *builder, uint64_t unix_ns) {
  struct tm parts;
  char text[64];
  const time_t seconds = (time_t)(unix_ns / 1000000000);
  if (!gmtime_r(&seconds, &parts)) memset(&parts, 0, sizeof parts);
  snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900,
           parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
           (int)(unix_ns / 1000000 % 1000));
  put_string(builder, (struct tk_text){text, (uint32_t)strlen(text)});
}

static void put_attribute(struct tk_batch_builder *builder, const struct tk_span *span,
                          const char *key, const char *name) {
  const struct tk_value *value = find(&span->attributes, key);
  if (!value || value->type == TK_VALUE_EMPTY) return;
  put(builder, name);
  put_value(builder, value, 0);
}

static void add_event(struct tk_batch_builder *builder, const struct tk_span *span,
                      const struct place *place) {
  static const char *const actor_keys[] = {
      "kvonce.event.actor", "kvonce.actor",        "actor", "enduser.id",
      "service.name",       "service.instance.id", NULL};
  char type_buffer[NUMBER_SIZE], key_buffer[NUMBER_SIZE], actor_buffer[NUMBER_SIZE];
  const struct tk_text type = scalar_text(find(&span->attributes, type_key), type_buffer);
  const struct tk_text key = scalar_text(find(&span->attributes, key_key), key_buffer);
  if (type.size == 0 || key.size == 0 || span->start_unix_ns == 0) return;
  struct tk_text actor = first_text(span, actor_keys, actor_buffer);
  if (actor.size == 0) actor = (struct tk_text){"unknown", 7};
  struct tk_record_origin origin = {.start_unix_ns = span->start_unix_ns};
  memcpy(origin.trace_id, span->trace_id, sizeof origin.trace_id);
  memcpy(origin.span_id, span->span_id, sizeof origin.span_id);
  const struct tk_builder_line line = {.kind = TK_DOCUMENT_KVONCE_EVENTS,
                                       .record_count = 1,
                                       .origin = &origin,
                                       .trace_id = trace_id_text(builder, span, place)};
  tk_builder_begin_line(builder, &line);
  put(builder, "{\"traceId\":");
  put_string(builder, line.trace_id);
  put(builder, ",\"timestamp\":");
  put_time(builder, span->start_unix_ns);
  put(builder, ",\"actor\":");
  put_string(builder, actor);
  put(builder, ",\"event\":");
  put_string(builder, type);
  put(builder, ",\"type\":");
  put_string(builder, type);
  put(builder, ",\"key\":");
  put_string(builder, key);
  put_attribute(builder, span, "kvonce.event.value", ",\"value\":");
  put_attribute(builder, span, "kvonce.event.reason", ",\"reason\":");
  put_attribute(builder, span, "kvonce.event.context", ",\"context\":");
  put(builder, "}\n");
}

void tk_builder_note_document(struct tk_batch_builder *builder) {
  uint32_t *first_span =
      tk_builder_push(builder, &builder->documents.first_spans, sizeof *first_span);
  if (first_span) *first_span = builder->spans.count;
}

void tk_builder_add_span_events(struct tk_batch_builder *builder) {
  struct place place = {.resource = NULL};
  const struct tk_span *spans = (const struct tk_span *)(const void *)builder->spans.data;
  const uint32_t count = builder->spans.count;
  if (builder->out_of_memory || count == 0) return;
  if (!tk_builder_find_interned(builder, type_key, sizeof type_key - 1)) return;
  const uint32_t *firsts = (const uint32_t *)(const void *)builder->documents.first_spans.data;
  const uint32_t first_count = builder->documents.first_spans.count;
  uint32_t document = 0;
  for (uint32_t i = 0; i < count && !builder->out_of_memory; i++) {
    for (; document < first_count && firsts[document] == i; document++) {
      place = (struct place){.resource = NULL};
    }
    advance(&place, &spans[i]);
    add_event(builder, &spans[i], &place);
  }
}
