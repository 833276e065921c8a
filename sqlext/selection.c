/* SPDX-License-Identifier: MIT
 * Selection, for exact quantiles. See selection.h. */
#include "sqlext/selection.h"

#include <stdlib.h>
#include <string.h>

static int compare_keys(const void *a, const void *b) {
  int64_t x, y;
  memcpy(&x, a, sizeof x);
  memcpy(&y, b, sizeof y);
  return (x > y) - (x < y);
}

static int64_t middle_of(int64_t a, int64_t b, int64_t c) {
  if (a > b) {
    int64_t swap = a;
    a = b;
    b = swap;
  }
  return c < a ? a : c > b ? b : c;
}

/* Quickselect; ranges that shrink too slowly are sorted, which bounds the worst case. */
void tk_select_key(int64_t *keys, size_t count, size_t wanted) {
  size_t begin = 0, end = count;
  unsigned patience = 64;

  while (end - begin > 1) {
    if (end - begin <= 24 || patience-- == 0) {
      qsort(keys + begin, end - begin, sizeof *keys, compare_keys);
      return;
    }
    int64_t pivot = middle_of(keys[begin], keys[begin + (end - begin) / 2], keys[end - 1]);
    size_t low = begin, high = end - 1;
    for (;;) { /* Hoare: stops on equals, so that many equal values split in the middle */
      while (keys[low] < pivot) low++;
      while (keys[high] > pivot) high--;
      if (low >= high) break;
      int64_t swap = keys[low];
      keys[low++] = keys[high];
      keys[high--] = swap;
    }
    /* [begin, low) <= pivot <= [low, end); low == high is the pivot itself */
    if (low == high) {
      if (wanted == low) return;
      if (wanted < low) {
        end = low;
      } else {
        begin = low + 1;
      }
    } else if (wanted < low) {
      end = low;
    } else {
      begin = low;
    }
  }
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
