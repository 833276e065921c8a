/* What every virtual table of tracekeep needs: the connection's reader, errors, and values as SQL.
 *
 * Affinity and conversions follow one rule: a column gives exactly the value that an ordinary table
 * with the declared type would have stored, because SQLite compares by declared type. */
#ifndef TK_SQLEXT_VTAB_SUPPORT_H
#define TK_SQLEXT_VTAB_SUPPORT_H

#include <stddef.h>
#include <stdint.h>

#include "sqlext/json_text.h"
#include "sqlext/text_forms.h"
#include "store/codec/byte_writer.h"
#include "store/predicate.h"
#include "store/segment/segment.h"
#include "store/sqlite_api.h"
#include "tracekeep/span.h"
#include "tracekeep/status.h"

/* ---- errors ---- */

int tk_sqlite_code(enum tk_status status);

/** Puts the text of `error` into vtab->zErrMsg and returns the SQLite result code. With TK_OK:
 * SQLITE_OK, and nothing else happens. */
int tk_vtab_fail(sqlite3_vtab *vtab, enum tk_status status, const struct tk_error *error);

/** The same for xConnect, whose message goes to *message_out, and for functions. */
int tk_connect_fail(char **message_out, enum tk_status status, const struct tk_error *error);
void tk_result_fail(sqlite3_context *context, enum tk_status status, const struct tk_error *error);

/* ---- the reader of a connection ----
 *
 * All tables of a connection that look at one schema share a reader, so that its prepared
 * statements, resources and segment list exist once. Tables hold it from xConnect to xDisconnect;
 * SQLite disconnects all tables before it closes a connection. */

/** TK_INVALID: the schema holds no store. The reader is refreshed once. */
enum tk_status tk_shared_reader_acquire(sqlite3 *db, const char *schema,
                                        struct tk_reader **reader_out, struct tk_error *error);
/** NULL does nothing. */
void tk_shared_reader_release(struct tk_reader *reader);

struct tk_run_links;
/** The runs of traces, as of the reader's generation; read when first asked for. Valid until the
 * next call. */
enum tk_status tk_shared_reader_run_links(struct tk_reader *reader,
                                          const struct tk_run_links **links_out,
                                          struct tk_error *error);

struct tk_recorded_weights;
/** Weights from recorded sampling decisions, likewise. */
enum tk_status tk_shared_reader_recorded_weights(struct tk_reader *reader,
                                                 const struct tk_recorded_weights **weights_out,
                                                 struct tk_error *error);

/** The statement that gives (service, probability) of tk_head_sampling, to be reset after use; NULL
 * if there is no such table. */
enum tk_status tk_shared_reader_head_sampling(struct tk_reader *reader,
                                              sqlite3_stmt **statement_out, struct tk_error *error);

/** The schema a table is about, given xConnect's arguments: the one it was created in, unless an
 * argument names another (`CREATE VIRTUAL TABLE temp.s USING tracekeep_spans(other)`). */
const char *tk_vtab_schema(int argc, const char *const *argv);

/* ---- results ---- */

void tk_result_text(sqlite3_context *context,
                    struct tk_text text); /* copied; NULL data: SQL NULL */
void tk_result_hex(sqlite3_context *context, const uint8_t *bytes, size_t size);
void tk_result_instant(sqlite3_context *context, uint64_t unix_ns);
void tk_result_kind(sqlite3_context *context, int64_t kind);
void tk_result_status_code(sqlite3_context *context, int64_t code);
/** Hex, or the text the trace was sent with. `text` may be empty. */
void tk_result_trace_id(sqlite3_context *context, const uint8_t trace_id[16], struct tk_text text);

/** Text and blobs are copied. */
void tk_result_sql_value(sqlite3_context *context, const struct tk_sql_value *value);

/** INT and BOOL as integer, DOUBLE as real (NaN: NULL), STRING as text, BYTES as blob, ARRAY and
 * KVLIST as JSON text, EMPTY as NULL. */
void tk_result_value(sqlite3_context *context, const struct tk_value *value);

/** The JSON in `out`, which is emptied for the next use; out of memory if it failed. */
void tk_result_json(sqlite3_context *context, struct tk_byte_writer *out);

#endif
