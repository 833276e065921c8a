/* SPDX-License-Identifier: MIT
 * A line of `inspect`: what one would look for first in a document of its kind. */
#include "cli/document_words.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tracekeep/status.h"

struct words {
  char *out;
  size_t room, size;
};

static void add(struct words *words, const char *format, ...) TK_PRINTF(2, 3);

static void add(struct words *words, const char *format, ...) {
  va_list arguments;
  if (words->size + 1 >= words->room) return;
  if (words->size > 0) {
    words->size += (size_t)snprintf(words->out + words->size, words->room - words->size, ", ");
    if (words->size >= words->room) words->size = words->room - 1;
  }
  va_start(arguments, format);
  const int wrote =
      vsnprintf(words->out + words->size, words->room - words->size, format, arguments);
  va_end(arguments);
  if (wrote > 0) words->size += (size_t)wrote;
  if (words->size >= words->room) words->size = words->room - 1;
}

static const cJSON *member(const cJSON *object, const char *key) {
  return cJSON_GetObjectItemCaseSensitive(object, key);
}

static void add_text(struct words *words, const char *label, const cJSON *value) {
  if (cJSON_IsString(value)) add(words, "%s%.60s", label, value->valuestring);
}

static void add_count(struct words *words, const cJSON *list, const char *what) {
  const int count = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
  if (cJSON_IsArray(list)) add(words, "%d %s%s", count, what, count == 1 ? "" : "s");
}

static void add_validity(struct words *words, const cJSON *value) {
  if (cJSON_IsBool(value)) add(words, "%s", cJSON_IsTrue(value) ? "valid" : "not valid");
}

static void describe_envelope(struct words *words, const cJSON *envelope) {
  const cJSON *correlation = member(envelope, "correlation");
  if (!cJSON_IsObject(correlation)) correlation = member(envelope, "traceCorrelation");
  add_text(words, "run ", member(correlation, "runId"));
  add_text(words, "from ", member(envelope, "source"));
  add_text(words, "", member(correlation, "branch"));
  add_text(words, "", member(member(member(envelope, "summary"), "trace"), "status"));
  add_count(words, member(envelope, "artifacts"), "artifact");
  add_count(words, member(correlation, "traceIds"), "trace");
}

static void describe_steps(struct words *words, const cJSON *steps) {
  int count = 0, failed = 0;
  const cJSON *step;
  cJSON_ArrayForEach(step, steps) {
    const cJSON *status = member(step, "status");
    count++;
    failed += cJSON_IsString(status) && strncmp(status->valuestring, "fail", 4) == 0;
  }
  add(words, "%d step%s, %d failed", count, count == 1 ? "" : "s", failed);
}

static void describe(struct words *words, enum tk_document_kind kind, const cJSON *value) {
  switch ((int)kind) {
    case TK_DOCUMENT_ENVELOPE:
      describe_envelope(words, value);
      break;
    case TK_DOCUMENT_KVONCE_VALIDATION:
    case TK_DOCUMENT_INVENTORY_VALIDATION:
      add_validity(words, member(value, "valid"));
      add_count(words, member(value, "issues"), "issue");
      break;
    case TK_DOCUMENT_KVONCE_PROJECTION:
      add_count(words, member(value, "events"), "event");
      break;
    case TK_DOCUMENT_TRACE_BUNDLE:
      add_count(words, member(value, "events"), "event");
      add_text(words, "from ", member(member(value, "source"), "service"));
      break;
    case TK_DOCUMENT_TRACE_SUMMARY:
      add_count(words, member(value, "cases"), "case");
      break;
    case TK_DOCUMENT_DOMAIN_SUMMARY:
      add_text(words, "", member(value, "key"));
      add_text(words, "", member(value, "status"));
      break;
    case TK_DOCUMENT_VERIFY_LITE_SUMMARY:
    case TK_DOCUMENT_VERIFY_PROFILE_SUMMARY:
      describe_steps(words, member(value, "steps"));
      break;
    case TK_DOCUMENT_LINT_SUMMARY:
      add_count(words, member(value, "rules"), "rule");
      break;
    case TK_DOCUMENT_CONFORMANCE_VERIFY_RESULT:
      add_text(words, "", member(value, "overall"));
      add_count(words, member(value, "violations"), "violation");
      break;
    case TK_DOCUMENT_AUTOMATION_REPORT:
      add_text(words, "", member(value, "tool"));
      add_text(words, "", member(value, "status"));
      break;
    case TK_DOCUMENT_PAYLOAD_METADATA:
      add_text(words, "", member(value, "sourceType"));
      add_text(words, "", member(value, "sourceDetail"));
      break;
    default:
      break;
  }
}

void tk_document_words(const struct tk_document *document, char *out, size_t room) {
  struct words words = {.out = out, .room = room};
  out[0] = '\0';
  if (tk_document_kind_is_lines(document->kind)) return;
  const size_t skipped =
      document->size >= 3 && memcmp(document->text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
  cJSON *value = cJSON_ParseWithLength(document->text + skipped, document->size - skipped);
  if (value) describe(&words, document->kind, value);
  cJSON_Delete(value);
}
