/** @file arena.h  Memory that is handed out piece by piece and given back all at once. */
#ifndef TRACEKEEP_ARENA_H
#define TRACEKEEP_ARENA_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tk_arena_chunk;

/** Zero-initialise (`= {0}`) before first use. Not thread-safe: one owner at a time. */
struct tk_arena {
  struct tk_arena_chunk *chunks; /**< newest first */
  char *next;                    /**< free bytes of the newest chunk begin here */
  size_t left;                   /**< and there are this many of them */
  size_t total_bytes;            /**< of all chunks, as allocated */
};

/** `size` bytes aligned to 8, uninitialised, valid until the arena is reset; NULL when out of
 * memory. A size of zero gives a valid pointer to nothing. */
void *tk_arena_alloc(struct tk_arena *arena, size_t size);

/** As tk_arena_alloc without alignment: for text and bytes. */
char *tk_arena_alloc_bytes(struct tk_arena *arena, size_t size);

/** Frees everything and leaves the arena empty and usable. */
void tk_arena_reset(struct tk_arena *arena);

#ifdef __cplusplus
}
#endif
#endif
