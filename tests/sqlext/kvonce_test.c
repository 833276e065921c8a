/* SPDX-License-Identifier: MIT
 * Events of runs: numbers and texts as JavaScript has them, several documents in one run, times,
 * damage, other schemas, stores from before there were documents, and no memory. What is recomputed
 * from random runs is compared with an oracle in tests/oracle/kvonce_check.py. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqlext/kvonce/js_value.h"
#include "tests/sqlext/document_fixture.h"
#include "tests/sqlext/store_fixture.h"
#include "tests/support/check.h"
#include "tests/support/fault_memory.h"

static void check_text(const char *what, const char *expected, const char *found) {
  if (strcmp(expected, found) == 0) return;
  printf("# %s\n# expected %s\n# found    %s\n", what, expected, found);
  CHECK(strcmp(expected, found) == 0);
}

static void check_query(sqlite3 *db, const char *sql, const char *expected) {
  check_text(sql, expected, fixture_query(db, sql));
}

/* ---- JavaScript ---- */

static void numbers_are_printed_as_javascript_prints_them(void) {
  static const struct {
    double value;
    const char *text;
  } cases[] = {{0, "0"},
               {-0.0, "0"},
               {1, "1"},
               {-1.5, "-1.5"},
               {0.1, "0.1"},
               {0.1 + 0.2, "0.30000000000000004"},
               {100, "100"},
               {1e20, "100000000000000000000"},
               {1e21, "1e+21"},
               {1.5e300, "1.5e+300"},
               {123456789012345680000.0, "123456789012345680000"},
               {1e-6, "0.000001"},
               {1e-7, "1e-7"},
               {1.25e-7, "1.25e-7"},
               {5e-324, "5e-324"},
               {2.2250738585072014e-308, "2.2250738585072014e-308"},
               {1.7976931348623157e308, "1.7976931348623157e+308"},
               {9007199254740993.0, "9007199254740992"},
               {INFINITY, "Infinity"},
               {-INFINITY, "-Infinity"},
               {NAN, "NaN"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[TK_JS_NUMBER_SIZE];
    CHECK(tk_js_number_text(cases[i].value, text) == strlen(cases[i].text));
    check_text("a number", cases[i].text, text);
  }
}

static void check_canonical(const char *json, const char *expected) {
  struct tk_js_writer writer = {.member_count = 0};
  char padded[4096] = {0};
  memcpy(padded, json, strlen(json));
  tk_js_write_text(&writer, (struct tk_text){padded, (uint32_t)strlen(json)});
  tk_byte_writer_append_u8(&writer.out, 0);
  check_text(json, expected, (const char *)writer.out.data);
  tk_js_writer_reset(&writer);
}

static void values_are_written_as_javascript_writes_them(void) {
  check_canonical(" { \"b\" : 1 , \"2\" : 2, \"1\":[ ] } ", "{\"1\":[],\"2\":2,\"b\":1}");
  check_canonical("{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}");
  check_canonical("{\"4294967294\":1,\"4294967295\":2,\"01\":3,\"0\":4}",
                  "{\"0\":4,\"4294967294\":1,\"4294967295\":2,\"01\":3}");
  check_canonical("{\"x\":{\"9\":1,\"x\":{\"1\":0,\"0\":1}},\"0\":{}}",
                  "{\"0\":{},\"x\":{\"9\":1,\"x\":{\"0\":1,\"1\":0}}}");
  check_canonical("[1.0, 1e2, -0, 12345678901234567890, 1e400, 0.10]",
                  "[1,100,0,12345678901234567000,null,0.1]");
  check_canonical("\"\\u0041\\/\\n\\u0007\\u001F\\\"\\\\\\u00e9\"",
                  "\"A/\\n\\u0007\\u001f\\\"\\\\\xC3\xA9\"");
  check_canonical("\"\\ud83d\\ude00 \\ud83d \\uDE00 \\ud83d\\ud83d\\ude00\"",
                  "\"\xF0\x9F\x98\x80 \\ud83d \\ude00 \\ud83d\xF0\x9F\x98\x80\"");
  check_canonical("{\"k\\u0031\":true,\"k1\":false,\"n\":null}", "{\"k1\":false,\"n\":null}");
}

static void objects_of_many_members_are_ordered(void) {
  char json[4096] = "{", expected[4096] = "{";
  for (int i = 0; i < 60; i++) { /* twice each, from the end */
    sprintf(json + strlen(json), "%s\"%d\":%d,\"x%d\":%d", i ? "," : "", 59 - i % 60, i, i % 30, i);
  }
  for (int i = 0; i < 60; i++) sprintf(expected + strlen(expected), "\"%d\":%d,", i, 59 - i);
  for (int i = 0; i < 30; i++) {
    sprintf(expected + strlen(expected), "\"x%d\":%d%s", i, i + 30, i < 29 ? "," : "}");
  }
  strcat(json, "}");
  check_canonical(json, expected);
}

static int compare(const char *a, const char *b) {
  return tk_js_locale_compare((struct tk_text){a, (uint32_t)strlen(a)},
                              (struct tk_text){b, (uint32_t)strlen(b)});
}

static void texts_are_ordered_as_locale_compare_orders_them(void) {
  static const char *const ascending[] = {
      "",  "\x01", "\t", " ",  "_",       "-",       "$",        "0",      "10", "9",       "a",
      "A", "ab",   "aB", "Ab", "order-1", "Order-1", "order-10", "order1", "z",  "\xC3\xA9"};
  const int count = sizeof ascending / sizeof ascending[0];
  for (int i = 0; i < count; i++) {
    CHECK(compare(ascending[i], ascending[i]) == 0);
    for (int j = 0; j < i; j++) {
      const bool are_equal = i == 1 && j == 0; /* control characters count for nothing */
      CHECK(compare(ascending[j], ascending[i]) == (are_equal ? 0 : -1));
      CHECK(compare(ascending[i], ascending[j]) == (are_equal ? 0 : 1));
    }
  }
}

static double number_of(const char *text) {
  return tk_js_string_to_number((struct tk_text){text, (uint32_t)strlen(text)});
}

static void strings_become_numbers(void) {
  CHECK(number_of("") == 0 && number_of(" \n\xC2\xA0") == 0 && number_of(" 12 ") == 12);
  CHECK(number_of("0x1F") == 31 && number_of("0b101") == 5 && number_of("0O17") == 15);
  CHECK(number_of("+.5") == 0.5 && number_of("5.") == 5 && number_of("-007") == -7);
  CHECK(number_of("5.e1") == 50 && number_of("00") == 0 && number_of("00.5") == 0.5);
  CHECK(isinf(number_of("-Infinity")) && isinf(number_of("1e400")));
  CHECK(isnan(number_of("x")) && isnan(number_of(".")) && isnan(number_of("1_0")));
  CHECK(isnan(number_of("-0x1")) && isnan(number_of("1e")) && isnan(number_of("--1")));
  CHECK(isnan(number_of("0x")) && isnan(number_of("0b2")) && isnan(number_of("infinity")));
  CHECK(isnan(number_of("+")) && isnan(number_of("-")) && isnan(number_of(".e1")));
}

static void rates_are_rounded_as_to_fixed_rounds(void) {
  CHECK(tk_js_rate_thousandths(0, 0) == 0 && tk_js_rate_thousandths(7, 7) == 1000);
  CHECK(tk_js_rate_thousandths(1, 16) == 63); /* a tie goes up */
  CHECK(tk_js_rate_thousandths(9, 2000) == 4 && tk_js_rate_thousandths(3, 2000) == 2);
  CHECK(tk_js_rate_thousandths(1, 3) == 333 && tk_js_rate_thousandths(2, 3) == 667);
  CHECK(tk_js_rate_thousandths(1, UINT64_MAX) == 0 && tk_js_rate_thousandths(1, 2001) == 0);
}

/* ---- documents ---- */

static void add(const char *kind, const char *run_id, const char *path, const char *lines,
                int spans) {
  char *text = malloc(strlen(lines) + 1);
  if (!text) exit(1);
  strcpy(text, lines);
  document_fixture_add(kind, run_id, path, text, strlen(text), 200, spans);
  free(text);
}

static const char first_lines[] =
    "{\"traceId\":\"t1\",\"timestamp\":\"2026-01-02T03:04:05.5Z\",\"type\":\"success\",\"key\":"
    "\"a\","
    "\"value\":1}\n"
    "{\"traceId\":\"t2\",\"timestamp\":\"2026-01-02T04:04:05+01:00\",\"type\":\"success\",\"key\":"
    "\"a\",\"value\":null}\n"
    "not json\n"
    "\n"
    "{\"traceId\":\"t1\",\"timestamp\":\"now\",\"type\":\"retry\",\"key\":\"b\",\"context\":"
    "{\"attempt\":1e0}}\n"
    "{\"timestamp\":\"2026-01-02T03:04:05\",\"type\":\"retry\",\"key\":\"b\",\"context\":7.50}\n"
    "{\"timestamp\":\"9999-01-01T00:00:00Z\",\"type\":\"failure\",\"key\":\"10\",\"reason\":"
    "\"duplicate\"}";
static const char second_lines[] =
    "{\"traceId\":\"t3\",\"type\":\"success\",\"key\":\"a\",\"value\":\"second\"}\n"
    "{\"traceId\":\"T1\",\"type\":\"weird\",\"key\":9}\n";
static const char inventory_lines[] =
    "{\"traceId\":\"i1\",\"type\":\"projection\",\"key\":\"inventory\",\"state\":{\"onHand\":1,"
    "\"allocated\":2,\"available\":0}}\n"
    "{\"traceId\":\"i2\",\"type\":\"release\",\"key\":\"order-1\",\"delta\":-3}\n";
static const char observability_text[] =
    "[ "
    "{\"traceId\":\"o1\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"actor\":\"s\",\"event\":\"E\",\n"
    "   \"state\":{\"onHand\":-1}},\n  {\"traceId\":\"o2\",\"event\":5} ]\n";

static const char *make_store(const char *name) {
  const char *path = fixture_path(name);
  document_fixture_open(path);
  add("kvonce-events", "r1", "first.ndjson", first_lines, 0);
  add("kvonce-events", "r1", "second.ndjson", second_lines, 0);
  add("kvonce-events", NULL, "otlp.json", second_lines, 1);
  add("inventory-events", "r2", "inventory.ndjson", inventory_lines, 0);
  add("observability-array", "r3", "traces.json", observability_text, 0);
  add("run-log", "r1", "log.jsonl", first_lines, 0);
  document_fixture_close();
  return path;
}

static void events_are_rows(void) {
  sqlite3 *db = fixture_open(make_store("rows.db"));
  check_query(db,
              "SELECT ordinal, document_id, file, dialect, trace_id, span_id, type, key, value,"
              " reason, context FROM kvonce_events WHERE run_id = 'r1'",
              "0|1|first.ndjson|kvonce|t1|NULL|success|a|1|NULL|NULL\n"
              "1|1|first.ndjson|kvonce|t2|NULL|success|a|null|NULL|NULL\n"
              "3|1|first.ndjson|kvonce|t1|NULL|retry|b|NULL|NULL|{\"attempt\":1e0}\n"
              "4|1|first.ndjson|kvonce|NULL|NULL|retry|b|NULL|NULL|7.50\n"
              "5|1|first.ndjson|kvonce|NULL|NULL|failure|10|NULL|duplicate|NULL\n"
              "0|2|second.ndjson|kvonce|t3|NULL|success|a|\"second\"|NULL|NULL\n"
              "1|2|second.ndjson|kvonce|T1|NULL|weird|9|NULL|NULL|NULL");
  check_query(db, "SELECT ordinal, type, key, value, raw FROM kvonce_events WHERE run_id = 'r2'",
              "0|projection|inventory|{\"onHand\":1,\"allocated\":2,\"available\":0}|"
              "{\"traceId\":\"i1\",\"type\":\"projection\",\"key\":\"inventory\",\"state\":"
              "{\"onHand\":1,\"allocated\":2,\"available\":0}}\n"
              "1|release|order-1|NULL|"
              "{\"traceId\":\"i2\",\"type\":\"release\",\"key\":\"order-1\",\"delta\":-3}");
  check_query(db,
              "SELECT ordinal, dialect, trace_id, type, actor FROM kvonce_events"
              " WHERE run_id = 'r3'",
              "0|observability|o1|E|s\n1|observability|o2|5|NULL");
  check_query(db, "SELECT count(*), count(run_id), count(DISTINCT rowid) FROM kvonce_events",
              "13|11|13");
  sqlite3_close(db);
}

static void times_are_integers(void) {
  sqlite3 *db = fixture_open(make_store("times.db"));
  check_query(db, "SELECT coalesce(time_ns, 'none') FROM kvonce_events WHERE document_id = 1",
              "1767323045500000000\n1767323045000000000\nnone\nnone\nnone");
  check_query(db, "SELECT time_ns, span_id, span_trace_id FROM kvonce_events WHERE run_id IS NULL",
              "1760000000000000001|0100000000000000|11111111111111110000000000000000\n"
              "1760000000000000002|0200000000000000|11111111111111110000000000000000");
  sqlite3_close(db);
}

static void constraints_find_documents(void) {
  sqlite3 *db = fixture_open(make_store("constraints.db"));
  check_query(db, "SELECT document_id, ordinal FROM kvonce_events WHERE trace_id = 't1'",
              "1|0\n1|3");
  check_query(db, "SELECT document_id, ordinal FROM kvonce_events WHERE trace_id = 'T1'",
              "2|1\n3|1");
  check_query(db, "SELECT ordinal FROM kvonce_events WHERE trace_id = 'o2'", "1");
  check_query(db, "SELECT count(*) FROM kvonce_events WHERE trace_id = 't1' COLLATE NOCASE", "4");
  check_query(db, "SELECT count(*) FROM kvonce_events WHERE run_id = 'R1'", "0");
  check_query(db, "SELECT count(*) FROM kvonce_events WHERE run_id = 'R1' COLLATE NOCASE", "7");
  check_query(db, "SELECT count(*) FROM kvonce_events WHERE document_id = '2'", "2");
  check_query(db, "SELECT count(*) FROM kvonce_events WHERE dialect = 'inventory'", "2");
  check_query(db, "SELECT count(*) FROM kvonce_events WHERE dialect = 'x' OR run_id = 'r3'", "2");
  check_query(db, "SELECT count(*) FROM kvonce_events WHERE run_id = NULL", "0");
  check_query(db,
              "SELECT a.ordinal, b.ordinal FROM kvonce_events a JOIN kvonce_events b"
              " ON b.run_id = a.run_id AND b.ordinal = a.ordinal + 1 WHERE a.document_id = 4",
              "0|1");
  sqlite3_close(db);
}

static void a_document_is_of_each_run_that_left_it(void) {
  sqlite3 *db = fixture_open(make_store("shared.db"));
  fixture_query(db, "INSERT INTO tk_run_document(document_id, run_id) VALUES (1, 'again')");
  check_query(db,
              "SELECT run_id, count(*) FROM kvonce_events WHERE document_id = 1 GROUP BY run_id",
              "again|5\nr1|5");
  check_query(db, "SELECT count(*) FROM kvonce_events WHERE run_id = 'again'", "5");
  check_query(db, "SELECT count(*), count(DISTINCT rowid) FROM kvonce_events", "18|18");
  check_query(db, "SELECT run_id, document_id, key, type FROM kvonce_issues WHERE document_id = 1",
              "again|1|10|duplicate-without-success\nagain|1|a|multiple-success\n"
              "again|1|b|retry-attempt-out-of-sequence\nr1|1|10|duplicate-without-success\n"
              "r1|1|a|multiple-success\nr1|1|b|retry-attempt-out-of-sequence");
  check_query(db, "SELECT event_count FROM kvonce_projection('again')", "5");
  sqlite3_close(db);
}

/* SQLite goes through the table once for each side of an OR, and takes equal rowids for one row. */
static void either_side_of_an_or_keeps_its_rows(void) {
  sqlite3 *db = fixture_open(make_store("or.db"));
  check_query(db, "SELECT count(*) FROM kvonce_events WHERE document_id = 1 OR run_id = 'r3'", "7");
  check_query(db, "SELECT count(*) FROM kvonce_issues WHERE document_id = 1 OR run_id = 'r2'",
              fixture_query(db,
                            "SELECT count(*) FROM kvonce_issues"
                            " WHERE +document_id = 1 OR +run_id = 'r2'"));
  check_query(db, "SELECT count(DISTINCT rowid) = count(*) FROM kvonce_issues", "1");
  sqlite3_close(db);
}

static void each_document_of_a_run_is_a_run_of_its_own(void) {
  sqlite3 *db = fixture_open(make_store("several.db"));
  check_query(db,
              "SELECT document_id, event_count, unique_keys, success_rate, malformed_lines"
              " FROM kvonce_projection('r1')",
              "1|5|3|0.4|1\n2|2|2|0.5|0");
  check_query(db, "SELECT event_count FROM kvonce_projection('r1', 2)", "2");
  check_query(db, "SELECT document_id, key, message FROM kvonce_validate('r1')",
              "1|10|duplicate failure emitted before any success\n"
              "1|a|success appeared 2 times\n1|b|retry attempt 7.5 expected 2");
  check_query(db, "SELECT count(*) FROM kvonce_validate('r1') WHERE document_id = 2", "0");
  check_query(db, "SELECT count(*) FROM kvonce_validate", "3");
  check_query(db, "SELECT count(*) FROM kvonce_validate(NULL)", "0");
  check_query(db, "SELECT count(*) FROM kvonce_validate('none')", "0");
  check_query(db,
              "SELECT run_id, document_id, domain, key, type, ordinal, trace_id, trace_ids"
              " FROM kvonce_issues WHERE run_id = 'r1'",
              "r1|1|kvonce|10|duplicate-without-success|5|NULL|NULL\n"
              "r1|1|kvonce|a|multiple-success|1|t1|[\"t1\",\"t2\"]\n"
              "r1|1|kvonce|b|retry-attempt-out-of-sequence|4|t1|[\"t1\"]");
  check_query(
      db,
      "SELECT domain, key, type, severity, message, ordinal, trace_id, trace_ids"
      " FROM kvonce_issues WHERE run_id IN ('r2', 'r3') ORDER BY domain, ordinal, type",
      "inventory|inventory|allocated_le_onhand|error|allocated 2 exceeds onHand 1|0|i1|[\"i1\"]\n"
      "inventory|inventory|available_consistency|error|available 0 inconsistent with onHand -"
      " allocated = -1|0|i1|[\"i1\"]\n"
      "inventory|order-1|available_consistency|error|available 0 inconsistent with onHand -"
      " allocated = 2|1|i2|[\"i2\"]\n"
      "inventory|order-1|order_net_negative|warning|order order-1 netAllocated -3 below"
      " zero|1|i2|[\"i2\"]\n"
      "inventory|order-1|order_released_gt_allocated|warning|order order-1 released 3 exceeds"
      " allocated 0|1|i2|[\"i2\"]\n"
      "observability|NULL|onhand_min|error|onHand >= 0: -1|0|o1|[\"o1\"]\n"
      "observability|NULL|schema|error|must have required property 'timestamp'|1|o2|[\"o2\"]\n"
      "observability|NULL|schema|error|must have required property 'actor'|1|o2|[\"o2\"]\n"
      "observability|NULL|schema|error|/event must be string|1|o2|[\"o2\"]");
  sqlite3_close(db);
}

static void the_state_after_an_event(void) {
  sqlite3 *db = fixture_open(make_store("state.db"));
  check_query(db,
              "SELECT key, written, value, retries, failures, last_success_at FROM"
              " kvonce_state('r1', 0, 1)",
              "a|1|1|0|0|2026-01-02T03:04:05.5Z");
  check_query(db, "SELECT key, written, coalesce(value, 'none') FROM kvonce_state('r1', 1, 1)",
              "a|1|none");
  check_query(db, "SELECT document_id, key, retries, failures FROM kvonce_state('r1')",
              "1|10|0|1\n1|a|0|0\n1|b|2|0\n2|9|0|0\n2|a|0|0");
  check_query(db, "SELECT document_id, key FROM kvonce_state('r1', 2)", "1|a"); /* was no event */
  check_query(db, "SELECT count(*) FROM kvonce_state('r1', 6)", "0");
  check_query(db, "SELECT count(*) FROM kvonce_state('r1', -1)", "0");
  check_query(db, "SELECT run, ordinal, key FROM kvonce_state WHERE run = 'r1' AND ordinal = 0",
              "r1|0|a\nr1|0|a");
  sqlite3_close(db);
}

static void arguments_of_checks(void) {
  sqlite3 *db = fixture_open(make_store("arguments.db"));
  check_query(db, "SELECT count(*), sum(source = 'finalState') FROM inventory_validate('r2')",
              "6|1");
  check_query(db,
              "SELECT type, message FROM inventory_validate('r2', 1.5,"
              " 'allocated_le_onhand, available_consistency') WHERE severity = 'error'",
              "onhand_min|onHand 1 below minimum 1.5\nonhand_min|onHand 1 below minimum 1.5\n"
              "onhand_min|onHand 1 below minimum 1.5");
  check_query(db, "SELECT count(*) FROM inventory_validate('r2', 0, 'onhand_mini')",
              "inventory_validate: expected allocated_le_onhand, onhand_min or"
              " available_consistency, found 'onhand_mini'");
  check_query(db, "SELECT count(*) FROM observability_validate('r3', -2)", "3");
  sqlite3_close(db);
}

/* ---- other stores ---- */

static void attached_stores_have_their_own(void) {
  char sql[256];
  const char *other = make_store("other.db");
  const char *path = fixture_path("empty.db");
  document_fixture_open(path);
  document_fixture_close();
  sqlite3 *db = fixture_open(path);
  snprintf(sql, sizeof sql, "ATTACH '%s' AS other", other);
  check_query(db, sql, "");
  check_query(db, "SELECT count(*) FROM kvonce_events", "0");
  check_query(db, "SELECT count(*) FROM other.kvonce_events", "13");
  check_query(db, "SELECT count(*) FROM other.kvonce_issues", "12");
  check_query(db, "SELECT count(*) FROM kvonce_validate('r1')", "0");
  check_query(db, "SELECT count(*) FROM kvonce_validate('r1', 1, 'other')", "3");
  check_query(db, "SELECT event_count FROM kvonce_projection WHERE run = 'r1' AND schema = 'other'",
              "5\n2");
  sqlite3_close(db);
}

/* The issues of a run are kept for the next statement: only as long as it would find the same. */
static void issues_follow_what_is_stored(void) {
  static const char count[] =
      "SELECT count(*), count(trace_ids) FROM kvonce_issues"
      " WHERE run_id = 'r1'";
  static const char remove[] = "DELETE FROM tk_document WHERE id = 1";
  const char *path = make_store("follow.db");
  sqlite3 *db = fixture_open(path), *other = fixture_open(path);
  check_query(db, count, "3|2");
  check_query(db, "SELECT count(*) FROM kvonce_issues WHERE run_id = 'r1' AND type LIKE 'retry%'",
              "1");
  check_query(db, "BEGIN", "");
  check_query(db, count, "3|2");
  check_query(db, remove, "");
  check_query(db, count, "0|0");
  check_query(db, "ROLLBACK", "");
  check_query(db, count, "3|2");
  check_query(other, count, "3|2");
  check_query(other, remove, "");
  check_query(other, count, "0|0");
  check_query(db, count, "0|0");
  check_query(db, "UPDATE tk_document SET run_id = 'r1' WHERE run_id = 'r2'", "");
  check_query(db, count, "5|5");
  check_query(other, count, "5|5");
  check_query(db,
              "SELECT a.type FROM kvonce_issues a JOIN kvonce_issues b ON b.run_id = a.run_id"
              " AND b.ordinal = a.ordinal WHERE a.run_id = 'r3' AND b.type = 'onhand_min'",
              "onhand_min");
  sqlite3_close(other);
  sqlite3_close(db);
}

static void stores_without_documents_have_no_events(void) {
  sqlite3 *db = fixture_open(make_store("old.db"));
  sqlite3_exec(db, "PRAGMA writable_schema = ON", NULL, NULL, NULL);
  check_query(db, "DROP TABLE tk_document", "");
  check_query(db, "SELECT count(*) FROM kvonce_events", "0");
  check_query(db, "SELECT count(*) FROM kvonce_issues", "0");
  check_query(db, "SELECT count(*) FROM kvonce_projection('r1')", "0");
  sqlite3_close(db);
}

static void damage_is_an_error_and_not_an_answer(void) {
  sqlite3 *db = fixture_open(make_store("damage.db"));
  check_query(db, "UPDATE tk_document_part SET data = x'0099' WHERE id = (1 << 20) + 1", "");
  check_query(db, "SELECT count(*) FROM kvonce_events WHERE run_id = 'r1'",
              "document 1, part 1: its bytes are not those that were written (checksum)");
  check_query(db, "SELECT count(*) FROM kvonce_validate('r1')",
              "document 1, part 1: its bytes are not those that were written (checksum)");
  check_query(db, "SELECT count(*) FROM kvonce_events WHERE document_id = 2", "2");
  sqlite3_close(db);
}

static void what_is_too_long_is_refused(void) {
  sqlite3 *db = fixture_open(make_store("limit.db"));
  check_query(db, "SELECT event_count FROM kvonce_projection('r1')", "5\n2"); /* schema is read */
  sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1200);
  check_query(db, "SELECT length(projection) FROM kvonce_projection('r1')",
              "the projection is longer than 1200 bytes; kvonce_keys() and kvonce_state() give its"
              " parts");
  check_query(db, "SELECT event_count FROM kvonce_projection('r1')", "5\n2");
  sqlite3_close(db);
}

/* ---- no memory ---- */

static const char *const queries[] = {
    "SELECT * FROM kvonce_events",
    "SELECT * FROM kvonce_events WHERE run_id = 'r1' AND trace_id = 't1'",
    "SELECT * FROM kvonce_issues",
    "SELECT a.message, b.trace_ids FROM kvonce_issues a JOIN kvonce_issues b USING (run_id, "
    "ordinal)"
    " WHERE run_id = 'r1'",
    "SELECT * FROM kvonce_projection",
    "SELECT * FROM kvonce_keys('r1')",
    "SELECT * FROM kvonce_state('r1', 4)",
    "SELECT * FROM kvonce_validate('r1')",
    "SELECT * FROM inventory_projection('r2')",
    "SELECT * FROM inventory_validate('r2', 1, 'onhand_min')",
    "SELECT * FROM observability_validate('r3')"};

static void fail_each_allocation(sqlite3 *db, const char *sql, void (*arm)(int)) {
  static char expected[1 << 15];
  int failures = 0;
  fault_memory_fail_at(0);
  snprintf(expected, sizeof expected, "%s", fixture_query(db, sql));
  CHECK(strlen(expected) > 0);
  for (int n = 1, hits = 1; hits > 0; n++) {
    sqlite3_exec(db, "INSERT INTO temp.changes VALUES (1)", NULL, NULL, NULL); /* nothing is kept */
    arm(n);
    const char *found = fixture_query(db, sql);
    hits = fault_memory_hits();
    fault_memory_fail_at(0);
    failures += hits > 0;
    if (strcmp(found, expected) != 0 && !strstr(found, "out of memory")) {
      printf("# %d: %s: %.200s\n", n, sql, found);
      check_failures++; /* neither right nor out of memory */
      return;
    }
  }
  CHECK(failures > 20);
  check_query(db, sql, expected);
}

static void every_allocation_may_fail(void) {
  sqlite3 *db = fixture_open(make_store("faults.db"));
  check_query(db, "CREATE TEMP TABLE changes(x)", "");
  for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
    fail_each_allocation(db, queries[i], fault_memory_fail_at);
    fail_each_allocation(db, queries[i], fault_memory_fail_from);
  }
  const sqlite3_int64 before = sqlite3_memory_used();
  for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) fixture_query(db, queries[i]);
  CHECK(sqlite3_memory_used() <= before + 4096); /* SQLite's own page cache */
  sqlite3_close(db);
}

int main(void) {
  const struct check_case cases[] = {CASE(numbers_are_printed_as_javascript_prints_them),
                                     CASE(values_are_written_as_javascript_writes_them),
                                     CASE(objects_of_many_members_are_ordered),
                                     CASE(texts_are_ordered_as_locale_compare_orders_them),
                                     CASE(strings_become_numbers),
                                     CASE(rates_are_rounded_as_to_fixed_rounds),
                                     CASE(events_are_rows),
                                     CASE(times_are_integers),
                                     CASE(constraints_find_documents),
                                     CASE(a_document_is_of_each_run_that_left_it),
                                     CASE(either_side_of_an_or_keeps_its_rows),
                                     CASE(each_document_of_a_run_is_a_run_of_its_own),
                                     CASE(the_state_after_an_event),
                                     CASE(arguments_of_checks),
                                     CASE(attached_stores_have_their_own),
                                     CASE(issues_follow_what_is_stored),
                                     CASE(stores_without_documents_have_no_events),
                                     CASE(damage_is_an_error_and_not_an_answer),
                                     CASE(what_is_too_long_is_refused),
                                     CASE(every_allocation_may_fail)};
  fault_memory_install();
  return check_run(cases, (int)(sizeof cases / sizeof cases[0]));
}
