/* SPDX-License-Identifier: MIT
 * Columns of known keys, and what resources and scopes say, put together for each row.
 *
 * Of a key that a span has itself, its scope and its resource have it too, the span's counts, then
 * the scope's. Tracestates that name no system with a decoder are noticed by their dictionary code.
 */
#include "sqlext/sampling/decision_rows.h"

#include <string.h>

#include "sqlext/tables/table_support.h"
#include "store/codec/value_codec.h"
#include "store/sqlite_api.h"

/* ---- opening ---- */

/* The stored columns of known keys. Each column, because a key may come with several types. */
static enum tk_status find_parts(struct tk_decision_rows *rows, uint64_t wanted,
                                 struct tk_error *error) {
  const struct tk_segment *segment = rows->segment;
  uint32_t capacity = 0;

  for (uint32_t c = 0; c < segment->column_count; c++) {
    const struct tk_segment_column *column = &segment->columns[c];
    if (column->number < TK_COL_FIRST_ATTRIBUTE || column->scope != TK_SCOPE_SPAN ||
        column->type == TK_VALUE_EMPTY || column->value_count == 0) {
      continue;
    }
    const enum tk_sampling_key key = tk_sampling_key_find(column->key);
    if (key == TK_SAMPLING_NO_KEY || !(wanted >> key & 1)) continue;
    if (rows->part_count == capacity) {
      const uint32_t larger = capacity ? capacity * 2 : 8;
      struct tk_key_part *parts = tk_arena_alloc(&rows->arena, larger * sizeof *parts);
      if (!parts) return tk_nomem(error);
      if (rows->part_count > 0) memcpy(parts, rows->parts, rows->part_count * sizeof *parts);
      rows->parts = parts;
      capacity = larger;
    }
    rows->parts[rows->part_count++] = (struct tk_key_part){.key = key, .column = c};
  }
  return TK_OK;
}

static const struct tk_attributes *attributes_of_code(const struct tk_decision_rows *rows,
                                                      bool is_scope, uint32_t code) {
  if (is_scope) {
    const struct tk_stored_scope *scope =
        tk_reader_scope(rows->reader, rows->segment->scopes[code]);
    return scope ? &scope->scope.attributes : NULL;
  }
  const struct tk_stored_resource *resource =
      tk_reader_resource(rows->reader, rows->segment->resources[code]);
  return resource ? &resource->resource.attributes : NULL;
}

static enum tk_status find_code_keys(struct tk_decision_rows *rows,
                                     const struct tk_attributes *from, uint64_t wanted,
                                     struct tk_code_keys *keys, struct tk_error *error) {
  for (uint32_t i = 0; i < from->count; i++) {
    const enum tk_sampling_key key = tk_sampling_key_find(from->items[i].key);
    if (key == TK_SAMPLING_NO_KEY || !(wanted >> key & 1) || keys->present >> key & 1) continue;
    if (!keys->items) {
      keys->items = tk_arena_alloc(&rows->arena, TK_SAMPLING_KEY_COUNT * sizeof *keys->items);
      if (!keys->items) return tk_nomem(error);
    }
    keys->present |= UINT64_C(1) << key;
    keys->items[key] = from->items[i];
  }
  return TK_OK;
}

/* *codes_out stays NULL if none of the segment's resources (scopes) has a known key. */
static enum tk_status find_codes(struct tk_decision_rows *rows, bool is_scope, uint64_t wanted,
                                 struct tk_code_keys **codes_out, struct tk_error *error) {
  const uint32_t count = is_scope ? rows->segment->scope_count : rows->segment->resource_count;
  struct tk_code_keys *codes = tk_arena_alloc(&rows->arena, (count + (size_t)1) * sizeof *codes);
  bool any = false;

  if (!codes) return tk_nomem(error);
  memset(codes, 0, (count + (size_t)1) * sizeof *codes);
  for (uint32_t code = 0; code < count; code++) {
    const struct tk_attributes *attributes = attributes_of_code(rows, is_scope, code);
    if (!attributes) continue;
    enum tk_status status = find_code_keys(rows, attributes, wanted, &codes[code], error);
    if (status != TK_OK) return status;
    any |= codes[code].present != 0;
  }
  if (any) *codes_out = codes;
  return TK_OK;
}

enum tk_status tk_decision_rows_open(struct tk_decision_rows *rows, struct tk_reader *reader,
                                     const struct tk_segment *segment, uint32_t sources,
                                     struct tk_error *error) {
  const uint64_t wanted = tk_decision_keys(sources);
  enum tk_status status;

  *rows = (struct tk_decision_rows){.reader = reader, .segment = segment, .sources = sources};
  if ((status = find_parts(rows, wanted, error)) != TK_OK) return status;
  if ((status = find_codes(rows, false, wanted, &rows->resources, error)) != TK_OK) return status;
  if ((status = find_codes(rows, true, wanted, &rows->scopes, error)) != TK_OK) return status;
  rows->uses_states =
      tk_decision_uses_trace_state(sources) && segment->fixed[TK_COL_TRACE_STATE] != TK_NO_COLUMN;
  rows->uses_residuals = tk_decision_uses_residual(sources) &&
                         segment->fixed[TK_COL_RESIDUAL_ROW] != TK_NO_COLUMN &&
                         segment->fixed[TK_COL_RESIDUAL] != TK_NO_COLUMN;
  rows->uses_flags = (sources & TK_SOURCE_BIT(TK_SOURCE_FLAGS)) != 0 &&
                     segment->fixed[TK_COL_FLAGS] != TK_NO_COLUMN;
  rows->any = rows->part_count > 0 || rows->resources || rows->scopes || rows->uses_states ||
              rows->uses_residuals || rows->uses_flags;
  return TK_OK;
}

void tk_decision_rows_close(struct tk_decision_rows *rows) {
  tk_arena_reset(&rows->arena);
  tk_arena_reset(&rows->scratch);
  *rows = (struct tk_decision_rows){.reader = NULL};
}

/* ---- preparing ---- */

static enum tk_status prepare_part(struct tk_decision_rows *rows, struct tk_key_part *part,
                                   uint32_t granule, struct tk_error *error) {
  const struct tk_segment_column *column = &rows->segment->columns[part->column];
  const uint32_t *first = granule == TK_ALL ? NULL : column->granule_first_value;
  const bool is_last = granule == TK_ALL || granule + 1 == rows->segment->rows.count;
  enum tk_status status = tk_reader_value_index(rows->reader, rows->segment, part->column, granule,
                                                &part->value_index, error);
  if (status != TK_OK) return status;
  return tk_reader_values(rows->reader, rows->segment, part->column, first ? first[granule] : 0,
                          first && !is_last ? first[granule + 1] : column->value_count,
                          &part->values, error);
}

static enum tk_status prepare_states(struct tk_decision_rows *rows, uint32_t granule,
                                     struct tk_error *error) {
  enum tk_status status = tk_reader_row_column(rows->reader, rows->segment, TK_COL_TRACE_STATE,
                                               granule, &rows->states, error);
  if (status != TK_OK || !rows->states || !rows->states->has_dictionary || rows->state_notes) {
    return status;
  }
  rows->state_notes = tk_arena_alloc(&rows->arena, (size_t)rows->states->dictionary_count + 1);
  if (!rows->state_notes) return tk_nomem(error);
  memset(rows->state_notes, 0, (size_t)rows->states->dictionary_count + 1);
  return TK_OK;
}

enum tk_status tk_decision_rows_prepare(struct tk_decision_rows *rows, uint32_t granule,
                                        struct tk_error *error) {
  const struct tk_segment *segment = rows->segment;
  struct tk_reader *reader = rows->reader;
  enum tk_status status = TK_OK;

  if (rows->is_prepared && (rows->granule == granule || rows->granule == TK_ALL)) return TK_OK;
  rows->is_prepared = false;
  for (uint32_t i = 0; i < rows->part_count && status == TK_OK; i++) {
    status = prepare_part(rows, &rows->parts[i], granule, error);
  }
  if (status == TK_OK && rows->resources) {
    status = tk_row_ints(reader, segment, TK_COL_RESOURCE, granule, &rows->resource_codes, error);
  }
  if (status == TK_OK && rows->scopes) {
    status = tk_row_ints(reader, segment, TK_COL_SCOPE, granule, &rows->scope_codes, error);
  }
  if (status == TK_OK && rows->uses_flags) {
    status = tk_row_ints(reader, segment, TK_COL_FLAGS, granule, &rows->flags, error);
  }
  if (status == TK_OK && rows->uses_states) status = prepare_states(rows, granule, error);
  if (status == TK_OK && rows->uses_residuals && !rows->residual_rows) {
    const uint32_t index = segment->fixed[TK_COL_RESIDUAL_ROW];
    status = tk_reader_values(reader, segment, index, 0, segment->columns[index].value_count,
                              &rows->residual_rows, error);
  }
  if (status == TK_OK) {
    status = tk_row_ints(reader, segment, TK_COL_DEPTH, granule, &rows->depths, error);
  }
  if (status == TK_OK) status = tk_reader_traces(reader, segment, granule, &rows->traces, error);
  if (status == TK_OK && !rows->trace_ids) {
    status = tk_reader_values(reader, segment, segment->fixed[TK_COL_TRACE_ID], 0,
                              segment->summary.trace_count, &rows->trace_ids, error);
  }
  rows->granule = granule;
  rows->is_prepared = status == TK_OK;
  return status;
}

/* ---- reading ---- */

/* Whether the tracestate has a member that any decoder knows. */
static bool is_state_useful(struct tk_text state) {
  return tk_trace_state_member(state, "ot").data || tk_trace_state_member(state, "dd").data ||
         tk_trace_state_member(state, "es").data || tk_trace_state_tenant(state, "nr").data;
}

static struct tk_text read_state(struct tk_decision_rows *rows, uint32_t row) {
  const struct tk_column *states = rows->states;
  struct tk_text none = {NULL, 0};
  if (!states) return none;
  const struct tk_text state = tk_column_text(states, row);
  if (state.size == 0) return none;
  if (!rows->state_notes) return is_state_useful(state) ? state : none;
  uint8_t *note = &rows->state_notes[tk_column_code(states, row)];
  if (*note == 0) *note = is_state_useful(state) ? 2 : 1;
  return *note == 2 ? state : none;
}

static enum tk_status read_residual(struct tk_decision_rows *rows, uint32_t row,
                                    struct tk_text *residual_out, struct tk_error *error) {
  const uint32_t count = rows->residual_rows->value_count;
  uint32_t begin = 0, end = count;
  while (begin < end) {
    const uint32_t middle = begin + (end - begin) / 2;
    if (tk_ints_at(rows->residual_rows->ints, middle) < row) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  *residual_out = (struct tk_text){NULL, 0};
  if (begin == count || tk_ints_at(rows->residual_rows->ints, begin) != row) return TK_OK;
  struct tk_text text;
  enum tk_status status =
      tk_text_value(rows->reader, rows->segment, TK_COL_RESIDUAL, begin, &text, error);
  if (status == TK_OK && text.size > 1 && text.data[0] == TK_RESIDUAL_JSON) {
    *residual_out = (struct tk_text){text.data + 1, text.size - 1};
  }
  return status;
}

/* Headers are recorded as lists: their first text counts. */
static void take_first_item(struct tk_value *value) {
  if (value->type == TK_VALUE_ARRAY && value->size > 0 &&
      value->as.items[0].type == TK_VALUE_STRING) {
    *value = value->as.items[0];
  }
}

static enum tk_status read_part(struct tk_decision_rows *rows, const struct tk_key_part *part,
                                uint32_t row, struct tk_decision_input *input,
                                struct tk_error *error) {
  const uint32_t at = part->value_index[row];
  struct tk_value *value = &input->values[part->key];
  if (at == UINT32_MAX || tk_has_key(input, part->key)) return TK_OK;
  enum tk_status status = tk_attribute_value(rows->reader, rows->segment, part->column, at,
                                             &rows->scratch, value, error);
  if (status != TK_OK) return status;
  take_first_item(value);
  input->present |= UINT64_C(1) << part->key;
  return TK_OK;
}

static void take_code(const struct tk_code_keys *keys, struct tk_decision_input *input) {
  const uint64_t missing = keys->present & ~input->present;
  if (missing == 0) return;
  for (uint32_t key = 0; key < TK_SAMPLING_KEY_COUNT; key++) {
    if (!(missing >> key & 1)) continue;
    input->values[key] = keys->items[key].value;
    take_first_item(&input->values[key]);
  }
  input->present |= missing;
}

static enum tk_status find_root(struct tk_decision_rows *rows, uint32_t row, bool *is_root,
                                struct tk_error *error) {
  const uint8_t *parent = NULL;
  *is_root = false;
  if (tk_ints_at(rows->depths, row) != 0) return TK_OK;
  enum tk_status status =
      tk_reader_external_parent(rows->reader, rows->segment, row, &parent, error);
  *is_root = status == TK_OK && !parent;
  return status;
}

enum tk_status tk_decision_rows_read(struct tk_decision_rows *rows, uint32_t row,
                                     struct tk_decision_input *input, bool *any_out,
                                     struct tk_error *error) {
  enum tk_status status = TK_OK;

  tk_arena_reset(&rows->scratch);
  *any_out = false;
  input->present = 0;
  input->residual = input->trace_state = (struct tk_text){NULL, 0};
  input->flags = rows->uses_flags ? tk_ints_at(rows->flags, row) : 0;
  input->is_root = false;
  for (uint32_t i = 0; i < rows->part_count && status == TK_OK; i++) {
    if (rows->parts[i].value_index[row] != UINT32_MAX) {
      status = read_part(rows, &rows->parts[i], row, input, error);
    }
  }
  if (rows->scopes) {
    const uint64_t code = (uint64_t)tk_ints_at(rows->scope_codes, row);
    if (code < rows->segment->scope_count) take_code(&rows->scopes[code], input);
  }
  if (rows->resources) {
    const uint64_t code = (uint64_t)tk_ints_at(rows->resource_codes, row);
    if (code < rows->segment->resource_count) take_code(&rows->resources[code], input);
  }
  if (rows->uses_states) input->trace_state = read_state(rows, row);
  if (status == TK_OK && rows->uses_residuals) {
    status = read_residual(rows, row, &input->residual, error);
  }
  if (status != TK_OK) return status;
  *any_out = input->present || input->trace_state.size || input->residual.size || input->flags;
  if (!*any_out) return TK_OK;
  input->trace_id = rows->trace_ids->fixed + (size_t)rows->traces[row] * 16;
  const uint64_t jaeger =
      UINT64_C(1) << TK_SAMPLING_SAMPLER_TYPE | UINT64_C(1) << TK_SAMPLING_SAMPLER_PARAM;
  return input->present & jaeger ? find_root(rows, row, &input->is_root, error) : TK_OK;
}
