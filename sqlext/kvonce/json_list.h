/* Lists of JSON texts in an arena, and sets of trace ids that are such lists. */
#ifndef TK_SQLEXT_KVONCE_JSON_LIST_H
#define TK_SQLEXT_KVONCE_JSON_LIST_H

#include <stdbool.h>

#include "store/codec/byte_writer.h"
#include "store/segment/interner.h"
#include "tracekeep/arena.h"

struct tk_json_item {
  struct tk_json_item *next;
  struct tk_text text;
};

struct tk_json_list {
  struct tk_json_item *first, *last;
};

/** A copy, NUL-terminated. False: out of memory. */
bool tk_copy_text(struct tk_arena *arena, struct tk_text text, struct tk_text *copy);
bool tk_json_list_append(struct tk_arena *arena, struct tk_json_list *list, struct tk_text text);
/** As a JSON array. */
void tk_json_list_write(struct tk_byte_writer *out, const struct tk_json_list *list);

/** A text that is replaced in place as long as it fits. */
struct tk_text_slot {
  struct tk_text text;
  uint32_t capacity;
};
/** data NULL empties it. False: out of memory. */
bool tk_text_slot_set(struct tk_arena *arena, struct tk_text_slot *slot, struct tk_text text);

/** Which trace ids belong to which of many lists. Zero-initialise. */
struct tk_trace_sets {
  struct tk_interner traces, pairs;
};

struct tk_trace_set {
  struct tk_json_list list; /**< each once, in the order they came */
  uint32_t latest;          /**< number + 1 */
};

void tk_trace_sets_reset(struct tk_trace_sets *sets);
/** `trace` is a canonical JSON text; what is no string, or an empty one, is left out. `set` must
 * stay where it is. */
bool tk_trace_set_add(struct tk_trace_sets *sets, struct tk_trace_set *set, struct tk_arena *arena,
                      struct tk_text trace);

#endif
