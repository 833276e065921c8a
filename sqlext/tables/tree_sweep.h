/* How many children a span has, and how much of its time they leave it. */
#ifndef TK_SQLEXT_TREE_SWEEP_H
#define TK_SQLEXT_TREE_SWEEP_H

#include <stdint.h>

#include "store/codec/ints.h"
#include "tracekeep/status.h"

/** Rows [begin, end) of arrays that are indexed by row: whole traces, parents before their
 * children, siblings by start. */
struct tk_tree_sweep {
  const int64_t *starts; /**< unix ns, unsigned */
  struct tk_ints durations;
  const uint32_t *parents; /**< row of the parent; anything that is no earlier row: none */
  uint32_t begin, end;
  uint32_t *child_counts; /**< out */
  int64_t *self_times;    /**< out: duration without what direct children cover; never negative */
};

enum tk_status tk_tree_sweep_run(const struct tk_tree_sweep *sweep, struct tk_error *error);

#endif
