/* SPDX-License-Identifier: MIT
 * Scalar functions over times and durations: time_bucket, format_duration, parse_duration,
 * format_time, parse_time. docs/schema.md, "Functions", says what each takes and gives.
 *
 * All of them give NULL for NULL. Text that is constant in a statement is parsed once: the result
 * stays with the statement as auxiliary data, which is also why `now` is one instant throughout it.
 */
#include <stdbool.h>
#include <time.h>

#include "sqlext/functions/functions.h"
#include "sqlext/functions/time_text.h"
#include "store/sqlite_api.h"

static struct tk_text text_of(sqlite3_value *value) {
  const char *data = (const char *)sqlite3_value_text(value);
  struct tk_text text = {data, data ? (uint32_t)sqlite3_value_bytes(value) : 0};
  return text;
}

static int64_t current_time_ns(void) {
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return 0;
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static enum tk_status parse_duration_text(struct tk_text text, int64_t *value,
                                          struct tk_error *error) {
  return tk_duration_parse(text, value, error);
}

static enum tk_status parse_time_text(struct tk_text text, int64_t *value, struct tk_error *error) {
  return tk_time_parse(text, current_time_ns(), value, error);
}

static const char *name_type(sqlite3_value *value) {
  static const char *const names[] = {[SQLITE_INTEGER] = "INTEGER",
                                      [SQLITE_FLOAT] = "REAL",
                                      [SQLITE_TEXT] = "TEXT",
                                      [SQLITE_BLOB] = "BLOB",
                                      [SQLITE_NULL] = "NULL"};
  return names[sqlite3_value_type(value)];
}

typedef enum tk_status parse_text(struct tk_text text, int64_t *value, struct tk_error *error);

/* Argument `index` as nanoseconds: an integer as it is, text through `parse` (NULL: no text).
 * False: the result of the function was set to an error. */
static bool argument_ns(sqlite3_context *context, sqlite3_value **values, int index,
                        const char *what, parse_text *parse, int64_t *ns) {
  struct tk_error error = {{0}};
  const int64_t *known;
  int64_t *kept;
  bool takes_text = parse != NULL;

  switch (sqlite3_value_type(values[index])) {
    case SQLITE_INTEGER:
      *ns = sqlite3_value_int64(values[index]);
      return true;
    case SQLITE_TEXT:
      break;
    default:
      parse = NULL;
      break;
  }
  if (!parse) {
    tk_fail(&error, TK_INVALID, "%s: expected integer nanoseconds%s as argument %d, found %s", what,
            takes_text ? " or text" : "", index + 1, name_type(values[index]));
    sqlite3_result_error(context, error.message, -1);
    return false;
  }
  if ((known = sqlite3_get_auxdata(context, index))) {
    *ns = *known;
    return true;
  }
  struct tk_text text = text_of(values[index]);
  if (!text.data) {
    sqlite3_result_error_nomem(context);
    return false;
  }
  if (parse(text, ns, &error) != TK_OK) {
    sqlite3_result_error(context, error.message, -1);
    return false;
  }
  if ((kept = sqlite3_malloc64(sizeof *kept))) { /* without it the text is parsed again, no more */
    *kept = *ns;
    sqlite3_set_auxdata(context, index, kept, sqlite3_free);
  }
  return true;
}

static bool any_null(int count, sqlite3_value **values) {
  for (int i = 0; i < count; i++) {
    if (sqlite3_value_type(values[i]) == SQLITE_NULL) return true;
  }
  return false;
}

/* time_bucket(ns, width [, origin]): the start of the bucket that holds `ns`. */
static void time_bucket(sqlite3_context *context, int count, sqlite3_value **values) {
  int64_t ns, width, origin = 0, distance;

  if (any_null(count, values)) return;
  if (!argument_ns(context, values, 0, "time_bucket", NULL, &ns)) return;
  if (!argument_ns(context, values, 1, "time_bucket", parse_duration_text, &width)) return;
  if (count > 2 && !argument_ns(context, values, 2, "time_bucket", NULL, &origin)) return;
  if (width <= 0) {
    sqlite3_result_error(context, "time_bucket: expected a width above zero", -1);
    return;
  }
  /* Both reduced first: neither difference can leave the range. */
  distance = (ns % width - origin % width) % width;
  if (distance < 0) distance += width;
  if (__builtin_sub_overflow(ns, distance, &ns)) {
    sqlite3_result_error(context, "time_bucket: the bucket begins before the year 1677", -1);
    return;
  }
  sqlite3_result_int64(context, ns);
}

static void format_ns(sqlite3_context *context, sqlite3_value *value, const char *name,
                      void (*format)(int64_t ns, char text[TK_FORMATTED_SIZE])) {
  char text[TK_FORMATTED_SIZE];
  char message[100];

  switch (sqlite3_value_type(value)) {
    case SQLITE_NULL:
      return;
    case SQLITE_INTEGER:
      format(sqlite3_value_int64(value), text);
      sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
      return;
    case SQLITE_FLOAT: { /* avg() and quantile() of nanoseconds are REAL */
      double real = sqlite3_value_double(value);
      if (real >= -9.2233720368547758e18 && real < 9.2233720368547758e18) {
        format((int64_t)(real < 0 ? real - 0.5 : real + 0.5), text);
        sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
        return;
      }
      break;
    }
    default:
      break;
  }
  sqlite3_snprintf(sizeof message, message, "%s: expected nanoseconds as a number", name);
  sqlite3_result_error(context, message, -1);
}

static void format_duration(sqlite3_context *context, int count, sqlite3_value **values) {
  (void)count;
  format_ns(context, values[0], "format_duration", tk_duration_format);
}

static void format_time(sqlite3_context *context, int count, sqlite3_value **values) {
  (void)count;
  format_ns(context, values[0], "format_time", tk_time_format);
}

static void parse_duration(sqlite3_context *context, int count, sqlite3_value **values) {
  int64_t ns;
  if (any_null(count, values)) return;
  if (argument_ns(context, values, 0, "parse_duration", parse_duration_text, &ns)) {
    sqlite3_result_int64(context, ns);
  }
}

static void parse_time(sqlite3_context *context, int count, sqlite3_value **values) {
  int64_t ns;
  if (any_null(count, values)) return;
  if (argument_ns(context, values, 0, "parse_time", parse_time_text, &ns)) {
    sqlite3_result_int64(context, ns);
  }
}

int tk_register_time_functions(sqlite3 *db) {
  /* What can say `now` is not deterministic. */
  static const struct {
    const char *name;
    int argument_count, flags;
    void (*call)(sqlite3_context *, int, sqlite3_value **);
  } functions[] = {
      {"time_bucket", 2, SQLITE_DETERMINISTIC, time_bucket},
      {"time_bucket", 3, SQLITE_DETERMINISTIC, time_bucket},
      {"format_duration", 1, SQLITE_DETERMINISTIC, format_duration},
      {"parse_duration", 1, SQLITE_DETERMINISTIC, parse_duration},
      {"format_time", 1, SQLITE_DETERMINISTIC, format_time},
      {"parse_time", 1, 0, parse_time},
  };
  int rc = SQLITE_OK;
  for (size_t i = 0; rc == SQLITE_OK && i < sizeof functions / sizeof functions[0]; i++) {
    rc = sqlite3_create_function_v2(db, functions[i].name, functions[i].argument_count,
                                    SQLITE_UTF8 | SQLITE_INNOCUOUS | functions[i].flags, NULL,
                                    functions[i].call, NULL, NULL, NULL);
  }
  return rc;
}
