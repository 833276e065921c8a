/* SPDX-License-Identifier: MIT
 * The catalogue as an array, and the settings of a store. A store that was last written before the
 * table of settings existed has none. */
#include "sqlext/quality/rules.h"

#include <assert.h>
#include <string.h>

static_assert(RULE_COUNT <= 64, "sets of rules are 64 bits");

const struct quality_rule_info tk_quality_rules[RULE_COUNT] = {
#define QUALITY_ROW(suffix, name, stage_name, severity_name, scopes, is_enabled, limit, unit_name, \
                    origin, text)                                                                  \
  [RULE_##suffix] = {.id = name,                                                                   \
                     .stage = STAGE_##stage_name,                                                  \
                     .severity = TK_SEVERITY_##severity_name,                                      \
                     .scope = scopes,                                                              \
                     .enabled = is_enabled,                                                        \
                     .threshold = limit,                                                           \
                     .unit = unit_name,                                                            \
                     .source = origin,                                                             \
                     .description = text},
    QUALITY_RULES(QUALITY_ROW)
#undef QUALITY_ROW
};

const char *tk_quality_stage_name(enum quality_stage stage) {
  static const char *const names[] = {[STAGE_SPAN] = "span",
                                      [STAGE_TRACE] = "trace",
                                      [STAGE_RESOURCE] = "resource",
                                      [STAGE_SEMCONV] = "semconv"};
  return names[stage];
}

const char *tk_quality_severity_name(enum tk_severity severity) {
  static const char *const names[] = {
      [TK_SEVERITY_INFO] = "info", [TK_SEVERITY_WARN] = "warn", [TK_SEVERITY_ERROR] = "error"};
  return names[severity];
}

enum quality_rule tk_quality_rule_find(const char *id) {
  int rule = 0;
  while (rule < RULE_COUNT && strcmp(tk_quality_rules[rule].id, id) != 0) rule++;
  return (enum quality_rule)rule;
}

void tk_quality_settings_default(struct quality_settings *settings) {
  settings->enabled = 0;
  for (int rule = 0; rule < RULE_COUNT; rule++) {
    if (tk_quality_rules[rule].enabled) settings->enabled |= RULE_BIT((enum quality_rule)rule);
    settings->thresholds[rule] = tk_quality_rules[rule].threshold;
  }
}

static void apply_setting(struct quality_settings *settings, sqlite3_stmt *statement) {
  const char *id = (const char *)sqlite3_column_text(statement, 0);
  const enum quality_rule rule = id ? tk_quality_rule_find(id) : RULE_COUNT;
  if (rule == RULE_COUNT) return;
  if (sqlite3_column_type(statement, 1) == SQLITE_INTEGER) {
    if (sqlite3_column_int64(statement, 1) != 0) {
      settings->enabled |= RULE_BIT(rule);
    } else {
      settings->enabled &= ~RULE_BIT(rule);
    }
  }
  if (tk_quality_rules[rule].unit[0] && sqlite3_column_type(statement, 2) == SQLITE_INTEGER &&
      sqlite3_column_int64(statement, 2) >= 0) {
    settings->thresholds[rule] = sqlite3_column_int64(statement, 2);
  }
}

enum tk_status tk_quality_settings_load(struct quality_settings *settings, sqlite3 *db,
                                        const char *schema, struct tk_error *error) {
  sqlite3_stmt *statement = NULL;
  char *sql =
      sqlite3_mprintf("SELECT rule, enabled, threshold FROM \"%w\".tk_rule_setting", schema);
  int rc;

  tk_quality_settings_default(settings);
  if (!sql) return tk_nomem(error);
  rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
  sqlite3_free(sql);
  if (rc == SQLITE_NOMEM) return tk_nomem(error);
  if (rc != SQLITE_OK) return TK_OK; /* a store without the table */
  while ((rc = sqlite3_step(statement)) == SQLITE_ROW) apply_setting(settings, statement);
  sqlite3_finalize(statement);
  if (rc == SQLITE_DONE) return TK_OK;
  if (rc == SQLITE_NOMEM) return tk_nomem(error);
  return tk_fail(error, rc == SQLITE_BUSY ? TK_BUSY : TK_IO, "reading tk_rule_setting: %s",
                 sqlite3_errmsg(db));
}
