/* SPDX-License-Identifier: MIT
 * Spans taken apart: one function gathers each group of columns into plain arrays. A column in
 * which every value is the default is not stored. Column meanings: segment_format.h. */
#include "store/segment/segment_columns.h"

#include <string.h>

#include "store/codec/value_codec.h"
#include "store/segment/start_model.h"

enum { MAX_FIXED_COLUMNS = 64 };

/* ---- small helpers ---- */

void *tk_segment_writer_allocate(struct tk_segment_writer *writer, uint64_t count, size_t size) {
  void *memory = tk_arena_alloc(&writer->arena, count * size);
  if (!memory) writer->state->failed = true;
  return memory;
}

static struct tk_column_task *add_task(struct tk_segment_writer *writer, uint16_t number,
                                       enum tk_column_kind kind, uint32_t count,
                                       enum tk_granulation granulation) {
  struct tk_segment_writer_state *state = writer->state;
  if (writer->task_count == state->task_capacity) {
    state->failed = true; /* cannot happen: capacity counts every possible column */
    return NULL;
  }
  struct tk_column_task *task = &state->tasks[writer->task_count++];
  *task = (struct tk_column_task){
      .granulation = granulation,
      .column = {.number = number, .kind = (uint8_t)kind, .value_count = count}};
  return task;
}

static void add_ints(struct tk_segment_writer *writer, uint16_t number, const int64_t *values,
                     uint32_t count, enum tk_granulation granulation) {
  bool any = false;
  for (uint32_t i = 0; i < count && !any; i++) any = values[i] != 0;
  if (!any) return;
  struct tk_column_task *task = add_task(writer, number, TK_COLUMN_INT, count, granulation);
  if (task) task->ints = values;
}

static void add_texts(struct tk_segment_writer *writer, uint16_t number,
                      const struct tk_text *values, uint32_t count,
                      enum tk_granulation granulation) {
  bool any = false;
  for (uint32_t i = 0; i < count && !any; i++) any = values[i].size != 0;
  if (!any) return;
  struct tk_column_task *task = add_task(writer, number, TK_COLUMN_TEXT, count, granulation);
  if (task) task->texts = values;
}

static void add_fixed(struct tk_segment_writer *writer, uint16_t number, const uint8_t *values,
                      uint32_t count, enum tk_granulation granulation) {
  if (count == 0) return;
  struct tk_column_task *task = add_task(writer, number, TK_COLUMN_FIXED, count, granulation);
  if (task) task->fixed = values;
}

/* A sparse pair: where, and what. Unlike others it is stored even if all rows are 0 (one entry, for
 * the first row). */
static void add_sparse_rows(struct tk_segment_writer *writer, uint16_t number, const int64_t *rows,
                            uint32_t count) {
  if (count == 0) return;
  struct tk_column_task *task = add_task(writer, number, TK_COLUMN_INT, count, TK_UNIFORM);
  if (task) task->ints = rows;
}

static void add_sparse_texts(struct tk_segment_writer *writer, uint16_t row_number,
                             const int64_t *rows, const struct tk_text *texts, uint32_t count) {
  add_sparse_rows(writer, row_number, rows, count);
  if (count == 0) return;
  struct tk_column_task *task =
      add_task(writer, (uint16_t)(row_number + 1), TK_COLUMN_TEXT, count, TK_UNIFORM);
  if (task) task->texts = texts;
}
/* ---- per-trace and per-span columns ---- */

static void gather_traces(struct tk_segment_writer *writer) {
  const struct tk_span_order *order = &writer->order;
  const uint32_t count = order->trace_count;
  uint8_t *ids = tk_segment_writer_allocate(writer, count, 16);
  int64_t *rows = tk_segment_writer_allocate(writer, count, sizeof *rows);
  int64_t *text_rows = tk_segment_writer_allocate(writer, count, sizeof *text_rows);
  struct tk_text *texts = tk_segment_writer_allocate(writer, count, sizeof *texts);
  uint32_t text_count = 0;
  if (writer->state->failed) return;
  for (uint32_t t = 0; t < count; t++) {
    const struct tk_span *first = order->rows[order->trace_rows[t]];
    memcpy(ids + (size_t)t * 16, first->trace_id, 16);
    rows[t] = order->trace_rows[t + 1] - order->trace_rows[t];
    if (first->presence & TK_SPAN_TEXT_TRACE_ID) {
      text_rows[text_count] = t;
      texts[text_count++] = first->trace_id_text;
    }
  }
  add_fixed(writer, TK_COL_TRACE_ID, ids, count, TK_BY_TRACES);
  writer->state->tasks[writer->task_count - 1].wants_filter = true;
  add_ints(writer, TK_COL_TRACE_ROWS, rows, count, TK_BY_TRACES);
  add_sparse_texts(writer, TK_COL_TRACE_TEXT_ROW, text_rows, texts, text_count);
}

static int64_t span_kind(const struct tk_span *span) {
  return span->kind;
}
static int64_t span_status(const struct tk_span *span) {
  return span->status_code;
}
static int64_t span_flags(const struct tk_span *span) {
  return span->flags;
}
static int64_t span_presence(const struct tk_span *span) {
  return span->presence & ~(uint32_t)TK_SPAN_HAS_PARENT;
}
static int64_t span_duration(const struct tk_span *span) {
  return (int64_t)(span->end_unix_ns - span->start_unix_ns);
}
static int64_t span_dropped_events(const struct tk_span *span) {
  return span->dropped_events_count;
}
static int64_t span_dropped_links(const struct tk_span *span) {
  return span->dropped_links_count;
}
static int64_t span_events(const struct tk_span *span) {
  return span->event_count;
}
static int64_t span_links(const struct tk_span *span) {
  return span->link_count;
}
static struct tk_text span_name(const struct tk_span *span) {
  return span->name;
}
static struct tk_text span_status_message(const struct tk_span *span) {
  return span->status_message;
}
static struct tk_text span_trace_state(const struct tk_span *span) {
  return span->trace_state;
}

static void gather_span_fields(struct tk_segment_writer *writer) {
  static const struct {
    enum tk_column_number number;
    int64_t (*get)(const struct tk_span *span);
  } int_fields[] = {
      {TK_COL_DURATION, span_duration},
      {TK_COL_KIND, span_kind},
      {TK_COL_STATUS_CODE, span_status},
      {TK_COL_FLAGS, span_flags},
      {TK_COL_PRESENCE, span_presence},
      {TK_COL_DROPPED_EVENTS, span_dropped_events},
      {TK_COL_DROPPED_LINKS, span_dropped_links},
      {TK_COL_EVENT_COUNT, span_events},
      {TK_COL_LINK_COUNT, span_links},
  };
  static const struct {
    enum tk_column_number number;
    struct tk_text (*get)(const struct tk_span *span);
  } text_fields[] = {{TK_COL_NAME, span_name},
                     {TK_COL_STATUS_MESSAGE, span_status_message},
                     {TK_COL_TRACE_STATE, span_trace_state}};
  const struct tk_span_order *order = &writer->order;
  const uint32_t count = order->span_count;

  for (size_t f = 0; f < sizeof int_fields / sizeof int_fields[0]; f++) {
    int64_t *values = tk_segment_writer_allocate(writer, count, sizeof *values);
    if (!values) return;
    for (uint32_t row = 0; row < count; row++) values[row] = int_fields[f].get(order->rows[row]);
    add_ints(writer, (uint16_t)int_fields[f].number, values, count, TK_BY_ROWS);
  }
  for (size_t f = 0; f < sizeof text_fields / sizeof text_fields[0]; f++) {
    struct tk_text *values = tk_segment_writer_allocate(writer, count, sizeof *values);
    if (!values) return;
    for (uint32_t row = 0; row < count; row++) values[row] = text_fields[f].get(order->rows[row]);
    add_texts(writer, (uint16_t)text_fields[f].number, values, count, TK_BY_ROWS);
  }
}

static void gather_tree(struct tk_segment_writer *writer) {
  const struct tk_span_order *order = &writer->order;
  const uint32_t count = order->span_count;
  uint8_t *span_ids = tk_segment_writer_allocate(writer, count, 8);
  int64_t *depths = tk_segment_writer_allocate(writer, count, sizeof *depths);
  int64_t *starts = tk_segment_writer_allocate(writer, count, sizeof *starts);
  if (writer->state->failed) return;
  for (uint32_t row = 0; row < count; row++) {
    memcpy(span_ids + (size_t)row * 8, order->rows[row]->span_id, 8);
    depths[row] = order->depths[row];
  }
  add_fixed(writer, TK_COL_SPAN_ID, span_ids, count, TK_BY_ROWS);
  add_ints(writer, TK_COL_DEPTH, depths, count, TK_BY_ROWS);
  writer->directory.start_model =
      tk_start_model_choose(order, &writer->directory.rows, writer->directory.granule_start_min,
                            starts, tk_segment_writer_allocate(writer, count, sizeof(int64_t)),
                            tk_segment_writer_allocate(writer, count, sizeof(uint32_t)));
  add_ints(writer, TK_COL_START, starts, count, TK_BY_ROWS);
}

/* Roots here that name a parent all the same: it is in another segment, or nowhere. */
static void gather_external_parents(struct tk_segment_writer *writer) {
  const struct tk_span_order *order = &writer->order;
  uint32_t count = 0;
  for (uint32_t row = 0; row < order->span_count; row++) {
    count += order->depths[row] == 0 && (order->rows[row]->presence & TK_SPAN_HAS_PARENT);
  }
  int64_t *rows = tk_segment_writer_allocate(writer, count, sizeof *rows);
  uint8_t *ids = tk_segment_writer_allocate(writer, count, 8);
  if (writer->state->failed) return;
  uint32_t at = 0;
  for (uint32_t row = 0; row < order->span_count; row++) {
    if (order->depths[row] > 0 || !(order->rows[row]->presence & TK_SPAN_HAS_PARENT)) continue;
    rows[at] = row;
    memcpy(ids + (size_t)at * 8, order->rows[row]->parent_span_id, 8);
    at++;
  }
  add_sparse_rows(writer, TK_COL_PARENT_ROW, rows, count);
  add_fixed(writer, TK_COL_PARENT_ID, ids, count, TK_UNIFORM);
}

/* ---- resources and scopes ---- */

/* Spans of a batch share pointers, so pointers seen lately answer nearly all look-ups. */
enum { CACHE_LINES = 4096 };
struct code_cache {
  const void *pointers[CACHE_LINES];
  uint32_t codes[CACHE_LINES];
};

static size_t cache_line(const void *pointer) {
  const uintptr_t address = (uintptr_t)pointer;
  return (address >> 4 ^ address >> 16) % CACHE_LINES;
}

typedef void encode_entry(struct tk_byte_writer *out, const void *entry);
static void encode_resource(struct tk_byte_writer *out, const void *entry) {
  tk_resource_encode(out, entry);
}
static void encode_scope(struct tk_byte_writer *out, const void *entry) {
  tk_scope_encode(out, entry);
}

/* Number of the entry among those of the segment, by content. */
static uint32_t intern_entry(struct tk_segment_writer *writer, struct tk_interner *interner,
                             encode_entry *encode, const void *entry, bool *is_new) {
  struct tk_byte_writer bytes = {0};
  uint32_t code = TK_INTERNER_FAILED;
  encode(&bytes, entry);
  char *copy = bytes.failed ? NULL : tk_arena_alloc_bytes(&writer->arena, bytes.size);
  if (copy) {
    memcpy(copy, bytes.data, bytes.size);
    code = tk_interner_add(interner, (struct tk_text){copy, (uint32_t)bytes.size}, is_new);
  }
  tk_byte_writer_reset(&bytes);
  if (code == TK_INTERNER_FAILED) writer->state->failed = true;
  return code;
}

/* service.name, where it is a text that says something. */
static struct tk_text service_of(const struct tk_resource *resource) {
  static const char key[] = "service.name";
  for (uint32_t i = 0; i < resource->attributes.count; i++) {
    const struct tk_attribute *attribute = &resource->attributes.items[i];
    if (attribute->key.size != sizeof key - 1) continue;
    if (memcmp(attribute->key.data, key, sizeof key - 1) != 0) continue;
    if (attribute->value.type != TK_VALUE_STRING || attribute->value.size == 0) break;
    return (struct tk_text){attribute->value.as.text, attribute->value.size};
  }
  return (struct tk_text){0};
}

static bool reserve_entry(struct tk_encoded_entry **entries, uint32_t count) {
  if (count & (count - 1)) return true; /* grown at powers of two */
  const uint64_t capacity = count ? (uint64_t)count * 2 : 1;
  struct tk_encoded_entry *grown = sqlite3_realloc64(*entries, capacity * sizeof *grown);
  if (!grown) return false;
  *entries = grown;
  return true;
}

static uint32_t resource_code(struct tk_segment_writer *writer,
                              const struct tk_resource *resource) {
  bool is_new = false;
  const uint32_t code =
      intern_entry(writer, &writer->state->resources, encode_resource, resource, &is_new);
  if (!is_new) return code;
  if (!reserve_entry(&writer->resources, writer->resource_count)) {
    writer->state->failed = true;
    return code;
  }
  writer->resources[writer->resource_count++] = (struct tk_encoded_entry){
      writer->state->resources.items[code], service_of(resource), &resource->attributes};
  return code;
}

static uint32_t scope_code(struct tk_segment_writer *writer, const struct tk_scope *scope) {
  bool is_new = false;
  const uint32_t code = intern_entry(writer, &writer->state->scopes, encode_scope, scope, &is_new);
  if (!is_new) return code;
  if (!reserve_entry(&writer->scopes, writer->scope_count)) {
    writer->state->failed = true;
    return code;
  }
  writer->scopes[writer->scope_count++] =
      (struct tk_encoded_entry){writer->state->scopes.items[code], scope->name, &scope->attributes};
  return code;
}

static void gather_owners(struct tk_segment_writer *writer) {
  const uint32_t count = writer->order.span_count;
  int64_t *resources = tk_segment_writer_allocate(writer, count, sizeof *resources);
  int64_t *scopes = tk_segment_writer_allocate(writer, count, sizeof *scopes);
  struct code_cache *resource_cache = tk_segment_writer_allocate(writer, 1, sizeof *resource_cache);
  struct code_cache *scope_cache = tk_segment_writer_allocate(writer, 1, sizeof *scope_cache);
  if (writer->state->failed) return;
  memset(resource_cache, 0, sizeof *resource_cache);
  memset(scope_cache, 0, sizeof *scope_cache);
  for (uint32_t row = 0; row < count && !writer->state->failed; row++) {
    const struct tk_span *span = writer->order.rows[row];
    const size_t r = cache_line(span->resource), s = cache_line(span->scope);
    if (resource_cache->pointers[r] != span->resource) {
      resource_cache->codes[r] = resource_code(writer, span->resource);
      resource_cache->pointers[r] = span->resource;
    }
    if (scope_cache->pointers[s] != span->scope) {
      scope_cache->codes[s] = scope_code(writer, span->scope);
      scope_cache->pointers[s] = span->scope;
    }
    resources[row] = resource_cache->codes[r];
    scopes[row] = scope_cache->codes[s];
  }
  if (writer->state->failed) return;
  writer->directory.resource_count = writer->resource_count;
  writer->directory.scope_count = writer->scope_count;
  add_ints(writer, TK_COL_RESOURCE, resources, count, TK_BY_ROWS);
  add_ints(writer, TK_COL_SCOPE, scopes, count, TK_BY_ROWS);
}

/* ---- residuals ---- */

struct residuals {
  int64_t *rows;
  struct tk_text *texts;
  uint32_t count;
};

static void init_residuals(struct tk_segment_writer *writer, struct residuals *residuals,
                           uint32_t capacity) {
  *residuals = (struct residuals){
      .rows = tk_segment_writer_allocate(writer, capacity, sizeof(int64_t)),
      .texts = tk_segment_writer_allocate(writer, capacity, sizeof(struct tk_text))};
}

static void add_residual(struct tk_segment_writer *writer, struct residuals *residuals,
                         uint32_t item, const struct tk_residual *residual) {
  if (residual->format == TK_RESIDUAL_NONE) return;
  char *copy = tk_arena_alloc_bytes(&writer->arena, (size_t)residual->size + 1);
  if (!copy) {
    writer->state->failed = true;
    return;
  }
  copy[0] = (char)residual->format;
  if (residual->size) memcpy(copy + 1, residual->data, residual->size);
  residuals->rows[residuals->count] = item;
  residuals->texts[residuals->count++] = (struct tk_text){copy, residual->size + 1};
}

static bool has_residual(const struct tk_span *span, int which) {
  switch (which) {
    case TK_SCOPE_EVENT:
      for (uint32_t i = 0; i < span->event_count; i++) {
        if (span->events[i].residual.format != TK_RESIDUAL_NONE) return true;
      }
      return false;
    case TK_SCOPE_LINK:
      for (uint32_t i = 0; i < span->link_count; i++) {
        if (span->links[i].residual.format != TK_RESIDUAL_NONE) return true;
      }
      return false;
    default:
      return span->residual.format != TK_RESIDUAL_NONE;
  }
}

/* How many residuals of a scope there can be, at most. */
static uint32_t count_residuals(const struct tk_span_order *order, int which) {
  uint32_t count = 0;
  for (uint32_t row = 0; row < order->span_count; row++) {
    const struct tk_span *span = order->rows[row];
    if (!has_residual(span, which)) continue;
    count += which == TK_SCOPE_EVENT  ? span->event_count
             : which == TK_SCOPE_LINK ? span->link_count
                                      : 1;
  }
  return count;
}

static void gather_residuals(struct tk_segment_writer *writer) {
  static const uint16_t numbers[3] = {TK_COL_RESIDUAL_ROW, TK_COL_EVENT_RESIDUAL_ROW,
                                      TK_COL_LINK_RESIDUAL_ROW};
  const struct tk_span_order *order = &writer->order;
  for (int which = TK_SCOPE_SPAN; which <= TK_SCOPE_LINK; which++) {
    const uint32_t capacity = count_residuals(order, which);
    struct residuals residuals;
    uint32_t item = 0;
    if (capacity == 0) continue;
    init_residuals(writer, &residuals, capacity);
    for (uint32_t row = 0; row < order->span_count && !writer->state->failed; row++) {
      const struct tk_span *span = order->rows[row];
      if (which == TK_SCOPE_SPAN) add_residual(writer, &residuals, item++, &span->residual);
      for (uint32_t i = 0; which == TK_SCOPE_EVENT && i < span->event_count; i++) {
        add_residual(writer, &residuals, item++, &span->events[i].residual);
      }
      for (uint32_t i = 0; which == TK_SCOPE_LINK && i < span->link_count; i++) {
        add_residual(writer, &residuals, item++, &span->links[i].residual);
      }
    }
    if (writer->state->failed) return;
    add_sparse_texts(writer, numbers[which], residuals.rows, residuals.texts, residuals.count);
  }
}

/* ---- events and links ---- */

static void gather_events(struct tk_segment_writer *writer) {
  const struct tk_span_order *order = &writer->order;
  const uint32_t count = writer->directory.summary.event_count;
  if (count == 0) return;
  int64_t *times = tk_segment_writer_allocate(writer, count, sizeof *times);
  struct tk_text *names = tk_segment_writer_allocate(writer, count, sizeof *names);
  if (writer->state->failed) return;
  uint32_t at = 0;
  for (uint32_t row = 0; row < order->span_count; row++) {
    const struct tk_span *span = order->rows[row];
    for (uint32_t i = 0; i < span->event_count; i++, at++) {
      times[at] = (int64_t)(span->events[i].time_unix_ns - span->start_unix_ns);
      names[at] = span->events[i].name;
    }
  }
  add_ints(writer, TK_COL_EVENT_TIME, times, count, TK_UNIFORM);
  add_texts(writer, TK_COL_EVENT_NAME, names, count, TK_UNIFORM);
}

static void gather_links(struct tk_segment_writer *writer) {
  const struct tk_span_order *order = &writer->order;
  const uint32_t count = writer->directory.summary.link_count;
  if (count == 0) return;
  uint8_t *trace_ids = tk_segment_writer_allocate(writer, count, 16);
  uint8_t *span_ids = tk_segment_writer_allocate(writer, count, 8);
  struct tk_text *trace_states = tk_segment_writer_allocate(writer, count, sizeof *trace_states);
  int64_t *flags = tk_segment_writer_allocate(writer, count, sizeof *flags);
  if (writer->state->failed) return;
  uint32_t at = 0;
  for (uint32_t row = 0; row < order->span_count; row++) {
    const struct tk_span *span = order->rows[row];
    for (uint32_t i = 0; i < span->link_count; i++, at++) {
      const struct tk_link *link = &span->links[i];
      memcpy(trace_ids + (size_t)at * 16, link->trace_id, 16);
      memcpy(span_ids + (size_t)at * 8, link->span_id, 8);
      trace_states[at] = link->trace_state;
      flags[at] = link->flags;
    }
  }
  add_fixed(writer, TK_COL_LINK_TRACE_ID, trace_ids, count, TK_UNIFORM);
  add_fixed(writer, TK_COL_LINK_SPAN_ID, span_ids, count, TK_UNIFORM);
  add_texts(writer, TK_COL_LINK_TRACE_STATE, trace_states, count, TK_UNIFORM);
  add_ints(writer, TK_COL_LINK_FLAGS, flags, count, TK_UNIFORM);
}

/* ---- attributes ---- */

typedef void take_attributes(struct tk_shredder *shredder, const struct tk_attributes *attributes);

static void shred_span(struct tk_shredder shredders[3], const struct tk_span *span,
                       take_attributes *take) {
  take(&shredders[TK_SCOPE_SPAN], &span->attributes);
  for (uint32_t i = 0; i < span->event_count; i++) {
    take(&shredders[TK_SCOPE_EVENT], &span->events[i].attributes);
  }
  for (uint32_t i = 0; i < span->link_count; i++) {
    take(&shredders[TK_SCOPE_LINK], &span->links[i].attributes);
  }
}

static void shred(struct tk_segment_writer *writer) {
  const struct tk_span_order *order = &writer->order;
  const struct tk_segment_summary *summary = &writer->directory.summary;
  const struct tk_granules *granules = &writer->directory.rows;
  struct tk_shredder *shredders = writer->state->shredders;
  const uint32_t item_counts[3] = {summary->span_count, summary->event_count, summary->link_count};

  for (int s = 0; s < 3; s++) {
    tk_shredder_init(&shredders[s], &writer->arena, item_counts[s], granules->count);
  }
  for (uint32_t row = 0; row < order->span_count; row++) {
    shred_span(shredders, order->rows[row], tk_shredder_count);
  }
  for (int s = 0; s < 3; s++) tk_shredder_plan(&shredders[s]);
  for (uint32_t g = 0, row = 0; g < granules->count; g++) {
    for (int s = 0; s < 3; s++) tk_shredder_begin_granule(&shredders[s], g);
    for (; row < granules->ends[g]; row++) shred_span(shredders, order->rows[row], tk_shredder_add);
  }
  for (int s = 0; s < 3; s++) writer->state->failed |= shredders[s].failed;
}

static enum tk_column_kind kind_of_type(uint8_t type) {
  switch ((enum tk_value_type)type) {
    case TK_VALUE_EMPTY:
    case TK_VALUE_BOOL:
    case TK_VALUE_INT:
    case TK_VALUE_DOUBLE:
      return TK_COLUMN_INT;
    case TK_VALUE_STRING:
    case TK_VALUE_BYTES:
    case TK_VALUE_ARRAY:
    case TK_VALUE_KVLIST:
      break;
  }
  return TK_COLUMN_TEXT;
}

static void add_attribute_column(struct tk_segment_writer *writer, uint16_t number, int scope,
                                 const struct tk_shredded_column *column) {
  struct tk_segment_writer_state *state = writer->state;
  struct tk_segment_column entry = {
      .number = number,
      .kind = (uint8_t)kind_of_type(column->type),
      .scope = (uint8_t)scope,
      .type = column->type,
      .in_extras = column->in_extras,
      .key = column->key,
      .value_count = column->value_count,
      .distinct_count = kind_of_type(column->type) == TK_COLUMN_TEXT,
      .granule_first_value = column->in_extras ? NULL : column->granule_first_value,
  };
  if (column->in_extras || column->type == TK_VALUE_EMPTY) {
    state->chunkless[state->chunkless_count++] = entry;
    return;
  }
  struct tk_column_task *task =
      add_task(writer, number, (enum tk_column_kind)entry.kind, entry.value_count, TK_UNIFORM);
  if (!task) return;
  task->column = entry;
  task->ints = column->ints;
  task->texts = column->texts;
  task->wants_filter = column->type == TK_VALUE_STRING;
}

static void add_shredded(struct tk_segment_writer *writer) {
  static const uint16_t keyset_numbers[3] = {TK_COL_KEYSET, TK_COL_EVENT_KEYSET,
                                             TK_COL_LINK_KEYSET};
  static const uint16_t dropped_numbers[3] = {
      TK_COL_DROPPED_ATTRIBUTES, TK_COL_EVENT_DROPPED_ATTRIBUTES, TK_COL_LINK_DROPPED_ATTRIBUTES};
  static const uint16_t extra_numbers[3] = {TK_COL_EXTRA_ROW, TK_COL_EVENT_EXTRA_ROW,
                                            TK_COL_LINK_EXTRA_ROW};
  uint32_t number = TK_COL_FIRST_ATTRIBUTE;
  for (int s = 0; s < 3; s++) {
    const struct tk_shredder *shredder = &writer->state->shredders[s];
    const enum tk_granulation granulation = s == TK_SCOPE_SPAN ? TK_BY_ROWS : TK_UNIFORM;
    add_ints(writer, keyset_numbers[s], shredder->keyset_codes, shredder->item_count, granulation);
    add_ints(writer, dropped_numbers[s], shredder->dropped_counts, shredder->item_count,
             granulation);
    add_sparse_texts(writer, extra_numbers[s], shredder->extra_rows, shredder->extras,
                     shredder->extra_count);
    for (uint32_t c = 0; c < shredder->column_count; c++) {
      add_attribute_column(writer, (uint16_t)number++, s, &shredder->columns[c]);
    }
  }
}
/* ---- all of them ---- */

static bool allocate_tasks(struct tk_segment_writer *writer) {
  struct tk_segment_writer_state *state = writer->state;
  uint32_t attributes = 0;
  for (int s = 0; s < 3; s++) attributes += state->shredders[s].column_count;
  state->task_capacity = MAX_FIXED_COLUMNS + attributes;
  state->tasks = tk_segment_writer_allocate(writer, state->task_capacity, sizeof *state->tasks);
  state->chunkless = tk_segment_writer_allocate(writer, attributes + 1, sizeof *state->chunkless);
  return !state->failed;
}
void tk_segment_columns_gather(struct tk_segment_writer *writer) {
  static void (*const steps[])(struct tk_segment_writer *) = {
      gather_traces, gather_tree,   gather_span_fields, gather_external_parents,
      gather_owners, gather_events, gather_links,       gather_residuals,
      add_shredded};
  shred(writer);
  if (writer->state->failed || !allocate_tasks(writer)) return;
  for (size_t i = 0; i < sizeof steps / sizeof steps[0] && !writer->state->failed; i++) {
    steps[i](writer);
  }
}
