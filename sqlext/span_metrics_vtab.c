/* SPDX-License-Identifier: MIT
 * span_metrics(group_by, bucket): how many spans, how many errors, and how long they took.
 *
 *     SELECT service, name, count, errors, p95_ns FROM span_metrics('service, name')
 *      WHERE kind = 'server' AND start_ns >= parse_time('-1h')
 *
 * A row is a group: spans that have the same values in the columns that group_by names, and that
 * started in the same bucket of time. Columns and constraints: grouped_table.h.
 *
 * Quantiles are exact: durations are kept, 12 bytes a span, sorted by group with a counting sort,
 * and selected. The approximate ones are from a histogram of each group whose buckets are 1/64 of a
 * power of two wide, so that a quantile is off by less than 1 % of itself. Neither is done for a
 * statement that does not read such columns. */
#include <stdlib.h>
#include <string.h>

#include "sqlext/grouped_table.h"
#include "sqlext/log_histogram.h"
#include "sqlext/selection.h"
#include "sqlext/tables.h"
#include "sqlext/vtab_support.h"
#include "sqlext/wide_sum.h"

enum computed {
  COMPUTED_BUCKET,
  COMPUTED_COUNT,
  COMPUTED_ERRORS,
  COMPUTED_SUM,
  COMPUTED_MIN,
  COMPUTED_MAX,
  COMPUTED_AVG,
  COMPUTED_P50,
  COMPUTED_P90,
  COMPUTED_P95,
  COMPUTED_P99,
  COMPUTED_P50_APPROX,
  COMPUTED_P90_APPROX,
  COMPUTED_P95_APPROX,
  COMPUTED_P99_APPROX,
  COMPUTED_END
};

static const char computed_declaration[] =
    ",bucket_ns INTEGER, count INTEGER, errors INTEGER, sum_ns INTEGER, min_ns INTEGER,"
    " max_ns INTEGER, avg_ns REAL, p50_ns REAL, p90_ns REAL, p95_ns REAL, p99_ns REAL,"
    " p50_approx_ns REAL, p90_approx_ns REAL, p95_approx_ns REAL, p99_approx_ns REAL";

#define QUANTILES 4
static const double quantiles[QUANTILES] = {0.5, 0.9, 0.95, 0.99};

struct metric {
  uint64_t count, errors;
  int64_t min, max; /* meaningless while count is 0 */
  struct tk_wide_sum sum;
};

struct metrics {
  struct metric *items; /* by group */
  uint32_t capacity;
  bool wants_exact, wants_approximate;

  int64_t *durations; /* of every span, and its group */
  uint32_t *group_of;
  uint64_t count, kept_capacity;
  double *exact; /* QUANTILES a group */

  struct tk_log_histogram *histograms; /* by group */
  uint32_t histogram_capacity, group_count;
};

static bool wants_any(const struct grouped_cursor *cursor, int first) {
  return cursor->computed_used >> first & ((1u << QUANTILES) - 1);
}

static enum tk_status begin(struct grouped_cursor *cursor, void *state, struct tk_error *error) {
  struct metrics *metrics = state;
  (void)error;
  metrics->wants_exact = wants_any(cursor, COMPUTED_P50);
  metrics->wants_approximate = wants_any(cursor, COMPUTED_P50_APPROX);
  return TK_OK;
}

/* ---- adding ---- */

static bool reserve_durations(struct metrics *metrics, uint32_t more) {
  if (metrics->count + more <= metrics->kept_capacity) return true;
  uint64_t grown = metrics->kept_capacity ? metrics->kept_capacity * 2 : 16384;
  int64_t *durations = sqlite3_realloc64(metrics->durations, grown * sizeof *durations);
  if (durations) metrics->durations = durations;
  uint32_t *group_of = sqlite3_realloc64(metrics->group_of, grown * sizeof *group_of);
  if (group_of) metrics->group_of = group_of;
  if (!durations || !group_of) return false;
  metrics->kept_capacity = grown;
  return true;
}

static void tally(struct metric *items, const struct grouped_batch *batch) {
  for (uint32_t i = 0; i < batch->count; i++) {
    struct metric *metric = &items[batch->groups[i]];
    uint32_t row = batch->rows[i];
    int64_t duration = batch->durations ? batch->durations[row] : 0;
    if (metric->count == 0) metric->min = metric->max = duration;
    metric->count++;
    metric->errors += batch->statuses && batch->statuses[row] == TK_STATUS_ERROR;
    metric->min = duration < metric->min ? duration : metric->min;
    metric->max = duration > metric->max ? duration : metric->max;
    tk_wide_sum_add(&metric->sum, duration);
  }
}

static enum tk_status add(struct grouped_cursor *cursor, void *state,
                          const struct grouped_batch *batch, struct tk_error *error) {
  struct metrics *metrics = state;
  uint32_t groups = cursor->group_count;

  metrics->group_count = groups;
  if (!tk_grow_zeroed(&metrics->items, &metrics->capacity, groups, sizeof *metrics->items)) {
    return tk_nomem(error);
  }
  tally(metrics->items, batch);
  if (metrics->wants_exact) {
    if (!reserve_durations(metrics, batch->count)) return tk_nomem(error);
    int64_t *durations = metrics->durations + metrics->count;
    for (uint32_t i = 0; i < batch->count; i++) {
      durations[i] = batch->durations ? batch->durations[batch->rows[i]] : 0;
    }
    memcpy(metrics->group_of + metrics->count, batch->groups, batch->count * sizeof(uint32_t));
    metrics->count += batch->count;
  }
  if (!metrics->wants_approximate) return TK_OK;
  if (!tk_grow_zeroed(&metrics->histograms, &metrics->histogram_capacity, groups,
                      sizeof *metrics->histograms)) {
    return tk_nomem(error);
  }
  for (uint32_t i = 0; i < batch->count; i++) {
    if (!tk_log_histogram_add(&metrics->histograms[batch->groups[i]],
                              batch->durations ? batch->durations[batch->rows[i]] : 0)) {
      return tk_nomem(error);
    }
  }
  return TK_OK;
}

/* ---- quantiles ---- */

static void select_quantiles(const struct grouped_cursor *cursor, int64_t *durations, size_t count,
                             double *out) {
  size_t begin = 0;
  for (int q = 0; q < QUANTILES; q++) {
    if (!(cursor->computed_used >> (COMPUTED_P50 + q) & 1)) continue;
    out[q] = tk_select_quantile(durations, count, quantiles[q], &begin);
  }
}

static enum tk_status finish(struct grouped_cursor *cursor, void *state, struct tk_error *error) {
  struct metrics *metrics = state;
  uint32_t groups = cursor->group_count;
  uint64_t first = 0;

  cursor->row_count = groups;
  if (!metrics->wants_exact) return TK_OK;
  uint64_t *ends = sqlite3_malloc64(groups * sizeof *ends + 1);
  int64_t *sorted = sqlite3_malloc64(metrics->count * sizeof *sorted + 1);
  metrics->exact = sqlite3_malloc64((uint64_t)groups * QUANTILES * sizeof *metrics->exact + 1);
  if (ends && sorted && metrics->exact) {
    for (uint32_t g = 0; g < groups; g++) {
      ends[g] = first;
      first += metrics->items[g].count;
    }
    for (uint64_t i = 0; i < metrics->count; i++) {
      sorted[ends[metrics->group_of[i]]++] = metrics->durations[i];
    }
    for (uint32_t g = 0; g < groups; g++) {
      uint64_t count = metrics->items[g].count;
      select_quantiles(cursor, sorted + ends[g] - count, count,
                       metrics->exact + (size_t)g * QUANTILES);
    }
  }
  bool done = ends && sorted && metrics->exact;
  sqlite3_free(ends);
  sqlite3_free(sorted);
  return done ? TK_OK : tk_nomem(error);
}

static void end(void *state) {
  struct metrics *metrics = state;
  for (uint32_t g = 0; g < metrics->histogram_capacity; g++) {
    tk_log_histogram_reset(&metrics->histograms[g]);
  }
  sqlite3_free(metrics->histograms);
  sqlite3_free(metrics->items);
  sqlite3_free(metrics->durations);
  sqlite3_free(metrics->group_of);
  sqlite3_free(metrics->exact);
}

static uint32_t group_of_row(const void *state, uint64_t row) {
  (void)state;
  return (uint32_t)row;
}

static void give(sqlite3_context *context, const struct grouped_cursor *cursor, void *state,
                 uint64_t row, int computed) {
  struct metrics *metrics = state;
  const struct metric *metric = &metrics->items[row];

  (void)cursor;
  switch ((enum computed)computed) {
    case COMPUTED_COUNT:
      sqlite3_result_int64(context, (sqlite3_int64)metric->count);
      break;
    case COMPUTED_ERRORS:
      sqlite3_result_int64(context, (sqlite3_int64)metric->errors);
      break;
    case COMPUTED_SUM:
      if (tk_wide_sum_is_narrow(&metric->sum)) {
        sqlite3_result_int64(context, (sqlite3_int64)metric->sum.low);
      } else {
        sqlite3_result_double(context, tk_wide_sum_real(&metric->sum));
      }
      break;
    case COMPUTED_MIN:
      sqlite3_result_int64(context, metric->min);
      break;
    case COMPUTED_MAX:
      sqlite3_result_int64(context, metric->max);
      break;
    case COMPUTED_AVG:
      sqlite3_result_double(context, tk_wide_sum_real(&metric->sum) / (double)metric->count);
      break;
    case COMPUTED_P50:
    case COMPUTED_P90:
    case COMPUTED_P95:
    case COMPUTED_P99:
      sqlite3_result_double(context,
                            metrics->exact[row * QUANTILES + (uint64_t)(computed - COMPUTED_P50)]);
      break;
    case COMPUTED_P50_APPROX:
    case COMPUTED_P90_APPROX:
    case COMPUTED_P95_APPROX:
    case COMPUTED_P99_APPROX:
      sqlite3_result_double(context,
                            tk_log_histogram_quantile(&metrics->histograms[row], metric->count,
                                                      quantiles[computed - COMPUTED_P50_APPROX]));
      break;
    case COMPUTED_BUCKET:
    case COMPUTED_END:
      break;
  }
}

int tk_register_span_metrics(sqlite3 *db) {
  static const struct grouped_kind kind = {.module = "tracekeep_span_metrics",
                                           .name = "span_metrics",
                                           .arguments = ",bucket HIDDEN",
                                           .argument_count = 2,
                                           .bucket_argument = 1,
                                           .computed = computed_declaration,
                                           .computed_count = COMPUTED_END,
                                           .state_size = sizeof(struct metrics),
                                           .begin = begin,
                                           .add = add,
                                           .finish = finish,
                                           .group_of_row = group_of_row,
                                           .give = give,
                                           .end = end};
  return tk_register_grouped_table(db, &kind);
}
