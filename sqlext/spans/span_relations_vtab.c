/* SPDX-License-Identifier: MIT
 * span_relations(relation): pairs of spans of which one is above the other in the tree of a trace.
 *
 *     SELECT DISTINCT trace_id FROM span_relations('descendant')
 *      WHERE upper_service = 'storefront' AND lower_service = 'payment' AND lower_status = 'error'
 *
 * CREATE TABLE span_relations(relation HIDDEN, trace_id, distance, upper_..., lower_...), with
 * every column of spans twice, behind upper_ and lower_. relation 'child': lower is a child of
 * upper; 'descendant' (the default): at any distance. No row is made for a pair that the
 * constraints on its two sides, each pushed down as in spans, do not allow.
 *
 * Granule by granule: the rows that lower can be, then (if there are any) those that upper can be,
 * then up from each of the lower ones. Traces in several segments come last, put together.
 *
 * idxNum: 1 if argv[0] is the relation. idxStr: the plans (spans_plan.c) of lower and upper, whose
 * arguments come in that order. */
#include <string.h>

#include "sqlext/spans/spans_cursor.h"
#include "sqlext/tables/split_rows.h"
#include "sqlext/tables/split_traces.h"
#include "sqlext/tables/table_support.h"
#include "sqlext/tables/tables.h"
#include "sqlext/vtab_support.h"

enum column { COLUMN_RELATION, COLUMN_TRACE_ID, COLUMN_DISTANCE, COLUMN_FIRST_UPPER };

struct relations_table {
  struct spans_table spans; /* first: its base is what SQLite has */
  uint32_t column_count;    /* of spans, for each side */
};

/* Where a span of a split trace is stored. */
struct place {
  int64_t segment_id;
  uint32_t row;
};

struct relations_cursor {
  struct spans_cursor upper, lower; /* the base of `upper` is what SQLite has */
  sqlite3_value *relation;
  bool children_only;

  /* What is gone through now: a granule, or (whole) all traces that were put together. */
  const uint32_t *parents;
  uint8_t *upper_mask; /* by row */
  uint32_t *lower_rows;
  uint32_t mask_capacity, lower_capacity, lower_count, at;
  uint32_t above, distance; /* the upper row of the current pair */
  struct spans_opened *opened_upper, *opened_lower;
  uint32_t next_row, job_end;

  struct tk_split_traces split;
  int64_t generation; /* of the segment list that `split` is about */
  bool is_whole, is_done;
  struct tk_split_rows split_rows;
  struct place *places; /* by payload of split_rows */
  uint8_t *place_upper, *place_lower;
  uint32_t place_count, place_capacity, upper_capacity, lower_place_capacity;
  uint32_t *whole_parents, *whole_payloads;
  uint32_t whole_count, parents_capacity, payloads_capacity;
  int64_t rowid;
};

/* ---- the table ---- */

static bool is_shown(uint32_t column) {
  return column == SPANS_span_id || column == SPANS_service || column == SPANS_name ||
         column == SPANS_kind || column == SPANS_status || column == SPANS_duration_ns;
}

static char *declare(struct spans_table *spans, void *context, uint32_t column_limit) {
  static const char *const prefixes[] = {"upper_", "lower_"};
  struct relations_table *table = (struct relations_table *)spans;
  const uint32_t room = (column_limit - COLUMN_FIRST_UPPER) / 2;
  sqlite3_str *sql = sqlite3_str_new(NULL);

  (void)context;
  table->column_count = spans->columns.count < room ? spans->columns.count : room;
  sqlite3_str_appendall(
      sql, "CREATE TABLE x(relation HIDDEN, trace_id TEXT COLLATE NOCASE, distance INTEGER");
  for (int side = 0; side < 2; side++) {
    for (uint32_t i = 0; i < table->column_count; i++) {
      sqlite3_str_appendall(sql, ",");
      tk_spans_columns_declare_one(sql, &table->spans.columns, i, prefixes[side], !is_shown(i));
    }
  }
  sqlite3_str_appendall(sql, ")");
  return sqlite3_str_finish(sql);
}

static int connect_table(sqlite3 *db, void *context, int argc, const char *const *argv,
                         sqlite3_vtab **vtab_out, char **message_out) {
  static const struct spans_table_kind kind = {"span_relations", sizeof(struct relations_table),
                                               declare};
  return tk_spans_table_connect(&kind, db, context, argc, argv, vtab_out, message_out);
}

/* Not the same function as xConnect: the table exists only where it was created. */
static int create_table(sqlite3 *db, void *context, int argc, const char *const *argv,
                        sqlite3_vtab **vtab_out, char **message_out) {
  return connect_table(db, context, argc, argv, vtab_out, message_out);
}

/* The side and column of spans that a column of the table is. */
static bool side_of(const struct relations_table *table, int column, bool *is_lower,
                    uint32_t *index) {
  if (column == COLUMN_TRACE_ID) {
    *is_lower = true;
    *index = SPANS_trace_id;
    return true;
  }
  if (column < COLUMN_FIRST_UPPER) return false;
  *index = (uint32_t)column - COLUMN_FIRST_UPPER;
  *is_lower = *index >= table->column_count;
  if (*is_lower) *index -= table->column_count;
  return true;
}

static int plan_relation(sqlite3_index_info *info) {
  for (int i = 0; i < info->nConstraint; i++) {
    if (info->aConstraint[i].iColumn != COLUMN_RELATION ||
        info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ || info->idxNum) {
      continue;
    }
    if (!info->aConstraint[i].usable) return SQLITE_CONSTRAINT;
    info->idxNum = 1;
    info->aConstraintUsage[i].argvIndex = 1;
    info->aConstraintUsage[i].omit = 1;
  }
  return SQLITE_OK;
}

static void plan_side(struct relations_table *table, sqlite3_index_info *info, bool lower,
                      struct spans_claims *claims, double *rows) {
  bool is_lower;
  uint32_t index;
  for (int i = 0; i < info->nConstraint; i++) {
    if (!side_of(table, info->aConstraint[i].iColumn, &is_lower, &index)) continue;
    if (is_lower != lower) continue;
    if (tk_spans_plan_claim(info, i, &table->spans.columns, index, claims)) *rows *= 0.2;
  }
}

static int plan_scan(sqlite3_vtab *vtab, sqlite3_index_info *info) {
  struct relations_table *table = (struct relations_table *)vtab;
  const struct tk_reader *reader = table->spans.reader;
  sqlite3_str *words = sqlite3_str_new(NULL);
  struct spans_claims lower = {.items = sqlite3_str_new(NULL), .words = words, .prefix = "lower_"};
  struct spans_claims upper = {.items = sqlite3_str_new(NULL), .words = words, .prefix = "upper_"};
  double spans = 0, rows;
  int rc;

  for (uint32_t i = 0; i < reader->segment_count; i++) spans += reader->segments[i].span_count;
  rows = 3 * spans;
  info->idxNum = 0;
  if ((rc = plan_relation(info)) == SQLITE_OK) {
    lower.first_argument = (uint32_t)info->idxNum;
    plan_side(table, info, true, &lower, &rows);
    upper.first_argument = lower.first_argument + lower.count;
    plan_side(table, info, false, &upper, &rows);
  }
  bool failed = sqlite3_str_errcode(words) || sqlite3_str_errcode(lower.items) ||
                sqlite3_str_errcode(upper.items);
  char *word_text = sqlite3_str_finish(words);
  char *lower_text = sqlite3_str_finish(lower.items), *upper_text = sqlite3_str_finish(upper.items);
  if (rc == SQLITE_OK && !failed) {
    info->idxStr = sqlite3_mprintf("%s|%s|%s", lower_text ? lower_text : "",
                                   upper_text ? upper_text : "", word_text ? word_text : "");
    info->needToFreeIdxStr = 1;
  }
  sqlite3_free(word_text);
  sqlite3_free(lower_text);
  sqlite3_free(upper_text);
  if (rc != SQLITE_OK) return rc;
  info->estimatedRows = rows < 1 ? 1 : (sqlite3_int64)rows;
  info->estimatedCost = 1000 + spans * 0.05 + rows;
  return info->idxStr ? SQLITE_OK : SQLITE_NOMEM;
}

/* ---- a granule ---- */

static enum tk_status reserve(struct relations_cursor *cursor, uint32_t rows,
                              struct tk_error *error) {
  if (!tk_grow_zeroed(&cursor->upper_mask, &cursor->mask_capacity, rows, 1) ||
      !tk_grow_zeroed(&cursor->lower_rows, &cursor->lower_capacity, rows,
                      sizeof *cursor->lower_rows)) {
    return tk_nomem(error);
  }
  return TK_OK;
}

static enum tk_status select_lower(struct relations_cursor *cursor, uint32_t begin, uint32_t end,
                                   struct tk_error *error) {
  enum tk_status status = TK_OK;
  uint32_t row = begin, count;

  cursor->lower_count = 0;
  while (row < end && status == TK_OK) {
    status =
        tk_spans_cursor_batch(cursor->opened_lower, &row, end, cursor->lower.batch, &count, error);
    if (status != TK_OK) break;
    memcpy(cursor->lower_rows + cursor->lower_count, cursor->lower.batch,
           count * sizeof *cursor->lower_rows);
    cursor->lower_count += count;
  }
  return status;
}

static enum tk_status select_upper(struct relations_cursor *cursor, uint32_t begin, uint32_t end,
                                   struct tk_error *error) {
  enum tk_status status = TK_OK;
  uint32_t row = begin, count;

  memset(cursor->upper_mask + begin, 0, end - begin);
  while (row < end && status == TK_OK) {
    status =
        tk_spans_cursor_batch(cursor->opened_upper, &row, end, cursor->upper.batch, &count, error);
    for (uint32_t i = 0; status == TK_OK && i < count; i++) {
      cursor->upper_mask[cursor->upper.batch[i]] = 1;
    }
  }
  return status;
}

/* Rows of traces that lie in several segments have their turn later. */
static enum tk_status drop_split(struct relations_cursor *cursor, uint32_t segment_index,
                                 uint32_t granule, struct tk_error *error) {
  const struct tk_segment *segment = cursor->opened_lower->segment->segment;
  struct tk_reader *reader = cursor->opened_lower->segment->reader;
  const uint32_t *traces;
  uint32_t kept = 0;
  enum tk_status status = tk_reader_traces(reader, segment, granule, &traces, error);

  for (uint32_t i = 0; status == TK_OK && i < cursor->lower_count; i++) {
    uint32_t row = cursor->lower_rows[i];
    if (tk_split_traces_find(&cursor->split, segment_index, traces[row]) != TK_NOT_SPLIT) continue;
    cursor->lower_rows[kept++] = row;
  }
  cursor->lower_count = kept;
  return status;
}

static enum tk_status enter_granule(struct relations_cursor *cursor, struct tk_error *error) {
  const struct spans_range *job = &cursor->lower.jobs[cursor->lower.next_job - 1];
  struct tk_reader *reader = cursor->opened_lower->segment->reader;
  const struct tk_segment *segment = cursor->opened_lower->segment->segment;
  uint32_t granule = tk_segment_granule_of_row(segment, cursor->next_row);
  uint32_t begin = cursor->next_row, end = segment->rows.ends[granule];
  uint32_t granule_begin = granule > 0 ? segment->rows.ends[granule - 1] : 0;
  enum tk_status status;

  cursor->next_row = end;
  if (end > cursor->job_end) end = cursor->job_end;
  cursor->at = 0;
  cursor->above = UINT32_MAX;
  status = select_lower(cursor, begin, end, error);
  if (status == TK_OK && cursor->split.count > 0 && segment->summary.flags & TK_SEGMENT_HAS_SPLIT) {
    status = drop_split(cursor, job->segment_index, granule, error);
  }
  if (status != TK_OK || cursor->lower_count == 0) return status;
  status = select_upper(cursor, granule_begin, segment->rows.ends[granule], error);
  if (status != TK_OK) return status;
  return tk_reader_parents(reader, segment, granule, &cursor->parents, error);
}

static enum tk_status enter_job(struct relations_cursor *cursor, struct tk_error *error) {
  const struct spans_range *job = &cursor->lower.jobs[cursor->lower.next_job++];
  enum tk_status status;

  cursor->next_row = cursor->job_end = 0;
  status = tk_spans_cursor_open(&cursor->lower, job, &cursor->opened_lower, error);
  if (status != TK_OK || !cursor->opened_lower->possible) return status;
  status = tk_spans_cursor_open(&cursor->upper, job, &cursor->opened_upper, error);
  if (status != TK_OK || !cursor->opened_upper->possible) return status;
  cursor->lower.current = cursor->opened_lower;
  cursor->upper.current = cursor->opened_upper;
  uint32_t rows = cursor->opened_lower->segment->segment->summary.span_count;
  cursor->next_row = job->first;
  cursor->job_end = job->count < rows - job->first ? job->first + job->count : rows;
  return reserve(cursor, rows, error);
}

/* ---- traces in several segments ---- */

static enum tk_status mark_rows(struct spans_opened *opened, uint32_t begin, uint32_t end,
                                uint32_t *batch, uint8_t *marks, struct tk_error *error) {
  enum tk_status status = TK_OK;
  uint32_t row = begin, count;

  memset(marks, 0, end - begin);
  while (row < end && status == TK_OK && opened->possible) {
    status = tk_spans_cursor_batch(opened, &row, end, batch, &count, error);
    for (uint32_t i = 0; status == TK_OK && i < count; i++) marks[batch[i] - begin] = 1;
  }
  return status;
}

static enum tk_status keep_part(struct relations_cursor *cursor, uint32_t split, uint32_t begin,
                                uint32_t end, struct tk_error *error) {
  const struct tk_segment *segment = cursor->opened_lower->segment->segment;
  uint32_t first = cursor->place_count, wanted = first + (end - begin);
  enum tk_status status;

  if (!tk_grow_zeroed(&cursor->places, &cursor->place_capacity, wanted, sizeof *cursor->places) ||
      !tk_grow_zeroed(&cursor->place_upper, &cursor->upper_capacity, wanted, 1) ||
      !tk_grow_zeroed(&cursor->place_lower, &cursor->lower_place_capacity, wanted, 1)) {
    return tk_nomem(error);
  }
  for (uint32_t row = begin; row < end; row++) {
    cursor->places[cursor->place_count++] = (struct place){segment->summary.id, row};
  }
  status = mark_rows(cursor->opened_upper, begin, end, cursor->upper.batch,
                     cursor->place_upper + first, error);
  if (status == TK_OK) {
    status = mark_rows(cursor->opened_lower, begin, end, cursor->lower.batch,
                       cursor->place_lower + first, error);
  }
  if (status != TK_OK) return status;
  return tk_split_rows_add(&cursor->split_rows, cursor->opened_lower->segment->reader, segment,
                           split, begin, end, first, error);
}

static enum tk_status keep_parts(struct relations_cursor *cursor, struct tk_error *error) {
  const struct spans_table *table = (const struct spans_table *)cursor->upper.base.pVtab;
  const struct tk_split_traces *split = &cursor->split;
  enum tk_status status = TK_OK;

  if (table->reader->generation != cursor->generation) {
    return tk_fail(error, TK_BUSY, "span_relations: the store changed under a query");
  }
  for (uint32_t i = 0; i < split->part_count && status == TK_OK; i++) {
    const struct tk_split_part *part = &split->by_segment[i];
    struct spans_range job = {.segment_id = table->reader->segments[part->segment_index].id,
                              .segment_index = part->segment_index,
                              .count = UINT32_MAX};
    const uint32_t *trace_rows;
    status = tk_spans_cursor_open(&cursor->lower, &job, &cursor->opened_lower, error);
    if (status == TK_OK) {
      status = tk_spans_cursor_open(&cursor->upper, &job, &cursor->opened_upper, error);
    }
    if (status == TK_OK) {
      status = tk_reader_trace_rows(table->reader, cursor->opened_lower->segment->segment,
                                    &trace_rows, error);
    }
    if (status == TK_OK) {
      status = keep_part(cursor, part->split, trace_rows[part->trace_index],
                         trace_rows[part->trace_index + 1], error);
    }
  }
  return status;
}

static enum tk_status append_whole(void *context, const struct tk_whole_trace *trace,
                                   struct tk_error *error) {
  struct relations_cursor *cursor = context;
  uint32_t first = cursor->whole_count, wanted = first + trace->count;

  if (!tk_grow_zeroed(&cursor->whole_parents, &cursor->parents_capacity, wanted,
                      sizeof *cursor->whole_parents) ||
      !tk_grow_zeroed(&cursor->whole_payloads, &cursor->payloads_capacity, wanted,
                      sizeof *cursor->whole_payloads)) {
    return tk_nomem(error);
  }
  for (uint32_t i = 0; i < trace->count; i++) {
    uint32_t parent = trace->parents[i];
    cursor->whole_parents[first + i] = parent == UINT32_MAX ? UINT32_MAX : first + parent;
    cursor->whole_payloads[first + i] = trace->rows[i]->payload;
  }
  cursor->whole_count = wanted;
  return TK_OK;
}

static enum tk_status enter_whole(struct relations_cursor *cursor, struct tk_error *error) {
  enum tk_status status;

  cursor->is_whole = true;
  cursor->lower_count = cursor->at = 0;
  cursor->above = UINT32_MAX;
  cursor->upper.current = cursor->lower.current = NULL;
  if (cursor->split.count == 0) return TK_OK;
  if ((status = keep_parts(cursor, error)) != TK_OK ||
      (status = tk_split_rows_each(&cursor->split_rows, append_whole, cursor, error)) != TK_OK ||
      (status = reserve(cursor, cursor->whole_count, error)) != TK_OK) {
    return status;
  }
  for (uint32_t i = 0; i < cursor->whole_count; i++) {
    cursor->upper_mask[i] = cursor->place_upper[cursor->whole_payloads[i]];
    if (cursor->place_lower[cursor->whole_payloads[i]]) {
      cursor->lower_rows[cursor->lower_count++] = i;
    }
  }
  cursor->parents = cursor->whole_parents;
  return TK_OK;
}

/* ---- pairs ---- */

/* Moves to the next upper row above the lower one, or on to the next lower one. */
static bool next_pair(struct relations_cursor *cursor) {
  for (; cursor->at < cursor->lower_count; cursor->at++, cursor->above = UINT32_MAX) {
    uint32_t row = cursor->above;
    if (row == UINT32_MAX) {
      row = cursor->lower_rows[cursor->at];
      cursor->distance = 0;
    } else if (cursor->children_only) {
      continue;
    }
    while ((row = cursor->parents[row]) != UINT32_MAX) {
      cursor->distance++;
      if (cursor->upper_mask[row]) {
        cursor->above = row;
        return true;
      }
      if (cursor->children_only) break;
    }
  }
  return false;
}

static enum tk_status open_place(struct spans_cursor *side, const struct place *place,
                                 struct spans_opened **opened, struct tk_error *error) {
  struct spans_range job = {.segment_id = place->segment_id, .count = UINT32_MAX};
  enum tk_status status = tk_spans_cursor_open(side, &job, opened, error);
  side->row = place->row;
  side->current = *opened;
  return status;
}

static enum tk_status point_at_pair(struct relations_cursor *cursor, struct tk_error *error) {
  uint32_t lower = cursor->lower_rows[cursor->at];

  if (!cursor->is_whole) {
    cursor->lower.row = lower;
    cursor->upper.row = cursor->above;
    return TK_OK;
  }
  enum tk_status status = open_place(&cursor->lower, &cursor->places[cursor->whole_payloads[lower]],
                                     &cursor->opened_lower, error);
  if (status != TK_OK) return status;
  return open_place(&cursor->upper, &cursor->places[cursor->whole_payloads[cursor->above]],
                    &cursor->opened_upper, error);
}

static enum tk_status advance(struct relations_cursor *cursor, struct tk_error *error) {
  enum tk_status status = TK_OK;

  cursor->rowid++;
  while (status == TK_OK) {
    if (next_pair(cursor)) return point_at_pair(cursor, error);
    if (cursor->is_whole) {
      cursor->is_done = true;
      return TK_OK;
    }
    if (cursor->next_row < cursor->job_end) {
      status = enter_granule(cursor, error);
    } else if (cursor->lower.next_job < cursor->lower.job_count) {
      status = enter_job(cursor, error);
    } else {
      status = enter_whole(cursor, error);
    }
  }
  return status;
}

/* ---- the cursor ---- */

static void forget(struct relations_cursor *cursor) {
  sqlite3_value_free(cursor->relation);
  cursor->relation = NULL;
  tk_split_traces_reset(&cursor->split);
  tk_split_rows_reset(&cursor->split_rows);
  cursor->upper.current = cursor->lower.current = NULL;
  cursor->lower_count = cursor->at = cursor->place_count = cursor->whole_count = 0;
  cursor->above = UINT32_MAX;
  cursor->next_row = cursor->job_end = 0;
  cursor->is_whole = cursor->is_done = false;
  cursor->rowid = 0;
}

static enum tk_status read_relation(struct relations_cursor *cursor, sqlite3_value *value,
                                    struct tk_error *error) {
  const char *text = "descendant";

  if (value) {
    if ((cursor->relation = sqlite3_value_dup(value)) == NULL) return tk_nomem(error);
    if (sqlite3_value_type(value) != SQLITE_NULL) text = (const char *)sqlite3_value_text(value);
    if (!text) return tk_nomem(error);
  }
  cursor->children_only = sqlite3_stricmp(text, "child") == 0;
  if (cursor->children_only || sqlite3_stricmp(text, "descendant") == 0) return TK_OK;
  return tk_fail(error, TK_INVALID, "span_relations: expected 'child' or 'descendant', found '%s'",
                 text);
}

static enum tk_status start(struct relations_cursor *cursor, bool has_relation,
                            const char *plan_text, sqlite3_value **values, struct tk_error *error) {
  const struct spans_table *table = (const struct spans_table *)cursor->upper.base.pVtab;
  const char *upper_text = plan_text ? strchr(plan_text, '|') : NULL;
  enum tk_status status = read_relation(cursor, has_relation ? values[0] : NULL, error);

  if (status != TK_OK) return status;
  if (!upper_text) return tk_fail(error, TK_INVALID, "span_relations: not a plan");
  values += has_relation;
  cursor->lower.base.pVtab = cursor->upper.base.pVtab;
  if ((status = tk_spans_cursor_start(&cursor->lower, plan_text, values, error)) != TK_OK) {
    return status;
  }
  values += cursor->lower.plan.constraint_count;
  status = tk_spans_cursor_start(&cursor->upper, upper_text + 1, values, error);
  if (status != TK_OK) return status;
  if (cursor->lower.filter.impossible || cursor->upper.filter.impossible) {
    cursor->is_done = true;
    return TK_OK;
  }
  cursor->generation = table->reader->generation;
  status = tk_split_traces_load(&cursor->split, table->reader, error);
  return status == TK_OK ? advance(cursor, error) : status;
}

static int open_cursor(sqlite3_vtab *vtab, sqlite3_vtab_cursor **cursor_out) {
  struct relations_cursor *cursor = sqlite3_malloc64(sizeof *cursor);
  (void)vtab;
  if (!cursor) return SQLITE_NOMEM;
  memset(cursor, 0, sizeof *cursor);
  *cursor_out = &cursor->upper.base;
  return SQLITE_OK;
}

static int close_cursor(sqlite3_vtab_cursor *base) {
  struct relations_cursor *cursor = (struct relations_cursor *)base;
  forget(cursor);
  tk_spans_cursor_reset(&cursor->upper);
  tk_spans_cursor_reset(&cursor->lower);
  sqlite3_free(cursor->upper_mask);
  sqlite3_free(cursor->lower_rows);
  sqlite3_free(cursor->places);
  sqlite3_free(cursor->place_upper);
  sqlite3_free(cursor->place_lower);
  sqlite3_free(cursor->whole_parents);
  sqlite3_free(cursor->whole_payloads);
  sqlite3_free(cursor);
  return SQLITE_OK;
}

static int filter_rows(sqlite3_vtab_cursor *base, int plan_number, const char *plan_text, int argc,
                       sqlite3_value **argv) {
  struct relations_cursor *cursor = (struct relations_cursor *)base;
  struct tk_error error = {{0}};
  (void)argc;
  forget(cursor);
  enum tk_status status = start(cursor, plan_number & 1, plan_text, argv, &error);
  if (status != TK_OK) cursor->is_done = true;
  return tk_vtab_fail(base->pVtab, status, &error);
}

static int next_row(sqlite3_vtab_cursor *base) {
  struct tk_error error = {{0}};
  return tk_vtab_fail(base->pVtab, advance((struct relations_cursor *)base, &error), &error);
}

static int at_end(sqlite3_vtab_cursor *base) {
  return ((const struct relations_cursor *)base)->is_done;
}

static int give_value(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
  struct relations_cursor *cursor = (struct relations_cursor *)base;
  struct tk_sql_value value = {.type = TK_SQL_NULL};
  struct tk_error error = {{0}};
  bool is_lower;
  uint32_t index;

  if (!side_of((const struct relations_table *)base->pVtab, column, &is_lower, &index)) {
    if (column == COLUMN_DISTANCE) sqlite3_result_int64(context, cursor->distance);
    if (column == COLUMN_RELATION && cursor->relation) {
      sqlite3_result_value(context, cursor->relation);
    }
    return SQLITE_OK;
  }
  enum tk_status status =
      tk_spans_cursor_value(is_lower ? &cursor->lower : &cursor->upper, index, &value, &error);
  if (status != TK_OK) return tk_vtab_fail(base->pVtab, status, &error);
  tk_result_sql_value(context, &value);
  return SQLITE_OK;
}

static int give_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid) {
  *rowid = ((const struct relations_cursor *)base)->rowid;
  return SQLITE_OK;
}

int tk_register_span_relations(sqlite3 *db) {
  static const sqlite3_module module = {.iVersion = 0,
                                        .xCreate = create_table,
                                        .xConnect = connect_table,
                                        .xBestIndex = plan_scan,
                                        .xDisconnect = tk_spans_table_disconnect,
                                        .xDestroy = tk_spans_table_disconnect,
                                        .xOpen = open_cursor,
                                        .xClose = close_cursor,
                                        .xFilter = filter_rows,
                                        .xNext = next_row,
                                        .xEof = at_end,
                                        .xColumn = give_value,
                                        .xRowid = give_rowid};
  return sqlite3_create_module_v2(db, "tracekeep_span_relations", &module, NULL, NULL);
}
