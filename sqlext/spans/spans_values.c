/* SPDX-License-Identifier: MIT
 * Values of the columns of `spans` in one segment: late materialisation.
 *
 * A column is bound to a segment when it is first needed there, and a granule of it decoded when
 * a row of that granule is first needed. What depends on the resource or scope of a row is worked
 * out once for each of them. Everything else is an array access. */
#include "sqlext/spans/spans_values.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sqlext/sampling/weight_rows.h"
#include "sqlext/tables/table_support.h"
#include "sqlext/vtab_support.h"
#include "store/codec/value_codec.h"

void tk_spans_scratch_reset(struct spans_scratch *scratch) {
  tk_byte_writer_reset(&scratch->bytes);
  tk_arena_reset(&scratch->arena);
}

/* ---- segments ---- */

enum tk_status tk_spans_segment_open(struct tk_reader *reader, const struct spans_columns *columns,
                                     uint32_t index, struct spans_segment **segment_out,
                                     struct tk_error *error) {
  enum tk_status status;
  size_t bindings_size = columns->count * sizeof(struct spans_binding *);
  struct spans_segment *opened = sqlite3_malloc64(sizeof *opened + bindings_size);

  if (!opened) return tk_nomem(error);
  *opened = (struct spans_segment){.reader = reader, .columns = columns};
  opened->bindings = (struct spans_binding **)(void *)(opened + 1);
  memset(opened->bindings, 0, bindings_size);
  if ((status = tk_reader_segment(reader, index, &opened->segment, error)) != TK_OK) {
    sqlite3_free(opened);
    return status;
  }
  *segment_out = opened;
  return TK_OK;
}

void tk_spans_segment_free(struct spans_segment *segment) {
  if (!segment) return;
  tk_weights_close(segment->weights);
  tk_segment_release(segment->segment);
  tk_arena_reset(&segment->arena);
  sqlite3_free(segment);
}

/* ---- binding ---- */

static enum tk_status bind_attribute(struct spans_segment *segment, struct tk_text key,
                                     struct spans_attribute *attribute, struct tk_error *error) {
  uint32_t found[TK_VALUE_BYTES + 1], count = 0;
  enum tk_value_type types[TK_VALUE_BYTES + 1];

  for (int type = TK_VALUE_EMPTY; type <= TK_VALUE_BYTES; type++) {
    uint32_t index =
        tk_segment_find_attribute(segment->segment, TK_SCOPE_SPAN, key, (enum tk_value_type)type);
    if (index == TK_NO_COLUMN) continue;
    types[count] = (enum tk_value_type)type;
    found[count++] = index;
  }
  attribute->key = key;
  attribute->part_count = count;
  attribute->may_be_unnamed = tk_has_unnamed_keys(segment->segment, TK_SCOPE_SPAN);
  if (count == 0) return TK_OK;
  attribute->parts = tk_arena_alloc(&segment->arena, count * sizeof *attribute->parts);
  if (!attribute->parts) return tk_nomem(error);
  for (uint32_t i = 0; i < count; i++) {
    attribute->parts[i] = (struct spans_part){.index = found[i], .type = types[i]};
  }
  return TK_OK;
}

static enum tk_status bind_codes(struct spans_segment *segment, struct spans_binding *binding,
                                 struct tk_error *error) {
  bool is_scope = tk_spans_is_scope_source(binding->column->source);
  uint32_t count = is_scope ? segment->segment->scope_count : segment->segment->resource_count;

  binding->code_count = count;
  binding->by_code = tk_arena_alloc(&segment->arena, count * sizeof *binding->by_code);
  binding->by_code_filled = tk_arena_alloc(&segment->arena, count);
  if (!binding->by_code || !binding->by_code_filled) return tk_nomem(error);
  memset(binding->by_code_filled, 0, count);
  return TK_OK;
}

static struct tk_text text_of(const char *text) {
  return (struct tk_text){text, (uint32_t)strlen(text)};
}

enum tk_status tk_spans_bind(struct spans_segment *segment, uint32_t column,
                             struct spans_binding **binding_out, struct tk_error *error) {
  enum tk_status status = TK_OK;

  if ((*binding_out = segment->bindings[column]) != NULL) return TK_OK;
  struct spans_binding *binding = tk_arena_alloc(&segment->arena, sizeof *binding);
  if (!binding) return tk_nomem(error);
  *binding = (struct spans_binding){.column = &segment->columns->items[column]};
  enum spans_source source = binding->column->source;
  if (tk_spans_is_resource_source(source) || tk_spans_is_scope_source(source)) {
    status = bind_codes(segment, binding, error);
  } else if (source == SOURCE_SPAN_ATTRIBUTE) {
    binding->attribute_count = 1;
    status = bind_attribute(segment, binding->column->key, &binding->attributes[0], error);
  } else if (source == SOURCE_RUN) {
    status = tk_spans_bind_run(segment, binding, error);
  } else if (source == SOURCE_RESOLVED) {
    const char *const *keys = tk_spans_resolved_keys[binding->column->argument];
    for (uint32_t i = 0; keys[i] && status == TK_OK; i++) {
      status = bind_attribute(segment, text_of(keys[i]), &binding->attributes[i], error);
      binding->attribute_count++;
    }
  }
  if (status == TK_OK) *binding_out = segment->bindings[column] = binding;
  return status;
}

/* ---- decoding a granule ---- */

static enum tk_status prepare_part(struct spans_segment *segment, struct spans_part *part,
                                   uint32_t granule, struct tk_error *error) {
  enum tk_status status = tk_reader_value_index(segment->reader, segment->segment, part->index,
                                                granule, &part->value_index, error);
  if (status != TK_OK || part->type == TK_VALUE_EMPTY) return status;
  const struct tk_segment_column *column = &segment->segment->columns[part->index];
  const uint32_t *first = column->granule_first_value;
  bool last = granule == TK_ALL || granule + 1 == segment->segment->rows.count;
  if (granule == TK_ALL) first = NULL;
  return tk_reader_values(
      segment->reader, segment->segment, part->index, first ? first[granule] : 0,
      first && !last ? first[granule + 1] : column->value_count, &part->values, error);
}

static enum tk_status prepare_attributes(struct spans_segment *segment,
                                         struct spans_binding *binding, uint32_t granule,
                                         struct tk_error *error) {
  enum tk_status status = TK_OK;
  for (uint32_t i = 0; i < binding->attribute_count && status == TK_OK; i++) {
    struct spans_attribute *attribute = &binding->attributes[i];
    for (uint32_t j = 0; j < attribute->part_count && status == TK_OK; j++) {
      status = prepare_part(segment, &attribute->parts[j], granule, error);
    }
  }
  return status;
}

static enum tk_status prepare_trace_ids(struct spans_segment *segment,
                                        struct spans_binding *binding, uint32_t granule,
                                        struct tk_error *error) {
  const struct tk_segment *stored = segment->segment;
  enum tk_status status =
      tk_reader_traces(segment->reader, stored, granule, &segment->traces, error);

  if (status == TK_OK && !binding->data) {
    status = tk_reader_values(segment->reader, stored, stored->fixed[TK_COL_TRACE_ID], 0,
                              stored->summary.trace_count, &binding->data, error);
  }
  if (status != TK_OK || stored->fixed[TK_COL_TRACE_TEXT_ROW] == TK_NO_COLUMN || binding->more) {
    return status;
  }
  return tk_reader_values(segment->reader, stored, stored->fixed[TK_COL_TRACE_TEXT_ROW], 0,
                          stored->columns[stored->fixed[TK_COL_TRACE_TEXT_ROW]].value_count,
                          &binding->more, error);
}

static enum tk_status prepare_weights(struct spans_segment *segment, uint32_t granule,
                                      struct tk_error *error) {
  enum tk_status status = TK_OK;
  if (!segment->weights) {
    status = tk_weights_open(segment->reader, segment->segment, &segment->weights, error);
  }
  return status == TK_OK ? tk_weights_prepare(segment->weights, granule, error) : status;
}

static enum tk_status prepare_span_ids(struct spans_segment *segment, struct spans_binding *binding,
                                       uint32_t granule, struct tk_error *error) {
  enum tk_status status = tk_reader_row_column(segment->reader, segment->segment, TK_COL_SPAN_ID,
                                               granule, &binding->data, error);
  if (status != TK_OK || binding->data) return status;
  return tk_corrupt(error, "segment %lld has no span ids", (long long)segment->segment->summary.id);
}

static enum tk_status prepare_source(struct spans_segment *segment, struct spans_binding *binding,
                                     uint32_t granule, struct tk_error *error) {
  struct tk_reader *reader = segment->reader;
  const struct tk_segment *stored = segment->segment;
  enum spans_source source = binding->column->source;
  enum tk_column_number number = (enum tk_column_number)binding->column->argument;
  enum tk_status status;

  if (tk_spans_is_resource_source(source)) {
    return tk_reader_row_column(reader, stored, TK_COL_RESOURCE, granule, &binding->data, error);
  }
  if (tk_spans_is_scope_source(source)) {
    return tk_reader_row_column(reader, stored, TK_COL_SCOPE, granule, &binding->data, error);
  }
  switch ((int)source) {
    case SOURCE_TRACE_ID:
      return prepare_trace_ids(segment, binding, granule, error);
    case SOURCE_RUN:
      if (!binding->by_code) return TK_OK;
      return tk_reader_traces(reader, stored, granule, &segment->traces, error);
    case SOURCE_ADJUSTED_COUNT:
    case SOURCE_ADJUSTED_SOURCE:
      return prepare_weights(segment, granule, error);
    case SOURCE_PARENT_ID:
      status = tk_reader_parents(reader, stored, granule, &segment->parents, error);
      return status == TK_OK ? prepare_span_ids(segment, binding, granule, error) : status;
    case SOURCE_SPAN_ID:
      return prepare_span_ids(segment, binding, granule, error);
    case SOURCE_ROW_TEXT:
    case SOURCE_ROW_INT:
    case SOURCE_KIND:
    case SOURCE_STATUS:
    case SOURCE_EVENTS_JSON:
    case SOURCE_LINKS_JSON:
      return tk_reader_row_column(reader, stored, number, granule, &binding->data, error);
    case SOURCE_END:
      status =
          tk_reader_row_column(reader, stored, TK_COL_DURATION, granule, &binding->data, error);
      if (status != TK_OK) return status;
      return tk_reader_starts(reader, stored, granule, &segment->starts, error);
    case SOURCE_START:
    case SOURCE_STARTED_AT:
    case SOURCE_BUCKET:
      return tk_reader_starts(reader, stored, granule, &segment->starts, error);
    case SOURCE_DEPTH:
      status = tk_reader_row_column(reader, stored, TK_COL_DEPTH, granule, &binding->data, error);
      if (status != TK_OK || !(stored->summary.flags & TK_SEGMENT_HAS_SPLIT)) return status;
      return tk_spans_tree_compute(segment, granule, error);
    case SOURCE_IS_ROOT:
    case SOURCE_CHILD_COUNT:
    case SOURCE_SELF_TIME:
      return tk_spans_tree_compute(segment, granule, error);
    case SOURCE_RESOLVED:
    case SOURCE_SPAN_ATTRIBUTE:
      return prepare_attributes(segment, binding, granule, error);
    default:
      return TK_OK;
  }
}

enum tk_status tk_spans_prepare(struct spans_segment *segment, struct spans_binding *binding,
                                uint32_t row, struct tk_error *error) {
  enum tk_status status;

  if (segment->whole) {
    segment->granule = TK_ALL;
    segment->granule_begin = 0;
    segment->granule_end = segment->segment->summary.span_count;
  } else if (row < segment->granule_begin || row >= segment->granule_end) {
    uint32_t granule = tk_segment_granule_of_row(segment->segment, row);
    segment->granule = granule;
    segment->granule_begin = granule > 0 ? segment->segment->rows.ends[granule - 1] : 0;
    segment->granule_end = segment->segment->rows.ends[granule];
  }
  if ((status = prepare_source(segment, binding, segment->granule, error)) != TK_OK) return status;
  binding->ready_begin = segment->granule_begin;
  binding->ready_end = segment->granule_end;
  return TK_OK;
}

/* ---- values ---- */

static void set_hex(struct tk_sql_value *value, const uint8_t *bytes, size_t size,
                    struct spans_scratch *scratch) {
  tk_hex_text(bytes, size, scratch->text);
  tk_spans_set_text(value, scratch->text, 2 * size);
}

static void set_name_or_number(struct tk_sql_value *value, const char *name, int64_t number,
                               struct spans_scratch *scratch) {
  if (!name) {
    sqlite3_snprintf(sizeof scratch->text, scratch->text, "%lld", (long long)number);
    name = scratch->text;
  }
  tk_spans_set_text(value, name, strlen(name));
}

static void set_real(struct tk_sql_value *value, int64_t bits) {
  value->type = TK_SQL_REAL;
  memcpy(&value->as.real, &bits, sizeof bits);
  if (isnan(value->as.real)) value->type = TK_SQL_NULL; /* as sqlite3_result_double does */
}

static enum tk_status set_json(struct tk_sql_value *value, const struct tk_value *nested,
                               struct tk_byte_writer *out, struct tk_error *error) {
  out->size = 0;
  tk_json_value(out, nested);
  if (out->failed) {
    tk_byte_writer_reset(out);
    return tk_nomem(error);
  }
  tk_spans_set_text(value, (const char *)out->data, out->size);
  return TK_OK;
}

enum tk_status tk_spans_set_value(struct tk_sql_value *value, const struct tk_value *from,
                                  struct tk_byte_writer *out, struct tk_error *error) {
  int64_t bits;

  switch ((enum tk_value_type)from->type) {
    case TK_VALUE_STRING:
    case TK_VALUE_BYTES:
      tk_spans_set_text(value, from->as.text, from->size);
      if (from->type == TK_VALUE_BYTES) value->type = TK_SQL_BLOB;
      return TK_OK;
    case TK_VALUE_BOOL:
    case TK_VALUE_INT:
      tk_spans_set_int(value, from->as.integer);
      return TK_OK;
    case TK_VALUE_DOUBLE:
      memcpy(&bits, &from->as.real, sizeof bits);
      set_real(value, bits);
      return TK_OK;
    case TK_VALUE_ARRAY:
    case TK_VALUE_KVLIST:
      return set_json(value, from, out, error);
    case TK_VALUE_EMPTY:
    default:
      value->type = TK_SQL_NULL;
      return TK_OK;
  }
}

static enum tk_status set_part_value(const struct spans_part *part, uint32_t index,
                                     struct spans_scratch *scratch, struct tk_sql_value *value,
                                     struct tk_error *error) {
  enum tk_status status;
  struct tk_value decoded;
  struct tk_text text;

  switch (part->type) {
    case TK_VALUE_INT:
    case TK_VALUE_BOOL:
      tk_spans_set_int(value, tk_ints_at(part->values->ints, index));
      return TK_OK;
    case TK_VALUE_DOUBLE:
      set_real(value, tk_ints_at(part->values->ints, index));
      return TK_OK;
    case TK_VALUE_STRING:
    case TK_VALUE_BYTES:
      text = tk_column_text(part->values, index);
      tk_spans_set_text(value, text.data, text.size);
      if (part->type == TK_VALUE_BYTES) value->type = TK_SQL_BLOB;
      return TK_OK;
    case TK_VALUE_ARRAY:
    case TK_VALUE_KVLIST:
      tk_arena_reset(&scratch->arena);
      text = tk_column_text(part->values, index);
      status =
          tk_value_decode((const uint8_t *)text.data, text.size, &scratch->arena, &decoded, error);
      if (status != TK_OK) return status;
      return set_json(value, &decoded, &scratch->bytes, error);
    case TK_VALUE_EMPTY:
    default:
      value->type = TK_SQL_NULL;
      return TK_OK;
  }
}

/* Whether an extra attribute of a row has the key. */
static enum tk_status has_extra(struct spans_segment *segment, struct tk_text key, uint32_t row,
                                struct spans_scratch *scratch, bool *has, struct tk_error *error) {
  struct tk_extra *extras;
  uint32_t count;

  *has = false;
  tk_arena_reset(&scratch->arena);
  enum tk_status status = tk_read_extras(segment->reader, segment->segment, TK_SCOPE_SPAN, row,
                                         &scratch->arena, &extras, &count, error);
  for (uint32_t i = 0; status == TK_OK && i < count && !*has; i++) {
    const struct tk_text found = extras[i].attribute.key;
    *has = found.size == key.size && memcmp(found.data, key.data, key.size) == 0;
  }
  return status;
}

/* A span that has the key with several types: the first in the order received counts. */
static enum tk_status find_first_value(struct spans_segment *segment, struct tk_text key,
                                       uint32_t row, struct spans_scratch *scratch,
                                       struct tk_sql_value *value, struct tk_error *error) {
  struct tk_attributes attributes;
  enum tk_status status;

  tk_arena_reset(&scratch->arena);
  status = tk_reader_attributes(segment->reader, segment->segment, TK_SCOPE_SPAN, row,
                                &scratch->arena, &attributes, error);
  for (uint32_t i = 0; status == TK_OK && i < attributes.count; i++) {
    const struct tk_attribute *item = &attributes.items[i];
    if (item->key.size == key.size && memcmp(item->key.data, key.data, key.size) == 0) {
      return tk_spans_set_value(value, &item->value, &scratch->bytes, error);
    }
  }
  return status;
}

static enum tk_status set_attribute_value(struct spans_segment *segment,
                                          const struct spans_attribute *attribute, uint32_t row,
                                          struct spans_scratch *scratch, struct tk_sql_value *value,
                                          struct tk_error *error) {
  const struct spans_part *found = NULL;

  value->type = TK_SQL_NULL;
  if (attribute->may_be_unnamed) {
    bool has = false;
    enum tk_status status = has_extra(segment, attribute->key, row, scratch, &has, error);
    if (status != TK_OK) return status;
    if (has) return find_first_value(segment, attribute->key, row, scratch, value, error);
  }
  for (uint32_t i = 0; i < attribute->part_count; i++) {
    if (attribute->parts[i].value_index[row] == UINT32_MAX) continue;
    if (found) return find_first_value(segment, attribute->key, row, scratch, value, error);
    found = &attribute->parts[i];
  }
  if (!found) return TK_OK;
  return set_part_value(found, found->value_index[row], scratch, value, error);
}

/* What INTEGER affinity makes of a value. */
static void apply_integer_affinity(struct tk_sql_value *value) {
  char text[64], *end;

  if (value->type == TK_SQL_TEXT && value->as.text.size < sizeof text &&
      tk_looks_numeric(value->as.text)) {
    memcpy(text, value->as.text.data, value->as.text.size);
    text[value->as.text.size] = 0;
    errno = 0;
    long long integer = strpbrk(text, ".eE") ? 0 : strtoll(text, &end, 10);
    if (errno == 0 && !strpbrk(text, ".eE")) {
      tk_spans_set_int(value, integer);
    } else {
      value->type = TK_SQL_REAL;
      value->as.real = strtod(text, &end);
    }
  }
  if (value->type == TK_SQL_REAL && fabs(value->as.real) < 9223372036854775808.0 &&
      value->as.real == floor(value->as.real)) {
    tk_spans_set_int(value, (int64_t)value->as.real);
  }
}

/* What TEXT affinity makes of a value. */
static void apply_text_affinity(struct tk_sql_value *value, struct spans_scratch *scratch) {
  if (value->type == TK_SQL_INT) {
    set_name_or_number(value, NULL, value->as.integer, scratch);
  } else if (value->type == TK_SQL_REAL) {
    sqlite3_snprintf(sizeof scratch->text, scratch->text, "%!.15g", value->as.real);
    tk_spans_set_text(value, scratch->text, strlen(scratch->text));
  }
}

/* rpc.method is fully qualified in current conventions; before, rpc.service stood beside it. */
static enum tk_status set_rpc_method(struct spans_segment *segment, struct spans_binding *binding,
                                     uint32_t row, struct spans_scratch *scratch,
                                     struct tk_sql_value *value, struct tk_error *error) {
  struct tk_sql_value service;
  struct tk_byte_writer joined = {0};
  enum tk_status status =
      set_attribute_value(segment, &binding->attributes[1], row, scratch, &service, error);

  if (status != TK_OK) return status;
  if (service.type == TK_SQL_TEXT && service.as.text.size > 0) {
    tk_byte_writer_append(&joined, service.as.text.data, service.as.text.size);
    tk_byte_writer_append_u8(&joined, '/');
  }
  status = set_attribute_value(segment, &binding->attributes[0], row, scratch, value, error);
  apply_text_affinity(value, scratch);
  if (status != TK_OK || value->type != TK_SQL_TEXT || joined.size == 0 ||
      memchr(value->as.text.data, '/', value->as.text.size)) {
    tk_byte_writer_reset(&joined);
    return status;
  }
  tk_byte_writer_append(&joined, value->as.text.data, value->as.text.size);
  tk_byte_writer_reset(&scratch->bytes);
  scratch->bytes = joined; /* moved */
  if (joined.failed) return tk_nomem(error);
  tk_spans_set_text(value, (const char *)joined.data, joined.size);
  return TK_OK;
}

static enum tk_status set_resolved(struct spans_segment *segment, struct spans_binding *binding,
                                   uint32_t row, struct spans_scratch *scratch,
                                   struct tk_sql_value *value, struct tk_error *error) {
  enum tk_status status = TK_OK;

  if (binding->column->argument == RESOLVED_RPC_METHOD) {
    return set_rpc_method(segment, binding, row, scratch, value, error);
  }
  value->type = TK_SQL_NULL;
  for (uint32_t i = 0; i < binding->attribute_count && value->type == TK_SQL_NULL; i++) {
    const struct spans_attribute *attribute = &binding->attributes[i];
    if (attribute->part_count == 0 && !attribute->may_be_unnamed) continue;
    status = set_attribute_value(segment, &binding->attributes[i], row, scratch, value, error);
    if (status != TK_OK) return status;
  }
  if (binding->column->affinity == AFFINITY_INTEGER) {
    apply_integer_affinity(value);
  } else {
    apply_text_affinity(value, scratch);
  }
  return status;
}

static enum tk_status set_trace_id(struct spans_segment *segment, struct spans_binding *binding,
                                   uint32_t row, struct spans_scratch *scratch,
                                   struct tk_sql_value *value, struct tk_error *error) {
  uint32_t trace = segment->traces[row];

  if (binding->more) { /* some traces of this segment have text ids */
    const struct tk_segment *stored = segment->segment;
    uint32_t low = 0, high = binding->more->value_count;
    while (low < high) {
      uint32_t middle = low + (high - low) / 2;
      if (tk_ints_at(binding->more->ints, middle) < (int64_t)trace) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    if (low < binding->more->value_count &&
        tk_ints_at(binding->more->ints, low) == (int64_t)trace) {
      const struct tk_column *texts;
      enum tk_status status = tk_reader_values(
          segment->reader, stored, stored->fixed[TK_COL_TRACE_TEXT], low, low + 1, &texts, error);
      if (status != TK_OK) return status;
      struct tk_text text = tk_column_text(texts, low);
      tk_spans_set_text(value, text.data, text.size);
      return TK_OK;
    }
  }
  set_hex(value, binding->data->fixed + (size_t)trace * 16, 16, scratch);
  return TK_OK;
}

static enum tk_status set_parent_id(struct spans_segment *segment, struct spans_binding *binding,
                                    uint32_t row, struct spans_scratch *scratch,
                                    struct tk_sql_value *value, struct tk_error *error) {
  uint32_t parent = segment->parents[row];
  const uint8_t *id = NULL;

  if (parent != UINT32_MAX) {
    id = binding->data->fixed + (size_t)parent * 8;
  } else {
    enum tk_status status =
        tk_reader_external_parent(segment->reader, segment->segment, row, &id, error);
    if (status != TK_OK) return status;
  }
  value->type = TK_SQL_NULL;
  if (id) set_hex(value, id, 8, scratch);
  return TK_OK;
}

static enum tk_status set_attributes_json(struct spans_segment *segment, uint32_t row,
                                          struct spans_scratch *scratch, struct tk_sql_value *value,
                                          struct tk_error *error) {
  struct tk_attributes attributes;

  tk_arena_reset(&scratch->arena);
  scratch->bytes.size = 0;
  enum tk_status status = tk_reader_attributes(segment->reader, segment->segment, TK_SCOPE_SPAN,
                                               row, &scratch->arena, &attributes, error);
  if (status != TK_OK) return status;
  tk_json_attributes(&scratch->bytes, &attributes);
  if (scratch->bytes.failed) return tk_nomem(error);
  tk_spans_set_text(value, (const char *)scratch->bytes.data, scratch->bytes.size);
  return TK_OK;
}

static enum tk_status set_items_json(struct spans_segment *segment, struct spans_binding *binding,
                                     uint32_t row, struct spans_scratch *scratch,
                                     struct tk_sql_value *value, struct tk_error *error) {
  struct tk_span span;

  if (!binding->data || tk_ints_at(binding->data->ints, row) == 0) {
    tk_spans_set_text(value, "[]", 2);
    return TK_OK;
  }
  tk_arena_reset(&scratch->arena);
  scratch->bytes.size = 0;
  enum tk_status status =
      tk_reader_spans(segment->reader, segment->segment, row, 1, &scratch->arena, &span, error);
  if (status != TK_OK) return status;
  if (binding->column->source == SOURCE_EVENTS_JSON) {
    tk_json_events(&scratch->bytes, span.events, span.event_count);
  } else {
    tk_json_links(&scratch->bytes, span.links, span.link_count);
  }
  if (scratch->bytes.failed) return tk_nomem(error);
  tk_spans_set_text(value, (const char *)scratch->bytes.data, scratch->bytes.size);
  return TK_OK;
}

/* ---- any column ---- */

static int64_t row_int(const struct spans_binding *binding, uint32_t row) {
  return binding->data ? tk_ints_at(binding->data->ints, row) : 0;
}

static void set_tree_value(const struct spans_segment *segment, const struct spans_binding *binding,
                           uint32_t row, struct tk_sql_value *value) {
  const struct spans_tree *tree = &segment->tree;

  if (binding->column->source == SOURCE_IS_ROOT) {
    tk_spans_set_int(value, !tree->has_parent[row]);
  } else if (binding->column->source == SOURCE_CHILD_COUNT) {
    tk_spans_set_int(value, tree->child_counts[row]);
  } else if (binding->column->source == SOURCE_SELF_TIME) {
    tk_spans_set_int(value, tree->self_times[row]);
  } else {
    tk_spans_set_int(value, tree->depths ? tree->depths[row] : row_int(binding, row));
  }
}

static void set_row_text(const struct spans_binding *binding, uint32_t row,
                         struct tk_sql_value *value) {
  struct tk_text text = {"", 0};
  if (binding->data) text = tk_column_text(binding->data, row);
  tk_spans_set_text(value, text.data, text.size);
  /* Only a name can be empty; anything else that is empty was not set. */
  if (text.size == 0 && binding->column->argument != TK_COL_NAME) value->type = TK_SQL_NULL;
}

static void set_weight(const struct spans_segment *segment, const struct spans_binding *binding,
                       uint32_t row, struct tk_sql_value *value) {
  const struct tk_weight weight = tk_weights_at(segment->weights, row);
  value->type = TK_SQL_NULL;
  if (isnan(weight.count)) return;
  if (binding->column->source == SOURCE_ADJUSTED_COUNT) {
    value->type = TK_SQL_REAL;
    value->as.real = weight.count;
  } else {
    const char *name = tk_decision_source_name(weight.source);
    tk_spans_set_text(value, name, strlen(name));
  }
}

static void set_time(const struct spans_segment *segment, const struct spans_binding *binding,
                     uint32_t row, struct spans_scratch *scratch, struct tk_sql_value *value) {
  uint64_t start = (uint64_t)segment->starts[row];

  if (binding->column->source == SOURCE_STARTED_AT) {
    tk_instant_text(start, scratch->text);
    tk_spans_set_text(value, scratch->text, TK_INSTANT_TEXT_SIZE);
  } else if (binding->column->source == SOURCE_BUCKET) {
    tk_spans_set_int(value, (int64_t)(start - start % (uint64_t)binding->column->argument));
  } else if (binding->column->source == SOURCE_END) {
    tk_spans_set_int(value, (int64_t)(start + (uint64_t)row_int(binding, row)));
  } else {
    tk_spans_set_int(value, (int64_t)start);
  }
}

enum tk_status tk_spans_value(struct spans_segment *segment, struct spans_binding *binding,
                              uint32_t row, struct spans_scratch *scratch,
                              struct tk_sql_value *value, struct tk_error *error) {
  const struct tk_sql_value *coded = NULL;
  enum tk_status status;

  switch (binding->column->source) {
    case SOURCE_TRACE_ID:
      return set_trace_id(segment, binding, row, scratch, value, error);
    case SOURCE_SPAN_ID:
      set_hex(value, binding->data->fixed + (size_t)row * 8, 8, scratch);
      return TK_OK;
    case SOURCE_PARENT_ID:
      return set_parent_id(segment, binding, row, scratch, value, error);
    case SOURCE_ROW_TEXT:
      set_row_text(binding, row, value);
      return TK_OK;
    case SOURCE_ROW_INT:
      tk_spans_set_int(value, row_int(binding, row));
      return TK_OK;
    case SOURCE_KIND:
      set_name_or_number(value, tk_kind_name(row_int(binding, row)), row_int(binding, row),
                         scratch);
      return TK_OK;
    case SOURCE_STATUS:
      set_name_or_number(value, tk_status_code_name(row_int(binding, row)), row_int(binding, row),
                         scratch);
      return TK_OK;
    case SOURCE_START:
    case SOURCE_END:
    case SOURCE_STARTED_AT:
    case SOURCE_BUCKET:
      set_time(segment, binding, row, scratch, value);
      return TK_OK;
    case SOURCE_IS_ROOT:
    case SOURCE_DEPTH:
    case SOURCE_CHILD_COUNT:
    case SOURCE_SELF_TIME:
      set_tree_value(segment, binding, row, value);
      return TK_OK;
    case SOURCE_RESOLVED:
      return set_resolved(segment, binding, row, scratch, value, error);
    case SOURCE_SPAN_ATTRIBUTE:
      return set_attribute_value(segment, &binding->attributes[0], row, scratch, value, error);
    case SOURCE_ATTRIBUTES_JSON:
      return set_attributes_json(segment, row, scratch, value, error);
    case SOURCE_EVENTS_JSON:
    case SOURCE_LINKS_JSON:
      return set_items_json(segment, binding, row, scratch, value, error);
    case SOURCE_SEGMENT_ID:
      tk_spans_set_int(value, segment->segment->summary.id);
      return TK_OK;
    case SOURCE_ADJUSTED_COUNT:
    case SOURCE_ADJUSTED_SOURCE:
      set_weight(segment, binding, row, value);
      return TK_OK;
    case SOURCE_RUN:
      *value = (struct tk_sql_value){.type = TK_SQL_NULL};
      if (binding->by_code) *value = binding->by_code[segment->traces[row]];
      return TK_OK;
    case SOURCE_SERVICE:
    case SOURCE_RESOURCE_JSON:
    case SOURCE_RESOURCE_ID:
    case SOURCE_RESOURCE_ATTRIBUTE:
    case SOURCE_SCOPE_NAME:
    case SOURCE_SCOPE_VERSION:
    case SOURCE_SCOPE_JSON:
    case SOURCE_SCOPE_ATTRIBUTE:
    default:
      status = tk_spans_code_value(segment, binding, row_int(binding, row), &coded, error);
      if (status == TK_OK) *value = *coded;
      return status;
  }
}
