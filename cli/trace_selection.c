/* SPDX-License-Identifier: MIT
 * Turns --where into trace ids: the expression stands in parentheses in one statement, so before it
 * gets there it is made sure that it does not close them itself. */
#include "cli/trace_selection.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "cli/messages.h"
#include "cli/time_argument.h"

/* Behind the quoted text or comment that begins at `at`; `at` if none does; NULL if it has no end.
 */
static const char *skip_quoted(const char *at) {
  if (at[0] == '-' && at[1] == '-') return at + strcspn(at, "\n");
  if (at[0] == '/' && at[1] == '*') {
    const char *end = strstr(at + 2, "*/");
    return end ? end + 2 : NULL;
  }
  if (!strchr("'\"`[", *at) || !*at) return at;
  const char *end =
      strchr(at + 1, *at == '[' ? ']' : *at); /* a doubled quote begins another text */
  return end ? end + 1 : NULL;
}

/* NULL, or what is wrong. */
static const char *find_fault(const char *expression) {
  int depth = 0;
  for (const char *at = expression; *at;) {
    const char *behind = skip_quoted(at);
    if (!behind) return "a quoted text or comment does not end";
    if (behind > at) {
      at = behind;
      continue;
    }
    if (*at == '(') depth++;
    if (*at == ')' && depth-- == 0) return "there is a ) without (";
    if (*at == ';') return "it is one expression, without ;";
    at++;
  }
  return depth > 0 ? "a ( is not closed" : NULL;
}

static void add_id(struct tk_selected_traces *selected, const char *text, size_t size) {
  if (selected->id_count == selected->id_capacity) {
    selected->id_capacity = selected->id_capacity ? selected->id_capacity * 2 : 64;
    selected->ids =
        tk_need_memory(realloc(selected->ids, selected->id_capacity * sizeof *selected->ids));
  }
  tk_trace_id_parse((struct tk_text){text, (uint32_t)size}, selected->ids[selected->id_count++]);
}

static int compare_ids(const void *a, const void *b) {
  return memcmp(a, b, 16);
}

/* Of the ids found, those that were named too, in the order they were found. */
static void intersect(struct tk_selected_traces *selected, const struct tk_text_list *named) {
  uint8_t(*ids)[16] = tk_need_memory(malloc(named->count * sizeof *ids));
  size_t kept = 0;
  for (size_t i = 0; i < named->count; i++) {
    tk_trace_id_parse((struct tk_text){named->items[i], (uint32_t)strlen(named->items[i])}, ids[i]);
  }
  qsort(ids, named->count, sizeof *ids, compare_ids);
  for (size_t i = 0; i < selected->id_count; i++) {
    if (!bsearch(selected->ids[i], ids, named->count, sizeof *ids, compare_ids)) continue;
    memmove(selected->ids[kept++], selected->ids[i], sizeof *ids);
  }
  selected->id_count = kept;
  free(ids);
}

static int find_matches(sqlite3 *db, const char *expression, struct tk_selected_traces *selected) {
  sqlite3_stmt *statement = NULL;
  const char *fault = find_fault(expression);
  if (fault) {
    tk_complain("--where: %s: %s", expression, fault);
    return TK_EXIT_USAGE;
  }
  /* The line feed ends a comment. */
  char *sql = sqlite3_mprintf("SELECT DISTINCT trace_id FROM spans WHERE (%s\n)", expression);
  tk_need_memory(sql);
  int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
  sqlite3_free(sql);
  if (rc == SQLITE_OK && sqlite3_bind_parameter_count(statement) > 0) {
    tk_complain("--where: %s: parameters have no values here", expression);
    sqlite3_finalize(statement);
    return TK_EXIT_USAGE;
  }
  while (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    if (text) add_id(selected, text, (size_t)sqlite3_column_bytes(statement, 0));
    rc = SQLITE_OK;
  }
  const int exit_code = rc == SQLITE_DONE ? TK_EXIT_OK : tk_complain_sqlite("--where", db, rc);
  sqlite3_finalize(statement);
  return exit_code;
}

static bool parse_times(sqlite3 *db, const struct tk_trace_selection *selection,
                        struct tk_scan_options *scan) {
  if (selection->since &&
      !tk_parse_time_argument(db, "since", selection->since, &scan->since_unix_ns)) {
    return false;
  }
  if (!selection->until) return true;
  if (!tk_parse_time_argument(db, "until", selection->until, &scan->until_unix_ns)) return false;
  if (scan->until_unix_ns == 0) { /* which is no limit: but nothing is before 1970 */
    scan->since_unix_ns = scan->until_unix_ns = 1;
  }
  return true;
}

int tk_select_traces(struct tk_store *store, const struct tk_trace_selection *selection,
                     struct tk_selected_traces *selected) {
  sqlite3 *db = tk_store_database(store);
  int exit_code = TK_EXIT_OK;
  *selected =
      (struct tk_selected_traces){.restricted = selection->where || selection->traces.count};
  if (!parse_times(db, selection, &selected->scan)) return TK_EXIT_USAGE;
  if (selection->where) {
    exit_code = find_matches(db, selection->where, selected);
    if (selection->traces.count > 0) intersect(selected, &selection->traces);
  } else {
    for (size_t i = 0; i < selection->traces.count; i++) {
      add_id(selected, selection->traces.items[i], strlen(selection->traces.items[i]));
    }
  }
  if (selected->restricted && !selected->ids) { /* none is not the same as all */
    selected->ids = tk_need_memory(malloc(sizeof *selected->ids));
  }
  selected->scan.trace_ids = (const uint8_t(*)[16])selected->ids;
  selected->scan.trace_id_count = selected->id_count;
  if (exit_code != TK_EXIT_OK) tk_selected_traces_reset(selected);
  return exit_code;
}

void tk_selected_traces_reset(struct tk_selected_traces *selected) {
  free(selected->ids);
  *selected = (struct tk_selected_traces){0};
}
