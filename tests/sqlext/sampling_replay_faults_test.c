/* SPDX-License-Identifier: MIT
 * sampling_replay when memory runs out: with the first, second, ... allocation failing, once and
 * from then on, it gives its answer or says that memory is short, and nothing is leaked. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/segment/segment.h"
#include "tests/sqlext/store_fixture.h"
#include "tests/support/check.h"
#include "tests/support/fault_memory.h"

static const char *path;

#define TAIL(policies) "'{\"processors\":{\"tail_sampling\":{\"policies\":[" policies "]}}}'"

static const char stateless[] =
    "SELECT trace_id, decision, policy, probability, adjusted_count, bytes, services FROM"
    " sampling_replay(" TAIL(
        "{\"name\":\"e\",\"type\":\"status_code\",\"status_code\":{\"status_codes\":[\"ERROR\"]}},"
        "{\"name\":\"s\",\"type\":\"string_attribute\",\"string_attribute\":{\"key\":\"key\","
        "\"values\":[\"v[12]\"],\"enabled_regex_matching\":true}},"
        "{\"name\":\"n\",\"type\":\"numeric_attribute\",\"numeric_attribute\":{\"key\":\"number\","
        "\"min_value\":5,\"max_value\":9}},"
        "{\"name\":\"o\",\"type\":\"ottl_condition\",\"ottl_condition\":{\"span\":"
        "[\"IsMatch(name, \\\"3$\\\") and attributes[\\\"number\\\"] > 40\"]}},"
        "{\"name\":\"p\",\"type\":\"probabilistic\",\"probabilistic\":{\"sampling_percentage\":30}"
        "}") ", 'v0.157') WHERE decision = 'keep'";
static const char stateful[] =
    "SELECT decision, policy, sub_policy, count(*), sum(spans_kept) FROM sampling_replay(" TAIL(
        "{\"name\":\"b\",\"type\":\"bytes_limiting\",\"bytes_limiting\":{\"bytes_per_second\":900}"
        "},"
        "{\"name\":\"c\",\"type\":\"composite\",\"composite\":{\"max_total_spans_per_second\":40,"
        "\"policy_order\":[\"x\"],\"composite_sub_policy\":[{\"name\":\"x\",\"type\":\"latency\","
        "\"latency\":{\"threshold_ms\":0}}],\"rate_allocation\":[{\"policy\":\"x\",\"percent\":50}"
        "]}}") ", 'v0.150') GROUP BY 1, 2, 3";
static const char by_id[] =
    "SELECT decision, spans_kept, randomness FROM sampling_replay('{\"processors\":"
    "{\"probabilistic_sampler\":{\"sampling_percentage\":100}}}') WHERE trace_id IN"
    " ('000000000000000000000000000003ea', '000000000000000000000000000003eb')";
static const char strategies[] =
    "SELECT decision, policy, count(*) FROM sampling_replay('{\"default_strategy\":{\"type\":"
    "\"probabilistic\",\"param\":0.5},\"service_strategies\":[{\"service\":\"a\",\"type\":"
    "\"ratelimiting\",\"param\":2}]}', NULL, 0.5) GROUP BY 1, 2";

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
  static char expected[1 << 16], found[1 << 16];
  int failures = 0, step = 1;

  fault_memory_fail_at(0);
  run(sql, expected, sizeof expected);
  if (strstr(expected, "libpcre2-dev")) return; /* built without: it says which */
  CHECK(strstr(expected, "keep") != NULL);
  const sqlite3_int64 before = sqlite3_memory_used();
  for (int n = 1;; n += step) {
    arm(n);
    run(sql, found, sizeof found);
    const int hits = fault_memory_hits();
    fault_memory_fail_at(0);
    if (hits == 0) break;
    failures++;
    if (strcmp(found, expected) != 0 && !strstr(found, "out of memory") &&
        !strstr(found, "vtable constructor failed")) {
      printf("# %d: %.60s: %.300s\n", n, sql, found);
      check_failures++;
      break;
    }
    if (n > 400) step = 7; /* decoding repeats itself */
  }
  printf("# %d failures: %.60s\n", failures, sql);
  CHECK(failures > 30);
  run(sql, found, sizeof found);
  CHECK(strcmp(found, expected) == 0);
  CHECK(sqlite3_memory_used() == before);
}

static void a_replay_survives_one_failure_anywhere(void) {
  fail_each_allocation(stateless, fault_memory_fail_at);
  fail_each_allocation(stateful, fault_memory_fail_at);
  fail_each_allocation(by_id, fault_memory_fail_at);
  fail_each_allocation(strategies, fault_memory_fail_at);
}

static void a_replay_survives_running_out_of_memory(void) {
  fail_each_allocation(stateless, fault_memory_fail_from);
  fail_each_allocation(stateful, fault_memory_fail_from);
}

/* The injector must be there before SQLite starts. */
int main(void) {
  const struct check_case cases[] = {CASE(a_replay_survives_one_failure_anywhere),
                                     CASE(a_replay_survives_running_out_of_memory)};
  fault_memory_install();
  path = fixture_path("faults.db");
  struct tk_batch *first = fixture_batch(0, 60, "key"), *second = fixture_batch(58, 30, "key");
  fixture_ingest(path, first, 32);
  fixture_ingest(path, second, 32);
  return check_run(cases, (int)(sizeof cases / sizeof cases[0]));
}
