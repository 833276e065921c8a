/* SPDX-License-Identifier: MIT
 * A script is prepared, statement by statement, when a document first needs it, and kept: of a run
 * there are many documents of few kinds. Its text comes from document_sql.c, which is made from the
 * files in store/sql/documents/. */
#include "store/document/document_scripts.h"

#include <stdbool.h>
#include <string.h>

#include "store/database.h"
#include "store/document/document_functions.h"
#include "store/document/document_sql.h"

enum { STEP_LIMIT = 64 };

struct script {
  sqlite3_stmt *steps[STEP_LIMIT];
  int step_count;
  bool prepared;
};

struct tk_document_scripts {
  sqlite3 *db;
  struct script of_kind[TK_DOCUMENT_KIND_COUNT];
  struct script linked;
};

enum tk_status tk_document_scripts_open(sqlite3 *db, struct tk_document_scripts **scripts_out,
                                        struct tk_error *error) {
  *scripts_out = NULL;
  if (tk_register_document_functions(db) != SQLITE_OK) return tk_nomem(error);
  struct tk_document_scripts *scripts = sqlite3_malloc64(sizeof *scripts);
  if (!scripts) return tk_nomem(error);
  memset(scripts, 0, sizeof *scripts);
  scripts->db = db;
  *scripts_out = scripts;
  return TK_OK;
}

static void reset(struct script *script) {
  for (int i = 0; i < script->step_count; i++) sqlite3_finalize(script->steps[i]);
  *script = (struct script){.step_count = 0};
}

void tk_document_scripts_close(struct tk_document_scripts *scripts) {
  if (!scripts) return;
  for (int i = 0; i < TK_DOCUMENT_KIND_COUNT; i++) reset(&scripts->of_kind[i]);
  reset(&scripts->linked);
  sqlite3_free(scripts);
}

static const char *find_sql(const char *name) {
  const struct tk_document_sql *row = tk_document_sql;
  while (row->kind && strcmp(row->kind, name) != 0) row++;
  return row->kind ? row->sql : "";
}

static enum tk_status prepare(sqlite3 *db, const char *name, struct script *script,
                              struct tk_error *error) {
  const char *sql = find_sql(name);
  while (script->step_count < STEP_LIMIT) {
    sqlite3_stmt *step = NULL;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &step, &sql) != SQLITE_OK) {
      reset(script);
      return tk_database_error(db, "store a document", error);
    }
    if (!step) break;
    script->steps[script->step_count++] = step;
  }
  script->prepared = true;
  return TK_OK;
}

static void bind(sqlite3_stmt *step, const struct tk_document_arguments *arguments) {
  const char *found = arguments->found ? arguments->found : "{}";
  for (int i = sqlite3_bind_parameter_count(step); i > 0; i--) {
    const char *name = sqlite3_bind_parameter_name(step, i);
    if (strcmp(name, ":id") == 0) {
      sqlite3_bind_int64(step, i, arguments->id);
    } else if (strcmp(name, ":text") == 0) {
      sqlite3_bind_text64(step, i, arguments->text, arguments->size, SQLITE_STATIC, SQLITE_UTF8);
    } else if (strcmp(name, ":run") == 0) {
      sqlite3_bind_text(step, i, arguments->run_id, -1, SQLITE_STATIC);
    } else if (strcmp(name, ":found") == 0) {
      sqlite3_bind_text(step, i, found, -1, SQLITE_STATIC);
    }
  }
}

static enum tk_status run_step(sqlite3 *db, sqlite3_stmt *step, struct tk_error *error) {
  const int rc = sqlite3_step(step);
  const enum tk_status status = rc == SQLITE_DONE || rc == SQLITE_ROW
                                    ? TK_OK
                                    : tk_database_error(db, "store a document", error);
  sqlite3_reset(step);
  sqlite3_clear_bindings(step);
  return status;
}

static enum tk_status run(sqlite3 *db, const char *name, struct script *script,
                          const struct tk_document_arguments *arguments, struct tk_error *error) {
  enum tk_status status = script->prepared ? TK_OK : prepare(db, name, script, error);
  for (int i = 0; i < script->step_count && status == TK_OK; i++) {
    bind(script->steps[i], arguments);
    status = run_step(db, script->steps[i], error);
  }
  return status;
}

enum tk_status tk_document_scripts_run(struct tk_document_scripts *scripts,
                                       enum tk_document_kind kind,
                                       const struct tk_document_arguments *arguments,
                                       struct tk_error *error) {
  return run(scripts->db, tk_document_kind_name(kind), &scripts->of_kind[kind], arguments, error);
}

enum tk_status tk_document_scripts_link(struct tk_document_scripts *scripts,
                                        const struct tk_document_arguments *arguments,
                                        struct tk_error *error) {
  return run(scripts->db, "linked", &scripts->linked, arguments, error);
}
