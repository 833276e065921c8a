/* SPDX-License-Identifier: MIT
 * Parses OTTL conditions by recursive descent. See policy_ottl.h.
 *
 *   or := and ("or" and)*             sum     := product (("+" | "-") product)*
 *   and := not ("and" not)*           product := atom (("*" | "/") atom)*
 *   not := "not"? comparison          atom    := literal | path | converter | "(" or ")"
 *   comparison := sum (op sum)?
 * A parenthesis may hold a condition or a value, so both are read by the same rules and what is
 * wanted is checked afterwards. */
#include "sqlext/sampling/policy_ottl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sqlext/functions/time_text.h"
#include "store/sqlite_api.h"
#include "tracekeep/json.h"

enum { DEPTH_LIMIT = 64, NODE_LIMIT = 1000, SIZE_LIMIT = 16384, ARGUMENTS = 4, WORD_LIMIT = 64 };

struct parser {
  struct tk_text text;
  uint32_t at;
  enum tk_ottl_context context;
  struct tk_expression_pool *pool;
  struct tk_error *error;
  enum tk_status status;
  uint32_t depth, node_count;
};

static struct tk_expression *parse_or(struct parser *parser);

/* ---- failing ---- */

static void *fail_at(struct parser *parser, uint32_t at, enum tk_status status, const char *format,
                     ...) TK_PRINTF(4, 5);

static void *fail_at(struct parser *parser, uint32_t at, enum tk_status status, const char *format,
                     ...) {
  char message[300];
  va_list arguments;
  if (parser->status != TK_OK) return NULL;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  parser->status =
      tk_fail(parser->error, status, "OTTL, character %u: %s", (unsigned)at + 1, message);
  return NULL;
}

static void *out_of_memory(struct parser *parser) {
  if (parser->status == TK_OK) parser->status = tk_nomem(parser->error);
  return NULL;
}

static void *expected(struct parser *parser, const char *what) {
  const uint32_t left = parser->text.size - parser->at;
  if (left == 0) return fail_at(parser, parser->at, TK_INVALID, "expected %s, found the end", what);
  return fail_at(parser, parser->at, TK_INVALID, "expected %s, found '%.*s'", what,
                 (int)(left < 16 ? left : 16), parser->text.data + parser->at);
}

/* ---- letters ---- */

static char peek(const struct parser *parser, uint32_t ahead) {
  const uint64_t at = (uint64_t)parser->at + ahead;
  return at < parser->text.size ? parser->text.data[at] : 0;
}

static void skip_space(struct parser *parser) {
  while (peek(parser, 0) == ' ' || peek(parser, 0) == '\t' || peek(parser, 0) == '\n' ||
         peek(parser, 0) == '\r') {
    parser->at++;
  }
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c);
}

static bool take(struct parser *parser, const char *token) {
  const size_t size = strlen(token);
  skip_space(parser);
  if (parser->text.size - parser->at < size ||
      memcmp(parser->text.data + parser->at, token, size) != 0) {
    return false;
  }
  if (is_word(token[0]) && is_word(peek(parser, (uint32_t)size))) return false;
  parser->at += (uint32_t)size;
  return true;
}

static bool need(struct parser *parser, const char *token) {
  char what[16];
  if (take(parser, token)) return true;
  snprintf(what, sizeof what, "'%s'", token);
  expected(parser, what);
  return false;
}

/* Letters, digits and underscores; false: none. */
static bool take_word(struct parser *parser, char word[WORD_LIMIT]) {
  uint32_t size = 0;
  skip_space(parser);
  if (!is_word(peek(parser, 0)) || is_digit(peek(parser, 0))) return false;
  while (is_word(peek(parser, size)) && size < WORD_LIMIT - 1) {
    word[size] = peek(parser, size);
    size++;
  }
  word[size] = 0;
  parser->at += size;
  return true;
}

/* ---- nodes ---- */

static struct tk_expression *new_node(struct parser *parser, enum tk_node node) {
  if (++parser->node_count > NODE_LIMIT) { /* evaluation recurses into them */
    return fail_at(parser, parser->at, TK_UNSUPPORTED, "more than %d parts", NODE_LIMIT);
  }
  struct tk_expression *made = tk_expression_new(parser->pool, node);
  return made ? made : out_of_memory(parser);
}

static struct tk_expression *new_literal(struct parser *parser, struct tk_value value) {
  struct tk_expression *made = new_node(parser, TK_NODE_LITERAL);
  if (made) made->literal = value;
  if (made) made->is_condition = value.type == TK_VALUE_BOOL;
  return made;
}

static bool set_children(struct parser *parser, struct tk_expression *parent,
                         struct tk_expression *const *children, uint32_t count) {
  const struct tk_expression **copy =
      tk_arena_alloc(&parser->pool->arena, count * sizeof(void *) + 1);
  if (!copy) {
    out_of_memory(parser);
    return false;
  }
  for (uint32_t i = 0; i < count; i++) copy[i] = children[i];
  parent->children = copy;
  parent->child_count = count;
  return true;
}

static struct tk_expression *combine(struct parser *parser, enum tk_node node, int op,
                                     struct tk_expression *a, struct tk_expression *b) {
  struct tk_expression *children[2] = {a, b};
  struct tk_expression *made = a ? new_node(parser, node) : NULL;
  if (!made || !set_children(parser, made, children, b ? 2 : 1)) return NULL;
  made->op = op;
  made->is_condition = node != TK_NODE_ARITHMETIC && node != TK_NODE_INDEX;
  return made;
}

/* ---- literals ---- */

static uint32_t put_utf8(char *out, uint32_t rune) {
  if (rune < 0x80) {
    out[0] = (char)rune;
    return 1;
  }
  if (rune < 0x800) {
    out[0] = (char)(0xC0 | rune >> 6);
    out[1] = (char)(0x80 | (rune & 63));
    return 2;
  }
  if (rune < 0x10000) {
    out[0] = (char)(0xE0 | rune >> 12);
    out[1] = (char)(0x80 | (rune >> 6 & 63));
    out[2] = (char)(0x80 | (rune & 63));
    return 3;
  }
  out[0] = (char)(0xF0 | rune >> 18);
  out[1] = (char)(0x80 | (rune >> 12 & 63));
  out[2] = (char)(0x80 | (rune >> 6 & 63));
  out[3] = (char)(0x80 | (rune & 63));
  return 4;
}

/* Behind a backslash; how many bytes it is, 0: no such escape. Never more than were read. */
static uint32_t take_escape(struct parser *parser, char *out) {
  static const char letters[] = "abfnrtv\\\"'", values[] = "\a\b\f\n\r\t\v\\\"'";
  const char c = peek(parser, 0);
  const char *found = c ? strchr(letters, c) : NULL;
  const int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  uint32_t rune = 0;
  if (found) {
    parser->at++;
    out[0] = values[found - letters];
    return 1;
  }
  if (digits == 0) return 0;
  for (int i = 1; i <= digits; i++) {
    const int digit = tk_hex_digit(peek(parser, (uint32_t)i));
    if (digit < 0) return 0;
    rune = rune << 4 | (uint32_t)digit;
  }
  if (rune > 0x10FFFF || (c != 'x' && rune >= 0xD800 && rune < 0xE000)) return 0;
  parser->at += 1 + (uint32_t)digits;
  if (c != 'x') return put_utf8(out, rune);
  out[0] = (char)rune;
  return 1;
}

/* At the quote. */
static bool take_string(struct parser *parser, struct tk_text *text_out) {
  const uint32_t begin = parser->at++;
  char *text = tk_arena_alloc_bytes(&parser->pool->arena, parser->text.size - begin);
  uint32_t size = 0;
  if (!text) {
    out_of_memory(parser);
    return false;
  }
  while (parser->at < parser->text.size && peek(parser, 0) != '"') {
    if (peek(parser, 0) != '\\') {
      text[size++] = peek(parser, 0);
      parser->at++;
      continue;
    }
    parser->at++;
    const uint32_t got = take_escape(parser, text + size);
    if (got == 0) {
      fail_at(parser, parser->at, TK_INVALID, "no such escape in a text");
      return false;
    }
    size += got;
  }
  if (parser->at >= parser->text.size) {
    fail_at(parser, begin, TK_INVALID, "the text does not end");
    return false;
  }
  parser->at++;
  text[size] = 0;
  *text_out = (struct tk_text){text, size};
  return true;
}

static struct tk_expression *parse_bytes(struct parser *parser) {
  const uint32_t begin = parser->at;
  uint32_t digits = 0;
  while (tk_hex_digit(peek(parser, 2 + digits)) >= 0) digits++;
  char *bytes = tk_arena_alloc_bytes(&parser->pool->arena, digits / 2 + 1);
  if (!bytes) return out_of_memory(parser);
  if (digits == 0 || digits % 2 != 0) {
    return fail_at(parser, begin, TK_INVALID, "expected pairs of hexadecimal digits behind 0x");
  }
  for (uint32_t i = 0; i < digits / 2; i++) {
    bytes[i] =
        (char)(tk_hex_digit(peek(parser, 2 + 2 * i)) << 4 | tk_hex_digit(peek(parser, 3 + 2 * i)));
  }
  parser->at += 2 + digits;
  return new_literal(
      parser, (struct tk_value){.type = TK_VALUE_BYTES, .size = digits / 2, .as.text = bytes});
}

static struct tk_expression *parse_number(struct parser *parser) {
  const uint32_t begin = parser->at;
  bool is_real = false;
  struct tk_value value = {.type = TK_VALUE_INT};
  if (peek(parser, 0) == '0' && peek(parser, 1) == 'x') return parse_bytes(parser);
  if (peek(parser, 0) == '-' || peek(parser, 0) == '+') parser->at++;
  while (is_digit(peek(parser, 0)) || peek(parser, 0) == '.') {
    is_real |= peek(parser, 0) == '.';
    parser->at++;
  }
  if (peek(parser, 0) == 'e' || peek(parser, 0) == 'E') {
    is_real = true;
    parser->at++;
    if (peek(parser, 0) == '-' || peek(parser, 0) == '+') parser->at++;
    while (is_digit(peek(parser, 0))) parser->at++;
  }
  const uint32_t sign = parser->text.data[begin] == '+';
  const char *text = parser->text.data + begin + sign;
  const uint32_t size = parser->at - begin - sign;
  enum tk_number found;
  if (is_real) {
    value.type = TK_VALUE_DOUBLE;
    found = tk_parse_double(text, size, &value.as.real);
  } else {
    found = tk_parse_int64(text, size, &value.as.integer);
  }
  if (found != TK_NUMBER_OK) {
    return fail_at(parser, begin, TK_INVALID, "'%.*s' is not a number here", (int)size, text);
  }
  return new_literal(parser, value);
}

static struct tk_expression *parse_enum(struct parser *parser, uint32_t begin, const char *word) {
  static const struct {
    const char *name;
    int64_t value;
  } names[] = {{"SPAN_KIND_UNSPECIFIED", 0}, {"SPAN_KIND_INTERNAL", 1}, {"SPAN_KIND_SERVER", 2},
               {"SPAN_KIND_CLIENT", 3},      {"SPAN_KIND_PRODUCER", 4}, {"SPAN_KIND_CONSUMER", 5},
               {"STATUS_CODE_UNSET", 0},     {"STATUS_CODE_OK", 1},     {"STATUS_CODE_ERROR", 2}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(names[i].name, word) == 0) {
      return new_literal(parser,
                         (struct tk_value){.type = TK_VALUE_INT, .as.integer = names[i].value});
    }
  }
  return fail_at(parser, begin, TK_INVALID, "no enum is called %s", word);
}

/* ---- paths ---- */

enum path_form {
  PATH_PLAIN,
  PATH_KEYED,    /* ["key"] is needed */
  PATH_MEMBER,   /* ["key"] is allowed: a member of tracestate */
  PATH_CONVERTED /* the field, through a function */
};

struct path {
  const char *name;
  enum tk_field field;
  enum path_form form;
  enum tk_function function;
};

static const struct path span_paths[] = {
    {"name", TK_FIELD_NAME, PATH_PLAIN, 0},
    {"kind", TK_FIELD_KIND, PATH_PLAIN, 0},
    {"kind.string", TK_FIELD_KIND, PATH_CONVERTED, TK_CALL_KIND_NAME},
    {"kind.deprecated_string", TK_FIELD_KIND, PATH_CONVERTED, TK_CALL_KIND_OLD_NAME},
    {"status.code", TK_FIELD_STATUS_CODE, PATH_PLAIN, 0},
    {"status.message", TK_FIELD_STATUS_MESSAGE, PATH_PLAIN, 0},
    {"start_time_unix_nano", TK_FIELD_START, PATH_PLAIN, 0},
    {"end_time_unix_nano", TK_FIELD_END, PATH_PLAIN, 0},
    {"start_time", TK_FIELD_START, PATH_CONVERTED, TK_CALL_TO_TIME},
    {"end_time", TK_FIELD_END, PATH_CONVERTED, TK_CALL_TO_TIME},
    {"trace_id", TK_FIELD_TRACE_ID, PATH_PLAIN, 0},
    {"trace_id.string", TK_FIELD_TRACE_ID, PATH_CONVERTED, TK_CALL_HEX},
    {"span_id", TK_FIELD_SPAN_ID, PATH_PLAIN, 0},
    {"span_id.string", TK_FIELD_SPAN_ID, PATH_CONVERTED, TK_CALL_HEX},
    {"parent_span_id", TK_FIELD_PARENT_ID, PATH_PLAIN, 0},
    {"parent_span_id.string", TK_FIELD_PARENT_ID, PATH_CONVERTED, TK_CALL_HEX},
    {"trace_state", TK_FIELD_TRACE_STATE, PATH_MEMBER, 0},
    {"flags", TK_FIELD_FLAGS, PATH_PLAIN, 0},
    {"dropped_attributes_count", TK_FIELD_DROPPED_ATTRIBUTES, PATH_PLAIN, 0},
    {"dropped_events_count", TK_FIELD_DROPPED_EVENTS, PATH_PLAIN, 0},
    {"dropped_links_count", TK_FIELD_DROPPED_LINKS, PATH_PLAIN, 0},
    {"attributes", TK_FIELD_ATTRIBUTE, PATH_KEYED, 0},
};

static const struct path event_paths[] = {
    {"name", TK_FIELD_EVENT_NAME, PATH_PLAIN, 0},
    {"time_unix_nano", TK_FIELD_EVENT_TIME, PATH_PLAIN, 0},
    {"time", TK_FIELD_EVENT_TIME, PATH_CONVERTED, TK_CALL_TO_TIME},
    {"event_index", TK_FIELD_EVENT_INDEX, PATH_PLAIN, 0},
    {"dropped_attributes_count", TK_FIELD_EVENT_DROPPED_ATTRIBUTES, PATH_PLAIN, 0},
    {"attributes", TK_FIELD_EVENT_ATTRIBUTE, PATH_KEYED, 0},
};

static const struct path outer_paths[] = {
    {"resource.attributes", TK_FIELD_RESOURCE_ATTRIBUTE, PATH_KEYED, 0},
    {"instrumentation_scope.attributes", TK_FIELD_SCOPE_ATTRIBUTE, PATH_KEYED, 0},
    {"instrumentation_scope.name", TK_FIELD_SCOPE_NAME, PATH_PLAIN, 0},
    {"instrumentation_scope.version", TK_FIELD_SCOPE_VERSION, PATH_PLAIN, 0},
    {"scope.attributes", TK_FIELD_SCOPE_ATTRIBUTE, PATH_KEYED, 0},
    {"scope.name", TK_FIELD_SCOPE_NAME, PATH_PLAIN, 0},
    {"scope.version", TK_FIELD_SCOPE_VERSION, PATH_PLAIN, 0},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct path *find_in(const struct path *paths, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(paths[i].name, name) == 0) return &paths[i];
  }
  return NULL;
}

static const struct path *find_path(const struct parser *parser, const char *name) {
  const struct path *found = find_in(outer_paths, COUNT(outer_paths), name);
  if (found) return found;
  if (parser->context == TK_OTTL_SPAN_EVENT) {
    if (strncmp(name, "spanevent.", 10) == 0) {
      return find_in(event_paths, COUNT(event_paths), name + 10);
    }
    if ((found = find_in(event_paths, COUNT(event_paths), name)) != NULL) return found;
    return strncmp(name, "span.", 5) == 0 ? find_in(span_paths, COUNT(span_paths), name + 5) : NULL;
  }
  return find_in(span_paths, COUNT(span_paths), strncmp(name, "span.", 5) == 0 ? name + 5 : name);
}

/* `["key"]` or `[0]`, as a literal. */
static struct tk_expression *parse_index(struct parser *parser) {
  struct tk_text key;
  struct tk_expression *index = NULL;
  skip_space(parser);
  if (peek(parser, 0) == '"') {
    if (!take_string(parser, &key)) return NULL;
    index = new_literal(
        parser, (struct tk_value){.type = TK_VALUE_STRING, .size = key.size, .as.text = key.data});
  } else if (is_digit(peek(parser, 0))) {
    index = parse_number(parser);
    if (index && index->literal.type != TK_VALUE_INT) {
      return fail_at(parser, parser->at, TK_INVALID, "expected a whole number as index");
    }
  } else {
    return fail_at(parser, parser->at, TK_UNSUPPORTED,
                   "an index that is neither a text nor a number is not supported");
  }
  return index && need(parser, "]") ? index : NULL;
}

static struct tk_expression *call_of(struct parser *parser, enum tk_function function,
                                     struct tk_expression *a, struct tk_expression *b) {
  struct tk_expression *made = combine(parser, TK_NODE_CALL, (int)function, a, b);
  if (made) made->is_condition = false;
  return made;
}

/* What stands behind a path: keys, which lead into lists and maps. */
static struct tk_expression *parse_path_end(struct parser *parser, const struct path *path,
                                            uint32_t begin) {
  struct tk_text none = {"", 0};
  struct tk_expression *made = NULL, *index;
  bool has_key = take(parser, "[");
  if (path->form == PATH_KEYED) {
    if (!has_key) {
      return fail_at(parser, begin, TK_UNSUPPORTED, "%s without a key in brackets is not supported",
                     path->name);
    }
    if ((index = parse_index(parser)) == NULL) return NULL;
    if (index->literal.type != TK_VALUE_STRING) {
      return fail_at(parser, begin, TK_INVALID, "expected a text as key of %s", path->name);
    }
    made = tk_expression_field(parser->pool, path->field,
                               (struct tk_text){index->literal.as.text, index->literal.size});
    if (!made) return out_of_memory(parser);
    while (made && take(parser, "[")) {
      if ((index = parse_index(parser)) == NULL) return NULL;
      made = combine(parser, TK_NODE_INDEX, 0, made, index);
    }
    return made;
  }
  made = tk_expression_field(parser->pool, path->field, none);
  if (!made) return out_of_memory(parser);
  if (path->form == PATH_CONVERTED && !has_key) return call_of(parser, path->function, made, NULL);
  if (has_key && path->form == PATH_MEMBER) {
    if ((index = parse_index(parser)) == NULL) return NULL;
    if (index->literal.type == TK_VALUE_STRING) {
      return call_of(parser, TK_CALL_TRACE_STATE_MEMBER, made, index);
    }
  }
  return has_key ? fail_at(parser, begin, TK_INVALID, "%s has no keys", path->name) : made;
}

static struct tk_expression *parse_path(struct parser *parser, uint32_t begin, const char *first) {
  char name[2 * WORD_LIMIT], word[WORD_LIMIT];
  size_t size = strlen(first);
  memcpy(name, first, size + 1);
  while (peek(parser, 0) == '.') {
    parser->at++;
    if (!take_word(parser, word)) return expected(parser, "a name behind the point");
    const size_t more = strlen(word);
    if (size + more + 2 > sizeof name) {
      return fail_at(parser, begin, TK_UNSUPPORTED, "the path %s... is not supported", name);
    }
    name[size++] = '.';
    memcpy(name + size, word, more + 1);
    size += more;
  }
  const struct path *path = find_path(parser, name);
  if (!path) return fail_at(parser, begin, TK_UNSUPPORTED, "the path %s is not supported", name);
  return parse_path_end(parser, path, begin);
}

/* ---- converters ---- */

struct converter {
  const char *name;
  enum tk_function function;
  uint32_t arguments;
  bool is_condition;
};

static const struct converter converters[] = {
    {"IsMatch", TK_CALL_IS_MATCH, 2, true},
    {"IsString", TK_CALL_IS_STRING, 1, true},
    {"IsInt", TK_CALL_IS_INT, 1, true},
    {"IsDouble", TK_CALL_IS_DOUBLE, 1, true},
    {"IsBool", TK_CALL_IS_BOOL, 1, true},
    {"IsMap", TK_CALL_IS_MAP, 1, true},
    {"IsList", TK_CALL_IS_LIST, 1, true},
    {"IsRootSpan", TK_CALL_IS_ROOT_SPAN, 0, true},
    {"HasPrefix", TK_CALL_HAS_PREFIX, 2, true},
    {"HasSuffix", TK_CALL_HAS_SUFFIX, 2, true},
    {"Len", TK_CALL_LEN, 1, false},
    {"ToLowerCase", TK_CALL_LOWER, 1, false},
    {"ToUpperCase", TK_CALL_UPPER, 1, false},
    {"Int", TK_CALL_INT, 1, false},
    {"Double", TK_CALL_DOUBLE, 1, false},
    {"String", TK_CALL_STRING, 1, false},
    {"Nanoseconds", TK_CALL_NANOSECONDS, 1, false},
    {"Microseconds", TK_CALL_MICROSECONDS, 1, false},
    {"Milliseconds", TK_CALL_MILLISECONDS, 1, false},
    {"Seconds", TK_CALL_SECONDS, 1, false},
    {"Minutes", TK_CALL_MINUTES, 1, false},
    {"Hours", TK_CALL_HOURS, 1, false},
};

static bool parse_arguments(struct parser *parser, const char *name, uint32_t wanted,
                            struct tk_expression *arguments[ARGUMENTS]) {
  uint32_t count = 0;
  if (take(parser, ")")) {
    if (wanted == 0) return true;
    fail_at(parser, parser->at - 1, TK_INVALID, "%s takes %u arguments, found none", name,
            (unsigned)wanted);
    return false;
  }
  do {
    if (count == ARGUMENTS - 1) break;
    if ((arguments[count++] = parse_or(parser)) == NULL) return false;
  } while (take(parser, ","));
  if (parser->status == TK_OK && count != wanted) {
    fail_at(parser, parser->at, TK_INVALID, "%s takes %u arguments, found %s%u", name,
            (unsigned)wanted, count == ARGUMENTS - 1 ? "at least " : "", (unsigned)count);
  }
  return parser->status == TK_OK && need(parser, ")");
}

static struct tk_expression *parse_duration(struct parser *parser, uint32_t begin) {
  struct tk_expression *arguments[ARGUMENTS] = {0};
  struct tk_value value = {.type = TK_VALUE_DURATION};
  if (!parse_arguments(parser, "Duration", 1, arguments)) return NULL;
  const struct tk_value *text = &arguments[0]->literal;
  if (arguments[0]->node != TK_NODE_LITERAL || text->type != TK_VALUE_STRING) {
    return fail_at(parser, begin, TK_UNSUPPORTED,
                   "Duration of anything but a text is not "
                   "supported");
  }
  if (tk_duration_parse((struct tk_text){text->as.text, text->size}, &value.as.integer, NULL) !=
      TK_OK) {
    return fail_at(parser, begin, TK_INVALID, "\"%.*s\" is not a duration such as \"1.5s\"",
                   (int)(text->size < 40 ? text->size : 40), text->as.text);
  }
  return new_literal(parser, value);
}

/* TraceID(0x...), SpanID(0x...): the bytes, of the right number. */
static struct tk_expression *parse_id(struct parser *parser, uint32_t begin, const char *name,
                                      uint32_t size) {
  struct tk_expression *arguments[ARGUMENTS] = {0};
  if (!parse_arguments(parser, name, 1, arguments)) return NULL;
  if (arguments[0]->node != TK_NODE_LITERAL || arguments[0]->literal.type != TK_VALUE_BYTES ||
      arguments[0]->literal.size != size) {
    return fail_at(parser, begin, TK_INVALID, "%s takes %u bytes, written 0x...", name,
                   (unsigned)size);
  }
  return arguments[0];
}

static struct tk_expression *parse_match(struct parser *parser, struct tk_expression *made,
                                         uint32_t begin) {
  const struct tk_value *pattern = &made->children[1]->literal;
  struct tk_error error = {{0}};
  if (made->children[1]->node != TK_NODE_LITERAL || pattern->type != TK_VALUE_STRING) {
    return fail_at(parser, begin, TK_UNSUPPORTED,
                   "IsMatch with a pattern that is not a text is not supported");
  }
  const enum tk_status status = tk_expression_regex(
      parser->pool, (struct tk_text){pattern->as.text, pattern->size}, &made->regex, &error);
  if (status == TK_NOMEM) return out_of_memory(parser);
  return status == TK_OK ? made : fail_at(parser, begin, status, "%s", error.message);
}

static struct tk_expression *parse_converter(struct parser *parser, uint32_t begin,
                                             const char *name) {
  struct tk_expression *arguments[ARGUMENTS] = {0}, *made;
  if (strcmp(name, "Duration") == 0) return parse_duration(parser, begin);
  if (strcmp(name, "TraceID") == 0) return parse_id(parser, begin, name, 16);
  if (strcmp(name, "SpanID") == 0) return parse_id(parser, begin, name, 8);
  for (size_t i = 0; i < COUNT(converters); i++) {
    const struct converter *converter = &converters[i];
    if (strcmp(converter->name, name) != 0) continue;
    if (converter->function == TK_CALL_IS_ROOT_SPAN && parser->context != TK_OTTL_SPAN) break;
    if (!parse_arguments(parser, name, converter->arguments, arguments)) return NULL;
    uint32_t count = converter->arguments;
    if (converter->function == TK_CALL_IS_ROOT_SPAN) {
      arguments[0] = tk_expression_field(parser->pool, TK_FIELD_PARENT_ID, (struct tk_text){"", 0});
      if (!arguments[0]) return out_of_memory(parser);
      count = 1;
    }
    if ((made = new_node(parser, TK_NODE_CALL)) == NULL) return NULL;
    if (!set_children(parser, made, arguments, count)) return NULL;
    made->op = (int)converter->function;
    made->is_condition = converter->is_condition;
    return converter->function == TK_CALL_IS_MATCH ? parse_match(parser, made, begin) : made;
  }
  return fail_at(parser, begin, TK_UNSUPPORTED, "the function %s is not supported", name);
}

/* ---- expressions ---- */

static struct tk_expression *parse_word(struct parser *parser) {
  char word[WORD_LIMIT];
  const uint32_t begin = parser->at;
  if (!take_word(parser, word)) return expected(parser, "a value");
  if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0) {
    return new_literal(parser,
                       (struct tk_value){.type = TK_VALUE_BOOL, .as.integer = word[0] == 't'});
  }
  if (strcmp(word, "nil") == 0) {
    return new_literal(parser, (struct tk_value){.type = TK_VALUE_EMPTY});
  }
  if (word[0] >= 'A' && word[0] <= 'Z') {
    if (take(parser, "(")) return parse_converter(parser, begin, word);
    return parse_enum(parser, begin, word);
  }
  return parse_path(parser, begin, word);
}

static struct tk_expression *parse_atom(struct parser *parser) {
  struct tk_text text;
  skip_space(parser);
  const char c = peek(parser, 0);
  if (c == '"') {
    if (!take_string(parser, &text)) return NULL;
    return new_literal(
        parser,
        (struct tk_value){.type = TK_VALUE_STRING, .size = text.size, .as.text = text.data});
  }
  if (c == '(') {
    parser->at++;
    struct tk_expression *inner = parse_or(parser);
    return inner && need(parser, ")") ? inner : NULL;
  }
  if (c == '[') return fail_at(parser, parser->at, TK_UNSUPPORTED, "a list is not supported");
  if (c == '{') return fail_at(parser, parser->at, TK_UNSUPPORTED, "a map is not supported");
  if (is_digit(c) || ((c == '-' || c == '+' || c == '.') && is_digit(peek(parser, 1)))) {
    return parse_number(parser);
  }
  return parse_word(parser);
}

/* A value where arithmetic or comparison needs one. */
static bool check_value(struct parser *parser, const struct tk_expression *expression,
                        uint32_t at) {
  if (!expression) return false;
  if (expression->node == TK_NODE_AND || expression->node == TK_NODE_OR ||
      expression->node == TK_NODE_NOT || expression->node == TK_NODE_COMPARE) {
    fail_at(parser, at, TK_INVALID, "expected a value, found a condition");
    return false;
  }
  return true;
}

static struct tk_expression *parse_product(struct parser *parser) {
  const uint32_t begin = parser->at;
  struct tk_expression *left = parse_atom(parser);
  while (left && parser->status == TK_OK) {
    const char op = take(parser, "*") ? '*' : take(parser, "/") ? '/' : 0;
    if (!op) break;
    const uint32_t at = parser->at;
    struct tk_expression *right = parse_atom(parser);
    if (!check_value(parser, left, begin) || !check_value(parser, right, at)) return NULL;
    left = combine(parser, TK_NODE_ARITHMETIC, op, left, right);
  }
  return left;
}

static struct tk_expression *parse_sum(struct parser *parser) {
  const uint32_t begin = parser->at;
  struct tk_expression *left = parse_product(parser);
  while (left && parser->status == TK_OK) {
    const char op = take(parser, "+") ? '+' : take(parser, "-") ? '-' : 0;
    if (!op) break;
    const uint32_t at = parser->at;
    struct tk_expression *right = parse_product(parser);
    if (!check_value(parser, left, begin) || !check_value(parser, right, at)) return NULL;
    left = combine(parser, TK_NODE_ARITHMETIC, op, left, right);
  }
  return left;
}

static struct tk_expression *parse_comparison(struct parser *parser) {
  static const struct {
    const char *token;
    enum tk_comparison op;
  } ops[] = {{"==", TK_EQ}, {"!=", TK_NE}, {"<=", TK_LE},
             {">=", TK_GE}, {"<", TK_LT},  {">", TK_GT}};
  const uint32_t begin = parser->at;
  struct tk_expression *left = parse_sum(parser);
  for (size_t i = 0; left && i < COUNT(ops); i++) {
    if (!take(parser, ops[i].token)) continue;
    const uint32_t at = parser->at;
    struct tk_expression *right = parse_sum(parser);
    if (!check_value(parser, left, begin) || !check_value(parser, right, at)) return NULL;
    return combine(parser, TK_NODE_COMPARE, (int)ops[i].op, left, right);
  }
  return left;
}

static bool check_condition(struct parser *parser, const struct tk_expression *expression,
                            uint32_t at) {
  if (!expression) return false;
  if (expression->is_condition) return true;
  fail_at(parser, at, TK_INVALID, "expected a condition, found a value");
  return false;
}

static struct tk_expression *parse_not(struct parser *parser) {
  skip_space(parser);
  const uint32_t begin = parser->at;
  if (!take(parser, "not")) return parse_comparison(parser);
  struct tk_expression *inner = parse_comparison(parser);
  if (!check_condition(parser, inner, begin)) return NULL;
  return combine(parser, TK_NODE_NOT, 0, inner, NULL);
}

static struct tk_expression *parse_and(struct parser *parser) {
  skip_space(parser);
  const uint32_t begin = parser->at;
  struct tk_expression *left = parse_not(parser);
  while (left && take(parser, "and")) {
    skip_space(parser);
    const uint32_t at = parser->at;
    struct tk_expression *right = parse_not(parser);
    if (!check_condition(parser, left, begin) || !check_condition(parser, right, at)) return NULL;
    left = combine(parser, TK_NODE_AND, 0, left, right);
  }
  return left;
}

static struct tk_expression *parse_or(struct parser *parser) {
  if (parser->depth >= DEPTH_LIMIT) {
    return fail_at(parser, parser->at, TK_UNSUPPORTED, "nested more than %d deep", DEPTH_LIMIT);
  }
  parser->depth++;
  skip_space(parser);
  const uint32_t begin = parser->at;
  struct tk_expression *left = parse_and(parser);
  while (left && take(parser, "or")) {
    skip_space(parser);
    const uint32_t at = parser->at;
    struct tk_expression *right = parse_and(parser);
    if (!check_condition(parser, left, begin) || !check_condition(parser, right, at)) return NULL;
    left = combine(parser, TK_NODE_OR, 0, left, right);
  }
  parser->depth--;
  return left;
}

enum tk_status tk_ottl_parse(struct tk_text text, enum tk_ottl_context context,
                             struct tk_expression_pool *pool,
                             const struct tk_expression **expression_out, struct tk_error *error) {
  struct parser parser = {.text = text, .context = context, .pool = pool, .error = error};
  *expression_out = NULL;
  if (text.size > SIZE_LIMIT) {
    return tk_fail(error, TK_UNSUPPORTED, "OTTL: longer than %d bytes", SIZE_LIMIT);
  }
  skip_space(&parser);
  const uint32_t begin = parser.at;
  const struct tk_expression *made = parse_or(&parser);
  skip_space(&parser);
  if (made && parser.at < text.size) expected(&parser, "and, or, or the end");
  if (made && parser.status == TK_OK) check_condition(&parser, made, begin);
  if (parser.status == TK_OK && !made) out_of_memory(&parser);
  if (parser.status == TK_OK) *expression_out = made;
  return parser.status;
}
