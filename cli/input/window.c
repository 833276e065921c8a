/* SPDX-License-Identifier: MIT
 * The buffer: `begin` to `end` is the window. Consumed bytes make room at the front, which is moved
 * over only when there is no other room left. */
#include "cli/input/window.h"

#include <sqlite3.h>
#include <string.h>

#include "tracekeep/json.h"

enum { READ_SIZE = 256 * 1024, FIRST_CAPACITY = 1024 * 1024 };

void tk_window_init(struct tk_window *window, struct tk_byte_source *source) {
  memset(window, 0, sizeof *window);
  window->source = source;
  window->line = 1;
  tk_hash_init(&window->hash);
}

void tk_window_reset(struct tk_window *window) {
  sqlite3_free(window->buffer);
  memset(window, 0, sizeof *window);
}

static enum tk_status make_room(struct tk_window *window, struct tk_error *error) {
  const size_t used = window->end - window->begin;
  if (window->capacity - window->end >= READ_SIZE) return TK_OK;
  if (window->begin > 0) {
    memmove(window->buffer, window->buffer + window->begin, used);
    window->begin = 0;
    window->end = used;
  }
  if (window->capacity - used >= READ_SIZE) return TK_OK;
  const size_t capacity = window->capacity ? window->capacity * 2 : FIRST_CAPACITY;
  char *buffer = sqlite3_realloc64(window->buffer, capacity + TK_JSON_PADDING);
  if (!buffer) return tk_nomem(error);
  window->buffer = buffer;
  window->capacity = capacity;
  return TK_OK;
}

static enum tk_status refill(struct tk_window *window, struct tk_error *error) {
  size_t size = 0;
  enum tk_status status = make_room(window, error);
  if (status != TK_OK) return status;
  status = tk_byte_source_read(window->source, window->buffer + window->end,
                               window->capacity - window->end, &size, error);
  window->end += size;
  window->source_ended = size == 0;
  memset(window->buffer + window->end, 0, TK_JSON_PADDING);
  return status;
}

enum tk_status tk_window_reach(struct tk_window *window, size_t position, struct tk_error *error) {
  enum tk_status status = TK_OK;
  while (status == TK_OK && position >= tk_window_available(window) && !window->source_ended) {
    status = refill(window, error);
  }
  return status;
}

void tk_window_continue(struct tk_window *window) {
  tk_byte_source_continue(window->source);
  window->source_ended = false;
}

void tk_window_quote(struct tk_window *window, const char *bytes, size_t size) {
  const size_t room = sizeof window->quote - window->quote_size;
  if (size > room) size = room;
  memcpy(window->quote + window->quote_size, bytes, size);
  window->quote_size += size;
}

static void hash_bytes(struct tk_window *window, const char *bytes, size_t size) {
  const uint64_t watched = window->watch_offset - window->offset;
  if (window->watching && window->watch_offset >= window->offset && watched <= size) {
    struct tk_hash hash = window->hash;
    tk_hash_update(&hash, bytes, (size_t)watched);
    window->watch_hash = tk_hash_digest(&hash);
    window->watching = false;
  }
  tk_hash_update(&window->hash, bytes, size);
  if (window->digest) tk_sha256_update(window->digest, bytes, size);
  if (window->quoting) tk_window_quote(window, bytes, size);
}

void tk_window_consume(struct tk_window *window, size_t size) {
  const char *bytes = tk_window_at(window, 0);
  const char *end = bytes + size;
  hash_bytes(window, bytes, size);
  while (bytes < end && (bytes = memchr(bytes, '\n', (size_t)(end - bytes)))) {
    window->line++;
    bytes++;
  }
  window->begin += size;
  window->offset += size;
}

void tk_window_consume_line(struct tk_window *window, size_t size, bool newline) {
  hash_bytes(window, tk_window_at(window, 0), size);
  window->line += newline;
  window->begin += size;
  window->offset += size;
}

void tk_window_watch(struct tk_window *window, uint64_t offset) {
  window->watch_offset = offset;
  window->watching = true;
  if (offset == window->offset) {
    window->watch_hash = tk_hash_digest(&window->hash);
    window->watching = false;
  }
}
