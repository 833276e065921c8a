/* SPDX-License-Identifier: MIT
 * tracekeep verify: the health of one run, as its envelopes say it and as its events say it. What
 * is asked is SQL (cli/verify/); here it is run and printed. */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/messages.h"
#include "cli/open_store.h"

extern const char tk_verify_gather_sql[];
extern const char tk_verify_health_sql[];
extern const char tk_verify_json_sql[];

struct verify_options {
  const char *run;
  const char *format;
};

static const struct tk_option verify_options[] = {
    {.name = "run",
     .letter = 'r',
     .type = TK_OPTION_TEXT,
     .value = "ID",
     .help = "the run; default: the only one, or the latest",
     .offset = offsetof(struct verify_options, run)},
    {.name = "format",
     .letter = 'f',
     .type = TK_OPTION_CHOICE,
     .value = "text|json",
     .help = "default: text",
     .offset = offsetof(struct verify_options, format)},
    {0},
};

/* Runs statements, with ?1 the run's id, and prints the first column of their rows. */
static int run_script(sqlite3 *db, const char *sql, const char *run) {
  for (const char *at = sql; *at;) {
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, at, -1, &statement, &at);
    if (rc == SQLITE_OK && !statement) break; /* white space, comments */
    if (rc == SQLITE_OK && sqlite3_bind_parameter_count(statement) > 0) {
      rc = sqlite3_bind_text(statement, 1, run, -1, SQLITE_STATIC);
    }
    while (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
      const unsigned char *line = sqlite3_column_text(statement, 0);
      if (line) printf("%s\n", (const char *)line);
      rc = SQLITE_OK;
    }
    const int exit_code = rc == SQLITE_DONE ? TK_EXIT_OK : tk_complain_sqlite("verify", db, rc);
    sqlite3_finalize(statement);
    if (exit_code != TK_EXIT_OK) return exit_code;
  }
  return TK_EXIT_OK;
}

/* First column of the first row, freed with sqlite3_free; NULL: no row, or *exit_code says why. */
static char *ask_text(sqlite3 *db, const char *sql, const char *run, int *exit_code) {
  sqlite3_stmt *statement = NULL;
  char *text = NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
  if (rc == SQLITE_OK && run) rc = sqlite3_bind_text(statement, 1, run, -1, SQLITE_STATIC);
  if (rc == SQLITE_OK) rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW && sqlite3_column_text(statement, 0)) {
    text = tk_need_memory(sqlite3_mprintf("%s", sqlite3_column_text(statement, 0)));
  } else if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
    *exit_code = tk_complain_sqlite("verify", db, rc);
  }
  sqlite3_finalize(statement);
  return text;
}

static char *choose_run(sqlite3 *db, const char *wanted, int *exit_code) {
  char *run = wanted ? ask_text(db, "SELECT run_id FROM runs WHERE run_id = ?1", wanted, exit_code)
                     : ask_text(db,
                                "SELECT run_id FROM runs"
                                " ORDER BY envelopes > 0 DESC, julianday(last_seen) DESC, run_id",
                                NULL, exit_code);
  if (run || *exit_code != TK_EXIT_OK) return run;
  if (wanted) {
    tk_complain("verify: no run '%s'; `tracekeep report STORE runs` lists them", wanted);
  } else {
    tk_complain("verify: no run is stored; ingest a report envelope, or events with --run-id");
  }
  *exit_code = TK_EXIT_FINDINGS;
  return NULL;
}

static int verify_run(sqlite3 *db, const struct verify_options *options, const char *run) {
  const bool as_json = strcmp(options->format, "json") == 0;
  int exit_code = run_script(db, tk_verify_gather_sql, run);
  if (exit_code == TK_EXIT_OK && !as_json) printf("run %s\n", run);
  if (exit_code == TK_EXIT_OK) {
    exit_code = run_script(db, as_json ? tk_verify_json_sql : tk_verify_health_sql, run);
  }
  if (exit_code != TK_EXIT_OK) return exit_code;
  char *verdict = ask_text(db, "SELECT verdict FROM verdict", NULL, &exit_code);
  if (verdict && strcmp(verdict, "valid") != 0 && strcmp(verdict, "unknown") != 0) {
    exit_code = TK_EXIT_FINDINGS;
  }
  sqlite3_free(verdict);
  return exit_code;
}

static int run_verify(const struct tk_command *command, int argc, char **argv) {
  struct verify_options options = {.format = "text"};
  struct tk_store *store = NULL;
  int exit_code = TK_EXIT_OK;
  if (tk_options_parse(command, argc, argv, &options, &exit_code) < 0) return exit_code;

  exit_code = tk_open_store_for_reading(argv[0], &store);
  if (!store) return exit_code;
  sqlite3 *db = tk_store_database(store);
  char *run = choose_run(db, options.run, &exit_code);
  if (run) exit_code = verify_run(db, &options, run);
  sqlite3_free(run);
  tk_store_close(store);
  return exit_code;
}

const struct tk_command tk_cmd_verify = {
    .name = "verify",
    .arguments = "STORE",
    .summary = "check a verification run once more",
    .description =
        "Prints the health of a run as its report envelopes state it, checks its stored events "
        "again\n"
        "by the rules of its domain, and says where what was stored and what was recomputed "
        "differ.\n"
        "The verdict is valid, invalid, differs (valid on both sides, but not for the same "
        "reasons)\n"
        "or unknown (nothing stored says). Exit code 1: invalid, differs, or no such run.",
    .examples =
        "  tracekeep verify traces.db\n"
        "  tracekeep verify traces.db --run 7310482265\n"
        "  tracekeep verify traces.db --run 7310482265 --format json | jq .verdict\n",
    .options = verify_options,
    .run = run_verify,
    .operand_min = 1,
    .operand_max = 1,
};
