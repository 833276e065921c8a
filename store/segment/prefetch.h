/* A thread that makes parts of segments readable before they are asked for.
 *
 * The thread only decodes: columns are loaded by the caller, whose connection is the caller's
 * alone. What it fails to do, the caller will do again when it gets there, and hear why. */
#ifndef TK_STORE_PREFETCH_H
#define TK_STORE_PREFETCH_H

#include "store/segment/segment.h"

enum tk_prefetch_what {
  TK_PREFETCH_COLUMN,      /**< values of column `index` */
  TK_PREFETCH_VALUE_INDEX, /**< tk_reader_value_index of column `index` */
  TK_PREFETCH_STARTS,
  TK_PREFETCH_PARENTS,
  TK_PREFETCH_TRACES
};

/** Something of a segment, for all its rows. */
struct tk_prefetch_item {
  enum tk_prefetch_what what;
  uint32_t index; /**< into tk_segment.columns */
};

/** Whether it is readable, all of it. */
bool tk_prefetch_is_ready(const struct tk_segment *segment, struct tk_prefetch_item item);

struct tk_prefetch;

/** NULL where there can be no thread: then everything is done when it is asked for. */
struct tk_prefetch *tk_prefetch_create(void);

/** Whether another segment may be handed over: the thread has not got too far behind. */
bool tk_prefetch_has_room(struct tk_prefetch *prefetch);

#define TK_PREFETCH_ITEMS_MAX 32

/** Loads what is needed for the items, of which there are at most TK_PREFETCH_ITEMS_MAX, and hands
 * them over. `reader` stays until tk_prefetch_free. */
void tk_prefetch_start(struct tk_prefetch *prefetch, struct tk_reader *reader,
                       const struct tk_segment *segment, const struct tk_prefetch_item *items,
                       uint32_t item_count);

/** To be called before the segment is read. If it is being worked on, waits until it is done, and
 * works on the others meanwhile; if it has not been begun, it will not be. */
void tk_prefetch_await(struct tk_prefetch *prefetch, const struct tk_segment *segment);

/** Waits for what is being decoded now, and drops the rest. NULL does nothing. */
void tk_prefetch_free(struct tk_prefetch *prefetch);

/** Segments with fewer spans are not worth a thread. From TRACEKEEP_READ_AHEAD; 0: none is. */
uint32_t tk_prefetch_least_spans(void);

#endif
