/** @file byte_source.h  A stream of decoded bytes from a file, standard input or memory.
 *
 * zstd and gzip are recognised by their first bytes, whatever the name says, and decoded on the
 * fly; concatenated frames and members are one stream. Anything else is passed through. */
#ifndef TK_CLI_INPUT_BYTE_SOURCE_H
#define TK_CLI_INPUT_BYTE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracekeep/status.h"

struct tk_byte_source;

enum tk_compression { TK_COMPRESSION_NONE, TK_COMPRESSION_ZSTD, TK_COMPRESSION_GZIP };

/** `path` "-" is standard input. TK_IO, TK_NOMEM, TK_CORRUPT, TK_UNSUPPORTED (built without gzip).
 * Error texts name the file and, where it means something, the byte of the encoded file. */
enum tk_status tk_byte_source_open(const char *path, struct tk_byte_source **source_out,
                                   struct tk_error *error);
/** Reads `bytes`, borrowed until the source is closed. `piece_size` > 0 hands out no more than that
 * many encoded bytes at a time, as a slow pipe would: for tests. */
enum tk_status tk_byte_source_open_memory(const char *name, const void *bytes, size_t size,
                                          size_t piece_size, struct tk_byte_source **source_out,
                                          struct tk_error *error);
void tk_byte_source_close(struct tk_byte_source *source);

/** Reads at least one byte into `buffer`, or none at the end of the stream. */
enum tk_status tk_byte_source_read(struct tk_byte_source *source, void *buffer, size_t capacity,
                                   size_t *size_out, struct tk_error *error);

/** Starts over. TK_UNSUPPORTED where that cannot be done, as with a pipe. */
enum tk_status tk_byte_source_rewind(struct tk_byte_source *source, struct tk_error *error);

/** At the end of the stream: goes on with what has been appended to the file since. */
void tk_byte_source_continue(struct tk_byte_source *source);

/** At the end of the stream: the last frame or member was cut short. */
bool tk_byte_source_truncated(const struct tk_byte_source *source);
enum tk_compression tk_byte_source_compression(const struct tk_byte_source *source);
/** For progress bars: encoded bytes taken so far, and in all (0: not known). */
uint64_t tk_byte_source_position(const struct tk_byte_source *source);
uint64_t tk_byte_source_size(const struct tk_byte_source *source);

#endif
