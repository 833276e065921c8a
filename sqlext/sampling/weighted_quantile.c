/* SPDX-License-Identifier: MIT
 * The aggregate weighted_quantile(x, q, w): the quantile of the values as if each stood there w
 * times, interpolated as quantile(x, q) does, which it equals where all weights are 1.
 *
 * Sorted, value i fills the positions from the sum of the weights before it up to that with its own
 * less 1; between two values it is linear. Rows of unknown weight or value do not count. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "sqlext/sampling/sampling_tables.h"
#include "store/sqlite_api.h"

struct weighted {
  double value, weight;
};

struct sample {
  struct weighted *items;
  uint64_t count, capacity;
  double q;
  bool has_q;
};

static int compare(const void *left, const void *right) {
  const struct weighted *a = left, *b = right;
  return (a->value > b->value) - (a->value < b->value);
}

static bool take_q(sqlite3_context *context, struct sample *sample, sqlite3_value *value) {
  const int type = sqlite3_value_type(value);
  const double q = sqlite3_value_double(value);
  if ((type != SQLITE_INTEGER && type != SQLITE_FLOAT) || !(q >= 0 && q <= 1)) {
    sqlite3_result_error(context, "weighted_quantile: expected q as a number between 0 and 1", -1);
    return false;
  }
  if (sample->has_q && sample->q != q) {
    sqlite3_result_error(context, "weighted_quantile: expected the same q for every row of a group",
                         -1);
    return false;
  }
  sample->q = q;
  sample->has_q = true;
  return true;
}

/* False: the row does not count, or the result is an error. */
static bool take_row(sqlite3_context *context, sqlite3_value **values, struct weighted *item) {
  for (int i = 0; i <= 2; i += 2) {
    const int type = sqlite3_value_type(values[i]);
    if (type == SQLITE_NULL) return false;
    if (type != SQLITE_INTEGER && type != SQLITE_FLOAT) {
      sqlite3_result_error(context, "weighted_quantile: expected numbers, found text or a blob",
                           -1);
      return false;
    }
  }
  *item = (struct weighted){sqlite3_value_double(values[0]), sqlite3_value_double(values[2])};
  if (item->weight < 0 || isinf(item->weight)) {
    sqlite3_result_error(context, "weighted_quantile: expected a finite weight of at least 0", -1);
    return false;
  }
  return item->weight > 0;
}

static void step(sqlite3_context *context, int count, sqlite3_value **values) {
  struct sample *sample = sqlite3_aggregate_context(context, sizeof *sample);
  struct weighted item;
  (void)count;
  if (!sample) {
    sqlite3_result_error_nomem(context);
    return;
  }
  if (!take_q(context, sample, values[1]) || !take_row(context, values, &item)) return;
  if (sample->count == sample->capacity) {
    const uint64_t capacity = sample->capacity ? sample->capacity * 2 : 64;
    void *items = sqlite3_realloc64(sample->items, capacity * sizeof item);
    if (!items) {
      sqlite3_result_error_nomem(context);
      return;
    }
    sample->items = items;
    sample->capacity = capacity;
  }
  sample->items[sample->count++] = item;
}

static double quantile_of(struct sample *sample) {
  double total = 0, before = 0;
  qsort(sample->items, sample->count, sizeof *sample->items, compare);
  for (uint64_t i = 0; i < sample->count; i++) total += sample->items[i].weight;
  const double position = total > 1 ? sample->q * (total - 1) : 0;
  uint64_t at = 0;
  for (; at + 1 < sample->count; at++) {
    if (before + sample->items[at].weight > position) break;
    before += sample->items[at].weight;
  }
  const double low = sample->items[at].value;
  const double beyond = position - (before + sample->items[at].weight - 1);
  if (!(beyond > 0) || at + 1 == sample->count) return low;
  const double high = sample->items[at + 1].value;
  if (low == high || isinf(low)) return low;
  if (isinf(high)) return high;
  return isinf(high - low) ? low * (1 - beyond) + high * beyond : low + (high - low) * beyond;
}

static void finish(sqlite3_context *context) {
  struct sample *sample = sqlite3_aggregate_context(context, 0);
  if (!sample) return;
  if (sample->count > 0) sqlite3_result_double(context, quantile_of(sample));
  sqlite3_free(sample->items);
  sample->items = NULL;
  sample->count = sample->capacity = 0;
}

int tk_register_weighted_quantile(sqlite3 *db) {
  return sqlite3_create_function_v2(db, "weighted_quantile", 3,
                                    SQLITE_UTF8 | SQLITE_INNOCUOUS | SQLITE_DETERMINISTIC, NULL,
                                    NULL, step, finish, NULL);
}
