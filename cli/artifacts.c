/* SPDX-License-Identifier: MIT
 * An envelope is not trusted: a path that is absolute, or goes upwards, is taken by its last parts
 * only, and where a file really is has to be below the folder it was looked for in. */
#include "cli/artifacts.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/input/byte_source.h"
#include "cli/input/checksum.h"
#include "cli/input/document_kind.h"
#include "cli/input/format.h"
#include "cli/input/reader.h"
#include "cli/messages.h"
#include "cli/output/text_buffer.h"
#include "tracekeep/document.h"
#include "tracekeep/hash.h"

enum { FOLDERS_ABOVE = 4, NAMED_LIMIT = 1000, DEPTH_LIMIT = 32 };

struct search {
  struct tk_artifacts *artifacts;
  char *folder; /* where the envelope is, resolved */
  struct tk_text_buffer found;
  const char *named[NAMED_LIMIT]; /* paths that were looked for already */
  size_t named_count;
};

/* ---- the bytes of a file ---- */

struct content {
  uint64_t hash, trimmed_hash;
  uint8_t sha256[TK_SHA256_SIZE];
  bool has_sha256;
  bool can_be_ingested;
};

static uint64_t hash_trimmed(const char *text, size_t size) {
  const struct tk_text trimmed = tk_document_trim(text, size);
  return tk_hash64(trimmed.data, trimmed.size);
}

/* Reads all of a file, decoded; the beginning is kept, up to the longest document there can be. */
static bool read_content(const char *path, struct content *content) {
  struct tk_byte_source *source = NULL;
  struct tk_text_buffer head = {0};
  struct tk_sha256_stream digest = {0};
  struct tk_hash hash;
  char piece[1 << 16];
  size_t size = 0;
  if (tk_byte_source_open(path, &source, NULL) != TK_OK) return false;
  tk_hash_init(&hash);
  enum tk_status status;
  while ((status = tk_byte_source_read(source, piece, sizeof piece, &size, NULL)) == TK_OK &&
         size > 0) {
    tk_hash_update(&hash, piece, size);
    tk_sha256_update(&digest, piece, size);
    if (head.size + size <= TK_DOCUMENT_LIMIT) tk_text_buffer_append(&head, piece, size);
  }
  tk_byte_source_close(source);
  if (head.failed) tk_need_memory(NULL);
  *content = (struct content){.hash = tk_hash_digest(&hash)};
  content->trimmed_hash = head.size > 0 ? hash_trimmed(head.data, head.size) : content->hash;
  content->has_sha256 = tk_sha256_digest(&digest, content->sha256);
  content->can_be_ingested =
      head.size > 0 &&
      tk_input_format_recognise(head.data,
                                head.size < TK_SOURCE_HEAD_SIZE ? head.size : TK_SOURCE_HEAD_SIZE);
  tk_sha256_reset(&digest);
  tk_text_buffer_reset(&head);
  return status == TK_OK;
}

/* ---- where a file is ---- */

/* `folder`/`path`, resolved, if it is a file and below the folder; the caller frees it. */
static char *resolve_below(const char *folder, const char *path) {
  const size_t size = strlen(folder) + strlen(path) + 2;
  char *joined = tk_need_memory(malloc(size));
  struct stat status;
  snprintf(joined, size, "%s/%s", folder, path);
  char *resolved = realpath(joined, NULL);
  free(joined);
  const size_t length = strlen(folder);
  const bool below = resolved && strncmp(resolved, folder, length) == 0 && resolved[length] == '/';
  if (below && stat(resolved, &status) == 0 && S_ISREG(status.st_mode)) return resolved;
  free(resolved);
  return NULL;
}

static bool goes_upwards(const char *path) {
  for (const char *at = path; (at = strstr(at, "..")); at += 2) {
    if ((at == path || at[-1] == '/') && (at[2] == '/' || at[2] == '\0')) return true;
  }
  return false;
}

/* Of `path` below the folder of the envelope or one of those above it; else of its last parts in
 * the folder itself. */
static char *find_file(const struct search *search, const char *path) {
  char *found = NULL;
  if (path[0] != '/' && !goes_upwards(path)) {
    char *folder = tk_need_memory(strdup(search->folder));
    for (int i = 0; i <= FOLDERS_ABOVE && !found && strlen(folder) > 1; i++) {
      found = resolve_below(folder, path);
      char *slash = strrchr(folder, '/');
      if (!slash) break;
      *slash = '\0';
    }
    free(folder);
  }
  for (const char *rest = path; !found && (rest = strchr(rest, '/'));) {
    rest++;
    if (*rest && !goes_upwards(rest)) found = resolve_below(search->folder, rest);
  }
  return found;
}

/* ---- what an envelope names ---- */

static void add_path(struct tk_artifacts *artifacts, char *path) {
  if (artifacts->count == artifacts->capacity) {
    artifacts->capacity = artifacts->capacity ? artifacts->capacity * 2 : 16;
    artifacts->paths =
        tk_need_memory(realloc(artifacts->paths, artifacts->capacity * sizeof *artifacts->paths));
  }
  artifacts->paths[artifacts->count++] = path;
}

static void add_found(struct search *search, const char *named, const struct content *content) {
  struct tk_text_buffer *out = &search->found;
  tk_text_buffer_add_char(out, out->size == 0 ? '{' : ',');
  tk_text_buffer_add_json_string(out, named, strlen(named));
  tk_text_buffer_add(out, ":{\"hash\":");
  tk_text_buffer_add_int(out, (int64_t)content->hash);
  tk_text_buffer_add(out, ",\"trimmed_hash\":");
  tk_text_buffer_add_int(out, (int64_t)content->trimmed_hash);
  if (content->has_sha256) {
    tk_text_buffer_add(out, ",\"sha256\":\"sha256:");
    tk_text_buffer_add_hex(out, content->sha256, sizeof content->sha256);
    tk_text_buffer_add_char(out, '"');
  }
  tk_text_buffer_add_char(out, '}');
}

static void look_for(struct search *search, const char *named) {
  struct content content;
  if (!*named || strlen(named) >= PATH_MAX || search->named_count == NAMED_LIMIT) return;
  for (size_t i = 0; i < search->named_count; i++) {
    if (strcmp(search->named[i], named) == 0) return;
  }
  search->named[search->named_count++] = named;
  char *path = find_file(search, named);
  if (!path) return;
  if (!read_content(path, &content)) {
    free(path);
    return;
  }
  add_found(search, named, &content);
  if (content.can_be_ingested) {
    add_path(search->artifacts, path);
  } else {
    free(path);
  }
}

static bool names_a_file(const char *key) {
  const size_t size = strlen(key);
  return strcmp(key, "path") == 0 || strcmp(key, "stateSequence") == 0 ||
         strcmp(key, "ndjson") == 0 || (size > 4 && strcmp(key + size - 4, "Path") == 0);
}

static void walk(struct search *search, const cJSON *value, int depth) {
  const cJSON *member;
  if (depth > DEPTH_LIMIT) return;
  cJSON_ArrayForEach(member, value) {
    if (cJSON_IsString(member) && member->string && names_a_file(member->string)) {
      look_for(search, member->valuestring);
    }
    if (member->string && strcmp(member->string, "checksum") == 0 && cJSON_IsString(member)) {
      search->artifacts->has_checksums = true;
    }
    if (member->child) walk(search, member, depth + 1);
  }
}

static void take_run_id(struct tk_artifacts *artifacts, const cJSON *envelope) {
  static const char *const keys[] = {"correlation", "traceCorrelation"};
  for (size_t i = 0; i < sizeof keys / sizeof keys[0] && !artifacts->run_id; i++) {
    const cJSON *correlation = cJSON_GetObjectItemCaseSensitive(envelope, keys[i]);
    const cJSON *run_id = cJSON_GetObjectItemCaseSensitive(correlation, "runId");
    if (cJSON_IsString(run_id)) artifacts->run_id = tk_need_memory(strdup(run_id->valuestring));
  }
}

static void take_envelope(struct search *search, const struct tk_document *document) {
  const struct tk_text trimmed = tk_document_trim(document->text, document->size);
  cJSON *envelope = cJSON_ParseWithLength(trimmed.data, trimmed.size);
  if (!envelope) return;
  take_run_id(search->artifacts, envelope);
  search->named_count = 0;
  walk(search, envelope, 0);
  cJSON_Delete(envelope);
}

/* ---- the file ---- */

/* A pipe could not be read a second time. */
static bool may_hold_envelopes(const char *path) {
  struct tk_byte_source *source = NULL;
  struct stat status;
  char head[TK_SOURCE_HEAD_SIZE];
  size_t total = 0, size = 0;
  if (stat(path, &status) != 0 || !S_ISREG(status.st_mode)) return false;
  if (strcmp(path, "-") == 0 || tk_byte_source_open(path, &source, NULL) != TK_OK) return false;
  while (total < sizeof head &&
         tk_byte_source_read(source, head + total, sizeof head - total, &size, NULL) == TK_OK &&
         size > 0) {
    total += size;
  }
  tk_byte_source_close(source);
  return tk_document_may_be_envelope(head, total);
}

static char *folder_of(const char *path) {
  char *resolved = realpath(path, NULL);
  char *slash = resolved ? strrchr(resolved, '/') : NULL;
  if (slash) *slash = '\0';
  return resolved;
}

static void read_envelopes(struct search *search, const char *path) {
  struct tk_input *input = NULL;
  struct tk_batch *batch = NULL;
  if (tk_input_open(path, NULL, &input, NULL) != TK_OK) return;
  while (tk_input_next(input, &batch, NULL) == TK_OK && batch) {
    for (uint32_t i = 0; i < batch->document_count; i++) {
      if (batch->documents[i].kind == TK_DOCUMENT_ENVELOPE) {
        take_envelope(search, &batch->documents[i]);
      }
    }
    tk_batch_free(batch);
  }
  tk_input_close(input);
}

void tk_artifacts_find(const char *path, struct tk_artifacts *artifacts) {
  *artifacts = (struct tk_artifacts){0};
  if (!may_hold_envelopes(path)) return;
  struct search *search = tk_need_memory(calloc(1, sizeof *search));
  *search = (struct search){.artifacts = artifacts, .folder = folder_of(path)};
  if (search->folder) read_envelopes(search, path);
  if (search->found.size > 0) {
    tk_text_buffer_append(&search->found, "}", 2); /* with its NUL */
    if (search->found.failed) tk_need_memory(NULL);
    artifacts->found = search->found.data;
  } else {
    tk_text_buffer_reset(&search->found);
  }
  free(search->folder);
  free(search);
}

void tk_artifacts_reset(struct tk_artifacts *artifacts) {
  for (size_t i = 0; i < artifacts->count; i++) free(artifacts->paths[i]);
  free(artifacts->paths);
  sqlite3_free(artifacts->found);
  free(artifacts->run_id);
  *artifacts = (struct tk_artifacts){0};
}
