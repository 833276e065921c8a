/* SPDX-License-Identifier: MIT
 * The columns of `spans`, and the CREATE TABLE that declares them to SQLite.
 *
 * Attribute columns come from the catalogue tk_attribute_key, in the order the keys were first
 * stored, so that a column keeps its place as the store grows. They have no declared type: values
 * compare as those of an untyped column of an ordinary table do. Column names are case-insensitive
 * in SQL and attribute keys are not: of keys that differ in case alone, the later ones are called
 * [span.Key (2)], [span.Key (3)], ... */
#include "sqlext/spans/spans_columns.h"

#include <string.h>

const char *const tk_spans_resolved_keys[RESOLVED_COUNT][SPANS_RESOLVED_MAX + 1] = {
    [RESOLVED_HTTP_METHOD] = {"http.request.method", "http.method"},
    [RESOLVED_HTTP_ROUTE] = {"http.route"},
    [RESOLVED_HTTP_STATUS] = {"http.response.status_code", "http.status_code"},
    [RESOLVED_DB_SYSTEM] = {"db.system.name", "db.system"},
    [RESOLVED_DB_STATEMENT] = {"db.query.text", "db.statement", "db.query.summary"},
    [RESOLVED_RPC_METHOD] = {"rpc.method", "rpc.service"}, /* joined: see spans_values.c */
    [RESOLVED_MESSAGING_DESTINATION] = {"messaging.destination.name", "messaging.destination"},
    [RESOLVED_ERROR_TYPE] = {"error.type"}};

struct declared_column {
  const char *name, *type;
  enum spans_source source;
  int64_t argument;
};

#define COLUMN(name, type, source, argument) {#name, type, SOURCE_##source, argument},
static const struct declared_column declared_columns[SPANS_FIRST_ATTRIBUTE] = {
    SPANS_VISIBLE_COLUMNS(COLUMN) SPANS_HIDDEN_COLUMNS(COLUMN)};
#undef COLUMN

static const char *const run_column_names[TK_RUN_FACT_COUNT] = {
    [TK_RUN_ID] = "kvonce.run_id",
    [TK_RUN_BRANCH] = "kvonce.branch",
    [TK_RUN_VALID] = "kvonce.validation.valid",
    [TK_RUN_EVENT_COUNT] = "kvonce.projection.event_count",
    [TK_RUN_ARTIFACT_PATH] = "kvonce.artifact_path"};

/* Scope and key of every attribute; how many keys before this one have the same letters. */
static const char keys_sql[] =
    "SELECT scope, key, row_number() OVER (PARTITION BY scope, lower(key) ORDER BY first)"
    " FROM (SELECT scope, key, min(id) AS first FROM \"%w\".tk_attribute_key"
    "       WHERE scope IN (0, 3, 4) GROUP BY scope, key)"
    " ORDER BY first LIMIT %d";

static enum spans_affinity affinity_of(const char *type) {
  if (strncmp(type, "TEXT", 4) == 0) return AFFINITY_TEXT;
  return strcmp(type, "INTEGER") == 0 ? AFFINITY_INTEGER : AFFINITY_NONE;
}

static void fill_declared(struct spans_columns *columns) {
  for (uint32_t i = 0; i < SPANS_FIRST_ATTRIBUTE; i++) {
    const struct declared_column *declared = &declared_columns[i];
    columns->items[i] = (struct spans_column){.name = declared->name,
                                              .source = declared->source,
                                              .affinity = affinity_of(declared->type),
                                              .nocase = strstr(declared->type, "NOCASE") != NULL,
                                              .argument = declared->argument};
    if (declared->source == SOURCE_RUN) {
      columns->items[i].name = run_column_names[declared->argument];
    }
  }
  columns->count = SPANS_FIRST_ATTRIBUTE;
}

static bool add_attribute(struct spans_columns *columns, sqlite3_stmt *statement) {
  int scope = sqlite3_column_int(statement, 0), same = sqlite3_column_int(statement, 2);
  const char *key = (const char *)sqlite3_column_text(statement, 1);
  size_t size = (size_t)sqlite3_column_bytes(statement, 1);
  const char *prefix = scope == TK_SCOPE_SPAN       ? "span."
                       : scope == TK_SCOPE_RESOURCE ? "resource."
                                                    : "scope.";
  char suffix[24] = "";

  if (!key) return false;
  if (memchr(key, 0, size)) return true; /* no column name can say this */
  if (same > 1) sqlite3_snprintf(sizeof suffix, suffix, " (%d)", same);
  size_t name_size = strlen(prefix) + size + strlen(suffix) + 1;
  char *name = tk_arena_alloc_bytes(&columns->arena, name_size);
  if (!name) return false;
  sqlite3_snprintf((int)name_size, name, "%s%s%s", prefix, key, suffix);
  columns->items[columns->count++] =
      (struct spans_column){.name = name,
                            .source = scope == TK_SCOPE_SPAN       ? SOURCE_SPAN_ATTRIBUTE
                                      : scope == TK_SCOPE_RESOURCE ? SOURCE_RESOURCE_ATTRIBUTE
                                                                   : SOURCE_SCOPE_ATTRIBUTE,
                            .key = {name + strlen(prefix), (uint32_t)size}};
  return true;
}

enum tk_status tk_spans_columns_load(sqlite3 *db, const char *schema, struct spans_columns *columns,
                                     struct tk_error *error) {
  enum tk_status status = TK_OK;
  sqlite3_stmt *statement = NULL;
  int capacity = sqlite3_limit(db, SQLITE_LIMIT_COLUMN, -1), rc;
  if (capacity < SPANS_FIRST_ATTRIBUTE) capacity = SPANS_FIRST_ATTRIBUTE;
  char *sql = sqlite3_mprintf(keys_sql, schema, capacity - SPANS_FIRST_ATTRIBUTE);

  *columns = (struct spans_columns){0};
  columns->items = sqlite3_malloc64((uint64_t)capacity * sizeof *columns->items);
  if (!sql || !columns->items) {
    status = tk_nomem(error);
    goto done;
  }
  fill_declared(columns);
  rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
  while (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
    rc = add_attribute(columns, statement) ? SQLITE_OK : SQLITE_NOMEM;
  }
  if (rc == SQLITE_NOMEM) {
    status = tk_nomem(error);
  } else if (rc != SQLITE_DONE) {
    status = tk_fail(error, TK_IO, "cannot read the attribute keys of \"%s\": %s", schema,
                     sqlite3_errmsg(db));
  }

done:
  sqlite3_finalize(statement);
  sqlite3_free(sql);
  if (status != TK_OK) tk_spans_columns_reset(columns);
  return status;
}

void tk_spans_columns_reset(struct spans_columns *columns) {
  tk_arena_reset(&columns->arena);
  sqlite3_free(columns->items);
  *columns = (struct spans_columns){0};
}

void tk_spans_columns_declare_one(sqlite3_str *sql, const struct spans_columns *columns,
                                  uint32_t index, const char *prefix, bool is_hidden) {
  const char *type = index < SPANS_FIRST_ATTRIBUTE ? declared_columns[index].type
                                                   : "BLOB"; /* HIDDEN alone would be NUMERIC */
  int size = (int)strcspn(type, " ");                        /* a collation may follow */
  sqlite3_str_appendf(sql, "\"%w%w\" %.*s%s%s", prefix, columns->items[index].name, size, type,
                      is_hidden ? " HIDDEN" : "", type + size);
}

char *tk_spans_columns_declare(const struct spans_columns *columns) {
  sqlite3_str *sql = sqlite3_str_new(NULL);
  int first_hidden = SPANS_scope;

  sqlite3_str_appendall(sql, "CREATE TABLE x(");
  for (uint32_t i = 0; i < columns->count; i++) {
    if (i > 0) sqlite3_str_appendchar(sql, 1, ',');
    tk_spans_columns_declare_one(sql, columns, i, "", (int)i >= first_hidden);
  }
  sqlite3_str_appendall(sql, ")");
  return sqlite3_str_finish(sql);
}
