/* SPDX-License-Identifier: MIT
 * One thread at a time may use it. What is durable is a copy of the whole file, taken at each sync:
 * test stores are small. */
#include "tests/support/fault_vfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FILES = 64, SECTOR = 4096 };

struct tracked_file {
  char path[600];
  char *durable;
  size_t durable_size;
};

struct fault_file {
  sqlite3_file base;
  struct tracked_file *tracked;
  sqlite3_file *real; /* behind this struct */
};

static sqlite3_vfs *real_vfs;
static sqlite3_vfs vfs;
static struct tracked_file files[MAX_FILES];
static int file_count;
static enum fault_call armed;
static int countdown, hits;
static bool always;

const char *fault_call_name(enum fault_call call) {
  static const char *const names[] = {"open", "read",    "write",    "sync",   "truncate", "size",
                                      "lock", "shm map", "shm lock", "delete", "access",   "power"};
  return names[call];
}

static bool fails_now(enum fault_call call) {
  const bool changes =
      call == FAULT_WRITE || call == FAULT_SYNC || call == FAULT_TRUNCATE || call == FAULT_DELETE;
  if (countdown == 0 || (armed == FAULT_POWER ? !changes : call != armed)) return false;
  if (--countdown > 0) return false;
  if (always) countdown = 1;
  hits++;
  return true;
}

/* ---- what is durable ---- */

static char *read_whole(const char *path, size_t *size_out) {
  FILE *in = fopen(path, "rb");
  *size_out = 0;
  if (!in) return NULL;
  fseek(in, 0, SEEK_END);
  const long size = ftell(in);
  char *bytes = malloc((size_t)size + 1);
  rewind(in);
  *size_out = fread(bytes, 1, (size_t)size, in);
  fclose(in);
  return bytes;
}

static struct tracked_file *track(const char *path) {
  for (int i = 0; i < file_count; i++) {
    if (strcmp(files[i].path, path) == 0) return &files[i];
  }
  if (file_count == MAX_FILES) return NULL;
  struct tracked_file *file = &files[file_count++];
  snprintf(file->path, sizeof file->path, "%s", path);
  file->durable = read_whole(path, &file->durable_size);
  return file;
}

static void note_sync(struct tracked_file *file) {
  if (!file) return;
  free(file->durable);
  file->durable = read_whole(file->path, &file->durable_size);
}

/* Keeps some of the sectors as they were written. */
static void tear(struct tracked_file *file, unsigned seed) {
  size_t size;
  char *written = read_whole(file->path, &size);
  for (size_t at = 0; written && at < size && at + SECTOR <= file->durable_size; at += SECTOR) {
    seed = seed * 1103515245 + 12345;
    if (seed >> 16 & 1) continue;
    memcpy(file->durable + at, written + at, size - at < SECTOR ? size - at : SECTOR);
  }
  if (written && size > file->durable_size && (seed >> 17 & 1)) {
    free(file->durable);
    file->durable = written;
    file->durable_size = size;
    return;
  }
  free(written);
}

void fault_vfs_lose_power(unsigned torn_seed) {
  for (int i = 0; i < file_count; i++) {
    struct tracked_file *file = &files[i];
    const size_t name = strlen(file->path);
    if (torn_seed && name > 4 && strcmp(file->path + name - 4, "-wal") == 0) tear(file, torn_seed);
    FILE *out = fopen(file->path, "wb");
    if (out && file->durable_size) fwrite(file->durable, 1, file->durable_size, out);
    if (out) fclose(out);
    char beside[640];
    snprintf(beside, sizeof beside, "%s-shm", file->path);
    unlink(beside);
  }
  fault_vfs_forget();
}

void fault_vfs_forget(void) {
  for (int i = 0; i < file_count; i++) free(files[i].durable);
  file_count = 0;
}

/* ---- files ---- */

static struct fault_file *of(sqlite3_file *file) {
  return (struct fault_file *)file;
}

static sqlite3_file *real_of(sqlite3_file *file) {
  return of(file)->real;
}

static int file_close(sqlite3_file *file) {
  return real_of(file)->pMethods->xClose(real_of(file));
}
static int file_read(sqlite3_file *file, void *bytes, int size, sqlite3_int64 offset) {
  if (fails_now(FAULT_READ)) return SQLITE_IOERR_READ;
  return real_of(file)->pMethods->xRead(real_of(file), bytes, size, offset);
}
/* A write that fails leaves half of it behind. */
static int file_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset) {
  if (fails_now(FAULT_WRITE)) {
    real_of(file)->pMethods->xWrite(real_of(file), bytes, size / 2, offset);
    return SQLITE_FULL;
  }
  return real_of(file)->pMethods->xWrite(real_of(file), bytes, size, offset);
}
static int file_truncate(sqlite3_file *file, sqlite3_int64 size) {
  if (fails_now(FAULT_TRUNCATE)) return SQLITE_IOERR_TRUNCATE;
  return real_of(file)->pMethods->xTruncate(real_of(file), size);
}
static int file_sync(sqlite3_file *file, int flags) {
  if (fails_now(FAULT_SYNC)) return SQLITE_IOERR_FSYNC;
  (void)flags; /* the real sync is slow, and nobody pulls the plug here */
  note_sync(of(file)->tracked);
  return SQLITE_OK;
}
static int file_size(sqlite3_file *file, sqlite3_int64 *size) {
  if (fails_now(FAULT_SIZE)) return SQLITE_IOERR_FSTAT;
  return real_of(file)->pMethods->xFileSize(real_of(file), size);
}
static int file_lock(sqlite3_file *file, int level) {
  if (fails_now(FAULT_LOCK)) return SQLITE_IOERR_LOCK;
  return real_of(file)->pMethods->xLock(real_of(file), level);
}
static int file_unlock(sqlite3_file *file, int level) {
  return real_of(file)->pMethods->xUnlock(real_of(file), level);
}
static int file_reserved(sqlite3_file *file, int *is) {
  return real_of(file)->pMethods->xCheckReservedLock(real_of(file), is);
}
static int file_control(sqlite3_file *file, int op, void *argument) {
  return real_of(file)->pMethods->xFileControl(real_of(file), op, argument);
}
static int file_sector(sqlite3_file *file) {
  return real_of(file)->pMethods->xSectorSize(real_of(file));
}
static int file_character(sqlite3_file *file) {
  return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}
static int file_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **map) {
  if (fails_now(FAULT_SHM_MAP)) return SQLITE_IOERR_SHMMAP;
  return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, map);
}
static int file_shm_lock(sqlite3_file *file, int offset, int n, int flags) {
  if (!(flags & SQLITE_SHM_UNLOCK) && fails_now(FAULT_SHM_LOCK)) return SQLITE_IOERR_SHMLOCK;
  return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}
static void file_shm_barrier(sqlite3_file *file) {
  real_of(file)->pMethods->xShmBarrier(real_of(file));
}
static int file_shm_unmap(sqlite3_file *file, int remove) {
  return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

static const sqlite3_io_methods methods = {.iVersion = 2,
                                           .xClose = file_close,
                                           .xRead = file_read,
                                           .xWrite = file_write,
                                           .xTruncate = file_truncate,
                                           .xSync = file_sync,
                                           .xFileSize = file_size,
                                           .xLock = file_lock,
                                           .xUnlock = file_unlock,
                                           .xCheckReservedLock = file_reserved,
                                           .xFileControl = file_control,
                                           .xSectorSize = file_sector,
                                           .xDeviceCharacteristics = file_character,
                                           .xShmMap = file_shm_map,
                                           .xShmLock = file_shm_lock,
                                           .xShmBarrier = file_shm_barrier,
                                           .xShmUnmap = file_shm_unmap};

/* ---- the VFS ---- */

static int vfs_open(sqlite3_vfs *self, const char *name, sqlite3_file *base, int flags,
                    int *flags_out) {
  struct fault_file *file = of(base);
  (void)self;
  memset(file, 0, sizeof *file);
  if (fails_now(FAULT_OPEN)) return SQLITE_CANTOPEN;
  file->real = (sqlite3_file *)(file + 1);
  if (name && (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL))) {
    file->tracked = track(name);
  }
  const int rc = real_vfs->xOpen(real_vfs, name, file->real, flags, flags_out);
  if (file->real->pMethods) base->pMethods = &methods;
  return rc;
}

/* What was deleted stays deleted: that a file comes back is not played. */
static int vfs_delete(sqlite3_vfs *self, const char *name, int sync_directory) {
  (void)self;
  if (fails_now(FAULT_DELETE)) return SQLITE_IOERR_DELETE;
  const int rc = real_vfs->xDelete(real_vfs, name, sync_directory);
  for (int i = 0; i < file_count && rc == SQLITE_OK; i++) {
    if (strcmp(files[i].path, name) == 0) note_sync(&files[i]);
  }
  return rc;
}

static int vfs_access(sqlite3_vfs *self, const char *name, int flags, int *result) {
  (void)self;
  if (fails_now(FAULT_ACCESS)) return SQLITE_IOERR_ACCESS;
  return real_vfs->xAccess(real_vfs, name, flags, result);
}

static int vfs_full_name(sqlite3_vfs *self, const char *name, int size, char *out) {
  (void)self;
  return real_vfs->xFullPathname(real_vfs, name, size, out);
}

void fault_vfs_install(void) {
  real_vfs = sqlite3_vfs_find(NULL);
  vfs = *real_vfs;
  vfs.pNext = NULL;
  vfs.zName = "fault";
  vfs.szOsFile = (int)sizeof(struct fault_file) + real_vfs->szOsFile;
  vfs.xOpen = vfs_open;
  vfs.xDelete = vfs_delete;
  vfs.xAccess = vfs_access;
  vfs.xFullPathname = vfs_full_name;
  sqlite3_vfs_register(&vfs, 1);
}

void fault_vfs_arm(enum fault_call call, int nth, bool persistent) {
  armed = call;
  countdown = nth;
  always = persistent || call == FAULT_POWER;
  hits = 0;
}

int fault_vfs_hits(void) {
  return hits;
}
