/* SPDX-License-Identifier: MIT
 * kvonce_issues: what the checks of all runs find in the events that are stored.
 *
 * CREATE TABLE kvonce_issues(run_id, document_id, domain, key, type, severity, message, ordinal,
 *                            trace_id, trace_ids)
 *
 * One row is an issue of one document. `ordinal` is the first event that shows it; `trace_ids` are
 * those of all events of its key, or of that event where the issue is about a state, as the tables
 * of spans show them. Of inventory
 * runs, the issues of the final state are left out: the last event's are the same. */
#include <string.h>

#include "sqlext/kvonce/inventory_fold.h"
#include "sqlext/kvonce/kvonce_fold.h"
#include "sqlext/kvonce/observability_check.h"
#include "sqlext/kvonce/run_function.h"
#include "sqlext/kvonce/run_tables.h"
#include "sqlext/vtab_support.h"

enum column {
  COLUMN_RUN_ID,
  COLUMN_DOCUMENT_ID,
  COLUMN_DOMAIN,
  COLUMN_KEY,
  COLUMN_TYPE,
  COLUMN_SEVERITY,
  COLUMN_MESSAGE,
  COLUMN_ORDINAL,
  COLUMN_TRACE_ID,
  COLUMN_TRACE_IDS
};

struct row {
  const char *domain, *type, *severity;
  struct tk_text key, trace_id; /* JSON */
  struct tk_text message, trace_ids;
  uint64_t ordinal;
};

static struct row *add_row(struct tk_run_rows *rows, enum tk_dialect dialect, const char *type,
                           const char *severity, uint64_t ordinal) {
  struct row *row = tk_run_rows_add(rows);
  if (!row) return NULL;
  row->domain = tk_dialect_name(dialect);
  row->type = type;
  row->severity = severity;
  row->ordinal = ordinal;
  return row;
}

static bool keep(struct tk_run_rows *rows, struct tk_text text, struct tk_text *copy) {
  return !text.data || tk_copy_text(&rows->arena, text, copy);
}

static bool keep_traces(struct tk_run_rows *rows, const struct tk_json_list *traces,
                        struct row *row) {
  struct tk_byte_writer json = {0};
  if (!traces->first) return true;
  tk_json_list_write(&json, traces);
  const struct tk_text text = {(const char *)json.data, (uint32_t)json.size};
  const bool kept = !json.failed && keep(rows, text, &row->trace_ids) &&
                    keep(rows, traces->first->text, &row->trace_id);
  tk_byte_writer_reset(&json);
  return kept;
}

/* ---- KvOnce ---- */

static bool add_key(struct tk_run_rows *rows, const struct tk_kvonce_entry *entry) {
  struct tk_kvonce_issue issues[TK_KVONCE_ISSUES_MAX];
  const uint32_t count = tk_kvonce_issues(entry, issues);
  for (uint32_t i = 0; i < count; i++) {
    const struct tk_text message = {issues[i].message, (uint32_t)strlen(issues[i].message)};
    struct row *row = add_row(rows, TK_DIALECT_KVONCE, issues[i].type, "error", issues[i].ordinal);
    if (!row || !keep(rows, entry->name, &row->key) || !keep(rows, message, &row->message) ||
        !keep_traces(rows, &entry->traces.list, row)) {
      return false;
    }
  }
  return true;
}

static enum tk_status compute_kvonce(struct tk_run_rows *rows, struct tk_event_reader *reader,
                                     struct tk_error *error) {
  const bool wants_traces = rows->columns >> COLUMN_TRACE_ID & 3;
  struct tk_kvonce_fold fold = {.keep = wants_traces ? TK_KVONCE_TRACES : 0};
  enum tk_status status = tk_kvonce_fold_document(&fold, reader, UINT64_MAX, error);
  if (status == TK_OK) status = tk_kvonce_fold_order(&fold, error);
  for (uint32_t i = 0; i < fold.ordered_count && status == TK_OK; i++) {
    if (!add_key(rows, fold.ordered[i])) status = tk_nomem(error);
  }
  tk_kvonce_fold_reset(&fold);
  return status;
}

/* ---- inventory ---- */

static enum tk_status compute_inventory(struct tk_run_rows *rows, struct tk_event_reader *reader,
                                        struct tk_error *error) {
  struct tk_inventory_check check = {.arena = &rows->arena};
  enum tk_status status = tk_inventory_check_document(&check, reader, error);
  if (status != TK_OK) return status;
  for (const struct tk_inventory_issue *issue = check.first; issue; issue = issue->next) {
    if (issue->first_ordinal == UINT64_MAX) continue; /* of the final state */
    struct row *row =
        add_row(rows, TK_DIALECT_INVENTORY, issue->type, issue->severity, issue->first_ordinal);
    if (!row) return tk_nomem(error);
    row->key = issue->key;
    row->message = issue->message;
    row->trace_id = issue->trace_id;
    row->trace_ids = issue->trace_ids;
  }
  return TK_OK;
}

/* ---- observability ---- */

static bool add_observability(struct tk_run_rows *rows, const struct tk_run_event *event,
                              const struct tk_observability_issue *issue) {
  struct tk_byte_writer trace = {0}, json = {0};
  char message[sizeof issue->message + sizeof issue->actual];
  struct row *row = add_row(rows, TK_DIALECT_OBSERVABILITY, issue->type, "error", event->ordinal);
  if (issue->path && issue->path[0]) {
    sqlite3_snprintf(sizeof message, message, "%s %s", issue->path, issue->message);
  } else if (issue->actual[0]) {
    sqlite3_snprintf(sizeof message, message, "%s: %s", issue->message, issue->actual);
  } else {
    sqlite3_snprintf(sizeof message, message, "%s", issue->message);
  }
  const struct tk_text text = {message, (uint32_t)strlen(message)};
  bool kept =
      row && keep(rows, text, &row->message) && keep(rows, event->fields[TK_EVENT_KEY], &row->key);
  kept = kept && tk_event_span_trace(event, &trace);
  if (kept && trace.size > 0) {
    const struct tk_text text_of_trace = {(const char *)trace.data, (uint32_t)trace.size};
    tk_byte_writer_append_u8(&json, '[');
    tk_js_write_string(&json, text_of_trace);
    tk_byte_writer_append_u8(&json, ']');
    const struct tk_text traces = {(const char *)json.data, (uint32_t)json.size};
    kept = !json.failed && keep(rows, traces, &row->trace_ids);
    /* The one item is also the id, as JSON. */
    if (kept) row->trace_id = (struct tk_text){row->trace_ids.data + 1, traces.size - 2};
  }
  tk_byte_writer_reset(&trace);
  tk_byte_writer_reset(&json);
  return kept;
}

static enum tk_status compute_observability(struct tk_run_rows *rows,
                                            struct tk_event_reader *reader,
                                            struct tk_error *error) {
  struct tk_observability_issue issues[TK_OBSERVABILITY_ISSUES_MAX];
  const struct tk_run_event *event;
  enum tk_status status;
  while ((status = tk_event_reader_next(reader, &event, error)) == TK_OK && event) {
    const uint32_t count = tk_observability_check(event, 0, issues);
    for (uint32_t i = 0; i < count; i++) {
      if (!add_observability(rows, event, &issues[i])) return tk_nomem(error);
    }
  }
  return status;
}

/* ---- the table ---- */

static enum tk_status compute(struct tk_run_rows *rows, struct tk_event_reader *reader,
                              struct tk_error *error) {
  switch (rows->document->dialect) {
    case TK_DIALECT_KVONCE:
      return compute_kvonce(rows, reader, error);
    case TK_DIALECT_INVENTORY:
      return compute_inventory(rows, reader, error);
    case TK_DIALECT_OBSERVABILITY:
      return compute_observability(rows, reader, error);
    case TK_DIALECT_COUNT:
    default:
      return TK_OK;
  }
}

static void give_column(sqlite3_context *context, const struct tk_run_rows *rows, const void *data,
                        int column) {
  const struct row *row = data;
  (void)rows;
  switch ((enum column)column) {
    case COLUMN_DOMAIN:
      sqlite3_result_text(context, row->domain, -1, SQLITE_STATIC);
      break;
    case COLUMN_KEY:
      tk_result_json_scalar(context, row->key);
      break;
    case COLUMN_TYPE:
      sqlite3_result_text(context, row->type, -1, SQLITE_STATIC);
      break;
    case COLUMN_SEVERITY:
      sqlite3_result_text(context, row->severity, -1, SQLITE_STATIC);
      break;
    case COLUMN_MESSAGE:
      tk_result_text(context, row->message);
      break;
    case COLUMN_ORDINAL:
      tk_result_ordinal(context, row->ordinal);
      break;
    case COLUMN_TRACE_ID:
      tk_result_json_scalar(context, row->trace_id);
      break;
    case COLUMN_TRACE_IDS:
      tk_result_text(context, row->trace_ids);
      break;
    case COLUMN_RUN_ID:
    case COLUMN_DOCUMENT_ID:
    default:
      break;
  }
}

int tk_register_kvonce_issues(sqlite3 *db) {
  static const struct tk_run_table table = {
      .name = "tracekeep_kvonce_issues",
      .declaration =
          "CREATE TABLE x(run_id TEXT, document_id INTEGER, domain TEXT, key TEXT, type TEXT,"
          " severity TEXT, message TEXT, ordinal INTEGER, trace_id TEXT, trace_ids TEXT)",
      .dialects = (1u << TK_DIALECT_COUNT) - 1,
      .row_size = sizeof(struct row),
      .run_column = COLUMN_RUN_ID,
      .document_column = COLUMN_DOCUMENT_ID,
      .schema_column = -1,
      .argument_columns = {-1, -1},
      .compute = compute,
      .column = give_column,
  };
  return tk_register_run_table(db, &table);
}
