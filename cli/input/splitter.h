/** @file splitter.h  Cuts decoded input into records: JSON here, protobuf by framing.h.
 *
 * Lines, pretty-printed documents, documents one after another, top-level arrays; white space,
 * blank lines, CRLF and a byte order mark in between. A document that is not one line, or a line of
 * more than TK_SPLITTER_LINE_LIMIT bytes, is cut at the items of the array that holds its substance
 * (`resourceSpans`), so that its size does not matter. One item, and any other document, is held in
 * memory as a whole, up to the record limit; beyond it becomes a fault and input continues.
 *
 * After something that is not JSON, input continues at the next line that begins with '{' or '['.
 * Where records begin and end depends on the bytes alone, not on how they arrive. */
#ifndef TK_CLI_INPUT_SPLITTER_H
#define TK_CLI_INPUT_SPLITTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/input/byte_source.h"
#include "cli/input/record.h"
#include "tracekeep/hash.h"
#include "tracekeep/status.h"

#define TK_SPLITTER_LINE_LIMIT ((size_t)4 << 20)
#define TK_SPLITTER_RECORD_LIMIT ((size_t)256 << 20)

/** What a format's documents look like. Both lists end with NULL. */
struct tk_split_keys {
  const char *const *arrays;   /**< keys whose array's items are records of their own */
  const char *const *wrappers; /**< keys of objects that hold such a key in turn */
  const char *const *whole;    /**< keys that say: this object is one record */
  bool binary;                 /**< protobuf, which has no keys: see framing.h */
  /** Every byte belongs to a record, white space before and behind a value to the value's; nothing
   * is split, and an array at top level is one record. TK_DOCUMENT_LIMIT bytes at most. */
  bool exact;
  /** With `exact`: the whole input is one record, whatever it is. */
  bool whole_input;
  /** Text that is no JSON: see block_framing.h. */
  bool blocks;
};

struct tk_splitter_options {
  size_t line_limit;   /**< 0: the default; for tests */
  size_t record_limit; /**< 0: the default */
  bool growing;        /**< a message that is cut off at the end is left for tk_splitter_continue */
};

struct tk_splitter;

/** `source` stays the caller's, and must stay open. */
enum tk_status tk_splitter_create(struct tk_byte_source *source,
                                  const struct tk_splitter_options *options,
                                  struct tk_splitter **splitter_out, struct tk_error *error);
void tk_splitter_free(struct tk_splitter *splitter);

/** Says what to split, before the first tk_splitter_next; otherwise documents are not split. */
void tk_splitter_set_keys(struct tk_splitter *splitter, const struct tk_split_keys *keys);

/** The next record; its text is valid until the next call. *found is false at the end. */
enum tk_status tk_splitter_next(struct tk_splitter *splitter, struct tk_record *record, bool *found,
                                struct tk_error *error);

/** At the end: goes on with what has been appended to the source since, beginning with a record
 * that was cut off. False where that cannot be done: within a document that is split. */
bool tk_splitter_continue(struct tk_splitter *splitter);

/** Decoded bytes up to the end of the last record, and their tk_hash. */
uint64_t tk_splitter_offset(const struct tk_splitter *splitter);
uint64_t tk_splitter_hash(const struct tk_splitter *splitter);

/** SHA-256 of the same bytes, where records are exact. False: it is not known. */
bool tk_splitter_sha256(const struct tk_splitter *splitter, uint8_t digest[32]);

/** The first min(size, all) bytes of input, until the first tk_splitter_next. */
enum tk_status tk_splitter_head(struct tk_splitter *splitter, size_t size, const char **head_out,
                                size_t *size_out, struct tk_error *error);

/** Asks for the hash of the first `offset` bytes to be noted when they have been passed; one
 * request at a time. */
void tk_splitter_watch(struct tk_splitter *splitter, uint64_t offset);
/** False: not passed yet. */
bool tk_splitter_watched(const struct tk_splitter *splitter, uint64_t *hash_out);

#endif
