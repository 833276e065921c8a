/* SPDX-License-Identifier: MIT
 * Structure and strings of JSON (RFC 8259), in one forward pass.
 *
 * No bounds are checked while scanning: the NUL behind the text is not valid anywhere in JSON, so
 * every scan stops at it. An error moves `at` to that NUL, which makes every later call fail at
 * once. Strings are searched 16 bytes at a time with SSE2, or 8 with plain integers. */
#include "tracekeep/json.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

void tk_json_init(struct tk_json *json, const char *text, size_t size) {
  *json = (struct tk_json){.begin = text, .at = text, .end = text + size};
}

void tk_json_fail(struct tk_json *json, const char *expected) {
  if (!json->expected) {
    json->expected = expected;
    json->error_at = json->at;
  }
  json->at = json->end;
}

void tk_json_skip_space_slowly(struct tk_json *json) {
  const char *at = json->at;
  while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t') at++;
  json->at = at;
}

/* ---- strings ---- */

const char *tk_json_find_string_stop(const char *at, uint8_t *non_ascii) {
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  const __m128i control = _mm_set1_epi8(0x1F);
  for (;; at += 16) {
    __m128i bytes;
    memcpy(&bytes, at, sizeof bytes);
    const __m128i hits =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)),
                     _mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes));
    const uint32_t stops = (uint32_t)_mm_movemask_epi8(hits);
    const uint32_t high = (uint32_t)_mm_movemask_epi8(bytes);
    if (stops) {
      *non_ascii |= (high & (stops ^ (stops - 1)) & ~stops) != 0;
      return at + __builtin_ctz(stops);
    }
    *non_ascii |= high != 0;
  }
#else
  const uint64_t ones = 0x0101010101010101u;
  for (;;) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    const uint64_t quote = word ^ ones * '"';
    const uint64_t backslash = word ^ ones * '\\';
    const uint64_t low = (word - ones * 0x20) | (quote - ones) | (backslash - ones);
    if (((low | word) & ones * 0x80) == 0) {
      at += sizeof word;
      continue;
    }
    for (size_t i = 0; i < sizeof word; i++, at++) {
      const unsigned char byte = (unsigned char)*at;
      if (byte == '"' || byte == '\\' || byte < 0x20) return at;
      *non_ascii |= byte >> 7;
    }
  }
#endif
}

/* Size of the valid escape sequence at `at`, which is a backslash; 0: not valid. */
static size_t measure_escape(const char *at) {
  switch (at[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
      return 2;
    case 'u':
      for (int i = 2; i < 6; i++) {
        if (tk_hex_digit(at[i]) < 0) return 0;
      }
      return 6;
    default:
      return 0;
  }
}

struct tk_json_string tk_json_string(struct tk_json *json) {
  struct tk_json_string string = {0};
  tk_json_skip_space(json);
  if (*json->at != '"') {
    tk_json_fail(json, "a string");
    return string;
  }
  const char *begin = json->at + 1;
  const char *stop = tk_json_find_string_stop(begin, &string.non_ascii);
  while (*stop == '\\') {
    const size_t size = measure_escape(stop);
    string.escaped = 1;
    if (size == 0) break;
    stop = tk_json_find_string_stop(stop + size, &string.non_ascii);
  }
  if (*stop != '"') {
    json->at = stop;
    tk_json_fail(json, *stop == '\\'       ? "a valid escape sequence"
                       : stop == json->end ? "the closing quote of a string"
                                           : "no control character in a string");
    return (struct tk_json_string){0};
  }
  string.data = begin;
  string.size = (uint32_t)(stop - begin);
  json->at = stop + 1;
  return string;
}

struct tk_json_string tk_json_key(struct tk_json *json) {
  const struct tk_json_string key = tk_json_string(json);
  tk_json_skip_space(json);
  if (*json->at == ':') {
    json->at++;
  } else {
    tk_json_fail(json, "':' after a key");
  }
  return key;
}

static uint32_t read_code_unit(const char *at) {
  uint32_t unit = 0;
  for (int i = 2; i < 6; i++) unit = unit << 4 | (uint32_t)tk_hex_digit(at[i]);
  return unit;
}

static uint32_t write_utf8(uint32_t code, char *out) {
  if (code < 0x80) {
    out[0] = (char)code;
    return 1;
  }
  if (code < 0x800) {
    out[0] = (char)(0xC0 | code >> 6);
    out[1] = (char)(0x80 | (code & 0x3F));
    return 2;
  }
  if (code < 0x10000) {
    out[0] = (char)(0xE0 | code >> 12);
    out[1] = (char)(0x80 | (code >> 6 & 0x3F));
    out[2] = (char)(0x80 | (code & 0x3F));
    return 3;
  }
  out[0] = (char)(0xF0 | code >> 18);
  out[1] = (char)(0x80 | (code >> 12 & 0x3F));
  out[2] = (char)(0x80 | (code >> 6 & 0x3F));
  out[3] = (char)(0x80 | (code & 0x3F));
  return 4;
}

/* Reads a \u escape, and its second half if it is a surrogate pair. */
static const char *read_unicode_escape(const char *at, const char *end, uint32_t *code,
                                       bool *broken) {
  *code = read_code_unit(at);
  at += 6;
  if (*code < 0xD800 || *code > 0xDFFF) return at;
  if (*code < 0xDC00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
    const uint32_t low = read_code_unit(at);
    if (low >= 0xDC00 && low <= 0xDFFF) {
      *code = 0x10000 + ((*code - 0xD800) << 10) + (low - 0xDC00);
      return at + 6;
    }
  }
  *code = 0xFFFD;
  *broken = true;
  return at;
}

static char plain_escape(char letter) {
  switch (letter) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return letter;
  }
}

uint32_t tk_json_unescape(struct tk_json_string string, char *out, bool *broken) {
  const char *at = string.data;
  const char *end = string.data + string.size;
  char *next = out;
  while (at < end) {
    const char *backslash = memchr(at, '\\', (size_t)(end - at));
    const size_t plain = (size_t)((backslash ? backslash : end) - at);
    memcpy(next, at, plain);
    next += plain;
    at += plain;
    if (!backslash) break;
    if (at[1] == 'u') {
      uint32_t code;
      at = read_unicode_escape(at, end, &code, broken);
      next += write_utf8(code, next);
    } else {
      *next++ = plain_escape(at[1]);
      at += 2;
    }
  }
  return (uint32_t)(next - out);
}

/* Size of the well-formed sequence at `at` (Unicode 15, table 3-7), or 0. */
static size_t measure_utf8(const unsigned char *at, size_t left) {
  const unsigned char first = at[0];
  unsigned char low = 0x80, high = 0xBF;
  if (first < 0x80) return 1;
  const size_t size = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
  if (size == 0 || size > left) return 0;
  if (first == 0xE0) low = 0xA0;
  if (first == 0xED) high = 0x9F;
  if (first == 0xF0) low = 0x90;
  if (first == 0xF4) high = 0x8F;
  if (at[1] < low || at[1] > high) return 0;
  for (size_t i = 2; i < size; i++) {
    if (at[i] < 0x80 || at[i] > 0xBF) return 0;
  }
  return size;
}

bool tk_utf8_valid(const char *data, size_t size) {
  const unsigned char *at = (const unsigned char *)data;
  while (size > 0) {
    const size_t sequence = measure_utf8(at, size);
    if (sequence == 0) return false;
    at += sequence;
    size -= sequence;
  }
  return true;
}

/* ---- everything else ---- */

static bool is_digit(char byte) {
  return byte >= '0' && byte <= '9';
}

/* End of the JSON number at `at`; NULL: none there. */
static const char *find_number_end(const char *at) {
  if (*at == '-') at++;
  if (*at == '0') {
    at++;
  } else if (is_digit(*at)) {
    while (is_digit(*at)) at++;
  } else {
    return NULL;
  }
  if (*at == '.') {
    if (!is_digit(*++at)) return NULL;
    while (is_digit(*at)) at++;
  }
  if (*at == 'e' || *at == 'E') {
    at++;
    if (*at == '+' || *at == '-') at++;
    if (!is_digit(*at)) return NULL;
    while (is_digit(*at)) at++;
  }
  return at;
}

struct tk_text tk_json_number(struct tk_json *json) {
  tk_json_skip_space(json);
  const char *begin = json->at;
  const char *end = find_number_end(begin);
  if (!end) {
    tk_json_fail(json, "a number");
    return (struct tk_text){0};
  }
  json->at = end;
  return (struct tk_text){begin, (uint32_t)(end - begin)};
}

void tk_json_read_literal(struct tk_json *json) {
  tk_json_skip_space(json);
  const char *at = json->at;
  if (memcmp(at, "true", 4) == 0 || memcmp(at, "null", 4) == 0) {
    json->at += 4;
  } else if (memcmp(at, "false", 5) == 0) {
    json->at += 5;
  } else {
    tk_json_fail(json, "a value");
  }
}

enum tk_json_type tk_json_peek(struct tk_json *json) {
  tk_json_skip_space(json);
  switch (*json->at) {
    case '{':
      return TK_JSON_OBJECT;
    case '[':
      return TK_JSON_ARRAY;
    case '"':
      return TK_JSON_STRING;
    case 't':
      return TK_JSON_TRUE;
    case 'f':
      return TK_JSON_FALSE;
    case 'n':
      return TK_JSON_NULL;
    default:
      return *json->at == '-' || is_digit(*json->at) ? TK_JSON_NUMBER : TK_JSON_NOTHING;
  }
}

bool tk_json_at_end(struct tk_json *json) {
  tk_json_skip_space(json);
  return json->at >= json->end;
}

bool tk_json_enter(struct tk_json *json, char open, char close) {
  tk_json_skip_space(json);
  if (*json->at != open) {
    tk_json_fail(json, open == '{' ? "an object" : "an array");
    return false;
  }
  if (json->depth >= TK_JSON_DEPTH_LIMIT) {
    tk_json_fail(json, "fewer levels of nesting");
    return false;
  }
  json->at++;
  tk_json_skip_space(json);
  if (*json->at == close) {
    json->at++;
    return false;
  }
  json->depth++;
  return true;
}

bool tk_json_next(struct tk_json *json, char close) {
  tk_json_skip_space(json);
  if (*json->at == ',') {
    json->at++;
    return true;
  }
  if (*json->at == close) {
    json->at++;
    json->depth--;
    return false;
  }
  tk_json_fail(json, close == '}' ? "',' or '}' after a member" : "',' or ']' after an item");
  return false;
}

static void skip_scalar(struct tk_json *json, enum tk_json_type type) {
  if (type == TK_JSON_STRING) {
    tk_json_string(json);
  } else if (type == TK_JSON_NUMBER) {
    tk_json_number(json);
  } else {
    tk_json_read_literal(json);
  }
}

/* One level at a time on an explicit stack, a bit for each: 1 is an object. */
static void skip_container(struct tk_json *json) {
  uint8_t is_object[TK_JSON_DEPTH_LIMIT] = {0};
  const uint32_t outer_depth = json->depth;
  do {
    const enum tk_json_type type = tk_json_peek(json);
    bool more = false;
    if (type == TK_JSON_OBJECT || type == TK_JSON_ARRAY) {
      const uint32_t depth = json->depth;
      more = type == TK_JSON_OBJECT ? tk_json_enter_object(json) : tk_json_enter_array(json);
      if (more) is_object[depth] = type == TK_JSON_OBJECT;
    } else {
      skip_scalar(json, type);
    }
    while (!more && !json->expected && json->depth > outer_depth) {
      more = tk_json_next(json, is_object[json->depth - 1] ? '}' : ']');
    }
    if (!more) return;
    if (is_object[json->depth - 1]) tk_json_key(json);
  } while (!json->expected);
}

struct tk_text tk_json_skip(struct tk_json *json) {
  const enum tk_json_type type = tk_json_peek(json);
  const char *begin = json->at;
  if (type == TK_JSON_OBJECT || type == TK_JSON_ARRAY) {
    skip_container(json);
  } else {
    skip_scalar(json, type);
  }
  if (json->expected) return (struct tk_text){0};
  return (struct tk_text){begin, (uint32_t)(json->at - begin)};
}
