/* SPDX-License-Identifier: MIT
 * tracekeep query: SQL on a store, for machines without the sqlite3 shell and for its formats. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/messages.h"
#include "cli/open_store.h"
#include "cli/output/utf8.h"
#include "cli/output/writer.h"
#include "cli/sql_result.h"
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
    tk_complain("cannot read %s", options->file);
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

/* ---- errors, with the place in the SQL ---- */

/* Shows the line of `sql` that holds byte `offset`, and a caret under it. */
static void show_place(const char *sql, size_t offset) {
  size_t begin = offset;
  while (begin > 0 && sql[begin - 1] != '\n') begin--;
  size_t length = strcspn(sql + begin, "\n");
  int line_number = 1;
  for (size_t i = 0; i < begin; i++) line_number += sql[i] == '\n';

  struct tk_text_buffer text = {0};
  size_t window_begin = offset - begin > 60 ? offset - 60 : begin;
  while (window_begin > begin && ((unsigned char)sql[window_begin] & 0xc0) == 0x80) window_begin--;
  size_t window_length = begin + length - window_begin;
  char number[24];
  snprintf(number, sizeof number, "  line %d: ", line_number);
  tk_text_buffer_add(&text, number);
  tk_text_buffer_add_display(&text, sql + window_begin, window_length, 100);
  tk_text_buffer_add_char(&text, '\n');
  size_t indent = strlen(number) + tk_display_width(sql + window_begin, offset - window_begin);
  tk_text_buffer_repeat(&text, " ", indent);
  tk_text_buffer_add(&text, "^\n");
  if (!text.failed) fwrite(text.data, 1, text.size, stderr);
  tk_text_buffer_reset(&text);
}

static int complain_sql(sqlite3 *db, int rc, const char *sql, const char *statement) {
  int offset = sqlite3_error_offset(db);
  int exit_code = tk_complain_sqlite("query", db, rc);
  if (offset >= 0) show_place(sql, (size_t)(statement - sql) + (size_t)offset);
  return exit_code;
}

/* ---- parameters ---- */

static void bind_value(sqlite3_stmt *statement, int index, const char *text) {
  char *end;
  size_t size = strlen(text);
  bool looks_numeric = size > 0 && strspn(text, "+-.0123456789eE") == size;
  if (looks_numeric && strspn(text + (text[0] == '-'), "0123456789") == size - (text[0] == '-') &&
      size < 19) {
    sqlite3_bind_int64(statement, index, strtoll(text, NULL, 10));
    return;
  }
  double real = looks_numeric ? strtod(text, &end) : 0;
  if (looks_numeric && end == text + size && size < 19) {
    sqlite3_bind_double(statement, index, real);
  } else {
    sqlite3_bind_text64(statement, index, text, size, SQLITE_TRANSIENT, SQLITE_UTF8);
  }
}

/* Every parameter of the statement must have been given a value: NULL by oversight hides rows. */
static int bind_parameters(sqlite3_stmt *statement, const struct tk_text_list *parameters) {
  for (int i = 1; i <= sqlite3_bind_parameter_count(statement); i++) {
    const char *name = sqlite3_bind_parameter_name(statement, i);
    size_t size = name ? strlen(name + 1) : 0;
    const char *value = NULL;
    for (size_t p = 0; p < parameters->count && name; p++) {
      const char *given = parameters->items[p];
      if (strncmp(given, name + 1, size) == 0 && given[size] == '=') value = given + size + 1;
    }
    if (!value) {
      tk_complain("query: no value for parameter %s; give it with --param %s=VALUE",
                  name ? name : "?", name ? name + 1 : "NAME");
      return TK_EXIT_USAGE;
    }
    bind_value(statement, i, value);
  }
  return TK_EXIT_OK;
}

static bool check_parameters(const struct tk_text_list *parameters) {
  for (size_t i = 0; i < parameters->count; i++) {
    if (strchr(parameters->items[i], '=')) continue;
    tk_complain("query: --param takes NAME=VALUE, not '%s'", parameters->items[i]);
    return false;
  }
  return true;
}

/* ---- running ---- */

static int run_statements(sqlite3 *db, const char *sql, const struct tk_text_list *parameters,
                          struct tk_writer *writer) {
  bool any = false;
  for (const char *at = sql; *at;) {
    sqlite3_stmt *statement = NULL;
    const char *tail = NULL;
    int rc = sqlite3_prepare_v2(db, at, -1, &statement, &tail);
    if (rc != SQLITE_OK) return complain_sql(db, rc, sql, at);
    if (statement) {
      int exit_code = bind_parameters(statement, parameters);
      rc = exit_code == TK_EXIT_OK ? tk_sql_write_result(writer, statement) : SQLITE_DONE;
      if (rc != SQLITE_DONE) {
        fflush(writer->out);
        exit_code = complain_sql(db, rc, sql, at);
      }
      sqlite3_finalize(statement);
      if (exit_code != TK_EXIT_OK) return exit_code;
      any = true;
    }
    at = tail;
  }
  if (any) return TK_EXIT_OK;
  tk_complain("query: there is no SQL statement to run");
  return TK_EXIT_USAGE;
}

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
    exit_code = run_statements(tk_store_database(store), sql, &options->parameters, &writer);
    if (tk_writer_close(&writer) && exit_code == TK_EXIT_OK) {
      tk_complain("query: writing the result failed");
      exit_code = TK_EXIT_IO;
    }
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
  } else if (operands > 0 && !check_parameters(&options.parameters)) {
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
