/* SPDX-License-Identifier: MIT
 * sampling_issues: one row is something wrong with the sampling of a span, a trace, a service.
 *
 * First the traces that say anything, one by one, then recorded decisions, then what shows only
 * over all traces of a service or policy; each only as far as the terms on type want it. Terms on
 * trace_id find the traces through the segments' filters and are not checked again by SQLite. */
#include "sqlext/sampling/sampling_issues.h"

#include <stdlib.h>
#include <string.h>

#include "sqlext/sampling/sampling_tables.h"
#include "sqlext/sampling/weight_records.h"
#include "sqlext/vtab_support.h"
#include "tracekeep/hash.h"

enum column { TYPE, STAGE, SEVERITY, MESSAGE, TRACE_ID, SPAN_ID, SERVICE, CONTEXT };

static const char declaration[] =
    "CREATE TABLE x(type TEXT, stage TEXT, severity TEXT, message TEXT,"
    " trace_id TEXT COLLATE NOCASE, span_id TEXT COLLATE NOCASE, service TEXT, context TEXT)";

static const struct {
  const char *name, *severity;
} issue_types[] = {
#define TYPE(id, name, severity) [TK_ISSUE_##id] = {name, severity},
    TK_SAMPLING_ISSUES(TYPE)
#undef TYPE
};

enum phase { PHASE_TRACES, PHASE_RECORDS, PHASE_SUMMARY, PHASE_END };

struct issues_cursor {
  sqlite3_vtab_cursor base;
  enum phase phase;
  bool by_id, is_walk_begun;
  struct tk_terms terms;
  struct tk_decision_walk walk;
  struct tk_record_walk *records; /* all of them */
  struct tk_record_fetch *fetch;  /* by_id: those at `places` */
  struct tk_record_place *places;
  uint32_t place_count, place_index;
  struct tk_sampling_census *census; /* NULL: not wanted */
  struct tk_sampling_issue_list list;
  uint32_t index;
};

static struct tk_reader *reader_of(const struct issues_cursor *cursor) {
  return ((struct tk_reader_table *)cursor->base.pVtab)->reader;
}

/* ---- the phases: each fills the list, or goes on to the next ---- */

static enum tk_status next_trace(struct issues_cursor *cursor, struct tk_error *error) {
  bool found = false;
  enum tk_status status = tk_decision_walk_next(&cursor->walk, &found, error);
  if (status != TK_OK) return status;
  if (!found) {
    tk_decision_walk_reset(&cursor->walk);
    cursor->is_walk_begun = false;
    cursor->phase = PHASE_RECORDS;
    return TK_OK;
  }
  if (cursor->census) status = tk_sampling_census_add(cursor->census, &cursor->walk, error);
  if (status != TK_OK) return status;
  return tk_sampling_issues_of_trace(&cursor->list, &cursor->walk, error);
}

static enum tk_status read_place(struct issues_cursor *cursor,
                                 const struct tk_decision_record **record_out,
                                 struct tk_error *error) {
  const struct tk_reader *reader = reader_of(cursor);
  enum tk_status status = TK_OK;
  if (!cursor->fetch && cursor->place_count > 0) {
    status = tk_record_fetch_open(reader->db, reader->schema, &cursor->fetch, error);
  }
  while (status == TK_OK && !*record_out && cursor->place_index < cursor->place_count) {
    status = tk_record_fetch_next(cursor->fetch, &cursor->places[cursor->place_index++], record_out,
                                  error);
  }
  return status;
}

static enum tk_status next_record(struct issues_cursor *cursor, struct tk_error *error) {
  const struct tk_decision_record *record = NULL;
  struct tk_reader *reader = reader_of(cursor);
  enum tk_status status = TK_OK;

  if (cursor->by_id) {
    status = read_place(cursor, &record, error);
  } else {
    if (!cursor->records) {
      status = tk_record_walk_open(reader->db, reader->schema, &cursor->records, error);
    }
    if (status == TK_OK) status = tk_record_walk_next(cursor->records, &record, error);
  }
  if (status != TK_OK) return status;
  if (!record) {
    cursor->phase = PHASE_SUMMARY;
    return TK_OK;
  }
  return tk_sampling_issues_of_record(&cursor->list, reader, record, error);
}

static enum tk_status summarise(struct issues_cursor *cursor, struct tk_error *error) {
  const uint32_t distributions = TK_ISSUE_BIT(DISTRIBUTION) | TK_ISSUE_BIT(RATIO_SAMPLER);
  enum tk_status status = TK_OK;
  cursor->phase = PHASE_END;
  if (!cursor->census) return TK_OK;
  if (cursor->list.types & distributions) {
    status = tk_sampling_census_read(cursor->census, reader_of(cursor), error);
  }
  if (status != TK_OK) return status;
  return tk_sampling_census_issues(cursor->census, &cursor->list, error);
}

static enum tk_status move_on(struct issues_cursor *cursor, struct tk_error *error) {
  enum tk_status status = TK_OK;
  cursor->index++;
  while (cursor->index >= cursor->list.count && cursor->phase != PHASE_END && status == TK_OK) {
    cursor->index = 0;
    tk_sampling_issue_list_clear(&cursor->list);
    switch (cursor->phase) {
      case PHASE_TRACES:
        status = next_trace(cursor, error);
        break;
      case PHASE_RECORDS:
        status = next_record(cursor, error);
        break;
      case PHASE_SUMMARY:
      case PHASE_END:
      default:
        status = summarise(cursor, error);
    }
  }
  return status;
}

/* ---- the module ---- */

static int connect_table(sqlite3 *db, void *context, int argc, const char *const *argv,
                         sqlite3_vtab **vtab_out, char **message_out) {
  (void)context;
  return tk_reader_table_connect(db, declaration, argc, argv, vtab_out, message_out);
}

static int best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  const struct tk_reader *reader = ((struct tk_reader_table *)base)->reader;
  struct tk_plan plan = {.size = 0};
  double rows = 100;

  for (uint32_t s = 0; s < reader->segment_count; s++) rows += reader->segments[s].span_count / 10;
  for (int i = 0; i < info->nConstraint; i++) {
    if (info->aConstraint[i].iColumn == TRACE_ID) {
      tk_plan_add_trace_id(&plan, info, i);
    } else if (info->aConstraint[i].iColumn == TYPE || info->aConstraint[i].iColumn == SEVERITY ||
               info->aConstraint[i].iColumn == STAGE) {
      if (tk_plan_add(&plan, info, i, TK_TERM_TEXT)) rows /= 4;
    }
  }
  if (info->idxNum && rows > 10) rows = 10;
  info->estimatedRows = (sqlite3_int64)rows + 1;
  info->estimatedCost = rows * 20 + 100;
  return tk_plan_finish(&plan, info);
}

static int open_cursor(sqlite3_vtab *base, sqlite3_vtab_cursor **cursor_out) {
  struct issues_cursor *cursor = sqlite3_malloc64(sizeof *cursor);
  (void)base;
  if (!cursor) return SQLITE_NOMEM;
  memset(cursor, 0, sizeof *cursor);
  cursor->phase = PHASE_END;
  *cursor_out = &cursor->base;
  return SQLITE_OK;
}

static void reset_cursor(struct issues_cursor *cursor) {
  if (cursor->is_walk_begun) tk_decision_walk_reset(&cursor->walk);
  tk_record_walk_close(cursor->records);
  tk_sampling_census_free(cursor->census);
  tk_sampling_issue_list_reset(&cursor->list);
  tk_terms_reset(&cursor->terms);
  tk_record_fetch_close(cursor->fetch);
  sqlite3_free(cursor->places);
  cursor->records = NULL;
  cursor->fetch = NULL;
  cursor->places = NULL;
  cursor->census = NULL;
  cursor->place_count = cursor->place_index = cursor->index = 0;
  cursor->is_walk_begun = false;
  cursor->phase = PHASE_END;
}

static int close_cursor(sqlite3_vtab_cursor *base) {
  reset_cursor((struct issues_cursor *)base);
  sqlite3_free(base);
  return SQLITE_OK;
}

static uint32_t wanted_types(const struct issues_cursor *cursor) {
  const struct tk_terms *terms = &cursor->terms;
  uint32_t types = 0;
  if (!tk_terms_accept_text(terms, STAGE, (struct tk_text){"sampling", 8})) return 0;
  for (int type = 0; type < TK_SAMPLING_ISSUE_COUNT; type++) {
    const char *name = issue_types[type].name, *severity = issue_types[type].severity;
    if (tk_terms_accept_text(terms, TYPE, (struct tk_text){name, (uint32_t)strlen(name)}) &&
        tk_terms_accept_text(terms, SEVERITY,
                             (struct tk_text){severity, (uint32_t)strlen(severity)})) {
      types |= UINT32_C(1) << type;
    }
  }
  return cursor->by_id ? types & ~TK_SUMMARY_ISSUES : types;
}

/* What spans must be read for. */
static uint32_t sources_of(uint32_t types) {
  const uint32_t with_flags = TK_ISSUE_BIT(FLAG_THRESHOLD) | TK_ISSUE_BIT(FLAG_UNSAMPLED);
  const uint32_t unread = TK_ISSUE_BIT(DISTRIBUTION) | TK_ISSUE_BIT(RATIO_SAMPLER);
  if ((types & ~unread) == 0) return 0;
  return types & with_flags ? TK_ALL_SOURCES : TK_ALL_SOURCES & ~TK_SOURCE_BIT(TK_SOURCE_FLAGS);
}

/* The traces that the terms name, and where the records about them are. */
static enum tk_status find_ids(struct issues_cursor *cursor, uint8_t (**ids_out)[16],
                               uint32_t *count_out, struct tk_error *error) {
  const struct tk_recorded_weights *recorded;
  enum tk_status status = tk_ids_of_terms(&cursor->terms, TRACE_ID, ids_out, count_out, error);
  if (status != TK_OK) return status;
  status = tk_shared_reader_recorded_weights(reader_of(cursor), &recorded, error);
  if (status == TK_OK) {
    status = tk_recorded_places(recorded, (const uint8_t(*)[16]) * ids_out, *count_out,
                                &cursor->places, &cursor->place_count, error);
  }
  if (status != TK_OK) sqlite3_free(*ids_out);
  return status;
}

static enum tk_status begin_walk(struct issues_cursor *cursor, struct tk_error *error) {
  uint8_t(*ids)[16] = NULL;
  uint32_t id_count = 0;
  enum tk_status status = TK_OK;
  if (cursor->by_id) status = find_ids(cursor, &ids, &id_count, error);
  if (status != TK_OK) return status;
  cursor->is_walk_begun = true;
  cursor->phase = PHASE_TRACES;
  return tk_decision_walk_begin(&cursor->walk, reader_of(cursor), sources_of(cursor->list.types),
                                cursor->by_id, ids, id_count, error);
}

static enum tk_status start(struct issues_cursor *cursor, const char *plan, int argc,
                            sqlite3_value **argv, struct tk_error *error) {
  struct tk_reader *reader = reader_of(cursor);
  enum tk_status status;

  if ((status = tk_reader_refresh(reader, error)) != TK_OK) return status;
  if ((status = tk_terms_init(&cursor->terms, plan, argc, argv, error)) != TK_OK) return status;
  cursor->list.types = wanted_types(cursor);
  if (cursor->list.types == 0) return TK_OK;
  if (cursor->list.types & TK_SUMMARY_ISSUES) {
    status = tk_sampling_census_create(&cursor->census, error);
  }
  if (status == TK_OK) status = begin_walk(cursor, error);
  if (status != TK_OK) return status;
  return move_on(cursor, error);
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                  sqlite3_value **argv) {
  struct issues_cursor *cursor = (struct issues_cursor *)base;
  struct tk_error error = {{0}};
  reset_cursor(cursor);
  cursor->by_id = plan != 0;
  return tk_vtab_fail(base->pVtab, start(cursor, plan_text, argc, argv, &error), &error);
}

static int next_row(sqlite3_vtab_cursor *base) {
  struct issues_cursor *cursor = (struct issues_cursor *)base;
  struct tk_error error = {{0}};
  return tk_vtab_fail(base->pVtab, move_on(cursor, &error), &error);
}

static int at_end(sqlite3_vtab_cursor *base) {
  const struct issues_cursor *cursor = (struct issues_cursor *)base;
  return cursor->index >= cursor->list.count;
}

static void hash_text(struct tk_hash *hash, struct tk_text text) {
  const uint32_t size = text.size;
  tk_hash_update(hash, &size, sizeof size);
  if (size > 0) tk_hash_update(hash, text.data, size);
}

/* A hash of what the row is about: the same in every plan, as SQLite needs it for OR. */
static int give_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid_out) {
  const struct issues_cursor *cursor = (struct issues_cursor *)base;
  const struct tk_sampling_issue *issue = &cursor->list.items[cursor->index];
  uint64_t place[4] = {(uint64_t)issue->type};
  struct tk_hash hash;
  if (issue->has_part) {
    const struct tk_decision_part *part = &cursor->walk.parts[issue->part];
    place[1] = (uint64_t)part->segment->summary.id;
    place[2] = part->trace_index;
    place[3] = issue->row;
  }
  tk_hash_init(&hash);
  tk_hash_update(&hash, place, sizeof place);
  hash_text(&hash, issue->trace_text);
  hash_text(&hash, issue->span_text);
  hash_text(&hash, issue->service);
  hash_text(&hash, issue->message);
  hash_text(&hash, issue->context);
  *rowid_out = (sqlite3_int64)(tk_hash_digest(&hash) >> 1);
  return SQLITE_OK;
}

/* ---- columns ---- */

static enum tk_status give_place(struct issues_cursor *cursor, sqlite3_context *context,
                                 enum column column, struct tk_error *error) {
  const struct tk_sampling_issue *issue = &cursor->list.items[cursor->index];
  const struct tk_decision_part *part = &cursor->walk.parts[issue->part];
  struct tk_text service;
  const uint8_t *id;
  enum tk_status status;

  if (column == TRACE_ID) {
    return tk_give_trace_id(context, reader_of(cursor), part->segment, part->trace_index, error);
  }
  if (column == SPAN_ID) {
    if (issue->row == TK_NO_ROW) return TK_OK;
    status =
        tk_fixed_value(reader_of(cursor), part->segment, TK_COL_SPAN_ID, issue->row, &id, error);
    if (status == TK_OK) tk_result_hex(context, id, 8);
    return status;
  }
  status = tk_row_service(reader_of(cursor), part->segment,
                          issue->row == TK_NO_ROW ? part->first_row : issue->row, &service, error);
  if (status == TK_OK) tk_result_text(context, service);
  return status;
}

static int give_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  struct issues_cursor *cursor = (struct issues_cursor *)base;
  const struct tk_sampling_issue *issue = &cursor->list.items[cursor->index];
  const enum column column = (enum column)number;
  struct tk_error error = {{0}};
  enum tk_status status = TK_OK;

  switch (column) {
    case TYPE:
      sqlite3_result_text(context, issue_types[issue->type].name, -1, SQLITE_STATIC);
      break;
    case STAGE:
      sqlite3_result_text(context, "sampling", -1, SQLITE_STATIC);
      break;
    case SEVERITY:
      sqlite3_result_text(context, issue_types[issue->type].severity, -1, SQLITE_STATIC);
      break;
    case MESSAGE:
      tk_result_text(context, issue->message);
      break;
    case CONTEXT:
      tk_result_text(context, issue->context);
      break;
    case TRACE_ID:
    case SPAN_ID:
    case SERVICE:
    default:
      if (issue->has_part) {
        status = give_place(cursor, context, column, &error);
      } else {
        tk_result_text(context, column == TRACE_ID  ? issue->trace_text
                                : column == SPAN_ID ? issue->span_text
                                                    : issue->service);
      }
  }
  if (status != TK_OK) tk_result_fail(context, status, &error);
  return SQLITE_OK;
}

int tk_register_sampling_issues(sqlite3 *db) {
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
  return sqlite3_create_module_v2(db, "tracekeep_sampling_issues", &module, NULL, NULL);
}
