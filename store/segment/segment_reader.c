/* SPDX-License-Identifier: MIT
 * An opened segment: made from its row, its columns loaded, checked and decoded on demand.
 *
 * This is where stored bytes become arrays. A chunk is compared with its checksum, opened with what
 * the directory says about it, and the values by which others index (codes, counts, rows) are
 * checked for range as they are decoded, so that nobody who uses them has to. */
#include <stdio.h>
#include <string.h>

#include "store/codec/byte_reader.h"
#include "store/segment/membership.h"
#include "store/segment/segment_state.h"
#include "tracekeep/hash.h"

/* ---- opening ---- */

static enum tk_status check_hash(struct tk_text resources, struct tk_text scopes,
                                 struct tk_text directory, uint64_t expected,
                                 struct tk_error *error) {
  struct tk_hash hash;
  tk_hash_init(&hash);
  tk_hash_update(&hash, resources.data, resources.size);
  tk_hash_update(&hash, scopes.data, scopes.size);
  tk_hash_update(&hash, directory.data, directory.size);
  if (tk_hash_digest(&hash) == expected) return TK_OK;
  return tk_corrupt(error, "checksum of the directory does not match");
}

static enum tk_status check_summary(const struct tk_segment_summary *row,
                                    const struct tk_segment_summary *directory,
                                    struct tk_error *error) {
  if (row->span_count == directory->span_count && row->trace_count == directory->trace_count &&
      row->event_count == directory->event_count && row->link_count == directory->link_count &&
      row->error_count == directory->error_count && row->start_min == directory->start_min &&
      row->start_max == directory->start_max && row->end_max == directory->end_max &&
      row->duration_min == directory->duration_min &&
      row->duration_max == directory->duration_max && row->raw_bytes == directory->raw_bytes) {
    return TK_OK;
  }
  return tk_corrupt(error, "counts or times of the row differ from those of the directory");
}

static enum tk_status parse_ids(struct tk_text bytes, uint32_t count, const char *what,
                                struct tk_arena *arena, const int64_t **ids_out,
                                struct tk_error *error) {
  struct tk_byte_reader reader;
  int64_t *ids = tk_arena_alloc(arena, count * sizeof *ids);
  if (!ids) return tk_nomem(error);
  tk_byte_reader_init(&reader, bytes.data, bytes.size);
  for (uint32_t i = 0; i < count; i++) {
    ids[i] = (int64_t)tk_byte_reader_varint_max(&reader, INT64_MAX);
  }
  if (!tk_byte_reader_finished(&reader)) return tk_corrupt(error, "malformed list of %s", what);
  *ids_out = ids;
  return TK_OK;
}

static uint64_t hash_attribute(uint8_t scope, struct tk_text key, uint8_t type) {
  return tk_hash64(key.data, key.size) ^ (uint64_t)scope << 8 ^ type;
}

static enum tk_status index_columns(struct tk_segment_state *state, struct tk_error *error) {
  struct tk_segment *segment = &state->segment;
  uint32_t size = 8;
  while (size < segment->column_count * 2) size *= 2;
  state->attribute_mask = size - 1;
  state->attribute_table = tk_arena_alloc(&state->arena, size * sizeof *state->attribute_table);
  if (!state->attribute_table) return tk_nomem(error);
  memset(state->attribute_table, 0xFF, size * sizeof *state->attribute_table);
  memset(segment->fixed, 0xFF, sizeof segment->fixed);

  for (uint32_t i = 0; i < segment->column_count; i++) {
    const struct tk_segment_column *column = &segment->columns[i];
    if (column->number < TK_COL_FIRST_ATTRIBUTE) {
      segment->fixed[column->number] = i;
      continue;
    }
    uint32_t at = (uint32_t)hash_attribute(column->scope, column->key, column->type);
    while (state->attribute_table[at & state->attribute_mask] != TK_NO_COLUMN) at++;
    state->attribute_table[at & state->attribute_mask] = i;
  }
  return TK_OK;
}

uint32_t tk_segment_find_attribute(const struct tk_segment *segment, enum tk_attribute_scope scope,
                                   struct tk_text key, enum tk_value_type type) {
  const struct tk_segment_state *state = segment->state;
  uint32_t at = (uint32_t)hash_attribute((uint8_t)scope, key, (uint8_t)type);
  for (;; at++) {
    uint32_t index = state->attribute_table[at & state->attribute_mask];
    if (index == TK_NO_COLUMN) return TK_NO_COLUMN;
    const struct tk_segment_column *column = &segment->columns[index];
    if (column->scope == scope && column->type == type && column->key.size == key.size &&
        (key.size == 0 || memcmp(column->key.data, key.data, key.size) == 0)) {
      return index;
    }
  }
}

static bool allocate_set(struct tk_granule_set *set, uint32_t granule_count,
                         struct tk_arena *arena) {
  size_t size = ((size_t)granule_count / 64 + 1) * sizeof *set->words;
  set->words = tk_arena_alloc(arena, size);
  if (set->words) memset(set->words, 0, size);
  return set->words;
}

static enum tk_status create_slots(struct tk_segment_state *state, struct tk_error *error) {
  const struct tk_segment *segment = &state->segment;
  size_t size = segment->column_count * sizeof *state->slots;
  state->slots = tk_arena_alloc(&state->arena, size);
  if (!state->slots) return tk_nomem(error);
  memset(state->slots, 0, size);

  for (uint32_t i = 0; i < segment->column_count; i++) {
    const struct tk_segment_column *column = &segment->columns[i];
    struct tk_column_slot *slot = &state->slots[i];
    if (column->chunk_size > 0) continue;
    slot->column.kind = (enum tk_column_kind)column->kind; /* EMPTY: nothing to open, ever */
    slot->column.value_count = column->value_count;
    atomic_store(&slot->opened, true);
    atomic_store(&slot->decoded.all, true);
  }
  if (!allocate_set(&state->starts.filled, segment->rows.count, &state->arena) ||
      !allocate_set(&state->parents.filled, segment->rows.count, &state->arena) ||
      !allocate_set(&state->traces.filled, segment->rows.count, &state->arena)) {
    return tk_nomem(error);
  }
  return TK_OK;
}

static void describe(struct tk_segment *segment, const struct tk_segment_summary *summary,
                     const struct tk_directory *directory) {
  segment->summary = *summary;
  segment->start_model = directory->start_model;
  segment->rows = directory->rows;
  segment->granule_first_trace = directory->granule_first_trace;
  segment->granule_start_min = directory->granule_start_min;
  segment->granule_start_max = directory->granule_start_max;
  segment->resource_count = directory->resource_count;
  segment->scope_count = directory->scope_count;
  memcpy(segment->keysets, directory->keysets, sizeof segment->keysets);
  segment->columns = directory->columns;
  segment->column_count = directory->column_count;
}

static enum tk_status fill_state(struct tk_segment_state *state,
                                 const struct tk_segment_summary *summary, struct tk_text resources,
                                 struct tk_text scopes, struct tk_text directory_bytes,
                                 struct tk_error *error) {
  struct tk_segment *segment = &state->segment;
  struct tk_directory directory;
  enum tk_status status;
  if ((status = tk_directory_decode((const uint8_t *)directory_bytes.data, directory_bytes.size,
                                    &state->arena, &directory, error)) != TK_OK) {
    return status;
  }
  if ((status = check_summary(summary, &directory.summary, error)) != TK_OK) return status;
  describe(segment, summary, &directory);
  if ((status = parse_ids(resources, segment->resource_count, "resources", &state->arena,
                          &segment->resources, error)) != TK_OK) {
    return status;
  }
  if ((status = parse_ids(scopes, segment->scope_count, "scopes", &state->arena, &segment->scopes,
                          error)) != TK_OK) {
    return status;
  }
  if ((status = index_columns(state, error)) != TK_OK) return status;
  return create_slots(state, error);
}

static void destroy_locks(struct tk_segment_state *state, int decoding_count) {
  for (int i = 0; i < decoding_count; i++) pthread_mutex_destroy(&state->decoding[i]);
  pthread_mutex_destroy(&state->mutex);
}

static bool create_locks(struct tk_segment_state *state) {
  if (pthread_mutex_init(&state->mutex, NULL) != 0) return false;
  for (int i = 0; i < TK_DECODING_LOCKS; i++) {
    if (pthread_mutex_init(&state->decoding[i], NULL) == 0) continue;
    destroy_locks(state, i);
    return false;
  }
  return true;
}

enum tk_status tk_segment_state_create(const struct tk_segment_summary *summary, uint64_t hash,
                                       struct tk_text resources, struct tk_text scopes,
                                       struct tk_text directory,
                                       struct tk_segment_state **state_out,
                                       struct tk_error *error) {
  enum tk_status status = check_hash(resources, scopes, directory, hash, error);
  if (status != TK_OK) return status;
  struct tk_segment_state *state = sqlite3_malloc64(sizeof *state);
  if (!state) return tk_nomem(error);
  memset(state, 0, sizeof *state);
  if (!create_locks(state)) {
    sqlite3_free(state);
    return tk_nomem(error);
  }
  state->segment.state = state;
  state->key = (struct tk_segment_key){hash, summary->id, summary->flags};
  status = fill_state(state, summary, resources, scopes, directory, error);
  if (status != TK_OK) {
    tk_segment_state_free(state);
    return status;
  }
  state->used_bytes = sizeof *state + state->arena.total_bytes;
  *state_out = state;
  return TK_OK;
}

static void free_slot(struct tk_column_slot *slot) {
  tk_column_close(&slot->column);
  sqlite3_free(slot->chunk);
  sqlite3_free(slot->ends);
  sqlite3_free(slot->filter);
  sqlite3_free(slot->in_keyset);
  sqlite3_free(slot->value_index.data);
  sqlite3_free(slot->value_index.filled.words);
  sqlite3_free(slot->decoded.words);
}

void tk_segment_state_free(struct tk_segment_state *state) {
  for (uint32_t i = 0; state->slots && i < state->segment.column_count; i++) {
    free_slot(&state->slots[i]);
  }
  sqlite3_free(state->starts.data);
  sqlite3_free(state->parents.data);
  sqlite3_free(state->traces.data);
  sqlite3_free(state->trace_rows);
  for (int i = 0; i < 2; i++) sqlite3_free(state->first_items[i].first);
  for (int i = 0; i < 3; i++) tk_arena_reset(&state->extras[i].arena);
  tk_arena_reset(&state->arena);
  destroy_locks(state, TK_DECODING_LOCKS);
  sqlite3_free(state);
}

enum tk_status tk_segment_blame(const struct tk_segment *segment, uint32_t index,
                                enum tk_status status, struct tk_error *error) {
  if (!error || (status != TK_CORRUPT && status != TK_UNSUPPORTED)) return status;
  const struct tk_error cause = *error;
  const long long id = segment->summary.id;
  if (index == TK_NO_COLUMN) return tk_fail(error, status, "segment %lld: %s", id, cause.message);
  const struct tk_segment_column *column = &segment->columns[index];
  if (column->number < TK_COL_FIRST_ATTRIBUTE) {
    return tk_fail(error, status, "segment %lld: column %d: %s", id, column->number, cause.message);
  }
  return tk_fail(error, status, "segment %lld: column %d (\"%.*s\"): %s", id, column->number,
                 (int)(column->key.size < 100 ? column->key.size : 100), column->key.data,
                 cause.message);
}

/* ---- columns ---- */

static bool is_per_trace(uint16_t number) {
  return number <= TK_COL_TRACE_ROWS;
}

static bool is_per_row(uint16_t number) {
  return number >= TK_COL_SPAN_ID && number <= TK_COL_LINK_COUNT;
}

static enum tk_status set_granules(const struct tk_segment *segment, uint32_t index,
                                   struct tk_column_slot *slot, struct tk_error *error) {
  const struct tk_segment_column *column = &segment->columns[index];
  if (is_per_row(column->number)) {
    slot->granules = segment->rows;
    return TK_OK;
  }
  if (is_per_trace(column->number)) {
    slot->granules = (struct tk_granules){segment->granule_first_trace + 1, segment->rows.count};
    return TK_OK;
  }
  const uint32_t values = column->value_count;
  const uint32_t count = values / TK_VALUES_PER_GRANULE + (values % TK_VALUES_PER_GRANULE != 0);
  slot->ends = sqlite3_malloc64((count + 1) * sizeof *slot->ends);
  if (!slot->ends) return tk_nomem(error);
  for (uint32_t g = 0; g < count; g++) {
    slot->ends[g] = g + 1 < count ? (g + 1) * TK_VALUES_PER_GRANULE : values;
  }
  slot->granules = (struct tk_granules){slot->ends, count};
  return TK_OK;
}

static uint32_t expected_width(uint16_t number) {
  return number == TK_COL_TRACE_ID || number == TK_COL_LINK_TRACE_ID ? 16 : 8;
}

static uint32_t at_least_one(uint32_t count) {
  return count ? count : 1; /* without keysets the code 0 means "no attributes" */
}

/* What values of an INT column have to be below, because others index by them; 0: anything goes. */
static uint32_t value_limit(const struct tk_segment *segment, uint16_t number) {
  switch (number) {
    case TK_COL_TRACE_ROWS:
      return segment->summary.span_count + 1;
    case TK_COL_DEPTH:
    case TK_COL_PARENT_ROW:
    case TK_COL_EXTRA_ROW:
    case TK_COL_RESIDUAL_ROW:
      return segment->summary.span_count;
    case TK_COL_RESOURCE:
      return segment->resource_count;
    case TK_COL_SCOPE:
      return segment->scope_count;
    case TK_COL_KEYSET:
      return at_least_one(segment->keysets[TK_SCOPE_SPAN].count);
    case TK_COL_EVENT_KEYSET:
      return at_least_one(segment->keysets[TK_SCOPE_EVENT].count);
    case TK_COL_LINK_KEYSET:
      return at_least_one(segment->keysets[TK_SCOPE_LINK].count);
    case TK_COL_EVENT_COUNT:
      return segment->summary.event_count + 1;
    case TK_COL_LINK_COUNT:
      return segment->summary.link_count + 1;
    case TK_COL_TRACE_TEXT_ROW:
      return segment->summary.trace_count;
    case TK_COL_EVENT_EXTRA_ROW:
    case TK_COL_EVENT_RESIDUAL_ROW:
      return segment->summary.event_count;
    case TK_COL_LINK_EXTRA_ROW:
    case TK_COL_LINK_RESIDUAL_ROW:
      return segment->summary.link_count;
    default:
      return 0;
  }
}

/* That no value is beyond its limit follows from the range that decoding checks. */
static enum tk_status check_limit(const struct tk_segment *segment, uint32_t index,
                                  struct tk_error *error) {
  const struct tk_segment_column *column = &segment->columns[index];
  const uint64_t limit = value_limit(segment, column->number);
  if (column->kind != TK_COLUMN_INT || limit == 0 || column->value_count == 0) return TK_OK;
  if (column->int_min >= 0 && (uint64_t)column->int_max < limit) return TK_OK;
  return tk_corrupt(error, "a value is not below %llu", (unsigned long long)limit);
}

/* Takes `chunk` over, whatever it returns. */
static enum tk_status open_chunk(const struct tk_segment *segment, uint32_t index, uint8_t *chunk,
                                 struct tk_error *error) {
  const struct tk_segment_column *column = &segment->columns[index];
  struct tk_column_slot *slot = &segment->state->slots[index];
  const struct tk_int_range range = {column->int_min, column->int_max};
  struct tk_column_slot opened = {.chunk = chunk};
  enum tk_status status;

  if ((status = set_granules(segment, index, &opened, error)) != TK_OK) goto done;
  if ((status = tk_column_open(&opened.column, chunk, column->chunk_size,
                               (enum tk_column_kind)column->kind, column->value_count,
                               &opened.granules, &range, error)) != TK_OK ||
      (status = check_limit(segment, index, error)) != TK_OK) {
    goto done;
  }
  if (column->kind == TK_COLUMN_FIXED && opened.column.width != expected_width(column->number)) {
    status = tk_corrupt(error, "ids of %u bytes, expected %u", opened.column.width,
                        expected_width(column->number));
    goto done;
  }
  const size_t set_size = ((size_t)opened.granules.count / 64 + 1) * sizeof *opened.decoded.words;
  opened.decoded.words = sqlite3_malloc64(set_size);
  if (!opened.decoded.words) {
    status = tk_nomem(error);
    goto done;
  }
  memset(opened.decoded.words, 0, set_size);

  /* A second thread that opened it meanwhile has been waited for before, by the caller's lock. */
  slot->chunk = chunk;
  slot->column = opened.column;
  slot->ends = opened.ends;
  slot->granules = opened.granules;
  slot->decoded.words = opened.decoded.words;
  slot->charged_bytes = opened.column.memory_bytes;
  const size_t charged = column->chunk_size + slot->charged_bytes + set_size +
                         (slot->ends ? slot->granules.count * sizeof *slot->ends : 0);
  atomic_store(&slot->decoded.all, column->kind == TK_COLUMN_FIXED || opened.granules.count == 0);
  atomic_store_explicit(&slot->opened, true, memory_order_release);
  tk_segment_cache_charge(segment->state, charged);
  return TK_OK;

done:
  free_slot(&opened);
  return status;
}

static enum tk_status load_column(struct tk_reader *reader, const struct tk_segment *segment,
                                  uint32_t index, struct tk_error *error) {
  const struct tk_segment_column *column = &segment->columns[index];
  struct tk_segment_state *state = segment->state;
  uint8_t *chunk = NULL;
  size_t size = 0;
  enum tk_status status = tk_reader_load_chunk(reader, segment->summary.id << 16 | column->number,
                                               &chunk, &size, error);
  if (status != TK_OK) return tk_segment_blame(segment, index, status, error);
  if (size != column->chunk_size) {
    status = tk_corrupt(error, "expected a chunk of %u bytes, found %zu", column->chunk_size, size);
  } else if (tk_hash64(chunk, size) != column->chunk_hash) {
    status = tk_corrupt(error, "checksum of the chunk does not match");
  } else {
    pthread_mutex_lock(&state->mutex);
    if (!atomic_load(&state->slots[index].opened)) {
      status = open_chunk(segment, index, chunk, error);
      chunk = NULL;
    }
    pthread_mutex_unlock(&state->mutex);
  }
  sqlite3_free(chunk);
  return tk_segment_blame(segment, index, status, error);
}

enum tk_status tk_segment_open_column(struct tk_reader *reader, const struct tk_segment *segment,
                                      uint32_t index, struct tk_error *error) {
  if (index >= segment->column_count) return tk_fail(error, TK_INVALID, "no such column");
  const struct tk_column_slot *slot = &segment->state->slots[index];
  if (atomic_load_explicit(&slot->opened, memory_order_acquire)) return TK_OK;
  return load_column(reader, segment, index, error);
}

/* ---- decoding ---- */

static bool is_sparse_row(uint16_t number) {
  switch (number) {
    case TK_COL_PARENT_ROW:
    case TK_COL_EXTRA_ROW:
    case TK_COL_RESIDUAL_ROW:
    case TK_COL_TRACE_TEXT_ROW:
    case TK_COL_EVENT_EXTRA_ROW:
    case TK_COL_EVENT_RESIDUAL_ROW:
    case TK_COL_LINK_EXTRA_ROW:
    case TK_COL_LINK_RESIDUAL_ROW:
      return true;
    default:
      return false;
  }
}

static enum tk_status check_values(const struct tk_segment *segment, uint32_t index, uint32_t begin,
                                   uint32_t end, struct tk_error *error) {
  const uint16_t number = segment->columns[index].number;
  const struct tk_ints values = segment->state->slots[index].column.ints;
  if (!is_sparse_row(number)) return TK_OK;
  for (uint32_t i = begin + 1; i < end; i++) {
    if (tk_ints_at(values, i) <= tk_ints_at(values, i - 1)) {
      return tk_corrupt(error, "entries do not ascend");
    }
  }
  return TK_OK;
}

/* Sets the bit of a granule. False if it was set before. */
static bool add_granule(struct tk_granule_set *set, uint32_t granule) {
  const uint64_t bit = (uint64_t)1 << granule % 64;
  return !(atomic_fetch_or_explicit(&set->words[granule / 64].bits, bit, memory_order_release) &
           bit);
}

static void mark_decoded(struct tk_column_slot *slot, uint32_t granule) {
  slot->decoded_count += add_granule(&slot->decoded, granule);
  if (slot->decoded_count < slot->granules.count) return;
  atomic_store_explicit(&slot->decoded.all, true, memory_order_release);
}

/* With its lock held. */
static enum tk_status decode_locked(const struct tk_segment *segment, uint32_t index,
                                    uint32_t granule, struct tk_error *error) {
  struct tk_column_slot *slot = &segment->state->slots[index];
  uint32_t begin = 0;
  uint32_t end = slot->column.value_count;
  enum tk_status status;
  if (granule == TK_ALL) {
    status = tk_column_decode_all(&slot->column, error);
  } else {
    begin = granule ? slot->granules.ends[granule - 1] : 0;
    end = slot->granules.ends[granule];
    status = tk_column_decode_granule(&slot->column, granule, error);
  }
  if (status == TK_OK) status = check_values(segment, index, begin, end, error);
  if (status != TK_OK) return status;
  if (granule == TK_ALL) {
    for (uint32_t g = 0; g < slot->granules.count; g++) mark_decoded(slot, g);
  } else {
    mark_decoded(slot, granule);
  }
  return TK_OK;
}

/* What is left of the chunk once everything is decoded: nothing. With the lock held. */
static size_t release_chunk(const struct tk_segment *segment, uint32_t index) {
  struct tk_column_slot *slot = &segment->state->slots[index];
  if (!slot->chunk || !tk_granule_set_has_all(&slot->decoded) ||
      !tk_column_release_chunk(&slot->column)) {
    return 0;
  }
  sqlite3_free(slot->chunk);
  slot->chunk = NULL;
  return segment->columns[index].chunk_size;
}

enum tk_status tk_segment_decode(const struct tk_segment *segment, uint32_t index, uint32_t granule,
                                 struct tk_error *error) {
  struct tk_segment_state *state = segment->state;
  struct tk_column_slot *slot = &state->slots[index];
  if (tk_granule_set_has_all(&slot->decoded)) return TK_OK;
  if (granule != TK_ALL && tk_granule_set_has(&slot->decoded, granule)) return TK_OK;

  pthread_mutex_t *lock = &state->decoding[index % TK_DECODING_LOCKS];
  pthread_mutex_lock(lock);
  enum tk_status status = decode_locked(segment, index, granule, error);
  const size_t released = release_chunk(segment, index) + slot->charged_bytes;
  const size_t kept = slot->column.memory_bytes;
  slot->charged_bytes = kept;
  pthread_mutex_unlock(lock);
  if (kept > released) tk_segment_cache_charge(state, kept - released);
  if (kept < released) tk_segment_cache_discharge(state, released - kept);
  return status == TK_OK ? TK_OK : tk_segment_blame(segment, index, status, error);
}

/* Granule that holds value `i`: the first that ends after it. */
static uint32_t find_granule(const struct tk_granules *granules, uint32_t i) {
  uint32_t low = 0;
  uint32_t high = granules->count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (granules->ends[middle] > i) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

uint32_t tk_segment_granule_of_row(const struct tk_segment *segment, uint32_t row) {
  return find_granule(&segment->rows, row);
}

/* ---- the interface ---- */

enum tk_status tk_reader_column(struct tk_reader *reader, const struct tk_segment *segment,
                                uint32_t index, const struct tk_column **column_out,
                                struct tk_error *error) {
  if (index < segment->column_count && segment->columns[index].in_extras) {
    return tk_segment_extra_column(reader, segment, index, column_out, NULL, error);
  }
  enum tk_status status = tk_segment_open_column(reader, segment, index, error);
  if (status == TK_OK) *column_out = &segment->state->slots[index].column;
  return status;
}

enum tk_status tk_reader_values(struct tk_reader *reader, const struct tk_segment *segment,
                                uint32_t index, uint32_t begin, uint32_t end,
                                const struct tk_column **column_out, struct tk_error *error) {
  enum tk_status status = tk_reader_column(reader, segment, index, column_out, error);
  if (status != TK_OK) return status;
  if (begin > end || end > segment->columns[index].value_count) {
    return tk_fail(error, TK_INVALID, "no such values");
  }
  const struct tk_column_slot *slot = &segment->state->slots[index];
  if (begin == end || segment->columns[index].in_extras || tk_granule_set_has_all(&slot->decoded)) {
    return TK_OK;
  }
  if (begin == 0 && end == slot->column.value_count) {
    return tk_segment_decode(segment, index, TK_ALL, error);
  }
  uint32_t granule =
      slot->ends ? begin / TK_VALUES_PER_GRANULE : find_granule(&slot->granules, begin);
  for (; granule < slot->granules.count; granule++) {
    status = tk_segment_decode(segment, index, granule, error);
    if (status != TK_OK || slot->granules.ends[granule] >= end) break;
  }
  return status;
}

enum tk_status tk_reader_row_column(struct tk_reader *reader, const struct tk_segment *segment,
                                    enum tk_column_number number, uint32_t granule,
                                    const struct tk_column **column_out, struct tk_error *error) {
  const uint32_t index =
      (unsigned)number < TK_COL_FIRST_ATTRIBUTE ? segment->fixed[number] : TK_NO_COLUMN;
  *column_out = NULL;
  if (index == TK_NO_COLUMN) return TK_OK;
  if (!is_per_row((uint16_t)number) && !is_per_trace((uint16_t)number)) {
    return tk_fail(error, TK_INVALID, "column %d is not per row", (int)number);
  }
  if (granule != TK_ALL && granule >= segment->rows.count) {
    return tk_fail(error, TK_INVALID, "no such granule");
  }
  enum tk_status status = tk_segment_open_column(reader, segment, index, error);
  if (status != TK_OK) return status;
  if ((status = tk_segment_decode(segment, index, granule, error)) != TK_OK) return status;
  *column_out = &segment->state->slots[index].column;
  return TK_OK;
}

enum tk_status tk_segment_row_ints(struct tk_reader *reader, const struct tk_segment *segment,
                                   enum tk_column_number number, uint32_t granule,
                                   struct tk_ints *ints_out, struct tk_error *error) {
  const struct tk_column *column = NULL;
  enum tk_status status = tk_reader_row_column(reader, segment, number, granule, &column, error);
  *ints_out = status == TK_OK && column ? column->ints : (struct tk_ints){0};
  return status;
}

/* ---- lazy arrays ---- */

void *tk_segment_allocate(struct tk_segment_state *state, size_t count, size_t item_size) {
  const size_t size = (count ? count : 1) * item_size;
  void *data = sqlite3_malloc64(size);
  if (data) tk_segment_cache_charge(state, size);
  return data;
}

bool tk_granule_set_create(struct tk_segment_state *state, struct tk_granule_set *set,
                           uint32_t granule_count) {
  const size_t words = (size_t)granule_count / 64 + 1;
  set->words = tk_segment_allocate(state, words, sizeof *set->words);
  if (set->words) memset(set->words, 0, words * sizeof *set->words);
  return set->words;
}

enum tk_status tk_lazy_array_fill(struct tk_segment_state *state, struct tk_lazy_array *array,
                                  size_t count, size_t item_size, uint32_t granule,
                                  tk_fill_granule *fill, void *context, struct tk_error *error) {
  const struct tk_segment *segment = &state->segment;
  uint32_t g = granule == TK_ALL ? 0 : granule;
  const uint32_t end = granule == TK_ALL ? segment->rows.count : granule + 1;
  enum tk_status status = TK_OK;

  pthread_mutex_lock(&state->mutex);
  if (!array->data) array->data = tk_segment_allocate(state, count, item_size);
  if (!array->data) status = tk_nomem(error);
  for (; status == TK_OK && g < end; g++) {
    if (tk_granule_set_has(&array->filled, g)) continue;
    status = fill(state, context, g, array->data, error);
    if (status != TK_OK) break;
    array->filled_count += add_granule(&array->filled, g);
  }
  if (status == TK_OK && array->filled_count == segment->rows.count) {
    atomic_store_explicit(&array->filled.all, true, memory_order_release);
  }
  pthread_mutex_unlock(&state->mutex);
  return status;
}

/* ---- filters ---- */

static enum tk_status load_filter(struct tk_reader *reader, const struct tk_segment *segment,
                                  uint32_t index, struct tk_error *error) {
  struct tk_segment_state *state = segment->state;
  struct tk_column_slot *slot = &state->slots[index];
  uint8_t *filter = NULL;
  size_t size = 0;
  enum tk_status status = tk_reader_load_filter(
      reader, segment->summary.id << 16 | segment->columns[index].number, &filter, &size, error);
  if (status == TK_OK && !filter) status = tk_corrupt(error, "its filter is missing");
  if (status != TK_OK) return tk_segment_blame(segment, index, status, error);

  pthread_mutex_lock(&state->mutex);
  bool first = !atomic_load(&slot->filter_loaded);
  if (first) {
    slot->filter = filter;
    slot->filter_size = size;
    atomic_store_explicit(&slot->filter_loaded, true, memory_order_release);
  }
  pthread_mutex_unlock(&state->mutex);
  if (first) {
    tk_segment_cache_charge(state, size);
  } else {
    sqlite3_free(filter);
  }
  return TK_OK;
}

enum tk_status tk_reader_may_contain(struct tk_reader *reader, const struct tk_segment *segment,
                                     uint32_t index, struct tk_text text, bool *may_out,
                                     struct tk_error *error) {
  *may_out = true;
  if (index >= segment->column_count) return tk_fail(error, TK_INVALID, "no such column");
  const struct tk_segment_column *column = &segment->columns[index];
  const struct tk_column_slot *slot = &segment->state->slots[index];
  if (column->kind != TK_COLUMN_TEXT || column->in_extras) return TK_OK;
  if (atomic_load_explicit(&slot->opened, memory_order_acquire) && slot->column.has_dictionary) {
    *may_out = tk_column_find_code(&slot->column, text) != UINT32_MAX;
    return TK_OK;
  }
  if (!column->has_filter) return TK_OK;
  if (!atomic_load_explicit(&slot->filter_loaded, memory_order_acquire)) {
    enum tk_status status = load_filter(reader, segment, index, error);
    if (status != TK_OK) return status;
  }
  *may_out =
      tk_membership_may_contain(slot->filter, slot->filter_size, tk_hash64(text.data, text.size));
  return TK_OK;
}
