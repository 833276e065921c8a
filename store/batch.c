/* SPDX-License-Identifier: MIT
 * Life of a batch, and the id of traces that are named by text. A batch's arrays are arena memory,
 * whoever filled them, so freeing it is freeing the arena. */
#include "store/sqlite_api.h"
#include "tracekeep/hash.h"
#include "tracekeep/span.h"

struct tk_batch *tk_batch_create(void) {
  struct tk_batch *batch = sqlite3_malloc64(sizeof *batch);
  if (batch) *batch = (struct tk_batch){0};
  return batch;
}

void tk_batch_free(struct tk_batch *batch) {
  if (!batch) return;
  tk_arena_reset(&batch->arena);
  sqlite3_free(batch);
}

static void write_u64(uint8_t *bytes, uint64_t value) {
  for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(value >> (8 * i));
}

void tk_trace_id_from_text(struct tk_text text, uint8_t trace_id[16]) {
  struct tk_hash hash;
  tk_hash_init(&hash);
  tk_hash_update(&hash, text.data, text.size);
  write_u64(trace_id, tk_hash_digest(&hash));
  tk_hash_update(&hash, "\1", 1);
  write_u64(trace_id + 8, tk_hash_digest(&hash));
}
