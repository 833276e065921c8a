/* SPDX-License-Identifier: MIT
 * Nothing in protobuf says where a message begins or what it is, so recognition is a matter of
 * lengths that fit into each other: a ResourceSpans within its message, and what it begins with
 * within the ResourceSpans. The same test finds the next message behind damage. */
#include "cli/input/framing.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <zstd.h>

#include "cli/input/wire_format.h"

enum {
  RECOGNITION_SIZE = 4096,
  LENGTH_SIZE = 4,
  FIELD_HEAD_SIZE = TK_WIRE_TAG_MAX + TK_WIRE_VARINT_MAX,
  FIRST_DECODED = 64 * 1024
};
#define LARGEST_LENGTH ((uint64_t)1 << 31)

/* ---- recognition ---- */

static const uint8_t zstd_magic[] = {0x28, 0xB5, 0x2F, 0xFD};

/* A field of a message of which `total` bytes are left, and `wire` may have fewer: its head fits.
 */
static bool read_field_head(struct tk_wire *wire, uint64_t total, uint32_t *tag, uint64_t *size) {
  const uint8_t *begin = wire->at;
  const uint64_t number = tk_wire_varint(wire);
  *size = (number & 7) == TK_WIRE_BYTES ? tk_wire_varint(wire) : 0;
  *tag = (uint32_t)number;
  const uint64_t head = (uint64_t)(wire->at - begin);
  return !wire->expected && number <= UINT32_MAX && number >> 3 != 0 && head <= total &&
         *size <= total - head;
}

/* Whether these are fields of a ResourceSpans, up to the first that it is known to have: resource,
 * scope_spans, schema_url, or the former scope_spans. All of them are length-delimited. */
static bool begins_resource_spans(struct tk_wire *wire, uint64_t total) {
  struct tk_wire_field field;
  if (total == 0 || wire->at == wire->end) return true;
  for (;;) {
    uint32_t tag;
    uint64_t size;
    struct tk_wire head = *wire;
    const uint8_t *begin = wire->at;
    if (total == 0 || !read_field_head(&head, total, &tag, &size)) return false;
    if (tag >> 3 <= 3 || tag >> 3 == 1000) return (tag & 7) == TK_WIRE_BYTES;
    if (!tk_wire_next(wire, &field)) return false;
    total -= (uint64_t)(wire->at - begin);
  }
}

/* Whether a message of `total` bytes, the first `size` of which are there, begins as TracesData. */
static bool begins_traces(const uint8_t *bytes, size_t size, uint64_t total) {
  struct tk_wire wire = {.at = bytes, .end = bytes + (size < total ? size : (size_t)total)};
  uint32_t tag;
  uint64_t inner;
  const uint32_t resource_spans_tag = 1 << 3 | TK_WIRE_BYTES;
  if (!read_field_head(&wire, total, &tag, &inner) || tag != resource_spans_tag) return false;
  if ((uint64_t)(wire.end - wire.at) > inner) wire.end = wire.at + inner;
  return begins_resource_spans(&wire, inner);
}

static bool begins_payload(const uint8_t *bytes, size_t size, uint64_t total) {
  if (size >= sizeof zstd_magic && total > sizeof zstd_magic &&
      memcmp(bytes, zstd_magic, sizeof zstd_magic) == 0) {
    return true;
  }
  return size > 0 && (bytes[0] == '{' || bytes[0] == '[' || begins_traces(bytes, size, total));
}

static uint32_t read_length(const uint8_t *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool is_blank(const uint8_t *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (!memchr(" \t\r\n", bytes[i], 4)) return false;
  }
  return true;
}

/* Whether a message with its length stands here. */
static bool begins_length(const uint8_t *bytes, size_t size) {
  if (size <= LENGTH_SIZE || is_blank(bytes, LENGTH_SIZE)) return false;
  const uint32_t length = read_length(bytes);
  return length > 0 && length < LARGEST_LENGTH &&
         begins_payload(bytes + LENGTH_SIZE, size - LENGTH_SIZE, length);
}

/* Whether the fields of a ResourceSpans begin with a Resource or ScopeSpans that begins as such. A
 * Resource alone looks much like a message: its attributes stand for ResourceSpans. */
static bool begins_with_known_fields(const uint8_t *bytes, size_t size) {
  struct tk_wire wire = {.at = bytes, .end = bytes + size};
  uint32_t tag;
  uint64_t inner;
  for (int level = 0; level < 3; level++) {
    if (!read_field_head(&wire, UINT64_MAX, &tag, &inner)) return false;
    const bool known = (tag >> 3 >= 1 && tag >> 3 <= 3 && (tag & 7) == TK_WIRE_BYTES) ||
                       (level == 2 && tag == (2 << 3 | TK_WIRE_VARINT));
    if (!known) return false;
    if (inner == 0) return true;
  }
  return true;
}

/* As begins_length, of bytes that may be anything, in the middle of a message for example. */
static bool resumes_length(const uint8_t *bytes, size_t size) {
  static const uint32_t plausible = 1 << 24;
  if (size < LENGTH_SIZE + 2 * FIELD_HEAD_SIZE || !begins_length(bytes, size)) return false;
  const uint8_t *payload = bytes + LENGTH_SIZE;
  return read_length(bytes) < plausible && (payload[0] != (1 << 3 | TK_WIRE_BYTES) ||
                                            begins_with_known_fields(payload, size - LENGTH_SIZE));
}

static bool begins_varint(const uint8_t *bytes, size_t size) {
  struct tk_wire wire = {.at = bytes, .end = bytes + size};
  const uint64_t length = tk_wire_varint(&wire);
  if (wire.expected || length == 0 || length >= LARGEST_LENGTH) return false;
  if (!begins_traces(wire.at, (size_t)(wire.end - wire.at), length)) return false;
  /* Where the next one begins is known too. */
  if ((uint64_t)(wire.end - wire.at) <= length + FIELD_HEAD_SIZE) return true;
  wire.at += length;
  const uint64_t next = tk_wire_varint(&wire);
  return next == 0 || begins_traces(wire.at, (size_t)(wire.end - wire.at), next);
}

/* Blank lines, and then perhaps JSON: a line feed is also the first tag of every message. */
static bool is_text(const uint8_t *bytes, size_t size) {
  size_t blank = 0;
  while (blank < size && is_blank(bytes + blank, 1)) blank++;
  return blank == size || bytes[blank] == '{' || bytes[blank] == '[';
}

enum tk_framing_kind tk_framing_recognise(const char *head, size_t size) {
  const uint8_t *bytes = (const uint8_t *)head;
  static const uint8_t empty[LENGTH_SIZE];
  if (size > RECOGNITION_SIZE) size = RECOGNITION_SIZE;
  if (is_text(bytes, size)) return TK_FRAMING_UNKNOWN;
  if (size > 1 && begins_traces(bytes, size, UINT64_MAX)) return TK_FRAMING_BARE;
  if (size > 1 && begins_varint(bytes, size)) return TK_FRAMING_VARINT;
  /* Requests without spans are messages, but tell nothing. */
  while (size > LENGTH_SIZE && memcmp(bytes, empty, LENGTH_SIZE) == 0) {
    bytes += LENGTH_SIZE;
    size -= LENGTH_SIZE;
  }
  return begins_length(bytes, size) ? TK_FRAMING_LENGTH : TK_FRAMING_UNKNOWN;
}

/* ---- records ---- */

static const uint8_t *bytes_at(const struct tk_window *window, size_t position) {
  return (const uint8_t *)tk_window_at(window, position);
}

/* A record of `size` bytes behind a head that belongs to it; both are consumed. */
static void emit(struct tk_window *window, enum tk_record_kind kind, size_t head, size_t size,
                 struct tk_record *record) {
  tk_window_consume_line(window, head, false);
  *record = (struct tk_record){.kind = kind,
                               .size = (uint32_t)size,
                               .text = tk_window_at(window, 0),
                               .begin_offset = window->offset};
  tk_window_consume_line(window, size, false);
  record->end_offset = window->offset;
}

static void begin_fault(struct tk_framing *framing, struct tk_window *window, enum tk_rule rule,
                        struct tk_record *record) {
  window->quoting = true;
  window->quote_size = 0;
  *record = (struct tk_record){.kind = TK_RECORD_FAULT,
                               .rule = rule,
                               .text = window->quote,
                               .message = framing->fault_message,
                               .begin_offset = window->offset};
}

static void end_fault(struct tk_window *window, struct tk_record *record) {
  window->quoting = false;
  record->end_offset = window->offset;
  record->size = (uint32_t)window->quote_size;
}

static enum tk_status consume_bytes(struct tk_window *window, uint64_t size,
                                    struct tk_error *error) {
  enum tk_status status;
  while (size > 0 && (status = tk_window_reach(window, 0, error)) == TK_OK) {
    const size_t available = tk_window_available(window);
    if (available == 0) return TK_OK;
    const size_t part = size < available ? (size_t)size : available;
    tk_window_consume_line(window, part, false);
    size -= part;
  }
  return size > 0 ? status : TK_OK;
}

/* Consumes up to where a message with its length seems to begin, at least one byte and at most
 * `limit` bytes. */
static enum tk_status consume_to_message(struct tk_window *window, uint64_t limit,
                                         struct tk_error *error) {
  const size_t look = LENGTH_SIZE + 2 * FIELD_HEAD_SIZE;
  enum tk_status status = TK_OK;
  for (uint64_t consumed = 0; consumed < limit;) {
    size_t position = consumed == 0;
    if ((status = tk_window_reach(window, look, error)) != TK_OK) return status;
    const size_t available = tk_window_available(window);
    while (position < available && consumed + position < limit) {
      if (!window->source_ended && available - position < look) break;
      if (resumes_length(bytes_at(window, position), available - position)) {
        tk_window_consume_line(window, position, false);
        return TK_OK;
      }
      position++;
    }
    tk_window_consume_line(window, position, false);
    consumed += position;
    if (position == 0 || tk_window_available(window) == 0) break;
  }
  return status;
}

/* Bytes that are no fields, at the window's begin: steps over them. */
static enum tk_status emit_garbage(struct tk_framing *framing, struct tk_window *window,
                                   const char *expected, struct tk_record *record,
                                   struct tk_error *error) {
  const uint64_t left = framing->in_message ? framing->message_left : UINT64_MAX;
  enum tk_status status;
  begin_fault(framing, window, TK_RULE_PROTOBUF_SYNTAX, record);
  snprintf(framing->fault_message, sizeof framing->fault_message,
           "byte %llu of the input: expected %s, found 0x%02X; skipped to the next message",
           (unsigned long long)window->offset, expected, bytes_at(window, 0)[0]);
  framing->in_message = false;
  if (framing->kind == TK_FRAMING_LENGTH) {
    status = consume_to_message(window, left, error);
  } else {
    status = consume_bytes(window, left, error);
  }
  end_fault(window, record);
  return status;
}

static enum tk_status emit_too_long(struct tk_framing *framing, struct tk_window *window,
                                    const char *what, uint64_t size, struct tk_record *record,
                                    struct tk_error *error) {
  begin_fault(framing, window, TK_RULE_RECORD_TOO_LONG, record);
  snprintf(framing->fault_message, sizeof framing->fault_message,
           "expected %s of at most %llu bytes, found %llu; skipped it", what,
           (unsigned long long)framing->record_limit, (unsigned long long)size);
  const enum tk_status status = consume_bytes(window, size, error);
  end_fault(window, record);
  return status;
}

/* The input ends within what begins here. Nothing is consumed: when the file has grown, the next
 * ingest finds it whole. */
static void emit_truncated(struct tk_framing *framing, struct tk_window *window,
                           struct tk_record *record) {
  const size_t size = tk_window_available(window);
  begin_fault(framing, window, TK_RULE_RECORD_TRUNCATED, record);
  snprintf(framing->fault_message, sizeof framing->fault_message,
           "byte %llu of the input: expected the rest of a message, found the end of the %s after "
           "%llu bytes of it",
           (unsigned long long)window->offset,
           tk_byte_source_truncated(window->source) ? "input (its last compressed frame is cut)"
                                                    : "input",
           (unsigned long long)size);
  tk_window_quote(window, tk_window_at(window, 0), size);
  end_fault(window, record);
  framing->finished = true;
}

/* ---- messages of several records ---- */

static void begin_message(struct tk_framing *framing, struct tk_window *window, size_t head,
                          uint64_t size) {
  tk_window_consume_line(window, head, false);
  framing->in_message = framing->at_begin = true;
  framing->message_left = size;
}

/* A field of `size` bytes has become `record`. */
static void pass(struct tk_framing *framing, uint64_t size, struct tk_record *record) {
  record->begins_message = framing->at_begin;
  framing->at_begin = false;
  if (framing->message_left != UINT64_MAX) framing->message_left -= size;
}

/* One of the ResourceSpans: `head` bytes of tag and length, then `size` bytes. */
static enum tk_status emit_element(struct tk_framing *framing, struct tk_window *window,
                                   size_t head, uint64_t size, struct tk_record *record,
                                   struct tk_error *error) {
  if (size > framing->record_limit) {
    const enum tk_status status =
        emit_too_long(framing, window, "ResourceSpans", head + size, record, error);
    pass(framing, head + size, record);
    return status;
  }
  const size_t whole = head + (size_t)size;
  const enum tk_status status = tk_window_reach(window, whole - 1, error);
  if (status != TK_OK) return status;
  if (tk_window_available(window) < whole) {
    emit_truncated(framing, window, record);
    return TK_OK;
  }
  emit(window, TK_RECORD_ELEMENT, head, (size_t)size, record);
  pass(framing, whole, record);
  return TK_OK;
}

/* A field of TracesData that nobody knows. Its size is found by decoding it, with more input as
 * long as that fails. */
static enum tk_status emit_member(struct tk_framing *framing, struct tk_window *window,
                                  struct tk_record *record, struct tk_error *error) {
  struct tk_wire_field field;
  size_t wanted = RECOGNITION_SIZE;
  for (;; wanted *= 2) {
    const enum tk_status status = tk_window_reach(window, wanted, error);
    if (status != TK_OK) return status;
    size_t size = tk_window_available(window);
    if (size > framing->message_left) size = (size_t)framing->message_left;
    if (size > framing->record_limit) size = framing->record_limit;
    struct tk_wire wire = tk_wire_of(tk_window_at(window, 0), (uint32_t)size);
    if (tk_wire_next(&wire, &field)) {
      const size_t field_size = (size_t)(wire.at - field.begin);
      emit(window, TK_RECORD_MEMBERS, 0, field_size, record);
      pass(framing, field_size, record);
      return TK_OK;
    }
    if (wanted > size) return emit_garbage(framing, window, wire.expected, record, error);
  }
}

static enum tk_status next_in_message(struct tk_framing *framing, struct tk_window *window,
                                      struct tk_record *record, bool *found,
                                      struct tk_error *error) {
  const enum tk_status status = tk_window_reach(window, FIELD_HEAD_SIZE, error);
  size_t available = tk_window_available(window);
  if (status != TK_OK) return status;
  if (framing->message_left == 0 || (available == 0 && framing->kind == TK_FRAMING_BARE)) {
    framing->in_message = false;
    *found = false;
    return TK_OK;
  }
  if (available == 0) {
    emit_truncated(framing, window, record);
    return TK_OK;
  }
  if (available > framing->message_left) available = (size_t)framing->message_left;
  const uint8_t *begin = bytes_at(window, 0);
  struct tk_wire wire = {.at = begin, .end = begin + available};
  const uint64_t tag = tk_wire_varint(&wire);
  if (!wire.expected && tag != (1 << 3 | TK_WIRE_BYTES)) {
    return emit_member(framing, window, record, error);
  }
  const uint64_t size = tk_wire_varint(&wire);
  const size_t head = (size_t)(wire.at - begin);
  if (wire.expected && available < FIELD_HEAD_SIZE && available < framing->message_left) {
    emit_truncated(framing, window, record);
    return TK_OK;
  }
  if (wire.expected || size > framing->message_left - head) {
    return emit_garbage(framing, window, "a field that ends within its message", record, error);
  }
  return emit_element(framing, window, head, size, record, error);
}

/* ---- compressed messages ---- */

static enum tk_status grow_decoded(struct tk_framing *framing, struct tk_error *error) {
  const size_t capacity = framing->decoded_capacity ? framing->decoded_capacity * 2 : FIRST_DECODED;
  char *decoded = sqlite3_realloc64(framing->decoded, capacity);
  if (!decoded) return tk_nomem(error);
  framing->decoded = decoded;
  framing->decoded_capacity = capacity;
  return TK_OK;
}

/* *fault: what is wrong with the frames, NULL: nothing. */
static enum tk_status decompress(struct tk_framing *framing, const void *data, size_t size,
                                 size_t *size_out, const char **fault, struct tk_error *error) {
  if (!framing->decompressor) framing->decompressor = ZSTD_createDStream();
  ZSTD_DStream *stream = framing->decompressor;
  if (!stream || ZSTD_isError(ZSTD_initDStream(stream))) return tk_nomem(error);
  ZSTD_inBuffer in = {data, size, 0};
  size_t used = 0, result = 1;
  bool full = false;
  *fault = NULL;
  while (in.pos < in.size || (full && result != 0)) {
    if (used == framing->decoded_capacity) {
      const enum tk_status status = grow_decoded(framing, error);
      if (status != TK_OK) return status;
    }
    ZSTD_outBuffer out = {framing->decoded, framing->decoded_capacity, used};
    result = ZSTD_decompressStream(stream, &out, &in);
    full = out.pos == out.size;
    used = out.pos;
    if (ZSTD_isError(result)) *fault = ZSTD_getErrorName(result);
    if (used > framing->record_limit) *fault = "more than a record may hold";
    if (*fault) return TK_OK;
  }
  if (result != 0) *fault = "the frame is cut";
  *size_out = used;
  return TK_OK;
}

static enum tk_status emit_compressed(struct tk_framing *framing, struct tk_window *window,
                                      size_t head, size_t size, struct tk_record *record,
                                      struct tk_error *error) {
  const char *fault = NULL;
  size_t decoded_size = 0;
  enum tk_status status =
      decompress(framing, tk_window_at(window, head), size, &decoded_size, &fault, error);
  if (status != TK_OK) return status;
  if (fault) {
    begin_fault(framing, window, TK_RULE_RECORD_COMPRESSION, record);
    snprintf(framing->fault_message, sizeof framing->fault_message,
             "byte %llu of the input: cannot decompress a message of %llu bytes: %s; skipped it",
             (unsigned long long)(window->offset + head), (unsigned long long)size, fault);
    status = consume_bytes(window, head + size, error);
    end_fault(window, record);
    return status;
  }
  emit(window, TK_RECORD_WHOLE, head, size, record);
  record->text = framing->decoded;
  record->size = (uint32_t)decoded_size;
  record->compressed = true;
  return TK_OK;
}

/* ---- messages ---- */

/* *head is 0 where the input ends before the length does, or the length is none. */
static uint64_t read_message_length(const struct tk_framing *framing,
                                    const struct tk_window *window, size_t *head) {
  const uint8_t *begin = bytes_at(window, 0);
  const size_t available = tk_window_available(window);
  *head = 0;
  if (framing->kind == TK_FRAMING_LENGTH) {
    if (available < LENGTH_SIZE) return 0;
    *head = LENGTH_SIZE;
    return read_length(begin);
  }
  struct tk_wire wire = {.at = begin, .end = begin + available};
  const uint64_t length = tk_wire_varint(&wire);
  if (!wire.expected) *head = (size_t)(wire.at - begin);
  return length;
}

static bool is_compressed(const struct tk_window *window, size_t head) {
  return tk_window_available(window) >= head + sizeof zstd_magic &&
         memcmp(tk_window_at(window, head), zstd_magic, sizeof zstd_magic) == 0;
}

static bool is_protobuf(const struct tk_window *window, size_t head) {
  const char first = *tk_window_at(window, head);
  return !is_compressed(window, head) && first != '{' && first != '[';
}

/* The message behind `head` bytes of length. */
static enum tk_status next_payload(struct tk_framing *framing, struct tk_window *window,
                                   size_t head, uint64_t size, struct tk_record *record,
                                   bool *found, struct tk_error *error) {
  const bool protobuf = is_protobuf(window, head);
  *found = true;
  if (size > (protobuf ? framing->message_limit : framing->record_limit)) {
    if (!protobuf) return emit_too_long(framing, window, "a message", head + size, record, error);
    *found = false;
    begin_message(framing, window, head, size);
    return TK_OK;
  }
  const size_t whole = head + (size_t)size;
  const enum tk_status status = tk_window_reach(window, whole - 1, error);
  if (status != TK_OK) return status;
  if (tk_window_available(window) >= whole) {
    if (is_compressed(window, head)) {
      return emit_compressed(framing, window, head, (size_t)size, record, error);
    }
    emit(window, TK_RECORD_WHOLE, head, (size_t)size, record);
  } else if (protobuf && !framing->growing) {
    *found = false; /* what is there of it may still have ResourceSpans that are complete */
    begin_message(framing, window, head, size);
  } else {
    emit_truncated(framing, window, record);
  }
  return TK_OK;
}

static enum tk_status next_message(struct tk_framing *framing, struct tk_window *window,
                                   struct tk_record *record, bool *found, struct tk_error *error) {
  size_t head;
  const enum tk_status status = tk_window_reach(window, 4 * FIELD_HEAD_SIZE, error);
  if (status != TK_OK) return status;
  if (tk_window_available(window) == 0) {
    framing->finished = true;
    return TK_OK;
  }
  if (framing->kind == TK_FRAMING_BARE) {
    begin_message(framing, window, 0, UINT64_MAX);
    return TK_OK;
  }
  const uint64_t size = read_message_length(framing, window, &head);
  const size_t behind = tk_window_available(window) - head;
  *found = true;
  if (head == 0 && behind < FIELD_HEAD_SIZE) {
    emit_truncated(framing, window, record);
    return TK_OK;
  }
  if (head == 0) return emit_garbage(framing, window, "the length of a message", record, error);
  if (size == 0) {
    emit(window, TK_RECORD_WHOLE, head, 0, record);
    return TK_OK;
  }
  if (behind < 2 * FIELD_HEAD_SIZE && behind < size) { /* too little to judge by */
    emit_truncated(framing, window, record);
    return TK_OK;
  }
  if (!begins_payload(bytes_at(window, head), behind, size)) {
    return emit_garbage(framing, window, "a message of spans and its length", record, error);
  }
  return next_payload(framing, window, head, size, record, found, error);
}

static enum tk_status recognise(struct tk_framing *framing, struct tk_window *window,
                                struct tk_error *error) {
  const enum tk_status status = tk_window_reach(window, RECOGNITION_SIZE - 1, error);
  framing->kind = tk_framing_recognise(tk_window_at(window, 0), tk_window_available(window));
  if (framing->kind == TK_FRAMING_UNKNOWN) framing->kind = TK_FRAMING_BARE;
  return status;
}

enum tk_status tk_framing_next(struct tk_framing *framing, struct tk_window *window,
                               struct tk_record *record, bool *found, struct tk_error *error) {
  enum tk_status status = TK_OK;
  *found = false;
  if (framing->kind == TK_FRAMING_UNKNOWN) status = recognise(framing, window, error);
  while (status == TK_OK && !*found && !framing->finished) {
    if (framing->in_message) {
      *found = true;
      status = next_in_message(framing, window, record, found, error);
    } else {
      status = next_message(framing, window, record, found, error);
    }
  }
  if (status != TK_OK) *found = false;
  return status;
}

void tk_framing_reset(struct tk_framing *framing) {
  ZSTD_freeDStream(framing->decompressor);
  sqlite3_free(framing->decoded);
  memset(framing, 0, sizeof *framing);
}
