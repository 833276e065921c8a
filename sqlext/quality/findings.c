/* SPDX-License-Identifier: MIT
 * Messages of all findings of a batch are one buffer, contexts another; a finding knows where its
 * own begins, and the next where it ends. */
#include "sqlext/quality/findings.h"

#include <stdarg.h>
#include <string.h>

#include "sqlext/tables/table_support.h"
#include "sqlext/vtab_support.h"

enum { TEXT_SHOWN = 80, TEXT_NOTED = 1000 };

void tk_quality_findings_clear(struct quality_findings *findings) {
  findings->count = 0;
  findings->messages.size = findings->contexts.size = 0;
  findings->in_context = false;
}

void tk_quality_findings_reset(struct quality_findings *findings) {
  sqlite3_free(findings->items);
  tk_byte_writer_reset(&findings->messages);
  tk_byte_writer_reset(&findings->contexts);
  *findings = (struct quality_findings){.wants_texts = findings->wants_texts};
}

void tk_quality_findings_finish(struct quality_findings *findings) {
  if (findings->in_context) tk_json_literal(&findings->contexts, "}");
  findings->in_context = false;
  if (findings->messages.failed || findings->contexts.failed) findings->failed = true;
}

bool tk_quality_find(struct quality_findings *findings, enum quality_rule rule,
                     const struct quality_place *place) {
  tk_quality_findings_finish(findings);
  if (findings->count == UINT32_MAX / 2 ||
      !tk_grow_zeroed(&findings->items, &findings->capacity, findings->count + 1,
                      sizeof *findings->items)) {
    findings->failed = true;
    return false;
  }
  findings->items[findings->count++] =
      (struct quality_finding){rule, *place, findings->messages.size, findings->contexts.size};
  return findings->wants_texts && !findings->failed;
}

/* ---- messages ---- */

void tk_quality_say(struct quality_findings *findings, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  sqlite3_vsnprintf(sizeof text, text, format, arguments);
  va_end(arguments);
  tk_json_literal(&findings->messages, text);
}

/* At most `limit` bytes, not ending inside a character. */
static struct tk_text cut(struct tk_text text, uint32_t limit) {
  if (text.size <= limit) return text;
  while (limit > 0 && ((uint8_t)text.data[limit] & 0xC0) == 0x80) limit--;
  return (struct tk_text){text.data, limit};
}

void tk_quality_say_text(struct quality_findings *findings, struct tk_text text) {
  const struct tk_text shown = cut(text, TEXT_SHOWN);
  tk_json_text(&findings->messages, shown);
  if (shown.size < text.size) tk_json_literal(&findings->messages, "...");
}

void tk_quality_say_count(struct quality_findings *findings, uint64_t count, const char *noun) {
  tk_quality_say(findings, "%llu %s%s", (unsigned long long)count, noun, count == 1 ? "" : "s");
}

void tk_quality_say_id(struct quality_findings *findings, const uint8_t *id, size_t size) {
  char text[32];
  if (size > sizeof text / 2) size = sizeof text / 2;
  tk_hex_text(id, size, text);
  tk_byte_writer_append(&findings->messages, text, 2 * size);
}

/* ---- contexts ---- */

static void begin_member(struct quality_findings *findings, const char *key) {
  tk_json_literal(&findings->contexts, findings->in_context ? ",\"" : "{\"");
  tk_json_literal(&findings->contexts, key);
  tk_json_literal(&findings->contexts, "\":");
  findings->in_context = true;
}

void tk_quality_note_int(struct quality_findings *findings, const char *key, int64_t value) {
  char text[24];
  begin_member(findings, key);
  sqlite3_snprintf(sizeof text, text, "%lld", (long long)value);
  tk_json_literal(&findings->contexts, text);
}

void tk_quality_note_unsigned(struct quality_findings *findings, const char *key, uint64_t value) {
  char text[24];
  begin_member(findings, key);
  sqlite3_snprintf(sizeof text, text, "%llu", (unsigned long long)value);
  tk_json_literal(&findings->contexts, text);
}

void tk_quality_note_text(struct quality_findings *findings, const char *key, struct tk_text text) {
  begin_member(findings, key);
  tk_json_text(&findings->contexts, cut(text, TEXT_NOTED));
}

void tk_quality_note_word(struct quality_findings *findings, const char *key, const char *word) {
  tk_quality_note_text(findings, key, (struct tk_text){word, (uint32_t)strlen(word)});
}

void tk_quality_note_id(struct quality_findings *findings, const char *key, const uint8_t *id,
                        size_t size) {
  char text[32];
  if (size > sizeof text / 2) size = sizeof text / 2;
  tk_hex_text(id, size, text);
  tk_quality_note_text(findings, key, (struct tk_text){text, (uint32_t)(2 * size)});
}

void tk_quality_note_words(struct quality_findings *findings, const char *key, const char *words) {
  begin_member(findings, key);
  tk_json_literal(&findings->contexts, "[");
  for (bool first = true; *words; first = false) {
    const size_t size = strcspn(words, "|");
    if (!first) tk_json_literal(&findings->contexts, ",");
    tk_json_text(&findings->contexts, (struct tk_text){words, (uint32_t)size});
    words += size + (words[size] == '|');
  }
  tk_json_literal(&findings->contexts, "]");
}

/* ---- reading ---- */

struct tk_text tk_quality_message(const struct quality_findings *findings, uint32_t index) {
  const size_t begin = findings->items[index].message;
  const size_t end =
      index + 1 < findings->count ? findings->items[index + 1].message : findings->messages.size;
  const char *bytes = (const char *)findings->messages.data;
  if (begin >= end) return (struct tk_text){NULL, 0};
  return (struct tk_text){bytes + begin, (uint32_t)(end - begin)};
}

struct tk_text tk_quality_context(const struct quality_findings *findings, uint32_t index) {
  const size_t begin = findings->items[index].context;
  const size_t end =
      index + 1 < findings->count ? findings->items[index + 1].context : findings->contexts.size;
  const char *bytes = (const char *)findings->contexts.data;
  if (begin >= end) return (struct tk_text){NULL, 0};
  return (struct tk_text){bytes + begin, (uint32_t)(end - begin)};
}
