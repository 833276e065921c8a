/* SPDX-License-Identifier: MIT
 * Spans are grouped by trace in a hash table; each trace sorts its spans as siblings are ordered
 * and links them to their parents by binary search over the span ids; siblings are then chained in
 * order, and a walk without recursion writes rows, depths and parents. All sorts are inside a
 * trace, on numbers that were read once. */
#include "store/segment/span_order.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "store/sqlite_api.h"

enum { NONE = -1, SMALL_SORT = 24 };

struct node {
  const struct tk_span *span;
  uint64_t start;
  uint64_t id;    /* span id as a big-endian number: compares as the bytes do */
  int32_t parent; /* all links are indexes into the trace's nodes */
  int32_t first_child;
  int32_t next_sibling; /* in order */
  int32_t row;          /* NONE until placed */
};

/* One trace while it is being ordered: nodes are sorted as siblings are. */
struct trace {
  struct node *nodes;
  int32_t *by_id; /* node indexes, by span id */
  int32_t count;
  uint64_t start; /* earliest */
};

static uint64_t read_big_endian(const uint8_t bytes[8]) {
  return (uint64_t)bytes[0] << 56 | (uint64_t)bytes[1] << 48 | (uint64_t)bytes[2] << 40 |
         (uint64_t)bytes[3] << 32 | (uint64_t)bytes[4] << 24 | (uint64_t)bytes[5] << 16 |
         (uint64_t)bytes[6] << 8 | (uint64_t)bytes[7];
}

static int compare_nodes(const struct node *a, const struct node *b) {
  if (a->start != b->start) return a->start > b->start ? 1 : -1;
  if (a->id != b->id) return a->id > b->id ? 1 : -1;
  return (a->span->kind > b->span->kind) - (a->span->kind < b->span->kind);
}

static int compare_node_pointers(const void *left, const void *right) {
  return compare_nodes(left, right);
}

static int compare_traces(const void *left, const void *right) {
  const struct trace *a = left, *b = right;
  if (a->start != b->start) return a->start > b->start ? 1 : -1;
  return memcmp(a->nodes[0].span->trace_id, b->nodes[0].span->trace_id, 16);
}

static bool is_receiver(const struct tk_span *span) {
  return span->kind == TK_KIND_SERVER || span->kind == TK_KIND_CONSUMER;
}

/* Among equal ids the preferred parent comes first: receivers, then the earliest. */
static int compare_ids(const struct node *nodes, int32_t a, int32_t b) {
  if (nodes[a].id != nodes[b].id) return nodes[a].id > nodes[b].id ? 1 : -1;
  const int order = is_receiver(nodes[b].span) - is_receiver(nodes[a].span);
  return order != 0 ? order : (a > b) - (a < b);
}

static int compare_id_pointers(const void *left, const void *right, void *nodes) {
  return compare_ids(nodes, *(const int32_t *)left, *(const int32_t *)right);
}

/* Most traces are small, and their spans come nearly in order. */
static void sort_nodes(struct trace *trace) {
  struct node *nodes = trace->nodes;
  if (trace->count > SMALL_SORT) {
    qsort(nodes, (size_t)trace->count, sizeof *nodes, compare_node_pointers);
    return;
  }
  for (int32_t i = 1; i < trace->count; i++) {
    const struct node moved = nodes[i];
    int32_t at = i;
    for (; at > 0 && compare_nodes(&nodes[at - 1], &moved) > 0; at--) nodes[at] = nodes[at - 1];
    nodes[at] = moved;
  }
}

static void sort_ids(struct trace *trace) {
  int32_t *by_id = trace->by_id;
  for (int32_t i = 0; i < trace->count; i++) by_id[i] = i;
  if (trace->count > SMALL_SORT) {
    qsort_r(by_id, (size_t)trace->count, sizeof *by_id, compare_id_pointers, trace->nodes);
    return;
  }
  for (int32_t i = 1; i < trace->count; i++) {
    int32_t at = i;
    for (; at > 0 && compare_ids(trace->nodes, by_id[at - 1], i) > 0; at--) {
      by_id[at] = by_id[at - 1];
    }
    by_id[at] = i;
  }
}

static int32_t find_parent(const struct trace *trace, int32_t child) {
  const struct tk_span *span = trace->nodes[child].span;
  if (!(span->presence & TK_SPAN_HAS_PARENT)) return NONE;
  const uint64_t wanted = read_big_endian(span->parent_span_id);
  int32_t low = 0, high = trace->count;
  while (low < high) {
    const int32_t middle = low + (high - low) / 2;
    if (trace->nodes[trace->by_id[middle]].id < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  for (; low < trace->count && trace->nodes[trace->by_id[low]].id == wanted; low++) {
    if (trace->by_id[low] != child) return trace->by_id[low];
  }
  return NONE;
}

/* Nodes are in sibling order, so prepending them from the last to the first chains them in order.
 */
static void link_tree(struct trace *trace) {
  sort_ids(trace);
  for (int32_t i = trace->count - 1; i >= 0; i--) {
    struct node *node = &trace->nodes[i];
    node->parent = find_parent(trace, i);
    if (node->parent == NONE) continue;
    node->next_sibling = trace->nodes[node->parent].first_child;
    trace->nodes[node->parent].first_child = i;
  }
}

static void place(struct tk_span_order *order, struct node *node, uint32_t depth, uint32_t parent) {
  uint32_t row = order->span_count++;
  order->rows[row] = node->span;
  order->depths[row] = depth;
  order->parents[row] = parent;
  node->row = (int32_t)row;
}

/* Depth-first from `root`, which is placed whatever its parent. On a cycle the walk meets nodes
 * that are placed already and leaves them. */
static void walk(struct tk_span_order *order, struct trace *trace, int32_t root) {
  uint32_t depth = 0;
  int32_t current = root;
  place(order, &trace->nodes[root], 0, TK_NO_PARENT);
  for (;;) {
    int32_t next = trace->nodes[current].first_child;
    while (next != NONE && trace->nodes[next].row != NONE) next = trace->nodes[next].next_sibling;
    if (next != NONE) {
      depth++;
      place(order, &trace->nodes[next], depth, (uint32_t)trace->nodes[current].row);
      /* A child is taken off its parent's list when it is entered, so that no list is read twice.
       */
      trace->nodes[current].first_child = trace->nodes[next].next_sibling;
      current = next;
      continue;
    }
    trace->nodes[current].first_child = NONE;
    if (current == root) return;
    current = trace->nodes[current].parent;
    depth--;
  }
}

/* Earliest span of the cycle that the parents of `node` lead to. All that hangs on a cycle is
 * placed by one walk from it, so looking for it costs no more than that walk. */
static int32_t find_cycle_entry(const struct trace *trace, int32_t node) {
  int32_t slow = node, fast = node;
  do {
    slow = trace->nodes[slow].parent;
    fast = trace->nodes[trace->nodes[fast].parent].parent;
  } while (slow != fast);
  int32_t earliest = slow; /* nodes are in order of start */
  for (int32_t at = trace->nodes[slow].parent; at != slow; at = trace->nodes[at].parent) {
    if (at < earliest) earliest = at;
  }
  return earliest;
}

static void order_trace(struct tk_span_order *order, struct trace *trace) {
  link_tree(trace);
  for (int32_t i = 0; i < trace->count; i++) {
    if (trace->nodes[i].parent == NONE) walk(order, trace, i);
  }
  for (int32_t i = 0; i < trace->count; i++) {
    if (trace->nodes[i].row == NONE) walk(order, trace, find_cycle_entry(trace, i));
  }
}

/* ---- grouping by trace ---- */

struct groups {
  struct trace *traces;
  uint32_t trace_count;
  uint32_t *trace_of; /* per span */
  uint32_t *slots;    /* open addressing: trace + 1 */
  uint32_t slot_mask;
};

static uint32_t find_trace(struct groups *groups, const struct tk_span *const *firsts,
                           const struct tk_span *span) {
  uint64_t hash =
      (read_big_endian(span->trace_id) ^ read_big_endian(span->trace_id + 8)) * 0x9E3779B97F4A7C15u;
  uint32_t slot = (uint32_t)(hash >> 32);
  for (; groups->slots[slot & groups->slot_mask]; slot++) {
    const uint32_t trace = groups->slots[slot & groups->slot_mask] - 1;
    if (memcmp(firsts[trace]->trace_id, span->trace_id, 16) == 0) return trace;
  }
  groups->slots[slot & groups->slot_mask] = ++groups->trace_count;
  return groups->trace_count - 1;
}

/* Counts the spans of each trace, then deals them out to the traces' runs of nodes. `firsts` is
 * working memory, one entry a span. */
static void group(struct groups *groups, const struct tk_span *const *spans, uint32_t count,
                  const struct tk_span **firsts, struct node *nodes, int32_t *by_id) {
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t before = groups->trace_count;
    const uint32_t t = find_trace(groups, firsts, spans[i]);
    if (groups->trace_count > before) {
      firsts[t] = spans[i];
      groups->traces[t] = (struct trace){.start = UINT64_MAX};
    }
    groups->trace_of[i] = t;
    groups->traces[t].count++;
  }
  uint32_t begin = 0;
  for (uint32_t t = 0; t < groups->trace_count; t++) {
    groups->traces[t].nodes = nodes + begin;
    groups->traces[t].by_id = by_id + begin;
    begin += (uint32_t)groups->traces[t].count;
    groups->traces[t].count = 0;
  }
  for (uint32_t i = 0; i < count; i++) {
    struct trace *trace = &groups->traces[groups->trace_of[i]];
    const uint64_t start = spans[i]->start_unix_ns;
    trace->nodes[trace->count++] =
        (struct node){spans[i], start, read_big_endian(spans[i]->span_id), NONE, NONE, NONE, NONE};
    if (start < trace->start) trace->start = start;
  }
}

static bool allocate(struct tk_span_order *order, uint32_t count) {
  order->rows = sqlite3_malloc64((uint64_t)count * sizeof *order->rows + 1);
  order->depths = sqlite3_malloc64((uint64_t)count * sizeof *order->depths + 1);
  order->parents = sqlite3_malloc64((uint64_t)count * sizeof *order->parents + 1);
  order->trace_rows = sqlite3_malloc64(((uint64_t)count + 1) * sizeof *order->trace_rows);
  return order->rows && order->depths && order->parents && order->trace_rows;
}

enum tk_status tk_span_order_init(struct tk_span_order *order, const struct tk_span *const *spans,
                                  uint32_t span_count, struct tk_error *error) {
  struct tk_span_order built = {0};
  struct groups groups = {.slot_mask = 63};
  while (groups.slot_mask / 2 < span_count) groups.slot_mask = groups.slot_mask * 2 + 1;
  const uint64_t slot_bytes = ((uint64_t)groups.slot_mask + 1) * sizeof *groups.slots;
  struct node *nodes = sqlite3_malloc64((uint64_t)span_count * sizeof *nodes + 1);
  int32_t *by_id = sqlite3_malloc64((uint64_t)span_count * sizeof *by_id + 1);
  const struct tk_span **firsts = sqlite3_malloc64((uint64_t)span_count * sizeof *firsts + 1);
  groups.traces = sqlite3_malloc64((uint64_t)span_count * sizeof *groups.traces + 1);
  groups.trace_of = sqlite3_malloc64((uint64_t)span_count * sizeof *groups.trace_of + 1);
  groups.slots = sqlite3_malloc64(slot_bytes);
  enum tk_status status = TK_OK;

  *order = (struct tk_span_order){0};
  if (!nodes || !by_id || !firsts || !groups.traces || !groups.trace_of || !groups.slots ||
      !allocate(&built, span_count)) {
    status = tk_nomem(error);
    goto done;
  }
  memset(groups.slots, 0, slot_bytes);
  group(&groups, spans, span_count, firsts, nodes, by_id);
  for (uint32_t t = 0; t < groups.trace_count; t++) sort_nodes(&groups.traces[t]);
  qsort(groups.traces, groups.trace_count, sizeof *groups.traces, compare_traces);
  for (uint32_t t = 0; t < groups.trace_count; t++) {
    built.trace_rows[t] = built.span_count;
    order_trace(&built, &groups.traces[t]);
  }
  built.trace_count = groups.trace_count;
  built.trace_rows[built.trace_count] = built.span_count;
  *order = built;
  built = (struct tk_span_order){0};

done:
  tk_span_order_reset(&built);
  sqlite3_free(nodes);
  sqlite3_free(by_id);
  sqlite3_free(firsts);
  sqlite3_free(groups.traces);
  sqlite3_free(groups.trace_of);
  sqlite3_free(groups.slots);
  return status;
}

void tk_span_order_reset(struct tk_span_order *order) {
  sqlite3_free(order->rows);
  sqlite3_free(order->depths);
  sqlite3_free(order->parents);
  sqlite3_free(order->trace_rows);
  *order = (struct tk_span_order){0};
}
