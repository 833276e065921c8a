/* What xBestIndex tells xFilter about a scan of `spans`. */
#ifndef TK_SQLEXT_SPANS_PLAN_H
#define TK_SQLEXT_SPANS_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "sqlext/spans/spans_columns.h"
#include "store/predicate.h"

#define SPANS_ROWID UINT32_MAX /* as a column */
#define SPANS_CONSTRAINTS_MAX 32
#define SPANS_GROUPED_MAX 8

struct spans_constraint {
  uint32_t column;
  enum tk_predicate_op op;
  bool is_constant; /* compared with a text that the statement spells out */
};

enum spans_order {
  ORDER_STORED, /* segments by start, rows as they are */
  ORDER_START,  /* by start_ns, or started_at */
  ORDER_TRACES, /* by trace_id */
  ORDER_GROUPED /* by the values of grouped columns */
};

struct spans_grouped {
  uint32_t column;
  bool descending;
};

/** argv[i] of xFilter belongs to constraints[i]. */
struct spans_plan {
  struct spans_constraint constraints[SPANS_CONSTRAINTS_MAX];
  struct spans_grouped grouped[SPANS_GROUPED_MAX];
  uint32_t constraint_count, grouped_count;
  enum spans_order order;
  bool descending;        /* ORDER_START, ORDER_TRACES */
  bool by_unsigned_start; /* ORDER_START */
  bool distinct;          /* ORDER_GROUPED, ORDER_TRACES: one row of each group is enough */
  bool is_final;          /* item `x`: SQLite does not compare again, see spans_plan.c */
  bool like_has_case;     /* item `c`: and LIKE distinguishes letters by case */
};

/** What the store holds, for estimates. */
struct spans_statistics {
  double spans, traces;
  const struct tk_segment_summary *segments;
  uint32_t segment_count;
};

/** Constraints claimed so far: their items and words, and where their arguments begin. */
struct spans_claims {
  sqlite3_str *items, *words;
  const char *prefix; /* of the column names in `words`; may be NULL */
  uint32_t first_argument, count;
  enum tk_predicate_op op; /* of the one claimed last */
};

/** Claims constraint `i` of `info`, which is on this column of `spans`. False: it is left alone. */
bool tk_spans_plan_claim(sqlite3_index_info *info, int i, const struct spans_columns *columns,
                         uint32_t index, struct spans_claims *taken);

/** The items of a table that has nothing for SQLite to compare again: `x`, and `c` if there is a
 * LIKE and PRAGMA case_sensitive_like is on. */
const char *tk_spans_plan_final(sqlite3 *db, const sqlite3_index_info *info);

/** Fills `info`. An SQLite result code. */
int tk_spans_plan(sqlite3_index_info *info, const struct spans_columns *columns,
                  const struct spans_statistics *statistics);

/** Reads what tk_spans_plan wrote into idxStr; false if it is not that. */
bool tk_spans_plan_parse(const char *text, uint32_t column_count, struct spans_plan *plan);

#endif
