/* SPDX-License-Identifier: MIT
 * The pull parser must accept what cJSON accepts and give the same strings and structure, on input
 * where the two mean the same: cJSON takes some malformed numbers, control characters in strings
 * and anything behind a NUL, so only what our parser accepts is compared, and one level deeper than
 * cJSON's own limit is not reached. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "tracekeep/json.h"
#include "cli/input/json_scanner.h"

#define REQUIRE(condition)     \
  do {                         \
    if (!(condition)) abort(); \
  } while (0)

/* The string as cJSON would have it: up to its first NUL. */
static void compare_string(struct tk_json_string string, const char *expected) {
  bool broken = false;
  char *text = malloc((size_t)string.size + 1);
  REQUIRE(text);
  text[tk_json_unescape(string, text, &broken)] = '\0';
  if (!broken) REQUIRE(strcmp(text, expected) == 0);
  free(text);
}

static void compare(struct tk_json *json, const cJSON *expected);

static void compare_members(struct tk_json *json, const cJSON *expected) {
  const cJSON *child = expected->child;
  for (bool more = tk_json_enter_object(json); more; more = tk_json_next_member(json)) {
    REQUIRE(child);
    compare_string(tk_json_key(json), child->string);
    compare(json, child);
    child = child->next;
  }
  REQUIRE(!child);
}

static void compare_items(struct tk_json *json, const cJSON *expected) {
  const cJSON *child = expected->child;
  for (bool more = tk_json_enter_array(json); more; more = tk_json_next_item(json)) {
    REQUIRE(child);
    compare(json, child);
    child = child->next;
  }
  REQUIRE(!child);
}

static void compare_number(struct tk_text text, double expected) {
  double value;
  int64_t integer;
  tk_parse_int64(text.data, text.size, &integer);
  tk_parse_double(text.data, text.size, &value);
  /* cJSON reads at most 63 characters of a number. */
  if (text.size < 60) REQUIRE(value == expected);
}

static void compare(struct tk_json *json, const cJSON *expected) {
  switch ((int)tk_json_peek(json)) {
    case TK_JSON_OBJECT:
      REQUIRE(cJSON_IsObject(expected));
      compare_members(json, expected);
      break;
    case TK_JSON_ARRAY:
      REQUIRE(cJSON_IsArray(expected));
      compare_items(json, expected);
      break;
    case TK_JSON_STRING:
      REQUIRE(cJSON_IsString(expected));
      compare_string(tk_json_string(json), expected->valuestring);
      break;
    case TK_JSON_NUMBER:
      REQUIRE(cJSON_IsNumber(expected));
      compare_number(tk_json_number(json), expected->valuedouble);
      break;
    default:
      REQUIRE(cJSON_IsBool(expected) || cJSON_IsNull(expected));
      tk_json_read_literal(json);
      break;
  }
}

/* Scalars apart, the scanner must see the end where the parser does. */
static void check_scanner(const char *text, size_t size, const struct tk_json *parsed) {
  struct tk_json_scanner scanner;
  tk_json_scanner_init(&scanner);
  const char *stop = tk_json_scan(&scanner, text, text + size);
  if (*parsed->begin == '{' || *parsed->begin == '[' || *parsed->begin == '"') {
    REQUIRE(scanner.state == TK_SCAN_DONE && stop == parsed->at);
  }
}

/* cJSON refuses lone surrogates and \u0000; those are ours to accept. */
static bool cjson_differs(const char *text) {
  for (; (text = strstr(text, "\\u")); text += 2) {
    if (strncasecmp(text + 2, "d8", 2) >= 0 && strncasecmp(text + 2, "e0", 2) < 0) return true;
    if (strncmp(text + 2, "0000", 4) == 0) return true;
  }
  return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct tk_json json;
  char *text = calloc(1, size + TK_JSON_PADDING);
  REQUIRE(text);
  if (size > 0) memcpy(text, data, size);
  tk_json_init(&json, text, size);
  tk_json_skip(&json);
  if (!json.expected) check_scanner(text, size, &json);
  if (!json.expected && tk_json_at_end(&json) && !cjson_differs(text)) {
    cJSON *expected = cJSON_ParseWithLength(text, size);
    REQUIRE(expected);
    tk_json_init(&json, text, size);
    compare(&json, expected);
    REQUIRE(!json.expected);
    cJSON_Delete(expected);
  }
  free(text);
  return 0;
}
