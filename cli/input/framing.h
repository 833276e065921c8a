/** @file framing.h  Cuts protobuf input into records, whatever the framing: one bare message, each
 * message behind its length (4 bytes, big-endian, as the collector's file exporter writes; or a
 * varint), and messages that are one zstd frame each behind such a length, whose payload may be
 * JSON.
 *
 * A message of at most `message_limit` bytes is one WHOLE record. A longer one, a bare one, and one
 * that the input ends in, is cut at its ResourceSpans: these are ELEMENTs, its other fields
 * MEMBERS, and an END follows. One ResourceSpans is held in memory as a whole, up to
 * `record_limit`. */
#ifndef TK_CLI_INPUT_FRAMING_H
#define TK_CLI_INPUT_FRAMING_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/input/record.h"
#include "cli/input/window.h"
#include "tracekeep/status.h"

enum tk_framing_kind {
  TK_FRAMING_UNKNOWN,
  TK_FRAMING_BARE,
  TK_FRAMING_LENGTH, /**< 4 bytes, big-endian */
  TK_FRAMING_VARINT
};

struct tk_framing {
  size_t message_limit;
  size_t record_limit;
  bool growing; /**< the rest of a message that is cut off at the end may still come */
  enum tk_framing_kind kind;
  bool in_message;       /**< of which ResourceSpans are records of their own */
  bool at_begin;         /**< of that message: no record has come of it */
  bool finished;         /**< nothing comes any more */
  uint64_t message_left; /**< bytes of it; UINT64_MAX: up to the end of the input */
  void *decompressor;
  char *decoded; /**< payload of a compressed message */
  size_t decoded_capacity;
  char fault_message[256];
};

/** Judges by the first bytes of input; UNKNOWN: this is no OTLP protobuf. */
enum tk_framing_kind tk_framing_recognise(const char *head, size_t size);

/** Zeroed but for the limits and `growing` before first use. *found is false at the end of the
 * input. */
enum tk_status tk_framing_next(struct tk_framing *framing, struct tk_window *window,
                               struct tk_record *record, bool *found, struct tk_error *error);
void tk_framing_reset(struct tk_framing *framing);

#endif
