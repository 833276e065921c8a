/* SPDX-License-Identifier: MIT
 * Ids as hexadecimal digits, instants as RFC 3339, kinds and status codes by their names. */
#include "sqlext/text_forms.h"
#include "tracekeep/json.h"

#include <string.h>

void tk_hex_text(const uint8_t *bytes, size_t size, char *out) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < size; i++) {
    out[2 * i] = digits[bytes[i] >> 4];
    out[2 * i + 1] = digits[bytes[i] & 15];
  }
}

bool tk_hex_parse(struct tk_text text, uint8_t *bytes, size_t size) {
  if (text.size != 2 * size) return false;
  for (size_t i = 0; i < size; i++) {
    int high = tk_hex_digit(text.data[2 * i]), low = tk_hex_digit(text.data[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    bytes[i] = (uint8_t)(high << 4 | low);
  }
  return true;
}

static void put_decimal(char *out, unsigned width, uint64_t value) {
  while (width-- > 0) {
    out[width] = (char)('0' + value % 10);
    value /= 10;
  }
}

void tk_instant_text(uint64_t unix_ns, char out[TK_INSTANT_TEXT_SIZE]) {
  uint64_t seconds = unix_ns / 1000000000u;
  uint64_t second_of_day = seconds % 86400;
  /* Days since 0000-03-01 of the proleptic Gregorian calendar: years begin in March, so that the
   * leap day is the last day of its year. */
  uint64_t days = seconds / 86400 + 719468;
  uint64_t era = days / 146097, day_of_era = days % 146097;
  uint64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  uint64_t month_from_march = (5 * day_of_year + 2) / 153;
  uint64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
  uint64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  uint64_t year = era * 400 + year_of_era + (month <= 2);

  memcpy(out, "0000-00-00T00:00:00.000000000Z", TK_INSTANT_TEXT_SIZE);
  put_decimal(out, 4, year);
  put_decimal(out + 5, 2, month);
  put_decimal(out + 8, 2, day);
  put_decimal(out + 11, 2, second_of_day / 3600);
  put_decimal(out + 14, 2, second_of_day / 60 % 60);
  put_decimal(out + 17, 2, second_of_day % 60);
  put_decimal(out + 20, 9, unix_ns % 1000000000u);
}

const char *tk_kind_name(int64_t kind) {
  static const char *const names[] = {
      [TK_KIND_UNSPECIFIED] = "unspecified", [TK_KIND_INTERNAL] = "internal",
      [TK_KIND_SERVER] = "server",           [TK_KIND_CLIENT] = "client",
      [TK_KIND_PRODUCER] = "producer",       [TK_KIND_CONSUMER] = "consumer"};
  return kind >= 0 && kind <= TK_KIND_CONSUMER ? names[kind] : NULL;
}

const char *tk_status_code_name(int64_t code) {
  static const char *const names[] = {
      [TK_STATUS_UNSET] = "unset", [TK_STATUS_OK] = "ok", [TK_STATUS_ERROR] = "error"};
  return code >= 0 && code <= TK_STATUS_ERROR ? names[code] : NULL;
}
