/** @file json.h  A pull parser over one JSON text in memory, and exact conversions of its scalars.
 *
 * The text must be followed by a NUL and TK_JSON_PADDING readable bytes in all: the NUL ends every
 * scan, the padding lets strings be searched 16 bytes at a time. A member or item is visited like
 *
 *     for (bool more = tk_json_enter_object(json); more; more = tk_json_next_member(json)) {
 *       struct tk_json_string key = tk_json_key(json);
 *       ... take exactly one value, or tk_json_skip(json) ...
 *     }
 *
 * Errors are sticky: after the first one every call fails, every loop ends, and `expected` and
 * `error_at` say what was wrong. Nothing is allocated and nothing copied. */
#ifndef TRACEKEEP_JSON_H
#define TRACEKEEP_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracekeep/span.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TK_JSON_PADDING 32
/** Attribute values may nest 64 deep, and take three levels each. */
#define TK_JSON_DEPTH_LIMIT 256

struct tk_json {
  const char *begin;
  const char *at;
  const char *end;      /**< the NUL */
  const char *expected; /**< NULL: no error so far */
  const char *error_at;
  uint32_t depth;
};

enum tk_json_type {
  TK_JSON_OBJECT,
  TK_JSON_ARRAY,
  TK_JSON_STRING,
  TK_JSON_NUMBER,
  TK_JSON_TRUE,
  TK_JSON_FALSE,
  TK_JSON_NULL,
  TK_JSON_NOTHING /**< end of the text, or no value */
};

/** A string as it stands between its quotes, escapes checked but not replaced. */
struct tk_json_string {
  const char *data;
  uint32_t size;
  uint8_t escaped;   /**< has escapes: see tk_json_unescape */
  uint8_t non_ascii; /**< has bytes above 0x7F: see tk_utf8_valid */
};

void tk_json_init(struct tk_json *json, const char *text, size_t size);
/** Records the first error; `expected` is a constant. */
void tk_json_fail(struct tk_json *json, const char *expected);

/** First byte from `at` on that is a quote, a backslash or a control character, for scanners of
 * their own; *non_ascii is set if a byte above 0x7F came before. Needs the padding. */
const char *tk_json_find_string_stop(const char *at, uint8_t *non_ascii);

void tk_json_skip_space_slowly(struct tk_json *json);
struct tk_json_string tk_json_string(struct tk_json *json);
/** The key and its colon. */
struct tk_json_string tk_json_key(struct tk_json *json);
/** Text of a number, checked against JSON's grammar. */
struct tk_text tk_json_number(struct tk_json *json);
/** Takes `true`, `false` or `null`, whichever tk_json_peek announced. */
void tk_json_read_literal(struct tk_json *json);
/** Takes any value, checking it, and returns its text. */
struct tk_text tk_json_skip(struct tk_json *json);

bool tk_json_enter(struct tk_json *json, char open, char close);
bool tk_json_next(struct tk_json *json, char close);

static inline void tk_json_skip_space(struct tk_json *json) {
  if ((unsigned char)*json->at <= ' ') tk_json_skip_space_slowly(json);
}

static inline bool tk_json_enter_object(struct tk_json *json) {
  return tk_json_enter(json, '{', '}');
}
static inline bool tk_json_next_member(struct tk_json *json) {
  return tk_json_next(json, '}');
}
static inline bool tk_json_enter_array(struct tk_json *json) {
  return tk_json_enter(json, '[', ']');
}
static inline bool tk_json_next_item(struct tk_json *json) {
  return tk_json_next(json, ']');
}

/** Type of the value that comes next, judged by its first byte. */
enum tk_json_type tk_json_peek(struct tk_json *json);

/** Only white space is left, or an error occurred. */
bool tk_json_at_end(struct tk_json *json);

/** Writes the string without its escapes to `out` (room for string.size bytes) and returns how many
 * bytes that were. A surrogate without its other half becomes U+FFFD, and *broken is set. */
uint32_t tk_json_unescape(struct tk_json_string string, char *out, bool *broken);

/** Value of a hexadecimal digit in either letter case, or -1. */
static inline int tk_hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

bool tk_utf8_valid(const char *data, size_t size);

enum tk_number {
  TK_NUMBER_OK,
  TK_NUMBER_FRACTION, /**< *out is the value without its fraction */
  TK_NUMBER_RANGE,    /**< does not fit; *out is the nearest value that does */
  TK_NUMBER_SYNTAX    /**< not a number; *out is 0 */
};

/** Digits to integers, never through a double; `1.5e18` is as good as its digits. The text need not
 * be NUL-terminated. */
enum tk_number tk_parse_int64(const char *text, uint32_t size, int64_t *out);
enum tk_number tk_parse_uint64(const char *text, uint32_t size, uint64_t *out);
/** The nearest double, whatever the locale; JSON's grammar only, no "inf". */
enum tk_number tk_parse_double(const char *text, uint32_t size, double *out);

/** Decodes base64 of the standard or the URL alphabet, padded or not, into `out` (room for
 * size / 4 * 3 + 2 bytes). Returns the number of bytes, or -1 if the text is not base64. */
int64_t tk_base64_decode(const char *text, uint32_t size, uint8_t *out);

#ifdef __cplusplus
}
#endif
#endif
