/* SPDX-License-Identifier: MIT
 * quality_issues: one row is something that a trace-quality rule finds wrong with what is stored
 * now. Nothing of it is stored: the rules run while the table is read, batch by batch.
 *
 *     SELECT type, severity, message FROM quality_issues WHERE trace_id = '5b8e...'
 *
 * Terms on type, stage and severity choose the rules that run, those on service whose findings are
 * made; SQLite checks them again. `trace_id =` or IN finds traces through the segments' filters and
 * is not checked again; rules whose findings name no trace do not run then.
 *
 * idxNum: bits of enum plan; idxStr: the terms (table_support.h). */
#include <stdlib.h>
#include <string.h>

#include "sqlext/quality/quality.h"
#include "sqlext/quality/tables.h"
#include "sqlext/vtab_support.h"

enum column { TYPE, STAGE, SEVERITY, MESSAGE, TRACE_ID, SPAN_ID, SERVICE, CONTEXT };

static const char declaration[] =
    "CREATE TABLE x(type TEXT, stage TEXT, severity TEXT, message TEXT,"
    " trace_id TEXT COLLATE NOCASE, span_id TEXT COLLATE NOCASE, service TEXT, context TEXT)";

enum plan { PLAN_BY_ID = 1, PLAN_TEXTS = 2 };

struct issues_table {
  struct tk_reader_table table; /* first: its base is what SQLite has */
  struct quality_repeats repeats;
  int64_t generation; /* of the store that `repeats` is about */
  uint32_t file_number;
  uint32_t lookups; /* by id, in that generation */
};

enum { FEW_LOOKUPS = 2 }; /* of which each looks for repeated ids by itself */

/* What is gone through, in this order. */
enum phase { PHASE_ROWS, PHASE_ACROSS, PHASE_GROUPS, PHASE_END };

struct issues_cursor {
  sqlite3_vtab_cursor base;
  struct quality quality;
  struct tk_terms terms;
  bool by_id;
  enum phase phase;
  uint32_t segment_index, granule; /* of a scan */
  struct quality_part *parts;      /* by_id: of all traces, each trace's together */
  uint32_t part_count, part_capacity, part_index;
  uint32_t at; /* finding */
  int64_t rowid;
};

static struct tk_reader *reader_of(const struct issues_cursor *cursor) {
  return ((struct tk_reader_table *)cursor->base.pVtab)->reader;
}

/* ---- the module ---- */

static int connect_table(sqlite3 *db, void *context, int argc, const char *const *argv,
                         sqlite3_vtab **vtab_out, char **message_out) {
  sqlite3_vtab *made = NULL;
  (void)context;
  int rc = tk_reader_table_connect(db, declaration, argc, argv, &made, message_out);
  if (rc != SQLITE_OK) return rc;
  struct issues_table *table = sqlite3_realloc64(made, sizeof *table);
  if (!table) {
    tk_reader_table_disconnect(made);
    return SQLITE_NOMEM;
  }
  memset((char *)table + sizeof table->table, 0, sizeof *table - sizeof table->table);
  *vtab_out = &table->table.base;
  return SQLITE_OK;
}

static int disconnect_table(sqlite3_vtab *base) {
  tk_quality_repeats_reset(&((struct issues_table *)base)->repeats);
  return tk_reader_table_disconnect(base);
}

static int best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  const struct tk_reader *reader = ((struct tk_reader_table *)base)->reader;
  struct tk_plan plan = {.size = 0};
  double spans = 1000, share = 1;
  bool by_id = false;

  for (uint32_t s = 0; s < reader->segment_count; s++) spans += reader->segments[s].span_count;
  for (int i = 0; i < info->nConstraint; i++) {
    switch (info->aConstraint[i].iColumn) {
      case TRACE_ID:
        by_id |= tk_plan_add_trace_id(&plan, info, i);
        break;
      case TYPE:
      case STAGE:
      case SEVERITY:
      case SERVICE:
        if (tk_plan_add(&plan, info, i, TK_TERM_TEXT)) share *= 0.3;
        break;
      default:
        break;
    }
  }
  info->idxNum = by_id ? PLAN_BY_ID : 0;
  if (info->colUsed & ((uint64_t)1 << MESSAGE | (uint64_t)1 << CONTEXT)) info->idxNum |= PLAN_TEXTS;
  info->estimatedRows = by_id ? 10 : (sqlite3_int64)(spans * share / 10) + 1;
  info->estimatedCost = by_id ? 2000 : 2000 + spans * share;
  return tk_plan_finish(&plan, info);
}

static int open_cursor(sqlite3_vtab *base, sqlite3_vtab_cursor **cursor_out) {
  struct issues_cursor *cursor = sqlite3_malloc64(sizeof *cursor);
  if (!cursor) return SQLITE_NOMEM;
  memset(cursor, 0, sizeof *cursor);
  cursor->phase = PHASE_END;
  cursor->quality.reader = ((struct tk_reader_table *)base)->reader;
  *cursor_out = &cursor->base;
  return SQLITE_OK;
}

static void reset_cursor(struct issues_cursor *cursor) {
  tk_quality_end(&cursor->quality);
  tk_terms_reset(&cursor->terms);
  sqlite3_free(cursor->parts);
  cursor->parts = NULL;
  cursor->part_count = cursor->part_capacity = cursor->part_index = 0;
  cursor->segment_index = cursor->granule = cursor->at = 0;
  cursor->phase = PHASE_END;
}

static int close_cursor(sqlite3_vtab_cursor *base) {
  struct issues_cursor *cursor = (struct issues_cursor *)base;
  reset_cursor(cursor);
  sqlite3_free(cursor);
  return SQLITE_OK;
}

/* ---- what is wanted ---- */

static bool accepts_word(const struct issues_cursor *cursor, enum column column, const char *word) {
  return tk_terms_accept_text(&cursor->terms, (int)column,
                              (struct tk_text){word, (uint32_t)strlen(word)});
}

static void choose_rules(struct issues_cursor *cursor) {
  struct quality *quality = &cursor->quality;
  quality->rules = 0;
  for (int i = 0; i < RULE_COUNT; i++) {
    const struct quality_rule_info *rule = &tk_quality_rules[i];
    if (quality->settings.enabled & RULE_BIT(i) && accepts_word(cursor, TYPE, rule->id) &&
        accepts_word(cursor, STAGE, tk_quality_stage_name(rule->stage)) &&
        accepts_word(cursor, SEVERITY, tk_quality_severity_name(rule->severity))) {
      quality->rules |= RULE_BIT(i);
    }
  }
}

static void choose_services(struct issues_cursor *cursor) {
  if (!tk_terms_have(&cursor->terms, SERVICE)) return;
  for (uint32_t i = 0; i < cursor->quality.resource_count; i++) {
    struct quality_resource *resource = &cursor->quality.resources[i];
    struct tk_sql_value value = {TK_SQL_TEXT, {.text = resource->stored->service}};
    if (!value.as.text.data) value.type = TK_SQL_NULL;
    resource->is_wanted = tk_terms_accept(&cursor->terms, SERVICE, &value);
  }
}

static enum tk_status add_places(struct issues_cursor *cursor, const struct tk_trace_place *places,
                                 uint32_t count, struct tk_error *error) {
  struct quality *quality = &cursor->quality;
  enum tk_status status = TK_OK;
  for (uint32_t i = 0; i < count && status == TK_OK; i++) {
    const struct tk_segment *segment;
    const uint32_t index =
        tk_segment_list_find(&quality->segments, reader_of(cursor), places[i].segment_index);
    if (index == UINT32_MAX) continue;
    if (!tk_grow_zeroed(&cursor->parts, &cursor->part_capacity, cursor->part_count + 1,
                        sizeof *cursor->parts)) {
      return tk_nomem(error);
    }
    status = tk_quality_segment(quality, index, &segment, error);
    if (status != TK_OK) break;
    cursor->parts[cursor->part_count++] =
        (struct quality_part){index, places[i].trace_index, places[i].first_row,
                              places[i].first_row + places[i].row_count,
                              tk_segment_granule_of_row(segment, places[i].first_row)};
  }
  return status;
}

/* After a few lookups of one generation, more are to be expected. */
static void lend_repeats(struct issues_cursor *cursor) {
  struct issues_table *table = (struct issues_table *)cursor->base.pVtab;
  const struct tk_reader *reader = table->table.reader;
  if (table->generation != reader->generation || table->file_number != reader->file_number) {
    tk_quality_repeats_reset(&table->repeats);
    table->generation = reader->generation;
    table->file_number = reader->file_number;
    table->lookups = 0;
  }
  cursor->quality.repeats = &table->repeats;
  cursor->quality.wants_repeats = table->lookups++ >= FEW_LOOKUPS;
}

/* A part of no rows ends the parts of a trace. */
static enum tk_status end_trace(struct issues_cursor *cursor, struct tk_error *error) {
  if (!tk_grow_zeroed(&cursor->parts, &cursor->part_capacity, cursor->part_count + 1,
                      sizeof *cursor->parts)) {
    return tk_nomem(error);
  }
  cursor->parts[cursor->part_count++] = (struct quality_part){.segment_index = NO_PLACE};
  return TK_OK;
}

static enum tk_status find_traces(struct issues_cursor *cursor, struct tk_error *error) {
  uint8_t(*ids)[16] = NULL;
  uint32_t id_count = 0;
  enum tk_status status = tk_ids_of_terms(&cursor->terms, TRACE_ID, &ids, &id_count, error);
  for (uint32_t i = 0; i < id_count && status == TK_OK; i++) {
    struct tk_trace_place *places = NULL;
    uint32_t count = 0;
    status = tk_reader_find_trace(reader_of(cursor), ids[i], &places, &count, error);
    if (status == TK_OK) status = add_places(cursor, places, count, error);
    if (status == TK_OK && count > 0) status = end_trace(cursor, error);
    sqlite3_free(places);
  }
  sqlite3_free(ids);
  return status;
}

static enum tk_status begin(struct issues_cursor *cursor, int plan, const char *plan_text, int argc,
                            sqlite3_value **argv, struct tk_error *error) {
  struct quality *quality = &cursor->quality;
  struct tk_reader *reader = reader_of(cursor);
  enum tk_status status;

  cursor->by_id = plan & PLAN_BY_ID;
  cursor->rowid = 0;
  quality->findings.wants_texts = plan & PLAN_TEXTS;
  if ((status = tk_reader_refresh(reader, error)) != TK_OK ||
      (status = tk_terms_init(&cursor->terms, plan_text, argc, argv, error)) != TK_OK ||
      (status = tk_quality_settings_load(&quality->settings, reader->db, reader->schema, error)) !=
          TK_OK) {
    return status;
  }
  choose_rules(cursor);
  if (quality->rules == 0) return TK_OK; /* PHASE_END */
  if ((status = tk_quality_begin(quality, !cursor->by_id, error)) != TK_OK) return status;
  choose_services(cursor);
  if (cursor->by_id) {
    lend_repeats(cursor);
    if ((status = find_traces(cursor, error)) != TK_OK) return status;
  }
  cursor->phase = PHASE_ROWS;
  return TK_OK;
}

/* ---- batches ---- */

static enum tk_status next_granule(struct issues_cursor *cursor, struct tk_error *error) {
  struct quality *quality = &cursor->quality;
  const struct tk_segment *segment;
  if (cursor->segment_index >= quality->segments.count ||
      !tk_quality_rules_of(quality->rules, SCOPE_SPAN | SCOPE_TRACE)) {
    cursor->phase = PHASE_ACROSS;
    tk_quality_close_segments(quality);
    return TK_OK;
  }
  if (cursor->granule == 0) tk_quality_close_segments(quality);
  enum tk_status status = tk_quality_segment(quality, cursor->segment_index, &segment, error);
  if (status != TK_OK) return status;
  if (cursor->granule >= segment->rows.count ||
      (cursor->granule == 0 && !tk_quality_may_find(quality, segment))) {
    cursor->segment_index++;
    cursor->granule = 0;
    return TK_OK;
  }
  return tk_quality_granule(quality, cursor->segment_index, cursor->granule++, error);
}

static enum tk_status next_trace(struct issues_cursor *cursor, struct tk_error *error) {
  struct quality *quality = &cursor->quality;
  const uint32_t begin_part = cursor->part_index;
  uint32_t end = begin_part;
  enum tk_status status = TK_OK;
  if (begin_part >= cursor->part_count) {
    cursor->phase = PHASE_ACROSS;
    tk_quality_close_segments(quality);
    return TK_OK;
  }
  while (cursor->parts[end].segment_index != NO_PLACE) end++;
  cursor->part_index = end + 1;
  tk_quality_close_segments(quality);
  for (uint32_t p = begin_part; p < end && status == TK_OK; p++) {
    if (tk_quality_rules_of(quality->rules, SCOPE_SPAN)) {
      status = tk_quality_spans(quality, &cursor->parts[p], error);
    }
  }
  if (status == TK_OK && tk_quality_rules_of(quality->rules, SCOPE_TRACE)) {
    status = tk_quality_trace(quality, &cursor->parts[begin_part], end - begin_part, error);
  }
  return status;
}

static int compare_parts(const void *left, const void *right) {
  const struct quality_part *a = left, *b = right;
  if (a->segment_index != b->segment_index) return a->segment_index > b->segment_index ? 1 : -1;
  return (a->begin > b->begin) - (a->begin < b->begin);
}

static enum tk_status check_across(struct issues_cursor *cursor, struct tk_error *error) {
  uint32_t count = 0;
  cursor->phase = PHASE_GROUPS;
  if (!cursor->by_id) return tk_quality_across(&cursor->quality, NULL, 0, error);
  for (uint32_t p = 0; p < cursor->part_count; p++) {
    if (cursor->parts[p].segment_index != NO_PLACE) cursor->parts[count++] = cursor->parts[p];
  }
  cursor->part_count = count;
  if (count == 0) return TK_OK;
  qsort(cursor->parts, count, sizeof *cursor->parts, compare_parts);
  return tk_quality_across(&cursor->quality, cursor->parts, count, error);
}

static enum tk_status next_batch(struct issues_cursor *cursor, struct tk_error *error) {
  struct quality *quality = &cursor->quality;
  switch (cursor->phase) {
    case PHASE_ROWS:
      return cursor->by_id ? next_trace(cursor, error) : next_granule(cursor, error);
    case PHASE_ACROSS:
      return check_across(cursor, error);
    case PHASE_GROUPS:
      cursor->phase = PHASE_END;
      if (cursor->by_id || !tk_quality_rules_of(quality->rules, SCOPE_GROUP)) return TK_OK;
      return tk_quality_groups(quality, error);
    case PHASE_END:
      break;
  }
  return TK_OK;
}

static int move_on(struct issues_cursor *cursor) {
  struct quality_findings *findings = &cursor->quality.findings;
  struct tk_error error = {{0}};
  enum tk_status status = TK_OK;
  while (cursor->at >= findings->count && cursor->phase != PHASE_END && status == TK_OK) {
    tk_quality_findings_clear(findings);
    cursor->at = 0;
    status = next_batch(cursor, &error);
    tk_quality_findings_finish(findings);
    if (status == TK_OK && findings->failed) status = tk_nomem(&error);
  }
  if (status != TK_OK) {
    cursor->phase = PHASE_END;
    cursor->at = findings->count = 0;
  }
  return tk_vtab_fail(cursor->base.pVtab, status, &error);
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                  sqlite3_value **argv) {
  struct issues_cursor *cursor = (struct issues_cursor *)base;
  struct tk_error error = {{0}};
  reset_cursor(cursor);
  enum tk_status status = begin(cursor, plan, plan_text, argc, argv, &error);
  if (status != TK_OK) {
    cursor->phase = PHASE_END;
    return tk_vtab_fail(base->pVtab, status, &error);
  }
  return move_on(cursor);
}

static int next_row(sqlite3_vtab_cursor *base) {
  struct issues_cursor *cursor = (struct issues_cursor *)base;
  cursor->at++;
  cursor->rowid++;
  return move_on(cursor);
}

static int at_end(sqlite3_vtab_cursor *base) {
  const struct issues_cursor *cursor = (struct issues_cursor *)base;
  return cursor->at >= cursor->quality.findings.count;
}

static int give_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid_out) {
  *rowid_out = ((struct issues_cursor *)base)->rowid + 1;
  return SQLITE_OK;
}

/* ---- columns ---- */

static enum tk_status give_id(struct issues_cursor *cursor, sqlite3_context *context,
                              enum column column, struct tk_error *error) {
  const struct quality_place *place = &cursor->quality.findings.items[cursor->at].place;
  const struct tk_segment *segment;
  const uint8_t *id;
  if (place->segment_index == NO_PLACE || (column == SPAN_ID && place->row == NO_PLACE)) {
    return TK_OK;
  }
  enum tk_status status =
      tk_quality_segment(&cursor->quality, place->segment_index, &segment, error);
  if (status != TK_OK) return status;
  if (column == TRACE_ID) {
    return tk_give_trace_id(context, reader_of(cursor), segment, place->trace_index, error);
  }
  status = tk_fixed_value(reader_of(cursor), segment, TK_COL_SPAN_ID, place->row, &id, error);
  if (status == TK_OK) tk_result_hex(context, id, 8);
  return status;
}

static int give_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  struct issues_cursor *cursor = (struct issues_cursor *)base;
  const struct quality_findings *findings = &cursor->quality.findings;
  const struct quality_finding *finding = &findings->items[cursor->at];
  const struct quality_rule_info *rule = &tk_quality_rules[finding->rule];
  struct tk_error error = {{0}};
  enum tk_status status = TK_OK;

  switch ((enum column)number) {
    case TYPE:
      sqlite3_result_text(context, rule->id, -1, SQLITE_STATIC);
      break;
    case STAGE:
      sqlite3_result_text(context, tk_quality_stage_name(rule->stage), -1, SQLITE_STATIC);
      break;
    case SEVERITY:
      sqlite3_result_text(context, tk_quality_severity_name(rule->severity), -1, SQLITE_STATIC);
      break;
    case MESSAGE:
      tk_result_text(context, tk_quality_message(findings, cursor->at));
      break;
    case TRACE_ID:
    case SPAN_ID:
      status = give_id(cursor, context, (enum column)number, &error);
      break;
    case SERVICE:
      tk_result_text(context, finding->place.service);
      break;
    case CONTEXT:
      tk_result_text(context, tk_quality_context(findings, cursor->at));
      break;
  }
  if (status != TK_OK) tk_result_fail(context, status, &error);
  return SQLITE_OK;
}

int tk_register_quality_issues(sqlite3 *db) {
  static const sqlite3_module module = {
      .iVersion = 1,
      .xCreate = connect_table,
      .xConnect = connect_table,
      .xBestIndex = best_index,
      .xDisconnect = disconnect_table,
      .xDestroy = disconnect_table,
      .xOpen = open_cursor,
      .xClose = close_cursor,
      .xFilter = filter,
      .xNext = next_row,
      .xEof = at_end,
      .xColumn = give_column,
      .xRowid = give_rowid,
  };
  return sqlite3_create_module_v2(db, "tracekeep_quality_issues", &module, NULL, NULL);
}
