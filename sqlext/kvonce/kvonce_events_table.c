/* SPDX-License-Identifier: MIT
 * kvonce_events: one row is an event of a run, in source order.
 *
 * CREATE TABLE kvonce_events(ordinal, run_id, document_id, file, dialect, trace_id, span_id,
 *     timestamp, time_ns, type, key, value, reason, context, actor, raw, span_trace_id HIDDEN)
 *
 * Constraints used: = on run_id, document_id, trace_id and dialect, each of which leaves fewer
 * documents to read; SQLite compares again. idxNum has a bit for each, argv comes in the order of
 * the bits. Rows come by document, then by ordinal; a document that several runs share comes once
 * for each of them. */
#include <string.h>

#include "sqlext/functions/time_text.h"
#include "sqlext/kvonce/event_reader.h"
#include "sqlext/kvonce/run_function.h"
#include "sqlext/kvonce/run_tables.h"
#include "sqlext/vtab_support.h"

enum column {
  COLUMN_ORDINAL,
  COLUMN_RUN_ID,
  COLUMN_DOCUMENT_ID,
  COLUMN_FILE,
  COLUMN_DIALECT,
  COLUMN_TRACE_ID,
  COLUMN_SPAN_ID,
  COLUMN_TIMESTAMP,
  COLUMN_TIME_NS,
  COLUMN_TYPE,
  COLUMN_KEY,
  COLUMN_VALUE,
  COLUMN_REASON,
  COLUMN_CONTEXT,
  COLUMN_ACTOR,
  COLUMN_RAW,
  COLUMN_SPAN_TRACE_ID
};

static const char declaration[] =
    "CREATE TABLE x(ordinal INTEGER, run_id TEXT, document_id INTEGER, file TEXT, dialect TEXT,"
    " trace_id TEXT, span_id TEXT COLLATE NOCASE, timestamp TEXT, time_ns INTEGER, type TEXT,"
    " key TEXT, value TEXT, reason TEXT, context TEXT, actor TEXT, raw TEXT,"
    " span_trace_id TEXT HIDDEN COLLATE NOCASE)";

enum { USE_RUN, USE_DOCUMENT, USE_TRACE, USE_DIALECT, USE_COUNT };

static const int used_columns[USE_COUNT] = {[USE_RUN] = COLUMN_RUN_ID,
                                            [USE_DOCUMENT] = COLUMN_DOCUMENT_ID,
                                            [USE_TRACE] = COLUMN_TRACE_ID,
                                            [USE_DIALECT] = COLUMN_DIALECT};

struct events_vtab {
  sqlite3_vtab base;
  sqlite3 *db;
  char *schema;
};

struct events_cursor {
  sqlite3_vtab_cursor base;
  struct tk_event_reader *reader;
  const struct tk_event_document *document; /* NULL before the first */
  const struct tk_run_event *event;         /* NULL at the end */
};

/* ---- the table ---- */

static int connect_table(sqlite3 *db, void *context, int argc, const char *const *argv,
                         sqlite3_vtab **vtab_out, char **message_out) {
  int rc;
  (void)context, (void)message_out;
  if ((rc = sqlite3_declare_vtab(db, declaration)) != SQLITE_OK) return rc;
  if ((rc = sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS)) != SQLITE_OK) return rc;
  struct events_vtab *vtab = sqlite3_malloc64(sizeof *vtab);
  if (!vtab) return SQLITE_NOMEM;
  *vtab = (struct events_vtab){.db = db};
  if (!(vtab->schema = sqlite3_mprintf("%s", tk_vtab_schema(argc, argv)))) {
    sqlite3_free(vtab);
    return SQLITE_NOMEM;
  }
  *vtab_out = &vtab->base;
  return SQLITE_OK;
}

static int disconnect_table(sqlite3_vtab *base) {
  struct events_vtab *vtab = (struct events_vtab *)base;
  sqlite3_free(vtab->schema);
  sqlite3_free(vtab);
  return SQLITE_OK;
}

static int best_index(sqlite3_vtab *vtab, sqlite3_index_info *info) {
  double documents = 10000;
  int next = 0;
  (void)vtab;
  info->idxNum = 0;
  for (int use = 0; use < USE_COUNT; use++) {
    for (int i = 0; i < info->nConstraint; i++) {
      const struct sqlite3_index_constraint *constraint = &info->aConstraint[i];
      if (constraint->iColumn != used_columns[use] || !constraint->usable ||
          constraint->op != SQLITE_INDEX_CONSTRAINT_EQ ||
          sqlite3_stricmp(sqlite3_vtab_collation(info, i), "BINARY") != 0) {
        continue;
      }
      info->idxNum |= 1 << use;
      info->aConstraintUsage[i].argvIndex = ++next;
      documents = use == USE_DIALECT ? documents / 2 : 1;
      break;
    }
  }
  info->estimatedRows = (sqlite3_int64)(documents * 100);
  info->estimatedCost = documents * 200;
  return SQLITE_OK;
}

static int open_cursor(sqlite3_vtab *vtab, sqlite3_vtab_cursor **cursor_out) {
  struct events_cursor *cursor = sqlite3_malloc64(sizeof *cursor);
  (void)vtab;
  if (!cursor) return SQLITE_NOMEM;
  *cursor = (struct events_cursor){.reader = NULL};
  *cursor_out = &cursor->base;
  return SQLITE_OK;
}

static int close_cursor(sqlite3_vtab_cursor *base) {
  struct events_cursor *cursor = (struct events_cursor *)base;
  tk_event_reader_close(cursor->reader);
  sqlite3_free(cursor);
  return SQLITE_OK;
}

/* ---- going through it ---- */

static enum tk_status advance(struct events_cursor *cursor, struct tk_error *error) {
  enum tk_status status = TK_OK;
  cursor->event = NULL;
  for (;;) {
    if (cursor->document) status = tk_event_reader_next(cursor->reader, &cursor->event, error);
    if (status != TK_OK || cursor->event) return status;
    status = tk_event_reader_next_document(cursor->reader, &cursor->document, error);
    if (status != TK_OK || !cursor->document) return status;
  }
}

static uint32_t dialects_named(sqlite3_value *value) {
  const char *name = (const char *)sqlite3_value_text(value);
  for (int i = 0; name && i < TK_DIALECT_COUNT; i++) {
    if (strcmp(name, tk_dialect_name((enum tk_dialect)i)) == 0) return 1u << i;
  }
  return 0;
}

static int filter_rows(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                       sqlite3_value **argv) {
  struct events_cursor *cursor = (struct events_cursor *)base;
  const struct events_vtab *vtab = (const struct events_vtab *)base->pVtab;
  struct tk_event_filter filter = {.dialects = (1u << TK_DIALECT_COUNT) - 1};
  struct tk_error error = {{0}};
  int next = 0;
  (void)plan_text, (void)argc;
  tk_event_reader_close(cursor->reader);
  *cursor = (struct events_cursor){.base = cursor->base};
  if (plan >> USE_RUN & 1) filter.run_id = argv[next++];
  if (plan >> USE_DOCUMENT & 1) filter.document_id = argv[next++];
  if (plan >> USE_TRACE & 1) filter.trace_id = argv[next++];
  if (plan >> USE_DIALECT & 1) filter.dialects = dialects_named(argv[next]);
  enum tk_status status =
      tk_event_reader_open(vtab->db, vtab->schema, &filter, &cursor->reader, &error);
  if (status == TK_OK) status = advance(cursor, &error);
  if (status != TK_OK) cursor->event = NULL;
  return tk_vtab_fail(base->pVtab, status, &error);
}

static int next_row(sqlite3_vtab_cursor *base) {
  struct tk_error error = {{0}};
  struct events_cursor *cursor = (struct events_cursor *)base;
  const enum tk_status status = advance(cursor, &error);
  if (status != TK_OK) cursor->event = NULL;
  return tk_vtab_fail(base->pVtab, status, &error);
}

static int at_end(sqlite3_vtab_cursor *base) {
  return !((const struct events_cursor *)base)->event;
}

/* ---- values ---- */

static bool is_zero(const uint8_t *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (bytes[i]) return false;
  }
  return true;
}

static void give_id(sqlite3_context *context, const uint8_t *bytes, size_t size) {
  if (!is_zero(bytes, size)) tk_result_hex(context, bytes, size);
}

/* RFC 3339: a date, a time and an offset; tk_time_parse takes more than that. */
static bool is_rfc3339(const char *text, uint32_t size) {
  static const char form[] = "dddd-dd-ddTdd:dd:dd";
  const uint32_t length = sizeof form - 1;
  if (size <= length) return false;
  for (uint32_t i = 0; i < length; i++) {
    const bool is_digit = text[i] >= '0' && text[i] <= '9';
    if (form[i] == 'd'   ? !is_digit
        : form[i] == 'T' ? (text[i] | 0x20) != 't'
                         : text[i] != form[i]) {
      return false;
    }
  }
  for (uint32_t i = length; i < size; i++) {
    if ((text[i] | 0x20) == 'z' || text[i] == '+' || text[i] == '-') return true;
  }
  return false;
}

static void give_time(sqlite3_context *context, const struct tk_run_event *event) {
  const struct tk_text json = event->fields[TK_EVENT_TIMESTAMP];
  char text[64];
  bool broken = false;
  int64_t unix_ns;
  if (event->origin) {
    sqlite3_result_int64(context, (sqlite3_int64)event->origin->start_unix_ns);
    return;
  }
  if (!json.data || json.data[0] != '"' || json.size > sizeof text) return;
  const struct tk_json_string string = {.data = json.data + 1, .size = json.size - 2, .escaped = 1};
  const uint32_t size = tk_json_unescape(string, text, &broken);
  if (!is_rfc3339(text, size)) return;
  if (tk_time_parse((struct tk_text){text, size}, 0, &unix_ns, NULL) == TK_OK) {
    sqlite3_result_int64(context, unix_ns);
  }
}

static void give_span_trace(sqlite3_context *context, const struct tk_run_event *event) {
  struct tk_byte_writer text = {0};
  if (!tk_event_span_trace(event, &text)) {
    sqlite3_result_error_nomem(context);
  } else if (text.size > 0) {
    tk_result_text(context, (struct tk_text){(const char *)text.data, (uint32_t)text.size});
  }
  tk_byte_writer_reset(&text);
}

/* Only what documents are found by: texts that are not empty. */
static void give_trace_id(sqlite3_context *context, struct tk_text json) {
  if (json.data && json.data[0] == '"' && json.size > 2) tk_result_json_scalar(context, json);
}

/* The first of two fields that is there. */
static struct tk_text either(const struct tk_run_event *event, enum tk_event_field first,
                             enum tk_event_field second) {
  return event->fields[first].data ? event->fields[first] : event->fields[second];
}

static void give_field(sqlite3_context *context, const struct events_cursor *cursor,
                       enum column column) {
  const struct tk_run_event *event = cursor->event;
  const bool is_kvonce = cursor->document->dialect == TK_DIALECT_KVONCE;
  const bool is_observability = cursor->document->dialect == TK_DIALECT_OBSERVABILITY;
  switch ((int)column) {
    case COLUMN_TRACE_ID:
      give_trace_id(context, event->fields[TK_EVENT_TRACE_ID]);
      break;
    case COLUMN_TIMESTAMP:
      tk_result_json_scalar(context, event->fields[TK_EVENT_TIMESTAMP]);
      break;
    case COLUMN_TYPE:
      tk_result_json_scalar(context, is_observability ? either(event, TK_EVENT_TYPE, TK_EVENT_EVENT)
                                                      : event->fields[TK_EVENT_TYPE]);
      break;
    case COLUMN_KEY:
      tk_result_json_scalar(context, event->fields[TK_EVENT_KEY]);
      break;
    case COLUMN_VALUE:
      tk_result_text(context, is_kvonce ? event->fields[TK_EVENT_VALUE]
                                        : either(event, TK_EVENT_VALUE, TK_EVENT_STATE));
      break;
    case COLUMN_REASON:
      tk_result_json_scalar(context, event->fields[TK_EVENT_REASON]);
      break;
    case COLUMN_CONTEXT:
      tk_result_text(context, is_observability ? either(event, TK_EVENT_CONTEXT, TK_EVENT_DETAILS)
                                               : event->fields[TK_EVENT_CONTEXT]);
      break;
    case COLUMN_ACTOR:
      tk_result_json_scalar(context, event->fields[TK_EVENT_ACTOR]);
      break;
    default:
      break;
  }
}

static int give_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
  const struct events_cursor *cursor = (const struct events_cursor *)base;
  const struct tk_run_event *event = cursor->event;
  switch (column) {
    case COLUMN_ORDINAL:
      sqlite3_result_int64(context, (sqlite3_int64)event->ordinal);
      break;
    case COLUMN_RUN_ID:
      if (cursor->document->run_id) {
        sqlite3_result_text(context, cursor->document->run_id, -1, SQLITE_TRANSIENT);
      }
      break;
    case COLUMN_DOCUMENT_ID:
      sqlite3_result_int64(context, cursor->document->id);
      break;
    case COLUMN_FILE:
      sqlite3_result_text(context, cursor->document->path, -1, SQLITE_TRANSIENT);
      break;
    case COLUMN_DIALECT:
      sqlite3_result_text(context, tk_dialect_name(cursor->document->dialect), -1, SQLITE_STATIC);
      break;
    case COLUMN_SPAN_ID:
      if (event->origin) give_id(context, event->origin->span_id, sizeof event->origin->span_id);
      break;
    case COLUMN_SPAN_TRACE_ID:
      give_span_trace(context, event);
      break;
    case COLUMN_TIME_NS:
      give_time(context, event);
      break;
    case COLUMN_RAW:
      tk_result_text(context, event->raw);
      break;
    default:
      give_field(context, cursor, (enum column)column);
      break;
  }
  return SQLITE_OK;
}

static int give_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid_out) {
  const struct events_cursor *cursor = (const struct events_cursor *)base;
  *rowid_out =
      tk_event_row_id(cursor->document->id, cursor->document->run_id, cursor->event->ordinal);
  return SQLITE_OK;
}

int tk_register_kvonce_events(sqlite3 *db) {
  static const sqlite3_module module = {.iVersion = 0,
                                        .xCreate = connect_table,
                                        .xConnect = connect_table,
                                        .xBestIndex = best_index,
                                        .xDisconnect = disconnect_table,
                                        .xDestroy = disconnect_table,
                                        .xOpen = open_cursor,
                                        .xClose = close_cursor,
                                        .xFilter = filter_rows,
                                        .xNext = next_row,
                                        .xEof = at_end,
                                        .xColumn = give_column,
                                        .xRowid = give_rowid};
  return sqlite3_create_module_v2(db, "tracekeep_kvonce_events", &module, NULL, NULL);
}
