/* Constraints as SQLite means them, evaluated on stored values: on arrays of integers, on single
 * values (such as dictionary entries, once each), and on the limits of a zone map.
 *
 * Comparison is SQLite's with BINARY collation: NULL compares with nothing, numbers sort before
 * texts, texts before blobs; an integer and a real compare exactly. Affinity is the caller's
 * business, with one exception: see `loose`. */
#ifndef TK_STORE_PREDICATE_H
#define TK_STORE_PREDICATE_H

#include <stdbool.h>
#include <stdint.h>

#include "store/sqlite_api.h"
#include "tracekeep/span.h"
#include "tracekeep/status.h"

enum tk_sql_type { TK_SQL_NULL, TK_SQL_INT, TK_SQL_REAL, TK_SQL_TEXT, TK_SQL_BLOB };

/** A borrowed SQL value. */
struct tk_sql_value {
  enum tk_sql_type type;
  union {
    int64_t integer;
    double real;
    struct tk_text text; /**< TEXT and BLOB; data is never NULL */
  } as;
};

/** Order as in ORDER BY: NULL first, NULLs equal. */
int tk_sql_compare(const struct tk_sql_value *a, const struct tk_sql_value *b);

/** True if numeric affinity would turn this text into a number. */
bool tk_looks_numeric(struct tk_text text);

enum tk_predicate_op {
  TK_PREDICATE_EQ,
  TK_PREDICATE_NE,
  TK_PREDICATE_LT,
  TK_PREDICATE_LE,
  TK_PREDICATE_GT,
  TK_PREDICATE_GE,
  TK_PREDICATE_IS,
  TK_PREDICATE_IS_NOT,
  TK_PREDICATE_IS_NULL,
  TK_PREDICATE_IS_NOT_NULL,
  TK_PREDICATE_IN,
  TK_PREDICATE_LIKE, /**< as the built-in LIKE: ASCII letters in either case; NUL-terminated TEXT */
  TK_PREDICATE_GLOB
};

/** Copies of the right-hand side. */
struct tk_predicate {
  enum tk_predicate_op op;
  /** Whether the right-hand side has numeric affinity is unknown, so that a text such as '200' may
   * or may not be the number 200, which is less than any text: let such texts pass where that could
   * match, and compare again outside. */
  bool loose;
  struct tk_sql_value *values; /**< IN: ascending, distinct, no NULL; else one. Not owned */
  uint32_t count;              /**< 0: an IN of nothing. Where a value is needed, at least 1 */
};

/** Sorts the values of an IN, removes duplicates and NULLs. */
void tk_predicate_normalise(struct tk_predicate *predicate);

bool tk_predicate_matches(const struct tk_predicate *predicate, const struct tk_sql_value *value);

/** False: no integer in [low, high] matches. */
bool tk_predicate_may_match(const struct tk_predicate *predicate, int64_t low, int64_t high);

/** mask[i] is cleared where values[i], an integer and not NULL, does not match. */
void tk_predicate_filter_ints(const struct tk_predicate *predicate, const int64_t *values,
                              uint32_t count, uint8_t *mask);

/** Indexes of the set bytes of mask, plus `first`, into rows (room for count); how many. */
uint32_t tk_mask_rows(const uint8_t *mask, uint32_t count, uint32_t first, uint32_t *rows);

#endif
