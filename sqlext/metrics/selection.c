/* SPDX-License-Identifier: MIT
 * Selection, for exact quantiles. See selection.h. */
#include "sqlext/metrics/selection.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE 31   /* keys among which a pivot is chosen */
#define SMALL 48    /* ranges up to this are sorted */
#define PATIENCE 64 /* partitions before sorting after all, which bounds the worst case */

static int compare_keys(const void *a, const void *b) {
  int64_t x, y;
  memcpy(&x, a, sizeof x);
  memcpy(&y, b, sizeof y);
  return (x > y) - (x < y);
}

static void sort_few(int64_t *keys, size_t count) {
  for (size_t i = 1; i < count; i++) {
    int64_t key = keys[i];
    size_t at = i;
    for (; at > 0 && keys[at - 1] > key; at--) keys[at] = keys[at - 1];
    keys[at] = key;
  }
}

/* A key that is probably close to rank `wanted`, on the side where more keys are cut off. */
static int64_t choose_pivot(const int64_t *keys, size_t count, size_t wanted) {
  int64_t sample[SAMPLE];
  size_t step = count / SAMPLE;

  for (size_t i = 0; i < SAMPLE; i++) sample[i] = keys[i * step + step / 2];
  sort_few(sample, SAMPLE);
  size_t at = (size_t)((double)wanted / (double)count * SAMPLE);
  if (wanted < count / 2) {
    at = at + 2 < SAMPLE ? at + 2 : SAMPLE - 1;
  } else {
    at = at > 1 ? at - 2 : 0;
  }
  return sample[at];
}

/* Brings keys below the pivot (or, `equal_too`, not above it) to the front; how many. Without a
 * branch on the keys, which could not be foreseen. */
static size_t partition(int64_t *keys, size_t count, int64_t pivot, bool equal_too) {
  size_t front = 0;
  if (equal_too) {
    for (size_t i = 0; i < count; i++) {
      int64_t key = keys[i];
      keys[i] = keys[front];
      keys[front] = key;
      front += key <= pivot;
    }
  } else {
    for (size_t i = 0; i < count; i++) {
      int64_t key = keys[i];
      keys[i] = keys[front];
      keys[front] = key;
      front += key < pivot;
    }
  }
  return front;
}

void tk_select_key(int64_t *keys, size_t count, size_t wanted) {
  for (unsigned turn = 0; count > SMALL; turn++) {
    if (turn == PATIENCE) {
      qsort(keys, count, sizeof *keys, compare_keys);
      return;
    }
    int64_t pivot = choose_pivot(keys, count, wanted);
    size_t below = partition(keys, count, pivot, false);
    if (wanted < below) {
      count = below;
      continue;
    }
    keys += below;
    count -= below;
    wanted -= below;
    if (below > count / 16) continue;
    /* Little was cut off: perhaps there are many keys equal to the pivot. */
    size_t equal = partition(keys, count, pivot, true);
    if (wanted < equal) return;
    keys += equal;
    count -= equal;
    wanted -= equal;
  }
  sort_few(keys, count);
}

double tk_select_quantile(int64_t *keys, size_t count, double q, size_t *begin) {
  double position = q * (double)(count - 1);
  size_t at = (size_t)position;
  double fraction = position - (double)at;

  if (at < *begin) *begin = 0;
  tk_select_key(keys + *begin, count - *begin, at - *begin);
  *begin = at;
  int64_t low = keys[at], high = low;
  if (fraction > 0 && at + 1 < count) {
    high = keys[at + 1];
    for (size_t i = at + 2; i < count; i++) high = keys[i] < high ? keys[i] : high;
  }
  if (high == low) return (double)low;
  return (double)low + (double)((uint64_t)high - (uint64_t)low) * fraction;
}
