/* SPDX-License-Identifier: MIT
 * Exact conversions of text to numbers and bytes, declared in json.h.
 *
 * Integers come from their digits. A double comes from its digits too where that is provably exact
 * (up to 15 digits and a power of ten that is itself a double); otherwise strtod gets the digits
 * without a decimal point, so that the locale has no say. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tracekeep/json.h"

enum {
  MAX_DIGITS = 800, /* more than any double needs to be rounded correctly */
  EXPONENT_LIMIT = 100000000
};

/* digits * 10^exponent, without leading zeros; count 0 is zero. */
struct decimal {
  int64_t exponent;
  uint32_t count;
  bool negative;
  bool more; /* digits beyond MAX_DIGITS were left out, not all of them zero */
  char digits[MAX_DIGITS + 1];
};

static bool is_digit(char byte) {
  return byte >= '0' && byte <= '9';
}

static void add_digit(struct decimal *decimal, char digit, bool fraction) {
  if (decimal->count == 0 && digit == '0') {
    decimal->exponent -= fraction;
  } else if (decimal->count < MAX_DIGITS) {
    decimal->digits[decimal->count++] = digit;
    decimal->exponent -= fraction;
  } else {
    decimal->more |= digit != '0';
    decimal->exponent += !fraction;
  }
}

static bool read_exponent(struct decimal *decimal, const char *at, const char *end) {
  int64_t exponent = 0;
  const bool negative = at < end && *at == '-';
  if (at < end && (*at == '-' || *at == '+')) at++;
  if (at == end) return false;
  for (; at < end; at++) {
    if (!is_digit(*at)) return false;
    if (exponent < EXPONENT_LIMIT) exponent = exponent * 10 + (*at - '0');
  }
  decimal->exponent += negative ? -exponent : exponent;
  return true;
}

/* A leading zero or plus is let pass: strings that stand for numbers have them. */
static bool read_decimal(struct decimal *decimal, const char *text, uint32_t size) {
  const char *at = text;
  const char *end = text + size;
  bool any = false;
  decimal->exponent = 0;
  decimal->count = 0;
  decimal->more = false;
  decimal->negative = size > 0 && *at == '-';
  if (size > 0 && (*at == '-' || *at == '+')) at++;
  for (; at < end && is_digit(*at); at++, any = true) add_digit(decimal, *at, false);
  if (at < end && *at == '.') {
    for (at++; at < end && is_digit(*at); at++, any = true) add_digit(decimal, *at, true);
  }
  if (!any) return false;
  if (at < end && (*at == 'e' || *at == 'E')) return read_exponent(decimal, at + 1, end);
  return at == end;
}

/* Magnitude, saturating at `limit`. */
static enum tk_number round_to_zero(const struct decimal *decimal, uint64_t limit, uint64_t *out) {
  const int64_t whole = (int64_t)decimal->count + decimal->exponent;
  uint64_t value = 0;
  *out = 0;
  if (decimal->count == 0) return TK_NUMBER_OK;
  if (whole <= 0) return TK_NUMBER_FRACTION;
  for (int64_t i = 0; i < whole; i++) {
    const uint64_t digit = i < (int64_t)decimal->count ? (uint64_t)(decimal->digits[i] - '0') : 0;
    if (value > (limit - digit) / 10) {
      *out = limit;
      return TK_NUMBER_RANGE;
    }
    value = value * 10 + digit;
  }
  *out = value;
  for (int64_t i = whole; i < (int64_t)decimal->count; i++) {
    if (decimal->digits[i] != '0') return TK_NUMBER_FRACTION;
  }
  return decimal->more ? TK_NUMBER_FRACTION : TK_NUMBER_OK;
}

/* Up to 18 digits and nothing else, which is nearly every integer there is. */
static bool read_plain_digits(const char *text, uint32_t size, uint64_t *out) {
  uint64_t value = 0;
  if (size == 0 || size > 19) return false;
  for (uint32_t i = 0; i < size; i++) {
    const unsigned digit = (unsigned char)text[i] - (unsigned)'0';
    if (digit > 9) return false;
    value = value * 10 + digit;
  }
  *out = value;
  return true;
}

enum tk_number tk_parse_uint64(const char *text, uint32_t size, uint64_t *out) {
  struct decimal decimal;
  if (read_plain_digits(text, size, out)) return TK_NUMBER_OK;
  *out = 0;
  if (!read_decimal(&decimal, text, size)) return TK_NUMBER_SYNTAX;
  if (decimal.negative && decimal.count > 0) return TK_NUMBER_RANGE;
  return round_to_zero(&decimal, UINT64_MAX, out);
}

enum tk_number tk_parse_int64(const char *text, uint32_t size, int64_t *out) {
  struct decimal decimal;
  uint64_t magnitude;
  if (size <= 18 && read_plain_digits(text, size, &magnitude)) {
    *out = (int64_t)magnitude;
    return TK_NUMBER_OK;
  }
  *out = 0;
  if (!read_decimal(&decimal, text, size)) return TK_NUMBER_SYNTAX;
  const uint64_t limit = (uint64_t)INT64_MAX + decimal.negative;
  const enum tk_number result = round_to_zero(&decimal, limit, &magnitude);
  /* Negated as unsigned: the magnitude of INT64_MIN has no positive twin. */
  *out = (int64_t)(decimal.negative ? 0 - magnitude : magnitude);
  return result;
}

static bool convert_exactly(const struct decimal *decimal, double *out) {
  static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  uint64_t digits = 0;
  if (decimal->count > 15 || decimal->exponent < -22 || decimal->exponent > 22) return false;
  for (uint32_t i = 0; i < decimal->count; i++) {
    digits = digits * 10 + (uint64_t)(decimal->digits[i] - '0');
  }
  const double value = (double)digits;
  *out = decimal->exponent < 0 ? value / powers[-decimal->exponent]
                               : value * powers[decimal->exponent];
  return true;
}

enum tk_number tk_parse_double(const char *text, uint32_t size, double *out) {
  struct decimal decimal;
  char buffer[MAX_DIGITS + 32];
  double value;
  *out = 0;
  if (!read_decimal(&decimal, text, size)) return TK_NUMBER_SYNTAX;
  if (!convert_exactly(&decimal, &value)) {
    /* One more digit stands for all that were left out: they only break ties. */
    if (decimal.more) {
      decimal.digits[decimal.count++] = '1';
      decimal.exponent--;
    }
    snprintf(buffer, sizeof buffer, "%.*se%lld", (int)decimal.count, decimal.digits,
             (long long)decimal.exponent);
    value = strtod(buffer, NULL);
  }
  *out = decimal.negative ? -value : value;
  return isinf(value) ? TK_NUMBER_RANGE : TK_NUMBER_OK;
}

static int base64_digit(char byte) {
  if (byte >= 'A' && byte <= 'Z') return byte - 'A';
  if (byte >= 'a' && byte <= 'z') return byte - 'a' + 26;
  if (byte >= '0' && byte <= '9') return byte - '0' + 52;
  if (byte == '+' || byte == '-') return 62;
  if (byte == '/' || byte == '_') return 63;
  return -1;
}

int64_t tk_base64_decode(const char *text, uint32_t size, uint8_t *out) {
  uint32_t padding = 0;
  uint32_t bits = 0;
  int64_t written = 0;
  while (padding < 2 && size > 0 && text[size - 1] == '=') {
    size--;
    padding++;
  }
  if (size % 4 == 1 || (padding > 0 && (size + padding) % 4 != 0)) return -1;
  for (uint32_t i = 0; i < size; i++) {
    const int digit = base64_digit(text[i]);
    if (digit < 0) return -1;
    bits = bits << 6 | (uint32_t)digit;
    if (i % 4 == 1) out[written++] = (uint8_t)(bits >> 4);
    if (i % 4 == 2) out[written++] = (uint8_t)(bits >> 2);
    if (i % 4 == 3) out[written++] = (uint8_t)bits;
  }
  /* Bits that belong to no byte must be zero, or two texts would mean the same bytes. */
  if (size % 4 == 2 && (bits & 0xF)) return -1;
  if (size % 4 == 3 && (bits & 0x3)) return -1;
  return written;
}
