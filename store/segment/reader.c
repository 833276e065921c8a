/* SPDX-License-Identifier: MIT
 * A connection's view of a store: which segments its snapshot has, the resources and scopes they
 * name, and the statements that fetch their bytes. The only SQL that reads segments.
 *
 * What has been read is kept as long as the store's generation stays the same. Resources and scopes
 * are only ever added, so that a newer generation costs reading the new ones. */
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "store/database.h"
#include "store/segment/membership.h"
#include "store/segment/segment_state.h"
#include "tracekeep/hash.h"

enum reader_statement {
  SELECT_GENERATION,
  SELECT_SEGMENTS,
  SELECT_DIRECTORY,
  SELECT_CHUNK,
  SELECT_FILTER,
  SELECT_RESOURCES,
  SELECT_SCOPES,
  STATEMENT_COUNT
};

/* %w: name of the schema */
static const char *const reader_sql[STATEMENT_COUNT] = {
    [SELECT_GENERATION] = "SELECT value FROM \"%w\".tk_meta WHERE key = 'generation'",
    [SELECT_SEGMENTS] =
        "SELECT id, format, hash, flags, span_count, trace_count, event_count, link_count,"
        " error_count, start_min_ns, start_max_ns, end_max_ns, duration_min_ns, duration_max_ns,"
        " raw_bytes, stored_bytes FROM \"%w\".tk_segment",
    [SELECT_DIRECTORY] = "SELECT resources, scopes, directory FROM \"%w\".tk_segment WHERE id = ?1",
    [SELECT_CHUNK] = "SELECT data FROM \"%w\".tk_chunk WHERE id = ?1",
    [SELECT_FILTER] = "SELECT data FROM \"%w\".tk_filter WHERE id = ?1",
    [SELECT_RESOURCES] =
        "SELECT id, content, hash FROM \"%w\".tk_resource WHERE id > ?1 ORDER BY id",
    [SELECT_SCOPES] = "SELECT id, content, hash FROM \"%w\".tk_scope WHERE id > ?1 ORDER BY id",
};

/* A segment of the list, and what this connection keeps about it. */
struct listed_segment {
  struct tk_segment_summary summary;
  int64_t format;
  uint64_t hash;
  bool ids_checked; /* all its resources and scopes are there */
  bool filter_known;
  uint8_t *trace_filter; /* NULL: there is none */
  size_t trace_filter_size;
};

/* Pointers to resources (scopes), ascending ids. */
struct entries {
  const void **items;
  uint32_t count;
  uint32_t capacity;
};

/* A row of tk_resource (tk_scope) that cannot be read: segments that name it cannot either. */
struct damaged_entry {
  enum reader_statement which;
  int64_t id;
  const char *message;
};

struct tk_reader_state {
  sqlite3_stmt *statements[STATEMENT_COUNT];
  char *path;                    /* of the file that `listed` and all below is about */
  struct listed_segment *listed; /* as tk_reader.segments */
  bool loaded;                   /* `segments` is that of `generation` */
  struct entries resources, scopes;
  int64_t last_resource, last_scope; /* ids that were read; INT64_MIN: none */
  struct damaged_entry *damaged;
  uint32_t damaged_count;
  struct tk_arena arena; /* of resources and scopes; they stay until close */
};

/* ---- statements ---- */

static enum tk_status fail_sqlite(const struct tk_reader *reader, struct tk_error *error) {
  return tk_database_error(reader->db, "read the store", error);
}

static enum tk_status prepare(struct tk_reader *reader, enum reader_statement which,
                              sqlite3_stmt **statement_out, struct tk_error *error) {
  sqlite3_stmt **statement = &reader->state->statements[which];
  if (!*statement) {
    char *sql = sqlite3_mprintf(reader_sql[which], reader->schema);
    if (!sql) return tk_nomem(error);
    int rc = sqlite3_prepare_v3(reader->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
    sqlite3_free(sql);
    if (rc != SQLITE_OK) return fail_sqlite(reader, error);
  }
  *statement_out = *statement;
  return TK_OK;
}

static struct tk_text column_bytes(sqlite3_stmt *statement, int column) {
  struct tk_text bytes;
  bytes.data = sqlite3_column_blob(statement, column);
  bytes.size = (uint32_t)sqlite3_column_bytes(statement, column);
  if (!bytes.data) bytes.size = 0;
  return bytes;
}

/* Runs a statement that gives one blob for an id. *found_out is false when there is no row. */
static enum tk_status load_blob(struct tk_reader *reader, enum reader_statement which, int64_t id,
                                uint8_t **bytes_out, size_t *size_out, bool *found_out,
                                struct tk_error *error) {
  sqlite3_stmt *statement;
  enum tk_status status = prepare(reader, which, &statement, error);
  if (status != TK_OK) return status;
  *bytes_out = NULL;
  *size_out = 0;
  sqlite3_bind_int64(statement, 1, id);
  const int rc = sqlite3_step(statement);
  *found_out = rc == SQLITE_ROW;
  if (rc == SQLITE_ROW) {
    const struct tk_text bytes = column_bytes(statement, 0);
    uint8_t *copy = sqlite3_malloc64(bytes.size ? bytes.size : 1);
    if (!copy) {
      status = tk_nomem(error);
    } else {
      if (bytes.size > 0) memcpy(copy, bytes.data, bytes.size);
      *bytes_out = copy;
      *size_out = bytes.size;
    }
  } else if (rc != SQLITE_DONE) {
    status = fail_sqlite(reader, error);
  }
  sqlite3_reset(statement);
  return status;
}

enum tk_status tk_reader_load_chunk(struct tk_reader *reader, int64_t chunk_id, uint8_t **bytes_out,
                                    size_t *size_out, struct tk_error *error) {
  bool found;
  enum tk_status status =
      load_blob(reader, SELECT_CHUNK, chunk_id, bytes_out, size_out, &found, error);
  if (status == TK_OK && !found) status = tk_corrupt(error, "its chunk is missing");
  return status;
}

enum tk_status tk_reader_load_filter(struct tk_reader *reader, int64_t filter_id,
                                     uint8_t **bytes_out, size_t *size_out,
                                     struct tk_error *error) {
  bool found;
  enum tk_status status =
      load_blob(reader, SELECT_FILTER, filter_id, bytes_out, size_out, &found, error);
  if (status != TK_OK || !found) return status;
  status = tk_membership_verify(*bytes_out, *size_out, error);
  if (status != TK_OK) {
    sqlite3_free(*bytes_out);
    *bytes_out = NULL;
  }
  return status;
}

/* ---- resources and scopes ---- */

static bool add_entry(struct entries *entries, const void *item) {
  if (entries->count == entries->capacity) {
    const uint32_t capacity = entries->capacity ? entries->capacity * 2 : 64;
    const void **items = sqlite3_realloc64((void *)entries->items, capacity * sizeof *items);
    if (!items) return false;
    entries->items = items;
    entries->capacity = capacity;
  }
  entries->items[entries->count++] = item;
  return true;
}

static struct tk_text find_service(const struct tk_resource *resource) {
  static const char key[] = "service.name";
  for (uint32_t i = 0; i < resource->attributes.count; i++) {
    const struct tk_attribute *attribute = &resource->attributes.items[i];
    if (attribute->key.size != sizeof key - 1 ||
        memcmp(attribute->key.data, key, sizeof key - 1) != 0) {
      continue;
    }
    if (attribute->value.type != TK_VALUE_STRING || attribute->value.size == 0) break;
    return (struct tk_text){attribute->value.as.text, attribute->value.size};
  }
  return (struct tk_text){0};
}

static enum tk_status add_resource(struct tk_reader_state *state, int64_t id, const uint8_t *bytes,
                                   size_t size, struct tk_error *error) {
  struct tk_stored_resource *stored = tk_arena_alloc(&state->arena, sizeof *stored);
  if (!stored) return tk_nomem(error);
  *stored = (struct tk_stored_resource){.id = id};
  enum tk_status status = tk_resource_decode(bytes, size, &state->arena, &stored->resource, error);
  if (status != TK_OK) return status;
  stored->service = find_service(&stored->resource);
  return add_entry(&state->resources, stored) ? TK_OK : tk_nomem(error);
}

static enum tk_status add_scope(struct tk_reader_state *state, int64_t id, const uint8_t *bytes,
                                size_t size, struct tk_error *error) {
  struct tk_stored_scope *stored = tk_arena_alloc(&state->arena, sizeof *stored);
  if (!stored) return tk_nomem(error);
  *stored = (struct tk_stored_scope){.id = id};
  enum tk_status status = tk_scope_decode(bytes, size, &state->arena, &stored->scope, error);
  if (status != TK_OK) return status;
  return add_entry(&state->scopes, stored) ? TK_OK : tk_nomem(error);
}

/* The bytes are kept, because what is decoded points into them. */
static enum tk_status add_row(struct tk_reader_state *state, enum reader_statement which,
                              sqlite3_stmt *statement, struct tk_error *error) {
  const int64_t id = sqlite3_column_int64(statement, 0);
  const struct tk_text content = column_bytes(statement, 1);
  char *bytes = tk_arena_alloc_bytes(&state->arena, content.size);
  if (!bytes) return tk_nomem(error);
  if (content.size > 0) memcpy(bytes, content.data, content.size);

  if (tk_hash64(bytes, content.size) != (uint64_t)sqlite3_column_int64(statement, 2)) {
    return tk_corrupt(error, "its content does not have the stored hash");
  }
  return which == SELECT_RESOURCES
             ? add_resource(state, id, (const uint8_t *)bytes, content.size, error)
             : add_scope(state, id, (const uint8_t *)bytes, content.size, error);
}

static enum tk_status add_damaged(struct tk_reader_state *state, enum reader_statement which,
                                  int64_t id, const struct tk_error *cause,
                                  struct tk_error *error) {
  struct tk_error named;
  struct damaged_entry *grown =
      sqlite3_realloc64(state->damaged, ((uint64_t)state->damaged_count + 1) * sizeof *grown);
  if (!grown) return tk_nomem(error);
  state->damaged = grown;
  tk_fail(&named, TK_CORRUPT, "%s %lld: %s", which == SELECT_RESOURCES ? "tk_resource" : "tk_scope",
          (long long)id, cause->message);
  char *message = tk_arena_alloc_bytes(&state->arena, strlen(named.message) + 1);
  if (!message) return tk_nomem(error);
  memcpy(message, named.message, strlen(named.message) + 1);
  state->damaged[state->damaged_count++] = (struct damaged_entry){which, id, message};
  return TK_OK;
}

/* A damaged row is noted and reported where it is needed: what does not use it can be read. */
static enum tk_status load_entries(struct tk_reader *reader, enum reader_statement which,
                                   int64_t *last_id, struct tk_error *error) {
  sqlite3_stmt *statement;
  int rc;
  enum tk_status status = prepare(reader, which, &statement, error);
  if (status != TK_OK) return status;
  sqlite3_bind_int64(statement, 1, *last_id);
  while (status == TK_OK && (rc = sqlite3_step(statement)) != SQLITE_DONE) {
    struct tk_error cause = {{0}};
    if (rc != SQLITE_ROW) {
      status = fail_sqlite(reader, error);
      break;
    }
    status = add_row(reader->state, which, statement, &cause);
    const int64_t id = sqlite3_column_int64(statement, 0);
    if (status == TK_CORRUPT) {
      status = add_damaged(reader->state, which, id, &cause, error);
    } else if (status != TK_OK && error) {
      *error = cause;
    }
    if (status == TK_OK) *last_id = id;
  }
  sqlite3_reset(statement);
  return status;
}

/* An entry begins with its id, whatever else it is. */
static int64_t id_of(const void *entry) {
  int64_t id;
  memcpy(&id, entry, sizeof id);
  return id;
}

static const void *find_entry(const struct entries *entries, int64_t id) {
  uint32_t low = 0;
  uint32_t high = entries->count;
  if (id >= 1 && (uint64_t)id <= entries->count && id_of(entries->items[id - 1]) == id) {
    return entries->items[id - 1]; /* ids without gaps, as they mostly are */
  }
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (id_of(entries->items[middle]) < id) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < entries->count && id_of(entries->items[low]) == id ? entries->items[low] : NULL;
}

static_assert(offsetof(struct tk_stored_resource, id) == 0, "see id_of");
static_assert(offsetof(struct tk_stored_scope, id) == 0, "see id_of");

const struct tk_stored_resource *tk_reader_resource(struct tk_reader *reader, int64_t id) {
  return find_entry(&reader->state->resources, id);
}

const struct tk_stored_scope *tk_reader_scope(struct tk_reader *reader, int64_t id) {
  return find_entry(&reader->state->scopes, id);
}

void tk_reader_resources(struct tk_reader *reader,
                         const struct tk_stored_resource *const **list_out, uint32_t *count_out) {
  *list_out = (const struct tk_stored_resource *const *)reader->state->resources.items;
  *count_out = reader->state->resources.count;
}

void tk_reader_scopes(struct tk_reader *reader, const struct tk_stored_scope *const **list_out,
                      uint32_t *count_out) {
  *list_out = (const struct tk_stored_scope *const *)reader->state->scopes.items;
  *count_out = reader->state->scopes.count;
}

const char *tk_reader_damage(const struct tk_reader *reader, uint32_t index) {
  return index < reader->state->damaged_count ? reader->state->damaged[index].message : NULL;
}

/* Why there is no resource (scope) of this id. */
static enum tk_status fail_missing(const struct tk_reader *reader, enum reader_statement which,
                                   int64_t id, struct tk_error *error) {
  const struct tk_reader_state *state = reader->state;
  for (uint32_t i = 0; i < state->damaged_count; i++) {
    const struct damaged_entry *damaged = &state->damaged[i];
    if (damaged->which == which && damaged->id == id) {
      return tk_corrupt(error, "%s", damaged->message);
    }
  }
  return tk_corrupt(error, "%s %lld is missing", which == SELECT_RESOURCES ? "resource" : "scope",
                    (long long)id);
}

/* ---- the list of segments ---- */

struct segment_list {
  struct listed_segment *items;
  uint32_t count;
  uint32_t capacity;
};

static int compare_listed(const void *left, const void *right) {
  const struct tk_segment_summary *a = &((const struct listed_segment *)left)->summary;
  const struct tk_segment_summary *b = &((const struct listed_segment *)right)->summary;
  if (a->start_min != b->start_min) return a->start_min < b->start_min ? -1 : 1;
  return (a->id > b->id) - (a->id < b->id);
}

static uint32_t column_u32(sqlite3_stmt *statement, int column, bool *valid) {
  const int64_t value = sqlite3_column_int64(statement, column);
  if (value < 0 || value > UINT32_MAX) *valid = false;
  return (uint32_t)value;
}

static enum tk_status read_listed(sqlite3_stmt *statement, struct listed_segment *listed,
                                  struct tk_error *error) {
  struct tk_segment_summary *summary = &listed->summary;
  bool valid = true;
  int column = 0;
  *listed = (struct listed_segment){0};
  summary->id = sqlite3_column_int64(statement, column++);
  listed->format = sqlite3_column_int64(statement, column++);
  listed->hash = (uint64_t)sqlite3_column_int64(statement, column++);
  summary->flags = column_u32(statement, column++, &valid);
  summary->span_count = column_u32(statement, column++, &valid);
  summary->trace_count = column_u32(statement, column++, &valid);
  summary->event_count = column_u32(statement, column++, &valid);
  summary->link_count = column_u32(statement, column++, &valid);
  summary->error_count = column_u32(statement, column++, &valid);
  summary->start_min = (uint64_t)sqlite3_column_int64(statement, column++);
  summary->start_max = (uint64_t)sqlite3_column_int64(statement, column++);
  summary->end_max = (uint64_t)sqlite3_column_int64(statement, column++);
  summary->duration_min = sqlite3_column_int64(statement, column++);
  summary->duration_max = sqlite3_column_int64(statement, column++);
  summary->raw_bytes = (uint64_t)sqlite3_column_int64(statement, column++);
  summary->stored_bytes = (uint64_t)sqlite3_column_int64(statement, column++);
  if (valid && summary->id > 0 && summary->id <= INT64_MAX >> 16) return TK_OK;
  return tk_corrupt(error, "segment %lld: id, flags or counts out of range",
                    (long long)summary->id);
}

static enum tk_status append_listed(struct segment_list *list, sqlite3_stmt *statement,
                                    struct tk_error *error) {
  if (list->count == list->capacity) {
    const uint32_t capacity = list->capacity ? list->capacity * 2 : 16;
    struct listed_segment *items = sqlite3_realloc64(list->items, capacity * sizeof *items);
    if (!items) return tk_nomem(error);
    list->items = items;
    list->capacity = capacity;
  }
  enum tk_status status = read_listed(statement, &list->items[list->count], error);
  if (status == TK_OK) list->count++;
  return status;
}

static void free_listed(struct listed_segment *items, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    if (!items[i].trace_filter) continue;
    tk_segment_cache_discharge(NULL, items[i].trace_filter_size);
    sqlite3_free(items[i].trace_filter);
  }
  sqlite3_free(items);
}

/* What is known about segments that were there before stays known. */
static void carry_over(struct segment_list *list, struct listed_segment *before,
                       uint32_t before_count) {
  for (uint32_t i = 0; i < list->count && before_count > 0; i++) {
    struct listed_segment *now = &list->items[i];
    struct listed_segment *then =
        bsearch(now, before, before_count, sizeof *before, compare_listed);
    if (!then || then->hash != now->hash) continue;
    now->ids_checked = then->ids_checked;
    now->filter_known = then->filter_known;
    now->trace_filter = then->trace_filter;
    now->trace_filter_size = then->trace_filter_size;
    then->trace_filter = NULL; /* moved */
  }
}

/* Takes over `list`, which is empty afterwards. */
static enum tk_status replace_segments(struct tk_reader *reader, struct segment_list *list,
                                       struct tk_error *error) {
  struct tk_reader_state *state = reader->state;
  struct tk_segment_summary *segments =
      sqlite3_malloc64((list->count ? list->count : 1) * sizeof *segments);
  if (!segments) return tk_nomem(error);
  if (list->count > 0) qsort(list->items, list->count, sizeof *list->items, compare_listed);
  carry_over(list, state->listed, reader->segment_count);
  for (uint32_t i = 0; i < list->count; i++) segments[i] = list->items[i].summary;
  free_listed(state->listed, reader->segment_count);
  sqlite3_free(reader->segments);
  state->listed = list->items;
  reader->segments = segments;
  reader->segment_count = list->count;
  *list = (struct segment_list){0};
  return TK_OK;
}

static enum tk_status load_segments(struct tk_reader *reader, struct tk_error *error) {
  struct segment_list list = {0};
  sqlite3_stmt *statement;
  int rc;
  enum tk_status status = prepare(reader, SELECT_SEGMENTS, &statement, error);
  if (status != TK_OK) return status;
  while (status == TK_OK && (rc = sqlite3_step(statement)) != SQLITE_DONE) {
    status = rc == SQLITE_ROW ? append_listed(&list, statement, error) : fail_sqlite(reader, error);
  }
  sqlite3_reset(statement);
  if (status == TK_OK) status = replace_segments(reader, &list, error);
  free_listed(list.items, list.count);
  return status;
}

static enum tk_status read_generation(struct tk_reader *reader, int64_t *generation_out,
                                      struct tk_error *error) {
  sqlite3_stmt *statement;
  enum tk_status status = prepare(reader, SELECT_GENERATION, &statement, error);
  if (status != TK_OK) return status;
  const int rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW) {
    *generation_out = sqlite3_column_int64(statement, 0);
  } else if (rc == SQLITE_DONE) {
    status = tk_corrupt(error, "tk_meta has no generation");
  } else {
    status = fail_sqlite(reader, error);
  }
  sqlite3_reset(statement);
  return status;
}

/* Ids that a rolled-back transaction gave out can come again with other content. */
static void forget_entries(struct tk_reader *reader) {
  struct tk_reader_state *state = reader->state;
  state->resources.count = 0;
  state->scopes.count = 0;
  state->damaged_count = 0;
  state->last_resource = state->last_scope = INT64_MIN;
  for (uint32_t i = 0; i < reader->segment_count; i++) state->listed[i].ids_checked = false;
}

/* The name of an attached database can come to mean another file. */
static enum tk_status notice_file(struct tk_reader *reader, struct tk_error *error) {
  struct tk_reader_state *state = reader->state;
  const char *path = sqlite3_db_filename(reader->db, reader->schema);
  if (!path) path = "";
  if (state->path && strcmp(state->path, path) == 0) return TK_OK;
  char *copy = sqlite3_mprintf("%s", path);
  if (!copy) return tk_nomem(error);
  sqlite3_free(state->path);
  state->path = copy;
  state->loaded = false;
  reader->file_number++;
  forget_entries(reader);
  return TK_OK;
}

enum tk_status tk_reader_refresh(struct tk_reader *reader, struct tk_error *error) {
  struct tk_reader_state *state = reader->state;
  int64_t generation = 0;
  enum tk_status status = notice_file(reader, error);
  if (status == TK_OK) status = read_generation(reader, &generation, error);
  if (status != TK_OK || (state->loaded && generation == reader->generation)) return status;
  if (generation < reader->generation) forget_entries(reader);
  state->loaded = false;
  if ((status = load_entries(reader, SELECT_RESOURCES, &state->last_resource, error)) != TK_OK ||
      (status = load_entries(reader, SELECT_SCOPES, &state->last_scope, error)) != TK_OK ||
      (status = load_segments(reader, error)) != TK_OK) {
    return status;
  }
  reader->generation = generation;
  state->loaded = true;
  return TK_OK;
}

/* ---- opening and closing ---- */

enum tk_status tk_reader_open(sqlite3 *db, const char *schema, struct tk_reader **reader_out,
                              struct tk_error *error) {
  struct tk_reader *reader = sqlite3_malloc64(sizeof *reader);
  *reader_out = NULL;
  if (!reader) return tk_nomem(error);
  *reader = (struct tk_reader){.db = db};
  reader->schema = sqlite3_mprintf("%s", schema);
  reader->state = sqlite3_malloc64(sizeof *reader->state);
  if (reader->state) {
    *reader->state = (struct tk_reader_state){.last_resource = INT64_MIN, .last_scope = INT64_MIN};
  }
  enum tk_status status =
      reader->schema && reader->state ? tk_reader_refresh(reader, error) : tk_nomem(error);
  if (status != TK_OK) {
    tk_reader_close(reader);
    return status;
  }
  *reader_out = reader;
  return TK_OK;
}

void tk_reader_close(struct tk_reader *reader) {
  if (!reader) return;
  struct tk_reader_state *state = reader->state;
  if (state) {
    for (int i = 0; i < STATEMENT_COUNT; i++) sqlite3_finalize(state->statements[i]);
    free_listed(state->listed, reader->segment_count);
    sqlite3_free((void *)state->resources.items);
    sqlite3_free((void *)state->scopes.items);
    sqlite3_free(state->damaged);
    sqlite3_free(state->path);
    tk_arena_reset(&state->arena);
  }
  sqlite3_free(state);
  sqlite3_free(reader->segments);
  sqlite3_free(reader->schema);
  sqlite3_free(reader);
}

/* ---- opening segments ---- */

static enum tk_status load_segment(struct tk_reader *reader, const struct listed_segment *listed,
                                   struct tk_segment_state **state_out, struct tk_error *error) {
  sqlite3_stmt *statement;
  enum tk_status status = prepare(reader, SELECT_DIRECTORY, &statement, error);
  if (status != TK_OK) return status;
  sqlite3_bind_int64(statement, 1, listed->summary.id);
  const int rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW) {
    status = tk_segment_state_create(&listed->summary, listed->hash, column_bytes(statement, 0),
                                     column_bytes(statement, 1), column_bytes(statement, 2),
                                     state_out, error);
  } else if (rc == SQLITE_DONE) {
    status = tk_corrupt(error, "its row is missing");
  } else {
    status = fail_sqlite(reader, error);
  }
  sqlite3_reset(statement);
  return status;
}

static enum tk_status check_ids(struct tk_reader *reader, const struct tk_segment *segment,
                                struct tk_error *error) {
  for (uint32_t i = 0; i < segment->resource_count; i++) {
    if (tk_reader_resource(reader, segment->resources[i])) continue;
    return fail_missing(reader, SELECT_RESOURCES, segment->resources[i], error);
  }
  for (uint32_t i = 0; i < segment->scope_count; i++) {
    if (tk_reader_scope(reader, segment->scopes[i])) continue;
    return fail_missing(reader, SELECT_SCOPES, segment->scopes[i], error);
  }
  return TK_OK;
}

static enum tk_status open_segment(struct tk_reader *reader, struct listed_segment *listed,
                                   struct tk_segment_state **state_out, struct tk_error *error) {
  const struct tk_segment_key key = {listed->hash, listed->summary.id, listed->summary.flags};
  struct tk_segment_state *state = tk_segment_cache_find(&key);
  enum tk_status status = TK_OK;
  if (!state) {
    if (listed->format > TK_SEGMENT_FORMAT) {
      return tk_fail(error, TK_UNSUPPORTED,
                     "format %lld is newer than this build reads (%d): a newer tracekeep is needed",
                     (long long)listed->format, TK_SEGMENT_FORMAT);
    }
    if (listed->format < 1) return tk_corrupt(error, "format %lld", (long long)listed->format);
    if (listed->summary.flags & ~(uint32_t)(TK_SEGMENT_HAS_SPLIT | TK_SEGMENT_OPEN)) {
      return tk_fail(error, TK_UNSUPPORTED,
                     "flags %u, of which this build knows 3: a newer tracekeep is needed",
                     listed->summary.flags);
    }
    status = load_segment(reader, listed, &state, error);
    if (status != TK_OK) return status;
    state = tk_segment_cache_add(state);
  }
  if (!listed->ids_checked) {
    status = check_ids(reader, &state->segment, error);
    listed->ids_checked = status == TK_OK;
  }
  if (status == TK_OK) {
    *state_out = state;
  } else {
    tk_segment_release(&state->segment);
  }
  return status;
}

enum tk_status tk_reader_segment(struct tk_reader *reader, uint32_t index,
                                 const struct tk_segment **segment_out, struct tk_error *error) {
  struct tk_segment_state *state = NULL;
  *segment_out = NULL;
  if (index >= reader->segment_count) return tk_fail(error, TK_INVALID, "no such segment");
  struct listed_segment *listed = &reader->state->listed[index];
  enum tk_status status = open_segment(reader, listed, &state, error);
  if (status == TK_OK) {
    *segment_out = &state->segment;
    return TK_OK;
  }
  const struct tk_segment unopened = {.summary = listed->summary};
  return tk_segment_blame(&unopened, TK_NO_COLUMN, status, error);
}

/* ---- finding a trace ---- */

static enum tk_status know_filter(struct tk_reader *reader, struct listed_segment *listed,
                                  struct tk_error *error) {
  enum tk_status status =
      tk_reader_load_filter(reader, listed->summary.id << 16 | TK_COL_TRACE_ID,
                            &listed->trace_filter, &listed->trace_filter_size, error);
  if (status != TK_OK) {
    const struct tk_segment unopened = {.summary = listed->summary};
    return tk_segment_blame(&unopened, TK_NO_COLUMN, status, error);
  }
  if (listed->trace_filter) tk_segment_cache_charge(NULL, listed->trace_filter_size);
  listed->filter_known = true;
  return TK_OK;
}

/* Index of the trace among the `count` ids, or `count`. */
static uint32_t scan_ids(const uint8_t *ids, uint32_t count, const uint8_t trace_id[16]) {
  uint64_t wanted[2];
  uint64_t id[2];
  memcpy(wanted, trace_id, sizeof wanted);
  for (uint32_t t = 0; t < count; t++) {
    memcpy(id, ids + (size_t)t * 16, sizeof id);
    if (id[0] == wanted[0] && id[1] == wanted[1]) return t;
  }
  return count;
}

static uint32_t granule_of_trace(const struct tk_segment *segment, uint32_t trace) {
  uint32_t low = 0;
  uint32_t high = segment->rows.count;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (segment->granule_first_trace[middle + 1] > trace) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

/* Rows of trace `trace`, from the traces of its granule alone. */
static enum tk_status find_rows(struct tk_reader *reader, const struct tk_segment *segment,
                                struct tk_trace_place *place, struct tk_error *error) {
  const uint32_t granule = granule_of_trace(segment, place->trace_index);
  const struct tk_row_range rows = tk_segment_rows_of(segment, granule);
  struct tk_ints counts;
  enum tk_status status =
      tk_segment_row_ints(reader, segment, TK_COL_TRACE_ROWS, granule, &counts, error);
  if (status != TK_OK) return status;
  uint64_t first = rows.begin;
  for (uint32_t t = segment->granule_first_trace[granule]; t < place->trace_index; t++) {
    first += (uint64_t)tk_ints_at(counts, t);
  }
  const uint64_t count = (uint64_t)tk_ints_at(counts, place->trace_index);
  if (count == 0 || first > rows.end || count > rows.end - first) {
    status = tk_corrupt(error, "rows of traces do not add up to their granule");
    return tk_segment_blame(segment, TK_NO_COLUMN, status, error);
  }
  place->first_row = (uint32_t)first;
  place->row_count = (uint32_t)count;
  return TK_OK;
}

static enum tk_status look_into_segment(struct tk_reader *reader, uint32_t index,
                                        const uint8_t trace_id[16], struct tk_trace_place *place,
                                        bool *found_out, struct tk_error *error) {
  const struct tk_segment *segment;
  const struct tk_column *ids = NULL;
  enum tk_status status = tk_reader_segment(reader, index, &segment, error);
  if (status != TK_OK) return status;
  *found_out = false;
  status = tk_reader_column(reader, segment, segment->fixed[TK_COL_TRACE_ID], &ids, error);
  if (status == TK_OK) {
    place->segment_index = index;
    place->trace_index = scan_ids(ids->fixed, segment->summary.trace_count, trace_id);
    *found_out = place->trace_index < segment->summary.trace_count;
  }
  if (status == TK_OK && *found_out) status = find_rows(reader, segment, place, error);
  tk_segment_release(segment);
  return status;
}

static enum tk_status append_place(struct tk_trace_place **places, uint32_t count,
                                   const struct tk_trace_place *place, struct tk_error *error) {
  struct tk_trace_place *grown = sqlite3_realloc64(*places, ((size_t)count + 1) * sizeof *grown);
  if (!grown) return tk_nomem(error);
  grown[count] = *place;
  *places = grown;
  return TK_OK;
}

/* Few at most: insertion keeps them by segment id. */
static void sort_places(const struct tk_reader *reader, struct tk_trace_place *places,
                        uint32_t count) {
  for (uint32_t i = 1; i < count; i++) {
    const struct tk_trace_place place = places[i];
    const int64_t id = reader->segments[place.segment_index].id;
    uint32_t at = i;
    for (; at > 0 && reader->segments[places[at - 1].segment_index].id > id; at--) {
      places[at] = places[at - 1];
    }
    places[at] = place;
  }
}

enum tk_status tk_reader_find_trace(struct tk_reader *reader, const uint8_t trace_id[16],
                                    struct tk_trace_place **places_out, uint32_t *count_out,
                                    struct tk_error *error) {
  const uint64_t hash = tk_hash64(trace_id, 16);
  struct tk_trace_place *places = NULL;
  uint32_t count = 0;
  enum tk_status status = TK_OK;

  for (uint32_t i = 0; status == TK_OK && i < reader->segment_count; i++) {
    struct listed_segment *listed = &reader->state->listed[i];
    struct tk_trace_place place;
    bool found = false;
    if (!listed->filter_known) status = know_filter(reader, listed, error);
    if (status != TK_OK) break;
    if (listed->trace_filter &&
        !tk_membership_may_contain(listed->trace_filter, listed->trace_filter_size, hash)) {
      continue;
    }
    status = look_into_segment(reader, i, trace_id, &place, &found, error);
    if (status != TK_OK || !found) continue;
    status = append_place(&places, count, &place, error);
    if (status == TK_OK) count++;
  }
  if (status != TK_OK) {
    sqlite3_free(places);
    places = NULL;
    count = 0;
  }
  sort_places(reader, places, count);
  *places_out = places;
  *count_out = count;
  return status;
}
