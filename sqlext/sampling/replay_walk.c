/* SPDX-License-Identifier: MIT
 * Walks through the traces of a store in stored order. See replay_walk.h. A trace in several
 * segments comes where its first part is, with all parts. */
#include "sqlext/sampling/replay_walk.h"

#include <stdlib.h>
#include <string.h>

#include "sqlext/sampling/consistent_sampling.h"

/* ---- segments ---- */

static void close_segments(struct tk_replay_walk *walk) {
  for (uint32_t s = 0; walk->opened && s < walk->segments.count; s++) {
    if (!walk->opened[s]) continue;
    const struct tk_segment *segment = walk->opened[s]->segment;
    tk_replay_segment_free(walk->opened[s]);
    tk_segment_release(segment);
    walk->opened[s] = NULL;
  }
}

static enum tk_status open_segment(struct tk_replay_walk *walk, uint32_t index,
                                   struct tk_replay_segment **out, struct tk_error *error) {
  const struct tk_segment *segment;
  enum tk_status status = TK_OK;
  if (!walk->opened[index]) {
    status = tk_segment_list_open(&walk->segments, walk->reader, index, &segment, error);
    if (status != TK_OK) return status;
    status =
        tk_replay_segment_create(walk->reader, segment, walk->program, &walk->opened[index], error);
    if (status != TK_OK) {
      walk->opened[index] = NULL;
      tk_segment_release(segment);
      return status;
    }
  }
  *out = walk->opened[index];
  return TK_OK;
}

static enum tk_status add_part(struct tk_replay_walk *walk, uint32_t segment_index,
                               uint32_t trace_index, struct tk_error *error) {
  struct tk_replay_segment *segment;
  const enum tk_status status = open_segment(walk, segment_index, &segment, error);
  if (status != TK_OK) return status;
  return tk_trace_add_part(&walk->trace, segment->segment, segment_index, trace_index, error);
}

/* ---- traces ---- */

static enum tk_status set_trace(struct tk_replay_walk *walk, uint32_t segment_index,
                                uint32_t trace_index, struct tk_error *error) {
  const uint32_t split = walk->split.count == 0
                             ? TK_NOT_SPLIT
                             : tk_split_traces_find(&walk->split, segment_index, trace_index);
  enum tk_status status = TK_OK;
  tk_trace_clear(&walk->trace);
  if (split == TK_NOT_SPLIT) return add_part(walk, segment_index, trace_index, error);
  for (uint32_t p = walk->split.first_part[split];
       p < walk->split.first_part[split + 1] && status == TK_OK; p++) {
    const struct tk_split_part *part = &walk->split.by_trace[p];
    status = add_part(walk, part->segment_index, part->trace_index, error);
  }
  return status;
}

static enum tk_status next_of_ids(struct tk_replay_walk *walk, bool *found_out,
                                  struct tk_error *error) {
  enum tk_status status = TK_OK;
  while (walk->id_index < walk->id_count && !*found_out && status == TK_OK) {
    struct tk_trace_place *places = NULL;
    uint32_t count = 0;
    close_segments(walk);
    tk_trace_clear(&walk->trace);
    status =
        tk_reader_find_trace(walk->reader, walk->ids[walk->id_index++], &places, &count, error);
    for (uint32_t i = 0; i < count && status == TK_OK; i++) {
      const uint32_t index =
          tk_segment_list_find(&walk->segments, walk->reader, places[i].segment_index);
      if (index == UINT32_MAX) continue;
      status = add_part(walk, index, places[i].trace_index, error);
    }
    sqlite3_free(places);
    tk_trace_sort_parts(&walk->trace);
    *found_out = status == TK_OK && walk->trace.part_count > 0;
  }
  return status;
}

enum tk_status tk_replay_walk_next(struct tk_replay_walk *walk, bool *found_out,
                                   struct tk_error *error) {
  struct tk_replay_segment *segment;
  enum tk_status status;
  *found_out = false;
  if (walk->by_id) return next_of_ids(walk, found_out, error);
  for (; walk->segment_index < walk->segments.count; walk->segment_index++) {
    if (walk->trace_index == 0) close_segments(walk);
    if ((status = open_segment(walk, walk->segment_index, &segment, error)) != TK_OK) return status;
    while (walk->trace_index < segment->segment->summary.trace_count) {
      status = set_trace(walk, walk->segment_index, walk->trace_index++, error);
      if (status != TK_OK) return status;
      if (walk->trace.parts[0].segment_index != walk->segment_index) continue; /* came before */
      *found_out = true;
      return TK_OK;
    }
    walk->trace_index = 0;
  }
  return TK_OK;
}

enum tk_status tk_replay_walk_begin(struct tk_replay_walk *walk, bool by_id,
                                    const uint8_t (*ids)[16], uint32_t id_count,
                                    struct tk_error *error) {
  enum tk_status status;
  walk->by_id = by_id;
  walk->ids = ids;
  walk->id_count = id_count;
  walk->trace.reader = walk->reader;
  if ((status = tk_segment_list_init(&walk->segments, walk->reader, error)) != TK_OK) return status;
  walk->opened = sqlite3_malloc64(walk->segments.count * sizeof *walk->opened + 1);
  if (!walk->opened) return tk_nomem(error);
  for (uint32_t s = 0; s < walk->segments.count; s++) walk->opened[s] = NULL;
  return by_id ? TK_OK : tk_split_traces_load(&walk->split, walk->reader, error);
}

void tk_replay_walk_rewind(struct tk_replay_walk *walk) {
  close_segments(walk);
  tk_trace_clear(&walk->trace);
  walk->segment_index = walk->trace_index = walk->id_index = 0;
}

void tk_replay_walk_reset(struct tk_replay_walk *walk) {
  close_segments(walk);
  sqlite3_free(walk->opened);
  sqlite3_free(walk->times);
  tk_segment_list_reset(&walk->segments);
  tk_split_traces_reset(&walk->split);
  tk_trace_reset(&walk->trace);
  *walk = (struct tk_replay_walk){.reader = walk->reader, .program = walk->program};
}

/* ---- facts ---- */

static struct tk_replay_range range_of(const struct tk_trace_part *part) {
  return (struct tk_replay_range){part->granule, part->first_row, part->end_row};
}

static enum tk_status ask_parts(struct tk_replay_walk *walk, struct tk_replay_facts *facts,
                                struct tk_error *error) {
  enum tk_status status = TK_OK;
  for (uint32_t p = 0; p < walk->trace.part_count && status == TK_OK; p++) {
    const struct tk_trace_part *part = &walk->trace.parts[p];
    const struct tk_replay_range range = range_of(part);
    status = tk_replay_ask_rows(walk->opened[part->segment_index], &range, facts, error);
  }
  return status;
}

static void hit(struct tk_replay_facts *facts, uint32_t leaf, bool hits) {
  if (hits) facts->hits[leaf / 64] |= UINT64_C(1) << (leaf % 64);
}

/* The randomness that the root's tracestate names; without a root, that of the first span. */
static enum tk_status find_randomness(struct tk_replay_walk *walk, struct tk_replay_facts *facts,
                                      struct tk_error *error) {
  const struct tk_trace_part *part = &walk->trace.parts[0];
  const struct tk_column *states;
  struct tk_ot_member ot = {0};
  bool any = false;
  facts->randomness = tk_trace_randomness(facts->trace_id);
  for (uint32_t p = 0; p < walk->trace.part_count; p++) {
    any |= walk->trace.parts[p].segment->fixed[TK_COL_TRACE_STATE] != TK_NO_COLUMN;
  }
  if (!any) return TK_OK;
  enum tk_status status = tk_trace_learn(&walk->trace, TK_KNOW_ROOT, error);
  if (status != TK_OK) return status;
  uint32_t row = part->first_row;
  if (walk->trace.root_part) {
    part = walk->trace.root_part;
    row = walk->trace.root_row;
  }
  status = tk_replay_column(walk->opened[part->segment_index], TK_COL_TRACE_STATE, part->granule,
                            &states, error);
  if (status != TK_OK || !states) return status;
  if (tk_ot_member_read(tk_column_text(states, row), &ot) && ot.rv.is_there && ot.rv.is_valid) {
    facts->randomness = ot.rv.value;
  }
  return TK_OK;
}

static enum tk_status ask_root(struct tk_replay_walk *walk, struct tk_replay_facts *facts,
                               struct tk_error *error) {
  const struct tk_program *program = walk->program;
  enum tk_status status = tk_trace_learn(&walk->trace, TK_KNOW_ROOT, error);
  if (status != TK_OK) return status;
  const struct tk_trace_part *part = walk->trace.root_part;
  for (uint32_t i = 0; i < program->leaf_count; i++) {
    const struct tk_leaf *leaf = &program->leaves[i];
    if (leaf->kind == TK_LEAF_HAS_ROOT) hit(facts, i, (part != NULL) == leaf->wants_root);
  }
  if (part) {
    return tk_replay_ask_root(walk->opened[part->segment_index], part->granule,
                              walk->trace.root_row, facts, error);
  }
  /* Without a root: the strategy for services that nobody named. */
  tk_program_choose(program, (struct tk_text){"", 0}, (struct tk_text){"", 0}, facts);
  return TK_OK;
}

/* ---- latency ---- */

static bool is_within(const struct tk_sampling_latency *latency, int64_t duration_ns,
                      bool is_exclusive) {
  const int64_t ms = duration_ns / 1000000;
  const int64_t threshold = latency->threshold_ns / 1000000;
  const int64_t upper = latency->upper_threshold_ns / 1000000;
  if (upper != 0) return ms > threshold && ms <= upper;
  return is_exclusive ? ms > threshold : ms >= threshold;
}

static int compare_times(const void *left, const void *right) {
  const struct tk_replay_span_time *a = left, *b = right;
  if (a->end != b->end) return a->end > b->end ? 1 : -1;
  return (a->start > b->start) - (a->start < b->start);
}

/* The spans' times in the order in which they ended, which is when they are sent. */
static enum tk_status order_times(struct tk_replay_walk *walk, uint32_t span_count,
                                  struct tk_error *error) {
  uint32_t count = 0;
  if (walk->time_capacity < span_count) {
    void *larger = sqlite3_realloc64(walk->times, (uint64_t)span_count * sizeof *walk->times);
    if (!larger) return tk_nomem(error);
    walk->times = larger;
    walk->time_capacity = span_count;
  }
  for (uint32_t p = 0; p < walk->trace.part_count; p++) {
    const struct tk_trace_part *part = &walk->trace.parts[p];
    const int64_t *starts;
    struct tk_ints durations;
    enum tk_status status =
        tk_reader_starts(walk->reader, part->segment, part->granule, &starts, error);
    if (status == TK_OK) {
      status = tk_row_ints(walk->reader, part->segment, TK_COL_DURATION, part->granule, &durations,
                           error);
    }
    if (status != TK_OK) return status;
    for (uint32_t row = part->first_row; row < part->end_row && count < span_count; row++) {
      const uint64_t end = (uint64_t)starts[row] + (uint64_t)tk_ints_at(durations, row);
      walk->times[count++] = (struct tk_replay_span_time){starts[row], (int64_t)end};
    }
  }
  if (count > 1) qsort(walk->times, count, sizeof *walk->times, compare_times);
  return TK_OK;
}

static bool ever_within(const struct tk_replay_walk *walk,
                        const struct tk_sampling_latency *latency, uint32_t span_count) {
  int64_t start = 0, end = 0;
  for (uint32_t i = 0; i < span_count; i++) {
    if (i == 0 || walk->times[i].start < start) start = walk->times[i].start;
    if (i == 0 || walk->times[i].end > end) end = walk->times[i].end;
    if (is_within(latency, (int64_t)((uint64_t)end - (uint64_t)start), false)) return true;
  }
  return false;
}

static enum tk_status ask_whole(struct tk_replay_walk *walk, struct tk_replay_facts *facts,
                                struct tk_error *error) {
  const struct tk_program *program = walk->program;
  const int64_t duration = (int64_t)((uint64_t)facts->end - (uint64_t)facts->start);
  if (program->needs_spans_in_order) {
    const enum tk_status status = order_times(walk, facts->span_count, error);
    if (status != TK_OK) return status;
  }
  for (uint32_t i = 0; i < program->leaf_count; i++) {
    const struct tk_leaf *leaf = &program->leaves[i];
    const struct tk_sampling_span_count *spans = &leaf->policy->as.span_count;
    if (leaf->kind == TK_LEAF_LATENCY) {
      hit(facts, i,
          is_within(&leaf->policy->as.latency, duration,
                    program->semantics.minor >= TK_LATENCY_EXCLUSIVE_SINCE));
    } else if (leaf->kind == TK_LEAF_LATENCY_IN_ORDER) {
      hit(facts, i, ever_within(walk, &leaf->policy->as.latency, facts->span_count));
    } else if (leaf->kind == TK_LEAF_SPAN_COUNT) {
      hit(facts, i,
          (int64_t)facts->span_count >= spans->min &&
              (spans->max == 0 || (int64_t)facts->span_count <= spans->max));
    }
  }
  return TK_OK;
}

enum tk_status tk_replay_walk_facts(struct tk_replay_walk *walk, struct tk_replay_facts *facts,
                                    struct tk_error *error) {
  const struct tk_program *program = walk->program;
  const struct tk_trace_part *part = &walk->trace.parts[0];
  uint64_t *const hits = facts->hits, *const errors = facts->errors;
  const uint8_t *id;
  enum tk_status status =
      tk_fixed_value(walk->reader, part->segment, TK_COL_TRACE_ID, part->trace_index, &id, error);
  if (status != TK_OK) return status;
  *facts = (struct tk_replay_facts){.hits = hits, .errors = errors, .choice = TK_NO_CHOICE};
  memcpy(facts->trace_id, id, 16);
  memset(hits, 0, program->words * sizeof *hits);
  memset(errors, 0, program->words * sizeof *errors);
  if ((status = ask_parts(walk, facts, error)) != TK_OK) return status;
  if ((status = find_randomness(walk, facts, error)) != TK_OK) return status;
  if (program->needs_root && (status = ask_root(walk, facts, error)) != TK_OK) return status;
  if ((status = ask_whole(walk, facts, error)) != TK_OK) return status;
  return walk->wants_bytes ? tk_replay_walk_bytes(walk, &facts->bytes, error) : TK_OK;
}

/* ---- bytes ---- */

struct envelopes {
  int64_t (*pairs)[2];
  uint32_t count, capacity;
};

/* Whether the pair is new; *resource_is_new too. False as return: out of memory. */
static bool note_pair(struct envelopes *known, int64_t resource, int64_t scope, bool *pair_is_new,
                      bool *resource_is_new) {
  *pair_is_new = *resource_is_new = true;
  for (uint32_t i = known->count; i-- > 0;) {
    if (known->pairs[i][0] != resource) continue;
    *resource_is_new = false;
    if (known->pairs[i][1] == scope) {
      *pair_is_new = false;
      return true;
    }
  }
  if (known->count == known->capacity) {
    const uint32_t capacity = known->capacity ? known->capacity * 2 : 32;
    void *larger = sqlite3_realloc64(known->pairs, (uint64_t)capacity * sizeof *known->pairs);
    if (!larger) return false;
    known->pairs = larger;
    known->capacity = capacity;
  }
  known->pairs[known->count][0] = resource;
  known->pairs[known->count++][1] = scope;
  return true;
}

static enum tk_status add_envelopes(struct tk_replay_walk *walk, const struct tk_trace_part *part,
                                    struct envelopes *known, uint64_t *bytes,
                                    struct tk_error *error) {
  struct tk_replay_segment *segment = walk->opened[part->segment_index];
  int64_t resource, scope, last_resource = -1, last_scope = -1;
  uint64_t resource_bytes, scope_bytes;
  bool pair_is_new, resource_is_new;
  for (uint32_t row = part->first_row; row < part->end_row; row++) {
    const enum tk_status status = tk_replay_envelope_bytes(
        segment, part->granule, row, &resource, &scope, &resource_bytes, &scope_bytes, error);
    if (status != TK_OK) return status;
    if (resource == last_resource && scope == last_scope) continue;
    last_resource = resource;
    last_scope = scope;
    if (!note_pair(known, resource, scope, &pair_is_new, &resource_is_new)) return tk_nomem(error);
    if (pair_is_new) *bytes += scope_bytes;
    if (resource_is_new) *bytes += resource_bytes;
  }
  return TK_OK;
}

enum tk_status tk_replay_walk_bytes(struct tk_replay_walk *walk, uint64_t *bytes_out,
                                    struct tk_error *error) {
  struct envelopes known = {0};
  enum tk_status status = TK_OK;
  uint64_t sum = 0, bytes = 0;
  for (uint32_t p = 0; p < walk->trace.part_count && status == TK_OK; p++) {
    const struct tk_trace_part *part = &walk->trace.parts[p];
    const struct tk_replay_range range = range_of(part);
    status = tk_replay_row_bytes(walk->opened[part->segment_index], &range, &bytes, error);
    sum += bytes;
    if (status == TK_OK) status = add_envelopes(walk, part, &known, &sum, error);
  }
  sqlite3_free(known.pairs);
  *bytes_out = sum;
  return status;
}
