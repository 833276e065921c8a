/* SPDX-License-Identifier: MIT
 * Trace-quality rules while a store changes, where parts of it are not there, and without memory.
 * What the rules say is the business of tests/oracle/quality_check.py and of golden.py. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "sqlext/quality/quality.h"
#include "tests/sqlext/store_fixture.h"
#include "tests/support/check.h"
#include "tests/support/fault_memory.h"
#include "tests/support/span_builder.h"

enum { LOCAL = 0x100, REMOTE = 0x300 };

static void check_text(const char *found, const char *expected) {
  CHECK(strcmp(found, expected) == 0);
  if (strcmp(found, expected) != 0) printf("# expected %s\n# found    %s\n", expected, found);
}

static const uint64_t start = 1760000000000000000u;

static void ingest_span(const char *path, uint64_t trace, uint64_t id, uint64_t parent,
                        uint32_t flags) {
  struct tk_batch *batch = build_batch(1, 0);
  struct tk_span *span = build_span(batch, trace, id, parent, start + id);
  span->kind = TK_KIND_SERVER;
  span->flags = flags;
  span->resource = build_resource(batch, "shop");
  fixture_ingest(path, batch, 8);
}

static void a_late_parent_removes_the_orphan(void) {
  static const char sql[] =
      "SELECT type, span_id FROM quality_issues WHERE type GLOB 'tree.*' ORDER BY type";
  const char *path = fixture_path("late.db");
  ingest_span(path, 1, 3, 2, 0);
  sqlite3 *db = fixture_open(path);
  check_text(fixture_query(db, sql), "tree.no_root|NULL\ntree.orphan|0000000000000003");
  ingest_span(path, 1, 2, 1, REMOTE);
  check_text(fixture_query(db, sql),
             "tree.no_root|NULL\ntree.parent_is_remote_but_missing|0000000000000002");
  ingest_span(path, 1, 1, 0, 0);
  check_text(fixture_query(db, sql), "");
  CHECK(fixture_number(db, "SELECT count(*) FROM quality_issues WHERE type = 'SPA-002'") == 0);
  sqlite3_close(db);
}

static void the_flags_tell_a_lost_span_from_one_of_another_process(void) {
  static const struct {
    uint32_t flags;
    const char *type;
  } cases[] = {{0, "tree.orphan"},
               {1, "tree.orphan"},
               {0x200, "tree.orphan"}, /* what is not known is not remote */
               {LOCAL, "tree.local_parent_missing"},
               {LOCAL | 1, "tree.local_parent_missing"},
               {REMOTE, "tree.parent_is_remote_but_missing"},
               {REMOTE | 1, "tree.parent_is_remote_but_missing"}};
  const char *path = fixture_path("flags.db");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ingest_span(path, i + 1, 0x100 + i, 99, cases[i].flags);
  }
  sqlite3 *db = fixture_open(path);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char sql[200], expected[100];
    snprintf(sql, sizeof sql,
             "SELECT type FROM quality_issues WHERE trace_id = '%032zx' AND stage = 'trace'"
             " AND span_id IS NOT NULL",
             i + 1);
    snprintf(expected, sizeof expected, "%s", cases[i].type);
    check_text(fixture_query(db, sql), expected);
  }
  sqlite3_close(db);
}

static void settings_are_heard_at_once(void) {
  const char *path = fixture_path("settings.db");
  ingest_span(path, 1, 3, 2, 0);
  sqlite3 *db = fixture_open(path);
  static const char orphans[] = "SELECT count(*) FROM quality_issues WHERE type = 'tree.orphan'";
  CHECK(fixture_number(db, orphans) == 1);
  fixture_query(db, "INSERT INTO tk_rule_setting(rule, enabled) VALUES ('tree.orphan', 0)");
  CHECK(fixture_number(db, orphans) == 0);
  check_text(fixture_query(db, "SELECT enabled FROM quality_rules WHERE id = 'tree.orphan'"), "0");
  fixture_query(db, "DELETE FROM tk_rule_setting");
  CHECK(fixture_number(db, orphans) == 1);
  fixture_query(db, "DROP TABLE tk_rule_setting"); /* as in a store from before there was one */
  CHECK(fixture_number(db, orphans) == 1);
  CHECK(fixture_number(db, "SELECT count(*) FROM quality_rules") == RULE_COUNT);
  sqlite3_close(db);
}

static void what_no_rule_takes_is_not_read(void) {
  const char *path = fixture_path("unread.db");
  fixture_ingest(path, fixture_batch(0, 20, "key"), 0);
  sqlite3 *db = fixture_open(path);
  fixture_query(db, "DELETE FROM tk_chunk WHERE (id & 65535) >= 64"); /* attributes */
  tk_segment_cache_clear();
  check_text(fixture_query(db, "SELECT count(*) FROM quality_issues WHERE stage = 'trace'"), "0");
  check_text(fixture_query(db, "SELECT count(*) FROM quality_issues WHERE severity = 'error'"),
             "0");
  const char *found =
      fixture_query(db, "SELECT count(*) FROM quality_issues WHERE type = 'attr.too_long'");
  CHECK(strstr(found, "chunk") != NULL || strstr(found, "column") != NULL);
  sqlite3_close(db);
}

static void an_attached_store_has_its_own_findings_and_settings(void) {
  const char *main_path = fixture_path("one.db"), *other_path = fixture_path("other.db");
  ingest_span(main_path, 1, 1, 0, 0);
  ingest_span(other_path, 1, 3, 2, 0);
  sqlite3 *db = fixture_open(main_path);
  char *sql = sqlite3_mprintf("ATTACH %Q AS other", other_path);
  fixture_query(db, sql);
  sqlite3_free(sql);
  static const char own[] = "SELECT count(*) FROM main.quality_issues WHERE type = 'tree.orphan'";
  static const char others[] =
      "SELECT count(*) FROM other.quality_issues WHERE type = 'tree.orphan'";
  CHECK(fixture_number(db, own) == 0);
  CHECK(fixture_number(db, others) == 1);
  fixture_query(db, "INSERT INTO other.tk_rule_setting(rule, enabled) VALUES ('tree.orphan', 0)");
  CHECK(fixture_number(db, others) == 0);
  sqlite3_close(db);
}

static void an_empty_store_has_no_findings_and_no_scores(void) {
  const char *path = fixture_path("empty.db");
  fixture_ingest(path, build_batch(1, 0), 0);
  sqlite3 *db = fixture_open(path);
  check_text(fixture_query(db, "SELECT count(*) FROM quality_issues"), "0");
  check_text(fixture_query(db, "SELECT count(*) FROM instrumentation_score"), "0");
  check_text(fixture_query(db, "SELECT count(*) FROM quality_issues WHERE trace_id = 'none'"), "0");
  sqlite3_close(db);
}

/* ---- texts ---- */

static void a_tracestate_is_what_the_recommendation_says(void) {
  static const struct {
    const char *text;
    bool is_valid;
  } cases[] = {{"a=1", true},         {"a=1,b=2", true},     {"ot=th:c;rv:1", true},
               {"t@v=x", true},       {" a=1 ,\tb=2", true}, {"a=1,,b=2", true},
               {"0a_-*/@=~!", true},  {"a= b", true},        {"a", false},
               {"=1", false},         {"a=", false},         {"A=1", false},
               {"a=1,a=2", false},    {"a=b=c", false},      {"a=\x7f", false},
               {"a=\xc3\xa9", false}, {"a b=1", false},      {"-a=1", false}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const struct tk_text text = {cases[i].text, (uint32_t)strlen(cases[i].text)};
    if ((tk_quality_tracestate_fault(text) == NULL) != cases[i].is_valid) {
      printf("# %s\n", cases[i].text);
      check_failures++;
    }
  }
  char many[33 * 6 + 1];
  for (int i = 0; i < 33; i++) snprintf(many + 6 * i, 7, "k%02d=v,", i);
  CHECK(tk_quality_tracestate_fault((struct tk_text){many, 32 * 6}) == NULL);
  CHECK(tk_quality_tracestate_fault((struct tk_text){many, sizeof many - 1}) != NULL);
}

static void secrets_are_told_by_their_form_or_their_name(void) {
  static const struct {
    const char *key, *value;
    bool is_secret;
  } cases[] = {{"aws", "AKIAIOSFODNN7EXAMPLE", true},
               {"http.request.header.authorization", "Bearer abcdefgh12345678", true},
               {"x", "Bearer abcdefgh12345678", true},
               {"x", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.x", true},
               {"user.password", "hunter2", true},
               {"db.api_key", "1", true},
               {"x", "-----BEGIN RSA PRIVATE KEY-----\nMII", true},
               {"user.password", "****", false},
               {"user.password", "[REDACTED]", false},
               {"user.password", "", false},
               {"url.path", "/basic", false},
               {"note", "eyJ", false},
               {"http.route", "/api/keys", false}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const struct tk_text key = {cases[i].key, (uint32_t)strlen(cases[i].key)};
    const struct tk_text value = {cases[i].value, (uint32_t)strlen(cases[i].value)};
    if ((tk_quality_secret_kind(key, value) != NULL) != cases[i].is_secret) {
      printf("# %s: %s\n", cases[i].key, cases[i].value);
      check_failures++;
    }
  }
}

/* ---- without memory ---- */

/* Spans with something of everything, in two segments. */
static const char *make_store(void) {
  const char *path = fixture_path("faults.db");
  struct tk_batch *batch = build_batch(24, 0);
  for (uint64_t i = 1; i <= 24; i++) {
    struct tk_span *span = build_span(batch, 1 + i / 8, i, i % 8 ? i - 1 : 0, start + i);
    struct tk_resource *resource = build_resource(batch, i % 2 ? "shop" : "cart");
    build_attribute(batch, &resource->attributes, "service.instance.id",
                    value_text(build_text(batch, "one")));
    build_attribute(batch, &resource->attributes, "host.name",
                    value_text(build_text(batch, "host %d", (int)i % 3)));
    span->resource = resource;
    span->name = build_text(batch, "call %d", (int)i);
    span->kind = (int32_t)(i % 6);
    span->trace_state = build_text(batch, i % 3 ? "a=1" : "A=1");
    build_attribute(batch, &span->attributes, "http.method", value_text(build_text(batch, "PUT")));
    build_attribute(batch, &span->attributes, "http.request.method",
                    value_text(build_text(batch, "%s", i % 2 ? "PUT" : "FETCH")));
    build_attribute(batch, &span->attributes, "http.status_code", value_int(500));
    build_attribute(batch, &span->attributes, "rpc.system", value_text(build_text(batch, "grpc")));
    build_attribute(batch, &span->attributes, "none", value_empty());
    if (i % 4 == 0) {
      build_attribute(batch, &span->attributes, "http.method", value_int(1));
      build_attribute(batch, &span->attributes, "http.method", value_int(2));
      struct tk_event *event = build_events(batch, span, 1);
      event->name = build_text(batch, "exception");
      build_attribute(batch, &event->attributes, "long",
                      value_text(build_long_text(batch, 5000, i)));
      build_links(batch, span, 1);
    }
  }
  fixture_ingest(path, batch, 8);
  ingest_span(path, 1, 2, 1, 0); /* twice the same id */
  ingest_span(path, 9, 2, 77, 0);
  return path;
}

static void every_rule_survives_without_memory(void) {
  static const char *const queries[] = {
      "SELECT * FROM quality_issues",
      ("SELECT type FROM quality_issues WHERE trace_id IN ('00000000000000000000000000000001',"
       " '00000000000000000000000000000009') AND service = 'shop'"),
      "SELECT * FROM instrumentation_score", "SELECT * FROM quality_rules"};
  const char *path = make_store();
  int failures = 0;
  sqlite3 *writer = fixture_open(path);
  CHECK(fixture_number(writer, "SELECT count(DISTINCT type) FROM quality_issues") > 15);
  fixture_query(writer,
                "INSERT INTO tk_rule_setting(rule, enabled, threshold) VALUES"
                " ('secret.suspect', 1, NULL), ('name.high_cardinality', 1, 2), ('x', 1, 1)");
  sqlite3_close(writer);
  for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
    for (int nth = 1, hits = 1; hits > 0 && nth < 100000; nth += 1 + nth / 100) {
      tk_segment_cache_clear();
      sqlite3 *db = fixture_open(path);
      fault_memory_fail_at(nth);
      const int rc = sqlite3_exec(db, queries[i], 0, 0, 0);
      hits = fault_memory_hits();
      fault_memory_fail_at(0);
      failures += rc != SQLITE_OK;
      if (rc != SQLITE_OK && rc != SQLITE_NOMEM) {
        printf("# %s: allocation %d: %s\n", queries[i], nth, sqlite3_errmsg(db));
        check_failures++;
      }
      CHECK(sqlite3_exec(db, queries[i], 0, 0, 0) == SQLITE_OK); /* and works again */
      sqlite3_close(db);
      if (check_failures) return;
    }
  }
  tk_segment_cache_clear();
  printf("# %d failures\n", failures);
  CHECK(failures > 200);
}

int main(void) {
  const struct check_case cases[] = {CASE(a_late_parent_removes_the_orphan),
                                     CASE(the_flags_tell_a_lost_span_from_one_of_another_process),
                                     CASE(settings_are_heard_at_once),
                                     CASE(what_no_rule_takes_is_not_read),
                                     CASE(an_attached_store_has_its_own_findings_and_settings),
                                     CASE(an_empty_store_has_no_findings_and_no_scores),
                                     CASE(a_tracestate_is_what_the_recommendation_says),
                                     CASE(secrets_are_told_by_their_form_or_their_name),
                                     CASE(every_rule_survives_without_memory)};
  fault_memory_install();
  return check_run(cases, sizeof cases / sizeof *cases);
}
