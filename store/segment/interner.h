/* Distinct byte strings, numbered in the order they first came. */
#ifndef TK_STORE_INTERNER_H
#define TK_STORE_INTERNER_H

#include <stdbool.h>

#include "tracekeep/span.h"

struct tk_interner {
  struct tk_text *items; /**< borrowed texts */
  uint64_t *hashes;
  uint32_t count, capacity;
  uint32_t *slots; /**< open addressing: item + 1 */
  uint32_t slot_count;
};

#define TK_INTERNER_FAILED UINT32_MAX

/** Number of `text`; *is_new says whether it came for the first time (its bytes must then stay).
 * TK_INTERNER_FAILED when out of memory. Zero-initialise the interner. */
uint32_t tk_interner_add(struct tk_interner *interner, struct tk_text text, bool *is_new);
void tk_interner_reset(struct tk_interner *interner);

#endif
