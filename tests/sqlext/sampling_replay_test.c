/* SPDX-License-Identifier: MIT
 * sampling_replay: what it takes, what it refuses, and that decisions do not depend on how one
 * asks. What is decided is tests/oracle/sampling_replay.py's to check. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sqlext/store_fixture.h"
#include "tests/support/check.h"
#include "tests/support/span_builder.h"

static sqlite3 *db;

#define TAIL(policies) "'{\"processors\":{\"tail_sampling\":{\"policies\":[" policies "]}}}'"
#define ALWAYS "{\"name\":\"all\",\"type\":\"always_sample\"}"
#define LIMITED \
  "{\"name\":\"limited\",\"type\":\"rate_limiting\",\"rate_limiting\":{\"spans_per_second\":20}}"

static const char *ask(const char *format, const char *config, const char *rest) {
  static char sql[4096];
  sqlite3_snprintf(sizeof sql, sql, format, config, rest);
  return fixture_query(db, sql);
}

static void expect(const char *found, const char *expected) {
  if (strcmp(found, expected) == 0) return;
  printf("# %s\n# expected %s\n", found, expected);
  check_failures++;
}

static void expect_part(const char *found, const char *part) {
  if (strstr(found, part)) return;
  printf("# %s\n# expected in it: %s\n", found, part);
  check_failures++;
}

static void what_makes_no_sense_is_refused(void) {
  expect_part(fixture_query(db, "SELECT * FROM sampling_replay"),
              "expected a configuration, its path or its id as first argument");
  expect_part(fixture_query(db, "SELECT * FROM sampling_replay(NULL)"), "expected a configuration");
  expect_part(ask("SELECT * FROM sampling_replay(%s, %s)", TAIL(ALWAYS), "'v1.5'"),
              "expected a version such as v0.150");
  expect_part(ask("SELECT * FROM sampling_replay(%s, %s)", TAIL(ALWAYS), "'sdk=cobol'"),
              "expected sdk=go");
  expect_part(ask("SELECT * FROM sampling_replay(%s, NULL, %s)", TAIL(ALWAYS), "1.5"),
              "head: expected a probability above 0 and up to 1, found 1.5");
  expect_part(ask("SELECT * FROM sampling_replay(%s, %s)",
                  TAIL("{\"name\":\"n\",\"type\":\"not\",\"not\":{\"not_sub_policy\":" ALWAYS "}}"),
                  "'v0.153'"),
              "not 'n': the collector has this policy from v0.154 on");
  expect_part(
      ask("SELECT * FROM sampling_replay(%s%s)",
          TAIL("{\"name\":\"o\",\"type\":\"ottl_condition\",\"ottl_condition\":{\"span\":[\"name "
               "== Foo(1)\"]}}"),
          ""),
      "1:45: ottl_condition 'o': span condition 1: OTTL, character 9: the function Foo is not "
      "supported");
  expect_part(
      ask("SELECT * FROM sampling_replay(%s%s)",
          TAIL("{\"name\":\"r\",\"type\":\"string_attribute\",\"string_attribute\":{\"key\":\"k\","
               "\"values\":[\"(?=x)\"],\"enabled_regex_matching\":true}}"),
          ""),
      "regular expression");
  expect_part(ask("SELECT * FROM sampling_replay(%s%s)",
                  "'{\"processors\":{\"tail_sampling/a\":{\"policies\":[" ALWAYS
                  "]},\"tail_sampling/b\":{\"policies\":[" ALWAYS
                  "]}},\"service\":{\"pipelines\":{\"traces/a\":{\"processors\":[\"tail_sampling/"
                  "a\"]},\"traces/b\":{\"processors\":[\"tail_sampling/b\"]}}}}'",
                  ""),
              "several traces pipelines sample (traces/a, traces/b): say which");
}

static void a_pipeline_and_a_target_can_be_named(void) {
  static const char pipelines[] =
      "'{\"processors\":{\"tail_sampling/a\":{\"policies\":[" ALWAYS
      "]},\"tail_sampling/b\":{\"policies\":[{\"name\":\"none\",\"type\":\"span_count\","
      "\"span_count\":{\"min_spans\":1000}}]}},\"service\":{\"pipelines\":{\"traces/a\":{"
      "\"processors\":[\"tail_sampling/a\"]},\"traces/b\":{\"processors\":[\"tail_sampling/b\"]}"
      "}}}'";
  static const char targets[] =
      "'{\"RulesVersion\":2,\"Samplers\":{\"__default__\":{\"DeterministicSampler\":{"
      "\"SampleRate\":1}},\"prod\":{\"RulesBasedSampler\":{\"Rules\":[{\"Name\":\"no\",\"Drop\":"
      "true}]}}}}'";
  static const char sql[] =
      "SELECT DISTINCT decision, policy, stage FROM sampling_replay(%s, '%s')";
  expect(ask(sql, pipelines, "pipeline=traces/a"), "keep|all|tail");
  expect(ask(sql, pipelines, "v0.150, pipeline=traces/b"), "drop|NULL|tail");
  expect_part(ask(sql, pipelines, "pipeline=traces/c"), "no traces pipeline is called 'traces/c'");
  expect_part(ask(sql, targets, ""), "keep|");
  expect(ask(sql, targets, "target=prod"), "drop|no|tail");
  expect_part(ask(sql, targets, "target=test"), "no sampler for the target 'test'");
}

static void decisions_do_not_depend_on_what_is_asked_for(void) {
  static const char *const configs[] = {TAIL(LIMITED),
                                        TAIL(LIMITED ",{\"name\":\"p\",\"type\":"
                                                     "\"probabilistic\",\"probabilistic\":{"
                                                     "\"sampling_percentage\":40}}"),
                                        TAIL("{\"name\":\"p\",\"type\":\"probabilistic\","
                                             "\"probabilistic\":{\"sampling_percentage\":40}}")};
  for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++) {
    char all[1 << 14];
    snprintf(all, sizeof all, "%s",
             ask("SELECT trace_id, decision, policy FROM sampling_replay(%s%s) ORDER BY 1",
                 configs[i], ""));
    CHECK(strstr(all, "keep") && strstr(all, "drop"));
    expect(ask("SELECT t.trace_id, r.decision, r.policy FROM traces t CROSS JOIN"
               " sampling_replay(%s%s) r ON r.trace_id = t.trace_id ORDER BY 1",
               configs[i], ""),
           all);
    expect(ask("SELECT trace_id, decision, policy FROM sampling_replay(%s) WHERE trace_id IN"
               " (SELECT trace_id FROM traces) AND start_ns > %s ORDER BY 1",
               configs[i], "0"),
           all);
  }
  expect(ask("SELECT count(*) FROM sampling_replay(%s) WHERE trace_id = '%s'", TAIL(LIMITED),
             "00000000000000000000000000ffffff"),
         "0");
}

static void limiters_take_traces_as_they_end(void) {
  /* Traces of 5 spans end 5 microseconds apart: the bucket of 40 holds eight of them, in the order
   * of their ends, and the second that they are all in has room for three below 20. */
  expect(
      ask("SELECT count(*), sum(decision = 'keep'), max(CASE WHEN decision = 'keep' THEN start_ns"
          " END) < min(CASE WHEN decision = 'drop' THEN start_ns END), sum(probability IS NULL)"
          " FROM sampling_replay(%s%s)",
          TAIL(LIMITED), ""),
      "40|8|1|40");
  expect(ask("SELECT count(*), sum(decision = 'keep') FROM sampling_replay(%s, '%s')",
             TAIL(LIMITED), "v0.152"),
         "40|3");
}

static void weights_and_probabilities_go_together(void) {
  expect(ask("SELECT DISTINCT decision, probability, adjusted_count FROM sampling_replay(%s, NULL,"
             " %s) ORDER BY 1",
             TAIL("{\"name\":\"p\",\"type\":\"probabilistic\",\"probabilistic\":{"
                  "\"sampling_percentage\":50}},{\"name\":\"same\",\"type\":\"probabilistic\","
                  "\"probabilistic\":{\"sampling_percentage\":25}}"),
             "0.5"),
         "drop|0.5|NULL\nkeep|0.5|4.0"); /* one draw: the larger share, not 62.5 % */
  expect(ask("SELECT DISTINCT probability FROM sampling_replay(%s%s)",
             TAIL("{\"name\":\"p\",\"type\":\"probabilistic\",\"probabilistic\":{"
                  "\"sampling_percentage\":50}},{\"name\":\"other\",\"type\":\"probabilistic\","
                  "\"probabilistic\":{\"sampling_percentage\":25,\"hash_salt\":\"x\"}}"),
             ""),
         "0.625");
  expect(ask("SELECT DISTINCT decision, probability, adjusted_count FROM sampling_replay(%s%s)",
             TAIL(ALWAYS "," LIMITED), ""),
         "keep|1.0|1.0"); /* whatever the limiter says */
}

static void stages_follow_one_another(void) {
  static const char config[] =
      "'{\"processors\":{\"probabilistic_sampler\":{\"sampling_percentage\":50},\"tail_sampling\":{"
      "\"policies\":[{\"name\":\"p\",\"type\":\"probabilistic\",\"probabilistic\":{"
      "\"sampling_percentage\":50}}]}},\"service\":{\"pipelines\":{\"traces\":{\"processors\":["
      "\"probabilistic_sampler\",\"tail_sampling\"]}}}}'";
  expect(ask("SELECT DISTINCT decision, policy, stage, probability FROM sampling_replay(%s%s)"
             " ORDER BY 1, 2",
             config, ""),
         "drop|NULL|tail|0.25\ndrop|probabilistic_sampler|collector|0.25\nkeep|p|tail|0.25");
}

static void heads_decide_by_their_roots(void) {
  static const char sql[] =
      "SELECT policy, sum(decision = 'keep') = count(*), sum(decision = 'keep') > 0,"
      " max(probability) FROM sampling_replay(%s, '%s') GROUP BY 1 ORDER BY 1";
  expect(
      ask(sql,
          "'{\"default_strategy\":{\"type\":\"probabilistic\",\"param\":0},\"service_strategies\""
          ":[{\"service\":\"a\",\"type\":\"probabilistic\",\"param\":1,\"operation_strategies\":"
          "[{\"operation\":\"op0\",\"type\":\"probabilistic\",\"param\":0}]},{\"service\":\"b\","
          "\"type\":\"ratelimiting\",\"param\":1}]}'",
          ""),
      "a|1|1|1.0\nb|0|1|NULL\nop0|0|0|0.0\nprobabilistic|0|0|0.0");
  expect(ask(sql,
             "'{\"file_format\":\"1.1\",\"tracer_provider\":{\"sampler\":{\"parent_based\":{"
             "\"root\":{\"trace_id_ratio_based\":{\"ratio\":1}}}}}}'",
             "sdk=python"),
         "trace_id_ratio_based|1|1|1.0");
  expect_part(ask(sql,
                  "'{\"file_format\":\"1.1\",\"tracer_provider\":{\"sampler\":{"
                  "\"jaeger_remote/development\":{\"endpoint\":\"http://x\"}}}}'",
                  ""),
              "remote");
}

/* Every configuration of samples/ is replayed, or refused with a reason that names a place. */
static void the_samples_replay_or_say_why_not(void) {
  const char *samples = getenv("TK_SAMPLES");
  char folder[1024];
  int replayed = 0, refused = 0;
  CHECK(samples != NULL);
  if (!samples) return;
  snprintf(folder, sizeof folder, "%s/sampling", samples);
  DIR *directory = opendir(folder);
  CHECK(directory != NULL);
  for (struct dirent *entry; directory && (entry = readdir(directory)) != NULL;) {
    char path[2048];
    static char text[1 << 16];
    sqlite3_stmt *statement = NULL;
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    if (!file) continue;
    const size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = 0;
    fclose(file);
    CHECK(sqlite3_prepare_v2(db, "SELECT count(*) FROM sampling_replay(?1, 'sdk=java')", -1,
                             &statement, NULL) == SQLITE_OK);
    sqlite3_bind_text(statement, 1, text, (int)size, SQLITE_STATIC);
    if (sqlite3_step(statement) == SQLITE_ROW) {
      CHECK(sqlite3_column_int(statement, 0) == 40);
      replayed++;
    } else {
      printf("# %s: %s\n", entry->d_name, sqlite3_errmsg(db));
      refused++;
    }
    sqlite3_finalize(statement);
  }
  if (directory) closedir(directory);
  CHECK(replayed >= 3 && replayed + refused >= 8);
}

/* Ids that look random: the hashes of consecutive ones are much alike. */
static void scatter_ids(struct tk_batch *batch) {
  for (uint32_t i = 0; i < batch->span_count; i++) {
    uint64_t state = 0;
    for (int b = 8; b < 16; b++) state = state << 8 | batch->spans[i].trace_id[b];
    state *= UINT64_C(0x9e3779b97f4a7c15);
    for (int half = 0; half < 2; half++) {
      const uint64_t number = next_random(&state);
      memcpy(batch->spans[i].trace_id + 8 * half, &number, sizeof number);
    }
  }
}

int main(void) {
  const struct check_case cases[] = {
      CASE(what_makes_no_sense_is_refused),
      CASE(a_pipeline_and_a_target_can_be_named),
      CASE(decisions_do_not_depend_on_what_is_asked_for),
      CASE(limiters_take_traces_as_they_end),
      CASE(weights_and_probabilities_go_together),
      CASE(stages_follow_one_another),
      CASE(heads_decide_by_their_roots),
      CASE(the_samples_replay_or_say_why_not),
  };
  const char *path = fixture_path("replay.db");
  struct tk_batch *first = fixture_batch(0, 104, "key"), *second = fixture_batch(104, 96, "key");
  scatter_ids(first);
  scatter_ids(second);
  fixture_ingest(path, first, 64);
  fixture_ingest(path, second, 64);
  db = fixture_open(path);
  const int failed = check_run(cases, (int)(sizeof cases / sizeof cases[0]));
  sqlite3_close(db);
  return failed;
}
