/* SPDX-License-Identifier: MIT
 * Bump allocation in chunks that double up to a limit. */
#include "tracekeep/arena.h"

#include <stdint.h>

#include "store/sqlite_api.h"

struct tk_arena_chunk {
  struct tk_arena_chunk *older;
};

enum { FIRST_CHUNK = 4096, LARGEST_CHUNK = 64 * 1024, ALIGNMENT = 8 };

static int add_chunk(struct tk_arena *arena, size_t wanted) {
  size_t size = arena->total_bytes < FIRST_CHUNK ? FIRST_CHUNK : arena->total_bytes;
  if (size > LARGEST_CHUNK) size = LARGEST_CHUNK;
  if (wanted > SIZE_MAX - sizeof(struct tk_arena_chunk)) return 0;
  if (size < wanted + sizeof(struct tk_arena_chunk)) size = wanted + sizeof(struct tk_arena_chunk);

  struct tk_arena_chunk *chunk = sqlite3_malloc64(size);
  if (!chunk) return 0;
  chunk->older = arena->chunks;
  arena->chunks = chunk;
  arena->next = (char *)(chunk + 1);
  arena->left = size - sizeof *chunk;
  arena->total_bytes += size;
  return 1;
}

char *tk_arena_alloc_bytes(struct tk_arena *arena, size_t size) {
  if (size > arena->left || !arena->next) {
    if (!add_chunk(arena, size)) return NULL;
  }
  char *bytes = arena->next;
  arena->next += size;
  arena->left -= size;
  return bytes;
}

void *tk_arena_alloc(struct tk_arena *arena, size_t size) {
  size_t padding = (ALIGNMENT - (uintptr_t)arena->next % ALIGNMENT) % ALIGNMENT;
  if (arena->next && padding <= arena->left && size <= arena->left - padding) {
    arena->next += padding;
    arena->left -= padding;
  } else if (!add_chunk(arena, size)) {
    return NULL;
  }
  return tk_arena_alloc_bytes(arena, size);
}

void tk_arena_reset(struct tk_arena *arena) {
  while (arena->chunks) {
    struct tk_arena_chunk *older = arena->chunks->older;
    sqlite3_free(arena->chunks);
    arena->chunks = older;
  }
  *arena = (struct tk_arena){0};
}
