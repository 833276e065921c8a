/* SPDX-License-Identifier: MIT
 * The only file that knows zstd.
 *
 * Contexts are expensive to make (100 KB and more) and frames here are small, so one idle context
 * of each sort is kept for the process. It is taken and put back by an atomic exchange: threads
 * that come second make their own, and the last one put back stays. */
#include "store/codec/compression.h"

#include <stdatomic.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

enum packing { PACKED_RAW = 0, PACKED_REPEATED = 1, PACKED_ZSTD = 2 };

/* Below this a frame's own header eats the gain. */
enum { SMALLEST_ZSTD_INPUT = 24 };

static _Atomic(ZSTD_CCtx *) idle_compressor;
static _Atomic(ZSTD_DCtx *) idle_decompressor;

static ZSTD_CCtx *take_compressor(void) {
  ZSTD_CCtx *context = atomic_exchange(&idle_compressor, NULL);
  return context ? context : ZSTD_createCCtx();
}

static void put_back_compressor(ZSTD_CCtx *context) {
  ZSTD_freeCCtx(atomic_exchange(&idle_compressor, context));
}

static ZSTD_DCtx *take_decompressor(void) {
  ZSTD_DCtx *context = atomic_exchange(&idle_decompressor, NULL);
  return context ? context : ZSTD_createDCtx();
}

static void put_back_decompressor(ZSTD_DCtx *context) {
  ZSTD_freeDCtx(atomic_exchange(&idle_decompressor, context));
}

#if defined(__GNUC__)
/* A host may unload the extension. */
__attribute__((destructor)) static void free_idle_contexts(void) {
  put_back_compressor(NULL);
  put_back_decompressor(NULL);
}
#endif

/* Size of the frame written to `target`; 0 if it does not fit, SIZE_MAX if out of memory. */
static size_t compress(uint8_t *target, size_t capacity, const uint8_t *bytes, size_t size,
                       int level) {
  size_t written = 0;
  ZSTD_CCtx *context = take_compressor();
  if (!context) return SIZE_MAX;
  ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  written = ZSTD_compress2(context, target, capacity, bytes, size);
  put_back_compressor(context);
  if (!ZSTD_isError(written)) return written;
  return ZSTD_getErrorCode(written) == ZSTD_error_memory_allocation ? SIZE_MAX : 0;
}

void tk_pack_bytes(struct tk_byte_writer *out, const uint8_t *bytes, size_t size, int level) {
  if (size > 0 && memcmp(bytes, bytes + 1, size - 1) == 0) {
    tk_byte_writer_append_u8(out, PACKED_REPEATED);
    tk_byte_writer_append_u8(out, bytes[0]);
    return;
  }
  if (size >= SMALLEST_ZSTD_INPUT) {
    /* Worth it only if it saves a thirty-second, since raw bytes are read at the speed of memory.
     * zstd gets no room beyond that, but a few bytes that it asks for while it works. */
    struct tk_byte_writer frame = {0};
    size_t limit = size - size / 32 - 4;
    uint8_t *target = tk_byte_writer_reserve(&frame, limit + 64);
    size_t written = target ? compress(target, limit + 64, bytes, size, level) : SIZE_MAX;
    if (written == SIZE_MAX) out->failed = true;
    if (!out->failed && written > 0 && written <= limit) {
      tk_byte_writer_append_u8(out, PACKED_ZSTD);
      tk_byte_writer_append_varint(out, written);
      tk_byte_writer_append(out, target, written);
      tk_byte_writer_reset(&frame);
      return;
    }
    tk_byte_writer_reset(&frame);
  }
  tk_byte_writer_append_u8(out, PACKED_RAW);
  tk_byte_writer_append(out, bytes, size);
}

static enum tk_status decompress(struct tk_byte_reader *reader, uint8_t *bytes, size_t size,
                                 struct tk_error *error) {
  size_t frame_size = (size_t)tk_byte_reader_varint_max(reader, tk_byte_reader_remaining(reader));
  const uint8_t *frame = tk_byte_reader_bytes(reader, frame_size);
  if (!frame) return tk_corrupt(error, "packed bytes end early");

  ZSTD_DCtx *context = take_decompressor();
  if (!context) return tk_nomem(error);
  size_t written = ZSTD_decompressDCtx(context, bytes, size, frame, frame_size);
  put_back_decompressor(context);
  if (ZSTD_isError(written)) {
    if (ZSTD_getErrorCode(written) == ZSTD_error_memory_allocation) return tk_nomem(error);
    return tk_corrupt(error, "zstd: %s", ZSTD_getErrorName(written));
  }
  if (written == size) return TK_OK;
  return tk_corrupt(error, "expected %zu bytes in a zstd frame, found %zu", size, written);
}

enum tk_status tk_unpack_bytes(struct tk_byte_reader *reader, uint8_t *bytes, size_t size,
                               struct tk_error *error) {
  const uint8_t *raw = NULL;
  switch (tk_byte_reader_u8(reader)) {
    case PACKED_RAW:
      raw = tk_byte_reader_bytes(reader, size);
      if (raw && size) memcpy(bytes, raw, size);
      break;
    case PACKED_REPEATED:
      raw = tk_byte_reader_bytes(reader, 1);
      if (raw && size) memset(bytes, raw[0], size);
      break;
    case PACKED_ZSTD:
      return decompress(reader, bytes, size, error);
    default:
      return tk_corrupt(error, "unknown packing method");
  }
  return raw ? TK_OK : tk_corrupt(error, "packed bytes end early");
}
