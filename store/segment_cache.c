/* SPDX-License-Identifier: MIT
 * The process-wide cache of opened segments: who uses them, what they cost, which go first.
 *
 * Every opened segment is in a hash table by its key. Those in use are counted; those nobody uses
 * are in a list by when they were given back, and go from its old end when the budget is exceeded.
 * One mutex guards all of it, held for a few instructions only: segments are made and freed
 * outside. */
#include "store/segment_state.h"

enum { BUCKETS = 1024 };
#define DEFAULT_BUDGET ((uint64_t)256 << 20)

static struct {
  pthread_mutex_t mutex;
  uint64_t budget;
  uint64_t used;
  struct tk_segment_state *newest, *oldest; /* of those that nobody uses */
  struct tk_segment_state *buckets[BUCKETS];
} cache = {.mutex = PTHREAD_MUTEX_INITIALIZER, .budget = DEFAULT_BUDGET};

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

static void link_idle(struct tk_segment_state *state) {
  state->older = cache.newest;
  state->newer = NULL;
  *(cache.newest ? &cache.newest->newer : &cache.oldest) = state;
  cache.newest = state;
}

static struct tk_segment_state *take(const struct tk_segment_key *key) {
  struct tk_segment_state *state = *bucket_of(key);
  while (state && !same_key(&state->key, key)) state = state->next_in_bucket;
  if (!state) return NULL;
  if (state->references++ == 0) unlink_idle(state);
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
    victims = evict(cache.budget);
  }
  pthread_mutex_unlock(&cache.mutex);
  free_victims(victims);
  return present;
}

void tk_segment_cache_charge(struct tk_segment_state *state, uint64_t bytes) {
  pthread_mutex_lock(&cache.mutex);
  if (state) state->used_bytes += bytes;
  cache.used += bytes;
  struct tk_segment_state *victims = evict(cache.budget);
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
    victims = evict(cache.budget);
  }
  pthread_mutex_unlock(&cache.mutex);
  free_victims(victims);
}

void tk_segment_cache_set_budget(uint64_t bytes) {
  pthread_mutex_lock(&cache.mutex);
  cache.budget = bytes;
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
