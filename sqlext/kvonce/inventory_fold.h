/* What the inventory events of one document add up to: one state, orders, validation results.
 *
 * Quantities are doubles, as in the programs that defined the checks. Texts are canonical JSON
 * (js_value.h); data NULL stands for null. */
#ifndef TK_SQLEXT_KVONCE_INVENTORY_FOLD_H
#define TK_SQLEXT_KVONCE_INVENTORY_FOLD_H

#include "sqlext/kvonce/event_reader.h"
#include "sqlext/kvonce/js_value.h"
#include "sqlext/kvonce/json_list.h"

enum tk_inventory_type {
  TK_INVENTORY_PROJECTION,
  TK_INVENTORY_ALLOCATION,
  TK_INVENTORY_RELEASE,
  TK_INVENTORY_VALIDATION,
  TK_INVENTORY_OTHER
};

struct tk_inventory_state {
  double on_hand, allocated, available;
};

struct tk_inventory_order {
  struct tk_text key;  /**< any JSON but null */
  struct tk_text name; /**< as text; not JSON */
  uint64_t allocation_count, release_count;
  double allocated, released, net;
  struct tk_text_slot last_timestamp;
  uint64_t first_ordinal;
  struct tk_trace_set traces;
};

/** What the event added last was; good until the next one. */
struct tk_inventory_step {
  enum tk_inventory_type type;
  const char *note; /**< type of a projection issue; NULL: none */
  struct tk_text type_text, key, timestamp, trace_id;
  struct tk_text span_trace; /**< trace id as spans have it; data NULL: none */
  /* Of validation events. */
  struct tk_text result; /**< plain text, in small letters */
  struct tk_text checks;
  struct tk_json_list failures; /**< names of checks, as JSON strings */
};

struct tk_inventory_fold {
  struct tk_arena arena, step_arena;
  struct tk_js_writer scratch;
  struct tk_byte_writer trace;
  uint64_t event_count, type_counts[TK_INVENTORY_OTHER + 1];
  uint64_t pass_count;
  struct tk_inventory_state state;
  struct tk_text first_timestamp;
  struct tk_text_slot last_timestamp;
  struct tk_interner order_keys;
  struct tk_inventory_order **orders; /**< by number; see tk_inventory_fold_order */
  uint32_t order_capacity, order_count;
  struct tk_trace_sets traces;
  struct tk_interner trace_ids; /**< of any type, each once */
  struct tk_inventory_step step;
};

void tk_inventory_fold_reset(struct tk_inventory_fold *fold);
enum tk_status tk_inventory_fold_add(struct tk_inventory_fold *fold,
                                     const struct tk_run_event *event, struct tk_error *error);
/** After the last event: leaves in `orders` those that count as orders, in the order of their keys;
 * order_count of them. */
enum tk_status tk_inventory_fold_order(struct tk_inventory_fold *fold, struct tk_error *error);

/** The projection as a JSON object without `generatedAt`, `stateSequence` inline. Reads the
 * document from its beginning. TK_UNSUPPORTED: longer than `limit`. `fold` is left as it is at the
 * end. */
enum tk_status tk_inventory_projection(struct tk_inventory_fold *fold, struct tk_byte_writer *out,
                                       struct tk_event_reader *reader, size_t limit,
                                       struct tk_error *error);

/* ---- checks ---- */

struct tk_inventory_issue {
  const char *type, *severity;
  struct tk_text message;
  const char *source;       /**< NULL: none */
  int64_t index;            /**< ordinal of the event; -1: none */
  struct tk_text key;       /**< JSON; what the issue is about; data NULL: nothing */
  uint64_t first_ordinal;   /**< of an event that concerns it; UINT64_MAX: none */
  struct tk_text trace_id;  /**< JSON, as spans have it, the first; data NULL: none */
  struct tk_text trace_ids; /**< JSON array; data NULL: none */
  struct tk_inventory_issue *next;
};

struct tk_inventory_check {
  double onhand_min;
  unsigned disabled; /**< bits 1 << enum tk_inventory_rule */
  struct tk_arena *arena;
  struct tk_inventory_issue *first; /**< all issues, in order */
  uint32_t count;
};

enum tk_inventory_rule {
  TK_RULE_ALLOCATED_LE_ONHAND,
  TK_RULE_ONHAND_MIN,
  TK_RULE_AVAILABLE_CONSISTENCY,
  TK_RULE_COUNT
};
const char *tk_inventory_rule_name(enum tk_inventory_rule rule);

/** Reads the document from its beginning; what the issues say is in check->arena. */
enum tk_status tk_inventory_check_document(struct tk_inventory_check *check,
                                           struct tk_event_reader *reader, struct tk_error *error);

#endif
