/* SPDX-License-Identifier: MIT
 * Copying follows every pointer of the model; comparing walks two of them side by side. */
#include "store/segment/span_copy.h"

#include <string.h>

/* ---- copy ---- */

static bool copy_bytes(struct tk_arena *arena, const char **data, uint32_t size) {
  if (size == 0) {
    *data = NULL;
    return true;
  }
  char *copy = tk_arena_alloc_bytes(arena, size);
  if (!copy) return false;
  memcpy(copy, *data, size);
  *data = copy;
  return true;
}

static bool copy_text(struct tk_arena *arena, struct tk_text *text) {
  return copy_bytes(arena, &text->data, text->size);
}

static bool copy_residual(struct tk_arena *arena, struct tk_residual *residual) {
  return copy_bytes(arena, &residual->data, residual->size);
}

static bool copy_members(struct tk_arena *arena, const struct tk_attribute **items, uint32_t count);

static bool copy_value(struct tk_arena *arena, struct tk_value *value) {
  if (value->type == TK_VALUE_STRING || value->type == TK_VALUE_BYTES) {
    return copy_bytes(arena, &value->as.text, value->size);
  }
  if (value->type == TK_VALUE_KVLIST) return copy_members(arena, &value->as.members, value->size);
  if (value->type != TK_VALUE_ARRAY) return true;
  struct tk_value *items = tk_arena_alloc(arena, value->size * sizeof *items);
  if (!items) return false;
  for (uint32_t i = 0; i < value->size; i++) {
    items[i] = value->as.items[i];
    if (!copy_value(arena, &items[i])) return false;
  }
  value->as.items = items;
  return true;
}

static bool copy_members(struct tk_arena *arena, const struct tk_attribute **items,
                         uint32_t count) {
  struct tk_attribute *copies = tk_arena_alloc(arena, count * sizeof *copies);
  if (!copies) return false;
  for (uint32_t i = 0; i < count; i++) {
    copies[i] = (*items)[i];
    if (!copy_text(arena, &copies[i].key) || !copy_value(arena, &copies[i].value)) return false;
  }
  *items = copies;
  return true;
}

static const struct tk_resource *copy_resource(struct tk_span_copier *copier,
                                               const struct tk_resource *from) {
  if (from == copier->last_resource) return copier->last_resource_copy;
  struct tk_resource *to = tk_arena_alloc(copier->arena, sizeof *to);
  if (!to) return NULL;
  *to = *from;
  if (!copy_members(copier->arena, &to->attributes.items, to->attributes.count) ||
      !copy_text(copier->arena, &to->schema_url) || !copy_residual(copier->arena, &to->residual) ||
      !copy_residual(copier->arena, &to->outer_residual)) {
    return NULL;
  }
  copier->last_resource = from;
  copier->last_resource_copy = to;
  return to;
}

static const struct tk_scope *copy_scope(struct tk_span_copier *copier,
                                         const struct tk_scope *from) {
  if (from == copier->last_scope) return copier->last_scope_copy;
  struct tk_scope *to = tk_arena_alloc(copier->arena, sizeof *to);
  if (!to) return NULL;
  *to = *from;
  if (!copy_text(copier->arena, &to->name) || !copy_text(copier->arena, &to->version) ||
      !copy_members(copier->arena, &to->attributes.items, to->attributes.count) ||
      !copy_text(copier->arena, &to->schema_url) || !copy_residual(copier->arena, &to->residual) ||
      !copy_residual(copier->arena, &to->outer_residual)) {
    return NULL;
  }
  copier->last_scope = from;
  copier->last_scope_copy = to;
  return to;
}

static bool copy_events(struct tk_arena *arena, struct tk_span *span) {
  struct tk_event *events = tk_arena_alloc(arena, span->event_count * sizeof *events);
  if (!events) return false;
  for (uint32_t i = 0; i < span->event_count; i++) {
    struct tk_event *event = &events[i];
    *event = span->events[i];
    if (!copy_text(arena, &event->name) || !copy_residual(arena, &event->residual) ||
        !copy_members(arena, &event->attributes.items, event->attributes.count)) {
      return false;
    }
  }
  span->events = events;
  return true;
}

static bool copy_links(struct tk_arena *arena, struct tk_span *span) {
  struct tk_link *links = tk_arena_alloc(arena, span->link_count * sizeof *links);
  if (!links) return false;
  for (uint32_t i = 0; i < span->link_count; i++) {
    struct tk_link *link = &links[i];
    *link = span->links[i];
    if (!copy_text(arena, &link->trace_state) || !copy_residual(arena, &link->residual) ||
        !copy_members(arena, &link->attributes.items, link->attributes.count)) {
      return false;
    }
  }
  span->links = links;
  return true;
}

bool tk_span_copy(struct tk_span_copier *copier, const struct tk_span *from, struct tk_span *to) {
  struct tk_arena *arena = copier->arena;
  *to = *from;
  to->resource = copy_resource(copier, from->resource);
  to->scope = copy_scope(copier, from->scope);
  return to->resource && to->scope && copy_text(arena, &to->name) &&
         copy_text(arena, &to->trace_state) && copy_text(arena, &to->status_message) &&
         copy_text(arena, &to->trace_id_text) && copy_residual(arena, &to->residual) &&
         copy_members(arena, &to->attributes.items, to->attributes.count) &&
         copy_events(arena, to) && copy_links(arena, to);
}

/* ---- compare ---- */

static bool equal_bytes(const char *a, uint32_t a_size, const char *b, uint32_t b_size) {
  return a_size == b_size && (a_size == 0 || memcmp(a, b, a_size) == 0);
}

static bool equal_text(struct tk_text a, struct tk_text b) {
  return equal_bytes(a.data, a.size, b.data, b.size);
}

static bool equal_residual(const struct tk_residual *a, const struct tk_residual *b) {
  return a->format == b->format && equal_bytes(a->data, a->size, b->data, b->size);
}

static bool equal_members(const struct tk_attribute *a, uint32_t a_count,
                          const struct tk_attribute *b, uint32_t b_count);

static bool equal_value(const struct tk_value *a, const struct tk_value *b) {
  if (a->type != b->type) return false;
  switch ((enum tk_value_type)a->type) {
    case TK_VALUE_EMPTY:
      return true;
    case TK_VALUE_STRING:
    case TK_VALUE_BYTES:
      return equal_bytes(a->as.text, a->size, b->as.text, b->size);
    case TK_VALUE_BOOL:
    case TK_VALUE_INT:
      return a->as.integer == b->as.integer;
    case TK_VALUE_DOUBLE:
      return memcmp(&a->as.real, &b->as.real, sizeof a->as.real) == 0;
    case TK_VALUE_ARRAY:
      if (a->size != b->size) return false;
      for (uint32_t i = 0; i < a->size; i++) {
        if (!equal_value(&a->as.items[i], &b->as.items[i])) return false;
      }
      return true;
    case TK_VALUE_KVLIST:
      return equal_members(a->as.members, a->size, b->as.members, b->size);
  }
  return false;
}

static bool equal_members(const struct tk_attribute *a, uint32_t a_count,
                          const struct tk_attribute *b, uint32_t b_count) {
  if (a_count != b_count) return false;
  for (uint32_t i = 0; i < a_count; i++) {
    if (!equal_text(a[i].key, b[i].key) || !equal_value(&a[i].value, &b[i].value)) return false;
  }
  return true;
}

static bool equal_attributes(const struct tk_attributes *a, const struct tk_attributes *b) {
  return a->dropped_count == b->dropped_count &&
         equal_members(a->items, a->count, b->items, b->count);
}

static bool equal_resource(const struct tk_resource *a, const struct tk_resource *b) {
  return a == b ||
         (a->absent == b->absent && equal_attributes(&a->attributes, &b->attributes) &&
          equal_text(a->schema_url, b->schema_url) && equal_residual(&a->residual, &b->residual) &&
          equal_residual(&a->outer_residual, &b->outer_residual));
}

static bool equal_scope(const struct tk_scope *a, const struct tk_scope *b) {
  return a == b ||
         (a->absent == b->absent && equal_text(a->name, b->name) &&
          equal_text(a->version, b->version) && equal_attributes(&a->attributes, &b->attributes) &&
          equal_text(a->schema_url, b->schema_url) && equal_residual(&a->residual, &b->residual) &&
          equal_residual(&a->outer_residual, &b->outer_residual));
}

static bool equal_events(const struct tk_span *a, const struct tk_span *b) {
  if (a->event_count != b->event_count) return false;
  for (uint32_t i = 0; i < a->event_count; i++) {
    const struct tk_event *x = &a->events[i], *y = &b->events[i];
    if (x->time_unix_ns != y->time_unix_ns || !equal_text(x->name, y->name) ||
        !equal_attributes(&x->attributes, &y->attributes) ||
        !equal_residual(&x->residual, &y->residual)) {
      return false;
    }
  }
  return true;
}

static bool equal_links(const struct tk_span *a, const struct tk_span *b) {
  if (a->link_count != b->link_count) return false;
  for (uint32_t i = 0; i < a->link_count; i++) {
    const struct tk_link *x = &a->links[i], *y = &b->links[i];
    if (memcmp(x->trace_id, y->trace_id, 16) != 0 || memcmp(x->span_id, y->span_id, 8) != 0 ||
        x->flags != y->flags || !equal_text(x->trace_state, y->trace_state) ||
        !equal_attributes(&x->attributes, &y->attributes) ||
        !equal_residual(&x->residual, &y->residual)) {
      return false;
    }
  }
  return true;
}

const char *tk_span_difference(const struct tk_span *a, const struct tk_span *b) {
  if (memcmp(a->trace_id, b->trace_id, 16) != 0) return "trace_id";
  if (memcmp(a->span_id, b->span_id, 8) != 0) return "span_id";
  if (memcmp(a->parent_span_id, b->parent_span_id, 8) != 0) return "parent_span_id";
  if (a->start_unix_ns != b->start_unix_ns) return "start_time_unix_nano";
  if (a->end_unix_ns != b->end_unix_ns) return "end_time_unix_nano";
  if (a->kind != b->kind) return "kind";
  if (!equal_text(a->name, b->name)) return "name";
  if (a->status_code != b->status_code) return "status.code";
  if (!equal_text(a->status_message, b->status_message)) return "status.message";
  if (a->presence != b->presence) return "presence of fields";
  if (a->flags != b->flags) return "flags";
  if (!equal_text(a->trace_state, b->trace_state)) return "trace_state";
  if (!equal_attributes(&a->attributes, &b->attributes)) return "attributes";
  if (!equal_events(a, b)) return "events";
  if (!equal_links(a, b)) return "links";
  if (a->dropped_events_count != b->dropped_events_count) return "dropped_events_count";
  if (a->dropped_links_count != b->dropped_links_count) return "dropped_links_count";
  if (!equal_residual(&a->residual, &b->residual)) return "unknown fields";
  if (!equal_resource(a->resource, b->resource)) return "resource";
  if (!equal_scope(a->scope, b->scope)) return "scope";
  return NULL;
}
