/* SPDX-License-Identifier: MIT
 * Rules about single spans, over the rows of a granule (or of one trace in it): loops over columns,
 * one rule after another. A column that is not stored is all zero, so most rules are over before
 * they begin. Those about attributes are in attribute_rules.c. */
#include <string.h>

#include "sqlext/quality/span_rows.h"

/* ---- times ---- */

static uint64_t seconds(int64_t count) {
  uint64_t ns;
  if (__builtin_mul_overflow((uint64_t)count, (uint64_t)1000000000, &ns)) return UINT64_MAX;
  return ns;
}

static uint64_t add_saturated(uint64_t a, uint64_t b) {
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static void check_time(const struct span_rows *rows, uint32_t row) {
  /* Earlier times look like another unit, or none; those have issues from ingest. */
  static const uint64_t smallest_plausible_ns = 100000000000000000u;
  struct quality *quality = rows->quality;
  const uint64_t start = (uint64_t)rows->starts[row];
  const int64_t duration = tk_ints_at(rows->durations, row);
  const uint64_t end = start + (uint64_t)duration, latest = start > end ? start : end;
  const uint64_t limit =
      add_saturated(quality->now_ns, seconds(tk_quality_threshold(quality, RULE_TIME_FUTURE)));

  if (latest > limit && tk_quality_wants(quality, RULE_TIME_FUTURE) &&
      tk_span_rows_report(rows, RULE_TIME_FUTURE, row)) {
    tk_quality_say(&quality->findings, "%s %llu s later than now",
                   start > limit ? "starts" : "ends",
                   (unsigned long long)((latest - quality->now_ns) / 1000000000u));
    tk_quality_note_unsigned(&quality->findings, "start_ns", start);
    tk_quality_note_unsigned(&quality->findings, "end_ns", end);
  }
  if (start >= smallest_plausible_ns && tk_quality_wants(quality, RULE_TIME_ANCIENT) &&
      start < seconds(tk_quality_threshold(quality, RULE_TIME_ANCIENT)) &&
      tk_span_rows_report(rows, RULE_TIME_ANCIENT, row)) {
    tk_quality_say(&quality->findings, "starts %llu s after 1970, expected at least %lld s",
                   (unsigned long long)(start / 1000000000u),
                   (long long)tk_quality_threshold(quality, RULE_TIME_ANCIENT));
    tk_quality_note_unsigned(&quality->findings, "start_ns", start);
  }
  if (duration > 0 && start > 0 && tk_quality_wants(quality, RULE_TIME_DURATION_EXTREME) &&
      (uint64_t)duration > seconds(tk_quality_threshold(quality, RULE_TIME_DURATION_EXTREME)) &&
      tk_span_rows_report(rows, RULE_TIME_DURATION_EXTREME, row)) {
    tk_quality_say(&quality->findings, "took %lld s, expected at most %lld s",
                   (long long)(duration / 1000000000),
                   (long long)tk_quality_threshold(quality, RULE_TIME_DURATION_EXTREME));
    tk_quality_note_int(&quality->findings, "duration_ns", duration);
  }
}

static enum tk_status check_times(const struct span_rows *rows, struct tk_error *error) {
  (void)error;
  for (uint32_t row = rows->begin; row < rows->end; row++) check_time(rows, row);
  return TK_OK;
}

/* ---- events ---- */
static uint64_t magnitude(int64_t value) {
  return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

static enum tk_status check_events(const struct span_rows *rows, struct tk_error *error) {
  struct quality *quality = rows->quality;
  const int64_t slack = tk_quality_threshold(quality, RULE_TIME_EVENT_OUTSIDE);
  const uint32_t *first;
  struct tk_ints times;
  uint32_t begin, end;
  enum tk_status status = tk_span_rows_items(rows, TK_SCOPE_EVENT, &first, &begin, &end, error);
  if (status != TK_OK || begin == end) return status;
  status = tk_span_rows_item_ints(rows, TK_COL_EVENT_TIME, begin, end, &times, error);
  for (uint32_t row = rows->begin; row < rows->end && status == TK_OK; row++) {
    const int64_t duration = tk_ints_at(rows->durations, row);
    uint32_t outside = 0;
    int64_t furthest = 0;
    if (duration < 0 || rows->starts[row] == 0) continue;
    for (uint32_t item = first[row]; item < first[row + 1]; item++) {
      const int64_t offset = tk_ints_at(times, item);
      const int64_t off = offset < 0 ? offset : offset > duration ? offset - duration : 0;
      if (off >= -slack && off <= slack) continue;
      outside++;
      if (magnitude(off) > magnitude(furthest)) furthest = off;
    }
    if (outside == 0 || !tk_span_rows_report(rows, RULE_TIME_EVENT_OUTSIDE, row)) continue;
    tk_quality_say(&quality->findings, "outside the span: %u of ", outside);
    tk_quality_say_count(&quality->findings, first[row + 1] - first[row], "event");
    if (furthest < 0 && magnitude(furthest) == (uint64_t)rows->starts[row]) {
      tk_quality_say(&quality->findings, ", one without a time");
    } else {
      tk_quality_say(&quality->findings, ", one %llu ns %s",
                     (unsigned long long)magnitude(furthest),
                     furthest < 0 ? "before its start" : "after its end");
    }
    tk_quality_note_unsigned(&quality->findings, "events", outside);
    tk_quality_note_int(&quality->findings, "off_ns", furthest);
  }
  return status;
}

/* ---- names, statuses ---- */

static enum tk_status check_names(const struct span_rows *rows, struct tk_error *error) {
  const struct tk_column *names;
  enum tk_status status = tk_reader_row_column(rows->quality->reader, rows->segment, TK_COL_NAME,
                                               rows->granule, &names, error);
  for (uint32_t row = rows->begin; row < rows->end && status == TK_OK; row++) {
    if (names && tk_column_text(names, row).size > 0) continue;
    if (tk_span_rows_report(rows, RULE_NAME_EMPTY, row)) {
      tk_quality_say(&rows->quality->findings, "the span has no name");
    }
  }
  return status;
}

static void note_status(const struct span_rows *rows, uint32_t row) {
  const int64_t status = tk_ints_at(rows->statuses, row);
  static const char *const names[] = {"unset", "ok", "error"};
  if (status >= 0 && status <= TK_STATUS_ERROR) {
    tk_quality_note_word(&rows->quality->findings, "status", names[status]);
  } else {
    tk_quality_note_int(&rows->quality->findings, "status", status);
  }
}

static enum tk_status check_messages(const struct span_rows *rows, struct tk_error *error) {
  const struct tk_column *messages;
  enum tk_status status = tk_reader_row_column(
      rows->quality->reader, rows->segment, TK_COL_STATUS_MESSAGE, rows->granule, &messages, error);
  for (uint32_t row = rows->begin; row < rows->end && status == TK_OK && messages; row++) {
    if (tk_ints_at(rows->statuses, row) == TK_STATUS_ERROR) continue;
    const struct tk_text text = tk_column_text(messages, row);
    if (text.size == 0 || !tk_span_rows_report(rows, RULE_STATUS_MESSAGE, row)) continue;
    tk_quality_say(&rows->quality->findings, "the status is no error, and has the message ");
    tk_quality_say_text(&rows->quality->findings, text);
    note_status(rows, row);
    tk_quality_note_text(&rows->quality->findings, "message", text);
  }
  return status;
}

static enum tk_status check_exceptions(const struct span_rows *rows, struct tk_error *error) {
  const struct tk_column *names = NULL;
  const uint32_t *first;
  uint32_t begin, end;
  bool any_ok = false;
  for (uint32_t row = rows->begin; row < rows->end; row++) {
    any_ok |= tk_ints_at(rows->statuses, row) == TK_STATUS_OK;
  }
  if (!any_ok) return TK_OK;
  enum tk_status status = tk_span_rows_items(rows, TK_SCOPE_EVENT, &first, &begin, &end, error);
  const uint32_t index = rows->segment->fixed[TK_COL_EVENT_NAME];
  if (status != TK_OK || begin == end || index == TK_NO_COLUMN) return status;
  status = tk_reader_values(rows->quality->reader, rows->segment, index, begin, end, &names, error);
  for (uint32_t row = rows->begin; row < rows->end && status == TK_OK; row++) {
    uint32_t found = 0;
    if (tk_ints_at(rows->statuses, row) != TK_STATUS_OK) continue;
    for (uint32_t item = first[row]; item < first[row + 1]; item++) {
      found += text_is(tk_column_text(names, item), "exception");
    }
    if (found == 0 || !tk_span_rows_report(rows, RULE_STATUS_OK_EXCEPTION, row)) continue;
    tk_quality_say(&rows->quality->findings, "the status is ok, and ");
    tk_quality_say_count(&rows->quality->findings, found, "exception");
    tk_quality_say(&rows->quality->findings, " recorded");
    tk_quality_note_unsigned(&rows->quality->findings, "exceptions", found);
  }
  return status;
}

/* ---- HTTP status ---- */

static int64_t parse_status(struct tk_text text) {
  int64_t number = 0;
  if (text.size != 3) return 0;
  for (uint32_t i = 0; i < 3; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') return 0;
    number = number * 10 + (text.data[i] - '0');
  }
  return number;
}

/* codes[row - begin] of the rows that have an HTTP status, by the first of the names they use. */
static enum tk_status read_http_status(const struct span_rows *rows, int64_t *codes,
                                       struct tk_error *error) {
  const struct quality_lookup *lookup = rows->quality->lookup;
  struct tk_reader *reader = rows->quality->reader;
  enum tk_status status = TK_OK;
  memset(codes, 0, (rows->end - rows->begin) * sizeof *codes);
  for (int i = 0; i < HTTP_STATUS_COUNT; i++) {
    const uint32_t index = lookup->http[i];
    const uint32_t *values;
    const struct tk_column *column;
    if (index == TK_NO_COLUMN) continue;
    status = tk_reader_value_index(reader, rows->segment, index, rows->granule, &values, error);
    for (uint32_t row = rows->begin; row < rows->end && status == TK_OK; row++) {
      if (values[row] == UINT32_MAX || codes[row - rows->begin] != 0) continue;
      status = tk_reader_values(reader, rows->segment, index, values[row], values[row] + 1, &column,
                                error);
      if (status != TK_OK) break;
      codes[row - rows->begin] = tk_http_status_columns[i].type == TK_VALUE_INT
                                     ? tk_ints_at(column->ints, values[row])
                                     : parse_status(tk_column_text(column, values[row]));
    }
    if (status != TK_OK) return status;
  }
  return TK_OK;
}

static void check_http_code(const struct span_rows *rows, uint32_t row, int64_t code) {
  const bool is_error = tk_ints_at(rows->statuses, row) == TK_STATUS_ERROR;
  const bool missing = code >= 500 && code <= 599 && !is_error;
  const bool extra =
      code >= 400 && code <= 499 && is_error && tk_ints_at(rows->kinds, row) == TK_KIND_SERVER;
  struct quality_findings *findings = &rows->quality->findings;
  if ((!missing && !extra) || !tk_span_rows_report(rows, RULE_STATUS_HTTP, row)) return;
  if (missing) {
    tk_quality_say(findings, "HTTP status %lld, expected the status error", (long long)code);
  } else {
    tk_quality_say(findings,
                   "HTTP status %lld of a server span is the client's fault, expected no error",
                   (long long)code);
  }
  tk_quality_note_int(findings, "http_status", code);
  note_status(rows, row);
}

static enum tk_status check_http(const struct span_rows *rows, struct tk_error *error) {
  const struct quality_lookup *lookup = rows->quality->lookup;
  bool any = false;
  for (int i = 0; i < HTTP_STATUS_COUNT; i++) any |= lookup->http[i] != TK_NO_COLUMN;
  if (!any) return TK_OK;
  int64_t *codes = sqlite3_malloc64((uint64_t)(rows->end - rows->begin) * sizeof *codes);
  if (!codes) return tk_nomem(error);
  enum tk_status status = read_http_status(rows, codes, error);
  for (uint32_t row = rows->begin; row < rows->end && status == TK_OK; row++) {
    if (codes[row - rows->begin] >= 400) check_http_code(rows, row, codes[row - rows->begin]);
  }
  sqlite3_free(codes);
  return status;
}

/* ---- trace state ---- */

static enum tk_status check_tracestate(const struct span_rows *rows, struct tk_error *error) {
  const struct tk_column *states;
  struct tk_text last = {NULL, 0};
  const char *fault = NULL;
  enum tk_status status = tk_reader_row_column(rows->quality->reader, rows->segment,
                                               TK_COL_TRACE_STATE, rows->granule, &states, error);
  for (uint32_t row = rows->begin; row < rows->end && status == TK_OK && states; row++) {
    const struct tk_text text = tk_column_text(states, row);
    if (text.size == 0) continue;
    if (text.data != last.data || text.size != last.size) fault = tk_quality_tracestate_fault(text);
    last = text;
    if (!fault || !tk_span_rows_report(rows, RULE_TRACESTATE_INVALID, row)) continue;
    tk_quality_say(&rows->quality->findings, "the trace state has %s", fault);
    tk_quality_note_word(&rows->quality->findings, "fault", fault);
    tk_quality_note_text(&rows->quality->findings, "trace_state", text);
  }
  return status;
}

/* ---- links ---- */

static enum tk_status check_links(const struct span_rows *rows, struct tk_error *error) {
  struct tk_reader *reader = rows->quality->reader;
  const struct tk_segment *segment = rows->segment;
  const uint8_t *span_id, *trace_id, *linked_span, *linked_trace;
  const uint32_t *first;
  uint32_t begin, end;
  enum tk_status status = tk_span_rows_items(rows, TK_SCOPE_LINK, &first, &begin, &end, error);
  uint32_t row = rows->begin, reported = UINT32_MAX;
  for (uint32_t item = begin; item < end && status == TK_OK; item++) {
    row = span_row_of_item(first, item, row);
    if (row == reported) continue;
    if ((status = tk_fixed_value(reader, segment, TK_COL_SPAN_ID, row, &span_id, error)) != TK_OK ||
        (status = tk_fixed_value(reader, segment, TK_COL_LINK_SPAN_ID, item, &linked_span,
                                 error)) != TK_OK) {
      break;
    }
    if (memcmp(span_id, linked_span, 8) != 0) continue;
    status = tk_fixed_value(reader, segment, TK_COL_TRACE_ID, rows->traces[row], &trace_id, error);
    if (status == TK_OK) {
      status = tk_fixed_value(reader, segment, TK_COL_LINK_TRACE_ID, item, &linked_trace, error);
    }
    if (status != TK_OK || memcmp(trace_id, linked_trace, 16) != 0) continue;
    reported = row;
    if (tk_span_rows_report(rows, RULE_LINK_SELF, row)) {
      tk_quality_say(&rows->quality->findings, "the span links to itself");
    }
  }
  return status;
}

/* ---- what was dropped ---- */

struct dropped {
  int64_t attributes, events, links, item_attributes;
};

static enum tk_status add_dropped_of_items(const struct span_rows *rows,
                                           enum tk_attribute_scope scope,
                                           enum tk_column_number number, struct dropped *dropped,
                                           struct tk_error *error) {
  const uint32_t *first;
  struct tk_ints counts;
  uint32_t begin, end, row = rows->begin;
  if (rows->segment->fixed[number] == TK_NO_COLUMN) return TK_OK;
  enum tk_status status = tk_span_rows_items(rows, scope, &first, &begin, &end, error);
  if (status == TK_OK) status = tk_span_rows_item_ints(rows, number, begin, end, &counts, error);
  for (uint32_t item = begin; status == TK_OK && item < end; item++) {
    row = span_row_of_item(first, item, row);
    dropped[row - rows->begin].item_attributes += tk_ints_at(counts, item);
  }
  return status;
}

static enum tk_status read_dropped(const struct span_rows *rows, struct dropped *dropped,
                                   struct tk_error *error) {
  struct tk_ints attributes, events, links;
  struct tk_reader *reader = rows->quality->reader;
  enum tk_status status;
  if ((status = tk_row_ints(reader, rows->segment, TK_COL_DROPPED_ATTRIBUTES, rows->granule,
                            &attributes, error)) != TK_OK ||
      (status = tk_row_ints(reader, rows->segment, TK_COL_DROPPED_EVENTS, rows->granule, &events,
                            error)) != TK_OK ||
      (status = tk_row_ints(reader, rows->segment, TK_COL_DROPPED_LINKS, rows->granule, &links,
                            error)) != TK_OK) {
    return status;
  }
  for (uint32_t row = rows->begin; row < rows->end; row++) {
    dropped[row - rows->begin] = (struct dropped){
        tk_ints_at(attributes, row), tk_ints_at(events, row), tk_ints_at(links, row), 0};
  }
  status =
      add_dropped_of_items(rows, TK_SCOPE_EVENT, TK_COL_EVENT_DROPPED_ATTRIBUTES, dropped, error);
  if (status != TK_OK) return status;
  return add_dropped_of_items(rows, TK_SCOPE_LINK, TK_COL_LINK_DROPPED_ATTRIBUTES, dropped, error);
}

static bool has_dropped(const struct tk_segment *segment) {
  static const enum tk_column_number numbers[] = {
      TK_COL_DROPPED_ATTRIBUTES, TK_COL_DROPPED_EVENTS, TK_COL_DROPPED_LINKS,
      TK_COL_EVENT_DROPPED_ATTRIBUTES, TK_COL_LINK_DROPPED_ATTRIBUTES};
  bool has = false;
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    has |= segment->fixed[numbers[i]] != TK_NO_COLUMN;
  }
  return has;
}

static enum tk_status check_dropped(const struct span_rows *rows, struct tk_error *error) {
  if (!has_dropped(rows->segment)) return TK_OK;
  struct dropped *dropped = sqlite3_malloc64((uint64_t)(rows->end - rows->begin) * sizeof *dropped);
  if (!dropped) return tk_nomem(error);
  enum tk_status status = read_dropped(rows, dropped, error);
  for (uint32_t row = rows->begin; row < rows->end && status == TK_OK; row++) {
    const struct dropped *lost = &dropped[row - rows->begin];
    struct quality_findings *findings = &rows->quality->findings;
    if ((lost->attributes | lost->events | lost->links | lost->item_attributes) == 0 ||
        !tk_span_rows_report(rows, RULE_ATTR_DROPPED, row)) {
      continue;
    }
    tk_quality_say(
        findings,
        "the producer dropped %lld attributes, %lld events, %lld links, and %lld attributes "
        "of these",
        (long long)lost->attributes, (long long)lost->events, (long long)lost->links,
        (long long)lost->item_attributes);
    tk_quality_note_int(findings, "attributes", lost->attributes);
    tk_quality_note_int(findings, "events", lost->events);
    tk_quality_note_int(findings, "links", lost->links);
    tk_quality_note_int(findings, "attributes_of_events_and_links", lost->item_attributes);
  }
  sqlite3_free(dropped);
  return status;
}

/* ---- all of them ---- */

static enum tk_status read_columns(struct span_rows *rows, struct tk_error *error) {
  struct tk_reader *reader = rows->quality->reader;
  const struct tk_segment *segment = rows->segment;
  const uint32_t granule = rows->granule;
  enum tk_status status;
  if ((status = tk_reader_traces(reader, segment, granule, &rows->traces, error)) != TK_OK ||
      (status = tk_row_ints(reader, segment, TK_COL_RESOURCE, granule, &rows->resources, error)) !=
          TK_OK ||
      (status = tk_reader_starts(reader, segment, granule, &rows->starts, error)) != TK_OK ||
      (status = tk_row_ints(reader, segment, TK_COL_DURATION, granule, &rows->durations, error)) !=
          TK_OK ||
      (status = tk_row_ints(reader, segment, TK_COL_KIND, granule, &rows->kinds, error)) != TK_OK) {
    return status;
  }
  return tk_row_ints(reader, segment, TK_COL_STATUS_CODE, granule, &rows->statuses, error);
}

enum tk_status tk_quality_spans(struct quality *quality, const struct quality_part *range,
                                struct tk_error *error) {
  static const struct {
    uint64_t rules;
    enum tk_status (*check)(const struct span_rows *rows, struct tk_error *error);
  } checks[] = {
      {RULE_BIT(RULE_TIME_FUTURE) | RULE_BIT(RULE_TIME_ANCIENT) |
           RULE_BIT(RULE_TIME_DURATION_EXTREME),
       check_times},
      {RULE_BIT(RULE_TIME_EVENT_OUTSIDE), check_events},
      {RULE_BIT(RULE_NAME_EMPTY), check_names},
      {RULE_BIT(RULE_STATUS_MESSAGE), check_messages},
      {RULE_BIT(RULE_STATUS_OK_EXCEPTION), check_exceptions},
      {RULE_BIT(RULE_STATUS_HTTP), check_http},
      {RULE_BIT(RULE_TRACESTATE_INVALID), check_tracestate},
      {RULE_BIT(RULE_LINK_SELF), check_links},
      {RULE_BIT(RULE_ATTR_DROPPED), check_dropped},
      {RULE_BIT(RULE_ATTR_TOO_LONG) | RULE_BIT(RULE_ATTR_NULL_VALUE) |
           RULE_BIT(RULE_SECRET_SUSPECT),
       tk_check_attributes},
      {RULE_BIT(RULE_ATTR_TOO_MANY), tk_check_attribute_counts},
      {RULE_BIT(RULE_DUP_NAMES_DISAGREE), tk_check_old_names},
  };
  struct span_rows rows = {.quality = quality,
                           .segment_index = range->segment_index,
                           .granule = range->granule,
                           .begin = range->begin,
                           .end = range->end};
  enum tk_status status = tk_quality_segment(quality, range->segment_index, &rows.segment, error);
  if (status != TK_OK || range->begin >= range->end) return status;
  if ((status = tk_span_rows_look_up(&rows, error)) != TK_OK) return status;
  if ((status = read_columns(&rows, error)) != TK_OK) return status;
  for (size_t i = 0; i < sizeof checks / sizeof *checks && status == TK_OK; i++) {
    if (quality->rules & checks[i].rules) status = checks[i].check(&rows, error);
  }
  return status;
}
