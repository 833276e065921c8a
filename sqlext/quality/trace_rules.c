/* SPDX-License-Identifier: MIT
 * Rules about whole traces: the tree, ids that occur twice, clocks, and how many spans of what. All
 * they look at is the nodes of trace_tree.h.
 */
#include <stdlib.h>
#include <string.h>

#include "sqlext/quality/trace_tree.h"

enum {
  CONTAINMENT_SLACK = 10, /* times the threshold */
  FLAG_REMOTE_KNOWN = 0x100,
  FLAG_REMOTE = 0x200,
  FEW_NODES = 24
};

#define SHORT_SPAN_NS 5000000 /* SPA-005 */

/* ---- adding findings ---- */

static bool find_node(struct quality *quality, enum quality_rule rule,
                      const struct quality_node *node) {
  return tk_quality_wants(quality, rule) &&
         tk_quality_find_row(quality, rule, node->segment_index, node->trace_index, node->row,
                             node->resource);
}

/* About the trace, in the name of the service of `node`. */
static bool find_trace(struct quality *quality, enum quality_rule rule,
                       const struct quality_node *node) {
  return tk_quality_wants(quality, rule) &&
         tk_quality_find_row(quality, rule, node->segment_index, node->trace_index, NO_PLACE,
                             node->resource);
}

static void write_id(uint64_t id, uint8_t bytes[8]) {
  for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(id >> (56 - 8 * i));
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

static struct service_tally *tally_of(struct quality_tree *tree, const struct quality_node *node) {
  struct service_tally *tally = &tree->services[node->resource->service_number];
  if (!tally->first) {
    tally->first = node;
    tree->touched[tree->touched_count++] = node->resource->service_number;
  }
  return tally;
}

/* ---- parents that are not there ---- */

static bool is_self_parent(const struct quality_node *node) {
  return node->has_parent && node->parent == NO_PARENT && node->parent_id == node->id;
}

static bool is_orphan(const struct quality_node *node) {
  return node->has_parent && node->parent == NO_PARENT && node->parent_id != node->id;
}

static void report_orphan(struct quality *quality, const struct quality_node *node) {
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

static void report_self_parent(struct quality *quality, const struct quality_node *node) {
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
static bool is_before(const struct quality_node *a, const struct quality_node *b) {
  if (!b || a->start != b->start) return !b || a->start < b->start;
  return a->id != b->id ? a->id < b->id : a->kind < b->kind;
}

static void report_root_client(struct quality *quality, const struct quality_node *node) {
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
  const struct quality_node *first_root = NULL, *first = NULL;
  uint32_t roots = 0, orphans = 0, distinct = 0;

  for (uint32_t i = 0; i < tree->count; i++) {
    const struct quality_node *node = &tree->nodes[i];
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
  const struct quality_node *entry = &tree->nodes[on_cycle];
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
    while (at != NO_PARENT && tree->nodes[at].colour == WHITE) {
      tree->nodes[at].colour = ON_PATH;
      at = tree->nodes[at].parent;
    }
    if (at != NO_PARENT && tree->nodes[at].colour == ON_PATH) report_cycle(quality, (uint32_t)at);
    for (at = (int32_t)i; at != NO_PARENT && tree->nodes[at].colour == ON_PATH;
         at = tree->nodes[at].parent) {
      tree->nodes[at].colour = DONE;
    }
  }
}

/* ---- ids that occur twice ---- */

static bool are_halves(const struct quality_node *a, const struct quality_node *b) {
  return (a->kind == TK_KIND_CLIENT && b->kind == TK_KIND_SERVER) ||
         (a->kind == TK_KIND_SERVER && b->kind == TK_KIND_CLIENT) ||
         (a->kind == TK_KIND_PRODUCER && b->kind == TK_KIND_CONSUMER) ||
         (a->kind == TK_KIND_CONSUMER && b->kind == TK_KIND_PRODUCER);
}

/* Nodes by_id[begin .. end) share an id. The finding is about the preferred one of them: of a call,
 * its receiver. */
static void report_shared_id(struct quality *quality, uint32_t begin, uint32_t end) {
  const struct quality_tree *tree = quality->tree;
  const struct quality_node *first = &tree->nodes[tree->by_id[begin]];
  const struct quality_node *second = &tree->nodes[tree->by_id[begin + 1]];
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
  enum tk_status status = tk_quality_tree_sort(tree, error);
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

static bool share_clock(const struct quality_node *a, const struct quality_node *b) {
  if (a->resource == b->resource) return true;
  return a->resource->host.data && b->resource->host.data &&
         tk_text_equal(a->resource->host, b->resource->host);
}

static void note_times(struct quality *quality, const struct quality_node *parent, uint64_t off,
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

static void check_start(struct quality *quality, const struct quality_node *child,
                        const struct quality_node *parent, bool same_clock) {
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
static void check_containment(struct quality *quality, const struct quality_node *child,
                              const struct quality_node *parent) {
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

static void check_child_after(struct quality *quality, const struct quality_node *child,
                              const struct quality_node *parent, bool same_clock) {
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
    const struct quality_node *child = &tree->nodes[i];
    if (child->parent == NO_PARENT || child->parent == (int32_t)i) continue;
    const struct quality_node *parent = &tree->nodes[child->parent];
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
    const struct quality_node *node = &tree->nodes[i];
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
  enum tk_status status = tk_quality_tree_resolve(tree, part_count, &may_have_cycle, error);

  for (uint32_t i = 0; i < tree->count && status == TK_OK; i++) {
    if (!tree->nodes[i].has_parent || tree->nodes[i].parent != NO_PARENT) continue;
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
  const enum tk_status status = tk_quality_tree_fill(quality, parts, part_count, error);
  if (status != TK_OK || quality->tree->count == 0 || !is_in_window(quality)) return status;
  return check_trace(quality, part_count, error);
}
