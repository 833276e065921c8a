/* SPDX-License-Identifier: MIT
 * What is known of one trace. A trace lies contiguous in a segment, in one granule, so each fact is
 * a loop over a few rows of the columns it takes, which are decoded for this. Only depth of a trace
 * in several segments takes more: its spans are put together as if they had come at once
 * (span_order). */
#include "sqlext/tables/trace_facts.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "sqlext/tables/table_support.h"
#include "store/segment/span_order.h"
#include "store/sqlite_api.h"

/* ---- parts ---- */

void tk_trace_clear(struct tk_trace_facts *trace) {
  trace->part_count = 0;
  trace->known = 0;
  trace->service_count = 0;
}

void tk_trace_reset(struct tk_trace_facts *trace) {
  sqlite3_free(trace->parts);
  sqlite3_free(trace->services);
  *trace = (struct tk_trace_facts){.reader = trace->reader};
}

enum tk_status tk_trace_add_part(struct tk_trace_facts *trace, const struct tk_segment *segment,
                                 uint32_t segment_index, uint32_t trace_index,
                                 struct tk_error *error) {
  struct tk_trace_part part = {
      .segment = segment, .segment_index = segment_index, .trace_index = trace_index};
  const uint32_t *trace_rows;
  enum tk_status status = tk_reader_trace_rows(trace->reader, segment, &trace_rows, error);
  if (status != TK_OK) return status;
  part.first_row = trace_rows[trace_index];
  part.end_row = trace_rows[trace_index + 1];
  part.granule = tk_segment_granule_of_row(segment, part.first_row);
  if (trace->part_count == trace->part_capacity) {
    const uint32_t capacity = trace->part_capacity ? trace->part_capacity * 2 : 4;
    void *parts = sqlite3_realloc64(trace->parts, (uint64_t)capacity * sizeof part);
    if (!parts) return tk_nomem(error);
    trace->parts = parts;
    trace->part_capacity = capacity;
  }
  trace->parts[trace->part_count++] = part;
  return TK_OK;
}

static int compare_parts(const void *left, const void *right) {
  const struct tk_trace_part *a = left, *b = right;
  return (a->segment_index > b->segment_index) - (a->segment_index < b->segment_index);
}

void tk_trace_sort_parts(struct tk_trace_facts *trace) {
  if (trace->part_count > 1) {
    qsort(trace->parts, trace->part_count, sizeof *trace->parts, compare_parts);
  }
}

/* ---- times, counts, root, services ---- */

static enum tk_status learn_times(struct tk_trace_facts *trace, struct tk_error *error) {
  trace->start = INT64_MAX;
  trace->end = INT64_MIN;
  for (uint32_t p = 0; p < trace->part_count; p++) {
    const struct tk_trace_part *part = &trace->parts[p];
    const int64_t *starts;
    struct tk_ints durations;
    enum tk_status status =
        tk_reader_starts(trace->reader, part->segment, part->granule, &starts, error);
    if (status == TK_OK) {
      status = tk_row_ints(trace->reader, part->segment, TK_COL_DURATION, part->granule, &durations,
                           error);
    }
    if (status != TK_OK) return status;
    for (uint32_t row = part->first_row; row < part->end_row; row++) {
      const int64_t end = (int64_t)((uint64_t)starts[row] + (uint64_t)tk_ints_at(durations, row));
      if (starts[row] < trace->start) trace->start = starts[row];
      if (end > trace->end) trace->end = end;
    }
  }
  return TK_OK;
}

int64_t tk_trace_duration(const struct tk_trace_facts *trace) {
  return (int64_t)((uint64_t)trace->end - (uint64_t)trace->start);
}

enum tk_status tk_trace_sum(struct tk_trace_facts *trace, enum tk_column_number number,
                            int64_t *sum_out, struct tk_error *error) {
  *sum_out = 0;
  for (uint32_t p = 0; p < trace->part_count; p++) {
    const struct tk_trace_part *part = &trace->parts[p];
    struct tk_ints values;
    enum tk_status status =
        tk_row_ints(trace->reader, part->segment, number, part->granule, &values, error);
    if (status != TK_OK) return status;
    for (uint32_t row = part->first_row; row < part->end_row; row++) {
      *sum_out = (int64_t)((uint64_t)*sum_out + (uint64_t)tk_ints_at(values, row));
    }
  }
  return TK_OK;
}

static enum tk_status learn_errors(struct tk_trace_facts *trace, struct tk_error *error) {
  trace->error_count = 0;
  for (uint32_t p = 0; p < trace->part_count; p++) {
    const struct tk_trace_part *part = &trace->parts[p];
    struct tk_ints statuses;
    if (part->segment->summary.error_count == 0) continue;
    enum tk_status status = tk_row_ints(trace->reader, part->segment, TK_COL_STATUS_CODE,
                                        part->granule, &statuses, error);
    if (status != TK_OK) return status;
    for (uint32_t row = part->first_row; row < part->end_row; row++) {
      trace->error_count += tk_ints_at(statuses, row) == TK_STATUS_ERROR;
    }
  }
  return TK_OK;
}

/* The root is the earliest span without a parent. */
static enum tk_status learn_root(struct tk_trace_facts *trace, struct tk_error *error) {
  struct tk_reader *reader = trace->reader;
  int64_t earliest = 0;

  trace->root_part = NULL;
  trace->root_count = 0;
  for (uint32_t p = 0; p < trace->part_count; p++) {
    const struct tk_trace_part *part = &trace->parts[p];
    const int64_t *starts;
    struct tk_ints depths;
    enum tk_status status;
    if ((status = tk_reader_starts(reader, part->segment, part->granule, &starts, error)) !=
            TK_OK ||
        (status = tk_row_ints(reader, part->segment, TK_COL_DEPTH, part->granule, &depths,
                              error)) != TK_OK) {
      return status;
    }
    for (uint32_t row = part->first_row; row < part->end_row; row++) {
      const uint8_t *parent_id;
      if (tk_ints_at(depths, row) != 0) continue;
      status = tk_reader_external_parent(reader, part->segment, row, &parent_id, error);
      if (status != TK_OK) return status;
      if (parent_id) continue;
      if (trace->root_count++ == 0 || starts[row] < earliest) {
        earliest = starts[row];
        trace->root_part = part;
        trace->root_row = row;
      }
    }
  }
  return TK_OK;
}

static int compare_services(const void *left, const void *right) {
  const struct tk_trace_service *a = left, *b = right;
  if (a->start != b->start) return a->start > b->start ? 1 : -1;
  const uint32_t shorter = a->name.size < b->name.size ? a->name.size : b->name.size;
  const int order = shorter ? memcmp(a->name.data, b->name.data, shorter) : 0;
  return order != 0 ? order : (a->name.size > b->name.size) - (a->name.size < b->name.size);
}

static bool note_service(struct tk_trace_facts *trace, struct tk_text name, int64_t start) {
  if (!name.data) return true;
  for (uint32_t i = 0; i < trace->service_count; i++) {
    struct tk_trace_service *service = &trace->services[i];
    if (service->name.data != name.data && !tk_text_equal(service->name, name)) continue;
    if (start < service->start) service->start = start;
    return true;
  }
  if (trace->service_count == trace->service_capacity) {
    const uint32_t capacity = trace->service_capacity ? trace->service_capacity * 2 : 16;
    void *services =
        sqlite3_realloc64(trace->services, (uint64_t)capacity * sizeof *trace->services);
    if (!services) return false;
    trace->services = services;
    trace->service_capacity = capacity;
  }
  trace->services[trace->service_count++] = (struct tk_trace_service){name, start};
  return true;
}

static enum tk_status learn_services(struct tk_trace_facts *trace, struct tk_error *error) {
  struct tk_reader *reader = trace->reader;

  trace->service_count = 0;
  for (uint32_t p = 0; p < trace->part_count; p++) {
    const struct tk_trace_part *part = &trace->parts[p];
    const int64_t *starts;
    enum tk_status status = tk_reader_starts(reader, part->segment, part->granule, &starts, error);
    for (uint32_t row = part->first_row; row < part->end_row && status == TK_OK; row++) {
      struct tk_text name;
      status = tk_row_service(reader, part->segment, row, &name, error);
      if (status == TK_OK && !note_service(trace, name, starts[row])) status = tk_nomem(error);
    }
    if (status != TK_OK) return status;
  }
  if (trace->service_count > 1) {
    qsort(trace->services, trace->service_count, sizeof *trace->services, compare_services);
  }
  return TK_OK;
}

/* ---- orphans: spans whose parent is not in the trace ---- */

struct id_set {
  uint64_t *ids;
  uint32_t count;
};

static int compare_ids(const void *left, const void *right) {
  uint64_t a, b;
  memcpy(&a, left, sizeof a);
  memcpy(&b, right, sizeof b);
  return (a > b) - (a < b);
}

/* The span ids of the trace, sorted. */
static enum tk_status collect_ids(struct tk_trace_facts *trace, struct id_set *set,
                                  struct tk_error *error) {
  uint64_t total = 0;
  for (uint32_t p = 0; p < trace->part_count; p++) {
    total += trace->parts[p].end_row - trace->parts[p].first_row;
  }
  set->count = 0;
  if (!(set->ids = sqlite3_malloc64(total * sizeof *set->ids + 1))) return tk_nomem(error);
  for (uint32_t p = 0; p < trace->part_count; p++) {
    const struct tk_trace_part *part = &trace->parts[p];
    const struct tk_column *column;
    enum tk_status status = tk_reader_row_column(trace->reader, part->segment, TK_COL_SPAN_ID,
                                                 part->granule, &column, error);
    if (status != TK_OK) return status;
    for (uint32_t row = part->first_row; row < part->end_row; row++) {
      uint64_t id = 0;
      if (column) memcpy(&id, column->fixed + 8 * (size_t)row, sizeof id);
      set->ids[set->count++] = id;
    }
  }
  qsort(set->ids, set->count, sizeof *set->ids, compare_ids);
  return TK_OK;
}

static enum tk_status count_orphans(struct tk_trace_facts *trace, struct id_set *set,
                                    struct tk_error *error) {
  struct tk_reader *reader = trace->reader;
  for (uint32_t p = 0; p < trace->part_count; p++) {
    const struct tk_trace_part *part = &trace->parts[p];
    struct tk_ints depths;
    enum tk_status status =
        tk_row_ints(reader, part->segment, TK_COL_DEPTH, part->granule, &depths, error);
    for (uint32_t row = part->first_row; row < part->end_row && status == TK_OK; row++) {
      const uint8_t *parent_id;
      uint64_t id;
      if (tk_ints_at(depths, row) != 0) continue;
      status = tk_reader_external_parent(reader, part->segment, row, &parent_id, error);
      if (status != TK_OK || !parent_id) continue;
      if (!set->ids) status = collect_ids(trace, set, error);
      if (status != TK_OK) break;
      memcpy(&id, parent_id, sizeof id);
      if (!bsearch(&id, set->ids, set->count, sizeof id, compare_ids)) trace->orphan_count++;
    }
    if (status != TK_OK) return status;
  }
  return TK_OK;
}

static enum tk_status learn_orphans(struct tk_trace_facts *trace, struct tk_error *error) {
  struct id_set set = {0};
  trace->orphan_count = 0;
  enum tk_status status = count_orphans(trace, &set, error);
  sqlite3_free(set.ids);
  return status;
}

enum tk_status tk_trace_learn(struct tk_trace_facts *trace, enum tk_trace_knowledge what,
                              struct tk_error *error) {
  static const struct {
    enum tk_trace_knowledge what;
    enum tk_status (*learn)(struct tk_trace_facts *trace, struct tk_error *error);
  } lessons[] = {{TK_KNOW_TIMES, learn_times},
                 {TK_KNOW_ERRORS, learn_errors},
                 {TK_KNOW_ROOT, learn_root},
                 {TK_KNOW_SERVICES, learn_services},
                 {TK_KNOW_ORPHANS, learn_orphans}};
  enum tk_status status = TK_OK;
  if (trace->known & what) return TK_OK;
  for (size_t i = 0; i < sizeof lessons / sizeof lessons[0]; i++) {
    if (lessons[i].what == what) status = lessons[i].learn(trace, error);
  }
  if (status == TK_OK) trace->known |= what;
  return status;
}

/* ---- depth ---- */

static enum tk_status find_depth(struct tk_trace_facts *trace, int64_t *depth_out,
                                 struct tk_error *error) {
  const struct tk_trace_part *part = &trace->parts[0];
  struct tk_ints depths;
  enum tk_status status =
      tk_row_ints(trace->reader, part->segment, TK_COL_DEPTH, part->granule, &depths, error);
  *depth_out = 0;
  if (status != TK_OK) return status;
  for (uint32_t row = part->first_row; row < part->end_row; row++) {
    const int64_t depth = tk_ints_at(depths, row);
    if (depth > *depth_out) *depth_out = depth;
  }
  return TK_OK;
}

/* Of a trace in several segments: its spans are put in order as if they had come at once. */
static enum tk_status find_joined_depth(struct tk_trace_facts *trace, int64_t *depth_out,
                                        struct tk_error *error) {
  struct tk_span_order order = {0};
  struct tk_arena arena = {0};
  enum tk_status status = TK_OK;
  size_t total = 0, filled = 0;

  for (uint32_t p = 0; p < trace->part_count; p++) {
    total += trace->parts[p].end_row - trace->parts[p].first_row;
  }
  struct tk_span *spans = tk_arena_alloc(&arena, total * sizeof *spans);
  const struct tk_span **list = tk_arena_alloc(&arena, total * sizeof(void *));
  if (!spans || !list) {
    tk_arena_reset(&arena);
    return tk_nomem(error);
  }
  for (uint32_t p = 0; p < trace->part_count && status == TK_OK; p++) {
    const struct tk_trace_part *part = &trace->parts[p];
    status = tk_reader_spans(trace->reader, part->segment, part->first_row,
                             part->end_row - part->first_row, &arena, spans + filled, error);
    filled += part->end_row - part->first_row;
  }
  for (size_t i = 0; i < total && status == TK_OK; i++) list[i] = &spans[i];
  if (status == TK_OK) status = tk_span_order_init(&order, list, (uint32_t)total, error);
  *depth_out = 0;
  for (uint32_t i = 0; i < order.span_count; i++) {
    if (order.depths[i] > *depth_out) *depth_out = order.depths[i];
  }
  tk_span_order_reset(&order);
  tk_arena_reset(&arena);
  return status;
}

int64_t tk_trace_span_count(const struct tk_trace_facts *trace) {
  int64_t count = 0;
  for (uint32_t p = 0; p < trace->part_count; p++) {
    count += trace->parts[p].end_row - trace->parts[p].first_row;
  }
  return count;
}

enum tk_status tk_trace_depth(struct tk_trace_facts *trace, int64_t *depth_out,
                              struct tk_error *error) {
  return trace->part_count > 1 ? find_joined_depth(trace, depth_out, error)
                               : find_depth(trace, depth_out, error);
}

/* ---- texts of the root ---- */

enum tk_status tk_trace_root_service(struct tk_trace_facts *trace, struct tk_text *text_out,
                                     struct tk_error *error) {
  enum tk_status status = tk_trace_learn(trace, TK_KNOW_ROOT, error);
  *text_out = (struct tk_text){NULL, 0};
  if (status != TK_OK || !trace->root_part) return status;
  return tk_row_service(trace->reader, trace->root_part->segment, trace->root_row, text_out, error);
}

enum tk_status tk_trace_root_name(struct tk_trace_facts *trace, struct tk_text *text_out,
                                  struct tk_error *error) {
  enum tk_status status = tk_trace_learn(trace, TK_KNOW_ROOT, error);
  *text_out = (struct tk_text){NULL, 0};
  if (status != TK_OK || !trace->root_part) return status;
  return tk_text_value(trace->reader, trace->root_part->segment, TK_COL_NAME, trace->root_row,
                       text_out, error);
}
