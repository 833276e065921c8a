/* SPDX-License-Identifier: MIT
 * Walks folders. Links to folders are followed only where the command line names one, so the walk
 * cannot go in circles. */
#include "cli/input/expand.h"

#include <dirent.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static enum tk_status append(struct tk_path_list *list, const char *path, struct tk_error *error) {
  if (list->count == list->capacity) {
    const size_t capacity = list->capacity ? list->capacity * 2 : 16;
    char **paths = sqlite3_realloc64(list->paths, capacity * sizeof *paths);
    if (!paths) return tk_nomem(error);
    list->paths = paths;
    list->capacity = capacity;
  }
  char *copy = sqlite3_mprintf("%s", path);
  if (!copy) return tk_nomem(error);
  list->paths[list->count++] = copy;
  return TK_OK;
}

void tk_path_list_reset(struct tk_path_list *list) {
  for (size_t i = 0; i < list->count; i++) sqlite3_free(list->paths[i]);
  sqlite3_free(list->paths);
  *list = (struct tk_path_list){0};
}

static int compare_paths(const void *left, const void *right) {
  char *const *const a = left;
  char *const *const b = right;
  return strcmp(*a, *b);
}

/* Paths of everything visible in a folder, sorted. */
static enum tk_status list_folder(const char *folder, struct tk_path_list *entries,
                                  struct tk_error *error) {
  enum tk_status status = TK_OK;
  DIR *directory = opendir(folder);
  if (!directory) {
    return tk_fail(error, TK_IO, "%s: cannot read folder: %s", folder, strerror(errno));
  }
  const size_t length = strlen(folder);
  const char *separator = length > 0 && folder[length - 1] == '/' ? "" : "/";
  for (struct dirent *entry; status == TK_OK && (entry = readdir(directory));) {
    if (entry->d_name[0] == '.') continue;
    char *path = sqlite3_mprintf("%s%s%s", folder, separator, entry->d_name);
    status = path ? append(entries, path, error) : tk_nomem(error);
    sqlite3_free(path);
  }
  closedir(directory);
  if (entries->count > 1)
    qsort(entries->paths, entries->count, sizeof *entries->paths, compare_paths);
  return status;
}

static enum tk_status walk(const char *folder, struct tk_path_list *list, struct tk_error *error) {
  struct tk_path_list entries = {0};
  enum tk_status status = list_folder(folder, &entries, error);
  for (size_t i = 0; status == TK_OK && i < entries.count; i++) {
    const char *path = entries.paths[i];
    struct stat info;
    struct stat target;
    if (lstat(path, &info) != 0 || stat(path, &target) != 0) continue; /* gone, or a broken link */
    if (S_ISDIR(info.st_mode)) {
      status = walk(path, list, error);
    } else if (S_ISREG(target.st_mode)) {
      status = append(list, path, error);
    }
  }
  tk_path_list_reset(&entries);
  return status;
}

enum tk_status tk_input_expand(const char *path, struct tk_path_list *list,
                               struct tk_error *error) {
  struct stat info;
  if (strcmp(path, "-") == 0) return append(list, path, error);
  if (stat(path, &info) != 0) {
    return tk_fail(error, TK_IO, "%s: cannot open: %s", path, strerror(errno));
  }
  return S_ISDIR(info.st_mode) ? walk(path, list, error) : append(list, path, error);
}
