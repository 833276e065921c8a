/* SPDX-License-Identifier: MIT
 * Times on the command line mean what they mean in SQL: the extension parses them. */
#include "cli/time_argument.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "cli/messages.h"

bool tk_parse_interval_argument(const char *option, const char *text, uint64_t *ms_out) {
  static const struct {
    const char *unit;
    uint64_t ms;
  } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
  const size_t digits = strspn(text, "0123456789");
  for (size_t i = 0; digits > 0 && digits < 10 && i < sizeof units / sizeof units[0]; i++) {
    if (strcmp(text + digits, units[i].unit) != 0) continue;
    *ms_out = strtoull(text, NULL, 10) * units[i].ms;
    return true;
  }
  tk_complain("--%s: expected a length of time such as 500ms, 2s or 5m, not '%s'", option, text);
  return false;
}

bool tk_parse_time_argument(sqlite3 *db, const char *option, const char *text,
                            uint64_t *unix_ns_out) {
  sqlite3_stmt *statement = NULL;
  bool parsed = false;
  if (text[0] && strspn(text, "0123456789") == strlen(text) && strlen(text) <= 19) {
    *unix_ns_out = strtoull(text, NULL, 10);
    return true;
  }
  if (sqlite3_prepare_v2(db, "SELECT parse_time(?1)", -1, &statement, NULL) == SQLITE_OK) {
    sqlite3_bind_text(statement, 1, text, -1, SQLITE_STATIC);
    if (sqlite3_step(statement) == SQLITE_ROW &&
        sqlite3_column_type(statement, 0) == SQLITE_INTEGER) {
      *unix_ns_out = (uint64_t)sqlite3_column_int64(statement, 0);
      parsed = true;
    }
  }
  sqlite3_finalize(statement);
  if (!parsed) {
    tk_complain(
        "--%s: expected a time such as 2026-11-20T13:00:00Z, -1h or unix nanoseconds, not '%s'",
        option, text);
  }
  return parsed;
}
