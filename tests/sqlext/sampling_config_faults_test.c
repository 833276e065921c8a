/* SPDX-License-Identifier: MIT
 * sampling_configs and sampling_policies when memory runs out: the answer is right, or it says so;
 * nothing is leaked, and the connection works afterwards. */
#include <stdio.h>
#include <string.h>

#include "tests/sqlext/store_fixture.h"
#include "tests/support/check.h"
#include "tests/support/fault_memory.h"
#include "tracekeep/document.h"

static const char *path;

static const char stored[] =
    "{\"default_strategy\": {\"type\": \"probabilistic\", \"param\": 0.5, \"operation_strategies\":"
    " [{\"operation\": \"/health\", \"type\": \"probabilistic\", \"param\": 0}]},"
    " \"service_strategies\": [{\"service\": \"a\", \"type\": \"ratelimiting\", \"param\": 5}]}";

static const char *const queries[] = {
    "SELECT id, name, dialect, document_id, sampler, policy_count, unused, error"
    " FROM sampling_configs",
    "SELECT config_id, ordinal, parent_ordinal, name, type, role, service, operation, probability,"
    " rate, threshold, options, line, unused FROM sampling_policies",
    "SELECT type, operation FROM sampling_policies((SELECT name FROM sampling_configs))",
    "SELECT type, operation FROM sampling_policies(1) WHERE probability > 0",
    "SELECT type, options FROM sampling_policies WHERE config_id = 1",
    "SELECT name, type, threshold, options FROM sampling_policies('{\"processors\": {"
    "\"probabilistic_sampler\": {\"sampling_percentage\": 10}, \"tail_sampling\": {\"policies\": ["
    "{\"name\": \"a\", \"type\": \"string_attribute\", \"string_attribute\": {\"key\": \"k\","
    " \"values\": [\"v\", \"w\"]}}]}}}')"};

static struct tk_batch *make_batch(void) {
  struct tk_batch *batch = tk_batch_create();
  struct tk_document *document = tk_arena_alloc(&batch->arena, sizeof *document);
  *document = (struct tk_document){.kind = TK_DOCUMENT_SAMPLING_CONFIG,
                                   .record_count = 1,
                                   .text = stored,
                                   .size = sizeof stored - 1};
  batch->documents = document;
  batch->document_count = 1;
  batch->record_count = 1;
  batch->end_offset = sizeof stored - 1;
  return batch;
}

static void run(const char *sql, char *answer, size_t size) {
  fault_memory_suspend();
  sqlite3 *db = fixture_open(path);
  /* Reading the schema, which is long by now, is not what is tested. */
  fixture_query(db, "SELECT count(*) FROM sqlite_schema");
  fault_memory_resume();
  snprintf(answer, size, "%s", fixture_query(db, sql));
  fault_memory_suspend();
  sqlite3_close(db);
  fault_memory_resume();
}

static void fail_each_allocation(const char *sql, void (*arm)(int)) {
  static char expected[1 << 14], found[1 << 14];
  int failures = 0;
  fault_memory_fail_at(0);
  run(sql, expected, sizeof expected);
  CHECK(strchr(expected, '|') != NULL);
  const sqlite3_int64 before = sqlite3_memory_used();
  for (int n = 1;; n += n > 150 ? 5 : 1) {
    arm(n);
    run(sql, found, sizeof found);
    const int hits = fault_memory_hits();
    fault_memory_fail_at(0);
    if (hits == 0) break;
    failures++;
    if (strcmp(found, expected) != 0 && !strstr(found, "out of memory") &&
        !strstr(found, "vtable constructor failed")) {
      printf("# %d: %s: %.200s\n", n, sql, found);
      CHECK(strstr(found, "out of memory") != NULL);
      break;
    }
  }
  CHECK(failures > 20);
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
  path = fixture_path("strategies.db");
  fixture_ingest(path, make_batch(), 30);
  return check_run(cases, sizeof cases / sizeof *cases);
}
