/* SPDX-License-Identifier: MIT
 * attr(json, key): a member of a JSON object by its literal key, as a value of its own type.
 *
 * `json ->> 'http.route'` does not do on every SQLite in use: before 3.44 a key with a dot needs a
 * quoted path. Only the outermost object is looked at, so this is one pass over the text with
 * nothing built: members that are not asked for are skipped by their brackets and quotes. */
#include <errno.h>
#include <locale.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "sqlext/functions/functions.h"
#include "store/sqlite_api.h"
#include "tracekeep/span.h"

struct cursor {
  const char *at, *end;
};

static void skip_blanks(struct cursor *json) {
  while (json->at < json->end &&
         (*json->at == ' ' || *json->at == '\n' || *json->at == '\t' || *json->at == '\r')) {
    json->at++;
  }
}

static bool take(struct cursor *json, char wanted) {
  skip_blanks(json);
  if (json->at == json->end || *json->at != wanted) return false;
  json->at++;
  return true;
}

/* A string, without its quotes and with its escapes. */
static bool take_string(struct cursor *json, struct tk_text *text, bool *has_escapes) {
  if (!take(json, '"')) return false;
  const char *begin = json->at;
  *has_escapes = false;
  while (json->at < json->end && *json->at != '"') {
    if (*json->at == '\\') {
      *has_escapes = true;
      if (++json->at == json->end) return false;
    }
    json->at++;
  }
  if (json->at == json->end) return false;
  *text = (struct tk_text){begin, (uint32_t)(json->at - begin)};
  json->at++;
  return true;
}

/* Any value; `text` is its source. */
static bool take_value(struct cursor *json, struct tk_text *text) {
  struct tk_text ignored;
  bool escapes;
  size_t depth = 0;

  skip_blanks(json);
  const char *begin = json->at;
  do {
    skip_blanks(json);
    if (json->at == json->end) return false;
    char c = *json->at;
    if (c == '"') {
      if (!take_string(json, &ignored, &escapes)) return false;
    } else if (c == '{' || c == '[') {
      depth++;
      json->at++;
    } else if (c == '}' || c == ']' || c == ',' || c == ':') {
      if (depth == 0) return false;
      if (c == '}' || c == ']') depth--;
      json->at++;
    } else {
      while (json->at < json->end && !strchr(" \n\t\r,:]}[{\"", *json->at)) json->at++;
      if (json->at < json->end && *json->at == '\0') return false;
    }
  } while (depth > 0);
  *text = (struct tk_text){begin, (uint32_t)(json->at - begin)};
  return true;
}

static bool take_hex(const char *p, const char *end, uint32_t *code) {
  *code = 0;
  if (end - p < 4) return false;
  for (int i = 0; i < 4; i++) {
    char c = p[i];
    uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                     : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                     : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                            : 16;
    if (digit == 16) return false;
    *code = *code << 4 | digit;
  }
  return true;
}

static char *put_utf8(char *out, uint32_t code) {
  if (code < 0x80) {
    *out++ = (char)code;
  } else if (code < 0x800) {
    *out++ = (char)(0xC0 | code >> 6);
    *out++ = (char)(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    *out++ = (char)(0xE0 | code >> 12);
    *out++ = (char)(0x80 | (code >> 6 & 0x3F));
    *out++ = (char)(0x80 | (code & 0x3F));
  } else {
    *out++ = (char)(0xF0 | code >> 18);
    *out++ = (char)(0x80 | (code >> 12 & 0x3F));
    *out++ = (char)(0x80 | (code >> 6 & 0x3F));
    *out++ = (char)(0x80 | (code & 0x3F));
  }
  return out;
}

/* `p` is behind the `u` of an escape; a lone surrogate becomes U+FFFD. */
static char *put_escaped_unit(char *out, const char **p, const char *end) {
  uint32_t code, low;
  if (!take_hex(*p, end, &code)) return NULL;
  *p += 4;
  if (code >= 0xD800 && code < 0xDC00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u' &&
      take_hex(*p + 2, end, &low) && low >= 0xDC00 && low < 0xE000) {
    *p += 6;
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  return put_utf8(out, code >= 0xD800 && code < 0xE000 ? 0xFFFD : code);
}

/* Resolves escapes into `out` (which may hold text.size bytes: no escape grows). False: a bad one.
 */
static bool unescape(struct tk_text text, char *out, uint32_t *size) {
  const char *p = text.data, *end = text.data + text.size;
  char *begin = out;
  while (p < end) {
    if (*p != '\\') {
      *out++ = *p++;
      continue;
    }
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = p[1];
    const char *found = c ? strchr(from, c) : NULL;
    p += 2;
    if (found) {
      *out++ = to[found - from];
    } else if (c != 'u' || !(out = put_escaped_unit(out, &p, end))) {
      return false;
    }
  }
  *size = (uint32_t)(out - begin);
  return true;
}

static bool equals(struct tk_text a, struct tk_text b) {
  return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static void fail_malformed(sqlite3_context *context) {
  sqlite3_result_error(context, "attr: expected a JSON object as first argument", -1);
}

static void give_string(sqlite3_context *context, struct tk_text text) {
  uint32_t size;
  char *copy = sqlite3_malloc64((sqlite3_uint64)text.size + 1);
  if (!copy) {
    sqlite3_result_error_nomem(context);
  } else if (!unescape(text, copy, &size)) {
    sqlite3_free(copy);
    fail_malformed(context);
  } else {
    sqlite3_result_text64(context, copy, size, sqlite3_free, SQLITE_UTF8);
  }
}

/* Integers that fit are integers; the rest are doubles. */
static void give_number(sqlite3_context *context, struct tk_text text) {
  char digits[400];
  char *end;
  if (text.size == 0 || text.size >= sizeof digits) {
    fail_malformed(context);
    return;
  }
  memcpy(digits, text.data, text.size);
  digits[text.size] = '\0';
  if (!strpbrk(digits, ".eE")) {
    errno = 0;
    long long integer = strtoll(digits, &end, 10);
    if (*end == '\0' && errno == 0) {
      sqlite3_result_int64(context, integer);
      return;
    }
  }
  char *point = strchr(digits, '.');
  bool is_number = digits[strspn(digits, "+-.0123456789eE")] == '\0';
  if (point) *point = localeconv()->decimal_point[0]; /* strtod goes by the host's locale */
  double real = strtod(digits, &end);
  if (!is_number || *end != '\0') {
    fail_malformed(context);
    return;
  }
  sqlite3_result_double(context, real);
}

static void give_value(sqlite3_context *context, struct tk_text text) {
  static const struct tk_text null = {"null", 4}, yes = {"true", 4}, no = {"false", 5};
  if (text.size > 0 && text.data[0] == '"') {
    give_string(context, (struct tk_text){text.data + 1, text.size - 2});
  } else if (text.size > 0 && (text.data[0] == '{' || text.data[0] == '[')) {
    sqlite3_result_text64(context, text.data, text.size, SQLITE_TRANSIENT, SQLITE_UTF8);
  } else if (equals(text, null)) {
    sqlite3_result_null(context);
  } else if (equals(text, yes) || equals(text, no)) {
    sqlite3_result_int(context, text.size == 4);
  } else {
    give_number(context, text);
  }
}

static bool is_key(sqlite3_context *context, struct tk_text member, bool has_escapes,
                   struct tk_text key) {
  uint32_t size;
  if (!has_escapes) return equals(member, key);
  if (member.size < key.size) return false; /* escapes only shrink */
  char *copy = sqlite3_malloc64((sqlite3_uint64)member.size + 1);
  if (!copy) {
    sqlite3_result_error_nomem(context);
    return false;
  }
  bool same = unescape(member, copy, &size) && equals((struct tk_text){copy, size}, key);
  sqlite3_free(copy);
  return same;
}

static void attr(sqlite3_context *context, int count, sqlite3_value **values) {
  struct cursor json;
  struct tk_text key, member, value;
  bool has_escapes;
  (void)count;

  json.at = (const char *)sqlite3_value_text(values[0]);
  key.data = (const char *)sqlite3_value_text(values[1]);
  if (!json.at || !key.data) return; /* NULL (or out of memory, which SQLite notices itself) */
  json.end = json.at + sqlite3_value_bytes(values[0]);
  key.size = (uint32_t)sqlite3_value_bytes(values[1]);
  if (!take(&json, '{')) {
    fail_malformed(context);
    return;
  }
  if (take(&json, '}')) return;
  do {
    if (!take_string(&json, &member, &has_escapes) || !take(&json, ':') ||
        !take_value(&json, &value)) {
      fail_malformed(context);
      return;
    }
    if (is_key(context, member, has_escapes, key)) {
      give_value(context, value);
      return;
    }
  } while (take(&json, ','));
  if (!take(&json, '}')) fail_malformed(context);
}

int tk_register_attr_function(sqlite3 *db) {
  return sqlite3_create_function_v2(db, "attr", 2,
                                    SQLITE_UTF8 | SQLITE_INNOCUOUS | SQLITE_DETERMINISTIC, NULL,
                                    attr, NULL, NULL, NULL);
}
