/* Decoding what the next segments of a scan will need while the rows of this one are looked at. */
#ifndef TK_SQLEXT_SPANS_AHEAD_H
#define TK_SQLEXT_SPANS_AHEAD_H

#include "store/segment/prefetch.h"
#include "tracekeep/status.h"

struct spans_cursor;
struct spans_opened;

/** Zero-initialise. */
struct spans_ahead {
  struct tk_prefetch *prefetch; /* NULL: not needed so far, or cannot be had */
  bool is_off;
  uint32_t least_spans;
  uint32_t next_job; /* the first that was not looked at */
};

/** Looks at the jobs after `job` that come next. `done` is the segment whose rows have been looked
 * at last (NULL: none): what was decoded there, all of it, will be needed in the next ones. Errors
 * are left to be found when the rows are. */
void tk_spans_ahead_run(struct spans_cursor *cursor, uint32_t job, const struct spans_opened *done);

/** To be called before rows of the segment are looked at. */
void tk_spans_ahead_await(const struct spans_ahead *ahead, const struct spans_opened *opened);

/** Stops the thread, if there is one. */
void tk_spans_ahead_end(struct spans_ahead *ahead);

#endif
