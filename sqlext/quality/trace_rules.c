/* SPDX-License-Identifier: MIT
 * Rules about whole traces: the tree, ids that occur twice, clocks, and how many spans of what.
 *
 * A trace is put together from its parts as an array of nodes, which is all that rules look at. In
 * one segment the parents are known; in several they are found by id, as store/span_order.h says:
 * of spans with one id a receiver is preferred as parent, then the earliest, and never the span
 * itself.
 */
#include <stdlib.h>
#include <string.h>

#include "sqlext/quality/quality.h"

enum {
  CONTAINMENT_SLACK = 10, /* times the threshold */
  NONE = -1,
  FLAG_REMOTE_KNOWN = 0x100,
  FLAG_REMOTE = 0x200,
  FEW_NODES = 24
};

#define SHORT_SPAN_NS 5000000 /* SPA-005 */

struct node {
  uint64_t id, parent_id; /* big-endian: compares as the bytes do */
  uint64_t start, end;
  int64_t duration;
  int32_t kind, status;
  uint32_t flags;
  int32_t parent; /* index of the node, or NONE */
  bool has_parent;
  uint8_t colour; /* while looking for cycles */
  uint32_t segment_index, trace_index, row;
  const struct quality_resource *resource;
};

/* Counts of one service in the trace. */
struct service_tally {
  uint32_t internal, orphans, client_roots, short_spans;
  const struct node *first; /* the first node that was counted for a rule of this tally */
};

struct quality_tree {
  struct node *nodes;
  uint32_t count, capacity;
  uint32_t *by_id; /* indexes of nodes by id, preferred parents first */
  uint32_t by_id_capacity;
  bool by_id_known;
  struct service_tally *services; /* by service_number */
  uint32_t *touched;              /* numbers of those that are not all zero */
  uint32_t touched_count;
};

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

static void write_id(uint64_t id, uint8_t bytes[8]) {
  for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(id >> (56 - 8 * i));
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
    struct node *node = &tree->nodes[tree->count++];
    const uint32_t parent = columns.parents[row];
    *node = (struct node){.id = read_id(columns.ids->fixed + 8 * (size_t)row),
                          .start = (uint64_t)columns.starts[row],
                          .duration = tk_ints_at(columns.durations, row),
                          .kind = (int32_t)tk_ints_at(columns.kinds, row),
                          .status = (int32_t)tk_ints_at(columns.statuses, row),
                          .flags = (uint32_t)tk_ints_at(columns.flags, row),
                          .parent = NONE,
                          .segment_index = part->segment_index,
                          .trace_index = part->trace_index,
                          .row = row,
                          .resource = tk_quality_resource_of(quality, columns.segment,
                                                             tk_ints_at(columns.resources, row))};
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

static bool is_receiver(const struct node *node) {
  return node->kind == TK_KIND_SERVER || node->kind == TK_KIND_CONSUMER;
}

static int compare_by_id(const void *left, const void *right, void *context) {
  const struct node *nodes = context;
  const struct node *a = &nodes[*(const uint32_t *)left], *b = &nodes[*(const uint32_t *)right];
  if (a->id != b->id) return a->id > b->id ? 1 : -1;
  if (is_receiver(a) != is_receiver(b)) return is_receiver(b) - is_receiver(a);
  if (a->start != b->start) return a->start > b->start ? 1 : -1;
  return (a->kind > b->kind) - (a->kind < b->kind);
}

static enum tk_status sort_by_id(struct quality_tree *tree, struct tk_error *error) {
  if (tree->by_id_known) return TK_OK;
  if (!tk_grow_zeroed(&tree->by_id, &tree->by_id_capacity, tree->count, sizeof *tree->by_id)) {
    return tk_nomem(error);
  }
  for (uint32_t i = 0; i < tree->count; i++) tree->by_id[i] = i;
  qsort_r(tree->by_id, tree->count, sizeof *tree->by_id, compare_by_id, tree->nodes);
  tree->by_id_known = true;
  return TK_OK;
}

/* The node that `child` means by its parent id. Takes sort_by_id. */
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
  return NONE;
}

/* In several parts a nearer parent may be in another one, so all are looked for. */
static enum tk_status resolve_parents(struct quality_tree *tree, uint32_t part_count,
                                      bool *may_have_cycle, struct tk_error *error) {
  *may_have_cycle = part_count > 1;
  for (uint32_t i = 0; i < tree->count; i++) {
    struct node *node = &tree->nodes[i];
    if (!node->has_parent || (part_count == 1 && node->parent != NONE)) continue;
    enum tk_status status = sort_by_id(tree, error);
    if (status != TK_OK) return status;
    node->parent = find_parent(tree, i);
    if (node->parent != NONE) *may_have_cycle = true;
  }
  return TK_OK;
}

/* ---- adding findings ---- */

static bool find_node(struct quality *quality, enum quality_rule rule, const struct node *node) {
  return tk_quality_wants(quality, rule) &&
         tk_quality_find_row(quality, rule, node->segment_index, node->trace_index, node->row,
                             node->resource);
}

/* About the trace, in the name of the service of `node`. */
static bool find_trace(struct quality *quality, enum quality_rule rule, const struct node *node) {
  return tk_quality_wants(quality, rule) &&
         tk_quality_find_row(quality, rule, node->segment_index, node->trace_index, NO_PLACE,
                             node->resource);
}

static void note_node_id(struct quality_findings *findings, const char *key, uint64_t id) {
  uint8_t bytes[8];
  write_id(id, bytes);
  tk_quality_note_id(findings, key, bytes, 8);
}

static void say_node_id(struct quality_findings *findings, uint64_t id) {
  uint8_t bytes[8];
  write_id(id, bytes);
  tk_quality_say_id(findings, bytes, 8);
}

static struct service_tally *tally_of(struct quality_tree *tree, const struct node *node) {
  struct service_tally *tally = &tree->services[node->resource->service_number];
  if (!tally->first) {
    tally->first = node;
    tree->touched[tree->touched_count++] = node->resource->service_number;
  }
  return tally;
}

/* ---- parents that are not there ---- */

static bool is_self_parent(const struct node *node) {
  return node->has_parent && node->parent == NONE && node->parent_id == node->id;
}

static bool is_orphan(const struct node *node) {
  return node->has_parent && node->parent == NONE && node->parent_id != node->id;
}

static void report_orphan(struct quality *quality, const struct node *node) {
  static const struct {
    const char *what, *word;
  } words[] = {
      {"is not in the trace, and the flags do not say of which process it is", "unknown"},
      {"of the same process is not in the trace: it was lost on the way, or never ended", "local"},
      {"of another process is not in the trace: not instrumented, or sampled and exported "
       "elsewhere",
       "remote"}};
  enum quality_rule rule = RULE_TREE_ORPHAN;
  int which = 0;
  if (node->flags & FLAG_REMOTE_KNOWN) {
    which = node->flags & FLAG_REMOTE ? 2 : 1;
    rule = which == 2 ? RULE_TREE_REMOTE_PARENT : RULE_TREE_LOCAL_PARENT;
  }
  if (!find_node(quality, rule, node)) return;
  struct quality_findings *findings = &quality->findings;
  tk_quality_say(findings, "the parent ");
  say_node_id(findings, node->parent_id);
  tk_quality_say(findings, " %s", words[which].what);
  note_node_id(findings, "parent_span_id", node->parent_id);
  tk_quality_note_word(findings, "parent_process", words[which].word);
  tk_quality_note_unsigned(findings, "flags", node->flags);
}

static void report_self_parent(struct quality *quality, const struct node *node) {
  if (!find_node(quality, RULE_TREE_SELF_PARENT, node)) return;
  tk_quality_say(&quality->findings, "the span names itself as its parent");
  note_node_id(&quality->findings, "parent_span_id", node->parent_id);
}

/* ---- roots ---- */

static int compare_u64(const void *left, const void *right) {
  const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
  return (a > b) - (a < b);
}

/* Client and server halves of one call share an id: they are one root. */
static enum tk_status count_roots(const struct quality_tree *tree, uint32_t nodes_without_parent,
                                  uint32_t *count_out, struct tk_error *error) {
  uint64_t *ids = sqlite3_malloc64((uint64_t)nodes_without_parent * sizeof *ids + 1);
  uint32_t count = 0;
  if (!ids) return tk_nomem(error);
  for (uint32_t i = 0; i < tree->count; i++) {
    if (!tree->nodes[i].has_parent) ids[count++] = tree->nodes[i].id;
  }
  qsort(ids, count, sizeof *ids, compare_u64);
  *count_out = 0;
  for (uint32_t i = 0; i < count; i++) *count_out += i == 0 || ids[i] != ids[i - 1];
  sqlite3_free(ids);
  return TK_OK;
}

/* Of nodes the earliest, then the one with the smallest id, then kind. */
static bool is_before(const struct node *a, const struct node *b) {
  if (!b || a->start != b->start) return !b || a->start < b->start;
  return a->id != b->id ? a->id < b->id : a->kind < b->kind;
}

static void report_root_client(struct quality *quality, const struct node *node) {
  if (tk_quality_wants(quality, RULE_SPA_004)) tally_of(quality->tree, node)->client_roots++;
  if (!find_node(quality, RULE_TREE_ROOT_CLIENT, node)) return;
  tk_quality_say(
      &quality->findings,
      "the root is a client span; expected the server, consumer or internal span that made "
      "the call");
  tk_quality_note_word(&quality->findings, "kind", "client");
}

static enum tk_status check_roots(struct quality *quality, struct tk_error *error) {
  struct quality_tree *tree = quality->tree;
  const struct node *first_root = NULL, *first = NULL;
  uint32_t roots = 0, orphans = 0, distinct = 0;

  for (uint32_t i = 0; i < tree->count; i++) {
    const struct node *node = &tree->nodes[i];
    if (is_before(node, first)) first = node;
    orphans += is_orphan(node);
    if (node->has_parent) continue;
    roots++;
    if (is_before(node, first_root)) first_root = node;
    if (node->kind == TK_KIND_CLIENT) report_root_client(quality, node);
  }
  if (roots == 0 && find_trace(quality, RULE_TREE_NO_ROOT, first)) {
    tk_quality_say(&quality->findings, "no span is without a parent: ");
    tk_quality_say_count(&quality->findings, tree->count, "span");
    tk_quality_say(&quality->findings, ", %u with a parent that is not in the trace", orphans);
    tk_quality_note_unsigned(&quality->findings, "spans", tree->count);
    tk_quality_note_unsigned(&quality->findings, "orphans", orphans);
  }
  if (roots < 2 || !tk_quality_wants(quality, RULE_TREE_MULTIPLE_ROOTS)) return TK_OK;
  enum tk_status status = count_roots(tree, roots, &distinct, error);
  if (status == TK_OK && distinct > 1 &&
      find_trace(quality, RULE_TREE_MULTIPLE_ROOTS, first_root)) {
    tk_quality_say(&quality->findings, "%u of %u spans have no parent, expected one", distinct,
                   tree->count);
    tk_quality_note_unsigned(&quality->findings, "roots", distinct);
    tk_quality_note_unsigned(&quality->findings, "spans", tree->count);
  }
  return status;
}

/* ---- cycles ---- */

enum colour { WHITE, ON_PATH, DONE };

/* `on_cycle` was met again on the way up. */
static void report_cycle(struct quality *quality, uint32_t on_cycle) {
  const struct quality_tree *tree = quality->tree;
  const struct node *entry = &tree->nodes[on_cycle];
  uint32_t length = 1;
  for (int32_t at = entry->parent; at != (int32_t)on_cycle; at = tree->nodes[at].parent) {
    if (is_before(&tree->nodes[at], entry)) entry = &tree->nodes[at];
    length++;
  }
  if (!find_node(quality, RULE_TREE_CYCLE, entry)) return;
  tk_quality_say(&quality->findings, "%u spans are each other's parents", length);
  tk_quality_note_unsigned(&quality->findings, "length", length);
}

static void check_cycles(struct quality *quality) {
  struct quality_tree *tree = quality->tree;
  for (uint32_t i = 0; i < tree->count; i++) {
    int32_t at = (int32_t)i;
    while (at != NONE && tree->nodes[at].colour == WHITE) {
      tree->nodes[at].colour = ON_PATH;
      at = tree->nodes[at].parent;
    }
    if (at != NONE && tree->nodes[at].colour == ON_PATH) report_cycle(quality, (uint32_t)at);
    for (at = (int32_t)i; at != NONE && tree->nodes[at].colour == ON_PATH;
         at = tree->nodes[at].parent) {
      tree->nodes[at].colour = DONE;
    }
  }
}

/* ---- ids that occur twice ---- */

static bool are_halves(const struct node *a, const struct node *b) {
  return (a->kind == TK_KIND_CLIENT && b->kind == TK_KIND_SERVER) ||
         (a->kind == TK_KIND_SERVER && b->kind == TK_KIND_CLIENT) ||
         (a->kind == TK_KIND_PRODUCER && b->kind == TK_KIND_CONSUMER) ||
         (a->kind == TK_KIND_CONSUMER && b->kind == TK_KIND_PRODUCER);
}

/* Nodes by_id[begin .. end) share an id. The finding is about the preferred one of them: of a call,
 * its receiver. */
static void report_shared_id(struct quality *quality, uint32_t begin, uint32_t end) {
  const struct quality_tree *tree = quality->tree;
  const struct node *first = &tree->nodes[tree->by_id[begin]];
  const struct node *second = &tree->nodes[tree->by_id[begin + 1]];
  struct quality_findings *findings = &quality->findings;

  if (end - begin == 2 && are_halves(first, second)) {
    if (!find_node(quality, RULE_DUP_ZIPKIN_SHARED, first)) return;
    tk_quality_say(findings, "both sides of a call have this span id, as Zipkin writes them");
  } else {
    if (!find_node(quality, RULE_DUP_CONFLICT, first)) return;
    tk_quality_say(findings,
                   "%u spans of the trace have this id, and are not two sides of one call",
                   end - begin);
  }
  tk_quality_note_unsigned(findings, "spans", end - begin);
  tk_quality_note_int(findings, "kind", first->kind);
  tk_quality_note_int(findings, "other_kind", second->kind);
}

static bool has_shared_id(const struct quality_tree *tree) {
  if (tree->count > FEW_NODES) return true; /* sorting tells */
  for (uint32_t i = 1; i < tree->count; i++) {
    for (uint32_t j = 0; j < i; j++) {
      if (tree->nodes[i].id == tree->nodes[j].id) return true;
    }
  }
  return false;
}

static enum tk_status check_shared_ids(struct quality *quality, struct tk_error *error) {
  struct quality_tree *tree = quality->tree;
  if (!has_shared_id(tree)) return TK_OK;
  enum tk_status status = sort_by_id(tree, error);
  if (status != TK_OK) return status;
  for (uint32_t begin = 0, end; begin < tree->count; begin = end) {
    end = begin + 1;
    while (end < tree->count &&
           tree->nodes[tree->by_id[end]].id == tree->nodes[tree->by_id[begin]].id) {
      end++;
    }
    if (end - begin > 1) report_shared_id(quality, begin, end);
  }
  return TK_OK;
}

/* ---- clocks ---- */

static bool share_clock(const struct node *a, const struct node *b) {
  if (a->resource == b->resource) return true;
  return a->resource->host.data && b->resource->host.data &&
         tk_text_equal(a->resource->host, b->resource->host);
}

static void note_times(struct quality *quality, const struct node *parent, uint64_t off,
                       bool same_clock) {
  struct quality_findings *findings = &quality->findings;
  note_node_id(findings, "parent_span_id", parent->id);
  tk_quality_note_unsigned(findings, "off_ns", off);
  tk_quality_note_word(findings, "host", same_clock ? "same" : "different or unknown");
}

/* True if `later` is after `earlier` by more than a rule's threshold. */
static bool is_off(const struct quality *quality, enum quality_rule rule, uint64_t earlier,
                   uint64_t later) {
  return later > earlier && later - earlier > (uint64_t)tk_quality_threshold(quality, rule);
}

static void check_start(struct quality *quality, const struct node *child,
                        const struct node *parent, bool same_clock) {
  const enum quality_rule rule = same_clock ? RULE_TREE_CHILD_BEFORE : RULE_SKEW_SUSPECT;
  const uint64_t off = parent->start - child->start;
  if (!is_off(quality, rule, child->start, parent->start) || !find_node(quality, rule, child)) {
    return;
  }
  tk_quality_say(&quality->findings, "starts %llu ns before its parent%s", (unsigned long long)off,
                 same_clock ? ", on the same host" : ": the clocks of two hosts may differ");
  note_times(quality, parent, off, same_clock);
}

/* A server whose work takes no longer than its client waited, and that still ends later, although
 * the client did not give up. Servers tend to end their span a little after they have answered, so
 * more than the threshold is taken for that. */
static void check_containment(struct quality *quality, const struct node *child,
                              const struct node *parent) {
  const uint64_t off = child->end - parent->end;
  uint64_t most;
  if (__builtin_mul_overflow((uint64_t)tk_quality_threshold(quality, RULE_SKEW_SUSPECT),
                             (uint64_t)CONTAINMENT_SLACK, &most)) {
    return;
  }
  if (parent->kind != TK_KIND_CLIENT || child->kind != TK_KIND_SERVER ||
      parent->status == TK_STATUS_ERROR || child->start < parent->start || parent->duration < 0 ||
      child->duration < 0 || child->duration > parent->duration || child->end <= parent->end ||
      off <= most || !find_node(quality, RULE_SKEW_SUSPECT, child)) {
    return;
  }
  tk_quality_say(
      &quality->findings,
      "the server ends %llu ns after the client got its answer: the clocks of two hosts may "
      "differ",
      (unsigned long long)off);
  note_times(quality, parent, off, false);
}

static void check_child_after(struct quality *quality, const struct node *child,
                              const struct node *parent, bool same_clock) {
  if (parent->kind == TK_KIND_PRODUCER || child->kind == TK_KIND_CONSUMER || parent->duration < 0 ||
      !is_off(quality, RULE_TREE_CHILD_AFTER, parent->end, child->start) ||
      !find_node(quality, RULE_TREE_CHILD_AFTER, child)) {
    return;
  }
  const uint64_t off = child->start - parent->end;
  tk_quality_say(&quality->findings, "starts %llu ns after its parent ended",
                 (unsigned long long)off);
  note_times(quality, parent, off, same_clock);
}

/* A span without a time has an issue of its own; the two halves of a call are one span. */
static void check_clocks(struct quality *quality) {
  const struct quality_tree *tree = quality->tree;
  for (uint32_t i = 0; i < tree->count; i++) {
    const struct node *child = &tree->nodes[i];
    if (child->parent == NONE || child->parent == (int32_t)i) continue;
    const struct node *parent = &tree->nodes[child->parent];
    if (child->start == 0 || parent->start == 0) continue;
    const bool same_clock = share_clock(child, parent);
    check_start(quality, child, parent, same_clock);
    if (!same_clock) check_containment(quality, child, parent);
    check_child_after(quality, child, parent, same_clock);
  }
}

/* ---- by service ---- */

static void count_spans(struct quality *quality, uint32_t *short_spans) {
  struct quality_tree *tree = quality->tree;
  *short_spans = 0;
  for (uint32_t i = 0; i < tree->count; i++) {
    const struct node *node = &tree->nodes[i];
    const bool is_short = node->duration >= 0 && node->duration < SHORT_SPAN_NS;
    *short_spans += is_short;
    if (node->kind != TK_KIND_INTERNAL && !is_short && !is_orphan(node)) continue;
    struct service_tally *tally = tally_of(tree, node);
    tally->internal += node->kind == TK_KIND_INTERNAL;
    tally->short_spans += is_short;
    tally->orphans += is_orphan(node);
  }
}

static void report_counts(struct quality *quality, const struct service_tally *tally,
                          uint32_t short_spans) {
  struct quality_findings *findings = &quality->findings;
  const int64_t most_internal = tk_quality_threshold(quality, RULE_SPA_001);
  const int64_t most_short = tk_quality_threshold(quality, RULE_SPA_005);

  if (tally->internal > most_internal && find_trace(quality, RULE_SPA_001, tally->first)) {
    tk_quality_say(findings, "%u INTERNAL spans of the service in the trace, expected at most %lld",
                   tally->internal, (long long)most_internal);
    tk_quality_note_unsigned(findings, "found", tally->internal);
    tk_quality_note_int(findings, "expected_at_most", most_internal);
  }
  if (tally->orphans > 0 && find_trace(quality, RULE_SPA_002, tally->first)) {
    tk_quality_say_count(findings, tally->orphans, "span");
    tk_quality_say(findings, " of the service, with a parent that is not in the trace");
    tk_quality_note_unsigned(findings, "orphans", tally->orphans);
  }
  if (tally->client_roots > 0 && find_trace(quality, RULE_SPA_004, tally->first)) {
    tk_quality_say_count(findings, tally->client_roots, "root");
    tk_quality_say(findings, " of kind CLIENT in the service");
    tk_quality_note_unsigned(findings, "roots", tally->client_roots);
  }
  if (tally->short_spans > 0 && short_spans > most_short &&
      find_trace(quality, RULE_SPA_005, tally->first)) {
    tk_quality_say(
        findings,
        "%u spans of the trace are shorter than 5 ms, expected at most %lld; of the service: %u",
        short_spans, (long long)most_short, tally->short_spans);
    tk_quality_note_unsigned(findings, "found", short_spans);
    tk_quality_note_int(findings, "expected_at_most", most_short);
    tk_quality_note_unsigned(findings, "of_service", tally->short_spans);
  }
}

static void check_services(struct quality *quality) {
  struct quality_tree *tree = quality->tree;
  uint32_t short_spans;
  count_spans(quality, &short_spans);
  for (uint32_t i = 0; i < tree->touched_count; i++) {
    struct service_tally *tally = &tree->services[tree->touched[i]];
    report_counts(quality, tally, short_spans);
    *tally = (struct service_tally){.first = NULL};
  }
  tree->touched_count = 0;
}

/* ---- a trace ---- */

static bool is_in_window(const struct quality *quality) {
  uint64_t start = UINT64_MAX;
  if (!quality->has_window) return true;
  for (uint32_t i = 0; i < quality->tree->count; i++) {
    if (quality->tree->nodes[i].start < start) start = quality->tree->nodes[i].start;
  }
  return start >= quality->since && start < quality->until;
}

static enum tk_status check_trace(struct quality *quality, uint32_t part_count,
                                  struct tk_error *error) {
  static const uint64_t root_rules = RULE_BIT(RULE_TREE_NO_ROOT) |
                                     RULE_BIT(RULE_TREE_MULTIPLE_ROOTS) |
                                     RULE_BIT(RULE_TREE_ROOT_CLIENT) | RULE_BIT(RULE_SPA_004);
  static const uint64_t clock_rules = RULE_BIT(RULE_TREE_CHILD_BEFORE) |
                                      RULE_BIT(RULE_TREE_CHILD_AFTER) | RULE_BIT(RULE_SKEW_SUSPECT);
  static const uint64_t count_rules = RULE_BIT(RULE_SPA_001) | RULE_BIT(RULE_SPA_002) |
                                      RULE_BIT(RULE_SPA_004) | RULE_BIT(RULE_SPA_005);
  struct quality_tree *tree = quality->tree;
  bool may_have_cycle;
  enum tk_status status = resolve_parents(tree, part_count, &may_have_cycle, error);

  for (uint32_t i = 0; i < tree->count && status == TK_OK; i++) {
    if (!tree->nodes[i].has_parent || tree->nodes[i].parent != NONE) continue;
    if (is_self_parent(&tree->nodes[i])) {
      report_self_parent(quality, &tree->nodes[i]);
    } else {
      report_orphan(quality, &tree->nodes[i]);
    }
  }
  if (status == TK_OK && quality->rules & root_rules) status = check_roots(quality, error);
  if (status == TK_OK && may_have_cycle && tk_quality_wants(quality, RULE_TREE_CYCLE)) {
    check_cycles(quality);
  }
  if (status == TK_OK &&
      quality->rules & (RULE_BIT(RULE_DUP_CONFLICT) | RULE_BIT(RULE_DUP_ZIPKIN_SHARED))) {
    status = check_shared_ids(quality, error);
  }
  if (status == TK_OK && quality->rules & clock_rules) check_clocks(quality);
  if (status == TK_OK && quality->rules & count_rules) check_services(quality);
  return status;
}

enum tk_status tk_quality_trace(struct quality *quality, const struct quality_part *parts,
                                uint32_t part_count, struct tk_error *error) {
  enum tk_status status = TK_OK;
  if (!quality->tree && (status = create_tree(quality, error)) != TK_OK) return status;
  struct quality_tree *tree = quality->tree;
  tree->count = 0;
  tree->by_id_known = false;
  for (uint32_t i = 0; i < part_count && status == TK_OK; i++) {
    status = add_part(quality, &parts[i], error);
  }
  if (status != TK_OK || tree->count == 0 || !is_in_window(quality)) return status;
  return check_trace(quality, part_count, error);
}
