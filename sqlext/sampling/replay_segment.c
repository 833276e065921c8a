/* SPDX-License-Identifier: MIT
 * A segment opened for a program: the attributes its leaves and expressions name, the columns of
 * the granule that is looked at, resources and scopes of a row. Columns are decoded granule by
 * granule, when the first trace of a granule is asked about. */
#include "sqlext/sampling/replay_rows.h"

#include <string.h>

#include "sqlext/tables/table_support.h"

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
  memo->key = key_of(leaf);
  enum tk_status status =
      bind_attribute(segment, TK_SCOPE_SPAN, memo->key, &memo->attribute, error);
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

enum tk_status tk_replay_prepare_attribute(struct tk_replay_segment *segment,
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

enum tk_status tk_replay_resource_of(struct tk_replay_segment *segment, uint32_t granule,
                                     uint32_t row, const struct tk_stored_resource **resource_out,
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

enum tk_status tk_replay_scope_of(struct tk_replay_segment *segment, uint32_t granule, uint32_t row,
                                  const struct tk_stored_scope **scope_out,
                                  struct tk_error *error) {
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

const struct tk_value *tk_replay_find_value(const struct tk_attributes *attributes,
                                            struct tk_text key) {
  for (uint32_t i = 0; i < attributes->count; i++) {
    if (tk_text_equal(attributes->items[i].key, key)) return &attributes->items[i].value;
  }
  return NULL;
}
