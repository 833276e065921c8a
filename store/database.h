/* The SQLite file of a store: opening it, making it, and recognising it. */
#ifndef TK_STORE_DATABASE_H
#define TK_STORE_DATABASE_H

#include "store/sqlite_api.h"
#include "tracekeep/store.h"

/** Opens and, for TK_OPEN_CREATE, makes the file. See tk_store_open for the errors. */
enum tk_status tk_database_open(const char *path, enum tk_open_mode mode, sqlite3 **db_out,
                                struct tk_error *error);

/** Checks that schema `schema` of `db` is a store this build can read. */
enum tk_status tk_database_recognize(sqlite3 *db, const char *schema, const char *path,
                                     struct tk_error *error);

/** Status and text for a failed SQLite call on `db`; `doing` completes "cannot ...". */
enum tk_status tk_database_error(sqlite3 *db, const char *doing, struct tk_error *error);

/** First column of the first row of `sql` (an integer), or `otherwise` when there is no row. */
enum tk_status tk_database_integer(sqlite3 *db, const char *sql, int64_t otherwise,
                                   int64_t *value_out, struct tk_error *error);

enum tk_status tk_database_execute(sqlite3 *db, const char *sql, const char *doing,
                                   struct tk_error *error);

/** A transaction that can be ended even when there is no memory left to prepare a statement.
 * Zero-initialise. */
struct tk_transaction {
  sqlite3 *db;
  sqlite3_stmt *rollback; /* NULL: none is open */
};

/** `sql` is BEGIN or BEGIN IMMEDIATE. */
enum tk_status tk_transaction_begin(struct tk_transaction *transaction, sqlite3 *db,
                                    const char *sql, const char *doing, struct tk_error *error);

/** Rolls back what is not committed; does nothing where nothing is open. */
void tk_transaction_end(struct tk_transaction *transaction);

#endif
