/* SPDX-License-Identifier: MIT
 * Bucketing by the leading bits of a value. See log_histogram.h. */
#include "sqlext/metrics/log_histogram.h"

#include <string.h>

#include "store/sqlite_api.h"

#define PART_BITS 6

/* Bucket of a magnitude, which is at least 1: its power of two, and which part of that. */
static unsigned page_of(uint64_t magnitude) {
  return 63u - (unsigned)__builtin_clzll(magnitude);
}

static unsigned part_of(uint64_t magnitude, unsigned page) {
  uint64_t rest = magnitude - ((uint64_t)1 << page);
  return (unsigned)(page > PART_BITS ? rest >> (page - PART_BITS) : rest << (PART_BITS - page));
}

/* Small powers have less than one integer a part: those are exact. */
static double middle_of(unsigned page, unsigned part) {
  double power = (double)((uint64_t)1 << page);
  if (page <= PART_BITS) return power + (double)(part >> (PART_BITS - page));
  return power * (1 + ((double)part + 0.5) / TK_LOG_HISTOGRAM_PARTS);
}

bool tk_log_histogram_add(struct tk_log_histogram *histogram, int64_t value) {
  if (value == 0) {
    histogram->zeros++;
    return true;
  }
  uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
  unsigned page = page_of(magnitude);
  uint64_t **counts = value < 0 ? &histogram->negative[page] : &histogram->positive[page];
  if (!*counts) {
    *counts = sqlite3_malloc64(TK_LOG_HISTOGRAM_PARTS * sizeof **counts);
    if (!*counts) return false;
    memset(*counts, 0, TK_LOG_HISTOGRAM_PARTS * sizeof **counts);
  }
  (*counts)[part_of(magnitude, page)]++;
  return true;
}

void tk_log_histogram_reset(struct tk_log_histogram *histogram) {
  for (int i = 0; i < 64; i++) {
    sqlite3_free(histogram->positive[i]);
    sqlite3_free(histogram->negative[i]);
  }
  *histogram = (struct tk_log_histogram){0};
}

/* The value of rank `rank`, counted from 0 in ascending order. */
static double value_of_rank(const struct tk_log_histogram *histogram, uint64_t rank) {
  uint64_t before = 0;

  for (unsigned page = 64; page-- > 0;) {
    const uint64_t *counts = histogram->negative[page];
    for (unsigned part = TK_LOG_HISTOGRAM_PARTS; counts && part-- > 0;) {
      before += counts[part];
      if (before > rank) return -middle_of(page, part);
    }
  }
  before += histogram->zeros;
  if (before > rank) return 0;
  for (unsigned page = 0; page < 64; page++) {
    const uint64_t *counts = histogram->positive[page];
    for (unsigned part = 0; counts && part < TK_LOG_HISTOGRAM_PARTS; part++) {
      before += counts[part];
      if (before > rank) return middle_of(page, part);
    }
  }
  return 0;
}

double tk_log_histogram_quantile(const struct tk_log_histogram *histogram, uint64_t count,
                                 double q) {
  double position = q * (double)(count - 1);
  uint64_t rank = (uint64_t)position;
  double fraction = position - (double)rank;
  double low = value_of_rank(histogram, rank);
  if (fraction <= 0 || rank + 1 >= count) return low;
  return low + (value_of_rank(histogram, rank + 1) - low) * fraction;
}
