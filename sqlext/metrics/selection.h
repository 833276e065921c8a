/* Order statistics of integers, without sorting them all. */
#ifndef TK_SQLEXT_SELECTION_H
#define TK_SQLEXT_SELECTION_H

#include <stddef.h>
#include <stdint.h>

/** Reorders keys[0, count) so that keys[wanted] is what it is in sorted order, with nothing greater
 * before it and nothing smaller behind it. Linear time on average, bounded by sorting. */
void tk_select_key(int64_t *keys, size_t count, size_t wanted);

/** The value at position q * (count - 1) of the sorted keys, with linear interpolation between the
 * two nearest. Reorders; keys before *begin are known to be no greater than the others, and *begin
 * moves to the position found, so that ascending q need not look at all keys again. count > 0. */
double tk_select_quantile(int64_t *keys, size_t count, double q, size_t *begin);

#endif
