/* SPDX-License-Identifier: MIT
 * sampling_decisions: one row is one recorded fact about why a span or trace is here, or is not.
 *
 * First what spans carry, trace by trace (decision_traces), then what was recorded on its own
 * (decision_records). Terms on source and policy choose the decoders, and so the columns that are
 * read at all; terms on service skip segments; all of these SQLite checks again. Terms on trace_id
 * find the traces through the segments' filters and are not checked again, so that 16 digits find a
 * padded id. `raw` is made only if it is read. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sqlext/sampling/decision_records.h"
#include "sqlext/sampling/decision_traces.h"
#include "sqlext/sampling/sampling_tables.h"
#include "sqlext/sampling/weight_records.h"
#include "sqlext/vtab_support.h"
#include "tracekeep/hash.h"

enum column {
  TRACE_ID,
  SPAN_ID,
  SERVICE,
  SOURCE,
  STAGE,
  MECHANISM,
  POLICY,
  DECISION,
  PROBABILITY,
  THRESHOLD,
  RANDOMNESS,
  ADJUSTED_COUNT,
  CONSISTENT,
  DRY_RUN,
  RUN_ID,
  RAW,
  TIME_NS
};

static const char declaration[] =
    "CREATE TABLE x(trace_id TEXT COLLATE NOCASE, span_id TEXT COLLATE NOCASE, service TEXT,"
    " source TEXT, stage TEXT, mechanism TEXT, policy TEXT, decision TEXT, probability REAL,"
    " threshold INTEGER, randomness INTEGER, adjusted_count REAL, consistent INTEGER,"
    " dry_run INTEGER, run_id TEXT, raw TEXT, time_ns INTEGER)";

/* Bits of idxNum. */
enum plan { PLAN_BY_ID = 1, PLAN_WITHOUT_RAW = 2 };

struct decisions_cursor {
  sqlite3_vtab_cursor base;
  struct tk_terms terms;
  struct tk_decision_walk walk;
  struct tk_record_walk *records; /* all of them; NULL: not there yet */
  struct tk_record_fetch *fetch;  /* by_id: those at `places` */
  struct tk_record_place *places;
  uint32_t place_count, place_index;
  const struct tk_decision_record *record; /* NULL: the current row is a span's */
  bool is_walk_begun, wants_records, at_end, by_id;
  uint32_t index; /* of the current trace's list */
};

static struct tk_reader *reader_of(const struct decisions_cursor *cursor) {
  return ((struct tk_reader_table *)cursor->base.pVtab)->reader;
}

/* ---- moving ---- */

/* False: no span of the segment belongs to a service that is wanted. */
static bool accept_segment(const void *context, struct tk_reader *reader,
                           const struct tk_segment *segment) {
  const struct tk_terms *terms = context;
  if (!tk_terms_have(terms, SERVICE)) return true;
  for (uint32_t r = 0; r < segment->resource_count; r++) {
    const struct tk_stored_resource *resource = tk_reader_resource(reader, segment->resources[r]);
    if (!resource || tk_terms_accept_text(terms, SERVICE, resource->service)) return true;
  }
  return false;
}

static enum tk_status next_place(struct decisions_cursor *cursor, struct tk_error *error) {
  const struct tk_reader *reader = reader_of(cursor);
  enum tk_status status = TK_OK;
  cursor->record = NULL;
  if (!cursor->fetch && cursor->place_count > 0) {
    status = tk_record_fetch_open(reader->db, reader->schema, &cursor->fetch, error);
  }
  while (status == TK_OK && !cursor->record && cursor->place_index < cursor->place_count) {
    status = tk_record_fetch_next(cursor->fetch, &cursor->places[cursor->place_index++],
                                  &cursor->record, error);
  }
  return status;
}

static enum tk_status next_record(struct decisions_cursor *cursor, struct tk_error *error) {
  const struct tk_reader *reader = reader_of(cursor);
  enum tk_status status = TK_OK;
  if (cursor->by_id) {
    status = next_place(cursor, error);
  } else {
    if (!cursor->records) {
      status = tk_record_walk_open(reader->db, reader->schema, &cursor->records, error);
    }
    if (status == TK_OK) status = tk_record_walk_next(cursor->records, &cursor->record, error);
  }
  if (status == TK_OK && !cursor->record) cursor->at_end = true;
  return status;
}

static enum tk_status move_on(struct decisions_cursor *cursor, struct tk_error *error) {
  enum tk_status status = TK_OK;
  bool found = false;
  if (cursor->record) return next_record(cursor, error);
  if (cursor->is_walk_begun) {
    if (++cursor->index < cursor->walk.list.count) return TK_OK;
    status = tk_decision_walk_next(&cursor->walk, &found, error);
    cursor->index = 0;
    if (status != TK_OK || found) return status;
    tk_decision_walk_reset(&cursor->walk);
    cursor->is_walk_begun = false;
  }
  if (cursor->wants_records) return next_record(cursor, error);
  cursor->at_end = true;
  return TK_OK;
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

  for (uint32_t s = 0; s < reader->segment_count; s++) rows += reader->segments[s].span_count;
  for (int i = 0; i < info->nConstraint; i++) {
    switch (info->aConstraint[i].iColumn) {
      case TRACE_ID:
        tk_plan_add_trace_id(&plan, info, i);
        break;
      case SOURCE:
      case POLICY:
      case SERVICE:
        if (tk_plan_add(&plan, info, i, TK_TERM_TEXT)) rows /= 4;
        break;
      default:
        break;
    }
  }
  if (info->idxNum && rows > 50) rows = 50;
  if (!(info->colUsed >> RAW & 1)) info->idxNum |= PLAN_WITHOUT_RAW;
  info->estimatedRows = (sqlite3_int64)rows + 1;
  info->estimatedCost = rows * 2 + 30;
  return tk_plan_finish(&plan, info);
}

static int open_cursor(sqlite3_vtab *base, sqlite3_vtab_cursor **cursor_out) {
  struct decisions_cursor *cursor = sqlite3_malloc64(sizeof *cursor);
  (void)base;
  if (!cursor) return SQLITE_NOMEM;
  memset(cursor, 0, sizeof *cursor);
  *cursor_out = &cursor->base;
  return SQLITE_OK;
}

static void reset_cursor(struct decisions_cursor *cursor) {
  if (cursor->is_walk_begun) tk_decision_walk_reset(&cursor->walk);
  tk_record_walk_close(cursor->records);
  tk_record_fetch_close(cursor->fetch);
  tk_terms_reset(&cursor->terms);
  sqlite3_free(cursor->places);
  cursor->records = NULL;
  cursor->fetch = NULL;
  cursor->record = NULL;
  cursor->places = NULL;
  cursor->place_count = cursor->place_index = cursor->index = 0;
  cursor->is_walk_begun = false;
  cursor->at_end = true;
}

static int close_cursor(sqlite3_vtab_cursor *base) {
  reset_cursor((struct decisions_cursor *)base);
  sqlite3_free(base);
  return SQLITE_OK;
}

/* Those the terms on source leave, and of these, with a term on policy, those that have any. */
static uint32_t wanted_sources(const struct tk_terms *terms) {
  const uint32_t with_policy = TK_SOURCE_BIT(TK_SOURCE_TAIL) | TK_SOURCE_BIT(TK_SOURCE_HONEYCOMB) |
                               TK_SOURCE_BIT(TK_SOURCE_XRAY) | TK_SOURCE_BIT(TK_SOURCE_RECORD);
  uint32_t sources = 0;
  for (int source = 0; source < TK_SOURCE_COUNT; source++) {
    const char *name = tk_decision_source_name((enum tk_decision_source)source);
    const struct tk_text text = {name, (uint32_t)strlen(name)};
    if (tk_terms_accept_text(terms, SOURCE, text)) sources |= TK_SOURCE_BIT(source);
  }
  return tk_terms_have(terms, POLICY) ? sources & with_policy : sources;
}

/* Where the records about these traces are, if they are wanted. */
static enum tk_status find_places(struct decisions_cursor *cursor, const uint8_t (*ids)[16],
                                  uint32_t id_count, struct tk_error *error) {
  const struct tk_recorded_weights *recorded;
  if (!cursor->wants_records) return TK_OK;
  enum tk_status status = tk_shared_reader_recorded_weights(reader_of(cursor), &recorded, error);
  if (status != TK_OK) return status;
  return tk_recorded_places(recorded, ids, id_count, &cursor->places, &cursor->place_count, error);
}

static enum tk_status start(struct decisions_cursor *cursor, int plan, const char *plan_text,
                            int argc, sqlite3_value **argv, struct tk_error *error) {
  const uint32_t recorded = TK_SOURCE_BIT(TK_SOURCE_RECORD) | TK_SOURCE_BIT(TK_SOURCE_BUNDLE);
  struct tk_reader *reader = reader_of(cursor);
  uint8_t(*ids)[16] = NULL;
  uint32_t id_count = 0;
  enum tk_status status;

  if ((status = tk_reader_refresh(reader, error)) != TK_OK) return status;
  if ((status = tk_terms_init(&cursor->terms, plan_text, argc, argv, error)) != TK_OK)
    return status;
  const uint32_t sources = wanted_sources(&cursor->terms);
  cursor->wants_records = (sources & recorded) != 0;
  if (cursor->by_id) {
    status = tk_ids_of_terms(&cursor->terms, TRACE_ID, &ids, &id_count, error);
    if (status == TK_OK) {
      status = find_places(cursor, (const uint8_t(*)[16])ids, id_count, error);
    }
    if (status != TK_OK) {
      sqlite3_free(ids);
      return status;
    }
  }
  cursor->is_walk_begun = true;
  cursor->at_end = false;
  status = tk_decision_walk_begin(&cursor->walk, reader, sources & ~recorded, cursor->by_id, ids,
                                  id_count, error);
  cursor->walk.accept = accept_segment;
  cursor->walk.accept_context = &cursor->terms;
  cursor->walk.list.without_raw = (plan & PLAN_WITHOUT_RAW) != 0;
  return status == TK_OK ? move_on(cursor, error) : status;
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                  sqlite3_value **argv) {
  struct decisions_cursor *cursor = (struct decisions_cursor *)base;
  struct tk_error error = {{0}};
  reset_cursor(cursor);
  cursor->by_id = (plan & PLAN_BY_ID) != 0;
  return tk_vtab_fail(base->pVtab, start(cursor, plan, plan_text, argc, argv, &error), &error);
}

static int next_row(sqlite3_vtab_cursor *base) {
  struct decisions_cursor *cursor = (struct decisions_cursor *)base;
  struct tk_error error = {{0}};
  return tk_vtab_fail(base->pVtab, move_on(cursor, &error), &error);
}

static int at_end(sqlite3_vtab_cursor *base) {
  return ((struct decisions_cursor *)base)->at_end;
}

/* A hash of where the fact stands: the same in every plan, as SQLite needs it for OR. */
static int give_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid_out) {
  const struct decisions_cursor *cursor = (struct decisions_cursor *)base;
  uint64_t identity[3];
  if (cursor->record) {
    identity[0] = (uint64_t)cursor->record->place.document;
    identity[1] = cursor->record->place.ordinal;
    identity[2] = UINT64_MAX;
  } else {
    const struct tk_decision_place *place = &cursor->walk.places[cursor->index];
    identity[0] = (uint64_t)cursor->walk.parts[place->part].segment->summary.id;
    identity[1] = place->row;
    identity[2] = (uint64_t)cursor->walk.list.items[cursor->index].source << 32 | place->number;
  }
  *rowid_out = (sqlite3_int64)(tk_hash64(identity, sizeof identity) >> 1);
  return SQLITE_OK;
}

/* ---- columns ---- */

static enum tk_status give_span(struct decisions_cursor *cursor, sqlite3_context *context,
                                enum column column, struct tk_error *error) {
  const struct tk_decision_place *place = &cursor->walk.places[cursor->index];
  const struct tk_decision_part *part = &cursor->walk.parts[place->part];
  struct tk_reader *reader = reader_of(cursor);
  const uint32_t granule = tk_segment_granule_of_row(part->segment, place->row);
  const int64_t *starts;
  struct tk_text service;
  const uint8_t *id;
  enum tk_status status;

  if (column == TRACE_ID) {
    return tk_give_trace_id(context, reader, part->segment, part->trace_index, error);
  }
  if (column == SPAN_ID) {
    if (cursor->walk.list.items[cursor->index].trace_wide) return TK_OK;
    status = tk_fixed_value(reader, part->segment, TK_COL_SPAN_ID, place->row, &id, error);
    if (status == TK_OK) tk_result_hex(context, id, 8);
  } else if (column == SERVICE) {
    status = tk_row_service(reader, part->segment, place->row, &service, error);
    if (status == TK_OK) tk_result_text(context, service);
  } else {
    status = tk_reader_starts(reader, part->segment, granule, &starts, error);
    if (status == TK_OK) sqlite3_result_int64(context, starts[place->row]);
  }
  return status;
}

static void give_recorded(const struct tk_decision_record *record, sqlite3_context *context,
                          enum column column) {
  if (column == TRACE_ID) {
    tk_result_text(context, record->trace_text);
  } else if (column == SPAN_ID) {
    tk_result_text(context, record->span_text);
  } else if (column == SERVICE) {
    tk_result_text(context, record->service);
  } else if (record->has_time) {
    sqlite3_result_int64(context, record->time_ns);
  }
}

static void give_name(sqlite3_context *context, const char *name) {
  if (name) sqlite3_result_text(context, name, -1, SQLITE_STATIC);
}

static void give_number(sqlite3_context *context, int64_t number) {
  if (number >= 0) sqlite3_result_int64(context, number);
}

static void give_fact(const struct tk_decision *decision, sqlite3_context *context,
                      enum column column) {
  switch ((int)column) {
    case SOURCE:
      give_name(context, tk_decision_source_name(decision->source));
      break;
    case STAGE:
      give_name(context, tk_decision_stage_name(decision->stage));
      break;
    case MECHANISM:
      tk_result_text(context, decision->mechanism);
      break;
    case POLICY:
      tk_result_text(context, decision->policy);
      break;
    case DECISION:
      give_name(context, tk_verdict_name(decision->verdict));
      break;
    case PROBABILITY:
      if (!isnan(decision->probability)) sqlite3_result_double(context, decision->probability);
      break;
    case THRESHOLD:
      give_number(context, decision->threshold);
      break;
    case RANDOMNESS:
      give_number(context, decision->randomness);
      break;
    case ADJUSTED_COUNT:
      if (!isnan(decision->adjusted_count)) {
        sqlite3_result_double(context, decision->adjusted_count);
      }
      break;
    case CONSISTENT:
      give_number(context, decision->consistent);
      break;
    case DRY_RUN:
      sqlite3_result_int(context, decision->dry_run);
      break;
    case RUN_ID:
      tk_result_text(context, decision->run_id);
      break;
    default:
      tk_result_text(context, decision->raw);
  }
}

static int give_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  struct decisions_cursor *cursor = (struct decisions_cursor *)base;
  const enum column column = (enum column)number;
  struct tk_error error = {{0}};
  enum tk_status status = TK_OK;

  if (column != TRACE_ID && column != SPAN_ID && column != SERVICE && column != TIME_NS) {
    give_fact(cursor->record ? &cursor->record->decision : &cursor->walk.list.items[cursor->index],
              context, column);
  } else if (cursor->record) {
    give_recorded(cursor->record, context, column);
  } else {
    status = give_span(cursor, context, column, &error);
  }
  if (status != TK_OK) tk_result_fail(context, status, &error);
  return SQLITE_OK;
}

int tk_register_sampling_decisions(sqlite3 *db) {
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
  return sqlite3_create_module_v2(db, "tracekeep_sampling_decisions", &module, NULL, NULL);
}
