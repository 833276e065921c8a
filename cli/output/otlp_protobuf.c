/* SPDX-License-Identifier: MIT
 * Writes OTLP protobuf. Fields with default values are left out, except where `presence` says that
 * they were there; unknown fields (residuals) go back verbatim.
 *
 * The length of a message stands before it and is known behind it: one byte is kept free, and the
 * message moved up where that is too little. */
#include "cli/output/otlp_protobuf.h"

#include <string.h>

#include "cli/output/residual.h"

/* ---- wire format ---- */

enum wire_type { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static size_t encode_varint(char bytes[10], uint64_t value) {
  size_t size = 0;
  for (; value >= 0x80; value >>= 7) bytes[size++] = (char)(value | 0x80);
  bytes[size++] = (char)value;
  return size;
}

void tk_otlp_protobuf_add_varint(struct tk_text_buffer *out, uint64_t value) {
  char bytes[10];
  tk_text_buffer_append(out, bytes, encode_varint(bytes, value));
}

static void add_tag(struct tk_text_buffer *out, uint32_t number, enum wire_type type) {
  tk_otlp_protobuf_add_varint(out, number << 3 | (uint32_t)type);
}

static void add_fixed(struct tk_text_buffer *out, uint64_t value, size_t size) {
  char bytes[8];
  for (size_t i = 0; i < size; i++) bytes[i] = (char)(value >> (8 * i));
  tk_text_buffer_append(out, bytes, size);
}

static void add_bytes_field(struct tk_text_buffer *out, uint32_t number, const void *data,
                            size_t size) {
  add_tag(out, number, BYTES);
  tk_otlp_protobuf_add_varint(out, size);
  tk_text_buffer_append(out, data, size);
}

static void add_text_field(struct tk_text_buffer *out, uint32_t number, struct tk_text text) {
  if (text.size > 0) add_bytes_field(out, number, text.data, text.size);
}

/* Enums are int32, and negative ones ten bytes long. */
static void add_varint_field(struct tk_text_buffer *out, uint32_t number, int64_t value) {
  if (value == 0) return;
  add_tag(out, number, VARINT);
  tk_otlp_protobuf_add_varint(out, (uint64_t)value);
}

static void add_fixed64_field(struct tk_text_buffer *out, uint32_t number, uint64_t value) {
  if (value == 0) return;
  add_tag(out, number, FIXED64);
  add_fixed(out, value, 8);
}

static void add_fixed32_field(struct tk_text_buffer *out, uint32_t number, uint32_t value) {
  if (value == 0) return;
  add_tag(out, number, FIXED32);
  add_fixed(out, value, 4);
}

/* Where the message begins, for close_message. */
static size_t open_message(struct tk_text_buffer *out, uint32_t number) {
  add_tag(out, number, BYTES);
  tk_text_buffer_add_char(out, 0);
  return out->size;
}

static void close_message(struct tk_text_buffer *out, size_t begin) {
  char length[10];
  if (out->failed) return;
  const size_t size = out->size - begin;
  const size_t length_size = encode_varint(length, size);
  tk_text_buffer_append(out, length, length_size - 1); /* room, whatever is in it */
  if (out->failed) return;
  memmove(out->data + begin + length_size - 1, out->data + begin, size);
  memcpy(out->data + begin - 1, length, length_size);
}

/* ---- values ---- */

static void add_value(struct tk_text_buffer *out, uint32_t number, const struct tk_value *value,
                      struct tk_patches *patches);

static void add_key_value(struct tk_text_buffer *out, uint32_t number,
                          const struct tk_attribute *attribute, struct tk_patches *patches) {
  const size_t begin = open_message(out, number);
  add_text_field(out, 1, attribute->key);
  const uint32_t back = tk_patches_enter(patches, "/value");
  add_value(out, 2, &attribute->value, patches);
  tk_patches_leave(patches, back);
  tk_patches_add_protobuf(out, patches);
  close_message(out, begin);
}

static void add_list(struct tk_text_buffer *out, const struct tk_value *value,
                     struct tk_patches *patches) {
  const bool array = value->type == TK_VALUE_ARRAY;
  const size_t begin = open_message(out, array ? 5 : 6);
  const uint32_t outer = tk_patches_enter(patches, array ? "/arrayValue" : "/kvlistValue");
  for (uint32_t i = 0; i < value->size; i++) {
    const uint32_t back = tk_patches_enter_item(patches, "/values", i);
    if (array) {
      add_value(out, 1, &value->as.items[i], patches);
    } else {
      add_key_value(out, 1, &value->as.members[i], patches);
    }
    tk_patches_leave(patches, back);
  }
  tk_patches_add_protobuf(out, patches);
  tk_patches_leave(patches, outer);
  close_message(out, begin);
}

/* Recursion is as deep as values nest, which readers and the store both limit. A member of a oneof
 * is written whatever its value. */
static void add_value(struct tk_text_buffer *out, uint32_t number, const struct tk_value *value,
                      struct tk_patches *patches) {
  const size_t begin = open_message(out, number);
  uint64_t bits;
  switch ((enum tk_value_type)value->type) {
    case TK_VALUE_EMPTY:
      break;
    case TK_VALUE_STRING:
      add_bytes_field(out, 1, value->as.text, value->size);
      break;
    case TK_VALUE_BOOL:
      add_tag(out, 2, VARINT);
      tk_otlp_protobuf_add_varint(out, value->as.integer != 0);
      break;
    case TK_VALUE_INT:
      add_tag(out, 3, VARINT);
      tk_otlp_protobuf_add_varint(out, (uint64_t)value->as.integer);
      break;
    case TK_VALUE_DOUBLE:
      memcpy(&bits, &value->as.real, sizeof bits);
      add_tag(out, 4, FIXED64);
      add_fixed(out, bits, 8);
      break;
    case TK_VALUE_ARRAY:
    case TK_VALUE_KVLIST:
      add_list(out, value, patches);
      break;
    case TK_VALUE_BYTES:
      add_bytes_field(out, 7, value->as.text, value->size);
      break;
  }
  tk_patches_add_protobuf(out, patches);
  close_message(out, begin);
}

/* The numbers of the two fields differ from message to message, whose residual is `residual`. */
static void add_attributes(struct tk_text_buffer *out, const struct tk_attributes *attributes,
                           uint32_t number, uint32_t dropped_number,
                           const struct tk_residual *residual) {
  struct tk_patches memory;
  struct tk_patches *patches = tk_patches_of(&memory, residual);
  for (uint32_t i = 0; i < attributes->count; i++) {
    tk_patches_enter_item(patches, "attributes", i);
    add_key_value(out, number, &attributes->items[i], patches);
    tk_patches_leave(patches, 0);
  }
  add_varint_field(out, dropped_number, attributes->dropped_count);
}

/* ---- spans ---- */

static void add_event(struct tk_text_buffer *out, const struct tk_event *event) {
  const size_t begin = open_message(out, 11);
  add_fixed64_field(out, 1, event->time_unix_ns);
  add_text_field(out, 2, event->name);
  add_attributes(out, &event->attributes, 3, 4, &event->residual);
  tk_residual_add_protobuf(out, &event->residual, TK_OWNER_EVENT, TK_IDS_AS_THEY_CAME);
  close_message(out, begin);
}

static void add_id_unless_zero(struct tk_text_buffer *out, uint32_t number, const uint8_t *id,
                               size_t size) {
  uint8_t any = 0;
  for (size_t i = 0; i < size; i++) any |= id[i];
  if (any) add_bytes_field(out, number, id, size);
}

/* Whether the id came as a field of the wrong length, which will be written with what else was kept
 * of the message. */
static bool is_odd(const struct tk_residual *residual, const char *member, uint32_t field,
                   enum tk_id_choice ids) {
  return ids == TK_IDS_AS_THEY_CAME && residual->format == TK_RESIDUAL_PROTOBUF &&
         tk_residual_has_id(residual, member, field);
}

static void add_link(struct tk_text_buffer *out, const struct tk_link *link,
                     enum tk_id_choice ids) {
  const size_t begin = open_message(out, 13);
  const struct tk_residual *residual = &link->residual;
  if (!is_odd(residual, "traceId", 1, ids)) {
    add_id_unless_zero(out, 1, link->trace_id, sizeof link->trace_id);
  }
  if (!is_odd(residual, "spanId", 2, ids)) {
    add_id_unless_zero(out, 2, link->span_id, sizeof link->span_id);
  }
  add_text_field(out, 3, link->trace_state);
  add_attributes(out, &link->attributes, 4, 5, residual);
  add_fixed32_field(out, 6, link->flags);
  tk_residual_add_protobuf(out, residual, TK_OWNER_LINK, ids);
  close_message(out, begin);
}

/* An id that is text in JSON is written as the bytes that stand for it here. */
static void add_ids(struct tk_text_buffer *out, const struct tk_span *span, enum tk_id_choice ids) {
  const struct tk_residual *residual = &span->residual;
  const bool valid = ids == TK_IDS_VALID;
  if (valid || !(span->presence & TK_SPAN_SYNTHETIC_TRACE_ID)) {
    add_bytes_field(out, 1, span->trace_id, sizeof span->trace_id);
  }
  const bool is_text =
      residual->format == TK_RESIDUAL_JSON && tk_residual_has_id(residual, "spanId", 2);
  if (valid || is_text || !(span->presence & TK_SPAN_SYNTHETIC_SPAN_ID)) {
    add_bytes_field(out, 2, span->span_id, sizeof span->span_id);
  }
  add_text_field(out, 3, span->trace_state);
  if ((span->presence & (TK_SPAN_HAS_PARENT | TK_SPAN_ZERO_PARENT)) &&
      !is_odd(residual, "parentSpanId", 4, ids)) {
    add_bytes_field(out, 4, span->parent_span_id, sizeof span->parent_span_id);
  }
}

static void add_status(struct tk_text_buffer *out, const struct tk_span *span) {
  if (!(span->presence & TK_SPAN_HAS_STATUS)) return;
  const size_t begin = open_message(out, 15);
  add_text_field(out, 2, span->status_message);
  add_varint_field(out, 3, span->status_code);
  close_message(out, begin);
}

static void write_span(struct tk_text_buffer *out, const struct tk_span *span,
                       enum tk_id_choice ids) {
  const size_t begin = open_message(out, 2);
  add_ids(out, span, ids);
  add_text_field(out, 5, span->name);
  add_varint_field(out, 6, span->kind);
  add_fixed64_field(out, 7, span->start_unix_ns);
  add_fixed64_field(out, 8, span->end_unix_ns);
  add_attributes(out, &span->attributes, 9, 10, &span->residual);
  for (uint32_t i = 0; i < span->event_count; i++) add_event(out, &span->events[i]);
  add_varint_field(out, 12, span->dropped_events_count);
  for (uint32_t i = 0; i < span->link_count; i++) add_link(out, &span->links[i], ids);
  add_varint_field(out, 14, span->dropped_links_count);
  add_status(out, span);
  add_fixed32_field(out, 16, span->flags);
  tk_residual_add_protobuf(out, &span->residual, TK_OWNER_SPAN, ids);
  close_message(out, begin);
}

static void add_span(struct tk_text_buffer *out, const struct tk_span *span) {
  write_span(out, span, TK_IDS_AS_THEY_CAME);
}

static void add_valid_span(struct tk_text_buffer *out, const struct tk_span *span) {
  write_span(out, span, TK_IDS_VALID);
}

/* ---- resources, scopes, messages ---- */

static void add_resource_head(struct tk_text_buffer *out, const struct tk_resource *resource) {
  if (!resource->absent) {
    const size_t begin = open_message(out, 1);
    add_attributes(out, &resource->attributes, 1, 2, &resource->residual);
    tk_residual_add_protobuf(out, &resource->residual, TK_OWNER_RESOURCE, TK_IDS_AS_THEY_CAME);
    close_message(out, begin);
  }
  add_text_field(out, 3, resource->schema_url);
  tk_residual_add_protobuf(out, &resource->outer_residual, TK_OWNER_OTHER, TK_IDS_AS_THEY_CAME);
}

static void add_scope_head(struct tk_text_buffer *out, const struct tk_scope *scope) {
  if (!scope->absent) {
    const size_t begin = open_message(out, 1);
    add_text_field(out, 1, scope->name);
    add_text_field(out, 2, scope->version);
    add_attributes(out, &scope->attributes, 3, 4, &scope->residual);
    tk_residual_add_protobuf(out, &scope->residual, TK_OWNER_OTHER, TK_IDS_AS_THEY_CAME);
    close_message(out, begin);
  }
  add_text_field(out, 3, scope->schema_url);
  tk_residual_add_protobuf(out, &scope->outer_residual, TK_OWNER_OTHER, TK_IDS_AS_THEY_CAME);
}

static const struct tk_span_syntax protobuf_syntax = {.add_resource = add_resource_head,
                                                      .add_scope = add_scope_head,
                                                      .add_span = add_span,
                                                      .separator = ""};
static const struct tk_span_syntax valid_syntax = {.add_resource = add_resource_head,
                                                   .add_scope = add_scope_head,
                                                   .add_span = add_valid_span,
                                                   .separator = ""};

void tk_otlp_protobuf_add(struct tk_span_groups *message, const struct tk_span *spans,
                          uint32_t span_count) {
  tk_span_groups_add(message, &protobuf_syntax, spans, span_count);
}

void tk_otlp_protobuf_add_valid(struct tk_span_groups *message, const struct tk_span *spans,
                                uint32_t span_count) {
  tk_span_groups_add(message, &valid_syntax, spans, span_count);
}

/* All scopes of the resource of group `first`, which is the first one with that resource. */
static void write_resource_spans(struct tk_span_groups *message, uint32_t first,
                                 struct tk_text_buffer *out) {
  const size_t begin = open_message(out, 1);
  const struct tk_text_buffer *head = &message->groups[first].resource_head;
  tk_text_buffer_append(out, head->data, head->size);
  for (uint32_t i = first; i < message->group_count; i++) {
    struct tk_span_group *group = &message->groups[i];
    if (group->is_written || !tk_span_groups_share_resource(group, &message->groups[first])) {
      continue;
    }
    const size_t scope_begin = open_message(out, 2);
    tk_text_buffer_append(out, group->scope_head.data, group->scope_head.size);
    tk_text_buffer_append(out, group->spans.data, group->spans.size);
    close_message(out, scope_begin);
    group->is_written = true;
  }
  close_message(out, begin);
}

void tk_otlp_protobuf_finish(struct tk_span_groups *message, struct tk_text_buffer *out) {
  for (uint32_t i = 0; i < message->group_count; i++) {
    if (!message->groups[i].is_written) write_resource_spans(message, i, out);
  }
  if (message->failed) out->failed = true;
  tk_span_groups_reset(message);
}

/* ---- what is lost ---- */

bool tk_otlp_protobuf_loses_members(const struct tk_span *span) {
  const struct tk_resource *resource = span->resource;
  bool loses = tk_residual_needs_json(&span->residual, TK_OWNER_SPAN) ||
               tk_residual_needs_json(&resource->residual, TK_OWNER_RESOURCE) ||
               tk_residual_needs_json(&resource->outer_residual, TK_OWNER_OTHER) ||
               tk_residual_needs_json(&span->scope->residual, TK_OWNER_OTHER) ||
               tk_residual_needs_json(&span->scope->outer_residual, TK_OWNER_OTHER);
  for (uint32_t i = 0; i < span->event_count && !loses; i++) {
    loses = tk_residual_needs_json(&span->events[i].residual, TK_OWNER_EVENT);
  }
  for (uint32_t i = 0; i < span->link_count && !loses; i++) {
    loses = tk_residual_needs_json(&span->links[i].residual, TK_OWNER_LINK);
  }
  return loses;
}
