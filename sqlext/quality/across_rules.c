/* SPDX-License-Identifier: MIT
 * dup.across_traces: one span id in several traces.
 *
 * Two passes over the span ids of the store, which are stored raw. The first fills a bitmap by a
 * hash of the id, and a second bitmap where a bit was set already (asked about single traces: one
 * bitmap, of their ids). The second pass collects the spans whose bit says "perhaps"; these, few
 * unless ids really repeat, are sorted and compared as they are. Who asks for many traces one by
 * one keeps what was found (struct quality_repeats). */
#include <stdlib.h>
#include <string.h>

#include "sqlext/quality/quality.h"

enum { BITS_PER_SPAN = 16, MIN_LOG_BITS = 14, MAX_LOG_BITS = 28 };

struct candidate {
  uint64_t id;
  uint8_t trace_id[16];
  uint32_t segment_index, trace_index, row;
};

struct search {
  uint64_t *seen, *repeated; /* bitmaps; of single traces they are one */
  unsigned shift;            /* 64 - log2 of their bits */
  struct candidate *candidates;
  uint32_t count, capacity;
};

static enum tk_status create_bitmaps(struct search *search, uint64_t span_count, bool two,
                                     struct tk_error *error) {
  unsigned log_bits = MIN_LOG_BITS;
  while (log_bits < MAX_LOG_BITS && (uint64_t)1 << log_bits < span_count * BITS_PER_SPAN) {
    log_bits++;
  }
  const uint64_t bytes = ((uint64_t)1 << log_bits) / 8;
  search->shift = 64 - log_bits;
  search->seen = sqlite3_malloc64(bytes);
  search->repeated = two ? sqlite3_malloc64(bytes) : search->seen;
  if (!search->seen || !search->repeated) return tk_nomem(error);
  memset(search->seen, 0, bytes);
  memset(search->repeated, 0, bytes);
  return TK_OK;
}

static uint64_t load_id(const uint8_t *bytes) {
  uint64_t id;
  memcpy(&id, bytes, sizeof id);
  return id;
}

static uint64_t bit_of(const struct search *search, uint64_t id) {
  return id * 0x9E3779B97F4A7C15u >> search->shift;
}

static enum tk_status read_ids(struct quality *quality, uint32_t segment_index,
                               const struct tk_segment **segment_out, const uint8_t **ids_out,
                               struct tk_error *error) {
  const struct tk_column *column;
  enum tk_status status = tk_quality_segment(quality, segment_index, segment_out, error);
  if (status == TK_OK) {
    status =
        tk_reader_row_column(quality->reader, *segment_out, TK_COL_SPAN_ID, TK_ALL, &column, error);
  }
  if (status != TK_OK) return status;
  *ids_out = column ? column->fixed : NULL;
  return TK_OK;
}

/* ---- which ids ---- */

static enum tk_status mark_repeated(struct quality *quality, struct search *search,
                                    struct tk_error *error) {
  for (uint32_t s = 0; s < quality->segments.count; s++) {
    const struct tk_segment *segment;
    const uint8_t *ids;
    enum tk_status status = read_ids(quality, s, &segment, &ids, error);
    if (status != TK_OK) return status;
    for (uint32_t row = 0; ids && row < segment->summary.span_count; row++) {
      const uint64_t bit = bit_of(search, load_id(ids + 8 * (size_t)row));
      const uint64_t mask = (uint64_t)1 << (bit & 63);
      search->repeated[bit >> 6] |= search->seen[bit >> 6] & mask;
      search->seen[bit >> 6] |= mask;
    }
    tk_quality_close_segments(quality);
  }
  return TK_OK;
}

static enum tk_status mark_parts(struct quality *quality, struct search *search,
                                 const struct quality_part *parts, uint32_t part_count,
                                 struct tk_error *error) {
  for (uint32_t p = 0; p < part_count; p++) {
    const struct tk_segment *segment;
    const uint8_t *ids;
    enum tk_status status = read_ids(quality, parts[p].segment_index, &segment, &ids, error);
    if (status != TK_OK) return status;
    for (uint32_t row = parts[p].begin; ids && row < parts[p].end; row++) {
      const uint64_t bit = bit_of(search, load_id(ids + 8 * (size_t)row));
      search->seen[bit >> 6] |= (uint64_t)1 << (bit & 63);
    }
  }
  tk_quality_close_segments(quality);
  return TK_OK;
}

/* ---- which spans ---- */

static enum tk_status add_candidate(struct quality *quality, struct search *search,
                                    const struct tk_segment *segment, uint32_t segment_index,
                                    uint32_t row, uint64_t id, struct tk_error *error) {
  const uint32_t *traces;
  const uint8_t *trace_id;
  if (!tk_grow_zeroed(&search->candidates, &search->capacity, search->count + 1,
                      sizeof *search->candidates)) {
    return tk_nomem(error);
  }
  enum tk_status status = tk_reader_traces(quality->reader, segment,
                                           tk_segment_granule_of_row(segment, row), &traces, error);
  if (status == TK_OK) {
    status =
        tk_fixed_value(quality->reader, segment, TK_COL_TRACE_ID, traces[row], &trace_id, error);
  }
  if (status != TK_OK) return status;
  struct candidate *candidate = &search->candidates[search->count++];
  *candidate = (struct candidate){
      .id = id, .segment_index = segment_index, .trace_index = traces[row], .row = row};
  memcpy(candidate->trace_id, trace_id, sizeof candidate->trace_id);
  return TK_OK;
}

static enum tk_status collect(struct quality *quality, struct search *search,
                              struct tk_error *error) {
  for (uint32_t s = 0; s < quality->segments.count; s++) {
    const struct tk_segment *segment;
    const uint8_t *ids;
    enum tk_status status = read_ids(quality, s, &segment, &ids, error);
    for (uint32_t row = 0; status == TK_OK && ids && row < segment->summary.span_count; row++) {
      const uint64_t id = load_id(ids + 8 * (size_t)row), bit = bit_of(search, id);
      if (!(search->repeated[bit >> 6] >> (bit & 63) & 1)) continue;
      status = add_candidate(quality, search, segment, s, row, id, error);
    }
    tk_quality_close_segments(quality);
    if (status != TK_OK) return status;
  }
  return TK_OK;
}

static int compare_candidates(const void *left, const void *right) {
  const struct candidate *a = left, *b = right;
  if (a->id != b->id) return a->id > b->id ? 1 : -1;
  const int order = memcmp(a->trace_id, b->trace_id, sizeof a->trace_id);
  if (order != 0) return order;
  if (a->segment_index != b->segment_index) return a->segment_index > b->segment_index ? 1 : -1;
  return (a->row > b->row) - (a->row < b->row);
}

/* ---- findings ---- */

static bool is_in_parts(const struct quality_part *parts, uint32_t part_count,
                        const struct candidate *candidate) {
  uint32_t low = 0, high = part_count;
  if (part_count == 0) return true;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    const struct quality_part *part = &parts[middle];
    if (part->segment_index < candidate->segment_index ||
        (part->segment_index == candidate->segment_index && part->end <= candidate->row)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < part_count && parts[low].segment_index == candidate->segment_index &&
         parts[low].begin <= candidate->row;
}

static enum tk_status report(struct quality *quality, const struct candidate *candidate,
                             uint32_t traces, struct tk_error *error) {
  const struct tk_segment *segment;
  int64_t code = 0;
  enum tk_status status = tk_quality_segment(quality, candidate->segment_index, &segment, error);
  if (status == TK_OK) {
    status = tk_int_value(quality->reader, segment, TK_COL_RESOURCE, candidate->row, &code, error);
  }
  if (status != TK_OK ||
      !tk_quality_find_row(quality, RULE_DUP_ACROSS_TRACES, candidate->segment_index,
                           candidate->trace_index, candidate->row,
                           tk_quality_resource_of(quality, segment, code))) {
    return status;
  }
  tk_quality_say(&quality->findings, "spans of %u traces have this id", traces);
  tk_quality_note_unsigned(&quality->findings, "traces", traces);
  return TK_OK;
}

/* In how many traces the id of candidate `begin` is; *end is behind the last with that id. */
static uint32_t count_traces(const struct search *search, uint32_t begin, uint32_t *end) {
  const struct candidate *items = search->candidates;
  uint32_t traces = 1, at = begin + 1;
  for (; at < search->count && items[at].id == items[begin].id; at++) {
    traces += memcmp(items[at].trace_id, items[at - 1].trace_id, 16) != 0;
  }
  *end = at;
  return traces;
}

static enum tk_status report_all(struct quality *quality, struct search *search,
                                 const struct quality_part *parts, uint32_t part_count,
                                 struct tk_error *error) {
  const struct candidate *items = search->candidates;
  for (uint32_t begin = 0, end; begin < search->count; begin = end) {
    const uint32_t traces = count_traces(search, begin, &end);
    for (uint32_t i = begin; i < end && traces > 1; i++) {
      if (!is_in_parts(parts, part_count, &items[i])) continue;
      enum tk_status status = report(quality, &items[i], traces, error);
      if (status != TK_OK) return status;
    }
  }
  return TK_OK;
}

/* ---- what is kept ---- */

void tk_quality_repeats_reset(struct quality_repeats *repeats) {
  sqlite3_free(repeats->items);
  *repeats = (struct quality_repeats){.items = NULL};
}

static enum tk_status keep_repeats(struct quality *quality, const struct search *search,
                                   struct tk_error *error) {
  struct quality_repeats *repeats = quality->repeats;
  const struct candidate *items = search->candidates;
  tk_quality_repeats_reset(repeats);
  for (uint32_t begin = 0, end; begin < search->count; begin = end) {
    const uint32_t traces = count_traces(search, begin, &end);
    if (traces < 2) continue;
    if (!tk_grow_zeroed(&repeats->items, &repeats->capacity, repeats->count + 1,
                        sizeof *repeats->items)) {
      return tk_nomem(error);
    }
    repeats->items[repeats->count++] = (struct quality_repeat){items[begin].id, traces};
  }
  repeats->is_known = true;
  return TK_OK;
}

static uint32_t find_repeat(const struct quality_repeats *repeats, uint64_t id) {
  uint32_t low = 0, high = repeats->count;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (repeats->items[middle].id < id) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < repeats->count && repeats->items[low].id == id ? repeats->items[low].traces : 0;
}

/* Of the spans in these parts, by what was kept. */
static enum tk_status report_kept(struct quality *quality, const struct quality_part *parts,
                                  uint32_t part_count, struct tk_error *error) {
  for (uint32_t p = 0; p < part_count && quality->repeats->count > 0; p++) {
    const struct tk_segment *segment;
    const struct tk_column *ids;
    enum tk_status status = tk_quality_segment(quality, parts[p].segment_index, &segment, error);
    if (status == TK_OK) {
      status = tk_reader_row_column(quality->reader, segment, TK_COL_SPAN_ID, parts[p].granule,
                                    &ids, error);
    }
    for (uint32_t row = parts[p].begin; status == TK_OK && ids && row < parts[p].end; row++) {
      const uint32_t traces = find_repeat(quality->repeats, load_id(ids->fixed + 8 * (size_t)row));
      const struct candidate candidate = {
          .segment_index = parts[p].segment_index, .trace_index = parts[p].trace_index, .row = row};
      if (traces > 1) status = report(quality, &candidate, traces, error);
    }
    if (status != TK_OK) return status;
  }
  return TK_OK;
}

static enum tk_status search_store(struct quality *quality, const struct quality_part *parts,
                                   uint32_t part_count, bool keeps, struct tk_error *error) {
  struct search search = {.seen = NULL};
  uint64_t spans = 0;
  enum tk_status status;

  for (uint32_t s = 0; s < quality->reader->segment_count && part_count == 0; s++) {
    spans += quality->reader->segments[s].span_count;
  }
  for (uint32_t p = 0; p < part_count; p++) spans += parts[p].end - parts[p].begin;
  status = create_bitmaps(&search, spans, part_count == 0, error);
  if (status == TK_OK) {
    status = part_count > 0 ? mark_parts(quality, &search, parts, part_count, error)
                            : mark_repeated(quality, &search, error);
  }
  if (status == TK_OK) status = collect(quality, &search, error);
  if (status == TK_OK && search.count > 1) {
    qsort(search.candidates, search.count, sizeof *search.candidates, compare_candidates);
  }
  if (status == TK_OK && keeps) {
    status = keep_repeats(quality, &search, error);
  } else if (status == TK_OK) {
    status = report_all(quality, &search, parts, part_count, error);
  }
  if (search.repeated != search.seen) sqlite3_free(search.repeated);
  sqlite3_free(search.seen);
  sqlite3_free(search.candidates);
  return status;
}

enum tk_status tk_quality_across(struct quality *quality, const struct quality_part *parts,
                                 uint32_t part_count, struct tk_error *error) {
  enum tk_status status = TK_OK;
  if (!tk_quality_wants(quality, RULE_DUP_ACROSS_TRACES)) return TK_OK;
  if (part_count == 0 || !quality->repeats ||
      (!quality->repeats->is_known && !quality->wants_repeats)) {
    return search_store(quality, parts, part_count, false, error);
  }
  if (!quality->repeats->is_known) status = search_store(quality, NULL, 0, true, error);
  if (status != TK_OK) return status;
  return report_kept(quality, parts, part_count, error);
}
