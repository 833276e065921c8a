/* SPDX-License-Identifier: MIT
 * Nodes from the columns of a trace's parts, and parents by id. The memory is kept for the next
 * trace. */
#include "sqlext/quality/trace_tree.h"

#include <stdlib.h>
#include <string.h>

void tk_quality_tree_free(struct quality_tree *tree) {
  if (!tree) return;
  sqlite3_free(tree->nodes);
  sqlite3_free(tree->by_id);
  sqlite3_free(tree->services);
  sqlite3_free(tree->touched);
  sqlite3_free(tree);
}

static enum tk_status create_tree(struct quality *quality, struct tk_error *error) {
  const uint64_t services = quality->service_count;
  struct quality_tree *tree = sqlite3_malloc64(sizeof *tree);
  if (!tree) return tk_nomem(error);
  *tree = (struct quality_tree){.services = sqlite3_malloc64(services * sizeof *tree->services + 1),
                                .touched = sqlite3_malloc64(services * sizeof *tree->touched + 1)};
  quality->tree = tree;
  if (!tree->services || !tree->touched) return tk_nomem(error);
  memset(tree->services, 0, services * sizeof *tree->services);
  return TK_OK;
}

/* ---- nodes ---- */

static uint64_t read_id(const uint8_t *bytes) {
  uint64_t id = 0;
  for (int i = 0; i < 8; i++) id = id << 8 | bytes[i];
  return id;
}

/* The columns of a part. */
struct part_columns {
  const struct tk_segment *segment;
  const struct tk_column *ids;
  const int64_t *starts;
  struct tk_ints durations, kinds, statuses, flags, resources;
  const uint32_t *parents;
};

static enum tk_status read_columns(struct quality *quality, const struct quality_part *part,
                                   struct part_columns *columns, struct tk_error *error) {
  struct tk_reader *reader = quality->reader;
  enum tk_status status =
      tk_quality_segment(quality, part->segment_index, &columns->segment, error);
  if (status != TK_OK) return status;
  const struct tk_segment *segment = columns->segment;
  const uint32_t granule = part->granule;
  if ((status = tk_reader_row_column(reader, segment, TK_COL_SPAN_ID, granule, &columns->ids,
                                     error)) != TK_OK ||
      (status = tk_reader_starts(reader, segment, granule, &columns->starts, error)) != TK_OK ||
      (status = tk_row_ints(reader, segment, TK_COL_DURATION, granule, &columns->durations,
                            error)) != TK_OK ||
      (status = tk_row_ints(reader, segment, TK_COL_KIND, granule, &columns->kinds, error)) !=
          TK_OK ||
      (status = tk_row_ints(reader, segment, TK_COL_STATUS_CODE, granule, &columns->statuses,
                            error)) != TK_OK ||
      (status = tk_row_ints(reader, segment, TK_COL_FLAGS, granule, &columns->flags, error)) !=
          TK_OK ||
      (status = tk_row_ints(reader, segment, TK_COL_RESOURCE, granule, &columns->resources,
                            error)) != TK_OK ||
      (status = tk_reader_parents(reader, segment, granule, &columns->parents, error)) != TK_OK) {
    return status;
  }
  if (columns->ids) return TK_OK;
  return tk_corrupt(error, "segment %lld has no span ids", (long long)segment->summary.id);
}

static enum tk_status add_part(struct quality *quality, const struct quality_part *part,
                               struct tk_error *error) {
  struct quality_tree *tree = quality->tree;
  struct part_columns columns;
  const uint32_t base = tree->count;
  enum tk_status status = read_columns(quality, part, &columns, error);
  if (status != TK_OK) return status;
  if (!tk_grow_zeroed(&tree->nodes, &tree->capacity, base + (part->end - part->begin),
                      sizeof *tree->nodes)) {
    return tk_nomem(error);
  }
  for (uint32_t row = part->begin; row < part->end; row++) {
    struct quality_node *node = &tree->nodes[tree->count++];
    const uint32_t parent = columns.parents[row];
    *node =
        (struct quality_node){.id = read_id(columns.ids->fixed + 8 * (size_t)row),
                              .start = (uint64_t)columns.starts[row],
                              .duration = tk_ints_at(columns.durations, row),
                              .kind = (int32_t)tk_ints_at(columns.kinds, row),
                              .status = (int32_t)tk_ints_at(columns.statuses, row),
                              .flags = (uint32_t)tk_ints_at(columns.flags, row),
                              .parent = NO_PARENT,
                              .segment_index = part->segment_index,
                              .trace_index = part->trace_index,
                              .row = row,
                              .resource = tk_quality_resource_of(
                                  quality, columns.segment, tk_ints_at(columns.resources, row))};
    node->end = node->start + (uint64_t)node->duration;
    if (parent != UINT32_MAX && parent >= part->begin && parent < row) {
      node->parent = (int32_t)(base + (parent - part->begin));
      node->parent_id = tree->nodes[node->parent].id;
      node->has_parent = true;
      continue;
    }
    const uint8_t *outside;
    status = tk_reader_external_parent(quality->reader, columns.segment, row, &outside, error);
    if (status != TK_OK) return status;
    if (outside) node->parent_id = read_id(outside);
    node->has_parent = outside != NULL;
  }
  return TK_OK;
}

/* ---- ids ---- */

static bool is_receiver(const struct quality_node *node) {
  return node->kind == TK_KIND_SERVER || node->kind == TK_KIND_CONSUMER;
}

static int compare_by_id(const void *left, const void *right, void *context) {
  const struct quality_node *nodes = context;
  const struct quality_node *a = &nodes[*(const uint32_t *)left],
                            *b = &nodes[*(const uint32_t *)right];
  if (a->id != b->id) return a->id > b->id ? 1 : -1;
  if (is_receiver(a) != is_receiver(b)) return is_receiver(b) - is_receiver(a);
  if (a->start != b->start) return a->start > b->start ? 1 : -1;
  return (a->kind > b->kind) - (a->kind < b->kind);
}

enum tk_status tk_quality_tree_sort(struct quality_tree *tree, struct tk_error *error) {
  if (tree->by_id_known) return TK_OK;
  if (!tk_grow_zeroed(&tree->by_id, &tree->by_id_capacity, tree->count, sizeof *tree->by_id)) {
    return tk_nomem(error);
  }
  for (uint32_t i = 0; i < tree->count; i++) tree->by_id[i] = i;
  qsort_r(tree->by_id, tree->count, sizeof *tree->by_id, compare_by_id, tree->nodes);
  tree->by_id_known = true;
  return TK_OK;
}

/* The node that `child` means by its parent id. Takes tk_quality_tree_sort. */
static int32_t find_parent(const struct quality_tree *tree, uint32_t child) {
  const uint64_t wanted = tree->nodes[child].parent_id;
  uint32_t low = 0, high = tree->count;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (tree->nodes[tree->by_id[middle]].id < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  for (; low < tree->count && tree->nodes[tree->by_id[low]].id == wanted; low++) {
    if (tree->by_id[low] != child) return (int32_t)tree->by_id[low];
  }
  return NO_PARENT;
}

enum tk_status tk_quality_tree_resolve(struct quality_tree *tree, uint32_t part_count,
                                       bool *may_have_cycle, struct tk_error *error) {
  *may_have_cycle = part_count > 1;
  for (uint32_t i = 0; i < tree->count; i++) {
    struct quality_node *node = &tree->nodes[i];
    if (!node->has_parent || (part_count == 1 && node->parent != NO_PARENT)) continue;
    enum tk_status status = tk_quality_tree_sort(tree, error);
    if (status != TK_OK) return status;
    node->parent = find_parent(tree, i);
    if (node->parent != NO_PARENT) *may_have_cycle = true;
  }
  return TK_OK;
}

/* ---- a trace ---- */

enum tk_status tk_quality_tree_fill(struct quality *quality, const struct quality_part *parts,
                                    uint32_t part_count, struct tk_error *error) {
  enum tk_status status = TK_OK;
  if (!quality->tree && (status = create_tree(quality, error)) != TK_OK) return status;
  quality->tree->count = 0;
  quality->tree->by_id_known = false;
  for (uint32_t i = 0; i < part_count && status == TK_OK; i++) {
    status = add_part(quality, &parts[i], error);
  }
  return status;
}
