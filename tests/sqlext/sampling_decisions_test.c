/* SPDX-License-Identifier: MIT
 * Decoders of sampling facts against the vectors of their specifications, recorded decisions line
 * by line, the weighted functions, and all of it without memory. Random mixtures, and what the
 * tables make of them, are the business of tests/oracle/sampling_decisions.py. */
#include "sqlext/sampling/decision.h"

#include <math.h>
#include <stdlib.h>

#include "sqlext/sampling/decision_records.h"
#include "store/segment/segment.h"
#include "tests/sqlext/store_fixture.h"
#include "tests/support/check.h"
#include "tests/support/fault_memory.h"
#include "tests/support/span_builder.h"
#include "tracekeep/document.h"

/* 4bf92f3577b34da6a3ce929d0e0e4736 */
static const uint8_t example_id[16] = {0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6,
                                       0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36};

static struct tk_text text(const char *literal) {
  return (struct tk_text){literal, (uint32_t)strlen(literal)};
}

static bool is(struct tk_text found, const char *expected) {
  if (!expected) return !found.data;
  return found.data && found.size == strlen(expected) &&
         memcmp(found.data, expected, found.size) == 0;
}

static bool near(double found, double expected) {
  return isnan(expected) ? isnan(found) : fabs(found - expected) <= 1e-7 * fabs(expected);
}

/* ---- one input at a time ---- */

static struct tk_arena arena;
static struct tk_decision_list list;

static void begin(struct tk_decision_input *input) {
  tk_arena_reset(&arena);
  tk_decision_list_reset(&list);
  list.arena = &arena;
  memset(input, 0, sizeof *input);
  input->trace_id = example_id;
}

static void set(struct tk_decision_input *input, enum tk_sampling_key key, struct tk_value value) {
  input->values[key] = value;
  input->present |= UINT64_C(1) << key;
}

/* The one decision of the input; counts a failure if there are others. */
static const struct tk_decision *only(const struct tk_decision_input *input) {
  static const struct tk_decision none;
  tk_decisions_decode(input, TK_ALL_SOURCES, &list);
  CHECK(!list.failed && list.count == 1);
  return list.count == 1 ? &list.items[0] : &none;
}

static void thresholds_and_counts_are_those_of_the_specification(void) {
  static const struct {
    const char *th;
    double kept, count;
  } vectors[] = {{"0", 1, 1},
                 {"1", .9375, 1.0666667},
                 {"08", .96875, 1.0322581},
                 {"4", .75, 1.3333333},
                 {"8", .5, 2},
                 {"c", .25, 4},
                 {"f", .0625, 16},
                 {"cccd", .1999969, 5.0000763},
                 {"aaab", .3333282, 3.0000458},
                 {"e666", .1000061, 9.9993897},
                 {"e66", .1000977, 9.9902439},
                 {"e668", .0999756, 10.0024420},
                 {"f3333", .0500002, 19.9999237},
                 {"fd70a", .0100002, 99.9977112},
                 {"fd70a4", .00999999, 100.0000954},
                 {"ffbe77", .00099999, 1000.0128748}};
  for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
    struct tk_decision_input input;
    char state[40];
    begin(&input);
    snprintf(state, sizeof state, "ot=th:%s;rv:ffffffffffffff", vectors[i].th);
    input.trace_state = text(state);
    const struct tk_decision *decision = only(&input);
    CHECK(decision->verdict == TK_VERDICT_KEEP && decision->consistent == 1);
    CHECK(fabs(decision->probability - vectors[i].kept) < 6e-8);
    CHECK(near(decision->adjusted_count, vectors[i].count));
    CHECK(decision->rank == TK_RANK_THRESHOLD);
    CHECK(decision->randomness == 0xffffffffffffff);
  }
}

static void randomness_is_the_end_of_the_trace_id(void) {
  struct tk_decision_input input;
  begin(&input);
  input.trace_state = text("ot=th:c");
  CHECK(only(&input)->randomness == 0xce929d0e0e4736); /* .80692 of 2^56 */
  CHECK(list.items[0].consistent == 1);
  begin(&input);
  input.trace_state = text("ot=th:d");
  CHECK(only(&input)->consistent == 0);
  CHECK(list.items[0].rank == TK_RANK_NONE && isnan(list.items[0].adjusted_count));
  CHECK(near(list.items[0].probability, .1875));
}

static void what_the_collector_wrote_by_hash_seed_is_recognised(void) {
  struct tk_decision_input input;
  begin(&input);
  input.trace_state = text("vendor=1,ot=th:e668;rv:fdc80d0b42008d");
  CHECK(only(&input)->stage == TK_STAGE_COLLECTOR && is(list.items[0].mechanism, "hash_seed"));
  CHECK(near(list.items[0].adjusted_count, 10.0024420));
  begin(&input);
  input.trace_state = text("ot=th:e668;rv:fdc80d0b42008e");
  CHECK(only(&input)->stage == TK_STAGE_HEAD && is(list.items[0].mechanism, "threshold"));
}

static void malformed_thresholds_are_unknown_and_kept_as_they_are(void) {
  static const char *const states[] = {"ot=th:C", "ot=th:", "ot=th:0123456789abcde", "ot=th:8;th:8",
                                       "ot=th:xyz"};
  for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
    struct tk_decision_input input;
    begin(&input);
    input.trace_state = text(states[i]);
    const struct tk_decision *decision = only(&input);
    CHECK(decision->verdict == TK_VERDICT_UNKNOWN && decision->threshold == -1);
    CHECK(isnan(decision->probability) && isnan(decision->adjusted_count));
    CHECK(is(decision->raw, states[i] + 3));
  }
}

static void the_older_form_counts_in_powers_of_two(void) {
  static const struct {
    const char *state;
    double probability, count;
    int consistent;
  } vectors[] = {{"ot=p:0", 1, 1, -1},         {"ot=p:8;r:62", 0.00390625, 256, 1},
                 {"ot=p:3;r:2", .125, NAN, 0}, {"ot=p:63;r:5", 0, 0, -1},
                 {"ot=p:64", NAN, NAN, -1},    {"ot=p:2;r:x", .25, NAN, -1}};
  for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
    struct tk_decision_input input;
    begin(&input);
    input.trace_state = text(vectors[i].state);
    const struct tk_decision *decision = only(&input);
    CHECK(near(decision->probability, vectors[i].probability));
    CHECK(near(decision->adjusted_count, vectors[i].count));
    CHECK(decision->consistent == vectors[i].consistent);
  }
}

static void both_forms_are_never_mixed(void) {
  struct tk_decision_input input;
  begin(&input);
  input.trace_state = text("ot=th:8;p:4");
  tk_decisions_decode(&input, TK_ALL_SOURCES, &list);
  CHECK(list.count == 2);
  CHECK(list.items[0].rank == TK_RANK_THRESHOLD && list.items[1].rank == TK_RANK_NONE);
  CHECK(near(list.items[0].adjusted_count, 2) && near(list.items[1].adjusted_count, 16));
}

static void flags_are_bits(void) {
  static const struct {
    int64_t flags;
    enum tk_verdict verdict;
    bool is_random;
  } vectors[] = {{1, TK_VERDICT_KEEP, false},
                 {3, TK_VERDICT_KEEP, true},
                 {0x101, TK_VERDICT_KEEP, false},
                 {0x100, TK_VERDICT_DROP, false},
                 {2, TK_VERDICT_DROP, true}};
  struct tk_decision_input input;
  for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
    begin(&input);
    input.flags = vectors[i].flags;
    const struct tk_decision *decision = only(&input);
    CHECK(decision->source == TK_SOURCE_FLAGS && decision->verdict == vectors[i].verdict);
    CHECK((decision->randomness >= 0) == vectors[i].is_random);
  }
  begin(&input);
  tk_decisions_decode(&input, TK_ALL_SOURCES, &list);
  CHECK(list.count == 0); /* 0 says nothing */
}

static void jaeger_samplers_have_a_weight_if_they_are_probabilistic(void) {
  static const struct {
    const char *type;
    double param, count;
  } vectors[] = {{"probabilistic", 0.001, 1000},
                 {"probabilistic", 0, NAN},
                 {"probabilistic", 2, NAN},
                 {"const", 1, 1},
                 {"const", 0, NAN},
                 {"ratelimiting", 5, NAN},
                 {"lowerbound", .5, NAN}};
  struct tk_decision_input input;
  for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
    begin(&input);
    input.is_root = true;
    set(&input, TK_SAMPLING_SAMPLER_TYPE, value_text(text(vectors[i].type)));
    set(&input, TK_SAMPLING_SAMPLER_PARAM, value_double(vectors[i].param));
    const struct tk_decision *decision = only(&input);
    CHECK(decision->trace_wide && is(decision->mechanism, vectors[i].type));
    CHECK(near(decision->adjusted_count, vectors[i].count));
    CHECK((decision->rank == TK_RANK_JAEGER) == !isnan(vectors[i].count));
  }
  begin(&input); /* off the root it is a fact, but no weight */
  set(&input, TK_SAMPLING_SAMPLER_TYPE, value_text(text("probabilistic")));
  set(&input, TK_SAMPLING_SAMPLER_PARAM, value_text(text("0.5")));
  CHECK(!only(&input)->trace_wide && list.items[0].rank == TK_RANK_NONE);
  CHECK(near(list.items[0].adjusted_count, 2));
}

static void debug_flags_are_forced(void) {
  struct tk_decision_input input;
  begin(&input);
  input.residual = text("\"jaeger\":{\"flags\":3}");
  CHECK(only(&input)->is_forced && list.items[0].source == TK_SOURCE_JAEGER);
  begin(&input);
  input.residual = text("\"zipkin\":{\"shared\":true,\"debug\":true}");
  CHECK(only(&input)->is_forced && list.items[0].source == TK_SOURCE_ZIPKIN);
  begin(&input);
  input.residual = text("\"jaeger\":{\"flags\":4},\"zipkin\":{\"debug\":false}");
  tk_decisions_decode(&input, TK_ALL_SOURCES, &list);
  CHECK(list.count == 0);
  begin(&input);
  set(&input, TK_SAMPLING_B3_HEADER,
      value_text(text("80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-d")));
  CHECK(only(&input)->is_forced && list.items[0].source == TK_SOURCE_B3);
  begin(&input);
  set(&input, TK_SAMPLING_PRIORITY, value_int(1));
  CHECK(only(&input)->is_forced && list.items[0].verdict == TK_VERDICT_FORCED);
}

static void datadog_rates_count_for_automatic_keeps_only(void) {
  static const struct {
    int priority;
    enum tk_verdict verdict;
    double count;
  } vectors[] = {{1, TK_VERDICT_KEEP, 4},
                 {2, TK_VERDICT_FORCED, NAN},
                 {0, TK_VERDICT_DROP, NAN},
                 {-1, TK_VERDICT_DROP, NAN},
                 {7, TK_VERDICT_UNKNOWN, NAN}};
  for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
    struct tk_decision_input input;
    begin(&input);
    set(&input, TK_SAMPLING_DD_PRIORITY, value_double(vectors[i].priority));
    set(&input, TK_SAMPLING_DD_MECHANISM, value_text(text("-3")));
    set(&input, TK_SAMPLING_DD_RULE_RATE, value_double(.5));
    set(&input, TK_SAMPLING_DD_LIMIT_RATE, value_double(.5));
    const struct tk_decision *decision = only(&input);
    CHECK(decision->verdict == vectors[i].verdict && is(decision->mechanism, "local_rule"));
    CHECK(near(decision->probability, .25) && near(decision->adjusted_count, vectors[i].count));
  }
}

static void refinery_keeps_the_rate_of_both_stages(void) {
  struct tk_decision_input input;
  begin(&input);
  set(&input, TK_SAMPLING_REFINERY_REASON, value_text(text("rules/trace/keep slow")));
  set(&input, TK_SAMPLING_REFINERY_ORIGINAL, value_int(4));
  set(&input, TK_SAMPLING_REFINERY_FINAL, value_text(text("20")));
  set(&input, TK_SAMPLING_SAMPLE_RATE, value_int(20));
  tk_decisions_decode(&input, TK_ALL_SOURCES, &list);
  CHECK(list.count == 2);
  CHECK(list.items[0].stage == TK_STAGE_HEAD && near(list.items[0].adjusted_count, 4));
  CHECK(list.items[0].rank == TK_RANK_NONE);
  CHECK(list.items[1].stage == TK_STAGE_TAIL && near(list.items[1].adjusted_count, 20));
  CHECK(is(list.items[1].policy, "keep slow") && list.items[1].rank == TK_RANK_HONEYCOMB);
}

static void a_dry_run_is_no_weight(void) {
  struct tk_decision_input input;
  begin(&input);
  set(&input, TK_SAMPLING_SAMPLE_RATE, value_int(20));
  set(&input, TK_SAMPLING_DRYRUN_KEPT, value_bool(0));
  CHECK(only(&input)->dry_run && list.items[0].verdict == TK_VERDICT_DROP);
  CHECK(list.items[0].rank == TK_RANK_NONE && isnan(list.items[0].adjusted_count));
  CHECK(near(list.items[0].probability, .05));
}

static void sample_rates_are_whole_numbers_from_1_on(void) {
  const struct tk_value good[] = {value_int(5), value_double(5), value_text(text("5"))};
  const struct tk_value bad[] = {
      value_int(0),  value_int(-3), value_double(2.5), value_double(NAN), value_text(text("five")),
      value_bool(1), value_empty()};
  struct tk_decision_input input;
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    begin(&input);
    set(&input, TK_SAMPLING_SAMPLE_RATE, good[i]);
    CHECK(near(only(&input)->adjusted_count, 5));
  }
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    begin(&input);
    set(&input, TK_SAMPLING_SAMPLE_RATE, bad[i]);
    CHECK(only(&input)->verdict == TK_VERDICT_UNKNOWN && isnan(list.items[0].adjusted_count));
    CHECK(list.items[0].raw.size > 10);
  }
}

static void headers_say_what_was_propagated(void) {
  struct tk_decision_input input;
  begin(&input);
  set(&input, TK_SAMPLING_XRAY_HEADER,
      value_text(
          text("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1")));
  CHECK(only(&input)->verdict == TK_VERDICT_KEEP && list.items[0].source == TK_SOURCE_XRAY);
  begin(&input);
  set(&input, TK_SAMPLING_GOOGLE_HEADER,
      value_text(text("105445aa7843bc8bf206b12000100000/1;o=1")));
  CHECK(only(&input)->verdict == TK_VERDICT_KEEP && list.items[0].source == TK_SOURCE_GOOGLE);
  begin(&input);
  set(&input, TK_SAMPLING_BAGGAGE,
      value_text(
          text("a=b, sentry-sample_rate=0.25;x=1, sentry-sample_rand=0.1,sentry-sampled=true")));
  CHECK(near(only(&input)->adjusted_count, 4) && list.items[0].consistent == 1);
  begin(&input);
  input.trace_state =
      text("33@nr=0-0-33-5043-27ddd2d8890283b4-5569065a5b1313bd-1-1.23456-1518469636025");
  CHECK(only(&input)->verdict == TK_VERDICT_KEEP && list.items[0].source == TK_SOURCE_NEW_RELIC);
  begin(&input);
  input.trace_state = text("dd=s:1;o:rum;t.dm:-4");
  CHECK(only(&input)->verdict == TK_VERDICT_KEEP && is(list.items[0].mechanism, "manual"));
}

static void every_key_is_found_by_its_name_and_no_other(void) {
  for (int key = 0; key < TK_SAMPLING_KEY_COUNT; key++) {
    if (key == TK_SAMPLING_DRYRUN_OTHER) continue;
    CHECK((int)tk_sampling_key_find(text(tk_sampling_key_text((enum tk_sampling_key)key))) == key);
  }
  CHECK(tk_sampling_key_find(text("meta.dryrun.anything")) == TK_SAMPLING_DRYRUN_OTHER);
  CHECK(tk_sampling_key_find(text("http.request.header.b3")) == TK_SAMPLING_B3_HEADER);
  CHECK(tk_sampling_key_find(text("samplerate")) == TK_SAMPLING_NO_KEY);
  CHECK(tk_sampling_key_find(text("")) == TK_SAMPLING_NO_KEY);
}

/* ---- recorded decisions ---- */

static bool read_line(const char *line, struct tk_decision_record *record) {
  bool out_of_memory;
  tk_arena_reset(&arena);
  const bool found =
      tk_decision_record_read(text(line), text("run-1"), &arena, record, &out_of_memory);
  CHECK(!out_of_memory);
  return found;
}

static void recorded_decisions_are_read_line_by_line(void) {
  struct tk_decision_record record;
  CHECK(
      read_line("{\"type\":\"sampling_decision\",\"traceId\":\"4BF92F3577B34DA6A3CE929D0E0E4736\","
                "\"timestamp\":\"2026-11-20T13:00:00Z\",\"stage\":\"tail\",\"policy\":\"errors\","
                "\"decision\":\"keep\",\"probability\":0.05,\"extra\":[1,{}]}",
                &record));
  CHECK(memcmp(record.trace_id, example_id, 16) == 0);
  CHECK(is(record.trace_text, "4bf92f3577b34da6a3ce929d0e0e4736") && !record.span_text.data);
  CHECK(record.has_time && record.time_ns == 1795179600000000000);
  CHECK(record.decision.stage == TK_STAGE_TAIL && is(record.decision.policy, "errors"));
  CHECK(near(record.decision.adjusted_count, 20) && record.decision.rank == TK_RANK_RECORD);
  CHECK(is(record.decision.run_id, "run-1") && record.decision.trace_wide);

  CHECK(
      read_line("{\"decision\":\"drop\",\"threshold\":\"c\",\"randomness\":\"10000000000000\","
                "\"timestamp\":\"1795179600000000001\",\"runId\":\"other\",\"traceId\":\"ab\","
                "\"type\":\"sampling_decision\"}",
                &record));
  CHECK(record.decision.consistent == 1 && isnan(record.decision.adjusted_count));
  CHECK(record.time_ns == 1795179600000000001 && is(record.decision.run_id, "other"));
  CHECK(is(record.trace_text, "ab"));
}

static void records_that_say_it_wrongly_are_unknown(void) {
  struct tk_decision_record record;
  CHECK(read_line(
      "{\"type\":\"sampling_decision\",\"traceId\":5,\"decision\":7,\"probability\":\"x\","
      "\"threshold\":\"C\",\"stage\":\"somewhere\",\"timestamp\":\"yesterday\"}",
      &record));
  CHECK(!record.has_trace_id && !record.has_time && !record.trace_text.data);
  CHECK(record.decision.verdict == TK_VERDICT_UNKNOWN && record.decision.stage == TK_STAGE_NONE);
  CHECK(isnan(record.decision.probability) && record.decision.threshold == -1);
  CHECK(record.decision.raw.size > 50);
  CHECK(read_line("{\"type\":\"sampling_decision\",\"decision\":\"keep\",\"probability\":0.5}",
                  &record));
  CHECK(record.decision.verdict == TK_VERDICT_UNKNOWN && isnan(record.decision.adjusted_count));
  CHECK(!read_line("{\"type\":\"other\",\"traceId\":\"ab\"}", &record));
  CHECK(!read_line("{\"type\":\"sampling_decision\"", &record));
  CHECK(!read_line("", &record));
}

/* ---- functions ---- */

static void weighted_functions_extrapolate(void) {
  sqlite3 *db = fixture_open(":memory:");
  static const struct {
    const char *sql, *expected;
  } queries[] = {
      {"SELECT weighted_count(value) FROM json_each('[10,20,null]')", "30.0"},
      {"SELECT weighted_count(value) FROM json_each('[]')", "0.0"},
      {"SELECT weighted_count(value) FROM json_each('[null]')", "NULL"},
      {"SELECT weighted_sum(value, 10) FROM json_each('[1,2,null]')", "30.0"},
      {"SELECT weighted_sum(value, 10) FROM json_each('[]')", "NULL"},
      {"SELECT weighted_avg(value, value) FROM json_each('[1,3]')", "2.5"},
      {"SELECT weighted_rate(value, 60) FROM json_each('[60,120]')", "3.0"},
      {"SELECT unknown_weight_share(value) FROM json_each('[1,null,null,4]')", "0.5"},
      {"SELECT unknown_weight_share(value) FROM json_each('[]')", "NULL"},
      /* 100 * 10 * 9 */
      {"SELECT round(weighted_count_high(10) - 1000 - 1.959963984540054 * sqrt(9000), 9)"
       " FROM n WHERE value BETWEEN 1 AND 100",
       "0.0"},
      {"SELECT weighted_count_low(1), weighted_count_high(1) FROM n WHERE value BETWEEN 1 AND 5",
       "5.0|5.0"},
      {"SELECT weighted_count_low(100) FROM n WHERE value BETWEEN 1 AND 2",
       "2.0"}, /* two were seen */
      /* ten clusters of ten: 10 * 100 * 10 * 9 */
      {"SELECT round(weighted_count_high(10, value / 10) - 1000 - 1.959963984540054 * sqrt(90000), "
       "9)"
       " FROM n WHERE value BETWEEN 0 AND 99",
       "0.0"},
      {"SELECT json_extract(weighted_sum_interval(2, 10), '$.estimate', '$.unknown_share')",
       "[20.0,0.0]"},
      {"SELECT weighted_quantile(value, 0.5, 1), quantile(value, 0.5) FROM json_each('[1,2,3,10]')",
       "2.5|2.5"},
      {"SELECT weighted_quantile(value, 0.5, value) FROM json_each('[1,2,3]')", "2.5"},
      {"SELECT weighted_quantile(value, 0.99, 0) FROM json_each('[1]')", "NULL"},
      {"SELECT weighted_count('x')", "weighted_count: expected a weight as a number"},
      {"SELECT weighted_count(-1)", "expected a weight of at least 0"},
      {"SELECT weighted_rate(1, 0)", "weighted_rate: expected more than 0 seconds"},
      {"SELECT weighted_quantile(1, 2, 1)",
       "weighted_quantile: expected q as a number between 0 and 1"},
  };
  for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
    char sql[600];
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n(value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM n LIMIT 101) %s",
             queries[i].sql);
    const char *found = fixture_query(db, sql);
    CHECK(strcmp(found, queries[i].expected) == 0);
    if (strcmp(found, queries[i].expected) != 0) printf("# %s: %s\n", sql, found);
  }
  sqlite3_close(db);
}

/* ---- without memory ---- */

static const char *make_store(const char *name) {
  const char *path = fixture_path(name);
  struct tk_batch *batch = fixture_batch(0, 60, "a.key");
  for (uint32_t i = 0; i < batch->span_count; i++) {
    struct tk_span *span = &batch->spans[i];
    if (i % 3 == 0) span->trace_state = build_text(batch, i % 2 ? "ot=th:8" : "ot=th:C");
    if (i % 5 == 0) {
      build_attribute(batch, &span->attributes, "sampler.type",
                      value_text(build_text(batch, "probabilistic")));
      build_attribute(batch, &span->attributes, "sampler.param", value_double(.5));
    }
    if (i % 4 == 0) build_attribute(batch, &span->attributes, "SampleRate", value_int(i));
    span->flags = i % 7 ? 1 : 256;
  }
  fixture_ingest(path, batch, 32);
  return path;
}

/* Decisions about the first twelve traces of make_store(), and about as many that are not there. */
static void add_records(const char *path) {
  struct tk_batch *batch = build_batch(1, 1);
  struct tk_document *document = tk_arena_alloc(&batch->arena, sizeof *document);
  char *lines = tk_arena_alloc_bytes(&batch->arena, 8192);
  size_t size = 0;
  if (!document || !lines) abort();
  for (int i = 0; i < 24; i++) {
    size += (size_t)snprintf(lines + size, 8192 - size,
                             "{\"type\":\"sampling_decision\",\"traceId\":\"%032x\","
                             "\"decision\":\"%s\",\"probability\":0.5,\"policy\":\"p\"}\n",
                             1000 + i, i % 3 ? "keep" : "drop");
  }
  *document = (struct tk_document){.kind = TK_DOCUMENT_SAMPLING_DECISIONS,
                                   .record_count = 24,
                                   .text = lines,
                                   .size = size,
                                   .line = 1};
  batch->documents = document;
  batch->document_count = 1;
  batch->record_count = 24;
  fixture_ingest(path, batch, 0);
}

static void records_join_traces_and_weigh_them(void) {
  const char *path = fixture_path("records.db");
  fixture_ingest(path, fixture_batch(0, 60, "a.key"), 32);
  add_records(path);
  sqlite3 *db = fixture_open(path);
  CHECK(fixture_number(db, "SELECT count(*) FROM sampling_decisions WHERE source = 'record'") ==
        24);
  CHECK(fixture_number(db, "SELECT count(*) FROM traces WHERE adjusted_count = 2") == 8);
  CHECK(fixture_number(db,
                       "SELECT count(*) FROM traces t JOIN sampling_decisions d"
                       " ON d.trace_id = t.trace_id") == 12);
  CHECK(strcmp(fixture_query(db,
                             "SELECT decision, policy FROM sampling_decisions"
                             " WHERE trace_id = printf('%032x', 1023)"),
               "keep|p") == 0);
  CHECK(fixture_number(db,
                       "SELECT count(*) FROM sampling_issues"
                       " WHERE type = 'sampling.stored_reject'") == 4);
  CHECK(fixture_number(db,
                       "SELECT count(*) FROM sampling_issues"
                       " WHERE trace_id = printf('%032x', 1003)") == 1);
  sqlite3_close(db);
}

static void tables_survive_without_memory(void) {
  static const char *const queries[] = {
      "SELECT * FROM sampling_decisions",
      "SELECT * FROM sampling_issues",
      "SELECT sum(adjusted_count), group_concat(adjusted_count_source) FROM spans",
      "SELECT sum(adjusted_count), max(adjusted_count_source) FROM traces",
      "SELECT weighted_count_interval(adjusted_count, trace_id) FROM spans",
      "SELECT weighted_quantile(duration_ns, 0.5, adjusted_count) FROM spans",
      "SELECT count(raw) FROM sampling_decisions WHERE trace_id IN (SELECT trace_id FROM traces)",
      "SELECT * FROM sampling_issues WHERE trace_id IN (SELECT trace_id FROM traces)"};
  const char *path = make_store("faults.db");
  add_records(path);

  for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
    int nth = 1, hits = 1;
    for (; hits > 0 && nth < 100000; nth += 1 + nth / 20) {
      tk_segment_cache_clear();
      sqlite3 *db = fixture_open(path);
      fault_memory_fail_at(nth);
      const int rc = sqlite3_exec(db, queries[i], 0, 0, 0);
      hits = fault_memory_hits();
      fault_memory_fail_at(0);
      CHECK(rc == SQLITE_OK || rc == SQLITE_NOMEM);
      if (rc != SQLITE_OK && rc != SQLITE_NOMEM) {
        printf("# %s: allocation %d: %s\n", queries[i], nth, sqlite3_errmsg(db));
      }
      CHECK(sqlite3_exec(db, queries[i], 0, 0, 0) == SQLITE_OK);
      sqlite3_close(db);
      if (check_failures) return;
    }
    CHECK(nth > 10);
  }
}

int main(void) {
  const struct check_case cases[] = {CASE(thresholds_and_counts_are_those_of_the_specification),
                                     CASE(randomness_is_the_end_of_the_trace_id),
                                     CASE(what_the_collector_wrote_by_hash_seed_is_recognised),
                                     CASE(malformed_thresholds_are_unknown_and_kept_as_they_are),
                                     CASE(the_older_form_counts_in_powers_of_two),
                                     CASE(both_forms_are_never_mixed),
                                     CASE(flags_are_bits),
                                     CASE(jaeger_samplers_have_a_weight_if_they_are_probabilistic),
                                     CASE(debug_flags_are_forced),
                                     CASE(datadog_rates_count_for_automatic_keeps_only),
                                     CASE(refinery_keeps_the_rate_of_both_stages),
                                     CASE(a_dry_run_is_no_weight),
                                     CASE(sample_rates_are_whole_numbers_from_1_on),
                                     CASE(headers_say_what_was_propagated),
                                     CASE(every_key_is_found_by_its_name_and_no_other),
                                     CASE(recorded_decisions_are_read_line_by_line),
                                     CASE(records_that_say_it_wrongly_are_unknown),
                                     CASE(weighted_functions_extrapolate),
                                     CASE(records_join_traces_and_weigh_them),
                                     CASE(tables_survive_without_memory)};
  fault_memory_install();
  const int result = check_run(cases, (int)(sizeof cases / sizeof cases[0]));
  tk_arena_reset(&arena);
  tk_decision_list_reset(&list);
  return result;
}
