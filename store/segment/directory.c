/* SPDX-License-Identifier: MIT
 * The directory of a segment as bytes, as docs/segment-format.md, "Directory", defines it: a
 * version byte, the size of the body, and the body, packed. The body is counts, granules, columns,
 * chunk hashes and keysets, mostly as varints of differences, which zstd then folds: columns that
 * the same spans have share their granule counts byte for byte.
 *
 * Decoding is where everything that is said *about* columns is checked, so that nothing that reads
 * segments ever indexes by an unchecked number. What is *in* columns is checked where it is
 * decoded. */
#include "store/segment/directory.h"

#include <assert.h>
#include <string.h>

#include "store/codec/byte_reader.h"
#include "store/codec/compression.h"
#include "store/sqlite_api.h"

enum { DIRECTORY_VERSION = 1 };
enum { COLUMN_IN_EXTRAS = 1, COLUMN_HAS_FILTER = 2, COLUMN_HAS_FIRST_VALUES = 4 };

/* What one row of input can make a reader allocate has to end somewhere. */
#define MAX_BODY_SIZE ((size_t)32 << 20)
#define MAX_SPANS (4u * TK_SPANS_PER_SEGMENT_MAX)
#define MAX_ITEMS ((uint32_t)1 << 26)

/* ---- what columns there can be ---- */

enum extent { PER_TRACE, PER_SPAN, PER_EVENT, PER_LINK, SPARSE };

struct column_rule {
  uint16_t number;
  uint8_t kind;
  uint8_t extent;
};

static const struct column_rule column_rules[] = {
    {TK_COL_TRACE_ID, TK_COLUMN_FIXED, PER_TRACE},
    {TK_COL_TRACE_ROWS, TK_COLUMN_INT, PER_TRACE},
    {TK_COL_SPAN_ID, TK_COLUMN_FIXED, PER_SPAN},
    {TK_COL_DEPTH, TK_COLUMN_INT, PER_SPAN},
    {TK_COL_START, TK_COLUMN_INT, PER_SPAN},
    {TK_COL_DURATION, TK_COLUMN_INT, PER_SPAN},
    {TK_COL_NAME, TK_COLUMN_TEXT, PER_SPAN},
    {TK_COL_KIND, TK_COLUMN_INT, PER_SPAN},
    {TK_COL_STATUS_CODE, TK_COLUMN_INT, PER_SPAN},
    {TK_COL_STATUS_MESSAGE, TK_COLUMN_TEXT, PER_SPAN},
    {TK_COL_TRACE_STATE, TK_COLUMN_TEXT, PER_SPAN},
    {TK_COL_FLAGS, TK_COLUMN_INT, PER_SPAN},
    {TK_COL_RESOURCE, TK_COLUMN_INT, PER_SPAN},
    {TK_COL_SCOPE, TK_COLUMN_INT, PER_SPAN},
    {TK_COL_KEYSET, TK_COLUMN_INT, PER_SPAN},
    {TK_COL_PRESENCE, TK_COLUMN_INT, PER_SPAN},
    {TK_COL_DROPPED_ATTRIBUTES, TK_COLUMN_INT, PER_SPAN},
    {TK_COL_DROPPED_EVENTS, TK_COLUMN_INT, PER_SPAN},
    {TK_COL_DROPPED_LINKS, TK_COLUMN_INT, PER_SPAN},
    {TK_COL_EVENT_COUNT, TK_COLUMN_INT, PER_SPAN},
    {TK_COL_LINK_COUNT, TK_COLUMN_INT, PER_SPAN},
    {TK_COL_PARENT_ROW, TK_COLUMN_INT, SPARSE},
    {TK_COL_PARENT_ID, TK_COLUMN_FIXED, SPARSE},
    {TK_COL_EXTRA_ROW, TK_COLUMN_INT, SPARSE},
    {TK_COL_EXTRA, TK_COLUMN_TEXT, SPARSE},
    {TK_COL_RESIDUAL_ROW, TK_COLUMN_INT, SPARSE},
    {TK_COL_RESIDUAL, TK_COLUMN_TEXT, SPARSE},
    {TK_COL_TRACE_TEXT_ROW, TK_COLUMN_INT, SPARSE},
    {TK_COL_TRACE_TEXT, TK_COLUMN_TEXT, SPARSE},
    {TK_COL_EVENT_TIME, TK_COLUMN_INT, PER_EVENT},
    {TK_COL_EVENT_NAME, TK_COLUMN_TEXT, PER_EVENT},
    {TK_COL_EVENT_KEYSET, TK_COLUMN_INT, PER_EVENT},
    {TK_COL_EVENT_DROPPED_ATTRIBUTES, TK_COLUMN_INT, PER_EVENT},
    {TK_COL_EVENT_EXTRA_ROW, TK_COLUMN_INT, SPARSE},
    {TK_COL_EVENT_EXTRA, TK_COLUMN_TEXT, SPARSE},
    {TK_COL_EVENT_RESIDUAL_ROW, TK_COLUMN_INT, SPARSE},
    {TK_COL_EVENT_RESIDUAL, TK_COLUMN_TEXT, SPARSE},
    {TK_COL_LINK_TRACE_ID, TK_COLUMN_FIXED, PER_LINK},
    {TK_COL_LINK_SPAN_ID, TK_COLUMN_FIXED, PER_LINK},
    {TK_COL_LINK_TRACE_STATE, TK_COLUMN_TEXT, PER_LINK},
    {TK_COL_LINK_FLAGS, TK_COLUMN_INT, PER_LINK},
    {TK_COL_LINK_KEYSET, TK_COLUMN_INT, PER_LINK},
    {TK_COL_LINK_DROPPED_ATTRIBUTES, TK_COLUMN_INT, PER_LINK},
    {TK_COL_LINK_EXTRA_ROW, TK_COLUMN_INT, SPARSE},
    {TK_COL_LINK_EXTRA, TK_COLUMN_TEXT, SPARSE},
    {TK_COL_LINK_RESIDUAL_ROW, TK_COLUMN_INT, SPARSE},
    {TK_COL_LINK_RESIDUAL, TK_COLUMN_TEXT, SPARSE},
};

/* Sparse columns come in twos; a segment without the columns of the last list is no segment. */
static const uint16_t sparse_pairs[][2] = {
    {TK_COL_PARENT_ROW, TK_COL_PARENT_ID},
    {TK_COL_EXTRA_ROW, TK_COL_EXTRA},
    {TK_COL_RESIDUAL_ROW, TK_COL_RESIDUAL},
    {TK_COL_TRACE_TEXT_ROW, TK_COL_TRACE_TEXT},
    {TK_COL_EVENT_EXTRA_ROW, TK_COL_EVENT_EXTRA},
    {TK_COL_EVENT_RESIDUAL_ROW, TK_COL_EVENT_RESIDUAL},
    {TK_COL_LINK_EXTRA_ROW, TK_COL_LINK_EXTRA},
    {TK_COL_LINK_RESIDUAL_ROW, TK_COL_LINK_RESIDUAL},
};
static const uint16_t required_columns[] = {TK_COL_TRACE_ID, TK_COL_TRACE_ROWS, TK_COL_SPAN_ID};

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

static const struct column_rule *find_rule(uint16_t number) {
  for (size_t i = 0; i < LENGTH(column_rules); i++) {
    if (column_rules[i].number == number) return &column_rules[i];
  }
  return NULL;
}

static uint32_t extent_count(const struct tk_segment_summary *summary, uint8_t extent) {
  switch ((enum extent)extent) {
    case PER_TRACE:
      return summary->trace_count;
    case PER_SPAN:
      return summary->span_count;
    case PER_EVENT:
      return summary->event_count;
    case PER_LINK:
      return summary->link_count;
    case SPARSE:
      break;
  }
  return UINT32_MAX;
}

static bool is_attribute(uint16_t number) {
  static_assert(TK_COL_LAST_ATTRIBUTE == UINT16_MAX, "every number from the first on");
  return number >= TK_COL_FIRST_ATTRIBUTE;
}

static enum tk_column_kind kind_of_type(uint8_t type) {
  switch ((enum tk_value_type)type) {
    case TK_VALUE_STRING:
    case TK_VALUE_ARRAY:
    case TK_VALUE_KVLIST:
    case TK_VALUE_BYTES:
      return TK_COLUMN_TEXT;
    case TK_VALUE_EMPTY:
    case TK_VALUE_BOOL:
    case TK_VALUE_INT:
    case TK_VALUE_DOUBLE:
      break;
  }
  return TK_COLUMN_INT;
}

bool tk_directory_expect(const struct tk_segment_summary *summary, uint16_t number, uint8_t type,
                         enum tk_column_kind *kind_out, uint32_t *value_count_out) {
  if (is_attribute(number)) {
    if (type > TK_VALUE_BYTES) return false;
    *kind_out = kind_of_type(type);
    *value_count_out = UINT32_MAX;
    return true;
  }
  const struct column_rule *rule = find_rule(number);
  if (!rule) return false;
  *kind_out = (enum tk_column_kind)rule->kind;
  *value_count_out = extent_count(summary, rule->extent);
  return true;
}

/* How many items can have a value in a column whose value_count is free. */
static uint32_t item_limit(const struct tk_segment_summary *summary,
                           const struct tk_segment_column *column) {
  const uint32_t items[3] = {summary->span_count, summary->event_count, summary->link_count};
  if (is_attribute(column->number)) return column->in_extras ? MAX_ITEMS : items[column->scope];
  if (column->number == TK_COL_TRACE_TEXT_ROW || column->number == TK_COL_TRACE_TEXT) {
    return summary->trace_count;
  }
  return column->number < TK_COL_EVENT_TIME      ? summary->span_count
         : column->number < TK_COL_LINK_TRACE_ID ? summary->event_count
                                                 : summary->link_count;
}

/* Values of extras are in TK_COL_EXTRA, and EMPTY has none. */
static bool has_chunk(const struct tk_segment_column *column) {
  return !column->in_extras && !(is_attribute(column->number) && column->type == TK_VALUE_EMPTY);
}

static bool has_int_range(const struct tk_segment_column *column) {
  return column->kind == TK_COLUMN_INT && column->value_count > 0 && has_chunk(column);
}

/* ---- encoding ---- */

static void append_head(struct tk_byte_writer *body, const struct tk_directory *directory) {
  const struct tk_segment_summary *summary = &directory->summary;
  tk_byte_writer_append_varint(body, directory->start_model);
  tk_byte_writer_append_varint(body, summary->span_count);
  tk_byte_writer_append_varint(body, summary->trace_count);
  tk_byte_writer_append_varint(body, summary->event_count);
  tk_byte_writer_append_varint(body, summary->link_count);
  tk_byte_writer_append_varint(body, summary->error_count);
  tk_byte_writer_append_u64(body, summary->start_min);
  tk_byte_writer_append_varint(body, summary->start_max - summary->start_min);
  tk_byte_writer_append_varint(body, summary->end_max - summary->start_min);
  tk_byte_writer_append_zigzag(body, summary->duration_min);
  tk_byte_writer_append_varint(body,
                               (uint64_t)summary->duration_max - (uint64_t)summary->duration_min);
  tk_byte_writer_append_varint(body, summary->raw_bytes);
  tk_byte_writer_append_varint(body, directory->resource_count);
  tk_byte_writer_append_varint(body, directory->scope_count);
}

static void append_granules(struct tk_byte_writer *body, const struct tk_directory *directory) {
  const uint32_t count = directory->rows.count;
  const uint32_t *first_trace = directory->granule_first_trace;
  uint32_t begin = 0;
  tk_byte_writer_append_varint(body, count);
  for (uint32_t g = 0; g < count; g++) {
    tk_byte_writer_append_varint(body, directory->rows.ends[g] - begin);
    begin = directory->rows.ends[g];
  }
  for (uint32_t g = 0; g < count; g++) {
    tk_byte_writer_append_varint(body, first_trace[g + 1] - first_trace[g]);
  }
  for (uint32_t g = 0; g < count; g++) {
    uint64_t start_min = directory->granule_start_min[g];
    tk_byte_writer_append_varint(body, start_min - directory->summary.start_min);
    tk_byte_writer_append_varint(body, directory->granule_start_max[g] - start_min);
  }
}

static void append_column(struct tk_byte_writer *body, const struct tk_directory *directory,
                          const struct tk_segment_column *column) {
  const uint32_t *first_values = column->granule_first_value;
  enum tk_column_kind kind;
  uint32_t expected;
  if (!tk_directory_expect(&directory->summary, column->number, column->type, &kind, &expected)) {
    body->failed = true;
    return;
  }
  tk_byte_writer_append_u8(body, (uint8_t)((column->in_extras ? COLUMN_IN_EXTRAS : 0) |
                                           (column->has_filter ? COLUMN_HAS_FILTER : 0) |
                                           (first_values ? COLUMN_HAS_FIRST_VALUES : 0)));
  if (is_attribute(column->number)) {
    tk_byte_writer_append_u8(body, column->scope);
    tk_byte_writer_append_u8(body, column->type);
    tk_byte_writer_append_varint(body, column->key.size);
    tk_byte_writer_append(body, column->key.data, column->key.size);
  }
  if (expected == UINT32_MAX) tk_byte_writer_append_varint(body, column->value_count);
  if (kind == TK_COLUMN_TEXT) tk_byte_writer_append_varint(body, column->distinct_count);
  if (has_int_range(column)) {
    tk_byte_writer_append_zigzag(body, column->int_min);
    tk_byte_writer_append_varint(body, (uint64_t)column->int_max - (uint64_t)column->int_min);
  }
  if (has_chunk(column)) tk_byte_writer_append_varint(body, column->chunk_size);
  for (uint32_t g = 1; first_values && g < directory->rows.count; g++) {
    tk_byte_writer_append_varint(body, first_values[g] - first_values[g - 1]);
  }
}

static void append_columns(struct tk_byte_writer *body, const struct tk_directory *directory) {
  int32_t previous = -1;
  tk_byte_writer_append_varint(body, directory->column_count);
  for (uint32_t i = 0; i < directory->column_count; i++) {
    const struct tk_segment_column *column = &directory->columns[i];
    tk_byte_writer_append_varint(body, (uint64_t)(column->number - previous - 1));
    append_column(body, directory, column);
    previous = column->number;
  }
  for (uint32_t i = 0; i < directory->column_count; i++) {
    const struct tk_segment_column *column = &directory->columns[i];
    if (has_chunk(column)) tk_byte_writer_append_u64(body, column->chunk_hash);
  }
}

/* Keys mostly stand in the order in which they first came, which is the order of their columns. */
static void append_keyset(struct tk_byte_writer *body, const struct tk_keyset *keyset) {
  int64_t next = 0;
  tk_byte_writer_append_varint(body, keyset->count);
  for (uint32_t i = 0; i < keyset->count; i++) {
    tk_byte_writer_append_zigzag(body, keyset->columns[i] - next);
    next = keyset->columns[i] + 1;
  }
}

void tk_directory_encode(struct tk_byte_writer *out, const struct tk_directory *directory) {
  struct tk_byte_writer body = {0};
  append_head(&body, directory);
  append_granules(&body, directory);
  append_columns(&body, directory);
  for (int scope = 0; scope < 3; scope++) {
    const struct tk_keysets *keysets = &directory->keysets[scope];
    tk_byte_writer_append_varint(&body, keysets->count);
    for (uint32_t i = 0; i < keysets->count; i++) append_keyset(&body, &keysets->items[i]);
  }
  if (body.failed) {
    out->failed = true;
  } else {
    tk_byte_writer_append_u8(out, DIRECTORY_VERSION);
    tk_byte_writer_append_varint(out, body.size);
    tk_pack_bytes(out, body.data, body.size, TK_LEVEL_TEXT);
  }
  tk_byte_writer_reset(&body);
}

/* ---- decoding ---- */

struct decoder {
  struct tk_byte_reader body;
  struct tk_arena *arena;
  struct tk_directory *directory;
  struct tk_error *error;
};

static enum tk_status refuse(struct decoder *decoder, const char *what) {
  return tk_corrupt(decoder->error, "directory: %s", what);
}

static uint32_t read_u32(struct decoder *decoder, uint32_t limit) {
  return (uint32_t)tk_byte_reader_varint_max(&decoder->body, limit);
}

/* A count of things that take a byte or more each: so data bounds the allocation. */
static uint32_t read_count(struct decoder *decoder, uint32_t limit) {
  size_t left = tk_byte_reader_remaining(&decoder->body);
  return read_u32(decoder, left < limit ? (uint32_t)left : limit);
}

/* base + a varint, which must not wrap. */
static uint64_t read_above(struct decoder *decoder, uint64_t base) {
  return base + tk_byte_reader_varint_max(&decoder->body, UINT64_MAX - base);
}

static int64_t read_above_signed(struct decoder *decoder, int64_t base) {
  uint64_t offset = (uint64_t)base ^ (uint64_t)1 << 63; /* order of int64_t as that of uint64_t */
  offset = read_above(decoder, offset) ^ (uint64_t)1 << 63;
  int64_t value;
  memcpy(&value, &offset, sizeof value);
  return value;
}

static enum tk_status decode_head(struct decoder *decoder) {
  struct tk_directory *directory = decoder->directory;
  struct tk_segment_summary *summary = &directory->summary;
  directory->start_model = (enum tk_start_model)read_u32(decoder, TK_START_PREVIOUS_SIBLING);
  summary->span_count = read_u32(decoder, MAX_SPANS);
  summary->trace_count = read_u32(decoder, summary->span_count);
  summary->event_count = read_u32(decoder, MAX_ITEMS);
  summary->link_count = read_u32(decoder, MAX_ITEMS);
  summary->error_count = read_u32(decoder, summary->span_count);
  summary->start_min = tk_byte_reader_u64(&decoder->body);
  summary->start_max = read_above(decoder, summary->start_min);
  summary->end_max = summary->start_min + tk_byte_reader_varint(&decoder->body);
  summary->duration_min = tk_byte_reader_zigzag(&decoder->body);
  summary->duration_max = read_above_signed(decoder, summary->duration_min);
  summary->raw_bytes = tk_byte_reader_varint(&decoder->body);
  directory->resource_count = read_u32(decoder, summary->span_count);
  directory->scope_count = read_u32(decoder, summary->span_count);
  if (decoder->body.failed) return refuse(decoder, "malformed counts");
  if (!summary->trace_count || !directory->resource_count || !directory->scope_count) {
    return refuse(decoder, "no spans, traces, resources or scopes");
  }
  return TK_OK;
}

/* `count` sizes of at least 1, added up from 0; the last sum must be `total`. ends[-1] is not
 * written. */
static bool read_ends(struct decoder *decoder, uint32_t *ends, uint32_t count, uint32_t total) {
  uint32_t end = 0;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t size = read_u32(decoder, total - end);
    if (size == 0) return false;
    end += size;
    ends[i] = end;
  }
  return end == total;
}

static bool read_granule_times(struct decoder *decoder, uint64_t *start_min, uint64_t *start_max,
                               uint32_t count) {
  const struct tk_segment_summary *summary = &decoder->directory->summary;
  for (uint32_t g = 0; g < count; g++) {
    start_min[g] = read_above(decoder, summary->start_min);
    start_max[g] = read_above(decoder, start_min[g]);
    if (start_max[g] > summary->start_max) return false;
  }
  return !decoder->body.failed;
}

static enum tk_status decode_granules(struct decoder *decoder) {
  struct tk_directory *directory = decoder->directory;
  const struct tk_segment_summary *summary = &directory->summary;
  uint32_t count = read_count(decoder, summary->trace_count);
  uint32_t *ends = tk_arena_alloc(decoder->arena, count * sizeof *ends);
  uint32_t *first_trace = tk_arena_alloc(decoder->arena, (count + 1) * sizeof *first_trace);
  uint64_t *start_min = tk_arena_alloc(decoder->arena, count * sizeof *start_min);
  uint64_t *start_max = tk_arena_alloc(decoder->arena, count * sizeof *start_max);
  if (!ends || !first_trace || !start_min || !start_max) return tk_nomem(decoder->error);

  first_trace[0] = 0;
  if (!read_ends(decoder, ends, count, summary->span_count) ||
      !read_ends(decoder, first_trace + 1, count, summary->trace_count) ||
      !read_granule_times(decoder, start_min, start_max, count)) {
    return refuse(decoder, "malformed granules");
  }
  directory->rows = (struct tk_granules){ends, count};
  directory->granule_first_trace = first_trace;
  directory->granule_start_min = start_min;
  directory->granule_start_max = start_max;
  return TK_OK;
}

static void read_attribute(struct decoder *decoder, struct tk_segment_column *column) {
  column->scope = tk_byte_reader_u8(&decoder->body);
  column->type = tk_byte_reader_u8(&decoder->body);
  uint32_t size = read_u32(decoder, UINT32_MAX);
  const uint8_t *bytes = tk_byte_reader_bytes(&decoder->body, size);
  char *key = bytes ? tk_arena_alloc_bytes(decoder->arena, size) : NULL;
  if (!key) return;
  memcpy(key, bytes, size);
  column->key = (struct tk_text){key, size};
}

static enum tk_status decode_first_values(struct decoder *decoder,
                                          struct tk_segment_column *column) {
  const uint32_t count = decoder->directory->rows.count;
  uint32_t *first_values = tk_arena_alloc(decoder->arena, count * sizeof *first_values);
  if (!first_values) return tk_nomem(decoder->error);
  first_values[0] = 0;
  for (uint32_t g = 1; g < count; g++) {
    uint32_t previous = first_values[g - 1];
    first_values[g] = previous + read_u32(decoder, column->value_count - previous);
  }
  column->granule_first_value = first_values;
  return TK_OK;
}

static enum tk_status check_flags(struct decoder *decoder, const struct tk_segment_column *column,
                                  uint8_t flags) {
  const bool attribute = is_attribute(column->number);
  const bool item_column =
      !attribute &&
      ((column->number >= TK_COL_EVENT_TIME && column->number <= TK_COL_EVENT_DROPPED_ATTRIBUTES) ||
       (column->number >= TK_COL_LINK_TRACE_ID &&
        column->number <= TK_COL_LINK_DROPPED_ATTRIBUTES));
  if (flags > (COLUMN_IN_EXTRAS | COLUMN_HAS_FILTER | COLUMN_HAS_FIRST_VALUES)) {
    return refuse(decoder, "unknown column flags");
  }
  if ((flags & COLUMN_IN_EXTRAS) && !attribute) {
    return refuse(decoder, "only attributes can be extras");
  }
  if ((flags & COLUMN_HAS_FIRST_VALUES) && !attribute && !item_column) {
    return refuse(decoder, "granule positions for a column that has none");
  }
  if (attribute && !(flags & (COLUMN_HAS_FIRST_VALUES | COLUMN_IN_EXTRAS))) {
    return refuse(decoder, "attribute column without granule positions");
  }
  return TK_OK;
}

static enum tk_status decode_column(struct decoder *decoder, struct tk_segment_column *column) {
  const struct tk_segment_summary *summary = &decoder->directory->summary;
  enum tk_column_kind kind;
  uint32_t expected;
  enum tk_status status;

  uint8_t flags = tk_byte_reader_u8(&decoder->body);
  if ((status = check_flags(decoder, column, flags)) != TK_OK) return status;
  column->in_extras = flags & COLUMN_IN_EXTRAS;
  column->has_filter = flags & COLUMN_HAS_FILTER;
  if (is_attribute(column->number)) {
    read_attribute(decoder, column);
    if (decoder->body.failed || column->scope > TK_SCOPE_LINK) {
      return refuse(decoder, "malformed attribute column");
    }
    if (!column->key.data) return tk_nomem(decoder->error);
  }
  if (!tk_directory_expect(summary, column->number, column->type, &kind, &expected)) {
    return tk_corrupt(decoder->error, "directory: no such column as %d of type %d", column->number,
                      column->type);
  }
  column->kind = (uint8_t)kind;
  column->value_count =
      expected == UINT32_MAX ? read_u32(decoder, item_limit(summary, column)) : expected;
  if (kind == TK_COLUMN_TEXT) {
    column->distinct_count = read_u32(decoder, UINT32_MAX);
    if (column->value_count > 0 && column->distinct_count == 0) {
      return refuse(decoder, "values, but no distinct ones");
    }
  }
  column->int_min = INT64_MIN; /* not known: nothing can be ruled out */
  column->int_max = INT64_MAX;
  if (has_int_range(column)) {
    column->int_min = tk_byte_reader_zigzag(&decoder->body);
    column->int_max = read_above_signed(decoder, column->int_min);
  }
  if (has_chunk(column)) {
    column->chunk_size = read_u32(decoder, UINT32_MAX);
    if (column->chunk_size == 0) return refuse(decoder, "empty chunk");
  }
  if (flags & COLUMN_HAS_FIRST_VALUES) return decode_first_values(decoder, column);
  return TK_OK;
}

static enum tk_status decode_columns(struct decoder *decoder) {
  struct tk_directory *directory = decoder->directory;
  const uint32_t count = read_count(decoder, TK_COL_LAST_ATTRIBUTE + 1);
  struct tk_segment_column *columns = tk_arena_alloc(decoder->arena, count * sizeof *columns);
  uint32_t number = 0;
  if (!columns) return tk_nomem(decoder->error);
  memset(columns, 0, count * sizeof *columns);

  for (uint32_t i = 0; i < count; i++) {
    if (number > TK_COL_LAST_ATTRIBUTE) return refuse(decoder, "column number out of range");
    number += read_u32(decoder, TK_COL_LAST_ATTRIBUTE - number);
    columns[i].number = (uint16_t)number;
    enum tk_status status = decode_column(decoder, &columns[i]);
    if (status != TK_OK) return status;
    number++;
  }
  for (uint32_t i = 0; i < count; i++) {
    if (has_chunk(&columns[i])) columns[i].chunk_hash = tk_byte_reader_u64(&decoder->body);
  }
  if (decoder->body.failed) return refuse(decoder, "malformed columns");
  directory->columns = columns;
  directory->column_count = count;
  return TK_OK;
}

static const struct tk_segment_column *find_column(const struct tk_directory *directory,
                                                   uint16_t number) {
  for (uint32_t i = 0; i < directory->column_count; i++) {
    if (directory->columns[i].number == number) return &directory->columns[i];
  }
  return NULL;
}

static enum tk_status check_columns(struct decoder *decoder) {
  const struct tk_directory *directory = decoder->directory;
  for (size_t i = 0; i < LENGTH(required_columns); i++) {
    if (!find_column(directory, required_columns[i])) {
      return tk_corrupt(decoder->error, "directory: column %d is missing", required_columns[i]);
    }
  }
  for (size_t i = 0; i < LENGTH(sparse_pairs); i++) {
    const struct tk_segment_column *row = find_column(directory, sparse_pairs[i][0]);
    const struct tk_segment_column *value = find_column(directory, sparse_pairs[i][1]);
    if (!row != !value || (row && row->value_count != value->value_count)) {
      return tk_corrupt(decoder->error, "directory: columns %d and %d do not fit together",
                        sparse_pairs[i][0], sparse_pairs[i][1]);
    }
  }
  return TK_OK;
}

/* `last_use[column]` is the number of the keyset that named it last, from 1. */
static enum tk_status decode_keyset(struct decoder *decoder, int scope, uint32_t serial,
                                    uint32_t *last_use, struct tk_keyset *keyset) {
  const struct tk_directory *directory = decoder->directory;
  uint32_t count = read_count(decoder, directory->column_count);
  uint16_t *columns = tk_arena_alloc(decoder->arena, count * sizeof *columns);
  int64_t next = 0;
  if (!columns) return tk_nomem(decoder->error);

  for (uint32_t i = 0; i < count; i++) {
    int64_t difference = tk_byte_reader_zigzag(&decoder->body);
    if (difference < -next || difference >= directory->column_count - next) {
      return refuse(decoder, "keyset names a column that is not there");
    }
    uint16_t index = (uint16_t)(next + difference);
    const struct tk_segment_column *column = &directory->columns[index];
    if (!is_attribute(column->number) || column->scope != scope || column->in_extras) {
      return refuse(decoder, "keyset names a column that is not an attribute of its scope");
    }
    if (last_use[index] == serial) return refuse(decoder, "keyset names a column twice");
    last_use[index] = serial;
    columns[i] = index;
    next = index + 1;
  }
  *keyset = (struct tk_keyset){columns, count};
  return TK_OK;
}

static enum tk_status decode_keysets(struct decoder *decoder) {
  struct tk_directory *directory = decoder->directory;
  size_t size = directory->column_count * sizeof(uint32_t);
  uint32_t *last_use = tk_arena_alloc(decoder->arena, size);
  uint32_t serial = 0;
  if (!last_use) return tk_nomem(decoder->error);
  memset(last_use, 0, size);

  for (int scope = 0; scope < 3; scope++) {
    uint32_t count = read_count(decoder, UINT32_MAX);
    struct tk_keyset *items = tk_arena_alloc(decoder->arena, count * sizeof *items);
    if (!items) return tk_nomem(decoder->error);
    for (uint32_t i = 0; i < count; i++) {
      enum tk_status status = decode_keyset(decoder, scope, ++serial, last_use, &items[i]);
      if (status != TK_OK) return status;
    }
    directory->keysets[scope] = (struct tk_keysets){items, count};
  }
  if (!tk_byte_reader_finished(&decoder->body)) return refuse(decoder, "malformed keysets");
  return TK_OK;
}

/* *body_out is freed by the caller, on failure too. */
static enum tk_status unpack_body(const uint8_t *bytes, size_t size, uint8_t **body_out,
                                  size_t *body_size_out, struct tk_error *error) {
  struct tk_byte_reader reader;
  tk_byte_reader_init(&reader, bytes, size);
  uint8_t version = tk_byte_reader_u8(&reader);
  size_t body_size = (size_t)tk_byte_reader_varint_max(&reader, MAX_BODY_SIZE);
  if (reader.failed) return tk_corrupt(error, "directory: malformed");
  if (version != DIRECTORY_VERSION) {
    return tk_corrupt(error, "directory: version %d, expected %d", version, DIRECTORY_VERSION);
  }
  *body_out = sqlite3_malloc64(body_size ? body_size : 1);
  if (!*body_out) return tk_nomem(error);
  *body_size_out = body_size;
  enum tk_status status = tk_unpack_bytes(&reader, *body_out, body_size, error);
  if (status == TK_OK && !tk_byte_reader_finished(&reader)) {
    status = tk_corrupt(error, "directory: bytes after its end");
  }
  return status;
}

enum tk_status tk_directory_decode(const uint8_t *bytes, size_t size, struct tk_arena *arena,
                                   struct tk_directory *directory_out, struct tk_error *error) {
  struct tk_directory directory = {0};
  struct decoder decoder = {.arena = arena, .directory = &directory, .error = error};
  uint8_t *body = NULL;
  size_t body_size = 0;
  enum tk_status status;

  if ((status = unpack_body(bytes, size, &body, &body_size, error)) != TK_OK) goto done;
  tk_byte_reader_init(&decoder.body, body, body_size);
  if ((status = decode_head(&decoder)) != TK_OK) goto done;
  if ((status = decode_granules(&decoder)) != TK_OK) goto done;
  if ((status = decode_columns(&decoder)) != TK_OK) goto done;
  if ((status = check_columns(&decoder)) != TK_OK) goto done;
  if ((status = decode_keysets(&decoder)) != TK_OK) goto done;
  *directory_out = directory;

done:
  sqlite3_free(body);
  return status;
}
