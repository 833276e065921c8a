/* Faults that all spans of a service tend to share: one finding for each service and fault, with
 * how many spans have it and an example. */
#ifndef TK_SQLEXT_QUALITY_GROUPS_H
#define TK_SQLEXT_QUALITY_GROUPS_H

#include "sqlext/quality/quality.h"
#include "sqlext/quality/semconv.h"

/** What makes a group. Texts are copied when it is new. */
struct group_key {
  enum quality_rule rule;
  const struct quality_resource *resource; /**< by its service */
  uint8_t scope;                           /**< enum tk_attribute_scope of the attribute */
  struct tk_text key, detail;              /**< attribute; its type, value, or the convention */
};

struct group {
  struct group_key id;
  uint64_t count; /**< spans (events, links) */
  const struct semconv_attribute *semconv;
  struct tk_text example_trace; /**< as it is shown; data NULL: no example */
  uint8_t example_span[8];
  struct group *next; /* in the order they came */
  uint64_t hash;
};

/** Zero-initialise. */
struct groups {
  struct tk_arena arena;
  struct group **slots;
  uint32_t slot_count, count;
  struct group *first, *last;
};

void tk_groups_reset(struct groups *groups);

/** Adds `count` spans to a group, which is made if there is none; `row` of `segment` is its example
 * then (NO_PLACE: none). Does nothing for services that are not wanted. */
enum tk_status tk_groups_add(struct quality *quality, struct groups *groups,
                             const struct group_key *key, uint64_t count,
                             const struct semconv_attribute *semconv,
                             const struct tk_segment *segment, uint32_t row,
                             struct tk_error *error);

/** Adds what attribute `key` with values of `value_type` is guilty of, its value aside. */
enum tk_status tk_groups_add_attribute(struct quality *quality, struct groups *groups,
                                       const struct quality_resource *resource, uint8_t scope,
                                       struct tk_text key, uint32_t value_type, uint64_t count,
                                       const struct tk_segment *segment, uint32_t row,
                                       struct tk_error *error);

/** One finding for each group. */
void tk_groups_report(struct quality *quality, const struct groups *groups);

#endif
