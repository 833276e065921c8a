/* SPDX-License-Identifier: MIT
 * The module behind tables of grouped spans. See grouped_table.h.
 *
 * idxNum: bits, which arguments are given; they come first in argv. idxStr: which computed columns
 * are read, as hex, the order of the rows, as columns of the table with `+` or `-` in front, `;`,
 * and a plan of spans_plan.c. The cost does not depend on the constraints, so that SQLite has no
 * reason to run the parts of an OR one by one, which would show groups of each. */
#include "sqlext/metrics/grouped_table.h"

#include <stdlib.h>
#include <string.h>

#include "sqlext/functions/time_text.h"
#include "sqlext/metrics/grouped_order.h"
#include "sqlext/tables/table_support.h"
#include "sqlext/vtab_support.h"

struct grouped_table {
  struct spans_table spans; /* first: its base is what SQLite has */
  const struct grouped_kind *kind;
  uint32_t column_count; /* of spans, that are shown */
};

/* Columns of spans that `SELECT *` shows. */
static bool is_shown(uint32_t column) {
  return column == SPANS_service || column == SPANS_name || column == SPANS_kind ||
         column == SPANS_status || column == SPANS_http_method || column == SPANS_http_route ||
         column == SPANS_http_status;
}

/* ---- columns ---- */

enum part { PART_ARGUMENT, PART_SPANS, PART_COMPUTED };

/* What column `column` of the table is, and which of them. */
static enum part part_of(const struct grouped_kind *kind, int column, uint32_t *index) {
  *index = (uint32_t)column;
  if (column < kind->argument_count) return PART_ARGUMENT;
  *index -= (uint32_t)kind->argument_count;
  if (*index < SPANS_FIRST_ATTRIBUTE) return PART_SPANS;
  *index -= SPANS_FIRST_ATTRIBUTE;
  if (*index < (uint32_t)kind->computed_count) return PART_COMPUTED;
  *index += SPANS_FIRST_ATTRIBUTE - (uint32_t)kind->computed_count;
  return PART_SPANS;
}

static char *declare(struct spans_table *spans, void *context, uint32_t column_limit) {
  struct grouped_table *table = (struct grouped_table *)spans;
  const struct grouped_kind *kind = context;
  const uint32_t room = column_limit - (uint32_t)(kind->argument_count + kind->computed_count);
  sqlite3_str *sql = sqlite3_str_new(NULL);

  table->kind = kind;
  table->column_count = spans->columns.count < room ? spans->columns.count : room;
  sqlite3_str_appendf(sql, "CREATE TABLE x(group_by HIDDEN%s", kind->arguments);
  for (uint32_t i = 0; i < table->column_count; i++) {
    if (i == SPANS_FIRST_ATTRIBUTE) sqlite3_str_appendall(sql, kind->computed);
    sqlite3_str_appendall(sql, ",");
    tk_spans_columns_declare_one(sql, &table->spans.columns, i, "", !is_shown(i));
  }
  if (table->column_count == SPANS_FIRST_ATTRIBUTE) sqlite3_str_appendall(sql, kind->computed);
  sqlite3_str_appendall(sql, ")");
  return sqlite3_str_finish(sql);
}

/* ---- group_by ---- */

struct grouping {
  uint32_t columns[SPANS_NUMBERED_MAX];
  uint32_t count;
};

/* The next name of a list `a, "b", [c]`, copied to `name`; false at the end. */
static bool next_name(const char **at, char *name) {
  const char *text = *at;
  size_t size = 0;

  while (*text == ' ' || *text == ',' || *text == '\n' || *text == '\t') text++;
  if (!*text) return false;
  if (*text == '"' || *text == '[') {
    char close = *text++ == '"' ? '"' : ']';
    for (; *text && (*text != close || (close == '"' && text[1] == '"')); text++) {
      if (*text == close) text++;
      name[size++] = *text;
    }
    if (*text) text++;
  } else {
    while (*text && *text != ',') name[size++] = *text++;
    while (size > 0 && (name[size - 1] == ' ' || name[size - 1] == '\n')) size--;
  }
  name[size] = 0;
  *at = text;
  return true;
}

static uint32_t find_column(const struct grouped_table *table, const char *name) {
  for (uint32_t i = 0; i < table->column_count; i++) {
    if (sqlite3_stricmp(table->spans.columns.items[i].name, name) == 0) return i;
  }
  return UINT32_MAX;
}

static bool has_column(const struct grouping *grouping, uint32_t column) {
  for (uint32_t i = 0; i < grouping->count; i++) {
    if (grouping->columns[i] == column) return true;
  }
  return false;
}

static enum tk_status parse_grouping(const struct grouped_table *table, const char *text,
                                     struct grouping *grouping, struct tk_error *error) {
  char *name = sqlite3_malloc64(strlen(text) + 1);
  enum tk_status status = TK_OK;

  grouping->count = 0;
  if (!name) return tk_nomem(error);
  while (status == TK_OK && next_name(&text, name)) {
    uint32_t column = find_column(table, name);
    if (column == UINT32_MAX) {
      status = tk_fail(error, TK_INVALID, "%s: group_by: expected columns of spans, found \"%s\"",
                       table->kind->name, name);
    } else if (grouping->count == SPANS_NUMBERED_MAX - 1) {
      status = tk_fail(error, TK_INVALID, "%s: group_by: expected at most %d columns",
                       table->kind->name, SPANS_NUMBERED_MAX - 1);
    } else if (!has_column(grouping, column)) {
      grouping->columns[grouping->count++] = column;
    }
  }
  sqlite3_free(name);
  return status;
}

/* ---- the table ---- */

static int connect_table(sqlite3 *db, void *context, int argc, const char *const *argv,
                         sqlite3_vtab **vtab_out, char **message_out) {
  const struct grouped_kind *grouped = context;
  const struct spans_table_kind kind = {grouped->name, sizeof(struct grouped_table), declare};
  return tk_spans_table_connect(&kind, db, context, argc, argv, vtab_out, message_out);
}

/* Not the same function as xConnect: the table exists only where it was created. */
static int create_table(sqlite3 *db, void *context, int argc, const char *const *argv,
                        sqlite3_vtab **vtab_out, char **message_out) {
  return connect_table(db, context, argc, argv, vtab_out, message_out);
}

/* ---- plans ---- */

static bool has_like(const sqlite3_index_info *info, int column) {
  for (int i = 0; i < info->nConstraint; i++) {
    if (info->aConstraint[i].iColumn == column &&
        info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_LIKE) {
      return true;
    }
  }
  return false;
}

static bool is_limit(const sqlite3_index_info *info, int i) {
  return info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_LIMIT ||
         info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_OFFSET;
}

/* What group_by says, if that is known already. */
static void foresee_grouping(const struct grouped_table *table, sqlite3_index_info *info,
                             struct grouping *grouping) {
  struct tk_error error;
  grouping->count = 0;
  for (int i = 0; i < info->nConstraint; i++) {
    sqlite3_value *value = NULL;
    if (info->aConstraint[i].iColumn != 0 ||
        info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ ||
        sqlite3_vtab_rhs_value(info, i, &value) != SQLITE_OK || !value) {
      continue;
    }
    const char *text = (const char *)sqlite3_value_text(value);
    if (text && parse_grouping(table, text, grouping, &error) != TK_OK) grouping->count = 0;
  }
}

/* Arguments come first in argv, in their order. */
static int plan_arguments(const struct grouped_kind *kind, sqlite3_index_info *info,
                          uint32_t *count) {
  for (int argument = 0; argument < kind->argument_count; argument++) {
    for (int i = 0; i < info->nConstraint; i++) {
      if (is_limit(info, i) || info->aConstraint[i].iColumn != argument ||
          info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ || (info->idxNum & 1 << argument)) {
        continue;
      }
      if (!info->aConstraint[i].usable) return SQLITE_CONSTRAINT;
      info->idxNum |= 1 << argument;
      info->aConstraintUsage[i].argvIndex = (int)++*count;
      info->aConstraintUsage[i].omit = 1;
    }
  }
  return SQLITE_OK;
}

static int plan_constraints(struct grouped_table *table, sqlite3_index_info *info,
                            struct spans_claims *claims) {
  struct grouping grouping;
  uint32_t index;

  foresee_grouping(table, info, &grouping);
  for (int i = 0; i < info->nConstraint; i++) {
    int column = info->aConstraint[i].iColumn;
    if (is_limit(info, i) || column < 0) continue;
    if (part_of(table->kind, column, &index) != PART_SPANS) continue;
    if (tk_spans_plan_claim(info, i, &table->spans.columns, index, claims)) continue;
    if (has_column(&grouping, index)) continue;
    if (!info->aConstraint[i].usable) return SQLITE_CONSTRAINT;
    if (has_like(info, column)) continue; /* what SQLite adds to a LIKE */
    sqlite3_free(table->spans.base.zErrMsg);
    table->spans.base.zErrMsg = sqlite3_mprintf(
        "%s: a condition on \"%s\" that cannot choose spans; group by that column, "
        "or compare it plainly",
        table->kind->name, table->spans.columns.items[index].name);
    return SQLITE_ERROR;
  }
  return SQLITE_OK;
}

/* Ids are compared without regard to case, and not only those that are hexadecimal. */
static bool is_binary(enum spans_source source) {
  return source != SOURCE_TRACE_ID && source != SOURCE_SPAN_ID && source != SOURCE_PARENT_ID;
}

/* Rows can come in the order of columns that are grouped by, and of the bucket. */
static bool plan_order(const struct grouped_table *table, sqlite3_index_info *info,
                       sqlite3_str *order) {
  struct grouping grouping;
  uint32_t index;

  foresee_grouping(table, info, &grouping);
  for (int i = 0; i < info->nOrderBy; i++) {
    const int column = info->aOrderBy[i].iColumn;
    const enum part part = column < 0 ? PART_ARGUMENT : part_of(table->kind, column, &index);
    const bool is_known = part == PART_COMPUTED
                              ? index == 0
                              : part == PART_SPANS && has_column(&grouping, index) &&
                                    is_binary(table->spans.columns.items[index].source);
    if (!is_known) return false;
    sqlite3_str_appendf(order, "%c%d", info->aOrderBy[i].desc ? '-' : '+', column);
  }
  return info->nOrderBy > 0 && info->nOrderBy <= SPANS_NUMBERED_MAX;
}

static uint64_t computed_used(const struct grouped_kind *kind, const sqlite3_index_info *info) {
  uint64_t used = 0;
  for (int i = 0; i < kind->computed_count; i++) {
    int column = kind->argument_count + SPANS_FIRST_ATTRIBUTE + i;
    if (info->colUsed >> (column < 63 ? column : 63) & 1) used |= (uint64_t)1 << i;
  }
  return used;
}

static int plan_scan(sqlite3_vtab *vtab, sqlite3_index_info *info) {
  struct grouped_table *table = (struct grouped_table *)vtab;
  struct spans_claims claims = {.items = sqlite3_str_new(NULL), .words = sqlite3_str_new(NULL)};
  const struct tk_reader *reader = table->spans.reader;
  double spans = 0;
  int rc;

  info->idxNum = 0;
  if ((rc = plan_arguments(table->kind, info, &claims.first_argument)) == SQLITE_OK) {
    rc = plan_constraints(table, info, &claims);
  }
  sqlite3_str *terms = sqlite3_str_new(NULL);
  info->orderByConsumed = rc == SQLITE_OK && plan_order(table, info, terms);
  bool failed = sqlite3_str_errcode(claims.items) || sqlite3_str_errcode(claims.words) ||
                sqlite3_str_errcode(terms);
  char *items = sqlite3_str_finish(claims.items), *words = sqlite3_str_finish(claims.words);
  char *order = sqlite3_str_finish(terms);
  if (rc == SQLITE_OK && !failed) {
    info->idxStr = sqlite3_mprintf(
        "%llx%s;%s%s|%s", (unsigned long long)computed_used(table->kind, info),
        info->orderByConsumed ? order : "", tk_spans_plan_final(table->spans.reader->db, info),
        items ? items : "", words ? words : "");
    info->needToFreeIdxStr = 1;
  }
  sqlite3_free(items);
  sqlite3_free(words);
  sqlite3_free(order);
  if (rc != SQLITE_OK) return rc;
  for (uint32_t i = 0; i < reader->segment_count; i++) spans += reader->segments[i].span_count;
  info->estimatedCost = 1000 + spans / 10;
  info->estimatedRows = 200;
  return info->idxStr ? SQLITE_OK : SQLITE_NOMEM;
}

/* ---- a statement ---- */

static const struct grouped_kind *kind_of(const struct grouped_cursor *cursor) {
  return ((const struct grouped_table *)cursor->scan.base.pVtab)->kind;
}

static void forget(struct grouped_cursor *cursor) {
  if (cursor->state) {
    kind_of(cursor)->end(cursor->state);
    memset(cursor->state, 0, kind_of(cursor)->state_size);
  }
  tk_spans_numbers_reset(&cursor->numbers);
  tk_arena_reset(&cursor->arena);
  sqlite3_free(cursor->order);
  cursor->order = NULL;
  sqlite3_free(cursor->samples);
  cursor->samples = NULL;
  cursor->sample_count = cursor->sample_capacity = cursor->sampled_count = 0;
  cursor->group_count = 0;
  cursor->row = cursor->row_count = 0;
  for (int i = 0; i < GROUPED_ARGUMENTS_MAX; i++) {
    sqlite3_value_free(cursor->arguments[i]);
    cursor->arguments[i] = NULL;
  }
}

static enum tk_status read_bucket(const struct grouped_kind *kind, sqlite3_value *value,
                                  int64_t *size, struct tk_error *error) {
  enum tk_status status = TK_OK;

  *size = 0;
  if (!value || sqlite3_value_type(value) == SQLITE_NULL) return TK_OK;
  if (sqlite3_value_type(value) == SQLITE_TEXT) {
    struct tk_text text = {(const char *)sqlite3_value_text(value), 0};
    if (!text.data) return tk_nomem(error);
    text.size = (uint32_t)sqlite3_value_bytes(value);
    status = tk_duration_parse(text, size, error);
  } else {
    *size = sqlite3_value_int64(value);
  }
  if (status != TK_OK || *size > 0) return status;
  return tk_fail(error, TK_INVALID, "%s: bucket: expected a duration such as '1m', or nanoseconds",
                 kind->name);
}

static enum tk_status take_arguments(struct grouped_cursor *cursor, int given,
                                     sqlite3_value **values, int *count, struct tk_error *error) {
  const struct grouped_table *table = (const struct grouped_table *)cursor->scan.base.pVtab;
  struct grouping grouping = {.count = 0};
  int64_t bucket = 0;
  enum tk_status status = TK_OK;

  *count = 0;
  for (int i = 0; i < table->kind->argument_count; i++) {
    if (!(given >> i & 1)) continue;
    cursor->arguments[i] = sqlite3_value_dup(values[(*count)++]);
    if (!cursor->arguments[i]) return tk_nomem(error);
  }
  if (cursor->arguments[0] && sqlite3_value_type(cursor->arguments[0]) != SQLITE_NULL) {
    const char *text = (const char *)sqlite3_value_text(cursor->arguments[0]);
    status = text ? parse_grouping(table, text, &grouping, error) : tk_nomem(error);
  }
  if (status == TK_OK) {
    status =
        read_bucket(table->kind, cursor->arguments[table->kind->bucket_argument], &bucket, error);
  }
  for (uint32_t i = 0; i < grouping.count && status == TK_OK; i++) {
    tk_spans_numbers_add(&cursor->numbers, grouping.columns[i], 0);
  }
  cursor->bucket_level = UINT32_MAX;
  if (status == TK_OK && bucket > 0) {
    cursor->bucket_level = cursor->numbers.column_count;
    tk_spans_numbers_add(&cursor->numbers, UINT32_MAX, bucket);
  }
  return status;
}

static bool is_numbered(const struct grouped_cursor *cursor, uint32_t column, uint32_t *level) {
  for (*level = 0; *level < cursor->numbers.column_count; ++*level) {
    if (cursor->numbers.columns[*level].column == column) return true;
  }
  return false;
}

static int find_sampled(const struct grouped_cursor *cursor, uint32_t column) {
  for (uint32_t i = 0; i < cursor->sampled_count; i++) {
    if (cursor->sampled[i] == column) return (int)i;
  }
  return -1;
}

static void choose_sampled(struct grouped_cursor *cursor) {
  const struct spans_plan *plan = &cursor->scan.plan;
  uint32_t level;
  for (uint32_t i = 0; i < plan->constraint_count; i++) {
    uint32_t column = plan->constraints[i].column;
    if (is_numbered(cursor, column, &level) || find_sampled(cursor, column) >= 0) continue;
    cursor->sampled[cursor->sampled_count++] = column;
  }
}

/* ---- rows into groups ---- */

static enum tk_status sample_row(struct grouped_cursor *cursor, struct spans_segment *segment,
                                 uint32_t row, struct tk_error *error) {
  uint32_t group = cursor->sample_count;
  size_t size = cursor->sampled_count * sizeof *cursor->samples;

  if (!tk_grow_zeroed(&cursor->samples, &cursor->sample_capacity, group + 1, size)) {
    return tk_nomem(error);
  }
  for (uint32_t i = 0; i < cursor->sampled_count; i++) {
    struct tk_sql_value *value = &cursor->samples[(size_t)group * cursor->sampled_count + i];
    struct spans_binding *binding;
    enum tk_status status = tk_spans_bind(segment, cursor->sampled[i], &binding, error);
    if (status == TK_OK && (row < binding->ready_begin || row >= binding->ready_end)) {
      status = tk_spans_prepare(segment, binding, row, error);
    }
    value->type = TK_SQL_NULL;
    if (status == TK_OK) {
      status = tk_spans_value(segment, binding, row, &cursor->scan.scratch, value, error);
    }
    if (status != TK_OK) return status;
    if (value->type != TK_SQL_TEXT && value->type != TK_SQL_BLOB) continue;
    char *copy = tk_arena_alloc_bytes(&cursor->arena, value->as.text.size);
    if (!copy) return tk_nomem(error);
    if (value->as.text.size > 0) memcpy(copy, value->as.text.data, value->as.text.size);
    value->as.text.data = copy;
  }
  cursor->sample_count++;
  return TK_OK;
}

/* What the rows of the batch have in an integer column. */
static enum tk_status read_column(struct spans_segment *segment, uint32_t column,
                                  const struct grouped_batch *batch, int64_t *values,
                                  struct tk_error *error) {
  static const struct tk_ints zeros = {0};
  const uint32_t row = batch->rows[0];
  struct spans_binding *binding;
  enum tk_status status = tk_spans_bind(segment, column, &binding, error);
  if (status == TK_OK && (row < binding->ready_begin || row >= binding->ready_end)) {
    status = tk_spans_prepare(segment, binding, row, error);
  }
  if (status != TK_OK) return status;
  tk_ints_gather(binding->data ? binding->data->ints : zeros, batch->rows, batch->count, values);
  return TK_OK;
}

static bool is_read(const struct grouped_cursor *cursor, uint64_t readers) {
  return cursor->computed_used & readers;
}

static enum tk_status add_batch(struct grouped_cursor *cursor, struct grouped_batch *batch,
                                uint32_t *groups, struct tk_error *error) {
  struct spans_segment *segment = batch->opened->segment;
  const struct grouped_kind *kind = kind_of(cursor);
  enum tk_status status = TK_OK;

  if (is_read(cursor, kind->duration_readers)) {
    status = read_column(segment, SPANS_duration_ns, batch, batch->durations, error);
  }
  if (status == TK_OK && is_read(cursor, kind->status_readers)) {
    status = read_column(segment, SPANS_status, batch, batch->statuses, error);
  }
  if (status == TK_OK) {
    status = tk_spans_numbers_batch(&cursor->numbers, segment, batch->rows, batch->count,
                                    &cursor->scan.scratch, groups, error);
  }
  if (status != TK_OK) return status;
  cursor->group_count =
      cursor->numbers.column_count > 0 ? tk_spans_numbers_count(&cursor->numbers) : 1;
  /* Groups are numbered in the order they come. */
  for (uint32_t i = 0; cursor->sample_count < cursor->group_count && cursor->sampled_count > 0;
       i++) {
    if (groups[i] != cursor->sample_count) continue;
    if ((status = sample_row(cursor, segment, batch->rows[i], error)) != TK_OK) return status;
  }
  return kind->add(cursor, cursor->state, batch, error);
}

/* Sets *done to the segment, unless none of its rows can match, and sees that it stays open. */
static enum tk_status add_job(struct grouped_cursor *cursor, const struct spans_range *job,
                              struct spans_opened **done, struct tk_error *error) {
  uint32_t groups[SPANS_BATCH_ROWS];
  struct grouped_batch batch = {.rows = cursor->scan.batch, .groups = groups};
  enum tk_status status = tk_spans_cursor_open(&cursor->scan, job, &batch.opened, error);

  if (status != TK_OK || !batch.opened->possible) return status;
  if (*done) (*done)->pins--;
  *done = batch.opened;
  (*done)->pins++;
  tk_spans_ahead_await(&cursor->scan.ahead, batch.opened);
  tk_spans_numbers_enter_segment(&cursor->numbers);
  uint32_t rows = batch.opened->segment->segment->summary.span_count, row = job->first;
  uint32_t end = job->count < rows - row ? row + job->count : rows;
  while (row < end && status == TK_OK) {
    status =
        tk_spans_cursor_batch(batch.opened, &row, end, cursor->scan.batch, &batch.count, error);
    if (status == TK_OK && batch.count > 0) status = add_batch(cursor, &batch, groups, error);
  }
  return status;
}

/* Puts rows into the order that the plan promised; `text` are its terms. */
static enum tk_status sort_rows(struct grouped_cursor *cursor, const char *text,
                                struct tk_error *error) {
  const struct grouped_kind *kind = kind_of(cursor);
  struct grouped_order_term terms[SPANS_NUMBERED_MAX];
  uint32_t count = 0, index;

  while ((*text == '+' || *text == '-') && count < SPANS_NUMBERED_MAX) {
    struct grouped_order_term *term = &terms[count];
    char *end;
    *term = (struct grouped_order_term){cursor->bucket_level, *text == '-'};
    const long column = strtol(text + 1, &end, 10);
    text = end;
    if (part_of(kind, (int)column, &index) == PART_SPANS) {
      if (!is_numbered(cursor, index, &term->level)) {
        return tk_fail(error, TK_INVALID, "%s: a plan that was not made here", kind->name);
      }
    }
    if (term->level != UINT32_MAX) count++; /* without buckets they are all NULL */
  }
  if (count == 0) return TK_OK;
  return tk_grouped_order_sort(&cursor->numbers, terms, count, kind->group_of_row, cursor->state,
                               cursor->row_count, &cursor->order, error);
}

static enum tk_status run(struct grouped_cursor *cursor, int given, const char *plan_text,
                          sqlite3_value **values, struct tk_error *error) {
  const struct grouped_kind *kind = kind_of(cursor);
  const char *plan = plan_text ? strchr(plan_text, ';') : NULL;
  struct spans_opened *done = NULL;
  enum tk_status status;
  int argument_count;
  char *order;

  if (!plan) return tk_fail(error, TK_INVALID, "%s: a plan that was not made here", kind->name);
  cursor->computed_used = strtoull(plan_text, &order, 16);
  if (!cursor->state) {
    if ((cursor->state = sqlite3_malloc64(kind->state_size)) == NULL) return tk_nomem(error);
    memset(cursor->state, 0, kind->state_size);
  }
  status = take_arguments(cursor, given, values, &argument_count, error);
  if (status != TK_OK) return status;
  status = tk_spans_cursor_start(&cursor->scan, plan + 1, values + argument_count, error);
  if (status != TK_OK) return status;
  choose_sampled(cursor);
  status = kind->begin(cursor, cursor->state, error);
  for (uint32_t i = 0; i < cursor->scan.job_count && status == TK_OK; i++) {
    tk_spans_ahead_run(&cursor->scan, i, done);
    status = add_job(cursor, &cursor->scan.jobs[i], &done, error);
  }
  if (done) done->pins--;
  tk_spans_ahead_end(&cursor->scan.ahead);
  if (status == TK_OK) status = kind->finish(cursor, cursor->state, error);
  return status == TK_OK ? sort_rows(cursor, order, error) : status;
}

/* ---- the cursor ---- */

static int open_cursor(sqlite3_vtab *vtab, sqlite3_vtab_cursor **cursor_out) {
  struct grouped_cursor *cursor = sqlite3_malloc64(sizeof *cursor);
  (void)vtab;
  if (!cursor) return SQLITE_NOMEM;
  memset(cursor, 0, sizeof *cursor);
  *cursor_out = &cursor->scan.base;
  return SQLITE_OK;
}

static int close_cursor(sqlite3_vtab_cursor *base) {
  struct grouped_cursor *cursor = (struct grouped_cursor *)base;
  forget(cursor);
  sqlite3_free(cursor->state);
  tk_spans_cursor_reset(&cursor->scan);
  sqlite3_free(cursor);
  return SQLITE_OK;
}

static int filter_rows(sqlite3_vtab_cursor *base, int plan_number, const char *plan_text, int argc,
                       sqlite3_value **argv) {
  struct grouped_cursor *cursor = (struct grouped_cursor *)base;
  struct tk_error error = {{0}};
  (void)argc;
  forget(cursor);
  enum tk_status status = run(cursor, plan_number, plan_text, argv, &error);
  if (status != TK_OK) cursor->row_count = 0;
  return tk_vtab_fail(base->pVtab, status, &error);
}

static int next_row(sqlite3_vtab_cursor *base) {
  ((struct grouped_cursor *)base)->row++;
  return SQLITE_OK;
}

static int at_end(sqlite3_vtab_cursor *base) {
  const struct grouped_cursor *cursor = (const struct grouped_cursor *)base;
  return cursor->row >= cursor->row_count;
}

static void give_spans_column(const struct grouped_cursor *cursor, sqlite3_context *context,
                              uint32_t column, uint32_t group) {
  uint32_t values[SPANS_NUMBERED_MAX], level;
  int sampled = find_sampled(cursor, column);

  if (is_numbered(cursor, column, &level)) {
    tk_spans_numbers_of_group(&cursor->numbers, group, values);
    tk_result_sql_value(context, &cursor->numbers.columns[level].values[values[level]]);
  } else if (sampled >= 0) {
    tk_result_sql_value(
        context, &cursor->samples[(size_t)group * cursor->sampled_count + (uint32_t)sampled]);
  }
}

static int give_value(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
  const struct grouped_cursor *cursor = (const struct grouped_cursor *)base;
  const struct grouped_kind *kind = kind_of(cursor);
  const uint64_t row = cursor->order ? cursor->order[cursor->row] : cursor->row;
  uint32_t index, values[SPANS_NUMBERED_MAX];
  enum part part = part_of(kind, column, &index);

  if (part == PART_ARGUMENT) {
    if (cursor->arguments[index]) sqlite3_result_value(context, cursor->arguments[index]);
    return SQLITE_OK;
  }
  if (part == PART_COMPUTED && index > 0) {
    kind->give(context, cursor, cursor->state, row, (int)index);
    return SQLITE_OK;
  }
  uint32_t group = kind->group_of_row(cursor->state, row);
  if (part == PART_SPANS) {
    give_spans_column(cursor, context, index, group);
  } else if (cursor->bucket_level != UINT32_MAX) {
    tk_spans_numbers_of_group(&cursor->numbers, group, values);
    tk_result_sql_value(
        context,
        &cursor->numbers.columns[cursor->bucket_level].values[values[cursor->bucket_level]]);
  }
  return SQLITE_OK;
}

static int give_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid) {
  *rowid = (sqlite3_int64)((const struct grouped_cursor *)base)->row + 1;
  return SQLITE_OK;
}

int tk_register_grouped_table(sqlite3 *db, const struct grouped_kind *kind) {
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
  /* SQLite hands the pointer back as it is; nobody writes through it. */
  union {
    const struct grouped_kind *given;
    void *wanted;
  } context = {kind};
  return sqlite3_create_module_v2(db, kind->module, &module, context.wanted, NULL);
}
