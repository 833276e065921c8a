/* The graph of services: which calls which, how often, how long, how often in vain. */
#ifndef TK_SQLEXT_SERVICE_GRAPH_H
#define TK_SQLEXT_SERVICE_GRAPH_H

#include "sqlext/metrics/group_samples.h"
#include "store/segment/interner.h"
#include "store/segment/segment.h"

#define TK_NO_NODE UINT32_MAX
#define TK_EDGE_QUANTILES 3 /* 0.5, 0.95, 0.99 */

enum tk_edge_type {
  TK_EDGE_CALL,
  TK_EDGE_MESSAGING,
  TK_EDGE_DATABASE,
  TK_EDGE_VIRTUAL,
  TK_EDGE_UNPAIRED
};

struct tk_edge {
  uint32_t client, server; /**< names; TK_NO_NODE: unpaired, the other side is not known */
  enum tk_edge_type type;
  uint64_t calls, failed;
};

struct tk_service_graph {
  struct tk_arena arena;
  struct tk_interner names;
  struct tk_edge *edges;
  uint32_t edge_count, edge_capacity;
  uint32_t *slots; /**< open addressing: edge + 1 */
  uint32_t slot_count;
  struct tk_group_samples client_durations, server_durations;
  double *client_quantiles, *server_quantiles; /**< TK_EDGE_QUANTILES an edge; NaN: none */
};

struct tk_service_graph_options {
  bool by_pairs; /**< clients with servers, see docs/schema.md; else parents with children */
  bool wants_quantiles;
  uint64_t since, until; /**< only calls whose receiving span starts in [since, until) */
};

struct spans_columns;
/** `columns` are those of spans in the reader's schema. On failure *graph is zeroed. */
enum tk_status tk_service_graph_draw(struct tk_service_graph *graph, struct tk_reader *reader,
                                     const struct spans_columns *columns,
                                     const struct tk_service_graph_options *options,
                                     struct tk_error *error);
void tk_service_graph_reset(struct tk_service_graph *graph);

#endif
