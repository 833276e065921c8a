/* A file that is written from beginning to end, compressed on the way if asked to be. */
#ifndef TK_CLI_OUTPUT_OUT_FILE_H
#define TK_CLI_OUTPUT_OUT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct tk_out_file {
  FILE *file;
  void *compressor; /**< NULL: none */
  char *buffer;
  size_t capacity;
};

/** Writes to `file`, which stays the caller's, as zstd if so. False: out of memory. */
bool tk_out_file_open(struct tk_out_file *out, FILE *file, bool zstd);
/** False: cannot be written; errno says why. */
bool tk_out_file_write(struct tk_out_file *out, const void *bytes, size_t size);
/** Ends the compressed frame and flushes; frees in any case. False as above. */
bool tk_out_file_close(struct tk_out_file *out);

#endif
