/* SPDX-License-Identifier: MIT
 * A pushdown automaton over the punctuation of JSON: one bit of stack per level, no look-ahead, so
 * that it can stop and go on at any byte. As long as all is well it runs a token at a time
 * (scan_tokens); where that stops, at the end of what has arrived or at a fault, it goes on byte by
 * byte. */
#include "cli/input/json_scanner.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

void tk_json_scanner_init(struct tk_json_scanner *scanner) {
  scanner->state = TK_SCAN_VALUE;
  scanner->depth = 0;
  scanner->in_key = false;
  scanner->has_newline = false;
  scanner->expected = NULL;
}

static void fail(struct tk_json_scanner *scanner, const char *expected) {
  scanner->state = TK_SCAN_ERROR;
  scanner->expected = expected;
}

static void end_value(struct tk_json_scanner *scanner) {
  scanner->state = scanner->depth == 0 ? TK_SCAN_DONE : TK_SCAN_AFTER;
}

static void open_container(struct tk_json_scanner *scanner, bool object) {
  if (scanner->depth == TK_JSON_DEPTH_LIMIT) {
    fail(scanner, "fewer levels of nesting");
    return;
  }
  scanner->is_object[scanner->depth++] = object;
  scanner->state = object ? TK_SCAN_KEY_OR_END : TK_SCAN_ITEM_OR_END;
}

static void close_container(struct tk_json_scanner *scanner, bool object) {
  if (scanner->depth == 0 || scanner->is_object[scanner->depth - 1] != object) {
    fail(scanner, object ? "']' or ','" : "'}' or ','");
    return;
  }
  scanner->depth--;
  end_value(scanner);
}

static bool starts_scalar(char byte) {
  return byte == '-' || (byte >= '0' && byte <= '9') || byte == 't' || byte == 'f' || byte == 'n';
}

static bool continues_scalar(char byte) {
  return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || byte == '.' ||
         byte == '+' || byte == '-' || byte == 'E';
}

static void start_string(struct tk_json_scanner *scanner, bool key) {
  scanner->in_key = key;
  scanner->state = TK_SCAN_STRING;
}

static void start_value(struct tk_json_scanner *scanner, char byte) {
  if (byte == '{' || byte == '[') {
    open_container(scanner, byte == '{');
  } else if (byte == '"') {
    start_string(scanner, false);
  } else if (starts_scalar(byte)) {
    scanner->state = TK_SCAN_SCALAR;
  } else {
    fail(scanner, "a value");
  }
}

/* A byte of punctuation in any state outside strings and scalars. */
static void take_byte(struct tk_json_scanner *scanner, char byte) {
  switch (scanner->state) {
    case TK_SCAN_ITEM_OR_END:
      if (byte == ']') {
        close_container(scanner, false);
        return;
      }
      start_value(scanner, byte);
      return;
    case TK_SCAN_VALUE:
      start_value(scanner, byte);
      return;
    case TK_SCAN_KEY_OR_END:
    case TK_SCAN_KEY:
      if (byte == '"') {
        start_string(scanner, true);
      } else if (byte == '}' && scanner->state == TK_SCAN_KEY_OR_END) {
        close_container(scanner, true);
      } else {
        fail(scanner, "a key");
      }
      return;
    case TK_SCAN_COLON:
      scanner->state = TK_SCAN_VALUE;
      if (byte != ':') fail(scanner, "':' after a key");
      return;
    case TK_SCAN_AFTER:
      if (byte == ',') {
        scanner->state = scanner->is_object[scanner->depth - 1] ? TK_SCAN_KEY : TK_SCAN_VALUE;
      } else if (byte == '}' || byte == ']') {
        close_container(scanner, byte == '}');
      } else {
        fail(scanner, scanner->is_object[scanner->depth - 1] ? "',' or '}' after a member"
                                                             : "',' or ']' after an item");
      }
      return;
    case TK_SCAN_STRING:
    case TK_SCAN_ESCAPE:
    case TK_SCAN_SCALAR:
    case TK_SCAN_DONE:
    case TK_SCAN_ERROR:
      return;
  }
}

static const char *scan_string(struct tk_json_scanner *scanner, const char *at, const char *end) {
  uint8_t non_ascii = 0;
  at = tk_json_find_string_stop(at, &non_ascii);
  if (at >= end) return end;
  if (*at == '"') {
    if (scanner->in_key) {
      scanner->state = TK_SCAN_COLON;
    } else {
      end_value(scanner);
    }
    return at + 1;
  }
  if (*at == '\\') {
    scanner->state = TK_SCAN_ESCAPE;
    return at + 1;
  }
  fail(scanner, "no control character in a string");
  return at;
}

/* ---- a token at a time ---- */

static const char *skip_blanks(struct tk_json_scanner *scanner, const char *at) {
  for (; *at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'; at++) {
    scanner->has_newline |= *at == '\n';
  }
  return at;
}

/* First byte that is a quote, a backslash or a control character. Most strings end within 16 bytes:
 * these are looked at here, without a call. */
static inline const char *find_stop(const char *at) {
  uint8_t non_ascii = 0;
#if defined(__SSE2__)
  __m128i bytes;
  memcpy(&bytes, at, sizeof bytes);
  const __m128i control = _mm_set1_epi8(0x1F);
  const __m128i hits = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                                 _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))),
                                    _mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes));
  const uint32_t stops = (uint32_t)_mm_movemask_epi8(hits);
  if (stops) return at + __builtin_ctz(stops);
  at += sizeof bytes;
#endif
  return tk_json_find_string_stop(at, &non_ascii);
}

/* Behind the string that begins at `at`; NULL: something else than its quote comes, at *stop. */
static inline const char *skip_string(const char *at, const char **stop) {
  *stop = find_stop(at + 1);
  return **stop == '"' ? *stop + 1 : NULL;
}

/* Moves *at from where a key may begin behind its colon; false: not all of that is there. */
static bool scan_key(struct tk_json_scanner *scanner, const char **at, enum tk_scan_state state) {
  const char *stop;
  *at = skip_blanks(scanner, *at);
  if (**at != '"') {
    scanner->state = state;
    return false;
  }
  const char *behind = skip_string(*at, &stop);
  if (!behind) {
    start_string(scanner, true);
    *at = stop;
    return false;
  }
  *at = skip_blanks(scanner, behind);
  if (**at != ':') {
    scanner->state = TK_SCAN_COLON;
    return false;
  }
  ++*at;
  return true;
}

/* Moves *at behind a scalar, or into a container; false: that was not all of it. */
static bool scan_beginning(struct tk_json_scanner *scanner, const char **at) {
  const char *stop;
  if (**at == '"') {
    const char *behind = skip_string(*at, &stop);
    if (!behind) start_string(scanner, false);
    *at = behind ? behind : stop;
    return behind != NULL;
  }
  if (!starts_scalar(**at)) {
    scanner->state = TK_SCAN_VALUE;
    return false;
  }
  while (continues_scalar(**at)) ++*at;
  scanner->state = TK_SCAN_SCALAR;
  return **at != '\0';
}

/* Moves *at behind what may follow a value, up to the next one; false: there is none. */
static bool scan_following(struct tk_json_scanner *scanner, const char **at) {
  while (scanner->depth > 0) {
    const bool object = scanner->is_object[scanner->depth - 1];
    *at = skip_blanks(scanner, *at);
    if (**at == ',') {
      ++*at;
      scanner->state = TK_SCAN_VALUE;
      return !object || scan_key(scanner, at, TK_SCAN_KEY);
    }
    if (**at != (object ? '}' : ']')) {
      scanner->state = TK_SCAN_AFTER;
      return false;
    }
    scanner->depth--;
    ++*at;
  }
  scanner->state = TK_SCAN_DONE;
  return false;
}

/* Goes from value to value as long as nothing is amiss. The NUL behind the bytes ends it. */
static const char *scan_tokens(struct tk_json_scanner *scanner, const char *at) {
  bool more = scanner->state == TK_SCAN_VALUE || scan_following(scanner, &at);
  while (more) {
    at = skip_blanks(scanner, at);
    if ((*at == '{' || *at == '[') && scanner->depth < TK_JSON_DEPTH_LIMIT) {
      const bool object = *at++ == '{';
      open_container(scanner, object);
      at = skip_blanks(scanner, at);
      if (*at == (object ? '}' : ']')) {
        more = scan_following(scanner, &at);
      } else if (object) {
        more = scan_key(scanner, &at, TK_SCAN_KEY_OR_END);
      } else {
        more = *at != '\0';
      }
    } else {
      more = scan_beginning(scanner, &at) && scan_following(scanner, &at);
    }
  }
  return at;
}

const char *tk_json_scan(struct tk_json_scanner *scanner, const char *at, const char *end) {
  while (at < end) {
    if (scanner->state == TK_SCAN_VALUE || scanner->state == TK_SCAN_AFTER) {
      at = scan_tokens(scanner, at);
      if (at >= end) return end;
    }
    switch (scanner->state) {
      case TK_SCAN_STRING:
        at = scan_string(scanner, at, end);
        break;
      case TK_SCAN_ESCAPE:
        scanner->state = TK_SCAN_STRING;
        if ((unsigned char)*at >= ' ') at++; /* a control character is the string's fault */
        break;
      case TK_SCAN_SCALAR:
        while (at < end && continues_scalar(*at)) at++;
        if (at < end) end_value(scanner);
        break;
      case TK_SCAN_DONE:
      case TK_SCAN_ERROR:
        return at;
      case TK_SCAN_VALUE:
      case TK_SCAN_ITEM_OR_END:
      case TK_SCAN_KEY_OR_END:
      case TK_SCAN_KEY:
      case TK_SCAN_COLON:
      case TK_SCAN_AFTER:
        at = skip_blanks(scanner, at);
        if (at == end) return at;
        take_byte(scanner, *at);
        if (scanner->state == TK_SCAN_ERROR) return at;
        if (scanner->state != TK_SCAN_SCALAR) at++;
        break;
    }
  }
  return at;
}
