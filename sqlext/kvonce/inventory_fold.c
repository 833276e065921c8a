/* SPDX-License-Identifier: MIT
 * The fold over inventory events. An event either states quantities, which then hold, or changes
 * what is allocated; what is available is only ever stated. */
#include "sqlext/kvonce/inventory_fold.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sqlext/tables/table_support.h"

static const char *const type_names[] = {
    [TK_INVENTORY_PROJECTION] = "\"projection\"",
    [TK_INVENTORY_ALLOCATION] = "\"allocation\"",
    [TK_INVENTORY_RELEASE] = "\"release\"",
    [TK_INVENTORY_VALIDATION] = "\"validation\"",
};

static const char *const notes[] = {
    [TK_INVENTORY_PROJECTION] = "projection_without_state",
    [TK_INVENTORY_ALLOCATION] = "allocation_missing_delta",
    [TK_INVENTORY_RELEASE] = "release_missing_delta",
    [TK_INVENTORY_VALIDATION] = "validation_without_state",
    [TK_INVENTORY_OTHER] = "unknown_event_without_state",
};

void tk_inventory_fold_reset(struct tk_inventory_fold *fold) {
  tk_arena_reset(&fold->arena);
  tk_arena_reset(&fold->step_arena);
  tk_js_writer_reset(&fold->scratch);
  tk_byte_writer_reset(&fold->trace);
  tk_interner_reset(&fold->order_keys);
  tk_interner_reset(&fold->trace_ids);
  tk_trace_sets_reset(&fold->traces);
  sqlite3_free(fold->orders);
  memset(fold, 0, sizeof *fold);
}

/* ---- values ---- */

static bool text_is(struct tk_text text, const char *literal) {
  return text.size == strlen(literal) && memcmp(text.data, literal, text.size) == 0;
}

/* A copy in `arena`; data NULL: absent or null. */
static enum tk_status keep_canonical(struct tk_inventory_fold *fold, struct tk_arena *arena,
                                     struct tk_text json, struct tk_text *text_out,
                                     struct tk_error *error) {
  *text_out = (struct tk_text){0};
  if (tk_json_is_null(json)) return TK_OK;
  fold->scratch.out.size = 0;
  tk_js_write_text(&fold->scratch, json);
  const struct tk_text text = {(const char *)fold->scratch.out.data,
                               (uint32_t)fold->scratch.out.size};
  if (fold->scratch.out.failed || !tk_copy_text(arena, text, text_out)) return tk_nomem(error);
  if (tk_json_is_null(*text_out)) *text_out = (struct tk_text){0};
  return TK_OK;
}

static bool is_truthy(struct tk_text canonical) {
  return canonical.data && !text_is(canonical, "false") && !text_is(canonical, "0") &&
         !text_is(canonical, "\"\"");
}

static bool is_container(struct tk_text json) {
  return json.data && (json.data[0] == '{' || json.data[0] == '[');
}

/* The text of a JSON string, without escapes. */
static bool plain_text(struct tk_arena *arena, struct tk_text json, struct tk_text *text) {
  const struct tk_json_string string = {.data = json.data + 1, .size = json.size - 2, .escaped = 1};
  bool broken = false;
  char *bytes = tk_arena_alloc_bytes(arena, json.size);
  if (!bytes) return false;
  *text = (struct tk_text){bytes, tk_json_unescape(string, bytes, &broken)};
  return true;
}

/* Number(value), of any JSON. */
static double to_number(struct tk_arena *arena, struct tk_text json, bool *failed) {
  struct tk_text text;
  struct tk_json items;
  double value = NAN;
  switch (json.data[0]) {
    case '"':
      if (plain_text(arena, json, &text)) return tk_js_string_to_number(text);
      *failed = true;
      return NAN;
    case 't':
      return 1;
    case 'f':
    case 'n':
      return 0;
    case '{':
      return NAN;
    case '[':
      tk_json_init(&items, json.data, json.size);
      if (!tk_json_enter_array(&items)) return 0;
      text = tk_json_skip(&items);
      if (tk_json_next_item(&items) || text.data[0] == 't' || text.data[0] == 'f') return NAN;
      return to_number(arena, text, failed);
    default:
      tk_parse_double(json.data, json.size, &value);
      return value;
  }
}

static bool read_finite(struct tk_text json, double *value) {
  if (!json.data || (json.data[0] != '-' && (json.data[0] < '0' || json.data[0] > '9'))) {
    return false;
  }
  double number;
  tk_parse_double(json.data, json.size, &number);
  if (!isfinite(number)) return false;
  *value = number;
  return true;
}

/* By how much an event changes what is allocated. */
static enum tk_status infer_delta(struct tk_inventory_fold *fold, struct tk_text json,
                                  double *delta, bool *has_delta, struct tk_error *error) {
  bool failed = false;
  *has_delta = read_finite(json, delta);
  const struct tk_text member = tk_json_find_member(json, "allocated");
  if (tk_json_is_null(member)) return TK_OK;
  *delta = to_number(&fold->step_arena, member, &failed);
  *has_delta = isfinite(*delta);
  return failed ? tk_nomem(error) : TK_OK;
}

/* ---- orders ---- */

static enum tk_status find_order(struct tk_inventory_fold *fold, uint64_t ordinal,
                                 struct tk_inventory_order **order_out, struct tk_error *error) {
  static const struct tk_text unknown = {"\"unknown\"", 9};
  const struct tk_text key = fold->step.key.data ? fold->step.key : unknown;
  bool is_new;
  const uint32_t number = tk_interner_add(&fold->order_keys, key, &is_new);
  if (number == TK_INTERNER_FAILED ||
      !tk_grow_zeroed(&fold->orders, &fold->order_capacity, number + 1, sizeof *fold->orders)) {
    return tk_nomem(error);
  }
  if (is_new) {
    struct tk_inventory_order *order = tk_arena_alloc(&fold->arena, sizeof *order);
    if (!order) return tk_nomem(error);
    *order = (struct tk_inventory_order){.first_ordinal = ordinal};
    if (!tk_copy_text(&fold->arena, key, &order->key)) return tk_nomem(error);
    fold->order_keys.items[number] = order->name = order->key;
    if (key.data[0] == '"' && !plain_text(&fold->arena, order->key, &order->name)) {
      return tk_nomem(error);
    }
    fold->orders[number] = order;
    fold->order_count = number + 1;
  }
  *order_out = fold->orders[number];
  return TK_OK;
}

static enum tk_status add_to_order(struct tk_inventory_fold *fold, const struct tk_run_event *event,
                                   double delta, bool has_delta, struct tk_error *error) {
  struct tk_inventory_order *order = NULL;
  enum tk_status status = find_order(fold, event->ordinal, &order, error);
  if (status != TK_OK) return status;
  if (fold->step.type == TK_INVENTORY_ALLOCATION) {
    order->allocation_count++;
    if (has_delta) order->allocated += delta;
  } else {
    order->release_count++;
    if (has_delta) order->released += fabs(delta);
  }
  if (has_delta) order->net += delta;
  if (!tk_trace_set_add(&fold->traces, &order->traces, &fold->arena, fold->step.span_trace)) {
    return tk_nomem(error);
  }
  if (!fold->step.timestamp.data) return TK_OK;
  return tk_text_slot_set(&fold->arena, &order->last_timestamp, fold->step.timestamp)
             ? TK_OK
             : tk_nomem(error);
}

static int compare_orders(const void *a, const void *b) {
  struct tk_inventory_order *order_a, *order_b;
  memcpy(&order_a, a, sizeof order_a);
  memcpy(&order_b, b, sizeof order_b);
  const int order = tk_js_locale_compare(order_a->name, order_b->name);
  if (order != 0) return order;
  return order_a->first_ordinal < order_b->first_ordinal ? -1 : 1;
}

enum tk_status tk_inventory_fold_order(struct tk_inventory_fold *fold, struct tk_error *error) {
  uint32_t kept = 0;
  (void)error;
  for (uint32_t i = 0; i < fold->order_count; i++) {
    struct tk_inventory_order *order = fold->orders[i];
    if (!is_truthy(order->key) || text_is(order->key, "\"inventory\"")) continue;
    fold->orders[kept++] = order;
  }
  fold->order_count = kept;
  if (kept > 1) qsort(fold->orders, kept, sizeof *fold->orders, compare_orders);
  return TK_OK;
}

/* ---- validation events ---- */

static enum tk_status read_result(struct tk_inventory_fold *fold, struct tk_text json,
                                  struct tk_error *error) {
  struct tk_inventory_step *step = &fold->step;
  char *bytes = NULL;
  step->result = (struct tk_text){"unknown", 7};
  if (!json.data || json.data[0] != '"') return TK_OK;
  if (!plain_text(&fold->step_arena, json, &step->result)) return tk_nomem(error);
  memcpy(&bytes, &step->result.data, sizeof bytes); /* this step's own */
  for (uint32_t i = 0; i < step->result.size; i++) {
    if (bytes[i] >= 'A' && bytes[i] <= 'Z') bytes[i] = (char)(bytes[i] | 0x20);
  }
  return TK_OK;
}

/* `checks` is canonical, so that the names come in order and once. */
static enum tk_status find_failures(struct tk_inventory_fold *fold, struct tk_error *error) {
  struct tk_inventory_step *step = &fold->step;
  struct tk_json json;
  struct tk_text name;
  char digits[24];
  uint64_t index = 0;
  const bool is_object = step->checks.data[0] == '{';
  tk_json_init(&json, step->checks.data, step->checks.size);
  bool more = is_object ? tk_json_enter_object(&json) : tk_json_enter_array(&json);
  while (more) {
    if (is_object) {
      const struct tk_json_string key = tk_json_key(&json);
      name = (struct tk_text){key.data - 1, key.size + 2};
    } else {
      sqlite3_snprintf(sizeof digits, digits, "\"%llu\"", (unsigned long long)index++);
      name = (struct tk_text){digits, (uint32_t)strlen(digits)};
    }
    if (text_is(tk_json_skip(&json), "false") &&
        !tk_json_list_append(&fold->step_arena, &step->failures, name)) {
      return tk_nomem(error);
    }
    more = is_object ? tk_json_next_member(&json) : tk_json_next_item(&json);
  }
  return TK_OK;
}

static enum tk_status read_validation(struct tk_inventory_fold *fold,
                                      const struct tk_run_event *event, struct tk_error *error) {
  struct tk_inventory_step *step = &fold->step;
  const struct tk_text checks = event->fields[TK_EVENT_CHECKS];
  struct tk_text padded;
  enum tk_status status = read_result(fold, event->fields[TK_EVENT_RESULT], error);
  step->checks = (struct tk_text){"{}", 2};
  if (text_is(step->result, "pass")) fold->pass_count++;
  if (status != TK_OK || !is_container(checks)) return status;
  if ((status = keep_canonical(fold, &fold->step_arena, checks, &step->checks, error)) != TK_OK) {
    return status;
  }
  /* To be parsed, it has to be followed by what the parser wants to be able to read. */
  char *bytes =
      tk_arena_alloc_bytes(&fold->step_arena, (size_t)step->checks.size + TK_JSON_PADDING);
  if (!bytes) return tk_nomem(error);
  memcpy(bytes, step->checks.data, step->checks.size);
  memset(bytes + step->checks.size, 0, TK_JSON_PADDING);
  padded = (struct tk_text){bytes, step->checks.size};
  step->checks = padded;
  return find_failures(fold, error);
}

/* ---- events ---- */

static enum tk_status apply(struct tk_inventory_fold *fold, const struct tk_run_event *event,
                            struct tk_error *error) {
  const struct tk_text given = event->fields[TK_EVENT_STATE];
  struct tk_inventory_step *step = &fold->step;
  double delta = 0;
  bool has_delta;
  enum tk_status status =
      infer_delta(fold, event->fields[TK_EVENT_DELTA], &delta, &has_delta, error);
  if (status != TK_OK) return status;
  const bool is_order = step->type == TK_INVENTORY_ALLOCATION || step->type == TK_INVENTORY_RELEASE;
  if (is_container(given)) {
    read_finite(tk_json_find_member(given, "onHand"), &fold->state.on_hand);
    read_finite(tk_json_find_member(given, "allocated"), &fold->state.allocated);
    read_finite(tk_json_find_member(given, "available"), &fold->state.available);
  } else if (is_order && has_delta) {
    fold->state.allocated += delta;
  } else {
    step->note = notes[step->type];
  }
  return is_order ? add_to_order(fold, event, delta, has_delta, error) : TK_OK;
}

static enum tk_status read_step(struct tk_inventory_fold *fold, const struct tk_run_event *event,
                                struct tk_error *error) {
  struct tk_inventory_step *step = &fold->step;
  struct tk_arena *arena = &fold->step_arena;
  enum tk_status status;
  tk_arena_reset(arena);
  *step = (struct tk_inventory_step){.type = TK_INVENTORY_OTHER};
  status = keep_canonical(fold, arena, event->fields[TK_EVENT_TYPE], &step->type_text, error);
  if (status == TK_OK) {
    status = keep_canonical(fold, arena, event->fields[TK_EVENT_KEY], &step->key, error);
  }
  if (status == TK_OK) {
    status =
        keep_canonical(fold, arena, event->fields[TK_EVENT_TIMESTAMP], &step->timestamp, error);
  }
  if (status == TK_OK) {
    status = keep_canonical(fold, arena, event->fields[TK_EVENT_TRACE_ID], &step->trace_id, error);
  }
  if (!step->type_text.data) step->type_text = (struct tk_text){"\"unknown\"", 9};
  for (int i = 0; i < TK_INVENTORY_OTHER; i++) {
    if (text_is(step->type_text, type_names[i])) step->type = (enum tk_inventory_type)i;
  }
  return status;
}

static bool read_span_trace(struct tk_inventory_fold *fold, const struct tk_run_event *event) {
  struct tk_byte_writer *json = &fold->scratch.out;
  if (!tk_event_span_trace(event, &fold->trace)) return false;
  if (fold->trace.size == 0) return true;
  json->size = 0;
  tk_js_write_string(json,
                     (struct tk_text){(const char *)fold->trace.data, (uint32_t)fold->trace.size});
  const struct tk_text text = {(const char *)json->data, (uint32_t)json->size};
  return !json->failed && tk_copy_text(&fold->step_arena, text, &fold->step.span_trace);
}

static bool keep_trace_id(struct tk_inventory_fold *fold) {
  bool is_new;
  if (!is_truthy(fold->step.trace_id)) return true;
  const uint32_t number = tk_interner_add(&fold->trace_ids, fold->step.trace_id, &is_new);
  if (number == TK_INTERNER_FAILED) return false;
  return !is_new || tk_copy_text(&fold->arena, fold->step.trace_id, &fold->trace_ids.items[number]);
}

enum tk_status tk_inventory_fold_add(struct tk_inventory_fold *fold,
                                     const struct tk_run_event *event, struct tk_error *error) {
  enum tk_status status = read_step(fold, event, error);
  if (status != TK_OK) return status;
  struct tk_inventory_step *step = &fold->step;
  fold->event_count++;
  fold->type_counts[step->type]++;
  if (!keep_trace_id(fold) || !read_span_trace(fold, event)) return tk_nomem(error);
  if (is_truthy(step->timestamp)) {
    if (!tk_text_slot_set(&fold->arena, &fold->last_timestamp, step->timestamp) ||
        (!fold->first_timestamp.data &&
         !tk_copy_text(&fold->arena, step->timestamp, &fold->first_timestamp))) {
      return tk_nomem(error);
    }
  }
  status = apply(fold, event, error);
  if (status == TK_OK && step->type == TK_INVENTORY_VALIDATION) {
    status = read_validation(fold, event, error);
  }
  return status;
}
