/* SPDX-License-Identifier: MIT
 * Putting traces in several segments together. See split_rows.h. */
#include "sqlext/tables/split_rows.h"

#include <stdlib.h>
#include <string.h>

#include "sqlext/tables/table_support.h"
#include "store/segment/span_order.h"

void tk_split_rows_reset(struct tk_split_rows *rows) {
  sqlite3_free(rows->items);
  *rows = (struct tk_split_rows){0};
}

static enum tk_status reserve(struct tk_split_rows *rows, uint32_t more, struct tk_error *error) {
  uint64_t wanted = (uint64_t)rows->count + more, grown = rows->capacity ? rows->capacity : 64;
  if (wanted > INT32_MAX) return tk_fail(error, TK_UNSUPPORTED, "too many spans of split traces");
  if (wanted <= rows->capacity) return TK_OK;
  while (grown < wanted) grown *= 2;
  struct tk_split_row *items = sqlite3_realloc64(rows->items, grown * sizeof *items);
  if (!items) return tk_nomem(error);
  rows->items = items;
  rows->capacity = (uint32_t)grown;
  return TK_OK;
}

enum tk_status tk_split_rows_add(struct tk_split_rows *rows, struct tk_reader *reader,
                                 const struct tk_segment *segment, uint32_t split, uint32_t begin,
                                 uint32_t end, uint32_t payload, struct tk_error *error) {
  const struct tk_column *ids;
  const int64_t *starts;
  struct tk_ints durations, kinds;
  const uint32_t *parents;
  uint32_t granule = tk_segment_granule_of_row(segment, begin); /* it holds whole traces */
  enum tk_status status;

  if ((status = reserve(rows, end - begin, error)) != TK_OK ||
      (status = tk_reader_row_column(reader, segment, TK_COL_SPAN_ID, granule, &ids, error)) ||
      (status = tk_row_ints(reader, segment, TK_COL_DURATION, granule, &durations, error)) ||
      (status = tk_row_ints(reader, segment, TK_COL_KIND, granule, &kinds, error)) ||
      (status = tk_reader_starts(reader, segment, granule, &starts, error)) ||
      (status = tk_reader_parents(reader, segment, granule, &parents, error))) {
    return status;
  }
  if (!ids) {
    return tk_corrupt(error, "segment %lld has no span ids", (long long)segment->summary.id);
  }
  for (uint32_t row = begin; row < end; row++) {
    struct tk_split_row *item = &rows->items[rows->count];
    const uint8_t *parent = NULL;
    if (parents[row] != UINT32_MAX) {
      parent = ids->fixed + (size_t)parents[row] * 8;
    } else {
      status = tk_reader_external_parent(reader, segment, row, &parent, error);
      if (status != TK_OK) return status;
    }
    *item = (struct tk_split_row){.split = split,
                                  .payload = payload + (row - begin),
                                  .has_parent = parent != NULL,
                                  .kind = (int32_t)tk_ints_at(kinds, row),
                                  .start = (uint64_t)starts[row]};
    item->end = item->start + (uint64_t)tk_ints_at(durations, row);
    memcpy(item->span_id, ids->fixed + (size_t)row * 8, 8);
    if (parent) memcpy(item->parent_span_id, parent, 8);
    rows->count++;
  }
  return TK_OK;
}

/* ---- trees ---- */

static int compare_rows(const void *left, const void *right) {
  const struct tk_split_row *a = left, *b = right;
  if (a->split != b->split) return a->split < b->split ? -1 : 1;
  return (a->payload > b->payload) - (a->payload < b->payload);
}

/* Memory for the trace being ordered, as large as the largest. */
struct ordering {
  struct tk_span *spans;
  const struct tk_span **list;
  const struct tk_split_row **rows;
};

static enum tk_status order_trace(struct ordering *ordering, const struct tk_split_row *items,
                                  uint32_t count, struct tk_span_order *order,
                                  struct tk_error *error) {
  for (uint32_t i = 0; i < count; i++) {
    struct tk_span *span = &ordering->spans[i];
    *span = (struct tk_span){.start_unix_ns = items[i].start,
                             .end_unix_ns = items[i].end,
                             .kind = items[i].kind,
                             .presence = items[i].has_parent ? TK_SPAN_HAS_PARENT : 0};
    memcpy(span->span_id, items[i].span_id, 8);
    memcpy(span->parent_span_id, items[i].parent_span_id, 8);
    ordering->list[i] = span;
  }
  enum tk_status status = tk_span_order_init(order, ordering->list, count, error);
  for (uint32_t i = 0; status == TK_OK && i < count; i++) {
    ordering->rows[i] = &items[order->rows[i] - ordering->spans];
  }
  return status;
}

enum tk_status tk_split_rows_each(struct tk_split_rows *rows,
                                  enum tk_status (*take)(void *context,
                                                         const struct tk_whole_trace *trace,
                                                         struct tk_error *error),
                                  void *context, struct tk_error *error) {
  uint64_t count = rows->count;
  struct ordering ordering = {.spans = sqlite3_malloc64(count * sizeof *ordering.spans + 1),
                              .list = sqlite3_malloc64(count * sizeof *ordering.list + 1),
                              .rows = sqlite3_malloc64(count * sizeof *ordering.rows + 1)};
  enum tk_status status =
      ordering.spans && ordering.list && ordering.rows ? TK_OK : tk_nomem(error);

  if (count > 1) qsort(rows->items, rows->count, sizeof *rows->items, compare_rows);
  for (uint32_t begin = 0, end; begin < count && status == TK_OK; begin = end) {
    struct tk_span_order order = {0};
    end = begin + 1;
    while (end < count && rows->items[end].split == rows->items[begin].split) end++;
    status = order_trace(&ordering, rows->items + begin, end - begin, &order, error);
    if (status == TK_OK) {
      struct tk_whole_trace trace = {ordering.rows, order.parents, end - begin};
      status = take(context, &trace, error);
    }
    tk_span_order_reset(&order);
  }
  sqlite3_free(ordering.spans);
  sqlite3_free(ordering.list);
  sqlite3_free(ordering.rows);
  return status;
}
