#include "tests/input/parse_support.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tracekeep/hash.h"

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
  if (text.size != strlen(expected)) return false;
  return text.size == 0 || memcmp(text.data, expected, text.size) == 0;
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

uint64_t digest_batch(const struct tk_batch *batch) {
  struct tk_hash hash;
  tk_hash_init(&hash);
  tk_hash_update(&hash, &batch->begin_offset, sizeof batch->begin_offset);
  tk_hash_update(&hash, &batch->end_offset, sizeof batch->end_offset);
  tk_hash_update(&hash, &batch->end_hash, sizeof batch->end_hash);
  tk_hash_update(&hash, &batch->record_count, sizeof batch->record_count);
  tk_hash_update(&hash, &batch->rejected_count, sizeof batch->rejected_count);
  for (uint32_t i = 0; i < batch->span_count; i++) {
    const struct tk_span *span = &batch->spans[i];
    tk_hash_update(&hash, span->trace_id, sizeof span->trace_id);
    tk_hash_update(&hash, span->span_id, sizeof span->span_id);
    tk_hash_update(&hash, span->name.data, span->name.size);
    tk_hash_update(&hash, span->residual.data, span->residual.size);
    if (span->resource->attributes.count == 0) continue;
    const struct tk_value *first = &span->resource->attributes.items[0].value;
    if (first->type == TK_VALUE_STRING) tk_hash_update(&hash, first->as.text, first->size);
  }
  for (uint32_t i = 0; i < batch->issue_count; i++) {
    const struct tk_issue *issue = &batch->issues[i];
    tk_hash_update(&hash, &issue->line, sizeof issue->line);
    tk_hash_update(&hash, &issue->offset, sizeof issue->offset);
    tk_hash_update(&hash, issue->message.data, issue->message.size);
    tk_hash_update(&hash, issue->raw.data, issue->raw.size);
  }
  return tk_hash_digest(&hash);
}
