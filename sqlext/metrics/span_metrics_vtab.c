/* SPDX-License-Identifier: MIT
 * span_metrics(group_by, bucket): how many spans, how many errors, and how long they took.
 *
 *     SELECT service, name, count, errors, p95_ns FROM span_metrics('service, name')
 *      WHERE kind = 'server' AND start_ns >= parse_time('-1h')
 *
 * A row is a group: spans that have the same values in the columns that group_by names, and that
 * started in the same bucket of time. Columns and constraints: grouped_table.h.
 *
 * Quantiles are exact: durations are kept by group, 8 bytes a span, and selected. The approximate
 * ones are from a histogram of each group whose buckets are 1/64 of a power of two wide, so that a
 * quantile is off by less than 1 % of itself. Neither is done for a statement that does not read
 * such columns. */
#include <stdlib.h>
#include <string.h>

#include "sqlext/metrics/group_samples.h"
#include "sqlext/metrics/grouped_table.h"
#include "sqlext/metrics/log_histogram.h"
#include "sqlext/metrics/wide_sum.h"
#include "sqlext/tables/table_support.h"
#include "sqlext/tables/tables.h"
#include "sqlext/vtab_support.h"

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

#define BIT(computed) ((uint64_t)1 << (computed))
#define NEITHER_TIME_NOR_STATUS (BIT(COMPUTED_BUCKET) | BIT(COMPUTED_COUNT))

#define QUANTILES 4
static const double quantiles[QUANTILES] = {0.5, 0.9, 0.95, 0.99};

struct metric {
  uint64_t errors;
  int64_t min, max; /* meaningless while the count is 0 */
  struct tk_wide_sum sum;
};

struct metrics {
  uint64_t *counts; /* by group */
  uint32_t count_capacity;
  struct metric *items; /* by group, if anything else is read */
  uint32_t capacity;

  struct tk_group_samples samples; /* the durations of all spans, if exact quantiles are read */
  double wanted[QUANTILES];        /* those that are read, */
  uint32_t wanted_count;
  uint32_t wanted_at[QUANTILES]; /* and where quantiles[i] is among them */
  double *exact;                 /* wanted_count a group */

  bool wants_approximate;
  struct tk_log_histogram *histograms; /* by group */
  uint32_t histogram_capacity, group_count;
};

static enum tk_status begin(struct grouped_cursor *cursor, void *state, struct tk_error *error) {
  struct metrics *metrics = state;
  (void)error;
  metrics->wants_approximate =
      cursor->computed_used >> COMPUTED_P50_APPROX & ((1u << QUANTILES) - 1);
  for (int i = 0; i < QUANTILES; i++) {
    if (!(cursor->computed_used >> (COMPUTED_P50 + i) & 1)) continue;
    metrics->wanted_at[i] = metrics->wanted_count;
    metrics->wanted[metrics->wanted_count++] = quantiles[i];
  }
  return TK_OK;
}

/* ---- adding ---- */

static void tally(uint64_t *counts, struct metric *items, const struct grouped_batch *batch) {
  for (uint32_t i = 0; i < batch->count; i++) {
    struct metric *metric = &items[batch->groups[i]];
    int64_t duration = batch->durations[i];
    if (counts[batch->groups[i]]++ == 0) metric->min = metric->max = duration;
    metric->errors += batch->statuses[i] == TK_STATUS_ERROR;
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
  if (!tk_grow_zeroed(&metrics->counts, &metrics->count_capacity, groups,
                      sizeof *metrics->counts)) {
    return tk_nomem(error);
  }
  if ((cursor->computed_used & ~NEITHER_TIME_NOR_STATUS) == 0) {
    for (uint32_t i = 0; i < batch->count; i++) metrics->counts[batch->groups[i]]++;
    return TK_OK;
  }
  if (!tk_grow_zeroed(&metrics->items, &metrics->capacity, groups, sizeof *metrics->items)) {
    return tk_nomem(error);
  }
  tally(metrics->counts, metrics->items, batch);
  if (metrics->wanted_count > 0) {
    if (!tk_group_samples_reserve(&metrics->samples, groups)) return tk_nomem(error);
    for (uint32_t i = 0; i < batch->count; i++) {
      if (!tk_group_samples_add(&metrics->samples, batch->groups[i], batch->durations[i])) {
        return tk_nomem(error);
      }
    }
  }
  if (!metrics->wants_approximate) return TK_OK;
  if (!tk_grow_zeroed(&metrics->histograms, &metrics->histogram_capacity, groups,
                      sizeof *metrics->histograms)) {
    return tk_nomem(error);
  }
  for (uint32_t i = 0; i < batch->count; i++) {
    if (!tk_log_histogram_add(&metrics->histograms[batch->groups[i]], batch->durations[i])) {
      return tk_nomem(error);
    }
  }
  return TK_OK;
}

/* ---- quantiles ---- */

static enum tk_status finish(struct grouped_cursor *cursor, void *state, struct tk_error *error) {
  struct metrics *metrics = state;
  uint32_t groups = cursor->group_count;

  cursor->row_count = groups;
  if (metrics->wanted_count == 0) return TK_OK;
  metrics->exact =
      sqlite3_malloc64((uint64_t)groups * metrics->wanted_count * sizeof *metrics->exact + 1);
  if (!metrics->exact || !tk_group_samples_quantiles(&metrics->samples, groups, metrics->wanted,
                                                     metrics->wanted_count, metrics->exact)) {
    return tk_nomem(error);
  }
  return TK_OK;
}

static void end(void *state) {
  struct metrics *metrics = state;
  for (uint32_t g = 0; g < metrics->histogram_capacity; g++) {
    tk_log_histogram_reset(&metrics->histograms[g]);
  }
  sqlite3_free(metrics->histograms);
  sqlite3_free(metrics->counts);
  sqlite3_free(metrics->items);
  tk_group_samples_reset(&metrics->samples);
  sqlite3_free(metrics->exact);
}

static uint32_t group_of_row(const void *state, uint64_t row) {
  (void)state;
  return (uint32_t)row;
}

static void give(sqlite3_context *context, const struct grouped_cursor *cursor, void *state,
                 uint64_t row, int computed) {
  struct metrics *metrics = state;
  const uint64_t count = metrics->counts[row];
  const struct metric *metric = metrics->items ? &metrics->items[row] : NULL;

  (void)cursor;
  if (computed == COMPUTED_COUNT) {
    sqlite3_result_int64(context, (sqlite3_int64)count);
    return;
  }
  if (!metric) return; /* a column that no plan said would be read */
  switch ((enum computed)computed) {
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
      sqlite3_result_double(context, tk_wide_sum_real(&metric->sum) / (double)count);
      break;
    case COMPUTED_P50:
    case COMPUTED_P90:
    case COMPUTED_P95:
    case COMPUTED_P99:
      sqlite3_result_double(context, metrics->exact[row * metrics->wanted_count +
                                                    metrics->wanted_at[computed - COMPUTED_P50]]);
      break;
    case COMPUTED_P50_APPROX:
    case COMPUTED_P90_APPROX:
    case COMPUTED_P95_APPROX:
    case COMPUTED_P99_APPROX:
      sqlite3_result_double(context,
                            tk_log_histogram_quantile(&metrics->histograms[row], count,
                                                      quantiles[computed - COMPUTED_P50_APPROX]));
      break;
    case COMPUTED_BUCKET:
    case COMPUTED_COUNT:
    case COMPUTED_END:
      break;
  }
}

int tk_register_span_metrics(sqlite3 *db) {
  static const struct grouped_kind kind = {
      .module = "tracekeep_span_metrics",
      .name = "span_metrics",
      .arguments = ",bucket HIDDEN",
      .argument_count = 2,
      .bucket_argument = 1,
      .computed = computed_declaration,
      .computed_count = COMPUTED_END,
      .duration_readers = ~(NEITHER_TIME_NOR_STATUS | BIT(COMPUTED_ERRORS)),
      .status_readers = BIT(COMPUTED_ERRORS),
      .state_size = sizeof(struct metrics),
      .begin = begin,
      .add = add,
      .finish = finish,
      .group_of_row = group_of_row,
      .give = give,
      .end = end};
  return tk_register_grouped_table(db, &kind);
}
