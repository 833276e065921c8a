/* SPDX-License-Identifier: MIT
 * An object's outermost keys become bits, one set for each type of value; a kind is a row that says
 * which bits it needs. Rows are tried in order: the more particular come first. */
#include "cli/input/document_kind.h"

#include <string.h>

#include "tracekeep/store.h"

/* X(enum suffix, key), in the order of the keys' bytes. */
#define KEYS(X)                                  \
  X(ID, "$id")                                   \
  X(SCHEMA, "$schema")                           \
  X(ACTOR, "actor")                              \
  X(ARTIFACTS, "artifacts")                      \
  X(BATCHES, "batches")                          \
  X(BY_TYPE, "byType")                           \
  X(CASES, "cases")                              \
  X(CHECKS, "checks")                            \
  X(CONFIG, "config")                            \
  X(CONFORMANCE, "conformance")                  \
  X(CONTEXT, "context")                          \
  X(CORRELATION, "correlation")                  \
  X(CORRELATION_KEYS, "correlationKeys")         \
  X(COUNTS, "counts")                            \
  X(DELTA, "delta")                              \
  X(DETAILS, "details")                          \
  X(DURATION, "duration")                        \
  X(ENGINE, "engine")                            \
  X(EVENT, "event")                              \
  X(EVENTS, "events")                            \
  X(FINAL_STATE, "finalState")                   \
  X(FLAGS, "flags")                              \
  X(GENERATED_AT, "generatedAt")                 \
  X(GROUPING, "grouping")                        \
  X(INDEX, "index")                              \
  X(INVARIANT_VIOLATIONS, "invariantViolations") \
  X(ISSUES, "issues")                            \
  X(KEY, "key")                                  \
  X(KILLED, "killed")                            \
  X(LABEL, "label")                              \
  X(LEVEL, "level")                              \
  X(MAPPINGS, "mappings")                        \
  X(MESSAGE, "message")                          \
  X(METADATA, "metadata")                        \
  X(METRICS, "metrics")                          \
  X(MUTATION_SCORE, "mutationScore")             \
  X(NAME, "name")                                \
  X(ORDERS, "orders")                            \
  X(OVERALL, "overall")                          \
  X(OVERALL_STATUS, "overall_status")            \
  X(PAYLOAD_METADATA, "payloadMetadata")         \
  X(PER_KEY, "perKey")                           \
  X(PROFILE, "profile")                          \
  X(PROPERTIES, "properties")                    \
  X(RAN, "ran")                                  \
  X(REASON, "reason")                            \
  X(RESOURCE_SPANS, "resourceSpans")             \
  X(RESOURCE_SPANS_SNAKE, "resource_spans")      \
  X(RESULT, "result")                            \
  X(RESULTS, "results")                          \
  X(RULES, "rules")                              \
  X(RUN, "run")                                  \
  X(RUN_ID, "runId")                             \
  X(SAMPLING, "sampling")                        \
  X(SCHEMA_ERRORS, "schemaErrors")               \
  X(SCHEMA_VERSION, "schemaVersion")             \
  X(SCOPE_SPANS, "scopeSpans")                   \
  X(SHA256, "sha256")                            \
  X(SIZE_BYTES, "sizeBytes")                     \
  X(SOURCE, "source")                            \
  X(SOURCE_DETAIL, "sourceDetail")               \
  X(SOURCE_TYPE, "sourceType")                   \
  X(SOURCES, "sources")                          \
  X(SPAN_ID, "spanId")                           \
  X(SPAN_ID_SNAKE, "span_id")                    \
  X(SPEC, "spec")                                \
  X(STATE, "state")                              \
  X(STATUS, "status")                            \
  X(STEPS, "steps")                              \
  X(STORE, "store")                              \
  X(SUMMARY, "summary")                          \
  X(TIMESTAMP, "timestamp")                      \
  X(TLC, "tlc")                                  \
  X(TOOL, "tool")                                \
  X(TOTAL, "total")                              \
  X(TOTAL_MUTANTS, "totalMutants")               \
  X(TRACE, "trace")                              \
  X(TRACE_CORRELATION, "traceCorrelation")       \
  X(TRACE_DIR, "traceDir")                       \
  X(TRACE_ID, "traceId")                         \
  X(TRACE_IDS, "traceIds")                       \
  X(TYPE, "type")                                \
  X(VALID, "valid")                              \
  X(VALUE, "value")                              \
  X(VARIABLES, "variables")                      \
  X(VIOLATIONS, "violations")

enum key {
#define KEY_ENUM(suffix, text) KEY_##suffix,
  KEYS(KEY_ENUM)
#undef KEY_ENUM
      KEY_COUNT
};

static const struct {
  const char *text;
  size_t size;
} key_texts[KEY_COUNT] = {
#define KEY_TEXT(suffix, text) {text, sizeof text - 1},
    KEYS(KEY_TEXT)
#undef KEY_TEXT
};

enum type_bit { STRING = 1, NUMBER = 2, FLAG = 4, NONE = 8, OBJECT = 16, ARRAY = 32 };
enum { ANY = 63, SCALAR = STRING | NUMBER | FLAG | NONE };

/* The types that the values of each key have had. */
struct shape {
  uint8_t types[KEY_COUNT];
  struct tk_json_string type, schema_version, trace_id, run_id;
  uint32_t member_count;
};

/* ---- reading the keys ---- */

static int find_key(struct tk_json_string key) {
  int low = 0;
  int high = KEY_COUNT - 1;
  while (low <= high) {
    const int middle = (low + high) / 2;
    const size_t size = key_texts[middle].size;
    const int order = memcmp(key.data, key_texts[middle].text, key.size < size ? key.size : size);
    if (order == 0 && key.size == size) return middle;
    if (order < 0 || (order == 0 && key.size < size)) {
      high = middle - 1;
    } else {
      low = middle + 1;
    }
  }
  return -1;
}

static uint8_t type_of(struct tk_json *json) {
  switch (tk_json_peek(json)) {
    case TK_JSON_OBJECT:
      return OBJECT;
    case TK_JSON_ARRAY:
      return ARRAY;
    case TK_JSON_STRING:
      return STRING;
    case TK_JSON_NUMBER:
      return NUMBER;
    case TK_JSON_TRUE:
    case TK_JSON_FALSE:
      return FLAG;
    case TK_JSON_NULL:
      return NONE;
    case TK_JSON_NOTHING:
      break;
  }
  return 0;
}

static struct tk_json_string *wanted_text(struct shape *shape, int key) {
  switch (key) {
    case KEY_TYPE:
      return &shape->type;
    case KEY_SCHEMA_VERSION:
      return &shape->schema_version;
    case KEY_TRACE_ID:
      return &shape->trace_id;
    case KEY_RUN_ID:
      return &shape->run_id;
    default:
      return NULL;
  }
}

/* As far as the text goes, where it was cut. */
static void read_shape(struct tk_json *json, struct shape *shape) {
  memset(shape, 0, sizeof *shape);
  for (bool more = tk_json_enter_object(json); more; more = tk_json_next_member(json)) {
    const struct tk_json_string key = tk_json_key(json);
    if (json->expected) return;
    const int index = find_key(key);
    const uint8_t type = type_of(json);
    shape->member_count++;
    if (index >= 0) shape->types[index] |= type;
    struct tk_json_string *text = index >= 0 && type == STRING ? wanted_text(shape, index) : NULL;
    if (text) {
      *text = tk_json_string(json);
    } else {
      tk_json_skip(json);
    }
  }
}

static bool has(const struct shape *shape, enum key key, int types) {
  return (shape->types[key] & types) != 0;
}

static bool is_text(struct tk_json_string string, const char *text) {
  return string.data && string.size == strlen(text) && memcmp(string.data, text, string.size) == 0;
}

static bool begins_with(struct tk_json_string string, const char *text) {
  return string.data && string.size >= strlen(text) && memcmp(string.data, text, strlen(text)) == 0;
}

/* ---- whole documents ---- */

enum { NEEDS = 4 };

/* All of `needs`, and one of `one_of` if there are any. */
static const struct rule {
  enum tk_document_kind kind;
  const char *schema_version; /* its beginning, where that alone says it */
  struct need {
    enum key key;
    int types; /* 0: the end */
  } needs[NEEDS], one_of[NEEDS];
} rules[] = {
    {.kind = TK_DOCUMENT_TRACE_BUNDLE_SUMMARY,
     .schema_version = "ae-trace-bundle-summary/",
     .needs = {{KEY_COUNTS, OBJECT}, {KEY_SAMPLING, OBJECT}}},
    {.kind = TK_DOCUMENT_TRACE_BUNDLE,
     .schema_version = "ae-trace-bundle/",
     .needs = {{KEY_EVENTS, ARRAY}, {KEY_GROUPING, OBJECT}}},
    {.kind = TK_DOCUMENT_AUTOMATION_REPORT,
     .schema_version = "ae-automation-report/",
     .needs = {{KEY_TOOL, STRING}, {KEY_STATUS, STRING}, {KEY_RUN, OBJECT}}},
    {.kind = TK_DOCUMENT_ENVELOPE,
     .needs = {{KEY_SUMMARY, ANY}},
     .one_of = {{KEY_CORRELATION, OBJECT}, {KEY_TRACE_CORRELATION, OBJECT}}},
    {.kind = TK_DOCUMENT_ENVELOPE, /* a broken one */
     .needs = {{KEY_SOURCE, STRING}, {KEY_GENERATED_AT, STRING}},
     .one_of = {{KEY_CORRELATION, ANY}, {KEY_TRACE_CORRELATION, ANY}, {KEY_SUMMARY, OBJECT}}},
    {.kind = TK_DOCUMENT_CONFORMANCE_VERIFY_RESULT,
     .needs = {{KEY_OVERALL, STRING}},
     .one_of = {{KEY_RESULTS, ARRAY}, {KEY_VIOLATIONS, ARRAY}}},
    {.kind = TK_DOCUMENT_VERIFY_PROFILE_SUMMARY,
     .schema_version = "verify-profile-summary/",
     .needs = {{KEY_PROFILE, STRING}, {KEY_STEPS, ARRAY}}},
    {.kind = TK_DOCUMENT_VERIFY_LITE_SUMMARY,
     .needs = {{KEY_STEPS, OBJECT}},
     .one_of = {{KEY_FLAGS, OBJECT}, {KEY_ARTIFACTS, OBJECT}, {KEY_METADATA, OBJECT}}},
    {.kind = TK_DOCUMENT_KVONCE_PROJECTION,
     .schema_version = "kvonce/",
     .needs = {{KEY_PER_KEY, OBJECT}}},
    {.kind = TK_DOCUMENT_INVENTORY_VALIDATION,
     .schema_version = "inventory/validation/",
     .needs = {{KEY_VALID, ANY}, {KEY_ISSUES, ARRAY}},
     .one_of = {{KEY_FINAL_STATE, ANY}, {KEY_CONFIG, OBJECT}}},
    {.kind = TK_DOCUMENT_INVENTORY_PROJECTION,
     .schema_version = "inventory/v",
     .needs = {{KEY_FINAL_STATE, OBJECT}, {KEY_ORDERS, ARRAY}}},
    {.kind = TK_DOCUMENT_KVONCE_VALIDATION, .needs = {{KEY_VALID, ANY}, {KEY_ISSUES, ANY}}},
    {.kind = TK_DOCUMENT_REPLAY_SUMMARY, .needs = {{KEY_TLC, OBJECT}, {KEY_CONFORMANCE, OBJECT}}},
    {.kind = TK_DOCUMENT_TLA_SUMMARY,
     .needs = {{KEY_ENGINE, STRING}, {KEY_RAN, FLAG}, {KEY_STATUS, STRING}}},
    {.kind = TK_DOCUMENT_CONFORMANCE_SUMMARY,
     .needs = {{KEY_SCHEMA_ERRORS, ANY}, {KEY_INVARIANT_VIOLATIONS, ANY}}},
    {.kind = TK_DOCUMENT_CONFORMANCE_SUMMARY,
     .needs = {{KEY_EVENTS, NUMBER}, {KEY_BY_TYPE, OBJECT}, {KEY_DETAILS, OBJECT}}},
    {.kind = TK_DOCUMENT_GRAFANA_VARIABLES,
     .needs = {{KEY_VARIABLES, OBJECT}},
     .one_of = {{KEY_SOURCES, OBJECT}, {KEY_METADATA, OBJECT}}},
    {.kind = TK_DOCUMENT_TRACE_SUMMARY,
     .needs = {{KEY_CASES, ARRAY}},
     .one_of = {{KEY_TRACE_DIR, STRING}, {KEY_PAYLOAD_METADATA, OBJECT}, {KEY_TRACE, OBJECT}}},
    {.kind = TK_DOCUMENT_PAYLOAD_METADATA,
     .needs = {{KEY_SOURCE_TYPE, STRING | NONE}},
     .one_of = {{KEY_SHA256, SCALAR}, {KEY_SIZE_BYTES, SCALAR}, {KEY_SOURCE_DETAIL, SCALAR}}},
    {.kind = TK_DOCUMENT_LINT_SUMMARY, .needs = {{KEY_RULES, ARRAY}, {KEY_TOTAL, NUMBER}}},
    {.kind = TK_DOCUMENT_MUTATION_SUMMARY,
     .needs = {{KEY_KILLED, NUMBER}},
     .one_of = {{KEY_TOTAL_MUTANTS, NUMBER}, {KEY_MUTATION_SCORE, NUMBER}}},
    {.kind = TK_DOCUMENT_TRACE_MAP,
     .needs = {{KEY_MAPPINGS, ARRAY}},
     .one_of = {{KEY_SPEC, OBJECT}, {KEY_CORRELATION_KEYS, ARRAY}}},
    {.kind = TK_DOCUMENT_DOMAIN_SUMMARY,
     .needs = {{KEY_KEY, STRING}, {KEY_STATUS, STRING}},
     .one_of = {{KEY_TRACE_IDS, ARRAY},
                {KEY_ARTIFACTS, OBJECT},
                {KEY_METRICS, OBJECT},
                {KEY_LABEL, STRING}}},
};

static bool matches(const struct shape *shape, const struct rule *rule) {
  bool one = rule->one_of[0].types == 0;
  if (rule->schema_version && begins_with(shape->schema_version, rule->schema_version)) return true;
  for (int i = 0; i < NEEDS && rule->needs[i].types; i++) {
    if (!has(shape, rule->needs[i].key, rule->needs[i].types)) return false;
  }
  for (int i = 0; i < NEEDS && rule->one_of[i].types; i++) {
    one |= has(shape, rule->one_of[i].key, rule->one_of[i].types);
  }
  return one;
}

/* ---- lines ---- */

/* What `type` is of the events of a key-value store. */
static const char *const kvonce_types[] = {"success", "retry", "failure", NULL};

static bool is_one_of(struct tk_json_string text, const char *const *list) {
  for (; *list; list++) {
    if (is_text(text, *list)) return true;
  }
  return false;
}

static bool judge_line(const struct shape *shape, enum tk_document_kind *kind) {
  static const char *const inventory_types[] = {"projection", "allocation", "release", "validation",
                                                NULL};
  const bool key_and_type = has(shape, KEY_KEY, SCALAR) && has(shape, KEY_TYPE, SCALAR);
  if (is_text(shape->type, "sampling_decision")) {
    *kind = TK_DOCUMENT_SAMPLING_DECISIONS;
  } else if (has(shape, KEY_LEVEL, STRING) && has(shape, KEY_EVENT, STRING) &&
             has(shape, KEY_MESSAGE, STRING)) {
    *kind = TK_DOCUMENT_RUN_LOG;
  } else if (key_and_type && (is_one_of(shape->type, inventory_types) ||
                              (has(shape, KEY_STATE, OBJECT) && !has(shape, KEY_VALUE, ANY)) ||
                              has(shape, KEY_DELTA, ANY))) {
    *kind = TK_DOCUMENT_INVENTORY_EVENTS;
  } else if (key_and_type || is_one_of(shape->type, kvonce_types) ||
             (has(shape, KEY_TIMESTAMP, SCALAR) && has(shape, KEY_KEY, SCALAR)) ||
             (has(shape, KEY_TYPE, SCALAR) &&
              (has(shape, KEY_TIMESTAMP, SCALAR) || has(shape, KEY_TRACE_ID, STRING)))) {
    *kind = TK_DOCUMENT_KVONCE_EVENTS;
  } else if (has(shape, KEY_EVENT, STRING) && has(shape, KEY_TIMESTAMP, SCALAR) &&
             (has(shape, KEY_TRACE_ID, SCALAR) || has(shape, KEY_ACTOR, SCALAR))) {
    *kind = TK_DOCUMENT_OBSERVABILITY_EVENTS;
  } else {
    return false;
  }
  return true;
}

/* ---- judging ---- */

static bool looks_like_span(const struct shape *shape) {
  return (has(shape, KEY_SPAN_ID, ANY) || has(shape, KEY_SPAN_ID_SNAKE, ANY)) &&
         !is_text(shape->type, "sampling_decision") &&
         (has(shape, KEY_NAME, STRING) || has(shape, KEY_DURATION, ANY) ||
          (!is_one_of(shape->type, kvonce_types) && !has(shape, KEY_EVENT, STRING)));
}

static struct tk_document_look judge(const struct shape *shape) {
  struct tk_document_look look = {.trace_id = shape->trace_id, .run_id = shape->run_id};
  if (has(shape, KEY_RESOURCE_SPANS, ANY) || has(shape, KEY_RESOURCE_SPANS_SNAKE, ANY) ||
      has(shape, KEY_SCOPE_SPANS, ANY) || has(shape, KEY_BATCHES, ARRAY)) {
    look.stranger = TK_STRANGER_OTLP;
    return look;
  }
  if (has(shape, KEY_SCHEMA, STRING) ||
      (has(shape, KEY_ID, STRING) && has(shape, KEY_PROPERTIES, OBJECT))) {
    look.stranger = TK_STRANGER_SCHEMA;
    return look;
  }
  look.is_span = looks_like_span(shape);
  for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
    if (!matches(shape, &rules[i]) || look.is_span) continue;
    look.kind = rules[i].kind;
    return look;
  }
  if (look.is_span || !judge_line(shape, &look.kind)) look.stranger = TK_STRANGER_OTHER;
  return look;
}

struct tk_document_look tk_document_look_at(struct tk_json *json) {
  struct shape shape;
  read_shape(json, &shape);
  return judge(&shape);
}

static bool judge_item(const struct shape *shape, enum tk_document_kind *kind) {
  if (has(shape, KEY_INDEX, NUMBER) && has(shape, KEY_STORE, OBJECT)) {
    *kind = TK_DOCUMENT_KVONCE_STATE_SEQUENCE;
    return true;
  }
  if (has(shape, KEY_INDEX, NUMBER) && has(shape, KEY_STATE, OBJECT)) {
    *kind = TK_DOCUMENT_INVENTORY_STATE_SEQUENCE;
    return true;
  }
  const struct tk_document_look look = judge(shape);
  *kind = TK_DOCUMENT_OBSERVABILITY_ARRAY;
  return look.stranger == TK_STRANGER_NONE && look.kind == TK_DOCUMENT_OBSERVABILITY_EVENTS;
}

bool tk_document_look_at_array(struct tk_json *json, enum tk_document_kind *kind) {
  bool whole = false;
  bool first = true;
  for (bool more = tk_json_enter_array(json); more; more = tk_json_next_item(json)) {
    enum tk_document_kind item_kind = TK_DOCUMENT_SPACE;
    struct shape shape;
    bool fits = false;
    if (tk_json_peek(json) == TK_JSON_OBJECT) {
      read_shape(json, &shape);
      fits = judge_item(&shape, &item_kind);
    } else {
      tk_json_skip(json);
    }
    whole = fits && (first || (whole && item_kind == *kind));
    if (first) *kind = item_kind;
    first = false;
    if (!whole && !json->expected) { /* the rest decides nothing */
      while (tk_json_next_item(json)) tk_json_skip(json);
      break;
    }
  }
  return whole;
}

/* ---- beginnings ---- */

/* Keys that no span and no document of spans has outermost, each with the types it must have. */
static const struct need telling[] = {
    {KEY_SUMMARY, OBJECT},           {KEY_CORRELATION, OBJECT}, {KEY_TRACE_CORRELATION, OBJECT},
    {KEY_PER_KEY, OBJECT},           {KEY_ISSUES, ARRAY},       {KEY_ARTIFACTS, OBJECT | ARRAY},
    {KEY_STEPS, OBJECT | ARRAY},     {KEY_CASES, ARRAY},        {KEY_RULES, ARRAY},
    {KEY_VIOLATIONS, ARRAY},         {KEY_RESULTS, ARRAY},      {KEY_GROUPING, OBJECT},
    {KEY_MAPPINGS, ARRAY},           {KEY_VARIABLES, OBJECT},   {KEY_TLC, OBJECT},
    {KEY_FINAL_STATE, OBJECT},       {KEY_ORDERS, ARRAY},       {KEY_STORE, OBJECT},
    {KEY_INVARIANT_VIOLATIONS, ANY},
};

static bool is_telling(const struct shape *shape) {
  for (size_t i = 0; i < sizeof telling / sizeof telling[0]; i++) {
    if (has(shape, telling[i].key, telling[i].types)) return true;
  }
  return false;
}

/* What the first object in the beginning of an input shows. False: there is none. */
static bool read_beginning(const char *head, size_t size, struct shape *shape) {
  char copy[TK_SOURCE_HEAD_SIZE + TK_JSON_PADDING];
  struct tk_json json;
  if (size >= 3 && memcmp(head, "\xEF\xBB\xBF", 3) == 0) {
    head += 3;
    size -= 3;
  }
  if (size > TK_SOURCE_HEAD_SIZE) size = TK_SOURCE_HEAD_SIZE;
  if (size > 0) memcpy(copy, head, size);
  memset(copy + size, 0, TK_JSON_PADDING);
  tk_json_init(&json, copy, size);
  if (tk_json_peek(&json) == TK_JSON_ARRAY && !tk_json_enter_array(&json)) return false;
  if (tk_json_peek(&json) != TK_JSON_OBJECT) return false;
  read_shape(&json, shape);
  return true;
}

bool tk_document_begins(const char *head, size_t size) {
  struct shape shape;
  if (!read_beginning(head, size, &shape)) return false;
  const struct tk_document_look look = judge(&shape);
  if (look.stranger == TK_STRANGER_OTLP || look.is_span) return false;
  return look.stranger != TK_STRANGER_OTHER || is_telling(&shape);
}

bool tk_document_begins_with(const char *head, size_t size, enum tk_document_kind kind) {
  struct shape shape;
  if (!read_beginning(head, size, &shape)) return false;
  const struct tk_document_look look = judge(&shape);
  size_t at = 0;
  while (at < size && head[at] != '{' && head[at] != '[') at++;
  return head[at] == '{' && look.stranger == TK_STRANGER_NONE && look.kind == kind;
}

bool tk_document_may_be_envelope(const char *head, size_t size) {
  struct shape shape;
  if (!read_beginning(head, size, &shape)) return false;
  const struct tk_document_look look = judge(&shape);
  if (look.stranger == TK_STRANGER_NONE) return look.kind == TK_DOCUMENT_ENVELOPE;
  return look.stranger == TK_STRANGER_OTHER && !look.is_span &&
         (is_telling(&shape) || has(&shape, KEY_SOURCE, STRING) ||
          has(&shape, KEY_SCHEMA_VERSION, STRING) || has(&shape, KEY_GENERATED_AT, STRING));
}
