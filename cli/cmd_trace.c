/* SPDX-License-Identifier: MIT
 * tracekeep trace: one trace as a waterfall. The drawing is in output/waterfall.c. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/messages.h"
#include "cli/open_store.h"
#include "cli/output/waterfall.h"
#include "cli/terminal.h"
#include "tracekeep/scan.h"

enum { DEFAULT_WIDTH = 100, DEFAULT_LIMIT = 500, NAMED_CANDIDATES = 5 };

struct trace_options {
  unsigned width, max_depth, limit;
  bool events, attributes, ascii;
};

static const struct tk_option trace_options[] = {
    {.name = "attributes",
     .letter = 'a',
     .type = TK_OPTION_FLAG,
     .help = "show the attributes of every span",
     .offset = offsetof(struct trace_options, attributes)},
    {.name = "events",
     .letter = 'e',
     .type = TK_OPTION_FLAG,
     .help = "show events and links",
     .offset = offsetof(struct trace_options, events)},
    {.name = "max-depth",
     .type = TK_OPTION_NUMBER,
     .value = "N",
     .help = "draw N levels; (+7) says what is below",
     .offset = offsetof(struct trace_options, max_depth)},
    {.name = "limit",
     .type = TK_OPTION_NUMBER,
     .value = "N",
     .help = "draw N spans (500); 0: all",
     .offset = offsetof(struct trace_options, limit)},
    {.name = "width",
     .letter = 'w',
     .type = TK_OPTION_NUMBER,
     .value = "N",
     .help = "columns of a line; default: the terminal's, else 100",
     .offset = offsetof(struct trace_options, width)},
    {.name = "ascii",
     .type = TK_OPTION_FLAG,
     .help = "draw with ASCII only",
     .offset = offsetof(struct trace_options, ascii)},
    {0},
};

/* Ids that begin with `prefix`, for a person who typed only that: the one there is, as memory to
 * free; NULL otherwise, with a complaint when there are several. */
static char *find_by_prefix(struct tk_store *store, const char *prefix, int *exit_code) {
  sqlite3_stmt *statement = NULL;
  char *found = NULL;
  char candidates[NAMED_CANDIDATES * 40 + 1] = "";
  int count = 0;
  int rc = sqlite3_prepare_v2(
      tk_store_database(store),
      "SELECT DISTINCT trace_id FROM traces WHERE substr(trace_id, 1, length(?1)) = lower(?1)", -1,
      &statement, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_bind_text(statement, 1, prefix, -1, SQLITE_STATIC);
  while (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
    rc = SQLITE_OK;
    const char *id = (const char *)sqlite3_column_text(statement, 0);
    if (count == 0) found = tk_need_memory(strdup(id ? id : ""));
    size_t used = strlen(candidates);
    if (count < NAMED_CANDIDATES) {
      snprintf(candidates + used, sizeof candidates - used, "\n  %.36s", id ? id : "");
    }
    if (++count > NAMED_CANDIDATES) break;
  }
  if (rc != SQLITE_OK && rc != SQLITE_DONE) {
    *exit_code = tk_complain_sqlite("trace", tk_store_database(store), rc);
  }
  sqlite3_finalize(statement);
  if (count == 1) return found;
  free(found);
  if (count > 1) {
    tk_complain("several traces begin with '%s':%s%s", prefix, candidates,
                count > NAMED_CANDIDATES ? "\n  ..." : "");
    *exit_code = TK_EXIT_FINDINGS;
  }
  return NULL;
}

/* Draws the trace with this id. *found_out: there is one. */
static int draw_trace(struct tk_store *store, const char *store_name, const char *id_text,
                      const struct tk_waterfall_options *options, bool *found_out) {
  uint8_t id[1][16];
  struct tk_scan *scan = NULL;
  const struct tk_trace *trace = NULL;
  struct tk_error error = {0};
  int exit_code = TK_EXIT_OK;
  tk_trace_id_parse((struct tk_text){id_text, (uint32_t)strlen(id_text)}, id[0]);
  struct tk_scan_options scan_options = {.trace_ids = (const uint8_t(*)[16])id,
                                         .trace_id_count = 1};
  enum tk_status status = tk_scan_open(store, &scan_options, &scan, &error);
  if (status == TK_OK) status = tk_scan_next(scan, &trace, &error);
  *found_out = status == TK_OK && trace;
  if (status != TK_OK) exit_code = tk_complain_status(store_name, status, &error);
  if (*found_out && !tk_waterfall_write(trace, options, stdout)) {
    tk_complain("cannot write the trace");
    exit_code = TK_EXIT_IO;
  }
  tk_scan_close(scan);
  return exit_code;
}

static int run_trace(const struct tk_command *command, int argc, char **argv) {
  struct trace_options options = {.limit = DEFAULT_LIMIT};
  struct tk_store *store = NULL;
  struct tk_terminal terminal = tk_terminal_of(stdout);
  int exit_code = TK_EXIT_OK;
  bool found = false;
  if (tk_options_parse(command, argc, argv, &options, &exit_code) < 0) return exit_code;

  size_t width = options.width ? options.width : terminal.width ? terminal.width : DEFAULT_WIDTH;
  struct tk_waterfall_options waterfall = {
      .width = width > TK_WATERFALL_WIDTH_MIN ? width : TK_WATERFALL_WIDTH_MIN,
      .max_depth = options.max_depth,
      .limit = options.limit,
      .attributes = options.attributes,
      .events = options.events,
      .colour = terminal.colour,
      .ascii = options.ascii};
  exit_code = tk_open_store_for_reading(argv[0], &store);
  if (!store) return exit_code;
  exit_code = draw_trace(store, argv[0], argv[1], &waterfall, &found);
  if (exit_code == TK_EXIT_OK && !found) {
    char *id = find_by_prefix(store, argv[1], &exit_code);
    if (id) exit_code = draw_trace(store, argv[0], id, &waterfall, &found);
    free(id);
  }
  if (exit_code == TK_EXIT_OK && !found) {
    tk_complain("no trace %s in %s", argv[1], argv[0]);
    exit_code = TK_EXIT_FINDINGS;
  }
  tk_store_close(store);
  return exit_code;
}

const struct tk_command tk_cmd_trace = {
    .name = "trace",
    .arguments = "STORE TRACE_ID",
    .summary = "draw one trace as a waterfall",
    .description =
        "Draws the spans of a trace as a tree, with their place in time. The beginning of a trace\n"
        "id is enough when only one trace has it. Marks: ! error, ? its parent is not stored.\n"
        "Kinds: srv server, cli client, int internal, pro producer, con consumer.",
    .examples =
        "  tracekeep trace traces.db 4fa04f117be100f476b175e41096e736\n"
        "  tracekeep trace traces.db 4fa0 --attributes --events\n"
        "  tracekeep trace traces.db 4fa0 --max-depth 3 --width 160\n",
    .options = trace_options,
    .run = run_trace,
    .operand_min = 2,
    .operand_max = 2,
};
