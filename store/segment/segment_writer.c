/* SPDX-License-Identifier: MIT
 * Prepare plans granules and gathers every column of the segment as a plain array
 * (segment_columns.c); run encodes one array; finish describes them in the directory.
 * docs/segment-format.md is normative. */
#include "store/segment/segment_writer.h"

#include <stdlib.h>
#include <string.h>

#include "store/codec/value_codec.h"
#include "store/segment/membership.h"
#include "store/segment/segment_columns.h"
#include "tracekeep/hash.h"

enum {
  FILTER_MIN_DISTINCT = 256 /* below, loading the dictionary costs about what a filter would */
};

/* ---- granules and the zone map ---- */

static void plan_granules(struct tk_segment_writer *writer) {
  const struct tk_span_order *order = &writer->order;
  struct tk_directory *directory = &writer->directory;
  const uint32_t most = order->span_count / TK_ROWS_PER_GRANULE + 1;
  uint32_t *ends = tk_segment_writer_allocate(writer, most, sizeof *ends);
  uint32_t *first_trace = tk_segment_writer_allocate(writer, most + 1, sizeof *first_trace);
  uint64_t *start_min = tk_segment_writer_allocate(writer, most, sizeof *start_min);
  uint64_t *start_max = tk_segment_writer_allocate(writer, most, sizeof *start_max);
  if (writer->state->failed) return;

  uint32_t count = 0, begin = 0;
  first_trace[0] = 0;
  for (uint32_t t = 0; t < order->trace_count; t++) {
    const uint32_t end = order->trace_rows[t + 1];
    if (end - begin < TK_ROWS_PER_GRANULE && t + 1 < order->trace_count) continue;
    uint64_t low = UINT64_MAX, high = 0;
    for (uint32_t row = begin; row < end; row++) {
      const uint64_t start = order->rows[row]->start_unix_ns;
      if (start < low) low = start;
      if (start > high) high = start;
    }
    ends[count] = end;
    start_min[count] = low;
    start_max[count] = high;
    first_trace[++count] = t + 1;
    begin = end;
  }
  directory->rows = (struct tk_granules){ends, count};
  directory->granule_first_trace = first_trace;
  directory->granule_start_min = start_min;
  directory->granule_start_max = start_max;
  writer->state->traces = (struct tk_granules){first_trace + 1, count};
}

/* About what the attributes take in OTLP JSON; only used to show what compression saved. */
static uint64_t estimate_json(const struct tk_attributes *attributes) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < attributes->count; i++) {
    bytes += 38 + attributes->items[i].key.size;
    bytes +=
        attributes->items[i].value.type == TK_VALUE_STRING ? attributes->items[i].value.size : 8;
  }
  return bytes;
}

static uint64_t estimate_span_json(const struct tk_span *span) {
  uint64_t bytes = 230 + span->name.size + span->trace_state.size + span->status_message.size +
                   estimate_json(&span->attributes);
  for (uint32_t i = 0; i < span->event_count; i++) {
    bytes += 70 + span->events[i].name.size + estimate_json(&span->events[i].attributes);
  }
  for (uint32_t i = 0; i < span->link_count; i++) {
    bytes += 90 + estimate_json(&span->links[i].attributes);
  }
  return bytes + estimate_json(&span->resource->attributes) / 16;
}

static void summarize(struct tk_segment_writer *writer) {
  const struct tk_span_order *order = &writer->order;
  struct tk_segment_summary summary = {.span_count = order->span_count,
                                       .trace_count = order->trace_count,
                                       .start_min = UINT64_MAX,
                                       .duration_min = INT64_MAX,
                                       .duration_max = INT64_MIN};
  for (uint32_t row = 0; row < order->span_count; row++) {
    const struct tk_span *span = order->rows[row];
    const int64_t duration = (int64_t)(span->end_unix_ns - span->start_unix_ns);
    summary.event_count += span->event_count;
    summary.link_count += span->link_count;
    summary.error_count += span->status_code == TK_STATUS_ERROR;
    if (span->start_unix_ns < summary.start_min) summary.start_min = span->start_unix_ns;
    if (span->start_unix_ns > summary.start_max) summary.start_max = span->start_unix_ns;
    if (span->end_unix_ns > summary.end_max) summary.end_max = span->end_unix_ns;
    if (duration < summary.duration_min) summary.duration_min = duration;
    if (duration > summary.duration_max) summary.duration_max = duration;
    summary.raw_bytes += estimate_span_json(span);
  }
  writer->directory.summary = summary;
}
/* ---- prepare ---- */

static bool items_are_storable(const struct tk_span *span) {
  bool ok = true;
  for (uint32_t i = 0; i < span->event_count && ok; i++) {
    ok = tk_attributes_are_storable(&span->events[i].attributes) &&
         tk_residual_is_storable(&span->events[i].residual);
  }
  for (uint32_t i = 0; i < span->link_count && ok; i++) {
    ok = tk_attributes_are_storable(&span->links[i].attributes) &&
         tk_residual_is_storable(&span->links[i].residual);
  }
  return ok;
}

/* Readers give nothing else; another caller is told what is wrong, rather than "out of memory". */
static enum tk_status check_spans(const struct tk_span *const *spans, uint32_t span_count,
                                  struct tk_error *error) {
  const struct tk_resource *resource = NULL; /* checked */
  const struct tk_scope *scope = NULL;
  bool ok = true;
  for (uint32_t i = 0; i < span_count && ok; i++) {
    const struct tk_span *span = spans[i];
    ok = tk_attributes_are_storable(&span->attributes) &&
         tk_residual_is_storable(&span->residual) && items_are_storable(span);
    if (ok && span->resource != resource) {
      resource = span->resource;
      ok = tk_attributes_are_storable(&resource->attributes) &&
           tk_residual_is_storable(&resource->residual) &&
           tk_residual_is_storable(&resource->outer_residual);
    }
    if (ok && span->scope != scope) {
      scope = span->scope;
      ok = tk_attributes_are_storable(&scope->attributes) &&
           tk_residual_is_storable(&scope->residual) &&
           tk_residual_is_storable(&scope->outer_residual);
    }
  }
  if (ok) return TK_OK;
  return tk_fail(
      error, TK_INVALID,
      "a span cannot be stored: expected values of known types that nest at most %d deep",
      TK_VALUE_DEPTH_MAX);
}

enum tk_status tk_segment_writer_prepare(struct tk_segment_writer *writer,
                                         const struct tk_span *const *spans, uint32_t span_count,
                                         struct tk_error *error) {
  enum tk_status status;
  *writer = (struct tk_segment_writer){0};
  if (span_count == 0 || span_count > TK_SPANS_PER_SEGMENT_MAX) {
    return tk_fail(error, TK_INVALID, "a segment holds 1 to %d spans, not %u",
                   TK_SPANS_PER_SEGMENT_MAX, span_count);
  }
  status = check_spans(spans, span_count, error);
  if (status != TK_OK) return status;
  writer->state = sqlite3_malloc64(sizeof *writer->state);
  if (!writer->state) return tk_nomem(error);
  memset(writer->state, 0, sizeof *writer->state);

  status = tk_span_order_init(&writer->order, spans, span_count, error);
  if (status != TK_OK) goto failed;
  summarize(writer);
  plan_granules(writer);
  if (!writer->state->failed) tk_segment_columns_gather(writer);
  if (!writer->state->failed) {
    const uint64_t size = writer->task_count * sizeof *writer->chunks;
    writer->chunks = sqlite3_malloc64(size + 1);
    if (writer->chunks) {
      memset(writer->chunks, 0, size);
      return TK_OK;
    }
  }
  status = tk_nomem(error);

failed:
  tk_segment_writer_reset(writer);
  return status;
}

/* ---- run ---- */

/* Hashes of the distinct values: an open-addressing set, whose own slots are then the list. */
static void encode_filter(struct tk_byte_writer *out, const struct tk_column_task *task) {
  const uint32_t count = task->column.value_count;
  uint32_t slot_count = 16, used = 0;
  while (slot_count < count * 2) slot_count *= 2;
  uint64_t *slots = sqlite3_malloc64((uint64_t)slot_count * sizeof *slots);
  if (!slots) {
    out->failed = true;
    return;
  }
  memset(slots, 0, slot_count * sizeof *slots);
  for (uint32_t i = 0; i < count; i++) {
    uint64_t hash = task->fixed ? tk_hash64(task->fixed + (size_t)i * 16, 16)
                                : tk_hash64(task->texts[i].data, task->texts[i].size);
    uint64_t slot = hash;
    while (slots[slot & (slot_count - 1)] && slots[slot & (slot_count - 1)] != hash) slot++;
    slots[slot & (slot_count - 1)] = hash;
  }
  bool has_zero = false; /* a hash of 0 looks like a free slot: added by hand if any value has it */
  for (uint32_t i = 0; i < slot_count; i++) {
    if (slots[i]) slots[used++] = slots[i];
  }
  for (uint32_t i = 0; i < count && !has_zero; i++) {
    has_zero = !task->fixed && task->texts[i].size == 0;
  }
  if (has_zero || used == 0) slots[used++] = tk_hash64("", 0);
  tk_membership_encode(out, slots, used);
  sqlite3_free(slots);
}

static bool uniform_granules(struct tk_granules *granules, uint32_t count) {
  const uint32_t granule_count =
      count / TK_VALUES_PER_GRANULE + (count % TK_VALUES_PER_GRANULE != 0);
  uint32_t *ends = sqlite3_malloc64((uint64_t)granule_count * sizeof *ends + 1);
  if (!ends) return false;
  for (uint32_t g = 0; g < granule_count; g++) {
    ends[g] = g + 1 == granule_count ? count : (g + 1) * TK_VALUES_PER_GRANULE;
  }
  *granules = (struct tk_granules){ends, granule_count};
  return true;
}

static void encode_chunk(struct tk_byte_writer *out, struct tk_column_task *task,
                         const struct tk_granules *granules) {
  struct tk_segment_column *column = &task->column;
  struct tk_column_summary summary = {0};
  switch ((enum tk_column_kind)column->kind) {
    case TK_COLUMN_INT:
      tk_column_encode_ints(out, task->ints, column->value_count, granules, &summary);
      break;
    case TK_COLUMN_TEXT:
      tk_column_encode_texts(out, task->texts, column->value_count, granules, &summary);
      break;
    case TK_COLUMN_FIXED:
      tk_column_encode_fixed(
          out, task->fixed,
          column->number == TK_COL_TRACE_ID || column->number == TK_COL_LINK_TRACE_ID ? 16 : 8,
          column->value_count);
      break;
  }
  column->int_min = summary.int_min;
  column->int_max = summary.int_max;
  column->distinct_count = summary.distinct_count;
}

void tk_segment_writer_run(struct tk_segment_writer *writer, uint32_t task_index) {
  struct tk_column_task *task = &writer->state->tasks[task_index];
  struct tk_encoded_chunk *encoded = &writer->chunks[task_index];
  struct tk_granules own = {0};
  const struct tk_granules *granules = &own;

  encoded->number = task->column.number;
  if (task->granulation == TK_BY_ROWS) {
    granules = &writer->directory.rows;
  } else if (task->granulation == TK_BY_TRACES) {
    granules = &writer->state->traces;
  } else if (!uniform_granules(&own, task->column.value_count)) {
    encoded->chunk.failed = true;
    return;
  }
  encode_chunk(&encoded->chunk, task, granules);
  sqlite3_free((void *)(uintptr_t)own.ends);
  if (task->wants_filter && (task->fixed || task->column.distinct_count >= FILTER_MIN_DISTINCT)) {
    encode_filter(&encoded->filter, task);
    task->column.has_filter = true;
  }
  task->column.chunk_size = (uint32_t)encoded->chunk.size;
  task->column.chunk_hash = tk_hash64(encoded->chunk.data, encoded->chunk.size);
}

/* ---- finish ---- */

static int compare_numbers(const void *left, const void *right) {
  return ((const struct tk_segment_column *)left)->number -
         ((const struct tk_segment_column *)right)->number;
}

static bool collect_columns(struct tk_segment_writer *writer) {
  struct tk_segment_writer_state *state = writer->state;
  const uint32_t count = writer->task_count + state->chunkless_count;
  struct tk_segment_column *columns = tk_arena_alloc(&writer->arena, count * sizeof *columns);
  if (!columns) return false;
  for (uint32_t i = 0; i < writer->task_count; i++) columns[i] = state->tasks[i].column;
  if (state->chunkless_count) {
    memcpy(columns + writer->task_count, state->chunkless,
           state->chunkless_count * sizeof *columns);
  }
  qsort(columns, count, sizeof *columns, compare_numbers);
  writer->directory.columns = columns;
  writer->directory.column_count = count;
  return true;
}

/* Keysets as the directory has them: lists of directory indexes. Attribute columns are numbered
 * without gaps, so the index of a shredder's column is its number less the first attribute's. */
static bool collect_keysets(struct tk_segment_writer *writer) {
  uint32_t first_attribute = 0;
  while (first_attribute < writer->directory.column_count &&
         writer->directory.columns[first_attribute].number < TK_COL_FIRST_ATTRIBUTE) {
    first_attribute++;
  }
  for (int s = 0; s < 3; s++) {
    const struct tk_shredder *shredder = &writer->state->shredders[s];
    struct tk_keyset *keysets =
        tk_arena_alloc(&writer->arena, shredder->keyset_count * sizeof *keysets);
    if (!keysets) return false;
    for (uint32_t k = 0; k < shredder->keyset_count; k++) {
      const struct tk_shredded_keyset *from = &shredder->keysets[k];
      uint16_t *columns = tk_arena_alloc(&writer->arena, from->count * sizeof *columns);
      if (!columns) return false;
      for (uint32_t i = 0; i < from->count; i++) {
        columns[i] = (uint16_t)(first_attribute + from->columns[i]);
      }
      keysets[k] = (struct tk_keyset){columns, from->count};
    }
    writer->directory.keysets[s] = (struct tk_keysets){keysets, shredder->keyset_count};
    first_attribute += shredder->column_count;
  }
  return true;
}

enum tk_status tk_segment_writer_finish(struct tk_segment_writer *writer, struct tk_error *error) {
  uint64_t stored = 0;
  for (uint32_t i = 0; i < writer->task_count; i++) {
    const struct tk_encoded_chunk *encoded = &writer->chunks[i];
    if (encoded->chunk.failed || encoded->filter.failed) return tk_nomem(error);
    stored += encoded->chunk.size + encoded->filter.size;
  }
  if (!collect_columns(writer) || !collect_keysets(writer)) return tk_nomem(error);
  tk_directory_encode(&writer->directory_bytes, &writer->directory);
  if (writer->directory_bytes.failed) return tk_nomem(error);
  writer->directory.summary.stored_bytes = stored + writer->directory_bytes.size;
  return TK_OK;
}

void tk_segment_writer_reset(struct tk_segment_writer *writer) {
  for (uint32_t i = 0; writer->chunks && i < writer->task_count; i++) {
    tk_byte_writer_reset(&writer->chunks[i].chunk);
    tk_byte_writer_reset(&writer->chunks[i].filter);
  }
  sqlite3_free(writer->chunks);
  if (writer->state) {
    for (int s = 0; s < 3; s++) tk_shredder_reset(&writer->state->shredders[s]);
    tk_interner_reset(&writer->state->resources);
    tk_interner_reset(&writer->state->scopes);
    sqlite3_free(writer->state);
  }
  sqlite3_free(writer->resources);
  sqlite3_free(writer->scopes);
  tk_byte_writer_reset(&writer->directory_bytes);
  tk_span_order_reset(&writer->order);
  tk_arena_reset(&writer->arena);
  *writer = (struct tk_segment_writer){0};
}
