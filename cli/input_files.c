/* SPDX-License-Identifier: MIT
 * Walks folders. A file that is named is always taken; what it is, the reader finds out. */
#include "cli/input_files.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/messages.h"

enum { DEPTH_MAX = 32 };

static bool ends_with(const char *text, size_t size, const char *ending) {
  size_t length = strlen(ending);
  return size > length && memcmp(text + size - length, ending, length) == 0;
}

static bool looks_like_dump(const char *name) {
  static const char *const endings[] = {".json", ".jsonl", ".ndjson", ".pb", ".bin", ".otlp"};
  size_t size = strlen(name);
  if (ends_with(name, size, ".gz")) size -= strlen(".gz");
  if (ends_with(name, size, ".zst")) size -= strlen(".zst");
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
    if (ends_with(name, size, endings[i])) return true;
  }
  return false;
}

static void add_file(struct tk_input_files *files, const char *path) {
  if (files->count == files->capacity) {
    files->capacity = files->capacity ? files->capacity * 2 : 16;
    files->paths = tk_need_memory(realloc(files->paths, files->capacity * sizeof *files->paths));
  }
  files->paths[files->count++] = tk_need_memory(strdup(path));
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in a folder, sorted; hidden ones left out. False: it cannot be read. */
static bool list_folder(const char *path, struct tk_input_files *names) {
  DIR *folder = opendir(path);
  if (!folder) return false;
  for (struct dirent *entry; (entry = readdir(folder));) {
    if (entry->d_name[0] != '.') add_file(names, entry->d_name);
  }
  closedir(folder);
  if (names->count > 0) qsort(names->paths, names->count, sizeof *names->paths, compare_names);
  return true;
}

static void add_folder(struct tk_input_files *files, const char *path, int depth) {
  struct tk_input_files names = {0};
  if (depth > DEPTH_MAX || !list_folder(path, &names)) {
    if (!files->following) {
      tk_complain("%s: cannot read the folder: %s", path,
                  depth > DEPTH_MAX ? "too deep" : strerror(errno));
    }
    files->missing++;
    return;
  }
  for (size_t i = 0; i < names.count; i++) {
    size_t size = strlen(path) + strlen(names.paths[i]) + 2;
    char *inner = tk_need_memory(malloc(size));
    struct stat status;
    bool has_slash = path[strlen(path) - 1] == '/';
    snprintf(inner, size, "%s%s%s", path, has_slash ? "" : "/", names.paths[i]);
    if (stat(inner, &status) == 0 && S_ISDIR(status.st_mode)) {
      add_folder(files, inner, depth + 1);
    } else if (looks_like_dump(names.paths[i])) {
      add_file(files, inner);
    }
    free(inner);
  }
  tk_input_files_reset(&names);
}

static void measure(struct tk_input_files *files) {
  for (size_t i = 0; i < files->count; i++) {
    struct stat status;
    if (stat(files->paths[i], &status) != 0 || !S_ISREG(status.st_mode)) {
      files->total_bytes = 0;
      return;
    }
    files->total_bytes += (uint64_t)status.st_size;
  }
}

/* ---- following ---- */

static void add_matches(struct tk_input_files *files, const char *pattern) {
  glob_t found;
  if (glob(pattern, GLOB_NOCHECK, NULL, &found) != 0) return;
  for (size_t i = 0; i < found.gl_pathc; i++) {
    struct stat status;
    if (stat(found.gl_pathv[i], &status) != 0) continue;
    if (S_ISDIR(status.st_mode)) {
      add_folder(files, found.gl_pathv[i], 0);
    } else {
      add_file(files, found.gl_pathv[i]);
    }
  }
  globfree(&found);
}

/* name.ext rotates to name-<time>.ext, perhaps compressed: those files of the same folder. */
static void add_rotated(struct tk_input_files *files, const char *path) {
  static const char time_pattern[] =
      "-[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]-[0-9][0-9]-[0-9][0-9]*";
  const char *slash = strrchr(path, '/');
  const char *name = slash ? slash + 1 : path;
  const char *dot = strrchr(name, '.');
  const size_t stem = dot && dot > name ? (size_t)(dot - name) : strlen(name);
  struct tk_input_files names = {0};
  char *folder = tk_need_memory(strndup(path, slash ? (size_t)(name - path) : 0));
  if (list_folder(slash ? folder : ".", &names)) {
    for (size_t i = 0; i < names.count; i++) {
      const char *other = names.paths[i];
      if (strncmp(other, name, stem) != 0 || fnmatch(time_pattern, other + stem, 0) != 0) continue;
      if (name[stem] && !strstr(other + stem, name + stem)) continue;
      char *full = tk_need_memory(malloc(strlen(folder) + strlen(other) + 1));
      strcpy(stpcpy(full, folder), other);
      add_file(files, full);
      free(full);
    }
  }
  free(folder);
  tk_input_files_reset(&names);
}

static void add_followed(struct tk_input_files *files, const char *path) {
  struct stat status;
  const bool exists = stat(path, &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) {
    add_folder(files, path, 0);
  } else if (!exists && strpbrk(path, "*?[")) {
    add_matches(files, path);
  } else {
    add_rotated(files, path);
    if (exists) add_file(files, path);
  }
}

void tk_input_files_list(struct tk_input_files *files, char **arguments, int argument_count) {
  for (int i = 0; i < argument_count; i++) {
    const char *path = arguments[i];
    struct stat status;
    if (files->following) {
      add_followed(files, path);
    } else if (strcmp(path, "-") != 0 && stat(path, &status) != 0) {
      tk_complain("%s: %s", path, strerror(errno));
      files->missing++;
    } else if (strcmp(path, "-") != 0 && S_ISDIR(status.st_mode)) {
      const size_t before = files->count + files->missing;
      add_folder(files, path, 0);
      if (files->count + files->missing == before) {
        tk_complain("%s: no file in it has the name of a dump, such as x.json or x.jsonl.gz", path);
      }
    } else {
      add_file(files, path);
    }
  }
  measure(files);
}

void tk_input_files_reset(struct tk_input_files *files) {
  for (size_t i = 0; i < files->count; i++) free(files->paths[i]);
  free(files->paths);
  *files = (struct tk_input_files){0};
}
