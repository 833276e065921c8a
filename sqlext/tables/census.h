/* Counting what the store holds by resource, scope, service and operation, in one pass over the
 * columns that takes. */
#ifndef TK_SQLEXT_CENSUS_H
#define TK_SQLEXT_CENSUS_H

#include <stdbool.h>
#include <stdint.h>

#include "sqlext/metrics/wide_sum.h"
#include "store/segment/interner.h"
#include "store/segment/segment.h"

/** Of the spans that belong to something. Without spans everything is 0 but first_start. */
struct tk_tally {
  uint64_t span_count, error_count;
  uint64_t first_start, last_start; /**< earliest and latest start, unix ns */
};

/** Operation: spans of a service with the same name and kind. */
struct tk_operation {
  uint32_t service; /**< into tk_census.services */
  uint32_t name;    /**< into tk_census.names */
  int64_t kind;
  struct tk_tally tally;
  int64_t duration_min, duration_max;
  struct tk_wide_sum duration_sum;
};

struct tk_service {
  struct tk_text name; /**< data NULL: spans of resources without service.name */
  struct tk_tally tally;
  uint32_t trace_count, operation_count;
};

enum tk_census_part {
  TK_CENSUS_RESOURCES = 1,  /**< resource_tallies */
  TK_CENSUS_SCOPES = 2,     /**< scope_tallies */
  TK_CENSUS_OPERATIONS = 4, /**< operations, and of services everything but trace_count */
  TK_CENSUS_TRACES = 8      /**< services' trace_count; needs TK_CENSUS_OPERATIONS */
};

struct tk_census {
  struct tk_arena arena;
  struct tk_tally *resource_tallies; /**< in the order of tk_reader_resources */
  struct tk_tally *scope_tallies;    /**< in the order of tk_reader_scopes */
  struct tk_service *services;       /**< those that have spans are not necessarily all */
  uint32_t service_count;
  struct tk_operation *operations;
  uint32_t operation_count;
  struct tk_interner names;
};

/** `parts`: bits of enum tk_census_part. On failure *census is zeroed. */
enum tk_status tk_census_take(struct tk_census *census, struct tk_reader *reader, unsigned parts,
                              struct tk_error *error);
void tk_census_reset(struct tk_census *census);

#endif
