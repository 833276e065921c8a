/* SPDX-License-Identifier: MIT
 * What follows from the columns of rows: where traces begin, which row is whose parent, when spans
 * started, which events and links are whose. Implements docs/segment-format.md, "Rows and granules"
 * and "Start times".
 *
 * Row granules hold whole traces and begin with a reference of their own, so each is derived by
 * itself. Every derivation checks what it relies on: rows of traces add up to the granule, the
 * first row of a trace has depth 0, no row is more than one deeper than the row before it. */
#include <string.h>

#include "store/segment/segment_state.h"

/* What a granule is derived from; decoded before the segment's mutex is taken. */
struct inputs {
  struct tk_ints trace_rows, depths, durations;
  struct tk_ints values; /* of TK_COL_START */
  /* Of the granule at hand: */
  int64_t *wide_depths, *wide_durations, *wide_values;
  uint32_t first_row;
  uint32_t *rows_by_depth;  /* scratch, as many as rows of the largest granule */
  uint64_t *times_by_depth; /* scratch, two more than rows */
};

static uint64_t value_of(struct tk_ints values, uint32_t row) {
  return (uint64_t)tk_ints_at(values, row);
}

static uint32_t largest_granule(const struct tk_segment *segment, uint32_t granule) {
  uint32_t largest = 0;
  uint32_t begin = granule == TK_ALL ? 0 : granule;
  uint32_t end = granule == TK_ALL ? segment->rows.count : granule + 1;
  for (uint32_t g = begin; g < end; g++) {
    struct tk_row_range rows = tk_segment_rows_of(segment, g);
    if (rows.end - rows.begin > largest) largest = rows.end - rows.begin;
  }
  return largest;
}

static enum tk_status check_granule(const struct tk_segment *segment, uint32_t granule,
                                    struct tk_error *error) {
  if (granule == TK_ALL || granule < segment->rows.count) return TK_OK;
  return tk_fail(error, TK_INVALID, "no such granule");
}

/* The traces of a granule, one after another. */
struct trace_walk {
  struct tk_ints trace_rows;
  uint32_t trace, end_trace;
  uint32_t begin, end; /* rows of `trace` */
  uint32_t granule_end;
};

static struct trace_walk start_walk(const struct tk_segment *segment, struct tk_ints trace_rows,
                                    uint32_t granule) {
  struct tk_row_range rows = tk_segment_rows_of(segment, granule);
  struct trace_walk walk = {.trace_rows = trace_rows,
                            .trace = segment->granule_first_trace[granule] - 1,
                            .end_trace = segment->granule_first_trace[granule + 1],
                            .begin = rows.begin,
                            .end = rows.begin,
                            .granule_end = rows.end};
  return walk;
}

/* Rows are at least one and stay inside the granule, whatever the column says. */
static bool next_trace(struct trace_walk *walk) {
  walk->trace++;
  if (walk->trace == walk->end_trace) return false;
  uint64_t rows = (uint64_t)tk_ints_at(walk->trace_rows, walk->trace);
  if (rows == 0 || rows > walk->granule_end - walk->end) return false;
  walk->begin = walk->end;
  walk->end += (uint32_t)rows;
  return true;
}

static enum tk_status finish_walk(const struct trace_walk *walk, struct tk_error *error) {
  if (walk->trace == walk->end_trace && walk->end == walk->granule_end) return TK_OK;
  return tk_corrupt(error, "rows of traces do not add up to their granule");
}

static enum tk_status depth_fault(struct tk_error *error, uint32_t row) {
  return tk_corrupt(error, "row %u is deeper than its place allows", row);
}

/* ---- traces ---- */

static enum tk_status fill_traces(struct tk_segment_state *state, void *context, uint32_t granule,
                                  void *data, struct tk_error *error) {
  const struct inputs *inputs = context;
  struct trace_walk walk = start_walk(&state->segment, inputs->trace_rows, granule);
  uint32_t *traces = data;
  while (next_trace(&walk)) {
    for (uint32_t row = walk.begin; row < walk.end; row++) traces[row] = walk.trace;
  }
  return finish_walk(&walk, error);
}

/* ---- parents ---- */

static enum tk_status fill_parents(struct tk_segment_state *state, void *context, uint32_t granule,
                                   void *data, struct tk_error *error) {
  const struct inputs *inputs = context;
  uint32_t *parents = data;
  if (inputs->depths.width == 0 && inputs->depths.base == 0) {
    struct tk_row_range rows = tk_segment_rows_of(&state->segment, granule);
    memset(parents + rows.begin, 0xFF, (rows.end - rows.begin) * sizeof *parents);
    return TK_OK;
  }
  struct trace_walk walk = start_walk(&state->segment, inputs->trace_rows, granule);
  uint32_t *latest = inputs->rows_by_depth;
  while (next_trace(&walk)) {
    uint64_t deepest = 0;
    for (uint32_t row = walk.begin; row < walk.end; row++) {
      const uint64_t depth = value_of(inputs->depths, row);
      if (depth > deepest) return depth_fault(error, row);
      parents[row] = depth ? latest[depth - 1] : UINT32_MAX;
      latest[depth] = row;
      deepest = depth + 1;
    }
  }
  return finish_walk(&walk, error);
}

/* ---- starts ---- */

static void add_to_previous_row(const struct inputs *inputs, const struct trace_walk *walk,
                                uint64_t reference, uint64_t *starts) {
  for (uint32_t row = walk->begin; row < walk->end; row++) {
    reference += (uint64_t)inputs->wide_values[row - inputs->first_row];
    starts[row] = reference;
  }
}

/* start_of[d]: start of the latest row of depth d. */
static enum tk_status add_to_parent(const struct inputs *inputs, const struct trace_walk *walk,
                                    uint64_t reference, uint64_t *starts, struct tk_error *error) {
  uint64_t *start_of = inputs->times_by_depth;
  uint64_t deepest = 0;
  start_of[0] = reference;
  for (uint32_t row = walk->begin; row < walk->end; row++) {
    const uint64_t depth = (uint64_t)inputs->wide_depths[row - inputs->first_row];
    if (depth > deepest) return depth_fault(error, row);
    starts[row] =
        start_of[depth ? depth - 1 : 0] + (uint64_t)inputs->wide_values[row - inputs->first_row];
    start_of[depth] = starts[row];
    deepest = depth + 1;
  }
  return TK_OK;
}

/* reference_of[d]: what the next row of depth d is relative to, unless it is a first child. */
static enum tk_status add_to_sibling(const struct inputs *inputs, const struct trace_walk *walk,
                                     uint64_t reference, uint64_t *starts, struct tk_error *error) {
  uint64_t *reference_of = inputs->times_by_depth;
  uint64_t deepest = 0;
  reference_of[0] = reference;
  for (uint32_t row = walk->begin; row < walk->end; row++) {
    const uint64_t depth = (uint64_t)inputs->wide_depths[row - inputs->first_row];
    if (depth > deepest) return depth_fault(error, row);
    const uint64_t start =
        reference_of[depth] + (uint64_t)inputs->wide_values[row - inputs->first_row];
    starts[row] = start;
    reference_of[depth] = start + (uint64_t)inputs->wide_durations[row - inputs->first_row];
    reference_of[depth + 1] = start;
    deepest = depth + 1;
  }
  return TK_OK;
}

static enum tk_status check_start_range(const struct tk_segment *segment, const uint64_t *starts,
                                        uint32_t granule, struct tk_error *error) {
  struct tk_row_range rows = tk_segment_rows_of(segment, granule);
  uint64_t least = UINT64_MAX;
  uint64_t most = 0;
  for (uint32_t row = rows.begin; row < rows.end; row++) {
    least = starts[row] < least ? starts[row] : least;
    most = starts[row] > most ? starts[row] : most;
  }
  if (least == segment->granule_start_min[granule] && most == segment->granule_start_max[granule]) {
    return TK_OK;
  }
  return tk_corrupt(error, "start times of granule %u are not what the directory says", granule);
}

static void widen_inputs(struct inputs *inputs, struct tk_row_range rows) {
  const uint32_t count = rows.end - rows.begin;
  inputs->first_row = rows.begin;
  tk_ints_read(inputs->depths, rows.begin, count, inputs->wide_depths);
  tk_ints_read(inputs->values, rows.begin, count, inputs->wide_values);
  tk_ints_read(inputs->durations, rows.begin, count, inputs->wide_durations);
}

static enum tk_status fill_starts(struct tk_segment_state *state, void *context, uint32_t granule,
                                  void *data, struct tk_error *error) {
  const struct tk_segment *segment = &state->segment;
  struct inputs *inputs = context;
  struct trace_walk walk = start_walk(segment, inputs->trace_rows, granule);
  uint64_t *starts = data;
  uint64_t reference = segment->granule_start_min[granule];
  enum tk_status status = TK_OK;

  widen_inputs(inputs, tk_segment_rows_of(segment, granule));
  while (next_trace(&walk)) {
    switch (segment->start_model) {
      case TK_START_PREVIOUS_ROW:
        add_to_previous_row(inputs, &walk, reference, starts);
        break;
      case TK_START_PARENT:
        status = add_to_parent(inputs, &walk, reference, starts, error);
        break;
      case TK_START_PREVIOUS_SIBLING:
        status = add_to_sibling(inputs, &walk, reference, starts, error);
        break;
    }
    if (status != TK_OK) return status;
    reference = starts[walk.begin];
  }
  if ((status = finish_walk(&walk, error)) != TK_OK) return status;
  return check_start_range(segment, starts, granule, error);
}

/* ---- the interface ---- */

static enum tk_status allocate_scratch(struct inputs *inputs, tk_fill_granule *fill, size_t rows,
                                       struct tk_error *error) {
  if (fill == fill_parents) {
    inputs->rows_by_depth = sqlite3_malloc64((rows + 2) * sizeof *inputs->rows_by_depth);
    if (!inputs->rows_by_depth) return tk_nomem(error);
  }
  if (fill == fill_starts) { /* what follows times_by_depth is in the same piece of memory */
    inputs->times_by_depth = sqlite3_malloc64((4 * rows + 2) * sizeof *inputs->times_by_depth);
    if (!inputs->times_by_depth) return tk_nomem(error);
    inputs->wide_depths = (int64_t *)(inputs->times_by_depth + rows + 2);
    inputs->wide_values = inputs->wide_depths + rows;
    inputs->wide_durations = inputs->wide_values + rows;
  }
  return TK_OK;
}

/* Decodes the inputs that `fill` needs and has the array filled. */
static enum tk_status derive(struct tk_reader *reader, const struct tk_segment *segment,
                             uint32_t granule, struct tk_lazy_array *array, size_t item_size,
                             tk_fill_granule *fill, struct tk_error *error) {
  struct inputs inputs = {0};
  enum tk_status status;

  status =
      tk_segment_row_ints(reader, segment, TK_COL_TRACE_ROWS, granule, &inputs.trace_rows, error);
  if (status == TK_OK && fill != fill_traces) {
    status = tk_segment_row_ints(reader, segment, TK_COL_DEPTH, granule, &inputs.depths, error);
  }
  if (status == TK_OK && fill == fill_starts) {
    status = tk_segment_row_ints(reader, segment, TK_COL_START, granule, &inputs.values, error);
  }
  if (status == TK_OK && fill == fill_starts && segment->start_model == TK_START_PREVIOUS_SIBLING) {
    status =
        tk_segment_row_ints(reader, segment, TK_COL_DURATION, granule, &inputs.durations, error);
  }
  if (status != TK_OK) return status;

  if ((status = allocate_scratch(&inputs, fill, largest_granule(segment, granule), error)) ==
      TK_OK) {
    status = tk_lazy_array_fill(segment->state, array, segment->summary.span_count, item_size,
                                granule, fill, &inputs, error);
  }
  sqlite3_free(inputs.rows_by_depth);
  sqlite3_free(inputs.times_by_depth);
  return tk_segment_blame(segment, TK_NO_COLUMN, status, error);
}

enum tk_status tk_reader_starts(struct tk_reader *reader, const struct tk_segment *segment,
                                uint32_t granule, const int64_t **starts_out,
                                struct tk_error *error) {
  struct tk_lazy_array *array = &segment->state->starts;
  enum tk_status status = check_granule(segment, granule, error);
  if (status == TK_OK && !tk_lazy_array_ready(array, granule)) {
    status = derive(reader, segment, granule, array, sizeof(int64_t), fill_starts, error);
  }
  if (status == TK_OK) *starts_out = array->data;
  return status;
}

enum tk_status tk_reader_parents(struct tk_reader *reader, const struct tk_segment *segment,
                                 uint32_t granule, const uint32_t **parents_out,
                                 struct tk_error *error) {
  struct tk_lazy_array *array = &segment->state->parents;
  enum tk_status status = check_granule(segment, granule, error);
  if (status == TK_OK && !tk_lazy_array_ready(array, granule)) {
    status = derive(reader, segment, granule, array, sizeof(uint32_t), fill_parents, error);
  }
  if (status == TK_OK) *parents_out = array->data;
  return status;
}

enum tk_status tk_reader_traces(struct tk_reader *reader, const struct tk_segment *segment,
                                uint32_t granule, const uint32_t **traces_out,
                                struct tk_error *error) {
  struct tk_lazy_array *array = &segment->state->traces;
  enum tk_status status = check_granule(segment, granule, error);
  if (status == TK_OK && !tk_lazy_array_ready(array, granule)) {
    status = derive(reader, segment, granule, array, sizeof(uint32_t), fill_traces, error);
  }
  if (status == TK_OK) *traces_out = array->data;
  return status;
}

/* ---- arrays over the whole segment ---- */

static enum tk_status sum_trace_rows(const struct tk_segment *segment, struct tk_ints counts,
                                     uint32_t *trace_rows, struct tk_error *error) {
  for (uint32_t g = 0; g < segment->rows.count; g++) {
    struct trace_walk walk = start_walk(segment, counts, g);
    while (next_trace(&walk)) trace_rows[walk.trace] = walk.begin;
    enum tk_status status = finish_walk(&walk, error);
    if (status != TK_OK) return status;
  }
  trace_rows[segment->summary.trace_count] = segment->summary.span_count;
  return TK_OK;
}

static enum tk_status know_trace_rows(const struct tk_segment *segment, struct tk_ints counts,
                                      struct tk_error *error) {
  struct tk_segment_state *state = segment->state;
  if (!state->trace_rows) {
    state->trace_rows = tk_segment_allocate(state, (size_t)segment->summary.trace_count + 1,
                                            sizeof *state->trace_rows);
  }
  if (!state->trace_rows) return tk_nomem(error);
  enum tk_status status = sum_trace_rows(segment, counts, state->trace_rows, error);
  if (status == TK_OK) {
    atomic_store_explicit(&state->trace_rows_known, true, memory_order_release);
  }
  return status;
}

enum tk_status tk_reader_trace_rows(struct tk_reader *reader, const struct tk_segment *segment,
                                    const uint32_t **trace_rows_out, struct tk_error *error) {
  struct tk_segment_state *state = segment->state;
  if (!atomic_load_explicit(&state->trace_rows_known, memory_order_acquire)) {
    struct tk_ints counts;
    enum tk_status status =
        tk_segment_row_ints(reader, segment, TK_COL_TRACE_ROWS, TK_ALL, &counts, error);
    if (status != TK_OK) return status;
    pthread_mutex_lock(&state->mutex);
    if (!atomic_load(&state->trace_rows_known)) {
      status = know_trace_rows(segment, counts, error);
    }
    pthread_mutex_unlock(&state->mutex);
    if (status != TK_OK) return tk_segment_blame(segment, TK_NO_COLUMN, status, error);
  }
  *trace_rows_out = state->trace_rows;
  return TK_OK;
}

static uint32_t item_total(const struct tk_segment *segment, enum tk_attribute_scope scope) {
  return scope == TK_SCOPE_EVENT ? segment->summary.event_count : segment->summary.link_count;
}

/* `counts` are each at most the total, and rows are less than 2^32, so that the sum fits. */
static enum tk_status sum_items(const struct tk_segment *segment, struct tk_ints counts,
                                uint32_t total, uint32_t *first, struct tk_error *error) {
  uint64_t sum = 0;
  for (uint32_t row = 0; row < segment->summary.span_count; row++) {
    first[row] = (uint32_t)sum;
    sum += value_of(counts, row);
  }
  first[segment->summary.span_count] = (uint32_t)sum;
  if (sum == total) return TK_OK;
  return tk_corrupt(error, "rows have %llu events or links, the directory says %u",
                    (unsigned long long)sum, total);
}

static enum tk_status know_items(const struct tk_segment *segment, struct tk_ints counts,
                                 uint32_t total, struct tk_first_items *items,
                                 struct tk_error *error) {
  if (!items->first) {
    items->first = tk_segment_allocate(segment->state, (size_t)segment->summary.span_count + 1,
                                       sizeof *items->first);
  }
  if (!items->first) return tk_nomem(error);
  enum tk_status status = sum_items(segment, counts, total, items->first, error);
  if (status == TK_OK) atomic_store_explicit(&items->known, true, memory_order_release);
  return status;
}

enum tk_status tk_reader_first_items(struct tk_reader *reader, const struct tk_segment *segment,
                                     enum tk_attribute_scope scope, const uint32_t **first_out,
                                     struct tk_error *error) {
  struct tk_segment_state *state = segment->state;
  *first_out = NULL;
  if (scope != TK_SCOPE_EVENT && scope != TK_SCOPE_LINK) {
    return tk_fail(error, TK_INVALID, "rows have events and links only");
  }
  const uint32_t total = item_total(segment, scope);
  if (total == 0) return TK_OK;
  struct tk_first_items *items = &state->first_items[scope - TK_SCOPE_EVENT];
  if (!atomic_load_explicit(&items->known, memory_order_acquire)) {
    struct tk_ints counts;
    enum tk_status status = tk_segment_row_ints(
        reader, segment, scope == TK_SCOPE_EVENT ? TK_COL_EVENT_COUNT : TK_COL_LINK_COUNT, TK_ALL,
        &counts, error);
    if (status != TK_OK) return tk_segment_blame(segment, TK_NO_COLUMN, status, error);
    pthread_mutex_lock(&state->mutex);
    if (!atomic_load(&items->known)) status = know_items(segment, counts, total, items, error);
    pthread_mutex_unlock(&state->mutex);
    if (status != TK_OK) return tk_segment_blame(segment, TK_NO_COLUMN, status, error);
  }
  *first_out = items->first;
  return TK_OK;
}

/* Any column that has one value an event knows where the granules begin. */
static const uint32_t *find_item_positions(const struct tk_segment *segment,
                                           enum tk_attribute_scope scope) {
  const int first = scope == TK_SCOPE_EVENT ? TK_COL_EVENT_TIME : TK_COL_LINK_TRACE_ID;
  const int last =
      scope == TK_SCOPE_EVENT ? TK_COL_EVENT_DROPPED_ATTRIBUTES : TK_COL_LINK_DROPPED_ATTRIBUTES;
  for (int number = first; number <= last; number++) {
    const uint32_t index = segment->fixed[number];
    if (index != TK_NO_COLUMN && segment->columns[index].granule_first_value) {
      return segment->columns[index].granule_first_value;
    }
  }
  return NULL;
}

enum tk_status tk_segment_first_item_of_granule(struct tk_reader *reader,
                                                const struct tk_segment *segment,
                                                enum tk_attribute_scope scope, uint32_t granule,
                                                uint32_t *item_out, struct tk_error *error) {
  *item_out = granule == 0 ? 0 : item_total(segment, scope);
  if (granule == 0 || granule >= segment->rows.count) return TK_OK;
  const uint32_t *positions = find_item_positions(segment, scope);
  if (positions) {
    *item_out = positions[granule];
    return TK_OK;
  }
  const uint32_t *first;
  enum tk_status status = tk_reader_first_items(reader, segment, scope, &first, error);
  if (status == TK_OK && first) *item_out = first[segment->rows.ends[granule - 1]];
  return status;
}

/* ---- sparse columns ---- */

enum tk_status tk_segment_find_sparse(struct tk_reader *reader, const struct tk_segment *segment,
                                      enum tk_column_number row_column, uint32_t item,
                                      uint32_t *entry_out, struct tk_error *error) {
  const uint32_t index = segment->fixed[row_column];
  *entry_out = TK_NO_ENTRY;
  if (index == TK_NO_COLUMN) return TK_OK;
  enum tk_status status = tk_segment_open_column(reader, segment, index, error);
  if (status != TK_OK) return status;
  const struct tk_column *column = &segment->state->slots[index].column;
  uint32_t low = 0;
  uint32_t high = column->value_count;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    status = tk_segment_decode(segment, index, middle / TK_VALUES_PER_GRANULE, error);
    if (status != TK_OK) return status;
    if (tk_ints_at(column->ints, middle) < item) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == column->value_count) return TK_OK;
  status = tk_segment_decode(segment, index, low / TK_VALUES_PER_GRANULE, error);
  if (status == TK_OK && tk_ints_at(column->ints, low) == item) *entry_out = low;
  return status;
}

enum tk_status tk_reader_external_parent(struct tk_reader *reader, const struct tk_segment *segment,
                                         uint32_t row, const uint8_t **id_out,
                                         struct tk_error *error) {
  uint32_t entry;
  const struct tk_column *ids = NULL;
  *id_out = NULL;
  enum tk_status status =
      tk_segment_find_sparse(reader, segment, TK_COL_PARENT_ROW, row, &entry, error);
  if (status != TK_OK || entry == TK_NO_ENTRY) return status;
  status = tk_reader_column(reader, segment, segment->fixed[TK_COL_PARENT_ID], &ids, error);
  if (status == TK_OK) *id_out = ids->fixed + (size_t)entry * 8;
  return status;
}
