/* SPDX-License-Identifier: MIT
 * Columns of `spans` that depend on the resource or scope of a row alone: worked out once for each
 * of them in a segment. See spans_values.h. */
#include <string.h>

#include "sqlext/spans/spans_values.h"
#include "sqlext/vtab_support.h"

static enum tk_status keep_json(struct spans_segment *segment, struct tk_byte_writer *json,
                                struct tk_sql_value *value, struct tk_error *error) {
  char *kept = json->failed ? NULL : tk_arena_alloc_bytes(&segment->arena, json->size);
  if (kept && json->size > 0) memcpy(kept, json->data, json->size);
  if (kept) tk_spans_set_text(value, kept, json->size);
  tk_byte_writer_reset(json);
  return kept ? TK_OK : tk_nomem(error);
}

static enum tk_status find_attribute(struct spans_segment *segment,
                                     const struct tk_attributes *attributes, struct tk_text key,
                                     struct tk_sql_value *value, struct tk_error *error) {
  struct tk_byte_writer json = {0};

  for (uint32_t i = 0; i < attributes->count; i++) {
    const struct tk_attribute *item = &attributes->items[i];
    if (item->key.size != key.size || memcmp(item->key.data, key.data, key.size) != 0) continue;
    enum tk_status status = tk_spans_set_value(value, &item->value, &json, error);
    if (status != TK_OK || !json.data) return status;
    return keep_json(segment, &json, value, error);
  }
  return TK_OK;
}

static void set_if_any(struct tk_sql_value *value, struct tk_text text) {
  if (text.size > 0) tk_spans_set_text(value, text.data, text.size);
}

static enum tk_status fill_resource_code(struct spans_segment *segment,
                                         struct spans_binding *binding, uint32_t code,
                                         struct tk_sql_value *value, struct tk_error *error) {
  int64_t id = segment->segment->resources[code];
  const struct tk_stored_resource *stored = tk_reader_resource(segment->reader, id);
  struct tk_byte_writer json = {0};

  if (!stored) return tk_corrupt(error, "resource %lld is missing", (long long)id);
  switch ((int)binding->column->source) {
    case SOURCE_SERVICE:
      if (stored->service.data) {
        tk_spans_set_text(value, stored->service.data, stored->service.size);
      }
      return TK_OK;
    case SOURCE_RESOURCE_ID:
      tk_spans_set_int(value, id);
      return TK_OK;
    case SOURCE_RESOURCE_JSON:
      tk_json_attributes(&json, &stored->resource.attributes);
      return keep_json(segment, &json, value, error);
    default:
      return find_attribute(segment, &stored->resource.attributes, binding->column->key, value,
                            error);
  }
}

static enum tk_status fill_scope_code(struct spans_segment *segment, struct spans_binding *binding,
                                      uint32_t code, struct tk_sql_value *value,
                                      struct tk_error *error) {
  int64_t id = segment->segment->scopes[code];
  const struct tk_stored_scope *stored = tk_reader_scope(segment->reader, id);
  struct tk_byte_writer json = {0};

  if (!stored) return tk_corrupt(error, "scope %lld is missing", (long long)id);
  switch ((int)binding->column->source) {
    case SOURCE_SCOPE_NAME:
      set_if_any(value, stored->scope.name);
      return TK_OK;
    case SOURCE_SCOPE_VERSION:
      set_if_any(value, stored->scope.version);
      return TK_OK;
    case SOURCE_SCOPE_JSON:
      tk_json_scope(&json, &stored->scope);
      return keep_json(segment, &json, value, error);
    default:
      return find_attribute(segment, &stored->scope.attributes, binding->column->key, value, error);
  }
}

enum tk_status tk_spans_code_value(struct spans_segment *segment, struct spans_binding *binding,
                                   int64_t code, const struct tk_sql_value **value_out,
                                   struct tk_error *error) {
  if (code < 0 || code >= binding->code_count) {
    return tk_corrupt(error, "segment %lld: resource or scope %lld of %u",
                      (long long)segment->segment->summary.id, (long long)code,
                      binding->code_count);
  }
  struct tk_sql_value *value = &binding->by_code[code];
  *value_out = value;
  if (binding->by_code_filled[code]) return TK_OK;
  *value = (struct tk_sql_value){.type = TK_SQL_NULL};
  enum tk_status status = tk_spans_is_scope_source(binding->column->source)
                              ? fill_scope_code(segment, binding, (uint32_t)code, value, error)
                              : fill_resource_code(segment, binding, (uint32_t)code, value, error);
  binding->by_code_filled[code] = status == TK_OK;
  return status;
}
