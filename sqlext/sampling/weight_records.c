/* SPDX-License-Identifier: MIT
 * A sorted array, read once for each generation of a store. See weight_records.h. */
#include "sqlext/sampling/weight_records.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sqlext/sampling/decision_records.h"
#include "sqlext/table_support.h"
#include "sqlext/vtab_support.h"

static int compare_places(const struct tk_recorded_weight *a, const struct tk_recorded_weight *b) {
  const int order = memcmp(a->trace_id, b->trace_id, 16);
  if (order != 0) return order;
  if (a->has_span != b->has_span) return a->has_span ? 1 : -1;
  return a->has_span ? memcmp(a->span_id, b->span_id, 8) : 0;
}

static int compare(const void *left, const void *right) {
  const struct tk_recorded_weight *a = left, *b = right;
  const int order = compare_places(a, b);
  return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

static enum tk_status add(struct tk_recorded_weights *weights,
                          const struct tk_decision_record *record, struct tk_error *error) {
  struct tk_recorded_weight weight = {.has_span = record->span_text.data != NULL,
                                      .is_forced = record->decision.is_forced,
                                      .count = NAN,
                                      .order = weights->count};
  if (record->decision.rank == TK_RANK_RECORD) weight.count = record->decision.adjusted_count;
  if (!record->has_trace_id || (isnan(weight.count) && !weight.is_forced)) return TK_OK;
  memcpy(weight.trace_id, record->trace_id, 16);
  if (weight.has_span && !tk_hex_parse(record->span_text, weight.span_id, 8)) return TK_OK;
  if (!tk_grow_zeroed(&weights->items, &weights->capacity, weights->count + 1,
                      sizeof *weights->items)) {
    return tk_nomem(error);
  }
  weights->items[weights->count++] = weight;
  weights->has_spans |= weight.has_span;
  return TK_OK;
}

enum tk_status tk_recorded_weights_load(struct tk_recorded_weights *weights, sqlite3 *db,
                                        const char *schema, struct tk_error *error) {
  const struct tk_decision_record *record;
  struct tk_record_walk *walk = NULL;

  enum tk_status status = tk_record_walk_open(db, schema, &walk, error);
  while (status == TK_OK) {
    status = tk_record_walk_next(walk, &record, error);
    if (status != TK_OK || !record) break;
    status = add(weights, record, error);
  }
  tk_record_walk_close(walk);
  if (status == TK_OK && weights->count > 1) {
    qsort(weights->items, weights->count, sizeof *weights->items, compare);
  }
  return status;
}

void tk_recorded_weights_reset(struct tk_recorded_weights *weights) {
  sqlite3_free(weights->items);
  *weights = (struct tk_recorded_weights){.items = NULL};
}

const struct tk_recorded_weight *tk_recorded_weights_find(const struct tk_recorded_weights *weights,
                                                          const uint8_t trace_id[16],
                                                          const uint8_t *span_id) {
  struct tk_recorded_weight wanted = {.has_span = span_id != NULL};
  uint32_t begin = 0, end = weights->count;
  memcpy(wanted.trace_id, trace_id, 16);
  if (span_id) memcpy(wanted.span_id, span_id, 8);
  while (begin < end) {
    const uint32_t middle = begin + (end - begin) / 2;
    if (compare_places(&weights->items[middle], &wanted) < 0) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  if (begin == weights->count || compare_places(&weights->items[begin], &wanted) != 0) return NULL;
  return &weights->items[begin];
}
