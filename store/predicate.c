/* SPDX-License-Identifier: MIT
 * Constraints evaluated on stored values. See predicate.h.
 *
 * Integers are the hot case: a comparison becomes an interval (or the outside of one), worked out
 * once, and the loop over the values is two compares and an AND that compilers vectorise. */
#include "store/predicate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ---- */

static int compare_int_real(int64_t integer, double real) {
  if (real < -9223372036854775808.0) return 1;
  if (real >= 9223372036854775808.0) return -1;
  int64_t truncated = (int64_t)real;
  if (integer != truncated) return integer < truncated ? -1 : 1;
  double rest = real - (double)truncated; /* exact: both are below 2^53, or rest is 0 */
  return rest > 0 ? -1 : rest < 0 ? 1 : 0;
}

static int compare_numbers(const struct tk_sql_value *a, const struct tk_sql_value *b) {
  if (a->type == TK_SQL_INT && b->type == TK_SQL_INT) {
    return (a->as.integer > b->as.integer) - (a->as.integer < b->as.integer);
  }
  if (a->type == TK_SQL_INT) return compare_int_real(a->as.integer, b->as.real);
  if (b->type == TK_SQL_INT) return -compare_int_real(b->as.integer, a->as.real);
  return (a->as.real > b->as.real) - (a->as.real < b->as.real);
}

static int compare_bytes(struct tk_text a, struct tk_text b) {
  uint32_t common = a.size < b.size ? a.size : b.size;
  int order = common ? memcmp(a.data, b.data, common) : 0;
  return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* NULL, numbers, texts, blobs. */
static int value_class(enum tk_sql_type type) {
  static const int classes[] = {
      [TK_SQL_NULL] = 0, [TK_SQL_INT] = 1, [TK_SQL_REAL] = 1, [TK_SQL_TEXT] = 2, [TK_SQL_BLOB] = 3};
  return classes[type];
}

int tk_sql_compare(const struct tk_sql_value *a, const struct tk_sql_value *b) {
  int class_a = value_class(a->type), class_b = value_class(b->type);
  if (class_a != class_b) return class_a < class_b ? -1 : 1;
  if (class_a == 0) return 0;
  return class_a == 1 ? compare_numbers(a, b) : compare_bytes(a->as.text, b->as.text);
}

static bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

static size_t skip_digits(struct tk_text text, size_t at) {
  while (at < text.size && text.data[at] >= '0' && text.data[at] <= '9') at++;
  return at;
}

bool tk_looks_numeric(struct tk_text text) {
  size_t at = 0, digits;

  while (at < text.size && is_space(text.data[at])) at++;
  if (at < text.size && (text.data[at] == '+' || text.data[at] == '-')) at++;
  size_t end = skip_digits(text, at);
  digits = end - at;
  at = end;
  if (at < text.size && text.data[at] == '.') {
    end = skip_digits(text, at + 1);
    digits += end - at - 1;
    at = end;
  }
  if (digits == 0) return false;
  if (at < text.size && (text.data[at] == 'e' || text.data[at] == 'E')) {
    at++;
    if (at < text.size && (text.data[at] == '+' || text.data[at] == '-')) at++;
    end = skip_digits(text, at);
    if (end == at) return false;
    at = end;
  }
  while (at < text.size && is_space(text.data[at])) at++;
  return at == text.size;
}

/* ---- one value ---- */

/* LIKE and GLOB work on C strings: a value ends at its first NUL, as it does in SQLite. */
static bool matches_pattern(const struct tk_predicate *predicate,
                            const struct tk_sql_value *value) {
  const struct tk_sql_value *pattern = &predicate->values[0];
  char small[256];
  char *subject = small, *made = NULL;
  struct tk_text text = value->as.text;

  if (value->type == TK_SQL_REAL || pattern->type != TK_SQL_TEXT) return pattern->type != 0;
  if (value->type == TK_SQL_INT) {
    sqlite3_snprintf(sizeof small, small, "%lld", (long long)value->as.integer);
  } else {
    if (text.size >= sizeof small) subject = made = sqlite3_malloc64((uint64_t)text.size + 1);
    if (!subject) return true; /* out of memory: SQLite compares again */
    memcpy(subject, text.data, text.size);
    subject[text.size] = 0;
  }
  bool matches = predicate->op == TK_PREDICATE_LIKE
                     ? sqlite3_strlike(pattern->as.text.data, subject, 0) == 0
                     : sqlite3_strglob(pattern->as.text.data, subject) == 0;
  sqlite3_free(made);
  return matches;
}

static int compare_for_search(const void *a, const void *b) {
  return tk_sql_compare(a, b);
}

static bool is_number(enum tk_sql_type type) {
  return type == TK_SQL_INT || type == TK_SQL_REAL;
}

static bool in_set(const struct tk_predicate *predicate, const struct tk_sql_value *value) {
  if (predicate->count == 0) return false;
  if (predicate->loose && value->type == TK_SQL_TEXT && is_number(predicate->values[0].type) &&
      tk_looks_numeric(value->as.text)) {
    return true; /* numbers sort first: values[0] tells whether there is one */
  }
  return bsearch(value, predicate->values, predicate->count, sizeof *predicate->values,
                 compare_for_search) != NULL;
}

bool tk_predicate_matches(const struct tk_predicate *predicate, const struct tk_sql_value *value) {
  enum tk_predicate_op op = predicate->op;
  bool is_null = value->type == TK_SQL_NULL;

  if (op == TK_PREDICATE_IS_NULL) return is_null;
  if (op == TK_PREDICATE_IS_NOT_NULL) return !is_null;
  if (op == TK_PREDICATE_IN) return !is_null && in_set(predicate, value);
  const struct tk_sql_value *other = &predicate->values[0];
  if (op == TK_PREDICATE_IS || op == TK_PREDICATE_IS_NOT) {
    if (is_null || other->type == TK_SQL_NULL) {
      return (is_null && other->type == TK_SQL_NULL) == (op == TK_PREDICATE_IS);
    }
  } else if (is_null || other->type == TK_SQL_NULL) {
    return false;
  }
  if (op == TK_PREDICATE_LIKE || op == TK_PREDICATE_GLOB) return matches_pattern(predicate, value);
  bool may_be_number = is_number(other->type) || op == TK_PREDICATE_LT || op == TK_PREDICATE_LE;
  if (predicate->loose && may_be_number && value->type == TK_SQL_TEXT &&
      tk_looks_numeric(value->as.text)) {
    return true;
  }
  int order = tk_sql_compare(value, other);
  switch ((int)op) {
    case TK_PREDICATE_EQ:
    case TK_PREDICATE_IS:
      return order == 0;
    case TK_PREDICATE_LT:
      return order < 0;
    case TK_PREDICATE_LE:
      return order <= 0;
    case TK_PREDICATE_GT:
      return order > 0;
    case TK_PREDICATE_GE:
      return order >= 0;
    default:
      return order != 0;
  }
}

void tk_predicate_normalise(struct tk_predicate *predicate) {
  struct tk_sql_value *values = predicate->values;
  uint32_t kept = 0;

  if (predicate->op != TK_PREDICATE_IN || predicate->count == 0) return;
  qsort(values, predicate->count, sizeof *values, compare_for_search);
  for (uint32_t i = 0; i < predicate->count; i++) {
    if (values[i].type == TK_SQL_NULL) continue;
    if (kept > 0 && tk_sql_compare(&values[kept - 1], &values[i]) == 0) continue;
    values[kept++] = values[i];
  }
  predicate->count = kept;
}

/* ---- integers ---- */

/* What a predicate accepts of the integers: [low, high], or everything else. */
struct interval {
  int64_t low, high; /* low > high: none */
  bool outside;
};

static const struct interval all_integers = {INT64_MIN, INT64_MAX, false};
static const struct interval no_integer = {1, 0, false};

static struct interval below(int64_t limit, bool inclusive) {
  if (inclusive) return (struct interval){INT64_MIN, limit, false};
  return limit == INT64_MIN ? no_integer : (struct interval){INT64_MIN, limit - 1, false};
}

static struct interval above(int64_t limit, bool inclusive) {
  if (inclusive) return (struct interval){limit, INT64_MAX, false};
  return limit == INT64_MAX ? no_integer : (struct interval){limit + 1, INT64_MAX, false};
}

static struct interval interval_of_real(enum tk_predicate_op op, double real) {
  bool is_below = op == TK_PREDICATE_LT || op == TK_PREDICATE_LE;
  bool is_above = op == TK_PREDICATE_GT || op == TK_PREDICATE_GE;
  bool is_equal = op == TK_PREDICATE_EQ || op == TK_PREDICATE_IS;

  if (real >= 9223372036854775808.0) return is_above || is_equal ? no_integer : all_integers;
  if (real < -9223372036854775808.0) return is_below || is_equal ? no_integer : all_integers;
  double whole = floor(real);
  int64_t floored = (int64_t)whole;
  bool exact = whole == real;
  if (is_below) return below(floored, !exact || op == TK_PREDICATE_LE);
  if (is_above) return above(floored, exact && op == TK_PREDICATE_GE);
  if (!exact) return is_equal ? no_integer : all_integers;
  return (struct interval){floored, floored, !is_equal};
}

static struct interval interval_of_int(enum tk_predicate_op op, int64_t integer) {
  switch ((int)op) {
    case TK_PREDICATE_LT:
    case TK_PREDICATE_LE:
      return below(integer, op == TK_PREDICATE_LE);
    case TK_PREDICATE_GT:
    case TK_PREDICATE_GE:
      return above(integer, op == TK_PREDICATE_GE);
    default:
      return (struct interval){integer, integer,
                               op == TK_PREDICATE_NE || op == TK_PREDICATE_IS_NOT};
  }
}

/* False if the predicate is no interval: IN, LIKE, GLOB. */
static bool find_interval(const struct tk_predicate *predicate, struct interval *interval) {
  enum tk_predicate_op op = predicate->op;
  const struct tk_sql_value *other = predicate->values;

  if (op == TK_PREDICATE_IN && predicate->count == 0) {
    *interval = no_integer;
    return true;
  }
  if (op == TK_PREDICATE_IN || op == TK_PREDICATE_LIKE || op == TK_PREDICATE_GLOB) return false;
  if (op == TK_PREDICATE_IS_NULL) {
    *interval = no_integer;
  } else if (op == TK_PREDICATE_IS_NOT_NULL) {
    *interval = all_integers;
  } else if (other->type == TK_SQL_NULL) {
    *interval = op == TK_PREDICATE_IS_NOT ? all_integers : no_integer;
  } else if (other->type == TK_SQL_INT) {
    *interval = interval_of_int(op, other->as.integer);
  } else if (other->type == TK_SQL_REAL) {
    *interval = interval_of_real(op, other->as.real);
  } else { /* every text and blob is greater than every number */
    *interval = op == TK_PREDICATE_LT || op == TK_PREDICATE_LE || op == TK_PREDICATE_NE ||
                        op == TK_PREDICATE_IS_NOT
                    ? all_integers
                    : no_integer;
  }
  return true;
}

bool tk_predicate_may_match(const struct tk_predicate *predicate, int64_t low, int64_t high) {
  struct interval interval;

  if (find_interval(predicate, &interval)) {
    if (interval.outside) return low < interval.low || high > interval.high;
    return interval.low <= interval.high && interval.low <= high && interval.high >= low;
  }
  if (predicate->op != TK_PREDICATE_IN) return true;
  struct tk_sql_value first = {.type = TK_SQL_INT, .as.integer = low};
  struct tk_sql_value last = {.type = TK_SQL_INT, .as.integer = high};
  for (uint32_t i = 0; i < predicate->count && is_number(predicate->values[i].type); i++) {
    if (tk_sql_compare(&predicate->values[i], &first) >= 0) {
      return tk_sql_compare(&predicate->values[i], &last) <= 0;
    }
  }
  return false;
}

static void filter_interval(struct interval interval, const int64_t *values, uint32_t count,
                            uint8_t *mask) {
  int64_t low = interval.low, high = interval.high;
  uint8_t inverted = interval.outside;

  if (low > high) {
    memset(mask, 0, count);
    return;
  }
  if (low == INT64_MIN && high == INT64_MAX && !inverted) return;
  for (uint32_t i = 0; i < count; i++) {
    mask[i] &= (uint8_t)(((values[i] >= low) & (values[i] <= high)) ^ inverted);
  }
}

void tk_predicate_filter_ints(const struct tk_predicate *predicate, const int64_t *values,
                              uint32_t count, uint8_t *mask) {
  struct interval interval;

  if (find_interval(predicate, &interval)) {
    filter_interval(interval, values, count, mask);
    return;
  }
  for (uint32_t i = 0; i < count; i++) {
    struct tk_sql_value value = {.type = TK_SQL_INT, .as.integer = values[i]};
    if (mask[i] && !tk_predicate_matches(predicate, &value)) mask[i] = 0;
  }
}

/* ---- rows ---- */

uint32_t tk_mask_rows(const uint8_t *mask, uint32_t count, uint32_t first, uint32_t *rows) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < count; i++) {
    rows[kept] = first + i;
    kept += mask[i] != 0;
  }
  return kept;
}
