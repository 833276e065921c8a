/* SPDX-License-Identifier: MIT
 * Aggregates that extrapolate from sampled rows by their weights (adjusted counts):
 *
 *   weighted_count(w), weighted_sum(x, w), weighted_avg(x, w), weighted_rate(w, seconds)
 *   weighted_count_low/high(w [, cluster]), weighted_sum_low/high(x, w [, cluster])
 *   weighted_count_interval(w [, cluster]), weighted_sum_interval(x, w [, cluster]): JSON
 *   unknown_weight_share(w)
 *
 * Rows of unknown weight (NULL) add nothing, and where that leaves nothing the result is NULL;
 * which share they are, unknown_weight_share says. The limits are those of 95 % around the Horvitz-
 * Thompson estimate, whose variance is the sum of x^2 w (w - 1) over rows that were sampled each by
 * itself. Rows that were kept or dropped together, as the spans of a trace are, are one draw: they
 * are told by an equal `cluster` (the trace id), and the variance is that of the cluster's sum.
 * weighted_quantile is in weighted_quantile.c. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "sqlext/sampling/sampling_tables.h"
#include "store/sqlite_api.h"
#include "tracekeep/hash.h"

#define Z_95 1.959963984540054

/* Neumaier's compensated sum: as if in twice the precision, so that windows can take out what they
 * put in. */
struct sum {
  double total, rest;
};

static void add(struct sum *sum, double value) {
  const double total = sum->total + value;
  if (isfinite(total)) {
    sum->rest +=
        fabs(sum->total) >= fabs(value) ? sum->total - total + value : value - total + sum->total;
  }
  sum->total = total;
}

static double value_of(const struct sum *sum) {
  return sum->total + sum->rest;
}

enum result { ESTIMATE, AVERAGE, RATE, LOW, HIGH, INTERVAL, UNKNOWN_SHARE };

struct function {
  const char *name;
  int argument_count;
  enum result result;
  bool has_value;   /* x comes first */
  bool has_cluster; /* a cluster comes last */
};

/* What one cluster has so far. */
struct cluster {
  uint64_t hash; /* 0: free */
  double sum, largest_weight;
};

struct estimate {
  struct sum sum, variance, weights;
  int64_t rows, known;
  double seconds;
  bool has_seconds;
  struct cluster *clusters; /* open addressing */
  uint64_t cluster_count, cluster_capacity;
};

/* ---- clusters ---- */

static struct cluster *find_slot(struct cluster *slots, uint64_t capacity, uint64_t hash) {
  uint64_t at = hash & (capacity - 1);
  while (slots[at].hash != 0 && slots[at].hash != hash) at = (at + 1) & (capacity - 1);
  return &slots[at];
}

static bool grow(struct estimate *estimate) {
  const uint64_t capacity = estimate->cluster_capacity ? estimate->cluster_capacity * 2 : 64;
  struct cluster *slots = sqlite3_malloc64(capacity * sizeof *slots);
  if (!slots) return false;
  memset(slots, 0, capacity * sizeof *slots);
  for (uint64_t i = 0; i < estimate->cluster_capacity; i++) {
    const struct cluster *cluster = &estimate->clusters[i];
    if (cluster->hash != 0) *find_slot(slots, capacity, cluster->hash) = *cluster;
  }
  sqlite3_free(estimate->clusters);
  estimate->clusters = slots;
  estimate->cluster_capacity = capacity;
  return true;
}

/* False: out of memory. */
static bool add_to_cluster(struct estimate *estimate, sqlite3_value *key, double weighted,
                           double weight) {
  const void *bytes = sqlite3_value_blob(key);
  const int size = sqlite3_value_bytes(key);
  uint64_t hash = tk_hash64(bytes ? bytes : "", (size_t)size);
  if (hash == 0) hash = 1;
  if (estimate->cluster_count * 2 >= estimate->cluster_capacity && !grow(estimate)) return false;
  struct cluster *cluster = find_slot(estimate->clusters, estimate->cluster_capacity, hash);
  if (cluster->hash == 0) estimate->cluster_count++;
  cluster->hash = hash;
  cluster->sum += weighted;
  if (weight > cluster->largest_weight) cluster->largest_weight = weight;
  return true;
}

static double variance_of(const struct estimate *estimate) {
  struct sum variance = estimate->variance;
  for (uint64_t i = 0; i < estimate->cluster_capacity; i++) {
    const struct cluster *cluster = &estimate->clusters[i];
    if (cluster->hash == 0 || cluster->largest_weight <= 1) continue;
    add(&variance, cluster->sum * cluster->sum * (1 - 1 / cluster->largest_weight));
  }
  const double value = value_of(&variance);
  return value > 0 ? value : 0;
}

/* ---- rows ---- */

/* False: an error, or NULL. */
static bool take_number(sqlite3_context *context, sqlite3_value *value, const char *what,
                        double *number_out) {
  const int type = sqlite3_value_type(value);
  if (type == SQLITE_NULL) return false;
  if (type != SQLITE_INTEGER && type != SQLITE_FLOAT) {
    const struct function *function = sqlite3_user_data(context);
    char *message = sqlite3_mprintf("%s: expected %s as a number", function->name, what);
    if (message) {
      sqlite3_result_error(context, message, -1);
    } else {
      sqlite3_result_error_nomem(context);
    }
    sqlite3_free(message);
    return false;
  }
  *number_out = sqlite3_value_double(value);
  return true;
}

static void fail(sqlite3_context *context, const char *text) {
  sqlite3_result_error(context, text, -1);
}

static bool take_seconds(sqlite3_context *context, struct estimate *estimate,
                         sqlite3_value *value) {
  double seconds;
  if (!take_number(context, value, "seconds", &seconds)) return false;
  if (!(seconds > 0)) {
    fail(context, "weighted_rate: expected more than 0 seconds");
    return false;
  }
  if (estimate->has_seconds && estimate->seconds != seconds) {
    fail(context, "weighted_rate: expected the same seconds for every row of a group");
    return false;
  }
  estimate->seconds = seconds;
  estimate->has_seconds = true;
  return true;
}

/* x and w of a row; false: the row adds nothing. */
static bool take_row(sqlite3_context *context, const struct function *function,
                     sqlite3_value **values, double *x, double *weight) {
  *x = 1;
  if (function->has_value && !take_number(context, values[0], "a value", x)) return false;
  if (!take_number(context, values[function->has_value ? 1 : 0], "a weight", weight)) return false;
  if (*weight < 0) {
    fail(context, "expected a weight of at least 0");
    return false;
  }
  return true;
}

static void step(sqlite3_context *context, int count, sqlite3_value **values) {
  const struct function *function = sqlite3_user_data(context);
  struct estimate *estimate = sqlite3_aggregate_context(context, sizeof *estimate);
  double x, weight;

  if (!estimate) {
    sqlite3_result_error_nomem(context);
    return;
  }
  if (function->result == RATE && !take_seconds(context, estimate, values[1])) return;
  if (!function->has_value || sqlite3_value_type(values[0]) != SQLITE_NULL) estimate->rows++;
  if (!take_row(context, function, values, &x, &weight)) return;
  estimate->known++;
  add(&estimate->sum, x * weight);
  add(&estimate->weights, weight);
  if (!function->has_cluster) {
    if (weight > 1) add(&estimate->variance, x * x * weight * (weight - 1));
  } else if (!add_to_cluster(estimate, values[count - 1], x * weight, weight)) {
    sqlite3_result_error_nomem(context);
  }
}

static void inverse(sqlite3_context *context, int count, sqlite3_value **values) {
  const struct function *function = sqlite3_user_data(context);
  struct estimate *estimate = sqlite3_aggregate_context(context, sizeof *estimate);
  double x, weight;
  (void)count;
  if (!estimate) return;
  if (!function->has_value || sqlite3_value_type(values[0]) != SQLITE_NULL) estimate->rows--;
  if (!take_row(context, function, values, &x, &weight)) return;
  estimate->known--;
  add(&estimate->sum, -x * weight);
  add(&estimate->weights, -weight);
  if (weight > 1) add(&estimate->variance, -x * x * weight * (weight - 1));
}

/* ---- results ---- */

static double limit_of(const struct estimate *estimate, const struct function *function,
                       double sign) {
  const double middle = value_of(&estimate->sum);
  const double limit = middle + sign * Z_95 * sqrt(variance_of(estimate));
  /* What was seen was there. */
  if (sign < 0 && !function->has_value && limit < (double)estimate->known) {
    return middle < (double)estimate->known ? middle : (double)estimate->known;
  }
  return limit;
}

static void give_interval(sqlite3_context *context, const struct estimate *estimate,
                          const struct function *function) {
  const double share = (double)(estimate->rows - estimate->known) / (double)estimate->rows;
  char *text = sqlite3_mprintf(
      "{\"estimate\":%!.15g,\"low\":%!.15g,\"high\":%!.15g,\"standard_error\":%!.15g,"
      "\"unknown_share\":%!.15g}",
      value_of(&estimate->sum), limit_of(estimate, function, -1), limit_of(estimate, function, 1),
      sqrt(variance_of(estimate)), share);
  if (!text) {
    sqlite3_result_error_nomem(context);
  } else {
    sqlite3_result_text(context, text, -1, sqlite3_free);
  }
}

static void give(sqlite3_context *context, const struct estimate *estimate) {
  const struct function *function = sqlite3_user_data(context);
  if (function->result == UNKNOWN_SHARE) {
    if (estimate && estimate->rows > 0) {
      sqlite3_result_double(context,
                            (double)(estimate->rows - estimate->known) / (double)estimate->rows);
    }
    return;
  }
  if (!estimate || estimate->rows == 0) {
    const bool is_count =
        !function->has_value &&
        (function->result == ESTIMATE || function->result == LOW || function->result == HIGH);
    if (is_count) sqlite3_result_double(context, 0); /* of no rows */
    return;
  }
  if (estimate->known == 0) return;
  switch (function->result) {
    case ESTIMATE:
      sqlite3_result_double(context, value_of(&estimate->sum));
      break;
    case AVERAGE:
      if (value_of(&estimate->weights) > 0) {
        sqlite3_result_double(context, value_of(&estimate->sum) / value_of(&estimate->weights));
      }
      break;
    case RATE:
      sqlite3_result_double(context, value_of(&estimate->sum) / estimate->seconds);
      break;
    case LOW:
    case HIGH:
      sqlite3_result_double(context,
                            limit_of(estimate, function, function->result == LOW ? -1 : 1));
      break;
    case INTERVAL:
    case UNKNOWN_SHARE:
    default:
      give_interval(context, estimate, function);
  }
}

static void value(sqlite3_context *context) {
  give(context, sqlite3_aggregate_context(context, 0));
}

static void finish(sqlite3_context *context) {
  struct estimate *estimate = sqlite3_aggregate_context(context, 0);
  give(context, estimate);
  if (!estimate) return;
  sqlite3_free(estimate->clusters);
  estimate->clusters = NULL;
}

int tk_register_weighted_functions(sqlite3 *db) {
  static const struct function functions[] = {
      {"weighted_count", 1, ESTIMATE, false, false},
      {"weighted_sum", 2, ESTIMATE, true, false},
      {"weighted_avg", 2, AVERAGE, true, false},
      {"weighted_rate", 2, RATE, false, false},
      {"weighted_count_low", 1, LOW, false, false},
      {"weighted_count_low", 2, LOW, false, true},
      {"weighted_count_high", 1, HIGH, false, false},
      {"weighted_count_high", 2, HIGH, false, true},
      {"weighted_sum_low", 2, LOW, true, false},
      {"weighted_sum_low", 3, LOW, true, true},
      {"weighted_sum_high", 2, HIGH, true, false},
      {"weighted_sum_high", 3, HIGH, true, true},
      {"weighted_count_interval", 1, INTERVAL, false, false},
      {"weighted_count_interval", 2, INTERVAL, false, true},
      {"weighted_sum_interval", 2, INTERVAL, true, false},
      {"weighted_sum_interval", 3, INTERVAL, true, true},
      {"unknown_weight_share", 1, UNKNOWN_SHARE, false, false},
  };
  int rc = SQLITE_OK;
  for (size_t i = 0; rc == SQLITE_OK && i < sizeof functions / sizeof functions[0]; i++) {
    const struct function *function = &functions[i];
    union { /* SQLite hands the pointer back as it is */
      const struct function *given;
      void *wanted;
    } context = {function};
    const int flags = SQLITE_UTF8 | SQLITE_INNOCUOUS | SQLITE_DETERMINISTIC;
    rc = function->has_cluster
             ? sqlite3_create_function_v2(db, function->name, function->argument_count, flags,
                                          context.wanted, NULL, step, finish, NULL)
             : sqlite3_create_window_function(db, function->name, function->argument_count, flags,
                                              context.wanted, step, finish, value, inverse, NULL);
  }
  return rc;
}
