/* SPDX-License-Identifier: MIT
 * A statement's constraints on one segment: first whether any row can match (zone maps, filters,
 * dictionaries), then which rows of a batch do.
 *
 * A test clears bytes of a mask, one a row. Tests run cheapest first, and those that look at values
 * one by one only look at rows that are still set. Texts are compared once for each dictionary
 * entry that occurs, resources and scopes once each. */
#include "sqlext/spans/spans_filter.h"

#include <stdlib.h>
#include <string.h>

enum { NO = 0, YES = 1, UNKNOWN = 2 };

/* ---- zone maps ---- */

static int64_t bucket_of(int64_t start, int64_t size) {
  return (int64_t)((uint64_t)start - (uint64_t)start % (uint64_t)size);
}

/* Whether starts in [low, high] allow a match. Unsigned beyond the year 2262: no statement. */
static bool starts_may_match(const struct spans_condition *condition,
                             const struct spans_column *column, uint64_t low, uint64_t high) {
  if (condition->is_start_range) {
    return condition->start_low <= high && condition->start_high >= low;
  }
  if (high > INT64_MAX || low > high) return true;
  if (column->source == SOURCE_START) {
    return tk_predicate_may_match(&condition->predicate, (int64_t)low, (int64_t)high);
  }
  if (column->source == SOURCE_BUCKET) {
    return tk_predicate_may_match(&condition->predicate, bucket_of((int64_t)low, column->argument),
                                  (int64_t)high);
  }
  return true;
}

static bool end_may_match(const struct spans_condition *condition,
                          const struct tk_segment_summary *summary) {
  if (summary->end_max > INT64_MAX || summary->start_max > INT64_MAX || summary->duration_min < 0) {
    return true;
  }
  return tk_predicate_may_match(&condition->predicate, (int64_t)summary->start_min,
                                (int64_t)summary->end_max);
}

bool tk_spans_filter_may_match(const struct spans_filter *filter,
                               const struct spans_columns *columns,
                               const struct tk_segment_summary *summary) {
  for (uint32_t i = 0; i < filter->condition_count; i++) {
    const struct spans_condition *condition = &filter->conditions[i];
    const struct spans_column *column = &columns->items[condition->column];
    if (!starts_may_match(condition, column, summary->start_min, summary->start_max)) return false;
    if (column->source == SOURCE_END && !end_may_match(condition, summary)) return false;
    if (condition->column == SPANS_duration_ns &&
        !tk_predicate_may_match(&condition->predicate, summary->duration_min,
                                summary->duration_max)) {
      return false;
    }
  }
  return true;
}

bool tk_spans_tests_may_match(const struct spans_tests *tests, uint32_t granule) {
  const struct tk_segment *stored = tests->segment->segment;
  for (uint32_t i = 0; i < tests->count; i++) {
    const struct spans_test *test = &tests->items[i];
    if (!starts_may_match(test->condition, test->binding->column,
                          stored->granule_start_min[granule], stored->granule_start_max[granule])) {
      return false;
    }
  }
  return true;
}

/* ---- what a segment says before a value is decoded ---- */

enum verdict { VERDICT_NEVER, VERDICT_ALWAYS, VERDICT_TEST };

static bool matches_null(const struct tk_predicate *predicate) {
  static const struct tk_sql_value null = {.type = TK_SQL_NULL};
  return tk_predicate_matches(predicate, &null);
}

static bool matches_int(const struct tk_predicate *predicate, int64_t integer) {
  struct tk_sql_value value = {.type = TK_SQL_INT, .as.integer = integer};
  return tk_predicate_matches(predicate, &value);
}

static enum verdict verdict_if(bool always) {
  return always ? VERDICT_ALWAYS : VERDICT_NEVER;
}

/* Asks dictionary or filter of a TEXT column about the texts of an equality. */
static enum tk_status may_contain(struct spans_segment *segment, uint32_t index,
                                  const struct tk_predicate *predicate, bool *may,
                                  struct tk_error *error) {
  bool is_equality = predicate->op == TK_PREDICATE_EQ || predicate->op == TK_PREDICATE_IS ||
                     predicate->op == TK_PREDICATE_IN;
  enum tk_status status = TK_OK;

  *may = true;
  if (!is_equality || predicate->loose || predicate->count > 64) return TK_OK;
  for (uint32_t i = 0; i < predicate->count && status == TK_OK; i++) {
    const struct tk_sql_value *value = &predicate->values[i];
    if (value->type == TK_SQL_NULL) return TK_OK;
    *may = false;
    if (value->type != TK_SQL_TEXT) continue;
    status =
        tk_reader_may_contain(segment->reader, segment->segment, index, value->as.text, may, error);
    if (*may) break;
  }
  return status;
}

/* A column stored by row that has no chunk: one value for all. */
static enum verdict judge_default(const struct spans_test *test) {
  const struct spans_column *column = test->binding->column;
  const struct tk_predicate *predicate = &test->condition->predicate;
  struct tk_sql_value empty = {.type = TK_SQL_TEXT, .as.text = {"", 0}};

  if (column->source == SOURCE_ROW_INT) return verdict_if(matches_int(predicate, 0));
  if (test->condition->column == SPANS_name) {
    return verdict_if(tk_predicate_matches(predicate, &empty));
  }
  return verdict_if(matches_null(predicate));
}

/* Sets up `accepted` for codes [base, base + count). */
static enum tk_status allocate_accepted(struct spans_tests *tests, struct spans_test *test,
                                        int64_t base, uint32_t count, struct tk_error *error) {
  test->accepted = tk_arena_alloc(&tests->segment->arena, (size_t)count + 1);
  if (!test->accepted) return tk_nomem(error);
  memset(test->accepted, UNKNOWN, count);
  test->accepted_base = base;
  test->accepted_count = count;
  return TK_OK;
}

static enum tk_status judge_codes(struct spans_tests *tests, struct spans_test *test,
                                  enum verdict *verdict, struct tk_error *error) {
  uint32_t count = test->binding->code_count, yes = 0;
  enum tk_status status = allocate_accepted(tests, test, 0, count, error);

  for (uint32_t i = 0; i < count && status == TK_OK; i++) {
    const struct tk_sql_value *value = NULL;
    status = tk_spans_code_value(tests->segment, test->binding, i, &value, error);
    if (status != TK_OK) break;
    test->accepted[i] = tk_predicate_matches(&test->condition->predicate, value) ? YES : NO;
    yes += test->accepted[i];
  }
  *verdict = yes == 0 ? VERDICT_NEVER : yes == count ? VERDICT_ALWAYS : VERDICT_TEST;
  return status;
}

/* Kind and status: few numbers with names. */
static enum tk_status judge_names(struct spans_tests *tests, struct spans_test *test,
                                  enum verdict *verdict, struct tk_error *error) {
  const struct tk_segment *stored = tests->segment->segment;
  uint32_t index = stored->fixed[test->binding->column->argument];
  int64_t low = 0, high = 0;
  struct spans_binding binding = {.column = test->binding->column};
  uint32_t yes = 0;

  if (index != TK_NO_COLUMN) {
    low = stored->columns[index].int_min;
    high = stored->columns[index].int_max;
  }
  if (low < -256 || high > 256 || low > high) {
    test->kind = TEST_VALUES;
    return TK_OK;
  }
  uint32_t count = (uint32_t)(high - low + 1);
  enum tk_status status = allocate_accepted(tests, test, low, count, error);
  for (uint32_t i = 0; i < count && status == TK_OK; i++) {
    int64_t code = low + i;
    struct tk_column one = {.ints = {.base = code}};
    struct tk_sql_value value;
    binding.data = &one;
    status = tk_spans_value(tests->segment, &binding, 0, &tests->scratch, &value, error);
    test->accepted[i] = tk_predicate_matches(&test->condition->predicate, &value) ? YES : NO;
    yes += test->accepted[i];
  }
  *verdict = yes == 0 ? VERDICT_NEVER : yes == count ? VERDICT_ALWAYS : VERDICT_TEST;
  return status;
}

static enum tk_status judge_row_column(struct spans_tests *tests, struct spans_test *test,
                                       enum verdict *verdict, struct tk_error *error) {
  const struct tk_segment *stored = tests->segment->segment;
  const struct tk_predicate *predicate = &test->condition->predicate;
  uint32_t index = stored->fixed[test->binding->column->argument];
  bool may = true;

  if (index == TK_NO_COLUMN) {
    *verdict = judge_default(test);
    return TK_OK;
  }
  const struct tk_segment_column *column = &stored->columns[index];
  if (test->kind == TEST_INTS) {
    may = tk_predicate_may_match(predicate, column->int_min, column->int_max);
    if (!may) *verdict = VERDICT_NEVER;
    return TK_OK;
  }
  enum tk_status status = may_contain(tests->segment, index, predicate, &may, error);
  if (!may) *verdict = VERDICT_NEVER;
  return status;
}

/* The only stored column that gives this column its values, if there is just one. */
static const struct spans_part *only_part(const struct spans_binding *binding, uint32_t *count) {
  const struct spans_part *only = NULL;
  *count = 0;
  for (uint32_t i = 0; i < binding->attribute_count; i++) {
    if (binding->attributes[i].part_count > 0) only = &binding->attributes[i].parts[0];
    *count += binding->attributes[i].part_count;
  }
  return *count == 1 ? only : NULL;
}

static bool has_unnamed(const struct spans_binding *binding) {
  return binding->attribute_count > 0 && binding->attributes[0].may_be_unnamed;
}

static enum tk_status judge_attribute(struct spans_tests *tests, struct spans_test *test,
                                      enum verdict *verdict, struct tk_error *error) {
  const struct tk_predicate *predicate = &test->condition->predicate;
  enum spans_affinity affinity = test->binding->column->affinity;
  uint32_t count;
  const struct spans_part *part = only_part(test->binding, &count);
  bool may = true;
  enum tk_status status = TK_OK;

  if (has_unnamed(test->binding)) return TK_OK;
  if (count == 0) {
    *verdict = verdict_if(matches_null(predicate));
    return TK_OK;
  }
  if (!part || test->condition->column == SPANS_rpc_method) return TK_OK; /* joined of two keys */
  const struct tk_segment_column *column = &tests->segment->segment->columns[part->index];
  bool is_int = part->type == TK_VALUE_INT || part->type == TK_VALUE_BOOL;
  bool as_stored = is_int ? affinity != AFFINITY_TEXT
                          : part->type == TK_VALUE_STRING && affinity != AFFINITY_INTEGER;
  if (!as_stored) return TK_OK;
  test->kind = TEST_PART;
  test->part = part;
  if (is_int) {
    may = column->value_count > 0 &&
          tk_predicate_may_match(predicate, column->int_min, column->int_max);
  } else {
    status = may_contain(tests->segment, part->index, predicate, &may, error);
  }
  if (!may && !matches_null(predicate)) *verdict = VERDICT_NEVER;
  return status;
}

static enum spans_test_kind kind_of(const struct spans_condition *condition,
                                    enum spans_source source) {
  if (condition->is_start_range) return TEST_START_RANGE;
  if (condition->ids) return TEST_IDS;
  if (tk_spans_is_resource_source(source) || tk_spans_is_scope_source(source)) {
    return TEST_INT_CODES;
  }
  switch ((int)source) {
    case SOURCE_START:
      return TEST_STARTS;
    case SOURCE_END:
    case SOURCE_BUCKET:
      return TEST_DERIVED;
    case SOURCE_ROW_INT:
      return TEST_INTS;
    case SOURCE_ROW_TEXT:
      return TEST_ROW_CODES;
    case SOURCE_KIND:
    case SOURCE_STATUS:
      return TEST_INT_CODES;
    default:
      return TEST_VALUES;
  }
}

static enum tk_status judge(struct spans_tests *tests, struct spans_test *test,
                            enum verdict *verdict, struct tk_error *error) {
  enum spans_source source = test->binding->column->source;

  *verdict = VERDICT_TEST;
  test->kind = kind_of(test->condition, source);
  if (source == SOURCE_SPAN_ATTRIBUTE || source == SOURCE_RESOLVED) {
    return judge_attribute(tests, test, verdict, error);
  }
  switch ((int)test->kind) {
    case TEST_INT_CODES:
      if (source == SOURCE_KIND || source == SOURCE_STATUS) {
        return judge_names(tests, test, verdict, error);
      }
      return judge_codes(tests, test, verdict, error);
    case TEST_INTS:
    case TEST_ROW_CODES:
      return judge_row_column(tests, test, verdict, error);
    default:
      return TK_OK;
  }
}

static int compare_tests(const void *left, const void *right) {
  const struct spans_test *a = left, *b = right;
  return (a->kind > b->kind) - (a->kind < b->kind);
}

enum tk_status tk_spans_tests_init(struct spans_tests *tests, const struct spans_filter *filter,
                                   struct spans_segment *segment, bool *possible_out,
                                   struct tk_error *error) {
  tests->segment = segment;
  tests->count = 0;
  *possible_out = true;
  for (uint32_t i = 0; i < filter->condition_count; i++) {
    struct spans_test test = {.condition = &filter->conditions[i]};
    enum verdict verdict = VERDICT_TEST;
    enum tk_status status = tk_spans_bind(segment, test.condition->column, &test.binding, error);
    if (status == TK_OK) status = judge(tests, &test, &verdict, error);
    if (status != TK_OK) return status;
    if (verdict == VERDICT_NEVER) {
      *possible_out = false;
      return TK_OK;
    }
    if (verdict == VERDICT_TEST) tests->items[tests->count++] = test;
  }
  if (tests->count > 1) qsort(tests->items, tests->count, sizeof *tests->items, compare_tests);
  return TK_OK;
}

void tk_spans_tests_reset(struct spans_tests *tests) {
  tk_spans_scratch_reset(&tests->scratch);
  tests->count = 0;
}

/* ---- rows ---- */

static void filter_start_range(const struct spans_condition *condition, const int64_t *starts,
                               uint32_t count, uint8_t *mask) {
  uint64_t low = condition->start_low, high = condition->start_high;
  for (uint32_t i = 0; i < count; i++) {
    mask[i] &= (uint8_t)(((uint64_t)starts[i] >= low) & ((uint64_t)starts[i] <= high));
  }
}

static void read_row_ints(const struct spans_test *test, uint32_t begin, uint32_t count,
                          int64_t *values) {
  static const struct tk_ints zeros = {0};
  tk_ints_read(test->binding->data ? test->binding->data->ints : zeros, begin, count, values);
}

static void filter_derived(const struct spans_tests *tests, const struct spans_test *test,
                           uint32_t begin, uint32_t count, uint8_t *mask) {
  int64_t values[SPANS_BATCH_ROWS];
  const int64_t *starts = tests->segment->starts + begin;

  if (test->binding->column->source == SOURCE_BUCKET) {
    for (uint32_t i = 0; i < count; i++) {
      values[i] = bucket_of(starts[i], test->binding->column->argument);
    }
  } else {
    read_row_ints(test, begin, count, values);
    for (uint32_t i = 0; i < count; i++) {
      values[i] = (int64_t)((uint64_t)starts[i] + (uint64_t)values[i]);
    }
  }
  tk_predicate_filter_ints(&test->condition->predicate, values, count, mask);
}

/* Codes of kind, status, resource and scope. */
static void filter_int_codes(const struct spans_test *test, uint32_t begin, uint32_t count,
                             uint8_t *mask) {
  int64_t codes[SPANS_BATCH_ROWS];
  read_row_ints(test, begin, count, codes);
  for (uint32_t i = 0; i < count; i++) {
    uint64_t code = (uint64_t)codes[i] - (uint64_t)test->accepted_base;
    mask[i] &= code < test->accepted_count && test->accepted[code] == YES;
  }
}

static enum tk_status know_dictionary(struct spans_tests *tests, struct spans_test *test,
                                      const struct tk_column *column, struct tk_error *error) {
  if (test->accepted) return TK_OK;
  return allocate_accepted(tests, test, 0, column->dictionary_count, error);
}

static bool accepts_text(const struct spans_test *test, struct tk_text text, bool empty_is_null) {
  struct tk_sql_value value = {.type = TK_SQL_TEXT, .as.text = text};
  if (!text.data) value.as.text.data = "";
  if (text.size == 0 && empty_is_null) value.type = TK_SQL_NULL;
  return tk_predicate_matches(&test->condition->predicate, &value);
}

static uint8_t accepts_code(const struct spans_test *test, const struct tk_column *column,
                            uint32_t code, bool empty_is_null) {
  uint8_t known = test->accepted[code];
  if (known == UNKNOWN) {
    known = accepts_text(test, tk_column_dictionary_entry(column, code), empty_is_null) ? YES : NO;
    test->accepted[code] = known;
  }
  return known;
}

static enum tk_status filter_row_texts(struct spans_tests *tests, struct spans_test *test,
                                       uint32_t begin, uint32_t count, uint8_t *mask,
                                       struct tk_error *error) {
  const struct tk_column *column = test->binding->data;
  bool empty_is_null = test->condition->column != SPANS_name;

  if (!column->has_dictionary) {
    for (uint32_t i = 0; i < count; i++) {
      mask[i] = mask[i] && accepts_text(test, column->texts[begin + i], empty_is_null);
    }
    return TK_OK;
  }
  enum tk_status status = know_dictionary(tests, test, column, error);
  if (status != TK_OK) return status;
  for (uint32_t i = 0; i < count; i++) {
    if (mask[i])
      mask[i] = accepts_code(test, column, tk_column_code(column, begin + i), empty_is_null);
  }
  return TK_OK;
}

static enum tk_status filter_part(struct spans_tests *tests, struct spans_test *test,
                                  uint32_t begin, uint32_t count, uint8_t *mask,
                                  struct tk_error *error) {
  const struct spans_part *part = test->part;
  const struct tk_predicate *predicate = &test->condition->predicate;
  const uint32_t *index = part->value_index + begin;
  uint8_t for_null = matches_null(predicate);
  enum tk_status status = TK_OK;

  if (part->type != TK_VALUE_STRING) {
    for (uint32_t i = 0; i < count; i++) {
      if (!mask[i]) continue;
      mask[i] = index[i] == UINT32_MAX
                    ? for_null
                    : matches_int(predicate, tk_ints_at(part->values->ints, index[i]));
    }
    return TK_OK;
  }
  if (part->values->has_dictionary) status = know_dictionary(tests, test, part->values, error);
  for (uint32_t i = 0; i < count && status == TK_OK; i++) {
    if (!mask[i]) continue;
    if (index[i] == UINT32_MAX) {
      mask[i] = for_null;
    } else if (part->values->has_dictionary) {
      mask[i] = accepts_code(test, part->values, tk_column_code(part->values, index[i]), false);
    } else {
      mask[i] = accepts_text(test, part->values->texts[index[i]], false);
    }
  }
  return status;
}

static int compare_ids(const void *a, const void *b) {
  return memcmp(a, b, 8);
}

static enum tk_status filter_ids(struct spans_tests *tests, const struct spans_test *test,
                                 uint32_t begin, uint32_t count, uint8_t *mask,
                                 struct tk_error *error) {
  const struct spans_condition *condition = test->condition;
  struct spans_segment *segment = tests->segment;
  bool of_parent = test->binding->column->source == SOURCE_PARENT_ID;

  for (uint32_t i = 0; i < count; i++) {
    uint32_t row = begin + i;
    const uint8_t *id = NULL;
    if (!mask[i]) continue;
    if (of_parent && segment->parents[row] == UINT32_MAX) {
      enum tk_status status =
          tk_reader_external_parent(segment->reader, segment->segment, row, &id, error);
      if (status != TK_OK) return status;
    } else {
      id = test->binding->data->fixed + (size_t)(of_parent ? segment->parents[row] : row) * 8;
    }
    if (!id) {
      mask[i] = 0;
    } else if (condition->id_count == 1) {
      mask[i] = memcmp(id, condition->ids[0], 8) == 0;
    } else {
      mask[i] = bsearch(id, condition->ids, condition->id_count, 8, compare_ids) != NULL;
    }
  }
  return TK_OK;
}

static enum tk_status filter_values(struct spans_tests *tests, const struct spans_test *test,
                                    uint32_t begin, uint32_t count, uint8_t *mask,
                                    struct tk_error *error) {
  for (uint32_t i = 0; i < count; i++) {
    struct tk_sql_value value = {.type = TK_SQL_NULL};
    if (!mask[i]) continue;
    enum tk_status status =
        tk_spans_value(tests->segment, test->binding, begin + i, &tests->scratch, &value, error);
    if (status != TK_OK) return status;
    mask[i] = tk_predicate_matches(&test->condition->predicate, &value);
  }
  return TK_OK;
}

static enum tk_status run_test(struct spans_tests *tests, struct spans_test *test, uint32_t begin,
                               uint32_t count, uint8_t *mask, struct tk_error *error) {
  struct spans_segment *segment = tests->segment;
  int64_t values[SPANS_BATCH_ROWS];

  if (begin < test->binding->ready_begin || begin >= test->binding->ready_end) {
    enum tk_status status = tk_spans_prepare(segment, test->binding, begin, error);
    if (status != TK_OK) return status;
  }
  switch (test->kind) {
    case TEST_INTS:
      read_row_ints(test, begin, count, values);
      tk_predicate_filter_ints(&test->condition->predicate, values, count, mask);
      return TK_OK;
    case TEST_STARTS:
      tk_predicate_filter_ints(&test->condition->predicate, segment->starts + begin, count, mask);
      return TK_OK;
    case TEST_START_RANGE:
      filter_start_range(test->condition, segment->starts + begin, count, mask);
      return TK_OK;
    case TEST_DERIVED:
      filter_derived(tests, test, begin, count, mask);
      return TK_OK;
    case TEST_INT_CODES:
      filter_int_codes(test, begin, count, mask);
      return TK_OK;
    case TEST_ROW_CODES:
      return filter_row_texts(tests, test, begin, count, mask, error);
    case TEST_PART:
      return filter_part(tests, test, begin, count, mask, error);
    case TEST_IDS:
      return filter_ids(tests, test, begin, count, mask, error);
    case TEST_VALUES:
    default:
      return filter_values(tests, test, begin, count, mask, error);
  }
}

enum tk_status tk_spans_tests_select(struct spans_tests *tests, uint32_t begin, uint32_t end,
                                     uint32_t *rows, uint32_t *count_out, struct tk_error *error) {
  uint8_t mask[SPANS_BATCH_ROWS];
  uint32_t count = end - begin;

  *count_out = 0;
  if (tests->count == 0) {
    for (uint32_t i = 0; i < count; i++) rows[i] = begin + i;
    *count_out = count;
    return TK_OK;
  }
  memset(mask, 1, count);
  for (uint32_t i = 0; i < tests->count; i++) {
    enum tk_status status = run_test(tests, &tests->items[i], begin, count, mask, error);
    if (status != TK_OK) return status;
    if (!memchr(mask, 1, count)) return TK_OK;
  }
  *count_out = tk_mask_rows(mask, count, begin, rows);
  return TK_OK;
}
