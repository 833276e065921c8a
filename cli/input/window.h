/** @file window.h  A view of decoded input that moves along the stream.
 *
 * Positions count from the first byte that has not been consumed, so they survive reading more. The
 * window grows as far as somebody reaches; it knows the offset, the line and the hash of everything
 * before it. */
#ifndef TK_CLI_INPUT_WINDOW_H
#define TK_CLI_INPUT_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/input/byte_source.h"
#include "cli/input/checksum.h"
#include "tracekeep/hash.h"
#include "tracekeep/span.h"
#include "tracekeep/status.h"

struct tk_window {
  struct tk_byte_source *source;
  char *buffer;
  size_t capacity; /**< without the padding */
  size_t begin;
  size_t end;
  bool source_ended; /**< nothing comes after `end` */
  uint64_t offset;   /**< of buffer[begin] */
  uint64_t line;     /**< 1-based */
  struct tk_hash hash;
  struct tk_sha256_stream *digest; /**< of the same bytes, if not NULL */
  uint64_t watch_offset;
  uint64_t watch_hash;
  bool watching;
  bool quoting; /**< what is consumed goes to `quote`, as far as it fits */
  size_t quote_size;
  char quote[TK_ISSUE_RAW_LIMIT];
};

/** `source` stays the caller's. */
void tk_window_init(struct tk_window *window, struct tk_byte_source *source);
void tk_window_reset(struct tk_window *window);

/** Makes byte `position` readable if there is one; afterwards position < available tells. What is
 * readable is followed by TK_JSON_PADDING NULs. */
enum tk_status tk_window_reach(struct tk_window *window, size_t position, struct tk_error *error);

static inline size_t tk_window_available(const struct tk_window *window) {
  return window->end - window->begin;
}
/** Valid until the next reach. */
static inline const char *tk_window_at(const struct tk_window *window, size_t position) {
  return window->buffer + window->begin + position;
}

/** At the end of the source: more may have been appended to it. */
void tk_window_continue(struct tk_window *window);

/** Takes the first `size` bytes, which are readable, out of the window. */
void tk_window_consume(struct tk_window *window, size_t size);
/** The same where the only line end, if any, is known to be the last byte. */
void tk_window_consume_line(struct tk_window *window, size_t size, bool newline);

/** Appends to `quote` without consuming. */
void tk_window_quote(struct tk_window *window, const char *bytes, size_t size);

/** Asks for the hash of the first `offset` bytes; `watching` ends when they have been passed. */
void tk_window_watch(struct tk_window *window, uint64_t offset);

#endif
