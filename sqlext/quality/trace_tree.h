/* One trace as an array of nodes, put together from its parts in several segments.
 *
 * In one segment the parents are known; in several they are found by id, as store/segment/span_order.h
 * says: of spans with one id a receiver is preferred as parent, then the earliest, and never the
 * span itself. */
#ifndef TK_SQLEXT_QUALITY_TRACE_TREE_H
#define TK_SQLEXT_QUALITY_TRACE_TREE_H

#include "sqlext/quality/quality.h"

enum { NO_PARENT = -1 };

struct quality_node {
  uint64_t id, parent_id; /* big-endian: compares as the bytes do */
  uint64_t start, end;
  int64_t duration;
  int32_t kind, status;
  uint32_t flags;
  int32_t parent; /* index of the node, or NO_PARENT */
  bool has_parent;
  uint8_t colour; /* while looking for cycles */
  uint32_t segment_index, trace_index, row;
  const struct quality_resource *resource;
};

/* Counts of one service in the trace. */
struct service_tally {
  uint32_t internal, orphans, client_roots, short_spans;
  const struct quality_node *first; /* the first node that was counted for a rule of this tally */
};

struct quality_tree {
  struct quality_node *nodes;
  uint32_t count, capacity;
  uint32_t *by_id; /* indexes of nodes by id, preferred parents first */
  uint32_t by_id_capacity;
  bool by_id_known;
  struct service_tally *services; /* by service_number */
  uint32_t *touched;              /* numbers of those that are not all zero */
  uint32_t touched_count;
};

/** Makes quality->tree, if it is not there, and puts the trace of these parts into it. */
enum tk_status tk_quality_tree_fill(struct quality *quality, const struct quality_part *parts,
                                    uint32_t part_count, struct tk_error *error);

/** Finds the parents that are in other parts: a nearer one may be, so all are looked for. */
enum tk_status tk_quality_tree_resolve(struct quality_tree *tree, uint32_t part_count,
                                       bool *may_have_cycle, struct tk_error *error);

/** Fills by_id, if it is not. */
enum tk_status tk_quality_tree_sort(struct quality_tree *tree, struct tk_error *error);

#endif
