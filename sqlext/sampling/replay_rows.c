/* SPDX-License-Identifier: MIT
 * Asks the spans of a trace what a program wants to know. See replay_rows.h.
 *
 * Policies on attributes are worked out once for each entry of a dictionary and once for each
 * resource; what remains is a look at two small arrays for each span. Columns are decoded granule
 * by granule, when the first trace of a granule is asked about. */
#include "sqlext/sampling/replay_rows.h"

#include <string.h>

#include "sqlext/consistent_sampling.h"
#include "sqlext/table_support.h"
#include "store/value_codec.h"

enum { NOT_ASKED, NO, YES };

/* ---- opening ---- */

static enum tk_status bind_attribute(struct tk_replay_segment *segment,
                                     enum tk_attribute_scope scope, struct tk_text key,
                                     struct tk_replay_attribute *attribute,
                                     struct tk_error *error) {
  uint32_t found[TK_VALUE_BYTES + 1], count = 0;
  for (int type = TK_VALUE_EMPTY; type <= TK_VALUE_BYTES; type++) {
    const uint32_t index =
        tk_segment_find_attribute(segment->segment, scope, key, (enum tk_value_type)type);
    if (index != TK_NO_COLUMN) found[count++] = index;
  }
  attribute->granule = TK_ALL - 1;
  attribute->part_count = count;
  attribute->parts = tk_arena_alloc(&segment->arena, count * sizeof *attribute->parts);
  if (!attribute->parts) return tk_nomem(error);
  for (uint32_t i = 0; i < count; i++) {
    attribute->parts[i] = (struct tk_replay_part){.index = found[i],
                                                  .type = segment->segment->columns[found[i]].type};
  }
  return TK_OK;
}

static struct tk_text key_of(const struct tk_leaf *leaf) {
  switch ((int)leaf->kind) {
    case TK_LEAF_STRING:
      return leaf->policy->as.string_attribute.key;
    case TK_LEAF_NUMERIC:
      return leaf->policy->as.numeric_attribute.key;
    default:
      return leaf->policy->as.boolean_attribute.key;
  }
}

static bool is_attribute_leaf(const struct tk_leaf *leaf) {
  return leaf->kind == TK_LEAF_STRING || leaf->kind == TK_LEAF_NUMERIC ||
         leaf->kind == TK_LEAF_BOOLEAN;
}

static void *allocate_zeroed(struct tk_arena *arena, size_t size) {
  void *memory = tk_arena_alloc(arena, size);
  if (memory) memset(memory, 0, size);
  return memory;
}

static enum tk_status bind_leaf(struct tk_replay_segment *segment, const struct tk_leaf *leaf,
                                struct tk_replay_memo *memo, struct tk_error *error) {
  if (!is_attribute_leaf(leaf)) return TK_OK;
  enum tk_status status =
      bind_attribute(segment, TK_SCOPE_SPAN, key_of(leaf), &memo->attribute, error);
  if (status != TK_OK) return status;
  memo->by_code = allocate_zeroed(&segment->arena, memo->attribute.part_count * sizeof(void *) + 1);
  memo->by_resource =
      allocate_zeroed(&segment->arena, segment->segment->resource_count + (size_t)1);
  return memo->by_code && memo->by_resource ? TK_OK : tk_nomem(error);
}

static enum tk_status bind_program(struct tk_replay_segment *segment, struct tk_error *error) {
  const struct tk_program *program = segment->program;
  enum tk_status status = TK_OK;
  segment->memos =
      allocate_zeroed(&segment->arena, program->leaf_count * sizeof *segment->memos + 1);
  segment->fields =
      allocate_zeroed(&segment->arena, program->pool.field_count * sizeof *segment->fields + 1);
  if (!segment->memos || !segment->fields) return tk_nomem(error);
  for (uint32_t i = 0; i < program->leaf_count && status == TK_OK; i++) {
    status = bind_leaf(segment, &program->leaves[i], &segment->memos[i], error);
  }
  for (uint32_t i = 0; i < program->pool.field_count && status == TK_OK; i++) {
    const struct tk_keyed_field *field = &program->pool.fields[i];
    if (field->field == TK_FIELD_ATTRIBUTE) {
      status = bind_attribute(segment, TK_SCOPE_SPAN, field->key, &segment->fields[i], error);
    } else if (field->field == TK_FIELD_EVENT_ATTRIBUTE) {
      status = bind_attribute(segment, TK_SCOPE_EVENT, field->key, &segment->fields[i], error);
    }
  }
  segment->has_spans_of_note = segment->segment->fixed[TK_COL_TRACE_STATE] != TK_NO_COLUMN;
  if (program->priority && status == TK_OK) {
    segment->has_spans_of_note |= segment->fields[program->priority->slot].part_count > 0;
  }
  return status;
}

enum tk_status tk_replay_segment_create(struct tk_reader *reader, const struct tk_segment *segment,
                                        struct tk_program *program, struct tk_replay_segment **out,
                                        struct tk_error *error) {
  struct tk_replay_segment *made = sqlite3_malloc64(sizeof *made);
  if (!made) return tk_nomem(error);
  memset(made, 0, sizeof *made);
  made->reader = reader;
  made->segment = segment;
  made->program = program;
  for (int i = 0; i < TK_COL_FIRST_ATTRIBUTE; i++) made->columns[i].granule = TK_ALL - 1;
  const enum tk_status status = bind_program(made, error);
  if (status == TK_OK) {
    *out = made;
  } else {
    tk_replay_segment_free(made);
  }
  return status;
}

void tk_replay_segment_free(struct tk_replay_segment *segment) {
  if (!segment) return;
  tk_arena_reset(&segment->arena);
  tk_arena_reset(&segment->scratch);
  sqlite3_free(segment);
}

/* ---- columns ---- */

enum tk_status tk_replay_column(struct tk_replay_segment *segment, enum tk_column_number number,
                                uint32_t granule, const struct tk_column **column_out,
                                struct tk_error *error) {
  if (segment->columns[number].granule != granule) {
    const enum tk_status status =
        tk_reader_row_column(segment->reader, segment->segment, number, granule,
                             &segment->columns[number].column, error);
    if (status != TK_OK) return status;
    segment->columns[number].granule = granule;
  }
  *column_out = segment->columns[number].column;
  return TK_OK;
}

enum tk_status tk_replay_prepare_part(struct tk_replay_segment *segment,
                                      struct tk_replay_part *part, uint32_t granule,
                                      struct tk_error *error) {
  enum tk_status status = tk_reader_value_index(segment->reader, segment->segment, part->index,
                                                granule, &part->value_index, error);
  if (status != TK_OK || part->type == TK_VALUE_EMPTY) return status;
  const struct tk_segment_column *column = &segment->segment->columns[part->index];
  const uint32_t *first = granule == TK_ALL ? NULL : column->granule_first_value;
  const bool is_last = granule == TK_ALL || granule + 1 == segment->segment->rows.count;
  return tk_reader_values(
      segment->reader, segment->segment, part->index, first ? first[granule] : 0,
      first && !is_last ? first[granule + 1] : column->value_count, &part->values, error);
}

static enum tk_status prepare_attribute(struct tk_replay_segment *segment,
                                        struct tk_replay_attribute *attribute, uint32_t granule,
                                        struct tk_error *error) {
  enum tk_status status = TK_OK;
  if (attribute->granule == granule) return TK_OK;
  for (uint32_t i = 0; i < attribute->part_count && status == TK_OK; i++) {
    status = tk_replay_prepare_part(segment, &attribute->parts[i], granule, error);
  }
  if (status == TK_OK) attribute->granule = granule;
  return status;
}

static enum tk_status resource_of(struct tk_replay_segment *segment, uint32_t granule, uint32_t row,
                                  const struct tk_stored_resource **resource_out,
                                  struct tk_error *error) {
  const struct tk_column *column;
  const enum tk_status status = tk_replay_column(segment, TK_COL_RESOURCE, granule, &column, error);
  if (status != TK_OK) return status;
  const uint64_t code = (uint64_t)tk_replay_int(column, row);
  *resource_out = code < segment->segment->resource_count
                      ? tk_reader_resource(segment->reader, segment->segment->resources[code])
                      : NULL;
  if (*resource_out) return TK_OK;
  return tk_corrupt(error, "segment %lld: row %u: no such resource",
                    (long long)segment->segment->summary.id, (unsigned)row);
}

static enum tk_status scope_of(struct tk_replay_segment *segment, uint32_t granule, uint32_t row,
                               const struct tk_stored_scope **scope_out, struct tk_error *error) {
  const struct tk_column *column;
  const enum tk_status status = tk_replay_column(segment, TK_COL_SCOPE, granule, &column, error);
  if (status != TK_OK) return status;
  const uint64_t code = (uint64_t)tk_replay_int(column, row);
  *scope_out = code < segment->segment->scope_count
                   ? tk_reader_scope(segment->reader, segment->segment->scopes[code])
                   : NULL;
  if (*scope_out) return TK_OK;
  return tk_corrupt(error, "segment %lld: row %u: no such scope",
                    (long long)segment->segment->summary.id, (unsigned)row);
}

static const struct tk_value *find_value(const struct tk_attributes *attributes,
                                         struct tk_text key) {
  for (uint32_t i = 0; i < attributes->count; i++) {
    if (tk_text_equal(attributes->items[i].key, key)) return &attributes->items[i].value;
  }
  return NULL;
}

/* ---- fields of expressions ---- */

struct row {
  struct tk_expression_row base;
  struct tk_replay_segment *segment;
  uint32_t granule, row;
  uint32_t event, first_event; /* of events; UINT32_MAX: a span is asked */
};

static enum tk_status read_attribute(struct tk_replay_segment *segment,
                                     struct tk_replay_attribute *attribute, uint32_t granule,
                                     uint32_t item, struct tk_value *value,
                                     struct tk_error *error) {
  enum tk_status status = prepare_attribute(segment, attribute, granule, error);
  for (uint32_t i = 0; i < attribute->part_count && status == TK_OK; i++) {
    const struct tk_replay_part *part = &attribute->parts[i];
    const uint32_t at = part->value_index[item];
    if (at == UINT32_MAX || part->type == TK_VALUE_EMPTY) continue;
    return tk_attribute_value(segment->reader, segment->segment, part->index, at, &segment->scratch,
                              value, error);
  }
  return status;
}

static void give_text(struct tk_value *value, struct tk_text text) {
  *value = (struct tk_value){
      .type = TK_VALUE_STRING, .size = text.size, .as.text = text.data ? text.data : ""};
}

static enum tk_status read_int(struct row *row, enum tk_column_number number,
                               struct tk_value *value, struct tk_error *error) {
  const struct tk_column *column;
  const enum tk_status status =
      tk_replay_column(row->segment, number, row->granule, &column, error);
  if (status != TK_OK) return status;
  *value = (struct tk_value){.type = TK_VALUE_INT, .as.integer = tk_replay_int(column, row->row)};
  return TK_OK;
}

static enum tk_status read_text(struct row *row, enum tk_column_number number,
                                struct tk_value *value, struct tk_error *error) {
  const struct tk_column *column;
  const enum tk_status status =
      tk_replay_column(row->segment, number, row->granule, &column, error);
  if (status != TK_OK) return status;
  give_text(value, column ? tk_column_text(column, row->row) : (struct tk_text){"", 0});
  return TK_OK;
}

/* Start, end or duration. */
static enum tk_status read_time(struct row *row, enum tk_field field, struct tk_value *value,
                                struct tk_error *error) {
  const int64_t *starts;
  enum tk_status status = read_int(row, TK_COL_DURATION, value, error);
  if (status != TK_OK || field == TK_FIELD_DURATION) return status;
  status =
      tk_reader_starts(row->segment->reader, row->segment->segment, row->granule, &starts, error);
  if (status != TK_OK) return status;
  const uint64_t duration = field == TK_FIELD_END ? (uint64_t)value->as.integer : 0;
  value->as.integer = (int64_t)((uint64_t)starts[row->row] + duration);
  return TK_OK;
}

static enum tk_status read_id(struct row *row, enum tk_field field, struct tk_value *value,
                              struct tk_error *error) {
  static const uint8_t none[8];
  struct tk_reader *reader = row->segment->reader;
  const struct tk_segment *segment = row->segment->segment;
  const uint8_t *bytes = none;
  const uint32_t *index;
  enum tk_status status;
  uint32_t wanted = row->row;
  if (field == TK_FIELD_TRACE_ID) {
    status = tk_reader_traces(reader, segment, row->granule, &index, error);
    if (status == TK_OK) {
      status = tk_fixed_value(reader, segment, TK_COL_TRACE_ID, index[wanted], &bytes, error);
    }
    *value = (struct tk_value){.type = TK_VALUE_BYTES, .size = 16, .as.text = (const char *)bytes};
    return status;
  }
  if (field == TK_FIELD_PARENT_ID) {
    status = tk_reader_parents(reader, segment, row->granule, &index, error);
    if (status != TK_OK) return status;
    wanted = index[wanted];
  }
  if (wanted == UINT32_MAX) {
    status = tk_reader_external_parent(reader, segment, row->row, &bytes, error);
    if (!bytes) bytes = none;
  } else {
    status = tk_fixed_value(reader, segment, TK_COL_SPAN_ID, wanted, &bytes, error);
  }
  *value = (struct tk_value){.type = TK_VALUE_BYTES, .size = 8, .as.text = (const char *)bytes};
  return status;
}

static enum tk_status read_event(struct row *row, enum tk_field field, struct tk_value *value,
                                 struct tk_error *error) {
  struct tk_reader *reader = row->segment->reader;
  const struct tk_segment *segment = row->segment->segment;
  struct tk_text text;
  struct tk_value start;
  enum tk_status status;
  *value = (struct tk_value){.type = TK_VALUE_INT};
  if (row->event == UINT32_MAX) return TK_OK;
  switch ((int)field) {
    case TK_FIELD_EVENT_NAME:
      status = tk_text_value(reader, segment, TK_COL_EVENT_NAME, row->event, &text, error);
      if (status == TK_OK) give_text(value, text);
      return status;
    case TK_FIELD_EVENT_TIME:
      status = read_time(row, TK_FIELD_START, &start, error);
      if (status != TK_OK) return status;
      status =
          tk_int_value(reader, segment, TK_COL_EVENT_TIME, row->event, &value->as.integer, error);
      value->as.integer = (int64_t)((uint64_t)value->as.integer + (uint64_t)start.as.integer);
      return status;
    case TK_FIELD_EVENT_INDEX:
      value->as.integer = row->event - row->first_event;
      return TK_OK;
    default:
      return tk_int_value(reader, segment, TK_COL_EVENT_DROPPED_ATTRIBUTES, row->event,
                          &value->as.integer, error);
  }
}

static enum tk_status read_dictionary(struct row *row, const struct tk_expression *field,
                                      struct tk_value *value, struct tk_error *error) {
  const struct tk_stored_resource *resource;
  const struct tk_stored_scope *scope;
  const struct tk_value *found = NULL;
  enum tk_status status;
  if (field->field == TK_FIELD_RESOURCE_ATTRIBUTE) {
    status = resource_of(row->segment, row->granule, row->row, &resource, error);
    if (status == TK_OK) found = find_value(&resource->resource.attributes, field->key);
  } else {
    status = scope_of(row->segment, row->granule, row->row, &scope, error);
    if (status != TK_OK) return status;
    if (field->field == TK_FIELD_SCOPE_NAME) give_text(value, scope->scope.name);
    if (field->field == TK_FIELD_SCOPE_VERSION) give_text(value, scope->scope.version);
    if (field->field == TK_FIELD_SCOPE_ATTRIBUTE) {
      found = find_value(&scope->scope.attributes, field->key);
    }
  }
  if (status == TK_OK && found) *value = *found;
  return status;
}

static enum tk_status read_field(struct tk_expression_row *base,
                                 const struct tk_expression *expression, struct tk_value *value,
                                 struct tk_error *error) {
  struct row *row = (struct row *)(void *)base;
  *value = (struct tk_value){.type = TK_VALUE_EMPTY};
  switch (expression->field) {
    case TK_FIELD_NAME:
      return read_text(row, TK_COL_NAME, value, error);
    case TK_FIELD_KIND:
      return read_int(row, TK_COL_KIND, value, error);
    case TK_FIELD_STATUS_CODE:
      return read_int(row, TK_COL_STATUS_CODE, value, error);
    case TK_FIELD_STATUS_MESSAGE:
      return read_text(row, TK_COL_STATUS_MESSAGE, value, error);
    case TK_FIELD_TRACE_STATE:
      return read_text(row, TK_COL_TRACE_STATE, value, error);
    case TK_FIELD_FLAGS:
      return read_int(row, TK_COL_FLAGS, value, error);
    case TK_FIELD_DROPPED_ATTRIBUTES:
      return read_int(row, TK_COL_DROPPED_ATTRIBUTES, value, error);
    case TK_FIELD_DROPPED_EVENTS:
      return read_int(row, TK_COL_DROPPED_EVENTS, value, error);
    case TK_FIELD_DROPPED_LINKS:
      return read_int(row, TK_COL_DROPPED_LINKS, value, error);
    case TK_FIELD_START:
    case TK_FIELD_END:
    case TK_FIELD_DURATION:
      return read_time(row, expression->field, value, error);
    case TK_FIELD_TRACE_ID:
    case TK_FIELD_SPAN_ID:
    case TK_FIELD_PARENT_ID:
      return read_id(row, expression->field, value, error);
    case TK_FIELD_ATTRIBUTE:
      return read_attribute(row->segment, &row->segment->fields[expression->slot], row->granule,
                            row->row, value, error);
    case TK_FIELD_EVENT_ATTRIBUTE:
      if (row->event == UINT32_MAX) return TK_OK;
      return read_attribute(row->segment, &row->segment->fields[expression->slot], TK_ALL,
                            row->event, value, error);
    case TK_FIELD_EVENT_NAME:
    case TK_FIELD_EVENT_TIME:
    case TK_FIELD_EVENT_INDEX:
    case TK_FIELD_EVENT_DROPPED_ATTRIBUTES:
      return read_event(row, expression->field, value, error);
    case TK_FIELD_RESOURCE_ATTRIBUTE:
    case TK_FIELD_SCOPE_ATTRIBUTE:
    case TK_FIELD_SCOPE_NAME:
    case TK_FIELD_SCOPE_VERSION:
      return read_dictionary(row, expression, value, error);
    case TK_FIELD_COUNT:
    default:
      return TK_OK;
  }
}

static struct row row_of(struct tk_replay_segment *segment, uint32_t granule, uint32_t row) {
  return (struct row){.base = {.read = read_field, .arena = &segment->scratch},
                      .segment = segment,
                      .granule = granule,
                      .row = row,
                      .event = UINT32_MAX};
}

/* ---- leaves on attributes ---- */

static enum tk_status match_text(const struct tk_leaf *leaf, struct tk_text text, bool *matches,
                                 struct tk_error *error) {
  const struct tk_sampling_texts *values = &leaf->policy->as.string_attribute.values;
  enum tk_status status = TK_OK;
  *matches = false;
  for (uint32_t i = 0; i < values->count && !*matches && status == TK_OK; i++) {
    if (leaf->regexes) {
      status = tk_regex_match(leaf->regexes[i], text, matches, error);
    } else {
      *matches = values->items[i].size > 0 && tk_text_equal(values->items[i], text);
    }
  }
  return status;
}

/* 0 is no bound, as the collector has it. */
static bool match_number(const struct tk_leaf *leaf, int64_t number) {
  const struct tk_sampling_numeric_attribute *wanted = &leaf->policy->as.numeric_attribute;
  return (wanted->min.value == 0 || number >= wanted->min.value) &&
         (wanted->max.value == 0 || number <= wanted->max.value);
}

static enum tk_status match_value(const struct tk_leaf *leaf, const struct tk_value *value,
                                  bool *matches, struct tk_error *error) {
  *matches = false;
  if (leaf->kind == TK_LEAF_STRING && value->type == TK_VALUE_STRING) {
    return match_text(leaf, (struct tk_text){value->as.text ? value->as.text : "", value->size},
                      matches, error);
  }
  if (leaf->kind == TK_LEAF_NUMERIC && value->type == TK_VALUE_INT) {
    *matches = match_number(leaf, value->as.integer);
  }
  if (leaf->kind == TK_LEAF_BOOLEAN && value->type == TK_VALUE_BOOL) {
    *matches = (value->as.integer != 0) == leaf->policy->as.boolean_attribute.value;
  }
  return TK_OK;
}

static enum tk_status match_resource(struct tk_replay_segment *segment, const struct tk_leaf *leaf,
                                     struct tk_replay_memo *memo, uint32_t granule, uint32_t row,
                                     uint64_t code, struct tk_error *error) {
  const struct tk_stored_resource *resource;
  bool matches = false;
  enum tk_status status = resource_of(segment, granule, row, &resource, error);
  if (status != TK_OK) return status;
  const struct tk_value *value = find_value(&resource->resource.attributes, key_of(leaf));
  if (value) status = match_value(leaf, value, &matches, error);
  if (status == TK_OK) memo->by_resource[code] = matches ? YES : NO;
  return status;
}

static enum tk_status match_code(struct tk_replay_segment *segment, const struct tk_leaf *leaf,
                                 const struct tk_column *values, uint32_t at, uint8_t **memo,
                                 bool *matches, struct tk_error *error) {
  struct tk_text text;
  enum tk_status status;
  if (!values->has_dictionary) {
    text = values->texts[at];
    *matches = false;
    return text.size > 0 ? match_text(leaf, text, matches, error) : TK_OK;
  }
  if (!*memo) *memo = allocate_zeroed(&segment->arena, values->dictionary_count + (size_t)1);
  if (!*memo) return tk_nomem(error);
  const uint32_t code = tk_column_code(values, at);
  if ((*memo)[code] == NOT_ASKED) {
    text = tk_column_dictionary_entry(values, code);
    *matches = false;
    status = text.size > 0 ? match_text(leaf, text, matches, error) : TK_OK;
    if (status != TK_OK) return status;
    (*memo)[code] = *matches ? YES : NO;
  }
  *matches = (*memo)[code] == YES;
  return TK_OK;
}

static enum tk_status ask_part(struct tk_replay_segment *segment, const struct tk_leaf *leaf,
                               struct tk_replay_memo *memo, uint32_t number,
                               const struct tk_replay_range *range, bool *matches,
                               struct tk_error *error) {
  const struct tk_replay_part *part = &memo->attribute.parts[number];
  enum tk_status status = TK_OK;
  for (uint32_t row = range->begin; row < range->end && !*matches && status == TK_OK; row++) {
    const uint32_t at = part->value_index[row];
    if (at == UINT32_MAX) continue;
    if (leaf->kind == TK_LEAF_STRING && part->type == TK_VALUE_STRING) {
      status = match_code(segment, leaf, part->values, at, &memo->by_code[number], matches, error);
    } else if (leaf->kind == TK_LEAF_NUMERIC && part->type == TK_VALUE_INT) {
      *matches = match_number(leaf, tk_ints_at(part->values->ints, at));
    } else if (leaf->kind == TK_LEAF_BOOLEAN && part->type == TK_VALUE_BOOL) {
      *matches =
          (tk_ints_at(part->values->ints, at) != 0) == leaf->policy->as.boolean_attribute.value;
    }
  }
  return status;
}

static enum tk_status ask_attribute(struct tk_replay_segment *segment, const struct tk_leaf *leaf,
                                    struct tk_replay_memo *memo,
                                    const struct tk_replay_range *range, bool *matches,
                                    struct tk_error *error) {
  const struct tk_column *resources;
  enum tk_status status =
      tk_replay_column(segment, TK_COL_RESOURCE, range->granule, &resources, error);
  for (uint32_t row = range->begin; row < range->end && !*matches && status == TK_OK; row++) {
    const uint64_t code = (uint64_t)tk_replay_int(resources, row);
    if (code >= segment->segment->resource_count || memo->by_resource[code] == NOT_ASKED) {
      status = match_resource(segment, leaf, memo, range->granule, row, code, error);
      if (status != TK_OK) return status;
    }
    *matches = memo->by_resource[code] == YES;
  }
  if (status != TK_OK || *matches || memo->attribute.part_count == 0) return status;
  status = prepare_attribute(segment, &memo->attribute, range->granule, error);
  for (uint32_t i = 0; i < memo->attribute.part_count && !*matches && status == TK_OK; i++) {
    status = ask_part(segment, leaf, memo, i, range, matches, error);
  }
  return status;
}

/* ---- other leaves ---- */

static bool is_key_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '*' ||
         c == '/' || c == '@';
}

/* One member `key=value`, as W3C has it; the key's size, 0 if it is none. */
static uint32_t member_key_size(struct tk_text member) {
  uint32_t size = 0;
  while (size < member.size && is_key_letter(member.data[size])) size++;
  if (size == 0 || size > 256 || size == member.size || member.data[size] != '=') return 0;
  if (member.size - size - 1 == 0 || member.size - size - 1 > 256) return 0;
  for (uint32_t i = size + 1; i < member.size; i++) {
    if (member.data[i] < 0x20 || member.data[i] > 0x7e || member.data[i] == '=') return 0;
  }
  return size;
}

/* A tracestate with a malformed member, a key twice or more than 32 members says nothing at all. */
static bool match_trace_state(const struct tk_leaf *leaf, struct tk_text state) {
  const struct tk_sampling_trace_state *wanted = &leaf->policy->as.trace_state;
  struct tk_text keys[32], member, value = {NULL, 0};
  uint32_t count = 0;
  while (tk_next_part(&state, ',', &member)) {
    member = tk_trim(member);
    if (member.size == 0) continue;
    const uint32_t size = member_key_size(member);
    if (size == 0 || count == 32) return false;
    keys[count] = (struct tk_text){member.data, size};
    for (uint32_t i = 0; i < count; i++) {
      if (tk_text_equal(keys[i], keys[count])) return false;
    }
    if (tk_text_equal(keys[count], wanted->key)) {
      value = (struct tk_text){member.data + size + 1, member.size - size - 1};
    }
    count++;
  }
  for (uint32_t i = 0; i < wanted->values.count && value.data; i++) {
    const struct tk_text one = wanted->values.items[i];
    if (one.size > 0 && wanted->key.size + one.size < 256 && tk_text_equal(one, value)) return true;
  }
  return false;
}

static enum tk_status ask_trace_state(struct tk_replay_segment *segment, const struct tk_leaf *leaf,
                                      const struct tk_replay_range *range, bool *matches,
                                      struct tk_error *error) {
  const struct tk_column *states;
  const enum tk_status status =
      tk_replay_column(segment, TK_COL_TRACE_STATE, range->granule, &states, error);
  if (status != TK_OK || !states) return status;
  for (uint32_t row = range->begin; row < range->end && !*matches; row++) {
    *matches = match_trace_state(leaf, tk_column_text(states, row));
  }
  return TK_OK;
}

static enum tk_status ask_status(struct tk_replay_segment *segment, const struct tk_leaf *leaf,
                                 const struct tk_replay_range *range, bool *matches,
                                 struct tk_error *error) {
  const struct tk_column *codes;
  const enum tk_status status =
      tk_replay_column(segment, TK_COL_STATUS_CODE, range->granule, &codes, error);
  if (status != TK_OK) return status;
  for (uint32_t row = range->begin; row < range->end && !*matches; row++) {
    const int64_t code = tk_replay_int(codes, row);
    *matches = code >= 0 && code < 32 && (leaf->policy->as.status_code.codes >> code & 1);
  }
  return TK_OK;
}

static enum tk_status ask_flags(struct tk_replay_segment *segment,
                                const struct tk_replay_range *range, bool *matches,
                                struct tk_error *error) {
  const struct tk_column *flags;
  const enum tk_status status =
      tk_replay_column(segment, TK_COL_FLAGS, range->granule, &flags, error);
  if (status != TK_OK) return status;
  for (uint32_t row = range->begin; row < range->end && !*matches; row++) {
    *matches = (tk_replay_int(flags, row) & 1) != 0;
  }
  return TK_OK;
}

/* The conditions of a leaf, one after another: the first that holds, or fails, ends it. */
static enum tk_status ask_conditions(const struct tk_leaf *leaf,
                                     const struct tk_expression *const *conditions, uint32_t count,
                                     struct row *row, enum tk_truth *truth,
                                     struct tk_error *error) {
  *truth = TK_FALSE;
  for (uint32_t i = 0; i < count; i++) {
    const enum tk_status status = tk_expression_test(conditions[i], &row->base, truth, error);
    if (status != TK_OK || *truth == TK_TRUE) return status;
    if (*truth == TK_ERROR && leaf->errors_count) return TK_OK;
    *truth = TK_FALSE;
  }
  return TK_OK;
}

static enum tk_status ask_span(struct tk_replay_segment *segment, const struct tk_leaf *leaf,
                               struct row *row, enum tk_truth *truth, struct tk_error *error) {
  const uint32_t *first;
  enum tk_status status =
      ask_conditions(leaf, leaf->conditions, leaf->condition_count, row, truth, error);
  if (status != TK_OK || *truth != TK_FALSE || leaf->event_condition_count == 0) return status;
  status = tk_reader_first_items(segment->reader, segment->segment, TK_SCOPE_EVENT, &first, error);
  if (status != TK_OK || !first) return status;
  row->first_event = first[row->row];
  for (row->event = first[row->row]; row->event < first[row->row + 1] && *truth == TK_FALSE;
       row->event++) {
    status = ask_conditions(leaf, leaf->event_conditions, leaf->event_condition_count, row, truth,
                            error);
    if (status != TK_OK) return status;
  }
  return TK_OK;
}

static enum tk_status ask_expressions(struct tk_replay_segment *segment, const struct tk_leaf *leaf,
                                      const struct tk_replay_range *range, enum tk_truth *truth,
                                      struct tk_error *error) {
  enum tk_status status = TK_OK;
  *truth = TK_FALSE;
  for (uint32_t i = range->begin; i < range->end && *truth == TK_FALSE && status == TK_OK; i++) {
    struct row row = row_of(segment, range->granule, i);
    status = ask_span(segment, leaf, &row, truth, error);
    if (segment->scratch.total_bytes > 1 << 16) tk_arena_reset(&segment->scratch);
  }
  return status;
}

static enum tk_status ask_leaf(struct tk_replay_segment *segment, uint32_t number,
                               const struct tk_replay_range *range, struct tk_replay_facts *facts,
                               struct tk_error *error) {
  const struct tk_leaf *leaf = &segment->program->leaves[number];
  enum tk_status status = TK_OK;
  enum tk_truth truth = TK_FALSE;
  bool matches = false;
  switch (leaf->kind) {
    case TK_LEAF_STRING:
    case TK_LEAF_NUMERIC:
    case TK_LEAF_BOOLEAN:
      status = ask_attribute(segment, leaf, &segment->memos[number], range, &matches, error);
      break;
    case TK_LEAF_STATUS:
      status = ask_status(segment, leaf, range, &matches, error);
      break;
    case TK_LEAF_TRACE_STATE:
      status = ask_trace_state(segment, leaf, range, &matches, error);
      break;
    case TK_LEAF_FLAGS:
      status = ask_flags(segment, range, &matches, error);
      break;
    case TK_LEAF_CONDITION:
      status = ask_expressions(segment, leaf, range, &truth, error);
      matches = truth == TK_TRUE;
      break;
    case TK_LEAF_ROOT:
    case TK_LEAF_HAS_ROOT:
    case TK_LEAF_LATENCY:
    case TK_LEAF_LATENCY_IN_ORDER:
    case TK_LEAF_SPAN_COUNT:
    default:
      break;
  }
  if (status == TK_UNSUPPORTED && error) { /* an expression that takes too long: say whose */
    const struct tk_error inner = *error;
    return tk_fail(error, status, "%s '%.*s': %s", tk_sampling_type_name(leaf->policy->type),
                   (int)leaf->policy->name.size, leaf->policy->name.data, inner.message);
  }
  if (status != TK_OK) return status;
  if (matches) facts->hits[number / 64] |= UINT64_C(1) << (number % 64);
  if (truth == TK_ERROR) facts->errors[number / 64] |= UINT64_C(1) << (number % 64);
  return TK_OK;
}

/* ---- counts and span stages ---- */

static enum tk_status count_rows(struct tk_replay_segment *segment,
                                 const struct tk_replay_range *range, struct tk_replay_facts *facts,
                                 struct tk_error *error) {
  const int64_t *starts;
  const struct tk_column *durations, *codes;
  enum tk_status status;
  if ((status = tk_reader_starts(segment->reader, segment->segment, range->granule, &starts,
                                 error)) != TK_OK ||
      (status = tk_replay_column(segment, TK_COL_DURATION, range->granule, &durations, error)) !=
          TK_OK ||
      (status = tk_replay_column(segment, TK_COL_STATUS_CODE, range->granule, &codes, error)) !=
          TK_OK) {
    return status;
  }
  for (uint32_t row = range->begin; row < range->end; row++) {
    const int64_t end = (int64_t)((uint64_t)starts[row] + (uint64_t)tk_replay_int(durations, row));
    if (facts->span_count == 0 || starts[row] < facts->start) facts->start = starts[row];
    if (facts->span_count == 0 || end > facts->end) facts->end = end;
    facts->span_count++;
    facts->error_count += tk_replay_int(codes, row) == TK_STATUS_ERROR;
  }
  return TK_OK;
}

static enum tk_status ask_span_stages(struct tk_replay_segment *segment,
                                      const struct tk_replay_range *range,
                                      struct tk_replay_facts *facts, struct tk_error *error) {
  const struct tk_program *program = segment->program;
  struct tk_value priority = {.type = TK_VALUE_EMPTY}, state;
  enum tk_status status = TK_OK;
  if (!segment->has_spans_of_note) {
    for (uint32_t s = 0; s < program->span_stage_count; s++) {
      tk_program_add_spans(program, s, (struct tk_text){"", 0}, &priority,
                           range->end - range->begin, facts);
    }
    return TK_OK;
  }
  for (uint32_t i = range->begin; i < range->end && status == TK_OK; i++) {
    struct row row = row_of(segment, range->granule, i);
    status = read_text(&row, TK_COL_TRACE_STATE, &state, error);
    if (status == TK_OK) status = read_field(&row.base, program->priority, &priority, error);
    for (uint32_t s = 0; s < program->span_stage_count && status == TK_OK; s++) {
      tk_program_add_spans(program, s, (struct tk_text){state.as.text, state.size}, &priority, 1,
                           facts);
    }
  }
  return status;
}

enum tk_status tk_replay_ask_rows(struct tk_replay_segment *segment,
                                  const struct tk_replay_range *range,
                                  struct tk_replay_facts *facts, struct tk_error *error) {
  const struct tk_program *program = segment->program;
  enum tk_status status = count_rows(segment, range, facts, error);
  for (uint32_t i = 0; i < program->leaf_count && status == TK_OK; i++) {
    if ((facts->hits[i / 64] | facts->errors[i / 64]) >> (i % 64) & 1) continue;
    status = ask_leaf(segment, i, range, facts, error);
  }
  if (status == TK_OK && program->span_stage_count > 0) {
    status = ask_span_stages(segment, range, facts, error);
  }
  if (segment->scratch.total_bytes > 0) tk_arena_reset(&segment->scratch);
  return status;
}

enum tk_status tk_replay_ask_root(struct tk_replay_segment *segment, uint32_t granule, uint32_t row,
                                  struct tk_replay_facts *facts, struct tk_error *error) {
  const struct tk_program *program = segment->program;
  const struct tk_stored_resource *resource;
  struct row asked = row_of(segment, granule, row);
  struct tk_value name;
  enum tk_status status = resource_of(segment, granule, row, &resource, error);
  if (status == TK_OK) status = read_text(&asked, TK_COL_NAME, &name, error);
  if (status != TK_OK) return status;
  tk_program_choose(program, resource->service, (struct tk_text){name.as.text, name.size}, facts);
  for (uint32_t i = 0; i < program->leaf_count && status == TK_OK; i++) {
    const struct tk_leaf *leaf = &program->leaves[i];
    enum tk_truth truth = TK_FALSE;
    if (leaf->kind != TK_LEAF_ROOT) continue;
    status = ask_conditions(leaf, leaf->conditions, leaf->condition_count, &asked, &truth, error);
    if (truth == TK_TRUE) facts->hits[i / 64] |= UINT64_C(1) << (i % 64);
  }
  if (segment->scratch.total_bytes > 0) tk_arena_reset(&segment->scratch);
  return status;
}
