/* SPDX-License-Identifier: MIT
 * Units of times. Numbers stay decimal digits until they are nanoseconds. */
#include "cli/input/flat_time.h"

#include <string.h>

static const struct {
  const char *name;
  int unit;
} units[] = {
    {"ns", TK_UNIT_NS},     {"nano", TK_UNIT_NS},
    {"nanos", TK_UNIT_NS},  {"nanoseconds", TK_UNIT_NS},
    {"us", TK_UNIT_US},     {"micro", TK_UNIT_US},
    {"micros", TK_UNIT_US}, {"microseconds", TK_UNIT_US},
    {"ms", TK_UNIT_MS},     {"milli", TK_UNIT_MS},
    {"millis", TK_UNIT_MS}, {"milliseconds", TK_UNIT_MS},
    {"s", TK_UNIT_S},       {"sec", TK_UNIT_S},
    {"secs", TK_UNIT_S},    {"seconds", TK_UNIT_S},
    {"", TK_UNIT_GUESS},
};

bool tk_flat_unit(const char *rest, int *unit) {
  if (strncmp(rest, "unix", 4) == 0) rest += 4;
  for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
    if (strcmp(units[i].name, rest) == 0) {
      *unit = units[i].unit;
      return true;
    }
  }
  return false;
}

static int guess_unit(uint64_t number) {
  if (number >= 100000000000000000u) return TK_UNIT_NS;
  if (number >= 100000000000000u) return TK_UNIT_US;
  return number >= 100000000000u ? TK_UNIT_MS : TK_UNIT_S;
}

static bool scale(struct tk_text text, int unit, uint64_t *ns) {
  switch (tk_scale_decimal(text, unit, ns)) {
    case TK_NUMBER_OK:
    case TK_NUMBER_FRACTION: /* of a nanosecond */
      return true;
    case TK_NUMBER_RANGE:
    case TK_NUMBER_SYNTAX:
      break;
  }
  return false;
}

bool tk_flat_time(struct tk_text text, int unit, uint64_t *unix_ns, int *unit_used) {
  int used = unit;
  *unix_ns = 0;
  if (tk_parse_rfc3339(text, unix_ns)) {
    used = TK_UNIT_GUESS;
  } else {
    uint64_t number;
    if (!scale(text, 0, &number)) return false;
    if (used == TK_UNIT_GUESS) used = guess_unit(number);
    if (!scale(text, used, unix_ns)) return false;
  }
  if (unit_used) *unit_used = used;
  return true;
}

static bool is_numeral(char c) {
  return (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+';
}

/* "1.5ms", with the letter of micro as Go writes it, U+00B5 or U+03BC. */
static struct tk_text split_unit(struct tk_text text, int *unit) {
  char name[16];
  uint32_t size = 0;
  while (size < text.size && is_numeral(text.data[size])) size++;
  struct tk_text rest = {text.data + size, text.size - size};
  while (rest.size > 0 && rest.data[0] == ' ') rest.data++, rest.size--;
  if (rest.size == 3 &&
      (memcmp(rest.data, "\xC2\xB5s", 3) == 0 || memcmp(rest.data, "\xCE\xBCs", 3) == 0)) {
    rest = (struct tk_text){"us", 2};
  }
  if (size == 0 || rest.size == 0 || rest.size >= sizeof name) return text;
  memcpy(name, rest.data, rest.size);
  name[rest.size] = '\0';
  int named;
  if (!tk_flat_unit(name, &named) || named == TK_UNIT_GUESS) return text;
  *unit = named;
  return (struct tk_text){text.data, size};
}

bool tk_flat_duration(struct tk_text text, int unit, uint64_t *ns) {
  *ns = 0;
  const struct tk_text digits = split_unit(text, &unit);
  return scale(digits, unit == TK_UNIT_GUESS ? TK_UNIT_NS : unit, ns);
}
