/* SPDX-License-Identifier: MIT
 * The fold over KvOnce events, and the rules that are about its result. Memory is by key, not by
 * event, unless lists are kept: a rule needs counts, and the first event that breaks it. */
#include "sqlext/kvonce/kvonce_fold.h"

#include <stdlib.h>
#include <string.h>

#include "sqlext/tables/table_support.h"

void tk_kvonce_fold_reset(struct tk_kvonce_fold *fold) {
  const unsigned keep = fold->keep;
  tk_arena_reset(&fold->arena);
  tk_js_writer_reset(&fold->scratch);
  tk_byte_writer_reset(&fold->trace);
  tk_interner_reset(&fold->keys);
  tk_trace_sets_reset(&fold->traces);
  sqlite3_free(fold->entries);
  sqlite3_free(fold->ordered);
  memset(fold, 0, sizeof *fold);
  fold->keep = keep;
}

/* ---- texts ---- */

/* In the scratch, good until the next call; data NULL: absent or null. */
static enum tk_status make_canonical(struct tk_kvonce_fold *fold, struct tk_text json,
                                     struct tk_text *text_out, struct tk_error *error) {
  *text_out = (struct tk_text){0};
  if (tk_json_is_null(json)) return TK_OK;
  fold->scratch.out.size = 0;
  tk_js_write_text(&fold->scratch, json);
  uint8_t *padding = tk_byte_writer_reserve(&fold->scratch.out, TK_JSON_PADDING);
  if (!padding) return tk_nomem(error);
  memset(padding, 0, TK_JSON_PADDING); /* it may be parsed again */
  *text_out =
      (struct tk_text){(const char *)fold->scratch.out.data, (uint32_t)fold->scratch.out.size};
  return TK_OK;
}

static bool text_is(struct tk_text text, const char *literal) {
  return text.size == strlen(literal) && memcmp(text.data, literal, text.size) == 0;
}

/* ---- entries ---- */

static const struct tk_text unknown_text = {"\"unknown\"", 9};

static enum tk_status name_key(struct tk_kvonce_fold *fold, struct tk_kvonce_entry *entry,
                               struct tk_error *error) {
  struct tk_byte_writer name = {0};
  if (entry->key.data[0] == '"') {
    entry->name = entry->key;
    return TK_OK;
  }
  tk_js_write_string(&name, entry->key);
  const struct tk_text text = {(const char *)name.data, (uint32_t)name.size};
  const bool done = !name.failed && tk_copy_text(&fold->arena, text, &entry->name);
  tk_byte_writer_reset(&name);
  return done ? TK_OK : tk_nomem(error);
}

static enum tk_status find_entry(struct tk_kvonce_fold *fold, const struct tk_run_event *event,
                                 struct tk_kvonce_entry **entry_out, struct tk_error *error) {
  struct tk_text key;
  bool is_new;
  enum tk_status status = make_canonical(fold, event->fields[TK_EVENT_KEY], &key, error);
  if (status != TK_OK) return status;
  if (tk_json_is_null(key)) key = unknown_text;
  const uint32_t number = tk_interner_add(&fold->keys, key, &is_new);
  if (number == TK_INTERNER_FAILED ||
      !tk_grow_zeroed(&fold->entries, &fold->entry_capacity, number + 1, sizeof *fold->entries)) {
    return tk_nomem(error);
  }
  if (!is_new) {
    *entry_out = fold->entries[number];
    return TK_OK;
  }
  struct tk_kvonce_entry *entry = tk_arena_alloc(&fold->arena, sizeof *entry);
  if (!entry) return tk_nomem(error);
  memset(entry, 0, sizeof *entry);
  entry->first_ordinal = event->ordinal;
  entry->second_success = entry->exact_duplicate = entry->excess_retry = TK_NO_ORDINAL;
  entry->missing_attempt = entry->wrong_attempt = entry->success_attempt = TK_NO_ORDINAL;
  if (!tk_copy_text(&fold->arena, key, &entry->key)) return tk_nomem(error);
  fold->keys.items[number] = entry->key;
  fold->entries[number] = *entry_out = entry;
  return name_key(fold, entry, error);
}

static enum tk_status add_trace(struct tk_kvonce_fold *fold, struct tk_kvonce_entry *entry,
                                const struct tk_run_event *event, struct tk_error *error) {
  struct tk_byte_writer *json = &fold->scratch.out;
  if (!tk_event_span_trace(event, &fold->trace)) return tk_nomem(error);
  if (fold->trace.size == 0) return TK_OK;
  json->size = 0;
  tk_js_write_string(json,
                     (struct tk_text){(const char *)fold->trace.data, (uint32_t)fold->trace.size});
  if (json->failed) return tk_nomem(error);
  const struct tk_text trace = {(const char *)json->data, (uint32_t)json->size};
  return tk_trace_set_add(&fold->traces, &entry->traces, &fold->arena, trace) ? TK_OK
                                                                              : tk_nomem(error);
}

/* ---- attempts ---- */

/* The attempt number a context gives (canonical JSON), or data NULL. */
static struct tk_text find_attempt(struct tk_text context) {
  struct tk_text attempt = {0}, attempts = {0};
  struct tk_json json;
  tk_json_init(&json, context.data, context.size);
  const enum tk_json_type type = tk_json_peek(&json);
  if (type == TK_JSON_NUMBER) return context;
  if (type != TK_JSON_OBJECT) return attempt;
  for (bool more = tk_json_enter_object(&json); more; more = tk_json_next_member(&json)) {
    const struct tk_json_string key = tk_json_key(&json);
    const bool is_number = tk_json_peek(&json) == TK_JSON_NUMBER;
    const struct tk_text value = tk_json_skip(&json);
    const struct tk_text name = {key.data, key.size};
    if (is_number && text_is(name, "attempt")) attempt = value;
    if (is_number && text_is(name, "attempts")) attempts = value;
  }
  return attempt.data ? attempt : attempts;
}

static bool is_count(struct tk_text number, uint64_t count) {
  char text[24];
  sqlite3_snprintf(sizeof text, text, "%llu", (unsigned long long)count);
  return text_is(number, text);
}

static enum tk_status check_context(struct tk_kvonce_fold *fold, struct tk_kvonce_entry *entry,
                                    const struct tk_run_event *event, enum tk_kvonce_type type,
                                    struct tk_text context, struct tk_error *error) {
  if (type == TK_KVONCE_FAILURE) return TK_OK;
  if (type == TK_KVONCE_RETRY) entry->retry_context_count++;
  const struct tk_text attempt = find_attempt(context);
  bool copied = true;
  if (type == TK_KVONCE_SUCCESS) {
    if (attempt.data && entry->success_attempt == TK_NO_ORDINAL) {
      entry->success_attempt = event->ordinal;
      copied = tk_copy_text(&fold->arena, attempt, &entry->success_attempt_text);
    }
  } else if (!attempt.data) {
    if (entry->missing_attempt == TK_NO_ORDINAL) entry->missing_attempt = event->ordinal;
  } else if (entry->wrong_attempt == TK_NO_ORDINAL &&
             !is_count(attempt, entry->retry_context_count)) {
    entry->wrong_attempt = event->ordinal;
    entry->expected_attempt = entry->retry_context_count;
    copied = tk_copy_text(&fold->arena, attempt, &entry->wrong_attempt_text);
  }
  return copied ? TK_OK : tk_nomem(error);
}

static enum tk_status add_context(struct tk_kvonce_fold *fold, struct tk_kvonce_entry *entry,
                                  const struct tk_run_event *event, enum tk_kvonce_type type,
                                  struct tk_error *error) {
  struct tk_json_list *const lists[] = {[TK_KVONCE_SUCCESS] = &entry->success_contexts,
                                        [TK_KVONCE_RETRY] = &entry->retry_contexts,
                                        [TK_KVONCE_FAILURE] = &entry->failure_contexts};
  const struct tk_text json = event->fields[TK_EVENT_CONTEXT];
  struct tk_text context;
  if (!json.data) return TK_OK;
  enum tk_status status = make_canonical(fold, json, &context, error);
  if (status != TK_OK) return status;
  if (!context.data) context = (struct tk_text){"null", 4}; /* present all the same */
  status = check_context(fold, entry, event, type, context, error);
  if (status == TK_OK && (fold->keep & TK_KVONCE_LISTS) &&
      !tk_json_list_append(&fold->arena, lists[type], context)) {
    status = tk_nomem(error);
  }
  return status;
}

/* ---- events ---- */

static enum tk_status keep_value(struct tk_kvonce_fold *fold, struct tk_text_slot *slot,
                                 struct tk_text json, struct tk_error *error) {
  struct tk_text text;
  if (!(fold->keep & TK_KVONCE_VALUES)) return TK_OK;
  enum tk_status status = make_canonical(fold, json, &text, error);
  if (status == TK_OK && !tk_text_slot_set(&fold->arena, slot, text)) status = tk_nomem(error);
  return status;
}

/* As `if (value)` has it. */
static bool is_truthy(struct tk_text canonical) {
  return !tk_json_is_null(canonical) && !text_is(canonical, "false") && !text_is(canonical, "0") &&
         !text_is(canonical, "\"\"");
}

static enum tk_status keep_times(struct tk_kvonce_fold *fold, struct tk_kvonce_entry *entry,
                                 const struct tk_run_event *event, struct tk_error *error) {
  struct tk_text time;
  if (!(fold->keep & TK_KVONCE_VALUES)) return TK_OK;
  enum tk_status status = make_canonical(fold, event->fields[TK_EVENT_TIMESTAMP], &time, error);
  if (status != TK_OK) return status;
  if (tk_json_is_null(time)) return TK_OK;
  if (!entry->first_timestamp.text.data &&
      !tk_text_slot_set(&fold->arena, &entry->first_timestamp, time)) {
    return tk_nomem(error);
  }
  if (is_truthy(time) && !tk_text_slot_set(&fold->arena, &entry->last_timestamp, time)) {
    return tk_nomem(error);
  }
  return TK_OK;
}

static enum tk_status add_success(struct tk_kvonce_fold *fold, struct tk_kvonce_entry *entry,
                                  const struct tk_run_event *event, struct tk_error *error) {
  const struct tk_text value = event->fields[TK_EVENT_VALUE];
  const struct tk_text time = event->fields[TK_EVENT_TIMESTAMP];
  enum tk_status status = TK_OK;
  if (++entry->success_count == 2) entry->second_success = event->ordinal;
  entry->is_written = true;
  if (!tk_json_is_null(value)) status = keep_value(fold, &entry->value, value, error);
  if (status == TK_OK && value.data) status = keep_value(fold, &entry->state_value, value, error);
  if (status == TK_OK && !tk_json_is_null(time)) {
    status = keep_value(fold, &entry->last_success_at, time, error);
  }
  return status;
}

static enum tk_status add_failure(struct tk_kvonce_fold *fold, struct tk_kvonce_entry *entry,
                                  const struct tk_run_event *event, struct tk_error *error) {
  struct tk_text reason;
  entry->failure_count++;
  enum tk_status status = make_canonical(fold, event->fields[TK_EVENT_REASON], &reason, error);
  if (status != TK_OK) return status;
  const bool has_reason = !tk_json_is_null(reason);
  if (has_reason && text_is(reason, "\"duplicate\"") && entry->exact_duplicate == TK_NO_ORDINAL) {
    entry->exact_duplicate = event->ordinal;
  }
  if (has_reason && reason.size == 11 && sqlite3_strnicmp(reason.data, "\"duplicate\"", 11) == 0) {
    entry->has_duplicate_reason = true;
  }
  if ((fold->keep & TK_KVONCE_LISTS) && !tk_json_list_append(&fold->arena, &entry->failure_reasons,
                                                             has_reason ? reason : unknown_text)) {
    return tk_nomem(error);
  }
  if (has_reason && (fold->keep & TK_KVONCE_VALUES) &&
      !tk_text_slot_set(&fold->arena, &entry->last_failure_reason, reason)) {
    return tk_nomem(error);
  }
  return TK_OK;
}

static enum tk_status read_type(struct tk_kvonce_fold *fold, struct tk_kvonce_entry *entry,
                                const struct tk_run_event *event, enum tk_kvonce_type *type_out,
                                struct tk_error *error) {
  static const char *const names[] = {[TK_KVONCE_SUCCESS] = "\"success\"",
                                      [TK_KVONCE_RETRY] = "\"retry\"",
                                      [TK_KVONCE_FAILURE] = "\"failure\""};
  struct tk_text type;
  *type_out = TK_KVONCE_UNKNOWN;
  enum tk_status status = make_canonical(fold, event->fields[TK_EVENT_TYPE], &type, error);
  if (status != TK_OK) return status;
  if (tk_json_is_null(type)) type = unknown_text;
  for (int i = 0; i < TK_KVONCE_UNKNOWN; i++) {
    if (text_is(type, names[i])) *type_out = (enum tk_kvonce_type)i;
  }
  if ((fold->keep & TK_KVONCE_VALUES) && !tk_text_slot_set(&fold->arena, &entry->last_type, type)) {
    return tk_nomem(error);
  }
  return TK_OK;
}

enum tk_status tk_kvonce_fold_add(struct tk_kvonce_fold *fold, const struct tk_run_event *event,
                                  struct tk_error *error) {
  struct tk_kvonce_entry *entry = NULL;
  enum tk_kvonce_type type = TK_KVONCE_UNKNOWN;
  enum tk_status status = find_entry(fold, event, &entry, error);
  if (status == TK_OK) status = read_type(fold, entry, event, &type, error);
  if (status == TK_OK) status = keep_times(fold, entry, event, error);
  if (status == TK_OK && (fold->keep & TK_KVONCE_TRACES)) {
    status = add_trace(fold, entry, event, error);
  }
  if (status != TK_OK) return status;
  entry->last_ordinal = event->ordinal;
  fold->event_count++;
  fold->counts[type]++;
  fold->last_type = type;
  fold->last_entry = entry;
  if (type == TK_KVONCE_UNKNOWN) return TK_OK;
  if (type == TK_KVONCE_RETRY && ++entry->retry_count == TK_KVONCE_MAX_RETRIES + 1) {
    entry->excess_retry = event->ordinal;
  }
  if (type == TK_KVONCE_SUCCESS) status = add_success(fold, entry, event, error);
  if (type == TK_KVONCE_FAILURE) status = add_failure(fold, entry, event, error);
  return status == TK_OK ? add_context(fold, entry, event, type, error) : status;
}

enum tk_status tk_kvonce_fold_document(struct tk_kvonce_fold *fold, struct tk_event_reader *reader,
                                       uint64_t last, struct tk_error *error) {
  const struct tk_run_event *event;
  enum tk_status status;
  while ((status = tk_event_reader_next(reader, &event, error)) == TK_OK && event) {
    if (event->ordinal > last) return TK_OK;
    if ((status = tk_kvonce_fold_add(fold, event, error)) != TK_OK) return status;
  }
  return status;
}

/* ---- order ---- */

static bool index_of(const struct tk_kvonce_entry *entry, uint32_t *index) {
  const struct tk_text name = {entry->name.data + 1, entry->name.size - 2};
  return tk_js_array_index(name, index);
}

static int compare_indexes(const void *a, const void *b) {
  struct tk_kvonce_entry *entry_a, *entry_b;
  uint32_t index_a = 0, index_b = 0;
  memcpy(&entry_a, a, sizeof entry_a);
  memcpy(&entry_b, b, sizeof entry_b);
  index_of(entry_a, &index_a);
  index_of(entry_b, &index_b);
  return index_a < index_b ? -1 : index_a > index_b;
}

enum tk_status tk_kvonce_fold_order(struct tk_kvonce_fold *fold, struct tk_error *error) {
  const uint32_t count = fold->keys.count;
  struct tk_interner names = {0};
  uint32_t index, index_count = 0;
  bool is_new;
  if (fold->ordered && fold->ordered_of == count) return TK_OK;
  /* In the order the names came; then those that are indexes, sorted, before the others. */
  struct tk_kvonce_entry **named = sqlite3_malloc64((uint64_t)count * sizeof(void *) + 1);
  struct tk_kvonce_entry **ordered = sqlite3_malloc64((uint64_t)count * sizeof(void *) + 1);
  enum tk_status status = named && ordered ? TK_OK : tk_nomem(error);
  for (uint32_t i = 0; i < count && status == TK_OK; i++) {
    const uint32_t number = tk_interner_add(&names, fold->entries[i]->name, &is_new);
    if (number == TK_INTERNER_FAILED) {
      status = tk_nomem(error);
    } else {
      named[number] = fold->entries[i];
    }
  }
  for (uint32_t i = 0; i < names.count && status == TK_OK; i++) {
    if (index_of(named[i], &index)) ordered[index_count++] = named[i];
  }
  if (status == TK_OK) {
    qsort(ordered, index_count, sizeof *ordered, compare_indexes);
    fold->ordered_count = index_count;
    for (uint32_t i = 0; i < names.count; i++) {
      if (!index_of(named[i], &index)) ordered[fold->ordered_count++] = named[i];
    }
    fold->ordered_of = count;
    sqlite3_free(fold->ordered);
    fold->ordered = ordered;
    ordered = NULL;
  }
  tk_interner_reset(&names);
  sqlite3_free(named);
  sqlite3_free(ordered);
  return status;
}

void tk_kvonce_count_keys(const struct tk_kvonce_fold *fold, struct tk_kvonce_key_counts *counts) {
  *counts = (struct tk_kvonce_key_counts){0};
  for (uint32_t i = 0; i < fold->keys.count; i++) {
    const struct tk_kvonce_entry *entry = fold->entries[i];
    counts->success += entry->success_count > 0;
    counts->retry += entry->retry_count > 0;
    counts->failure += entry->failure_count > 0;
    counts->duplicate_failure += entry->has_duplicate_reason;
  }
}

/* ---- rules ---- */

static struct tk_kvonce_issue *add_issue(struct tk_kvonce_issue *issues, uint32_t *count,
                                         const struct tk_kvonce_entry *entry, const char *type,
                                         uint64_t ordinal) {
  struct tk_kvonce_issue *issue = &issues[(*count)++];
  *issue = (struct tk_kvonce_issue){.entry = entry, .type = type, .ordinal = ordinal};
  return issue;
}

#define MESSAGE(issue, ...) \
  sqlite3_snprintf((int)sizeof(issue)->message, (issue)->message, __VA_ARGS__)

uint32_t tk_kvonce_issues(const struct tk_kvonce_entry *entry,
                          struct tk_kvonce_issue issues[TK_KVONCE_ISSUES_MAX]) {
  struct tk_kvonce_issue *issue;
  uint32_t count = 0;
  if (entry->success_count > 1) {
    issue = add_issue(issues, &count, entry, "multiple-success", entry->second_success);
    MESSAGE(issue, "success appeared %llu times", (unsigned long long)entry->success_count);
  }
  if (entry->exact_duplicate != TK_NO_ORDINAL && entry->success_count == 0) {
    issue = add_issue(issues, &count, entry, "duplicate-without-success", entry->exact_duplicate);
    MESSAGE(issue, "duplicate failure emitted before any success");
  }
  if (entry->retry_count > TK_KVONCE_MAX_RETRIES) {
    issue = add_issue(issues, &count, entry, "retry-bound-exceeded", entry->excess_retry);
    MESSAGE(issue, "retry count %llu exceeded MAX_RETRIES %d",
            (unsigned long long)entry->retry_count, TK_KVONCE_MAX_RETRIES);
  }
  if (entry->retry_context_count == 0) return count;
  if (entry->missing_attempt != TK_NO_ORDINAL) {
    issue = add_issue(issues, &count, entry, "retry-context-missing", entry->missing_attempt);
    MESSAGE(issue, "retry event missing attempt number in context");
  } else if (entry->wrong_attempt != TK_NO_ORDINAL) {
    issue = add_issue(issues, &count, entry, "retry-attempt-out-of-sequence", entry->wrong_attempt);
    MESSAGE(issue, "retry attempt %.*s expected %llu", (int)entry->wrong_attempt_text.size,
            entry->wrong_attempt_text.data, (unsigned long long)entry->expected_attempt);
  }
  if (entry->success_attempt != TK_NO_ORDINAL &&
      !is_count(entry->success_attempt_text, entry->retry_context_count + 1)) {
    issue = add_issue(issues, &count, entry, "success-attempt-mismatch", entry->success_attempt);
    MESSAGE(issue, "success attempt %.*s inconsistent with %llu retries",
            (int)entry->success_attempt_text.size, entry->success_attempt_text.data,
            (unsigned long long)entry->retry_context_count);
  }
  return count;
}
