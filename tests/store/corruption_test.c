/* SPDX-License-Identifier: MIT
 * Stores that are not what was written. Damage is done inside a transaction and rolled back, so
 * that every byte can have its turn. */
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/segment/segment.h"
#include "tests/support/check.h"
#include "tests/support/scripted_ingest.h"
#include "tests/support/span_builder.h"
#include "tests/support/store_compare.h"
#include "tracekeep/hash.h"
#include "tracekeep/scan.h"

static const char path[] = "corruption_test.db";
static const char damaged_path[] = "corruption_test_damaged.db";

/* ---- a store to damage ---- */

struct victim {
  struct tk_store *store;
  sqlite3 *db;
  char *dump; /* undamaged */
};

static const struct script small_script = {
    .name = "small", .seed = 4, .batch_count = 2, .spans_per_batch = 20, .trace_spans = 5};
/* Long enough for filters over values. */
static const struct script large_script = {
    .name = "large", .seed = 5, .batch_count = 6, .spans_per_batch = 400, .trace_spans = 4};

static struct victim make_victim(const struct script *script, uint32_t spans_per_segment) {
  const struct script_run run = {.threads = 1, .spans_per_segment = spans_per_segment};
  struct victim victim = {0};
  struct tk_error error = {{0}};
  remove_store(path);
  CHECK(ingest_scripts_into(path, script, 1, &run, NULL, &error) == TK_OK);
  CHECK(store_is_sound(path));
  CHECK(tk_store_open(path, TK_OPEN_WRITE, &victim.store, &error) == TK_OK);
  if (!victim.store) exit(1);
  victim.db = tk_store_database(victim.store);
  victim.dump = open_store_dump(victim.store, &error);
  CHECK(victim.dump && *victim.dump);
  if (error.message[0]) printf("# %s\n", error.message);
  return victim;
}

static void free_victim(struct victim *victim) {
  tk_store_close(victim->store);
  free(victim->dump);
  remove_store(path);
}

static int64_t query_integer(sqlite3 *db, const char *sql) {
  sqlite3_stmt *statement = NULL;
  int64_t value = -1;
  CHECK(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK);
  if (sqlite3_step(statement) == SQLITE_ROW) value = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  return value;
}

static void keep_message(void *context, const char *message) {
  snprintf(context, sizeof(struct tk_error), "%s", message);
}

/* Faults that the check finds in the store as it is in this transaction. */
static uint64_t count_faults(const struct victim *victim, struct tk_error *last) {
  struct tk_check_counts counts = {0};
  struct tk_error error = {{0}};
  const enum tk_status status =
      tk_store_check(victim->store, keep_message, last->message, &counts, &error);
  CHECK(status == TK_OK);
  if (status != TK_OK) printf("# check: %s\n", error.message);
  return counts.faults;
}

/* Whether the scan gives either an error or what it gave before. */
static bool scan_is_honest(const struct victim *victim, struct tk_error *error) {
  tk_segment_cache_clear();
  char *dump = open_store_dump(victim->store, error);
  const bool honest = !dump || strcmp(dump, victim->dump) == 0;
  free(dump);
  return honest;
}

static void begin(const struct victim *victim) {
  CHECK(sqlite3_exec(victim->db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK);
}

static void roll_back(const struct victim *victim) {
  CHECK(sqlite3_exec(victim->db, "ROLLBACK", NULL, NULL, NULL) == SQLITE_OK);
}

/* Runs `damage` in a transaction of its own; what it does must be found. */
static void check_damage_is_found(const struct victim *victim, const char *damage, bool scan_too) {
  struct tk_error found = {{0}}, error = {{0}};
  begin(victim);
  CHECK(sqlite3_exec(victim->db, damage, NULL, NULL, NULL) == SQLITE_OK);
  const bool changed = sqlite3_changes(victim->db) > 0;
  const uint64_t faults = count_faults(victim, &found);
  const bool honest = !scan_too || scan_is_honest(victim, &error);
  roll_back(victim);
  CHECK(changed && faults > 0 && honest);
  if (!changed || faults == 0 || !honest) printf("# undetected: %s\n", damage);
}

/* ---- every byte ---- */

struct blob_column {
  const char *table, *column;
  bool scanned; /* a scan must notice, too */
};

/* Flips bits of byte `at` of one blob. */
static bool flip(sqlite3 *db, const struct blob_column *what, int64_t id, int at, unsigned mask) {
  sqlite3_blob *blob = NULL;
  unsigned char byte = 0;
  bool ok = sqlite3_blob_open(db, "main", what->table, what->column, id, 1, &blob) == SQLITE_OK;
  ok = ok && sqlite3_blob_read(blob, &byte, 1, at) == SQLITE_OK;
  byte = (unsigned char)(byte ^ mask);
  ok = ok && sqlite3_blob_write(blob, &byte, 1, at) == SQLITE_OK;
  sqlite3_blob_close(blob);
  return ok;
}

/* Returns how many bytes it flipped. */
static uint32_t flip_bytes_of(const struct victim *victim, const struct blob_column *what,
                              int64_t id, int size, uint32_t samples, uint64_t *random) {
  const int step = size > (int)samples ? size / (int)samples : 1;
  uint32_t flipped = 0;
  for (int at = 0; at < size && check_failures < 10;
       at += 1 + (int)(next_random(random) % (uint64_t)(2 * step - 1))) {
    const unsigned mask = at % 3 ? 1u << next_random(random) % 8 : 0xff;
    struct tk_error found = {{0}}, error = {{0}};
    begin(victim);
    CHECK(flip(victim->db, what, id, at, mask));
    const uint64_t faults = count_faults(victim, &found);
    const bool honest = !what->scanned || scan_is_honest(victim, &error);
    roll_back(victim);
    CHECK(faults > 0);
    CHECK(honest);
    if (faults == 0 || !honest) {
      printf("# %s.%s %lld, byte %d of %d, mask %02x\n", what->table, what->column, (long long)id,
             at, size, mask);
    }
    flipped++;
  }
  return flipped;
}

static void flip_bytes(const struct victim *victim, uint32_t samples) {
  static const struct blob_column columns[] = {
      {"tk_chunk", "data", true},        {"tk_filter", "data", true},
      {"tk_segment", "directory", true}, {"tk_segment", "resources", true},
      {"tk_segment", "scopes", true},    {"tk_resource", "content", true},
      {"tk_scope", "content", true}};
  uint64_t random = 7;
  for (size_t c = 0; c < sizeof columns / sizeof columns[0]; c++) {
    char sql[200];
    sqlite3_stmt *statement = NULL;
    uint32_t flipped = 0, rows = 0;
    int64_t ids[400];
    int sizes[400];
    snprintf(sql, sizeof sql, "SELECT id, length(%s) FROM %s", columns[c].column, columns[c].table);
    CHECK(sqlite3_prepare_v2(victim->db, sql, -1, &statement, NULL) == SQLITE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW && rows < 400) {
      ids[rows] = sqlite3_column_int64(statement, 0);
      sizes[rows++] = sqlite3_column_int(statement, 1);
    }
    sqlite3_finalize(statement);
    for (uint32_t i = 0; i < rows; i++) {
      flipped += flip_bytes_of(victim, &columns[c], ids[i], sizes[i], samples, &random);
    }
    printf("# %s.%s: %u bytes of %u rows\n", columns[c].table, columns[c].column, flipped, rows);
    CHECK(flipped > 0);
  }
}

static void every_flipped_byte_of_a_small_store_is_found(void) {
  struct victim victim = make_victim(&small_script, 0);
  flip_bytes(&victim, UINT32_MAX / 4);
  free_victim(&victim);
}

static void flipped_bytes_of_a_larger_store_are_found(void) {
  struct victim victim = make_victim(&large_script, 0);
  CHECK(query_integer(victim.db, "SELECT count(*) FROM tk_filter WHERE id & 65535 > 0") > 0);
  flip_bytes(&victim, 3);
  check_damage_is_found(&victim, "DELETE FROM tk_filter WHERE id & 65535 > 0", true);
  free_victim(&victim);
}

static void flipped_bytes_of_split_traces_are_found(void) {
  static const struct script giant = {
      .name = "giant", .seed = 6, .batch_count = 6, .spans_per_batch = 100, .trace_spans = 150};
  struct victim victim = make_victim(&giant, 32);
  CHECK(query_integer(victim.db, "SELECT count(*) FROM tk_split") > 0);
  flip_bytes(&victim, 1);
  free_victim(&victim);
}

/* ---- rows ---- */

static void changed_numbers_of_a_segment_are_found(void) {
  static const char *const columns[] = {
      "format",          "span_count",   "trace_count",  "event_count", "link_count",
      "error_count",     "start_min_ns", "start_max_ns", "end_max_ns",  "duration_min_ns",
      "duration_max_ns", "hash",         "raw_bytes",    "stored_bytes"};
  struct victim victim = make_victim(&small_script, 0);
  for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
    char sql[200];
    /* The first ones decide what is read; the others only what is skipped and shown. */
    snprintf(sql, sizeof sql, "UPDATE tk_segment SET %s = %s + 1", columns[i], columns[i]);
    check_damage_is_found(&victim, sql, true);
    snprintf(sql, sizeof sql, "UPDATE tk_segment SET %s = -%s - 9", columns[i], columns[i]);
    check_damage_is_found(&victim, sql, i < 6);
    snprintf(sql, sizeof sql, "UPDATE tk_segment SET %s = 1 << 31", columns[i]);
    check_damage_is_found(&victim, sql, i < 6);
  }
  free_victim(&victim);
}

static void missing_cut_and_exchanged_rows_are_found(void) {
  struct victim victim = make_victim(&large_script, 512);
  CHECK(query_integer(victim.db, "SELECT count(*) FROM tk_segment") > 1);
  const int64_t chunks = query_integer(victim.db, "SELECT count(*) FROM tk_chunk");
  for (int64_t i = 0; i < chunks; i += 3) {
    char sql[300];
    snprintf(sql, sizeof sql,
             "DELETE FROM tk_chunk WHERE id = (SELECT id FROM tk_chunk LIMIT 1 OFFSET %lld)",
             (long long)i);
    check_damage_is_found(&victim, sql, true);
    snprintf(sql, sizeof sql,
             "UPDATE tk_chunk SET data = substr(data, 1, length(data) - 1) "
             "WHERE id = (SELECT id FROM tk_chunk LIMIT 1 OFFSET %lld)",
             (long long)i);
    check_damage_is_found(&victim, sql, true);
    snprintf(sql, sizeof sql,
             "UPDATE tk_chunk SET data = x'' "
             "WHERE id = (SELECT id FROM tk_chunk LIMIT 1 OFFSET %lld)",
             (long long)i);
    check_damage_is_found(&victim, sql, true);
  }
  static const char *const damages[] = {
      "UPDATE tk_chunk SET data = data || x'00' WHERE id = (SELECT min(id) FROM tk_chunk)",
      "UPDATE tk_chunk SET data = 12345",
      "UPDATE tk_chunk SET data = 'text'",
      "DELETE FROM tk_filter WHERE id & 65535 = 0",
      "UPDATE tk_filter SET data = substr(data, 1, 8)",
      "DELETE FROM tk_resource WHERE id = 1",
      "DELETE FROM tk_scope",
      "DELETE FROM tk_chunk",
      "DELETE FROM tk_segment WHERE id = (SELECT min(id) FROM tk_segment)",
      "UPDATE tk_segment SET directory = x''",
      "UPDATE tk_segment SET directory = zeroblob(100000)",
      "UPDATE tk_segment SET directory = substr(directory, 1, length(directory) / 2)",
      "UPDATE tk_segment SET resources = x'ffffffffffffffffffff01'",
      "UPDATE tk_chunk SET id = id + 1 WHERE id = (SELECT max(id) FROM tk_chunk)",
      "UPDATE tk_chunk SET id = id + (99 << 16)",
      "INSERT INTO tk_chunk VALUES (99 << 16, x'00')",
      "INSERT INTO tk_filter VALUES (99 << 16, x'00')",
      "INSERT INTO tk_split VALUES (zeroblob(16), 99)",
  };
  for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
    /* A whole segment that is gone, only leaves what belonged to it. */
    check_damage_is_found(&victim, damages[i], strstr(damages[i], "FROM tk_segment WHERE") == NULL);
  }
  free_victim(&victim);
}

/* The same columns of different segments have the same shape: only checksums tell them apart. */
static void exchanged_chunks_are_found(void) {
  struct victim victim = make_victim(&large_script, 64);
  static const char find[] =
      "SELECT count(*) FROM tk_chunk a JOIN tk_chunk b ON a.id < b.id "
      "AND length(a.data) = length(b.data) AND a.data <> b.data";
  const int64_t pairs = query_integer(victim.db, find);
  CHECK(pairs > 10);
  for (int64_t i = 0; i < pairs && i < 3000; i += pairs / 20 + 1) {
    char sql[700];
    snprintf(sql, sizeof sql,
             "CREATE TEMP TABLE pair AS SELECT a.id AS x, b.id AS y, a.data AS p, b.data AS q "
             "FROM tk_chunk a JOIN tk_chunk b ON a.id < b.id AND length(a.data) = length(b.data) "
             "AND a.data <> b.data LIMIT 1 OFFSET %lld;"
             "UPDATE tk_chunk SET data = (SELECT q FROM pair) WHERE id = (SELECT x FROM pair);"
             "UPDATE tk_chunk SET data = (SELECT p FROM pair) WHERE id = (SELECT y FROM pair)",
             (long long)i);
    check_damage_is_found(&victim, sql, true);
  }
  free_victim(&victim);
}

/* Adds one span of a resource that no other has. */
static void ingest_lonely_span(struct tk_store *store) {
  struct tk_ingest *ingest = NULL;
  struct tk_batch *batch = build_batch(1, 1);
  struct tk_span *span = build_span(batch, 9999, 1, 0, 1000);
  span->resource = build_resource(batch, "lonely");
  span->scope = build_scope(batch, "lonely");
  CHECK(tk_ingest_begin(store, NULL, &ingest, NULL) == TK_OK);
  if (!ingest) exit(1);
  CHECK(tk_ingest_source_begin(ingest, "lonely", "script", 1, NULL, NULL) == TK_OK);
  CHECK(tk_ingest_append(ingest, batch, NULL) == TK_OK);
  CHECK(tk_ingest_source_end(ingest, NULL) == TK_OK);
  CHECK(tk_ingest_finish(ingest, NULL, NULL) == TK_OK);
}

/* How many segments do not open; each must say why. */
static uint32_t count_unreadable(sqlite3 *db, const char *expected_text, uint32_t *count_out) {
  struct tk_reader *reader = NULL;
  struct tk_error error = {{0}};
  uint32_t unreadable = 0;
  tk_segment_cache_clear();
  CHECK(tk_reader_open(db, "main", &reader, &error) == TK_OK);
  *count_out = reader ? reader->segment_count : 0;
  for (uint32_t i = 0; i < *count_out; i++) {
    const struct tk_segment *segment = NULL;
    const enum tk_status status = tk_reader_segment(reader, i, &segment, &error);
    CHECK(status == TK_OK || status == TK_CORRUPT);
    CHECK(status == TK_OK || strstr(error.message, expected_text) != NULL);
    unreadable += status != TK_OK;
    tk_segment_release(segment);
  }
  tk_reader_close(reader);
  return unreadable;
}

static void a_damaged_resource_or_scope_harms_only_the_segments_that_use_it(void) {
  static const char *const tables[] = {"tk_resource", "tk_scope"};
  struct victim victim = make_victim(&large_script, 512);
  ingest_lonely_span(victim.store);
  for (size_t i = 0; i < 2; i++) {
    char sql[200], name[64];
    uint32_t segments = 0;
    struct tk_error found = {{0}};
    snprintf(sql, sizeof sql, "SELECT max(id) FROM %s", tables[i]);
    snprintf(name, sizeof name, "%s %lld: ", tables[i], (long long)query_integer(victim.db, sql));
    begin(&victim);
    snprintf(sql, sizeof sql,
             "UPDATE %s SET content = content || x'00' WHERE id = (SELECT max(id) FROM %s)",
             tables[i], tables[i]);
    CHECK(sqlite3_exec(victim.db, sql, NULL, NULL, NULL) == SQLITE_OK);
    const uint32_t unreadable = count_unreadable(victim.db, name, &segments);
    CHECK(unreadable == 1 && segments > 1);
    CHECK(count_faults(&victim, &found) == 2);
    roll_back(&victim);
    /* One that nobody uses is a fault, but harms nothing; the hash is that of its content. */
    begin(&victim);
    snprintf(sql, sizeof sql, "INSERT INTO %s SELECT 99, %lld, 'unused', x'ff'", tables[i],
             (long long)tk_hash64("\xff", 1));
    CHECK(sqlite3_exec(victim.db, sql, NULL, NULL, NULL) == SQLITE_OK);
    CHECK(count_unreadable(victim.db, name, &segments) == 0);
    CHECK(count_faults(&victim, &found) == 1);
    roll_back(&victim);
  }
  free_victim(&victim);
}

/* And not as a lack of memory for so many. */
static void an_ingest_names_the_open_segment_whose_count_is_wrong(void) {
  struct victim victim = make_victim(&small_script, 0);
  struct tk_store *store = NULL;
  struct tk_ingest *ingest = NULL;
  struct tk_error error = {{0}};
  CHECK(sqlite3_exec(victim.db, "UPDATE tk_segment SET span_count = 4000000000 WHERE flags & 2",
                     NULL, NULL, NULL) == SQLITE_OK);
  CHECK(sqlite3_changes(victim.db) == 1);
  tk_segment_cache_clear();
  CHECK(tk_store_open(path, TK_OPEN_WRITE, &store, &error) == TK_OK);
  CHECK(tk_ingest_begin(store, NULL, &ingest, &error) == TK_OK);
  CHECK(tk_ingest_source_begin(ingest, "next", "script", 1, NULL, &error) == TK_OK);
  CHECK(tk_ingest_append(ingest, script_batch(&large_script, 0), &error) == TK_CORRUPT);
  CHECK(strstr(error.message, "segment ") != NULL);
  tk_ingest_abort(ingest);
  tk_store_close(store);
  free_victim(&victim);
}

static void a_segment_of_a_newer_format_is_refused_by_name(void) {
  struct victim victim = make_victim(&small_script, 0);
  struct tk_scan *scan = NULL;
  const struct tk_trace *trace = NULL;
  struct tk_error error = {{0}};
  CHECK(sqlite3_exec(victim.db,
                     "UPDATE tk_segment SET format = 2; "
                     "UPDATE tk_meta SET value = value + 1 WHERE key = 'generation'",
                     NULL, NULL, NULL) == SQLITE_OK);
  tk_segment_cache_clear();
  CHECK(tk_scan_open(victim.store, NULL, &scan, &error) == TK_OK);
  CHECK(tk_scan_next(scan, &trace, &error) == TK_UNSUPPORTED && !trace);
  CHECK(strstr(error.message, "newer") != NULL);
  CHECK(tk_scan_next(scan, &trace, &error) != TK_OK && !trace);
  tk_scan_close(scan);
  free_victim(&victim);
}

/* ---- files ---- */

static void expect_open(const char *name, enum tk_open_mode mode, enum tk_status expected,
                        const char *text) {
  struct tk_store *store = NULL;
  struct tk_error error = {{0}};
  const enum tk_status status = tk_store_open(name, mode, &store, &error);
  CHECK(status == expected);
  CHECK((status == TK_OK) == (store != NULL));
  CHECK(strstr(error.message, text) != NULL);
  if (status != expected || !strstr(error.message, text)) {
    printf("# mode %d: %s: %s\n", (int)mode, tk_status_name(status), error.message);
  }
  tk_store_close(store);
}

static void change_file(const char *sql) {
  sqlite3 *db = NULL;
  CHECK(copy_store(path, damaged_path));
  CHECK(sqlite3_open(damaged_path, &db) == SQLITE_OK);
  CHECK(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
  sqlite3_close(db);
}

static void write_file(const char *name, const char *text, size_t size) {
  remove_store(name);
  FILE *out = fopen(name, "wb");
  CHECK(out != NULL);
  if (!out) return;
  CHECK(fwrite(text, 1, size, out) == size);
  fclose(out);
}

static void files_that_are_no_stores_are_refused(void) {
  char noise[5000];
  struct victim victim = make_victim(&small_script, 0);
  tk_store_close(victim.store);
  victim.store = NULL;
  for (int mode = TK_OPEN_READ; mode <= TK_OPEN_CREATE; mode++) {
    const enum tk_open_mode how = (enum tk_open_mode)mode;
    change_file("PRAGMA user_version = 99");
    expect_open(damaged_path, how, TK_UNSUPPORTED, "newer");
    change_file("PRAGMA application_id = 7");
    expect_open(damaged_path, how, TK_INVALID, "not a tracekeep store");
    for (size_t i = 0; i < sizeof noise; i++) noise[i] = (char)(i * 7);
    write_file(damaged_path, noise, sizeof noise);
    expect_open(damaged_path, how, TK_INVALID, "not a tracekeep store");
    write_file(damaged_path, "xy", 2); /* of one byte SQLite thinks that it is none */
    expect_open(damaged_path, how, TK_INVALID, "not a tracekeep store");
    CHECK(tk_store_open(".", how, &victim.store, NULL) != TK_OK && !victim.store);
  }
  write_file(damaged_path, "", 0);
  expect_open(damaged_path, TK_OPEN_READ, TK_INVALID, "not a tracekeep store");
  expect_open(damaged_path, TK_OPEN_WRITE, TK_INVALID, "not a tracekeep store");
  expect_open(damaged_path, TK_OPEN_CREATE, TK_OK, "");
  remove_store(damaged_path);
  expect_open(damaged_path, TK_OPEN_READ, TK_INVALID, "no such store");
  expect_open(damaged_path, TK_OPEN_WRITE, TK_INVALID, "no such store");
  CHECK(access(damaged_path, F_OK) != 0);
  expect_open("no/such/folder/x.db", TK_OPEN_CREATE, TK_IO, "x.db");
  free_victim(&victim);
}

/* In a child, because root may write to anything. */
static void a_file_that_cannot_be_written_is_refused_for_writing(void) {
  struct victim victim = make_victim(&small_script, 0);
  tk_store_close(victim.store);
  victim.store = NULL;
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    check_failures = 0;
    chmod(path, 0444);
    if (geteuid() == 0 && setuid(65534) != 0) _exit(0);
    expect_open(path, TK_OPEN_WRITE, TK_IO, "read-only");
    expect_open(path, TK_OPEN_CREATE, TK_IO, "read-only");
    fflush(stdout);
    _exit(check_failures != 0);
  }
  int status = -1;
  CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
  free_victim(&victim);
}

/* Flips bytes anywhere in the file: no crash, and an error or the truth. */
static void any_damage_to_the_file_is_survived(void) {
  struct victim victim = make_victim(&large_script, 256);
  tk_store_close(victim.store);
  victim.store = NULL;
  FILE *in = fopen(path, "rb");
  fseek(in, 0, SEEK_END);
  const uint64_t size = (uint64_t)ftell(in);
  fclose(in);
  uint32_t lies = 0, opened = 0;
  for (uint64_t seed = 1; seed <= 300; seed++) {
    uint64_t random = seed;
    struct tk_error error = {{0}};
    CHECK(copy_store(path, damaged_path));
    FILE *file = fopen(damaged_path, "r+b");
    for (uint64_t i = 0; i <= seed % 4; i++) {
      const uint64_t at = next_random(&random) % (seed % 5 ? size : 16384);
      fseek(file, (long)at, SEEK_SET);
      fputc((int)(next_random(&random) & 0xff), file);
    }
    fclose(file);
    tk_segment_cache_clear();
    if (tk_store_open(damaged_path, TK_OPEN_READ, &victim.store, &error) == TK_OK) {
      opened++;
      lies += !scan_is_honest(&victim, &error);
      tk_store_check(victim.store, NULL, NULL, NULL, &error);
    }
    tk_store_close(victim.store);
    victim.store = NULL;
  }
  printf("# %u of 300 could be opened, %u gave other spans without an error\n", opened, lies);
  CHECK(opened > 100);
  remove_store(damaged_path);
  free_victim(&victim);
}

static void nothing_is_left_behind(void) {
  tk_segment_cache_clear();
  CHECK(sqlite3_memory_used() == 0);
}

CHECK_MAIN(CASE(every_flipped_byte_of_a_small_store_is_found),
           CASE(flipped_bytes_of_a_larger_store_are_found),
           CASE(flipped_bytes_of_split_traces_are_found),
           CASE(changed_numbers_of_a_segment_are_found),
           CASE(missing_cut_and_exchanged_rows_are_found), CASE(exchanged_chunks_are_found),
           CASE(a_damaged_resource_or_scope_harms_only_the_segments_that_use_it),
           CASE(an_ingest_names_the_open_segment_whose_count_is_wrong),
           CASE(a_segment_of_a_newer_format_is_refused_by_name),
           CASE(files_that_are_no_stores_are_refused),
           CASE(a_file_that_cannot_be_written_is_refused_for_writing),
           CASE(any_damage_to_the_file_is_survived), CASE(nothing_is_left_behind))
