/* SPDX-License-Identifier: MIT
 * kvonce-projection.json out of the events of one document: one pass, in which the lists of events
 * and of states grow side by side, and are put together at the end.
 *
 * The state sequence repeats the state of every key for every event, which makes it as long as both
 * together multiplied; hence the limit. */
#include <string.h>

#include "sqlext/kvonce/json_members.h"
#include "sqlext/kvonce/kvonce_fold.h"

struct projection {
  struct tk_kvonce_fold fold;
  struct tk_js_writer events, time;
  struct tk_byte_writer notes, sequence;
  size_t limit;
};

static struct tk_text written(const struct tk_byte_writer *out, size_t begin) {
  const struct tk_text nothing = {0};
  if (out->size == begin) return nothing;
  return (struct tk_text){(const char *)out->data + begin, (uint32_t)(out->size - begin)};
}

static void append_comma(struct tk_byte_writer *out, bool is_first) {
  if (!is_first) tk_byte_writer_append_u8(out, ',');
}

/* ---- the state sequence ---- */

static void append_state(struct tk_byte_writer *out, const struct tk_kvonce_entry *entry) {
  tk_members_append(out, entry->is_written ? "{\"written\":true" : "{\"written\":false");
  tk_members_json(out, ',', "value", entry->state_value.text);
  tk_members_count(out, ',', "retries", entry->retry_count);
  tk_members_count(out, ',', "failures", entry->failure_count);
  tk_members_json(out, ',', "lastFailureReason", entry->last_failure_reason.text);
  tk_members_json(out, ',', "lastSuccessAt", entry->last_success_at.text);
  tk_byte_writer_append_u8(out, '}');
}

static void append_totals(struct tk_byte_writer *out, const struct tk_kvonce_fold *fold) {
  tk_members_count(out, '{', "success", fold->counts[TK_KVONCE_SUCCESS]);
  tk_members_count(out, ',', "retry", fold->counts[TK_KVONCE_RETRY]);
  tk_members_count(out, ',', "failure", fold->counts[TK_KVONCE_FAILURE]);
}

static void append_step(struct tk_byte_writer *out, const struct tk_kvonce_fold *fold,
                        uint64_t ordinal, struct tk_text time, struct tk_text event) {
  append_comma(out, fold->event_count == 1);
  tk_members_count(out, '{', "index", ordinal);
  tk_members_json(out, ',', "timestamp", time);
  tk_members_json(out, ',', "type", fold->last_entry->last_type.text);
  tk_members_json(out, ',', "key", fold->last_entry->key);
  tk_members_json(out, ',', "event", event);
  tk_members_append(out, ",\"store\":{");
  for (uint32_t i = 0; i < fold->ordered_count; i++) {
    append_comma(out, i == 0);
    tk_members_value(out, fold->ordered[i]->name);
    tk_byte_writer_append_u8(out, ':');
    append_state(out, fold->ordered[i]);
  }
  tk_members_append(out, "},\"totals\":");
  append_totals(out, fold);
  tk_members_append(out, "}}");
}

/* ---- events ---- */

static void append_note(struct projection *projection, uint64_t ordinal) {
  const struct tk_kvonce_entry *entry = projection->fold.last_entry;
  append_comma(&projection->notes, projection->notes.size == 0);
  tk_members_count(&projection->notes, '{', "index", ordinal);
  tk_members_append(&projection->notes, ",\"issue\":\"unknown_event_type\"");
  tk_members_json(&projection->notes, ',', "type", entry->last_type.text);
  tk_members_json(&projection->notes, ',', "key", entry->key);
  tk_byte_writer_append_u8(&projection->notes, '}');
}

static enum tk_status check_limit(size_t size, size_t limit, struct tk_error *error) {
  if (size <= limit) return TK_OK;
  return tk_fail(error, TK_UNSUPPORTED,
                 "the projection is longer than %zu bytes; kvonce_keys() and kvonce_state() give"
                 " its parts",
                 limit);
}

static enum tk_status check_size(const struct projection *projection, struct tk_error *error) {
  const size_t size =
      projection->events.out.size + projection->notes.size + projection->sequence.size;
  if (projection->events.out.failed || projection->notes.failed || projection->sequence.failed) {
    return tk_nomem(error);
  }
  return check_limit(size, projection->limit, error);
}

static enum tk_status add_event(struct projection *projection, const struct tk_run_event *event,
                                struct tk_error *error) {
  struct tk_kvonce_fold *fold = &projection->fold;
  struct tk_byte_writer *events = &projection->events.out;
  enum tk_status status = tk_kvonce_fold_add(fold, event, error);
  if (status == TK_OK) status = tk_kvonce_fold_order(fold, error);
  if (status != TK_OK) return status;
  append_comma(events, fold->event_count == 1);
  const size_t begin = events->size;
  tk_js_write_text(&projection->events, event->raw);
  projection->time.out.size = 0;
  if (event->fields[TK_EVENT_TIMESTAMP].data) {
    tk_js_write_text(&projection->time, event->fields[TK_EVENT_TIMESTAMP]);
  }
  if (projection->time.out.failed || events->failed) return tk_nomem(error);
  if (fold->last_type == TK_KVONCE_UNKNOWN) append_note(projection, event->ordinal);
  append_step(&projection->sequence, fold, event->ordinal, written(&projection->time.out, 0),
              written(events, begin));
  return check_size(projection, error);
}

/* ---- what it adds up to ---- */

static void append_list(struct tk_byte_writer *out, const char *name,
                        const struct tk_json_list *list) {
  tk_members_name(out, ',', name);
  tk_json_list_write(out, list);
}

static void append_entry(struct tk_byte_writer *out, const struct tk_kvonce_entry *entry) {
  tk_members_count(out, '{', "successCount", entry->success_count);
  tk_members_count(out, ',', "retries", entry->retry_count);
  append_list(out, "failureReasons", &entry->failure_reasons);
  append_list(out, "retryContexts", &entry->retry_contexts);
  append_list(out, "successContexts", &entry->success_contexts);
  append_list(out, "failureContexts", &entry->failure_contexts);
  tk_members_json(out, ',', "value", entry->value.text);
  tk_members_json(out, ',', "firstTimestamp", entry->first_timestamp.text);
  tk_members_json(out, ',', "lastTimestamp", entry->last_timestamp.text);
  tk_members_json(out, ',', "lastType", entry->last_type.text);
  tk_members_json(out, ',', "lastFailureReason", entry->last_failure_reason.text);
  tk_byte_writer_append_u8(out, '}');
}

static void append_stats(struct tk_byte_writer *out, const struct tk_kvonce_fold *fold) {
  struct tk_kvonce_key_counts keys;
  const uint32_t rate = tk_js_rate_thousandths(fold->counts[TK_KVONCE_SUCCESS], fold->event_count);
  tk_kvonce_count_keys(fold, &keys);
  tk_members_count(out, '{', "totalEvents", fold->event_count);
  tk_members_count(out, ',', "uniqueKeys", fold->keys.count);
  tk_members_append(out, ",\"byType\":");
  append_totals(out, fold);
  tk_members_count(out, ',', "unknown", fold->counts[TK_KVONCE_UNKNOWN]);
  tk_byte_writer_append_u8(out, '}');
  tk_members_count(out, ',', "keysWithSuccess", keys.success);
  tk_members_count(out, ',', "keysWithRetries", keys.retry);
  tk_members_count(out, ',', "keysWithFailures", keys.failure);
  tk_members_count(out, ',', "duplicateFailureKeys", keys.duplicate_failure);
  tk_members_number(out, ',', "successRate", rate / 1000.0);
  tk_members_count(out, ',', "stateSequenceLength", fold->event_count);
  tk_byte_writer_append_u8(out, '}');
}

static void put_together(struct projection *projection, struct tk_byte_writer *out) {
  const struct tk_kvonce_fold *fold = &projection->fold;
  tk_members_append(out, "{\"schemaVersion\":\"kvonce/v1\"");
  tk_members_count(out, ',', "eventCount", fold->event_count);
  tk_members_append(out, ",\"events\":[");
  tk_byte_writer_append(out, projection->events.out.data, projection->events.out.size);
  tk_members_append(out, "],\"perKey\":{");
  for (uint32_t i = 0; i < fold->ordered_count; i++) {
    append_comma(out, i == 0);
    tk_members_value(out, fold->ordered[i]->name);
    tk_byte_writer_append_u8(out, ':');
    append_entry(out, fold->ordered[i]);
  }
  tk_members_append(out, "},\"stats\":");
  append_stats(out, fold);
  if (projection->notes.size > 0) {
    tk_members_append(out, ",\"notes\":[");
    tk_byte_writer_append(out, projection->notes.data, projection->notes.size);
    tk_members_append(out, "]");
  }
  tk_members_append(out, ",\"stateSequence\":[");
  tk_byte_writer_append(out, projection->sequence.data, projection->sequence.size);
  tk_members_append(out, "]}");
}

enum tk_status tk_kvonce_projection(struct tk_byte_writer *out, struct tk_event_reader *reader,
                                    size_t limit, struct tk_error *error) {
  struct projection projection = {.limit = limit,
                                  .fold = {.keep = TK_KVONCE_VALUES | TK_KVONCE_LISTS}};
  const struct tk_run_event *event;
  enum tk_status status;
  while ((status = tk_event_reader_next(reader, &event, error)) == TK_OK && event) {
    if ((status = add_event(&projection, event, error)) != TK_OK) break;
  }
  if (status == TK_OK) status = tk_kvonce_fold_order(&projection.fold, error);
  if (status == TK_OK) {
    put_together(&projection, out);
    status = out->failed ? tk_nomem(error) : check_limit(out->size, limit, error);
  }
  tk_kvonce_fold_reset(&projection.fold);
  tk_js_writer_reset(&projection.events);
  tk_js_writer_reset(&projection.time);
  tk_byte_writer_reset(&projection.notes);
  tk_byte_writer_reset(&projection.sequence);
  return status;
}
