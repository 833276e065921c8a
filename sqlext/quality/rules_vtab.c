/* SPDX-License-Identifier: MIT
 * quality_rules: the catalogue of trace-quality rules, as this store has set them; and rows of
 * tk_rule_setting that name no rule, which change nothing. */
#include <string.h>

#include "sqlext/quality/rules.h"
#include "sqlext/quality/tables.h"
#include "sqlext/tables/table_support.h"
#include "sqlext/vtab_support.h"

enum column {
  ID,
  STAGE,
  SEVERITY,
  ENABLED,
  THRESHOLD,
  DEFAULT_THRESHOLD,
  UNIT,
  DEFAULT_ENABLED,
  SOURCE,
  DESCRIPTION
};

static const char declaration[] =
    "CREATE TABLE x(id TEXT, stage TEXT, severity TEXT, enabled INTEGER, threshold INTEGER,"
    " default_threshold INTEGER, unit TEXT, default_enabled INTEGER, source TEXT,"
    " description TEXT)";

struct rules_cursor {
  sqlite3_vtab_cursor base;
  struct quality_settings settings;
  sqlite3_stmt *others; /* settings of rules that do not exist, once the catalogue is through */
  int row;
  bool is_other, at_end;
};

static int connect_table(sqlite3 *db, void *context, int argc, const char *const *argv,
                         sqlite3_vtab **vtab_out, char **message_out) {
  (void)context;
  return tk_reader_table_connect(db, declaration, argc, argv, vtab_out, message_out);
}

static int best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  (void)base;
  info->estimatedRows = RULE_COUNT;
  info->estimatedCost = RULE_COUNT;
  return SQLITE_OK;
}

static int open_cursor(sqlite3_vtab *base, sqlite3_vtab_cursor **cursor_out) {
  struct rules_cursor *cursor = sqlite3_malloc64(sizeof *cursor);
  (void)base;
  if (!cursor) return SQLITE_NOMEM;
  memset(cursor, 0, sizeof *cursor);
  *cursor_out = &cursor->base;
  return SQLITE_OK;
}

static int close_cursor(sqlite3_vtab_cursor *base) {
  sqlite3_finalize(((struct rules_cursor *)base)->others);
  sqlite3_free(base);
  return SQLITE_OK;
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                  sqlite3_value **argv) {
  struct rules_cursor *cursor = (struct rules_cursor *)base;
  const struct tk_reader *reader = ((struct tk_reader_table *)base->pVtab)->reader;
  struct tk_error error = {{0}};
  (void)plan, (void)plan_text, (void)argc, (void)argv;
  sqlite3_finalize(cursor->others);
  cursor->others = NULL;
  cursor->row = 0;
  cursor->is_other = cursor->at_end = false;
  enum tk_status status =
      tk_quality_settings_load(&cursor->settings, reader->db, reader->schema, &error);
  return tk_vtab_fail(base->pVtab, status, &error);
}

/* A store without the table of settings has no others. */
static int prepare_others(struct rules_cursor *cursor) {
  const struct tk_reader *reader = ((struct tk_reader_table *)cursor->base.pVtab)->reader;
  char *sql = sqlite3_mprintf(
      "SELECT rule, enabled, threshold FROM \"%w\".tk_rule_setting ORDER BY rule", reader->schema);
  if (!sql) return SQLITE_NOMEM;
  int rc = sqlite3_prepare_v2(reader->db, sql, -1, &cursor->others, NULL);
  sqlite3_free(sql);
  if (rc == SQLITE_NOMEM) return rc;
  cursor->is_other = true;
  if (rc != SQLITE_OK) cursor->at_end = true;
  return SQLITE_OK;
}

static int next_row(sqlite3_vtab_cursor *base) {
  struct rules_cursor *cursor = (struct rules_cursor *)base;
  int rc = SQLITE_OK;
  cursor->row++;
  if (cursor->row < RULE_COUNT) return SQLITE_OK;
  if (!cursor->is_other && (rc = prepare_others(cursor)) != SQLITE_OK) return rc;
  while (!cursor->at_end) {
    rc = sqlite3_step(cursor->others);
    if (rc != SQLITE_ROW) {
      cursor->at_end = true;
      return rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    const char *id = (const char *)sqlite3_column_text(cursor->others, 0);
    if (id && tk_quality_rule_find(id) == RULE_COUNT) return SQLITE_OK;
  }
  return SQLITE_OK;
}

static int at_end(sqlite3_vtab_cursor *base) {
  return ((struct rules_cursor *)base)->at_end;
}

static int give_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid_out) {
  *rowid_out = ((struct rules_cursor *)base)->row + 1;
  return SQLITE_OK;
}

static void give_other(const struct rules_cursor *cursor, sqlite3_context *context,
                       enum column column) {
  if (column == DESCRIPTION) {
    sqlite3_result_text(context, "no such rule: this setting changes nothing", -1, SQLITE_STATIC);
  } else if (column == ID || column == ENABLED || column == THRESHOLD) {
    const int stored = column == ID ? 0 : column == ENABLED ? 1 : 2;
    sqlite3_result_value(context, sqlite3_column_value(cursor->others, stored));
  }
}

static void give_threshold(sqlite3_context *context, const struct quality_rule_info *rule,
                           int64_t threshold) {
  if (rule->unit[0]) sqlite3_result_int64(context, threshold);
}

static int give_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
  const struct rules_cursor *cursor = (struct rules_cursor *)base;
  if (cursor->is_other) {
    give_other(cursor, context, (enum column)column);
    return SQLITE_OK;
  }
  const struct quality_rule_info *rule = &tk_quality_rules[cursor->row];
  switch ((enum column)column) {
    case ID:
      sqlite3_result_text(context, rule->id, -1, SQLITE_STATIC);
      break;
    case STAGE:
      sqlite3_result_text(context, tk_quality_stage_name(rule->stage), -1, SQLITE_STATIC);
      break;
    case SEVERITY:
      sqlite3_result_text(context, tk_quality_severity_name(rule->severity), -1, SQLITE_STATIC);
      break;
    case ENABLED:
      sqlite3_result_int(context, (int)(cursor->settings.enabled >> cursor->row & 1));
      break;
    case THRESHOLD:
      give_threshold(context, rule, cursor->settings.thresholds[cursor->row]);
      break;
    case DEFAULT_THRESHOLD:
      give_threshold(context, rule, rule->threshold);
      break;
    case UNIT:
      if (rule->unit[0]) sqlite3_result_text(context, rule->unit, -1, SQLITE_STATIC);
      break;
    case DEFAULT_ENABLED:
      sqlite3_result_int(context, rule->enabled);
      break;
    case SOURCE:
      sqlite3_result_text(context, rule->source, -1, SQLITE_STATIC);
      break;
    case DESCRIPTION:
      sqlite3_result_text(context, rule->description, -1, SQLITE_STATIC);
      break;
  }
  return SQLITE_OK;
}

int tk_register_quality_rules(sqlite3 *db) {
  static const sqlite3_module module = {
      .iVersion = 1,
      .xCreate = connect_table,
      .xConnect = connect_table,
      .xBestIndex = best_index,
      .xDisconnect = tk_reader_table_disconnect,
      .xDestroy = tk_reader_table_disconnect,
      .xOpen = open_cursor,
      .xClose = close_cursor,
      .xFilter = filter,
      .xNext = next_row,
      .xEof = at_end,
      .xColumn = give_column,
      .xRowid = give_rowid,
  };
  return sqlite3_create_module_v2(db, "tracekeep_quality_rules", &module, NULL, NULL);
}
