/* SPDX-License-Identifier: MIT
 * See weight_rows.h. A trace is looked at as a whole, because of what one of its spans says of all
 * of them; where parts of it are in other segments, these are asked too, if the store has any such
 * keys. Tracestates are read once for each dictionary entry where nothing else is known. */
#include "sqlext/sampling/weight_rows.h"

#include <math.h>
#include <string.h>

#include "sqlext/sampling/decision_rows.h"
#include "sqlext/sampling/sampler_math.h"
#include "sqlext/sampling/weight_records.h"
#include "sqlext/tables/table_support.h"
#include "sqlext/vtab_support.h"
#include "store/sqlite_api.h"

/* Sources that give weights, or forbid them. */
enum {
  WEIGHT_SOURCES = 1 << TK_SOURCE_TRACE_STATE | 1 << TK_SOURCE_JAEGER | 1 << TK_SOURCE_ZIPKIN |
                   1 << TK_SOURCE_DATADOG | 1 << TK_SOURCE_HONEYCOMB | 1 << TK_SOURCE_SENTRY |
                   1 << TK_SOURCE_ELASTIC | 1 << TK_SOURCE_B3 | 1 << TK_SOURCE_ATTRIBUTE
};

/* What is known of a weight. */
struct candidate {
  enum tk_weight_rank rank; /* TK_RANK_COUNT: nothing */
  enum tk_decision_source source;
  double count;
};

/* The threshold of a tracestate, by dictionary code. */
struct state_note {
  bool is_read, is_threshold; /* only a threshold, and well-formed */
  bool has_randomness;
  uint64_t threshold, randomness;
};

/* What holds for all spans of a trace. */
struct trace_note {
  struct candidate best;
  bool is_forced;
};

/* The same rows of another segment, opened for a trace that is in both. */
struct other_segment {
  int64_t id;
  const struct tk_segment *segment;
  struct tk_decision_rows rows;
};

struct tk_weights {
  struct tk_reader *reader;
  const struct tk_segment *segment;
  struct tk_decision_rows rows;
  struct tk_arena arena; /* texts of decoders */
  struct tk_decision_list list;
  const struct tk_recorded_weights *recorded;
  double *ratios; /* by resource code: what the user says; NaN; NULL: says nothing */
  struct state_note *states;
  struct candidate *own; /* by row of the trace at hand */
  uint32_t own_capacity;
  double *counts; /* by row; NULL: everything is unknown */
  uint8_t *sources;
  struct other_segment *others;
  uint32_t other_count, other_capacity;
  bool may_be_split; /* parts in other segments may say something of a trace */
  bool is_weighed;   /* granule `weighed`, the last one, or TK_ALL */
  uint32_t weighed;
};

/* ---- what the user says ---- */

static enum tk_status fail_sqlite(struct tk_weights *weights, struct tk_error *error) {
  sqlite3 *db = weights->reader->db;
  return tk_fail(error, sqlite3_errcode(db) == SQLITE_NOMEM ? TK_NOMEM : TK_IO,
                 "cannot read tk_head_sampling: %s", sqlite3_errmsg(db));
}

static enum tk_status set_ratio(struct tk_weights *weights, struct tk_text service,
                                double probability, struct tk_error *error) {
  const uint32_t count = weights->segment->resource_count;
  for (uint32_t code = 0; code < count; code++) {
    const struct tk_stored_resource *resource =
        tk_reader_resource(weights->reader, weights->segment->resources[code]);
    if (!resource || !resource->service.data || !tk_text_equal(resource->service, service)) {
      continue;
    }
    if (!weights->ratios) {
      weights->ratios = sqlite3_malloc64(count * sizeof *weights->ratios);
      if (!weights->ratios) return tk_nomem(error);
      for (uint32_t i = 0; i < count; i++) weights->ratios[i] = NAN;
    }
    weights->ratios[code] = probability;
  }
  return TK_OK;
}

static enum tk_status load_ratios(struct tk_weights *weights, struct tk_error *error) {
  sqlite3_stmt *statement = NULL;
  enum tk_status status = tk_shared_reader_head_sampling(weights->reader, &statement, error);
  int rc = SQLITE_DONE;

  while (status == TK_OK && statement && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
    const struct tk_text service = {(const char *)sqlite3_column_text(statement, 0),
                                    (uint32_t)sqlite3_column_bytes(statement, 0)};
    if (service.data) {
      status = set_ratio(weights, service, sqlite3_column_double(statement, 1), error);
    }
  }
  if (status == TK_OK && rc != SQLITE_DONE) status = fail_sqlite(weights, error);
  sqlite3_reset(statement);
  return status;
}

/* ---- opening ---- */

/* Whether any span of the store has a key, or a resource or scope one, that is about whole traces.
 */
static enum tk_status find_trace_keys(struct tk_weights *weights, bool *found_out,
                                      struct tk_error *error) {
  const uint64_t keys =
      tk_decision_keys(TK_SOURCE_BIT(TK_SOURCE_JAEGER) | TK_SOURCE_BIT(TK_SOURCE_DATADOG) |
                       TK_SOURCE_BIT(TK_SOURCE_SENTRY) | TK_SOURCE_BIT(TK_SOURCE_ATTRIBUTE) |
                       TK_SOURCE_BIT(TK_SOURCE_B3));
  struct tk_reader *reader = weights->reader;
  sqlite3_stmt *statement = NULL;
  char *sql = sqlite3_mprintf("SELECT DISTINCT key FROM \"%w\".tk_attribute_key", reader->schema);
  int rc;

  *found_out = false;
  if (!sql) return tk_nomem(error);
  rc = sqlite3_prepare_v2(reader->db, sql, -1, &statement, NULL);
  sqlite3_free(sql);
  while (rc == SQLITE_OK && !*found_out && sqlite3_step(statement) == SQLITE_ROW) {
    const struct tk_text text = {(const char *)sqlite3_column_text(statement, 0),
                                 (uint32_t)sqlite3_column_bytes(statement, 0)};
    const enum tk_sampling_key key = text.data ? tk_sampling_key_find(text) : TK_SAMPLING_NO_KEY;
    *found_out = key != TK_SAMPLING_NO_KEY && keys >> key & 1;
  }
  sqlite3_finalize(statement);
  if (rc != SQLITE_OK) {
    return tk_fail(error, rc == SQLITE_NOMEM ? TK_NOMEM : TK_IO,
                   "cannot read the attribute keys: %s", sqlite3_errmsg(reader->db));
  }
  return TK_OK;
}

static enum tk_status allocate_rows(struct tk_weights *weights, struct tk_error *error) {
  const uint64_t rows = weights->segment->summary.span_count;
  weights->counts = sqlite3_malloc64(rows * sizeof *weights->counts + 1);
  weights->sources = sqlite3_malloc64(rows + 1);
  if (!weights->counts || !weights->sources) return tk_nomem(error);
  for (uint64_t row = 0; row < rows; row++) weights->counts[row] = NAN;
  memset(weights->sources, 0, rows + 1);
  return TK_OK;
}

enum tk_status tk_weights_open(struct tk_reader *reader, const struct tk_segment *segment,
                               struct tk_weights **weights_out, struct tk_error *error) {
  struct tk_weights *weights = sqlite3_malloc64(sizeof *weights);
  bool has_trace_keys = false;
  enum tk_status status;

  *weights_out = NULL;
  if (!weights) return tk_nomem(error);
  *weights = (struct tk_weights){.reader = reader, .segment = segment};
  weights->list = (struct tk_decision_list){.arena = &weights->arena, .without_raw = true};
  status = tk_decision_rows_open(&weights->rows, reader, segment, WEIGHT_SOURCES, error);
  if (status == TK_OK) status = load_ratios(weights, error);
  if (status == TK_OK) {
    status = tk_shared_reader_recorded_weights(reader, &weights->recorded, error);
  }
  if (status == TK_OK && segment->summary.flags & TK_SEGMENT_HAS_SPLIT) {
    status = find_trace_keys(weights, &has_trace_keys, error);
  }
  weights->may_be_split = has_trace_keys;
  if (status == TK_OK && (weights->rows.any || weights->ratios || weights->recorded->count > 0 ||
                          weights->may_be_split)) {
    status = allocate_rows(weights, error);
  }
  if (status != TK_OK) {
    tk_weights_close(weights);
    return status;
  }
  *weights_out = weights;
  return TK_OK;
}

void tk_weights_close(struct tk_weights *weights) {
  if (!weights) return;
  for (uint32_t i = 0; i < weights->other_count; i++) {
    tk_decision_rows_close(&weights->others[i].rows);
    tk_segment_release(weights->others[i].segment);
  }
  sqlite3_free(weights->others);
  tk_decision_rows_close(&weights->rows);
  tk_decision_list_reset(&weights->list);
  tk_arena_reset(&weights->arena);
  sqlite3_free(weights->ratios);
  sqlite3_free(weights->states);
  sqlite3_free(weights->own);
  sqlite3_free(weights->counts);
  sqlite3_free(weights->sources);
  sqlite3_free(weights);
}

/* ---- one row ---- */

static struct candidate nothing(void) {
  return (struct candidate){.rank = TK_RANK_COUNT, .count = NAN};
}

/* Of several that rank equally, as when spans of a trace disagree, the least count. */
static void take_better(struct candidate *best, const struct tk_decision *decision) {
  if (decision->rank == TK_RANK_NONE || isnan(decision->adjusted_count)) return;
  if (decision->rank > best->rank ||
      (decision->rank == best->rank && decision->adjusted_count >= best->count)) {
    return;
  }
  *best = (struct candidate){decision->rank, decision->source, decision->adjusted_count};
}

/* What the decisions in the list say of their row, and of its trace. */
static void take_decisions(const struct tk_decision_list *list, struct candidate *own,
                           struct trace_note *trace) {
  for (uint32_t i = 0; i < list->count; i++) {
    const struct tk_decision *decision = &list->items[i];
    if (own) take_better(own, decision);
    if (decision->trace_wide && decision->rank != TK_RANK_HONEYCOMB) {
      take_better(&trace->best, decision);
    }
    trace->is_forced |= decision->is_forced;
  }
}

/* True: the row has nothing but a tracestate whose threshold is all that matters, and *own is set.
 */
static bool read_state_alone(struct tk_weights *weights, const struct tk_decision_input *input,
                             uint32_t row, struct candidate *own) {
  const struct tk_column *states = weights->rows.states;
  if (input->present || input->residual.size > 0 || !weights->states) return false;
  struct state_note *note = &weights->states[tk_column_code(states, row)];
  if (!note->is_read) {
    struct tk_ot_member member;
    note->is_read = true;
    note->is_threshold = tk_ot_member_read(input->trace_state, &member) && member.th.is_valid &&
                         (!member.rv.is_there || member.rv.is_valid) &&
                         !tk_trace_state_member(input->trace_state, "dd").data;
    note->threshold = member.th.value;
    note->has_randomness = member.rv.is_there;
    note->randomness = member.rv.value;
  }
  if (!note->is_threshold) return false;
  const uint64_t randomness =
      note->has_randomness ? note->randomness : tk_trace_randomness(input->trace_id);
  if (randomness < note->threshold) return false; /* elastic's member may know */
  *own = (struct candidate){TK_RANK_THRESHOLD, TK_SOURCE_TRACE_STATE,
                            tk_threshold_count(note->threshold)};
  return true;
}

static enum tk_status read_row(struct tk_weights *weights, struct tk_decision_rows *rows,
                               uint32_t row, struct candidate *own, struct trace_note *trace,
                               struct tk_error *error) {
  struct tk_decision_input input;
  bool any;
  enum tk_status status = tk_decision_rows_read(rows, row, &input, &any, error);
  if (status != TK_OK || !any) return status;
  if (own && read_state_alone(weights, &input, row, own)) return TK_OK;
  weights->list.count = 0;
  tk_decisions_decode(&input, WEIGHT_SOURCES, &weights->list);
  tk_arena_reset(&weights->arena);
  if (weights->list.failed) return tk_nomem(error);
  take_decisions(&weights->list, own, trace);
  return TK_OK;
}

/* ---- parts in other segments ---- */

static enum tk_status find_other(struct tk_weights *weights, uint32_t reader_index,
                                 struct other_segment **other_out, struct tk_error *error) {
  const int64_t id = weights->reader->segments[reader_index].id;
  for (uint32_t i = 0; i < weights->other_count; i++) {
    if (weights->others[i].id == id) {
      *other_out = &weights->others[i];
      return TK_OK;
    }
  }
  if (!tk_grow_zeroed(&weights->others, &weights->other_capacity, weights->other_count + 1,
                      sizeof *weights->others)) {
    return tk_nomem(error);
  }
  struct other_segment *other = &weights->others[weights->other_count];
  *other = (struct other_segment){.id = id};
  enum tk_status status = tk_reader_segment(weights->reader, reader_index, &other->segment, error);
  if (status != TK_OK) return status;
  weights->other_count++; /* from here on it is closed with the rest */
  status =
      tk_decision_rows_open(&other->rows, weights->reader, other->segment, WEIGHT_SOURCES, error);
  *other_out = other;
  return status;
}

static enum tk_status read_other_parts(struct tk_weights *weights, const uint8_t trace_id[16],
                                       struct trace_note *trace, struct tk_error *error) {
  struct tk_trace_place *places = NULL;
  uint32_t count = 0;
  enum tk_status status = tk_reader_find_trace(weights->reader, trace_id, &places, &count, error);

  for (uint32_t i = 0; i < count && status == TK_OK; i++) {
    const struct tk_trace_place *place = &places[i];
    struct other_segment *other = NULL;
    if (weights->reader->segments[place->segment_index].id == weights->segment->summary.id) {
      continue;
    }
    status = find_other(weights, place->segment_index, &other, error);
    if (status != TK_OK || !other || !other->rows.any) continue;
    status = tk_decision_rows_prepare(
        &other->rows, tk_segment_granule_of_row(other->segment, place->first_row), error);
    for (uint32_t r = 0; r < place->row_count && status == TK_OK; r++) {
      status = read_row(weights, &other->rows, place->first_row + r, NULL, trace, error);
    }
  }
  sqlite3_free(places);
  return status;
}

/* ---- one trace ---- */

static struct candidate of_record(const struct tk_recorded_weight *recorded) {
  struct candidate candidate = nothing();
  if (recorded && !isnan(recorded->count)) {
    candidate = (struct candidate){TK_RANK_RECORD, TK_SOURCE_RECORD, recorded->count};
  }
  return candidate;
}

static enum tk_status take_recorded_span(struct tk_weights *weights, const uint8_t *trace_id,
                                         uint32_t row, struct candidate *best,
                                         struct tk_error *error) {
  const uint8_t *span_id;
  enum tk_status status =
      tk_fixed_value(weights->reader, weights->segment, TK_COL_SPAN_ID, row, &span_id, error);
  if (status != TK_OK) return status;
  const struct tk_recorded_weight *recorded =
      tk_recorded_weights_find(weights->recorded, trace_id, span_id);
  const struct candidate candidate = of_record(recorded);
  if (candidate.rank <= best->rank) *best = candidate;
  return TK_OK;
}

static enum tk_status take_ratio(struct tk_weights *weights, uint32_t row, struct candidate *best,
                                 struct tk_error *error) {
  int64_t code;
  enum tk_status status =
      tk_int_value(weights->reader, weights->segment, TK_COL_RESOURCE, row, &code, error);
  if (status != TK_OK) return status;
  if ((uint64_t)code < weights->segment->resource_count && !isnan(weights->ratios[code])) {
    *best = (struct candidate){TK_RANK_HEAD, TK_SOURCE_HEAD_SAMPLING, 1 / weights->ratios[code]};
  }
  return TK_OK;
}

/* The row's weight from what is known of it and of its trace. */
static enum tk_status settle_row(struct tk_weights *weights, const uint8_t *trace_id, uint32_t row,
                                 struct candidate best, const struct trace_note *trace,
                                 struct tk_error *error) {
  enum tk_status status = TK_OK;
  if (trace->best.rank < best.rank) best = trace->best;
  if (trace->is_forced && best.rank > TK_RANK_HONEYCOMB) {
    weights->counts[row] = NAN;
    return TK_OK;
  }
  if (weights->recorded->has_spans && best.rank >= TK_RANK_RECORD) {
    status = take_recorded_span(weights, trace_id, row, &best, error);
  }
  if (status == TK_OK && best.rank > TK_RANK_HEAD && weights->ratios) {
    status = take_ratio(weights, row, &best, error);
  }
  weights->counts[row] = best.count;
  weights->sources[row] = (uint8_t)best.source;
  return status;
}

/* Rows of a trace, which are prepared. */
static enum tk_status weigh_trace(struct tk_weights *weights, const uint8_t *trace_id,
                                  uint32_t first_row, uint32_t end_row, struct tk_error *error) {
  struct trace_note trace = {.best = nothing()};
  enum tk_status status = TK_OK;

  if (!tk_grow_zeroed(&weights->own, &weights->own_capacity, end_row - first_row,
                      sizeof *weights->own)) {
    return tk_nomem(error);
  }
  for (uint32_t row = first_row; row < end_row && status == TK_OK; row++) {
    struct candidate *own = &weights->own[row - first_row];
    *own = nothing();
    if (weights->rows.any) status = read_row(weights, &weights->rows, row, own, &trace, error);
  }
  if (status == TK_OK && weights->may_be_split) {
    status = read_other_parts(weights, trace_id, &trace, error);
  }
  if (weights->recorded->count > 0) {
    const struct tk_recorded_weight *recorded =
        tk_recorded_weights_find(weights->recorded, trace_id, NULL);
    const struct candidate candidate = of_record(recorded);
    trace.is_forced |= recorded && recorded->is_forced;
    if (candidate.rank < trace.best.rank) trace.best = candidate;
  }
  for (uint32_t row = first_row; row < end_row && status == TK_OK; row++) {
    status = settle_row(weights, trace_id, row, weights->own[row - first_row], &trace, error);
  }
  return status;
}

/* ---- preparing ---- */

static enum tk_status prepare_rows(struct tk_weights *weights, uint32_t granule,
                                   struct tk_error *error) {
  enum tk_status status = TK_OK;
  if (weights->rows.any) status = tk_decision_rows_prepare(&weights->rows, granule, error);
  const struct tk_column *states = weights->rows.states;
  if (status != TK_OK || weights->states || !states || !states->has_dictionary) return status;
  const uint64_t size = (states->dictionary_count + UINT64_C(1)) * sizeof *weights->states;
  if (!(weights->states = sqlite3_malloc64(size))) return tk_nomem(error);
  memset(weights->states, 0, size);
  return TK_OK;
}

static enum tk_status weigh_traces(struct tk_weights *weights, uint32_t first, uint32_t end,
                                   struct tk_error *error) {
  const uint32_t *trace_rows;
  enum tk_status status =
      tk_reader_trace_rows(weights->reader, weights->segment, &trace_rows, error);
  for (uint32_t t = first; t < end && status == TK_OK; t++) {
    const uint8_t *id;
    status = tk_fixed_value(weights->reader, weights->segment, TK_COL_TRACE_ID, t, &id, error);
    if (status == TK_OK) {
      status = weigh_trace(weights, id, trace_rows[t], trace_rows[t + 1], error);
    }
  }
  return status;
}

enum tk_status tk_weights_prepare(struct tk_weights *weights, uint32_t granule,
                                  struct tk_error *error) {
  const struct tk_segment *segment = weights->segment;
  if (!weights->counts) return TK_OK;
  enum tk_status status = prepare_rows(weights, granule, error);
  if (status != TK_OK) return status;
  return granule == TK_ALL ? weigh_traces(weights, 0, segment->summary.trace_count, error)
                           : weigh_traces(weights, segment->granule_first_trace[granule],
                                          segment->granule_first_trace[granule + 1], error);
}

enum tk_status tk_weights_prepare_trace(struct tk_weights *weights, uint32_t trace_index,
                                        struct tk_error *error) {
  const uint32_t *trace_rows;
  if (!weights->counts) return TK_OK;
  enum tk_status status =
      tk_reader_trace_rows(weights->reader, weights->segment, &trace_rows, error);
  if (status != TK_OK) return status;
  status = prepare_rows(
      weights, tk_segment_granule_of_row(weights->segment, trace_rows[trace_index]), error);
  return status == TK_OK ? weigh_traces(weights, trace_index, trace_index + 1, error) : status;
}

struct tk_weight tk_weights_at(const struct tk_weights *weights, uint32_t row) {
  struct tk_weight weight = {.count = NAN};
  if (!weights->counts) return weight;
  weight.count = weights->counts[row];
  weight.source = (enum tk_decision_source)weights->sources[row];
  return weight;
}
