/* SPDX-License-Identifier: MIT
 * tracekeep rules: the trace-quality rules of a store, and what is set for them. Settings are rows
 * of tk_rule_setting; which rules there are, the table quality_rules says. */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/messages.h"
#include "cli/open_store.h"
#include "cli/output/writer.h"
#include "cli/sql_result.h"
#include "cli/terminal.h"
#include "tracekeep/extension.h"
#include "tracekeep/store.h"

enum { MOST_RULES = 128, RULE_SIZE = 64 };

struct rules_options {
  const char *format;
  struct tk_text_list on, off, thresholds, reset;
};

static const struct tk_option rules_options[] = {
    {.name = "off",
     .type = TK_OPTION_LIST,
     .value = "RULE",
     .help = "switch a rule off; may be repeated, as all of these",
     .offset = offsetof(struct rules_options, off)},
    {.name = "on",
     .type = TK_OPTION_LIST,
     .value = "RULE",
     .help = "switch a rule on",
     .offset = offsetof(struct rules_options, on)},
    {.name = "threshold",
     .type = TK_OPTION_LIST,
     .value = "RULE=N",
     .help = "the largest number a rule lets pass; units are in the list",
     .offset = offsetof(struct rules_options, thresholds)},
    {.name = "reset",
     .type = TK_OPTION_LIST,
     .value = "RULE",
     .help = "back to how the rule comes",
     .offset = offsetof(struct rules_options, reset)},
    {.name = "format",
     .letter = 'f',
     .type = TK_OPTION_CHOICE,
     .value = TK_WRITER_FORMATS,
     .help = "default: table on a terminal, else csv",
     .offset = offsetof(struct rules_options, format)},
    {0},
};

/* The rules there are, and which of them have a threshold. */
struct catalogue {
  char ids[MOST_RULES][RULE_SIZE];
  bool has_threshold[MOST_RULES];
  size_t count;
};

static int read_catalogue(sqlite3 *db, struct catalogue *catalogue) {
  sqlite3_stmt *statement = NULL;
  int rc = sqlite3_prepare_v2(db,
                              "SELECT id, default_threshold IS NOT NULL FROM quality_rules"
                              " WHERE stage IS NOT NULL",
                              -1, &statement, NULL);
  while (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
    rc = SQLITE_OK;
    if (catalogue->count == MOST_RULES) continue;
    snprintf(catalogue->ids[catalogue->count], RULE_SIZE, "%s",
             (const char *)sqlite3_column_text(statement, 0));
    catalogue->has_threshold[catalogue->count++] = sqlite3_column_int(statement, 1);
  }
  if (rc == SQLITE_DONE) rc = SQLITE_OK;
  int exit_code = rc == SQLITE_OK ? TK_EXIT_OK : tk_complain_sqlite("rules", db, rc);
  sqlite3_finalize(statement);
  return exit_code;
}

/* The number of the rule that the first `size` bytes of `text` name; -1, with a complaint: none. */
static int find_rule(const struct catalogue *catalogue, const char *text, size_t size) {
  const char *names[MOST_RULES];
  char name[RULE_SIZE];
  for (size_t i = 0; i < catalogue->count; i++) {
    names[i] = catalogue->ids[i];
    if (strlen(names[i]) == size && memcmp(names[i], text, size) == 0) return (int)i;
  }
  snprintf(name, sizeof name, "%.*s", (int)(size < RULE_SIZE ? size : RULE_SIZE - 1), text);
  const char *similar = tk_similar_name(name, names, catalogue->count);
  if (similar) {
    tk_complain("rules: no rule '%s'; did you mean '%s'?", name, similar);
  } else {
    tk_complain("rules: no rule '%s'; `tracekeep rules STORE` lists them", name);
  }
  return -1;
}

/* ---- settings ---- */

static bool run(sqlite3 *db, const char *sql, const char *rule, sqlite3_int64 value) {
  sqlite3_stmt *statement = NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
  if (rc == SQLITE_OK) {
    if (rule) sqlite3_bind_text(statement, 1, rule, -1, SQLITE_STATIC);
    if (sqlite3_bind_parameter_count(statement) > 1) sqlite3_bind_int64(statement, 2, value);
    rc = sqlite3_step(statement);
  }
  if (rc != SQLITE_DONE) tk_complain_sqlite("rules", db, rc);
  sqlite3_finalize(statement);
  return rc == SQLITE_DONE;
}

static int change_all(sqlite3 *db, const struct catalogue *catalogue,
                      const struct tk_text_list *list, const char *sql, sqlite3_int64 value) {
  for (size_t i = 0; i < list->count; i++) {
    const int rule = find_rule(catalogue, list->items[i], strlen(list->items[i]));
    if (rule < 0) return TK_EXIT_USAGE;
    if (!run(db, sql, catalogue->ids[rule], value)) return TK_EXIT_IO;
  }
  return TK_EXIT_OK;
}

static bool read_number(const char *text, sqlite3_int64 *number) {
  char *end;
  errno = 0;
  const long long value = strtoll(text, &end, 10);
  if (*text < '0' || *text > '9' || *end || errno) return false;
  *number = value;
  return true;
}

static int change_threshold(sqlite3 *db, const struct catalogue *catalogue, const char *text) {
  static const char sql[] =
      "INSERT INTO tk_rule_setting(rule, threshold) VALUES (?1, ?2)"
      " ON CONFLICT(rule) DO UPDATE SET threshold = ?2";
  const size_t size = strcspn(text, "=");
  sqlite3_int64 number;
  if (text[size] != '=' || !read_number(text + size + 1, &number)) {
    tk_complain("rules: expected --threshold RULE=N, with a whole number, found '%s'", text);
    return TK_EXIT_USAGE;
  }
  const int rule = find_rule(catalogue, text, size);
  if (rule < 0) return TK_EXIT_USAGE;
  if (!catalogue->has_threshold[rule]) {
    tk_complain("rules: %s has no threshold", catalogue->ids[rule]);
    return TK_EXIT_USAGE;
  }
  return run(db, sql, catalogue->ids[rule], number) ? TK_EXIT_OK : TK_EXIT_IO;
}

static int change_settings(const struct rules_options *options, sqlite3 *db) {
  static const char enable[] =
      "INSERT INTO tk_rule_setting(rule, enabled) VALUES (?1, ?2)"
      " ON CONFLICT(rule) DO UPDATE SET enabled = ?2";
  struct catalogue *catalogue = tk_need_memory(calloc(1, sizeof *catalogue));
  int exit_code = run(db, "BEGIN IMMEDIATE", NULL, 0) ? TK_EXIT_OK : TK_EXIT_IO;
  if (exit_code == TK_EXIT_OK) exit_code = read_catalogue(db, catalogue);
  if (exit_code == TK_EXIT_OK) {
    exit_code = change_all(db, catalogue, &options->reset,
                           "DELETE FROM tk_rule_setting WHERE rule = ?1", 0);
  }
  if (exit_code == TK_EXIT_OK) exit_code = change_all(db, catalogue, &options->off, enable, 0);
  if (exit_code == TK_EXIT_OK) exit_code = change_all(db, catalogue, &options->on, enable, 1);
  for (size_t i = 0; i < options->thresholds.count && exit_code == TK_EXIT_OK; i++) {
    exit_code = change_threshold(db, catalogue, options->thresholds.items[i]);
  }
  if (exit_code == TK_EXIT_OK && !run(db, "COMMIT", NULL, 0)) exit_code = TK_EXIT_IO;
  if (!sqlite3_get_autocommit(db)) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
  free(catalogue);
  return exit_code;
}

static int open_for_change(const char *path, struct tk_store **store_out) {
  struct tk_error error = {0};
  enum tk_status status = tk_store_open(path, TK_OPEN_WRITE, store_out, &error);
  if (status != TK_OK) return tk_complain_status(path, status, &error);
  int rc = sqlite3_tracekeep_init(tk_store_database(*store_out), NULL, NULL);
  if (rc == SQLITE_OK) return TK_EXIT_OK;
  return tk_complain_sqlite(path, tk_store_database(*store_out), rc);
}

/* ---- the list ---- */

static int list_rules(const struct rules_options *options, sqlite3 *db) {
  static const char sql[] =
      "SELECT id AS rule, stage, severity, CASE enabled WHEN 1 THEN 'on' WHEN 0 THEN 'off' END AS "
      "state, threshold, unit, description FROM quality_rules";
  struct tk_terminal terminal = tk_terminal_of(stdout);
  const char *format = options->format ? options->format : terminal.is_terminal ? "table" : "csv";
  struct tk_writer writer = {.format = tk_writer_format_find(format),
                             .out = stdout,
                             .width = terminal.width,
                             .colour = terminal.colour};
  sqlite3_stmt *statement = NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
  if (rc == SQLITE_OK) rc = tk_sql_write_result(&writer, statement);
  int exit_code = rc == SQLITE_DONE ? TK_EXIT_OK : tk_complain_sqlite("rules", db, rc);
  sqlite3_finalize(statement);
  if (tk_writer_close(&writer) && exit_code == TK_EXIT_OK) exit_code = TK_EXIT_IO;
  return exit_code;
}

static int run_rules(const struct tk_command *command, int argc, char **argv) {
  struct rules_options options = {0};
  struct tk_store *store = NULL;
  int exit_code = TK_EXIT_OK;
  if (tk_options_parse(command, argc, argv, &options, &exit_code) >= 0) {
    const bool changes =
        options.on.count + options.off.count + options.thresholds.count + options.reset.count > 0;
    exit_code =
        changes ? open_for_change(argv[0], &store) : tk_open_store_for_reading(argv[0], &store);
    if (exit_code == TK_EXIT_OK) {
      sqlite3 *db = tk_store_database(store);
      exit_code = changes ? change_settings(&options, db) : list_rules(&options, db);
    }
    tk_store_close(store);
  }
  tk_text_list_reset(&options.on);
  tk_text_list_reset(&options.off);
  tk_text_list_reset(&options.thresholds);
  tk_text_list_reset(&options.reset);
  return exit_code;
}

const struct tk_command tk_cmd_rules = {
    .name = "rules",
    .arguments = "STORE",
    .summary = "list and set the rules of trace quality",
    .description =
        "Lists the rules that the table quality_issues evaluates, or changes what a store sets\n"
        "for them: which are on, and the largest numbers they let pass. docs/validation.md explains\n"
        "each. Nothing is evaluated by this command.",
    .examples =
        "  tracekeep rules traces.db\n"
        "  tracekeep rules traces.db --off kind.unspecified --threshold attr.too_long=16384\n"
        "  tracekeep rules traces.db --on secret.suspect\n",
    .options = rules_options,
    .run = run_rules,
    .operand_min = 1,
    .operand_max = 1,
};
