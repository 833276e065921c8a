/* What the KvOnce events of one document add up to: an entry for each key, totals, issues.
 *
 * An entry serves the projection (counts, reasons, contexts) and the state sequence (what the store
 * holds for the key). Texts are canonical JSON (js_value.h); data NULL stands for null. */
#ifndef TK_SQLEXT_KVONCE_KVONCE_FOLD_H
#define TK_SQLEXT_KVONCE_KVONCE_FOLD_H

#include "sqlext/kvonce/event_reader.h"
#include "sqlext/kvonce/js_value.h"
#include "sqlext/kvonce/json_list.h"
#include "store/segment/interner.h"
#include "tracekeep/arena.h"

#define TK_NO_ORDINAL UINT64_MAX
#define TK_KVONCE_MAX_RETRIES 3

enum tk_kvonce_type { TK_KVONCE_SUCCESS, TK_KVONCE_RETRY, TK_KVONCE_FAILURE, TK_KVONCE_UNKNOWN };

struct tk_kvonce_entry {
  struct tk_text key;  /**< any JSON but null */
  struct tk_text name; /**< of the property it is in an object: a JSON string */
  uint64_t success_count, retry_count, failure_count, retry_context_count;
  uint64_t first_ordinal, last_ordinal;
  bool has_duplicate_reason; /**< in any letter case */
  bool is_written;

  /* Kept with TK_KVONCE_VALUES. */
  struct tk_text_slot value, first_timestamp, last_timestamp, last_type, last_failure_reason;
  struct tk_text_slot state_value, last_success_at;

  /* Kept with TK_KVONCE_LISTS. */
  struct tk_json_list failure_reasons, retry_contexts, success_contexts, failure_contexts;

  /* Kept with TK_KVONCE_TRACES: trace ids as spans have them, each once, as JSON strings. */
  struct tk_trace_set traces;

  /* Where an issue shows, or would: TK_NO_ORDINAL if nowhere. */
  uint64_t second_success, exact_duplicate, excess_retry, missing_attempt, wrong_attempt;
  uint64_t success_attempt;
  struct tk_text wrong_attempt_text, success_attempt_text; /**< numbers */
  uint64_t expected_attempt;
};

enum tk_kvonce_keep { TK_KVONCE_VALUES = 1, TK_KVONCE_LISTS = 2, TK_KVONCE_TRACES = 4 };

struct tk_kvonce_fold {
  unsigned keep;
  struct tk_arena arena;
  struct tk_js_writer scratch;
  struct tk_byte_writer trace;
  struct tk_interner keys; /**< canonical texts of keys */
  struct tk_kvonce_entry **entries;
  uint32_t entry_capacity;
  struct tk_trace_sets traces;

  uint64_t event_count, counts[4]; /**< by enum tk_kvonce_type */
  enum tk_kvonce_type last_type;   /**< of the event added last, */
  struct tk_kvonce_entry *last_entry;

  struct tk_kvonce_entry **ordered; /**< see tk_kvonce_fold_order */
  uint32_t ordered_count, ordered_of;
};

/** Zero-initialise but for `keep`. */
void tk_kvonce_fold_reset(struct tk_kvonce_fold *fold);

enum tk_status tk_kvonce_fold_add(struct tk_kvonce_fold *fold, const struct tk_run_event *event,
                                  struct tk_error *error);
/** Adds all events of the reader's document up to and with ordinal `last`. */
enum tk_status tk_kvonce_fold_document(struct tk_kvonce_fold *fold, struct tk_event_reader *reader,
                                       uint64_t last, struct tk_error *error);

/** Brings `ordered` up to date: the entries as members of an object. Keys that are different values
 * but the same as property names (1 and "1") leave the one that came last, where the first was. */
enum tk_status tk_kvonce_fold_order(struct tk_kvonce_fold *fold, struct tk_error *error);

/** How many keys there are with a success, a retry, a failure, a failure as duplicate. */
struct tk_kvonce_key_counts {
  uint64_t success, retry, failure, duplicate_failure;
};
void tk_kvonce_count_keys(const struct tk_kvonce_fold *fold, struct tk_kvonce_key_counts *counts);

struct tk_kvonce_issue {
  const struct tk_kvonce_entry *entry;
  const char *type;
  char message[128];
  uint64_t ordinal; /**< of the first event that shows it */
};

/** The issues of an entry, in order; at most TK_KVONCE_ISSUES_MAX. */
#define TK_KVONCE_ISSUES_MAX 5
uint32_t tk_kvonce_issues(const struct tk_kvonce_entry *entry,
                          struct tk_kvonce_issue issues[TK_KVONCE_ISSUES_MAX]);

/** The projection as a JSON object without `generatedAt`, `stateSequence` inline. Reads the
 * document itself, from the beginning. TK_UNSUPPORTED: it would be longer than `limit`. */
enum tk_status tk_kvonce_projection(struct tk_byte_writer *out, struct tk_event_reader *reader,
                                    size_t limit, struct tk_error *error);

#endif
