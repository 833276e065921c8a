/* SPDX-License-Identifier: MIT
 * Which item has which value of an attribute column. Implements docs/segment-format.md, "Keysets
 * and value positions" and "Extras".
 *
 * A column has values only for the items whose keyset names it, so the place of a value is a count
 * of items before. The directory says where each row granule begins, and the rest is counted inside
 * the granule. Attributes without a column of their own are collected from all extras of the scope
 * at once, the first time one of them is asked for. */
#include <string.h>

#include "store/segment/segment_state.h"

struct scope_columns {
  enum tk_column_number keyset, extra_row, extra;
};

static const struct scope_columns scope_columns[] = {
    [TK_SCOPE_SPAN] = {TK_COL_KEYSET, TK_COL_EXTRA_ROW, TK_COL_EXTRA},
    [TK_SCOPE_EVENT] = {TK_COL_EVENT_KEYSET, TK_COL_EVENT_EXTRA_ROW, TK_COL_EVENT_EXTRA},
    [TK_SCOPE_LINK] = {TK_COL_LINK_KEYSET, TK_COL_LINK_EXTRA_ROW, TK_COL_LINK_EXTRA},
};

static uint32_t item_count(const struct tk_segment *segment, uint8_t scope) {
  const uint32_t counts[] = {segment->summary.span_count, segment->summary.event_count,
                             segment->summary.link_count};
  return counts[scope];
}

/* ---- keysets ---- */

/* With the mutex held: in_keyset[k] is 1 if keyset k names column `index`. */
static enum tk_status know_keysets(const struct tk_segment *segment, uint32_t index,
                                   struct tk_error *error) {
  struct tk_segment_state *state = segment->state;
  struct tk_column_slot *slot = &state->slots[index];
  const struct tk_keysets *keysets = &segment->keysets[segment->columns[index].scope];

  if (!slot->value_index.filled.words &&
      !tk_granule_set_create(state, &slot->value_index.filled, segment->rows.count)) {
    return tk_nomem(error);
  }
  if (!slot->in_keyset) {
    slot->in_keyset = tk_segment_allocate(state, keysets->count + (size_t)1, 1);
  }
  if (!slot->in_keyset) return tk_nomem(error);
  slot->in_keyset[0] = 0; /* means "no attributes" where there are no keysets */
  for (uint32_t k = 0; k < keysets->count; k++) {
    const struct tk_keyset *keyset = &keysets->items[k];
    uint8_t found = 0;
    for (uint32_t i = 0; i < keyset->count; i++) found |= keyset->columns[i] == index;
    slot->in_keyset[k] = found;
  }
  atomic_store_explicit(&slot->keysets_known, true, memory_order_release);
  return TK_OK;
}

static enum tk_status prepare_value_index(const struct tk_segment *segment, uint32_t index,
                                          struct tk_error *error) {
  struct tk_segment_state *state = segment->state;
  struct tk_column_slot *slot = &state->slots[index];
  enum tk_status status = TK_OK;
  if (atomic_load_explicit(&slot->keysets_known, memory_order_acquire)) return TK_OK;
  pthread_mutex_lock(&state->mutex);
  if (!atomic_load(&slot->keysets_known)) status = know_keysets(segment, index, error);
  pthread_mutex_unlock(&state->mutex);
  return status;
}

/* ---- value index of columns ---- */

struct index_inputs {
  uint32_t column;
  struct tk_ints keyset_codes;
  const uint32_t *items; /* in_extras: the item of each value */
  uint32_t value_count;
};

/* Branch-free: UINT32_MAX is what `position | (0 - 1)` gives. */
static uint32_t index_values(const uint8_t *in_keyset, struct tk_ints codes, uint32_t begin,
                             uint32_t end, uint32_t position, uint32_t *value_index) {
  int64_t batch[256];
  for (uint32_t first = begin; first < end; first += 256) {
    const uint32_t count = end - first < 256 ? end - first : 256;
    tk_ints_read(codes, first, count, batch);
    for (uint32_t i = 0; i < count; i++) {
      const uint32_t has = in_keyset[batch[i]];
      value_index[first + i] = position | (has - 1);
      position += has;
    }
  }
  return position;
}

static enum tk_status fill_span_index(struct tk_segment_state *state, void *context,
                                      uint32_t granule, void *data, struct tk_error *error) {
  const struct tk_segment *segment = &state->segment;
  const struct index_inputs *inputs = context;
  const struct tk_segment_column *column = &segment->columns[inputs->column];
  const struct tk_row_range rows = tk_segment_rows_of(segment, granule);
  const uint32_t expected = granule + 1 < segment->rows.count
                                ? column->granule_first_value[granule + 1]
                                : column->value_count;
  const uint32_t position =
      index_values(state->slots[inputs->column].in_keyset, inputs->keyset_codes, rows.begin,
                   rows.end, column->granule_first_value[granule], data);
  if (position == expected) return TK_OK;
  return tk_corrupt(error, "granule %u ends at value %u, expected %u", granule, position, expected);
}

/* Events and links are few: theirs is made at once, as if in one granule. */
static enum tk_status fill_item_index(struct tk_segment_state *state, void *context,
                                      uint32_t granule, void *data, struct tk_error *error) {
  const struct index_inputs *inputs = context;
  const struct tk_segment_column *column = &state->segment.columns[inputs->column];
  if (granule > 0) return TK_OK;
  const uint32_t position =
      index_values(state->slots[inputs->column].in_keyset, inputs->keyset_codes, 0,
                   item_count(&state->segment, column->scope), 0, data);
  if (position == column->value_count) return TK_OK;
  return tk_corrupt(error, "items have %u values, expected %u", position, column->value_count);
}

static uint32_t lower_bound(const uint32_t *items, uint32_t count, uint32_t item) {
  uint32_t low = 0;
  while (low < count) {
    const uint32_t middle = low + (count - low) / 2;
    if (items[middle] < item) {
      low = middle + 1;
    } else {
      count = middle;
    }
  }
  return low;
}

static enum tk_status fill_extra_index(struct tk_segment_state *state, void *context,
                                       uint32_t granule, void *data, struct tk_error *error) {
  const struct tk_segment *segment = &state->segment;
  const struct index_inputs *inputs = context;
  const uint8_t scope = segment->columns[inputs->column].scope;
  uint32_t *value_index = data;
  struct tk_row_range range = {0, item_count(segment, scope)};
  (void)error;
  if (scope != TK_SCOPE_SPAN && granule > 0) return TK_OK;
  if (scope == TK_SCOPE_SPAN) range = tk_segment_rows_of(segment, granule);

  memset(value_index + range.begin, 0xFF, (range.end - range.begin) * sizeof *value_index);
  const uint32_t first = lower_bound(inputs->items, inputs->value_count, range.begin);
  for (uint32_t i = first; i < inputs->value_count && inputs->items[i] < range.end; i++) {
    value_index[inputs->items[i]] = i;
  }
  return TK_OK;
}

static enum tk_status load_keyset_codes(struct tk_reader *reader, const struct tk_segment *segment,
                                        uint8_t scope, uint32_t granule, struct tk_ints *codes_out,
                                        struct tk_error *error) {
  if (scope == TK_SCOPE_SPAN) {
    return tk_segment_row_ints(reader, segment, TK_COL_KEYSET, granule, codes_out, error);
  }
  const uint32_t index = segment->fixed[scope_columns[scope].keyset];
  const struct tk_column *column = NULL;
  *codes_out = (struct tk_ints){0};
  if (index == TK_NO_COLUMN) return TK_OK;
  enum tk_status status = tk_reader_values(reader, segment, index, 0,
                                           segment->columns[index].value_count, &column, error);
  if (status == TK_OK) *codes_out = column->ints;
  return status;
}

static enum tk_status make_value_index(struct tk_reader *reader, const struct tk_segment *segment,
                                       uint32_t index, uint32_t granule, struct tk_error *error) {
  const struct tk_segment_column *column = &segment->columns[index];
  struct tk_lazy_array *array = &segment->state->slots[index].value_index;
  struct index_inputs inputs = {.column = index};
  tk_fill_granule *fill = column->scope == TK_SCOPE_SPAN ? fill_span_index : fill_item_index;
  enum tk_status status;

  if (column->in_extras) {
    const struct tk_column *values;
    fill = fill_extra_index;
    status = tk_segment_extra_column(reader, segment, index, &values, &inputs.items, error);
    if (status == TK_OK) inputs.value_count = values->value_count;
  } else {
    status =
        load_keyset_codes(reader, segment, column->scope, granule, &inputs.keyset_codes, error);
  }
  if (status != TK_OK) return status;
  status = tk_lazy_array_fill(segment->state, array, item_count(segment, column->scope),
                              sizeof(uint32_t), granule, fill, &inputs, error);
  return tk_segment_blame(segment, index, status, error);
}

enum tk_status tk_reader_value_index(struct tk_reader *reader, const struct tk_segment *segment,
                                     uint32_t index, uint32_t granule,
                                     const uint32_t **value_index_out, struct tk_error *error) {
  if (index >= segment->column_count || segment->columns[index].number < TK_COL_FIRST_ATTRIBUTE ||
      (granule != TK_ALL && granule >= segment->rows.count)) {
    return tk_fail(error, TK_INVALID, "no such attribute column or granule");
  }
  struct tk_lazy_array *array = &segment->state->slots[index].value_index;
  enum tk_status status = prepare_value_index(segment, index, error);
  if (status != TK_OK) return status;
  if (segment->columns[index].scope != TK_SCOPE_SPAN) granule = TK_ALL;
  if (!tk_lazy_array_ready(array, granule)) {
    status = make_value_index(reader, segment, index, granule, error);
    if (status != TK_OK) return status;
  }
  *value_index_out = array->data;
  return TK_OK;
}

/* ---- columns made of extras ---- */

/* Built aside and published whole. */
struct collector {
  const struct tk_segment *segment;
  uint8_t scope;
  struct tk_arena scratch; /* of one item */
  struct tk_extra_columns made;
  uint32_t *filled;     /* by column index */
  uint64_t total_bytes; /* of all extras: bounds what a column can need */
  struct tk_error *error;
};

static enum tk_status allocate_columns(struct collector *collector) {
  const struct tk_segment *segment = collector->segment;
  struct tk_extra_columns *made = &collector->made;
  const size_t count = segment->column_count;
  made->columns = tk_arena_alloc(&made->arena, count * sizeof *made->columns);
  made->items = tk_arena_alloc(&made->arena, count * sizeof *made->items);
  collector->filled = tk_arena_alloc(&collector->made.arena, count * sizeof *collector->filled);
  if (!made->columns || !made->items || !collector->filled) return tk_nomem(collector->error);
  memset(made->columns, 0, count * sizeof *made->columns);
  memset((void *)made->items, 0, count * sizeof *made->items);
  memset(collector->filled, 0, count * sizeof *collector->filled);
  return TK_OK;
}

static size_t value_size(const struct tk_segment_column *column) {
  if (column->type == TK_VALUE_EMPTY) return 0;
  return column->kind == TK_COLUMN_TEXT ? sizeof(struct tk_text) : sizeof(int64_t);
}

/* Arrays of a column, when its first value comes: a directory can name columns that have none. */
static enum tk_status allocate_column(struct collector *collector, uint32_t index) {
  const struct tk_segment_column *column = &collector->segment->columns[index];
  struct tk_extra_columns *made = &collector->made;
  if (column->value_count > collector->total_bytes) {
    return tk_corrupt(collector->error, "column %d cannot have %u values", column->number,
                      column->value_count);
  }
  void *values = tk_arena_alloc(&made->arena, column->value_count * value_size(column));
  made->items[index] =
      tk_arena_alloc(&made->arena, column->value_count * sizeof *made->items[index]);
  if (!values || !made->items[index]) return tk_nomem(collector->error);
  struct tk_column *target = &made->columns[index];
  target->kind = (enum tk_column_kind)column->kind;
  target->value_count = column->value_count;
  if (column->type == TK_VALUE_EMPTY) return TK_OK;
  if (column->kind == TK_COLUMN_TEXT) {
    target->texts = values;
  } else {
    target->ints = (struct tk_ints){.values = values, .width = sizeof(int64_t)};
  }
  return TK_OK;
}

/* Nested values are stored as the bytes they are encoded in, as they are in columns. */
static bool keep_text(struct collector *collector, const struct tk_value *value,
                      struct tk_text *text_out) {
  struct tk_byte_writer bytes = {0};
  struct tk_text text = {value->as.text, value->size};
  if (value->type == TK_VALUE_ARRAY || value->type == TK_VALUE_KVLIST) {
    tk_value_encode(&bytes, value);
    text = (struct tk_text){(const char *)bytes.data, (uint32_t)bytes.size};
  }
  char *kept = bytes.failed ? NULL : tk_arena_alloc_bytes(&collector->made.arena, text.size);
  if (kept && text.size > 0) memcpy(kept, text.data, text.size);
  tk_byte_writer_reset(&bytes);
  *text_out = (struct tk_text){kept, text.size};
  return kept;
}

static enum tk_status collect_value(struct collector *collector, uint32_t item,
                                    const struct tk_attribute *attribute) {
  const struct tk_segment *segment = collector->segment;
  const struct tk_value *value = &attribute->value;
  const uint32_t index =
      tk_segment_find_attribute(segment, (enum tk_attribute_scope)collector->scope, attribute->key,
                                (enum tk_value_type)value->type);
  /* A key beyond the limit of columns, or a further value of one that has a column of its own. */
  if (index == TK_NO_COLUMN || !segment->columns[index].in_extras) return TK_OK;
  const struct tk_segment_column *column = &segment->columns[index];
  const uint32_t at = collector->filled[index];
  if (at > 0 && collector->made.items[index][at - 1] == item) return TK_OK; /* a second value */
  if (at == column->value_count) {
    return tk_corrupt(collector->error, "extra attributes have more values than column %d",
                      column->number);
  }
  if (at == 0) {
    enum tk_status status = allocate_column(collector, index);
    if (status != TK_OK) return status;
  }
  struct tk_column *target = &collector->made.columns[index];
  if (target->texts) {
    if (!keep_text(collector, value, &target->texts[at])) return tk_nomem(collector->error);
  } else if (target->ints.values && value->type == TK_VALUE_DOUBLE) {
    memcpy((int64_t *)target->ints.values + at, &value->as.real, sizeof value->as.real);
  } else if (target->ints.values) {
    ((int64_t *)target->ints.values)[at] = value->as.integer;
  }
  collector->made.items[index][at] = item;
  collector->filled[index]++;
  return TK_OK;
}

static enum tk_status collect_item(struct collector *collector, uint32_t item,
                                   struct tk_text text) {
  struct tk_extra *extras;
  uint32_t count;
  tk_arena_reset(&collector->scratch);
  enum tk_status status = tk_extras_decode((const uint8_t *)text.data, text.size,
                                           &collector->scratch, &extras, &count, collector->error);
  for (uint32_t i = 0; status == TK_OK && i < count; i++) {
    status = collect_value(collector, item, &extras[i].attribute);
  }
  return status;
}

static enum tk_status check_collected(struct collector *collector) {
  const struct tk_segment *segment = collector->segment;
  for (uint32_t i = 0; i < segment->column_count; i++) {
    const struct tk_segment_column *column = &segment->columns[i];
    if (column->number < TK_COL_FIRST_ATTRIBUTE || column->scope != collector->scope) continue;
    if (column->in_extras && collector->filled[i] != column->value_count) {
      return tk_corrupt(collector->error, "extra attributes have %u values for column %d, not %u",
                        collector->filled[i], column->number, column->value_count);
    }
    collector->made.columns[i].kind = (enum tk_column_kind)column->kind;
  }
  return TK_OK;
}

static enum tk_status collect(struct collector *collector, const struct tk_column *rows,
                              const struct tk_column *texts) {
  enum tk_status status = allocate_columns(collector);
  for (uint32_t i = 0; rows && i < rows->value_count; i++) {
    collector->total_bytes += tk_column_text(texts, i).size;
  }
  for (uint32_t i = 0; status == TK_OK && rows && i < rows->value_count; i++) {
    status = collect_item(collector, (uint32_t)tk_ints_at(rows->ints, i), tk_column_text(texts, i));
  }
  if (status == TK_OK) status = check_collected(collector);
  tk_arena_reset(&collector->scratch);
  return tk_segment_blame(collector->segment, TK_NO_COLUMN, status, collector->error);
}

static enum tk_status load_extras(struct tk_reader *reader, const struct tk_segment *segment,
                                  uint8_t scope, struct tk_error *error) {
  struct tk_segment_state *state = segment->state;
  struct collector collector = {.segment = segment, .scope = scope, .error = error};
  const struct tk_column *rows = NULL;
  const struct tk_column *texts = NULL;
  const uint32_t row_index = segment->fixed[scope_columns[scope].extra_row];
  const uint32_t text_index = segment->fixed[scope_columns[scope].extra];
  enum tk_status status = TK_OK;

  if (row_index != TK_NO_COLUMN) {
    const uint32_t count = segment->columns[row_index].value_count;
    status = tk_reader_values(reader, segment, row_index, 0, count, &rows, error);
    if (status == TK_OK) {
      status = tk_reader_values(reader, segment, text_index, 0, count, &texts, error);
    }
  }
  if (status == TK_OK) status = collect(&collector, rows, texts);

  uint64_t kept = 0;
  if (status == TK_OK) {
    struct tk_extra_columns *extras = &state->extras[scope];
    pthread_mutex_lock(&state->mutex);
    if (!atomic_load(&extras->loaded)) {
      kept = collector.made.arena.total_bytes;
      extras->arena = collector.made.arena;
      extras->columns = collector.made.columns;
      extras->items = collector.made.items;
      collector.made.arena = (struct tk_arena){0}; /* moved */
      atomic_store_explicit(&extras->loaded, true, memory_order_release);
    }
    pthread_mutex_unlock(&state->mutex);
  }
  if (kept > 0) tk_segment_cache_charge(state, kept);
  tk_arena_reset(&collector.made.arena);
  return status;
}

enum tk_status tk_segment_extra_column(struct tk_reader *reader, const struct tk_segment *segment,
                                       uint32_t index, const struct tk_column **column_out,
                                       const uint32_t **items_out, struct tk_error *error) {
  const uint8_t scope = segment->columns[index].scope;
  struct tk_extra_columns *extras = &segment->state->extras[scope];
  if (!atomic_load_explicit(&extras->loaded, memory_order_acquire)) {
    enum tk_status status = load_extras(reader, segment, scope, error);
    if (status != TK_OK) return status;
  }
  *column_out = &extras->columns[index];
  if (items_out) *items_out = extras->items[index];
  return TK_OK;
}
