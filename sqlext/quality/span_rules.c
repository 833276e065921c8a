/* SPDX-License-Identifier: MIT
 * Rules about single spans, over the rows of a granule (or of one trace in it): loops over columns,
 * one rule after another. A column that is not stored is all zero, so most rules are over before
 * they begin. Attributes go by key: of the keys that the rows have, the columns that can matter. */
#include <stdlib.h>
#include <string.h>

#include "sqlext/quality/quality.h"
#include "store/value_codec.h"

enum { ITEM_SCOPES = TK_SCOPE_LINK + 1, UNKNOWN = 0, NO_LONG = 1, SOME_LONG = 2 };

/* The same attribute by its new and by its old name, where the values did not change. */
static const struct {
  const char *name, *old_name;
} renamed[] = {{"http.request.method", "http.method"},
               {"http.response.status_code", "http.status_code"},
               {"url.full", "http.url"},
               {"url.scheme", "http.scheme"},
               {"user_agent.original", "http.user_agent"},
               {"server.address", "net.host.name"},
               {"server.port", "net.host.port"},
               {"network.peer.address", "net.sock.peer.addr"},
               {"network.peer.port", "net.sock.peer.port"},
               {"db.query.text", "db.statement"},
               {"db.operation.name", "db.operation"},
               {"db.namespace", "db.name"},
               {"rpc.system.name", "rpc.system"},
               {"messaging.destination.name", "messaging.destination"},
               {"code.file.path", "code.filepath"},
               {"code.line.number", "code.lineno"},
               {"deployment.environment.name", "deployment.environment"}};
enum { RENAMED_COUNT = sizeof renamed / sizeof renamed[0] };

static const struct {
  const char *key;
  enum tk_value_type type;
} http_status[] = {{"http.response.status_code", TK_VALUE_INT},
                   {"http.response.status_code", TK_VALUE_STRING},
                   {"http.status_code", TK_VALUE_INT},
                   {"http.status_code", TK_VALUE_STRING}};
enum { HTTP_STATUS_COUNT = sizeof http_status / sizeof http_status[0] };

struct quality_lookup {
  uint32_t segment_index;
  uint32_t http[HTTP_STATUS_COUNT]; /* columns, or TK_NO_COLUMN */
  struct {
    uint32_t pair, column, old_column;
  } pairs[4 * RENAMED_COUNT];
  uint32_t pair_count;
  uint8_t *long_states, *used; /* by column */
  uint32_t long_capacity, used_capacity;
  uint32_t *used_list;
  uint32_t used_list_capacity;
  struct tk_arena arena;
};

void tk_quality_lookup_free(struct quality_lookup *lookup) {
  if (!lookup) return;
  sqlite3_free(lookup->long_states);
  sqlite3_free(lookup->used);
  sqlite3_free(lookup->used_list);
  tk_arena_reset(&lookup->arena);
  sqlite3_free(lookup);
}

/* The rows that are looked at, and columns of them. */
struct rows {
  struct quality *quality;
  const struct tk_segment *segment;
  uint32_t segment_index, granule, begin, end;
  const uint32_t *traces;
  const int64_t *starts;
  struct tk_ints resources, durations, kinds, statuses;
};

static bool report(const struct rows *rows, enum quality_rule rule, uint32_t row) {
  return tk_quality_find_row(
      rows->quality, rule, rows->segment_index, rows->traces[row], row,
      tk_quality_resource_of(rows->quality, rows->segment, tk_ints_at(rows->resources, row)));
}

/* ---- what is known of the segment ---- */

static struct tk_text as_text(const char *text) {
  return (struct tk_text){text, (uint32_t)strlen(text)};
}

static void find_pairs(struct quality_lookup *lookup, const struct tk_segment *segment) {
  static const enum tk_value_type types[] = {TK_VALUE_STRING, TK_VALUE_INT};
  lookup->pair_count = 0;
  for (uint32_t i = 0; i < RENAMED_COUNT; i++) {
    for (int a = 0; a < 2; a++) {
      const uint32_t column =
          tk_segment_find_attribute(segment, TK_SCOPE_SPAN, as_text(renamed[i].name), types[a]);
      for (int b = 0; b < 2 && column != TK_NO_COLUMN; b++) {
        const uint32_t old = tk_segment_find_attribute(segment, TK_SCOPE_SPAN,
                                                       as_text(renamed[i].old_name), types[b]);
        if (old == TK_NO_COLUMN) continue;
        lookup->pairs[lookup->pair_count].pair = i;
        lookup->pairs[lookup->pair_count].column = column;
        lookup->pairs[lookup->pair_count++].old_column = old;
      }
    }
  }
}

static enum tk_status look_up(struct rows *rows, struct tk_error *error) {
  struct quality_lookup *lookup = rows->quality->lookup;
  const struct tk_segment *segment = rows->segment;

  if (!lookup) {
    if (!(lookup = sqlite3_malloc64(sizeof *lookup))) return tk_nomem(error);
    memset(lookup, 0, sizeof *lookup);
    lookup->segment_index = UINT32_MAX;
    rows->quality->lookup = lookup;
  }
  if (lookup->segment_index == rows->segment_index) return TK_OK;
  lookup->segment_index = UINT32_MAX;
  if (!tk_grow_zeroed(&lookup->long_states, &lookup->long_capacity, segment->column_count, 1) ||
      !tk_grow_zeroed(&lookup->used, &lookup->used_capacity, segment->column_count, 1) ||
      !tk_grow_zeroed(&lookup->used_list, &lookup->used_list_capacity, segment->column_count,
                      sizeof *lookup->used_list)) {
    return tk_nomem(error);
  }
  if (segment->column_count > 0) memset(lookup->long_states, UNKNOWN, segment->column_count);
  for (int i = 0; i < HTTP_STATUS_COUNT; i++) {
    lookup->http[i] = tk_segment_find_attribute(segment, TK_SCOPE_SPAN, as_text(http_status[i].key),
                                                http_status[i].type);
  }
  find_pairs(lookup, segment);
  lookup->segment_index = rows->segment_index;
  return TK_OK;
}

/* ---- times ---- */

static uint64_t seconds(int64_t count) {
  uint64_t ns;
  if (__builtin_mul_overflow((uint64_t)count, (uint64_t)1000000000, &ns)) return UINT64_MAX;
  return ns;
}

static uint64_t add_saturated(uint64_t a, uint64_t b) {
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static void check_time(const struct rows *rows, uint32_t row) {
  /* Earlier times look like another unit, or none; those have issues from ingest. */
  static const uint64_t smallest_plausible_ns = 100000000000000000u;
  struct quality *quality = rows->quality;
  const uint64_t start = (uint64_t)rows->starts[row];
  const int64_t duration = tk_ints_at(rows->durations, row);
  const uint64_t end = start + (uint64_t)duration, latest = start > end ? start : end;
  const uint64_t limit =
      add_saturated(quality->now_ns, seconds(tk_quality_threshold(quality, RULE_TIME_FUTURE)));

  if (latest > limit && tk_quality_wants(quality, RULE_TIME_FUTURE) &&
      report(rows, RULE_TIME_FUTURE, row)) {
    tk_quality_say(&quality->findings, "%s %llu s later than now",
                   start > limit ? "starts" : "ends",
                   (unsigned long long)((latest - quality->now_ns) / 1000000000u));
    tk_quality_note_unsigned(&quality->findings, "start_ns", start);
    tk_quality_note_unsigned(&quality->findings, "end_ns", end);
  }
  if (start >= smallest_plausible_ns && tk_quality_wants(quality, RULE_TIME_ANCIENT) &&
      start < seconds(tk_quality_threshold(quality, RULE_TIME_ANCIENT)) &&
      report(rows, RULE_TIME_ANCIENT, row)) {
    tk_quality_say(&quality->findings, "starts %llu s after 1970, expected at least %lld s",
                   (unsigned long long)(start / 1000000000u),
                   (long long)tk_quality_threshold(quality, RULE_TIME_ANCIENT));
    tk_quality_note_unsigned(&quality->findings, "start_ns", start);
  }
  if (duration > 0 && start > 0 && tk_quality_wants(quality, RULE_TIME_DURATION_EXTREME) &&
      (uint64_t)duration > seconds(tk_quality_threshold(quality, RULE_TIME_DURATION_EXTREME)) &&
      report(rows, RULE_TIME_DURATION_EXTREME, row)) {
    tk_quality_say(&quality->findings, "took %lld s, expected at most %lld s",
                   (long long)(duration / 1000000000),
                   (long long)tk_quality_threshold(quality, RULE_TIME_DURATION_EXTREME));
    tk_quality_note_int(&quality->findings, "duration_ns", duration);
  }
}

static enum tk_status check_times(const struct rows *rows, struct tk_error *error) {
  (void)error;
  for (uint32_t row = rows->begin; row < rows->end; row++) check_time(rows, row);
  return TK_OK;
}

/* ---- events ---- */

/* Items [begin, end) of the rows, of a scope; 0 and 0 where there are none. */
static enum tk_status find_items(const struct rows *rows, enum tk_attribute_scope scope,
                                 const uint32_t **first_out, uint32_t *begin, uint32_t *end,
                                 struct tk_error *error) {
  *first_out = NULL;
  *begin = rows->begin;
  *end = rows->end;
  if (scope == TK_SCOPE_SPAN) return TK_OK;
  enum tk_status status =
      tk_reader_first_items(rows->quality->reader, rows->segment, scope, first_out, error);
  if (status != TK_OK) return status;
  *begin = *first_out ? (*first_out)[rows->begin] : 0;
  *end = *first_out ? (*first_out)[rows->end] : 0;
  return TK_OK;
}

/* The row of an item, given that of an earlier one. */
static uint32_t row_of_item(const uint32_t *first, uint32_t item, uint32_t row) {
  if (!first) return item;
  while (first[row + 1] <= item) row++;
  return row;
}

/* A column over all events or links, or all spans of a granule, as integers. */
static enum tk_status item_ints(const struct rows *rows, enum tk_column_number number,
                                uint32_t begin, uint32_t end, struct tk_ints *values_out,
                                struct tk_error *error) {
  const uint32_t index = rows->segment->fixed[number];
  const struct tk_column *column;
  *values_out = (struct tk_ints){0};
  if (index == TK_NO_COLUMN || begin >= end) return TK_OK;
  enum tk_status status =
      tk_reader_values(rows->quality->reader, rows->segment, index, begin, end, &column, error);
  if (status == TK_OK) *values_out = column->ints;
  return status;
}

static uint64_t magnitude(int64_t value) {
  return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

static enum tk_status check_events(const struct rows *rows, struct tk_error *error) {
  struct quality *quality = rows->quality;
  const int64_t slack = tk_quality_threshold(quality, RULE_TIME_EVENT_OUTSIDE);
  const uint32_t *first;
  struct tk_ints times;
  uint32_t begin, end;
  enum tk_status status = find_items(rows, TK_SCOPE_EVENT, &first, &begin, &end, error);
  if (status != TK_OK || begin == end) return status;
  status = item_ints(rows, TK_COL_EVENT_TIME, begin, end, &times, error);
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
    if (outside == 0 || !report(rows, RULE_TIME_EVENT_OUTSIDE, row)) continue;
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

static enum tk_status check_names(const struct rows *rows, struct tk_error *error) {
  const struct tk_column *names;
  enum tk_status status = tk_reader_row_column(rows->quality->reader, rows->segment, TK_COL_NAME,
                                               rows->granule, &names, error);
  for (uint32_t row = rows->begin; row < rows->end && status == TK_OK; row++) {
    if (names && tk_column_text(names, row).size > 0) continue;
    if (report(rows, RULE_NAME_EMPTY, row)) {
      tk_quality_say(&rows->quality->findings, "the span has no name");
    }
  }
  return status;
}

static void note_status(const struct rows *rows, uint32_t row) {
  const int64_t status = tk_ints_at(rows->statuses, row);
  static const char *const names[] = {"unset", "ok", "error"};
  if (status >= 0 && status <= TK_STATUS_ERROR) {
    tk_quality_note_word(&rows->quality->findings, "status", names[status]);
  } else {
    tk_quality_note_int(&rows->quality->findings, "status", status);
  }
}

static enum tk_status check_messages(const struct rows *rows, struct tk_error *error) {
  const struct tk_column *messages;
  enum tk_status status = tk_reader_row_column(
      rows->quality->reader, rows->segment, TK_COL_STATUS_MESSAGE, rows->granule, &messages, error);
  for (uint32_t row = rows->begin; row < rows->end && status == TK_OK && messages; row++) {
    if (tk_ints_at(rows->statuses, row) == TK_STATUS_ERROR) continue;
    const struct tk_text text = tk_column_text(messages, row);
    if (text.size == 0 || !report(rows, RULE_STATUS_MESSAGE, row)) continue;
    tk_quality_say(&rows->quality->findings, "the status is no error, and has the message ");
    tk_quality_say_text(&rows->quality->findings, text);
    note_status(rows, row);
    tk_quality_note_text(&rows->quality->findings, "message", text);
  }
  return status;
}

static enum tk_status check_exceptions(const struct rows *rows, struct tk_error *error) {
  const struct tk_column *names = NULL;
  const uint32_t *first;
  uint32_t begin, end;
  bool any_ok = false;
  for (uint32_t row = rows->begin; row < rows->end; row++) {
    any_ok |= tk_ints_at(rows->statuses, row) == TK_STATUS_OK;
  }
  if (!any_ok) return TK_OK;
  enum tk_status status = find_items(rows, TK_SCOPE_EVENT, &first, &begin, &end, error);
  const uint32_t index = rows->segment->fixed[TK_COL_EVENT_NAME];
  if (status != TK_OK || begin == end || index == TK_NO_COLUMN) return status;
  status = tk_reader_values(rows->quality->reader, rows->segment, index, begin, end, &names, error);
  for (uint32_t row = rows->begin; row < rows->end && status == TK_OK; row++) {
    uint32_t found = 0;
    if (tk_ints_at(rows->statuses, row) != TK_STATUS_OK) continue;
    for (uint32_t item = first[row]; item < first[row + 1]; item++) {
      found += text_is(tk_column_text(names, item), "exception");
    }
    if (found == 0 || !report(rows, RULE_STATUS_OK_EXCEPTION, row)) continue;
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
static enum tk_status read_http_status(const struct rows *rows, int64_t *codes,
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
      codes[row - rows->begin] = http_status[i].type == TK_VALUE_INT
                                     ? tk_ints_at(column->ints, values[row])
                                     : parse_status(tk_column_text(column, values[row]));
    }
    if (status != TK_OK) return status;
  }
  return TK_OK;
}

static void check_http_code(const struct rows *rows, uint32_t row, int64_t code) {
  const bool is_error = tk_ints_at(rows->statuses, row) == TK_STATUS_ERROR;
  const bool missing = code >= 500 && code <= 599 && !is_error;
  const bool extra =
      code >= 400 && code <= 499 && is_error && tk_ints_at(rows->kinds, row) == TK_KIND_SERVER;
  struct quality_findings *findings = &rows->quality->findings;
  if ((!missing && !extra) || !report(rows, RULE_STATUS_HTTP, row)) return;
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

static enum tk_status check_http(const struct rows *rows, struct tk_error *error) {
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

static enum tk_status check_tracestate(const struct rows *rows, struct tk_error *error) {
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
    if (!fault || !report(rows, RULE_TRACESTATE_INVALID, row)) continue;
    tk_quality_say(&rows->quality->findings, "the trace state has %s", fault);
    tk_quality_note_word(&rows->quality->findings, "fault", fault);
    tk_quality_note_text(&rows->quality->findings, "trace_state", text);
  }
  return status;
}

/* ---- links ---- */

static enum tk_status check_links(const struct rows *rows, struct tk_error *error) {
  struct tk_reader *reader = rows->quality->reader;
  const struct tk_segment *segment = rows->segment;
  const uint8_t *span_id, *trace_id, *linked_span, *linked_trace;
  const uint32_t *first;
  uint32_t begin, end;
  enum tk_status status = find_items(rows, TK_SCOPE_LINK, &first, &begin, &end, error);
  uint32_t row = rows->begin, reported = UINT32_MAX;
  for (uint32_t item = begin; item < end && status == TK_OK; item++) {
    row = row_of_item(first, item, row);
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
    if (report(rows, RULE_LINK_SELF, row)) {
      tk_quality_say(&rows->quality->findings, "the span links to itself");
    }
  }
  return status;
}

/* ---- what was dropped ---- */

struct dropped {
  int64_t attributes, events, links, item_attributes;
};

static enum tk_status add_dropped_of_items(const struct rows *rows, enum tk_attribute_scope scope,
                                           enum tk_column_number number, struct dropped *dropped,
                                           struct tk_error *error) {
  const uint32_t *first;
  struct tk_ints counts;
  uint32_t begin, end, row = rows->begin;
  if (rows->segment->fixed[number] == TK_NO_COLUMN) return TK_OK;
  enum tk_status status = find_items(rows, scope, &first, &begin, &end, error);
  if (status == TK_OK) status = item_ints(rows, number, begin, end, &counts, error);
  for (uint32_t item = begin; status == TK_OK && item < end; item++) {
    row = row_of_item(first, item, row);
    dropped[row - rows->begin].item_attributes += tk_ints_at(counts, item);
  }
  return status;
}

static enum tk_status read_dropped(const struct rows *rows, struct dropped *dropped,
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

static enum tk_status check_dropped(const struct rows *rows, struct tk_error *error) {
  if (!has_dropped(rows->segment)) return TK_OK;
  struct dropped *dropped = sqlite3_malloc64((uint64_t)(rows->end - rows->begin) * sizeof *dropped);
  if (!dropped) return tk_nomem(error);
  enum tk_status status = read_dropped(rows, dropped, error);
  for (uint32_t row = rows->begin; row < rows->end && status == TK_OK; row++) {
    const struct dropped *lost = &dropped[row - rows->begin];
    struct quality_findings *findings = &rows->quality->findings;
    if ((lost->attributes | lost->events | lost->links | lost->item_attributes) == 0 ||
        !report(rows, RULE_ATTR_DROPPED, row)) {
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

/* ---- attributes ---- */

static const struct {
  enum tk_column_number keyset, extra_row, extra;
} scope_columns[ITEM_SCOPES] = {
    [TK_SCOPE_SPAN] = {TK_COL_KEYSET, TK_COL_EXTRA_ROW, TK_COL_EXTRA},
    [TK_SCOPE_EVENT] = {TK_COL_EVENT_KEYSET, TK_COL_EVENT_EXTRA_ROW, TK_COL_EVENT_EXTRA},
    [TK_SCOPE_LINK] = {TK_COL_LINK_KEYSET, TK_COL_LINK_EXTRA_ROW, TK_COL_LINK_EXTRA}};

static void note_attribute(const struct rows *rows, enum tk_attribute_scope scope,
                           struct tk_text key) {
  tk_quality_note_text(&rows->quality->findings, "key", key);
  tk_quality_note_word(&rows->quality->findings, "scope", tk_attribute_scope_name(scope));
}

/* Values that are known to be long, empty, secret. */
static void report_long(const struct rows *rows, enum tk_attribute_scope scope, uint32_t row,
                        struct tk_text key, uint32_t size) {
  struct quality_findings *findings = &rows->quality->findings;
  const int64_t most = tk_quality_threshold(rows->quality, RULE_ATTR_TOO_LONG);
  if (!report(rows, RULE_ATTR_TOO_LONG, row)) return;
  tk_quality_say(findings, "the value of ");
  tk_quality_say_text(findings, key);
  tk_quality_say(findings, " has %u bytes, expected at most %lld", size, (long long)most);
  note_attribute(rows, scope, key);
  tk_quality_note_unsigned(findings, "found", size);
  tk_quality_note_int(findings, "expected_at_most", most);
}

static void report_null(const struct rows *rows, enum tk_attribute_scope scope, uint32_t row,
                        struct tk_text key) {
  if (!report(rows, RULE_ATTR_NULL_VALUE, row)) return;
  tk_quality_say(&rows->quality->findings, "the attribute ");
  tk_quality_say_text(&rows->quality->findings, key);
  tk_quality_say(&rows->quality->findings, " has no value");
  note_attribute(rows, scope, key);
}

static void check_secret(const struct rows *rows, enum tk_attribute_scope scope, uint32_t row,
                         struct tk_text key, struct tk_text value) {
  const char *kind = tk_quality_secret_kind(key, value);
  if (!kind || !report(rows, RULE_SECRET_SUSPECT, row)) return;
  tk_quality_say(&rows->quality->findings, "the value of ");
  tk_quality_say_text(&rows->quality->findings, key);
  tk_quality_say(&rows->quality->findings, " looks like %s", kind);
  note_attribute(rows, scope, key);
  tk_quality_note_word(&rows->quality->findings, "looks_like", kind);
}

static bool may_be_long(struct tk_text key) {
  return !text_is(key, "exception.stacktrace");
}

static void check_value(const struct rows *rows, enum tk_attribute_scope scope, uint32_t row,
                        struct tk_text key, uint32_t type, struct tk_text text) {
  struct quality *quality = rows->quality;
  if (type == TK_VALUE_EMPTY) {
    if (tk_quality_wants(quality, RULE_ATTR_NULL_VALUE)) report_null(rows, scope, row, key);
    return;
  }
  if (type != TK_VALUE_STRING && type != TK_VALUE_BYTES) return;
  if (tk_quality_wants(quality, RULE_ATTR_TOO_LONG) && may_be_long(key) &&
      text.size > tk_quality_threshold(quality, RULE_ATTR_TOO_LONG)) {
    report_long(rows, scope, row, key, text.size);
  }
  if (type == TK_VALUE_STRING && tk_quality_wants(quality, RULE_SECRET_SUSPECT)) {
    check_secret(rows, scope, row, key, text);
  }
}

/* Whether the values of a column have to be looked at: not if its dictionary has no long one. */
static enum tk_status is_of_interest(const struct rows *rows, uint32_t index, bool *is_out,
                                     struct tk_error *error) {
  const struct quality *quality = rows->quality;
  const struct tk_segment_column *stored = &rows->segment->columns[index];
  uint8_t *state = &quality->lookup->long_states[index];
  const struct tk_column *column;

  *is_out = false;
  if (stored->type == TK_VALUE_EMPTY) *is_out = tk_quality_wants(quality, RULE_ATTR_NULL_VALUE);
  if (stored->type != TK_VALUE_STRING && stored->type != TK_VALUE_BYTES) return TK_OK;
  *is_out = stored->type == TK_VALUE_STRING && tk_quality_wants(quality, RULE_SECRET_SUSPECT);
  if (*is_out || !tk_quality_wants(quality, RULE_ATTR_TOO_LONG) || !may_be_long(stored->key)) {
    return TK_OK;
  }
  if (*state == UNKNOWN) {
    enum tk_status status = tk_reader_column(quality->reader, rows->segment, index, &column, error);
    if (status != TK_OK) return status;
    *state = column->has_dictionary ? NO_LONG : SOME_LONG;
    for (uint32_t c = 0; column->has_dictionary && c < column->dictionary_count; c++) {
      const uint32_t size = tk_column_dictionary_entry(column, c).size;
      if (size > tk_quality_threshold(quality, RULE_ATTR_TOO_LONG)) *state = SOME_LONG;
    }
  }
  *is_out = *state == SOME_LONG;
  return TK_OK;
}

static enum tk_status check_column(const struct rows *rows, enum tk_attribute_scope scope,
                                   uint32_t index, const uint32_t *first, uint32_t begin,
                                   uint32_t end, struct tk_error *error) {
  struct tk_reader *reader = rows->quality->reader;
  const struct tk_segment_column *stored = &rows->segment->columns[index];
  const struct tk_column *column = NULL;
  const uint32_t *values;
  uint32_t row = rows->begin, low = UINT32_MAX, high = 0;
  enum tk_status status =
      tk_reader_value_index(reader, rows->segment, index,
                            scope == TK_SCOPE_SPAN ? rows->granule : TK_ALL, &values, error);
  if (status != TK_OK) return status;
  for (uint32_t item = begin; item < end; item++) { /* values of following items follow */
    if (values[item] == UINT32_MAX) continue;
    if (low == UINT32_MAX) low = values[item];
    high = values[item];
  }
  if (low == UINT32_MAX) return TK_OK;
  if (stored->type != TK_VALUE_EMPTY) {
    status = tk_reader_values(reader, rows->segment, index, low, high + 1, &column, error);
  }
  for (uint32_t item = begin; item < end && status == TK_OK; item++) {
    if (values[item] == UINT32_MAX) continue;
    row = row_of_item(first, item, row);
    check_value(rows, scope, row, stored->key, stored->type,
                column ? tk_column_text(column, values[item]) : (struct tk_text){NULL, 0});
  }
  return status;
}

/* The columns that items [begin, end) have by their keysets. */
static enum tk_status find_used(const struct rows *rows, enum tk_attribute_scope scope,
                                uint32_t begin, uint32_t end, uint32_t *count_out,
                                struct tk_error *error) {
  struct quality_lookup *lookup = rows->quality->lookup;
  const struct tk_keysets *keysets = &rows->segment->keysets[scope];
  struct tk_ints codes;
  int64_t last = -1;
  uint32_t count = 0;
  enum tk_status status = TK_OK;

  *count_out = 0;
  if (keysets->count == 0) return TK_OK;
  if (scope == TK_SCOPE_SPAN) {
    status = tk_row_ints(rows->quality->reader, rows->segment, TK_COL_KEYSET, rows->granule, &codes,
                         error);
  } else {
    status = item_ints(rows, scope_columns[scope].keyset, begin, end, &codes, error);
  }
  if (status != TK_OK) return status;
  for (uint32_t item = begin; item < end; item++) {
    const int64_t code = tk_ints_at(codes, item);
    if (code == last) continue;
    last = code;
    const struct tk_keyset *keyset = &keysets->items[code];
    for (uint32_t i = 0; i < keyset->count; i++) {
      if (lookup->used[keyset->columns[i]]) continue;
      lookup->used[keyset->columns[i]] = 1;
      lookup->used_list[count++] = keyset->columns[i];
    }
  }
  for (uint32_t i = 0; i < count; i++) lookup->used[lookup->used_list[i]] = 0;
  *count_out = count;
  return TK_OK;
}

static uint32_t lower_bound(struct tk_ints values, uint32_t count, int64_t wanted) {
  uint32_t low = 0, high = count;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (tk_ints_at(values, middle) < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/* Calls `take` for the extras of each item in [begin, end) that has some. */
static enum tk_status each_extras(
    const struct rows *rows, enum tk_attribute_scope scope, uint32_t begin, uint32_t end,
    void (*take)(const struct rows *rows, enum tk_attribute_scope scope, uint32_t item,
                 const struct tk_extra *extras, uint32_t count, void *context),
    void *context, struct tk_error *error) {
  const uint32_t index = rows->segment->fixed[scope_columns[scope].extra_row];
  const struct tk_column *items;
  struct tk_arena *arena = &rows->quality->lookup->arena;
  if (index == TK_NO_COLUMN || begin >= end) return TK_OK;
  const uint32_t count = rows->segment->columns[index].value_count;
  enum tk_status status =
      tk_reader_values(rows->quality->reader, rows->segment, index, 0, count, &items, error);
  if (status != TK_OK) return status;
  for (uint32_t at = lower_bound(items->ints, count, begin);
       at < count && tk_ints_at(items->ints, at) < end && status == TK_OK; at++) {
    struct tk_text text;
    struct tk_extra *extras;
    uint32_t extra_count;
    status = tk_text_value(rows->quality->reader, rows->segment, scope_columns[scope].extra, at,
                           &text, error);
    if (status == TK_OK) {
      status = tk_extras_decode((const uint8_t *)text.data, text.size, arena, &extras, &extra_count,
                                error);
    }
    if (status == TK_OK) {
      take(rows, scope, (uint32_t)tk_ints_at(items->ints, at), extras, extra_count, context);
    }
    tk_arena_reset(arena);
  }
  return status;
}

struct item_rows {
  const uint32_t *first;
  uint32_t row;
};

static void check_extras(const struct rows *rows, enum tk_attribute_scope scope, uint32_t item,
                         const struct tk_extra *extras, uint32_t count, void *context) {
  struct item_rows *place = context;
  place->row = row_of_item(place->first, item, place->row);
  for (uint32_t i = 0; i < count; i++) {
    const struct tk_value *value = &extras[i].attribute.value;
    const bool is_text = value->type == TK_VALUE_STRING || value->type == TK_VALUE_BYTES;
    const struct tk_text text = {is_text ? value->as.text : NULL, is_text ? value->size : 0};
    check_value(rows, scope, place->row, extras[i].attribute.key, value->type, text);
  }
}

static enum tk_status check_attributes(const struct rows *rows, struct tk_error *error) {
  for (int number = 0; number < ITEM_SCOPES; number++) {
    const enum tk_attribute_scope scope = (enum tk_attribute_scope)number;
    struct item_rows place = {.row = rows->begin};
    uint32_t begin, end, used;
    enum tk_status status = find_items(rows, scope, &place.first, &begin, &end, error);
    if (status == TK_OK) status = find_used(rows, scope, begin, end, &used, error);
    for (uint32_t i = 0; status == TK_OK && i < used; i++) {
      const uint32_t index = rows->quality->lookup->used_list[i];
      bool is;
      status = is_of_interest(rows, index, &is, error);
      if (status == TK_OK && is) {
        status = check_column(rows, scope, index, place.first, begin, end, error);
      }
    }
    if (status == TK_OK) status = each_extras(rows, scope, begin, end, check_extras, &place, error);
    if (status != TK_OK) return status;
  }
  return TK_OK;
}

/* ---- how many attributes ---- */

static void add_extra_count(const struct rows *rows, enum tk_attribute_scope scope, uint32_t item,
                            const struct tk_extra *extras, uint32_t count, void *context) {
  uint32_t *counts = context;
  (void)scope, (void)extras;
  counts[item - rows->begin] += count;
}

static enum tk_status check_attribute_counts(const struct rows *rows, struct tk_error *error) {
  const struct tk_keysets *keysets = &rows->segment->keysets[TK_SCOPE_SPAN];
  const int64_t most = tk_quality_threshold(rows->quality, RULE_ATTR_TOO_MANY);
  struct tk_ints codes;
  uint32_t *counts = sqlite3_malloc64((uint64_t)(rows->end - rows->begin) * sizeof *counts);
  if (!counts) return tk_nomem(error);
  enum tk_status status = tk_row_ints(rows->quality->reader, rows->segment, TK_COL_KEYSET,
                                      rows->granule, &codes, error);
  for (uint32_t row = rows->begin; row < rows->end && status == TK_OK; row++) {
    counts[row - rows->begin] =
        keysets->count > 0 ? keysets->items[tk_ints_at(codes, row)].count : 0;
  }
  if (status == TK_OK) {
    status =
        each_extras(rows, TK_SCOPE_SPAN, rows->begin, rows->end, add_extra_count, counts, error);
  }
  for (uint32_t row = rows->begin; row < rows->end && status == TK_OK; row++) {
    const uint32_t count = counts[row - rows->begin];
    if (count <= most || !report(rows, RULE_ATTR_TOO_MANY, row)) continue;
    tk_quality_say(&rows->quality->findings, "the span has %u attributes, expected at most %lld",
                   count, (long long)most);
    tk_quality_note_unsigned(&rows->quality->findings, "found", count);
    tk_quality_note_int(&rows->quality->findings, "expected_at_most", most);
  }
  sqlite3_free(counts);
  return status;
}

/* ---- old and new names ---- */

static enum tk_status read_as_text(const struct rows *rows, uint32_t index, uint32_t at,
                                   char number[24], struct tk_text *text_out,
                                   struct tk_error *error) {
  const struct tk_column *column;
  enum tk_status status =
      tk_reader_values(rows->quality->reader, rows->segment, index, at, at + 1, &column, error);
  if (status != TK_OK) return status;
  if (rows->segment->columns[index].type == TK_VALUE_INT) {
    sqlite3_snprintf(24, number, "%lld", (long long)tk_ints_at(column->ints, at));
    *text_out = as_text(number);
  } else {
    *text_out = tk_column_text(column, at);
  }
  return TK_OK;
}

static enum tk_status compare_names(const struct rows *rows, uint32_t which,
                                    struct tk_error *error) {
  struct tk_reader *reader = rows->quality->reader;
  const struct quality_lookup *lookup = rows->quality->lookup;
  const uint32_t index = lookup->pairs[which].column, old = lookup->pairs[which].old_column;
  const uint32_t *values, *old_values;
  char number[24], old_number[24];
  enum tk_status status =
      tk_reader_value_index(reader, rows->segment, index, rows->granule, &values, error);
  if (status == TK_OK) {
    status = tk_reader_value_index(reader, rows->segment, old, rows->granule, &old_values, error);
  }
  for (uint32_t row = rows->begin; row < rows->end && status == TK_OK; row++) {
    struct tk_text text, old_text;
    if (values[row] == UINT32_MAX || old_values[row] == UINT32_MAX) continue;
    status = read_as_text(rows, index, values[row], number, &text, error);
    if (status == TK_OK) {
      status = read_as_text(rows, old, old_values[row], old_number, &old_text, error);
    }
    if (status != TK_OK || tk_text_equal(text, old_text) ||
        !report(rows, RULE_DUP_NAMES_DISAGREE, row)) {
      continue;
    }
    struct quality_findings *findings = &rows->quality->findings;
    tk_quality_say(findings, "%s is ", renamed[lookup->pairs[which].pair].name);
    tk_quality_say_text(findings, text);
    tk_quality_say(findings, ", and by its old name %s it is ",
                   renamed[lookup->pairs[which].pair].old_name);
    tk_quality_say_text(findings, old_text);
    tk_quality_note_word(findings, "key", renamed[lookup->pairs[which].pair].name);
    tk_quality_note_text(findings, "value", text);
    tk_quality_note_word(findings, "old_key", renamed[lookup->pairs[which].pair].old_name);
    tk_quality_note_text(findings, "old_value", old_text);
  }
  return status;
}

static enum tk_status check_old_names(const struct rows *rows, struct tk_error *error) {
  enum tk_status status = TK_OK;
  for (uint32_t i = 0; i < rows->quality->lookup->pair_count && status == TK_OK; i++) {
    status = compare_names(rows, i, error);
  }
  return status;
}

/* ---- all of them ---- */

static enum tk_status read_columns(struct rows *rows, struct tk_error *error) {
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
    enum tk_status (*check)(const struct rows *rows, struct tk_error *error);
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
       check_attributes},
      {RULE_BIT(RULE_ATTR_TOO_MANY), check_attribute_counts},
      {RULE_BIT(RULE_DUP_NAMES_DISAGREE), check_old_names},
  };
  struct rows rows = {.quality = quality,
                      .segment_index = range->segment_index,
                      .granule = range->granule,
                      .begin = range->begin,
                      .end = range->end};
  enum tk_status status = tk_quality_segment(quality, range->segment_index, &rows.segment, error);
  if (status != TK_OK || range->begin >= range->end) return status;
  if ((status = look_up(&rows, error)) != TK_OK) return status;
  if ((status = read_columns(&rows, error)) != TK_OK) return status;
  for (size_t i = 0; i < sizeof checks / sizeof *checks && status == TK_OK; i++) {
    if (quality->rules & checks[i].rules) status = checks[i].check(&rows, error);
  }
  return status;
}
