/* SPDX-License-Identifier: MIT
 * SQL statements one after another, their parameters bound, their rows written; and errors shown
 * with the place in the text. */
#include "cli/sql_script.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/exit_codes.h"
#include "cli/messages.h"
#include "cli/output/display.h"
#include "cli/sql_result.h"

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

static int complain_sql(const struct tk_sql_script *script, sqlite3 *db, int rc,
                        const char *statement) {
  int offset = sqlite3_error_offset(db);
  int exit_code = tk_complain_sqlite(script->command, db, rc);
  if (offset >= 0) show_place(script->sql, (size_t)(statement - script->sql) + (size_t)offset);
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

static int bind_parameters(const struct tk_sql_script *script, sqlite3_stmt *statement) {
  const struct tk_text_list *parameters = script->parameters;
  for (int i = 1; i <= sqlite3_bind_parameter_count(statement); i++) {
    const char *name = sqlite3_bind_parameter_name(statement, i);
    size_t size = name ? strlen(name + 1) : 0;
    const char *value = NULL;
    for (size_t p = 0; p < parameters->count && name; p++) {
      const char *given = parameters->items[p];
      if (strncmp(given, name + 1, size) == 0 && given[size] == '=') value = given + size + 1;
    }
    if (value) {
      bind_value(statement, i, value);
    } else if (!script->parameters_optional) {
      tk_complain("%s: no value for parameter %s; give it with --param %s=VALUE", script->command,
                  name ? name : "?", name ? name + 1 : "NAME");
      return TK_EXIT_USAGE;
    }
  }
  return TK_EXIT_OK;
}

bool tk_sql_parameters_valid(const char *command, const struct tk_text_list *parameters) {
  for (size_t i = 0; i < parameters->count; i++) {
    if (strchr(parameters->items[i], '=')) continue;
    tk_complain("%s: --param takes NAME=VALUE, not '%s'", command, parameters->items[i]);
    return false;
  }
  return true;
}

/* ---- running ---- */

static int run_statements(const struct tk_sql_script *script, sqlite3 *db,
                          struct tk_writer *writer) {
  bool any = false;
  for (const char *at = script->sql; *at;) {
    sqlite3_stmt *statement = NULL;
    const char *tail = NULL;
    int rc = sqlite3_prepare_v2(db, at, -1, &statement, &tail);
    if (rc != SQLITE_OK) return complain_sql(script, db, rc, at);
    if (statement) {
      int exit_code = bind_parameters(script, statement);
      rc = exit_code == TK_EXIT_OK ? tk_sql_write_result(writer, statement) : SQLITE_DONE;
      if (rc != SQLITE_DONE) {
        fflush(writer->out);
        exit_code = complain_sql(script, db, rc, at);
      }
      sqlite3_finalize(statement);
      if (exit_code != TK_EXIT_OK) return exit_code;
      any = true;
    }
    at = tail;
  }
  if (any) return TK_EXIT_OK;
  tk_complain("%s: there is no SQL statement to run", script->command);
  return TK_EXIT_USAGE;
}

int tk_sql_script_run(const struct tk_sql_script *script, sqlite3 *db, struct tk_writer *writer) {
  int exit_code = run_statements(script, db, writer);
  if (tk_writer_close(writer) && exit_code == TK_EXIT_OK) {
    tk_complain("%s: writing the result failed", script->command);
    exit_code = TK_EXIT_IO;
  }
  return exit_code;
}
