/* SPDX-License-Identifier: MIT
 * A trace is looked at where its first part is that could say anything, with its other parts, so
 * that what is said of the whole trace is found once, however the store is cut into segments. */
#include "sqlext/sampling/decision_traces.h"

#include <stdlib.h>
#include <string.h>

#include "store/sqlite_api.h"

/* ---- segments ---- */

static void close_segments(struct tk_decision_walk *walk) {
  for (uint32_t s = 0; walk->opened && s < walk->segments.count; s++) {
    struct tk_decision_rows *rows = walk->opened[s];
    if (!rows) continue;
    const struct tk_segment *segment = rows->segment;
    tk_decision_rows_close(rows);
    if (segment) tk_segment_release(segment);
    sqlite3_free(rows);
    walk->opened[s] = NULL;
  }
}

static enum tk_status open_segment(struct tk_decision_walk *walk, uint32_t index,
                                   struct tk_decision_rows **rows_out, struct tk_error *error) {
  const struct tk_segment *segment = NULL;
  struct tk_decision_rows *rows;
  enum tk_status status;

  if ((*rows_out = walk->opened[index]) != NULL) return TK_OK;
  if (!(rows = sqlite3_malloc64(sizeof *rows))) return tk_nomem(error);
  *rows = (struct tk_decision_rows){.reader = NULL};
  status = tk_segment_list_open(&walk->segments, walk->reader, index, &segment, error);
  if (status == TK_OK) {
    status = tk_decision_rows_open(rows, walk->reader, segment, walk->sources, error);
  }
  if (status != TK_OK) {
    tk_decision_rows_close(rows);
    if (segment) tk_segment_release(segment);
    sqlite3_free(rows);
    return status;
  }
  *rows_out = walk->opened[index] = rows;
  return TK_OK;
}

/* ---- the current trace ---- */

static enum tk_status add_part(struct tk_decision_walk *walk, uint32_t segment_index,
                               uint32_t trace_index, struct tk_error *error) {
  struct tk_decision_part part = {.segment_index = segment_index, .trace_index = trace_index};
  const uint32_t *trace_rows;
  enum tk_status status = open_segment(walk, segment_index, &part.rows, error);

  if (status != TK_OK) return status;
  part.segment = part.rows->segment;
  status = tk_reader_trace_rows(walk->reader, part.segment, &trace_rows, error);
  if (status != TK_OK) return status;
  part.first_row = trace_rows[trace_index];
  part.end_row = trace_rows[trace_index + 1];
  if (!tk_grow_zeroed(&walk->parts, &walk->part_capacity, walk->part_count + 1,
                      sizeof *walk->parts)) {
    return tk_nomem(error);
  }
  walk->parts[walk->part_count++] = part;
  return TK_OK;
}

static bool is_same_text(struct tk_text a, struct tk_text b) {
  return !a.data == !b.data && tk_text_equal(a, b);
}

static bool is_same_number(double a, double b) {
  return a == b || (a != a && b != b);
}

static bool is_same(const struct tk_decision *a, const struct tk_decision *b) {
  return a->source == b->source && a->stage == b->stage && a->verdict == b->verdict &&
         a->dry_run == b->dry_run && is_same_number(a->probability, b->probability) &&
         is_same_number(a->adjusted_count, b->adjusted_count) &&
         is_same_text(a->mechanism, b->mechanism) && is_same_text(a->policy, b->policy);
}

/* Drops from `from` on what is about the trace and was said before; the rest gets its place. */
static enum tk_status place_decisions(struct tk_decision_walk *walk, uint32_t from, uint32_t part,
                                      uint32_t row, struct tk_error *error) {
  struct tk_decision_list *list = &walk->list;
  uint32_t kept = from, number = 0;

  if (list->failed ||
      !tk_grow_zeroed(&walk->places, &walk->place_capacity, list->count, sizeof *walk->places)) {
    return tk_nomem(error);
  }
  for (uint32_t i = from; i < list->count; i++) {
    bool is_new = true;
    for (uint32_t k = 0; list->items[i].trace_wide && k < from && is_new; k++) {
      is_new = !list->items[k].trace_wide || !is_same(&list->items[k], &list->items[i]);
    }
    number = i > from && list->items[i].source == list->items[i - 1].source ? number + 1 : 0;
    if (!is_new) continue;
    walk->places[kept] = (struct tk_decision_place){part, row, number};
    list->items[kept++] = list->items[i];
  }
  list->count = kept;
  return TK_OK;
}

static enum tk_status read_part(struct tk_decision_walk *walk, uint32_t index,
                                struct tk_error *error) {
  const struct tk_decision_part *part = &walk->parts[index];
  struct tk_decision_input input;
  enum tk_status status;

  if (!part->rows->any) return TK_OK;
  status = tk_decision_rows_prepare(
      part->rows, tk_segment_granule_of_row(part->segment, part->first_row), error);
  for (uint32_t row = part->first_row; row < part->end_row && status == TK_OK; row++) {
    const uint32_t before = walk->list.count;
    bool any;
    status = tk_decision_rows_read(part->rows, row, &input, &any, error);
    if (status != TK_OK || !any) continue;
    tk_decisions_decode(&input, walk->sources, &walk->list);
    status = place_decisions(walk, before, index, row, error);
  }
  return status;
}

static void clear_trace(struct tk_decision_walk *walk) {
  walk->part_count = 0;
  walk->list.count = 0;
  tk_arena_reset(&walk->arena);
}

static enum tk_status read_trace(struct tk_decision_walk *walk, struct tk_error *error) {
  enum tk_status status = TK_OK;
  for (uint32_t p = 0; p < walk->part_count && status == TK_OK; p++) {
    status = read_part(walk, p, error);
  }
  return status;
}

/* ---- walking ---- */

/* Adds the parts of trace `trace_index` of the segment the walk is at; none if another segment, of
 * those that say anything, had a part of it before. */
static enum tk_status gather_trace(struct tk_decision_walk *walk, uint32_t trace_index,
                                   struct tk_error *error) {
  const uint32_t split = walk->split.count == 0
                             ? TK_NOT_SPLIT
                             : tk_split_traces_find(&walk->split, walk->segment_index, trace_index);
  enum tk_status status = TK_OK;

  clear_trace(walk);
  if (split == TK_NOT_SPLIT) return add_part(walk, walk->segment_index, trace_index, error);
  for (uint32_t p = walk->split.first_part[split];
       p < walk->split.first_part[split + 1] && status == TK_OK; p++) {
    const struct tk_split_part *part = &walk->split.by_trace[p];
    status = add_part(walk, part->segment_index, part->trace_index, error);
    if (status == TK_OK && part->segment_index < walk->segment_index &&
        walk->parts[walk->part_count - 1].rows->any) {
      walk->part_count = 0;
      return TK_OK;
    }
  }
  return status;
}

static int compare_parts(const void *left, const void *right) {
  const struct tk_decision_part *a = left, *b = right;
  return (a->segment_index > b->segment_index) - (a->segment_index < b->segment_index);
}

static enum tk_status next_by_id(struct tk_decision_walk *walk, bool *found_out,
                                 struct tk_error *error) {
  while (walk->id_index < walk->id_count) {
    struct tk_trace_place *places = NULL;
    uint32_t count = 0;
    close_segments(walk);
    clear_trace(walk);
    enum tk_status status =
        tk_reader_find_trace(walk->reader, walk->ids[walk->id_index++], &places, &count, error);
    for (uint32_t i = 0; i < count && status == TK_OK; i++) {
      const uint32_t index =
          tk_segment_list_find(&walk->segments, walk->reader, places[i].segment_index);
      if (index != UINT32_MAX) status = add_part(walk, index, places[i].trace_index, error);
    }
    sqlite3_free(places);
    if (walk->part_count > 1) {
      qsort(walk->parts, walk->part_count, sizeof *walk->parts, compare_parts);
    }
    if (status == TK_OK) status = read_trace(walk, error);
    if (status != TK_OK) return status;
    if ((*found_out = walk->list.count > 0)) return TK_OK;
  }
  return TK_OK;
}

/* Opens the segment the walk is at; *may_out is false if no trace of it needs a look. */
static enum tk_status begin_segment(struct tk_decision_walk *walk, bool *may_out,
                                    struct tk_error *error) {
  struct tk_decision_rows *rows;
  close_segments(walk);
  enum tk_status status = open_segment(walk, walk->segment_index, &rows, error);
  *may_out = false;
  if (status != TK_OK || !rows->any) return status;
  *may_out = (walk->summaries[walk->segment_index].flags & TK_SEGMENT_HAS_SPLIT) != 0 ||
             !walk->accept || walk->accept(walk->accept_context, walk->reader, rows->segment);
  return TK_OK;
}

enum tk_status tk_decision_walk_next(struct tk_decision_walk *walk, bool *found_out,
                                     struct tk_error *error) {
  enum tk_status status;

  *found_out = false;
  if (walk->by_id) return next_by_id(walk, found_out, error);
  for (; walk->segment_index < walk->segments.count; walk->segment_index++) {
    bool may = true;
    if (walk->trace_index == 0 && (status = begin_segment(walk, &may, error)) != TK_OK) {
      return status;
    }
    const uint32_t count = may ? walk->summaries[walk->segment_index].trace_count : 0;
    while (walk->trace_index < count) {
      if ((status = gather_trace(walk, walk->trace_index++, error)) != TK_OK) return status;
      if ((status = read_trace(walk, error)) != TK_OK) return status;
      if ((*found_out = walk->list.count > 0)) return TK_OK;
    }
    walk->trace_index = 0;
  }
  clear_trace(walk);
  return TK_OK;
}

enum tk_status tk_decision_walk_begin(struct tk_decision_walk *walk, struct tk_reader *reader,
                                      uint32_t sources, bool by_id, uint8_t (*ids)[16],
                                      uint32_t id_count, struct tk_error *error) {
  const uint64_t count = reader->segment_count;
  enum tk_status status;

  *walk = (struct tk_decision_walk){
      .reader = reader, .sources = sources, .by_id = by_id, .ids = ids, .id_count = id_count};
  walk->list.arena = &walk->arena;
  if ((status = tk_segment_list_init(&walk->segments, reader, error)) != TK_OK) return status;
  walk->opened = sqlite3_malloc64(count * sizeof *walk->opened + 1);
  walk->summaries = sqlite3_malloc64(count * sizeof *walk->summaries + 1);
  if (!walk->opened || !walk->summaries) return tk_nomem(error);
  for (uint32_t s = 0; s < count; s++) {
    walk->opened[s] = NULL;
    walk->summaries[s] = reader->segments[s];
  }
  return by_id ? TK_OK : tk_split_traces_load(&walk->split, reader, error);
}

void tk_decision_walk_reset(struct tk_decision_walk *walk) {
  close_segments(walk);
  tk_segment_list_reset(&walk->segments);
  tk_split_traces_reset(&walk->split);
  tk_decision_list_reset(&walk->list);
  tk_arena_reset(&walk->arena);
  sqlite3_free(walk->summaries);
  sqlite3_free(walk->opened);
  sqlite3_free(walk->ids);
  sqlite3_free(walk->parts);
  sqlite3_free(walk->places);
  *walk = (struct tk_decision_walk){.reader = NULL};
}
