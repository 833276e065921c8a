/* SPDX-License-Identifier: MIT
 * Two sorts and a walk: spans are sorted by trace; each trace links its spans to their parents by
 * binary search over the span ids; siblings are then chained in order, and a walk without recursion
 * writes rows, depths and parents. Everything is linear but the sorts. */
#include "store/span_order.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "store/sqlite_api.h"

enum { NONE = -1 };

struct node {
  const struct tk_span *span;
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
  uint64_t start;
};

static int compare_starts(const struct tk_span *a, const struct tk_span *b) {
  return (a->start_unix_ns > b->start_unix_ns) - (a->start_unix_ns < b->start_unix_ns);
}

static int compare_siblings(const struct tk_span *a, const struct tk_span *b) {
  int order = compare_starts(a, b);
  if (order == 0) order = memcmp(a->span_id, b->span_id, sizeof a->span_id);
  if (order == 0) order = (a->kind > b->kind) - (a->kind < b->kind);
  return order;
}

static int compare_nodes(const void *left, const void *right) {
  const struct tk_span *a = ((const struct node *)left)->span;
  const struct tk_span *b = ((const struct node *)right)->span;
  int order = memcmp(a->trace_id, b->trace_id, sizeof a->trace_id);
  return order != 0 ? order : compare_siblings(a, b);
}

static int compare_traces(const void *left, const void *right) {
  const struct trace *a = left, *b = right;
  if (a->start != b->start) return a->start > b->start ? 1 : -1;
  return memcmp(a->nodes[0].span->trace_id, b->nodes[0].span->trace_id, 16);
}

static bool is_receiver(const struct tk_span *span) {
  return span->kind == TK_KIND_SERVER || span->kind == TK_KIND_CONSUMER;
}

static int compare_ids(const void *left, const void *right, void *context) {
  const struct node *nodes = context;
  const int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
  int order = memcmp(nodes[a].span->span_id, nodes[b].span->span_id, 8);
  /* Among equal ids the preferred parent comes first: receivers, then the earliest. */
  if (order == 0) order = is_receiver(nodes[b].span) - is_receiver(nodes[a].span);
  return order != 0 ? order : (a > b) - (a < b);
}

static int32_t find_parent(const struct trace *trace, int32_t child) {
  const struct tk_span *span = trace->nodes[child].span;
  if (!(span->presence & TK_SPAN_HAS_PARENT)) return NONE;
  int32_t low = 0, high = trace->count;
  while (low < high) {
    int32_t middle = low + (high - low) / 2;
    const uint8_t *id = trace->nodes[trace->by_id[middle]].span->span_id;
    if (memcmp(id, span->parent_span_id, 8) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  for (; low < trace->count; low++) {
    int32_t candidate = trace->by_id[low];
    if (memcmp(trace->nodes[candidate].span->span_id, span->parent_span_id, 8) != 0) return NONE;
    if (candidate != child) return candidate;
  }
  return NONE;
}

/* Nodes are in sibling order, so prepending them from the last to the first chains them in order.
 */
static void link_tree(struct trace *trace) {
  for (int32_t i = 0; i < trace->count; i++) trace->by_id[i] = i;
  qsort_r(trace->by_id, (size_t)trace->count, sizeof *trace->by_id, compare_ids, trace->nodes);
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

/* Earliest span of the cycle that the parents of `node` lead to. All that hangs on a cycle is placed
 * by one walk from it, so looking for it costs no more than that walk. */
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

static uint32_t find_traces(struct node *nodes, int32_t *by_id, uint32_t count,
                            struct trace *traces) {
  uint32_t trace_count = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (i == 0 || memcmp(nodes[i].span->trace_id, nodes[i - 1].span->trace_id, 16) != 0) {
      traces[trace_count++] = (struct trace){
          .nodes = nodes + i, .by_id = by_id + i, .start = nodes[i].span->start_unix_ns};
    }
    traces[trace_count - 1].count++;
  }
  return trace_count;
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
  struct node *nodes = sqlite3_malloc64((uint64_t)span_count * sizeof *nodes + 1);
  int32_t *by_id = sqlite3_malloc64((uint64_t)span_count * sizeof *by_id + 1);
  struct trace *traces = sqlite3_malloc64((uint64_t)span_count * sizeof *traces + 1);
  enum tk_status status = TK_OK;

  *order = (struct tk_span_order){0};
  if (!nodes || !by_id || !traces || !allocate(&built, span_count)) {
    status = tk_nomem(error);
    goto done;
  }
  for (uint32_t i = 0; i < span_count; i++) {
    nodes[i] = (struct node){spans[i], NONE, NONE, NONE, NONE};
  }
  qsort(nodes, span_count, sizeof *nodes, compare_nodes);
  built.trace_count = find_traces(nodes, by_id, span_count, traces);
  qsort(traces, built.trace_count, sizeof *traces, compare_traces);
  for (uint32_t t = 0; t < built.trace_count; t++) {
    built.trace_rows[t] = built.span_count;
    order_trace(&built, &traces[t]);
  }
  built.trace_rows[built.trace_count] = built.span_count;
  *order = built;
  built = (struct tk_span_order){0};

done:
  tk_span_order_reset(&built);
  sqlite3_free(nodes);
  sqlite3_free(by_id);
  sqlite3_free(traces);
  return status;
}

void tk_span_order_reset(struct tk_span_order *order) {
  sqlite3_free(order->rows);
  sqlite3_free(order->depths);
  sqlite3_free(order->parents);
  sqlite3_free(order->trace_rows);
  *order = (struct tk_span_order){0};
}
