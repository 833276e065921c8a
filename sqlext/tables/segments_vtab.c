/* SPDX-License-Identifier: MIT
 * segments: how the store is laid out. segment_columns: what each column of a segment costs. */
#include <string.h>

#include "sqlext/tables/row_table.h"
#include "sqlext/tables/table_support.h"
#include "sqlext/tables/tables.h"
#include "sqlext/vtab_support.h"
#include "store/codec/column_format.h"

/* ---- segments ---- */

struct segment_row {
  struct tk_segment_summary summary;
  uint32_t column_count, granule_count, resource_count, scope_count;
};

enum { SEGMENTS_COLUMN_COUNT = 16 };

static enum tk_status compute_segments(struct tk_row_set *set, struct tk_reader *reader,
                                       struct tk_error *error) {
  const bool opened = set->columns >> SEGMENTS_COLUMN_COUNT != 0;
  struct segment_row *rows = tk_row_set_allocate(set, reader->segment_count, sizeof *rows);
  enum tk_status status = TK_OK;

  if (!rows) return tk_nomem(error);
  for (uint32_t s = 0; s < reader->segment_count && status == TK_OK; s++) {
    const struct tk_segment *segment;
    rows[s].summary = reader->segments[s];
    if (!opened) continue;
    if ((status = tk_reader_segment(reader, s, &segment, error)) != TK_OK) break;
    rows[s].column_count = segment->column_count;
    rows[s].granule_count = segment->rows.count;
    rows[s].resource_count = segment->resource_count;
    rows[s].scope_count = segment->scope_count;
    tk_segment_release(segment);
  }
  set->rows = rows;
  set->row_count = reader->segment_count;
  return status;
}

static void give_segment(sqlite3_context *context, const void *data, int column) {
  const struct segment_row *row = data;
  const struct tk_segment_summary *summary = &row->summary;
  const int64_t values[] = {summary->id,
                            summary->span_count,
                            summary->trace_count,
                            summary->event_count,
                            summary->link_count,
                            summary->error_count,
                            (int64_t)summary->start_min,
                            (int64_t)summary->start_max,
                            (int64_t)summary->end_max,
                            summary->duration_min,
                            summary->duration_max,
                            (int64_t)summary->raw_bytes,
                            (int64_t)summary->stored_bytes,
                            0, /* bytes_per_span */
                            0, /* ratio */
                            (summary->flags & TK_SEGMENT_HAS_SPLIT) != 0,
                            row->column_count,
                            row->granule_count,
                            row->resource_count,
                            row->scope_count};
  if (column == 13) {
    if (summary->span_count == 0) return;
    sqlite3_result_double(context, (double)summary->stored_bytes / (double)summary->span_count);
  } else if (column == 14) {
    if (summary->stored_bytes == 0) return;
    sqlite3_result_double(context, (double)summary->raw_bytes / (double)summary->stored_bytes);
  } else {
    sqlite3_result_int64(context, values[column]);
  }
}

static const struct tk_row_table segments = {
    .module = "tracekeep_segments",
    .declaration =
        "CREATE TABLE x(id INTEGER, span_count INTEGER, trace_count INTEGER, event_count INTEGER,"
        " link_count INTEGER, error_count INTEGER, start_min_ns INTEGER, start_max_ns INTEGER,"
        " end_max_ns INTEGER, duration_min_ns INTEGER, duration_max_ns INTEGER, raw_bytes INTEGER,"
        " stored_bytes INTEGER, bytes_per_span REAL, ratio REAL, has_split_traces INTEGER,"
        " column_count INTEGER, granule_count INTEGER, resource_count INTEGER,"
        " scope_count INTEGER)",
    .row_size = sizeof(struct segment_row),
    .compute = compute_segments,
    .column = give_segment,
};

/* ---- segment_columns ---- */

struct column_row {
  int64_t segment_id;
  uint32_t span_count;
  struct tk_segment_column column; /* its key is a copy, the rest of its pointers unused */
  int encoding;                    /* -1: none, or not asked for */
};

static const char *const fixed_names[TK_COL_FIRST_ATTRIBUTE] = {
    [TK_COL_TRACE_ID] = "trace_id",
    [TK_COL_TRACE_ROWS] = "trace_rows",
    [TK_COL_SPAN_ID] = "span_id",
    [TK_COL_DEPTH] = "depth",
    [TK_COL_START] = "start",
    [TK_COL_DURATION] = "duration",
    [TK_COL_NAME] = "name",
    [TK_COL_KIND] = "kind",
    [TK_COL_STATUS_CODE] = "status_code",
    [TK_COL_STATUS_MESSAGE] = "status_message",
    [TK_COL_TRACE_STATE] = "trace_state",
    [TK_COL_FLAGS] = "flags",
    [TK_COL_RESOURCE] = "resource",
    [TK_COL_SCOPE] = "scope",
    [TK_COL_KEYSET] = "keyset",
    [TK_COL_PRESENCE] = "presence",
    [TK_COL_DROPPED_ATTRIBUTES] = "dropped_attributes",
    [TK_COL_DROPPED_EVENTS] = "dropped_events",
    [TK_COL_DROPPED_LINKS] = "dropped_links",
    [TK_COL_EVENT_COUNT] = "event_count",
    [TK_COL_LINK_COUNT] = "link_count",
    [TK_COL_PARENT_ROW] = "parent_row",
    [TK_COL_PARENT_ID] = "parent_id",
    [TK_COL_EXTRA_ROW] = "extra_row",
    [TK_COL_EXTRA] = "extra",
    [TK_COL_RESIDUAL_ROW] = "residual_row",
    [TK_COL_RESIDUAL] = "residual",
    [TK_COL_TRACE_TEXT_ROW] = "trace_text_row",
    [TK_COL_TRACE_TEXT] = "trace_text",
    [TK_COL_EVENT_TIME] = "event_time",
    [TK_COL_EVENT_NAME] = "event_name",
    [TK_COL_EVENT_KEYSET] = "event_keyset",
    [TK_COL_EVENT_DROPPED_ATTRIBUTES] = "event_dropped_attributes",
    [TK_COL_EVENT_EXTRA_ROW] = "event_extra_row",
    [TK_COL_EVENT_EXTRA] = "event_extra",
    [TK_COL_EVENT_RESIDUAL_ROW] = "event_residual_row",
    [TK_COL_EVENT_RESIDUAL] = "event_residual",
    [TK_COL_LINK_TRACE_ID] = "link_trace_id",
    [TK_COL_LINK_SPAN_ID] = "link_span_id",
    [TK_COL_LINK_TRACE_STATE] = "link_trace_state",
    [TK_COL_LINK_FLAGS] = "link_flags",
    [TK_COL_LINK_KEYSET] = "link_keyset",
    [TK_COL_LINK_DROPPED_ATTRIBUTES] = "link_dropped_attributes",
    [TK_COL_LINK_EXTRA_ROW] = "link_extra_row",
    [TK_COL_LINK_EXTRA] = "link_extra",
    [TK_COL_LINK_RESIDUAL_ROW] = "link_residual_row",
    [TK_COL_LINK_RESIDUAL] = "link_residual"};

enum { COLUMNS_ENCODING = 5 };

static enum tk_status fill_columns(struct tk_row_set *set, struct tk_reader *reader,
                                   const struct tk_segment *segment, struct column_row *rows,
                                   struct tk_error *error) {
  enum tk_status status = TK_OK;
  for (uint32_t c = 0; c < segment->column_count && status == TK_OK; c++) {
    const struct tk_column *column;
    struct tk_text key = segment->columns[c].key;
    char *copy = tk_arena_alloc_bytes(&set->arena, (size_t)key.size + 1);
    if (!copy) return tk_nomem(error);
    if (key.size > 0) memcpy(copy, key.data, key.size);
    rows[c] = (struct column_row){.segment_id = segment->summary.id,
                                  .span_count = segment->summary.span_count,
                                  .column = segment->columns[c],
                                  .encoding = -1};
    rows[c].column.key.data = copy;
    if (!(set->columns >> COLUMNS_ENCODING & 1) || segment->columns[c].chunk_size == 0) continue;
    status = tk_reader_column(reader, segment, c, &column, error);
    if (status == TK_OK) rows[c].encoding = column->encoding;
  }
  return status;
}

static enum tk_status compute_columns(struct tk_row_set *set, struct tk_reader *reader,
                                      struct tk_error *error) {
  const struct tk_segment *segment;
  struct column_row *rows = NULL;
  uint32_t total = 0;
  enum tk_status status = TK_OK;

  for (int pass = 0; pass < 2; pass++) {
    uint32_t count = 0;
    for (uint32_t s = 0; s < reader->segment_count; s++) {
      if ((status = tk_reader_segment(reader, s, &segment, error)) != TK_OK) return status;
      if (pass == 1) status = fill_columns(set, reader, segment, rows + count, error);
      count += segment->column_count;
      tk_segment_release(segment);
      if (status != TK_OK) return status;
    }
    total = count;
    if (pass == 0 && !(rows = tk_row_set_allocate(set, total, sizeof *rows))) {
      return tk_nomem(error);
    }
  }
  set->rows = rows;
  set->row_count = total;
  return TK_OK;
}

static void give_column_text(sqlite3_context *context, const struct column_row *row) {
  const struct tk_segment_column *column = &row->column;
  if (column->number < TK_COL_FIRST_ATTRIBUTE) {
    sqlite3_result_text(context, fixed_names[column->number], -1, SQLITE_STATIC);
    return;
  }
  struct tk_byte_writer name = {0};
  tk_json_literal(&name, tk_attribute_scope_name(column->scope));
  tk_json_literal(&name, ".");
  tk_byte_writer_append(&name, column->key.data, column->key.size);
  tk_result_json(context, &name);
  tk_byte_writer_reset(&name);
}

static void give_type(sqlite3_context *context, const struct tk_segment_column *column) {
  if (column->number < TK_COL_FIRST_ATTRIBUTE) return;
  sqlite3_result_text(context, tk_value_type_name(column->type), -1, SQLITE_STATIC);
}

/* The first byte of a chunk says the family and, below, the layout: see column_format.h. */
static void give_encoding(sqlite3_context *context, int encoding) {
  static const char *const int_layouts[] = {"constant", "runs",    "packed",  "planes",
                                            "words",    "symbols", "distinct"};
  static const char *const text_layouts[] = {NULL, "plain", "front", "template"};
  const char *family = NULL, *layout = NULL;

  if (encoding < 0) return;
  if (encoding >= TK_ENCODING_FIXED) {
    family = "fixed";
  } else if (encoding >= TK_ENCODING_DICTIONARY) {
    family = "dictionary";
    if (encoding - TK_ENCODING_DICTIONARY < 4) {
      layout = text_layouts[encoding - TK_ENCODING_DICTIONARY];
    }
  } else if (encoding >= TK_ENCODING_TEXT) {
    family = "text";
    if (encoding - TK_ENCODING_TEXT < 4) layout = text_layouts[encoding - TK_ENCODING_TEXT];
  } else if (encoding >= TK_ENCODING_INT) {
    family = "int";
    if (encoding - TK_ENCODING_INT < 7) layout = int_layouts[encoding - TK_ENCODING_INT];
  }
  char text[48];
  if (family) {
    sqlite3_snprintf(sizeof text, text, "%s%s%s", family, layout ? " " : "", layout ? layout : "");
  } else {
    sqlite3_snprintf(sizeof text, text, "%d", encoding);
  }
  sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}

static void give_segment_column(sqlite3_context *context, const void *data, int number) {
  const struct column_row *row = data;
  const struct tk_segment_column *column = &row->column;
  static const char *const kinds[] = {"none", "int", "text", "fixed"};
  const bool has_limits = column->kind == TK_COLUMN_INT && column->value_count > 0 &&
                          column->type != TK_VALUE_DOUBLE && column->chunk_size > 0;
  switch (number) {
    case 0:
      sqlite3_result_int64(context, row->segment_id);
      break;
    case 1:
      sqlite3_result_int64(context, column->number);
      break;
    case 2:
      give_column_text(context, row);
      break;
    case 3:
      give_type(context, column);
      break;
    case 4:
      if (column->kind < 4) sqlite3_result_text(context, kinds[column->kind], -1, SQLITE_STATIC);
      break;
    case COLUMNS_ENCODING:
      give_encoding(context, row->encoding);
      break;
    case 6:
      sqlite3_result_int64(context, column->value_count);
      break;
    case 7:
      if (column->kind == TK_COLUMN_TEXT) sqlite3_result_int64(context, column->distinct_count);
      break;
    case 8:
      if (has_limits) sqlite3_result_int64(context, column->int_min);
      break;
    case 9:
      if (has_limits) sqlite3_result_int64(context, column->int_max);
      break;
    case 10:
      sqlite3_result_int64(context, column->chunk_size);
      break;
    case 11:
      if (row->span_count == 0) break;
      sqlite3_result_double(context, (double)column->chunk_size / (double)row->span_count);
      break;
    case 12:
      sqlite3_result_int(context, column->in_extras);
      break;
    default:
      sqlite3_result_int(context, column->has_filter);
  }
}

static const struct tk_row_table segment_columns = {
    .module = "tracekeep_segment_columns",
    .declaration =
        "CREATE TABLE x(segment_id INTEGER, number INTEGER, name TEXT, type TEXT, kind TEXT,"
        " encoding TEXT, value_count INTEGER, distinct_count INTEGER, min_value INTEGER,"
        " max_value INTEGER, stored_bytes INTEGER, bytes_per_span REAL, in_extras INTEGER,"
        " has_filter INTEGER)",
    .row_size = sizeof(struct column_row),
    .compute = compute_columns,
    .column = give_segment_column,
};

int tk_register_segments(sqlite3 *db) {
  int rc = tk_register_row_table(db, &segments);
  if (rc == SQLITE_OK) rc = tk_register_row_table(db, &segment_columns);
  return rc;
}
