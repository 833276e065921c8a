/* Spans grouped by resource and scope until they are written, in whatever syntax.
 *
 * Equal resources and scopes are one group whatever memory they are in; groups stand in the order
 * in which they first occur, spans in the order they were added. */
#ifndef TK_CLI_OUTPUT_SPAN_GROUPS_H
#define TK_CLI_OUTPUT_SPAN_GROUPS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/output/text_buffer.h"
#include "tracekeep/span.h"

/** What a format writes for one of each. `add_resource` and `add_scope` write what stands beside
 * the scopes and spans: groups are equal when these bytes are. */
struct tk_span_syntax {
  void (*add_resource)(struct tk_text_buffer *out, const struct tk_resource *resource);
  void (*add_scope)(struct tk_text_buffer *out, const struct tk_scope *scope);
  void (*add_span)(struct tk_text_buffer *out, const struct tk_span *span);
  const char *separator; /**< between spans */
};

/** Spans of one resource and scope. */
struct tk_span_group {
  struct tk_text_buffer resource_head, scope_head, spans;
  uint64_t hash;
  const struct tk_resource *resource; /**< where the heads were last seen: within one add */
  const struct tk_scope *scope;
  bool is_written; /**< for whoever writes the groups */
};

/** The caller's memory; zero-initialise. */
struct tk_span_groups {
  struct tk_span_group *groups;
  uint32_t group_count, group_capacity;
  uint32_t span_count;
  struct tk_text_buffer scratch;
  bool failed; /**< out of memory */
};

/** Renders the spans now: nothing of them is needed afterwards. */
void tk_span_groups_add(struct tk_span_groups *groups, const struct tk_span_syntax *syntax,
                        const struct tk_span *spans, uint32_t span_count);
bool tk_span_groups_share_resource(const struct tk_span_group *a, const struct tk_span_group *b);
/** Frees everything and leaves the groups empty and usable. */
void tk_span_groups_reset(struct tk_span_groups *groups);

#endif
