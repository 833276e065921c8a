/* SPDX-License-Identifier: MIT
 * Groups are found by the addresses of resource and scope, which spans of one trace share, and only
 * then by what these say. */
#include "cli/output/span_groups.h"

#include <sqlite3.h>
#include <string.h>

#include "tracekeep/hash.h"

static bool equals(const struct tk_text_buffer *buffer, const char *text, size_t size) {
  return buffer->size == size && (size == 0 || memcmp(buffer->data, text, size) == 0);
}

static struct tk_span_group *append_group(struct tk_span_groups *groups) {
  if (groups->group_count == groups->group_capacity) {
    uint32_t capacity = groups->group_capacity ? groups->group_capacity * 2 : 16;
    struct tk_span_group *grown =
        sqlite3_realloc64(groups->groups, capacity * sizeof *groups->groups);
    if (!grown) {
      groups->failed = true;
      return NULL;
    }
    groups->groups = grown;
    groups->group_capacity = capacity;
  }
  struct tk_span_group *group = &groups->groups[groups->group_count++];
  *group = (struct tk_span_group){0};
  return group;
}

/* The group with equal content, made when there is none. Of a resource that writes nothing the
 * heads are empty, and so may be the memory they are in. */
static struct tk_span_group *find_group_by_content(struct tk_span_groups *groups,
                                                   const struct tk_span_syntax *syntax,
                                                   const struct tk_span *span) {
  struct tk_text_buffer *scratch = &groups->scratch;
  tk_text_buffer_clear(scratch);
  syntax->add_resource(scratch, span->resource);
  size_t split = scratch->size;
  syntax->add_scope(scratch, span->scope);
  if (scratch->failed) {
    groups->failed = true;
    return NULL;
  }
  const char *heads = scratch->size > 0 ? scratch->data : "";
  uint64_t hash = tk_hash64(heads, scratch->size);
  const char *scope_head = heads + split;
  size_t scope_size = scratch->size - split;
  for (uint32_t i = 0; i < groups->group_count; i++) {
    struct tk_span_group *group = &groups->groups[i];
    if (group->hash == hash && equals(&group->resource_head, heads, split) &&
        equals(&group->scope_head, scope_head, scope_size)) {
      return group;
    }
  }
  struct tk_span_group *group = append_group(groups);
  if (!group) return NULL;
  group->hash = hash;
  tk_text_buffer_append(&group->resource_head, heads, split);
  tk_text_buffer_append(&group->scope_head, scope_head, scope_size);
  if (group->resource_head.failed || group->scope_head.failed) groups->failed = true;
  return group;
}

static struct tk_span_group *find_group(struct tk_span_groups *groups,
                                        const struct tk_span_syntax *syntax,
                                        const struct tk_span *span) {
  for (uint32_t i = 0; i < groups->group_count; i++) {
    struct tk_span_group *group = &groups->groups[i];
    if (group->resource == span->resource && group->scope == span->scope) return group;
  }
  struct tk_span_group *group = find_group_by_content(groups, syntax, span);
  if (group) {
    group->resource = span->resource;
    group->scope = span->scope;
  }
  return group;
}

void tk_span_groups_add(struct tk_span_groups *groups, const struct tk_span_syntax *syntax,
                        const struct tk_span *spans, uint32_t span_count) {
  for (uint32_t i = 0; i < groups->group_count; i++) {
    groups->groups[i].resource = NULL; /* memory of an earlier add: says nothing any more */
    groups->groups[i].scope = NULL;
  }
  for (uint32_t i = 0; i < span_count && !groups->failed; i++) {
    struct tk_span_group *group = find_group(groups, syntax, &spans[i]);
    if (!group) return;
    if (group->spans.size > 0) tk_text_buffer_add(&group->spans, syntax->separator);
    syntax->add_span(&group->spans, &spans[i]);
    if (group->spans.failed) groups->failed = true;
    groups->span_count++;
  }
}

bool tk_span_groups_share_resource(const struct tk_span_group *a, const struct tk_span_group *b) {
  return equals(&a->resource_head, b->resource_head.data, b->resource_head.size);
}

void tk_span_groups_reset(struct tk_span_groups *groups) {
  for (uint32_t i = 0; i < groups->group_count; i++) {
    tk_text_buffer_reset(&groups->groups[i].resource_head);
    tk_text_buffer_reset(&groups->groups[i].scope_head);
    tk_text_buffer_reset(&groups->groups[i].spans);
  }
  sqlite3_free(groups->groups);
  tk_text_buffer_reset(&groups->scratch);
  *groups = (struct tk_span_groups){0};
}
