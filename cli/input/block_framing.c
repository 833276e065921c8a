/* SPDX-License-Identifier: MIT
 * Blocks of text, line by line. A block is held in memory as a whole, up to the record limit. */
#include "cli/input/block_framing.h"

#include <stdio.h>
#include <string.h>

/* Moves *end from the beginning of a line behind its line end, or to the end of the input, or,
 * where that is nearer, just beyond `limit`. */
static enum tk_status find_line_end(struct tk_window *window, size_t *end, size_t limit,
                                    struct tk_error *error) {
  for (;;) {
    const enum tk_status status = tk_window_reach(window, *end, error);
    const size_t available = tk_window_available(window);
    if (status != TK_OK || *end >= available) return status;
    const char *newline = memchr(tk_window_at(window, *end), '\n', available - *end);
    *end = newline ? (size_t)(newline + 1 - tk_window_at(window, 0)) : available;
    if (newline || *end > limit) return TK_OK;
  }
}

static bool is_blank(const struct tk_window *window, size_t begin, size_t end) {
  for (size_t i = begin; i < end; i++) {
    const char byte = *tk_window_at(window, i);
    if (byte != ' ' && byte != '\t' && byte != '\r' && byte != '\n') return false;
  }
  return true;
}

/* Consumes a line without holding it. */
static enum tk_status consume_line(struct tk_window *window, struct tk_error *error) {
  enum tk_status status;
  while ((status = tk_window_reach(window, 0, error)) == TK_OK && tk_window_available(window) > 0) {
    const char *begin = tk_window_at(window, 0);
    const char *newline = memchr(begin, '\n', tk_window_available(window));
    const size_t size = newline ? (size_t)(newline + 1 - begin) : tk_window_available(window);
    tk_window_consume_line(window, size, newline != NULL);
    if (newline) break;
  }
  return status;
}

static void begin_fault(struct tk_block_framing *blocks, struct tk_window *window,
                        enum tk_rule rule, struct tk_record *record) {
  window->quoting = true;
  window->quote_size = 0;
  *record = (struct tk_record){.kind = TK_RECORD_FAULT,
                               .rule = rule,
                               .text = window->quote,
                               .message = blocks->fault_message,
                               .begin_offset = window->offset,
                               .line = window->line};
}

static void end_fault(struct tk_window *window, struct tk_record *record) {
  window->quoting = false;
  record->end_offset = window->offset;
  record->size = (uint32_t)window->quote_size;
}

/* The fault goes as far as the next line that begins a block. */
static enum tk_status emit_skipped(struct tk_block_framing *blocks, struct tk_window *window,
                                   enum tk_rule rule, struct tk_record *record,
                                   struct tk_error *error) {
  begin_fault(blocks, window, rule, record);
  enum tk_status status = consume_line(window, error);
  while (status == TK_OK && (status = tk_window_reach(window, 0, error)) == TK_OK &&
         tk_window_available(window) > 0 && *tk_window_at(window, 0) != '{') {
    status = consume_line(window, error);
  }
  end_fault(window, record);
  return status;
}

static enum tk_status emit_truncated(struct tk_block_framing *blocks, struct tk_window *window,
                                     struct tk_record *record) {
  const size_t size = tk_window_available(window);
  begin_fault(blocks, window, TK_RULE_RECORD_TRUNCATED, record);
  snprintf(blocks->fault_message, sizeof blocks->fault_message,
           "expected the rest of an object, found the end of the input after %llu bytes",
           (unsigned long long)size);
  tk_window_quote(window, tk_window_at(window, 0), size);
  end_fault(window, record);
  blocks->finished = true;
  return TK_OK;
}

static enum tk_status emit_block(struct tk_window *window, size_t size, struct tk_record *record) {
  size_t text_size = size;
  while (text_size > 0 && is_blank(window, text_size - 1, text_size)) text_size--;
  *record = (struct tk_record){.kind = TK_RECORD_WHOLE,
                               .size = (uint32_t)text_size,
                               .text = tk_window_at(window, 0),
                               .begin_offset = window->offset,
                               .line = window->line};
  tk_window_consume(window, size);
  record->end_offset = window->offset;
  return TK_OK;
}

/* An object that is printed on one line begins and ends there. */
static bool is_one_line(const struct tk_window *window, size_t end) {
  while (end > 1 && is_blank(window, end - 1, end)) end--;
  return *tk_window_at(window, end - 1) == '}';
}

/* The window is at a line that begins with '{'. */
static enum tk_status next_block(struct tk_block_framing *blocks, struct tk_window *window,
                                 struct tk_record *record, struct tk_error *error) {
  size_t end = 0;
  enum tk_status status = find_line_end(window, &end, blocks->record_limit, error);
  if (status != TK_OK) return status;
  if (end <= blocks->record_limit && is_one_line(window, end)) {
    return emit_block(window, end, record);
  }
  while (end <= blocks->record_limit) {
    status = tk_window_reach(window, end, error);
    if (status != TK_OK) return status;
    if (end >= tk_window_available(window)) return emit_truncated(blocks, window, record);
    const char first = *tk_window_at(window, end);
    status = find_line_end(window, &end, blocks->record_limit, error);
    if (status != TK_OK) return status;
    if (first == '}' && end <= blocks->record_limit) return emit_block(window, end, record);
    if (first != ' ' && first != '\t' && first != '\r' && first != '\n' && first != '}') {
      snprintf(blocks->fault_message, sizeof blocks->fault_message,
               "expected the rest of an object, found other text; skipped to the next object");
      return emit_skipped(blocks, window, TK_RULE_RECORD_TRUNCATED, record, error);
    }
  }
  snprintf(blocks->fault_message, sizeof blocks->fault_message,
           "expected a record of at most %llu bytes; skipped it",
           (unsigned long long)blocks->record_limit);
  return emit_skipped(blocks, window, TK_RULE_RECORD_TOO_LONG, record, error);
}

enum tk_status tk_block_next(struct tk_block_framing *blocks, struct tk_window *window,
                             struct tk_record *record, bool *found, struct tk_error *error) {
  *found = false;
  while (!blocks->finished) {
    size_t end = 0;
    enum tk_status status = tk_window_reach(window, 0, error);
    if (status != TK_OK) return status;
    if (tk_window_available(window) == 0) {
      blocks->finished = true;
      break;
    }
    if (*tk_window_at(window, 0) == '{') {
      *found = true;
      return next_block(blocks, window, record, error);
    }
    status = find_line_end(window, &end, blocks->record_limit, error);
    if (status != TK_OK) return status;
    if (!is_blank(window, 0, end)) {
      *found = true;
      snprintf(blocks->fault_message, sizeof blocks->fault_message,
               "expected an object as a console prints it, found other text; skipped it");
      return emit_skipped(blocks, window, TK_RULE_RECORD_UNKNOWN, record, error);
    }
    tk_window_consume(window, end);
  }
  return TK_OK;
}
