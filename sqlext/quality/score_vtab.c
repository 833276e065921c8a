/* SPDX-License-Identifier: MIT
 * instrumentation_score(since_ns, until_ns): the Instrumentation Score of each service, by the
 * formula of its specification: of the rules, each weighted by its impact, the share that the
 * service passes. One row is a service that has spans in the window, by default the last 30 days
 * before the newest span.
 *
 * A rule is passed if nothing in the window violates it, with the thresholds of the specification:
 * what a store sets for its rules does not change a score. Rules about logs, metrics and SDK
 * versions cannot be evaluated from traces; each row says which were and which were not. */
#include <stdlib.h>
#include <string.h>

#include "sqlext/quality/quality.h"
#include "sqlext/quality/tables.h"
#include "sqlext/vtab_support.h"

enum column {
  SERVICE,
  SCORE,
  RATING,
  PASSED,
  FAILED,
  RULES,
  RULES_EVALUATED,
  RULES_NOT_EVALUATED,
  SPAN_COUNT,
  WINDOW_START,
  WINDOW_END,
  SINCE,
  UNTIL
};

static const char declaration[] =
    "CREATE TABLE x(service TEXT, score REAL, rating TEXT, passed INTEGER, failed INTEGER,"
    " rules TEXT, rules_evaluated TEXT, rules_not_evaluated TEXT, span_count INTEGER,"
    " window_start_ns INTEGER, window_end_ns INTEGER, since_ns HIDDEN, until_ns HIDDEN)";

#define WINDOW_NS ((uint64_t)30 * 86400 * 1000000000)

static const struct score_rule {
  enum quality_rule rule;
  const char *impact;
  int weight;
} score_rules[] = {
    {RULE_RES_001, "normal", 20},    {RULE_RES_002, "important", 30},
    {RULE_RES_003, "important", 30}, {RULE_RES_004, "important", 30},
    {RULE_RES_005, "critical", 40},  {RULE_SPA_001, "normal", 20},
    {RULE_SPA_002, "normal", 20},    {RULE_SPA_003, "important", 30},
    {RULE_SPA_004, "important", 30}, {RULE_SPA_005, "important", 30},
};
enum { SCORE_RULE_COUNT = sizeof score_rules / sizeof score_rules[0] };

static const char not_evaluated[] =
    "[\"LOG-001\",\"LOG-002\",\"MET-001\",\"MET-002\",\"MET-003\",\"MET-004\",\"MET-005\","
    "\"MET-006\",\"SDK-001\"]";

struct service_row {
  struct tk_text service; /* the reader's, as long as the cursor */
  uint64_t span_count;
  uint64_t findings[SCORE_RULE_COUNT];
};

struct score_cursor {
  sqlite3_vtab_cursor base;
  struct service_row *rows;
  uint32_t row_count, row;
  uint64_t since, until;
  sqlite3_value *since_value, *until_value;
};

static int connect_table(sqlite3 *db, void *context, int argc, const char *const *argv,
                         sqlite3_vtab **vtab_out, char **message_out) {
  (void)context;
  return tk_reader_table_connect(db, declaration, argc, argv, vtab_out, message_out);
}

/* idxNum: 1, 2: argv has since_ns, until_ns. */
static int best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  int at[2] = {-1, -1}, arguments = 0;
  (void)base;
  for (int i = 0; i < info->nConstraint; i++) {
    const int argument = info->aConstraint[i].iColumn - SINCE;
    if (argument < 0 || argument > 1 || info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ) {
      continue;
    }
    if (!info->aConstraint[i].usable) return SQLITE_CONSTRAINT;
    if (at[argument] < 0) at[argument] = i;
  }
  for (int argument = 0; argument < 2; argument++) {
    if (at[argument] < 0) continue;
    info->idxNum |= 1 << argument;
    info->aConstraintUsage[at[argument]].argvIndex = ++arguments;
    info->aConstraintUsage[at[argument]].omit = 1;
  }
  info->estimatedRows = 50;
  info->estimatedCost = 1e6;
  return SQLITE_OK;
}

static int open_cursor(sqlite3_vtab *base, sqlite3_vtab_cursor **cursor_out) {
  struct score_cursor *cursor = sqlite3_malloc64(sizeof *cursor);
  (void)base;
  if (!cursor) return SQLITE_NOMEM;
  memset(cursor, 0, sizeof *cursor);
  *cursor_out = &cursor->base;
  return SQLITE_OK;
}

static void reset_cursor(struct score_cursor *cursor) {
  sqlite3_free(cursor->rows);
  sqlite3_value_free(cursor->since_value);
  sqlite3_value_free(cursor->until_value);
  *cursor = (struct score_cursor){.base = cursor->base};
}

static int close_cursor(sqlite3_vtab_cursor *base) {
  reset_cursor((struct score_cursor *)base);
  sqlite3_free(base);
  return SQLITE_OK;
}

/* ---- computing ---- */

static void choose_window(struct score_cursor *cursor, const struct tk_reader *reader) {
  uint64_t newest = 0;
  for (uint32_t s = 0; s < reader->segment_count; s++) {
    if (reader->segments[s].start_max > newest) newest = reader->segments[s].start_max;
  }
  cursor->until = newest < UINT64_MAX ? newest + 1 : newest;
  if (cursor->until_value && sqlite3_value_type(cursor->until_value) != SQLITE_NULL) {
    const int64_t until = sqlite3_value_int64(cursor->until_value);
    cursor->until = until > 0 ? (uint64_t)until : 0;
  }
  cursor->since = cursor->until > WINDOW_NS ? cursor->until - WINDOW_NS : 0;
  if (cursor->since_value && sqlite3_value_type(cursor->since_value) != SQLITE_NULL) {
    const int64_t since = sqlite3_value_int64(cursor->since_value);
    cursor->since = since > 0 ? (uint64_t)since : 0;
  }
}

/* Findings go to rows by service; the batch is emptied. */
static void take_findings(struct quality *quality, struct service_row *rows,
                          const struct quality_resource **by_text) {
  struct quality_findings *findings = &quality->findings;
  for (uint32_t i = 0; i < findings->count; i++) {
    const struct quality_finding *finding = &findings->items[i];
    for (int r = 0; r < SCORE_RULE_COUNT; r++) {
      if (score_rules[r].rule != finding->rule) continue;
      const struct tk_text service = finding->place.service;
      uint32_t low = 0, high = quality->service_count;
      while (low + 1 < high) { /* by_text ascends: none first, then as memcmp has it */
        const uint32_t middle = low + (high - low) / 2;
        const struct tk_text text = by_text[middle]->stored->service;
        const uint32_t shorter = text.size < service.size ? text.size : service.size;
        int order = !service.data ? 1 : memcmp(text.data, service.data, shorter);
        if (order == 0) order = (text.size > service.size) - (text.size < service.size);
        if (order <= 0) {
          low = middle;
        } else {
          high = middle;
        }
      }
      rows[low].findings[r]++;
    }
  }
  tk_quality_findings_clear(findings);
}

static enum tk_status evaluate(struct quality *quality, struct service_row *rows,
                               const struct quality_resource **by_text, struct tk_error *error) {
  enum tk_status status = TK_OK;
  for (uint32_t s = 0; s < quality->segments.count && status == TK_OK; s++) {
    const struct tk_segment *segment;
    status = tk_quality_segment(quality, s, &segment, error);
    if (status != TK_OK) break;
    const bool may_find = tk_quality_may_find(quality, segment);
    for (uint32_t g = 0; g < segment->rows.count && may_find && status == TK_OK; g++) {
      status = tk_quality_granule(quality, s, g, error);
      take_findings(quality, rows, by_text);
    }
    tk_quality_close_segments(quality);
  }
  if (status == TK_OK) status = tk_quality_groups(quality, error);
  take_findings(quality, rows, by_text);
  if (status == TK_OK && quality->findings.failed) status = tk_nomem(error);
  return status;
}

/* Services that have no spans in the window have no row. */
static void keep_rows(struct score_cursor *cursor, const struct quality *quality,
                      struct service_row *rows) {
  for (uint32_t i = 0; i < quality->resource_count; i++) {
    const struct quality_resource *resource = &quality->resources[i];
    struct service_row *row = &rows[resource->service_number];
    row->service = resource->stored->service;
    row->span_count += resource->span_count;
  }
  for (uint32_t i = 0; i < quality->service_count; i++) {
    if (rows[i].span_count > 0) rows[cursor->row_count++] = rows[i];
  }
  cursor->rows = rows;
}

static enum tk_status compute(struct score_cursor *cursor, struct tk_reader *reader,
                              struct tk_error *error) {
  struct quality quality = {.reader = reader, .rules = SCORE_RULES, .has_window = true};
  const struct quality_resource **by_text = NULL;
  struct service_row *rows = NULL;
  enum tk_status status;

  choose_window(cursor, reader);
  quality.since = cursor->since;
  quality.until = cursor->until;
  tk_quality_settings_default(&quality.settings);
  if ((status = tk_quality_begin(&quality, true, error)) != TK_OK) goto done;
  const uint64_t services = quality.service_count;
  rows = sqlite3_malloc64(services * sizeof *rows + 1);
  by_text = sqlite3_malloc64(services * sizeof(void *) + 1);
  if (!rows || !by_text) {
    status = tk_nomem(error);
    goto done;
  }
  memset(rows, 0, services * sizeof *rows);
  for (uint32_t i = 0; i < quality.resource_count; i++) {
    by_text[quality.resources[i].service_number] = &quality.resources[i];
  }
  if (quality.resource_count > 0 && (status = evaluate(&quality, rows, by_text, error)) == TK_OK) {
    keep_rows(cursor, &quality, rows);
    rows = NULL;
  }

done:
  sqlite3_free(rows);
  sqlite3_free(by_text);
  tk_quality_end(&quality);
  return status;
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                  sqlite3_value **argv) {
  struct score_cursor *cursor = (struct score_cursor *)base;
  struct tk_reader *reader = ((struct tk_reader_table *)base->pVtab)->reader;
  struct tk_error error = {{0}};
  int argument = 0;
  (void)plan_text;
  reset_cursor(cursor);
  if (plan & 1 && argument < argc && !(cursor->since_value = sqlite3_value_dup(argv[argument++]))) {
    return SQLITE_NOMEM;
  }
  if (plan & 2 && argument < argc && !(cursor->until_value = sqlite3_value_dup(argv[argument++]))) {
    return SQLITE_NOMEM;
  }
  enum tk_status status = tk_reader_refresh(reader, &error);
  if (status == TK_OK) status = compute(cursor, reader, &error);
  return tk_vtab_fail(base->pVtab, status, &error);
}

static int next_row(sqlite3_vtab_cursor *base) {
  ((struct score_cursor *)base)->row++;
  return SQLITE_OK;
}

static int at_end(sqlite3_vtab_cursor *base) {
  const struct score_cursor *cursor = (struct score_cursor *)base;
  return cursor->row >= cursor->row_count;
}

static int give_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid_out) {
  *rowid_out = (sqlite3_int64)((struct score_cursor *)base)->row + 1;
  return SQLITE_OK;
}

/* ---- columns ---- */

static double score_of(const struct service_row *row) {
  int passed = 0, total = 0;
  for (int r = 0; r < SCORE_RULE_COUNT; r++) {
    total += score_rules[r].weight;
    if (row->findings[r] == 0) passed += score_rules[r].weight;
  }
  return 100.0 * passed / total;
}

static const char *rating_of(double score) {
  if (score >= 90) return "Excellent";
  if (score >= 75) return "Good";
  return score >= 50 ? "Needs Improvement" : "Poor";
}

static int passed_count(const struct service_row *row) {
  int passed = 0;
  for (int r = 0; r < SCORE_RULE_COUNT; r++) passed += row->findings[r] == 0;
  return passed;
}

static void give_rules(sqlite3_context *context, const struct service_row *row, bool ids_only) {
  sqlite3_str *json = sqlite3_str_new(NULL);
  sqlite3_str_appendall(json, ids_only ? "[" : "{");
  for (int r = 0; r < SCORE_RULE_COUNT; r++) {
    sqlite3_str_appendf(json, "%s\"%s\"", r > 0 ? "," : "",
                        tk_quality_rules[score_rules[r].rule].id);
    if (ids_only) continue;
    sqlite3_str_appendf(json, ":{\"passed\":%s,\"impact\":\"%s\",\"findings\":%llu}",
                        row->findings[r] == 0 ? "true" : "false", score_rules[r].impact,
                        (unsigned long long)row->findings[r]);
  }
  sqlite3_str_appendall(json, ids_only ? "]" : "}");
  char *text = sqlite3_str_finish(json);
  if (text) {
    sqlite3_result_text(context, text, -1, sqlite3_free);
  } else {
    sqlite3_result_error_nomem(context);
  }
}

static int give_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
  const struct score_cursor *cursor = (struct score_cursor *)base;
  const struct service_row *row = &cursor->rows[cursor->row];
  switch ((enum column)column) {
    case SERVICE:
      tk_result_text(context, row->service);
      break;
    case SCORE:
      sqlite3_result_double(context, score_of(row));
      break;
    case RATING:
      sqlite3_result_text(context, rating_of(score_of(row)), -1, SQLITE_STATIC);
      break;
    case PASSED:
      sqlite3_result_int(context, passed_count(row));
      break;
    case FAILED:
      sqlite3_result_int(context, SCORE_RULE_COUNT - passed_count(row));
      break;
    case RULES:
      give_rules(context, row, false);
      break;
    case RULES_EVALUATED:
      give_rules(context, row, true);
      break;
    case RULES_NOT_EVALUATED:
      sqlite3_result_text(context, not_evaluated, -1, SQLITE_STATIC);
      break;
    case SPAN_COUNT:
      sqlite3_result_int64(context, (sqlite3_int64)row->span_count);
      break;
    case WINDOW_START:
      sqlite3_result_int64(context, (sqlite3_int64)cursor->since);
      break;
    case WINDOW_END:
      sqlite3_result_int64(context, (sqlite3_int64)cursor->until);
      break;
    case SINCE:
      if (cursor->since_value) sqlite3_result_value(context, cursor->since_value);
      break;
    case UNTIL:
      if (cursor->until_value) sqlite3_result_value(context, cursor->until_value);
      break;
  }
  return SQLITE_OK;
}

int tk_register_score(sqlite3 *db) {
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
  return sqlite3_create_module_v2(db, "tracekeep_instrumentation_score", &module, NULL, NULL);
}
