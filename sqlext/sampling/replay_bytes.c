/* SPDX-License-Identifier: MIT
 * How large spans are as OTLP protobuf, from their columns. See docs/sampling.md, "Bytes", for what
 * is counted: every field of the spans, exactly; resources and scopes once; unknown fields not.
 *
 * Which attributes a span has is its keyset's to say, so the columns of a segment are looked at
 * only for the spans that have a value there; sizes of dictionary entries are worked out once. */
#include <string.h>

#include "sqlext/sampling/replay_rows.h"
#include "sqlext/tables/table_support.h"
#include "store/codec/value_codec.h"

#define NO_GRANULE (TK_ALL - 1)

/* ---- protobuf ---- */

static uint64_t varint_size(uint64_t value) {
  uint64_t size = 1;
  while (value >= 0x80) {
    value >>= 7;
    size++;
  }
  return size;
}

/* A field of a number below 16: its tag is one byte. */
static uint64_t sized(uint64_t size) {
  return 1 + varint_size(size) + size;
}

static uint64_t text_size(uint64_t size) {
  return size > 0 ? sized(size) : 0;
}

static uint64_t number_size(uint64_t number) {
  return number > 0 ? 1 + varint_size(number) : 0;
}

static uint64_t attributes_size(const struct tk_attributes *attributes, uint64_t tag_size);

/* AnyValue, without its tag. */
static uint64_t value_size(const struct tk_value *value) {
  uint64_t sum = 0;
  switch ((int)value->type) {
    case TK_VALUE_STRING:
    case TK_VALUE_BYTES:
      return sized(value->size);
    case TK_VALUE_BOOL:
      return 2;
    case TK_VALUE_INT:
      return 1 + varint_size((uint64_t)value->as.integer);
    case TK_VALUE_DOUBLE:
      return 9;
    case TK_VALUE_ARRAY:
      for (uint32_t i = 0; i < value->size; i++) sum += sized(value_size(&value->as.items[i]));
      return sized(sum);
    case TK_VALUE_KVLIST: {
      const struct tk_attributes members = {value->as.members, value->size, 0};
      return sized(attributes_size(&members, 1));
    }
    default:
      return 0;
  }
}

static uint64_t pair_size(uint64_t key_size, uint64_t any_size) {
  return text_size(key_size) + sized(any_size);
}

static uint64_t attributes_size(const struct tk_attributes *attributes, uint64_t tag_size) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < attributes->count; i++) {
    const struct tk_attribute *attribute = &attributes->items[i];
    sum += tag_size - 1 + sized(pair_size(attribute->key.size, value_size(&attribute->value)));
  }
  return sum + number_size(attributes->dropped_count);
}

/* ---- attribute columns of a segment ---- */

struct tk_replay_sizes {
  struct column_sizes {
    struct tk_replay_part part;
    uint32_t granule;
  } * columns;                  /* by index into tk_segment.columns */
  uint64_t *resources, *scopes; /* 0: not worked out yet */
};

static enum tk_status create_sizes(struct tk_replay_segment *segment, struct tk_error *error) {
  const struct tk_segment *of = segment->segment;
  struct tk_replay_sizes *sizes = tk_arena_alloc(&segment->arena, sizeof *sizes);
  if (!sizes) return tk_nomem(error);
  const size_t column_size = of->column_count * sizeof *sizes->columns;
  const size_t resource_size = of->resource_count * sizeof *sizes->resources;
  const size_t scope_size = of->scope_count * sizeof *sizes->scopes;
  sizes->columns = tk_arena_alloc(&segment->arena, column_size);
  sizes->resources = tk_arena_alloc(&segment->arena, resource_size);
  sizes->scopes = tk_arena_alloc(&segment->arena, scope_size);
  if (!sizes->columns || !sizes->resources || !sizes->scopes) return tk_nomem(error);
  memset(sizes->resources, 0, resource_size);
  memset(sizes->scopes, 0, scope_size);
  for (uint32_t i = 0; i < of->column_count; i++) {
    sizes->columns[i] = (struct column_sizes){.part = {.index = i, .type = of->columns[i].type},
                                              .granule = NO_GRANULE};
  }
  segment->sizes = sizes;
  return TK_OK;
}

/* Size of the attribute that item `item` has in a column; 0 if it has none. */
static enum tk_status attribute_size(struct tk_replay_segment *segment, uint32_t index,
                                     uint32_t granule, uint32_t item, uint64_t tag_size,
                                     uint64_t *size_out, struct tk_error *error) {
  struct column_sizes *column = &segment->sizes->columns[index];
  const uint32_t key_size = segment->segment->columns[index].key.size;
  struct tk_value value = {.type = column->part.type};
  *size_out = 0;
  if (column->granule != granule) {
    const enum tk_status status = tk_replay_prepare_part(segment, &column->part, granule, error);
    if (status != TK_OK) return status;
    column->granule = granule;
  }
  const uint32_t at = column->part.value_index[item];
  if (at == UINT32_MAX) return TK_OK;
  if (value.type == TK_VALUE_STRING || value.type == TK_VALUE_BYTES) {
    value.size = tk_column_text(column->part.values, at).size;
  } else if (value.type == TK_VALUE_INT) {
    value.as.integer = tk_ints_at(column->part.values->ints, at);
  } else if (value.type == TK_VALUE_ARRAY || value.type == TK_VALUE_KVLIST) {
    const struct tk_text text = tk_column_text(column->part.values, at);
    const enum tk_status status =
        tk_value_decode((const uint8_t *)text.data, text.size, &segment->scratch, &value, error);
    if (status != TK_OK) return status;
  }
  *size_out = tag_size - 1 + sized(pair_size(key_size, value_size(&value)));
  return TK_OK;
}

/* All attributes of one item that have columns: of its keyset, and of the rest the rare ones. */
static enum tk_status item_attributes(struct tk_replay_segment *segment,
                                      enum tk_attribute_scope scope, int64_t keyset,
                                      uint32_t granule, uint32_t item, uint64_t tag_size,
                                      uint64_t *sum, struct tk_error *error) {
  const struct tk_keysets *keysets = &segment->segment->keysets[scope];
  enum tk_status status = TK_OK;
  uint64_t size;
  if (keysets->count > 0 && keyset >= 0 && keyset < (int64_t)keysets->count) {
    const struct tk_keyset *columns = &keysets->items[keyset];
    for (uint32_t i = 0; i < columns->count && status == TK_OK; i++) {
      status = attribute_size(segment, columns->columns[i], granule, item, tag_size, &size, error);
      *sum += size;
    }
  }
  return status;
}

/* Rare attributes: they are in no keyset, and few spans have any. */
static enum tk_status rare_attributes(struct tk_replay_segment *segment,
                                      enum tk_attribute_scope scope, uint32_t granule,
                                      uint32_t item, uint64_t tag_size, uint64_t *sum,
                                      struct tk_error *error) {
  const struct tk_segment *of = segment->segment;
  enum tk_status status = TK_OK;
  uint64_t size;
  for (uint32_t i = 0; i < of->column_count && status == TK_OK; i++) {
    if (!of->columns[i].in_extras || of->columns[i].scope != (uint8_t)scope) continue;
    status = attribute_size(segment, i, granule, item, tag_size, &size, error);
    *sum += size;
  }
  return status;
}

static bool has_extras(const struct tk_segment *segment, enum tk_attribute_scope scope) {
  return segment->fixed[scope == TK_SCOPE_SPAN    ? TK_COL_EXTRA_ROW
                        : scope == TK_SCOPE_EVENT ? TK_COL_EVENT_EXTRA_ROW
                                                  : TK_COL_LINK_EXTRA_ROW] != TK_NO_COLUMN;
}

static enum tk_status all_attributes(struct tk_replay_segment *segment,
                                     enum tk_attribute_scope scope, int64_t keyset,
                                     uint32_t granule, uint32_t item, uint64_t tag_size,
                                     uint64_t *sum, struct tk_error *error) {
  const enum tk_status status =
      item_attributes(segment, scope, keyset, granule, item, tag_size, sum, error);
  if (status != TK_OK || !has_extras(segment->segment, scope)) return status;
  return rare_attributes(segment, scope, granule, item, tag_size, sum, error);
}

/* ---- events and links ---- */

static enum tk_status event_size(struct tk_replay_segment *segment, uint32_t event, uint64_t *sum,
                                 struct tk_error *error) {
  struct tk_text name;
  int64_t keyset, dropped;
  uint64_t size = 9; /* the time */
  enum tk_status status;
  if ((status = tk_text_value(segment->reader, segment->segment, TK_COL_EVENT_NAME, event, &name,
                              error)) != TK_OK ||
      (status = tk_int_value(segment->reader, segment->segment, TK_COL_EVENT_KEYSET, event, &keyset,
                             error)) != TK_OK ||
      (status = tk_int_value(segment->reader, segment->segment, TK_COL_EVENT_DROPPED_ATTRIBUTES,
                             event, &dropped, error)) != TK_OK) {
    return status;
  }
  size += text_size(name.size) + number_size((uint64_t)dropped);
  status = all_attributes(segment, TK_SCOPE_EVENT, keyset, TK_ALL, event, 1, &size, error);
  *sum += sized(size);
  return status;
}

static enum tk_status link_size(struct tk_replay_segment *segment, uint32_t link, uint64_t *sum,
                                struct tk_error *error) {
  struct tk_text state;
  int64_t keyset, dropped, flags;
  uint64_t size = 18 + 10; /* the ids */
  enum tk_status status;
  if ((status = tk_text_value(segment->reader, segment->segment, TK_COL_LINK_TRACE_STATE, link,
                              &state, error)) != TK_OK ||
      (status = tk_int_value(segment->reader, segment->segment, TK_COL_LINK_KEYSET, link, &keyset,
                             error)) != TK_OK ||
      (status = tk_int_value(segment->reader, segment->segment, TK_COL_LINK_FLAGS, link, &flags,
                             error)) != TK_OK ||
      (status = tk_int_value(segment->reader, segment->segment, TK_COL_LINK_DROPPED_ATTRIBUTES,
                             link, &dropped, error)) != TK_OK) {
    return status;
  }
  size += text_size(state.size) + number_size((uint64_t)dropped) + (flags != 0 ? 5 : 0);
  status = all_attributes(segment, TK_SCOPE_LINK, keyset, TK_ALL, link, 1, &size, error);
  *sum += sized(size);
  return status;
}

static enum tk_status item_sizes(struct tk_replay_segment *segment, enum tk_attribute_scope scope,
                                 uint32_t row, uint64_t *sum, struct tk_error *error) {
  const uint32_t *first;
  enum tk_status status =
      tk_reader_first_items(segment->reader, segment->segment, scope, &first, error);
  for (uint32_t i = first ? first[row] : 0; first && i < first[row + 1] && status == TK_OK; i++) {
    status = scope == TK_SCOPE_EVENT ? event_size(segment, i, sum, error)
                                     : link_size(segment, i, sum, error);
  }
  return status;
}

/* ---- spans ---- */

/* The columns of spans that are no attributes. */
struct span_columns {
  const struct tk_column *durations, *names, *kinds, *codes, *messages, *states, *flags, *keysets,
      *dropped_attributes, *dropped_events, *dropped_links, *depths, *events, *links;
  const int64_t *starts;
};

static enum tk_status load_columns(struct tk_replay_segment *segment, uint32_t granule,
                                   struct span_columns *columns, struct tk_error *error) {
  const struct {
    enum tk_column_number number;
    const struct tk_column **column;
  } wanted[] = {{TK_COL_DURATION, &columns->durations},
                {TK_COL_NAME, &columns->names},
                {TK_COL_KIND, &columns->kinds},
                {TK_COL_STATUS_CODE, &columns->codes},
                {TK_COL_STATUS_MESSAGE, &columns->messages},
                {TK_COL_TRACE_STATE, &columns->states},
                {TK_COL_FLAGS, &columns->flags},
                {TK_COL_KEYSET, &columns->keysets},
                {TK_COL_DROPPED_ATTRIBUTES, &columns->dropped_attributes},
                {TK_COL_DROPPED_EVENTS, &columns->dropped_events},
                {TK_COL_DROPPED_LINKS, &columns->dropped_links},
                {TK_COL_DEPTH, &columns->depths},
                {TK_COL_EVENT_COUNT, &columns->events},
                {TK_COL_LINK_COUNT, &columns->links}};
  enum tk_status status = TK_OK;
  for (size_t i = 0; i < sizeof wanted / sizeof wanted[0] && status == TK_OK; i++) {
    status = tk_replay_column(segment, wanted[i].number, granule, wanted[i].column, error);
  }
  if (status != TK_OK) return status;
  return tk_reader_starts(segment->reader, segment->segment, granule, &columns->starts, error);
}

static uint64_t text_at(const struct tk_column *column, uint32_t row) {
  return column ? text_size(tk_column_text(column, row).size) : 0;
}

static enum tk_status span_size(struct tk_replay_segment *segment,
                                const struct span_columns *columns, uint32_t granule, uint32_t row,
                                uint64_t *size_out, struct tk_error *error) {
  const uint64_t start = (uint64_t)columns->starts[row];
  const uint64_t end = start + (uint64_t)tk_replay_int(columns->durations, row);
  const uint8_t *parent = NULL;
  bool has_parent = tk_replay_int(columns->depths, row) > 0;
  uint64_t size = 18 + 10, status_size = 0;
  enum tk_status status = TK_OK;
  if (!has_parent) {
    status = tk_reader_external_parent(segment->reader, segment->segment, row, &parent, error);
    has_parent = parent != NULL;
  }
  size += (has_parent ? 10 : 0) + (start != 0 ? 9 : 0) + (end != 0 ? 9 : 0);
  size += text_at(columns->states, row) + text_at(columns->names, row);
  size += number_size((uint64_t)tk_replay_int(columns->kinds, row));
  size += number_size((uint64_t)tk_replay_int(columns->dropped_attributes, row));
  size += number_size((uint64_t)tk_replay_int(columns->dropped_events, row));
  size += number_size((uint64_t)tk_replay_int(columns->dropped_links, row));
  status_size += text_at(columns->messages, row);
  status_size += number_size((uint64_t)tk_replay_int(columns->codes, row));
  size += status_size > 0 ? sized(status_size) : 0;
  size += tk_replay_int(columns->flags, row) != 0 ? 6 : 0;
  if (status == TK_OK) {
    status = all_attributes(segment, TK_SCOPE_SPAN, tk_replay_int(columns->keysets, row), granule,
                            row, 1, &size, error);
  }
  if (status == TK_OK && tk_replay_int(columns->events, row) > 0) {
    status = item_sizes(segment, TK_SCOPE_EVENT, row, &size, error);
  }
  if (status == TK_OK && tk_replay_int(columns->links, row) > 0) {
    status = item_sizes(segment, TK_SCOPE_LINK, row, &size, error);
  }
  *size_out = size;
  return status;
}

enum tk_status tk_replay_row_bytes(struct tk_replay_segment *segment,
                                   const struct tk_replay_range *range, uint64_t *bytes_out,
                                   struct tk_error *error) {
  struct span_columns columns;
  enum tk_status status = segment->sizes ? TK_OK : create_sizes(segment, error);
  uint64_t size = 0;
  *bytes_out = 0;
  if (status == TK_OK) status = load_columns(segment, range->granule, &columns, error);
  for (uint32_t row = range->begin; row < range->end && status == TK_OK; row++) {
    status = span_size(segment, &columns, range->granule, row, &size, error);
    *bytes_out += sized(size);
  }
  if (segment->scratch.total_bytes > 0) tk_arena_reset(&segment->scratch);
  return status;
}

/* ---- resources and scopes ---- */

#define ENVELOPE 4 /* tag and size of ResourceSpans and ScopeSpans, as they usually are */

enum tk_status tk_replay_envelope_bytes(struct tk_replay_segment *segment, uint32_t granule,
                                        uint32_t row, int64_t *resource_id, int64_t *scope_id,
                                        uint64_t *resource_bytes, uint64_t *scope_bytes,
                                        struct tk_error *error) {
  const struct tk_segment *of = segment->segment;
  const struct tk_column *resources, *scopes;
  enum tk_status status = segment->sizes ? TK_OK : create_sizes(segment, error);
  if (status != TK_OK) return status;
  if ((status = tk_replay_column(segment, TK_COL_RESOURCE, granule, &resources, error)) != TK_OK ||
      (status = tk_replay_column(segment, TK_COL_SCOPE, granule, &scopes, error)) != TK_OK) {
    return status;
  }
  const uint64_t resource_code = (uint64_t)tk_replay_int(resources, row);
  const uint64_t scope_code = (uint64_t)tk_replay_int(scopes, row);
  if (resource_code >= of->resource_count || scope_code >= of->scope_count) {
    return tk_corrupt(error, "segment %lld: row %u: no such resource or scope",
                      (long long)of->summary.id, (unsigned)row);
  }
  *resource_id = of->resources[resource_code];
  *scope_id = of->scopes[scope_code];
  uint64_t *resource_size = &segment->sizes->resources[resource_code];
  uint64_t *scope_size = &segment->sizes->scopes[scope_code];
  if (*resource_size == 0) {
    const struct tk_stored_resource *resource = tk_reader_resource(segment->reader, *resource_id);
    *resource_size = ENVELOPE;
    if (resource && !resource->resource.absent) {
      *resource_size += sized(attributes_size(&resource->resource.attributes, 1));
      *resource_size += text_size(resource->resource.schema_url.size);
    }
  }
  if (*scope_size == 0) {
    const struct tk_stored_scope *scope = tk_reader_scope(segment->reader, *scope_id);
    *scope_size = ENVELOPE;
    if (scope && !scope->scope.absent) {
      *scope_size +=
          sized(text_size(scope->scope.name.size) + text_size(scope->scope.version.size) +
                attributes_size(&scope->scope.attributes, 1));
      *scope_size += text_size(scope->scope.schema_url.size);
    }
  }
  *resource_bytes = *resource_size;
  *scope_bytes = *scope_size;
  return TK_OK;
}
