/* SPDX-License-Identifier: MIT
 * Checks of one trace, and of one recorded decision. What a decoder could not use is noticed by
 * what it left unknown; tracestates are read once more to say why. */
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "sqlext/sampling/decision_decoders.h"
#include "sqlext/sampling/sampling_issues.h"
#include "sqlext/vtab_support.h"
#include "store/sqlite_api.h"

/* ---- the list ---- */

static struct tk_text format_text(struct tk_sampling_issue_list *list, const char *format,
                                  va_list arguments) {
  struct tk_text text = {NULL, 0};
  char *made = sqlite3_vmprintf(format, arguments);
  const size_t size = made ? strlen(made) : 0;
  char *copy = made ? tk_arena_alloc_bytes(&list->arena, size + 1) : NULL;
  if (!copy) {
    list->failed = true;
  } else {
    memcpy(copy, made, size + 1);
    text = (struct tk_text){copy, (uint32_t)size};
  }
  sqlite3_free(made);
  return text;
}

struct tk_sampling_issue *tk_sampling_issue_add(struct tk_sampling_issue_list *list,
                                                enum tk_sampling_issue_type type,
                                                const char *format, ...) {
  va_list arguments;
  if (!(list->types >> type & 1) || list->failed) return NULL;
  if (!tk_grow_zeroed(&list->items, &list->capacity, list->count + 1, sizeof *list->items)) {
    list->failed = true;
    return NULL;
  }
  struct tk_sampling_issue *issue = &list->items[list->count++];
  *issue = (struct tk_sampling_issue){.type = type, .row = TK_NO_ROW};
  va_start(arguments, format);
  issue->message = format_text(list, format, arguments);
  va_end(arguments);
  return issue;
}

void tk_sampling_issue_context(struct tk_sampling_issue_list *list, struct tk_sampling_issue *issue,
                               const char *format, ...) {
  va_list arguments;
  if (!issue) return;
  va_start(arguments, format);
  issue->context = format_text(list, format, arguments);
  va_end(arguments);
}

void tk_sampling_issue_list_clear(struct tk_sampling_issue_list *list) {
  tk_arena_reset(&list->arena);
  list->count = 0;
}

void tk_sampling_issue_list_reset(struct tk_sampling_issue_list *list) {
  tk_arena_reset(&list->arena);
  sqlite3_free(list->items);
  *list = (struct tk_sampling_issue_list){.items = NULL};
}

/* A text as JSON, in the list's arena, NUL-terminated; cut where it is long. */
static const char *json_of(struct tk_sampling_issue_list *list, struct tk_text text) {
  struct tk_byte_writer json = {0};
  char *copy;
  if (text.size > 400) text.size = 400;
  tk_json_text(&json, text);
  copy = json.failed ? NULL : tk_arena_alloc_bytes(&list->arena, json.size + 1);
  if (copy) {
    memcpy(copy, json.data, json.size);
    copy[json.size] = '\0';
  } else {
    list->failed = true;
  }
  tk_byte_writer_reset(&json);
  return copy ? copy : "null";
}

/* ---- one decision ---- */

struct check {
  struct tk_sampling_issue_list *list;
  const struct tk_decision_walk *walk;
};

static const struct tk_decision *decision_at(const struct check *check, uint32_t index) {
  return &check->walk->list.items[index];
}

static struct tk_sampling_issue *put(const struct check *check, struct tk_sampling_issue *issue,
                                     uint32_t index, bool is_about_span) {
  if (!issue) return NULL;
  issue->has_part = true;
  issue->part = check->walk->places[index].part;
  issue->row = is_about_span ? check->walk->places[index].row : TK_NO_ROW;
  return issue;
}

static void put_raw(const struct check *check, struct tk_sampling_issue *issue, uint32_t index) {
  const struct tk_decision *decision = decision_at(check, index);
  put(check, issue, index, true);
  if (!issue) return;
  tk_sampling_issue_context(check->list, issue, "{\"source\":\"%s\",\"raw\":%s}",
                            tk_decision_source_name(decision->source),
                            json_of(check->list, decision->raw));
}

/* A span that its own sampler would have dropped. */
static void check_consistency(const struct check *check, uint32_t index) {
  const struct tk_decision *decision = decision_at(check, index);
  struct tk_ot_member member;
  struct tk_sampling_issue *issue;

  if (decision->consistent != 0) return;
  if (decision->threshold >= 0) {
    issue = tk_sampling_issue_add(check->list, TK_ISSUE_INCONSISTENT,
                                  "expected randomness of at least the threshold, %014llx, found "
                                  "%014llx: the span should not be here, and its count is unknown",
                                  (unsigned long long)decision->threshold,
                                  (unsigned long long)decision->randomness);
  } else {
    tk_ot_value_read(decision->raw, &member);
    issue = tk_sampling_issue_add(check->list, TK_ISSUE_INCONSISTENT,
                                  "expected p of at most r, found p:%d and r:%d",
                                  (int)member.p.value, (int)member.r.value);
  }
  put_raw(check, issue, index);
}

/* The form of the ot member. */
static void check_state(const struct check *check, uint32_t index) {
  const struct tk_decision *decision = decision_at(check, index);
  struct tk_sampling_issue_list *list = check->list;
  struct tk_ot_member member;
  struct tk_sampling_issue *issue;

  tk_ot_value_read(decision->raw, &member);
  if (member.th.is_there && !member.th.is_valid) {
    issue = tk_sampling_issue_add(list, TK_ISSUE_THRESHOLD_MALFORMED,
                                  "expected th as 1 to 14 lower-case hexadecimal digits, once");
    put_raw(check, issue, index);
  }
  if (member.rv.is_there && !member.rv.is_valid) {
    issue = tk_sampling_issue_add(list, TK_ISSUE_RANDOMNESS_MALFORMED,
                                  "expected rv as 14 lower-case hexadecimal digits, once");
    put_raw(check, issue, index);
  }
  if ((member.p.is_there && !member.p.is_valid) || (member.r.is_there && !member.r.is_valid)) {
    issue = tk_sampling_issue_add(list, TK_ISSUE_POWER_MALFORMED,
                                  "expected p as 0 to 63 and r as 0 to 62, once each");
    put_raw(check, issue, index);
  }
  if (decision->raw.size > 256) {
    issue = tk_sampling_issue_add(list, TK_ISSUE_STATE_LENGTH,
                                  "expected at most 256 characters behind ot=, found %u",
                                  (unsigned)decision->raw.size);
    put_raw(check, issue, index);
  }
}

/* A rate that is there, but not as one. */
static void check_rate(const struct check *check, uint32_t index) {
  const struct tk_decision *decision = decision_at(check, index);
  struct tk_sampling_issue *issue;

  if (decision->source == TK_SOURCE_HONEYCOMB) {
    if (decision->verdict != TK_VERDICT_UNKNOWN || decision->dry_run) return;
    issue = tk_sampling_issue_add(check->list, TK_ISSUE_SAMPLE_RATE,
                                  "expected a sample rate that is an integer from 1 on");
    put_raw(check, issue, index);
    return;
  }
  const bool is_attribute = decision->source == TK_SOURCE_ATTRIBUTE &&
                            tk_text_is(decision->mechanism, "sampling.probability");
  const bool is_jaeger = decision->source == TK_SOURCE_JAEGER && decision->mechanism.data &&
                         tk_text_is(decision->mechanism, "probabilistic");
  if ((!is_attribute && !is_jaeger) || !isnan(decision->probability)) return;
  issue = tk_sampling_issue_add(check->list, TK_ISSUE_PROBABILITY,
                                "expected a probability above 0 and up to 1");
  put_raw(check, issue, index);
}

static void check_jaeger(const struct check *check, uint32_t index) {
  const struct tk_decision *decision = decision_at(check, index);
  if (decision->source != TK_SOURCE_JAEGER || decision->trace_wide || decision->is_forced) return;
  put_raw(check,
          tk_sampling_issue_add(check->list, TK_ISSUE_OFF_ROOT,
                                "expected sampler.type and sampler.param on the root only"),
          index);
}

/* ---- several decisions ---- */

static bool is_same_row(const struct check *check, uint32_t a, uint32_t b) {
  const struct tk_decision_place *x = &check->walk->places[a], *y = &check->walk->places[b];
  return x->part == y->part && x->row == y->row;
}

/* Decisions of the row that decision `index` is the first of; one behind the last. */
static uint32_t end_of_row(const struct check *check, uint32_t index) {
  uint32_t end = index + 1;
  while (end < check->walk->list.count && is_same_row(check, index, end)) end++;
  return end;
}

static bool is_threshold(const struct tk_decision *decision) {
  return decision->source == TK_SOURCE_TRACE_STATE && decision->threshold >= 0;
}

/* A threshold belongs to spans that were kept. */
static void check_drops_of_row(const struct check *check, uint32_t begin, uint32_t end) {
  uint32_t threshold = end;
  struct tk_sampling_issue *issue;
  for (uint32_t i = begin; i < end; i++) {
    if (is_threshold(decision_at(check, i))) threshold = i;
  }
  if (threshold == end) return;
  for (uint32_t i = begin; i < end; i++) {
    const struct tk_decision *decision = decision_at(check, i);
    if (decision->verdict != TK_VERDICT_DROP || decision->dry_run) continue;
    if (decision->source == TK_SOURCE_FLAGS) {
      issue = tk_sampling_issue_add(check->list, TK_ISSUE_FLAG_THRESHOLD,
                                    "expected the sampled flag with a threshold, found it clear");
    } else {
      issue =
          tk_sampling_issue_add(check->list, TK_ISSUE_THRESHOLD_DROPPED,
                                "expected a threshold on spans that are kept only; %s says drop",
                                tk_decision_source_name(decision->source));
    }
    put_raw(check, issue, i);
  }
}

/* Spans that are here although whoever sampled them said they are not. Once a trace and source. */
static void check_rejects(const struct check *check) {
  uint32_t seen = 0, unsampled = 0, first = 0;
  bool has_span_rule = false;

  for (uint32_t i = 0; i < check->walk->list.count; i++) {
    const struct tk_decision *decision = decision_at(check, i);
    has_span_rule |= decision->source == TK_SOURCE_DATADOG && decision->mechanism.data &&
                     tk_text_is(decision->mechanism, "span_rule");
    if (decision->source == TK_SOURCE_FLAGS && decision->verdict == TK_VERDICT_DROP) {
      if (unsampled++ == 0) first = i;
    }
  }
  if (unsampled > 0) {
    struct tk_sampling_issue *issue = tk_sampling_issue_add(
        check->list, TK_ISSUE_FLAG_UNSAMPLED,
        "expected the sampled flag on what was exported, found it clear (spans: %u)",
        (unsigned)unsampled);
    tk_sampling_issue_context(check->list, issue, "{\"spans\":%u}", (unsigned)unsampled);
    put(check, issue, first, unsampled == 1);
  }
  for (uint32_t i = 0; i < check->walk->list.count; i++) {
    const struct tk_decision *decision = decision_at(check, i);
    const uint32_t bit = TK_SOURCE_BIT(decision->source);
    if (decision->verdict != TK_VERDICT_DROP || decision->dry_run || seen & bit ||
        decision->source == TK_SOURCE_FLAGS || decision->source == TK_SOURCE_ELASTIC ||
        (decision->source == TK_SOURCE_DATADOG && has_span_rule)) {
      continue;
    }
    seen |= bit;
    put_raw(check,
            tk_sampling_issue_add(check->list, TK_ISSUE_STORED_REJECT,
                                  "%s says that the trace was rejected, but it is stored",
                                  tk_decision_source_name(decision->source)),
            i);
  }
}

static bool is_weight(const struct tk_decision *decision) {
  return decision->rank != TK_RANK_NONE && decision->adjusted_count > 0;
}

/* Pairs of sources of a trace that were reported, as bits. */
struct pairs {
  uint32_t seen[TK_SOURCE_COUNT];
};

static void compare_weights(const struct check *check, uint32_t first, uint32_t second,
                            struct pairs *pairs) {
  const struct tk_decision *a = decision_at(check, first), *b = decision_at(check, second);
  if (a->source == b->source || pairs->seen[a->source] >> b->source & 1 ||
      fabs(a->adjusted_count - b->adjusted_count) <=
          0.01 * fmax(a->adjusted_count, b->adjusted_count)) {
    return;
  }
  pairs->seen[a->source] |= TK_SOURCE_BIT(b->source);
  pairs->seen[b->source] |= TK_SOURCE_BIT(a->source);
  const char *name_a = tk_decision_source_name(a->source);
  const char *name_b = tk_decision_source_name(b->source);
  struct tk_sampling_issue *issue =
      tk_sampling_issue_add(check->list, TK_ISSUE_DISAGREEMENT,
                            "expected sources to agree within 1 %%: %s says %.6g, %s says %.6g",
                            name_a, a->adjusted_count, name_b, b->adjusted_count);
  tk_sampling_issue_context(check->list, issue, "{\"%s\":%.15g,\"%s\":%.15g}", name_a,
                            a->adjusted_count, name_b, b->adjusted_count);
  put(check, issue, second, true);
}

/* Those of a row with each other, and with those about the whole trace. Once for each pair of
 * sources in a trace. */
static void check_disagreement(const struct check *check) {
  const uint32_t count = check->walk->list.count;
  uint32_t wide[32], wide_count = 0;
  struct pairs pairs = {{0}};

  for (uint32_t i = 0; i < count && wide_count < sizeof wide / sizeof wide[0]; i++) {
    if (decision_at(check, i)->trace_wide && is_weight(decision_at(check, i))) {
      wide[wide_count++] = i;
    }
  }
  for (uint32_t begin = 0; begin < count;) {
    const uint32_t end = end_of_row(check, begin);
    for (uint32_t i = begin; i < end; i++) {
      if (!is_weight(decision_at(check, i))) continue;
      for (uint32_t k = begin; k < i; k++) {
        if (is_weight(decision_at(check, k))) compare_weights(check, k, i, &pairs);
      }
      for (uint32_t w = 0; w < wide_count; w++) {
        if (wide[w] < begin || wide[w] >= end) compare_weights(check, wide[w], i, &pairs);
      }
    }
    begin = end;
  }
}

/* Thresholds by row of a part, -1 where there is none. */
static enum tk_status read_thresholds(const struct check *check, uint32_t part_index,
                                      int64_t **thresholds_out, struct tk_error *error) {
  const struct tk_decision_part *part = &check->walk->parts[part_index];
  const uint64_t count = part->end_row - part->first_row;
  int64_t *thresholds = sqlite3_malloc64(count * sizeof *thresholds + 1);
  *thresholds_out = thresholds;
  if (!thresholds) return tk_nomem(error);
  for (uint64_t i = 0; i < count; i++) thresholds[i] = -1;
  for (uint32_t i = 0; i < check->walk->list.count; i++) {
    const struct tk_decision_place *place = &check->walk->places[i];
    if (place->part == part_index && is_threshold(decision_at(check, i))) {
      thresholds[place->row - part->first_row] = decision_at(check, i)->threshold;
    }
  }
  return TK_OK;
}

static void check_parent(const struct check *check, uint32_t index, int64_t parent) {
  const int64_t child = decision_at(check, index)->threshold;
  if (parent < 0 || child >= parent) return;
  struct tk_sampling_issue *issue =
      tk_sampling_issue_add(check->list, TK_ISSUE_PARENT_THRESHOLD,
                            "expected a threshold of at least the parent's, %014llx, found %014llx",
                            (unsigned long long)parent, (unsigned long long)child);
  tk_sampling_issue_context(check->list, issue, "{\"parent_threshold\":%lld,\"threshold\":%lld}",
                            (long long)parent, (long long)child);
  put(check, issue, index, true);
}

/* A child that was kept with a greater probability than its parent: not where samplers follow
 * their parents. Both in one segment, which is where nearly all are. */
static enum tk_status check_parents(const struct check *check, struct tk_error *error) {
  const struct tk_decision_walk *walk = check->walk;
  enum tk_status status = TK_OK;

  if (!(check->list->types & TK_ISSUE_BIT(PARENT_THRESHOLD))) return TK_OK;
  for (uint32_t p = 0; p < walk->part_count && status == TK_OK; p++) {
    const struct tk_decision_part *part = &walk->parts[p];
    const uint32_t *parents = NULL;
    int64_t *thresholds = NULL;
    if (!part->rows->uses_states) continue;
    status = read_thresholds(check, p, &thresholds, error);
    if (status == TK_OK) {
      status = tk_reader_parents(walk->reader, part->segment,
                                 tk_segment_granule_of_row(part->segment, part->first_row),
                                 &parents, error);
    }
    for (uint32_t i = 0; i < walk->list.count && status == TK_OK; i++) {
      const struct tk_decision_place *place = &walk->places[i];
      if (place->part != p || !is_threshold(decision_at(check, i))) continue;
      const uint32_t parent = parents[place->row];
      if (parent != UINT32_MAX) check_parent(check, i, thresholds[parent - part->first_row]);
    }
    sqlite3_free(thresholds);
  }
  return status;
}

/* ---- entry points ---- */

enum tk_status tk_sampling_issues_of_trace(struct tk_sampling_issue_list *list,
                                           const struct tk_decision_walk *walk,
                                           struct tk_error *error) {
  const struct check check = {list, walk};
  for (uint32_t begin = 0; begin < walk->list.count;) {
    const uint32_t end = end_of_row(&check, begin);
    bool is_state_checked = false; /* one member may give two decisions */
    for (uint32_t i = begin; i < end; i++) {
      if (walk->list.items[i].source == TK_SOURCE_TRACE_STATE) {
        check_consistency(&check, i);
        if (!is_state_checked) check_state(&check, i);
        is_state_checked = true;
      }
      check_rate(&check, i);
      check_jaeger(&check, i);
    }
    check_drops_of_row(&check, begin, end);
    begin = end;
  }
  check_rejects(&check);
  check_disagreement(&check);
  enum tk_status status = check_parents(&check, error);
  return status == TK_OK && list->failed ? tk_nomem(error) : status;
}

static void put_record(struct tk_sampling_issue_list *list, struct tk_sampling_issue *issue,
                       const struct tk_decision_record *record) {
  if (!issue) return;
  issue->trace_text = record->trace_text;
  issue->span_text = record->span_text;
  issue->service = record->service;
  tk_sampling_issue_context(list, issue, "{\"source\":\"record\",\"raw\":%s}",
                            json_of(list, record->decision.raw));
}

enum tk_status tk_sampling_issues_of_record(struct tk_sampling_issue_list *list,
                                            struct tk_reader *reader,
                                            const struct tk_decision_record *record,
                                            struct tk_error *error) {
  const struct tk_decision *decision = &record->decision;
  if (decision->consistent == 0) {
    put_record(list,
               tk_sampling_issue_add(list, TK_ISSUE_INCONSISTENT,
                                     "expected %s by threshold %014llx and randomness %014llx",
                                     decision->verdict == TK_VERDICT_DROP ? "keep" : "drop",
                                     (unsigned long long)decision->threshold,
                                     (unsigned long long)decision->randomness),
               record);
  }
  if (list->types & TK_ISSUE_BIT(STORED_REJECT) && decision->verdict == TK_VERDICT_DROP &&
      !decision->dry_run && record->has_trace_id && !record->span_text.data) {
    struct tk_trace_place *places = NULL;
    uint32_t count = 0;
    enum tk_status status = tk_reader_find_trace(reader, record->trace_id, &places, &count, error);
    sqlite3_free(places);
    if (status != TK_OK) return status;
    if (count > 0) {
      put_record(list,
                 tk_sampling_issue_add(list, TK_ISSUE_STORED_REJECT,
                                       "record says that the trace was rejected, but it is stored"),
                 record);
    }
  }
  return list->failed ? tk_nomem(error) : TK_OK;
}
