/* What is behind struct tk_segment: shared by the files that read segments, nobody else's business.
 *
 * One state is shared by all threads that read the segment. What is in it is one of:
 *   - fixed when the segment was opened: read freely;
 *   - filled on demand under `mutex`, values of columns under one of `decoding`, and then
 *     *published* by a release store, to a flag or to a bit of a granule set: readers that see it
 *     with an acquire load see what it stands for, and it never changes again;
 *   - the cache's own (segment_cache.c), under the cache's mutex.
 * No SQLite call is made while `mutex` is held: another connection of a shared cache could wait for
 * it while holding what the call needs. */
#ifndef TK_STORE_SEGMENT_STATE_H
#define TK_STORE_SEGMENT_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/codec/value_codec.h"
#include "store/segment/directory.h"
#include "store/segment/segment.h"

/* Which granules of something are there. */
struct tk_granule_set {
  struct tk_granule_word {
    _Atomic(uint64_t) bits;
  } * words; /**< one bit a granule */
  atomic_bool all;
};

static inline bool tk_granule_set_has(const struct tk_granule_set *set, uint32_t granule) {
  return atomic_load_explicit(&set->words[granule / 64].bits, memory_order_acquire) >>
             granule % 64 &
         1;
}

static inline bool tk_granule_set_has_all(const struct tk_granule_set *set) {
  return atomic_load_explicit(&set->all, memory_order_acquire);
}

/* An array with an entry per row (event, link), allocated at once, filled a row granule at a time.
 */
struct tk_lazy_array {
  void *data;
  struct tk_granule_set filled;
  uint32_t filled_count; /**< granules in `filled` */
};

struct tk_column_slot {
  atomic_bool opened; /**< publishes all up to `ends` */
  struct tk_column column;
  uint8_t *chunk;
  uint32_t *ends; /**< of uniform granules; NULL for others */
  struct tk_granules granules;
  struct tk_granule_set decoded;
  uint32_t decoded_count; /**< granules in `decoded`; when that is all, the chunk is let go of */
  size_t charged_bytes;   /**< of column.memory_bytes, counted already */

  atomic_bool filter_loaded;
  uint8_t *filter;
  size_t filter_size;

  atomic_bool keysets_known;
  uint8_t *in_keyset; /**< attribute columns: 1 for keysets that name the column */
  struct tk_lazy_array value_index;
};

/* Values of in_extras columns, collected from all extras of one scope. */
struct tk_extra_columns {
  atomic_bool loaded;
  struct tk_arena arena;
  struct tk_column *columns; /**< by column index; value_count 0 where not in_extras */
  uint32_t **items;          /**< by column index: the item of each value, ascending */
};

/* So that two threads can decode different columns of a segment. */
#define TK_DECODING_LOCKS 8

struct tk_segment_state {
  struct tk_segment segment;
  struct tk_arena arena;        /**< of the directory, and of what is made once when opening */
  struct tk_column_slot *slots; /**< by column index */
  uint32_t *attribute_table;    /**< hash table of column indexes, TK_NO_COLUMN where free */
  uint32_t attribute_mask;

  pthread_mutex_t mutex;
  pthread_mutex_t decoding[TK_DECODING_LOCKS]; /**< of columns, by index */
  struct tk_lazy_array starts, parents, traces;
  atomic_bool trace_rows_known;
  uint32_t *trace_rows;
  struct tk_first_items {
    atomic_bool known;
    uint32_t *first;
  } first_items[2]; /**< EVENT, LINK */
  struct tk_extra_columns extras[3];

  /* owned by segment_cache.c */
  struct tk_segment_key {
    uint64_t hash;
    int64_t id;
    uint32_t flags;
  } key;
  uint32_t references;
  bool used_again; /* after it had been given back */
  uint64_t used_bytes;
  struct tk_segment_state *next_in_bucket;
  struct tk_segment_state *newer, *older; /**< of those that nobody uses */
};

/* ---- segment_cache.c ---- */

/** The cached segment with this key, with one more reference; NULL if there is none. */
struct tk_segment_state *tk_segment_cache_find(const struct tk_segment_key *key);

/** Puts an opened segment into the cache with one reference. If another thread was first, frees
 * `state` and gives what is there. */
struct tk_segment_state *tk_segment_cache_add(struct tk_segment_state *state);

/** Counts memory that a segment in use has come to need (`state`), or that is held elsewhere
 * (NULL), and makes room for it. */
void tk_segment_cache_charge(struct tk_segment_state *state, uint64_t bytes);
/** Takes back a charge. */
void tk_segment_cache_discharge(struct tk_segment_state *state, uint64_t bytes);

/* ---- segment_reader.c ---- */

/** Opens a segment from its three blobs, which are copied. */
enum tk_status tk_segment_state_create(const struct tk_segment_summary *summary, uint64_t hash,
                                       struct tk_text resources, struct tk_text scopes,
                                       struct tk_text directory,
                                       struct tk_segment_state **state_out, struct tk_error *error);
void tk_segment_state_free(struct tk_segment_state *state);

/** Puts "segment 12: column 5 "key": " in front of the message; gives `status` back. `index` may be
 * TK_NO_COLUMN. */
enum tk_status tk_segment_blame(const struct tk_segment *segment, uint32_t index,
                                enum tk_status status, struct tk_error *error);

/** Loads and opens a column, but decodes nothing. */
enum tk_status tk_segment_open_column(struct tk_reader *reader, const struct tk_segment *segment,
                                      uint32_t index, struct tk_error *error);

/** Makes granule `granule` (of its own granules) of an opened column readable, or all (TK_ALL). */
enum tk_status tk_segment_decode(const struct tk_segment *segment, uint32_t index, uint32_t granule,
                                 struct tk_error *error);

/** Rows of a row granule; for TK_ALL all of them. */
struct tk_row_range {
  uint32_t begin, end;
};
static inline struct tk_row_range tk_segment_rows_of(const struct tk_segment *segment,
                                                     uint32_t granule) {
  struct tk_row_range range = {0, segment->summary.span_count};
  if (granule == TK_ALL) return range;
  if (granule > 0) range.begin = segment->rows.ends[granule - 1];
  range.end = segment->rows.ends[granule];
  return range;
}

/** As tk_reader_row_column, for an INT column: all 0 where it is not stored. */
enum tk_status tk_segment_row_ints(struct tk_reader *reader, const struct tk_segment *segment,
                                   enum tk_column_number number, uint32_t granule,
                                   struct tk_ints *ints_out, struct tk_error *error);

/** An array for all items, not cleared; counted for the cache. NULL: out of memory. */
void *tk_segment_allocate(struct tk_segment_state *state, size_t count, size_t item_size);

/** An empty set, counted for the cache. False: out of memory. */
bool tk_granule_set_create(struct tk_segment_state *state, struct tk_granule_set *set,
                           uint32_t granule_count);

/** Fills a lazy array. `fill` is called with the mutex held, for each row granule that is missing;
 * what it reads has to be decoded already. */
typedef enum tk_status tk_fill_granule(struct tk_segment_state *state, void *context,
                                       uint32_t granule, void *data, struct tk_error *error);
enum tk_status tk_lazy_array_fill(struct tk_segment_state *state, struct tk_lazy_array *array,
                                  size_t count, size_t item_size, uint32_t granule,
                                  tk_fill_granule *fill, void *context, struct tk_error *error);

/** True if what was asked for is there. */
static inline bool tk_lazy_array_ready(const struct tk_lazy_array *array, uint32_t granule) {
  return tk_granule_set_has_all(&array->filled) ||
         (granule != TK_ALL && tk_granule_set_has(&array->filled, granule));
}

/* ---- reader.c ---- */

/** Data of a chunk (filter), in memory of its own; a row that is not there is TK_CORRUPT. */
enum tk_status tk_reader_load_chunk(struct tk_reader *reader, int64_t chunk_id, uint8_t **bytes_out,
                                    size_t *size_out, struct tk_error *error);
enum tk_status tk_reader_load_filter(struct tk_reader *reader, int64_t filter_id,
                                     uint8_t **bytes_out, size_t *size_out, struct tk_error *error);

/* ---- segment_rows.c ---- */

/** First event (link) of a row granule, without looking at other granules where the directory says
 * it. `granule` may be the number of granules: then their count. */
enum tk_status tk_segment_first_item_of_granule(struct tk_reader *reader,
                                                const struct tk_segment *segment,
                                                enum tk_attribute_scope scope, uint32_t granule,
                                                uint32_t *item_out, struct tk_error *error);

/** Entry of the sparse column `row_column` whose row is `item`, or TK_NO_ENTRY. */
#define TK_NO_ENTRY UINT32_MAX
enum tk_status tk_segment_find_sparse(struct tk_reader *reader, const struct tk_segment *segment,
                                      enum tk_column_number row_column, uint32_t item,
                                      uint32_t *entry_out, struct tk_error *error);

/* ---- segment_attributes.c ---- */

/** An in_extras column, made of all extras of its scope. `items_out` (may be NULL): the item of
 * each value. */
enum tk_status tk_segment_extra_column(struct tk_reader *reader, const struct tk_segment *segment,
                                       uint32_t index, const struct tk_column **column_out,
                                       const uint32_t **items_out, struct tk_error *error);

#endif
