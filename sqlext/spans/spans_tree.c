/* SPDX-License-Identifier: MIT
 * depth, child_count, self_time_ns and is_root: what a row needs the rest of its trace for.
 *
 * A granule holds whole traces in depth-first order, so one pass over it gives everything (see
 * tree_sweep.h). Only a trace whose spans lie in several segments (tk_split) has to be put together
 * first. */
#include <string.h>

#include "sqlext/spans/spans_values.h"
#include "sqlext/tables/tree_sweep.h"
#include "sqlext/vtab_support.h"
#include "store/segment/span_order.h"

/* ---- traces in several segments ---- */

/* The spans of one trace, just enough of them to order them. */
struct gathered {
  struct tk_arena arena;
  struct tk_span *spans;
  uint32_t *rows; /* row of each span in our segment; UINT32_MAX: in another */
  uint32_t count;
};

static enum tk_status load_place(struct tk_reader *reader, const struct tk_segment *segment,
                                 uint32_t first, const struct tk_column **ids,
                                 const struct tk_column **durations, const struct tk_column **kinds,
                                 const int64_t **starts, const uint32_t **parents,
                                 struct tk_error *error) {
  uint32_t granule = tk_segment_granule_of_row(segment, first);
  enum tk_status status;

  if ((status = tk_reader_row_column(reader, segment, TK_COL_SPAN_ID, granule, ids, error)) ||
      (status =
           tk_reader_row_column(reader, segment, TK_COL_DURATION, granule, durations, error)) ||
      (status = tk_reader_row_column(reader, segment, TK_COL_KIND, granule, kinds, error)) ||
      (status = tk_reader_starts(reader, segment, granule, starts, error))) {
    return status;
  }
  return tk_reader_parents(reader, segment, granule, parents, error);
}

/* Appends the spans of one place. */
static enum tk_status gather_place(struct tk_reader *reader, const struct tk_segment *segment,
                                   const struct tk_trace_place *place, bool is_ours,
                                   struct gathered *gathered, struct tk_error *error) {
  const struct tk_column *ids, *durations, *kinds;
  const int64_t *starts;
  const uint32_t *parents;
  enum tk_status status = load_place(reader, segment, place->first_row, &ids, &durations, &kinds,
                                     &starts, &parents, error);

  for (uint32_t i = 0; status == TK_OK && i < place->row_count; i++) {
    uint32_t row = place->first_row + i;
    struct tk_span *span = &gathered->spans[gathered->count];
    const uint8_t *parent = NULL;
    if (parents[row] != UINT32_MAX) {
      parent = ids->fixed + (size_t)parents[row] * 8;
    } else {
      status = tk_reader_external_parent(reader, segment, row, &parent, error);
    }
    *span = (struct tk_span){.start_unix_ns = (uint64_t)starts[row],
                             .kind = kinds ? (int32_t)tk_ints_at(kinds->ints, row) : 0};
    span->end_unix_ns =
        span->start_unix_ns + (uint64_t)(durations ? tk_ints_at(durations->ints, row) : 0);
    memcpy(span->span_id, ids->fixed + (size_t)row * 8, 8);
    if (parent) {
      memcpy(span->parent_span_id, parent, 8);
      span->presence = TK_SPAN_HAS_PARENT;
    }
    gathered->rows[gathered->count++] = is_ours ? row : UINT32_MAX;
  }
  return status;
}

static enum tk_status gather_trace(struct spans_segment *segment, const uint8_t trace_id[16],
                                   struct gathered *gathered, struct tk_error *error) {
  struct tk_reader *reader = segment->reader;
  struct tk_trace_place *places = NULL;
  uint32_t place_count = 0;
  uint64_t total = 0;
  enum tk_status status = tk_reader_find_trace(reader, trace_id, &places, &place_count, error);

  for (uint32_t i = 0; status == TK_OK && i < place_count; i++) total += places[i].row_count;
  if (status == TK_OK) {
    gathered->spans = tk_arena_alloc(&gathered->arena, total * sizeof *gathered->spans);
    gathered->rows = tk_arena_alloc(&gathered->arena, total * sizeof *gathered->rows);
    if (!gathered->spans || !gathered->rows) status = tk_nomem(error);
  }
  for (uint32_t i = 0; status == TK_OK && i < place_count; i++) {
    const struct tk_segment *other = NULL;
    status = tk_reader_segment(reader, places[i].segment_index, &other, error);
    if (status != TK_OK) break;
    status = gather_place(reader, other, &places[i],
                          other->summary.id == segment->segment->summary.id, gathered, error);
    tk_segment_release(other);
  }
  sqlite3_free(places);
  return status;
}

/* Writes what the whole trace says over what the part of it in this segment said. */
static enum tk_status rejoin_trace(struct spans_segment *segment, const uint8_t trace_id[16],
                                   struct tk_error *error) {
  struct gathered gathered = {0};
  struct tk_span_order order = {0};
  enum tk_status status = gather_trace(segment, trace_id, &gathered, error);
  size_t count = gathered.count;

  const struct tk_span **list = tk_arena_alloc(&gathered.arena, count * sizeof *list);
  int64_t *starts = tk_arena_alloc(&gathered.arena, count * 8);
  int64_t *durations = tk_arena_alloc(&gathered.arena, count * 8);
  int64_t *self_times = tk_arena_alloc(&gathered.arena, count * 8);
  uint32_t *child_counts = tk_arena_alloc(&gathered.arena, count * 4);
  if (status == TK_OK && (!list || !starts || !durations || !self_times || !child_counts)) {
    status = tk_nomem(error);
  }
  if (status != TK_OK) goto done;
  for (size_t i = 0; i < count; i++) list[i] = &gathered.spans[i];
  status = tk_span_order_init(&order, list, (uint32_t)count, error);
  if (status != TK_OK) goto done;
  for (size_t i = 0; i < count; i++) {
    starts[i] = (int64_t)order.rows[i]->start_unix_ns;
    durations[i] = (int64_t)(order.rows[i]->end_unix_ns - order.rows[i]->start_unix_ns);
  }
  status = tk_tree_sweep_run(
      &(struct tk_tree_sweep){.starts = starts,
                              .durations = {.values = durations, .width = sizeof *durations},
                              .parents = order.parents,
                              .end = (uint32_t)count,
                              .child_counts = child_counts,
                              .self_times = self_times},
      error);
  for (size_t i = 0; status == TK_OK && i < count; i++) {
    uint32_t row = gathered.rows[order.rows[i] - gathered.spans];
    if (row == UINT32_MAX) continue;
    segment->tree.child_counts[row] = child_counts[i];
    segment->tree.self_times[row] = self_times[i];
    segment->tree.depths[row] = order.depths[i];
  }

done:
  tk_span_order_reset(&order);
  tk_arena_reset(&gathered.arena);
  return status;
}

static enum tk_status rejoin_traces(struct spans_segment *segment, uint32_t granule,
                                    struct tk_error *error) {
  const struct tk_segment *stored = segment->segment;
  struct tk_reader *reader = segment->reader;
  const struct tk_column *ids;
  sqlite3_stmt *statement = NULL;
  enum tk_status status = tk_reader_values(reader, stored, stored->fixed[TK_COL_TRACE_ID], 0,
                                           stored->summary.trace_count, &ids, error);
  if (status != TK_OK) return status;
  char *sql = sqlite3_mprintf("SELECT 1 FROM \"%w\".tk_split WHERE trace_id = ?", reader->schema);
  if (!sql) return tk_nomem(error);
  int rc = sqlite3_prepare_v2(reader->db, sql, -1, &statement, NULL);
  uint32_t trace = stored->granule_first_trace[granule];
  for (; rc == SQLITE_OK && status == TK_OK && trace < stored->granule_first_trace[granule + 1];
       trace++) {
    const uint8_t *id = ids->fixed + (size_t)trace * 16;
    sqlite3_bind_blob(statement, 1, id, 16, SQLITE_STATIC);
    bool is_split = sqlite3_step(statement) == SQLITE_ROW;
    rc = sqlite3_reset(statement);
    if (rc == SQLITE_OK && is_split) status = rejoin_trace(segment, id, error);
  }
  if (rc != SQLITE_OK) {
    status = rc == SQLITE_NOMEM
                 ? tk_nomem(error)
                 : tk_fail(error, TK_IO, "cannot read tk_split: %s", sqlite3_errmsg(reader->db));
  }
  sqlite3_finalize(statement);
  sqlite3_free(sql);
  return status;
}

/* ---- a granule ---- */

static enum tk_status allocate_tree(struct spans_segment *segment, struct tk_error *error) {
  size_t rows = segment->segment->summary.span_count;
  size_t words = segment->segment->rows.count / 64 + 1;
  struct spans_tree tree = {.done = tk_arena_alloc(&segment->arena, words * 8),
                            .child_counts = tk_arena_alloc(&segment->arena, rows * 4),
                            .self_times = tk_arena_alloc(&segment->arena, rows * 8),
                            .has_parent = tk_arena_alloc(&segment->arena, rows)};
  bool has_split = segment->segment->summary.flags & TK_SEGMENT_HAS_SPLIT;

  if (has_split) tree.depths = tk_arena_alloc(&segment->arena, rows * 4);
  if (!tree.done || !tree.child_counts || !tree.self_times || !tree.has_parent ||
      (has_split && !tree.depths)) {
    return tk_nomem(error);
  }
  memset(tree.done, 0, words * 8);
  segment->tree = tree;
  return TK_OK;
}

static enum tk_status find_roots(struct spans_segment *segment, uint32_t begin, uint32_t end,
                                 const uint32_t *parents, struct tk_error *error) {
  for (uint32_t row = begin; row < end; row++) {
    const uint8_t *id = NULL;
    if (parents[row] == UINT32_MAX) {
      enum tk_status status =
          tk_reader_external_parent(segment->reader, segment->segment, row, &id, error);
      if (status != TK_OK) return status;
    }
    segment->tree.has_parent[row] = parents[row] != UINT32_MAX || id != NULL;
  }
  return TK_OK;
}

static enum tk_status copy_depths(struct spans_segment *segment, uint32_t granule, uint32_t begin,
                                  uint32_t end, struct tk_error *error) {
  const struct tk_column *depths;
  enum tk_status status = tk_reader_row_column(segment->reader, segment->segment, TK_COL_DEPTH,
                                               granule, &depths, error);
  if (status != TK_OK) return status;
  for (uint32_t row = begin; row < end; row++) {
    segment->tree.depths[row] = depths ? (uint32_t)tk_ints_at(depths->ints, row) : 0;
  }
  return TK_OK;
}

static enum tk_status compute_granule(struct spans_segment *segment, uint32_t granule,
                                      struct tk_error *error) {
  const struct tk_segment *stored = segment->segment;
  struct tk_reader *reader = segment->reader;
  struct tk_tree_sweep sweep = {.begin = granule > 0 ? stored->rows.ends[granule - 1] : 0,
                                .end = stored->rows.ends[granule]};
  const struct tk_column *durations;
  enum tk_status status;

  if (segment->tree.done[granule / 64] >> (granule % 64) & 1) return TK_OK;
  sweep.child_counts = segment->tree.child_counts;
  sweep.self_times = segment->tree.self_times;
  if ((status = tk_reader_starts(reader, stored, granule, &sweep.starts, error)) ||
      (status = tk_reader_parents(reader, stored, granule, &sweep.parents, error)) ||
      (status =
           tk_reader_row_column(reader, stored, TK_COL_DURATION, granule, &durations, error))) {
    return status;
  }
  if (durations) sweep.durations = durations->ints;
  if ((status = tk_tree_sweep_run(&sweep, error)) != TK_OK) return status;
  status = find_roots(segment, sweep.begin, sweep.end, sweep.parents, error);
  if (status == TK_OK && segment->tree.depths) {
    status = copy_depths(segment, granule, sweep.begin, sweep.end, error);
    if (status == TK_OK) status = rejoin_traces(segment, granule, error);
  }
  if (status == TK_OK) segment->tree.done[granule / 64] |= (uint64_t)1 << (granule % 64);
  return status;
}

enum tk_status tk_spans_tree_compute(struct spans_segment *segment, uint32_t granule,
                                     struct tk_error *error) {
  enum tk_status status = segment->tree.done ? TK_OK : allocate_tree(segment, error);
  uint32_t end = granule == TK_ALL ? segment->segment->rows.count : granule + 1;

  for (uint32_t i = granule == TK_ALL ? 0 : granule; i < end && status == TK_OK; i++) {
    status = compute_granule(segment, i, error);
  }
  return status;
}
