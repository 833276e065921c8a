/* SPDX-License-Identifier: MIT
 * Fields of a span or an event, as expressions (OTTL conditions, Refinery's rules) name them. */
#include "sqlext/sampling/replay_rows.h"

#include "sqlext/tables/table_support.h"
#include "store/codec/value_codec.h"

static enum tk_status read_attribute(struct tk_replay_segment *segment,
                                     struct tk_replay_attribute *attribute, uint32_t granule,
                                     uint32_t item, struct tk_value *value,
                                     struct tk_error *error) {
  enum tk_status status = tk_replay_prepare_attribute(segment, attribute, granule, error);
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

static enum tk_status read_int(struct tk_replay_row *row, enum tk_column_number number,
                               struct tk_value *value, struct tk_error *error) {
  const struct tk_column *column;
  const enum tk_status status =
      tk_replay_column(row->segment, number, row->granule, &column, error);
  if (status != TK_OK) return status;
  *value = (struct tk_value){.type = TK_VALUE_INT, .as.integer = tk_replay_int(column, row->row)};
  return TK_OK;
}

static enum tk_status read_text(struct tk_replay_row *row, enum tk_column_number number,
                                struct tk_value *value, struct tk_error *error) {
  const struct tk_column *column;
  const enum tk_status status =
      tk_replay_column(row->segment, number, row->granule, &column, error);
  if (status != TK_OK) return status;
  give_text(value, column ? tk_column_text(column, row->row) : (struct tk_text){"", 0});
  return TK_OK;
}

/* Start, end or duration. */
static enum tk_status read_time(struct tk_replay_row *row, enum tk_field field,
                                struct tk_value *value, struct tk_error *error) {
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

static enum tk_status read_id(struct tk_replay_row *row, enum tk_field field,
                              struct tk_value *value, struct tk_error *error) {
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

static enum tk_status read_event(struct tk_replay_row *row, enum tk_field field,
                                 struct tk_value *value, struct tk_error *error) {
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

static enum tk_status read_dictionary(struct tk_replay_row *row, const struct tk_expression *field,
                                      struct tk_value *value, struct tk_error *error) {
  const struct tk_stored_resource *resource;
  const struct tk_stored_scope *scope;
  const struct tk_value *found = NULL;
  enum tk_status status;
  if (field->field == TK_FIELD_RESOURCE_ATTRIBUTE) {
    status = tk_replay_resource_of(row->segment, row->granule, row->row, &resource, error);
    if (status == TK_OK) found = tk_replay_find_value(&resource->resource.attributes, field->key);
  } else {
    status = tk_replay_scope_of(row->segment, row->granule, row->row, &scope, error);
    if (status != TK_OK) return status;
    if (field->field == TK_FIELD_SCOPE_NAME) give_text(value, scope->scope.name);
    if (field->field == TK_FIELD_SCOPE_VERSION) give_text(value, scope->scope.version);
    if (field->field == TK_FIELD_SCOPE_ATTRIBUTE) {
      found = tk_replay_find_value(&scope->scope.attributes, field->key);
    }
  }
  if (status == TK_OK && found) *value = *found;
  return status;
}

static enum tk_status read_field(struct tk_expression_row *base,
                                 const struct tk_expression *expression, struct tk_value *value,
                                 struct tk_error *error) {
  struct tk_replay_row *row = (struct tk_replay_row *)(void *)base;
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

struct tk_replay_row tk_replay_row_of(struct tk_replay_segment *segment, uint32_t granule,
                                      uint32_t row) {
  return (struct tk_replay_row){.base = {.read = read_field, .arena = &segment->scratch},
                                .segment = segment,
                                .granule = granule,
                                .row = row,
                                .event = UINT32_MAX};
}
