/* SPDX-License-Identifier: MIT
 * Selection and histograms against sorting. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sqlext/metrics/group_samples.h"
#include "sqlext/metrics/log_histogram.h"
#include "sqlext/metrics/selection.h"
#include "store/sqlite_api.h"
#include "tests/support/check.h"

enum { MOST = 5000 };

static uint64_t state = 88172645463325252u;

static uint64_t next_random(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

/* Shapes that selection has been known to be slow or wrong on. */
static int64_t make_key(int shape, size_t i, size_t count) {
  switch (shape) {
    case 0:
      return (int64_t)next_random();
    case 1:
      return (int64_t)i;
    case 2:
      return (int64_t)(count - i);
    case 3:
      return (int64_t)(next_random() % 3);
    case 4:
      return 7;
    case 5:
      return (int64_t)(i % 2 ? i : count - i);
    case 6:
      return next_random() % 50 ? 5 : (int64_t)next_random();
    default:
      return (int64_t)(next_random() % 1000) - 500;
  }
}

static int compare(const void *a, const void *b) {
  int64_t x, y;
  memcpy(&x, a, sizeof x);
  memcpy(&y, b, sizeof y);
  return (x > y) - (x < y);
}

static double quantile_of_sorted(const int64_t *sorted, size_t count, double q) {
  double position = q * (double)(count - 1);
  size_t at = (size_t)position;
  if (at + 1 >= count) return (double)sorted[at];
  return (double)sorted[at] +
         (double)((uint64_t)sorted[at + 1] - (uint64_t)sorted[at]) * (position - (double)at);
}

static void a_selected_key_is_where_sorting_puts_it(void) {
  static int64_t keys[MOST], sorted[MOST];

  for (int turn = 0; turn < 600; turn++) {
    size_t count = turn < 100 ? (size_t)turn + 1 : next_random() % MOST + 1;
    for (size_t i = 0; i < count; i++) keys[i] = sorted[i] = make_key(turn % 8, i, count);
    qsort(sorted, count, sizeof *sorted, compare);
    size_t wanted = next_random() % count;
    tk_select_key(keys, count, wanted);
    CHECK(keys[wanted] == sorted[wanted]);
    for (size_t i = 0; i < count; i++) {
      CHECK(i < wanted ? keys[i] <= keys[wanted] : keys[i] >= keys[wanted]);
    }
    qsort(keys, count, sizeof *keys, compare);
    CHECK(memcmp(keys, sorted, count * sizeof *keys) == 0);
  }
}

static void quantiles_of_groups_are_those_of_their_values(void) {
  static const double qs[] = {0, 0.5, 0.95, 0.99, 1};
  static int64_t kept[7][MOST];
  size_t counts[7] = {0};
  double found[7 * 5];
  struct tk_group_samples samples = {0};

  CHECK(tk_group_samples_reserve(&samples, 7));
  for (int i = 0; i < 4 * MOST; i++) {
    uint32_t group = (uint32_t)(next_random() % 6); /* the seventh stays empty */
    int64_t value = make_key(i % 8, (size_t)i, MOST);
    kept[group][counts[group]++] = value;
    CHECK(tk_group_samples_add(&samples, group, value));
  }
  CHECK(tk_group_samples_quantiles(&samples, 7, qs, 5, found));
  for (int group = 0; group < 6; group++) {
    qsort(kept[group], counts[group], sizeof(int64_t), compare);
    for (int i = 0; i < 5; i++) {
      CHECK(found[group * 5 + i] == quantile_of_sorted(kept[group], counts[group], qs[i]));
    }
  }
  CHECK(isnan(found[6 * 5]));
  tk_group_samples_reset(&samples);
  CHECK(sqlite3_memory_used() == 0);
}

static void histogram_quantiles_are_one_percent_off_at_most(void) {
  static int64_t keys[MOST];

  for (int turn = 0; turn < 200; turn++) {
    struct tk_log_histogram histogram = {0};
    size_t count = next_random() % MOST + 1;
    for (size_t i = 0; i < count; i++) {
      keys[i] = make_key(turn % 8, i, count) >> (turn % 5 * 11);
      CHECK(tk_log_histogram_add(&histogram, keys[i]));
    }
    qsort(keys, count, sizeof *keys, compare);
    for (double q = 0; q <= 1; q += 0.125) {
      size_t at = (size_t)(q * (double)(count - 1)), above = at + 1 < count ? at + 1 : at;
      double scale = fmax(fabs((double)keys[at]), fabs((double)keys[above]));
      double off =
          tk_log_histogram_quantile(&histogram, count, q) - quantile_of_sorted(keys, count, q);
      CHECK(fabs(off) <= 0.01 * scale);
    }
    tk_log_histogram_reset(&histogram);
  }
  CHECK(sqlite3_memory_used() == 0);
}

int main(void) {
  const struct check_case cases[] = {CASE(a_selected_key_is_where_sorting_puts_it),
                                     CASE(quantiles_of_groups_are_those_of_their_values),
                                     CASE(histogram_quantiles_are_one_percent_off_at_most)};
  return check_run(cases, 3);
}
