/* SPDX-License-Identifier: MIT
 * The hot loop of encoding: about ten attributes a span pass here twice. The first pass resolves
 * each attribute to its column and remembers the answer, so that the second only moves values. */
#include "store/segment/attribute_shredder.h"

#include <stdlib.h>
#include <string.h>

#include "store/codec/byte_writer.h"
#include "store/codec/value_codec.h"
#include "store/segment/interner.h"
#include "store/sqlite_api.h"

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

enum { TYPE_COUNT = TK_VALUE_BYTES + 1 };

struct tk_shredder_state {
  struct cached_key cache[POINTER_CACHE];
  struct tk_interner keys[TYPE_COUNT]; /* by value type */
  uint32_t *columns_of[TYPE_COUNT];    /* interned key -> column */
  uint32_t columns_of_capacity[TYPE_COUNT];
  uint32_t column_capacity;
  uint16_t *references; /* per attribute: column, or EXTRA */
  uint64_t reference_count, reference_capacity, reference_next;
  struct tk_interner keyset_interner; /* over the bytes of the columns */
  uint32_t keyset_capacity;
  uint32_t *keyset; /* of the item at hand */
  uint32_t keyset_scratch_capacity;
  uint32_t items_counted, items_added, extra_capacity;
  uint32_t granule_count;
  uint16_t *renumbered; /* first-seen column -> sorted column */
  struct tk_byte_writer scratch;
};

/* Reallocates an array of elements of `size` bytes; false when out of memory. */
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

/* Makes room for one more element; capacities double. */
static bool reserve_one(void *array_pointer, uint32_t count, uint32_t *capacity, size_t size) {
  if (count < *capacity) return true;
  const uint32_t larger = *capacity ? *capacity * 2 : 64;
  if (!grow(array_pointer, larger, size)) return false;
  *capacity = larger;
  return true;
}

static uint32_t add_column(struct tk_shredder *shredder, struct tk_text key, uint32_t type) {
  if (!reserve_one(&shredder->columns, shredder->column_count, &shredder->state->column_capacity,
                   sizeof *shredder->columns)) {
    shredder->failed = true;
    return EXTRA;
  }
  shredder->columns[shredder->column_count] =
      (struct tk_shredded_column){.key = key, .type = (uint8_t)type, .last_item = UINT32_MAX};
  return shredder->column_count++;
}

/* Column of (key, type), new if need be; EXTRA when there are too many, and when out of memory. */
static uint32_t resolve_key(struct tk_shredder *shredder, struct tk_text key, uint32_t type) {
  struct tk_shredder_state *state = shredder->state;
  bool is_new = false;
  const uint32_t known = tk_interner_add(&state->keys[type], key, &is_new);
  if (known == TK_INTERNER_FAILED ||
      !reserve_one(&state->columns_of[type], known, &state->columns_of_capacity[type],
                   sizeof *state->columns_of[type])) {
    shredder->failed = true;
    return EXTRA;
  }
  if (is_new) {
    state->columns_of[type][known] =
        shredder->column_count < MAX_KNOWN_COLUMNS ? add_column(shredder, key, type) : EXTRA;
  }
  return state->columns_of[type][known];
}

static uint32_t find_column(struct tk_shredder *shredder, const struct tk_attribute *attribute) {
  const uintptr_t address = (uintptr_t)attribute->key.data;
  const uint32_t type = attribute->value.type;
  const size_t line = (address ^ address >> 9 ^ (uintptr_t)type * 257u) % POINTER_CACHE;
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
    uint64_t capacity =
        state->reference_capacity * 2 > wanted ? state->reference_capacity * 2 : wanted + 4096;
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
    column->texts = tk_arena_alloc(shredder->arena, column->value_count * sizeof *column->texts);
    return column->texts != NULL;
  }
  column->ints = tk_arena_alloc(shredder->arena, column->value_count * sizeof *column->ints);
  return column->ints != NULL;
}

/* Sorts the columns by key and type, so that the segment does not depend on which came first. */
static bool sort_columns(struct tk_shredder *shredder) {
  struct tk_shredder_state *state = shredder->state;
  const uint32_t count = shredder->column_count;
  struct tk_shredded_column *sorted = tk_arena_alloc(shredder->arena, count * sizeof *sorted);
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

/* Code of the keyset in state->keyset. */
static uint32_t intern_keyset(struct tk_shredder *shredder, uint32_t count) {
  struct tk_shredder_state *state = shredder->state;
  struct tk_text bytes = {(const char *)state->keyset, count * (uint32_t)sizeof *state->keyset};
  bool is_new = false;
  const uint32_t code = tk_interner_add(&state->keyset_interner, bytes, &is_new);
  if (code == TK_INTERNER_FAILED) {
    shredder->failed = true;
    return 0;
  }
  if (!is_new) return code;
  uint32_t *columns = tk_arena_alloc(shredder->arena, bytes.size);
  if (!columns || !reserve_one(&shredder->keysets, shredder->keyset_count, &state->keyset_capacity,
                               sizeof *shredder->keysets)) {
    shredder->failed = true;
    return 0;
  }
  if (count) memcpy(columns, state->keyset, bytes.size);
  state->keyset_interner.items[code].data = (const char *)columns; /* the copy stays */
  shredder->keysets[shredder->keyset_count++] = (struct tk_shredded_keyset){columns, count};
  return code;
}

static bool reserve_keyset(struct tk_shredder_state *state, uint32_t count) {
  if (count < state->keyset_scratch_capacity) return true;
  const uint32_t capacity = count * 2 + 64;
  if (!grow(&state->keyset, capacity, sizeof *state->keyset)) return false;
  state->keyset_scratch_capacity = capacity;
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
  if (!reserve_keyset(state, attributes->count)) {
    shredder->failed = true;
    return;
  }
  uint32_t count = 0;
  for (uint32_t i = 0; i < attributes->count; i++) {
    if (references[i] == EXTRA) continue;
    const uint16_t index = state->renumbered[references[i]];
    struct tk_shredded_column *column = &shredder->columns[index];
    if (column->in_extras) continue;
    state->keyset[count++] = index;
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
    for (int type = 0; type < TYPE_COUNT; type++) {
      tk_interner_reset(&state->keys[type]);
      sqlite3_free(state->columns_of[type]);
    }
    tk_interner_reset(&state->keyset_interner);
    sqlite3_free(state->keyset);
    sqlite3_free(state->references);
    sqlite3_free(state->renumbered);
    tk_byte_writer_reset(&state->scratch);
    sqlite3_free(state);
  }
  sqlite3_free(shredder->keysets);
  sqlite3_free(shredder->extra_rows);
  sqlite3_free(shredder->extras);
  *shredder = (struct tk_shredder){0};
}
