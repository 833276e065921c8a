/* SPDX-License-Identifier: MIT
 * What is worth decoding ahead is seen from the segment before: columns of the statement that were
 * decoded there to the last granule. A filter that few rows pass leaves the others untouched, and
 * so they are here. Nothing is done for segments that are decoded already, and no thread is made
 * for these. */
#include "sqlext/spans/spans_ahead.h"

#include "sqlext/spans/spans_cursor.h"

enum { AHEAD = 4 }; /* segments */

struct item_list {
  struct tk_prefetch_item items[TK_PREFETCH_ITEMS_MAX];
  uint32_t count;
};

static void add_item(struct item_list *list, enum tk_prefetch_what what, uint32_t index) {
  if (list->count == TK_PREFETCH_ITEMS_MAX) return;
  list->items[list->count++] = (struct tk_prefetch_item){what, index};
}

static void add_fixed(struct item_list *list, const struct tk_segment *segment,
                      enum tk_column_number number) {
  if (segment->fixed[number] == TK_NO_COLUMN) return;
  add_item(list, TK_PREFETCH_COLUMN, segment->fixed[number]);
}

static void add_attributes(struct item_list *list, const struct spans_binding *binding) {
  for (uint32_t i = 0; i < binding->attribute_count; i++) {
    for (uint32_t j = 0; j < binding->attributes[i].part_count; j++) {
      const struct spans_part *part = &binding->attributes[i].parts[j];
      add_item(list, TK_PREFETCH_VALUE_INDEX, part->index);
      if (part->type != TK_VALUE_EMPTY) add_item(list, TK_PREFETCH_COLUMN, part->index);
    }
  }
}

/* What spans_values.c prepares for a column; nothing for those that are not worth it. */
static void list_items(struct item_list *list, const struct tk_segment *segment,
                       const struct spans_binding *binding) {
  const enum spans_source source = binding->column->source;

  if (tk_spans_is_resource_source(source)) add_fixed(list, segment, TK_COL_RESOURCE);
  if (tk_spans_is_scope_source(source)) add_fixed(list, segment, TK_COL_SCOPE);
  switch ((int)source) {
    case SOURCE_ROW_TEXT:
    case SOURCE_ROW_INT:
    case SOURCE_KIND:
    case SOURCE_STATUS:
      add_fixed(list, segment, (enum tk_column_number)binding->column->argument);
      break;
    case SOURCE_END:
      add_fixed(list, segment, TK_COL_DURATION);
      add_item(list, TK_PREFETCH_STARTS, 0);
      break;
    case SOURCE_START:
    case SOURCE_STARTED_AT:
    case SOURCE_BUCKET:
      add_item(list, TK_PREFETCH_STARTS, 0);
      break;
    case SOURCE_TRACE_ID:
      add_item(list, TK_PREFETCH_TRACES, 0);
      break;
    case SOURCE_PARENT_ID:
      add_item(list, TK_PREFETCH_PARENTS, 0);
      break;
    case SOURCE_RESOLVED:
    case SOURCE_SPAN_ATTRIBUTE:
      add_attributes(list, binding);
      break;
    default:
      break;
  }
}

static bool are_ready(const struct tk_segment *segment, const struct item_list *list) {
  for (uint32_t i = 0; i < list->count; i++) {
    if (!tk_prefetch_is_ready(segment, list->items[i])) return false;
  }
  return list->count > 0;
}

/* The items of `next` that are missing there and were all needed in `done`. */
static void list_missing(struct item_list *missing, const struct spans_segment *done,
                         struct spans_segment *next) {
  for (uint32_t column = 0; column < done->columns->count; column++) {
    struct item_list before = {.count = 0}, wanted = {.count = 0};
    struct spans_binding *binding;
    if (!done->bindings[column]) continue;
    list_items(&before, done->segment, done->bindings[column]);
    if (!are_ready(done->segment, &before)) continue;
    if (tk_spans_bind(next, column, &binding, NULL) != TK_OK) return;
    list_items(&wanted, next->segment, binding);
    for (uint32_t i = 0; i < wanted.count; i++) {
      if (!tk_prefetch_is_ready(next->segment, wanted.items[i])) {
        add_item(missing, wanted.items[i].what, wanted.items[i].index);
      }
    }
  }
}

/* Whether most granules will be looked at. */
static bool is_wide(const struct spans_opened *opened) {
  const uint32_t count = opened->segment->segment->rows.count;
  uint32_t possible = 0;
  for (uint32_t granule = 0; granule < count; granule++) {
    possible += tk_spans_tests_may_match(&opened->tests, granule);
  }
  return possible > count - count / 4;
}

static void read_ahead(struct spans_cursor *cursor, const struct spans_range *job,
                       const struct spans_opened *done) {
  struct spans_table *table = (struct spans_table *)cursor->base.pVtab;
  struct spans_ahead *ahead = &cursor->ahead;
  struct item_list missing = {.count = 0};
  struct spans_opened *opened;

  if (job->first > 0 || job->count != UINT32_MAX) return;
  if (tk_spans_cursor_open(cursor, job, &opened, NULL) != TK_OK || !opened->possible) return;
  if (opened->segment->segment->summary.span_count < ahead->least_spans) return;
  list_missing(&missing, done->segment, opened->segment);
  if (missing.count == 0 || !is_wide(opened)) return;
  if (!ahead->prefetch) ahead->prefetch = tk_prefetch_create();
  ahead->is_off = ahead->prefetch == NULL;
  if (ahead->is_off) return;
  tk_prefetch_start(ahead->prefetch, table->reader, opened->segment->segment, missing.items,
                    missing.count);
}

void tk_spans_ahead_run(struct spans_cursor *cursor, uint32_t job,
                        const struct spans_opened *done) {
  struct spans_ahead *ahead = &cursor->ahead;

  if (ahead->least_spans == 0) ahead->least_spans = tk_prefetch_least_spans();
  if (ahead->is_off || !done || ahead->least_spans == UINT32_MAX) return;
  if (ahead->next_job <= job) ahead->next_job = job + 1;
  while (!ahead->is_off && ahead->next_job < cursor->job_count && ahead->next_job <= job + AHEAD &&
         (!ahead->prefetch || tk_prefetch_has_room(ahead->prefetch))) {
    read_ahead(cursor, &cursor->jobs[ahead->next_job++], done);
  }
}

void tk_spans_ahead_end(struct spans_ahead *ahead) {
  tk_prefetch_free(ahead->prefetch);
  *ahead = (struct spans_ahead){0};
}

void tk_spans_ahead_await(const struct spans_ahead *ahead, const struct spans_opened *opened) {
  if (ahead->prefetch) tk_prefetch_await(ahead->prefetch, opened->segment->segment);
}
