/* SPDX-License-Identifier: MIT
 * The checks of an inventory run: of the final state, of the state after each event, of the orders,
 * and what its validation events say of themselves. Issues come in that order, which is why those
 * of states and of events are gathered in lists of their own. */
#include <math.h>
#include <string.h>

#include "sqlext/kvonce/inventory_fold.h"

/* Below this, quantities are equal. */
#define TOLERANCE 1e-9

static const char *const rule_names[TK_RULE_COUNT] = {
    [TK_RULE_ALLOCATED_LE_ONHAND] = "allocated_le_onhand",
    [TK_RULE_ONHAND_MIN] = "onhand_min",
    [TK_RULE_AVAILABLE_CONSISTENCY] = "available_consistency",
};

const char *tk_inventory_rule_name(enum tk_inventory_rule rule) {
  return rule_names[rule];
}

struct issue_list {
  struct tk_inventory_issue *first, *last;
};

struct checking {
  struct tk_inventory_check *check;
  struct tk_inventory_fold fold;
  struct issue_list of_states, of_orders, of_events, *list;
  struct tk_byte_writer message;
  bool failed; /* out of memory */

  /* Of the issues that are found now. */
  const char *source;
  int64_t index;
  uint64_t ordinal;
  struct tk_text key, trace_id, trace_ids;
};

/* ---- issues ---- */

static void add_text(struct checking *checking, const char *text) {
  tk_byte_writer_append(&checking->message, text, strlen(text));
}

static void add_number(struct checking *checking, double number) {
  char text[TK_JS_NUMBER_SIZE];
  tk_byte_writer_append(&checking->message, text, tk_js_number_text(number, text));
}

/* With the message put together so far. */
static void add_issue(struct checking *checking, const char *type, const char *severity) {
  struct tk_arena *arena = checking->check->arena;
  struct tk_inventory_issue *issue = tk_arena_alloc(arena, sizeof *issue);
  const struct tk_text message = {(const char *)checking->message.data,
                                  (uint32_t)checking->message.size};
  if (!issue || checking->message.failed) {
    checking->failed = true;
    return;
  }
  *issue = (struct tk_inventory_issue){.type = type,
                                       .severity = severity,
                                       .source = checking->source,
                                       .index = checking->index,
                                       .first_ordinal = checking->ordinal};
  if (!tk_copy_text(arena, message, &issue->message) ||
      (checking->key.data && !tk_copy_text(arena, checking->key, &issue->key)) ||
      (checking->trace_id.data && !tk_copy_text(arena, checking->trace_id, &issue->trace_id)) ||
      (checking->trace_ids.data && !tk_copy_text(arena, checking->trace_ids, &issue->trace_ids))) {
    checking->failed = true;
  }
  checking->message.size = 0;
  if (checking->list->last) {
    checking->list->last->next = issue;
  } else {
    checking->list->first = issue;
  }
  checking->list->last = issue;
  checking->check->count++;
}

static void chain(struct tk_inventory_check *check, struct tk_inventory_issue **last,
                  const struct issue_list *list) {
  if (!list->first) return;
  if (*last) {
    (*last)->next = list->first;
  } else {
    check->first = list->first;
  }
  *last = list->last;
}

/* ---- rules ---- */

static bool applies(const struct checking *checking, enum tk_inventory_rule rule) {
  return !(checking->check->disabled >> rule & 1);
}

/* What a reader of the written state sees: JSON has no infinity, and null counts as 0. */
static double as_written(double quantity) {
  return isfinite(quantity) ? quantity : 0;
}

static void check_state(struct checking *checking, const struct tk_inventory_state *state) {
  const double on_hand = as_written(state->on_hand), allocated = as_written(state->allocated);
  const double available = as_written(state->available), expected = on_hand - allocated;
  if (allocated > on_hand && applies(checking, TK_RULE_ALLOCATED_LE_ONHAND)) {
    add_text(checking, "allocated ");
    add_number(checking, allocated);
    add_text(checking, " exceeds onHand ");
    add_number(checking, on_hand);
    add_issue(checking, rule_names[TK_RULE_ALLOCATED_LE_ONHAND], "error");
  }
  if (on_hand < checking->check->onhand_min && applies(checking, TK_RULE_ONHAND_MIN)) {
    add_text(checking, "onHand ");
    add_number(checking, on_hand);
    add_text(checking, " below minimum ");
    add_number(checking, checking->check->onhand_min);
    add_issue(checking, rule_names[TK_RULE_ONHAND_MIN], "error");
  }
  if (fabs(expected - available) > TOLERANCE && applies(checking, TK_RULE_AVAILABLE_CONSISTENCY)) {
    add_text(checking, "available ");
    add_number(checking, available);
    add_text(checking, " inconsistent with onHand - allocated = ");
    add_number(checking, expected);
    add_issue(checking, rule_names[TK_RULE_AVAILABLE_CONSISTENCY], "error");
  }
}

static void check_validation(struct checking *checking, const struct tk_inventory_step *step) {
  if (step->result.size != 4 || memcmp(step->result.data, "pass", 4) != 0) {
    add_text(checking, "validation result=");
    tk_byte_writer_append(&checking->message, step->result.data, step->result.size);
    add_issue(checking, "validation_event_result", "error");
  }
  for (const struct tk_json_item *item = step->failures.first; item; item = item->next) {
    const struct tk_json_string name = {
        .data = item->text.data + 1, .size = item->text.size - 2, .escaped = 1};
    bool broken = false;
    add_text(checking, "validation failure: ");
    uint8_t *room = tk_byte_writer_reserve(&checking->message, name.size);
    if (room) {
      tk_byte_writer_claim(&checking->message, tk_json_unescape(name, (char *)room, &broken));
    }
    add_issue(checking, "validation_event_failure", "error");
  }
}

static void begin_order_message(struct checking *checking, const struct tk_inventory_order *order) {
  add_text(checking, "order ");
  tk_byte_writer_append(&checking->message, order->name.data, order->name.size);
}

static void check_order(struct checking *checking, const struct tk_inventory_order *order) {
  const double net = as_written(order->net), released = as_written(order->released);
  const double allocated = as_written(order->allocated);
  if (net < 0) {
    begin_order_message(checking, order);
    add_text(checking, " netAllocated ");
    add_number(checking, net);
    add_text(checking, " below zero");
    add_issue(checking, "order_net_negative", "warning");
  }
  if (released > allocated + TOLERANCE) {
    begin_order_message(checking, order);
    add_text(checking, " released ");
    add_number(checking, released);
    add_text(checking, " exceeds allocated ");
    add_number(checking, allocated);
    add_issue(checking, "order_released_gt_allocated", "warning");
  }
}

/* ---- a document ---- */

static void check_event(struct checking *checking, const struct tk_run_event *event) {
  const struct tk_inventory_step *step = &checking->fold.step;
  const bool has_trace = step->span_trace.data;
  struct tk_byte_writer traces = {0};
  checking->index = (int64_t)event->ordinal;
  checking->ordinal = event->ordinal;
  checking->key = step->key;
  checking->trace_id = step->span_trace;
  if (has_trace) {
    tk_byte_writer_append_u8(&traces, '[');
    tk_byte_writer_append(&traces, step->span_trace.data, step->span_trace.size);
    tk_byte_writer_append_u8(&traces, ']');
  }
  if (traces.failed) checking->failed = true;
  checking->trace_ids = (struct tk_text){(const char *)traces.data, (uint32_t)traces.size};
  checking->list = &checking->of_states;
  checking->source = "projection.stateSequence";
  check_state(checking, &checking->fold.state);
  if (step->type == TK_INVENTORY_VALIDATION) {
    checking->list = &checking->of_events;
    checking->source = "validation.events";
    check_validation(checking, step);
  }
  tk_byte_writer_reset(&traces);
}

static void check_orders(struct checking *checking) {
  checking->list = &checking->of_orders;
  checking->source = NULL;
  checking->index = -1;
  for (uint32_t i = 0; i < checking->fold.order_count; i++) {
    const struct tk_inventory_order *order = checking->fold.orders[i];
    struct tk_byte_writer traces = {0};
    checking->key = order->key;
    checking->ordinal = order->first_ordinal;
    checking->trace_id =
        order->traces.list.first ? order->traces.list.first->text : (struct tk_text){0};
    if (order->traces.list.first) tk_json_list_write(&traces, &order->traces.list);
    if (traces.failed) checking->failed = true;
    checking->trace_ids = (struct tk_text){(const char *)traces.data, (uint32_t)traces.size};
    check_order(checking, order);
    tk_byte_writer_reset(&traces);
  }
}

static enum tk_status check_events(struct checking *checking, struct tk_event_reader *reader,
                                   struct tk_error *error) {
  const struct tk_run_event *event;
  enum tk_status status;
  while ((status = tk_event_reader_next(reader, &event, error)) == TK_OK && event) {
    status = tk_inventory_fold_add(&checking->fold, event, error);
    if (status != TK_OK) return status;
    check_event(checking, event);
    if (checking->failed) return tk_nomem(error);
  }
  return status == TK_OK ? tk_inventory_fold_order(&checking->fold, error) : status;
}

enum tk_status tk_inventory_check_document(struct tk_inventory_check *check,
                                           struct tk_event_reader *reader, struct tk_error *error) {
  struct checking checking = {.check = check};
  struct issue_list of_final = {0};
  struct tk_inventory_issue *last = NULL;
  check->first = NULL;
  check->count = 0;
  enum tk_status status = check_events(&checking, reader, error);
  if (status == TK_OK) {
    check_orders(&checking);
    checking.list = &of_final;
    checking.source = "finalState";
    checking.index = -1;
    checking.ordinal = UINT64_MAX;
    checking.key = checking.trace_id = checking.trace_ids = (struct tk_text){0};
    check_state(&checking, &checking.fold.state);
    chain(check, &last, &of_final);
    chain(check, &last, &checking.of_states);
    chain(check, &last, &checking.of_orders);
    chain(check, &last, &checking.of_events);
    if (checking.failed) status = tk_nomem(error);
  }
  tk_inventory_fold_reset(&checking.fold);
  tk_byte_writer_reset(&checking.message);
  return status;
}
