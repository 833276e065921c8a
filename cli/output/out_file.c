/* SPDX-License-Identifier: MIT
 * One zstd frame with a checksum, compressed at zstd's default level. */
#include "cli/output/out_file.h"

#include <errno.h>
#include <sqlite3.h>
#include <zstd.h>

bool tk_out_file_open(struct tk_out_file *out, FILE *file, bool zstd) {
  *out = (struct tk_out_file){.file = file};
  if (!zstd) return true;
  out->capacity = ZSTD_CStreamOutSize();
  out->buffer = sqlite3_malloc64(out->capacity);
  out->compressor = ZSTD_createCCtx();
  if (!out->buffer || !out->compressor) {
    sqlite3_free(out->buffer);
    ZSTD_freeCCtx(out->compressor);
    return false;
  }
  ZSTD_CCtx_setParameter(out->compressor, ZSTD_c_checksumFlag, 1);
  return true;
}

/* Until all is taken, and at the end, all is written. */
static bool compress_bytes(struct tk_out_file *out, const void *bytes, size_t size, bool last) {
  ZSTD_inBuffer in = {bytes, size, 0};
  size_t left;
  do {
    ZSTD_outBuffer packed = {out->buffer, out->capacity, 0};
    left = ZSTD_compressStream2(out->compressor, &packed, &in, last ? ZSTD_e_end : ZSTD_e_continue);
    if (ZSTD_isError(left)) {
      errno = ENOMEM;
      return false;
    }
    if (fwrite(out->buffer, 1, packed.pos, out->file) != packed.pos) return false;
  } while (in.pos < in.size || (last && left > 0));
  return true;
}

bool tk_out_file_write(struct tk_out_file *out, const void *bytes, size_t size) {
  if (out->compressor) return compress_bytes(out, bytes, size, false);
  return fwrite(bytes, 1, size, out->file) == size;
}

bool tk_out_file_close(struct tk_out_file *out) {
  bool written = !out->compressor || compress_bytes(out, "", 0, true);
  const int reason = errno;
  written &= fflush(out->file) == 0;
  if (!written && out->compressor) errno = reason;
  ZSTD_freeCCtx(out->compressor);
  sqlite3_free(out->buffer);
  *out = (struct tk_out_file){0};
  return written;
}
