/* SPDX-License-Identifier: MIT
 * [kvonce.*] of `spans`: facts about the run that a span's trace belongs to, looked up for all
 * traces of a segment when such a column is first bound. */
#include <string.h>

#include "sqlext/spans/spans_values.h"
#include "sqlext/vtab_support.h"

/* The links may be read anew while the segment is in use, so it keeps what it needs of them. */
static bool keep_value(struct tk_arena *arena, struct tk_sql_value *value) {
  if (value->type != TK_SQL_TEXT) return true;
  char *copy = tk_arena_alloc_bytes(arena, (size_t)value->as.text.size + 1);
  if (!copy) return false;
  memcpy(copy, value->as.text.data, value->as.text.size);
  value->as.text.data = copy;
  return true;
}

enum tk_status tk_spans_bind_run(struct spans_segment *segment, struct spans_binding *binding,
                                 struct tk_error *error) {
  const struct tk_segment *stored = segment->segment;
  const uint32_t trace_count = stored->summary.trace_count;
  const struct tk_run_links *links = NULL;
  const struct tk_column *ids = NULL;
  struct tk_sql_value *found = NULL;

  enum tk_status status = tk_shared_reader_run_links(segment->reader, &links, error);
  if (status != TK_OK || links->count == 0) return status;
  status = tk_reader_values(segment->reader, stored, stored->fixed[TK_COL_TRACE_ID], 0, trace_count,
                            &ids, error);
  for (uint32_t trace = 0; trace < trace_count && status == TK_OK; trace++) {
    const struct tk_run_facts *facts = tk_run_links_find(links, ids->fixed + (size_t)trace * 16);
    if (!facts) continue;
    if (!found) {
      found = tk_arena_alloc(&segment->arena, trace_count * sizeof *found);
      if (!found) return tk_nomem(error);
      for (uint32_t i = 0; i < trace_count; i++) found[i].type = TK_SQL_NULL;
    }
    found[trace] = facts->values[binding->column->argument];
    if (!keep_value(&segment->arena, &found[trace])) return tk_nomem(error);
  }
  binding->by_code = found;
  return status;
}
