/* SPDX-License-Identifier: MIT
 * Bytes, counts, durations and times for people. Times go through integers only. */
#include "cli/output/quantity.h"

#include <stdio.h>
#include <time.h>

void tk_format_bytes(uint64_t bytes, char text[TK_FORMAT_SIZE]) {
  static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 1000) {
    snprintf(text, TK_FORMAT_SIZE, "%u B", (unsigned)bytes);
    return;
  }
  double scaled = (double)bytes / 1000;
  size_t unit = 0;
  for (; scaled >= 999.95 && unit + 1 < sizeof units / sizeof units[0]; unit++) scaled /= 1000;
  snprintf(text, TK_FORMAT_SIZE, "%.1f %s", scaled, units[unit]);
}

void tk_format_count(uint64_t count, char text[TK_FORMAT_SIZE]) {
  static const char units[] = "kMGT";
  if (count < 1000) {
    snprintf(text, TK_FORMAT_SIZE, "%u", (unsigned)count);
    return;
  }
  double scaled = (double)count / 1000;
  size_t unit = 0;
  for (; scaled >= 999.95 && unit + 2 < sizeof units; unit++) scaled /= 1000;
  snprintf(text, TK_FORMAT_SIZE, "%.1f%c", scaled, units[unit]);
}

void tk_format_number(uint64_t number, char text[TK_FORMAT_SIZE]) {
  char digits[24];
  int count = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
  int at = 0;
  for (int i = 0; i < count; i++) {
    if (i > 0 && (count - i) % 3 == 0) text[at++] = ' ';
    text[at++] = digits[i];
  }
  text[at] = 0;
}

void tk_format_duration(int64_t ns, char text[TK_FORMAT_SIZE]) {
  const char *sign = ns < 0 ? "-" : "";
  uint64_t size = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
  if (size < 1000) {
    snprintf(text, TK_FORMAT_SIZE, "%s%uns", sign, (unsigned)size);
  } else if (size < 999950) {
    snprintf(text, TK_FORMAT_SIZE, "%s%.1fus", sign, (double)size / 1e3);
  } else if (size < 999950000) {
    snprintf(text, TK_FORMAT_SIZE, "%s%.1fms", sign, (double)size / 1e6);
  } else if (size < 59950000000) {
    snprintf(text, TK_FORMAT_SIZE, "%s%.1fs", sign, (double)size / 1e9);
  } else {
    uint64_t seconds = (size + 500000000) / 1000000000;
    unsigned minutes = (unsigned)(seconds / 60 % 60);
    if (seconds < 3600) {
      snprintf(text, TK_FORMAT_SIZE, "%s%um%02us", sign, minutes, (unsigned)(seconds % 60));
    } else {
      snprintf(text, TK_FORMAT_SIZE, "%s%lluh%02um", sign, (unsigned long long)(seconds / 3600),
               minutes);
    }
  }
}

void tk_format_time(uint64_t unix_ns, int digits, char text[TK_FORMAT_SIZE]) {
  time_t seconds = (time_t)(unix_ns / 1000000000);
  unsigned fraction = (unsigned)(unix_ns % 1000000000);
  struct tm parts;
  if (!gmtime_r(&seconds, &parts)) parts = (struct tm){0};
  size_t used = strftime(text, TK_FORMAT_SIZE, "%Y-%m-%d %H:%M:%S", &parts);
  char fraction_text[16];
  snprintf(fraction_text, sizeof fraction_text, ".%09u", fraction);
  if (digits > 0) snprintf(text + used, TK_FORMAT_SIZE - used, "%.*s", digits + 1, fraction_text);
}
