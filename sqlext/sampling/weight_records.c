/* SPDX-License-Identifier: MIT
 * A sorted array, read once for each generation of a store. See weight_records.h. */
#include "sqlext/sampling/weight_records.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sqlext/tables/table_support.h"
#include "sqlext/vtab_support.h"

static int compare_places(const struct tk_recorded_weight *a, const struct tk_recorded_weight *b) {
  const int order = memcmp(a->trace_id, b->trace_id, 16);
  if (order != 0) return order;
  if (a->has_span != b->has_span) return a->has_span ? 1 : -1;
  return a->has_span ? memcmp(a->span_id, b->span_id, 8) : 0;
}

static int compare_order(const struct tk_record_place *a, const struct tk_record_place *b) {
  if (a->document != b->document) return a->document > b->document ? 1 : -1;
  return (a->ordinal > b->ordinal) - (a->ordinal < b->ordinal);
}

static bool says_anything(const struct tk_recorded_weight *weight) {
  return weight->is_forced || !isnan(weight->count);
}

static int compare(const void *left, const void *right) {
  const struct tk_recorded_weight *a = left, *b = right;
  const int order = compare_places(a, b);
  if (order != 0) return order;
  if (says_anything(a) != says_anything(b)) return says_anything(a) ? -1 : 1;
  return compare_order(&a->place, &b->place);
}

static enum tk_status add(struct tk_recorded_weights *weights,
                          const struct tk_decision_record *record, struct tk_error *error) {
  struct tk_recorded_weight weight = {.has_span = record->span_text.data != NULL,
                                      .is_forced = record->decision.is_forced,
                                      .count = NAN,
                                      .place = record->place};
  if (record->decision.rank == TK_RANK_RECORD) weight.count = record->decision.adjusted_count;
  if (!record->has_trace_id) return TK_OK;
  memcpy(weight.trace_id, record->trace_id, 16);
  if (weight.has_span && !tk_hex_parse(record->span_text, weight.span_id, 8)) {
    weight.count = NAN; /* of no span there can be */
    weight.is_forced = false;
  }
  if (!tk_grow_zeroed(&weights->items, &weights->capacity, weights->count + 1,
                      sizeof *weights->items)) {
    return tk_nomem(error);
  }
  weights->items[weights->count++] = weight;
  weights->has_spans |= weight.has_span && says_anything(&weight);
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

/* The first that does not come before `wanted`. */
static uint32_t find_first(const struct tk_recorded_weights *weights,
                           const struct tk_recorded_weight *wanted) {
  uint32_t begin = 0, end = weights->count;
  while (begin < end) {
    const uint32_t middle = begin + (end - begin) / 2;
    if (compare_places(&weights->items[middle], wanted) < 0) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin;
}

const struct tk_recorded_weight *tk_recorded_weights_find(const struct tk_recorded_weights *weights,
                                                          const uint8_t trace_id[16],
                                                          const uint8_t *span_id) {
  struct tk_recorded_weight wanted = {.has_span = span_id != NULL};
  memcpy(wanted.trace_id, trace_id, 16);
  if (span_id) memcpy(wanted.span_id, span_id, 8);
  const uint32_t first = find_first(weights, &wanted);
  if (first == weights->count || compare_places(&weights->items[first], &wanted) != 0) return NULL;
  return says_anything(&weights->items[first]) ? &weights->items[first] : NULL;
}

static int compare_found(const void *left, const void *right) {
  return compare_order(left, right);
}

enum tk_status tk_recorded_places(const struct tk_recorded_weights *weights,
                                  const uint8_t (*ids)[16], uint32_t id_count,
                                  struct tk_record_place **places_out, uint32_t *count_out,
                                  struct tk_error *error) {
  struct tk_record_place *places = NULL;
  uint32_t count = 0, capacity = 0;

  *places_out = NULL;
  *count_out = 0;
  for (uint32_t i = 0; i < id_count; i++) {
    struct tk_recorded_weight wanted = {.has_span = false};
    memcpy(wanted.trace_id, ids[i], 16);
    for (uint32_t at = find_first(weights, &wanted);
         at < weights->count && memcmp(weights->items[at].trace_id, ids[i], 16) == 0; at++) {
      if (!tk_grow_zeroed(&places, &capacity, count + 1, sizeof *places)) {
        sqlite3_free(places);
        return tk_nomem(error);
      }
      places[count++] = weights->items[at].place;
    }
  }
  if (count > 1) qsort(places, count, sizeof *places, compare_found);
  *places_out = places;
  *count_out = count;
  return TK_OK;
}
