#include "tests/support/read_everything.h"

#include "store/codec/value_codec.h"

static void digest_text(struct tk_hash *digest, struct tk_text text) {
  tk_hash_update(digest, &text.size, sizeof text.size);
  tk_hash_update(digest, text.data, text.size);
}

static enum tk_status digest_attributes(struct tk_hash *digest,
                                        const struct tk_attributes *attributes) {
  struct tk_byte_writer bytes = {0};
  tk_attributes_encode(&bytes, attributes);
  tk_hash_update(digest, bytes.data, bytes.size);
  enum tk_status status = bytes.failed ? TK_NOMEM : TK_OK;
  tk_byte_writer_reset(&bytes);
  return status;
}

static enum tk_status digest_span(struct tk_hash *digest, const struct tk_span *span) {
  tk_hash_update(digest, span->trace_id, 16);
  tk_hash_update(digest, span->span_id, 8);
  tk_hash_update(digest, span->parent_span_id, 8);
  tk_hash_update(digest, &span->start_unix_ns, 8);
  tk_hash_update(digest, &span->end_unix_ns, 8);
  tk_hash_update(digest, &span->kind, 4);
  tk_hash_update(digest, &span->status_code, 4);
  tk_hash_update(digest, &span->presence, 4);
  digest_text(digest, span->name);
  digest_text(digest, span->trace_state);
  digest_text(digest, span->status_message);
  digest_text(digest, span->trace_id_text);
  digest_text(digest, (struct tk_text){span->residual.data, span->residual.size});
  digest_text(digest, span->scope->name);
  enum tk_status status = digest_attributes(digest, &span->resource->attributes);
  if (status == TK_OK) status = digest_attributes(digest, &span->attributes);
  for (uint32_t i = 0; status == TK_OK && i < span->event_count; i++) {
    tk_hash_update(digest, &span->events[i].time_unix_ns, 8);
    digest_text(digest, span->events[i].name);
    status = digest_attributes(digest, &span->events[i].attributes);
  }
  for (uint32_t i = 0; status == TK_OK && i < span->link_count; i++) {
    tk_hash_update(digest, span->links[i].trace_id, 16);
    status = digest_attributes(digest, &span->links[i].attributes);
  }
  return status;
}

/* Every value that a column hands out, so that a sanitizer sees a wild one. */
static void touch_column(struct tk_hash *digest, const struct tk_column *column) {
  for (uint32_t i = 0; i < column->value_count; i++) {
    const int64_t integer = tk_ints_at(column->ints, i);
    if (column->kind == TK_COLUMN_INT) tk_hash_update(digest, &integer, sizeof integer);
    if (column->has_dictionary || column->texts) digest_text(digest, tk_column_text(column, i));
    if (column->fixed)
      tk_hash_update(digest, column->fixed + (size_t)i * column->width, column->width);
  }
}

static enum tk_status read_columns(struct tk_reader *reader, const struct tk_segment *segment,
                                   struct tk_hash *digest, struct tk_error *error) {
  for (uint32_t c = 0; c < segment->column_count; c++) {
    const struct tk_segment_column *column = &segment->columns[c];
    const struct tk_column *values = NULL;
    const uint32_t *value_index;
    const uint32_t item_counts[] = {segment->summary.span_count, segment->summary.event_count,
                                    segment->summary.link_count};
    bool may;
    enum tk_status status =
        tk_reader_values(reader, segment, c, 0, column->value_count, &values, error);
    if (status != TK_OK) return status;
    touch_column(digest, values);
    status = tk_reader_may_contain(reader, segment, c, (struct tk_text){"x", 1}, &may, error);
    if (status != TK_OK) return status;
    if (column->number < TK_COL_FIRST_ATTRIBUTE) continue;
    status = tk_reader_value_index(reader, segment, c, TK_ALL, &value_index, error);
    if (status != TK_OK) return status;
    for (uint32_t i = 0; i < item_counts[column->scope]; i++) {
      if (value_index[i] != UINT32_MAX && value_index[i] >= column->value_count) {
        return tk_fail(error, TK_INVALID, "a value index is out of range");
      }
    }
  }
  return TK_OK;
}

static enum tk_status read_derived(struct tk_reader *reader, const struct tk_segment *segment,
                                   struct tk_error *error) {
  const int64_t *starts;
  const uint32_t *array;
  enum tk_status status;
  for (uint32_t g = segment->rows.count; g-- > 0;) {
    if ((status = tk_reader_starts(reader, segment, g, &starts, error)) != TK_OK ||
        (status = tk_reader_traces(reader, segment, g, &array, error)) != TK_OK ||
        (status = tk_reader_parents(reader, segment, g, &array, error)) != TK_OK) {
      return status;
    }
    for (uint32_t row = g ? segment->rows.ends[g - 1] : 0; row < segment->rows.ends[g]; row++) {
      if (array[row] != UINT32_MAX && array[row] >= row) {
        return tk_fail(error, TK_INVALID, "a parent does not come before its child");
      }
    }
  }
  if ((status = tk_reader_trace_rows(reader, segment, &array, error)) != TK_OK ||
      (status = tk_reader_first_items(reader, segment, TK_SCOPE_EVENT, &array, error)) != TK_OK) {
    return status;
  }
  return tk_reader_first_items(reader, segment, TK_SCOPE_LINK, &array, error);
}

enum tk_status read_segment(struct tk_reader *reader, const struct tk_segment *segment,
                            struct tk_hash *digest, struct tk_error *error) {
  struct tk_arena arena = {0};
  struct tk_hash columns;
  const uint32_t count = segment->summary.span_count;
  tk_hash_init(&columns);
  struct tk_span *spans = tk_arena_alloc(&arena, count * sizeof *spans);
  enum tk_status status =
      spans ? tk_reader_spans(reader, segment, 0, count, &arena, spans, error) : TK_NOMEM;
  for (uint32_t i = 0; status == TK_OK && i < count; i++) status = digest_span(digest, &spans[i]);
  if (status == TK_OK) status = read_derived(reader, segment, error);
  if (status == TK_OK) status = read_columns(reader, segment, &columns, error);
  for (uint32_t i = 0; status == TK_OK && i < count; i += 5) {
    struct tk_trace_place *places;
    uint32_t place_count;
    status = tk_reader_find_trace(reader, spans[i].trace_id, &places, &place_count, error);
    sqlite3_free(places);
  }
  tk_arena_reset(&arena);
  return status;
}

enum tk_status read_everything(sqlite3 *db, uint64_t *digest_out, struct tk_error *error) {
  struct tk_reader *reader;
  struct tk_hash digest;
  tk_hash_init(&digest);
  enum tk_status status = tk_reader_open(db, "main", &reader, error);
  for (uint32_t i = 0; status == TK_OK && i < reader->segment_count; i++) {
    const struct tk_segment *segment;
    status = tk_reader_segment(reader, i, &segment, error);
    if (status != TK_OK) break;
    status = read_segment(reader, segment, &digest, error);
    tk_segment_release(segment);
  }
  tk_reader_close(reader);
  *digest_out = tk_hash_digest(&digest);
  return status;
}
