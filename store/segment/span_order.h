/* The order of spans in a segment: traces by start, inside a trace depth-first from its roots.
 *
 * Parent of a span: the span of the same trace whose span_id is its parent_span_id. Where several
 * share that id (Zipkin's client and server halves), a server or consumer is preferred, then the
 * earliest; never the span itself. A span whose parent is not there is placed as a root. Spans on a
 * cycle of parents are entered at the earliest of them, which is placed as a root.
 * Siblings, and roots, are ordered by start, then span id, then kind; so the order depends on the
 * spans alone, not on the order in which they came. */
#ifndef TK_STORE_SPAN_ORDER_H
#define TK_STORE_SPAN_ORDER_H

#include "tracekeep/span.h"
#include "tracekeep/status.h"

#define TK_NO_PARENT UINT32_MAX

struct tk_span_order {
  const struct tk_span **rows; /**< spans in order */
  uint32_t *depths;            /**< 0: placed as a root */
  uint32_t *parents;           /**< row of the parent, or TK_NO_PARENT; always an earlier row */
  uint32_t span_count;
  uint32_t *trace_rows; /**< first row of each trace; trace_count + 1 entries */
  uint32_t trace_count;
};

/** Orders `spans` (any order, any number of traces; at most INT32_MAX). On failure (TK_NOMEM)
 * *order is zeroed. */
enum tk_status tk_span_order_init(struct tk_span_order *order, const struct tk_span *const *spans,
                                  uint32_t span_count, struct tk_error *error);
void tk_span_order_reset(struct tk_span_order *order);

#endif
