/* SPDX-License-Identifier: MIT
 * A store is made in one transaction, so that a file is either none or a complete one. The tables
 * of the SQL surface are virtual and their modules live in the extension, which writers need not
 * have loaded: they are created here with stand-in modules, since all that the file keeps of them
 * is the text of the CREATE statement. */
#include "store/database.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/segment/segment_format.h"
#include "tracekeep/hash.h"

extern const char tk_schema_sql[];
extern const char tk_documents_sql[];
extern const char tk_views_sql[];
extern const char tk_surface_sql[];

enum { BUSY_TIMEOUT_MS = 10000, SQLITE_MINIMUM = 3038000, SYSTEM_REASON_SIZE = 100 };

/* What the system said, as " (Is a directory)"; nothing where it said nothing. */
static const char *describe_system_error(sqlite3 *db, int rc, char reason[SYSTEM_REASON_SIZE]) {
  const int primary = rc & 0xff;
  const int number =
      primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN ? sqlite3_system_errno(db) : 0;
  if (number == 0) return "";
  snprintf(reason, SYSTEM_REASON_SIZE, " (%s)", strerror(number));
  return reason;
}

enum tk_status tk_database_error(sqlite3 *db, const char *doing, struct tk_error *error) {
  const int rc = db ? sqlite3_errcode(db) : SQLITE_NOMEM;
  char reason[SYSTEM_REASON_SIZE];
  switch (rc & 0xff) {
    case SQLITE_NOMEM:
      return tk_nomem(error);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return tk_fail(error, TK_BUSY,
                     "cannot %s: another program is writing to the store; try again", doing);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return tk_corrupt(error, "cannot %s: %s", doing, sqlite3_errmsg(db));
    case SQLITE_READONLY: /* readers of a store in WAL mode make a file beside it */
      return tk_fail(error, TK_IO,
                     "cannot %s: %s; from a folder that cannot be written to, a store is read as "
                     "'file:PATH?immutable=1'",
                     doing, sqlite3_errmsg(db));
    default:
      return tk_fail(error, TK_IO, "cannot %s: %s%s", doing, sqlite3_errmsg(db),
                     describe_system_error(db, rc, reason));
  }
}

enum tk_status tk_database_execute(sqlite3 *db, const char *sql, const char *doing,
                                   struct tk_error *error) {
  if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK) return TK_OK;
  return tk_database_error(db, doing, error);
}

enum tk_status tk_database_integer(sqlite3 *db, const char *sql, int64_t otherwise,
                                   int64_t *value_out, struct tk_error *error) {
  sqlite3_stmt *statement = NULL;
  *value_out = otherwise;
  int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW) *value_out = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  if (rc == SQLITE_ROW || rc == SQLITE_DONE) return TK_OK;
  return tk_database_error(db, "read the store", error);
}

enum tk_status tk_transaction_begin(struct tk_transaction *transaction, sqlite3 *db,
                                    const char *sql, const char *doing, struct tk_error *error) {
  sqlite3_stmt *rollback = NULL;
  if (sqlite3_prepare_v2(db, "ROLLBACK", -1, &rollback, NULL) != SQLITE_OK) {
    return tk_database_error(db, doing, error);
  }
  const enum tk_status status = tk_database_execute(db, sql, doing, error);
  if (status != TK_OK) {
    sqlite3_finalize(rollback);
    return status;
  }
  *transaction = (struct tk_transaction){db, rollback};
  return TK_OK;
}

void tk_transaction_end(struct tk_transaction *transaction) {
  if (!transaction->rollback) return;
  /* SQLite itself ends a transaction in which it ran out of memory or disk. */
  if (!sqlite3_get_autocommit(transaction->db)) sqlite3_step(transaction->rollback);
  sqlite3_finalize(transaction->rollback);
  transaction->rollback = NULL;
}

/* ---- stand-in modules ---- */

static int stub_connect(sqlite3 *db, void *context, int argc, const char *const *argv,
                        sqlite3_vtab **table_out, char **message_out) {
  (void)context, (void)argc, (void)argv, (void)message_out;
  sqlite3_vtab *table = sqlite3_malloc64(sizeof *table);
  if (!table) return SQLITE_NOMEM;
  memset(table, 0, sizeof *table);
  int rc = sqlite3_declare_vtab(db, "CREATE TABLE stub(x)");
  if (rc != SQLITE_OK) {
    sqlite3_free(table);
    return rc;
  }
  *table_out = table;
  return SQLITE_OK;
}

static int stub_disconnect(sqlite3_vtab *table) {
  sqlite3_free(table);
  return SQLITE_OK;
}

static int stub_best_index(sqlite3_vtab *table, sqlite3_index_info *info) {
  (void)table, (void)info;
  return SQLITE_CONSTRAINT;
}

static const sqlite3_module stub_module = {.xCreate = stub_connect,
                                           .xConnect = stub_connect,
                                           .xBestIndex = stub_best_index,
                                           .xDisconnect = stub_disconnect,
                                           .xDestroy = stub_disconnect};

/* Registers (or, with NULL, removes) a module for every "USING name" of surface.sql. */
static int set_stub_modules(sqlite3 *db, const sqlite3_module *module) {
  static const char marker[] = " USING ";
  const char *at = tk_surface_sql;
  while ((at = strstr(at, marker)) != NULL) {
    char name[64];
    at += sizeof marker - 1;
    const size_t size = strcspn(at, ";( \n");
    snprintf(name, sizeof name, "%.*s", (int)size, at);
    int rc = sqlite3_create_module_v2(db, name, module, NULL, NULL);
    if (rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

/* What every store that is opened for writing is brought up to, in this order. */
static const char *const additions[] = {tk_documents_sql, tk_surface_sql, tk_views_sql};
enum { ADDITION_COUNT = sizeof additions / sizeof additions[0] };

static int64_t hash_additions(void) {
  struct tk_hash hash;
  tk_hash_init(&hash);
  for (int i = 0; i < ADDITION_COUNT; i++) {
    tk_hash_update(&hash, additions[i], strlen(additions[i]));
  }
  return (int64_t)tk_hash_digest(&hash);
}

/* Inside a transaction: creates the tables and views that are not there yet. */
static enum tk_status create_surface(sqlite3 *db, struct tk_error *error) {
  char remember[128];
  if (set_stub_modules(db, &stub_module) != SQLITE_OK) return tk_nomem(error);
  enum tk_status status = TK_OK;
  for (int i = 0; i < ADDITION_COUNT && status == TK_OK; i++) {
    status = tk_database_execute(db, additions[i], "create the tables of a store", error);
  }
  set_stub_modules(db, NULL);
  if (status != TK_OK) return status;
  snprintf(remember, sizeof remember, "REPLACE INTO tk_meta VALUES ('surface', %lld)",
           (long long)hash_additions());
  return tk_database_execute(db, remember, "create the tables of a store", error);
}

/* ---- making and recognising ---- */

static enum tk_status finish_transaction(sqlite3 *db, enum tk_status status,
                                         struct tk_error *error) {
  if (status == TK_OK) status = tk_database_execute(db, "COMMIT", "create the store", error);
  if (status != TK_OK) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
  return status;
}

static enum tk_status create_store(sqlite3 *db, struct tk_error *error) {
  char identify[128];
  int64_t tables = 0;
  enum tk_status status = tk_database_execute(
      db,
      "PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL;"
      "BEGIN IMMEDIATE",
      "create the store", error);
  if (status != TK_OK) return status;
  status = tk_database_integer(db, "SELECT count(*) FROM sqlite_schema", 0, &tables, error);
  if (status != TK_OK || tables > 0) { /* somebody else made it while we waited for the lock */
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return status;
  }
  snprintf(identify, sizeof identify, "PRAGMA application_id=%d; PRAGMA user_version=%d",
           TK_APPLICATION_ID, TK_SCHEMA_VERSION);
  status = tk_database_execute(db, tk_schema_sql, "create the store", error);
  if (status == TK_OK) status = create_surface(db, error);
  if (status == TK_OK) status = tk_database_execute(db, identify, "create the store", error);
  return finish_transaction(db, status, error);
}

/* A store made by an older tracekeep may lack tables that this one has. */
static enum tk_status update_surface(sqlite3 *db, struct tk_error *error) {
  int64_t version = 0;
  enum tk_status status =
      tk_database_integer(db, "SELECT value FROM tk_meta WHERE key='surface'", 0, &version, error);
  if (status != TK_OK || version == hash_additions()) return status;
  status = tk_database_execute(db, "BEGIN IMMEDIATE", "update the tables of the store", error);
  if (status != TK_OK) return status;
  return finish_transaction(db, create_surface(db, error), error);
}

/* The last error: not even SQLite's header is there. A store that was cut off has one. */
static bool is_no_database(sqlite3 *db) {
  return (sqlite3_errcode(db) & 0xff) == SQLITE_NOTADB;
}

enum tk_status tk_database_recognize(sqlite3 *db, const char *schema, const char *path,
                                     struct tk_error *error) {
  int64_t application_id = 0, version = 0;
  char *sql = sqlite3_mprintf("PRAGMA \"%w\".application_id", schema);
  if (!sql) return tk_nomem(error);
  enum tk_status status = tk_database_integer(db, sql, 0, &application_id, error);
  sqlite3_free(sql);
  if (status == TK_CORRUPT && is_no_database(db)) {
    return tk_fail(error, TK_INVALID, "%s is not a tracekeep store (nor any SQLite file)", path);
  }
  if (status != TK_OK) return status;
  if (application_id != TK_APPLICATION_ID) {
    return tk_fail(error, TK_INVALID,
                   "%s is an SQLite file but not a tracekeep store: expected application_id %d, "
                   "found %lld",
                   path, TK_APPLICATION_ID, (long long)application_id);
  }
  sql = sqlite3_mprintf("PRAGMA \"%w\".user_version", schema);
  if (!sql) return tk_nomem(error);
  status = tk_database_integer(db, sql, 0, &version, error);
  sqlite3_free(sql);
  if (status == TK_OK && version > TK_SCHEMA_VERSION) {
    return tk_fail(error, TK_UNSUPPORTED,
                   "%s was written by a newer tracekeep: its schema version is %lld, this build "
                   "reads up to %d; upgrade tracekeep",
                   path, (long long)version, TK_SCHEMA_VERSION);
  }
  return status;
}

static enum tk_status refuse_old_sqlite(struct tk_error *error) {
  if (sqlite3_libversion_number() >= SQLITE_MINIMUM) return TK_OK;
  return tk_fail(error, TK_UNSUPPORTED, "tracekeep needs SQLite 3.38 or newer, found %s",
                 sqlite3_libversion());
}

static enum tk_status open_file(const char *path, enum tk_open_mode mode, sqlite3 **db_out,
                                struct tk_error *error) {
  static const int flags[] = {
      [TK_OPEN_READ] = SQLITE_OPEN_READONLY,
      [TK_OPEN_WRITE] = SQLITE_OPEN_READWRITE,
      [TK_OPEN_CREATE] = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
  };
  const int rc = sqlite3_open_v2(path, db_out, flags[mode], NULL);
  if (rc == SQLITE_OK) return TK_OK;
  if (rc == SQLITE_NOMEM || !*db_out) return tk_nomem(error);
  if (rc == SQLITE_CANTOPEN) {
    /* ENOENT comes also of a folder that cannot be written to: SQLite tries twice. */
    const int reason = sqlite3_system_errno(*db_out);
    const bool missing = reason == 0 || reason == ENOENT;
    if (mode == TK_OPEN_CREATE) {
      return tk_fail(error, TK_IO, "cannot open %s: %s", path,
                     missing ? "its folder is missing or cannot be written to" : strerror(reason));
    }
    return tk_fail(error, TK_INVALID, "cannot open %s: %s", path,
                   missing ? "no such store" : strerror(reason));
  }
  return tk_database_error(*db_out, "open the store", error);
}

enum tk_status tk_database_open(const char *path, enum tk_open_mode mode, sqlite3 **db_out,
                                struct tk_error *error) {
  sqlite3 *db = NULL;
  int64_t tables = 0;
  enum tk_status status = refuse_old_sqlite(error);
  *db_out = NULL;
  if (status == TK_OK) status = open_file(path, mode, &db, error);
  if (status == TK_OK && mode != TK_OPEN_READ && sqlite3_db_readonly(db, "main") == 1) {
    status = tk_fail(error, TK_IO, "cannot write to %s: the file is read-only", path);
  }
  if (status != TK_OK) goto failed;

  sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
  if (mode == TK_OPEN_CREATE) {
    status = tk_database_integer(db, "SELECT count(*) FROM sqlite_schema", 0, &tables, error);
    if (status == TK_OK && tables == 0) status = create_store(db, error);
    if (status == TK_CORRUPT && is_no_database(db)) {
      status = tk_fail(error, TK_INVALID, "%s exists and is not a tracekeep store", path);
    }
  }
  if (status == TK_OK) status = tk_database_recognize(db, "main", path, error);
  /* Debian builds SQLite with secure_delete on, which would write every dropped page once more. */
  if (status == TK_OK && mode != TK_OPEN_READ) {
    status = tk_database_execute(db, "PRAGMA secure_delete=OFF; PRAGMA synchronous=NORMAL",
                                 "open the store", error);
    if (status == TK_OK) status = update_surface(db, error);
  }
  if (status != TK_OK) goto failed;
  *db_out = db;
  return TK_OK;

failed:
  sqlite3_close(db);
  return status;
}
