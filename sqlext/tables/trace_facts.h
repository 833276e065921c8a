/* What is known of one trace, from the columns of its spans. */
#ifndef TK_SQLEXT_TRACE_FACTS_H
#define TK_SQLEXT_TRACE_FACTS_H

#include <stdint.h>

#include "store/segment/segment.h"

/** The trace's spans in one segment. */
struct tk_trace_part {
  const struct tk_segment *segment; /**< held by whoever added the part */
  uint32_t segment_index, trace_index;
  uint32_t first_row, end_row, granule;
};

struct tk_trace_service {
  struct tk_text name;
  int64_t start; /**< of its earliest span */
};

/** Bits of tk_trace_facts.known, and which members they stand for. */
enum tk_trace_knowledge {
  TK_KNOW_TIMES = 1,    /**< start, end */
  TK_KNOW_ERRORS = 2,   /**< error_count */
  TK_KNOW_ROOT = 4,     /**< root_part, root_row, root_count */
  TK_KNOW_SERVICES = 8, /**< services, service_count */
  TK_KNOW_ORPHANS = 16  /**< orphan_count */
};

/** Zero-initialise but for `reader`. */
struct tk_trace_facts {
  struct tk_reader *reader;
  struct tk_trace_part *parts; /**< ascending segment_index */
  uint32_t part_count, part_capacity;
  unsigned known;
  int64_t start, end;
  int64_t error_count;
  const struct tk_trace_part *root_part; /**< NULL: no span without a parent */
  uint32_t root_row, root_count;
  int64_t orphan_count;              /**< spans whose parent is not in the trace */
  struct tk_trace_service *services; /**< by start, then name */
  uint32_t service_count, service_capacity;
};

/** No parts, nothing known; keeps memory for the next trace. */
void tk_trace_clear(struct tk_trace_facts *trace);
void tk_trace_reset(struct tk_trace_facts *trace);

/** Adds trace `trace_index` of a segment. Add all parts before asking anything, ascending
 * segment_index or tk_trace_sort_parts afterwards. */
enum tk_status tk_trace_add_part(struct tk_trace_facts *trace, const struct tk_segment *segment,
                                 uint32_t segment_index, uint32_t trace_index,
                                 struct tk_error *error);
void tk_trace_sort_parts(struct tk_trace_facts *trace);

/** Works out one kind of facts, once. */
enum tk_status tk_trace_learn(struct tk_trace_facts *trace, enum tk_trace_knowledge what,
                              struct tk_error *error);

int64_t tk_trace_span_count(const struct tk_trace_facts *trace);
int64_t tk_trace_duration(const struct tk_trace_facts *trace); /**< TK_KNOW_TIMES */
/** Sum of a per-span INT column. */
enum tk_status tk_trace_sum(struct tk_trace_facts *trace, enum tk_column_number number,
                            int64_t *sum_out, struct tk_error *error);
/** The greatest depth of a span, parts put together. */
enum tk_status tk_trace_depth(struct tk_trace_facts *trace, int64_t *depth_out,
                              struct tk_error *error);
/** service.name, or the name, of the root; data NULL without one. */
enum tk_status tk_trace_root_service(struct tk_trace_facts *trace, struct tk_text *text_out,
                                     struct tk_error *error);
enum tk_status tk_trace_root_name(struct tk_trace_facts *trace, struct tk_text *text_out,
                                  struct tk_error *error);

#endif
