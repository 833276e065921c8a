/* SPDX-License-Identifier: MIT
 * What rules about spans share: see span_rows.h. */
#include "sqlext/quality/span_rows.h"

#include <string.h>

const struct renamed_attribute tk_renamed_attributes[RENAMED_COUNT] = {
    {"http.request.method", "http.method"},
    {"http.response.status_code", "http.status_code"},
    {"url.full", "http.url"},
    {"url.scheme", "http.scheme"},
    {"user_agent.original", "http.user_agent"},
    {"server.address", "net.host.name"},
    {"server.port", "net.host.port"},
    {"network.peer.address", "net.sock.peer.addr"},
    {"network.peer.port", "net.sock.peer.port"},
    {"db.query.text", "db.statement"},
    {"db.operation.name", "db.operation"},
    {"db.namespace", "db.name"},
    {"rpc.system.name", "rpc.system"},
    {"messaging.destination.name", "messaging.destination"},
    {"code.file.path", "code.filepath"},
    {"code.line.number", "code.lineno"},
    {"deployment.environment.name", "deployment.environment"}};
const struct http_status_column tk_http_status_columns[HTTP_STATUS_COUNT] = {
    {"http.response.status_code", TK_VALUE_INT},
    {"http.response.status_code", TK_VALUE_STRING},
    {"http.status_code", TK_VALUE_INT},
    {"http.status_code", TK_VALUE_STRING}};

void tk_quality_lookup_free(struct quality_lookup *lookup) {
  if (!lookup) return;
  sqlite3_free(lookup->long_states);
  sqlite3_free(lookup->used);
  sqlite3_free(lookup->used_list);
  tk_arena_reset(&lookup->arena);
  sqlite3_free(lookup);
}

/* ---- what is known of the segment ---- */

static struct tk_text as_text(const char *text) {
  return (struct tk_text){text, (uint32_t)strlen(text)};
}

static void find_pairs(struct quality_lookup *lookup, const struct tk_segment *segment) {
  static const enum tk_value_type types[] = {TK_VALUE_STRING, TK_VALUE_INT};
  lookup->pair_count = 0;
  for (uint32_t i = 0; i < RENAMED_COUNT; i++) {
    for (int a = 0; a < 2; a++) {
      const uint32_t column = tk_segment_find_attribute(
          segment, TK_SCOPE_SPAN, as_text(tk_renamed_attributes[i].name), types[a]);
      for (int b = 0; b < 2 && column != TK_NO_COLUMN; b++) {
        const uint32_t old = tk_segment_find_attribute(
            segment, TK_SCOPE_SPAN, as_text(tk_renamed_attributes[i].old_name), types[b]);
        if (old == TK_NO_COLUMN) continue;
        lookup->pairs[lookup->pair_count].pair = i;
        lookup->pairs[lookup->pair_count].column = column;
        lookup->pairs[lookup->pair_count++].old_column = old;
      }
    }
  }
}

enum tk_status tk_span_rows_look_up(struct span_rows *rows, struct tk_error *error) {
  struct quality_lookup *lookup = rows->quality->lookup;
  const struct tk_segment *segment = rows->segment;

  if (!lookup) {
    if (!(lookup = sqlite3_malloc64(sizeof *lookup))) return tk_nomem(error);
    memset(lookup, 0, sizeof *lookup);
    lookup->segment_index = UINT32_MAX;
    rows->quality->lookup = lookup;
  }
  if (lookup->segment_index == rows->segment_index) return TK_OK;
  lookup->segment_index = UINT32_MAX;
  if (!tk_grow_zeroed(&lookup->long_states, &lookup->long_capacity, segment->column_count, 1) ||
      !tk_grow_zeroed(&lookup->used, &lookup->used_capacity, segment->column_count, 1) ||
      !tk_grow_zeroed(&lookup->used_list, &lookup->used_list_capacity, segment->column_count,
                      sizeof *lookup->used_list)) {
    return tk_nomem(error);
  }
  if (segment->column_count > 0) memset(lookup->long_states, LONG_UNKNOWN, segment->column_count);
  for (int i = 0; i < HTTP_STATUS_COUNT; i++) {
    lookup->http[i] =
        tk_segment_find_attribute(segment, TK_SCOPE_SPAN, as_text(tk_http_status_columns[i].key),
                                  tk_http_status_columns[i].type);
  }
  find_pairs(lookup, segment);
  lookup->segment_index = rows->segment_index;
  return TK_OK;
}

/* ---- rows and items ---- */

bool tk_span_rows_report(const struct span_rows *rows, enum quality_rule rule, uint32_t row) {
  return tk_quality_find_row(
      rows->quality, rule, rows->segment_index, rows->traces[row], row,
      tk_quality_resource_of(rows->quality, rows->segment, tk_ints_at(rows->resources, row)));
}

enum tk_status tk_span_rows_items(const struct span_rows *rows, enum tk_attribute_scope scope,
                                  const uint32_t **first_out, uint32_t *begin, uint32_t *end,
                                  struct tk_error *error) {
  *first_out = NULL;
  *begin = rows->begin;
  *end = rows->end;
  if (scope == TK_SCOPE_SPAN) return TK_OK;
  enum tk_status status =
      tk_reader_first_items(rows->quality->reader, rows->segment, scope, first_out, error);
  if (status != TK_OK) return status;
  *begin = *first_out ? (*first_out)[rows->begin] : 0;
  *end = *first_out ? (*first_out)[rows->end] : 0;
  return TK_OK;
}

enum tk_status tk_span_rows_item_ints(const struct span_rows *rows, enum tk_column_number number,
                                      uint32_t begin, uint32_t end, struct tk_ints *values_out,
                                      struct tk_error *error) {
  const uint32_t index = rows->segment->fixed[number];
  const struct tk_column *column;
  *values_out = (struct tk_ints){0};
  if (index == TK_NO_COLUMN || begin >= end) return TK_OK;
  enum tk_status status =
      tk_reader_values(rows->quality->reader, rows->segment, index, begin, end, &column, error);
  if (status == TK_OK) *values_out = column->ints;
  return status;
}
