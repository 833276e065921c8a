/* SPDX-License-Identifier: MIT
 * Open addressing over XXH64; hashes are kept, so growing never reads the texts again. */
#include "store/segment/interner.h"

#include <string.h>

#include "store/sqlite_api.h"
#include "tracekeep/hash.h"

static bool grow_slots(struct tk_interner *interner) {
  const uint32_t slot_count = interner->slot_count ? interner->slot_count * 2 : 64;
  uint32_t *slots = sqlite3_malloc64((uint64_t)slot_count * sizeof *slots);
  if (!slots) return false;
  memset(slots, 0, slot_count * sizeof *slots);
  for (uint32_t i = 0; i < interner->count; i++) {
    uint64_t slot = interner->hashes[i];
    while (slots[slot & (slot_count - 1)]) slot++;
    slots[slot & (slot_count - 1)] = i + 1;
  }
  sqlite3_free(interner->slots);
  interner->slots = slots;
  interner->slot_count = slot_count;
  return true;
}

static bool grow_items(struct tk_interner *interner) {
  const uint32_t capacity = interner->capacity ? interner->capacity * 2 : 32;
  struct tk_text *items = sqlite3_realloc64(interner->items, (uint64_t)capacity * sizeof *items);
  if (!items) return false;
  interner->items = items;
  uint64_t *hashes = sqlite3_realloc64(interner->hashes, (uint64_t)capacity * sizeof *hashes);
  if (!hashes) return false;
  interner->hashes = hashes;
  interner->capacity = capacity;
  return true;
}

uint32_t tk_interner_add(struct tk_interner *interner, struct tk_text text, bool *is_new) {
  const uint64_t hash = tk_hash64(text.data, text.size);
  *is_new = false;
  if (interner->count * 2 >= interner->slot_count && !grow_slots(interner)) {
    return TK_INTERNER_FAILED;
  }
  if (interner->count == interner->capacity && !grow_items(interner)) return TK_INTERNER_FAILED;

  const uint64_t mask = interner->slot_count - 1;
  uint64_t slot = hash;
  for (; interner->slots[slot & mask]; slot++) {
    const uint32_t i = interner->slots[slot & mask] - 1;
    if (interner->hashes[i] == hash && interner->items[i].size == text.size &&
        (text.size == 0 || memcmp(interner->items[i].data, text.data, text.size) == 0)) {
      return i;
    }
  }
  interner->slots[slot & mask] = interner->count + 1;
  interner->items[interner->count] = text;
  interner->hashes[interner->count] = hash;
  *is_new = true;
  return interner->count++;
}

void tk_interner_reset(struct tk_interner *interner) {
  sqlite3_free(interner->items);
  sqlite3_free(interner->hashes);
  sqlite3_free(interner->slots);
  *interner = (struct tk_interner){0};
}
