/* SPDX-License-Identifier: MIT
 * traces: one row is a trace, over all segments that hold parts of it.
 *
 * A trace is described from columns of its spans, each read only if it is asked for: what a filter
 * or an order needs for every trace, the rest for the rows that come out. Traces lie contiguous in
 * a segment, so that is a loop over a few rows of an array. Only depth of a trace in several
 * segments takes more: its spans are put together as if they had come at once (span_order).
 *
 * idxNum: what to do; idxStr: the terms (table_support.h). Terms on trace_id find traces through
 * the segments' filters and are not checked again by SQLite, so that 16 digits find a padded id;
 * all other terms drop traces early, and SQLite checks again. ORDER BY start_ns, started_at or
 * duration_ns is done here, on 16 bytes a trace. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sqlext/sampling/weight_rows.h"
#include "sqlext/tables/split_traces.h"
#include "sqlext/tables/table_support.h"
#include "sqlext/tables/tables.h"
#include "sqlext/tables/trace_facts.h"
#include "sqlext/vtab_support.h"
#include "tracekeep/scan.h"

enum column {
  TRACE_ID,
  START_NS,
  END_NS,
  DURATION_NS,
  STARTED_AT,
  ROOT_SERVICE,
  ROOT_NAME,
  ROOT_SPAN_ID,
  ROOT_DURATION_NS,
  STATUS,
  SPAN_COUNT,
  ERROR_COUNT,
  EVENT_COUNT,
  LINK_COUNT,
  SERVICE_COUNT,
  SERVICES,
  DEPTH,
  ROOT_COUNT,
  ORPHAN_COUNT,
  SEGMENT_COUNT,
  ADJUSTED_COUNT,
  ADJUSTED_COUNT_SOURCE,
  MINUTE_NS,
  HOUR_NS,
  DAY_NS
};

static const char declaration[] =
    "CREATE TABLE x(trace_id TEXT COLLATE NOCASE, start_ns INTEGER, end_ns INTEGER,"
    " duration_ns INTEGER, started_at TEXT, root_service TEXT, root_name TEXT,"
    " root_span_id TEXT COLLATE NOCASE, root_duration_ns INTEGER, status TEXT, span_count INTEGER,"
    " error_count INTEGER, event_count INTEGER, link_count INTEGER, service_count INTEGER,"
    " services TEXT, depth INTEGER, root_count INTEGER, orphan_count INTEGER,"
    " segment_count INTEGER, adjusted_count REAL, adjusted_count_source TEXT HIDDEN,"
    " minute_ns INTEGER HIDDEN, hour_ns INTEGER HIDDEN, day_ns INTEGER HIDDEN)";

enum plan {
  PLAN_BY_ID = 1,
  PLAN_BY_START = 2,
  PLAN_BY_STARTED_AT = 4, /* times behind the year 2262 come last, in start_ns they are negative */
  PLAN_BY_DURATION = 8,
  PLAN_DESCENDING = 16,
  PLAN_SORTED = PLAN_BY_START | PLAN_BY_STARTED_AT | PLAN_BY_DURATION
};

/* A trace that is yet to come out: a place, or (PLAN_BY_ID) the number of an id. */
struct reference {
  int64_t key;
  uint32_t segment_index;
  uint32_t trace_index;
};

/* Weights stay open from trace to trace, however these lie. */
struct kept_weights {
  const struct tk_segment *segment; /* held for them */
  struct tk_weights *weights;       /* NULL: not open */
};
enum { KEPT_WEIGHTS_MAX = 64 };

struct traces_cursor {
  sqlite3_vtab_cursor base;
  int plan;
  bool at_end;
  struct tk_terms terms;
  struct tk_segment_list segments;
  struct tk_segment_summary *summaries;
  struct tk_split_traces split;
  const struct tk_segment **opened;    /* by segment index, NULL where closed */
  struct kept_weights *weights;        /* by segment index; NULL: nobody asked for adjusted_count */
  uint32_t weights_count;              /* of those open */
  uint32_t segment_index, trace_index; /* where a scan is */
  bool is_segment_begun;
  struct reference *references; /* what comes out, unless it is a plain scan */
  uint32_t reference_count, reference_capacity, reference_index;
  uint8_t (*ids)[16]; /* PLAN_BY_ID: ascending, distinct */
  uint32_t id_count;
  struct tk_trace_facts trace;
};

static struct tk_reader *reader_of(const struct traces_cursor *cursor) {
  return ((struct tk_reader_table *)cursor->base.pVtab)->reader;
}

/* ---- segments ---- */

static void close_segments(struct traces_cursor *cursor) {
  for (uint32_t s = 0; cursor->opened && s < cursor->segments.count; s++) {
    if (cursor->opened[s]) tk_segment_release(cursor->opened[s]);
    cursor->opened[s] = NULL;
  }
}

static void close_weights(struct traces_cursor *cursor) {
  for (uint32_t s = 0; cursor->weights_count > 0 && s < cursor->segments.count; s++) {
    struct kept_weights *kept = &cursor->weights[s];
    if (!kept->weights) continue;
    tk_weights_close(kept->weights);
    tk_segment_release(kept->segment);
    kept->weights = NULL;
    cursor->weights_count--;
  }
}

static enum tk_status open_segment(struct traces_cursor *cursor, uint32_t index,
                                   const struct tk_segment **segment_out, struct tk_error *error) {
  enum tk_status status = TK_OK;
  if (!cursor->opened[index]) {
    status = tk_segment_list_open(&cursor->segments, reader_of(cursor), index,
                                  &cursor->opened[index], error);
    if (status != TK_OK) cursor->opened[index] = NULL;
  }
  *segment_out = cursor->opened[index];
  return status;
}

/* ---- the current trace ---- */

static enum tk_status add_part(struct traces_cursor *cursor, uint32_t segment_index,
                               uint32_t trace_index, struct tk_error *error) {
  const struct tk_segment *segment;
  enum tk_status status = open_segment(cursor, segment_index, &segment, error);
  if (status != TK_OK) return status;
  return tk_trace_add_part(&cursor->trace, segment, segment_index, trace_index, error);
}

/* Trace `trace_index` of a segment, with the parts that other segments hold. */
static enum tk_status set_trace(struct traces_cursor *cursor, uint32_t segment_index,
                                uint32_t trace_index, struct tk_error *error) {
  const uint32_t split = cursor->split.count == 0
                             ? TK_NOT_SPLIT
                             : tk_split_traces_find(&cursor->split, segment_index, trace_index);
  enum tk_status status = TK_OK;

  tk_trace_clear(&cursor->trace);
  if (split == TK_NOT_SPLIT) return add_part(cursor, segment_index, trace_index, error);
  for (uint32_t p = cursor->split.first_part[split];
       p < cursor->split.first_part[split + 1] && status == TK_OK; p++) {
    const struct tk_split_part *part = &cursor->split.by_trace[p];
    status = add_part(cursor, part->segment_index, part->trace_index, error);
  }
  return status;
}

/* The trace with an id; no parts if there is none. */
static enum tk_status set_trace_by_id(struct traces_cursor *cursor, const uint8_t id[16],
                                      struct tk_error *error) {
  struct tk_trace_place *places = NULL;
  uint32_t count = 0;
  enum tk_status status = tk_reader_find_trace(reader_of(cursor), id, &places, &count, error);

  tk_trace_clear(&cursor->trace);
  for (uint32_t i = 0; i < count && status == TK_OK; i++) {
    const uint32_t index =
        tk_segment_list_find(&cursor->segments, reader_of(cursor), places[i].segment_index);
    if (index == UINT32_MAX) continue;
    status = add_part(cursor, index, places[i].trace_index, error);
  }
  sqlite3_free(places);
  tk_trace_sort_parts(&cursor->trace);
  return status;
}

/* ---- terms ---- */

static struct tk_text status_text(int64_t error_count) {
  return error_count > 0 ? (struct tk_text){"error", 5} : (struct tk_text){"ok", 2};
}

static enum tk_status check_root(struct traces_cursor *cursor, enum column column, bool *passes,
                                 struct tk_error *error) {
  struct tk_text text;
  enum tk_status status = column == ROOT_SERVICE
                              ? tk_trace_root_service(&cursor->trace, &text, error)
                              : tk_trace_root_name(&cursor->trace, &text, error);
  /* NULL is left to SQLite */
  if (status == TK_OK && text.data) *passes = tk_terms_accept_text(&cursor->terms, column, text);
  return status;
}

/* Whether the current trace passes the terms. */
static enum tk_status check_terms(struct traces_cursor *cursor, bool *passes,
                                  struct tk_error *error) {
  const struct tk_terms *terms = &cursor->terms;
  const struct tk_trace_facts *trace = &cursor->trace;
  enum tk_status status;

  *passes = trace->part_count > 0;
  if (!*passes || terms->count == 0) return TK_OK;
  *passes = tk_terms_accept_int(terms, SPAN_COUNT, tk_trace_span_count(trace));
  if (*passes && (tk_terms_have(terms, START_NS) || tk_terms_have(terms, END_NS) ||
                  tk_terms_have(terms, DURATION_NS))) {
    if ((status = tk_trace_learn(&cursor->trace, TK_KNOW_TIMES, error)) != TK_OK) return status;
    *passes = tk_terms_accept_int(terms, START_NS, trace->start) &&
              tk_terms_accept_int(terms, END_NS, trace->end) &&
              tk_terms_accept_int(terms, DURATION_NS, tk_trace_duration(trace));
  }
  if (*passes && (tk_terms_have(terms, ERROR_COUNT) || tk_terms_have(terms, STATUS))) {
    if ((status = tk_trace_learn(&cursor->trace, TK_KNOW_ERRORS, error)) != TK_OK) return status;
    *passes = tk_terms_accept_int(terms, ERROR_COUNT, trace->error_count) &&
              tk_terms_accept_text(terms, STATUS, status_text(trace->error_count));
  }
  if (*passes && tk_terms_have(terms, ROOT_SERVICE)) {
    if ((status = check_root(cursor, ROOT_SERVICE, passes, error)) != TK_OK) return status;
  }
  if (*passes && tk_terms_have(terms, ROOT_NAME)) {
    return check_root(cursor, ROOT_NAME, passes, error);
  }
  return TK_OK;
}

/* True if starts in [min, max], as unsigned, can pass. Beyond the year 2262 they are negative. */
static bool may_start(const struct tk_terms *terms, uint64_t min, uint64_t max) {
  if (min > (uint64_t)INT64_MAX || max > (uint64_t)INT64_MAX) return true;
  return tk_terms_may_accept(terms, START_NS, (int64_t)min, (int64_t)max);
}

/* What the row of the segment says. Parts of split traces take their times and errors from other
 * segments too, so nothing can be said of segments that hold some. */
static bool may_pass(const struct tk_terms *terms, const struct tk_segment_summary *summary) {
  if (summary->flags & TK_SEGMENT_HAS_SPLIT) return true;
  if (!may_start(terms, summary->start_min, summary->start_max)) return false;
  if (!tk_terms_may_accept(terms, ERROR_COUNT, 0, summary->error_count)) return false;
  return summary->error_count > 0 || tk_terms_accept_text(terms, STATUS, status_text(0));
}

/* What its dictionaries say: false if no span of it can be the root that is wanted. */
static enum tk_status may_have_root(struct traces_cursor *cursor, const struct tk_segment *segment,
                                    bool *may_out, struct tk_error *error) {
  struct tk_reader *reader = reader_of(cursor);
  const uint32_t names = segment->fixed[TK_COL_NAME];
  enum tk_status status = TK_OK;

  *may_out = true;
  if (segment->summary.flags & TK_SEGMENT_HAS_SPLIT) return TK_OK;
  for (uint32_t i = 0; i < cursor->terms.count && *may_out && status == TK_OK; i++) {
    const struct tk_term *term = &cursor->terms.items[i];
    if (term->predicate.op != TK_PREDICATE_EQ || term->predicate.values[0].type != TK_SQL_TEXT) {
      continue;
    }
    if (term->column == ROOT_NAME && names != TK_NO_COLUMN) {
      status = tk_reader_may_contain(reader, segment, names, term->predicate.values[0].as.text,
                                     may_out, error);
    } else if (term->column == ROOT_SERVICE) {
      *may_out = false;
      for (uint32_t r = 0; r < segment->resource_count && !*may_out; r++) {
        const struct tk_stored_resource *resource =
            tk_reader_resource(reader, segment->resources[r]);
        *may_out = !resource || tk_text_equal(resource->service, term->predicate.values[0].as.text);
      }
    }
  }
  return status;
}

/* ---- scanning ---- */

/* Moves over granules in which no trace can start as wanted. */
static void skip_granules(struct traces_cursor *cursor, const struct tk_segment *segment) {
  if (segment->summary.flags & TK_SEGMENT_HAS_SPLIT || !tk_terms_have(&cursor->terms, START_NS)) {
    return;
  }
  uint32_t granule = 0, end = segment->rows.count;
  while (granule < end) { /* the first granule that ends behind the trace */
    const uint32_t middle = granule + (end - granule) / 2;
    if (segment->granule_first_trace[middle + 1] <= cursor->trace_index) {
      granule = middle + 1;
    } else {
      end = middle;
    }
  }
  while (granule < segment->rows.count &&
         cursor->trace_index == segment->granule_first_trace[granule] &&
         !may_start(&cursor->terms, segment->granule_start_min[granule],
                    segment->granule_start_max[granule])) {
    cursor->trace_index = segment->granule_first_trace[++granule];
  }
}

/* The next trace of a scan that passes; none at the end (*found_out is false). */
static enum tk_status scan_next(struct traces_cursor *cursor, bool *found_out,
                                struct tk_error *error) {
  const struct tk_segment *segment;
  enum tk_status status;

  *found_out = false;
  for (; cursor->segment_index < cursor->segments.count; cursor->segment_index++) {
    if (!cursor->is_segment_begun) {
      bool may = may_pass(&cursor->terms, &cursor->summaries[cursor->segment_index]);
      close_segments(cursor);
      close_weights(cursor);
      cursor->trace_index = 0;
      if (!may) continue;
      status = open_segment(cursor, cursor->segment_index, &segment, error);
      if (status == TK_OK) status = may_have_root(cursor, segment, &may, error);
      if (status != TK_OK) return status;
      if (!may) continue;
      cursor->is_segment_begun = true;
    }
    if ((status = open_segment(cursor, cursor->segment_index, &segment, error)) != TK_OK) {
      return status;
    }
    for (;;) {
      skip_granules(cursor, segment);
      if (cursor->trace_index >= segment->summary.trace_count) break;
      const uint32_t trace_index = cursor->trace_index++;
      status = set_trace(cursor, cursor->segment_index, trace_index, error);
      if (status != TK_OK) return status;
      if (cursor->trace.parts[0].segment_index != cursor->segment_index) continue; /* came before */
      if ((status = check_terms(cursor, found_out, error)) != TK_OK) return status;
      if (*found_out) return TK_OK;
    }
    cursor->is_segment_begun = false;
  }
  return TK_OK;
}

/* ---- lists of references ---- */

static enum tk_status add_reference(struct traces_cursor *cursor, struct reference reference,
                                    struct tk_error *error) {
  if (cursor->reference_count == cursor->reference_capacity) {
    const uint32_t capacity = cursor->reference_capacity ? cursor->reference_capacity * 2 : 256;
    void *larger = sqlite3_realloc64(cursor->references, (uint64_t)capacity * sizeof reference);
    if (!larger) return tk_nomem(error);
    cursor->references = larger;
    cursor->reference_capacity = capacity;
  }
  cursor->references[cursor->reference_count++] = reference;
  return TK_OK;
}

/* The current trace's, with the key it is to be sorted by. */
static enum tk_status refer(struct traces_cursor *cursor, uint32_t id, struct tk_error *error) {
  struct reference reference = {.segment_index = cursor->trace.parts[0].segment_index,
                                .trace_index = cursor->trace.parts[0].trace_index};
  if (cursor->plan & PLAN_BY_ID) reference.trace_index = id;
  if (cursor->plan & PLAN_SORTED) {
    enum tk_status status = tk_trace_learn(&cursor->trace, TK_KNOW_TIMES, error);
    if (status != TK_OK) return status;
    const struct tk_trace_facts *trace = &cursor->trace;
    reference.key = cursor->plan & PLAN_BY_START        ? trace->start
                    : cursor->plan & PLAN_BY_STARTED_AT ? trace->start ^ INT64_MIN
                                                        : tk_trace_duration(trace);
  }
  return add_reference(cursor, reference, error);
}

static int compare_references(const void *left, const void *right) {
  const struct reference *a = left, *b = right;
  if (a->key != b->key) return a->key > b->key ? 1 : -1;
  if (a->segment_index != b->segment_index) return a->segment_index > b->segment_index ? 1 : -1;
  return (a->trace_index > b->trace_index) - (a->trace_index < b->trace_index);
}

static int compare_references_descending(const void *left, const void *right) {
  return compare_references(right, left);
}

static enum tk_status collect(struct traces_cursor *cursor, struct tk_error *error) {
  enum tk_status status = TK_OK;
  bool found;

  if (cursor->plan & PLAN_BY_ID) {
    for (uint32_t i = 0; i < cursor->id_count && status == TK_OK; i++) {
      close_segments(cursor);
      status = set_trace_by_id(cursor, cursor->ids[i], error);
      if (status == TK_OK) status = check_terms(cursor, &found, error);
      if (status == TK_OK && found) status = refer(cursor, i, error);
    }
  } else {
    while ((status = scan_next(cursor, &found, error)) == TK_OK && found) {
      if ((status = refer(cursor, 0, error)) != TK_OK) break;
    }
  }
  if (status == TK_OK && cursor->reference_count > 1 && cursor->plan & PLAN_SORTED) {
    qsort(cursor->references, cursor->reference_count, sizeof *cursor->references,
          cursor->plan & PLAN_DESCENDING ? compare_references_descending : compare_references);
  }
  return status;
}

static enum tk_status next_reference(struct traces_cursor *cursor, bool *found_out,
                                     struct tk_error *error) {
  *found_out = cursor->reference_index < cursor->reference_count;
  if (!*found_out) return TK_OK;
  const struct reference *reference = &cursor->references[cursor->reference_index++];
  close_segments(cursor);
  return cursor->plan & PLAN_BY_ID
             ? set_trace_by_id(cursor, cursor->ids[reference->trace_index], error)
             : set_trace(cursor, reference->segment_index, reference->trace_index, error);
}

static int move_on(struct traces_cursor *cursor) {
  struct tk_error error = {{0}};
  bool found = false;
  enum tk_status status = cursor->plan != 0 ? next_reference(cursor, &found, &error)
                                            : scan_next(cursor, &found, &error);
  cursor->at_end = !found || status != TK_OK;
  return tk_vtab_fail(cursor->base.pVtab, status, &error);
}

/* ---- the module ---- */

static int connect_table(sqlite3 *db, void *context, int argc, const char *const *argv,
                         sqlite3_vtab **vtab_out, char **message_out) {
  (void)context;
  return tk_reader_table_connect(db, declaration, argc, argv, vtab_out, message_out);
}

static void take_order(sqlite3_index_info *info) {
  if (info->nOrderBy != 1) return;
  switch (info->aOrderBy[0].iColumn) {
    case START_NS:
      info->idxNum |= PLAN_BY_START;
      break;
    case STARTED_AT:
      info->idxNum |= PLAN_BY_STARTED_AT;
      break;
    case DURATION_NS:
      info->idxNum |= PLAN_BY_DURATION;
      break;
    default:
      return;
  }
  if (info->aOrderBy[0].desc) info->idxNum |= PLAN_DESCENDING;
  info->orderByConsumed = 1;
}

static int best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  const struct tk_reader *reader = ((struct tk_reader_table *)base)->reader;
  struct tk_plan plan = {.size = 0};
  double traces = 10, spans = 100;

  for (uint32_t s = 0; s < reader->segment_count; s++) {
    traces += reader->segments[s].trace_count;
    spans += reader->segments[s].span_count;
  }
  for (int i = 0; i < info->nConstraint; i++) {
    switch (info->aConstraint[i].iColumn) {
      case TRACE_ID:
        if (info->idxNum & PLAN_BY_ID || info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ) {
          break;
        }
        if (!tk_plan_add(&plan, info, i, TK_TERM_ID)) break;
        info->aConstraintUsage[i].omit = 1;
        info->idxNum |= PLAN_BY_ID;
        break;
      case START_NS:
      case END_NS:
      case DURATION_NS:
      case SPAN_COUNT:
      case ERROR_COUNT:
        if (tk_plan_add(&plan, info, i, TK_TERM_INTEGER)) traces /= 2;
        break;
      case ROOT_SERVICE:
      case ROOT_NAME:
      case STATUS:
        if (tk_plan_add(&plan, info, i, TK_TERM_TEXT)) traces /= 4;
        break;
      default:
        break;
    }
  }
  take_order(info);
  info->estimatedRows = info->idxNum & PLAN_BY_ID ? 1 : (sqlite3_int64)traces + 1;
  info->estimatedCost = traces + spans / 20;
  if (info->idxNum & PLAN_BY_ID && info->estimatedCost > 10) info->estimatedCost = 10;
  return tk_plan_finish(&plan, info);
}

static int open_cursor(sqlite3_vtab *base, sqlite3_vtab_cursor **cursor_out) {
  struct traces_cursor *cursor = sqlite3_malloc64(sizeof *cursor);
  if (!cursor) return SQLITE_NOMEM;
  memset(cursor, 0, sizeof *cursor);
  cursor->at_end = true;
  cursor->trace.reader = ((struct tk_reader_table *)base)->reader;
  *cursor_out = &cursor->base;
  return SQLITE_OK;
}

static void reset_cursor(struct traces_cursor *cursor) {
  close_segments(cursor);
  close_weights(cursor);
  tk_trace_clear(&cursor->trace);
  tk_terms_reset(&cursor->terms);
  tk_segment_list_reset(&cursor->segments);
  tk_split_traces_reset(&cursor->split);
  sqlite3_free(cursor->summaries);
  sqlite3_free(cursor->opened);
  sqlite3_free(cursor->weights);
  sqlite3_free(cursor->ids);
  cursor->summaries = NULL;
  cursor->opened = NULL;
  cursor->weights = NULL;
  cursor->ids = NULL;
  cursor->id_count = cursor->reference_count = cursor->reference_index = 0;
  cursor->segment_index = cursor->trace_index = 0;
  cursor->is_segment_begun = false;
  cursor->at_end = true;
}

static int close_cursor(sqlite3_vtab_cursor *base) {
  struct traces_cursor *cursor = (struct traces_cursor *)base;
  reset_cursor(cursor);
  sqlite3_free(cursor->references);
  tk_trace_reset(&cursor->trace);
  sqlite3_free(cursor);
  return SQLITE_OK;
}

static enum tk_status start(struct traces_cursor *cursor, const char *plan, int argc,
                            sqlite3_value **argv, struct tk_error *error) {
  struct tk_reader *reader = reader_of(cursor);
  enum tk_status status;

  if ((status = tk_reader_refresh(reader, error)) != TK_OK) return status;
  if ((status = tk_terms_init(&cursor->terms, plan, argc, argv, error)) != TK_OK) return status;
  if ((status = tk_segment_list_init(&cursor->segments, reader, error)) != TK_OK) return status;
  const uint64_t count = reader->segment_count;
  cursor->opened = sqlite3_malloc64(count * sizeof(void *) + 1);
  cursor->summaries = sqlite3_malloc64(count * sizeof *cursor->summaries + 1);
  if (!cursor->opened || !cursor->summaries) return tk_nomem(error);
  for (uint32_t s = 0; s < count; s++) {
    cursor->opened[s] = NULL;
    cursor->summaries[s] = reader->segments[s];
  }
  if (cursor->plan & PLAN_BY_ID) {
    status = tk_ids_of_terms(&cursor->terms, TRACE_ID, &cursor->ids, &cursor->id_count, error);
  } else {
    status = tk_split_traces_load(&cursor->split, reader, error);
  }
  return status == TK_OK && cursor->plan != 0 ? collect(cursor, error) : status;
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                  sqlite3_value **argv) {
  struct traces_cursor *cursor = (struct traces_cursor *)base;
  struct tk_error error = {{0}};

  reset_cursor(cursor);
  cursor->plan = plan;
  enum tk_status status = start(cursor, plan_text, argc, argv, &error);
  return status == TK_OK ? move_on(cursor) : tk_vtab_fail(base->pVtab, status, &error);
}

static int next_row(sqlite3_vtab_cursor *base) {
  return move_on((struct traces_cursor *)base);
}

static int at_end(sqlite3_vtab_cursor *base) {
  return ((struct traces_cursor *)base)->at_end;
}

/* Of the first part, so it is the same in every plan. */
static int give_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid_out) {
  const struct tk_trace_part *part = &((struct traces_cursor *)base)->trace.parts[0];
  *rowid_out = (sqlite3_int64)((uint64_t)part->segment->summary.id << 20 | part->trace_index);
  return SQLITE_OK;
}

/* ---- columns ---- */

static int64_t floor_to(int64_t ns, int64_t width) {
  int64_t rest = ns % width;
  return ns - (rest < 0 ? rest + width : rest);
}

static enum tk_status give_time(struct traces_cursor *cursor, sqlite3_context *context,
                                enum column column, struct tk_error *error) {
  const struct tk_trace_facts *trace = &cursor->trace;
  enum tk_status status = tk_trace_learn(&cursor->trace, TK_KNOW_TIMES, error);
  if (status != TK_OK) return status;
  if (column == START_NS) {
    sqlite3_result_int64(context, trace->start);
  } else if (column == END_NS) {
    sqlite3_result_int64(context, trace->end);
  } else if (column == DURATION_NS) {
    sqlite3_result_int64(context, tk_trace_duration(trace));
  } else if (column == STARTED_AT) {
    tk_result_instant(context, (uint64_t)trace->start);
  } else {
    const int64_t second = 1000000000;
    const int64_t width = column == MINUTE_NS ? 60 * second
                          : column == HOUR_NS ? 3600 * second
                                              : 86400 * second;
    sqlite3_result_int64(context, floor_to(trace->start, width));
  }
  return TK_OK;
}

static enum tk_status give_root(struct traces_cursor *cursor, sqlite3_context *context,
                                enum column column, struct tk_error *error) {
  const struct tk_trace_facts *trace = &cursor->trace;
  const struct tk_trace_part *part;
  struct tk_text text;
  const uint8_t *id;
  int64_t duration;
  enum tk_status status = tk_trace_learn(&cursor->trace, TK_KNOW_ROOT, error);

  if (status != TK_OK || !(part = trace->root_part)) return status;
  if (column == ROOT_SPAN_ID) {
    status = tk_fixed_value(reader_of(cursor), part->segment, TK_COL_SPAN_ID, trace->root_row, &id,
                            error);
    if (status == TK_OK) tk_result_hex(context, id, 8);
  } else if (column == ROOT_DURATION_NS) {
    status = tk_int_value(reader_of(cursor), part->segment, TK_COL_DURATION, trace->root_row,
                          &duration, error);
    if (status == TK_OK) sqlite3_result_int64(context, duration);
  } else {
    status = column == ROOT_SERVICE ? tk_trace_root_service(&cursor->trace, &text, error)
                                    : tk_trace_root_name(&cursor->trace, &text, error);
    if (status == TK_OK) tk_result_text(context, text);
  }
  return status;
}

static enum tk_status give_services(struct traces_cursor *cursor, sqlite3_context *context,
                                    struct tk_error *error) {
  struct tk_byte_writer json = {0};
  enum tk_status status = tk_trace_learn(&cursor->trace, TK_KNOW_SERVICES, error);
  if (status != TK_OK) return status;
  tk_json_literal(&json, "[");
  for (uint32_t i = 0; i < cursor->trace.service_count; i++) {
    if (i > 0) tk_json_literal(&json, ",");
    tk_json_text(&json, cursor->trace.services[i].name);
  }
  tk_json_literal(&json, "]");
  tk_result_json(context, &json);
  tk_byte_writer_reset(&json);
  return TK_OK;
}

static enum tk_status give_count(struct traces_cursor *cursor, sqlite3_context *context,
                                 enum column column, struct tk_error *error) {
  const struct tk_trace_facts *trace = &cursor->trace;
  enum tk_status status = TK_OK;
  int64_t count = 0;

  if (column == SPAN_COUNT) {
    count = tk_trace_span_count(trace);
  } else if (column == SEGMENT_COUNT) {
    count = trace->part_count;
  } else if (column == ERROR_COUNT) {
    status = tk_trace_learn(&cursor->trace, TK_KNOW_ERRORS, error);
    count = trace->error_count;
  } else if (column == EVENT_COUNT || column == LINK_COUNT) {
    status =
        tk_trace_sum(&cursor->trace, column == EVENT_COUNT ? TK_COL_EVENT_COUNT : TK_COL_LINK_COUNT,
                     &count, error);
  } else if (column == SERVICE_COUNT) {
    status = tk_trace_learn(&cursor->trace, TK_KNOW_SERVICES, error);
    count = trace->service_count;
  } else if (column == ROOT_COUNT) {
    status = tk_trace_learn(&cursor->trace, TK_KNOW_ROOT, error);
    count = trace->root_count;
  } else if (column == ORPHAN_COUNT) {
    status = tk_trace_learn(&cursor->trace, TK_KNOW_ORPHANS, error);
    count = trace->orphan_count;
  } else {
    status = tk_trace_depth(&cursor->trace, &count, error);
  }
  if (status == TK_OK) sqlite3_result_int64(context, count);
  return status;
}

static enum tk_status open_weights(struct traces_cursor *cursor, uint32_t segment_index,
                                   struct tk_error *error) {
  struct kept_weights *kept = &cursor->weights[segment_index];
  enum tk_status status = tk_segment_list_open(&cursor->segments, reader_of(cursor), segment_index,
                                               &kept->segment, error);
  if (status != TK_OK) return status;
  status = tk_weights_open(reader_of(cursor), kept->segment, &kept->weights, error);
  if (status != TK_OK) {
    tk_segment_release(kept->segment);
    return status;
  }
  cursor->weights_count++;
  return TK_OK;
}

/* Weights of the rows of a part. */
static enum tk_status weigh_part(struct traces_cursor *cursor, const struct tk_trace_part *part,
                                 const struct tk_weights **weights_out, struct tk_error *error) {
  const uint32_t count = cursor->segments.count;
  enum tk_status status = TK_OK;
  if (!cursor->weights) {
    const uint64_t size = count * sizeof *cursor->weights;
    cursor->weights = sqlite3_malloc64(size + 1);
    if (!cursor->weights) return tk_nomem(error);
    memset(cursor->weights, 0, size);
  }
  struct kept_weights *kept = &cursor->weights[part->segment_index];
  if (!kept->weights) {
    if (cursor->weights_count >= KEPT_WEIGHTS_MAX) close_weights(cursor);
    status = open_weights(cursor, part->segment_index, error);
  }
  if (status == TK_OK) status = tk_weights_prepare_trace(kept->weights, part->trace_index, error);
  *weights_out = kept->weights;
  return status;
}

/* The root stands for as many traces as spans. Where it is not stored, the trace was complete with
 * the least probability of its spans, if that is known of all of them. */
static enum tk_status find_weight(struct traces_cursor *cursor, struct tk_weight *weight_out,
                                  struct tk_error *error) {
  const struct tk_trace_facts *trace = &cursor->trace;
  const struct tk_weights *weights;
  enum tk_status status = tk_trace_learn(&cursor->trace, TK_KNOW_ROOT, error);

  *weight_out = (struct tk_weight){.count = NAN};
  if (status == TK_OK && trace->root_part) {
    status = weigh_part(cursor, trace->root_part, &weights, error);
    if (status == TK_OK) *weight_out = tk_weights_at(weights, trace->root_row);
    return status;
  }
  for (uint32_t p = 0; p < trace->part_count && status == TK_OK; p++) {
    const struct tk_trace_part *part = &trace->parts[p];
    status = weigh_part(cursor, part, &weights, error);
    for (uint32_t row = part->first_row; row < part->end_row && status == TK_OK; row++) {
      const struct tk_weight weight = tk_weights_at(weights, row);
      if (isnan(weight.count)) {
        weight_out->count = NAN;
        return TK_OK;
      }
      if (!(weight_out->count >= weight.count)) *weight_out = weight;
    }
  }
  return status;
}

static enum tk_status give_weight(struct traces_cursor *cursor, sqlite3_context *context,
                                  enum column column, struct tk_error *error) {
  struct tk_weight weight;
  enum tk_status status = find_weight(cursor, &weight, error);
  if (status != TK_OK || isnan(weight.count)) return status;
  if (column == ADJUSTED_COUNT) {
    sqlite3_result_double(context, weight.count);
  } else {
    sqlite3_result_text(context, tk_decision_source_name(weight.source), -1, SQLITE_STATIC);
  }
  return TK_OK;
}

static int give_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  struct traces_cursor *cursor = (struct traces_cursor *)base;
  const struct tk_trace_part *part = &cursor->trace.parts[0];
  const enum column column = (enum column)number;
  struct tk_error error = {{0}};
  enum tk_status status = TK_OK;

  switch (column) {
    case TRACE_ID:
      status =
          tk_give_trace_id(context, reader_of(cursor), part->segment, part->trace_index, &error);
      break;
    case START_NS:
    case END_NS:
    case DURATION_NS:
    case STARTED_AT:
    case MINUTE_NS:
    case HOUR_NS:
    case DAY_NS:
      status = give_time(cursor, context, column, &error);
      break;
    case ROOT_SERVICE:
    case ROOT_NAME:
    case ROOT_SPAN_ID:
    case ROOT_DURATION_NS:
      status = give_root(cursor, context, column, &error);
      break;
    case STATUS:
      if ((status = tk_trace_learn(&cursor->trace, TK_KNOW_ERRORS, &error)) != TK_OK) break;
      tk_result_text(context, status_text(cursor->trace.error_count));
      break;
    case SERVICES:
      status = give_services(cursor, context, &error);
      break;
    case SPAN_COUNT:
    case ERROR_COUNT:
    case EVENT_COUNT:
    case LINK_COUNT:
    case SERVICE_COUNT:
    case DEPTH:
    case ROOT_COUNT:
    case ORPHAN_COUNT:
    case SEGMENT_COUNT:
      status = give_count(cursor, context, column, &error);
      break;
    case ADJUSTED_COUNT:
    case ADJUSTED_COUNT_SOURCE:
    default:
      status = give_weight(cursor, context, column, &error);
      break;
  }
  if (status != TK_OK) tk_result_fail(context, status, &error);
  return SQLITE_OK;
}

int tk_register_traces(sqlite3 *db) {
  static const sqlite3_module module = {
      .iVersion = 1,
      .xCreate = connect_table,
      .xConnect = connect_table,
      .xBestIndex = best_index,
      .xDisconnect = tk_reader_table_disconnect,
      .xDestroy = tk_reader_table_disconnect,
      .xOpen = open_cursor,
      .xClose = close_cursor,
      .xFilter = filter,
      .xNext = next_row,
      .xEof = at_end,
      .xColumn = give_column,
      .xRowid = give_rowid,
  };
  return sqlite3_create_module_v2(db, "tracekeep_traces", &module, NULL, NULL);
}
