/* SPDX-License-Identifier: MIT
 * What the text of a scalar means: numbers, truth values and durations, as YAML 1.2 and Go's
 * decoders of it read them (underscores between digits and 0777 included, which those still take).
 * Integers stay integers; environment variables that are not filled in are no numbers. */
#include <string.h>

#include "sqlext/sampling/config_reader.h"
#include "tracekeep/json.h"

enum { NUMBER_SIZE = 64 };

/* A number in YAML's notation as JSON has it, in `out`: no '+', no underscores, digits on both
 * sides of the point. 0: it is too long to be one. */
static uint32_t normalise(struct tk_text text, char out[NUMBER_SIZE]) {
  uint32_t size = 0;
  for (uint32_t i = 0; i < text.size; i++) {
    const char byte = text.data[i];
    if (size + 3 > NUMBER_SIZE) return 0;
    if ((byte == '+' && i == 0) || (byte == '_' && i > 0)) continue;
    if (byte == '.' && (size == 0 || out[size - 1] == '-')) out[size++] = '0';
    out[size++] = byte;
    if (byte == '.' && (i + 1 == text.size || text.data[i + 1] == 'e' || text.data[i + 1] == 'E')) {
      out[size++] = '0';
    }
  }
  return size;
}

/* 0x1F, 0o17, 017, 0b11, with a sign before it. */
static bool parse_prefixed(const char *text, uint32_t size, int64_t *out) {
  const bool is_negative = size > 0 && text[0] == '-';
  const char *at = text + is_negative, *end = text + size;
  uint64_t base, value = 0;
  if (end - at < 2 || at[0] != '0') return false;
  base = at[1] == 'x' || at[1] == 'X' ? 16 : at[1] == 'b' || at[1] == 'B' ? 2 : 8;
  at += base != 8 || at[1] == 'o' || at[1] == 'O' ? 2 : 1;
  if (at == end) return false;
  for (; at < end; at++) {
    const uint64_t digit = (uint64_t)(*at >= '0' && *at <= '9'   ? *at - '0'
                                      : *at >= 'a' && *at <= 'f' ? *at - 'a' + 10
                                      : *at >= 'A' && *at <= 'F' ? *at - 'A' + 10
                                                                 : 99);
    if (digit >= base || value > (uint64_t)INT64_MAX / base) return false;
    value = value * base + digit;
    if (value > (uint64_t)INT64_MAX) return false;
  }
  *out = is_negative ? -(int64_t)value : (int64_t)value;
  return true;
}

/* Quotes make a text of a number in JSON; in YAML, where they often stand around a variable that
 * was filled in, they are looked through. */
static bool may_be_number(const struct tk_config_node *node) {
  if (node->kind != TK_CONFIG_SCALAR || node->is_string) return false;
  for (uint32_t i = 0; i < node->text.size; i++) {
    if (node->text.data[i] >= '0' && node->text.data[i] <= '9') return true;
  }
  return false;
}

bool tk_config_parse_integer(const struct tk_config_node *node, int64_t *out) {
  char text[NUMBER_SIZE];
  if (!may_be_number(node)) return false;
  const uint32_t size = normalise(node->text, text);
  if (size == 0) return false;
  return tk_parse_int64(text, size, out) == TK_NUMBER_OK || parse_prefixed(text, size, out);
}

bool tk_config_parse_number(const struct tk_config_node *node, double *out) {
  char text[NUMBER_SIZE];
  int64_t integer;
  if (!may_be_number(node)) return false;
  const uint32_t size = normalise(node->text, text);
  if (size == 0) return false;
  if (tk_parse_double(text, size, out) == TK_NUMBER_OK) return true;
  if (!parse_prefixed(text, size, &integer)) return false;
  *out = (double)integer;
  return true;
}

/* ---- durations ---- */

static bool take_unit(const char **at, const char *end, int64_t *ns_out) {
  static const struct {
    const char *name;
    int64_t ns;
  } units[] = {{"ns", 1},
               {"us", 1000},
               {"\xC2\xB5s", 1000},
               {"\xCE\xBCs", 1000},
               {"ms", 1000000},
               {"s", 1000000000},
               {"m", INT64_C(60) * 1000000000},
               {"h", INT64_C(3600) * 1000000000}};
  for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
    const size_t size = strlen(units[i].name);
    if ((size_t)(end - *at) < size || memcmp(*at, units[i].name, size) != 0) continue;
    *at += size;
    *ns_out = units[i].ns;
    return true;
  }
  return false;
}

/* What stands behind the point, in nanoseconds: as many digits as an int64_t can carry. */
static int64_t fraction_of(const char *at, const char *end, int64_t unit) {
  int64_t fraction = 0, scale = 1;
  for (; at < end && scale <= INT64_MAX / unit / 10; at++) {
    fraction = fraction * 10 + (*at - '0');
    scale *= 10;
  }
  return fraction * unit / scale;
}

static const char *skip_digits(const char *at, const char *end) {
  while (at < end && *at >= '0' && *at <= '9') at++;
  return at;
}

/* One number and its unit. */
static bool take_part(const char **at, const char *end, int64_t *total) {
  const char *begin = *at, *point = skip_digits(begin, end), *stop = point;
  int64_t whole = 0, unit, part;
  if (point < end && *point == '.') stop = skip_digits(point + 1, end);
  if (stop == begin || (stop == begin + 1 && point == begin)) return false;
  for (const char *digit = begin; digit < point; digit++) {
    if (__builtin_mul_overflow(whole, 10, &whole)) return false;
    if (__builtin_add_overflow(whole, *digit - '0', &whole)) return false;
  }
  *at = stop;
  if (!take_unit(at, end, &unit) || __builtin_mul_overflow(whole, unit, &part)) return false;
  if (stop > point + 1 && __builtin_add_overflow(part, fraction_of(point + 1, stop, unit), &part)) {
    return false;
  }
  return !__builtin_add_overflow(*total, part, total);
}

bool tk_config_parse_duration(struct tk_text text, int64_t *ns_out) {
  const char *at = text.data, *end = text.data + text.size;
  const bool is_negative = at < end && *at == '-';
  int64_t total = 0;
  if (at < end && (*at == '-' || *at == '+')) at++;
  if (at == end) return false;
  if (end - at == 1 && *at == '0') {
    *ns_out = 0;
    return true;
  }
  while (at < end) {
    if (!take_part(&at, end, &total)) return false;
  }
  *ns_out = is_negative ? -total : total;
  return true;
}

/* ---- what a scalar is ---- */

static bool is_one_of(const struct tk_config_node *node, const char *const *words) {
  while (*words && !tk_config_is_text(node, *words)) words++;
  return *words != NULL;
}

void tk_config_resolve(const struct tk_config_node *node, struct tk_value *value_out) {
  static const char *const yes[] = {"true", "True", "TRUE", NULL};
  static const char *const no[] = {"false", "False", "FALSE", NULL};
  int64_t integer;
  double real;
  *value_out = (struct tk_value){.type = TK_VALUE_EMPTY};
  if (node->kind != TK_CONFIG_SCALAR || tk_config_is_null(node)) return;
  if (!node->is_quoted && (is_one_of(node, yes) || is_one_of(node, no))) {
    value_out->type = TK_VALUE_BOOL;
    value_out->as.integer = is_one_of(node, yes);
  } else if (!node->is_quoted && !memchr(node->text.data, '.', node->text.size) &&
             tk_config_parse_integer(node, &integer)) {
    value_out->type = TK_VALUE_INT;
    value_out->as.integer = integer;
  } else if (!node->is_quoted && tk_config_parse_number(node, &real)) {
    value_out->type = TK_VALUE_DOUBLE;
    value_out->as.real = real;
  } else {
    value_out->type = TK_VALUE_STRING;
    value_out->size = node->text.size;
    value_out->as.text = node->text.data;
  }
}
