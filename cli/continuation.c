/* SPDX-License-Identifier: MIT
 * A source is known by what it held up to some offset. Those of that content that had another name
 * are looked at: where the file of that name is gone, or holds something else now, it was renamed,
 * as logs are that rotate. */
#include "cli/continuation.h"

#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/input/byte_source.h"
#include "tracekeep/hash.h"

static bool are_one_file(const char *path, const char *other) {
  struct stat one, two;
  return stat(path, &one) == 0 && stat(other, &two) == 0 && one.st_dev == two.st_dev &&
         one.st_ino == two.st_ino;
}

static bool begins_with(const char *path, const struct tk_progress *progress) {
  struct tk_byte_source *source = NULL;
  struct stat status;
  struct tk_hash hash;
  char piece[1 << 16];
  uint64_t left = progress->offset;
  size_t size = 1;
  if (stat(path, &status) != 0 || !S_ISREG(status.st_mode)) return false;
  if (tk_byte_source_open(path, &source, NULL) != TK_OK) return false;
  tk_hash_init(&hash);
  while (left > 0 && size > 0) {
    const size_t wanted = left < sizeof piece ? (size_t)left : sizeof piece;
    if (tk_byte_source_read(source, piece, wanted, &size, NULL) != TK_OK) break;
    tk_hash_update(&hash, piece, size);
    left -= size;
  }
  tk_byte_source_close(source);
  return left == 0 && tk_hash_digest(&hash) == progress->hash;
}

bool tk_is_another_file(struct tk_store *store, const char *path,
                        const struct tk_progress *progress) {
  sqlite3_stmt *rows = NULL;
  bool own = false, another = false;
  if (sqlite3_prepare_v2(tk_store_database(store),
                         "SELECT source FROM tk_ingest WHERE offset = ?1 AND offset_hash = ?2", -1,
                         &rows, NULL) != SQLITE_OK) {
    return false;
  }
  sqlite3_bind_int64(rows, 1, (sqlite3_int64)progress->offset);
  sqlite3_bind_int64(rows, 2, (sqlite3_int64)progress->hash);
  while (sqlite3_step(rows) == SQLITE_ROW && !own) {
    const char *source = (const char *)sqlite3_column_text(rows, 0);
    if (!source) continue;
    own = strcmp(source, path) == 0 || are_one_file(path, source);
    another |= !own && begins_with(source, progress);
  }
  sqlite3_finalize(rows);
  return another && !own;
}
