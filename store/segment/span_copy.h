/* Spans that outlive the memory they came in, and spans compared by content. */
#ifndef TK_STORE_SPAN_COPY_H
#define TK_STORE_SPAN_COPY_H

#include <stdbool.h>

#include "tracekeep/span.h"

/** Copies of resources and scopes made so far, so that spans which share one keep sharing it.
 * Zero-initialise; no reset needed (it lives in the arena). */
struct tk_span_copier {
  struct tk_arena *arena;
  const struct tk_resource *last_resource;
  const struct tk_resource *last_resource_copy;
  const struct tk_scope *last_scope;
  const struct tk_scope *last_scope_copy;
};

/** Deep copy in copier->arena; false when out of memory. */
bool tk_span_copy(struct tk_span_copier *copier, const struct tk_span *from, struct tk_span *to);

/** NULL if the two have the same content, else the name of the first field that differs. Attribute
 * order counts; doubles are compared bit by bit. */
const char *tk_span_difference(const struct tk_span *a, const struct tk_span *b);

#endif
