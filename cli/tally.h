/* Counts of things by name: a hash table that stops taking new names at a limit. */
#ifndef TK_CLI_TALLY_H
#define TK_CLI_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tk_tally_entry {
  char *name; /**< `size` bytes, and a NUL */
  uint32_t size;
  uint32_t hash;
  uint64_t count;
  uint64_t other; /**< for the caller */
};

/** Zero-initialise, with `limit` set: names beyond it are only counted in `dropped`. */
struct tk_tally {
  struct tk_tally_entry *entries;
  size_t count, capacity, limit;
  uint64_t dropped; /**< additions to names there was no room for */
};

/** Adds 1 to the name's count. NULL: there is no room for the name. Ends the program when there is
 * no memory. Valid until the next addition. */
struct tk_tally_entry *tk_tally_add(struct tk_tally *tally, const void *name, size_t size);
/** Moves the entries together, the largest counts first, then by name. Nothing can be added then.
 */
void tk_tally_sort(struct tk_tally *tally);
void tk_tally_reset(struct tk_tally *tally);

#endif
