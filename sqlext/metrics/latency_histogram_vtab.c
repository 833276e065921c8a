/* SPDX-License-Identifier: MIT
 * latency_histogram(group_by, bounds, bucket): how durations are distributed.
 *
 *     SELECT service, lower_ns, upper_ns, count FROM latency_histogram('service')
 *     SELECT * FROM latency_histogram('service', '5ms, 10ms, 100ms, 1s')
 *
 * A row is a bucket of a group; groups, columns and constraints as in span_metrics
 * (grouped_table.h). Without bounds, buckets are powers of two, lower_ns <= duration < upper_ns,
 * one for 0 and one for negative durations; empty ones have no row. With bounds, lower_ns <
 * duration <= upper_ns as in OpenTelemetry and Prometheus, every bucket has a row, and the first
 * and last are open (NULL). */
#include <stdlib.h>
#include <string.h>

#include "sqlext/functions/time_text.h"
#include "sqlext/metrics/grouped_table.h"
#include "sqlext/tables/table_support.h"
#include "sqlext/tables/tables.h"
#include "sqlext/vtab_support.h"

enum computed {
  COMPUTED_BUCKET,
  COMPUTED_LOWER,
  COMPUTED_UPPER,
  COMPUTED_COUNT,
  COMPUTED_CUMULATIVE,
  COMPUTED_END
};

static const char computed_declaration[] =
    ",bucket_ns INTEGER, lower_ns INTEGER, upper_ns INTEGER, count INTEGER,"
    " cumulative_count INTEGER";

#define LOG2_BINS 65 /* negative, 0, and 63 powers of two */
#define BOUNDS_MAX 256

/* What collectors and SDKs use when nothing else is said. */
static const char default_bounds[] =
    "2ms,4ms,6ms,8ms,10ms,50ms,100ms,200ms,400ms,800ms,1s,1400ms,2s,5s,10s,15s";

struct histogram_row {
  uint32_t group, bin;
  uint64_t cumulative;
};

struct histograms {
  int64_t bounds[BOUNDS_MAX]; /* ascending */
  uint32_t bound_count;       /* 0: powers of two */
  uint32_t bin_count;
  uint64_t *counts; /* bin_count a group */
  uint32_t capacity;
  struct histogram_row *rows;
};

/* ---- bounds ---- */

static enum tk_status read_bounds(struct histograms *histograms, const char *text,
                                  struct tk_error *error) {
  while (*text == ' ' || *text == ',') text++;
  while (*text) {
    const char *next = strchr(text, ',');
    struct tk_text item = {text, (uint32_t)(next ? (size_t)(next - text) : strlen(text))};
    int64_t *bound = &histograms->bounds[histograms->bound_count];
    if (histograms->bound_count == BOUNDS_MAX) {
      return tk_fail(error, TK_INVALID, "latency_histogram: expected at most %d bounds",
                     BOUNDS_MAX);
    }
    enum tk_status status = tk_duration_parse(item, bound, error);
    if (status != TK_OK) return status;
    if (histograms->bound_count > 0 && bound[0] <= bound[-1]) {
      return tk_fail(error, TK_INVALID,
                     "latency_histogram: expected ascending bounds, found %.*s after a greater one",
                     (int)item.size, item.data);
    }
    histograms->bound_count++;
    text += item.size;
    while (*text == ' ' || *text == ',') text++;
  }
  if (histograms->bound_count > 0) return TK_OK;
  return tk_fail(error, TK_INVALID,
                 "latency_histogram: expected bounds such as '5ms, 10ms', 'log2' or 'default'");
}

static enum tk_status begin(struct grouped_cursor *cursor, void *state, struct tk_error *error) {
  struct histograms *histograms = state;
  enum tk_status status = TK_OK;
  sqlite3_value *value = cursor->arguments[1];

  histograms->bin_count = LOG2_BINS;
  if (!value || sqlite3_value_type(value) == SQLITE_NULL) return TK_OK;
  const char *text = (const char *)sqlite3_value_text(value);
  if (!text) return tk_nomem(error);
  if (sqlite3_stricmp(text, "log2") == 0) return TK_OK;
  if (sqlite3_stricmp(text, "default") == 0) text = default_bounds;
  if ((status = read_bounds(histograms, text, error)) != TK_OK) return status;
  histograms->bin_count = histograms->bound_count + 1;
  return TK_OK;
}

/* ---- counting ---- */

static uint32_t log2_bin(int64_t duration) {
  if (duration <= 0) return duration == 0;
  return 2 + 63 - (uint32_t)__builtin_clzll((uint64_t)duration);
}

/* The first bound that is not below the duration. */
static uint32_t bounded_bin(const struct histograms *histograms, int64_t duration) {
  uint32_t low = 0, count = histograms->bound_count;
  while (count > 0) {
    uint32_t half = count / 2;
    if (histograms->bounds[low + half] < duration) {
      low += half + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  return low;
}

static enum tk_status add(struct grouped_cursor *cursor, void *state,
                          const struct grouped_batch *batch, struct tk_error *error) {
  struct histograms *histograms = state;
  size_t bins = histograms->bin_count;

  if (!tk_grow_zeroed(&histograms->counts, &histograms->capacity, cursor->group_count,
                      bins * sizeof *histograms->counts)) {
    return tk_nomem(error);
  }
  for (uint32_t i = 0; i < batch->count; i++) {
    int64_t duration = batch->durations[i];
    uint32_t bin =
        histograms->bound_count > 0 ? bounded_bin(histograms, duration) : log2_bin(duration);
    histograms->counts[batch->groups[i] * bins + bin]++;
  }
  return TK_OK;
}

static enum tk_status finish(struct grouped_cursor *cursor, void *state, struct tk_error *error) {
  struct histograms *histograms = state;
  uint64_t bins = histograms->bin_count, all = cursor->group_count * bins, kept = 0;

  for (uint64_t i = 0; i < all; i++) {
    kept += histograms->bound_count > 0 || histograms->counts[i] > 0;
  }
  histograms->rows = sqlite3_malloc64(kept * sizeof *histograms->rows + 1);
  if (!histograms->rows) return tk_nomem(error);
  for (uint32_t group = 0; group < cursor->group_count; group++) {
    uint64_t cumulative = 0;
    for (uint32_t bin = 0; bin < bins; bin++) {
      uint64_t count = histograms->counts[group * bins + bin];
      cumulative += count;
      if (histograms->bound_count == 0 && count == 0) continue;
      histograms->rows[cursor->row_count++] = (struct histogram_row){group, bin, cumulative};
    }
  }
  return TK_OK;
}

static void end(void *state) {
  struct histograms *histograms = state;
  sqlite3_free(histograms->counts);
  sqlite3_free(histograms->rows);
}

/* ---- rows ---- */

static uint32_t group_of_row(const void *state, uint64_t row) {
  return ((const struct histograms *)state)->rows[row].group;
}

static void give_limit(sqlite3_context *context, const struct histograms *histograms, uint32_t bin,
                       bool is_upper) {
  if (histograms->bound_count > 0) {
    if (is_upper ? bin == histograms->bound_count : bin == 0) return;
    sqlite3_result_int64(context, histograms->bounds[is_upper ? bin : bin - 1]);
  } else if (bin < 2) {
    if (bin == 0 && !is_upper) return;
    sqlite3_result_int64(context, bin == 1 && is_upper);
  } else if (bin + 1 < LOG2_BINS || !is_upper) {
    sqlite3_result_int64(context, (sqlite3_int64)1 << (bin - 2 + (is_upper ? 1 : 0)));
  }
}

static void give(sqlite3_context *context, const struct grouped_cursor *cursor, void *state,
                 uint64_t row, int computed) {
  const struct histograms *histograms = state;
  const struct histogram_row *item = &histograms->rows[row];

  (void)cursor;
  switch ((enum computed)computed) {
    case COMPUTED_LOWER:
    case COMPUTED_UPPER:
      give_limit(context, histograms, item->bin, computed == COMPUTED_UPPER);
      break;
    case COMPUTED_COUNT:
      sqlite3_result_int64(context,
                           (sqlite3_int64)histograms
                               ->counts[(uint64_t)item->group * histograms->bin_count + item->bin]);
      break;
    case COMPUTED_CUMULATIVE:
      sqlite3_result_int64(context, (sqlite3_int64)item->cumulative);
      break;
    case COMPUTED_BUCKET:
    case COMPUTED_END:
      break;
  }
}

int tk_register_latency_histogram(sqlite3 *db) {
  static const struct grouped_kind kind = {.module = "tracekeep_latency_histogram",
                                           .name = "latency_histogram",
                                           .arguments = ",bounds HIDDEN,bucket HIDDEN",
                                           .argument_count = 3,
                                           .bucket_argument = 2,
                                           .computed = computed_declaration,
                                           .computed_count = COMPUTED_END,
                                           .duration_readers = UINT64_MAX,
                                           .state_size = sizeof(struct histograms),
                                           .begin = begin,
                                           .add = add,
                                           .finish = finish,
                                           .group_of_row = group_of_row,
                                           .give = give,
                                           .end = end};
  return tk_register_grouped_table(db, &kind);
}
