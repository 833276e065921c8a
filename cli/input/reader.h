/** @file reader.h  From a file to batches of spans, in input order.
 *
 *     tk_input_open(path, &options, &reader, error);
 *     while (tk_input_next(reader, &batch, error) == TK_OK && batch) { ... owns batch ... }
 *     tk_input_close(reader);
 *
 * A batch covers about TK_READER_BATCH_BYTES of decoded input, or one record if that is more. Where
 * batches begin and end, and what is in them, depends on the input's bytes alone: not on the number
 * of threads, not on how the bytes arrive. A reader belongs to one thread at a time. */
#ifndef TK_CLI_INPUT_READER_H
#define TK_CLI_INPUT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/input/byte_source.h"
#include "tracekeep/span.h"
#include "tracekeep/status.h"
#include "tracekeep/store.h"

#define TK_READER_BATCH_BYTES ((size_t)256 << 10)

struct tk_input;

struct tk_input_options {
  const char *format;    /**< name of a format; NULL: recognise it */
  unsigned thread_count; /**< threads that parse; 0 or 1: the caller's own, in tk_input_next */
  bool growing; /**< more may be appended: a record that is cut off at the end is no fault, it is
                   left for tk_input_continue or another reader */
  size_t batch_bytes; /**< the rest are for tests; 0: the defaults */
  size_t line_limit;
  size_t record_limit;
};

/** `path` "-" is standard input; `options` may be NULL. TK_INVALID: no such format; and as
 * tk_byte_source_open. */
enum tk_status tk_input_open(const char *path, const struct tk_input_options *options,
                             struct tk_input **reader_out, struct tk_error *error);
/** Takes `source` over, also on failure. */
enum tk_status tk_input_open_source(struct tk_byte_source *source,
                                    const struct tk_input_options *options,
                                    struct tk_input **reader_out, struct tk_error *error);
/** Stops threads and frees; may be called at any time, and with NULL. */
void tk_input_close(struct tk_input *reader);

/** The next batch, which the caller frees; NULL at the end. A failure (TK_IO, TK_CORRUPT, TK_NOMEM)
 * comes after all batches before it, and again on every later call. */
enum tk_status tk_input_next(struct tk_input *reader, struct tk_batch **batch_out,
                             struct tk_error *error);

/** Continues an earlier ingest: goes forward to the largest offset of a candidate whose hash is
 * that of the input up to there, so that the next batch begins there. Call it before the first
 * tk_input_next. *matched_out is that candidate, or NULL: none, reading starts at the beginning.
 * Input that cannot be read twice, as a pipe, continues nowhere. */
enum tk_status tk_input_resume(struct tk_input *reader, const struct tk_progress *candidates,
                               size_t count, const struct tk_progress **matched_out,
                               struct tk_error *error);

/** After tk_input_next gave NULL: more may have been appended; call it again. False: this reader
 * cannot go on, because it failed or is in the middle of a document; another one can, with
 * tk_input_resume. */
bool tk_input_continue(struct tk_input *reader);
/** Whether the input was so short that format and head hash may be others now that it has grown. */
bool tk_input_was_short(const struct tk_input *reader);

/** tk_hash64 of the first min(TK_SOURCE_HEAD_SIZE, all) decoded bytes. */
uint64_t tk_input_head_hash(const struct tk_input *reader);
/** SHA-256 of the decoded bytes that were read, where they are documents. False: not known. */
bool tk_input_sha256(const struct tk_input *reader, uint8_t digest[32]);
/** Whether its records are kept as they are, as documents. */
bool tk_input_is_exact(const struct tk_input *reader);
/** Name of the format. */
const char *tk_input_format_name(const struct tk_input *reader);
/** For people: how records stand in the input, as its beginning shows; and its compression. */
const char *tk_input_framing(const struct tk_input *reader);
enum tk_compression tk_input_compression(const struct tk_input *reader);
/** For progress bars: encoded bytes read so far, and in all (0: not known). */
uint64_t tk_input_position(const struct tk_input *reader);
uint64_t tk_input_size(const struct tk_input *reader);

#endif
