/* SPDX-License-Identifier: MIT
 * A record is one JSON value with the white space around it. Documents keep all of it; of events
 * that stand in an array, or take several lines, one line each is made.
 *
 * The events in a trace bundle are events as well: they are added as lines beside the document. */
#include "cli/input/document_json.h"

#include <stdio.h>
#include <string.h>

#include "cli/input/document_builder.h"
#include "cli/input/document_kind.h"
#include "cli/input/otlp_json.h"
#include "cli/input/plain_json.h"
#include "cli/input/sampling_config.h"
#include "tracekeep/sampling_config.h"

enum { NESTING_LIMIT = 16, KEYS_SHOWN = 6 };

struct reading {
  struct tk_batch_builder *builder;
  const struct tk_record *record;
  struct tk_json json;
  uint32_t depth;
  enum tk_document_kind otherwise; /* of a line that is an object; TK_DOCUMENT_SPACE: none */
};

bool tk_document_json_probe(const char *head, size_t size) {
  return tk_document_begins(head, size);
}

bool tk_kvonce_events_probe(const char *head, size_t size) {
  return tk_document_begins_with(head, size, TK_DOCUMENT_KVONCE_EVENTS);
}

bool tk_inventory_events_probe(const char *head, size_t size) {
  return tk_document_begins_with(head, size, TK_DOCUMENT_INVENTORY_EVENTS);
}

/* ---- strangers ---- */

/* "the keys a, b, c", as far as there is room. */
static void list_keys(struct tk_text text, char *out, size_t room) {
  struct tk_json json;
  size_t size = 0;
  int count = 0;
  out[0] = '\0';
  tk_json_init(&json, text.data, text.size);
  for (bool more = tk_json_enter_object(&json); more && count < KEYS_SHOWN;
       more = tk_json_next_member(&json)) {
    const struct tk_json_string key = tk_json_key(&json);
    const int shown = (int)(key.size < 30 ? key.size : 30);
    const int wrote = snprintf(out + size, room - size, "%s%.*s", count == 0 ? "" : ", ", shown,
                               key.size ? key.data : "");
    if (wrote < 0 || (size_t)wrote >= room - size) return;
    size += (size_t)wrote;
    count++;
    tk_json_skip(&json);
  }
}

static void reject(struct reading *reading, struct tk_text text,
                   enum tk_document_stranger stranger) {
  static const char expected[] =
      "expected spans, events, a report envelope, or a validation, projection or summary of a run";
  struct tk_batch_builder *builder = reading->builder;
  char keys[160];
  builder->batch->rejected_count++;
  if (stranger == TK_STRANGER_SCHEMA) {
    tk_builder_issue(builder, TK_RULE_RECORD_UNKNOWN, text, "%s, found a JSON Schema; skipped it",
                     expected);
    return;
  }
  list_keys(text, keys, sizeof keys);
  const char *found = text.size == 0 || text.data[0] != '{' ? "another value"
                      : keys[0]                             ? "an object with the keys "
                                                            : "an object without keys";
  tk_builder_issue(builder, TK_RULE_RECORD_UNKNOWN, text, "%s, found %s%s; skipped it", expected,
                   found, keys);
}

/* A value within a record is not followed by the padding that parsers need. */
static void parse_otlp(struct reading *reading, struct tk_text text) {
  struct tk_batch_builder *builder = reading->builder;
  struct tk_record record = *reading->record;
  char *copy = tk_arena_alloc_bytes(&builder->batch->arena, (size_t)text.size + TK_JSON_PADDING);
  if (!copy) {
    builder->out_of_memory = true;
    return;
  }
  memcpy(copy, text.data, text.size);
  memset(copy + text.size, 0, TK_JSON_PADDING);
  const size_t before = (size_t)(text.data - record.text);
  for (size_t i = 0; i < before; i++) record.line += record.text[i] == '\n';
  record.begin_offset += before;
  record.text = copy;
  record.size = text.size;
  const struct tk_record_place place = builder->place;
  tk_otlp_json_parse(builder, &record);
  builder->place = place;
}

/* ---- lines ---- */

static struct tk_text unescape(struct tk_batch_builder *builder, struct tk_json_string string) {
  return string.data && string.size ? tk_builder_string(builder, string) : (struct tk_text){"", 0};
}

/* `around` is the value with the white space that belongs to it; NULL data: it stands in an array.
 */
static void add_event(struct reading *reading, const struct tk_document_look *look,
                      struct tk_text value, struct tk_text around) {
  struct tk_batch_builder *builder = reading->builder;
  struct tk_builder_line line = {.kind = look->kind,
                                 .record_count = 1,
                                 .trace_id = unescape(builder, look->trace_id),
                                 .run_id = unescape(builder, look->run_id)};
  if (around.data && !memchr(value.data, '\n', value.size)) {
    line.text = around;
    tk_builder_add_line(builder, &line);
    return;
  }
  const uint32_t begin = builder->residual.count;
  tk_push_residual_json(builder, value);
  tk_builder_push_bytes(builder, "\n", 1);
  if (!builder->out_of_memory) {
    line.text = (struct tk_text){builder->residual.data + begin, builder->residual.count - begin};
    tk_builder_add_line(builder, &line);
  }
  builder->residual.count = begin;
}

/* The items of the array that comes next, those that are events. */
static void add_events(struct reading *reading, struct tk_json *json) {
  if (tk_json_peek(json) != TK_JSON_ARRAY) {
    tk_json_skip(json);
    return;
  }
  for (bool more = tk_json_enter_array(json); more; more = tk_json_next_item(json)) {
    if (tk_json_peek(json) != TK_JSON_OBJECT) {
      tk_json_skip(json);
      continue;
    }
    const char *begin = json->at;
    const struct tk_document_look look = tk_document_look_at(json);
    if (json->expected) return;
    if (look.stranger != TK_STRANGER_NONE || !tk_document_kind_is_lines(look.kind)) continue;
    add_event(reading, &look, (struct tk_text){begin, (uint32_t)(json->at - begin)},
              (struct tk_text){NULL, 0});
  }
}

static void add_bundled_events(struct reading *reading, struct tk_text text) {
  struct tk_json json;
  tk_json_init(&json, text.data, text.size);
  for (bool more = tk_json_enter_object(&json); more; more = tk_json_next_member(&json)) {
    const struct tk_json_string key = tk_json_key(&json);
    if (key.size == 6 && memcmp(key.data, "events", 6) == 0) {
      add_events(reading, &json);
    } else {
      tk_json_skip(&json);
    }
  }
}

/* ---- values ---- */

static void add_whole(struct reading *reading, enum tk_document_kind kind, struct tk_text value,
                      struct tk_text around) {
  const struct tk_text text = around.data ? around : value;
  tk_builder_add_document(reading->builder, kind, text, reading->record->line);
  if (kind == TK_DOCUMENT_TRACE_BUNDLE) add_bundled_events(reading, value);
}

static void take_object(struct reading *reading, struct tk_text around) {
  const char *begin = reading->json.at;
  struct tk_batch_builder *builder = reading->builder;
  struct tk_document_look look = tk_document_look_at(&reading->json);
  if (reading->json.expected) return;
  const struct tk_text value = {begin, (uint32_t)(reading->json.at - begin)};
  if (look.stranger == TK_STRANGER_OTHER && reading->otherwise != TK_DOCUMENT_SPACE &&
      !look.is_span && around.data && !memchr(value.data, '\n', value.size)) {
    look.stranger = TK_STRANGER_NONE;
    look.kind = reading->otherwise;
  }
  if (look.stranger == TK_STRANGER_OTLP) {
    parse_otlp(reading, value);
    return;
  }
  builder->batch->record_count++;
  if (look.stranger == TK_STRANGER_OTHER && tk_sampling_config_probe(value.data, value.size)) {
    tk_builder_add_sampling_config(builder, value, around.data ? around : value,
                                   reading->record->line);
  } else if (look.stranger != TK_STRANGER_NONE) {
    reject(reading, value, look.stranger);
  } else if (tk_document_kind_is_lines(look.kind)) {
    add_event(reading, &look, value, around);
  } else {
    add_whole(reading, look.kind, value, around);
  }
}

static void take_value(struct reading *reading, struct tk_text around);

static void take_array(struct reading *reading, struct tk_text around) {
  static const struct tk_text nothing = {NULL, 0};
  const struct tk_json before = reading->json;
  enum tk_document_kind kind;
  const bool whole = tk_document_look_at_array(&reading->json, &kind);
  if (reading->json.expected) return;
  if (whole) {
    reading->builder->batch->record_count++;
    const uint32_t size = (uint32_t)(reading->json.at - before.at);
    add_whole(reading, kind, (struct tk_text){before.at, size}, around);
    return;
  }
  reading->json = before;
  for (bool more = tk_json_enter_array(&reading->json); more;
       more = tk_json_next_item(&reading->json)) {
    take_value(reading, nothing);
  }
}

static void take_value(struct reading *reading, struct tk_text around) {
  const enum tk_json_type type = tk_json_peek(&reading->json);
  if (type == TK_JSON_OBJECT) {
    take_object(reading, around);
  } else if (type == TK_JSON_ARRAY && reading->depth < NESTING_LIMIT) {
    reading->depth++;
    take_array(reading, around);
    reading->depth--;
  } else {
    const struct tk_text text = tk_json_skip(&reading->json);
    if (reading->json.expected) return;
    reading->builder->batch->record_count++;
    reject(reading, text, TK_STRANGER_OTHER);
  }
}

static void parse_record(struct tk_batch_builder *builder, const struct tk_record *record,
                         enum tk_document_kind otherwise) {
  struct reading reading = {.builder = builder, .record = record, .otherwise = otherwise};
  struct tk_builder_mark mark;
  const struct tk_text around = {record->text, record->size};
  if (builder->out_of_memory) return;
  if (record->kind == TK_RECORD_SPACE) {
    tk_builder_add_document(builder, TK_DOCUMENT_SPACE, around, record->line);
    return;
  }
  builder->place = (struct tk_record_place){.text = record->text,
                                            .size = record->size,
                                            .offset = record->begin_offset,
                                            .line = record->line,
                                            .first_span = builder->spans.count};
  tk_batch_builder_mark(builder, &mark);
  const uint32_t skipped =
      record->size >= 3 && memcmp(record->text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
  tk_json_init(&reading.json, record->text + skipped, record->size - skipped);
  take_value(&reading, around);
  if (!tk_json_at_end(&reading.json)) tk_json_fail(&reading.json, "the end of the record");
  if (!reading.json.expected || builder->out_of_memory) return;
  /* Nothing has been added of a value that is broken, but of those before it in an array. */
  tk_batch_builder_roll_back(builder, &mark);
  builder->batch->record_count++;
  builder->batch->rejected_count++;
  tk_builder_json_issue(builder, &reading.json);
}

void tk_document_json_parse(struct tk_batch_builder *builder, const struct tk_record *record) {
  parse_record(builder, record, TK_DOCUMENT_SPACE);
}

void tk_kvonce_events_parse(struct tk_batch_builder *builder, const struct tk_record *record) {
  parse_record(builder, record, TK_DOCUMENT_KVONCE_EVENTS);
}

void tk_inventory_events_parse(struct tk_batch_builder *builder, const struct tk_record *record) {
  parse_record(builder, record, TK_DOCUMENT_INVENTORY_EVENTS);
}
