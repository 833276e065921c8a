/* SPDX-License-Identifier: MIT */
#include "tests/support/store_compare.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tracekeep/hash.h"
#include "tracekeep/scan.h"

/* ---- spans as text ---- */

static void print_hex(FILE *out, const void *bytes, size_t size) {
  const unsigned char *at = bytes;
  for (size_t i = 0; i < size; i++) fprintf(out, "%02x", at[i]);
}

static void print_text(FILE *out, const char *data, uint32_t size) {
  if (size > 64) {
    fprintf(out, "(%u bytes, hash %llx)", size, (unsigned long long)tk_hash64(data, size));
    return;
  }
  fputc('"', out);
  for (uint32_t i = 0; i < size; i++) {
    const unsigned char c = (unsigned char)data[i];
    if (c < ' ' || c > '~' || c == '"' || c == '\\') {
      fprintf(out, "\\%02x", c);
    } else {
      fputc(c, out);
    }
  }
  fputc('"', out);
}

static void print_value(FILE *out, const struct tk_value *value);

static void print_members(FILE *out, const struct tk_attribute *members, uint32_t count) {
  fputc('{', out);
  for (uint32_t i = 0; i < count; i++) {
    print_text(out, members[i].key.data, members[i].key.size);
    fputc(':', out);
    print_value(out, &members[i].value);
    fputc(' ', out);
  }
  fputc('}', out);
}

static void print_value(FILE *out, const struct tk_value *value) {
  uint64_t bits;
  fprintf(out, "%u/", value->type);
  switch ((enum tk_value_type)value->type) {
    case TK_VALUE_EMPTY:
      break;
    case TK_VALUE_STRING:
    case TK_VALUE_BYTES:
      print_text(out, value->as.text, value->size);
      break;
    case TK_VALUE_BOOL:
    case TK_VALUE_INT:
      fprintf(out, "%lld", (long long)value->as.integer);
      break;
    case TK_VALUE_DOUBLE:
      memcpy(&bits, &value->as.real, sizeof bits);
      fprintf(out, "%016llx", (unsigned long long)bits);
      break;
    case TK_VALUE_ARRAY:
      for (uint32_t i = 0; i < value->size; i++) print_value(out, &value->as.items[i]);
      break;
    case TK_VALUE_KVLIST:
      print_members(out, value->as.members, value->size);
      break;
  }
}

static void print_attributes(FILE *out, const struct tk_attributes *attributes) {
  print_members(out, attributes->items, attributes->count);
  fprintf(out, "-%u", attributes->dropped_count);
}

static void print_residual(FILE *out, const struct tk_residual *residual) {
  fprintf(out, " r%u", residual->format);
  print_text(out, residual->data, residual->size);
}

static void print_owner(FILE *out, const struct tk_span *span) {
  const struct tk_resource *resource = span->resource;
  const struct tk_scope *scope = span->scope;
  fprintf(out, " resource%u", resource->absent);
  print_attributes(out, &resource->attributes);
  print_text(out, resource->schema_url.data, resource->schema_url.size);
  print_residual(out, &resource->residual);
  print_residual(out, &resource->outer_residual);
  fprintf(out, " scope%u", scope->absent);
  print_text(out, scope->name.data, scope->name.size);
  print_text(out, scope->version.data, scope->version.size);
  print_attributes(out, &scope->attributes);
  print_text(out, scope->schema_url.data, scope->schema_url.size);
  print_residual(out, &scope->residual);
  print_residual(out, &scope->outer_residual);
}

static void print_items(FILE *out, const struct tk_span *span) {
  for (uint32_t i = 0; i < span->event_count; i++) {
    const struct tk_event *event = &span->events[i];
    fprintf(out, " event %llu ", (unsigned long long)event->time_unix_ns);
    print_text(out, event->name.data, event->name.size);
    print_attributes(out, &event->attributes);
    print_residual(out, &event->residual);
  }
  for (uint32_t i = 0; i < span->link_count; i++) {
    const struct tk_link *link = &span->links[i];
    fprintf(out, " link ");
    print_hex(out, link->trace_id, sizeof link->trace_id);
    print_hex(out, link->span_id, sizeof link->span_id);
    print_text(out, link->trace_state.data, link->trace_state.size);
    fprintf(out, " %u ", link->flags);
    print_attributes(out, &link->attributes);
    print_residual(out, &link->residual);
  }
}

static void print_span(FILE *out, const struct tk_span *span, uint32_t depth) {
  print_hex(out, span->trace_id, sizeof span->trace_id);
  fprintf(out, " %u ", depth);
  print_hex(out, span->span_id, sizeof span->span_id);
  fputc(' ', out);
  print_hex(out, span->parent_span_id, sizeof span->parent_span_id);
  fprintf(out, " %llu %llu kind %d status %d flags %u presence %u dropped %u %u ",
          (unsigned long long)span->start_unix_ns, (unsigned long long)span->end_unix_ns,
          span->kind, span->status_code, span->flags, span->presence, span->dropped_events_count,
          span->dropped_links_count);
  print_text(out, span->name.data, span->name.size);
  print_text(out, span->trace_state.data, span->trace_state.size);
  print_text(out, span->status_message.data, span->status_message.size);
  print_text(out, span->trace_id_text.data, span->trace_id_text.size);
  print_attributes(out, &span->attributes);
  print_residual(out, &span->residual);
  print_items(out, span);
  print_owner(out, span);
  fputc('\n', out);
}

/* ---- dump ---- */

struct dump {
  char **traces;
  size_t count, capacity;
};

static void add_trace(struct dump *dump, const struct tk_trace *trace) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  for (uint32_t i = 0; i < trace->span_count; i++) {
    print_span(out, &trace->spans[i], trace->depths[i]);
  }
  fclose(out);
  if (dump->count == dump->capacity) {
    dump->capacity = dump->capacity * 2 + 16;
    dump->traces = realloc(dump->traces, dump->capacity * sizeof *dump->traces);
  }
  dump->traces[dump->count++] = text;
}

static int compare_texts(const void *left, const void *right) {
  return strcmp(*(char *const *)left, *(char *const *)right);
}

static char *join(struct dump *dump) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (dump->count > 0) qsort(dump->traces, dump->count, sizeof *dump->traces, compare_texts);
  for (size_t i = 0; i < dump->count; i++) fputs(dump->traces[i], out);
  fclose(out);
  return text;
}

static enum tk_status scan_all(struct tk_store *store, struct dump *dump, struct tk_error *error) {
  struct tk_scan *scan = NULL;
  const struct tk_trace *trace = NULL;
  enum tk_status status = tk_scan_open(store, NULL, &scan, error);
  while (status == TK_OK && (status = tk_scan_next(scan, &trace, error)) == TK_OK && trace) {
    add_trace(dump, trace);
  }
  tk_scan_close(scan);
  return status;
}

char *open_store_dump(struct tk_store *store, struct tk_error *error) {
  struct dump dump = {0};
  char *text = NULL;
  if (scan_all(store, &dump, error) == TK_OK) text = join(&dump);
  for (size_t i = 0; i < dump.count; i++) free(dump.traces[i]);
  free(dump.traces);
  return text;
}

char *store_dump(const char *path) {
  struct tk_store *store = NULL;
  struct tk_error error = {{0}};
  char *text = NULL;
  if (tk_store_open(path, TK_OPEN_READ, &store, &error) == TK_OK) {
    text = open_store_dump(store, &error);
  }
  if (!text) printf("# %s: %s\n", path, error.message);
  tk_store_close(store);
  return text;
}

/* ---- tables ---- */

static void hash_value(struct tk_hash *hash, sqlite3_stmt *statement, int column) {
  const uint8_t type = (uint8_t)sqlite3_column_type(statement, column);
  tk_hash_update(hash, &type, 1);
  if (type == SQLITE_NULL) return;
  const void *bytes = sqlite3_column_blob(statement, column);
  const int size = sqlite3_column_bytes(statement, column);
  tk_hash_update(hash, &size, sizeof size);
  if (size > 0) tk_hash_update(hash, bytes, (size_t)size);
}

static bool hash_rows(sqlite3 *db, const char *name, const char *sql, FILE *out) {
  sqlite3_stmt *statement = NULL;
  struct tk_hash hash;
  unsigned rows = 0;
  int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
  if (rc != SQLITE_OK) return false;
  tk_hash_init(&hash);
  while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
    rows++;
    for (int i = 0; i < sqlite3_column_count(statement); i++) hash_value(&hash, statement, i);
  }
  sqlite3_finalize(statement);
  fprintf(out, "%s: %u rows, %016llx\n", name, rows, (unsigned long long)tk_hash_digest(&hash));
  return rc == SQLITE_DONE;
}

char *store_table_hashes(const char *path) {
  static const char *const queries[][2] = {
      {"tk_meta", "SELECT * FROM tk_meta ORDER BY key"},
      {"tk_segment", "SELECT * FROM tk_segment ORDER BY id"},
      {"tk_chunk", "SELECT * FROM tk_chunk ORDER BY id"},
      {"tk_filter", "SELECT * FROM tk_filter ORDER BY id"},
      {"tk_resource", "SELECT * FROM tk_resource ORDER BY id"},
      {"tk_scope", "SELECT * FROM tk_scope ORDER BY id"},
      {"tk_attribute_key", "SELECT * FROM tk_attribute_key ORDER BY id"},
      {"tk_trace_alias", "SELECT * FROM tk_trace_alias ORDER BY trace_id"},
      {"tk_split", "SELECT * FROM tk_split ORDER BY trace_id, segment_id"},
      {"tk_issue", "SELECT * FROM tk_issue ORDER BY id"},
      {"tk_ingest",
       "SELECT id, source, format, head_hash, offset, offset_hash, complete, "
       "finished_at IS NULL, records, spans_new, spans_duplicate, spans_conflicting, "
       "rejected, issues FROM tk_ingest ORDER BY id"},
  };
  sqlite3 *db = NULL;
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  bool ok = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK;
  for (size_t i = 0; ok && i < sizeof queries / sizeof queries[0]; i++) {
    ok = hash_rows(db, queries[i][0], queries[i][1], out);
  }
  fclose(out);
  if (!ok) {
    printf("# %s: %s\n", path, sqlite3_errmsg(db));
    free(text);
    text = NULL;
  }
  sqlite3_close(db);
  return text;
}

/* ---- comparing ---- */

/* Prints the first lines in which two texts differ. */
static void print_difference(const char *a, const char *b) {
  for (int shown = 0; shown < 5 && (*a || *b);) {
    const int a_size = (int)strcspn(a, "\n"), b_size = (int)strcspn(b, "\n");
    if (a_size != b_size || strncmp(a, b, (size_t)a_size) != 0) {
      printf("#  < %.*s\n#  > %.*s\n", a_size, a, b_size, b);
      shown++;
    }
    a += a_size + (a[a_size] == '\n');
    b += b_size + (b[b_size] == '\n');
  }
}

/* Takes ownership of both. */
static bool same_text(char *a, char *b) {
  const bool same = a && b && *a && strcmp(a, b) == 0;
  if (a && b && !same) print_difference(a, b);
  free(a);
  free(b);
  return same;
}

bool stores_are_identical(const char *path, const char *other) {
  char *hashes = store_table_hashes(path);
  const bool empty = !hashes || strstr(hashes, "tk_segment: 0 rows");
  if (empty) printf("# %s has no segments\n", path);
  return same_text(hashes, store_table_hashes(other)) && !empty;
}

bool stores_have_equal_content(const char *path, const char *other) {
  return same_text(store_dump(path), store_dump(other));
}

static void print_fault(void *context, const char *message) {
  printf("# %s: %s\n", (const char *)context, message);
}

bool store_is_sound(const char *path) {
  struct tk_store *store = NULL;
  struct tk_error error = {{0}};
  struct tk_check_counts counts = {0};
  char name[512];
  snprintf(name, sizeof name, "%s", path);
  enum tk_status status = tk_store_open(path, TK_OPEN_READ, &store, &error);
  if (status == TK_OK) status = tk_store_check(store, print_fault, name, &counts, &error);
  if (status != TK_OK) printf("# %s: %s: %s\n", path, tk_status_name(status), error.message);
  tk_store_close(store);
  return status == TK_OK && counts.faults == 0;
}

/* ---- files ---- */

void remove_store(const char *path) {
  static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
  char name[600];
  for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
    snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
    unlink(name);
  }
}

bool copy_store(const char *from, const char *to) {
  char block[65536];
  size_t size;
  remove_store(to);
  FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
  bool ok = in && out;
  while (ok && (size = fread(block, 1, sizeof block, in)) > 0) {
    ok = fwrite(block, 1, size, out) == size;
  }
  if (in) fclose(in);
  if (out) ok = fclose(out) == 0 && ok;
  return ok;
}
