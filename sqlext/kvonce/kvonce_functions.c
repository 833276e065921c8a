/* SPDX-License-Identifier: MIT
 * What is recomputed from the KvOnce events of a run:
 *
 *     kvonce_projection(run)       one row: counts, and the projection as JSON
 *     kvonce_keys(run)             what the projection says of each key
 *     kvonce_state(run, ordinal)   what the store holds for each key after that event
 *     kvonce_validate(run)         issues: key, type, message
 *
 * One document is one run of the projector: a run with several gives rows for each, told apart by
 * the hidden column document_id. Keys come in the order of the properties of a JavaScript object.
 */
#include <string.h>

#include "sqlext/kvonce/kvonce_fold.h"
#include "sqlext/kvonce/run_function.h"
#include "sqlext/kvonce/run_tables.h"
#include "sqlext/vtab_support.h"

/* Columns behind the visible ones: run, [argument,] document_id, schema. */
#define HIDDEN ", run TEXT HIDDEN, document_id INTEGER HIDDEN, schema TEXT HIDDEN)"

/* ---- kvonce_projection ---- */

enum { PROJECTION_EVENT_COUNT, PROJECTION_RATE = 10, PROJECTION_JSON = 12, PROJECTION_END };

struct projection_row {
  int64_t counts[PROJECTION_RATE];
  double rate;
  int64_t malformed_count;
  struct tk_text json;
};

static enum tk_status write_projection(struct tk_run_rows *rows, struct projection_row *row,
                                       struct tk_event_reader *reader, struct tk_error *error) {
  struct tk_byte_writer json = {0};
  enum tk_status status = tk_kvonce_projection(&json, reader, rows->length_limit, error);
  if (status == TK_OK) {
    const struct tk_text text = {(const char *)json.data, (uint32_t)json.size};
    if (!tk_copy_text(&rows->arena, text, &row->json)) status = tk_nomem(error);
  }
  tk_byte_writer_reset(&json);
  return status;
}

static enum tk_status compute_projection(struct tk_run_rows *rows, struct tk_event_reader *reader,
                                         struct tk_error *error) {
  struct tk_kvonce_fold fold = {.keep = 0};
  struct tk_kvonce_key_counts keys;
  struct projection_row *row = tk_run_rows_add(rows);
  if (!row) return tk_nomem(error);
  enum tk_status status = tk_kvonce_fold_document(&fold, reader, UINT64_MAX, error);
  if (status == TK_OK) {
    tk_kvonce_count_keys(&fold, &keys);
    *row = (struct projection_row){
        .counts = {(int64_t)fold.event_count, fold.keys.count,
                   (int64_t)fold.counts[TK_KVONCE_SUCCESS], (int64_t)fold.counts[TK_KVONCE_RETRY],
                   (int64_t)fold.counts[TK_KVONCE_FAILURE], (int64_t)fold.counts[TK_KVONCE_UNKNOWN],
                   (int64_t)keys.success, (int64_t)keys.retry, (int64_t)keys.failure,
                   (int64_t)keys.duplicate_failure},
        .rate = tk_js_rate_thousandths(fold.counts[TK_KVONCE_SUCCESS], fold.event_count) / 1000.0,
        .malformed_count = (int64_t)tk_event_reader_malformed_count(reader)};
    if (rows->columns >> PROJECTION_JSON & 1) {
      status = tk_event_reader_restart(reader, error);
      if (status == TK_OK) status = write_projection(rows, row, reader, error);
    }
  }
  tk_kvonce_fold_reset(&fold);
  return status;
}

static void give_projection(sqlite3_context *context, const struct tk_run_rows *rows,
                            const void *data, int column) {
  const struct projection_row *row = data;
  (void)rows;
  if (column < PROJECTION_RATE) {
    sqlite3_result_int64(context, row->counts[column]);
  } else if (column == PROJECTION_RATE) {
    sqlite3_result_double(context, row->rate);
  } else if (column < PROJECTION_JSON) {
    sqlite3_result_int64(context, row->malformed_count);
  } else {
    tk_result_text(context, row->json);
  }
}

static const struct tk_run_table projection_table = {
    .name = "kvonce_projection",
    .declaration =
        "CREATE TABLE x(event_count INTEGER, unique_keys INTEGER, success_count INTEGER,"
        " retry_count INTEGER, failure_count INTEGER, unknown_count INTEGER,"
        " keys_with_success INTEGER, keys_with_retries INTEGER, keys_with_failures INTEGER,"
        " duplicate_failure_keys INTEGER, success_rate REAL, malformed_lines INTEGER,"
        " projection TEXT" HIDDEN,
    .is_function = true,
    .dialects = 1u << TK_DIALECT_KVONCE,
    .row_size = sizeof(struct projection_row),
    .run_column = PROJECTION_END,
    .document_column = PROJECTION_END + 1,
    .schema_column = PROJECTION_END + 2,
    .argument_columns = {-1, -1},
    .compute = compute_projection,
    .column = give_projection,
};

/* ---- kvonce_keys ---- */

enum keys_column {
  KEYS_KEY,
  KEYS_SUCCESS_COUNT,
  KEYS_RETRIES,
  KEYS_VALUE,
  KEYS_FAILURE_REASONS,
  KEYS_RETRY_CONTEXTS,
  KEYS_SUCCESS_CONTEXTS,
  KEYS_FAILURE_CONTEXTS,
  KEYS_FIRST_TIMESTAMP,
  KEYS_LAST_TIMESTAMP,
  KEYS_LAST_TYPE,
  KEYS_LAST_FAILURE_REASON,
  KEYS_TRACE_IDS,
  KEYS_FIRST_ORDINAL,
  KEYS_LAST_ORDINAL,
  KEYS_END
};

struct keys_row {
  struct tk_text texts[KEYS_END]; /* JSON, by column */
  uint64_t success_count, retries, first_ordinal, last_ordinal;
};

static bool keep_list(struct tk_run_rows *rows, struct keys_row *row, int column,
                      const struct tk_json_list *list) {
  struct tk_byte_writer json = {0};
  bool kept = true;
  if (rows->columns >> column & 1) {
    tk_json_list_write(&json, list);
    const struct tk_text text = {(const char *)json.data, (uint32_t)json.size};
    kept = !json.failed && tk_copy_text(&rows->arena, text, &row->texts[column]);
  }
  tk_byte_writer_reset(&json);
  return kept;
}

static bool keep_text(struct tk_run_rows *rows, struct keys_row *row, int column,
                      struct tk_text json) {
  return !json.data || tk_copy_text(&rows->arena, json, &row->texts[column]);
}

static bool add_key(struct tk_run_rows *rows, const struct tk_kvonce_entry *entry) {
  struct keys_row *row = tk_run_rows_add(rows);
  if (!row) return false;
  row->success_count = entry->success_count;
  row->retries = entry->retry_count;
  row->first_ordinal = entry->first_ordinal;
  row->last_ordinal = entry->last_ordinal;
  return keep_text(rows, row, KEYS_KEY, entry->name) &&
         keep_text(rows, row, KEYS_VALUE, entry->value.text) &&
         keep_list(rows, row, KEYS_FAILURE_REASONS, &entry->failure_reasons) &&
         keep_list(rows, row, KEYS_RETRY_CONTEXTS, &entry->retry_contexts) &&
         keep_list(rows, row, KEYS_SUCCESS_CONTEXTS, &entry->success_contexts) &&
         keep_list(rows, row, KEYS_FAILURE_CONTEXTS, &entry->failure_contexts) &&
         keep_text(rows, row, KEYS_FIRST_TIMESTAMP, entry->first_timestamp.text) &&
         keep_text(rows, row, KEYS_LAST_TIMESTAMP, entry->last_timestamp.text) &&
         keep_text(rows, row, KEYS_LAST_TYPE, entry->last_type.text) &&
         keep_text(rows, row, KEYS_LAST_FAILURE_REASON, entry->last_failure_reason.text) &&
         keep_list(rows, row, KEYS_TRACE_IDS, &entry->traces.list);
}

static enum tk_status compute_keys(struct tk_run_rows *rows, struct tk_event_reader *reader,
                                   struct tk_error *error) {
  const uint64_t lists = (uint64_t)0xF << KEYS_FAILURE_REASONS;
  struct tk_kvonce_fold fold = {.keep = TK_KVONCE_VALUES};
  if (rows->columns & lists) fold.keep |= TK_KVONCE_LISTS;
  if (rows->columns >> KEYS_TRACE_IDS & 1) fold.keep |= TK_KVONCE_TRACES;
  enum tk_status status = tk_kvonce_fold_document(&fold, reader, UINT64_MAX, error);
  if (status == TK_OK) status = tk_kvonce_fold_order(&fold, error);
  for (uint32_t i = 0; i < fold.ordered_count && status == TK_OK; i++) {
    if (!add_key(rows, fold.ordered[i])) status = tk_nomem(error);
  }
  tk_kvonce_fold_reset(&fold);
  return status;
}

static void give_key(sqlite3_context *context, const struct tk_run_rows *rows, const void *data,
                     int column) {
  const struct keys_row *row = data;
  (void)rows;
  switch ((enum keys_column)column) {
    case KEYS_SUCCESS_COUNT:
      tk_result_ordinal(context, row->success_count);
      break;
    case KEYS_RETRIES:
      tk_result_ordinal(context, row->retries);
      break;
    case KEYS_FIRST_ORDINAL:
      tk_result_ordinal(context, row->first_ordinal);
      break;
    case KEYS_LAST_ORDINAL:
      tk_result_ordinal(context, row->last_ordinal);
      break;
    case KEYS_VALUE:
    case KEYS_FAILURE_REASONS:
    case KEYS_RETRY_CONTEXTS:
    case KEYS_SUCCESS_CONTEXTS:
    case KEYS_FAILURE_CONTEXTS:
    case KEYS_TRACE_IDS:
      tk_result_text(context, row->texts[column]);
      break;
    case KEYS_KEY:
    case KEYS_FIRST_TIMESTAMP:
    case KEYS_LAST_TIMESTAMP:
    case KEYS_LAST_TYPE:
    case KEYS_LAST_FAILURE_REASON:
    case KEYS_END:
    default:
      tk_result_json_scalar(context, row->texts[column]);
      break;
  }
}

static const struct tk_run_table keys_table = {
    .name = "kvonce_keys",
    .declaration =
        "CREATE TABLE x(key TEXT, success_count INTEGER, retries INTEGER, value TEXT,"
        " failure_reasons TEXT, retry_contexts TEXT, success_contexts TEXT,"
        " failure_contexts TEXT, first_timestamp TEXT, last_timestamp TEXT,"
        " last_type TEXT, last_failure_reason TEXT, trace_ids TEXT,"
        " first_ordinal INTEGER, last_ordinal INTEGER" HIDDEN,
    .is_function = true,
    .dialects = 1u << TK_DIALECT_KVONCE,
    .row_size = sizeof(struct keys_row),
    .run_column = KEYS_END,
    .document_column = KEYS_END + 1,
    .schema_column = KEYS_END + 2,
    .argument_columns = {-1, -1},
    .compute = compute_keys,
    .column = give_key,
};

/* ---- kvonce_state ---- */

enum state_column {
  STATE_KEY,
  STATE_WRITTEN,
  STATE_VALUE,
  STATE_RETRIES,
  STATE_FAILURES,
  STATE_LAST_FAILURE_REASON,
  STATE_LAST_SUCCESS_AT,
  STATE_RUN,
  STATE_ORDINAL,
  STATE_DOCUMENT,
  STATE_SCHEMA
};

struct state_row {
  struct tk_text key, value, last_failure_reason, last_success_at;
  uint64_t retries, failures;
  bool is_written;
};

static bool add_state(struct tk_run_rows *rows, const struct tk_kvonce_entry *entry) {
  struct state_row *row = tk_run_rows_add(rows);
  if (!row) return false;
  row->is_written = entry->is_written;
  row->retries = entry->retry_count;
  row->failures = entry->failure_count;
  const struct tk_text reason = entry->last_failure_reason.text, time = entry->last_success_at.text;
  return tk_copy_text(&rows->arena, entry->name, &row->key) &&
         (!entry->state_value.text.data ||
          tk_copy_text(&rows->arena, entry->state_value.text, &row->value)) &&
         (!reason.data || tk_copy_text(&rows->arena, reason, &row->last_failure_reason)) &&
         (!time.data || tk_copy_text(&rows->arena, time, &row->last_success_at));
}

static enum tk_status compute_state(struct tk_run_rows *rows, struct tk_event_reader *reader,
                                    struct tk_error *error) {
  struct tk_kvonce_fold fold = {.keep = TK_KVONCE_VALUES};
  sqlite3_value *ordinal = rows->arguments[0];
  const bool has_ordinal = ordinal && sqlite3_value_type(ordinal) != SQLITE_NULL;
  const int64_t last = has_ordinal ? sqlite3_value_int64(ordinal) : INT64_MAX;
  if (last < 0) return TK_OK;
  enum tk_status status = tk_kvonce_fold_document(&fold, reader, (uint64_t)last, error);
  if (status == TK_OK) status = tk_kvonce_fold_order(&fold, error);
  const bool exists = !has_ordinal || tk_event_reader_record_count(reader) > (uint64_t)last;
  for (uint32_t i = 0; exists && i < fold.ordered_count && status == TK_OK; i++) {
    if (!add_state(rows, fold.ordered[i])) status = tk_nomem(error);
  }
  tk_kvonce_fold_reset(&fold);
  return status;
}

static void give_state(sqlite3_context *context, const struct tk_run_rows *rows, const void *data,
                       int column) {
  const struct state_row *row = data;
  (void)rows;
  switch ((enum state_column)column) {
    case STATE_KEY:
      tk_result_json_scalar(context, row->key);
      break;
    case STATE_WRITTEN:
      sqlite3_result_int(context, row->is_written);
      break;
    case STATE_VALUE:
      if (!tk_json_is_null(row->value)) tk_result_text(context, row->value);
      break;
    case STATE_RETRIES:
      tk_result_ordinal(context, row->retries);
      break;
    case STATE_FAILURES:
      tk_result_ordinal(context, row->failures);
      break;
    case STATE_LAST_FAILURE_REASON:
      tk_result_json_scalar(context, row->last_failure_reason);
      break;
    case STATE_LAST_SUCCESS_AT:
      tk_result_json_scalar(context, row->last_success_at);
      break;
    case STATE_RUN:
    case STATE_ORDINAL:
    case STATE_DOCUMENT:
    case STATE_SCHEMA:
    default:
      break;
  }
}

static const struct tk_run_table state_table = {
    .name = "kvonce_state",
    .declaration =
        "CREATE TABLE x(key TEXT, written INTEGER, value TEXT, retries INTEGER,"
        " failures INTEGER, last_failure_reason TEXT, last_success_at TEXT,"
        " run TEXT HIDDEN, ordinal INTEGER HIDDEN, document_id INTEGER HIDDEN,"
        " schema TEXT HIDDEN)",
    .is_function = true,
    .dialects = 1u << TK_DIALECT_KVONCE,
    .row_size = sizeof(struct state_row),
    .run_column = STATE_RUN,
    .document_column = STATE_DOCUMENT,
    .schema_column = STATE_SCHEMA,
    .argument_columns = {STATE_ORDINAL, -1},
    .compute = compute_state,
    .column = give_state,
};

/* ---- kvonce_validate ---- */

enum validate_column { VALIDATE_KEY, VALIDATE_TYPE, VALIDATE_MESSAGE, VALIDATE_END };

struct validate_row {
  struct tk_text key, message;
  const char *type;
};

static bool add_issues(struct tk_run_rows *rows, const struct tk_kvonce_entry *entry) {
  struct tk_kvonce_issue issues[TK_KVONCE_ISSUES_MAX];
  const uint32_t count = tk_kvonce_issues(entry, issues);
  for (uint32_t i = 0; i < count; i++) {
    struct validate_row *row = tk_run_rows_add(rows);
    const struct tk_text message = {issues[i].message, (uint32_t)strlen(issues[i].message)};
    if (!row || !tk_copy_text(&rows->arena, entry->name, &row->key) ||
        !tk_copy_text(&rows->arena, message, &row->message)) {
      return false;
    }
    row->type = issues[i].type;
  }
  return true;
}

static enum tk_status compute_validate(struct tk_run_rows *rows, struct tk_event_reader *reader,
                                       struct tk_error *error) {
  struct tk_kvonce_fold fold = {.keep = 0};
  enum tk_status status = tk_kvonce_fold_document(&fold, reader, UINT64_MAX, error);
  if (status == TK_OK) status = tk_kvonce_fold_order(&fold, error);
  for (uint32_t i = 0; i < fold.ordered_count && status == TK_OK; i++) {
    if (!add_issues(rows, fold.ordered[i])) status = tk_nomem(error);
  }
  tk_kvonce_fold_reset(&fold);
  return status;
}

static void give_issue(sqlite3_context *context, const struct tk_run_rows *rows, const void *data,
                       int column) {
  const struct validate_row *row = data;
  (void)rows;
  if (column == VALIDATE_KEY) {
    tk_result_json_scalar(context, row->key);
  } else if (column == VALIDATE_TYPE) {
    sqlite3_result_text(context, row->type, -1, SQLITE_STATIC);
  } else {
    tk_result_text(context, row->message);
  }
}

static const struct tk_run_table validate_table = {
    .name = "kvonce_validate",
    .declaration = "CREATE TABLE x(key TEXT, type TEXT, message TEXT" HIDDEN,
    .is_function = true,
    .dialects = 1u << TK_DIALECT_KVONCE,
    .row_size = sizeof(struct validate_row),
    .run_column = VALIDATE_END,
    .document_column = VALIDATE_END + 1,
    .schema_column = VALIDATE_END + 2,
    .argument_columns = {-1, -1},
    .compute = compute_validate,
    .column = give_issue,
};

int tk_register_kvonce_functions(sqlite3 *db) {
  static const struct tk_run_table *const tables[] = {&projection_table, &keys_table, &state_table,
                                                      &validate_table};
  int rc = SQLITE_OK;
  for (size_t i = 0; rc == SQLITE_OK && i < sizeof tables / sizeof tables[0]; i++) {
    rc = tk_register_run_table(db, tables[i]);
  }
  return rc;
}
