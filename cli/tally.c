/* SPDX-License-Identifier: MIT
 * Counts by name, in open addressing. */
#include "cli/tally.h"

#include <stdlib.h>
#include <string.h>

#include "cli/messages.h"
#include "tracekeep/hash.h"

enum { FIRST_CAPACITY = 64 };

static size_t find_slot(const struct tk_tally_entry *entries, size_t capacity, uint32_t hash,
                        const void *name, size_t size) {
  size_t slot = hash & (capacity - 1);
  while (entries[slot].name && (entries[slot].hash != hash || entries[slot].size != size ||
                                memcmp(entries[slot].name, name, size) != 0)) {
    slot = (slot + 1) & (capacity - 1);
  }
  return slot;
}

static void grow(struct tk_tally *tally) {
  const size_t capacity = tally->capacity ? tally->capacity * 2 : FIRST_CAPACITY;
  struct tk_tally_entry *grown = tk_need_memory(calloc(capacity, sizeof *grown));
  for (size_t i = 0; i < tally->capacity; i++) {
    const struct tk_tally_entry *entry = &tally->entries[i];
    if (!entry->name) continue;
    grown[find_slot(grown, capacity, entry->hash, entry->name, entry->size)] = *entry;
  }
  free(tally->entries);
  tally->entries = grown;
  tally->capacity = capacity;
}

struct tk_tally_entry *tk_tally_add(struct tk_tally *tally, const void *name, size_t size) {
  const uint32_t hash = (uint32_t)tk_hash64(name, size);
  if (tally->count >= tally->capacity / 2) grow(tally);
  struct tk_tally_entry *entry =
      &tally->entries[find_slot(tally->entries, tally->capacity, hash, name, size)];
  if (!entry->name) {
    if (tally->count >= tally->limit) {
      tally->dropped++;
      return NULL;
    }
    entry->name = tk_need_memory(malloc(size + 1));
    if (size > 0) memcpy(entry->name, name, size);
    entry->name[size] = '\0';
    entry->size = (uint32_t)size;
    entry->hash = hash;
    tally->count++;
  }
  entry->count++;
  return entry;
}

static int compare(const void *a, const void *b) {
  const struct tk_tally_entry *left = a;
  const struct tk_tally_entry *right = b;
  if (left->count != right->count) return left->count > right->count ? -1 : 1;
  return strcmp(left->name, right->name);
}

void tk_tally_sort(struct tk_tally *tally) {
  size_t count = 0;
  for (size_t i = 0; i < tally->capacity; i++) {
    if (tally->entries[i].name) tally->entries[count++] = tally->entries[i];
  }
  if (count > 0) qsort(tally->entries, count, sizeof *tally->entries, compare);
  tally->capacity = count;
}

void tk_tally_reset(struct tk_tally *tally) {
  for (size_t i = 0; i < tally->capacity; i++) free(tally->entries[i].name);
  free(tally->entries);
  *tally = (struct tk_tally){.limit = tally->limit};
}
