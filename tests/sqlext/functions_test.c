/* SPDX-License-Identifier: MIT
 * Functions against plain computations on random input, and without memory. What they give for
 * given input is in tests/golden/functions. */
#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>

#include "sqlext/functions/time_text.h"
#include "sqlext/registration.h"
#include "tests/support/check.h"
#include "tests/support/fault_memory.h"

static uint64_t random_state = 42;

static uint64_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

static sqlite3 *open_memory(void) {
  sqlite3 *db;
  CHECK(sqlite3_open(":memory:", &db) == SQLITE_OK);
  CHECK(tk_register_functions(db) == SQLITE_OK);
  return db;
}

static struct tk_text text_of(const char *text) {
  return (struct tk_text){text, (uint32_t)strlen(text)};
}

/* Of every order of magnitude. */
static int64_t random_ns(void) {
  return (int64_t)(next_random() >> (next_random() % 64)) * (next_random() % 2 ? 1 : -1);
}

static void times_read_back_as_they_were_written(void) {
  char text[TK_FORMATTED_SIZE];
  for (int i = 0; i < 100000; i++) {
    const int64_t ns = i == 0 ? INT64_MIN : i == 1 ? INT64_MAX : random_ns();
    int64_t back = 0;
    tk_time_format(ns, text);
    CHECK(strlen(text) == 30);
    CHECK(tk_time_parse(text_of(text), 0, &back, NULL) == TK_OK && back == ns);
    if (check_failures) return;
  }
}

static void formatted_durations_are_near_and_parse(void) {
  char text[TK_FORMATTED_SIZE];
  for (int i = 0; i < 100000; i++) {
    const int64_t ns = random_ns() / 2;
    int64_t back = 0;
    tk_duration_format(ns, text);
    CHECK(tk_duration_parse(text_of(text), &back, NULL) == TK_OK);
    const double off = (double)back - (double)ns;
    const double allowed = (ns < 0 ? -(double)ns : (double)ns) / 47; /* 1h 0m is 1h 29s at worst */
    CHECK(off <= allowed && off >= -allowed);
    if (check_failures) {
      printf("# %lld: %s\n", (long long)ns, text);
      return;
    }
  }
}

static void any_bytes_are_refused_or_parsed(void) {
  static const char letters[] = "0123456789.-+: TZnusmhdw\xC2\xB5";
  char text[24];
  for (int i = 0; i < 200000; i++) {
    const uint32_t size = (uint32_t)(next_random() % sizeof text);
    int64_t ns;
    for (uint32_t c = 0; c < size; c++) {
      text[c] = letters[next_random() % (sizeof letters - 1)];
    }
    char *copy = malloc(size + 1); /* so that a sanitizer sees reads behind the end */
    if (size > 0) memcpy(copy, text, size);
    const struct tk_text given = {copy, size};
    (void)tk_duration_parse(given, &ns, NULL);
    (void)tk_time_parse(given, 0, &ns, NULL);
    free(copy);
  }
  CHECK(tk_duration_parse((struct tk_text){NULL, 0}, &(int64_t){0}, NULL) == TK_INVALID);
}

static int compare(const void *left, const void *right) {
  const double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

static double naive_quantile(const double *sorted, size_t count, double q) {
  const double position = q * (double)(count - 1);
  const size_t at = (size_t)position;
  if (at + 1 >= count) return sorted[count - 1];
  return sorted[at] + (sorted[at + 1] - sorted[at]) * (position - (double)at);
}

/* Shapes that selection could fall over: equal values, sorted ones, few distinct ones, huge ones.
 */
static double shaped(int shape, int i, int count) {
  switch (shape) {
    case 0:
      return 7;
    case 1:
      return i;
    case 2:
      return count - i;
    case 3:
      return (double)(next_random() % 3);
    case 4:
      return i % 2 ? i : -i;
    case 5:
      return (double)(next_random() % 1000000) / 7 - 70000;
    default:
      return (double)(next_random() % 1000);
  }
}

static void quantiles_are_those_of_the_sorted_values(void) {
  static const double quantiles[] = {0, 0.01, 0.25, 0.5, 0.9, 0.99, 1};
  sqlite3 *db = open_memory();
  sqlite3_stmt *insert, *ask;
  static double values[6000];

  CHECK(sqlite3_exec(db, "CREATE TABLE t(x)", 0, 0, 0) == SQLITE_OK);
  CHECK(sqlite3_prepare_v2(db, "INSERT INTO t VALUES (?)", -1, &insert, 0) == SQLITE_OK);
  CHECK(sqlite3_prepare_v2(db, "SELECT quantile(x, ?) FROM t", -1, &ask, 0) == SQLITE_OK);
  for (int round = 0; round < 70; round++) {
    const int count = 1 + (int)(next_random() % (round < 35 ? 40 : 6000));
    sqlite3_exec(db, "DELETE FROM t; BEGIN", 0, 0, 0);
    for (int i = 0; i < count; i++) {
      values[i] = shaped(round % 7, i, count);
      if (values[i] == (double)(int64_t)values[i] && round % 3) {
        sqlite3_bind_int64(insert, 1, (int64_t)values[i]);
      } else {
        sqlite3_bind_double(insert, 1, values[i]);
      }
      sqlite3_step(insert);
      sqlite3_reset(insert);
    }
    sqlite3_exec(db, "COMMIT", 0, 0, 0);
    qsort(values, (size_t)count, sizeof *values, compare);
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
      sqlite3_bind_double(ask, 1, quantiles[i]);
      CHECK(sqlite3_step(ask) == SQLITE_ROW);
      const double found = sqlite3_column_double(ask, 0);
      const double off = found - naive_quantile(values, (size_t)count, quantiles[i]);
      CHECK(sqlite3_column_type(ask, 0) == SQLITE_FLOAT);
      CHECK(off < 1e-9 && off > -1e-9);
      sqlite3_reset(ask);
    }
  }
  sqlite3_finalize(insert);
  sqlite3_finalize(ask);
  sqlite3_close(db);
}

static void a_window_gives_what_its_rows_alone_give(void) {
  sqlite3 *db = open_memory();
  sqlite3_stmt *ask;
  CHECK(sqlite3_exec(db,
                     "CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1"
                     " FROM n WHERE i < 300) SELECT i, CASE WHEN i % 7 THEN (i * 7919) % 101 + (i %"
                     " 5 = 0) * 0.5 END AS x FROM n",
                     0, 0, 0) == SQLITE_OK);
  CHECK(sqlite3_prepare_v2(
            db,
            "SELECT count(*), sum(w IS NOT (SELECT quantile(x, 0.3) FROM t AS r"
            " WHERE r.i BETWEEN s.i - 4 AND s.i + 2)) FROM (SELECT i, quantile(x, 0.3) OVER (ORDER"
            " BY i ROWS BETWEEN 4 PRECEDING AND 2 FOLLOWING) AS w FROM t) AS s",
            -1, &ask, 0) == SQLITE_OK);
  CHECK(sqlite3_step(ask) == SQLITE_ROW);
  CHECK(sqlite3_column_int(ask, 0) == 300);
  CHECK(sqlite3_column_int(ask, 1) == 0);
  sqlite3_finalize(ask);
  sqlite3_close(db);
}

static void every_function_survives_without_memory(void) {
  static const char *const queries[] = {
      "SELECT quantile(column1, 0.5), median(column1) FROM (VALUES (1), (2.5), (3))",
      "SELECT attr('{\"a\\u0062\":\"x\\n\"}', 'ab'), time_bucket(5, '1s'), parse_time('now') > 0",
      "SELECT format_time(5), format_duration(5), parse_duration('1s')",
  };
  for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
    int reached = 0;
    for (int nth = 1; nth < 5000; nth++) {
      sqlite3 *db = open_memory();
      fault_memory_fail_at(nth);
      const int rc = sqlite3_exec(db, queries[i], 0, 0, 0);
      const int hits = fault_memory_hits();
      fault_memory_fail_at(0);
      CHECK(rc == SQLITE_NOMEM || rc == SQLITE_OK);
      CHECK(hits > 0 || rc == SQLITE_OK);
      sqlite3_close(db);
      reached = nth;
      if (hits == 0) break;
    }
    CHECK(reached > 5 && reached < 4999);
  }
  CHECK(sqlite3_memory_used() == 0);
}

int main(void) {
  static const struct check_case cases[] = {
      CASE(times_read_back_as_they_were_written),    CASE(formatted_durations_are_near_and_parse),
      CASE(any_bytes_are_refused_or_parsed),         CASE(quantiles_are_those_of_the_sorted_values),
      CASE(a_window_gives_what_its_rows_alone_give), CASE(every_function_survives_without_memory),
  };
  fault_memory_install();
  return check_run(cases, (int)(sizeof cases / sizeof cases[0]));
}
