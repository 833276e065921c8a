/* SPDX-License-Identifier: MIT
 * Where input bytes come from, and their decompression. Encoded bytes pass through one buffer;
 * plain files are read straight into the caller's. */
#include "cli/input/byte_source.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>
#ifdef TK_HAVE_ZLIB
#include <zlib.h>
#endif

enum { ENCODED_CAPACITY = 256 * 1024, MAGIC_SIZE = 4 };

struct tk_byte_source {
  char *name;
  int file; /* -1: memory */
  bool owns_file;
  bool file_ended;
  bool ended; /* the decoded stream */
  bool truncated;
  bool in_frame; /* a frame or member has begun and not ended */
  enum tk_compression compression;
  const uint8_t *memory;
  size_t memory_size;
  size_t piece_size;
  off_t start;      /* of the stream in the file: standard input may have been read from */
  uint64_t fetched; /* encoded bytes taken from the file or memory */
  uint64_t size;
  uint8_t *encoded;
  size_t encoded_begin;
  size_t encoded_end;
  ZSTD_DStream *zstd;
#ifdef TK_HAVE_ZLIB
  z_stream gzip;
  bool gzip_ready;
#endif
};

/* ---- encoded bytes ---- */

static size_t fetch_memory(struct tk_byte_source *source, void *buffer, size_t capacity) {
  size_t size = source->memory_size - (size_t)source->fetched;
  if (size > capacity) size = capacity;
  if (source->piece_size && size > source->piece_size) size = source->piece_size;
  if (size > 0) memcpy(buffer, source->memory + source->fetched, size);
  return size;
}

static enum tk_status fetch(struct tk_byte_source *source, void *buffer, size_t capacity,
                            size_t *size_out, struct tk_error *error) {
  *size_out = 0;
  if (source->file_ended) return TK_OK;
  if (source->file < 0) {
    *size_out = fetch_memory(source, buffer, capacity);
  } else {
    ssize_t size;
    do size = read(source->file, buffer, capacity);
    while (size < 0 && errno == EINTR);
    if (size < 0) {
      return tk_fail(error, TK_IO, "%s: byte %llu: cannot read: %s", source->name,
                     (unsigned long long)source->fetched, strerror(errno));
    }
    *size_out = (size_t)size;
  }
  source->file_ended = *size_out == 0;
  source->fetched += *size_out;
  return TK_OK;
}

/* Encoded bytes that have not been decoded yet, more of them if there are none. */
static enum tk_status fill_encoded(struct tk_byte_source *source, struct tk_error *error) {
  size_t size;
  if (source->encoded_begin < source->encoded_end) return TK_OK;
  const enum tk_status status = fetch(source, source->encoded, ENCODED_CAPACITY, &size, error);
  source->encoded_begin = 0;
  source->encoded_end = size;
  return status;
}

static uint64_t decoded_position(const struct tk_byte_source *source) {
  return source->fetched - (source->encoded_end - source->encoded_begin);
}

static enum tk_status fail_decoding(const struct tk_byte_source *source, const char *what,
                                    struct tk_error *error) {
  return tk_fail(error, TK_CORRUPT, "%s: byte %llu: cannot decompress: %s", source->name,
                 (unsigned long long)decoded_position(source), what);
}

/* ---- zstd ---- */

static enum tk_status start_zstd(struct tk_byte_source *source, struct tk_error *error) {
  if (!source->zstd) source->zstd = ZSTD_createDStream();
  if (!source->zstd || ZSTD_isError(ZSTD_initDStream(source->zstd))) return tk_nomem(error);
  return TK_OK;
}

static enum tk_status read_zstd(struct tk_byte_source *source, void *buffer, size_t capacity,
                                size_t *size_out, struct tk_error *error) {
  ZSTD_outBuffer out = {buffer, capacity, 0};
  while (out.pos == 0) {
    const enum tk_status status = fill_encoded(source, error);
    if (status != TK_OK) return status;
    const size_t available = source->encoded_end - source->encoded_begin;
    ZSTD_inBuffer in = {source->encoded + source->encoded_begin, available, 0};
    if (available == 0 && !source->in_frame) break;
    const size_t result = ZSTD_decompressStream(source->zstd, &out, &in);
    if (ZSTD_isError(result)) return fail_decoding(source, ZSTD_getErrorName(result), error);
    source->encoded_begin += in.pos;
    source->in_frame = result != 0;
    if (available == 0 && out.pos == 0) {
      source->truncated = source->in_frame;
      break;
    }
  }
  *size_out = out.pos;
  return TK_OK;
}

/* ---- gzip ---- */

#ifdef TK_HAVE_ZLIB

static void *allocate_for_zlib(void *opaque, unsigned count, unsigned size) {
  (void)opaque;
  return sqlite3_malloc64((sqlite3_uint64)count * size);
}

static void free_for_zlib(void *opaque, void *memory) {
  (void)opaque;
  sqlite3_free(memory);
}

static enum tk_status start_gzip(struct tk_byte_source *source, struct tk_error *error) {
  const int gzip_window = 15 + 16;
  if (source->gzip_ready) {
    inflateReset(&source->gzip);
    return TK_OK;
  }
  source->gzip = (z_stream){.zalloc = allocate_for_zlib, .zfree = free_for_zlib};
  if (inflateInit2(&source->gzip, gzip_window) != Z_OK) return tk_nomem(error);
  source->gzip_ready = true;
  return TK_OK;
}

/* Some writers pad the last member with zeros to a block's size. */
static enum tk_status skip_padding(struct tk_byte_source *source, struct tk_error *error) {
  for (;;) {
    const enum tk_status status = fill_encoded(source, error);
    if (status != TK_OK || source->encoded_begin == source->encoded_end) return status;
    if (source->encoded[source->encoded_begin] != 0) return TK_OK;
    source->encoded_begin++;
  }
}

static enum tk_status inflate_some(struct tk_byte_source *source, struct tk_error *error) {
  z_stream *gzip = &source->gzip;
  gzip->next_in = source->encoded + source->encoded_begin;
  gzip->avail_in = (uInt)(source->encoded_end - source->encoded_begin);
  source->in_frame = true;
  const int result = inflate(gzip, Z_NO_FLUSH);
  source->encoded_begin = source->encoded_end - gzip->avail_in;
  if (result == Z_MEM_ERROR) return tk_nomem(error);
  if (result == Z_STREAM_END) {
    source->in_frame = false;
    inflateReset(gzip);
  } else if (result != Z_OK && result != Z_BUF_ERROR) {
    return fail_decoding(source, gzip->msg ? gzip->msg : "not gzip", error);
  }
  return TK_OK;
}

static enum tk_status read_gzip(struct tk_byte_source *source, void *buffer, size_t capacity,
                                size_t *size_out, struct tk_error *error) {
  const size_t limit = (size_t)1 << 30; /* avail_out is an unsigned int */
  if (capacity > limit) capacity = limit;
  source->gzip.next_out = buffer;
  source->gzip.avail_out = (uInt)capacity;
  while (source->gzip.avail_out == capacity) {
    enum tk_status status = fill_encoded(source, error);
    if (status == TK_OK && !source->in_frame) status = skip_padding(source, error);
    if (status != TK_OK) return status;
    if (source->encoded_begin == source->encoded_end) {
      source->truncated = source->in_frame;
      break;
    }
    if ((status = inflate_some(source, error)) != TK_OK) return status;
  }
  *size_out = capacity - source->gzip.avail_out;
  return TK_OK;
}

#else

static enum tk_status start_gzip(struct tk_byte_source *source, struct tk_error *error) {
  return tk_fail(error, TK_UNSUPPORTED, "%s: gzip input, but this build has no zlib", source->name);
}

static enum tk_status read_gzip(struct tk_byte_source *source, void *buffer, size_t capacity,
                                size_t *size_out, struct tk_error *error) {
  (void)buffer;
  (void)capacity;
  *size_out = 0;
  return start_gzip(source, error);
}

#endif

/* ---- the stream ---- */

static enum tk_status read_plain(struct tk_byte_source *source, void *buffer, size_t capacity,
                                 size_t *size_out, struct tk_error *error) {
  size_t left = source->encoded_end - source->encoded_begin;
  if (left == 0) return fetch(source, buffer, capacity, size_out, error);
  if (left > capacity) left = capacity;
  memcpy(buffer, source->encoded + source->encoded_begin, left);
  source->encoded_begin += left;
  *size_out = left;
  return TK_OK;
}

enum tk_status tk_byte_source_read(struct tk_byte_source *source, void *buffer, size_t capacity,
                                   size_t *size_out, struct tk_error *error) {
  enum tk_status status = TK_OK;
  *size_out = 0;
  if (source->ended || capacity == 0) return TK_OK;
  switch (source->compression) {
    case TK_COMPRESSION_NONE:
      status = read_plain(source, buffer, capacity, size_out, error);
      break;
    case TK_COMPRESSION_ZSTD:
      status = read_zstd(source, buffer, capacity, size_out, error);
      break;
    case TK_COMPRESSION_GZIP:
      status = read_gzip(source, buffer, capacity, size_out, error);
      break;
  }
  source->ended = status != TK_OK || *size_out == 0;
  return status;
}

/* A frame of data, or one to skip, as some parallel compressors begin with. */
static bool has_zstd_magic(const struct tk_byte_source *source) {
  static const uint8_t data_frame[MAGIC_SIZE] = {0x28, 0xB5, 0x2F, 0xFD};
  static const uint8_t skippable_frame[MAGIC_SIZE] = {0x50, 0x2A, 0x4D, 0x18};
  const uint8_t *bytes = source->encoded;
  if (source->encoded_end < MAGIC_SIZE) return false;
  return memcmp(bytes, data_frame, MAGIC_SIZE) == 0 ||
         ((bytes[0] & 0xF0) == skippable_frame[0] &&
          memcmp(bytes + 1, skippable_frame + 1, MAGIC_SIZE - 1) == 0);
}

/* Looks at the first bytes, which stay in the buffer, and makes the decoder ready. */
static enum tk_status recognise(struct tk_byte_source *source, struct tk_error *error) {
  while (source->encoded_end < MAGIC_SIZE) {
    size_t size;
    const enum tk_status status = fetch(source, source->encoded + source->encoded_end,
                                        ENCODED_CAPACITY - source->encoded_end, &size, error);
    if (status != TK_OK) return status;
    if (size == 0) break;
    source->encoded_end += size;
  }
  source->compression = TK_COMPRESSION_NONE;
  if (has_zstd_magic(source)) {
    source->compression = TK_COMPRESSION_ZSTD;
    return start_zstd(source, error);
  }
  if (source->encoded_end >= 2 && source->encoded[0] == 0x1F && source->encoded[1] == 0x8B) {
    source->compression = TK_COMPRESSION_GZIP;
    return start_gzip(source, error);
  }
  return TK_OK;
}

static enum tk_status create(const char *name, struct tk_byte_source **source_out,
                             struct tk_error *error) {
  struct tk_byte_source *source = sqlite3_malloc64(sizeof *source);
  if (!source) return tk_nomem(error);
  *source = (struct tk_byte_source){.file = -1};
  source->name = sqlite3_mprintf("%s", name);
  source->encoded = sqlite3_malloc64(ENCODED_CAPACITY);
  if (!source->name || !source->encoded) {
    tk_byte_source_close(source);
    return tk_nomem(error);
  }
  *source_out = source;
  return TK_OK;
}

static enum tk_status open_file(struct tk_byte_source *source, const char *path,
                                struct tk_error *error) {
  struct stat info;
  source->owns_file = strcmp(path, "-") != 0;
  source->file = source->owns_file ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
  if (source->file < 0 || fstat(source->file, &info) != 0) {
    return tk_fail(error, TK_IO, "%s: cannot open: %s", source->name, strerror(errno));
  }
  if (S_ISDIR(info.st_mode)) {
    return tk_fail(error, TK_IO, "%s: is a directory", source->name);
  }
  source->start = lseek(source->file, 0, SEEK_CUR); /* -1: a pipe */
  if (S_ISREG(info.st_mode)) {
    source->size = (uint64_t)(info.st_size - source->start);
    posix_fadvise(source->file, 0, 0, POSIX_FADV_SEQUENTIAL);
  }
  return TK_OK;
}

enum tk_status tk_byte_source_open(const char *path, struct tk_byte_source **source_out,
                                   struct tk_error *error) {
  struct tk_byte_source *source = NULL;
  *source_out = NULL;
  enum tk_status status = create(strcmp(path, "-") == 0 ? "standard input" : path, &source, error);
  if (status != TK_OK) return status;
  if ((status = open_file(source, path, error)) != TK_OK) goto done;
  if ((status = recognise(source, error)) != TK_OK) goto done;
  *source_out = source;
  source = NULL; /* moved */

done:
  tk_byte_source_close(source);
  return status;
}

enum tk_status tk_byte_source_open_memory(const char *name, const void *bytes, size_t size,
                                          size_t piece_size, struct tk_byte_source **source_out,
                                          struct tk_error *error) {
  struct tk_byte_source *source = NULL;
  *source_out = NULL;
  enum tk_status status = create(name, &source, error);
  if (status != TK_OK) return status;
  source->memory = bytes;
  source->memory_size = size;
  source->size = size;
  source->piece_size = piece_size;
  if ((status = recognise(source, error)) == TK_OK) {
    *source_out = source;
  } else {
    tk_byte_source_close(source);
  }
  return status;
}

void tk_byte_source_close(struct tk_byte_source *source) {
  if (!source) return;
  if (source->owns_file && source->file >= 0) close(source->file);
  ZSTD_freeDStream(source->zstd);
#ifdef TK_HAVE_ZLIB
  if (source->gzip_ready) inflateEnd(&source->gzip);
#endif
  sqlite3_free(source->encoded);
  sqlite3_free(source->name);
  sqlite3_free(source);
}

enum tk_status tk_byte_source_rewind(struct tk_byte_source *source, struct tk_error *error) {
  const off_t start = source->start;
  if (source->file >= 0 && (start < 0 || lseek(source->file, start, SEEK_SET) != start)) {
    return tk_fail(error, TK_UNSUPPORTED, "%s: cannot be read twice", source->name);
  }
  source->file_ended = source->ended = source->truncated = source->in_frame = false;
  source->fetched = 0;
  source->encoded_begin = source->encoded_end = 0;
  return recognise(source, error);
}

void tk_byte_source_continue(struct tk_byte_source *source) {
  source->file_ended = source->ended = source->truncated = false;
}

bool tk_byte_source_truncated(const struct tk_byte_source *source) {
  return source->truncated;
}

enum tk_compression tk_byte_source_compression(const struct tk_byte_source *source) {
  return source->compression;
}

uint64_t tk_byte_source_position(const struct tk_byte_source *source) {
  return decoded_position(source);
}

uint64_t tk_byte_source_size(const struct tk_byte_source *source) {
  return source->size;
}
