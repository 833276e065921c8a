/* SPDX-License-Identifier: MIT
 * What every virtual table needs. See vtab_support.h.
 *
 * Readers are kept in one list of the process, found by connection and schema. A connection is used
 * by one thread at a time, but several connections by several, hence the lock; it is held only
 * while the list is looked at, never while SQL runs. */
#include "sqlext/vtab_support.h"

#include <pthread.h>
#include <string.h>

#include "sqlext/sampling/weight_records.h"
#include "sqlext/spans/run_links.h"

/* ---- errors ---- */

int tk_sqlite_code(enum tk_status status) {
  switch (status) {
    case TK_OK:
      return SQLITE_OK;
    case TK_NOMEM:
      return SQLITE_NOMEM;
    case TK_IO:
      return SQLITE_IOERR;
    case TK_CORRUPT:
      return SQLITE_CORRUPT_VTAB;
    case TK_BUSY:
      return SQLITE_BUSY;
    case TK_INVALID:
    case TK_UNSUPPORTED:
    default:
      return SQLITE_ERROR;
  }
}

int tk_vtab_fail(sqlite3_vtab *vtab, enum tk_status status, const struct tk_error *error) {
  if (status != TK_OK && status != TK_NOMEM) {
    sqlite3_free(vtab->zErrMsg);
    vtab->zErrMsg = sqlite3_mprintf("%s", error->message);
  }
  return tk_sqlite_code(status);
}

int tk_connect_fail(char **message_out, enum tk_status status, const struct tk_error *error) {
  if (status != TK_OK && status != TK_NOMEM) {
    sqlite3_free(*message_out);
    *message_out = sqlite3_mprintf("%s", error->message);
  }
  return tk_sqlite_code(status);
}

void tk_result_fail(sqlite3_context *context, enum tk_status status, const struct tk_error *error) {
  if (status == TK_NOMEM) {
    sqlite3_result_error_nomem(context);
  } else if (status != TK_OK) {
    sqlite3_result_error(context, error->message, -1);
    sqlite3_result_error_code(context, tk_sqlite_code(status));
  }
}

/* ---- the reader of a connection ---- */

struct shared_reader {
  struct shared_reader *next;
  struct tk_reader *reader;
  unsigned references;
  struct tk_run_links runs; /* of the generation `runs_generation`, if `runs_read` */
  int64_t runs_generation;
  bool runs_read;
  struct tk_recorded_weights weights; /* likewise */
  int64_t weights_generation;
  bool weights_read;
  sqlite3_stmt *ratios; /* over tk_head_sampling; NULL: no such table at `ratios_generation` */
  int64_t ratios_generation;
  bool ratios_prepared;
};

static pthread_mutex_t readers_lock = PTHREAD_MUTEX_INITIALIZER;
static struct shared_reader *readers;

static struct tk_reader *find_reader(sqlite3 *db, const char *schema) {
  struct tk_reader *found = NULL;
  pthread_mutex_lock(&readers_lock);
  for (struct shared_reader *shared = readers; shared && !found; shared = shared->next) {
    if (shared->reader->db == db && sqlite3_stricmp(shared->reader->schema, schema) == 0) {
      shared->references++;
      found = shared->reader;
    }
  }
  pthread_mutex_unlock(&readers_lock);
  return found;
}

/* Says it in words that help where there is no store at all. */
static enum tk_status check_for_store(sqlite3 *db, const char *schema, struct tk_error *error) {
  sqlite3_stmt *statement = NULL;
  char *sql = sqlite3_mprintf("SELECT count(*) FROM \"%w\".sqlite_schema WHERE name = 'tk_segment'",
                              schema);
  if (!sql) return tk_nomem(error);
  int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
  bool found = false;
  sqlite3_free(sql);
  if (rc == SQLITE_OK) {
    found = sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_int(statement, 0) > 0;
    rc = sqlite3_finalize(statement);
  }
  if (rc == SQLITE_NOMEM) return tk_nomem(error);
  if (rc != SQLITE_OK || found) return TK_OK; /* what else is wrong, the reader says better */
  return tk_fail(error, TK_INVALID,
                 "schema \"%s\" holds no tracekeep store; `tracekeep ingest` makes one", schema);
}

enum tk_status tk_shared_reader_acquire(sqlite3 *db, const char *schema,
                                        struct tk_reader **reader_out, struct tk_error *error) {
  enum tk_status status;

  if ((*reader_out = find_reader(db, schema)) != NULL) return TK_OK;
  if ((status = check_for_store(db, schema, error)) != TK_OK) return status;
  struct shared_reader *shared = sqlite3_malloc64(sizeof *shared);
  if (!shared) return tk_nomem(error);
  *shared = (struct shared_reader){.references = 1};
  if ((status = tk_reader_open(db, schema, &shared->reader, error)) == TK_OK) {
    status = tk_reader_refresh(shared->reader, error);
    if (status != TK_OK) tk_reader_close(shared->reader);
  }
  if (status != TK_OK) {
    sqlite3_free(shared);
    return status;
  }
  pthread_mutex_lock(&readers_lock);
  shared->next = readers;
  readers = shared;
  pthread_mutex_unlock(&readers_lock);
  *reader_out = shared->reader;
  return TK_OK;
}

void tk_shared_reader_release(struct tk_reader *reader) {
  struct shared_reader *last_use = NULL;

  if (!reader) return;
  pthread_mutex_lock(&readers_lock);
  for (struct shared_reader **link = &readers; *link; link = &(*link)->next) {
    if ((*link)->reader != reader) continue;
    if (--(*link)->references == 0) {
      last_use = *link;
      *link = last_use->next;
    }
    break;
  }
  pthread_mutex_unlock(&readers_lock);
  if (!last_use) return;
  sqlite3_finalize(last_use->ratios);
  tk_reader_close(last_use->reader);
  tk_run_links_reset(&last_use->runs);
  tk_recorded_weights_reset(&last_use->weights);
  sqlite3_free(last_use);
}

static enum tk_status find_shared(struct tk_reader *reader, struct shared_reader **shared_out,
                                  struct tk_error *error) {
  struct shared_reader *shared;
  pthread_mutex_lock(&readers_lock);
  for (shared = readers; shared && shared->reader != reader; shared = shared->next) continue;
  pthread_mutex_unlock(&readers_lock);
  *shared_out = shared;
  return shared ? TK_OK : tk_fail(error, TK_INVALID, "the reader is no shared one");
}

enum tk_status tk_shared_reader_run_links(struct tk_reader *reader,
                                          const struct tk_run_links **links_out,
                                          struct tk_error *error) {
  struct shared_reader *shared;
  if (find_shared(reader, &shared, error) != TK_OK) return TK_INVALID;
  *links_out = &shared->runs;
  if (shared->runs_read && shared->runs_generation == reader->generation) return TK_OK;
  tk_run_links_reset(&shared->runs);
  enum tk_status status = tk_run_links_load(&shared->runs, reader->db, reader->schema, error);
  shared->runs_read = status == TK_OK;
  shared->runs_generation = reader->generation;
  return status;
}

enum tk_status tk_shared_reader_recorded_weights(struct tk_reader *reader,
                                                 const struct tk_recorded_weights **weights_out,
                                                 struct tk_error *error) {
  struct shared_reader *shared;
  if (find_shared(reader, &shared, error) != TK_OK) return TK_INVALID;
  *weights_out = &shared->weights;
  if (shared->weights_read && shared->weights_generation == reader->generation) return TK_OK;
  tk_recorded_weights_reset(&shared->weights);
  enum tk_status status =
      tk_recorded_weights_load(&shared->weights, reader->db, reader->schema, error);
  shared->weights_read = status == TK_OK;
  shared->weights_generation = reader->generation;
  return status;
}

/* Stores of before have no such table; a writer that opens them makes it. */
static enum tk_status prepare_ratios(struct shared_reader *shared, struct tk_error *error) {
  struct tk_reader *reader = shared->reader;
  int rc = sqlite3_table_column_metadata(reader->db, reader->schema, "tk_head_sampling",
                                         "probability", 0, 0, 0, 0, 0);
  if (rc == SQLITE_NOMEM) return tk_nomem(error);
  if (rc != SQLITE_OK) return TK_OK;
  char *sql = sqlite3_mprintf(
      "SELECT service, probability FROM \"%w\".tk_head_sampling"
      " WHERE typeof(service) = 'text' AND probability > 0 AND probability <= 1",
      reader->schema);
  if (!sql) return tk_nomem(error);
  rc = sqlite3_prepare_v3(reader->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &shared->ratios, NULL);
  sqlite3_free(sql);
  if (rc == SQLITE_OK) return TK_OK;
  return tk_fail(error, rc == SQLITE_NOMEM ? TK_NOMEM : TK_IO, "cannot read tk_head_sampling: %s",
                 sqlite3_errmsg(reader->db));
}

enum tk_status tk_shared_reader_head_sampling(struct tk_reader *reader,
                                              sqlite3_stmt **statement_out,
                                              struct tk_error *error) {
  struct shared_reader *shared;
  if (find_shared(reader, &shared, error) != TK_OK) return TK_INVALID;
  if (!shared->ratios &&
      (!shared->ratios_prepared || shared->ratios_generation != reader->generation)) {
    enum tk_status status = prepare_ratios(shared, error);
    if (status != TK_OK) return status;
    shared->ratios_prepared = true;
    shared->ratios_generation = reader->generation;
  }
  *statement_out = shared->ratios;
  return TK_OK;
}

const char *tk_vtab_schema(int argc, const char *const *argv) {
  return argc > 3 && argv[3][0] ? argv[3] : argv[1];
}

/* ---- results ---- */

void tk_result_text(sqlite3_context *context, struct tk_text text) {
  if (text.data) {
    sqlite3_result_text64(context, text.data, text.size, SQLITE_TRANSIENT, SQLITE_UTF8);
  } else {
    sqlite3_result_null(context);
  }
}

void tk_result_hex(sqlite3_context *context, const uint8_t *bytes, size_t size) {
  char text[64];
  if (size > sizeof text / 2) size = sizeof text / 2;
  tk_hex_text(bytes, size, text);
  sqlite3_result_text(context, text, (int)(2 * size), SQLITE_TRANSIENT);
}

void tk_result_instant(sqlite3_context *context, uint64_t unix_ns) {
  char text[TK_INSTANT_TEXT_SIZE];
  tk_instant_text(unix_ns, text);
  sqlite3_result_text(context, text, TK_INSTANT_TEXT_SIZE, SQLITE_TRANSIENT);
}

static void result_name_or_number(sqlite3_context *context, const char *name, int64_t number) {
  char text[24];
  if (name) {
    sqlite3_result_text(context, name, -1, SQLITE_STATIC);
  } else {
    sqlite3_snprintf(sizeof text, text, "%lld", (long long)number);
    sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
  }
}

void tk_result_kind(sqlite3_context *context, int64_t kind) {
  result_name_or_number(context, tk_kind_name(kind), kind);
}

void tk_result_status_code(sqlite3_context *context, int64_t code) {
  result_name_or_number(context, tk_status_code_name(code), code);
}

void tk_result_trace_id(sqlite3_context *context, const uint8_t trace_id[16], struct tk_text text) {
  if (text.size > 0) {
    tk_result_text(context, text);
  } else {
    tk_result_hex(context, trace_id, 16);
  }
}

void tk_result_sql_value(sqlite3_context *context, const struct tk_sql_value *value) {
  switch (value->type) {
    case TK_SQL_INT:
      sqlite3_result_int64(context, value->as.integer);
      break;
    case TK_SQL_REAL:
      sqlite3_result_double(context, value->as.real);
      break;
    case TK_SQL_TEXT:
      sqlite3_result_text64(context, value->as.text.data, value->as.text.size, SQLITE_TRANSIENT,
                            SQLITE_UTF8);
      break;
    case TK_SQL_BLOB:
      sqlite3_result_blob64(context, value->as.text.data, value->as.text.size, SQLITE_TRANSIENT);
      break;
    case TK_SQL_NULL:
    default:
      sqlite3_result_null(context);
      break;
  }
}

void tk_result_value(sqlite3_context *context, const struct tk_value *value) {
  struct tk_byte_writer json = {0};

  switch ((enum tk_value_type)value->type) {
    case TK_VALUE_INT:
    case TK_VALUE_BOOL:
      sqlite3_result_int64(context, value->as.integer);
      break;
    case TK_VALUE_DOUBLE:
      sqlite3_result_double(context, value->as.real);
      break;
    case TK_VALUE_STRING:
      sqlite3_result_text64(context, value->size ? value->as.text : "", value->size,
                            SQLITE_TRANSIENT, SQLITE_UTF8);
      break;
    case TK_VALUE_BYTES:
      sqlite3_result_blob64(context, value->size ? value->as.text : "", value->size,
                            SQLITE_TRANSIENT);
      break;
    case TK_VALUE_ARRAY:
    case TK_VALUE_KVLIST:
      tk_json_value(&json, value);
      tk_result_json(context, &json);
      tk_byte_writer_reset(&json);
      break;
    case TK_VALUE_EMPTY:
    default:
      sqlite3_result_null(context);
      break;
  }
}

void tk_result_json(sqlite3_context *context, struct tk_byte_writer *out) {
  if (out->failed) {
    sqlite3_result_error_nomem(context);
    tk_byte_writer_reset(out);
  } else {
    sqlite3_result_text64(context, out->data ? (const char *)out->data : "", out->size,
                          SQLITE_TRANSIENT, SQLITE_UTF8);
    out->size = 0;
  }
}
