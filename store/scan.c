/* SPDX-License-Identifier: MIT
 * Traces in stored order are read a row granule at a time; traces that are asked for by id, and
 * traces in several segments, are gathered from where they are. */
#include "tracekeep/scan.h"

#include <string.h>

#include "store/database.h"
#include "store/segment/span_order.h"
#include "store/store.h"
#include "tracekeep/json.h"

struct tk_scan {
  struct tk_reader *reader;
  struct tk_scan_options options;
  uint8_t (*trace_ids)[16]; /* copy of the caller's */
  struct tk_transaction transaction;
  bool failed; /* what is left in the buffers means nothing any more */

  size_t next_id; /* by id: the next to look up */

  uint32_t segment_index; /* in order: where we are */
  const struct tk_segment *segment;
  uint32_t granule; /* the next to load */
  struct tk_arena granule_arena;
  struct tk_span *granule_spans;
  uint32_t granule_count, granule_next;

  struct tk_arena trace_arena; /* of a gathered trace */
  struct tk_span_order order;
  struct tk_span *ordered; /* what tk_trace.spans points to */
  uint32_t ordered_capacity;
  struct tk_trace trace;
};

enum tk_status tk_scan_open(struct tk_store *store, const struct tk_scan_options *options,
                            struct tk_scan **scan_out, struct tk_error *error) {
  struct tk_scan *scan = sqlite3_malloc64(sizeof *scan);
  enum tk_status status = TK_OK;
  *scan_out = NULL;
  if (!scan) return tk_nomem(error);
  memset(scan, 0, sizeof *scan);
  if (options) scan->options = *options;
  if (scan->options.trace_ids) {
    const size_t bytes = scan->options.trace_id_count * 16;
    scan->trace_ids = sqlite3_malloc64(bytes + 1);
    if (!scan->trace_ids) status = tk_nomem(error);
    if (scan->trace_ids) memcpy(scan->trace_ids, scan->options.trace_ids, bytes);
  }
  /* One transaction from here to close: the scan sees one state of the store. */
  if (status == TK_OK && sqlite3_get_autocommit(store->db)) {
    status = tk_transaction_begin(&scan->transaction, store->db, "BEGIN", "begin to read", error);
  }
  if (status == TK_OK) status = tk_reader_open(store->db, "main", &scan->reader, error);
  if (status == TK_OK) status = tk_reader_refresh(scan->reader, error);
  if (status != TK_OK) {
    tk_scan_close(scan);
    return status;
  }
  *scan_out = scan;
  return TK_OK;
}

void tk_scan_close(struct tk_scan *scan) {
  if (!scan) return;
  if (scan->segment) tk_segment_release(scan->segment);
  tk_reader_close(scan->reader);
  tk_transaction_end(&scan->transaction);
  tk_arena_reset(&scan->granule_arena);
  tk_arena_reset(&scan->trace_arena);
  tk_span_order_reset(&scan->order);
  sqlite3_free(scan->ordered);
  sqlite3_free(scan->trace_ids);
  sqlite3_free(scan);
}

/* ---- one trace ---- */

/* Puts the spans of one trace into tree order, as scan->trace. */
static enum tk_status present(struct tk_scan *scan, const struct tk_span *spans, uint32_t count,
                              struct tk_error *error) {
  const struct tk_span **pointers = sqlite3_malloc64(count * sizeof *pointers + 1);
  if (!pointers) return tk_nomem(error);
  for (uint32_t i = 0; i < count; i++) pointers[i] = &spans[i];
  tk_span_order_reset(&scan->order);
  enum tk_status status = tk_span_order_init(&scan->order, pointers, count, error);
  sqlite3_free(pointers);
  if (status != TK_OK) return status;
  if (count > scan->ordered_capacity) {
    struct tk_span *larger = sqlite3_realloc64(scan->ordered, count * sizeof *larger);
    if (!larger) return tk_nomem(error);
    scan->ordered = larger;
    scan->ordered_capacity = count;
  }
  for (uint32_t i = 0; i < count; i++) scan->ordered[i] = *scan->order.rows[i];
  scan->trace =
      (struct tk_trace){.spans = scan->ordered, .depths = scan->order.depths, .span_count = count};
  memcpy(scan->trace.trace_id, scan->ordered[0].trace_id, 16);
  return TK_OK;
}

/* Reads the parts of a trace from all its places. */
static enum tk_status gather(struct tk_scan *scan, const struct tk_trace_place *places,
                             uint32_t count, struct tk_error *error) {
  uint32_t total = 0, at = 0;
  enum tk_status status = TK_OK;
  for (uint32_t i = 0; i < count; i++) total += places[i].row_count;
  tk_arena_reset(&scan->trace_arena);
  struct tk_span *spans = tk_arena_alloc(&scan->trace_arena, total * sizeof *spans);
  if (!spans) return tk_nomem(error);
  for (uint32_t i = 0; i < count && status == TK_OK; i++) {
    const struct tk_segment *segment = NULL;
    status = tk_reader_segment(scan->reader, places[i].segment_index, &segment, error);
    if (status != TK_OK) break;
    status = tk_reader_spans(scan->reader, segment, places[i].first_row, places[i].row_count,
                             &scan->trace_arena, spans + at, error);
    tk_segment_release(segment);
    at += places[i].row_count;
  }
  return status == TK_OK ? present(scan, spans, total, error) : status;
}

static bool in_time_range(const struct tk_scan *scan) {
  const uint64_t since = scan->options.since_unix_ns, until = scan->options.until_unix_ns;
  bool after = since == 0, before = until == 0;
  for (uint32_t i = 0; i < scan->trace.span_count && !(after && before); i++) {
    after |= scan->trace.spans[i].start_unix_ns >= since;
    before |= scan->trace.spans[i].start_unix_ns < until;
  }
  return after && before;
}

/* ---- by id ---- */

static enum tk_status next_by_id(struct tk_scan *scan, bool *found, struct tk_error *error) {
  enum tk_status status = TK_OK;
  *found = false;
  while (!*found && scan->next_id < scan->options.trace_id_count && status == TK_OK) {
    struct tk_trace_place *places = NULL;
    uint32_t count = 0;
    status = tk_reader_find_trace(scan->reader, scan->trace_ids[scan->next_id++], &places, &count,
                                  error);
    if (status == TK_OK && count > 0) {
      status = gather(scan, places, count, error);
      *found = status == TK_OK && in_time_range(scan);
    }
    sqlite3_free(places);
  }
  return status;
}

/* ---- in stored order ---- */

static bool may_match(const struct tk_scan *scan, const struct tk_segment_summary *summary) {
  if (summary->flags & TK_SEGMENT_HAS_SPLIT) return true; /* the rest of a trace is elsewhere */
  return summary->start_max >= scan->options.since_unix_ns &&
         (scan->options.until_unix_ns == 0 || summary->start_min < scan->options.until_unix_ns);
}

static enum tk_status load_granule(struct tk_scan *scan, struct tk_error *error) {
  const uint32_t *ends = scan->segment->rows.ends;
  const uint32_t begin = scan->granule ? ends[scan->granule - 1] : 0;
  const uint32_t count = ends[scan->granule] - begin;
  tk_arena_reset(&scan->granule_arena);
  scan->granule_spans = tk_arena_alloc(&scan->granule_arena, count * sizeof *scan->granule_spans);
  if (!scan->granule_spans) return tk_nomem(error);
  scan->granule_count = count;
  scan->granule_next = 0;
  scan->granule++;
  return tk_reader_spans(scan->reader, scan->segment, begin, count, &scan->granule_arena,
                         scan->granule_spans, error);
}

/* Makes spans available in the granule; *more is false at the end of the store. */
static enum tk_status advance(struct tk_scan *scan, bool *more, struct tk_error *error) {
  enum tk_status status = TK_OK;
  *more = true;
  while (status == TK_OK && scan->granule_next == scan->granule_count) {
    if (scan->segment && scan->granule < scan->segment->rows.count) {
      status = load_granule(scan, error);
      continue;
    }
    if (scan->segment) {
      tk_segment_release(scan->segment);
      scan->segment = NULL;
      scan->segment_index++;
    }
    while (scan->segment_index < scan->reader->segment_count &&
           !may_match(scan, &scan->reader->segments[scan->segment_index])) {
      scan->segment_index++;
    }
    if (scan->segment_index == scan->reader->segment_count) {
      *more = false;
      break;
    }
    scan->granule = 0;
    status = tk_reader_segment(scan->reader, scan->segment_index, &scan->segment, error);
  }
  return status;
}

/* The trace at the front of the granule, unless it is in several segments and not first here. */
static enum tk_status take_trace(struct tk_scan *scan, bool *found, struct tk_error *error) {
  const struct tk_span *first = scan->granule_spans + scan->granule_next;
  const struct tk_segment_summary *summary = &scan->reader->segments[scan->segment_index];
  struct tk_trace_place *places = NULL;
  uint32_t count = 1, place_count = 0;
  enum tk_status status = TK_OK;
  while (scan->granule_next + count < scan->granule_count &&
         memcmp(first[count].trace_id, first->trace_id, 16) == 0) {
    count++;
  }
  scan->granule_next += count;
  if (summary->flags & TK_SEGMENT_HAS_SPLIT) {
    status = tk_reader_find_trace(scan->reader, first->trace_id, &places, &place_count, error);
  }
  if (status == TK_OK && place_count <= 1) {
    status = present(scan, first, count, error);
    *found = true;
  } else if (status == TK_OK) {
    *found = scan->reader->segments[places[0].segment_index].id == summary->id;
    if (*found) status = gather(scan, places, place_count, error);
  }
  sqlite3_free(places);
  if (status == TK_OK && *found) *found = in_time_range(scan);
  return status;
}

static enum tk_status next_in_order(struct tk_scan *scan, bool *found, struct tk_error *error) {
  bool more = true;
  *found = false;
  while (!*found) {
    enum tk_status status = advance(scan, &more, error);
    if (status != TK_OK || !more) return status;
    status = take_trace(scan, found, error);
    if (status != TK_OK) return status;
  }
  return TK_OK;
}

enum tk_status tk_scan_next(struct tk_scan *scan, const struct tk_trace **trace_out,
                            struct tk_error *error) {
  bool found = false;
  *trace_out = NULL;
  if (scan->failed) return tk_fail(error, TK_INVALID, "the scan failed before");
  enum tk_status status =
      scan->trace_ids ? next_by_id(scan, &found, error) : next_in_order(scan, &found, error);
  scan->failed = status != TK_OK;
  *trace_out = status == TK_OK && found ? &scan->trace : NULL;
  return status;
}

/* ---- ids as people write them ---- */

void tk_trace_id_parse(struct tk_text text, uint8_t trace_id[16]) {
  uint8_t id[16] = {0};
  bool hex = text.size == 32 || text.size == 16;
  for (uint32_t i = 0; i < text.size && hex; i++) {
    const int digit = tk_hex_digit(text.data[i]);
    const uint32_t at = (32 - text.size + i) / 2;
    hex = digit >= 0;
    if (hex) id[at] = (uint8_t)(id[at] << 4 | digit);
  }
  if (hex) {
    memcpy(trace_id, id, sizeof id);
  } else {
    tk_trace_id_from_text(text, trace_id);
  }
}
