/* SPDX-License-Identifier: MIT
 * One recursive pass, each kind of value a function that writes as it reads. Nobody promises what
 * util.inspect prints, so whatever is not understood becomes a string rather than an error, as long
 * as brackets and quotes fit together. */
#include "cli/input/js_inspect.h"
#include "tracekeep/json.h"

#include <stdio.h>
#include <string.h>

enum { DEPTH_LIMIT = 64 };

struct inspect {
  struct tk_batch_builder *builder;
  const char *at, *end;
  struct tk_js_fault fault;
  uint32_t depth;
};

static void push(struct inspect *inspect, const char *bytes, size_t size) {
  tk_builder_push_bytes(inspect->builder, bytes, size);
}

static bool fail(struct inspect *inspect, const char *expected) {
  if (!inspect->fault.expected) {
    inspect->fault.expected = expected;
    inspect->fault.at = inspect->at;
  }
  return false;
}

static char peek(const struct inspect *inspect) {
  return inspect->at < inspect->end ? *inspect->at : '\0';
}

static void skip_space(struct inspect *inspect) {
  while (inspect->at < inspect->end && strchr(" \t\r\n", *inspect->at) && *inspect->at) {
    inspect->at++;
  }
}

static bool is_word(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
         byte == '$' || (byte >= '0' && byte <= '9') || (unsigned char)byte >= 0x80;
}

/* ---- strings ---- */

/* Takes `count` hexadecimal digits if they are there. */
static bool take_hex(struct inspect *inspect, int count, unsigned *value) {
  *value = 0;
  if (inspect->end - inspect->at < count) return false;
  for (int i = 0; i < count; i++) {
    if (tk_hex_digit(inspect->at[i]) < 0) return false;
    *value = *value << 4 | (unsigned)tk_hex_digit(inspect->at[i]);
  }
  inspect->at += count;
  return true;
}

static void push_code(struct inspect *inspect, unsigned code) {
  char escape[8];
  snprintf(escape, sizeof escape, "\\u%04x", code & 0xFFFF);
  push(inspect, escape, 6);
}

/* Behind a backslash. */
static void convert_escape(struct inspect *inspect) {
  static const char letters[] = "bfnrt";
  unsigned code;
  const char letter = *inspect->at++;
  if (letter == 'x' && take_hex(inspect, 2, &code)) {
    push_code(inspect, code);
  } else if (letter == 'u' && take_hex(inspect, 4, &code)) {
    push_code(inspect, code);
  } else if (letter == 'v') {
    push_code(inspect, 11);
  } else if (strchr(letters, letter) && letter) {
    const char escape[2] = {'\\', letter};
    push(inspect, escape, 2);
  } else if (letter == '"' || letter == '\\') {
    const char escape[2] = {'\\', letter};
    push(inspect, escape, 2);
  } else if ((unsigned char)letter < ' ') {
    push_code(inspect, (unsigned char)letter);
  } else {
    push(inspect, &letter, 1);
  }
}

/* The characters of a quoted string, without quotes on either side. */
static bool convert_quoted(struct inspect *inspect) {
  const char quote = *inspect->at++;
  for (;;) {
    const char *begin = inspect->at;
    while (inspect->at < inspect->end && *inspect->at != quote && *inspect->at != '\\' &&
           *inspect->at != '"' && (unsigned char)*inspect->at >= ' ') {
      inspect->at++;
    }
    push(inspect, begin, (size_t)(inspect->at - begin));
    if (inspect->at == inspect->end) return fail(inspect, "the closing quote of a string");
    const char byte = *inspect->at++;
    if (byte == quote) return true;
    if (byte == '"') {
      push(inspect, "\\\"", 2);
    } else if (byte != '\\') {
      push_code(inspect, (unsigned char)byte);
    } else if (inspect->at == inspect->end) {
      return fail(inspect, "the closing quote of a string");
    } else {
      convert_escape(inspect);
    }
  }
}

/* 'one line\n' + 'the next' is one string. */
static bool convert_string(struct inspect *inspect) {
  push(inspect, "\"", 1);
  for (;;) {
    if (!convert_quoted(inspect)) return false;
    const char *behind = inspect->at;
    skip_space(inspect);
    if (peek(inspect) == '+') {
      inspect->at++;
      skip_space(inspect);
      if (strchr("'\"`", peek(inspect)) && peek(inspect)) continue;
    }
    inspect->at = behind;
    break;
  }
  push(inspect, "\"", 1);
  return true;
}

static void push_as_string(struct inspect *inspect, const char *text, size_t size) {
  push(inspect, "\"", 1);
  for (size_t i = 0; i < size; i++) {
    if ((unsigned char)text[i] < ' ' || text[i] == '"' || text[i] == '\\') {
      push_code(inspect, (unsigned char)text[i]);
    } else {
      push(inspect, text + i, 1);
    }
  }
  push(inspect, "\"", 1);
}

/* ---- scalars ---- */

/* The JSON number that the text is, without the n of a BigInt; 0: it is none. */
static size_t measure_number(const char *text, size_t size) {
  char copy[TK_JSON_PADDING + 64] = {0};
  struct tk_json json;
  if (size == 0 || size > 60) return 0;
  if (size > 1 && text[size - 1] == 'n') size--;
  memcpy(copy, text, size);
  tk_json_init(&json, copy, size);
  const struct tk_text number = tk_json_number(&json);
  return !json.expected && number.size == size ? size : 0;
}

static bool is(const char *text, size_t size, const char *expected) {
  return size == strlen(expected) && memcmp(text, expected, size) == 0;
}

static void push_word(struct inspect *inspect, const char *text, size_t size) {
  const size_t number = measure_number(text, size);
  if (number > 0) {
    push(inspect, text, number);
  } else if (is(text, size, "true") || is(text, size, "false") || is(text, size, "null")) {
    push(inspect, text, size);
  } else if (is(text, size, "undefined")) {
    push(inspect, "null", 4);
  } else if (is(text, size, "NaN") || is(text, size, "Infinity") || is(text, size, "-Infinity")) {
    push(inspect, "{\"$double\":", 11);
    push_as_string(inspect, text, size);
    push(inspect, "}", 1);
  } else {
    push_as_string(inspect, text, size);
  }
}

/* Behind a bracket that closes the one at hand; there may be others within. */
static bool skip_brackets(struct inspect *inspect, char open, char close) {
  uint32_t depth = 0;
  for (; inspect->at < inspect->end; inspect->at++) {
    depth += *inspect->at == open;
    if (*inspect->at == close && --depth == 0) {
      inspect->at++;
      return true;
    }
  }
  return fail(inspect, "the end of what is in brackets");
}

/* ---- containers ---- */

static bool convert_value(struct inspect *inspect);

/* "... 3 more items", of which nothing is said. */
static bool skip_ellipsis(struct inspect *inspect) {
  if (inspect->end - inspect->at < 3 || memcmp(inspect->at, "...", 3) != 0) return false;
  while (inspect->at < inspect->end && !strchr(",]}", *inspect->at)) inspect->at++;
  return true;
}

static bool convert_key(struct inspect *inspect) {
  const char first = peek(inspect);
  if (first == '\'' || first == '"' || first == '`') return convert_string(inspect);
  const char *begin = inspect->at;
  if (first == '[') {
    if (!skip_brackets(inspect, '[', ']')) return false;
  } else {
    while (is_word(peek(inspect)) || peek(inspect) == '-' || peek(inspect) == '.') inspect->at++;
  }
  if (inspect->at == begin) return fail(inspect, "a key");
  push_as_string(inspect, begin, (size_t)(inspect->at - begin));
  return true;
}

/* A colon, or a map's arrow. */
static bool take_colon(struct inspect *inspect) {
  skip_space(inspect);
  if (peek(inspect) == ':') {
    inspect->at++;
  } else if (inspect->end - inspect->at >= 2 && memcmp(inspect->at, "=>", 2) == 0) {
    inspect->at += 2;
  } else {
    return fail(inspect, "':' after a key");
  }
  return true;
}

static bool enter(struct inspect *inspect) {
  inspect->at++;
  return ++inspect->depth < DEPTH_LIMIT || fail(inspect, "fewer levels of nesting");
}

/* At a comma, or at the end; *more: another item follows. */
static bool take_comma(struct inspect *inspect, char close, bool *more) {
  skip_space(inspect);
  *more = peek(inspect) == ',';
  if (*more) {
    inspect->at++;
    skip_space(inspect);
  }
  if (peek(inspect) == close) *more = false;
  if (*more) return true;
  if (peek(inspect) != close) return fail(inspect, "',' or the end of an object or list");
  inspect->at++;
  inspect->depth--;
  return true;
}

static bool convert_object(struct inspect *inspect) {
  bool more = true;
  bool first = true;
  if (!enter(inspect)) return false;
  push(inspect, "{", 1);
  skip_space(inspect);
  while (more && peek(inspect) != '}') {
    if (!skip_ellipsis(inspect)) {
      if (!first) push(inspect, ",", 1);
      first = false;
      if (!convert_key(inspect) || !take_colon(inspect)) return false;
      push(inspect, ":", 1);
      if (!convert_value(inspect)) return false;
    }
    if (!take_comma(inspect, '}', &more)) return false;
  }
  if (more) {
    inspect->at++;
    inspect->depth--;
  }
  push(inspect, "}", 1);
  return true;
}

/* Also a set, which has braces. */
static bool convert_list(struct inspect *inspect, char close) {
  bool more = true;
  bool first = true;
  if (!enter(inspect)) return false;
  push(inspect, "[", 1);
  skip_space(inspect);
  while (more && peek(inspect) != close) {
    if (!skip_ellipsis(inspect)) {
      if (!first) push(inspect, ",", 1);
      first = false;
      if (!convert_value(inspect)) return false;
    }
    if (!take_comma(inspect, close, &more)) return false;
  }
  if (more) {
    inspect->at++;
    inspect->depth--;
  }
  push(inspect, "]", 1);
  return true;
}

/* What stands for a value that is not shown, such as [Object]; or what stands before one, such as
 * [Object: null prototype]. */
static bool convert_bracketed(struct inspect *inspect) {
  const char *begin = inspect->at;
  if (!skip_brackets(inspect, '[', ']')) return false;
  const char *behind = inspect->at;
  skip_space(inspect);
  if (peek(inspect) == '{') return convert_object(inspect);
  inspect->at = behind;
  push_as_string(inspect, begin, (size_t)(behind - begin));
  return true;
}

/* <ref *1> before a value, or <Buffer 01 02>, which is one. */
static bool convert_angled(struct inspect *inspect) {
  const char *begin = inspect->at;
  const bool reference = inspect->end - begin > 4 && memcmp(begin, "<ref", 4) == 0;
  if (!skip_brackets(inspect, '<', '>')) return false;
  const size_t size = (size_t)(inspect->at - begin);
  skip_space(inspect);
  if (reference && ++inspect->depth < DEPTH_LIMIT) {
    const bool converted = convert_value(inspect);
    inspect->depth--;
    return converted;
  }
  push_as_string(inspect, begin, size);
  return true;
}

/* A word; or the name of a class with its object or list, perhaps with a count: Map(2) {...}. */
static bool convert_word(struct inspect *inspect) {
  const char *begin = inspect->at;
  while (is_word(peek(inspect)) || (strchr("+-.:", peek(inspect)) && peek(inspect))) inspect->at++;
  const size_t size = (size_t)(inspect->at - begin);
  if (size == 0) return fail(inspect, "a value");
  if (peek(inspect) == '(' && !skip_brackets(inspect, '(', ')')) return false;
  const char *behind = inspect->at;
  const size_t whole_size = (size_t)(behind - begin);
  skip_space(inspect);
  if (peek(inspect) == '{') {
    const bool set = size >= 3 && memcmp(begin + size - 3, "Set", 3) == 0;
    return set ? convert_list(inspect, '}') : convert_object(inspect);
  }
  if (peek(inspect) == '[' && whole_size > size) return convert_list(inspect, ']');
  inspect->at = behind;
  push_word(inspect, begin, whole_size);
  return true;
}

static bool convert_value(struct inspect *inspect) {
  skip_space(inspect);
  const char first = peek(inspect);
  if (first == '\'' || first == '"' || first == '`') return convert_string(inspect);
  if (first == '{') return convert_object(inspect);
  if (first == '<') return convert_angled(inspect);
  if (first != '[') return convert_word(inspect);
  const char second = inspect->end - inspect->at > 1 ? inspect->at[1] : '\0';
  const bool letter = (second >= 'a' && second <= 'z') || (second >= 'A' && second <= 'Z');
  return letter ? convert_bracketed(inspect) : convert_list(inspect, ']');
}

bool tk_js_inspect_to_json(struct tk_batch_builder *builder, struct tk_text text,
                           struct tk_js_fault *fault) {
  struct inspect inspect = {.builder = builder, .at = text.data, .end = text.data + text.size};
  bool converted = convert_value(&inspect);
  skip_space(&inspect);
  if (converted && inspect.at != inspect.end) converted = fail(&inspect, "the end of the object");
  *fault = inspect.fault;
  return converted;
}
