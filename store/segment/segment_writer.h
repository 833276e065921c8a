/* Spans -> an encoded segment: chunks, filters, directory and what the catalogue must learn.
 * Touches no database, so it runs on any thread.
 *
 * Encoding has three steps, so that the middle one, most of the work, can be shared among threads:
 *   prepare   orders the spans and takes them apart into columns       (one thread)
 *   run       encodes column `i` of task_count                         (any thread, once each)
 *   finish    writes the directory                                     (one thread, after all runs)
 * The result depends on the spans alone: not on their order, the threads, or the clock. */
#ifndef TK_STORE_SEGMENT_WRITER_H
#define TK_STORE_SEGMENT_WRITER_H

#include "store/segment/directory.h"
#include "store/segment/span_order.h"

/** A resource or scope as the catalogue stores it. */
struct tk_encoded_entry {
  struct tk_text content; /**< value_codec.h */
  struct tk_text name;    /**< service.name (data NULL: none), or the scope's name */
  const struct tk_attributes *attributes;
};

struct tk_encoded_chunk {
  uint16_t number;
  struct tk_byte_writer chunk;
  struct tk_byte_writer filter; /**< empty: none */
};

struct tk_segment_writer {
  struct tk_arena arena;
  struct tk_span_order order;
  struct tk_directory directory;   /**< complete after finish */
  struct tk_encoded_chunk *chunks; /**< one a task; an empty chunk: column not stored */
  uint32_t task_count;
  struct tk_byte_writer directory_bytes;
  struct tk_encoded_entry *resources, *scopes; /**< in the order of the segment's codes */
  uint32_t resource_count, scope_count;
  struct tk_segment_writer_state *state;
};

/** The spans must stay until finish. Identities must be distinct. TK_NOMEM or TK_INVALID (more than
 * TK_SPANS_PER_SEGMENT_MAX spans, or values that value_codec.h cannot store). On failure *writer
 * needs no reset. */
enum tk_status tk_segment_writer_prepare(struct tk_segment_writer *writer,
                                         const struct tk_span *const *spans, uint32_t span_count,
                                         struct tk_error *error);
void tk_segment_writer_run(struct tk_segment_writer *writer, uint32_t task);
enum tk_status tk_segment_writer_finish(struct tk_segment_writer *writer, struct tk_error *error);
void tk_segment_writer_reset(struct tk_segment_writer *writer);

#endif
