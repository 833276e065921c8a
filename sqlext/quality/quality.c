/* SPDX-License-Identifier: MIT
 * What all rules share: the snapshot, its resources, and how a finding comes to have a place. */
#include "sqlext/quality/quality.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t tk_quality_rules_of(uint64_t rules, unsigned scopes) {
  uint64_t found = 0;
  for (int rule = 0; rule < RULE_COUNT; rule++) {
    if (tk_quality_rules[rule].scope & scopes) found |= RULE_BIT((enum quality_rule)rule);
  }
  return rules & found;
}

const struct quality_columns tk_quality_columns_of[ITEM_SCOPES] = {
    [TK_SCOPE_SPAN] = {TK_COL_KEYSET, TK_COL_EXTRA_ROW, TK_COL_EXTRA},
    [TK_SCOPE_EVENT] = {TK_COL_EVENT_KEYSET, TK_COL_EVENT_EXTRA_ROW, TK_COL_EVENT_EXTRA},
    [TK_SCOPE_LINK] = {TK_COL_LINK_KEYSET, TK_COL_LINK_EXTRA_ROW, TK_COL_LINK_EXTRA}};

/* ---- resources ---- */

const struct tk_attribute *tk_quality_attribute(const struct tk_attributes *attributes,
                                                const char *key) {
  for (uint32_t i = 0; i < attributes->count; i++) {
    if (text_is(attributes->items[i].key, key)) return &attributes->items[i];
  }
  return NULL;
}

static struct tk_text text_of(const struct tk_attribute *attribute) {
  const struct tk_value *value = attribute ? &attribute->value : NULL;
  if (value && value->type == TK_VALUE_ARRAY && value->size > 0) value = &value->as.items[0];
  if (!value || value->type != TK_VALUE_STRING || value->size == 0) {
    return (struct tk_text){NULL, 0};
  }
  return (struct tk_text){value->as.text, value->size};
}

static struct tk_text host_of(const struct tk_attributes *attributes) {
  static const char *const keys[] = {"host.id", "host.ip", "host.name"};
  struct tk_text host = {NULL, 0};
  for (size_t i = 0; i < sizeof keys / sizeof *keys && !host.data; i++) {
    host = text_of(tk_quality_attribute(attributes, keys[i]));
  }
  return host;
}

static int compare_services(const void *left, const void *right) {
  const struct quality_resource *const *a = left, *const *b = right;
  const struct tk_text x = (*a)->stored->service, y = (*b)->stored->service;
  if (!x.data || !y.data) return (x.data != NULL) - (y.data != NULL);
  const int order = memcmp(x.data, y.data, x.size < y.size ? x.size : y.size);
  return order != 0 ? order : (x.size > y.size) - (x.size < y.size);
}

static enum tk_status number_services(struct quality *quality, struct tk_error *error) {
  const uint64_t count = quality->resource_count;
  struct quality_resource **sorted = sqlite3_malloc64(count * sizeof(void *) + 1);
  if (!sorted) return tk_nomem(error);
  for (uint32_t i = 0; i < count; i++) sorted[i] = &quality->resources[i];
  if (count > 1) qsort(sorted, count, sizeof(void *), compare_services);
  for (uint32_t i = 0; i < count; i++) {
    if (i > 0 && compare_services(&sorted[i - 1], &sorted[i]) != 0) quality->service_count++;
    sorted[i]->service_number = quality->service_count;
  }
  quality->service_count++;
  sqlite3_free(sorted);
  return TK_OK;
}

static enum tk_status load_resources(struct quality *quality, struct tk_error *error) {
  const struct tk_stored_resource *const *list;
  uint32_t count;
  tk_reader_resources(quality->reader, &list, &count);
  quality->resources = sqlite3_malloc64((uint64_t)count * sizeof *quality->resources + 1);
  if (!quality->resources) return tk_nomem(error);
  for (uint32_t i = 0; i < count; i++) {
    quality->resources[i] = (struct quality_resource){
        .stored = list[i], .host = host_of(&list[i]->resource.attributes), .is_wanted = true};
  }
  quality->resource_count = count;
  return number_services(quality, error);
}

struct quality_resource *tk_quality_resource_of(const struct quality *quality,
                                                const struct tk_segment *segment, int64_t code) {
  const int64_t id = segment->resources[code];
  uint32_t low = 0, high = quality->resource_count;
  if (id >= 1 && (uint64_t)id <= high && quality->resources[id - 1].stored->id == id) {
    return &quality->resources[id - 1]; /* ids without gaps, as they mostly are */
  }
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (quality->resources[middle].stored->id < id) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  /* A segment that names a missing one does not open. */
  return &quality->resources[low < quality->resource_count ? low : 0];
}

/* ---- segments ---- */

enum tk_status tk_quality_segment(struct quality *quality, uint32_t index,
                                  const struct tk_segment **segment_out, struct tk_error *error) {
  if (!quality->opened[index]) {
    enum tk_status status = tk_segment_list_open(&quality->segments, quality->reader, index,
                                                 &quality->opened[index], error);
    if (status != TK_OK) {
      quality->opened[index] = NULL;
      return status;
    }
    if (index < quality->opened_low) quality->opened_low = index;
    if (index >= quality->opened_high) quality->opened_high = index + 1;
  }
  *segment_out = quality->opened[index];
  return TK_OK;
}

void tk_quality_close_segments(struct quality *quality) {
  for (uint32_t i = quality->opened_low; i < quality->opened_high; i++) {
    if (quality->opened[i]) tk_segment_release(quality->opened[i]);
    quality->opened[i] = NULL;
  }
  quality->opened_low = UINT32_MAX;
  quality->opened_high = 0;
}

/* ---- an evaluation ---- */

enum tk_status tk_quality_begin(struct quality *quality, bool with_split, struct tk_error *error) {
  enum tk_status status;

  quality->opened_low = UINT32_MAX;
  if (quality->now_ns == 0) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    quality->now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
  }
  status = tk_segment_list_init(&quality->segments, quality->reader, error);
  if (status == TK_OK) status = load_resources(quality, error);
  if (status != TK_OK) return status;
  const uint64_t bytes = (uint64_t)quality->segments.count * sizeof(void *);
  if (!(quality->opened = sqlite3_malloc64(bytes + 1))) return tk_nomem(error);
  memset(quality->opened, 0, bytes);
  return with_split ? tk_split_traces_load(&quality->split, quality->reader, error) : TK_OK;
}

void tk_quality_end(struct quality *quality) {
  if (quality->opened) tk_quality_close_segments(quality);
  sqlite3_free(quality->opened);
  sqlite3_free(quality->resources);
  tk_segment_list_reset(&quality->segments);
  tk_split_traces_reset(&quality->split);
  tk_quality_tree_free(quality->tree);
  tk_quality_lookup_free(quality->lookup);
  tk_quality_findings_reset(&quality->findings);
  *quality = (struct quality){.reader = quality->reader};
}

/* ---- granule by granule ---- */

bool tk_quality_may_find(const struct quality *quality, const struct tk_segment *segment) {
  const struct tk_segment_summary *summary = &segment->summary;
  if (summary->flags & TK_SEGMENT_HAS_SPLIT) return true; /* the rest of a trace may be anything */
  if (quality->has_window &&
      (summary->start_max < quality->since || summary->start_min >= quality->until)) {
    return false;
  }
  for (uint32_t code = 0; code < segment->resource_count; code++) {
    if (tk_quality_resource_of(quality, segment, code)->is_wanted) return true;
  }
  return false;
}

static enum tk_status make_part(struct quality *quality, uint32_t segment_index,
                                uint32_t trace_index, struct quality_part *part,
                                struct tk_error *error) {
  const struct tk_segment *segment;
  const uint32_t *trace_rows;
  enum tk_status status = tk_quality_segment(quality, segment_index, &segment, error);
  if (status == TK_OK) {
    status = tk_reader_trace_rows(quality->reader, segment, &trace_rows, error);
  }
  if (status != TK_OK) return status;
  *part = (struct quality_part){segment_index, trace_index, trace_rows[trace_index],
                                trace_rows[trace_index + 1], 0};
  part->granule = tk_segment_granule_of_row(segment, part->begin);
  return TK_OK;
}

/* Only with the first part of it. */
static enum tk_status check_split_trace(struct quality *quality, uint32_t split,
                                        uint32_t segment_index, struct tk_error *error) {
  const uint32_t first = quality->split.first_part[split];
  const uint32_t count = quality->split.first_part[split + 1] - first;
  if (count == 0 || quality->split.by_trace[first].segment_index != segment_index) return TK_OK;
  struct quality_part *parts = sqlite3_malloc64((uint64_t)count * sizeof *parts);
  if (!parts) return tk_nomem(error);
  enum tk_status status = TK_OK;
  for (uint32_t i = 0; i < count && status == TK_OK; i++) {
    const struct tk_split_part *place = &quality->split.by_trace[first + i];
    status = make_part(quality, place->segment_index, place->trace_index, &parts[i], error);
  }
  if (status == TK_OK) status = tk_quality_trace(quality, parts, count, error);
  sqlite3_free(parts);
  return status;
}

static enum tk_status check_traces(struct quality *quality, const struct tk_segment *segment,
                                   uint32_t segment_index, uint32_t granule,
                                   struct tk_error *error) {
  const bool may_be_split =
      quality->split.count > 0 && segment->summary.flags & TK_SEGMENT_HAS_SPLIT;
  enum tk_status status = TK_OK;
  for (uint32_t t = segment->granule_first_trace[granule];
       t < segment->granule_first_trace[granule + 1] && status == TK_OK; t++) {
    const uint32_t split =
        may_be_split ? tk_split_traces_find(&quality->split, segment_index, t) : TK_NOT_SPLIT;
    struct quality_part part;
    if (split != TK_NOT_SPLIT) {
      status = check_split_trace(quality, split, segment_index, error);
      continue;
    }
    status = make_part(quality, segment_index, t, &part, error);
    if (status == TK_OK) status = tk_quality_trace(quality, &part, 1, error);
  }
  return status;
}

enum tk_status tk_quality_granule(struct quality *quality, uint32_t segment_index, uint32_t granule,
                                  struct tk_error *error) {
  const struct tk_segment *segment;
  enum tk_status status = tk_quality_segment(quality, segment_index, &segment, error);
  if (status != TK_OK) return status;
  if (tk_quality_rules_of(quality->rules, SCOPE_SPAN)) {
    const struct quality_part range = {.segment_index = segment_index,
                                       .begin = granule > 0 ? segment->rows.ends[granule - 1] : 0,
                                       .end = segment->rows.ends[granule],
                                       .granule = granule};
    if ((status = tk_quality_spans(quality, &range, error)) != TK_OK) return status;
  }
  if (!tk_quality_rules_of(quality->rules, SCOPE_TRACE)) return TK_OK;
  return check_traces(quality, segment, segment_index, granule, error);
}

/* ---- findings ---- */

bool tk_quality_find_row(struct quality *quality, enum quality_rule rule, uint32_t segment_index,
                         uint32_t trace_index, uint32_t row,
                         const struct quality_resource *resource) {
  if (!resource->is_wanted) return false;
  const struct quality_place place = {segment_index, trace_index, row, resource->stored->service};
  return tk_quality_find(&quality->findings, rule, &place);
}

bool tk_quality_find_service(struct quality *quality, enum quality_rule rule,
                             const struct quality_resource *resource) {
  return tk_quality_find_row(quality, rule, NO_PLACE, NO_PLACE, NO_PLACE, resource);
}
