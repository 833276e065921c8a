/** @file scan.h  Reading whole spans back, trace by trace: what export and the waterfall stand on.
 *
 * (Questions over columns are asked in SQL, through the extension.) */
#ifndef TRACEKEEP_SCAN_H
#define TRACEKEEP_SCAN_H

#include "tracekeep/store.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tk_scan;

struct tk_scan_options {
  const uint8_t (*trace_ids)[16]; /**< only these traces, in this order; NULL: all */
  size_t trace_id_count;
  uint64_t since_unix_ns; /**< only traces with a span that starts at or after this; 0: no limit */
  uint64_t until_unix_ns; /**< ... and one that starts before this; 0: no limit */
};

/** One trace, complete: spans from all segments, depth-first from the roots, siblings by start.
 * A span whose parent is not stored is placed as a root. `depths[i]` is 0 at a root. */
struct tk_trace {
  uint8_t trace_id[16];
  const struct tk_span *spans;
  const uint32_t *depths;
  uint32_t span_count;
};

/** `options` may be NULL: all traces, in the order they are stored. The scan sees the store as it
 * is now, whatever is ingested meanwhile. */
enum tk_status tk_scan_open(struct tk_store *store, const struct tk_scan_options *options,
                            struct tk_scan **scan_out, struct tk_error *error);

/** Next trace, valid until the next call; NULL at the end. A trace id that is not stored is
 * skipped. */
enum tk_status tk_scan_next(struct tk_scan *scan, const struct tk_trace **trace_out,
                            struct tk_error *error);
void tk_scan_close(struct tk_scan *scan);

/** The 16-byte id that a user's text names: 32 hex digits in any case, 16 hex digits (left-padded),
 * or any other text, which is looked up as the text id it is. */
void tk_trace_id_parse(struct tk_text text, uint8_t trace_id[16]);

#ifdef __cplusplus
}
#endif
#endif
