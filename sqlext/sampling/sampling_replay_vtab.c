/* SPDX-License-Identifier: MIT
 * sampling_replay(config, semantics, head): what a sampling configuration would have decided about
 * each stored trace.
 *
 *     SELECT policy, count(*) FROM sampling_replay('collector.yaml') WHERE decision = 'keep'
 *      GROUP BY policy
 *
 * A row is a trace. `config` is the path or id of a stored configuration, or a configuration
 * itself; `semantics` says which version is meant, and what else a configuration does not say
 * (tk_semantics_parse); `head` is the probability with which traces were kept before they came to
 * it. docs/sampling.md, "Replay and what-if".
 *
 * idxNum: which hidden arguments are given (they come last in argv), whether terms name traces, and
 * what is dear and will be read. idxStr: the terms (table_support.h). Decisions never depend on the
 * constraints: with rate limiters all traces are decided about, whichever are asked for. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sqlext/sampling/config_source.h"
#include "sqlext/sampling/replay_order.h"
#include "sqlext/sampling/sampling_tables.h"
#include "sqlext/vtab_support.h"

enum column {
  TRACE_ID,
  DECISION,
  POLICY,
  SUB_POLICY,
  STAGE,
  PROBABILITY,
  ADJUSTED_COUNT,
  RANDOMNESS,
  SPAN_COUNT,
  SPANS_KEPT,
  BYTES,
  DURATION_NS,
  HAS_ERROR,
  START_NS,
  SERVICES,
  CONFIG,
  SEMANTICS,
  HEAD
};

static const char declaration[] =
    "CREATE TABLE x(trace_id TEXT COLLATE NOCASE, decision TEXT, policy TEXT, sub_policy TEXT,"
    " stage TEXT, probability REAL, adjusted_count REAL, randomness INTEGER, span_count INTEGER,"
    " spans_kept INTEGER, bytes INTEGER, duration_ns INTEGER, has_error INTEGER, start_ns INTEGER,"
    " services TEXT, config HIDDEN, semantics HIDDEN, head HIDDEN)";

enum plan {
  PLAN_CONFIG = 1,
  PLAN_SEMANTICS = 2,
  PLAN_HEAD = 4,
  PLAN_BY_ID = 8,
  PLAN_PROBABILITY = 16 /* it is read */
};

struct replay_cursor {
  sqlite3_vtab_cursor base;
  struct tk_terms terms;
  char *semantics_text;
  struct tk_sampling_config *config;
  struct tk_program program;
  struct tk_replay_walk walk;
  struct tk_replay_order order; /* with rate limiters */
  struct tk_replay_facts facts;
  struct tk_replay_decision decision;
  uint8_t (*ids)[16]; /* PLAN_BY_ID: ascending, distinct */
  uint32_t id_count;
  uint32_t number; /* of the current trace in the walk */
  double head;
  int plan;
  bool at_end;
};

static struct tk_reader *reader_of(const struct replay_cursor *cursor) {
  return ((struct tk_reader_table *)cursor->base.pVtab)->reader;
}

/* ---- the table ---- */

static int connect_table(sqlite3 *db, void *context, int argc, const char *const *argv,
                         sqlite3_vtab **vtab_out, char **message_out) {
  (void)context;
  return tk_reader_table_connect(db, declaration, argc, argv, vtab_out, message_out);
}

/* Takes `column = ?` as an argument; SQLITE_CONSTRAINT: not in this plan. */
static int take_argument(sqlite3_index_info *info, int column, int bit, int *argument_count) {
  bool is_there = false;
  for (int i = 0; i < info->nConstraint; i++) {
    if (info->aConstraint[i].iColumn != column ||
        info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ) {
      continue;
    }
    is_there = true;
    if (!info->aConstraint[i].usable) continue;
    info->aConstraintUsage[i].argvIndex = ++*argument_count;
    info->aConstraintUsage[i].omit = 1;
    info->idxNum |= bit;
    return SQLITE_OK;
  }
  return is_there ? SQLITE_CONSTRAINT : SQLITE_OK;
}

static int best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  const struct tk_reader *reader = ((struct tk_reader_table *)base)->reader;
  struct tk_plan plan = {.size = 0};
  double spans = 1000;
  int rc;
  for (uint32_t s = 0; s < reader->segment_count; s++) spans += reader->segments[s].span_count;
  for (int i = 0; i < info->nConstraint && !(info->idxNum & PLAN_BY_ID); i++) {
    if (info->aConstraint[i].iColumn != TRACE_ID ||
        info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ) {
      continue;
    }
    if (!tk_plan_add(&plan, info, i, TK_TERM_ID)) continue;
    info->aConstraintUsage[i].omit = 1;
    info->idxNum |= PLAN_BY_ID;
  }
  int count = plan.term_count;
  if ((rc = take_argument(info, CONFIG, PLAN_CONFIG, &count)) != SQLITE_OK) return rc;
  if ((rc = take_argument(info, SEMANTICS, PLAN_SEMANTICS, &count)) != SQLITE_OK) return rc;
  if ((rc = take_argument(info, HEAD, PLAN_HEAD, &count)) != SQLITE_OK) return rc;
  if (info->colUsed & (1u << PROBABILITY | 1u << ADJUSTED_COUNT)) info->idxNum |= PLAN_PROBABILITY;
  info->estimatedRows = info->idxNum & PLAN_BY_ID ? 1 : (sqlite3_int64)(spans / 5);
  info->estimatedCost = info->idxNum & PLAN_BY_ID ? 100 : spans;
  return tk_plan_finish(&plan, info);
}

/* ---- the cursor ---- */

static int open_cursor(sqlite3_vtab *base, sqlite3_vtab_cursor **cursor_out) {
  struct replay_cursor *cursor = sqlite3_malloc64(sizeof *cursor);
  (void)base;
  if (!cursor) return SQLITE_NOMEM;
  memset(cursor, 0, sizeof *cursor);
  cursor->at_end = true;
  *cursor_out = &cursor->base;
  return SQLITE_OK;
}

static void reset_cursor(struct replay_cursor *cursor) {
  tk_replay_walk_reset(&cursor->walk);
  tk_replay_order_reset(&cursor->order);
  tk_program_reset(&cursor->program);
  tk_sampling_config_free(cursor->config);
  tk_terms_reset(&cursor->terms);
  sqlite3_free(cursor->semantics_text);
  sqlite3_free(cursor->facts.hits);
  sqlite3_free(cursor->ids);
  cursor->config = NULL;
  cursor->semantics_text = NULL;
  cursor->facts.hits = NULL;
  cursor->ids = NULL;
  cursor->id_count = cursor->number = 0;
  cursor->at_end = true;
}

static int close_cursor(sqlite3_vtab_cursor *base) {
  struct replay_cursor *cursor = (struct replay_cursor *)base;
  reset_cursor(cursor);
  sqlite3_free(cursor);
  return SQLITE_OK;
}

/* ---- arguments ---- */

static enum tk_status take_head(struct replay_cursor *cursor, sqlite3_value *value,
                                struct tk_error *error) {
  cursor->head = 1;
  if (!value || sqlite3_value_type(value) == SQLITE_NULL) return TK_OK;
  cursor->head = sqlite3_value_double(value);
  if (cursor->head > 0 && cursor->head <= 1) return TK_OK;
  return tk_fail(error, TK_INVALID,
                 "sampling_replay: head: expected a probability above 0 and up to 1, found %g",
                 cursor->head);
}

static enum tk_status take_arguments(struct replay_cursor *cursor, sqlite3_value **argv,
                                     struct tk_error *error) {
  const struct tk_reader *reader = reader_of(cursor);
  struct tk_semantics semantics;
  struct tk_text text = {"", 0};
  sqlite3_value *config = cursor->plan & PLAN_CONFIG ? *argv++ : NULL;
  sqlite3_value *words = cursor->plan & PLAN_SEMANTICS ? *argv++ : NULL;
  sqlite3_value *head = cursor->plan & PLAN_HEAD ? *argv++ : NULL;
  enum tk_status status;
  if (!config || sqlite3_value_type(config) == SQLITE_NULL) {
    return tk_fail(error, TK_INVALID,
                   "sampling_replay: expected a configuration, its path or its id as first "
                   "argument");
  }
  if ((status = take_head(cursor, head, error)) != TK_OK) return status;
  if (words && sqlite3_value_type(words) != SQLITE_NULL) {
    cursor->semantics_text = sqlite3_mprintf("%s", (const char *)sqlite3_value_text(words));
    if (!cursor->semantics_text) return tk_nomem(error);
    text = (struct tk_text){cursor->semantics_text, (uint32_t)strlen(cursor->semantics_text)};
  }
  if ((status = tk_semantics_parse(text, &semantics, error)) != TK_OK) return status;
  status = tk_config_open(reader->db, reader->schema, config, NULL, &cursor->config, error);
  return status == TK_OK ? tk_program_init(&cursor->program, cursor->config, &semantics, error)
                         : status;
}

/* ---- moving ---- */

static int compare_ids(const void *left, const void *right) {
  return memcmp(left, right, 16);
}

static enum tk_status is_wanted(struct replay_cursor *cursor, bool *wanted,
                                struct tk_error *error) {
  const struct tk_trace_part *part = &cursor->walk.trace.parts[0];
  const uint8_t *id;
  *wanted = true;
  if (!(cursor->plan & PLAN_BY_ID)) return TK_OK;
  const enum tk_status status = tk_fixed_value(reader_of(cursor), part->segment, TK_COL_TRACE_ID,
                                               part->trace_index, &id, error);
  if (status != TK_OK) return status;
  *wanted = bsearch(id, cursor->ids, cursor->id_count, 16, compare_ids) != NULL;
  return TK_OK;
}

/* Decisions are there already: the next trace that is wanted. */
static enum tk_status next_decided(struct replay_cursor *cursor, bool *found,
                                   struct tk_error *error) {
  bool wanted = false;
  do {
    enum tk_status status = tk_replay_walk_next(&cursor->walk, found, error);
    if (status == TK_OK && *found) status = is_wanted(cursor, &wanted, error);
    if (status != TK_OK || !*found) return status;
    if (cursor->number >= cursor->order.count) {
      return tk_fail(error, TK_BUSY, "the store changed while it was being read");
    }
    cursor->decision = cursor->order.decisions[cursor->number++];
  } while (!wanted);
  return TK_OK;
}

static int move_on(struct replay_cursor *cursor) {
  struct tk_error error = {{0}};
  bool found = false;
  enum tk_status status;
  if (cursor->program.is_stateful) {
    status = next_decided(cursor, &found, &error);
  } else {
    status = tk_replay_walk_next(&cursor->walk, &found, &error);
    if (status == TK_OK && found) {
      status = tk_replay_walk_facts(&cursor->walk, &cursor->facts, &error);
    }
    if (status == TK_OK && found) {
      status = tk_program_decide(&cursor->program, &cursor->facts,
                                 (cursor->plan & PLAN_PROBABILITY) != 0, &cursor->decision, &error);
    }
  }
  cursor->at_end = !found || status != TK_OK;
  return tk_vtab_fail(cursor->base.pVtab, status, &error);
}

static enum tk_status start(struct replay_cursor *cursor, const char *plan, int argc,
                            sqlite3_value **argv, struct tk_error *error) {
  struct tk_reader *reader = reader_of(cursor);
  const int arguments = (cursor->plan & PLAN_CONFIG) / PLAN_CONFIG +
                        (cursor->plan & PLAN_SEMANTICS) / PLAN_SEMANTICS +
                        (cursor->plan & PLAN_HEAD) / PLAN_HEAD;
  enum tk_status status;
  if ((status = tk_reader_refresh(reader, error)) != TK_OK) return status;
  status = tk_terms_init(&cursor->terms, plan, argc - arguments, argv, error);
  if (status != TK_OK) return status;
  status = take_arguments(cursor, argv + argc - arguments, error);
  if (status != TK_OK) return status;
  if (cursor->plan & PLAN_BY_ID) {
    status = tk_ids_of_terms(&cursor->terms, TRACE_ID, &cursor->ids, &cursor->id_count, error);
    if (status != TK_OK) return status;
  }
  const size_t size = 2 * cursor->program.words * sizeof(uint64_t);
  if (!(cursor->facts.hits = sqlite3_malloc64(size))) return tk_nomem(error);
  cursor->facts.errors = cursor->facts.hits + cursor->program.words;
  cursor->walk.reader = reader;
  cursor->walk.program = &cursor->program;
  cursor->walk.wants_bytes = cursor->program.needs_bytes;
  const bool by_id = (cursor->plan & PLAN_BY_ID) && !cursor->program.is_stateful;
  status = tk_replay_walk_begin(&cursor->walk, by_id, (const uint8_t(*)[16])cursor->ids,
                                cursor->id_count, error);
  if (status != TK_OK || !cursor->program.is_stateful) return status;
  status = tk_replay_order_decide(&cursor->order, &cursor->walk,
                                  (cursor->plan & PLAN_PROBABILITY) != 0, error);
  tk_replay_walk_rewind(&cursor->walk);
  return status;
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                  sqlite3_value **argv) {
  struct replay_cursor *cursor = (struct replay_cursor *)base;
  struct tk_error error = {{0}};
  reset_cursor(cursor);
  cursor->plan = plan;
  const enum tk_status status = start(cursor, plan_text, argc, argv, &error);
  return status == TK_OK ? move_on(cursor) : tk_vtab_fail(base->pVtab, status, &error);
}

static int next_row(sqlite3_vtab_cursor *base) {
  return move_on((struct replay_cursor *)base);
}

static int at_end(sqlite3_vtab_cursor *base) {
  return ((struct replay_cursor *)base)->at_end;
}

static int give_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid_out) {
  const struct tk_trace_part *part = &((struct replay_cursor *)base)->walk.trace.parts[0];
  *rowid_out = (sqlite3_int64)((uint64_t)part->segment->summary.id << 20 | part->trace_index);
  return SQLITE_OK;
}

/* ---- columns ---- */

static void give_word(sqlite3_context *context, const char *word) {
  sqlite3_result_text(context, word, -1, SQLITE_STATIC);
}

/* Its name; where the dialect has none, what it is. */
static void give_policy(sqlite3_context *context, const struct tk_sampling_policy *policy) {
  if (!policy) return;
  if (policy->name.size > 0) {
    tk_result_text(context, policy->name);
  } else if (policy->operation.size > 0) {
    tk_result_text(context, policy->operation);
  } else if (policy->service.size > 0) {
    tk_result_text(context, policy->service);
  } else {
    give_word(context, tk_sampling_type_name(policy->type));
  }
}

static void give_decision(const struct replay_cursor *cursor, sqlite3_context *context,
                          enum column column) {
  static const char *const verdicts[] = {
      [TK_REPLAY_KEEP] = "keep", [TK_REPLAY_DROP] = "drop", [TK_REPLAY_UNKNOWN] = "unknown"};
  static const char *const stages[] = {
      [TK_REPLAY_HEAD] = "head", [TK_REPLAY_COLLECTOR] = "collector", [TK_REPLAY_TAIL] = "tail"};
  const struct tk_replay_decision *decision = &cursor->decision;
  const double probability = decision->probability;
  switch ((int)column) {
    case DECISION:
      give_word(context, verdicts[decision->verdict]);
      break;
    case POLICY:
      give_policy(context, decision->policy);
      break;
    case SUB_POLICY:
      give_policy(context, decision->sub_policy);
      break;
    case STAGE:
      give_word(context, stages[decision->stage]);
      break;
    case PROBABILITY:
      if (probability >= 0) sqlite3_result_double(context, probability);
      break;
    case ADJUSTED_COUNT:
      if (probability > 0 && decision->verdict == TK_REPLAY_KEEP) {
        sqlite3_result_double(context, 1 / (probability * cursor->head));
      }
      break;
    case RANDOMNESS:
      sqlite3_result_int64(context, (sqlite3_int64)decision->randomness);
      break;
    default:
      sqlite3_result_int64(context, decision->kept_spans);
      break;
  }
}

static enum tk_status give_services(struct tk_trace_facts *trace, sqlite3_context *context,
                                    struct tk_error *error) {
  struct tk_byte_writer json = {0};
  const enum tk_status status = tk_trace_learn(trace, TK_KNOW_SERVICES, error);
  if (status != TK_OK) return status;
  tk_json_literal(&json, "[");
  for (uint32_t i = 0; i < trace->service_count; i++) {
    if (i > 0) tk_json_literal(&json, ",");
    tk_json_text(&json, trace->services[i].name);
  }
  tk_json_literal(&json, "]");
  tk_result_json(context, &json);
  tk_byte_writer_reset(&json);
  return TK_OK;
}

static enum tk_status give_fact(struct replay_cursor *cursor, sqlite3_context *context,
                                enum column column, struct tk_error *error) {
  struct tk_trace_facts *trace = &cursor->walk.trace;
  enum tk_status status = TK_OK;
  uint64_t bytes;
  switch ((int)column) {
    case TRACE_ID:
      return tk_give_trace_id(context, reader_of(cursor), trace->parts[0].segment,
                              trace->parts[0].trace_index, error);
    case SPAN_COUNT:
      sqlite3_result_int64(context, tk_trace_span_count(trace));
      return TK_OK;
    case BYTES:
      status = tk_replay_walk_bytes(&cursor->walk, &bytes, error);
      if (status == TK_OK) sqlite3_result_int64(context, (sqlite3_int64)bytes);
      return status;
    case HAS_ERROR:
      status = tk_trace_learn(trace, TK_KNOW_ERRORS, error);
      if (status == TK_OK) sqlite3_result_int64(context, trace->error_count > 0);
      return status;
    case SERVICES:
      return give_services(trace, context, error);
    default:
      if ((status = tk_trace_learn(trace, TK_KNOW_TIMES, error)) != TK_OK) return status;
      sqlite3_result_int64(context, column == START_NS ? trace->start : tk_trace_duration(trace));
      return TK_OK;
  }
}

static int give_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  struct replay_cursor *cursor = (struct replay_cursor *)base;
  struct tk_error error = {{0}};
  enum tk_status status = TK_OK;
  switch ((enum column)number) {
    case DECISION:
    case POLICY:
    case SUB_POLICY:
    case STAGE:
    case PROBABILITY:
    case ADJUSTED_COUNT:
    case RANDOMNESS:
    case SPANS_KEPT:
      give_decision(cursor, context, (enum column)number);
      break;
    case TRACE_ID:
    case SPAN_COUNT:
    case BYTES:
    case DURATION_NS:
    case HAS_ERROR:
    case START_NS:
    case SERVICES:
      status = give_fact(cursor, context, (enum column)number, &error);
      break;
    case CONFIG:
    case SEMANTICS:
    case HEAD:
    default:
      break;
  }
  if (status != TK_OK) tk_result_fail(context, status, &error);
  return SQLITE_OK;
}

int tk_register_sampling_replay(sqlite3 *db) {
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
  return sqlite3_create_module_v2(db, "tracekeep_sampling_replay", &module, NULL, NULL);
}
