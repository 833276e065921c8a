/* Segments that are damaged, and memory that runs out while reading them. */
#include <stdlib.h>

#include "store/segment/directory.h"
#include "tests/support/check.h"
#include "tests/support/fault_memory.h"
#include "tests/support/read_everything.h"
#include "tests/support/segment_builder.h"
#include "tracekeep/hash.h"

static sqlite3 *make_store(uint64_t seed, uint32_t traces, uint32_t largest) {
  struct sample_spans samples;
  sqlite3 *db = sample_store_create(":memory:");
  sample_spans_make(&samples, &(struct sample_options){
                                  .seed = seed, .trace_count = traces, .largest_trace = largest});
  sample_store_add(db, samples.pointers, samples.count);
  sample_spans_reset(&samples);
  return db;
}

static enum tk_status read_fresh(sqlite3 *db, uint64_t *digest) {
  struct tk_error error = {{0}};
  tk_segment_cache_clear();
  enum tk_status status = read_everything(db, digest, &error);
  if (status != TK_OK && !error.message[0]) printf("# no message for %s\n", tk_status_name(status));
  CHECK(status == TK_OK || error.message[0]);
  tk_segment_cache_clear();
  CHECK(tk_segment_cache_used() == 0);
  return status;
}

static void store_blob(sqlite3 *db, const char *sql, int64_t id, const void *bytes, size_t size) {
  sqlite3_stmt *statement = NULL;
  CHECK(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK);
  sqlite3_bind_blob64(statement, 1, bytes, size, SQLITE_TRANSIENT);
  sqlite3_bind_int64(statement, 2, id);
  CHECK(sqlite3_step(statement) == SQLITE_DONE && sqlite3_changes(db) == 1);
  sqlite3_finalize(statement);
}

struct blob {
  int64_t id;
  uint8_t *bytes;
  size_t size;
};

/* Copies of all blobs that `sql` gives as (id, blob). */
static struct blob *load_blobs(sqlite3 *db, const char *sql, int *count_out) {
  sqlite3_stmt *statement = NULL;
  struct blob *blobs = NULL;
  int count = 0;
  CHECK(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK);
  while (sqlite3_step(statement) == SQLITE_ROW) {
    blobs = realloc(blobs, ((size_t)count + 1) * sizeof *blobs);
    struct blob *blob = &blobs[count++];
    blob->id = sqlite3_column_int64(statement, 0);
    blob->size = (size_t)sqlite3_column_bytes(statement, 1);
    blob->bytes = malloc(blob->size + 1);
    memcpy(blob->bytes, sqlite3_column_blob(statement, 1), blob->size);
  }
  sqlite3_finalize(statement);
  CHECK(count > 0);
  *count_out = count;
  return blobs;
}

static void free_blobs(struct blob *blobs, int count) {
  for (int i = 0; i < count; i++) free(blobs[i].bytes);
  free(blobs);
}

/* Flips bits of every blob, a few of each byte position over all; returns how often that was
 * noticed. */
static int flip_blobs(sqlite3 *db, const char *select, const char *update, size_t flips_per_blob,
                      uint64_t expected) {
  int count;
  int noticed = 0;
  uint64_t state = 7;
  struct blob *blobs = load_blobs(db, select, &count);
  for (int i = 0; i < count; i++) {
    size_t step = blobs[i].size / flips_per_blob + 1;
    for (size_t at = 0; at < blobs[i].size; at += step) {
      uint64_t digest = 0;
      const uint8_t bit = (uint8_t)(1u << sample_next(&state) % 8);
      blobs[i].bytes[at] ^= bit;
      store_blob(db, update, blobs[i].id, blobs[i].bytes, blobs[i].size);
      enum tk_status status = read_fresh(db, &digest);
      CHECK(status == TK_CORRUPT || (status == TK_OK && digest == expected));
      noticed += status == TK_CORRUPT;
      blobs[i].bytes[at] ^= bit;
    }
    store_blob(db, update, blobs[i].id, blobs[i].bytes, blobs[i].size / 2); /* and cut in half */
    uint64_t digest = 0;
    enum tk_status status = read_fresh(db, &digest);
    CHECK(status == TK_CORRUPT || (status == TK_OK && digest == expected));
    store_blob(db, update, blobs[i].id, blobs[i].bytes, blobs[i].size);
  }
  free_blobs(blobs, count);
  return noticed;
}

static void a_flipped_bit_is_noticed(void) {
  uint64_t expected = 0, digest = 0;
  sqlite3 *db = make_store(3, 3, 8);
  CHECK(read_fresh(db, &expected) == TK_OK);
  CHECK(flip_blobs(db, "SELECT id, directory FROM tk_segment",
                   "UPDATE tk_segment SET directory = ?1 WHERE id = ?2", 200, expected) > 100);
  CHECK(flip_blobs(db, "SELECT id, resources FROM tk_segment",
                   "UPDATE tk_segment SET resources = ?1 WHERE id = ?2", 50, expected) > 0);
  CHECK(flip_blobs(db, "SELECT id, scopes FROM tk_segment",
                   "UPDATE tk_segment SET scopes = ?1 WHERE id = ?2", 50, expected) > 0);
  CHECK(flip_blobs(db, "SELECT id, data FROM tk_chunk",
                   "UPDATE tk_chunk SET data = ?1 WHERE id = ?2", 12, expected) > 100);
  CHECK(flip_blobs(db, "SELECT id, data FROM tk_filter",
                   "UPDATE tk_filter SET data = ?1 WHERE id = ?2", 40, expected) > 10);
  CHECK(read_fresh(db, &digest) == TK_OK && digest == expected);
  sqlite3_close(db);
}

static void a_changed_field_of_the_row_is_noticed_or_harmless(void) {
  static const char *const fields[] = {
      "id",          "format",     "flags",           "span_count",      "trace_count",
      "event_count", "link_count", "error_count",     "start_min_ns",    "start_max_ns",
      "end_max_ns",  "raw_bytes",  "duration_min_ns", "duration_max_ns", "stored_bytes",
      "hash"};
  static const char *const changes[] = {"%s + 1",  "%s - 1", "~%s",         "0",   "-1",
                                        "1 << 40", "'text'", "x'00112233'", "1e9", "%s | 128"};
  uint64_t expected = 0;
  sqlite3 *db = make_store(4, 4, 8);
  CHECK(read_fresh(db, &expected) == TK_OK);
  for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++) {
    for (size_t c = 0; c < sizeof changes / sizeof changes[0]; c++) {
      char sql[200], value[60];
      uint64_t digest = 0;
      int length = 0;
      for (const char *from = changes[c]; *from; from++) {
        const char *piece = from[0] == '%' ? fields[f] : NULL;
        length += snprintf(value + length, sizeof value - (size_t)length, "%.*s", piece ? 30 : 1,
                           piece ? piece : from);
        from += piece != NULL;
      }
      snprintf(sql, sizeof sql, "SAVEPOINT s; UPDATE tk_segment SET %s = %s", fields[f], value);
      if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK) {
        enum tk_status status = read_fresh(db, &digest);
        CHECK(status == TK_CORRUPT || status == TK_UNSUPPORTED ||
              (status == TK_OK && digest == expected));
      }
      sample_store_run(db, "ROLLBACK TO s; RELEASE s");
    }
  }
  sqlite3_close(db);
}

static void rows_that_are_missing_are_noticed(void) {
  static const char *const changes[] = {"DELETE FROM tk_chunk",
                                        "DELETE FROM tk_resource",
                                        "DELETE FROM tk_scope",
                                        "DELETE FROM tk_meta WHERE key = 'generation'",
                                        "DELETE FROM tk_chunk WHERE id % 65536 = 14",
                                        "UPDATE tk_resource SET content = x''",
                                        "UPDATE tk_scope SET content = x'01'",
                                        "UPDATE tk_segment SET directory = ''",
                                        "UPDATE tk_chunk SET data = x''"};
  for (size_t c = 0; c < sizeof changes / sizeof changes[0]; c++) {
    uint64_t digest;
    sqlite3 *db = make_store(5, 4, 8);
    sample_store_run(db, changes[c]);
    CHECK(read_fresh(db, &digest) == TK_CORRUPT);
    sqlite3_close(db);
  }
}

/* ---- damage that checksums do not show ---- */

static struct tk_text load_text(sqlite3 *db, const char *sql, struct blob **blob) {
  int count;
  *blob = load_blobs(db, sql, &count);
  return (struct tk_text){(const char *)(*blob)->bytes, (uint32_t)(*blob)->size};
}

/* Writes `directory` with a hash that fits, and the row's counts with it. */
static void store_directory(sqlite3 *db, const struct tk_directory *directory) {
  struct tk_byte_writer bytes = {0};
  struct blob *resources, *scopes;
  struct tk_hash hash;
  char sql[600];
  const struct tk_segment_summary *summary = &directory->summary;
  struct tk_text resource_ids = load_text(db, "SELECT id, resources FROM tk_segment", &resources);
  struct tk_text scope_ids = load_text(db, "SELECT id, scopes FROM tk_segment", &scopes);
  tk_directory_encode(&bytes, directory);
  tk_hash_init(&hash);
  tk_hash_update(&hash, resource_ids.data, resource_ids.size);
  tk_hash_update(&hash, scope_ids.data, scope_ids.size);
  tk_hash_update(&hash, bytes.data, bytes.size);
  /* A directory that says what cannot be written is stored as an empty one. */
  store_blob(db, "UPDATE tk_segment SET directory = ?1 WHERE id = ?2", 1,
             bytes.data ? bytes.data : (const uint8_t *)"", bytes.size);
  snprintf(sql, sizeof sql,
           "UPDATE tk_segment SET hash = %lld, span_count = %u, trace_count = %u, event_count = %u,"
           " link_count = %u, start_min_ns = %lld, start_max_ns = %lld",
           (long long)tk_hash_digest(&hash), summary->span_count, summary->trace_count,
           summary->event_count, summary->link_count, (long long)summary->start_min,
           (long long)summary->start_max);
  sample_store_run(db, sql);
  tk_byte_writer_reset(&bytes);
  free_blobs(resources, 1);
  free_blobs(scopes, 1);
}

/* One small change, anywhere. Of the arrays behind const pointers copies are changed. */
static void disturb(struct tk_directory *directory, struct tk_arena *arena, uint64_t *state) {
  struct tk_segment_column *columns =
      tk_arena_alloc(arena, directory->column_count * sizeof *columns);
  const uint32_t chosen = (uint32_t)(sample_next(state) % directory->column_count);
  const uint32_t amount = (uint32_t)(sample_next(state) % 3 + 1);
  memcpy(columns, directory->columns, directory->column_count * sizeof *columns);
  directory->columns = columns;
  struct tk_segment_column *column = &columns[chosen];
  switch (sample_next(state) % 14) {
    case 0:
      directory->summary.span_count += amount;
      break;
    case 1:
      directory->summary.trace_count -= 1;
      break;
    case 2:
      directory->summary.event_count += amount;
      break;
    case 3:
      directory->summary.link_count -= amount;
      break;
    case 4:
      directory->start_model = (enum tk_start_model)((directory->start_model + amount) % 4);
      break;
    case 5:
      directory->resource_count = amount;
      break;
    case 6:
      directory->scope_count = amount;
      break;
    case 7:
      column->value_count += amount;
      break;
    case 8:
      column->type = (uint8_t)((column->type + amount) % 9);
      break;
    case 9:
      column->scope = (uint8_t)((column->scope + amount) % 4);
      break;
    case 10:
      column->in_extras = !column->in_extras;
      break;
    case 11:
      directory->keysets[sample_next(state) % 3].count /= 2;
      break;
    case 12:
      column->number += (uint16_t)amount;
      break;
    default:
      memmove(column, column + 1, (directory->column_count - chosen - 1) * sizeof *column);
      directory->column_count--;
      break;
  }
}

/* Whatever the directory says, and whatever is in chunks whose checksum is right, is read without
 * undefined behaviour; the sanitizers and the checks of read_everything see to that. */
static void wrong_content_with_right_checksums_does_no_harm(void) {
  int corrupt = 0;
  uint64_t state = 11;
  for (int i = 0; i < 1500; i++) {
    static sqlite3 *db;
    static struct blob *chunks, *original;
    static int chunk_count;
    struct tk_directory directory;
    struct tk_arena arena = {0};
    uint64_t digest;
    if (i % 500 == 0) { /* another store now and then */
      if (db) {
        free_blobs(chunks, chunk_count);
        free_blobs(original, 1);
        sqlite3_close(db);
      }
      db = make_store(20 + (uint64_t)i, 5 + (uint32_t)i / 10, 12);
      chunks = load_blobs(db, "SELECT id, data FROM tk_chunk", &chunk_count);
      load_text(db, "SELECT id, directory FROM tk_segment", &original);
    }
    CHECK(tk_directory_decode(original->bytes, original->size, &arena, &directory, NULL) == TK_OK);
    struct blob *chunk = &chunks[sample_next(&state) % (uint64_t)chunk_count];
    const size_t at = (size_t)(sample_next(&state) % chunk->size);
    const uint8_t before = chunk->bytes[at];
    if (i % 3 == 0) {
      disturb(&directory, &arena, &state);
    } else {
      struct tk_segment_column *columns =
          tk_arena_alloc(&arena, directory.column_count * sizeof *columns);
      memcpy(columns, directory.columns, directory.column_count * sizeof *columns);
      directory.columns = columns;
      chunk->bytes[at] = (uint8_t)sample_next(&state);
      for (uint32_t c = 0; c < directory.column_count; c++) {
        if (columns[c].number != (chunk->id & 0xFFFF)) continue;
        columns[c].chunk_hash = tk_hash64(chunk->bytes, chunk->size);
      }
      store_blob(db, "UPDATE tk_chunk SET data = ?1 WHERE id = ?2", chunk->id, chunk->bytes,
                 chunk->size);
    }
    store_directory(db, &directory);
    enum tk_status status = read_fresh(db, &digest);
    CHECK(status == TK_OK || status == TK_CORRUPT);
    corrupt += status == TK_CORRUPT;
    chunk->bytes[at] = before;
    store_blob(db, "UPDATE tk_chunk SET data = ?1 WHERE id = ?2", chunk->id, chunk->bytes,
               chunk->size);
    tk_arena_reset(&arena);
    if (i + 1 < 1500) continue;
    free_blobs(chunks, chunk_count);
    free_blobs(original, 1);
    sqlite3_close(db);
  }
  printf("# %d of 1500 were noticed\n", corrupt);
  CHECK(corrupt > 300);
}

static void running_out_of_memory_is_reported_and_leaks_nothing(void) {
  uint64_t expected = 0, digest = 0;
  sqlite3 *db = make_store(6, 3, 10);
  CHECK(read_fresh(db, &expected) == TK_OK);
  int n = 1;
  for (int hits = 1; hits && n < 20000; n++) {
    struct tk_error error = {{0}};
    tk_segment_cache_clear();
    fault_memory_fail_at(n);
    enum tk_status status = read_everything(db, &digest, &error);
    hits = fault_memory_hits();
    fault_memory_fail_at(0);
    CHECK(status == TK_NOMEM || (status == TK_OK && digest == expected));
    if (status != TK_OK && status != TK_NOMEM) printf("# allocation %d: %s\n", n, error.message);
    CHECK(read_everything(db, &digest, &error) == TK_OK && digest == expected);
  }
  tk_segment_cache_clear();
  CHECK(tk_segment_cache_used() == 0);
  CHECK(n > 100);
  sqlite3_close(db);
}

int main(void) {
  static const struct check_case cases[] = {
      CASE(a_flipped_bit_is_noticed),
      CASE(a_changed_field_of_the_row_is_noticed_or_harmless),
      CASE(rows_that_are_missing_are_noticed),
      CASE(wrong_content_with_right_checksums_does_no_harm),
      CASE(running_out_of_memory_is_reported_and_leaks_nothing),
  };
  fault_memory_install();
  return check_run(cases, (int)(sizeof cases / sizeof cases[0]));
}
