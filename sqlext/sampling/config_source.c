/* SPDX-License-Identifier: MIT
 * Configurations by what names them: documents of the kind 'sampling-config', or the text itself.
 */
#include "sqlext/sampling/config_source.h"

#include <string.h>

#include "store/database.h"
#include "store/document/document.h"

#define KIND "'sampling-config'"

void tk_config_origin_reset(struct tk_config_origin *origin) {
  sqlite3_free(origin->path);
  sqlite3_free(origin->ingested_at);
  *origin = (struct tk_config_origin){0};
}

/* A statement over tk_document; *out is NULL where there is no such table. */
static enum tk_status prepare(sqlite3 *db, const char *schema, const char *condition,
                              sqlite3_stmt **out, struct tk_error *error) {
  *out = NULL;
  if (sqlite3_table_column_metadata(db, schema, "tk_document", NULL, NULL, NULL, NULL, NULL,
                                    NULL) != SQLITE_OK) {
    return TK_OK;
  }
  char *sql =
      sqlite3_mprintf("SELECT id, path, ingested_at FROM \"%w\".tk_document WHERE kind = " KIND
                      " AND complete = 1%s",
                      schema, condition);
  if (!sql) return tk_nomem(error);
  const int rc = sqlite3_prepare_v2(db, sql, -1, out, NULL);
  sqlite3_free(sql);
  return rc == SQLITE_OK ? TK_OK : tk_database_error(db, "list sampling configurations", error);
}

enum tk_status tk_config_list_open(sqlite3 *db, const char *schema, bool by_id,
                                   sqlite3_stmt **list_out, struct tk_error *error) {
  return prepare(db, schema, by_id ? " AND id = ?1" : " ORDER BY id", list_out, error);
}

enum tk_status tk_config_load(sqlite3 *db, const char *schema, int64_t document_id,
                              const char *path, struct tk_sampling_config **config_out,
                              struct tk_error *error) {
  char *text = NULL;
  size_t size = 0;
  *config_out = NULL;
  enum tk_status status =
      tk_document_read(db, schema, document_id, TK_SAMPLING_CONFIG_LIMIT, &text, &size, error);
  if (status == TK_OK) status = tk_sampling_config_parse(text, size, path, config_out, error);
  sqlite3_free(text);
  return status;
}

static enum tk_status keep_origin(struct tk_config_origin *origin, sqlite3_stmt *row,
                                  struct tk_error *error) {
  origin->document_id = sqlite3_column_int64(row, 0);
  origin->path = sqlite3_mprintf("%s", (const char *)sqlite3_column_text(row, 1));
  origin->ingested_at = sqlite3_mprintf("%s", (const char *)sqlite3_column_text(row, 2));
  return origin->path && origin->ingested_at ? TK_OK : tk_nomem(error);
}

/* The stored configuration of that id or path; origin->document_id stays 0 if there is none. */
static enum tk_status find_stored(sqlite3 *db, const char *schema, sqlite3_value *argument,
                                  struct tk_config_origin *origin, struct tk_error *error) {
  const bool by_id = sqlite3_value_type(argument) == SQLITE_INTEGER;
  sqlite3_stmt *found = NULL;
  const char *condition = by_id ? " AND id = ?1"
                                : " AND (path = ?1 OR substr(path, -length(?1) - 1) = '/' || ?1)"
                                  " ORDER BY path = ?1 DESC, id DESC LIMIT 1";
  enum tk_status status = prepare(db, schema, condition, &found, error);
  if (status != TK_OK || !found) return status;
  if (sqlite3_bind_value(found, 1, argument) != SQLITE_OK) {
    status = tk_nomem(error);
  } else {
    const int rc = sqlite3_step(found);
    if (rc == SQLITE_ROW) status = keep_origin(origin, found, error);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
      status = tk_database_error(db, "find a sampling configuration", error);
    }
  }
  sqlite3_finalize(found);
  return status;
}

/* A path has no line ends, and no configuration is without one, or a brace, or a '='. */
static bool may_be_path(sqlite3_value *argument) {
  const char *text = (const char *)sqlite3_value_text(argument);
  const size_t size = (size_t)sqlite3_value_bytes(argument);
  return text && size < 4096 && !memchr(text, '\n', size) && !memchr(text, '{', size) &&
         !memchr(text, '=', size);
}

static enum tk_status open_text(sqlite3_value *argument, struct tk_sampling_config **config_out,
                                struct tk_error *error) {
  const char *text = (const char *)sqlite3_value_text(argument);
  const size_t size = (size_t)sqlite3_value_bytes(argument);
  if (!text) return tk_nomem(error);
  if (may_be_path(argument) && !memchr(text, ':', size)) {
    return tk_fail(error, TK_INVALID,
                   "expected the path of a stored sampling configuration, or"
                   " its text, found '%.200s'",
                   text);
  }
  return tk_sampling_config_parse(text, size, NULL, config_out, error);
}

enum tk_status tk_config_open(sqlite3 *db, const char *schema, sqlite3_value *argument,
                              struct tk_config_origin *origin,
                              struct tk_sampling_config **config_out, struct tk_error *error) {
  struct tk_config_origin own = {0};
  struct tk_config_origin *found = origin ? origin : &own;
  const int type = sqlite3_value_type(argument);
  enum tk_status status = TK_OK;
  *config_out = NULL;
  *found = (struct tk_config_origin){0};
  if (type == SQLITE_NULL) {
    return tk_fail(error, TK_INVALID, "expected a sampling configuration, found NULL");
  }
  if (type == SQLITE_INTEGER || (type == SQLITE_TEXT && may_be_path(argument))) {
    status = find_stored(db, schema, argument, found, error);
  }
  if (status == TK_OK && found->document_id != 0) {
    status = tk_config_load(db, schema, found->document_id, found->path, config_out, error);
  } else if (status == TK_OK && type == SQLITE_INTEGER) {
    status = tk_fail(error, TK_INVALID, "there is no sampling configuration %lld in the store",
                     (long long)sqlite3_value_int64(argument));
  } else if (status == TK_OK) {
    status = open_text(argument, config_out, error);
  }
  tk_config_origin_reset(&own);
  return status;
}
