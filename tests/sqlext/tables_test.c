/* SPDX-License-Identifier: MIT
 * The tables but `spans` without memory, in ATTACHed stores and views, on several connections, and
 * while another thread ingests. What they say is the business of check_tables.py and golden.py. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "store/segment/segment.h"
#include "tests/sqlext/store_fixture.h"
#include "tests/support/check.h"
#include "tests/support/fault_memory.h"
#include "tracekeep/extension.h"

static const char *const tables[] = {
    "traces",   "span_events", "span_links",     "span_attributes", "resources",      "scopes",
    "services", "operations",  "attribute_keys", "segments",        "segment_columns"};
enum { TABLE_COUNT = sizeof tables / sizeof tables[0] };

/* Two ingests of segments of 32 spans: the traces in the middle are in two of them. */
static const char *make_store(const char *name) {
  const char *path = fixture_path(name);
  fixture_ingest(path, fixture_batch(0, 98, "first.key"), 32);
  fixture_ingest(path, fixture_batch(98, 62, "second.key"), 32);
  return path;
}

static void every_table_survives_without_memory(void) {
  static const char *const queries[] = {
      "SELECT * FROM traces",
      "SELECT * FROM traces WHERE status = 'ok' ORDER BY duration_ns DESC",
      "SELECT t.depth FROM span_attributes a JOIN traces t USING (trace_id) LIMIT 20",
      "SELECT * FROM span_attributes WHERE key IN ('number', 'first.key') AND value > 5",
      "SELECT * FROM span_events",
      "SELECT * FROM span_links",
      "SELECT * FROM resources",
      "SELECT * FROM scopes",
      "SELECT * FROM services",
      "SELECT * FROM operations",
      "SELECT * FROM attribute_keys",
      "SELECT * FROM segments",
      "SELECT * FROM segment_columns"};
  const char *path = make_store("faults.db");

  for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
    int nth = 1, hits = 1;
    /* Every allocation at first, then fewer: the later ones are made in loops. */
    for (; hits > 0 && nth < 100000; nth += 1 + nth / 12) {
      tk_segment_cache_clear(); /* or nothing would be decoded but the first time */
      sqlite3 *db = fixture_open(path);
      fault_memory_fail_at(nth);
      const int rc = sqlite3_exec(db, queries[i], 0, 0, 0);
      hits = fault_memory_hits();
      fault_memory_fail_at(0);
      CHECK(rc == SQLITE_OK || rc == SQLITE_NOMEM);
      if (rc != SQLITE_OK && rc != SQLITE_NOMEM) {
        printf("# %s: allocation %d: %s\n", queries[i], nth, sqlite3_errmsg(db));
      }
      CHECK(sqlite3_exec(db, queries[i], 0, 0, 0) == SQLITE_OK); /* and works again */
      sqlite3_close(db);
      if (check_failures) return;
    }
    CHECK(nth > 10);
  }
}

static void attached_stores_and_views_have_tables_of_their_own(void) {
  const char *one = make_store("one.db");
  const char *two = fixture_path("two.db");
  char sql[300];
  fixture_ingest(two, fixture_batch(1000, 10, "other.key"), 0);
  sqlite3 *db = fixture_open(one);
  sqlite3_snprintf(sizeof sql, sql, "ATTACH %Q AS other", two);
  CHECK(sqlite3_exec(db, sql, 0, 0, 0) == SQLITE_OK);
  CHECK(fixture_number(db, "SELECT sum(span_count) FROM traces") == 160);
  CHECK(fixture_number(db, "SELECT sum(span_count) FROM other.traces") == 10);
  CHECK(fixture_number(db, "SELECT count(*) FROM other.span_attributes WHERE key = 'number'") ==
        10);
  CHECK(fixture_number(db, "SELECT count(*) FROM main.attribute_keys WHERE key = 'other.key'") ==
        0);
  CHECK(fixture_number(db, "SELECT count(*) FROM other.attribute_keys WHERE key = 'other.key'") ==
        1);
  CHECK(fixture_number(db,
                       "SELECT count(*) FROM (SELECT span_count FROM main.traces UNION ALL"
                       " SELECT span_count FROM other.traces)") == 34);
  CHECK(sqlite3_exec(db,
                     "CREATE TEMP VIEW slow AS SELECT trace_id, format_duration(duration_ns) AS d"
                     " FROM traces WHERE duration_ns >= 0",
                     0, 0, 0) == SQLITE_OK);
  CHECK(fixture_number(db, "SELECT count(*) FROM slow") == 32);
  for (int i = 0; i < TABLE_COUNT; i++) {
    sqlite3_snprintf(sizeof sql, sql, "SELECT count(*) FROM other.%s", tables[i]);
    CHECK(fixture_number(db, sql) >= 0);
  }
  CHECK(sqlite3_exec(db, "DETACH other", 0, 0, 0) == SQLITE_OK);
  sqlite3_close(db);
}

/* Both have had one ingest: their generations are the same. */
static void a_name_that_comes_to_mean_another_store_shows_that_one(void) {
  const char *paths[] = {fixture_path("before.db"), fixture_path("after.db")};
  static const int64_t spans[] = {10, 15};
  sqlite3 *db = fixture_open(make_store("around.db"));
  for (int i = 0; i < 2; i++) {
    char sql[300];
    fixture_ingest(paths[i], fixture_batch(1000 * (uint32_t)i, (uint32_t)spans[i], "a.key"), 0);
    sqlite3_snprintf(sizeof sql, sql, "ATTACH %Q AS other", paths[i]);
    CHECK(sqlite3_exec(db, sql, 0, 0, 0) == SQLITE_OK);
    if (i == 0) {
      CHECK(sqlite3_exec(db,
                         "CREATE VIRTUAL TABLE temp.s USING tracekeep_spans(other);"
                         "CREATE VIRTUAL TABLE temp.c USING tracekeep_services(other)",
                         0, 0, 0) == SQLITE_OK);
    }
    CHECK(fixture_number(db, "SELECT count(*) FROM temp.s") == spans[i]);
    CHECK(fixture_number(db, "SELECT sum(span_count) FROM temp.c") == spans[i]);
    CHECK(fixture_number(db, "SELECT count(*) FROM other.spans") == spans[i]);
    CHECK(sqlite3_exec(db, "DETACH other", 0, 0, 0) == SQLITE_OK);
  }
  sqlite3_close(db);
}

static void tables_stay_usable_where_trust_is_off(void) {
  sqlite3 *db = fixture_open(make_store("trust.db"));
  CHECK(sqlite3_exec(db, "CREATE TEMP VIEW v AS SELECT median(span_count) AS m FROM traces", 0, 0,
                     0) == SQLITE_OK);
  CHECK(sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL) == SQLITE_OK);
  CHECK(fixture_number(db, "SELECT m FROM v") == 5);
  sqlite3_close(db);
}

static void open_cursors_and_statements_do_not_disturb_each_other(void) {
  sqlite3 *db = fixture_open(make_store("cursors.db"));
  sqlite3_stmt *one, *two;
  int pairs = 0;
  CHECK(sqlite3_prepare_v2(db, "SELECT trace_id FROM traces", -1, &one, 0) == SQLITE_OK);
  CHECK(sqlite3_prepare_v2(db, "SELECT count(*) FROM span_attributes WHERE trace_id = ?", -1, &two,
                           0) == SQLITE_OK);
  while (sqlite3_step(one) == SQLITE_ROW) {
    sqlite3_bind_value(two, 1, sqlite3_column_value(one, 0));
    CHECK(sqlite3_step(two) == SQLITE_ROW && sqlite3_column_int(two, 0) >= 5);
    sqlite3_reset(two);
    pairs++;
  }
  CHECK(pairs == 32);
  sqlite3_finalize(one);
  sqlite3_finalize(two);
  CHECK(
      fixture_number(db, "SELECT count(*) FROM traces a, traces b WHERE a.start_ns < b.start_ns") ==
      32 * 31 / 2);
  sqlite3_close(db);
}

/* Damages one byte of a blob, or cuts it, and puts it back afterwards. */
static const char *const blobs[] = {
    "tk_chunk data",       "tk_segment directory", "tk_segment resources", "tk_segment scopes",
    "tk_resource content", "tk_scope content",     "tk_filter data"};

static uint64_t random_state = 7;

static uint32_t next_random(uint32_t below) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(random_state >> 33) % below;
}

static void damage_blob(sqlite3 *db, const char *table, const char *column) {
  char *sql = sqlite3_mprintf(
      "SELECT rowid, %s FROM %s ORDER BY rowid LIMIT 1 OFFSET (%u %% (SELECT"
      " count(*) FROM %s))",
      column, table, next_random(1 << 20), table);
  sqlite3_stmt *get, *put;
  CHECK(sqlite3_prepare_v2(db, sql, -1, &get, 0) == SQLITE_OK);
  sqlite3_free(sql);
  sql = sqlite3_mprintf("UPDATE %s SET %s = ? WHERE rowid = ?", table, column);
  CHECK(sqlite3_prepare_v2(db, sql, -1, &put, 0) == SQLITE_OK);
  sqlite3_free(sql);
  if (sqlite3_step(get) == SQLITE_ROW) {
    static uint8_t bytes[1 << 16];
    uint32_t size = (uint32_t)sqlite3_column_bytes(get, 1);
    if (size > sizeof bytes) size = sizeof bytes;
    if (size > 0) memcpy(bytes, sqlite3_column_blob(get, 1), size);
    if (next_random(4) == 0) {
      size = next_random(size + 1);
    } else if (size > 0) {
      bytes[next_random(size)] ^= (uint8_t)(1u << next_random(8));
    }
    sqlite3_bind_blob(put, 1, bytes, (int)size, SQLITE_STATIC);
    sqlite3_bind_value(put, 2, sqlite3_column_value(get, 0));
    CHECK(sqlite3_step(put) == SQLITE_DONE);
  }
  sqlite3_finalize(get);
  sqlite3_finalize(put);
}

static void damaged_stores_give_errors_or_rows(void) {
  const char *path = make_store("damaged.db");
  int refused = 0;

  for (int round = 0; round < 140; round++) {
    char table[20], column[20];
    sqlite3 *db;
    sscanf(blobs[round % 7], "%19s %19s", table, column);
    tk_segment_cache_clear();
    CHECK(sqlite3_open(path, &db) == SQLITE_OK);
    sqlite3_exec(db, "BEGIN", 0, 0, 0);
    damage_blob(db, table, column);
    CHECK(sqlite3_tracekeep_init(db, NULL, NULL) == SQLITE_OK);
    for (int i = 0; i < TABLE_COUNT; i++) {
      char sql[100];
      sqlite3_snprintf(sizeof sql, sql, "SELECT * FROM %s", tables[i]);
      const int rc = sqlite3_exec(db, sql, 0, 0, 0);
      refused += rc != SQLITE_OK;
      if (rc != SQLITE_OK && (rc & 0xFF) != SQLITE_CORRUPT) {
        CHECK((rc & 0xFF) == SQLITE_ERROR);
        CHECK(strlen(sqlite3_errmsg(db)) > 10);
      }
    }
    CHECK(sqlite3_exec(db, "ROLLBACK", 0, 0, 0) == SQLITE_OK);
    CHECK(sqlite3_close(db) == SQLITE_OK);
  }
  printf("# %d statements refused\n", refused);
  CHECK(refused > 100);
  tk_segment_cache_clear();
  sqlite3 *db = fixture_open(path);
  CHECK(fixture_number(db, "SELECT sum(span_count) FROM traces") == 160);
  sqlite3_close(db);
}

struct reading {
  const char *path;
  atomic_bool *stop;
  int rounds, wrong;
};

/* A reader must see the same store in all tables of one transaction, and never less than before. */
static void *read_on(void *context) {
  struct reading *reading = context;
  sqlite3 *db = fixture_open(reading->path);
  int64_t last = 0;
  while (!atomic_load(reading->stop) || reading->rounds == 0) {
    sqlite3_exec(db, "BEGIN", 0, 0, 0);
    const int64_t spans = fixture_number(db, "SELECT count(*) FROM spans");
    const int64_t in_traces = fixture_number(db, "SELECT sum(span_count) FROM traces");
    const int64_t in_services = fixture_number(db, "SELECT sum(span_count) FROM services");
    const int64_t numbers =
        fixture_number(db, "SELECT count(*) FROM span_attributes WHERE key = 'number'");
    sqlite3_exec(db, "COMMIT", 0, 0, 0);
    if (spans != in_traces || spans != in_services || spans != numbers || spans < last) {
      reading->wrong++;
    }
    last = spans;
    reading->rounds++;
  }
  sqlite3_close(db);
  return NULL;
}

static void readers_see_whole_batches_while_another_ingests(void) {
  enum { READERS = 2 };
  const char *path = fixture_path("busy.db");
  struct reading readings[READERS];
  pthread_t threads[READERS];
  atomic_bool stop = false;

  fixture_ingest(path, fixture_batch(0, 50, "key"), 32);
  for (int i = 0; i < READERS; i++) {
    readings[i] = (struct reading){.path = path, .stop = &stop};
    CHECK(pthread_create(&threads[i], NULL, read_on, &readings[i]) == 0);
  }
  for (uint32_t i = 1; i < 20; i++) {
    char key[20];
    sqlite3_snprintf(sizeof key, key, "key.%u", i);
    fixture_ingest(path, fixture_batch(i * 50, 50, key), 32);
  }
  atomic_store(&stop, true);
  for (int i = 0; i < READERS; i++) {
    CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(readings[i].rounds > 0);
    CHECK(readings[i].wrong == 0);
  }
  sqlite3 *db = fixture_open(path);
  CHECK(fixture_number(db, "SELECT sum(span_count) FROM traces") == 1000);
  sqlite3_close(db);
}

int main(void) {
  static const struct check_case cases[] = {
      CASE(every_table_survives_without_memory),
      CASE(attached_stores_and_views_have_tables_of_their_own),
      CASE(a_name_that_comes_to_mean_another_store_shows_that_one),
      CASE(tables_stay_usable_where_trust_is_off),
      CASE(open_cursors_and_statements_do_not_disturb_each_other),
      CASE(damaged_stores_give_errors_or_rows),
      CASE(readers_see_whole_batches_while_another_ingests),
  };
  fault_memory_install();
  return check_run(cases, (int)(sizeof cases / sizeof cases[0]));
}
