/* SPDX-License-Identifier: MIT
 * Whole records out of columns: spans with their attributes, events, links and residuals, as they
 * came in. What span_order and attribute_shredder took apart is put together here.
 *
 * Rows are read granule by granule. Positions of attribute values are counted once from the start
 * of the granule to the first row wanted, and then advance row by row. */
#include <string.h>

#include "store/segment/segment_state.h"

struct record_reader {
  struct tk_reader *reader;
  const struct tk_segment *segment;
  struct tk_arena *arena;
  struct tk_text *keys; /* by column index: the key, copied to the arena when first used */
  struct tk_error *error;
};

static enum tk_status blame(const struct record_reader *records, const char *what) {
  tk_corrupt(records->error, "%s", what);
  return tk_segment_blame(records->segment, TK_NO_COLUMN, TK_CORRUPT, records->error);
}

static enum tk_status copy_text(const struct record_reader *records, struct tk_text text,
                                struct tk_text *copy_out) {
  *copy_out = (struct tk_text){0};
  if (text.size == 0) return TK_OK;
  char *copy = tk_arena_alloc_bytes(records->arena, text.size);
  if (!copy) return tk_nomem(records->error);
  memcpy(copy, text.data, text.size);
  *copy_out = (struct tk_text){copy, text.size};
  return TK_OK;
}

static enum tk_status init_records(struct record_reader *records, struct tk_reader *reader,
                                   const struct tk_segment *segment, struct tk_arena *arena,
                                   struct tk_error *error) {
  const size_t size = segment->column_count * sizeof(struct tk_text);
  *records = (struct record_reader){reader, segment, arena, tk_arena_alloc(arena, size), error};
  if (!records->keys) return tk_nomem(error);
  memset(records->keys, 0, size);
  return TK_OK;
}

/* ---- sparse texts: extras, residuals, texts of trace ids ---- */

/* Text of `item` in a sparse pair whose value column is the next number, in the arena; data is NULL
 * where there is none. */
static enum tk_status read_sparse_text(const struct record_reader *records,
                                       enum tk_column_number row_column, uint32_t item,
                                       struct tk_text *text_out) {
  const struct tk_segment *segment = records->segment;
  const struct tk_column *column = NULL;
  uint32_t entry;
  *text_out = (struct tk_text){0};
  enum tk_status status =
      tk_segment_find_sparse(records->reader, segment, row_column, item, &entry, records->error);
  if (status != TK_OK || entry == TK_NO_ENTRY) return status;
  status = tk_reader_values(records->reader, segment, segment->fixed[row_column + 1], entry,
                            entry + 1, &column, records->error);
  if (status != TK_OK) return status;
  return copy_text(records, tk_column_text(column, entry), text_out);
}

static enum tk_status read_residual(const struct record_reader *records,
                                    enum tk_column_number row_column, uint32_t item,
                                    struct tk_residual *residual_out) {
  struct tk_text text;
  *residual_out = (struct tk_residual){0};
  if (records->segment->fixed[row_column] == TK_NO_COLUMN) return TK_OK;
  enum tk_status status = read_sparse_text(records, row_column, item, &text);
  if (status != TK_OK || text.size == 0) return status;
  const uint8_t format = (uint8_t)text.data[0];
  if (format == TK_RESIDUAL_NONE || format > TK_RESIDUAL_PROTOBUF) {
    return blame(records, "residual of an unknown format");
  }
  *residual_out = (struct tk_residual){text.data + 1, text.size - 1, format};
  return TK_OK;
}

/* ---- attributes ---- */

struct scope_numbers {
  enum tk_column_number keyset, dropped, extra_row;
};
static const struct scope_numbers scope_numbers[] = {
    [TK_SCOPE_SPAN] = {TK_COL_KEYSET, TK_COL_DROPPED_ATTRIBUTES, TK_COL_EXTRA_ROW},
    [TK_SCOPE_EVENT] = {TK_COL_EVENT_KEYSET, TK_COL_EVENT_DROPPED_ATTRIBUTES,
                        TK_COL_EVENT_EXTRA_ROW},
    [TK_SCOPE_LINK] = {TK_COL_LINK_KEYSET, TK_COL_LINK_DROPPED_ATTRIBUTES, TK_COL_LINK_EXTRA_ROW},
};

/* Walks the items of one scope in a granule. */
struct attribute_cursor {
  enum tk_attribute_scope scope;
  struct tk_ints codes, dropped; /* by item */
  uint32_t *positions;           /* by column index: of the next item's value */
};

static enum tk_status read_item_ints(const struct record_reader *records,
                                     enum tk_column_number number, uint32_t begin, uint32_t end,
                                     struct tk_ints *ints_out) {
  const uint32_t index = records->segment->fixed[number];
  const struct tk_column *column = NULL;
  *ints_out = (struct tk_ints){0};
  if (index == TK_NO_COLUMN) return TK_OK;
  enum tk_status status = tk_reader_values(records->reader, records->segment, index, begin, end,
                                           &column, records->error);
  if (status == TK_OK) *ints_out = column->ints;
  return status;
}

static const struct tk_keyset *keyset_of(const struct tk_segment *segment,
                                         const struct attribute_cursor *cursor, uint32_t item) {
  static const struct tk_keyset none = {0};
  const struct tk_keysets *keysets = &segment->keysets[cursor->scope];
  return keysets->count ? &keysets->items[tk_ints_at(cursor->codes, item)] : &none;
}

/* Counts how often each keyset occurs among items [begin, end), and then adds the occurrences of
 * those that do to the positions of their columns. */
static enum tk_status advance_cursor(const struct record_reader *records,
                                     struct attribute_cursor *cursor, uint32_t begin,
                                     uint32_t end) {
  const struct tk_keysets *keysets = &records->segment->keysets[cursor->scope];
  if (begin == end || keysets->count == 0) return TK_OK;
  const size_t size = keysets->count * sizeof(uint32_t);
  uint32_t *occurrences = tk_arena_alloc(records->arena, size);
  if (!occurrences) return tk_nomem(records->error);
  memset(occurrences, 0, size);
  for (uint32_t item = begin; item < end; item++) occurrences[tk_ints_at(cursor->codes, item)]++;
  for (uint32_t k = 0; k < keysets->count; k++) {
    if (occurrences[k] == 0) continue;
    const struct tk_keyset *keyset = &keysets->items[k];
    for (uint32_t i = 0; i < keyset->count; i++) {
      cursor->positions[keyset->columns[i]] += occurrences[k];
    }
  }
  return TK_OK;
}

/* `granule_item` is the first item of the granule; items [first, end) are going to be read. */
static enum tk_status init_cursor(const struct record_reader *records,
                                  struct attribute_cursor *cursor, enum tk_attribute_scope scope,
                                  uint32_t granule, uint32_t granule_item, uint32_t first,
                                  uint32_t end) {
  const struct tk_segment *segment = records->segment;
  enum tk_status status;
  *cursor = (struct attribute_cursor){.scope = scope};
  status = read_item_ints(records, scope_numbers[scope].keyset, granule_item, end, &cursor->codes);
  if (status != TK_OK) return status;
  status = read_item_ints(records, scope_numbers[scope].dropped, first, end, &cursor->dropped);
  if (status != TK_OK) return status;
  cursor->positions =
      tk_arena_alloc(records->arena, segment->column_count * sizeof *cursor->positions);
  if (!cursor->positions) return tk_nomem(records->error);
  for (uint32_t i = 0; i < segment->column_count; i++) {
    const uint32_t *first_values = segment->columns[i].granule_first_value;
    cursor->positions[i] = first_values ? first_values[granule] : 0;
  }
  return advance_cursor(records, cursor, granule_item, first);
}

static enum tk_status decode_nested(const struct record_reader *records, struct tk_text text,
                                    uint32_t type, struct tk_value *value_out) {
  enum tk_status status = tk_value_decode((const uint8_t *)text.data, text.size, records->arena,
                                          value_out, records->error);
  if (status != TK_OK) {
    return tk_segment_blame(records->segment, TK_NO_COLUMN, status, records->error);
  }
  return value_out->type == type ? TK_OK : blame(records, "a nested value is of another type");
}

static enum tk_status read_value(const struct record_reader *records, uint32_t index, uint32_t at,
                                 struct tk_value *value_out) {
  const struct tk_segment_column *column = &records->segment->columns[index];
  const struct tk_column *values = NULL;
  struct tk_text text;
  int64_t bits;
  *value_out = (struct tk_value){.type = column->type};
  if (column->type == TK_VALUE_EMPTY) return TK_OK;
  if (at >= column->value_count) return blame(records, "an attribute column has too few values");
  enum tk_status status = tk_reader_values(records->reader, records->segment, index, at, at + 1,
                                           &values, records->error);
  if (status != TK_OK) return status;
  switch ((enum tk_value_type)column->type) {
    case TK_VALUE_BOOL:
    case TK_VALUE_INT:
      value_out->as.integer = tk_ints_at(values->ints, at);
      return TK_OK;
    case TK_VALUE_DOUBLE:
      bits = tk_ints_at(values->ints, at);
      memcpy(&value_out->as.real, &bits, sizeof value_out->as.real);
      return TK_OK;
    case TK_VALUE_EMPTY:
    case TK_VALUE_STRING:
    case TK_VALUE_BYTES:
    case TK_VALUE_ARRAY:
    case TK_VALUE_KVLIST:
      break;
  }
  if ((status = copy_text(records, tk_column_text(values, at), &text)) != TK_OK) return status;
  if (column->type == TK_VALUE_ARRAY || column->type == TK_VALUE_KVLIST) {
    return decode_nested(records, text, column->type, value_out);
  }
  value_out->as.text = text.data;
  value_out->size = text.size;
  return TK_OK;
}

static enum tk_status read_column_attribute(const struct record_reader *records,
                                            struct attribute_cursor *cursor, uint32_t index,
                                            struct tk_attribute *attribute) {
  struct tk_text *key = &records->keys[index];
  if (!key->data) {
    enum tk_status status = copy_text(records, records->segment->columns[index].key, key);
    if (status != TK_OK) return status;
  }
  attribute->key = *key;
  return read_value(records, index, cursor->positions[index]++, &attribute->value);
}

static enum tk_status read_extras(const struct record_reader *records,
                                  enum tk_attribute_scope scope, uint32_t item,
                                  struct tk_extra **extras_out, uint32_t *count_out) {
  const enum tk_column_number row_column = scope_numbers[scope].extra_row;
  struct tk_text text;
  *count_out = 0;
  if (records->segment->fixed[row_column] == TK_NO_COLUMN) return TK_OK;
  enum tk_status status = read_sparse_text(records, row_column, item, &text);
  if (status != TK_OK || text.size == 0) return status;
  status = tk_extras_decode((const uint8_t *)text.data, text.size, records->arena, extras_out,
                            count_out, records->error);
  return tk_segment_blame(records->segment, TK_NO_COLUMN, status, records->error);
}

/* Attributes of the next item: those of its keyset in their order, extras at their positions. */
static enum tk_status read_attributes(const struct record_reader *records,
                                      struct attribute_cursor *cursor, uint32_t item,
                                      struct tk_attributes *attributes_out) {
  const struct tk_keyset *keyset = keyset_of(records->segment, cursor, item);
  struct tk_extra *extras = NULL;
  uint32_t extra_count = 0;
  enum tk_status status = read_extras(records, cursor->scope, item, &extras, &extra_count);
  if (status != TK_OK) return status;

  const uint32_t count = keyset->count + extra_count;
  struct tk_attribute *items = NULL;
  if (count > 0) {
    items = tk_arena_alloc(records->arena, count * sizeof *items);
    if (!items) return tk_nomem(records->error);
  }
  uint32_t next_extra = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (next_extra < extra_count && extras[next_extra].position == i) {
      items[i] = extras[next_extra++].attribute;
      continue;
    }
    if (i - next_extra == keyset->count) return blame(records, "extra attributes leave a gap");
    status = read_column_attribute(records, cursor, keyset->columns[i - next_extra], &items[i]);
    if (status != TK_OK) return status;
  }
  *attributes_out = (struct tk_attributes){
      .items = items, .count = count, .dropped_count = (uint32_t)tk_ints_at(cursor->dropped, item)};
  return TK_OK;
}

/* ---- events and links ---- */

/* A run of events (links), of the rows of one granule that are read. */
struct item_run {
  struct tk_ints counts; /* by row */
  uint32_t next;         /* event of the next row */
  uint32_t end;
  struct attribute_cursor attributes;
};

static bool is_zero(struct tk_ints ints) {
  return ints.width == 0 && ints.base == 0;
}

static enum tk_status init_run(const struct record_reader *records, struct item_run *run,
                               enum tk_attribute_scope scope, uint32_t granule, uint32_t first_row,
                               uint32_t end_row) {
  const struct tk_segment *segment = records->segment;
  const uint32_t granule_row = tk_segment_rows_of(segment, granule).begin;
  uint32_t granule_item;
  uint32_t limit;
  *run = (struct item_run){0};
  enum tk_status status = tk_segment_row_ints(
      records->reader, segment, scope == TK_SCOPE_EVENT ? TK_COL_EVENT_COUNT : TK_COL_LINK_COUNT,
      granule, &run->counts, records->error);
  if (status != TK_OK || is_zero(run->counts)) return status;
  status = tk_segment_first_item_of_granule(records->reader, segment, scope, granule, &granule_item,
                                            records->error);
  if (status != TK_OK) return status;
  status = tk_segment_first_item_of_granule(records->reader, segment, scope, granule + 1, &limit,
                                            records->error);
  if (status != TK_OK) return status;

  uint64_t first = granule_item;
  for (uint32_t row = granule_row; row < first_row; row++) {
    first += (uint64_t)tk_ints_at(run->counts, row);
  }
  uint64_t end = first;
  for (uint32_t row = first_row; row < end_row; row++) {
    end += (uint64_t)tk_ints_at(run->counts, row);
  }
  if (end > limit) return blame(records, "rows have more events or links than there are");
  if (end == first) {
    run->counts = (struct tk_ints){0};
    return TK_OK;
  }
  run->next = (uint32_t)first;
  run->end = (uint32_t)end;
  return init_cursor(records, &run->attributes, scope, granule, granule_item, (uint32_t)first,
                     (uint32_t)end);
}

static enum tk_status read_item_text(const struct record_reader *records,
                                     enum tk_column_number number, uint32_t item,
                                     struct tk_text *text_out) {
  const uint32_t index = records->segment->fixed[number];
  const struct tk_column *column = NULL;
  *text_out = (struct tk_text){0};
  if (index == TK_NO_COLUMN) return TK_OK;
  enum tk_status status = tk_reader_values(records->reader, records->segment, index, item, item + 1,
                                           &column, records->error);
  return status == TK_OK ? copy_text(records, tk_column_text(column, item), text_out) : status;
}

static enum tk_status read_event(const struct record_reader *records, struct item_run *run,
                                 uint32_t item, uint64_t span_start, struct tk_event *event) {
  struct tk_ints times;
  enum tk_status status;
  *event = (struct tk_event){.time_unix_ns = span_start};
  status = read_item_ints(records, TK_COL_EVENT_TIME, item, item + 1, &times);
  if (status != TK_OK) return status;
  event->time_unix_ns += (uint64_t)tk_ints_at(times, item);
  status = read_item_text(records, TK_COL_EVENT_NAME, item, &event->name);
  if (status != TK_OK) return status;
  status = read_attributes(records, &run->attributes, item, &event->attributes);
  if (status != TK_OK) return status;
  return read_residual(records, TK_COL_EVENT_RESIDUAL_ROW, item, &event->residual);
}

static enum tk_status read_link_id(const struct record_reader *records,
                                   enum tk_column_number number, uint32_t item, uint8_t *id,
                                   size_t size) {
  const uint32_t index = records->segment->fixed[number];
  const struct tk_column *column = NULL;
  if (index == TK_NO_COLUMN) return TK_OK;
  enum tk_status status =
      tk_reader_column(records->reader, records->segment, index, &column, records->error);
  if (status == TK_OK) memcpy(id, column->fixed + item * size, size);
  return status;
}

static enum tk_status read_link(const struct record_reader *records, struct item_run *run,
                                uint32_t item, struct tk_link *link) {
  struct tk_ints flags;
  enum tk_status status;
  *link = (struct tk_link){0};
  status = read_link_id(records, TK_COL_LINK_TRACE_ID, item, link->trace_id, sizeof link->trace_id);
  if (status != TK_OK) return status;
  status = read_link_id(records, TK_COL_LINK_SPAN_ID, item, link->span_id, sizeof link->span_id);
  if (status != TK_OK) return status;
  status = read_item_ints(records, TK_COL_LINK_FLAGS, item, item + 1, &flags);
  if (status != TK_OK) return status;
  link->flags = (uint32_t)tk_ints_at(flags, item);
  status = read_item_text(records, TK_COL_LINK_TRACE_STATE, item, &link->trace_state);
  if (status != TK_OK) return status;
  status = read_attributes(records, &run->attributes, item, &link->attributes);
  if (status != TK_OK) return status;
  return read_residual(records, TK_COL_LINK_RESIDUAL_ROW, item, &link->residual);
}

static enum tk_status read_events(const struct record_reader *records, struct item_run *run,
                                  uint32_t row, struct tk_span *span) {
  const uint32_t count = (uint32_t)tk_ints_at(run->counts, row);
  enum tk_status status = TK_OK;
  if (count == 0) return TK_OK;
  struct tk_event *events = tk_arena_alloc(records->arena, count * sizeof *events);
  if (!events) return tk_nomem(records->error);
  for (uint32_t i = 0; status == TK_OK && i < count; i++) {
    status = read_event(records, run, run->next++, span->start_unix_ns, &events[i]);
  }
  span->events = events;
  span->event_count = count;
  return status;
}

static enum tk_status read_links(const struct record_reader *records, struct item_run *run,
                                 uint32_t row, struct tk_span *span) {
  const uint32_t count = (uint32_t)tk_ints_at(run->counts, row);
  enum tk_status status = TK_OK;
  if (count == 0) return TK_OK;
  struct tk_link *links = tk_arena_alloc(records->arena, count * sizeof *links);
  if (!links) return tk_nomem(records->error);
  for (uint32_t i = 0; status == TK_OK && i < count; i++) {
    status = read_link(records, run, run->next++, &links[i]);
  }
  span->links = links;
  span->link_count = count;
  return status;
}

/* ---- spans ---- */

enum int_field {
  KIND,
  STATUS_CODE,
  FLAGS,
  RESOURCE,
  SCOPE,
  PRESENCE,
  DROPPED_EVENTS,
  DROPPED_LINKS,
  DURATION,
  INT_FIELDS
};
static const enum tk_column_number int_numbers[INT_FIELDS] = {
    [KIND] = TK_COL_KIND,
    [STATUS_CODE] = TK_COL_STATUS_CODE,
    [FLAGS] = TK_COL_FLAGS,
    [RESOURCE] = TK_COL_RESOURCE,
    [SCOPE] = TK_COL_SCOPE,
    [PRESENCE] = TK_COL_PRESENCE,
    [DROPPED_EVENTS] = TK_COL_DROPPED_EVENTS,
    [DROPPED_LINKS] = TK_COL_DROPPED_LINKS,
    [DURATION] = TK_COL_DURATION,
};
enum text_field { NAME, STATUS_MESSAGE, TRACE_STATE, TEXT_FIELDS };
static const enum tk_column_number text_numbers[TEXT_FIELDS] = {
    [NAME] = TK_COL_NAME,
    [STATUS_MESSAGE] = TK_COL_STATUS_MESSAGE,
    [TRACE_STATE] = TK_COL_TRACE_STATE,
};

/* Columns of the rows of one granule, decoded. */
struct row_block {
  struct tk_ints ints[INT_FIELDS];
  const struct tk_column *texts[TEXT_FIELDS];
  const struct tk_column *span_ids, *trace_ids;
  const int64_t *starts;
  const uint32_t *parents, *traces;
  struct attribute_cursor attributes;
  struct item_run events, links;
};

static enum tk_status load_rows(const struct record_reader *records, struct row_block *block,
                                uint32_t granule) {
  struct tk_reader *reader = records->reader;
  const struct tk_segment *segment = records->segment;
  struct tk_error *error = records->error;
  enum tk_status status = TK_OK;
  for (int i = 0; status == TK_OK && i < INT_FIELDS; i++) {
    status = tk_segment_row_ints(reader, segment, int_numbers[i], granule, &block->ints[i], error);
  }
  for (int i = 0; status == TK_OK && i < TEXT_FIELDS; i++) {
    status =
        tk_reader_row_column(reader, segment, text_numbers[i], granule, &block->texts[i], error);
  }
  if (status != TK_OK) return status;
  if ((status = tk_reader_row_column(reader, segment, TK_COL_SPAN_ID, granule, &block->span_ids,
                                     error)) != TK_OK ||
      (status = tk_reader_row_column(reader, segment, TK_COL_TRACE_ID, granule, &block->trace_ids,
                                     error)) != TK_OK ||
      (status = tk_reader_starts(reader, segment, granule, &block->starts, error)) != TK_OK ||
      (status = tk_reader_parents(reader, segment, granule, &block->parents, error)) != TK_OK) {
    return status;
  }
  return tk_reader_traces(reader, segment, granule, &block->traces, error);
}

static uint64_t field(const struct row_block *block, enum int_field which, uint32_t row) {
  return (uint64_t)tk_ints_at(block->ints[which], row);
}

static int32_t as_int32(uint64_t bits) {
  const uint32_t low = (uint32_t)bits;
  int32_t value;
  memcpy(&value, &low, sizeof value);
  return value;
}

static enum tk_status set_parent(const struct record_reader *records, const struct row_block *block,
                                 uint32_t row, struct tk_span *span) {
  const uint8_t *id = NULL;
  if (block->parents[row] != UINT32_MAX) {
    id = block->span_ids->fixed + (size_t)block->parents[row] * 8;
  } else {
    enum tk_status status =
        tk_reader_external_parent(records->reader, records->segment, row, &id, records->error);
    if (status != TK_OK) return status;
  }
  if (!id) return TK_OK;
  memcpy(span->parent_span_id, id, sizeof span->parent_span_id);
  span->presence |= TK_SPAN_HAS_PARENT;
  return TK_OK;
}

static enum tk_status set_texts(const struct record_reader *records, const struct row_block *block,
                                uint32_t row, struct tk_span *span) {
  struct tk_text *const targets[TEXT_FIELDS] = {
      [NAME] = &span->name,
      [STATUS_MESSAGE] = &span->status_message,
      [TRACE_STATE] = &span->trace_state,
  };
  for (int i = 0; i < TEXT_FIELDS; i++) {
    if (!block->texts[i]) continue;
    enum tk_status status = copy_text(records, tk_column_text(block->texts[i], row), targets[i]);
    if (status != TK_OK) return status;
  }
  if (!(span->presence & TK_SPAN_TEXT_TRACE_ID)) return TK_OK;
  return read_sparse_text(records, TK_COL_TRACE_TEXT_ROW, block->traces[row], &span->trace_id_text);
}

static enum tk_status set_owners(const struct record_reader *records, const struct row_block *block,
                                 uint32_t row, struct tk_span *span) {
  const struct tk_segment *segment = records->segment;
  const int64_t resource_id = segment->resources[field(block, RESOURCE, row)];
  const int64_t scope_id = segment->scopes[field(block, SCOPE, row)];
  const struct tk_stored_resource *resource = tk_reader_resource(records->reader, resource_id);
  const struct tk_stored_scope *scope = tk_reader_scope(records->reader, scope_id);
  if (!resource || !scope) return blame(records, "a resource or scope is missing");
  span->resource = &resource->resource;
  span->scope = &scope->scope;
  return TK_OK;
}

static enum tk_status read_span(const struct record_reader *records, struct row_block *block,
                                uint32_t row, struct tk_span *span) {
  enum tk_status status;
  *span = (struct tk_span){
      .start_unix_ns = (uint64_t)block->starts[row],
      .end_unix_ns = (uint64_t)block->starts[row] + field(block, DURATION, row),
      .kind = as_int32(field(block, KIND, row)),
      .status_code = as_int32(field(block, STATUS_CODE, row)),
      .flags = (uint32_t)field(block, FLAGS, row),
      .presence = (uint32_t)field(block, PRESENCE, row) & ~(uint32_t)TK_SPAN_HAS_PARENT,
      .dropped_events_count = (uint32_t)field(block, DROPPED_EVENTS, row),
      .dropped_links_count = (uint32_t)field(block, DROPPED_LINKS, row),
  };
  memcpy(span->trace_id, block->trace_ids->fixed + (size_t)block->traces[row] * 16, 16);
  memcpy(span->span_id, block->span_ids->fixed + (size_t)row * 8, 8);
  if ((status = set_parent(records, block, row, span)) != TK_OK) return status;
  if ((status = set_texts(records, block, row, span)) != TK_OK) return status;
  if ((status = set_owners(records, block, row, span)) != TK_OK) return status;
  status = read_attributes(records, &block->attributes, row, &span->attributes);
  if (status != TK_OK) return status;
  if ((status = read_events(records, &block->events, row, span)) != TK_OK) return status;
  if ((status = read_links(records, &block->links, row, span)) != TK_OK) return status;
  return read_residual(records, TK_COL_RESIDUAL_ROW, row, &span->residual);
}

/* Rows [begin, end), all in `granule`. */
static enum tk_status read_rows(const struct record_reader *records, uint32_t granule,
                                uint32_t begin, uint32_t end, struct tk_span *spans_out) {
  const uint32_t granule_row = tk_segment_rows_of(records->segment, granule).begin;
  struct row_block block = {0};
  enum tk_status status;
  if ((status = load_rows(records, &block, granule)) != TK_OK) return status;
  if ((status = init_cursor(records, &block.attributes, TK_SCOPE_SPAN, granule, granule_row, begin,
                            end)) != TK_OK ||
      (status = init_run(records, &block.events, TK_SCOPE_EVENT, granule, begin, end)) != TK_OK ||
      (status = init_run(records, &block.links, TK_SCOPE_LINK, granule, begin, end)) != TK_OK) {
    return status;
  }
  for (uint32_t row = begin; row < end; row++) {
    status = read_span(records, &block, row, &spans_out[row - begin]);
    if (status != TK_OK) return status;
  }
  return TK_OK;
}

enum tk_status tk_reader_spans(struct tk_reader *reader, const struct tk_segment *segment,
                               uint32_t first_row, uint32_t row_count, struct tk_arena *arena,
                               struct tk_span *spans_out, struct tk_error *error) {
  struct record_reader records;
  if (first_row > segment->summary.span_count ||
      row_count > segment->summary.span_count - first_row) {
    return tk_fail(error, TK_INVALID, "no such rows");
  }
  if (row_count == 0) return TK_OK;
  enum tk_status status = init_records(&records, reader, segment, arena, error);
  uint32_t granule = tk_segment_granule_of_row(segment, first_row);
  for (uint32_t row = first_row, end; status == TK_OK && row < first_row + row_count; row = end) {
    end = segment->rows.ends[granule];
    if (end > first_row + row_count) end = first_row + row_count;
    status = read_rows(&records, granule++, row, end, spans_out + (row - first_row));
  }
  return status;
}

/* ---- the attributes of one item ---- */

/* The granule whose rows an event (link) belongs to: the last that begins at or before it. */
static enum tk_status granule_of_item(const struct record_reader *records,
                                      enum tk_attribute_scope scope, uint32_t item,
                                      uint32_t *granule_out, uint32_t *first_out) {
  uint32_t low = 0;
  uint32_t high = records->segment->rows.count;
  *first_out = 0;
  while (high - low > 1) {
    const uint32_t middle = low + (high - low) / 2;
    uint32_t first;
    enum tk_status status = tk_segment_first_item_of_granule(records->reader, records->segment,
                                                             scope, middle, &first, records->error);
    if (status != TK_OK) return status;
    if (first <= item) {
      low = middle;
      *first_out = first;
    } else {
      high = middle;
    }
  }
  *granule_out = low;
  return TK_OK;
}

enum tk_status tk_reader_attributes(struct tk_reader *reader, const struct tk_segment *segment,
                                    enum tk_attribute_scope scope, uint32_t item,
                                    struct tk_arena *arena, struct tk_attributes *attributes_out,
                                    struct tk_error *error) {
  struct record_reader records;
  struct attribute_cursor cursor;
  uint32_t granule = 0;
  uint32_t first = 0;
  enum tk_status status;
  const uint32_t items[] = {segment->summary.span_count, segment->summary.event_count,
                            segment->summary.link_count};
  if ((unsigned)scope > TK_SCOPE_LINK || item >= items[scope]) {
    return tk_fail(error, TK_INVALID, "no such span, event or link");
  }
  if ((status = init_records(&records, reader, segment, arena, error)) != TK_OK) return status;
  if (scope == TK_SCOPE_SPAN) {
    granule = tk_segment_granule_of_row(segment, item);
    first = tk_segment_rows_of(segment, granule).begin;
  } else if ((status = granule_of_item(&records, scope, item, &granule, &first)) != TK_OK) {
    return status;
  }
  status = init_cursor(&records, &cursor, scope, granule, first, item, item + 1);
  return status == TK_OK ? read_attributes(&records, &cursor, item, attributes_out) : status;
}
