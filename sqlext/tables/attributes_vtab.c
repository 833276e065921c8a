/* SPDX-License-Identifier: MIT
 * span_attributes: one row is one attribute of a span, of its resource or scope, or of one of its
 * events or links: (trace_id, span_id, scope, key, value, type).
 *
 * Attributes are stored by key, so a scan goes by key: of each run of rows, first the values of
 * each stored column that the terms leave, then the attributes without a column (extras), then
 * those of resources and scopes. Together these are all attributes, also where a key occurs twice.
 * For `key = 'user.id' AND value = 'x'` that is: the segments with that key, whose filter or
 * dictionary knows the value, and of these the codes of one column.
 *
 * Terms on trace_id find the trace through the segments' filters (SQLite does not check them
 * again); terms on span_id, scope, key, type and value drop rows early, and SQLite checks again. */
#include <stdlib.h>
#include <string.h>

#include "sqlext/tables/table_support.h"
#include "sqlext/tables/tables.h"
#include "sqlext/vtab_support.h"
#include "store/codec/value_codec.h"
#include "tracekeep/hash.h"

enum column { TRACE_ID, SPAN_ID, SCOPE, KEY, VALUE, TYPE, ORDINAL, ITEM_ORDINAL, SERVICE };

static const char declaration[] =
    "CREATE TABLE x(trace_id TEXT COLLATE NOCASE, span_id TEXT COLLATE NOCASE, scope TEXT,"
    " key TEXT, value, type TEXT, ordinal INTEGER, item_ordinal INTEGER, service TEXT HIDDEN)";

enum { ROWS_AT_ONCE = 2048, SCOPE_COUNT = TK_SCOPE_SCOPE + 1, ITEM_SCOPES = TK_SCOPE_LINK + 1 };

/* A stored column that the terms leave. */
struct candidate {
  uint32_t index;    /* into segment->columns */
  uint8_t *accepted; /* by dictionary code, 1 if the terms accept it; NULL: look at each value */
  bool all;          /* every value passes */
};

/* An attribute of a resource or scope that passes, by code of the segment. */
struct shared_attribute {
  uint32_t code, attribute;
};

struct shared_attributes {
  struct shared_attribute *items; /* ascending code */
  uint32_t count;
  uint32_t *first; /* of each code, and the end */
};

/* One row of the table. */
struct entry {
  uint32_t row;    /* of the span */
  uint32_t item;   /* row, event or link; resource or scope code */
  uint32_t at;     /* value of the column; entry of the extras; number in the resource's list */
  uint32_t column; /* into segment->columns; of extras: which of the entry */
  uint8_t scope;
  bool is_extra;
};

struct attributes_cursor {
  sqlite3_vtab_cursor base;
  struct tk_terms terms;
  bool scopes[SCOPE_COUNT]; /* what the terms on scope accept */
  struct tk_range_walk walk;
  const struct tk_segment *segment; /* NULL: none */
  struct tk_arena segment_arena;    /* what is prepared for the segment */
  uint32_t next_row, end_row;
  struct candidate *candidates;
  uint32_t candidate_count;
  bool extras[ITEM_SCOPES]; /* whether they are to be looked at */
  struct shared_attributes resources, scope_attributes;
  const uint32_t *first_items[ITEM_SCOPES]; /* of events and links; NULL: none */
  struct entry *entries;
  uint32_t entry_count, entry_capacity, entry_index;
  struct tk_arena arena; /* one value */
};

static struct tk_reader *reader_of(const struct attributes_cursor *cursor) {
  return ((struct tk_reader_table *)cursor->base.pVtab)->reader;
}

/* ---- terms ---- */

static bool accept_key(const struct attributes_cursor *cursor, struct tk_text key, int64_t type) {
  const char *name = tk_value_type_name(type);
  if (!tk_terms_accept_text(&cursor->terms, KEY, key)) return false;
  return name &&
         tk_terms_accept_text(&cursor->terms, TYPE, (struct tk_text){name, (uint32_t)strlen(name)});
}

static bool accept_value(const struct attributes_cursor *cursor, const struct tk_value *value) {
  struct tk_sql_value sql;
  return !tk_value_as_sql(value, &sql) || tk_terms_accept(&cursor->terms, VALUE, &sql);
}

/* ---- preparing a segment ---- */

/* False: the column has no value that the terms on value accept, as far as its filter knows. */
static enum tk_status may_have_value(struct attributes_cursor *cursor, uint32_t index,
                                     bool *may_out, struct tk_error *error) {
  const struct tk_segment_column *column = &cursor->segment->columns[index];
  enum tk_status status = TK_OK;

  *may_out = true;
  if (column->type != TK_VALUE_STRING) return TK_OK;
  for (uint32_t i = 0; i < cursor->terms.count && *may_out && status == TK_OK; i++) {
    const struct tk_term *term = &cursor->terms.items[i];
    if (term->column != VALUE || term->predicate.op != TK_PREDICATE_EQ) continue;
    if (term->predicate.values[0].type == TK_SQL_NULL) *may_out = false;
    if (term->predicate.values[0].type != TK_SQL_TEXT) continue;
    status = tk_reader_may_contain(reader_of(cursor), cursor->segment, index,
                                   term->predicate.values[0].as.text, may_out, error);
  }
  return status;
}

/* What of the dictionary passes; *any_out is false if nothing does. */
static enum tk_status accept_dictionary(struct attributes_cursor *cursor,
                                        struct candidate *candidate, bool *any_out,
                                        struct tk_error *error) {
  const struct tk_column *column;
  enum tk_status status =
      tk_reader_column(reader_of(cursor), cursor->segment, candidate->index, &column, error);
  if (status != TK_OK || !column->has_dictionary) return status;
  candidate->accepted =
      tk_arena_alloc(&cursor->segment_arena, (size_t)column->dictionary_count + 1);
  if (!candidate->accepted) return tk_nomem(error);
  *any_out = false;
  for (uint32_t code = 0; code < column->dictionary_count; code++) {
    candidate->accepted[code] =
        tk_terms_accept_text(&cursor->terms, VALUE, tk_column_dictionary_entry(column, code));
    *any_out |= candidate->accepted[code];
  }
  return TK_OK;
}

static enum tk_status add_candidate(struct attributes_cursor *cursor, uint32_t index,
                                    struct tk_error *error) {
  const struct tk_segment_column *column = &cursor->segment->columns[index];
  struct candidate candidate = {.index = index, .all = !tk_terms_have(&cursor->terms, VALUE)};
  bool may = true;
  enum tk_status status = may_have_value(cursor, index, &may, error);

  if (status == TK_OK && may && !candidate.all && column->type == TK_VALUE_STRING) {
    status = accept_dictionary(cursor, &candidate, &may, error);
  }
  if (status == TK_OK && may && !candidate.all && column->type == TK_VALUE_INT) {
    may = tk_terms_may_accept(&cursor->terms, VALUE, column->int_min, column->int_max);
  }
  if (status == TK_OK && may) cursor->candidates[cursor->candidate_count++] = candidate;
  return status;
}

/* Extras hold keys without a column and second occurrences of keys with one; so where no column of
 * the directory has a key that is wanted, neither have they. Keys beyond what a directory holds are
 * only there, though. */
static enum tk_status prepare_columns(struct attributes_cursor *cursor, struct tk_error *error) {
  static const enum tk_column_number extras[] = {TK_COL_EXTRA, TK_COL_EVENT_EXTRA,
                                                 TK_COL_LINK_EXTRA};
  const struct tk_segment *segment = cursor->segment;
  enum tk_status status = TK_OK;

  cursor->candidate_count = 0;
  cursor->candidates = tk_arena_alloc(
      &cursor->segment_arena, (segment->column_count + (size_t)1) * sizeof *cursor->candidates);
  if (!cursor->candidates) return tk_nomem(error);
  for (uint32_t scope = 0; scope < ITEM_SCOPES; scope++) {
    cursor->extras[scope] =
        cursor->scopes[scope] && tk_has_unnamed_keys(segment, (enum tk_attribute_scope)scope);
  }
  for (uint32_t c = 0; c < segment->column_count && status == TK_OK; c++) {
    const struct tk_segment_column *column = &segment->columns[c];
    if (column->number < TK_COL_FIRST_ATTRIBUTE || column->scope >= ITEM_SCOPES ||
        !cursor->scopes[column->scope] || !accept_key(cursor, column->key, column->type)) {
      continue;
    }
    if (segment->fixed[extras[column->scope]] != TK_NO_COLUMN) cursor->extras[column->scope] = true;
    if (!column->in_extras) status = add_candidate(cursor, c, error);
  }
  return status;
}

static const struct tk_attributes *attributes_of_code(struct attributes_cursor *cursor,
                                                      enum tk_attribute_scope scope,
                                                      uint32_t code) {
  const struct tk_segment *segment = cursor->segment;
  if (scope == TK_SCOPE_RESOURCE) {
    const struct tk_stored_resource *resource =
        code < segment->resource_count
            ? tk_reader_resource(reader_of(cursor), segment->resources[code])
            : NULL;
    return resource ? &resource->resource.attributes : NULL;
  }
  const struct tk_stored_scope *stored =
      code < segment->scope_count ? tk_reader_scope(reader_of(cursor), segment->scopes[code])
                                  : NULL;
  return stored ? &stored->scope.attributes : NULL;
}

/* The attributes of the segment's resources (scopes) that pass. */
static enum tk_status prepare_shared(struct attributes_cursor *cursor,
                                     enum tk_attribute_scope scope,
                                     struct shared_attributes *shared, struct tk_error *error) {
  const struct tk_segment *segment = cursor->segment;
  const uint32_t codes =
      scope == TK_SCOPE_RESOURCE ? segment->resource_count : segment->scope_count;
  size_t total = 0;

  *shared = (struct shared_attributes){0};
  if (!cursor->scopes[scope]) return TK_OK;
  for (uint32_t code = 0; code < codes; code++) {
    const struct tk_attributes *attributes = attributes_of_code(cursor, scope, code);
    total += attributes ? attributes->count : 0;
  }
  shared->items = tk_arena_alloc(&cursor->segment_arena, total * sizeof *shared->items);
  shared->first =
      tk_arena_alloc(&cursor->segment_arena, ((size_t)codes + 1) * sizeof *shared->first);
  if (!shared->items || !shared->first) return tk_nomem(error);
  for (uint32_t code = 0; code < codes; code++) {
    const struct tk_attributes *attributes = attributes_of_code(cursor, scope, code);
    shared->first[code] = shared->count;
    for (uint32_t i = 0; attributes && i < attributes->count; i++) {
      const struct tk_attribute *attribute = &attributes->items[i];
      if (accept_key(cursor, attribute->key, attribute->value.type) &&
          accept_value(cursor, &attribute->value)) {
        shared->items[shared->count++] = (struct shared_attribute){code, i};
      }
    }
  }
  shared->first[codes] = shared->count;
  return TK_OK;
}

static enum tk_status prepare_segment(struct attributes_cursor *cursor, struct tk_error *error) {
  enum tk_status status = prepare_columns(cursor, error);
  if (status == TK_OK) {
    status = prepare_shared(cursor, TK_SCOPE_RESOURCE, &cursor->resources, error);
  }
  if (status == TK_OK) {
    status = prepare_shared(cursor, TK_SCOPE_SCOPE, &cursor->scope_attributes, error);
  }
  for (uint32_t scope = TK_SCOPE_EVENT; scope < ITEM_SCOPES && status == TK_OK; scope++) {
    cursor->first_items[scope] = NULL;
    if (!cursor->scopes[scope]) continue;
    status = tk_reader_first_items(reader_of(cursor), cursor->segment, scope,
                                   &cursor->first_items[scope], error);
  }
  return status;
}

/* ---- reading a run of rows ---- */

/* Rows [begin, end) of one granule; of events and links, the items of these rows. */
struct run {
  uint32_t granule, begin, end;
  const uint8_t *spans; /* from begin on, 1 if the terms on span_id accept it; NULL: all */
};

static enum tk_status add_entry(struct attributes_cursor *cursor, struct entry entry,
                                struct tk_error *error) {
  if (cursor->entry_count == cursor->entry_capacity) {
    const uint32_t capacity = cursor->entry_capacity ? cursor->entry_capacity * 2 : 1024;
    void *entries = sqlite3_realloc64(cursor->entries, (uint64_t)capacity * sizeof entry);
    if (!entries) return tk_nomem(error);
    cursor->entries = entries;
    cursor->entry_capacity = capacity;
  }
  cursor->entries[cursor->entry_count++] = entry;
  return TK_OK;
}

static bool is_wanted(const struct run *run, uint32_t row) {
  return !run->spans || run->spans[row - run->begin];
}

/* Items of the rows of a run. */
static void find_items(const struct attributes_cursor *cursor, const struct run *run,
                       uint32_t scope, uint32_t *begin, uint32_t *end) {
  const uint32_t *first = scope == TK_SCOPE_SPAN ? NULL : cursor->first_items[scope];
  *begin = first ? first[run->begin] : run->begin;
  *end = first ? first[run->end] : run->end;
  if (!first && scope != TK_SCOPE_SPAN) *end = *begin;
}

/* The row of an item, from the one of the item before. */
static uint32_t row_of_item(const struct attributes_cursor *cursor, uint32_t scope, uint32_t item,
                            uint32_t row) {
  if (scope == TK_SCOPE_SPAN) return item;
  while (cursor->first_items[scope][row + 1] <= item) row++;
  return row;
}

/* Whether any value of the run's granule passes: by codes alone, before it is known whose they are.
 * Decodes the granule's values. */
static enum tk_status may_have_code(struct attributes_cursor *cursor,
                                    const struct candidate *candidate, const struct run *run,
                                    bool *may_out, struct tk_error *error) {
  const struct tk_segment_column *stored = &cursor->segment->columns[candidate->index];
  const struct tk_column *column;

  *may_out = true;
  if (!candidate->accepted || !stored->granule_first_value) return TK_OK;
  const uint32_t begin = stored->granule_first_value[run->granule];
  const uint32_t end = run->granule + 1 < cursor->segment->rows.count
                           ? stored->granule_first_value[run->granule + 1]
                           : stored->value_count;
  *may_out = false;
  if (begin >= end) return TK_OK;
  enum tk_status status = tk_reader_values(reader_of(cursor), cursor->segment, candidate->index,
                                           begin, end, &column, error);
  for (uint32_t i = begin; status == TK_OK && i < end && !*may_out; i++) {
    *may_out = candidate->accepted[tk_column_code(column, i)] != 0;
  }
  return status;
}

static enum tk_status check_value(struct attributes_cursor *cursor,
                                  const struct candidate *candidate, uint32_t at, bool *passes,
                                  struct tk_error *error) {
  const struct tk_column *column;
  struct tk_value value;
  enum tk_status status;

  *passes = true;
  if (candidate->all) return TK_OK;
  if (candidate->accepted) {
    status = tk_reader_values(reader_of(cursor), cursor->segment, candidate->index, at, at + 1,
                              &column, error);
    if (status == TK_OK) *passes = candidate->accepted[tk_column_code(column, at)] != 0;
    return status;
  }
  status = tk_attribute_value(reader_of(cursor), cursor->segment, candidate->index, at,
                              &cursor->arena, &value, error);
  if (status == TK_OK) *passes = accept_value(cursor, &value);
  return status;
}

static enum tk_status read_column(struct attributes_cursor *cursor,
                                  const struct candidate *candidate, const struct run *run,
                                  struct tk_error *error) {
  const struct tk_segment_column *stored = &cursor->segment->columns[candidate->index];
  const uint32_t *value_index;
  uint32_t item, end, row = run->begin;
  bool may;
  enum tk_status status;

  find_items(cursor, run, stored->scope, &item, &end);
  if (item == end) return TK_OK;
  status = may_have_code(cursor, candidate, run, &may, error);
  if (status != TK_OK || !may) return status;
  status = tk_reader_value_index(reader_of(cursor), cursor->segment, candidate->index,
                                 stored->scope == TK_SCOPE_SPAN ? run->granule : TK_ALL,
                                 &value_index, error);
  for (; item < end && status == TK_OK; item++) {
    bool passes;
    if (value_index[item] == UINT32_MAX) continue;
    row = row_of_item(cursor, stored->scope, item, row);
    if (!is_wanted(run, row)) continue;
    status = check_value(cursor, candidate, value_index[item], &passes, error);
    if (status == TK_OK && passes) {
      const struct entry entry = {row,           item, value_index[item], candidate->index,
                                  stored->scope, false};
      status = add_entry(cursor, entry, error);
    }
  }
  tk_arena_reset(&cursor->arena);
  return status;
}

/* ---- extras ---- */

static enum tk_status decode_extras(struct attributes_cursor *cursor, uint32_t scope, uint32_t at,
                                    struct tk_extra **extras_out, uint32_t *count_out,
                                    struct tk_error *error) {
  static const enum tk_column_number numbers[] = {TK_COL_EXTRA, TK_COL_EVENT_EXTRA,
                                                  TK_COL_LINK_EXTRA};
  struct tk_text text;
  enum tk_status status =
      tk_text_value(reader_of(cursor), cursor->segment, numbers[scope], at, &text, error);
  if (status != TK_OK) return status;
  return tk_extras_decode((const uint8_t *)text.data, text.size, &cursor->arena, extras_out,
                          count_out, error);
}

static uint32_t lower_bound(struct tk_ints values, uint32_t count, int64_t wanted) {
  uint32_t begin = 0, end = count;
  while (begin < end) {
    const uint32_t middle = begin + (end - begin) / 2;
    if (tk_ints_at(values, middle) < wanted) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin;
}

static enum tk_status read_extra(struct attributes_cursor *cursor, uint32_t scope, uint32_t at,
                                 struct entry entry, struct tk_error *error) {
  struct tk_extra *extras;
  uint32_t count;
  enum tk_status status = decode_extras(cursor, scope, at, &extras, &count, error);
  for (uint32_t i = 0; status == TK_OK && i < count; i++) {
    const struct tk_attribute *attribute = &extras[i].attribute;
    if (!accept_key(cursor, attribute->key, attribute->value.type) ||
        !accept_value(cursor, &attribute->value)) {
      continue;
    }
    entry.at = at;
    entry.column = i;
    status = add_entry(cursor, entry, error);
  }
  tk_arena_reset(&cursor->arena);
  return status;
}

static enum tk_status read_extras(struct attributes_cursor *cursor, uint32_t scope,
                                  const struct run *run, struct tk_error *error) {
  static const enum tk_column_number numbers[] = {TK_COL_EXTRA_ROW, TK_COL_EVENT_EXTRA_ROW,
                                                  TK_COL_LINK_EXTRA_ROW};
  const uint32_t index = cursor->segment->fixed[numbers[scope]];
  const struct tk_column *items;
  uint32_t begin, end, row = run->begin;

  find_items(cursor, run, scope, &begin, &end);
  if (index == TK_NO_COLUMN || begin == end) return TK_OK;
  const uint32_t count = cursor->segment->columns[index].value_count;
  enum tk_status status =
      tk_reader_values(reader_of(cursor), cursor->segment, index, 0, count, &items, error);
  if (status != TK_OK) return status;
  for (uint32_t at = lower_bound(items->ints, count, begin);
       at < count && tk_ints_at(items->ints, at) < end && status == TK_OK; at++) {
    const uint32_t item = (uint32_t)tk_ints_at(items->ints, at);
    row = row_of_item(cursor, scope, item, row);
    if (!is_wanted(run, row)) continue;
    const struct entry entry = {
        .row = row, .item = item, .scope = (uint8_t)scope, .is_extra = true};
    status = read_extra(cursor, scope, at, entry, error);
  }
  return status;
}

/* ---- resources and scopes ---- */

static enum tk_status read_shared(struct attributes_cursor *cursor, enum tk_attribute_scope scope,
                                  const struct shared_attributes *shared, const struct run *run,
                                  struct tk_error *error) {
  const struct tk_segment *segment = cursor->segment;
  const uint32_t code_count =
      scope == TK_SCOPE_RESOURCE ? segment->resource_count : segment->scope_count;
  struct tk_ints codes;
  enum tk_status status;

  if (shared->count == 0) return TK_OK;
  status = tk_row_ints(reader_of(cursor), segment,
                       scope == TK_SCOPE_RESOURCE ? TK_COL_RESOURCE : TK_COL_SCOPE, run->granule,
                       &codes, error);
  for (uint32_t row = run->begin; row < run->end && status == TK_OK; row++) {
    const int64_t code = tk_ints_at(codes, row);
    if ((uint64_t)code >= code_count || !is_wanted(run, row)) continue;
    for (uint32_t i = shared->first[code]; i < shared->first[code + 1] && status == TK_OK; i++) {
      const struct entry entry = {.row = row,
                                  .item = (uint32_t)code,
                                  .at = shared->items[i].attribute,
                                  .scope = (uint8_t)scope};
      status = add_entry(cursor, entry, error);
    }
  }
  return status;
}

/* ---- scanning ---- */

/* Which spans of the run the terms on span_id accept. */
static enum tk_status check_spans(struct attributes_cursor *cursor, struct run *run,
                                  struct tk_error *error) {
  if (!tk_terms_have(&cursor->terms, SPAN_ID)) return TK_OK;
  uint8_t *spans = tk_arena_alloc(&cursor->segment_arena, run->end - run->begin);
  if (!spans) return tk_nomem(error);
  for (uint32_t row = run->begin; row < run->end; row++) {
    const uint8_t *id;
    enum tk_status status =
        tk_fixed_value(reader_of(cursor), cursor->segment, TK_COL_SPAN_ID, row, &id, error);
    if (status != TK_OK) return status;
    spans[row - run->begin] = tk_terms_accept_id(&cursor->terms, SPAN_ID, id, 8);
  }
  run->spans = spans;
  return TK_OK;
}

static enum tk_status read_rows(struct attributes_cursor *cursor, struct tk_error *error) {
  struct run run = {.begin = cursor->next_row, .end = cursor->end_row};
  enum tk_status status;

  run.granule = tk_segment_granule_of_row(cursor->segment, run.begin);
  if (run.end > cursor->segment->rows.ends[run.granule]) {
    run.end = cursor->segment->rows.ends[run.granule];
  }
  if (run.end - run.begin > ROWS_AT_ONCE) run.end = run.begin + ROWS_AT_ONCE;
  cursor->entry_count = cursor->entry_index = 0;
  cursor->next_row = run.end;
  status = check_spans(cursor, &run, error);
  for (uint32_t i = 0; i < cursor->candidate_count && status == TK_OK; i++) {
    status = read_column(cursor, &cursor->candidates[i], &run, error);
  }
  for (uint32_t scope = 0; scope < ITEM_SCOPES && status == TK_OK; scope++) {
    if (cursor->extras[scope]) status = read_extras(cursor, scope, &run, error);
  }
  if (status == TK_OK) {
    status = read_shared(cursor, TK_SCOPE_RESOURCE, &cursor->resources, &run, error);
  }
  if (status == TK_OK) {
    status = read_shared(cursor, TK_SCOPE_SCOPE, &cursor->scope_attributes, &run, error);
  }
  return status;
}

static void close_segment(struct attributes_cursor *cursor) {
  if (cursor->segment) tk_segment_release(cursor->segment);
  cursor->segment = NULL;
  tk_arena_reset(&cursor->segment_arena);
  cursor->next_row = cursor->end_row = 0;
}

/* Opens the next range; *more_out is false when there is none. A range in which nothing can pass is
 * opened as empty. */
static enum tk_status next_range(struct attributes_cursor *cursor, bool *more_out,
                                 struct tk_error *error) {
  struct tk_row_range range = {0};
  enum tk_status status;

  close_segment(cursor);
  status = tk_range_walk_next(&cursor->walk, reader_of(cursor), &range, &cursor->segment, error);
  *more_out = cursor->segment != NULL;
  if (status != TK_OK || !*more_out) return status;
  if ((status = prepare_segment(cursor, error)) != TK_OK) return status;
  bool any = cursor->candidate_count + cursor->resources.count + cursor->scope_attributes.count > 0;
  for (uint32_t scope = 0; scope < ITEM_SCOPES; scope++) any |= cursor->extras[scope];
  if (!any) return TK_OK;
  cursor->next_row = range.begin;
  cursor->end_row = range.end;
  return TK_OK;
}

static enum tk_status fill(struct attributes_cursor *cursor, struct tk_error *error) {
  enum tk_status status = TK_OK;
  bool more = true;
  while (status == TK_OK && cursor->entry_index >= cursor->entry_count) {
    if (cursor->next_row < cursor->end_row) {
      status = read_rows(cursor, error);
      continue;
    }
    if ((status = next_range(cursor, &more, error)) != TK_OK || !more) break;
  }
  return status;
}

/* ---- the module ---- */

static int connect_table(sqlite3 *db, void *context, int argc, const char *const *argv,
                         sqlite3_vtab **vtab_out, char **message_out) {
  (void)context;
  return tk_reader_table_connect(db, declaration, argc, argv, vtab_out, message_out);
}

static bool take_constraint(struct tk_plan *plan, sqlite3_index_info *info, int index) {
  const struct sqlite3_index_constraint *constraint = &info->aConstraint[index];
  switch (constraint->iColumn) {
    case TRACE_ID:
      return tk_plan_add_trace_id(plan, info, index);
    case SPAN_ID:
      return constraint->op == SQLITE_INDEX_CONSTRAINT_EQ &&
             tk_plan_add(plan, info, index, TK_TERM_ID);
    case SCOPE:
    case KEY:
    case TYPE:
      return tk_plan_add(plan, info, index, TK_TERM_TEXT);
    case VALUE:
      return strcmp(sqlite3_vtab_collation(info, index), "BINARY") == 0 &&
             tk_plan_add(plan, info, index, TK_TERM_NONE);
    default:
      return false;
  }
}

static int best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  const struct tk_reader *reader = ((struct tk_reader_table *)base)->reader;
  struct tk_plan plan = {.size = 0};
  double rows = 100;

  for (uint32_t s = 0; s < reader->segment_count; s++) {
    rows += 16.0 * reader->segments[s].span_count;
  }
  for (int i = 0; i < info->nConstraint; i++) {
    if (take_constraint(&plan, info, i)) rows /= 10;
  }
  if (info->idxNum && rows > 300) rows = 300;
  info->estimatedRows = (sqlite3_int64)rows + 1;
  info->estimatedCost = rows + 30;
  return tk_plan_finish(&plan, info);
}

static int open_cursor(sqlite3_vtab *base, sqlite3_vtab_cursor **cursor_out) {
  struct attributes_cursor *cursor = sqlite3_malloc64(sizeof *cursor);
  (void)base;
  if (!cursor) return SQLITE_NOMEM;
  memset(cursor, 0, sizeof *cursor);
  *cursor_out = &cursor->base;
  return SQLITE_OK;
}

static void reset_cursor(struct attributes_cursor *cursor) {
  close_segment(cursor);
  tk_terms_reset(&cursor->terms);
  tk_range_walk_reset(&cursor->walk);
  cursor->entry_count = cursor->entry_index = 0;
  tk_arena_reset(&cursor->arena);
}

static int close_cursor(sqlite3_vtab_cursor *base) {
  struct attributes_cursor *cursor = (struct attributes_cursor *)base;
  reset_cursor(cursor);
  sqlite3_free(cursor->entries);
  sqlite3_free(cursor);
  return SQLITE_OK;
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                  sqlite3_value **argv) {
  struct attributes_cursor *cursor = (struct attributes_cursor *)base;
  struct tk_error error = {{0}};
  enum tk_status status;

  reset_cursor(cursor);
  status = tk_range_walk_begin(&cursor->walk, &cursor->terms, plan != 0, reader_of(cursor),
                               plan_text, argc, argv, &error);
  for (int scope = 0; scope < SCOPE_COUNT; scope++) {
    const char *name = tk_attribute_scope_name(scope);
    const struct tk_text text = {name, (uint32_t)strlen(name)};
    cursor->scopes[scope] = tk_terms_accept_text(&cursor->terms, SCOPE, text);
  }
  if (status == TK_OK) status = fill(cursor, &error);
  return tk_vtab_fail(base->pVtab, status, &error);
}

static int next_row(sqlite3_vtab_cursor *base) {
  struct attributes_cursor *cursor = (struct attributes_cursor *)base;
  struct tk_error error = {{0}};
  cursor->entry_index++;
  return tk_vtab_fail(base->pVtab, fill(cursor, &error), &error);
}

static int at_end(sqlite3_vtab_cursor *base) {
  const struct attributes_cursor *cursor = (struct attributes_cursor *)base;
  return cursor->entry_index >= cursor->entry_count;
}

/* What says which attribute it is does not fit 64 bits, so this is a hash of it: the same in every
 * plan, as SQLite needs it for OR. */
static int give_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid_out) {
  const struct attributes_cursor *cursor = (struct attributes_cursor *)base;
  const struct entry *entry = &cursor->entries[cursor->entry_index];
  const uint64_t identity[] = {(uint64_t)cursor->segment->summary.id,
                               (uint64_t)entry->row << 32 | entry->item,
                               (uint64_t)entry->at << 32 | entry->column,
                               (uint64_t)entry->scope << 1 | (uint64_t)entry->is_extra};
  *rowid_out = (sqlite3_int64)(tk_hash64(identity, sizeof identity) >> 1);
  return SQLITE_OK;
}

/* ---- columns ---- */

/* The attribute of an entry, whose value lives in the cursor's arena; `position` is its place in
 * the list of its owner, -1 if that takes the whole list to know. */
static enum tk_status read_attribute(struct attributes_cursor *cursor, const struct entry *entry,
                                     struct tk_attribute *attribute, int64_t *position,
                                     struct tk_error *error) {
  if (entry->scope >= ITEM_SCOPES) {
    *attribute = attributes_of_code(cursor, entry->scope, entry->item)->items[entry->at];
    *position = entry->at;
    return TK_OK;
  }
  if (entry->is_extra) {
    struct tk_extra *extras;
    uint32_t count;
    enum tk_status status = decode_extras(cursor, entry->scope, entry->at, &extras, &count, error);
    if (status != TK_OK) return status;
    *attribute = extras[entry->column].attribute;
    *position = extras[entry->column].position;
    return TK_OK;
  }
  attribute->key = cursor->segment->columns[entry->column].key;
  *position = -1;
  return tk_attribute_value(reader_of(cursor), cursor->segment, entry->column, entry->at,
                            &cursor->arena, &attribute->value, error);
}

/* The place of a stored column's value: of the first attribute with that key and type. */
static enum tk_status find_position(struct attributes_cursor *cursor, const struct entry *entry,
                                    int64_t *position, struct tk_error *error) {
  const struct tk_segment_column *column = &cursor->segment->columns[entry->column];
  struct tk_attributes attributes;
  enum tk_status status = tk_reader_attributes(reader_of(cursor), cursor->segment, entry->scope,
                                               entry->item, &cursor->arena, &attributes, error);
  if (status != TK_OK) return status;
  for (*position = 0; *position < attributes.count; ++*position) {
    const struct tk_attribute *attribute = &attributes.items[*position];
    if (attribute->value.type == column->type && tk_text_equal(attribute->key, column->key)) break;
  }
  return TK_OK;
}

static enum tk_status give_attribute(struct attributes_cursor *cursor, sqlite3_context *context,
                                     enum column column, struct tk_error *error) {
  const struct entry *entry = &cursor->entries[cursor->entry_index];
  struct tk_attribute attribute = {{NULL, 0}, {.type = TK_VALUE_EMPTY}};
  int64_t position;
  enum tk_status status = read_attribute(cursor, entry, &attribute, &position, error);

  if (status != TK_OK) return status;
  if (column == KEY) {
    if (!attribute.key.data) attribute.key.data = "";
    tk_result_text(context, attribute.key);
  } else if (column == VALUE) {
    tk_result_value(context, &attribute.value);
  } else if (column == TYPE) {
    sqlite3_result_text(context, tk_value_type_name(attribute.value.type), -1, SQLITE_STATIC);
  } else {
    if (position < 0) status = find_position(cursor, entry, &position, error);
    if (status == TK_OK) sqlite3_result_int64(context, position);
  }
  return status;
}

static enum tk_status give_span(struct attributes_cursor *cursor, sqlite3_context *context,
                                enum column column, struct tk_error *error) {
  struct tk_reader *reader = reader_of(cursor);
  const struct tk_segment *segment = cursor->segment;
  const uint32_t row = cursor->entries[cursor->entry_index].row;
  const uint32_t *traces;
  struct tk_text service;
  const uint8_t *id;
  enum tk_status status;

  if (column == TRACE_ID) {
    status =
        tk_reader_traces(reader, segment, tk_segment_granule_of_row(segment, row), &traces, error);
    return status == TK_OK ? tk_give_trace_id(context, reader, segment, traces[row], error)
                           : status;
  }
  if (column == SPAN_ID) {
    status = tk_fixed_value(reader, segment, TK_COL_SPAN_ID, row, &id, error);
    if (status == TK_OK) tk_result_hex(context, id, 8);
    return status;
  }
  status = tk_row_service(reader, segment, row, &service, error);
  if (status == TK_OK) tk_result_text(context, service);
  return status;
}

static int give_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  struct attributes_cursor *cursor = (struct attributes_cursor *)base;
  const struct entry *entry = &cursor->entries[cursor->entry_index];
  const enum column column = (enum column)number;
  struct tk_error error = {{0}};
  enum tk_status status = TK_OK;

  switch (column) {
    case TRACE_ID:
    case SPAN_ID:
    case SERVICE:
      status = give_span(cursor, context, column, &error);
      break;
    case SCOPE:
      sqlite3_result_text(context, tk_attribute_scope_name(entry->scope), -1, SQLITE_STATIC);
      break;
    case ITEM_ORDINAL:
      if (entry->scope != TK_SCOPE_EVENT && entry->scope != TK_SCOPE_LINK) break;
      sqlite3_result_int64(context, entry->item - cursor->first_items[entry->scope][entry->row]);
      break;
    case KEY:
    case VALUE:
    case TYPE:
    case ORDINAL:
    default:
      status = give_attribute(cursor, context, column, &error);
      tk_arena_reset(&cursor->arena);
  }
  if (status != TK_OK) tk_result_fail(context, status, &error);
  return SQLITE_OK;
}

int tk_register_attributes(sqlite3 *db) {
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
  return sqlite3_create_module_v2(db, "tracekeep_span_attributes", &module, NULL, NULL);
}
