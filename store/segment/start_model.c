/* SPDX-License-Identifier: MIT
 * What a start is close to differs between programs: sequential callers start a child when the one
 * before ended, parallel ones when the parent did. So all models are tried on the data. */
#include "store/segment/start_model.h"

#include <string.h>

/* The row's reference, for rows that are not the first of their trace. `last_children` holds, for
 * each row, its latest child so far, plus one (0: none yet). */
static uint64_t reference(const struct tk_span_order *order, enum tk_start_model model,
                          uint32_t row, uint32_t last_root, const uint32_t *last_children) {
  const uint32_t parent = order->parents[row];
  switch (model) {
    case TK_START_PREVIOUS_ROW:
      return order->rows[row - 1]->start_unix_ns;
    case TK_START_PARENT:
      return order->rows[parent == TK_NO_PARENT ? last_root : parent]->start_unix_ns;
    case TK_START_PREVIOUS_SIBLING:
      break;
  }
  if (parent == TK_NO_PARENT) return order->rows[last_root]->end_unix_ns;
  if (last_children[parent]) return order->rows[last_children[parent] - 1]->end_unix_ns;
  return order->rows[parent]->start_unix_ns;
}

static void difference(const struct tk_span_order *order, const struct tk_granules *granules,
                       const uint64_t *granule_start_min, enum tk_start_model model, int64_t *out,
                       uint32_t *last_children) {
  memset(last_children, 0, order->span_count * sizeof *last_children);
  for (uint32_t t = 0, g = 0; t < order->trace_count; t++) {
    const uint32_t first = order->trace_rows[t];
    uint32_t last_root = first;
    if (first == granules->ends[g]) g++;
    const bool first_of_granule = first == (g ? granules->ends[g - 1] : 0);
    for (uint32_t row = first; row < order->trace_rows[t + 1]; row++) {
      const struct tk_span *span = order->rows[row];
      uint64_t from;
      if (row > first) {
        from = reference(order, model, row, last_root, last_children);
      } else if (first_of_granule) {
        from = granule_start_min[g];
      } else {
        from = order->rows[order->trace_rows[t - 1]]->start_unix_ns;
      }
      out[row] = (int64_t)(span->start_unix_ns - from);
      if (order->parents[row] == TK_NO_PARENT) {
        last_root = row;
      } else {
        last_children[order->parents[row]] = row + 1;
      }
    }
  }
}

static uint64_t count_bits(const int64_t *values, uint32_t count) {
  uint64_t bits = 0;
  for (uint32_t i = 0; i < count; i++) {
    const uint64_t zigzag = (uint64_t)values[i] << 1 ^ (uint64_t)(values[i] >> 63);
    bits += zigzag ? 64 - (unsigned)__builtin_clzll(zigzag) : 0;
  }
  return bits;
}

enum tk_start_model tk_start_model_choose(const struct tk_span_order *order,
                                          const struct tk_granules *granules,
                                          const uint64_t *granule_start_min, int64_t *best,
                                          int64_t *scratch, uint32_t *last_children) {
  enum tk_start_model chosen = TK_START_PREVIOUS_ROW;
  if (!best || !scratch || !last_children) {
    return chosen; /* out of memory: the caller's flag says so */
  }
  difference(order, granules, granule_start_min, chosen, best, last_children);
  uint64_t fewest = count_bits(best, order->span_count);
  for (int model = TK_START_PARENT; model <= TK_START_PREVIOUS_SIBLING; model++) {
    difference(order, granules, granule_start_min, (enum tk_start_model)model, scratch,
               last_children);
    const uint64_t bits = count_bits(scratch, order->span_count);
    if (bits >= fewest) continue;
    fewest = bits;
    chosen = (enum tk_start_model)model;
    memcpy(best, scratch, order->span_count * sizeof *best);
  }
  return chosen;
}
