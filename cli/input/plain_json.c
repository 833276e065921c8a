/* SPDX-License-Identifier: MIT
 * What the readers of JSON formats share; see plain_json.h. Times go from decimal digits to
 * nanoseconds by moving the decimal point, never through a double. */
#include "cli/input/plain_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/input/residual_bytes.h"

enum { VALUE_DEPTH_LIMIT = 32, NUMERAL_LIMIT = 80, RECENT_SPANS = 48 };

/* ---- records ---- */

/* What is no such value is taken back and reported; `mark` is how things were before it. */
static void take_marked_value(struct tk_plain *plain, tk_plain_take *take_object, const char *what,
                              bool counted, const struct tk_builder_mark *mark) {
  struct tk_batch_builder *builder = plain->builder;
  const bool is_object = tk_json_peek(&plain->json) == TK_JSON_OBJECT;
  const char *begin = plain->json.at;
  bool known = tk_json_peek(&plain->json) == TK_JSON_NULL;
  plain->mark = mark;
  builder->batch->record_count += counted;
  if (is_object) {
    known = take_object(plain);
  } else {
    tk_json_skip(&plain->json);
  }
  if (known || plain->json.expected) return;
  tk_batch_builder_roll_back(builder, mark);
  builder->batch->record_count += counted;
  builder->batch->rejected_count++;
  tk_builder_issue(builder, TK_RULE_RECORD_UNKNOWN,
                   (struct tk_text){begin, (uint32_t)(plain->json.at - begin)},
                   "expected %s, found other JSON; skipped it", what);
}

/* `record`: how things were before the record, which is true of its first value, too. */
static void take_value(struct tk_plain *plain, tk_plain_take *take_object, const char *what,
                       bool counted, const struct tk_builder_mark *record) {
  const struct tk_batch_builder *builder = plain->builder;
  if (tk_json_peek(&plain->json) == TK_JSON_ARRAY) {
    for (bool more = tk_json_enter_array(&plain->json); more;
         more = tk_json_next_item(&plain->json)) {
      take_value(plain, take_object, what, counted, record);
    }
  } else if (builder->spans.count == record->span_count &&
             builder->issues.count == record->issue_count &&
             builder->batch->record_count == record->record_count &&
             builder->batch->rejected_count == record->rejected_count) {
    take_marked_value(plain, take_object, what, counted, record);
  } else {
    struct tk_builder_mark mark;
    tk_batch_builder_mark(builder, &mark);
    take_marked_value(plain, take_object, what, counted, &mark);
  }
}

/* Members beside the array that holds a document's substance: totals and limits, of no interest. */
static void skip_members(struct tk_plain *plain) {
  while (!tk_json_at_end(&plain->json)) {
    tk_json_key(&plain->json);
    tk_json_skip(&plain->json);
    if (plain->json.expected) return;
    tk_json_skip_space(&plain->json);
    if (*plain->json.at == ',') plain->json.at++;
  }
}

void tk_plain_parse(struct tk_batch_builder *builder, const struct tk_record *record,
                    tk_plain_take *take_object, const char *what) {
  struct tk_builder_mark mark;
  struct tk_plain plain = {.builder = builder};
  if (builder->out_of_memory) return;
  tk_batch_builder_mark(builder, &mark);
  builder->place = (struct tk_record_place){.text = record->text,
                                            .size = record->size,
                                            .offset = record->begin_offset,
                                            .line = record->line,
                                            .first_span = builder->spans.count};
  tk_json_init(&plain.json, record->text, record->size);
  if (record->kind == TK_RECORD_END) {
    builder->batch->record_count++;
  } else if (record->kind == TK_RECORD_MEMBERS) {
    skip_members(&plain);
  } else {
    const bool counted = record->kind == TK_RECORD_WHOLE;
    while (!tk_json_at_end(&plain.json)) take_value(&plain, take_object, what, counted, &mark);
  }
  if (!tk_json_at_end(&plain.json)) tk_json_fail(&plain.json, "the end of the record");
  if (!plain.json.expected || builder->out_of_memory) return;
  tk_batch_builder_roll_back(builder, &mark);
  if (record->kind == TK_RECORD_WHOLE) builder->batch->record_count++;
  builder->batch->rejected_count++;
  tk_builder_json_issue(builder, &plain.json);
}

bool tk_plain_begin_text(struct tk_plain *plain, struct tk_batch_builder *builder,
                         struct tk_text text) {
  char *copy = tk_arena_alloc_bytes(&builder->batch->arena, (size_t)text.size + TK_JSON_PADDING);
  *plain = (struct tk_plain){.builder = builder};
  if (!copy) {
    builder->out_of_memory = true;
    return false;
  }
  memcpy(copy, text.data, text.size);
  memset(copy + text.size, 0, TK_JSON_PADDING);
  tk_json_init(&plain->json, copy, text.size);
  return true;
}

/* ---- scalars ---- */

static int shown(struct tk_text raw) {
  return (int)(raw.size < 40 ? raw.size : 40);
}

void tk_plain_report_type(struct tk_plain *plain, const char *expected, struct tk_text raw) {
  tk_builder_issue(plain->builder, TK_RULE_JSON_TYPE, raw, "expected %s, found `%.*s`", expected,
                   shown(raw), raw.data);
}

static void report_range(struct tk_plain *plain, const char *expected, struct tk_text raw) {
  tk_builder_issue(plain->builder, TK_RULE_JSON_RANGE, raw, "expected %s, found %.*s", expected,
                   shown(raw), raw.data);
}

bool tk_plain_expect(struct tk_plain *plain, enum tk_json_type wanted) {
  const enum tk_json_type type = tk_json_peek(&plain->json);
  if (type == wanted) return true;
  const struct tk_text raw = tk_json_skip(&plain->json);
  if (type != TK_JSON_NULL && raw.size > 0) {
    tk_plain_report_type(plain, wanted == TK_JSON_OBJECT ? "an object" : "an array", raw);
  }
  return false;
}

/* What the parser gives after an error has no address. */
static struct tk_text anchor(struct tk_text text) {
  return text.data ? text : (struct tk_text){"", 0};
}

struct tk_text tk_plain_view(struct tk_plain *plain) {
  const enum tk_json_type type = tk_json_peek(&plain->json);
  if (type != TK_JSON_STRING) {
    const struct tk_text raw = tk_json_skip(&plain->json);
    return type == TK_JSON_NULL ? (struct tk_text){"", 0} : anchor(raw);
  }
  const struct tk_json_string string = tk_json_string(&plain->json);
  return string.escaped ? tk_builder_string(plain->builder, string) : anchor(tk_raw_text(string));
}

struct tk_text tk_plain_text(struct tk_plain *plain) {
  if (tk_json_peek(&plain->json) == TK_JSON_STRING) {
    return tk_builder_string(plain->builder, tk_json_string(&plain->json));
  }
  const struct tk_text raw = tk_plain_view(plain);
  if (raw.size > 0) tk_plain_report_type(plain, "a string", raw);
  return tk_builder_copy(plain->builder, raw.data, raw.size);
}

struct tk_text tk_plain_numeral(struct tk_plain *plain, const char *expected) {
  const enum tk_json_type type = tk_json_peek(&plain->json);
  if (type == TK_JSON_NUMBER) return anchor(tk_json_number(&plain->json));
  if (type == TK_JSON_STRING) {
    const struct tk_json_string string = tk_json_string(&plain->json);
    if (string.size == 0 && !plain->json.expected) {
      tk_plain_report_type(plain, expected, tk_raw_text(string));
    }
    return anchor(tk_raw_text(string));
  }
  const struct tk_text raw = tk_json_skip(&plain->json);
  if (type != TK_JSON_NULL && raw.size > 0) tk_plain_report_type(plain, expected, raw);
  return (struct tk_text){"", 0};
}

static void report_number(struct tk_plain *plain, enum tk_number result, const char *expected,
                          struct tk_text text) {
  switch (result) {
    case TK_NUMBER_OK:
      break;
    case TK_NUMBER_RANGE:
      report_range(plain, expected, text);
      break;
    case TK_NUMBER_FRACTION:
    case TK_NUMBER_SYNTAX:
      tk_plain_report_type(plain, expected, text);
      break;
  }
}

uint32_t tk_plain_uint32(struct tk_plain *plain) {
  static const char expected[] = "an integer from 0 to 4294967295";
  const struct tk_text text = tk_plain_numeral(plain, expected);
  uint64_t value = 0;
  if (text.size == 0) return 0;
  enum tk_number result = tk_parse_uint64(text.data, text.size, &value);
  if (result == TK_NUMBER_OK && value > UINT32_MAX) result = TK_NUMBER_RANGE;
  report_number(plain, result, expected, text);
  return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

bool tk_plain_bool(struct tk_plain *plain) {
  const struct tk_text text = tk_plain_view(plain);
  return tk_text_equals_nocase(text, "true") || tk_text_equals(text, "1");
}

/* An integer of so few digits that nothing overflows, which nearly every time is. */
static bool scale_integer(struct tk_text digits, int power, uint64_t *out) {
  uint64_t value = 0;
  if (digits.size == 0 || power < 0 || digits.size + (unsigned)power > 19) return false;
  for (uint32_t i = 0; i < digits.size; i++) {
    const unsigned digit = (unsigned char)digits.data[i] - (unsigned)'0';
    if (digit > 9) return false;
    value = value * 10 + digit;
  }
  for (; power > 0; power--) value *= 10;
  *out = value;
  return true;
}

enum tk_number tk_scale_decimal(struct tk_text digits, int power, uint64_t *out) {
  char text[NUMERAL_LIMIT + 16];
  uint32_t mantissa = 0;
  long exponent = 0;
  if (scale_integer(digits, power, out)) return TK_NUMBER_OK;
  *out = 0;
  if (digits.size == 0 || digits.size > NUMERAL_LIMIT) return TK_NUMBER_SYNTAX;
  while (mantissa < digits.size && (digits.data[mantissa] | 0x20) != 'e') mantissa++;
  if (mantissa < digits.size) {
    memcpy(text, digits.data, digits.size);
    text[digits.size] = '\0';
    exponent = strtol(text + mantissa + 1, NULL, 10);
    if (exponent < -1000 || exponent > 1000) return TK_NUMBER_SYNTAX;
    /* Whether the number is well-formed must not depend on the unit. */
    const enum tk_number result = tk_parse_uint64(digits.data, digits.size, out);
    if (result == TK_NUMBER_SYNTAX) return result;
  }
  const int size =
      snprintf(text, sizeof text, "%.*se%ld", (int)mantissa, digits.data, exponent + power);
  return tk_parse_uint64(text, (uint32_t)size, out);
}

uint64_t tk_plain_micros(struct tk_plain *plain) {
  static const char expected[] = "a number of microseconds";
  const struct tk_text text = tk_plain_numeral(plain, expected);
  uint64_t value = 0;
  if (text.size == 0) return 0;
  const enum tk_number result = tk_scale_decimal(text, 3, &value);
  if (result == TK_NUMBER_FRACTION) {
    tk_builder_issue(plain->builder, TK_RULE_JSON_FLOAT_TIME, text,
                     "a time with a fraction of a nanosecond; dropped the fraction");
  } else {
    report_number(plain, result, expected, text);
  }
  return value;
}

/* ---- dates ---- */

/* `count` digits at *at, which moves behind them. */
static bool take_digits(const char **at, const char *end, int count, int64_t *out) {
  *out = 0;
  for (int i = 0; i < count; i++, ++*at) {
    if (*at >= end || **at < '0' || **at > '9') return false;
    *out = *out * 10 + (**at - '0');
  }
  return true;
}

static bool take_char(const char **at, const char *end, const char *allowed) {
  if (*at >= end || !strchr(allowed, **at) || **at == '\0') return false;
  ++*at;
  return true;
}

/* Days from 1970-01-01 to a day of the Gregorian calendar; years begin in March. */
static int64_t count_days(int64_t year, int64_t month, int64_t day) {
  const int64_t years = month > 2 ? year : year - 1;
  const int64_t era = years / 400;
  const int64_t year_of_era = years - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
         719468;
}

/* ".123456789": digits beyond nine are dropped. */
static int64_t take_fraction(const char **at, const char *end) {
  int64_t ns = 0;
  int64_t unit = 100000000;
  for (; *at < end && **at >= '0' && **at <= '9'; ++*at, unit /= 10) ns += (**at - '0') * unit;
  return ns;
}

static bool take_zone(const char **at, const char *end, int64_t *seconds) {
  int64_t hours;
  int64_t minutes = 0;
  *seconds = 0;
  while (*at < end && **at == ' ') ++*at;
  if (*at == end) return true;
  if (take_char(at, end, "Zz")) return true;
  const bool west = **at == '-';
  if (!take_char(at, end, "+-") || !take_digits(at, end, 2, &hours)) return false;
  take_char(at, end, ":");
  if (*at < end && !take_digits(at, end, 2, &minutes)) return false;
  *seconds = (hours * 60 + minutes) * (west ? -60 : 60);
  return hours < 24 && minutes < 60;
}

bool tk_parse_rfc3339(struct tk_text text, uint64_t *unix_ns) {
  const char *at = text.data;
  const char *end = text.data + text.size;
  int64_t year, month, day, hour, minute, second, zone;
  int64_t ns = 0;
  *unix_ns = 0;
  if (!take_digits(&at, end, 4, &year) || !take_char(&at, end, "-") ||
      !take_digits(&at, end, 2, &month) || !take_char(&at, end, "-") ||
      !take_digits(&at, end, 2, &day) || !take_char(&at, end, "Tt ") ||
      !take_digits(&at, end, 2, &hour) || !take_char(&at, end, ":") ||
      !take_digits(&at, end, 2, &minute) || !take_char(&at, end, ":") ||
      !take_digits(&at, end, 2, &second)) {
    return false;
  }
  if (take_char(&at, end, ".,")) ns = take_fraction(&at, end);
  if (!take_zone(&at, end, &zone) || at != end) return false;
  if (year < 1970 || year > 2261 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 ||
      minute > 59 || second > 60) {
    return false;
  }
  const int64_t seconds =
      count_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone;
  if (seconds < 0) return false;
  *unix_ns = (uint64_t)seconds * 1000000000u + (uint64_t)ns;
  return true;
}

/* ---- values ---- */

bool tk_text_equals_nocase(struct tk_text text, const char *expected) {
  return text.size == strlen(expected) && strncasecmp(text.data, expected, text.size) == 0;
}

struct tk_value tk_string_value(struct tk_text text) {
  return (struct tk_value){.type = TK_VALUE_STRING, .size = text.size, .as.text = text.data};
}

static struct tk_value copy_as_text(struct tk_plain *plain, struct tk_text raw) {
  return tk_string_value(tk_builder_copy(plain->builder, raw.data, raw.size));
}

static struct tk_value number_value(struct tk_plain *plain) {
  const struct tk_text text = anchor(tk_json_number(&plain->json));
  struct tk_value value = {.type = TK_VALUE_INT};
  bool integer = text.size > 0;
  for (uint32_t i = 0; i < text.size; i++) {
    integer &= text.data[i] != '.' && (text.data[i] | 0x20) != 'e';
  }
  if (integer) {
    if (tk_parse_int64(text.data, text.size, &value.as.integer) == TK_NUMBER_OK) return value;
    report_range(plain, "an integer of 64 bits", text);
    return copy_as_text(plain, text);
  }
  value.type = TK_VALUE_DOUBLE;
  switch (tk_parse_double(text.data, text.size, &value.as.real)) {
    case TK_NUMBER_OK:
    case TK_NUMBER_FRACTION:
      return value;
    case TK_NUMBER_RANGE:
    case TK_NUMBER_SYNTAX:
      break;
  }
  if (!plain->json.expected) report_range(plain, "a number a double can hold", text);
  return copy_as_text(plain, text);
}

static struct tk_value array_value(struct tk_plain *plain) {
  struct tk_stack *stack = &plain->builder->values;
  const uint32_t begin = stack->count;
  struct tk_value array = {.type = TK_VALUE_ARRAY};
  for (bool more = tk_json_enter_array(&plain->json); more;
       more = tk_json_next_item(&plain->json)) {
    const struct tk_value value = tk_plain_value(plain);
    struct tk_value *item = tk_builder_push(plain->builder, stack, sizeof value);
    if (item) *item = value;
  }
  array.size = stack->count - begin;
  array.as.items = tk_builder_take(plain->builder, stack, begin, sizeof(struct tk_value));
  if (!array.as.items) array.size = 0;
  return array;
}

/* Base64 of a "$bytes" member. */
static bool bytes_value(struct tk_plain *plain, struct tk_text text, struct tk_value *value) {
  uint8_t *bytes = tk_arena_alloc(&plain->builder->batch->arena, (size_t)text.size / 4 * 3 + 2);
  if (!bytes) {
    plain->builder->out_of_memory = true;
    return false;
  }
  const int64_t size = tk_base64_decode(text.data, text.size, bytes);
  if (size < 0) return false;
  *value = (struct tk_value){
      .type = TK_VALUE_BYTES, .size = (uint32_t)size, .as.text = (const char *)bytes};
  return true;
}

static bool double_value(struct tk_text text, struct tk_value *value) {
  *value = (struct tk_value){.type = TK_VALUE_DOUBLE};
  if (tk_text_equals(text, "NaN")) {
    value->as.real = (double)NAN;
  } else if (tk_text_equals(text, "Infinity")) {
    value->as.real = HUGE_VAL;
  } else if (tk_text_equals(text, "-Infinity")) {
    value->as.real = -HUGE_VAL;
  } else {
    return false;
  }
  return true;
}

/* The one member of an object that says what a value is; otherwise it is a member like others. */
static bool marked_value(struct tk_plain *plain, const struct tk_attribute *member,
                         struct tk_value *value) {
  const struct tk_text text = {member->value.as.text, member->value.size};
  if (member->value.type != TK_VALUE_STRING) return false;
  if (tk_text_equals(member->key, "$bytes")) return bytes_value(plain, text, value);
  return tk_text_equals(member->key, "$double") && double_value(text, value);
}

/* {"$kvlist":{...}}: a list whose one key would otherwise mean something. */
static bool enter_marked_list(struct tk_plain *plain) {
  struct tk_json look = plain->json;
  if (!tk_json_enter_object(&look)) return false;
  if (!tk_text_equals(tk_raw_text(tk_json_key(&look)), "$kvlist")) return false;
  if (tk_json_peek(&look) != TK_JSON_OBJECT) return false;
  tk_json_skip(&look);
  if (tk_json_next_member(&look) || look.expected) return false;
  tk_json_enter_object(&plain->json);
  tk_json_key(&plain->json);
  return true;
}

static struct tk_value object_value(struct tk_plain *plain) {
  const uint32_t begin = plain->builder->attributes.count;
  const bool marked_list = enter_marked_list(plain);
  tk_plain_push_members(plain);
  if (marked_list) tk_json_next_member(&plain->json);
  const struct tk_attributes members = tk_take_attributes(plain->builder, begin);
  struct tk_value value = {
      .type = TK_VALUE_KVLIST, .size = members.count, .as.members = members.items};
  if (!marked_list && members.count == 1 && members.items[0].key.size > 0 &&
      members.items[0].key.data[0] == '$') {
    struct tk_value marked;
    if (marked_value(plain, &members.items[0], &marked)) return marked;
  }
  return value;
}

struct tk_value tk_plain_value(struct tk_plain *plain) {
  struct tk_value value = {.type = TK_VALUE_BOOL};
  switch (tk_json_peek(&plain->json)) {
    case TK_JSON_STRING:
      return tk_string_value(tk_builder_string(plain->builder, tk_json_string(&plain->json)));
    case TK_JSON_NUMBER:
      return number_value(plain);
    case TK_JSON_TRUE:
    case TK_JSON_FALSE:
      value.as.integer = *plain->json.at == 't';
      tk_json_read_literal(&plain->json);
      return value;
    case TK_JSON_ARRAY:
    case TK_JSON_OBJECT:
      if (plain->value_depth >= VALUE_DEPTH_LIMIT) {
        const struct tk_text raw = tk_json_skip(&plain->json);
        report_range(plain, "lists at most 32 deep", raw);
        return copy_as_text(plain, raw);
      }
      plain->value_depth++;
      value = *plain->json.at == '[' ? array_value(plain) : object_value(plain);
      plain->value_depth--;
      return value;
    case TK_JSON_NULL:
    case TK_JSON_NOTHING:
      break;
  }
  tk_json_skip(&plain->json);
  return (struct tk_value){0};
}

/* ---- attributes ---- */

void tk_push_attribute(struct tk_batch_builder *builder, struct tk_text key,
                       struct tk_value value) {
  struct tk_attribute *item = tk_builder_push(builder, &builder->attributes, sizeof *item);
  if (item) *item = (struct tk_attribute){key, value};
}

void tk_push_text(struct tk_batch_builder *builder, const char *key, struct tk_text text) {
  tk_push_attribute(builder, tk_builder_intern(builder, key, (uint32_t)strlen(key)),
                    tk_string_value(text));
}

struct tk_attributes tk_take_attributes(struct tk_batch_builder *builder, uint32_t begin) {
  struct tk_attributes attributes = {.count = builder->attributes.count - begin};
  attributes.items =
      tk_builder_take(builder, &builder->attributes, begin, sizeof(struct tk_attribute));
  if (!attributes.items) attributes.count = 0;
  return attributes;
}

void tk_plain_push_members(struct tk_plain *plain) {
  if (!tk_plain_expect(plain, TK_JSON_OBJECT)) return;
  for (bool more = tk_json_enter_object(&plain->json); more;
       more = tk_json_next_member(&plain->json)) {
    const struct tk_text key = tk_builder_string(plain->builder, tk_json_key(&plain->json));
    tk_push_attribute(plain->builder, key, tk_plain_value(plain));
  }
}

struct tk_attributes tk_plain_attributes(struct tk_plain *plain) {
  const uint32_t begin = plain->builder->attributes.count;
  tk_plain_push_members(plain);
  return tk_take_attributes(plain->builder, begin);
}

const struct tk_attribute *tk_find_attribute(const struct tk_attribute *items, uint32_t count,
                                             const char *key) {
  for (uint32_t i = 0; i < count; i++) {
    if (tk_text_equals(items[i].key, key)) return &items[i];
  }
  return NULL;
}

/* ---- resources and scopes ---- */

const struct tk_resource tk_no_resource = {.absent = 1};
const struct tk_scope tk_no_scope = {.absent = 1};

static bool same_text(struct tk_text a, struct tk_text b) {
  return a.size == b.size &&
         (a.size == 0 || a.data == b.data || memcmp(a.data, b.data, a.size) == 0);
}

/* Lists count as different unless they are the same memory: they are rare here. */
static bool same_value(struct tk_value a, struct tk_value b) {
  if (a.type != b.type || a.size != b.size) return false;
  if (a.type == TK_VALUE_STRING || a.type == TK_VALUE_BYTES) {
    return same_text((struct tk_text){a.as.text, a.size}, (struct tk_text){b.as.text, b.size});
  }
  return a.type == TK_VALUE_EMPTY || memcmp(&a.as, &b.as, sizeof a.as) == 0;
}

static bool same_attributes(const struct tk_attributes *a, const struct tk_attributes *b) {
  if (a->count != b->count || a->dropped_count != b->dropped_count) return false;
  for (uint32_t i = 0; i < a->count; i++) {
    if (!same_text(a->items[i].key, b->items[i].key) ||
        !same_value(a->items[i].value, b->items[i].value)) {
      return false;
    }
  }
  return true;
}

static bool same_residual(const struct tk_residual *a, const struct tk_residual *b) {
  return a->format == b->format &&
         same_text((struct tk_text){a->data, a->size}, (struct tk_text){b->data, b->size});
}

static bool same_resource(const struct tk_resource *a, const struct tk_resource *b) {
  return a->absent == b->absent && same_attributes(&a->attributes, &b->attributes) &&
         same_text(a->schema_url, b->schema_url) && same_residual(&a->residual, &b->residual) &&
         same_residual(&a->outer_residual, &b->outer_residual);
}

static bool same_scope(const struct tk_scope *a, const struct tk_scope *b) {
  return a->absent == b->absent && same_text(a->name, b->name) &&
         same_text(a->version, b->version) && same_attributes(&a->attributes, &b->attributes) &&
         same_text(a->schema_url, b->schema_url) && same_residual(&a->residual, &b->residual) &&
         same_residual(&a->outer_residual, &b->outer_residual);
}

/* The newest spans, oldest of them last. */
static const struct tk_span *recent_span(const struct tk_batch_builder *builder, uint32_t back) {
  const uint32_t count = builder->spans.count;
  if (back >= count || back >= RECENT_SPANS) return NULL;
  return (const struct tk_span *)(const void *)builder->spans.data + (count - 1 - back);
}

static void *copy_into_arena(struct tk_batch_builder *builder, const void *object, size_t size) {
  void *copy = tk_arena_alloc(&builder->batch->arena, size);
  if (copy) {
    memcpy(copy, object, size);
  } else {
    builder->out_of_memory = true;
  }
  return copy;
}

const struct tk_resource *tk_find_resource(const struct tk_batch_builder *builder,
                                           const struct tk_resource *resource) {
  const struct tk_span *span;
  const struct tk_resource *last = NULL;
  for (uint32_t back = 0; (span = recent_span(builder, back)); back++) {
    if (span->resource != last && same_resource(span->resource, resource)) return span->resource;
    last = span->resource;
  }
  return NULL;
}

const struct tk_resource *tk_share_resource(struct tk_batch_builder *builder,
                                            const struct tk_resource *resource) {
  const struct tk_resource *known = tk_find_resource(builder, resource);
  return known ? known : copy_into_arena(builder, resource, sizeof *resource);
}

const struct tk_scope *tk_share_scope(struct tk_batch_builder *builder,
                                      const struct tk_scope *scope) {
  const struct tk_span *span;
  const struct tk_scope *last = NULL;
  for (uint32_t back = 0; (span = recent_span(builder, back)); back++) {
    if (span->scope != last && same_scope(span->scope, scope)) return span->scope;
    last = span->scope;
  }
  return copy_into_arena(builder, scope, sizeof *scope);
}

/* ---- residual members ---- */

void tk_push_residual_key(struct tk_batch_builder *builder, uint32_t begin, const char *key) {
  if (builder->residual.count > begin) tk_builder_push_bytes(builder, ",", 1);
  tk_builder_push_bytes(builder, "\"", 1);
  tk_builder_push_bytes(builder, key, strlen(key));
  tk_builder_push_bytes(builder, "\":", 2);
}

void tk_push_residual_string(struct tk_batch_builder *builder, uint32_t begin, const char *key,
                             struct tk_text text) {
  tk_push_residual_key(builder, begin, key);
  tk_builder_push_json_string(builder, text);
}

/* JSON without the white space between its tokens: what goes into lines must have no line ends. */
void tk_push_residual_json(struct tk_batch_builder *builder, struct tk_text json) {
  bool quoted = false;
  uint32_t begin = 0;
  for (uint32_t i = 0; i < json.size; i++) {
    const unsigned char byte = (unsigned char)json.data[i];
    if (byte == '"') {
      quoted = !quoted;
    } else if (quoted && byte == '\\') {
      i++;
    } else if (!quoted && byte <= ' ') {
      tk_builder_push_bytes(builder, json.data + begin, i - begin);
      begin = i + 1;
    }
  }
  tk_builder_push_bytes(builder, json.data + begin, json.size - begin);
}

void tk_push_residual_member(struct tk_batch_builder *builder, uint32_t begin,
                             struct tk_json_string key, struct tk_text raw) {
  if (builder->residual.count > begin) tk_builder_push_bytes(builder, ",", 1);
  tk_builder_push_bytes(builder, "\"", 1);
  tk_builder_push_bytes(builder, key.data, key.size);
  tk_builder_push_bytes(builder, "\":", 2);
  tk_push_residual_json(builder, raw);
}

struct tk_residual tk_take_residual(struct tk_batch_builder *builder, uint32_t begin,
                                    const char *format) {
  const uint32_t size = builder->residual.count - begin;
  const size_t name_size = strlen(format);
  struct tk_residual residual = {0};
  builder->residual.count = begin;
  if (size == 0) return residual;
  char *data = tk_arena_alloc_bytes(&builder->batch->arena, size + name_size + 5);
  if (!data) {
    builder->out_of_memory = true;
    return residual;
  }
  char *at = data;
  *at++ = '"';
  at = mempcpy(at, format, name_size);
  at = mempcpy(at, "\":{", 3);
  at = mempcpy(at, builder->residual.data + begin, size);
  *at++ = '}';
  residual = (struct tk_residual){data, (uint32_t)(at - data), TK_RESIDUAL_JSON};
  return residual;
}

/* ---- spans ---- */

void tk_plain_read_ids(const struct tk_plain_ids *ids, struct tk_span *span,
                       struct tk_span_ids *readings) {
  *readings = (struct tk_span_ids){
      .trace = {.text = ids->trace, .form = tk_trace_id_read(ids->trace, span->trace_id)},
      .span = {.text = ids->span, .form = tk_span_id_read(ids->span, span->span_id)},
      .parent = {.text = ids->parent, .form = tk_span_id_read(ids->parent, span->parent_span_id)},
  };
}

void tk_plain_add_span(struct tk_plain *plain, struct tk_span *span,
                       const struct tk_span_ids *readings, struct tk_text raw) {
  struct tk_batch_builder *builder = plain->builder;
  if (plain->json.expected || builder->out_of_memory) {
    if (builder->out_of_memory) tk_json_fail(&plain->json, "memory");
    return;
  }
  tk_repair_span(builder, span, readings, raw);
  struct tk_span *item = tk_builder_push(builder, &builder->spans, sizeof *span);
  if (item) *item = *span;
  if (builder->out_of_memory) tk_json_fail(&plain->json, "memory");
}

void tk_plain_link_ids(struct tk_plain *plain, struct tk_link *link, struct tk_text trace,
                       struct tk_text span) {
  const struct tk_id_reading trace_reading = {.text = trace,
                                              .form = tk_trace_id_read(trace, link->trace_id)};
  const struct tk_id_reading span_reading = {.text = span,
                                             .form = tk_span_id_read(span, link->span_id)};
  tk_repair_link(plain->builder, link, trace_reading, span_reading);
}

/* ---- events and links ---- */

void tk_plain_events(struct tk_plain *plain, struct tk_span *span, tk_plain_read_event *read,
                     void *context) {
  struct tk_stack *stack = &plain->builder->events;
  const uint32_t begin = stack->count;
  if (!tk_plain_expect(plain, TK_JSON_ARRAY)) return;
  for (bool more = tk_json_enter_array(&plain->json); more;
       more = tk_json_next_item(&plain->json)) {
    if (!tk_plain_expect(plain, TK_JSON_OBJECT)) continue;
    const struct tk_event event = read(plain, context);
    struct tk_event *item = tk_builder_push(plain->builder, stack, sizeof event);
    if (item) *item = event;
  }
  span->event_count = stack->count - begin;
  span->events = tk_builder_take(plain->builder, stack, begin, sizeof(struct tk_event));
}

void tk_plain_links(struct tk_plain *plain, struct tk_span *span, tk_plain_read_link *read) {
  struct tk_stack *stack = &plain->builder->links;
  const uint32_t begin = stack->count;
  if (!tk_plain_expect(plain, TK_JSON_ARRAY)) return;
  for (bool more = tk_json_enter_array(&plain->json); more;
       more = tk_json_next_item(&plain->json)) {
    struct tk_link link = {.trace_state.data = ""};
    struct tk_plain_ids ids = {{"", 0}, {"", 0}, {"", 0}};
    if (!tk_plain_expect(plain, TK_JSON_OBJECT)) continue;
    read(plain, &link, &ids);
    if (plain->json.expected) return;
    tk_plain_link_ids(plain, &link, ids.trace, ids.span);
    struct tk_link *item = tk_builder_push(plain->builder, stack, sizeof link);
    if (item) *item = link;
  }
  span->link_count = stack->count - begin;
  span->links = tk_builder_take(plain->builder, stack, begin, sizeof(struct tk_link));
}
