/* SPDX-License-Identifier: MIT
 * The SQL surface when memory runs out: every query is run with the first, second, ... allocation
 * failing, once and from then on. Either it gives its answer or says that memory is short, nothing
 * is leaked, and the connection works afterwards. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/segment/segment.h"
#include "tests/sqlext/store_fixture.h"
#include "tests/support/check.h"
#include "tests/support/fault_memory.h"

static const char *path;

static const char *const queries[] = {
    "SELECT trace_id, span_id, parent_span_id, service, name, attributes, events, links, resource,"
    " scope, self_time_ns, depth, [span.number], [span.key] FROM spans"
    " WHERE trace_id = '000000000000000000000000000003ea'",
    "SELECT count(*) FROM spans WHERE name LIKE 'op%' AND [span.key] IN ('v1', 'v2')"
    " AND service <> 'b' AND started_at < '2020' AND duration_ns BETWEEN 1 AND 400",
    "SELECT service, name, [span.key], count(*) FROM spans GROUP BY service, name, [span.key]",
    "SELECT name FROM spans WHERE kind = 'server' ORDER BY start_ns DESC LIMIT 20",
    "SELECT trace_id, count(*), max(kind) FROM spans WHERE [span.number] > 7 GROUP BY trace_id",
    "SELECT count(*) FROM spans c JOIN spans p ON p.trace_id = c.trace_id"
    " AND p.span_id = c.parent_span_id WHERE p.[span.number] < 20",
    "SELECT tree, timeline, service, self_time_ns FROM"
    " trace_tree('000000000000000000000000000003ea')",
    "SELECT service, [span.key], name, bucket_ns, count, p50_ns, p99_ns, p95_approx_ns"
    " FROM span_metrics('service, [span.key]', '1s') WHERE name LIKE 'op%'",
    "SELECT trace_id, lower_ns, count FROM latency_histogram('service, trace_id', '1us, 2us')",
    "SELECT * FROM service_graph()",
    "SELECT * FROM service_graph('pairs', 0, 9000000000000000000)",
    "SELECT trace_id, distance, upper_name, lower_span_id, [lower_span.key] FROM"
    " span_relations('descendant') WHERE upper_service <> 'c' AND [lower_span.number] > 30",
    "SELECT tree, distance FROM trace_tree('000000000000000000000000000003ea') JOIN"
    " descendants('000000000000000000000000000003ea', span_id) USING (tree)"};

/* Opening the connection is part of it: the first use reads the schema and connects the tables. */
static void run(const char *sql, char *answer, size_t size) {
  sqlite3 *db;
  fault_memory_suspend();
  tk_segment_cache_clear();
  db = fixture_open(path);
  fault_memory_resume();
  snprintf(answer, size, "%s", fixture_query(db, sql));
  fault_memory_suspend();
  sqlite3_close(db);
  tk_segment_cache_clear();
  fault_memory_resume();
}

static void fail_each_allocation(const char *sql, void (*arm)(int)) {
  static char expected[1 << 15], found[1 << 15];
  int failures = 0, step = 1;

  fault_memory_fail_at(0);
  run(sql, expected, sizeof expected);
  CHECK(strlen(expected) > 0);
  sqlite3_int64 before = sqlite3_memory_used();
  for (int n = 1;; n += step) {
    arm(n);
    run(sql, found, sizeof found);
    int hits = fault_memory_hits();
    fault_memory_fail_at(0);
    if (hits == 0) break;
    failures++;
    if (strcmp(found, expected) != 0 && !strstr(found, "out of memory") &&
        !strstr(found, "vtable constructor failed")) {
      printf("# %d: %s: %.200s\n", n, sql, found);
      CHECK(!"an answer that is neither right nor out of memory");
      break;
    }
    if (n > 200) step = 7; /* decoding repeats itself */
  }
  printf("# %d failures: %.60s\n", failures, sql);
  CHECK(failures > 30);
  run(sql, found, sizeof found);
  CHECK(strcmp(found, expected) == 0);
  CHECK(sqlite3_memory_used() == before);
}

static void every_allocation_may_fail_once(void) {
  for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
    fail_each_allocation(queries[i], fault_memory_fail_at);
  }
}

static void every_allocation_may_fail_from_then_on(void) {
  for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
    fail_each_allocation(queries[i], fault_memory_fail_from);
  }
}

int main(void) {
  const struct check_case cases[] = {CASE(every_allocation_may_fail_once),
                                     CASE(every_allocation_may_fail_from_then_on)};
  fault_memory_install();
  path = fixture_path("faults.db");
  fixture_ingest(path, fixture_batch(0, 3, "key"), 30);
  fixture_ingest(path, fixture_batch(5, 55, "key"), 30);
  fixture_ingest(path, fixture_batch(3, 2, "key"), 30); /* of a trace in a full segment */
  sqlite3 *db = fixture_open(path);
  bool is_split = fixture_number(db, "SELECT count(*) FROM tk_split") > 0;
  sqlite3_close(db);
  if (!is_split) return 1;
  return check_run(cases, 2);
}
