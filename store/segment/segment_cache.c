/* SPDX-License-Identifier: MIT
 * The process-wide cache of opened segments: who uses them, what they cost, which go first.
 *
 * Every opened segment is in a hash table by its key. Those in use are counted; those nobody uses
 * are in a list, and go from its old end when the budget is exceeded. What was found here again is
 * given back to the new end. What was used once only goes to the old end, three times of four: a
 * scan of more than there is room for would else drop each segment just before its turn comes
 * again, and what others use with it. One mutex guards all of it, held for a few instructions only:
 * segments are made and freed outside. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/segment/segment_state.h"

enum { BUCKETS = 1024, KEPT_ONE_IN = 4 };
#define LEAST_DEFAULT ((uint64_t)64 << 20)
#define MEMORY_SHARE 8

static struct {
  pthread_mutex_t mutex;
  uint64_t budget;
  bool budget_known;
  uint64_t used;
  uint64_t used_once; /* how many segments that were used once have been given back */
  struct tk_segment_state *newest, *oldest; /* of those that nobody uses */
  struct tk_segment_state *buckets[BUCKETS];
} cache = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* ---- the budget ---- */

/* What a group of processes may use, where that is limited. */
static uint64_t read_group_limit(void) {
  char text[32] = "";
  FILE *file = fopen("/sys/fs/cgroup/memory.max", "re");
  if (!file) return UINT64_MAX;
  const size_t size = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  const uint64_t limit = size > 0 ? strtoull(text, NULL, 10) : 0; /* "max": 0 */
  return limit > 0 ? limit : UINT64_MAX;
}

static uint64_t read_memory(void) {
  const long pages = sysconf(_SC_PHYS_PAGES), page_size = sysconf(_SC_PAGESIZE);
  const uint64_t limit = read_group_limit();
  const uint64_t all = pages > 0 && page_size > 0 ? (uint64_t)pages * (uint64_t)page_size : 0;
  return all < limit ? all : limit;
}

/* `text` is a number of bytes, with K, M or G after it if it is of these; 0: it is not. */
static uint64_t parse_size(const char *text) {
  static const char units[] = "KkMmGg";
  char *end;
  const uint64_t number = strtoull(text, &end, 10);
  const char *unit = *end ? strchr(units, *end) : NULL;
  if (end == text || number > UINT32_MAX * (uint64_t)1024) return 0;
  if (*end == 0) return number;
  return unit && end[1] == 0 ? number << (10 * ((unit - units) / 2 + 1)) : 0;
}

static uint64_t choose_budget(void) {
  const char *text = getenv("TRACEKEEP_CACHE");
  const uint64_t wanted = text ? parse_size(text) : 0;
  if (wanted > 0) return wanted;
  const uint64_t share = read_memory() / MEMORY_SHARE;
  return share > LEAST_DEFAULT ? share : LEAST_DEFAULT;
}

/* With the mutex held. */
static uint64_t budget(void) {
  if (!cache.budget_known) cache.budget = choose_budget();
  cache.budget_known = true;
  return cache.budget;
}

/* ---- the list ---- */

/* The hash is a checksum, so any of its bits will do. */
static struct tk_segment_state **bucket_of(const struct tk_segment_key *key) {
  return &cache.buckets[key->hash % BUCKETS];
}

static bool same_key(const struct tk_segment_key *a, const struct tk_segment_key *b) {
  return a->hash == b->hash && a->id == b->id && a->flags == b->flags;
}

static void unlink_idle(struct tk_segment_state *state) {
  *(state->newer ? &state->newer->older : &cache.newest) = state->older;
  *(state->older ? &state->older->newer : &cache.oldest) = state->newer;
  state->newer = state->older = NULL;
}

static void link_newest(struct tk_segment_state *state) {
  state->older = cache.newest;
  state->newer = NULL;
  *(cache.newest ? &cache.newest->newer : &cache.oldest) = state;
  cache.newest = state;
}

static void link_oldest(struct tk_segment_state *state) {
  state->newer = cache.oldest;
  state->older = NULL;
  *(cache.oldest ? &cache.oldest->older : &cache.newest) = state;
  cache.oldest = state;
}

static void link_idle(struct tk_segment_state *state) {
  if (state->used_again || cache.used_once++ % KEPT_ONE_IN == 0) {
    link_newest(state);
  } else {
    link_oldest(state);
  }
}

static struct tk_segment_state *take(const struct tk_segment_key *key) {
  struct tk_segment_state *state = *bucket_of(key);
  while (state && !same_key(&state->key, key)) state = state->next_in_bucket;
  if (!state) return NULL;
  if (state->references++ == 0) {
    unlink_idle(state);
    state->used_again = true;
  }
  return state;
}

/* Takes idle segments out until `limit` is kept, or none is left; they are chained by
 * next_in_bucket, to be freed without the mutex. */
static struct tk_segment_state *evict(uint64_t limit) {
  struct tk_segment_state *victims = NULL;
  while (cache.used > limit && cache.oldest) {
    struct tk_segment_state *state = cache.oldest;
    struct tk_segment_state **link = bucket_of(&state->key);
    while (*link != state) link = &(*link)->next_in_bucket;
    *link = state->next_in_bucket;
    unlink_idle(state);
    cache.used -= state->used_bytes;
    state->next_in_bucket = victims;
    victims = state;
  }
  return victims;
}

static void free_victims(struct tk_segment_state *victims) {
  while (victims) {
    struct tk_segment_state *next = victims->next_in_bucket;
    tk_segment_state_free(victims);
    victims = next;
  }
}

struct tk_segment_state *tk_segment_cache_find(const struct tk_segment_key *key) {
  pthread_mutex_lock(&cache.mutex);
  struct tk_segment_state *state = take(key);
  pthread_mutex_unlock(&cache.mutex);
  return state;
}

struct tk_segment_state *tk_segment_cache_add(struct tk_segment_state *state) {
  pthread_mutex_lock(&cache.mutex);
  struct tk_segment_state *present = take(&state->key);
  struct tk_segment_state *victims;
  if (present) {
    state->next_in_bucket = NULL;
    victims = state;
  } else {
    struct tk_segment_state **bucket = bucket_of(&state->key);
    state->references = 1;
    state->next_in_bucket = *bucket;
    *bucket = state;
    cache.used += state->used_bytes;
    present = state;
    victims = evict(budget());
  }
  pthread_mutex_unlock(&cache.mutex);
  free_victims(victims);
  return present;
}

void tk_segment_cache_charge(struct tk_segment_state *state, uint64_t bytes) {
  pthread_mutex_lock(&cache.mutex);
  if (state) state->used_bytes += bytes;
  cache.used += bytes;
  struct tk_segment_state *victims = evict(budget());
  pthread_mutex_unlock(&cache.mutex);
  free_victims(victims);
}

void tk_segment_cache_discharge(struct tk_segment_state *state, uint64_t bytes) {
  pthread_mutex_lock(&cache.mutex);
  if (state) state->used_bytes -= bytes;
  cache.used -= bytes;
  pthread_mutex_unlock(&cache.mutex);
}

void tk_segment_release(const struct tk_segment *segment) {
  if (!segment) return;
  struct tk_segment_state *state = segment->state;
  struct tk_segment_state *victims = NULL;
  pthread_mutex_lock(&cache.mutex);
  if (--state->references == 0) {
    link_idle(state);
    victims = evict(budget());
  }
  pthread_mutex_unlock(&cache.mutex);
  free_victims(victims);
}

void tk_segment_cache_set_budget(uint64_t bytes) {
  pthread_mutex_lock(&cache.mutex);
  cache.budget = bytes;
  cache.budget_known = true;
  struct tk_segment_state *victims = evict(bytes);
  pthread_mutex_unlock(&cache.mutex);
  free_victims(victims);
}

uint64_t tk_segment_cache_used(void) {
  pthread_mutex_lock(&cache.mutex);
  uint64_t used = cache.used;
  pthread_mutex_unlock(&cache.mutex);
  return used;
}

void tk_segment_cache_clear(void) {
  pthread_mutex_lock(&cache.mutex);
  struct tk_segment_state *victims = evict(0);
  pthread_mutex_unlock(&cache.mutex);
  free_victims(victims);
}
