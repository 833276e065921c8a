/* SPDX-License-Identifier: MIT
 * The hot loop of encoding: about ten attributes a span pass here twice. The first pass resolves
 * each attribute to its column and remembers the answer, so that the second only moves values. */
#include "store/attribute_shredder.h"

#include <stdlib.h>
#include <string.h>

#include "store/byte_writer.h"
#include "store/sqlite_api.h"
#include "store/value_codec.h"
#include "tracekeep/hash.h"

enum {
  EXTRA = UINT16_MAX,        /* reference of an attribute that has no column */
  MAX_COLUMNS = 1024,        /* with chunks of their own, per scope */
  MAX_KNOWN_COLUMNS = 16384, /* per scope; keys beyond these are only in extras */
  POINTER_CACHE = 1024
};

/* Readers intern keys, so the same pointer comes again and again. */
struct cached_key {
  const char *data;
  uint32_t size;
  uint32_t type;
  uint32_t column;
};

struct tk_shredder_state {
  struct cached_key cache[POINTER_CACHE];
  uint32_t *key_slots; /* open addressing: column index + 1 */
  uint32_t key_slot_count;
  uint32_t column_capacity;
  uint16_t *references; /* per attribute: column, or EXTRA */
  uint64_t reference_count, reference_capacity, reference_next;
  uint32_t *keyset_slots; /* keyset index + 1 */
  uint32_t keyset_slot_count;
  uint32_t keyset_capacity, keyset_column_count, keyset_column_capacity;
  uint32_t items_counted, items_added, extra_capacity;
  uint32_t granule_count;
  uint16_t *renumbered; /* first-seen column -> sorted column */
  struct tk_byte_writer scratch;
};

/* Doubles an array of elements of `size` bytes; false when out of memory. */
static bool grow(void *array_pointer, uint64_t capacity, size_t size) {
  void *old, *larger;
  memcpy(&old, array_pointer, sizeof old);
  larger = sqlite3_realloc64(old, capacity * size);
  if (!larger) return false;
  memcpy(array_pointer, &larger, sizeof larger);
  return true;
}

void tk_shredder_init(struct tk_shredder *shredder, struct tk_arena *arena, uint32_t item_count,
                      uint32_t granule_count) {
  *shredder = (struct tk_shredder){.arena = arena, .item_count = item_count};
  shredder->state = sqlite3_malloc64(sizeof *shredder->state);
  if (!shredder->state) {
    shredder->failed = true;
    return;
  }
  memset(shredder->state, 0, sizeof *shredder->state);
  shredder->state->granule_count = granule_count;
}

/* ---- first pass: which columns are there ---- */

static uint64_t hash_key(struct tk_text key, uint32_t type) {
  return tk_hash64(key.data, key.size) + type * 0x9E3779B97F4A7C15u;
}

static bool has_key(const struct tk_shredded_column *column, struct tk_text key, uint32_t type) {
  return column->type == type && column->key.size == key.size &&
         (key.size == 0 || memcmp(column->key.data, key.data, key.size) == 0);
}

static bool rehash_keys(struct tk_shredder *shredder) {
  struct tk_shredder_state *state = shredder->state;
  const uint32_t slot_count = state->key_slot_count ? state->key_slot_count * 2 : 256;
  uint32_t *slots = sqlite3_malloc64(slot_count * sizeof *slots);
  if (!slots) return false;
  memset(slots, 0, slot_count * sizeof *slots);
  for (uint32_t c = 0; c < shredder->column_count; c++) {
    const struct tk_shredded_column *column = &shredder->columns[c];
    uint64_t slot = hash_key(column->key, column->type);
    while (slots[slot & (slot_count - 1)]) slot++;
    slots[slot & (slot_count - 1)] = c + 1;
  }
  sqlite3_free(state->key_slots);
  state->key_slots = slots;
  state->key_slot_count = slot_count;
  return true;
}

/* Column of (key, type), new if need be; EXTRA when there are too many; EXTRA and failed without
 * memory. */
static uint32_t resolve_key(struct tk_shredder *shredder, struct tk_text key, uint32_t type) {
  struct tk_shredder_state *state = shredder->state;
  if (shredder->column_count * 2 >= state->key_slot_count && !rehash_keys(shredder)) {
    shredder->failed = true;
    return EXTRA;
  }
  uint64_t slot = hash_key(key, type);
  const uint64_t mask = state->key_slot_count - 1;
  for (; state->key_slots[slot & mask]; slot++) {
    uint32_t column = state->key_slots[slot & mask] - 1;
    if (has_key(&shredder->columns[column], key, type)) return column;
  }
  if (shredder->column_count == MAX_KNOWN_COLUMNS) return EXTRA;
  if (shredder->column_count == state->column_capacity) {
    uint32_t capacity = state->column_capacity ? state->column_capacity * 2 : 64;
    if (!grow(&shredder->columns, capacity, sizeof *shredder->columns)) {
      shredder->failed = true;
      return EXTRA;
    }
    state->column_capacity = capacity;
  }
  shredder->columns[shredder->column_count] =
      (struct tk_shredded_column){.key = key, .type = (uint8_t)type, .last_item = UINT32_MAX};
  state->key_slots[slot & mask] = shredder->column_count + 1;
  return shredder->column_count++;
}

static uint32_t find_column(struct tk_shredder *shredder, const struct tk_attribute *attribute) {
  const uintptr_t address = (uintptr_t)attribute->key.data;
  const size_t line = (address ^ address >> 9 ^ attribute->value.type * 257u) % POINTER_CACHE;
  struct cached_key *cached = &shredder->state->cache[line];
  if (cached->data == attribute->key.data && cached->size == attribute->key.size &&
      cached->type == attribute->value.type && cached->data) {
    return cached->column;
  }
  uint32_t column = resolve_key(shredder, attribute->key, attribute->value.type);
  if (column != EXTRA) {
    *cached = (struct cached_key){attribute->key.data, attribute->key.size, attribute->value.type,
                                  column};
  }
  return column;
}

void tk_shredder_count(struct tk_shredder *shredder, const struct tk_attributes *attributes) {
  struct tk_shredder_state *state = shredder->state;
  if (shredder->failed) return;
  const uint32_t item = state->items_counted++;
  const uint64_t wanted = state->reference_count + attributes->count;
  if (wanted > state->reference_capacity) {
    uint64_t capacity = state->reference_capacity * 2 > wanted ? state->reference_capacity * 2
                                                               : wanted + 4096;
    if (!grow(&state->references, capacity, sizeof *state->references)) {
      shredder->failed = true;
      return;
    }
    state->reference_capacity = capacity;
  }
  for (uint32_t i = 0; i < attributes->count; i++) {
    uint32_t index = find_column(shredder, &attributes->items[i]);
    if (index != EXTRA) {
      struct tk_shredded_column *column = &shredder->columns[index];
      if (column->last_item == item) {
        index = EXTRA; /* the key again, in the same item */
      } else {
        column->last_item = item;
        column->value_count++;
      }
    }
    state->references[state->reference_count++] = (uint16_t)index;
  }
}

/* ---- between the passes: which of them are stored as columns ---- */

static int compare_columns(const void *left, const void *right, void *context) {
  const struct tk_shredded_column *columns = context;
  const struct tk_shredded_column *a = &columns[*(const uint16_t *)left];
  const struct tk_shredded_column *b = &columns[*(const uint16_t *)right];
  const uint32_t shorter = a->key.size < b->key.size ? a->key.size : b->key.size;
  int order = shorter ? memcmp(a->key.data, b->key.data, shorter) : 0;
  if (order == 0) order = (a->key.size > b->key.size) - (a->key.size < b->key.size);
  return order != 0 ? order : a->type - b->type;
}

static int compare_counts_descending(const void *left, const void *right) {
  const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
  return (a < b) - (a > b);
}

/* The smallest value count that still earns a column: rare keys cost more as chunks than as extras,
 * and there is an upper limit to the number of chunks. */
static uint32_t column_threshold(const struct tk_shredder *shredder, uint32_t *scratch) {
  uint32_t threshold = shredder->item_count / 8192;
  if (threshold < 1) threshold = 1;
  if (shredder->column_count <= MAX_COLUMNS) return threshold;
  for (uint32_t c = 0; c < shredder->column_count; c++) {
    scratch[c] = shredder->columns[c].value_count;
  }
  qsort(scratch, shredder->column_count, sizeof *scratch, compare_counts_descending);
  uint32_t limit = scratch[MAX_COLUMNS - 1] + 1;
  return limit > threshold ? limit : threshold;
}

static bool is_text(uint8_t type) {
  return type == TK_VALUE_STRING || type == TK_VALUE_BYTES || type == TK_VALUE_ARRAY ||
         type == TK_VALUE_KVLIST;
}

static bool allocate_values(struct tk_shredder *shredder, struct tk_shredded_column *column) {
  const size_t granules = shredder->state->granule_count;
  if (column->in_extras) return true;
  column->granule_first_value =
      tk_arena_alloc(shredder->arena, granules * sizeof *column->granule_first_value);
  if (!column->granule_first_value) return false;
  if (column->type == TK_VALUE_EMPTY) return true;
  if (is_text(column->type)) {
    column->texts =
        tk_arena_alloc(shredder->arena, column->value_count * sizeof *column->texts);
    return column->texts != NULL;
  }
  column->ints = tk_arena_alloc(shredder->arena, column->value_count * sizeof *column->ints);
  return column->ints != NULL;
}

/* Sorts the columns by key and type, so that the segment does not depend on which came first. */
static bool sort_columns(struct tk_shredder *shredder) {
  struct tk_shredder_state *state = shredder->state;
  const uint32_t count = shredder->column_count;
  struct tk_shredded_column *sorted =
      tk_arena_alloc(shredder->arena, count * sizeof *sorted);
  uint16_t *sequence = sqlite3_malloc64(count * sizeof *sequence + 1);
  state->renumbered = sqlite3_malloc64(count * sizeof *state->renumbered + 1);
  const bool ok = sorted && sequence && state->renumbered;
  if (ok && count > 0) {
    for (uint32_t c = 0; c < count; c++) sequence[c] = (uint16_t)c;
    qsort_r(sequence, count, sizeof *sequence, compare_columns, shredder->columns);
    for (uint32_t c = 0; c < count; c++) {
      sorted[c] = shredder->columns[sequence[c]];
      state->renumbered[sequence[c]] = (uint16_t)c;
    }
  }
  sqlite3_free(sequence);
  sqlite3_free(shredder->columns);
  shredder->columns = sorted; /* from here on in the arena */
  state->column_capacity = 0;
  return ok;
}

void tk_shredder_plan(struct tk_shredder *shredder) {
  if (shredder->failed) return;
  const uint32_t items = shredder->item_count;
  uint32_t *scratch = sqlite3_malloc64(shredder->column_count * sizeof *scratch + 1);
  shredder->keyset_codes = tk_arena_alloc(shredder->arena, items * sizeof *shredder->keyset_codes);
  shredder->dropped_counts =
      tk_arena_alloc(shredder->arena, items * sizeof *shredder->dropped_counts);
  if (!scratch || !shredder->keyset_codes || !shredder->dropped_counts) {
    shredder->failed = true;
  } else {
    const uint32_t threshold = column_threshold(shredder, scratch);
    if (!sort_columns(shredder)) shredder->failed = true;
    for (uint32_t c = 0; c < shredder->column_count && !shredder->failed; c++) {
      struct tk_shredded_column *column = &shredder->columns[c];
      column->in_extras = column->value_count < threshold;
      if (!allocate_values(shredder, column)) shredder->failed = true;
    }
  }
  sqlite3_free(scratch);
}

/* ---- second pass: values, keysets, extras ---- */

void tk_shredder_begin_granule(struct tk_shredder *shredder, uint32_t granule) {
  for (uint32_t c = 0; c < shredder->column_count && !shredder->failed; c++) {
    struct tk_shredded_column *column = &shredder->columns[c];
    if (!column->in_extras) column->granule_first_value[granule] = column->filled;
  }
}

static struct tk_text keep_scratch(struct tk_shredder *shredder) {
  struct tk_byte_writer *scratch = &shredder->state->scratch;
  char *copy = scratch->failed ? NULL : tk_arena_alloc_bytes(shredder->arena, scratch->size);
  struct tk_text text = {copy, (uint32_t)scratch->size};
  if (!copy) {
    shredder->failed = true;
    return (struct tk_text){0};
  }
  if (scratch->size) memcpy(copy, scratch->data, scratch->size);
  scratch->size = 0;
  return text;
}

static void add_value(struct tk_shredder *shredder, struct tk_shredded_column *column,
                      const struct tk_value *value) {
  const uint32_t at = column->filled++;
  switch ((enum tk_value_type)column->type) {
    case TK_VALUE_EMPTY:
      break;
    case TK_VALUE_BOOL:
    case TK_VALUE_INT:
      column->ints[at] = value->as.integer;
      break;
    case TK_VALUE_DOUBLE:
      memcpy(&column->ints[at], &value->as.real, sizeof column->ints[at]);
      break;
    case TK_VALUE_STRING:
    case TK_VALUE_BYTES:
      column->texts[at] = (struct tk_text){value->as.text, value->size};
      break;
    case TK_VALUE_ARRAY:
    case TK_VALUE_KVLIST:
      tk_value_encode(&shredder->state->scratch, value);
      column->texts[at] = keep_scratch(shredder);
      break;
  }
}

static uint64_t hash_keyset(const uint32_t *columns, uint32_t count) {
  uint64_t hash = count;
  for (uint32_t i = 0; i < count; i++) {
    hash = (hash ^ columns[i]) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 29;
  }
  return hash;
}

static bool is_keyset(const struct tk_shredder *shredder, uint32_t keyset, const uint32_t *columns,
                      uint32_t count) {
  const struct tk_shredded_keyset *known = &shredder->keysets[keyset];
  return known->count == count && memcmp(shredder->keyset_columns + known->first, columns,
                                         count * sizeof *columns) == 0;
}

static bool rehash_keysets(struct tk_shredder *shredder) {
  struct tk_shredder_state *state = shredder->state;
  const uint32_t slot_count = state->keyset_slot_count ? state->keyset_slot_count * 2 : 256;
  uint32_t *slots = sqlite3_malloc64(slot_count * sizeof *slots);
  if (!slots) return false;
  memset(slots, 0, slot_count * sizeof *slots);
  for (uint32_t k = 0; k < shredder->keyset_count; k++) {
    const struct tk_shredded_keyset *keyset = &shredder->keysets[k];
    uint64_t slot = hash_keyset(shredder->keyset_columns + keyset->first, keyset->count);
    while (slots[slot & (slot_count - 1)]) slot++;
    slots[slot & (slot_count - 1)] = k + 1;
  }
  sqlite3_free(state->keyset_slots);
  state->keyset_slots = slots;
  state->keyset_slot_count = slot_count;
  return true;
}

/* Code of the keyset that stands in the `count` entries after the known ones in keyset_columns. */
static uint32_t intern_keyset(struct tk_shredder *shredder, uint32_t count) {
  struct tk_shredder_state *state = shredder->state;
  const uint32_t *columns = shredder->keyset_columns + state->keyset_column_count;
  if (shredder->keyset_count * 2 >= state->keyset_slot_count && !rehash_keysets(shredder)) {
    shredder->failed = true;
    return 0;
  }
  const uint64_t mask = state->keyset_slot_count - 1;
  uint64_t slot = hash_keyset(columns, count);
  for (; state->keyset_slots[slot & mask]; slot++) {
    uint32_t keyset = state->keyset_slots[slot & mask] - 1;
    if (is_keyset(shredder, keyset, columns, count)) return keyset;
  }
  if (shredder->keyset_count == state->keyset_capacity) {
    uint32_t capacity = state->keyset_capacity ? state->keyset_capacity * 2 : 64;
    if (!grow(&shredder->keysets, capacity, sizeof *shredder->keysets)) {
      shredder->failed = true;
      return 0;
    }
    state->keyset_capacity = capacity;
  }
  shredder->keysets[shredder->keyset_count] =
      (struct tk_shredded_keyset){state->keyset_column_count, count};
  state->keyset_column_count += count;
  state->keyset_slots[slot & mask] = shredder->keyset_count + 1;
  return shredder->keyset_count++;
}

static bool reserve_keyset(struct tk_shredder *shredder, uint32_t count) {
  struct tk_shredder_state *state = shredder->state;
  const uint32_t wanted = state->keyset_column_count + count;
  if (wanted < state->keyset_column_capacity) return true;
  uint32_t capacity = wanted * 2 + 256;
  if (!grow(&shredder->keyset_columns, capacity, sizeof *shredder->keyset_columns)) return false;
  state->keyset_column_capacity = capacity;
  return true;
}

static void add_extras(struct tk_shredder *shredder, uint32_t item) {
  struct tk_shredder_state *state = shredder->state;
  if (state->scratch.size == 0) return;
  if (shredder->extra_count == state->extra_capacity) {
    uint32_t capacity = state->extra_capacity ? state->extra_capacity * 2 : 64;
    if (!grow(&shredder->extra_rows, capacity, sizeof *shredder->extra_rows) ||
        !grow(&shredder->extras, capacity, sizeof *shredder->extras)) {
      shredder->failed = true;
      return;
    }
    state->extra_capacity = capacity;
  }
  shredder->extra_rows[shredder->extra_count] = item;
  shredder->extras[shredder->extra_count] = keep_scratch(shredder);
  shredder->extra_count++;
}

/* Extras are written in a second go, since nested values share the scratch buffer. */
static void add_extra_values(struct tk_shredder *shredder, const struct tk_attributes *attributes,
                             const uint16_t *references) {
  for (uint32_t i = 0; i < attributes->count; i++) {
    const uint16_t *renumbered = shredder->state->renumbered;
    if (references[i] == EXTRA || shredder->columns[renumbered[references[i]]].in_extras) {
      tk_extra_encode(&shredder->state->scratch, i, &attributes->items[i]);
    }
  }
}

void tk_shredder_add(struct tk_shredder *shredder, const struct tk_attributes *attributes) {
  struct tk_shredder_state *state = shredder->state;
  if (shredder->failed) return;
  const uint32_t item = state->items_added++;
  const uint16_t *references = state->references + state->reference_next;
  state->reference_next += attributes->count;
  if (!reserve_keyset(shredder, attributes->count)) {
    shredder->failed = true;
    return;
  }
  uint32_t *keyset = shredder->keyset_columns + state->keyset_column_count;
  uint32_t count = 0;
  for (uint32_t i = 0; i < attributes->count; i++) {
    if (references[i] == EXTRA) continue;
    const uint16_t index = state->renumbered[references[i]];
    struct tk_shredded_column *column = &shredder->columns[index];
    if (column->in_extras) continue;
    keyset[count++] = index;
    add_value(shredder, column, &attributes->items[i].value);
  }
  if (shredder->failed) return;
  if (count < attributes->count) {
    add_extra_values(shredder, attributes, references);
    add_extras(shredder, item);
  }
  shredder->dropped_counts[item] = attributes->dropped_count;
  shredder->keyset_codes[item] = intern_keyset(shredder, count);
}

void tk_shredder_reset(struct tk_shredder *shredder) {
  struct tk_shredder_state *state = shredder->state;
  if (state) {
    if (state->column_capacity) sqlite3_free(shredder->columns); /* never planned */
    sqlite3_free(state->key_slots);
    sqlite3_free(state->references);
    sqlite3_free(state->keyset_slots);
    sqlite3_free(state->renumbered);
    tk_byte_writer_reset(&state->scratch);
    sqlite3_free(state);
  }
  sqlite3_free(shredder->keysets);
  sqlite3_free(shredder->keyset_columns);
  sqlite3_free(shredder->extra_rows);
  sqlite3_free(shredder->extras);
  *shredder = (struct tk_shredder){0};
}
