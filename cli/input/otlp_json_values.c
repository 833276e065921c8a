/* SPDX-License-Identifier: MIT
 * Scalars and attribute values of OTLP/JSON. A value of another type than its field wants is
 * reported, and kept in the nearest form that has room for it. */
#include <math.h>
#include <string.h>

#include "cli/input/otlp_json_parser.h"

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

/* ---- scalars ---- */

void tk_otlp_json_report_type(struct tk_otlp_json_parser *parser, const char *expected,
                              struct tk_text raw) {
  tk_builder_issue(parser->builder, TK_RULE_JSON_TYPE, raw, "expected %s, found `%.*s`", expected,
                   (int)(raw.size < 40 ? raw.size : 40), raw.data);
}

static void report_range(struct tk_otlp_json_parser *parser, const char *expected,
                         struct tk_text raw) {
  tk_builder_issue(parser->builder, TK_RULE_JSON_RANGE, raw, "expected %s, found %.*s", expected,
                   (int)(raw.size < 40 ? raw.size : 40), raw.data);
}

/* Takes a value that should be an object or array of the given type; false: it was something else,
 * has been skipped, and if it was not null, reported. */
bool tk_otlp_json_expect(struct tk_otlp_json_parser *parser, enum tk_json_type wanted) {
  const enum tk_json_type type = tk_json_peek(&parser->json);
  if (type == wanted) return true;
  const struct tk_text raw = tk_json_skip(&parser->json);
  if (type != TK_JSON_NULL && raw.size > 0) {
    tk_otlp_json_report_type(parser, wanted == TK_JSON_OBJECT ? "an object" : "an array", raw);
  }
  return false;
}

/* Text of a number, or of a string that should hold one. Size 0: null, or reported. */
static struct tk_text read_numeral(struct tk_otlp_json_parser *parser, const char *expected) {
  const enum tk_json_type type = tk_json_peek(&parser->json);
  if (type == TK_JSON_NUMBER) return tk_json_number(&parser->json);
  if (type == TK_JSON_STRING) {
    const struct tk_json_string string = tk_json_string(&parser->json);
    if (string.size == 0 && !parser->json.expected)
      tk_otlp_json_report_type(parser, expected, tk_otlp_json_raw(string));
    return tk_otlp_json_raw(string);
  }
  const struct tk_text raw = tk_json_skip(&parser->json);
  if (type != TK_JSON_NULL && raw.size > 0) tk_otlp_json_report_type(parser, expected, raw);
  return (struct tk_text){0};
}

static uint64_t read_uint64(struct tk_otlp_json_parser *parser, const char *expected,
                            uint64_t limit) {
  const struct tk_text text = read_numeral(parser, expected);
  uint64_t value = 0;
  if (text.size == 0) return 0;
  const enum tk_number result = tk_parse_uint64(text.data, text.size, &value);
  if (result == TK_NUMBER_SYNTAX || result == TK_NUMBER_FRACTION) {
    tk_otlp_json_report_type(parser, expected, text);
  } else if (result == TK_NUMBER_RANGE || value > limit) {
    report_range(parser, expected, text);
  }
  return value > limit ? limit : value;
}

uint32_t tk_otlp_json_read_uint32(struct tk_otlp_json_parser *parser) {
  return (uint32_t)read_uint64(parser, "an integer from 0 to 4294967295", UINT32_MAX);
}

uint64_t tk_otlp_json_read_time(struct tk_otlp_json_parser *parser) {
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
      tk_otlp_json_report_type(parser, expected, text);
      break;
  }
  return value;
}

struct tk_text tk_otlp_json_read_text(struct tk_otlp_json_parser *parser) {
  const enum tk_json_type type = tk_json_peek(&parser->json);
  if (type == TK_JSON_STRING) {
    return tk_builder_string(parser->builder, tk_json_string(&parser->json));
  }
  const struct tk_text raw = tk_json_skip(&parser->json);
  if (type == TK_JSON_NULL || raw.size == 0) return (struct tk_text){"", 0};
  tk_otlp_json_report_type(parser, "a string", raw);
  return tk_builder_copy(parser->builder, raw.data, raw.size);
}

/* As read_text, but a view of the input where possible: ids are decoded, not kept. */
struct tk_text tk_otlp_json_read_id(struct tk_otlp_json_parser *parser) {
  if (tk_json_peek(&parser->json) != TK_JSON_STRING) return tk_otlp_json_read_text(parser);
  const struct tk_json_string string = tk_json_string(&parser->json);
  return string.escaped ? tk_builder_string(parser->builder, string) : tk_otlp_json_raw(string);
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

static int32_t read_enum(struct tk_otlp_json_parser *parser, const struct enum_names *names) {
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
    tk_otlp_json_report_type(parser, names->what, text);
  } else if (result == TK_NUMBER_RANGE || value < INT32_MIN || value > INT32_MAX) {
    report_range(parser, names->what, text);
    return 0;
  }
  return (int32_t)value;
}

int32_t tk_otlp_json_read_kind(struct tk_otlp_json_parser *parser) {
  return read_enum(parser, &kind_enum);
}

int32_t tk_otlp_json_read_status_code(struct tk_otlp_json_parser *parser) {
  return read_enum(parser, &status_enum);
}

/* ---- attribute values ---- */

static struct tk_value parse_any_value(struct tk_otlp_json_parser *parser);

/* Takes a member that OTLP does not have of the attribute or value at hand. */
static void keep_inner(struct tk_otlp_json_parser *parser, enum tk_path_end end,
                       struct tk_json_string key) {
  char path[TK_VALUE_PATH_TEXT];
  const uint32_t size = tk_value_path_write(&parser->path, end, path);
  tk_otlp_json_keep_inner(parser, path, size, key);
}

static struct tk_value string_value(struct tk_text text) {
  return (struct tk_value){.type = TK_VALUE_STRING, .size = text.size, .as.text = text.data};
}

static struct tk_value real_value(double real) {
  return (struct tk_value){.type = TK_VALUE_DOUBLE, .as.real = real};
}

/* A value that its own type has no room for is kept as its text. */
static struct tk_value numeral_as_text(struct tk_otlp_json_parser *parser, struct tk_text text) {
  return string_value(tk_builder_copy(parser->builder, text.data, text.size));
}

static struct tk_value parse_int(struct tk_otlp_json_parser *parser) {
  struct tk_value value = {.type = TK_VALUE_INT};
  const struct tk_text text = read_numeral(parser, "an integer");
  if (text.size == 0) return (struct tk_value){0};
  switch (tk_parse_int64(text.data, text.size, &value.as.integer)) {
    case TK_NUMBER_OK:
      return value;
    case TK_NUMBER_FRACTION:
      tk_otlp_json_report_type(parser, "an integer", text);
      value.type = TK_VALUE_DOUBLE;
      tk_parse_double(text.data, text.size, &value.as.real);
      return value;
    case TK_NUMBER_RANGE:
      report_range(parser, "an integer of 64 bits", text);
      break;
    case TK_NUMBER_SYNTAX:
      tk_otlp_json_report_type(parser, "an integer", text);
      break;
  }
  return numeral_as_text(parser, text);
}

static struct tk_value parse_double(struct tk_otlp_json_parser *parser) {
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
      tk_otlp_json_report_type(parser, "a number", text);
      break;
  }
  return numeral_as_text(parser, text);
}

static struct tk_value parse_bool(struct tk_otlp_json_parser *parser) {
  struct tk_value value = {.type = TK_VALUE_BOOL};
  const enum tk_json_type type = tk_json_peek(&parser->json);
  const struct tk_text raw = tk_json_skip(&parser->json);
  if (type == TK_JSON_NULL || parser->json.expected) return (struct tk_value){0};
  value.as.integer = type == TK_JSON_TRUE;
  if (type == TK_JSON_TRUE || type == TK_JSON_FALSE) return value;
  if (raw.size == 6 && memcmp(raw.data, "\"true\"", 6) == 0) {
    value.as.integer = 1;
  } else if (raw.size != 7 || memcmp(raw.data, "\"false\"", 7) != 0) {
    tk_otlp_json_report_type(parser, "true or false", raw);
    return numeral_as_text(parser, raw);
  }
  return value;
}

static struct tk_value parse_bytes(struct tk_otlp_json_parser *parser) {
  if (tk_json_peek(&parser->json) != TK_JSON_STRING) {
    const struct tk_text text = tk_otlp_json_read_text(parser);
    return text.size ? string_value(text) : (struct tk_value){0};
  }
  const struct tk_json_string string = tk_json_string(&parser->json);
  struct tk_text text = tk_otlp_json_raw(string);
  /* "\/" is the one escape that occurs in base64. */
  if (string.escaped) text = tk_builder_string(parser->builder, string);
  uint8_t *bytes = tk_arena_alloc(&parser->builder->batch->arena, (size_t)text.size / 4 * 3 + 2);
  if (!bytes) {
    parser->builder->out_of_memory = true;
    return (struct tk_value){0};
  }
  const int64_t size = tk_base64_decode(text.data, text.size, bytes);
  if (size < 0) {
    tk_otlp_json_report_type(parser, "base64", text);
    return numeral_as_text(parser, text);
  }
  return (struct tk_value){
      .type = TK_VALUE_BYTES, .size = (uint32_t)size, .as.text = (const char *)bytes};
}

/* An item of an array, or member of a list, that should be an object. */
static struct tk_value parse_array_items(struct tk_otlp_json_parser *parser) {
  struct tk_stack *stack = &parser->builder->values;
  const uint32_t begin = stack->count;
  struct tk_value array = {.type = TK_VALUE_ARRAY};
  if (!tk_otlp_json_expect(parser, TK_JSON_ARRAY)) return array;
  tk_value_path_enter(&parser->path, TK_PATH_ITEM);
  for (bool more = tk_json_enter_array(&parser->json); more;
       more = tk_json_next_item(&parser->json)) {
    tk_value_path_at(&parser->path, stack->count - begin);
    const struct tk_value value = parse_any_value(parser);
    struct tk_value *item = tk_builder_push(parser->builder, stack, sizeof value);
    if (item) *item = value;
  }
  tk_value_path_leave(&parser->path);
  array.size = stack->count - begin;
  array.as.items = tk_builder_take(parser->builder, stack, begin, sizeof(struct tk_value));
  return array;
}

static struct tk_attribute parse_key_value(struct tk_otlp_json_parser *parser, uint32_t list);

/* `list`: see tk_builder_key; 0: repeated keys are of no interest. */
static struct tk_attributes parse_key_values(struct tk_otlp_json_parser *parser, uint32_t list) {
  struct tk_stack *stack = &parser->builder->attributes;
  const uint32_t begin = stack->count;
  struct tk_attributes attributes = {0};
  if (!tk_otlp_json_expect(parser, TK_JSON_ARRAY)) return attributes;
  tk_value_path_enter(&parser->path, list ? TK_PATH_ATTRIBUTE : TK_PATH_MEMBER);
  for (bool more = tk_json_enter_array(&parser->json); more;
       more = tk_json_next_item(&parser->json)) {
    if (!tk_otlp_json_expect(parser, TK_JSON_OBJECT)) continue;
    tk_value_path_at(&parser->path, stack->count - begin);
    const struct tk_attribute attribute = parse_key_value(parser, list);
    struct tk_attribute *item = tk_builder_push(parser->builder, stack, sizeof attribute);
    if (item) *item = attribute;
  }
  tk_value_path_leave(&parser->path);
  attributes.count = stack->count - begin;
  attributes.items = tk_builder_take(parser->builder, stack, begin, sizeof(struct tk_attribute));
  return attributes;
}

struct tk_attributes tk_otlp_json_attributes(struct tk_otlp_json_parser *parser,
                                             uint32_t dropped_count) {
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
static struct tk_value parse_list(struct tk_otlp_json_parser *parser, enum tk_otlp_field field) {
  struct tk_value list = {.type = field == TK_OTLP_ARRAY ? TK_VALUE_ARRAY : TK_VALUE_KVLIST};
  if (tk_json_peek(&parser->json) == TK_JSON_NULL) {
    tk_json_skip(&parser->json);
    return (struct tk_value){0};
  }
  if (!tk_otlp_json_expect(parser, TK_JSON_OBJECT)) return list;
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    if (tk_otlp_json_find_field(parser, TK_KEYS_LIST, key) != TK_OTLP_VALUES) {
      keep_inner(parser, field == TK_OTLP_ARRAY ? TK_PATH_AT_ARRAY : TK_PATH_AT_KVLIST, key);
    } else if (field == TK_OTLP_ARRAY) {
      list = parse_array_items(parser);
    } else {
      list = kvlist_value(parse_key_values(parser, 0));
    }
  }
  return list;
}

/* Plain JSON where an AnyValue belongs. */
static struct tk_value parse_plain_value(struct tk_otlp_json_parser *parser,
                                         enum tk_json_type type) {
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
    tk_otlp_json_report_type(parser, "an object that names the value's type",
                             (struct tk_text){begin, (uint32_t)(parser->json.at - begin)});
  }
  return value;
}

/* Takes the member of an AnyValue whose key was `field`. */
static struct tk_value parse_value_member(struct tk_otlp_json_parser *parser,
                                          enum tk_otlp_field field) {
  switch ((int)field) {
    case TK_OTLP_STRING:
      if (tk_json_peek(&parser->json) == TK_JSON_NULL) break;
      return string_value(tk_otlp_json_read_text(parser));
    case TK_OTLP_INT:
      return parse_int(parser);
    case TK_OTLP_BOOL:
      return parse_bool(parser);
    case TK_OTLP_DOUBLE:
      return parse_double(parser);
    case TK_OTLP_ARRAY:
    case TK_OTLP_KVLIST:
      return parse_list(parser, field);
    case TK_OTLP_BYTES:
      return parse_bytes(parser);
    default:
      break;
  }
  tk_json_skip(&parser->json);
  return (struct tk_value){0};
}

static struct tk_value parse_any_value(struct tk_otlp_json_parser *parser) {
  struct tk_value value = {0};
  const enum tk_json_type type = tk_json_peek(&parser->json);
  if (type != TK_JSON_OBJECT) return parse_plain_value(parser, type);
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    const enum tk_otlp_field field = tk_otlp_json_find_field(parser, TK_KEYS_ANY_VALUE, key);
    if (field == TK_OTLP_UNKNOWN) {
      keep_inner(parser, TK_PATH_AT_VALUE, key);
      continue;
    }
    const struct tk_value member = parse_value_member(parser, field);
    /* null is the same as not there, so it must not undo an earlier member. */
    if (member.type != TK_VALUE_EMPTY) value = member;
  }
  return value;
}

static struct tk_text parse_key(struct tk_otlp_json_parser *parser, uint32_t list) {
  bool repeated;
  if (tk_json_peek(&parser->json) != TK_JSON_STRING || list == 0)
    return tk_otlp_json_read_text(parser);
  const struct tk_json_string key = tk_json_string(&parser->json);
  const struct tk_text text = tk_builder_key(parser->builder, key, list, &repeated);
  if (repeated) {
    tk_builder_issue(parser->builder, TK_RULE_ATTR_DUPLICATE_KEY, tk_otlp_json_raw(key),
                     "the key `%.*s` occurs twice in one list of attributes; kept both",
                     (int)(text.size < 80 ? text.size : 80), text.data);
  }
  return text;
}

static struct tk_attribute parse_key_value(struct tk_otlp_json_parser *parser, uint32_t list) {
  struct tk_attribute attribute = {.key.data = ""};
  const char *begin = parser->json.at;
  for (bool more = tk_json_enter_object(&parser->json); more;
       more = tk_json_next_member(&parser->json)) {
    const struct tk_json_string key = tk_json_key(&parser->json);
    switch ((int)tk_otlp_json_find_field(parser, TK_KEYS_KEY_VALUE, key)) {
      case TK_OTLP_KEY:
        attribute.key = parse_key(parser, list);
        break;
      case TK_OTLP_VALUE:
        attribute.value = parse_any_value(parser);
        break;
      default:
        keep_inner(parser, TK_PATH_AT_KEY_VALUE, key);
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
