/* SPDX-License-Identifier: MIT
 * The form is a JSON Schema with four required members and eight known ones; its errors come in the
 * order, and with the words, of the validator (Ajv, all errors) that the checks were defined with.
 */
#include "sqlext/kvonce/observability_check.h"

#include <stdlib.h>
#include <string.h>

#include "sqlext/kvonce/js_value.h"
#include "store/sqlite_api.h"

struct issues {
  struct tk_observability_issue *items;
  uint32_t count;
};

static const struct member {
  enum tk_event_field field;
  const char *name, *path;
  bool is_required, is_object; /* else a string */
} members[] = {
    {TK_EVENT_TRACE_ID, "traceId", "/traceId", true, false},
    {TK_EVENT_TIMESTAMP, "timestamp", "/timestamp", true, false},
    {TK_EVENT_ACTOR, "actor", "/actor", true, false},
    {TK_EVENT_EVENT, "event", "/event", true, false},
    {TK_EVENT_ACTION, "action", "/action", false, false},
    {TK_EVENT_STATE, "state", "/state", false, true},
    {TK_EVENT_OUTCOME, "outcome", "/outcome", false, false},
    {TK_EVENT_DETAILS, "details", "/details", false, true},
};
enum { MEMBER_COUNT = sizeof members / sizeof members[0] };

static struct tk_observability_issue *add_issue(struct issues *issues, const char *kind,
                                                const char *type, const char *path) {
  struct tk_observability_issue *issue = &issues->items[issues->count++];
  *issue = (struct tk_observability_issue){.kind = kind, .type = type, .path = path};
  return issue;
}

static void add_error(struct issues *issues, const char *path, const char *message,
                      const char *name) {
  struct tk_observability_issue *issue = add_issue(issues, "schema", "schema", path);
  sqlite3_snprintf(sizeof issue->message, issue->message, message, name);
}

/* ---- date-time ---- */

static bool take_digits(const char **at, int count, int *value) {
  *value = 0;
  for (; count > 0; count--, (*at)++) {
    if (**at < '0' || **at > '9') return false;
    *value = *value * 10 + (**at - '0');
  }
  return true;
}

static bool is_date(const char *at) {
  static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int year, month, day;
  if (!take_digits(&at, 4, &year) || *at++ != '-' || !take_digits(&at, 2, &month) || *at++ != '-' ||
      !take_digits(&at, 2, &day) || *at != '\0' || month < 1 || month > 12 || day < 1) {
    return false;
  }
  const bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return day <= lengths[month - 1] + (month == 2 && is_leap);
}

/* The offset at the end of a time: Z, +hh, +hhmm or +hh:mm. */
static bool read_offset(const char *at, int *sign, int *hours, int *minutes) {
  *hours = *minutes = 0;
  *sign = *at == '-' ? -1 : 1;
  if (*at == 'z' || *at == 'Z') return at[1] == '\0';
  if (*at != '+' && *at != '-') return false;
  at++;
  if (!take_digits(&at, 2, hours)) return false;
  if (*at == '\0') return *hours <= 23;
  if (*at == ':') at++;
  return take_digits(&at, 2, minutes) && *at == '\0' && *hours <= 23 && *minutes <= 59;
}

static bool is_time(const char *at) {
  int hour, minute, second, sign, offset_hours, offset_minutes;
  if (!take_digits(&at, 2, &hour) || *at++ != ':' || !take_digits(&at, 2, &minute) ||
      *at++ != ':' || !take_digits(&at, 2, &second)) {
    return false;
  }
  if (*at == '.') {
    const char *digits = ++at;
    while (*at >= '0' && *at <= '9') at++;
    if (at == digits) return false;
  }
  if (!read_offset(at, &sign, &offset_hours, &offset_minutes)) return false;
  if (hour <= 23 && minute <= 59 && second < 60) return true;
  /* A leap second: only at the end of a day in UTC. */
  const int utc_minute = minute - offset_minutes * sign;
  const int utc_hour = hour - offset_hours * sign - (utc_minute < 0);
  return (utc_hour == 23 || utc_hour == -1) && (utc_minute == 59 || utc_minute == -1) &&
         second < 61;
}

/* Date and time, and one t or white space between them. */
static bool is_date_time(struct tk_text json) {
  const struct tk_json_string string = {.data = json.data + 1, .size = json.size - 2, .escaped = 1};
  char text[512];
  bool broken = false;
  if (string.size >= sizeof text) return false;
  const uint32_t size = tk_json_unescape(string, text, &broken);
  text[size] = '\0';
  if (size < 20 || strlen(text) != size || !strchr("tT \t\n\v\f\r", text[10])) return false;
  text[10] = '\0';
  return is_date(text) && is_time(text + 11);
}

/* ---- form ---- */

static bool is_outcome(struct tk_text json) {
  static const char *const outcomes[] = {"success", "failure", "timeout", "skipped"};
  enum { LONGEST = 6 * 7 }; /* every letter escaped */
  const struct tk_json_string string = {.data = json.data + 1, .size = json.size - 2, .escaped = 1};
  char text[LONGEST];
  bool broken = false;
  if (json.data[0] != '"' || string.size > LONGEST) return false;
  const uint32_t size = tk_json_unescape(string, text, &broken);
  for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
    if (size == strlen(outcomes[i]) && memcmp(text, outcomes[i], size) == 0) return true;
  }
  return false;
}

static void check_members(struct issues *issues, const struct tk_run_event *event) {
  for (int i = 0; i < MEMBER_COUNT; i++) {
    if (members[i].is_required && !event->fields[members[i].field].data) {
      add_error(issues, "", "must have required property '%s'", members[i].name);
    }
  }
  for (int i = 0; i < MEMBER_COUNT; i++) {
    const struct member *member = &members[i];
    const struct tk_text json = event->fields[member->field];
    if (!json.data) continue;
    const bool is_string = json.data[0] == '"';
    if (member->is_object) {
      if (json.data[0] != '{') add_error(issues, member->path, "must be %s", "object");
    } else if (!is_string) {
      add_error(issues, member->path, "must be %s", "string");
    } else if (member->field == TK_EVENT_TIMESTAMP && !is_date_time(json)) {
      add_error(issues, member->path, "must match format \"%s\"", "date-time");
    }
    if (member->field == TK_EVENT_OUTCOME && !is_outcome(json)) {
      add_error(issues, member->path, "must be equal to one of the %s values", "allowed");
    }
  }
}

/* ---- invariants ---- */

static bool read_number(struct tk_text object, const char *name, double *value) {
  const struct tk_text json = tk_json_find_member(object, name);
  if (!json.data || (json.data[0] != '-' && (json.data[0] < '0' || json.data[0] > '9'))) {
    return false;
  }
  tk_parse_double(json.data, json.size, value);
  return true;
}

/* As JSON: what is not finite is null. */
static const char *number_json(double value, char text[TK_JS_NUMBER_SIZE]) {
  tk_js_number_text(value, text);
  return text[0] == 'I' || text[1] == 'I' ? "null" : text;
}

static void check_state(struct issues *issues, struct tk_text state, double onhand_min) {
  char number[TK_JS_NUMBER_SIZE], other[TK_JS_NUMBER_SIZE];
  double on_hand, allocated;
  if (!read_number(state, "onHand", &on_hand)) return;
  if (on_hand < onhand_min) {
    struct tk_observability_issue *issue = add_issue(issues, "invariant", "onhand_min", NULL);
    tk_js_number_text(onhand_min, number);
    sqlite3_snprintf(sizeof issue->message, issue->message, "onHand >= %s", number);
    sqlite3_snprintf(sizeof issue->actual, issue->actual, "%s", number_json(on_hand, number));
  }
  if (read_number(state, "allocated", &allocated) && allocated > on_hand) {
    struct tk_observability_issue *issue =
        add_issue(issues, "invariant", "allocated_le_onhand", NULL);
    sqlite3_snprintf(sizeof issue->message, issue->message, "allocated <= onHand");
    sqlite3_snprintf(sizeof issue->actual, issue->actual, "{\"allocated\":%s,\"onHand\":%s}",
                     number_json(allocated, number), number_json(on_hand, other));
  }
}

uint32_t tk_observability_check(const struct tk_run_event *event, double onhand_min,
                                struct tk_observability_issue issues[TK_OBSERVABILITY_ISSUES_MAX]) {
  struct issues found = {.items = issues};
  if (event->raw.data[0] == '{') {
    check_members(&found, event);
    check_state(&found, event->fields[TK_EVENT_STATE], onhand_min);
  } else {
    add_error(&found, "", "must be %s", "object");
  }
  return found.count;
}
