/* SPDX-License-Identifier: MIT
 * Predicates against SQLite itself: every pair of values, every operator. */
#include "store/predicate.h"

#include <stdlib.h>

#include "tests/support/check.h"

static const char *const literals[] = {"NULL",
                                       "0",
                                       "1",
                                       "-1",
                                       "200",
                                       "9223372036854775807",
                                       "(-9223372036854775807-1)",
                                       "9007199254740993",
                                       "0.0",
                                       "0.5",
                                       "-0.5",
                                       "1.0",
                                       "200.0",
                                       "9007199254740992.0",
                                       "9.3e18",
                                       "-9.3e18",
                                       "9223372036854775808.0",
                                       "9e999",
                                       "-9e999",
                                       "''",
                                       "'0'",
                                       "'200'",
                                       "'2e2'",
                                       "'GET'",
                                       "'get'",
                                       "'GET /'",
                                       "'\xC3\xA4'",
                                       "x''",
                                       "x'323030'",
                                       "x'ff'"};
enum { LITERALS = sizeof literals / sizeof *literals };

static const char *const operators[] = {
    [TK_PREDICATE_EQ] = "=",  [TK_PREDICATE_NE] = "<>",        [TK_PREDICATE_LT] = "<",
    [TK_PREDICATE_LE] = "<=", [TK_PREDICATE_GT] = ">",         [TK_PREDICATE_GE] = ">=",
    [TK_PREDICATE_IS] = "IS", [TK_PREDICATE_IS_NOT] = "IS NOT"};

static sqlite3 *db;
static sqlite3_stmt *kept[LITERALS];

/* The value of a literal; its bytes belong to a statement that is kept. */
static struct tk_sql_value value_of(int index) {
  struct tk_sql_value value = {.type = TK_SQL_NULL};
  char sql[64];
  if (!kept[index]) {
    sqlite3_snprintf(sizeof sql, sql, "SELECT %s", literals[index]);
    CHECK(sqlite3_prepare_v2(db, sql, -1, &kept[index], NULL) == SQLITE_OK);
    CHECK(sqlite3_step(kept[index]) == SQLITE_ROW);
  }
  sqlite3_stmt *statement = kept[index];
  switch (sqlite3_column_type(statement, 0)) {
    case SQLITE_INTEGER:
      value.type = TK_SQL_INT;
      value.as.integer = sqlite3_column_int64(statement, 0);
      break;
    case SQLITE_FLOAT:
      value.type = TK_SQL_REAL;
      value.as.real = sqlite3_column_double(statement, 0);
      break;
    case SQLITE_TEXT:
      value.type = TK_SQL_TEXT;
      value.as.text.data = (const char *)sqlite3_column_text(statement, 0);
      value.as.text.size = (uint32_t)sqlite3_column_bytes(statement, 0);
      break;
    case SQLITE_BLOB:
      value.type = TK_SQL_BLOB;
      value.as.text.data = sqlite3_column_blob(statement, 0);
      if (!value.as.text.data) value.as.text.data = "";
      value.as.text.size = (uint32_t)sqlite3_column_bytes(statement, 0);
      break;
    default:
      break;
  }
  return value;
}

static int ask(const char *format, const char *a, const char *b, const char *c) {
  char sql[256];
  sqlite3_stmt *statement = NULL;
  sqlite3_snprintf(sizeof sql, sql, format, a, b, c);
  CHECK(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK);
  CHECK(sqlite3_step(statement) == SQLITE_ROW);
  int answer = sqlite3_column_int(statement, 0);
  sqlite3_finalize(statement);
  return answer;
}

static void comparisons_are_those_of_sqlite(void) {
  for (int op = 0; op <= TK_PREDICATE_IS_NOT; op++) {
    for (int left = 0; left < LITERALS; left++) {
      for (int right = 0; right < LITERALS; right++) {
        struct tk_sql_value a = value_of(left), b = value_of(right);
        struct tk_predicate predicate = {.op = (enum tk_predicate_op)op, .values = &b, .count = 1};
        int expected =
            ask("SELECT coalesce(%s %s %s, 0)", literals[left], operators[op], literals[right]);
        if (tk_predicate_matches(&predicate, &a) != expected) {
          printf("# %s %s %s\n", literals[left], operators[op], literals[right]);
          CHECK(!"matches");
        }
        predicate.loose = true;
        CHECK(tk_predicate_matches(&predicate, &a) >= expected);
      }
    }
  }
}

static void integers_are_filtered_as_they_are_matched(void) {
  static const int64_t samples[] = {
      INT64_MIN,        INT64_MIN + 1,    -201,          -1,       0, 1, 2, 199, 200, 201,
      9007199254740992, 9007199254740993, INT64_MAX - 1, INT64_MAX};
  enum { SAMPLES = sizeof samples / sizeof *samples };
  for (int op = 0; op <= TK_PREDICATE_IN; op++) {
    for (int right = 0; right < LITERALS; right++) {
      struct tk_sql_value values[2] = {value_of(right), value_of((right + 7) % LITERALS)};
      struct tk_predicate predicate = {
          .op = (enum tk_predicate_op)op, .values = values, .count = 1};
      if (op == TK_PREDICATE_IN) predicate.count = 2;
      tk_predicate_normalise(&predicate);
      uint8_t mask[SAMPLES];
      memset(mask, 1, sizeof mask);
      tk_predicate_filter_ints(&predicate, samples, SAMPLES, mask);
      for (int i = 0; i < SAMPLES; i++) {
        struct tk_sql_value value = {.type = TK_SQL_INT, .as.integer = samples[i]};
        CHECK(mask[i] == tk_predicate_matches(&predicate, &value));
        for (int low = 0; low <= i; low++) {
          for (int high = i; high < SAMPLES && mask[i]; high++) {
            CHECK(tk_predicate_may_match(&predicate, samples[low], samples[high]));
          }
        }
      }
    }
  }
}

static void zone_maps_rule_out_what_is_outside(void) {
  struct tk_sql_value value = {.type = TK_SQL_INT, .as.integer = 10};
  struct tk_predicate predicate = {.op = TK_PREDICATE_EQ, .values = &value, .count = 1};
  CHECK(!tk_predicate_may_match(&predicate, 11, 20));
  CHECK(tk_predicate_may_match(&predicate, 5, 10));
  predicate.op = TK_PREDICATE_LT;
  CHECK(!tk_predicate_may_match(&predicate, 10, 20));
  predicate.op = TK_PREDICATE_NE;
  CHECK(!tk_predicate_may_match(&predicate, 10, 10));
  CHECK(tk_predicate_may_match(&predicate, 10, 11));
  predicate.op = TK_PREDICATE_IN;
  CHECK(!tk_predicate_may_match(&predicate, 0, 9));
  predicate.count = 0;
  CHECK(!tk_predicate_may_match(&predicate, INT64_MIN, INT64_MAX));
}

static void patterns_are_matched_as_sqlite_matches_them(void) {
  static const char *const patterns[] = {"'get%'", "'%E%'",  "'2__'",   "'%'",
                                         "''",     "'GET*'", "'[F-H]*'"};
  for (int left = 0; left < LITERALS; left++) {
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
      char text[16];
      sqlite3_snprintf(sizeof text, text, "%.*s", (int)strlen(patterns[i]) - 2, patterns[i] + 1);
      struct tk_sql_value a = value_of(left);
      struct tk_sql_value pattern = {.type = TK_SQL_TEXT,
                                     .as.text = {text, (uint32_t)strlen(text)}};
      struct tk_predicate like = {.op = TK_PREDICATE_LIKE, .values = &pattern, .count = 1};
      struct tk_predicate glob = {.op = TK_PREDICATE_GLOB, .values = &pattern, .count = 1};
      /* Reals pass: their text is SQLite's business. */
      CHECK(tk_predicate_matches(&like, &a) >=
            ask("SELECT coalesce(%s %s %s, 0)", literals[left], "LIKE", patterns[i]));
      CHECK(tk_predicate_matches(&glob, &a) >=
            ask("SELECT coalesce(%s %s %s, 0)", literals[left], "GLOB", patterns[i]));
      if (a.type == TK_SQL_TEXT) {
        CHECK(tk_predicate_matches(&like, &a) ==
              ask("SELECT coalesce(%s %s %s, 0)", literals[left], "LIKE", patterns[i]));
      }
    }
  }
}

static void texts_look_numeric_when_affinity_makes_numbers_of_them(void) {
  static const char *const texts[] = {"",    " ",   "5",   " 5 ",  "+5",  "-5.",   ".5",
                                      ".",   "5e3", "5e",  "e5",   "5e+", "0x1",   "1 2",
                                      "1_0", "NaN", "inf", "5.e1", "--5", "\t7\n", "1e5x"};
  CHECK(sqlite3_exec(db, "CREATE TABLE n(x NUMERIC)", NULL, NULL, NULL) == SQLITE_OK);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    char *insert = sqlite3_mprintf("DELETE FROM n; INSERT INTO n VALUES (%Q)", texts[i]);
    CHECK(sqlite3_exec(db, insert, NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_free(insert);
    struct tk_text text = {texts[i], (uint32_t)strlen(texts[i])};
    if (tk_looks_numeric(text) != ask("SELECT typeof(x) <> 'text' FROM n", "", "", "")) {
      printf("# '%s'\n", texts[i]);
      CHECK(!"looks numeric");
    }
  }
}

int main(void) {
  const struct check_case cases[] = {
      CASE(comparisons_are_those_of_sqlite), CASE(integers_are_filtered_as_they_are_matched),
      CASE(zone_maps_rule_out_what_is_outside), CASE(patterns_are_matched_as_sqlite_matches_them),
      CASE(texts_look_numeric_when_affinity_makes_numbers_of_them)};
  sqlite3_open(":memory:", &db);
  int result = check_run(cases, sizeof cases / sizeof *cases);
  for (int i = 0; i < LITERALS; i++) sqlite3_finalize(kept[i]);
  sqlite3_close(db);
  return result;
}
