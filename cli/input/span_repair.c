/* SPDX-License-Identifier: MIT
 * Ids that are missing are hashes of what the span says, so that the same span gets the same ids in
 * whatever format it comes; ids that are no ids are hashes of their text, so that spans which share
 * one still do, and the text is kept in the residual. */
#include "cli/input/span_repair.h"

#include <string.h>

#include "cli/input/residual_bytes.h"
#include "tracekeep/hash.h"

/* So many spans of one record that say the same and have no ids stay different. */
enum { TWINS_LIMIT = 64 };

/* ---- ids of bytes ---- */

static bool is_zero(const uint8_t *bytes, size_t size) {
  uint8_t any = 0;
  for (size_t i = 0; i < size; i++) any |= bytes[i];
  return any == 0;
}

static bool is_printable(struct tk_text bytes) {
  for (uint32_t i = 0; i < bytes.size; i++) {
    if (bytes.data[i] < ' ' || bytes.data[i] > '~') return false;
  }
  return true;
}

/* Text of which `bytes`, three for every four digits, is what a base64 decoder made. */
static bool undo_base64(struct tk_text bytes, char digits[32]) {
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (uint32_t i = 0; i < bytes.size / 3; i++) {
    const uint8_t *group = (const uint8_t *)bytes.data + (size_t)3 * i;
    const uint32_t bits = (uint32_t)group[0] << 16 | (uint32_t)group[1] << 8 | group[2];
    for (uint32_t j = 0; j < 4; j++) {
      const char digit = alphabet[bits >> (18 - 6 * j) & 63];
      const bool hex = (digit >= '0' && digit <= '9') || (digit >= 'a' && digit <= 'f') ||
                       (digit >= 'A' && digit <= 'F');
      if (!hex) return false;
      digits[4 * i + j] = digit;
    }
  }
  return true;
}

static struct tk_text write_hex(struct tk_batch_builder *builder, struct tk_text bytes) {
  static const char digits[] = "0123456789abcdef";
  const struct tk_text none = {"", 0};
  if (bytes.size > UINT32_MAX / 2) return none;
  char *text = tk_arena_alloc_bytes(&builder->batch->arena, (size_t)bytes.size * 2);
  if (!text) {
    builder->out_of_memory = true;
    return none;
  }
  for (uint32_t i = 0; i < bytes.size; i++) {
    text[2 * (size_t)i] = digits[(uint8_t)bytes.data[i] >> 4];
    text[2 * (size_t)i + 1] = digits[(uint8_t)bytes.data[i] & 15];
  }
  return (struct tk_text){text, bytes.size * 2};
}

/* The text that stands for an id whose number of bytes is wrong. */
static struct tk_id_reading read_odd_bytes(struct tk_batch_builder *builder, struct tk_text bytes) {
  char digits[32];
  if (bytes.size == 0) return (struct tk_id_reading){.text = {"", 0}};
  if ((bytes.size == 24 || bytes.size == 12) && undo_base64(bytes, digits)) {
    return (struct tk_id_reading){.text = tk_builder_copy(builder, digits, bytes.size / 3 * 4),
                                  .form = TK_ID_HEX_AS_BASE64};
  }
  if (bytes.size != 8 && is_printable(bytes)) {
    return (struct tk_id_reading){.text = tk_builder_copy(builder, bytes.data, bytes.size)};
  }
  return (struct tk_id_reading){.text = write_hex(builder, bytes)};
}

struct tk_id_reading tk_read_trace_id_bytes(struct tk_batch_builder *builder, struct tk_text bytes,
                                            uint8_t id[16]) {
  if (bytes.size == 16) {
    memcpy(id, bytes.data, 16);
    return (struct tk_id_reading){.text = bytes, .form = is_zero(id, 16) ? TK_ID_ZERO : 0};
  }
  struct tk_id_reading reading = read_odd_bytes(builder, bytes);
  reading.form |= tk_trace_id_read(reading.text, id);
  reading.bytes = bytes;
  return reading;
}

struct tk_id_reading tk_read_span_id_bytes(struct tk_batch_builder *builder, struct tk_text bytes,
                                           uint8_t id[8]) {
  if (bytes.size == 8) {
    memcpy(id, bytes.data, 8);
    return (struct tk_id_reading){.text = bytes, .form = is_zero(id, 8) ? TK_ID_ZERO : 0};
  }
  struct tk_id_reading reading = read_odd_bytes(builder, bytes);
  reading.form |= tk_span_id_read(reading.text, id);
  reading.bytes = bytes;
  return reading;
}

/* ---- ids that are not as they should be ---- */

static void report_id_form(struct tk_batch_builder *builder, struct tk_text text, uint32_t form,
                           enum tk_rule length_rule) {
  if (form & TK_ID_BASE64) {
    tk_builder_issue(builder, TK_RULE_ID_BASE64, text, "id in base64; decoded");
  }
  if (form & TK_ID_HEX_AS_BASE64) {
    tk_builder_issue(builder, TK_RULE_ID_HEX_AS_BASE64, text,
                     "id of hexadecimal digits that were taken for base64; undone");
  }
  if (form & TK_ID_UPPERCASE) {
    tk_builder_issue(builder, TK_RULE_ID_UPPERCASE, text, "id in upper case");
  }
  if (form & TK_ID_SHORT) {
    tk_builder_issue(builder, TK_RULE_ID_SHORT64, text,
                     "trace id of 64 bits; padded with zeros on the left");
  }
  if (form & TK_ID_PADDED) {
    tk_builder_issue(builder, length_rule, text,
                     "id of %u characters; padded with zeros on the left", (unsigned)text.size);
  }
}

/* ---- ids that are missing ---- */

static void hash_number(struct tk_hash *hash, uint64_t number) {
  uint8_t bytes[8];
  for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(number >> (8 * i));
  tk_hash_update(hash, bytes, sizeof bytes);
}

static void hash_text(struct tk_hash *hash, struct tk_text text) {
  hash_number(hash, text.size);
  if (text.size > 0) tk_hash_update(hash, text.data, text.size);
}

static void hash_list(struct tk_hash *hash, const struct tk_attribute *items, uint32_t count);

/* Recursion is as deep as values nest, which readers limit. */
static void hash_value(struct tk_hash *hash, const struct tk_value *value) {
  uint64_t bits = 0;
  hash_number(hash, value->type);
  switch ((enum tk_value_type)value->type) {
    case TK_VALUE_EMPTY:
      break;
    case TK_VALUE_STRING:
    case TK_VALUE_BYTES:
      hash_text(hash, (struct tk_text){value->as.text, value->size});
      break;
    case TK_VALUE_BOOL:
    case TK_VALUE_INT:
      hash_number(hash, (uint64_t)value->as.integer);
      break;
    case TK_VALUE_DOUBLE:
      memcpy(&bits, &value->as.real, sizeof bits);
      hash_number(hash, bits);
      break;
    case TK_VALUE_ARRAY:
      hash_number(hash, value->size);
      for (uint32_t i = 0; i < value->size; i++) hash_value(hash, &value->as.items[i]);
      break;
    case TK_VALUE_KVLIST:
      hash_list(hash, value->as.members, value->size);
      break;
  }
}

static void hash_list(struct tk_hash *hash, const struct tk_attribute *items, uint32_t count) {
  hash_number(hash, count);
  for (uint32_t i = 0; i < count; i++) {
    hash_text(hash, items[i].key);
    hash_value(hash, &items[i].value);
  }
}

static void hash_attributes(struct tk_hash *hash, const struct tk_attributes *attributes) {
  hash_number(hash, attributes->dropped_count);
  hash_list(hash, attributes->items, attributes->count);
}

/* What the span says, without its ids. */
static void hash_content(struct tk_hash *hash, const struct tk_span *span) {
  hash_text(hash, span->name);
  hash_text(hash, span->trace_state);
  hash_text(hash, span->status_message);
  hash_number(hash, (uint64_t)span->kind);
  hash_number(hash, (uint64_t)span->status_code);
  hash_number(hash, span->flags);
  hash_number(hash, span->start_unix_ns);
  hash_number(hash, span->end_unix_ns);
  hash_number(hash, span->dropped_events_count);
  hash_number(hash, span->dropped_links_count);
  tk_hash_update(hash, span->parent_span_id, sizeof span->parent_span_id);
  hash_attributes(hash, &span->attributes);
  hash_number(hash, span->event_count);
  for (uint32_t i = 0; i < span->event_count; i++) {
    hash_number(hash, span->events[i].time_unix_ns);
    hash_text(hash, span->events[i].name);
    hash_attributes(hash, &span->events[i].attributes);
  }
  hash_number(hash, span->link_count);
  for (uint32_t i = 0; i < span->link_count; i++) {
    const struct tk_link *link = &span->links[i];
    tk_hash_update(hash, link->trace_id, sizeof link->trace_id);
    tk_hash_update(hash, link->span_id, sizeof link->span_id);
    hash_text(hash, link->trace_state);
    hash_number(hash, link->flags);
    hash_attributes(hash, &link->attributes);
  }
}

/* An id of `size` bytes; `occurrence` tells spans apart that say the same. */
static void make_id(const struct tk_hash *content, char role, uint32_t occurrence, uint8_t *id,
                    uint32_t size) {
  struct tk_hash hash = *content;
  for (uint32_t done = 0; done < size; done += 8) {
    hash_number(&hash, (uint64_t)(unsigned char)role << 32 | occurrence);
    const uint64_t digest = tk_hash_digest(&hash);
    for (uint32_t i = 0; i < 8; i++) id[done + i] = (uint8_t)(digest >> (8 * i));
  }
}

/* Whether one of the newest spans of the record has these ids. */
static bool is_taken(const struct tk_batch_builder *builder, const struct tk_span *span) {
  const struct tk_span *spans = (const struct tk_span *)(const void *)builder->spans.data;
  const uint32_t first = builder->place.first_span;
  for (uint32_t i = builder->spans.count; i > first && builder->spans.count - i < TWINS_LIMIT;
       i--) {
    if (memcmp(spans[i - 1].span_id, span->span_id, sizeof span->span_id) == 0 &&
        memcmp(spans[i - 1].trace_id, span->trace_id, sizeof span->trace_id) == 0) {
      return true;
    }
  }
  return false;
}

/* Fills in the ids that are missing. Two spans of one record that say the same stay two. */
static void make_up_ids(const struct tk_batch_builder *builder, struct tk_span *span,
                        bool trace_missing, bool span_missing) {
  struct tk_hash content;
  tk_hash_init(&content);
  hash_content(&content, span);
  if (!trace_missing) tk_hash_update(&content, span->trace_id, sizeof span->trace_id);
  if (!span_missing) tk_hash_update(&content, span->span_id, sizeof span->span_id);
  for (uint32_t occurrence = 0; occurrence < TWINS_LIMIT; occurrence++) {
    if (trace_missing) make_id(&content, 'T', occurrence, span->trace_id, sizeof span->trace_id);
    if (span_missing) make_id(&content, 'S', occurrence, span->span_id, sizeof span->span_id);
    if (!is_taken(builder, span)) break;
  }
}

/* ---- ids that are text ---- */

/* Adds an id that is text to what is kept of the message, as OTLP's own member; or bytes of the
 * wrong length as its own field. */
static void keep_id(struct tk_batch_builder *builder, struct tk_residual *residual,
                    const char *member, uint32_t field, const struct tk_id_reading *reading) {
  struct tk_stack *stack = &builder->residual;
  const uint32_t begin = stack->count;
  const bool as_field = residual->format == TK_RESIDUAL_PROTOBUF || reading->bytes.size > 0;
  tk_builder_push_bytes(builder, residual->data, residual->size);
  if (as_field && reading->bytes.size > 0) {
    tk_builder_push_field(builder, field, reading->bytes.data, reading->bytes.size);
  } else if (as_field) {
    tk_builder_push_field(builder, field, reading->text.data, reading->text.size);
  } else {
    if (residual->size > 0) tk_builder_push_bytes(builder, ",", 1);
    tk_builder_push_bytes(builder, "\"", 1);
    tk_builder_push_bytes(builder, member, strlen(member));
    tk_builder_push_bytes(builder, "\":", 2);
    tk_builder_push_json_string(builder, reading->text);
  }
  const uint32_t size = stack->count - begin;
  residual->data = tk_builder_take(builder, stack, begin, 1);
  residual->size = residual->data ? size : 0;
  residual->format = as_field ? TK_RESIDUAL_PROTOBUF : TK_RESIDUAL_JSON;
}

static void set_issue_ids(struct tk_issue *issue, const struct tk_span *span) {
  if (!issue) return;
  memcpy(issue->trace_id, span->trace_id, sizeof issue->trace_id);
  memcpy(issue->span_id, span->span_id, sizeof issue->span_id);
  issue->has_trace = issue->has_span = 1;
}

static void resolve_trace_id(struct tk_batch_builder *builder, struct tk_span *span,
                             struct tk_id_reading reading) {
  const struct tk_text text = reading.text;
  const uint32_t form = reading.form;
  if (form & (TK_ID_EMPTY | TK_ID_ZERO)) {
    span->presence |= TK_SPAN_SYNTHETIC_TRACE_ID;
    return;
  }
  if (form & TK_ID_TEXT) {
    span->trace_id_text = tk_builder_intern(builder, text.data, text.size);
    span->presence |= TK_SPAN_TEXT_TRACE_ID;
    tk_builder_issue(builder, TK_RULE_TRACE_ID_TEXT, text,
                     "trace id is neither hexadecimal nor base64; kept as text");
  } else if (form & TK_ID_SHORT) {
    span->presence |= TK_SPAN_SHORT_TRACE_ID;
  }
  if (form) report_id_form(builder, text, form, TK_RULE_TRACE_ID_LENGTH);
}

static void resolve_span_id(struct tk_batch_builder *builder, struct tk_span *span,
                            struct tk_id_reading reading) {
  const struct tk_text text = reading.text;
  const uint32_t form = reading.form;
  if (form & (TK_ID_EMPTY | TK_ID_ZERO)) {
    span->presence |= TK_SPAN_SYNTHETIC_SPAN_ID;
  } else if (form & TK_ID_TEXT) {
    /* Made from the text alone, so that parent ids and links of the same text still meet it. */
    span->presence |= TK_SPAN_SYNTHETIC_SPAN_ID;
    keep_id(builder, &span->residual, "spanId", 2, &reading);
    tk_builder_issue(
        builder, TK_RULE_SPAN_ID_LENGTH, text,
        "expected a span id of 16 hexadecimal digits, found `%.*s`; kept under its hash",
        (int)(text.size < 40 ? text.size : 40), text.data);
  } else if (form) {
    report_id_form(builder, text, form, TK_RULE_SPAN_ID_LENGTH);
  }
}

static void resolve_parent_id(struct tk_batch_builder *builder, struct tk_span *span,
                              struct tk_id_reading reading) {
  const struct tk_text text = reading.text;
  const uint32_t form = reading.form;
  if (form & TK_ID_EMPTY) return;
  if (form & TK_ID_ZERO) {
    span->presence |= TK_SPAN_ZERO_PARENT;
    return;
  }
  span->presence |= TK_SPAN_HAS_PARENT;
  if (form & TK_ID_TEXT) {
    keep_id(builder, &span->residual, "parentSpanId", 4, &reading);
    tk_builder_issue(
        builder, TK_RULE_PARENT_ID_LENGTH, text,
        "expected a span id of 16 hexadecimal digits, found `%.*s`; kept under its hash",
        (int)(text.size < 40 ? text.size : 40), text.data);
  } else if (form) {
    report_id_form(builder, text, form, TK_RULE_PARENT_ID_LENGTH);
  }
}

/* Once both ids are known, so that the issue can name the span. */
static void report_made_up_ids(struct tk_batch_builder *builder, const struct tk_span *span,
                               const struct tk_span_ids *ids, struct tk_text raw) {
  if (span->presence & TK_SPAN_SYNTHETIC_TRACE_ID) {
    set_issue_ids(
        tk_builder_issue(builder,
                         ids->trace.text.size ? TK_RULE_TRACE_ID_ZERO : TK_RULE_TRACE_ID_MISSING,
                         raw, "span without a trace id; stored under a made-up one"),
        span);
  }
  if (span->presence & TK_SPAN_SYNTHETIC_SPAN_ID) {
    if (ids->span.form & TK_ID_TEXT) return; /* reported, and made of that text */
    set_issue_ids(tk_builder_issue(
                      builder, ids->span.text.size ? TK_RULE_SPAN_ID_ZERO : TK_RULE_SPAN_ID_MISSING,
                      raw, "span without a span id; stored under a made-up one"),
                  span);
  }
}

/* ---- times ---- */

static void report_span_time(struct tk_batch_builder *builder, const struct tk_span *span,
                             enum tk_rule rule, struct tk_text raw, const char *what) {
  set_issue_ids(tk_builder_issue(builder, rule, raw, "%s (start %llu, end %llu)", what,
                                 (unsigned long long)span->start_unix_ns,
                                 (unsigned long long)span->end_unix_ns),
                span);
}

static void check_times(struct tk_batch_builder *builder, const struct tk_span *span,
                        struct tk_text raw) {
  const uint64_t smallest_plausible_ns = 100000000000000000u; /* 1973; in microseconds, year 5138 */
  if (span->start_unix_ns == 0) {
    report_span_time(builder, span, TK_RULE_TIME_START_ZERO, raw, "span without a start time");
  } else if (span->start_unix_ns < smallest_plausible_ns) {
    report_span_time(builder, span, TK_RULE_TIME_UNIT, raw,
                     "start time looks like seconds, milli- or microseconds; stored as it is");
  }
  if (span->end_unix_ns == 0) {
    report_span_time(builder, span, TK_RULE_TIME_END_ZERO, raw, "span without an end time");
  } else if (span->end_unix_ns < span->start_unix_ns) {
    report_span_time(builder, span, TK_RULE_TIME_END_BEFORE_START, raw,
                     "span ends before it starts; stored as it is");
  }
}

/* ---- spans and links ---- */

void tk_repair_span(struct tk_batch_builder *builder, struct tk_span *span,
                    const struct tk_span_ids *ids, struct tk_text raw) {
  const uint32_t missing = TK_ID_EMPTY | TK_ID_ZERO;
  const bool trace_missing = ids->trace.form & missing;
  const bool span_missing = ids->span.form & missing;
  if (trace_missing || span_missing) make_up_ids(builder, span, trace_missing, span_missing);
  resolve_trace_id(builder, span, ids->trace);
  resolve_span_id(builder, span, ids->span);
  resolve_parent_id(builder, span, ids->parent);
  if (span->presence & (TK_SPAN_SYNTHETIC_TRACE_ID | TK_SPAN_SYNTHETIC_SPAN_ID)) {
    report_made_up_ids(builder, span, ids, raw);
  }
  check_times(builder, span, raw);
}

void tk_repair_link(struct tk_batch_builder *builder, struct tk_link *link,
                    struct tk_id_reading trace, struct tk_id_reading span) {
  if ((trace.form | span.form) & (TK_ID_EMPTY | TK_ID_ZERO)) {
    tk_builder_issue(builder, TK_RULE_LINK_ID_MISSING, trace.text.size ? trace.text : span.text,
                     "a link without a trace id or span id; kept with zeros");
  }
  if (trace.form & TK_ID_TEXT) {
    keep_id(builder, &link->residual, "traceId", 1, &trace);
    tk_builder_issue(builder, TK_RULE_TRACE_ID_TEXT, trace.text,
                     "a link's trace id is neither hexadecimal nor base64; kept under its hash");
  }
  if (span.form & TK_ID_TEXT) {
    keep_id(builder, &link->residual, "spanId", 2, &span);
    tk_builder_issue(builder, TK_RULE_SPAN_ID_LENGTH, span.text,
                     "a link's span id is not 16 hexadecimal digits; kept under its hash");
  }
  if (trace.form) report_id_form(builder, trace.text, trace.form, TK_RULE_TRACE_ID_LENGTH);
  if (span.form) report_id_form(builder, span.text, span.form, TK_RULE_SPAN_ID_LENGTH);
}
