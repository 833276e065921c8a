/* SPDX-License-Identifier: MIT
 * Most files are lines. A line from '{' to '}' is taken as a record without looking inside, unless
 * what follows could only continue a value: after the '}' that ends a whole value no JSON goes on
 * with ',', ']' or '}'. Everything else goes through the scanner. A document that is split leaves
 * its open containers on a small stack of levels, and each call goes on from there. */
#include "cli/input/splitter.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "cli/input/block_framing.h"
#include "cli/input/framing.h"
#include "cli/input/json_scanner.h"
#include "cli/input/window.h"
#include "tracekeep/document.h"
#include "tracekeep/json.h"
#include "tracekeep/span.h"

enum { LOOK_AHEAD_LIMIT = 4096, LEVEL_LIMIT = 8, SPACE_LIMIT = 1 << 20 };

enum level_kind {
  LEVEL_DOCUMENT, /* the object that a split document is */
  LEVEL_WRAPPER,
  LEVEL_ITEMS,    /* an array of elements */
  LEVEL_DOCUMENTS /* an array of documents, at top level */
};

struct level {
  enum level_kind kind;
  const char *key; /* LEVEL_ITEMS: of the array */
  bool after_item; /* a comma or the end comes next */
};

struct tk_splitter {
  struct tk_window window;
  struct tk_framing framing;      /* for keys->binary */
  struct tk_block_framing blocks; /* for keys->blocks */
  struct tk_splitter_options options;
  const struct tk_split_keys *keys; /* may be NULL */
  const char *array_key;            /* the key of arrays that was found last */
  bool finished;
  struct level levels[LEVEL_LIMIT];
  uint32_t level_count;
  struct tk_json_scanner scanner;
  struct tk_sha256_stream digest;
  char fault_message[192];
};

static bool is_space(char byte) {
  return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

/* Moves *position behind white space. */
static enum tk_status skip_space(struct tk_splitter *splitter, size_t *position,
                                 struct tk_error *error) {
  enum tk_status status;
  while ((status = tk_window_reach(&splitter->window, *position, error)) == TK_OK &&
         *position < tk_window_available(&splitter->window) &&
         is_space(*tk_window_at(&splitter->window, *position))) {
    ++*position;
  }
  return status;
}

/* As skip_space, taking it out of the window. */
static enum tk_status consume_space(struct tk_splitter *splitter, struct tk_error *error) {
  for (;;) {
    size_t size = 0;
    const enum tk_status status = tk_window_reach(&splitter->window, 0, error);
    if (status != TK_OK) return status;
    while (size < tk_window_available(&splitter->window) &&
           is_space(*tk_window_at(&splitter->window, size)))
      size++;
    tk_window_consume(&splitter->window, size);
    if (tk_window_available(&splitter->window) > 0 || splitter->window.source_ended) return TK_OK;
  }
}

/* ---- records ---- */

/* Consumes a value that has just been scanned. */
static void consume_value(struct tk_splitter *splitter, size_t size) {
  if (splitter->scanner.has_newline) {
    tk_window_consume(&splitter->window, size);
  } else {
    tk_window_consume_line(&splitter->window, size, false);
  }
}

/* A record of the first `size` bytes, which are consumed. */
static void emit(struct tk_splitter *splitter, enum tk_record_kind kind, size_t size,
                 struct tk_record *record) {
  *record = (struct tk_record){.kind = kind,
                               .size = (uint32_t)size,
                               .text = tk_window_at(&splitter->window, 0),
                               .begin_offset = splitter->window.offset,
                               .line = splitter->window.line};
  tk_window_consume(&splitter->window, size);
  record->end_offset = splitter->window.offset;
}

/* The rest of a top-level value's line belongs to its record, if it is empty. */
static enum tk_status take_line_end(struct tk_splitter *splitter, size_t *size,
                                    struct tk_error *error) {
  size_t position = *size;
  enum tk_status status;
  while ((status = tk_window_reach(&splitter->window, position, error)) == TK_OK &&
         position < tk_window_available(&splitter->window) && position - *size < LOOK_AHEAD_LIMIT) {
    const char byte = *tk_window_at(&splitter->window, position);
    if (!is_space(byte)) return TK_OK;
    position++;
    if (byte == '\n') {
      *size = position;
      return TK_OK;
    }
  }
  return status;
}

static enum tk_status emit_top_level(struct tk_splitter *splitter, enum tk_record_kind kind,
                                     size_t text_size, struct tk_record *record,
                                     struct tk_error *error) {
  size_t size = text_size;
  const enum tk_status status = take_line_end(splitter, &size, error);
  emit(splitter, kind, size, record);
  record->size = (uint32_t)text_size;
  return status;
}

/* ---- faults ---- */

static void begin_fault(struct tk_splitter *splitter, enum tk_rule rule, struct tk_record *record) {
  splitter->window.quoting = true;
  splitter->window.quote_size = 0;
  *record = (struct tk_record){.kind = TK_RECORD_FAULT,
                               .rule = rule,
                               .text = splitter->window.quote,
                               .message = splitter->fault_message,
                               .begin_offset = splitter->window.offset,
                               .line = splitter->window.line};
}

static void end_fault(struct tk_splitter *splitter, struct tk_record *record) {
  splitter->window.quoting = false;
  record->end_offset = splitter->window.offset;
  record->size = (uint32_t)splitter->window.quote_size;
}

/* Consumes the rest of the line. */
static enum tk_status consume_to_line_end(struct tk_splitter *splitter, struct tk_error *error) {
  enum tk_status status;
  while ((status = tk_window_reach(&splitter->window, 0, error)) == TK_OK &&
         tk_window_available(&splitter->window) > 0) {
    const char *newline =
        memchr(tk_window_at(&splitter->window, 0), '\n', tk_window_available(&splitter->window));
    if (newline) {
      tk_window_consume_line(&splitter->window,
                             (size_t)(newline + 1 - tk_window_at(&splitter->window, 0)), true);
      return TK_OK;
    }
    tk_window_consume_line(&splitter->window, tk_window_available(&splitter->window), false);
  }
  return status;
}

/* A line that may begin a document. Up to `error_offset` everything looked like JSON so far, where
 * pretty-printing, too, begins lines with '{': there it must be an object that begins compactly. */
static enum tk_status at_new_document(struct tk_splitter *splitter, uint64_t error_offset,
                                      bool *result, struct tk_error *error) {
  const enum tk_status status = tk_window_reach(&splitter->window, 1, error);
  const size_t left = tk_window_available(&splitter->window);
  *result = left == 0;
  if (status != TK_OK || left == 0) return status;
  const char first = *tk_window_at(&splitter->window, 0);
  if (splitter->window.offset < error_offset) {
    *result = first == '{' && left > 1 && *tk_window_at(&splitter->window, 1) == '"';
  } else {
    *result = first == '{' || first == '[';
  }
  return TK_OK;
}

/* Goes on behind the current line, at the next that may begin a document. */
static enum tk_status resynchronise(struct tk_splitter *splitter, uint64_t error_offset,
                                    struct tk_record *record, struct tk_error *error) {
  bool found = false;
  enum tk_status status = TK_OK;
  splitter->level_count = 0;
  while (status == TK_OK && !found) {
    status = consume_to_line_end(splitter, error);
    if (status == TK_OK) status = at_new_document(splitter, error_offset, &found, error);
  }
  end_fault(splitter, record);
  return status;
}

static enum tk_status emit_garbage(struct tk_splitter *splitter, size_t position,
                                   const char *expected, struct tk_record *record,
                                   struct tk_error *error) {
  const uint64_t error_offset = splitter->window.offset + position;
  uint64_t line = splitter->window.line;
  for (size_t i = 0; i < position; i++) line += *tk_window_at(&splitter->window, i) == '\n';
  begin_fault(splitter, TK_RULE_JSON_SYNTAX, record);
  const unsigned char byte = (unsigned char)*tk_window_at(&splitter->window, position);
  char found[16];
  snprintf(found, sizeof found, byte >= 0x20 && byte < 0x7F ? "'%c'" : "byte 0x%02X", byte);
  snprintf(splitter->fault_message, sizeof splitter->fault_message,
           "line %llu, byte %llu: expected %s, found %s; skipped to the next document",
           (unsigned long long)line, (unsigned long long)error_offset, expected, found);
  return resynchronise(splitter, error_offset, record, error);
}

/* Position of the first line after the window's first that begins compactly; 0: none. */
static size_t find_later_document(const struct tk_splitter *splitter) {
  const char *next = tk_window_at(&splitter->window, 0);
  const char *end = next + tk_window_available(&splitter->window);
  while ((next = memchr(next, '\n', (size_t)(end - next)))) {
    next++;
    if (next[0] == '{' && next[1] == '"')
      return (size_t)(next - tk_window_at(&splitter->window, 0));
  }
  return 0;
}

/* The input ended within a record. Its bytes are not consumed unless something follows that may be
 * used: then the next ingest of the grown file finds the record whole. */
static enum tk_status emit_truncated(struct tk_splitter *splitter, struct tk_record *record,
                                     struct tk_error *error) {
  const size_t size = tk_window_available(&splitter->window);
  const size_t later = find_later_document(splitter);
  begin_fault(splitter, TK_RULE_RECORD_TRUNCATED, record);
  snprintf(splitter->fault_message, sizeof splitter->fault_message,
           "expected the rest of a record, found the end of the %s after %llu bytes",
           tk_byte_source_truncated(splitter->window.source)
               ? "input (its last compressed frame is cut)"
               : "input",
           (unsigned long long)size);
  if (later) return resynchronise(splitter, splitter->window.offset + size, record, error);
  tk_window_quote(&splitter->window, tk_window_at(&splitter->window, 0), size);
  end_fault(splitter, record);
  splitter->finished = true;
  return TK_OK;
}

/* A value beyond the limit: consumed as it is scanned. */
static enum tk_status emit_too_long(struct tk_splitter *splitter, struct tk_record *record,
                                    struct tk_error *error) {
  struct tk_json_scanner *scanner = &splitter->scanner;
  enum tk_status status;
  begin_fault(splitter, TK_RULE_RECORD_TOO_LONG, record);
  snprintf(splitter->fault_message, sizeof splitter->fault_message,
           "expected a record of at most %llu bytes; skipped it",
           (unsigned long long)splitter->options.record_limit);
  tk_json_scanner_init(scanner);
  while ((status = tk_window_reach(&splitter->window, 0, error)) == TK_OK &&
         tk_window_available(&splitter->window) > 0) {
    const char *begin = tk_window_at(&splitter->window, 0);
    const char *stop = tk_json_scan(scanner, begin, begin + tk_window_available(&splitter->window));
    tk_window_consume(&splitter->window, (size_t)(stop - begin));
    if (scanner->state == TK_SCAN_DONE) break;
    if (scanner->state == TK_SCAN_ERROR) {
      return resynchronise(splitter, splitter->window.offset, record, error);
    }
  }
  end_fault(splitter, record);
  return status;
}

/* ---- values ---- */

enum scan_result { SCAN_VALUE, SCAN_GARBAGE, SCAN_TRUNCATED, SCAN_TOO_LONG };

/* Moves *position from the beginning of a value behind it, or to a fault in it. */
static enum tk_status scan_value(struct tk_splitter *splitter, size_t *position,
                                 enum scan_result *result, struct tk_error *error) {
  struct tk_json_scanner *scanner = &splitter->scanner;
  tk_json_scanner_init(scanner);
  for (;;) {
    const enum tk_status status = tk_window_reach(&splitter->window, *position, error);
    if (status != TK_OK) return status;
    const char *begin = tk_window_at(&splitter->window, 0);
    const char *stop =
        tk_json_scan(scanner, begin + *position, begin + tk_window_available(&splitter->window));
    *position = (size_t)(stop - begin);
    /* First of all, or it would matter how much was read at a time. */
    *result = SCAN_TOO_LONG;
    if (*position > splitter->options.record_limit) return TK_OK;
    *result = SCAN_VALUE;
    if (scanner->state == TK_SCAN_DONE) return TK_OK;
    *result = SCAN_GARBAGE;
    if (scanner->state == TK_SCAN_ERROR) return TK_OK;
    *result = SCAN_TRUNCATED;
    if (splitter->window.source_ended && *position >= tk_window_available(&splitter->window))
      return TK_OK;
  }
}

static enum tk_status emit_scan_fault(struct tk_splitter *splitter, enum scan_result result,
                                      size_t position, struct tk_record *record,
                                      struct tk_error *error) {
  if (result == SCAN_TRUNCATED) return emit_truncated(splitter, record, error);
  if (result == SCAN_TOO_LONG) return emit_too_long(splitter, record, error);
  return emit_garbage(splitter, position, splitter->scanner.expected, record, error);
}

enum key_meaning { KEY_OTHER, KEY_ARRAY, KEY_WRAPPER, KEY_WHOLE };

/* The entry of the list that is the key, or NULL. */
static const char *find_listed(const char *const *list, const char *key, size_t size) {
  for (; *list; list++) {
    if (strlen(*list) == size && memcmp(*list, key, size) == 0) return *list;
  }
  return NULL;
}

/* `first` is the first byte of the key's value. */
static enum key_meaning find_meaning(struct tk_splitter *splitter, const char *key, size_t size,
                                     char first) {
  const struct tk_split_keys *keys = splitter->keys;
  if (!keys) return KEY_OTHER;
  if (first == '[' && (splitter->array_key = find_listed(keys->arrays, key, size))) {
    return KEY_ARRAY;
  }
  if (first == '{' && find_listed(keys->wrappers, key, size)) return KEY_WRAPPER;
  return find_listed(keys->whole, key, size) ? KEY_WHOLE : KEY_OTHER;
}

/* A member's key and colon at *position; afterwards it is at the value. */
static enum tk_status scan_key(struct tk_splitter *splitter, size_t *position,
                               enum key_meaning *meaning, enum scan_result *result,
                               struct tk_error *error) {
  const size_t begin = *position;
  enum tk_status status = tk_window_reach(&splitter->window, *position, error);
  if (status != TK_OK) return status;
  *meaning = KEY_OTHER;
  if (*position < tk_window_available(&splitter->window) &&
      *tk_window_at(&splitter->window, *position) != '"') {
    splitter->scanner.expected = "a key";
    *result = SCAN_GARBAGE;
    return TK_OK;
  }
  status = scan_value(splitter, position, result, error);
  if (status != TK_OK || *result != SCAN_VALUE) return status;
  const size_t key_end = *position;
  if ((status = skip_space(splitter, position, error)) != TK_OK) return status;
  if (*position >= tk_window_available(&splitter->window)) {
    *result = SCAN_TRUNCATED;
    return TK_OK;
  }
  if (*tk_window_at(&splitter->window, *position) != ':') {
    splitter->scanner.expected = "':' after a key";
    *result = SCAN_GARBAGE;
    return TK_OK;
  }
  ++*position;
  if ((status = skip_space(splitter, position, error)) != TK_OK) return status;
  const char *key = tk_window_at(&splitter->window, begin + 1);
  const size_t size = key_end - begin - 2;
  const char first = *position < tk_window_available(&splitter->window)
                         ? *tk_window_at(&splitter->window, *position)
                         : '\0';
  *meaning = find_meaning(splitter, key, size, first);
  return TK_OK;
}

/* Looks through an object's members for one that says how to read it. *split: at its arrays.
 * Otherwise *position is behind the object, or result says why not. */
static enum tk_status classify_document(struct tk_splitter *splitter, bool *split, size_t *position,
                                        enum scan_result *result, struct tk_error *error) {
  enum key_meaning meaning = KEY_OTHER;
  enum tk_status status = TK_OK;
  *split = false;
  *position = 1;
  *result = SCAN_VALUE;
  for (bool first = true;; first = false) {
    if ((status = skip_space(splitter, position, error)) != TK_OK) return status;
    if (*position >= tk_window_available(&splitter->window)) break;
    const char byte = *tk_window_at(&splitter->window, *position);
    if (byte == '}' || (!first && byte != ',')) break;
    if (!first) ++*position;
    if ((status = skip_space(splitter, position, error)) != TK_OK) return status;
    status = scan_key(splitter, position, &meaning, result, error);
    if (status != TK_OK || *result != SCAN_VALUE) return status;
    *split = meaning == KEY_ARRAY || meaning == KEY_WRAPPER;
    if (*split) return TK_OK;
    if (meaning == KEY_WHOLE) break;
    status = scan_value(splitter, position, result, error);
    if (status != TK_OK || *result != SCAN_VALUE) return status;
  }
  *position = 0;
  return scan_value(splitter, position, result, error);
}

/* ---- levels ---- */

static void push_level(struct tk_splitter *splitter, enum level_kind kind) {
  splitter->levels[splitter->level_count++] =
      (struct level){.kind = kind, .key = kind == LEVEL_ITEMS ? splitter->array_key : NULL};
}

static bool is_array(const struct level *level) {
  return level->kind == LEVEL_ITEMS || level->kind == LEVEL_DOCUMENTS;
}

/* The container ends here. *emitted: that was a document. */
static enum tk_status pop_level(struct tk_splitter *splitter, struct tk_record *record,
                                bool *emitted, struct tk_error *error) {
  const enum level_kind kind = splitter->levels[--splitter->level_count].kind;
  tk_window_consume(&splitter->window, 1);
  *emitted = kind == LEVEL_DOCUMENT;
  if (!*emitted) return TK_OK;
  const enum tk_status status = emit_top_level(splitter, TK_RECORD_END, 0, record, error);
  return status;
}

static enum tk_status next_item(struct tk_splitter *splitter, struct tk_record *record,
                                bool *emitted, struct tk_error *error) {
  const struct level *level = &splitter->levels[splitter->level_count - 1];
  const enum tk_record_kind kind = level->kind == LEVEL_ITEMS ? TK_RECORD_ELEMENT : TK_RECORD_WHOLE;
  enum scan_result result;
  size_t position = 0;
  if (*tk_window_at(&splitter->window, 0) == '[' && level->kind == LEVEL_DOCUMENTS &&
      splitter->level_count < LEVEL_LIMIT) {
    tk_window_consume(&splitter->window, 1);
    push_level(splitter, LEVEL_DOCUMENTS);
    return TK_OK;
  }
  const enum tk_status status = scan_value(splitter, &position, &result, error);
  if (status != TK_OK) return status;
  *emitted = true;
  if (result != SCAN_VALUE) return emit_scan_fault(splitter, result, position, record, error);
  *record = (struct tk_record){.kind = kind,
                               .size = (uint32_t)position,
                               .text = tk_window_at(&splitter->window, 0),
                               .begin_offset = splitter->window.offset,
                               .line = splitter->window.line};
  consume_value(splitter, position);
  record->end_offset = splitter->window.offset;
  return TK_OK;
}

static enum tk_status next_member(struct tk_splitter *splitter, struct tk_record *record,
                                  bool *emitted, struct tk_error *error) {
  enum key_meaning meaning;
  enum scan_result result;
  size_t position = 0;
  enum tk_status status = scan_key(splitter, &position, &meaning, &result, error);
  if (status != TK_OK) return status;
  if (result == SCAN_VALUE && splitter->level_count < LEVEL_LIMIT &&
      (meaning == KEY_ARRAY || meaning == KEY_WRAPPER)) {
    tk_window_consume(&splitter->window, position + 1);
    push_level(splitter, meaning == KEY_ARRAY ? LEVEL_ITEMS : LEVEL_WRAPPER);
    return TK_OK;
  }
  if (result == SCAN_VALUE) {
    const size_t value_begin = position;
    status = scan_value(splitter, &position, &result, error);
    if (status != TK_OK) return status;
    if (result == SCAN_TOO_LONG) tk_window_consume(&splitter->window, value_begin);
  }
  *emitted = true;
  if (result != SCAN_VALUE) return emit_scan_fault(splitter, result, position, record, error);
  emit(splitter, TK_RECORD_MEMBERS, position, record);
  return TK_OK;
}

/* Whether what comes is a document of its own: `{"resourceSpans"` among the resourceSpans of one. A
 * program that died while it wrote a line, and then appended others, leaves that. */
static enum tk_status begins_document(struct tk_splitter *splitter, const struct level *level,
                                      bool *result, struct tk_error *error) {
  *result = false;
  if (!level->key) return TK_OK;
  const size_t size = strlen(level->key);
  const enum tk_status status = tk_window_reach(&splitter->window, size + 2, error);
  if (status != TK_OK || tk_window_available(&splitter->window) < size + 3) return status;
  const char *text = tk_window_at(&splitter->window, 0);
  *result = text[0] == '{' && text[1] == '"' && text[size + 2] == '"' &&
            memcmp(text + 2, level->key, size) == 0;
  return TK_OK;
}

/* The document at hand ends where the next begins; its items so far are records already. */
static void emit_cut_document(struct tk_splitter *splitter, struct tk_record *record) {
  begin_fault(splitter, TK_RULE_RECORD_TRUNCATED, record);
  snprintf(
      splitter->fault_message, sizeof splitter->fault_message,
      "expected the rest of a document, found the beginning of the next; what came before is kept");
  splitter->level_count = 0;
  end_fault(splitter, record);
}

/* One step inside a split document or a top-level array. */
static enum tk_status step_in_level(struct tk_splitter *splitter, struct tk_record *record,
                                    bool *emitted, struct tk_error *error) {
  struct level *level = &splitter->levels[splitter->level_count - 1];
  enum tk_status status = consume_space(splitter, error);
  if (status != TK_OK) return status;
  *emitted = tk_window_available(&splitter->window) == 0;
  if (*emitted) return emit_truncated(splitter, record, error);
  status = begins_document(splitter, level, emitted, error);
  if (status != TK_OK) return status;
  if (*emitted) {
    emit_cut_document(splitter, record);
    return TK_OK;
  }
  const char byte = *tk_window_at(&splitter->window, 0);
  if (byte == (is_array(level) ? ']' : '}')) return pop_level(splitter, record, emitted, error);
  if (level->after_item) {
    if (byte != ',') {
      *emitted = true;
      return emit_garbage(splitter, 0, is_array(level) ? "',' or ']'" : "',' or '}'", record,
                          error);
    }
    tk_window_consume(&splitter->window, 1);
    if ((status = consume_space(splitter, error)) != TK_OK) return status;
    *emitted = tk_window_available(&splitter->window) == 0;
    if (*emitted) return emit_truncated(splitter, record, error);
  }
  level->after_item = true;
  return is_array(level) ? next_item(splitter, record, emitted, error)
                         : next_member(splitter, record, emitted, error);
}

/* ---- top level ---- */

/* Whether the value that ended before `position` may be over: what follows cannot continue it. */
static enum tk_status check_following(struct tk_splitter *splitter, size_t position, bool *over,
                                      struct tk_error *error) {
  const size_t limit = position + LOOK_AHEAD_LIMIT;
  enum tk_status status;
  *over = true;
  while ((status = tk_window_reach(&splitter->window, position, error)) == TK_OK &&
         position < tk_window_available(&splitter->window) && position < limit) {
    const char byte = *tk_window_at(&splitter->window, position++);
    if (is_space(byte)) continue;
    *over = byte != ',' && byte != ']' && byte != '}';
    return TK_OK;
  }
  return status;
}

/* Size of the line at hand with its line end, 0 if it has none or is too long. *last: has none. */
static enum tk_status measure_line(struct tk_splitter *splitter, size_t *size, bool *last,
                                   struct tk_error *error) {
  size_t searched = 0;
  *size = 0;
  *last = false;
  while (searched < splitter->options.line_limit) {
    const enum tk_status status = tk_window_reach(&splitter->window, searched, error);
    if (status != TK_OK) return status;
    *last = searched >= tk_window_available(&splitter->window);
    if (*last) return TK_OK;
    size_t span = tk_window_available(&splitter->window);
    if (span > splitter->options.line_limit) span = splitter->options.line_limit;
    const char *newline = memchr(tk_window_at(&splitter->window, searched), '\n', span - searched);
    if (newline) {
      *size = (size_t)(newline + 1 - tk_window_at(&splitter->window, 0));
      return TK_OK;
    }
    searched = span;
  }
  return TK_OK;
}

/* The fast path: a line from '{' to '}'. *last: the line has no end. */
static enum tk_status try_line(struct tk_splitter *splitter, struct tk_record *record, bool *last,
                               bool *emitted, struct tk_error *error) {
  size_t size;
  bool over;
  *emitted = false;
  enum tk_status status = measure_line(splitter, &size, last, error);
  if (status != TK_OK || size == 0) return status;
  size_t text_size = size;
  while (is_space(*tk_window_at(&splitter->window, text_size - 1))) text_size--;
  if (*tk_window_at(&splitter->window, text_size - 1) != '}') return TK_OK;
  status = check_following(splitter, size, &over, error);
  if (status != TK_OK || !over) return status;
  *record = (struct tk_record){.kind = TK_RECORD_WHOLE,
                               .size = (uint32_t)text_size,
                               .text = tk_window_at(&splitter->window, 0),
                               .begin_offset = splitter->window.offset,
                               .line = splitter->window.line};
  tk_window_consume_line(&splitter->window, size, true);
  record->end_offset = splitter->window.offset;
  *emitted = true;
  return TK_OK;
}

static enum tk_status next_document(struct tk_splitter *splitter, struct tk_record *record,
                                    bool *emitted, struct tk_error *error) {
  bool split = false;
  bool last;
  size_t position = 0;
  enum scan_result result;
  enum tk_status status = try_line(splitter, record, &last, emitted, error);
  if (status != TK_OK || *emitted) return status;
  /* A last line that is not complete yet is not split: it may still become a line like others. */
  status = last ? scan_value(splitter, &position, &result, error)
                : classify_document(splitter, &split, &position, &result, error);
  if (status != TK_OK) return status;
  if (split) {
    tk_window_consume(&splitter->window, 1);
    push_level(splitter, LEVEL_DOCUMENT);
    return TK_OK;
  }
  *emitted = true;
  if (result != SCAN_VALUE) return emit_scan_fault(splitter, result, position, record, error);
  return emit_top_level(splitter, TK_RECORD_WHOLE, position, record, error);
}

static enum tk_status skip_byte_order_mark(struct tk_splitter *splitter, struct tk_error *error) {
  const enum tk_status status = tk_window_reach(&splitter->window, 2, error);
  if (status == TK_OK && tk_window_available(&splitter->window) >= 3 &&
      memcmp(tk_window_at(&splitter->window, 0), "\xEF\xBB\xBF", 3) == 0) {
    tk_window_consume(&splitter->window, 3);
  }
  return status;
}

static enum tk_status step_at_top(struct tk_splitter *splitter, struct tk_record *record,
                                  bool *emitted, struct tk_error *error) {
  enum tk_status status = TK_OK;
  if (splitter->window.offset == 0) status = skip_byte_order_mark(splitter, error);
  if (status == TK_OK) status = consume_space(splitter, error);
  if (status != TK_OK) return status;
  if (tk_window_available(&splitter->window) == 0) {
    splitter->finished = true;
    /* Cut between records, or before the first: what is missing is unknown, but not nothing. */
    *emitted = tk_byte_source_truncated(splitter->window.source);
    return *emitted ? emit_truncated(splitter, record, error) : TK_OK;
  }
  const char byte = *tk_window_at(&splitter->window, 0);
  if (byte == '{') return next_document(splitter, record, emitted, error);
  if (byte == '[') {
    tk_window_consume(&splitter->window, 1);
    push_level(splitter, LEVEL_DOCUMENTS);
    return TK_OK;
  }
  *emitted = true;
  return emit_garbage(splitter, 0, "'{' or '['", record, error);
}

/* ---- exact records ---- */

static bool has_byte_order_mark(const struct tk_splitter *splitter) {
  return splitter->window.offset == 0 && tk_window_available(&splitter->window) >= 3 &&
         memcmp(tk_window_at(&splitter->window, 0), "\xEF\xBB\xBF", 3) == 0;
}

/* What is left of the input goes with its last record, if it is little and only white space. */
static enum tk_status take_input_end(struct tk_splitter *splitter, size_t *size,
                                     struct tk_error *error) {
  size_t position = *size;
  const size_t limit = position + LOOK_AHEAD_LIMIT;
  enum tk_status status;
  if (splitter->options.growing) return TK_OK;
  while ((status = tk_window_reach(&splitter->window, position, error)) == TK_OK &&
         position < tk_window_available(&splitter->window)) {
    if (position == limit || !is_space(*tk_window_at(&splitter->window, position))) return TK_OK;
    position++;
  }
  if (status == TK_OK) *size = position;
  return status;
}

static enum tk_status emit_input_end(struct tk_splitter *splitter, size_t position,
                                     struct tk_record *record, bool *found,
                                     struct tk_error *error) {
  splitter->finished = true;
  *found = true;
  if (tk_byte_source_truncated(splitter->window.source)) {
    return emit_truncated(splitter, record, error);
  }
  *found = position > 0;
  if (*found) emit(splitter, TK_RECORD_SPACE, position, record);
  return TK_OK;
}

static enum tk_status next_whole(struct tk_splitter *splitter, struct tk_record *record,
                                 bool *found, struct tk_error *error) {
  const enum tk_status status =
      tk_window_reach(&splitter->window, splitter->options.record_limit, error);
  const size_t size = tk_window_available(&splitter->window);
  *found = size > 0 && !splitter->finished;
  splitter->finished = true;
  if (status != TK_OK || !*found) return status;
  if (size > splitter->options.record_limit) return emit_too_long(splitter, record, error);
  emit(splitter, TK_RECORD_WHOLE, size, record);
  return TK_OK;
}

/* An earlier reading may have ended in white space that a record has: there it is cut, so that what
 * follows has the rest. */
static size_t cut_where_watched(const struct tk_splitter *splitter, size_t begin, size_t end) {
  const struct tk_window *window = &splitter->window;
  const bool within = window->watching && window->watch_offset >= window->offset + begin &&
                      window->watch_offset < window->offset + end;
  return within ? (size_t)(window->watch_offset - window->offset) : end;
}

static enum tk_status next_exact(struct tk_splitter *splitter, struct tk_record *record,
                                 bool *found, struct tk_error *error) {
  enum scan_result result;
  size_t position = 0;
  *found = false;
  if (splitter->finished) return TK_OK;
  enum tk_status status = tk_window_reach(&splitter->window, 2, error);
  if (status == TK_OK && has_byte_order_mark(splitter)) position = 3;
  while (status == TK_OK && position < SPACE_LIMIT &&
         position < tk_window_available(&splitter->window) &&
         is_space(*tk_window_at(&splitter->window, position))) {
    status = tk_window_reach(&splitter->window, ++position, error);
  }
  if (status != TK_OK) return status;
  const size_t cut = cut_where_watched(splitter, 1, position);
  if (position == SPACE_LIMIT || cut < position) {
    *found = true;
    emit(splitter, TK_RECORD_SPACE, cut, record);
    return TK_OK;
  }
  if (position >= tk_window_available(&splitter->window)) {
    return emit_input_end(splitter, position, record, found, error);
  }
  *found = true;
  const char byte = *tk_window_at(&splitter->window, position);
  if (byte != '{' && byte != '[') {
    tk_window_consume(&splitter->window, position);
    return emit_garbage(splitter, 0, "'{' or '['", record, error);
  }
  status = scan_value(splitter, &position, &result, error);
  if (status != TK_OK) return status;
  if (result != SCAN_VALUE) return emit_scan_fault(splitter, result, position, record, error);
  const size_t value_end = position;
  status = take_line_end(splitter, &position, error);
  if (status == TK_OK) status = take_input_end(splitter, &position, error);
  if (status != TK_OK) return status;
  emit(splitter, TK_RECORD_WHOLE, cut_where_watched(splitter, value_end, position), record);
  return TK_OK;
}

enum tk_status tk_splitter_next(struct tk_splitter *splitter, struct tk_record *record, bool *found,
                                struct tk_error *error) {
  enum tk_status status = TK_OK;
  *found = false;
  if (splitter->keys && splitter->keys->binary) {
    return tk_framing_next(&splitter->framing, &splitter->window, record, found, error);
  }
  if (splitter->keys && splitter->keys->blocks) {
    return tk_block_next(&splitter->blocks, &splitter->window, record, found, error);
  }
  if (splitter->keys && splitter->keys->exact) {
    status = splitter->keys->whole_input ? next_whole(splitter, record, found, error)
                                         : next_exact(splitter, record, found, error);
    if (status != TK_OK) *found = false;
    return status;
  }
  while (status == TK_OK && !*found && !splitter->finished) {
    status = splitter->level_count > 0 ? step_in_level(splitter, record, found, error)
                                       : step_at_top(splitter, record, found, error);
  }
  if (status != TK_OK) *found = false;
  return status;
}

bool tk_splitter_continue(struct tk_splitter *splitter) {
  const struct tk_framing *framing = &splitter->framing;
  if (splitter->keys && splitter->keys->binary &&
      (framing->in_message || framing->kind == TK_FRAMING_BARE)) {
    return false;
  }
  if (splitter->level_count > 0) return false;
  tk_window_continue(&splitter->window);
  splitter->finished = splitter->framing.finished = splitter->blocks.finished = false;
  return true;
}

/* ---- life, hashes ---- */

enum tk_status tk_splitter_create(struct tk_byte_source *source,
                                  const struct tk_splitter_options *options,
                                  struct tk_splitter **splitter_out, struct tk_error *error) {
  struct tk_splitter *splitter = sqlite3_malloc64(sizeof *splitter);
  *splitter_out = NULL;
  if (!splitter) return tk_nomem(error);
  memset(splitter, 0, sizeof *splitter);
  splitter->options = *options;
  if (!splitter->options.line_limit) splitter->options.line_limit = TK_SPLITTER_LINE_LIMIT;
  if (!splitter->options.record_limit) splitter->options.record_limit = TK_SPLITTER_RECORD_LIMIT;
  tk_window_init(&splitter->window, source);
  splitter->framing.message_limit = splitter->options.line_limit;
  splitter->framing.record_limit = splitter->options.record_limit;
  splitter->blocks.record_limit = splitter->options.record_limit;
  splitter->framing.growing = splitter->options.growing;
  const enum tk_status status = tk_window_reach(&splitter->window, 0, error);
  if (status == TK_OK) {
    *splitter_out = splitter;
  } else {
    tk_splitter_free(splitter);
  }
  return status;
}

void tk_splitter_set_keys(struct tk_splitter *splitter, const struct tk_split_keys *keys) {
  splitter->keys = keys;
  if (keys->exact && splitter->options.record_limit > TK_DOCUMENT_LIMIT) {
    splitter->options.record_limit = TK_DOCUMENT_LIMIT;
  }
  if (keys->exact) splitter->window.digest = &splitter->digest;
}

void tk_splitter_free(struct tk_splitter *splitter) {
  if (!splitter) return;
  tk_framing_reset(&splitter->framing);
  tk_sha256_reset(&splitter->digest);
  tk_window_reset(&splitter->window);
  sqlite3_free(splitter);
}

uint64_t tk_splitter_offset(const struct tk_splitter *splitter) {
  return splitter->window.offset;
}

uint64_t tk_splitter_hash(const struct tk_splitter *splitter) {
  return tk_hash_digest(&splitter->window.hash);
}

bool tk_splitter_sha256(const struct tk_splitter *splitter, uint8_t digest[32]) {
  return tk_sha256_digest(&splitter->digest, digest);
}

enum tk_status tk_splitter_head(struct tk_splitter *splitter, size_t size, const char **head_out,
                                size_t *size_out, struct tk_error *error) {
  const enum tk_status status =
      size > 0 ? tk_window_reach(&splitter->window, size - 1, error) : TK_OK;
  *head_out = tk_window_at(&splitter->window, 0);
  *size_out =
      tk_window_available(&splitter->window) < size ? tk_window_available(&splitter->window) : size;
  return status;
}

void tk_splitter_watch(struct tk_splitter *splitter, uint64_t offset) {
  tk_window_watch(&splitter->window, offset);
}

bool tk_splitter_watched(const struct tk_splitter *splitter, uint64_t *hash_out) {
  *hash_out = splitter->window.watch_hash;
  return !splitter->window.watching;
}
