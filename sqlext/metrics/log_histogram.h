/* A histogram of integers with buckets of bounded relative width: approximate quantiles. Two of
 * them merge by adding their buckets. */
#ifndef TK_SQLEXT_LOG_HISTOGRAM_H
#define TK_SQLEXT_LOG_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

/** Buckets of a power of two. A value is off by at most 1 in 2 * this from the middle of its
 * bucket. */
#define TK_LOG_HISTOGRAM_PARTS 64

/** Zero-initialise. Pages, one a power of two, exist where there are values. */
struct tk_log_histogram {
  uint64_t *positive[64], *negative[64];
  uint64_t zeros;
};

/** False: out of memory, and nothing was added. */
bool tk_log_histogram_add(struct tk_log_histogram *histogram, int64_t value);
void tk_log_histogram_reset(struct tk_log_histogram *histogram);

/** The value at position q * (count - 1), with linear interpolation; `count` is how many were
 * added, at least 1. */
double tk_log_histogram_quantile(const struct tk_log_histogram *histogram, uint64_t count,
                                 double q);

#endif
