/* Attributes taken apart into columns: one column per (key, type), values only of the items (spans,
 * events or links) that have it, and one keyset code per item that says which those are, in order.
 *
 * What has no column goes to the item's *extras* (value_codec.h), with its position: keys that
 * hardly any item of the segment has, keys beyond the column limit, and the second and further
 * occurrences of a key with the same type in one item.
 *
 * Two passes, because only the counts of the first tell which keys deserve a column:
 *   tk_shredder_count for every item, tk_shredder_plan once, then tk_shredder_add for every item in
 *   the same order, with tk_shredder_begin_granule before the first item of each row granule. */
#ifndef TK_STORE_ATTRIBUTE_SHREDDER_H
#define TK_STORE_ATTRIBUTE_SHREDDER_H

#include <stdbool.h>

#include "store/segment/segment_format.h"
#include "tracekeep/span.h"

struct tk_shredded_column {
  struct tk_text key; /**< borrowed from the spans */
  uint8_t type;       /**< enum tk_value_type */
  bool in_extras;
  uint32_t value_count;
  uint32_t last_item;
  uint32_t filled;
  uint16_t directory_index; /**< set by the segment writer between plan and output */
  int64_t *ints;            /**< INT, BOOL, DOUBLE (bits) */
  struct tk_text *texts;    /**< STRING, BYTES, ARRAY, KVLIST */
  uint32_t *granule_first_value;
};

struct tk_shredded_keyset {
  const uint32_t *columns; /**< indexes into tk_shredder.columns */
  uint32_t count;
};

struct tk_shredder {
  struct tk_arena *arena;             /**< columns and values live here */
  struct tk_shredded_column *columns; /**< after plan: sorted by key, then type */
  uint32_t column_count;
  struct tk_shredded_keyset *keysets;
  uint32_t keyset_count;
  int64_t *keyset_codes; /**< per item */
  uint32_t item_count;
  int64_t *extra_rows; /**< items that have extras, ascending */
  struct tk_text *extras;
  uint32_t extra_count;
  int64_t *dropped_counts; /**< per item */
  bool failed;             /**< out of memory, at any time; sticky */
  struct tk_shredder_state *state;
};

/** `item_count`: how many items will come. */
void tk_shredder_init(struct tk_shredder *shredder, struct tk_arena *arena, uint32_t item_count,
                      uint32_t granule_count);
void tk_shredder_count(struct tk_shredder *shredder, const struct tk_attributes *attributes);
void tk_shredder_plan(struct tk_shredder *shredder);
void tk_shredder_begin_granule(struct tk_shredder *shredder, uint32_t granule);
void tk_shredder_add(struct tk_shredder *shredder, const struct tk_attributes *attributes);
/** Frees the working tables; the results stay with the arena. */
void tk_shredder_reset(struct tk_shredder *shredder);

#endif
