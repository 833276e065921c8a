/* SPDX-License-Identifier: MIT
 * Rules about the attributes of spans, events and links. Attributes go by key: of the keys that the
 * rows have, the columns that can matter; then those without a column of their own, the extras. */
#include <string.h>

#include "sqlext/quality/span_rows.h"
#include "store/codec/value_codec.h"

/* ---- attributes ---- */

static void note_attribute(const struct span_rows *rows, enum tk_attribute_scope scope,
                           struct tk_text key) {
  tk_quality_note_text(&rows->quality->findings, "key", key);
  tk_quality_note_word(&rows->quality->findings, "scope", tk_attribute_scope_name(scope));
}

/* Values that are known to be long, empty, secret. */
static void report_long(const struct span_rows *rows, enum tk_attribute_scope scope, uint32_t row,
                        struct tk_text key, uint32_t size) {
  struct quality_findings *findings = &rows->quality->findings;
  const int64_t most = tk_quality_threshold(rows->quality, RULE_ATTR_TOO_LONG);
  if (!tk_span_rows_report(rows, RULE_ATTR_TOO_LONG, row)) return;
  tk_quality_say(findings, "the value of ");
  tk_quality_say_text(findings, key);
  tk_quality_say(findings, " has %u bytes, expected at most %lld", size, (long long)most);
  note_attribute(rows, scope, key);
  tk_quality_note_unsigned(findings, "found", size);
  tk_quality_note_int(findings, "expected_at_most", most);
}

static void report_null(const struct span_rows *rows, enum tk_attribute_scope scope, uint32_t row,
                        struct tk_text key) {
  if (!tk_span_rows_report(rows, RULE_ATTR_NULL_VALUE, row)) return;
  tk_quality_say(&rows->quality->findings, "the attribute ");
  tk_quality_say_text(&rows->quality->findings, key);
  tk_quality_say(&rows->quality->findings, " has no value");
  note_attribute(rows, scope, key);
}

static void check_secret(const struct span_rows *rows, enum tk_attribute_scope scope, uint32_t row,
                         struct tk_text key, struct tk_text value) {
  const char *kind = tk_quality_secret_kind(key, value);
  if (!kind || !tk_span_rows_report(rows, RULE_SECRET_SUSPECT, row)) return;
  tk_quality_say(&rows->quality->findings, "the value of ");
  tk_quality_say_text(&rows->quality->findings, key);
  tk_quality_say(&rows->quality->findings, " looks like %s", kind);
  note_attribute(rows, scope, key);
  tk_quality_note_word(&rows->quality->findings, "looks_like", kind);
}

static bool may_be_long(struct tk_text key) {
  return !text_is(key, "exception.stacktrace");
}

static void check_value(const struct span_rows *rows, enum tk_attribute_scope scope, uint32_t row,
                        struct tk_text key, uint32_t type, struct tk_text text) {
  struct quality *quality = rows->quality;
  if (type == TK_VALUE_EMPTY) {
    if (tk_quality_wants(quality, RULE_ATTR_NULL_VALUE)) report_null(rows, scope, row, key);
    return;
  }
  if (type != TK_VALUE_STRING && type != TK_VALUE_BYTES) return;
  if (tk_quality_wants(quality, RULE_ATTR_TOO_LONG) && may_be_long(key) &&
      text.size > tk_quality_threshold(quality, RULE_ATTR_TOO_LONG)) {
    report_long(rows, scope, row, key, text.size);
  }
  if (type == TK_VALUE_STRING && tk_quality_wants(quality, RULE_SECRET_SUSPECT)) {
    check_secret(rows, scope, row, key, text);
  }
}

/* Whether the values of a column have to be looked at: not if its dictionary has no long one. */
static enum tk_status is_of_interest(const struct span_rows *rows, uint32_t index, bool *is_out,
                                     struct tk_error *error) {
  const struct quality *quality = rows->quality;
  const struct tk_segment_column *stored = &rows->segment->columns[index];
  uint8_t *state = &quality->lookup->long_states[index];
  const struct tk_column *column;

  *is_out = false;
  if (stored->type == TK_VALUE_EMPTY) *is_out = tk_quality_wants(quality, RULE_ATTR_NULL_VALUE);
  if (stored->type != TK_VALUE_STRING && stored->type != TK_VALUE_BYTES) return TK_OK;
  *is_out = stored->type == TK_VALUE_STRING && tk_quality_wants(quality, RULE_SECRET_SUSPECT);
  if (*is_out || !tk_quality_wants(quality, RULE_ATTR_TOO_LONG) || !may_be_long(stored->key)) {
    return TK_OK;
  }
  if (*state == LONG_UNKNOWN) {
    enum tk_status status = tk_reader_column(quality->reader, rows->segment, index, &column, error);
    if (status != TK_OK) return status;
    *state = column->has_dictionary ? NO_LONG : SOME_LONG;
    for (uint32_t c = 0; column->has_dictionary && c < column->dictionary_count; c++) {
      const uint32_t size = tk_column_dictionary_entry(column, c).size;
      if (size > tk_quality_threshold(quality, RULE_ATTR_TOO_LONG)) *state = SOME_LONG;
    }
  }
  *is_out = *state == SOME_LONG;
  return TK_OK;
}

static enum tk_status check_column(const struct span_rows *rows, enum tk_attribute_scope scope,
                                   uint32_t index, const uint32_t *first, uint32_t begin,
                                   uint32_t end, struct tk_error *error) {
  struct tk_reader *reader = rows->quality->reader;
  const struct tk_segment_column *stored = &rows->segment->columns[index];
  const struct tk_column *column = NULL;
  const uint32_t *values;
  uint32_t row = rows->begin, low = UINT32_MAX, high = 0;
  enum tk_status status =
      tk_reader_value_index(reader, rows->segment, index,
                            scope == TK_SCOPE_SPAN ? rows->granule : TK_ALL, &values, error);
  if (status != TK_OK) return status;
  for (uint32_t item = begin; item < end; item++) { /* values of following items follow */
    if (values[item] == UINT32_MAX) continue;
    if (low == UINT32_MAX) low = values[item];
    high = values[item];
  }
  if (low == UINT32_MAX) return TK_OK;
  if (stored->type != TK_VALUE_EMPTY) {
    status = tk_reader_values(reader, rows->segment, index, low, high + 1, &column, error);
  }
  for (uint32_t item = begin; item < end && status == TK_OK; item++) {
    if (values[item] == UINT32_MAX) continue;
    row = span_row_of_item(first, item, row);
    check_value(rows, scope, row, stored->key, stored->type,
                column ? tk_column_text(column, values[item]) : (struct tk_text){NULL, 0});
  }
  return status;
}

/* The columns that items [begin, end) have by their keysets. */
static enum tk_status find_used(const struct span_rows *rows, enum tk_attribute_scope scope,
                                uint32_t begin, uint32_t end, uint32_t *count_out,
                                struct tk_error *error) {
  struct quality_lookup *lookup = rows->quality->lookup;
  const struct tk_keysets *keysets = &rows->segment->keysets[scope];
  struct tk_ints codes;
  int64_t last = -1;
  uint32_t count = 0;
  enum tk_status status = TK_OK;

  *count_out = 0;
  if (keysets->count == 0) return TK_OK;
  if (scope == TK_SCOPE_SPAN) {
    status = tk_row_ints(rows->quality->reader, rows->segment, TK_COL_KEYSET, rows->granule, &codes,
                         error);
  } else {
    status = tk_span_rows_item_ints(rows, tk_quality_columns_of[scope].keyset, begin, end, &codes,
                                    error);
  }
  if (status != TK_OK) return status;
  for (uint32_t item = begin; item < end; item++) {
    const int64_t code = tk_ints_at(codes, item);
    if (code == last) continue;
    last = code;
    const struct tk_keyset *keyset = &keysets->items[code];
    for (uint32_t i = 0; i < keyset->count; i++) {
      if (lookup->used[keyset->columns[i]]) continue;
      lookup->used[keyset->columns[i]] = 1;
      lookup->used_list[count++] = keyset->columns[i];
    }
  }
  for (uint32_t i = 0; i < count; i++) lookup->used[lookup->used_list[i]] = 0;
  *count_out = count;
  return TK_OK;
}

static uint32_t lower_bound(struct tk_ints values, uint32_t count, int64_t wanted) {
  uint32_t low = 0, high = count;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (tk_ints_at(values, middle) < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/* Calls `take` for the extras of each item in [begin, end) that has some. */
static enum tk_status each_extras(
    const struct span_rows *rows, enum tk_attribute_scope scope, uint32_t begin, uint32_t end,
    void (*take)(const struct span_rows *rows, enum tk_attribute_scope scope, uint32_t item,
                 const struct tk_extra *extras, uint32_t count, void *context),
    void *context, struct tk_error *error) {
  const uint32_t index = rows->segment->fixed[tk_quality_columns_of[scope].extra_row];
  const struct tk_column *items;
  struct tk_arena *arena = &rows->quality->lookup->arena;
  if (index == TK_NO_COLUMN || begin >= end) return TK_OK;
  const uint32_t count = rows->segment->columns[index].value_count;
  enum tk_status status =
      tk_reader_values(rows->quality->reader, rows->segment, index, 0, count, &items, error);
  if (status != TK_OK) return status;
  for (uint32_t at = lower_bound(items->ints, count, begin);
       at < count && tk_ints_at(items->ints, at) < end && status == TK_OK; at++) {
    struct tk_text text;
    struct tk_extra *extras;
    uint32_t extra_count;
    status = tk_text_value(rows->quality->reader, rows->segment, tk_quality_columns_of[scope].extra,
                           at, &text, error);
    if (status == TK_OK) {
      status = tk_extras_decode((const uint8_t *)text.data, text.size, arena, &extras, &extra_count,
                                error);
    }
    if (status == TK_OK) {
      take(rows, scope, (uint32_t)tk_ints_at(items->ints, at), extras, extra_count, context);
    }
    tk_arena_reset(arena);
  }
  return status;
}

struct item_rows {
  const uint32_t *first;
  uint32_t row;
};

static void check_extras(const struct span_rows *rows, enum tk_attribute_scope scope, uint32_t item,
                         const struct tk_extra *extras, uint32_t count, void *context) {
  struct item_rows *place = context;
  place->row = span_row_of_item(place->first, item, place->row);
  for (uint32_t i = 0; i < count; i++) {
    const struct tk_value *value = &extras[i].attribute.value;
    const bool is_text = value->type == TK_VALUE_STRING || value->type == TK_VALUE_BYTES;
    const struct tk_text text = {is_text ? value->as.text : NULL, is_text ? value->size : 0};
    check_value(rows, scope, place->row, extras[i].attribute.key, value->type, text);
  }
}

enum tk_status tk_check_attributes(const struct span_rows *rows, struct tk_error *error) {
  for (int number = 0; number < ITEM_SCOPES; number++) {
    const enum tk_attribute_scope scope = (enum tk_attribute_scope)number;
    struct item_rows place = {.row = rows->begin};
    uint32_t begin, end, used;
    enum tk_status status = tk_span_rows_items(rows, scope, &place.first, &begin, &end, error);
    if (status == TK_OK) status = find_used(rows, scope, begin, end, &used, error);
    for (uint32_t i = 0; status == TK_OK && i < used; i++) {
      const uint32_t index = rows->quality->lookup->used_list[i];
      bool is;
      status = is_of_interest(rows, index, &is, error);
      if (status == TK_OK && is) {
        status = check_column(rows, scope, index, place.first, begin, end, error);
      }
    }
    if (status == TK_OK) status = each_extras(rows, scope, begin, end, check_extras, &place, error);
    if (status != TK_OK) return status;
  }
  return TK_OK;
}

/* ---- how many attributes ---- */

static void add_extra_count(const struct span_rows *rows, enum tk_attribute_scope scope,
                            uint32_t item, const struct tk_extra *extras, uint32_t count,
                            void *context) {
  uint32_t *counts = context;
  (void)scope, (void)extras;
  counts[item - rows->begin] += count;
}

enum tk_status tk_check_attribute_counts(const struct span_rows *rows, struct tk_error *error) {
  const struct tk_keysets *keysets = &rows->segment->keysets[TK_SCOPE_SPAN];
  const int64_t most = tk_quality_threshold(rows->quality, RULE_ATTR_TOO_MANY);
  struct tk_ints codes;
  uint32_t *counts = sqlite3_malloc64((uint64_t)(rows->end - rows->begin) * sizeof *counts);
  if (!counts) return tk_nomem(error);
  enum tk_status status = tk_row_ints(rows->quality->reader, rows->segment, TK_COL_KEYSET,
                                      rows->granule, &codes, error);
  for (uint32_t row = rows->begin; row < rows->end && status == TK_OK; row++) {
    counts[row - rows->begin] =
        keysets->count > 0 ? keysets->items[tk_ints_at(codes, row)].count : 0;
  }
  if (status == TK_OK) {
    status =
        each_extras(rows, TK_SCOPE_SPAN, rows->begin, rows->end, add_extra_count, counts, error);
  }
  for (uint32_t row = rows->begin; row < rows->end && status == TK_OK; row++) {
    const uint32_t count = counts[row - rows->begin];
    if (count <= most || !tk_span_rows_report(rows, RULE_ATTR_TOO_MANY, row)) continue;
    tk_quality_say(&rows->quality->findings, "the span has %u attributes, expected at most %lld",
                   count, (long long)most);
    tk_quality_note_unsigned(&rows->quality->findings, "found", count);
    tk_quality_note_int(&rows->quality->findings, "expected_at_most", most);
  }
  sqlite3_free(counts);
  return status;
}

/* ---- old and new names ---- */

static enum tk_status read_as_text(const struct span_rows *rows, uint32_t index, uint32_t at,
                                   char number[24], struct tk_text *text_out,
                                   struct tk_error *error) {
  const struct tk_column *column;
  enum tk_status status =
      tk_reader_values(rows->quality->reader, rows->segment, index, at, at + 1, &column, error);
  if (status != TK_OK) return status;
  if (rows->segment->columns[index].type == TK_VALUE_INT) {
    sqlite3_snprintf(24, number, "%lld", (long long)tk_ints_at(column->ints, at));
    *text_out = (struct tk_text){number, (uint32_t)strlen(number)};
  } else {
    *text_out = tk_column_text(column, at);
  }
  return TK_OK;
}

static enum tk_status compare_names(const struct span_rows *rows, uint32_t which,
                                    struct tk_error *error) {
  struct tk_reader *reader = rows->quality->reader;
  const struct quality_lookup *lookup = rows->quality->lookup;
  const uint32_t index = lookup->pairs[which].column, old = lookup->pairs[which].old_column;
  const uint32_t *values, *old_values;
  char number[24], old_number[24];
  enum tk_status status =
      tk_reader_value_index(reader, rows->segment, index, rows->granule, &values, error);
  if (status == TK_OK) {
    status = tk_reader_value_index(reader, rows->segment, old, rows->granule, &old_values, error);
  }
  for (uint32_t row = rows->begin; row < rows->end && status == TK_OK; row++) {
    struct tk_text text, old_text;
    if (values[row] == UINT32_MAX || old_values[row] == UINT32_MAX) continue;
    status = read_as_text(rows, index, values[row], number, &text, error);
    if (status == TK_OK) {
      status = read_as_text(rows, old, old_values[row], old_number, &old_text, error);
    }
    if (status != TK_OK || tk_text_equal(text, old_text) ||
        !tk_span_rows_report(rows, RULE_DUP_NAMES_DISAGREE, row)) {
      continue;
    }
    struct quality_findings *findings = &rows->quality->findings;
    tk_quality_say(findings, "%s is ", tk_renamed_attributes[lookup->pairs[which].pair].name);
    tk_quality_say_text(findings, text);
    tk_quality_say(findings, ", and by its old name %s it is ",
                   tk_renamed_attributes[lookup->pairs[which].pair].old_name);
    tk_quality_say_text(findings, old_text);
    tk_quality_note_word(findings, "key", tk_renamed_attributes[lookup->pairs[which].pair].name);
    tk_quality_note_text(findings, "value", text);
    tk_quality_note_word(findings, "old_key",
                         tk_renamed_attributes[lookup->pairs[which].pair].old_name);
    tk_quality_note_text(findings, "old_value", old_text);
  }
  return status;
}

enum tk_status tk_check_old_names(const struct span_rows *rows, struct tk_error *error) {
  enum tk_status status = TK_OK;
  for (uint32_t i = 0; i < rows->quality->lookup->pair_count && status == TK_OK; i++) {
    status = compare_names(rows, i, error);
  }
  return status;
}
