/* SPDX-License-Identifier: MIT
 * OTLP protobuf. Each message is a table with a row for every field: its wire type, and how its
 * value gets into the draft of the message. Field order means nothing; a message that occurs twice
 * is merged; a field of another wire type than its row's is an unknown one. Unknown fields are kept
 * verbatim in the residual of their message.
 *
 * Damage stays where it is: a span that cannot be decoded is rejected, and so is what remains of a
 * message whose own fields cannot be told apart, but not its neighbours. */
#include "cli/input/otlp_protobuf.h"

#include <stddef.h>
#include <string.h>

#include "cli/input/otlp_json.h"
#include "cli/input/otlp_protobuf_decoder.h"
#include "cli/input/residual_bytes.h"
#include "cli/input/span_repair.h"

/* Lists grow on the builder's stacks; these are their sizes before a message began. */
struct list_begins {
  uint32_t attributes, values, events, links, residual, inner;
};

enum field_form {
  FORM_UNKNOWN, /* no such field */
  FORM_KEPT,    /* known, and kept in the residual all the same */
  FORM_TEXT,    /* struct tk_text */
  FORM_ID,      /* struct tk_text, a view of the input */
  FORM_32,      /* uint32_t or int32_t */
  FORM_64,      /* uint64_t */
  FORM_MESSAGE  /* `decode` does it */
};

struct field_row {
  uint8_t type; /* enum tk_wire_type */
  uint8_t form; /* enum field_form */
  uint16_t offset;
  bool (*decode)(struct tk_protobuf_decoder *decoder, void *draft,
                 const struct tk_wire_field *field);
};

struct message {
  const char *name;
  const struct field_row *rows; /* by field number; rows[0] is that of all others */
  uint32_t count;
  uint32_t far_number; /* of a field that has no place in rows, and its row; 0: there is none */
  const struct field_row *far_row;
};

/* ---- faults ---- */

static struct list_begins note_lists(const struct tk_batch_builder *builder) {
  return (struct list_begins){builder->attributes.count, builder->values.count,
                              builder->events.count,     builder->links.count,
                              builder->residual.count,   builder->inner.count};
}

static void cut_lists(struct tk_batch_builder *builder, struct list_begins begins) {
  builder->attributes.count = begins.attributes;
  builder->values.count = begins.values;
  builder->events.count = begins.events;
  builder->links.count = begins.links;
  builder->residual.count = begins.residual;
  builder->inner.count = begins.inner;
}

/* The fault becomes an issue about the message `raw`, and is over. */
static void report_fault(struct tk_protobuf_decoder *decoder, const char *message,
                         struct tk_text raw) {
  const struct tk_record_place *place = &decoder->builder->place;
  const uint64_t at = (uint64_t)((const char *)decoder->error_at - place->text);
  decoder->builder->batch->rejected_count++;
  tk_builder_issue(decoder->builder, TK_RULE_PROTOBUF_SYNTAX, raw,
                   "%s, byte %llu of %s: expected %s; skipped what follows in it", message,
                   (unsigned long long)(place->compressed ? at : place->offset + at),
                   place->compressed ? "the message" : "the input", decoder->expected);
  decoder->expected = NULL;
  decoder->value_depth = 0;
  decoder->path.size = 0;
}

/* ---- fields ---- */

static void keep_field(struct tk_protobuf_decoder *decoder, const struct tk_wire *wire,
                       const struct tk_wire_field *field) {
  tk_builder_push_bytes(decoder->builder, (const char *)field->begin,
                        (size_t)(wire->at - field->begin));
}

static void store_number(char *target, uint64_t value, size_t size) {
  const uint32_t low = (uint32_t)value;
  if (size == sizeof low) {
    memcpy(target, &low, sizeof low);
  } else {
    memcpy(target, &value, sizeof value);
  }
}

static bool apply_field(struct tk_protobuf_decoder *decoder, const struct field_row *row,
                        void *draft, const struct tk_wire_field *field) {
  char *target = (char *)draft + row->offset;
  struct tk_text text;
  switch ((enum field_form)row->form) {
    case FORM_TEXT:
    case FORM_ID:
      text = row->form == FORM_ID ? tk_protobuf_raw(field) : tk_protobuf_text(decoder, field);
      memcpy(target, &text, sizeof text);
      return true;
    case FORM_32:
      store_number(target, field->value, sizeof(uint32_t));
      return true;
    case FORM_64:
      store_number(target, field->value, sizeof(uint64_t));
      return true;
    case FORM_MESSAGE:
      return row->decode(decoder, draft, field);
    case FORM_UNKNOWN:
    case FORM_KEPT:
      break;
  }
  return true;
}

static const struct field_row *find_row(const struct message *message, uint32_t number) {
  if (number < message->count) return &message->rows[number];
  return number == message->far_number ? message->far_row : &message->rows[0];
}

/* Decodes all fields into `draft`; unknown ones go to the builder's residual. */
static bool decode_message(struct tk_protobuf_decoder *decoder, const struct message *message,
                           const struct tk_wire_field *whole, void *draft) {
  struct tk_wire wire = tk_wire_of(whole->data, whole->size);
  struct tk_wire_field field;
  while (tk_wire_next(&wire, &field)) {
    const struct field_row *row = find_row(message, field.number);
    if (row->form > FORM_KEPT && row->type == field.type) {
      if (!apply_field(decoder, row, draft, &field)) return false;
      continue;
    }
    keep_field(decoder, &wire, &field);
    if (row->form != FORM_KEPT || row->type != field.type) {
      tk_protobuf_report_unknown(decoder, &wire, &field, message->name, true);
    }
  }
  return tk_protobuf_finish(decoder, &wire);
}

/* ---- lists of a finished message ---- */

static const void *join(struct tk_protobuf_decoder *decoder, const void *first,
                        uint32_t first_count, const void *second, uint32_t second_count,
                        size_t item_size) {
  if (first_count == 0) return second;
  if (second_count == 0) return first;
  char *joined = tk_arena_alloc(&decoder->builder->batch->arena,
                                ((size_t)first_count + second_count) * item_size);
  if (!joined) {
    decoder->builder->out_of_memory = true;
    return first;
  }
  memcpy(joined, first, first_count * item_size);
  memcpy(joined + first_count * item_size, second, second_count * item_size);
  return joined;
}

/* Takes the attributes since `begin`, behind those of an earlier occurrence of the message. */
static void take_attributes(struct tk_protobuf_decoder *decoder, uint32_t begin,
                            struct tk_attributes *attributes) {
  struct tk_stack *stack = &decoder->builder->attributes;
  const uint32_t count = stack->count - begin;
  const void *items = tk_builder_take(decoder->builder, stack, begin, sizeof(struct tk_attribute));
  if (!items) return; /* none, or out of memory */
  attributes->items = join(decoder, attributes->items, attributes->count, items, count,
                           sizeof(struct tk_attribute));
  if (!decoder->builder->out_of_memory) attributes->count += count;
}

/* What has been kept since `begins`, that of attribute values behind everything else. */
static void take_residual(struct tk_protobuf_decoder *decoder, struct list_begins begins,
                          struct tk_residual *residual) {
  struct tk_stack *stack = &decoder->builder->residual;
  tk_builder_take_inner_fields(decoder->builder, begins.inner);
  const uint32_t size = stack->count - begins.residual;
  const void *data = tk_builder_take(decoder->builder, stack, begins.residual, 1);
  if (!data) return;
  residual->data = join(decoder, residual->data, residual->size, data, size, 1);
  if (decoder->builder->out_of_memory) return;
  residual->size += size;
  residual->format = TK_RESIDUAL_PROTOBUF;
}

/* ---- events, links, status ---- */

/* The first member of every draft that has attributes. */
struct attribute_list {
  uint32_t number; /* see tk_builder_key */
  uint32_t count;  /* of attributes so far */
};

struct event_draft {
  struct attribute_list list;
  struct tk_event event;
};

static bool add_attribute(struct tk_protobuf_decoder *decoder, void *draft,
                          const struct tk_wire_field *field) {
  struct attribute_list *list = draft;
  tk_value_path_enter(&decoder->path, TK_PATH_ATTRIBUTE);
  tk_value_path_at(&decoder->path, list->count++);
  const bool decoded = tk_protobuf_attribute(decoder, field, list->number);
  tk_value_path_leave(&decoder->path);
  return decoded;
}

#define AT(draft, member) (uint16_t) offsetof(struct draft, member)

static const struct field_row event_rows[] = {
    [1] = {TK_WIRE_FIXED64, FORM_64, AT(event_draft, event.time_unix_ns), NULL},
    [2] = {TK_WIRE_BYTES, FORM_TEXT, AT(event_draft, event.name), NULL},
    [3] = {TK_WIRE_BYTES, FORM_MESSAGE, 0, add_attribute},
    [4] = {TK_WIRE_VARINT, FORM_32, AT(event_draft, event.attributes.dropped_count), NULL},
};

struct link_draft {
  struct attribute_list list;
  struct tk_text trace_id, span_id;
  struct tk_link link;
};

static const struct field_row link_rows[] = {
    [1] = {TK_WIRE_BYTES, FORM_ID, AT(link_draft, trace_id), NULL},
    [2] = {TK_WIRE_BYTES, FORM_ID, AT(link_draft, span_id), NULL},
    [3] = {TK_WIRE_BYTES, FORM_TEXT, AT(link_draft, link.trace_state), NULL},
    [4] = {TK_WIRE_BYTES, FORM_MESSAGE, 0, add_attribute},
    [5] = {TK_WIRE_VARINT, FORM_32, AT(link_draft, link.attributes.dropped_count), NULL},
    [6] = {TK_WIRE_FIXED32, FORM_32, AT(link_draft, link.flags), NULL},
};

struct span_draft {
  struct attribute_list list;
  uint32_t status_deprecated_code;
  struct tk_text trace_id, span_id, parent_id;
  struct tk_span span;
};

static const struct field_row status_rows[] = {
    [1] = {TK_WIRE_VARINT, FORM_32, AT(span_draft, status_deprecated_code), NULL},
    [2] = {TK_WIRE_BYTES, FORM_TEXT, AT(span_draft, span.status_message), NULL},
    [3] = {TK_WIRE_VARINT, FORM_32, AT(span_draft, span.status_code), NULL},
};

#define MESSAGE(name, rows) \
  { name, rows, sizeof(rows) / sizeof((rows)[0]), 0, NULL }
static const struct message event_message = MESSAGE("Event", event_rows);
static const struct message link_message = MESSAGE("Link", link_rows);
static const struct message status_message = MESSAGE("Status", status_rows);

static bool add_event(struct tk_protobuf_decoder *decoder, void *draft,
                      const struct tk_wire_field *field) {
  struct tk_batch_builder *builder = decoder->builder;
  struct event_draft event = {.list.number = tk_builder_begin_keys(builder), .event.name.data = ""};
  const struct list_begins begins = note_lists(builder);
  (void)draft;
  if (!decode_message(decoder, &event_message, field, &event)) return false;
  take_attributes(decoder, begins.attributes, &event.event.attributes);
  take_residual(decoder, begins, &event.event.residual);
  struct tk_event *item = tk_builder_push(builder, &builder->events, sizeof event.event);
  if (item) *item = event.event;
  return true;
}

static bool add_link(struct tk_protobuf_decoder *decoder, void *draft,
                     const struct tk_wire_field *field) {
  struct tk_batch_builder *builder = decoder->builder;
  struct link_draft link = {.list.number = tk_builder_begin_keys(builder),
                            .link.trace_state.data = "",
                            .trace_id.data = "",
                            .span_id.data = ""};
  const struct list_begins begins = note_lists(builder);
  (void)draft;
  if (!decode_message(decoder, &link_message, field, &link)) return false;
  take_attributes(decoder, begins.attributes, &link.link.attributes);
  take_residual(decoder, begins, &link.link.residual);
  tk_repair_link(builder, &link.link,
                 tk_read_trace_id_bytes(builder, link.trace_id, link.link.trace_id),
                 tk_read_span_id_bytes(builder, link.span_id, link.link.span_id));
  struct tk_link *item = tk_builder_push(builder, &builder->links, sizeof link.link);
  if (item) *item = link.link;
  return true;
}

/* Writes `number` as a varint of five bytes, so that it can be filled in later. */
static void write_long_varint(uint8_t bytes[5], uint32_t number) {
  for (int i = 0; i < 5; i++, number >>= 7)
    bytes[i] = (uint8_t)((number & 127) | (i < 4 ? 128 : 0));
}

/* What a status does not know is kept as one more status of the span: readers merge the two. */
static bool merge_status(struct tk_protobuf_decoder *decoder, void *draft,
                         const struct tk_wire_field *field) {
  struct span_draft *span = draft;
  struct tk_stack *residual = &decoder->builder->residual;
  uint8_t head[6] = {15 << 3 | TK_WIRE_BYTES};
  const uint32_t begin = residual->count;
  span->span.presence |= TK_SPAN_HAS_STATUS;
  tk_builder_push_bytes(decoder->builder, (const char *)head, sizeof head);
  if (!decode_message(decoder, &status_message, field, span)) return false;
  if (decoder->builder->out_of_memory) return true;
  const uint32_t size = residual->count - begin - (uint32_t)sizeof head;
  if (size == 0) {
    residual->count = begin;
  } else {
    write_long_varint(head + 1, size);
    memcpy(residual->data + begin, head, sizeof head);
  }
  return true;
}

/* ---- spans ---- */

static const struct field_row span_rows[] = {
    [1] = {TK_WIRE_BYTES, FORM_ID, AT(span_draft, trace_id), NULL},
    [2] = {TK_WIRE_BYTES, FORM_ID, AT(span_draft, span_id), NULL},
    [3] = {TK_WIRE_BYTES, FORM_TEXT, AT(span_draft, span.trace_state), NULL},
    [4] = {TK_WIRE_BYTES, FORM_ID, AT(span_draft, parent_id), NULL},
    [5] = {TK_WIRE_BYTES, FORM_TEXT, AT(span_draft, span.name), NULL},
    [6] = {TK_WIRE_VARINT, FORM_32, AT(span_draft, span.kind), NULL},
    [7] = {TK_WIRE_FIXED64, FORM_64, AT(span_draft, span.start_unix_ns), NULL},
    [8] = {TK_WIRE_FIXED64, FORM_64, AT(span_draft, span.end_unix_ns), NULL},
    [9] = {TK_WIRE_BYTES, FORM_MESSAGE, 0, add_attribute},
    [10] = {TK_WIRE_VARINT, FORM_32, AT(span_draft, span.attributes.dropped_count), NULL},
    [11] = {TK_WIRE_BYTES, FORM_MESSAGE, 0, add_event},
    [12] = {TK_WIRE_VARINT, FORM_32, AT(span_draft, span.dropped_events_count), NULL},
    [13] = {TK_WIRE_BYTES, FORM_MESSAGE, 0, add_link},
    [14] = {TK_WIRE_VARINT, FORM_32, AT(span_draft, span.dropped_links_count), NULL},
    [15] = {TK_WIRE_BYTES, FORM_MESSAGE, 0, merge_status},
    [16] = {TK_WIRE_FIXED32, FORM_32, AT(span_draft, span.flags), NULL},
};
static const struct message span_message = MESSAGE("Span", span_rows);

/* Log records and metrics stand where spans do in their own files, and field numbers are all there
 * is to tell them apart: a span has its times as fixed64, and ids of 16 and 8 bytes. */
static bool is_other_signal(const struct tk_wire_field *whole) {
  struct tk_wire wire = tk_wire_of(whole->data, whole->size);
  struct tk_wire_field field;
  bool has_odd_id = false, has_id = false;
  while (tk_wire_next(&wire, &field)) {
    if (field.number >= sizeof span_rows / sizeof span_rows[0]) continue;
    if (span_rows[field.number].type != field.type) return true;
    if (field.number > 2 || field.size == 0) continue;
    has_id |= field.size % 8 == 0 || field.size == 12;
    has_odd_id |= field.size % 8 != 0 && field.size != 12;
  }
  return has_odd_id && !has_id;
}

static void take_span_lists(struct tk_protobuf_decoder *decoder, struct list_begins begins,
                            struct tk_span *span) {
  struct tk_batch_builder *builder = decoder->builder;
  take_attributes(decoder, begins.attributes, &span->attributes);
  span->event_count = builder->events.count - begins.events;
  span->events = tk_builder_take(builder, &builder->events, begins.events, sizeof(struct tk_event));
  span->link_count = builder->links.count - begins.links;
  span->links = tk_builder_take(builder, &builder->links, begins.links, sizeof(struct tk_link));
  take_residual(decoder, begins, &span->residual);
}

static void finish_span(struct tk_protobuf_decoder *decoder, struct span_draft *draft,
                        struct tk_text raw) {
  struct tk_batch_builder *builder = decoder->builder;
  struct tk_span *span = &draft->span;
  if (draft->status_deprecated_code != 0 && span->status_code == TK_STATUS_UNSET) {
    span->status_code = TK_STATUS_ERROR;
  }
  const struct tk_span_ids readings = {
      .trace = tk_read_trace_id_bytes(builder, draft->trace_id, span->trace_id),
      .span = tk_read_span_id_bytes(builder, draft->span_id, span->span_id),
      .parent = tk_read_span_id_bytes(builder, draft->parent_id, span->parent_span_id),
  };
  tk_repair_span(builder, span, &readings, raw);
  struct tk_span *item = tk_builder_push(builder, &builder->spans, sizeof *span);
  if (item) *item = *span;
}

static void decode_span(struct tk_protobuf_decoder *decoder, const struct tk_resource *resource,
                        const struct tk_scope *scope, const struct tk_wire_field *field) {
  static const struct tk_text none = {"", 0};
  struct tk_batch_builder *builder = decoder->builder;
  const struct list_begins begins = note_lists(builder);
  const uint32_t issue_count = builder->issues.count;
  struct span_draft draft = {.list.number = tk_builder_begin_keys(builder),
                             .trace_id = none,
                             .span_id = none,
                             .parent_id = none,
                             .span = {.name = none, .resource = resource, .scope = scope}};
  if (!decode_message(decoder, &span_message, field, &draft)) {
    report_fault(decoder, "Span", tk_protobuf_raw(field));
    cut_lists(builder, begins);
  } else if (draft.span.start_unix_ns == 0 && draft.span.end_unix_ns == 0 &&
             is_other_signal(field)) {
    builder->issues.count = issue_count;
    cut_lists(builder, begins);
    tk_builder_issue(builder, TK_RULE_RECORD_NOT_TRACE, tk_protobuf_raw(field),
                     "a log record or metric, not a span");
  } else {
    take_span_lists(decoder, begins, &draft.span);
    finish_span(decoder, &draft, tk_protobuf_raw(field));
  }
}

/* ---- scopes and resources ---- */

struct scope_draft {
  struct attribute_list list;
  struct tk_scope filled;
};

static const struct field_row scope_rows[] = {
    [1] = {TK_WIRE_BYTES, FORM_TEXT, AT(scope_draft, filled.name), NULL},
    [2] = {TK_WIRE_BYTES, FORM_TEXT, AT(scope_draft, filled.version), NULL},
    [3] = {TK_WIRE_BYTES, FORM_MESSAGE, 0, add_attribute},
    [4] = {TK_WIRE_VARINT, FORM_32, AT(scope_draft, filled.attributes.dropped_count), NULL},
};
static const struct message scope_message = MESSAGE("InstrumentationScope", scope_rows);

struct scope_spans_draft {
  struct tk_scope *scope;
  const struct tk_resource *resource;
  struct tk_text schema_url;
};

/* A scope or resource that is damaged is kept as far as it goes: spans point to it. */
static bool merge_scope(struct tk_protobuf_decoder *decoder, void *draft,
                        const struct tk_wire_field *field) {
  const struct scope_spans_draft *outer = draft;
  const struct list_begins begins = note_lists(decoder->builder);
  struct scope_draft scope = {.list.number = tk_builder_begin_keys(decoder->builder),
                              .filled = *outer->scope};
  scope.filled.absent = 0;
  scope.list.count = scope.filled.attributes.count;
  if (!decode_message(decoder, &scope_message, field, &scope)) {
    report_fault(decoder, "InstrumentationScope", tk_protobuf_raw(field));
  }
  take_attributes(decoder, begins.attributes, &scope.filled.attributes);
  take_residual(decoder, begins, &scope.filled.residual);
  *outer->scope = scope.filled;
  return true;
}

static bool add_span(struct tk_protobuf_decoder *decoder, void *draft,
                     const struct tk_wire_field *field) {
  const struct scope_spans_draft *outer = draft;
  decode_span(decoder, outer->resource, outer->scope, field);
  return !decoder->builder->out_of_memory || tk_protobuf_fail(decoder, "memory", field->begin);
}

static const struct field_row scope_spans_rows[] = {
    [1] = {TK_WIRE_BYTES, FORM_MESSAGE, 0, merge_scope},
    [2] = {TK_WIRE_BYTES, FORM_MESSAGE, 0, add_span},
    [3] = {TK_WIRE_BYTES, FORM_TEXT, AT(scope_spans_draft, schema_url), NULL},
};
static const struct message scope_spans_message = MESSAGE("ScopeSpans", scope_spans_rows);

struct resource_draft {
  struct attribute_list list;
  struct tk_resource filled;
};

static const struct field_row resource_rows[] = {
    [1] = {TK_WIRE_BYTES, FORM_MESSAGE, 0, add_attribute},
    [2] = {TK_WIRE_VARINT, FORM_32, AT(resource_draft, filled.attributes.dropped_count), NULL},
    [3] = {TK_WIRE_BYTES, FORM_KEPT, 0, NULL}, /* entity_refs */
};
static const struct message resource_message = MESSAGE("Resource", resource_rows);

struct resource_spans_draft {
  const struct tk_wire_field *whole;
  struct tk_resource *resource;
  struct tk_text schema_url;
};

static bool merge_resource(struct tk_protobuf_decoder *decoder, void *draft,
                           const struct tk_wire_field *field) {
  const struct resource_spans_draft *outer = draft;
  const struct list_begins begins = note_lists(decoder->builder);
  struct resource_draft resource = {.list.number = tk_builder_begin_keys(decoder->builder),
                                    .filled = *outer->resource};
  resource.filled.absent = 0;
  resource.list.count = resource.filled.attributes.count;
  if (!decode_message(decoder, &resource_message, field, &resource)) {
    report_fault(decoder, "Resource", tk_protobuf_raw(field));
  }
  take_attributes(decoder, begins.attributes, &resource.filled.attributes);
  take_residual(decoder, begins, &resource.filled.residual);
  *outer->resource = resource.filled;
  return true;
}

static void *allocate(struct tk_protobuf_decoder *decoder, size_t size) {
  void *memory = tk_arena_alloc(&decoder->builder->batch->arena, size);
  if (!memory) decoder->builder->out_of_memory = true;
  return memory;
}

/* The scope is allocated before its spans and filled whenever its turn comes: so is a resource. */
static bool add_scope_spans(struct tk_protobuf_decoder *decoder, void *draft,
                            const struct tk_wire_field *field) {
  const struct resource_spans_draft *outer = draft;
  const struct list_begins begins = note_lists(decoder->builder);
  struct scope_spans_draft inner = {.scope = allocate(decoder, sizeof *inner.scope),
                                    .resource = outer->resource};
  if (!inner.scope) return tk_protobuf_fail(decoder, "memory", field->begin);
  *inner.scope = (struct tk_scope){.absent = 1};
  if (!decode_message(decoder, &scope_spans_message, field, &inner)) {
    report_fault(decoder, "ScopeSpans", tk_protobuf_raw(field));
  }
  inner.scope->schema_url = inner.schema_url;
  take_residual(decoder, begins, &inner.scope->outer_residual);
  return true;
}

static const struct field_row resource_spans_rows[] = {
    [1] = {TK_WIRE_BYTES, FORM_MESSAGE, 0, merge_resource},
    [2] = {TK_WIRE_BYTES, FORM_MESSAGE, 0, add_scope_spans},
    [3] = {TK_WIRE_BYTES, FORM_TEXT, AT(resource_spans_draft, schema_url), NULL},
};
/* instrumentation_library_spans, from before scope_spans, counts only where that is empty. */
static bool is_superseded(const struct tk_wire_field *whole) {
  struct tk_wire wire = tk_wire_of(whole->data, whole->size);
  struct tk_wire_field field;
  while (tk_wire_next(&wire, &field)) {
    if (field.number == 2 && field.type == TK_WIRE_BYTES) return true;
  }
  return false;
}

static bool add_legacy_spans(struct tk_protobuf_decoder *decoder, void *draft,
                             const struct tk_wire_field *field) {
  const struct resource_spans_draft *outer = draft;
  if (is_superseded(outer->whole)) {
    const struct tk_wire wire = {.at = field->data + field->size};
    keep_field(decoder, &wire, field);
    return true;
  }
  tk_builder_issue(decoder->builder, TK_RULE_PROTOBUF_LEGACY_FIELD, tk_protobuf_raw(field),
                   "instrumentation_library_spans (field 1000); read as scope_spans");
  return add_scope_spans(decoder, draft, field);
}

static const struct field_row legacy_row = {TK_WIRE_BYTES, FORM_MESSAGE, 0, add_legacy_spans};
static const struct message resource_spans_message = {
    "ResourceSpans", resource_spans_rows,
    sizeof resource_spans_rows / sizeof resource_spans_rows[0], 1000, &legacy_row};

static void decode_resource_spans(struct tk_protobuf_decoder *decoder,
                                  const struct tk_wire_field *field) {
  struct tk_batch_builder *builder = decoder->builder;
  const struct list_begins begins = note_lists(builder);
  struct resource_spans_draft draft = {.whole = field,
                                       .resource = allocate(decoder, sizeof *draft.resource)};
  if (!draft.resource) return;
  *draft.resource = (struct tk_resource){.absent = 1};
  if (!decode_message(decoder, &resource_spans_message, field, &draft)) {
    report_fault(decoder, "ResourceSpans", tk_protobuf_raw(field));
  }
  draft.resource->schema_url = draft.schema_url;
  take_residual(decoder, begins, &draft.resource->outer_residual);
  cut_lists(builder, begins);
}

/* ---- records ---- */

/* Fields of TracesData itself, which has one; nothing holds what is unknown there. */
static void decode_document(struct tk_protobuf_decoder *decoder, const struct tk_record *record) {
  struct tk_wire wire = tk_wire_of(record->text, record->size);
  struct tk_wire_field field;
  while (tk_wire_next(&wire, &field) && !decoder->builder->out_of_memory) {
    if (field.number == 1 && field.type == TK_WIRE_BYTES) {
      decode_resource_spans(decoder, &field);
    } else {
      tk_protobuf_report_unknown(decoder, &wire, &field, "TracesData", false);
    }
  }
  if (tk_protobuf_finish(decoder, &wire)) return;
  report_fault(decoder, "TracesData", (struct tk_text){record->text, record->size});
}

static bool is_json(const struct tk_record *record) {
  uint32_t i = 0;
  while (i < record->size && strchr(" \t\r\n", record->text[i]) && record->text[i]) i++;
  return i < record->size && (record->text[i] == '{' || record->text[i] == '[');
}

void tk_otlp_protobuf_parse(struct tk_batch_builder *builder, const struct tk_record *record) {
  struct tk_protobuf_decoder decoder = {.builder = builder};
  if (builder->out_of_memory) return;
  if (record->kind == TK_RECORD_WHOLE && is_json(record)) {
    tk_otlp_json_parse(builder, record);
    return;
  }
  builder->place = (struct tk_record_place){.text = record->text,
                                            .size = record->size,
                                            .offset = record->begin_offset,
                                            .first_span = builder->spans.count,
                                            .compressed = record->compressed};
  if (record->kind == TK_RECORD_WHOLE || record->begins_message) builder->batch->record_count++;
  if (record->kind == TK_RECORD_ELEMENT) {
    const struct tk_wire_field whole = {.data = (const uint8_t *)record->text,
                                        .size = record->size};
    decode_resource_spans(&decoder, &whole);
  } else {
    decode_document(&decoder, record);
  }
}
