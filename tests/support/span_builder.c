/* SPDX-License-Identifier: MIT
 * Attribute lists grow by copying into the arena: wasteful, and simple. */
#include "tests/support/span_builder.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tracekeep/hash.h"

static void *allocate(struct tk_batch *batch, size_t size) {
  void *memory = tk_arena_alloc(&batch->arena, size);
  if (!memory) abort();
  memset(memory, 0, size);
  return memory;
}

uint64_t next_random(uint64_t *state) {
  *state += 0x9E3779B97F4A7C15u;
  uint64_t value = *state;
  value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9u;
  value = (value ^ value >> 27) * 0x94D049BB133111EBu;
  return value ^ value >> 31;
}

void write_id(uint8_t *bytes, size_t size, uint64_t number) {
  for (size_t i = 0; i < size; i++) {
    const size_t shift = 8 * (size - 1 - i);
    bytes[i] = (uint8_t)(shift < 64 ? number >> shift : 0);
  }
}

struct tk_batch *build_batch(uint32_t capacity, uint32_t issue_capacity) {
  struct tk_batch *batch = tk_batch_create();
  if (!batch) abort();
  batch->spans = allocate(batch, capacity * sizeof *batch->spans);
  batch->issues = allocate(batch, issue_capacity * sizeof *batch->issues);
  return batch;
}

struct tk_span *build_span(struct tk_batch *batch, uint64_t trace, uint64_t id, uint64_t parent,
                           uint64_t start) {
  static const struct tk_resource no_resource = {.absent = 1};
  static const struct tk_scope no_scope = {.absent = 1};
  struct tk_span *span = &batch->spans[batch->span_count++];
  *span = (struct tk_span){.start_unix_ns = start,
                           .end_unix_ns = start + 10,
                           .presence = parent ? TK_SPAN_HAS_PARENT : 0,
                           .resource = &no_resource,
                           .scope = &no_scope};
  write_id(span->trace_id, sizeof span->trace_id, trace);
  write_id(span->span_id, sizeof span->span_id, id);
  write_id(span->parent_span_id, sizeof span->parent_span_id, parent);
  return span;
}

struct tk_span *build_copy(struct tk_batch *batch, const struct tk_span *from) {
  struct tk_span *span = &batch->spans[batch->span_count++];
  *span = *from;
  return span;
}

struct tk_issue *build_issue(struct tk_batch *batch, const char *rule, uint64_t line) {
  struct tk_issue *issue = &batch->issues[batch->issue_count++];
  *issue =
      (struct tk_issue){.rule = rule,
                        .severity = TK_SEVERITY_WARN,
                        .line = line,
                        .offset = line * 100,
                        .message = build_text(batch, "expected sense, found line %d", (int)line),
                        .raw = build_text(batch, "{%d}", (int)line)};
  return issue;
}

struct tk_text build_text(struct tk_batch *batch, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int size = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  char *text = allocate(batch, (size_t)size + 1);
  va_start(arguments, format);
  vsnprintf(text, (size_t)size + 1, format, arguments);
  va_end(arguments);
  return (struct tk_text){text, (uint32_t)size};
}

struct tk_text build_long_text(struct tk_batch *batch, uint32_t size, uint64_t seed) {
  char *text = allocate(batch, size + 1);
  for (uint32_t i = 0; i < size; i++) text[i] = (char)('!' + next_random(&seed) % 90);
  return (struct tk_text){text, size};
}

struct tk_value value_text(struct tk_text text) {
  return (struct tk_value){.type = TK_VALUE_STRING, .size = text.size, .as.text = text.data};
}

struct tk_value value_bytes(struct tk_text bytes) {
  return (struct tk_value){.type = TK_VALUE_BYTES, .size = bytes.size, .as.text = bytes.data};
}

struct tk_value value_int(int64_t integer) {
  return (struct tk_value){.type = TK_VALUE_INT, .as.integer = integer};
}

struct tk_value value_bool(int truth) {
  return (struct tk_value){.type = TK_VALUE_BOOL, .as.integer = truth};
}

struct tk_value value_double(double real) {
  return (struct tk_value){.type = TK_VALUE_DOUBLE, .as.real = real};
}

struct tk_value value_empty(void) {
  return (struct tk_value){.type = TK_VALUE_EMPTY};
}

struct tk_value value_array(struct tk_batch *batch, const struct tk_value *items, uint32_t count) {
  struct tk_value *copies = allocate(batch, count * sizeof *copies);
  if (count > 0) memcpy(copies, items, count * sizeof *copies);
  return (struct tk_value){.type = TK_VALUE_ARRAY, .size = count, .as.items = copies};
}

struct tk_value value_kvlist(struct tk_batch *batch, const struct tk_attribute *members,
                             uint32_t count) {
  struct tk_attribute *copies = allocate(batch, count * sizeof *copies);
  if (count > 0) memcpy(copies, members, count * sizeof *copies);
  return (struct tk_value){.type = TK_VALUE_KVLIST, .size = count, .as.members = copies};
}

void build_attribute(struct tk_batch *batch, struct tk_attributes *attributes, const char *key,
                     struct tk_value value) {
  const uint32_t count = attributes->count;
  struct tk_attribute *items;
  if ((count & (count - 1)) == 0) { /* full: 0, 1, 2, 4, ... have room for twice as many */
    items = allocate(batch, (count ? count * 2 : 1) * sizeof *items);
    if (count > 0) memcpy(items, attributes->items, count * sizeof *items);
    attributes->items = items;
  } else {
    memcpy(&items, &attributes->items, sizeof items);
  }
  items[count] = (struct tk_attribute){build_text(batch, "%s", key), value};
  attributes->count++;
}

struct tk_resource *build_resource(struct tk_batch *batch, const char *service) {
  struct tk_resource *resource = allocate(batch, sizeof *resource);
  build_attribute(batch, &resource->attributes, "service.name",
                  value_text(build_text(batch, "%s", service)));
  return resource;
}

struct tk_scope *build_scope(struct tk_batch *batch, const char *name) {
  struct tk_scope *scope = allocate(batch, sizeof *scope);
  scope->name = build_text(batch, "%s", name);
  return scope;
}

struct tk_event *build_events(struct tk_batch *batch, struct tk_span *span, uint32_t count) {
  struct tk_event *events = allocate(batch, count * sizeof *events);
  span->events = events;
  span->event_count = count;
  return events;
}

struct tk_link *build_links(struct tk_batch *batch, struct tk_span *span, uint32_t count) {
  struct tk_link *links = allocate(batch, count * sizeof *links);
  span->links = links;
  span->link_count = count;
  return links;
}
