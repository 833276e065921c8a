/* Which attributes the semantic conventions require of a span.
 *
 * Keys that matter have a bit each; so have values that make further keys required. A span is then
 * a set of bits and a kind. */
#ifndef TK_SQLEXT_QUALITY_REQUIRED_H
#define TK_SQLEXT_QUALITY_REQUIRED_H

#include <stdint.h>

#include "tracekeep/span.h"

/** The bit of a key; 0: it does not matter. */
uint64_t tk_required_key_bit(struct tk_text key);

/** True if values of this key have bits too. */
int tk_required_has_values(struct tk_text key);
uint64_t tk_required_value_bit(struct tk_text key, struct tk_text value);

struct requirement {
  const char *convention, *key;
  unsigned kinds;                  /**< 1 << enum tk_span_kind */
  uint64_t when, key_bit, instead; /**< any bit of `when`: it applies; of the others: it is met */
};

/** All requirements; their number. */
unsigned tk_required_list(const struct requirement **list_out);

#endif
