#include "tests/input/parse_support.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tk_batch *parse_text(const char *text) {
  const struct tk_input_options options = {.batch_bytes = SIZE_MAX};
  struct tk_byte_source *source;
  struct tk_input *reader;
  struct tk_batch *batch = NULL;
  struct tk_error error = {""};
  if (tk_byte_source_open_memory("memory", text, strlen(text), 0, &source, &error) != TK_OK ||
      tk_input_open_source(source, &options, &reader, &error) != TK_OK ||
      tk_input_next(reader, &batch, &error) != TK_OK || !batch) {
    printf("# cannot parse %s: %s\n", text, error.message);
    abort();
  }
  tk_input_close(reader);
  return batch;
}

struct tk_batch *parse_span(const char *format, ...) {
  static char members[32768];
  static char text[40000];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(members, sizeof members, format, arguments);
  va_end(arguments);
  snprintf(
      text, sizeof text,
      "{\"resourceSpans\":[{\"resource\":{},\"scopeSpans\":[{\"scope\":{},\"spans\":[{%s}]}]}]}\n",
      members);
  return parse_text(text);
}

const struct tk_issue *find_issue(const struct tk_batch *batch, const char *rule) {
  for (uint32_t i = 0; i < batch->issue_count; i++) {
    if (strcmp(batch->issues[i].rule, rule) == 0) return &batch->issues[i];
  }
  return NULL;
}

unsigned count_issues(const struct tk_batch *batch, const char *rule) {
  unsigned count = 0;
  for (uint32_t i = 0; i < batch->issue_count; i++) {
    count += strcmp(batch->issues[i].rule, rule) == 0;
  }
  return count;
}

bool text_is(struct tk_text text, const char *expected) {
  return text.size == strlen(expected) && memcmp(text.data, expected, text.size) == 0;
}

bool hex_is(const uint8_t *bytes, const char *digits) {
  for (size_t i = 0; digits[2 * i]; i++) {
    unsigned value;
    if (sscanf(digits + 2 * i, "%2x", &value) != 1 || bytes[i] != value) return false;
  }
  return true;
}

struct tk_value find_value(struct tk_attributes attributes, const char *key) {
  for (uint32_t i = 0; i < attributes.count; i++) {
    if (text_is(attributes.items[i].key, key)) return attributes.items[i].value;
  }
  return (struct tk_value){0};
}
