/* SPDX-License-Identifier: MIT
 * What is recomputed from the inventory events and the observability events of a run:
 *
 *     inventory_projection(run)                        one row: counts, final state, and the JSON
 *     inventory_validate(run [, onhand_min, disabled]) issues: type, severity, message, index,
 * source observability_validate(run [, onhand_min])       errors of form and broken invariants
 *
 * `disabled` names checks that are left out, separated by commas. */
#include <string.h>

#include "sqlext/kvonce/inventory_fold.h"
#include "sqlext/kvonce/observability_check.h"
#include "sqlext/kvonce/run_function.h"
#include "sqlext/kvonce/run_tables.h"
#include "sqlext/vtab_support.h"

/* ---- inventory_projection ---- */

enum projection_column {
  PROJECTION_EVENT_COUNT, /* this and the next six are counts */
  PROJECTION_ON_HAND = 7,
  PROJECTION_ALLOCATED,
  PROJECTION_AVAILABLE,
  PROJECTION_FIRST_TIMESTAMP,
  PROJECTION_LAST_TIMESTAMP,
  PROJECTION_ORDER_COUNT,
  PROJECTION_MALFORMED,
  PROJECTION_JSON,
  PROJECTION_END
};

struct projection_row {
  int64_t counts[PROJECTION_ON_HAND], order_count, malformed_count;
  struct tk_inventory_state state;
  struct tk_text first_timestamp, last_timestamp, json;
};

static bool keep_text(struct tk_run_rows *rows, struct tk_text text, struct tk_text *copy) {
  return !text.data || tk_copy_text(&rows->arena, text, copy);
}

static enum tk_status fold_all(struct tk_inventory_fold *fold, struct tk_event_reader *reader,
                               struct tk_error *error) {
  const struct tk_run_event *event;
  enum tk_status status;
  while ((status = tk_event_reader_next(reader, &event, error)) == TK_OK && event) {
    if ((status = tk_inventory_fold_add(fold, event, error)) != TK_OK) return status;
  }
  return status == TK_OK ? tk_inventory_fold_order(fold, error) : status;
}

static enum tk_status compute_projection(struct tk_run_rows *rows, struct tk_event_reader *reader,
                                         struct tk_error *error) {
  struct tk_inventory_fold fold = {.event_count = 0};
  struct tk_byte_writer json = {0};
  struct projection_row *row = tk_run_rows_add(rows);
  const bool wants_json = rows->columns >> PROJECTION_JSON & 1;
  if (!row) return tk_nomem(error);
  enum tk_status status =
      wants_json ? tk_inventory_projection(&fold, &json, reader, rows->length_limit, error)
                 : fold_all(&fold, reader, error);
  if (status == TK_OK) {
    const int64_t validations = (int64_t)fold.type_counts[TK_INVENTORY_VALIDATION];
    const int64_t counts[PROJECTION_ON_HAND] = {(int64_t)fold.event_count,
                                                (int64_t)fold.type_counts[TK_INVENTORY_PROJECTION],
                                                (int64_t)fold.type_counts[TK_INVENTORY_ALLOCATION],
                                                (int64_t)fold.type_counts[TK_INVENTORY_RELEASE],
                                                validations,
                                                (int64_t)fold.pass_count,
                                                validations - (int64_t)fold.pass_count};
    memcpy(row->counts, counts, sizeof counts);
    row->order_count = fold.order_count;
    row->malformed_count = (int64_t)tk_event_reader_malformed_count(reader);
    row->state = fold.state;
    if (!keep_text(rows, fold.first_timestamp, &row->first_timestamp) ||
        !keep_text(rows, fold.last_timestamp.text, &row->last_timestamp) ||
        !keep_text(rows, (struct tk_text){(const char *)json.data, (uint32_t)json.size},
                   &row->json)) {
      status = tk_nomem(error);
    }
  }
  tk_byte_writer_reset(&json);
  tk_inventory_fold_reset(&fold);
  return status;
}

static void give_projection(sqlite3_context *context, const struct tk_run_rows *rows,
                            const void *data, int column) {
  const struct projection_row *row = data;
  (void)rows;
  switch ((enum projection_column)column) {
    case PROJECTION_ON_HAND:
      sqlite3_result_double(context, row->state.on_hand);
      break;
    case PROJECTION_ALLOCATED:
      sqlite3_result_double(context, row->state.allocated);
      break;
    case PROJECTION_AVAILABLE:
      sqlite3_result_double(context, row->state.available);
      break;
    case PROJECTION_FIRST_TIMESTAMP:
      tk_result_json_scalar(context, row->first_timestamp);
      break;
    case PROJECTION_LAST_TIMESTAMP:
      tk_result_json_scalar(context, row->last_timestamp);
      break;
    case PROJECTION_ORDER_COUNT:
      sqlite3_result_int64(context, row->order_count);
      break;
    case PROJECTION_MALFORMED:
      sqlite3_result_int64(context, row->malformed_count);
      break;
    case PROJECTION_JSON:
      tk_result_text(context, row->json);
      break;
    case PROJECTION_EVENT_COUNT:
    case PROJECTION_END:
    default:
      sqlite3_result_int64(context, row->counts[column]);
      break;
  }
}

static const struct tk_run_table projection_table = {
    .name = "inventory_projection",
    .declaration =
        "CREATE TABLE x(event_count INTEGER, projection_events INTEGER, allocation_events INTEGER,"
        " release_events INTEGER, validation_events INTEGER, validation_passes INTEGER,"
        " validation_failures INTEGER, on_hand REAL, allocated REAL, available REAL,"
        " first_timestamp TEXT, last_timestamp TEXT, order_count INTEGER, malformed_lines INTEGER,"
        " projection TEXT, run TEXT HIDDEN, document_id INTEGER HIDDEN, schema TEXT HIDDEN)",
    .is_function = true,
    .dialects = 1u << TK_DIALECT_INVENTORY,
    .row_size = sizeof(struct projection_row),
    .run_column = PROJECTION_END,
    .document_column = PROJECTION_END + 1,
    .schema_column = PROJECTION_END + 2,
    .argument_columns = {-1, -1},
    .compute = compute_projection,
    .column = give_projection,
};

/* ---- inventory_validate ---- */

enum validate_column {
  VALIDATE_TYPE,
  VALIDATE_SEVERITY,
  VALIDATE_MESSAGE,
  VALIDATE_INDEX,
  VALIDATE_SOURCE,
  VALIDATE_RUN,
  VALIDATE_ONHAND_MIN,
  VALIDATE_DISABLED,
  VALIDATE_DOCUMENT,
  VALIDATE_SCHEMA
};

/* The names in a list separated by commas. TK_INVALID: one is unknown. */
static enum tk_status read_disabled(sqlite3_value *value, unsigned *disabled,
                                    struct tk_error *error) {
  const char *at = value ? (const char *)sqlite3_value_text(value) : NULL;
  *disabled = 0;
  while (at && *at) {
    const size_t length = strcspn(at, ",");
    const struct tk_text name = tk_js_trim((struct tk_text){at, (uint32_t)length});
    bool found = name.size == 0;
    for (int i = 0; i < TK_RULE_COUNT; i++) {
      const char *rule = tk_inventory_rule_name((enum tk_inventory_rule)i);
      if (name.size != strlen(rule) || memcmp(name.data, rule, name.size) != 0) continue;
      *disabled |= 1u << i;
      found = true;
    }
    if (!found) {
      return tk_fail(error, TK_INVALID,
                     "inventory_validate: expected allocated_le_onhand, onhand_min or"
                     " available_consistency, found '%.*s'",
                     (int)name.size, name.data);
    }
    at += length + (at[length] == ',');
  }
  return TK_OK;
}

static enum tk_status compute_validate(struct tk_run_rows *rows, struct tk_event_reader *reader,
                                       struct tk_error *error) {
  struct tk_inventory_check check = {.arena = &rows->arena,
                                     .onhand_min = tk_run_argument_number(rows, 0, 0)};
  enum tk_status status = read_disabled(rows->arguments[1], &check.disabled, error);
  if (status == TK_OK) status = tk_inventory_check_document(&check, reader, error);
  if (status != TK_OK) return status;
  for (const struct tk_inventory_issue *issue = check.first; issue; issue = issue->next) {
    struct tk_inventory_issue *row = tk_run_rows_add(rows);
    if (!row) return tk_nomem(error);
    *row = *issue;
  }
  return TK_OK;
}

static void give_issue(sqlite3_context *context, const struct tk_run_rows *rows, const void *data,
                       int column) {
  const struct tk_inventory_issue *issue = data;
  (void)rows;
  switch ((enum validate_column)column) {
    case VALIDATE_TYPE:
      sqlite3_result_text(context, issue->type, -1, SQLITE_STATIC);
      break;
    case VALIDATE_SEVERITY:
      sqlite3_result_text(context, issue->severity, -1, SQLITE_STATIC);
      break;
    case VALIDATE_MESSAGE:
      tk_result_text(context, issue->message);
      break;
    case VALIDATE_INDEX:
      if (issue->index >= 0) sqlite3_result_int64(context, issue->index);
      break;
    case VALIDATE_SOURCE:
      if (issue->source) sqlite3_result_text(context, issue->source, -1, SQLITE_STATIC);
      break;
    case VALIDATE_RUN:
    case VALIDATE_ONHAND_MIN:
    case VALIDATE_DISABLED:
    case VALIDATE_DOCUMENT:
    case VALIDATE_SCHEMA:
    default:
      break;
  }
}

static const struct tk_run_table validate_table = {
    .name = "inventory_validate",
    .declaration =
        "CREATE TABLE x(type TEXT, severity TEXT, message TEXT, [index] INTEGER, source TEXT,"
        " run TEXT HIDDEN, onhand_min REAL HIDDEN, disabled TEXT HIDDEN,"
        " document_id INTEGER HIDDEN, schema TEXT HIDDEN)",
    .is_function = true,
    .dialects = 1u << TK_DIALECT_INVENTORY,
    .row_size = sizeof(struct tk_inventory_issue),
    .run_column = VALIDATE_RUN,
    .document_column = VALIDATE_DOCUMENT,
    .schema_column = VALIDATE_SCHEMA,
    .argument_columns = {VALIDATE_ONHAND_MIN, VALIDATE_DISABLED},
    .compute = compute_validate,
    .column = give_issue,
};

/* ---- observability_validate ---- */

enum observability_column {
  OBSERVABILITY_KIND,
  OBSERVABILITY_TYPE,
  OBSERVABILITY_PATH,
  OBSERVABILITY_MESSAGE,
  OBSERVABILITY_ACTUAL,
  OBSERVABILITY_INDEX,
  OBSERVABILITY_RUN,
  OBSERVABILITY_ONHAND_MIN,
  OBSERVABILITY_DOCUMENT,
  OBSERVABILITY_SCHEMA
};

struct observability_row {
  struct tk_observability_issue issue;
  uint64_t ordinal;
};

static enum tk_status compute_observability(struct tk_run_rows *rows,
                                            struct tk_event_reader *reader,
                                            struct tk_error *error) {
  struct tk_observability_issue issues[TK_OBSERVABILITY_ISSUES_MAX];
  const double onhand_min = tk_run_argument_number(rows, 0, 0);
  const struct tk_run_event *event;
  enum tk_status status;
  while ((status = tk_event_reader_next(reader, &event, error)) == TK_OK && event) {
    const uint32_t count = tk_observability_check(event, onhand_min, issues);
    for (uint32_t i = 0; i < count; i++) {
      struct observability_row *row = tk_run_rows_add(rows);
      if (!row) return tk_nomem(error);
      *row = (struct observability_row){.issue = issues[i], .ordinal = event->ordinal};
    }
  }
  return status;
}

static void give_observability(sqlite3_context *context, const struct tk_run_rows *rows,
                               const void *data, int column) {
  const struct observability_row *row = data;
  const struct tk_observability_issue *issue = &row->issue;
  (void)rows;
  switch ((enum observability_column)column) {
    case OBSERVABILITY_KIND:
      sqlite3_result_text(context, issue->kind, -1, SQLITE_STATIC);
      break;
    case OBSERVABILITY_TYPE:
      sqlite3_result_text(context, issue->type, -1, SQLITE_STATIC);
      break;
    case OBSERVABILITY_PATH:
      if (issue->path) sqlite3_result_text(context, issue->path, -1, SQLITE_STATIC);
      break;
    case OBSERVABILITY_MESSAGE:
      sqlite3_result_text(context, issue->message, -1, SQLITE_TRANSIENT);
      break;
    case OBSERVABILITY_ACTUAL:
      if (issue->actual[0]) sqlite3_result_text(context, issue->actual, -1, SQLITE_TRANSIENT);
      break;
    case OBSERVABILITY_INDEX:
      tk_result_ordinal(context, row->ordinal);
      break;
    case OBSERVABILITY_RUN:
    case OBSERVABILITY_ONHAND_MIN:
    case OBSERVABILITY_DOCUMENT:
    case OBSERVABILITY_SCHEMA:
    default:
      break;
  }
}

static const struct tk_run_table observability_table = {
    .name = "observability_validate",
    .declaration =
        "CREATE TABLE x(kind TEXT, type TEXT, path TEXT, message TEXT, actual TEXT,"
        " [index] INTEGER, run TEXT HIDDEN, onhand_min REAL HIDDEN,"
        " document_id INTEGER HIDDEN, schema TEXT HIDDEN)",
    .is_function = true,
    .dialects = 1u << TK_DIALECT_OBSERVABILITY,
    .row_size = sizeof(struct observability_row),
    .run_column = OBSERVABILITY_RUN,
    .document_column = OBSERVABILITY_DOCUMENT,
    .schema_column = OBSERVABILITY_SCHEMA,
    .argument_columns = {OBSERVABILITY_ONHAND_MIN, -1},
    .compute = compute_observability,
    .column = give_observability,
};

int tk_register_inventory_functions(sqlite3 *db) {
  static const struct tk_run_table *const tables[] = {&projection_table, &validate_table,
                                                      &observability_table};
  int rc = SQLITE_OK;
  for (size_t i = 0; rc == SQLITE_OK && i < sizeof tables / sizeof tables[0]; i++) {
    rc = tk_register_run_table(db, tables[i]);
  }
  return rc;
}
