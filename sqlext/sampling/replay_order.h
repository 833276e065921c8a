/* Decisions of configurations with rate limiters, which take traces in the order of their end.
 *
 * Traces are stored in another order. So all are asked first, about 100 bytes are kept of each, and
 * decided in that order; then they are gone through again. */
#ifndef TK_SQLEXT_SAMPLING_REPLAY_ORDER_H
#define TK_SQLEXT_SAMPLING_REPLAY_ORDER_H

#include "sqlext/sampling/replay_walk.h"

struct tk_replay_order {
  uint8_t *records; /**< `size` bytes each, by number of the trace in the walk */
  size_t size;
  uint32_t count, capacity;
  struct tk_replay_decision *decisions; /**< likewise, once they are made */
};

/** Goes through all traces of the walk (not by_id), and decides. */
enum tk_status tk_replay_order_decide(struct tk_replay_order *order, struct tk_replay_walk *walk,
                                      bool wants_probability, struct tk_error *error);
void tk_replay_order_reset(struct tk_replay_order *order);

#endif
