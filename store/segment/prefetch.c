/* SPDX-License-Identifier: MIT
 * One thread and a short queue. The thread lives as long as a scan: a loadable extension can go
 * away at any other time. It holds a reference to each segment it works on. */
#include "store/segment/prefetch.h"

#include <stdlib.h>
#include <string.h>

#include "store/segment/segment_state.h"

enum { QUEUE_MAX = 4, LEAST_SPANS = 8192 };

struct job {
  struct tk_reader *reader; /* not used: all columns are open */
  struct tk_segment_state *state;
  struct tk_prefetch_item items[TK_PREFETCH_ITEMS_MAX];
  uint32_t item_count;
  bool is_taken;
};

struct tk_prefetch {
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool stopping;
  struct job queue[QUEUE_MAX]; /* those being worked on included */
  uint32_t count;
};

/* ---- items ---- */

static const struct tk_lazy_array *array_of(const struct tk_segment_state *state,
                                            struct tk_prefetch_item item) {
  switch (item.what) {
    case TK_PREFETCH_STARTS:
      return &state->starts;
    case TK_PREFETCH_PARENTS:
      return &state->parents;
    case TK_PREFETCH_TRACES:
      return &state->traces;
    case TK_PREFETCH_VALUE_INDEX:
      return &state->slots[item.index].value_index;
    case TK_PREFETCH_COLUMN:
      break;
  }
  return NULL;
}

bool tk_prefetch_is_ready(const struct tk_segment *segment, struct tk_prefetch_item item) {
  const struct tk_lazy_array *array = array_of(segment->state, item);
  return tk_granule_set_has_all(array ? &array->filled
                                      : &segment->state->slots[item.index].decoded);
}

static bool open_fixed(struct tk_reader *reader, const struct tk_segment *segment,
                       enum tk_column_number number) {
  const uint32_t index = segment->fixed[number];
  return index == TK_NO_COLUMN || tk_segment_open_column(reader, segment, index, NULL) == TK_OK;
}

/* Loads the columns that an item is made from. */
static bool open_item(struct tk_reader *reader, const struct tk_segment *segment,
                      struct tk_prefetch_item item) {
  switch (item.what) {
    case TK_PREFETCH_COLUMN:
      return !segment->columns[item.index].in_extras &&
             tk_segment_open_column(reader, segment, item.index, NULL) == TK_OK;
    case TK_PREFETCH_VALUE_INDEX:
      return !segment->columns[item.index].in_extras &&
             segment->columns[item.index].scope == TK_SCOPE_SPAN &&
             open_fixed(reader, segment, TK_COL_KEYSET);
    case TK_PREFETCH_STARTS:
      return open_fixed(reader, segment, TK_COL_TRACE_ROWS) &&
             open_fixed(reader, segment, TK_COL_DEPTH) &&
             open_fixed(reader, segment, TK_COL_START) &&
             open_fixed(reader, segment, TK_COL_DURATION);
    case TK_PREFETCH_PARENTS:
      return open_fixed(reader, segment, TK_COL_TRACE_ROWS) &&
             open_fixed(reader, segment, TK_COL_DEPTH);
    case TK_PREFETCH_TRACES:
      return open_fixed(reader, segment, TK_COL_TRACE_ROWS);
  }
  return false;
}

static void make_item(const struct job *job, struct tk_prefetch_item item) {
  const struct tk_segment *segment = &job->state->segment;
  const int64_t *starts;
  const uint32_t *rows;
  switch (item.what) {
    case TK_PREFETCH_COLUMN:
      tk_segment_decode(segment, item.index, TK_ALL, NULL);
      break;
    case TK_PREFETCH_VALUE_INDEX:
      tk_reader_value_index(job->reader, segment, item.index, TK_ALL, &rows, NULL);
      break;
    case TK_PREFETCH_STARTS:
      tk_reader_starts(job->reader, segment, TK_ALL, &starts, NULL);
      break;
    case TK_PREFETCH_PARENTS:
      tk_reader_parents(job->reader, segment, TK_ALL, &rows, NULL);
      break;
    case TK_PREFETCH_TRACES:
      tk_reader_traces(job->reader, segment, TK_ALL, &rows, NULL);
      break;
  }
}

/* ---- jobs ---- */

/* With the lock held: the first job that nobody has begun; NULL: none. */
static struct job *take_job(struct tk_prefetch *prefetch) {
  for (uint32_t i = 0; i < prefetch->count; i++) {
    struct job *job = &prefetch->queue[i];
    if (job->is_taken) continue;
    job->is_taken = true;
    return job;
  }
  return NULL;
}

static struct job *find_job(struct tk_prefetch *prefetch, const struct tk_segment *segment) {
  for (uint32_t i = 0; i < prefetch->count; i++) {
    if (&prefetch->queue[i].state->segment == segment) return &prefetch->queue[i];
  }
  return NULL;
}

/* With the lock held. */
static void remove_job(struct tk_prefetch *prefetch, const struct tk_segment *segment) {
  struct job *job = find_job(prefetch, segment);
  if (!job) return;
  tk_segment_release(segment);
  prefetch->count--;
  memmove(job, job + 1, (size_t)(&prefetch->queue[prefetch->count] - job) * sizeof *job);
}

/* With the lock held; gives it up while it works. Jobs move when others are removed. */
static void do_job(struct tk_prefetch *prefetch, const struct job *taken) {
  const struct job job = *taken;
  for (uint32_t i = 0; i < job.item_count && !prefetch->stopping; i++) {
    pthread_mutex_unlock(&prefetch->lock);
    make_item(&job, job.items[i]);
    pthread_mutex_lock(&prefetch->lock);
  }
  remove_job(prefetch, &job.state->segment);
  pthread_cond_broadcast(&prefetch->changed);
}

static void *run_thread(void *argument) {
  struct tk_prefetch *prefetch = argument;
  pthread_mutex_lock(&prefetch->lock);
  while (!prefetch->stopping) {
    const struct job *job = take_job(prefetch);
    if (job) {
      do_job(prefetch, job);
    } else {
      pthread_cond_wait(&prefetch->changed, &prefetch->lock);
    }
  }
  pthread_mutex_unlock(&prefetch->lock);
  return NULL;
}

void tk_prefetch_await(struct tk_prefetch *prefetch, const struct tk_segment *segment) {
  const struct job *job;
  pthread_mutex_lock(&prefetch->lock);
  while ((job = find_job(prefetch, segment)) != NULL) {
    if (!job->is_taken) {
      remove_job(prefetch, segment); /* the caller is as fast, and needs perhaps less */
    } else if ((job = take_job(prefetch)) != NULL) {
      do_job(prefetch, job);
    } else {
      pthread_cond_wait(&prefetch->changed, &prefetch->lock);
    }
  }
  pthread_mutex_unlock(&prefetch->lock);
}

struct tk_prefetch *tk_prefetch_create(void) {
  if (!sqlite3_threadsafe()) return NULL; /* then memory cannot be had in two threads */
  struct tk_prefetch *prefetch = sqlite3_malloc64(sizeof *prefetch);
  if (!prefetch) return NULL;
  memset(prefetch, 0, sizeof *prefetch);
  pthread_mutex_init(&prefetch->lock, NULL);
  pthread_cond_init(&prefetch->changed, NULL);
  if (pthread_create(&prefetch->thread, NULL, run_thread, prefetch) == 0) return prefetch;
  pthread_cond_destroy(&prefetch->changed);
  pthread_mutex_destroy(&prefetch->lock);
  sqlite3_free(prefetch);
  return NULL;
}

bool tk_prefetch_has_room(struct tk_prefetch *prefetch) {
  pthread_mutex_lock(&prefetch->lock);
  const bool has_room = prefetch->count < QUEUE_MAX;
  pthread_mutex_unlock(&prefetch->lock);
  return has_room;
}

void tk_prefetch_start(struct tk_prefetch *prefetch, struct tk_reader *reader,
                       const struct tk_segment *segment, const struct tk_prefetch_item *items,
                       uint32_t item_count) {
  struct job job = {.reader = reader};
  for (uint32_t i = 0; i < item_count; i++) {
    if (open_item(reader, segment, items[i])) job.items[job.item_count++] = items[i];
  }
  if (job.item_count == 0) return;
  job.state = tk_segment_cache_find(&segment->state->key); /* one more reference */
  if (!job.state) return;
  pthread_mutex_lock(&prefetch->lock);
  if (prefetch->count < QUEUE_MAX) {
    prefetch->queue[prefetch->count++] = job;
    job.state = NULL;
    pthread_cond_broadcast(&prefetch->changed);
  }
  pthread_mutex_unlock(&prefetch->lock);
  if (job.state) tk_segment_release(&job.state->segment);
}

void tk_prefetch_free(struct tk_prefetch *prefetch) {
  if (!prefetch) return;
  pthread_mutex_lock(&prefetch->lock);
  prefetch->stopping = true;
  pthread_cond_broadcast(&prefetch->changed);
  pthread_mutex_unlock(&prefetch->lock);
  pthread_join(prefetch->thread, NULL);
  for (uint32_t i = 0; i < prefetch->count; i++) {
    tk_segment_release(&prefetch->queue[i].state->segment);
  }
  pthread_cond_destroy(&prefetch->changed);
  pthread_mutex_destroy(&prefetch->lock);
  sqlite3_free(prefetch);
}

uint32_t tk_prefetch_least_spans(void) {
  const char *text = getenv("TRACEKEEP_READ_AHEAD");
  if (!text || !*text) return LEAST_SPANS;
  const unsigned long spans = strtoul(text, NULL, 10);
  return spans == 0 || spans > UINT32_MAX ? UINT32_MAX : (uint32_t)spans;
}
