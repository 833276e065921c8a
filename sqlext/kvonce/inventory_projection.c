/* SPDX-License-Identifier: MIT
 * inventory-projection.json out of the events of one document, in one pass. */
#include <string.h>

#include "sqlext/kvonce/inventory_fold.h"
#include "sqlext/kvonce/json_members.h"

struct lists {
  struct tk_byte_writer validations, issues, sequence;
  size_t last_validation; /* where it begins */
  uint64_t validation_count;
  struct tk_js_writer scratch;
};

static void append_separator(struct tk_byte_writer *out) {
  if (out->size > 0) tk_byte_writer_append_u8(out, ',');
}

static void append_written(struct tk_byte_writer *out, const struct tk_byte_writer *from) {
  tk_byte_writer_append(out, from->data, from->size);
}

static void append_state(struct tk_byte_writer *out, const struct tk_inventory_state *state) {
  tk_members_number(out, '{', "onHand", state->on_hand);
  tk_members_number(out, ',', "allocated", state->allocated);
  tk_members_number(out, ',', "available", state->available);
  tk_byte_writer_append_u8(out, '}');
}

/* ---- events ---- */

static void begin_issue(struct lists *lists, uint64_t index, const char *type) {
  append_separator(&lists->issues);
  tk_members_count(&lists->issues, '{', "index", index);
  tk_members_name(&lists->issues, ',', "type");
  tk_byte_writer_append_u8(&lists->issues, '"');
  tk_members_append(&lists->issues, type);
  tk_byte_writer_append_u8(&lists->issues, '"');
}

static void append_validation(struct lists *lists, const struct tk_inventory_step *step,
                              uint64_t index) {
  struct tk_byte_writer *out = &lists->validations;
  append_separator(out);
  lists->last_validation = out->size;
  lists->validation_count++;
  tk_members_count(out, '{', "index", index);
  tk_members_json(out, ',', "timestamp", step->timestamp);
  tk_members_json(out, ',', "key", step->key);
  tk_members_name(out, ',', "result");
  tk_js_write_string(out, step->result);
  tk_members_name(out, ',', "failures");
  tk_json_list_write(out, &step->failures);
  tk_members_json(out, ',', "checks", step->checks);
  tk_byte_writer_append_u8(out, '}');
  if (step->result.size != 4 || memcmp(step->result.data, "pass", 4) != 0) {
    begin_issue(lists, index, "validation_result");
    tk_members_name(&lists->issues, ',', "detail");
    tk_js_write_string(&lists->issues, step->result);
    tk_byte_writer_append_u8(&lists->issues, '}');
  }
  for (const struct tk_json_item *item = step->failures.first; item; item = item->next) {
    begin_issue(lists, index, "validation_failure");
    tk_members_json(&lists->issues, ',', "detail", item->text);
    tk_byte_writer_append_u8(&lists->issues, '}');
  }
}

/* A member of the event as it was sent, if it was. */
static void append_field(struct lists *lists, const char *name, struct tk_text json) {
  if (!json.data) return;
  lists->scratch.out.size = 0;
  tk_js_write_text(&lists->scratch, json);
  if (lists->scratch.out.failed) lists->sequence.failed = true;
  tk_members_name(&lists->sequence, ',', name);
  append_written(&lists->sequence, &lists->scratch.out);
}

static void append_event(struct lists *lists, const struct tk_inventory_fold *fold,
                         const struct tk_run_event *event) {
  const struct tk_inventory_step *step = &fold->step;
  if (step->note) {
    begin_issue(lists, event->ordinal, step->note);
    tk_members_json(&lists->issues, ',', "key", step->key);
    tk_byte_writer_append_u8(&lists->issues, '}');
  }
  if (step->type == TK_INVENTORY_VALIDATION) append_validation(lists, step, event->ordinal);
  append_separator(&lists->sequence);
  tk_members_count(&lists->sequence, '{', "index", event->ordinal);
  tk_members_json(&lists->sequence, ',', "traceId", step->trace_id);
  tk_members_json(&lists->sequence, ',', "timestamp", step->timestamp);
  tk_members_json(&lists->sequence, ',', "type", step->type_text);
  tk_members_json(&lists->sequence, ',', "key", step->key);
  tk_members_name(&lists->sequence, ',', "state");
  append_state(&lists->sequence, &fold->state);
  append_field(lists, "delta", event->fields[TK_EVENT_DELTA]);
  append_field(lists, "context", event->fields[TK_EVENT_CONTEXT]);
  append_field(lists, "result", event->fields[TK_EVENT_RESULT]);
  append_field(lists, "checks", event->fields[TK_EVENT_CHECKS]);
  tk_byte_writer_append_u8(&lists->sequence, '}');
}

/* ---- what it adds up to ---- */

static void append_metrics(struct tk_byte_writer *out, const struct tk_inventory_fold *fold) {
  tk_members_count(out, '{', "projectionEvents", fold->type_counts[TK_INVENTORY_PROJECTION]);
  tk_members_count(out, ',', "allocationEvents", fold->type_counts[TK_INVENTORY_ALLOCATION]);
  tk_members_count(out, ',', "releaseEvents", fold->type_counts[TK_INVENTORY_RELEASE]);
  tk_members_count(out, ',', "validationEvents", fold->type_counts[TK_INVENTORY_VALIDATION]);
  tk_members_count(out, ',', "stateSequenceLength", fold->event_count);
  tk_byte_writer_append_u8(out, '}');
}

static void append_orders(struct tk_byte_writer *out, const struct tk_inventory_fold *fold) {
  tk_byte_writer_append_u8(out, '[');
  for (uint32_t i = 0; i < fold->order_count; i++) {
    const struct tk_inventory_order *order = fold->orders[i];
    if (i > 0) tk_byte_writer_append_u8(out, ',');
    tk_members_json(out, '{', "key", order->key);
    tk_members_count(out, ',', "allocationEvents", order->allocation_count);
    tk_members_count(out, ',', "releaseEvents", order->release_count);
    tk_members_number(out, ',', "totalAllocated", order->allocated);
    tk_members_number(out, ',', "totalReleased", order->released);
    tk_members_number(out, ',', "netAllocated", order->net);
    tk_members_json(out, ',', "lastTimestamp", order->last_timestamp.text);
    tk_byte_writer_append_u8(out, '}');
  }
  tk_byte_writer_append_u8(out, ']');
}

static void append_validations(struct tk_byte_writer *out, const struct tk_inventory_fold *fold,
                               const struct lists *lists) {
  const struct tk_byte_writer *all = &lists->validations;
  tk_members_count(out, '{', "count", lists->validation_count);
  tk_members_count(out, ',', "passes", fold->pass_count);
  tk_members_count(out, ',', "failures", lists->validation_count - fold->pass_count);
  tk_members_name(out, ',', "lastResult");
  if (lists->validation_count > 0) {
    tk_byte_writer_append(out, all->data + lists->last_validation,
                          all->size - lists->last_validation);
    tk_members_append(out, ",\"events\":[");
    append_written(out, all);
    tk_members_append(out, "]}");
  } else {
    tk_members_append(out, "null}");
  }
}

static void put_together(struct tk_byte_writer *out, const struct tk_inventory_fold *fold,
                         const struct lists *lists) {
  tk_members_append(out, "{\"schemaVersion\":\"inventory/v1\"");
  tk_members_count(out, ',', "eventCount", fold->event_count);
  tk_members_append(out, ",\"traceIds\":[");
  for (uint32_t i = 0; i < fold->trace_ids.count; i++) {
    if (i > 0) tk_byte_writer_append_u8(out, ',');
    tk_members_value(out, fold->trace_ids.items[i]);
  }
  tk_members_append(out, "],\"metrics\":");
  append_metrics(out, fold);
  tk_members_name(out, ',', "finalState");
  append_state(out, &fold->state);
  tk_members_name(out, ',', "orders");
  append_orders(out, fold);
  tk_members_name(out, ',', "validation");
  append_validations(out, fold, lists);
  tk_members_name(out, ',', "stats");
  tk_members_json(out, '{', "firstTimestamp", fold->first_timestamp);
  tk_members_json(out, ',', "lastTimestamp", fold->last_timestamp.text);
  tk_members_count(out, ',', "orderCount", fold->order_count);
  tk_byte_writer_append_u8(out, '}');
  if (lists->issues.size > 0) {
    tk_members_append(out, ",\"issues\":[");
    append_written(out, &lists->issues);
    tk_byte_writer_append_u8(out, ']');
  }
  tk_members_append(out, ",\"stateSequence\":[");
  append_written(out, &lists->sequence);
  tk_members_append(out, "]}");
}

static enum tk_status check_limit(size_t size, size_t limit, struct tk_error *error) {
  if (size <= limit) return TK_OK;
  return tk_fail(error, TK_UNSUPPORTED, "the projection is longer than %zu bytes", limit);
}

static enum tk_status check_lists(const struct lists *lists, size_t limit, struct tk_error *error) {
  if (lists->validations.failed || lists->issues.failed || lists->sequence.failed) {
    return tk_nomem(error);
  }
  return check_limit(lists->validations.size + lists->issues.size + lists->sequence.size, limit,
                     error);
}

enum tk_status tk_inventory_projection(struct tk_inventory_fold *fold, struct tk_byte_writer *out,
                                       struct tk_event_reader *reader, size_t limit,
                                       struct tk_error *error) {
  struct lists lists = {.validation_count = 0};
  const struct tk_run_event *event;
  enum tk_status status;
  while ((status = tk_event_reader_next(reader, &event, error)) == TK_OK && event) {
    if ((status = tk_inventory_fold_add(fold, event, error)) != TK_OK) break;
    append_event(&lists, fold, event);
    if ((status = check_lists(&lists, limit, error)) != TK_OK) break;
  }
  if (status == TK_OK) status = tk_inventory_fold_order(fold, error);
  if (status == TK_OK) {
    put_together(out, fold, &lists);
    status = out->failed ? tk_nomem(error) : check_limit(out->size, limit, error);
  }
  tk_byte_writer_reset(&lists.validations);
  tk_byte_writer_reset(&lists.issues);
  tk_byte_writer_reset(&lists.sequence);
  tk_js_writer_reset(&lists.scratch);
  return status;
}
