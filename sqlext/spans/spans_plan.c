/* SPDX-License-Identifier: MIT
 * xBestIndex of `spans`.
 *
 * idxStr is a list of items, then `|` and the same for people (EXPLAIN QUERY PLAN shows it):
 *     <column><op>   a constraint, its value is the next argv; column -1 is the rowid; op is a
 * letter of op_letters o+ o-          by start_ns, ascending or descending g<column>+     grouped
 * by this column (- descending); further g items are minor columns d              one row of each
 * group is enough
 *
 * Every constraint that helps is claimed. `omit` is set only where the comparison made here is
 * exactly SQLite's whatever the right-hand side turns out to be:
 *   INTEGER columns        always: numeric affinity is applied to the other side in any case
 *   IS NULL, IS NOT NULL   always
 *   TEXT, attribute columns  BINARY collation and a constant text on the other side. A number there
 *                          may be a literal (a text '5' is not 5) or come from a numeric column (it
 *                          is): such texts pass here and are compared again by SQLite
 * LIKE and GLOB can be redefined by the program, ids are case-insensitive: SQLite compares again.
 * For tables that only have the spans to filter, and nothing for SQLite to compare again, the item
 * `x` makes all these comparisons as with a value that has no affinity of its own, and `c` makes
 * LIKE distinguish letters by case.
 * LIMIT and OFFSET are left to SQLite: scans are lazy, rows beyond the limit are never looked at.
 */
#include "sqlext/spans/spans_plan.h"

#include <stdlib.h>
#include <string.h>

static const char op_letters[] = {
    [TK_PREDICATE_EQ] = '=',          [TK_PREDICATE_NE] = '!',     [TK_PREDICATE_LT] = '<',
    [TK_PREDICATE_LE] = 'l',          [TK_PREDICATE_GT] = '>',     [TK_PREDICATE_GE] = 'm',
    [TK_PREDICATE_IS] = 's',          [TK_PREDICATE_IS_NOT] = 't', [TK_PREDICATE_IS_NULL] = 'n',
    [TK_PREDICATE_IS_NOT_NULL] = 'v', [TK_PREDICATE_IN] = 'i',     [TK_PREDICATE_LIKE] = 'k',
    [TK_PREDICATE_GLOB] = 'b'};

static const char *const op_words[] = {[TK_PREDICATE_EQ] = "=?",
                                       [TK_PREDICATE_NE] = "<>?",
                                       [TK_PREDICATE_LT] = "<?",
                                       [TK_PREDICATE_LE] = "<=?",
                                       [TK_PREDICATE_GT] = ">?",
                                       [TK_PREDICATE_GE] = ">=?",
                                       [TK_PREDICATE_IS] = " IS ?",
                                       [TK_PREDICATE_IS_NOT] = " IS NOT ?",
                                       [TK_PREDICATE_IS_NULL] = " IS NULL",
                                       [TK_PREDICATE_IS_NOT_NULL] = " IS NOT NULL",
                                       [TK_PREDICATE_IN] = " IN ?",
                                       [TK_PREDICATE_LIKE] = " LIKE ?",
                                       [TK_PREDICATE_GLOB] = " GLOB ?"};

/* How much of the rows a constraint leaves, for want of better knowledge. */
static const double op_selectivity[] = {
    [TK_PREDICATE_EQ] = 0.05,         [TK_PREDICATE_NE] = 0.9,     [TK_PREDICATE_LT] = 0.4,
    [TK_PREDICATE_LE] = 0.4,          [TK_PREDICATE_GT] = 0.4,     [TK_PREDICATE_GE] = 0.4,
    [TK_PREDICATE_IS] = 0.05,         [TK_PREDICATE_IS_NOT] = 0.9, [TK_PREDICATE_IS_NULL] = 0.4,
    [TK_PREDICATE_IS_NOT_NULL] = 0.6, [TK_PREDICATE_IN] = 0.15,    [TK_PREDICATE_LIKE] = 0.2,
    [TK_PREDICATE_GLOB] = 0.2};

/* Grouping keeps 20 bytes for each row, and all segments open that have any: beyond these limits
 * SQLite's sorter is left to do it, which can use a file. */
#define GROUPED_SPANS_MAX 16e6     /* spans of the store */
#define GROUPED_ESTIMATE_MAX 0.5e6 /* or of the answer, which is not much more than a guess */

/* ---- constraints ---- */

static bool op_of(sqlite3_index_info *info, int i, enum tk_predicate_op *op) {
  switch (info->aConstraint[i].op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
      *op = sqlite3_vtab_in(info, i, -1) ? TK_PREDICATE_IN : TK_PREDICATE_EQ;
      return true;
    case SQLITE_INDEX_CONSTRAINT_NE:
      *op = TK_PREDICATE_NE;
      return true;
    case SQLITE_INDEX_CONSTRAINT_LT:
      *op = TK_PREDICATE_LT;
      return true;
    case SQLITE_INDEX_CONSTRAINT_LE:
      *op = TK_PREDICATE_LE;
      return true;
    case SQLITE_INDEX_CONSTRAINT_GT:
      *op = TK_PREDICATE_GT;
      return true;
    case SQLITE_INDEX_CONSTRAINT_GE:
      *op = TK_PREDICATE_GE;
      return true;
    case SQLITE_INDEX_CONSTRAINT_IS:
      *op = TK_PREDICATE_IS;
      return true;
    case SQLITE_INDEX_CONSTRAINT_ISNOT:
      *op = TK_PREDICATE_IS_NOT;
      return true;
    case SQLITE_INDEX_CONSTRAINT_ISNULL:
      *op = TK_PREDICATE_IS_NULL;
      return true;
    case SQLITE_INDEX_CONSTRAINT_ISNOTNULL:
      *op = TK_PREDICATE_IS_NOT_NULL;
      return true;
    case SQLITE_INDEX_CONSTRAINT_LIKE:
      *op = TK_PREDICATE_LIKE;
      return true;
    case SQLITE_INDEX_CONSTRAINT_GLOB:
      *op = TK_PREDICATE_GLOB;
      return true;
    default:
      return false;
  }
}

static bool is_equality(enum tk_predicate_op op) {
  return op == TK_PREDICATE_EQ || op == TK_PREDICATE_IN || op == TK_PREDICATE_IS;
}

static bool is_null_test(enum tk_predicate_op op) {
  return op == TK_PREDICATE_IS_NULL || op == TK_PREDICATE_IS_NOT_NULL;
}

static bool collation_is(sqlite3_index_info *info, int i, const char *name) {
  const char *collation = sqlite3_vtab_collation(info, i);
  return collation && sqlite3_stricmp(collation, name) == 0;
}

static bool is_constant_text(sqlite3_index_info *info, int i) {
  sqlite3_value *value = NULL;
  return sqlite3_vtab_rhs_value(info, i, &value) == SQLITE_OK && value &&
         sqlite3_value_type(value) == SQLITE_TEXT;
}

static bool is_id(enum spans_source source) {
  return source == SOURCE_TRACE_ID || source == SOURCE_SPAN_ID || source == SOURCE_PARENT_ID;
}

/* Columns whose value is made at some cost. */
static bool is_unsearchable(enum spans_source source) {
  return source == SOURCE_ATTRIBUTES_JSON || source == SOURCE_EVENTS_JSON ||
         source == SOURCE_LINKS_JSON || source == SOURCE_ADJUSTED_COUNT ||
         source == SOURCE_ADJUSTED_SOURCE;
}

/* Whether to claim constraint `i`, and whether SQLite may leave its own comparison out. */
static bool claims(sqlite3_index_info *info, int i, const struct spans_column *column,
                   enum tk_predicate_op op, bool *omit) {
  bool binary = collation_is(info, i, "BINARY");

  *omit = is_null_test(op);
  if (is_unsearchable(column->source)) return false;
  if (is_id(column->source)) {
    if (column->source == SOURCE_PARENT_ID && is_null_test(op)) return true;
    return is_equality(op) && (binary || collation_is(info, i, "NOCASE"));
  }
  if (is_null_test(op)) return true;
  if (op == TK_PREDICATE_LIKE || op == TK_PREDICATE_GLOB) {
    return column->affinity != AFFINITY_INTEGER;
  }
  if (column->affinity == AFFINITY_INTEGER) {
    *omit = true;
    return binary || column->source != SOURCE_RESOLVED; /* http_status can be a text */
  }
  *omit = op != TK_PREDICATE_IN && is_constant_text(info, i);
  return binary;
}

/* ---- estimates ---- */

struct estimate {
  double rows; /* that constraints leave of each 1 in the time asked for */
  bool by_trace, by_many_traces, by_span, by_rowid;
  int64_t start_low, start_high; /* as far as the statement spells it out */
};

/* Takes a limit of start_ns whose value is known into the estimate. */
static bool take_start_limit(sqlite3_index_info *info, int i, enum tk_predicate_op op,
                             struct estimate *estimate) {
  sqlite3_value *value = NULL;

  if (sqlite3_vtab_rhs_value(info, i, &value) != SQLITE_OK || !value ||
      sqlite3_value_type(value) != SQLITE_INTEGER) {
    return false;
  }
  int64_t limit = sqlite3_value_int64(value);
  bool is_low = op == TK_PREDICATE_GT || op == TK_PREDICATE_GE || op == TK_PREDICATE_EQ;
  bool is_high = op == TK_PREDICATE_LT || op == TK_PREDICATE_LE || op == TK_PREDICATE_EQ;
  if (is_low && limit > estimate->start_low) estimate->start_low = limit;
  if (is_high && limit < estimate->start_high) estimate->start_high = limit;
  return is_low || is_high;
}

/* Spans in the time asked for, if they are spread evenly over the time of their segment. */
static double spans_in_time(const struct estimate *estimate,
                            const struct spans_statistics *statistics) {
  double spans = 0, low = (double)estimate->start_low, high = (double)estimate->start_high;

  for (uint32_t i = 0; i < statistics->segment_count; i++) {
    const struct tk_segment_summary *segment = &statistics->segments[i];
    double from = (double)segment->start_min, to = (double)segment->start_max + 1;
    double inside = (to < high ? to : high) - (from > low ? from : low);
    if (inside < 0) continue;
    spans += segment->span_count * (inside < to - from ? (inside + 1) / (to - from + 1) : 1);
  }
  return spans;
}

static void count_constraint(struct estimate *estimate, const struct spans_column *column,
                             enum tk_predicate_op op) {
  if (column && column->source == SOURCE_TRACE_ID && is_equality(op)) {
    estimate->by_trace = true;
    estimate->by_many_traces = op == TK_PREDICATE_IN;
  } else if (column && column->source == SOURCE_SPAN_ID && is_equality(op)) {
    estimate->by_span = true;
  } else if (!column) {
    estimate->by_rowid = true;
  } else {
    estimate->rows *= op_selectivity[op];
  }
}

static void finish_estimate(sqlite3_index_info *info, struct estimate *estimate,
                            const struct spans_statistics *statistics, uint32_t constraint_count) {
  double share = estimate->rows, scanned = spans_in_time(estimate, statistics), cost;
  double segments = statistics->segment_count;

  estimate->rows = share * scanned;
  if (estimate->by_rowid) {
    estimate->rows = 1;
    cost = 10;
    info->idxFlags |= SQLITE_INDEX_SCAN_UNIQUE;
  } else if (estimate->by_trace) {
    double traces = estimate->by_many_traces ? 25 : 1;
    double rows = traces * statistics->spans / (statistics->traces > 0 ? statistics->traces : 1);
    cost = 20 * traces + segments / 10 + rows;
    estimate->rows = estimate->by_span ? traces : rows * share;
  } else {
    if (estimate->by_span) estimate->rows = estimate->rows > 25 ? 25 : estimate->rows;
    cost = segments * 50 + scanned * (0.02 + 0.02 * constraint_count) + estimate->rows;
  }
  if (estimate->rows < 1) estimate->rows = 1;
  info->estimatedRows = (sqlite3_int64)estimate->rows;
  info->estimatedCost = cost + 10;
}

/* ---- order ---- */

static bool is_groupable(enum spans_source source) {
  switch ((int)source) {
    case SOURCE_TRACE_ID:
    case SOURCE_SPAN_ID:
    case SOURCE_PARENT_ID:
    case SOURCE_START:
    case SOURCE_END:
    case SOURCE_STARTED_AT:
    case SOURCE_SELF_TIME:
    case SOURCE_ATTRIBUTES_JSON:
    case SOURCE_EVENTS_JSON:
    case SOURCE_LINKS_JSON:
      return false;
    default:
      return true;
  }
}

static bool takes_start_order(const sqlite3_index_info *info, const struct spans_columns *columns) {
  if (info->nOrderBy != 1 || info->aOrderBy[0].iColumn < 0) return false;
  enum spans_source source = columns->items[info->aOrderBy[0].iColumn].source;
  return source == SOURCE_START || source == SOURCE_STARTED_AT;
}

static bool takes_grouped_order(const sqlite3_index_info *info,
                                const struct spans_columns *columns) {
  if (info->nOrderBy == 0 || info->nOrderBy > SPANS_GROUPED_MAX) return false;
  for (int i = 0; i < info->nOrderBy; i++) {
    int column = info->aOrderBy[i].iColumn;
    if (column < 0 || column == SPANS_duration_ns) return false;
    if (!is_groupable(columns->items[column].source)) return false;
  }
  return true;
}

/* Whether rows that are equal in the ORDER BY columns differ in nothing the query looks at. */
static bool needs_one_of_each(sqlite3_index_info *info) {
  sqlite3_uint64 ordered = 0;

  if (sqlite3_vtab_distinct(info) < 2) return false;
  for (int i = 0; i < info->nOrderBy; i++) {
    if (info->aOrderBy[i].iColumn < 63) ordered |= (sqlite3_uint64)1 << info->aOrderBy[i].iColumn;
  }
  return (info->colUsed & ~ordered) == 0;
}

static void plan_order(sqlite3_index_info *info, const struct spans_columns *columns, double spans,
                       double rows, sqlite3_str *items, sqlite3_str *words) {
  if (takes_start_order(info, columns)) {
    bool descending = info->aOrderBy[0].desc;
    bool is_text = info->aOrderBy[0].iColumn == SPANS_started_at;
    sqlite3_str_appendf(items, "%c%c", is_text ? 'u' : 'o', descending ? '-' : '+');
    sqlite3_str_appendf(words, " in order of start_ns%s", descending ? " descending" : "");
    info->orderByConsumed = 1;
    return;
  }
  if (spans > GROUPED_SPANS_MAX && rows > GROUPED_ESTIMATE_MAX) return;
  if (info->nOrderBy == 1 && info->aOrderBy[0].iColumn == SPANS_trace_id) {
    sqlite3_str_appendall(items, info->aOrderBy[0].desc ? "t-" : "t+");
    sqlite3_str_appendall(words, " grouped by trace_id");
    if (needs_one_of_each(info)) sqlite3_str_appendall(items, "d");
    info->orderByConsumed = 1;
  } else if (takes_grouped_order(info, columns)) {
    for (int i = 0; i < info->nOrderBy; i++) {
      int column = info->aOrderBy[i].iColumn;
      sqlite3_str_appendf(items, "g%d%c", column, info->aOrderBy[i].desc ? '-' : '+');
      sqlite3_str_appendf(words, "%s%s", i ? ", " : " grouped by ", columns->items[column].name);
    }
    if (needs_one_of_each(info)) sqlite3_str_appendall(items, "d");
    info->orderByConsumed = 1;
  }
}

/* ---- writing and reading ---- */

bool tk_spans_plan_claim(sqlite3_index_info *info, int i, const struct spans_columns *columns,
                         uint32_t index, struct spans_claims *taken) {
  const struct spans_column *column = index == SPANS_ROWID ? NULL : &columns->items[index];
  enum tk_predicate_op op;
  bool omit = false;

  if (taken->count == SPANS_CONSTRAINTS_MAX) return false;
  if (!info->aConstraint[i].usable || !op_of(info, i, &op)) return false;
  if (column ? !claims(info, i, column, op, &omit) : !is_equality(op)) return false;
  if (op == TK_PREDICATE_IN) sqlite3_vtab_in(info, i, 1);
  taken->op = op;
  info->aConstraintUsage[i].argvIndex = (int)(taken->first_argument + ++taken->count);
  info->aConstraintUsage[i].omit = column && omit;
  sqlite3_str_appendf(taken->items, "%d%c%s", column ? (int)index : -1, op_letters[op],
                      is_constant_text(info, i) ? "'" : "");
  sqlite3_str_appendf(taken->words, " %s%s%s", taken->prefix ? taken->prefix : "",
                      column ? column->name : "rowid", op_words[op]);
  return true;
}

/* The pragma replaces the function, and makes all statements be planned anew. */
static bool like_has_case(sqlite3 *db) {
  sqlite3_stmt *statement = NULL;
  bool has_case = false;
  if (sqlite3_prepare_v2(db, "SELECT 'a' LIKE 'A'", -1, &statement, NULL) == SQLITE_OK) {
    has_case = sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_int(statement, 0) == 0;
  }
  sqlite3_finalize(statement);
  return has_case;
}

const char *tk_spans_plan_final(sqlite3 *db, const sqlite3_index_info *info) {
  for (int i = 0; i < info->nConstraint; i++) {
    if (info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_LIKE) continue;
    return like_has_case(db) ? "xc" : "x";
  }
  return "x";
}

int tk_spans_plan(sqlite3_index_info *info, const struct spans_columns *columns,
                  const struct spans_statistics *statistics) {
  struct estimate estimate = {.rows = 1, .start_low = INT64_MIN, .start_high = INT64_MAX};
  sqlite3_str *items = sqlite3_str_new(NULL), *words = sqlite3_str_new(NULL);
  struct spans_claims claims = {.items = items, .words = words};

  for (int i = 0; i < info->nConstraint; i++) {
    int index = info->aConstraint[i].iColumn;
    uint32_t column = index < 0 ? SPANS_ROWID : (uint32_t)index;
    if (!tk_spans_plan_claim(info, i, columns, column, &claims)) continue;
    if (index == SPANS_start_ns && take_start_limit(info, i, claims.op, &estimate)) continue;
    count_constraint(&estimate, index < 0 ? NULL : &columns->items[index], claims.op);
  }
  finish_estimate(info, &estimate, statistics, claims.count);
  plan_order(info, columns, statistics->spans, estimate.rows, items, words);
  bool failed = sqlite3_str_errcode(items) || sqlite3_str_errcode(words);
  char *item_text = sqlite3_str_finish(items), *word_text = sqlite3_str_finish(words);
  if (!failed) { /* of nothing appended sqlite3_str_finish makes NULL, too */
    info->idxStr = sqlite3_mprintf("%s|%s", item_text ? item_text : "", word_text ? word_text : "");
  }
  info->needToFreeIdxStr = 1;
  sqlite3_free(item_text);
  sqlite3_free(word_text);
  return info->idxStr ? SQLITE_OK : SQLITE_NOMEM;
}

static bool parse_column(const char **at, uint32_t column_count, uint32_t *column) {
  char *end;
  long number = strtol(*at, &end, 10);
  if (end == *at || number < -1 || number >= (long)column_count) return false;
  *at = end;
  *column = number < 0 ? SPANS_ROWID : (uint32_t)number;
  return true;
}

static bool parse_constraint(const char **at, uint32_t column_count, struct spans_plan *plan) {
  struct spans_constraint *constraint = &plan->constraints[plan->constraint_count];
  if (plan->constraint_count == SPANS_CONSTRAINTS_MAX) return false;
  if (!parse_column(at, column_count, &constraint->column)) return false;
  const char *letter = memchr(op_letters, **at, sizeof op_letters);
  if (!letter) return false;
  constraint->op = (enum tk_predicate_op)(letter - op_letters);
  plan->constraint_count++;
  (*at)++;
  constraint->is_constant = **at == '\'';
  if (constraint->is_constant) (*at)++;
  return true;
}

static bool parse_grouped(const char **at, uint32_t column_count, struct spans_plan *plan) {
  struct spans_grouped *grouped = &plan->grouped[plan->grouped_count];
  if (plan->grouped_count == SPANS_GROUPED_MAX) return false;
  if (!parse_column(at, column_count, &grouped->column) || grouped->column == SPANS_ROWID) {
    return false;
  }
  grouped->descending = **at == '-';
  plan->grouped_count++;
  plan->order = ORDER_GROUPED;
  (*at)++;
  return true;
}

bool tk_spans_plan_parse(const char *text, uint32_t column_count, struct spans_plan *plan) {
  *plan = (struct spans_plan){.order = ORDER_STORED};
  while (text && *text && *text != '|') {
    if (*text == 'o' || *text == 'u') {
      plan->order = ORDER_START;
      plan->by_unsigned_start = *text == 'u';
      plan->descending = text[1] == '-';
      text += 2;
    } else if (*text == 't') {
      plan->order = ORDER_TRACES;
      plan->descending = text[1] == '-';
      text += 2;
    } else if (*text == 'g') {
      text++;
      if (!parse_grouped(&text, column_count, plan)) return false;
    } else if (*text == 'd') {
      plan->distinct = true;
      text++;
    } else if (*text == 'x') {
      plan->is_final = true;
      text++;
    } else if (*text == 'c') {
      plan->like_has_case = true;
      text++;
    } else if (!parse_constraint(&text, column_count, plan)) {
      return false;
    }
  }
  return text && *text == '|';
}
