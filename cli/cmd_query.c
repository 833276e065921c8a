/* SPDX-License-Identifier: MIT
 * tracekeep query: SQL on a store, for machines without the sqlite3 shell and for its formats. */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/messages.h"
#include "cli/open_store.h"
#include "cli/output/writer.h"
#include "cli/sql_script.h"
#include "cli/terminal.h"

struct query_options {
  const char *format;
  const char *file;
  struct tk_text_list parameters;
  bool no_headings;
};

static const struct tk_option query_options[] = {
    {.name = "format",
     .letter = 'f',
     .type = TK_OPTION_CHOICE,
     .value = TK_WRITER_FORMATS,
     .help = "default: table on a terminal, else csv",
     .offset = offsetof(struct query_options, format)},
    {.name = "file",
     .type = TK_OPTION_TEXT,
     .value = "FILE",
     .help = "read the SQL from FILE",
     .offset = offsetof(struct query_options, file)},
    {.name = "param",
     .letter = 'p',
     .type = TK_OPTION_LIST,
     .value = "NAME=VALUE",
     .help = "the value of :NAME in the SQL; a number if it looks like one",
     .offset = offsetof(struct query_options, parameters)},
    {.name = "no-headings",
     .type = TK_OPTION_FLAG,
     .help = "table and csv: rows only",
     .offset = offsetof(struct query_options, no_headings)},
    {0},
};

/* ---- the SQL's text ---- */

static char *read_all(FILE *file, size_t *size_out) {
  size_t size = 0, capacity = 4096;
  char *text = tk_need_memory(malloc(capacity));
  for (size_t got; (got = fread(text + size, 1, capacity - size - 1, file)) > 0;) {
    size += got;
    if (capacity - size == 1) text = tk_need_memory(realloc(text, capacity *= 2));
  }
  text[size] = 0;
  *size_out = size;
  return text;
}

/* SQL from a file, standard input or the command line, as memory to free; NULL: complained. */
static char *load_sql(const struct query_options *options, const char *operand, int *exit_code) {
  size_t size;
  if (operand && strcmp(operand, "-") != 0) return tk_need_memory(strdup(operand));
  if (!options->file) {
    if (tk_terminal_of(stdin).is_terminal) fprintf(stderr, "SQL, then ^D:\n");
    return read_all(stdin, &size);
  }
  FILE *file = fopen(options->file, "rb");
  char *sql = file ? read_all(file, &size) : NULL;
  if (!file || ferror(file)) {
    tk_complain("cannot read %s: %s", options->file, strerror(errno));
    *exit_code = TK_EXIT_IO;
    free(sql);
    sql = NULL;
  } else if (strlen(sql) != size) {
    tk_complain("%s is not a text file", options->file);
    *exit_code = TK_EXIT_USAGE;
    free(sql);
    sql = NULL;
  }
  if (file) fclose(file);
  return sql;
}

/* ---- running ---- */

static int query_store(const struct query_options *options, const char *path, const char *operand) {
  struct tk_terminal terminal = tk_terminal_of(stdout);
  const char *format = options->format ? options->format : terminal.is_terminal ? "table" : "csv";
  struct tk_writer writer = {.format = tk_writer_format_find(format),
                             .out = stdout,
                             .width = terminal.width,
                             .colour = terminal.colour,
                             .no_headings = options->no_headings};
  struct tk_store *store = NULL;
  char *sql = NULL;
  int exit_code = tk_open_store_for_reading(path, &store);
  if (exit_code == TK_EXIT_OK) sql = load_sql(options, operand, &exit_code);
  if (sql) {
    const struct tk_sql_script script = {"query", sql, &options->parameters, false};
    exit_code = tk_sql_script_run(&script, tk_store_database(store), &writer);
  }
  free(sql);
  tk_store_close(store);
  return exit_code;
}

static int run_query(const struct tk_command *command, int argc, char **argv) {
  struct query_options options = {0};
  int exit_code = TK_EXIT_OK;
  int operands = tk_options_parse(command, argc, argv, &options, &exit_code);
  if (operands > 1 && options.file) {
    tk_complain("query: give the SQL once: as an argument or with --file");
    exit_code = TK_EXIT_USAGE;
  } else if (operands > 0 && !tk_sql_parameters_valid("query", &options.parameters)) {
    exit_code = TK_EXIT_USAGE;
  } else if (operands > 0) {
    exit_code = query_store(&options, argv[0], operands > 1 ? argv[1] : NULL);
  }
  tk_text_list_reset(&options.parameters);
  return exit_code;
}

const struct tk_command tk_cmd_query = {
    .name = "query",
    .arguments = "STORE [SQL]",
    .summary = "ask a store in SQL",
    .description =
        "Runs SQL on a store, read-only, with the tables and functions of the extension\n"
        "(docs/schema.md lists them). Without SQL, or with -, it is read from standard input.\n"
        "Several statements are run one after another.\n\n"
        "Integers are exact in every format. NULL is empty in csv and table, null in json. A BLOB\n"
        "is the SQL literal x'..'. Only a terminal has its texts cut to the width.",
    .examples =
        "  tracekeep query traces.db \"SELECT service, count(*) FROM spans GROUP BY service\"\n"
        "  tracekeep query traces.db --format json < slow.sql\n"
        "  tracekeep query traces.db -p id=4fa04f11 \\\n"
        "      \"SELECT name FROM spans WHERE trace_id LIKE :id || '%'\"\n",
    .options = query_options,
    .run = run_query,
    .operand_min = 1,
    .operand_max = 2,
};
