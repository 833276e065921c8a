/* SPDX-License-Identifier: MIT
 * Durations and instants as text. The calendar is the proleptic Gregorian one, counted in days from
 * 1970-01-01 with years that begin in March, so that the leap day is the last day of a year. */
#include "sqlext/functions/time_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_SECOND INT64_C(1000000000)
#define NS_PER_DAY (86400 * NS_PER_SECOND)

struct unit {
  const char *name;
  uint64_t ns;
};

/* A name that begins with another one stands before it. */
static const struct unit units[] = {
    {"ns", 1},
    {"us", 1000},
    {"\xC2\xB5s", 1000}, /* micro sign */
    {"\xCE\xBCs", 1000}, /* Greek mu */
    {"ms", 1000000},
    {"min", 60 * UINT64_C(1000000000)},
    {"m", 60 * UINT64_C(1000000000)},
    {"s", UINT64_C(1000000000)},
    {"h", 3600 * UINT64_C(1000000000)},
    {"d", UINT64_C(86400) * 1000000000},
    {"w", UINT64_C(604800) * 1000000000},
};

/* ---- durations ---- */

/* `value` in units of `unit_ns` with three significant digits, without trailing zeros. False: it
 * rounds up to a thousand and belongs to the next unit. */
static bool format_fraction(uint64_t value_ns, uint64_t unit_ns, const char *sign, const char *unit,
                            char text[TK_FORMATTED_SIZE]) {
  unsigned decimals = value_ns >= 100 * unit_ns ? 0 : value_ns >= 10 * unit_ns ? 1 : 2;
  uint64_t scale = decimals == 2 ? 100 : decimals == 1 ? 10 : 1;
  /* value < 1000 units <= 1e12 ns, so nothing here comes near 2^64 */
  uint64_t scaled = (value_ns * scale + unit_ns / 2) / unit_ns;
  while (decimals > 0 && scaled % 10 == 0) {
    scaled /= 10;
    decimals--;
  }
  scale = decimals == 2 ? 100 : decimals == 1 ? 10 : 1;
  if (scaled / scale >= 1000) return false;
  if (decimals == 0) {
    snprintf(text, TK_FORMATTED_SIZE, "%s%llu%s", sign, (unsigned long long)scaled, unit);
  } else {
    snprintf(text, TK_FORMATTED_SIZE, "%s%llu.%0*llu%s", sign, (unsigned long long)(scaled / scale),
             (int)decimals, (unsigned long long)(scaled % scale), unit);
  }
  return true;
}

/* The two largest units of a duration of a minute or more. */
static void format_long(uint64_t ns, const char *sign, char text[TK_FORMATTED_SIZE]) {
  static const struct {
    uint64_t ns;
    const char *name;
  } steps[] = {{86400 * UINT64_C(1000000000), "d"},
               {3600 * UINT64_C(1000000000), "h"},
               {60 * UINT64_C(1000000000), "m"},
               {UINT64_C(1000000000), "s"}};
  unsigned large = 0;
  while (large < 2 && ns < steps[large].ns) large++;
  uint64_t rounded = (ns + steps[large + 1].ns / 2) / steps[large + 1].ns * steps[large + 1].ns;
  /* rounding up may have filled the next unit: 59m 59.6s is 1h */
  if (large > 0 && rounded >= steps[large - 1].ns) large--;
  uint64_t many = rounded / steps[large].ns;
  uint64_t few = rounded % steps[large].ns / steps[large + 1].ns;
  int size = snprintf(text, TK_FORMATTED_SIZE, "%s%llu%s", sign, (unsigned long long)many,
                      steps[large].name);
  if (few > 0) {
    snprintf(text + size, (size_t)(TK_FORMATTED_SIZE - size), " %llu%s", (unsigned long long)few,
             steps[large + 1].name);
  }
}

void tk_duration_format(int64_t duration_ns, char text[TK_FORMATTED_SIZE]) {
  const char *sign = duration_ns < 0 ? "-" : "";
  uint64_t ns = duration_ns < 0 ? 0 - (uint64_t)duration_ns : (uint64_t)duration_ns;

  if (ns == 0) {
    memcpy(text, "0s", 3);
    return;
  }
  if (ns < 1000) {
    snprintf(text, TK_FORMATTED_SIZE, "%s%lluns", sign, (unsigned long long)ns);
    return;
  }
  if (ns < 1000000 && format_fraction(ns, 1000, sign, "us", text)) return;
  if (ns < 1000000000 && format_fraction(ns, 1000000, sign, "ms", text)) return;
  if (ns < UINT64_C(59950000000)) { /* from here on rounding gives a whole minute */
    format_fraction(ns, 1000000000, sign, "s", text);
    return;
  }
  format_long(ns < UINT64_C(60000000000) ? UINT64_C(60000000000) : ns, sign, text);
}

static bool is_digit(const char *p, const char *end) {
  return p < end && *p >= '0' && *p <= '9';
}

static const char *skip_spaces(const char *p, const char *end) {
  while (p < end && (*p == ' ' || *p == '\t')) p++;
  return p;
}

static const struct unit *find_unit(const char *p, const char *end) {
  for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
    size_t size = strlen(units[i].name);
    if ((size_t)(end - p) >= size && memcmp(p, units[i].name, size) == 0) return &units[i];
  }
  return NULL;
}

/* floor(0.d1d2d3... * unit), by long multiplication from the last digit on: each step floors, and
 * floors of floors lose nothing. */
static uint64_t multiply_fraction(const char *digits, size_t count, uint64_t unit_ns) {
  uint64_t sum = 0;
  while (count > 0) sum = (sum + (uint64_t)(digits[--count] - '0') * unit_ns) / 10;
  return sum;
}

struct number {
  uint64_t whole;
  const char *fraction;
  size_t fraction_size;
};

/* NULL: no number here, or one beyond 2^64. */
static const char *parse_number(const char *p, const char *end, struct number *number) {
  const char *begin = p;
  number->whole = 0;
  for (; is_digit(p, end); p++) {
    if (__builtin_mul_overflow(number->whole, 10, &number->whole) ||
        __builtin_add_overflow(number->whole, (uint64_t)(*p - '0'), &number->whole)) {
      return NULL;
    }
  }
  bool has_digits = p > begin;
  number->fraction = p;
  number->fraction_size = 0;
  if (p < end && *p == '.') {
    number->fraction = ++p;
    while (is_digit(p, end)) p++;
    number->fraction_size = (size_t)(p - number->fraction);
  }
  return has_digits || number->fraction_size > 0 ? p : NULL;
}

static int shown(struct tk_text text) {
  return text.size > 60 ? 60 : (int)text.size;
}

static enum tk_status refuse_duration(struct tk_text text, const char *why,
                                      struct tk_error *error) {
  return tk_fail(error, TK_INVALID,
                 "not a duration: '%.*s': %s (expected numbers with units, such as 250ms, 1.5s, "
                 "2m30s; units are ns us ms s m h d w)",
                 shown(text), text.data ? text.data : "", why);
}

enum tk_status tk_duration_parse(struct tk_text text, int64_t *duration_ns_out,
                                 struct tk_error *error) {
  const char *end = text.size ? text.data + text.size : text.data;
  const char *p = skip_spaces(text.data, end);
  bool negative = p < end && *p == '-';
  uint64_t total = 0;

  if (p < end && (*p == '-' || *p == '+')) p++;
  if (p == end) return refuse_duration(text, "no number", error);
  while (p < end) {
    struct number number;
    const char *after = parse_number(p, end, &number);
    if (!after) return refuse_duration(text, "a number is missing or too large", error);
    p = skip_spaces(after, end);
    const struct unit *unit = find_unit(p, end);
    uint64_t ns = 0;
    if (unit) {
      p = skip_spaces(p + strlen(unit->name), end);
      if (__builtin_mul_overflow(number.whole, unit->ns, &ns)) ns = UINT64_MAX;
      uint64_t fraction = multiply_fraction(number.fraction, number.fraction_size, unit->ns);
      if (__builtin_add_overflow(ns, fraction, &ns)) ns = UINT64_MAX;
    } else if (number.whole != 0 || number.fraction_size != 0 || p < end) {
      return refuse_duration(text, "a unit is missing or unknown", error);
    }
    if (__builtin_add_overflow(total, ns, &total) || total > (uint64_t)INT64_MAX) {
      return refuse_duration(text, "longer than 292 years", error);
    }
  }
  *duration_ns_out = negative ? -(int64_t)total : (int64_t)total;
  return TK_OK;
}

/* ---- instants ---- */

static int64_t floor_divide(int64_t a, int64_t b) {
  return a / b - (a % b < 0);
}

struct date {
  int64_t year;
  unsigned month, day;
};

static int64_t days_of_date(struct date date) {
  int64_t year = date.year - (date.month <= 2);
  int64_t era = floor_divide(year, 400);
  unsigned year_of_era = (unsigned)(year - era * 400);
  unsigned month_from_march = (date.month + 9) % 12;
  unsigned day_of_year = (153 * month_from_march + 2) / 5 + date.day - 1;
  unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + (int64_t)day_of_era - 719468;
}

static struct date date_of_days(int64_t days) {
  int64_t era = floor_divide(days + 719468, 146097);
  unsigned day_of_era = (unsigned)(days + 719468 - era * 146097);
  unsigned year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  unsigned month_from_march = (5 * day_of_year + 2) / 153;
  struct date date = {.day = day_of_year - (153 * month_from_march + 2) / 5 + 1,
                      .month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9};
  date.year = era * 400 + year_of_era + (date.month <= 2);
  return date;
}

void tk_time_format(int64_t unix_ns, char text[TK_FORMATTED_SIZE]) {
  int64_t days = floor_divide(unix_ns, NS_PER_DAY);
  /* wraps below the first whole day of the range, and comes out right all the same */
  uint64_t in_day = (uint64_t)unix_ns - (uint64_t)days * (uint64_t)NS_PER_DAY;
  unsigned seconds = (unsigned)(in_day / (uint64_t)NS_PER_SECOND);
  struct date date = date_of_days(days);
  snprintf(text, TK_FORMATTED_SIZE, "%04d-%02u-%02uT%02u:%02u:%02u.%09uZ", (int)date.year,
           date.month, date.day, seconds / 3600, seconds / 60 % 60, seconds % 60,
           (unsigned)(in_day % (uint64_t)NS_PER_SECOND));
}

/* Exactly `count` digits. NULL if there are not. */
static const char *parse_digits(const char *p, const char *end, unsigned count, unsigned *value) {
  *value = 0;
  for (unsigned i = 0; i < count; i++, p++) {
    if (!is_digit(p, end)) return NULL;
    *value = *value * 10 + (unsigned)(*p - '0');
  }
  return p;
}

static const char *parse_date(const char *p, const char *end, struct date *date) {
  static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  unsigned year;
  if (!(p = parse_digits(p, end, 4, &year)) || p == end || *p != '-') return NULL;
  if (!(p = parse_digits(p + 1, end, 2, &date->month)) || p == end || *p != '-') return NULL;
  if (!(p = parse_digits(p + 1, end, 2, &date->day))) return NULL;
  if (date->month < 1 || date->month > 12 || date->day < 1) return NULL;
  bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  if (date->day > days[date->month - 1] + (unsigned)(leap && date->month == 2)) return NULL;
  date->year = year;
  return p;
}

/* `HH:MM[:SS[.f...]]`: seconds since midnight, and ns. */
static const char *parse_clock(const char *p, const char *end, int64_t *seconds, int64_t *ns) {
  unsigned hour, minute, second = 0;
  if (!(p = parse_digits(p, end, 2, &hour)) || p == end || *p != ':') return NULL;
  if (!(p = parse_digits(p + 1, end, 2, &minute))) return NULL;
  if (p < end && *p == ':' && !(p = parse_digits(p + 1, end, 2, &second))) return NULL;
  if (hour > 23 || minute > 59 || second > 60) return NULL;
  *ns = 0;
  if (p < end && (*p == '.' || *p == ',')) {
    const char *digits = ++p;
    while (is_digit(p, end)) p++;
    if (p == digits) return NULL;
    *ns = (int64_t)multiply_fraction(digits, (size_t)(p - digits), (uint64_t)NS_PER_SECOND);
  }
  *seconds = (int64_t)hour * 3600 + (int64_t)minute * 60 + second;
  return p;
}

/* `Z`, `+01:00`, `-0530`, `+01` or nothing. */
static const char *parse_offset(const char *p, const char *end, int64_t *seconds) {
  unsigned hour, minute = 0;
  *seconds = 0;
  p = skip_spaces(p, end);
  if (p == end) return p;
  if (*p == 'Z' || *p == 'z') return p + 1;
  if (*p != '+' && *p != '-') return NULL;
  bool west = *p == '-';
  if (!(p = parse_digits(p + 1, end, 2, &hour))) return NULL;
  if (p < end && *p == ':') p++;
  if (p < end && !(p = parse_digits(p, end, 2, &minute))) return NULL;
  if (hour > 23 || minute > 59) return NULL;
  *seconds = ((int64_t)hour * 3600 + (int64_t)minute * 60) * (west ? -1 : 1);
  return p;
}

static enum tk_status refuse_time(struct tk_text text, const char *why, struct tk_error *error) {
  return tk_fail(error, TK_INVALID,
                 "not a time: '%.*s': %s (expected 2026-11-20T13:00:00Z, 2026-11-20, now, or a "
                 "duration from now such as -1h)",
                 shown(text), text.data ? text.data : "", why);
}

static enum tk_status parse_relative(struct tk_text text, const char *p, int64_t now_ns,
                                     int64_t *unix_ns_out, struct tk_error *error) {
  const char *end = text.data + text.size;
  struct tk_text rest = {p, (uint32_t)(end - p)};
  int64_t duration = 0;
  enum tk_status status = tk_duration_parse(rest, &duration, error);
  if (status != TK_OK) return status;
  if (__builtin_add_overflow(now_ns, duration, unix_ns_out)) {
    return refuse_time(text, "outside the years 1677 to 2262", error);
  }
  return TK_OK;
}

enum tk_status tk_time_parse(struct tk_text text, int64_t now_ns, int64_t *unix_ns_out,
                             struct tk_error *error) {
  const char *end = text.size ? text.data + text.size : text.data;
  while (end > text.data && end[-1] == ' ') end--;
  const char *p = skip_spaces(text.data, end);
  struct tk_text trimmed = {text.data, (uint32_t)(end - text.data)};
  struct date date;
  int64_t seconds = 0, ns = 0, offset = 0;

  if (end - p >= 3 && memcmp(p, "now", 3) == 0) {
    p = skip_spaces(p + 3, end);
    if (p == end) {
      *unix_ns_out = now_ns;
      return TK_OK;
    }
    if (*p != '-' && *p != '+') return refuse_time(text, "'now' takes + or -", error);
  }
  if (p < end && (*p == '-' || *p == '+')) {
    return parse_relative(trimmed, p, now_ns, unix_ns_out, error);
  }
  if (!(p = parse_date(p, end, &date))) return refuse_time(text, "no such date", error);
  if (p < end) {
    if (*p != 'T' && *p != 't' && *p != ' ') return refuse_time(text, "no such date", error);
    if (!(p = parse_clock(p + 1, end, &seconds, &ns))) {
      return refuse_time(text, "no such time of day", error);
    }
    if (!(p = parse_offset(p, end, &offset)) || p != end) {
      return refuse_time(text, "the offset is neither Z nor like +01:00", error);
    }
  }
  int64_t total = days_of_date(date) * 86400 + seconds - offset;
  if (total < 0 && ns > 0) { /* so that the product does not leave the range before the sum */
    total++;
    ns -= NS_PER_SECOND;
  }
  if (__builtin_mul_overflow(total, NS_PER_SECOND, unix_ns_out) ||
      __builtin_add_overflow(*unix_ns_out, ns, unix_ns_out)) {
    return refuse_time(text, "outside the years 1677 to 2262", error);
  }
  return TK_OK;
}
