/* SPDX-License-Identifier: MIT
 * The table `spans` as a host sees it: plans, connections, schemas, changes of the store. That its
 * answers are right is differential.py's business. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sqlext/store_fixture.h"
#include "tests/support/check.h"
#include "tests/support/span_builder.h"

static const char *plan_of(sqlite3 *db, const char *sql) {
  char explain[512];
  snprintf(explain, sizeof explain, "EXPLAIN QUERY PLAN %s", sql);
  return fixture_query(db, explain);
}

static int contains(const char *text, const char *part) {
  if (strstr(text, part)) return 1;
  printf("# not in: %s\n", text);
  return 0;
}

static sqlite3 *open_sample(const char *name, uint32_t spans_per_segment) {
  const char *path = fixture_path(name);
  fixture_ingest(path, fixture_batch(0, 1000, "key"), spans_per_segment);
  return fixture_open(path);
}

static void values_of_a_span_are_as_they_were_sent(void) {
  sqlite3 *db = open_sample("values.db", 0);
  CHECK(strcmp(fixture_query(db,
                             "SELECT trace_id, span_id, parent_span_id, service, name, kind,"
                             " start_ns, duration_ns, started_at, status, scope_name, depth,"
                             " child_count, is_root, [span.number], [span.key], attributes,"
                             " [resource.service.name] FROM spans WHERE [span.number] = 6"),
               "000000000000000000000000000003e9|0000000000000007|0000000000000006|a|op6|"
               "server|1000006000|600|1970-01-01T00:00:01.000006000Z|unset|library|1|0|0|6|v2|"
               "{\"number\":6,\"key\":\"v2\"}|a") == 0);
  CHECK(fixture_number(db, "SELECT count(*) FROM spans") == 1000);
  CHECK(fixture_number(db, "SELECT count(*) FROM spans WHERE is_root") == 200);
  CHECK(fixture_number(db, "SELECT sum(child_count) FROM spans") == 800);
  CHECK(sqlite3_close(db) == SQLITE_OK);
}

static void constraints_order_and_groups_are_pushed_down(void) {
  sqlite3 *db = open_sample("plans.db", 0);
  CHECK(
      contains(plan_of(db, "SELECT 1 FROM spans WHERE service = 'a' AND start_ns BETWEEN 1 AND 2"),
               "| service=? start_ns>=? start_ns<=?"));
  CHECK(
      contains(plan_of(db, "SELECT 1 FROM spans WHERE [span.key] IN ('a', 'b')"), "span.key IN ?"));
  CHECK(contains(plan_of(db, "SELECT 1 FROM spans WHERE name LIKE 'op%'"), "name LIKE ?"));
  CHECK(contains(plan_of(db, "SELECT 1 FROM spans ORDER BY start_ns DESC"),
                 "in order of start_ns descending"));
  CHECK(contains(plan_of(db, "SELECT count(*) FROM spans GROUP BY service, name"),
                 "grouped by service, name"));
  CHECK(!strstr(plan_of(db, "SELECT count(*) FROM spans GROUP BY service, name"), "TEMP B-TREE"));
  CHECK(!strstr(plan_of(db, "SELECT count(*) FROM spans GROUP BY service ORDER BY service DESC"),
                "TEMP B-TREE"));
  CHECK(contains(plan_of(db,
                         "SELECT c.name FROM spans p JOIN spans c ON c.trace_id = p.trace_id"
                         " AND c.parent_span_id = p.span_id WHERE p.service = 'a'"),
                 "trace_id=?"));
  CHECK(sqlite3_close(db) == SQLITE_OK);
}

static void a_service_without_a_method_is_no_rpc_method(void) {
  const char *path = fixture_path("rpc.db");
  fixture_ingest(path, fixture_batch(0, 100, "rpc.service"), 0);
  sqlite3 *db = fixture_open(path);
  CHECK(fixture_number(db, "SELECT count(*) FROM spans WHERE rpc_method = 'v1'") == 0);
  CHECK(fixture_number(db, "SELECT count(*) FROM spans WHERE rpc_method IS NULL") == 100);
  CHECK(strcmp(fixture_query(db, "SELECT rpc_method, count(*) FROM spans GROUP BY 1"),
               "NULL|100") == 0);
  CHECK(sqlite3_close(db) == SQLITE_OK);
}

static void ids_are_found_in_either_letter_case(void) {
  sqlite3 *db = open_sample("case.db", 0);
  CHECK(fixture_number(db,
                       "SELECT count(*) FROM spans"
                       " WHERE trace_id = '000000000000000000000000000003EA'") == 5);
  CHECK(fixture_number(db,
                       "SELECT count(*) FROM spans"
                       " WHERE trace_id IN ('000000000000000000000000000003EA',"
                       "                    '000000000000000000000000000003eb', 'none')") == 10);
  CHECK(fixture_number(db, "SELECT count(*) FROM spans WHERE span_id = '000000000000000B'") == 1);
  CHECK(sqlite3_close(db) == SQLITE_OK);
}

static void rowids_are_unique_and_lead_back_to_the_row(void) {
  sqlite3 *db = open_sample("rowid.db", 100);
  CHECK(fixture_number(db, "SELECT count(DISTINCT segment_id) FROM spans") > 3);
  CHECK(fixture_number(db, "SELECT count(DISTINCT rowid) FROM spans") == 1000);
  CHECK(fixture_number(db,
                       "SELECT count(*) FROM spans a WHERE span_id ="
                       " (SELECT span_id FROM spans b WHERE b.rowid = a.rowid)") == 1000);
  CHECK(fixture_number(db, "SELECT count(*) FROM spans WHERE rowid IN (-1, 0, 1, 99 << 32)") == 0);
  CHECK(sqlite3_close(db) == SQLITE_OK);
}

static void open_connections_see_new_spans_and_new_attribute_keys(void) {
  const char *path = fixture_path("grow.db");
  fixture_ingest(path, fixture_batch(0, 100, "first"), 0);
  sqlite3 *db = fixture_open(path);
  CHECK(fixture_number(db, "SELECT count([span.first]) FROM spans") == 34);
  CHECK(contains(fixture_query(db, "SELECT [span.second] FROM spans"), "no such column"));
  fixture_ingest(path, fixture_batch(100, 100, "second"), 0);
  CHECK(fixture_number(db, "SELECT count(*) FROM spans") == 200);
  CHECK(fixture_number(db, "SELECT count([span.second]) FROM spans") == 33);
  CHECK(sqlite3_close(db) == SQLITE_OK);
}

static void a_statement_sees_one_state_of_the_store(void) {
  const char *path = fixture_path("snapshot.db");
  fixture_ingest(path, fixture_batch(0, 500, "key"), 100);
  sqlite3 *db = fixture_open(path);
  sqlite3_stmt *statement = NULL;
  int rows = 0;
  CHECK(sqlite3_prepare_v2(db, "SELECT name FROM spans", -1, &statement, NULL) == SQLITE_OK);
  CHECK(sqlite3_step(statement) == SQLITE_ROW);
  fixture_ingest(path, fixture_batch(500, 500, "key"), 100);
  for (rows = 1; sqlite3_step(statement) == SQLITE_ROW; rows++) continue;
  CHECK(rows == 500);
  CHECK(sqlite3_reset(statement) == SQLITE_OK);
  for (rows = 0; sqlite3_step(statement) == SQLITE_ROW; rows++) continue;
  CHECK(rows == 1000);
  sqlite3_finalize(statement);
  CHECK(sqlite3_close(db) == SQLITE_OK);
}

/* SQLite says that one row of each group is enough, and then looks at the rowid. */
static void distinct_and_rowid_go_together(void) {
  static const char *const columns[] = {"service, name", "name", "kind", "trace_id",
                                        "service, kind"};
  static const char *const terms[] = {"rowid % 7 = 3", "kind <> 'server' AND rowid % 3 = 1",
                                      "rowid > (SELECT avg(rowid) FROM spans)"};
  const char *path = fixture_path("distinct.db");
  fixture_ingest(path, fixture_batch(0, 300, "a.key"), 64);
  sqlite3 *db = fixture_open(path);
  for (size_t c = 0; c < sizeof columns / sizeof columns[0]; c++) {
    for (size_t t = 0; t < sizeof terms / sizeof terms[0]; t++) {
      char sql[400];
      sqlite3_snprintf(sizeof sql, sql,
                       "SELECT count(*) FROM (SELECT DISTINCT %s FROM spans WHERE %s)", columns[c],
                       terms[t]);
      const int64_t found = fixture_number(db, sql);
      sqlite3_snprintf(sizeof sql, sql,
                       "SELECT count(*) FROM (SELECT DISTINCT %s FROM (SELECT * FROM spans WHERE %s"
                       " LIMIT 100000))",
                       columns[c], terms[t]);
      const int64_t expected = fixture_number(db, sql);
      CHECK(found == expected && expected > 0);
      if (found != expected) printf("# %s WHERE %s\n", columns[c], terms[t]);
    }
  }
  CHECK(fixture_number(db, "SELECT count(*) FROM (SELECT DISTINCT service, rowid FROM spans)") ==
        300);
  sqlite3_close(db);
}

static void attached_stores_are_read_by_their_schema(void) {
  const char *one = fixture_path("one.db"), *two = fixture_path("two.db");
  char sql[256];
  fixture_ingest(one, fixture_batch(0, 10, "key"), 0);
  fixture_ingest(two, fixture_batch(0, 20, "other"), 0);
  sqlite3 *db = fixture_open(one);
  snprintf(sql, sizeof sql, "ATTACH '%s' AS second", two);
  CHECK(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
  CHECK(fixture_number(db, "SELECT count(*) FROM spans") == 10);
  CHECK(fixture_number(db, "SELECT count([span.other]) FROM second.spans") == 7);
  CHECK(fixture_number(db,
                       "SELECT count(*) FROM spans a JOIN second.spans b"
                       " ON a.trace_id = b.trace_id AND a.span_id = b.span_id") == 10);
  CHECK(fixture_number(db,
                       "SELECT count(*) FROM trace_tree('000000000000000000000000000003EB',"
                       " 'second')") == 5);
  CHECK(sqlite3_exec(db, "DETACH second", NULL, NULL, NULL) == SQLITE_OK);
  CHECK(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
  CHECK(fixture_number(db, "SELECT count(*) FROM second.spans") == 20);
  CHECK(sqlite3_close(db) == SQLITE_OK);
}

static void a_temporary_table_can_name_its_schema(void) {
  sqlite3 *db = open_sample("temp.db", 0);
  CHECK(sqlite3_exec(db, "CREATE VIRTUAL TABLE temp.mine USING tracekeep_spans(main)", NULL, NULL,
                     NULL) == SQLITE_OK);
  CHECK(fixture_number(db, "SELECT count(*) FROM mine") == 1000);
  CHECK(sqlite3_close(db) == SQLITE_OK);
}

static void views_work_where_the_schema_is_not_trusted(void) {
  sqlite3 *db = open_sample("view.db", 0);
  CHECK(sqlite3_exec(db, "CREATE VIEW slow AS SELECT * FROM spans WHERE duration_ns > 300", NULL,
                     NULL, NULL) == SQLITE_OK);
  CHECK(sqlite3_exec(db, "PRAGMA trusted_schema = OFF", NULL, NULL, NULL) == SQLITE_OK);
  CHECK(fixture_number(db, "SELECT count(*) FROM slow WHERE service = 'a'") > 100);
  CHECK(sqlite3_close(db) == SQLITE_OK);
}

static void a_database_that_is_no_store_is_refused(void) {
  sqlite3 *db = fixture_open(":memory:");
  CHECK(sqlite3_exec(db, "CREATE VIRTUAL TABLE s USING tracekeep_spans", NULL, NULL, NULL) ==
        SQLITE_ERROR);
  printf("# %s\n", sqlite3_errmsg(db));
  CHECK(strlen(sqlite3_errmsg(db)) > 20);
  CHECK(sqlite3_close(db) == SQLITE_OK);
}

static void trace_trees_are_drawn(void) {
  sqlite3 *db = open_sample("tree.db", 0);
  CHECK(strcmp(fixture_query(db, "SELECT tree FROM trace_tree('3E8')"), "") == 0);
  CHECK(strcmp(fixture_query(
                   db, "SELECT depth, tree FROM trace_tree('000000000000000000000000000003e8')"),
               "0|op0\n1|\u251C\u2500 op1\n1|\u251C\u2500 op2\n1|\u251C\u2500 op3\n"
               "1|\u2514\u2500 op4") == 0);
  CHECK(contains(fixture_query(db, "SELECT * FROM trace_tree"), "needs a trace id"));
  CHECK(sqlite3_close(db) == SQLITE_OK);
}

static void damaged_chunks_are_reported(void) {
  const char *path = fixture_path("damage.db");
  fixture_ingest(path, fixture_batch(5000, 1000, "key"), 100);
  sqlite3 *db = fixture_open(path);
  CHECK(sqlite3_exec(db,
                     "UPDATE tk_chunk SET data = zeroblob(length(data))"
                     " WHERE (id & 65535) = 6 AND id >> 16 > 3",
                     NULL, NULL, NULL) == SQLITE_OK);
  CHECK(fixture_number(db, "SELECT count(*) FROM spans") == 1000);
  CHECK(contains(fixture_query(db, "SELECT max(name) FROM spans"), "segment 4"));
  CHECK(contains(fixture_query(db, "SELECT name, count(*) FROM spans GROUP BY name"), "segment 4"));
  CHECK(contains(fixture_query(db, "SELECT count(*) FROM spans WHERE name = 'x'"), "segment 4"));
  CHECK(sqlite3_close(db) == SQLITE_OK);
}

struct worker {
  pthread_t thread;
  const char *path;
  int failures;
};

static void expect(struct worker *worker, sqlite3 *db, const char *sql, int64_t expected) {
  const char *found = fixture_query(db, sql);
  if (strtoll(found, NULL, 10) == expected) return;
  worker->failures++;
  printf("# %s: %s\n", sql, found);
}

static void *query_repeatedly(void *context) {
  struct worker *worker = context;
  sqlite3 *db = fixture_open(worker->path);
  for (int i = 0; i < 10; i++) {
    expect(worker, db, "SELECT count(*) FROM spans WHERE name = 'op3'", 143);
    expect(worker, db,
           "SELECT count(*) FROM (SELECT service, name, count(*) FROM spans"
           " GROUP BY service, name)",
           21);
    expect(worker, db, "SELECT sum(child_count) FROM spans", 800);
  }
  sqlite3_close(db);
  return NULL;
}

static void connections_of_several_threads_share_segments(void) {
  struct worker workers[4];
  const char *path = fixture_path("threads.db");
  fixture_ingest(path, fixture_batch(0, 1000, "key"), 100);
  for (int i = 0; i < 4; i++) {
    workers[i] = (struct worker){.path = path};
    CHECK(pthread_create(&workers[i].thread, NULL, query_repeatedly, &workers[i]) == 0);
  }
  for (int i = 0; i < 4; i++) {
    pthread_join(workers[i].thread, NULL);
    CHECK(workers[i].failures == 0);
  }
}

CHECK_MAIN(CASE(values_of_a_span_are_as_they_were_sent),
           CASE(constraints_order_and_groups_are_pushed_down),
           CASE(a_service_without_a_method_is_no_rpc_method),
           CASE(ids_are_found_in_either_letter_case),
           CASE(rowids_are_unique_and_lead_back_to_the_row),
           CASE(open_connections_see_new_spans_and_new_attribute_keys),
           CASE(a_statement_sees_one_state_of_the_store), CASE(distinct_and_rowid_go_together),
           CASE(attached_stores_are_read_by_their_schema),
           CASE(a_temporary_table_can_name_its_schema),
           CASE(views_work_where_the_schema_is_not_trusted),
           CASE(a_database_that_is_no_store_is_refused), CASE(trace_trees_are_drawn),
           CASE(damaged_chunks_are_reported), CASE(connections_of_several_threads_share_segments))
