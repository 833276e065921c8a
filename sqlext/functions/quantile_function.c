/* SPDX-License-Identifier: MIT
 * The aggregate and window functions quantile(x, q), median(x), p50(x), p90(x), p95(x), p99(x).
 *
 * Exact, with linear interpolation between the two nearest values (percentile_cont of standard SQL,
 * quantile_cont of DuckDB): position q * (n - 1) in the sorted values. The result is REAL always,
 * NULL for no values; NULLs do not count; text and blobs are errors.
 *
 * Values are kept as they come, 8 bytes each: as integers until the first REAL arrives, from then
 * on as doubles, and those as integers that order as the doubles do, so that one selection, one
 * sort and one search serve both. An aggregate selects once, at the end, in linear time. A window
 * asks after every few rows: on the first such question the values are sorted, and from then on
 * kept sorted by insertion. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sqlext/functions/functions.h"
#include "sqlext/metrics/selection.h"
#include "store/sqlite_api.h"

struct sample {
  int64_t *keys;
  size_t count, capacity;
  double q;
  bool has_q;
  bool is_real;   /* keys are of doubles */
  bool is_sorted; /* and to be kept so */
};

/* There are no NaNs here: SQLite turns them into NULL. */
static int64_t key_of_real(double real) {
  int64_t bits;
  real += 0.0; /* -0.0 and 0.0 are one value */
  memcpy(&bits, &real, sizeof bits);
  return bits < 0 ? bits ^ INT64_MAX : bits;
}

static double real_of_key(int64_t key) {
  double real;
  int64_t bits = key < 0 ? key ^ INT64_MAX : key;
  memcpy(&real, &bits, sizeof real);
  return real;
}

/* Monotone, so a sorted sample stays sorted. */
static void turn_real(struct sample *sample) {
  for (size_t i = 0; i < sample->count; i++) {
    sample->keys[i] = key_of_real((double)sample->keys[i]);
  }
  sample->is_real = true;
}

/* ---- order ---- */

static int compare_keys(const void *a, const void *b) {
  int64_t x, y;
  memcpy(&x, a, sizeof x);
  memcpy(&y, b, sizeof y);
  return (x > y) - (x < y);
}

/* First index whose key is not below `key`. */
static size_t find_key(const struct sample *sample, int64_t key) {
  size_t begin = 0, end = sample->count;
  while (begin < end) {
    size_t middle = begin + (end - begin) / 2;
    if (sample->keys[middle] < key) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin;
}

/* ---- the sample ---- */

static bool insert_key(struct sample *sample, int64_t key) {
  if (sample->count == sample->capacity) {
    size_t capacity = sample->capacity ? sample->capacity * 2 : 64;
    int64_t *keys = sqlite3_realloc64(sample->keys, capacity * sizeof *keys);
    if (!keys) return false;
    sample->keys = keys;
    sample->capacity = capacity;
  }
  size_t at = sample->count;
  if (sample->is_sorted) {
    at = find_key(sample, key);
    memmove(sample->keys + at + 1, sample->keys + at, (sample->count - at) * sizeof key);
  }
  sample->keys[at] = key;
  sample->count++;
  return true;
}

/* What moves out of a window. Unsorted only if no value was ever asked for: search from the front,
 * where the rows that leave are. */
static void remove_key(struct sample *sample, int64_t key) {
  size_t at = 0;
  if (sample->is_sorted) {
    at = find_key(sample, key);
  } else {
    while (at < sample->count && sample->keys[at] != key) at++;
  }
  if (at >= sample->count || sample->keys[at] != key) return;
  sample->count--;
  memmove(sample->keys + at, sample->keys + at + 1, (sample->count - at) * sizeof key);
}

static double interpolate(double low, double high, double difference, double fraction) {
  if (low == high) return low;
  if (isinf(low)) return low;
  if (isinf(high)) return high;
  if (isinf(difference)) return low * (1 - fraction) + high * fraction;
  return low + difference * fraction;
}

static double quantile_of(struct sample *sample) {
  double position = sample->q * (double)(sample->count - 1);
  size_t at = (size_t)position;
  double fraction = position - (double)at;
  int64_t low, high;

  if (!sample->is_sorted) tk_select_key(sample->keys, sample->count, at);
  low = high = sample->keys[at];
  if (fraction > 0 && at + 1 < sample->count) {
    high = sample->keys[at + 1];
    for (size_t i = at + 2; !sample->is_sorted && i < sample->count; i++) {
      if (sample->keys[i] < high) high = sample->keys[i];
    }
  }
  if (high == low) return sample->is_real ? real_of_key(low) : (double)low;
  if (sample->is_real) {
    double a = real_of_key(low), b = real_of_key(high);
    return interpolate(a, b, b - a, fraction);
  }
  return interpolate((double)low, (double)high, (double)((uint64_t)high - (uint64_t)low), fraction);
}

/* ---- SQLite ---- */

static bool check_q(sqlite3_context *context, struct sample *sample, double q) {
  if (sample->has_q && sample->q == q) return true;
  if (sample->has_q) {
    sqlite3_result_error(context, "quantile: expected the same q for every row of a group", -1);
    return false;
  }
  if (!(q >= 0 && q <= 1)) {
    sqlite3_result_error(context, "quantile: expected q between 0 and 1", -1);
    return false;
  }
  sample->q = q;
  sample->has_q = true;
  return true;
}

static bool take_q(sqlite3_context *context, struct sample *sample, int count,
                   sqlite3_value **values) {
  const double *fixed = sqlite3_user_data(context);
  if (count < 2) return check_q(context, sample, *fixed);
  int type = sqlite3_value_type(values[1]);
  if (type != SQLITE_INTEGER && type != SQLITE_FLOAT) {
    sqlite3_result_error(context, "quantile: expected q as a number between 0 and 1", -1);
    return false;
  }
  return check_q(context, sample, sqlite3_value_double(values[1]));
}

/* False: nothing to add or remove, or the result is an error already. */
static bool take_key(sqlite3_context *context, struct sample *sample, sqlite3_value *value,
                     int64_t *key) {
  switch (sqlite3_value_type(value)) {
    case SQLITE_NULL:
      return false;
    case SQLITE_INTEGER:
      *key = sqlite3_value_int64(value);
      if (sample->is_real) *key = key_of_real((double)*key);
      return true;
    case SQLITE_FLOAT:
      if (!sample->is_real) turn_real(sample);
      *key = key_of_real(sqlite3_value_double(value));
      return true;
    default:
      sqlite3_result_error(context, "quantile: expected numbers, found text or a blob", -1);
      return false;
  }
}

static void step(sqlite3_context *context, int count, sqlite3_value **values) {
  struct sample *sample = sqlite3_aggregate_context(context, sizeof *sample);
  int64_t key;
  if (!sample) {
    sqlite3_result_error_nomem(context);
  } else if (take_q(context, sample, count, values) && take_key(context, sample, values[0], &key) &&
             !insert_key(sample, key)) {
    sqlite3_result_error_nomem(context);
  }
}

static void inverse(sqlite3_context *context, int count, sqlite3_value **values) {
  struct sample *sample = sqlite3_aggregate_context(context, sizeof *sample);
  int64_t key;
  (void)count;
  if (sample && take_key(context, sample, values[0], &key)) remove_key(sample, key);
}

static void value(sqlite3_context *context) {
  struct sample *sample = sqlite3_aggregate_context(context, 0);
  if (!sample || sample->count == 0) return;
  if (!sample->is_sorted) {
    qsort(sample->keys, sample->count, sizeof *sample->keys, compare_keys);
    sample->is_sorted = true;
  }
  sqlite3_result_double(context, quantile_of(sample));
}

static void finish(sqlite3_context *context) {
  struct sample *sample = sqlite3_aggregate_context(context, 0);
  if (!sample) return;
  if (sample->count > 0) sqlite3_result_double(context, quantile_of(sample));
  sqlite3_free(sample->keys);
  sample->keys = NULL;
  sample->count = sample->capacity = 0;
}

int tk_register_quantile_functions(sqlite3 *db) {
  static const struct {
    const char *name;
    int argument_count;
    double q;
  } functions[] = {{"quantile", 2, 0}, {"median", 1, 0.5}, {"p50", 1, 0.5},
                   {"p90", 1, 0.9},    {"p95", 1, 0.95},   {"p99", 1, 0.99}};
  int rc = SQLITE_OK;
  for (size_t i = 0; rc == SQLITE_OK && i < sizeof functions / sizeof functions[0]; i++) {
    double *q = sqlite3_malloc64(sizeof *q);
    if (!q) return SQLITE_NOMEM;
    *q = functions[i].q;
    rc = sqlite3_create_window_function(db, functions[i].name, functions[i].argument_count,
                                        SQLITE_UTF8 | SQLITE_INNOCUOUS | SQLITE_DETERMINISTIC, q,
                                        step, finish, value, inverse, sqlite3_free);
  }
  return rc;
}
