/* Spans that wait to become a segment: what is new among them, and which may be written now.
 *
 * Spans come in any order. Those of one trace should end up in one segment, so a *cut* writes the
 * traces that have been quiet for a while and holds back those that got spans just now. The spans
 * held back (the *tail*) are written too, as an open segment that the next commit replaces: so a
 * commit has everything up to its offset, and an ingest that continues after a crash takes the tail
 * up from the store and goes on exactly as the first one would have.
 *
 * Everything here depends only on the spans, their order and the cuts that are asked for, never on
 * time or threads.
 *
 * A *commit* that comes before there is enough to cut must not write the whole tail again each
 * time: the tail is kept in several open segments (*tiers*, larger ones first), and a commit
 * replaces the last of them, those that are not much larger than what is new. So a span is written
 * a few times before its tail is cut, however often there are commits, and there are few open
 * segments. */
#ifndef TK_STORE_SPAN_BUFFER_H
#define TK_STORE_SPAN_BUFFER_H

#include "store/segment/segment.h"
#include "store/segment/span_copy.h"

/** How many spans of one source turned out to be what, in one cut. */
struct tk_source_tally {
  uint64_t spans_new, spans_duplicate, spans_conflicting;
};

struct tk_buffered_span {
  const struct tk_span *span;
  uint32_t source; /**< whose tally counts it; TK_SETTLED: counted before */
};
#define TK_SETTLED UINT32_MAX

/* Settled spans that are stored as one open segment. */
struct tk_open_tier {
  int64_t segment_id;
  uint32_t span_count;
  struct tk_arena arena;  /**< what their entries point into */
  uint64_t bytes_written; /**< by this ingest; 0: it was there before */
};

struct tk_span_buffer {
  struct tk_buffered_span *entries; /**< settled ones first, in the order of their tiers */
  uint32_t count, capacity, settled_count;
  struct tk_batch **batches; /**< owned; what unsettled entries point into */
  uint32_t batch_count, batch_capacity;
  struct tk_open_tier *tiers;
  uint32_t tier_count, tier_capacity;
  uint32_t cut_count; /**< entries that were there after the last cut that wrote what is quiet */
};

void tk_span_buffer_reset(struct tk_span_buffer *buffer);

/** Takes ownership of the batch, also on failure. TK_NOMEM. */
enum tk_status tk_span_buffer_add(struct tk_span_buffer *buffer, struct tk_batch *batch,
                                  uint32_t source, struct tk_error *error);

/** Takes up the spans of the store's open segments, as settled. The buffer must be empty. */
enum tk_status tk_span_buffer_absorb(struct tk_span_buffer *buffer, struct tk_reader *reader,
                                     struct tk_error *error);

/** A trace that is in the store already, or in more than one piece. */
struct tk_split_note {
  uint8_t trace_id[16];
  int64_t segment_id; /**< a stored segment that holds a part, or 0: see piece */
  uint32_t piece;
};

/** A second span with the identity of `kept`, but other content. */
struct tk_conflict {
  const struct tk_span *span;
  const char *field; /**< the first that differs */
  uint32_t source;
};

struct tk_cut_piece {
  const struct tk_span **spans;
  uint32_t span_count;
  bool is_tail;
};

/** What a cut decided. Owns the memory that its spans are in. */
struct tk_cut {
  struct tk_cut_piece *pieces; /**< the tail last */
  uint32_t piece_count;
  struct tk_split_note *splits;
  uint32_t split_count, split_capacity;
  struct tk_conflict *conflicts;
  uint32_t conflict_count, conflict_capacity;
  struct tk_source_tally *tallies; /**< by source */
  uint32_t source_count;
  struct tk_open_tier *replaced; /**< tiers whose spans are in the pieces now */
  uint32_t replaced_count;
  struct tk_batch **batches;
  uint32_t batch_count;
};

enum tk_cut_kind {
  TK_CUT_QUIET, /**< writes the traces that have been quiet; the others become the tail */
  TK_CUT_TAIL,  /**< writes nothing but a tail: what is new, and small tiers together with it */
  TK_CUT_FINAL  /**< nothing follows: holds nothing back */
};

struct tk_cut_options {
  uint32_t target;       /**< spans a segment should have */
  uint32_t source_count; /**< how many sources there are so far */
  enum tk_cut_kind kind;
};

/** Removes duplicates (among the buffer and against the store as `reader` sees it, open segments
 * left out) and empties the buffer into *cut, except for the tail, which stays as settled spans:
 * it is the last tier, whose segment_id the caller sets. Where the buffer has nothing new, there
 * are no pieces and nothing is replaced, unless a final cut finds several tiers. On failure the
 * buffer is unchanged and *cut needs no reset. */
enum tk_status tk_span_buffer_cut(struct tk_span_buffer *buffer, struct tk_reader *reader,
                                  const struct tk_cut_options *options, struct tk_cut *cut,
                                  struct tk_error *error);
void tk_cut_reset(struct tk_cut *cut);

/** Whether it is time to cut. */
bool tk_span_buffer_is_full(const struct tk_span_buffer *buffer, uint32_t target);

#endif
